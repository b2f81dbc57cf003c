//! Reviews: which keys somebody should look at, and who has looked at which.

use crate::{
    ApiKey, Error, Result, Session,
    ids::RecordId,
    keys,
    page::{awaitable, check_limit},
    rows::{RowExt, time},
    sql::Statement,
    usage, validate,
    work::Work,
};
use chrono::{DateTime, TimeDelta, Utc};
use claviger_core::KeyId;
use serde_json::json;

/// Which keys somebody should look at, for what reason. A key may be in several lists.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct ReviewReport {
    /// Never used, as every verifier says: see [`LastUse::Never`](crate::LastUse::Never).
    pub never_used: Vec<ApiKey>,
    /// Used, but not since the time that was asked about, as every verifier says.
    pub unused: Vec<ApiKey>,
    /// Of which it is not known whether they were used since then, because some verifier has not reported all of that time
    /// or was silent for more than a day: not to be cleaned up.
    pub use_unknown: Vec<ApiKey>,
    /// Expired.
    pub expired: Vec<ApiKey>,
    /// Their owner is deactivated.
    pub inactive_owner: Vec<ApiKey>,
    /// They can do everything.
    pub admin: Vec<ApiKey>,
    /// An earlier review said that somebody should look again, and it is time.
    pub review_due: Vec<ApiKey>,
    /// Whether a list had more keys than were asked for; the report then shows the first of them.
    pub truncated: bool,
}

/// That somebody has looked at a key.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Review {
    /// The key.
    pub key: KeyId,
    /// When.
    pub reviewed_at: DateTime<Utc>,
    /// Who, as the audit log names him.
    pub reviewer: String,
    /// What he found.
    pub note: String,
    /// When somebody should look again, if that was said.
    pub due_at: Option<DateTime<Utc>>,
}

/// Reviews: see [`Session::reviews`].
#[derive(Clone, Copy)]
pub struct Reviews<'s>(pub(crate) &'s Session);

impl<'s> Reviews<'s> {
    /// The keys that somebody should look at. Keys that were revoked are in no list, personal keys never.
    ///
    /// Awaiting it fails with [`Error::PermissionNeeded`] without `api_keys:view` or `api_keys:modify_all`, and with
    /// [`Error::Invalid`] for a limit that is not 1 to 1000.
    pub const fn report(self) -> ReportReviews<'s> {
        ReportReviews { session: self.0, unused_since: None, limit: 100 }
    }

    /// Records that the actor has looked at a key. `note` has up to 1000 characters; after `again_in` somebody should look
    /// again.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::PermissionNeeded`] without `api_keys:modify_all`; [`Error::Invalid`] for a time that is
    /// not between a day and ten years.
    pub async fn record(self, key: KeyId, note: &str, again_in: Option<TimeDelta>) -> Result<Review> {
        let mut work = self.0.write().await?;
        work.require("api_keys:modify_all")?;
        keys::load_visible(&mut work, key).await?;
        validate::description(note)?;
        let seconds = again_in.map(|time| time.num_seconds());
        if seconds.is_some_and(|seconds| !(86_400..=3653 * 86_400).contains(&seconds)) {
            return Err(Error::invalid("again_in", "expected a day to ten years"));
        }
        let (now, reviewer) = (work.now, work.actor_label());
        let due_at = seconds.map_or(0, |seconds| now.saturating_add(seconds));
        let insert = "INSERT INTO key_reviews (api_key, reviewed_at, reviewer, note, due_at) VALUES ($1, $2, $3, $4, $5)";
        let insert = sqlx::query(insert).bind(key.bytes()).bind(now).bind(reviewer.clone());
        work.run(insert.bind(note.to_owned()).bind(due_at)).await?;
        let update = sqlx::query("UPDATE api_keys SET review_due_at = $1 WHERE id = $2");
        work.run(update.bind(due_at).bind(key.bytes())).await?;
        work.audit(
            "key.reviewed",
            key,
            json!({ "note": note, "due_at": Some(due_at).filter(|&time| time > 0) }),
        );
        work.commit().await?;
        Ok(Review {
            key,
            reviewed_at: time(now).unwrap_or_default(),
            reviewer,
            note: note.to_owned(),
            due_at: time(due_at).filter(|_| due_at > 0),
        })
    }

    /// The reviews of a key, the newest first.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn of(self, key: KeyId) -> Result<Vec<Review>> {
        let mut work = self.0.read().await?;
        keys::load_visible(&mut work, key).await?;
        let query = "SELECT reviewed_at, reviewer, note, due_at FROM key_reviews WHERE api_key = $1 \
                     ORDER BY reviewed_at DESC";
        let rows = work.all(sqlx::query(query).bind(key.bytes())).await?;
        let read = |row: &sqlx::any::AnyRow| {
            Ok(Review {
                key,
                reviewed_at: row.time("reviewed_at")?,
                reviewer: row.text("reviewer")?,
                note: row.text("note")?,
                due_at: row.optional_time("due_at")?,
            })
        };
        rows.iter().map(read).collect()
    }
}

