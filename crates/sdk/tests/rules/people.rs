//! People: users and service accounts, what they are called, and who of them may act.

use crate::company::{Company, code, on_both_stores};
use claviger_sdk::{
    Actor, Error, KeyStatus, Lifetime, NewKey, NewPersonalKey, NewRole, NewServiceAccount, NewTenant,
    NewUser, Person, PersonEdit, PersonKind, Rule, Session,
};

fn account(name: &str) -> NewServiceAccount {
    NewServiceAccount::new(name, "Contrails Ltd", "it@contrails.example")
}

fn names(people: &[Person]) -> Vec<&str> {
    people.iter().map(|person| person.name.as_str()).collect()
}

/// The operator, in a tenant beside the company's.
async fn elsewhere(company: &Company) -> Session {
    let platform = company.store.acting_as(Actor::operator("platform"));
    let other = NewTenant::new("Other", "other".parse().unwrap());
    platform.in_tenant(platform.tenants().create(other).await.unwrap().id)
}

on_both_stores! {
    async fn a_user_has_a_name_an_e_mail_address_and_perhaps_an_external_id(company: Company) {
        let new = NewUser::new("Ben Ash", "ben@northwind.example").external_id("okta|17");
        let ben = company.as_ada.users().create(new).await.unwrap();
        assert!(!ben.replayed());
        let ben = ben.into_record();
        assert_eq!((ben.kind, ben.tenant), (PersonKind::User, company.tenant.id));
        assert_eq!((ben.name.as_str(), ben.email.as_str()), ("Ben Ash", "ben@northwind.example"));
        assert_eq!((ben.organisation.as_str(), ben.external_id.as_deref()), ("", Some("okta|17")));
        assert_eq!((ben.active, ben.revision, ben.created_at), (true, 1, company.now()));
        assert_eq!(company.as_ada.people().get(ben.id).await.unwrap(), ben);
        assert_eq!(company.as_ada.people().access(ben.id).await.unwrap().patterns().count(), 0);
    }

    async fn a_service_account_has_a_name_an_organisation_and_the_e_mail_of_its_contact(company: Company) {
        let created =
            company.as_ada.service_accounts().create(account("flight_sync")).await.unwrap().into_record();
        assert_eq!((created.kind, created.tenant), (PersonKind::ServiceAccount, company.tenant.id));
        assert_eq!((created.name.as_str(), created.email.as_str()), ("flight_sync", "it@contrails.example"));
        assert_eq!((created.organisation.as_str(), created.external_id.as_deref()), ("Contrails Ltd", None));
        assert!(created.active);
        assert_eq!(company.as_ada.people().get(created.id).await.unwrap(), created);
        assert_eq!(company.as_ada.people().access(created.id).await.unwrap().patterns().count(), 0);
    }

    async fn a_service_accounts_name_is_1_to_64_letters_digits_and_underscores(company: Company) {
        let (longest, too_long) = ("a".repeat(64), "a".repeat(65));
        for good in ["a", "Z9_", "_", &longest] {
            company.as_ada.service_accounts().create(account(good)).await.unwrap();
        }
        let robot = company.as_ada.service_accounts().create(account("robot")).await.unwrap();
        for bad in ["", "flight-sync", "flight sync", "flüge", " a", "a\n", "a.b", &too_long] {
            let refused = company.as_ada.service_accounts().create(account(bad)).await.unwrap_err();
            assert!(matches!(refused, Error::Invalid { field: "name", .. }), "{bad:?}: {refused}");
            let edit = PersonEdit::new().name(bad);
            let refused = company.as_ada.people().edit(robot.id, robot.revision, edit).await.unwrap_err();
            assert!(matches!(refused, Error::Invalid { field: "name", .. }), "{bad:?}: {refused}");
        }
    }

    async fn a_service_accounts_name_is_unique_in_the_tenant(company: Company) {
        let first = company.as_ada.service_accounts().create(account("sync")).await.unwrap();
        let refused = company.as_ada.service_accounts().create(account("sync")).await.unwrap_err();
        assert!(
            matches!(refused, Error::Exists { record: "service account", field: "name", .. }),
            "{refused}"
        );
        let second = company.as_ada.service_accounts().create(account("sync2")).await.unwrap();
        let rename = PersonEdit::new().name("sync");
        assert_eq!(code(company.as_ada.people().edit(second.id, second.revision, rename).await), "exists");
        company.as_ada.people().deactivate(first.id).await.unwrap();
        assert_eq!(code(company.as_ada.service_accounts().create(account("sync")).await), "exists");
        elsewhere(&company).await.service_accounts().create(account("sync")).await.unwrap();
    }

    async fn two_users_may_have_one_name(company: Company) {
        for _ in 0..2 {
            company.as_ada.users().create(NewUser::new("Ben", "ben@northwind.example")).await.unwrap();
        }
        company.as_ada.service_accounts().create(account("Ben")).await.unwrap();
        let people = company.as_ada.people().list().starting_with("ben").await.unwrap();
        assert_eq!(names(&people.records), ["Ben", "Ben", "Ben"]);
    }

    async fn an_external_id_is_unique_in_the_tenant(company: Company) {
        let new = |id: &str| NewUser::new("Ben", "ben@northwind.example").external_id(id);
        let ben = company.as_ada.users().create(new("17")).await.unwrap().into_record();
        let refused = company.as_ada.users().create(new("17")).await.unwrap_err();
        assert!(matches!(refused, Error::Exists { record: "user", field: "external_id", .. }), "{refused}");
        let edit = PersonEdit::new().external_id(Some("17"));
        assert_eq!(code(company.as_ada.people().edit(company.ada.id, 1, edit.clone()).await), "exists");
        elsewhere(&company).await.users().create(new("17")).await.unwrap();
        company.as_ada.people().edit(ben.id, 1, PersonEdit::new().external_id(None)).await.unwrap();
        company.as_ada.people().edit(company.ada.id, 1, edit).await.unwrap();
    }

    async fn a_user_is_found_by_his_external_id(company: Company) {
        let new = NewUser::new("Ben", "ben@northwind.example").external_id("okta|17");
        let ben = company.as_ada.users().create(new).await.unwrap().into_record();
        assert_eq!(company.as_ada.users().with_external_id("okta|17").await.unwrap(), ben);
        assert_eq!(code(company.as_ada.users().with_external_id("okta|18").await), "not_found");
        assert_eq!(code(elsewhere(&company).await.users().with_external_id("okta|17").await), "not_found");
        let (_, as_cy) = company.user("Cy", &["people:modify"]).await;
        assert_eq!(code(as_cy.users().with_external_id("okta|17").await), "permission_needed");
    }

    async fn users_and_service_accounts_are_edited(company: Company) {
        let ben = company.as_ada.users().create(NewUser::new("Ben", "ben@northwind.example")).await.unwrap();
        let edit = PersonEdit::new().name("Ben Ash").email("ash@northwind.example").external_id(Some("17"));
        let edited = company.as_ada.people().edit(ben.id, ben.revision, edit).await.unwrap();
        assert_eq!((edited.name.as_str(), edited.email.as_str()), ("Ben Ash", "ash@northwind.example"));
        assert_eq!((edited.external_id.as_deref(), edited.revision), (Some("17"), 2));
        let edited =
            company.as_ada.people().edit(ben.id, 2, PersonEdit::new().external_id(None)).await.unwrap();
        assert_eq!((edited.name.as_str(), edited.external_id.as_deref()), ("Ben Ash", None));
        let sync = company.as_ada.service_accounts().create(account("sync")).await.unwrap();
        let edit = PersonEdit::new().name("sync_2").organisation("Vapour Ltd").email("it@vapour.example");
        let edited = company.as_ada.people().edit(sync.id, sync.revision, edit).await.unwrap();
        assert_eq!((edited.name.as_str(), edited.organisation.as_str()), ("sync_2", "Vapour Ltd"));
        assert_eq!((edited.email.as_str(), edited.kind), ("it@vapour.example", PersonKind::ServiceAccount));
        assert_eq!(company.as_ada.people().get(sync.id).await.unwrap(), edited);
    }

    async fn a_user_has_no_organisation_and_a_service_account_no_external_id(company: Company) {
        let edit = PersonEdit::new().organisation("Contrails Ltd");
        let refused = company.as_ada.people().edit(company.ada.id, 1, edit).await.unwrap_err();
        assert!(matches!(refused, Error::Invalid { field: "organisation", .. }), "{refused}");
        let sync = company.as_ada.service_accounts().create(account("sync")).await.unwrap();
        for external_id in [Some("17"), None] {
            let edit = PersonEdit::new().external_id(external_id);
            let refused = company.as_ada.people().edit(sync.id, 1, edit).await.unwrap_err();
            assert!(matches!(refused, Error::Invalid { field: "external_id", .. }), "{refused}");
        }
    }

    async fn users_and_service_accounts_stand_in_one_list_marked_as_what_they_are(company: Company) {
        drop(company.user("ben", &[]).await);
        company.service_account("Autopilot", &[]).await;
        company.service_account("crew_sync", &[]).await;
        let people = company.as_ada.people().list().await.unwrap();
        let marked: Vec<_> =
            people.records.iter().map(|person| (person.name.as_str(), person.kind)).collect();
        assert_eq!(
            marked,
            [
                ("Ada Pine", PersonKind::User),
                ("Autopilot", PersonKind::ServiceAccount),
                ("ben", PersonKind::User),
                ("crew_sync", PersonKind::ServiceAccount),
            ]
        );
        assert_eq!(people.next, None);
        assert_eq!(names(&company.as_ada.users().list().await.unwrap().records), ["Ada Pine", "ben"]);
        let accounts = company.as_ada.service_accounts().list().await.unwrap();
        assert_eq!(names(&accounts.records), ["Autopilot", "crew_sync"]);
    }

    async fn people_of_another_tenant_are_not_there(company: Company) {
        let elsewhere = elsewhere(&company).await;
        let eve = elsewhere.users().create(NewUser::new("Eve", "eve@other.example")).await.unwrap();
        let people = company.as_ada.people();
        assert_eq!(names(&people.list().await.unwrap().records), ["Ada Pine"]);
        for refused in [
            code(people.get(eve.id).await),
            code(people.edit(eve.id, 1, PersonEdit::new().name("x")).await),
            code(people.deactivate(eve.id).await),
            code(people.activate(eve.id).await),
            code(people.access(eve.id).await),
            code(people.roles(eve.id).await),
            code(people.grant_role(eve.id, company.readonly.id).await),
            code(people.grant_permission(eve.id, "flights:view").await),
            code(people.take_role(eve.id, company.readonly.id).await),
            code(people.take_permission(eve.id, "flights:view").await),
        ] {
            assert_eq!(refused, "not_found");
        }
        assert_eq!(elsewhere.people().get(eve.id).await.unwrap(), eve.into_record());
    }

    async fn people_are_listed_page_by_page(company: Company) {
        for number in 0..5 {
            drop(company.user(&format!("Ben{number}"), &[]).await);
            // Of one name, so that pages end between equals.
            company.as_ada.users().create(NewUser::new("Twin", "twin@northwind.example")).await.unwrap();
        }
        let all = company.as_ada.people().list().await.unwrap();
        assert_eq!((all.records.len(), all.next), (11, None));
        let (mut seen, mut next) = (Vec::new(), None);
        for _ in 0..4 {
            let mut list = company.as_ada.people().list().limit(3);
            if let Some(cursor) = next {
                list = list.after(cursor);
            }
            let page = list.await.unwrap();
            assert_eq!(page.records.len(), if page.next.is_some() { 3 } else { 2 });
            seen.extend(page.records);
            let Some(cursor) = page.next else { break };
            next = Some(cursor.to_string().parse().unwrap());
        }
        assert_eq!(seen, all.records);
    }

    async fn a_page_has_1_to_1000_people(company: Company) {
        for limit in [0, 1001] {
            let refused = company.as_ada.people().list().limit(limit).await.unwrap_err();
            assert!(matches!(refused, Error::Invalid { field: "limit", .. }), "{refused}");
        }
        company.as_ada.people().list().limit(1000).await.unwrap();
        let page = company.as_ada.people().list().limit(1).await.unwrap();
        assert_eq!((page.records.len(), page.next), (1, None), "one is all that there is");
    }

    async fn people_are_listed_by_how_their_names_start(company: Company) {
        for name in ["Ben", "BENNO", "Bea", "Ωmega", "ωrigin", "b%n", "Strauß", "ΟΔΟΣ"] {
            let new = NewUser::new(name, "x@northwind.example");
            company.as_ada.users().create(new).await.unwrap();
        }
        let list = async |start: &str| {
            let page = company.as_ada.people().list().starting_with(start).await.unwrap();
            page.records.into_iter().map(|person| person.name).collect::<Vec<_>>()
        };
        assert_eq!(list("ben").await, ["Ben", "BENNO"]);
        assert_eq!(list("BENN").await, ["BENNO"]);
        assert_eq!(list("b%").await, ["b%n"]);
        assert_eq!(list("en").await, Vec::<String>::new());
        assert_eq!(list("Ω").await, ["Ωmega", "ωrigin"]);
        assert_eq!(list("STRAUSS").await, ["Strauß"]);
        assert_eq!(list("οδοσ").await, ["ΟΔΟΣ"], "whatever the form of the last sigma");
        assert_eq!(list("οδος").await, ["ΟΔΟΣ"]);
        assert_eq!(list("").await.len(), 9);
    }

    async fn people_are_listed_by_whether_they_are_active(company: Company) {
        let (ben, _) = company.user("Ben", &[]).await;
        company.as_ada.people().deactivate(ben.id).await.unwrap();
        let people = company.as_ada.people();
        assert_eq!(names(&people.list().active(true).await.unwrap().records), ["Ada Pine"]);
        assert_eq!(names(&people.list().active(false).await.unwrap().records), ["Ben"]);
        assert_eq!(people.list().await.unwrap().records.len(), 2);
    }

    async fn seeing_people_needs_people_view_but_everybody_sees_himself(company: Company) {
        let (ben, as_ben) = company.user("Ben", &["people:modify"]).await;
        for refused in [
            code(as_ben.people().list().await),
            code(as_ben.users().list().await),
            code(as_ben.service_accounts().list().await),
            code(as_ben.people().get(company.ada.id).await),
            code(as_ben.people().access(company.ada.id).await),
            code(as_ben.people().roles(company.ada.id).await),
        ] {
            assert_eq!(refused, "permission_needed");
        }
        assert_eq!(as_ben.people().get(ben.id).await.unwrap(), ben);
        assert!(as_ben.people().access(ben.id).await.unwrap().allows("people:modify"));
        assert_eq!(as_ben.people().roles(ben.id).await.unwrap(), []);
        let (_, as_cy) = company.user("Cy", &["people:view"]).await;
        assert_eq!(as_cy.people().get(ben.id).await.unwrap(), ben);
        assert_eq!(as_cy.people().list().await.unwrap().records.len(), 3);
    }

    async fn changing_people_needs_people_modify(company: Company) {
        let (ben, as_ben) = company.user("Ben", &["people:view", "people:grant"]).await;
        for refused in [
            code(as_ben.users().create(NewUser::new("Cy", "cy@northwind.example")).await),
            code(as_ben.service_accounts().create(account("sync")).await),
            code(as_ben.people().edit(ben.id, ben.revision, PersonEdit::new().name("x")).await),
            code(as_ben.people().deactivate(company.ada.id).await),
            code(as_ben.people().activate(company.ada.id).await),
        ] {
            assert_eq!(refused, "permission_needed");
        }
        assert_eq!(company.as_ada.people().list().await.unwrap().records, [company.ada, ben]);
    }

    async fn a_service_account_is_never_an_interactive_actor(company: Company) {
        let robot = company.service_account("robot", &["*"]).await;
        let as_robot = company.store.acting_as(Actor::user(robot.id));
        for refused in [
            as_robot.people().list().await.unwrap_err(),
            as_robot.people().get(robot.id).await.unwrap_err(),
            as_robot.tenants().lock_keys().await.unwrap_err(),
            as_robot.personal_keys().generate(NewPersonalKey::new(Lifetime::days(1)).confirming("ADMIN")).await.unwrap_err(),
        ] {
            assert_eq!(refused.rule(), Some(Rule::ServiceAccountIsNoActor));
        }
        let new = NewKey::for_service_account(robot.id, "robot", Lifetime::days(1)).confirming("ADMIN");
        let text = company.as_ada.keys().generate(new).await.unwrap().text.unwrap();
        let key = company.store.acting_as(company.store.authenticate(text.expose(), None).await.unwrap());
        key.people().list().await.unwrap();
        assert_eq!(code(key.personal_keys().get().await), "user_only");
    }

    async fn a_service_account_has_access_like_a_user(company: Company) {
        let robot = company.service_account("robot", &["flights:view"]).await;
        company.as_ada.people().grant_role(robot.id, company.readonly.id).await.unwrap();
        let access = company.as_ada.people().access(robot.id).await.unwrap();
        assert!(access.allows("crew:view"));
        assert!(!access.allows("flights:modify"));
        let new = NewKey::for_service_account(robot.id, "robot", Lifetime::days(1));
        let key = company.as_ada.keys().generate(new).await.unwrap().key;
        assert_eq!(company.as_ada.keys().access(key.id).await.unwrap(), access);
    }

    async fn a_deactivated_user_cannot_act_until_he_is_activated(company: Company) {
        let (ben, as_ben) = company.user("Ben", &["people:view"]).await;
        let deactivated = company.as_ada.people().deactivate(ben.id).await.unwrap();
        assert!(!deactivated.active);
        for refused in [
            as_ben.people().list().await.unwrap_err(),
            as_ben.people().get(ben.id).await.unwrap_err(),
            as_ben.tenants().list().await.unwrap_err(),
            as_ben.personal_keys().get().await.unwrap_err(),
        ] {
            assert_eq!(refused.rule(), Some(Rule::ActorInactive));
        }
        assert!(company.as_ada.people().activate(ben.id).await.unwrap().active);
        as_ben.people().list().await.unwrap();
    }

    async fn a_deactivated_service_accounts_keys_are_off_until_it_is_activated(company: Company) {
        let generated = company.key("sync").await;
        let (text, id) = (generated.text.unwrap(), generated.key.id);
        let owner = generated.key.owner.person().unwrap();
        company.as_ada.people().deactivate(owner).await.unwrap();
        let denied = company.store.authenticate(text.expose(), None).await.unwrap_err();
        assert_eq!(denied.to_string(), "denied: disabled");
        assert_eq!(company.as_ada.keys().get(id).await.unwrap().status, KeyStatus::OwnerInactive);
        let new = NewKey::for_service_account(owner, "another", Lifetime::days(1));
        assert_eq!(code(company.as_ada.keys().generate(new).await), "owner_inactive");
        company.as_ada.people().activate(owner).await.unwrap();
        assert!(company.store.authenticate(text.expose(), None).await.is_ok());
    }

    async fn a_user_that_there_is_not_cannot_act(company: Company) {
        let nobody = company.store.acting_as(Actor::user("per_0000000000g".parse().unwrap()));
        assert_eq!(code(nobody.tenants().list().await), "not_found");
        assert_eq!(code(nobody.people().list().await), "not_found");
    }

    async fn nobody_is_taken_for_a_user_who_may_do_more(company: Company) {
        let (_, clerk) = company.user("Clerk", &["people:modify", "people:view"]).await;
        let (bob, _) = company.user("Bob", &["people:view"]).await;
        for edit in [PersonEdit::new().email("clerk@northwind.example"), PersonEdit::new().external_id(Some("clerk"))] {
            let edited = clerk.people().edit(company.ada.id, company.ada.revision, edit.clone()).await;
            assert_eq!(code(edited), "beyond_own_access");
            let now = clerk.people().get(bob.id).await.unwrap();
            assert!(clerk.people().edit(bob.id, now.revision, edit).await.is_ok());
        }
        let renamed = PersonEdit::new().name("Ada P.");
        assert!(clerk.people().edit(company.ada.id, company.ada.revision, renamed).await.is_ok());
    }

    async fn nobody_is_granted_more_than_a_keyring_has_room_for(company: Company) {
        let platform = company.store.acting_as(Actor::operator("platform"));
        let long = "x".repeat(110);
        let names: Vec<String> = (0..80).map(|number| format!("{long}:{number}")).collect();
        for name in &names {
            platform.permissions().define(name, "").await.unwrap();
        }
        let (front, back) = names.split_at(40);
        let define = |name, part: &[String]| company.operator.roles().define(NewRole::new(name, part.to_vec()));
        let front = define("FRONT", front).await.unwrap().id;
        let back = define("BACK", back).await.unwrap().id;
        let account = company.service_account("both", &[]).await;
        company.operator.people().grant_role(account.id, front).await.unwrap();
        assert_eq!(code(company.operator.people().grant_role(account.id, back).await), "invalid");
        assert_eq!(company.operator.people().roles(account.id).await.unwrap().len(), 1);
    }

    async fn nobody_activates_who_may_do_what_he_may_not(company: Company) {
        let (ben, _) = company.user("Ben", &["flights:modify"]).await;
        let (weak, _) = company.user("Weak", &["people:modify"]).await;
        let (_, as_eve) = company.user("Eve", &["people:modify"]).await;
        for id in [ben.id, weak.id] {
            as_eve.people().deactivate(id).await.unwrap();
        }
        assert_eq!(code(as_eve.people().activate(ben.id).await), "beyond_own_access");
        assert!(as_eve.people().activate(weak.id).await.unwrap().active);
        assert!(company.as_ada.people().activate(ben.id).await.unwrap().active);
    }
}
