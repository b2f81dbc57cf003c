//! Life and death of keys: activating, deactivating, refreshing, ending, deleting.

use super::{ApiKey, Keys, is_own, load_any, load_managed, require_improvable};
use crate::{
    Ended, Error, GroupId, PersonId, Publications, Result, RoleId, Rule, TenantId,
    changes::Changed,
    ids::RecordId,
    policies::{self, Identity},
    rows::RowExt,
    schema::NO_END,
    sql::Statement,
    validate,
    work::{Work, confirm},
};
use claviger_core::{KeyId, KeyKind, KeyPrefix, KeyRecord};
use serde_json::json;

/// Why a key is revoked now.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum RevocationReason {
    /// Somebody else has it, or may have it.
    Compromised,
    /// Nobody needs it.
    Unused,
    /// Something else: 1 to 200 characters.
    Other(String),
}

impl RevocationReason {
    fn as_str(&self) -> &str {
        match self {
            Self::Compromised => "compromised",
            Self::Unused => "unused",
            Self::Other(reason) => reason,
        }
    }
}

impl Keys<'_> {
    /// Activates a key, so that it is good.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::PermissionNeeded`]; [`Error::BeyondOwnAccess`]; [`Error::Refused`] for a key that was
    /// revoked, for one's own if an administrator has deactivated it, and where keys are switched off or locked.
    pub async fn activate(self, id: KeyId) -> Result<ApiKey> {
        let mut work = self.0.write().await?;
        let key = load_managed(&mut work, id).await?;
        require_improvable(&mut work, &key).await?;
        if !work.may("api_keys:modify_all") {
            require_not_held(&mut work, id).await?;
        }
        activate(work, id).await
    }

    /// Deactivates a key, so that it is not good until it is activated again. Possible while keys are locked or switched
    /// off.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::PermissionNeeded`].
    pub async fn deactivate(self, id: KeyId) -> Result<ApiKey> {
        let mut work = self.0.write().await?;
        let key = load_managed(&mut work, id).await?;
        let by_other = !is_own(&work, &key);
        deactivate(work, id, by_other).await
    }

    /// Extends a key by its lifetime: its expiry becomes max(now, expiry) + the lifetime chosen at generation.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::PermissionNeeded`]; [`Error::BeyondOwnAccess`]; [`Error::Refused`] for a key that
    /// never expires, is signed, or was revoked, and where keys are switched off or locked.
    pub async fn refresh(self, id: KeyId) -> Result<ApiKey> {
        let mut work = self.0.write().await?;
        let key = load_managed(&mut work, id).await?;
        require_improvable(&mut work, &key).await?;
        if key.kind == KeyKind::Signed {
            return Err(Rule::SignedKeyIsFixed.into());
        }
        let (Some(lifetime), Some(expires_at)) = (key.lifetime, key.expires_at) else {
            return Err(Rule::KeyNeverExpires.into());
        };
        let expires_at = expires_at.timestamp().max(work.now).saturating_add(lifetime.num_seconds());
        if expires_at > i64::from(u32::MAX) {
            return Err(Error::invalid("lifetime", "would end after February 2106"));
        }
        let update =
            sqlx::query("UPDATE api_keys SET expires_at = $1, revision = revision + 1 WHERE id = $2");
        work.run(update.bind(expires_at).bind(id.bytes())).await?;
        work.changed(Changed::Key(id));
        work.audit("key.refreshed", id, json!({ "expires_at": expires_at }));
        finish(work, id).await
    }

    /// Ends a key at once and for good, and publishes it. `confirmation` repeats its name. Possible while keys are locked or
    /// switched off.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::PermissionNeeded`]; [`Error::ConfirmationNeeded`]; [`Error::Invalid`] for a reason
    /// that is none; [`Error::Refused`] if it was revoked before.
    pub async fn expire_now(
        self,
        id: KeyId,
        reason: RevocationReason,
        confirmation: &str,
    ) -> Result<Ended<ApiKey>> {
        let mut work = self.0.write().await?;
        let key = load_managed(&mut work, id).await?;
        validate::within("reason", reason.as_str(), 1, 200)?;
        confirm(confirmation, &key.name)?;
        if key.revocation.is_some() {
            return Err(Rule::KeyRevoked.into());
        }
        let update = "UPDATE api_keys SET revoked_at = $1, revocation_reason = $2, revision = revision + 1 \
                      WHERE id = $3";
        let update = sqlx::query(update).bind(work.now).bind(reason.as_str().to_owned());
        work.run(update.bind(id.bytes())).await?;
        work.changed(Changed::Key(id));
        work.audit("key.expired_now", id, json!({ "name": key.name, "reason": reason.as_str() }));
        let record = load_any(&mut work, id).await?;
        Ok(Ended { record, publications: work.commit_and_publish().await? })
    }

    /// Deletes a key, and publishes it. Its id is never given again. `confirmation` repeats its name. Possible while keys are
    /// locked or switched off.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::PermissionNeeded`]; [`Error::ConfirmationNeeded`].
    pub async fn delete(self, id: KeyId, confirmation: &str) -> Result<Publications> {
        let mut work = self.0.write().await?;
        let key = load_managed(&mut work, id).await?;
        confirm(confirmation, &key.name)?;
        erase(&mut work, &key).await?;
        work.audit("key.deleted", id, json!({ "name": key.name }));
        work.commit_and_publish().await
    }
}

