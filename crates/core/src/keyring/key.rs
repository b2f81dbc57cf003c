//! The keyring key: what authenticates a keyring and unmasks what it holds.

use crate::{
    key_id::KeyId,
    mac::{self, MacKey},
    named_key::{NamedKey, NamedKeyError},
    parse::KeyKind,
    text::SecretText,
    verifier_value::ImportDigest,
};
use core::fmt;
use zeroize::Zeroize;

/// A secret of 32 bytes with a public id (`cvgkk_…`). Who holds it could impersonate everyone in its keyring.
///
/// ```
/// use claviger_core::KeyringKey;
///
/// let key = KeyringKey::generate(&[7; 40]);
/// assert_eq!(KeyringKey::parse(key.to_text().expose())?.id(), key.id());
/// # Ok::<(), claviger_core::NamedKeyError>(())
/// ```
#[derive(Clone)]
pub struct KeyringKey(NamedKey);

impl KeyringKey {
    /// Makes a key from 40 random bytes of the operating system, used once: 8 for the id, 32 for the secret.
    #[must_use]
    pub fn generate(entropy: &[u8; 40]) -> Self {
        Self(NamedKey::generate(entropy))
    }

    /// Reads the text form, `cvgkk_…`.
    ///
    /// # Errors
    /// [`NamedKeyError`] says whether the text is no text of ours or another kind of secret.
    pub fn parse(text: &str) -> Result<Self, NamedKeyError> {
        NamedKey::parse(text, KeyKind::KeyringKey).map(Self)
    }

    /// The text form, which holds the secret.
    #[must_use]
    pub fn to_text(&self) -> SecretText {
        self.0.to_text(b"cvgkk")
    }

    /// The public id, which a keyring names.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.0.id
    }

    /// The id under which a keyring holds an imported key: `HMAC(K_import, digest)[..8]`, little-endian.
    #[must_use]
    pub fn imported_record_id(&self, keyring_id: KeyId, digest: &ImportDigest) -> KeyId {
        imported_record_id(&self.subkey(b"import", keyring_id), digest)
    }

    /// `HKDF-SHA256(salt "claviger/keyring/v1", secret, info = use ‖ 0 ‖ keyring id (u64, little-endian))`.
    #[inline]
    pub(crate) fn subkey(&self, usage: &[u8], keyring_id: KeyId) -> MacKey {
        let id = keyring_id.as_u64().to_le_bytes();
        let mut subkey = mac::derive(b"claviger/keyring/v1", &self.0.secret.0, [usage, &[0], &id]);
        let mac = MacKey::new(&subkey);
        subkey.zeroize();
        mac
    }
}

/// The id of an imported key's record under `K_import`.
pub(crate) fn imported_record_id(import: &MacKey, digest: &ImportDigest) -> KeyId {
    let [first, ..] = import.tag(digest.as_bytes());
    KeyId::from_u64(first.swap_bytes())
}

/// What hides values in a keyring: `value ⊕ HMAC(K_mask, kind ‖ id ‖ iv)`, the id as u64 little-endian.
///
/// `iv = HMAC(K_iv, kind ‖ id ‖ value)[..8]`, so it is the same whenever the value is, and a mask is never used for
/// two values, whatever is restored or cloned.
pub(crate) fn mask(mask: &MacKey, kind: u8, id: u64, iv: [u8; 8]) -> [u64; 4] {
    let mut message = [kind; 17];
    let [_, rest @ ..] = &mut message;
    for (slot, byte) in rest.iter_mut().zip(id.to_le_bytes().into_iter().chain(iv)) {
        *slot = byte;
    }
    mask.tag(&message)
}

/// The masking side: for builders only.
pub(crate) struct Masking {
    iv: MacKey,
    mask: MacKey,
}

impl Masking {
    pub(crate) fn new(key: &KeyringKey, keyring_id: KeyId) -> Self {
        Self { iv: key.subkey(b"iv", keyring_id), mask: key.subkey(b"mask", keyring_id) }
    }

    /// The iv and the masked value.
    pub(crate) fn hide(&self, kind: u8, id: KeyId, value: &[u8; 32]) -> ([u8; 8], [u8; 32]) {
        let mut message = [kind; 41];
        let [_, rest @ ..] = &mut message;
        for (slot, byte) in rest.iter_mut().zip(id.as_u64().to_le_bytes().iter().chain(value)) {
            *slot = *byte;
        }
        let [first, ..] = self.iv.tag(&message);
        message.zeroize();
        let iv = first.to_be_bytes();
        let mut masked = mac::tag_bytes(mask(&self.mask, kind, id.as_u64(), iv));
        for (slot, byte) in masked.iter_mut().zip(value) {
            *slot ^= byte;
        }
        (iv, masked)
    }
}

impl fmt::Debug for KeyringKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.debug("KeyringKey", formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mac::tests::oracle as hmac_sha256;
    use std::{format, vec::Vec};

    /// The documented derivations, put together anew from HMAC alone.
    #[test]
    fn subkeys_masks_and_ids_are_what_the_documentation_says() {
        let entropy: [u8; 40] = core::array::from_fn(|i| i as u8);
        let (key, ring, id) =
            (KeyringKey::generate(&entropy), KeyId::from_u64(0x0102), KeyId::from_u64(0x0a0b));
        let subkey = |usage: &str| {
            let extracted = hmac_sha256(b"claviger/keyring/v1", &entropy[8..]);
            hmac_sha256(&extracted, format!("{usage}\0\x02\x01\0\0\0\0\0\0\x01").as_bytes())
        };
        let value = [0x55; 32];
        let (iv, masked) = Masking::new(&key, ring).hide(1, id, &value);
        let named = [&[1][..], &[0x0b, 0x0a, 0, 0, 0, 0, 0, 0]].concat();
        assert_eq!(iv[..], hmac_sha256(&subkey("iv"), &[&named[..], &value].concat())[..8]);
        let unmasked: Vec<u8> = masked.iter().map(|byte| byte ^ 0x55).collect();
        assert_eq!(unmasked, hmac_sha256(&subkey("mask"), &[&named[..], &iv].concat()));

        let digest = ImportDigest::from_bytes([9; 32]);
        let expected: [u8; 8] = hmac_sha256(&subkey("import"), &[9; 32])[..8].try_into().unwrap();
        assert_eq!(key.imported_record_id(ring, &digest).as_u64(), u64::from_le_bytes(expected));
    }

    #[test]
    fn texts() {
        let key = KeyringKey::generate(&[7; 40]);
        let text = key.to_text();
        assert_eq!(KeyringKey::parse(text.expose()).unwrap().0.secret.0, [7; 32]);
        assert!(!format!("{key:?}").contains("[7, 7"), "{key:?}");
        let other = crate::SharedSecret::generate(crate::Purpose::Issuing, 1, &[7; 40]).to_text();
        assert_eq!(
            KeyringKey::parse(other.expose()).unwrap_err(),
            NamedKeyError::OtherKind { expected: KeyKind::KeyringKey, found: KeyKind::IssuingSecret }
        );
    }
}
