//! API keys: the record, and what can be done with it.
//!
//! What is to be made stands in `new`, making and remaking secrets in `generate`, lists in `list`, changes of what is
//! written down in `edit`, life and death in `lifecycle`.

mod edit;
mod generate;
mod lifecycle;
mod list;
mod new;

pub use edit::KeyEdit;
pub use generate::Generated;
pub use lifecycle::RevocationReason;
pub use list::{KeySort, ListKeys};
pub use new::{KeyLimit, Lifetime, NewKey};

pub(crate) use edit::{read_networks, write_limits, write_networks};
pub(crate) use generate::{Secret, insert, remake_secret};
pub(crate) use lifecycle::{
    activate, deactivate, erase, insert_tombstone, require_not_held, revoke_keys_in_role,
};
pub(crate) use new::{Prepared, check_lifetime};

use crate::{
    Access, Error, GroupId, PersonId, Result, RoleId, Rule, Session, TenantId, effective,
    ids::RecordId,
    publish::contents,
    rows::{RowExt, damaged, time},
    schema::NO_END,
    sql::Statement,
    usage::{self, Coverage},
    work::Work,
};
use chrono::{DateTime, TimeDelta, Utc};
use claviger_core::{KeyId, KeyKind, KeyPrefix, Network, VerifierValue, parse};
use sqlx::any::AnyRow;
use std::collections::HashMap;

/// What a key's value is sealed as.
pub(crate) const VALUE: &str = "key value";

/// Whose a key is. Fixed when it is generated.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum KeyOwner {
    /// A service account's: its access is the key's, always as it is now.
    ServiceAccount(PersonId),
    /// A user's, in one of his roles; it ends with the role and is off while the user is.
    User {
        /// The user.
        user: PersonId,
        /// The role.
        role: RoleId,
    },
    /// The tenant's, in a role.
    Tenant {
        /// The role.
        role: RoleId,
    },
    /// A user's personal key: it has his access, always as it is now.
    Personal(PersonId),
}

impl KeyOwner {
    /// The user or service account, if it is one's.
    #[must_use]
    pub const fn person(self) -> Option<PersonId> {
        match self {
            Self::ServiceAccount(id) | Self::User { user: id, .. } | Self::Personal(id) => Some(id),
            Self::Tenant { .. } => None,
        }
    }

    /// The role that it acts in, if it is one.
    #[must_use]
    pub const fn role(self) -> Option<RoleId> {
        match self {
            Self::User { role, .. } | Self::Tenant { role } => Some(role),
            Self::ServiceAccount(_) | Self::Personal(_) => None,
        }
    }

    const fn number(self) -> i64 {
        match self {
            Self::ServiceAccount(_) => 0,
            Self::User { .. } => 1,
            Self::Tenant { .. } => 2,
            Self::Personal(_) => 3,
        }
    }

    /// How verdicts name the owner.
    pub(crate) fn id(self, tenant: TenantId) -> String {
        self.person().map_or_else(|| tenant.to_string(), |person| person.to_string())
    }
}

/// Whether a key is good now, and if not why: the first reason that there is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum KeyStatus {
    /// It is good.
    Active,
    /// It was revoked: by hand, with its role, or because it was compromised.
    Revoked,
    /// It was deactivated.
    Deactivated,
    /// Its group is switched off.
    GroupOff,
    /// Its owner is deactivated.
    OwnerInactive,
    /// API keys are switched off for its tenant.
    TenantOff,
    /// It is signed, and the issuing secret's version that made it is not accepted any more.
    SecretRetired,
    /// It is good later.
    NotYetValid,
    /// It has expired.
    Expired,
}

/// What the status of a key follows from, times in Unix seconds.
pub(crate) struct Standing {
    pub(crate) revoked: bool,
    pub(crate) activated: bool,
    pub(crate) switches: Switches,
    /// Until when the issuing secret's version is accepted that made it.
    pub(crate) secret_until: i64,
    pub(crate) not_before: i64,
    pub(crate) expires_at: i64,
}

