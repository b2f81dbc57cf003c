//! An opened keyring: its root, the parts that were touched so far, and looking records and policies up.

use super::{
    KeyringError, KeyringKey,
    bundle::{self, BundleHead},
    chunk::{self, Chunk, MAX_CHUNK, Record},
    eviction,
    page::{MAX_PAGE, Page},
    policy::Policy,
    root::{self, Hash, NO_PART, Root},
    slots::{self, Part, Slot},
};
use crate::{issuing_key::IssuingKey, key_id::KeyId, mac::MacKey, shared_secret::Purpose};
use alloc::{boxed::Box, sync::Arc, vec::Vec};
use core::{
    borrow::Borrow,
    fmt,
    ops::Range,
    sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed},
};
use sha2::{Digest, Sha256};

/// A part of a keyring beside its root.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum PartKind {
    /// The records of a bucket.
    Chunk,
    /// 256 policies.
    Page,
}

impl PartKind {
    /// The name in APIs and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Chunk => "chunk",
            Self::Page => "page",
        }
    }

    /// The number in the WebAssembly module's memory.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Chunk => 1,
            Self::Page => 2,
        }
    }

    /// The kind with this [number](Self::number).
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Chunk),
            2 => Some(Self::Page),
            _ => None,
        }
    }
}

impl fmt::Display for PartKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// What a verifier needs before it can decide.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NeededPart {
    /// What it is.
    pub part: PartKind,
    /// Its place: bucket or page.
    pub index: u32,
    /// Its SHA-256, by which it can be fetched.
    pub hash: [u8; 32],
    /// Where it is in the bundle, if the keyring was opened by the head of one: offset and length in bytes.
    pub in_bundle: Option<(u64, u32)>,
}

/// Where parts come from when they are touched.
#[derive(Clone)]
pub(crate) enum Source {
    /// They are put in one by one.
    Inserted,
    /// They are put in one by one, from these places of a bundle.
    InsertedFrom(Arc<[u64]>),
    /// They are read from these places of a bundle in memory.
    Bundle(Arc<dyn AsRef<[u8]> + Send + Sync>, Arc<[u64]>),
}

/// Why something cannot be looked up.
#[derive(Clone, Copy)]
pub(crate) enum Unknown {
    /// A part is not here.
    Needed(NeededPart),
    /// A part is not what the root says, or the root names what is not there.
    Invalid,
    /// A later keyring has said something else in the place of a part.
    Overruled,
}

/// An issuing secret of a keyring.
#[derive(Clone)]
pub(crate) struct RingIssuer {
    pub(crate) key: IssuingKey,
    pub(crate) policy: u32,
}

impl Borrow<IssuingKey> for RingIssuer {
    fn borrow(&self) -> &IssuingKey {
        &self.key
    }
}

pub(crate) struct Keyring {
    pub(crate) root: Root,
    tag: [u64; 4],
    mask: MacKey,
    pub(crate) import: MacKey,
    /// Sorted by prefix and version, as in the root.
    pub(crate) issuing: Vec<RingIssuer>,
    /// In the order of the root: chunks by bucket, then pages.
    pub(super) slots: Box<[Slot]>,
    source: Source,
    /// How many bytes of memory the parts take that are here.
    pub(super) held: AtomicUsize,
    /// How many parts have come.
    pub(super) inserted: AtomicU32,
}

impl Clone for Keyring {
    #[inline]
    fn clone(&self) -> Self {
        Self {
            root: self.root.clone(),
            tag: self.tag,
            mask: self.mask.clone(),
            import: self.import.clone(),
            issuing: self.issuing.clone(),
            slots: self.slots.clone(),
            source: self.source.clone(),
            held: AtomicUsize::new(self.held()),
            inserted: AtomicU32::new(self.inserted.load(Relaxed)),
        }
    }
}

impl Keyring {
    /// The root in the head of a bundle, and where each part is.
    #[inline]
    pub(crate) fn split_bundle(head: &[u8], bundle_len: u64) -> Result<(&[u8], Arc<[u64]>), KeyringError> {
        let head = BundleHead::read(head, bundle_len)?;
        Ok((head.root(), head.offsets().into()))
    }

    /// Opens a root. Its parts are touched later.
    #[inline]
    pub(crate) fn open(
        root: &[u8],
        source: Source,
        keys: &[KeyringKey],
        pinned: Option<KeyId>,
    ) -> Result<Self, KeyringError> {
        let (opened, key) = root::open(root, keys, pinned)?;
        let root = opened.root;
        if let Source::InsertedFrom(offsets) | Source::Bundle(_, offsets) = &source {
            let parts = root.chunks.len().saturating_add(root.pages.len());
            if offsets.len() != parts.saturating_add(1) {
                return Err(KeyringError::Invalid);
            }
        }
        let mask = key.subkey(b"mask", root.keyring_id);
        let mut issuing = Vec::with_capacity(root.secrets.len());
        for entry in root.secrets.iter().filter(|entry| entry.purpose == Purpose::Issuing) {
            let (Some(prefix), Some(policy)) = (entry.prefix, entry.policy) else { continue };
            let secret = entry.unmask(&mask);
            let key = IssuingKey::new(prefix, &secret).map_err(|_| KeyringError::Invalid)?;
            let key = if entry.may_sign { key.for_signing() } else { key };
            issuing.push(RingIssuer { key, policy });
        }
        Ok(Self {
            tag: opened.tag,
            import: key.subkey(b"import", root.keyring_id),
            mask,
            issuing,
            slots: slots::empty(root.chunks.len().saturating_add(root.pages.len())),
            source,
            root,
            held: AtomicUsize::new(0),
            inserted: AtomicU32::new(0),
        })
    }

