//! The root: what a keyring is, how old it is, and the hash of each of its parts.
//!
//! # The bytes of a root
//!
//! ```text
//!  0  4 ×   "CVGR"
//!  4  u16   format version: 1
//!  6  u8    levels: 1
//!  7  u8    bucket bits b: 0 to 16
//!  8  u64   keyring id
//! 16  u64   id of the keyring key that authenticates and unmasks
//! 24  u64   epoch: grows with every root of the keyring; 1 to 2^53 - 1
//! 32  u64   issued at, Unix seconds; at most 2^53 - 1
//! 40  u32   fresh_for, seconds: 1 to valid_for
//! 44  u32   valid_for, seconds
//! 48  u32   length of the body: everything before the authenticators
//! 52  u32   policy pages p: 0 to 2^18
//! 56  u32   shared secrets s: 0 to 4096
//! 60  u8    import schemes: 1 SHA-256 over the whole key, 2 over what follows its last _; others are not tried
//! 61  3 ×   0
//! 64  32 ×  2^b hashes of chunks: SHA-256; zeros for a bucket without keys
//!     32 ×  p hashes of policy pages
//!     96 ×  s shared secrets: integration ones by id and version, then issuing ones by prefix and version
//!           authenticators: u8 number (1 to 8), then each u8 algorithm, u8 0, u16 length of its bytes (to 16,384),
//!           u64 key id, bytes
//! ```
//!
//! A shared secret:
//!
//! ```text
//!  0  u64   id
//!  8  8 ×   iv
//! 16  32 ×  masked secret
//! 48  u32   policy index of its signed keys; 0xffffffff for an integration secret
//! 52  u8    kind: 5 issuing, 6 integration
//! 53  u8    version
//! 54  u8    flags: 1 its signed keys may sign requests
//! 55  u8    length of the prefix; 0 for an integration secret
//! 56  32 ×  prefix, padded with zeros
//! 88  8 ×   0
//! ```
//!
//! Numbers are little-endian. A secret with a kind or flag of a later version is passed over: its keys are unknown. Algorithm 1 is HMAC-SHA256 over the body under `K_mac` (32 bytes); a reader needs one
//! authenticator that it can check, and skips algorithms that it does not know. Nothing of the body but the place of
//! the authenticators and the two ids is used before that.

use super::{BuildError, KeyringError, NeededPart, PartKind, key::KeyringKey, key::Masking, key::mask};
use crate::{
    bytes::{Reader, Writer},
    key_id::KeyId,
    mac::{self, MacKey},
    parse::KeyKind,
    prefix::KeyPrefix,
    shared_secret::{Purpose, SharedSecret},
    verifier_value::ImportScheme,
};
use alloc::vec::Vec;
use ctutils::CtEq;
use zeroize::Zeroize;

const MAGIC: &[u8; 4] = b"CVGR";
const VERSION: u16 = 1;
const HEAD: usize = 64;
const SECRET: usize = 96;
const HMAC_SHA256: u8 = 1;
/// More bits are for roots of two levels.
pub(crate) const MAX_BUCKET_BITS: u8 = 16;
pub(crate) const MAX_PAGES: u32 = 1 << 18;
pub(crate) const MAX_SECRETS: u32 = 4096;
const MAX_AUTHENTICATORS: u8 = 8;
/// More than any signature in sight has.
const MAX_AUTHENTICATOR: usize = 16 * 1024;
/// The largest number that JavaScript holds exactly.
pub(crate) const MAX_NUMBER: u64 = (1 << 53) - 1;
const NO_POLICY: u32 = u32::MAX;
const MAY_SIGN: u8 = 1;

/// The longest root, in bytes.
pub const MAX_ROOT_LEN: usize = HEAD
    + (32 << MAX_BUCKET_BITS)
    + 32 * MAX_PAGES as usize
    + SECRET * MAX_SECRETS as usize
    + 1
    + MAX_AUTHENTICATORS as usize * (12 + MAX_AUTHENTICATOR);

/// SHA-256 of a part of a keyring, which is its name; zeros where there is none.
pub type PartHash = [u8; 32];
pub(crate) type Hash = PartHash;
pub(crate) const NO_PART: Hash = [0; 32];

