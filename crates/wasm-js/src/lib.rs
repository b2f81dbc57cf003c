//! The wasm-bindgen face of the core, from which the npm package `claviger` is made.
//!
//! What JavaScript programs see is the TypeScript in `js/src`; this crate is only what that calls. The hot path
//! ([`RawVerifier`]) crosses the border with bytes in a buffer and numbers, and so do the other calls ([`exchange`]).
//!
//! It is built three times, with other features: as the package's WebAssembly (`verify`, the default), for browsers, which
//! only read the parts of keys (no feature), and for programs' own tests, which make keyrings (`testing`).

#[cfg(feature = "verify")]
mod content_digest;
mod exchange;
#[cfg(any(feature = "verify", feature = "testing"))]
mod failure;
#[cfg(feature = "verify")]
mod keyring;
#[cfg(any(feature = "verify", feature = "testing"))]
mod keys;
mod parse;
#[cfg(feature = "verify")]
mod raw_verifier;
#[cfg(feature = "verify")]
mod signatures;
#[cfg(feature = "verify")]
mod signed_request;
#[cfg(feature = "testing")]
mod testing;
#[cfg(feature = "verify")]
mod usage;
#[cfg(feature = "verify")]
mod webhook;

#[cfg(feature = "verify")]
pub use content_digest::{content_digest_matches, content_digest_needs};
pub use exchange::{exchange, exchanged, exchanged_len};
#[cfg(any(feature = "verify", feature = "testing"))]
pub use keys::{generate_opaque_key, generate_shared_secret, generate_signed_key};
pub use parse::parse_key;
#[cfg(feature = "verify")]
pub use raw_verifier::RawVerifier;
#[cfg(feature = "verify")]
pub use signatures::{
    add_signature_key, drop_signature_keys, drop_signer, new_signature_keys, new_signer, sign_request,
    verify_signature,
};
#[cfg(feature = "verify")]
pub use signed_request::{accept_signature, request_room, set_signature_policy, verify_request};
#[cfg(feature = "testing")]
pub use testing::{build_keyring, generate_keyring_key};
#[cfg(feature = "verify")]
pub use webhook::RawWebhook;

use wasm_bindgen::prelude::wasm_bindgen;

/// The version of what JavaScript and WebAssembly expect of each other; `js/src/abi-version.ts` has the same number.
#[wasm_bindgen]
pub fn abi_version() -> u32 {
    1
}
