//! The store: opening it, what it is sealed under, and what lies in the database.

use crate::{
    company::{Company, code, on_both_stores, start},
    place::Place,
    ring::Ring,
};
use chrono::TimeDelta;
use claviger_core::{VerifierValue, parse};
use claviger_sdk::{
    Actor, ApiKey, Audience, Error, Generated, Lifetime, MasterKey, NewKey, NewPersonalKey, NewSharedSecret,
    NewUser, SecretText, Session, Store, Unauthenticated, generate_master_key,
};
use sqlx::{AssertSqlSafe, Executor, Row};
use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::{Arc, Mutex},
    task::Poll,
    time::Duration,
};

fn platform(store: &Store) -> Session {
    store.acting_as(Actor::operator("platform"))
}

fn expose(generated: &Generated) -> &str {
    generated.text.as_ref().unwrap().expose()
}

impl Company {
    /// The store as another program opens it.
    pub(crate) async fn opened_with(&self, master_key: &MasterKey) -> Result<Store, Error> {
        Store::open_with_clock(&self.place.location, master_key, self.clock.clone()).await
    }

    pub(crate) async fn execute(&self, statement: &str) {
        self.place.connection().await.execute(AssertSqlSafe(statement.to_owned())).await.unwrap();
    }

    /// Takes the store back to what version 2 of the schema had.
    async fn back_to_version_2(&self) {
        self.execute("ALTER TABLE shared_secrets DROP COLUMN may_sign").await;
        self.execute("UPDATE claviger_schema SET version = 2").await;
    }

    /// Takes the store back to what version 1 of the schema had.
    pub(crate) async fn back_to_version_1(&self) {
        self.back_to_version_2().await;
        for statement in [
            "DROP TABLE usage_batches",
            "DROP TABLE usage_stretches",
            "ALTER TABLE verifiers DROP COLUMN reported_from",
            "DROP TABLE changes",
            "DROP TABLE ring_garbage",
            "DROP TABLE ring_roots",
            "DROP TABLE ring_policies",
            "DROP TABLE ring_keys",
            "DROP TABLE ring_tenants",
            "DROP TABLE ring_former_tenants",
            "DROP TABLE rings",
            "DROP INDEX keys_for_keyrings",
            "ALTER TABLE api_keys DROP COLUMN policy",
            "DROP TABLE policies",
            "UPDATE claviger_schema SET version = 1",
        ] {
            self.execute(statement).await;
        }
    }

    pub(crate) async fn count(&self, query: &str) -> i64 {
        let mut connection = self.place.connection().await;
        connection.fetch_one(AssertSqlSafe(query.to_owned())).await.unwrap().get(0)
    }

    /// Many keys of one owner, so that sealing them anew takes several transactions.
    async fn many_keys(&self, number: usize) -> Vec<ApiKey> {
        let account = self.service_account("many", &["flights:view"]).await;
        let new = NewKey::for_service_account(account.id, "one of many", Lifetime::days(90));
        let generated = self.as_ada.keys().generate_batch(vec![new; number]).await.unwrap();
        generated.into_iter().map(|generated| generated.key).collect()
    }
}

/// Makes sure that an error names the master key that is expected and the one that was given.
fn assert_wrong_master_key(outcome: Result<Store, Error>, right: &MasterKey, wrong: &MasterKey) {
    let error = outcome.unwrap_err();
    assert!(
        matches!(error, Error::WrongMasterKey { expected, given } if (expected, given) == (right.id(), wrong.id())),
        "{error}"
    );
    let text = error.to_string();
    assert!(text.contains(&right.id().to_string()) && text.contains(&wrong.id().to_string()), "{text}");
}

/// Polls a future so many times and then drops it, unless it was done before.
async fn polled<F: Future>(future: F, times: usize) -> Option<F::Output> {
    let (mut future, mut left) = (pin!(future), times);
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}

