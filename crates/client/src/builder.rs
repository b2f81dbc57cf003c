//! What a verifier is told when it is made.

use crate::{
    engine::{Engine, NativeEngine},
    event::{Event, OnEvent},
    fetching::Fetching,
    refreshing::RefreshState,
    replay::{InMemoryReplayStore, ReplayStore},
    source::KeyringSource,
    unix_seconds,
    usage::SharedUsage,
    verifier::{Shared, Verifier},
};
use claviger_core::{
    DEFAULT_NONCE_CAPACITY, DEFAULT_NONCE_SECONDS, HttpRequest, SignaturePolicy, SignaturePolicyRecord,
    VerifierError,
};
use std::{fmt, sync::Arc, time::Duration};

const CACHE_LIMIT: usize = 16 << 20;
const TIMEOUT: Duration = Duration::from_secs(10);

/// Why a verifier cannot be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The keyring keys are not one or two different ones.
    #[error(transparent)]
    Keys(#[from] VerifierError),
    /// A time is zero.
    #[error("the {0} of a verifier must not be zero")]
    Zero(&'static str),
    /// A name in the signature policy is too long, or has a zero byte in it.
    #[error("a name in the signature policy is no name of a component or tag")]
    SignaturePolicy,
    /// The origin is not a scheme and an authority.
    #[error("the origin of a server is a scheme and an authority, such as https://api.example")]
    Origin,
}

/// Builds a [`Verifier`].
#[must_use = "it is not built yet"]
pub struct VerifierBuilder<E = NativeEngine> {
    engine: Result<E, VerifierError>,
    source: Option<Box<dyn KeyringSource>>,
    interval: Option<Duration>,
    timeout: Duration,
    cache_limit: usize,
    clock: Box<dyn Fn() -> u64 + Send + Sync>,
    on_event: Option<OnEvent>,
    usage: Option<usize>,
    signature_policy: Option<SignaturePolicyRecord>,
    replay_store: Option<Box<dyn ReplayStore>>,
    origin: Option<String>,
}

impl<E: Engine> VerifierBuilder<E> {
    pub(crate) fn new(engine: Result<E, VerifierError>) -> Self {
        Self {
            engine,
            source: None,
            interval: None,
            timeout: TIMEOUT,
            cache_limit: CACHE_LIMIT,
            clock: Box::new(unix_seconds),
            on_event: None,
            usage: None,
            signature_policy: Some(SignaturePolicyRecord::default()),
            replay_store: None,
            origin: None,
        }
    }

    /// Where keyrings come from. Without a source they are given by [`Verifier::replace_keyring`].
    pub fn source(mut self, source: impl KeyringSource) -> Self {
        self.source = Some(Box::new(source));
        self
    }

    /// How often the source is asked. By default as often as the source says, or four times while a keyring stays fresh.
    pub const fn refresh_every(mut self, interval: Duration) -> Self {
        self.interval = Some(interval);
        self
    }

    /// How long an answer of the source may take: by default 10 seconds.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How many bytes of memory the parts of a keyring may take that are fetched one by one: by default 16 MiB, which is
    /// some 250,000 keys. The last eight parts that came stay in any case. While changed parts are on their way, those that
    /// they take the place of are kept beside them, at most as much again.
    pub const fn cache_limit(mut self, bytes: usize) -> Self {
        self.cache_limit = bytes;
        self
    }

    /// Another clock than that of this machine, in Unix seconds.
    pub fn clock(mut self, clock: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        self.clock = Box::new(clock);
        self
    }

    /// Is told what happens to the keyring. It is called where that happens: it should return soon.
    pub fn on_event(mut self, on_event: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Self {
        self.on_event = Some(Box::new(on_event));
        self
    }

    /// Counts the keys that are verified, for [`Verifier::drain_usage`]: about `most_keys` different ones between two
    /// drains, 48 to 96 bytes each.
    pub const fn count_usage(mut self, most_keys: usize) -> Self {
        self.usage = Some(most_keys);
        self
    }

    /// What is demanded of the signatures of requests: by default [`SignaturePolicy::default`].
    pub fn signature_policy(mut self, policy: &SignaturePolicy<'_>) -> Self {
        let record = SignaturePolicyRecord::read(&SignaturePolicyRecord::write(policy));
        // What does not come back as it was is none.
        self.signature_policy = record.filter(|record| record.with(|read| read == policy));
        self
    }

    /// Where it is remembered which signed requests were made. By default in the memory of this verifier: 65,536 nonces, for as
    /// long as signatures may be used.
    ///
    /// Several processes that take the same requests need a store that they share. So does a policy without a `max_age`: what
    /// must be remembered for longer than 330 seconds is denied by the default store.
    pub fn replay_store(mut self, store: impl ReplayStore) -> Self {
        self.replay_store = Some(Box::new(store));
        self
    }

    /// The scheme and authority by which clients know this server, such as `https://api.example`: what signatures of
    /// `@authority` and `@scheme` are held against, whatever a request says. Without it, see
    /// [`verify_request`](Verifier::verify_request).
    #[cfg(feature = "http")]
    pub fn origin(mut self, origin: impl Into<String>) -> Self {
        self.origin = Some(origin.into());
        self
    }

    /// The verifier. It has no keyring yet.
    ///
    /// # Errors
    /// [`BuildError`].
    pub fn build(self) -> Result<Verifier<E>, BuildError> {
        if self.timeout.is_zero() {
            return Err(BuildError::Zero("timeout"));
        }
        if self.interval.is_some_and(|interval| interval.is_zero()) {
            return Err(BuildError::Zero("refresh interval"));
        }
        let signature_policy = self.signature_policy.ok_or(BuildError::SignaturePolicy)?;
        if self.origin.as_deref().is_some_and(|origin| !is_origin(origin)) {
            return Err(BuildError::Origin);
        }
        let replay_store = self.replay_store.unwrap_or_else(|| {
            let keep_for = signature_policy.with(|policy| policy.remembers_for());
            let keep_for = keep_for.unwrap_or(DEFAULT_NONCE_SECONDS);
            Box::new(InMemoryReplayStore::new(DEFAULT_NONCE_CAPACITY, keep_for))
        });
        let now = (self.clock)();
        Ok(Verifier(Arc::new(Shared {
            engine: self.engine?,
            source: self.source,
            interval: self.interval,
            timeout: self.timeout,
            cache_limit: self.cache_limit,
            clock: self.clock,
            on_event: self.on_event,
            usage: self.usage.map(|most_keys| SharedUsage::new(most_keys, now)),
            signature_policy,
            replay_store,
            #[cfg(feature = "http")]
            origin: self.origin,
            fetching: Fetching::new(),
            refreshing: RefreshState::new(),
        })))
    }
}

/// Whether this is a scheme and an authority, and nothing behind them.
fn is_origin(origin: &str) -> bool {
    let authority = origin.split_once("://").map_or("", |(_, authority)| authority);
    !authority.contains(['/', '?', '#']) && HttpRequest::new("GET", origin, &[]).is_ok()
}

impl<E> fmt::Debug for VerifierBuilder<E> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("VerifierBuilder").finish_non_exhaustive()
    }
}
