//! A publisher that ends between any two things that it does, and another one, over another handle, that goes on.
//!
//! At each call of the destination in turn, before it and after it was done, it fails or stands still and is dropped; and
//! it is dropped after each number of its steps, those in the store among them.

use crate::{
    faulty::{Call, Fault, Faulty},
    random::Random,
    verifying::Ended,
    world::{Database, Key, World, end},
};
use chrono::TimeDelta;
use claviger_sdk::{PublishError, Published, Publisher};
use std::{future::poll_fn, pin::pin, task::Poll};

/// At most so many steps are left out at once.
const STEPS: usize = 12;

async fn publish(publisher: &Publisher, whole: bool) -> Result<Published, PublishError> {
    if whole { publisher.publish_whole().await } else { publisher.publish().await }
}

/// What comes of it if it is polled so often and then dropped.
async fn polled<T>(future: impl Future<Output = T>, mut times: usize) -> Option<T> {
    let mut future = pin!(future);
    poll_fn(|context| {
        if times == 0 {
            return Poll::Ready(None);
        }
        times -= 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}

struct Breaking {
    world: World,
    random: Random,
    keys: Vec<Key>,
    ended: Vec<Ended>,
}

impl Breaking {
    /// Something is changed, so that there is something to publish, and parts of before are over.
    async fn change(&mut self) -> Key {
        self.world.advance(TimeDelta::hours(13));
        let key = self.random.take(&mut self.keys).unwrap();
        let (_, renewed) = end(&self.world.operator(), &key, 2).await;
        self.keys.extend(renewed);
        key
    }

    /// The next publisher knows nothing but what is in the store and at the destination.
    async fn go_on(&mut self, changed: Key) {
        let store = self.world.another_store().await;
        let publisher = self.world.publisher_over(&store, self.world.destination.clone());
        let published = publisher.publish().await.unwrap();
        self.ended.push(Ended::new(changed, Some(published.epoch)));
        store.close().await;
    }

    async fn at_each_call(&mut self, fault: &Fault, whole: bool) {
        for number in 0.. {
            let changed = self.change().await;
            let store = self.world.another_store().await;
            let faulty = Faulty::once(&self.world.destination, number, fault.clone());
            let publisher = self.world.publisher_over(&store, faulty.clone());
            let outcome = tokio::select! {
                outcome = publish(&publisher, whole) => Some(outcome),
                () = faulty.stopped() => None,
            };
            drop((publisher, store));
            self.go_on(changed).await;
            match outcome {
                // What cannot be removed is no fault of what was published.
                Some(Ok(_)) => match faulty.wrong() {
                    None => break,
                    wrong => assert_eq!(wrong, Some(Call::DeletePart), "call {number}, and nobody said so"),
                },
                Some(Err(error)) => assert_eq!(error.code(), "destination_failed"),
                None => {}
            }
        }
    }

    async fn at_steps(&mut self, whole: bool) {
        let mut steps = self.random.below(STEPS);
        loop {
            let changed = self.change().await;
            let store = self.world.another_store().await;
            let publisher = self.world.publisher_over(&store, self.world.destination.clone());
            let outcome = polled(publish(&publisher, whole), steps).await;
            drop((publisher, store));
            self.go_on(changed).await;
            if let Some(outcome) = outcome {
                outcome.unwrap();
                break;
            }
            steps += 1 + self.random.below(STEPS);
        }
    }
}

pub(crate) async fn run(database: Database, seed: u64) -> usize {
    let world = World::new(database).await;
    let keys = world.keys(4).await;
    let mut breaking = Breaking { world, random: Random::new(seed), keys, ended: Vec::new() };
    breaking.world.publisher().publish().await.unwrap();
    // What one run does with a whole ring, the next one does with what changed.
    let mut whole = !seed.is_multiple_of(2);
    for fault in [Fault::FailsBefore, Fault::StopsBefore, Fault::StopsAfter, Fault::FailsAfter] {
        breaking.at_each_call(&fault, whole).await;
        whole = !whole;
    }
    breaking.at_steps(whole).await;
    breaking.world.check(seed, &breaking.ended, &breaking.keys).await;
    breaking.ended.len()
}
