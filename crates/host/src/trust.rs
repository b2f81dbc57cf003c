//! The ways to verify, of which a verifier has one for as long as it lives.

use crate::{error::HostError, keyring_keys::KeyringKeys, secrets::Secrets, signature_keys::SignatureKeys};

/// What every instance of a verifier is configured with.
pub(crate) enum Trust {
    Secrets(Secrets),
    KeyringKeys(KeyringKeys),
    /// Of a verifier that proves no API keys.
    SignatureKeys(SignatureKeys),
}

impl Trust {
    /// Finds what the module would refuse, while there are still names to say it with.
    pub(crate) fn check(&self) -> Result<(), HostError> {
        match self {
            Self::Secrets(secrets) => secrets.check(),
            Self::KeyringKeys(keys) => keys.check(),
            Self::SignatureKeys(keys) => keys.check(),
        }
    }
}
