//! Of which times the verifiers have reported everything. Only there is it known that something was *not* used.
//!
//! What a verifier has reported is kept as stretches of time without a gap. The last of them is what counts: of a key
//! that was created before it, a use may lie in the gap.

use crate::{Result, VerifierId, ids::RecordId, rows::RowExt, work::Work};

/// How many stretches of a verifier are kept. Those before are forgotten, which makes more unknown, never less.
const STRETCHES: i64 = 1_000;

/// For how many seconds a verifier may be silent before nothing is known any more.
const SILENCE: i64 = 24 * 60 * 60;

/// The time, in Unix seconds, of which every registered verifier has reported everything.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Coverage {
    /// The first second.
    pub(crate) from: i64,
    /// The first second after it. It is not more than a day ago.
    pub(crate) until: i64,
}

impl Coverage {
    /// Of nothing at all.
    const NONE: Self = Self { from: 0, until: 0 };

    /// Whether everything since then is reported, but for what is too new.
    pub(crate) const fn reaches_back_to(self, time: i64) -> bool {
        self.from <= time && time < self.until
    }
}

/// What all registered verifiers together cover: nothing if there is none, or one that was silent for a day.
pub(crate) async fn of_all(work: &mut Work) -> Result<Coverage> {
    let query = "SELECT COALESCE(MAX(reported_from), 0) AS covered_from, COALESCE(MIN(reported_at), 0) AS covered_until \
                 FROM verifiers";
    let row = work.one(sqlx::query(query)).await?;
    let (from, until) = (row.int("covered_from")?, row.int("covered_until")?);
    let is_fresh = until > 0 && until >= work.now.saturating_sub(SILENCE);
    Ok(if is_fresh { Coverage { from, until } } else { Coverage::NONE })
}

/// Adds that a verifier has reported everything `from` (inclusive) then `until` (exclusive) then, in Unix seconds.
pub(super) async fn extend(work: &mut Work, verifier: VerifierId, from: i64, until: i64) -> Result<()> {
    if from >= until {
        return Ok(());
    }
    let touching = "WHERE verifier = $1 AND from_at <= $2 AND until_at >= $3";
    let bounds = format!(
        "SELECT MIN(from_at) AS first_from, MAX(until_at) AS last_until FROM usage_stretches {touching} \
         HAVING COUNT(*) > 0"
    );
    let bounds = sqlx::query(sqlx::AssertSqlSafe(bounds)).bind(verifier.bytes()).bind(until).bind(from);
    let (first, last) = match work.optional(bounds).await? {
        Some(row) => (row.int("first_from")?.min(from), row.int("last_until")?.max(until)),
        None => (from, until),
    };
    let joined = format!("DELETE FROM usage_stretches {touching}");
    let joined = sqlx::query(sqlx::AssertSqlSafe(joined)).bind(verifier.bytes()).bind(until).bind(from);
    work.run(joined).await?;
    let insert = sqlx::query("INSERT INTO usage_stretches (verifier, from_at, until_at) VALUES ($1, $2, $3)");
    work.run(insert.bind(verifier.bytes()).bind(first).bind(last)).await?;
    let forget = "DELETE FROM usage_stretches WHERE verifier = $1 AND from_at <= (SELECT from_at FROM usage_stretches \
                  WHERE verifier = $2 ORDER BY from_at DESC LIMIT 1 OFFSET $3)";
    let forget = sqlx::query(forget).bind(verifier.bytes()).bind(verifier.bytes()).bind(STRETCHES);
    work.run(forget).await?;
    let update = "UPDATE verifiers SET reported_from = (SELECT MAX(from_at) FROM usage_stretches WHERE verifier = $1), \
                  reported_at = (SELECT MAX(until_at) FROM usage_stretches WHERE verifier = $2) WHERE id = $3";
    let update = sqlx::query(update).bind(verifier.bytes()).bind(verifier.bytes()).bind(verifier.bytes());
    work.run(update).await?;
    Ok(())
}
