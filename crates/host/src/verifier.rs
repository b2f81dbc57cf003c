//! The verifier of this host: core's verdicts, from pooled instances.

use crate::{
    error::HostError,
    keyring_keys::KeyringKeys,
    module::Module,
    parts::Parts,
    pool::{Lent, Pool, PoolOptions},
    secrets::Secrets,
    trust::Trust,
};
use claviger_core::{KeyringError, KeyringInfo, PartKind, Replacement, RequestContext, Verdict, VerifyKey};
use std::sync::Arc;

/// Verifies keys in pooled instances of a [`Module`], in one of the two ways of core's
/// [`Verifier`](claviger_core::Verifier): [with a keyring](Self::with_keyring_keys), or with nothing but
/// [issuing secrets](Self::new). Share it between threads.
///
/// An instance keeps its secrets and its parts of the keyring between calls. One that traps, is interrupted or answers
/// nonsense is thrown away and another takes its place; the others are not affected.
pub struct Verifier {
    pub(crate) pool: Pool,
    pub(crate) parts: Parts,
}

impl Verifier {
    /// A verifier that trusts `secrets`. It proves signed keys, and its verdicts say that revocation was not checked.
    ///
    /// # Errors
    /// [`HostError::NoSecrets`], [`HostError::DuplicateVersion`] or [`HostError::WrongPurpose`] if the secrets are
    /// not a configuration; [`HostError::Instantiate`] if there is no room for an instance; [`HostError::Trapped`] or
    /// [`HostError::Refused`] if the module fails on them.
    pub fn new(module: &Module, secrets: Secrets, options: PoolOptions) -> Result<Self, HostError> {
        Self::trusting(module, Trust::Secrets(secrets), options)
    }

    /// A verifier that takes a keyring made with one of `keys`. Until [`replace_keyring`](Self::replace_keyring) has
    /// given it one, every key is denied as `keyring_unavailable`.
    ///
    /// ```
    /// use claviger_host::{KeyringKeys, Module, PoolOptions, Verifier};
    /// use claviger_host::core::{KeyId, KeyringBuilder, KeyringKey, KeyringTerms, RequestContext};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let key = KeyringKey::generate(&[7; 40]);
    /// let mut builder = KeyringBuilder::new(&key, KeyringTerms::new(KeyId::from_u64(1)), 0);
    /// let (epoch, now) = (1, 1_790_000_000);
    /// let root = builder.finish(epoch, now)?;
    ///
    /// let verifier =
    ///     Verifier::with_keyring_keys(&Module::embedded()?, KeyringKeys::from(key), PoolOptions::default())?;
    /// verifier.replace_keyring(root, now)?;
    /// assert_eq!(verifier.keyring().map(|keyring| keyring.epoch), Some(epoch));
    /// assert!(!verifier.verify_key("a key", &RequestContext::at(now)).is_verified());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`HostError::KeyringKeys`] if there is no key, or more than two, or two with the same id, and those of
    /// [`new`](Self::new) that are not about secrets.
    pub fn with_keyring_keys(
        module: &Module,
        keys: KeyringKeys,
        options: PoolOptions,
    ) -> Result<Self, HostError> {
        Self::trusting(module, Trust::KeyringKeys(keys), options)
    }

    fn trusting(module: &Module, trust: Trust, options: PoolOptions) -> Result<Self, HostError> {
        let pool = Pool::new(module.clone(), trust, options)?;
        Ok(Self { pool, parts: Parts::default() })
    }

    /// What the module says about a presented key: text or any bytes, of any length.
    ///
    /// If there is no verdict, the key is denied with the code of the error: `pool_exhausted` or `verifier_fault`.
    #[inline]
    pub fn verify_key(&self, presented: impl AsRef<[u8]>, context: &RequestContext<'_>) -> Verdict<'static> {
        let verdict = self.try_verify_key(presented, context);
        verdict.unwrap_or_else(|error| Verdict::denied(error.denial_code(), None))
    }

    /// What the module says about a presented key, or why it says nothing.
    ///
    /// A call that the engine's epoch has ended is made once more, in another instance: on a machine that stood still
    /// for a moment it is not the module that took too long.
    ///
    /// # Errors
    /// [`HostError::PoolExhausted`] if every instance was busy for too long; [`HostError::ContextTooLong`] if the
    /// context takes more than 3 KiB; [`HostError::Trapped`], [`HostError::InvalidAnswer`] or
    /// [`HostError::Instantiate`] if the module failed, also where [`HostError::NoRoomForPart`] says that the keyring is
    /// too large for an instance.
    #[inline]
    pub fn try_verify_key(
        &self,
        presented: impl AsRef<[u8]>,
        context: &RequestContext<'_>,
    ) -> Result<Verdict<'static>, HostError> {
        let presented = presented.as_ref();
        match self.ask(presented, context) {
            Err(error) if error.was_interrupted() => self.ask(presented, context),
            verdict => verdict,
        }
    }

