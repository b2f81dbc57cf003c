//! Roles: bundles of permissions, which people have and keys act in. ADMIN and READONLY are built in.

use crate::{
    Access, Created, Error, Result, RoleId, Rule, Session, TenantId,
    changes::Changed,
    ids::RecordId,
    keys,
    page::awaitable,
    permissions,
    rows::RowExt,
    validate,
    work::{Work, confirm, unchanged},
};
use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::any::AnyRow;

/// A bundle of permissions.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Role {
    /// Its id.
    pub id: RoleId,
    /// The tenant that it belongs to.
    pub tenant: TenantId,
    /// Its name, unique in the tenant, 1 to 64 bytes: it stands in verdicts.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// What it grants: permissions and patterns, sorted.
    pub permissions: Vec<String>,
    /// Whether only the part of them that ends in `:view` is meant.
    pub read_only: bool,
    /// Whether it is ADMIN or READONLY, which stay as they are.
    pub built_in: bool,
    /// When it was defined.
    pub created_at: DateTime<Utc>,
    /// Grows with each edit.
    pub revision: i64,
}

/// What a new role is to be.
#[derive(Clone, Debug, serde::Serialize)]
#[must_use]
pub struct NewRole {
    name: String,
    description: String,
    permissions: Vec<String>,
    read_only: bool,
}

impl NewRole {
    /// A role with a name of 1 to 64 bytes that grants these permissions or patterns.
    pub fn new<P: Into<String>>(name: &str, permissions: impl IntoIterator<Item = P>) -> Self {
        let permissions = permissions.into_iter().map(Into::into).collect();
        Self { name: name.to_owned(), description: String::new(), permissions, read_only: false }
    }

    /// Says what it is for: up to 1000 characters.
    pub fn description(self, description: &str) -> Self {
        Self { description: description.to_owned(), ..self }
    }

    /// Only the part of its permissions that ends in `:view`.
    pub fn read_only(self) -> Self {
        Self { read_only: true, ..self }
    }
}

/// What is to change of a role.
#[derive(Clone, Default, Debug)]
#[must_use]
pub struct RoleEdit {
    name: Option<String>,
    description: Option<String>,
    permissions: Option<Vec<String>>,
}

impl RoleEdit {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Another name.
    pub fn name(self, name: &str) -> Self {
        Self { name: Some(name.to_owned()), ..self }
    }

    /// Another description.
    pub fn description(self, description: &str) -> Self {
        Self { description: Some(description.to_owned()), ..self }
    }

    /// Other permissions in place of all that it grants.
    pub fn permissions<P: Into<String>>(self, permissions: impl IntoIterator<Item = P>) -> Self {
        Self { permissions: Some(permissions.into_iter().map(Into::into).collect()), ..self }
    }
}

/// Roles: see [`Session::roles`].
#[derive(Clone, Copy)]
pub struct Roles<'s>(pub(crate) &'s Session);

impl<'s> Roles<'s> {
    /// Defines a role.
    ///
    /// # Errors
    /// [`Error::PermissionNeeded`] without `roles:modify`; [`Error::BeyondOwnAccess`] if it grants what the actor does
    /// not have; [`Error::Refused`] for a key; [`Error::Invalid`]; [`Error::Exists`] if the name is taken.
    pub async fn define(self, new: NewRole) -> Result<Created<Role>> {
        let mut work = self.0.write().await?;
        work.require_no_key(Rule::KeysNeverGrant)?;
        work.require("roles:modify")?;
        let tenant = work.tenant()?.id;
        validate::role_name(&new.name)?;
        validate::description(&new.description)?;
        let request = ("role", &new);
        if let Some(id) = work.replayed(&request).await? {
            return Ok(Created::new(load(&mut work, id.parse()?).await?, true));
        }
        check_permissions(&mut work, &new.permissions, new.read_only).await?;
        let id = RoleId::random()?;
        let insert = sqlx::query(
            "INSERT INTO roles (id, tenant, name, description, read_only, built_in, deleted, created_at, revision) \
             VALUES ($1, $2, $3, $4, $5, 0, 0, $6, 1)",
        );
        let insert = insert.bind(id.bytes()).bind(tenant.bytes()).bind(new.name.clone());
        let insert = insert.bind(new.description.clone()).bind(i64::from(new.read_only)).bind(work.now);
        work.run_unique(insert, "role", "name", &new.name).await?;
        set_permissions(&mut work, id, &new.permissions).await?;
        work.remember(&request, id).await?;
        let details = json!({ "name": new.name, "permissions": new.permissions, "read_only": new.read_only });
        work.audit("role.defined", id, details);
        Ok(Created::new(finish(work, id).await?, false))
    }

