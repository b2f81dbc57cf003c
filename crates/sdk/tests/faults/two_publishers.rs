//! Two publishers of the same ring at once, as two processes have them, while keys are ended through a third handle.

use crate::{
    random::Random,
    recorder::Recorder,
    verifying::Ended,
    world::{Database, World, end, platform},
};
use claviger_sdk::{DestinationError, PublishError, Publisher};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// Publishes until it is told to stop, now and then the whole ring. Returns how often.
async fn go_on(publisher: Publisher, mut random: Random, stop: Arc<AtomicBool>) -> usize {
    let mut published = 0;
    while !stop.load(Ordering::SeqCst) {
        let outcome =
            if random.one_in(4) { publisher.publish_whole().await } else { publisher.publish().await };
        match outcome {
            Ok(_) => published += 1,
            Err(PublishError::Destination(DestinationError::Conflict)) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
    published
}

/// Keys are ended, half of them by operations that publish at once.
pub(crate) async fn run(database: Database, seed: u64) -> usize {
    let world = World::new(database).await;
    let mut random = Random::new(seed);
    let mut keys = world.keys(12).await;
    world.publisher().publish().await.unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let mut going_on = Vec::new();
    for number in 0..2 {
        let store = world.another_store().await;
        let publisher = world.publisher_over(&store, world.destination.clone());
        let random = Random::new(seed * 2 + number + 1_000_000);
        going_on.push(tokio::spawn(go_on(publisher, random, stop.clone())));
    }
    let third = world.another_store().await;
    let operator = platform(&third).in_tenant(world.tenant);
    let publisher = world.publisher_over(&third, Recorder::clone(&world.destination));
    let mut ended = Vec::new();
    for _ in 0..8 {
        let Some(key) = random.take(&mut keys) else { break };
        let at_once = random.one_in(2);
        if at_once {
            third.attach(&publisher);
        } else {
            third.detach(world.ring);
        }
        let (publications, renewed) = end(&operator, &key, random.below(3)).await;
        let from = match publications.rings() {
            [publication] if at_once => publication.epoch().expect("it is published at once"),
            _ => publisher.publish().await.unwrap().epoch,
        };
        ended.push(Ended::new(key, Some(from)));
        keys.extend(renewed);
    }
    stop.store(true, Ordering::SeqCst);
    let mut published = 0;
    for publisher in going_on {
        published += publisher.await.unwrap();
    }
    world.publisher().publish().await.unwrap();
    world.check(seed, &ended, &keys).await;
    published
}
