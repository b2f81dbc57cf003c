//! Usage: what verifiers report about keys. It says when a key was last used, and, once every verifier has reported,
//! that one never was.

use crate::{Error, Result, Session, VerifierId, ids::RecordId, rows::RowExt, validate, work::Work};
use chrono::{DateTime, Utc};
use claviger_core::KeyId;
use serde_json::json;

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
    /// Until when it has reported everything; none if it has not reported yet.
    pub reported_at: Option<DateTime<Utc>>,
}

/// That a key was used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeyUse {
    /// The key.
    pub key: KeyId,
    /// When last.
    pub last_used_at: DateTime<Utc>,
    /// How often since the last report.
    pub count: u32,
}

/// Usage: see [`Session::usage`]. All of it is the platform operator's.
#[derive(Clone, Copy)]
pub struct Usage<'s>(pub(crate) &'s Session);

impl Usage<'_> {
    /// Registers a verifier. From now on a key counts as *never* used only if this verifier, too, has reported since the
    /// key was created.
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

    /// Takes a verifier's report: these keys were used, and no others up to `until`. Unknown ids are dropped, times in
    /// the future are cut to now, and an older last use never replaces a newer one. Returns how many keys were known.
    ///
    /// # Errors
    /// [`Error::Refused`] for anybody but the operator; [`Error::NotFound`] for a verifier that is not registered.
    pub async fn report(self, verifier: VerifierId, until: DateTime<Utc>, uses: &[KeyUse]) -> Result<u64> {
        let mut work = self.0.write().await?;
        work.require_operator()?;
        let now = work.now;
        let cut = |time: DateTime<Utc>| time.timestamp().min(now).max(1);
        let update = "UPDATE verifiers SET reported_at = CASE WHEN reported_at < $1 THEN $2 ELSE reported_at END \
                      WHERE id = $3";
        let update = sqlx::query(update).bind(cut(until)).bind(cut(until));
        if work.run(update.bind(verifier.bytes())).await? == 0 {
            return Err(Error::not_found("verifier", verifier));
        }
        let mut known = 0;
        for used in uses {
            let update = "UPDATE api_keys SET last_used_at = CASE WHEN last_used_at < $1 THEN $2 ELSE last_used_at END, \
                          use_count = use_count + $3 WHERE id = $4 AND deleted_at = 0";
            let time = cut(used.last_used_at);
            let update = sqlx::query(update).bind(time).bind(time).bind(i64::from(used.count));
            known += work.run(update.bind(used.key.bytes())).await?;
        }
        work.commit().await?;
        Ok(known)
    }
}

fn read(row: &sqlx::any::AnyRow) -> Result<RegisteredVerifier> {
    Ok(RegisteredVerifier {
        id: row.id("id")?,
        name: row.text("name")?,
        registered_at: row.time("registered_at")?,
        reported_at: row.optional_time("reported_at")?,
    })
}

/// Until when every registered verifier has reported; none if there is no verifier, or one that has not reported yet.
pub(crate) async fn all_reported_until(work: &mut Work) -> Result<Option<i64>> {
    let query = sqlx::query("SELECT COALESCE(MIN(reported_at), 0) AS reported FROM verifiers");
    let reported = work.one(query).await?.int("reported")?;
    Ok(Some(reported).filter(|&time| time > 0))
}
