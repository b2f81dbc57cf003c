//! Keys that are no API keys, by the names that signatures give them.

use super::{
    key::SigningKey,
    policy::SignaturePolicy,
    request::HttpRequest,
    sign::RequestSigner,
    verify::{self, VerifiedSignature},
};
use crate::{
    denial::DenialCode,
    growth::push_wiping,
    shared_secret::{SharedSecret, WrongPurpose},
};
use alloc::{string::String, vec::Vec};

/// Keys for [`verify_signature`](crate::verify_signature): integration secrets, and keys that were agreed elsewhere.
///
/// ```
/// use claviger_core::{Purpose, SharedSecret, SignatureKeys, SigningKey};
///
/// let mut keys = SignatureKeys::default();
/// keys.add("partner-1", SigningKey::from_bytes(&[7; 32]));
/// // For its rotation add the old version and the new one.
/// keys.add_integration_secret(&SharedSecret::generate(Purpose::Integration, 1, &[9; 40]))?;
/// # Ok::<(), claviger_core::WrongPurpose>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct SignatureKeys {
    named: Vec<(String, SigningKey)>,
    any: Option<SigningKey>,
}

impl SignatureKeys {
    /// Adds the key that signatures call `keyid`. If there is one of that name, this one takes its place.
    #[inline]
    pub fn add(&mut self, keyid: &str, key: SigningKey) {
        match self.named.iter_mut().find(|(name, _)| name == keyid) {
            Some((_, place)) => *place = key,
            None => push_wiping(&mut self.named, (keyid.into(), key)),
        }
    }

    /// Adds an integration secret, by its name `cvgws_<id>_<version>`.
    ///
    /// # Errors
    /// [`WrongPurpose`] if it is an issuing secret.
    #[inline]
    pub fn add_integration_secret(&mut self, secret: &SharedSecret) -> Result<(), WrongPurpose> {
        let signer = RequestSigner::from_integration_secret(secret)?;
        let (keyid, key) = signer.into_parts();
        self.add(&keyid, key);
        Ok(())
    }

    /// Takes this key for every other name, and for signatures that name none: where there is but one.
    #[inline]
    pub fn set_any(&mut self, key: SigningKey) {
        self.any = Some(key);
    }

    /// The key of this name.
    #[must_use]
    #[inline]
    pub fn get(&self, keyid: Option<&str>) -> Option<&SigningKey> {
        let named = self.named.iter().find(|(name, _)| Some(name.as_str()) == keyid);
        named.map(|(_, key)| key).or(self.any.as_ref())
    }

    /// Verifies the signature of a request with these keys: see [`verify_signature`](crate::verify_signature).
    ///
    /// # Errors
    /// Those of [`verify_signature`](crate::verify_signature).
    #[inline]
    pub fn verify(
        &self,
        request: &HttpRequest<'_>,
        policy: &SignaturePolicy<'_>,
        now: u64,
    ) -> Result<VerifiedSignature, DenialCode> {
        verify::verify_signature(request, policy, now, |keyid| self.get(keyid).cloned())
    }
}
