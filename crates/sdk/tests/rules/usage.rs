//! Usage: what verifiers report, and what is known from it.

use crate::{
    company::{code, on_both_stores},
    keys::text,
};
use chrono::{DateTime, TimeDelta};
use claviger_sdk::{KeyId, KeyUse, LastUse, Rule};

on_both_stores! {
    async fn a_report_says_when_keys_were_last_used_and_how_often(company: Company) {
        let key = company.key("import").await.key.id;
        let usage = company.operator.usage();
        let edge = usage.register_verifier("edge").await.unwrap();
        assert_eq!((edge.name.as_str(), edge.registered_at, edge.reported_at), ("edge", company.now(), None));
        company.advance(TimeDelta::hours(2));
        let at = company.now() - TimeDelta::hours(1);
        assert_eq!(usage.report(edge.id, at, &[KeyUse { key, last_used_at: at, count: 3 }]).await.unwrap(), 1);
        let later = at + TimeDelta::minutes(5);
        usage.report(edge.id, later, &[KeyUse { key, last_used_at: later, count: 2 }]).await.unwrap();
        let key = company.as_ada.keys().get(key).await.unwrap();
        assert_eq!((key.last_use, key.use_count), (LastUse::At(later), 5));
        assert_eq!(usage.verifiers().await.unwrap()[0].reported_at, Some(later));
    }

    async fn never_needs_a_report_of_every_registered_verifier_since_the_key_was_generated(company: Company) {
        let usage = company.operator.usage();
        let key = company.key("import").await.key.id;
        let created = company.now();
        company.advance(TimeDelta::days(1));
        let last_use = async || company.as_ada.keys().get(key).await.unwrap().last_use;
        assert_eq!(last_use().await, LastUse::Unknown, "no verifier is registered");
        let edge = usage.register_verifier("edge").await.unwrap().id;
        let office = usage.register_verifier("office").await.unwrap().id;
        assert_eq!(last_use().await, LastUse::Unknown, "none has reported");
        usage.report(edge, company.now(), &[]).await.unwrap();
        assert_eq!(last_use().await, LastUse::Unknown, "one has not reported");
        usage.report(office, created, &[]).await.unwrap();
        assert_eq!(last_use().await, LastUse::Unknown, "one has reported up to when the key was generated");
        usage.report(office, created + TimeDelta::seconds(1), &[]).await.unwrap();
        assert_eq!(last_use().await, LastUse::Never);
        let third = usage.register_verifier("third").await.unwrap().id;
        assert_eq!(last_use().await, LastUse::Unknown, "another one has not reported");
        usage.remove_verifier(third).await.unwrap();
        assert_eq!(last_use().await, LastUse::Never);
        let used = KeyUse { key, last_used_at: created, count: 1 };
        usage.report(office, company.now(), &[used]).await.unwrap();
        assert_eq!(last_use().await, LastUse::At(created));
    }

    async fn reports_come_in_any_order(company: Company) {
        let usage = company.operator.usage();
        let key = company.key("import").await.key.id;
        let edge = usage.register_verifier("edge").await.unwrap().id;
        company.advance(TimeDelta::days(1));
        let (late, early) = (company.now(), company.now() - TimeDelta::hours(1));
        for time in [late, early] {
            usage.report(edge, time, &[KeyUse { key, last_used_at: time, count: 1 }]).await.unwrap();
        }
        let key = company.as_ada.keys().get(key).await.unwrap();
        assert_eq!((key.last_use, key.use_count), (LastUse::At(late), 2));
        assert_eq!(usage.verifiers().await.unwrap()[0].reported_at, Some(late));
    }

    async fn times_in_the_future_are_cut_to_now(company: Company) {
        let usage = company.operator.usage();
        let key = company.key("import").await.key.id;
        let edge = usage.register_verifier("edge").await.unwrap().id;
        let future = company.now() + TimeDelta::days(1);
        for time in [future, DateTime::<chrono::Utc>::MAX_UTC] {
            usage.report(edge, time, &[KeyUse { key, last_used_at: time, count: 1 }]).await.unwrap();
        }
        let key = company.as_ada.keys().get(key).await.unwrap();
        assert_eq!(key.last_use, LastUse::At(company.now()));
        assert_eq!(usage.verifiers().await.unwrap()[0].reported_at, Some(company.now()));
        // Generated in the second in which the report ends: it may have been used after that.
        assert_eq!(company.key("another").await.key.last_use, LastUse::Unknown);
    }

    async fn unknown_and_deleted_keys_are_dropped(company: Company) {
        let usage = company.operator.usage();
        let edge = usage.register_verifier("edge").await.unwrap().id;
        let known = company.key("import").await.key.id;
        let gone = company.key("export").await.key.id;
        company.as_ada.keys().delete(gone, "export").await.unwrap();
        let used = |key| KeyUse { key, last_used_at: company.now(), count: 1 };
        let uses = [used(KeyId::from_u64(7)), used(gone), used(known)];
        assert_eq!(usage.report(edge, company.now(), &uses).await.unwrap(), 1);
        assert_eq!(company.as_ada.keys().get(known).await.unwrap().use_count, 1);
    }

    async fn a_report_of_an_unknown_verifier_changes_nothing(company: Company) {
        let usage = company.operator.usage();
        let key = company.key("import").await.key.id;
        let edge = usage.register_verifier("edge").await.unwrap().id;
        usage.remove_verifier(edge).await.unwrap();
        let used = KeyUse { key, last_used_at: company.now(), count: 1 };
        assert_eq!(code(usage.report(edge, company.now(), &[used]).await), "not_found");
        assert_eq!(company.as_ada.keys().get(key).await.unwrap().use_count, 0);
        assert_eq!(code(usage.remove_verifier(edge).await), "not_found");
    }

    async fn verifiers_have_names_of_their_own_and_are_the_platform_operators(company: Company) {
        let usage = company.operator.usage();
        let edge = usage.register_verifier("edge").await.unwrap().id;
        assert_eq!(code(usage.register_verifier("edge").await), "exists");
        assert_eq!(code(usage.register_verifier("").await), "invalid");
        usage.register_verifier("Attic").await.unwrap();
        let names: Vec<String> = usage.verifiers().await.unwrap().into_iter().map(|one| one.name).collect();
        assert_eq!(names, ["Attic", "edge"]);
        let usage = company.as_ada.usage();
        for error in [
            usage.register_verifier("x").await.map(drop).unwrap_err(),
            usage.remove_verifier(edge).await.unwrap_err(),
            usage.verifiers().await.map(drop).unwrap_err(),
            usage.report(edge, company.now(), &[]).await.map(drop).unwrap_err(),
        ] {
            assert_eq!(error.rule(), Some(Rule::OperatorOnly));
        }
    }

    async fn a_key_that_acts_here_is_used(company: Company) {
        let generated = company.key("import").await;
        let read = async || company.as_ada.keys().get(generated.key.id).await.unwrap();
        assert_eq!(read().await.last_use, LastUse::Unknown);
        let first = company.now();
        company.store.authenticate(text(&generated), None).await.unwrap();
        assert_eq!((read().await.last_use, read().await.use_count), (LastUse::At(first), 1));
        company.advance(TimeDelta::seconds(59));
        company.store.authenticate(text(&generated), None).await.unwrap();
        assert_eq!(read().await.last_use, LastUse::At(first), "it is recorded to the minute");
        company.advance(TimeDelta::seconds(1));
        company.store.authenticate(text(&generated), None).await.unwrap();
        assert_eq!(read().await.last_use, LastUse::At(company.now()));
        company.advance(TimeDelta::days(1));
        let forged = crate::keys::forged(&generated);
        assert!(company.store.authenticate(&forged, None).await.is_err());
        assert_ne!(read().await.last_use, LastUse::At(company.now()), "a wrong secret is no use");
    }

    async fn a_key_that_was_used_in_this_minute_is_taken_without_a_turn_to_write(company: Company) {
        let generated = company.key("import").await;
        let sequence = async || {
            let mut connection = company.place.connection().await;
            let row = sqlx::query("SELECT sequence FROM store").fetch_one(&mut connection).await.unwrap();
            sqlx::Row::get::<i64, _>(&row, 0)
        };
        let before = sequence().await;
        for (step, writes) in [(0, 1), (59, 1), (1, 2), (1, 2)] {
            company.advance(TimeDelta::seconds(step));
            company.store.authenticate(text(&generated), None).await.unwrap();
            assert_eq!(sequence().await - before, writes, "{step}");
        }
    }
}