/// A review report: see [`Reviews::report`].
#[derive(Debug)]
#[must_use = "a report is made when it is awaited"]
pub struct ReportReviews<'s> {
    session: &'s Session,
    unused_since: Option<i64>,
    limit: u16,
}

awaitable!(ReportReviews => ReviewReport);

impl ReportReviews<'_> {
    /// Since when a key must have been used so as not to count as unused; for 90 days if nothing is said.
    pub fn unused_since(self, time: DateTime<Utc>) -> Self {
        Self { unused_since: Some(time.timestamp()), ..self }
    }

    /// At most so many keys for each reason: 1 to 1000, 100 if nothing is said.
    pub fn limit(self, limit: u16) -> Self {
        Self { limit, ..self }
    }

    async fn run(self) -> Result<ReviewReport> {
        let mut work = self.session.read().await?;
        keys::require_view_all(&work)?;
        check_limit(self.limit)?;
        let now = work.now;
        let unused_since = self.unused_since.unwrap_or(now.saturating_sub(90 * 86_400));
        let coverage = usage::coverage(&mut work).await?;
        let is_known = coverage.from <= unused_since && unused_since <= coverage.until;
        let (unused_until, unknown_until) = if is_known { (unused_since, 0) } else { (0, unused_since) };
        let mut report = Report { work, limit: self.limit, truncated: false };
        let (from, until) = (coverage.from, coverage.until);
        let mut use_unknown = report
            .keys("k.last_used_at = 0 AND (k.created_at < ? OR k.created_at >= ?)", &[from, until])
            .await?;
        use_unknown.extend(report.keys(USED_BEFORE, &[unknown_until]).await?);
        report.truncated |= use_unknown.len() > usize::from(report.limit);
        use_unknown.truncate(report.limit.into());
        Ok(ReviewReport {
            never_used: report
                .keys("k.last_used_at = 0 AND k.created_at >= ? AND k.created_at < ?", &[from, until])
                .await?,
            unused: report.keys(USED_BEFORE, &[unused_until]).await?,
            use_unknown,
            expired: report.keys("k.expires_at <= ?", &[now]).await?,
            inactive_owner: report.keys("p.active = 0", &[]).await?,
            admin: report.keys(CAN_DO_EVERYTHING, &[]).await?,
            review_due: report.keys("k.review_due_at > 0 AND k.review_due_at <= ?", &[now]).await?,
            truncated: report.truncated,
        })
    }
}

/// Keys that were used, but not since some time.
const USED_BEFORE: &str = "k.last_used_at > 0 AND k.last_used_at < ?";

/// Keys with the permission `*` or `*:*`: through their role, or through roles and permissions of their owner.
const CAN_DO_EVERYTHING: &str = "k.read_only = 0 AND (k.role IN (SELECT a.role FROM role_permissions a \
    JOIN roles r ON r.id = a.role WHERE a.permission IN ('*', '*:*') AND r.read_only = 0) \
    OR (k.role IS NULL AND (k.person IN (SELECT g.person FROM person_permissions g WHERE g.permission IN ('*', '*:*')) \
    OR k.person IN (SELECT h.person FROM person_roles h JOIN role_permissions a ON a.role = h.role \
    JOIN roles r ON r.id = a.role WHERE a.permission IN ('*', '*:*') AND r.read_only = 0))))";

/// A report that is being put together.
struct Report {
    work: Work,
    limit: u16,
    truncated: bool,
}

impl Report {
    /// The keys that were not revoked and meet a condition, in which each `?` stands for one of `values`.
    async fn keys(&mut self, condition: &'static str, values: &[i64]) -> Result<Vec<ApiKey>> {
        let tenant = self.work.tenant()?.id;
        let mut query = Statement::new(keys::SELECT);
        query.push(" WHERE k.listed = 1 AND k.revoked_at = 0 AND k.tenant = ").bind(tenant.bytes());
        query.push(" AND (");
        let mut values = values.iter();
        for (place, text) in condition.split('?').enumerate() {
            if place > 0
                && let Some(&value) = values.next()
            {
                query.bind(value);
            }
            query.push(text);
        }
        query.push(")");
        query.push(" ORDER BY k.name_folded, k.id LIMIT ").bind(i64::from(self.limit) + 1);
        let mut keys = keys::read_all(&mut self.work, query).await?;
        self.truncated |= keys.len() > usize::from(self.limit);
        keys.truncate(self.limit.into());
        Ok(keys)
    }
}
