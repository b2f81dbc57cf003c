//! Publishing: from the store to a destination, so that verifiers learn what changed, and a revoked key never comes back.
//!
//! | module | what it is |
//! |---|---|
//! | `draft` | the next root, from the one that is there and what changed |
//! | `contents` | what a keyring says of keys |
//! | `parts` | putting many parts, and telling how far it is |
//! | `garbage` | parts that nobody needs any more |
//! | `lock` | one publisher of a ring at a time |
//! | `at_once` | operations that publish what they did |
//! | `task` | a publisher that goes on by itself |
//! | `restore` | a store that knows less than its destination |
//! | `error` | what can go wrong |

mod at_once;
pub(crate) mod contents;
mod draft;
mod error;
mod garbage;
pub(crate) mod lock;
mod parts;
mod restore;
mod task;

pub(crate) use at_once::Targets;
pub use at_once::{DeniedBy, Ended, Publication, PublicationOutcome, Publications};
pub use error::PublishError;
pub use parts::Progress;
pub use restore::Restored;
pub use task::PublisherEvent;

use crate::{Destination, DestinationError, PartHash, RingId, Store, rows::time};
use chrono::{DateTime, Utc};
use draft::{Done, Draft};
use std::{
    fmt,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::OwnedMutexGuard;

/// How long a call of a destination may take if nothing else is said.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How often somebody else may have been quicker.
const ATTEMPTS: usize = 5;

/// A ring and where it is published to.
#[derive(Clone)]
pub(crate) struct Target {
    ring: RingId,
    destination: Arc<dyn Destination>,
    timeout: Duration,
    progress: Option<Arc<dyn Fn(Progress) + Send + Sync>>,
    /// Shared by those that were made of one another: a ring's publications have turns.
    put: Arc<Put>,
}

/// What was put since a publication began.
#[derive(Default)]
struct Put {
    parts: AtomicU64,
    bytes: AtomicU64,
}

impl Target {
    /// What the destination says, if it says it in time. What it was asked for may be done all the same later.
    async fn call<T>(
        &self,
        answer: impl Future<Output = Result<T, DestinationError>> + Send,
    ) -> Result<T, PublishError> {
        match tokio::time::timeout(self.timeout, answer).await {
            Ok(answer) => answer.map_err(PublishError::Destination),
            Err(_) => Err(PublishError::TooSlow { timeout: self.timeout }),
        }
    }

    /// A part that the root at the destination names.
    async fn part(&self, hash: PartHash) -> Result<Vec<u8>, PublishError> {
        self.call(self.destination.part(&hash)).await?.ok_or(PublishError::PartMissing { hash })
    }

    fn count(&self, parts: u64, bytes: u64) {
        self.put.parts.fetch_add(parts, Ordering::Relaxed);
        self.put.bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// Publishes one ring to one destination. Cheap to clone.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use claviger_sdk::{Actor, Audience, Directory, NewRing, Publisher, Store, generate_master_key};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("company.db");
/// # let path = path.to_str().ok_or("path")?;
/// let store = Store::open(path, &generate_master_key()?).await?;
/// let operator = store.acting_as(Actor::operator("platform"));
/// let ring = operator.rings().create(NewRing::new("edge", Audience::Everyone)).await?;
///
/// let publisher = Publisher::new(&store, ring.id, Directory::new(folder.path().join("edge")));
/// store.attach(&publisher); // operations that end a key publish at once from now on
/// let published = publisher.publish().await?;
/// assert!(published.whole && published.epoch > 0);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Publisher {
    pub(crate) store: Store,
    pub(crate) target: Arc<Target>,
}

/// What was published.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Published {
    /// The epoch of the root.
    pub epoch: u64,
    /// When it was issued.
    pub issued_at: DateTime<Utc>,
    /// How many parts were put, the root among them.
    pub parts: u64,
    /// How many bytes they have together.
    pub bytes: u64,
    /// Whether the keyring was made as a whole.
    pub whole: bool,
    /// How many versions of shared secrets the keyring has no room for, the newest. Their signed keys are denied; retire
    /// others, or publish a ring for fewer tenants.
    pub left_out_secrets: u64,
}

impl Publisher {
    /// Publishes the keyring `ring` of `store` to `destination`, which must hold no other keyring. A ring has one
    /// destination: what was published last is known of the ring, not of each place.
    pub fn new(store: &Store, ring: RingId, destination: impl Destination) -> Self {
        let target = Target {
            ring,
            destination: Arc::new(destination),
            timeout: TIMEOUT,
            progress: None,
            put: Arc::default(),
        };
        Self { store: store.clone(), target: Arc::new(target) }
    }

    /// The same, with another limit for each call of the destination: 30 seconds if nothing is said.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        self.changed(|target| target.timeout = timeout)
    }

    /// The same, which tells how far it is while many parts are made.
    #[must_use]
    pub fn on_progress(self, progress: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        self.changed(|target| target.progress = Some(Arc::new(progress)))
    }

    fn changed(self, change: impl FnOnce(&mut Target)) -> Self {
        let mut target = Arc::unwrap_or_clone(self.target);
        change(&mut target);
        Self { store: self.store, target: Arc::new(target) }
    }

    /// The ring that it publishes.
    #[must_use]
    pub fn ring(&self) -> RingId {
        self.target.ring
    }

    /// Publishes what changed, or, if nothing did, issues the ring anew. When this returns, a verifier that fetches the
    /// root knows everything that was done before the call.
    ///
    /// It may be interrupted anywhere: by dropping the future, by the end of the process, by a loss of power. The
    /// destination then has the root before or the new one, and the next publication goes on from there.
    ///
    /// # Errors
    /// [`PublishError`]. Nothing is lost by it: the changes are published by the next publication that succeeds.
    pub async fn publish(&self) -> Result<Published, PublishError> {
        self.publish_from(false).await
    }

    /// Publishes the keyring as a whole, every part of it, whatever is at the destination: after parts were lost there.
    ///
    /// # Errors
    /// As [`publish`](Self::publish).
    pub async fn publish_whole(&self) -> Result<Published, PublishError> {
        self.publish_from(true).await
    }

    async fn publish_from(&self, anew: bool) -> Result<Published, PublishError> {
        let _turn = self.turn().await?;
        self.publish_in_turn(anew).await
    }

    /// Waits until nobody else publishes the ring. Within this program that costs no thread and no connection.
    async fn turn(&self) -> Result<(OwnedMutexGuard<()>, lock::Turn), PublishError> {
        let mine = self.store.turn(self.target.ring).lock_owned().await;
        Ok((mine, lock::take(self.store.location(), self.target.ring).await?))
    }

    async fn publish_in_turn(&self, anew: bool) -> Result<Published, PublishError> {
        self.target.put.parts.store(0, Ordering::Relaxed);
        self.target.put.bytes.store(0, Ordering::Relaxed);
        let mut attempts = 1;
        let done = loop {
            match self.attempt(anew).await {
                // A clone of the store, or what a publisher that was stopped had begun. What it wrote is looked at first.
                Err(error) if error.is_from_another_publisher() && attempts < ATTEMPTS => attempts += 1,
                done => break done?,
            }
        };
        // The root is there; what cannot be removed now is tried again after the next one.
        let _ = self.collect_garbage(&done).await;
        let issued_at = i64::try_from(done.issued_at).ok().and_then(time).unwrap_or_default();
        Ok(Published {
            epoch: done.epoch,
            issued_at,
            parts: self.target.put.parts.load(Ordering::Relaxed),
            bytes: self.target.put.bytes.load(Ordering::Relaxed),
            whole: done.whole,
            left_out_secrets: done.left_out_secrets,
        })
    }

    async fn attempt(&self, anew: bool) -> Result<Done, PublishError> {
        // The destination before the store: what is put in the place of this root knows all that the root knows.
        let stored = self.target.call(self.target.destination.root()).await?;
        let (draft, builder) = Draft::begin(&self.store, &self.target, stored, anew).await?;
        draft.publish(builder).await
    }
}

impl fmt::Debug for Publisher {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Publisher").field("ring", &self.target.ring).finish_non_exhaustive()
    }
}
