//! The hot path: JavaScript writes a key into a buffer, calls with numbers, and reads the verdict's record.

use crate::{failure, from_js, keys::issuing_key};
use claviger_core::{DenialCode, RequestContext, VERDICT_RECORD_LEN, Verdict, Verifier};
use serde::Deserialize;
use wasm_bindgen::prelude::*;
use zeroize::Zeroize;

/// Longer than any key. What does not fit is denied by its length.
const INPUT_CAPACITY: usize = 1024;

/// The options of `Verifier` in TypeScript.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Options {
    issuing_secrets: Vec<IssuingSecret>,
    #[serde(default)]
    allow_keys_without_lifetime: bool,
}

#[derive(Deserialize)]
struct IssuingSecret {
    prefix: String,
    secret: String,
}

impl Drop for IssuingSecret {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

/// A verifier with the two buffers through which it is used.
#[wasm_bindgen]
pub struct RawVerifier {
    verifier: Verifier,
    input: [u8; INPUT_CAPACITY],
    output: [u8; VERDICT_RECORD_LEN],
}

#[wasm_bindgen]
impl RawVerifier {
    /// A verifier from the options of TypeScript's `Verifier`.
    ///
    /// # Errors
    /// Throws an object with `code` and `message`.
    #[wasm_bindgen(constructor)]
    pub fn new(options: JsValue) -> Result<RawVerifier, JsValue> {
        let options: Options = from_js(options)?;
        let keys = options.issuing_secrets.iter().map(|entry| issuing_key(&entry.prefix, &entry.secret));
        let keys = keys.collect::<Result<Vec<_>, _>>()?;
        let verifier = Verifier::new(keys).map_err(|error| failure("invalid_options", error))?;
        Ok(Self {
            verifier: verifier.allow_keys_without_lifetime(options.allow_keys_without_lifetime),
            input: [0; INPUT_CAPACITY],
            output: [0; VERDICT_RECORD_LEN],
        })
    }

    /// Where the key is to be written.
    pub fn input(&self) -> u32 {
        self.input.as_ptr() as usize as u32
    }

    /// How many bytes of key have room there.
    pub fn input_capacity(&self) -> u32 {
        INPUT_CAPACITY as u32
    }

    /// Where the verdict's record is, 64 bytes: see `Verdict::to_record` in `claviger-core`.
    pub fn output(&self) -> u32 {
        self.output.as_ptr() as usize as u32
    }

    /// Verifies the `len` bytes in the input at the time `now` (Unix seconds): 0, or a denial code's number.
    pub fn verify_key(&mut self, len: u32, now: f64) -> u32 {
        let verdict = match self.input.get(..len as usize) {
            Some(presented) => self.verifier.verify_key(presented, &RequestContext::at(now as u64)),
            None => Verdict::denied(DenialCode::Malformed, None),
        };
        self.output = verdict.to_record();
        let [code, ..] = self.output;
        u32::from(code)
    }
}
