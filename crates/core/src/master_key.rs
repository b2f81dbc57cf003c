//! The master key: what an operator holds so that a store can be opened. How it seals is the store's affair.

use crate::{
    key_id::KeyId,
    mac,
    parse::{self, KeyKind, ParseError},
    shared_secret::{SecretBytes, split_entropy},
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
/// # Ok::<(), claviger_core::MasterKeyError>(())
/// ```
#[derive(Clone)]
pub struct MasterKey {
    id: KeyId,
    secret: SecretBytes,
}

impl MasterKey {
    /// Makes a key from 40 random bytes of the operating system, used once: 8 for the id, 32 for the secret.
    #[must_use]
    pub fn generate(entropy: &[u8; 40]) -> Self {
        let (id, secret) = split_entropy(entropy);
        Self { id, secret: SecretBytes(secret) }
    }

    /// Reads the text form.
    ///
    /// # Errors
    /// [`MasterKeyError`] says whether the text is no text of ours or another kind of secret.
    pub fn parse(text: &str) -> Result<Self, MasterKeyError> {
        let parsed = parse::parse(text).map_err(MasterKeyError::Malformed)?;
        match parsed.kind() {
            KeyKind::MasterKey => {
                Ok(Self { id: parsed.id(), secret: SecretBytes(mac::tag_bytes(*parsed.secret())) })
            }
            kind => Err(MasterKeyError::OtherKind(kind)),
        }
    }

    /// The text form, which holds the secret.
    #[must_use]
    pub fn to_text(&self) -> SecretText {
        let mut text = SecretText::empty();
        text.push(b"cvgmk_");
        text.push(&self.id.to_characters());
        text.push(b"_x");
        text.seal(&self.secret.0)
    }

    /// The public id, which a store names.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// `HKDF-SHA256(salt "claviger/master/v1", secret, info = use)`, 32 bytes (RFC 5869).
    #[must_use]
    pub fn subkey(&self, usage: &str) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(mac::derive(b"claviger/master/v1", &self.secret.0, [usage.as_bytes(), &[], &[]]))
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("MasterKey")
            .field("id", &self.id)
            .field("secret", &format_args!("[redacted]"))
            .finish()
    }
}

/// Why a text is no master key. Holds none of the text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum MasterKeyError {
    /// The text has none of the known forms.
    Malformed(ParseError),
    /// The text is something else.
    OtherKind(KeyKind),
}

impl fmt::Display for MasterKeyError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => write!(formatter, "not a master key: {error}"),
            Self::OtherKind(kind) => {
                write!(formatter, "expected a master key (cvgmk_…), got a text of kind {kind}")
            }
        }
    }
}

impl core::error::Error for MasterKeyError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mac::tests::oracle as hmac_sha256;
    use std::format;

    #[test]
    fn texts_and_subkeys() {
        let key = MasterKey::generate(&[7; 40]);
        let text = key.to_text();
        assert_eq!(MasterKey::parse(text.expose()).unwrap().secret.0, [7; 32]);
        assert!(!format!("{key:?}").contains("[7, 7"), "{key:?}");
        let extracted = hmac_sha256(b"claviger/master/v1", &[7; 32]);
        assert_eq!(key.subkey("wrap")[..], hmac_sha256(&extracted, b"wrap\x01"));
        let other = crate::KeyringKey::generate(&[7; 40]).to_text();
        assert_eq!(
            MasterKey::parse(other.expose()).unwrap_err(),
            MasterKeyError::OtherKind(KeyKind::KeyringKey)
        );
    }
}
