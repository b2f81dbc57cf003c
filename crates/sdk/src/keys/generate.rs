//! Making keys, and making their secrets anew. A secret is shown once; what is kept of it proves it and no more.

use super::{
    ApiKey, Keys, NewKey, Prepared, Standing, Switches, VALUE, edit, load_any, load_managed, load_visible,
    new::Preparation, require_improvable,
};
use crate::{
    Error, LastUse, Publications, Result, Rule, TenantId,
    changes::Changed,
    ids::{RecordId, entropy},
    policies::{self, Identity},
    rows::{RowExt, time},
    schema::NO_END,
    shared_secrets,
    sql::{Statement, rows_at_once},
    validate,
    work::{Work, confirm},
};
use chrono::TimeDelta;
use claviger_core::{
    KeyId, KeyKind, KeyPrefix, OpaqueUse, SecretText, VerifierValue, generate_opaque_key, parse,
};
use serde_json::json;
use zeroize::Zeroizing;

/// The most keys of a batch.
const MAX_BATCH: usize = 10_000;

/// A key that was just made, with its text: the only time that it is there.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Generated {
    /// The record.
    pub key: ApiKey,
    /// The whole text of the key, to be given to its holder. It cannot be had again. None if the request was
    /// [replayed](Self::replayed).
    pub text: Option<SecretText>,
    /// Whether the key was made before, by a request with the same
    /// [idempotency key](crate::Session::with_idempotency_key). Its text was shown then.
    pub replayed: bool,
    /// How verifiers learn that a regenerated key's old secret is good no more. Empty otherwise: what is new or goes on
    /// is published when its turn comes.
    pub publications: Publications,
}

impl Keys<'_> {
    /// Generates a key.
    ///
    /// # Errors
    /// [`Error::PermissionNeeded`] without `api_keys:modify` (on one's own behalf) or `api_keys:modify_all`;
    /// [`Error::BeyondOwnAccess`] if the key could do what the actor cannot; [`Error::ConfirmationNeeded`] for a key that
    /// can do everything; [`Error::Refused`] where API keys are switched off, for a role that the user does not have and
    /// for an owner who is deactivated; [`Error::Invalid`]; [`Error::NotFound`].
    pub async fn generate(self, new: NewKey) -> Result<Generated> {
        let generated = self.generate_batch(vec![new]).await?;
        let only = generated.into_iter().next();
        only.ok_or_else(|| Error::Damaged("a generated key is missing".into()))
    }

    /// Generates up to 10,000 keys, all or none of them.
    ///
    /// # Errors
    /// As [`generate`](Self::generate), for the first key for which there is one.
    pub async fn generate_batch(self, new: Vec<NewKey>) -> Result<Vec<Generated>> {
        let mut work = self.0.write().await?;
        let tenant = work.tenant()?;
        if !work.may("api_keys:modify") {
            work.require("api_keys:modify_all")?;
        }
        if !tenant.switched_on {
            return Err(Rule::TenantOff.into());
        }
        if !(1..=MAX_BATCH).contains(&new.len()) {
            return Err(Error::invalid("keys", format!("expected 1 to {MAX_BATCH}, got {}", new.len())));
        }
        let request = ("keys", &new);
        if let Some(ids) = work.replayed(&request).await? {
            let mut generated = Vec::new();
            for id in ids.split(' ') {
                let id = id.parse().map_err(|_| crate::rows::damaged("records"))?;
                let key = load_visible(&mut work, id).await?;
                generated.push(Generated {
                    key,
                    text: None,
                    replayed: true,
                    publications: Publications::default(),
                });
            }
            return Ok(generated);
        }
        let (mut preparation, mut keys) = (Preparation::default(), Vec::with_capacity(new.len()));
        for new in new.clone() {
            let prepared = preparation.prepare(&mut work, &tenant, new).await?;
            let secret = match prepared.signed_by {
                None => Secret::opaque(KeyId::random()?, &prepared.prefix, prepared.opaque_use())?,
                Some(secret) => shared_secrets::sign_key(&mut work, secret, &prepared).await?,
            };
            keys.push((prepared, secret));
        }
        insert(&mut work, &keys).await?;
        let ids: Vec<String> = keys.iter().map(|(_, secret)| secret.id.to_string()).collect();
        work.remember(&request, ids.join(" ")).await?;
        let records: Vec<ApiKey> = keys.iter().map(|key| record(&work, tenant.id, key)).collect();
        work.commit().await?;
        let texts = keys.into_iter().map(|(_, secret)| secret.text);
        let complete = |(key, text)| Generated {
            key,
            text: Some(text),
            replayed: false,
            publications: Publications::default(),
        };
        Ok(records.into_iter().zip(texts).map(complete).collect())
    }

    /// Gives a key another secret, and publishes it. The old one is good for no moment longer. The id stays, and a lifetime
    /// begins anew.
    /// `confirmation` repeats the key's name.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::PermissionNeeded`]; [`Error::BeyondOwnAccess`]; [`Error::ConfirmationNeeded`];
    /// [`Error::Refused`] for a signed key, for one that was revoked, and where keys are switched off or locked.
    pub async fn regenerate(self, id: KeyId, confirmation: &str) -> Result<Generated> {
        let mut work = self.0.write().await?;
        let key = load_managed(&mut work, id).await?;
        require_improvable(&mut work, &key).await?;
        confirm(confirmation, &key.name)?;
        remake_secret(work, key, None, "key.regenerated").await
    }

    /// Gives a key another secret; the old one stays good beside it for `overlap`, but not beyond its own expiry or
    /// the key's new one. The id stays, and a lifetime begins anew. If a rotation is still going on, its older secret ends now.
    ///
    /// # Errors
    /// As [`regenerate`](Self::regenerate), but for the confirmation; [`Error::Invalid`] for an overlap that is not
    /// between one second and a year.
    pub async fn rotate(self, id: KeyId, overlap: TimeDelta) -> Result<Generated> {
        let mut work = self.0.write().await?;
        let key = load_managed(&mut work, id).await?;
        require_improvable(&mut work, &key).await?;
        if !(1..=366 * 86_400).contains(&overlap.num_seconds()) {
            return Err(Error::invalid("overlap", "expected one second to a year"));
        }
        remake_secret(work, key, Some(overlap.num_seconds()), "key.rotated").await
    }
}

