//! What decides: the core, in this process or wherever else it runs.

use arc_swap::ArcSwap;
use bytes::Bytes;
use claviger_core::{
    HttpRequest, KeyringError, KeyringInfo, KeyringKey, NeededPart, PendingVerdict, Replacement,
    RequestContext, SignaturePolicy, Verdict, VerifierError,
};
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Why an engine did not do what it was to do.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A keyring or part was refused. What was in use before stays in use.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// The engine failed.
    #[error(transparent)]
    Failed(Box<dyn std::error::Error + Send + Sync>),
}

/// Something that runs the core: [`NativeEngine`], or the host of the WebAssembly module.
///
/// Many threads call it at once.
pub trait Engine: Send + Sync + 'static {
    /// What it says about a presented key.
    fn verify_key(&self, presented: &[u8], context: &RequestContext<'_>) -> Verdict<'static>;

    /// What it says about a signed request under a policy, before it is known whether the request was made before.
    fn verify_request(
        &self,
        request: &HttpRequest<'_>,
        policy: &SignaturePolicy<'_>,
        context: &RequestContext<'_>,
    ) -> PendingVerdict<'static>;

    /// Puts a root or bundle in the place of the present keyring, if its epoch is at least `least_epoch`, and awaits every
    /// part that was here and has changed, as `claviger_core::Verifier::await_changed_parts` does. `now` is in Unix
    /// seconds.
    ///
    /// # Errors
    /// [`EngineError`]. The present keyring then stays.
    fn replace_keyring(&self, keyring: Bytes, now: u64, least_epoch: u64)
    -> Result<Replacement, EngineError>;

    /// Puts in a part that a verdict needed.
    ///
    /// # Errors
    /// [`EngineError`].
    fn insert_part(&self, part: &NeededPart, bytes: &Bytes) -> Result<(), EngineError>;

    /// Says that a part is on its way: see `claviger_core::Verifier::await_part`.
    fn await_part(&self, part: &NeededPart);

    /// The parts of the present keyring that are awaited.
    fn awaited_parts(&self) -> Vec<NeededPart>;

    /// Gives parts up that take more memory than this, in bytes.
    fn evict_parts(&self, limit: usize);

    /// The keyring that is in use.
    fn keyring(&self) -> Option<KeyringInfo>;
}

/// The core itself. Replacing a keyring never makes a verification wait.
pub struct NativeEngine {
    current: ArcSwap<claviger_core::Verifier>,
    /// Held by whoever changes anything.
    changing: Mutex<()>,
}

impl NativeEngine {
    /// An engine that takes keyrings made with one of these keys: one, or for its rotation two.
    ///
    /// # Errors
    /// [`VerifierError::KeyringKeys`].
    pub fn new(keys: impl IntoIterator<Item = KeyringKey>) -> Result<Self, VerifierError> {
        Ok(Self::with(claviger_core::Verifier::with_keyring_keys(keys)?))
    }

    /// An engine that goes on with this verifier: one that demands fresh knowledge of every request, say.
    #[must_use]
    pub fn with(verifier: claviger_core::Verifier) -> Self {
        Self { current: ArcSwap::from_pointee(verifier), changing: Mutex::new(()) }
    }

    /// The verifier as it is now, for verdicts that borrow from its keyring and copy nothing. It stays as it is when the
    /// keyring is replaced: do not keep it.
    #[must_use]
    pub fn snapshot(&self) -> Arc<claviger_core::Verifier> {
        self.current.load_full()
    }

    /// Nothing is left half done by a thread that panics: what is changed is put in its place as a whole.
    fn change(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine for NativeEngine {
    #[inline]
    fn verify_key(&self, presented: &[u8], context: &RequestContext<'_>) -> Verdict<'static> {
        self.current.load().verify_key(presented, context).into_owned()
    }

    fn verify_request(
        &self,
        request: &HttpRequest<'_>,
        policy: &SignaturePolicy<'_>,
        context: &RequestContext<'_>,
    ) -> PendingVerdict<'static> {
        self.current.load().verify_request(request, policy, context).into_owned()
    }

    fn replace_keyring(
        &self,
        keyring: Bytes,
        now: u64,
        least_epoch: u64,
    ) -> Result<Replacement, EngineError> {
        let _changing = self.change();
        let mut next = claviger_core::Verifier::clone(&self.current.load());
        let replacement = next.replace_keyring(keyring, now)?;
        let offered = next.keyring().map_or(0, |keyring| keyring.epoch);
        if offered < least_epoch {
            return Err(KeyringError::OlderEpoch { least: least_epoch, offered }.into());
        }
        if replacement == Replacement::Replaced {
            next.await_changed_parts();
        }
        self.current.store(Arc::new(next));
        Ok(replacement)
    }

    fn insert_part(&self, part: &NeededPart, bytes: &Bytes) -> Result<(), EngineError> {
        let _changing = self.change();
        Ok(self.current.load().insert_part(part.part, part.index, bytes)?)
    }

    fn await_part(&self, part: &NeededPart) {
        let _changing = self.change();
        self.current.load().await_part(part);
    }

    fn awaited_parts(&self) -> Vec<NeededPart> {
        self.current.load().awaited_parts()
    }

    fn evict_parts(&self, limit: usize) {
        let _changing = self.change();
        let current = self.current.load();
        if current.parts_size() > limit {
            let mut next = claviger_core::Verifier::clone(&current);
            next.evict_parts(limit);
            self.current.store(Arc::new(next));
        }
    }

    fn keyring(&self) -> Option<KeyringInfo> {
        self.current.load().keyring()
    }
}

impl fmt::Debug for NativeEngine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("NativeEngine").field("keyring", &self.keyring()).finish_non_exhaustive()
    }
}