impl Standing {
    pub(crate) const fn status(&self, now: i64) -> KeyStatus {
        if self.revoked {
            KeyStatus::Revoked
        } else if !self.activated {
            KeyStatus::Deactivated
        } else if self.switches.group_off {
            KeyStatus::GroupOff
        } else if self.switches.owner_off {
            KeyStatus::OwnerInactive
        } else if self.switches.tenant_off {
            KeyStatus::TenantOff
        } else if self.secret_until <= now {
            KeyStatus::SecretRetired
        } else if self.not_before > now {
            KeyStatus::NotYetValid
        } else if self.expires_at <= now {
            KeyStatus::Expired
        } else {
            KeyStatus::Active
        }
    }
}

/// When a key was last used, as far as is known.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum LastUse {
    /// Then.
    At(DateTime<Utc>),
    /// Never: every registered verifier has reported everything since the key was created, without a gap, until at most a
    /// day ago, and none has seen the key.
    Never,
    /// Not known: some verifier has not reported all of that time, or none is registered.
    Unknown,
}

/// When and why a key was revoked.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Revocation {
    /// When.
    pub at: DateTime<Utc>,
    /// `compromised`, `unused`, `role_taken`, `role_deleted`, or what was said.
    pub reason: String,
}

/// What switches a key off beside its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Switches {
    pub(crate) group_off: bool,
    pub(crate) owner_off: bool,
    pub(crate) tenant_off: bool,
}

/// An API key, without its secret, which nobody can read.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct ApiKey {
    /// Its public id, part of its text.
    pub id: KeyId,
    /// The tenant.
    pub tenant: TenantId,
    /// Whose it is.
    pub owner: KeyOwner,
    /// The name of the role that it acts in; empty if it acts in none.
    pub role_name: String,
    /// Its name, for people.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The group that it is in.
    pub group: GroupId,
    /// Opaque, opaque_signing or signed.
    pub kind: KeyKind,
    /// The prefix of its text.
    pub prefix: KeyPrefix,
    /// Whether it is good now.
    pub status: KeyStatus,
    /// Its own switch.
    pub activated: bool,
    /// Whether only the read-only part of its access is its.
    pub read_only: bool,
    /// Whether it is used as client id and secret.
    pub api_client: bool,
    /// From where it may be used; none means from everywhere.
    pub networks: Vec<Network>,
    /// For how long it is good at a time; none if it never expires.
    pub lifetime: Option<TimeDelta>,
    /// From when it is good, if not at once.
    pub not_before: Option<DateTime<Utc>>,
    /// From when it is not good any more.
    pub expires_at: Option<DateTime<Utc>>,
    /// Until when its secret before the rotation is good beside the present one.
    pub previous_secret_until: Option<DateTime<Utc>>,
    /// Who is told before it expires.
    pub notify: Vec<PersonId>,
    /// How many days before.
    pub notify_days_before: Vec<u16>,
    /// What the embedding application calls it.
    pub external_id: Option<String>,
    /// What the embedding application wants to know of it at each request.
    pub metadata: Option<String>,
    /// How often it may be used.
    pub limits: Vec<KeyLimit>,
    /// When it was last used.
    pub last_use: LastUse,
    /// How often it was used, as reported.
    pub use_count: i64,
    /// When it was generated.
    pub created_at: DateTime<Utc>,
    /// By whom: as the audit log names him.
    pub created_by: String,
    /// When and why it was revoked, if it was.
    pub revocation: Option<Revocation>,
    /// When somebody should look at it again, if that was recorded.
    pub review_due_at: Option<DateTime<Utc>>,
    /// Grows with each change.
    pub revision: i64,
    pub(crate) switches: Switches,
}

/// API keys: see [`Session::keys`].
///
/// `api_keys:view` shows the keys of the tenant. `api_keys:modify` generates and manages those on one's own behalf,
/// `api_keys:modify_all` all of them. Personal keys are never among them: see [`PersonalKeys`](crate::PersonalKeys).
#[derive(Clone, Copy)]
pub struct Keys<'s>(pub(crate) &'s Session);

