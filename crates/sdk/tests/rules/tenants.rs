//! Tenants: the platform operator's switch, and what a tenant starts with.

use crate::company::{code, on_both_stores};
use claviger_sdk::{Actor, Lifetime, NewKey, NewTenant, Rule};

on_both_stores! {
    async fn a_tenant_starts_with_a_group_default_and_the_built_in_roles(company: Company) {
        let groups = company.as_ada.key_groups().list().await.unwrap();
        assert_eq!(groups.iter().map(|group| (group.name.as_str(), group.is_default)).collect::<Vec<_>>(), [("default", true)]);
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
        assert_eq!(code(company.as_ada.keys().rotate(generated.key.id, chrono::TimeDelta::days(1)).await), "tenant_off");
        assert_eq!(code(company.as_ada.keys().refresh(generated.key.id).await), "tenant_off");
    }

    async fn an_actor_sees_no_tenant_but_his_own(company: Company) {
        let platform = company.store.acting_as(Actor::operator("platform"));
        let other = platform.tenants().create(NewTenant::new("Other", "other".parse().unwrap())).await.unwrap();
        assert_eq!(company.as_ada.tenants().list().await.unwrap(), std::slice::from_ref(&company.tenant));
        assert_eq!(code(company.as_ada.tenants().get(other.id).await), "not_found");
        assert_eq!(code(company.as_ada.in_tenant(other.id).keys().list().await), "not_found");
        assert_eq!(platform.tenants().list().await.unwrap().len(), 2);
    }
}
