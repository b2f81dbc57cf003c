//! Who sees and manages which keys.

use super::ids;
use crate::company::{code, on_both_stores};
use claviger_sdk::{KeyEdit, Lifetime, NewKey, RevocationReason};

on_both_stores! {
    async fn with_api_keys_view_all_keys_are_seen_and_none_is_changed(company: Company) {
        let key = company.key("import").await.key;
        let (_, as_eve) = company.user("Eve", &["api_keys:view", "flights:*"]).await;
        let keys = as_eve.keys();
        assert_eq!(ids(&keys.list().await.unwrap().records), [key.id]);
        assert_eq!(keys.get(key.id).await.unwrap(), key);
        for outcome in [
            keys.edit(key.id, key.revision, KeyEdit::new().name("x")).await.map(drop),
            keys.activate(key.id).await.map(drop),
            keys.deactivate(key.id).await.map(drop),
            keys.refresh(key.id).await.map(drop),
            keys.rotate(key.id, chrono::TimeDelta::days(1)).await.map(drop),
            keys.regenerate(key.id, "import").await.map(drop),
            keys.expire_now(key.id, RevocationReason::Unused, "import").await.map(drop),
            keys.delete(key.id, "import").await.map(drop),
            keys.add_network(key.id, "192.0.2.0/24".parse().unwrap()).await.map(drop),
            keys.remove_network(key.id, "192.0.2.0/24".parse().unwrap()).await.map(drop),
        ] {
            assert_eq!(code(outcome), "permission_needed");
        }
        assert_eq!(company.as_ada.keys().get(key.id).await.unwrap(), key);
    }

    async fn with_api_keys_modify_only_ones_own_keys_are_seen_and_managed(company: Company) {
        let role = company.role_of("Dispatcher", &["flights:view"]).await;
        let (bob, as_bob) = company.user_in("Bob", &["api_keys:modify"], &role).await;
        let (eve, _) = company.user_in("Eve", &[], &role).await;
        let month = Lifetime::days(30);
        let mine = as_bob.keys().generate(NewKey::on_my_behalf(role.id, "mine", month)).await.unwrap().key;
        let mut others = vec![company.key("import").await.key];
        for new in [
            NewKey::on_behalf_of(eve.id, role.id, "hers", month),
            NewKey::for_tenant(role.id, "tenants", month),
        ] {
            others.push(company.as_ada.keys().generate(new).await.unwrap().key);
        }
        let for_me = NewKey::on_behalf_of(bob.id, role.id, "for me", month);
        let for_me = company.as_ada.keys().generate(for_me).await.unwrap().key;
        let keys = as_bob.keys();
        assert_eq!(ids(&keys.list().await.unwrap().records), [for_me.id, mine.id]);
        assert_eq!(keys.get(for_me.id).await.unwrap(), for_me);
        for other in others {
            assert_eq!(code(keys.get(other.id).await), "not_found");
            assert_eq!(code(keys.deactivate(other.id).await), "not_found");
            assert_eq!(code(keys.delete(other.id, &other.name).await), "not_found");
            assert!(keys.list().owned_by(eve.id).await.unwrap().records.is_empty());
        }
        let mine = keys.edit(mine.id, mine.revision, KeyEdit::new().name("laptop")).await.unwrap();
        assert!(keys.deactivate(mine.id).await.is_ok() && keys.activate(mine.id).await.is_ok());
        assert!(keys.refresh(mine.id).await.is_ok() && keys.regenerate(mine.id, "laptop").await.is_ok());
        assert!(keys.rotate(mine.id, chrono::TimeDelta::days(1)).await.is_ok());
        assert!(keys.expire_now(mine.id, RevocationReason::Unused, "laptop").await.is_ok());
        assert!(keys.delete(mine.id, "laptop").await.is_ok());
    }

    async fn without_any_of_the_permissions_no_key_is_seen(company: Company) {
        let role = company.role_of("Dispatcher", &["flights:view"]).await;
        let (bob, as_bob) = company.user_in("Bob", &["flights:*", "crew:view"], &role).await;
        let new = NewKey::on_behalf_of(bob.id, role.id, "for him", Lifetime::days(30));
        let key = company.as_ada.keys().generate(new).await.unwrap().key;
        assert_eq!(code(as_bob.keys().list().await), "permission_needed");
        assert_eq!(code(as_bob.keys().get(key.id).await), "not_found");
        assert_eq!(code(as_bob.keys().access(key.id).await), "not_found");
    }

    async fn with_api_keys_modify_all_every_key_is_seen_and_managed(company: Company) {
        let key = company.key("import").await.key;
        let (_, as_eve) = company.user("Eve", &["api_keys:modify_all", "flights:view"]).await;
        let keys = as_eve.keys();
        assert_eq!(ids(&keys.list().await.unwrap().records), [key.id]);
        let key = keys.edit(key.id, key.revision, KeyEdit::new().name("x")).await.unwrap();
        assert!(keys.refresh(key.id).await.is_ok());
        assert!(keys.delete(key.id, "x").await.is_ok());
    }

    async fn keys_of_another_tenant_are_unknown(company: Company) {
        let key = company.key("import").await.key;
        let other = company.other_tenant().await;
        assert_eq!(code(other.keys().get(key.id).await), "not_found");
        assert_eq!(code(other.keys().delete(key.id, "import").await), "not_found");
        assert!(other.keys().list().await.unwrap().records.is_empty());
    }
}
