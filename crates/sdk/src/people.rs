//! People: users, who log in, and service accounts, which integrations act as. Both have access in the same way, and
//! both stand wherever people are picked.

use crate::{
    Access, Created, Cursor, Error, Page, PersonId, Result, Role, RoleId, Rule, Session, TenantId,
    changes::Changed,
    effective,
    ids::RecordId,
    keys,
    page::{awaitable, check_limit},
    permissions, roles,
    rows::RowExt,
    sql::Statement,
    starting_with, validate,
    work::{Work, unchanged},
};
use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::any::AnyRow;

/// Whether somebody is a person or an integration.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum PersonKind {
    /// A person, who may be an interactive actor.
    User,
    /// An integration, which acts with its keys alone.
    ServiceAccount,
}

/// A user or a service account.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Person {
    /// The id.
    pub id: PersonId,
    /// The tenant.
    pub tenant: TenantId,
    /// Which of the two it is.
    pub kind: PersonKind,
    /// The name; of a service account `[A-Za-z0-9_]{1,64}` and unique in the tenant.
    pub name: String,
    /// Of a service account, whose integration it is; otherwise empty.
    pub organisation: String,
    /// The e-mail address; of a service account that of the integrator's primary contact.
    pub email: String,
    /// What the embedding application calls the user: unique in the tenant.
    pub external_id: Option<String>,
    /// Whether it may act, and its keys with it.
    pub active: bool,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// Grows with each edit.
    pub revision: i64,
}

/// What a new user is to be.
#[derive(Clone, Debug, serde::Serialize)]
#[must_use]
pub struct NewUser {
    name: String,
    email: String,
    external_id: Option<String>,
}

impl NewUser {
    /// A user with a name of 1 to 100 characters and an e-mail address.
    pub fn new(name: &str, email: &str) -> Self {
        Self { name: name.to_owned(), email: email.to_owned(), external_id: None }
    }

    /// What the embedding application calls him: 1 to 128 bytes, unique in the tenant.
    pub fn external_id(self, id: &str) -> Self {
        Self { external_id: Some(id.to_owned()), ..self }
    }
}

/// What a new service account is to be.
#[derive(Clone, Debug, serde::Serialize)]
#[must_use]
pub struct NewServiceAccount {
    name: String,
    organisation: String,
    email: String,
}

impl NewServiceAccount {
    /// A service account with a name of `[A-Za-z0-9_]{1,64}`, for the integration of `organisation` (1 to 100
    /// characters), whose primary contact is reached at `email`.
    pub fn new(name: &str, organisation: &str, email: &str) -> Self {
        Self { name: name.to_owned(), organisation: organisation.to_owned(), email: email.to_owned() }
    }
}

/// What is to change of a user or service account.
#[derive(Clone, Default, Debug)]
#[must_use]
pub struct PersonEdit {
    name: Option<String>,
    organisation: Option<String>,
    email: Option<String>,
    external_id: Option<Option<String>>,
}

impl PersonEdit {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Another name.
    pub fn name(self, name: &str) -> Self {
        Self { name: Some(name.to_owned()), ..self }
    }

    /// Another organisation: only of a service account.
    pub fn organisation(self, organisation: &str) -> Self {
        Self { organisation: Some(organisation.to_owned()), ..self }
    }

    /// Another e-mail address.
    pub fn email(self, email: &str) -> Self {
        Self { email: Some(email.to_owned()), ..self }
    }

    /// Another external id, or none: only of a user.
    pub fn external_id(self, id: Option<&str>) -> Self {
        Self { external_id: Some(id.map(str::to_owned)), ..self }
    }
}

/// Users: see [`Session::users`].
#[derive(Clone, Copy)]
pub struct Users<'s>(pub(crate) &'s Session);

impl<'s> Users<'s> {
    /// Creates a user, active and without any access.
    ///
    /// # Errors
    /// [`Error::PermissionNeeded`] without `people:modify`; [`Error::Invalid`]; [`Error::Exists`] if the external id is
    /// taken.
    pub async fn create(self, new: NewUser) -> Result<Created<Person>> {
        let (name, email) = (new.name.clone(), new.email.clone());
        let external_id = new.external_id.clone();
        let person =
            NewPerson { kind: PersonKind::User, name, organisation: String::new(), email, external_id };
        create(self.0, ("user", &new), person).await
    }

