//! Requests and denials that the npm package is held to as well: `tests/vectors/http.json`.

use claviger::{
    DenialCode, Verdict,
    http::{Credentials, denial_response},
};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use std::{collections::BTreeSet, path::Path};

fn vectors() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/http.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Characters there are bytes.
fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|character| u8::try_from(character).unwrap()).collect()
}

fn credentials(case: &Value) -> Credentials {
    let mut credentials = Credentials::default();
    for (name, field) in [
        ("bearer", &mut credentials.bearer),
        ("xApiKey", &mut credentials.x_api_key),
        ("basic", &mut credentials.basic),
        ("restApiKey", &mut credentials.rest_api_key),
        ("signature", &mut credentials.signature),
    ] {
        if let Some(given) = case["credentials"][name].as_bool() {
            *field = given;
        }
    }
    credentials
}

#[test]
fn keys_are_read_as_the_vectors_say() {
    for case in vectors()["reads"].as_array().unwrap() {
        let mut headers = HeaderMap::new();
        for pair in case["headers"].as_array().unwrap() {
            let name = HeaderName::from_bytes(pair[0].as_str().unwrap().as_bytes()).unwrap();
            headers.append(name, HeaderValue::from_bytes(&latin1(pair[1].as_str().unwrap())).unwrap());
        }
        let read = credentials(case).read(&headers).map_err(DenialCode::as_str);
        let expected = match case["key"].as_str() {
            Some(key) => Ok(latin1(key)),
            None => Err(case["code"].as_str().unwrap()),
        };
        assert_eq!(read, expected, "{}", case["name"]);
    }
}

#[test]
fn denials_are_answered_as_the_vectors_say() {
    let vectors = vectors();
    let cases = vectors["denials"].as_array().unwrap();
    let codes: BTreeSet<&str> = cases.iter().map(|case| case["code"].as_str().unwrap()).collect();
    assert_eq!(codes, DenialCode::ALL.iter().map(|code| code.as_str()).collect());
    for &code in DenialCode::ALL {
        let Verdict::Denied(denied) = Verdict::denied(code, None) else { panic!("a denial") };
        let response = denial_response(&denied);
        let case = cases.iter().find(|case| case["code"] == code.as_str()).unwrap();
        assert_eq!(response.status().as_u16(), case["status"], "{code}");
        let headers = case["headers"].as_object().unwrap();
        assert_eq!(response.headers().len(), headers.len(), "{code}");
        for (name, value) in headers {
            assert_eq!(response.headers()[name.as_str()], value.as_str().unwrap(), "{code}");
        }
        assert_eq!(serde_json::from_str::<Value>(response.body()).unwrap(), case["body"], "{code}");
    }
}
