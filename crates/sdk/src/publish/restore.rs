//! Restoring: a store that knows less than its destination, because a backup was restored, takes over what was revoked
//! meanwhile, so that no key comes back.
//!
//! What is at the destination decides against a key, never for it: a key that is revoked, off, or gone there is so here
//! then, and a secret that is another one there is the key's. What was granted or narrowed meanwhile (roles, permissions,
//! networks) is not in a keyring in a form that could be taken over: it is as the backup has it.

use super::{
    PublishError, Publisher, contents,
    draft::{self, Known},
    lock,
};
use crate::{
    Audience, GroupId, PersonId, Ring, Session, TenantId,
    changes::{self, Changed},
    ids::RecordId,
    keys, rings,
    rows::{RowExt, damaged},
    schema::NO_END,
    sql::Statement,
    work::{Work, confirm},
};
use claviger_core::{KeyId, KeyKind, KeyPrefix, KeyRecord, KeyringKey, KeyringReader, VerifierValue};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// What was taken over from a destination.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
#[non_exhaustive]
pub struct Restored {
    /// Keys that are revoked here now, because they are revoked there.
    pub revoked: u64,
    /// Keys that are revoked here now, because they are not there any more: they were deleted after the backup was made.
    pub missing: Vec<KeyId>,
    /// Keys that are there and not here: they were generated after the backup was made, and nothing is known of them but
    /// their ids. They are denied from the next publication on, and their ids are never given again.
    pub unknown: Vec<KeyId>,
    /// Keys that have the secret from there now: they were regenerated or rotated after the backup was made.
    pub replaced: u64,
    /// Keys that are deactivated here now.
    pub deactivated: u64,
    /// Keys that end earlier here now.
    pub shortened: u64,
    /// Key groups, users, service accounts and tenants that are switched off here now.
    pub switched_off: u64,
    /// Versions of shared secrets that are not accepted here any more. Rotate those whose present version it was.
    pub retired_versions: u64,
}

/// A key as the store has it.
struct Stored {
    tenant: TenantId,
    kind: KeyKind,
    group: GroupId,
    person: Option<PersonId>,
    revoked: bool,
    deleted: bool,
    activated: bool,
    expires_at: i64,
    created_at: i64,
}

/// Whose a record at the destination is, and what is off.
struct Whose {
    tenant: Option<TenantId>,
    prefix: Option<KeyPrefix>,
    group_off: bool,
    owner_off: bool,
    tenant_off: bool,
}

impl Publisher {
    /// Takes over what the destination knows of revocations, after a backup of the store was restored: publishing refuses
    /// to go on before, with [`PublishError::Behind`]. `operator` is who answers for it, `confirmation` repeats the ring's
    /// name, and `keys` are keyring keys that the ring had after the backup was made, if there are any.
    ///
    /// Keys that are here and not at the destination count as deleted. So a *clone* that publishes to the same place must be
    /// stopped, and restoring after it ends every key that it did not know.
    ///
    /// It is done as a whole or not at all, and no other writer of the store runs meanwhile. The next publication makes the
    /// whole keyring.
    ///
    /// # Errors
    /// [`PublishError::Store`] for anybody but the operator, or without the confirmation; [`PublishError::Unreadable`],
    /// [`PublishError::PartMissing`] or [`PublishError::Destination`] if the destination cannot be read.
    pub async fn restore(
        &self,
        operator: &Session,
        confirmation: &str,
        keys: &[KeyringKey],
    ) -> Result<Restored, PublishError> {
        let _turn = lock::take(self.store.location(), self.target.ring).await?;
        let stored = self.target.call(self.target.destination.root()).await?;
        let mut work = operator.write().await?;
        work.require_operator()?;
        let ring = rings::load_active(&mut work, self.target.ring).await?;
        confirm(confirmation, &ring.name)?;
        let Some(stored) = stored else { return Ok(Restored::default()) };
        let mut accepted = rings::keys::all(&mut work, ring.id).await?;
        accepted.extend(keys.iter().cloned());
        match Known::find(&mut work, &ring, &accepted, &stored).await {
            Err(PublishError::Behind { .. }) => {}
            Err(error) => return Err(error),
            // It is behind nothing.
            Ok(_) => return Ok(Restored::default()),
        }
        let reader = draft::open(&ring, &accepted, &stored.bytes)?;
        let digest = Sha256::digest(&stored.bytes).to_vec();
        if let Some(key) = keys.iter().find(|key| key.id() == reader.keyring_key_id()) {
            rings::keys::remember(&mut work, ring.id, key).await?;
        }
        let mut restoring = Restoring { publisher: self, work, ring, reader, restored: Restored::default() };
        restoring.merge().await?;
        restoring.retire_versions().await?;
        restoring.note(digest).await?;
        let Restoring { work, restored, .. } = restoring;
        work.commit().await?;
        Ok(restored)
    }
}

