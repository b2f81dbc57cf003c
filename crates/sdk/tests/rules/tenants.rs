//! Tenants: the platform operator's switch, and what a tenant starts with.

use crate::company::{Company, code, on_both_stores};
use chrono::TimeDelta;
use claviger_sdk::{
    Actor, ApiKey, KeyEdit, KeyStatus, Lifetime, NewKey, NewKeyGroup, NewPersonalKey, NewRole,
    NewSharedSecret, NewTenant, RevocationReason, RoleEdit, Rule, Session,
};

/// The operator, in no tenant.
fn platform(company: &Company) -> Session {
    company.store.acting_as(Actor::operator("platform"))
}

/// A tenant beside the company's.
fn other() -> NewTenant {
    NewTenant::new("Other", "other".parse().unwrap())
}

on_both_stores! {
    async fn a_tenant_starts_with_a_group_default_and_the_built_in_roles(company: Company) {
        let groups = company.as_ada.key_groups().list().await.unwrap();
        assert_eq!(
            groups.iter().map(|group| (group.name.as_str(), group.is_default)).collect::<Vec<_>>(),
            [("default", true)]
        );
        let roles = company.as_ada.roles().list().await.unwrap();
        assert_eq!(roles.iter().map(|role| role.name.as_str()).collect::<Vec<_>>(), ["ADMIN", "READONLY"]);
        assert!(roles.iter().all(|role| role.built_in));
    }

    async fn only_the_platform_operator_switches_keys_off_and_confirms_it(company: Company) {
        let tenants = company.as_ada.tenants();
        let refused = tenants.switch_off(company.tenant.id, "Northwind").await.unwrap_err();
        assert_eq!(refused.rule(), Some(Rule::OperatorOnly));
        let tenants = company.operator.tenants();
        assert_eq!(code(tenants.switch_off(company.tenant.id, "northwind").await), "confirmation_needed");
        assert!(!tenants.switch_off(company.tenant.id, "Northwind").await.unwrap().switched_on);
        assert!(tenants.switch_on(company.tenant.id).await.unwrap().switched_on);
    }

    async fn where_keys_are_off_nothing_is_issued_and_no_key_verifies(company: Company) {
        let generated = company.key("nightly import").await;
        let text = generated.text.unwrap();
        assert!(company.store.authenticate(text.expose(), None).await.is_ok());
        company.operator.tenants().switch_off(company.tenant.id, "Northwind").await.unwrap();
        let denied = company.store.authenticate(text.expose(), None).await.unwrap_err();
        assert_eq!(denied.to_string(), "denied: disabled");
        let new = NewKey::for_tenant(company.readonly.id, "another", Lifetime::days(1));
        assert_eq!(code(company.as_ada.keys().generate(new).await), "tenant_off");
        assert_eq!(
            code(company.as_ada.keys().rotate(generated.key.id, TimeDelta::days(1)).await),
            "tenant_off"
        );
        assert_eq!(code(company.as_ada.keys().refresh(generated.key.id).await), "tenant_off");
    }

    async fn an_actor_sees_no_tenant_but_his_own(company: Company) {
        let platform = company.store.acting_as(Actor::operator("platform"));
        let other =
            platform.tenants().create(NewTenant::new("Other", "other".parse().unwrap())).await.unwrap();
        assert_eq!(company.as_ada.tenants().list().await.unwrap(), std::slice::from_ref(&company.tenant));
        assert_eq!(code(company.as_ada.tenants().get(other.id).await), "not_found");
        assert_eq!(code(company.as_ada.in_tenant(other.id).keys().list().await), "not_found");
        assert_eq!(platform.tenants().list().await.unwrap().len(), 2);
    }

    async fn only_the_platform_operator_creates_a_tenant(company: Company) {
        let refused = company.as_ada.tenants().create(other()).await.unwrap_err();
        assert_eq!(refused.rule(), Some(Rule::OperatorOnly));
        assert_eq!(platform(&company).tenants().list().await.unwrap().len(), 1);
        assert_eq!(platform(&company).tenants().create(other()).await.unwrap().name, "Other");
    }

    async fn a_new_tenant_is_on_and_not_locked_and_has_the_prefixes_that_were_named(company: Company) {
        let tenant = &company.tenant;
        assert_eq!(tenant.name, "Northwind");
        assert!(tenant.switched_on);
        assert!(!tenant.locked);
        let prefixes: Vec<_> = tenant.key_prefixes.iter().map(ToString::to_string).collect();
        assert_eq!(prefixes, ["nw_live", "nw_test"]);
        assert_eq!((tenant.created_at, tenant.revision), (crate::company::start(), 1));
    }

    async fn a_tenant_is_got_by_its_id(company: Company) {
        assert_eq!(company.as_ada.tenants().get(company.tenant.id).await.unwrap(), company.tenant);
        assert_eq!(platform(&company).tenants().get(company.tenant.id).await.unwrap(), company.tenant);
        let nobodys = "ten_0000000000g".parse().unwrap();
        assert_eq!(code(platform(&company).tenants().get(nobodys).await), "not_found");
    }

    async fn the_operator_lists_all_tenants_by_name(company: Company) {
        for name in ["Zephyr", "Albatross"] {
            platform(&company).tenants().create(NewTenant::new(name, "x".parse().unwrap())).await.unwrap();
        }
        let tenants = platform(&company).tenants().list().await.unwrap();
        let names: Vec<_> = tenants.iter().map(|tenant| tenant.name.as_str()).collect();
        assert_eq!(names, ["Albatross", "Northwind", "Zephyr"]);
    }

    async fn a_tenants_name_is_unique_on_the_platform(company: Company) {
        let again = NewTenant::new("Northwind", "other".parse().unwrap());
        assert_eq!(code(platform(&company).tenants().create(again).await), "exists");
        let other = platform(&company).tenants().create(other()).await.unwrap();
        let tenants = company.store.acting_as(Actor::operator("platform"));
        assert_eq!(code(tenants.tenants().rename(other.id, other.revision, "Northwind").await), "exists");
        assert_eq!(tenants.tenants().get(other.id).await.unwrap(), other.into_record());
    }

    async fn only_the_platform_operator_renames_a_tenant(company: Company) {
        let (id, revision) = (company.tenant.id, company.tenant.revision);
        assert_eq!(code(company.as_ada.tenants().rename(id, revision, "Southwind").await), "operator_only");
        let renamed = platform(&company).tenants().rename(id, revision, "Southwind").await.unwrap();
        assert_eq!((renamed.name.as_str(), renamed.revision), ("Southwind", 2));
        assert_eq!(company.as_ada.tenants().get(id).await.unwrap(), renamed);
    }

    async fn where_keys_are_off_no_secret_of_any_kind_is_issued(company: Company) {
        let key = company.key("import").await.key;
        let secrets = company.as_ada.shared_secrets();
        let secret = secrets.create(NewSharedSecret::integration("partner")).await.unwrap();
        company.as_ada.keys().deactivate(key.id).await.unwrap();
        company.operator.tenants().switch_off(company.tenant.id, "Northwind").await.unwrap();
        assert_eq!(code(company.as_ada.keys().regenerate(key.id, "import").await), "tenant_off");
        assert_eq!(code(company.as_ada.keys().activate(key.id).await), "tenant_off");
        let personal = company.as_ada.personal_keys();
        assert_eq!(code(personal.generate(NewPersonalKey::new(Lifetime::days(1)).confirming("ADMIN")).await), "tenant_off");
        assert_eq!(code(secrets.create(NewSharedSecret::integration("another")).await), "tenant_off");
        assert_eq!(code(secrets.rotate(secret.id, TimeDelta::days(1)).await), "tenant_off");
    }

    async fn where_keys_are_off_permissions_about_keys_are_not_listed(company: Company) {
        let about_keys = async |session: &Session| {
            let permissions = session.permissions().list().await.unwrap();
            permissions.iter().filter(|permission| permission.name.starts_with("api_keys:")).count()
        };
        assert_eq!(about_keys(&company.as_ada).await, 3);
        company.operator.tenants().switch_off(company.tenant.id, "Northwind").await.unwrap();
        assert_eq!(about_keys(&company.as_ada).await, 0);
        assert_eq!(about_keys(&company.operator).await, 0);
        let others = company.as_ada.permissions().list().containing("flights").await.unwrap();
        assert_eq!(others.len(), 3, "other permissions stay");
        let containing = company.as_ada.permissions().list().containing("api_keys").await.unwrap();
        assert_eq!(containing, []);
    }

    async fn where_keys_are_off_permissions_about_keys_are_not_grantable(company: Company) {
        let roles = company.as_ada.roles();
        let role = roles.define(NewRole::new("key keeper", ["api_keys:view"])).await.unwrap();
        let harmless = roles.define(NewRole::new("dispatcher", ["flights:view"])).await.unwrap();
        let (ben, _) = company.user("Ben", &[]).await;
        company.operator.tenants().switch_off(company.tenant.id, "Northwind").await.unwrap();
        for permission in ["api_keys:view", "api_keys:modify_all", "api_keys:*"] {
            for session in [&company.as_ada, &company.operator] {
                assert_eq!(code(session.people().grant_permission(ben.id, permission).await), "tenant_off");
            }
            assert_eq!(code(roles.define(NewRole::new("another", [permission])).await), "tenant_off");
            let edit = RoleEdit::new().permissions([permission]);
            assert_eq!(code(roles.edit(harmless.id, harmless.revision, edit).await), "tenant_off");
        }
        assert_eq!(code(company.as_ada.people().grant_role(ben.id, role.id).await), "tenant_off");
        company.as_ada.people().grant_role(ben.id, harmless.id).await.unwrap();
        company.as_ada.people().grant_permission(ben.id, "crew:view").await.unwrap();
    }

    async fn what_was_granted_about_keys_can_be_taken_while_keys_are_off(company: Company) {
        let (ben, _) = company.user("Ben", &["api_keys:view"]).await;
        company.operator.tenants().switch_off(company.tenant.id, "Northwind").await.unwrap();
        company.as_ada.people().take_permission(ben.id, "api_keys:view").await.unwrap();
        assert!(!company.as_ada.people().access(ben.id).await.unwrap().allows("api_keys:view"));
    }

    async fn switched_on_again_keys_are_good_as_before(company: Company) {
        let generated = company.key("import").await;
        let text = generated.text.unwrap();
        company.operator.tenants().switch_off(company.tenant.id, "Northwind").await.unwrap();
        assert_eq!(company.as_ada.keys().get(generated.key.id).await.unwrap().status, KeyStatus::TenantOff);
        company.operator.tenants().switch_on(company.tenant.id).await.unwrap();
        assert_eq!(company.as_ada.keys().get(generated.key.id).await.unwrap(), generated.key);
        assert!(company.store.authenticate(text.expose(), None).await.is_ok());
        company.as_ada.keys().rotate(generated.key.id, TimeDelta::days(1)).await.unwrap();
    }

    async fn only_the_platform_operator_switches_keys_on(company: Company) {
        company.operator.tenants().switch_off(company.tenant.id, "Northwind").await.unwrap();
        assert_eq!(code(company.as_ada.tenants().switch_on(company.tenant.id).await), "operator_only");
        assert!(!company.as_ada.tenants().get(company.tenant.id).await.unwrap().switched_on);
    }

    async fn keys_off_in_one_tenant_are_on_in_another(company: Company) {
        let other = platform(&company).tenants().create(other()).await.unwrap();
        platform(&company).tenants().switch_off(other.id, "Other").await.unwrap();
        let text = company.key("import").await.text.unwrap();
        assert!(company.store.authenticate(text.expose(), None).await.is_ok());
        assert!(company.as_ada.tenants().get(company.tenant.id).await.unwrap().switched_on);
    }

    async fn a_tenant_locks_and_unlocks_its_keys_with_tenant_modify(company: Company) {
        let (_, as_ben) = company.user("Ben", &["people:view", "api_keys:modify_all"]).await;
        assert_eq!(code(as_ben.tenants().lock_keys().await), "permission_needed");
        assert!(company.as_ada.tenants().lock_keys().await.unwrap().locked);
        assert_eq!(code(as_ben.tenants().unlock_keys().await), "permission_needed");
        assert!(company.as_ada.tenants().get(company.tenant.id).await.unwrap().locked);
        assert!(!company.as_ada.tenants().unlock_keys().await.unwrap().locked);
        let (_, as_cy) = company.user("Cy", &["tenant:modify"]).await;
        assert!(as_cy.tenants().lock_keys().await.unwrap().locked);
    }

    async fn a_lock_leaves_only_notifications_to_be_edited(company: Company) {
        let key = company.key("import").await.key;
        let group = company.as_ada.key_groups().create(NewKeyGroup::new("nightly")).await.unwrap();
        company.as_ada.tenants().lock_keys().await.unwrap();
        let keys = company.as_ada.keys();
        for edit in [
            KeyEdit::new().name("another"),
            KeyEdit::new().description("another"),
            KeyEdit::new().group(group.id),
            KeyEdit::new().api_client(true),
            KeyEdit::new().networks(["192.0.2.0/24".parse().unwrap()]),
            KeyEdit::new().external_id(Some("x")),
            KeyEdit::new().metadata(Some("x")),
            KeyEdit::new().limits([]),
            KeyEdit::new().notify([company.ada.id]).name("another"),
        ] {
            assert_eq!(code(keys.edit(key.id, key.revision, edit.clone()).await), "keys_locked", "{edit:?}");
        }
        assert_eq!(keys.get(key.id).await.unwrap(), key);
        let edit = KeyEdit::new().notify([company.ada.id]).notify_days_before([7, 30]);
        let edited = keys.edit(key.id, key.revision, edit).await.unwrap();
        assert_eq!((edited.notify, edited.notify_days_before), (vec![company.ada.id], vec![30, 7]));
    }

    async fn a_lock_refuses_what_makes_keys_good_or_better(company: Company) {
        let ApiKey { id, .. } = company.key("import").await.key;
        let group = company.as_ada.key_groups().create(NewKeyGroup::new("nightly")).await.unwrap().id;
        let edit = KeyEdit::new().group(group).networks(["192.0.2.0/24".parse().unwrap()]);
        company.as_ada.keys().edit(id, 1, edit).await.unwrap();
        let (ben, as_ben) = company.user("Ben", &["flights:view"]).await;
        let personal =
            as_ben.personal_keys().generate(NewPersonalKey::new(Lifetime::days(1))).await.unwrap().key.id.to_string();
        company.as_ada.tenants().lock_keys().await.unwrap();
        let keys = company.as_ada.keys();
        for locked in [
            code(keys.add_network(id, "198.51.100.0/24".parse().unwrap()).await),
            code(keys.remove_network(id, "192.0.2.0/24".parse().unwrap()).await),
            code(keys.activate(id).await),
            code(keys.refresh(id).await),
            code(keys.regenerate(id, "import").await),
            code(keys.rotate(id, TimeDelta::days(1)).await),
            code(company.as_ada.key_groups().switch_on(group).await),
            code(
                company
                    .as_ada
                    .key_groups()
                    .delete(group, Some(keys_default(&company).await), "nightly")
                    .await,
            ),
            code(as_ben.personal_keys().regenerate(&personal).await),
            code(as_ben.personal_keys().activate(ben.id).await),
        ] {
            assert_eq!(locked, "keys_locked");
        }
    }

    async fn a_lock_never_prevents_deactivating_expiring_and_deleting(company: Company) {
        let [first, second] = [company.key("first").await.key, company.key("second").await.key];
        let (ben, as_ben) = company.user("Ben", &["flights:view"]).await;
        as_ben.personal_keys().generate(NewPersonalKey::new(Lifetime::days(1))).await.unwrap();
        company.as_ada.tenants().lock_keys().await.unwrap();
        let keys = company.as_ada.keys();
        assert_eq!(keys.deactivate(first.id).await.unwrap().status, KeyStatus::Deactivated);
        let ended = keys.expire_now(first.id, RevocationReason::Unused, "first").await.unwrap();
        assert_eq!(ended.status, KeyStatus::Revoked);
        keys.delete(second.id, "second").await.unwrap();
        assert_eq!(code(keys.get(second.id).await), "not_found");
        let group = keys_default(&company).await;
        assert!(!company.as_ada.key_groups().switch_off(group).await.unwrap().switched_on);
        assert!(!as_ben.personal_keys().deactivate(ben.id).await.unwrap().activated);
        company.as_ada.personal_keys().delete(ben.id, &ben.id.to_string()).await.unwrap();
        assert_eq!(as_ben.personal_keys().get().await.unwrap(), None);
        company.as_ada.people().deactivate(ben.id).await.unwrap();
    }

    async fn a_locked_key_is_as_good_as_before(company: Company) {
        let text = company.key("import").await.text.unwrap();
        company.as_ada.tenants().lock_keys().await.unwrap();
        assert!(company.store.authenticate(text.expose(), None).await.is_ok());
    }

    async fn unlocked_keys_can_be_edited_again(company: Company) {
        let key = company.key("import").await.key;
        company.as_ada.tenants().lock_keys().await.unwrap();
        company.as_ada.tenants().unlock_keys().await.unwrap();
        let edited =
            company.as_ada.keys().edit(key.id, key.revision, KeyEdit::new().name("export")).await.unwrap();
        assert_eq!(edited.name, "export");
        company.as_ada.keys().refresh(key.id).await.unwrap();
    }

    async fn the_operator_says_in_which_tenant_he_acts(company: Company) {
        let refused = platform(&company).tenants().lock_keys().await.unwrap_err();
        assert_eq!(refused.code(), "invalid");
        assert!(refused.to_string().starts_with("tenant: "), "{refused}");
        let nobodys = "ten_0000000000g".parse().unwrap();
        assert_eq!(code(platform(&company).in_tenant(nobodys).tenants().lock_keys().await), "not_found");
    }
}

/// The group `default`.
async fn keys_default(company: &Company) -> claviger_sdk::GroupId {
    company.as_ada.key_groups().list().await.unwrap().into_iter().find(|group| group.is_default).unwrap().id
}