    /// The users of the tenant, by name.
    pub const fn list(self) -> ListPeople<'s> {
        ListPeople::new(self.0, Some(PersonKind::User))
    }

    /// The user whom the embedding application calls so.
    ///
    /// # Errors
    /// [`Error::PermissionNeeded`] without `people:view`; [`Error::NotFound`].
    pub async fn with_external_id(self, external_id: &str) -> Result<Person> {
        let mut work = self.0.read().await?;
        work.require("people:view")?;
        validate::sought("external_id", external_id)?;
        let tenant = work.tenant()?.id;
        let query = sqlx::query("SELECT * FROM people WHERE tenant = $1 AND external_id = $2");
        let row = work.optional(query.bind(tenant.bytes()).bind(external_id)).await?;
        read(&row.ok_or_else(|| Error::not_found("user", external_id))?)
    }
}

/// Service accounts: see [`Session::service_accounts`].
#[derive(Clone, Copy)]
pub struct ServiceAccounts<'s>(pub(crate) &'s Session);

impl<'s> ServiceAccounts<'s> {
    /// Creates a service account, active and without any access.
    ///
    /// # Errors
    /// [`Error::PermissionNeeded`] without `people:modify`; [`Error::Invalid`]; [`Error::Exists`] if the name is taken.
    pub async fn create(self, new: NewServiceAccount) -> Result<Created<Person>> {
        let person = NewPerson {
            kind: PersonKind::ServiceAccount,
            name: new.name.clone(),
            organisation: new.organisation.clone(),
            email: new.email.clone(),
            external_id: None,
        };
        create(self.0, ("service account", &new), person).await
    }

    /// The service accounts of the tenant, by name.
    pub const fn list(self) -> ListPeople<'s> {
        ListPeople::new(self.0, Some(PersonKind::ServiceAccount))
    }
}

/// Users and service accounts alike: see [`Session::people`].
#[derive(Clone, Copy)]
pub struct People<'s>(pub(crate) &'s Session);

