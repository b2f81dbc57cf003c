//! Measures the admin SDK over a SQLite file with a million keys, and prints one JSON line a result.
//!
//! All lists take turns in rounds, so that what disturbs the machine disturbs all of them, and the figure of a list is
//! the median over its rounds. Everything is measured with the file in the page cache of the operating system.

mod company;
mod lists;
mod publishing;

use anyhow::{Context, Result, ensure};
use chrono::{TimeDelta, Utc};
use claviger_bench::figures::{self, Figure};
use claviger_sdk::{Actor, BatchId, KeySort, KeyUse, Store, Tenant, UsageReport};
use company::{Company, KEYS, new_keys};
use std::{
    env, fs,
    future::Future,
    path::{Path, PathBuf},
    time::Instant,
};

const BATCHES: usize = 9;
const SINGLE_KEYS: usize = 101;
const OPENINGS: usize = 101;
/// How many uses are in a report.
const USES: usize = 10_000;

/// The median of times in milliseconds.
fn median(name: &str, milliseconds: Vec<f64>) -> f64 {
    figures::median(name, "ms", milliseconds)
}

/// How long something takes, in milliseconds.
async fn time<T>(what: impl Future<Output = claviger_sdk::Result<T>>) -> Result<(f64, T)> {
    let started = Instant::now();
    let outcome = what.await?;
    Ok((started.elapsed().as_secs_f64() * 1000.0, outcome))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let folder = env::args_os().nth(1).context("expected the folder for the store")?;
    let company = Company::kept_or_made(Path::new(&folder)).await?;
    let name = "make the store: a million keys in batches of 10,000, and their last uses";
    Figure::time(name, company.seconds * 1000.0, None).print();
    let store = Store::open(&company.location(), &company.master_key()?).await?;
    for figure in lists::measure(&store).await? {
        figure.print();
    }
    store.close().await;
    opening(&company).await?.print();
    generating_in_a_new_store(&company).await?.print();
    for figure in generating(&company).await? {
        figure.print();
    }
    for figure in reporting_usage(&company).await? {
        figure.print();
    }
    for figure in publishing::measure(&company).await? {
        figure.print();
    }
    Ok(())
}

async fn opening(company: &Company) -> Result<Figure> {
    let (location, master_key) = (company.location(), company.master_key()?);
    let mut times = Vec::new();
    for _ in 0..OPENINGS {
        let (milliseconds, store) = time(Store::open(&location, &master_key)).await?;
        times.push(milliseconds);
        store.close().await;
    }
    let name = "open the store";
    Ok(Figure::time(name, median(name, times), Some(20.0)))
}

/// A copy of the store that is removed again: the store itself keeps its million.
struct Copy(PathBuf);

impl Copy {
    fn of(company: &Company, name: &str) -> Result<Self> {
        let copy = Self(company.path().with_file_name(name));
        fs::copy(company.path(), &copy.0)?;
        Ok(copy)
    }

    async fn open(&self, company: &Company) -> Result<Store> {
        let location = self.0.to_str().context("a path that is no text")?;
        Ok(Store::open(location, &company.master_key()?).await?)
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        for ending in ["db", "db-wal", "db-shm"] {
            // Not all of them are always there.
            let _ = fs::remove_file(self.0.with_extension(ending));
        }
    }
}

async fn generating_in_a_new_store(company: &Company) -> Result<Figure> {
    let new = Copy(company.path().with_file_name("admin-new.db"));
    let store = new.open(company).await?;
    let (session, owners) = company::found(&store).await?;
    let mut batches = Vec::new();
    for batch in 0..BATCHES {
        let keys = new_keys(&owners, batch * 10_000..(batch + 1) * 10_000)?;
        batches.push(time(session.keys().generate_batch(keys)).await?.0);
    }
    store.close().await;
    let name = "generate 10,000 keys in a batch, in a store with up to 90,000";
    Ok(Figure::time(name, median(name, batches), Some(2000.0)))
}

async fn generating(company: &Company) -> Result<[Figure; 2]> {
    let copy = Copy::of(company, "admin-copy.db")?;
    let store = copy.open(company).await?;
    let session = store.acting_as(Actor::operator("bench")).in_tenant(only_tenant(&store).await?.id);
    let owners = company::Owners::find(&session).await?;
    let mut batches = Vec::new();
    for batch in 0..BATCHES {
        let keys = new_keys(&owners, KEYS + batch * 10_000..KEYS + (batch + 1) * 10_000)?;
        batches.push(time(session.keys().generate_batch(keys)).await?.0);
    }
    let mut singles = Vec::new();
    let first = KEYS + BATCHES * 10_000;
    for key in new_keys(&owners, first..first + SINGLE_KEYS)? {
        singles.push(time(session.keys().generate(key)).await?.0);
    }
    store.close().await;
    let figure = |name: &str, times, limit| Figure::time(name, median(name, times), limit);
    Ok([
        figure("generate 10,000 keys in a batch, in a store with a million", batches, Some(2000.0)),
        figure("generate one key", singles, None),
    ])
}

async fn reporting_usage(company: &Company) -> Result<Vec<Figure>> {
    let copy = Copy::of(company, "admin-used.db")?;
    let store = copy.open(company).await?;
    let session = store.acting_as(Actor::operator("bench")).in_tenant(only_tenant(&store).await?.id);
    let verifier = session.usage().register_verifier("bench").await?.id;
    let mut figures = Vec::new();
    for (what, sort) in [
        // Keys that have no more in common than the beginning of their names are all over the store.
        ("report 10,000 uses of keys all over the store", KeySort::Name),
        ("report 10,000 uses of keys that were generated one after another", KeySort::CreatedAt),
    ] {
        let (mut times, mut next) = (Vec::new(), None);
        for _ in 0..BATCHES {
            let mut uses = Vec::new();
            while uses.len() < USES {
                let list = session.keys().list().sorted_by(sort).limit(1000);
                let page = match next.take() {
                    Some(cursor) => list.after(cursor).await?,
                    None => list.await?,
                };
                uses.extend(page.records.iter().zip(0..).map(|(key, second)| {
                    let last_used_at = Utc::now() - TimeDelta::seconds(second % 60);
                    KeyUse { key: key.id, last_used_at, count: 3 }
                }));
                next = page.next;
            }
            let until = Utc::now();
            let report =
                UsageReport::new(BatchId::random()?, until - TimeDelta::minutes(1), until).uses(uses);
            let (milliseconds, outcome) = time(session.usage().report(verifier, &report)).await?;
            ensure!(outcome.known == USES as u64, "a key of the store was not known");
            times.push(milliseconds);
        }
        figures.push(Figure::time(what, median(what, times), Some(500.0)));
    }
    store.close().await;
    Ok(figures)
}

async fn only_tenant(store: &Store) -> Result<Tenant> {
    let tenants = store.acting_as(Actor::operator("bench")).tenants().list().await?;
    tenants.into_iter().next().context("a store without a tenant")
}