async fn finish(mut work: Work, id: KeyId) -> Result<ApiKey> {
    let key = load_any(&mut work, id).await?;
    work.commit().await?;
    Ok(key)
}

/// Makes sure that nobody else has deactivated it.
pub(crate) async fn require_not_held(work: &mut Work, key: KeyId) -> Result<()> {
    let held = sqlx::query("SELECT held FROM api_keys WHERE id = $1").bind(key.bytes());
    if work.one(held).await?.flag("held")? { Err(Rule::KeyIsHeld.into()) } else { Ok(()) }
}

pub(crate) async fn activate(mut work: Work, id: KeyId) -> Result<ApiKey> {
    let update = "UPDATE api_keys SET activated = 1, held = 0, revision = revision + 1 WHERE id = $1";
    work.run(sqlx::query(update).bind(id.bytes())).await?;
    work.changed(Changed::Key(id));
    work.audit("key.activated", id, json!({}));
    finish(work, id).await
}

/// With `by_other`, its user cannot activate it.
pub(crate) async fn deactivate(mut work: Work, id: KeyId, by_other: bool) -> Result<ApiKey> {
    let update = "UPDATE api_keys SET activated = 0, held = CASE WHEN $1 = 1 THEN 1 ELSE held END, \
                  revision = revision + 1 WHERE id = $2";
    work.run(sqlx::query(update).bind(i64::from(by_other)).bind(id.bytes())).await?;
    work.changed(Changed::Key(id));
    work.audit("key.deactivated", id, json!({}));
    finish(work, id).await
}

/// Deletes what a key was. Its row stays, so that its id is never given again and a signed key is denied as long as its
/// claims could be valid; what proved it goes.
pub(crate) async fn erase(work: &mut Work, key: &ApiKey) -> Result<()> {
    for delete in [
        "DELETE FROM key_values WHERE api_key = $1",
        "DELETE FROM key_notices WHERE api_key = $1",
        "DELETE FROM key_reviews WHERE api_key = $1",
    ] {
        work.run(sqlx::query(delete).bind(key.id.bytes())).await?;
    }
    let update = sqlx::query(
        "UPDATE api_keys SET listed = 0, deleted_at = $1, \
         revocation_reason = CASE WHEN revoked_at = 0 THEN 'deleted' ELSE revocation_reason END, \
         revoked_at = CASE WHEN revoked_at = 0 THEN $2 ELSE revoked_at END, revision = revision + 1 WHERE id = $3",
    );
    work.run(update.bind(work.now).bind(work.now).bind(key.id.bytes())).await?;
    work.changed(Changed::Key(key.id));
    Ok(())
}

/// Keeps the id of a key of which nothing else is known, as if it had been deleted.
pub(crate) async fn insert_tombstone(
    work: &mut Work,
    record: &KeyRecord,
    tenant: TenantId,
    group: GroupId,
    prefix: KeyPrefix,
    secret_version: Option<Vec<u8>>,
) -> Result<()> {
    let expires_at = record.expires_at.and_then(|time| i64::try_from(time).ok()).unwrap_or(NO_END);
    let policy = policies::number(work, Identity::of_issuing_secret(tenant, prefix, None)).await?;
    let insert = sqlx::query(
        "INSERT INTO api_keys (id, tenant, owner_kind, role_name, name, name_folded, description, description_folded, \
         key_group, kind, prefix, activated, held, read_only, api_client, networks, lifetime, not_before, expires_at, \
         lead_days, external_id, metadata, limits, last_used_at, use_count, created_at, created_by, revision, \
         revoked_at, revocation_reason, review_due_at, secret_version, listed, deleted_at, policy) \
         VALUES ($1, $2, 2, '', '', '', '', '', $3, $4, $5, 0, 0, 0, 0, '', $6, 0, $7, '', '', '', '[]', 0, 0, $8, $9, 1, \
         $10, 'restored', 0, $11, 0, $12, $13)",
    );
    let insert = insert.bind(record.id.bytes()).bind(tenant.bytes()).bind(group.bytes());
    let insert = insert.bind(i64::from(record.kind.number())).bind(prefix.to_string()).bind(NO_END);
    let insert = insert.bind(expires_at).bind(work.now);
    let insert =
        insert.bind(work.actor_label()).bind(work.now).bind(secret_version).bind(work.now).bind(policy);
    work.run(insert).await?;
    work.changed_in(tenant, Changed::Key(record.id));
    Ok(())
}

/// Ends the keys that act in a role which `person` has lost, or which is deleted. Returns how many.
pub(crate) async fn revoke_keys_in_role(
    work: &mut Work,
    person: Option<PersonId>,
    role: RoleId,
) -> Result<u64> {
    let reason = if person.is_some() { "role_taken" } else { "role_deleted" };
    let mut revoke = Statement::new("UPDATE api_keys SET revision = revision + 1, revoked_at = ");
    revoke.bind(work.now).push(", revocation_reason = ").bind(reason);
    revoke.push(" WHERE revoked_at = 0 AND deleted_at = 0 AND role = ").bind(role.bytes());
    if let Some(person) = person {
        revoke.push(" AND person = ").bind(person.bytes());
    }
    revoke.push(" RETURNING id");
    let rows = work.all(revoke.query(work.dialect())?).await?;
    for row in &rows {
        let id: KeyId = row.id("id")?;
        work.changed(Changed::Key(id));
        work.audit("key.revoked", id, json!({ "reason": reason }));
    }
    Ok(rows.len() as u64)
}