#[tokio::test]
async fn what_is_written_is_moved_from_sqlites_log_into_its_file_beside_what_comes_next() {
    let company = Company::in_place(Place::sqlite().await).await;
    let account = company.service_account("sync", &["flights:view"]).await.id;
    let keys =
        (0..1000).map(|number| NewKey::for_service_account(account, &number.to_string(), Lifetime::days(1)));
    company.as_ada.keys().generate_batch(keys.collect::<Vec<_>>()).await.unwrap();
    let length = || std::fs::metadata(&company.place.location).unwrap().len();
    for _ in 0..1000 {
        if length() > 500_000 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the file has {} bytes", length());
}

on_both_stores! {
    unwatched;

    async fn one_line_and_one_key_open_it(company: Company) {
        let text = company.master_key.to_text();
        let store = Store::open(&company.place.location, &MasterKey::parse(text.expose()).unwrap()).await.unwrap();
        assert_eq!(store.id(), company.store.id());
        assert_eq!(platform(&store).tenants().list().await.unwrap(), [company.tenant]);
    }

    async fn a_later_schema_is_refused_and_both_versions_are_named(company: Company) {
        company.execute("UPDATE claviger_schema SET version = 1000").await;
        let error = company.opened_with(&company.master_key).await.unwrap_err();
        assert!(matches!(error, Error::NewerSchema { found: 1000, known: 3 }), "{error}");
        let text = error.to_string();
        assert!(text.contains("1000") && text.contains("up to 3;"), "{text}");
    }

    async fn a_wrong_master_key_is_refused_when_it_is_opened(company: Company) {
        let wrong = generate_master_key().unwrap();
        assert_wrong_master_key(company.opened_with(&wrong).await, &company.master_key, &wrong);
        company.opened_with(&company.master_key).await.unwrap();
    }

    async fn another_master_key_opens_everything_and_the_old_one_nothing(company: Company) {
        let key = company.key("nightly import").await;
        let shared = company.operator.shared_secrets().create(NewSharedSecret::integration("ours")).await.unwrap();
        let secret = company.operator.shared_secrets().reveal(shared.id).await.unwrap();
        let new = generate_master_key().unwrap();
        company.operator.master_keys().rotate(&new).await.unwrap();

        assert_wrong_master_key(company.opened_with(&company.master_key).await, &new, &company.master_key);
        let reopened = company.opened_with(&new).await.unwrap();
        for store in [&company.store, &reopened] {
            store.authenticate(expose(&key), None).await.unwrap();
            let operator = platform(store).in_tenant(company.tenant.id);
            assert_eq!(operator.shared_secrets().reveal(shared.id).await.unwrap().expose(), secret.expose());
            operator.audit().verify(None).await.unwrap();
        }
    }

    async fn only_the_operator_changes_what_it_is_sealed_under(company: Company) {
        let (keys, new) = (company.as_ada.master_keys(), generate_master_key().unwrap());
        assert_eq!(code(keys.rotate(&new).await), "operator_only");
        assert_eq!(code(keys.reseal(&new, |_, _| ()).await), "operator_only");
        assert_eq!(code(keys.add_recovery_key().await), "operator_only");
        company.opened_with(&company.master_key).await.unwrap();
    }

    async fn whoever_has_it_open_goes_on_after_another_program_changed_the_master_key(company: Company) {
        let other = company.opened_with(&company.master_key).await.unwrap();
        let key = company.key("nightly import").await;
        company.operator.master_keys().rotate(&generate_master_key().unwrap()).await.unwrap();
        other.authenticate(expose(&key), None).await.unwrap();
        let theirs = platform(&other).in_tenant(company.tenant.id);
        theirs.users().create(NewUser::new("Ben Oak", "ben@northwind.example")).await.unwrap();
        let again = theirs.keys().rotate(key.key.id, TimeDelta::days(1)).await.unwrap();
        company.store.authenticate(expose(&again), None).await.unwrap();
        company.operator.audit().verify(None).await.unwrap();
    }

    async fn whoever_has_it_open_is_told_the_new_master_key_after_another_program_resealed_it(company: Company) {
        let other = company.opened_with(&company.master_key).await.unwrap();
        let key = company.key("nightly import").await;
        let new = generate_master_key().unwrap();
        company.operator.master_keys().reseal(&new, |_, _| ()).await.unwrap();

        let theirs = platform(&other).in_tenant(company.tenant.id);
        assert_eq!(theirs.users().list().await.unwrap().records.len(), 1, "what is not sealed can still be read");
        let refused = theirs.users().create(NewUser::new("Ben Oak", "ben@northwind.example")).await;
        assert!(matches!(refused, Err(Error::WrongMasterKey { expected, .. }) if expected == new.id()));
        let refused = other.authenticate(expose(&key), None).await;
        assert!(matches!(refused, Err(Unauthenticated::Failed(Error::WrongMasterKey { .. }))), "{refused:?}");

        let reopened = company.opened_with(&new).await.unwrap();
        for store in [&company.store, &reopened] {
            store.authenticate(expose(&key), None).await.unwrap();
            let operator = platform(store).in_tenant(company.tenant.id);
            operator.users().create(NewUser::new("Ben Oak", "ben@northwind.example")).await.unwrap();
        }
    }

    async fn after_a_leak_everything_is_sealed_under_another_data_key(company: Company) {
        let key = company.key("nightly import").await;
        let rotated = company.as_ada.keys().rotate(key.key.id, TimeDelta::days(1)).await.unwrap();
        let secrets = company.operator.shared_secrets();
        let shared = secrets.create(NewSharedSecret::integration("ours")).await.unwrap();
        secrets.rotate(shared.id, TimeDelta::days(1)).await.unwrap();
        let secret = secrets.reveal(shared.id).await.unwrap();
        company.many_keys(1100).await;

        let (new, mut told) = (generate_master_key().unwrap(), Vec::new());
        company.operator.master_keys().reseal(&new, |done, total| told.push((done, total))).await.unwrap();

        assert_eq!(company.count("SELECT COUNT(*) FROM data_keys").await, 1);
        assert_eq!(company.count("SELECT COUNT(*) FROM data_key_wraps").await, 1);
        for table in ["key_values", "secret_versions", "audit_keys"] {
            let old = format!("SELECT COUNT(*) FROM {table} t JOIN store s ON s.data_key <> t.data_key");
            assert_eq!(company.count(&old).await, 0, "{table}");
        }
        let old = "SELECT COUNT(*) FROM audit_keys a JOIN store s ON s.audit_key <> a.id";
        assert_eq!(company.count(old).await, 1, "the old audit key checks old events");
        // Two secrets of the rotated key, 1100 of the others, two versions of the shared secret, the old audit key.
        assert_eq!(told.first(), Some(&(0, 1105)));
        assert_eq!(told.last(), Some(&(1105, 1105)));
        assert!(told.len() > 2 && told.is_sorted(), "{told:?}");

        assert_wrong_master_key(company.opened_with(&company.master_key).await, &new, &company.master_key);
        let reopened = company.opened_with(&new).await.unwrap();
        for store in [&company.store, &reopened] {
            for key in [&key, &rotated] {
                store.authenticate(expose(key), None).await.unwrap();
            }
            let operator = platform(store).in_tenant(company.tenant.id);
            assert_eq!(operator.shared_secrets().reveal(shared.id).await.unwrap().expose(), secret.expose());
            operator.audit().verify(None).await.unwrap();
        }
        let last = company.operator.audit().list().of_action("store.resealed").await.unwrap();
        assert_eq!(last.len(), 0, "it is the platform's affair, not the tenant's");
        assert_eq!(platform(&company.store).audit().list().of_action("store.resealed").await.unwrap().len(), 1);
    }

    async fn sealing_anew_goes_on_where_it_was_interrupted(company: Company) {
        let key = company.key("nightly import").await;
        company.many_keys(2100).await;
        let recovery = company.operator.master_keys().add_recovery_key().await.unwrap();
        let new = generate_master_key().unwrap();
        let mut begun = 0;
        let left = "SELECT COUNT(*) FROM key_values v JOIN store s ON s.data_key <> v.data_key";
        // The last ones are dropped somewhere in a transaction, before all can be done.
        for (calls, polls) in [(1, None), (2, None), (usize::MAX, Some(3)), (usize::MAX, Some(6))] {
            let store = if begun == 0 { company.store.clone() } else { company.opened_with(&new).await.unwrap() };
            let (told, calls_left) = (Arc::new(tokio::sync::Notify::new()), Mutex::new(calls));
            let notify = told.clone();
            let operator = platform(&store);
            let master_keys = operator.master_keys();
            let reseal = master_keys.reseal(&new, |_, _| {
                let mut left = calls_left.lock().unwrap();
                *left -= 1;
                if *left == 0 {
                    notify.notify_one();
                }
            });
            let interrupted = async { tokio::select! { biased; () = told.notified() => (), _ = reseal => () } };
            match polls {
                None => interrupted.await,
                Some(polls) => drop(polled(interrupted, polls).await),
            }
            begun = company.count("SELECT COUNT(*) FROM data_keys").await;
            assert_eq!(begun, 2, "one reseal goes on, none begins anew: {calls} {polls:?}");
            let left = company.count(left).await;
            let expected = if calls == 2 { 1..2101 } else { 0..2102 };
            assert!(expected.contains(&left), "something was done and something is left: {left}");
            store.authenticate(expose(&key), None).await.unwrap();
            platform(&store).in_tenant(company.tenant.id).audit().verify(None).await.unwrap();
            assert_wrong_master_key(company.opened_with(&recovery).await, &new, &recovery);
            assert_wrong_master_key(company.opened_with(&company.master_key).await, &new, &company.master_key);
        }

        let store = company.opened_with(&new).await.unwrap();
        let mut first = None;
        platform(&store).master_keys().reseal(&new, |done, total| {
            first.get_or_insert((done, total));
        }).await.unwrap();
        assert!(matches!(first, Some((0, total)) if total < 2101), "what was done is not done again: {first:?}");
        assert_eq!(company.count("SELECT COUNT(*) FROM data_keys").await, 1);
        store.authenticate(expose(&key), None).await.unwrap();
        platform(&store).audit().verify(None).await.unwrap();
    }

    async fn a_recovery_key_opens_it_until_it_is_sealed_anew(company: Company) {
        let key = company.key("nightly import").await;
        let first = company.operator.master_keys().add_recovery_key().await.unwrap();
        let recovery = company.operator.master_keys().add_recovery_key().await.unwrap();
        let opened = company.opened_with(&recovery).await.unwrap();
        opened.authenticate(expose(&key), None).await.unwrap();
        assert_wrong_master_key(company.opened_with(&first).await, &company.master_key, &first);

        company.operator.master_keys().rotate(&company.master_key).await.unwrap();
        company.opened_with(&recovery).await.unwrap();

        let new = generate_master_key().unwrap();
        company.operator.master_keys().reseal(&new, |_, _| ()).await.unwrap();
        assert_wrong_master_key(company.opened_with(&recovery).await, &new, &recovery);
    }

    async fn a_recovery_key_puts_it_under_another_master_key(company: Company) {
        let key = company.key("nightly import").await;
        let recovery = company.operator.master_keys().add_recovery_key().await.unwrap();
        let (new, wrong) = (generate_master_key().unwrap(), generate_master_key().unwrap());
        let location = &company.place.location;
        let refused = Store::recover(location, &wrong, &new).await;
        assert_wrong_master_key(refused, &company.master_key, &wrong);

        let recovered = Store::recover(location, &recovery, &new).await.unwrap();
        platform(&recovered).audit().verify(None).await.unwrap();
        assert_wrong_master_key(company.opened_with(&company.master_key).await, &new, &company.master_key);
        for key_that_opens in [&new, &recovery] {
            company.opened_with(key_that_opens).await.unwrap().authenticate(expose(&key), None).await.unwrap();
        }
        let events = platform(&recovered).audit().list().of_action("master_key.rotated").await.unwrap();
        assert_eq!(events[0].actor, format!("operator:recovery key {}", recovery.id()));
    }

    async fn only_a_recovery_key_recovers_and_only_a_store_that_there_is(company: Company) {
        let (location, new) = (&company.place.location, generate_master_key().unwrap());
        let refused = Store::recover(location, &company.master_key, &new).await;
        assert_eq!(code(refused), "invalid", "it has no recovery key");
        let recovery = company.operator.master_keys().add_recovery_key().await.unwrap();
        let refused = Store::recover(location, &company.master_key, &new).await;
        assert_wrong_master_key(refused, &recovery, &company.master_key);
        company.opened_with(&company.master_key).await.unwrap();
        let elsewhere = Place::sqlite().await;
        assert_eq!(code(Store::recover(&elsewhere.location, &recovery, &new).await), "invalid");
        assert!(Store::open(&elsewhere.location, &new).await.is_ok(), "nothing was made there");
    }

    async fn a_recovery_key_can_become_the_master_key(company: Company) {
        let recovery = company.operator.master_keys().add_recovery_key().await.unwrap();
        Store::recover(&company.place.location, &recovery, &recovery).await.unwrap();
        company.opened_with(&recovery).await.unwrap();
        assert_wrong_master_key(company.opened_with(&company.master_key).await, &recovery, &company.master_key);
    }

    async fn a_sealed_value_opens_only_in_its_place(company: Company) {
        let (one, two) = (company.key("one").await, company.key("two").await);
        let table = "SELECT COUNT(DISTINCT sealed) FROM key_values";
        assert_eq!(company.count(table).await, 2);
        company.execute("CREATE TABLE kept AS SELECT api_key, sealed FROM key_values").await;
        company.execute("UPDATE key_values SET sealed = (SELECT sealed FROM kept WHERE kept.api_key <> key_values.api_key)").await;
        for key in [&one, &two] {
            let outcome = company.store.authenticate(expose(key), None).await;
            assert!(matches!(outcome, Err(Unauthenticated::Failed(Error::Damaged(_)))), "{outcome:?}");
            assert_eq!(code(company.as_ada.keys().find_by_text(expose(key)).await), "damaged");
        }
        company.execute("UPDATE key_values SET sealed = (SELECT sealed FROM kept WHERE kept.api_key = key_values.api_key)").await;
        company.store.authenticate(expose(&one), None).await.unwrap();
        // The value of an earlier secret in the place of the present one.
        company.as_ada.keys().rotate(one.key.id, TimeDelta::days(1)).await.unwrap();
        company.execute("UPDATE key_values SET sealed = (SELECT sealed FROM kept WHERE kept.api_key = key_values.api_key)").await;
        let outcome = company.store.authenticate(expose(&one), None).await;
        assert!(matches!(outcome, Err(Unauthenticated::Failed(Error::Damaged(_)))), "{outcome:?}");
    }

    async fn two_programs_write_at_once(company: Company) {
        let other = company.opened_with(&company.master_key).await.unwrap();
        let account = company.service_account("flight_sync", &["flights:view"]).await;
        let mut writers = Vec::new();
        for number in 0..100 {
            let store = if number % 2 == 0 { &company.store } else { &other };
            let operator = platform(store).in_tenant(company.tenant.id);
            let new = NewKey::for_service_account(account.id, &format!("key {number}"), Lifetime::days(1));
            writers.push(tokio::spawn(async move { operator.keys().generate(new).await }));
        }
        for writer in writers {
            let generated = writer.await.unwrap().unwrap();
            other.authenticate(expose(&generated), None).await.unwrap();
        }
        for store in [&company.store, &other] {
            let operator = platform(store).in_tenant(company.tenant.id);
            assert_eq!(operator.keys().list().limit(1000).await.unwrap().records.len(), 100);
            operator.audit().verify(None).await.unwrap();
        }
        assert_eq!(company.count("SELECT COUNT(*) FROM audit_events WHERE action = 'key.generated'").await, 100);
    }

    async fn an_operation_that_is_dropped_somewhere_is_done_or_not_and_hinders_nobody(company: Company) {
        let mut done = false;
        for polls in 0..2000 {
            let user = NewUser::new(&format!("Dropped {polls}"), "user@northwind.example");
            let users = company.operator.users();
            let finished = polled(users.create(user), polls).await;
            let next = users.create(NewUser::new("Next", "next@northwind.example"));
            tokio::time::timeout(Duration::from_secs(20), next).await.expect("nothing is in the way").unwrap();
            if finished.is_some() {
                done = true;
                break;
            }
        }
        assert!(done);
        platform(&company.store).audit().verify(None).await.unwrap();
        let (people, events) = (
            company.count("SELECT COUNT(*) FROM people").await,
            company.count("SELECT COUNT(*) FROM audit_events WHERE action = 'user.created'").await,
        );
        assert_eq!(people, events, "each with its event");
    }
}

/// A store is made by several programs at once, and they all have the same one.
async fn opened_at_once(place: Place) {
    let master_key = generate_master_key().unwrap();
    let mut programs = Vec::new();
    for _ in 0..4 {
        let (location, master_key) = (place.location.clone(), master_key.clone());
        programs.push(tokio::spawn(async move {
            let store = Store::open(&location, &master_key).await.unwrap();
            platform(&store).audit().verify(None).await.unwrap();
            store.id()
        }));
    }
    let mut ids = Vec::new();
    for program in programs {
        ids.push(program.await.unwrap());
    }
    assert!(ids.iter().all(|&id| id == ids[0]), "{ids:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_programs_make_one_sqlite_file_at_once() {
    for _ in 0..25 {
        opened_at_once(Place::sqlite().await).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_programs_make_one_postgresql_store_at_once() {
    for _ in 0..5 {
        opened_at_once(Place::postgresql().await).await;
    }
}

/// Others write while everything is sealed anew, and notice nothing.
async fn written_while_sealed_anew(place: Place) {
    let company = Company::in_place(place).await;
    company.many_keys(10).await;
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let operator = company.operator.clone();
            tokio::spawn(async move {
                for number in 0..50 {
                    let user = NewUser::new(&format!("User {writer} {number}"), "user@northwind.example");
                    operator.users().create(user).await.unwrap();
                }
            })
        })
        .collect();
    for _ in 0..10 {
        let new = generate_master_key().unwrap();
        company.operator.master_keys().reseal(&new, |_, _| ()).await.unwrap();
    }
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(company.count("SELECT COUNT(*) FROM people WHERE name LIKE 'User %'").await, 200);
    platform(&company.store).audit().verify(None).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn others_write_while_a_sqlite_file_is_sealed_anew() {
    written_while_sealed_anew(Place::sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn others_write_while_a_postgresql_store_is_sealed_anew() {
    written_while_sealed_anew(Place::postgresql().await).await;
}

#[tokio::test]
async fn whoever_makes_a_store_second_needs_the_same_master_key() {
    let place = Place::sqlite().await;
    let (first, second) = (generate_master_key().unwrap(), generate_master_key().unwrap());
    Store::open(&place.location, &first).await.unwrap();
    assert_wrong_master_key(Store::open(&place.location, &second).await, &first, &second);
}

#[tokio::test]
async fn a_file_is_made_whatever_it_is_called() {
    let folder = tempfile::tempdir().unwrap();
    let master_key = generate_master_key().unwrap();
    let mut ids = Vec::new();
    let names = [
        "plain.db",
        "with space.db",
        "100%.db",
        "%41.db",
        "what?.db",
        "mode=ro?mode=memory",
        "a#b.db",
        "a&b=c;d.db",
        "schlüssel-鍵.db",
        "'quoted\".db",
        ":memory:x",
        "no_extension",
    ];
    for name in names {
        let path = folder.path().join(name);
        assert!(!path.exists(), "{name}");
        let store = Store::open(path.to_str().unwrap(), &master_key).await.unwrap();
        assert!(path.is_file(), "{name}");
        store.close().await;
        assert_eq!(
            Store::open(path.to_str().unwrap(), &master_key).await.unwrap().id(),
            store.id(),
            "{name}"
        );
        ids.push(store.id());
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), names.len(), "each is a store of its own");
}

#[tokio::test]
async fn a_file_in_a_folder_that_there_is_not_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("none").join("store.db");
    let error = Store::open(path.to_str().unwrap(), &generate_master_key().unwrap()).await.unwrap_err();
    assert_eq!(error.code(), "database");
}

#[tokio::test]
async fn what_is_no_store_is_refused() {
    let master_key = generate_master_key().unwrap();
    for location in
        ["mysql://root:s3cr3t@localhost/db", "sqlite://store.db", "POSTGRES://root:s3cr3t@localhost/db", ""]
    {
        let error = Store::open(location, &master_key).await.unwrap_err();
        let text = format!("{error} {error:?}");
        assert_eq!(error.code(), "invalid", "{location}");
        assert!(text.contains("postgres://") && !text.contains("s3cr3t"), "{text}");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("letter.txt");
    std::fs::write(&path, "Dear Sir or Madam, ".repeat(1000)).unwrap();
    let error = Store::open(path.to_str().unwrap(), &master_key).await.unwrap_err();
    assert_eq!(error.code(), "database");
    assert_eq!(
        std::fs::read(&path).unwrap(),
        "Dear Sir or Madam, ".repeat(1000).as_bytes(),
        "it is left as it was"
    );
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_an_error_without_the_password() {
    let master_key = generate_master_key().unwrap();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for location in [
        format!("postgres://root:s3cr3t@{nobody}/db"),
        "postgres://root:s3cr3t@no-such-host.invalid/db".to_owned(),
        "postgres://root:s3cr3t@localhost:notaport/db".to_owned(),
        "postgres://root:s3cr3t@localhost/db?sslmode=perhaps".to_owned(),
        "postgres://root:s3cr3t@[/db".to_owned(),
    ] {
        let open = Store::open(&location, &master_key);
        let error =
            tokio::time::timeout(Duration::from_secs(10), open).await.expect("it is said soon").unwrap_err();
        assert_eq!(error.code(), "database", "{error}");
        let text = format!("{error} {error:?}");
        assert!(!text.contains("s3cr3t"), "{text}");
    }
}

#[tokio::test]
async fn no_secret_lies_in_plain_text_in_the_file() {
    let company = Company::in_place(Place::sqlite().await).await;
    let (key, signing) = (company.key("Findable name").await, {
        let new = NewKey::for_tenant(company.readonly.id, "signs", Lifetime::days(1)).for_signing();
        company.as_ada.keys().generate(new).await.unwrap()
    });
    let rotated = company.as_ada.keys().rotate(key.key.id, TimeDelta::days(1)).await.unwrap();
    let personal = company
        .as_ada
        .personal_keys()
        .generate(NewPersonalKey::new(Lifetime::days(1)).confirming("ADMIN"))
        .await
        .unwrap();
    let secrets = company.operator.shared_secrets();
    let integration = secrets.create(NewSharedSecret::integration("Ours")).await.unwrap();
    let issuing = secrets.create(NewSharedSecret::issuing("Makes keys")).await.unwrap();
    let new = NewKey::for_tenant(company.readonly.id, "signed", Lifetime::days(1)).signed_by(issuing.id);
    let signed = company.as_ada.keys().generate(new).await.unwrap();
    let recovery = company.operator.master_keys().add_recovery_key().await.unwrap();
    let keys = [&key, &signing, &rotated, &personal, &signed];
    for generated in keys.iter().take(4) {
        company.store.authenticate(expose(generated), None).await.unwrap();
    }
    let mut texts: Vec<SecretText> = keys.iter().map(|generated| generated.text.clone().unwrap()).collect();
    texts.push(secrets.reveal(integration.id).await.unwrap());
    texts.push(secrets.reveal(issuing.id).await.unwrap());
    texts.push(company.master_key.to_text());
    texts.push(recovery.to_text());

    let mut looked_for: Vec<Vec<u8>> = Vec::new();
    for text in &texts {
        // The 44 characters before the checksum of 6.
        let (start, _) = text.expose().split_at(text.expose().len() - 6);
        looked_for.push(start.as_bytes()[start.len() - 44..].to_vec());
    }
    for generated in keys.iter().take(4) {
        let value = VerifierValue::of_key(&parse(expose(generated)).unwrap()).unwrap();
        looked_for.push(value.expose().to_vec());
    }
    let mut files = 0;
    let mut seen = false;
    for suffix in ["", "-wal"] {
        let bytes = std::fs::read(format!("{}{suffix}", company.place.location)).unwrap();
        files += usize::from(!bytes.is_empty());
        let holds = |part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
        seen |= holds(b"Findable name");
        for part in &looked_for {
            assert!(!holds(part), "a secret is in {suffix:?}");
        }
    }
    assert_eq!((files, seen), (2, true), "the search finds what is there");
    assert_eq!(start(), company.now());
}

on_both_stores! {
    unwatched;

    async fn a_store_of_version_1_is_brought_to_this_one_with_its_keys(company: Company) {
        company.key("import").await;
        let new = NewKey::for_tenant(company.readonly.id, "edge", Lifetime::days(30)).external_id("edge-7");
        let generated = company.as_ada.keys().generate(new).await.unwrap();
        company.as_ada.keys().rotate(generated.key.id, TimeDelta::days(1)).await.unwrap();
        let ring = Ring::new(&company.store, Audience::Everyone).await;
        ring.publish().await;
        company.back_to_version_1().await;
        let store = company.opened_with(&company.master_key).await.unwrap();
        let after = Ring::new(&store, Audience::Everyone).await;
        after.publish().await;
        let now = company.now();
        assert_eq!(ring.contents(now), after.contents(now));
    }

    async fn in_a_store_of_version_2_no_issuing_secrets_keys_sign(company: Company) {
        let secret = company.issuing_secret().await;
        let before = company.operator.shared_secrets().get(secret).await.unwrap();
        company.back_to_version_2().await;
        let store = company.opened_with(&company.master_key).await.unwrap();
        let operator = platform(&store).in_tenant(company.tenant.id);
        assert_eq!(operator.shared_secrets().list().await.unwrap(), std::slice::from_ref(&before));
        assert!(!before.may_sign);
        assert!(operator.shared_secrets().allow_signing(secret).await.unwrap().may_sign);
    }
}
