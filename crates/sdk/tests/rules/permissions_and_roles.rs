//! Permissions and roles: what there is to grant, who may grant it, and whom it reaches.

use crate::company::{Company, code, on_both_stores};
use claviger_sdk::{
    Actor, Error, KeyStatus, Lifetime, NewKey, NewRole, NewTenant, Role, RoleEdit, Rule, Session,
};

async fn platform(company: &Company) -> Session {
    company.store.acting_as(Actor::operator("platform"))
}

/// A role that bundles these permissions.
async fn role(company: &Company, name: &str, permissions: &[&str]) -> Role {
    let new = NewRole::new(name, permissions.iter().copied());
    company.as_ada.roles().define(new).await.unwrap().into_record()
}

/// A session of a key of a service account that may do everything.
async fn admin_key(company: &Company) -> Session {
    let account = company.service_account("robot", &["*"]).await;
    let new = NewKey::for_service_account(account.id, "robot", Lifetime::days(1)).confirming("ADMIN");
    let text = company.as_ada.keys().generate(new).await.unwrap().text.unwrap();
    company.store.acting_as(company.store.authenticate(text.expose(), None).await.unwrap())
}

/// The permission that the actor lacks, if that is what the error says.
fn beyond<T: std::fmt::Debug>(outcome: Result<T, Error>) -> String {
    match outcome.unwrap_err() {
        Error::BeyondOwnAccess { permission } => permission,
        other => panic!("{other}"),
    }
}

fn names(roles: &[Role]) -> Vec<&str> {
    roles.iter().map(|role| role.name.as_str()).collect()
}

