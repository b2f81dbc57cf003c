//! The change feed: what publishing has to look at again. Written in the transaction that changes it, so that nothing is
//! missed whatever fails afterwards, and bounded: a record that changes again takes the place of its entry.

use crate::{
    Audience, GroupId, PersonId, Result, Ring, RoleId, TenantId,
    ids::RecordId,
    rows::{RowExt, damaged},
    sql::{Statement, rows_at_once},
    work::Work,
};
use claviger_core::KeyId;
use std::collections::BTreeSet;

/// Something that a keyring says, or follows from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Changed {
    /// A key: what its record says, which policy it has, or that it is there.
    Key(KeyId),
    /// What a user or service account may do, or whether he is active.
    Person(PersonId),
    /// What a role grants, or its name.
    Role(RoleId),
    /// Whether a group is on, or which policies are its.
    Group(GroupId),
    /// Whether the tenant is on.
    Tenant,
    /// Which versions of the tenant's shared secrets are accepted, or whether the keys of one may sign requests.
    Secrets,
}

const KEYS: i64 = 1;
const PERSON: i64 = 2;
const ROLE: i64 = 3;
const GROUP: i64 = 4;
const TENANT: i64 = 5;
const SECRETS: i64 = 6;

impl Changed {
    /// Kind and id in the table. Keys are noted by the first 16 bits of their ids, which is as fine as buckets can be.
    pub(crate) fn entry(self) -> (i64, Vec<u8>) {
        match self {
            Self::Key(id) => (KEYS, id.bytes().into_iter().take(2).collect()),
            Self::Person(id) => (PERSON, id.bytes()),
            Self::Role(id) => (ROLE, id.bytes()),
            Self::Group(id) => (GROUP, id.bytes()),
            Self::Tenant => (TENANT, Vec::new()),
            Self::Secrets => (SECRETS, Vec::new()),
        }
    }
}

/// Notes changes, if there is a keyring that could need them.
pub(crate) async fn write(
    work: &mut Work,
    sequence: i64,
    changes: &BTreeSet<(TenantId, i64, Vec<u8>)>,
) -> Result<()> {
    if work.optional(sqlx::query("SELECT 1 AS found FROM rings LIMIT 1")).await?.is_none() {
        return Ok(());
    }
    let changes: Vec<&(TenantId, i64, Vec<u8>)> = changes.iter().collect();
    for batch in changes.chunks(rows_at_once(4)) {
        let mut query = Statement::new("INSERT INTO changes (tenant, kind, id, sequence) ");
        query.rows(batch, |row, (tenant, kind, id)| {
            row.bind(tenant.bytes()).bind(*kind).bind(id.clone()).bind(sequence);
        });
        query.push(" ON CONFLICT (tenant, kind, id) DO UPDATE SET sequence = excluded.sequence");
        work.run(query.query(work.dialect())?).await?;
    }
    Ok(())
}

/// Which tenants a keyring is for, as a condition on `column`.
pub(crate) fn of_audience(query: &mut Statement, column: &str, ring: &Ring) {
    if ring.audience == Audience::Everyone {
        query.push("1 = 1");
    } else {
        query
            .push(column)
            .push(" IN (SELECT tenant FROM ring_tenants WHERE ring = ")
            .bind(ring.id.bytes())
            .push(")");
    }
}

/// What changed for a keyring.
#[derive(Default, Debug)]
pub(crate) struct Changes {
    /// The first 16 bits of the ids of keys.
    pub(crate) keys: BTreeSet<u16>,
    /// The indices of policies that may say something else now.
    pub(crate) slots: BTreeSet<u32>,
}

/// What changed after `since` for a keyring.
pub(crate) async fn since(work: &mut Work, ring: &Ring, since: i64) -> Result<Changes> {
    let mut query = Statement::new("SELECT tenant, kind, id FROM changes WHERE sequence > ");
    query.bind(since).push(" AND ");
    of_audience(&mut query, "tenant", ring);
    let mut changes = Changes::default();
    let (mut people, mut roles, mut groups, mut tenants) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for row in work.all(query.query(work.dialect())?).await? {
        let id = row.blob("id")?;
        match row.int("kind")? {
            KEYS => {
                let first = id.try_into().map_err(|_| damaged("id"))?;
                changes.keys.insert(u16::from_be_bytes(first));
            }
            PERSON => people.push(id),
            ROLE => roles.push(id),
            GROUP => groups.push(id),
            TENANT => tenants.push(row.blob("tenant")?),
            _ => {}
        }
    }
    for roles in roles.chunks(rows_at_once(1)) {
        let mut holders = Statement::new("SELECT DISTINCT person FROM person_roles WHERE role IN (");
        holders.bind_all(roles.iter().cloned()).push(")");
        for row in work.all(holders.query(work.dialect())?).await? {
            people.push(row.blob("person")?);
        }
    }
    for (column, ids) in [("person", people), ("role", roles), ("key_group", groups), ("tenant", tenants)] {
        for ids in ids.chunks(rows_at_once(1)) {
            let mut query = Statement::new(
                "SELECT r.slot AS slot FROM policies p JOIN ring_policies r ON r.policy = p.number WHERE r.ring = ",
            );
            query.bind(ring.id.bytes()).push(" AND p.").push(column).push(" IN (");
            query.bind_all(ids.iter().cloned()).push(")");
            for row in work.all(query.query(work.dialect())?).await? {
                changes.slots.insert(row.number("slot")?);
            }
        }
    }
    Ok(changes)
}

/// Forgets what every keyring knows of that is published.
pub(crate) async fn forget(work: &mut Work) -> Result<()> {
    let known = "SELECT COALESCE(MIN(COALESCE(p.sequence, 0)), 0) AS known FROM rings r \
                 LEFT JOIN ring_roots p ON p.ring = r.id AND p.epoch = r.published_epoch WHERE r.retired_at = 0";
    let known = work.one(sqlx::query(known)).await?.int("known")?;
    work.run(sqlx::query("DELETE FROM changes WHERE sequence <= $1").bind(known)).await.map(|_| ())
}