/// A shared secret in a root.
#[derive(Clone)]
pub(crate) struct SecretEntry {
    pub(crate) id: KeyId,
    pub(crate) purpose: Purpose,
    pub(crate) version: u8,
    pub(crate) may_sign: bool,
    pub(crate) prefix: Option<KeyPrefix>,
    pub(crate) policy: Option<u32>,
    iv: [u8; 8],
    masked: [u8; 32],
}

/// What a root says. To be believed after [`open`] only.
#[derive(Clone)]
pub(crate) struct Root {
    pub(crate) keyring_id: KeyId,
    pub(crate) keyring_key_id: KeyId,
    pub(crate) epoch: u64,
    pub(crate) issued_at: u64,
    pub(crate) fresh_for: u32,
    pub(crate) valid_for: u32,
    pub(crate) bucket_bits: u8,
    pub(crate) import_schemes: u8,
    pub(crate) chunks: Vec<Hash>,
    pub(crate) pages: Vec<Hash>,
    pub(crate) secrets: Vec<SecretEntry>,
}

/// An authenticated root, and the tag that tells it from any other.
pub(crate) struct Opened {
    pub(crate) root: Root,
    pub(crate) tag: [u64; 4],
}

/// Where in a root the body ends, if it is one by its first bytes.
#[inline]
fn body_len(bytes: &[u8]) -> Result<usize, KeyringError> {
    let mut reader = Reader(bytes);
    if reader.array::<4>().is_none_or(|magic| magic != MAGIC) {
        return Err(KeyringError::NotAKeyring);
    }
    let version = reader.u16().ok_or(KeyringError::Truncated)?;
    if version != VERSION {
        return Err(KeyringError::UnsupportedVersion { version });
    }
    let len = (|| {
        reader.slice(42)?;
        reader.u32()
    })();
    let len = len.ok_or(KeyringError::Truncated)? as usize;
    if len < HEAD { Err(KeyringError::Invalid) } else { Ok(len) }
}

/// The frame of a root: what is used of it before it is authenticated.
struct Frame<'b> {
    body: &'b [u8],
    keyring_id: KeyId,
    key_id: KeyId,
    /// What algorithm 1 says under the key that the root names.
    tag: Option<[u8; 32]>,
}

impl<'b> Frame<'b> {
    #[inline]
    fn read(bytes: &'b [u8]) -> Result<Self, KeyringError> {
        if bytes.len() > MAX_ROOT_LEN {
            return Err(KeyringError::Oversized);
        }
        let (body, mut list) = bytes.split_at_checked(body_len(bytes)?).ok_or(KeyringError::Truncated)?;
        let mut ids = Reader(body.get(8..24).unwrap_or_default());
        let (Some(keyring_id), Some(key_id)) = (ids.u64(), ids.u64()) else {
            return Err(KeyringError::Truncated);
        };
        let (keyring_id, key_id) = (KeyId::from_u64(keyring_id), KeyId::from_u64(key_id));
        if list.first().is_some_and(|count| !(1..=MAX_AUTHENTICATORS).contains(count)) {
            return Err(KeyringError::Invalid);
        }
        let tag = hmac_authenticator(&mut list, key_id).ok_or(KeyringError::Truncated)?;
        if !list.is_empty() {
            return Err(KeyringError::Oversized);
        }
        Ok(Self { body, keyring_id, key_id, tag })
    }
}

/// Checks the authenticator of a root with one of `keys`, then reads it. `pinned` is the keyring id that it must have.
#[inline]
pub(crate) fn open<'k>(
    bytes: &[u8],
    keys: &'k [KeyringKey],
    pinned: Option<KeyId>,
) -> Result<(Opened, &'k KeyringKey), KeyringError> {
    let Frame { body, keyring_id, key_id, tag } = Frame::read(bytes)?;
    if let Some(expected) = pinned.filter(|&pinned| pinned != keyring_id) {
        return Err(KeyringError::WrongKeyring { expected, found: keyring_id });
    }
    let key = keys.iter().find(|key| key.id() == key_id).ok_or(KeyringError::UnknownKeyringKey { key_id })?;
    let expected = key.subkey(b"mac", keyring_id).tag(body);
    let equal = tag.is_some_and(|tag| mac::tag_bytes(expected).ct_eq(&tag).to_bool());
    if !equal {
        return Err(KeyringError::WrongMac);
    }
    let root = read_body(body).ok_or(KeyringError::Invalid)?;
    Ok((Opened { root, tag: expected }, key))
}

