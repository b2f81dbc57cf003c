//! Key groups: every key is in one, and each group switches all its keys on or off.

use crate::{
    Created, Error, GroupId, Result, Rule, Session, TenantId,
    changes::Changed,
    effective,
    ids::RecordId,
    keys,
    rows::RowExt,
    validate,
    work::{Work, confirm, unchanged},
};
use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::any::AnyRow;

/// A group of keys.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct KeyGroup {
    /// Its id.
    pub id: GroupId,
    /// The tenant that it belongs to.
    pub tenant: TenantId,
    /// Its name, unique in the tenant.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Whether its keys are good; off, none of them is.
    pub switched_on: bool,
    /// Whether it is the group `default`, which stays.
    pub is_default: bool,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// Grows with each edit.
    pub revision: i64,
}

/// What a new group is to be.
#[derive(Clone, Debug, serde::Serialize)]
#[must_use]
pub struct NewKeyGroup {
    name: String,
    description: String,
}

impl NewKeyGroup {
    /// A group with a name of 1 to 100 characters.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), description: String::new() }
    }

    /// Says what it is for: up to 1000 characters.
    pub fn description(self, description: &str) -> Self {
        Self { description: description.to_owned(), ..self }
    }
}

/// What is to change of a group.
#[derive(Clone, Default, Debug)]
#[must_use]
pub struct KeyGroupEdit {
    name: Option<String>,
    description: Option<String>,
}

impl KeyGroupEdit {
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
}

/// Key groups: see [`Session::key_groups`].
///
/// All of it needs `api_keys:modify_all`; seeing them needs that or `api_keys:view`.
#[derive(Clone, Copy)]
pub struct KeyGroups<'s>(pub(crate) &'s Session);

impl KeyGroups<'_> {
    /// Creates a group, switched on.
    ///
    /// # Errors
    /// [`Error::PermissionNeeded`]; [`Error::Invalid`]; [`Error::Exists`] if the name is taken.
    pub async fn create(self, new: NewKeyGroup) -> Result<Created<KeyGroup>> {
        let mut work = self.0.write().await?;
        work.require("api_keys:modify_all")?;
        let tenant = work.tenant()?.id;
        validate::name("name", &new.name)?;
        validate::description(&new.description)?;
        let request = ("key group", &new);
        if let Some(id) = work.replayed(&request).await? {
            return Ok(Created::new(load(&mut work, id.parse()?).await?, true));
        }
        let id = GroupId::random()?;
        let insert = sqlx::query(
            "INSERT INTO key_groups (id, tenant, name, description, switched_on, is_default, created_at, revision) \
             VALUES ($1, $2, $3, $4, 1, 0, $5, 1)",
        );
        let insert = insert.bind(id.bytes()).bind(tenant.bytes()).bind(new.name.clone());
        let insert = insert.bind(new.description.clone()).bind(work.now);
        work.run_unique(insert, "key group", "name", &new.name).await?;
        work.remember(&request, id).await?;
        work.audit("key_group.created", id, json!({ "name": new.name }));
        Ok(Created::new(finish(work, id).await?, false))
    }

    /// The groups of the tenant, by name.
    ///
    /// # Errors
    /// [`Error::PermissionNeeded`].
    pub async fn list(self) -> Result<Vec<KeyGroup>> {
        let mut work = self.0.read().await?;
        require_view(&work)?;
        let tenant = work.tenant()?.id;
        let query = sqlx::query("SELECT * FROM key_groups WHERE tenant = $1 ORDER BY name");
        let rows = work.all(query.bind(tenant.bytes())).await?;
        rows.iter().map(read).collect()
    }

    /// One group.
    ///
    /// # Errors
    /// [`Error::PermissionNeeded`]; [`Error::NotFound`].
    pub async fn get(self, id: GroupId) -> Result<KeyGroup> {
        let mut work = self.0.read().await?;
        require_view(&work)?;
        load(&mut work, id).await
    }

    /// Changes name or description.
    ///
    /// # Errors
    /// [`Error::PermissionNeeded`]; [`Error::Changed`] if it is not at `revision` any more; [`Error::Invalid`];
    /// [`Error::Exists`]; [`Error::Refused`] for another name for the group `default`.
    pub async fn edit(self, id: GroupId, revision: i64, edit: KeyGroupEdit) -> Result<KeyGroup> {
        let mut work = self.0.write().await?;
        work.require("api_keys:modify_all")?;
        let group = load(&mut work, id).await?;
        unchanged("key group", id, revision, group.revision)?;
        if group.is_default && edit.name.as_ref().is_some_and(|name| *name != group.name) {
            return Err(Rule::GroupIsDefault.into());
        }
        let name = edit.name.unwrap_or(group.name);
        let description = edit.description.unwrap_or(group.description);
        validate::name("name", &name)?;
        validate::description(&description)?;
        let update =
            "UPDATE key_groups SET name = $1, description = $2, revision = revision + 1 WHERE id = $3";
        let update = sqlx::query(update).bind(name.clone()).bind(description.clone()).bind(id.bytes());
        work.run_unique(update, "key group", "name", &name).await?;
        work.audit("key_group.edited", id, json!({ "name": name, "description": description }));
        finish(work, id).await
    }

    /// Switches all keys of the group on.
    ///
    /// # Errors
    /// [`Error::PermissionNeeded`]; [`Error::NotFound`]; [`Error::BeyondOwnAccess`] if a key in it may do what the actor may
    /// not; [`Error::Refused`] while the tenant's keys are locked.
    pub async fn switch_on(self, id: GroupId) -> Result<KeyGroup> {
        let mut work = self.0.write().await?;
        work.require("api_keys:modify_all")?;
        if work.tenant()?.locked {
            return Err(Rule::KeysLocked.into());
        }
        load(&mut work, id).await?;
        require_access_of_keys(&mut work, id).await?;
        switch(work, id, true, "key_group.switched_on").await
    }

    /// Switches all keys of the group off.
    ///
    /// # Errors
    /// [`Error::PermissionNeeded`]; [`Error::NotFound`].
    pub async fn switch_off(self, id: GroupId) -> Result<KeyGroup> {
        let work = self.0.write().await?;
        work.require("api_keys:modify_all")?;
        switch(work, id, false, "key_group.switched_off").await
    }

    /// Deletes a group. Its keys go into `keys_go_to`; without that it must be empty. `confirmation` repeats its name.
    /// Returns how many keys went.
    ///
    /// # Errors
    /// [`Error::PermissionNeeded`]; [`Error::NotFound`]; [`Error::ConfirmationNeeded`]; [`Error::BeyondOwnAccess`] if that
    /// switches a key on that may do what the actor may not; [`Error::Refused`] for the group `default`, for a group with
    /// keys that go nowhere, and while the tenant's keys are locked and would have to move.
    pub async fn delete(self, id: GroupId, keys_go_to: Option<GroupId>, confirmation: &str) -> Result<u64> {
        let mut work = self.0.write().await?;
        work.require("api_keys:modify_all")?;
        let group = load(&mut work, id).await?;
        if group.is_default {
            return Err(Rule::GroupIsDefault.into());
        }
        confirm(confirmation, &group.name)?;
        // Deleted keys leave their rows behind, which must be in some group too.
        let count =
            sqlx::query("SELECT COUNT(*) AS count FROM api_keys WHERE key_group = $1 AND deleted_at = 0");
        let count = work.one(count.bind(id.bytes())).await?.int("count")?;
        let target = match keys_go_to {
            Some(target) if target == id => {
                return Err(Error::invalid("keys_go_to", "is the group that is to be deleted"));
            }
            Some(target) => {
                let target = load(&mut work, target).await?;
                if target.switched_on && !group.switched_on {
                    require_access_of_keys(&mut work, id).await?;
                }
                target.id
            }
            None if count > 0 => return Err(Rule::GroupNotEmpty.into()),
            None => default_group(&mut work).await?,
        };
        if count > 0 && work.tenant()?.locked {
            return Err(Rule::KeysLocked.into());
        }
        let go =
            sqlx::query("UPDATE api_keys SET key_group = $1, revision = revision + 1 WHERE key_group = $2");
        work.run(go.bind(target.bytes()).bind(id.bytes())).await?;
        // The keys go on naming the same policies, which are the other group's now. New keys get others.
        let go = sqlx::query("UPDATE policies SET key_group = $1 WHERE key_group = $2");
        work.run(go.bind(target.bytes()).bind(id.bytes())).await?;
        work.changed(Changed::Group(target));
        work.run(sqlx::query("DELETE FROM key_groups WHERE id = $1").bind(id.bytes())).await?;
        let details = json!({ "name": group.name, "keys_went_to": target, "keys": count });
        work.audit("key_group.deleted", id, details);
        work.commit().await?;
        Ok(count.unsigned_abs())
    }
}

