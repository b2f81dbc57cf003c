//! Edits: a lost update is an error, bad input names its field and what is wrong with it, and after an error nothing
//! was written.

use crate::company::{code, on_both_stores};
use claviger_sdk::{
    Actor, Error, KeyEdit, KeyGroupEdit, KeyLimit, Lifetime, NewKey, NewKeyGroup, NewRole, NewServiceAccount,
    NewTenant, NewUser, PersonEdit, RoleEdit, Store,
};

/// Makes sure that an edit of a record at revision 2 that has seen revision 1 says so.
fn assert_lost<T: std::fmt::Debug>(outcome: Result<T, Error>, kind: &str) {
    match outcome.unwrap_err() {
        Error::Changed { record, seen: 1, current: 2, .. } => assert_eq!(record, kind),
        other => panic!("{other}"),
    }
}

/// Makes sure that the error names the field and says what is wrong with it.
fn assert_invalid<T: std::fmt::Debug>(outcome: Result<T, Error>, field: &str, what: &str) {
    match outcome.unwrap_err() {
        Error::Invalid { field: named, problem } => {
            assert_eq!(named, field, "{problem}");
            assert!(problem.contains(what), "{field}: {problem:?} does not say {what:?}");
        }
        other => panic!("{field} must be invalid: {other}"),
    }
}

/// Makes sure that of two outcomes one is good and one is a lost update.
fn assert_one_wins<T: std::fmt::Debug>(outcomes: (Result<T, Error>, Result<T, Error>)) -> T {
    match outcomes {
        (Ok(won), Err(Error::Changed { .. })) | (Err(Error::Changed { .. }), Ok(won)) => won,
        other => panic!("{other:?}"),
    }
}

