//! The audit log: who did what to which record, when and from where; never a secret, and no event can be changed,
//! removed or added without notice.

use crate::company::{Company, code, on_both_stores, start};
use chrono::TimeDelta;
use claviger_sdk::{
    Actor, AuditEvent, AuditHead, Error, KeyEdit, KeyGroupEdit, Lifetime, NewKey, NewKeyGroup,
    NewPersonalKey, NewRole, NewServiceAccount, NewSharedSecret, NewTenant, NewUser, PersonEdit,
    RevocationReason, RoleEdit, Rule, Session,
};
use sqlx::{AnyConnection, AssertSqlSafe, Connection, Executor, Row};

fn platform(company: &Company) -> Session {
    company.store.acting_as(Actor::operator("platform"))
}

/// The newest event.
async fn last(company: &Company) -> AuditEvent {
    platform(company).audit().list().limit(1).await.unwrap().remove(0)
}

/// The database itself, beside the store.
async fn database(company: &Company) -> AnyConnection {
    let location = &company.place.location;
    let url = if location.contains("://") { location.clone() } else { format!("sqlite:{location}") };
    AnyConnection::connect(&url).await.unwrap()
}

/// Changes the database behind the store's back.
async fn tamper(company: &Company, change: &str) {
    let mut connection = database(company).await;
    connection.execute(AssertSqlSafe(change.to_owned())).await.unwrap();
    connection.close().await.unwrap();
}

/// Makes sure that the log is found to be wrong from this event on.
async fn assert_wrong_from(company: &Company, kept: Option<&AuditHead>, sequence: i64) {
    let error = platform(company).audit().verify(kept).await.unwrap_err();
    let Error::Damaged(problem) = &error else { panic!("{error}") };
    assert!(problem.ends_with(&format!("from event {sequence} on")), "{problem}");
}

/// A shared secret's text, which only the operator sees.
async fn reveal(company: &Company, new: NewSharedSecret) -> String {
    let secret = company.as_ada.shared_secrets().create(new).await.unwrap();
    company.operator.shared_secrets().reveal(secret.id).await.unwrap().expose().to_owned()
}

/// Every sixteen characters in a row of what is secret in a text: that is more than prefix and public id have in common
/// with it.
fn parts(secret: &str) -> Vec<&str> {
    // The last part is the secret; its first eleven characters name the key.
    let hidden = secret.rsplit('_').next().unwrap();
    (11..=hidden.len() - 16).step_by(4).map(|from| hidden.get(from..from + 16).unwrap()).collect()
}

