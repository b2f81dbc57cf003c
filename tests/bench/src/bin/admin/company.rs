//! The company whose keys are listed: a million of them, of few and of many owners, roles and groups. Its store is kept
//! between runs.

use anyhow::{Context, Result};
use chrono::{DateTime, TimeDelta, Utc};
use claviger_sdk::{
    Actor, BatchId, Clock, GroupId, KeyId, KeyUse, Lifetime, ManualClock, MasterKey, NewKey, NewKeyGroup,
    NewRole, NewServiceAccount, NewTenant, NewUser, PersonId, RoleId, Session, Store, UsageReport,
    generate_master_key,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::{
    fs,
    ops::Range,
    path::{Path, PathBuf},
    time::Instant,
};

/// How many keys there are.
pub(crate) const KEYS: usize = 1_000_000;
const BATCH: usize = 10_000;
/// Every so many keys one is the probe's, whose keys are spread over every list.
const PROBE: usize = 1000;
/// Every so many keys one is of the rare owner, role and group.
const RARE: usize = 142_857;

const VERBS: [&str; 16] = [
    "Import", "Export", "Sync", "Watch", "Report", "Billing", "Archive", "Mirror", "Forecast", "Dispatch",
    "Publish", "Audit", "nightly", "hourly", "weekly", "ad hoc",
];
const NOUNS: [&str; 16] = [
    "schedules",
    "flights",
    "crews",
    "invoices",
    "weather",
    "gates",
    "baggage",
    "fuel",
    "slots",
    "parts",
    "hotels",
    "rosters",
    "routes",
    "seats",
    "meals",
    "alerts",
];

/// When everything has happened: 2026-11-22 00:00:00 UTC.
pub(crate) fn now() -> Result<DateTime<Utc>> {
    DateTime::from_timestamp(1_795_305_600, 0).context("no such time")
}

/// A store with the company in it.
pub(crate) struct Company {
    folder: PathBuf,
    /// How long it took to make.
    pub(crate) seconds: f64,
}

impl Company {
    /// The store in this folder, if it was made by the present schema and program; otherwise a new one.
    pub(crate) async fn kept_or_made(folder: &Path) -> Result<Self> {
        let mut company = Self { folder: folder.to_owned(), seconds: 0.0 };
        let (note, made_by) = (folder.join("admin.json"), made_by()?);
        let known = fs::read_to_string(&note).ok().and_then(|text| text.parse::<Value>().ok());
        let kept = known.filter(|note| note.get("made_by").and_then(Value::as_str) == Some(&made_by));
        if let Some(seconds) = kept.as_ref().and_then(|note| note.get("seconds")?.as_f64()) {
            eprintln!("the store with a million keys is kept from before");
            company.seconds = seconds;
            return Ok(company);
        }
        fs::create_dir_all(folder)?;
        for name in ["admin.json", "admin.db", "admin.db-wal", "admin.db-shm"] {
            // What an earlier run has left, if anything.
            let _ = fs::remove_file(folder.join(name));
        }
        let master_key = generate_master_key()?;
        fs::write(folder.join("admin.key"), master_key.to_text().expose())?;
        let started = Instant::now();
        make(&company.location(), &master_key).await?;
        company.seconds = started.elapsed().as_secs_f64();
        fs::write(note, json!({"made_by": made_by, "seconds": company.seconds}).to_string())?;
        Ok(company)
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.join("admin.db")
    }

    pub(crate) fn location(&self) -> String {
        self.path().to_string_lossy().into_owned()
    }

    pub(crate) fn master_key(&self) -> Result<MasterKey> {
        Ok(MasterKey::parse(&fs::read_to_string(self.folder.join("admin.key"))?)?)
    }
}

/// What a store is made by: the scripts of the schema, and this file.
fn made_by() -> Result<String> {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/sdk/src/schema");
    let mut scripts = fs::read_dir(scripts)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    scripts.sort();
    let mut digest = Sha256::new_with_prefix(include_str!("company.rs"));
    for script in scripts {
        digest.update(fs::read(script)?);
    }
    Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The company in a new store, before it has keys: the operator's session in it, and whose its keys will be.
pub(crate) async fn found(store: &Store) -> Result<(Session, Owners)> {
    let platform = store.acting_as(Actor::operator("bench"));
    platform.permissions().define("flights:view", "see flights").await?;
    let tenant = platform.tenants().create(NewTenant::new("Northwind", "nw_live".parse()?)).await?;
    let session = platform.in_tenant(tenant.id);
    let owners = Owners::make(&session).await?;
    Ok((session, owners))
}

async fn make(location: &str, master_key: &MasterKey) -> Result<()> {
    // Two years in which a batch is generated every week.
    let clock = ManualClock::at(now()? - TimeDelta::weeks((KEYS / BATCH) as i64));
    let store = Store::open_with_clock(location, master_key, clock.clone()).await?;
    let (session, owners) = found(&store).await?;
    let started = Instant::now();
    let mut ids: Vec<KeyId> = Vec::with_capacity(KEYS);
    for first in (0..KEYS).step_by(BATCH) {
        let generated = session.keys().generate_batch(new_keys(&owners, first..first + BATCH)?).await?;
        ids.extend(generated.iter().map(|generated| generated.key.id));
        clock.advance(TimeDelta::weeks(1));
        if ids.len().is_multiple_of(KEYS / 10) {
            eprintln!("{} keys generated in {:.0} s", ids.len(), started.elapsed().as_secs_f64());
        }
    }
    let verifier = session.usage().register_verifier("edge").await?.id;
    let started = Instant::now();
    for (batch, ids) in ids.chunks(BATCH).enumerate() {
        let uses = ids.iter().enumerate().filter_map(|(place, &key)| {
            let random = scrambled(!((batch * BATCH + place) as u64));
            let seconds = TimeDelta::seconds((random >> 8) as i64 % (86_400 * 365));
            // Two of five were never used.
            (random % 5 > 1).then(|| KeyUse { key, last_used_at: clock.now() - seconds, count: 3 })
        });
        let report = UsageReport::new(BatchId::random()?, DateTime::UNIX_EPOCH, clock.now()).uses(uses);
        session.usage().report(verifier, &report).await?;
    }
    eprintln!("last uses reported in {:.0} s", started.elapsed().as_secs_f64());
    store.close().await;
    Ok(())
}

/// Of what there is few or much.
#[derive(Clone, Copy)]
pub(crate) struct Spread<T> {
    pub(crate) common: T,
    pub(crate) rare: T,
    pub(crate) none: T,
}

/// Whose the keys are and where they belong.
pub(crate) struct Owners {
    pub(crate) accounts: Spread<PersonId>,
    pub(crate) roles: Spread<RoleId>,
    pub(crate) groups: Spread<GroupId>,
    /// A user with keys everywhere in every list.
    pub(crate) probe: PersonId,
    more_accounts: Vec<PersonId>,
    more_roles: Vec<RoleId>,
    more_groups: Vec<GroupId>,
}

const NAMES: Spread<&str> = Spread { common: "common", rare: "rare", none: "none" };
const MORE: usize = 100;

fn more() -> impl Iterator<Item = String> {
    (0..MORE).map(|number| format!("more_{number}"))
}

impl Owners {
    async fn make(session: &Session) -> Result<Self> {
        let names = [NAMES.common, NAMES.rare, NAMES.none].map(str::to_owned);
        for name in names.into_iter().chain(more()) {
            let account = NewServiceAccount::new(&name, "Contrails Ltd", "it@contrails.example");
            let account = session.service_accounts().create(account).await?;
            session.people().grant_permission(account.id, "flights:view").await?;
            session.roles().define(NewRole::new(&name, ["flights:view"])).await?;
            session.key_groups().create(NewKeyGroup::new(&name)).await?;
        }
        let probe = session.users().create(NewUser::new("Ada Pine", "ada@northwind.example")).await?;
        session.people().grant_role(probe.id, session.roles().named(NAMES.common).await?.id).await?;
        Self::find(session).await
    }

    pub(crate) async fn find(session: &Session) -> Result<Self> {
        let people = session.people().list().limit(1000).await?.records;
        let roles = session.roles().list().await?;
        let groups = session.key_groups().list().await?;
        let account = |name: &str| people.iter().find(|person| person.name == name).map(|person| person.id);
        let role = |name: &str| roles.iter().find(|role| role.name == name).map(|role| role.id);
        let group = |name: &str| groups.iter().find(|group| group.name == name).map(|group| group.id);
        let found = || {
            Some(Self {
                accounts: spread(account)?,
                roles: spread(role)?,
                groups: spread(group)?,
                probe: account("Ada Pine")?,
                more_accounts: more().map(|name| account(&name)).collect::<Option<_>>()?,
                more_roles: more().map(|name| role(&name)).collect::<Option<_>>()?,
                more_groups: more().map(|name| group(&name)).collect::<Option<_>>()?,
            })
        };
        found().context("the store is not what was made")
    }
}

fn spread<T>(find: impl Fn(&str) -> Option<T>) -> Option<Spread<T>> {
    Some(Spread { common: find(NAMES.common)?, rare: find(NAMES.rare)?, none: find(NAMES.none)? })
}

/// SplitMix64's output function: the random bits of key number `index`.
fn scrambled(index: u64) -> u64 {
    let mut z = index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Takes a random number below `count` out of random bits.
fn draw(random: &mut u64, count: usize) -> usize {
    let drawn = *random % count as u64;
    *random = scrambled(*random);
    drawn as usize
}

fn pick<T: Copy>(random: &mut u64, from: &[T]) -> Result<T> {
    from.get(draw(random, from.len())).copied().context("nothing to choose from")
}

/// Keys number so to so: always the same, but for their ids and secrets.
pub(crate) fn new_keys(owners: &Owners, numbers: Range<usize>) -> Result<Vec<NewKey>> {
    numbers.map(|number| new_key(owners, number)).collect()
}

fn new_key(owners: &Owners, number: usize) -> Result<NewKey> {
    let mut random = scrambled(number as u64);
    let random = &mut random;
    let (verb, noun) = (pick(random, &VERBS)?, pick(random, &NOUNS)?);
    let name = format!("{verb} {noun} {}", draw(random, 1_000_000));
    let lifetime = match draw(random, 10) {
        0 => Lifetime::UNLIMITED,
        _ => Lifetime::days(1 + draw(random, 1500) as u32),
    };
    let (is_rare, is_probe) = (number % RARE == 5 && number < KEYS, number.is_multiple_of(PROBE));
    let of_account = |account| NewKey::for_service_account(account, &name, lifetime);
    let in_role = |role| NewKey::for_tenant(role, &name, lifetime);
    let key = match draw(random, 100) {
        _ if is_probe => NewKey::on_behalf_of(owners.probe, owners.roles.common, &name, lifetime),
        _ if is_rare => of_account(owners.accounts.rare),
        _ if number % RARE == 6 && number < KEYS => in_role(owners.roles.rare),
        0..30 => of_account(owners.accounts.common),
        30..60 => of_account(pick(random, &owners.more_accounts)?),
        60..85 => in_role(owners.roles.common),
        _ => in_role(pick(random, &owners.more_roles)?),
    };
    let key = match draw(random, 100) {
        _ if is_rare => key.in_group(owners.groups.rare),
        0..25 => key,
        25..60 => key.in_group(owners.groups.common),
        _ => key.in_group(pick(random, &owners.more_groups)?),
    };
    let key = match draw(random, 5) {
        0 => key,
        _ => {
            let verb = pick(random, &VERBS)?.to_lowercase();
            let customer = draw(random, 5000);
            key.description(&format!(
                "{noun} of customer {customer} for the {verb} job, asked for by their IT"
            ))
        }
    };
    let key = if draw(random, 100) == 0 { key.deactivated() } else { key };
    let key = if draw(random, 20) == 0 {
        key.notify(owners.accounts.common).notify_days_before([30, 7])
    } else {
        key
    };
    let key = if draw(random, 4) == 0 { key.network("192.0.2.0/24".parse()?) } else { key };
    let key = if draw(random, 4) == 0 { key.limit("requests", 1000, 60) } else { key };
    Ok(if draw(random, 2) == 0 { key.external_id(&format!("customer-{number}")) } else { key })
}