/// A secret that was just made.
pub(crate) struct Secret {
    pub(crate) id: KeyId,
    pub(crate) text: SecretText,
    /// What proves an opaque key.
    pub(crate) value: Option<VerifierValue>,
    /// Of a signed key: the issuing secret's version.
    pub(crate) made_by: Option<KeyId>,
    /// When the claims of a signed key end.
    pub(crate) expires_at: Option<i64>,
}

impl Secret {
    /// A new secret of the opaque key `id`.
    pub(crate) fn opaque(id: KeyId, prefix: &KeyPrefix, usage: OpaqueUse) -> Result<Self> {
        let mut seed = Zeroizing::new(entropy::<40>()?);
        for (slot, byte) in seed.iter_mut().zip(id.as_u64().to_be_bytes()) {
            *slot = byte;
        }
        let (id, text) = generate_opaque_key(prefix, usage, &seed);
        let value = parse(text.expose()).ok().and_then(|parsed| VerifierValue::of_key(&parsed));
        if value.is_none() {
            return Err(Error::Damaged("a key that was just made cannot be read".into()));
        }
        Ok(Self { id, text, value, made_by: None, expires_at: None })
    }
}

/// Writes new keys, many in one statement.
pub(crate) async fn insert(work: &mut Work, keys: &[(Prepared, Secret)]) -> Result<()> {
    let (tenant, now, actor) = (work.tenant()?.id, work.now, work.actor_label());
    let identity = |key: &Prepared| Identity::of(&key.parts(tenant), key.owner.role(), key.group);
    let identities: Vec<Identity> = keys.iter().map(|(key, _)| identity(key)).collect();
    let dialect = work.dialect();
    let policies = policies::numbers(work.connection(), dialect, &identities).await?;
    let rows: Vec<(&(Prepared, Secret), i64)> = keys.iter().zip(policies).collect();
    for batch in rows.chunks(rows_at_once(29)) {
        let mut query = Statement::new(
            "INSERT INTO api_keys (id, tenant, owner_kind, person, role, role_name, name, name_folded, description, \
             description_folded, key_group, kind, prefix, activated, read_only, api_client, networks, lifetime, \
             not_before, expires_at, lead_days, external_id, metadata, limits, created_at, created_by, \
             secret_version, listed, policy, last_used_at, use_count, revision, revoked_at, revocation_reason, review_due_at, \
             deleted_at, held) ",
        );
        query.rows(batch, |row, ((key, secret), policy)| {
            let expires_at = secret.expires_at.or(key.expires_at).unwrap_or(NO_END);
            let listed = !matches!(key.owner, super::KeyOwner::Personal(_));
            row.bind(secret.id.bytes())
                .bind(tenant.bytes())
                .bind(key.owner.number())
                .bind(key.owner.person().map(RecordId::bytes))
                .bind(key.owner.role().map(RecordId::bytes))
                .bind(key.role_name.clone())
                .bind(key.name.clone())
                .bind(validate::folded(&key.name))
                .bind(key.description.clone())
                .bind(edit::sortable(&key.description))
                .bind(key.group.bytes())
                .bind(i64::from(key.kind.number()))
                .bind(key.prefix.to_string())
                .bind(i64::from(key.activated))
                .bind(i64::from(key.read_only))
                .bind(i64::from(key.api_client))
                .bind(edit::write_networks(&key.networks))
                .bind(key.lifetime.unwrap_or(NO_END))
                .bind(key.not_before)
                .bind(expires_at)
                .bind(edit::write_days(&key.notify_days_before))
                .bind(key.external_id.clone().unwrap_or_default())
                .bind(key.metadata.clone().unwrap_or_default())
                .bind(edit::write_limits(&key.limits))
                .bind(now)
                .bind(actor.clone())
                .bind(secret.made_by.map(RecordId::bytes))
                .bind(i64::from(listed))
                .bind(*policy);
            row.push("0, 0, 1, 0, '', 0, 0, 0");
        });
        work.run_unique(query.query(work.dialect())?, "API key", "id", "(random)").await?;
    }
    insert_values(work, keys).await?;
    insert_notices(work, keys).await?;
    for (key, secret) in keys {
        let details = json!({
            "name": key.name, "owner": key.owner.id(tenant), "role": key.role_name, "kind": key.kind.as_str(),
            "group": key.group, "expires_at": secret.expires_at.or(key.expires_at),
            "networks": edit::write_networks(&key.networks), "read_only": key.read_only,
        });
        work.audit("key.generated", secret.id, details);
        work.changed(Changed::Key(secret.id));
    }
    Ok(())
}

