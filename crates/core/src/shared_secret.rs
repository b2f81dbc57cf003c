//! Shared secrets: what two parties hold so that one can prove something to the other.
//!
//! A shared secret is never used raw; each use has a subkey of its own. What is made with the subkeys is in
//! `issuing_key`.

use crate::{
    base62,
    key_id::KeyId,
    mac,
    parse::{self, KeyKind, ParseError},
    text::SecretText,
};
use core::fmt;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// What a shared secret is for. The two never do each other's work.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Purpose {
    /// Makes and proves signed keys and access tokens (`cvgis_…`). Verifiers hold it.
    Issuing,
    /// Signs and proves requests and webhooks (`cvgws_…`). An administrator may reveal it to a partner.
    Integration,
}

impl Purpose {
    /// The name in APIs, JSON and key derivation.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Issuing => "issuing",
            Self::Integration => "integration",
        }
    }

    const fn prefix(self) -> &'static str {
        match self {
            Self::Issuing => "cvgis",
            Self::Integration => "cvgws",
        }
    }
}

/// A secret of 32 bytes with id, version and purpose.
///
/// ```
/// use claviger_core::{Purpose, SharedSecret};
///
/// let secret = SharedSecret::generate(Purpose::Issuing, 3, &[7; 40]);
/// let text = secret.to_text();
/// assert!(text.expose().starts_with("cvgis_"));
/// assert_eq!(SharedSecret::parse(text.expose())?.version(), 3);
/// # Ok::<(), claviger_core::SharedSecretError>(())
/// ```
#[derive(Clone)]
pub struct SharedSecret {
    purpose: Purpose,
    id: KeyId,
    version: u8,
    secret: SecretBytes,
}

#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub(crate) struct SecretBytes(pub(crate) [u8; 32]);

impl SharedSecret {
    /// Makes a secret from 40 random bytes: 8 for the id, 32 for the secret.
    ///
    /// The entropy must come from the operating system and be used once. A later version of a secret keeps the
    /// name by which people know it, but has an id and bytes of its own.
    #[must_use]
    #[inline]
    pub fn generate(purpose: Purpose, version: u8, entropy: &[u8; 40]) -> Self {
        let (id, secret) = split_entropy(entropy);
        Self { purpose, id, version, secret: SecretBytes(secret) }
    }

    /// Reads the text of a shared secret.
    ///
    /// # Errors
    /// [`SharedSecretError`] says which part is wrong; it holds none of the text.
    #[inline]
    pub fn parse(text: &str) -> Result<Self, SharedSecretError> {
        let parsed = parse::parse(text).map_err(SharedSecretError::Malformed)?;
        let purpose = match parsed.kind() {
            KeyKind::IssuingSecret => Purpose::Issuing,
            KeyKind::IntegrationSecret => Purpose::Integration,
            other => return Err(SharedSecretError::OtherKind(other)),
        };
        Ok(Self {
            purpose,
            id: parsed.id(),
            version: parsed.version().unwrap_or_default(),
            secret: SecretBytes(mac::tag_bytes(*parsed.secret())),
        })
    }

    /// The text form, which holds the secret.
    #[must_use]
    #[inline]
    pub fn to_text(&self) -> SecretText {
        let mut text = SecretText::empty();
        text.push(self.purpose.prefix().as_bytes());
        text.push(b"_");
        text.push(&self.id.to_characters());
        text.push(b"_");
        text.push(&base62::encode_version(self.version));
        text.push(b"_x");
        text.seal(&self.secret.0)
    }

    /// What it is for.
    #[must_use]
    pub fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// The public id.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// The version, which a signed key names in its claims.
    #[must_use]
    pub fn version(&self) -> u8 {
        self.version
    }

    /// The secret that a keyring holds.
    pub(crate) fn from_parts(purpose: Purpose, id: KeyId, version: u8, secret: [u8; 32]) -> Self {
        Self { purpose, id, version, secret: SecretBytes(secret) }
    }

    /// The secret itself, to be masked.
    pub(crate) fn expose_bytes(&self) -> &[u8; 32] {
        &self.secret.0
    }

    /// `HKDF-SHA256(salt "claviger/secret/v1", secret, info = purpose ‖ 0 ‖ use)`, 32 bytes.
    #[inline]
    pub(crate) fn subkey(&self, usage: &str) -> [u8; 32] {
        mac::derive(
            b"claviger/secret/v1",
            &self.secret.0,
            [self.purpose.as_str().as_bytes(), &[0], usage.as_bytes()],
        )
    }
}

impl fmt::Debug for SharedSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SharedSecret")
            .field("purpose", &self.purpose)
            .field("id", &self.id)
            .field("version", &self.version)
            .field("secret", &format_args!("[redacted]"))
            .finish()
    }
}

/// The id and the secret that 40 random bytes make.
#[inline]
pub(crate) fn split_entropy(entropy: &[u8; 40]) -> (KeyId, [u8; 32]) {
    let (mut id, mut secret) = ([0; 8], [0; 32]);
    for (slot, &byte) in id.iter_mut().chain(&mut secret).zip(entropy) {
        *slot = byte;
    }
    (KeyId::from_entropy(id), secret)
}

/// A shared secret was given whose work is another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct WrongPurpose {
    /// What it would have to be for.
    pub expected: Purpose,
}

impl fmt::Display for WrongPurpose {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self.expected {
            Purpose::Issuing => {
                "expected an issuing secret (cvgis_…), got an integration secret (cvgws_…), which never makes keys"
            }
            Purpose::Integration => {
                "expected an integration secret (cvgws_…), got an issuing secret (cvgis_…), which never signs requests \
                 or webhooks"
            }
        })
    }
}

impl core::error::Error for WrongPurpose {}

/// Why a text is no shared secret. Holds none of the text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum SharedSecretError {
    /// The text has none of the known forms.
    Malformed(ParseError),
    /// The text is something else.
    OtherKind(KeyKind),
}

impl fmt::Display for SharedSecretError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => write!(formatter, "not a shared secret: {error}"),
            Self::OtherKind(kind) => {
                write!(formatter, "expected a shared secret (cvgis_… or cvgws_…), got a text of kind {kind}")
            }
        }
    }
}

impl core::error::Error for SharedSecretError {}
