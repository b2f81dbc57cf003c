//! Derived components of requests (section 2.2), without `@query-param`.

use super::{Draft, accept, policy, reject};

/// One component of a request to `uri`.
fn of(draft: Draft, uri: &str, component: &str, value: &str) -> Draft {
    draft.to(uri).base(&format!("\"{component}\": {value}\n(\"{component}\")"))
}

pub(super) fn cases() -> Vec<Draft> {
    let mut cases = methods();
    cases.extend(target_uris());
    cases.extend(authorities());
    cases.extend(schemes());
    cases.extend(request_targets());
    cases.extend(paths());
    cases.extend(queries());
    cases.extend(names_and_parameters());
    cases
}

fn methods() -> Vec<Draft> {
    let of = |draft: Draft, method: &str, value: &str| {
        draft.method(method).base(&format!("\"@method\": {value}\n(\"@method\")"))
    };
    vec![
        accept("2.5", "method, authority and path").base(
            r#""@method": GET
"@authority": example.com
"@path": /
("@method" "@authority" "@path")"#,
        ),
        of(accept("2.2.1", "method"), "POST", "POST"),
        of(accept("2.2.1, RFC 9110, 9.1", "method of another specification"), "M-SEARCH", "M-SEARCH"),
        of(accept("2.2.1: no transformation", "method in lower case"), "get", "get"),
        of(reject("2.2.1: no transformation", "method in lower case, base in upper case"), "get", "GET"),
        of(reject("2.2.1: no transformation", "method in upper case, base in lower case"), "GET", "get"),
        of(reject("2.2", "method with a newline"), "GET\n\"@path\": /admin", "GET\n\"@path\": /admin"),
        of(reject("2.2", "method with a control character"), "GE\u{1}T", "GE\u{1}T"),
        of(reject("2.5, step 4", "method not in ASCII"), "G\u{c9}T", "G\u{c9}T"),
        of(reject("2.2", "method with a space behind"), "GET ", "GET "),
    ]
}

fn target_uris() -> Vec<Draft> {
    let same = |draft, uri: &str| of(draft, uri, "@target-uri", uri);
    let other = |draft, uri: &str, value: &str| of(draft, uri, "@target-uri", value);
    vec![
        same(accept("2.2.2", "target URI"), "https://example.com/path?param=value"),
        same(accept("2.2.2", "target URI, http and a port"), "http://example.com:8080/path"),
        same(
            accept("2.2.2, RFC 3986, 6.2.1", "target URI, percent-encoding kept"),
            "https://example.com/a%2Fb%7e?c=%41",
        ),
        same(accept("2.2.2, RFC 3986, 6.2.1", "target URI, empty query kept"), "https://example.com/path?"),
        other(
            reject("2.2.2, RFC 3986, 6.2.1", "target URI, percent-encoding decoded in the base"),
            "https://example.com/a%7eb",
            "https://example.com/a~b",
        ),
        other(
            reject("2.2.2", "target URI, base without the query"),
            "https://example.com/p?q=1",
            "https://example.com/p",
        ),
        other(
            reject("2.2.2, RFC 9110, 7.1: it has no fragment", "target URI, fragment in the base"),
            "https://example.com/p#f",
            "https://example.com/p#f",
        ),
        other(
            policy("2.2.2, RFC 9110, 7.1", "target URI, fragment dropped"),
            "https://example.com/p#f",
            "https://example.com/p",
        ),
        other(
            policy("2.2.2 names no normalisation", "target URI, scheme and host in upper case, normalised"),
            "HTTPS://EXAMPLE.com/p",
            "https://example.com/p",
        ),
        same(
            policy("2.2.2 names no normalisation", "target URI, scheme and host in upper case, kept"),
            "HTTPS://EXAMPLE.com/p",
        ),
        other(
            policy("2.2.2 names no normalisation", "target URI, default port, omitted"),
            "https://example.com:443/p",
            "https://example.com/p",
        ),
        same(
            policy("2.2.2 names no normalisation", "target URI, default port, kept"),
            "https://example.com:443/p",
        ),
        other(
            policy("2.2.2 names no normalisation", "target URI, empty path, normalised"),
            "https://example.com",
            "https://example.com/",
        ),
        same(policy("2.2.2 names no normalisation", "target URI, empty path, kept"), "https://example.com"),
        same(reject("2.2", "target URI with a newline"), "https://example.com/p\n\"@method\": GET"),
        same(reject("2.5, step 4", "target URI not in ASCII"), "https://example.com/\u{e9}"),
    ]
}

