//! Replacing keyrings while calls run: no call fails, and none is answered by what was replaced before it started.

use crate::{
    fixtures::{AT_NOW, NOW, SetOnDrop},
    rings::{Ring, good, opaque, verifier},
};
use claviger_host::{
    HostError, PoolOptions,
    core::{DenialCode, Freshness, KeyringError, Replacement},
};
use std::{
    sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    thread,
    time::Duration,
};

/// Nobody waits this long; a lost wake-up shows as an error.
fn patient(max_instances: usize) -> PoolOptions {
    PoolOptions::default().max_instances(max_instances).max_wait(Duration::from_secs(60))
}

#[test]
fn every_call_is_by_the_keyring_that_was_there_when_it_started_or_a_later_one() {
    const EPOCHS: u64 = 50;
    const THREADS: usize = 4;
    let verifier = verifier(patient(3));
    // The key is revoked in every other epoch.
    let revoked = |epoch: u64| epoch.is_multiple_of(2);
    let ring = |epoch| Ring { revoked: revoked(epoch), ..Ring::at(epoch) };
    verifier.replace_keyring(ring(1).bundle(), NOW).unwrap();
    let (other_id, other) = opaque(0x92);

    let (begun, returned) = (AtomicU64::new(1), AtomicU64::new(1));
    let (rounds, during) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let over_at_the_end = SetOnDrop(&over);
        let call = || {
            loop {
                let floor = returned.load(Ordering::SeqCst);
                let verdict = verifier.try_verify_key(good(), &AT_NOW).unwrap();
                let ceiling = begun.load(Ordering::SeqCst);
                let epoch = verdict.freshness().and_then(Freshness::epoch).unwrap();
                assert!((floor..=ceiling).contains(&epoch), "{epoch}: {floor} to {ceiling}");
                let expected = if revoked(epoch) { Some(DenialCode::Revoked) } else { None };
                assert_eq!(verdict.denial(), expected, "{epoch}");
                if floor != ceiling {
                    during.fetch_add(1, Ordering::SeqCst);
                }
                let verdict = verifier.try_verify_key(&other, &AT_NOW.tenant("tenant-7")).unwrap();
                assert_eq!(verdict.verified().map(|verified| verified.key_id), Some(other_id));
                rounds.fetch_add(1, Ordering::SeqCst);
                if over.load(Ordering::SeqCst) {
                    return;
                }
            }
        };
        let callers: Vec<_> = (0..THREADS).map(|_| scope.spawn(call)).collect();
        for epoch in 2..=EPOCHS {
            // Calls run before, during and after each replacement.
            let before = rounds.load(Ordering::SeqCst);
            while rounds.load(Ordering::SeqCst) < before + THREADS {
                assert!(!callers.iter().any(|caller| caller.is_finished()), "a caller failed");
                thread::yield_now();
            }
            let bundle = ring(epoch).bundle();
            begun.store(epoch, Ordering::SeqCst);
            assert_eq!(verifier.replace_keyring(bundle, NOW).unwrap(), Replacement::Replaced);
            returned.store(epoch, Ordering::SeqCst);
            // One that is refused meanwhile is refused, and harms no call.
            match verifier.replace_keyring(ring(epoch - 1).bundle(), NOW) {
                Err(HostError::Keyring(KeyringError::OlderEpoch { least, .. })) => assert_eq!(least, epoch),
                other => panic!("{other:?}"),
            }
        }
        drop(over_at_the_end);
    });
    println!("{} rounds, {} of them during a replacement", rounds.into_inner(), during.into_inner());
    assert_eq!(verifier.keyring().unwrap().epoch, EPOCHS);
}

/// A bundle that holds up whoever reads it first after it was armed, until it is opened.
struct Gate {
    bundle: Vec<u8>,
    armed: AtomicBool,
    entered: AtomicBool,
    open: AtomicBool,
}

impl AsRef<[u8]> for &Gate {
    fn as_ref(&self) -> &[u8] {
        if self.armed.swap(false, Ordering::SeqCst) {
            self.entered.store(true, Ordering::SeqCst);
            while !self.open.load(Ordering::SeqCst) {
                thread::yield_now();
            }
        }
        &self.bundle
    }
}

#[test]
fn a_replacement_waits_for_the_call_that_is_under_way() {
    let no = || AtomicBool::new(false);
    let bundle = Ring::at(1).bundle();
    let gate: &'static Gate = Box::leak(Box::new(Gate { bundle, armed: no(), entered: no(), open: no() }));
    let verifier = verifier(patient(2));
    verifier.replace_keyring(gate, NOW).unwrap();
    let wait_for = |flag: &AtomicBool| {
        while !flag.load(Ordering::SeqCst) {
            thread::yield_now();
        }
    };
    gate.armed.store(true, Ordering::SeqCst);
    thread::scope(|scope| {
        let _open = SetOnDrop(&gate.open);
        // It needs a part of the bundle.
        let call = scope.spawn(|| verifier.try_verify_key(good(), &AT_NOW).unwrap());
        wait_for(&gate.entered);
        let replacing = scope.spawn(|| {
            verifier.replace_keyring(Ring { revoked: true, ..Ring::at(2) }.bundle(), NOW).unwrap();
            gate.open.load(Ordering::SeqCst)
        });
        // The new one is in use from before the replacement returns.
        while verifier.keyring().unwrap().epoch < 2 {
            thread::yield_now();
        }
        let verdict = verifier.try_verify_key(good(), &AT_NOW).unwrap();
        assert_eq!(verdict.denial(), Some(DenialCode::Revoked));
        // What does not wait has every chance to return here.
        for _ in 0..10_000 {
            thread::yield_now();
        }
        gate.open.store(true, Ordering::SeqCst);
        assert!(replacing.join().unwrap(), "it returned while a call was under way");
        let verdict = call.join().unwrap();
        assert_eq!(verdict.freshness().and_then(Freshness::epoch), Some(1), "a call ends as it began");
    });
}

#[test]
fn replacements_from_several_threads_take_turns_and_the_newest_stays() {
    let verifier = verifier(patient(2));
    let bundles: Vec<Vec<u8>> = (1..=40).map(|epoch| Ring::at(epoch).bundle()).collect();
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(bundle) = bundles.get(next.fetch_add(1, Ordering::SeqCst)) {
                    match verifier.replace_keyring(bundle.clone(), NOW) {
                        Ok(Replacement::Replaced) => {}
                        // Another thread had a newer one.
                        Err(HostError::Keyring(KeyringError::OlderEpoch { .. })) => {}
                        other => panic!("{other:?}"),
                    }
                    assert!(verifier.try_verify_key(good(), &AT_NOW).unwrap().is_verified());
                }
            });
        }
    });
    assert_eq!(verifier.keyring().unwrap().epoch, 40);
}
