//! Making keys and secrets: rare calls, which leave a text in the buffer or a failure.

use crate::{
    exchange::take,
    failure::{Failure, answer},
};
use claviger_core::{IssuingKey, KeyPrefix, OpaqueUse, Purpose, SharedSecret, SignedKeyTerms};
use wasm_bindgen::prelude::*;
use zeroize::Zeroizing;

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

/// Takes `N` random bytes from the buffer, and the lines of text behind them.
pub(crate) fn take_with_entropy<const N: usize>() -> Result<(Zeroizing<[u8; N]>, Zeroizing<String>), Failure>
{
    let mut bytes = Zeroizing::new(take());
    let missing = || Failure::new("no_entropy", format!("{N} random bytes were expected"));
    let (entropy, text) = bytes.split_first_chunk_mut().ok_or_else(missing)?;
    Ok((Zeroizing::new(*entropy), Zeroizing::new(String::from_utf8(text.to_vec()).unwrap_or_default())))
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

/// Makes an opaque key, for signing or not, of 40 random bytes and the prefix that are in the buffer.
#[wasm_bindgen]
pub fn generate_opaque_key(signing: bool) -> i32 {
    answer(opaque_key(signing))
}

fn opaque_key(signing: bool) -> Result<String, Failure> {
    let (entropy, prefix) = take_with_entropy()?;
    let usage = if signing { OpaqueUse::BearerAndSigning } else { OpaqueUse::Bearer };
    let (_, key) = claviger_core::generate_opaque_key(&key_prefix(&prefix)?, usage, &entropy);
    Ok(key.expose().into())
}

/// Makes a signed key of the 8 random bytes, the prefix and the issuing secret that are in the buffer, the texts in two
/// lines; with a negative `lifetime_minutes` it never expires.
#[wasm_bindgen]
pub fn generate_signed_key(issued_at: f64, lifetime_minutes: f64, read_only: bool) -> i32 {
    answer(signed_key(issued_at, lifetime_minutes, read_only))
}

fn signed_key(issued_at: f64, lifetime_minutes: f64, read_only: bool) -> Result<String, Failure> {
    let (entropy, lines) = take_with_entropy()?;
    let (prefix, secret) = lines.split_once('\n').unwrap_or_default();
    let issuer = issuing_key(prefix, secret);
    let issued_at = integer("issuedAt", issued_at, u64::MAX)?;
    let mut terms = if lifetime_minutes < 0.0 {
        SignedKeyTerms::without_lifetime(issued_at)
    } else {
        let minutes = integer("lifetimeMinutes", lifetime_minutes, u64::from(u32::MAX))?;
        SignedKeyTerms::expiring(issued_at, minutes as u32)
    };
    if read_only {
        terms = terms.read_only();
    }
    let key = issuer?.generate(&entropy, terms).map_err(|error| Failure::new("invalid_time", error))?;
    Ok(key.expose().into())
}

/// Makes a shared secret, for integration or for issuing, of the 40 random bytes in the buffer.
#[wasm_bindgen]
pub fn generate_shared_secret(integration: bool, version: f64) -> i32 {
    answer(shared_secret(integration, version))
}

fn shared_secret(integration: bool, version: f64) -> Result<String, Failure> {
    let (entropy, _) = take_with_entropy()?;
    let purpose = if integration { Purpose::Integration } else { Purpose::Issuing };
    let version = integer("version", version, 255)? as u8;
    Ok(SharedSecret::generate(purpose, version, &entropy).to_text().expose().into())
}
