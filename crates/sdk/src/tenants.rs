//! Tenants: the sites or companies of the platform, and the two switches over their keys.

use crate::{
    Created, Error, GroupId, Result, RoleId, Session, TenantId,
    changes::Changed,
    ids::RecordId,
    rows::RowExt,
    validate,
    work::{Work, confirm, unchanged},
};
use chrono::{DateTime, Utc};
use claviger_core::KeyPrefix;
use serde_json::json;
use sqlx::any::AnyRow;

/// A site or company.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// Its name, unique on the platform.
    pub name: String,
    /// What its keys may be prefixed with; the first is the default.
    pub key_prefixes: Vec<KeyPrefix>,
    /// The operator's switch: while off nothing is issued and no key verifies.
    pub switched_on: bool,
    /// The tenant's own lock: while locked only the notifications of its keys can be edited.
    pub locked: bool,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// Grows with each edit.
    pub revision: i64,
}

/// What a new tenant is to be.
#[derive(Clone, Debug, serde::Serialize)]
#[must_use]
pub struct NewTenant {
    name: String,
    prefixes: String,
}

impl NewTenant {
    /// A tenant with a name of 1 to 100 characters, whose keys start with `key_prefix`, by convention
    /// `<product>_<live|test>`.
    pub fn new(name: &str, key_prefix: KeyPrefix) -> Self {
        Self { name: name.to_owned(), prefixes: key_prefix.to_string() }
    }

    /// Allows another prefix for its keys.
    pub fn key_prefix(mut self, prefix: KeyPrefix) -> Self {
        self.prefixes.push(' ');
        self.prefixes.push_str(prefix.as_str());
        self
    }
}

/// Tenants: see [`Session::tenants`].
#[derive(Clone, Copy)]
pub struct Tenants<'s>(pub(crate) &'s Session);

impl Tenants<'_> {
    /// Creates a tenant, switched on, with the roles ADMIN and READONLY and the key group `default`.
    ///
    /// # Errors
    /// [`Error::Refused`] for anybody but the operator; [`Error::Invalid`]; [`Error::Exists`] if the name is taken.
    pub async fn create(self, new: NewTenant) -> Result<Created<Tenant>> {
        let mut work = self.0.write().await?;
        work.require_operator()?;
        validate::name("name", &new.name)?;
        let request = ("tenant", &new);
        if let Some(id) = work.replayed(&request).await? {
            return Ok(Created::new(load(&mut work, id.parse()?).await?, true));
        }
        let id = TenantId::random()?;
        let insert = sqlx::query(
            "INSERT INTO tenants (id, name, prefixes, switched_on, locked, created_at, revision) \
             VALUES ($1, $2, $3, 1, 0, $4, 1)",
        );
        let insert = insert.bind(id.bytes()).bind(new.name.clone()).bind(new.prefixes.clone()).bind(work.now);
        work.run_unique(insert, "tenant", "name", &new.name).await?;
        create_built_in_roles(&mut work, id).await?;
        create_default_group(&mut work, id).await?;
        work.remember(&request, id).await?;
        let details = json!({ "name": new.name, "key_prefixes": new.prefixes });
        work.audit_in(Some(id), "tenant.created", id, details);
        let tenant = load(&mut work, id).await?;
        work.commit().await?;
        Ok(Created::new(tenant, false))
    }

    /// The tenants that the actor may see, by name: all for the operator unless he has said in which he acts, his own for
    /// anybody else.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn list(self) -> Result<Vec<Tenant>> {
        let mut work = self.0.read().await?;
        let rows = work.all(sqlx::query("SELECT * FROM tenants ORDER BY name")).await?;
        let tenants = rows.iter().map(read).collect::<Result<Vec<_>>>()?;
        let own = work.tenant_id_if_chosen();
        Ok(tenants.into_iter().filter(|tenant| own.is_none_or(|own| own == tenant.id)).collect())
    }

    /// One tenant.
    ///
    /// # Errors
    /// [`Error::NotFound`], also if it is not the actor's.
    pub async fn get(self, id: TenantId) -> Result<Tenant> {
        let mut work = self.0.in_tenant(id).read().await?;
        load(&mut work, id).await
    }

    /// Gives a tenant another name.
    ///
    /// # Errors
    /// [`Error::Refused`] for anybody but the operator; [`Error::Changed`] if it is not at `revision` any more.
    pub async fn rename(self, id: TenantId, revision: i64, name: &str) -> Result<Tenant> {
        let mut work = self.0.in_tenant(id).write().await?;
        work.require_operator()?;
        validate::name("name", name)?;
        unchanged("tenant", id, revision, load(&mut work, id).await?.revision)?;
        let update = sqlx::query("UPDATE tenants SET name = $1, revision = revision + 1 WHERE id = $2");
        work.run_unique(update.bind(name).bind(id.bytes()), "tenant", "name", name).await?;
        work.audit("tenant.renamed", id, json!({ "name": name }));
        finish(work, id).await
    }

    /// Switches the tenant's API keys on.
    ///
    /// # Errors
    /// [`Error::Refused`] for anybody but the operator.
    pub async fn switch_on(self, id: TenantId) -> Result<Tenant> {
        let work = self.0.in_tenant(id).write().await?;
        work.require_operator()?;
        set(work, id, Switch::Keys, true, "tenant.switched_on").await
    }

    /// Switches the tenant's API keys off: nothing is issued, `api_keys:…` is neither listed nor grantable, and no key
    /// verifies. `confirmation` repeats the tenant's name.
    ///
    /// # Errors
    /// [`Error::Refused`] for anybody but the operator; [`Error::ConfirmationNeeded`].
    pub async fn switch_off(self, id: TenantId, confirmation: &str) -> Result<Tenant> {
        let mut work = self.0.in_tenant(id).write().await?;
        work.require_operator()?;
        confirm(confirmation, &load(&mut work, id).await?.name)?;
        set(work, id, Switch::Keys, false, "tenant.switched_off").await
    }

    /// Locks the keys that the actor's tenant has: only their notifications can be edited until it is unlocked.
    /// Deactivating, expiring and deleting stay possible, and new keys can be generated.
    ///
    /// # Errors
    /// [`Error::PermissionNeeded`] without `tenant:modify`.
    pub async fn lock_keys(self) -> Result<Tenant> {
        self.set_lock(true, "tenant.locked").await
    }

    /// Unlocks the keys of the actor's tenant.
    ///
    /// # Errors
    /// [`Error::PermissionNeeded`] without `tenant:modify`.
    pub async fn unlock_keys(self) -> Result<Tenant> {
        self.set_lock(false, "tenant.unlocked").await
    }

    async fn set_lock(self, locked: bool, action: &str) -> Result<Tenant> {
        let work = self.0.write().await?;
        work.require("tenant:modify")?;
        let id = work.tenant()?.id;
        set(work, id, Switch::Lock, locked, action).await
    }
}

