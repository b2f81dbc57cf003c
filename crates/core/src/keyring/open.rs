//! An opened keyring: its root, the parts that were touched so far, and looking records and policies up.

use super::{
    KeyringError, KeyringKey,
    bundle::{self, BundleHead},
    chunk::{self, Chunk, MAX_CHUNK, Record},
    page::{MAX_PAGE, Page},
    policy::Policy,
    root::{self, Hash, NO_PART, Root},
};
use crate::{issuing_key::IssuingKey, key_id::KeyId, mac::MacKey, shared_secret::Purpose};
use alloc::{boxed::Box, sync::Arc, vec::Vec};
use core::{borrow::Borrow, fmt, ops::Range};
use once_cell::race::OnceBox;
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
    chunks: Box<[OnceBox<Chunk>]>,
    pages: Box<[OnceBox<Page>]>,
    source: Source,
}

impl Keyring {
    /// The root in the head of a bundle, and where each part is.
    pub(crate) fn split_bundle(head: &[u8], bundle_len: u64) -> Result<(&[u8], Arc<[u64]>), KeyringError> {
        let head = BundleHead::read(head, bundle_len)?;
        Ok((head.root(), head.offsets().into()))
    }

    /// Opens a root. Its parts are touched later.
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
            issuing.push(RingIssuer { key, policy });
        }
        Ok(Self {
            tag: opened.tag,
            import: key.subkey(b"import", root.keyring_id),
            mask,
            issuing,
            chunks: root.chunks.iter().map(|_| OnceBox::new()).collect(),
            pages: root.pages.iter().map(|_| OnceBox::new()).collect(),
            source,
            root,
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

    /// Takes over every part that did not change.
    pub(crate) fn adopt(&self, before: &Self) {
        // Values are unmasked already, so the mask has to be the same.
        let key = |root: &Root| (root.keyring_id, root.keyring_key_id, root.bucket_bits);
        if key(&self.root) == key(&before.root) {
            adopt(&self.root.chunks, &self.chunks, &before.root.chunks, &before.chunks);
        }
        adopt(&self.root.pages, &self.pages, &before.root.pages, &before.pages);
    }

    /// The records of (kind, id).
    #[inline]
    pub(crate) fn records(&self, kind: u8, id: KeyId) -> Result<&[Record], Unknown> {
        let bucket = chunk::bucket_of(id.as_u64(), self.root.bucket_bits);
        let chunk = match self.chunks.get(bucket as usize).and_then(OnceBox::get) {
            Some(chunk) => Some(chunk),
            None => self.touch_chunk(bucket)?,
        };
        Ok(chunk.map_or(&[], |chunk| chunk.find(kind, id.as_u64())))
    }

    /// The policy with this index.
    #[inline]
    pub(crate) fn policy(&self, index: u32) -> Result<Policy<'_>, Unknown> {
        let page = match self.pages.get((index >> 8) as usize).and_then(OnceBox::get) {
            Some(page) => page,
            None => self.touch_page(index >> 8)?,
        };
        page.policy(index as u8).ok_or(Unknown::Invalid)
    }

    #[cold]
    #[inline(never)]
    fn touch_chunk(&self, bucket: u32) -> Result<Option<&Chunk>, Unknown> {
        let hash = self.root.chunk(bucket).ok_or(Unknown::Invalid)?;
        if *hash == NO_PART {
            return Ok(None);
        }
        let bytes = self.part(PartKind::Chunk, bucket, hash)?;
        self.put_chunk(bucket, hash, bytes).map(Some).map_err(|_| Unknown::Invalid)
    }

    #[cold]
    #[inline(never)]
    fn touch_page(&self, page: u32) -> Result<&Page, Unknown> {
        let hash =
            self.root.pages.get(page as usize).filter(|hash| **hash != NO_PART).ok_or(Unknown::Invalid)?;
        let bytes = self.part(PartKind::Page, page, hash)?;
        self.put_page(page, hash, bytes).map_err(|_| Unknown::Invalid)
    }

    /// The bytes of a part, from a bundle in memory; otherwise what is needed.
    fn part(&self, part: PartKind, index: u32, hash: &Hash) -> Result<&[u8], Unknown> {
        let number = match part {
            PartKind::Chunk => index as usize,
            PartKind::Page => self.root.chunks.len().saturating_add(index as usize),
        };
        let place = |offsets: &[u64]| bundle::place(offsets, number).ok_or(Unknown::Invalid);
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

    fn put_chunk(&self, bucket: u32, hash: &Hash, bytes: &[u8]) -> Result<&Chunk, KeyringError> {
        check_hash(PartKind::Chunk, bucket, hash, bytes, MAX_CHUNK)?;
        let chunk =
            Chunk::read(bytes, bucket, self.root.bucket_bits, &self.mask).ok_or(KeyringError::Invalid)?;
        let slot = self.chunks.get(bucket as usize).ok_or(KeyringError::Invalid)?;
        Ok(slot.get_or_init(|| Box::new(chunk)))
    }

    fn put_page(&self, page: u32, hash: &Hash, bytes: &[u8]) -> Result<&Page, KeyringError> {
        check_hash(PartKind::Page, page, hash, bytes, MAX_PAGE)?;
        let read = Page::read(bytes, page).ok_or(KeyringError::Invalid)?;
        let slot = self.pages.get(page as usize).ok_or(KeyringError::Invalid)?;
        Ok(slot.get_or_init(|| Box::new(read)))
    }

    /// Puts in a part that was needed.
    pub(crate) fn insert(&self, part: PartKind, index: u32, bytes: &[u8]) -> Result<(), KeyringError> {
        let hashes = match part {
            PartKind::Chunk => &self.root.chunks,
            PartKind::Page => &self.root.pages,
        };
        let hash = hashes.get(index as usize).filter(|hash| **hash != NO_PART);
        let hash = hash.ok_or(KeyringError::NoSuchPart { part, index })?;
        match part {
            PartKind::Chunk => self.put_chunk(index, hash, bytes).map(|_| ()),
            PartKind::Page => self.put_page(index, hash, bytes).map(|_| ()),
        }
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

fn adopt<T: Clone>(hashes: &[Hash], slots: &[OnceBox<T>], hashes_before: &[Hash], before: &[OnceBox<T>]) {
    for ((hash, slot), (hash_before, before)) in
        hashes.iter().zip(slots).zip(hashes_before.iter().zip(before))
    {
        if let Some(part) = before.get().filter(|_| hash == hash_before) {
            // The slot is new, so it is empty.
            let _ = slot.set(Box::new(part.clone()));
        }
    }
}
