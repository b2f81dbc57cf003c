//! Verifier values: what is kept of a key instead of its secret.
//!
//! `B = HKDF-Extract("claviger/bearer/v1", the 44 secret characters)` for keys that are only presented, and
//! `S = HKDF-Extract("claviger/sign/v1", the same)` for keys that also sign; of text that is no native key
//! `HKDF-Extract("claviger/import/v1", its digest)`. HKDF-Extract is `HMAC-SHA256(salt, …)` (RFC 5869, section 2.2).
//! Exactly one of them is kept of a key. Whoever steals a `B` cannot use it; whoever steals an `S` can sign.

use crate::{
    mac::{self, MacKey},
    parse::{KeyKind, Parsed},
};
use core::fmt;
use ctutils::CtEq;
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// The value that proves a key: 32 bytes, for a store to seal and a keyring to mask.
///
/// ```
/// use claviger_core::{KeyPrefix, OpaqueUse, VerifierValue, generate_opaque_key, parse};
///
/// let (_, key) = generate_opaque_key(&KeyPrefix::new("acme_live")?, OpaqueUse::Bearer, &[7; 40]);
/// let parsed = parse(key.expose()).map_err(|_| "not a key")?;
/// assert!(VerifierValue::of_key(&parsed).is_some());
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct VerifierValue([u8; 32]);

impl VerifierValue {
    /// The value of an opaque key: `B` of a bearer key, `S` of one that also signs; `None` for any other kind.
    #[must_use]
    pub fn of_key(key: &Parsed<'_>) -> Option<Self> {
        let extractor = match key.kind() {
            KeyKind::Opaque => Extractors::bearer(),
            KeyKind::OpaqueSigning => Extractors::sign(),
            _ => return None,
        };
        Some(Self(mac::tag_bytes(extractor.tag(key.secret_characters()))))
    }

    /// The value of an imported key.
    #[must_use]
    pub fn of_import(digest: &ImportDigest) -> Self {
        Self(mac::tag_bytes(Extractors::import().tag(&digest.0)))
    }

    /// The value that a store has kept.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The value as a tag is: big-endian limbs.
    pub(crate) fn limbs(&self) -> [u64; 4] {
        let (words, _) = self.0.as_chunks::<8>();
        let mut limbs = [0; 4];
        for (limb, word) in limbs.iter_mut().zip(words) {
            *limb = u64::from_be_bytes(*word);
        }
        limbs
    }

    /// Whether the two prove the same key, in constant time.
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        self.0.as_slice().ct_eq(other.0.as_slice()).to_bool()
    }

    /// The bytes, to be sealed or masked.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for VerifierValue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("VerifierValue([redacted])")
    }
}

/// How the digest of an imported key is made of its text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum ImportScheme {
    /// SHA-256 over the whole key.
    Sha256Whole,
    /// SHA-256 over what follows the last `_`; a key without `_`, or with nothing behind it, has none.
    Sha256AfterLastUnderscore,
}

impl ImportScheme {
    /// Every scheme, in the order in which a verifier tries them.
    pub const ALL: [Self; 2] = [Self::Sha256Whole, Self::Sha256AfterLastUnderscore];

    /// The bit of the scheme in a keyring's root.
    pub(crate) const fn bit(self) -> u8 {
        match self {
            Self::Sha256Whole => 1,
            Self::Sha256AfterLastUnderscore => 2,
        }
    }

    /// The digest of a presented key, if it has one under this scheme.
    #[must_use]
    pub fn digest(self, key: &[u8]) -> Option<ImportDigest> {
        let hashed = match self {
            Self::Sha256Whole => key,
            Self::Sha256AfterLastUnderscore => {
                let place = key.iter().rposition(|&byte| byte == b'_')?;
                key.get(place.saturating_add(1)..).filter(|tail| !tail.is_empty())?
            }
        };
        Some(ImportDigest(Sha256::digest(hashed).into()))
    }
}

/// The SHA-256 by which a key that was made elsewhere is known.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct ImportDigest([u8; 32]);

impl ImportDigest {
    /// The digest that the other system kept.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for ImportDigest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ImportDigest([redacted])")
    }
}

/// The salts, prepared once for a verifier. They are public.
#[derive(Clone)]
pub(crate) struct Extractors {
    pub(crate) bearer: MacKey,
    pub(crate) sign: MacKey,
    pub(crate) import: MacKey,
}

impl Extractors {
    pub(crate) fn new() -> Self {
        Self { bearer: Self::bearer(), sign: Self::sign(), import: Self::import() }
    }

    fn bearer() -> MacKey {
        MacKey::padded(b"claviger/bearer/v1")
    }

    pub(crate) fn sign() -> MacKey {
        MacKey::padded(b"claviger/sign/v1")
    }

    fn import() -> MacKey {
        MacKey::padded(b"claviger/import/v1")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{KeyPrefix, OpaqueUse, generate_opaque_key, mac::tests::oracle as extract, parse};

    #[test]
    fn values_are_what_the_documentation_says() {
        let prefix = KeyPrefix::new("acme_live").unwrap();
        for (usage, salt) in [
            (OpaqueUse::Bearer, &b"claviger/bearer/v1"[..]),
            (OpaqueUse::BearerAndSigning, b"claviger/sign/v1"),
        ] {
            let (_, key) = generate_opaque_key(&prefix, usage, &core::array::from_fn(|i| i as u8));
            let characters = &key.expose().as_bytes()[key.expose().len() - 50..key.expose().len() - 6];
            let value = VerifierValue::of_key(&parse(key.expose()).unwrap()).unwrap();
            assert_eq!(value.expose()[..], extract(salt, characters));
        }
        let digest = ImportScheme::Sha256AfterLastUnderscore.digest(b"sk_live_abc").unwrap();
        assert_eq!(digest.as_bytes()[..], Sha256::digest(b"abc")[..]);
        assert_eq!(
            VerifierValue::of_import(&digest).expose()[..],
            extract(b"claviger/import/v1", digest.as_bytes())
        );
        assert_eq!(ImportScheme::Sha256AfterLastUnderscore.digest(b"abc"), None);
        assert_eq!(
            ImportScheme::Sha256AfterLastUnderscore.digest(b"abc_"),
            None,
            "anybody could end a text so"
        );
        assert!(ImportScheme::Sha256Whole.digest(b"abc").unwrap() == digest);
    }
}
