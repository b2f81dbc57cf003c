//! Restoring: a store that knows less than its destination, because a backup was restored, takes over what was revoked
//! meanwhile, so that no key comes back.
//!
//! What is at the destination decides against a key, never for it: a key that is revoked, off, or gone there is so here
//! then, and a secret that is not there is nobody's any more. Nothing that is only there becomes good, because whoever
//! holds a keyring key could have put it there. What was granted or narrowed meanwhile (roles, permissions, networks) is
//! not in a keyring in a form that could be taken over: it is as the backup has it.

use super::{PublishError, Publisher, Target, contents, draft};
use crate::{
    Error, Ring, SecretId, Session, TenantId,
    changes::{self, Changed},
    ids::RecordId,
    keys, rings,
    rows::RowExt,
    schema::NO_END,
    sql::Statement,
    work::{Work, confirm},
};
use claviger_core::{
    AcceptedSecret, KeyId, KeyKind, KeyPrefix, KeyRecord, KeyringKey, KeyringReader, VerifierValue,
};
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
    /// Keys of which a secret is only there, or here: they were regenerated or rotated, after the backup was made or after it
    /// was restored. Only those of their secrets that are on both sides are good still; regenerate them.
    pub without_secret: Vec<KeyId>,
    /// Keys that are deactivated here now, because they, their group or their owner are off there.
    pub deactivated: u64,
    /// Keys that end earlier here now.
    pub shortened: u64,
    /// Tenants that are switched off here now.
    pub switched_off: u64,
    /// Versions of shared secrets that are not accepted here any more, because they are not there, or because there is one
    /// there that is not here. Rotate these secrets.
    pub retired_versions: u64,
    /// Issuing secrets whose keys may not sign requests here any more, because they may not there, or because the secret is
    /// not there.
    pub signing_forbidden: u64,
    /// Versions of integration secrets that are there and not here. Rotate the integration secrets of the ring's tenants.
    pub unknown_versions: u64,
}

/// A key as the store has it.
struct Stored {
    tenant: TenantId,
    /// Whether the ring is for its tenant now.
    of_ring: bool,
    kind: KeyKind,
    group_on: bool,
    owner_on: bool,
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

/// An issuing secret whose keys may sign here.
struct May {
    tenant: TenantId,
    name: String,
    /// What is said of it there.
    said: Option<bool>,
    /// Whether it should be there: it is of the ring, and as old as the root.
    expected: bool,
}

impl Publisher {
    /// Takes over what the destination knows of revocations, after a backup of the store was restored: publishing refuses
    /// to go on before, with [`PublishError::Behind`]. `operator` is who answers for it, `confirmation` repeats the ring's
    /// name, and `keys` are keyring keys that the ring had after the backup was made, if there are any.
    ///
    /// Keys that are here and not at the destination count as deleted: those of the ring's tenants now and of all that it has
    /// there. So a *clone* that publishes to the same place must be stopped, and restoring after it ends every key that it did
    /// not know; and a tenant that the ring was not for any more is taken from its audience first.
    ///
    /// It is done as a whole or not at all, and no other writer of the store runs meanwhile. The next publication makes the
    /// whole keyring.
    ///
    /// # Errors
    /// [`PublishError::Store`] for anybody but the operator, without the confirmation, or for a session of another store;
    /// [`PublishError::RolledBack`] if it is the destination that is behind; [`PublishError::Unreadable`],
    /// [`PublishError::PartMissing`] or [`PublishError::Destination`] if the destination cannot be read.
    pub async fn restore(
        &self,
        operator: &Session,
        confirmation: &str,
        keys: &[KeyringKey],
    ) -> Result<Restored, PublishError> {
        if !operator.store.is_same(&self.store) {
            return Err(
                Error::invalid("operator", "is a session of another store than the publisher's").into()
            );
        }
        let _turn = self.turn().await?;
        let stored = self.target.call(self.target.destination.root()).await?;
        let mut work = operator.write().await?;
        work.require_operator()?;
        let ring = rings::load_active(&mut work, self.target.ring).await?;
        confirm(confirmation, &ring.name)?;
        let Some(stored) = stored else { return Ok(Restored::default()) };
        let mut accepted = rings::keys::all(&mut work, ring.id).await?;
        accepted.extend(keys.iter().cloned());
        let reader = draft::open(&ring, &accepted, &stored.bytes)?;
        match draft::noted(&mut work, &ring, &reader, &stored.bytes).await {
            Err(PublishError::Behind { .. }) => {}
            Err(error) => return Err(error),
            // It is behind nothing.
            Ok(_) => return Ok(Restored::default()),
        }
        let digest = Sha256::digest(&stored.bytes).to_vec();
        if let Some(key) = keys.iter().find(|key| key.id() == reader.keyring_key_id()) {
            rings::keys::remember(&mut work, ring.id, key).await?;
        }
        let mut restoring =
            Restoring { target: &self.target, work, ring, reader, restored: Restored::default() };
        restoring.merge().await?;
        restoring.retire_versions().await?;
        restoring.forbid_signing().await?;
        restoring.note(digest).await?;
        let Restoring { work, restored, .. } = restoring;
        work.commit().await?;
        Ok(restored)
    }
}

struct Restoring<'p> {
    target: &'p Target,
    work: Work,
    ring: Ring,
    reader: KeyringReader,
    restored: Restored,
}

