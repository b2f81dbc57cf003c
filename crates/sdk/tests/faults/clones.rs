//! A store and a clone of it, both alive, that publish to the same place.
//!
//! The one that publishes first goes on; the other one is refused for good, and says so to whoever ends a key through it. So
//! what is ended in the first is denied in every root from then on; what is ended in the other is not published, and every
//! ending says that. When the first is stopped and the other one is restored, what was ended in either is denied.

use crate::{
    random::Random,
    verifying::Ended,
    world::{Database, Key, RING, World, end, platform},
};
use chrono::TimeDelta;
use claviger_sdk::{PublicationOutcome, PublishError, Store};

const ROUNDS: usize = 6;

/// Ends a key in a store that publishes at once, and says in which epoch it was published.
async fn ended_in(world: &World, store: &Store, key: &Key, way: usize) -> Option<u64> {
    let operator = platform(store).in_tenant(world.tenant);
    // Deleted or revoked: a new text could not be told from that of the other store.
    let (publications, _) = end(&operator, key, way % 2).await;
    match &publications.rings()[0].outcome {
        PublicationOutcome::Published { epoch } => Some(*epoch),
        PublicationOutcome::Failed(error) => {
            assert!(matches!(**error, PublishError::Behind { .. }), "{error:?}");
            None
        }
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn run(database: Database, seed: u64) -> usize {
    let world = World::new(database).await;
    let mut random = Random::new(seed);
    let mut keys = world.keys(4 + ROUNDS).await;
    world.publisher().publish().await.unwrap();
    let copy = world.place.copy().await;
    let stores = [world.another_store().await, world.store_at(&copy.location).await];
    let publishers = stores.each_ref().map(|store| world.publisher_over(store, world.destination.clone()));
    world.advance(TimeDelta::seconds([0, 1, 90_000][random.below(3)]));
    // Otherwise they could make the same root, byte for byte, and none would be behind.
    let mut different = Vec::new();
    for store in &stores {
        let key = random.take(&mut keys).unwrap();
        end(&platform(store).in_tenant(world.tenant), &key, random.below(2)).await;
        different.push(key);
    }
    // Both at once: one of them is the first.
    let (here, there) = tokio::join!(publishers[0].publish(), publishers[1].publish());
    let first = usize::from(here.is_err());
    let (published, refused) = if first == 0 { (here, there) } else { (there, here) };
    assert_eq!(refused.unwrap_err().code(), "store_behind");

    let mut ended = vec![Ended::new(different.swap_remove(first), Some(published.unwrap().epoch))];
    let mut ended_there = different;
    for (store, publisher) in stores.iter().zip(&publishers) {
        store.attach(publisher);
    }
    for _ in 0..ROUNDS {
        world.advance(TimeDelta::seconds(1));
        let key = random.take(&mut keys).unwrap();
        let way = random.below(2);
        if random.one_in(2) {
            let from = ended_in(&world, &stores[first], &key, way).await;
            ended.push(Ended::new(key, Some(from.expect("the first goes on"))));
        } else {
            assert_eq!(ended_in(&world, &stores[1 - first], &key, way).await, None, "the other is refused");
            ended_there.push(key);
        }
        assert_eq!(publishers[1 - first].publish_whole().await.unwrap_err().code(), "store_behind");
    }
    // Nothing that was ended in the other one alone is published: it goes by the first.
    let good: Vec<Key> = keys.iter().chain(&ended_there).cloned().collect();
    publishers[first].publish().await.unwrap();
    world.check(seed, &ended, &good).await;

    publishers[1 - first].restore(&platform(&stores[1 - first]), RING, &[]).await.unwrap();
    let epoch = publishers[1 - first].publish().await.unwrap().epoch;
    ended.extend(ended_there.into_iter().map(|key| Ended::new(key, Some(epoch))));
    assert_eq!(
        publishers[first].publish().await.unwrap_err().code(),
        "store_behind",
        "now it is the other way"
    );
    world.check(seed, &ended, &keys).await;
    ROUNDS
}
