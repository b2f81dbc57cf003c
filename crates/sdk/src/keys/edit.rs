//! Changing what is written down of a key, and the rules for it.

use super::{ApiKey, KeyLimit, Keys, load_managed};
use crate::{
    Error, GroupId, PersonId, Result, Rule,
    changes::Changed,
    effective::{self, PolicyParts},
    ids::RecordId,
    key_groups, people,
    policies::{self, Identity},
    rows::damaged,
    validate,
    work::{Work, unchanged},
};
use claviger_core::{KeyId, Network};
use serde_json::json;
use std::collections::BTreeSet;

/// What is to change of a key.
#[derive(Clone, Default, Debug)]
#[must_use]
pub struct KeyEdit {
    name: Option<String>,
    description: Option<String>,
    group: Option<GroupId>,
    api_client: Option<bool>,
    networks: Option<Vec<Network>>,
    external_id: Option<Option<String>>,
    metadata: Option<Option<String>>,
    limits: Option<Vec<KeyLimit>>,
    notify: Option<Vec<PersonId>>,
    notify_days_before: Option<Vec<u16>>,
}

impl KeyEdit {
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

    /// Another group.
    pub fn group(self, group: GroupId) -> Self {
        Self { group: Some(group), ..self }
    }

    /// Whether it is used as client id and secret: only of a service account's key.
    pub fn api_client(self, api_client: bool) -> Self {
        Self { api_client: Some(api_client), ..self }
    }

    /// Other networks in place of all that there are. None means from everywhere.
    pub fn networks(self, networks: impl IntoIterator<Item = Network>) -> Self {
        Self { networks: Some(networks.into_iter().collect()), ..self }
    }

    /// Another external id, or none.
    pub fn external_id(self, id: Option<&str>) -> Self {
        Self { external_id: Some(id.map(str::to_owned)), ..self }
    }

    /// Other metadata, or none.
    pub fn metadata(self, metadata: Option<&str>) -> Self {
        Self { metadata: Some(metadata.map(str::to_owned)), ..self }
    }

    /// Other limits in place of all that there are.
    pub fn limits(self, limits: impl IntoIterator<Item = KeyLimit>) -> Self {
        Self { limits: Some(limits.into_iter().collect()), ..self }
    }

    /// Other people to tell before it expires. Stays possible while the tenant's keys are locked.
    pub fn notify(self, people: impl IntoIterator<Item = PersonId>) -> Self {
        Self { notify: Some(people.into_iter().collect()), ..self }
    }

    /// Other days before expiry at which they are told. Stays possible while the tenant's keys are locked.
    pub fn notify_days_before(self, days: impl IntoIterator<Item = u16>) -> Self {
        Self { notify_days_before: Some(days.into_iter().collect()), ..self }
    }

    /// Whether it changes from where or how the key is good, or what verdicts say of it.
    const fn is_about_verdicts(&self) -> bool {
        self.group.is_some()
            || self.networks.is_some()
            || self.external_id.is_some()
            || self.metadata.is_some()
            || self.limits.is_some()
    }

    /// Whether it changes nothing but who is told and when.
    fn is_only_about_notices(&self) -> bool {
        let Self { name, description, group, api_client, networks, external_id, metadata, limits, .. } = self;
        name.is_none()
            && description.is_none()
            && group.is_none()
            && api_client.is_none()
            && networks.is_none()
            && external_id.is_none()
            && metadata.is_none()
            && limits.is_none()
    }
}

