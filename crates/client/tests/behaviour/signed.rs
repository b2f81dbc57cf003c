//! Signed requests: whose they are, that they come once, and what of them is believed.

use crate::{
    faulty::Faulty,
    ring::{Clock, Ring, START},
};
use claviger::{
    BuildError, BytesSource, DenialCode, InMemoryReplayStore, RequestContext, Verifier,
    core::{
        Content, ContentDigest, IssuingKey, Purpose, RequestSigner, SharedSecret, SignaturePolicy,
        SignatureTerms, SignedKeyTerms, SigningKey,
    },
    http::{Credential, Credentials, SignRequestError, SigningOptions, sign_request},
};
use http::Request;

const URL: &str = "https://api.example/flights?page=2";
const BODY: &[u8] = br#"{"to":"HEL"}"#;

fn options() -> SigningOptions<'static> {
    SigningOptions { created: Some(START), ..SigningOptions::default() }
}

fn of_key(key: &str) -> RequestSigner {
    RequestSigner::from_key(key).unwrap()
}

/// A request as it is sent.
fn signed_by(signer: &RequestSigner) -> Request<&'static [u8]> {
    let mut request = Request::post(URL).body(BODY).unwrap();
    sign_request(&mut request, signer, &options()).unwrap();
    request
}

async fn verify(
    verifier: &Verifier,
    request: &Request<&[u8]>,
    context: &RequestContext<'_>,
) -> Option<DenialCode> {
    let content = Content::Bytes(request.body());
    verifier.verify_request_with_content(request, content, Credentials::ALL, context).await.denial()
}

fn verifier(ring: &Ring) -> Verifier {
    ring.verifier(BytesSource::new(ring.bundle()), &Clock::new()).0
}

#[tokio::test]
async fn a_signed_request_is_let_in_once_and_counted_once() {
    let mut ring = Ring::new(2);
    ring.signing(0);
    ring.publish(START);
    let builder = ring.builder(&Clock::new()).source(BytesSource::new(ring.bundle())).count_usage(10);
    let verifier = builder.build().unwrap();
    let (context, request) = (RequestContext::at(START), signed_by(&of_key(&ring.text(0))));
    assert_eq!(verify(&verifier, &request, &context).await, None);
    assert_eq!(verify(&verifier, &request, &context).await, Some(DenialCode::Replayed));
    let other = signed_by(&of_key(&ring.text(0)));
    assert_ne!(request.headers()["signature"], other.headers()["signature"], "it has a nonce of its own");
    assert_eq!(verify(&verifier, &other, &context).await, None);
    assert_eq!(verifier.drain_usage().unwrap().uses[0].count, 2);
    // The key is good as a bearer key, too.
    let bearer = Request::get("/").header("x-api-key", ring.text(0)).body(()).unwrap();
    assert!(verifier.verify_request(&bearer, Credentials::ALL, &context).await.is_verified());
}

