//! What keyring keys and master keys have in common: 32 secret bytes, a public id, and a text that holds nothing else.

use crate::{
    key_id::KeyId,
    mac,
    parse::{self, KeyKind, ParseError},
    shared_secret::{SecretBytes, split_entropy},
    text::SecretText,
};
use core::fmt;

/// A secret with a public id.
#[derive(Clone)]
pub(crate) struct NamedKey {
    pub(crate) id: KeyId,
    pub(crate) secret: SecretBytes,
}

impl NamedKey {
    /// Makes a key from 40 random bytes: 8 for the id, 32 for the secret.
    #[inline]
    pub(crate) fn generate(entropy: &[u8; 40]) -> Self {
        let (id, secret) = split_entropy(entropy);
        Self { id, secret: SecretBytes(secret) }
    }

    /// Reads the text of a key of this kind.
    #[inline]
    pub(crate) fn parse(text: &str, expected: KeyKind) -> Result<Self, NamedKeyError> {
        let parsed = parse::parse(text).map_err(NamedKeyError::Malformed)?;
        match parsed.kind() {
            kind if kind == expected => {
                Ok(Self { id: parsed.id(), secret: SecretBytes(mac::tag_bytes(*parsed.secret())) })
            }
            found => Err(NamedKeyError::OtherKind { expected, found }),
        }
    }

    /// The text, which starts with `prefix`.
    #[inline]
    pub(crate) fn to_text(&self, prefix: &[u8]) -> SecretText {
        let mut text = SecretText::empty();
        text.push(prefix);
        text.push(b"_");
        text.push(&self.id.to_characters());
        text.push(b"_x");
        text.seal(&self.secret.0)
    }

    /// Everything but the secret.
    pub(crate) fn debug(&self, name: &str, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct(name)
            .field("id", &self.id)
            .field("secret", &format_args!("[redacted]"))
            .finish()
    }
}

/// Why a text is no keyring key or no master key. Holds none of the text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum NamedKeyError {
    /// The text has none of the known forms.
    Malformed(ParseError),
    /// The text is something else.
    OtherKind {
        /// What it should be.
        expected: KeyKind,
        /// What it is.
        found: KeyKind,
    },
}

impl fmt::Display for NamedKeyError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => write!(formatter, "not a key of Claviger's own: {error}"),
            Self::OtherKind { expected, found } => {
                write!(formatter, "expected a text of kind {expected}, got one of kind {found}")
            }
        }
    }
}

impl core::error::Error for NamedKeyError {}