/// What a leaked text turned out to be: see [`Keys::find_by_text`].
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Found {
    /// Which key the text names; none if it is somebody's personal key, which is shown to nobody else.
    pub key: Option<ApiKey>,
    /// The user whose personal key it is, if it is one.
    pub personal_key_of: Option<PersonId>,
    /// Whether the text is the whole key, with a secret that is or was just now the key's: then it must be revoked.
    pub secret_matches: bool,
}

impl Keys<'_> {
    /// One key.
    ///
    /// # Errors
    /// [`Error::NotFound`], also if the actor may not see it.
    pub async fn get(self, id: KeyId) -> Result<ApiKey> {
        let mut work = self.0.read().await?;
        load_visible(&mut work, id).await
    }

    /// What a key may do now. Needs to see the key.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn access(self, id: KeyId) -> Result<Access> {
        let mut work = self.0.read().await?;
        let key = load_visible(&mut work, id).await?;
        let access = effective::access_of_owner(&mut work, key.owner).await?;
        Ok(access.limited(key.read_only))
    }

    /// Finds the key whose text was found somewhere: in a repository, in a log. It is not presented, only compared.
    ///
    /// # Errors
    /// [`Error::PermissionNeeded`] without `api_keys:view` or `api_keys:modify_all`; [`Error::Invalid`] if the text is
    /// none of our keys (it says why, and holds none of it); [`Error::NotFound`] if there is no such key here.
    pub async fn find_by_text(self, text: &str) -> Result<Found> {
        let mut work = self.0.read().await?;
        require_view_all(&work)?;
        let parsed = parse(text.trim()).map_err(|error| Error::invalid("text", error.to_string()))?;
        let key = load_any(&mut work, parsed.id()).await?;
        if work.tenant_id_if_chosen().is_some_and(|tenant| tenant != key.tenant) {
            return Err(Error::not_found("API key", key.id));
        }
        let secret_matches = match VerifierValue::of_key(&parsed) {
            Some(value) if parsed.kind() == key.kind => {
                let records = contents::records_of(&mut work, key.id, 0).await?;
                records.iter().filter_map(|record| record.value.as_ref()).any(|known| known.matches(&value))
            }
            // The secret of a signed key follows from its text: any with a good checksum may be it.
            None => crate::shared_secrets::made(&mut work, &key, text.trim()).await?,
            Some(_) => false,
        };
        Ok(match key.owner {
            KeyOwner::Personal(user) if !work.require_user().is_ok_and(|actor| actor == user) => {
                Found { key: None, personal_key_of: Some(user), secret_matches }
            }
            _ => Found { key: Some(key), personal_key_of: None, secret_matches },
        })
    }
}

/// Makes sure that the actor sees all keys of the tenant.
pub(crate) fn require_view_all(work: &Work) -> Result<()> {
    if work.may("api_keys:modify_all") { Ok(()) } else { work.require("api_keys:view") }
}

/// Whether the key is on the actor's own behalf.
fn is_own(work: &Work, key: &ApiKey) -> bool {
    matches!(key.owner, KeyOwner::User { user, .. } if work.caller.user == Some(user))
}

/// On whose behalf the keys are that the actor sees, if he does not see all.
fn only_behalf_of(work: &Work) -> Result<Option<PersonId>> {
    match (require_view_all(work), work.caller.user) {
        (Ok(()), _) => Ok(None),
        (Err(_), Some(user)) if work.may("api_keys:modify") => Ok(Some(user)),
        (Err(error), _) => Err(error),
    }
}

/// A key that the actor may see.
pub(crate) async fn load_visible(work: &mut Work, id: KeyId) -> Result<ApiKey> {
    let key = load(work, id).await?;
    let visible = require_view_all(work).is_ok() || (is_own(work, &key) && work.may("api_keys:modify"));
    if visible { Ok(key) } else { Err(Error::not_found("API key", id)) }
}

