//! Shared secrets of a tenant: issuing secrets make signed keys, integration secrets sign requests and webhooks. Each
//! has versions and is rotated with an overlap.

use crate::{
    ApiKey, Created, Error, Result, RoleId, Rule, SecretId, Session, TenantId,
    changes::Changed,
    effective,
    ids::{RecordId, entropy},
    keys::{Prepared, Secret},
    roles,
    rows::{RowExt, damaged},
    schema::NO_END,
    validate,
    work::{Work, confirm},
};
use chrono::{DateTime, TimeDelta, Utc};
use claviger_core::{
    DenialClass, IssuingKey, KeyId, KeyKind, KeyPrefix, Purpose, RequestContext, SecretText, SharedSecret,
    SignedKeyTerms, Verdict, Verifier, parse,
};
use serde_json::json;
use sqlx::any::AnyRow;
use zeroize::Zeroizing;

/// What a shared secret is sealed as.
pub(crate) const VALUE: &str = "shared secret";

/// A shared secret, without what is secret of it.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct SharedSecretRecord {
    /// Its id.
    pub id: SecretId,
    /// The tenant.
    pub tenant: TenantId,
    /// Whether it makes keys, or signs requests and webhooks.
    pub purpose: Purpose,
    /// Its name, unique in the tenant.
    pub name: String,
    /// Of an issuing secret: the prefix of the keys that it makes.
    pub key_prefix: Option<KeyPrefix>,
    /// Of an issuing secret: the role of keys that it made outside this store.
    pub role: Option<RoleId>,
    /// Of an issuing secret: whether the keys that it makes may also sign requests.
    pub may_sign: bool,
    /// Its versions, the newest first; those that are over are not among them.
    pub versions: Vec<SecretVersion>,
    /// When it was retired, if it was.
    pub retired_at: Option<DateTime<Utc>>,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// Grows with each change.
    pub revision: i64,
}

/// A version of a shared secret.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct SecretVersion {
    /// The id that its text has.
    pub id: KeyId,
    /// Its number: of an issuing secret no other with the same key prefix has it while a key that it made can be valid.
    pub version: u8,
    /// Until when it is accepted; none for the present version.
    pub accepted_until: Option<DateTime<Utc>>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// What a new shared secret is to be.
#[derive(Clone, Debug, serde::Serialize)]
#[must_use]
pub struct NewSharedSecret {
    name: String,
    prefix: Option<String>,
    is_issuing: bool,
    role: Option<RoleId>,
    may_sign: bool,
}

impl NewSharedSecret {
    /// A secret with a name of 1 to 100 characters that makes signed keys.
    pub fn issuing(name: &str) -> Self {
        Self { name: name.to_owned(), prefix: None, is_issuing: true, role: None, may_sign: false }
    }

    /// A secret with a name of 1 to 100 characters that signs requests and webhooks.
    pub fn integration(name: &str) -> Self {
        Self { is_issuing: false, ..Self::issuing(name) }
    }

    /// The prefix of the keys that an issuing secret makes: one of the tenant's, the first if nothing is said.
    pub fn key_prefix(self, prefix: KeyPrefix) -> Self {
        Self { prefix: Some(prefix.to_string()), ..self }
    }

    /// What keys may do that an issuing secret made outside this store. Without a role they may do nothing.
    pub fn role(self, role: RoleId) -> Self {
        Self { role: Some(role), ..self }
    }

    /// The keys that an issuing secret makes may also sign requests: see [`SharedSecrets::allow_signing`].
    pub fn for_signing(self) -> Self {
        Self { may_sign: true, ..self }
    }
}

/// Shared secrets: see [`Session::shared_secrets`].
#[derive(Clone, Copy)]
pub struct SharedSecrets<'s>(pub(crate) &'s Session);