    #[inline]
    fn ask(&self, presented: &[u8], context: &RequestContext<'_>) -> Result<Verdict<'static>, HostError> {
        self.lend()?.call(|instance| instance.verify_key(presented, context, &self.parts))
    }

    /// Lends an instance that has every part that it waited for and that has come.
    #[inline]
    pub(crate) fn lend(&self) -> Result<Lent<'_>, HostError> {
        let mut lent = self.pool.lend()?;
        lent.settle(&self.parts)?;
        Ok(lent)
    }

    /// Puts a keyring in the place of the present one, for every instance: a bundle, or a root alone whose parts are
    /// [inserted](Self::insert_part). `now` is in Unix seconds.
    ///
    /// The bytes stay in this host. Only what opens the keyring enters the instances, and of the rest those parts that
    /// verdicts need; there they are checked. Parts that did not change are not read again.
    ///
    /// An instance of its own says whether the keyring is taken, held against the present one; the others take it when
    /// they are used next. A root alone brings no parts: what no instance has yet is then needed, even if it stood in the
    /// bundle before. When this returns, every verdict that is still to come is by the new keyring: it waits for the calls
    /// that are under way, which the engine's epochs bound and which end by the keyring that they began with. It also
    /// waits for a replacement that another thread has begun.
    ///
    /// # Errors
    /// [`HostError::Keyring`] if the keyring is refused; [`HostError::Instantiate`] if there is no room for an instance to
    /// say so; those of a module that failed, as for [`try_verify_key`](Self::try_verify_key). The present keyring then
    /// stays in use, in every instance.
    pub fn replace_keyring(
        &self,
        keyring: impl AsRef<[u8]> + Send + Sync + 'static,
        now: u64,
    ) -> Result<Replacement, HostError> {
        self.check_takes_keyrings()?;
        self.pool.replace_keyring(Arc::new(keyring), now, |_, _, _| Ok(()))
    }

    /// Inserts a part of the keyring that a verdict [needed](claviger_core::Denied::needed), for every instance.
    ///
    /// This host keeps it for instances that have yet to need it and for later keyrings that have the same part, for as
    /// long as the verifier lives, unless it is told [how much memory](Self::evict_parts) parts may take.
    ///
    /// # Errors
    /// [`HostError::Keyring`] if it is not what the root says, or if there is no root; otherwise those of
    /// [`replace_keyring`](Self::replace_keyring).
    pub fn insert_part(&self, part: PartKind, index: u32, bytes: &[u8]) -> Result<(), HostError> {
        self.check_takes_keyrings()?;
        self.pool.lend()?.call(|instance| instance.insert_part(part, index, bytes))?;
        self.parts.keep(bytes);
        Ok(())
    }

    /// From now on parts that are inserted one by one take at most so many bytes of memory in this host, and so many again
    /// in each instance, but for the last eight. Those go first that nobody has proved a key with.
    pub fn evict_parts(&self, limit: usize) {
        self.parts.set_limit(limit);
    }

    /// The keyring that is in use.
    #[must_use]
    pub fn keyring(&self) -> Option<KeyringInfo> {
        self.pool.keyring()
    }

    pub(crate) fn check_takes_keyrings(&self) -> Result<(), HostError> {
        match *self.pool.trust() {
            Trust::KeyringKeys(_) => Ok(()),
            Trust::Secrets(_) | Trust::SignatureKeys(_) => Err(HostError::Keyring(KeyringError::NoKeyring)),
        }
    }

    /// Puts other secrets in the place of the present ones, in every instance.
    ///
    /// When it returns, every verdict that is still to come is by the new secrets alone: it waits for the calls that
    /// are under way, which the engine's epochs bound.
    ///
    /// # Errors
    /// Those of [`new`](Self::new), and [`HostError::TakesNoSecrets`] if the verifier was made with keyring keys. The
    /// present secrets then stay.
    pub fn replace_secrets(&self, secrets: Secrets) -> Result<(), HostError> {
        match *self.pool.trust() {
            Trust::Secrets(_) => self.pool.replace(Trust::Secrets(secrets)),
            Trust::KeyringKeys(_) | Trust::SignatureKeys(_) => Err(HostError::TakesNoSecrets),
        }
    }
}

impl VerifyKey for Verifier {
    fn verify_key(&self, presented: &[u8], context: &RequestContext<'_>) -> Verdict<'_> {
        Verifier::verify_key(self, presented, context)
    }
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Verifier").finish_non_exhaustive()
    }
}
