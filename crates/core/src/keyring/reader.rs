//! Reading a keyring back: all that it says, for those who may know all of it.

use super::{
    KeyringError, KeyringKey, KeyringSecret, PartKind,
    chunk::{Chunk, KeyRecord, MAX_CHUNK},
    open::check_hash,
    page::{MAX_PAGE, Page},
    policy::Policy,
    root::{self, Hash, NO_PART, Root},
};
use crate::{
    key_id::KeyId, mac::MacKey, prefix::KeyPrefix, shared_secret::SharedSecret, verifier_value::ImportScheme,
};
use alloc::vec::Vec;
use core::fmt;

/// Everything that a keyring says, for its publishers: verifiers look up one key at a time, and publishers compare all
/// of it with what it should say.
///
/// It keeps the root and no parts: each is given when it is read. What is read is what [`KeyringBuilder`] was given.
/// A publisher that knows half of a keyring would publish half of it, so what a later version wrote is refused as
/// [`KeyringError::Invalid`] wherever this version knows only a part of it: the root, a chunk or a page.
///
/// ```
/// use claviger_core::{
///     KeyId, KeyKind, KeyRecord, KeyringBuilder, KeyringKey, KeyringReader, KeyringTerms, VerifierValue,
/// };
///
/// let key = KeyringKey::generate(&[7; 40]);
/// let mut builder = KeyringBuilder::new(&key, KeyringTerms::new(KeyId::from_u64(1)), 1);
/// let id = KeyId::from_u64(42);
/// let record = KeyRecord::new(id, KeyKind::Opaque, VerifierValue::from_bytes([9; 32]), 0);
/// let bucket = builder.bucket_of(id);
/// let chunk = builder.set_bucket(bucket, &[record])?.ok_or("an empty bucket")?;
/// let root = builder.finish(1, 1_790_000_000)?;
///
/// let reader = KeyringReader::open(&root, &[key])?;
/// assert_eq!(reader.chunk_hash(bucket), Some(&chunk.hash));
/// assert_eq!(reader.read_chunk(bucket, &chunk.bytes)?[0].id, id);
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
///
/// [`KeyringBuilder`]: crate::KeyringBuilder
pub struct KeyringReader {
    root: Root,
    mask: MacKey,
}

impl KeyringReader {
    /// Authenticates a root with the one of `keys` that it names, and reads it. Its age does not matter.
    ///
    /// # Errors
    /// What a verifier would say of the root; [`KeyringError::Invalid`] also if it has shared secrets or import schemes
    /// of a later version.
    pub fn open(root: &[u8], keys: &[KeyringKey]) -> Result<Self, KeyringError> {
        let (opened, key) = root::open(root, keys, None)?;
        if root::has_unknown(root, &opened.root) {
            return Err(KeyringError::Invalid);
        }
        Ok(Self { mask: key.subkey(b"mask", opened.root.keyring_id), root: opened.root })
    }

    /// The id of the keyring.
    #[must_use]
    pub fn keyring_id(&self) -> KeyId {
        self.root.keyring_id
    }

    /// The id of the keyring key that authenticates it.
    #[must_use]
    pub fn keyring_key_id(&self) -> KeyId {
        self.root.keyring_key_id
    }

