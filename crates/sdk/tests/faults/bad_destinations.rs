//! A destination that fails, hangs, puts a root late, or shows an older one, at random calls.

use crate::{
    faulty::{Call, Fault, Faulty, WithVersion},
    random::Random,
    verifying::Ended,
    world::{Database, World, end},
};
use chrono::TimeDelta;
use claviger_sdk::{Destination, DestinationError, StoredRoot};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

/// How long a publisher waits for a call that may never end. One that ends later counts as one that did not.
const PATIENCE: Duration = Duration::from_millis(40);
const ROUNDS: usize = 12;

/// Something wrong at every fourth call.
fn plan(
    mut random: Random,
    history: Vec<StoredRoot>,
    faults: Arc<AtomicUsize>,
) -> impl FnMut(usize, Call) -> Fault + Send {
    // Older ones are of less use: they are forgotten, or have another order.
    let old = move |random: &mut Random| {
        let back = random.below(history.len().min(4));
        history[history.len() - 1 - back].clone()
    };
    move |_, call| {
        if !random.one_in(4) {
            return Fault::None;
        }
        faults.fetch_add(1, Ordering::SeqCst);
        match (random.below(6), call) {
            (0, _) => Fault::StopsBefore,
            (1, _) => Fault::StopsAfter,
            (2, _) => Fault::FailsAfter,
            (_, Call::PutRoot) => Fault::Late,
            (3, Call::Root) => Fault::OldRoot(old(&mut random), WithVersion::Its),
            (_, Call::Root) => Fault::OldRoot(old(&mut random), WithVersion::OfThePresent),
            _ => Fault::FailsBefore,
        }
    }
}

pub(crate) async fn run(database: Database, seed: u64) -> usize {
    let world = World::new(database).await;
    let mut random = Random::new(seed);
    let mut keys = world.keys(6).await;
    world.publisher().publish().await.unwrap();
    let (faults, mut ended, mut waiting) = (Arc::new(AtomicUsize::new(0)), Vec::new(), Vec::new());
    let store = world.another_store().await;
    for round in 0..ROUNDS {
        let step = [1, 40, 3_600, 90_000][random.below(4)];
        world.advance(TimeDelta::seconds(step));
        let key = random.take(&mut keys).unwrap();
        let (_, renewed) = end(&world.operator(), &key, 2).await;
        keys.extend(renewed);
        waiting.push(key);

        let seed = seed * 1_000 + round as u64;
        let plan = plan(Random::new(seed), world.destination.history().await, faults.clone());
        let faulty = Faulty::new(&world.destination, plan);
        let publisher = world.publisher_over(&store, faulty.clone()).timeout(PATIENCE);
        for _ in 0..3 {
            let outcome =
                if random.one_in(10) { publisher.publish_whole().await } else { publisher.publish().await };
            match outcome {
                Ok(published) => {
                    let done = waiting.drain(..).map(|key| Ended::new(key, Some(published.epoch)));
                    ended.extend(done);
                }
                Err(error) => {
                    let expected = [
                        "destination_failed",
                        "destination_too_slow",
                        "destination_conflict",
                        "destination_rolled_back",
                    ];
                    assert!(expected.contains(&error.code()), "{error:?}");
                }
            }
        }
        // Before the late roots come, somebody else may publish: then they must not.
        let overtaken = random.one_in(2);
        if overtaken {
            let published = world.publisher().publish().await.unwrap();
            ended.extend(waiting.drain(..).map(|key| Ended::new(key, Some(published.epoch))));
        }
        for late in faulty.late() {
            let put = world.destination.put_root(late).await;
            let conflict = matches!(put, Err(DestinationError::Conflict));
            assert!(conflict || (put.is_ok() && !overtaken), "{put:?}");
        }
    }
    let published = world.publisher().publish().await.unwrap();
    ended.extend(waiting.drain(..).map(|key| Ended::new(key, Some(published.epoch))));
    world.check(seed, &ended, &keys).await;
    faults.load(Ordering::SeqCst)
}