impl Restoring<'_> {
    /// Whose the records are, by the index of their policy.
    async fn policies(&self) -> Result<Vec<Option<Whose>>, PublishError> {
        let mut policies = Vec::new();
        for page in 0..self.reader.pages() {
            policies.resize_with(page.saturating_mul(claviger_core::POLICIES_PER_PAGE) as usize, || None);
            let Some(&hash) = self.reader.page_hash(page) else { continue };
            let bytes = self.target.part(hash).await?;
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

    /// What is as old as this, in Unix seconds, is known to the root: an epoch is made of the time, and grows even if the
    /// clock was put back.
    fn known_until(&self) -> i64 {
        (self.reader.epoch() / 1000).max(self.reader.issued_at()).cast_signed()
    }

    /// Compares bucket by bucket.
    async fn merge(&mut self) -> Result<(), PublishError> {
        let policies = self.policies().await?;
        let tenants: BTreeSet<TenantId> =
            policies.iter().flatten().filter_map(|whose| whose.tenant).collect();
        self.end_outdated_versions().await?;
        let off: BTreeSet<TenantId> = policies
            .iter()
            .flatten()
            .filter(|whose| whose.tenant_off)
            .filter_map(|whose| whose.tenant)
            .collect();
        for tenant in off {
            self.switch_off(tenant).await?;
        }
        for bucket in 0..self.reader.buckets() {
            let mut there: BTreeMap<KeyId, Vec<KeyRecord>> = BTreeMap::new();
            if let Some(&hash) = self.reader.chunk_hash(bucket) {
                let bytes = self.target.part(hash).await?;
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
                // Neither could a signed key whose text was over.
                let over = stored.kind == KeyKind::Signed
                    && stored.expires_at <= self.reader.issued_at().cast_signed();
                let of_ring = stored.of_ring || tenants.contains(&stored.tenant);
                let expected = of_ring && stored.created_at <= self.known_until() && !over;
                if !there.contains_key(&id) && expected && !stored.deleted && !stored.revoked {
                    self.revoke(id, stored.tenant).await?;
                    self.restored.missing.push(id);
                }
            }
        }
        Ok(())
    }

    /// The keys of a bucket as the store has them, of whatever tenant: the ring may have been for others.
    async fn stored(&mut self, bucket: u32) -> Result<BTreeMap<KeyId, Stored>, PublishError> {
        let ids = contents::ids(self.reader.buckets(), bucket..=bucket);
        let mut query = Statement::new("SELECT k.id AS id, k.tenant AS tenant, CASE WHEN ");
        changes::of_audience(&mut query, "k.tenant", &self.ring);
        query.push(
            " THEN 1 ELSE 0 END AS of_ring, k.kind AS kind, g.switched_on AS group_on, COALESCE(p.active, 1) AS owner_on, \
             k.revoked_at AS revoked_at, k.deleted_at AS deleted_at, k.activated AS activated, \
             k.expires_at AS expires_at, k.created_at AS created_at FROM api_keys k \
             JOIN key_groups g ON g.id = k.key_group LEFT JOIN people p ON p.id = k.person WHERE k.id >= ",
        );
        query.bind(ids.start().to_be_bytes().to_vec()).push(" AND k.id <= ");
        query.bind(ids.end().to_be_bytes().to_vec());
        let rows = self.work.all(query.query(self.work.dialect())?).await?;
        let mut keys = BTreeMap::new();
        for row in &rows {
            let stored = Stored {
                tenant: row.id("tenant")?,
                of_ring: row.flag("of_ring")?,
                kind: keys::kind(row.int("kind")?)?,
                group_on: row.flag("group_on")?,
                owner_on: row.flag("owner_on")?,
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
        // What is off there as a group or person may be another one here: the key is off then, and they are left alone.
        let off = records.iter().any(|record| record.disabled)
            || (whose.group_off && stored.group_on)
            || (whose.owner_off && stored.owner_on);
        if stored.activated && off {
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
            self.drop_values(id, stored.tenant, records).await?;
        }
        Ok(())
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

    /// Leaves a key those of its secrets that are on both sides.
    async fn drop_values(
        &mut self,
        id: KeyId,
        tenant: TenantId,
        records: &[KeyRecord],
    ) -> Result<(), PublishError> {
        let here = contents::values_of(&mut self.work, id).await?;
        let there = |value: &VerifierValue| {
            records.iter().find(|record| record.value.as_ref().is_some_and(|other| other.matches(value)))
        };
        let known = |record: &&KeyRecord| {
            record.value.as_ref().is_some_and(|value| here.iter().any(|(_, other)| other.matches(value)))
        };
        let rotated = records.iter().any(|record| !known(&record));
        let (mut lost, mut kept) = (rotated, false);
        for (generation, value) in &here {
            let Some(record) = there(value) else {
                let delete = sqlx::query("DELETE FROM key_values WHERE api_key = $1 AND generation = $2");
                self.work.run(delete.bind(id.bytes()).bind(*generation)).await?;
                lost = true;
                continue;
            };
            kept = true;
            // Beside one that is not known here it is the secret from before a rotation, and has an end.
            if let Some(end) = record.expires_at.and_then(|end| i64::try_from(end).ok()).filter(|_| rotated) {
                let update = sqlx::query(
                    "UPDATE key_values SET accepted_until = $1 WHERE api_key = $2 AND generation = $3 \
                     AND accepted_until > $4",
                );
                self.work.run(update.bind(end).bind(id.bytes()).bind(*generation).bind(end)).await?;
            }
        }
        if lost || !kept {
            self.work.changed_in(tenant, Changed::Key(id));
            self.restored.without_secret.push(id);
        }
        Ok(())
    }

    async fn switch_off(&mut self, tenant: TenantId) -> Result<(), PublishError> {
        let update =
            "UPDATE tenants SET switched_on = 0, revision = revision + 1 WHERE id = $1 AND switched_on = 1";
        if self.work.run(sqlx::query(update).bind(tenant.bytes())).await? > 0 {
            self.work.changed_in(tenant, Changed::Tenant);
            self.work.audit_in(Some(tenant), "tenant.switched_off", tenant, json!({ "reason": "restored" }));
            self.restored.switched_off += 1;
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
        let mut query = Statement::new("v.created_at <= ");
        query.bind(self.known_until()).push(" AND ");
        changes::of_audience(&mut query, "s.tenant", &self.ring);
        self.end_versions(query, |version| !there.contains(&version)).await
    }

    /// Ends the issuing secrets' versions beside which there is one there that is not here: they were rotated, and end
    /// nobody knows when.
    async fn end_outdated_versions(&mut self) -> Result<(), PublishError> {
        let there: Vec<AcceptedSecret> = self.reader.shared_secrets().collect();
        for unknown in &there {
            let known = sqlx::query("SELECT 1 AS found FROM secret_versions WHERE id = $1");
            let known = known.bind(unknown.secret.id().bytes());
            if self.work.optional(known).await?.is_some() {
                continue;
            }
            let Some(prefix) = unknown.prefix else {
                self.restored.unknown_versions += 1;
                continue;
            };
            // Versions of one secret have one prefix and one policy.
            let same =
                |other: &&AcceptedSecret| other.prefix == Some(prefix) && other.policy == unknown.policy;
            let same: BTreeSet<KeyId> = there.iter().filter(same).map(|other| other.secret.id()).collect();
            let mut query = Statement::new("s.is_issuing = 1 AND s.prefix = ");
            query.bind(prefix.to_string());
            self.end_versions(query, |version| same.contains(&version)).await?;
        }
        Ok(())
    }

    /// Ends versions of shared secrets `s` that are accepted now.
    async fn end_versions(
        &mut self,
        condition: Statement,
        ends: impl Fn(KeyId) -> bool,
    ) -> Result<(), PublishError> {
        let mut query = condition.preceded_by(
            "SELECT v.id AS id, s.tenant AS tenant, s.id AS secret FROM secret_versions v \
             JOIN shared_secrets s ON s.id = v.secret WHERE ",
        );
        query.push(" AND v.accepted_until > ").bind(self.work.now);
        for row in self.work.all(query.query(self.work.dialect())?).await? {
            let (id, tenant): (KeyId, TenantId) = (row.id("id")?, row.id("tenant")?);
            if !ends(id) {
                continue;
            }
            let update = sqlx::query("UPDATE secret_versions SET accepted_until = $1 WHERE id = $2");
            self.work.run(update.bind(self.work.now).bind(id.bytes())).await?;
            self.work.changed_in(tenant, Changed::Secrets);
            let secret: SecretId = row.id("secret")?;
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

    /// Lets the keys of issuing secrets sign no longer that may not sign there: they were forbidden to after the backup was
    /// made. Of a secret that is not there, nobody knows.
    async fn forbid_signing(&mut self) -> Result<(), PublishError> {
        let there: BTreeMap<KeyId, bool> =
            self.reader.shared_secrets().map(|accepted| (accepted.secret.id(), accepted.may_sign)).collect();
        let mut query =
            Statement::new("SELECT s.id AS secret, s.tenant AS tenant, s.name AS name, CASE WHEN ");
        changes::of_audience(&mut query, "s.tenant", &self.ring);
        query.push(" AND s.created_at <= ").bind(self.known_until());
        query.push(
            " THEN 1 ELSE 0 END AS expected, v.id AS version FROM shared_secrets s \
             JOIN secret_versions v ON v.secret = s.id WHERE s.may_sign = 1 AND s.retired_at = 0",
        );
        let mut secrets: BTreeMap<SecretId, May> = BTreeMap::new();
        for row in self.work.all(query.query(self.work.dialect())?).await? {
            let may = May {
                tenant: row.id("tenant")?,
                name: row.text("name")?,
                said: None,
                expected: row.flag("expected")?,
            };
            let may = secrets.entry(row.id("secret")?).or_insert(may);
            if let Some(&said) = there.get(&row.id("version")?) {
                may.said = Some(said && may.said.unwrap_or(true));
            }
        }
        for (id, may) in secrets {
            if may.said.unwrap_or(!may.expected) {
                continue;
            }
            let update =
                sqlx::query("UPDATE shared_secrets SET may_sign = 0, revision = revision + 1 WHERE id = $1");
            self.work.run(update.bind(id.bytes())).await?;
            self.work.changed_in(may.tenant, Changed::Secrets);
            let details = json!({ "name": may.name, "reason": "restored" });
            self.work.audit_in(Some(may.tenant), "shared_secret.signing_forbidden", id, details);
            self.restored.signing_forbidden += 1;
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
             layout = 0, valid_until = CASE WHEN ring_roots.valid_until > excluded.valid_until \
             THEN ring_roots.valid_until ELSE excluded.valid_until END",
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
            "missing": restored.missing.len(), "unknown": restored.unknown.len(),
            "without_secret": restored.without_secret.len(), "unknown_versions": restored.unknown_versions,
            "deactivated": restored.deactivated, "shortened": restored.shortened,
            "switched_off": restored.switched_off, "retired_versions": restored.retired_versions,
            "signing_forbidden": restored.signing_forbidden,
        });
        self.work.audit_in(None, "keyring.restored", ring, details);
        Ok(())
    }
}
