//! Making a keyring, whole or as a change of the previous one.

use super::{
    KeyringError, KeyringKey, bundle,
    chunk::{self, KeyRecord},
    key::Masking,
    page::{self, POLICIES_PER_PAGE, Page},
    policy::Policy,
    root::{self, Hash, MAX_BUCKET_BITS, MAX_PAGES, NO_PART, Root, SecretEntry},
};
use crate::{key_id::KeyId, prefix::KeyPrefix, shared_secret::SharedSecret, verifier_value::ImportScheme};
use alloc::{vec, vec::Vec};
use core::fmt;
use sha2::{Digest, Sha256};

/// The most keys of a bucket, on the average, when the number of buckets is chosen.
const KEYS_PER_BUCKET: usize = 1024;

/// How many bits of an id choose its bucket: so many that a chunk (66 bytes a key) is no longer than the hashes of all
/// chunks (32 bytes a bucket), because after a change one chunk and the root are sent; and that it is read quickly.
fn bucket_bits(expected_keys: usize) -> u8 {
    let fits = |bits: &u8| {
        let (buckets, keys) = (1_usize << bits, expected_keys >> bits);
        keys <= KEYS_PER_BUCKET && keys.saturating_mul(2) <= buckets
    };
    (0..MAX_BUCKET_BITS).find(fits).unwrap_or(MAX_BUCKET_BITS)
}

/// What holds for a keyring as a whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeyringTerms {
    /// The id of the keyring: a random u64.
    pub keyring_id: KeyId,
    /// Seconds from the issue of a root to when verdicts say `stale`: 1 to `valid_for`. By default 60.
    pub fresh_for: u32,
    /// Seconds from the issue of a root to when everything is denied. By default a day.
    pub valid_for: u32,
}

impl KeyringTerms {
    /// The default terms for a keyring.
    #[must_use]
    pub const fn new(keyring_id: KeyId) -> Self {
        Self { keyring_id, fresh_for: 60, valid_for: 24 * 60 * 60 }
    }
}

/// A part of a keyring, to be stored under its hash.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct KeyringPart {
    /// SHA-256 of the bytes.
    pub hash: [u8; 32],
    /// What is stored.
    pub bytes: Vec<u8>,
}

impl KeyringPart {
    fn new(bytes: Vec<u8>) -> Self {
        Self { hash: Sha256::digest(&bytes).into(), bytes }
    }
}

/// A shared secret as a keyring is told of it.
#[derive(Clone, Copy, Debug)]
pub struct KeyringSecret<'s> {
    secret: &'s SharedSecret,
    prefix: Option<KeyPrefix>,
    policy: Option<u32>,
    may_sign: bool,
}

impl<'s> KeyringSecret<'s> {
    /// An issuing secret for signed keys of `prefix`, which get the policy with this index.
    #[must_use]
    pub const fn issuing(secret: &'s SharedSecret, prefix: KeyPrefix, policy: u32) -> Self {
        Self { secret, prefix: Some(prefix), policy: Some(policy), may_sign: false }
    }

    /// An integration secret.
    #[must_use]
    pub const fn integration(secret: &'s SharedSecret) -> Self {
        Self { secret, prefix: None, policy: None, may_sign: false }
    }

    /// Its signed keys may also sign requests.
    #[must_use]
    pub const fn for_signing(self) -> Self {
        Self { may_sign: true, ..self }
    }
}

