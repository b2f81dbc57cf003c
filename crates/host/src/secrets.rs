//! What a verifier is told to trust: issuing secrets for key prefixes.

use crate::error::HostError;
use claviger_core::{KeyPrefix, Purpose, SharedSecret, push_wiping};

/// The issuing secrets of a [`Verifier`](crate::Verifier), each for the keys of one prefix, and what is allowed.
///
/// For rotation, give the old and the new version; a key names the one that made it.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    pub(crate) issuing: Vec<(KeyPrefix, SharedSecret)>,
    pub(crate) allow_keys_without_lifetime: bool,
}

impl Secrets {
    /// No secrets yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the issuing secret of the keys with `prefix`.
    #[must_use]
    pub fn issuing_secret(mut self, prefix: KeyPrefix, secret: SharedSecret) -> Self {
        push_wiping(&mut self.issuing, (prefix, secret));
        self
    }

    /// Whether to accept keys that never expire (by default not). Only retiring their issuing secret ends them.
    #[must_use]
    pub fn allow_keys_without_lifetime(mut self, allow: bool) -> Self {
        self.allow_keys_without_lifetime = allow;
        self
    }

    /// Finds what the module would refuse, while there are still names to say it with.
    pub(crate) fn check(&self) -> Result<(), HostError> {
        if self.issuing.is_empty() {
            return Err(HostError::NoSecrets);
        }
        for (index, (prefix, secret)) in self.issuing.iter().enumerate() {
            if secret.purpose() != Purpose::Issuing {
                return Err(HostError::WrongPurpose { prefix: *prefix });
            }
            let same = |(other, before): &(KeyPrefix, SharedSecret)| {
                other == prefix && before.version() == secret.version()
            };
            if self.issuing.iter().take(index).any(same) {
                return Err(HostError::DuplicateVersion { prefix: *prefix, version: secret.version() });
            }
        }
        Ok(())
    }
}