    /// Whether the two are the same to the last bit of their roots.
    pub(crate) fn is_same_as(&self, other: &Self) -> bool {
        self.tag == other.tag && self.root.epoch == other.root.epoch
    }

    /// Whether parts come from a bundle.
    pub(crate) fn has_bundle(&self) -> bool {
        !matches!(self.source, Source::Inserted)
    }

    /// How many bytes of memory the parts take that are here.
    pub(crate) fn held(&self) -> usize {
        self.held.load(Relaxed)
    }

    /// Whether equal hashes in the same place are the same part. Values are unmasked in it, so the mask counts, too.
    pub(super) fn shares_parts(&self, other: &Self) -> bool {
        let key = |root: &Root| (root.keyring_id, root.keyring_key_id, root.bucket_bits);
        key(&self.root) == key(&other.root)
    }

    /// Takes over a part that has come for a later keyring, if this one has the same. If it has another one, that
    /// counts no more.
    #[inline]
    pub(crate) fn follow(&self, later: &Self, part: PartKind, index: u32) {
        let same_place = part == PartKind::Page || self.root.bucket_bits == later.root.bucket_bits;
        if same_place && self.hash(part, index) == later.hash(part, index) {
            if self.shares_parts(later)
                && let (Some(slot), Some(from)) = (self.slot(part, index), later.slot(part, index))
                && let Some(part) = from.get()
                && slot.put(part.clone(), from.number())
            {
                self.held.fetch_add(part.size(), Relaxed);
            }
            return;
        }
        let places = match part {
            PartKind::Page => self.place(part, index)..self.place(part, index).saturating_add(1),
            PartKind::Chunk => chunk::buckets_in(index, later.root.bucket_bits, self.root.bucket_bits),
        };
        for slot in self.slots.get(places).unwrap_or_default() {
            slot.overrule();
        }
    }

    /// Takes over every part that did not change.
    #[inline]
    pub(crate) fn adopt(&mut self, before: &Self) {
        if self.shares_parts(before) {
            slots::adopt(&mut self.slots, self.root.part_hashes(), &before.slots, before.root.part_hashes());
        }
        *self.held.get_mut() = eviction::size(&self.slots);
        *self.inserted.get_mut() = before.inserted.load(Relaxed);
    }

    /// Awaits every part that was here in the keyring before and has changed.
    #[inline]
    pub(crate) fn await_changed(&self, before: &Self) {
        if self.root.bucket_bits == before.root.bucket_bits {
            slots::await_changed(&self.slots, self.root.part_hashes(), &before.slots);
        }
    }

    /// Awaits a part, if it is one of this keyring.
    #[inline]
    pub(crate) fn await_part(&self, part: PartKind, index: u32, hash: &Hash) {
        if self.hash(part, index) == Some(hash)
            && let Some(slot) = self.slot(part, index)
        {
            slot.mark_awaited();
        }
    }

    /// Whether the part with this index is awaited, and was never here.
    pub(crate) fn is_awaited(&self, part: PartKind, index: u32) -> bool {
        self.slot(part, index).is_some_and(Slot::is_awaited)
    }

    /// Every part that is awaited, and was never here.
    pub(crate) fn awaited(&self) -> impl Iterator<Item = NeededPart> {
        let awaited = self.slots.iter().zip(self.root.part_hashes()).enumerate();
        awaited.filter(|(_, (slot, _))| !self.has_bundle() && slot.is_awaited()).map(|(place, (_, hash))| {
            let (part, index) = match place.checked_sub(self.root.chunks.len()) {
                None => (PartKind::Chunk, place),
                Some(page) => (PartKind::Page, page),
            };
            NeededPart { part, index: index as u32, hash: *hash, in_bundle: None }
        })
    }

    /// Notes that a proven request has used the records of this id.
    #[inline]
    pub(crate) fn mark_used(&self, id: KeyId) {
        let bucket = chunk::bucket_of(id.as_u64(), self.root.bucket_bits);
        if let Some(slot) = self.slots.get(bucket as usize) {
            slot.mark_used();
        }
    }

    /// The place of a part among those of the root.
    fn place(&self, part: PartKind, index: u32) -> usize {
        match part {
            PartKind::Chunk => index as usize,
            PartKind::Page => self.root.chunks.len().saturating_add(index as usize),
        }
    }

    fn slot(&self, part: PartKind, index: u32) -> Option<&Slot> {
        self.slots.get(self.place(part, index))
    }

