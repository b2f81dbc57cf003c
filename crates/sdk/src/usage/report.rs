//! A verifier's report: a batch of uses, and the time of which it tells everything. It can come late, out of order and
//! again: what it says is counted once.

use super::coverage;
use crate::{
    BatchId, Error, Result, Rule, VerifierId,
    ids::RecordId,
    rows::{self, RowExt},
    sql::{Statement, rows_at_once},
    work::Work,
};
use chrono::{DateTime, Utc};
use claviger_core::{KeyId, UsageBatch};
use std::collections::BTreeMap;

/// The most uses in a report.
const MAX_USES: usize = 10_000;

/// For how many seconds after its end a batch is remembered, and as long can it be reported.
const REMEMBERED: i64 = 30 * 24 * 60 * 60;

/// That a key was used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeyUse {
    /// The key.
    pub key: KeyId,
    /// When last. A time in the future counts as now, one before the key was created as then.
    pub last_used_at: DateTime<Utc>,
    /// How often; the sum of all reports stays at its maximum when it gets there.
    pub count: u32,
}

/// What a verifier has seen of the use of keys. The same value can be sent again until its arrival is confirmed.
///
/// ```
/// # use claviger_sdk::{BatchId, KeyId, KeyUse, Session, UsageReport, VerifierId};
/// # use chrono::{DateTime, Utc};
/// # async fn example(session: &Session, edge: VerifierId, key: KeyId, from: DateTime<Utc>, until: DateTime<Utc>)
/// #     -> claviger_sdk::Result<()> {
/// let uses = [KeyUse { key, last_used_at: from, count: 3 }];
/// let report = UsageReport::new(BatchId::random()?, from, until).uses(uses);
/// let outcome = session.usage().report(edge, &report).await?;
/// assert!(!outcome.repeated);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[must_use = "it is not sent yet: pass it to report"]
pub struct UsageReport {
    batch: BatchId,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
    uses: Vec<KeyUse>,
}

impl UsageReport {
    /// A report that nothing was used.
    ///
    /// It says that what the verifier saw `from` (inclusive) then `until` (exclusive) then is in this batch, or in others
    /// that were taken before. Fractions of seconds are dropped, so a verifier cuts its batches at whole seconds, and each
    /// goes on where the one before has ended. A verifier that was not there before says so with the beginning of time
    /// (`DateTime::UNIX_EPOCH`) as its first `from`; one that has lost what it saw leaves a gap. If one batch is too
    /// small, the others come first, with `until` as their `from`, too: they tell uses, but cover no time.
    ///
    /// `batch` is chosen at random by whoever makes the report. A batch with the same id counts as the same, whatever is
    /// in it.
    pub const fn new(batch: BatchId, from: DateTime<Utc>, until: DateTime<Utc>) -> Self {
        Self { batch, from, until, uses: Vec::new() }
    }

    /// Adds uses: at most 10,000 in all. Those of the same key become one.
    pub fn uses(mut self, uses: impl IntoIterator<Item = KeyUse>) -> Self {
        self.uses.extend(uses);
        self
    }

    /// A report of what a verifier has counted and [drained](claviger_core::UsageRecorder::drain). A batch of more than 10,000
    /// uses is [split](UsageBatch::split) before, and each part reported with an id of its own, in their order.
    ///
    /// # Errors
    /// [`Error::Invalid`] for times beyond those that can be.
    pub fn of(batch: BatchId, counted: &UsageBatch) -> Result<Self> {
        let time = |field, seconds: u64| {
            let time = i64::try_from(seconds).ok().and_then(rows::time);
            time.ok_or_else(|| Error::invalid(field, "expected Unix seconds of a year with four digits"))
        };
        let mut report = Self::new(batch, time("from", counted.from)?, time("until", counted.until)?);
        for used in &counted.uses {
            let last_used_at = time("last_used_at", used.last_used_at)?;
            report.uses.push(KeyUse { key: used.key_id, last_used_at, count: used.count });
        }
        Ok(report)
    }

