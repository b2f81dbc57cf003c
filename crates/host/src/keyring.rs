//! Keyrings as this host keeps them: the bytes stay here, and parts enter an instance when a verdict needs them.

use claviger_core::{BundleHead, KeyringError};
use std::sync::Arc;

/// Longer than any part of a keyring, and than the head of any bundle.
pub(crate) const LONGEST_PART: usize = 16 << 20;

/// Bytes that whoever gave them keeps as he likes.
pub(crate) type SharedBytes = Arc<dyn AsRef<[u8]> + Send + Sync>;

/// A bundle, or a root alone.
pub(crate) struct Keyring {
    bytes: SharedBytes,
    /// How many of the bytes open the keyring.
    head_len: usize,
    /// The length of the bundle; 0 for a root alone.
    pub(crate) bundle_len: u64,
    /// The time at which it was given, in Unix seconds: the same for every instance that takes it.
    pub(crate) now: u64,
}

impl Keyring {
    /// A bundle whose head has this length.
    pub(crate) fn bundle(bytes: SharedBytes, head_len: usize, now: u64) -> Self {
        let bundle_len = (*bytes).as_ref().len() as u64;
        Self { bytes, head_len, bundle_len, now }
    }

    /// A root alone.
    pub(crate) fn root(bytes: SharedBytes, now: u64) -> Self {
        let head_len = (*bytes).as_ref().len();
        Self { bytes, head_len, bundle_len: 0, now }
    }

    /// What opens the keyring.
    pub(crate) fn head(&self) -> Option<&[u8]> {
        (*self.bytes).as_ref().get(..self.head_len)
    }

    /// The root alone.
    pub(crate) fn root_bytes(&self) -> Result<&[u8], KeyringError> {
        let head = self.head().ok_or(KeyringError::Truncated)?;
        if self.bundle_len == 0 { Ok(head) } else { Ok(BundleHead::read(head, self.bundle_len)?.root()) }
    }

    /// The part in this place of the bundle: offset and length.
    pub(crate) fn part(&self, (offset, len): (u64, u32)) -> Option<&[u8]> {
        let (start, len) = (usize::try_from(offset).ok()?, usize::try_from(len).ok()?);
        (*self.bytes).as_ref().get(start..)?.get(..len)
    }
}
