//! Generating and reading keys: rare calls.

use crate::{Failure, to_js};
use claviger_core::{IssuingKey, KeyPrefix, OpaqueUse, Purpose, SharedSecret, SignedKeyTerms, parse};
use serde::Serialize;
use wasm_bindgen::prelude::*;
use zeroize::Zeroize;

/// Reads a prefix and an issuing secret, and says which of them is wrong.
#[inline(never)]
pub(crate) fn issuing_key(prefix: &str, secret: &str) -> Result<IssuingKey, Failure> {
    let prefix = key_prefix(prefix)?;
    let secret = SharedSecret::parse(secret).map_err(|error| Failure::new("invalid_secret", error))?;
    IssuingKey::new(prefix, &secret).map_err(|error| Failure::new("invalid_secret", error))
}

fn key_prefix(prefix: &str) -> Result<KeyPrefix, Failure> {
    KeyPrefix::new(prefix).map_err(|error| Failure::new("invalid_prefix", error))
}

/// Random bytes of the runtime.
fn entropy<const N: usize>() -> Result<[u8; N], Failure> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| Failure::new("no_entropy", error))?;
    Ok(bytes)
}

/// A number of JavaScript as an integer from 0 to `max`.
pub(crate) fn integer(name: &str, number: f64, max: u64) -> Result<u64, Failure> {
    let integer = number as u64;
    if integer as f64 == number && integer <= max {
        Ok(integer)
    } else {
        Err(Failure::new("invalid_options", format!("{name} must be an integer from 0 to {max}")))
    }
}

/// Makes an opaque key, for signing or not.
///
/// # Errors
/// Throws an object with `code` and `message`.
#[wasm_bindgen]
pub fn generate_opaque_key(prefix: &str, signing: bool) -> Result<String, JsValue> {
    let prefix = key_prefix(prefix)?;
    let usage = if signing { OpaqueUse::BearerAndSigning } else { OpaqueUse::Bearer };
    let mut entropy = entropy()?;
    let (_, key) = claviger_core::generate_opaque_key(&prefix, usage, &entropy);
    entropy.zeroize();
    Ok(key.expose().into())
}

/// Makes a signed key; without `lifetime_minutes` it never expires.
///
/// # Errors
/// Throws an object with `code` and `message`.
#[wasm_bindgen]
pub fn generate_signed_key(
    prefix: &str,
    mut issuing_secret: String,
    issued_at: f64,
    lifetime_minutes: Option<f64>,
    read_only: bool,
) -> Result<String, JsValue> {
    let issuer = issuing_key(prefix, &issuing_secret);
    issuing_secret.zeroize();
    let issued_at = integer("issuedAt", issued_at, u64::MAX)?;
    let mut terms = match lifetime_minutes {
        None => SignedKeyTerms::without_lifetime(issued_at),
        Some(minutes) => {
            let minutes = integer("lifetimeMinutes", minutes, u64::from(u32::MAX))?;
            SignedKeyTerms::expiring(issued_at, minutes as u32)
        }
    };
    if read_only {
        terms = terms.read_only();
    }
    let key = issuer?.generate(&entropy()?, terms).map_err(|error| Failure::new("invalid_time", error))?;
    Ok(key.expose().into())
}

/// Makes a shared secret, for integration or for issuing.
///
/// # Errors
/// Throws an object with `code` and `message`.
#[wasm_bindgen]
pub fn generate_shared_secret(integration: bool, version: f64) -> Result<String, JsValue> {
    let purpose = if integration { Purpose::Integration } else { Purpose::Issuing };
    let version = integer("version", version, 255)? as u8;
    let mut entropy = entropy()?;
    let secret = SharedSecret::generate(purpose, version, &entropy);
    entropy.zeroize();
    Ok(secret.to_text().expose().into())
}

/// What `parseKey` returns of a text that is well-formed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Parts<'t> {
    well_formed: bool,
    kind: &'static str,
    prefix: &'t str,
    key_id: String,
    version: Option<u8>,
    read_only: Option<bool>,
    issued_at: Option<u64>,
    expires_at: Option<u64>,
}

/// What `parseKey` returns of a text that is not.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NotWellFormed {
    well_formed: bool,
    part: &'static str,
    message: String,
}

/// Reads a text of any format, for TypeScript's `parseKey`.
#[wasm_bindgen]
pub fn parse_key(text: &str) -> JsValue {
    match parse(text) {
        Ok(parsed) => {
            let claims = parsed.claims();
            to_js(&Parts {
                well_formed: true,
                kind: parsed.kind().as_str(),
                prefix: parsed.prefix(),
                key_id: parsed.id().to_string(),
                version: parsed.version().or(claims.map(|claims| claims.version())),
                read_only: claims.map(|claims| claims.read_only()),
                issued_at: claims.map(|claims| claims.issued_at()),
                expires_at: claims.and_then(|claims| claims.expires_at()),
            })
        }
        Err(error) => to_js(&NotWellFormed {
            well_formed: false,
            part: error.part.as_str(),
            message: error.to_string(),
        }),
    }
}
