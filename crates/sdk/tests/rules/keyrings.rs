//! Keyrings: what verifiers are told of the keys, seen through the verifier.

use crate::{
    company::{Company, code, on_both_stores},
    keys::{forged, text},
    ring::Ring,
};
use chrono::TimeDelta;
use claviger_core::{RequestContext, SharedSecret, SignedKeyTerms, Verdict, Verified, Verifier};
use claviger_sdk::{
    Actor, Audience, Generated, KeyKind, Lifetime, NewKey, NewKeyGroup, NewPersonalKey, NewRole,
    NewSharedSecret, RevocationReason, RoleEdit, TenantId,
};

const MONTH: Lifetime = Lifetime::days(30);

fn seconds(company: &Company) -> u64 {
    u64::try_from(company.now().timestamp()).unwrap()
}

/// A verifier with the keyring of these tenants as it is now.
async fn verifier_for(company: &Company, audience: &[TenantId]) -> Verifier {
    let ring = Ring::new(&company.store, Audience::Tenants(audience.iter().copied().collect())).await;
    ring.publish().await;
    ring.verifier(company)
}

async fn verifier(company: &Company) -> Verifier {
    verifier_for(company, &[company.tenant.id]).await
}

/// What a verifier with the present keyring says.
async fn verdict(company: &Company, text: &str) -> Verdict<'static> {
    verifier(company).await.verify_key(text, &RequestContext::at(seconds(company))).into_owned()
}

async fn verified(company: &Company, text: &str) -> Verified<'static> {
    verdict(company, text).await.into_result().unwrap()
}

async fn denial(company: &Company, text: &str) -> &'static str {
    verdict(company, text).await.denial().map_or("verified", claviger_core::DenialCode::as_str)
}

/// A signed key of the tenant in the role READONLY.
async fn signed(company: &Company, name: &str, lifetime: Lifetime) -> Generated {
    let existing = company.operator.shared_secrets().list().await.unwrap();
    let secret = match existing.first() {
        Some(secret) => secret.id,
        None => company.issuing_secret().await,
    };
    let new = NewKey::for_tenant(company.readonly.id, name, lifetime).signed_by(secret);
    company.as_ada.keys().generate(new).await.unwrap()
}

