//! What somebody or some key may do at this moment, and what a keyring says of a key.

use crate::{
    Access, ApiKey, Error, KeyLimit, KeyOwner, KeyStatus, PersonId, Result, RoleId, Rule, TenantId,
    ids::RecordId,
    keys::{self, Switches},
    rows::RowExt,
    sql::{Statement, rows_at_once},
    work::Work,
};
use claviger_core::{KeyId, KeyPrefix, Limit, Network, Policy, PolicyError, PolicyTerms};
use std::collections::{BTreeSet, HashMap};

/// Roles and permissions of a user or service account together.
pub(crate) async fn access_of_person(work: &mut Work, id: PersonId) -> Result<Access> {
    let query = "SELECT permission, 0 AS read_only FROM person_permissions WHERE person = $1 UNION ALL \
                 SELECT p.permission, r.read_only FROM person_roles h JOIN roles r ON r.id = h.role \
                 JOIN role_permissions p ON p.role = r.id WHERE h.person = $2";
    let query = sqlx::query(query).bind(id.bytes()).bind(id.bytes());
    let mut access = Access::default();
    for row in work.all(query).await? {
        access.add(row.text("permission")?, row.flag("read_only")?);
    }
    Ok(access)
}

/// What a role grants.
pub(crate) async fn access_of_role(work: &mut Work, id: RoleId) -> Result<Access> {
    let mut granted = access_of_roles(work, &BTreeSet::from([id])).await?;
    Ok(granted.remove(&id).unwrap_or_default())
}

/// What many roles grant, for those that grant anything.
pub(crate) async fn access_of_roles(
    work: &mut Work,
    ids: &BTreeSet<RoleId>,
) -> Result<HashMap<RoleId, Access>> {
    let ids: Vec<RoleId> = ids.iter().copied().collect();
    let mut all: HashMap<RoleId, Access> = HashMap::new();
    for ids in ids.chunks(rows_at_once(1)) {
        let mut query = Statement::new(
            "SELECT r.id AS id, p.permission, r.read_only FROM roles r JOIN role_permissions p ON p.role = r.id \
             WHERE r.deleted = 0 AND r.id IN (",
        );
        query.bind_all(ids.iter().map(|id| id.bytes())).push(")");
        for row in work.all(query.query(work.dialect())?).await? {
            all.entry(row.id("id")?).or_default().add(row.text("permission")?, row.flag("read_only")?);
        }
    }
    Ok(all)
}

/// What the keys of an owner may do.
pub(crate) async fn access_of_owner(work: &mut Work, owner: KeyOwner) -> Result<Access> {
    match owner {
        KeyOwner::ServiceAccount(person) | KeyOwner::Personal(person) => access_of_person(work, person).await,
        KeyOwner::User { role, .. } | KeyOwner::Tenant { role } => access_of_role(work, role).await,
    }
}

/// A key that acts.
pub(crate) struct ActingKey {
    pub(crate) access: Access,
    pub(crate) user: Option<PersonId>,
    pub(crate) tenant: TenantId,
}

/// The key that acts, if it is good now. That its secret was presented is [`Store::authenticate`]'s to know.
///
/// [`Store::authenticate`]: crate::Store::authenticate
pub(crate) async fn acting_key(work: &mut Work, id: KeyId) -> Result<ActingKey> {
    let key = keys::load_any(work, id).await?;
    if key.status != KeyStatus::Active {
        return Err(Rule::ActorInactive.into());
    }
    let access = access_of_owner(work, key.owner).await?.limited(key.read_only);
    let user = match key.owner {
        KeyOwner::User { user, .. } | KeyOwner::Personal(user) => Some(user),
        KeyOwner::ServiceAccount(_) | KeyOwner::Tenant { .. } => None,
    };
    Ok(ActingKey { access, user, tenant: key.tenant })
}

/// What a policy says of a key beside its access.
pub(crate) struct PolicyParts<'k> {
    pub(crate) tenant: TenantId,
    /// The owner, if it is not the tenant.
    pub(crate) person: Option<PersonId>,
    pub(crate) role_name: &'k str,
    pub(crate) prefix: KeyPrefix,
    pub(crate) networks: &'k [Network],
    pub(crate) external_id: Option<&'k str>,
    pub(crate) metadata: Option<&'k str>,
    pub(crate) limits: &'k [KeyLimit],
    pub(crate) switches: Switches,
}

impl<'k> From<&'k ApiKey> for PolicyParts<'k> {
    fn from(key: &'k ApiKey) -> Self {
        Self {
            tenant: key.tenant,
            person: key.owner.person(),
            role_name: &key.role_name,
            prefix: key.prefix,
            networks: &key.networks,
            external_id: key.external_id.as_deref(),
            metadata: key.metadata.as_deref(),
            limits: &key.limits,
            switches: key.switches,
        }
    }
}

/// The policy of a key: whose it is and what it may do, as a keyring says it.
///
/// # Errors
/// [`Error::Invalid`] if a policy has no room for it.
pub(crate) fn policy(parts: &PolicyParts<'_>, access: &Access) -> Result<Policy<'static>> {
    let tenant = parts.tenant.to_string();
    let owner = parts.person.map_or_else(|| tenant.clone(), |person| person.to_string());
    let (patterns, read_only) = access.policy();
    let permissions: Vec<&str> = patterns.iter().map(String::as_str).collect();
    let limits: Vec<Limit<'_>> =
        parts.limits.iter().map(|limit| Limit::new(&limit.name, limit.max, limit.per_seconds)).collect();
    let mut terms = PolicyTerms::new(parts.prefix, &tenant, &owner);
    terms.external_id = parts.external_id;
    terms.role = Some(parts.role_name).filter(|name| !name.is_empty());
    terms.permissions = &permissions;
    terms.networks = parts.networks;
    terms.metadata = parts.metadata;
    terms.limits = &limits;
    terms.read_only = read_only;
    terms.group_off = parts.switches.group_off;
    terms.owner_off = parts.switches.owner_off;
    terms.tenant_off = parts.switches.tenant_off;
    Policy::new(&terms).map_err(refuse)
}

fn refuse(error: PolicyError) -> Error {
    let field = match error {
        PolicyError::Length { field, .. }
        | PolicyError::TooMany { field, .. }
        | PolicyError::TooLarge { field, .. } => field,
        _ => "permissions",
    };
    Error::invalid(field, error.to_string())
}