/// A key that the actor may manage.
async fn load_managed(work: &mut Work, id: KeyId) -> Result<ApiKey> {
    let key = load_visible(work, id).await?;
    if !(is_own(work, &key) && work.may("api_keys:modify")) {
        work.require("api_keys:modify_all")?;
    }
    Ok(key)
}

/// Makes sure that a key can be made good, or better: its tenant is on and not locked, it was not revoked, and the actor
/// has what it has.
pub(crate) async fn require_improvable(work: &mut Work, key: &ApiKey) -> Result<()> {
    let tenant = work.tenant()?;
    if !tenant.switched_on {
        return Err(Rule::TenantOff.into());
    }
    if tenant.locked {
        return Err(Rule::KeysLocked.into());
    }
    if key.revocation.is_some() {
        return Err(Rule::KeyRevoked.into());
    }
    let access = effective::access_of_owner(work, key.owner).await?;
    work.caller.access.require_all_of(&access.limited(key.read_only))
}

/// The columns of a key and what else its status depends on.
pub(crate) const SELECT: &str = "SELECT k.*, g.switched_on AS group_on, t.switched_on AS tenant_on, \
    COALESCE(p.active, 1) AS owner_on, COALESCE(v.accepted_until, 9223372036854775807) AS secret_until \
    FROM api_keys k JOIN key_groups g ON g.id = k.key_group JOIN tenants t ON t.id = k.tenant \
    LEFT JOIN people p ON p.id = k.person LEFT JOIN secret_versions v ON v.id = k.secret_version";

/// A listed key of the tenant in which the work is done.
async fn load(work: &mut Work, id: KeyId) -> Result<ApiKey> {
    let tenant = work.tenant()?.id;
    let key = load_any(work, id).await?;
    if key.tenant == tenant && !matches!(key.owner, KeyOwner::Personal(_)) {
        Ok(key)
    } else {
        Err(Error::not_found("API key", id))
    }
}

/// A key of any tenant, personal or not, that was not deleted.
pub(crate) async fn load_any(work: &mut Work, id: KeyId) -> Result<ApiKey> {
    let mut query = Statement::new(SELECT);
    query.push(" WHERE k.deleted_at = 0 AND k.id = ").bind(id.bytes());
    let keys = read_all(work, query).await?;
    keys.into_iter().next().ok_or_else(|| Error::not_found("API key", id))
}

/// The keys that a query selects, complete.
pub(crate) async fn read_all(work: &mut Work, query: Statement) -> Result<Vec<ApiKey>> {
    let rows = work.all(query.query(work.dialect())?).await?;
    let coverage = usage::coverage(work).await?;
    let now = work.now;
    let mut keys = rows.iter().map(|row| read(row, now, coverage)).collect::<Result<Vec<_>>>()?;
    complete(work, &mut keys).await?;
    Ok(keys)
}

/// Adds what stands in other tables: who is told, and until when there is a secret before the present one.
async fn complete(work: &mut Work, keys: &mut [ApiKey]) -> Result<()> {
    if keys.is_empty() {
        return Ok(());
    }
    let places: HashMap<KeyId, usize> = keys.iter().enumerate().map(|(place, key)| (key.id, place)).collect();
    let ids: Vec<KeyId> = keys.iter().map(|key| key.id).collect();
    let mut notices = Statement::new("SELECT api_key, person FROM key_notices WHERE api_key IN (");
    notices.bind_all(ids.iter().map(|id| id.bytes())).push(") ORDER BY person");
    for row in work.all(notices.query(work.dialect())?).await? {
        if let Some(key) = places.get(&row.id("api_key")?).and_then(|&place| keys.get_mut(place)) {
            key.notify.push(row.id("person")?);
        }
    }
    let mut previous =
        Statement::new("SELECT api_key, accepted_until FROM key_values WHERE accepted_until > ");
    previous.bind(work.now).push(" AND accepted_until < ").bind(NO_END).push(" AND api_key IN (");
    previous.bind_all(ids.iter().map(|id| id.bytes())).push(")");
    for row in work.all(previous.query(work.dialect())?).await? {
        if let Some(key) = places.get(&row.id("api_key")?).and_then(|&place| keys.get_mut(place)) {
            key.previous_secret_until = row.optional_time("accepted_until")?;
        }
    }
    Ok(())
}

