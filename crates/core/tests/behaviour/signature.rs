//! HTTP Message Signatures with keys of one's own: what RFC 9421 prints, what the policy demands, and what bad input does.

use base64ct::{Base64, Encoding};
use claviger_core::{
    Content, ContentDigest, DenialCode, HttpRequest, MAX_COMPONENTS, MAX_SIGNATURE_BASE_LEN,
    MAX_SIGNATURE_FIELD_LEN, MAX_SIGNATURE_TEXT_LEN, MAX_SIGNATURES, MAX_STRUCTURED_LEN, NonceRule, Purpose,
    RequestSigner, SharedSecret, SignError, SignatureKeys, SignaturePolicy, SignatureTerms, SignedFields,
    SigningKey, VerifiedSignature, verify_signature,
};
use proptest::prelude::*;

const NOW: u64 = 1_618_884_473;
type Fields<'f> = Vec<(&'f str, &'f [u8])>;

/// The shared secret of RFC 9421 section B.1.5.
fn rfc_key() -> SigningKey {
    let text = "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==";
    SigningKey::from_bytes(&Base64::decode_vec(text).unwrap())
}

fn signer() -> RequestSigner {
    RequestSigner::new(rfc_key(), "test-shared-secret")
}

fn verify(
    method: &str,
    uri: &str,
    fields: &Fields<'_>,
    content: Content<'_>,
    policy: &SignaturePolicy<'_>,
    now: u64,
) -> Result<VerifiedSignature, DenialCode> {
    let request = HttpRequest::new(method, uri, fields).map_err(|_| DenialCode::Malformed)?.content(content);
    verify_signature(&request, policy, now, |_| Some(rfc_key()))
}

/// The fields with the two of a signature behind them.
fn with<'f>(fields: &Fields<'f>, signed: &'f SignedFields) -> Fields<'f> {
    let mut all = fields.clone();
    all.push(("Signature-Input", signed.signature_input.as_bytes()));
    all.push(("Signature", signed.signature.as_bytes()));
    all
}

fn sign(method: &str, uri: &str, fields: &Fields<'_>, terms: &SignatureTerms<'_>) -> SignedFields {
    signer().sign(&HttpRequest::new(method, uri, fields).unwrap(), terms).unwrap()
}

/// RFC 9421 section B.2.5.
#[test]
fn the_example_of_the_rfc_comes_out_to_the_last_bit_and_verifies() {
    let fields: Fields<'_> = vec![
        ("Host", b"example.com"),
        ("Date", b"Tue, 20 Apr 2021 02:07:55 GMT"),
        ("Content-Type", b"application/json"),
        ("Content-Length", b"18"),
    ];
    let uri = "https://example.com/foo?param=Value&Pet=dog";
    let components = ["date", "@authority", "content-type"];
    let terms = SignatureTerms { components: &components, label: "sig-b25", ..SignatureTerms::at(NOW) };
    let signed = sign("POST", uri, &fields, &terms);
    assert_eq!(
        signed.signature_input,
        r#"sig-b25=("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret""#
    );
    assert_eq!(signed.signature, "sig-b25=:pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=:");
    let fields = with(&fields, &signed);
    let verified =
        verify("POST", uri, &fields, Content::Bytes(b"x"), &SignaturePolicy::PERMISSIVE, NOW).unwrap();
    assert_eq!(verified.keyid.as_deref(), Some("test-shared-secret"));
    assert_eq!((verified.created, verified.replay), (Some(1_618_884_473), None));
    assert_eq!(
        verify("POST", uri, &fields, Content::Bytes(b"x"), &SignaturePolicy::default(), NOW),
        Err(DenialCode::ComponentMissing)
    );
}