impl SharedSecrets<'_> {
    /// Creates a shared secret with its first version. It is not shown: [`reveal`](Self::reveal) does that.
    ///
    /// # Errors
    /// [`Error::PermissionNeeded`] without `shared_secrets:modify`; [`Error::BeyondOwnAccess`] if the role has what the
    /// actor does not have; [`Error::Refused`] where API keys are switched off, and for an integration secret whose keys
    /// were to sign; [`Error::Invalid`]; [`Error::Exists`].
    pub async fn create(self, new: NewSharedSecret) -> Result<Created<SharedSecretRecord>> {
        let mut work = self.0.write().await?;
        work.require("shared_secrets:modify")?;
        let tenant = work.tenant()?;
        if !tenant.switched_on {
            return Err(Rule::TenantOff.into());
        }
        validate::name("name", &new.name)?;
        let prefix = match &new.prefix {
            _ if !new.is_issuing => String::new(),
            None => tenant.prefixes.first().map(ToString::to_string).unwrap_or_default(),
            Some(prefix) => prefix.clone(),
        };
        if new.is_issuing && !tenant.prefixes.iter().any(|allowed| allowed.as_str() == prefix) {
            return Err(Error::invalid("key_prefix", "is none of the tenant's key prefixes"));
        }
        if !new.is_issuing && (new.role.is_some() || new.prefix.is_some()) {
            return Err(Error::invalid("purpose", "an integration secret has neither role nor key prefix"));
        }
        if !new.is_issuing && new.may_sign {
            return Err(Rule::IntegrationSecretMakesNoKeys.into());
        }
        if let Some(role) = new.role {
            let role = roles::load(&mut work, role).await?;
            let access = crate::Access::of(role.permissions, role.read_only);
            work.caller.access.require_all_of(&access)?;
        }
        let request = ("shared secret", &new);
        if let Some(id) = work.replayed(&request).await? {
            return Ok(Created::new(load(&mut work, id.parse()?).await?, true));
        }
        let id = SecretId::random()?;
        let insert = sqlx::query(
            "INSERT INTO shared_secrets (id, tenant, is_issuing, name, prefix, role, may_sign, retired_at, created_at, \
             revision) VALUES ($1, $2, $3, $4, $5, $6, $7, 0, $8, 1)",
        );
        let insert = insert.bind(id.bytes()).bind(tenant.id.bytes()).bind(i64::from(new.is_issuing));
        let insert = insert.bind(new.name.clone()).bind(prefix.clone()).bind(new.role.map(RecordId::bytes));
        let insert = insert.bind(i64::from(new.may_sign));
        work.run_unique(insert.bind(work.now), "shared secret", "name", &new.name).await?;
        let version = add_version(&mut work, id, new.is_issuing, &prefix).await?;
        work.remember(&request, id).await?;
        let purpose = purpose(new.is_issuing).as_str();
        work.changed(Changed::Secrets);
        work.audit(
            "shared_secret.created",
            id,
            json!({ "name": new.name, "purpose": purpose, "version": version, "may_sign": new.may_sign }),
        );
        Ok(Created::new(finish(work, id).await?, false))
    }

    /// The shared secrets of the tenant, by name, retired ones too.
    ///
    /// # Errors
    /// [`Error::PermissionNeeded`] without `shared_secrets:modify` and `shared_secrets:reveal`.
    pub async fn list(self) -> Result<Vec<SharedSecretRecord>> {
        let mut work = self.0.read().await?;
        require_view(&work)?;
        let tenant = work.tenant()?.id;
        let query = sqlx::query("SELECT * FROM shared_secrets WHERE tenant = $1 ORDER BY name");
        let mut secrets = Vec::new();
        for row in work.all(query.bind(tenant.bytes())).await? {
            secrets.push(read(&mut work, &row).await?);
        }
        Ok(secrets)
    }

    /// One shared secret.
    ///
    /// # Errors
    /// [`Error::PermissionNeeded`] as [`list`](Self::list); [`Error::NotFound`].
    pub async fn get(self, id: SecretId) -> Result<SharedSecretRecord> {
        let mut work = self.0.read().await?;
        require_view(&work)?;
        load(&mut work, id).await
    }

    /// The text of the present version. The audit log has it, in writing, before it is shown.
    ///
    /// # Errors
    /// [`Error::PermissionNeeded`] without `shared_secrets:reveal`; [`Error::Refused`] for an issuing secret, which is
    /// revealed to the operator alone, and for a retired one; [`Error::NotFound`].
    pub async fn reveal(self, id: SecretId) -> Result<SecretText> {
        let mut work = self.0.write().await?;
        work.require("shared_secrets:reveal")?;
        let record = load(&mut work, id).await?;
        if record.purpose == Purpose::Issuing && !work.is_operator() {
            return Err(Rule::IssuingSecretIsTheOperators.into());
        }
        let (version, secret) = present(&mut work, id).await?;
        let details = json!({ "name": record.name, "version": secret.version(), "version_id": version });
        work.audit("shared_secret.revealed", id, details);
        work.commit().await?;
        Ok(secret.to_text())
    }

    /// Makes another version. The one before stays accepted for `overlap`; any older one ends now.
    ///
    /// # Errors
    /// [`Error::PermissionNeeded`] without `shared_secrets:modify`; [`Error::NotFound`]; [`Error::Refused`] for a retired
    /// one, where API keys are switched off, and if no version is left; [`Error::Invalid`] for an overlap that is not
    /// between 0 and a year.
    pub async fn rotate(self, id: SecretId, overlap: TimeDelta) -> Result<SharedSecretRecord> {
        let mut work = self.0.write().await?;
        work.require("shared_secrets:modify")?;
        if !work.tenant()?.switched_on {
            return Err(Rule::TenantOff.into());
        }
        if !(0..=366 * 86_400).contains(&overlap.num_seconds()) {
            return Err(Error::invalid("overlap", "expected at most a year"));
        }
        let record = load(&mut work, id).await?;
        if record.retired_at.is_some() {
            return Err(Rule::SecretRetired.into());
        }
        let older = "UPDATE secret_versions SET accepted_until = $1 WHERE secret = $2 AND accepted_until > $3 \
                     AND accepted_until < $4";
        let older = sqlx::query(older).bind(work.now).bind(id.bytes()).bind(work.now);
        work.run(older.bind(NO_END)).await?;
        let present =
            "UPDATE secret_versions SET accepted_until = $1 WHERE secret = $2 AND accepted_until = $3";
        let until = work.now.saturating_add(overlap.num_seconds());
        work.run(sqlx::query(present).bind(until).bind(id.bytes()).bind(NO_END)).await?;
        let prefix = record.key_prefix.map(|prefix| prefix.to_string()).unwrap_or_default();
        let version = add_version(&mut work, id, record.purpose == Purpose::Issuing, &prefix).await?;
        let update = sqlx::query("UPDATE shared_secrets SET revision = revision + 1 WHERE id = $1");
        work.run(update.bind(id.bytes())).await?;
        let details = json!({ "name": record.name, "version": version, "previous_until": until });
        work.changed(Changed::Secrets);
        work.audit("shared_secret.rotated", id, details);
        finish(work, id).await
    }

    /// Lets the keys that an issuing secret makes also sign requests (RFC 9421), from the next root on. Unless it is said,
    /// they do not: their signatures are denied as those of unknown keys are.
    ///
    /// It is said of the secret and holds for all its versions, those to come too, and for the keys that they have made. No
    /// key may do more in a request that it signs than where it is presented. A verifier without a keyring decides for itself
    /// ([`IssuingKey::for_signing`](claviger_core::IssuingKey::for_signing)).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use claviger_sdk::{Actor, NewSharedSecret, NewTenant, Store, generate_master_key};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("company.db");
    /// # let path = path.to_str().ok_or("path")?;
    /// # let store = Store::open(path, &generate_master_key()?).await?;
    /// # let operator = store.acting_as(Actor::operator("platform"));
    /// # let tenant = operator.tenants().create(NewTenant::new("Northwind", "nw_live".parse()?)).await?;
    /// # let operator = operator.in_tenant(tenant.id);
    /// let secrets = operator.shared_secrets();
    /// let edge = secrets.create(NewSharedSecret::issuing("edge")).await?;
    /// assert!(!edge.may_sign);
    /// assert!(secrets.allow_signing(edge.id).await?.may_sign);
    /// assert!(!secrets.forbid_signing(edge.id).await?.may_sign);
    ///
    /// let partners = secrets.create(NewSharedSecret::issuing("partners").for_signing()).await?;
    /// assert!(partners.may_sign);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::PermissionNeeded`] without `shared_secrets:modify`; [`Error::NotFound`]; [`Error::Refused`] for an
    /// integration secret, for a retired one, where API keys are switched off, and while the tenant's keys are locked.
    pub async fn allow_signing(self, id: SecretId) -> Result<SharedSecretRecord> {
        let work = self.0.write().await?;
        work.require("shared_secrets:modify")?;
        let tenant = work.tenant()?;
        if !tenant.switched_on {
            return Err(Rule::TenantOff.into());
        }
        if tenant.locked {
            return Err(Rule::KeysLocked.into());
        }
        set_may_sign(work, id, true, "shared_secret.signing_allowed").await
    }

    /// No key that an issuing secret has made or makes may sign requests any more, of whatever version. Verifiers deny
    /// their signatures from the next root on; presented, the keys are as good as before.
    ///
    /// # Errors
    /// [`Error::PermissionNeeded`] without `shared_secrets:modify`; [`Error::NotFound`]; [`Error::Refused`] for an
    /// integration secret and for a retired one.
    pub async fn forbid_signing(self, id: SecretId) -> Result<SharedSecretRecord> {
        let work = self.0.write().await?;
        work.require("shared_secrets:modify")?;
        set_may_sign(work, id, false, "shared_secret.signing_forbidden").await
    }

    /// Retires a shared secret: no version of it is accepted any more, and keys that it made are not good wherever a
    /// keyring says so. `confirmation` repeats its name.
    ///
    /// # Errors
    /// [`Error::PermissionNeeded`] without `shared_secrets:modify`; [`Error::NotFound`]; [`Error::ConfirmationNeeded`];
    /// [`Error::Refused`] if it is retired already.
    pub async fn retire(self, id: SecretId, confirmation: &str) -> Result<SharedSecretRecord> {
        let mut work = self.0.write().await?;
        work.require("shared_secrets:modify")?;
        let record = load(&mut work, id).await?;
        confirm(confirmation, &record.name)?;
        if record.retired_at.is_some() {
            return Err(Rule::SecretRetired.into());
        }
        let now = work.now;
        let retire =
            sqlx::query("UPDATE shared_secrets SET retired_at = $1, revision = revision + 1 WHERE id = $2");
        work.run(retire.bind(now).bind(id.bytes())).await?;
        let end = "UPDATE secret_versions SET accepted_until = $1 WHERE secret = $2 AND accepted_until > $3";
        work.run(sqlx::query(end).bind(now).bind(id.bytes()).bind(now)).await?;
        work.changed(Changed::Secrets);
        work.audit("shared_secret.retired", id, json!({ "name": record.name }));
        finish(work, id).await
    }
}

