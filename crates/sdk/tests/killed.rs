//! Kills a program at random moments while it writes, and then checks the store: nothing that was acknowledged is lost,
//! nothing is half done, and the store opens each time.
//!
//! `CLAVIGER_KILLS` says how often on each database; 10 if nothing is said.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking, and their helpers do too"
)]

#[path = "rules/place.rs"]
mod place;

use chrono::TimeDelta;
use claviger_sdk::{
    Actor, Audience, Directory, KeyEdit, KeyId, Lifetime, MasterKey, NewKey, NewRing, NewServiceAccount,
    NewTenant, PersonId, Publisher, RevocationReason, Session, Store, TenantId, generate_master_key,
};
use place::Place;
use sqlx::{AssertSqlSafe, Executor, Row};
use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    io::{BufRead, BufReader, Read, Write},
    process::{Child, ChildStdout, Command, Stdio},
    time::Instant,
};

const MASTER_KEY: &str = "CLAVIGER_TEST_MASTER_KEY";

/// How often a store is used before there is a new one: killing must hit new stores too.
const KILLS_OF_A_STORE: usize = 10;

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["write", location] => runtime().block_on(write(location)),
        _ if words.contains(&"--list") => println!("killed: test"),
        [filter, ..] if !filter.starts_with('-') && !"killed".contains(filter) => {}
        _ => runtime().block_on(kill()),
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn below(end: u64) -> u64 {
    getrandom::u64().unwrap() % end
}

/// A line that says that an operation was done: the parent reads it even if this program is killed at once.
fn acknowledge(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").unwrap();
    out.flush().unwrap();
}

/// A key, as the writing program knows it.
struct Written {
    id: KeyId,
    name: String,
    revision: i64,
}

/// Writes until it is killed.
async fn write(location: &str) {
    let master_key = MasterKey::parse(&env::var(MASTER_KEY).unwrap()).unwrap();
    let store = Store::open(location, &master_key).await.unwrap();
    let platform = store.acting_as(Actor::operator("platform"));
    let tenant = match platform.tenants().list().await.unwrap().first() {
        Some(tenant) => tenant.id,
        None => {
            let new = NewTenant::new("Northwind", "nw_live".parse().unwrap());
            let tenant = platform.tenants().create(new).await.unwrap().id;
            acknowledge(&format!("tenant {tenant}"));
            tenant
        }
    };
    let operator = platform.in_tenant(tenant);
    let account = create_account(&operator).await;
    let mut keys: Vec<Written> = Vec::new();
    loop {
        match below(12) {
            0 => drop(create_account(&operator).await),
            1 => generate(&operator, account, 2 + below(30), &mut keys).await,
            2 | 3 => generate(&operator, account, 1, &mut keys).await,
            _ if keys.is_empty() => {}
            change => {
                let place = usize::try_from(below(keys.len() as u64)).unwrap();
                if change_key(&operator, change, &mut keys[place]).await {
                    keys.swap_remove(place);
                }
            }
        }
    }
}

async fn create_account(operator: &Session) -> PersonId {
    let name = format!("account_{:016x}", below(u64::MAX));
    let new = NewServiceAccount::new(&name, "Contrails Ltd", "it@contrails.example");
    let account = operator.service_accounts().create(new).await.unwrap().id;
    acknowledge(&format!("account {account}"));
    account
}

async fn generate(operator: &Session, account: PersonId, number: u64, keys: &mut Vec<Written>) {
    let name = |number| format!("key {number} {:016x}", below(u64::MAX));
    let new =
        (0..number).map(|number| NewKey::for_service_account(account, &name(number), Lifetime::days(90)));
    let generated = operator.keys().generate_batch(new.collect()).await.unwrap();
    let ids: Vec<String> = generated.iter().map(|generated| generated.key.id.to_string()).collect();
    acknowledge(&format!("generated {}", ids.join(" ")));
    let written = |key: claviger_sdk::ApiKey| Written { id: key.id, name: key.name, revision: key.revision };
    keys.extend(generated.into_iter().map(|generated| written(generated.key)));
}