/// Seals and writes the values of new opaque keys.
async fn insert_values(work: &mut Work, keys: &[(Prepared, Secret)]) -> Result<()> {
    let mut rows = Vec::with_capacity(keys.len());
    for (_, secret) in keys {
        if let Some(value) = &secret.value {
            rows.push((secret.id, work.seal(VALUE, secret.id, 1, value.expose())?));
        }
    }
    for batch in rows.chunks(rows_at_once(5)) {
        let mut query =
            Statement::new("INSERT INTO key_values (api_key, generation, data_key, sealed, accepted_until) ");
        query.rows(batch, |row, (id, (data_key, sealed))| {
            row.bind(id.bytes()).bind(1_i64).bind(data_key.bytes()).bind(sealed.clone()).bind(NO_END);
        });
        work.run(query.query(work.dialect())?).await?;
    }
    Ok(())
}

/// Writes who is told before new keys expire.
async fn insert_notices(work: &mut Work, keys: &[(Prepared, Secret)]) -> Result<()> {
    let mut rows = Vec::new();
    for (key, secret) in keys {
        rows.extend(key.notify.iter().map(|&person| (secret.id, person)));
    }
    for batch in rows.chunks(rows_at_once(2)) {
        let mut query = Statement::new("INSERT INTO key_notices (api_key, person) ");
        query.rows(batch, |row, (key, person)| {
            row.bind(key.bytes()).bind(person.bytes());
        });
        work.run(query.query(work.dialect())?).await?;
    }
    Ok(())
}

/// Writes the next value of a key. What was before is good until `previous_until`, or no longer if that is over.
async fn insert_value(work: &mut Work, id: KeyId, value: &VerifierValue, previous_until: i64) -> Result<()> {
    let last = sqlx::query("SELECT COALESCE(MAX(generation), 0) AS last FROM key_values WHERE api_key = $1");
    let last = work.one(last.bind(id.bytes())).await?.int("last")?;
    let older = sqlx::query("DELETE FROM key_values WHERE api_key = $1 AND (generation < $2 OR $3 <= $4)");
    work.run(older.bind(id.bytes()).bind(last).bind(previous_until).bind(work.now)).await?;
    let end = sqlx::query("UPDATE key_values SET accepted_until = $1 WHERE api_key = $2");
    work.run(end.bind(previous_until).bind(id.bytes())).await?;
    let generation = last.saturating_add(1);
    let (data_key, sealed) = work.seal(VALUE, id, generation, value.expose())?;
    let insert = sqlx::query(
        "INSERT INTO key_values (api_key, generation, data_key, sealed, accepted_until) VALUES ($1, $2, $3, $4, $5)",
    );
    let insert = insert.bind(id.bytes()).bind(generation).bind(data_key.bytes()).bind(sealed).bind(NO_END);
    work.run(insert).await.map(|_| ())
}