fn require_view(work: &Work) -> Result<()> {
    if work.may("shared_secrets:reveal") { Ok(()) } else { work.require("shared_secrets:modify") }
}

/// Says whether the keys of an issuing secret may sign. Where that is said already, nothing is written.
async fn set_may_sign(
    mut work: Work,
    id: SecretId,
    may_sign: bool,
    action: &str,
) -> Result<SharedSecretRecord> {
    let record = load(&mut work, id).await?;
    if record.purpose != Purpose::Issuing {
        return Err(Rule::IntegrationSecretMakesNoKeys.into());
    }
    if record.retired_at.is_some() {
        return Err(Rule::SecretRetired.into());
    }
    if record.may_sign == may_sign {
        return Ok(record);
    }
    let update =
        sqlx::query("UPDATE shared_secrets SET may_sign = $1, revision = revision + 1 WHERE id = $2");
    work.run(update.bind(i64::from(may_sign)).bind(id.bytes())).await?;
    work.changed(Changed::Secrets);
    work.audit(action, id, json!({ "name": record.name }));
    finish(work, id).await
}

const fn purpose(is_issuing: bool) -> Purpose {
    if is_issuing { Purpose::Issuing } else { Purpose::Integration }
}

/// Makes the next version of a secret; its number is returned.
async fn add_version(work: &mut Work, secret: SecretId, is_issuing: bool, prefix: &str) -> Result<u8> {
    let version = next_version(work, secret, is_issuing, prefix).await?;
    let seed = Zeroizing::new(entropy::<40>()?);
    let made = SharedSecret::generate(purpose(is_issuing), version, &seed);
    let (data_key, sealed) =
        work.seal(VALUE, made.id(), version.into(), made.to_text().expose().as_bytes())?;
    let insert = sqlx::query(
        "INSERT INTO secret_versions (id, secret, version, data_key, sealed, accepted_until, keys_until, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, 0, $7)",
    );
    let insert = insert.bind(made.id().bytes()).bind(secret.bytes()).bind(i64::from(version));
    let insert = insert.bind(data_key.bytes()).bind(sealed).bind(NO_END).bind(work.now);
    work.run(insert).await?;
    Ok(version)
}