    /// Each key once, with the last of its times in Unix seconds and the sum of its counts. They are in order, so that
    /// those whose rows are found on the same pages follow each other.
    fn merged(&self, now: i64) -> Vec<(KeyId, i64, i64)> {
        let mut keys: BTreeMap<KeyId, (i64, i64)> = BTreeMap::new();
        for used in &self.uses {
            let (at, count) = keys.entry(used.key).or_default();
            *at = used.last_used_at.timestamp().clamp(1, now.max(1)).max(*at);
            *count = count.saturating_add(used.count.into());
        }
        keys.into_iter().map(|(key, (at, count))| (key, at, count)).collect()
    }

    pub(super) async fn take(&self, work: &mut Work, verifier: VerifierId) -> Result<UsageOutcome> {
        if self.uses.len() > MAX_USES {
            return Err(Error::invalid("uses", "expected at most 10,000 in a report; make several"));
        }
        if self.from > self.until {
            return Err(Error::invalid("from", "comes after until"));
        }
        let registered = sqlx::query("SELECT name FROM verifiers WHERE id = $1").bind(verifier.bytes());
        if work.optional(registered).await?.is_none() {
            return Err(Error::not_found("verifier", verifier));
        }
        let (now, until) = (work.now, self.until.timestamp());
        let forgotten = now.saturating_sub(REMEMBERED);
        if until <= forgotten {
            return Err(Rule::UsageReportTooOld.into());
        }
        if let Some(outcome) = self.earlier(work, verifier).await? {
            return Ok(outcome);
        }
        let forget = sqlx::query("DELETE FROM usage_batches WHERE until_at <= $1").bind(forgotten);
        work.run(forget).await?;
        let uses = self.merged(now);
        let known = count(work, &uses).await?;
        let dropped = (uses.len() as u64).saturating_sub(known);
        let remember = "INSERT INTO usage_batches (verifier, batch, until_at, received_at, known, dropped) \
                        VALUES ($1, $2, $3, $4, $5, $6)";
        let remember = sqlx::query(remember).bind(verifier.bytes()).bind(self.batch.bytes()).bind(until);
        work.run(remember.bind(now).bind(known as i64).bind(dropped as i64)).await?;
        let (from, until) = (self.from.timestamp().max(0), until.min(now));
        coverage::extend(work, verifier, from, until).await?;
        Ok(UsageOutcome { known, dropped, repeated: false })
    }

    /// What came of this batch when it was taken, if it was.
    async fn earlier(&self, work: &mut Work, verifier: VerifierId) -> Result<Option<UsageOutcome>> {
        let query = "SELECT known, dropped FROM usage_batches WHERE verifier = $1 AND batch = $2";
        let query = sqlx::query(query).bind(verifier.bytes()).bind(self.batch.bytes());
        let Some(row) = work.optional(query).await? else { return Ok(None) };
        let (known, dropped) = (row.number("known")?, row.number("dropped")?);
        Ok(Some(UsageOutcome { known, dropped, repeated: true }))
    }
}

/// Adds uses to their keys, and returns how many there are of these.
async fn count(work: &mut Work, uses: &[(KeyId, i64, i64)]) -> Result<u64> {
    let mut known: u64 = 0;
    for uses in uses.chunks(rows_at_once(3)) {
        let mut update = Statement::new("WITH used (id, used_at, uses) AS (");
        update.rows(uses, |row, &(key, at, count)| {
            row.bind(key.bytes()).bind(at).bind(count);
        });
        update.push(
            ") UPDATE api_keys SET \
             last_used_at = CASE WHEN api_keys.last_used_at >= used.used_at THEN api_keys.last_used_at \
             WHEN api_keys.created_at >= used.used_at THEN api_keys.created_at ELSE used.used_at END, \
             use_count = CASE WHEN api_keys.use_count > 9223372036854775807 - used.uses THEN 9223372036854775807 \
             ELSE api_keys.use_count + used.uses END \
             FROM used WHERE api_keys.id = used.id AND api_keys.deleted_at = 0",
        );
        known = known.saturating_add(work.run(update.query(work.dialect())?).await?);
    }
    Ok(known)
}

/// What came of a report.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct UsageOutcome {
    /// How many of its keys were known.
    pub known: u64,
    /// How many were not, or were deleted: their uses are dropped.
    pub dropped: u64,
    /// Whether this batch was taken before: then nothing is changed, and the other fields say what came of it that time.
    pub repeated: bool,
}
