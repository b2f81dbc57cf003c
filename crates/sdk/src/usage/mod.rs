//! Usage: what verifiers report about keys. It says when a key was last used, and, once every verifier has reported,
//! that one never was.

mod coverage;
mod report;

use crate::{
    Error, Result, Session, VerifierId,
    ids::RecordId,
    rows::{RowExt, damaged, time},
    validate,
};
use chrono::{DateTime, Utc};
use serde_json::json;

pub(crate) use coverage::{Coverage, of_all as coverage};
pub use report::{KeyUse, UsageOutcome, UsageReport};

/// A verifier that reports usage.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct RegisteredVerifier {
    /// Its id.
    pub id: VerifierId,
    /// Its name, unique on the platform.
    pub name: String,
    /// When it was registered.
    pub registered_at: DateTime<Utc>,
    /// Since when it has reported everything without a gap, up to `reported_at`; none if it has not reported yet.
    pub reported_from: Option<DateTime<Utc>>,
    /// Until when it has reported everything; none if it has not reported yet.
    pub reported_at: Option<DateTime<Utc>>,
}

/// Usage: see [`Session::usage`]. All of it is the platform operator's.
#[derive(Clone, Copy)]
pub struct Usage<'s>(pub(crate) &'s Session);

impl Usage<'_> {
    /// Registers a verifier. From now on a key counts as *never* used only if this verifier, too, has reported everything
    /// since the key was created: see [`LastUse::Never`](crate::LastUse::Never). If it was not there before, its first
    /// report says so.
    ///
    /// # Errors
    /// [`Error::Refused`] for anybody but the operator; [`Error::Invalid`]; [`Error::Exists`] if the name is taken.
    pub async fn register_verifier(self, name: &str) -> Result<RegisteredVerifier> {
        let mut work = self.0.write().await?;
        work.require_operator()?;
        validate::name("name", name)?;
        let id = VerifierId::random()?;
        let insert = sqlx::query(
            "INSERT INTO verifiers (id, name, registered_at, reported_at) VALUES ($1, $2, $3, 0)",
        );
        let insert = insert.bind(id.bytes()).bind(name).bind(work.now);
        work.run_unique(insert, "verifier", "name", name).await?;
        work.audit_in(None, "verifier.registered", id, json!({ "name": name }));
        let row = work.one(sqlx::query("SELECT * FROM verifiers WHERE id = $1").bind(id.bytes())).await?;
        work.commit().await?;
        read(&row)
    }

    /// Removes a verifier that does not report any more.
    ///
    /// # Errors
    /// [`Error::Refused`] for anybody but the operator; [`Error::NotFound`].
    pub async fn remove_verifier(self, id: VerifierId) -> Result<()> {
        let mut work = self.0.write().await?;
        work.require_operator()?;
        let removed = work.run(sqlx::query("DELETE FROM verifiers WHERE id = $1").bind(id.bytes())).await?;
        if removed == 0 {
            return Err(Error::not_found("verifier", id));
        }
        work.audit_in(None, "verifier.removed", id, json!({}));
        work.commit().await
    }

    /// The registered verifiers, by name.
    ///
    /// # Errors
    /// [`Error::Refused`] for anybody but the operator.
    pub async fn verifiers(self) -> Result<Vec<RegisteredVerifier>> {
        let mut work = self.0.read().await?;
        work.require_operator()?;
        let rows = work.all(sqlx::query("SELECT * FROM verifiers ORDER BY name")).await?;
        rows.iter().map(read).collect()
    }

    /// Takes a verifier's report. Reports come in any order: the last use of a key is the last that any of them tells, and
    /// counts add up. A batch that comes again changes nothing. Unknown ids are dropped, and deleted keys, and of times
    /// in the future nothing is believed.
    ///
    /// # Errors
    /// [`Error::Refused`] for anybody but the operator, and for a report that ended more than 30 days ago, because by then
    /// it is forgotten whether it was taken; [`Error::NotFound`] for a verifier that is not registered;
    /// [`Error::Invalid`] for more than 10,000 uses, or an end before the beginning.
    pub async fn report(self, verifier: VerifierId, report: &UsageReport) -> Result<UsageOutcome> {
        let mut work = self.0.write().await?;
        work.require_operator()?;
        let outcome = report.take(&mut work, verifier).await?;
        work.commit().await?;
        Ok(outcome)
    }
}

fn read(row: &sqlx::any::AnyRow) -> Result<RegisteredVerifier> {
    let reported_at = row.optional_time("reported_at")?;
    // The beginning of time is a beginning, too.
    let reported_from = time(row.int("reported_from")?).ok_or_else(|| damaged("reported_from"))?;
    Ok(RegisteredVerifier {
        id: row.id("id")?,
        name: row.text("name")?,
        registered_at: row.time("registered_at")?,
        reported_from: reported_at.map(|_| reported_from),
        reported_at,
    })
}
