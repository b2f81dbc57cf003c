//! A session: one actor, perhaps in one tenant, and the way from there to every operation.

use crate::{
    Actor, ApiClients, Audit, KeyGroups, Keys, MasterKeys, People, Permissions, PersonalKeys, Result,
    Reviews, Rings, Roles, ServiceAccounts, SharedSecrets, Store, TenantId, Tenants, Usage, Users,
    work::Work,
};

/// Operations in the name of one actor. Cheap to make and to clone.
///
/// A user or key acts in its own tenant. The platform operator says [`in_tenant`](Self::in_tenant) first.
#[derive(Clone, Debug)]
#[must_use]
pub struct Session {
    pub(crate) store: Store,
    pub(crate) actor: Actor,
    pub(crate) tenant: Option<TenantId>,
    pub(crate) idempotency_key: Option<String>,
}

impl Session {
    pub(crate) const fn new(store: Store, actor: Actor) -> Self {
        Self { store, actor, tenant: None, idempotency_key: None }
    }

    /// The same actor in this tenant. For anybody but the operator it must be his own.
    pub fn in_tenant(&self, tenant: TenantId) -> Self {
        Self { tenant: Some(tenant), ..self.clone() }
    }

    /// The same session, in which the next creation is done once however often it is asked for.
    ///
    /// Whoever repeats a creation with the same key (1 to 255 characters) within 24 hours gets the record that was
    /// made the first time, without its secret, and marked as [replayed](crate::Created::replayed). Another request
    /// under the same key is [refused](crate::Error::IdempotencyKeyReused).
    pub fn with_idempotency_key(&self, key: &str) -> Self {
        Self { idempotency_key: Some(key.to_owned()), ..self.clone() }
    }

    /// Tenants: the sites or companies of the platform.
    #[must_use]
    pub const fn tenants(&self) -> Tenants<'_> {
        Tenants(self)
    }

    /// Permissions: what the platform's applications check.
    #[must_use]
    pub const fn permissions(&self) -> Permissions<'_> {
        Permissions(self)
    }

    /// Roles: bundles of permissions.
    #[must_use]
    pub const fn roles(&self) -> Roles<'_> {
        Roles(self)
    }

    /// People: users and service accounts alike, and what they may do.
    #[must_use]
    pub const fn people(&self) -> People<'_> {
        People(self)
    }

    /// Users: the people who log in.
    #[must_use]
    pub const fn users(&self) -> Users<'_> {
        Users(self)
    }

    /// Service accounts: what integrations act as.
    #[must_use]
    pub const fn service_accounts(&self) -> ServiceAccounts<'_> {
        ServiceAccounts(self)
    }

    /// Key groups: every key is in one, and each can be switched off.
    #[must_use]
    pub const fn key_groups(&self) -> KeyGroups<'_> {
        KeyGroups(self)
    }

    /// API keys.
    #[must_use]
    pub const fn keys(&self) -> Keys<'_> {
        Keys(self)
    }

    /// API clients: service accounts' keys that are used as client id and secret.
    #[must_use]
    pub const fn api_clients(&self) -> ApiClients<'_> {
        ApiClients(self)
    }

    /// Personal keys: one for each user, and his own affair.
    #[must_use]
    pub const fn personal_keys(&self) -> PersonalKeys<'_> {
        PersonalKeys(self)
    }

    /// Reviews: which keys somebody should look at, and who has.
    #[must_use]
    pub const fn reviews(&self) -> Reviews<'_> {
        Reviews(self)
    }

    /// Shared secrets: what signs keys, requests and webhooks.
    #[must_use]
    pub const fn shared_secrets(&self) -> SharedSecrets<'_> {
        SharedSecrets(self)
    }

    /// Rings: the keyrings that are published.
    #[must_use]
    pub const fn rings(&self) -> Rings<'_> {
        Rings(self)
    }

    /// Usage: what verifiers report about keys.
    #[must_use]
    pub const fn usage(&self) -> Usage<'_> {
        Usage(self)
    }

    /// The audit log.
    #[must_use]
    pub const fn audit(&self) -> Audit<'_> {
        Audit(self)
    }

    /// What the store is sealed under.
    #[must_use]
    pub const fn master_keys(&self) -> MasterKeys<'_> {
        MasterKeys(self)
    }

    /// Work that only reads.
    pub(crate) async fn read(&self) -> Result<Work> {
        Work::begin(self, false).await
    }

    /// Work that writes, all or nothing.
    pub(crate) async fn write(&self) -> Result<Work> {
        Work::begin(self, true).await
    }
}
