//! What a new key is to be, and whether it may be so.

use super::{KeyOwner, Switches, edit};
use crate::{
    Access, Error, GroupId, PersonId, PersonKind, Result, RoleId, Rule, SecretId, TenantId,
    effective::{self, PolicyParts},
    ids::RecordId,
    key_groups, people, roles, validate,
    work::{Tenancy, Work},
};
use chrono::{DateTime, TimeDelta, Utc};
use claviger_core::{KeyKind, KeyPrefix, Network, OpaqueUse};
use std::collections::{BTreeSet, HashMap, HashSet};

/// For how long a key is good. There is no default: whoever generates a key decides.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Lifetime(Term);

#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize)]
enum Term {
    Seconds(i64),
    Until(i64),
    Unlimited,
}

impl Lifetime {
    /// It never expires.
    pub const UNLIMITED: Self = Self(Term::Unlimited);

    /// So many days.
    #[must_use]
    pub const fn days(days: u32) -> Self {
        Self(Term::Seconds(days as i64 * 86_400))
    }

    /// So long; of a signed key whole minutes.
    #[must_use]
    pub const fn of(duration: TimeDelta) -> Self {
        Self(Term::Seconds(duration.num_seconds()))
    }

    /// Until then. [Refreshing](crate::Keys::refresh) gives it as much again as there was from its start on.
    #[must_use]
    pub const fn until(time: DateTime<Utc>) -> Self {
        Self(Term::Until(time.timestamp()))
    }

    /// The lifetime in seconds of a key that is good from `from` on, if it has an end.
    fn seconds(self, from: i64) -> Option<i64> {
        match self.0 {
            Term::Seconds(seconds) => Some(seconds),
            Term::Until(time) => Some(time.saturating_sub(from)),
            Term::Unlimited => None,
        }
    }
}

/// The lifetime in seconds of a key that starts at `from`, none without end.
pub(crate) fn check_lifetime(lifetime: Lifetime, from: i64) -> Result<Option<i64>> {
    let Some(seconds) = lifetime.seconds(from) else { return Ok(None) };
    // Keyrings hold times in 32 bits.
    let ends_in_time = from.checked_add(seconds).is_some_and(|end| end <= i64::from(u32::MAX));
    if seconds < 1 {
        return Err(Error::invalid("lifetime", "is over before it begins"));
    }
    if !ends_in_time {
        return Err(Error::invalid("lifetime", "ends after February 2106; take one without end"));
    }
    Ok(Some(seconds))
}

/// How often a key may be used. Verdicts carry limits; whoever serves the request enforces them.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct KeyLimit {
    /// What is counted, such as `requests`: 1 to 64 bytes.
    pub name: String,
    /// The most in a window: at most 2^53 - 1.
    pub max: u64,
    /// The length of the window in seconds.
    pub per_seconds: u32,
}

/// What a new key is to be.
///
/// ```
/// use claviger_sdk::{Lifetime, NewKey};
/// # let (account, role) = ("per_0000000000g".parse()?, "rol_0000000000h".parse()?);
///
/// let nightly = NewKey::for_service_account(account, "nightly import", Lifetime::days(90))
///     .description("reads the schedule of the next day")
///     .network("192.0.2.0/24".parse()?)
///     .limit("requests", 1000, 60);
/// let mine = NewKey::on_my_behalf(role, "laptop", Lifetime::days(30)).deactivated();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, serde::Serialize)]
#[must_use]
pub struct NewKey {
    owner: Owner,
    name: String,
    lifetime: Lifetime,
    description: String,
    group: Option<GroupId>,
    form: Form,
    prefix: Option<String>,
    activated: bool,
    read_only: bool,
    api_client: bool,
    networks: Vec<String>,
    not_before: Option<i64>,
    notify: Vec<PersonId>,
    notify_days_before: Vec<u16>,
    external_id: Option<String>,
    metadata: Option<String>,
    limits: Vec<KeyLimit>,
    confirmation: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, serde::Serialize)]
enum Owner {
    ServiceAccount(PersonId),
    User(Option<PersonId>, RoleId),
    Tenant(RoleId),
}

#[derive(Clone, Copy, Debug, serde::Serialize)]
enum Form {
    Opaque,
    OpaqueSigning,
    Signed(SecretId),
}