struct Restoring<'p> {
    publisher: &'p Publisher,
    work: Work,
    ring: Ring,
    reader: KeyringReader,
    restored: Restored,
}

impl Restoring<'_> {
    async fn part(&self, hash: [u8; 32]) -> Result<Vec<u8>, PublishError> {
        let target = &self.publisher.target;
        let part = target.call(target.destination.part(&hash)).await?;
        part.ok_or(PublishError::PartMissing { hash })
    }

    /// Whose the records are, by the index of their policy.
    async fn policies(&self) -> Result<Vec<Option<Whose>>, PublishError> {
        let mut policies = Vec::new();
        for page in 0..self.reader.pages() {
            policies.resize_with(page.saturating_mul(claviger_core::POLICIES_PER_PAGE) as usize, || None);
            let Some(&hash) = self.reader.page_hash(page) else { continue };
            let bytes = self.part(hash).await?;
            for policy in self.reader.read_page(page, &bytes).map_err(PublishError::Unreadable)? {
                policies.push(policy.map(|policy| Whose {
                    tenant: policy.tenant().parse().ok(),
                    prefix: policy.prefix().parse().ok(),
                    group_off: policy.is_group_off(),
                    owner_off: policy.is_owner_off(),
                    tenant_off: policy.is_tenant_off(),
                }));
            }
        }
        Ok(policies)
    }

    /// Compares bucket by bucket.
    async fn merge(&mut self) -> Result<(), PublishError> {
        let policies = self.policies().await?;
        for bucket in 0..self.reader.buckets() {
            let mut there: BTreeMap<KeyId, Vec<KeyRecord>> = BTreeMap::new();
            if let Some(&hash) = self.reader.chunk_hash(bucket) {
                let bytes = self.part(hash).await?;
                for record in self.reader.read_chunk(bucket, &bytes).map_err(PublishError::Unreadable)? {
                    there.entry(record.id).or_default().push(record);
                }
            }
            let here = self.stored(bucket).await?;
            for (&id, records) in &there {
                let whose = records.first().and_then(|record| policies.get(record.policy as usize)?.as_ref());
                let Some(whose) = whose else { continue };
                match here.get(&id) {
                    Some(stored) if records.iter().any(|record| record.kind == stored.kind) => {
                        self.merge_key(id, stored, records, whose).await?;
                    }
                    // An imported key's record is not named by the key's id.
                    None if records.iter().all(|record| record.kind != KeyKind::Imported) => {
                        self.reserve(id, records, whose).await?;
                    }
                    _ => {}
                }
            }
            for (&id, stored) in &here {
                // What is newer than the root could not be in it.
                let issued_at = self.reader.issued_at().cast_signed();
                // Neither could a signed key whose text was over.
                let over = stored.kind == KeyKind::Signed && stored.expires_at <= issued_at;
                let expected = stored.created_at < issued_at && !over;
                if !there.contains_key(&id) && expected && !stored.deleted && !stored.revoked {
                    self.revoke(id, stored.tenant).await?;
                    self.restored.missing.push(id);
                }
            }
        }
        Ok(())
    }

    /// The keys of a bucket as the store has them.
    async fn stored(&mut self, bucket: u32) -> Result<BTreeMap<KeyId, Stored>, PublishError> {
        let ids = contents::ids(self.reader.buckets(), bucket..=bucket);
        let mut query = Statement::new(
            "SELECT id, tenant, kind, key_group, person, revoked_at, deleted_at, activated, expires_at, created_at \
             FROM api_keys WHERE id >= ",
        );
        query
            .bind(ids.start().to_be_bytes().to_vec())
            .push(" AND id <= ")
            .bind(ids.end().to_be_bytes().to_vec());
        query.push(" AND ");
        changes::of_audience(&mut query, "tenant", self.ring.id, self.ring.audience == Audience::Everyone);
        let rows = self.work.all(query.query(self.work.dialect())?).await?;
        let mut keys = BTreeMap::new();
        for row in &rows {
            let kind = u8::try_from(row.int("kind")?).ok().and_then(KeyKind::from_number);
            let stored = Stored {
                tenant: row.id("tenant")?,
                kind: kind.ok_or_else(|| damaged("kind"))?,
                group: row.id("key_group")?,
                person: row.optional_id("person")?,
                revoked: row.int("revoked_at")? != 0,
                deleted: row.int("deleted_at")? != 0,
                activated: row.flag("activated")?,
                expires_at: row.int("expires_at")?,
                created_at: row.int("created_at")?,
            };
            keys.insert(row.id("id")?, stored);
        }
        Ok(keys)
    }

    async fn merge_key(
        &mut self,
        id: KeyId,
        stored: &Stored,
        records: &[KeyRecord],
        whose: &Whose,
    ) -> Result<(), PublishError> {
        if stored.deleted {
            return Ok(());
        }
        if !stored.revoked && records.iter().any(|record| record.revoked) {
            self.revoke(id, stored.tenant).await?;
            self.restored.revoked += 1;
        }
        if stored.activated && records.iter().any(|record| record.disabled) {
            let update = sqlx::query(
                "UPDATE api_keys SET activated = 0, held = 1, revision = revision + 1 WHERE id = $1",
            );
            self.change(id, stored.tenant, update).await?;
            self.restored.deactivated += 1;
        }
        let end = |record: &KeyRecord| {
            record.expires_at.map_or(NO_END, |time| i64::try_from(time).unwrap_or(NO_END))
        };
        // The secret before a rotation ends no later than the present one.
        let last = records.iter().map(end).max().unwrap_or(NO_END);
        if last < stored.expires_at {
            let update =
                sqlx::query("UPDATE api_keys SET expires_at = $1, revision = revision + 1 WHERE id = $2")
                    .bind(last);
            self.change(id, stored.tenant, update).await?;
            self.restored.shortened += 1;
        }
        if stored.kind != KeyKind::Signed {
            self.take_values(id, stored.tenant, records).await?;
        }
        self.switch_off(stored, whose).await
    }

    async fn change(
        &mut self,
        id: KeyId,
        tenant: TenantId,
        update: sqlx::query::Query<'_, sqlx::Any, sqlx::any::AnyArguments>,
    ) -> Result<(), PublishError> {
        self.work.run(update.bind(id.bytes())).await?;
        self.work.changed_in(tenant, Changed::Key(id));
        Ok(())
    }

    async fn revoke(&mut self, id: KeyId, tenant: TenantId) -> Result<(), PublishError> {
        let update = sqlx::query(
            "UPDATE api_keys SET revoked_at = $1, revocation_reason = 'restored', revision = revision + 1 WHERE id = $2",
        );
        let now = self.work.now;
        self.change(id, tenant, update.bind(now)).await?;
        self.work.audit_in(Some(tenant), "key.revoked", id, json!({ "reason": "restored" }));
        Ok(())
    }

    /// Gives a key the secrets that it has at the destination, and no others.
    async fn take_values(
        &mut self,
        id: KeyId,
        tenant: TenantId,
        records: &[KeyRecord],
    ) -> Result<(), PublishError> {
        let here = contents::records_of(&mut self.work, id, 0).await?;
        let values = |records: &[KeyRecord]| -> BTreeSet<[u8; 32]> {
            records.iter().filter_map(|record| record.value.as_ref().map(|value| *value.expose())).collect()
        };
        if values(&here) == values(records) {
            return Ok(());
        }
        let last =
            sqlx::query("SELECT COALESCE(MAX(generation), 0) AS last FROM key_values WHERE api_key = $1");
        let mut generation = self.work.one(last.bind(id.bytes())).await?.int("last")?;
        let delete = sqlx::query("DELETE FROM key_values WHERE api_key = $1").bind(id.bytes());
        self.work.run(delete).await?;
        // The present one last. The one before a rotation has an end, and no later one.
        let mut records: Vec<&KeyRecord> = records.iter().collect();
        records.sort_by_key(|record| record.expires_at.unwrap_or(u64::MAX));
        let present = records.len().saturating_sub(1);
        for (place, record) in records.into_iter().enumerate() {
            let Some(value) = &record.value else { continue };
            generation = generation.saturating_add(1);
            let until =
                record.expires_at.and_then(|time| i64::try_from(time).ok()).filter(|_| place < present);
            self.insert_value(id, generation, value, until.unwrap_or(NO_END)).await?;
        }
        self.work.changed_in(tenant, Changed::Key(id));
        self.restored.replaced += 1;
        Ok(())
    }

    async fn insert_value(
        &mut self,
        id: KeyId,
        generation: i64,
        value: &VerifierValue,
        until: i64,
    ) -> Result<(), PublishError> {
        let (data_key, sealed) = self.work.seal(keys::VALUE, id, generation, value.expose())?;
        let insert = sqlx::query(
            "INSERT INTO key_values (api_key, generation, data_key, sealed, accepted_until) VALUES ($1, $2, $3, $4, $5)",
        );
        let insert = insert.bind(id.bytes()).bind(generation).bind(data_key.bytes()).bind(sealed);
        self.work.run(insert.bind(until)).await?;
        Ok(())
    }

    async fn switch_off(&mut self, stored: &Stored, whose: &Whose) -> Result<(), PublishError> {
        let mut off = Vec::new();
        if whose.group_off {
            let update = "UPDATE key_groups SET switched_on = 0, revision = revision + 1 WHERE id = $1 AND switched_on = 1";
            off.push((update, stored.group.bytes(), Changed::Group(stored.group), stored.group.to_string()));
        }
        if let Some(person) = stored.person.filter(|_| whose.owner_off) {
            let update = "UPDATE people SET active = 0, revision = revision + 1 WHERE id = $1 AND active = 1";
            off.push((update, person.bytes(), Changed::Person(person), person.to_string()));
        }
        if whose.tenant_off {
            let update = "UPDATE tenants SET switched_on = 0, revision = revision + 1 WHERE id = $1 AND switched_on = 1";
            off.push((update, stored.tenant.bytes(), Changed::Tenant, stored.tenant.to_string()));
        }
        for (update, id, changed, record) in off {
            if self.work.run(sqlx::query(update).bind(id)).await? > 0 {
                self.work.changed_in(stored.tenant, changed);
                self.work.audit_in(Some(stored.tenant), "restored.switched_off", record, json!({}));
                self.restored.switched_off += 1;
            }
        }
        Ok(())
    }

    /// Keeps the id of a key that is not known here, so that it is never given again, and a signed key stays denied as long
    /// as its text could be good.
    async fn reserve(&mut self, id: KeyId, records: &[KeyRecord], whose: &Whose) -> Result<(), PublishError> {
        let (Some(record), Some(tenant), Some(prefix)) = (records.first(), whose.tenant, whose.prefix) else {
            return Ok(());
        };
        let group = "SELECT id FROM key_groups WHERE tenant = $1 AND is_default = 1";
        // Of a tenant that is not known here, nothing is.
        let Some(group) = self.work.optional(sqlx::query(group).bind(tenant.bytes())).await? else {
            return Ok(());
        };
        let version = match record.issuer {
            None => None,
            Some((secret, _)) => {
                let known = sqlx::query("SELECT id FROM secret_versions WHERE id = $1").bind(secret.bytes());
                // Of a secret that is not known here, no key is good.
                let Some(row) = self.work.optional(known).await? else { return Ok(()) };
                Some(row.blob("id")?)
            }
        };
        keys::insert_tombstone(&mut self.work, record, tenant, group.id("id")?, prefix, version).await?;
        self.work.audit_in(Some(tenant), "key.reserved", id, json!({ "reason": "restored" }));
        self.restored.unknown.push(id);
        Ok(())
    }

    /// Ends the versions of shared secrets that are not accepted there any more.
    async fn retire_versions(&mut self) -> Result<(), PublishError> {
        let there: BTreeSet<KeyId> =
            self.reader.shared_secrets().map(|accepted| accepted.secret.id()).collect();
        let mut query = Statement::new(
            "SELECT v.id AS id, s.tenant AS tenant, s.id AS secret FROM secret_versions v \
             JOIN shared_secrets s ON s.id = v.secret WHERE v.accepted_until > ",
        );
        query.bind(self.work.now).push(" AND v.created_at < ").bind(self.reader.issued_at().cast_signed());
        query.push(" AND ");
        changes::of_audience(&mut query, "s.tenant", self.ring.id, self.ring.audience == Audience::Everyone);
        for row in self.work.all(query.query(self.work.dialect())?).await? {
            let (id, tenant): (KeyId, TenantId) = (row.id("id")?, row.id("tenant")?);
            if there.contains(&id) {
                continue;
            }
            let update = sqlx::query("UPDATE secret_versions SET accepted_until = $1 WHERE id = $2");
            self.work.run(update.bind(self.work.now).bind(id.bytes())).await?;
            self.work.changed_in(tenant, Changed::Secrets);
            let secret: crate::SecretId = row.id("secret")?;
            self.work.audit_in(
                Some(tenant),
                "shared_secret.version_ended",
                secret,
                json!({ "version_id": id }),
            );
            self.restored.retired_versions += 1;
        }
        Ok(())
    }

    /// Notes the root that is there, so that it is known, and that nothing can be made from it but a whole keyring.
    async fn note(&mut self, digest: Vec<u8>) -> Result<(), PublishError> {
        let (ring, reader) = (self.ring.id, &self.reader);
        let valid_until = reader.issued_at().saturating_add(reader.valid_for().into());
        let insert = sqlx::query(
            "INSERT INTO ring_roots (ring, epoch, digest, sequence, layout, slots, keyring_key, issued_at, valid_until) \
             VALUES ($1, $2, $3, $4, 0, 0, $5, $6, $7) ON CONFLICT (ring, epoch) DO UPDATE SET digest = excluded.digest, \
             layout = 0",
        );
        let insert = insert.bind(ring.bytes()).bind(reader.epoch().cast_signed()).bind(digest);
        let insert = insert.bind(self.work.sequence()?).bind(reader.keyring_key_id().bytes());
        let insert = insert.bind(reader.issued_at().cast_signed()).bind(valid_until.cast_signed());
        self.work.run(insert).await?;
        let update = sqlx::query("UPDATE rings SET layout = layout + 1 WHERE id = $1").bind(ring.bytes());
        self.work.run(update).await?;
        let restored = &self.restored;
        let details = json!({
            "name": self.ring.name, "epoch": reader.epoch(), "revoked": restored.revoked,
            "missing": restored.missing.len(), "unknown": restored.unknown.len(), "replaced": restored.replaced,
            "deactivated": restored.deactivated, "shortened": restored.shortened,
            "switched_off": restored.switched_off, "retired_versions": restored.retired_versions,
        });
        self.work.audit_in(None, "keyring.restored", ring, details);
        Ok(())
    }
}
