//! What the store is sealed under: changing the master key, sealing everything anew after a leak, and the recovery key.

use crate::{
    Result, Session, generate_master_key,
    ids::RecordId,
    rows::RowExt,
    seal::{DataKey, Place},
    store,
    work::Work,
};
use claviger_core::{KeyId, MasterKey};
use serde_json::json;
use std::sync::Arc;

/// How many values are sealed anew in one transaction.
const BATCH: i64 = 1000;

/// The master key: see [`Session::master_keys`]. All of it is the platform operator's.
#[derive(Clone, Copy)]
pub struct MasterKeys<'s>(pub(crate) &'s Session);

impl MasterKeys<'_> {
    /// Puts the store under another master key. Values are not sealed anew: if somebody else has had the old key *and* the
    /// store, [`reseal`](Self::reseal) is what helps. Other programs that have the store open go on and must be given
    /// the new key before they are started again.
    ///
    /// # Errors
    /// [`Error::Refused`](crate::Error::Refused) for anybody but the operator.
    pub async fn rotate(self, new: &MasterKey) -> Result<()> {
        let mut work = self.0.write().await?;
        work.require_operator()?;
        rewrap(&mut work, new).await?;
        work.audit_in(None, "master_key.rotated", new.id(), json!({}));
        work.commit_and(|store| store.set_master_key(new)).await
    }

    /// Makes a recovery key: another key that opens the store, to be kept where the master key is not. One made before
    /// opens it no more. It is shown once.
    ///
    /// # Errors
    /// [`Error::Refused`](crate::Error::Refused) for anybody but the operator.
    pub async fn add_recovery_key(self) -> Result<MasterKey> {
        let mut work = self.0.write().await?;
        work.require_operator()?;
        let recovery_key = generate_master_key()?;
        work.run(sqlx::query("DELETE FROM data_key_wraps WHERE is_recovery = 1")).await?;
        let store = work.store.id();
        for key in data_keys(&mut work).await? {
            store::insert_wrap(work.connection(), store, &key, &recovery_key, true).await?;
        }
        work.audit_in(None, "master_key.recovery_key_added", recovery_key.id(), json!({}));
        work.commit().await?;
        Ok(recovery_key)
    }

    /// Puts the store under another master key and seals everything anew, so that whoever has had the old one (and the
    /// recovery key, which opens nothing any more) can read nothing that is written from now on. `progress` is told how
    /// many values are done, and of how many.
    ///
    /// What he has read before he knows: values of keys for signing and shared secrets should be made anew too.
    ///
    /// If it is interrupted, call it again with the same key: it goes on where it was. Other programs that have the store
    /// open can write nothing, and read no sealed value, until they are started again with the new key.
    ///
    /// # Errors
    /// [`Error::Refused`](crate::Error::Refused) for anybody but the operator.
    pub async fn reseal(self, new: &MasterKey, mut progress: impl FnMut(u64, u64)) -> Result<()> {
        self.begin_reseal(new).await?;
        let (mut done, total) = (0, self.left().await?);
        progress(done, total);
        loop {
            let sealed = self.reseal_batch().await?;
            if sealed == 0 {
                break;
            }
            done += sealed;
            progress(done.min(total), total);
        }
        let mut work = self.0.write().await?;
        work.require_operator()?;
        let active: KeyId = work.one(sqlx::query("SELECT data_key FROM store")).await?.id("data_key")?;
        work.run(sqlx::query("DELETE FROM data_keys WHERE id <> $1").bind(active.bytes())).await?;
        work.audit_in(None, "store.resealed", active, json!({ "values": done }));
        work.commit().await
    }

    /// Makes a new data key and a new audit key under the new master key, unless that was done before.
    async fn begin_reseal(self, new: &MasterKey) -> Result<()> {
        let mut work = self.0.write().await?;
        work.require_operator()?;
        let keys = data_keys(&mut work).await?;
        if keys.len() > 1 && self.0.store.master_key().id() == new.id() {
            return Ok(());
        }
        rewrap(&mut work, new).await?;
        let (store, now) = (work.store.id(), work.now);
        work.run(sqlx::query("DELETE FROM data_key_wraps WHERE is_recovery = 1")).await?;
        let data_key = DataKey::generate()?;
        store::insert_data_key(work.connection(), store, &data_key, new, now).await?;
        let audit_key = store::insert_audit_key(work.connection(), store, &data_key, now).await?;
        let update = sqlx::query("UPDATE store SET data_key = $1, audit_key = $2");
        work.run(update.bind(data_key.id.bytes()).bind(audit_key.bytes())).await?;
        work.audit_in(None, "store.reseal_begun", data_key.id, json!({ "master_key": new.id() }));
        work.commit_and(|store| store.set_master_key(new)).await
    }

    async fn left(self) -> Result<u64> {
        let mut work = self.0.read().await?;
        let mut left = 0;
        for table in &SEALED {
            left += work.one(sqlx::query(table.count)).await?.int("count")?.unsigned_abs();
        }
        Ok(left)
    }

    /// Seals some values anew; 0 when none is left.
    async fn reseal_batch(self) -> Result<u64> {
        let mut work = self.0.write().await?;
        work.require_operator()?;
        let row = work.one(sqlx::query("SELECT data_key FROM store")).await?;
        let active = work.data_key(row.id("data_key")?).await?;
        let mut sealed = 0;
        for table in &SEALED {
            sealed += reseal_some(&mut work, table, &active).await?;
        }
        work.commit().await?;
        Ok(sealed)
    }
}