/// One of the two switches over a tenant's keys.
enum Switch {
    Keys,
    Lock,
}

async fn set(mut work: Work, id: TenantId, switch: Switch, on: bool, action: &str) -> Result<Tenant> {
    let update = match switch {
        Switch::Keys => "UPDATE tenants SET switched_on = $1, revision = revision + 1 WHERE id = $2",
        Switch::Lock => "UPDATE tenants SET locked = $1, revision = revision + 1 WHERE id = $2",
    };
    work.run(sqlx::query(update).bind(i64::from(on)).bind(id.bytes())).await?;
    work.changed(Changed::Tenant);
    work.audit(action, id, json!({}));
    finish(work, id).await
}

async fn finish(mut work: Work, id: TenantId) -> Result<Tenant> {
    let tenant = load(&mut work, id).await?;
    work.commit().await?;
    Ok(tenant)
}

async fn load(work: &mut Work, id: TenantId) -> Result<Tenant> {
    let row = work.optional(sqlx::query("SELECT * FROM tenants WHERE id = $1").bind(id.bytes())).await?;
    read(&row.ok_or_else(|| Error::not_found("tenant", id))?)
}

fn read(row: &AnyRow) -> Result<Tenant> {
    Ok(Tenant {
        id: row.id("id")?,
        name: row.text("name")?,
        key_prefixes: read_prefixes(&row.text("prefixes")?)?,
        switched_on: row.flag("switched_on")?,
        locked: row.flag("locked")?,
        created_at: row.time("created_at")?,
        revision: row.int("revision")?,
    })
}

/// Prefixes, separated by spaces.
pub(crate) fn read_prefixes(text: &str) -> Result<Vec<KeyPrefix>> {
    let prefixes = text.split(' ').map(str::parse).collect::<Result<_, _>>();
    prefixes.map_err(|_| crate::rows::damaged("prefixes"))
}

async fn create_built_in_roles(work: &mut Work, tenant: TenantId) -> Result<()> {
    for (name, description, read_only) in
        [("ADMIN", "every permission", 0), ("READONLY", "every permission that only reads", 1)]
    {
        let id = RoleId::random()?;
        let insert = sqlx::query(
            "INSERT INTO roles (id, tenant, name, description, read_only, built_in, deleted, created_at, revision) \
             VALUES ($1, $2, $3, $4, $5, 1, 0, $6, 1)",
        );
        let insert = insert.bind(id.bytes()).bind(tenant.bytes()).bind(name).bind(description);
        work.run(insert.bind(i64::from(read_only)).bind(work.now)).await?;
        let grant = sqlx::query("INSERT INTO role_permissions (role, permission) VALUES ($1, '*')");
        work.run(grant.bind(id.bytes())).await?;
    }
    Ok(())
}

async fn create_default_group(work: &mut Work, tenant: TenantId) -> Result<()> {
    let insert = sqlx::query(
        "INSERT INTO key_groups (id, tenant, name, description, switched_on, is_default, created_at, revision) \
         VALUES ($1, $2, 'default', '', 1, 1, $3, 1)",
    );
    let insert = insert.bind(GroupId::random()?.bytes()).bind(tenant.bytes()).bind(work.now);
    work.run(insert).await.map(|_| ())
}
