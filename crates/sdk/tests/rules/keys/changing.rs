//! Changing what is written down of a key, and switching it off and on.

use super::{is_good, text};
use crate::company::{code, on_both_stores};
use chrono::TimeDelta;
use claviger_sdk::{KeyEdit, KeyLimit, KeyStatus, Lifetime, Network, NewKey, NewKeyGroup, NewUser};

const MONTH: Lifetime = Lifetime::days(30);

fn network(text: &str) -> Network {
    text.parse().unwrap()
}

on_both_stores! {
    async fn every_field_that_is_not_fixed_can_be_edited(company: Company) {
        let before = company.key("import").await.key;
        let group = company.as_ada.key_groups().create(NewKeyGroup::new("partners")).await.unwrap().id;
        let limit = KeyLimit { name: "requests".into(), max: 5, per_seconds: 1 };
        let edit = KeyEdit::new()
            .name("Export")
            .description("writes")
            .group(group)
            .api_client(true)
            .networks([network("192.0.2.0/24"), network("192.0.2.0/24")])
            .external_id(Some("erp-7"))
            .metadata(Some("{}"))
            .limits([limit.clone()])
            .notify([company.ada.id])
            .notify_days_before([7, 14]);
        let keys = company.as_ada.keys();
        let key = keys.edit(before.id, before.revision, edit).await.unwrap();
        assert_eq!(keys.get(key.id).await.unwrap(), key);
        assert_eq!((key.name.as_str(), key.description.as_str(), key.group), ("Export", "writes", group));
        assert_eq!((key.api_client, key.networks), (true, vec![network("192.0.2.0/24")]));
        assert_eq!((key.external_id.as_deref(), key.metadata.as_deref()), (Some("erp-7"), Some("{}")));
        assert_eq!((key.limits, key.notify), (vec![limit], vec![company.ada.id]));
        assert_eq!((key.notify_days_before, key.revision), (vec![14, 7], before.revision + 1));
        let edit = KeyEdit::new().external_id(None).metadata(None).limits([]).notify([]).networks([]);
        let key = keys.edit(key.id, key.revision, edit).await.unwrap();
        assert_eq!((key.external_id, key.metadata, key.limits), (None, None, vec![]));
        assert_eq!((key.notify, key.networks, key.name.as_str()), (vec![], vec![], "Export"));
        let event = company.last_event("key.edited").await.unwrap();
        assert!(event.details.contains("erp-7"), "{}", event.details);
    }

    async fn an_edit_of_an_older_revision_is_lost_by_nobody(company: Company) {
        let key = company.key("import").await.key;
        let keys = company.as_ada.keys();
        keys.edit(key.id, key.revision, KeyEdit::new().name("first")).await.unwrap();
        assert_eq!(code(keys.edit(key.id, key.revision, KeyEdit::new().name("second")).await), "changed");
        assert_eq!(keys.get(key.id).await.unwrap().name, "first");
    }

    async fn an_edit_keeps_the_rules_of_generation(company: Company) {
        let account = company.key("import").await.key;
        let new = NewKey::for_tenant(company.readonly.id, "tenants", MONTH);
        let of_tenant = company.as_ada.keys().generate(new).await.unwrap().key;
        let other = company.other_tenant().await;
        let stranger = other.users().create(NewUser::new("Zoe", "zoe@other.example")).await.unwrap().id;
        let group = other.key_groups().list().await.unwrap()[0].id;
        let (bob, _) = company.user("Bob", &[]).await;
        company.as_ada.people().deactivate(bob.id).await.unwrap();
        let limit = KeyLimit { name: "requests".into(), max: 1 << 53, per_seconds: 1 };
        for (key, edit, expected) in [
            (&account, KeyEdit::new().name(""), "invalid"),
            (&account, KeyEdit::new().description(&"x".repeat(1001)), "invalid"),
            (&account, KeyEdit::new().external_id(Some("")), "invalid"),
            (&account, KeyEdit::new().metadata(Some("")), "invalid"),
            (&account, KeyEdit::new().metadata(Some("a\0b")), "invalid"),
            (&account, KeyEdit::new().limits([limit]), "invalid"),
            (&account, KeyEdit::new().notify_days_before([0]), "invalid"),
            (&account, KeyEdit::new().notify([bob.id]), "invalid"),
            (&account, KeyEdit::new().notify([stranger]), "not_found"),
            (&account, KeyEdit::new().group(group), "not_found"),
            (&of_tenant, KeyEdit::new().api_client(true), "invalid"),
        ] {
            let outcome = company.as_ada.keys().edit(key.id, key.revision, edit.clone()).await;
            assert_eq!(code(outcome), expected, "{edit:?}");
        }
        assert_eq!(company.as_ada.keys().get(account.id).await.unwrap(), account);
    }

    async fn without_networks_a_key_is_good_from_anywhere_and_each_added_one_narrows_it(company: Company) {
        let generated = company.key("import").await;
        let (id, keys) = (generated.key.id, company.as_ada.keys());
        let from = async |address: &str| {
            company.store.authenticate(text(&generated), Some(address.parse().unwrap())).await.is_ok()
        };
        assert!(from("192.0.2.7").await && from("198.51.100.7").await && is_good(&company, text(&generated)).await);
        keys.add_network(id, network("192.0.2.0/24")).await.unwrap();
        assert!(from("192.0.2.7").await && !from("198.51.100.7").await);
        assert!(!is_good(&company, text(&generated)).await, "no address is known");
        let key = keys.add_network(id, network("198.51.100.0/24")).await.unwrap();
        assert_eq!(key.networks.len(), 2);
        assert!(from("192.0.2.7").await && from("198.51.100.7").await && !from("203.0.113.7").await);
    }

    async fn the_last_network_is_not_removed_by_the_way(company: Company) {
        let (first, second) = (network("192.0.2.0/24"), network("198.51.100.0/24"));
        let id = company.key("import").await.key.id;
        let keys = company.as_ada.keys();
        assert_eq!(code(keys.remove_network(id, first).await), "invalid", "it has none");
        keys.add_network(id, first).await.unwrap();
        assert_eq!(keys.add_network(id, second).await.unwrap().networks.len(), 2);
        assert_eq!(keys.remove_network(id, first).await.unwrap().networks, [second]);
        assert_eq!(code(keys.remove_network(id, second).await), "invalid");
        let key = keys.get(id).await.unwrap();
        assert_eq!(key.networks, [second]);
        let key = keys.edit(id, key.revision, KeyEdit::new().networks([])).await.unwrap();
        assert!(key.networks.is_empty(), "said so, it is meant");
    }

    async fn a_key_is_deactivated_and_activated_again(company: Company) {
        let generated = company.key("import").await;
        let (id, keys) = (generated.key.id, company.as_ada.keys());
        let key = keys.deactivate(id).await.unwrap();
        assert_eq!((key.activated, key.status), (false, KeyStatus::Deactivated));
        assert!(!is_good(&company, text(&generated)).await);
        let key = keys.activate(id).await.unwrap();
        assert_eq!((key.activated, key.status), (true, KeyStatus::Active));
        assert!(is_good(&company, text(&generated)).await);
    }

    async fn a_key_that_was_generated_deactivated_is_good_once_it_is_activated(company: Company) {
        let new = NewKey::for_tenant(company.readonly.id, "x", MONTH).deactivated();
        let generated = company.as_ada.keys().generate(new).await.unwrap();
        assert!(!is_good(&company, text(&generated)).await);
        company.as_ada.keys().activate(generated.key.id).await.unwrap();
        assert!(is_good(&company, text(&generated)).await);
    }

    async fn nobody_makes_a_key_good_that_has_what_he_does_not_have(company: Company) {
        let account = company.service_account("strong", &["flights:*"]).await;
        let key = NewKey::for_service_account(account.id, "strong", MONTH).deactivated();
        let id = company.as_ada.keys().generate(key).await.unwrap().key.id;
        let (_, as_eve) = company.user("Eve", &["api_keys:modify_all", "flights:view"]).await;
        let keys = as_eve.keys();
        assert_eq!(code(keys.activate(id).await), "beyond_own_access");
        assert_eq!(code(keys.refresh(id).await), "beyond_own_access");
        assert_eq!(code(keys.regenerate(id, "strong").await), "beyond_own_access");
        assert_eq!(code(keys.rotate(id, TimeDelta::days(1)).await), "beyond_own_access");
        assert!(keys.deactivate(id).await.is_ok(), "less is always possible");
        assert!(keys.delete(id, "strong").await.is_ok());
    }

    async fn while_keys_are_locked_only_notifications_are_edited(company: Company) {
        let key = company.key("import").await.key;
        let keys = company.as_ada.keys();
        company.as_ada.tenants().lock_keys().await.unwrap();
        for edit in [
            KeyEdit::new().name("x"),
            KeyEdit::new().description("x"),
            KeyEdit::new().group(key.group),
            KeyEdit::new().api_client(true),
            KeyEdit::new().networks([]),
            KeyEdit::new().external_id(None),
            KeyEdit::new().metadata(None),
            KeyEdit::new().limits([]),
        ] {
            assert_eq!(code(keys.edit(key.id, key.revision, edit).await), "keys_locked");
        }
        assert_eq!(code(keys.add_network(key.id, network("192.0.2.0/24")).await), "keys_locked");
        assert_eq!(code(keys.remove_network(key.id, network("192.0.2.0/24")).await), "keys_locked");
        assert_eq!(code(keys.refresh(key.id).await), "keys_locked");
        assert_eq!(code(keys.regenerate(key.id, "import").await), "keys_locked");
        assert_eq!(code(keys.rotate(key.id, TimeDelta::days(1)).await), "keys_locked");
        assert_eq!(code(keys.activate(key.id).await), "keys_locked");
        let edit = KeyEdit::new().notify([company.ada.id]).notify_days_before([3]);
        let edited = keys.edit(key.id, key.revision, edit).await.unwrap();
        assert_eq!((edited.notify, edited.notify_days_before), (vec![company.ada.id], vec![3]));
    }

    async fn a_lock_never_prevents_deactivating_expiring_or_deleting(company: Company) {
        let key = company.key("import").await.key;
        company.as_ada.tenants().lock_keys().await.unwrap();
        let keys = company.as_ada.keys();
        assert!(keys.deactivate(key.id).await.is_ok());
        assert!(keys.expire_now(key.id, claviger_sdk::RevocationReason::Unused, "import").await.is_ok());
        assert!(keys.delete(key.id, "import").await.is_ok());
    }

    async fn what_verdicts_say_of_a_key_is_changed_by_those_who_have_its_access(company: Company) {
        let key = company.key("import").await.key;
        let network: Network = "192.0.2.0/24".parse().unwrap();
        let (_, keeper) = company.user("Keeper", &["api_keys:modify_all"]).await;
        let (_, peer) = company.user("Peer", &["api_keys:modify_all", "flights:view"]).await;
        assert_eq!(code(keeper.keys().add_network(key.id, network).await), "beyond_own_access");
        for edit in [
            KeyEdit::new().networks([]),
            KeyEdit::new().group(key.group),
            KeyEdit::new().external_id(Some("x")),
            KeyEdit::new().metadata(Some("x")),
            KeyEdit::new().limits([]),
        ] {
            assert_eq!(code(keeper.keys().edit(key.id, key.revision, edit).await), "beyond_own_access");
        }
        let renamed = keeper.keys().edit(key.id, key.revision, KeyEdit::new().name("night")).await.unwrap();
        assert_eq!(renamed.name, "night");
        assert!(peer.keys().add_network(key.id, network).await.is_ok());
    }

    async fn what_an_administrator_has_switched_off_its_user_does_not_switch_on(company: Company) {
        let (bob, as_bob) = company.user("Bob", &["api_keys:modify"]).await;
        company.operator.people().grant_role(bob.id, company.readonly.id).await.unwrap();
        let new = NewKey::on_my_behalf(company.readonly.id, "laptop", MONTH);
        let key = as_bob.keys().generate(new).await.unwrap().key;
        as_bob.keys().deactivate(key.id).await.unwrap();
        assert!(as_bob.keys().activate(key.id).await.is_ok(), "he may change his mind");
        company.as_ada.keys().deactivate(key.id).await.unwrap();
        assert_eq!(code(as_bob.keys().activate(key.id).await), "key_is_held");
        company.as_ada.keys().activate(key.id).await.unwrap();
        let other = company.as_ada.key_groups().create(NewKeyGroup::new("other")).await.unwrap().id;
        company.as_ada.key_groups().switch_off(key.group).await.unwrap();
        let revision = as_bob.keys().get(key.id).await.unwrap().revision;
        let moved = as_bob.keys().edit(key.id, revision, KeyEdit::new().group(other)).await;
        assert_eq!(code(moved), "permission_needed");
    }
}
