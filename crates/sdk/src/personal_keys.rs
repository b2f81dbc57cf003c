//! Personal keys: at most one for each user, with his access at every moment, visible to nobody else.

use crate::{
    ApiKey, Error, Generated, KeyOwner, Lifetime, PersonId, PersonKind, Publications, Result, Rule, Session,
    effective,
    ids::RecordId,
    key_groups,
    keys::{self, Prepared, Secret, check_lifetime},
    people,
    rows::RowExt,
    work::{Work, confirm},
};
use claviger_core::{KeyId, KeyKind};
use serde_json::json;

/// What a new personal key is to be.
///
/// ```
/// use claviger_sdk::{Lifetime, NewPersonalKey};
///
/// let for_a_month = NewPersonalKey::new(Lifetime::days(30));
/// ```
#[derive(Clone, Debug, serde::Serialize)]
#[must_use]
pub struct NewPersonalKey {
    lifetime: Lifetime,
    confirmation: Option<String>,
}

impl NewPersonalKey {
    /// A key with all of its user's access, good for so long.
    pub const fn new(lifetime: Lifetime) -> Self {
        Self { lifetime, confirmation: None }
    }

    /// Confirms that the key may do everything: `ADMIN`. Without it no such key is generated.
    pub fn confirming(self, confirmation: &str) -> Self {
        Self { confirmation: Some(confirmation.to_owned()), ..self }
    }
}

/// That a user has a personal key: all that others may know of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct PersonalKeyHolder {
    /// The user.
    pub user: PersonId,
    /// Whether his key is activated.
    pub activated: bool,
}

/// Personal keys: see [`Session::personal_keys`].
///
/// Its id is the client id, its text the secret of the OAuth client-credentials flow. A user needs no permission for his
/// own; others need `api_keys:modify_all` to see who has one, and to deactivate or delete it.
#[derive(Clone, Copy)]
pub struct PersonalKeys<'s>(pub(crate) &'s Session);