fn authorities() -> Vec<Draft> {
    let of = |draft, uri: &str, value: &str| of(draft, uri, "@authority", value);
    vec![
        of(accept("2.2.3", "authority"), "https://www.example.com/path?param=value", "www.example.com"),
        of(accept("2.2.3", "authority, host in upper case"), "https://WWW.Example.COM/", "www.example.com"),
        of(
            reject("2.2.3", "authority, host in upper case, kept in the base"),
            "https://WWW.Example.COM/",
            "WWW.Example.COM",
        ),
        of(accept("2.2.3", "authority, default port of https"), "https://example.com:443/", "example.com"),
        of(
            reject("2.2.3", "authority, default port of https, kept in the base"),
            "https://example.com:443/",
            "example.com:443",
        ),
        of(accept("2.2.3", "authority, default port of http"), "http://example.com:80/", "example.com"),
        of(
            reject("2.2.3", "authority, default port of http, kept in the base"),
            "http://example.com:80/",
            "example.com:80",
        ),
        of(accept("2.2.3", "authority, port 80 of https"), "https://example.com:80/", "example.com:80"),
        of(
            reject("2.2.3", "authority, port 80 of https, omitted in the base"),
            "https://example.com:80/",
            "example.com",
        ),
        of(accept("2.2.3", "authority, port 443 of http"), "http://example.com:443/", "example.com:443"),
        of(
            accept("2.2.3", "authority, scheme in upper case, default port"),
            "HTTPS://example.com:443/",
            "example.com",
        ),
        of(accept("2.2.3", "authority, another port"), "https://example.com:8443/", "example.com:8443"),
        of(accept("2.2.3", "authority, IPv4"), "http://192.0.2.1:8080/", "192.0.2.1:8080"),
        of(accept("2.2.3", "authority, IPv6"), "https://[2001:db8::1]:8443/", "[2001:db8::1]:8443"),
        of(
            accept("2.2.3", "authority, IPv6 in upper case, default port"),
            "https://[2001:DB8::A]:443/",
            "[2001:db8::a]",
        ),
        of(accept("2.2.3", "authority, dot behind the host"), "https://example.com./", "example.com."),
        of(accept("2.2.3", "authority, no path"), "https://example.com", "example.com"),
        of(accept("2.2.3", "authority, query and no path"), "https://example.com?a=b", "example.com"),
        of(
            policy("2.2.3, RFC 3986, 6.2.3", "authority, empty port, omitted"),
            "https://example.com:/",
            "example.com",
        ),
        of(
            reject("2.2.3, RFC 3986, 6.2.3", "authority, empty port, kept in the base"),
            "https://example.com:/",
            "example.com:",
        ),
        of(
            reject("2.2.3: host and port", "authority, user information in the base"),
            "https://me@example.com/",
            "me@example.com",
        ),
        of(
            policy("2.2.3, RFC 9110, 4.2.4", "authority, user information dropped"),
            "https://me@example.com/",
            "example.com",
        ),
        of(
            reject("2.2.3", "authority, at sign behind the host"),
            "https://example.com/@evil.example",
            "evil.example",
        ),
        of(reject("2.2.3", "authority of the field Host"), "https://example.com/", "other.example")
            .field("Host", "other.example"),
        of(accept("2.2.3", "authority, the field Host says the same"), "https://example.com/", "example.com")
            .field("Host", "example.com"),
        of(
            policy("2.2.3, RFC 9110, 7.4", "authority, the field Host says another"),
            "https://example.com/",
            "example.com",
        )
        .field("Host", "other.example"),
        of(reject("2.5, step 4", "authority not in ASCII"), "https://ex\u{e4}mple.com/", "ex\u{e4}mple.com"),
    ]
}

fn schemes() -> Vec<Draft> {
    let of = |draft, uri: &str, value: &str| of(draft, uri, "@scheme", value);
    vec![
        of(accept("2.2.4", "scheme https"), "https://example.com/", "https"),
        of(accept("2.2.4", "scheme http"), "http://example.com/", "http"),
        of(accept("2.2.4", "scheme in upper case"), "HTTPS://example.com/", "https"),
        of(reject("2.2.4", "scheme in upper case, kept in the base"), "HTTPS://example.com/", "HTTPS"),
        of(reject("2.2.4", "scheme is another"), "http://example.com/", "https"),
        of(reject("2.2.4", "scheme with a colon"), "https://example.com/", "https:"),
    ]
}

