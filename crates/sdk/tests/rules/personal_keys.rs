//! Personal keys: at most one of a user, with his access, and nobody else's affair.

use crate::{
    company::{code, on_both_stores},
    keys::{ids, is_good, text},
};
use chrono::TimeDelta;
use claviger_sdk::{KeyKind, KeyOwner, KeyStatus, Lifetime, NewKey, NewPersonalKey, Rule};

const MONTH: Lifetime = Lifetime::days(30);

on_both_stores! {
    async fn there_is_none_until_the_user_generates_one(company: Company) {
        let (bob, as_bob) = company.user("Bob", &["flights:view"]).await;
        let personal = as_bob.personal_keys();
        assert_eq!(personal.get().await.unwrap(), None);
        assert_eq!(code(personal.access().await), "not_found");
        assert_eq!(code(personal.regenerate("x").await), "not_found");
        assert_eq!(code(personal.deactivate(bob.id).await), "not_found");
        assert_eq!(code(personal.activate(bob.id).await), "not_found");
        assert_eq!(code(personal.delete(bob.id, &bob.id.to_string()).await), "not_found");
        let generated = personal.generate(NewPersonalKey::new(MONTH)).await.unwrap();
        assert_eq!(personal.get().await.unwrap(), Some(generated.key.clone()));
        assert_eq!((generated.key.owner, generated.key.kind), (KeyOwner::Personal(bob.id), KeyKind::Opaque));
        assert_eq!(generated.key.expires_at, Some(company.now() + TimeDelta::days(30)));
        assert!(text(&generated).starts_with(&format!("nw_live_{}_k", generated.key.id)));
        assert!(is_good(&company, text(&generated)).await);
    }

    async fn a_user_has_at_most_one(company: Company) {
        let (bob, as_bob) = company.user("Bob", &[]).await;
        let (_, as_eve) = company.user("Eve", &[]).await;
        let first = as_bob.personal_keys().generate(NewPersonalKey::new(MONTH)).await.unwrap();
        assert_eq!(code(as_bob.personal_keys().generate(NewPersonalKey::new(MONTH)).await), "exists");
        assert!(as_eve.personal_keys().generate(NewPersonalKey::new(MONTH)).await.is_ok());
        as_bob.personal_keys().delete(bob.id, &bob.id.to_string()).await.unwrap();
        let second = as_bob.personal_keys().generate(NewPersonalKey::new(MONTH)).await.unwrap();
        assert_ne!(first.key.id, second.key.id);
        assert!(!is_good(&company, text(&first)).await && is_good(&company, text(&second)).await);
    }

    async fn it_is_the_users_own_affair(company: Company) {
        let account = company.key("import").await;
        let key = company.store.authenticate(text(&account), None).await.unwrap();
        for session in [company.operator.clone(), company.store.acting_as(key)] {
            let personal = session.personal_keys();
            assert_eq!(personal.generate(NewPersonalKey::new(MONTH)).await.unwrap_err().rule(), Some(Rule::UserOnly));
            assert_eq!(personal.get().await.unwrap_err().rule(), Some(Rule::UserOnly));
            assert_eq!(personal.access().await.unwrap_err().rule(), Some(Rule::UserOnly));
            assert_eq!(personal.regenerate("x").await.unwrap_err().rule(), Some(Rule::UserOnly));
        }
    }

    async fn it_is_in_nobody_elses_list_report_or_clients(company: Company) {
        let (bob, as_bob) = company.user("Bob", &["api_keys:view", "flights:view"]).await;
        let id = as_bob.personal_keys().generate(NewPersonalKey::new(MONTH)).await.unwrap().key.id;
        company.advance(TimeDelta::days(31));
        company.as_ada.people().deactivate(bob.id).await.unwrap();
        let keys = company.as_ada.keys();
        assert!(keys.list().await.unwrap().records.is_empty());
        assert!(keys.list().owned_by(bob.id).await.unwrap().records.is_empty());
        assert!(company.as_ada.api_clients().list().await.unwrap().is_empty());
        let report = company.as_ada.reviews().report().unused_since(company.now()).limit(100).await.unwrap();
        for list in [
            report.never_used, report.unused, report.use_unknown, report.expired, report.inactive_owner,
            report.admin, report.review_due,
        ] {
            assert!(ids(&list).is_empty());
        }
        for outcome in [
            keys.get(id).await.map(drop),
            keys.access(id).await.map(drop),
            keys.deactivate(id).await.map(drop),
            keys.refresh(id).await.map(drop),
            keys.rotate(id, TimeDelta::days(1)).await.map(drop),
            keys.regenerate(id, "Bob").await.map(drop),
            keys.expire_now(id, claviger_sdk::RevocationReason::Unused, "Bob").await.map(drop),
            keys.delete(id, "Bob").await.map(drop),
            company.as_ada.reviews().record(id, "", None).await.map(drop),
        ] {
            assert_eq!(code(outcome), "not_found");
        }
    }

    async fn administrators_see_that_it_exists_and_no_more(company: Company) {
        let (bob, as_bob) = company.user("Bob", &["api_keys:view", "api_keys:modify"]).await;
        let (eve, as_eve) = company.user("Eve", &["api_keys:modify_all"]).await;
        assert!(as_eve.personal_keys().holders().await.unwrap().is_empty());
        as_bob.personal_keys().generate(NewPersonalKey::new(MONTH)).await.unwrap();
        let holders = as_eve.personal_keys().holders().await.unwrap();
        assert_eq!(holders.iter().map(|holder| (holder.user, holder.activated)).collect::<Vec<_>>(), [(bob.id, true)]);
        assert_eq!(code(as_bob.personal_keys().holders().await), "permission_needed");
        as_eve.personal_keys().generate(NewPersonalKey::new(MONTH)).await.unwrap();
        let holders = company.as_ada.personal_keys().holders().await.unwrap();
        let mut users = [bob.id, eve.id];
        users.sort_unstable();
        assert_eq!(holders.iter().map(|holder| holder.user).collect::<Vec<_>>(), users);
        assert!(company.other_tenant().await.personal_keys().holders().await.unwrap().is_empty());
    }

    async fn administrators_deactivate_and_delete_it(company: Company) {
        let (bob, as_bob) = company.user("Bob", &[]).await;
        let generated = as_bob.personal_keys().generate(NewPersonalKey::new(MONTH)).await.unwrap();
        let (_, as_eve) = company.user("Eve", &["api_keys:view", "api_keys:modify"]).await;
        let confirmation = bob.id.to_string();
        for outcome in [
            as_eve.personal_keys().deactivate(bob.id).await.map(drop),
            as_eve.personal_keys().activate(bob.id).await.map(drop),
            as_eve.personal_keys().delete(bob.id, &confirmation).await.map(drop),
        ] {
            assert_eq!(code(outcome), "permission_needed");
        }
        let (_, as_max) = company.user("Max", &["api_keys:modify_all"]).await;
        assert!(!as_max.personal_keys().deactivate(bob.id).await.unwrap().activated);
        assert!(!is_good(&company, text(&generated)).await);
        assert_eq!(as_bob.personal_keys().get().await.unwrap().unwrap().status, KeyStatus::Deactivated);
        assert_eq!(code(as_max.personal_keys().delete(bob.id, "Bob").await), "confirmation_needed");
        as_max.personal_keys().delete(bob.id, &confirmation).await.unwrap();
        assert_eq!(as_bob.personal_keys().get().await.unwrap(), None);
        assert!(as_max.personal_keys().holders().await.unwrap().is_empty());
    }

    async fn what_an_administrator_has_deactivated_the_user_cannot_activate(company: Company) {
        let (bob, as_bob) = company.user("Bob", &[]).await;
        let generated = as_bob.personal_keys().generate(NewPersonalKey::new(MONTH)).await.unwrap();
        let personal = as_bob.personal_keys();
        assert!(!personal.deactivate(bob.id).await.unwrap().activated);
        assert!(!is_good(&company, text(&generated)).await);
        assert!(personal.activate(bob.id).await.unwrap().activated, "his own he can");
        assert!(is_good(&company, text(&generated)).await);
        company.as_ada.personal_keys().deactivate(bob.id).await.unwrap();
        assert_eq!(code(personal.activate(bob.id).await), "key_is_held");
        personal.deactivate(bob.id).await.unwrap();
        assert_eq!(code(personal.activate(bob.id).await), "key_is_held");
        let again = personal.regenerate(&generated.key.id.to_string()).await.unwrap();
        assert!(!is_good(&company, text(&again)).await, "another secret does not activate it");
        company.as_ada.personal_keys().activate(bob.id).await.unwrap();
        assert!(is_good(&company, text(&again)).await);
        personal.deactivate(bob.id).await.unwrap();
        assert!(personal.activate(bob.id).await.unwrap().activated);
    }

    async fn it_has_the_users_access_at_every_moment(company: Company) {
        let (bob, as_bob) = company.user("Bob", &["flights:view"]).await;
        let generated = as_bob.personal_keys().generate(NewPersonalKey::new(MONTH)).await.unwrap();
        let allows = async |permission: &str| {
            as_bob.personal_keys().access().await.unwrap().allows(permission)
        };
        assert!(allows("flights:view").await && !allows("people:view").await);
        company.as_ada.people().grant_permission(bob.id, "people:view").await.unwrap();
        assert!(allows("people:view").await);
        let actor = company.store.authenticate(text(&generated), None).await.unwrap();
        let as_key = company.store.acting_as(actor);
        assert!(as_key.people().list().await.is_ok());
        company.as_ada.people().take_permission(bob.id, "people:view").await.unwrap();
        assert!(!allows("people:view").await);
        assert_eq!(code(as_key.people().list().await), "permission_needed");
        company.as_ada.people().deactivate(bob.id).await.unwrap();
        assert!(!is_good(&company, text(&generated)).await);
        company.as_ada.people().activate(bob.id).await.unwrap();
        assert!(is_good(&company, text(&generated)).await);
    }

    async fn regenerating_keeps_the_client_id_and_has_no_overlap(company: Company) {
        let (_, as_bob) = company.user("Bob", &[]).await;
        let old = as_bob.personal_keys().generate(NewPersonalKey::new(MONTH)).await.unwrap();
        company.advance(TimeDelta::days(10));
        assert_eq!(code(as_bob.personal_keys().regenerate("Bob").await), "confirmation_needed");
        assert!(is_good(&company, text(&old)).await);
        let new = as_bob.personal_keys().regenerate(&old.key.id.to_string()).await.unwrap();
        assert_eq!((new.key.id, new.key.previous_secret_until), (old.key.id, None));
        assert_eq!(new.key.expires_at, Some(company.now() + TimeDelta::days(30)));
        assert!(!is_good(&company, text(&old)).await && is_good(&company, text(&new)).await);
    }

    async fn one_that_can_do_everything_needs_a_confirmation(company: Company) {
        let personal = company.as_ada.personal_keys();
        assert_eq!(code(personal.generate(NewPersonalKey::new(MONTH)).await), "confirmation_needed");
        assert_eq!(code(personal.generate(NewPersonalKey::new(MONTH).confirming("ada")).await), "confirmation_needed");
        assert!(personal.generate(NewPersonalKey::new(MONTH).confirming("ADMIN")).await.is_ok());
    }

    async fn where_keys_are_off_none_is_generated_and_none_is_good(company: Company) {
        let (bob, as_bob) = company.user("Bob", &[]).await;
        let (_, as_eve) = company.user("Eve", &[]).await;
        let generated = as_bob.personal_keys().generate(NewPersonalKey::new(MONTH)).await.unwrap();
        company.operator.tenants().switch_off(company.tenant.id, "Northwind").await.unwrap();
        assert!(!is_good(&company, text(&generated)).await);
        let personal = as_bob.personal_keys();
        assert_eq!(code(as_eve.personal_keys().generate(NewPersonalKey::new(MONTH)).await), "tenant_off");
        assert_eq!(code(personal.regenerate(&generated.key.id.to_string()).await), "tenant_off");
        assert_eq!(personal.get().await.unwrap().unwrap().status, KeyStatus::TenantOff);
        assert!(personal.deactivate(bob.id).await.is_ok());
        assert_eq!(code(personal.activate(bob.id).await), "tenant_off");
        assert!(personal.delete(bob.id, &bob.id.to_string()).await.is_ok());
    }

    async fn a_user_does_not_get_another_one_in_place_of_what_was_taken_from_him(company: Company) {
        let (bob, as_bob) = company.user("Bob", &[]).await;
        as_bob.personal_keys().generate(NewPersonalKey::new(MONTH)).await.unwrap();
        company.as_ada.personal_keys().deactivate(bob.id).await.unwrap();
        let deleted = as_bob.personal_keys().delete(bob.id, &bob.id.to_string()).await.unwrap_err();
        assert_eq!(deleted.rule(), Some(Rule::KeyIsHeld));
        company.as_ada.personal_keys().activate(bob.id).await.unwrap();
        assert!(as_bob.personal_keys().delete(bob.id, &bob.id.to_string()).await.is_ok());
    }

    async fn what_was_taken_from_a_user_his_other_keys_do_not_give_back(company: Company) {
        let role = company.role_of("Key master", &["api_keys:modify_all"]).await;
        let (bob, as_bob) = company.user_in("Bob", &[], &role).await;
        as_bob.personal_keys().generate(NewPersonalKey::new(MONTH)).await.unwrap();
        let other = NewKey::on_my_behalf(role.id, "laptop", MONTH);
        let other = as_bob.keys().generate(other).await.unwrap();
        let as_key = company.store.acting_as(company.store.authenticate(text(&other), None).await.unwrap());
        as_key.personal_keys().deactivate(bob.id).await.unwrap();
        assert!(as_bob.personal_keys().activate(bob.id).await.is_ok(), "it was himself");
        company.as_ada.personal_keys().deactivate(bob.id).await.unwrap();
        for outcome in [
            as_key.personal_keys().activate(bob.id).await.map(drop),
            as_key.personal_keys().delete(bob.id, &bob.id.to_string()).await.map(drop),
        ] {
            assert_eq!(code(outcome), "key_is_held");
        }
    }
}
