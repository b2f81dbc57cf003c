//! What a verifier is told when it is made.

use crate::{
    engine::{Engine, NativeEngine},
    event::{Event, OnEvent},
    fetching::Fetching,
    refreshing::RefreshState,
    source::KeyringSource,
    unix_seconds,
    usage::SharedUsage,
    verifier::{Shared, Verifier},
};
use claviger_core::VerifierError;
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
            fetching: Fetching::new(),
            refreshing: RefreshState::new(),
        })))
    }
}

impl<E> fmt::Debug for VerifierBuilder<E> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("VerifierBuilder").finish_non_exhaustive()
    }
}
