//! Giving the verifier a keyring: its root or the head of its bundle, and its parts one by one.

use crate::{state::State, status::Status};
use alloc::vec::Vec;
use claviger_core::{
    BUNDLE_PREAMBLE_LEN, KeyringError, MAX_ROOT_LEN, NeededPart, PartKind, Replacement, bundle_head_len,
};

/// Larger than the head of any bundle, and than any part.
pub(crate) const PART_CAPACITY: usize = 64 << 20;
const _: () = assert!(MAX_ROOT_LEN < PART_CAPACITY / 2);

/// Why a call did not do what it was to do.
pub(crate) enum Failure {
    Keyring(KeyringError),
    Other(Status),
}

impl From<KeyringError> for Failure {
    fn from(error: KeyringError) -> Self {
        Self::Keyring(error)
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self::Other(status)
    }
}

fn part_kind(number: u32) -> Result<PartKind, Status> {
    u8::try_from(number).ok().and_then(PartKind::from_number).ok_or(Status::INVALID_OPTION)
}

impl State {
    /// Where the host writes the next root or part. What was there before is lost.
    pub(crate) fn part_buffer(&mut self, len: u32) -> u32 {
        let len = len as usize;
        if len > PART_CAPACITY {
            return 0;
        }
        if self.part.capacity() < len {
            // A vector that grows copies what it holds, and nobody wants that any more.
            self.part = Vec::new();
            if self.part.try_reserve_exact(len).is_err() {
                return 0;
            }
        }
        self.part.resize(len, 0);
        self.part.as_ptr() as usize as u32
    }

    fn part(&self, len: u32) -> Result<&[u8], Status> {
        self.part.get(..len as usize).ok_or(Status::INVALID_INPUT)
    }

    pub(crate) fn bundle_head_len(&self, bundle_len: u64) -> Result<Status, Failure> {
        let len = usize::try_from(bundle_len).unwrap_or(usize::MAX).min(BUNDLE_PREAMBLE_LEN);
        let preamble = self.input.get(..len).unwrap_or_default();
        Ok(Status::written(bundle_head_len(preamble, bundle_len)?))
    }

    #[inline(never)]
    pub(crate) fn replace_keyring(&mut self, len: u32, bundle_len: u64, now: u64) -> Result<Status, Failure> {
        self.part(len)?;
        let verifier = self.verifier.as_mut().ok_or(KeyringError::NoKeyring)?;
        let replaced = if bundle_len == 0 {
            let mut root = core::mem::take(&mut self.part);
            root.truncate(len as usize);
            // A bundle that is here as a whole would stay here as a whole.
            if !matches!(bundle_head_len(&root, 0), Err(KeyringError::NotAKeyring)) {
                return Err(KeyringError::NotAKeyring.into());
            }
            verifier.replace_keyring(root, now)?
        } else {
            let head = self.part.get(..len as usize).unwrap_or_default();
            verifier.replace_keyring_by_head(head, bundle_len, now)?
        };
        Ok(match replaced {
            Replacement::Replaced => Status::OK,
            Replacement::Unchanged => Status::UNCHANGED,
        })
    }

    pub(crate) fn insert_part(&self, kind: u32, index: u32, len: u32) -> Result<Status, Failure> {
        let kind = part_kind(kind)?;
        let part = self.part(len)?;
        self.verifier.as_ref().ok_or(KeyringError::NoKeyring)?.insert_part(kind, index, part)?;
        Ok(Status::OK)
    }

    pub(crate) fn await_part(&self, kind: u32, index: u32) -> Result<Status, Status> {
        let part = part_kind(kind)?;
        let hash = self.array(0)?;
        if let Some(verifier) = &self.verifier {
            verifier.await_part(&NeededPart { part, index, hash: *hash, in_bundle: None });
        }
        Ok(Status::OK)
    }

    pub(crate) fn evict_parts(&mut self, limit: u32) -> Status {
        if let Some(verifier) = &mut self.verifier {
            verifier.evict_parts(limit as usize);
        }
        Status::OK
    }

    pub(crate) fn write_keyring_info(&mut self) -> Result<Status, Failure> {
        let info = self.verifier.as_ref().and_then(|verifier| verifier.keyring());
        Ok(self.write(&info.ok_or(KeyringError::NoKeyring)?.to_bytes()))
    }

    /// The status of a call, with what an error says beside its number in the output.
    pub(crate) fn keyring_ended(&mut self, result: Result<Status, Failure>) -> Status {
        match result {
            Ok(status) => status,
            Err(Failure::Other(status)) => status,
            Err(Failure::Keyring(error)) => {
                self.write(error.details().map(u64::to_le_bytes).as_flattened());
                Status::keyring(error)
            }
        }
    }
}
