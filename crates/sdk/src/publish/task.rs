//! A publisher that goes on by itself: it publishes what changes, and issues the ring anew before verifiers call it
//! stale.

use super::{PublishError, Published, Publisher};
use crate::{Actor, Rule, changes, ids::RecordId, rings, rows::RowExt, sql::Statement};
use std::time::Duration;

/// How often the store is asked whether another program has changed something.
const POLL: Duration = Duration::from_secs(1);
/// The longest pause after failures, however short the ring stays fresh.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What happened in [`Publisher::run`].
#[derive(Debug)]
#[non_exhaustive]
pub enum PublisherEvent<'e> {
    /// The ring was published.
    Published(&'e Published),
    /// It was not. It will be tried again after `retry_in`.
    Failed {
        /// Why.
        error: &'e PublishError,
        /// How long from now.
        retry_in: Duration,
    },
}

impl Publisher {
    /// Publishes whenever something changes, and issues the ring anew before half of `fresh_for` is over, until the future
    /// is dropped or the ring is retired. Changes made through this store are published at once, those of other programs
    /// within a second.
    ///
    /// `tell` hears of each publication and each failure; after a failure it is tried again, at first after a second.
    ///
    /// # Errors
    /// [`PublishError::Store`] with [`Rule::RingRetired`] when the ring is retired.
    pub async fn run(&self, mut tell: impl FnMut(PublisherEvent<'_>)) -> Result<(), PublishError> {
        let mut pause = POLL;
        loop {
            // Listening comes before looking, so that nothing falls in between.
            let changed = self.store.changed();
            match self.publish_if_due().await {
                Ok(published) => {
                    if let Some(published) = &published {
                        tell(PublisherEvent::Published(published));
                    }
                    pause = POLL;
                    // Nothing more than to wait: whether something changed or a second passed, it is looked again.
                    let _ = tokio::time::timeout(POLL, changed).await;
                }
                Err(PublishError::Store(error)) if error.rule() == Some(Rule::RingRetired) => {
                    return Err(error.into());
                }
                Err(error) => {
                    tell(PublisherEvent::Failed { error: &error, retry_in: pause });
                    tokio::time::sleep(pause).await;
                    pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// Publishes if something changed that the ring says, or if it is time to issue it anew.
    ///
    /// # Errors
    /// As [`publish`](Self::publish).
    pub async fn publish_if_due(&self) -> Result<Option<Published>, PublishError> {
        if self.is_due().await? { self.publish().await.map(Some) } else { Ok(None) }
    }

    async fn is_due(&self) -> Result<bool, PublishError> {
        let mut work = self.store.acting_as(Actor::operator("publisher")).read().await?;
        let ring = rings::load_active(&mut work, self.target.ring).await?;
        let query = "SELECT p.sequence AS sequence, p.issued_at AS issued_at, p.layout AS layout, r.layout AS wanted, \
                     p.valid_until AS valid_until FROM rings r \
                     JOIN ring_roots p ON p.ring = r.id AND p.epoch = r.published_epoch WHERE r.id = $1";
        let row = work.optional(sqlx::query(query).bind(ring.id.bytes())).await?;
        let Some(row) = row else { return Ok(true) };
        let issued_at = row.int("issued_at")?;
        // A clock that was put back makes it due, too.
        let age = work.now.saturating_sub(issued_at);
        let valid_for = row.int("valid_until")?.saturating_sub(issued_at);
        let half = ring.fresh_for.num_seconds() / 2;
        if age < 0 || age >= half || row.int("layout")? != row.int("wanted")? {
            return Ok(true);
        }
        if valid_for != ring.valid_for.num_seconds() {
            return Ok(true);
        }
        let mut changed = Statement::new("SELECT 1 AS found FROM changes WHERE sequence > ");
        changed.bind(row.int("sequence")?).push(" AND ");
        changes::of_audience(&mut changed, "tenant", &ring);
        changed.push(" LIMIT 1");
        if work.optional(changed.query(work.dialect())?).await?.is_some() {
            return Ok(true);
        }
        // A version of a shared secret that is over since.
        let mut over = Statement::new(
            "SELECT 1 AS found FROM secret_versions v JOIN shared_secrets s ON s.id = v.secret WHERE v.accepted_until > ",
        );
        over.bind(issued_at).push(" AND v.accepted_until <= ").bind(work.now).push(" AND ");
        changes::of_audience(&mut over, "s.tenant", &ring);
        over.push(" LIMIT 1");
        Ok(work.optional(over.query(work.dialect())?).await?.is_some())
    }
}
