//! Getting the parts that verdicts need: each once at a time, few at once, and not for ever for requests that prove
//! nothing.

use crate::{
    engine::{Engine, EngineError},
    event::Event,
    fetch_budget::FetchBudget,
    source::{KeyringSource, SourceError},
    verifier::Shared,
};
use bytes::Bytes;
use claviger_core::{KeyringError, NeededPart, PartHash};
use sha2::{Digest, Sha256};
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{
    sync::{Mutex as AsyncMutex, Semaphore},
    time::{Instant, timeout},
};

/// How many parts are fetched at once.
const MOST_FETCHES: usize = 8;
/// How many requests may wait for parts.
const MOST_WAITING: usize = 4096;
/// Of how many parts it is remembered that they could not be had.
const MOST_FAILED: usize = 1024;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What was fetched, and what could not be.
pub(crate) struct Fetching {
    pub(crate) budget: FetchBudget,
    permits: Semaphore,
    waiting: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    under_way: HashMap<PartHash, Arc<Flight>>,
    failed: HashMap<PartHash, Failure>,
}

/// A fetch that is under way, for as long as it concerns anybody. Whoever holds the lock fetches; if he is gone before he is done, the next one does.
#[derive(Default)]
struct Flight {
    done: AsyncMutex<bool>,
}

struct Failure {
    pause: Duration,
    until: Instant,
}

/// Counts a request that waits for as long as it lives.
struct Waiting<'w>(&'w AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// Somebody's part in a fetch. The last one whom it concerns forgets it, also if he goes away before it is done.
struct Joined<'f> {
    fetching: &'f Fetching,
    hash: PartHash,
    flight: Arc<Flight>,
}

impl Drop for Joined<'_> {
    fn drop(&mut self) {
        // One is in the map, and one is here.
        if Arc::strong_count(&self.flight) <= 2 {
            self.land();
        }
    }
}

impl Joined<'_> {
    /// Whoever comes from now on fetches anew.
    fn land(&self) {
        let mut state = self.fetching.state();
        if state.under_way.get(&self.hash).is_some_and(|flight| Arc::ptr_eq(flight, &self.flight)) {
            state.under_way.remove(&self.hash);
        }
    }
}

impl Fetching {
    fn join(&self, hash: PartHash) -> Joined<'_> {
        let flight = Arc::clone(self.state().under_way.entry(hash).or_default());
        Joined { fetching: self, hash, flight }
    }

    pub(crate) fn new() -> Self {
        Self {
            budget: FetchBudget::new(),
            permits: Semaphore::new(MOST_FETCHES),
            waiting: AtomicUsize::new(0),
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self) -> Option<Waiting<'_>> {
        let waiting = Waiting(&self.waiting);
        (self.waiting.fetch_add(1, Relaxed) < MOST_WAITING).then_some(waiting)
    }

    fn may_try(&self, hash: &PartHash) -> bool {
        self.state().failed.get(hash).is_none_or(|failure| failure.until <= Instant::now())
    }

    fn note_failure(&self, hash: PartHash) {
        let mut state = self.state();
        if state.failed.len() >= MOST_FAILED && !state.failed.contains_key(&hash) {
            state.failed.clear();
        }
        let pause = state.failed.get(&hash).map_or(FIRST_PAUSE, |failure| failure.pause.saturating_mul(2));
        let pause = pause.min(LONGEST_PAUSE);
        let now = Instant::now();
        let until = now.checked_add(pause).unwrap_or(now);
        state.failed.insert(hash, Failure { pause, until });
    }
}

impl<E: Engine> Shared<E> {
    /// Gets a part that a verdict needs, at `now` in Unix seconds; whether it makes sense to decide again. Each fetch takes
    /// a token of the budget, which is counted in `spent`.
    pub(crate) async fn get_part(&self, part: &NeededPart, now: u64, spent: &mut u32) -> bool {
        let Some(source) = &self.source else { return false };
        let fetching = &self.fetching;
        let Some(_waiting) = fetching.wait() else { return false };
        if !fetching.may_try(&part.hash) {
            return false;
        }
        let joined = fetching.join(part.hash);
        let mut done = joined.flight.done.lock().await;
        if *done {
            return true;
        }
        if !fetching.budget.take(now) {
            return false;
        }
        *spent = spent.saturating_add(1);
        self.fetch_part(source.as_ref(), part).await;
        *done = true;
        joined.land();
        true
    }

    /// Fetches a part and puts it in. One that cannot be had is awaited: until it comes, the keyring before decides. One that
    /// came and is none is not: that keyring would cover for it.
    pub(crate) async fn fetch_part(&self, source: &dyn KeyringSource, part: &NeededPart) {
        let put = match self.fetch_bytes(source, part).await {
            Ok(bytes) => self.put_part(part, &bytes).map_err(|error| Some(error.into())),
            Err(error) => {
                self.engine.await_part(part);
                Err(error)
            }
        };
        let Err(error) = put else {
            self.fetching.state().failed.remove(&part.hash);
            return;
        };
        self.fetching.note_failure(part.hash);
        self.refreshing.hasten();
        self.tell(&Event::PartFailed { part, error: error.as_ref() });
    }

    /// The bytes of a part, with the right hash; or why there are none, `None` if it is not there.
    async fn fetch_bytes(
        &self,
        source: &dyn KeyringSource,
        part: &NeededPart,
    ) -> Result<Bytes, Option<SourceError>> {
        let fetch = async {
            let _permit = self.fetching.permits.acquire().await?;
            timeout(self.timeout, source.part(&part.hash)).await?
        };
        let bytes = fetch.await.map_err(Some)?.ok_or(None)?;
        if Sha256::digest(&bytes)[..] != part.hash {
            let error = KeyringError::WrongHash { part: part.part, index: part.index };
            return Err(Some(error.into()));
        }
        Ok(bytes)
    }

    fn put_part(&self, part: &NeededPart, bytes: &Bytes) -> Result<(), EngineError> {
        match self.engine.insert_part(part, bytes) {
            // The keyring was replaced meanwhile, and does not have this part any more: nothing to be told.
            Err(EngineError::Keyring(KeyringError::WrongHash { .. } | KeyringError::NoSuchPart { .. }))
            | Ok(()) => {
                self.engine.evict_parts(self.cache_limit);
                Ok(())
            }
            failed => failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fetch_is_forgotten_by_the_last_whom_it_concerns() {
        let fetching = Fetching::new();
        let (one, two) = (fetching.join([1; 32]), fetching.join([1; 32]));
        assert!(Arc::ptr_eq(&one.flight, &two.flight));
        drop(one);
        assert_eq!(fetching.state().under_way.len(), 1);
        drop(two);
        assert_eq!(fetching.state().under_way.len(), 0);
        let landed = fetching.join([1; 32]);
        landed.land();
        let next = fetching.join([1; 32]);
        assert!(!Arc::ptr_eq(&landed.flight, &next.flight));
        drop(landed);
        assert_eq!(fetching.state().under_way.len(), 1);
    }
}
