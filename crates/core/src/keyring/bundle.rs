//! Bundles: a root and all its parts in one file, which is what a small deployment ships.
//!
//! # The bytes of a bundle
//!
//! ```text
//!  0  4 ×   "CVGB"
//!  4  u16   format version: 1
//!  6  u16   0
//!  8  u32   length of the root r
//! 12  u32   parts n: the root's chunks, then its policy pages
//! 16  u64   length of the bundle
//! 24  u64   n + 1 offsets: where each part starts, counted from the first byte of the bundle; the last is its length
//!           the root
//!           the parts, one behind the other; a bucket without keys has length 0
//! ```
//!
//! Numbers are little-endian. What precedes the parts is the *head*: all that opening a bundle reads. Nothing here is
//! authenticated but the root; a part is what has the hash that the root names, wherever it stood.

use super::KeyringError;
use crate::bytes::{Reader, Writer};
use alloc::vec::Vec;
use core::ops::Range;

const MAGIC: &[u8; 4] = b"CVGB";
const VERSION: u16 = 1;
/// Bytes from which the length of the head is known.
pub const BUNDLE_PREAMBLE_LEN: usize = 24;

/// The head of a bundle, in parts.
pub(crate) struct Head<'b> {
    pub(crate) root: &'b [u8],
    offsets: &'b [[u8; 8]],
}

/// How long the head of a bundle is, told by its first [`BUNDLE_PREAMBLE_LEN`] bytes and by the length of the whole.
///
/// # Errors
/// [`KeyringError::NotAKeyring`], [`UnsupportedVersion`](KeyringError::UnsupportedVersion),
/// [`Truncated`](KeyringError::Truncated) or [`Oversized`](KeyringError::Oversized).
pub fn bundle_head_len(preamble: &[u8], bundle_len: u64) -> Result<usize, KeyringError> {
    let mut reader = Reader(preamble);
    if reader.array::<4>().is_none_or(|magic| magic != MAGIC) {
        return Err(KeyringError::NotAKeyring);
    }
    let version = reader.u16().ok_or(KeyringError::Truncated)?;
    if version != VERSION {
        return Err(KeyringError::UnsupportedVersion { version });
    }
    let numbers = (|| Some((reader.u16()?, reader.u32()?, reader.u32()?, reader.u64()?)))();
    let (zero, root, parts, len) = numbers.ok_or(KeyringError::Truncated)?;
    let largest = (1_u32 << super::root::MAX_BUCKET_BITS).saturating_add(super::root::MAX_PAGES);
    if zero != 0 {
        return Err(KeyringError::Invalid);
    }
    if root as usize > super::root::MAX_ROOT_LEN || parts > largest || len < bundle_len {
        return Err(KeyringError::Oversized);
    }
    let head = (parts as usize).saturating_add(1).saturating_mul(8);
    let head = head.saturating_add(BUNDLE_PREAMBLE_LEN).saturating_add(root as usize);
    if len > bundle_len || head as u64 > bundle_len { Err(KeyringError::Truncated) } else { Ok(head) }
}

/// Whether bytes start as a bundle does.
pub(crate) fn is_bundle(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

impl<'b> Head<'b> {
    /// Reads the head of a bundle, which is `head` or starts it.
    pub(crate) fn read(head: &'b [u8], bundle_len: u64) -> Result<Self, KeyringError> {
        let len = bundle_head_len(head, bundle_len)?;
        let mut reader = Reader(head.get(..len).ok_or(KeyringError::Truncated)?);
        let read = || {
            reader.slice(12)?;
            let parts = reader.u32()? as usize;
            reader.slice(8)?;
            let (offsets, _) = reader.slice(parts.checked_add(1)?.checked_mul(8)?)?.as_chunks::<8>();
            Some(offsets)
        };
        let mut read = read;
        let offsets = read().ok_or(KeyringError::Truncated)?;
        Ok(Self { root: reader.0, offsets })
    }

    /// Where each part is.
    pub(crate) fn offsets(&self) -> Vec<u64> {
        self.offsets.iter().map(|offset| u64::from_le_bytes(*offset)).collect()
    }
}

/// The place of a part among the offsets of its bundle.
pub(crate) fn place(offsets: &[u64], part: usize) -> Option<Range<u64>> {
    let &[start, end] = offsets.get(part..)?.first_chunk()?;
    (start <= end).then_some(start..end)
}

/// Puts a root and its parts into one bundle: `parts` in the order of the root, chunks first, empty where it has none.
pub(crate) fn write<'p>(root: &[u8], parts: impl Iterator<Item = &'p [u8]> + Clone) -> Vec<u8> {
    let count = parts.clone().count();
    let head = BUNDLE_PREAMBLE_LEN
        .saturating_add(count.saturating_add(1).saturating_mul(8))
        .saturating_add(root.len());
    let total = parts.clone().fold(head, |total, part| total.saturating_add(part.len()));
    let mut writer = Writer(Vec::with_capacity(total));
    writer.bytes(MAGIC).u16(VERSION).u16(0).u32(root.len() as u32).u32(count as u32).u64(total as u64);
    let mut offset = head;
    for part in parts.clone() {
        writer.u64(offset as u64);
        offset = offset.saturating_add(part.len());
    }
    writer.u64(offset as u64).bytes(root);
    for part in parts {
        writer.bytes(part);
    }
    writer.0
}
