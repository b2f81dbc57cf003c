//! Shared secrets: create, reveal, rotate with overlap, retire.

use crate::{
    company::{code, on_both_stores},
    keys::secret_of,
};
use chrono::TimeDelta;
use claviger_core::SharedSecret;
use claviger_sdk::{KeyStatus, Lifetime, NewKey, NewSharedSecret, Purpose, Rule};

const WEEK: TimeDelta = TimeDelta::days(7);

on_both_stores! {
    async fn a_secret_is_created_for_one_purpose_and_not_shown(company: Company) {
        let secrets = company.as_ada.shared_secrets();
        let webhooks = secrets.create(NewSharedSecret::integration("webhooks")).await.unwrap();
        assert_eq!((webhooks.purpose, webhooks.key_prefix, webhooks.role), (Purpose::Integration, None, None));
        assert_eq!((webhooks.versions.len(), webhooks.versions[0].accepted_until), (1, None));
        assert_eq!((webhooks.tenant, webhooks.retired_at), (company.tenant.id, None));
        let new = NewSharedSecret::issuing("keys").key_prefix("nw_test".parse().unwrap()).role(company.readonly.id);
        let issuing = secrets.create(new).await.unwrap();
        assert_eq!((issuing.purpose, issuing.role), (Purpose::Issuing, Some(company.readonly.id)));
        assert_eq!(issuing.key_prefix.map(|prefix| prefix.to_string()).as_deref(), Some("nw_test"));
        let first = secrets.create(NewSharedSecret::issuing("first")).await.unwrap();
        assert_eq!(first.key_prefix, Some(company.tenant.key_prefixes[0]));
        let listed = secrets.list().await.unwrap();
        assert_eq!(listed, [first.into_record(), issuing.into_record(), webhooks.clone().into_record()]);
        assert_eq!(secrets.get(webhooks.id).await.unwrap(), listed[2]);
    }

    async fn what_is_created_keeps_the_rules(company: Company) {
        let secrets = company.as_ada.shared_secrets();
        let prefix = || "other".parse().unwrap();
        for new in [
            NewSharedSecret::issuing(""),
            NewSharedSecret::issuing("x").key_prefix(prefix()),
            NewSharedSecret::integration("x").role(company.readonly.id),
            NewSharedSecret::integration("x").key_prefix(company.tenant.key_prefixes[0]),
        ] {
            assert_eq!(code(secrets.create(new).await), "invalid");
        }
        secrets.create(NewSharedSecret::integration("x")).await.unwrap();
        assert_eq!(code(secrets.create(NewSharedSecret::issuing("x")).await), "exists");
        let other = company.other_tenant().await;
        assert!(other.shared_secrets().create(NewSharedSecret::issuing("x")).await.is_ok(), "per tenant");
        let theirs = other.roles().named("READONLY").await.unwrap().id;
        assert_eq!(code(secrets.create(NewSharedSecret::issuing("y").role(theirs)).await), "not_found");
        company.operator.tenants().switch_off(company.tenant.id, "Northwind").await.unwrap();
        assert_eq!(code(secrets.create(NewSharedSecret::integration("z")).await), "tenant_off");
    }

    async fn nobody_gives_an_issuing_secret_what_he_does_not_have(company: Company) {
        let (_, as_eve) = company.user("Eve", &["shared_secrets:modify", "flights:view"]).await;
        let role = company.role_of("Viewer", &["flights:view"]).await;
        let secrets = as_eve.shared_secrets();
        let new = NewSharedSecret::issuing("x").role(company.admin.id);
        assert_eq!(code(secrets.create(new).await), "beyond_own_access");
        assert!(secrets.create(NewSharedSecret::issuing("x").role(role.id)).await.is_ok());
    }

    async fn revealing_has_its_own_permission(company: Company) {
        let id = company.as_ada.shared_secrets().create(NewSharedSecret::integration("w")).await.unwrap().id;
        let (_, as_modifier) = company.user("A", &["shared_secrets:modify"]).await;
        let (_, as_revealer) = company.user("B", &["shared_secrets:reveal"]).await;
        let (_, as_nobody) = company.user("C", &["api_keys:modify_all"]).await;
        let reader = as_modifier.shared_secrets();
        assert_eq!(code(reader.reveal(id).await), "permission_needed");
        assert!(reader.list().await.is_ok() && reader.get(id).await.is_ok());
        let revealer = as_revealer.shared_secrets();
        let revealed = revealer.reveal(id).await.unwrap();
        let parsed = SharedSecret::parse(revealed.expose()).unwrap();
        let version = revealer.get(id).await.unwrap().versions[0];
        assert_eq!((parsed.purpose(), parsed.id()), (Purpose::Integration, version.id));
        assert_eq!(parsed.version(), version.version);
        assert_eq!(revealer.reveal(id).await.unwrap().expose(), revealed.expose());
        for outcome in [
            revealer.create(NewSharedSecret::integration("x")).await.map(drop),
            revealer.rotate(id, WEEK).await.map(drop),
            revealer.retire(id, "w").await.map(drop),
            as_nobody.shared_secrets().list().await.map(drop),
            as_nobody.shared_secrets().get(id).await.map(drop),
        ] {
            assert_eq!(code(outcome), "permission_needed");
        }
    }

    async fn revealing_is_in_the_audit_log_before_it_is_shown_and_a_refusal_is_not(company: Company) {
        let id = company.as_ada.shared_secrets().create(NewSharedSecret::integration("w")).await.unwrap().id;
        let (_, as_eve) = company.user("Eve", &["shared_secrets:modify"]).await;
        assert!(as_eve.shared_secrets().reveal(id).await.is_err());
        assert_eq!(company.last_event("shared_secret.revealed").await, None);
        let revealed = company.as_ada.shared_secrets().reveal(id).await.unwrap();
        let event = company.last_event("shared_secret.revealed").await.unwrap();
        assert_eq!((event.record, event.actor), (id.to_string(), format!("user:{}", company.ada.id)));
        let events = format!("{:?}", company.operator.audit().list().limit(1000).await.unwrap());
        assert!(!events.contains(secret_of(revealed.expose())));
    }

    async fn an_issuing_secret_is_revealed_to_the_platform_operator_alone(company: Company) {
        let id = company.issuing_secret().await;
        let refused = company.as_ada.shared_secrets().reveal(id).await.unwrap_err();
        assert_eq!(refused.rule(), Some(Rule::IssuingSecretIsTheOperators));
        assert_eq!(company.last_event("shared_secret.revealed").await, None);
        assert!(company.operator.shared_secrets().reveal(id).await.unwrap().expose().starts_with("cvgis_"));
    }

    async fn a_rotated_secret_has_two_versions_until_the_overlap_ends(company: Company) {
        let secrets = company.as_ada.shared_secrets();
        let created = secrets.create(NewSharedSecret::integration("webhooks")).await.unwrap();
        let (id, old) = (created.id, created.versions[0]);
        let before = secrets.reveal(id).await.unwrap();
        let end = company.now() + WEEK;
        let rotated = secrets.rotate(id, WEEK).await.unwrap();
        assert_eq!(rotated.versions.len(), 2);
        let (new, previous) = (rotated.versions[0], rotated.versions[1]);
        assert_eq!((new.accepted_until, previous.accepted_until), (None, Some(end)));
        assert_eq!(previous.id, old.id);
        assert!(new.id != old.id && new.version != old.version && rotated.revision > created.revision);
        let after = secrets.reveal(id).await.unwrap();
        assert_ne!(before.expose(), after.expose());
        assert_eq!(SharedSecret::parse(after.expose()).unwrap().id(), new.id, "the present version");
        company.advance(WEEK - TimeDelta::seconds(1));
        assert_eq!(secrets.get(id).await.unwrap().versions.len(), 2);
        company.advance(TimeDelta::seconds(1));
        assert_eq!(secrets.get(id).await.unwrap().versions, [new]);
    }

    async fn a_rotation_during_a_rotation_ends_the_oldest_version(company: Company) {
        let secrets = company.as_ada.shared_secrets();
        let created = secrets.create(NewSharedSecret::integration("webhooks")).await.unwrap();
        let second = secrets.rotate(created.id, WEEK).await.unwrap().versions[0].id;
        let third = secrets.rotate(created.id, TimeDelta::days(1)).await.unwrap();
        assert_eq!(third.versions.iter().map(|version| version.id).collect::<Vec<_>>()[1..], [second]);
        let last = secrets.rotate(created.id, TimeDelta::zero()).await.unwrap();
        assert_eq!(last.versions.len(), 1, "without an overlap");
        for overlap in [TimeDelta::seconds(-1), TimeDelta::days(367)] {
            assert_eq!(code(secrets.rotate(created.id, overlap).await), "invalid");
        }
    }

    async fn a_retired_secret_is_over_for_good(company: Company) {
        let secrets = company.as_ada.shared_secrets();
        let id = secrets.create(NewSharedSecret::integration("webhooks")).await.unwrap().id;
        secrets.rotate(id, WEEK).await.unwrap();
        assert_eq!(code(secrets.retire(id, "Webhooks").await), "confirmation_needed");
        assert_eq!(secrets.get(id).await.unwrap().versions.len(), 2);
        let retired = secrets.retire(id, "webhooks").await.unwrap();
        assert_eq!((retired.versions.len(), retired.retired_at), (0, Some(company.now())));
        assert_eq!(code(secrets.reveal(id).await), "secret_retired");
        assert_eq!(code(secrets.rotate(id, WEEK).await), "secret_retired");
        assert_eq!(code(secrets.retire(id, "webhooks").await), "secret_retired");
        assert_eq!(secrets.list().await.unwrap(), [retired]);
    }

    async fn secrets_of_another_tenant_are_unknown(company: Company) {
        let id = company.issuing_secret().await;
        let other = company.other_tenant().await;
        let secrets = other.shared_secrets();
        assert!(secrets.list().await.unwrap().is_empty());
        assert_eq!(code(secrets.get(id).await), "not_found");
        assert_eq!(code(secrets.reveal(id).await), "not_found");
        assert_eq!(code(secrets.rotate(id, WEEK).await), "not_found");
        assert_eq!(code(secrets.retire(id, "issuing").await), "not_found");
    }

    async fn issuing_secrets_of_a_prefix_have_versions_of_their_own(company: Company) {
        let secrets = company.operator.shared_secrets();
        let a = secrets.create(NewSharedSecret::issuing("a")).await.unwrap();
        let b = secrets.create(NewSharedSecret::issuing("b")).await.unwrap();
        let a_next = secrets.rotate(a.id, WEEK).await.unwrap();
        let mut versions =
            vec![b.versions[0].version, a_next.versions[0].version, a_next.versions[1].version];
        versions.sort_unstable();
        versions.dedup();
        assert_eq!(versions.len(), 3);
    }

    async fn a_version_is_not_used_again_while_a_key_that_it_made_can_be_valid(company: Company) {
        let secrets = company.operator.shared_secrets();
        let id = company.issuing_secret().await;
        let first = secrets.get(id).await.unwrap().versions[0].version;
        let new = NewKey::for_tenant(company.readonly.id, "x", Lifetime::days(10)).signed_by(id);
        company.as_ada.keys().generate(new).await.unwrap();
        // Once round all numbers, and one more.
        let mut seen = Vec::new();
        for _ in 0..256 {
            let version = secrets.rotate(id, TimeDelta::zero()).await.unwrap().versions[0].version;
            assert_ne!(version, first, "its key is valid");
            seen.push(version);
        }
        let mut distinct = seen.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), 255, "every other number, the one least recently used first");
        company.advance(TimeDelta::days(10));
        for _ in 0..255 {
            seen.push(secrets.rotate(id, TimeDelta::zero()).await.unwrap().versions[0].version);
        }
        assert!(seen.contains(&first), "its key has expired");
    }

    async fn when_every_version_may_have_valid_keys_there_is_none_left(company: Company) {
        let secrets = company.operator.shared_secrets();
        for number in 0..256 {
            secrets.create(NewSharedSecret::issuing(&format!("secret {number}"))).await.unwrap();
        }
        assert_eq!(code(secrets.create(NewSharedSecret::issuing("one more")).await), "versions_exhausted");
        let test = NewSharedSecret::issuing("test").key_prefix(company.tenant.key_prefixes[1]);
        assert!(secrets.create(test).await.is_ok(), "of another prefix there are");
        assert!(secrets.create(NewSharedSecret::integration("webhooks")).await.is_ok());
        let one = secrets.list().await.unwrap()[0].clone();
        secrets.retire(one.id, &one.name).await.unwrap();
        assert!(secrets.create(NewSharedSecret::issuing("one more")).await.is_ok());
    }

    async fn a_signed_key_says_that_the_version_which_made_it_is_over(company: Company) {
        let secret = company.issuing_secret().await;
        let new = NewKey::for_tenant(company.readonly.id, "edge", Lifetime::days(30)).signed_by(secret);
        let key = company.as_ada.keys().generate(new).await.unwrap().key.id;
        company.as_ada.shared_secrets().rotate(secret, TimeDelta::days(1)).await.unwrap();
        assert_eq!(company.as_ada.keys().get(key).await.unwrap().status, KeyStatus::Active);
        company.advance(TimeDelta::days(1));
        assert_eq!(company.as_ada.keys().get(key).await.unwrap().status, KeyStatus::SecretRetired);
    }
}