#[tokio::test]
async fn who_may_not_is_denied_as_he_would_be_with_the_key() {
    let mut ring = Ring::new(6);
    for key in 0..5 {
        ring.signing(key);
    }
    ring.keys[1].0.revoked = true;
    ring.keys[2].0.disabled = true;
    ring.keys[3].0.expires_at = Some(START - 1);
    let secret = |version| SharedSecret::generate(Purpose::Issuing, version, &[version; 40]);
    ring.secrets = vec![(secret(1), true), (secret(2), false)];
    ring.publish(START);
    let by_secret = |version| {
        let issuer = IssuingKey::new("acme_live".parse().unwrap(), &secret(version)).unwrap();
        issuer.generate(&[9; 8], SignedKeyTerms::expiring(START, 60)).unwrap().expose().to_owned()
    };
    let verifier = verifier(&ring);
    let at = RequestContext::at(START);
    let tenant = at.tenant("another");
    let permission = at.permissions(&["flights:view"]);
    let forged = RequestSigner::new(SigningKey::from_bytes(&[1; 32]), of_key(&ring.text(0)).keyid());
    let stranger = of_key(&Ring::signing_key(99));
    let cases = [
        (of_key(&ring.text(1)), &at, Some(DenialCode::Revoked)),
        (of_key(&ring.text(2)), &at, Some(DenialCode::Disabled)),
        (of_key(&ring.text(3)), &at, Some(DenialCode::Expired)),
        (of_key(&ring.text(0)), &tenant, Some(DenialCode::WrongTenant)),
        (of_key(&ring.text(0)), &permission, Some(DenialCode::InsufficientPermission)),
        (of_key(&by_secret(1)), &at, None),
        (of_key(&by_secret(2)), &at, Some(DenialCode::UnknownKey)),
        (stranger, &at, Some(DenialCode::UnknownKey)),
        (forged, &at, Some(DenialCode::BadSignature)),
        (of_key(&ring.text(0)), &at, None),
    ];
    for (signer, context, expected) in cases {
        assert_eq!(verify(&verifier, &signed_by(&signer), context).await, expected, "{signer:?}");
    }
    assert!(RequestSigner::from_key(&ring.text(5)).is_err(), "a bearer key signs nothing");
    let named = of_key(&ring.text(0)).keyid().replace("_h", "_k");
    let of_bearer = RequestSigner::new(SigningKey::from_bytes(&[1; 32]), &named);
    assert_eq!(verify(&verifier, &signed_by(&of_bearer), &at).await, Some(DenialCode::UnknownKey));

    let mut changed = signed_by(&of_key(&ring.text(0)));
    *changed.body_mut() = b"{}";
    assert_eq!(verify(&verifier, &changed, &at).await, Some(DenialCode::DigestMismatch));
    let mut elsewhere = signed_by(&of_key(&ring.text(0)));
    *elsewhere.uri_mut() = "https://api.example/crews?page=2".parse().unwrap();
    assert_eq!(verify(&verifier, &elsewhere, &at).await, Some(DenialCode::BadSignature));
    let late = RequestContext::at(START + 301);
    let request = signed_by(&of_key(&ring.text(0)));
    assert_eq!(verify(&verifier, &request, &late).await, Some(DenialCode::SignatureExpired));
}

#[tokio::test]
async fn a_store_that_is_full_denies_without_a_word_against_the_key() {
    let mut ring = Ring::new(1);
    ring.signing(0);
    ring.publish(START);
    let builder = ring.builder(&Clock::new()).source(BytesSource::new(ring.bundle()));
    let verifier = builder.replay_store(InMemoryReplayStore::new(0, 330)).build().unwrap();
    let request = signed_by(&of_key(&ring.text(0)));
    let context = RequestContext::at(START);
    let content = Content::Bytes(request.body());
    let verdict = verifier.verify_request_with_content(&request, content, Credentials::ALL, &context).await;
    let denied = verdict.into_result().unwrap_err();
    assert_eq!(denied.code, DenialCode::ReplayUnavailable);
    assert_eq!(verifier.denial_response(&denied, Credentials::ALL, true).status(), 503);
}

#[tokio::test]
async fn parts_are_fetched_for_a_signed_request() {
    let mut ring = Ring::new(5000);
    ring.signing(77);
    ring.publish(START);
    let source = Faulty::of(&ring);
    let (verifier, _) = ring.verifier(source.clone(), &Clock::new());
    let request = signed_by(&of_key(&ring.text(77)));
    assert_eq!(verify(&verifier, &request, &RequestContext::at(START)).await, None);
    source.with(|store| assert_eq!((store.asked_roots, store.asked_parts), (1, 2)));
    assert_eq!(verify(&verifier, &request, &RequestContext::at(START)).await, Some(DenialCode::Replayed));
}

#[tokio::test]
async fn a_signature_is_a_credential_only_where_it_is_accepted_and_only_alone() {
    let mut ring = Ring::new(2);
    ring.signing(0);
    ring.publish(START);
    let verifier = verifier(&ring);
    let context = RequestContext::at(START);
    let request = signed_by(&of_key(&ring.text(0)));
    let content = Content::Bytes(request.body());
    let by_default =
        verifier.verify_request_with_content(&request, content, Credentials::default(), &context).await;
    assert_eq!(by_default.denial(), Some(DenialCode::Missing));
    assert!(matches!(Credentials::ALL.find(request.headers()), Ok(Credential::Signature)));
    assert_eq!(Credentials::ALL.read(request.headers()), Err(DenialCode::Missing));

    for key in [ring.text(0), ring.text(1)] {
        let mut both = request.clone();
        both.headers_mut().insert("x-api-key", key.parse().unwrap());
        assert_eq!(verify(&verifier, &both, &context).await, Some(DenialCode::Malformed));
        assert!(
            verifier.verify_request(&both, Credentials::default(), &context).await.is_verified(),
            "elsewhere it is just a field"
        );
    }
    for lost in ["signature", "signature-input"] {
        let mut half = request.clone();
        half.headers_mut().remove(lost);
        assert_eq!(verify(&verifier, &half, &context).await, Some(DenialCode::Malformed));
    }
}