/// Makes sure that the actor has what each key in a group has.
async fn require_access_of_keys(work: &mut Work, group: GroupId) -> Result<()> {
    let query = "SELECT DISTINCT owner_kind, person, role, read_only FROM api_keys WHERE key_group = $1 \
                 AND deleted_at = 0 AND revoked_at = 0";
    for row in work.all(sqlx::query(query).bind(group.bytes())).await? {
        let access = effective::access_of_owner(work, keys::read_owner(&row)?).await?;
        let access = access.limited(row.flag("read_only")?);
        work.caller.access.require_all_of(&access)?;
    }
    Ok(())
}

fn require_view(work: &Work) -> Result<()> {
    if work.may("api_keys:modify_all") { Ok(()) } else { work.require("api_keys:view") }
}

async fn switch(mut work: Work, id: GroupId, on: bool, action: &str) -> Result<KeyGroup> {
    load(&mut work, id).await?;
    let update = sqlx::query("UPDATE key_groups SET switched_on = $1, revision = revision + 1 WHERE id = $2");
    work.run(update.bind(i64::from(on)).bind(id.bytes())).await?;
    work.changed(Changed::Group(id));
    work.audit(action, id, json!({}));
    finish(work, id).await
}

/// The group that keys go to when nothing else is said.
pub(crate) async fn default_group(work: &mut Work) -> Result<GroupId> {
    let tenant = work.tenant()?.id;
    let query = sqlx::query("SELECT id FROM key_groups WHERE tenant = $1 AND is_default = 1");
    work.one(query.bind(tenant.bytes())).await?.id("id")
}

/// A group of the tenant in which the work is done.
pub(crate) async fn load(work: &mut Work, id: GroupId) -> Result<KeyGroup> {
    let tenant = work.tenant()?.id;
    let query = sqlx::query("SELECT * FROM key_groups WHERE id = $1 AND tenant = $2");
    let row = work.optional(query.bind(id.bytes()).bind(tenant.bytes())).await?;
    read(&row.ok_or_else(|| Error::not_found("key group", id))?)
}

async fn finish(mut work: Work, id: GroupId) -> Result<KeyGroup> {
    let group = load(&mut work, id).await?;
    work.commit().await?;
    Ok(group)
}

fn read(row: &AnyRow) -> Result<KeyGroup> {
    Ok(KeyGroup {
        id: row.id("id")?,
        tenant: row.id("tenant")?,
        name: row.text("name")?,
        description: row.text("description")?,
        switched_on: row.flag("switched_on")?,
        is_default: row.flag("is_default")?,
        created_at: row.time("created_at")?,
        revision: row.int("revision")?,
    })
}
