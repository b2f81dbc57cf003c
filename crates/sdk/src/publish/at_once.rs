//! Operations that end a key, and publish that at once.

use super::{PublishError, Publisher, Target};
use crate::{
    Actor, Result, RingId, Store,
    ids::RecordId,
    rows::{RowExt, time},
    work::Work,
};
use chrono::{DateTime, Utc};
use std::{ops::Deref, sync::Arc};
use tokio::task::JoinSet;

/// A record whose key was ended, and how verifiers learn of it.
///
/// It dereferences to the record.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Ended<T> {
    /// The record.
    pub record: T,
    /// How verifiers learn of it.
    pub publications: Publications,
}

impl<T> Deref for Ended<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.record
    }
}

/// How verifiers learn of what was just ended: one entry for each keyring that has the tenant's keys.
#[derive(Clone, Default, Debug)]
pub struct Publications {
    rings: Vec<Publication>,
}

impl Publications {
    /// By when every verifier of every ring denies, by its own clock, whether it hears anything more or not.
    #[must_use]
    pub fn denied_by(&self) -> DeniedBy {
        self.rings.iter().map(|ring| ring.denied_by).max().unwrap_or(DeniedBy::Now)
    }

    /// Whether every ring was published: then a verifier denies as soon as it has fetched a root.
    #[must_use]
    pub fn all_published(&self) -> bool {
        self.rings.iter().all(|ring| ring.epoch().is_some())
    }

    /// What became of each ring.
    #[must_use]
    pub fn rings(&self) -> &[Publication] {
        &self.rings
    }
}

/// By when every verifier denies what was ended, by its own clock.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[non_exhaustive]
pub enum DeniedBy {
    /// Now: no root is out that could say otherwise.
    Now,
    /// Then at the latest, even if a verifier hears nothing more and whatever became of publishing it: no root that this
    /// store issues from now on lacks what was done.
    Time(DateTime<Utc>),
    /// Nobody knows: the destination has roots that this store has not made, or may have had some.
    Unknown,
}

impl DeniedBy {
    /// The time, if it is one.
    #[must_use]
    pub const fn time(self) -> Option<DateTime<Utc>> {
        match self {
            Self::Time(time) => Some(time),
            Self::Now | Self::Unknown => None,
        }
    }
}

/// What became of one ring.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Publication {
    /// The ring.
    pub ring: RingId,
    /// By when every verifier of it denies.
    pub denied_by: DeniedBy,
    /// Whether it was published at once.
    pub outcome: PublicationOutcome,
}

impl Publication {
    /// The epoch from which on roots say it, if it was published: to be demanded as `min_epoch` where it must be known.
    #[must_use]
    pub const fn epoch(&self) -> Option<u64> {
        match self.outcome {
            PublicationOutcome::Published { epoch } => Some(epoch),
            _ => None,
        }
    }
}

/// Whether a ring was published at once.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum PublicationOutcome {
    /// It was.
    Published {
        /// The epoch of its root.
        epoch: u64,
    },
    /// No publisher of it is [attached](Store::attach) here: the one that runs elsewhere will do it.
    NotAttached,
    /// The ring was retired, and a root of it is still valid.
    Retired,
    /// It failed; the next publication does it.
    Failed(Arc<PublishError>),
}

impl Store {
    /// From now on, operations through this store (and its clones) that end a key publish at once with this publisher: expire
    /// now, delete, regenerate. It takes the place of another one for the same ring.
    pub fn attach(&self, publisher: &Publisher) {
        self.set_target(publisher.target.ring, Some(publisher.target.clone()));
    }

    /// Ends what [`attach`](Self::attach) began.
    pub fn detach(&self, ring: RingId) {
        self.set_target(ring, None);
    }
}

impl Work {
    /// Writes everything, and publishes each ring that has keys of the tenant in which the work is done, or of which a root
    /// that has some is valid.
    pub(crate) async fn commit_and_publish(mut self) -> Result<Publications> {
        let (tenant, now, sequence) = (self.tenant()?.id, self.now, self.sequence()?);
        let query = "SELECT r.id AS id, r.retired_at AS retired_at, COALESCE((SELECT MAX(p.valid_until) \
                     FROM ring_roots p WHERE p.ring = r.id), 0) AS valid_until FROM rings r WHERE r.everyone = 1 \
                     OR EXISTS (SELECT 1 FROM ring_tenants t WHERE t.ring = r.id AND t.tenant = $1) \
                     OR EXISTS (SELECT 1 FROM ring_former_tenants f WHERE f.ring = r.id AND f.tenant = $2 \
                     AND f.until_at > $3) ORDER BY r.id";
        let query = sqlx::query(query).bind(tenant.bytes()).bind(tenant.bytes()).bind(now);
        let mut rings = Vec::new();
        for row in &self.all(query).await? {
            let (valid_until, retired) = (row.int("valid_until")?, row.int("retired_at")? > 0);
            if retired && valid_until <= now {
                continue;
            }
            let denied_by =
                time(valid_until).filter(|_| valid_until > now).map_or(DeniedBy::Now, DeniedBy::Time);
            let outcome = if retired { PublicationOutcome::Retired } else { PublicationOutcome::NotAttached };
            rings.push(Publication { ring: row.id("id")?, denied_by, outcome });
        }
        let store = self.store.clone();
        self.commit().await?;
        let mut publishing = JoinSet::new();
        for (place, publication) in rings.iter().enumerate() {
            let target = store.target(publication.ring);
            if let (PublicationOutcome::NotAttached, Some(target)) = (&publication.outcome, target) {
                let publisher = Publisher { store: store.clone(), target };
                publishing.spawn(async move { (place, publisher.publish_since(sequence).await) });
            }
        }
        while let Some(published) = publishing.join_next().await {
            let Ok((place, published)) = published else { continue };
            if let Some(publication) = rings.get_mut(place) {
                publication.outcome = match published {
                    Ok(epoch) => PublicationOutcome::Published { epoch },
                    Err(error) => {
                        if error.leaves_unknown_roots() {
                            publication.denied_by = DeniedBy::Unknown;
                        }
                        PublicationOutcome::Failed(Arc::new(error))
                    }
                };
            }
        }
        Ok(Publications { rings })
    }
}

impl Publisher {
    /// Publishes what the writing transaction with this number did, and what was done since, unless somebody has. Waits for
    /// others no longer than for a destination.
    async fn publish_since(&self, sequence: i64) -> Result<u64, PublishError> {
        let timeout = self.target.timeout;
        let turn = tokio::time::timeout(timeout, self.turn()).await;
        let _turn = turn.map_err(|_| PublishError::Busy { timeout })??;
        let mut work = self.store.acting_as(Actor::operator("publisher")).read().await?;
        let query = "SELECT p.epoch AS epoch FROM rings r JOIN ring_roots p ON p.ring = r.id \
                     AND p.epoch = r.published_epoch WHERE r.id = $1 AND p.sequence >= $2";
        let query = sqlx::query(query).bind(self.target.ring.bytes()).bind(sequence);
        let known = work.optional(query).await?;
        drop(work);
        match known {
            Some(row) => Ok(row.int("epoch")?.unsigned_abs()),
            None => Ok(self.publish_in_turn(false).await?.epoch),
        }
    }
}

/// The publishers that are attached to a store.
pub(crate) type Targets = std::collections::HashMap<RingId, Arc<Target>>;
