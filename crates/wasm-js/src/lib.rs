//! The wasm-bindgen face of the core, from which the npm package `claviger` is made.
//!
//! What JavaScript programs see is the TypeScript in `js/src`; this crate is only what that calls. The hot path
//! ([`RawVerifier`]) crosses the border with bytes in a buffer and numbers; other calls take strings and numbers, and
//! give rich values back as plain objects.
//!
//! It is built three times, with other features: as the package's WebAssembly (`verify`, the default), for browsers, which
//! only read the parts of keys (no feature), and for programs' own tests, which make keyrings (`testing`).

#[cfg(feature = "verify")]
mod keyring;
#[cfg(any(feature = "verify", feature = "testing"))]
mod keys;
mod parse;
#[cfg(feature = "verify")]
mod raw_verifier;
#[cfg(feature = "testing")]
mod testing;
#[cfg(feature = "verify")]
mod usage;

#[cfg(any(feature = "verify", feature = "testing"))]
pub use keys::{generate_opaque_key, generate_shared_secret, generate_signed_key};
pub use parse::parse_key;
#[cfg(feature = "verify")]
pub use raw_verifier::RawVerifier;
#[cfg(feature = "testing")]
pub use testing::{build_keyring, generate_keyring_key};

use serde::Serialize;
use wasm_bindgen::{JsValue, prelude::wasm_bindgen};

/// The version of what JavaScript and WebAssembly expect of each other; `js/src/wasm.ts` has the same number.
#[wasm_bindgen]
pub fn abi_version() -> u32 {
    1
}

/// What a failed call throws: TypeScript makes a `ClavigerError` of it.
#[cfg(any(feature = "verify", feature = "testing"))]
#[derive(Serialize)]
struct Failure {
    code: &'static str,
    message: String,
}

#[cfg(any(feature = "verify", feature = "testing"))]
impl Failure {
    fn new(code: &'static str, message: impl ToString) -> Self {
        Self { code, message: message.to_string() }
    }

    /// The same, naming the option at fault.
    fn at(self, option: &str) -> Self {
        Self { message: format!("{option}: {}", self.message), ..self }
    }
}

#[cfg(any(feature = "verify", feature = "testing"))]
impl From<Failure> for JsValue {
    fn from(failure: Failure) -> Self {
        to_js(&failure)
    }
}

/// A value as a plain JavaScript object. Ours always have one; `undefined` would stand for none.
fn to_js(value: &impl Serialize) -> JsValue {
    value.serialize(&serde_wasm_bindgen::Serializer::json_compatible()).unwrap_or(JsValue::UNDEFINED)
}
