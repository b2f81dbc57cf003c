//! Making keys and secrets: rare calls.

use crate::Failure;
use claviger_core::{IssuingKey, KeyPrefix, OpaqueUse, Purpose, SharedSecret, SignedKeyTerms};
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
