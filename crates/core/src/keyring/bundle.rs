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

/// The head of a bundle, read: its root, and where its parts are.
///
/// Nothing of it is authenticated. The root is, once it is opened; and a part is what has the hash that the root names.
#[derive(Clone, Copy)]
pub struct BundleHead<'b> {
    root: &'b [u8],
    offsets: &'b [[u8; 8]],
    bundle_len: u64,
}

/// How long the head of a bundle is, told by its first [`BUNDLE_PREAMBLE_LEN`] bytes and by the length of the whole.
///
/// # Errors
/// [`KeyringError::NotAKeyring`], [`UnsupportedVersion`](KeyringError::UnsupportedVersion),
/// [`Truncated`](KeyringError::Truncated) or [`Oversized`](KeyringError::Oversized).
#[inline]
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

impl<'b> BundleHead<'b> {
    /// Reads the head of a bundle of `bundle_len` bytes, which is `head` or starts it. How long it is, says
    /// [`bundle_head_len`].
    ///
    /// # Errors
    /// As [`bundle_head_len`]; [`KeyringError::Truncated`] also if `head` ends before the head does.
    #[inline]
    pub fn read(head: &'b [u8], bundle_len: u64) -> Result<Self, KeyringError> {
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
        Ok(Self { root: reader.0, offsets, bundle_len })
    }

    /// The bytes of the root.
    #[must_use]
    pub fn root(&self) -> &'b [u8] {
        self.root
    }

    /// How many parts the bundle has, empty ones included: as many as its root should name.
    #[must_use]
    pub fn parts(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// Where the part with this number is, in bytes from the first of the bundle: the parts are in the order of
    /// [`root_part_hashes`](crate::root_part_hashes), and an empty one has no bytes. `None` if the bundle has no such
    /// part, or says of it what cannot be.
    #[must_use]
    pub fn part(&self, number: usize) -> Option<Range<u64>> {
        let &[start, end] = self.offsets.get(number..)?.first_chunk()?;
        let (start, end) = (u64::from_le_bytes(start), u64::from_le_bytes(end));
        (start <= end && end <= self.bundle_len).then_some(start..end)
    }

    /// Where each part is.
    #[inline]
    pub(crate) fn offsets(&self) -> Vec<u64> {
        self.offsets.iter().map(|offset| u64::from_le_bytes(*offset)).collect()
    }
}

/// The place of a part among the offsets of its bundle.
pub(crate) fn place(offsets: &[u64], part: usize) -> Option<Range<u64>> {
    let &[start, end] = offsets.get(part..)?.first_chunk()?;
    (start <= end).then_some(start..end)
}

/// The head of a bundle: all that precedes its parts, the root included. The parts follow it, one behind the other.
///
/// So a bundle is written without having all of it in memory. `part_lengths` are the bytes of each part that
/// [`root_part_hashes`](crate::root_part_hashes) lists, in that order; 0 where there is none.
///
/// ```
/// use claviger_core::{BundleHead, KeyId, KeyringBuilder, KeyringKey, KeyringTerms, bundle_head};
///
/// let terms = KeyringTerms::new(KeyId::from_u64(1));
/// let mut builder = KeyringBuilder::new(&KeyringKey::generate(&[7; 40]), terms, 1);
/// let root = builder.finish(1, 1_790_000_000)?;
/// // Here no bucket has keys, so the head is the whole bundle.
/// let lengths = vec![0; builder.buckets() as usize];
/// let bundle = bundle_head(&root, &lengths);
/// assert_eq!(BundleHead::read(&bundle, bundle.len() as u64)?.root(), root);
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[must_use]
pub fn bundle_head(root: &[u8], part_lengths: &[u64]) -> Vec<u8> {
    let head = part_lengths.len().saturating_add(1).saturating_mul(8);
    let head = head.saturating_add(BUNDLE_PREAMBLE_LEN).saturating_add(root.len());
    let total = part_lengths.iter().fold(head as u64, |total, &len| total.saturating_add(len));
    let mut writer = Writer(Vec::with_capacity(head));
    writer.bytes(MAGIC).u16(VERSION).u16(0).u32(root.len() as u32).u32(part_lengths.len() as u32).u64(total);
    let mut offset = head as u64;
    writer.u64(offset);
    for &len in part_lengths {
        offset = offset.saturating_add(len);
        writer.u64(offset);
    }
    writer.bytes(root);
    writer.0
}

/// Puts a root and its parts into one bundle: `parts` in the order of the root, chunks first, empty where it has none.
pub(crate) fn write(root: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let lengths: Vec<u64> = parts.iter().map(|part| part.len() as u64).collect();
    let mut bundle = bundle_head(root, &lengths);
    bundle.reserve_exact(parts.iter().fold(0, |total, part| part.len().saturating_add(total)));
    for part in parts {
        bundle.extend_from_slice(part);
    }
    bundle
}
