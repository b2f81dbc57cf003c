//! The parameters of a signature (section 2.3): their order, types and times.

use super::{Draft, TERMS, accept, policy, reject};

/// A signature of the method with these parameters.
fn with(draft: Draft, parameters: &str) -> Draft {
    draft.base_without_terms(&format!("\"@method\": GET\n(\"@method\"){parameters}"))
}

pub(super) fn cases() -> Vec<Draft> {
    let mut cases = orders();
    cases.extend(types());
    cases.extend(times());
    cases.extend(algorithms());
    cases.extend(others());
    cases
}

fn orders() -> Vec<Draft> {
    let mut cases = Vec::new();
    for order in [
        r#";created=1618884473;keyid="k""#,
        r#";keyid="k";created=1618884473"#,
        r#";alg="hmac-sha256";created=1618884473;keyid="k""#,
        r#";nonce="n";alg="hmac-sha256";keyid="k";created=1618884473"#,
        r#";tag="t";expires=1618884773;nonce="n";keyid="k";alg="hmac-sha256";created=1618884473"#,
        r#";created=1618884473;expires=1618884773;keyid="k";alg="hmac-sha256";nonce="n";tag="t""#,
    ] {
        cases.push(with(accept("2.3: order is kept", format!("parameters {order}")), order));
    }
    cases.push(
        with(reject("2.3", "parameters in another order in the base"), r#";created=1618884473;keyid="k""#)
            .sent(r#"s=("@method");keyid="k";created=1618884473"#),
    );
    cases.push(
        with(
            reject("2.3", "parameters sorted in the base"),
            r#";alg="hmac-sha256";created=1618884473;keyid="k""#,
        )
        .sent(r#"s=("@method");keyid="k";created=1618884473;alg="hmac-sha256""#),
    );
    cases
}

fn types() -> Vec<Draft> {
    let mut cases = Vec::new();
    for name in ["created", "expires"] {
        // Later than the clock, so that nothing but the type is wrong.
        for value in [
            "1618884473.5",
            "1618884474.0",
            "\"1618884474\"",
            "t1618884474",
            "?1",
            ":MTYxODg4NDQ3NA==:",
            "@1618884474",
            "(1618884474)",
            "-",
            "1e9",
            "0x60",
        ] {
            let value =
                if name == "expires" { value.replace("84473.5", "84474.5") } else { value.to_owned() };
            let rest = if name == "created" { r#";keyid="k""# } else { r#";created=1618884473;keyid="k""# };
            let why = "2.3: an Integer";
            cases.push(with(reject(why, format!("{name} is {value}")), &format!(";{name}={value}{rest}")));
        }
        let rest = if name == "created" { r#";keyid="k""# } else { r#";created=1618884473;keyid="k""# };
        cases.push(with(
            reject("2.3: an Integer", format!("{name} without a value")),
            &format!(";{name}{rest}"),
        ));
        let long = format!(";{name}=1618884473000000{rest}");
        cases.push(with(reject("RFC 9651, 3.3.1", format!("{name} has 16 digits")), &long));
    }
    for name in ["nonce", "alg", "keyid", "tag"] {
        let right = if name == "alg" { "hmac-sha256" } else { "abc" };
        let rest = if name == "keyid" { ";created=1618884473" } else { TERMS };
        for value in ["1", "1.5", right, "?1", ":YWJj:", "@1618884473", r#"%"abc""#] {
            let why = "2.3: a String";
            cases.push(with(reject(why, format!("{name} is {value}")), &format!("{rest};{name}={value}")));
        }
        cases.push(with(
            reject("2.3: a String", format!("{name} without a value")),
            &format!("{rest};{name}"),
        ));
        cases.push(with(accept("2.3", format!("{name} is a string")), &format!("{rest};{name}=\"{right}\"")));
        for (what, value) in [
            ("a newline", "a\nb"),
            ("a tab", "a\tb"),
            ("a character not in ASCII", "\u{e9}"),
            ("an unknown escape", r"a\b"),
        ] {
            let why = "RFC 9651, 3.3.3";
            cases.push(with(
                reject(why, format!("{name} with {what}")),
                &format!("{rest};{name}=\"{value}\""),
            ));
        }
        if name != "alg" {
            let escaped = format!(r#"{rest};{name}="a\"b\\c; d=(,)""#);
            cases.push(with(accept("2.3, RFC 9651, 3.3.3", format!("{name} with escapes")), &escaped));
        }
    }
    cases
}

fn times() -> Vec<Draft> {
    let optional = "2.3: created is recommended";
    let expiry = "3.1, 3.2.1: expires is a hint, rejecting by it up to the application";
    let age = "3.2.1: the age of a signature is up to the application";
    vec![
        with(policy(age, "created a second ago"), r#";created=1618884472;keyid="k""#),
        with(policy(age, "created an hour ago"), r#";created=1618880873;keyid="k""#),
        with(policy(age, "created at zero"), r#";created=0;keyid="k""#),
        with(policy(age, "created before 1970"), r#";created=-1;keyid="k""#),
        with(policy(age, "created in a second"), r#";created=1618884474;keyid="k""#),
        with(policy(age, "created in an hour"), r#";created=1618888073;keyid="k""#),
        with(policy(age, "created in the year 30000"), r#";created=999999999999;keyid="k""#),
        with(policy(age, "created is the largest Integer"), r#";created=999999999999999;keyid="k""#),
        with(policy(optional, "created is missing"), r#";keyid="k""#),
        with(accept("2.3", "expires in five minutes"), r#";created=1618884473;expires=1618884773;keyid="k""#),
        with(
            accept("2.3", "expires is the largest Integer"),
            r#";created=1618884473;expires=999999999999999;keyid="k""#,
        ),
        with(policy(expiry, "expires now"), r#";created=1618884400;expires=1618884473;keyid="k""#),
        with(policy(expiry, "expired a second ago"), r#";created=1618884400;expires=1618884472;keyid="k""#),
        with(policy(expiry, "expired an hour ago"), r#";created=1618880000;expires=1618880873;keyid="k""#),
        with(policy(expiry, "expired before 1970"), r#";created=1618884473;expires=-1;keyid="k""#),
        with(
            policy(expiry, "created after it expires, both ahead"),
            r#";created=1618884475;expires=1618884474;keyid="k""#,
        ),
        with(policy(expiry, "created as it expires"), r#";created=1618884474;expires=1618884474;keyid="k""#),
        with(policy(optional, "expires and not created"), r#";expires=1618884773;keyid="k""#),
        with(
            accept("2.3, RFC 9651, 4.2.4", "created with zeros before it"),
            r#";created=1618884473;keyid="k""#,
        )
        .sent(r#"s=("@method");created=00001618884473;keyid="k""#),
        with(
            reject("3.2, step 7", "created with zeros before it, in the base too"),
            r#";created=00001618884473;keyid="k""#,
        ),
    ]
}

fn algorithms() -> Vec<Draft> {
    let why = "3.2, step 6: the algorithms must be the same";
    let mut cases = vec![
        with(accept("2.3", "alg of the key"), r#";created=1618884473;keyid="k";alg="hmac-sha256""#),
        with(accept("2.3: alg is optional", "alg is missing"), r#";created=1618884473;keyid="k""#),
    ];
    for other in [
        "rsa-pss-sha512",
        "rsa-v1_5-sha256",
        "ecdsa-p256-sha256",
        "ecdsa-p384-sha384",
        "ed25519",
        "hmac-sha512",
        "HMAC-SHA256",
        "hmac-sha256 ",
        "HS256",
        "hs2019",
        "none",
        "",
    ] {
        let parameters = format!(r#";created=1618884473;keyid="k";alg="{other}""#);
        cases.push(with(reject(why, format!("alg is of another algorithm: {other:?}")), &parameters));
    }
    cases
}

fn others() -> Vec<Draft> {
    vec![
        with(policy("2.3, 3.2, step 5", "keyid is missing"), ";created=1618884473"),
        with(policy("2.3, 3.2, step 5", "keyid is empty"), r#";created=1618884473;keyid="""#),
        with(policy("2.3", "no parameters at all"), ""),
        with(accept("2.3", "nonce is empty"), r#";created=1618884473;keyid="k";nonce="""#),
        with(accept("2.3", "tag is empty"), r#";created=1618884473;keyid="k";tag="""#),
        accept("B.2.1: a minimal signature covers nothing", "no components").base("()"),
        policy("2.3", "no components, no parameters").base_without_terms("()"),
        with(
            policy("2.3, 6.3: more can be registered", "unknown parameter"),
            r#";created=1618884473;keyid="k";foo=1"#,
        ),
        with(policy("2.3, 6.3", "unknown parameter, true"), r#";created=1618884473;foo;keyid="k""#),
        with(
            policy("2.3, 6.3", "unknown parameter, a token"),
            r#";created=1618884473;keyid="k";foo=bar/baz"#,
        ),
        with(reject("2.3", "unknown parameter, not in the base"), r#";created=1618884473;keyid="k""#)
            .sent(r#"s=("@method");created=1618884473;keyid="k";foo=1"#),
        with(reject("RFC 9651, 3.1.2", "parameter in upper case"), r#";Created=1618884473;keyid="k""#),
        with(
            reject("3.2, step 7: a parameter is there once", "created twice, and in the base"),
            r#";created=1618884473;keyid="k";created=1618884473"#,
        ),
        with(
            policy(
                "RFC 9651, 4.2.3.2: the last counts",
                "created twice, the last in the base in its first place",
            ),
            r#";created=1618884473;keyid="k""#,
        )
        .sent(r#"s=("@method");created=1;keyid="k";created=1618884473"#),
        with(
            policy(
                "RFC 9651, 4.2.3.2: the last counts",
                "created twice, the last in the base in its last place",
            ),
            r#";keyid="k";created=1618884473"#,
        )
        .sent(r#"s=("@method");created=1;keyid="k";created=1618884473"#),
        with(
            reject("RFC 9651, 4.2.3.2: the last counts", "created twice, the first in the base"),
            r#";created=1618884473;keyid="k""#,
        )
        .sent(r#"s=("@method");created=1618884473;keyid="k";created=1"#),
    ]
}