/// The content that was not given is never taken for one that fits.
#[tokio::test]
async fn a_signature_over_content_is_denied_where_the_content_is_not_given() {
    let mut ring = Ring::new(1);
    ring.signing(0);
    ring.publish(START);
    let context = RequestContext::at(START);
    let blind = async |verifier: &Verifier, request: &Request<&[u8]>| {
        verifier.verify_request(request, Credentials::ALL, &context).await.denial()
    };
    let request = signed_by(&of_key(&ring.text(0)));
    let strict = verifier(&ring);
    assert_eq!(blind(&strict, &request).await, Some(DenialCode::DigestMismatch));
    let mut get = Request::get(URL).body(&b""[..]).unwrap();
    sign_request(&mut get, &of_key(&ring.text(0)), &options()).unwrap();
    assert_eq!(blind(&strict, &get).await, Some(DenialCode::ComponentMissing));
    assert_eq!(verify(&strict, &get, &context).await, None, "with its content, which is empty");

    let policy = SignaturePolicy { require_content_digest: false, ..SignaturePolicy::default() };
    let builder = ring.builder(&Clock::new()).source(BytesSource::new(ring.bundle()));
    let lax = builder.signature_policy(&policy).build().unwrap();
    assert_eq!(blind(&lax, &get).await, None, "nothing is said of content");
    assert_eq!(blind(&lax, &request).await, Some(DenialCode::DigestMismatch));
}

#[tokio::test]
async fn the_uri_is_that_of_the_server_and_not_one_that_the_client_makes_up() {
    let mut ring = Ring::new(1);
    ring.signing(0);
    ring.publish(START);
    let builder = || ring.builder(&Clock::new()).source(BytesSource::new(ring.bundle()));
    let by_host = builder().build().unwrap();
    let by_origin = builder().origin("https://api.example").build().unwrap();
    let elsewhere = builder().origin("https://api.example:8443").build().unwrap();
    let context = RequestContext::at(START);
    let received = |target: &str, host: &str| {
        let mut request = signed_by(&of_key(&ring.text(0)));
        *request.uri_mut() = target.parse().unwrap();
        request.headers_mut().insert("host", host.parse().unwrap());
        request
    };
    let good = || received("/flights?page=2", "api.example");
    assert_eq!(verify(&by_host, &good(), &context).await, None);
    assert_eq!(verify(&by_origin, &good(), &context).await, None);
    assert_eq!(verify(&by_origin, &received("/flights?page=2", "10.0.0.7:8080"), &context).await, None);
    assert_eq!(verify(&elsewhere, &good(), &context).await, Some(DenialCode::BadSignature));
    assert_eq!(
        verify(&by_host, &received("/flights?page=2", "other.example"), &context).await,
        Some(DenialCode::BadSignature)
    );
    for (target, host) in [
        ("/?page=2", "api.example/flights"),
        ("/ignored", "api.example/flights?page=2#"),
        ("/flights?page=2", "user@api.example"),
        ("/flights?page=2", ""),
    ] {
        let denied = verify(&by_host, &received(target, host), &context).await;
        assert_eq!(denied, Some(DenialCode::Malformed), "{host}");
    }
    let mut two = good();
    two.headers_mut().append("host", "api.example".parse().unwrap());
    assert_eq!(verify(&by_host, &two, &context).await, Some(DenialCode::Malformed));
    let mut none = good();
    none.headers_mut().remove("host");
    assert_eq!(verify(&by_host, &none, &context).await, Some(DenialCode::Malformed));

    for origin in ["api.example", "https://api.example/", "https://", "https://a b"] {
        let built = builder().origin(origin).build();
        assert!(matches!(built, Err(BuildError::Origin)), "{origin}");
    }
    let policy = SignaturePolicy { required_components: &["@pa\0th"], ..SignaturePolicy::default() };
    assert!(matches!(builder().signature_policy(&policy).build(), Err(BuildError::SignaturePolicy)));
}

