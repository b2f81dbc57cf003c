//! Keyrings as this host keeps them: the bytes stay here, and parts enter an instance when a verdict needs them.

use sha2::{Digest, Sha256};
use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

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

    /// The part in this place of the bundle: offset and length.
    pub(crate) fn part(&self, (offset, len): (u64, u32)) -> Option<&[u8]> {
        let (start, len) = (usize::try_from(offset).ok()?, usize::try_from(len).ok()?);
        (*self.bytes).as_ref().get(start..)?.get(..len)
    }
}

/// Parts that were inserted one by one, by their SHA-256: for instances that have yet to need them, and for keyrings
/// to come that have the same parts.
#[derive(Default)]
pub(crate) struct InsertedParts {
    by_hash: RwLock<HashMap<[u8; 32], Arc<[u8]>>>,
}

impl InsertedParts {
    pub(crate) fn get(&self, hash: &[u8; 32]) -> Option<Arc<[u8]>> {
        self.by_hash.read().unwrap_or_else(PoisonError::into_inner).get(hash).cloned()
    }

    /// Keeps a part that an instance has taken.
    pub(crate) fn keep(&self, part: &[u8]) {
        let hash = Sha256::digest(part).into();
        let mut by_hash = self.by_hash.write().unwrap_or_else(PoisonError::into_inner);
        by_hash.entry(hash).or_insert_with(|| part.into());
    }
}
