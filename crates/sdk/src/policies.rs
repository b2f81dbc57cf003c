//! Policies as the store keeps them: what keys have in common, so that a keyring says it once.
//!
//! A policy is named by whose it is, not by what he may do: when a role, a user, a group or a tenant changes, the keys go
//! on naming the same policies, and a keyring needs other pages and no other chunks.

use crate::{
    Access, ApiKey, Error, GroupId, KeyLimit, PersonId, Result, RingId, RoleId, TenantId,
    effective::{self, PolicyParts},
    hex,
    ids::RecordId,
    keys::{self, Switches},
    packed::{self, Column, PackedRow},
    rows::{RowExt, damaged},
    schema::Dialect,
    sql::{Statement, rows_at_once},
    work::Work,
};
use claviger_core::{KeyPrefix, Policy};
use sha2::{Digest, Sha256};
use sqlx::{AnyConnection, any::AnyRow};
use std::collections::{BTreeSet, HashMap};

/// What names a policy.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Identity {
    tenant: TenantId,
    person: Option<PersonId>,
    role: Option<RoleId>,
    group: Option<GroupId>,
    prefix: String,
    networks: String,
    external_id: String,
    metadata: String,
    limits: String,
}

impl Identity {
    pub(crate) fn of(parts: &PolicyParts<'_>, role: Option<RoleId>, group: GroupId) -> Self {
        Self {
            tenant: parts.tenant,
            person: parts.person,
            role,
            group: Some(group),
            prefix: parts.prefix.to_string(),
            networks: keys::write_networks(parts.networks),
            external_id: parts.external_id.unwrap_or_default().to_owned(),
            metadata: parts.metadata.unwrap_or_default().to_owned(),
            limits: keys::write_limits(parts.limits),
        }
    }

    /// Of the signed keys of an issuing secret, as long as nothing else is known of them.
    pub(crate) fn of_issuing_secret(tenant: TenantId, prefix: KeyPrefix, role: Option<RoleId>) -> Self {
        Self {
            tenant,
            person: None,
            role,
            group: None,
            prefix: prefix.to_string(),
            networks: String::new(),
            external_id: String::new(),
            metadata: String::new(),
            limits: keys::write_limits(&[]),
        }
    }

    /// From a row of `api_keys`.
    fn of_row(row: &AnyRow) -> Result<Self> {
        Ok(Self {
            tenant: row.id("tenant")?,
            person: row.optional_id("person")?,
            role: row.optional_id("role")?,
            group: row.optional_id("key_group")?,
            prefix: row.text("prefix")?,
            networks: row.text("networks")?,
            external_id: row.text("external_id")?,
            metadata: row.text("metadata")?,
            limits: row.text("limits")?,
        })
    }

    fn digest(&self) -> Vec<u8> {
        let mut digest = Sha256::new();
        let ids = [
            Some(self.tenant.bytes()),
            self.person.map(RecordId::bytes),
            self.role.map(RecordId::bytes),
            self.group.map(RecordId::bytes),
        ];
        for id in ids {
            digest.update([u8::from(id.is_some())]);
            digest.update(id.unwrap_or_default());
        }
        for text in [&self.prefix, &self.networks, &self.external_id, &self.metadata, &self.limits] {
            digest.update((text.len() as u64).to_be_bytes());
            digest.update(text);
        }
        digest.finalize().to_vec()
    }
}

/// The numbers of policies, in their order; those that there are not yet are made. Inside a writing transaction.
pub(crate) async fn numbers(
    connection: &mut AnyConnection,
    dialect: Dialect,
    identities: &[Identity],
) -> Result<Vec<i64>> {
    let digests: Vec<Vec<u8>> = identities.iter().map(Identity::digest).collect();
    let mut unknown: BTreeSet<&Vec<u8>> = digests.iter().collect();
    let distinct: Vec<&Vec<u8>> = unknown.iter().copied().collect();
    let mut known: HashMap<Vec<u8>, i64> = HashMap::with_capacity(distinct.len());
    for batch in distinct.chunks(rows_at_once(1)) {
        let mut query = Statement::new("SELECT number, digest FROM policies WHERE digest IN (");
        query.bind_all(batch.iter().map(|digest| digest.to_vec())).push(")");
        for row in query.query(dialect)?.fetch_all(&mut *connection).await? {
            known.insert(row.blob("digest")?, row.int("number")?);
        }
    }
    unknown.retain(|digest| !known.contains_key(*digest));
    if !unknown.is_empty() {
        let last = sqlx::query("SELECT COALESCE(MAX(number), 0) AS last FROM policies");
        let last = last.fetch_one(&mut *connection).await?.int("last")?;
        // Each once, though many keys may have it.
        let missing = identities.iter().zip(&digests).filter(|(_, digest)| unknown.remove(digest));
        let new = missing.zip(1..).map(|(policy, step)| (last.saturating_add(step), policy));
        let new: Vec<(i64, (&Identity, &Vec<u8>))> = new.collect();
        insert(connection, dialect, &new).await?;
        known.extend(new.into_iter().map(|(number, (_, digest))| (digest.clone(), number)));
    }
    digests.iter().map(|digest| known.get(digest).copied().ok_or_else(|| damaged("digest"))).collect()
}