/// The hashes of the parts that a root names: chunks by bucket, then policy pages; zeros where there is none.
///
/// This is for storage, which has no keyring key. It **does not authenticate** the root: believe nothing of it but that
/// whoever made these bytes wanted these parts beside them. Whoever reads the parts authenticates the root first.
///
/// ```
/// use claviger_core::{KeyId, KeyringBuilder, KeyringKey, KeyringTerms, root_part_hashes};
///
/// let terms = KeyringTerms::new(KeyId::from_u64(1));
/// let mut builder = KeyringBuilder::new(&KeyringKey::generate(&[7; 40]), terms, 1);
/// let root = builder.finish(1, 1_790_000_000)?;
/// assert_eq!(root_part_hashes(&root)?, vec![[0; 32]; builder.buckets() as usize]);
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
///
/// # Errors
/// [`KeyringError::NotAKeyring`], [`UnsupportedVersion`](KeyringError::UnsupportedVersion),
/// [`Truncated`](KeyringError::Truncated), [`Oversized`](KeyringError::Oversized) or
/// [`Invalid`](KeyringError::Invalid).
pub fn root_part_hashes(root: &[u8]) -> Result<Vec<[u8; 32]>, KeyringError> {
    let Root { mut chunks, pages, .. } = read_body(Frame::read(root)?.body).ok_or(KeyringError::Invalid)?;
    chunks.extend(pages);
    Ok(chunks)
}

/// The parts that a root names, where there is one: chunks by bucket, then policy pages.
///
/// It **does not authenticate** the root, as [`root_part_hashes`] does not.
///
/// # Errors
/// Those of [`root_part_hashes`].
pub fn root_parts(root: &[u8]) -> Result<Vec<NeededPart>, KeyringError> {
    let root = read_body(Frame::read(root)?.body).ok_or(KeyringError::Invalid)?;
    let parts = |part, hashes: Vec<Hash>| {
        let parts = hashes.into_iter().enumerate().filter(|(_, hash)| *hash != NO_PART);
        parts.map(move |(index, hash)| NeededPart { part, index: index as u32, hash, in_bundle: None })
    };
    Ok(parts(PartKind::Chunk, root.chunks).chain(parts(PartKind::Page, root.pages)).collect())
}

/// Reads the list of authenticators to its end; what algorithm 1 says under `key_id`. `None` if the list is cut off.
#[inline]
fn hmac_authenticator(list: &mut &[u8], key_id: KeyId) -> Option<Option<[u8; 32]>> {
    let mut reader = Reader(list);
    let mut found = None;
    for _ in 0..reader.u8()? {
        let (algorithm, _, len, id) = (reader.u8()?, reader.u8()?, reader.u16()?, reader.u64()?);
        let bytes = reader.slice(len.into())?;
        if algorithm == HMAC_SHA256 && id == key_id.as_u64() && found.is_none() {
            found = bytes.try_into().ok();
        }
    }
    *list = reader.0;
    Some(found)
}

