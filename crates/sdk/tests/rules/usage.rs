//! Usage: what verifiers report, and what is known from it.

use crate::{
    company::{Company, Place, code, on_both_stores},
    keys::text,
};
use chrono::{DateTime, TimeDelta, Utc};
use claviger_core::UsageRecorder;
use claviger_sdk::{
    Actor, ApiKey, BatchId, KeyId, KeyUse, LastUse, Lifetime, NewPersonalKey, RegisteredVerifier, Rule,
    UsageBatch, UsageReport, VerifierId,
};
use proptest::{collection::vec, prelude::*, test_runner::TestRunner};

/// A report of everything between two times, in hours since the company was founded.
fn report(hours: std::ops::Range<i64>) -> UsageReport {
    let [from, until] = [hours.start, hours.end].map(|hour| crate::company::start() + TimeDelta::hours(hour));
    UsageReport::new(BatchId::random().unwrap(), from, until)
}

/// What is known of a key.
async fn known(company: &Company, key: KeyId) -> (LastUse, i64) {
    let key = company.as_ada.keys().get(key).await.unwrap();
    (key.last_use, key.use_count)
}

/// From when until when a verifier has reported everything, in hours since the company was founded.
async fn reported(company: &Company, id: VerifierId) -> Option<(i64, i64)> {
    let verifiers = company.operator.usage().verifiers().await.unwrap();
    let verifier = verifiers.into_iter().find(|verifier| verifier.id == id).unwrap();
    let hours = |time: DateTime<Utc>| (time - crate::company::start()).num_hours();
    Some((hours(verifier.reported_from?), hours(verifier.reported_at?)))
}

