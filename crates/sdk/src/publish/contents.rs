//! What a keyring says of keys: their rows in the order of its chunks, and the records that they become.

use crate::{
    Audience, Result, Ring, changes,
    ids::RecordId,
    keys,
    packed::{self, Column, PackedRow},
    rows::{RowExt, damaged},
    schema::NO_END,
    seal::{DataKey, Place},
    sql::Statement,
    work::Work,
};
use claviger_core::{KeyId, KeyKind, KeyRecord, VerifierValue};
use std::{
    collections::{BTreeSet, HashMap},
    ops::RangeInclusive,
    sync::Arc,
};
use zeroize::Zeroize;

/// A key with one of its values, which is still sealed; during a rotation a key has two of these.
pub(crate) struct KeyRow {
    pub(crate) id: KeyId,
    /// The number of its policy in the store.
    pub(crate) policy: i64,
    /// The index of its policy in the keyring, if it has one there.
    pub(crate) slot: Option<u32>,
    kind: KeyKind,
    activated: bool,
    read_only: bool,
    revoked: bool,
    not_before: i64,
    expires_at: i64,
    proof: Proof,
}

/// What proves a key.
enum Proof {
    /// A value of its own.
    Value { data_key: KeyId, generation: i64, sealed: Vec<u8>, accepted_until: i64 },
    /// This version of an issuing secret.
    Issuer(KeyId, u8),
}

/// Which keys are wanted.
pub(crate) enum Wanted<'r> {
    /// Those of a ring with ids in this range.
    OfRing(&'r Ring, RangeInclusive<u64>),
    /// One, for no ring.
    Key(KeyId),
}

/// The ids of the keys of buckets that follow each other, of so many.
pub(crate) fn ids(all: u32, buckets: RangeInclusive<u32>) -> RangeInclusive<u64> {
    // One bucket alone has all 2^64 ids, which wraps to 0.
    let width = (u64::MAX / u64::from(all)).wrapping_add(1);
    let first = width.wrapping_mul(u64::from(*buckets.start()));
    let last = width.wrapping_mul(u64::from(*buckets.end()).wrapping_add(1)).wrapping_sub(1);
    first..=last
}

/// More tenants than that are not looked up one by one.
const FEW_TENANTS: i64 = 64;

const COLUMNS: [Column; 12] = [
    Column::Blob("id", "k.id"),
    Column::Int("policy", "k.policy"),
    Column::Int("slot", "r.slot"),
    Column::Int(
        "flags",
        "k.kind * 8 + k.activated * 4 + k.read_only * 2 + CASE WHEN k.revoked_at = 0 THEN 0 ELSE 1 END",
    ),
    Column::Int("not_before", "k.not_before"),
    Column::Int("expires_at", "k.expires_at"),
    Column::Blob("data_key", "v.data_key"),
    Column::Int("generation", "v.generation"),
    Column::Blob("sealed", "v.sealed"),
    Column::Int("accepted_until", "v.accepted_until"),
    Column::Blob("issuer", "k.secret_version"),
    Column::Int("version", "s.version"),
];

/// The rows of keys, by id: personal keys too, and signed keys that were deleted as long as their text could be good.
/// Expired opaque keys are among them, so that their verdict says so.
pub(crate) async fn rows(work: &mut Work, wanted: Wanted<'_>) -> Result<Vec<KeyRow>> {
    let mut query =
        Statement::new("FROM api_keys k LEFT JOIN key_values v ON v.api_key = k.id AND v.accepted_until > ");
    query.bind(work.now).push(" LEFT JOIN secret_versions s ON s.id = k.secret_version");
    query.push(" LEFT JOIN ring_policies r ON r.policy = k.policy AND r.ring = ");
    match wanted {
        Wanted::Key(id) => {
            query.bind(Vec::new()).push(" WHERE k.id = ").bind(id.bytes());
        }
        Wanted::OfRing(ring, ids) => {
            query.bind(ring.id.bytes()).push(" WHERE ");
            of_audience(&mut query, work, ring).await?;
            let bytes = |id: &u64| id.to_be_bytes().to_vec();
            query.push(" AND k.id >= ").bind(bytes(ids.start())).push(" AND k.id <= ").bind(bytes(ids.end()));
        }
    }
    query.push(" AND (k.deleted_at = 0 OR k.kind = 3) AND (k.kind <> 3 OR k.expires_at > ").bind(work.now);
    query.push(")");
    let packed = packed::select(work, &COLUMNS, query).await?;
    let mut rows = Vec::new();
    for row in packed.rows() {
        rows.extend(read_row(&row)?);
    }
    rows.sort_unstable_by_key(|row| row.id);
    Ok(rows)
}

