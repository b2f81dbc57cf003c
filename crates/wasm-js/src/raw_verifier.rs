//! The hot path: JavaScript writes a key into a buffer, calls with numbers, and reads the verdict's record.

use crate::{exchange::take_text, failure::Failure, keys::issuing_key};
use claviger_core::{
    ContextRecord, DenialCode, REPLAY_RECORD_LEN, RequestContext, SignaturePolicyRecord, UsageRecorder,
    VERDICT_RECORD_LEN, Verdict, Verifier, push_wiping,
};
use wasm_bindgen::prelude::*;
use zeroize::Zeroize;

/// Room for a key and a context. No key is longer than 1024 bytes: what is longer is denied by its beginning.
const INPUT_CAPACITY: usize = 4096;

/// A verifier with the buffers through which it is used.
#[wasm_bindgen]
pub struct RawVerifier {
    pub(crate) verifier: Verifier,
    pub(crate) input: [u8; INPUT_CAPACITY],
    pub(crate) output: Output,
    /// Counts the keys that are verified, if it was asked to.
    pub(crate) usage: Option<UsageRecorder>,
    /// What is demanded of signed requests.
    pub(crate) signatures: SignaturePolicyRecord,
}

/// What a verification leaves for JavaScript to read, as a row of u32.
#[repr(C, align(8))]
pub(crate) struct Output {
    record: [u8; VERDICT_RECORD_LEN],
    /// Where the policy of the record is; it stays there until the keyring is replaced or parts are given up.
    policy: u32,
    /// Of a signed request: what is to be remembered of its nonce (see `ReplayEntry::write_record` in `claviger-core`).
    pub(crate) replay: [u8; REPLAY_RECORD_LEN],
}

impl Output {
    /// Leaves a verdict, counts the use of a key that is verified, and says the number of the denial code; 0 if there is
    /// none.
    pub(crate) fn write(
        &mut self,
        verdict: &Verdict<'_>,
        usage: Option<&mut UsageRecorder>,
        now: u64,
    ) -> u32 {
        if let (Some(usage), Some(verified)) = (usage, verdict.verified()) {
            usage.record(verified.key_id, now);
        }
        verdict.write_record(&mut self.record);
        let policy = verdict.verified().and_then(|verified| verified.policy.as_ref());
        self.policy = policy.map_or(0, |policy| policy.as_bytes().as_ptr() as usize as u32);
        verdict.denial().map_or(0, |code| u32::from(code.number()))
    }
}

impl Drop for RawVerifier {
    /// The last presented key goes with the secrets.
    fn drop(&mut self) {
        self.input.zeroize();
    }
}

impl RawVerifier {
    pub(crate) fn with(verifier: Verifier) -> Self {
        let output = Output { record: [0; VERDICT_RECORD_LEN], policy: 0, replay: [0; REPLAY_RECORD_LEN] };
        let signatures = SignaturePolicyRecord::default();
        Self { verifier, input: [0; INPUT_CAPACITY], output, usage: None, signatures }
    }
}

fn trusting(lines: &str) -> Result<Verifier, Failure> {
    let mut keys = Vec::new();
    let mut lines = lines.lines();
    while let (Some(prefix), Some(secret), Some(signing)) = (lines.next(), lines.next(), lines.next()) {
        let at = format!("options.issuingSecrets[{}]", keys.len());
        let key = issuing_key(prefix, secret).map_err(|error| error.at(&at))?;
        push_wiping(&mut keys, if signing == "true" { key.for_signing() } else { key });
    }
    Verifier::new(keys).map_err(|error| Failure::new("invalid_options", error))
}

#[wasm_bindgen]
impl RawVerifier {
    /// A verifier that trusts the issuing secrets in the buffer: of each one its prefix in a line, its text in another, and `true` in
    /// a third if its keys may sign requests. Nothing, and a failure is in the buffer, if one is wrong.
    pub fn with_issuing_secrets(allow_keys_without_lifetime: bool) -> Option<RawVerifier> {
        let verifier = trusting(&take_text()).map_err(Failure::put).ok()?;
        Some(Self::with(verifier.allow_keys_without_lifetime(allow_keys_without_lifetime)))
    }

    /// Where the key is to be written, and behind it the context.
    pub fn input(&self) -> u32 {
        self.input.as_ptr() as usize as u32
    }

    /// How many bytes have room there.
    pub fn input_capacity(&self) -> u32 {
        INPUT_CAPACITY as u32
    }

    /// Where the verdict's record is, 128 bytes (see `Verdict::write_record` in `claviger-core`), and behind it as a
    /// u32 where its policy is. Of a signed request there are 40 more (see `verify_request`).
    pub fn output(&self) -> u32 {
        (&raw const self.output) as usize as u32
    }

    /// Verifies the `len` bytes in the input at the time `now` (Unix seconds): 0, or a denial code's number. If `context_len` is
    /// not 0, the context is that whose record is so many bytes behind the key (see `ContextRecord` in `claviger-core`).
    pub fn verify_key(&mut self, len: u32, now: f64, context_len: u32) -> u32 {
        let fault = Verdict::denied(DenialCode::VerifierFault, None);
        let Some((presented, rest)) = self.input.split_at_checked(len as usize) else {
            return self.output.write(&fault, None, 0);
        };
        let now = now as u64;
        if context_len == 0 {
            let verdict = self.verifier.verify_key(presented, &RequestContext::at(now));
            return self.output.write(&verdict, self.usage.as_mut(), now);
        }
        let Some(record) = rest.get(..context_len as usize).and_then(ContextRecord::read) else {
            return self.output.write(&fault, None, 0);
        };
        let context = record.context();
        let verdict = self.verifier.verify_key(presented, &context);
        self.output.write(&verdict, self.usage.as_mut(), context.now)
    }
}