/// RFC 9421 sections 2.1 and 2.2.
#[test]
fn components_have_the_values_that_the_rfc_prints() {
    let fields: Fields<'_> = vec![
        ("Host", b"www.example.com"),
        ("X-OWS-Header", b"   Leading and trailing whitespace.   "),
        ("X-Obs-Fold-Header", b"Obsolete\r\n    line folding."),
        ("Cache-Control", b"max-age=60"),
        ("Cache-Control", b"   must-revalidate"),
        ("Example-Dict", b" a=1,    b=2;x=1;y=2,   c=(a   b   c), d"),
        ("X-Empty-Header", b""),
        ("Example-Header", b"value, with, lots"),
        ("Example-Header", b"of, commas"),
    ];
    let of_fields = [
        (r#""host""#, "www.example.com"),
        (r#""x-ows-header""#, "Leading and trailing whitespace."),
        (r#""x-obs-fold-header""#, "Obsolete line folding."),
        (r#""cache-control""#, "max-age=60, must-revalidate"),
        (r#""example-dict""#, "a=1,    b=2;x=1;y=2,   c=(a   b   c), d"),
        (r#""example-dict";sf"#, "a=1, b=2;x=1;y=2, c=(a b c), d"),
        (r#""x-empty-header""#, ""),
        (r#""example-dict";key="a""#, "1"),
        (r#""example-dict";key="d""#, "?1"),
        (r#""example-dict";key="b""#, "2;x=1;y=2"),
        (r#""example-dict";key="c""#, "(a b c)"),
        (r#""example-header""#, "value, with, lots, of, commas"),
        (r#""example-header";bs"#, ":dmFsdWUsIHdpdGgsIGxvdHM=:, :b2YsIGNvbW1hcw==:"),
    ];
    let uri = "https://www.example.com/path?param=value";
    for (component, value) in of_fields {
        assert_eq!(line("POST", uri, &fields, component), format!("{component}: {value}"));
    }
    let of_targets = [
        ("POST", uri, r#""@method""#, "POST"),
        ("post", uri, r#""@method""#, "post"),
        ("POST", uri, r#""@target-uri""#, uri),
        ("POST", uri, r#""@authority""#, "www.example.com"),
        ("POST", "HTTPS://WWW.Example.COM:443/", r#""@authority""#, "www.example.com"),
        ("POST", "http://www.example.com:443/", r#""@authority""#, "www.example.com:443"),
        ("POST", "http://[::1]:80", r#""@authority""#, "[::1]"),
        ("POST", "HTTPS://WWW.Example.COM:443/", r#""@scheme""#, "https"),
        ("POST", uri, r#""@request-target""#, "/path?param=value"),
        ("POST", "https://www.example.com", r#""@request-target""#, "/"),
        ("POST", uri, r#""@path""#, "/path"),
        ("POST", "https://www.example.com", r#""@path""#, "/"),
        ("POST", "https://www.example.com/a%2Fb/../c", r#""@path""#, "/a%2Fb/../c"),
        ("POST", uri, r#""@query""#, "?param=value"),
        ("POST", "https://www.example.com/path?queryString", r#""@query""#, "?queryString"),
        ("POST", "https://www.example.com/path", r#""@query""#, "?"),
        ("POST", "https://www.example.com/path?#fragment", r#""@query""#, "?"),
        ("GET", "https://a.example/p?baz=batman&qux=&p", r#""@query-param";name="qux""#, ""),
        ("GET", "https://a.example/p?baz=batman&qux=&p", r#""@query-param";name="baz""#, "batman"),
        ("GET", "https://a.example/p?baz=batman&qux=&p", r#""@query-param";name="p""#, ""),
        (
            "GET",
            "https://a.example/p?var=this%20is%20a%20big%0Amultiline%20value&x=1",
            r#""@query-param";name="var""#,
            "this%20is%20a%20big%0Amultiline%20value",
        ),
        (
            "GET",
            "https://a.example/p?bar=with+plus+whitespace",
            r#""@query-param";name="bar""#,
            "with%20plus%20whitespace",
        ),
        (
            "GET",
            "https://a.example/p?fa%C3%A7ade%22%3A%20=something",
            r#""@query-param";name="fa%C3%A7ade%22%3A%20""#,
            "something",
        ),
    ];
    for (method, uri, component, value) in of_targets {
        assert_eq!(line(method, uri, &vec![], component), format!("{component}: {value}"));
    }
}

/// The line of the signature base that a component makes.
fn line(method: &str, uri: &str, fields: &Fields<'_>, component: &str) -> String {
    let terms = SignatureTerms { components: &[component], ..SignatureTerms::at(NOW) };
    let signed = sign(method, uri, fields, &terms);
    let fields = with(fields, &signed);
    verify(method, uri, &fields, Content::NotRead, &SignaturePolicy::PERMISSIVE, NOW).unwrap();
    signed.signature_base.lines().next().unwrap().to_owned()
}

#[test]
fn what_is_not_in_the_request_or_has_no_such_form_is_not_signed() {
    let fields: Fields<'_> = vec![
        ("Example-Dict", b"a=1"),
        ("Latin", b"caf\xe9"),
        ("Ambiguous", b"a, a"),
        ("Feed", b"a\nb"),
        ("Twice", b"a=1"),
        ("Nul", b"a\0b"),
        ("Folded", b"a\r\nb"),
    ];
    let uri = "https://www.example.com/path?a=1&a=2&b=%FF";
    for component in [
        "x-absent",
        "@status",
        "@unknown",
        "@signature-params",
        r#""@method";req"#,
        r#""@method";x=1"#,
        r#""@query-param""#,
        r#""@query-param";name="a""#,
        r#""@query-param";name="b""#,
        r#""@query-param";name="c""#,
        r#""@query-param";name=a"#,
        "Example-Dict",
        r#""example-dict";key="b""#,
        r#""example-dict";key=a"#,
        r#""example-dict";sf=?0"#,
        r#""example-dict";bs;sf"#,
        r#""example-dict";tr"#,
        r#""example-dict";req"#,
        r#""example-dict";unknown"#,
        r#""ambiguous";sf"#,
        r#""latin";sf"#,
        "latin",
        "feed",
        "nul",
        "folded",
        r#""twice";sf;name="a""#,
        r#""twice";bs;name="a""#,
        r#""twice";key="a";name="a""#,
        "",
        "two words",
        r#""unclosed"#,
    ] {
        let terms = SignatureTerms { components: &["@method", component], ..SignatureTerms::at(NOW) };
        let signed = signer().sign(&HttpRequest::new("GET", uri, &fields).unwrap(), &terms);
        assert_eq!(signed.unwrap_err(), SignError::Component { index: 1 }, "{component}");
    }
    let twice = [r#""twice";sf"#, r#""twice";key="a";sf"#, "twice", "@method", r#""twice";sf"#];
    let terms = SignatureTerms { components: &twice, ..SignatureTerms::at(NOW) };
    let refused = signer().sign(&HttpRequest::new("GET", uri, &fields).unwrap(), &terms).unwrap_err();
    assert_eq!(refused, SignError::Components, "the same identifier twice");
    // What is no text is signed as bytes.
    assert_eq!(line("GET", uri, &fields, r#""latin";bs"#), r#""latin";bs: :Y2Fm6Q==:"#);
}

#[test]
fn the_default_policy_demands_what_makes_a_request_what_it_is() {
    let policy = SignaturePolicy::default();
    let uri = "https://api.example/flights?page=2";
    let check =
        |method: &str, components: &[&str], nonce, content: &'static [u8], digest: Option<&str>, now| {
            let mut fields: Fields<'_> = vec![];
            if let Some(digest) = digest {
                fields.push(("Content-Digest", digest.as_bytes()));
            }
            let terms = SignatureTerms { components, nonce, ..SignatureTerms::at(NOW) };
            let signed = sign(method, uri, &fields, &terms);
            let verified =
                verify(method, uri, &with(&fields, &signed), Content::Bytes(content), &policy, now);
            verified.map(|verified| verified.replay.is_some())
        };
    let all = ["@method", "@authority", "@path", "@query"];
    assert_eq!(check("GET", &all, None, b"", None, NOW), Ok(false));
    assert_eq!(check("GET", &all, Some("n"), b"", None, NOW), Ok(true));
    assert_eq!(check("GET", &["@method", "@target-uri"], None, b"", None, NOW), Ok(false));
    assert_eq!(check("GET", &["@method", "@request-target", "@authority"], None, b"", None, NOW), Ok(false));
    for missing in 0..all.len() {
        let some: Vec<&str> =
            all.iter().enumerate().filter(|(at, _)| *at != missing).map(|(_, name)| *name).collect();
        assert_eq!(check("GET", &some, None, b"", None, NOW), Err(DenialCode::ComponentMissing));
    }
    assert_eq!(check("POST", &all, None, b"", None, NOW), Err(DenialCode::ComponentMissing), "no nonce");
    assert_eq!(check("POST", &all, Some(""), b"", None, NOW), Err(DenialCode::ComponentMissing));
    assert_eq!(
        check("get", &all, None, b"", None, NOW),
        Err(DenialCode::ComponentMissing),
        "not known to repeat"
    );
    assert_eq!(check("PUT", &all, None, b"", None, NOW), Ok(false));

    let digest = ContentDigest::sha256(b"{}");
    let covered = ["@method", "@authority", "@path", "@query", "content-digest"];
    let put = |components: &[&str], digest: &str| check("PUT", components, None, b"{}", Some(digest), NOW);
    assert_eq!(put(&covered, &digest), Ok(false));
    assert_eq!(put(&all, &digest), Err(DenialCode::ComponentMissing), "there, but not covered");
    assert_eq!(put(&covered, &ContentDigest::sha512(b"{}")), Ok(false));
    assert_eq!(put(&covered, &ContentDigest::sha256(b"{} ")), Err(DenialCode::DigestMismatch));
    let both = format!("{digest}, {}", ContentDigest::sha512(b"{} "));
    assert_eq!(put(&covered, &both), Err(DenialCode::DigestMismatch), "any that is wrong");
    assert_eq!(put(&covered, "md5=:Sd/dVLAcvNLSq16eXua5uQ==:"), Err(DenialCode::DigestMismatch));
    assert_eq!(put(&covered, "sha-256=x"), Err(DenialCode::Malformed));
    assert_eq!(put(&covered, &format!("{digest}, {digest}")), Err(DenialCode::Malformed));

    for (now, outcome) in [
        (NOW + 300, Ok(false)),
        (NOW + 301, Err(DenialCode::SignatureExpired)),
        (NOW - 30, Ok(false)),
        (NOW - 31, Err(DenialCode::SignatureFromFuture)),
        (u64::MAX, Err(DenialCode::SignatureExpired)),
        (0, Err(DenialCode::SignatureFromFuture)),
    ] {
        assert_eq!(check("GET", &all, None, b"", None, now), outcome, "{now}");
    }
}

#[test]
fn times_and_tags_are_what_the_signature_says() {
    let uri = "https://api.example/";
    let permissive = SignaturePolicy::PERMISSIVE;
    let outcome = |terms: &SignatureTerms<'_>, policy: &SignaturePolicy<'_>, now| {
        let signed = sign("GET", uri, &vec![], terms);
        verify("GET", uri, &with(&vec![], &signed), Content::Bytes(b""), policy, now).map(|_| ())
    };
    let terms = SignatureTerms { expires: Some(NOW + 10), ..SignatureTerms::at(NOW) };
    assert_eq!(outcome(&terms, &permissive, NOW + 10), Ok(()));
    assert_eq!(outcome(&terms, &permissive, NOW + 11), Err(DenialCode::SignatureExpired));
    let backwards = SignatureTerms { expires: Some(NOW), ..SignatureTerms::at(NOW + 5) };
    assert_eq!(outcome(&backwards, &permissive, NOW), Err(DenialCode::ComponentMissing));
    let timeless = SignatureTerms { created: None, ..SignatureTerms::at(NOW) };
    assert_eq!(outcome(&timeless, &permissive, NOW), Ok(()));
    // An age cannot be told without a time.
    let aged = SignaturePolicy { max_age: Some(60), ..permissive };
    assert_eq!(outcome(&timeless, &aged, NOW), Err(DenialCode::ComponentMissing));
    let far = SignatureTerms::at(NOW + 31);
    assert_eq!(outcome(&far, &permissive, NOW), Err(DenialCode::SignatureFromFuture));

    let tagged = SignatureTerms { tag: Some("web \"app\""), algorithm: true, ..SignatureTerms::at(NOW) };
    let policy = |tag| SignaturePolicy { tag, ..permissive };
    assert_eq!(outcome(&tagged, &policy(Some("web \"app\"")), NOW), Ok(()));
    assert_eq!(outcome(&tagged, &policy(Some("webapp")), NOW), Err(DenialCode::UnknownKey));
    assert_eq!(outcome(&SignatureTerms::at(NOW), &policy(Some("webapp")), NOW), Err(DenialCode::UnknownKey));
    let nonce = SignaturePolicy { nonce: NonceRule::Always, ..permissive };
    assert_eq!(outcome(&SignatureTerms::at(NOW), &nonce, NOW), Err(DenialCode::ComponentMissing));
    assert_eq!(
        policy(Some("web \"app\"")).accept_signature(true),
        r#"sig=();alg="hmac-sha256";tag="web \"app\"""#
    );
}

#[test]
fn integration_secrets_sign_by_their_name_and_rotate() {
    let [old, new] =
        [1, 2].map(|version| SharedSecret::generate(Purpose::Integration, version, &[version; 40]));
    let issuing = SharedSecret::generate(Purpose::Issuing, 1, &[7; 40]);
    assert_eq!(RequestSigner::from_integration_secret(&issuing).unwrap_err().expected, Purpose::Integration);
    let mut keys = SignatureKeys::default();
    assert_eq!(keys.add_integration_secret(&issuing).unwrap_err().expected, Purpose::Integration);
    keys.add_integration_secret(&old).unwrap();
    let outcome = |keys: &SignatureKeys, secret| {
        let signer = RequestSigner::from_integration_secret(secret).unwrap();
        let text = secret.to_text();
        assert_eq!(signer.keyid(), &text.expose()[..text.expose().len() - 52]);
        let uri = "https://api.example/";
        let bare = HttpRequest::new("GET", uri, &[]).unwrap();
        let signed = signer.sign(&bare, &SignatureTerms::at(NOW)).unwrap();
        let fields = with(&vec![], &signed);
        let request = HttpRequest::new("GET", uri, &fields).unwrap();
        keys.verify(&request, &SignaturePolicy::default(), NOW).map(|_| ())
    };
    assert_eq!(outcome(&keys, &old), Ok(()));
    assert_eq!(outcome(&keys, &new), Err(DenialCode::UnknownKey));
    keys.add_integration_secret(&new).unwrap();
    assert_eq!(outcome(&keys, &new), Ok(()));
    keys.add(RequestSigner::from_integration_secret(&new).unwrap().keyid(), rfc_key());
    assert_eq!(outcome(&keys, &new), Err(DenialCode::BadSignature));
}

/// What any of this does is bounded, and a denial.
#[test]
fn what_is_too_much_is_malformed() {
    let uri = "https://api.example/";
    let good = sign("GET", uri, &vec![], &SignatureTerms::at(NOW));
    let outcome = |fields: &Fields<'_>| {
        verify("GET", uri, fields, Content::Bytes(b""), &SignaturePolicy::default(), NOW).err()
    };
    let malformed = Some(DenialCode::Malformed);
    assert_eq!(outcome(&with(&vec![], &good)), None);
    assert_eq!(outcome(&vec![]), Some(DenialCode::Missing));
    assert_eq!(outcome(&vec![("Signature-Input", good.signature_input.as_bytes())]), malformed);
    assert_eq!(outcome(&vec![("Signature", good.signature.as_bytes())]), malformed);
    for (input, signature) in [
        ("", ""),
        ("sig=1", "sig=:AA==:"),
        ("sig=(1)", "sig=:AA==:"),
        ("sig=()", "sig=1"),
        ("sig=()", "other=:AA==:"),
        ("sig=();created=1.5", "sig=:AA==:"),
        ("sig=();created=@1", "sig=:AA==:"),
        ("sig=();nonce=token", "sig=:AA==:"),
        ("sig=();alg=1", "sig=:AA==:"),
        ("sig=();keyid", "sig=:AA==:"),
        ("sig=(), sig=()", "sig=:AA==:"),
        ("sig=()", "sig=:AA==:, sig=:AA==:"),
        ("sig=()\u{e9}", "sig=:AA==:"),
        ("sig=(\0)", "sig=:AA==:"),
        ("sig=(\n)", "sig=:AA==:"),
    ] {
        let fields = vec![("signature-input", input.as_bytes()), ("SIGNATURE", signature.as_bytes())];
        assert_eq!(outcome(&fields), malformed, "{input} {signature}");
    }
    let many = |count: usize| {
        let names: Vec<String> = (0..count).map(|at| format!("\"x{at}\"")).collect();
        format!("sig=({})", names.join(" "))
    };
    let labels: Vec<String> = (0..9).map(|at| format!("s{at}=()")).collect();
    for input in [
        many(MAX_COMPONENTS + 1),
        format!("sig=({})", "\"@method\" ".repeat(2).trim()),
        format!("sig=();x=\"{}\"", "a".repeat(MAX_SIGNATURE_FIELD_LEN)),
        format!("sig=();nonce=\"{}\"", "a".repeat(257)),
        labels.join(", "),
        many(5_000),
    ] {
        let fields = vec![("Signature-Input", input.as_bytes()), ("Signature", b"sig=:AA==:, s0=:AA==:")];
        assert_eq!(outcome(&fields), malformed);
    }
    let line = "a".repeat(65_536);
    let fields = vec![
        ("x", line.as_bytes()),
        ("Signature-Input", b"sig=(\"x\")".as_slice()),
        ("Signature", b"sig=:AA==:"),
    ];
    assert_eq!(outcome(&fields), malformed, "the signature base would be too long");
    let fields =
        vec![("x", line.as_bytes()), ("Signature-Input", line.as_bytes()), ("Signature", b"a=:AA==:")];
    assert_eq!(outcome(&fields), malformed);
    let lines: Fields<'_> = (0..1_001).map(|_| ("x", b"".as_slice())).collect();
    assert_eq!(outcome(&lines), malformed);
}

/// Fields that are read for `sf` and `key` are read before anything is proved, once for each component.
#[test]
fn what_structured_fields_cost_is_bounded() {
    let uri = "https://api.example/";
    let outcome = |components: &[String], line: &str| {
        let lines: Fields<'_> = vec![("x", line.as_bytes())];
        let components: Vec<&str> = components.iter().map(String::as_str).collect();
        let terms = SignatureTerms { components: &components, ..SignatureTerms::at(NOW) };
        let signed = signer().sign(&HttpRequest::new("GET", uri, &lines).unwrap(), &terms)?;
        let mut fields = lines.clone();
        fields.push(("Signature-Input", signed.signature_input.as_bytes()));
        fields.push(("Signature", signed.signature.as_bytes()));
        Ok::<_, SignError>(verify(
            "GET",
            uri,
            &fields,
            Content::Bytes(b""),
            &SignaturePolicy::PERMISSIVE,
            NOW,
        ))
    };
    let keys =
        |count: usize| -> Vec<String> { (0..count).map(|at| format!("\"x\";key=\"k{at}\"")).collect() };
    let line = |len: usize| {
        let members = (0..MAX_COMPONENTS).map(|at| format!("k{at}=1, ")).collect::<String>();
        format!("{members}last=\"{}\"", "a".repeat(len - members.len() - 7))
    };
    let line_of_1024 = line(1024);
    assert_eq!(line_of_1024.len(), 1024);
    assert!(outcome(&keys(16), &line_of_1024).unwrap().is_ok());
    assert_eq!(outcome(&keys(17), &line_of_1024), Err(SignError::Component { index: 16 }));
    assert!(outcome(&["\"x\";sf".into()], &line(MAX_STRUCTURED_LEN)).unwrap().is_ok());
    let more = outcome(&["\"x\";sf".into()], &line(MAX_STRUCTURED_LEN + 1));
    assert_eq!(more, Err(SignError::Component { index: 0 }));

    // A signature that is not good takes from those behind it.
    let (fields, components) = (line_of_1024, keys(16).join(" "));
    let input = format!("a=({components}), b=({components})");
    let lines: Fields<'_> = vec![
        ("x", fields.as_bytes()),
        ("Signature-Input", input.as_bytes()),
        ("Signature", b"a=:AA==:, b=:AA==:"),
    ];
    let request = HttpRequest::new("GET", uri, &lines).unwrap();
    let mut asked = 0;
    let denied = verify_signature(&request, &SignaturePolicy::PERMISSIVE, NOW, |_| {
        asked += 1;
        None
    });
    assert_eq!((denied.map(|_| ()), asked), (Err(DenialCode::UnknownKey), 1));
}

/// What is signed is the canonical form of `Signature-Input`, however it was sent (RFC 9421 section 2.5, RFC 9651 section 4.2).
#[test]
fn what_is_sent_in_another_form_is_verified_in_the_canonical_one() {
    let uri = "https://api.example/";
    let fields: Fields<'_> = vec![("X", b"a=1, b=2")];
    let components = ["@method", r#""x";key="b";sf"#, "x"];
    let terms = SignatureTerms { components: &components, ..SignatureTerms::at(NOW) };
    let request = HttpRequest::new("GET", uri, &fields).unwrap();
    let signed = RequestSigner::new(rfc_key(), "k\"\\").sign(&request, &terms).unwrap();
    assert_eq!(
        signed.signature_input,
        r#"sig=("@method" "x";key="b";sf "x");created=1618884473;keyid="k\"\\""#
    );
    let foreign = (0..20).map(|at| format!(";f{at}=1")).collect::<String>();
    let covered = r#"(  "@method" "x";key="a"; sf=?0;key="b";sf=?1   "x" )"#;
    let parameters = r#";created=1;  keyid="k";created=01618884473;keyid="k\"\\""#;
    let whole = format!(r#"a=("@path";x;y;x=2 "x"){foreign};f3=2,sig={covered}{parameters}"#);
    let (head, tail) = whole.split_once(',').unwrap();
    let folded = format!("{head},\r\n\t {tail}");
    let value = format!("sig={}, a=:AA:;x=1", signed.signature.trim_start_matches("sig="));
    for lines in [vec![whole.as_str()], vec![&folded], vec![head, tail]] {
        let mut fields = fields.clone();
        fields.extend(lines.iter().map(|line| ("Signature-Input", line.as_bytes())));
        fields.push(("Signature", value.as_bytes()));
        let request = HttpRequest::new("GET", uri, &fields).unwrap();
        let mut asked = vec![];
        let verified = verify_signature(&request, &SignaturePolicy::PERMISSIVE, NOW, |keyid| {
            asked.push(keyid.map(str::to_owned));
            Some(rfc_key())
        });
        let verified = verified.unwrap();
        assert_eq!((verified.keyid.as_deref(), verified.created), (Some("k\"\\"), Some(1_618_884_473)));
        assert_eq!(asked, [Some("k\"\\".to_owned())], "{lines:?}");
    }
}

/// Two readers of one request must not see two signatures in it.
#[test]
fn a_label_or_a_component_that_stands_twice_is_malformed() {
    let uri = "https://api.example/";
    let good = sign("GET", uri, &vec![], &SignatureTerms::at(NOW));
    let (input, value) = (&good.signature_input, &good.signature);
    for (input, value) in [
        (format!("{input}, {input}"), value.clone()),
        (format!("{input}, {input}"), format!("{value}, b=:AA:")),
        (input.clone(), format!("sig=:AA:, {value}")),
        (input.clone(), format!("{value}, b=:AA:")),
        (format!("{input}, b=()"), value.clone()),
        (format!("{input};b=()"), value.clone()),
        (format!("{input},"), value.clone()),
        (input.replacen('=', "", 1), value.clone()),
    ] {
        let fields = vec![("Signature-Input", input.as_bytes()), ("Signature", value.as_bytes())];
        let outcome =
            verify("GET", uri, &fields, Content::Bytes(b""), &SignaturePolicy::PERMISSIVE, NOW).map(|_| ());
        assert_eq!(outcome, Err(DenialCode::Malformed), "{input} {value}");
    }
    let lines: Fields<'_> = vec![("X", b"a=1")];
    for twice in [
        [r#""x";sf;key="a""#, r#""x";key="a";sf"#],
        [r#""x";sf;key="a""#, r#""x";sf=?0;key="b";sf;key="a""#],
        [r#""x";bs"#, r#""x";bs=?1"#],
    ] {
        let terms = SignatureTerms { components: &twice, ..SignatureTerms::at(NOW) };
        let refused = signer().sign(&HttpRequest::new("GET", uri, &lines).unwrap(), &terms).unwrap_err();
        assert_eq!(refused, SignError::Components, "{twice:?}");
    }
}

/// A signature over a part of a field says nothing about the rest of it.
#[test]
fn what_is_covered_in_part_is_not_covered() {
    let uri = "https://api.example/?page=2";
    let digests = format!("{}, md5=:AAAA:", ContentDigest::sha256(b"{}"));
    let lines: Fields<'_> = vec![("X", b"a=1, b=2"), ("Content-Digest", digests.as_bytes())];
    let of_x = SignaturePolicy { required_components: &["x"], ..SignaturePolicy::PERMISSIVE };
    let of_query = SignaturePolicy { required_components: &["@query-param"], ..SignaturePolicy::PERMISSIVE };
    let of_digest = SignaturePolicy { require_content_digest: true, ..SignaturePolicy::PERMISSIVE };
    for (component, policy) in [
        (r#""x";key="a""#, of_x),
        (r#""x";sf"#, of_x),
        (r#""x";bs"#, of_x),
        (r#""@query-param";name="page""#, of_query),
        (r#""content-digest";key="md5""#, of_digest),
        (r#""content-digest";bs"#, of_digest),
    ] {
        let terms = SignatureTerms { components: &[component], ..SignatureTerms::at(NOW) };
        let signed = sign("PUT", uri, &lines, &terms);
        let outcome = |policy: &SignaturePolicy<'_>, content| {
            verify("PUT", uri, &with(&lines, &signed), Content::Bytes(content), policy, NOW).map(|_| ())
        };
        assert_eq!(outcome(&policy, b"{}"), Err(DenialCode::ComponentMissing), "{component}");
        assert_eq!(outcome(&SignaturePolicy::PERMISSIVE, b"{}"), Ok(()), "{component}");
        // Still no other content goes with it.
        let mismatch = component.contains("digest").then_some(DenialCode::DigestMismatch);
        assert_eq!(outcome(&SignaturePolicy::PERMISSIVE, b"[]").err(), mismatch, "{component}");
    }
    for parameters in [";sf", ";bs", ";key=\"a\"", ";unknown"] {
        let component = format!("\"@query-param\";name=\"page\"{parameters}");
        let terms = SignatureTerms { components: &[&component], ..SignatureTerms::at(NOW) };
        let refused = signer().sign(&HttpRequest::new("GET", uri, &lines).unwrap(), &terms).unwrap_err();
        assert_eq!(refused, SignError::Component { index: 0 }, "{component}");
    }
}

/// What is as much as it may be is read, and one more is malformed.
#[test]
fn limits_are_what_they_say() {
    let outcome = |input: String, labels: usize, covered: usize| {
        let covered = "a".repeat(covered);
        let values = (0..labels).map(|at| format!("s{at}=:AA==:")).collect::<Vec<_>>().join(", ");
        let fields = vec![
            ("x", covered.as_bytes()),
            ("Signature-Input", input.as_bytes()),
            ("Signature", values.as_bytes()),
        ];
        let policy = SignaturePolicy::PERMISSIVE;
        verify("GET", "https://api.example/?a", &fields, Content::NotRead, &policy, NOW).unwrap_err()
    };
    let of_length = |len: usize| format!("s0=();x=\"{}\"", "a".repeat(len - 10));
    let of_labels = |count: usize| (0..count).map(|at| format!("s{at}=()")).collect::<Vec<_>>().join(", ");
    let of_components = |count: usize| {
        let names: Vec<String> = (0..count).map(|at| format!("\"x{at}\"")).collect();
        format!("s0=({})", names.join(" "))
    };
    let of_nonce = |len: usize| format!("s0=();nonce=\"{}\"", "a".repeat(len));
    let of_x = || "s0=(\"x\")".to_owned();
    // Of that base, all but the value.
    let rest = "\"x\": ".len();
    for (read, beyond) in [
        (
            outcome(of_length(MAX_SIGNATURE_FIELD_LEN), 1, 0),
            outcome(of_length(MAX_SIGNATURE_FIELD_LEN + 1), 1, 0),
        ),
        (outcome(of_labels(MAX_SIGNATURES), 8, 0), outcome(of_labels(MAX_SIGNATURES + 1), 9, 0)),
        (
            outcome(of_nonce(MAX_SIGNATURE_TEXT_LEN), 1, 0),
            outcome(of_nonce(MAX_SIGNATURE_TEXT_LEN + 1), 1, 0),
        ),
        (
            outcome(of_x(), 1, MAX_SIGNATURE_BASE_LEN - rest),
            outcome(of_x(), 1, MAX_SIGNATURE_BASE_LEN - rest + 1),
        ),
    ] {
        assert_eq!((read, beyond), (DenialCode::BadSignature, DenialCode::Malformed));
    }
    let (read, beyond) =
        (outcome(of_components(MAX_COMPONENTS), 1, 0), outcome(of_components(MAX_COMPONENTS + 1), 1, 0));
    assert_eq!((read, beyond), (DenialCode::ComponentMissing, DenialCode::Malformed));
}

#[test]
fn of_several_signatures_the_first_that_holds_decides() {
    let uri = "https://api.example/";
    let one = sign("GET", uri, &vec![], &SignatureTerms { label: "a", ..SignatureTerms::at(NOW) });
    let two =
        sign("GET", uri, &vec![], &SignatureTerms { label: "b", tag: Some("t"), ..SignatureTerms::at(NOW) });
    let stale = sign("GET", uri, &vec![], &SignatureTerms { label: "c", ..SignatureTerms::at(NOW - 999) });
    let foreign = r#"f=("x-gone");alg="ed25519";keyid="proxy""#;
    let outcome = |signed: &[(&str, &str)], tag| {
        let inputs: Vec<&str> = signed.iter().map(|(input, _)| *input).collect();
        let values: Vec<&str> = signed.iter().map(|(_, value)| *value).collect();
        let (input, value) = (inputs.join(", "), values.join(","));
        let fields = vec![("Signature-Input", input.as_bytes()), ("Signature", value.as_bytes())];
        let policy = SignaturePolicy { tag, ..SignaturePolicy::default() };
        verify("GET", uri, &fields, Content::Bytes(b""), &policy, NOW).map(|verified| verified.tag)
    };
    let pair = |signed: &'_ SignedFields| (signed.signature_input.clone(), signed.signature.clone());
    let (one, two, stale) = (pair(&one), pair(&two), pair(&stale));
    let [one, two, stale] = [&one, &two, &stale].map(|(input, value)| (input.as_str(), value.as_str()));
    assert_eq!(outcome(&[one, two], None), Ok(None));
    assert_eq!(outcome(&[one, two], Some("t")), Ok(Some("t".into())));
    assert_eq!(outcome(&[stale, two], None), Ok(Some("t".into())));
    assert_eq!(outcome(&[stale], None), Err(DenialCode::SignatureExpired));
    assert_eq!(outcome(&[(foreign, "f=:AA==:"), one], None), Ok(None), "another party's is passed over");
    assert_eq!(outcome(&[(foreign, "f=:AA==:")], None), Err(DenialCode::UnknownKey));
    assert_eq!(outcome(&[(one.0, "a=:AA==:")], None), Err(DenialCode::BadSignature));
}

proptest! {
    #[test]
    fn any_fields_are_a_denial(input in any::<Vec<u8>>(), signature in any::<Vec<u8>>(), covered: Vec<u8>) {
        let fields = vec![("signature-input", &input[..]), ("signature", &signature), ("x", &covered)];
        let outcome =
            verify("GET", "https://a.example/", &fields, Content::NotRead, &SignaturePolicy::PERMISSIVE, NOW);
        prop_assert!(outcome.is_err());
    }

    #[test]
    fn near_signatures_are_denials_or_ours(
        input in r#"(sig|a)=\(("@(method|path|query-param)"|"x")(;(sf|bs|name="a"|key="b"))?( "@[a-z]{1,3}")?\)(;(created|expires)=-?[0-9]{1,12})?"#,
        covered in r#"[a-c=,;()"? ]{0,12}"#,
    ) {
        let fields = vec![("signature-input", input.as_bytes()), ("signature", b"sig=:AAAA:"), ("x", covered.as_bytes())];
        let uri = "https://a.example/?a=1";
        prop_assert!(verify("GET", uri, &fields, Content::NotRead, &SignaturePolicy::PERMISSIVE, NOW).is_err());
    }

    #[test]
    fn what_is_signed_verifies_and_nothing_else(
        path in "/[a-z%0-9]{0,8}", query in "[a-z=&+%0-9]{0,12}", value in "[ -~]{0,20}", flip in 0..3_u8,
    ) {
        let uri = format!("https://a.example{path}?{query}");
        let fields: Fields<'_> = vec![("X", value.as_bytes())];
        let components = ["@method", "@authority", "@path", "@query", "x"];
        let signed = sign("GET", &uri, &fields, &SignatureTerms { components: &components, ..SignatureTerms::at(NOW) });
        let outcome = |uri: &str, value: &[u8], method| {
            let fields = with(&vec![("X", value)], &signed);
            verify(method, uri, &fields, Content::Bytes(b""), &SignaturePolicy::default(), NOW).err()
        };
        prop_assert_eq!(outcome(&uri, value.as_bytes(), "GET"), None);
        let changed = match flip {
            0 => outcome(&format!("{uri}&"), value.as_bytes(), "GET"),
            1 => outcome(&uri, &[value.as_bytes(), b"!"].concat(), "GET"),
            _ => outcome(&uri, value.as_bytes(), "HEAD"),
        };
        prop_assert_eq!(changed, Some(DenialCode::BadSignature));
    }
}
