//! API keys: from generation to the end, and finding them.

mod changing;
mod ending;
mod finding;
mod generating;
mod listing;
mod renewing;
mod seeing;

use crate::company::{Company, Place};
use claviger_core::{IssuingKey, Purpose, SharedSecret, generate_opaque_key};
use claviger_sdk::{
    Actor, Generated, KeyId, KeyKind, NewRole, NewSharedSecret, NewTenant, Person, Role, SecretId, Session,
};

/// The whole text of a key that was just made.
pub(crate) fn text(generated: &Generated) -> &str {
    generated.text.as_ref().expect("it was made just now").expose()
}

/// The secret characters of a text, which has them before its checksum.
pub(crate) fn secret_of(text: &str) -> &str {
    text.get(text.len() - 50..text.len() - 6).unwrap()
}

/// A key with this id whose checksum is good, but whose secret is another.
pub(crate) fn forged(generated: &Generated) -> String {
    let usage = match generated.key.kind {
        KeyKind::OpaqueSigning => claviger_core::OpaqueUse::BearerAndSigning,
        _ => claviger_core::OpaqueUse::Bearer,
    };
    let mut entropy = [9; 40];
    entropy[..8].copy_from_slice(&generated.key.id.as_u64().to_be_bytes());
    generate_opaque_key(&generated.key.prefix, usage, &entropy).1.expose().to_owned()
}

/// Whether the text is good for the store now.
pub(crate) async fn is_good(company: &Company, text: &str) -> bool {
    company.store.authenticate(text, None).await.is_ok()
}

impl Place {
    /// Where another connection reaches the store's database.
    fn url(&self) -> String {
        if self.location.starts_with("postgres") {
            self.location.clone()
        } else {
            format!("sqlite://{}", self.location)
        }
    }
}

impl Company {
    /// A role with these permissions.
    pub(crate) async fn role_of(&self, name: &str, permissions: &[&str]) -> Role {
        self.operator
            .roles()
            .define(NewRole::new(name, permissions.iter().copied()))
            .await
            .unwrap()
            .into_record()
    }

    /// A user with these permissions who has a role, too.
    pub(crate) async fn user_in(&self, name: &str, permissions: &[&str], role: &Role) -> (Person, Session) {
        let (person, session) = self.user(name, permissions).await;
        self.operator.people().grant_role(person.id, role.id).await.unwrap();
        (person, session)
    }

    /// The platform operator in another tenant, with the key prefix `other`.
    pub(crate) async fn other_tenant(&self) -> Session {
        let platform = self.store.acting_as(Actor::operator("platform"));
        let tenant =
            platform.tenants().create(NewTenant::new("Other", "other".parse().unwrap())).await.unwrap();
        platform.in_tenant(tenant.id)
    }

    /// An issuing secret for the tenant's first prefix.
    pub(crate) async fn issuing_secret(&self) -> SecretId {
        self.operator.shared_secrets().create(NewSharedSecret::issuing("issuing")).await.unwrap().id
    }

    /// The present version of an issuing secret, as a verifier holds it.
    pub(crate) async fn issuing_key(&self, id: SecretId) -> IssuingKey {
        let revealed = self.operator.shared_secrets().reveal(id).await.unwrap();
        let secret = SharedSecret::parse(revealed.expose()).unwrap();
        assert_eq!(secret.purpose(), Purpose::Issuing);
        IssuingKey::new(self.tenant.key_prefixes[0], &secret).unwrap()
    }

    /// The names of the tenant's keys, as the administrator sees them.
    pub(crate) async fn key_names(&self) -> Vec<String> {
        let page = self.as_ada.keys().list().await.unwrap();
        page.records.into_iter().map(|key| key.name).collect()
    }

    /// The id of what was done last so.
    pub(crate) async fn last_event(&self, action: &str) -> Option<claviger_sdk::AuditEvent> {
        self.operator.audit().list().of_action(action).limit(1).await.unwrap().pop()
    }
}

/// The key ids of a list.
pub(crate) fn ids<'k>(keys: impl IntoIterator<Item = &'k claviger_sdk::ApiKey>) -> Vec<KeyId> {
    keys.into_iter().map(|key| key.id).collect()
}
