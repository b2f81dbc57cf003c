//! What was signed, changed afterwards; and what was not signed, changed too.

use super::{Draft, accept, reject};

const BASE: &str = r#""@method": POST
"@scheme": https
"@authority": example.com
"@path": /foo
"@query": ?param=Value&Pet=dog
"@query-param";name="Pet": dog
"date": Tue, 20 Apr 2021 02:07:55 GMT
"x-list": a, b
("@method" "@scheme" "@authority" "@path" "@query" "@query-param";name="Pet" "date" "x-list");created=1618884473;expires=1618884773;nonce="n-1";keyid="test-shared-secret";alg="hmac-sha256";tag="t""#;

const URI: &str = "https://example.com/foo?param=Value&Pet=dog";

/// A request with much of it signed.
fn signed(draft: Draft) -> Draft {
    let draft = draft.method("POST").to(URI).field("Date", "Tue, 20 Apr 2021 02:07:55 GMT");
    draft.field("X-List", "a").field("X-List", "b").field("X-Other", "o").base(BASE)
}

/// What is sent after one thing in `Signature-Input` is changed.
fn input(draft: Draft, from: &str, to: &str) -> Draft {
    let draft = signed(draft);
    let (_, last) = draft.base.rsplit_once("\"@signature-params\": ").unwrap_or_default();
    let sent = format!("s={}", last.replacen(from, to, 1));
    draft.sent(&sent)
}

fn fields(mut draft: Draft, fields: &[(&str, &str)]) -> Draft {
    draft = signed(draft);
    draft.request.fields = fields.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    draft
}

pub(super) fn cases() -> Vec<Draft> {
    let mut cases = requests();
    cases.extend(parameters());
    cases.extend(uncovered());
    cases
}

fn requests() -> Vec<Draft> {
    let why = "3.2";
    let date = ("Date", "Tue, 20 Apr 2021 02:07:55 GMT");
    let (a, b) = (("X-List", "a"), ("X-List", "b"));
    vec![
        signed(accept(why, "signed as it is")),
        signed(reject(why, "changed: method")).method("PUT"),
        signed(reject(why, "changed: case of the method")).method("post"),
        signed(reject(why, "changed: scheme")).to("http://example.com/foo?param=Value&Pet=dog"),
        signed(reject(why, "changed: host")).to("https://example.org/foo?param=Value&Pet=dog"),
        signed(reject(why, "changed: host below")).to("https://a.example.com/foo?param=Value&Pet=dog"),
        signed(reject(why, "changed: port")).to("https://example.com:8443/foo?param=Value&Pet=dog"),
        signed(accept("2.2.3, 2.2.4", "changed: case of scheme and host, default port"))
            .to("HTTPS://Example.Com:443/foo?param=Value&Pet=dog"),
        signed(reject(why, "changed: path")).to("https://example.com/bar?param=Value&Pet=dog"),
        signed(reject(why, "changed: case of the path")).to("https://example.com/Foo?param=Value&Pet=dog"),
        signed(reject(why, "changed: path encoded")).to("https://example.com/%66oo?param=Value&Pet=dog"),
        signed(reject(why, "changed: query")).to("https://example.com/foo?param=Other&Pet=dog"),
        signed(reject(why, "changed: query parameter")).to("https://example.com/foo?param=Value&Pet=cat"),
        signed(reject(why, "changed: query parameter encoded"))
            .to("https://example.com/foo?param=Value&Pet=d%6Fg"),
        signed(reject(why, "changed: query, one more")).to("https://example.com/foo?param=Value&Pet=dog&a=b"),
        signed(reject(why, "changed: query, ampersand behind"))
            .to("https://example.com/foo?param=Value&Pet=dog&"),
        signed(reject(why, "changed: no query")).to("https://example.com/foo"),
        fields(reject(why, "changed: field"), &[("Date", "Tue, 20 Apr 2021 02:07:56 GMT"), a, b]),
        fields(reject(why, "changed: space in a field"), &[("Date", "Tue, 20 Apr 2021  02:07:55 GMT"), a, b]),
        fields(reject(why, "changed: field is missing"), &[a, b]),
        fields(reject(why, "changed: field is empty"), &[("Date", ""), a, b]),
        fields(reject(why, "changed: field, one more line"), &[date, a, b, ("X-List", "c")]),
        fields(reject(why, "changed: field, one line less"), &[date, a]),
        fields(reject(why, "changed: field, order of lines"), &[date, b, a]),
        fields(reject(why, "changed: field, another line of it"), &[date, date, a, b]),
        fields(reject(why, "changed: field, empty line before"), &[date, ("X-List", ""), a, b]),
        fields(
            accept("2.1", "changed: lines joined, names and whitespace"),
            &[("x-list", "  a, b "), ("DATE", "\tTue, 20 Apr 2021 02:07:55 GMT")],
        ),
        fields(accept("2.1", "changed: order of different fields"), &[a, ("X-New", "1"), b, date]),
    ]
}