/// A table with sealed values, and what each is sealed for.
struct SealedTable {
    kind: &'static str,
    count: &'static str,
    select: &'static str,
    update: &'static str,
}

const SEALED: [SealedTable; 4] = [
    SealedTable {
        kind: crate::keys::VALUE,
        count: "SELECT COUNT(*) AS count FROM key_values t JOIN store s ON s.data_key <> t.data_key",
        select: "SELECT api_key AS id, generation, data_key, sealed FROM key_values WHERE data_key <> $1 LIMIT $2",
        update: "UPDATE key_values SET data_key = $1, sealed = $2 WHERE api_key = $3 AND generation = $4",
    },
    SealedTable {
        kind: crate::shared_secrets::VALUE,
        count: "SELECT COUNT(*) AS count FROM secret_versions t JOIN store s ON s.data_key <> t.data_key",
        select: "SELECT id, version AS generation, data_key, sealed FROM secret_versions WHERE data_key <> $1 LIMIT $2",
        update: "UPDATE secret_versions SET data_key = $1, sealed = $2 WHERE id = $3 AND version = $4",
    },
    SealedTable {
        kind: crate::rings::keys::VALUE,
        count: "SELECT COUNT(*) AS count FROM ring_keys t JOIN store s ON s.data_key <> t.data_key",
        select: "SELECT id, CAST(1 AS BIGINT) AS generation, data_key, sealed FROM ring_keys WHERE data_key <> $1 LIMIT $2",
        update: "UPDATE ring_keys SET data_key = $1, sealed = $2 WHERE id = $3 AND $4 = 1",
    },
    // Old audit keys stay, so that old events can be checked.
    SealedTable {
        kind: crate::audit::KEY,
        count: "SELECT COUNT(*) AS count FROM audit_keys t JOIN store s ON s.data_key <> t.data_key",
        select: "SELECT id, CAST(0 AS BIGINT) AS generation, data_key, sealed FROM audit_keys WHERE data_key <> $1 \
                 LIMIT $2",
        update: "UPDATE audit_keys SET data_key = $1, sealed = $2 WHERE id = $3 AND $4 = 0",
    },
];

async fn reseal_some(work: &mut Work, table: &SealedTable, active: &Arc<DataKey>) -> Result<u64> {
    let rows = work.all(sqlx::query(table.select).bind(active.id.bytes()).bind(BATCH)).await?;
    for row in &rows {
        let (id, generation): (KeyId, i64) = (row.id("id")?, row.int("generation")?);
        let value =
            work.open(row.id("data_key")?, (table.kind, id, generation), &row.blob("sealed")?).await?;
        let place = Place { store: work.store.id(), kind: table.kind, id, generation };
        let update = sqlx::query(table.update).bind(active.id.bytes()).bind(active.seal(&place, &value)?);
        work.run(update.bind(id.bytes()).bind(generation)).await?;
    }
    Ok(rows.len() as u64)
}

/// Every data key of the store.
async fn data_keys(work: &mut Work) -> Result<Vec<Arc<DataKey>>> {
    let mut keys = Vec::new();
    for row in work.all(sqlx::query("SELECT id FROM data_keys ORDER BY created_at")).await? {
        keys.push(work.data_key(row.id("id")?).await?);
    }
    Ok(keys)
}

/// Wraps every data key under another master key, and under the old one no more.
async fn rewrap(work: &mut Work, new: &MasterKey) -> Result<()> {
    let (keys, store) = (data_keys(work).await?, work.store.id());
    work.run(sqlx::query("DELETE FROM data_key_wraps WHERE is_recovery = 0")).await?;
    // The recovery key itself may become the master key.
    let same = sqlx::query("DELETE FROM data_key_wraps WHERE wrapping_key = $1").bind(new.id().bytes());
    work.run(same).await?;
    for key in keys {
        store::insert_wrap(work.connection(), store, &key, new, false).await?;
    }
    Ok(())
}