impl Keys<'_> {
    /// Changes a key that is still at `revision`.
    ///
    /// # Errors
    /// [`Error::Changed`] if it is not at `revision` any more; [`Error::NotFound`]; [`Error::PermissionNeeded`];
    /// [`Error::BeyondOwnAccess`] for group, networks, external id, metadata and limits of a key that may do what the actor
    /// may not; [`Error::Invalid`]; [`Error::Refused`] while the tenant's keys are locked, but for what is told before
    /// expiry.
    pub async fn edit(self, id: KeyId, revision: i64, edit: KeyEdit) -> Result<ApiKey> {
        let mut work = self.0.write().await?;
        let key = load_managed(&mut work, id).await?;
        unchanged("API key", id, revision, key.revision)?;
        if work.tenant()?.locked && !edit.is_only_about_notices() {
            return Err(Rule::KeysLocked.into());
        }
        if edit.group.is_some() && key.switches.group_off {
            work.require("api_keys:modify_all")?;
        }
        let key = apply(&mut work, key, edit).await?;
        work.commit().await?;
        Ok(key)
    }

    /// Lets a key be used from one more network. The first one closes it to all others.
    ///
    /// # Errors
    /// As [`edit`](Self::edit).
    pub async fn add_network(self, id: KeyId, network: Network) -> Result<ApiKey> {
        self.change_networks(id, |networks| {
            networks.insert(network);
            Ok(())
        })
        .await
    }

    /// Lets a key not be used from this network any more.
    ///
    /// # Errors
    /// As [`edit`](Self::edit); [`Error::Invalid`] if it is the last one, because without any the key could be used from
    /// everywhere: [`KeyEdit::networks`] says so if that is meant.
    pub async fn remove_network(self, id: KeyId, network: Network) -> Result<ApiKey> {
        self.change_networks(id, |networks| {
            if !networks.remove(&network) {
                return Err(Error::invalid("network", format!("{network} is none of the key's")));
            }
            if networks.is_empty() {
                let problem = format!(
                    "{network} is the last one; without it the key could be used from everywhere. Deactivate the key, \
                     or edit it with no networks if that is meant"
                );
                return Err(Error::invalid("network", problem));
            }
            Ok(())
        })
        .await
    }

    async fn change_networks(
        self,
        id: KeyId,
        change: impl FnOnce(&mut BTreeSet<Network>) -> Result<()>,
    ) -> Result<ApiKey> {
        let mut work = self.0.write().await?;
        let key = load_managed(&mut work, id).await?;
        if work.tenant()?.locked {
            return Err(Rule::KeysLocked.into());
        }
        let mut networks: BTreeSet<Network> = key.networks.iter().copied().collect();
        change(&mut networks)?;
        let key = apply(&mut work, key, KeyEdit::new().networks(networks)).await?;
        work.commit().await?;
        Ok(key)
    }
}

/// Checks and writes the changes.
async fn apply(work: &mut Work, key: ApiKey, edit: KeyEdit) -> Result<ApiKey> {
    let (mut changed, about_verdicts) = (key.clone(), edit.is_about_verdicts());
    if let Some(name) = edit.name {
        validate::name("name", &name)?;
        changed.name = name;
    }
    if let Some(description) = edit.description {
        changed.description = description;
    }
    if let Some(group) = edit.group {
        changed.group = key_groups::load(work, group).await?.id;
    }
    if let Some(api_client) = edit.api_client {
        if api_client && !matches!(key.owner, super::KeyOwner::ServiceAccount(_)) {
            return Err(Error::invalid("api_client", "only a service account's key can be one"));
        }
        changed.api_client = api_client;
    }
    if let Some(networks) = edit.networks {
        changed.networks = networks.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
    }
    if let Some(external_id) = edit.external_id {
        changed.external_id = external_id;
    }
    if let Some(metadata) = edit.metadata {
        changed.metadata = metadata;
    }
    if let Some(limits) = edit.limits {
        changed.limits = limits;
    }
    if let Some(days) = edit.notify_days_before {
        changed.notify_days_before = check_days(days)?;
    }
    check_details(&changed.description, changed.external_id.as_deref(), changed.metadata.as_deref())?;
    let access = effective::access_of_owner(work, key.owner).await?;
    let parts = PolicyParts::from(&changed);
    effective::policy(&parts, &access)?;
    let identity = Identity::of(&parts, changed.owner.role(), changed.group);
    let policy = policies::number(work, identity).await?;
    if about_verdicts {
        work.caller.access.require_all_of(&access.limited(key.read_only))?;
    }
    if let Some(people) = edit.notify {
        for &person in &people {
            check_notified(work, person).await?;
        }
        set_notified(work, key.id, &people).await?;
    }
    let update = sqlx::query(
        "UPDATE api_keys SET name = $1, name_folded = $2, description = $3, description_folded = $4, key_group = $5, \
         api_client = $6, networks = $7, external_id = $8, metadata = $9, limits = $10, lead_days = $11, \
         policy = $12, revision = revision + 1 WHERE id = $13",
    );
    let update = update.bind(changed.name.clone()).bind(validate::folded(&changed.name));
    let update = update.bind(changed.description.clone()).bind(sortable(&changed.description));
    let update = update.bind(changed.group.bytes()).bind(i64::from(changed.api_client));
    let update = update.bind(write_networks(&changed.networks));
    let update = update.bind(changed.external_id.clone().unwrap_or_default());
    let update = update.bind(changed.metadata.clone().unwrap_or_default());
    let update = update.bind(write_limits(&changed.limits)).bind(write_days(&changed.notify_days_before));
    work.run(update.bind(policy).bind(key.id.bytes())).await?;
    work.changed(Changed::Key(key.id));
    let after = super::load_any(work, key.id).await?;
    work.audit("key.edited", key.id, differences(&key, &after));
    Ok(after)
}

