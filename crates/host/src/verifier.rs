//! The verifier of this host: core's verdicts, from pooled instances.

use crate::{
    error::HostError,
    module::Module,
    pool::{Pool, PoolOptions},
    secrets::Secrets,
};
use claviger_core::{RequestContext, Verdict, VerifyKey};

/// Verifies signed keys in pooled instances of a [`Module`]. Share it between threads.
///
/// An instance keeps its secrets between calls. One that traps, is interrupted or answers nonsense is thrown away
/// and another takes its place; the others are not affected.
pub struct Verifier {
    pool: Pool,
}

impl Verifier {
    /// A verifier that trusts `secrets`.
    ///
    /// # Errors
    /// [`HostError::NoSecrets`], [`HostError::DuplicateVersion`] or [`HostError::WrongPurpose`] if the secrets are
    /// not a configuration; [`HostError::Instantiate`] if there is no room for an instance; [`HostError::Trapped`] or
    /// [`HostError::Refused`] if the module fails on them.
    pub fn new(module: &Module, secrets: Secrets, options: PoolOptions) -> Result<Self, HostError> {
        Ok(Self { pool: Pool::new(module.clone(), secrets, options)? })
    }

    /// What the module says about a presented key: text or any bytes, of any length.
    ///
    /// If there is no verdict, the key is denied with the code of the error: `pool_exhausted` or `verifier_fault`.
    #[inline]
    pub fn verify_key(&self, presented: impl AsRef<[u8]>, context: &RequestContext<'_>) -> Verdict<'_> {
        let verdict = self.try_verify_key(presented, context);
        verdict.unwrap_or_else(|error| Verdict::denied(error.denial_code(), None))
    }

    /// What the module says about a presented key, or why it says nothing.
    ///
    /// # Errors
    /// [`HostError::PoolExhausted`] if every instance was busy for too long, and [`HostError::Trapped`],
    /// [`HostError::InvalidAnswer`] or [`HostError::Instantiate`] if the module failed.
    #[inline]
    pub fn try_verify_key(
        &self,
        presented: impl AsRef<[u8]>,
        context: &RequestContext<'_>,
    ) -> Result<Verdict<'static>, HostError> {
        let mut lent = self.pool.lend()?;
        let verdict = lent.instance()?.verify_key(presented.as_ref(), context)?;
        lent.give_back();
        Ok(verdict)
    }

    /// Puts other secrets in the place of the present ones, in every instance.
    ///
    /// When it returns, every verdict that is still to come is by the new secrets alone: it waits for the calls that
    /// are under way, which the engine's epochs bound.
    ///
    /// # Errors
    /// Those of [`new`](Self::new). The present secrets then stay.
    pub fn replace_secrets(&self, secrets: Secrets) -> Result<(), HostError> {
        self.pool.replace(secrets)
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
