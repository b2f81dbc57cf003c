//! `@query-param` (section 2.2.8): decoded as HTML forms are, and encoded again.

use super::{Draft, accept, policy, reject};

/// One parameter of the query.
fn of(draft: Draft, query: &str, name: &str, value: &str) -> Draft {
    let identifier = format!("\"@query-param\";name=\"{name}\"");
    draft
        .to(&format!("https://example.com/path{query}"))
        .base(&format!("{identifier}: {value}\n({identifier})"))
}

pub(super) fn cases() -> Vec<Draft> {
    let mut cases = names();
    cases.extend(values());
    cases.extend(identifiers());
    cases
}

fn names() -> Vec<Draft> {
    vec![
        of(accept("2.2.8", "query parameter"), "?param=value&foo=bar", "param", "value"),
        of(accept("2.2.8", "query parameter, the last"), "?param=value&foo=bar", "foo", "bar"),
        of(reject("2.2.8", "query parameter, missing"), "?param=value", "foo", ""),
        of(reject("2.2.8", "query parameter, no query"), "", "foo", ""),
        of(reject("2.2.8", "query parameter, empty query"), "?", "foo", ""),
        of(reject("2.2.8", "query parameter, name in another case"), "?Foo=bar", "foo", "bar"),
        of(reject("2.2.8", "query parameter, start of another name"), "?foobar=1", "foo", "1"),
        of(reject("2.2.8", "query parameter, twice"), "?foo=1&foo=2", "foo", "1"),
        of(reject("2.2.8", "query parameter, twice, base with the last"), "?foo=1&foo=2", "foo", "2"),
        of(reject("2.2.8", "query parameter, twice the same"), "?foo=1&foo=1", "foo", "1"),
        of(reject("2.2.8", "query parameter, twice in two encodings"), "?foo=1&%66oo=2", "foo", "1"),
        of(reject("2.2.8", "query parameter, twice, once without a value"), "?foo=1&foo", "foo", "1"),
        of(accept("2.2.8", "query parameter, another one twice"), "?a=1&a=2&foo=3", "foo", "3"),
        of(accept("2.2.8", "query parameter, name encoded in the request"), "?%66oo=bar", "foo", "bar"),
        of(
            accept("2.2.8", "query parameter, name encoded"),
            "?fa%C3%A7ade%22%3A%20=something",
            "fa%C3%A7ade%22%3A%20",
            "something",
        ),
        of(
            accept("2.2.8", "query parameter, name in lower-case hexadecimal in the request"),
            "?fa%c3%a7ade=x",
            "fa%C3%A7ade",
            "x",
        ),
        of(
            reject(
                "2.2.8: name is encoded by the same process",
                "query parameter, name in lower-case hexadecimal in the identifier",
            ),
            "?fa%C3%A7ade=x",
            "fa%c3%a7ade",
            "x",
        ),
        of(reject("2.2.8: name is encoded", "query parameter, name not encoded"), "?a%20b=x", "a b", "x"),
        of(
            reject("2.2.8: name is encoded with %20", "query parameter, name with a plus"),
            "?a+b=x",
            "a+b",
            "x",
        ),
        of(accept("2.2.8", "query parameter, name with a plus in the request"), "?a+b=x", "a%20b", "x"),
        of(accept("2.2.8", "query parameter, name is empty"), "?=x", "", "x"),
        of(reject("2.2.8", "query parameter, no parameter with an empty name"), "?a=x&&", "", ""),
        of(accept("2.2.8", "query parameter, name with a tilde"), "?~a=x", "%7Ea", "x"),
        of(
            reject("2.2.8, URL standard, 5.2", "query parameter, name with a tilde, not encoded"),
            "?~a=x",
            "~a",
            "x",
        ),
    ]
}