    /// The roles of the tenant, by name.
    ///
    /// Awaiting it fails with [`Error::PermissionNeeded`] without `roles:view`.
    pub const fn list(self) -> ListRoles<'s> {
        ListRoles { session: self.0, text: String::new() }
    }

    /// One role.
    ///
    /// # Errors
    /// [`Error::PermissionNeeded`] without `roles:view`; [`Error::NotFound`].
    pub async fn get(self, id: RoleId) -> Result<Role> {
        let mut work = self.0.read().await?;
        work.require("roles:view")?;
        load(&mut work, id).await
    }

    /// The role with this name.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn named(self, name: &str) -> Result<Role> {
        let mut work = self.0.read().await?;
        work.require("roles:view")?;
        validate::sought("name", name)?;
        let tenant = work.tenant()?.id;
        let query = sqlx::query("SELECT id FROM roles WHERE tenant = $1 AND name = $2 AND deleted = 0");
        let row = work.optional(query.bind(tenant.bytes()).bind(name)).await?;
        let id = row.ok_or_else(|| Error::not_found("role", name))?.id("id")?;
        load(&mut work, id).await
    }

    /// Changes a role, for everybody who has it and for every key that acts in it.
    ///
    /// # Errors
    /// As [`define`](Self::define); [`Error::Refused`] for a built-in role; [`Error::Changed`] if it is not at `revision`
    /// any more.
    pub async fn edit(self, id: RoleId, revision: i64, edit: RoleEdit) -> Result<Role> {
        let mut work = self.0.write().await?;
        work.require_no_key(Rule::KeysNeverGrant)?;
        work.require("roles:modify")?;
        let role = load_custom(&mut work, id).await?;
        unchanged("role", id, revision, role.revision)?;
        let name = edit.name.unwrap_or(role.name);
        let description = edit.description.unwrap_or(role.description);
        validate::role_name(&name)?;
        validate::description(&description)?;
        let update = "UPDATE roles SET name = $1, description = $2, revision = revision + 1 WHERE id = $3";
        let update = sqlx::query(update).bind(name.clone()).bind(description).bind(id.bytes());
        work.run_unique(update, "role", "name", &name).await?;
        let rename = sqlx::query("UPDATE api_keys SET role_name = $1 WHERE role = $2");
        work.run(rename.bind(name.clone()).bind(id.bytes())).await?;
        if let Some(permissions) = &edit.permissions {
            check_permissions(&mut work, permissions, role.read_only).await?;
            let remove = sqlx::query("DELETE FROM role_permissions WHERE role = $1");
            work.run(remove.bind(id.bytes())).await?;
            set_permissions(&mut work, id, permissions).await?;
        }
        work.changed(Changed::Role(id));
        work.audit("role.edited", id, json!({ "name": name, "permissions": edit.permissions }));
        finish(work, id).await
    }

    /// Deletes a role: it is taken from everybody who has it, and the keys that act in it end. `confirmation` repeats
    /// its name. Returns how many keys were revoked.
    ///
    /// # Errors
    /// [`Error::PermissionNeeded`] without `roles:modify`; [`Error::Refused`] for a key as actor and for a built-in
    /// role; [`Error::ConfirmationNeeded`]; [`Error::NotFound`].
    pub async fn delete(self, id: RoleId, confirmation: &str) -> Result<u64> {
        let mut work = self.0.write().await?;
        work.require_no_key(Rule::KeysNeverGrant)?;
        work.require("roles:modify")?;
        let role = load_custom(&mut work, id).await?;
        confirm(confirmation, &role.name)?;
        let holders = sqlx::query("SELECT person FROM person_roles WHERE role = $1");
        for row in work.all(holders.bind(id.bytes())).await? {
            work.changed(Changed::Person(row.id("person")?));
        }
        work.changed(Changed::Role(id));
        for change in [
            "DELETE FROM person_roles WHERE role = $1",
            "UPDATE roles SET deleted = 1, revision = revision + 1 WHERE id = $1",
        ] {
            work.run(sqlx::query(change).bind(id.bytes())).await?;
        }
        let revoked = keys::revoke_keys_in_role(&mut work, None, id).await?;
        work.audit("role.deleted", id, json!({ "name": role.name, "keys_revoked": revoked }));
        work.commit().await?;
        Ok(revoked)
    }
}

