//! Webhooks: the golden cases, and the library of Standard Webhooks for Rust beside the core. Node is held to the cases in
//! `js/test/webhook.test.mjs`; Python's library is in `python.rs`.

use anyhow::Result;
use claviger_core::{Purpose, SharedSecret, WebhookHeaders, WebhookSecret, sign_webhook, verify_webhook};
use claviger_parity::webhook_vectors;
use hyper::HeaderMap;
use standardwebhooks::Webhook;
use std::{
    collections::BTreeSet,
    time::{SystemTime, UNIX_EPOCH},
};

const ID: &str = "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk";

fn headers(timestamp: &str, signature: &str) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    headers.insert("webhook-id", ID.parse()?);
    headers.insert("webhook-timestamp", timestamp.parse()?);
    headers.insert("webhook-signature", signature.parse()?);
    Ok(headers)
}

fn verify(secret: &WebhookSecret, headers: &HeaderMap, body: &[u8], now: u64) -> bool {
    let value = |name| headers.get(name).map(hyper::header::HeaderValue::as_bytes);
    let headers = WebhookHeaders {
        id: value("webhook-id"),
        timestamp: value("webhook-timestamp"),
        signature: value("webhook-signature"),
    };
    verify_webhook(std::slice::from_ref(secret), &headers, body, now, 300).is_ok()
}

#[test]
fn the_core_says_what_the_golden_file_says() -> Result<()> {
    let file = webhook_vectors::read()?;
    webhook_vectors::check(&file)?;
    let verdicts = file.cases.iter().filter_map(|case| case.verdict.get("code")?.as_str());
    let codes: BTreeSet<&str> = verdicts.collect();
    let all = ["bad_signature", "malformed", "missing", "signature_expired", "signature_from_future"];
    assert!(codes.iter().eq(&all), "{codes:?}");
    Ok(())
}

#[test]
fn webhooks_are_good_in_the_library_of_standard_webhooks_and_the_other_way_round() -> Result<()> {
    // The library asks the clock.
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let text = now.to_string();
    let integration = WebhookSecret::of(&SharedSecret::generate(Purpose::Integration, 1, &[7; 40]))?;
    let known = WebhookSecret::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?;
    let secrets = [integration, known];
    let bodies = [String::new(), "{}".to_owned(), "\"Gr\u{fc}\u{df}e\"".to_owned(), "x".repeat(100_000)];
    for secret in &secrets {
        let theirs = Webhook::new(secret.to_text().expose())?;
        for body in bodies.iter().map(|body| body.as_bytes()) {
            let ours = headers(&text, &sign_webhook(&secrets, ID, now, body)?)?;
            theirs.verify(body, &ours)?;
            let signed = headers(&text, &theirs.sign(ID, i64::try_from(now)?, body)?)?;
            assert!(verify(secret, &signed, body, now));
            let other = [body, b" "].concat();
            assert!(theirs.verify(&other, &ours).is_err() && !verify(secret, &signed, &other, now));
        }
        // Where they fail or are lax, the core does neither.
        let bytes = [0xff, 0xfe, 0];
        assert!(theirs.sign(ID, 0, &bytes).is_err());
        assert!(verify(secret, &headers(&text, &secret.sign(ID, now, &bytes)?)?, &bytes, now));
        let plus = headers(&format!("+{text}"), &secret.sign(ID, now, b"{}")?)?;
        assert!(theirs.verify(b"{}", &plus).is_ok() && !verify(secret, &plus, b"{}", now));
    }
    Ok(())
}