    /// The epoch, which grows with every root of the keyring.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.root.epoch
    }

    /// When the root was issued, in Unix seconds.
    #[must_use]
    pub fn issued_at(&self) -> u64 {
        self.root.issued_at
    }

    /// How long after its issue verdicts call it fresh, in seconds.
    #[must_use]
    pub fn fresh_for(&self) -> u32 {
        self.root.fresh_for
    }

    /// How long after its issue anything is verified with it, in seconds.
    #[must_use]
    pub fn valid_for(&self) -> u32 {
        self.root.valid_for
    }

    /// The schemes by which presented text that is no native key is tried.
    pub fn import_schemes(&self) -> impl Iterator<Item = ImportScheme> {
        self.root.import_schemes()
    }

    /// How many buckets there are, empty ones included.
    #[must_use]
    pub fn buckets(&self) -> u32 {
        1 << self.root.bucket_bits
    }

    /// How many policy pages there are, those that were passed over included.
    #[must_use]
    pub fn pages(&self) -> u32 {
        self.root.pages.len() as u32
    }

    /// The hash of the chunk of a bucket; `None` where it has no keys.
    #[must_use]
    pub fn chunk_hash(&self, bucket: u32) -> Option<&[u8; 32]> {
        self.root.chunk(bucket).filter(|hash| **hash != NO_PART)
    }

    /// The hash of a policy page; `None` where there is none.
    #[must_use]
    pub fn page_hash(&self, page: u32) -> Option<&[u8; 32]> {
        self.root.pages.get(page as usize).filter(|hash| **hash != NO_PART)
    }

    /// The hashes of its parts: chunks by bucket, then policy pages.
    pub fn part_hashes(&self) -> impl Iterator<Item = &[u8; 32]> {
        self.root.part_hashes().filter(|hash| **hash != NO_PART)
    }

    /// The records of a bucket whose chunk is `bytes`, by id and kind, their values unmasked.
    ///
    /// # Errors
    /// [`KeyringError::NoSuchPart`] if the root names none for this bucket; [`KeyringError::WrongHash`] if it names
    /// another; [`KeyringError::Invalid`] if it is no chunk, or one of its records is of a kind or has a flag of a later
    /// version.
    pub fn read_chunk(&self, bucket: u32, bytes: &[u8]) -> Result<Vec<KeyRecord>, KeyringError> {
        check(PartKind::Chunk, bucket, self.chunk_hash(bucket), bytes, MAX_CHUNK)?;
        let chunk = Chunk::read(bytes, bucket, self.root.bucket_bits, &self.mask);
        chunk.and_then(|chunk| chunk.records()).ok_or(KeyringError::Invalid)
    }

    /// The policies of a page whose bytes are given, those with the indices from `256 * page` on; `None` for an index
    /// that names none.
    ///
    /// # Errors
    /// [`KeyringError::NoSuchPart`] if the root names no such page; [`KeyringError::WrongHash`] if it names another;
    /// [`KeyringError::Invalid`] if it is no page, or one of its policies is of a later version.
    pub fn read_page(&self, page: u32, bytes: &[u8]) -> Result<Vec<Option<Policy<'static>>>, KeyringError> {
        check(PartKind::Page, page, self.page_hash(page), bytes, MAX_PAGE)?;
        Page::read(bytes, page).and_then(|page| page.policies()).ok_or(KeyringError::Invalid)
    }

    /// The accepted shared secrets, unmasked: integration secrets by id and version, then issuing ones by prefix and
    /// version.
    pub fn shared_secrets(&self) -> impl Iterator<Item = AcceptedSecret> {
        self.root.secrets.iter().map(|entry| AcceptedSecret {
            secret: entry.unmask(&self.mask),
            prefix: entry.prefix,
            policy: entry.policy,
            may_sign: entry.may_sign,
        })
    }
}

fn check(
    part: PartKind,
    index: u32,
    hash: Option<&Hash>,
    bytes: &[u8],
    longest: usize,
) -> Result<(), KeyringError> {
    let hash = hash.ok_or(KeyringError::NoSuchPart { part, index })?;
    check_hash(part, index, hash, bytes, longest)
}

impl fmt::Debug for KeyringReader {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("KeyringReader")
            .field("keyring_id", &self.root.keyring_id)
            .field("epoch", &self.root.epoch)
            .field("buckets", &self.buckets())
            .finish_non_exhaustive()
    }
}

/// A shared secret that a keyring's verifiers accept.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AcceptedSecret {
    /// The secret, with its id, version and purpose.
    pub secret: SharedSecret,
    /// Of an issuing secret, the prefix of its signed keys.
    pub prefix: Option<KeyPrefix>,
    /// Of an issuing secret, the index of the policy of its signed keys.
    pub policy: Option<u32>,
    /// Whether its signed keys may also sign requests.
    pub may_sign: bool,
}