on_both_stores! {
    async fn only_the_platform_operator_defines_permissions(company: Company) {
        let refused = company.as_ada.permissions().define("gates:view", "see gates").await.unwrap_err();
        assert_eq!(refused.rule(), Some(Rule::OperatorOnly));
        let defined = platform(&company).await.permissions().define("gates:view", "see gates").await.unwrap();
        assert_eq!(
            (defined.name.as_str(), defined.description.as_str(), defined.built_in),
            ("gates:view", "see gates", false)
        );
        assert_eq!(company.as_ada.permissions().list().containing("gates").await.unwrap(), [defined]);
    }

    async fn a_permission_defined_again_is_described_anew(company: Company) {
        let permissions = platform(&company).await;
        permissions.permissions().define("flights:view", "look at flights").await.unwrap();
        let found = company.as_ada.permissions().list().containing("flights:view").await.unwrap();
        let descriptions: Vec<_> = found.iter().map(|permission| permission.description.as_str()).collect();
        assert_eq!(descriptions, ["look at flights"]);
    }

    async fn a_permission_is_one_to_eight_segments_without_patterns(company: Company) {
        let operator = platform(&company).await;
        for good in ["gates", "a:b:c:d:e:f:g:h", "A_1.b-2:view"] {
            operator.permissions().define(good, "").await.unwrap();
        }
        let long = "x".repeat(129);
        for bad in [
            "",
            "gates:",
            ":gates",
            "gates::view",
            "gates:*",
            "*",
            "gates view",
            "gätes",
            "a:b:c:d:e:f:g:h:i",
            &long,
        ] {
            let refused = operator.permissions().define(bad, "").await.unwrap_err();
            assert!(matches!(refused, Error::Invalid { field: "permission", .. }), "{bad:?}: {refused}");
        }
    }

    async fn built_in_permissions_stay_as_they_are(company: Company) {
        let before = company.as_ada.permissions().list().containing("api_keys:view").await.unwrap();
        assert!(before[0].built_in);
        let operator = platform(&company).await;
        assert_eq!(code(operator.permissions().define("api_keys:view", "anything").await), "invalid");
        assert_eq!(company.as_ada.permissions().list().containing("api_keys:view").await.unwrap(), before);
    }

    async fn permissions_are_listed_by_name_and_filtered_by_text(company: Company) {
        let list = async |text: &str| {
            let found = company.as_ada.permissions().list().containing(text).await.unwrap();
            found.into_iter().map(|permission| permission.name).collect::<Vec<_>>()
        };
        let all = list("").await;
        assert_eq!(all.len(), 12 + 5, "those of the admin operations and those of the company");
        assert!(all.is_sorted());
        assert_eq!(list("FLIGHTS:Mod").await, ["flights:modify", "flights:modify_all"], "by name");
        assert_eq!(list("everybody's").await, ["flights:modify_all"], "by description");
        assert_eq!(list("no such thing").await, Vec::<String>::new());
        assert_eq!(list("%").await, Vec::<String>::new(), "no pattern");
    }

    async fn roles_are_listed_by_name_and_filtered_by_text(company: Company) {
        company
            .as_ada
            .roles()
            .define(NewRole::new("pilot", ["flights:view"]).description("Flies 100%"))
            .await
            .unwrap();
        role(&company, "dispatcher", &["flights:modify"]).await;
        let roles = company.as_ada.roles();
        assert_eq!(names(&roles.list().await.unwrap()), ["ADMIN", "READONLY", "dispatcher", "pilot"]);
        assert_eq!(names(&roles.list().containing("admin").await.unwrap()), ["ADMIN"], "by name");
        assert_eq!(names(&roles.list().containing("FLIES").await.unwrap()), ["pilot"], "by description");
        assert_eq!(names(&roles.list().containing("%").await.unwrap()), ["pilot"], "no pattern");
        assert_eq!(roles.list().containing("no such thing").await.unwrap(), []);
    }

    async fn seeing_permissions_and_roles_needs_roles_view(company: Company) {
        let (_, as_ben) = company.user("Ben", &["roles:modify", "people:grant", "people:view"]).await;
        assert_eq!(code(as_ben.permissions().list().await), "permission_needed");
        assert_eq!(code(as_ben.roles().list().await), "permission_needed");
        assert_eq!(code(as_ben.roles().get(company.admin.id).await), "permission_needed");
        assert_eq!(code(as_ben.roles().named("ADMIN").await), "permission_needed");
        let (_, as_cy) = company.user("Cy", &["roles:view"]).await;
        assert_eq!(as_cy.permissions().list().await.unwrap().len(), 17);
        assert_eq!(as_cy.roles().list().await.unwrap().len(), 2);
        assert_eq!(as_cy.roles().get(company.admin.id).await.unwrap(), company.admin);
    }

    async fn a_role_bundles_permissions(company: Company) {
        let new = NewRole::new("pilot", ["flights:view", "crew:*", "flights:view"]).description("flies");
        let role = company.as_ada.roles().define(new).await.unwrap();
        assert!(!role.replayed());
        let role = role.into_record();
        assert_eq!((role.name.as_str(), role.description.as_str()), ("pilot", "flies"));
        assert_eq!(role.permissions, ["crew:*", "flights:view"]);
        assert!(!role.read_only);
        assert!(!role.built_in);
        assert_eq!(company.as_ada.roles().get(role.id).await.unwrap(), role);
        assert_eq!(company.as_ada.roles().named("pilot").await.unwrap(), role);
        let (ben, _) = company.user("Ben", &[]).await;
        company.as_ada.people().grant_role(ben.id, role.id).await.unwrap();
        let access = company.as_ada.people().access(ben.id).await.unwrap();
        for (permission, allowed) in
            [("flights:view", true), ("flights:modify", false), ("crew:view", true), ("crew:modify", true)]
        {
            assert_eq!(access.allows(permission), allowed, "{permission}");
        }
        assert_eq!(company.as_ada.people().roles(ben.id).await.unwrap(), [role]);
    }

    async fn defining_editing_and_deleting_roles_needs_roles_modify(company: Company) {
        let pilot = role(&company, "pilot", &["flights:view"]).await;
        let (_, as_ben) = company.user("Ben", &["roles:view", "people:grant", "flights:*"]).await;
        let roles = as_ben.roles();
        assert_eq!(code(roles.define(NewRole::new("x", ["flights:view"])).await), "permission_needed");
        assert_eq!(code(roles.edit(pilot.id, 1, RoleEdit::new().name("x")).await), "permission_needed");
        assert_eq!(code(roles.delete(pilot.id, "pilot").await), "permission_needed");
        assert_eq!(company.as_ada.roles().get(pilot.id).await.unwrap(), pilot);
    }

    async fn admin_allows_every_permission(company: Company) {
        let access = company.as_ada.people().access(company.ada.id).await.unwrap();
        assert!(access.is_admin());
        for permission in company.as_ada.permissions().list().await.unwrap() {
            assert!(access.allows(&permission.name), "{}", permission.name);
        }
        platform(&company).await.permissions().define("gates:modify", "").await.unwrap();
        assert!(access.allows("gates:modify"), "also one that is defined later");
    }

    async fn readonly_allows_every_permission_that_ends_in_view(company: Company) {
        let (ben, as_ben) = company.user("Ben", &[]).await;
        company.as_ada.people().grant_role(ben.id, company.readonly.id).await.unwrap();
        let access = as_ben.people().access(ben.id).await.unwrap();
        assert!(!access.is_admin());
        for permission in as_ben.permissions().list().await.unwrap() {
            assert_eq!(
                access.allows(&permission.name),
                permission.name.ends_with(":view"),
                "{}",
                permission.name
            );
        }
        as_ben.people().list().await.unwrap();
        as_ben.audit().list().await.unwrap();
        assert_eq!(code(as_ben.people().deactivate(company.ada.id).await), "permission_needed");
    }

    async fn built_in_roles_stay_as_they_are(company: Company) {
        for built_in in [&company.admin, &company.readonly] {
            for session in [&company.as_ada, &company.operator] {
                let edit = RoleEdit::new().description("mine");
                let refused = session.roles().edit(built_in.id, built_in.revision, edit).await.unwrap_err();
                assert_eq!(refused.rule(), Some(Rule::RoleIsBuiltIn));
                let refused = session.roles().delete(built_in.id, &built_in.name).await.unwrap_err();
                assert_eq!(refused.rule(), Some(Rule::RoleIsBuiltIn));
            }
            assert_eq!(company.as_ada.roles().get(built_in.id).await.unwrap(), *built_in);
        }
    }

    async fn a_roles_name_is_unique_in_the_tenant(company: Company) {
        let pilot = role(&company, "pilot", &["flights:view"]).await;
        for taken in ["pilot", "ADMIN"] {
            assert_eq!(
                code(company.as_ada.roles().define(NewRole::new(taken, ["crew:view"])).await),
                "exists"
            );
        }
        let crew = role(&company, "crew", &["crew:view"]).await;
        let edit = RoleEdit::new().name("pilot");
        assert_eq!(code(company.as_ada.roles().edit(crew.id, crew.revision, edit).await), "exists");
        let other = NewTenant::new("Other", "other".parse().unwrap());
        let other = platform(&company).await.tenants().create(other).await.unwrap().id;
        let elsewhere = company.operator.in_tenant(other);
        elsewhere.roles().define(NewRole::new("pilot", ["flights:view"])).await.unwrap();
        company.as_ada.roles().delete(pilot.id, "pilot").await.unwrap();
        assert_ne!(role(&company, "pilot", &["flights:view"]).await.id, pilot.id);
    }

    async fn a_role_of_another_tenant_is_not_there(company: Company) {
        let other = NewTenant::new("Other", "other".parse().unwrap());
        let other =
            company.operator.in_tenant(platform(&company).await.tenants().create(other).await.unwrap().id);
        let foreign = other.roles().named("READONLY").await.unwrap();
        let roles = company.as_ada.roles();
        assert_eq!(code(roles.get(foreign.id).await), "not_found");
        assert_eq!(code(roles.edit(foreign.id, 1, RoleEdit::new()).await), "not_found");
        assert_eq!(code(roles.delete(foreign.id, "READONLY").await), "not_found");
        assert_eq!(code(company.as_ada.people().grant_role(company.ada.id, foreign.id).await), "not_found");
        assert_eq!(code(company.as_ada.people().take_role(company.ada.id, foreign.id).await), "not_found");
        assert_eq!(names(&company.as_ada.roles().list().await.unwrap()), ["ADMIN", "READONLY"]);
    }

    async fn a_read_only_role_grants_only_what_ends_in_view(company: Company) {
        let new = NewRole::new("observer", ["flights:*", "crew:modify"]).read_only();
        let observer = company.as_ada.roles().define(new).await.unwrap();
        assert!(observer.read_only);
        let (ben, _) = company.user("Ben", &[]).await;
        company.as_ada.people().grant_role(ben.id, observer.id).await.unwrap();
        let access = company.as_ada.people().access(ben.id).await.unwrap();
        assert!(access.allows("flights:view"));
        assert!(!access.allows("flights:modify"));
        assert!(!access.allows("crew:modify"));
    }

    async fn the_edit_of_a_role_reaches_everybody_who_has_it(company: Company) {
        let pilot = role(&company, "pilot", &["flights:view", "people:view"]).await;
        let (ben, as_ben) = company.user("Ben", &[]).await;
        let account = company.service_account("sync", &[]).await;
        for person in [ben.id, account.id] {
            company.as_ada.people().grant_role(person, pilot.id).await.unwrap();
        }
        let keys = company.as_ada.keys();
        let mut issued = Vec::new();
        for new in [
            NewKey::for_service_account(account.id, "of the account", Lifetime::days(1)),
            NewKey::on_behalf_of(ben.id, pilot.id, "of the user", Lifetime::days(1)),
            NewKey::for_tenant(pilot.id, "of the tenant", Lifetime::days(1)),
        ] {
            issued.push(keys.generate(new).await.unwrap().key.id);
        }
        as_ben.people().list().await.unwrap();
        let edit = RoleEdit::new().permissions(["flights:view", "crew:modify"]);
        let edited = company.as_ada.roles().edit(pilot.id, pilot.revision, edit).await.unwrap();
        assert_eq!(edited.permissions, ["crew:modify", "flights:view"]);
        assert_eq!(edited.revision, 2);
        assert_eq!(code(as_ben.people().list().await), "permission_needed");
        let mut reached = Vec::new();
        for person in [ben.id, account.id] {
            reached.push(company.as_ada.people().access(person).await.unwrap());
        }
        for key in issued {
            reached.push(keys.access(key).await.unwrap());
        }
        for access in reached {
            assert_eq!(access.patterns().collect::<Vec<_>>(), ["crew:modify", "flights:view"]);
        }
    }

    async fn a_renamed_role_is_renamed_in_its_keys(company: Company) {
        let pilot = role(&company, "pilot", &["flights:view"]).await;
        let new = NewKey::for_tenant(pilot.id, "board", Lifetime::days(1));
        let key = company.as_ada.keys().generate(new).await.unwrap().key;
        assert_eq!(key.role_name, "pilot");
        let edit = RoleEdit::new().name("captain").description("in command");
        let edited = company.as_ada.roles().edit(pilot.id, pilot.revision, edit).await.unwrap();
        assert_eq!((edited.name.as_str(), edited.description.as_str()), ("captain", "in command"));
        assert_eq!(edited.permissions, ["flights:view"], "what is not said stays");
        assert_eq!(company.as_ada.keys().get(key.id).await.unwrap().role_name, "captain");
    }

    async fn deleting_a_role_takes_its_name_as_confirmation(company: Company) {
        let pilot = role(&company, "pilot", &["flights:view"]).await;
        for wrong in ["", "Pilot", "pilot "] {
            assert_eq!(code(company.as_ada.roles().delete(pilot.id, wrong).await), "confirmation_needed");
        }
        assert_eq!(company.as_ada.roles().get(pilot.id).await.unwrap(), pilot);
        assert_eq!(company.as_ada.roles().delete(pilot.id, "pilot").await.unwrap(), 0);
        assert_eq!(code(company.as_ada.roles().get(pilot.id).await), "not_found");
        assert_eq!(code(company.as_ada.roles().named("pilot").await), "not_found");
    }

    async fn a_deleted_role_is_taken_from_everybody_and_its_keys_end(company: Company) {
        let pilot = role(&company, "pilot", &["flights:view"]).await;
        let (ben, _) = company.user("Ben", &[]).await;
        company.as_ada.people().grant_role(ben.id, pilot.id).await.unwrap();
        let keys = company.as_ada.keys();
        let (mut ending, other) = (Vec::new(), company.key("other").await.key.id);
        for new in [
            NewKey::on_behalf_of(ben.id, pilot.id, "of the user", Lifetime::days(1)),
            NewKey::for_tenant(pilot.id, "of the tenant", Lifetime::days(1)),
        ] {
            ending.push(keys.generate(new).await.unwrap());
        }
        assert_eq!(company.as_ada.roles().delete(pilot.id, "pilot").await.unwrap(), 2);
        assert_eq!(company.as_ada.people().roles(ben.id).await.unwrap(), []);
        assert_eq!(company.as_ada.people().access(ben.id).await.unwrap().patterns().count(), 0);
        for generated in ending {
            let key = keys.get(generated.key.id).await.unwrap();
            assert_eq!((key.status, key.revocation.unwrap().reason.as_str()), (KeyStatus::Revoked, "role_deleted"));
            assert!(company.store.authenticate(generated.text.unwrap().expose(), None).await.is_err());
        }
        assert_eq!(keys.get(other).await.unwrap().status, KeyStatus::Active);
    }

    async fn a_taken_role_ends_that_users_keys_in_it_and_no_others(company: Company) {
        let [pilot, crew] =
            [role(&company, "pilot", &["flights:view"]).await, role(&company, "crew", &["crew:view"]).await];
        let [(ben, _), (cy, _)] = [company.user("Ben", &[]).await, company.user("Cy", &[]).await];
        for (person, role) in [(ben.id, pilot.id), (ben.id, crew.id), (cy.id, pilot.id)] {
            company.as_ada.people().grant_role(person, role).await.unwrap();
        }
        let keys = company.as_ada.keys();
        let mut issued = Vec::new();
        for (person, role) in [(ben.id, pilot.id), (ben.id, crew.id), (cy.id, pilot.id)] {
            let new = NewKey::on_behalf_of(person, role, "import", Lifetime::days(1));
            issued.push(keys.generate(new).await.unwrap().key.id);
        }
        assert_eq!(company.as_ada.people().take_role(ben.id, pilot.id).await.unwrap(), 1);
        assert_eq!(company.as_ada.people().take_role(ben.id, pilot.id).await.unwrap(), 0, "it is gone");
        assert_eq!(names(&company.as_ada.people().roles(ben.id).await.unwrap()), ["crew"]);
        let ended = keys.get(issued[0]).await.unwrap();
        assert_eq!((ended.status, ended.revocation.unwrap().reason.as_str()), (KeyStatus::Revoked, "role_taken"));
        for key in &issued[1..] {
            assert_eq!(keys.get(*key).await.unwrap().status, KeyStatus::Active);
        }
        company.as_ada.people().grant_role(ben.id, pilot.id).await.unwrap();
        assert_eq!(keys.get(issued[0]).await.unwrap().status, KeyStatus::Revoked, "for good");
    }

    async fn granting_and_taking_needs_people_grant(company: Company) {
        let (ben, _) = company.user("Ben", &["flights:view"]).await;
        let (_, as_cy) =
            company.user("Cy", &["flights:*", "crew:*", "people:view", "people:modify", "roles:*"]).await;
        let pilot = role(&company, "pilot", &["flights:view"]).await;
        let people = as_cy.people();
        for refused in [
            code(people.grant_role(ben.id, pilot.id).await),
            code(people.take_role(ben.id, pilot.id).await),
            code(people.grant_permission(ben.id, "flights:view").await),
            code(people.grant_permission(ben.id, "api_keys:modify_all").await),
            code(people.take_permission(ben.id, "flights:view").await),
        ] {
            assert_eq!(refused, "permission_needed");
        }
    }

    async fn nobody_grants_a_permission_that_he_does_not_have(company: Company) {
        let (ben, as_ben) = company.user("Ben", &["people:grant", "flights:view", "crew:*"]).await;
        let (cy, _) = company.user("Cy", &[]).await;
        for target in [ben.id, cy.id] {
            for missing in
                ["flights:modify", "flights:*", "*", "people:modify", "api_keys:view", "api_keys:*"]
            {
                assert_eq!(beyond(as_ben.people().grant_permission(target, missing).await), missing);
            }
        }
        for own in ["flights:view", "crew:modify", "crew:*", "people:grant"] {
            as_ben.people().grant_permission(cy.id, own).await.unwrap();
        }
    }

    async fn nobody_grants_a_role_that_has_more_than_he_has(company: Company) {
        let pilot = role(&company, "pilot", &["flights:modify", "flights:view"]).await;
        let crew = role(&company, "crew", &["crew:view"]).await;
        let (ben, as_ben) = company.user("Ben", &["people:grant", "flights:view", "crew:*"]).await;
        assert_eq!(beyond(as_ben.people().grant_role(ben.id, pilot.id).await), "flights:modify");
        assert_eq!(beyond(as_ben.people().grant_role(ben.id, company.admin.id).await), "*");
        assert_eq!(beyond(as_ben.people().grant_role(ben.id, company.readonly.id).await), "*");
        assert_eq!(as_ben.people().roles(ben.id).await.unwrap(), []);
        as_ben.people().grant_role(ben.id, crew.id).await.unwrap();
    }

    async fn nobody_makes_a_role_of_what_he_does_not_have(company: Company) {
        let crew = role(&company, "crew", &["crew:view"]).await;
        let (_, as_ben) = company.user("Ben", &["roles:modify", "flights:view", "crew:view"]).await;
        let roles = as_ben.roles();
        let new = NewRole::new("pilot", ["flights:view", "flights:modify"]);
        assert_eq!(beyond(roles.define(new).await), "flights:modify");
        let edit = RoleEdit::new().permissions(["crew:view", "crew:modify"]);
        assert_eq!(beyond(roles.edit(crew.id, crew.revision, edit).await), "crew:modify");
        let new = NewRole::new("keeper", ["api_keys:modify_all"]);
        assert_eq!(beyond(roles.define(new).await), "api_keys:modify_all", "only granted to people");
        assert_eq!(company.as_ada.roles().get(crew.id).await.unwrap(), crew);
        roles.define(NewRole::new("pilot", ["flights:view"])).await.unwrap();
        roles.define(NewRole::new("observer", ["flights:view", "crew:view"]).read_only()).await.unwrap();
    }

    async fn a_key_never_grants_whatever_its_access(company: Company) {
        let key = admin_key(&company).await;
        let pilot = role(&company, "pilot", &["flights:view"]).await;
        let (ben, _) = company.user("Ben", &[]).await;
        key.people().get(ben.id).await.unwrap();
        for refused in [
            key.people().grant_role(ben.id, pilot.id).await.unwrap_err(),
            key.people().take_role(ben.id, pilot.id).await.unwrap_err(),
            key.people().grant_permission(ben.id, "flights:view").await.unwrap_err(),
            key.people().grant_permission(ben.id, "api_keys:modify_all").await.unwrap_err(),
            key.people().take_permission(ben.id, "flights:view").await.unwrap_err(),
            key.roles().define(NewRole::new("crew", ["crew:view"])).await.unwrap_err(),
            key.roles().edit(pilot.id, pilot.revision, RoleEdit::new().name("x")).await.unwrap_err(),
            key.roles().delete(pilot.id, "pilot").await.unwrap_err(),
        ] {
            assert_eq!(refused.rule(), Some(Rule::KeysNeverGrant), "{refused}");
        }
        assert_eq!(company.as_ada.people().roles(ben.id).await.unwrap(), []);
        assert_eq!(company.as_ada.roles().get(pilot.id).await.unwrap(), pilot);
    }

    async fn an_administrator_may_grant_api_keys_modify_all_to_himself_or_another(company: Company) {
        let (ben, as_ben) = company.user("Ben", &["people:grant", "people:view"]).await;
        let (cy, as_cy) = company.user("Cy", &[]).await;
        assert!(!as_ben.people().access(ben.id).await.unwrap().allows("api_keys:modify_all"));
        as_ben.people().grant_permission(cy.id, "api_keys:modify_all").await.unwrap();
        as_cy.keys().list().await.unwrap();
        assert_eq!(code(as_ben.keys().list().await), "permission_needed");
        as_ben.people().grant_permission(ben.id, "api_keys:modify_all").await.unwrap();
        as_ben.keys().list().await.unwrap();
    }

    async fn permissions_that_are_not_defined_are_neither_granted_nor_bundled(company: Company) {
        let (ben, _) = company.user("Ben", &[]).await;
        for unknown in [
            "gates:view",
            "gates:*",
            "flight:view",
            "flights",
            "flights:view:x",
            "Flights:view",
            "",
            "flights:",
        ] {
            let refused = company.as_ada.people().grant_permission(ben.id, unknown).await.unwrap_err();
            assert!(matches!(refused, Error::Invalid { field: "permission", .. }), "{unknown}: {refused}");
            let refused = company
                .as_ada
                .roles()
                .define(NewRole::new("x", ["flights:view", unknown]))
                .await
                .unwrap_err();
            assert!(matches!(refused, Error::Invalid { field: "permission", .. }), "{unknown}: {refused}");
        }
        for known in ["flights:view", "flights:*", "*:view", "*"] {
            company.as_ada.people().grant_permission(ben.id, known).await.unwrap();
        }
    }

    async fn roles_and_permissions_add_up(company: Company) {
        let pilot = role(&company, "pilot", &["flights:view"]).await;
        let crew = role(&company, "crew", &["crew:view"]).await;
        let (ben, as_ben) = company.user("Ben", &["flights:modify"]).await;
        for role in [pilot.id, crew.id, pilot.id] {
            company.as_ada.people().grant_role(ben.id, role).await.unwrap();
        }
        let access = as_ben.people().access(ben.id).await.unwrap();
        assert_eq!(access.patterns().collect::<Vec<_>>(), ["crew:view", "flights:modify", "flights:view"]);
        assert_eq!(as_ben.people().roles(ben.id).await.unwrap(), [crew, pilot], "by name");
    }

    async fn what_is_taken_is_gone_at_once(company: Company) {
        let (ben, as_ben) = company.user("Ben", &["people:view", "flights:*"]).await;
        as_ben.people().list().await.unwrap();
        company.as_ada.people().take_permission(ben.id, "people:view").await.unwrap();
        assert_eq!(code(as_ben.people().list().await), "permission_needed");
        company.as_ada.people().take_permission(ben.id, "flights:view").await.unwrap();
        let access = as_ben.people().access(ben.id).await.unwrap();
        assert!(access.allows("flights:view"), "what was granted by another name stays");
        company.as_ada.people().take_role(company.ada.id, company.admin.id).await.unwrap();
        assert_eq!(code(company.as_ada.people().list().await), "permission_needed");
    }
}
