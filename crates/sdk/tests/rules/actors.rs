//! Keys as actors: what a presented key may do in the store.

use crate::{
    company::{Company, code, on_both_stores},
    keys::{forged, is_good, text},
};
use chrono::TimeDelta;
use claviger_core::{SignedKeyTerms, VerifierValue, parse};
use claviger_sdk::{
    Lifetime, NewKey, NewKeyGroup, NewPersonalKey, NewRole, NewUser, RevocationReason, Rule, Session,
    Unauthenticated,
};

const MONTH: Lifetime = Lifetime::days(30);

/// Why a key is no actor.
async fn denial(company: &Company, presented: &str) -> &'static str {
    match company.store.authenticate(presented, None).await.unwrap_err() {
        Unauthenticated::Denied(code) => code.as_str(),
        other => panic!("{other}"),
    }
}

async fn acting(company: &Company, presented: &str) -> Session {
    company.store.acting_as(company.store.authenticate(presented, None).await.unwrap())
}

on_both_stores! {
    async fn a_key_acts_with_its_effective_access_in_its_tenant(company: Company) {
        let account = company.service_account("sync", &["people:view"]).await;
        let new = NewKey::for_service_account(account.id, "sync", MONTH);
        let generated = company.as_ada.keys().generate(new).await.unwrap();
        let session = acting(&company, text(&generated)).await;
        assert!(session.people().list().await.is_ok());
        assert_eq!(code(session.roles().list().await), "permission_needed");
        company.as_ada.people().grant_permission(account.id, "roles:view").await.unwrap();
        assert!(session.roles().list().await.is_ok(), "as it is now");
        let other = company.other_tenant().await.tenants().list().await.unwrap();
        let other = other.iter().find(|tenant| tenant.name == "Other").unwrap().id;
        assert_eq!(code(session.in_tenant(other).people().list().await), "not_found");
    }

    async fn a_read_only_key_reads_only(company: Company) {
        let account = company.service_account("sync", &["people:view", "people:modify"]).await;
        let new = NewKey::for_service_account(account.id, "sync", MONTH).read_only();
        let generated = company.as_ada.keys().generate(new).await.unwrap();
        let session = acting(&company, text(&generated)).await;
        assert!(session.people().list().await.is_ok());
        assert_eq!(code(session.users().create(NewUser::new("X", "x@x")).await), "permission_needed");
    }

    async fn what_a_key_does_is_audited_as_the_keys(company: Company) {
        let account = company.service_account("sync", &["people:modify"]).await;
        let new = NewKey::for_service_account(account.id, "sync", MONTH);
        let generated = company.as_ada.keys().generate(new).await.unwrap();
        let address = "192.0.2.7".parse().unwrap();
        let actor = company.store.authenticate(text(&generated), Some(address)).await.unwrap();
        company.store.acting_as(actor).users().create(NewUser::new("X", "x@x.example")).await.unwrap();
        let events = company.operator.audit().list().limit(1).await.unwrap();
        assert_eq!(events[0].actor, format!("key:{}", generated.key.id));
        assert_eq!(events[0].origin, "192.0.2.7");
    }

    async fn keys_never_grant(company: Company) {
        let new = NewKey::for_tenant(company.admin.id, "root", MONTH).confirming("ADMIN");
        let root = company.as_ada.keys().generate(new).await.unwrap();
        let personal = company.as_ada.personal_keys().generate(NewPersonalKey::new(MONTH).confirming("ADMIN")).await.unwrap();
        let role = company.role_of("Viewer", &["flights:view"]).await;
        let (bob, _) = company.user_in("Bob", &[], &role).await;
        for generated in [root, personal] {
            let session = acting(&company, text(&generated)).await;
            let people = session.people();
            for outcome in [
                people.grant_role(bob.id, role.id).await,
                people.grant_permission(bob.id, "flights:view").await,
                people.grant_permission(bob.id, "api_keys:modify_all").await,
                people.take_permission(bob.id, "flights:view").await,
                people.take_role(bob.id, role.id).await.map(drop),
                session.roles().define(NewRole::new("X", ["flights:view"])).await.map(drop),
                session.roles().delete(role.id, "Viewer").await.map(drop),
            ] {
                assert_eq!(outcome.unwrap_err().rule(), Some(Rule::KeysNeverGrant));
            }
        }
    }

    async fn a_key_issues_nothing_that_it_does_not_have(company: Company) {
        let weak = company.service_account("weak", &["api_keys:modify_all", "flights:view"]).await;
        let strong = company.service_account("strong", &["flights:*"]).await;
        let new = NewKey::for_service_account(weak.id, "weak", MONTH);
        let generated = company.as_ada.keys().generate(new.clone()).await.unwrap();
        let session = acting(&company, text(&generated)).await;
        let beyond = NewKey::for_service_account(strong.id, "x", MONTH);
        assert_eq!(code(session.keys().generate(beyond).await), "beyond_own_access");
        assert!(session.keys().generate(new).await.is_ok());
        let mine = NewKey::on_my_behalf(company.readonly.id, "x", MONTH);
        assert_eq!(code(session.keys().generate(mine).await), "invalid", "it acts for no user");
    }

    async fn a_users_key_acts_on_his_behalf(company: Company) {
        let role = company.role_of("Self service", &["api_keys:modify", "flights:view"]).await;
        let strong = company.role_of("Strong", &["flights:*"]).await;
        let (bob, as_bob) = company.user_in("Bob", &[], &role).await;
        company.as_ada.people().grant_role(bob.id, strong.id).await.unwrap();
        let generated = as_bob.keys().generate(NewKey::on_my_behalf(role.id, "laptop", MONTH)).await.unwrap();
        let session = acting(&company, text(&generated)).await;
        let second = session.keys().generate(NewKey::on_my_behalf(role.id, "phone", MONTH)).await.unwrap();
        assert_eq!(second.key.owner.person(), Some(bob.id));
        assert_eq!(session.keys().list().await.unwrap().records.len(), 2);
        let beyond = NewKey::on_my_behalf(strong.id, "x", MONTH);
        assert_eq!(code(session.keys().generate(beyond).await), "beyond_own_access", "in its role alone");
    }

    async fn a_personal_key_cannot_do_what_is_the_users_own_affair(company: Company) {
        let (bob, as_bob) = company.user("Bob", &["people:view"]).await;
        let generated = as_bob.personal_keys().generate(NewPersonalKey::new(MONTH)).await.unwrap();
        let session = acting(&company, text(&generated)).await;
        assert!(session.people().list().await.is_ok());
        let personal = session.personal_keys();
        let id = generated.key.id.to_string();
        assert_eq!(personal.get().await.unwrap_err().rule(), Some(Rule::UserOnly));
        assert_eq!(personal.access().await.unwrap_err().rule(), Some(Rule::UserOnly));
        assert_eq!(personal.generate(NewPersonalKey::new(MONTH)).await.unwrap_err().rule(), Some(Rule::UserOnly));
        assert_eq!(personal.regenerate(&id).await.unwrap_err().rule(), Some(Rule::UserOnly));
        assert_eq!(code(personal.deactivate(bob.id).await), "permission_needed");
        assert_eq!(code(personal.activate(bob.id).await), "permission_needed");
        assert_eq!(code(personal.delete(bob.id, &bob.id.to_string()).await), "permission_needed");
        assert!(is_good(&company, text(&generated)).await);
    }

    async fn signed_keys_and_access_tokens_are_no_actors(company: Company) {
        let secret = company.issuing_secret().await;
        let new = NewKey::for_tenant(company.readonly.id, "signed", MONTH).signed_by(secret);
        let signed = company.as_ada.keys().generate(new).await.unwrap();
        assert_eq!(denial(&company, text(&signed)).await, "unknown_key");
        let client = company.key("client").await;
        let value = VerifierValue::of_key(&parse(text(&client)).unwrap()).unwrap();
        let now = u64::try_from(company.now().timestamp()).unwrap();
        let issuer = company.issuing_key(secret).await;
        let token = issuer.generate_access_token(client.key.id, &value, SignedKeyTerms::expiring(now, 60)).unwrap();
        assert_eq!(denial(&company, token.expose()).await, "unknown_key");
        let secret = company.operator.shared_secrets().reveal(secret).await.unwrap();
        assert_eq!(denial(&company, secret.expose()).await, "malformed");
    }

    async fn what_is_no_key_is_no_actor(company: Company) {
        let generated = company.key("import").await;
        let whole = text(&generated);
        let swapped = whole.replacen("nw_live", "nw_test", 1);
        let mut mistyped = whole.to_owned();
        let last = mistyped.pop();
        mistyped.push(if last == Some('0') { '1' } else { '0' });
        for (presented, expected) in [
            ("", "missing"),
            ("hello", "malformed"),
            (mistyped.as_str(), "bad_checksum"),
            (swapped.as_str(), "bad_checksum"),
            (forged(&generated).as_str(), "bad_secret"),
        ] {
            assert_eq!(denial(&company, presented).await, expected);
        }
        let mut entropy = [4; 40];
        entropy[..8].copy_from_slice(&generated.key.id.as_u64().to_be_bytes());
        let other = "other".parse().unwrap();
        let (_, other) = claviger_core::generate_opaque_key(&other, claviger_core::OpaqueUse::Bearer, &entropy);
        assert_eq!(denial(&company, other.expose()).await, "bad_secret");
        company.as_ada.keys().delete(generated.key.id, "import").await.unwrap();
        assert_eq!(denial(&company, whole).await, "unknown_key");
    }

    async fn a_key_that_is_not_good_is_no_actor_and_its_session_ends(company: Company) {
        let group = company.as_ada.key_groups().create(NewKeyGroup::new("partners")).await.unwrap().id;
        let account = company.service_account("sync", &["people:view"]).await;
        let new = NewKey::for_service_account(account.id, "sync", Lifetime::days(1)).in_group(group);
        let generated = company.as_ada.keys().generate(new).await.unwrap();
        let (id, text) = (generated.key.id, text(&generated));
        let session = acting(&company, text).await;
        let ada = &company.as_ada;
        let denied = async |expected: &str| {
            assert_eq!(denial(&company, text).await, expected);
            let refused = session.people().list().await.unwrap_err();
            assert_eq!(refused.rule(), Some(Rule::ActorInactive));
        };
        ada.keys().deactivate(id).await.unwrap();
        denied("disabled").await;
        ada.keys().activate(id).await.unwrap();
        ada.key_groups().switch_off(group).await.unwrap();
        denied("disabled").await;
        ada.key_groups().switch_on(group).await.unwrap();
        ada.people().deactivate(account.id).await.unwrap();
        denied("disabled").await;
        ada.people().activate(account.id).await.unwrap();
        assert!(session.people().list().await.is_ok());
        company.operator.tenants().switch_off(company.tenant.id, "Northwind").await.unwrap();
        denied("disabled").await;
        company.operator.tenants().switch_on(company.tenant.id).await.unwrap();
        company.advance(TimeDelta::days(1));
        denied("expired").await;
        ada.keys().expire_now(id, RevocationReason::Unused, "sync").await.unwrap();
        denied("revoked").await;
        ada.keys().delete(id, "sync").await.unwrap();
        assert_eq!(denial(&company, text).await, "unknown_key");
        assert_eq!(code(session.people().list().await), "not_found");
    }

    async fn a_key_of_networks_acts_from_there_alone(company: Company) {
        let account = company.service_account("sync", &["people:view"]).await;
        let new = NewKey::for_service_account(account.id, "sync", MONTH).network("192.0.2.0/24".parse().unwrap());
        let generated = company.as_ada.keys().generate(new).await.unwrap();
        let text = text(&generated);
        assert_eq!(denial(&company, text).await, "ip_not_allowed");
        let from = async |address: &str| {
            company.store.authenticate(text, Some(address.parse().unwrap())).await.is_ok()
        };
        assert!(from("192.0.2.9").await && !from("198.51.100.9").await);
        assert!(from("::ffff:192.0.2.9").await, "the same address in IPv6");
    }
}