/// Changes a key; whether nothing more can be done to it.
async fn change_key(operator: &Session, change: u64, key: &mut Written) -> bool {
    let (keys, id) = (operator.keys(), key.id);
    let (done, changed) = match change {
        4..=6 => ("rotated", keys.rotate(id, TimeDelta::days(1)).await.unwrap().key),
        7..=9 => {
            let edit = KeyEdit::new().name(&format!("edited {:016x}", below(u64::MAX)));
            ("edited", keys.edit(id, key.revision, edit).await.unwrap())
        }
        10 => ("ended", keys.expire_now(id, RevocationReason::Unused, &key.name).await.unwrap().record),
        _ => {
            keys.delete(id, &key.name).await.unwrap();
            acknowledge(&format!("deleted {id}"));
            return true;
        }
    };
    acknowledge(&format!("{done} {id}"));
    (key.name, key.revision) = (changed.name, changed.revision);
    done == "ended"
}

/// What was acknowledged of a key.
#[derive(Clone, Default, Debug)]
struct Acknowledged {
    rotations: i64,
    edits: i64,
    ended: bool,
    deleted: bool,
}

impl Acknowledged {
    fn revision(&self) -> i64 {
        1 + self.rotations + self.edits + i64::from(self.ended) + i64::from(self.deleted)
    }
}

/// Everything that was acknowledged in a store.
#[derive(Default)]
struct Ledger {
    operations: usize,
    tenants: BTreeSet<TenantId>,
    accounts: BTreeSet<PersonId>,
    keys: BTreeMap<KeyId, Acknowledged>,
}

impl Ledger {
    fn enter(&mut self, line: &str) {
        let mut words = line.split(' ');
        let done = words.next().unwrap();
        self.operations += 1;
        for id in words {
            if done == "tenant" {
                self.tenants.insert(id.parse().unwrap());
                continue;
            }
            if done == "account" {
                self.accounts.insert(id.parse().unwrap());
                continue;
            }
            let id = id.parse().unwrap();
            if done == "generated" {
                assert!(self.keys.insert(id, Acknowledged::default()).is_none(), "{id} was generated twice");
                continue;
            }
            let key = self.keys.get_mut(&id).expect("a key is generated before it is changed");
            match done {
                "rotated" => key.rotations += 1,
                "edited" => key.edits += 1,
                "ended" => key.ended = true,
                "deleted" => key.deleted = true,
                _ => panic!("{line:?} is no acknowledgement"),
            }
        }
    }
}

/// Kills programs that write to stores of both databases.
async fn kill() {
    let kills =
        env::var("CLAVIGER_KILLS").map_or(10, |kills| kills.parse().expect("CLAVIGER_KILLS is a number"));
    for database in ["SQLite", "PostgreSQL"] {
        let (started, mut left, mut operations, mut unacknowledged) = (Instant::now(), kills, 0, 0);
        while left > 0 {
            let place = if database == "SQLite" { Place::sqlite().await } else { Place::postgresql().await };
            let (master_key, mut ledger) = (generate_master_key().unwrap(), Ledger::default());
            for _ in 0..left.min(KILLS_OF_A_STORE) {
                for line in killed(&place, &master_key, kills - left) {
                    ledger.enter(&line);
                }
                unacknowledged += check(&place, &master_key, &mut ledger).await;
                left -= 1;
            }
            operations += ledger.operations;
        }
        println!(
            "{database}: killed {kills} times; {operations} acknowledged operations are all there, {unacknowledged} were \
             done and not yet acknowledged, nothing is half done ({:.1} s)",
            started.elapsed().as_secs_f64()
        );
    }
}