/// The number of the next version.
///
/// Of issuing secrets, prefix and version name one in a verifier, on the whole platform: the least number after the last
/// one that no version has which is accepted or may have made a valid key. Of integration secrets, whose texts have ids,
/// the one after the last.
async fn next_version(work: &mut Work, secret: SecretId, is_issuing: bool, prefix: &str) -> Result<u8> {
    let rows = if is_issuing {
        let query = "SELECT v.version AS version, v.accepted_until AS accepted_until, v.keys_until AS keys_until \
                     FROM secret_versions v JOIN shared_secrets s ON s.id = v.secret \
                     WHERE s.is_issuing = 1 AND s.prefix = $1 ORDER BY v.created_at, v.version";
        work.all(sqlx::query(query).bind(prefix.to_owned())).await?
    } else {
        let query = "SELECT version, accepted_until, keys_until FROM secret_versions WHERE secret = $1 \
                     ORDER BY created_at, version";
        work.all(sqlx::query(query).bind(secret.bytes())).await?
    };
    let (mut taken, mut last) = (std::collections::BTreeSet::new(), 0_u8);
    for row in &rows {
        let version = row.number("version")?;
        last = version;
        if row.int("accepted_until")? > work.now || row.int("keys_until")? > work.now {
            taken.insert(version);
        }
    }
    let mut candidates =
        (1..=256_u16).map(|step| last.wrapping_add(u8::try_from(step % 256).unwrap_or_default()));
    candidates.find(|candidate| !taken.contains(candidate)).ok_or_else(|| Rule::VersionsExhausted.into())
}