impl NewKey {
    fn new(owner: Owner, name: &str, lifetime: Lifetime) -> Self {
        Self {
            owner,
            name: name.to_owned(),
            lifetime,
            description: String::new(),
            group: None,
            form: Form::Opaque,
            prefix: None,
            activated: true,
            read_only: false,
            api_client: false,
            networks: Vec::new(),
            not_before: None,
            notify: Vec::new(),
            notify_days_before: Vec::new(),
            external_id: None,
            metadata: None,
            limits: Vec::new(),
            confirmation: None,
        }
    }

    /// A key of a service account, whose access it has. `name` has 1 to 100 characters.
    pub fn for_service_account(account: PersonId, name: &str, lifetime: Lifetime) -> Self {
        Self::new(Owner::ServiceAccount(account), name, lifetime)
    }

    /// A key on behalf of the actor himself, in one of his roles.
    pub fn on_my_behalf(role: RoleId, name: &str, lifetime: Lifetime) -> Self {
        Self::new(Owner::User(None, role), name, lifetime)
    }

    /// A key on behalf of a user, in one of his roles.
    pub fn on_behalf_of(user: PersonId, role: RoleId, name: &str, lifetime: Lifetime) -> Self {
        Self::new(Owner::User(Some(user), role), name, lifetime)
    }

    /// A key of the tenant, in a role.
    pub fn for_tenant(role: RoleId, name: &str, lifetime: Lifetime) -> Self {
        Self::new(Owner::Tenant(role), name, lifetime)
    }

    /// Says what it is for: up to 1000 characters.
    pub fn description(self, description: &str) -> Self {
        Self { description: description.to_owned(), ..self }
    }

    /// Puts it into this group, not into `default`.
    pub fn in_group(self, group: GroupId) -> Self {
        Self { group: Some(group), ..self }
    }

    /// It can also sign requests. Verifiers then hold what signs, so ask for it only where it is needed.
    pub fn for_signing(self) -> Self {
        Self { form: Form::OpaqueSigning, ..self }
    }

    /// It is made by this issuing secret, so that verifiers without a keyring accept it too. Its expiry is part of its
    /// text and cannot be moved. What else is said of it, such as its networks, or that it is deactivated, holds where a
    /// keyring says so: until then it is good in the issuing secret's role, which the actor must have, too. It signs
    /// requests where [the issuing secret's keys may](crate::SharedSecrets::allow_signing).
    pub fn signed_by(self, secret: SecretId) -> Self {
        Self { form: Form::Signed(secret), ..self }
    }

    /// Takes another of the tenant's prefixes than the first.
    pub fn prefix(self, prefix: KeyPrefix) -> Self {
        Self { prefix: Some(prefix.to_string()), ..self }
    }

    /// It is good only once it is activated.
    pub fn deactivated(self) -> Self {
        Self { activated: false, ..self }
    }

    /// It has only the part of its owner's access that ends in `:view`.
    pub fn read_only(self) -> Self {
        Self { read_only: true, ..self }
    }

    /// It is used as client id and secret of an API client: only for service accounts.
    pub fn as_api_client(self) -> Self {
        Self { api_client: true, ..self }
    }

    /// It may be used from this network, and from no other but those that are named so too.
    pub fn network(mut self, network: Network) -> Self {
        self.networks.push(network.to_string());
        self
    }

    /// It is good from then on.
    pub fn not_before(self, time: DateTime<Utc>) -> Self {
        Self { not_before: Some(time.timestamp()), ..self }
    }

    /// Tells this active user or service account of the tenant before it expires.
    pub fn notify(mut self, person: PersonId) -> Self {
        self.notify.push(person);
        self
    }

    /// Tells so many days before it expires: 1 to 365, up to ten of them.
    pub fn notify_days_before(self, days: impl IntoIterator<Item = u16>) -> Self {
        Self { notify_days_before: days.into_iter().collect(), ..self }
    }

    /// What the embedding application calls it: 1 to 128 bytes. Verdicts carry it.
    pub fn external_id(self, id: &str) -> Self {
        Self { external_id: Some(id.to_owned()), ..self }
    }

    /// What the embedding application wants to know of it at each request: 1 to 256 bytes, JSON by convention. Public.
    pub fn metadata(self, metadata: &str) -> Self {
        Self { metadata: Some(metadata.to_owned()), ..self }
    }

    /// At most `max` of `name` (1 to 64 bytes) in `per_seconds`.
    pub fn limit(mut self, name: &str, max: u64, per_seconds: u32) -> Self {
        self.limits.push(KeyLimit { name: name.to_owned(), max, per_seconds });
        self
    }