on_both_stores! {
    async fn a_lost_update_of_a_tenant_is_an_error(company: Company) {
        let (tenants, id) = (company.operator.tenants(), company.tenant.id);
        tenants.rename(id, 1, "Southwind").await.unwrap();
        assert_lost(tenants.rename(id, 1, "Eastwind").await, "tenant");
        assert_eq!(tenants.get(id).await.unwrap().name, "Southwind");
        assert_eq!(tenants.rename(id, 2, "Eastwind").await.unwrap().revision, 3);
    }

    async fn a_lost_update_of_a_person_is_an_error(company: Company) {
        let account = company.service_account("sync", &[]).await;
        let (ben, _) = company.user("Ben", &[]).await;
        let people = company.as_ada.people();
        for id in [account.id, ben.id] {
            let first = people.edit(id, 1, PersonEdit::new().email("first@x.example")).await.unwrap();
            assert_lost(people.edit(id, 1, PersonEdit::new().email("second@x.example")).await, "person");
            assert_eq!(people.get(id).await.unwrap(), first);
            people.edit(id, 2, PersonEdit::new().email("second@x.example")).await.unwrap();
        }
    }

    async fn a_lost_update_of_a_role_is_an_error(company: Company) {
        let roles = company.as_ada.roles();
        let role = roles.define(NewRole::new("pilot", ["flights:view"])).await.unwrap();
        let first = roles.edit(role.id, 1, RoleEdit::new().permissions(["crew:view"])).await.unwrap();
        assert_lost(roles.edit(role.id, 1, RoleEdit::new().permissions(["flights:modify"])).await, "role");
        assert_eq!(roles.get(role.id).await.unwrap(), first);
        roles.edit(role.id, 2, RoleEdit::new().permissions(["flights:modify"])).await.unwrap();
    }

    async fn a_lost_update_of_a_key_group_is_an_error(company: Company) {
        let groups = company.as_ada.key_groups();
        let group = groups.create(NewKeyGroup::new("nightly")).await.unwrap();
        let first = groups.edit(group.id, 1, KeyGroupEdit::new().description("first")).await.unwrap();
        assert_lost(groups.edit(group.id, 1, KeyGroupEdit::new().description("second")).await, "key group");
        assert_eq!(groups.get(group.id).await.unwrap(), first);
        groups.edit(group.id, 2, KeyGroupEdit::new().description("second")).await.unwrap();
    }

    async fn a_lost_update_of_a_key_is_an_error(company: Company) {
        let key = company.key("import").await.key;
        let keys = company.as_ada.keys();
        let first = keys.edit(key.id, 1, KeyEdit::new().description("first")).await.unwrap();
        assert_lost(keys.edit(key.id, 1, KeyEdit::new().description("second")).await, "API key");
        assert_lost(keys.edit(key.id, 1, KeyEdit::new().notify([company.ada.id])).await, "API key");
        assert_eq!(keys.get(key.id).await.unwrap(), first);
        keys.edit(key.id, 2, KeyEdit::new().description("second")).await.unwrap();
    }

    async fn a_switch_between_reading_and_editing_is_a_change_too(company: Company) {
        let (ben, _) = company.user("Ben", &[]).await;
        company.as_ada.people().deactivate(ben.id).await.unwrap();
        assert_lost(company.as_ada.people().edit(ben.id, 1, PersonEdit::new().name("x")).await, "person");
        let group = company.as_ada.key_groups().create(NewKeyGroup::new("nightly")).await.unwrap();
        company.as_ada.key_groups().switch_off(group.id).await.unwrap();
        assert_lost(company.as_ada.key_groups().edit(group.id, 1, KeyGroupEdit::new()).await, "key group");
        company.as_ada.tenants().lock_keys().await.unwrap();
        assert_lost(company.operator.tenants().rename(company.tenant.id, 1, "x").await, "tenant");
        company.as_ada.tenants().unlock_keys().await.unwrap();
        let key = company.key("import").await.key;
        company.as_ada.keys().deactivate(key.id).await.unwrap();
        assert_lost(company.as_ada.keys().edit(key.id, 1, KeyEdit::new().name("x")).await, "API key");
    }

    async fn a_revision_that_there_never_was_is_refused(company: Company) {
        for revision in [0, 2, -1, i64::MAX] {
            let edit = PersonEdit::new().name("x");
            assert_eq!(code(company.as_ada.people().edit(company.ada.id, revision, edit).await), "changed");
        }
    }

    async fn of_two_edits_at_the_same_revision_exactly_one_wins(company: Company) {
        // A second program with the same store, so that the database alone decides.
        let second =
            Store::open_with_clock(&company.place.location, &company.master_key, company.clock.clone());
        let second = second.await.unwrap();
        let (one, two) = (&company.as_ada, &second.acting_as(Actor::user(company.ada.id)));
        let (here, there) = (&company.operator, &second.acting_as(Actor::operator("platform")));
        let role = one.roles().define(NewRole::new("pilot", ["flights:view"])).await.unwrap().id;
        let group = one.key_groups().create(NewKeyGroup::new("nightly")).await.unwrap().id;
        let (key, ben) = (company.key("import").await.key.id, company.user("Ben", &[]).await.0.id);
        for revision in 1..=5 {
            let edit = |text: &str| PersonEdit::new().name(text);
            let won = assert_one_wins(tokio::join!(
                async { one.people().edit(ben, revision, edit("one")).await },
                async { two.people().edit(ben, revision, edit("two")).await },
            ));
            assert_eq!(one.people().get(ben).await.unwrap(), won);
            let edit = |text: &str| RoleEdit::new().permissions([text]);
            let won = assert_one_wins(tokio::join!(
                async { one.roles().edit(role, revision, edit("crew:view")).await },
                async { two.roles().edit(role, revision, edit("crew:modify")).await },
            ));
            assert_eq!(one.roles().get(role).await.unwrap(), won);
            let edit = |text: &str| KeyGroupEdit::new().name(text);
            let won = assert_one_wins(tokio::join!(
                async { one.key_groups().edit(group, revision, edit("one")).await },
                async { two.key_groups().edit(group, revision, edit("two")).await },
            ));
            assert_eq!(one.key_groups().get(group).await.unwrap(), won);
            let edit = |text: &str| KeyEdit::new().name(text);
            let won = assert_one_wins(tokio::join!(
                async { one.keys().edit(key, revision, edit("one")).await },
                async { two.keys().edit(key, revision, edit("two")).await },
            ));
            assert_eq!(one.keys().get(key).await.unwrap(), won);
            let won = assert_one_wins(tokio::join!(
                async { here.tenants().rename(company.tenant.id, revision, "one").await },
                async { there.tenants().rename(company.tenant.id, revision, "two").await },
            ));
            assert_eq!(here.tenants().get(company.tenant.id).await.unwrap(), won);
        }
        there.audit().verify(None).await.unwrap();
        second.close().await;
    }

    async fn a_bad_name_is_refused_wherever_there_is_one(company: Company) {
        let long = "é".repeat(101);
        let role = company.as_ada.roles().define(NewRole::new("pilot", ["flights:view"])).await.unwrap().id;
        let group = company.as_ada.key_groups().create(NewKeyGroup::new("nightly")).await.unwrap().id;
        let key = company.key("import").await.key.id;
        let platform = company.store.acting_as(Actor::operator("platform"));
        let ada = &company.as_ada;
        for (bad, what) in [
            ("", "0 characters"),
            (&*long, "101 characters"),
            (" x", "starts or ends with a space"),
            ("x ", "starts or ends with a space"),
            ("a\nb", "control character"),
            ("a\0b", "control character"),
        ] {
            assert_invalid(
                platform.tenants().create(NewTenant::new(bad, "x".parse().unwrap())).await,
                "name",
                what,
            );
            assert_invalid(platform.tenants().rename(company.tenant.id, 1, bad).await, "name", what);
            assert_invalid(ada.users().create(NewUser::new(bad, "b@x.example")).await, "name", what);
            assert_invalid(
                ada.people().edit(company.ada.id, 1, PersonEdit::new().name(bad)).await,
                "name",
                what,
            );
            assert_invalid(ada.roles().define(NewRole::new(bad, ["flights:view"])).await, "name", what);
            assert_invalid(ada.roles().edit(role, 1, RoleEdit::new().name(bad)).await, "name", what);
            assert_invalid(ada.key_groups().create(NewKeyGroup::new(bad)).await, "name", what);
            assert_invalid(
                ada.key_groups().edit(group, 1, KeyGroupEdit::new().name(bad)).await,
                "name",
                what,
            );
            let new = NewKey::for_tenant(company.readonly.id, bad, Lifetime::days(1));
            assert_invalid(ada.keys().generate(new).await, "name", what);
            assert_invalid(ada.keys().edit(key, 1, KeyEdit::new().name(bad)).await, "name", what);
            let account = |organisation: &str| NewServiceAccount::new("sync", organisation, "it@x.example");
            assert_invalid(ada.service_accounts().create(account(bad)).await, "organisation", what);
        }
        let bytes = "é".repeat(33);
        assert_invalid(ada.roles().define(NewRole::new(&bytes, ["flights:view"])).await, "name", "64 bytes");
        assert_invalid(ada.roles().edit(role, 1, RoleEdit::new().name(&bytes)).await, "name", "64 bytes");
        ada.users().create(NewUser::new(&"é".repeat(100), "b@x.example")).await.unwrap();
        ada.roles().define(NewRole::new(&"é".repeat(32), ["flights:view"])).await.unwrap();
    }

    async fn a_bad_description_is_refused_wherever_there_is_one(company: Company) {
        let (longest, long) = ("é".repeat(1000), "é".repeat(1001));
        let role = company.as_ada.roles().define(NewRole::new("pilot", ["flights:view"])).await.unwrap().id;
        let group = company.as_ada.key_groups().create(NewKeyGroup::new("nightly")).await.unwrap().id;
        let key = company.key("import").await.key.id;
        let platform = company.store.acting_as(Actor::operator("platform"));
        let ada = &company.as_ada;
        for (bad, what) in
            [(&*long, "1001 characters"), ("a\0b", "control character"), ("\u{1b}[31m", "control character")]
        {
            assert_invalid(platform.permissions().define("gates:view", bad).await, "description", what);
            let new = NewRole::new("crew", ["crew:view"]).description(bad);
            assert_invalid(ada.roles().define(new).await, "description", what);
            assert_invalid(
                ada.roles().edit(role, 1, RoleEdit::new().description(bad)).await,
                "description",
                what,
            );
            let new = NewKeyGroup::new("daily").description(bad);
            assert_invalid(ada.key_groups().create(new).await, "description", what);
            let edit = KeyGroupEdit::new().description(bad);
            assert_invalid(ada.key_groups().edit(group, 1, edit).await, "description", what);
            let new = NewKey::for_tenant(company.readonly.id, "board", Lifetime::days(1)).description(bad);
            assert_invalid(ada.keys().generate(new).await, "description", what);
            assert_invalid(
                ada.keys().edit(key, 1, KeyEdit::new().description(bad)).await,
                "description",
                what,
            );
        }
        for good in [&*longest, "", "two\nlines\tand\r\nmore"] {
            let edited = ada.roles().get(role).await.unwrap();
            let edited =
                ada.roles().edit(role, edited.revision, RoleEdit::new().description(good)).await.unwrap();
            assert_eq!(edited.description, good);
        }
    }

    async fn a_bad_e_mail_address_is_refused_wherever_there_is_one(company: Company) {
        let long = format!("{}@x.example", "a".repeat(245));
        for bad in [
            "",
            "ada",
            "@x.example",
            "ada@",
            "a@b@c",
            "a b@x.example",
            "a@x.example\n",
            "a\0@x.example",
            &long,
        ] {
            let what = "expected an address like ada@example.com";
            assert_invalid(company.as_ada.users().create(NewUser::new("Ben", bad)).await, "email", what);
            let account = NewServiceAccount::new("sync", "Contrails Ltd", bad);
            assert_invalid(company.as_ada.service_accounts().create(account).await, "email", what);
            let edit = PersonEdit::new().email(bad);
            assert_invalid(company.as_ada.people().edit(company.ada.id, 1, edit).await, "email", what);
        }
    }

    async fn a_bad_external_id_is_refused_wherever_there_is_one(company: Company) {
        let (long, bytes) = ("x".repeat(129), "é".repeat(65));
        let key = company.key("import").await.key.id;
        for (bad, what) in [
            ("", "0 characters"),
            (&*long, "129 characters"),
            (&bytes, "128 bytes"),
            ("a\0b", "control character"),
            (" 17", "space"),
        ] {
            let new = NewUser::new("Ben", "b@x.example").external_id(bad);
            assert_invalid(company.as_ada.users().create(new).await, "external_id", what);
            let edit = PersonEdit::new().external_id(Some(bad));
            assert_invalid(company.as_ada.people().edit(company.ada.id, 1, edit).await, "external_id", what);
            let new = NewKey::for_tenant(company.readonly.id, "board", Lifetime::days(1)).external_id(bad);
            assert_invalid(company.as_ada.keys().generate(new).await, "external_id", what);
            let edit = KeyEdit::new().external_id(Some(bad));
            assert_invalid(company.as_ada.keys().edit(key, 1, edit).await, "external_id", what);
        }
    }

    async fn what_else_a_key_cannot_have_is_refused_by_its_field(company: Company) {
        let key = company.key("import").await.key.id;
        let (ben, _) = company.user("Ben", &[]).await;
        company.as_ada.people().deactivate(ben.id).await.unwrap();
        let limit = |name: &str| KeyLimit { name: name.to_owned(), max: 1, per_seconds: 60 };
        for (edit, field, what) in [
            (KeyEdit::new().metadata(Some("")), "metadata", "1 to 256 bytes"),
            (KeyEdit::new().metadata(Some(&"x".repeat(257))), "metadata", "1 to 256 bytes"),
            (KeyEdit::new().notify_days_before([0]), "notify_days_before", "1 to 365"),
            (KeyEdit::new().notify_days_before([366]), "notify_days_before", "1 to 365"),
            (KeyEdit::new().notify_days_before(1..=11), "notify_days_before", "up to ten"),
            (KeyEdit::new().notify([ben.id]), "notify", "is deactivated"),
            (KeyEdit::new().limits([limit("")]), "limits", ""),
        ] {
            let text = format!("{edit:?}");
            match company.as_ada.keys().edit(key, 1, edit).await.unwrap_err() {
                Error::Invalid { field: named, problem } => {
                    assert!(named.contains(field.trim_end_matches('s')), "{text}: {named}: {problem}");
                    assert!(problem.contains(what), "{text}: {problem}");
                }
                other => panic!("{text}: {other}"),
            }
        }
        assert_eq!(company.as_ada.keys().get(key).await.unwrap().revision, 1);
    }

    async fn texts_that_are_looked_for_may_be_anything(company: Company) {
        for text in ["", "'", "%", "\u{10ffff}", "\\", "\n", "a\u{7}"] {
            company.as_ada.people().list().starting_with(text).await.unwrap();
            company.as_ada.permissions().list().containing(text).await.unwrap();
            company.as_ada.roles().list().containing(text).await.unwrap();
            assert_eq!(code(company.as_ada.roles().named(text).await), "not_found", "{text:?}");
            assert_eq!(code(company.as_ada.users().with_external_id(text).await), "not_found", "{text:?}");
            assert_eq!(company.as_ada.audit().list().of_action(text).await.unwrap(), []);
            assert_eq!(company.as_ada.audit().list().of_record(text).await.unwrap(), []);
            company.as_ada.people().take_permission(company.ada.id, text).await.unwrap();
        }
    }

    async fn a_text_with_nul_is_refused_wherever_there_is_one(company: Company) {
        let (text, what) = ("a\0b", "NUL");
        let ada = &company.as_ada;
        assert_invalid(ada.people().list().starting_with(text).await, "starting_with", what);
        assert_invalid(ada.keys().list().starting_with(text).await, "starting_with", what);
        assert_invalid(ada.roles().named(text).await, "name", what);
        assert_invalid(ada.users().with_external_id(text).await, "external_id", what);
        assert_invalid(ada.audit().list().of_action(text).await, "action", what);
        assert_invalid(ada.audit().list().of_record(text).await, "record", what);
        assert_invalid(ada.people().take_permission(company.ada.id, text).await, "permission", what);
        assert_invalid(
            "name.0000000000g.00".parse::<claviger_sdk::Cursor>(),
            "cursor",
            "none that a list gave",
        );
        let operator = company.store.acting_as(Actor::operator(text));
        assert_invalid(operator.permissions().define("gates:view", "see gates").await, "operator", what);
        assert_eq!(ada.permissions().list().containing(text).await.unwrap(), []);
        assert_eq!(ada.roles().list().containing(text).await.unwrap(), []);
    }

    async fn a_bad_cursor_is_refused(company: Company) {
        for text in ["", "name", "name.0000000000g.6", "name.0000000000g.ff", "x"] {
            assert_invalid(text.parse::<claviger_sdk::Cursor>(), "cursor", "none that a list gave");
        }
        let cursor = "expires_at.0000000000g.31".parse().unwrap();
        assert_invalid(
            company.as_ada.people().list().after(cursor).await,
            "cursor",
            "sorted by expires_at, not by name",
        );
    }

    async fn after_an_error_nothing_was_written(company: Company) {
        let roles = company.as_ada.roles();
        let role = roles.define(NewRole::new("pilot", ["flights:view"])).await.unwrap().into_record();
        let key = company
            .as_ada
            .keys()
            .generate(NewKey::for_tenant(role.id, "board", Lifetime::days(1)))
            .await
            .unwrap()
            .key;
        let platform = company.store.acting_as(Actor::operator("platform"));
        let before = platform.audit().head().await.unwrap();
        // The name is good and comes first; what follows is not.
        let edit = RoleEdit::new().name("captain").permissions(["crew:view", "gates:view"]);
        assert_invalid(roles.edit(role.id, 1, edit).await, "permission", "gates:view is not defined");
        assert_eq!(roles.get(role.id).await.unwrap(), role);
        let edit = KeyEdit::new().name("other").notify([company.ada.id, "per_0000000000g".parse().unwrap()]);
        assert_eq!(code(company.as_ada.keys().edit(key.id, 1, edit).await), "not_found");
        assert_eq!(company.as_ada.keys().get(key.id).await.unwrap(), key);
        let edit = PersonEdit::new().name("Ada Ash").email("no address");
        assert_invalid(company.as_ada.people().edit(company.ada.id, 1, edit).await, "email", "expected");
        assert_eq!(company.as_ada.people().get(company.ada.id).await.unwrap(), company.ada);
        let tenant = NewTenant::new("Northwind", "x".parse().unwrap());
        assert_eq!(code(platform.tenants().create(tenant).await), "exists");
        assert_eq!(platform.tenants().list().await.unwrap().len(), 1);
        assert_eq!(platform.audit().head().await.unwrap(), before);
        platform.audit().verify(None).await.unwrap();
    }
}
