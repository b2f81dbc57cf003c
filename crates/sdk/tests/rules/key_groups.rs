//! Key groups: every key is in one, and each switches its keys on or off.

use crate::company::{Company, code, on_both_stores};
use claviger_sdk::{
    Actor, Error, Generated, GroupId, KeyEdit, KeyGroup, KeyGroupEdit, KeyStatus, Lifetime, NewKey,
    NewKeyGroup, NewTenant, Rule,
};

async fn group(company: &Company, name: &str) -> KeyGroup {
    company.as_ada.key_groups().create(NewKeyGroup::new(name)).await.unwrap().into_record()
}

async fn default(company: &Company) -> KeyGroup {
    company.as_ada.key_groups().list().await.unwrap().into_iter().find(|group| group.is_default).unwrap()
}

/// A key in this group.
async fn key_in(company: &Company, group: GroupId, name: &str) -> Generated {
    let account = company.service_account(name, &["flights:view"]).await;
    let new = NewKey::for_service_account(account.id, name, Lifetime::days(90)).in_group(group);
    company.as_ada.keys().generate(new).await.unwrap()
}

on_both_stores! {
    async fn a_group_has_a_name_and_a_description_and_starts_switched_on(company: Company) {
        let new = NewKeyGroup::new("nightly").description("what runs at night");
        let created = company.as_ada.key_groups().create(new).await.unwrap();
        assert!(!created.replayed());
        let created = created.into_record();
        assert_eq!((created.name.as_str(), created.description.as_str()), ("nightly", "what runs at night"));
        assert!(created.switched_on);
        assert!(!created.is_default);
        assert_eq!(
            (created.tenant, created.created_at, created.revision),
            (company.tenant.id, company.now(), 1)
        );
        assert_eq!(company.as_ada.key_groups().get(created.id).await.unwrap(), created);
    }

    async fn groups_are_listed_by_name(company: Company) {
        for name in ["nightly", "aircraft"] {
            group(&company, name).await;
        }
        let groups = company.as_ada.key_groups().list().await.unwrap();
        assert_eq!(
            groups.iter().map(|group| group.name.as_str()).collect::<Vec<_>>(),
            ["aircraft", "default", "nightly"]
        );
    }

    async fn a_groups_name_is_unique_in_the_tenant(company: Company) {
        let nightly = group(&company, "nightly").await;
        for taken in ["nightly", "default"] {
            assert_eq!(code(company.as_ada.key_groups().create(NewKeyGroup::new(taken)).await), "exists");
        }
        let edit = KeyGroupEdit::new().name("default");
        assert_eq!(code(company.as_ada.key_groups().edit(nightly.id, 1, edit).await), "exists");
        let platform = company.store.acting_as(Actor::operator("platform"));
        let other = NewTenant::new("Other", "other".parse().unwrap());
        let other = platform.in_tenant(platform.tenants().create(other).await.unwrap().id);
        other.key_groups().create(NewKeyGroup::new("nightly")).await.unwrap();
    }

    async fn a_group_is_edited(company: Company) {
        let nightly = group(&company, "nightly").await;
        let edit = KeyGroupEdit::new().name("by night").description("dark");
        let edited = company.as_ada.key_groups().edit(nightly.id, nightly.revision, edit).await.unwrap();
        assert_eq!(
            (edited.name.as_str(), edited.description.as_str(), edited.revision),
            ("by night", "dark", 2)
        );
        let edited =
            company.as_ada.key_groups().edit(nightly.id, 2, KeyGroupEdit::new().name("night")).await.unwrap();
        assert_eq!(edited.description, "dark", "what is not said stays");
        assert_eq!(company.as_ada.key_groups().get(nightly.id).await.unwrap(), edited);
    }

    async fn changing_groups_needs_api_keys_modify_all(company: Company) {
        let nightly = group(&company, "nightly").await;
        let (_, as_ben) = company.user("Ben", &["api_keys:view", "api_keys:modify"]).await;
        let groups = as_ben.key_groups();
        for refused in [
            code(groups.create(NewKeyGroup::new("x")).await),
            code(groups.edit(nightly.id, 1, KeyGroupEdit::new().name("x")).await),
            code(groups.switch_on(nightly.id).await),
            code(groups.switch_off(nightly.id).await),
            code(groups.delete(nightly.id, None, "nightly").await),
        ] {
            assert_eq!(refused, "permission_needed");
        }
        assert_eq!(groups.get(nightly.id).await.unwrap(), nightly, "seeing them needs api_keys:view");
        assert_eq!(groups.list().await.unwrap().len(), 2);
    }

    async fn seeing_groups_needs_api_keys_view_or_modify_all(company: Company) {
        let (_, as_ben) = company.user("Ben", &["api_keys:modify", "people:view"]).await;
        assert_eq!(code(as_ben.key_groups().list().await), "permission_needed");
        assert_eq!(code(as_ben.key_groups().get(default(&company).await.id).await), "permission_needed");
        let (_, as_cy) = company.user("Cy", &["api_keys:modify_all"]).await;
        assert_eq!(as_cy.key_groups().list().await.unwrap().len(), 1);
    }

    async fn a_group_of_another_tenant_is_not_there(company: Company) {
        let platform = company.store.acting_as(Actor::operator("platform"));
        let other = NewTenant::new("Other", "other".parse().unwrap());
        let other = platform.in_tenant(platform.tenants().create(other).await.unwrap().id);
        let foreign = other.key_groups().create(NewKeyGroup::new("nightly")).await.unwrap().id;
        let nightly = group(&company, "nightly").await;
        let groups = company.as_ada.key_groups();
        for refused in [
            code(groups.get(foreign).await),
            code(groups.edit(foreign, 1, KeyGroupEdit::new()).await),
            code(groups.switch_on(foreign).await),
            code(groups.switch_off(foreign).await),
            code(groups.delete(foreign, None, "nightly").await),
            code(groups.delete(nightly.id, Some(foreign), "nightly").await),
        ] {
            assert_eq!(refused, "not_found");
        }
        // Nor does it show by what the keys in it may do.
        let role = other.roles().named("READONLY").await.unwrap().id;
        let theirs = NewKey::for_tenant(role, "theirs", Lifetime::days(1)).in_group(foreign);
        other.keys().generate(theirs).await.unwrap();
        let (_, keeper) = company.user("Keeper", &["api_keys:modify_all"]).await;
        assert_eq!(code(keeper.key_groups().switch_on(foreign).await), "not_found");
        assert_eq!(groups.list().await.unwrap().len(), 2);
    }

    async fn a_key_is_in_the_group_default_unless_another_is_named(company: Company) {
        let (default, nightly) = (default(&company).await, group(&company, "nightly").await);
        let key = company.key("import").await.key;
        assert_eq!(key.group, default.id);
        assert_eq!(key_in(&company, nightly.id, "other").await.key.group, nightly.id);
        let edited =
            company.as_ada.keys().edit(key.id, key.revision, KeyEdit::new().group(nightly.id)).await.unwrap();
        assert_eq!(edited.group, nightly.id);
    }

    async fn a_group_switches_all_its_keys_off_and_on(company: Company) {
        let nightly = group(&company, "nightly").await;
        let [first, second] =
            [key_in(&company, nightly.id, "first").await, key_in(&company, nightly.id, "second").await];
        let other = company.key("other").await;
        let off = company.as_ada.key_groups().switch_off(nightly.id).await.unwrap();
        assert!(!off.switched_on);
        for generated in [&first, &second] {
            assert_eq!(
                company.as_ada.keys().get(generated.key.id).await.unwrap().status,
                KeyStatus::GroupOff
            );
            let text = generated.text.as_ref().unwrap();
            let denied = company.store.authenticate(text.expose(), None).await.unwrap_err();
            assert_eq!(denied.to_string(), "denied: disabled");
        }
        assert!(company.store.authenticate(other.text.unwrap().expose(), None).await.is_ok());
        let on = company.as_ada.key_groups().switch_on(nightly.id).await.unwrap();
        assert!(on.switched_on);
        for generated in [&first, &second] {
            assert_eq!(company.as_ada.keys().get(generated.key.id).await.unwrap(), generated.key);
            let text = generated.text.as_ref().unwrap();
            assert!(company.store.authenticate(text.expose(), None).await.is_ok());
        }
    }

    async fn a_key_that_is_moved_obeys_the_group_that_it_is_in(company: Company) {
        let nightly = group(&company, "nightly").await;
        company.as_ada.key_groups().switch_off(nightly.id).await.unwrap();
        let key = company.key("import").await.key;
        let keys = company.as_ada.keys();
        let moved = keys.edit(key.id, key.revision, KeyEdit::new().group(nightly.id)).await.unwrap();
        assert_eq!(moved.status, KeyStatus::GroupOff);
        let back = keys.edit(key.id, moved.revision, KeyEdit::new().group(key.group)).await.unwrap();
        assert_eq!(back.status, KeyStatus::Active);
    }

    async fn a_group_with_keys_is_deleted_only_if_it_is_said_where_they_go(company: Company) {
        let [nightly, daily] = [group(&company, "nightly").await, group(&company, "daily").await];
        let key = key_in(&company, nightly.id, "import").await.key;
        let groups = company.as_ada.key_groups();
        let refused = groups.delete(nightly.id, None, "nightly").await.unwrap_err();
        assert_eq!(refused.rule(), Some(Rule::GroupNotEmpty));
        let refused = groups.delete(nightly.id, Some(nightly.id), "nightly").await.unwrap_err();
        assert!(matches!(refused, Error::Invalid { field: "keys_go_to", .. }), "{refused}");
        assert_eq!(groups.get(nightly.id).await.unwrap(), nightly);
        assert_eq!(groups.delete(nightly.id, Some(daily.id), "nightly").await.unwrap(), 1);
        assert_eq!(company.as_ada.keys().get(key.id).await.unwrap().group, daily.id);
        assert_eq!(code(groups.get(nightly.id).await), "not_found");
    }

    async fn an_empty_group_is_deleted_with_its_name_as_confirmation(company: Company) {
        let nightly = group(&company, "nightly").await;
        let groups = company.as_ada.key_groups();
        for wrong in ["", "Nightly"] {
            assert_eq!(code(groups.delete(nightly.id, None, wrong).await), "confirmation_needed");
        }
        let deleted = key_in(&company, nightly.id, "import").await.key;
        company.as_ada.keys().delete(deleted.id, "import").await.unwrap();
        assert_eq!(groups.delete(nightly.id, None, "nightly").await.unwrap(), 0, "deleted keys are no keys");
        assert_eq!(groups.list().await.unwrap().len(), 1);
    }

    async fn the_group_default_stays_and_keeps_its_name(company: Company) {
        let (default, nightly) = (default(&company).await, group(&company, "nightly").await);
        let groups = company.as_ada.key_groups();
        let refused = groups.delete(default.id, Some(nightly.id), "default").await.unwrap_err();
        assert_eq!(refused.rule(), Some(Rule::GroupIsDefault));
        let refused = groups.edit(default.id, 1, KeyGroupEdit::new().name("other")).await.unwrap_err();
        assert_eq!(refused.rule(), Some(Rule::GroupIsDefault));
        let edit = KeyGroupEdit::new().name("default").description("whatever else there is");
        assert_eq!(groups.edit(default.id, 1, edit).await.unwrap().description, "whatever else there is");
        assert!(!groups.switch_off(default.id).await.unwrap().switched_on);
    }

    async fn a_group_is_switched_on_by_those_who_have_what_its_keys_have(company: Company) {
        let group = company.key("import").await.key.group;
        let (_, keeper) = company.user("Keeper", &["api_keys:modify_all"]).await;
        let (_, peer) = company.user("Peer", &["api_keys:modify_all", "flights:view"]).await;
        keeper.key_groups().switch_off(group).await.unwrap();
        assert_eq!(code(keeper.key_groups().switch_on(group).await), "beyond_own_access");
        assert!(peer.key_groups().switch_on(group).await.is_ok());

        let partners = company.as_ada.key_groups().create(NewKeyGroup::new("partners")).await.unwrap().id;
        let account = company.service_account("partner", &["crew:view"]).await;
        let new = NewKey::for_service_account(account.id, "partner", Lifetime::days(1)).in_group(partners);
        company.as_ada.keys().generate(new).await.unwrap();
        peer.key_groups().switch_off(partners).await.unwrap();
        assert_eq!(code(peer.key_groups().delete(partners, Some(group), "partners").await), "beyond_own_access");
    }
}