impl<'s> People<'s> {
    /// Users and service accounts of the tenant, by name, each marked as what it is.
    ///
    /// Awaiting it fails with [`Error::PermissionNeeded`] without `people:view`.
    pub const fn list(self) -> ListPeople<'s> {
        ListPeople::new(self.0, None)
    }

    /// One of them. Everybody may see himself.
    ///
    /// # Errors
    /// [`Error::PermissionNeeded`] without `people:view`; [`Error::NotFound`].
    pub async fn get(self, id: PersonId) -> Result<Person> {
        let mut work = self.0.read().await?;
        require_view(&work, id)?;
        load(&mut work, id).await
    }

    /// Changes one of them.
    ///
    /// # Errors
    /// [`Error::PermissionNeeded`] without `people:modify`; [`Error::Changed`] if it is not at `revision` any more;
    /// [`Error::BeyondOwnAccess`] for e-mail address and external id of a user who may do what the actor may not, because
    /// they decide who is taken for him; [`Error::Invalid`]; [`Error::Exists`].
    pub async fn edit(self, id: PersonId, revision: i64, edit: PersonEdit) -> Result<Person> {
        let mut work = self.0.write().await?;
        work.require("people:modify")?;
        let person = load(&mut work, id).await?;
        unchanged("person", id, revision, person.revision)?;
        if person.kind == PersonKind::User && edit.organisation.is_some() {
            return Err(Error::invalid("organisation", "users have none"));
        }
        if person.kind == PersonKind::ServiceAccount && edit.external_id.is_some() {
            return Err(Error::invalid("external_id", "service accounts have none"));
        }
        // Whoever reads his mail, or is taken for him by the embedding application, has what he has.
        if person.kind == PersonKind::User && (edit.email.is_some() || edit.external_id.is_some()) {
            let access = effective::access_of_person(&mut work, id).await?;
            work.caller.access.require_all_of(&access)?;
        }
        let new = NewPerson {
            kind: person.kind,
            name: edit.name.unwrap_or(person.name),
            organisation: edit.organisation.unwrap_or(person.organisation),
            email: edit.email.unwrap_or(person.email),
            external_id: edit.external_id.unwrap_or(person.external_id),
        };
        new.check()?;
        let update = sqlx::query(
            "UPDATE people SET name = $1, name_folded = $2, organisation = $3, email = $4, external_id = $5, \
             revision = revision + 1 WHERE id = $6",
        );
        let update =
            update.bind(new.name.clone()).bind(validate::folded(&new.name)).bind(new.organisation.clone());
        let update = update.bind(new.email.clone()).bind(new.external_id.clone()).bind(id.bytes());
        let (field, value) = new.unique();
        work.run_unique(update, "person", field, value).await?;
        let details = json!({ "name": new.name, "organisation": new.organisation, "email": new.email,
                              "external_id": new.external_id });
        work.audit("person.edited", id, details);
        finish(work, id).await
    }

    /// Deactivates: the user cannot act any more, and keys of either stop being good until activated again.
    ///
    /// # Errors
    /// [`Error::PermissionNeeded`] without `people:modify`; [`Error::NotFound`].
    pub async fn deactivate(self, id: PersonId) -> Result<Person> {
        self.set_active(id, false, "person.deactivated").await
    }

    /// Activates again.
    ///
    /// # Errors
    /// [`Error::PermissionNeeded`] without `people:modify`; [`Error::BeyondOwnAccess`] if he may do what the actor may
    /// not; [`Error::NotFound`].
    pub async fn activate(self, id: PersonId) -> Result<Person> {
        self.set_active(id, true, "person.activated").await
    }

    async fn set_active(self, id: PersonId, active: bool, action: &str) -> Result<Person> {
        let mut work = self.0.write().await?;
        work.require("people:modify")?;
        load(&mut work, id).await?;
        // It gives him all that he may, and makes his keys good again.
        if active {
            let access = effective::access_of_person(&mut work, id).await?;
            work.caller.access.require_all_of(&access)?;
        }
        let update = sqlx::query("UPDATE people SET active = $1, revision = revision + 1 WHERE id = $2");
        work.run(update.bind(i64::from(active)).bind(id.bytes())).await?;
        work.changed(Changed::Person(id));
        work.audit(action, id, json!({}));
        finish(work, id).await
    }

    /// What somebody may do now: roles and permissions together. Everybody may see his own.
    ///
    /// # Errors
    /// [`Error::PermissionNeeded`] without `people:view`; [`Error::NotFound`].
    pub async fn access(self, id: PersonId) -> Result<Access> {
        let mut work = self.0.read().await?;
        require_view(&work, id)?;
        load(&mut work, id).await?;
        effective::access_of_person(&mut work, id).await
    }

    /// The roles that somebody has, by name. Everybody may see his own.
    ///
    /// # Errors
    /// [`Error::PermissionNeeded`] without `people:view`; [`Error::NotFound`].
    pub async fn roles(self, id: PersonId) -> Result<Vec<Role>> {
        let mut work = self.0.read().await?;
        require_view(&work, id)?;
        load(&mut work, id).await?;
        let query = "SELECT r.id AS id FROM person_roles p JOIN roles r ON r.id = p.role WHERE p.person = $1 \
                     ORDER BY r.name";
        let mut held = Vec::new();
        for row in work.all(sqlx::query(query).bind(id.bytes())).await? {
            held.push(roles::load(&mut work, row.id("id")?).await?);
        }
        Ok(held)
    }

    /// Gives somebody a role.
    ///
    /// # Errors
    /// [`Error::Refused`] if the actor is a key; [`Error::PermissionNeeded`] without `people:grant`;
    /// [`Error::BeyondOwnAccess`] if the role has what the actor does not have; [`Error::NotFound`].
    pub async fn grant_role(self, person: PersonId, role: RoleId) -> Result<()> {
        let mut work = self.0.write().await?;
        work.require_grantor()?;
        load(&mut work, person).await?;
        let role = roles::load(&mut work, role).await?;
        permissions::check_grantable(&mut work, &role.permissions).await?;
        work.caller.access.require_all_of(&Access::of(role.permissions, role.read_only))?;
        let insert = "INSERT INTO person_roles (person, role) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        let changed = work.run(sqlx::query(insert).bind(person.bytes()).bind(role.id.bytes())).await?;
        check_room(&mut work, person).await?;
        if changed > 0 {
            work.changed(Changed::Person(person));
            work.audit("role.granted", person, json!({ "role": role.id, "name": role.name }));
        }
        work.commit().await
    }

    /// Takes a role from somebody. His keys in that role end, for good. Returns how many.
    ///
    /// # Errors
    /// [`Error::Refused`] if the actor is a key; [`Error::PermissionNeeded`] without `people:grant`;
    /// [`Error::NotFound`].
    pub async fn take_role(self, person: PersonId, role: RoleId) -> Result<u64> {
        let mut work = self.0.write().await?;
        work.require_grantor()?;
        load(&mut work, person).await?;
        let role = roles::load(&mut work, role).await?;
        let delete = sqlx::query("DELETE FROM person_roles WHERE person = $1 AND role = $2");
        let mut revoked = 0;
        if work.run(delete.bind(person.bytes()).bind(role.id.bytes())).await? > 0 {
            revoked = keys::revoke_keys_in_role(&mut work, Some(person), role.id).await?;
            let details = json!({ "role": role.id, "name": role.name, "keys_revoked": revoked });
            work.changed(Changed::Person(person));
            work.audit("role.taken", person, details);
        }
        work.commit().await?;
        Ok(revoked)
    }

    /// Gives somebody a permission, or a pattern such as `flights:*`.
    ///
    /// Nobody gives what he does not have, with one exception: who may grant may also give `api_keys:modify_all`, to
    /// himself or another, so that an administrator can always take care of keys.
    ///
    /// # Errors
    /// [`Error::Refused`] if the actor is a key, or where API keys are switched off and it is about them;
    /// [`Error::PermissionNeeded`] without `people:grant`; [`Error::BeyondOwnAccess`]; [`Error::Invalid`] if it is not
    /// defined; [`Error::NotFound`].
    pub async fn grant_permission(self, person: PersonId, permission: &str) -> Result<()> {
        let mut work = self.0.write().await?;
        work.require_grantor()?;
        load(&mut work, person).await?;
        let patterns = [permission.to_owned()];
        permissions::check_grantable(&mut work, &patterns).await?;
        if permission != "api_keys:modify_all" {
            work.caller.access.require_all_of(&Access::of(patterns, false))?;
        }
        let insert =
            "INSERT INTO person_permissions (person, permission) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        let changed = work.run(sqlx::query(insert).bind(person.bytes()).bind(permission)).await?;
        check_room(&mut work, person).await?;
        if changed > 0 {
            work.changed(Changed::Person(person));
            work.audit("permission.granted", person, json!({ "permission": permission }));
        }
        work.commit().await
    }

    /// Takes a permission from somebody, that he was given by that name.
    ///
    /// # Errors
    /// [`Error::Refused`] if the actor is a key; [`Error::PermissionNeeded`] without `people:grant`;
    /// [`Error::NotFound`].
    pub async fn take_permission(self, person: PersonId, permission: &str) -> Result<()> {
        let mut work = self.0.write().await?;
        work.require_grantor()?;
        validate::sought("permission", permission)?;
        load(&mut work, person).await?;
        let delete = sqlx::query("DELETE FROM person_permissions WHERE person = $1 AND permission = $2");
        if work.run(delete.bind(person.bytes()).bind(permission)).await? > 0 {
            work.changed(Changed::Person(person));
            work.audit("permission.taken", person, json!({ "permission": permission }));
        }
        work.commit().await
    }
}