fn values() -> Vec<Draft> {
    let of = |draft, value: &str, base: &str| of(draft, &format!("?a={value}"), "a", base);
    vec![
        of(accept("2.2.8", "query parameter, empty value"), "", ""),
        of(accept("2.2.8", "query parameter, empty value before another"), "&b=1", ""),
        of(
            accept("2.2.8", "query parameter, spaces and a newline"),
            "this%20is%20a%20big%0Amultiline%20value",
            "this%20is%20a%20big%0Amultiline%20value",
        ),
        of(reject("2.2.8", "query parameter, decoded in the base"), "this%20is%0Amore", "this is\nmore"),
        of(accept("2.2.8", "query parameter, plus"), "with+plus+whitespace", "with%20plus%20whitespace"),
        of(reject("2.2.8", "query parameter, plus kept in the base"), "with+plus", "with+plus"),
        of(reject("2.2.8", "query parameter, space as plus in the base"), "with%20plus", "with+plus"),
        of(accept("2.2.8", "query parameter, encoded plus"), "1%2B1", "1%2B1"),
        of(reject("2.2.8", "query parameter, encoded plus as plus in the base"), "1%2B1", "1+1"),
        of(accept("2.2.8", "query parameter, unreserved encoded in the request"), "bat%2Dman%41", "bat-manA"),
        of(reject("2.2.8", "query parameter, unreserved encoded in the base"), "bat%2Dman", "bat%2Dman"),
        of(accept("2.2.8", "query parameter, hexadecimal in lower case"), "%c3%a9", "%C3%A9"),
        of(reject("2.2.8", "query parameter, hexadecimal in lower case in the base"), "%c3%a9", "%c3%a9"),
        of(
            accept("2.2.8, URL standard, 5.2", "query parameter, what is never encoded"),
            "aZ09*-._",
            "aZ09*-._",
        ),
        of(
            accept("2.2.8, URL standard, 5.2", "query parameter, what is always encoded"),
            "!~'()/:@$,;",
            "%21%7E%27%28%29%2F%3A%40%24%2C%3B",
        ),
        of(reject("2.2.8, URL standard, 5.2", "query parameter, tilde kept in the base"), "a~b", "a~b"),
        of(
            reject("2.2.8, URL standard, 5.2", "query parameter, exclamation mark kept in the base"),
            "a!b",
            "a!b",
        ),
        of(accept("2.2.8, URL standard, 5.1", "query parameter, equals signs"), "b=c=", "b%3Dc%3D"),
        of(accept("2.2.8, URL standard, 5.1", "query parameter, question mark"), "b?c", "b%3Fc"),
        of(
            accept("2.2.8, URL standard, 5.1: only & separates", "query parameter, semicolon"),
            "1;b=2",
            "1%3Bb%3D2",
        ),
        of(
            policy("RFC 3986, 2.1: no URI; URL standard, 5.1: kept", "query parameter, percent sign alone"),
            "100%",
            "100%25",
        ),
        of(
            policy(
                "RFC 3986, 2.1: no URI; URL standard, 5.1: kept",
                "query parameter, percent sign before no hexadecimal",
            ),
            "%zz%4",
            "%25zz%254",
        ),
        of(accept("2.2.8, URL standard, 5.1", "query parameter, encoded percent sign"), "%2541", "%2541"),
        of(
            accept("2.2.8, URL standard, 5.1", "query parameter, encoded ampersand"),
            "b%26c%3D1",
            "b%26c%3D1",
        ),
        of(
            accept(
                "2.2.8, URL standard, 5.1: decode without BOM keeps it",
                "query parameter, byte order mark",
            ),
            "%EF%BB%BFx",
            "%EF%BB%BFx",
        ),
        of(accept("2.2.8", "query parameter, four bytes of UTF-8"), "%F0%9F%94%91", "%F0%9F%94%91"),
        of(accept("2.2.8", "query parameter, NUL"), "%00", "%00"),
        of(
            policy("2.2.8: only UTF-8 is supported", "query parameter, no UTF-8, replaced"),
            "%FFx",
            "%EF%BF%BDx",
        ),
        of(reject("2.2.8, URL standard, 5.1", "query parameter, no UTF-8, kept"), "%FFx", "%FFx"),
    ]
}

fn identifiers() -> Vec<Draft> {
    let uri = "https://example.com/parameters?baz=batman&qux=&param=value";
    let sole = |draft: Draft, identifier: &str| {
        draft.to(uri).base(&format!("\"@query-param\"{identifier}: value\n(\"@query-param\"{identifier})"))
    };
    vec![
        accept("2.2.8", "query parameters in another order, one empty").to(uri).base(
            r#""@query-param";name="param": value
"@query-param";name="qux": 
"@query-param";name="baz": batman
("@query-param";name="param" "@query-param";name="qux" "@query-param";name="baz")"#,
        ),
        reject("2.5, step 2.1", "query parameter covered twice").to(uri).base(
            r#""@query-param";name="baz": batman
"@query-param";name="baz": batman
("@query-param";name="baz" "@query-param";name="baz")"#,
        ),
        of(accept("2.2.8", "query parameter without equals sign"), "?flag&a=1", "flag", ""),
        of(accept("2.2.8, URL standard, 5.1", "query parameter between empty pieces"), "?&&a=1&&", "a", "1"),
        sole(reject("2.2.8: name is required", "query parameter without name"), ""),
        sole(reject("2.2.8: name is a String", "query parameter, name is a token"), ";name=param"),
        sole(reject("2.2.8: name is a String", "query parameter, name is true"), ";name"),
        sole(
            reject("2.2.8: name is a String", "query parameter, name is a byte sequence"),
            ";name=:cGFyYW0=:",
        ),
        sole(reject("2.5", "query parameter with sf"), r#";name="param";sf"#),
        sole(reject("2.5", "query parameter with an unknown parameter"), r#";name="param";foo"#),
        sole(reject("2.5", "query parameter with key"), r#";key="param""#),
    ]
}