/// For `GET *` a handler would do another thing than for `GET /`, which was signed.
#[tokio::test]
async fn an_asterisk_is_a_target_of_options_alone() {
    let mut ring = Ring::new(1);
    ring.signing(0);
    ring.publish(START);
    let verifier = verifier(&ring);
    let context = RequestContext::at(START);
    let received = |method: &str, target: &str| {
        let made = Request::builder().method(method).uri("https://api.example/");
        let mut request = made.body(&b""[..]).unwrap();
        sign_request(&mut request, &of_key(&ring.text(0)), &options()).unwrap();
        *request.uri_mut() = target.parse().unwrap();
        request.headers_mut().insert("host", "api.example".parse().unwrap());
        request
    };
    assert_eq!(verify(&verifier, &received("GET", "/"), &context).await, None);
    assert_eq!(verify(&verifier, &received("OPTIONS", "/"), &context).await, None);
    assert_eq!(verify(&verifier, &received("OPTIONS", "*"), &context).await, None);
    assert_eq!(verify(&verifier, &received("GET", "*"), &context).await, Some(DenialCode::Malformed));
}

#[tokio::test]
async fn a_stranger_is_told_what_a_signature_must_cover() {
    let verifier = verifier(&Ring::new(1));
    let request = Request::get("/").body(()).unwrap();
    let verdict = verifier.verify_request(&request, Credentials::ALL, &RequestContext::at(START)).await;
    let denied = verdict.into_result().unwrap_err();
    let accepted = |credentials, has_content| {
        let response = verifier.denial_response(&denied, credentials, has_content);
        assert_eq!(response.headers()["www-authenticate"], "Bearer");
        response.headers().get("accept-signature").map(|value| value.to_str().unwrap().to_owned())
    };
    assert_eq!(
        accepted(Credentials::ALL, true).unwrap(),
        r#"sig=("@method" "@authority" "@path" "@query" "content-digest");created;alg="hmac-sha256""#
    );
    assert!(!accepted(Credentials::ALL, false).unwrap().contains("digest"));
    assert_eq!(accepted(Credentials::default(), true), None);
}

#[test]
fn a_signature_stands_beside_others_and_takes_the_digest_that_is_there() {
    let signer = of_key(&Ring::signing_key(1));
    let mut request = signed_by(&signer);
    sign_request(&mut request, &signer, &options()).unwrap();
    let inputs: Vec<_> = request.headers().get_all("signature-input").iter().collect();
    assert!(inputs[0].to_str().unwrap().starts_with("sig=("));
    assert!(inputs[1].to_str().unwrap().starts_with("sig2=("));
    assert!(inputs.iter().all(|input| input.to_str().unwrap().contains("\"content-digest\"")));
    assert_eq!(request.headers().get_all("content-digest").iter().count(), 1);
    for _ in 0..6 {
        sign_request(&mut request, &signer, &options()).unwrap();
    }
    let ninth = sign_request(&mut request, &signer, &options());
    assert!(matches!(ninth, Err(SignRequestError::Fields)), "a verifier takes eight");

    let digest = ContentDigest::sha512(BODY);
    let mut own = Request::post(URL).header("content-digest", &digest).body(BODY).unwrap();
    sign_request(&mut own, &signer, &SigningOptions { valid_for: Some(60), tag: Some("t"), ..options() })
        .unwrap();
    assert_eq!(own.headers()["content-digest"], digest);
    let input = own.headers()["signature-input"].to_str().unwrap();
    assert!(
        input.contains(&format!(";created={START};expires={}", START + 60)) && input.ends_with(";tag=\"t\"")
    );

    let mut nowhere = Request::post("/flights").body(BODY).unwrap();
    assert!(matches!(sign_request(&mut nowhere, &signer, &options()), Err(SignRequestError::Target)));
    let mut absent = Request::get(URL).body(&b""[..]).unwrap();
    let covering = SigningOptions { components: &["x-request-id"], ..options() };
    assert!(matches!(sign_request(&mut absent, &signer, &covering), Err(SignRequestError::Sign(_))));
    let mut odd = Request::get(URL).header("signature", "((").body(&b""[..]).unwrap();
    assert!(matches!(sign_request(&mut odd, &signer, &options()), Err(SignRequestError::Fields)));
    assert_eq!(SignatureTerms::at(START).components, SigningOptions::default().components);
}