fn request_targets() -> Vec<Draft> {
    let of = |draft: Draft, uri: &str, target: &str, value: &str| {
        of(draft, uri, "@request-target", value).request_target(target)
    };
    let form = |draft: Draft, uri: &str, target: &str| of(draft, uri, target, target);
    vec![
        form(
            accept("2.2.5", "request target, origin form"),
            "https://example.com/path?param=value",
            "/path?param=value",
        ),
        form(
            accept("2.2.5", "request target, absolute form"),
            "https://example.com/path?a=b",
            "https://example.com/path?a=b",
        ),
        form(accept("2.2.5", "request target, authority form"), "http://example.com:80", "example.com:80")
            .method("CONNECT"),
        form(accept("2.2.5", "request target, asterisk form"), "https://example.com", "*").method("OPTIONS"),
        form(
            accept("2.2.5", "request target, percent-encoding and empty query kept"),
            "https://example.com/%7ea?",
            "/%7ea?",
        ),
        of(
            reject("2.2.5", "request target, absolute form, base in origin form"),
            "https://example.com/path",
            "https://example.com/path",
            "/path",
        ),
        of(
            reject("2.2.5", "request target, decoded in the base"),
            "https://example.com/%7ea",
            "/%7ea",
            "/~a",
        ),
        of(
            reject("2.2.5", "request target, base without the query"),
            "https://example.com/a?b",
            "/a?b",
            "/a",
        ),
        form(reject("2.2", "request target with a newline"), "https://example.com/a", "/a\n\"@method\": GET"),
    ]
}

fn paths() -> Vec<Draft> {
    let of =
        |draft, path: &str, value: &str| of(draft, &format!("https://example.com{path}"), "@path", value);
    vec![
        of(accept("2.2.6", "path"), "/path?param=value", "/path"),
        of(accept("2.2.6", "path, empty"), "", "/"),
        of(accept("2.2.6", "path, empty before a query"), "?a=b", "/"),
        of(reject("2.2.6", "path, empty, kept in the base"), "", ""),
        of(accept("2.2.6", "path, percent-encoding kept"), "/a%2Fb%20c", "/a%2Fb%20c"),
        of(reject("2.2.6", "path, decoded in the base"), "/a%2Fb", "/a/b"),
        of(accept("2.2.6", "path, hexadecimal in lower case kept"), "/a%2fb", "/a%2fb"),
        of(reject("2.2.6", "path, hexadecimal in upper case in the base"), "/a%2fb", "/a%2Fb"),
        of(reject("2.2.6", "path, unreserved decoded in the base"), "/%7Ea", "/~a"),
        of(accept("2.2.6", "path, slash behind"), "/a/", "/a/"),
        of(reject("2.2.6", "path, slash behind dropped in the base"), "/a/", "/a"),
        of(accept("2.2.6", "path, two slashes"), "//a//b", "//a//b"),
        of(reject("2.2.6", "path, two slashes joined in the base"), "//a//b", "/a/b"),
        of(accept("2.2.6, RFC 3986, 6.2.1", "path, dot segments kept"), "/a/../b/./c", "/a/../b/./c"),
        of(reject("2.2.6, RFC 3986, 6.2.1", "path, dot segments resolved in the base"), "/a/../b", "/b"),
        of(accept("2.2.6", "path, case kept"), "/Foo", "/Foo"),
        of(reject("2.2.6", "path, case changed in the base"), "/Foo", "/foo"),
        of(accept("2.2.6", "path, other characters"), "/a;b=c,d:e@f!$&'()*+-._~", "/a;b=c,d:e@f!$&'()*+-._~"),
        of(reject("2.2.6", "path, question mark in the base"), "/a?", "/a?"),
        of(accept("2.2.6", "path before an empty query"), "/a?", "/a"),
        of(reject("2.2.6", "path, query in the base"), "/a?b=c", "/a?b=c"),
        of(accept("2.2.6", "path, slashes in the query"), "/a?/b/c", "/a"),
        of(reject("2.5, step 4", "path not in ASCII"), "/\u{e9}", "/\u{e9}"),
        of(reject("2.2", "path with a space behind"), "/a ", "/a "),
        of(reject("2.2", "path with a tab"), "/a\tb", "/a\tb"),
        of(policy("2.2.6, RFC 9110, 4.2.3: not of OPTIONS", "path, empty, of OPTIONS"), "", "/")
            .method("OPTIONS"),
    ]
}