/// Makes sure that a keyring has room for all that somebody may do.
async fn check_room(work: &mut Work, id: PersonId) -> Result<()> {
    let access = effective::access_of_person(work, id).await?;
    permissions::check_room(access.patterns())
}

fn require_view(work: &Work, id: PersonId) -> Result<()> {
    if work.caller.user == Some(id) { Ok(()) } else { work.require("people:view") }
}

/// A list of people: see [`People::list`].
#[derive(Debug)]
#[must_use = "a list is read when it is awaited"]
pub struct ListPeople<'s> {
    session: &'s Session,
    kind: Option<PersonKind>,
    starting_with: String,
    active: Option<bool>,
    after: Option<Cursor>,
    limit: u16,
}

awaitable!(ListPeople => Page<Person>);

impl<'s> ListPeople<'s> {
    const fn new(session: &'s Session, kind: Option<PersonKind>) -> Self {
        Self { session, kind, starting_with: String::new(), active: None, after: None, limit: 100 }
    }

    /// Only those whose names start so, without regard to case.
    pub fn starting_with(self, text: &str) -> Self {
        Self { starting_with: text.to_owned(), ..self }
    }

    /// Only those who are active, or only those who are not.
    pub fn active(self, active: bool) -> Self {
        Self { active: Some(active), ..self }
    }

    /// Only those behind the last of the page before.
    pub fn after(self, cursor: Cursor) -> Self {
        Self { after: Some(cursor), ..self }
    }

    /// At most so many: 1 to 1000, 100 if nothing is said.
    pub fn limit(self, limit: u16) -> Self {
        Self { limit, ..self }
    }

    async fn run(self) -> Result<Page<Person>> {
        let mut work = self.session.read().await?;
        work.require("people:view")?;
        check_limit(self.limit)?;
        let tenant = work.tenant()?.id;
        let mut query = Statement::new("SELECT * FROM people WHERE tenant = ");
        query.bind(tenant.bytes());
        if let Some(kind) = self.kind {
            query.push(" AND is_service_account = ").bind(i64::from(kind == PersonKind::ServiceAccount));
        }
        if let Some(active) = self.active {
            query.push(" AND active = ").bind(i64::from(active));
        }
        starting_with::push(&mut query, "name_folded", &self.starting_with)?;
        if let Some(cursor) = &self.after {
            let (value, id) = cursor.place("name")?;
            query.push(" AND (name_folded, id) > (").bind(value.to_owned());
            query.push(", ").bind(id).push(")");
        }
        query.push(" ORDER BY name_folded, id LIMIT ").bind(i64::from(self.limit) + 1);
        let rows = work.all(query.query(work.dialect())?).await?;
        let people = rows.iter().map(read).collect::<Result<_>>()?;
        Ok(Page::of(people, self.limit, |person: &Person| {
            Cursor::new("name", validate::folded(&person.name), person.id)
        }))
    }
}

