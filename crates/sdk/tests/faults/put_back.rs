//! A destination that is put back to an older state, as from a backup of its own: the store knows more than it, and takes
//! nothing from it.

use crate::{
    random::Random,
    verifying::Ended,
    world::{Database, RING, World, end, platform},
};
use chrono::TimeDelta;

const ROUNDS: usize = 6;

pub(crate) async fn run(database: Database, seed: u64) -> usize {
    let world = World::new(database).await;
    let mut random = Random::new(seed);
    let mut keys = world.keys(4).await;
    world.publisher().publish().await.unwrap();
    let mut ended = Vec::new();
    for _ in 0..ROUNDS {
        // Some of the roots are past their time then, and the store has forgotten them.
        let step = [1, 3_600, 90_000][random.below(3)];
        world.advance(TimeDelta::seconds(step));
        let key = random.take(&mut keys).unwrap();
        let (_, renewed) = end(&world.operator(), &key, 2).await;
        keys.extend(renewed);
        let published = world.publisher().publish().await.unwrap();
        ended.push(Ended::new(key, Some(published.epoch)));

        let history = world.destination.history().await;
        world.destination.put_back(&history[random.below(history.len() - 1)]);
        let restored = world.publisher().restore(&platform(&world.store), RING, &[]).await;
        let known = restored.is_ok();
        match restored {
            Ok(restored) => assert_eq!(restored, claviger_sdk::Restored::default(), "it is behind nothing"),
            Err(error) => assert_eq!(error.code(), "destination_rolled_back"),
        }
        match world.publisher().publish().await {
            Ok(published) => assert!(known && published.whole),
            Err(error) => {
                assert_eq!((error.code(), known), ("destination_rolled_back", false));
                assert!(world.publisher().publish_whole().await.unwrap().whole);
            }
        }
    }
    world.check(seed, &ended, &keys).await;
    ROUNDS
}
