//! Generating keys: whose they are, what they may be, and that their text is shown once.

use super::{is_good, secret_of, text};
use crate::company::{code, on_both_stores};
use chrono::{DateTime, TimeDelta};
use claviger_core::{RequestContext, Verifier, parse};
use claviger_sdk::{
    Error, KeyEdit, KeyKind, KeyLimit, KeyOwner, KeyStatus, LastUse, Lifetime, NewKey, NewKeyGroup,
    NewSharedSecret, NewUser,
};

const MONTH: Lifetime = Lifetime::days(30);

on_both_stores! {
    async fn a_key_has_one_owner_a_service_account_a_user_in_a_role_or_the_tenant_in_a_role(company: Company) {
        let account = company.service_account("flight_sync", &["flights:view"]).await;
        let role = company.role_of("Dispatcher", &["flights:*"]).await;
        let (bob, _) = company.user_in("Bob", &[], &role).await;
        let keys = company.as_ada.keys();
        for (new, owner, person, role_name) in [
            (
                NewKey::for_service_account(account.id, "a", MONTH),
                KeyOwner::ServiceAccount(account.id),
                Some(account.id),
                "",
            ),
            (
                NewKey::on_behalf_of(bob.id, role.id, "b", MONTH),
                KeyOwner::User { user: bob.id, role: role.id },
                Some(bob.id),
                "Dispatcher",
            ),
            (NewKey::for_tenant(role.id, "c", MONTH), KeyOwner::Tenant { role: role.id }, None, "Dispatcher"),
        ] {
            let key = keys.generate(new).await.unwrap().key;
            assert_eq!((key.owner, key.role_name.as_str()), (owner, role_name));
            assert_eq!((key.owner.person(), key.owner.role()), (person, owner.role()));
            assert_eq!((key.tenant, key.status), (company.tenant.id, KeyStatus::Active));
        }
    }

    async fn the_owner_stays_whatever_is_changed(company: Company) {
        let key = company.key("import").await.key;
        let keys = company.as_ada.keys();
        let edited = keys.edit(key.id, key.revision, KeyEdit::new().name("another")).await.unwrap();
        assert_eq!(edited.owner, key.owner);
        assert_eq!(keys.rotate(key.id, TimeDelta::days(1)).await.unwrap().key.owner, key.owner);
        assert_eq!(keys.regenerate(key.id, "another").await.unwrap().key.owner, key.owner);
    }

    async fn a_service_account_is_none_but_a_service_account_and_a_user_none_but_a_user(company: Company) {
        let account = company.service_account("flight_sync", &[]).await;
        let keys = company.as_ada.keys();
        let new = NewKey::for_service_account(company.ada.id, "x", MONTH);
        assert_eq!(code(keys.generate(new).await), "invalid");
        let new = NewKey::on_behalf_of(account.id, company.readonly.id, "x", MONTH);
        assert_eq!(code(keys.generate(new).await), "invalid");
    }

    async fn the_access_of_a_service_accounts_key_is_the_accounts_as_it_is_now(company: Company) {
        let key = company.key("import").await.key;
        let account = key.owner.person().unwrap();
        let (keys, people) = (company.as_ada.keys(), company.as_ada.people());
        let access = keys.access(key.id).await.unwrap();
        assert!(access.allows("flights:view") && !access.allows("flights:modify"));
        people.grant_permission(account, "flights:modify").await.unwrap();
        assert!(keys.access(key.id).await.unwrap().allows("flights:modify"));
        let role = company.role_of("Crew", &["crew:view"]).await;
        people.grant_role(account, role.id).await.unwrap();
        assert!(keys.access(key.id).await.unwrap().allows("crew:view"));
        people.take_role(account, role.id).await.unwrap();
        people.take_permission(account, "flights:view").await.unwrap();
        let access = keys.access(key.id).await.unwrap();
        assert!(!access.allows("crew:view") && !access.allows("flights:view"));
        assert_eq!(keys.get(key.id).await.unwrap().status, KeyStatus::Active);
    }

    async fn the_access_of_a_key_in_a_role_is_the_roles_and_not_the_users(company: Company) {
        let role = company.role_of("Dispatcher", &["flights:view"]).await;
        let (bob, _) = company.user_in("Bob", &["crew:modify"], &role).await;
        let key = company.as_ada.keys().generate(NewKey::on_behalf_of(bob.id, role.id, "b", MONTH)).await.unwrap().key;
        let access = company.as_ada.keys().access(key.id).await.unwrap();
        assert!(access.allows("flights:view") && !access.allows("crew:modify"));
        let edit = claviger_sdk::RoleEdit::new().permissions(["flights:modify"]);
        company.as_ada.roles().edit(role.id, role.revision, edit).await.unwrap();
        let access = company.as_ada.keys().access(key.id).await.unwrap();
        assert!(access.allows("flights:modify") && !access.allows("flights:view"));
    }

    async fn a_read_only_key_has_the_part_of_its_owners_access_that_reads(company: Company) {
        let account = company.service_account("flight_sync", &["flights:*", "crew:modify"]).await;
        let new = NewKey::for_service_account(account.id, "reader", MONTH).read_only();
        let key = company.as_ada.keys().generate(new).await.unwrap().key;
        assert!(key.read_only);
        let access = company.as_ada.keys().access(key.id).await.unwrap();
        assert!(access.allows("flights:view"));
        assert!(!access.allows("flights:modify") && !access.allows("crew:modify"));
    }

    async fn a_key_is_on_the_actors_own_behalf_if_nobody_else_is_named(company: Company) {
        let role = company.role_of("Dispatcher", &["flights:view"]).await;
        let (bob, as_bob) = company.user_in("Bob", &["api_keys:modify"], &role).await;
        let key = as_bob.keys().generate(NewKey::on_my_behalf(role.id, "laptop", MONTH)).await.unwrap().key;
        assert_eq!(key.owner, KeyOwner::User { user: bob.id, role: role.id });
        assert_eq!(key.created_by, format!("user:{}", bob.id));
        let new = NewKey::on_my_behalf(company.readonly.id, "x", MONTH);
        assert_eq!(code(company.operator.keys().generate(new).await), "invalid");
    }

    async fn on_ones_own_behalf_it_needs_api_keys_modify(company: Company) {
        let role = company.role_of("Dispatcher", &["flights:view"]).await;
        let (_, as_bob) = company.user_in("Bob", &["api_keys:view"], &role).await;
        let new = NewKey::on_my_behalf(role.id, "laptop", MONTH);
        assert_eq!(code(as_bob.keys().generate(new.clone()).await), "permission_needed");
        let (_, as_eve) = company.user_in("Eve", &["api_keys:modify"], &role).await;
        assert!(as_eve.keys().generate(new).await.is_ok());
    }

    async fn for_anybody_else_it_needs_api_keys_modify_all(company: Company) {
        let role = company.role_of("Dispatcher", &["flights:view"]).await;
        let (bob, _) = company.user_in("Bob", &[], &role).await;
        let account = company.service_account("flight_sync", &["flights:view"]).await;
        let (_, as_eve) = company.user_in("Eve", &["api_keys:modify", "api_keys:view"], &role).await;
        let (_, as_max) = company.user_in("Max", &["api_keys:modify_all"], &role).await;
        for new in [
            NewKey::on_behalf_of(bob.id, role.id, "x", MONTH),
            NewKey::for_service_account(account.id, "x", MONTH),
            NewKey::for_tenant(role.id, "x", MONTH),
        ] {
            assert_eq!(code(as_eve.keys().generate(new.clone()).await), "permission_needed");
            assert!(as_max.keys().generate(new).await.is_ok());
        }
    }

    async fn a_user_must_have_the_role_in_which_his_key_acts(company: Company) {
        let role = company.role_of("Dispatcher", &["flights:view"]).await;
        let (bob, _) = company.user("Bob", &["flights:view"]).await;
        let new = NewKey::on_behalf_of(bob.id, role.id, "x", MONTH);
        assert_eq!(code(company.as_ada.keys().generate(new.clone()).await), "role_not_held");
        company.as_ada.people().grant_role(bob.id, role.id).await.unwrap();
        assert!(company.as_ada.keys().generate(new).await.is_ok());
    }

    async fn nobody_issues_what_he_does_not_have(company: Company) {
        let strong = company.service_account("strong", &["flights:*"]).await;
        let role = company.role_of("Dispatcher", &["flights:modify"]).await;
        let (bob, _) = company.user_in("Bob", &[], &role).await;
        let (_, as_eve) = company.user("Eve", &["api_keys:modify_all", "flights:view"]).await;
        for new in [
            NewKey::for_service_account(strong.id, "x", MONTH),
            NewKey::on_behalf_of(bob.id, role.id, "x", MONTH),
            NewKey::for_tenant(company.admin.id, "x", MONTH).confirming("ADMIN"),
            NewKey::for_tenant(company.readonly.id, "x", MONTH),
        ] {
            assert_eq!(code(as_eve.keys().generate(new).await), "beyond_own_access");
        }
        let weak = company.service_account("weak", &["flights:view"]).await;
        assert!(as_eve.keys().generate(NewKey::for_service_account(weak.id, "x", MONTH)).await.is_ok());
    }

    async fn admin_keys_need_a_confirmation(company: Company) {
        let new = NewKey::for_tenant(company.admin.id, "root", MONTH);
        let keys = company.as_ada.keys();
        for refused in [new.clone(), new.clone().confirming(""), new.clone().confirming("root")] {
            assert_eq!(code(keys.generate(refused).await), "confirmation_needed");
        }
        let account = company.service_account("root", &["*"]).await;
        let of_account = NewKey::for_service_account(account.id, "root", MONTH);
        assert_eq!(code(keys.generate(of_account).await), "confirmation_needed");
        let mine = NewKey::on_my_behalf(company.admin.id, "root", MONTH);
        assert_eq!(code(keys.generate(mine).await), "confirmation_needed");
        assert!(keys.generate(new.clone().confirming("ADMIN")).await.is_ok());
        assert!(keys.generate(new.read_only()).await.is_ok(), "it reads only");
    }

    async fn the_owner_must_be_active(company: Company) {
        let role = company.role_of("Dispatcher", &["flights:view"]).await;
        let (bob, _) = company.user_in("Bob", &[], &role).await;
        let account = company.service_account("flight_sync", &[]).await;
        for person in [bob.id, account.id] {
            company.as_ada.people().deactivate(person).await.unwrap();
        }
        let keys = company.as_ada.keys();
        let new = NewKey::on_behalf_of(bob.id, role.id, "x", MONTH);
        assert_eq!(code(keys.generate(new).await), "owner_inactive");
        assert_eq!(code(keys.generate(NewKey::for_service_account(account.id, "x", MONTH)).await), "owner_inactive");
    }

    async fn owner_role_and_group_are_of_the_tenant(company: Company) {
        let other = company.other_tenant().await;
        let account = claviger_sdk::NewServiceAccount::new("theirs", "Other", "it@other.example");
        let account = other.service_accounts().create(account).await.unwrap();
        let role = other.roles().named("READONLY").await.unwrap();
        let group = other.key_groups().list().await.unwrap()[0].id;
        let keys = company.as_ada.keys();
        for new in [
            NewKey::for_service_account(account.id, "x", MONTH),
            NewKey::for_tenant(role.id, "x", MONTH),
            NewKey::for_tenant(company.readonly.id, "x", MONTH).in_group(group),
        ] {
            assert_eq!(code(keys.generate(new).await), "not_found");
        }
    }

    async fn every_field_is_kept(company: Company) {
        let account = company.service_account("flight_sync", &["flights:view"]).await;
        let (bob, _) = company.user("Bob", &[]).await;
        let group = company.as_ada.key_groups().create(NewKeyGroup::new("partners")).await.unwrap();
        let networks = ["192.0.2.0/24".parse().unwrap(), "2001:db8::/32".parse().unwrap()];
        let starts = company.now() + TimeDelta::days(1);
        let new = NewKey::for_service_account(account.id, "Nightly import", MONTH)
            .description("reads the schedule\nof the next day")
            .in_group(group.id)
            .for_signing()
            .prefix(company.tenant.key_prefixes[1])
            .deactivated()
            .read_only()
            .as_api_client()
            .network(networks[0])
            .network(networks[1])
            .not_before(starts)
            .notify(bob.id)
            .notify(company.ada.id)
            .notify_days_before([1, 30, 7, 7])
            .external_id("erp-7")
            .metadata("{\"plan\":\"gold\"}")
            .limit("requests", 1000, 60)
            .limit("imports", 1, 3600);
        let generated = company.as_ada.keys().generate(new).await.unwrap();
        let key = generated.key.clone();
        assert_eq!(company.as_ada.keys().get(key.id).await.unwrap(), key);
        assert_eq!(key.name, "Nightly import");
        assert_eq!(key.description, "reads the schedule\nof the next day");
        assert_eq!((key.group, key.kind, key.prefix.as_str()), (group.id, KeyKind::OpaqueSigning, "nw_test"));
        assert_eq!((key.activated, key.read_only, key.api_client), (false, true, true));
        assert_eq!(key.status, KeyStatus::Deactivated);
        assert_eq!(key.networks, networks);
        assert_eq!(key.not_before, Some(starts));
        assert_eq!((key.lifetime, key.expires_at), (Some(TimeDelta::days(30)), Some(starts + TimeDelta::days(30))));
        let mut people = [bob.id, company.ada.id];
        people.sort_unstable();
        assert_eq!((key.notify, key.notify_days_before), (people.to_vec(), vec![30, 7, 1]));
        assert_eq!(key.external_id.as_deref(), Some("erp-7"));
        assert_eq!(key.metadata.as_deref(), Some("{\"plan\":\"gold\"}"));
        let limit = |name: &str, max, per_seconds| KeyLimit { name: name.to_owned(), max, per_seconds };
        assert_eq!(key.limits, [limit("requests", 1000, 60), limit("imports", 1, 3600)]);
        assert_eq!((key.last_use, key.use_count), (LastUse::Unknown, 0));
        assert_eq!((key.created_at, key.revision), (company.now(), 1));
        assert_eq!(key.created_by, format!("user:{}", company.ada.id));
        assert_eq!((key.revocation, key.review_due_at, key.previous_secret_until), (None, None, None));
    }

    async fn what_is_not_said_is_the_default(company: Company) {
        let key = company.key("import").await.key;
        let default = company.as_ada.key_groups().list().await.unwrap()[0].id;
        assert_eq!((key.group, key.kind, key.prefix.as_str()), (default, KeyKind::Opaque, "nw_live"));
        assert_eq!((key.activated, key.read_only, key.api_client), (true, false, false));
        assert_eq!((key.networks, key.limits, key.notify), (vec![], vec![], vec![]));
        assert_eq!((key.external_id, key.metadata, key.not_before), (None, None, None));
    }

    async fn fields_that_break_a_rule_are_refused(company: Company) {
        let account = company.service_account("flight_sync", &["flights:view"]).await;
        let new = |name: &str| NewKey::for_service_account(account.id, name, MONTH);
        let many = (0..257_u32).fold(new("x"), |new, host| {
            new.network(format!("10.0.{}.{}", host / 256, host % 256).parse().unwrap())
        });
        let user_key = NewKey::on_my_behalf(company.admin.id, "x", MONTH).confirming("ADMIN").as_api_client();
        let late = company.now() + TimeDelta::days(365 * 200);
        for (what, new) in [
            ("no name", new("")),
            ("a long name", new(&"x".repeat(101))),
            ("a name with a line end", new("a\nb")),
            ("a long description", new("x").description(&"x".repeat(1001))),
            ("an empty external id", new("x").external_id("")),
            ("a long external id", new("x").external_id(&"x".repeat(129))),
            ("empty metadata", new("x").metadata("")),
            ("long metadata", new("x").metadata(&"x".repeat(257))),
            ("a NUL in metadata", new("x").metadata("a\0b")),
            ("a limit without a name", new("x").limit("", 1, 1)),
            ("a limit of more than 2^53 - 1", new("x").limit("requests", 1 << 53, 1)),
            ("a notice on the day itself", new("x").notify_days_before([0])),
            ("a notice more than a year before", new("x").notify_days_before([366])),
            ("too many notices", new("x").notify_days_before(1..=11)),
            ("too many networks", many),
            ("another tenant's prefix", new("x").prefix("other".parse().unwrap())),
            ("a user's key as API client", user_key),
            ("a start after February 2106", new("x").not_before(late)),
        ] {
            assert_eq!(code(company.as_ada.keys().generate(new).await), "invalid", "{what}");
        }
        assert!(company.key_names().await.is_empty());
    }

    async fn a_lifetime_is_chosen_or_there_is_none(company: Company) {
        let account = company.service_account("flight_sync", &["flights:view"]).await;
        let now = company.now();
        for (name, lifetime, length, end) in [
            ("days", Lifetime::days(2), Some(TimeDelta::days(2)), Some(now + TimeDelta::days(2))),
            ("a time", Lifetime::of(TimeDelta::seconds(5)), Some(TimeDelta::seconds(5)), Some(now + TimeDelta::seconds(5))),
            ("an end", Lifetime::until(now + TimeDelta::days(3)), Some(TimeDelta::days(3)), Some(now + TimeDelta::days(3))),
            ("none", Lifetime::UNLIMITED, None, None),
        ] {
            let new = NewKey::for_service_account(account.id, name, lifetime);
            let key = company.as_ada.keys().generate(new).await.unwrap().key;
            assert_eq!((key.lifetime, key.expires_at), (length, end), "{name}");
        }
        let latest = DateTime::from_timestamp(i64::from(u32::MAX), 0).unwrap();
        for (lifetime, good) in [
            (Lifetime::days(0), false),
            (Lifetime::of(TimeDelta::seconds(-1)), false),
            (Lifetime::of(TimeDelta::MAX), false),
            (Lifetime::until(now), false),
            (Lifetime::until(latest), true),
            (Lifetime::until(latest + TimeDelta::seconds(1)), false),
        ] {
            let new = NewKey::for_service_account(account.id, "x", lifetime);
            assert_eq!(company.as_ada.keys().generate(new).await.is_ok(), good, "{lifetime:?}");
        }
    }

    async fn a_lifetime_begins_when_the_key_is_good(company: Company) {
        let account = company.service_account("flight_sync", &["flights:view"]).await;
        let (start, end) = (company.now() + TimeDelta::days(10), company.now() + TimeDelta::days(30));
        for (lifetime, expires_at) in [
            (Lifetime::days(5), Some(start + TimeDelta::days(5))),
            (Lifetime::until(end), Some(end)),
            (Lifetime::UNLIMITED, None),
        ] {
            let new = NewKey::for_service_account(account.id, "x", lifetime).not_before(start);
            assert_eq!(company.as_ada.keys().generate(new).await.unwrap().key.expires_at, expires_at);
        }
        let new = NewKey::for_service_account(account.id, "x", Lifetime::until(start)).not_before(start);
        assert_eq!(code(company.as_ada.keys().generate(new).await), "invalid");
    }

    async fn notification_people_are_active_people_of_the_tenant(company: Company) {
        let account = company.service_account("flight_sync", &["flights:view"]).await;
        let other = company.other_tenant().await;
        let stranger = other.users().create(NewUser::new("Zoe", "zoe@other.example")).await.unwrap();
        let (bob, _) = company.user("Bob", &[]).await;
        company.as_ada.people().deactivate(bob.id).await.unwrap();
        let keys = company.as_ada.keys();
        let new = || NewKey::for_service_account(account.id, "x", MONTH);
        assert_eq!(code(keys.generate(new().notify(stranger.id)).await), "not_found");
        assert_eq!(code(keys.generate(new().notify(company.ada.id).notify(bob.id)).await), "invalid");
        company.as_ada.people().activate(bob.id).await.unwrap();
        let key = keys.generate(new().notify(bob.id).notify(account.id)).await.unwrap().key;
        assert_eq!(key.notify.len(), 2);
    }

    async fn the_text_is_shown_once_and_cannot_be_had_again(company: Company) {
        let generated = company.key("import").await;
        let whole = text(&generated).to_owned();
        assert!(whole.starts_with(&format!("nw_live_{}_k", generated.key.id)));
        let secret = secret_of(&whole);
        let key = company.as_ada.keys().get(generated.key.id).await.unwrap();
        let events = company.operator.audit().list().limit(1000).await.unwrap();
        for shown in [format!("{generated:?}"), format!("{key:?}"), format!("{events:?}")] {
            assert!(!shown.contains(secret));
        }
        let again = company.as_ada.with_idempotency_key("once");
        let new = NewKey::for_tenant(company.readonly.id, "again", MONTH);
        assert!(again.keys().generate(new.clone()).await.unwrap().text.is_some());
        assert!(again.keys().generate(new).await.unwrap().text.is_none());
    }

    async fn opaque_keys_are_bearer_only_or_for_signing_too(company: Company) {
        let new = NewKey::for_tenant(company.readonly.id, "x", MONTH);
        for (new, kind, letter) in
            [(new.clone(), KeyKind::Opaque, "_k"), (new.for_signing(), KeyKind::OpaqueSigning, "_h")]
        {
            let generated = company.as_ada.keys().generate(new).await.unwrap();
            let start = format!("nw_live_{}{letter}", generated.key.id);
            assert_eq!((generated.key.kind, text(&generated).starts_with(&start)), (kind, true));
            assert!(is_good(&company, text(&generated)).await);
        }
    }

    async fn signed_keys_are_proved_by_their_issuing_secret_alone(company: Company) {
        let secret = company.issuing_secret().await;
        let new = NewKey::for_tenant(company.readonly.id, "x", MONTH).signed_by(secret).read_only();
        let generated = company.as_ada.keys().generate(new).await.unwrap();
        let expires_at = company.now() + TimeDelta::days(30);
        assert_eq!((generated.key.kind, generated.key.expires_at), (KeyKind::Signed, Some(expires_at)));
        let parsed = parse(text(&generated)).unwrap();
        assert_eq!((parsed.id(), parsed.kind()), (generated.key.id, KeyKind::Signed));
        let verifier = Verifier::new([company.issuing_key(secret).await]).unwrap();
        let now = u64::try_from(company.now().timestamp()).unwrap();
        let verified = verifier.verify_key(text(&generated), &RequestContext::at(now)).into_result().unwrap();
        assert!(verified.read_only);
        assert_eq!(verified.expires_at, u64::try_from(expires_at.timestamp()).ok());
    }

    async fn signed_keys_have_whole_minutes_and_start_at_once(company: Company) {
        let secret = company.issuing_secret().await;
        company.advance(TimeDelta::seconds(50));
        let new = |lifetime| NewKey::for_tenant(company.readonly.id, "x", lifetime).signed_by(secret);
        let keys = company.as_ada.keys();
        let key = keys.generate(new(Lifetime::of(TimeDelta::minutes(1)))).await.unwrap().key;
        assert_eq!(key.expires_at, Some(company.now() + TimeDelta::seconds(10)), "from the minute of its issue");
        assert_eq!(keys.generate(new(Lifetime::UNLIMITED)).await.unwrap().key.expires_at, None);
        assert_eq!(code(keys.generate(new(Lifetime::of(TimeDelta::seconds(90)))).await), "invalid");
        assert_eq!(code(keys.generate(new(MONTH).not_before(company.now())).await), "invalid");
    }

    async fn signed_keys_need_an_issuing_secret_of_their_prefix_that_is_not_retired(company: Company) {
        let secrets = company.operator.shared_secrets();
        let integration = secrets.create(NewSharedSecret::integration("webhooks")).await.unwrap().id;
        let issuing = company.issuing_secret().await;
        let keys = company.as_ada.keys();
        let new = |secret| NewKey::for_tenant(company.readonly.id, "x", MONTH).signed_by(secret);
        assert_eq!(code(keys.generate(new(integration)).await), "invalid");
        assert_eq!(code(keys.generate(new(issuing).prefix(company.tenant.key_prefixes[1])).await), "invalid");
        let theirs = company.other_tenant().await;
        let theirs = theirs.shared_secrets().create(NewSharedSecret::issuing("theirs")).await.unwrap().id;
        assert_eq!(code(keys.generate(new(theirs)).await), "not_found");
        assert!(keys.generate(new(issuing)).await.is_ok());
        secrets.retire(issuing, "issuing").await.unwrap();
        assert_eq!(code(keys.generate(new(issuing)).await), "secret_retired");
    }

    async fn a_batch_is_generated_whole_or_not_at_all(company: Company) {
        let new = |name: &str| NewKey::for_tenant(company.readonly.id, name, MONTH);
        let keys = company.as_ada.keys();
        let refused = keys.generate_batch(vec![new("a"), new("b"), new("")]).await;
        assert_eq!(code(refused), "invalid");
        assert!(company.key_names().await.is_empty());
        assert_eq!(company.last_event("key.generated").await, None);
        assert_eq!(code(keys.generate_batch(vec![]).await), "invalid");
        let generated = keys.generate_batch(vec![new("c"), new("a"), new("b")]).await.unwrap();
        assert_eq!(generated.iter().map(|made| made.key.name.as_str()).collect::<Vec<_>>(), ["c", "a", "b"]);
        for made in &generated {
            assert!(text(made).contains(&made.key.id.to_string()) && is_good(&company, text(made)).await);
        }
        assert_eq!(company.key_names().await, ["a", "b", "c"]);
    }

    async fn a_key_has_one_of_the_tenants_prefixes_the_first_if_none_is_chosen(company: Company) {
        let new = NewKey::for_tenant(company.readonly.id, "x", MONTH);
        for (new, prefix) in [(new.clone(), "nw_live_"), (new.prefix("nw_test".parse().unwrap()), "nw_test_")] {
            let generated = company.as_ada.keys().generate(new).await.unwrap();
            assert!(text(&generated).starts_with(prefix) && is_good(&company, text(&generated)).await);
        }
        let text_of = |error: Error| error.to_string();
        let new = NewKey::for_tenant(company.readonly.id, "x", MONTH).prefix("acme".parse().unwrap());
        let error = company.as_ada.keys().generate(new).await.map_err(text_of).unwrap_err();
        assert!(error.starts_with("prefix: "), "{error}");
    }

    async fn a_key_goes_into_the_group_default_or_the_one_that_is_said(company: Company) {
        let partners = company.as_ada.key_groups().create(NewKeyGroup::new("partners")).await.unwrap().id;
        let new = NewKey::for_tenant(company.readonly.id, "x", MONTH).in_group(partners);
        assert_eq!(company.as_ada.keys().generate(new).await.unwrap().key.group, partners);
        let new = NewKey::for_tenant(company.readonly.id, "x", MONTH);
        let group = company.as_ada.keys().generate(new).await.unwrap().key.group;
        assert_eq!(company.as_ada.key_groups().get(group).await.unwrap().name, "default");
    }

    async fn what_is_given_back_is_what_was_written(company: Company) {
        let (bob, _) = company.user("Bob", &[]).await;
        let group = company.as_ada.key_groups().create(NewKeyGroup::new("partners")).await.unwrap().id;
        let secret = company.issuing_secret().await;
        let account = company.service_account("everything", &["flights:view"]).await;
        let plain = NewKey::for_tenant(company.readonly.id, "plain", Lifetime::UNLIMITED);
        let signed = NewKey::for_tenant(company.readonly.id, "signed", Lifetime::days(1)).signed_by(secret);
        let full = NewKey::for_service_account(account.id, "full", Lifetime::days(9))
            .description("Everything")
            .in_group(group)
            .for_signing()
            .read_only()
            .as_api_client()
            .network("192.0.2.0/24".parse().unwrap())
            .network("10.0.0.0/8".parse().unwrap())
            .network("10.0.0.0/8".parse().unwrap())
            .not_before(company.now() + TimeDelta::days(1))
            .notify(company.ada.id)
            .notify(bob.id)
            .notify(bob.id)
            .notify_days_before([1, 30, 7])
            .external_id("x-1")
            .metadata("{}")
            .limit("requests", 5, 60);
        for switched_on in [true, false] {
            let groups = company.as_ada.key_groups();
            if switched_on { groups.switch_on(group).await } else { groups.switch_off(group).await }.unwrap();
            let made = [plain.clone(), signed.clone(), full.clone(), full.clone().deactivated()];
            for generated in company.as_ada.keys().generate_batch(made.to_vec()).await.unwrap() {
                let read = company.as_ada.keys().get(generated.key.id).await.unwrap();
                assert_eq!(generated.key, read);
            }
        }
    }
}