/// Makes another secret for an opaque key, and writes it.
pub(crate) async fn remake_secret(
    mut work: Work,
    key: ApiKey,
    overlap: Option<i64>,
    action: &str,
) -> Result<Generated> {
    let usage = match key.kind {
        KeyKind::Opaque => OpaqueUse::Bearer,
        KeyKind::OpaqueSigning => OpaqueUse::BearerAndSigning,
        _ => return Err(Rule::SignedKeyIsFixed.into()),
    };
    let secret = Secret::opaque(key.id, &key.prefix, usage)?;
    let old_expiry = key.expires_at.map_or(NO_END, |time| time.timestamp());
    let starts_at = key.not_before.map_or(work.now, |time| time.timestamp().max(work.now));
    let expires_at = key.lifetime.map_or(NO_END, |lifetime| starts_at.saturating_add(lifetime.num_seconds()));
    if expires_at != NO_END && expires_at > i64::from(u32::MAX) {
        return Err(Error::invalid("lifetime", "ends after February 2106; generate a key without end"));
    }
    // A key that was refreshed can end earlier than before; no secret of it outlives it.
    let latest = old_expiry.min(expires_at);
    let previous_until = overlap.map_or(0, |overlap| work.now.saturating_add(overlap).min(latest));
    if let Some(value) = &secret.value {
        insert_value(&mut work, key.id, value, previous_until).await?;
    }
    let update = sqlx::query("UPDATE api_keys SET expires_at = $1, revision = revision + 1 WHERE id = $2");
    work.run(update.bind(expires_at).bind(key.id.bytes())).await?;
    let expiry = Some(expires_at).filter(|&time| time != NO_END);
    let details = json!({ "expires_at": expiry, "previous_until": Some(previous_until).filter(|&time| time > work.now) });
    work.audit(action, key.id, details);
    work.changed(Changed::Key(key.id));
    let key = load_any(&mut work, key.id).await?;
    let publications = match overlap {
        None => work.commit_and_publish().await?,
        Some(_) => work.commit().await.map(|()| Publications::default())?,
    };
    Ok(Generated { key, text: Some(secret.text), replayed: false, publications })
}

/// The record of a key that was just written.
fn record(work: &Work, tenant: TenantId, (key, secret): &(Prepared, Secret)) -> ApiKey {
    let expires_at = secret.expires_at.or(key.expires_at);
    // Nothing is generated where keys are off, nor for an owner who is deactivated.
    let switches = Switches { group_off: !key.group_on, owner_off: false, tenant_off: false };
    let standing = Standing {
        revoked: false,
        activated: key.activated,
        switches,
        secret_until: NO_END,
        not_before: key.not_before,
        expires_at: expires_at.unwrap_or(NO_END),
    };
    ApiKey {
        id: secret.id,
        tenant,
        owner: key.owner,
        role_name: key.role_name.clone(),
        name: key.name.clone(),
        description: key.description.clone(),
        group: key.group,
        kind: key.kind,
        prefix: key.prefix,
        status: standing.status(work.now),
        activated: key.activated,
        read_only: key.read_only,
        api_client: key.api_client,
        networks: key.networks.clone(),
        lifetime: key.lifetime.and_then(TimeDelta::try_seconds),
        not_before: time(key.not_before).filter(|_| key.not_before != 0),
        expires_at: expires_at.and_then(time),
        previous_secret_until: None,
        notify: key.notify.clone(),
        notify_days_before: key.notify_days_before.clone(),
        external_id: key.external_id.clone(),
        metadata: key.metadata.clone(),
        limits: key.limits.clone(),
        last_use: LastUse::Unknown,
        use_count: 0,
        created_at: time(work.now).unwrap_or_default(),
        created_by: work.actor_label(),
        revocation: None,
        review_due_at: None,
        revision: 1,
        switches,
    }
}
