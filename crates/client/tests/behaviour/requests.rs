//! Keys in the headers of requests, and what is answered to denials.

use crate::ring::{Clock, Ring, START};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use claviger::{
    BytesSource, DenialCode, Denied, RequestContext, Verdict,
    core::DenialClass,
    http::{Credentials, denial_response},
};
use http::{HeaderMap, HeaderName, HeaderValue, Request};

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse::<HeaderValue>().unwrap()))
        .collect()
}

#[test]
fn a_key_is_found_in_each_header_that_is_accepted() {
    let ring = Ring::new(2);
    let (key, other) = (ring.text(0), ring.text(1));
    let (id, other_id) = (ring.keys[0].0.id, ring.keys[1].0.id);
    let basic = |user: &str, password: &str| {
        format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
    };
    let of = |pairs: &[(&str, &str)]| {
        Credentials::ALL.read(&headers(pairs)).map(|key| String::from_utf8(key).unwrap())
    };
    let good = Ok(key.clone());
    assert_eq!(of(&[("authorization", &format!("Bearer {key}"))]), good);
    assert_eq!(of(&[("authorization", &format!("bearer   {key} "))]), good);
    assert_eq!(of(&[("x-api-key", &key)]), good);
    assert_eq!(of(&[("authorization", &format!("rest_api_key={key}"))]), good);
    assert_eq!(of(&[("authorization", &basic(&id.to_string(), &key))]), good);
    assert_eq!(
        of(&[("x-api-key", &key), ("authorization", &format!("Bearer {key}"))]),
        good,
        "twice the same"
    );
    assert_eq!(of(&[("x-api-key", &key), ("authorization", "Digest username=x")]), good, "another scheme");

    let malformed = Err(DenialCode::Malformed);
    assert_eq!(of(&[("x-api-key", &key), ("authorization", &format!("Bearer {other}"))]), malformed);
    assert_eq!(of(&[("x-api-key", &key), ("x-api-key", &other)]), malformed);
    assert_eq!(of(&[("authorization", &basic(&other_id.to_string(), &key))]), malformed, "they must agree");
    assert_eq!(of(&[("authorization", &basic("", &key))]), malformed);
    assert_eq!(of(&[("authorization", "Basic !!!")]), malformed);
    assert_eq!(of(&[("authorization", &format!("Basic {}", BASE64_STANDARD.encode(&key)))]), malformed);
    for none in
        [&[][..], &[("authorization", "Digest x")], &[("x-api-key", "")], &[("authorization", "Bearer ")]]
    {
        assert_eq!(of(none), Err(DenialCode::Missing), "{none:?}");
    }
    let by_default = |name, value: &str| Credentials::default().read(&headers(&[(name, value)]));
    assert!(by_default("authorization", &format!("Bearer {key}")).is_ok());
    assert!(by_default("x-api-key", &key).is_ok());
    for value in [format!("rest_api_key={key}"), basic(&id.to_string(), &key)] {
        assert_eq!(by_default("authorization", &value), Err(DenialCode::Missing), "off unless asked for");
    }
}

#[tokio::test]
async fn a_request_is_verified() {
    let ring = Ring::new(2);
    let (verifier, _) = ring.verifier(BytesSource::new(ring.bundle()), &Clock::new());
    let request = |key: &str| Request::get("/").header("x-api-key", key).body(()).unwrap();
    let context = RequestContext::at(START);
    let verify =
        async |request| verifier.verify_request(&request, Credentials::default(), &context).await.denial();
    assert_eq!(verify(request(&ring.text(0))).await, None);
    assert_eq!(verify(request("abc")).await, Some(DenialCode::Malformed));
    assert_eq!(verify(Request::new(())).await, Some(DenialCode::Missing));
}

/// A stranger learns nothing, a proven caller why, and a fault of the verifier never makes anybody throw a key away.
#[test]
fn every_denial_has_its_response() {
    let of = |code| -> Denied {
        match Verdict::denied(code, None) {
            Verdict::Denied(denied) => denied,
            Verdict::Verified(_) => panic!("a denial"),
        }
    };
    let mut unproven = Vec::new();
    for &code in DenialCode::ALL {
        let response = denial_response(&of(code));
        let header = |name| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(header("content-type").as_deref(), Some("application/problem+json"));
        let problem: serde_json::Value = serde_json::from_str(response.body()).unwrap();
        assert_eq!(problem["status"], response.status().as_u16());
        match code.class() {
            DenialClass::Unproven => {
                assert_eq!(
                    (response.status().as_u16(), header("www-authenticate")),
                    (401, Some("Bearer".into()))
                );
                unproven.push(response.into_body());
            }
            DenialClass::Policy => {
                assert_eq!((response.status().as_u16(), &problem["code"]), (403, &code.as_str().into()));
            }
            DenialClass::Fault => {
                assert_eq!((response.status().as_u16(), header("retry-after")), (503, Some("1".into())));
                assert_eq!(header("www-authenticate"), None);
            }
        }
    }
    unproven.dedup();
    assert_eq!(unproven.len(), 1, "one and the same");
}
