//! Permissions: the catalogue of what the platform's applications check, such as `flights:view`.

use crate::{
    Error, Result, Session, access::MAX_SEGMENTS, page::awaitable, rows::RowExt, validate, work::Work,
};
use claviger_core::{check_permission, check_permission_pattern, permission_covers};
use serde_json::json;

/// What the admin operations themselves check.
pub(crate) const BUILT_IN: [(&str, &str); 12] = [
    ("api_keys:view", "see the keys of the tenant, but for personal ones"),
    ("api_keys:modify", "generate and manage keys on one's own behalf"),
    ("api_keys:modify_all", "generate and manage all keys of the tenant, and key groups"),
    ("people:view", "see users and service accounts"),
    ("people:modify", "create, edit and deactivate users and service accounts"),
    ("people:grant", "give and take roles and permissions"),
    ("roles:view", "see roles and permissions"),
    ("roles:modify", "define, edit and delete roles"),
    (
        "shared_secrets:modify",
        "create, rotate and retire shared secrets, and say whose keys may sign requests",
    ),
    ("shared_secrets:reveal", "read shared secrets for integrations"),
    ("tenant:modify", "lock and unlock the tenant's keys"),
    ("audit:view", "read the audit log"),
];

/// Permissions about API keys: hidden and not grantable while keys are switched off.
fn is_about_keys(pattern: &str) -> bool {
    pattern.split(':').next() == Some("api_keys")
}

/// A permission that can be granted.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
#[non_exhaustive]
pub struct Permission {
    /// Its name, such as `flights:view`; one that ends in `:view` only reads.
    pub name: String,
    /// What it allows.
    pub description: String,
    /// Whether it is one of the admin operations' own.
    pub built_in: bool,
}

/// The catalogue of permissions: see [`Session::permissions`].
#[derive(Clone, Copy)]
pub struct Permissions<'s>(pub(crate) &'s Session);

impl<'s> Permissions<'s> {
    /// Adds a permission to the catalogue, or describes one anew.
    ///
    /// `name` is 1 to 8 segments of letters, digits, `_`, `.` and `-`, joined by colons, at most 128 bytes.
    ///
    /// # Errors
    /// [`Error::Refused`] for anybody but the operator; [`Error::Invalid`] for a name that is none, or built in.
    pub async fn define(self, name: &str, description: &str) -> Result<Permission> {
        let mut work = self.0.write().await?;
        work.require_operator()?;
        check_permission(name).map_err(|error| Error::invalid("permission", error.to_string()))?;
        if name.split(':').count() > MAX_SEGMENTS {
            return Err(Error::invalid("permission", format!("has more than {MAX_SEGMENTS} segments")));
        }
        if BUILT_IN.iter().any(|(built_in, _)| *built_in == name) {
            return Err(Error::invalid("permission", format!("{name} is built in and stays as it is")));
        }
        validate::description(description)?;
        let upsert = "INSERT INTO permissions (name, description, built_in) VALUES ($1, $2, 0) \
                      ON CONFLICT (name) DO UPDATE SET description = excluded.description";
        work.run(sqlx::query(upsert).bind(name).bind(description)).await?;
        work.audit_in(None, "permission.defined", name, json!({ "description": description }));
        work.commit().await?;
        Ok(Permission { name: name.to_owned(), description: description.to_owned(), built_in: false })
    }

    /// The permissions that can be granted, by name. Where API keys are switched off, `api_keys:…` are not among them.
    ///
    /// Awaiting it fails with [`Error::PermissionNeeded`] without `roles:view`.
    pub const fn list(self) -> ListPermissions<'s> {
        ListPermissions { session: self.0, text: String::new() }
    }
}

/// A list of permissions: see [`Permissions::list`].
#[derive(Debug)]
#[must_use = "a list is read when it is awaited"]
pub struct ListPermissions<'s> {
    session: &'s Session,
    text: String,
}

awaitable!(ListPermissions => Vec<Permission>);

impl ListPermissions<'_> {
    /// Only those with `text` in name or description, without regard to case.
    pub fn containing(self, text: &str) -> Self {
        Self { text: text.to_owned(), ..self }
    }

    async fn run(self) -> Result<Vec<Permission>> {
        let mut work = self.session.read().await?;
        work.require("roles:view")?;
        let keys_off = work.tenant().is_ok_and(|tenant| !tenant.switched_on);
        let mut permissions = all(&mut work).await?;
        permissions.retain(|permission| {
            let found = [&permission.name, &permission.description]
                .iter()
                .any(|text| validate::has(text, &self.text));
            found && !(keys_off && is_about_keys(&permission.name))
        });
        Ok(permissions)
    }
}

async fn all(work: &mut Work) -> Result<Vec<Permission>> {
    let rows =
        work.all(sqlx::query("SELECT name, description, built_in FROM permissions ORDER BY name")).await?;
    let read = |row: &sqlx::any::AnyRow| {
        Ok(Permission {
            name: row.text("name")?,
            description: row.text("description")?,
            built_in: row.flag("built_in")?,
        })
    };
    rows.iter().map(read).collect()
}

/// Makes sure that patterns can be granted here: well-formed, about something that is in the catalogue, and not about
/// keys where these are switched off.
pub(crate) async fn check_grantable(work: &mut Work, patterns: &[String]) -> Result<()> {
    let catalogue = all(work).await?;
    let keys_off = work.tenant().is_ok_and(|tenant| !tenant.switched_on);
    for pattern in patterns {
        check_permission_pattern(pattern).map_err(|error| Error::invalid("permission", error.to_string()))?;
        if keys_off && is_about_keys(pattern) {
            return Err(crate::Rule::TenantOff.into());
        }
        if !catalogue.iter().any(|permission| permission_covers(pattern, &permission.name)) {
            let problem = format!("{pattern} is not defined, nor covers anything that is; define it first");
            return Err(Error::invalid("permission", problem));
        }
    }
    Ok(())
}

/// The most bytes of permissions, each with a byte for its length, that a keyring's policy has room for.
const ROOM: usize = 8192;

/// Makes sure that a keyring has room for them.
pub(crate) fn check_room<P: AsRef<str>>(patterns: impl IntoIterator<Item = P>) -> Result<()> {
    let bytes: usize = patterns.into_iter().map(|pattern| pattern.as_ref().len().saturating_add(1)).sum();
    if bytes <= ROOM {
        return Ok(());
    }
    let problem =
        format!("come to {bytes} bytes, there is room for {ROOM}; patterns such as flights:* take less");
    Err(Error::invalid("permissions", problem))
}