/// The present version of a secret: its id and itself.
async fn present(work: &mut Work, id: SecretId) -> Result<(KeyId, SharedSecret)> {
    let query =
        "SELECT id, version, data_key, sealed FROM secret_versions WHERE secret = $1 AND accepted_until = $2";
    let row = work.optional(sqlx::query(query).bind(id.bytes()).bind(NO_END)).await?;
    let row = row.ok_or(Error::Refused(Rule::SecretRetired))?;
    Ok((row.id("id")?, open(work, &row).await?))
}

/// The secret of a version's row.
pub(crate) async fn open(work: &mut Work, row: &AnyRow) -> Result<SharedSecret> {
    let place = (VALUE, row.id("id")?, row.int("version")?);
    let text = work.open(row.id("data_key")?, place, &row.blob("sealed")?).await?;
    let text = std::str::from_utf8(&text).map_err(|_| damaged("sealed"))?;
    SharedSecret::parse(text).map_err(|_| damaged("sealed"))
}

/// Makes a signed key.
pub(crate) async fn sign_key(work: &mut Work, id: SecretId, new: &Prepared) -> Result<Secret> {
    let record = load(work, id).await?;
    if record.purpose != Purpose::Issuing {
        return Err(Error::invalid("signed_by", "is an integration secret, expected an issuing secret"));
    }
    if record.key_prefix != Some(new.prefix) {
        return Err(Error::invalid("signed_by", format!("makes keys of another prefix than {}", new.prefix)));
    }
    // Until a verifier is told of the key, it takes it for one that was made outside this store, in the secret's role.
    if let Some(role) = record.role {
        let access = effective::access_of_role(work, role).await?.limited(new.read_only);
        work.caller.access.require_all_of(&access)?;
    }
    let (version, secret) = present(work, id).await?;
    let issuer = IssuingKey::new(new.prefix, &secret).map_err(|_| damaged("is_issuing"))?;
    let now = work.now.unsigned_abs();
    let terms = match new.lifetime {
        None => SignedKeyTerms::without_lifetime(now),
        Some(seconds) => {
            let minutes =
                u32::try_from(seconds / 60).map_err(|_| Error::invalid("lifetime", "is too long"))?;
            SignedKeyTerms::expiring(now, minutes)
        }
    };
    let terms = if new.read_only { terms.read_only() } else { terms };
    let text =
        issuer.generate(&entropy()?, terms).map_err(|error| Error::invalid("lifetime", error.to_string()))?;
    let parsed = parse(text.expose()).map_err(|_| damaged("sealed"))?;
    let expires_at = parsed.claims().and_then(|claims| claims.expires_at());
    let (expires_at, id) = (expires_at.and_then(|time| i64::try_from(time).ok()), parsed.id());
    drop(parsed);
    // A version is not reused while a key that it made can be valid.
    let update = "UPDATE secret_versions SET keys_until = CASE WHEN keys_until < $1 THEN $2 ELSE keys_until END \
                  WHERE id = $3";
    let until = expires_at.unwrap_or(NO_END);
    work.run(sqlx::query(update).bind(until).bind(until).bind(version.bytes())).await?;
    Ok(Secret { id, text, value: None, made_by: Some(version), expires_at })
}