/// Makes the parts of a keyring, each as soon as what is in it is known, and in the end its root.
///
/// A whole keyring is made part by part, so that only the root need be in memory. A change starts from the previous
/// root ([`from_previous`](Self::from_previous)), and only what changed is written: the buckets of changed keys, the
/// pages of changed policies, and a root.
///
/// ```
/// use claviger_core::{
///     KeyId, KeyKind, KeyRecord, KeyringBuilder, KeyringKey, KeyringTerms, OpaqueUse, Policy, PolicyTerms,
///     RequestContext, Verifier, VerifierValue, generate_opaque_key, parse,
/// };
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let prefix = "acme_live".parse()?;
/// let (id, key) = generate_opaque_key(&prefix, OpaqueUse::Bearer, &[7; 40]);
/// let value = VerifierValue::of_key(&parse(key.expose())?).ok_or("not an opaque key")?;
///
/// let keyring_key = KeyringKey::generate(&[9; 40]);
/// let mut builder = KeyringBuilder::new(&keyring_key, KeyringTerms::new(KeyId::from_u64(1)), 1);
/// let policy = Policy::new(&PolicyTerms::new(prefix, "tenant-7", "sa-12"))?;
/// let page = builder.set_page(0, &[Some(policy)])?;
/// let record = KeyRecord::new(id, KeyKind::Opaque, value, 0);
/// let chunk = builder.set_bucket(builder.bucket_of(id), &[record])?.ok_or("an empty bucket")?;
/// let root = builder.finish(1, 1_790_000_000)?;
///
/// let parts = [page, chunk];
/// let part = |hash: &[u8; 32]| parts.iter().find(|part| part.hash == *hash).map(|part| &part.bytes[..]);
/// let mut verifier = Verifier::with_keyring_keys([keyring_key])?;
/// verifier.replace_keyring(builder.bundle(&root, part)?, 1_790_000_000)?;
/// assert!(verifier.verify_key(key.expose(), &RequestContext::at(1_790_000_000)).is_verified());
/// # Ok(())
/// # }
/// ```
pub struct KeyringBuilder {
    key: KeyringKey,
    masking: Masking,
    root: Root,
    /// Pages that the previous root has: they are changed, never set.
    previous_pages: usize,
    /// The root that was finished last.
    finished: Hash,
}

impl KeyringBuilder {
    /// Starts a whole keyring under `key`, with buckets for about `expected_keys`.
    #[must_use]
    pub fn new(key: &KeyringKey, terms: KeyringTerms, expected_keys: usize) -> Self {
        let bucket_bits = bucket_bits(expected_keys);
        let root = Root {
            keyring_id: terms.keyring_id,
            keyring_key_id: key.id(),
            epoch: 0,
            issued_at: 0,
            fresh_for: terms.fresh_for,
            valid_for: terms.valid_for,
            bucket_bits,
            import_schemes: 0,
            chunks: vec![NO_PART; 1 << bucket_bits],
            pages: Vec::new(),
            secrets: Vec::new(),
        };
        Self {
            masking: Masking::new(key, terms.keyring_id),
            key: key.clone(),
            root,
            previous_pages: 0,
            finished: NO_PART,
        }
    }

    /// Starts a change of the keyring whose root is given.
    ///
    /// # Errors
    /// What a verifier would say of the root.
    pub fn from_previous(key: &KeyringKey, root: &[u8]) -> Result<Self, KeyringError> {
        let (opened, _) = root::open(root, core::slice::from_ref(key), None)?;
        let root = opened.root;
        Ok(Self {
            masking: Masking::new(key, root.keyring_id),
            key: key.clone(),
            previous_pages: root.pages.len(),
            finished: NO_PART,
            root,
        })
    }

    /// How many buckets there are.
    #[must_use]
    pub fn buckets(&self) -> u32 {
        1 << self.root.bucket_bits
    }

    /// The bucket of a record.
    #[must_use]
    pub fn bucket_of(&self, id: KeyId) -> u32 {
        chunk::bucket_of(id.as_u64(), self.root.bucket_bits)
    }

    /// The hash of the part that holds a bucket, where it has keys.
    #[must_use]
    pub fn chunk_hash(&self, bucket: u32) -> Option<&[u8; 32]> {
        self.root.chunk(bucket).filter(|hash| **hash != NO_PART)
    }

    /// The hash of a policy page.
    #[must_use]
    pub fn page_hash(&self, page: u32) -> Option<&[u8; 32]> {
        self.root.pages.get(page as usize).filter(|hash| **hash != NO_PART)
    }

    /// The hashes of all parts, in the order of the root: chunks by bucket, then policy pages; zeros where there is none.
    pub fn part_hashes(&self) -> impl Iterator<Item = &[u8; 32]> + Clone {
        self.root.part_hashes()
    }

    /// Sets how long roots are fresh and valid, in seconds, from the next one on.
    pub fn set_lifetime(&mut self, fresh_for: u32, valid_for: u32) {
        self.finished = NO_PART;
        (self.root.fresh_for, self.root.valid_for) = (fresh_for, valid_for);
    }

