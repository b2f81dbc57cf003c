//! Parts that no root names any more which a verifier may go by.

use super::{PublishError, Publisher, draft::Done};
use crate::{
    Actor, PartHash,
    ids::RecordId,
    rows::{RowExt, damaged},
    sql::Statement,
};

/// How many are removed after a publication: so few that nobody waits for it.
const AT_ONCE: i64 = 64;

impl Publisher {
    /// Removes some parts whose time is over. The ring's turn must be held, so that nobody puts one meanwhile.
    pub(super) async fn collect_garbage(&self, done: &Done) -> Result<(), PublishError> {
        let ring = self.target.ring;
        let session = self.store.acting_as(Actor::operator("publisher"));
        let mut work = session.read().await?;
        let query = "SELECT part FROM ring_garbage WHERE ring = $1 AND delete_after <= $2 LIMIT $3";
        let query = sqlx::query(query).bind(ring.bytes()).bind(work.now).bind(AT_ONCE);
        let rows = work.all(query).await?;
        drop(work);
        if rows.is_empty() {
            return Ok(());
        }
        let mut parts: Vec<PartHash> = Vec::with_capacity(rows.len());
        for row in &rows {
            parts.push(row.blob("part")?.try_into().map_err(|_| damaged("part"))?);
        }
        for part in parts.iter().filter(|part| !done.named.contains(*part)) {
            self.target.call(self.target.destination.delete_part(part)).await?;
        }
        let mut work = session.write().await?;
        let mut forget = Statement::new("DELETE FROM ring_garbage WHERE ring = ");
        forget.bind(ring.bytes()).push(" AND part IN (").bind_all(parts.iter().map(|part| part.to_vec()));
        forget.push(")");
        work.run(forget.query(work.dialect())?).await?;
        Ok(work.commit().await?)
    }
}
