//! Faults while keyrings are published: in none of them does a key that was ended verify again, and each ends in a
//! published ring or in an error that says what it is.
//!
//! `CLAVIGER_FAULTS` says how many runs there are of each fault on each database; 1 if nothing is said. Each run has the
//! number of its seed, and a filter runs one fault alone: `cargo test -p claviger-sdk --test faults -- two_publishers`.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking, and their helpers do too"
)]

mod bad_destinations;
mod broken_off;
mod clocks;
mod clones;
#[path = "../rules/copies.rs"]
mod copies;
mod damaged;
mod faulty;
mod killed_publisher;
#[path = "../rules/place.rs"]
mod place;
mod put_back;
mod random;
mod recorder;
mod restored;
mod two_publishers;
mod verifying;
mod world;

use std::{env, pin::Pin, time::Instant};
use world::Database;

type Run = fn(Database, u64) -> Pin<Box<dyn Future<Output = usize>>>;

/// Each fault, and a run of it on a store of its own, which returns how often it came.
const FAULTS: &[(&str, Run)] = &[
    ("two_publishers", |database, seed| Box::pin(two_publishers::run(database, seed))),
    ("broken_off", |database, seed| Box::pin(broken_off::run(database, seed))),
    ("killed_publisher", |database, seed| Box::pin(killed_publisher::run(database, seed))),
    ("bad_destinations", |database, seed| Box::pin(bad_destinations::run(database, seed))),
    ("damaged", |database, seed| Box::pin(damaged::run(database, seed))),
    ("put_back", |database, seed| Box::pin(put_back::run(database, seed))),
    ("restored", |database, seed| Box::pin(restored::run(database, seed))),
    ("clones", |database, seed| Box::pin(clones::run(database, seed))),
    ("clocks", |database, seed| Box::pin(clocks::run(database, seed))),
];

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if words.contains(&"--list") {
        for (name, _) in FAULTS {
            println!("{name}: test");
        }
        return;
    }
    if let ["go_on", location, folder, seed] = words[..] {
        return runtime().block_on(killed_publisher::go_on(location, folder, seed));
    }
    let wanted = words.iter().find(|word| !word.starts_with('-'));
    let runtime = runtime();
    let runs =
        env::var("CLAVIGER_FAULTS").map_or(1, |runs| runs.parse().expect("CLAVIGER_FAULTS is a number"));
    for (name, run) in FAULTS.iter().filter(|(name, _)| wanted.is_none_or(|wanted| name.contains(wanted))) {
        for database in [Database::Sqlite, Database::Postgresql] {
            let (started, mut faults) = (Instant::now(), 0);
            for seed in 1..=runs {
                let told = Told { name, database, seed };
                faults += runtime.block_on(run(database, seed));
                drop(told);
            }
            let seconds = started.elapsed().as_secs_f64();
            println!("{name} on {database:?}: {faults} faults in {runs} runs ({seconds:.1} s)");
        }
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Says which run it was that failed.
struct Told<'n> {
    name: &'n str,
    database: Database,
    seed: u64,
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{} on {:?} failed with seed {}", self.name, self.database, self.seed);
        }
    }
}
