//! What an instance holds between calls: two buffers, the verifier in use, and the one being put together.

use crate::status::Status;
use alloc::vec::Vec;
use claviger_core::{DenialCode, IssuingKey, RequestContext, Verdict, Verifier, push_wiping};
use core::cell::RefCell;
use zeroize::Zeroize;

/// Larger than any key, and than a prefix, a shared secret and entropy together.
pub(crate) const INPUT_CAPACITY: usize = 1024;
/// More issuing secrets than a verifier can use well; without a limit a host could fill the memory until it traps.
const MAX_ISSUING_SECRETS: usize = 1024;
/// Larger than any result.
pub(crate) const OUTPUT_CAPACITY: usize = 512;

pub(crate) struct State {
    pub(crate) input: [u8; INPUT_CAPACITY],
    pub(crate) output: [u8; OUTPUT_CAPACITY],
    verifier: Option<Verifier>,
    draft: Option<Draft>,
}

struct Draft {
    issuing: Vec<IssuingKey>,
    allow_without_lifetime: bool,
}

struct Instance(RefCell<State>);

#[expect(unsafe_code, reason = "a static must be Sync")]
// SAFETY: the module is built without threads, so an instance is never shared between them.
unsafe impl Sync for Instance {}

static INSTANCE: Instance = Instance(RefCell::new(State {
    input: [0; INPUT_CAPACITY],
    output: [0; OUTPUT_CAPACITY],
    verifier: None,
    draft: None,
}));

/// Calls do not nest, so the state is always free.
#[inline]
pub(crate) fn with_state<R>(call: impl FnOnce(&mut State) -> R) -> R {
    call(&mut INSTANCE.0.borrow_mut())
}

impl State {
    fn bytes(&self, start: u32, len: u32) -> Result<&[u8], Status> {
        let (start, len) = (start as usize, len as usize);
        start.checked_add(len).and_then(|end| self.input.get(start..end)).ok_or(Status::INVALID_INPUT)
    }

    /// Text of the input.
    pub(crate) fn text(&self, start: u32, len: u32) -> Result<&str, Status> {
        core::str::from_utf8(self.bytes(start, len)?).map_err(|_| Status::INVALID_INPUT)
    }

    /// Random bytes of the input.
    pub(crate) fn entropy<const N: usize>(&self, start: u32) -> Result<&[u8; N], Status> {
        self.bytes(start, N as u32)?.try_into().map_err(|_| Status::INVALID_INPUT)
    }

    pub(crate) fn begin(&mut self, allow_without_lifetime: bool) -> Status {
        self.draft = Some(Draft { issuing: Vec::new(), allow_without_lifetime });
        Status::OK
    }

    pub(crate) fn add(&mut self, key: IssuingKey) -> Result<Status, Status> {
        let draft = self.draft.as_mut().ok_or(Status::NOT_BEGUN)?;
        if draft.issuing.len() >= MAX_ISSUING_SECRETS {
            return Err(Status::INVALID_CONFIGURATION);
        }
        push_wiping(&mut draft.issuing, key);
        Ok(Status::OK)
    }

    pub(crate) fn commit(&mut self) -> Result<Status, Status> {
        let draft = self.draft.take().ok_or(Status::NOT_BEGUN)?;
        let verifier = Verifier::new(draft.issuing).map_err(|_| Status::INVALID_CONFIGURATION)?;
        self.verifier = Some(verifier.allow_keys_without_lifetime(draft.allow_without_lifetime));
        Ok(Status::OK)
    }

    #[inline]
    pub(crate) fn verify(&mut self, len: u32, now: u64) -> u32 {
        let verdict = match (&self.verifier, self.input.get(..len as usize)) {
            (None, _) => Verdict::denied(DenialCode::NotConfigured, None),
            (_, None) => Verdict::denied(DenialCode::Malformed, None),
            (Some(verifier), Some(presented)) => verifier.verify_key(presented, &RequestContext::at(now)),
        };
        if let Some(record) = self.output.first_chunk_mut() {
            verdict.write_record(record);
        }
        verdict.denial().map_or(0, |code| u32::from(code.number()))
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
