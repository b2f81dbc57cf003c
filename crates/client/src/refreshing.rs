//! Getting newer keyrings: one question at a time, again and again, and with pauses that grow while it fails.

use crate::{
    engine::{Engine, EngineError},
    event::Event,
    source::{KeyringSource, SourceError},
    verifier::Shared,
};
use claviger_core::{KeyringError, KeyringInfo, NeededPart, Replacement};
use futures_util::stream::{self, StreamExt};
use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::{
    sync::{Mutex as AsyncMutex, Notify},
    task::JoinHandle,
    time::{Instant, timeout},
};

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Before there is a keyring that says how long it stays fresh.
const FIRST_INTERVAL: Duration = Duration::from_secs(15);
/// How long a verification waits for a refresh when it could be decided with a stale keyring.
const PATIENCE: Duration = Duration::from_secs(1);
/// Longer than any program runs, and short enough to reckon with.
const FOREVER: Duration = Duration::from_secs(30 * 365 * 24 * 3600);
/// How many parts a refresh fetches at once.
const AT_ONCE: usize = 4;

/// Why the newest keyring could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RefreshError {
    /// The verifier has no source: give it one when it is built.
    #[error("the verifier has no source of keyrings")]
    NoSource,
    /// The source failed.
    #[error("the source of the keyring failed")]
    Source(#[source] SourceError),
    /// The source did not answer in time.
    #[error("the source of the keyring did not answer within {0:?}")]
    TimedOut(Duration),
    /// The source could not say which epoch was taken last, so none is taken.
    #[error("the highest epoch that was taken could not be told")]
    Epoch(#[source] SourceError),
    /// The keyring was refused. The one before stays in use.
    #[error("the keyring was refused")]
    Refused(#[source] EngineError),
}

/// What is known of refreshing.
pub(crate) struct RefreshState {
    /// Held by whoever asks the source, with what he is to know for that.
    asking: AsyncMutex<Asked>,
    /// How many times the source was asked, to the end.
    times: AtomicU64,
    /// Whether a verdict found the keyring damaged: it is fetched again although it may not have changed.
    damaged: AtomicBool,
    outcome: Mutex<Outcome>,
    /// Told when the next question is due earlier than it was.
    hastened: Arc<Notify>,
}

#[derive(Default)]
struct Asked {
    /// The tag of the keyring in use.
    tag: Option<String>,
    /// The highest epoch that the source has remembered, once that is known. No keyring below it is taken.
    remembered: Option<u64>,
    /// The epoch of which it was told that it could not be remembered.
    not_remembered: Option<u64>,
    /// The epoch and issue of the keyring that was told to be half expired.
    half_expired: Option<(u64, u64)>,
}

struct Outcome {
    last: Option<Result<Replacement, Arc<RefreshError>>>,
    failures: u32,
    /// Until when nobody asks by himself.
    not_before: Instant,
    /// When the next question is due.
    due: Instant,
}

impl RefreshState {
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        let outcome = Outcome { last: None, failures: 0, not_before: now, due: now };
        Self {
            asking: AsyncMutex::default(),
            times: AtomicU64::new(0),
            damaged: AtomicBool::new(false),
            outcome: Mutex::new(outcome),
            hastened: Arc::default(),
        }
    }

    /// A part of the keyring in use is damaged: it may be whole where it comes from.
    pub(crate) fn distrust(&self) {
        self.damaged.store(true, SeqCst);
    }

    /// Something is awaited: the source is asked soon, and then for that, too.
    pub(crate) fn hasten(&self) {
        let mut outcome = self.outcome();
        let soon = later(Instant::now(), FIRST_PAUSE).max(outcome.not_before);
        if soon < outcome.due {
            outcome.due = soon;
            self.hastened.notify_one();
        }
    }

    fn outcome(&self) -> MutexGuard<'_, Outcome> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A number from 0 to 1, to keep verifiers from asking all at once.
fn random() -> f64 {
    getrandom::u32().map_or(0.5, |number| f64::from(number) / f64::from(u32::MAX))
}

/// A fifth less to a fifth more.
fn jittered(interval: Duration) -> Duration {
    interval.min(FOREVER).mul_f64(0.8 + 0.4 * random())
}

fn later(now: Instant, pause: Duration) -> Instant {
    now.checked_add(pause.min(FOREVER)).unwrap_or(now)
}

impl<E: Engine> Shared<E> {
    /// How long the source is left alone after a success.
    fn interval(&self) -> Duration {
        let by_source = || self.source.as_ref().and_then(|source| source.interval());
        let by_keyring = || {
            let quarter = self.engine.keyring().map(|keyring| keyring.fresh_for / 4);
            quarter.map_or(FIRST_INTERVAL, |quarter| Duration::from_secs(quarter.max(1).into()))
        };
        self.interval.or_else(by_source).unwrap_or_else(by_keyring)
    }

    /// Asks the source for the newest keyring, or waits for somebody who does.
    pub(crate) async fn refresh(&self) -> Result<Replacement, Arc<RefreshError>> {
        let times = self.refreshing.times.load(SeqCst);
        let mut asked = self.refreshing.asking.lock().await;
        if self.refreshing.times.load(SeqCst) != times
            && let Some(last) = self.refreshing.outcome().last.clone()
        {
            return last;
        }
        let result = self.ask(&mut asked).await.map_err(Arc::new);
        self.note(&result);
        self.tell_if_half_expired(&mut asked);
        self.refreshing.times.fetch_add(1, SeqCst);
        result
    }

    async fn ask(&self, asked: &mut Asked) -> Result<Replacement, RefreshError> {
        let source = self.source.as_deref().ok_or(RefreshError::NoSource)?;
        let before = self.engine.keyring().map(|keyring| keyring.epoch);
        if asked.remembered.is_none() {
            let epoch = timeout(self.timeout, source.remembered_epoch()).await;
            let epoch = epoch.map_err(|_| RefreshError::TimedOut(self.timeout))?;
            asked.remembered = Some(epoch.map_err(RefreshError::Epoch)?);
        }
        let newest = self.ask_for_newest(source, asked, before).await;
        self.remember_epoch(source, asked).await;
        // Also if the newest keyring cannot be had: what is awaited belongs to the one in use.
        self.fetch_awaited(source).await;
        newest
    }

    async fn ask_for_newest(
        &self,
        source: &dyn KeyringSource,
        asked: &mut Asked,
        before: Option<u64>,
    ) -> Result<Replacement, RefreshError> {
        if self.refreshing.damaged.swap(false, SeqCst) {
            asked.tag = None;
        }
        let fetched = timeout(self.timeout, source.keyring(asked.tag.as_deref())).await;
        let fetched = fetched.map_err(|_| RefreshError::TimedOut(self.timeout))?;
        let Some(fetched) = fetched.map_err(RefreshError::Source)? else { return Ok(Replacement::Unchanged) };
        let replacement = self.take(fetched.bytes, asked.remembered.unwrap_or(0), before)?;
        asked.tag = fetched.tag;
        Ok(replacement)
    }

    /// Has the source remember the epoch in use, until it has, however that keyring came.
    async fn remember_epoch(&self, source: &dyn KeyringSource, asked: &mut Asked) {
        let Some(epoch) = self.engine.keyring().map(|keyring| keyring.epoch) else { return };
        if asked.remembered >= Some(epoch) {
            return;
        }
        let remembered = timeout(self.timeout, source.remember_epoch(epoch)).await;
        match remembered.unwrap_or_else(|elapsed| Err(elapsed.into())) {
            Ok(()) => asked.remembered = Some(epoch),
            Err(error) => {
                if asked.not_remembered.replace(epoch) != Some(epoch) {
                    self.tell(&Event::EpochNotRemembered { error: &error });
                }
            }
        }
    }

    /// Puts a keyring in the place of the present one. `before` is the epoch that was in use when it was asked for.
    fn take(
        &self,
        keyring: bytes::Bytes,
        least_epoch: u64,
        before: Option<u64>,
    ) -> Result<Replacement, RefreshError> {
        match self.engine.replace_keyring(keyring, (self.clock)(), least_epoch) {
            Err(EngineError::Keyring(KeyringError::OlderEpoch { .. }))
                if before < self.engine.keyring().map(|keyring| keyring.epoch) =>
            {
                // A newer one came meanwhile, another way.
                Ok(Replacement::Unchanged)
            }
            replaced => replaced.map_err(RefreshError::Refused),
        }
    }

    /// Takes a keyring that came another way than from the source.
    pub(crate) fn take_pushed(&self, keyring: bytes::Bytes) -> Result<Replacement, RefreshError> {
        self.take(keyring, 0, self.engine.keyring().map(|keyring| keyring.epoch))
    }

    /// Fetches every part that was here before it changed, and those that could not be had.
    async fn fetch_awaited(&self, source: &dyn KeyringSource) {
        let enough = later(Instant::now(), self.timeout);
        let parts = stream::iter(self.engine.awaited_parts());
        let fetch = async |part: NeededPart| {
            // What is left is fetched by the next refresh, or by who needs it.
            if Instant::now() < enough {
                self.fetch_part(source, &part).await;
            }
        };
        parts.for_each_concurrent(AT_ONCE, fetch).await;
    }

    /// What follows from the outcome: when the next question is due, and what is told.
    fn note(&self, result: &Result<Replacement, Arc<RefreshError>>) {
        let now = Instant::now();
        let mut outcome = self.refreshing.outcome();
        outcome.last = Some(result.clone());
        match result {
            Ok(replacement) => {
                let mut interval = jittered(self.interval());
                outcome.failures = 0;
                if !self.engine.awaited_parts().is_empty() {
                    interval = interval.min(FIRST_PAUSE);
                }
                outcome.not_before = later(now, interval.min(FIRST_PAUSE));
                outcome.due = later(now, interval);
                drop(outcome);
                let epoch = self.engine.keyring().map_or(0, |keyring| keyring.epoch);
                self.tell(&Event::Refreshed { epoch, changed: *replacement == Replacement::Replaced });
            }
            Err(error) => {
                let doubled = FIRST_PAUSE.saturating_mul(1 << outcome.failures.min(6)).min(LONGEST_PAUSE);
                let retry_in = jittered(doubled);
                outcome.failures = outcome.failures.saturating_add(1);
                outcome.not_before = later(now, retry_in);
                outcome.due = outcome.not_before;
                let failures = outcome.failures;
                drop(outcome);
                self.tell(&Event::RefreshFailed { error, failures, retry_in });
            }
        }
    }

    fn tell_if_half_expired(&self, asked: &mut Asked) {
        let Some(KeyringInfo { epoch, issued_at, valid_for, .. }) = self.engine.keyring() else { return };
        let age = (self.clock)().saturating_sub(issued_at);
        if age >= u64::from(valid_for / 2) && asked.half_expired != Some((epoch, issued_at)) {
            asked.half_expired = Some((epoch, issued_at));
            self.tell(&Event::HalfExpired { epoch, age, valid_for });
        }
    }

    /// Before a verdict: if there is no keyring, or it is stale, waits a while for a newer one.
    pub(crate) async fn refresh_if_stale(self: &Arc<Self>, now: u64) {
        let keyring = self.engine.keyring();
        let fresh = |keyring: &KeyringInfo| now.saturating_sub(keyring.issued_at) < keyring.fresh_for.into();
        if self.source.is_none() || keyring.as_ref().is_some_and(fresh) {
            return;
        }
        if Instant::now() < self.refreshing.outcome().not_before {
            return;
        }
        let patience =
            if keyring.is_some() { PATIENCE.min(self.timeout) } else { self.timeout.saturating_mul(2) };
        if self.refreshing.asking.try_lock().is_err() {
            // Somebody does already, and his question goes on without this.
            let _ = timeout(patience, self.refresh()).await;
            return;
        }
        // It goes on if nobody waits for it any more.
        let shared = Arc::clone(self);
        let refresh = tokio::spawn(async move { shared.refresh().await });
        let _ = timeout(patience, refresh).await;
    }

    /// Refreshes if the interval has passed, or the pause after a failure.
    pub(crate) async fn refresh_if_due(&self) {
        if Instant::now() >= self.refreshing.outcome().due {
            // What came of it was told.
            let _ = self.refresh().await;
        }
    }

    pub(crate) fn refresh_in_background(self: &Arc<Self>) -> Refreshing {
        let shared = Arc::downgrade(self);
        Refreshing(tokio::spawn(async move {
            loop {
                let Some(strong) = shared.upgrade() else { return };
                strong.refresh_if_due().await;
                let pause = strong.refreshing.outcome().due.saturating_duration_since(Instant::now());
                let hastened = Arc::clone(&strong.refreshing.hastened);
                drop(strong);
                let _ = timeout(pause, hastened.notified()).await;
            }
        }))
    }
}

/// Refreshes a verifier's keyring for as long as it is kept.
#[must_use = "refreshing ends when this is dropped"]
pub struct Refreshing(JoinHandle<()>);

impl Drop for Refreshing {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl fmt::Debug for Refreshing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Refreshing").finish_non_exhaustive()
    }
}
