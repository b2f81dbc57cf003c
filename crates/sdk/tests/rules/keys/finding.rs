//! Finding a key by its leaked text.

use super::{forged, text};
use crate::company::{code, on_both_stores};
use chrono::TimeDelta;
use claviger_core::{KeyId, OpaqueUse, generate_opaque_key};
use claviger_sdk::{Actor, Lifetime, NewKey, NewPersonalKey, RevocationReason};

on_both_stores! {
    async fn a_key_is_found_by_its_whole_text(company: Company) {
        let new = NewKey::for_tenant(company.readonly.id, "signing", Lifetime::UNLIMITED).for_signing();
        let signing = company.as_ada.keys().generate(new).await.unwrap();
        for generated in [company.key("import").await, signing] {
            let found = company.as_ada.keys().find_by_text(&format!("\n {} ", text(&generated))).await.unwrap();
            assert!(found.secret_matches);
            assert_eq!((found.key, found.personal_key_of), (Some(generated.key), None));
        }
    }

    async fn another_secret_with_a_good_checksum_names_the_key_and_does_not_match(company: Company) {
        let generated = company.key("import").await;
        let found = company.as_ada.keys().find_by_text(&forged(&generated)).await.unwrap();
        assert!(!found.secret_matches);
        assert_eq!(found.key, Some(generated.key));
    }

    async fn in_a_rotation_both_secrets_match_and_afterwards_one(company: Company) {
        let old = company.key("import").await;
        let new = company.as_ada.keys().rotate(old.key.id, TimeDelta::days(7)).await.unwrap();
        let matches = async |text: &str| {
            company.as_ada.keys().find_by_text(text).await.unwrap().secret_matches
        };
        assert!(matches(text(&old)).await && matches(text(&new)).await);
        company.advance(TimeDelta::days(7));
        assert!(!matches(text(&old)).await && matches(text(&new)).await);
    }

    async fn a_key_that_is_not_good_is_found_too(company: Company) {
        let generated = company.key("import").await;
        let keys = company.as_ada.keys();
        company.advance(TimeDelta::days(91));
        assert!(keys.find_by_text(text(&generated)).await.unwrap().secret_matches, "expired");
        keys.expire_now(generated.key.id, RevocationReason::Compromised, "import").await.unwrap();
        assert!(keys.find_by_text(text(&generated)).await.unwrap().secret_matches, "ended");
    }

    async fn a_signed_key_is_found_by_its_whole_text(company: Company) {
        let secret = company.issuing_secret().await;
        let keys = company.as_ada.keys();
        for lifetime in [Lifetime::days(1), Lifetime::UNLIMITED] {
            let new = NewKey::for_tenant(company.readonly.id, "signed", lifetime).signed_by(secret);
            let generated = keys.generate(new).await.unwrap();
            let found = keys.find_by_text(text(&generated)).await.unwrap();
            assert!(found.secret_matches, "{lifetime:?}");
            assert_eq!(found.key.unwrap().id, generated.key.id);
            // Under the same id, but made by nobody.
            let found = keys.find_by_text(&forged(&generated)).await.unwrap();
            assert!(!found.secret_matches, "{lifetime:?}");
            company.advance(TimeDelta::days(2));
            assert!(keys.find_by_text(text(&generated)).await.unwrap().secret_matches, "expired {lifetime:?}");
        }
    }

    async fn a_signed_key_of_another_secret_does_not_match(company: Company) {
        let secret = company.issuing_secret().await;
        let keys = company.as_ada.keys();
        let new = NewKey::for_tenant(company.readonly.id, "signed", Lifetime::days(1)).signed_by(secret);
        let generated = keys.generate(new).await.unwrap();
        let now = u64::try_from(company.now().timestamp()).unwrap();
        let strange = claviger_core::SharedSecret::generate(claviger_core::Purpose::Issuing, 1, &[5; 40]);
        let strange = claviger_core::IssuingKey::new(company.tenant.key_prefixes[0], &strange).unwrap();
        let terms = claviger_core::SignedKeyTerms::expiring(now, 1440);
        let strange = strange.generate(&generated.key.id.as_u64().to_be_bytes(), terms).unwrap();
        let found = keys.find_by_text(strange.expose()).await.unwrap();
        assert!(!found.secret_matches);
        assert_eq!(found.key.unwrap().id, generated.key.id);
    }

    async fn of_anothers_personal_key_only_is_said_whose_it_is(company: Company) {
        let (bob, as_bob) = company.user("Bob", &["api_keys:view"]).await;
        let generated = as_bob.personal_keys().generate(NewPersonalKey::new(Lifetime::days(30))).await.unwrap();
        for session in [&company.as_ada, &company.operator] {
            let found = session.keys().find_by_text(text(&generated)).await.unwrap();
            assert_eq!((found.key, found.personal_key_of), (None, Some(bob.id)));
            assert!(found.secret_matches);
            assert!(!session.keys().find_by_text(&forged(&generated)).await.unwrap().secret_matches);
        }
        let found = as_bob.keys().find_by_text(text(&generated)).await.unwrap();
        assert_eq!((found.key, found.personal_key_of), (Some(generated.key.clone()), None));
        let actor = company.store.authenticate(text(&generated), None).await.unwrap();
        let as_key = company.store.acting_as(actor);
        let found = as_key.keys().find_by_text(text(&generated)).await.unwrap();
        assert_eq!((found.key, found.personal_key_of), (None, Some(bob.id)), "a key is not its user");
    }

    async fn finding_needs_to_see_all_keys_of_the_tenant(company: Company) {
        let generated = company.key("import").await;
        for (name, permission, good) in
            [("A", "api_keys:modify", false), ("B", "api_keys:view", true), ("C", "api_keys:modify_all", true)]
        {
            let (_, session) = company.user(name, &[permission]).await;
            assert_eq!(session.keys().find_by_text(text(&generated)).await.is_ok(), good, "{permission}");
        }
    }

    async fn a_text_that_names_no_key_of_the_tenant_is_not_found(company: Company) {
        let other = company.other_tenant().await;
        let role = other.roles().named("READONLY").await.unwrap();
        let theirs = other.keys().generate(NewKey::for_tenant(role.id, "x", Lifetime::days(1))).await.unwrap();
        let keys = company.as_ada.keys();
        assert_eq!(code(keys.find_by_text(text(&theirs)).await), "not_found");
        let (_, unknown) = generate_opaque_key(&company.tenant.key_prefixes[0], OpaqueUse::Bearer, &[3; 40]);
        assert_eq!(code(keys.find_by_text(unknown.expose()).await), "not_found");
        let platform = company.store.acting_as(Actor::operator("platform"));
        let found = platform.keys().find_by_text(text(&theirs)).await.unwrap();
        assert_eq!(found.key.map(|key| key.tenant), Some(theirs.key.tenant), "the platform sees all tenants");
    }

    async fn a_text_that_is_no_key_is_refused_and_not_repeated(company: Company) {
        let generated = company.key("import").await;
        let mut mistyped = text(&generated).to_owned();
        mistyped.pop();
        mistyped.push('!');
        for wrong in ["", "hello", mistyped.as_str()] {
            let error = company.as_ada.keys().find_by_text(wrong).await.unwrap_err();
            assert_eq!(error.code(), "invalid");
            assert!(wrong.is_empty() || !error.to_string().contains(wrong), "{error}");
        }
        let id: KeyId = generated.key.id;
        assert_eq!(code(company.as_ada.keys().find_by_text(&id.to_string()).await), "invalid");
    }
}
