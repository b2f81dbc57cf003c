//! Fields (section 2.1): how their values are put together, and the parameters `sf`, `key`, `bs`, `req` and `tr`.

use super::{Draft, accept, policy, reject};

/// The field `x-test` with one value.
fn one(draft: Draft, value: &str, base: &str) -> Draft {
    lines(draft, &[value], base)
}

/// The field `x-test` with a line for each value.
fn lines(draft: Draft, values: &[&str], base: &str) -> Draft {
    values
        .iter()
        .fold(draft, |draft, value| draft.field("X-Test", value))
        .base(&format!("\"x-test\": {base}\n(\"x-test\")"))
}

/// One identifier.
fn with(draft: Draft, identifier: &str, value: &str) -> Draft {
    draft.base(&format!("{identifier}: {value}\n({identifier})"))
}

pub(super) fn cases() -> Vec<Draft> {
    let mut cases = values();
    cases.extend(repeated());
    cases.extend(names());
    cases.extend(binary());
    cases.extend(structured());
    cases.extend(members());
    cases.extend(parameters());
    cases.extend(repeated_identifiers());
    cases
}

fn values() -> Vec<Draft> {
    vec![
        one(accept("2.1", "field"), "value", "value"),
        one(
            accept("2.1", "field with whitespace around"),
            "   Leading and trailing whitespace.   ",
            "Leading and trailing whitespace.",
        ),
        one(accept("2.1", "field with tabs around"), "\t value\t\t", "value"),
        one(reject("2.1", "field with whitespace around, kept in the base"), " value ", " value "),
        one(accept("2.1", "field with whitespace inside"), "a    b,c ,  d", "a    b,c ,  d"),
        one(reject("2.1", "field with whitespace inside, joined in the base"), "a    b", "a b"),
        one(accept("2.1, 2.5: field-content", "field with a tab inside"), "a\tb", "a\tb"),
        one(reject("2.1", "field with a tab inside, a space in the base"), "a\tb", "a b"),
        one(
            accept("2.1", "field with obsolete folding"),
            "Obsolete\r\n    line folding.",
            "Obsolete line folding.",
        ),
        one(
            accept("2.1, RFC 9112, 5.2", "field folded with a tab"),
            "Obsolete\r\n\tline folding.",
            "Obsolete line folding.",
        ),
        one(
            accept("2.1, RFC 9112, 5.2", "field folded behind whitespace"),
            "Obsolete \t\r\n  line folding.",
            "Obsolete line folding.",
        ),
        one(accept("2.1", "field folded twice"), "a\r\n b\r\n   c", "a b c"),
        one(reject("2.1", "field folded, kept in the base"), "a\r\n b", "a\r\n b"),
        one(reject("2.1", "field folded, two spaces in the base"), "a\r\n  b", "a  b"),
        one(accept("2.1", "field, empty"), "", ""),
        one(accept("2.1", "field of nothing but whitespace"), "  \t ", ""),
        reject("2.5", "field, absent, empty in the base").base("\"x-test\": \n(\"x-test\")"),
        reject("2.5", "field, absent, not in the base").base("(\"x-test\")"),
        one(accept("2.1", "field with quotes and backslashes"), r#""a\"b" \ 'c'"#, r#""a\"b" \ 'c'"#),
        one(
            accept("2.1", "field that looks like a line of the base"),
            r#""@method": DELETE"#,
            r#""@method": DELETE"#,
        ),
        one(accept("2.1", "field, case kept"), "VaLuE", "VaLuE"),
        one(reject("2.1", "field, case changed in the base"), "VaLuE", "value"),
        one(reject("2, 2.5", "field with a newline"), "a\n\"@method\": DELETE", "a\n\"@method\": DELETE"),
        one(reject("2, 2.5", "field with a newline before a space"), "a\n b", "a\n b"),
        one(reject("2.5: field-content", "field with a carriage return"), "a\rb", "a\rb"),
        one(reject("2, 2.5", "field with a carriage return and a newline, not folded"), "a\r\nb", "a\r\nb"),
        one(reject("2.5: field-content", "field with NUL"), "a\0b", "a\0b"),
        one(reject("2.5: field-content", "field with a control character"), "a\u{1}b", "a\u{1}b"),
        one(reject("2.5: field-content", "field with DEL"), "a\u{7f}b", "a\u{7f}b"),
        one(reject("2.5, step 4", "field not in ASCII"), "caf\u{e9}", "caf\u{e9}"),
        policy("2.1, RFC 9110, 5.5", "field with a newline, a space in the base")
            .field("X-Test", "a\nb")
            .base("\"x-test\": a b\n(\"x-test\")"),
        accept("2.1", "fields of many names")
            .field("Host", "example.com")
            .field("Date", "Tue, 20 Apr 2021 02:07:55 GMT")
            .field("Content-Type", "application/json")
            .field("Authorization", "Bearer abc")
            .field("Cookie", "a=b; c=d")
            .base(
                r#""cookie": a=b; c=d
"authorization": Bearer abc
"content-type": application/json
"date": Tue, 20 Apr 2021 02:07:55 GMT
"host": example.com
("cookie" "authorization" "content-type" "date" "host")"#,
            ),
    ]
}

fn repeated() -> Vec<Draft> {
    vec![
        lines(
            accept("2.1", "field twice"),
            &["max-age=60", "   must-revalidate"],
            "max-age=60, must-revalidate",
        ),
        lines(accept("2.1", "field three times, one empty"), &["a", "", "b"], "a, , b"),
        lines(reject("2.1", "field three times, the empty one dropped in the base"), &["a", "", "b"], "a, b"),
        lines(reject("2.1", "field twice, in another order in the base"), &["a", "b"], "b, a"),
        lines(reject("2.1", "field twice, only the first in the base"), &["a", "b"], "a"),
        lines(reject("2.1", "field twice, only the last in the base"), &["a", "b"], "b"),
        lines(reject("2.1", "field twice, comma without space in the base"), &["a", "b"], "a,b"),
        lines(accept("2.1", "field twice, one folded"), &["a\r\n b", "c"], "a b, c"),
        lines(accept("2.1", "field once, as if it were two"), &["a, b"], "a, b"),
        lines(accept("2.1", "field twice, both empty"), &["", ""], ", "),
        lines(
            accept("2.1", "field twice, commas in both"),
            &["value, with, lots", "of, commas"],
            "value, with, lots, of, commas",
        ),
        accept("2.1", "field twice, another between, names in several cases")
            .field("X-Test", "a")
            .field("X-Other", "o")
            .field("x-TEST", "b")
            .base("\"x-test\": a, b\n(\"x-test\")"),
        reject("2, 2.1", "field twice in the base, a line for each value")
            .field("X-Test", "a")
            .field("X-Test", "b")
            .base(
                r#""x-test": a
"x-test": b
("x-test")"#,
            ),
        policy("2.1, 7.5.6", "field that is no list, twice")
            .field("Set-Cookie", "a=b, c")
            .field("Set-Cookie", "d=e")
            .base("\"set-cookie\": a=b, c, d=e\n(\"set-cookie\")"),
    ]
}

fn names() -> Vec<Draft> {
    vec![
        with(accept("2.1", "field, name in upper case in the request"), r#""x-test""#, "a")
            .field("X-TEST", "a"),
        with(reject("2.1", "field, name in upper case in the identifier"), r#""X-Test""#, "a")
            .field("X-Test", "a"),
        with(
            reject("2.1", "field, name in upper case in the identifier, lower case in the request"),
            r#""X-Test""#,
            "a",
        )
        .field("x-test", "a"),
        reject("2.1", "field, name in upper case in the identifier, lower case in the base")
            .field("X-Test", "a")
            .base("\"x-test\": a\n(\"X-Test\")"),
        with(reject("2.5", "field without a name"), r#""""#, "a").field("X-Test", "a"),
        with(reject("2.5", "field, name with a space behind"), r#""x-test ""#, "a").field("X-Test", "a"),
        with(reject("2.5", "field, name with a colon"), r#""x-test:""#, "a").field("X-Test", "a"),
        with(reject("2.5", "field, name with an escaped quote"), r#""x-\"test""#, "a").field("X-Test", "a"),
        with(reject("2.2, 7.5.1", "field with the name of a derived component"), r#""@path""#, "/x")
            .field("@path", "/x"),
        with(reject("2.2, 7.5.1", "field with the name of an unknown derived component"), r#""@x""#, "1")
            .field("@x", "1"),
        reject("2.5: component-name is an sf-string", "component is a token")
            .field("X-Test", "a")
            .base("\"x-test\": a\n(x-test)"),
        reject("2.5: component-name is an sf-string", "component is a token, and in the base")
            .field("X-Test", "a")
            .base("x-test: a\n(x-test)"),
        reject("2.5: component-name is an sf-string", "component is a byte sequence")
            .base(":QHBhdGg=:: /\n(:QHBhdGg=:)"),
        reject("2.5: component-name is an sf-string", "component is an integer")
            .field("1", "a")
            .base("1: a\n(1)"),
        reject("2.5: component-name is an sf-string", "component is a display string")
            .field("X-Test", "a")
            .base("\"x-test\": a\n(%\"x-test\")"),
    ]
}

fn binary() -> Vec<Draft> {
    let of = |draft: Draft, values: &[&str], base: &str| {
        let draft = values.iter().fold(draft, |draft, value| draft.field("Example-Header", value));
        with(draft, r#""example-header";bs"#, base)
    };
    vec![
        of(
            accept("2.1.3", "bs"),
            &["value, with, lots, of, commas"],
            ":dmFsdWUsIHdpdGgsIGxvdHMsIG9mLCBjb21tYXM=:",
        ),
        of(
            accept("2.1.3", "bs, two lines"),
            &["value, with, lots", "of, commas"],
            ":dmFsdWUsIHdpdGgsIGxvdHM=:, :b2YsIGNvbW1hcw==:",
        ),
        of(
            reject("2.1.3", "bs, two lines joined in the base"),
            &["value, with, lots", "of, commas"],
            ":dmFsdWUsIHdpdGgsIGxvdHMsIG9mLCBjb21tYXM=:",
        ),
        of(accept("2.1.3", "bs, whitespace around"), &["  a\t"], ":YQ==:"),
        of(accept("2.1.3", "bs, folded"), &["a\r\n   b"], ":YSBi:"),
        of(accept("2.1.3", "bs, empty"), &[""], "::"),
        of(accept("2.1.3", "bs, one of two empty"), &["a", ""], ":YQ==:, ::"),
        of(accept("2.1.3", "bs, not in ASCII"), &["caf\u{e9}"], ":Y2Fmw6k=:"),
        of(reject("2.1.3, RFC 9651, 4.1.8", "bs, no padding in the base"), &["a"], ":YQ:"),
        of(reject("2.1.3", "bs, absent"), &[], ""),
        of(reject("2.1.3", "bs, value as it is in the base"), &["a"], "a"),
        of(policy("2.1.3, RFC 9110, 5.5", "bs, with a newline"), &["a\nb"], ":YQpi:"),
        with(reject("2.1, 2.5", "bs with sf"), r#""priority";bs;sf"#, ":dT0x:").field("Priority", "u=1"),
        with(reject("2.1, 2.5", "sf with bs"), r#""priority";sf;bs"#, "u=1").field("Priority", "u=1"),
        with(reject("2.1, 2.5", "bs with key"), r#""priority";bs;key="u""#, ":MQ==:")
            .field("Priority", "u=1"),
        with(reject("2.1, 2.5", "key with bs"), r#""priority";key="u";bs"#, "1").field("Priority", "u=1"),
        with(reject("2.1: bs is a Boolean flag", "bs is an integer"), r#""x-test";bs=1"#, ":YQ==:")
            .field("X-Test", "a"),
        with(reject("2.1: bs is a Boolean flag", "bs is a string"), r#""x-test";bs="1""#, ":YQ==:")
            .field("X-Test", "a"),
        with(policy("2.1", "bs is false, value as it is"), r#""x-test";bs=?0"#, "a").field("X-Test", "a"),
        with(policy("2.1", "bs is false, value wrapped"), r#""x-test";bs=?0"#, ":YQ==:").field("X-Test", "a"),
        with(accept("2.1.3", "bs is true in so many letters"), r#""x-test";bs"#, ":YQ==:")
            .field("X-Test", "a")
            .sent(r#"s=("x-test";bs=?1);created=1618884473;keyid="test-shared-secret""#),
        accept("2", "field with and without bs").field("X-Test", "a").base(
            r#""x-test": a
"x-test";bs: :YQ==:
("x-test" "x-test";bs)"#,
        ),
    ]
}

fn structured() -> Vec<Draft> {
    let known = "2.1.1: if the application knows the type";
    let of = |draft: Draft, name: &str, values: &[&str], base: &str| {
        let draft = values.iter().fold(draft, |draft, value| draft.field(name, value));
        with(draft, &format!("\"{name}\";sf"), base)
    };
    let digest = "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:";
    vec![
        of(policy(known, "sf of a Dictionary"), "priority", &["u=1,   i"], "u=1, i"),
        of(policy(known, "sf of a Dictionary in two lines"), "priority", &["u=1", "i"], "u=1, i"),
        of(policy(known, "sf of Content-Digest"), "content-digest", &[&format!("  {digest}")], digest),
        of(policy(known, "sf of a List"), "cache-status", &["a;hit,   b;fwd=miss"], "a;hit, b;fwd=miss"),
        of(
            policy(known, "sf of a field of which the type is not registered"),
            "example-dict",
            &["a=1,    b=2;x=1;y=2,   c=(a   b   c)"],
            "a=1, b=2;x=1;y=2, c=(a b c)",
        ),
        of(reject("2.1.1", "sf, not serialised again in the base"), "priority", &["u=1,   i"], "u=1,   i"),
        of(reject("2.1.1", "sf, members in another order in the base"), "priority", &["u=1, i"], "i, u=1"),
        of(reject("2.5", "sf of a malformed field"), "priority", &["u=,=1"], "u=,=1"),
        of(
            reject("2.5", "sf of a field that is no structured field"),
            "date",
            &["Tue, 20 Apr 2021 02:07:55 GMT"],
            "Tue, 20 Apr 2021 02:07:55 GMT",
        ),
        of(reject("2.5", "sf of an absent field"), "priority", &[], ""),
        with(reject("2.1: sf is a Boolean flag", "sf is an integer"), r#""priority";sf=1"#, "u=1")
            .field("Priority", "u=1"),
        with(policy("2.1", "sf is false"), r#""priority";sf=?0"#, "u=1").field("Priority", "u=1"),
    ]
}

fn members() -> Vec<Draft> {
    let known = "2.1.2: if the application knows the field as a Dictionary";
    let of = |draft: Draft, key: &str, base: &str| {
        with(
            draft.field("Example-Dict", "  a=1, b=2;x=1;y=2, c=(a   b    c), d"),
            &format!("\"example-dict\";key={key}"),
            base,
        )
    };
    vec![
        of(policy(known, "key, an integer"), r#""a""#, "1"),
        of(policy(known, "key, parameters"), r#""b""#, "2;x=1;y=2"),
        of(policy(known, "key, an Inner List"), r#""c""#, "(a b c)"),
        of(policy(known, "key, true"), r#""d""#, "?1"),
        of(reject("2.1.2", "key, true, empty in the base"), r#""d""#, ""),
        of(reject("2.1.2", "key, parameters dropped in the base"), r#""b""#, "2"),
        of(reject("2.1.2", "key, not serialised again in the base"), r#""c""#, "(a   b    c)"),
        of(reject("2.1.2", "key, its name in the base"), r#""a""#, "a=1"),
        of(reject("2.1.2", "key, no such member"), r#""e""#, ""),
        of(reject("2.1.2", "key, in upper case"), r#""A""#, "1"),
        of(reject("2.1: key is a String", "key is a token"), "a", "1"),
        of(reject("2.1: key is a String", "key is true"), "?1", "1"),
        of(reject("2.1: key is a String", "key is a byte sequence"), ":YQ==:", "1"),
        of(policy("2.1: redundant", "key with sf"), r#""a";sf"#, "1"),
        of(policy("2.1: redundant, and their order is kept", "sf with key"), r#""a""#, "1").base(
            r#""example-dict";sf;key="a": 1
("example-dict";sf;key="a")"#,
        ),
        policy(known, "key, of two lines, the last member counts")
            .field("Example-Dict", "a=1, b=2")
            .field("Example-Dict", "a=3")
            .base(
                r#""example-dict";key="a": 3
("example-dict";key="a")"#,
            ),
        reject("2.1.2", "key, of two lines, the first member in the base")
            .field("Example-Dict", "a=1, b=2")
            .field("Example-Dict", "a=3")
            .base(
                r#""example-dict";key="a": 1
("example-dict";key="a")"#,
            ),
        policy(known, "keys in another order").field("Example-Dict", "a=1, b=2").base(
            r#""example-dict";key="b": 2
"example-dict";key="a": 1
("example-dict";key="b" "example-dict";key="a")"#,
        ),
        with(reject("2.5", "key of a field that is no Dictionary"), r#""x-list";key="a""#, "a")
            .field("X-List", "(a b), \"c\""),
        with(reject("2.5", "key of an absent field"), r#""example-dict";key="a""#, "1"),
        with(reject("2.5", "key of a malformed field"), r#""example-dict";key="a""#, "1")
            .field("Example-Dict", "a=1, b=="),
    ]
}

fn parameters() -> Vec<Draft> {
    let of = |draft: Draft, identifier: &str| with(draft.field("X-Test", "a"), identifier, "a");
    let mut cases = vec![
        of(reject("2.4, 2.5", "field with req"), r#""x-test";req"#),
        of(reject("2.4, 2.5", "field with req and sf"), r#""x-test";req;sf"#),
        of(reject("2.4, 2.5: contains the parameter", "field with req that is false"), r#""x-test";req=?0"#),
        of(reject("2.1.4: there is no trailer field", "field with tr"), r#""x-test";tr"#),
        of(reject("2.1.4", "field with tr, absent in the base"), r#""x-test";tr"#).base("(\"x-test\";tr)"),
    ];
    for parameter in ["foo", "foo=?0", "foo=1", r#"name="a""#, "Sf", "*"] {
        let parses = parameter != "Sf";
        let why = if parses { "2.5: a parameter that is not understood" } else { "RFC 9651, 3.1.2: no key" };
        cases.push(of(
            reject(why, format!("field with the parameter {parameter}")),
            &format!("\"x-test\";{parameter}"),
        ));
    }
    cases
}

fn repeated_identifiers() -> Vec<Draft> {
    vec![
        reject("2, 2.5, step 2.1", "field covered twice").field("X-Test", "a").base(
            r#""x-test": a
"x-test": a
("x-test" "x-test")"#,
        ),
        reject("2, 2.5, step 2.1", "field covered twice, once in the base")
            .field("X-Test", "a")
            .base("\"x-test\": a\n(\"x-test\" \"x-test\")"),
        reject("2, 2.5, step 2.1", "derived component covered twice").base(
            r#""@method": GET
"@path": /
"@method": GET
("@method" "@path" "@method")"#,
        ),
        reject("2, 2.5, step 2.1", "field covered twice with bs").field("X-Test", "a").base(
            r#""x-test";bs: :YQ==:
"x-test";bs: :YQ==:
("x-test";bs "x-test";bs)"#,
        ),
        reject(
            "2: order of parameters is not significant",
            "field covered twice, parameters in another order",
        )
        .field("Example-Dict", "a=1")
        .base(
            r#""example-dict";key="a";sf: 1
"example-dict";sf;key="a": 1
("example-dict";key="a";sf "example-dict";sf;key="a")"#,
        ),
        reject("2: order of components is part of the signature", "components in another order in the base")
            .field("X-Test", "a")
            .base(
                r#""@method": GET
"x-test": a
("x-test" "@method")"#,
            ),
        accept("2.5", "components in an odd order").field("X-Test", "a").base(
            r#""x-test": a
"@query": ?
"@method": GET
"@path": /
("x-test" "@query" "@method" "@path")"#,
        ),
    ]
}
