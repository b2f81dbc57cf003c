//! Damaged keyrings: every bit and every length of a small one, random damage of a large one. Each is refused or
//! denied; none makes a key verified that the model denies.

use crate::{
    model::{Decision, decide},
    world::{ISSUED, Nature, Random, Request, World},
};
use claviger_core::{Verdict, Verifier};

fn request() -> Request {
    Request { now: ISSUED, tenant: None, address: Some("10.1.2.3"), permissions: Vec::new() }
}

/// What became of the keys of a damaged keyring.
#[derive(Default, Debug)]
struct Tally {
    refused: usize,
    opened: usize,
    verified: usize,
    denied_although_good: usize,
}

impl Tally {
    /// Opens what is left of a keyring and asks it about `keys`.
    fn ask(&mut self, world: &World, bytes: Vec<u8>, keys: impl Iterator<Item = usize>) {
        let mut verifier = Verifier::with_keyring_keys([world.keyring_key.clone()]).unwrap();
        if verifier.replace_keyring(bytes, ISSUED).is_err() {
            self.refused += 1;
            return;
        }
        self.opened += 1;
        let request = request();
        for key in keys {
            let presented = &world.presented[key];
            let decision = decide(world, &presented.nature, &request);
            match (verifier.verify_key(&presented.text, &request.context()), decision) {
                (
                    Verdict::Verified(verified),
                    Decision::Verified { id, policy, read_only, expires_at, .. },
                ) => {
                    assert_eq!((verified.key_id, verified.read_only), (id, read_only));
                    assert_eq!(verified.expires_at, expires_at);
                    assert_eq!(verified.policy.unwrap().owner(), policy.owner);
                    self.verified += 1;
                }
                (Verdict::Verified(verified), decision) => {
                    panic!("{} is verified, and the model says {decision:?}", verified.key_id)
                }
                (Verdict::Denied(_), Decision::Verified { .. }) => self.denied_although_good += 1,
                (Verdict::Denied(_), Decision::Denied(_)) => {}
            }
        }
    }
}

/// A world whose keys are in two buckets, some of them good.
fn small() -> World {
    let world = (0..).map(|seed| World { buckets_for: 2, ..World::new(seed, 8) }).find(|world| {
        let good = |nature: &Nature| matches!(decide(world, nature, &request()), Decision::Verified { .. });
        world.presented.iter().filter(|presented| good(&presented.nature)).count() >= 4
    });
    world.unwrap()
}

#[test]
fn every_bit_of_a_small_bundle() {
    let world = small();
    let bundle = world.build(1).bundle;
    let mut tally = Tally::default();
    tally.ask(&world, bundle.clone(), 0..world.presented.len());
    let good = tally.verified;
    assert!(good >= 4 && tally.denied_although_good == 0, "{tally:?}");
    let mut tally = Tally::default();
    for bit in 0..bundle.len() * 8 {
        let mut damaged = bundle.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        tally.ask(&world, damaged, 0..world.presented.len());
    }
    // What is opened is damaged in a part, whose keys are then denied.
    assert!(
        tally.refused > 2000 && tally.opened > 2000 && tally.denied_although_good >= tally.opened,
        "{tally:?}"
    );
}

#[test]
fn every_length_of_a_small_bundle_and_of_its_root() {
    let world = small();
    let built = world.build(1);
    for whole in [&built.bundle, &built.root] {
        let mut tally = Tally::default();
        for length in 0..whole.len() {
            tally.ask(&world, whole[..length].to_vec(), 0..world.presented.len());
        }
        assert_eq!((tally.refused, tally.opened), (whole.len(), 0));
        let mut longer = whole.clone();
        longer.push(0);
        tally.ask(&world, longer, 0..1);
        assert_eq!(tally.opened, 0);
    }
}

#[test]
fn ten_thousand_random_damages_of_a_large_bundle() {
    let world = World { buckets_for: 100, ..World::new(4, 4000) };
    let bundle = world.build(1).bundle;
    let mut random = Random(5);
    let mut tally = Tally::default();
    for _ in 0..10_000 {
        let mut damaged = bundle.clone();
        match random.below(4) {
            0 => damaged.truncate(random.below(bundle.len())),
            1 => {
                // A part in the place of another.
                let (from, to, len) =
                    (random.below(bundle.len()), random.below(bundle.len()), random.below(4096));
                let len = len.min(bundle.len() - from.max(to));
                damaged.copy_within(from..from + len, to);
            }
            _ => {
                // The head is a hundredth of the bundle, and gets half of the damage.
                let within = if random.one_in(2) { bundle.len() } else { 1500 };
                for _ in 0..=random.below(3) {
                    damaged[random.below(within)] ^= 1 << random.below(8);
                }
            }
        }
        let keys: Vec<usize> = (0..24).map(|_| random.below(world.presented.len())).collect();
        tally.ask(&world, damaged, keys.into_iter());
    }
    println!("{tally:?}");
    assert!(tally.refused > 3000 && tally.opened > 3000 && tally.denied_although_good > 1000, "{tally:?}");
}

#[test]
fn random_bytes_are_no_keyring() {
    let world = small();
    let mut random = Random(6);
    let mut tally = Tally::default();
    for magic in [&b"CVGB"[..], b"CVGR", b"CVGB\x01\0", b"CVGR\x01\0\x01", b""] {
        for _ in 0..500 {
            let mut bytes = magic.to_vec();
            bytes.extend((0..random.below(400)).map(|_| random.bits() as u8));
            tally.ask(&world, bytes, 0..1);
        }
    }
    assert_eq!(tally.opened, 0);
}
