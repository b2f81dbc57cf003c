//! A destination that loses parts or the root, or changes bits of them.

use crate::{
    random::Random,
    verifying::{Ended, Reading},
    world::{Database, Key, World, end},
};
use claviger_sdk::{Destination, PartHash};
use std::{fs, path::PathBuf};

const ROUNDS: usize = 8;

/// The verdict by what is at the destination now, and whether every part that was needed was as the root says.
async fn verdict(world: &World, key: &Key) -> (Result<String, &'static str>, bool) {
    let reading = Reading::new(&world.destination, &world.keyring_keys);
    let mut verifier = reading.verifier;
    let root = world.destination.root().await.unwrap().unwrap();
    verifier.replace_keyring(root.bytes, world.now()).unwrap();
    let context = claviger_core::RequestContext::at(world.now());
    loop {
        let denied = match verifier.verify_key(&key.text, &context).into_result() {
            Ok(verified) => return (Ok(verified.policy.unwrap().owner().to_owned()), true),
            Err(denied) => denied,
        };
        let Some(needed) = denied.needed else { return (Err(denied.code.as_str()), true) };
        let part = world.destination.part(&needed.hash).await.unwrap();
        let inserted =
            part.is_some_and(|part| verifier.insert_part(needed.part, needed.index, &part).is_ok());
        if !inserted {
            return (Err(denied.code.as_str()), false);
        }
    }
}

/// Removes a file, cuts it off, or flips a bit of it.
fn damage(path: &PathBuf, random: &mut Random) {
    let mut bytes = fs::read(path).unwrap();
    let place = random.below(bytes.len());
    match random.below(3) {
        0 => return fs::remove_file(path).unwrap(),
        1 => bytes.truncate(place),
        _ => bytes[place] ^= 1 << random.below(8),
    }
    fs::write(path, bytes).unwrap();
}

pub(crate) async fn run(database: Database, seed: u64) -> usize {
    let world = World::new(database).await;
    let mut random = Random::new(seed);
    let mut keys = world.keys(6).await;
    let folder = world.destination.directory().path().to_owned();
    world.publisher().publish().await.unwrap();
    let mut ended: Vec<Ended> = Vec::new();
    for _ in 0..ROUNDS {
        let key = random.take(&mut keys).unwrap();
        let (_, renewed) = end(&world.operator(), &key, 2).await;
        keys.extend(renewed);
        let epoch = if random.one_in(2) {
            damage(&folder.join("root"), &mut random);
            root_is_damaged(&world, &folder).await
        } else {
            let root = world.destination.root().await.unwrap().unwrap();
            let parts = claviger_core::root_part_hashes(&root.bytes).unwrap();
            let parts: Vec<PartHash> = parts.into_iter().filter(|hash| *hash != [0; 32]).collect();
            let lost = parts[random.below(parts.len())];
            damage(&world.destination.part_path(&lost), &mut random);
            world.destination.lose(lost);
            part_is_damaged(&world, &keys, &ended).await
        };
        ended.push(Ended::new(key, Some(epoch)));
        for key in &keys {
            assert_eq!(verdict(&world, key).await, (Ok(key.owner.clone()), true), "all is there again");
        }
    }
    world.check(seed, &ended, &keys).await;
    ROUNDS
}

/// Nothing is published over a root that is none. When it is gone, everything is, if somebody says so.
async fn root_is_damaged(world: &World, folder: &std::path::Path) -> u64 {
    if let Some(root) = world.destination.root().await.unwrap() {
        let mut reading = Reading::new(&world.destination, &world.keyring_keys);
        assert!(reading.verifier.replace_keyring(root.bytes, world.now()).is_err());
        let error = world.publisher().publish().await.unwrap_err();
        assert_eq!(error.code(), "destination_unreadable");
        fs::remove_file(folder.join("root")).unwrap();
    }
    let error = world.publisher().publish().await.unwrap_err();
    assert_eq!(error.code(), "destination_emptied");
    let published = world.publisher().publish_whole().await.unwrap();
    assert!(published.whole);
    published.epoch
}

/// A verifier denies what it cannot look up, and the publisher says what is lost, or does not need it.
async fn part_is_damaged(world: &World, keys: &[Key], ended: &[Ended]) -> u64 {
    let mut damaged = 0;
    for key in keys.iter().chain(ended.iter().map(|ended| &ended.key)) {
        if !verdict(world, key).await.1 {
            damaged += 1;
        }
    }
    assert!(damaged > 0, "some key needs it");
    if let Err(error) = world.publisher().publish().await {
        assert!(["part_missing", "keyring_not_built"].contains(&error.code()), "{error:?}");
    }
    for ended in ended {
        assert!(verdict(world, &ended.key).await.0.is_err());
    }
    world.publisher().publish_whole().await.unwrap().epoch
}