    /// Confirms that the key may do everything: `ADMIN`. Without it no such key is generated.
    pub fn confirming(self, confirmation: &str) -> Self {
        Self { confirmation: Some(confirmation.to_owned()), ..self }
    }
}

/// A new key that may be so, with everything that was left to defaults.
pub(crate) struct Prepared {
    pub(crate) owner: KeyOwner,
    pub(crate) role_name: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) group: GroupId,
    /// Whether the group is switched on.
    pub(crate) group_on: bool,
    pub(crate) kind: KeyKind,
    pub(crate) signed_by: Option<SecretId>,
    pub(crate) prefix: KeyPrefix,
    pub(crate) activated: bool,
    pub(crate) read_only: bool,
    pub(crate) api_client: bool,
    pub(crate) networks: Vec<Network>,
    pub(crate) lifetime: Option<i64>,
    pub(crate) not_before: i64,
    pub(crate) expires_at: Option<i64>,
    pub(crate) notify: Vec<PersonId>,
    pub(crate) notify_days_before: Vec<u16>,
    pub(crate) external_id: Option<String>,
    pub(crate) metadata: Option<String>,
    pub(crate) limits: Vec<KeyLimit>,
}

impl Prepared {
    /// What its policy says of it beside its access.
    pub(crate) fn parts(&self, tenant: TenantId) -> PolicyParts<'_> {
        PolicyParts {
            tenant,
            person: self.owner.person(),
            role_name: &self.role_name,
            prefix: self.prefix,
            networks: &self.networks,
            external_id: self.external_id.as_deref(),
            metadata: self.metadata.as_deref(),
            limits: &self.limits,
            switches: Switches { group_off: false, owner_off: false, tenant_off: false },
        }
    }

    /// Whether a keyring can say all of it.
    fn check_policy(&self, tenant: TenantId, access: &Access) -> Result<()> {
        effective::policy(&self.parts(tenant), access).map(|_| ())
    }

    pub(crate) const fn opaque_use(&self) -> OpaqueUse {
        match self.kind {
            KeyKind::OpaqueSigning => OpaqueUse::BearerAndSigning,
            _ => OpaqueUse::Bearer,
        }
    }
}

/// Looks up what many keys of a batch have in common once.
#[derive(Default)]
pub(super) struct Preparation {
    owners: HashMap<Owner, (KeyOwner, String, Access)>,
    groups: HashMap<Option<GroupId>, (GroupId, bool)>,
    notified: HashSet<PersonId>,
}

impl Preparation {
    /// Checks a new key by every rule.
    pub(super) async fn prepare(
        &mut self,
        work: &mut Work,
        tenant: &Tenancy,
        new: NewKey,
    ) -> Result<Prepared> {
        validate::name("name", &new.name)?;
        edit::check_details(&new.description, new.external_id.as_deref(), new.metadata.as_deref())?;
        let networks = new.networks.iter().map(|text| text.parse());
        let networks: BTreeSet<Network> = networks
            .collect::<Result<_, _>>()
            .map_err(|_| Error::invalid("networks", "expected networks"))?;
        let notify_days_before = edit::check_days(new.notify_days_before)?;
        let prefix = self.prefix(tenant, new.prefix.as_deref())?;
        let (owner, role_name, access) = self.owner(work, new.owner).await?;
        let access = access.limited(new.read_only);
        work.caller.access.require_all_of(&access)?;
        if access.is_admin() && new.confirmation.as_deref() != Some("ADMIN") {
            return Err(Error::ConfirmationNeeded { expected: "ADMIN".into() });
        }
        if new.api_client && !matches!(owner, KeyOwner::ServiceAccount(_)) {
            return Err(Error::invalid("api_client", "only a service account's key can be one"));
        }
        let (group, group_on) = self.group(work, new.group).await?;
        for &person in &new.notify {
            self.notified(work, person).await?;
        }
        let not_before = new.not_before.unwrap_or_default();
        if !(0..=i64::from(u32::MAX)).contains(&not_before) {
            return Err(Error::invalid("not_before", "must be between 1970 and February 2106"));
        }
        let from = work.now.max(not_before);
        let lifetime = check_lifetime(new.lifetime, from)?;
        let (kind, signed_by) = match new.form {
            Form::Opaque => (KeyKind::Opaque, None),
            Form::OpaqueSigning => (KeyKind::OpaqueSigning, None),
            Form::Signed(secret) => (KeyKind::Signed, Some(secret)),
        };
        if kind == KeyKind::Signed && lifetime.is_some_and(|seconds| seconds % 60 != 0) {
            return Err(Error::invalid("lifetime", "of a signed key must be whole minutes"));
        }
        if kind == KeyKind::Signed && not_before != 0 {
            return Err(Error::invalid(
                "not_before",
                "a signed key is good from the minute in which it is issued",
            ));
        }
        let prepared = Prepared {
            owner,
            role_name,
            name: new.name,
            description: new.description,
            group,
            group_on,
            kind,
            signed_by,
            prefix,
            activated: new.activated,
            read_only: new.read_only,
            api_client: new.api_client,
            networks: networks.into_iter().collect(),
            lifetime,
            not_before,
            expires_at: lifetime.map(|seconds| from.saturating_add(seconds)),
            notify: new.notify.into_iter().collect::<BTreeSet<_>>().into_iter().collect(),
            notify_days_before,
            external_id: new.external_id,
            metadata: new.metadata,
            limits: new.limits,
        };
        prepared.check_policy(tenant.id, &access)?;
        Ok(prepared)
    }