/// A list of roles: see [`Roles::list`].
#[derive(Debug)]
#[must_use = "a list is read when it is awaited"]
pub struct ListRoles<'s> {
    session: &'s Session,
    text: String,
}

awaitable!(ListRoles => Vec<Role>);

impl ListRoles<'_> {
    /// Only those with `text` in name or description, without regard to case.
    pub fn containing(self, text: &str) -> Self {
        Self { text: text.to_owned(), ..self }
    }

    async fn run(self) -> Result<Vec<Role>> {
        let mut work = self.session.read().await?;
        work.require("roles:view")?;
        let tenant = work.tenant()?.id;
        let query = sqlx::query("SELECT * FROM roles WHERE tenant = $1 AND deleted = 0 ORDER BY name");
        let mut roles = Vec::new();
        for row in work.all(query.bind(tenant.bytes())).await? {
            let found = ["name", "description"].map(|column| row.text(column));
            let [name, description] = found;
            if validate::has(&name?, &self.text) || validate::has(&description?, &self.text) {
                roles.push(read(&mut work, &row).await?);
            }
        }
        Ok(roles)
    }
}

/// Permissions that a role is to grant: such as can be granted here, and are the actor's own.
async fn check_permissions(work: &mut Work, patterns: &[String], read_only: bool) -> Result<()> {
    permissions::check_grantable(work, patterns).await?;
    permissions::check_room(patterns)?;
    work.caller.access.require_all_of(&Access::of(patterns.iter().cloned(), read_only))
}

async fn set_permissions(work: &mut Work, id: RoleId, patterns: &[String]) -> Result<()> {
    for pattern in patterns.iter().collect::<std::collections::BTreeSet<_>>() {
        let insert = sqlx::query("INSERT INTO role_permissions (role, permission) VALUES ($1, $2)");
        work.run(insert.bind(id.bytes()).bind(pattern.clone())).await?;
    }
    Ok(())
}

async fn load_custom(work: &mut Work, id: RoleId) -> Result<Role> {
    let role = load(work, id).await?;
    if role.built_in { Err(Rule::RoleIsBuiltIn.into()) } else { Ok(role) }
}

/// A role of the tenant in which the work is done.
pub(crate) async fn load(work: &mut Work, id: RoleId) -> Result<Role> {
    let tenant = work.tenant()?.id;
    let query = sqlx::query("SELECT * FROM roles WHERE id = $1 AND tenant = $2 AND deleted = 0");
    let row = work.optional(query.bind(id.bytes()).bind(tenant.bytes())).await?;
    let row = row.ok_or_else(|| Error::not_found("role", id))?;
    read(work, &row).await
}

async fn finish(mut work: Work, id: RoleId) -> Result<Role> {
    let role = load(&mut work, id).await?;
    work.commit().await?;
    Ok(role)
}

async fn read(work: &mut Work, row: &AnyRow) -> Result<Role> {
    let id: RoleId = row.id("id")?;
    let query = sqlx::query("SELECT permission FROM role_permissions WHERE role = $1 ORDER BY permission");
    let permissions = work.all(query.bind(id.bytes())).await?;
    Ok(Role {
        id,
        tenant: row.id("tenant")?,
        name: row.text("name")?,
        description: row.text("description")?,
        permissions: permissions.iter().map(|row| row.text("permission")).collect::<Result<_>>()?,
        read_only: row.flag("read_only")?,
        built_in: row.flag("built_in")?,
        created_at: row.time("created_at")?,
        revision: row.int("revision")?,
    })
}
