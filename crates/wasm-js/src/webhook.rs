//! Webhooks: JavaScript writes what is signed into the buffer of requests, and calls with lengths.

use crate::{
    exchange::take_text,
    failure::{Failure, answer},
    signed_request::with_bytes,
};
use claviger_core::{
    DenialCode, SharedSecret, WebhookError, WebhookHeaders, WebhookSecret, push_wiping, sign_webhook,
    verify_webhook,
};
use wasm_bindgen::prelude::*;

/// The secrets of webhooks.
#[wasm_bindgen]
pub struct RawWebhook {
    secrets: Vec<WebhookSecret>,
}

#[inline(never)]
fn secret(text: &str) -> Result<WebhookSecret, Failure> {
    let invalid = |error: WebhookError| Failure::new("invalid_secret", error);
    if text.starts_with("whsec_") {
        return WebhookSecret::parse(text).map_err(invalid);
    }
    let secret = SharedSecret::parse(text).map_err(|error| Failure::new("invalid_secret", error))?;
    WebhookSecret::of(&secret).map_err(invalid)
}

fn secrets(lines: &str) -> Result<Vec<WebhookSecret>, Failure> {
    let mut secrets = Vec::new();
    for line in lines.lines() {
        let at = format!("options.secrets[{}]", secrets.len());
        push_wiping(&mut secrets, secret(line).map_err(|failure| failure.at(&at))?);
    }
    Ok(secrets)
}

#[wasm_bindgen]
impl RawWebhook {
    /// The secrets in the buffer, `whsec_…` or `cvgws_…`, one a line. Nothing, and a failure is in the buffer, if one is
    /// wrong.
    pub fn with_secrets() -> Option<RawWebhook> {
        secrets(&take_text()).map(|secrets| Self { secrets }).map_err(Failure::put).ok()
    }

    /// Signs what is in the buffer of requests, the `id` (so many bytes) and behind it the body, and leaves the header.
    pub fn sign(&self, id: u32, body: u32, timestamp: f64) -> i32 {
        let signed = with_bytes((id as usize).saturating_add(body as usize), |message| {
            let (id, body) = message.split_at_checked(id as usize).unwrap_or_default();
            // What is no text is no id.
            let id = core::str::from_utf8(id).unwrap_or_default();
            sign_webhook(&self.secrets, id, timestamp as u64, body)
        });
        answer(signed.map_err(|error| Failure::new("invalid_options", error)))
    }

    /// Verifies what is in the buffer of requests: `id`, `timestamp`, `signature` and `body` (so many bytes each). 0, or a denial
    /// code's number.
    pub fn verify(
        &self,
        id: u32,
        timestamp: u32,
        signature: u32,
        body: u32,
        now: f64,
        tolerance: f64,
    ) -> u32 {
        let lengths = [id, timestamp, signature, body].map(|length| length as usize);
        let verified =
            with_bytes(lengths.iter().fold(0, |all, length| all.saturating_add(*length)), |message| {
                let mut rest = message;
                let mut next = |length: usize| {
                    let (head, behind) = rest.split_at_checked(length)?;
                    rest = behind;
                    Some(head)
                };
                let [id, timestamp, signature, body] = lengths.map(&mut next);
                let headers = WebhookHeaders { id, timestamp, signature };
                let body = body.ok_or(DenialCode::VerifierFault)?;
                verify_webhook(&self.secrets, &headers, body, now as u64, tolerance as u64).map(drop)
            });
        verified.map_or_else(DenialCode::number, |()| 0).into()
    }
}
