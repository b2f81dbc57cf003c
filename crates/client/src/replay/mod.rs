//! Where it is remembered which nonces of signed requests were seen: the trait, and what comes with this crate.
//!
//! | store | who shares what was seen | after a restart |
//! |---|---|---|
//! | [`InMemoryReplayStore`] | one process | knows nothing of before |
//! | `RedisReplayStore` (feature `redis`) | all processes that use the same Redis or Valkey | knows what that has kept |
//!
//! Whether a signature is good and how old it may be is decided elsewhere.

#[cfg(feature = "redis")]
mod redis;

#[cfg(feature = "redis")]
pub use self::redis::{InvalidRedisUrl, RedisReplayError, RedisReplayStore};

use async_trait::async_trait;
use claviger_core::{DEFAULT_NONCE_CAPACITY, DEFAULT_NONCE_SECONDS, NonceWindow, ReplayAnswer, ReplayEntry};
use std::{
    fmt,
    sync::{Mutex, PoisonError},
};

/// Remembers nonces, for one process or for many.
///
/// Two promises make a store: of all who ask about the same entry, **at most one is answered
/// [`Fresh`](ReplayAnswer::Fresh)**, wherever and however often they ask until its `keep_until` is over; and what cannot be
/// promised or found out is [`Unavailable`](ReplayAnswer::Unavailable), after a bounded time.
///
/// ```
/// use claviger::{InMemoryReplayStore, ReplayAnswer, ReplayEntry, ReplayStore, unix_seconds};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let store = InMemoryReplayStore::default();
/// let now = unix_seconds();
/// let entry = ReplayEntry::new(b"3X7MqAhpmAi", b"b3k2pp5k7z-50gnwp.yemd", now + 300);
/// assert_eq!(store.check_and_insert(&entry, now).await, ReplayAnswer::Fresh);
/// assert_eq!(store.check_and_insert(&entry, now).await, ReplayAnswer::Seen);
/// # }
/// ```
#[async_trait]
pub trait ReplayStore: Send + Sync + 'static {
    /// Whether the nonce was seen before; if it was not, it is from now on. `now` is in Unix seconds.
    ///
    /// Ask only about requests whose signature is proven and whose time is good, and only once for each.
    async fn check_and_insert(&self, entry: &ReplayEntry, now: u64) -> ReplayAnswer;
}

/// So many windows, each for the ids that end in its number, so that threads seldom wait for each other.
const SHARDS: usize = 16;

/// Remembers the nonces that this process has seen: [`NonceWindow`]s of core side by side.
///
/// It begins empty. A signed request that was served just before a restart can be repeated after it, for as long as its
/// signature is taken. Where that matters, or where there are several processes, use a store that is shared.
pub struct InMemoryReplayStore {
    shards: [Mutex<NonceWindow>; SHARDS],
}

impl InMemoryReplayStore {
    /// A store for about `capacity` nonces in each span of `keep_for` seconds: the highest age of a signature plus how far
    /// its time may lie ahead. [`NonceWindow`] tells what it costs, and what happens when there are more.
    ///
    /// The capacity is divided among 16 windows. As ids are random, the first of them is full a little earlier.
    #[must_use]
    pub fn new(capacity: usize, keep_for: u32) -> Self {
        let each = capacity.div_ceil(SHARDS);
        Self { shards: std::array::from_fn(|_| Mutex::new(NonceWindow::new(each, keep_for))) }
    }

    fn check(&self, entry: &ReplayEntry, now: u64) -> ReplayAnswer {
        let [.., last] = entry.id;
        let Some(shard) = self.shards.get(usize::from(last) % SHARDS) else {
            return ReplayAnswer::Unavailable;
        };
        // A window is never left half changed: nothing in it panics.
        shard.lock().unwrap_or_else(PoisonError::into_inner).check_and_insert(entry, now)
    }
}

impl Default for InMemoryReplayStore {
    /// A store of [`DEFAULT_NONCE_CAPACITY`] and [`DEFAULT_NONCE_SECONDS`].
    fn default() -> Self {
        Self::new(DEFAULT_NONCE_CAPACITY, DEFAULT_NONCE_SECONDS)
    }
}

impl fmt::Debug for InMemoryReplayStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("InMemoryReplayStore").finish_non_exhaustive()
    }
}

#[async_trait]
impl ReplayStore for InMemoryReplayStore {
    async fn check_and_insert(&self, entry: &ReplayEntry, now: u64) -> ReplayAnswer {
        self.check(entry, now)
    }
}