    fn prefix(&self, tenant: &Tenancy, chosen: Option<&str>) -> Result<KeyPrefix> {
        let mut allowed = tenant.prefixes.iter();
        let found = match chosen {
            None => allowed.next(),
            Some(chosen) => allowed.find(|prefix| prefix.as_str() == chosen),
        };
        found.copied().ok_or_else(|| Error::invalid("prefix", "is none of the tenant's key prefixes"))
    }

    async fn owner(&mut self, work: &mut Work, owner: Owner) -> Result<(KeyOwner, String, Access)> {
        if let Some(known) = self.owners.get(&owner) {
            return Ok(known.clone());
        }
        let resolved = resolve_owner(work, owner).await?;
        self.owners.insert(owner, resolved.clone());
        Ok(resolved)
    }

    async fn group(&mut self, work: &mut Work, group: Option<GroupId>) -> Result<(GroupId, bool)> {
        if let Some(&known) = self.groups.get(&group) {
            return Ok(known);
        }
        let id = match group {
            None => key_groups::default_group(work).await?,
            Some(id) => id,
        };
        let found = key_groups::load(work, id).await?;
        self.groups.insert(group, (id, found.switched_on));
        Ok((id, found.switched_on))
    }

    async fn notified(&mut self, work: &mut Work, person: PersonId) -> Result<()> {
        if self.notified.insert(person) {
            edit::check_notified(work, person).await?;
        }
        Ok(())
    }
}

/// The owner, if the actor may generate keys for him; the role's name; and what the key may do.
async fn resolve_owner(work: &mut Work, owner: Owner) -> Result<(KeyOwner, String, Access)> {
    let (owner, role) = match owner {
        Owner::ServiceAccount(id) => {
            work.require("api_keys:modify_all")?;
            people::load_active(work, id, PersonKind::ServiceAccount).await?;
            (KeyOwner::ServiceAccount(id), None)
        }
        Owner::Tenant(role) => {
            work.require("api_keys:modify_all")?;
            (KeyOwner::Tenant { role }, Some(role))
        }
        Owner::User(user, role) => {
            let user = user.or(work.caller.user).ok_or_else(|| {
                Error::invalid("owner", "the actor is no user, so it must be said on whose behalf the key is")
            })?;
            if work.caller.user != Some(user) {
                work.require("api_keys:modify_all")?;
            } else if !work.may("api_keys:modify_all") {
                work.require("api_keys:modify")?;
            }
            people::load_active(work, user, PersonKind::User).await?;
            require_held(work, user, role).await?;
            (KeyOwner::User { user, role }, Some(role))
        }
    };
    let role_name = match role {
        None => String::new(),
        Some(role) => roles::load(work, role).await?.name,
    };
    let access = effective::access_of_owner(work, owner).await?;
    Ok((owner, role_name, access))
}

async fn require_held(work: &mut Work, user: PersonId, role: RoleId) -> Result<()> {
    let query = sqlx::query("SELECT 1 AS held FROM person_roles WHERE person = $1 AND role = $2");
    let held = work.optional(query.bind(user.bytes()).bind(role.bytes())).await?;
    held.map(|_| ()).ok_or_else(|| Rule::RoleNotHeld.into())
}
