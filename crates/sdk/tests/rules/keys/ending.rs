//! The ends of a key, and every reason for which it is not good.

use super::{is_good, text};
use crate::company::{code, on_both_stores};
use chrono::TimeDelta;
use claviger_sdk::{KeyEdit, KeyStatus, Lifetime, NewKey, NewKeyGroup, RevocationReason};
use sqlx::{Connection, Row};

const MONTH: Lifetime = Lifetime::days(30);

on_both_stores! {
    async fn a_key_is_expired_now_with_a_reason_and_a_confirmation(company: Company) {
        let keys = company.as_ada.keys();
        for (name, reason, said) in [
            ("a", RevocationReason::Compromised, "compromised"),
            ("b", RevocationReason::Unused, "unused"),
            ("c", RevocationReason::Other("contract ended".into()), "contract ended"),
        ] {
            let generated = company.key(name).await;
            let id = generated.key.id;
            assert_eq!(code(keys.expire_now(id, reason.clone(), "x").await), "confirmation_needed");
            assert!(is_good(&company, text(&generated)).await);
            let key = keys.expire_now(id, reason, name).await.unwrap();
            let end = key.revocation.clone().unwrap();
            assert_eq!((key.status, end.reason.as_str(), end.at), (KeyStatus::Revoked, said, company.now()));
            assert!(!is_good(&company, text(&generated)).await);
        }
        let id = company.key("d").await.key.id;
        for reason in [String::new(), "x".repeat(201)] {
            assert_eq!(code(keys.expire_now(id, RevocationReason::Other(reason), "d").await), "invalid");
        }
    }

    async fn an_end_is_final(company: Company) {
        let generated = company.key("import").await;
        let (id, keys) = (generated.key.id, company.as_ada.keys());
        keys.expire_now(id, RevocationReason::Compromised, "import").await.unwrap();
        assert_eq!(code(keys.activate(id).await), "key_revoked");
        assert_eq!(code(keys.refresh(id).await), "key_revoked");
        assert_eq!(code(keys.rotate(id, TimeDelta::days(1)).await), "key_revoked");
        assert_eq!(code(keys.regenerate(id, "import").await), "key_revoked");
        assert_eq!(code(keys.expire_now(id, RevocationReason::Unused, "import").await), "key_revoked");
        assert_eq!(keys.get(id).await.unwrap().revocation.unwrap().reason, "compromised");
        assert!(!is_good(&company, text(&generated)).await);
    }

    async fn a_deleted_key_is_seen_by_nobody_and_good_nowhere(company: Company) {
        let generated = company.key("import").await;
        let (id, keys) = (generated.key.id, company.as_ada.keys());
        assert_eq!(code(keys.delete(id, "Import").await), "confirmation_needed");
        assert!(is_good(&company, text(&generated)).await);
        keys.delete(id, "import").await.unwrap();
        assert!(!is_good(&company, text(&generated)).await);
        assert!(company.key_names().await.is_empty());
        for outcome in [
            keys.get(id).await.map(drop),
            keys.access(id).await.map(drop),
            keys.find_by_text(text(&generated)).await.map(drop),
            keys.edit(id, generated.key.revision, KeyEdit::new().name("x")).await.map(drop),
            keys.activate(id).await.map(drop),
            keys.deactivate(id).await.map(drop),
            keys.refresh(id).await.map(drop),
            keys.rotate(id, TimeDelta::days(1)).await.map(drop),
            keys.regenerate(id, "import").await.map(drop),
            keys.expire_now(id, RevocationReason::Unused, "import").await.map(drop),
            keys.delete(id, "import").await.map(drop),
            company.as_ada.reviews().record(id, "", None).await.map(drop),
            company.as_ada.reviews().of(id).await.map(drop),
        ] {
            assert_eq!(code(outcome), "not_found");
        }
    }

    async fn the_id_of_a_deleted_key_stays_taken_and_what_proved_it_goes(company: Company) {
        let key = company.key("import").await.key;
        company.as_ada.keys().delete(key.id, "import").await.unwrap();
        let mut connection = sqlx::AnyConnection::connect(&company.place.url()).await.unwrap();
        let id = key.id.as_u64().to_be_bytes().to_vec();
        for (count, rows) in [
            ("SELECT COUNT(*) AS rows FROM api_keys WHERE id = $1", 1),
            ("SELECT COUNT(*) AS rows FROM key_values WHERE api_key = $1", 0),
        ] {
            let row = sqlx::query(count).bind(id.clone()).fetch_one(&mut connection).await.unwrap();
            assert_eq!(row.get::<i64, _>("rows"), rows, "{count}");
        }
    }

    async fn a_key_ends_with_the_role_that_is_taken_from_its_user(company: Company) {
        let role = company.role_of("Dispatcher", &["flights:view"]).await;
        let (bob, _) = company.user_in("Bob", &[], &role).await;
        let (eve, _) = company.user_in("Eve", &[], &role).await;
        let keys = company.as_ada.keys();
        let generated = keys.generate(NewKey::on_behalf_of(bob.id, role.id, "bob's", MONTH)).await.unwrap();
        let others = keys.generate(NewKey::on_behalf_of(eve.id, role.id, "eve's", MONTH)).await.unwrap();
        let tenants = keys.generate(NewKey::for_tenant(role.id, "tenant's", MONTH)).await.unwrap();
        assert_eq!(company.as_ada.people().take_role(bob.id, role.id).await.unwrap(), 1);
        assert!(!is_good(&company, text(&generated)).await);
        assert!(is_good(&company, text(&others)).await && is_good(&company, text(&tenants)).await);
        company.as_ada.people().grant_role(bob.id, role.id).await.unwrap();
        let key = keys.get(generated.key.id).await.unwrap();
        assert_eq!((key.status, key.revocation.unwrap().reason.as_str()), (KeyStatus::Revoked, "role_taken"));
        assert!(!is_good(&company, text(&generated)).await, "it does not come back with the role");
        let ended = company.last_event("key.revoked").await.unwrap();
        assert_eq!(ended.record, key.id.to_string());
    }

    async fn keys_end_with_a_role_that_is_deleted(company: Company) {
        let role = company.role_of("Dispatcher", &["flights:view"]).await;
        let (bob, _) = company.user_in("Bob", &[], &role).await;
        let keys = company.as_ada.keys();
        let bobs = keys.generate(NewKey::on_behalf_of(bob.id, role.id, "bob's", MONTH)).await.unwrap();
        let tenants = keys.generate(NewKey::for_tenant(role.id, "tenant's", MONTH)).await.unwrap();
        let accounts = company.key("import").await;
        assert_eq!(company.as_ada.roles().delete(role.id, "Dispatcher").await.unwrap(), 2);
        for generated in [&bobs, &tenants] {
            assert!(!is_good(&company, text(generated)).await);
            let key = keys.get(generated.key.id).await.unwrap();
            assert_eq!((key.status, key.revocation.unwrap().reason.as_str()), (KeyStatus::Revoked, "role_deleted"));
        }
        assert!(is_good(&company, text(&accounts)).await);
    }

    async fn keys_are_off_while_their_owner_is_deactivated(company: Company) {
        let role = company.role_of("Dispatcher", &["flights:view"]).await;
        let (bob, _) = company.user_in("Bob", &[], &role).await;
        let bobs = NewKey::on_behalf_of(bob.id, role.id, "bob's", MONTH);
        let bobs = company.as_ada.keys().generate(bobs).await.unwrap();
        let accounts = company.key("import").await;
        for generated in [bobs, accounts] {
            let (id, owner) = (generated.key.id, generated.key.owner.person().unwrap());
            company.as_ada.people().deactivate(owner).await.unwrap();
            assert_eq!(company.as_ada.keys().get(id).await.unwrap().status, KeyStatus::OwnerInactive);
            assert!(!is_good(&company, text(&generated)).await);
            company.as_ada.people().activate(owner).await.unwrap();
            assert_eq!(company.as_ada.keys().get(id).await.unwrap().status, KeyStatus::Active);
            assert!(is_good(&company, text(&generated)).await);
        }
    }

    async fn a_key_is_good_from_its_start_to_its_end(company: Company) {
        let start = company.now() + TimeDelta::days(1);
        let new = NewKey::for_tenant(company.readonly.id, "x", Lifetime::days(2)).not_before(start);
        let generated = company.as_ada.keys().generate(new).await.unwrap();
        let (text, id) = (text(&generated), generated.key.id);
        for (step, status) in [
            (TimeDelta::zero(), KeyStatus::NotYetValid),
            (TimeDelta::days(1) - TimeDelta::seconds(1), KeyStatus::NotYetValid),
            (TimeDelta::seconds(1), KeyStatus::Active),
            (TimeDelta::days(2) - TimeDelta::seconds(1), KeyStatus::Active),
            (TimeDelta::seconds(1), KeyStatus::Expired),
        ] {
            company.advance(step);
            assert_eq!(company.as_ada.keys().get(id).await.unwrap().status, status);
            assert_eq!(is_good(&company, text).await, status == KeyStatus::Active, "{status:?}");
        }
    }

    async fn the_status_is_the_first_reason_that_there_is(company: Company) {
        let group = company.as_ada.key_groups().create(NewKeyGroup::new("partners")).await.unwrap().id;
        let account = company.service_account("sync", &["flights:view"]).await;
        let new = NewKey::for_service_account(account.id, "sync", Lifetime::days(1)).in_group(group);
        let generated = company.as_ada.keys().generate(new).await.unwrap();
        let id = generated.key.id;
        let status = async || company.as_ada.keys().get(id).await.unwrap().status;
        assert_eq!(status().await, KeyStatus::Active);
        company.advance(TimeDelta::days(1));
        assert_eq!(status().await, KeyStatus::Expired);
        company.operator.tenants().switch_off(company.tenant.id, "Northwind").await.unwrap();
        assert_eq!(status().await, KeyStatus::TenantOff);
        company.as_ada.people().deactivate(account.id).await.unwrap();
        assert_eq!(status().await, KeyStatus::OwnerInactive);
        company.as_ada.key_groups().switch_off(group).await.unwrap();
        assert_eq!(status().await, KeyStatus::GroupOff);
        company.as_ada.keys().deactivate(id).await.unwrap();
        assert_eq!(status().await, KeyStatus::Deactivated);
        company.as_ada.keys().expire_now(id, RevocationReason::Unused, "sync").await.unwrap();
        assert_eq!(status().await, KeyStatus::Revoked);
        assert!(!is_good(&company, text(&generated)).await);
    }
}