impl AcceptedSecret {
    /// The secret as [`KeyringBuilder::set_shared_secrets`](crate::KeyringBuilder::set_shared_secrets) takes it.
    #[must_use]
    pub const fn to_set(&self) -> KeyringSecret<'_> {
        let secret = match (self.prefix, self.policy) {
            (Some(prefix), Some(policy)) => KeyringSecret::issuing(&self.secret, prefix, policy),
            _ => KeyringSecret::integration(&self.secret),
        };
        if self.may_sign { secret.for_signing() } else { secret }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        keyring::{KeyringBuilder, KeyringTerms, PolicyTerms},
        mac,
        parse::KeyKind,
        shared_secret::Purpose,
        verifier_value::VerifierValue,
    };
    use sha2::{Digest, Sha256};

    /// A root with one bucket, one page and two secrets, and its parts.
    fn keyring(key: &KeyringKey) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
        let mut builder = KeyringBuilder::new(key, KeyringTerms::new(KeyId::from_u64(1)), 0);
        let record =
            |id| KeyRecord::new(KeyId::from_u64(id), KeyKind::Opaque, VerifierValue::from_bytes([2; 32]), 0);
        let chunk = builder.set_bucket(0, &[record(1), record(2)]).unwrap().unwrap();
        let policy = Policy::new(&PolicyTerms::new("acme_live".parse().unwrap(), "tenant", "owner")).unwrap();
        let page = builder.set_page(0, &[None, Some(policy)]).unwrap();
        let secret = |version| SharedSecret::generate(Purpose::Integration, version, &[version; 40]);
        let secrets = [secret(1), secret(2)];
        builder.set_shared_secrets(&secrets.each_ref().map(KeyringSecret::integration)).unwrap();
        (builder.finish(1, 1).unwrap(), chunk.bytes, page.bytes)
    }

    /// The root of whoever wrote these parts on purpose.
    fn root_over(key: &KeyringKey, root: &[u8], chunk: &[u8], page: &[u8]) -> Vec<u8> {
        let mut root = root::open(root, core::slice::from_ref(key), None).unwrap().0.root;
        root.chunks = [Sha256::digest(chunk).into()].into();
        root.pages = [Sha256::digest(page).into()].into();
        root.write(key)
    }

    #[test]
    fn a_publisher_does_not_read_half_of_what_a_later_version_wrote() {
        let key = KeyringKey::generate(&[1; 40]);
        let (root, chunk, page) = keyring(&key);
        let keys = [key];
        let open = |root: &[u8]| KeyringReader::open(root, &keys);
        let read = |chunk: &[u8], page: &[u8]| {
            let reader = open(&root_over(&keys[0], &root, chunk, page)).unwrap();
            (
                reader.read_chunk(0, chunk).map(|read| read.len()),
                reader.read_page(0, page).map(|read| read.len()),
            )
        };
        assert_eq!(read(&chunk, &page), (Ok(2), Ok(2)));

        // The kind, the flags, and what is reserved of the last record.
        for (place, byte) in [(4, 77), (3, 8), (2, 1), (1, 1)] {
            let mut later = chunk.clone();
            let place = later.len() - place;
            later[place] = byte;
            assert_eq!(read(&later, &page), (Err(KeyringError::Invalid), Ok(2)));
        }
        let mut later = page.clone();
        later[12 + 3 * 4] |= 64;
        assert_eq!(read(&chunk, &later), (Ok(2), Err(KeyringError::Invalid)), "not a gap");

        // The flags of the last secret, and the import schemes.
        let body = root.len() - 45;
        for (place, byte) in [(body - 96 + 54, 2), (60, 4)] {
            let mut later = root.clone();
            later[place] = byte;
            assert_eq!(open(&later).err(), Some(KeyringError::WrongMac));
            let tag = keys[0].subkey(b"mac", KeyId::from_u64(1)).tag(&later[..body]);
            later[body + 13..].copy_from_slice(&mac::tag_bytes(tag));
            assert!(root::open(&later, &keys, None).is_ok(), "verifiers pass over it");
            assert_eq!(open(&later).err(), Some(KeyringError::Invalid));
        }
    }
}
