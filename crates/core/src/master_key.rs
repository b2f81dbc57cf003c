//! The master key: what an operator holds so that a store can be opened. How it seals is the store's affair.

use crate::{
    key_id::KeyId,
    mac,
    named_key::{NamedKey, NamedKeyError},
    parse::KeyKind,
    text::SecretText,
};
use core::fmt;
use zeroize::Zeroizing;

/// The key that wraps the keys of a store: 32 random bytes and a public id.
///
/// ```
/// use claviger_core::MasterKey;
///
/// let key = MasterKey::generate(&[7; 40]); // entropy of the operating system in real life
/// assert!(key.to_text().expose().starts_with("cvgmk_"));
/// assert_eq!(MasterKey::parse(key.to_text().expose())?.id(), key.id());
/// # Ok::<(), claviger_core::NamedKeyError>(())
/// ```
#[derive(Clone)]
pub struct MasterKey(NamedKey);

impl MasterKey {
    /// Makes a key from 40 random bytes of the operating system, used once: 8 for the id, 32 for the secret.
    #[must_use]
    pub fn generate(entropy: &[u8; 40]) -> Self {
        Self(NamedKey::generate(entropy))
    }

    /// Reads the text form, `cvgmk_…`.
    ///
    /// # Errors
    /// [`NamedKeyError`] says whether the text is no text of ours or another kind of secret.
    pub fn parse(text: &str) -> Result<Self, NamedKeyError> {
        NamedKey::parse(text, KeyKind::MasterKey).map(Self)
    }

    /// The text form, which holds the secret.
    #[must_use]
    pub fn to_text(&self) -> SecretText {
        self.0.to_text(b"cvgmk")
    }

    /// The public id, which a store names.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.0.id
    }

    /// `HKDF-SHA256(salt "claviger/master/v1", secret, info = use)`, 32 bytes (RFC 5869).
    #[must_use]
    pub fn subkey(&self, usage: &str) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(mac::derive(b"claviger/master/v1", &self.0.secret.0, [usage.as_bytes(), &[], &[]]))
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.debug("MasterKey", formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mac::tests::oracle as hmac_sha256;
    use std::format;

    #[test]
    fn texts_and_subkeys() {
        let key = MasterKey::generate(&[7; 40]);
        let text = key.to_text();
        assert_eq!(MasterKey::parse(text.expose()).unwrap().0.secret.0, [7; 32]);
        assert!(!format!("{key:?}").contains("[7, 7"), "{key:?}");
        let extracted = hmac_sha256(b"claviger/master/v1", &[7; 32]);
        assert_eq!(key.subkey("wrap")[..], hmac_sha256(&extracted, b"wrap\x01"));
        let other = crate::KeyringKey::generate(&[7; 40]).to_text();
        assert_eq!(
            MasterKey::parse(other.expose()).unwrap_err(),
            NamedKeyError::OtherKind { expected: KeyKind::MasterKey, found: KeyKind::KeyringKey }
        );
    }
}
