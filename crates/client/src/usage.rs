//! Counting uses from many threads.

use claviger_core::{KeyId, UsageBatch, UsageRecorder};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// So many recorders, each for the ids that end in its number, so that threads seldom wait for each other.
const SHARDS: usize = 16;

/// Recorders of core, side by side.
#[derive(Debug)]
pub(crate) struct SharedUsage {
    shards: [Mutex<UsageRecorder>; SHARDS],
}

impl SharedUsage {
    pub(crate) fn new(most_keys: usize, now: u64) -> Self {
        let each = most_keys.div_ceil(SHARDS);
        Self { shards: std::array::from_fn(|_| Mutex::new(UsageRecorder::new(each, now))) }
    }

    fn lock(shard: &Mutex<UsageRecorder>) -> MutexGuard<'_, UsageRecorder> {
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[inline]
    pub(crate) fn record(&self, key: KeyId, now: u64) {
        if let Some(shard) = self.shards.get(key.as_u64() as usize % SHARDS) {
            Self::lock(shard).record(key, now);
        }
    }

    /// Everything that was counted, as one batch.
    pub(crate) fn drain(&self, now: u64) -> Option<UsageBatch> {
        // All are held at once, so that all tell of the same time.
        let mut shards = self.shards.each_ref().map(Self::lock);
        let mut batches = shards.iter_mut().filter_map(|shard| shard.drain(now));
        let mut whole = batches.next()?;
        for batch in batches {
            whole.uses.extend(batch.uses);
            whole.lost = whole.lost.saturating_add(batch.lost);
            // Where a shard has lost uses, only what was after that is covered.
            whole.from = whole.from.max(batch.from);
        }
        Some(whole)
    }
}