struct NewPerson {
    kind: PersonKind,
    name: String,
    organisation: String,
    email: String,
    external_id: Option<String>,
}

impl NewPerson {
    fn check(&self) -> Result<()> {
        match self.kind {
            PersonKind::User => validate::name("name", &self.name)?,
            PersonKind::ServiceAccount => {
                validate::service_account_name(&self.name)?;
                validate::name("organisation", &self.organisation)?;
            }
        }
        validate::email(&self.email)?;
        validate::external_id(self.external_id.as_deref())
    }

    /// What of it may be there only once.
    fn unique(&self) -> (&'static str, &str) {
        match self.kind {
            PersonKind::User => ("external_id", self.external_id.as_deref().unwrap_or_default()),
            PersonKind::ServiceAccount => ("name", &self.name),
        }
    }
}

async fn create(
    session: &Session,
    request: (&'static str, &impl serde::Serialize),
    new: NewPerson,
) -> Result<Created<Person>> {
    let mut work = session.write().await?;
    work.require("people:modify")?;
    let tenant = work.tenant()?.id;
    new.check()?;
    if let Some(id) = work.replayed(&request).await? {
        return Ok(Created::new(load(&mut work, id.parse()?).await?, true));
    }
    let id = PersonId::random()?;
    let insert = sqlx::query(
        "INSERT INTO people (id, tenant, is_service_account, name, name_folded, organisation, email, external_id, \
         active, created_at, revision) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1, $9, 1)",
    );
    let insert = insert.bind(id.bytes()).bind(tenant.bytes());
    let insert = insert.bind(i64::from(new.kind == PersonKind::ServiceAccount)).bind(new.name.clone());
    let insert =
        insert.bind(validate::folded(&new.name)).bind(new.organisation.clone()).bind(new.email.clone());
    let insert = insert.bind(new.external_id.clone()).bind(work.now);
    let (field, value) = new.unique();
    work.run_unique(insert, request.0, field, value).await?;
    work.remember(&request, id).await?;
    let action = match new.kind {
        PersonKind::User => "user.created",
        PersonKind::ServiceAccount => "service_account.created",
    };
    let details = json!({ "name": new.name, "organisation": new.organisation, "email": new.email,
                          "external_id": new.external_id });
    work.audit(action, id, details);
    Ok(Created::new(finish(work, id).await?, false))
}

async fn finish(mut work: Work, id: PersonId) -> Result<Person> {
    let person = load(&mut work, id).await?;
    work.commit().await?;
    Ok(person)
}

/// Somebody of the tenant in which the work is done.
pub(crate) async fn load(work: &mut Work, id: PersonId) -> Result<Person> {
    let tenant = work.tenant()?.id;
    let query = sqlx::query("SELECT * FROM people WHERE id = $1 AND tenant = $2");
    let row = work.optional(query.bind(id.bytes()).bind(tenant.bytes())).await?;
    read(&row.ok_or_else(|| Error::not_found("person", id))?)
}

/// A user of the tenant who may own a key.
pub(crate) async fn load_active(work: &mut Work, id: PersonId, kind: PersonKind) -> Result<Person> {
    let person = load(work, id).await?;
    if person.kind != kind {
        let problem = match kind {
            PersonKind::User => "is a service account, expected a user",
            PersonKind::ServiceAccount => "is a user, expected a service account",
        };
        return Err(Error::invalid("owner", format!("{id} {problem}")));
    }
    if !person.active {
        return Err(Rule::OwnerInactive.into());
    }
    Ok(person)
}

fn read(row: &AnyRow) -> Result<Person> {
    let service_account = row.flag("is_service_account")?;
    Ok(Person {
        id: row.id("id")?,
        tenant: row.id("tenant")?,
        kind: if service_account { PersonKind::ServiceAccount } else { PersonKind::User },
        name: row.text("name")?,
        organisation: row.text("organisation")?,
        email: row.text("email")?,
        external_id: row.optional_text("external_id")?,
        active: row.flag("active")?,
        created_at: row.time("created_at")?,
        revision: row.int("revision")?,
    })
}