    /// The hash of a part, unless the root says that there is none.
    fn hash(&self, part: PartKind, index: u32) -> Option<&Hash> {
        let hashes = match part {
            PartKind::Chunk => &self.root.chunks,
            PartKind::Page => &self.root.pages,
        };
        hashes.get(index as usize).filter(|hash| **hash != NO_PART)
    }

    /// The records of (kind, id).
    #[inline]
    pub(crate) fn records(&self, kind: u8, id: KeyId) -> Result<&[Record], Unknown> {
        let bucket = chunk::bucket_of(id.as_u64(), self.root.bucket_bits);
        let slot = self.slots.get(bucket as usize);
        if slot.is_some_and(Slot::is_overruled) {
            return Err(Unknown::Overruled);
        }
        let chunk = match slot.and_then(Slot::chunk) {
            Some(chunk) => Some(chunk),
            None => self.touch_chunk(bucket)?,
        };
        Ok(chunk.map_or(&[], |chunk| chunk.find(kind, id.as_u64())))
    }

    /// The policy with this index, for a request that has proved a key of it.
    #[inline]
    pub(crate) fn policy(&self, index: u32) -> Result<Policy<'_>, Unknown> {
        let slot = self.slot(PartKind::Page, index >> 8);
        if slot.is_some_and(Slot::is_overruled) {
            return Err(Unknown::Overruled);
        }
        let page = match slot.and_then(Slot::page) {
            Some(page) => page,
            None => self.touch_page(index >> 8)?,
        };
        if let Some(slot) = slot {
            slot.mark_used();
        }
        page.policy(index as u8).ok_or(Unknown::Invalid)
    }

    #[cold]
    #[inline(never)]
    fn touch_chunk(&self, bucket: u32) -> Result<Option<&Chunk>, Unknown> {
        if self.root.chunk(bucket) == Some(&NO_PART) {
            return Ok(None);
        }
        Ok(self.touch(PartKind::Chunk, bucket)?.chunk())
    }

    #[cold]
    #[inline(never)]
    fn touch_page(&self, page: u32) -> Result<&Page, Unknown> {
        self.touch(PartKind::Page, page)?.page().ok_or(Unknown::Invalid)
    }

    fn touch(&self, part: PartKind, index: u32) -> Result<&Slot, Unknown> {
        let hash = self.hash(part, index).ok_or(Unknown::Invalid)?;
        let bytes = self.part(part, index, hash)?;
        self.put(part, index, hash, bytes).map_err(|_| Unknown::Invalid)
    }

    /// The bytes of a part, from a bundle in memory; otherwise what is needed.
    fn part(&self, part: PartKind, index: u32, hash: &Hash) -> Result<&[u8], Unknown> {
        let place = |offsets: &[u64]| bundle::place(offsets, self.place(part, index)).ok_or(Unknown::Invalid);
        let needed = |in_bundle| Err(Unknown::Needed(NeededPart { part, index, hash: *hash, in_bundle }));
        match &self.source {
            Source::Inserted => needed(None),
            Source::InsertedFrom(offsets) => {
                let Range { start, end } = place(offsets)?;
                let len = u32::try_from(end.saturating_sub(start)).map_err(|_| Unknown::Invalid)?;
                needed(Some((start, len)))
            }
            Source::Bundle(bundle, offsets) => {
                let Range { start, end } = place(offsets)?;
                let range = usize::try_from(start).ok().zip(usize::try_from(end).ok());
                let bytes = range.and_then(|(start, end)| (**bundle).as_ref().get(start..end));
                bytes.ok_or(Unknown::Invalid)
            }
        }
    }

    fn put(&self, part: PartKind, index: u32, hash: &Hash, bytes: &[u8]) -> Result<&Slot, KeyringError> {
        let longest = match part {
            PartKind::Chunk => MAX_CHUNK,
            PartKind::Page => MAX_PAGE,
        };
        check_hash(part, index, hash, bytes, longest)?;
        let read = match part {
            PartKind::Chunk => Chunk::read(bytes, index, self.root.bucket_bits, &self.mask).map(Part::Chunk),
            PartKind::Page => Page::read(bytes, index).map(Part::Page),
        };
        let (slot, read) = self.slot(part, index).zip(read).ok_or(KeyringError::Invalid)?;
        let size = read.size();
        if slot.put(read, self.inserted.fetch_add(1, Relaxed)) {
            self.held.fetch_add(size, Relaxed);
        }
        Ok(slot)
    }

    /// Puts in a part that was needed.
    #[inline]
    pub(crate) fn insert(&self, part: PartKind, index: u32, bytes: &[u8]) -> Result<(), KeyringError> {
        let hash = self.hash(part, index).ok_or(KeyringError::NoSuchPart { part, index })?;
        self.put(part, index, hash, bytes).map(|_| ())
    }
}

/// What is longer than any part is not hashed.
pub(crate) fn check_hash(
    part: PartKind,
    index: u32,
    hash: &Hash,
    bytes: &[u8],
    longest: usize,
) -> Result<(), KeyringError> {
    let same = bytes.len() <= longest && Sha256::digest(bytes)[..] == hash[..];
    if same { Ok(()) } else { Err(KeyringError::WrongHash { part, index }) }
}
