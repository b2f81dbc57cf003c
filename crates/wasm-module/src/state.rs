//! What an instance holds between calls: its buffers, the verifier in use, and the one being put together.

use crate::{draft::Draft, signed::OwnKeys, status::Status};
use alloc::vec::Vec;
use claviger_core::{ContextRecord, DenialCode, RequestContext, SIGNATURE_RECORD_LEN, Verdict, Verifier};
use core::cell::RefCell;
use zeroize::Zeroize;

/// Larger than any key with the context of its request, and than a prefix, a shared secret and entropy together.
pub(crate) const INPUT_CAPACITY: usize = 4096;
/// Larger than any result.
pub(crate) const OUTPUT_CAPACITY: usize = 1024;
const _: () = assert!(SIGNATURE_RECORD_LEN < OUTPUT_CAPACITY);

pub(crate) struct State {
    pub(crate) input: [u8; INPUT_CAPACITY],
    pub(crate) output: [u8; OUTPUT_CAPACITY],
    pub(crate) part: Vec<u8>,
    pub(crate) verifier: Option<Verifier>,
    pub(crate) draft: Option<Draft>,
    pub(crate) own_keys: Option<OwnKeys>,
}

struct Instance(RefCell<State>);

#[expect(unsafe_code, reason = "a static must be Sync")]
// SAFETY: the module is built without threads, so an instance is never shared between them.
unsafe impl Sync for Instance {}

static INSTANCE: Instance = Instance(RefCell::new(State {
    input: [0; INPUT_CAPACITY],
    output: [0; OUTPUT_CAPACITY],
    part: Vec::new(),
    verifier: None,
    draft: None,
    own_keys: None,
}));

/// Calls do not nest, so the state is always free.
#[inline]
pub(crate) fn with_state<R>(call: impl FnOnce(&mut State) -> R) -> R {
    call(&mut INSTANCE.0.borrow_mut())
}

impl State {
    /// So many bytes of the input.
    pub(crate) fn bytes(&self, start: u32, len: u32) -> Result<&[u8], Status> {
        let (start, len) = (start as usize, len as usize);
        start.checked_add(len).and_then(|end| self.input.get(start..end)).ok_or(Status::INVALID_INPUT)
    }

    /// Text of the input.
    pub(crate) fn text(&self, start: u32, len: u32) -> Result<&str, Status> {
        core::str::from_utf8(self.bytes(start, len)?).map_err(|_| Status::INVALID_INPUT)
    }

    /// So many bytes of the input: random ones, or a hash.
    pub(crate) fn array<const N: usize>(&self, start: u32) -> Result<&[u8; N], Status> {
        self.bytes(start, N as u32)?.try_into().map_err(|_| Status::INVALID_INPUT)
    }

    #[inline]
    pub(crate) fn verify(&mut self, len: u32, now: u64) -> u32 {
        let verdict = match &self.verifier {
            None => Verdict::denied(DenialCode::NotConfigured, None),
            Some(verifier) => {
                // A text as long as the input is longer than any key, and denied by that before it is looked at.
                let presented = self.input.get(..len as usize).unwrap_or(&self.input);
                verifier.verify_key(presented, &RequestContext::at(now))
            }
        };
        write_verdict(&mut self.output, &verdict)
    }

    pub(crate) fn verify_in_context(&mut self, len: u32, context_len: u32) -> u32 {
        let context = self.bytes(len, context_len).ok().and_then(ContextRecord::read);
        let verdict = match (&self.verifier, self.input.get(..len as usize), &context) {
            (None, _, _) => Verdict::denied(DenialCode::NotConfigured, None),
            (_, None, _) => Verdict::denied(DenialCode::Malformed, None),
            (_, _, None) => Verdict::denied(DenialCode::VerifierFault, None),
            (Some(verifier), Some(presented), Some(record)) => {
                verifier.verify_key(presented, &record.context())
            }
        };
        write_verdict(&mut self.output, &verdict)
    }

    /// Writes a result, and returns its length.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Status {
        for (slot, &byte) in self.output.iter_mut().zip(bytes) {
            *slot = byte;
        }
        Status::written(bytes.len().min(OUTPUT_CAPACITY))
    }

    pub(crate) fn wipe_input(&mut self) {
        self.input.zeroize();
    }

    pub(crate) fn wipe_output(&mut self) {
        self.output.zeroize();
    }
}

/// Writes a verdict's record and the address of its policy, and returns the number of its code.
#[inline]
pub(crate) fn write_verdict(output: &mut [u8; OUTPUT_CAPACITY], verdict: &Verdict<'_>) -> u32 {
    if let Some((record, rest)) = output.split_first_chunk_mut() {
        verdict.write_record(record);
        let policy = verdict.verified().and_then(|verified| verified.policy.as_ref());
        if let Some(address) = rest.first_chunk_mut() {
            let policy = policy.map_or(0, |policy| policy.as_bytes().as_ptr() as usize as u32);
            *address = policy.to_le_bytes();
        }
    }
    verdict.denial().map_or(0, |code| u32::from(code.number()))
}