on_both_stores! {
    async fn a_verifier_learns_whose_a_key_is_and_what_it_may_do(company: Company) {
        let role = company.role_of("Dispatcher", &["flights:*", "crew:view"]).await;
        let (bob, as_bob) = company.user_in("Bob", &["people:view"], &role).await;
        let account = company.service_account("sync", &["flights:view"]).await;
        let new = NewKey::for_service_account(account.id, "account's", MONTH)
            .external_id("erp-7")
            .metadata("{\"plan\":1}")
            .limit("requests", 1000, 60)
            .prefix("nw_test".parse().unwrap())
            .for_signing();
        let keys = company.as_ada.keys();
        let accounts = keys.generate(new).await.unwrap();
        let bobs = keys.generate(NewKey::on_behalf_of(bob.id, role.id, "bob's", MONTH)).await.unwrap();
        let tenants = keys.generate(NewKey::for_tenant(role.id, "tenant's", Lifetime::UNLIMITED)).await.unwrap();
        let personal = as_bob.personal_keys().generate(NewPersonalKey::new(MONTH)).await.unwrap();
        let tenant = company.tenant.id.to_string();
        let end = Some(seconds(&company) + 30 * 86_400);
        for (generated, owner, role, permissions, expires_at) in [
            (&accounts, account.id.to_string(), None, &["flights:view"][..], end),
            (&bobs, bob.id.to_string(), Some("Dispatcher"), &["crew:view", "flights:*"], end),
            (&tenants, tenant.clone(), Some("Dispatcher"), &["crew:view", "flights:*"], None),
            (&personal, bob.id.to_string(), None, &["crew:view", "flights:*", "people:view"], end),
        ] {
            let verified = verified(&company, text(generated)).await;
            let policy = verified.policy.unwrap();
            assert_eq!((verified.key_id, verified.kind), (generated.key.id, generated.key.kind));
            assert_eq!((verified.prefix, verified.expires_at), (generated.key.prefix, expires_at));
            assert_eq!((policy.tenant(), policy.owner(), policy.role()), (&*tenant, &*owner, role));
            assert_eq!(policy.permissions().collect::<Vec<_>>(), permissions);
            assert!(!verified.read_only);
            assert_eq!(verified.freshness.age(), Some(0));
        }
        let verified = verified(&company, text(&accounts)).await;
        let policy = verified.policy.unwrap();
        assert_eq!((verified.kind, policy.prefix()), (KeyKind::OpaqueSigning, "nw_test"));
        assert_eq!((policy.external_id(), policy.metadata()), (Some("erp-7"), Some("{\"plan\":1}")));
        let limits: Vec<_> = policy.limits().map(|limit| (limit.name, limit.max, limit.per_seconds)).collect();
        assert_eq!(limits, [("requests", 1000, 60)]);
    }

    async fn a_verifier_checks_permissions_tenant_and_networks(company: Company) {
        let account = company.service_account("sync", &["flights:view"]).await;
        let new = NewKey::for_service_account(account.id, "x", MONTH).network("192.0.2.0/24".parse().unwrap());
        let generated = company.as_ada.keys().generate(new).await.unwrap();
        let verifier = verifier(&company).await;
        let (tenant, text) = (company.tenant.id.to_string(), text(&generated));
        let context = RequestContext::at(seconds(&company)).address("192.0.2.7".parse().unwrap()).tenant(&tenant);
        let outcome = |context: &RequestContext<'_>| {
            verifier.verify_key(text, context).denial().map_or("verified", claviger_core::DenialCode::as_str)
        };
        assert_eq!(outcome(&context.permissions(&["flights:view"])), "verified");
        assert_eq!(outcome(&context.permissions(&["flights:modify"])), "insufficient_permission");
        assert_eq!(outcome(&context.tenant("ten_00000000000")), "wrong_tenant");
        assert_eq!(outcome(&context.address("198.51.100.7".parse().unwrap())), "ip_not_allowed");
        assert_eq!(outcome(&RequestContext::at(seconds(&company))), "ip_not_allowed");
    }

    async fn another_secret_is_not_the_key(company: Company) {
        let generated = company.key("import").await;
        assert_eq!(denial(&company, text(&generated)).await, "verified");
        assert_eq!(denial(&company, &forged(&generated)).await, "bad_secret");
    }

    async fn a_read_only_key_reads_only(company: Company) {
        let account = company.service_account("sync", &["flights:*"]).await;
        let new = NewKey::for_service_account(account.id, "x", MONTH).read_only();
        let generated = company.as_ada.keys().generate(new).await.unwrap();
        let reader = NewKey::for_tenant(company.readonly.id, "reader", MONTH);
        let reader = company.as_ada.keys().generate(reader).await.unwrap();
        let verifier = verifier(&company).await;
        let context = RequestContext::at(seconds(&company));
        for generated in [generated, reader] {
            assert!(verifier.verify_key(text(&generated), &context).verified().unwrap().read_only);
            let may = |permission: &str| {
                verifier.verify_key(text(&generated), &context.permissions(&[permission])).is_verified()
            };
            assert!(may("flights:view") && may("flights:seats:view") && !may("flights:modify"));
        }
    }

    async fn the_access_of_an_owner_is_as_it_is_when_the_keyring_is_made(company: Company) {
        let generated = company.key("import").await;
        let account = generated.key.owner.person().unwrap();
        company.as_ada.people().take_permission(account, "flights:view").await.unwrap();
        company.as_ada.people().grant_permission(account, "crew:view").await.unwrap();
        let policy = verified(&company, text(&generated)).await.policy.unwrap();
        assert_eq!(policy.permissions().collect::<Vec<_>>(), ["crew:view"]);
    }

    async fn a_key_is_good_from_its_start_to_its_end(company: Company) {
        let start = company.now() + TimeDelta::hours(1);
        let new = NewKey::for_tenant(company.readonly.id, "x", Lifetime::of(TimeDelta::hours(1))).not_before(start);
        let generated = company.as_ada.keys().generate(new).await.unwrap();
        // One keyring says all of it: times need no new one.
        let (verifier, now) = (verifier(&company).await, seconds(&company));
        for (at, expected) in [(3599, "not_yet_valid"), (3600, "verified"), (7199, "verified"), (7200, "expired")] {
            let verdict = verifier.verify_key(text(&generated), &RequestContext::at(now + at));
            assert_eq!(verdict.denial().map_or("verified", claviger_core::DenialCode::as_str), expected, "{at}");
        }
        company.advance(TimeDelta::days(1));
        assert_eq!(denial(&company, text(&generated)).await, "expired");
        company.as_ada.keys().refresh(generated.key.id).await.unwrap();
        assert_eq!(denial(&company, text(&generated)).await, "verified");
    }

    async fn a_key_that_was_ended_is_revoked_and_a_deleted_one_unknown(company: Company) {
        let generated = company.key("import").await;
        company.as_ada.keys().expire_now(generated.key.id, RevocationReason::Compromised, "import").await.unwrap();
        assert_eq!(denial(&company, text(&generated)).await, "revoked");
        company.as_ada.keys().delete(generated.key.id, "import").await.unwrap();
        assert_eq!(denial(&company, text(&generated)).await, "unknown_key");
    }

    async fn a_key_is_disabled_by_itself_its_group_its_owner_or_its_tenant(company: Company) {
        let group = company.as_ada.key_groups().create(NewKeyGroup::new("partners")).await.unwrap().id;
        let account = company.service_account("sync", &["flights:view"]).await;
        let new = NewKey::for_service_account(account.id, "x", MONTH).in_group(group);
        let generated = company.as_ada.keys().generate(new).await.unwrap();
        let (ada, text) = (&company.as_ada, text(&generated));
        ada.keys().deactivate(generated.key.id).await.unwrap();
        assert_eq!(denial(&company, text).await, "disabled");
        ada.keys().activate(generated.key.id).await.unwrap();
        assert_eq!(denial(&company, text).await, "verified");
        ada.key_groups().switch_off(group).await.unwrap();
        assert_eq!(denial(&company, text).await, "disabled");
        ada.key_groups().switch_on(group).await.unwrap();
        ada.people().deactivate(account.id).await.unwrap();
        assert_eq!(denial(&company, text).await, "disabled");
        ada.people().activate(account.id).await.unwrap();
        assert_eq!(denial(&company, text).await, "verified");
        company.operator.tenants().switch_off(company.tenant.id, "Northwind").await.unwrap();
        assert_eq!(denial(&company, text).await, "disabled");
    }

    async fn in_a_rotation_both_secrets_are_good_until_the_overlap_ends_and_then_one(company: Company) {
        let old = company.key("import").await;
        let new = company.as_ada.keys().rotate(old.key.id, TimeDelta::hours(1)).await.unwrap();
        let (verifier, now) = (verifier(&company).await, seconds(&company));
        let good = |text: &str, at| verifier.verify_key(text, &RequestContext::at(now + at)).is_verified();
        assert!(good(text(&old), 3599) && good(text(&new), 3599));
        assert!(!good(text(&old), 3600) && good(text(&new), 3600));
        let newest = company.as_ada.keys().regenerate(old.key.id, "import").await.unwrap();
        for over in [&old, &new] {
            assert_eq!(denial(&company, text(over)).await, "bad_secret");
        }
        assert_eq!(denial(&company, text(&newest)).await, "verified");
    }

    async fn a_signed_key_has_what_its_record_says(company: Company) {
        let generated = signed(&company, "signed", Lifetime::days(1)).await;
        let known = verified(&company, text(&generated)).await;
        assert_eq!((known.kind, known.key_id), (KeyKind::Signed, generated.key.id));
        let policy = known.policy.unwrap();
        assert_eq!((policy.role(), policy.read_only()), (Some("READONLY"), true));
        assert_eq!(known.expires_at, Some(seconds(&company) + 86_400));
        company.as_ada.keys().deactivate(generated.key.id).await.unwrap();
        assert_eq!(denial(&company, text(&generated)).await, "disabled");
        company.as_ada.keys().activate(generated.key.id).await.unwrap();
        assert_eq!(denial(&company, text(&generated)).await, "verified");
        let network = "192.0.2.0/24".parse().unwrap();
        company.as_ada.keys().add_network(generated.key.id, network).await.unwrap();
        assert_eq!(denial(&company, text(&generated)).await, "ip_not_allowed");
        let event = company.as_ada.keys();
        event.expire_now(generated.key.id, RevocationReason::Compromised, "signed").await.unwrap();
        assert_eq!(denial(&company, text(&generated)).await, "revoked");
    }

    async fn a_deleted_signed_key_stays_denied_as_long_as_its_text_could_be_good(company: Company) {
        let short = signed(&company, "short", Lifetime::days(2)).await;
        let long = signed(&company, "long", Lifetime::UNLIMITED).await;
        for generated in [&short, &long] {
            assert_eq!(denial(&company, text(generated)).await, "verified");
            company.as_ada.keys().delete(generated.key.id, &generated.key.name).await.unwrap();
            assert_eq!(denial(&company, text(generated)).await, "revoked");
        }
        company.advance(TimeDelta::days(1));
        assert_eq!(denial(&company, text(&short)).await, "revoked");
        company.advance(TimeDelta::days(1));
        assert_eq!(denial(&company, text(&short)).await, "expired", "its text says so itself");
        company.advance(TimeDelta::days(3650));
        assert_eq!(denial(&company, text(&long)).await, "revoked");
    }

    async fn a_signed_key_that_was_made_elsewhere_has_the_role_of_its_issuing_secret(company: Company) {
        let secrets = company.operator.shared_secrets();
        let role = company.role_of("Partner", &["flights:view"]).await;
        let with_role = secrets.create(NewSharedSecret::issuing("a").role(role.id)).await.unwrap().id;
        let without = secrets.create(NewSharedSecret::issuing("b")).await.unwrap().id;
        for (secret, name, permissions) in
            [(with_role, Some("Partner"), &["flights:view"][..]), (without, None, &[])]
        {
            let terms = SignedKeyTerms::expiring(seconds(&company), 60);
            let made = company.issuing_key(secret).await.generate(&[1; 8], terms).unwrap();
            let policy = verified(&company, made.expose()).await.policy.unwrap();
            assert_eq!((policy.role(), policy.tenant()), (name, &*company.tenant.id.to_string()));
            assert_eq!(policy.permissions().collect::<Vec<_>>(), permissions);
        }
        let terms = SignedKeyTerms::expiring(seconds(&company), 60);
        let made = company.issuing_key(with_role).await.generate(&[1; 8], terms).unwrap();
        company.as_ada.roles().delete(role.id, "Partner").await.unwrap();
        let policy = verified(&company, made.expose()).await.policy.unwrap();
        assert_eq!(policy.permissions().count(), 0, "the role is deleted");
        company.operator.tenants().switch_off(company.tenant.id, "Northwind").await.unwrap();
        assert_eq!(denial(&company, made.expose()).await, "disabled");
    }

    async fn signed_keys_are_good_as_long_as_the_version_that_made_them_is_accepted(company: Company) {
        let old = signed(&company, "old", MONTH).await;
        let secrets = company.operator.shared_secrets();
        let secret = secrets.list().await.unwrap()[0].id;
        secrets.rotate(secret, TimeDelta::days(7)).await.unwrap();
        let new = signed(&company, "new", MONTH).await;
        for generated in [&old, &new] {
            assert_eq!(denial(&company, text(generated)).await, "verified");
        }
        company.advance(TimeDelta::days(7));
        assert_eq!(denial(&company, text(&old)).await, "unknown_key", "the overlap is over");
        assert_eq!(denial(&company, text(&new)).await, "verified");
        secrets.retire(secret, "issuing").await.unwrap();
        assert_eq!(denial(&company, text(&new)).await, "wrong_prefix", "there is no secret for it any more");
    }

    async fn secrets_of_integrations_make_no_keys(company: Company) {
        let secrets = company.operator.shared_secrets();
        let id = secrets.create(NewSharedSecret::integration("webhooks")).await.unwrap().id;
        let revealed = secrets.reveal(id).await.unwrap();
        let secret = SharedSecret::parse(revealed.expose()).unwrap();
        assert!(claviger_core::IssuingKey::new(company.tenant.key_prefixes[0], &secret).is_err());
        assert_eq!(denial(&company, revealed.expose()).await, "malformed");
    }

    async fn a_keyring_has_the_tenants_of_its_audience_and_no_others(company: Company) {
        let generated = company.key("import").await;
        let signed = signed(&company, "signed", MONTH).await;
        let (_, as_bob) = company.user("Bob", &[]).await;
        let personal = as_bob.personal_keys().generate(NewPersonalKey::new(MONTH)).await.unwrap();
        let other = company.other_tenant().await;
        let tenants = other.tenants().list().await.unwrap();
        let theirs = tenants.iter().find(|tenant| tenant.name == "Other").unwrap().id;
        let role = other.roles().named("READONLY").await.unwrap().id;
        let their_key = other.keys().generate(NewKey::for_tenant(role, "x", MONTH)).await.unwrap();
        let context = RequestContext::at(seconds(&company));
        for (audience, ours, others) in [
            (vec![company.tenant.id], true, false),
            (vec![theirs], false, true),
            (vec![company.tenant.id, theirs], true, true),
        ] {
            let verifier = verifier_for(&company, &audience).await;
            for (made, known) in [(&generated, ours), (&signed, ours), (&personal, ours), (&their_key, others)] {
                let denial = verifier.verify_key(text(made), &context).denial();
                let expected = match (known, made.key.kind) {
                    (true, _) => None,
                    // Of its issuing secret, too, nothing is known.
                    (false, KeyKind::Signed) => Some(claviger_core::DenialCode::WrongPrefix),
                    (false, _) => Some(claviger_core::DenialCode::UnknownKey),
                };
                assert_eq!(denial, expected, "{audience:?}");
            }
        }
    }

    async fn a_keyring_has_every_key_however_many_there_are(company: Company) {
        let new = |number| NewKey::for_tenant(company.readonly.id, &format!("key {number}"), MONTH);
        let generated = company.as_ada.keys().generate_batch((0..2100).map(new).collect()).await.unwrap();
        let (verifier, context) = (verifier(&company).await, RequestContext::at(seconds(&company)));
        assert!(generated.iter().all(|made| verifier.verify_key(text(made), &context).is_verified()));
    }

    async fn a_key_that_a_keyring_has_no_room_for_is_off_and_holds_nobody_up(company: Company) {
        let platform = company.store.acting_as(Actor::operator("platform"));
        let names: Vec<String> = (0..80).map(|number| format!("{}:{number}", "x".repeat(110))).collect();
        for name in &names {
            platform.permissions().define(name, "").await.unwrap();
        }
        let (front, back) = names.split_at(40);
        let front = company.operator.roles().define(NewRole::new("FRONT", front.to_vec())).await.unwrap().id;
        let growing = company.operator.roles().define(NewRole::new("BACK", ["flights:view"])).await.unwrap();
        let (growing, revision) = (growing.id, growing.revision);
        let account = company.service_account("both", &[]).await;
        for role in [front, growing] {
            company.operator.people().grant_role(account.id, role).await.unwrap();
        }
        let new = NewKey::for_service_account(account.id, "too much", MONTH);
        let too_much = company.as_ada.keys().generate(new).await.unwrap();
        let other = company.key("other").await;
        let edit = RoleEdit::new().permissions(back.to_vec());
        company.operator.roles().edit(growing, revision, edit).await.unwrap();
        let verifier = verifier_for(&company, &[company.tenant.id]).await;
        let context = RequestContext::at(seconds(&company));
        let denial = verifier.verify_key(text(&too_much), &context).denial();
        assert_eq!(denial, Some(claviger_core::DenialCode::Disabled));
        assert_eq!(verifier.verify_key(text(&other), &context).denial(), None);
    }

    async fn a_signed_key_of_which_a_keyring_does_not_know_yet_may_do_no_more_than_its_maker(company: Company) {
        let role = company.role_of("Self service", &["api_keys:modify", "flights:view"]).await;
        let (_, as_bob) = company.user_in("Bob", &[], &role).await;
        let secrets = company.operator.shared_secrets();
        let strong = secrets.create(NewSharedSecret::issuing("strong").role(company.admin.id)).await.unwrap().id;
        let weak = secrets.create(NewSharedSecret::issuing("weak").role(role.id)).await.unwrap().id;
        let before = verifier(&company).await;
        let new = |secret| NewKey::on_my_behalf(role.id, "edge", MONTH).signed_by(secret);
        let context = RequestContext::at(seconds(&company));
        let by_ada = NewKey::for_tenant(role.id, "ada's", MONTH).signed_by(strong);
        let by_ada = company.as_ada.keys().generate(by_ada).await.unwrap();
        let may = |verifier: &Verifier| {
            verifier.verify_key(text(&by_ada), &context.permissions(&["crew:modify"])).is_verified()
        };
        assert!(may(&before), "there it has the secret's role");
        assert!(!may(&verifier(&company).await), "and its own where it is known");
        assert_eq!(code(as_bob.keys().generate(new(strong)).await), "beyond_own_access");
        assert_eq!(code(as_bob.keys().generate(new(strong).read_only()).await), "beyond_own_access");
        let generated = as_bob.keys().generate(new(weak)).await.unwrap();
        assert!(before.verify_key(text(&generated), &context).is_verified());
    }

    async fn the_secret_before_a_rotation_is_good_no_longer_than_the_key(company: Company) {
        let old = company.key("import").await;
        let (id, keys) = (old.key.id, company.as_ada.keys());
        for _ in 0..3 {
            keys.refresh(id).await.unwrap();
        }
        let new = keys.rotate(id, TimeDelta::days(200)).await.unwrap();
        assert_eq!(new.key.expires_at, Some(company.now() + TimeDelta::days(90)), "a lifetime begins anew");
        assert_eq!(new.key.previous_secret_until, new.key.expires_at);
        company.advance(TimeDelta::days(90));
        assert_eq!(denial(&company, text(&old)).await, "bad_secret");
        assert_eq!(denial(&company, text(&new)).await, "expired");
    }
}