/// Writes new policies with their numbers and digests.
async fn insert(
    connection: &mut AnyConnection,
    dialect: Dialect,
    policies: &[(i64, (&Identity, &Vec<u8>))],
) -> Result<()> {
    for batch in policies.chunks(rows_at_once(11)) {
        let mut query = Statement::new(
            "INSERT INTO policies (number, digest, tenant, person, role, key_group, prefix, networks, external_id, \
             metadata, limits) ",
        );
        query.rows(batch, |row, (number, (identity, digest))| {
            row.bind(*number)
                .bind(digest.to_vec())
                .bind(identity.tenant.bytes())
                .bind(identity.person.map(RecordId::bytes))
                .bind(identity.role.map(RecordId::bytes))
                .bind(identity.group.map(RecordId::bytes))
                .bind(identity.prefix.clone())
                .bind(identity.networks.clone())
                .bind(identity.external_id.clone())
                .bind(identity.metadata.clone())
                .bind(identity.limits.clone());
        });
        query.query(dialect)?.execute(&mut *connection).await?;
    }
    Ok(())
}

/// The number of one policy.
pub(crate) async fn number(work: &mut Work, identity: Identity) -> Result<i64> {
    let dialect = work.dialect();
    let numbers = numbers(work.connection(), dialect, &[identity]).await?;
    numbers.first().copied().ok_or_else(|| damaged("number"))
}

/// Gives every key that has none its policy: those of a store that an earlier version wrote.
pub(crate) async fn give_to_all_keys(connection: &mut AnyConnection, dialect: Dialect) -> Result<()> {
    let mut last = Vec::new();
    loop {
        let query = "SELECT id, tenant, person, role, key_group, prefix, networks, external_id, metadata, limits \
                     FROM api_keys WHERE id > $1 ORDER BY id LIMIT 1000";
        let rows = sqlx::query(query).bind(last).fetch_all(&mut *connection).await?;
        let Some(end) = rows.last() else { return Ok(()) };
        last = end.blob("id")?;
        let identities = rows.iter().map(Identity::of_row).collect::<Result<Vec<_>>>()?;
        let numbers = numbers(&mut *connection, dialect, &identities).await?;
        for (row, number) in rows.iter().zip(numbers) {
            let update = sqlx::query("UPDATE api_keys SET policy = $1 WHERE id = $2");
            update.bind(number).bind(row.blob("id")?).execute(&mut *connection).await?;
        }
    }
}

/// Some indices of policies in a keyring.
pub(crate) enum Slots<'s> {
    /// Those from the first up to the second.
    Range(u32, u32),
    /// These: at most 8,000.
    These(&'s [u32]),
}

const COLUMNS: [Column; 15] = [
    Column::Int("slot", "r.slot"),
    Column::Blob("tenant", "p.tenant"),
    Column::Blob("person", "p.person"),
    Column::Blob("role", "p.role"),
    Column::Text("prefix", "p.prefix"),
    Column::Text("networks", "p.networks"),
    Column::Text("external_id", "p.external_id"),
    Column::Text("metadata", "p.metadata"),
    Column::Text("limits", "p.limits"),
    Column::Int("group_on", "COALESCE(g.switched_on, 1)"),
    Column::Int("owner_on", "COALESCE(o.active, 1)"),
    Column::Int("tenant_on", "t.switched_on"),
    Column::Text("role_name", "n.name"),
    // Without a role, what its user or service account may do: the ids of roles in hexadecimal, and permissions.
    Column::Text(
        "held",
        "CASE WHEN p.role IS NULL THEN (SELECT string_agg({hex h.role}, '') FROM person_roles h WHERE h.person = p.person) \
         END",
    ),
    Column::Text(
        "permissions",
        "CASE WHEN p.role IS NULL THEN (SELECT string_agg(x.permission, ' ') FROM person_permissions x \
         WHERE x.person = p.person) END",
    ),
];