impl PersonalKeys<'_> {
    /// Generates the actor's personal key.
    ///
    /// # Errors
    /// [`Error::Exists`] if he has one; [`Error::Refused`] if the actor is no user, and where API keys are switched off;
    /// [`Error::Invalid`] for a lifetime that is none; [`Error::ConfirmationNeeded`] for an actor who can do everything,
    /// unless it was [confirmed](NewPersonalKey::confirming).
    pub async fn generate(self, new: NewPersonalKey) -> Result<Generated> {
        let mut work = self.0.write().await?;
        let user = work.require_user()?;
        let tenant = work.tenant()?;
        if !tenant.switched_on {
            return Err(Rule::TenantOff.into());
        }
        let request = ("personal key", &new);
        if work.replayed(&request).await?.is_some() {
            let key = load_own(&mut work, user).await?.ok_or_else(|| none(user))?;
            return Ok(Generated { key, text: None, replayed: true, publications: Publications::default() });
        }
        if load_own(&mut work, user).await?.is_some() {
            return Err(Error::Exists { record: "personal key", field: "user", value: user.to_string() });
        }
        if work.caller.access.is_admin() && new.confirmation.as_deref() != Some("ADMIN") {
            return Err(Error::ConfirmationNeeded { expected: "ADMIN".into() });
        }
        let name = people::load_active(&mut work, user, PersonKind::User).await?.name;
        let lifetime = check_lifetime(new.lifetime, work.now)?;
        let prefix = tenant.prefixes.first().copied().ok_or_else(|| crate::rows::damaged("prefixes"))?;
        let group = key_groups::default_group(&mut work).await?;
        let prepared = Prepared {
            owner: KeyOwner::Personal(user),
            role_name: String::new(),
            name,
            description: String::new(),
            group,
            group_on: key_groups::load(&mut work, group).await?.switched_on,
            kind: KeyKind::Opaque,
            signed_by: None,
            prefix,
            activated: true,
            read_only: false,
            api_client: false,
            networks: Vec::new(),
            lifetime,
            not_before: 0,
            expires_at: lifetime.map(|seconds| work.now.saturating_add(seconds)),
            notify: Vec::new(),
            notify_days_before: Vec::new(),
            external_id: None,
            metadata: None,
            limits: Vec::new(),
        };
        let secret = Secret::opaque(KeyId::random()?, &prefix, prepared.opaque_use())?;
        let id = secret.id;
        let batch = [(prepared, secret)];
        keys::insert(&mut work, &batch).await?;
        work.remember(&request, id).await?;
        let key = keys::load_any(&mut work, id).await?;
        work.commit().await?;
        let text = batch.into_iter().next().map(|(_, secret)| secret.text);
        Ok(Generated { key, text, replayed: false, publications: Publications::default() })
    }

    /// The actor's personal key, or none.
    ///
    /// # Errors
    /// [`Error::Refused`] if the actor is no user.
    pub async fn get(self) -> Result<Option<ApiKey>> {
        let mut work = self.0.read().await?;
        let user = work.require_user()?;
        load_own(&mut work, user).await
    }

    /// Gives the actor's personal key another secret. The client id stays, the old secret is good for no moment longer, a
    /// lifetime begins anew. `confirmation` repeats the client id.
    ///
    /// # Errors
    /// [`Error::NotFound`] if he has none; [`Error::ConfirmationNeeded`]; [`Error::Refused`] if the actor is no user, and
    /// where keys are switched off or locked.
    pub async fn regenerate(self, confirmation: &str) -> Result<Generated> {
        let mut work = self.0.write().await?;
        let user = work.require_user()?;
        let key = load_own(&mut work, user).await?.ok_or_else(|| none(user))?;
        confirm(confirmation, &key.id.to_string())?;
        keys::require_improvable(&mut work, &key).await?;
        keys::remake_secret(work, key, None, "personal_key.regenerated").await
    }

    /// Who has a personal key: only that, by user id.
    ///
    /// # Errors
    /// [`Error::PermissionNeeded`] without `api_keys:modify_all`.
    pub async fn holders(self) -> Result<Vec<PersonalKeyHolder>> {
        let mut work = self.0.read().await?;
        work.require("api_keys:modify_all")?;
        let tenant = work.tenant()?.id;
        let query = "SELECT person, activated FROM api_keys WHERE tenant = $1 AND owner_kind = 3 AND deleted_at = 0 \
                     ORDER BY person";
        let rows = work.all(sqlx::query(query).bind(tenant.bytes())).await?;
        rows.iter()
            .map(|row| Ok(PersonalKeyHolder { user: row.id("person")?, activated: row.flag("activated")? }))
            .collect()
    }

    /// Deactivates a user's personal key: his own, or another's with `api_keys:modify_all`. What others have deactivated
    /// the user cannot activate. Possible while keys are locked or switched off.
    ///
    /// # Errors
    /// [`Error::NotFound`] if he has none; [`Error::PermissionNeeded`].
    pub async fn deactivate(self, user: PersonId) -> Result<PersonalKeyHolder> {
        let mut work = self.0.write().await?;
        let key = load_of(&mut work, user).await?;
        let by_other = !is_on_his_behalf(&work, user);
        keys::deactivate(work, key.id, by_other).await?;
        Ok(PersonalKeyHolder { user, activated: false })
    }

    /// Activates a user's personal key: his own, or another's with `api_keys:modify_all`.
    ///
    /// # Errors
    /// [`Error::NotFound`] if he has none; [`Error::PermissionNeeded`]; [`Error::BeyondOwnAccess`] if the user may do what
    /// the actor may not; [`Error::Refused`] for his own if somebody else has deactivated it, and where keys are switched
    /// off or locked.
    pub async fn activate(self, user: PersonId) -> Result<PersonalKeyHolder> {
        let mut work = self.0.write().await?;
        let key = load_of(&mut work, user).await?;
        keys::require_improvable(&mut work, &key).await?;
        if is_on_his_behalf(&work, user) {
            keys::require_not_held(&mut work, key.id).await?;
        }
        keys::activate(work, key.id).await?;
        Ok(PersonalKeyHolder { user, activated: true })
    }

    /// Deletes a user's personal key: his own, or another's with `api_keys:modify_all`. He may generate another one then.
    /// `confirmation` repeats the user's id. Possible while keys are locked or switched off.
    ///
    /// # Errors
    /// [`Error::NotFound`] if he has none; [`Error::PermissionNeeded`]; [`Error::ConfirmationNeeded`]; [`Error::Refused`]
    /// for his own if somebody else has deactivated it.
    pub async fn delete(self, user: PersonId, confirmation: &str) -> Result<Publications> {
        let mut work = self.0.write().await?;
        let key = load_of(&mut work, user).await?;
        confirm(confirmation, &user.to_string())?;
        // Otherwise he would generate another one in the place of what was taken from him.
        if is_on_his_behalf(&work, user) {
            keys::require_not_held(&mut work, key.id).await?;
        }
        keys::erase(&mut work, &key).await?;
        work.audit("personal_key.deleted", key.id, json!({ "user": user }));
        work.commit_and_publish().await
    }

    /// What the actor's personal key may do now: all that he may.
    ///
    /// # Errors
    /// [`Error::NotFound`] if he has none; [`Error::Refused`] if the actor is no user.
    pub async fn access(self) -> Result<crate::Access> {
        let mut work = self.0.read().await?;
        let user = work.require_user()?;
        let key = load_own(&mut work, user).await?.ok_or_else(|| none(user))?;
        effective::access_of_owner(&mut work, key.owner).await
    }
}

fn none(user: PersonId) -> Error {
    Error::not_found("personal key of", user)
}

async fn load_own(work: &mut Work, user: PersonId) -> Result<Option<ApiKey>> {
    let tenant = work.tenant()?.id;
    let query =
        "SELECT id FROM api_keys WHERE person = $1 AND tenant = $2 AND owner_kind = 3 AND deleted_at = 0";
    let row = work.optional(sqlx::query(query).bind(user.bytes()).bind(tenant.bytes())).await?;
    match row {
        None => Ok(None),
        Some(row) => keys::load_any(work, row.id("id")?).await.map(Some),
    }
}

fn is_his_own(work: &Work, user: PersonId) -> bool {
    work.require_user().is_ok_and(|actor| actor == user)
}

/// Whether the user acts, himself or with a key: what somebody else has taken from him neither gives back.
fn is_on_his_behalf(work: &Work, user: PersonId) -> bool {
    work.caller.user == Some(user)
}

/// The personal key of a user, for him or for somebody who may end it.
async fn load_of(work: &mut Work, user: PersonId) -> Result<ApiKey> {
    if !is_his_own(work, user) {
        work.require("api_keys:modify_all")?;
    }
    load_own(work, user).await?.ok_or_else(|| none(user))
}
