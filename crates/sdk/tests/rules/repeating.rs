//! Repeating a creation under an idempotency key: it is done once, and its secret is shown once.

use crate::company::{Company, code, on_both_stores};
use chrono::TimeDelta;
use claviger_sdk::{
    Actor, Error, Lifetime, NewKey, NewKeyGroup, NewPersonalKey, NewRole, NewServiceAccount, NewSharedSecret,
    NewTenant, NewUser,
};

fn ben() -> NewUser {
    NewUser::new("Ben", "ben@northwind.example")
}

async fn users(company: &Company) -> usize {
    company.as_ada.users().list().await.unwrap().records.len()
}

/// Makes sure that a creation is done once, however often it is asked for.
macro_rules! assert_replayed {
    ($create:expr) => {{
        let (first, again) = ($create.await.unwrap(), $create.await.unwrap());
        assert!(!first.replayed());
        assert!(again.replayed());
        assert_eq!(first.into_record(), again.into_record());
    }};
}

on_both_stores! {
    async fn every_creation_that_is_repeated_gives_the_record_made_before_and_says_so(company: Company) {
        let once = |key: &str| company.as_ada.with_idempotency_key(key);
        let operator = company.store.acting_as(Actor::operator("platform")).with_idempotency_key("tenant");
        assert_replayed!(operator.tenants().create(NewTenant::new("Other", "other".parse().unwrap())));
        assert_replayed!(once("user").users().create(ben().external_id("17")));
        let account = || NewServiceAccount::new("sync", "Contrails Ltd", "it@contrails.example");
        assert_replayed!(once("account").service_accounts().create(account()));
        assert_replayed!(once("role").roles().define(NewRole::new("pilot", ["flights:view"])));
        assert_replayed!(once("group").key_groups().create(NewKeyGroup::new("nightly")));
        assert_replayed!(once("secret").shared_secrets().create(NewSharedSecret::integration("partner")));
        assert_eq!(users(&company).await, 2);
    }

    async fn a_repeated_generation_gives_the_key_without_its_secret(company: Company) {
        let account = company.service_account("sync", &["flights:view"]).await.id;
        let new = || NewKey::for_service_account(account, "import", Lifetime::days(90));
        let once = company.as_ada.with_idempotency_key("monday");
        let first = once.keys().generate(new()).await.unwrap();
        assert!(first.text.is_some());
        assert!(!first.replayed);
        let again = once.keys().generate(new()).await.unwrap();
        assert!(again.text.is_none());
        assert!(again.replayed);
        assert_eq!(again.key, first.key);
        assert_eq!(company.as_ada.keys().list().await.unwrap().records, [first.key]);
    }

    async fn a_repeated_batch_gives_all_its_keys_without_their_secrets(company: Company) {
        let account = company.service_account("sync", &["flights:view"]).await.id;
        let new = || {
            ["a", "b", "c"]
                .map(|name| NewKey::for_service_account(account, name, Lifetime::days(90)))
                .to_vec()
        };
        let once = company.as_ada.with_idempotency_key("monday");
        let first = once.keys().generate_batch(new()).await.unwrap();
        let again = once.keys().generate_batch(new()).await.unwrap();
        assert!(again.iter().all(|generated| generated.replayed && generated.text.is_none()));
        let keys = |generated: Vec<claviger_sdk::Generated>| {
            generated.into_iter().map(|one| one.key).collect::<Vec<_>>()
        };
        assert_eq!(keys(again), keys(first));
        assert_eq!(company.as_ada.keys().list().await.unwrap().records.len(), 3);
    }

    async fn a_repeated_personal_key_is_given_without_its_secret(company: Company) {
        let (_, as_cy) = company.user("Cy", &["flights:view"]).await;
        let once = as_cy.with_idempotency_key("monday");
        let first = once.personal_keys().generate(NewPersonalKey::new(Lifetime::days(90))).await.unwrap();
        let again = once.personal_keys().generate(NewPersonalKey::new(Lifetime::days(90))).await.unwrap();
        assert!(again.text.is_none());
        assert!(again.replayed);
        assert_eq!(again.key, first.key);
    }

    async fn a_replay_gives_the_record_as_it_is_now_and_leaves_no_event(company: Company) {
        let once = company.as_ada.with_idempotency_key("monday");
        let group = once.key_groups().create(NewKeyGroup::new("nightly")).await.unwrap();
        let off = company.as_ada.key_groups().switch_off(group.id).await.unwrap();
        let operator = company.store.acting_as(Actor::operator("platform"));
        let before = operator.audit().head().await.unwrap();
        assert_eq!(once.key_groups().create(NewKeyGroup::new("nightly")).await.unwrap().into_record(), off);
        assert_eq!(operator.audit().head().await.unwrap(), before);
    }

    async fn another_request_under_the_same_key_is_refused(company: Company) {
        let once = company.as_ada.with_idempotency_key("monday");
        once.users().create(ben()).await.unwrap();
        for refused in [
            once.users().create(NewUser::new("Cy", "ben@northwind.example")).await.unwrap_err(),
            once.users().create(NewUser::new("Ben", "cy@northwind.example")).await.unwrap_err(),
            once.users().create(ben().external_id("17")).await.unwrap_err(),
            once.roles().define(NewRole::new("Ben", ["flights:view"])).await.unwrap_err(),
            once.key_groups().create(NewKeyGroup::new("Ben")).await.unwrap_err(),
            once.shared_secrets().create(NewSharedSecret::integration("Ben")).await.unwrap_err(),
            once.keys()
                .generate(NewKey::for_tenant(company.readonly.id, "Ben", Lifetime::days(1)))
                .await
                .unwrap_err(),
        ] {
            assert!(matches!(&refused, Error::IdempotencyKeyReused { key } if key == "monday"), "{refused}");
        }
        assert_eq!(users(&company).await, 2);
    }

    async fn without_a_key_and_under_another_key_it_is_done_again(company: Company) {
        for key in ["monday", "tuesday", "Monday"] {
            let session = company.as_ada.with_idempotency_key(key);
            assert!(!session.users().create(ben()).await.unwrap().replayed());
        }
        for _ in 0..2 {
            assert!(!company.as_ada.users().create(ben()).await.unwrap().replayed());
        }
        assert_eq!(users(&company).await, 1 + 5);
    }

    async fn the_keys_of_one_actor_are_not_anothers(company: Company) {
        let (_, as_cy) = company.user("Cy", &["people:modify"]).await;
        for session in [
            &company.as_ada,
            &as_cy,
            &company.operator,
            &company.store.acting_as(Actor::operator("script")).in_tenant(company.tenant.id),
        ] {
            let created = session.with_idempotency_key("monday").users().create(ben()).await.unwrap();
            assert!(!created.replayed());
        }
        assert_eq!(users(&company).await, 2 + 4);
    }

    async fn the_keys_of_one_tenant_are_not_anothers(company: Company) {
        let platform = company.store.acting_as(Actor::operator("platform"));
        let other =
            platform.tenants().create(NewTenant::new("Other", "other".parse().unwrap())).await.unwrap().id;
        for session in [&company.operator, &platform.in_tenant(other)] {
            let created = session.with_idempotency_key("monday").users().create(ben()).await.unwrap();
            assert!(!created.replayed());
        }
    }

    async fn after_24_hours_a_key_is_forgotten(company: Company) {
        let once = company.as_ada.with_idempotency_key("monday");
        let first = once.users().create(ben()).await.unwrap().into_record();
        company.advance(TimeDelta::hours(24) - TimeDelta::seconds(1));
        let again = once.users().create(ben()).await.unwrap();
        assert!(again.replayed());
        assert_eq!(again.into_record(), first);
        company.advance(TimeDelta::seconds(1));
        let anew = once.users().create(NewUser::new("Cy", "cy@northwind.example")).await.unwrap();
        assert!(!anew.replayed());
        assert_eq!(users(&company).await, 3);
    }

    async fn a_creation_that_failed_leaves_no_trace(company: Company) {
        let once = company.as_ada.with_idempotency_key("monday");
        let operator = company.store.acting_as(Actor::operator("platform"));
        let before = operator.audit().head().await.unwrap();
        assert_eq!(code(once.users().create(NewUser::new("Ben", "no address")).await), "invalid");
        assert_eq!(code(once.roles().define(NewRole::new("ADMIN", ["flights:view"])).await), "exists");
        assert_eq!(code(once.roles().define(NewRole::new("pilot", ["gates:view"])).await), "invalid");
        let new = |days| NewKey::for_tenant(company.readonly.id, "board", Lifetime::days(days));
        assert_eq!(code(once.keys().generate_batch(vec![new(1), new(0)]).await), "invalid");
        assert_eq!(operator.audit().head().await.unwrap(), before);
        assert_eq!(users(&company).await, 1);
        assert_eq!(company.as_ada.keys().list().await.unwrap().records, []);
        assert!(!once.users().create(ben()).await.unwrap().replayed(), "the key is free");
    }

    async fn a_replay_needs_the_permission_still(company: Company) {
        let (cy, as_cy) = company.user("Cy", &["people:modify"]).await;
        let once = as_cy.with_idempotency_key("monday");
        once.users().create(ben()).await.unwrap();
        company.as_ada.people().take_permission(cy.id, "people:modify").await.unwrap();
        assert_eq!(code(once.users().create(ben()).await), "permission_needed");
    }

    async fn requests_at_the_same_time_under_one_key_make_one_record(company: Company) {
        let create =
            async || company.as_ada.with_idempotency_key("monday").users().create(ben()).await.unwrap();
        let (first, second) = tokio::join!(create(), create());
        assert_ne!(first.replayed(), second.replayed());
        assert_eq!(first.id, second.id);
        assert_eq!(users(&company).await, 2);
    }

    async fn an_idempotency_key_has_1_to_255_characters(company: Company) {
        for good in ["x".repeat(255), "é".repeat(255)] {
            company.as_ada.with_idempotency_key(&good).users().create(ben()).await.unwrap();
        }
        for bad in [String::new(), "x".repeat(256), "a\0b".into(), "a\nb".into()] {
            let refused = company.as_ada.with_idempotency_key(&bad).users().create(ben()).await.unwrap_err();
            assert!(matches!(refused, Error::Invalid { field: "idempotency key", .. }), "{bad:?}: {refused}");
        }
    }
}