    /// Sets the schemes by which presented text that is no native key is tried; none by default.
    pub fn set_import_schemes(&mut self, schemes: &[ImportScheme]) {
        self.finished = NO_PART;
        self.root.import_schemes = schemes.iter().fold(0, |bits, scheme| bits | scheme.bit());
    }

    /// Sets all the records of a bucket, in any order, and returns its chunk; nothing if there are none.
    ///
    /// # Errors
    /// A [`BuildError`] that names the key. The bucket then stays as it was.
    pub fn set_bucket(
        &mut self,
        bucket: u32,
        records: &[KeyRecord],
    ) -> Result<Option<KeyringPart>, BuildError> {
        let buckets = self.buckets();
        let slot =
            self.root.chunks.get_mut(bucket as usize).ok_or(BuildError::NoSuchBucket { bucket, buckets })?;
        if records.is_empty() {
            *slot = NO_PART;
            self.finished = NO_PART;
            return Ok(None);
        }
        let bytes = chunk::write(bucket, self.root.bucket_bits, records, &self.masking)?;
        let part = KeyringPart::new(bytes);
        *slot = part.hash;
        self.finished = NO_PART;
        Ok(Some(part))
    }

    /// Sets a policy page that the previous root does not have: the policies with the indices from `256 * page` on,
    /// `None` for an index that is not used.
    ///
    /// # Errors
    /// A [`BuildError`] that names the page. It then stays as it was.
    pub fn set_page(
        &mut self,
        page: u32,
        policies: &[Option<Policy<'_>>],
    ) -> Result<KeyringPart, BuildError> {
        if (page as usize) < self.previous_pages && self.page_hash(page).is_some() {
            return Err(BuildError::PageExists { page });
        }
        self.write_page(page, policies)
    }

    /// Changes policies of a page that the previous root has, whose bytes are `previous`, or adds some behind them.
    /// A change is the index of a policy and what it becomes; `None` takes it away, and its index is not used again.
    ///
    /// # Errors
    /// [`BuildError::WrongPage`] if the bytes are not those of the page;
    /// [`BuildError::PolicyReassigned`] if an index would come to name another owner: records of keys that did not
    /// change still say it, so that needs a whole keyring.
    pub fn change_page(
        &mut self,
        page: u32,
        previous: &[u8],
        changes: &[(u32, Option<Policy<'_>>)],
    ) -> Result<KeyringPart, BuildError> {
        let hash: Hash = Sha256::digest(previous).into();
        let read = Page::read(previous, page).filter(|_| self.page_hash(page) == Some(&hash));
        let (Some(read), Some(before)) = (read, page::len(previous)) else {
            return Err(BuildError::WrongPage { page });
        };
        let mut policies: Vec<Option<Policy<'_>>> =
            (0..before).map(|index| u8::try_from(index).ok().and_then(|index| read.policy(index))).collect();
        for (index, change) in changes {
            let place = (index % POLICIES_PER_PAGE) as usize;
            if index / POLICIES_PER_PAGE != page {
                return Err(BuildError::WrongPage { page });
            }
            if place >= policies.len() {
                policies.resize(place.saturating_add(1), None);
            }
            let Some(slot) = policies.get_mut(place) else { continue };
            let same = match (&slot, change) {
                (_, None) => true,
                (Some(before), Some(after)) => before.is_of_same_owner(after),
                (None, Some(_)) => place >= usize::from(before),
            };
            if !same {
                return Err(BuildError::PolicyReassigned { policy: *index });
            }
            slot.clone_from(change);
        }
        self.write_page(page, &policies)
    }

    fn write_page(&mut self, page: u32, policies: &[Option<Policy<'_>>]) -> Result<KeyringPart, BuildError> {
        if page >= MAX_PAGES {
            return Err(BuildError::TooManyPolicies);
        }
        let part = KeyringPart::new(page::write(page, policies)?);
        if self.root.pages.len() <= page as usize {
            self.root.pages.resize((page as usize).saturating_add(1), NO_PART);
        }
        if let Some(slot) = self.root.pages.get_mut(page as usize) {
            *slot = part.hash;
        }
        self.finished = NO_PART;
        Ok(part)
    }

    /// Sets all shared secrets, in any order, in the place of those before.
    ///
    /// # Errors
    /// [`BuildError::DuplicateSecret`] if two issuing secrets have the same prefix and version, or two integration
    /// secrets the same id and version; [`BuildError::SharedSecret`] if one is used for the other's purpose;
    /// [`BuildError::TooManySecrets`] if they are more than 4096.
    pub fn set_shared_secrets(&mut self, secrets: &[KeyringSecret<'_>]) -> Result<(), BuildError> {
        let mut entries = Vec::with_capacity(secrets.len());
        for given in secrets {
            let KeyringSecret { secret, prefix, policy, may_sign } = *given;
            entries.push(SecretEntry::hide(&self.masking, secret, prefix, policy, may_sign)?);
        }
        entries.sort_unstable_by_key(SecretEntry::name);
        if let Some((entry, _)) =
            entries.iter().zip(entries.iter().skip(1)).find(|(one, next)| one.name() == next.name())
        {
            return Err(BuildError::DuplicateSecret { secret_id: entry.id });
        }
        if entries.len() > root::MAX_SECRETS as usize {
            return Err(BuildError::TooManySecrets);
        }
        self.root.secrets = entries;
        self.finished = NO_PART;
        Ok(())
    }

    /// The root, when every part is set: `epoch` above that of the previous one, `issued_at` in Unix seconds. The next
    /// change may go on from here.
    ///
    /// # Errors
    /// [`BuildError::Epoch`] if the epoch does not grow, or epoch or time is above 2^53 - 1, so that every language can
    /// say it as a number; [`BuildError::Lifetime`] if `fresh_for` is 0 or longer than
    /// `valid_for`.
    pub fn finish(&mut self, epoch: u64, issued_at: u64) -> Result<Vec<u8>, BuildError> {
        if epoch <= self.root.epoch || epoch.max(issued_at) > root::MAX_NUMBER {
            return Err(BuildError::Epoch { previous: self.root.epoch, epoch });
        }
        let (fresh_for, valid_for) = (self.root.fresh_for, self.root.valid_for);
        if fresh_for == 0 || fresh_for > valid_for {
            return Err(BuildError::Lifetime { fresh_for, valid_for });
        }
        (self.root.epoch, self.root.issued_at) = (epoch, issued_at);
        self.previous_pages = self.root.pages.len();
        let root = self.root.write(&self.key);
        self.finished = Sha256::digest(&root).into();
        Ok(root)
    }

    /// The finished root and all its parts in one bundle; `part` gives the bytes that have a hash.
    ///
    /// # Errors
    /// [`BuildError::NotFinished`] if it is not the root that was finished last, or something was set since;
    /// [`BuildError::MissingPart`] if `part` does not have one, or gives bytes with another hash.
    pub fn bundle<'p>(
        &self,
        root: &[u8],
        part: impl Fn(&[u8; 32]) -> Option<&'p [u8]>,
    ) -> Result<Vec<u8>, BuildError> {
        if self.finished == NO_PART || Sha256::digest(root)[..] != self.finished[..] {
            return Err(BuildError::NotFinished);
        }
        let mut parts = Vec::with_capacity(self.root.chunks.len().saturating_add(self.root.pages.len()));
        for hash in self.root.part_hashes() {
            parts.push(match *hash {
                NO_PART => &[][..],
                _ => part(hash)
                    .filter(|bytes| Sha256::digest(bytes)[..] == hash[..])
                    .ok_or(BuildError::MissingPart { hash: *hash })?,
            });
        }
        Ok(bundle::write(root, &parts))
    }
}

impl fmt::Debug for KeyringBuilder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("KeyringBuilder")
            .field("key", &self.key)
            .field("epoch", &self.root.epoch)
            .field("buckets", &self.buckets())
            .finish_non_exhaustive()
    }
}

/// Why a keyring cannot be built.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum BuildError {
    /// There are fewer buckets.
    NoSuchBucket {
        /// The bucket.
        bucket: u32,
        /// How many there are.
        buckets: u32,
    },
    /// A key is of another bucket.
    WrongBucket {
        /// The key.
        key_id: KeyId,
        /// The bucket that it was given for.
        bucket: u32,
    },
    /// More than 65,535 records.
    BucketTooLarge {
        /// The bucket.
        bucket: u32,
        /// How many records were given.
        records: usize,
    },
    /// More than two records for a key, or two overrides.
    TooManyRecords {
        /// The key.
        key_id: KeyId,
    },
    /// A kind that a keyring holds no records of, a value where there is none to be, or none where it has to be.
    Kind {
        /// The key.
        key_id: KeyId,
    },
    /// A time that is 0 or after 2106.
    Time {
        /// The time.
        time: u64,
    },
    /// A page is empty or has more than 256 policies.
    PageLength {
        /// The page.
        page: u32,
        /// How many policies were given.
        policies: usize,
    },
    /// The previous root has the page: change it.
    PageExists {
        /// The page.
        page: u32,
    },
    /// The bytes are not those of the page, or a change is for another page.
    WrongPage {
        /// The page.
        page: u32,
    },
    /// An index would come to name another owner, or was given up before.
    PolicyReassigned {
        /// The index.
        policy: u32,
    },
    /// More than 2^26 policies.
    TooManyPolicies,
    /// Two secrets that verifiers could not tell apart.
    DuplicateSecret {
        /// One of them.
        secret_id: KeyId,
    },
    /// An issuing secret was given as one for integration, or the other way round.
    SharedSecret {
        /// The secret.
        secret_id: KeyId,
    },
    /// More than 4096 shared secrets.
    TooManySecrets,
    /// The epoch does not grow.
    Epoch {
        /// The epoch of the previous root.
        previous: u64,
        /// The epoch that was given.
        epoch: u64,
    },
    /// `fresh_for` is 0 or longer than `valid_for`.
    Lifetime {
        /// Seconds.
        fresh_for: u32,
        /// Seconds.
        valid_for: u32,
    },
    /// The root is not the one that was finished last.
    NotFinished,
    /// There are no bytes for a part.
    MissingPart {
        /// Its hash.
        hash: [u8; 32],
    },
}

impl fmt::Display for BuildError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchBucket { bucket, buckets } => {
                write!(formatter, "there is no bucket {bucket}: the keyring has {buckets}")
            }
            Self::WrongBucket { key_id, bucket } => {
                write!(formatter, "key {key_id} is not of bucket {bucket}")
            }
            Self::BucketTooLarge { bucket, records } => write!(
                formatter,
                "bucket {bucket} would have {records} records, and 65535 is the most; build the keyring as a whole, with \
                 more buckets"
            ),
            Self::TooManyRecords { key_id } => {
                write!(formatter, "key {key_id} has more records than two (one, if it is a signed override)")
            }
            Self::Kind { key_id } => write!(
                formatter,
                "key {key_id}: a record is opaque, opaque_signing or imported with a value, or signed with its issuer"
            ),
            Self::Time { time } => {
                write!(
                    formatter,
                    "{time} is no time that a record can hold: Unix seconds from 1 to 4294967295"
                )
            }
            Self::PageLength { page, policies } => {
                write!(formatter, "page {page} would have {policies} policies; 1 to 256 are possible")
            }
            Self::PageExists { page } => {
                write!(formatter, "the previous keyring has page {page}; change it instead of setting it")
            }
            Self::WrongPage { page } => {
                write!(formatter, "the bytes are not those of page {page}, or a change is for another page")
            }
            Self::PolicyReassigned { policy } => write!(
                formatter,
                "policy {policy} would come to name another owner; give that one an index of its own, or build the \
                 keyring as a whole"
            ),
            Self::TooManyPolicies => formatter.write_str("a keyring has at most 67108864 policies"),
            Self::DuplicateSecret { secret_id } => write!(
                formatter,
                "shared secret {secret_id}: another one has the same prefix (or id) and version; give each its own"
            ),
            Self::SharedSecret { secret_id } => write!(
                formatter,
                "shared secret {secret_id}: issuing secrets have a prefix and a policy, integration secrets neither"
            ),
            Self::TooManySecrets => formatter.write_str("a keyring has at most 4096 shared secrets"),
            Self::Epoch { previous, epoch } => {
                write!(
                    formatter,
                    "epoch {epoch} is not above {previous}, that of the previous root, and at most 2^53 - 1"
                )
            }
            Self::Lifetime { fresh_for, valid_for } => {
                write!(formatter, "fresh_for ({fresh_for} s) must be 1 to valid_for ({valid_for} s)")
            }
            Self::NotFinished => {
                formatter.write_str("the root is not the one that was finished last, or a part was set since")
            }
            Self::MissingPart { .. } => formatter.write_str("a part of the keyring is missing"),
        }
    }
}

impl core::error::Error for BuildError {}
