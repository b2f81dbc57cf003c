//! A publisher whose clock jumps, far ahead and back, between publications and while they go on; the clock of its verifier
//! is right.

use crate::{
    faulty::{Fault, Faulty},
    random::Random,
    verifying::{Ended, Reading},
    world::{Database, Key, World, end},
};
use chrono::TimeDelta;
use claviger_sdk::Destination;

const ROUNDS: usize = 10;

/// Seconds by which a clock is wrong: up to an hour, some days, more than a year.
fn jump(random: &mut Random) -> i64 {
    let far = [3_600, 4 * 86_400, 500 * 86_400][random.below(3)];
    let seconds = i64::try_from(random.below(far)).unwrap();
    if random.one_in(2) { seconds } else { -seconds }
}

/// All that is said of signed keys is made anew when their texts seem to be over, and then the clock is right again.
async fn ended_before_a_jump(world: &World, key: Key) -> Ended {
    end(&world.operator(), &key, 0).await;
    let from = world.publisher().publish().await.unwrap().epoch;
    world.advance(TimeDelta::days(400));
    world.publisher().publish_whole().await.unwrap();
    world.advance(TimeDelta::days(-400));
    world.publisher().publish().await.unwrap();
    Ended::new(key, Some(from))
}

pub(crate) async fn run(database: Database, seed: u64) -> usize {
    let world = World::new(database).await;
    let mut random = Random::new(seed);
    let (mut keys, mut signed) = (world.keys(6).await, world.signed_keys(ROUNDS + 1).await);
    world.publisher().publish().await.unwrap();
    let mut ended = vec![ended_before_a_jump(&world, signed.pop().unwrap()).await];
    let (mut right, mut jumps) = (world.now(), 0);
    let mut verifier = Reading::new(&world.destination, &world.keyring_keys);
    let (mut seen, mut last_epoch) = (0, 0);
    for round in 0..ROUNDS {
        right += [1, 3_600, 90_000][random.below(3)];
        // In the last round the publisher's clock is right, too.
        let mut wrong = if round + 1 == ROUNDS { 0 } else { jump(&mut random) };
        world.set_clock(right.checked_add_signed(wrong).unwrap());
        let key = random.take(&mut keys).unwrap();
        let (_, renewed) = end(&world.operator(), &key, 2).await;
        keys.extend(renewed);
        // A keyring says of a signed key that it was ended only as long as its text could be good.
        let signed_key = signed.pop().unwrap();
        end(&world.operator(), &signed_key, random.below(2)).await;
        let clock = world.clock.clone();
        let mut others = Random::new(seed * 1_000 + round as u64);
        let going_on = round + 1 < ROUNDS;
        let faulty = Faulty::new(&world.destination, move |_, _| {
            if going_on && others.one_in(3) {
                let other = jump(&mut others);
                clock.advance(TimeDelta::seconds(other - wrong));
                wrong = other;
            }
            Fault::None
        });
        jumps += 1;
        let whole = random.one_in(3);
        let publisher = world.publisher_over(&world.store, faulty);
        let published = loop {
            let outcome = if whole { publisher.publish_whole().await } else { publisher.publish().await };
            match outcome {
                Ok(published) => break published,
                Err(error) => assert_eq!(error.code(), "overtaken"),
            }
        };
        assert!(published.epoch > last_epoch);
        last_epoch = published.epoch;
        ended.extend([key, signed_key].map(|key| Ended::new(key, Some(published.epoch))));

        // A root from the future is refused, and the one before stays.
        for root in &world.destination.history().await[seen..] {
            let _ = verifier.verifier.replace_keyring(root.bytes.clone(), right);
            seen += 1;
        }
        let Some(present) = verifier.verifier.keyring() else { continue };
        for ended in ended.iter().filter(|ended| ended.from.is_some_and(|from| present.epoch >= from)) {
            assert!(verifier.verdict(&ended.key.text, right).is_err(), "{ended:?}");
        }
        // Every part of the present root is there.
        let root = world.destination.root().await.unwrap().unwrap();
        for hash in claviger_core::root_part_hashes(&root.bytes).unwrap() {
            assert!(hash == [0; 32] || world.destination.part(&hash).await.unwrap().is_some());
        }
    }
    assert_eq!(
        verifier.verifier.keyring().map(|info| info.epoch),
        Some(last_epoch),
        "the right one is taken"
    );
    world.check(seed, &ended, &keys).await;
    jumps
}
