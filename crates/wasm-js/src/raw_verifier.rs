//! The hot path: JavaScript writes a key into a buffer, calls with numbers, and reads the verdict's record.

use crate::{Failure, keys::issuing_key};
use claviger_core::{DenialCode, RequestContext, VERDICT_RECORD_LEN, Verdict, Verifier, push_wiping};
use wasm_bindgen::prelude::*;
use zeroize::Zeroize;

/// Longer than any key. What does not fit is denied by its length.
const INPUT_CAPACITY: usize = 1024;

/// A verifier with the two buffers through which it is used.
#[wasm_bindgen]
pub struct RawVerifier {
    verifier: Verifier,
    input: [u8; INPUT_CAPACITY],
    output: [u8; VERDICT_RECORD_LEN],
}

impl Drop for RawVerifier {
    /// The last presented key goes with the secrets.
    fn drop(&mut self) {
        self.input.zeroize();
    }
}

#[wasm_bindgen]
impl RawVerifier {
    /// A verifier that trusts each of `secrets` for the keys of the prefix at its place in `prefixes`.
    ///
    /// # Errors
    /// Throws an object with `code` and `message`.
    #[wasm_bindgen(constructor)]
    pub fn new(
        prefixes: Vec<String>,
        mut secrets: Vec<String>,
        allow_keys_without_lifetime: bool,
    ) -> Result<RawVerifier, JsValue> {
        let mut keys = Vec::new();
        let mut read = || {
            for (index, (prefix, secret)) in prefixes.iter().zip(&secrets).enumerate() {
                let key = issuing_key(prefix, secret);
                push_wiping(
                    &mut keys,
                    key.map_err(|error| error.at(&format!("options.issuingSecrets[{index}]")))?,
                );
            }
            Ok(())
        };
        let read: Result<(), Failure> = read();
        secrets.zeroize();
        read?;
        let verifier = Verifier::new(keys).map_err(|error| Failure::new("invalid_options", error))?;
        Ok(Self {
            verifier: verifier.allow_keys_without_lifetime(allow_keys_without_lifetime),
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

    /// Where the verdict's record is, 64 bytes: see `Verdict::write_record` in `claviger-core`.
    pub fn output(&self) -> u32 {
        self.output.as_ptr() as usize as u32
    }

    /// Verifies the `len` bytes in the input at the time `now` (Unix seconds): 0, or a denial code's number.
    pub fn verify_key(&mut self, len: u32, now: f64) -> u32 {
        let verdict = match self.input.get(..len as usize) {
            Some(presented) => self.verifier.verify_key(presented, &RequestContext::at(now as u64)),
            None => Verdict::denied(DenialCode::Malformed, None),
        };
        verdict.write_record(&mut self.output);
        verdict.denial().map_or(0, |code| u32::from(code.number()))
    }
}