/// What an edit changed, as the audit log says it.
fn differences(before: &ApiKey, after: &ApiKey) -> serde_json::Value {
    let mut changes = serde_json::Map::new();
    let mut note = |field: &str, before: String, after: String| {
        if before != after {
            changes.insert(field.to_owned(), json!({ "from": before, "to": after }));
        }
    };
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let people = |key: &ApiKey| key.notify.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    note("name", before.name.clone(), after.name.clone());
    note("description", before.description.clone(), after.description.clone());
    note("group", before.group.to_string(), after.group.to_string());
    note("api_client", before.api_client.to_string(), after.api_client.to_string());
    note("networks", write_networks(&before.networks), write_networks(&after.networks));
    note("external_id", text(&before.external_id), text(&after.external_id));
    note("metadata", text(&before.metadata), text(&after.metadata));
    note("limits", write_limits(&before.limits), write_limits(&after.limits));
    note("notify", people(before), people(after));
    note("notify_days_before", write_days(&before.notify_days_before), write_days(&after.notify_days_before));
    changes.into()
}

/// Description, external id and metadata by their rules.
pub(super) fn check_details(
    description: &str,
    external_id: Option<&str>,
    metadata: Option<&str>,
) -> Result<()> {
    validate::description(description)?;
    validate::external_id(external_id)?;
    if metadata.is_some_and(|metadata| !(1..=256).contains(&metadata.len())) {
        return Err(Error::invalid("metadata", "must have 1 to 256 bytes, or be none"));
    }
    validate::multiline("metadata", metadata.unwrap_or_default())
}

/// Days before expiry: sorted, the earliest notice first.
pub(super) fn check_days(days: Vec<u16>) -> Result<Vec<u16>> {
    if days.len() > 10 || days.iter().any(|days| !(1..=365).contains(days)) {
        return Err(Error::invalid("notify_days_before", "expected up to ten numbers from 1 to 365"));
    }
    let sorted: BTreeSet<u16> = days.into_iter().collect();
    Ok(sorted.into_iter().rev().collect())
}

/// Somebody who can be told: active, and of the tenant.
pub(super) async fn check_notified(work: &mut Work, person: PersonId) -> Result<()> {
    if people::load(work, person).await?.active {
        Ok(())
    } else {
        Err(Error::invalid("notify", format!("{person} is deactivated")))
    }
}

pub(super) async fn set_notified(work: &mut Work, key: KeyId, people: &[PersonId]) -> Result<()> {
    work.run(sqlx::query("DELETE FROM key_notices WHERE api_key = $1").bind(key.bytes())).await?;
    for person in people.iter().collect::<BTreeSet<_>>() {
        let insert = sqlx::query("INSERT INTO key_notices (api_key, person) VALUES ($1, $2)");
        work.run(insert.bind(key.bytes()).bind(person.bytes())).await?;
    }
    Ok(())
}

/// What a description is sorted by: its first 64 characters, so that the index stays small.
pub(super) fn sortable(description: &str) -> String {
    validate::folded(description).chars().take(64).collect()
}

pub(crate) fn write_networks(networks: &[Network]) -> String {
    networks.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

pub(crate) fn read_networks(text: &str) -> Result<Vec<Network>> {
    let networks = text.split(' ').filter(|text| !text.is_empty()).map(str::parse);
    networks.collect::<Result<_, _>>().map_err(|_| damaged("networks"))
}

pub(super) fn write_days(days: &[u16]) -> String {
    days.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

pub(super) fn read_days(text: &str) -> Result<Vec<u16>> {
    let days = text.split(' ').filter(|text| !text.is_empty()).map(str::parse);
    days.collect::<Result<_, _>>().map_err(|_| damaged("lead_days"))
}

pub(crate) fn write_limits(limits: &[KeyLimit]) -> String {
    serde_json::to_string(limits).unwrap_or_default()
}