/// Starts a writing program, kills it at a random moment, and returns what it has acknowledged.
fn killed(place: &Place, master_key: &MasterKey, number: usize) -> Vec<String> {
    let mut program = Command::new(env::current_exe().unwrap())
        .args(["write", &place.location])
        .env(MASTER_KEY, master_key.to_text().expose())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(program.stdout.take().unwrap());
    let mut read = Vec::new();
    // Every tenth is killed while it opens the store, the others after some operations.
    if !number.is_multiple_of(10) {
        for _ in 0..below(40) {
            output.read_until(b'\n', &mut read).unwrap();
        }
        if below(2) == 0 {
            read_some(&mut output, below(60), &mut read);
        }
    }
    for _ in 0..below(1_000_000) {
        std::hint::spin_loop();
    }
    end(&mut program);
    output.read_to_end(&mut read).unwrap();
    let text = String::from_utf8(read).unwrap();
    // An acknowledgement counts when it is whole.
    text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')).map(str::to_owned).collect()
}

fn read_some(output: &mut BufReader<ChildStdout>, number: u64, read: &mut Vec<u8>) {
    output.take(number).read_to_end(read).unwrap();
}

/// Kills a program that must still be running.
fn end(program: &mut Child) {
    let ended = program.try_wait().unwrap();
    assert!(ended.is_none(), "the writing program failed before it was killed: {ended:?}");
    program.kill().unwrap();
    program.wait().unwrap();
}

/// A key, as it lies in the store.
struct Stored {
    revision: i64,
    ended: bool,
    deleted: bool,
    values: i64,
    last_generation: i64,
    present_values: i64,
    events: i64,
    generated: i64,
    rotated: i64,
    edited: i64,
}

const STORED: &str = "SELECT k.id AS id, k.revision AS revision, k.revoked_at AS revoked_at, k.deleted_at AS deleted_at, \
    (SELECT COUNT(*) FROM key_values v WHERE v.api_key = k.id) AS all_values, \
    (SELECT COALESCE(MAX(v.generation), 0) FROM key_values v WHERE v.api_key = k.id) AS last_generation, \
    (SELECT COUNT(*) FROM key_values v WHERE v.api_key = k.id AND v.accepted_until = 9223372036854775807) \
        AS present_values FROM api_keys k";

/// What lies in the store, read past the SDK: keys, accounts, and what the audit log says of each record.
struct Contents {
    keys: BTreeMap<KeyId, Stored>,
    accounts: BTreeMap<PersonId, i64>,
    orphans: i64,
}

async fn contents(place: &Place) -> Contents {
    let mut connection = place.connection().await;
    let mut events: BTreeMap<String, BTreeMap<String, i64>> = BTreeMap::new();
    let query = "SELECT record, action, COUNT(*) AS number FROM audit_events GROUP BY record, action";
    for row in connection.fetch_all(query).await.unwrap() {
        events.entry(row.get("record")).or_default().insert(row.get("action"), row.get("number"));
    }
    let id = |bytes: Vec<u8>| KeyId::from_entropy(bytes.try_into().unwrap());
    let mut keys = BTreeMap::new();
    for row in connection.fetch_all(AssertSqlSafe(STORED.to_owned())).await.unwrap() {
        let id = id(row.get("id"));
        let of_key = events.remove(&id.to_string()).unwrap_or_default();
        let of = |action: &str| of_key.get(action).copied().unwrap_or_default();
        let stored = Stored {
            revision: row.get("revision"),
            ended: row.get::<i64, _>("revoked_at") > 0,
            deleted: row.get::<i64, _>("deleted_at") > 0,
            values: row.get("all_values"),
            last_generation: row.get("last_generation"),
            present_values: row.get("present_values"),
            events: of_key.values().sum(),
            generated: of("key.generated"),
            rotated: of("key.rotated"),
            edited: of("key.edited"),
        };
        keys.insert(id, stored);
    }
    let mut accounts = BTreeMap::new();
    for row in connection.fetch_all("SELECT id FROM people").await.unwrap() {
        let id: PersonId = format!("per_{}", id(row.get("id"))).parse().unwrap();
        accounts.insert(id, events.remove(&id.to_string()).unwrap_or_default().values().sum());
    }
    // Events of keys and accounts that there are not.
    let of_others = |action: &&String| action.starts_with("key.") || action.starts_with("service_account.");
    let orphans = events.values().flat_map(BTreeMap::keys).filter(of_others).count() as i64;
    Contents { keys, accounts, orphans }
}