/// The condition that keys are of a ring's audience. Their index begins with the tenant, so tenants are named unless
/// they are many.
async fn of_audience(query: &mut Statement, work: &mut Work, ring: &Ring) -> Result<()> {
    if ring.audience != Audience::Everyone {
        changes::of_audience(query, "k.tenant", ring);
        return Ok(());
    }
    let tenants = work.one(sqlx::query("SELECT COUNT(*) AS count FROM tenants")).await?.int("count")?;
    query.push(if tenants <= FEW_TENANTS { "k.tenant IN (SELECT id FROM tenants)" } else { "1 = 1" });
    Ok(())
}

/// A row; `None` if nothing proves the key any more.
fn read_row(row: &PackedRow<'_>) -> Result<Option<KeyRow>> {
    let flags = row.int("flags")?;
    let kind = keys::kind(flags >> 3)?;
    let proof = if kind == KeyKind::Signed {
        Proof::Issuer(row.id("issuer")?, row.number("version")?)
    } else if let Some(data_key) = row.optional_id("data_key")? {
        Proof::Value {
            data_key,
            generation: row.int("generation")?,
            sealed: row.blob("sealed")?,
            accepted_until: row.int("accepted_until")?,
        }
    } else {
        return Ok(None);
    };
    let slot = row.optional_int("slot")?.map(|slot| u32::try_from(slot).map_err(|_| damaged("slot")));
    Ok(Some(KeyRow {
        id: row.id("id")?,
        policy: row.int("policy")?,
        slot: slot.transpose()?,
        kind,
        activated: flags & 4 != 0,
        read_only: flags & 2 != 0,
        revoked: flags & 1 != 0,
        not_before: row.int("not_before")?,
        expires_at: row.int("expires_at")?,
        proof,
    }))
}

/// What opens the values of some rows.
pub(crate) struct Opener {
    store: KeyId,
    data_keys: HashMap<KeyId, Arc<DataKey>>,
}

impl Opener {
    /// With every data key that the rows need.
    pub(crate) async fn new(work: &mut Work, rows: &[KeyRow]) -> Result<Self> {
        let mut needed = BTreeSet::new();
        for row in rows {
            if let Proof::Value { data_key, .. } = row.proof {
                needed.insert(data_key);
            }
        }
        let mut data_keys = HashMap::new();
        for id in needed {
            data_keys.insert(id, work.data_key(id).await?);
        }
        Ok(Self { store: work.store.id(), data_keys })
    }

    /// The record of a row, under the policy with this index.
    pub(crate) fn record(&self, row: &KeyRow, policy: u32) -> Result<KeyRecord> {
        let mut expires_at = row.expires_at;
        let mut record = match &row.proof {
            Proof::Issuer(secret, version) => KeyRecord::signed_override(row.id, *secret, *version, policy),
            Proof::Value { data_key, generation, sealed, accepted_until } => {
                let key = self.data_keys.get(data_key).ok_or_else(|| damaged("data_key"))?;
                let place =
                    Place { store: self.store, kind: keys::VALUE, id: row.id, generation: *generation };
                let value = key.open(&place, sealed)?;
                let mut bytes: [u8; 32] = value.as_slice().try_into().map_err(|_| damaged("sealed"))?;
                let value = VerifierValue::from_bytes(bytes);
                bytes.zeroize();
                // Of two secrets, the old one has an end of its own.
                if *accepted_until != NO_END {
                    expires_at = *accepted_until;
                }
                KeyRecord::new(row.id, row.kind, value, policy)
            }
        };
        record.not_before = u64::try_from(row.not_before).ok().filter(|&time| time > 0);
        record.expires_at = u64::try_from(expires_at).ok().filter(|_| expires_at != NO_END);
        record.revoked = row.revoked;
        record.disabled = !row.activated;
        record.read_only = row.read_only;
        Ok(record)
    }
}

/// The records of one key, under the policy with this index: none, one, or two during a rotation.
pub(crate) async fn records_of(work: &mut Work, id: KeyId, policy: u32) -> Result<Vec<KeyRecord>> {
    let rows = rows(work, Wanted::Key(id)).await?;
    let opener = Opener::new(work, &rows).await?;
    rows.iter().map(|row| opener.record(row, policy)).collect()
}

/// The values of one opaque key that are accepted, by their generations.
pub(crate) async fn values_of(work: &mut Work, id: KeyId) -> Result<Vec<(i64, VerifierValue)>> {
    let rows = rows(work, Wanted::Key(id)).await?;
    let opener = Opener::new(work, &rows).await?;
    let mut values = Vec::new();
    for row in &rows {
        if let (Proof::Value { generation, .. }, Some(value)) = (&row.proof, opener.record(row, 0)?.value) {
            values.push((*generation, value));
        }
    }
    Ok(values)
}