#[inline]
fn read_body(body: &[u8]) -> Option<Root> {
    let mut reader = Reader(body);
    reader.slice(6)?;
    let (1, bucket_bits @ 0..=MAX_BUCKET_BITS) = (reader.u8()?, reader.u8()?) else { return None };
    let (keyring_id, keyring_key_id) = (KeyId::from_u64(reader.u64()?), KeyId::from_u64(reader.u64()?));
    let (epoch, issued_at) = (reader.u64()?, reader.u64()?);
    let (fresh_for, valid_for) = (reader.u32()?, reader.u32()?);
    let (_, pages @ 0..=MAX_PAGES, secrets @ 0..=MAX_SECRETS) = (reader.u32()?, reader.u32()?, reader.u32()?)
    else {
        return None;
    };
    let import_schemes = reader.u8()?;
    let numbers = epoch != 0 && epoch.max(issued_at) <= MAX_NUMBER;
    if reader.array::<3>()? != &[0; 3] || !numbers || fresh_for == 0 || fresh_for > valid_for {
        return None;
    }
    let mut hashes = |count: usize| Some(reader.slice(count.checked_mul(32)?)?.as_chunks::<32>().0.to_vec());
    let (chunks, pages) = (hashes(1 << bucket_bits)?, hashes(pages as usize)?);
    let (entries, []) = reader.0.as_chunks::<SECRET>() else { return None };
    if entries.len() != secrets as usize {
        return None;
    }
    let known = entries.iter().filter(|entry| SecretEntry::is_known(entry));
    let secrets = known.map(SecretEntry::read).collect::<Option<Vec<_>>>()?;
    let in_order = secrets.iter().zip(secrets.iter().skip(1)).all(|(entry, next)| entry.name() < next.name());
    in_order.then_some(Root {
        keyring_id,
        keyring_key_id,
        epoch,
        issued_at,
        fresh_for,
        valid_for,
        bucket_bits,
        import_schemes,
        chunks,
        pages,
        secrets,
    })
}

impl Root {
    /// The bytes of the root, authenticated under `key`.
    pub(crate) fn write(&self, key: &KeyringKey) -> Vec<u8> {
        let hashes = self.chunks.len().saturating_add(self.pages.len()).saturating_mul(32);
        let len = self.secrets.len().saturating_mul(SECRET).saturating_add(hashes).saturating_add(HEAD);
        let mut writer = Writer(Vec::with_capacity(len.saturating_add(64)));
        writer.bytes(MAGIC).u16(VERSION).u8(1).u8(self.bucket_bits);
        writer.u64(self.keyring_id.as_u64()).u64(self.keyring_key_id.as_u64());
        writer.u64(self.epoch).u64(self.issued_at).u32(self.fresh_for).u32(self.valid_for);
        writer.u32(len as u32).u32(self.pages.len() as u32).u32(self.secrets.len() as u32);
        writer.u8(self.import_schemes).bytes(&[0; 3]);
        for hash in self.chunks.iter().chain(&self.pages) {
            writer.bytes(hash);
        }
        for secret in &self.secrets {
            secret.write(&mut writer);
        }
        let tag = mac::tag_bytes(key.subkey(b"mac", self.keyring_id).tag(&writer.0));
        writer.u8(1).u8(HMAC_SHA256).u8(0).u16(32).u64(key.id().as_u64()).bytes(&tag);
        writer.0
    }

    /// The hash of the chunk of a bucket.
    #[inline]
    pub(crate) fn chunk(&self, bucket: u32) -> Option<&Hash> {
        self.chunks.get(bucket as usize)
    }

    /// Every hash in the order of the root: chunks by bucket, then pages.
    pub(crate) fn part_hashes(&self) -> impl Iterator<Item = &Hash> + Clone {
        self.chunks.iter().chain(&self.pages)
    }

    /// The schemes of imported keys, in the order in which they are tried.
    pub(crate) fn import_schemes(&self) -> impl Iterator<Item = ImportScheme> {
        let schemes = self.import_schemes;
        ImportScheme::ALL.into_iter().filter(move |scheme| schemes & scheme.bit() != 0)
    }
}

/// Whether a root that was opened holds secrets or import schemes of a later version, which [`open`] passes over.
pub(crate) fn has_unknown(bytes: &[u8], root: &Root) -> bool {
    let known = ImportScheme::ALL.into_iter().fold(0, |bits, scheme| bits | scheme.bit());
    let secrets = bytes.get(56..).and_then(|bytes| Reader(bytes).u32());
    root.import_schemes & !known != 0 || secrets != u32::try_from(root.secrets.len()).ok()
}

fn kind_of(purpose: Purpose) -> KeyKind {
    match purpose {
        Purpose::Issuing => KeyKind::IssuingSecret,
        Purpose::Integration => KeyKind::IntegrationSecret,
    }
}