/// Opens the store and checks it. Returns how many operations were done that were not acknowledged (the last one may have
/// been), and enters them.
async fn check(place: &Place, master_key: &MasterKey, ledger: &mut Ledger) -> usize {
    let store = Store::open(&place.location, master_key).await.expect("the store opens");
    let platform = store.acting_as(Actor::operator("platform"));
    // A writer waits for the others: whatever the database still did for the killed program is over then.
    platform.permissions().define("flights:view", "see flights").await.unwrap();
    platform.audit().verify(None).await.expect("the audit log is what was written");
    let tenants: Vec<TenantId> =
        platform.tenants().list().await.unwrap().iter().map(|tenant| tenant.id).collect();
    // Opens every sealed value.
    let ring = match platform.rings().list().await.unwrap().first() {
        Some(ring) => ring.id,
        None => platform.rings().create(NewRing::new("all", Audience::Everyone)).await.unwrap().id,
    };
    let folder = tempfile::tempdir().unwrap();
    let publisher = Publisher::new(&store, ring, Directory::new(folder.path().join("ring")));
    publisher.publish_whole().await.expect("every value opens");
    let contents = contents(place).await;
    assert_eq!(contents.orphans, 0, "an event of something that there is not");

    let mut more = 0;
    for tenant in &ledger.tenants {
        assert!(tenants.contains(tenant), "the acknowledged tenant {tenant} is lost");
    }
    more += usize::from(tenants.len() > ledger.tenants.len());
    assert!(tenants.len() <= 1, "{tenants:?}");
    ledger.tenants.extend(tenants);

    for account in &ledger.accounts {
        assert!(contents.accounts.contains_key(account), "the acknowledged account {account} is lost");
    }
    assert!(contents.accounts.values().all(|&events| events == 1), "an account has not its one event");
    more += contents.accounts.len() - ledger.accounts.len();
    ledger.accounts.extend(contents.accounts.into_keys());

    let before = ledger.keys.len();
    for id in ledger.keys.keys() {
        assert!(contents.keys.contains_key(id), "the acknowledged key {id} is lost");
    }
    for (id, stored) in contents.keys {
        let known = ledger.keys.entry(id).or_default();
        check_key(id, &stored, known);
        let changes =
            usize::try_from(stored.revision - known.revision()).expect("no acknowledged change is lost");
        more += changes;
        *known = Acknowledged {
            rotations: stored.rotated,
            edits: stored.edited,
            ended: known.ended || (stored.ended && !stored.deleted),
            deleted: stored.deleted,
        };
        assert_eq!(known.revision(), stored.revision, "{id}: its changes are not those that its events say");
    }
    // However many keys a batch has, it is one operation.
    more += usize::from(ledger.keys.len() > before);
    assert!(
        more <= 1,
        "{more} operations were done and not acknowledged, by a program that does one after another"
    );
    more
}

/// Makes sure that a key is whole, and has what was acknowledged of it.
fn check_key(id: KeyId, stored: &Stored, known: &Acknowledged) {
    assert_eq!(stored.generated, 1, "{id}: generated once, and the log says so");
    assert_eq!(stored.events, stored.revision, "{id}: each change has its event");
    if stored.deleted {
        assert_eq!(stored.values, 0, "{id}: nothing proves a deleted key");
    } else {
        assert_eq!(stored.present_values, 1, "{id}: it has one present secret");
        assert_eq!(stored.last_generation, 1 + stored.rotated, "{id}: each rotation made a secret");
        assert_eq!(stored.values, 1 + i64::from(stored.rotated > 0), "{id}: at most one secret beside it");
    }
    assert!(stored.rotated >= known.rotations, "{id}: an acknowledged rotation is lost");
    assert!(stored.edited >= known.edits, "{id}: an acknowledged edit is lost");
    assert!(stored.ended || !known.ended, "{id}: that it was ended is lost");
    assert!(stored.deleted || !known.deleted, "{id}: that it was deleted is lost");
}