fn parameters() -> Vec<Draft> {
    let why = "2.3";
    let mut cases = Vec::new();
    for (what, from, to) in [
        ("created", "created=1618884473", "created=1618884472"),
        ("created dropped", ";created=1618884473", ""),
        ("expires", "expires=1618884773", "expires=1618888773"),
        ("expires dropped", ";expires=1618884773", ""),
        ("nonce", "n-1", "n-2"),
        ("nonce dropped", r#";nonce="n-1""#, ""),
        ("keyid", r#"keyid="test-shared-secret""#, r#"keyid="other""#),
        ("keyid dropped", r#";keyid="test-shared-secret""#, ""),
        ("alg dropped", r#";alg="hmac-sha256""#, ""),
        ("tag", r#"tag="t""#, r#"tag="u""#),
        ("tag dropped", r#";tag="t""#, ""),
        ("tag of another type", r#"tag="t""#, "tag=t"),
        ("one parameter more", r#"tag="t""#, r#"tag="t";foo=1"#),
        ("order of parameters", r#";alg="hmac-sha256";tag="t""#, r#";tag="t";alg="hmac-sha256""#),
        ("component dropped", r#" "x-list""#, ""),
        (
            "all components dropped",
            r#""@method" "@scheme" "@authority" "@path" "@query" "@query-param";name="Pet" "date" "x-list""#,
            "",
        ),
        ("component more", r#""x-list""#, r#""x-list" "x-other""#),
        ("component instead", r#""x-list""#, r#""x-other""#),
        ("order of components", r#""@method" "@scheme""#, r#""@scheme" "@method""#),
        ("parameter of a component", r#"name="Pet""#, r#"name="param""#),
        ("parameter of a component more", r#""x-list""#, r#""x-list";bs"#),
        ("case of a component", r#""x-list""#, r#""X-List""#),
    ] {
        cases.push(input(reject(why, format!("changed in Signature-Input: {what}")), from, to));
    }
    cases
}

fn uncovered() -> Vec<Draft> {
    let why = "7.2.1: what is not covered is not protected";
    let plain = |draft: Draft| draft.base("\"@authority\": example.com\n(\"@authority\")");
    let path = |draft: Draft| draft.base("\"@path\": /foo\n(\"@path\")");
    vec![
        plain(accept(why, "not covered: method")).method("DELETE"),
        plain(accept(why, "not covered: path and query")).to("https://example.com/other?a=b"),
        plain(accept(why, "not covered: scheme")).to("http://example.com/"),
        plain(accept(why, "not covered: a field")).field("X-Test", "anything"),
        plain(accept(why, "not covered: a field that is odd")).field("X-Test", "caf\u{e9}"),
        path(accept(why, "not covered: query")).to("https://example.com/foo?a=b"),
        path(accept(why, "not covered: host and port")).to("https://example.org:8443/foo"),
        path(accept(why, "not covered: a query that repeats itself")).to("https://example.com/foo?a=1&a=2"),
        path(reject("3.2", "covered: path, although all else is not")).to("https://example.com/fooo"),
    ]
}
