//! Putting parts: some at the same time, because a destination may be far away.

use super::{PublishError, Target};
use crate::PartHash;
use claviger_core::KeyringPart;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use tokio::task::{JoinHandle, JoinSet};

/// How many parts are put at the same time.
const AT_ONCE: usize = 16;

/// Parts that are being built.
pub(super) type Building = JoinHandle<Result<Vec<KeyringPart>, PublishError>>;

/// Parts on their way to a destination.
pub(super) struct Parts {
    target: Arc<Target>,
    puts: JoinSet<Result<(), PublishError>>,
}

impl Parts {
    pub(super) fn new(target: &Arc<Target>) -> Self {
        Self { target: target.clone(), puts: JoinSet::new() }
    }

    /// Puts a part, as soon as there is room for one more.
    pub(super) async fn put(&mut self, part: KeyringPart) -> Result<(), PublishError> {
        while self.puts.len() >= AT_ONCE {
            self.next().await?;
        }
        let target = self.target.clone();
        self.puts.spawn(async move {
            let (hash, bytes): (PartHash, _) = (part.hash, part.bytes);
            let len = bytes.len() as u64;
            target.call(target.destination.put_part(&hash, bytes)).await?;
            target.count(1, len);
            Ok(())
        });
        Ok(())
    }

    /// Puts the parts that a task has built.
    pub(super) async fn put_built(&mut self, built: Building) -> Result<(), PublishError> {
        for part in built.await.map_err(PublishError::interrupted)?? {
            self.put(part).await?;
        }
        Ok(())
    }

    /// Waits until every part is put.
    pub(super) async fn finish(mut self) -> Result<(), PublishError> {
        while !self.puts.is_empty() {
            self.next().await?;
        }
        Ok(())
    }

    async fn next(&mut self) -> Result<(), PublishError> {
        match self.puts.join_next().await {
            None => Ok(()),
            Some(put) => put.map_err(PublishError::interrupted)?,
        }
    }
}

/// How far a large publication is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Progress {
    /// How many parts were made.
    pub done: u64,
    /// How many there are to make, buckets without keys among them.
    pub total: u64,
}

/// Tells how far it is.
pub(super) struct Counter {
    target: Arc<Target>,
    done: AtomicU64,
    total: u64,
}

impl Counter {
    pub(super) fn new(target: &Arc<Target>, total: usize) -> Self {
        let counter = Self { target: target.clone(), done: AtomicU64::new(0), total: total as u64 };
        counter.add(0);
        counter
    }

    pub(super) fn add(&self, parts: u32) {
        let done = self.done.fetch_add(parts.into(), Ordering::Relaxed).saturating_add(parts.into());
        if let Some(tell) = &self.target.progress {
            tell(Progress { done, total: self.total });
        }
    }
}
