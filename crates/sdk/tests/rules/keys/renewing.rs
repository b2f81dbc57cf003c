//! Refreshing, rotating and regenerating keys.

use super::{is_good, text};
use crate::company::{code, on_both_stores};
use chrono::TimeDelta;
use claviger_sdk::{KeyStatus, Lifetime, NewKey};

on_both_stores! {
    async fn refreshing_adds_the_lifetime_to_the_expiry_or_to_now_if_that_is_later(company: Company) {
        let generated = company.key("import").await;
        let (id, keys) = (generated.key.id, company.as_ada.keys());
        let lifetime = TimeDelta::days(90);
        let first = company.now() + lifetime;
        company.advance(TimeDelta::days(10));
        let key = keys.refresh(id).await.unwrap();
        assert_eq!((key.expires_at, key.lifetime), (Some(first + lifetime), Some(lifetime)));
        company.advance(TimeDelta::days(400));
        assert_eq!(keys.get(id).await.unwrap().status, KeyStatus::Expired);
        assert!(!is_good(&company, text(&generated)).await);
        let key = keys.refresh(id).await.unwrap();
        assert_eq!((key.expires_at, key.status), (Some(company.now() + lifetime), KeyStatus::Active));
        assert!(is_good(&company, text(&generated)).await, "the secret stays");
    }

    async fn a_key_that_never_expires_and_a_signed_key_are_not_refreshed(company: Company) {
        let keys = company.as_ada.keys();
        let unlimited = NewKey::for_tenant(company.readonly.id, "x", Lifetime::UNLIMITED);
        let unlimited = keys.generate(unlimited).await.unwrap().key.id;
        assert_eq!(code(keys.refresh(unlimited).await), "key_never_expires");
        let secret = company.issuing_secret().await;
        let signed = NewKey::for_tenant(company.readonly.id, "signed", Lifetime::days(1)).signed_by(secret);
        let signed = keys.generate(signed).await.unwrap().key.id;
        assert_eq!(code(keys.refresh(signed).await), "signed_key_is_fixed");
    }

    async fn refreshing_ends_before_february_2106(company: Company) {
        let new = NewKey::for_tenant(company.readonly.id, "x", Lifetime::days(365 * 60));
        let id = company.as_ada.keys().generate(new).await.unwrap().key.id;
        assert_eq!(code(company.as_ada.keys().refresh(id).await), "invalid");
    }

    async fn after_a_rotation_both_secrets_are_good_until_the_overlap_ends_and_then_one(company: Company) {
        let old = company.key("import").await;
        let (id, keys) = (old.key.id, company.as_ada.keys());
        company.advance(TimeDelta::days(10));
        let new = keys.rotate(id, TimeDelta::days(7)).await.unwrap();
        let end = company.now() + TimeDelta::days(7);
        assert_eq!((new.key.id, new.key.previous_secret_until), (id, Some(end)));
        assert_eq!(new.key.expires_at, Some(company.now() + TimeDelta::days(90)), "a lifetime begins anew");
        assert!(is_good(&company, text(&old)).await && is_good(&company, text(&new)).await);
        company.advance(TimeDelta::days(7) - TimeDelta::seconds(1));
        assert!(is_good(&company, text(&old)).await && is_good(&company, text(&new)).await);
        company.advance(TimeDelta::seconds(1));
        assert!(!is_good(&company, text(&old)).await && is_good(&company, text(&new)).await);
        assert_eq!(keys.get(id).await.unwrap().previous_secret_until, None);
    }

    async fn after_a_rotation_the_old_secret_is_good_no_longer_than_it_was(company: Company) {
        let old = company.key("import").await;
        company.advance(TimeDelta::days(89));
        let new = company.as_ada.keys().rotate(old.key.id, TimeDelta::days(30)).await.unwrap();
        assert_eq!(new.key.previous_secret_until, old.key.expires_at);
        company.advance(TimeDelta::days(1));
        assert!(!is_good(&company, text(&old)).await && is_good(&company, text(&new)).await);
    }

    async fn a_rotation_during_a_rotation_ends_the_oldest_secret(company: Company) {
        let first = company.key("import").await;
        let keys = company.as_ada.keys();
        let second = keys.rotate(first.key.id, TimeDelta::days(7)).await.unwrap();
        let third = keys.rotate(first.key.id, TimeDelta::days(7)).await.unwrap();
        assert!(!is_good(&company, text(&first)).await);
        assert!(is_good(&company, text(&second)).await && is_good(&company, text(&third)).await);
    }

    async fn rotating_an_expired_key_makes_the_new_secret_good_and_not_the_old(company: Company) {
        let old = company.key("import").await;
        company.advance(TimeDelta::days(91));
        let new = company.as_ada.keys().rotate(old.key.id, TimeDelta::days(30)).await.unwrap();
        assert_eq!((new.key.status, new.key.previous_secret_until), (KeyStatus::Active, None));
        assert!(!is_good(&company, text(&old)).await && is_good(&company, text(&new)).await);
    }

    async fn an_overlap_is_one_second_to_a_year(company: Company) {
        let id = company.key("import").await.key.id;
        let keys = company.as_ada.keys();
        for overlap in [TimeDelta::zero(), TimeDelta::seconds(-1), TimeDelta::days(367), TimeDelta::MAX] {
            assert_eq!(code(keys.rotate(id, overlap).await), "invalid", "{overlap}");
        }
        assert!(keys.rotate(id, TimeDelta::seconds(1)).await.is_ok());
        assert!(keys.rotate(id, TimeDelta::days(366)).await.is_ok());
    }

    async fn regenerating_ends_the_old_secret_at_once_and_keeps_the_id(company: Company) {
        let old = company.key("import").await;
        company.advance(TimeDelta::days(10));
        let keys = company.as_ada.keys();
        assert_eq!(code(keys.regenerate(old.key.id, "export").await), "confirmation_needed");
        assert!(is_good(&company, text(&old)).await);
        let new = keys.regenerate(old.key.id, "import").await.unwrap();
        assert_eq!((new.key.id, new.key.previous_secret_until), (old.key.id, None));
        assert_eq!(new.key.expires_at, Some(company.now() + TimeDelta::days(90)), "a lifetime begins anew");
        assert!(!is_good(&company, text(&old)).await && is_good(&company, text(&new)).await);
    }

    async fn regenerating_during_a_rotation_ends_both_old_secrets(company: Company) {
        let first = company.key("import").await;
        let keys = company.as_ada.keys();
        let second = keys.rotate(first.key.id, TimeDelta::days(7)).await.unwrap();
        let third = keys.regenerate(first.key.id, "import").await.unwrap();
        assert!(!is_good(&company, text(&first)).await && !is_good(&company, text(&second)).await);
        assert!(is_good(&company, text(&third)).await);
    }

    async fn a_signing_key_stays_one(company: Company) {
        let new = NewKey::for_tenant(company.readonly.id, "x", Lifetime::UNLIMITED).for_signing();
        let old = company.as_ada.keys().generate(new).await.unwrap();
        let new = company.as_ada.keys().rotate(old.key.id, TimeDelta::days(1)).await.unwrap();
        assert_eq!((new.key.kind, new.key.expires_at), (old.key.kind, None));
        assert!(text(&new).contains("_h") && is_good(&company, text(&new)).await);
    }

    async fn the_secret_of_a_signed_key_is_not_made_anew(company: Company) {
        let secret = company.issuing_secret().await;
        let keys = company.as_ada.keys();
        let new = NewKey::for_tenant(company.readonly.id, "signed", Lifetime::days(1)).signed_by(secret);
        let id = keys.generate(new).await.unwrap().key.id;
        assert_eq!(code(keys.rotate(id, TimeDelta::days(1)).await), "signed_key_is_fixed");
        assert_eq!(code(keys.regenerate(id, "signed").await), "signed_key_is_fixed");
    }
}