on_both_stores! {
    async fn a_report_says_when_keys_were_last_used_and_how_often(company: Company) {
        let key = company.key("import").await.key.id;
        let usage = company.operator.usage();
        let edge = usage.register_verifier("edge").await.unwrap();
        assert_eq!((edge.name.as_str(), edge.registered_at), ("edge", company.now()));
        assert_eq!((edge.reported_from, edge.reported_at), (None, None));
        company.advance(TimeDelta::hours(2));
        let at = company.now() - TimeDelta::seconds(3599);
        let outcome = usage.report(edge.id, &report(0..1).uses([KeyUse { key, last_used_at: at, count: 3 }])).await.unwrap();
        assert_eq!((outcome.known, outcome.dropped, outcome.repeated), (1, 0, false));
        let later = at + TimeDelta::seconds(1);
        usage.report(edge.id, &report(1..2).uses([KeyUse { key, last_used_at: later, count: 2 }])).await.unwrap();
        assert_eq!(known(&company, key).await, (LastUse::At(later), 5));
        assert_eq!(reported(&company, edge.id).await, Some((0, 2)));
    }

    /// As a program in Rust sends it, and as one in JavaScript does.
    async fn what_a_verifier_has_counted_is_reported_as_it_is(company: Company) {
        let key = company.key("import").await.key.id;
        let usage = company.operator.usage();
        let edge = usage.register_verifier("edge").await.unwrap().id;
        let start = u64::try_from(company.now().timestamp()).unwrap();
        company.advance(TimeDelta::hours(2));
        let mut recorder = UsageRecorder::new(10, start);
        for second in [5, 9, 7] {
            recorder.record(key, start + second);
        }
        let counted = serde_json::to_string(&recorder.drain(start + 3600).unwrap()).unwrap();
        let from_javascript = format!(
            r#"{{"from":{0},"until":{1},"uses":[{{"keyId":"{key}","count":2,"lastUsedAt":{0}}}],"lost":0}}"#,
            start + 3600,
            start + 7200,
        );
        for sent in [&counted, &from_javascript] {
            let batch: UsageBatch = serde_json::from_str(sent).unwrap();
            let report = UsageReport::of(BatchId::random().unwrap(), &batch).unwrap();
            assert_eq!(usage.report(edge, &report).await.unwrap().known, 1);
        }
        let last = crate::company::start() + TimeDelta::hours(1);
        assert_eq!(known(&company, key).await, (LastUse::At(last), 5));
        assert_eq!(reported(&company, edge).await, Some((0, 2)));

        let mut beyond: UsageBatch = serde_json::from_str(&counted).unwrap();
        beyond.until = u64::MAX;
        let refused = UsageReport::of(BatchId::random().unwrap(), &beyond).unwrap_err();
        assert_eq!(refused.code(), "invalid");
    }

    async fn a_batch_that_comes_again_changes_nothing(company: Company) {
        let key = company.key("import").await.key.id;
        let usage = company.operator.usage();
        let edge = usage.register_verifier("edge").await.unwrap().id;
        let office = usage.register_verifier("office").await.unwrap().id;
        company.advance(TimeDelta::hours(3));
        let at = company.now() - TimeDelta::hours(2);
        let used = |key| KeyUse { key, last_used_at: at, count: 3 };
        let first = report(0..1).uses([used(key), used(KeyId::from_u64(7))]);
        let second = report(1..2).uses([used(key)]);
        for (sent, repeated, count) in [(&first, false, 3), (&first, true, 3), (&second, false, 6), (&first, true, 6)] {
            let outcome = usage.report(edge, sent).await.unwrap();
            let dropped = u64::from(sent == &first);
            assert_eq!((outcome.known, outcome.dropped, outcome.repeated), (1, dropped, repeated));
            assert_eq!(known(&company, key).await, (LastUse::At(at), count));
        }
        assert!(!usage.report(office, &first).await.unwrap().repeated, "another verifier's batch is another one");
        assert_eq!(known(&company, key).await.1, 9);
        assert_eq!(reported(&company, edge).await, Some((0, 2)));
    }

    async fn a_batch_is_remembered_as_long_as_it_can_be_reported(company: Company) {
        let key = company.key("import").await.key.id;
        let usage = company.operator.usage();
        let edge = usage.register_verifier("edge").await.unwrap().id;
        company.advance(TimeDelta::hours(1));
        let used = KeyUse { key, last_used_at: company.now(), count: 1 };
        let [batch, late] = [(); 2].map(|()| report(0..1).uses([used]));
        let fast = report(0..24 * 40).uses([used]);
        for sent in [&batch, &fast] {
            usage.report(edge, sent).await.unwrap();
        }
        company.advance(TimeDelta::days(30) - TimeDelta::seconds(1));
        assert!(usage.report(edge, &batch).await.unwrap().repeated);
        assert!(!usage.report(edge, &report(0..2)).await.unwrap().repeated);
        assert!(usage.report(edge, &batch).await.unwrap().repeated);
        company.advance(TimeDelta::seconds(1));
        for sent in [&batch, &late] {
            assert_eq!(usage.report(edge, sent).await.unwrap_err().rule(), Some(Rule::UsageReportTooOld));
        }
        assert!(usage.report(edge, &fast).await.unwrap().repeated, "of a clock that is fast");
        assert_eq!(known(&company, key).await.1, 2);
        usage.report(edge, &report(720..721)).await.unwrap();
        assert_eq!(company.count("SELECT COUNT(*) FROM usage_batches").await, 3, "what is too old is not kept");
    }

    async fn never_needs_a_report_of_every_registered_verifier_since_the_key_was_generated(company: Company) {
        let usage = company.operator.usage();
        let key = company.key("import").await.key.id;
        let created = company.now();
        company.advance(TimeDelta::hours(20));
        let last_use = async || known(&company, key).await.0;
        assert_eq!(last_use().await, LastUse::Unknown, "no verifier is registered");
        let edge = usage.register_verifier("edge").await.unwrap().id;
        let office = usage.register_verifier("office").await.unwrap().id;
        assert_eq!(last_use().await, LastUse::Unknown, "none has reported");
        company.reported(edge, company.now(), &[]).await.unwrap();
        assert_eq!(last_use().await, LastUse::Unknown, "one has not reported");
        let until = created + TimeDelta::seconds(1);
        company.reported(office, created, &[]).await.unwrap();
        assert_eq!(last_use().await, LastUse::Unknown, "one has reported up to when the key was generated");
        company.reported(office, until, &[]).await.unwrap();
        assert_eq!(last_use().await, LastUse::Never);
        let third = usage.register_verifier("third").await.unwrap().id;
        assert_eq!(last_use().await, LastUse::Unknown, "another one has not reported");
        let batch = BatchId::random().unwrap();
        usage.report(third, &UsageReport::new(batch, until, company.now())).await.unwrap();
        assert_eq!(last_use().await, LastUse::Unknown, "what it saw in the first second it does not say");
        usage.report(third, &UsageReport::new(BatchId::random().unwrap(), created, until)).await.unwrap();
        assert_eq!(last_use().await, LastUse::Never);
        usage.register_verifier("fourth").await.unwrap();
        assert_eq!(last_use().await, LastUse::Unknown);
        usage.remove_verifier(usage.verifiers().await.unwrap()[1].id).await.unwrap();
        assert_eq!(last_use().await, LastUse::Never);
        let used = KeyUse { key, last_used_at: until, count: 1 };
        company.reported(office, company.now(), &[used]).await.unwrap();
        assert_eq!(last_use().await, LastUse::At(until));
    }

    async fn a_verifier_that_was_silent_for_a_day_makes_never_unknown(company: Company) {
        let usage = company.operator.usage();
        let edge = usage.register_verifier("edge").await.unwrap().id;
        let key = company.key("import").await.key.id;
        company.advance(TimeDelta::hours(1));
        usage.report(edge, &report(0..1)).await.unwrap();
        company.advance(TimeDelta::days(1));
        assert_eq!(known(&company, key).await.0, LastUse::Never);
        company.advance(TimeDelta::seconds(1));
        assert_eq!(known(&company, key).await.0, LastUse::Unknown);
        usage.report(edge, &report(1..25)).await.unwrap();
        assert_eq!(known(&company, key).await.0, LastUse::Never);
    }

    async fn in_a_gap_between_reports_nothing_is_known(company: Company) {
        let usage = company.operator.usage();
        let edge = usage.register_verifier("edge").await.unwrap().id;
        let before = company.key("before").await.key.id;
        company.advance(TimeDelta::hours(5));
        let after = company.key("after").await.key.id;
        company.advance(TimeDelta::hours(3));
        for (hours, stretch, known_before, known_after) in [
            (0..2, (0, 2), LastUse::Never, LastUse::Unknown),
            (6..8, (6, 8), LastUse::Unknown, LastUse::Unknown),
            (3..4, (6, 8), LastUse::Unknown, LastUse::Unknown),
            (4..6, (3, 8), LastUse::Unknown, LastUse::Never),
            (2..3, (0, 8), LastUse::Never, LastUse::Never),
            (1..7, (0, 8), LastUse::Never, LastUse::Never),
        ] {
            usage.report(edge, &report(hours.clone())).await.unwrap();
            assert_eq!(reported(&company, edge).await, Some(stretch), "{hours:?}");
            assert_eq!(known(&company, before).await.0, known_before, "{hours:?}");
            assert_eq!(known(&company, after).await.0, known_after, "{hours:?}");
        }
        assert_eq!(company.count("SELECT COUNT(*) FROM usage_stretches").await, 1);
    }

    async fn of_a_thousand_stretches_the_oldest_are_forgotten(company: Company) {
        let usage = company.operator.usage();
        let edge = usage.register_verifier("edge").await.unwrap().id;
        let office = usage.register_verifier("office").await.unwrap().id;
        company.advance(TimeDelta::hours(1));
        usage.report(office, &report(0..1)).await.unwrap();
        let second = |second| crate::company::start() + TimeDelta::seconds(second);
        for step in 0..1002 {
            let report = UsageReport::new(BatchId::random().unwrap(), second(2 * step), second(2 * step + 1));
            usage.report(edge, &report).await.unwrap();
        }
        assert_eq!(company.count("SELECT COUNT(*) FROM usage_stretches").await, 1001);
        let report = UsageReport::new(BatchId::random().unwrap(), second(1), second(3600));
        usage.report(edge, &report).await.unwrap();
        let verifiers = usage.verifiers().await.unwrap();
        let from: Vec<_> = verifiers.iter().map(|verifier| verifier.reported_from.unwrap()).collect();
        assert_eq!(from, [second(1), second(0)], "that the first second was reported is forgotten");
    }

    async fn a_part_of_what_was_seen_covers_no_time(company: Company) {
        let key = company.key("import").await.key.id;
        let usage = company.operator.usage();
        let edge = usage.register_verifier("edge").await.unwrap().id;
        company.advance(TimeDelta::hours(1));
        let used = KeyUse { key, last_used_at: company.now(), count: 1 };
        usage.report(edge, &report(1..1).uses([used])).await.unwrap();
        assert_eq!(known(&company, key).await, (LastUse::At(company.now()), 1));
        assert_eq!(reported(&company, edge).await, None);
    }

    async fn times_are_cut_to_between_the_keys_creation_and_now(company: Company) {
        company.advance(TimeDelta::hours(1));
        let key = company.key("import").await.key.id;
        let created = company.now();
        company.advance(TimeDelta::hours(1));
        let usage = company.operator.usage();
        let edge = usage.register_verifier("edge").await.unwrap().id;
        let day = TimeDelta::days(1);
        for (time, last_use) in [
            (DateTime::<Utc>::MIN_UTC, created),
            (created - day, created),
            (created + TimeDelta::seconds(1), created + TimeDelta::seconds(1)),
            (company.now() + day, company.now()),
            (DateTime::<Utc>::MAX_UTC, company.now()),
        ] {
            let report = report(0..2).uses([KeyUse { key, last_used_at: time, count: 1 }]);
            usage.report(edge, &report).await.unwrap();
            assert_eq!(known(&company, key).await.0, LastUse::At(last_use));
        }
        let batch = BatchId::random().unwrap();
        let report = UsageReport::new(batch, DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC);
        usage.report(edge, &report).await.unwrap();
        let verifier = usage.verifiers().await.unwrap().remove(0);
        assert_eq!(verifier.reported_from, Some(DateTime::UNIX_EPOCH));
        assert_eq!(verifier.reported_at, Some(company.now()));
        // Generated in the second in which the report ends: it may have been used after that.
        assert_eq!(company.key("another").await.key.last_use, LastUse::Unknown);
        let ahead = UsageReport::new(BatchId::random().unwrap(), company.now() + day, company.now() + day * 2);
        usage.report(edge, &ahead).await.unwrap();
        assert_eq!(usage.verifiers().await.unwrap(), [verifier], "nothing is believed of the future");
    }

    async fn a_key_that_comes_twice_in_a_batch_counts_once_with_all_its_uses(company: Company) {
        let key = company.key("import").await.key.id;
        let usage = company.operator.usage();
        let edge = usage.register_verifier("edge").await.unwrap().id;
        company.advance(TimeDelta::hours(1));
        let used = |minutes, count| KeyUse { key, last_used_at: company.now() - TimeDelta::minutes(minutes), count };
        let report = report(0..1).uses([used(3, 1), used(1, 2)]).uses([used(2, u32::MAX)]);
        let outcome = usage.report(edge, &report).await.unwrap();
        assert_eq!((outcome.known, outcome.dropped), (1, 0));
        let last = company.now() - TimeDelta::minutes(1);
        assert_eq!(known(&company, key).await, (LastUse::At(last), i64::from(u32::MAX) + 3));
    }

    async fn a_count_stays_at_its_maximum(company: Company) {
        let generated = company.key("import").await;
        let key = generated.key.id;
        let usage = company.operator.usage();
        let edge = usage.register_verifier("edge").await.unwrap().id;
        for (before, count, after) in [(3, 2, i64::MAX - 1), (3, 3, i64::MAX), (3, 4, i64::MAX), (0, 0, i64::MAX)] {
            company.execute(&format!("UPDATE api_keys SET use_count = {}", i64::MAX - before)).await;
            let used = KeyUse { key, last_used_at: company.now(), count };
            company.reported(edge, company.now(), &[used]).await.unwrap();
            assert_eq!(known(&company, key).await.1, after);
        }
        company.advance(TimeDelta::hours(1));
        company.store.authenticate(text(&generated), None).await.unwrap();
        assert_eq!(known(&company, key).await, (LastUse::At(company.now()), i64::MAX));
    }

    async fn unknown_and_deleted_keys_are_dropped(company: Company) {
        let usage = company.operator.usage();
        let edge = usage.register_verifier("edge").await.unwrap().id;
        let known = company.key("import").await.key.id;
        let gone = company.key("export").await.key.id;
        company.as_ada.keys().delete(gone, "export").await.unwrap();
        let used = |key| KeyUse { key, last_used_at: company.now(), count: 1 };
        let uses = [used(KeyId::from_u64(7)), used(gone), used(known)];
        let outcome = company.reported(edge, company.now(), &uses).await.unwrap();
        assert_eq!((outcome.known, outcome.dropped), (1, 2));
        assert_eq!(company.as_ada.keys().get(known).await.unwrap().use_count, 1);
    }

    async fn personal_keys_count(company: Company) {
        let generated = company.as_ada.personal_keys().generate(NewPersonalKey::new(Lifetime::days(30)).confirming("ADMIN")).await.unwrap();
        let edge = company.operator.usage().register_verifier("edge").await.unwrap().id;
        company.advance(TimeDelta::hours(1));
        let used = KeyUse { key: generated.key.id, last_used_at: company.now(), count: 4 };
        let outcome = company.reported(edge, company.now(), &[used]).await.unwrap();
        assert_eq!(outcome.known, 1);
        let key = company.as_ada.personal_keys().get().await.unwrap().unwrap();
        assert_eq!((key.last_use, key.use_count), (LastUse::At(company.now()), 4));
    }

    async fn a_report_of_many_uses_is_taken_whole(company: Company) {
        let key = company.key("import").await.key.id;
        let edge = company.operator.usage().register_verifier("edge").await.unwrap().id;
        let used = |key| KeyUse { key, last_used_at: company.now(), count: 1 };
        let mut uses: Vec<KeyUse> = (1..10_000).map(|id| used(KeyId::from_u64(id))).collect();
        uses.push(used(key));
        let outcome = company.reported(edge, company.now(), &uses).await.unwrap();
        assert_eq!((outcome.known, outcome.dropped), (1, 9_999));
        uses.push(used(key));
        assert_eq!(code(company.reported(edge, company.now(), &uses).await), "invalid");
        assert_eq!(known(&company, key).await.1, 1);
    }

    async fn a_report_of_an_unknown_verifier_or_that_ends_before_it_begins_changes_nothing(company: Company) {
        let usage = company.operator.usage();
        let key = company.key("import").await.key.id;
        let edge = usage.register_verifier("edge").await.unwrap().id;
        let used = KeyUse { key, last_used_at: company.now(), count: 1 };
        let before = company.now() - TimeDelta::seconds(1);
        let backwards = UsageReport::new(BatchId::random().unwrap(), company.now(), before).uses([used]);
        assert_eq!(code(usage.report(edge, &backwards).await), "invalid");
        company.reported(edge, company.now(), &[]).await.unwrap();
        usage.remove_verifier(edge).await.unwrap();
        assert_eq!(code(company.reported(edge, company.now(), &[used]).await), "not_found");
        assert_eq!(known(&company, key).await.1, 0);
        assert_eq!(code(usage.remove_verifier(edge).await), "not_found");
        for table in ["usage_batches", "usage_stretches"] {
            assert_eq!(company.count(&format!("SELECT COUNT(*) FROM {table}")).await, 0, "{table}");
        }
    }

    async fn reporters_at_once_lose_nothing_and_count_nothing_twice(company: Company) {
        let key = company.key("import").await.key.id;
        let edge = company.operator.usage().register_verifier("edge").await.unwrap().id;
        company.advance(TimeDelta::hours(8));
        let other = company.opened_with(&company.master_key).await.unwrap();
        let mut tasks = Vec::new();
        for hour in 0..8 {
            let used = KeyUse { key, last_used_at: company.now() - TimeDelta::hours(hour), count: 1 };
            let report = report(hour..hour + 1).uses([used]);
            for store in [&company.store, &other, &company.store] {
                let (session, report) = (store.acting_as(Actor::operator("platform")), report.clone());
                tasks.push(tokio::spawn(async move { session.usage().report(edge, &report).await.unwrap().repeated }));
            }
        }
        let mut repeated = 0;
        for task in tasks {
            repeated += u32::from(task.await.unwrap());
        }
        assert_eq!(repeated, 16);
        let (last_use, count) = known(&company, key).await;
        assert!(matches!(last_use, LastUse::At(_)));
        assert_eq!(count, 8);
        assert_eq!(reported(&company, edge).await, Some((0, 8)));
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
            usage.report(edge, &report(0..1)).await.map(drop).unwrap_err(),
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

}

on_both_stores! {
    unwatched;

    async fn reports_from_before_there_were_batches_still_count(company: Company) {
        let edge = company.operator.usage().register_verifier("edge").await.unwrap().id;
        company.operator.usage().register_verifier("silent").await.unwrap();
        company.advance(TimeDelta::hours(2));
        let hour_ago = (company.now() - TimeDelta::hours(1)).timestamp();
        company.execute(&format!("UPDATE verifiers SET reported_at = {hour_ago} WHERE name = 'edge'")).await;
        company.back_to_version_1().await;
        let store = company.opened_with(&company.master_key).await.unwrap();
        let usage = company.operator.usage();
        let verifiers = store.acting_as(Actor::operator("platform")).usage().verifiers().await.unwrap();
        assert_eq!(verifiers[0].reported_from, Some(DateTime::UNIX_EPOCH));
        assert_eq!((verifiers[1].reported_from, verifiers[1].reported_at), (None, None));
        usage.report(edge, &report(1..2)).await.unwrap();
        let verifier = usage.verifiers().await.unwrap().remove(0);
        assert_eq!(verifier.reported_from, Some(DateTime::UNIX_EPOCH));
        assert_eq!(verifier.reported_at, Some(company.now()));
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

/// What a store knows in the end: of the keys, and of the verifiers.
async fn state(company: &Company, keys: &[KeyId]) -> (Vec<ApiKey>, Vec<RegisteredVerifier>, i64) {
    let mut records = Vec::new();
    for &key in keys {
        records.push(company.as_ada.keys().get(key).await.unwrap());
    }
    (
        records,
        company.operator.usage().verifiers().await.unwrap(),
        company.count("SELECT COUNT(*) FROM usage_stretches").await,
    )
}

/// Whatever the reports are, the store knows the same in the end, in whatever order and how often they come.
#[test]
fn reports_come_in_any_order_and_again() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (company, keys, verifiers) = runtime.block_on(async {
        let company = Company::in_place(Place::sqlite().await).await;
        let usage = company.operator.usage();
        let mut keys = vec![company.key("first").await.key.id];
        let mut verifiers = Vec::new();
        for (key, verifier) in [("second", "edge"), ("third", "office")] {
            company.advance(TimeDelta::hours(6));
            keys.push(company.key(key).await.key.id);
            verifiers.push(usage.register_verifier(verifier).await.unwrap().id);
        }
        company.advance(TimeDelta::hours(8));
        (company, keys, verifiers)
    });
    let used = (0..4_usize, 0..24_i64, 0..5_u32);
    let batch = (0..2_usize, 0..20_i64, 0..6_i64, vec(used, 0..4));
    let batches = vec(batch, 1..8).prop_flat_map(|batches| {
        let order: Vec<usize> = (0..batches.len()).collect();
        let again = vec(0..batches.len(), 0..4);
        (Just(batches), Just(order).prop_shuffle(), again)
    });
    let mut runner = TestRunner::new(ProptestConfig { cases: 24, ..ProptestConfig::default() });
    let outcome = runner.run(&batches, |(batches, order, again)| {
        runtime.block_on(async {
            let reports: Vec<(VerifierId, UsageReport)> = batches
                .iter()
                .map(|(verifier, from, length, uses)| {
                    let uses = uses.iter().map(|&(key, hour, count)| KeyUse {
                        key: keys.get(key).copied().unwrap_or(KeyId::from_u64(7)),
                        last_used_at: crate::company::start() + TimeDelta::hours(hour),
                        count,
                    });
                    (verifiers[*verifier], report(*from..from + length).uses(uses))
                })
                .collect();
            let forget = [
                "DELETE FROM usage_batches",
                "DELETE FROM usage_stretches",
                "UPDATE verifiers SET reported_from = 0, reported_at = 0",
                "UPDATE api_keys SET last_used_at = 0, use_count = 0",
            ];
            let mut states = Vec::new();
            let in_order: Vec<usize> = (0..reports.len()).collect();
            for places in [in_order, [order, again].concat()] {
                for statement in forget {
                    company.execute(statement).await;
                }
                for place in places {
                    let (verifier, report) = &reports[place];
                    company.operator.usage().report(*verifier, report).await.unwrap();
                }
                states.push(state(&company, &keys).await);
            }
            prop_assert_eq!(&states[0], &states[1]);
            Ok(())
        })
    });
    outcome.unwrap();
}
