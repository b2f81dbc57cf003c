//! Whatever a source does: verification goes on with what it has, says that it is stale, and ends when that is too old.

use crate::{
    faulty::{Fault, Faulty},
    ring::{Clock, FRESH_FOR, Ring, START, VALID_FOR, verify},
};
use claviger::core::{KeyringBuilder, KeyringTerms};
use std::time::Duration;
use tokio::time::advance;

fn faults(old: &[u8]) -> Vec<Fault> {
    let other = Ring::with_id(40, 2);
    vec![
        Fault::Truncates,
        Fault::Flips,
        Fault::Replays(old.to_vec()),
        Fault::Mixes(other.root),
        Fault::Slow(Duration::from_secs(1000)),
        Fault::Hangs,
        Fault::Fails,
    ]
}

/// More than the pause after any failure.
async fn pause() {
    advance(Duration::from_secs(100)).await;
}

#[tokio::test(start_paused = true)]
async fn verification_goes_on_with_what_it_has_and_ends_when_that_is_too_old() {
    let mut ring = Ring::new(200);
    let old = ring.root.clone();
    ring.publish(START);
    let (good, revoked) = (ring.text(3), ring.text(4));
    for fault in faults(&old) {
        let (clock, source) = (Clock::new(), Faulty::of(&ring));
        let (verifier, events) = ring.verifier(source.clone(), &clock);
        for key in [&good, &revoked] {
            assert_eq!(verify(&verifier, key, START).await, "verified fresh 2");
        }
        events.take();

        source.break_by(fault.clone());
        let mut after = Ring::new(200);
        (after.epoch, after.parts) = (ring.epoch, ring.parts.clone());
        after.revoke(4);
        after.publish(START + 1);
        source.put(&after);
        for (age, expected) in [
            (FRESH_FOR - 1, "verified fresh 2"),
            (FRESH_FOR, "verified stale 2"),
            (VALID_FOR / 2, "verified stale 2"),
            (VALID_FOR - 1, "verified stale 2"),
            (VALID_FOR, "keyring_expired stale 2"),
        ] {
            clock.set(START + age);
            pause().await;
            for key in [&good, &revoked] {
                assert_eq!(verify(&verifier, key, START + age).await, expected, "{fault:?} after {age} s");
            }
        }
        let told = events.take();
        assert!(told.iter().any(|event| event.starts_with("failed 1: ")), "{fault:?}: {told:?}");
        assert!(told.iter().any(|event| event == "half expired 2"), "{fault:?}: {told:?}");
        assert_eq!(told.iter().filter(|event| event.starts_with("half")).count(), 1, "{fault:?}: {told:?}");
        let many = told.iter().filter(|event| event.starts_with("failed")).count();
        assert!((2..=8).contains(&many), "one question in each pause: {fault:?}: {told:?}");

        // It heals by itself.
        source.break_by(Fault::None);
        after.publish(START + VALID_FOR);
        source.put(&after);
        pause().await;
        assert_eq!(verify(&verifier, &good, START + VALID_FOR).await, "verified fresh 4", "{fault:?}");
        assert_eq!(verify(&verifier, &revoked, START + VALID_FOR).await, "revoked fresh 4", "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_first_keyring_everything_is_a_fault_of_the_verifier() {
    let ring = Ring::new(40);
    for fault in faults(&[0; 40]) {
        let (clock, source) = (Clock::new(), Faulty::of(&ring));
        source.break_by(fault.clone());
        let (verifier, _) = match fault {
            // To a verifier of no ring any one is good: this one is told which.
            Fault::Mixes(_) => {
                let core = claviger::core::Verifier::with_keyring_keys([ring.key.clone()]).unwrap();
                let core = core.keyring_id(claviger::KeyId::from_u64(1));
                let clock = clock.clone();
                let engine = claviger::NativeEngine::with(core);
                let builder = claviger::Verifier::with_engine(engine).clock(move || clock.now());
                (builder.source(source.clone()).build().unwrap(), ())
            }
            _ => (ring.verifier(source.clone(), &clock).0, ()),
        };
        assert_eq!(verify(&verifier, &ring.text(1), START).await, "keyring_unavailable  0", "{fault:?}");
        assert!(verifier.refresh().await.is_err(), "{fault:?}");
        source.break_by(Fault::None);
        pause().await;
        assert_eq!(verify(&verifier, &ring.text(1), START).await, "verified fresh 1", "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn damaged_and_missing_parts_are_named_and_never_used() {
    let ring = Ring::new(200);
    let key = ring.text(3);
    for (fault, named) in [
        (Fault::Truncates, "does not have the hash"),
        (Fault::Flips, "does not have the hash"),
        (Fault::Slow(Duration::from_secs(1000)), "deadline"),
        (Fault::Hangs, "deadline"),
        (Fault::Fails, "500"),
        (Fault::PartsAreLate, "not there"),
    ] {
        let (clock, source) = (Clock::new(), Faulty::of(&ring));
        let (verifier, events) = ring.verifier(source.clone(), &clock);
        verifier.refresh().await.unwrap();
        if fault == Fault::PartsAreLate {
            source.with(|store| store.parts.clear());
        }
        source.break_by(fault.clone());
        events.take();
        for _ in 0..100 {
            assert_eq!(verify(&verifier, &key, START).await, "keyring_unavailable fresh 1", "{fault:?}");
        }
        let told = events.take();
        assert_eq!(told.len(), 1, "one question, and then a pause: {fault:?}: {told:?}");
        assert!(told[0].starts_with("chunk ") && told[0].contains(named), "{fault:?}: {told:?}");
        source.break_by(Fault::None);
        source.put(&ring);
        pause().await;
        assert_eq!(verify(&verifier, &key, START).await, "verified fresh 1", "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_root_that_is_seen_before_its_parts_leaves_its_keys_to_the_one_before() {
    let mut ring = Ring::new(200);
    let (clock, source) = (Clock::new(), Faulty::of(&ring));
    let (verifier, events) = ring.verifier(source.clone(), &clock);
    let (revoked, cold) = (ring.text(3), ring.text(190));
    assert_eq!(verify(&verifier, &revoked, START).await, "verified fresh 1");

    source.break_by(Fault::PartsAreLate);
    ring.revoke(3);
    ring.keys[190].0.disabled = true;
    ring.publish(START + 30);
    source.put(&ring);
    verifier.refresh().await.unwrap();
    assert_eq!(verifier.keyring().unwrap().epoch, 2);
    assert_eq!(verify(&verifier, &revoked, START + 30).await, "verified fresh 1", "its part is not there");
    assert_eq!(crate::ring::verify_key(&verifier, &revoked, START + 30), "verified fresh 1");
    assert_eq!(verify(&verifier, &cold, START + 30).await, "verified fresh 1", "nor is this one's");
    assert_eq!(verify(&verifier, &ring.text(50), START + 30).await.split(' ').next(), Some("verified"));
    let told = events.take();
    assert_eq!(told.iter().filter(|event| event.ends_with("not there")).count(), 2, "{told:?}");

    // The publisher goes on, and they are still on their way.
    ring.publish(START + 60);
    source.put(&ring);
    verifier.refresh().await.unwrap();
    assert_eq!(verify(&verifier, &revoked, START + 60).await, "verified stale 1");
    assert_eq!(
        verify(&verifier, &revoked, START + VALID_FOR).await,
        "keyring_unavailable stale 3",
        "too old by now"
    );

    source.break_by(Fault::None);
    verifier.refresh().await.unwrap();
    assert_eq!(verify(&verifier, &revoked, START + 60).await, "revoked fresh 3");
    assert_eq!(verify(&verifier, &cold, START + 60).await, "disabled fresh 3");
}

/// Roots and parts of a publisher that has the id of the ring and another key.
#[tokio::test(start_paused = true)]
async fn nothing_is_accepted_that_the_keyring_key_did_not_authenticate() {
    let ring = Ring::new(40);
    let (clock, source) = (Clock::new(), Faulty::of(&ring));
    let (verifier, events) = ring.verifier(source.clone(), &clock);
    assert_eq!(verify(&verifier, &ring.text(1), START).await, "verified fresh 1");
    let mut entropy = [9; 40];
    entropy[..8].copy_from_slice(&ring.key.id().as_u64().to_be_bytes());
    let forger = claviger::KeyringKey::generate(&entropy);
    let root =
        KeyringBuilder::new(&forger, KeyringTerms::new(claviger::KeyId::from_u64(1)), 1).finish(9, START);
    source.with(|store| store.root = root.unwrap());
    events.take();
    assert!(verifier.refresh().await.is_err());
    let told = events.take();
    assert!(told[0].contains("not what its keyring key authenticated"), "{told:?}");
    assert_eq!(verify(&verifier, &ring.text(1), START).await, "verified fresh 1");
}

/// A bundle is taken by its root, and its parts are looked at when they are needed.
#[tokio::test(start_paused = true)]
async fn a_damaged_bundle_is_fetched_again_although_it_has_not_changed() {
    let ring = Ring::new(40);
    let (clock, source) = (Clock::new(), Faulty::of(&ring));
    let mut damaged = ring.bundle();
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    // All that tells the two apart is in the last bytes, which this source does not look at.
    source.with(|store| (store.root, store.tag) = (damaged, Some("the same".into())));
    let (verifier, _) = ring.verifier(source.clone(), &clock);
    let bad = async || {
        let mut denied = None;
        for key in 0..40 {
            let said = verify(&verifier, &ring.text(key), START).await;
            denied = denied.or((said == "keyring_invalid fresh 1").then_some(key));
        }
        denied
    };
    assert!(bad().await.is_some());
    source.with(|store| store.root = ring.bundle());
    verifier.refresh().await.unwrap();
    assert_eq!(bad().await, None);
}
