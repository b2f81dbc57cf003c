//! Operations that end a key, and publish that at once.

use super::{PublishError, Publisher, Target};
use crate::{
    Result, RingId, Store,
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
    /// The latest time by which every verifier of every ring denies, by its own clock, whether it hears anything more or
    /// not. None if there is no ring that was ever published.
    #[must_use]
    pub fn denied_by(&self) -> Option<DateTime<Utc>> {
        self.rings.iter().filter_map(|ring| ring.denied_by).max()
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

/// What became of one ring.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Publication {
    /// The ring.
    pub ring: RingId,
    /// The latest time by which every verifier of it denies, by its own clock. It holds whatever the outcome is, because
    /// no root that is issued from now on lacks what was done. None if the ring was never published.
    pub denied_by: Option<DateTime<Utc>>,
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
    /// Writes everything, and publishes each ring that has keys of the tenant in which the work is done.
    pub(crate) async fn commit_and_publish(mut self) -> Result<Publications> {
        let tenant = self.tenant()?.id;
        let query = "SELECT r.id AS id, COALESCE((SELECT MAX(p.valid_until) FROM ring_roots p WHERE p.ring = r.id), 0) \
                     AS valid_until FROM rings r WHERE r.everyone = 1 OR EXISTS \
                     (SELECT 1 FROM ring_tenants t WHERE t.ring = r.id AND t.tenant = $1) ORDER BY r.id";
        let rows = self.all(sqlx::query(query).bind(tenant.bytes())).await?;
        let mut rings = Vec::new();
        for row in &rows {
            let denied_by = time(row.int("valid_until")?).filter(|time| time.timestamp() > 0);
            let outcome = PublicationOutcome::NotAttached;
            rings.push(Publication { ring: row.id("id")?, denied_by, outcome });
        }
        let store = self.store.clone();
        self.commit().await?;
        let mut publishing = JoinSet::new();
        for (place, publication) in rings.iter().enumerate() {
            if let Some(target) = store.target(publication.ring) {
                let publisher = Publisher { store: store.clone(), target };
                publishing.spawn(async move { (place, publisher.publish().await) });
            }
        }
        while let Some(published) = publishing.join_next().await {
            let Ok((place, published)) = published else { continue };
            if let Some(publication) = rings.get_mut(place) {
                publication.outcome = match published {
                    Ok(published) => PublicationOutcome::Published { epoch: published.epoch },
                    Err(error) => PublicationOutcome::Failed(Arc::new(error)),
                };
            }
        }
        Ok(Publications { rings })
    }
}

/// The publishers that are attached to a store.
pub(crate) type Targets = std::collections::HashMap<RingId, Arc<Target>>;