on_both_stores! {
    unwatched;

    async fn an_event_says_who_did_what_to_which_record_when_and_from_where(company: Company) {
        company.advance(TimeDelta::seconds(90));
        let actor = Actor::user(company.ada.id).from_address("2001:db8::7".parse().unwrap());
        let from_office = company.store.acting_as(actor);
        let role = from_office.roles().define(NewRole::new("pilot", ["flights:view"])).await.unwrap();
        let event = last(&company).await;
        assert_eq!(event.actor, format!("user:{}", company.ada.id));
        assert_eq!(event.action, "role.defined");
        assert_eq!(event.record, role.id.to_string());
        assert_eq!(event.at, start() + TimeDelta::seconds(90));
        assert_eq!(event.origin, "2001:db8::7");
        assert_eq!(event.tenant, Some(company.tenant.id));
        let details = serde_json_like(&event.details);
        assert!(details.contains("\"name\":\"pilot\""), "{details}");
        assert!(details.contains("flights:view"), "{details}");
    }

    async fn every_kind_of_actor_is_named(company: Company) {
        company.operator.roles().define(NewRole::new("a", ["flights:view"])).await.unwrap();
        assert_eq!(
            (last(&company).await.actor.as_str(), last(&company).await.origin.as_str()),
            ("operator:platform", "")
        );
        company.as_ada.roles().define(NewRole::new("b", ["flights:view"])).await.unwrap();
        assert_eq!(last(&company).await.actor, format!("user:{}", company.ada.id));
        let account = company.service_account("robot", &["people:modify"]).await;
        let new = NewKey::for_service_account(account.id, "robot", Lifetime::days(1));
        let generated = company.as_ada.keys().generate(new).await.unwrap();
        let address = Some([192, 0, 2, 7].into());
        let actor = company.store.authenticate(generated.text.unwrap().expose(), address).await.unwrap();
        company
            .store
            .acting_as(actor)
            .users()
            .create(NewUser::new("Ben", "b@northwind.example"))
            .await
            .unwrap();
        let event = last(&company).await;
        assert_eq!(event.actor, format!("key:{}", generated.key.id));
        assert_eq!(event.origin, "192.0.2.7");
    }

    async fn every_operation_that_changes_something_leaves_its_event(company: Company) {
        let (ada, operator) = (&company.as_ada, &company.operator);
        let platform = platform(&company);
        let tenant = company.tenant.id;
        let before = platform.audit().head().await.unwrap().sequence;
        platform.permissions().define("gates:view", "see gates").await.unwrap();
        platform.tenants().create(NewTenant::new("Other", "other".parse().unwrap())).await.unwrap();
        operator.tenants().rename(tenant, 1, "Southwind").await.unwrap();
        operator.tenants().switch_off(tenant, "Southwind").await.unwrap();
        operator.tenants().switch_on(tenant).await.unwrap();
        ada.tenants().lock_keys().await.unwrap();
        ada.tenants().unlock_keys().await.unwrap();
        let role = ada.roles().define(NewRole::new("pilot", ["flights:view"])).await.unwrap();
        ada.roles().edit(role.id, 1, RoleEdit::new().name("captain")).await.unwrap();
        let ben = ada.users().create(NewUser::new("Ben", "b@northwind.example")).await.unwrap();
        ada.people().edit(ben.id, 1, PersonEdit::new().name("Ben Ash")).await.unwrap();
        ada.people().grant_role(ben.id, role.id).await.unwrap();
        ada.people().take_role(ben.id, role.id).await.unwrap();
        ada.people().deactivate(ben.id).await.unwrap();
        ada.people().activate(ben.id).await.unwrap();
        ada.roles().delete(role.id, "captain").await.unwrap();
        let sync = NewServiceAccount::new("sync", "Contrails Ltd", "it@contrails.example");
        let sync = ada.service_accounts().create(sync).await.unwrap();
        ada.people().grant_permission(sync.id, "flights:view").await.unwrap();
        ada.people().take_permission(sync.id, "flights:view").await.unwrap();
        let group = ada.key_groups().create(NewKeyGroup::new("nightly")).await.unwrap();
        ada.key_groups().edit(group.id, 1, KeyGroupEdit::new().name("daily")).await.unwrap();
        ada.key_groups().switch_off(group.id).await.unwrap();
        ada.key_groups().switch_on(group.id).await.unwrap();
        ada.key_groups().delete(group.id, None, "daily").await.unwrap();
        let key = ada
            .keys()
            .generate(NewKey::for_service_account(sync.id, "sync", Lifetime::days(1)))
            .await
            .unwrap()
            .key;
        ada.keys().edit(key.id, key.revision, KeyEdit::new().description("x")).await.unwrap();
        ada.keys().deactivate(key.id).await.unwrap();
        ada.keys().activate(key.id).await.unwrap();
        ada.keys().refresh(key.id).await.unwrap();
        ada.keys().rotate(key.id, TimeDelta::days(1)).await.unwrap();
        ada.keys().regenerate(key.id, "sync").await.unwrap();
        ada.reviews().record(key.id, "still needed", None).await.unwrap();
        ada.keys().expire_now(key.id, RevocationReason::Unused, "sync").await.unwrap();
        ada.keys().delete(key.id, "sync").await.unwrap();
        let secret = ada.shared_secrets().create(NewSharedSecret::integration("partner")).await.unwrap();
        ada.shared_secrets().reveal(secret.id).await.unwrap();
        ada.shared_secrets().rotate(secret.id, TimeDelta::days(1)).await.unwrap();
        ada.shared_secrets().retire(secret.id, "partner").await.unwrap();
        let edge = ada.shared_secrets().create(NewSharedSecret::issuing("edge")).await.unwrap();
        ada.shared_secrets().allow_signing(edge.id).await.unwrap();
        ada.shared_secrets().forbid_signing(edge.id).await.unwrap();
        let mut events = platform.audit().list().limit(1000).await.unwrap();
        events.retain(|event| event.sequence > before);
        let actions: Vec<_> = events.iter().rev().map(|event| event.action.as_str()).collect();
        assert_eq!(
            actions,
            [
                "permission.defined",
                "tenant.created",
                "tenant.renamed",
                "tenant.switched_off",
                "tenant.switched_on",
                "tenant.locked",
                "tenant.unlocked",
                "role.defined",
                "role.edited",
                "user.created",
                "person.edited",
                "role.granted",
                "role.taken",
                "person.deactivated",
                "person.activated",
                "role.deleted",
                "service_account.created",
                "permission.granted",
                "permission.taken",
                "key_group.created",
                "key_group.edited",
                "key_group.switched_off",
                "key_group.switched_on",
                "key_group.deleted",
                "key.generated",
                "key.edited",
                "key.deactivated",
                "key.activated",
                "key.refreshed",
                "key.rotated",
                "key.regenerated",
                "key.reviewed",
                "key.expired_now",
                "key.deleted",
                "shared_secret.created",
                "shared_secret.revealed",
                "shared_secret.rotated",
                "shared_secret.retired",
                "shared_secret.created",
                "shared_secret.signing_allowed",
                "shared_secret.signing_forbidden",
            ]
        );
        platform.audit().verify(None).await.unwrap();
    }

    async fn what_is_refused_or_changes_nothing_leaves_no_event(company: Company) {
        let (ben, as_ben) = company.user("Ben", &["flights:view"]).await;
        let secret = company.issuing_secret().await;
        let before = platform(&company).audit().head().await.unwrap();
        assert_eq!(code(as_ben.people().deactivate(company.ada.id).await), "permission_needed");
        assert_eq!(
            code(company.as_ada.roles().define(NewRole::new("ADMIN", ["flights:view"])).await),
            "exists"
        );
        assert_eq!(
            code(company.as_ada.users().create(NewUser::new("", "b@northwind.example")).await),
            "invalid"
        );
        company.as_ada.people().grant_permission(ben.id, "flights:view").await.unwrap();
        company.as_ada.people().take_permission(ben.id, "crew:view").await.unwrap();
        company.as_ada.people().take_role(ben.id, company.readonly.id).await.unwrap();
        company.as_ada.shared_secrets().forbid_signing(secret).await.unwrap();
        company.as_ada.people().list().await.unwrap();
        assert_eq!(platform(&company).audit().head().await.unwrap(), before);
    }

    async fn a_key_that_ends_with_its_role_is_named_in_the_log(company: Company) {
        let role = company.as_ada.roles().define(NewRole::new("pilot", ["flights:view"])).await.unwrap();
        let new = NewKey::for_tenant(role.id, "board", Lifetime::days(1));
        let key = company.as_ada.keys().generate(new).await.unwrap().key;
        company.as_ada.roles().delete(role.id, "pilot").await.unwrap();
        let events = company.as_ada.audit().list().of_record(key.id).await.unwrap();
        let actions: Vec<_> = events.iter().map(|event| event.action.as_str()).collect();
        assert_eq!(actions, ["key.revoked", "key.generated"]);
    }

    async fn events_are_listed_the_newest_first_by_record_by_action_and_in_parts(company: Company) {
        let (ben, _) = company.user("Ben", &["flights:view", "crew:view"]).await;
        let audit = company.as_ada.audit();
        let all = audit.list().await.unwrap();
        let numbers: Vec<_> = all.iter().map(|event| event.sequence).collect();
        assert!(numbers.is_sorted_by(|newer, older| newer > older), "{numbers:?}");
        let of_ben = audit.list().of_record(ben.id).await.unwrap();
        let actions: Vec<_> = of_ben.iter().map(|event| event.action.as_str()).collect();
        assert_eq!(actions, ["permission.granted", "permission.granted", "user.created"]);
        let granted = audit.list().of_record(ben.id).of_action("permission.granted").await.unwrap();
        assert_eq!(granted, of_ben[..2]);
        let first = audit.list().limit(2).await.unwrap();
        let second = audit.list().limit(2).before(first[1].sequence).await.unwrap();
        assert_eq!([first, second].concat(), all[..4]);
        for limit in [0, 1001] {
            assert_eq!(code(audit.list().limit(limit).await), "invalid");
        }
    }

    async fn the_log_shows_an_actor_the_events_of_his_tenant_and_the_operator_all(company: Company) {
        let other = NewTenant::new("Other", "other".parse().unwrap());
        let other = platform(&company).tenants().create(other).await.unwrap().id;
        company.operator.in_tenant(other).key_groups().create(NewKeyGroup::new("nightly")).await.unwrap();
        let own = company.as_ada.audit().list().limit(1000).await.unwrap();
        assert!(own.iter().all(|event| event.tenant == Some(company.tenant.id)));
        assert!(own.iter().any(|event| event.action == "tenant.created"));
        let all = platform(&company).audit().list().limit(1000).await.unwrap();
        let head = platform(&company).audit().head().await.unwrap();
        assert_eq!(all.len() as i64, head.sequence);
        assert!(all.iter().any(|event| event.tenant.is_none()), "what concerns the platform");
        let others = platform(&company).in_tenant(other).audit().list().await.unwrap();
        let actions: Vec<_> = others.iter().map(|event| event.action.as_str()).collect();
        assert_eq!(actions, ["key_group.created", "tenant.created"]);
    }

    async fn reading_the_log_needs_audit_view_and_verifying_it_the_operator(company: Company) {
        let (_, as_ben) = company.user("Ben", &["people:view"]).await;
        assert_eq!(code(as_ben.audit().list().await), "permission_needed");
        let (_, as_cy) = company.user("Cy", &["audit:view"]).await;
        as_cy.audit().list().await.unwrap();
        assert_eq!(company.as_ada.audit().head().await.unwrap_err().rule(), Some(Rule::OperatorOnly));
        assert_eq!(company.as_ada.audit().verify(None).await.unwrap_err().rule(), Some(Rule::OperatorOnly));
    }

    async fn no_event_holds_a_secret(company: Company) {
        let mut secrets = Vec::new();
        let keys = company.as_ada.keys();
        let generated = company.key("import").await;
        let id = generated.key.id;
        secrets.push(generated.text.unwrap().expose().to_owned());
        secrets.push(keys.rotate(id, TimeDelta::days(1)).await.unwrap().text.unwrap().expose().to_owned());
        secrets.push(keys.regenerate(id, "import").await.unwrap().text.unwrap().expose().to_owned());
        let account = company.service_account("signer", &["flights:view"]).await;
        let new = NewKey::for_service_account(account.id, "signer", Lifetime::days(1)).for_signing();
        secrets.push(keys.generate(new).await.unwrap().text.unwrap().expose().to_owned());
        let personal =
            company.as_ada.personal_keys().generate(NewPersonalKey::new(Lifetime::days(1)).confirming("ADMIN")).await.unwrap();
        let client_id = personal.key.id.to_string();
        secrets.push(personal.text.unwrap().expose().to_owned());
        let personal = company.as_ada.personal_keys().regenerate(&client_id).await.unwrap();
        secrets.push(personal.text.unwrap().expose().to_owned());
        secrets.push(reveal(&company, NewSharedSecret::issuing("stamp")).await);
        secrets.push(reveal(&company, NewSharedSecret::integration("partner")).await);
        let stamp = company.as_ada.shared_secrets().list().await.unwrap();
        let stamp = stamp.iter().find(|secret| secret.name == "stamp").unwrap().id;
        let new = NewKey::for_service_account(account.id, "signed", Lifetime::days(1)).signed_by(stamp);
        secrets.push(keys.generate(new).await.unwrap().text.unwrap().expose().to_owned());
        company.as_ada.shared_secrets().rotate(stamp, TimeDelta::days(1)).await.unwrap();
        secrets.push(company.operator.shared_secrets().reveal(stamp).await.unwrap().expose().to_owned());
        for secret in &secrets {
            keys.find_by_text(secret).await.ok();
            company.store.authenticate(secret, None).await.ok();
        }
        let mut connection = database(&company).await;
        let rows = connection
            .fetch_all("SELECT actor, origin, action, record, details FROM audit_events")
            .await
            .unwrap();
        let columns = ["actor", "origin", "action", "record", "details"];
        let texts = rows.iter().map(|row| columns.map(|column| row.get::<String, _>(column)).join("\n"));
        let log = texts.collect::<Vec<_>>().join("\n");
        connection.close().await.unwrap();
        assert!(log.contains(&id.to_string()), "the public id is there");
        for (number, secret) in secrets.iter().enumerate() {
            assert!(secret.len() > 40, "{number}");
            for part in parts(secret) {
                assert!(!log.contains(part), "secret {number} is in the log");
            }
        }
    }

    async fn a_whole_log_is_verified_and_gives_its_head(company: Company) {
        let head = platform(&company).audit().head().await.unwrap();
        assert!(head.sequence > 5);
        assert_eq!(platform(&company).audit().verify(None).await.unwrap(), head);
        assert_eq!(platform(&company).audit().verify(Some(&head)).await.unwrap(), head);
        drop(company.user("Ben", &["flights:view"]).await);
        let later = platform(&company).audit().verify(Some(&head)).await.unwrap();
        assert_eq!(later.sequence, head.sequence + 2, "a head that was kept stays good as the log grows");
        assert_ne!(later.mac, head.mac);
    }

    async fn an_event_that_was_changed_is_noticed(company: Company) {
        company.as_ada.roles().define(NewRole::new("pilot", ["flights:view"])).await.unwrap();
        drop(company.user("Ben", &[]).await);
        let columns = [
            ("at", "at + 1", "at - 1"),
            ("actor", "actor || 'x'", "substr(actor, 1, length(actor) - 1)"),
            ("origin", "'192.0.2.7'", "''"),
            ("action", "action || 'x'", "substr(action, 1, length(action) - 1)"),
            ("record", "record || 'x'", "substr(record, 1, length(record) - 1)"),
            ("details", "details || ' '", "substr(details, 1, length(details) - 1)"),
            ("tenant", "NULL", "(SELECT id FROM tenants)"),
        ];
        for (column, change, back) in columns {
            tamper(&company, &format!("UPDATE audit_events SET {column} = {change} WHERE sequence = 9"))
                .await;
            assert_wrong_from(&company, None, 9).await;
            tamper(&company, &format!("UPDATE audit_events SET {column} = {back} WHERE sequence = 9")).await;
            platform(&company).audit().verify(None).await.unwrap();
        }
        tamper(&company, "UPDATE audit_events SET mac = (SELECT mac FROM audit_events WHERE sequence = 8) \
             WHERE sequence = 9")
            .await;
        assert_wrong_from(&company, None, 9).await;
    }

    async fn an_event_that_was_removed_is_noticed(company: Company) {
        tamper(&company, "DELETE FROM audit_events WHERE sequence = 4").await;
        assert_wrong_from(&company, None, 4).await;
        tamper(&company, "UPDATE audit_events SET sequence = sequence - 1 WHERE sequence = 5").await;
        assert_wrong_from(&company, None, 4).await;
    }

    async fn the_first_event_removed_is_noticed(company: Company) {
        tamper(&company, "DELETE FROM audit_events WHERE sequence = 1").await;
        assert_wrong_from(&company, None, 1).await;
    }

    async fn an_event_that_was_inserted_is_noticed(company: Company) {
        let end = platform(&company).audit().head().await.unwrap().sequence;
        let copy = |from: i64, to: i64| {
            format!(
                "INSERT INTO audit_events \
                 (sequence, at, tenant, actor, origin, action, record, details, audit_key, mac) \
                 SELECT {to}, at, tenant, actor, origin, action, record, details, audit_key, mac FROM audit_events \
                 WHERE sequence = {from}"
            )
        };
        tamper(&company, &copy(end, end + 1)).await;
        assert_wrong_from(&company, None, end + 1).await;
        tamper(&company, &format!("DELETE FROM audit_events WHERE sequence = {}", end + 1)).await;
        platform(&company).audit().verify(None).await.unwrap();
        tamper(&company, &copy(1, 0)).await;
        assert_eq!(code(platform(&company).audit().verify(None).await), "damaged");
    }

    async fn two_events_that_changed_places_are_noticed(company: Company) {
        for (from, to) in [(4, -1), (5, 4), (-1, 5)] {
            tamper(&company, &format!("UPDATE audit_events SET sequence = {to} WHERE sequence = {from}"))
                .await;
        }
        assert_wrong_from(&company, None, 4).await;
    }

    async fn events_that_were_cut_off_are_noticed(company: Company) {
        let end = platform(&company).audit().head().await.unwrap().sequence;
        tamper(&company, &format!("DELETE FROM audit_events WHERE sequence > {}", end - 2)).await;
        assert_wrong_from(&company, None, end - 1).await;
        tamper(&company, "DELETE FROM audit_events").await;
        assert_wrong_from(&company, None, 1).await;
    }

    async fn a_log_that_was_cut_off_with_its_end_is_noticed_by_a_head_that_was_kept(company: Company) {
        let before = platform(&company).audit().head().await.unwrap();
        drop(company.user("Ben", &["flights:view"]).await);
        let kept = platform(&company).audit().head().await.unwrap();
        let cut = format!("DELETE FROM audit_events WHERE sequence > {}", before.sequence);
        tamper(&company, &cut).await;
        let mac = format!("(SELECT mac FROM audit_events WHERE sequence = {})", before.sequence);
        tamper(
            &company,
            &format!("UPDATE store SET audit_sequence = {}, audit_mac = {mac}", before.sequence),
        )
        .await;
        assert_eq!(
            platform(&company).audit().verify(None).await.unwrap(),
            before,
            "the store alone cannot tell"
        );
        assert_wrong_from(&company, Some(&kept), before.sequence + 1).await;
        // Nor does it help to let the log grow again.
        drop(company.user("Cy", &["flights:view", "crew:view"]).await);
        platform(&company).audit().verify(None).await.unwrap();
        assert_wrong_from(&company, Some(&kept), kept.sequence).await;
    }
}

/// JSON without the spaces that a writer may put in.
fn serde_json_like(text: &str) -> String {
    text.replace(": ", ":").replace(", ", ",")
}
