//! What a verifier with a keyring is told to trust: the keys that keyrings are made with.

use crate::error::HostError;
use claviger_core::{FreshnessRequirement, KeyId, KeyringKey, push_wiping};

/// The keyring keys of a [`Verifier`](crate::Verifier), one or for the rotation of it two, and what is demanded of
/// keyrings.
///
/// ```
/// use claviger_host::{KeyringKeys, core::{FreshnessRequirement, KeyId, KeyringKey}};
///
/// let key = KeyringKey::generate(&[7; 40]);
/// let keys = KeyringKeys::new()
///     .keyring_key(key)
///     .keyring_id(KeyId::from_u64(1))
///     .requiring(FreshnessRequirement { max_age: Some(600), ..FreshnessRequirement::default() });
/// # let _ = keys;
/// ```
#[derive(Clone, Debug, Default)]
pub struct KeyringKeys {
    pub(crate) keys: Vec<KeyringKey>,
    pub(crate) keyring_id: Option<KeyId>,
    pub(crate) required: FreshnessRequirement,
}

impl KeyringKeys {
    /// No keys yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a keyring key.
    #[must_use]
    pub fn keyring_key(mut self, key: KeyringKey) -> Self {
        push_wiping(&mut self.keys, key);
        self
    }

    /// Takes no keyring but this one. Otherwise the first one decides, and later ones have to have its id.
    #[must_use]
    pub fn keyring_id(mut self, keyring_id: KeyId) -> Self {
        self.keyring_id = Some(keyring_id);
        self
    }

    /// How fresh the keyring must be for every request, beside what a request demands. A keyring below its
    /// `min_epoch` is not even taken.
    #[must_use]
    pub fn requiring(mut self, freshness: FreshnessRequirement) -> Self {
        self.required = freshness;
        self
    }

    /// Finds what the module would refuse, while it can still be said what that is.
    pub(crate) fn check(&self) -> Result<(), HostError> {
        match &self.keys[..] {
            [_] => Ok(()),
            [one, two] if one.id() != two.id() => Ok(()),
            _ => Err(HostError::KeyringKeys),
        }
    }
}

impl From<KeyringKey> for KeyringKeys {
    fn from(key: KeyringKey) -> Self {
        Self::new().keyring_key(key)
    }
}