impl SecretEntry {
    /// An entry that hides `secret`. Issuing secrets have a prefix and a policy, integration secrets neither.
    pub(crate) fn hide(
        masking: &Masking,
        secret: &SharedSecret,
        prefix: Option<KeyPrefix>,
        policy: Option<u32>,
        may_sign: bool,
    ) -> Result<Self, BuildError> {
        let (purpose, id) = (secret.purpose(), secret.id());
        let (iv, masked) = masking.hide(kind_of(purpose).number(), id, secret.expose_bytes());
        let entry = Self { id, purpose, version: secret.version(), may_sign, prefix, policy, iv, masked };
        if entry.is_sound() { Ok(entry) } else { Err(BuildError::SharedSecret { secret_id: id }) }
    }

    fn is_sound(&self) -> bool {
        let issuing = self.purpose == Purpose::Issuing;
        let policy = self.policy.is_some_and(|policy| policy != NO_POLICY);
        self.prefix.is_some() == issuing && policy == issuing && (issuing || !self.may_sign)
    }

    /// What tells it from the others, and its place among them: an integration secret is named by its id, an issuing
    /// one by its prefix.
    pub(crate) fn name(&self) -> (Option<KeyPrefix>, Option<KeyId>, u8) {
        (self.prefix, self.prefix.is_none().then_some(self.id), self.version)
    }

    /// Whether kind and flags are of this version.
    fn is_known(bytes: &[u8; SECRET]) -> bool {
        let kinds = [KeyKind::IssuingSecret.number(), KeyKind::IntegrationSecret.number()];
        bytes.get(52).is_some_and(|kind| kinds.contains(kind))
            && bytes.get(54).is_some_and(|flags| flags & !MAY_SIGN == 0)
    }

    /// The secret behind the mask.
    #[inline]
    pub(crate) fn unmask(&self, mask_key: &MacKey) -> SharedSecret {
        let mut secret =
            mac::tag_bytes(mask(mask_key, kind_of(self.purpose).number(), self.id.as_u64(), self.iv));
        for (slot, byte) in secret.iter_mut().zip(self.masked) {
            *slot ^= byte;
        }
        let unmasked = SharedSecret::from_parts(self.purpose, self.id, self.version, secret);
        secret.zeroize();
        unmasked
    }

    #[inline]
    fn read(bytes: &[u8; SECRET]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let (id, iv, masked) = (KeyId::from_u64(reader.u64()?), *reader.array()?, *reader.array()?);
        let policy = Some(reader.u32()?).filter(|&policy| policy != NO_POLICY);
        let purpose = match KeyKind::from_number(reader.u8()?)? {
            KeyKind::IssuingSecret => Purpose::Issuing,
            KeyKind::IntegrationSecret => Purpose::Integration,
            _ => return None,
        };
        let (version, flags, prefix_len) = (reader.u8()?, reader.u8()?, reader.u8()?);
        let padded = reader.array::<32>()?;
        let (prefix, padding) = padded.split_at_checked(prefix_len.into())?;
        let prefix = match prefix {
            [] => None,
            prefix => Some(KeyPrefix::new(core::str::from_utf8(prefix).ok()?).ok()?),
        };
        let may_sign = flags & MAY_SIGN != 0;
        let entry = Self { id, purpose, version, may_sign, prefix, policy, iv, masked };
        let zeros = padding.iter().all(|&byte| byte == 0) && reader.0 == [0; 8];
        (zeros && entry.is_sound()).then_some(entry)
    }

    fn write(&self, writer: &mut Writer) {
        let prefix = self.prefix.as_ref();
        writer
            .u64(self.id.as_u64())
            .bytes(&self.iv)
            .bytes(&self.masked)
            .u32(self.policy.unwrap_or(NO_POLICY))
            .u8(kind_of(self.purpose).number())
            .u8(self.version)
            .u8(if self.may_sign { MAY_SIGN } else { 0 })
            .u8(prefix.map_or(0, |prefix| prefix.as_bytes().len() as u8))
            .bytes(prefix.map_or(&[0; 32], |prefix| prefix.as_padded()))
            .u64(0);
    }
}
