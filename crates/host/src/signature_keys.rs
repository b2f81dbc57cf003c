//! Keys of signatures that are no API keys.

use crate::error::HostError;
use claviger_core::{Purpose, SharedSecret, push_wiping};
use zeroize::Zeroizing;

/// More than the module takes.
const MOST_KEYS: usize = 1024;
/// The most bytes of a name and its key: more than the input of the module holds.
const MOST_BYTES: usize = 4096;

/// The keys of a [`SignatureVerifier`](crate::SignatureVerifier), by the names that signatures give them.
///
/// ```
/// use claviger_host::{SignatureKeys, core::{Purpose, SharedSecret}};
///
/// let secret = SharedSecret::generate(Purpose::Integration, 1, &[9; 40]);
/// let keys = SignatureKeys::new().key("partner-1", &[7; 32]).integration_secret(secret);
/// # let _ = keys;
/// ```
#[derive(Clone, Default)]
pub struct SignatureKeys {
    pub(crate) keys: Vec<OwnKey>,
}

#[derive(Clone)]
pub(crate) enum OwnKey {
    Named(String, Zeroizing<Vec<u8>>),
    Any(Zeroizing<Vec<u8>>),
    IntegrationSecret(SharedSecret),
}

impl SignatureKeys {
    /// No keys yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the key that signatures call `keyid`: any bytes. If there is one of that name, this one takes its place.
    #[must_use]
    pub fn key(mut self, keyid: &str, key: &[u8]) -> Self {
        push_wiping(&mut self.keys, OwnKey::Named(keyid.to_owned(), Zeroizing::new(key.to_vec())));
        self
    }

    /// Takes this key for every other name, and for signatures that name none.
    #[must_use]
    pub fn any(mut self, key: &[u8]) -> Self {
        push_wiping(&mut self.keys, OwnKey::Any(Zeroizing::new(key.to_vec())));
        self
    }

    /// Adds an integration secret, by its name `cvgws_<id>_<version>`. For its rotation add both versions.
    #[must_use]
    pub fn integration_secret(mut self, secret: SharedSecret) -> Self {
        push_wiping(&mut self.keys, OwnKey::IntegrationSecret(secret));
        self
    }

    /// Finds what the module would refuse, while it can still be said what that is.
    pub(crate) fn check(&self) -> Result<(), HostError> {
        let fits =
            |name: &str, key: &[u8]| !key.is_empty() && name.len().saturating_add(key.len()) <= MOST_BYTES;
        let good = self.keys.iter().all(|key| match key {
            OwnKey::Named(name, key) => fits(name, key),
            OwnKey::Any(key) => fits("", key),
            OwnKey::IntegrationSecret(secret) => secret.purpose() == Purpose::Integration,
        });
        let some = !self.keys.is_empty() && self.keys.len() <= MOST_KEYS;
        if good && some { Ok(()) } else { Err(HostError::SignatureKeys) }
    }
}

impl std::fmt::Debug for SignatureKeys {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("SignatureKeys").field("len", &self.keys.len()).finish_non_exhaustive()
    }
}
