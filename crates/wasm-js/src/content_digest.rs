//! `Content-Digest` of content that comes in pieces: the runtime hashes it, and the core says what has to come out.

use crate::exchange::take;
use claviger_core::{Content, ContentDigest};
use wasm_bindgen::prelude::*;

/// Which hashes the field in the buffer names: 1 SHA-256, 2 SHA-512, 3 both; 0 if it is none that can be matched.
#[wasm_bindgen]
pub fn content_digest_needs() -> u32 {
    let needs = ContentDigest::parse(&take()).map_or((false, false), |digest| digest.needs());
    u32::from(needs.0) | u32::from(needs.1) << 1
}

/// Whether the hashes in the buffer, of this `kind` (see `Content::from_parts` in `claviger-core`), are those of the field of
/// `field_len` bytes before them.
#[wasm_bindgen]
pub fn content_digest_matches(field_len: u32, kind: u8) -> bool {
    let bytes = take();
    let Some((field, hashes)) = bytes.split_at_checked(field_len as usize) else { return false };
    match (ContentDigest::parse(field), Content::from_parts(kind, hashes)) {
        (Ok(digest), Some(Content::Hashed { sha256, sha512 })) => digest.matches_hashes(sha256, sha512),
        _ => false,
    }
}