/// Whether `text` is the signed key `key`, whole.
pub(crate) async fn made(work: &mut Work, key: &ApiKey, text: &str) -> Result<bool> {
    if key.kind != KeyKind::Signed {
        return Ok(false);
    }
    let query = "SELECT v.id AS id, v.version AS version, v.data_key AS data_key, v.sealed AS sealed \
                 FROM api_keys k JOIN secret_versions v ON v.id = k.secret_version WHERE k.id = $1";
    let row = work.one(sqlx::query(query).bind(key.id.bytes())).await?;
    let secret = open(work, &row).await?;
    let issuer = IssuingKey::new(key.prefix, &secret).map_err(|_| damaged("is_issuing"))?;
    let verifier = Verifier::new([issuer]).map_err(|_| damaged("version"))?;
    let context = RequestContext::at(work.now.unsigned_abs());
    let verdict = verifier.verify_key(text, &context);
    Ok(match verdict {
        Verdict::Verified(_) => true,
        Verdict::Denied(denied) => denied.code.class() == DenialClass::Policy,
    })
}

/// A shared secret of the tenant in which the work is done.
async fn load(work: &mut Work, id: SecretId) -> Result<SharedSecretRecord> {
    let tenant = work.tenant()?.id;
    let query = sqlx::query("SELECT * FROM shared_secrets WHERE id = $1 AND tenant = $2");
    let row = work.optional(query.bind(id.bytes()).bind(tenant.bytes())).await?;
    let row = row.ok_or_else(|| Error::not_found("shared secret", id))?;
    read(work, &row).await
}

async fn finish(mut work: Work, id: SecretId) -> Result<SharedSecretRecord> {
    let record = load(&mut work, id).await?;
    work.commit().await?;
    Ok(record)
}

async fn read(work: &mut Work, row: &AnyRow) -> Result<SharedSecretRecord> {
    let id: SecretId = row.id("id")?;
    let query = "SELECT id, version, accepted_until, created_at FROM secret_versions WHERE secret = $1 \
                 AND accepted_until > $2 ORDER BY accepted_until DESC";
    let rows = work.all(sqlx::query(query).bind(id.bytes()).bind(work.now)).await?;
    let version = |row: &AnyRow| {
        Ok(SecretVersion {
            id: row.id("id")?,
            version: row.number("version")?,
            accepted_until: row.optional_time("accepted_until")?,
            created_at: row.time("created_at")?,
        })
    };
    let prefix = Some(row.text("prefix")?).filter(|prefix| !prefix.is_empty());
    Ok(SharedSecretRecord {
        id,
        tenant: row.id("tenant")?,
        purpose: purpose(row.flag("is_issuing")?),
        name: row.text("name")?,
        key_prefix: prefix.map(|prefix| prefix.parse()).transpose().map_err(|_| damaged("prefix"))?,
        role: row.optional_id("role")?,
        may_sign: row.flag("may_sign")?,
        versions: rows.iter().map(version).collect::<Result<_>>()?,
        retired_at: row.optional_time("retired_at")?,
        created_at: row.time("created_at")?,
        revision: row.int("revision")?,
    })
}