fn queries() -> Vec<Draft> {
    let of = |draft, query: &str, value: &str| {
        of(draft, &format!("https://example.com/path{query}"), "@query", value)
    };
    vec![
        of(accept("2.2.7", "query"), "?param=value&foo=bar", "?param=value&foo=bar"),
        of(
            accept("2.2.7", "query, percent-encoding kept"),
            "?param=value&baz=bat%2Dman",
            "?param=value&baz=bat%2Dman",
        ),
        of(reject("2.2.7", "query, decoded in the base"), "?baz=bat%2Dman", "?baz=bat-man"),
        of(accept("2.2.7", "query without equals sign"), "?queryString", "?queryString"),
        of(accept("2.2.7", "query, absent"), "", "?"),
        of(reject("2.2.7", "query, absent, nothing in the base"), "", ""),
        of(accept("2.2.7", "query, empty"), "?", "?"),
        of(reject("2.2.7", "query, question mark missing in the base"), "?a=b", "a=b"),
        of(reject("2.2.7", "query, parameters in another order in the base"), "?b=2&a=1", "?a=1&b=2"),
        of(accept("2.2.7", "query, plus kept"), "?a=b+c", "?a=b+c"),
        of(reject("2.2.7", "query, plus as a space in the base"), "?a=b+c", "?a=b%20c"),
        of(accept("2.2.7", "query with question marks and slashes"), "??a=/b?c", "??a=/b?c"),
        of(accept("2.2.7", "query, empty pieces kept"), "?&&a=1&", "?&&a=1&"),
        of(reject("2.2.7", "query, empty pieces dropped in the base"), "?&&a=1&", "?a=1"),
        of(accept("2.2.7", "query, hexadecimal in lower case kept"), "?a=%c3%a9", "?a=%c3%a9"),
        of(reject("2.2.7, RFC 9110, 7.1", "query with the fragment"), "?a=1#f", "?a=1#f"),
    ]
}

fn names_and_parameters() -> Vec<Draft> {
    let covering = |draft: Draft, identifier: &str, value: &str| {
        draft.base(&format!("{identifier}: {value}\n({identifier})"))
    };
    let mut cases = vec![
        covering(reject("2.2.9", "@status on a request"), r#""@status""#, "200"),
        covering(
            reject("2.3", "@signature-params covered"),
            r#""@signature-params""#,
            r#"("@signature-params")"#,
        ),
        covering(reject("2.3", "@signature-params covered, empty"), r#""@signature-params""#, ""),
        covering(reject("2.5", "unknown derived component"), r#""@unknown""#, "x"),
        covering(reject("2.5", "unknown derived component, empty"), r#""@unknown""#, ""),
        covering(reject("2.5", "derived component without a name"), r#""@""#, ""),
        covering(reject("2.5", "derived component in upper case"), r#""@METHOD""#, "GET"),
        covering(
            reject("2.5", "derived component of a draft, @query-params"),
            r#""@query-params";name="a""#,
            "1",
        ),
        covering(
            reject("2.5", "derived component of a draft, @request-response"),
            r#""@request-response";key="s""#,
            ":AA==:",
        ),
        covering(reject("2.2, 7.5.1", "derived component without its at sign"), r#""method""#, "GET"),
        covering(reject("2.4", "@method with req"), r#""@method";req"#, "GET"),
        covering(reject("2.4", "@authority with req"), r#""@authority";req"#, "example.com"),
        covering(reject("2.4", "@query-param with req"), r#""@query-param";req;name="a""#, "1")
            .to("https://example.com/?a=1"),
    ];
    for parameter in ["sf", "bs", "tr", r#"key="a""#, r#"name="a""#, "foo", "foo=?0", "x=1"] {
        let why = "2.5: a parameter that does not apply to it";
        cases.push(covering(
            reject(why, format!("@method with {parameter}")),
            &format!("\"@method\";{parameter}"),
            "GET",
        ));
    }
    for (component, value) in [("@path", "/"), ("@query", "?"), ("@target-uri", "https://example.com/")] {
        let why = "2.5: a parameter that does not apply to it";
        cases.push(covering(
            reject(why, format!("{component} with sf")),
            &format!("\"{component}\";sf"),
            value,
        ));
    }
    cases
}