/// What roles grant, as far as it was looked up in one state of the store.
pub(crate) type KnownRoles = HashMap<RoleId, Access>;

/// Policies of a keyring as they are now, by their indices.
pub(crate) async fn in_ring(
    work: &mut Work,
    ring: RingId,
    slots: Slots<'_>,
    known: &mut KnownRoles,
) -> Result<Vec<(u32, Policy<'static>)>> {
    let mut query = Statement::new(
        "FROM ring_policies r JOIN policies p ON p.number = r.policy JOIN tenants t ON t.id = p.tenant \
         LEFT JOIN key_groups g ON g.id = p.key_group LEFT JOIN people o ON o.id = p.person \
         LEFT JOIN roles n ON n.id = p.role WHERE r.ring = ",
    );
    query.bind(ring.bytes());
    match slots {
        Slots::Range(first, end) => {
            query.push(" AND r.slot >= ").bind(i64::from(first)).push(" AND r.slot < ").bind(i64::from(end));
        }
        Slots::These([]) => return Ok(Vec::new()),
        Slots::These(slots) => {
            query.push(" AND r.slot IN (").bind_all(slots.iter().copied().map(i64::from)).push(")");
        }
    }
    let packed = packed::select(work, &COLUMNS, query).await?;
    let mut missing = BTreeSet::new();
    for row in packed.rows() {
        missing.extend(roles_of(&row)?.into_iter().filter(|role| !known.contains_key(role)));
    }
    let mut found = effective::access_of_roles(work, &missing).await?;
    for role in missing {
        known.insert(role, found.remove(&role).unwrap_or_default());
    }
    let mut policies = Vec::new();
    for row in packed.rows() {
        let mut access = Access::default();
        for role in roles_of(&row)? {
            known.get(&role).into_iter().for_each(|granted| access.extend(granted));
        }
        for permission in row.text("permissions")?.split(' ').filter(|permission| !permission.is_empty()) {
            access.add(permission.to_owned(), false);
        }
        policies.push((row.number("slot")?, say(&row, &access)?));
    }
    policies.sort_unstable_by_key(|(slot, _)| *slot);
    Ok(policies)
}

/// The roles whose access a policy has: its own, or all that its user or service account holds.
fn roles_of(row: &PackedRow<'_>) -> Result<Vec<RoleId>> {
    if let Some(role) = row.optional_id("role")? {
        return Ok(vec![role]);
    }
    let held = hex::decode(&row.text("held")?).ok_or_else(|| damaged("held"))?;
    held.chunks(8).map(|id| RoleId::from_bytes(id).ok_or_else(|| damaged("held"))).collect()
}

/// A policy as a keyring says it.
fn say(row: &PackedRow<'_>, access: &Access) -> Result<Policy<'static>> {
    let optional = |column| row.text(column).map(|text| Some(text).filter(|text| !text.is_empty()));
    let (external_id, metadata) = (optional("external_id")?, optional("metadata")?);
    let limits: Vec<KeyLimit> = serde_json::from_str(&row.text("limits")?).map_err(|_| damaged("limits"))?;
    let (networks, role_name) = (keys::read_networks(&row.text("networks")?)?, row.text("role_name")?);
    let mut parts = PolicyParts {
        tenant: row.id("tenant")?,
        person: row.optional_id("person")?,
        role_name: &role_name,
        prefix: row.text("prefix")?.parse().map_err(|_| damaged("prefix"))?,
        networks: &networks,
        external_id: external_id.as_deref(),
        metadata: metadata.as_deref(),
        limits: &limits,
        switches: Switches {
            group_off: !row.flag("group_on")?,
            owner_off: !row.flag("owner_on")?,
            tenant_off: !row.flag("tenant_on")?,
        },
    };
    sayable(&mut parts, access)
}

/// The policy of one key.
pub(crate) fn of_key(key: &ApiKey, access: &Access) -> Result<Policy<'static>> {
    sayable(&mut PolicyParts::from(key), access)
}

/// A policy, and if it has no room for all of it, one that is off: roles that grow can give more than a policy holds, and
/// the keys of others are not held up by that.
fn sayable(parts: &mut PolicyParts<'_>, access: &Access) -> Result<Policy<'static>> {
    match effective::policy(parts, access) {
        Err(Error::Invalid { .. }) => {
            parts.switches.owner_off = true;
            effective::policy(parts, &Access::default())
        }
        policy => policy,
    }
}