/// Whose a key is, from its row.
pub(crate) fn read_owner(row: &AnyRow) -> Result<KeyOwner> {
    let person = || row.optional_id("person")?.ok_or_else(|| damaged("person"));
    let role = || row.optional_id("role")?.ok_or_else(|| damaged("role"));
    Ok(match row.int("owner_kind")? {
        0 => KeyOwner::ServiceAccount(person()?),
        1 => KeyOwner::User { user: person()?, role: role()? },
        2 => KeyOwner::Tenant { role: role()? },
        3 => KeyOwner::Personal(person()?),
        _ => return Err(damaged("owner_kind")),
    })
}

/// The kind of key that a number stands for.
pub(crate) fn kind(number: i64) -> Result<KeyKind> {
    u8::try_from(number).ok().and_then(KeyKind::from_number).ok_or_else(|| damaged("kind"))
}

/// A key's row; `coverage` is of which time every verifier has reported everything.
fn read(row: &AnyRow, now: i64, coverage: Coverage) -> Result<ApiKey> {
    let owner = read_owner(row)?;
    let created = row.int("created_at")?;
    let last_use = match row.int("last_used_at")? {
        0 if coverage.reaches_back_to(created) => LastUse::Never,
        0 => LastUse::Unknown,
        seconds => LastUse::At(time(seconds).ok_or_else(|| damaged("last_used_at"))?),
    };
    let revoked_at = row.optional_time("revoked_at")?;
    let revocation = match revoked_at {
        Some(at) => Some(Revocation { at, reason: row.text("revocation_reason")? }),
        None => None,
    };
    let lifetime = row.int("lifetime")?;
    let switches = Switches {
        group_off: !row.flag("group_on")?,
        owner_off: !row.flag("owner_on")?,
        tenant_off: !row.flag("tenant_on")?,
    };
    let activated = row.flag("activated")?;
    let status = Standing {
        revoked: revocation.is_some(),
        activated,
        switches,
        secret_until: row.int("secret_until")?,
        not_before: row.int("not_before")?,
        expires_at: row.int("expires_at")?,
    }
    .status(now);
    let optional = |column| row.text(column).map(|text| Some(text).filter(|text| !text.is_empty()));
    Ok(ApiKey {
        id: row.id("id")?,
        tenant: row.id("tenant")?,
        owner,
        role_name: row.text("role_name")?,
        name: row.text("name")?,
        description: row.text("description")?,
        group: row.id("key_group")?,
        kind: kind(row.int("kind")?)?,
        prefix: row.text("prefix")?.parse().map_err(|_| damaged("prefix"))?,
        status,
        activated,
        read_only: row.flag("read_only")?,
        api_client: row.flag("api_client")?,
        networks: read_networks(&row.text("networks")?)?,
        lifetime: if lifetime == NO_END { None } else { TimeDelta::try_seconds(lifetime) },
        not_before: row.optional_time("not_before")?,
        expires_at: row.optional_time("expires_at")?,
        previous_secret_until: None,
        notify: Vec::new(),
        notify_days_before: edit::read_days(&row.text("lead_days")?)?,
        external_id: optional("external_id")?,
        metadata: optional("metadata")?,
        limits: serde_json::from_str(&row.text("limits")?).map_err(|_| damaged("limits"))?,
        last_use,
        use_count: row.int("use_count")?,
        created_at: row.time("created_at")?,
        created_by: row.text("created_by")?,
        revocation,
        review_due_at: row.optional_time("review_due_at")?,
        revision: row.int("revision")?,
        switches,
    })
}
