//! Replacing secrets while calls run: what starts after a replacement knows only the new ones.

use crate::fixtures::{AT_NOW, SetOnDrop, embedded, issuing, key, live, trusting};
use claviger_host::{
    HostError, PoolOptions, Secrets, Verifier,
    core::{DenialCode, Purpose, SharedSecret},
};
use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::Duration,
};

#[test]
fn every_call_after_a_replacement_is_by_the_new_secrets() {
    const REPLACEMENTS: usize = 150;
    const THREADS: usize = 4;
    // Each secret once; every other one has the version of the one before it, so old keys are bad or unknown.
    let secrets: Vec<SharedSecret> =
        (0..=REPLACEMENTS).map(|index| issuing((index / 2 % 2) as u8, index as u8)).collect();
    let keys: Vec<String> = secrets.iter().map(|secret| key(live(), secret)).collect();
    let options = PoolOptions::default().max_instances(3).max_wait(Duration::from_secs(60));
    let verifier = Verifier::new(embedded(), trusting(secrets[0].clone()), options).unwrap();

    // The last replacement that has begun, and the last that has returned.
    let (begun, returned) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let (rounds, seen_new, seen_old) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let over_at_the_end = SetOnDrop(&over);
        let call = || {
            loop {
                let current = returned.load(Ordering::SeqCst);
                let verdict = verifier.try_verify_key(&keys[current], &AT_NOW).unwrap();
                // If no other replacement had begun when the call ended, the new secrets decided it.
                if begun.load(Ordering::SeqCst) == current {
                    assert!(verdict.is_verified(), "secret {current}: {verdict:?}");
                    seen_new.fetch_add(1, Ordering::SeqCst);
                }
                for (old, key) in keys.iter().enumerate().take(current).skip(current.saturating_sub(3)) {
                    // Whatever replacement may have begun since: a retired secret never comes back.
                    let denial = verifier.try_verify_key(key, &AT_NOW).unwrap().denial();
                    let gone = matches!(denial, Some(DenialCode::UnknownKey | DenialCode::BadSecret));
                    assert!(gone, "secret {old}, after {current}: {denial:?}");
                    seen_old.fetch_add(1, Ordering::SeqCst);
                }
                rounds.fetch_add(1, Ordering::SeqCst);
                if over.load(Ordering::SeqCst) {
                    return;
                }
            }
        };
        let callers: Vec<_> = (0..THREADS).map(|_| scope.spawn(call)).collect();
        for (index, secret) in secrets.iter().enumerate().skip(1) {
            // Calls run before, during and after each replacement.
            let before = rounds.load(Ordering::SeqCst);
            while rounds.load(Ordering::SeqCst) < before + THREADS {
                assert!(!callers.iter().any(|caller| caller.is_finished()), "a caller failed");
                thread::yield_now();
            }
            begun.store(index, Ordering::SeqCst);
            verifier.replace_secrets(trusting(secret.clone())).unwrap();
            returned.store(index, Ordering::SeqCst);
        }
        drop(over_at_the_end);
    });
    assert!(verifier.try_verify_key(&keys[REPLACEMENTS], &AT_NOW).unwrap().is_verified());
    let (new, old) = (seen_new.into_inner(), seen_old.into_inner());
    println!("{new} verdicts on new keys, {old} on old ones");
    assert!(new >= THREADS && old >= THREADS * 3);
}

#[test]
fn replacements_from_several_threads_all_return_and_one_of_them_stays() {
    let verifier = {
        let options = PoolOptions::default().max_instances(2).max_wait(Duration::from_secs(60));
        Verifier::new(embedded(), trusting(issuing(1, 0)), options).unwrap()
    };
    let last = |thread: u8| issuing(1, 100 + thread);
    thread::scope(|scope| {
        for thread in 0..4 {
            let (verifier, last) = (&verifier, &last);
            scope.spawn(move || {
                for round in 0..20 {
                    verifier.replace_secrets(trusting(issuing(1, thread * 20 + round + 1))).unwrap();
                    assert!(!verifier.try_verify_key("any", &AT_NOW).unwrap().is_verified());
                }
                verifier.replace_secrets(trusting(last(thread))).unwrap();
            });
        }
    });
    let verified =
        |thread: u8| verifier.try_verify_key(key(live(), &last(thread)), &AT_NOW).unwrap().is_verified();
    assert_eq!((0..4).filter(|&thread| verified(thread)).count(), 1);
}

#[test]
fn a_replacement_that_is_refused_changes_nothing() {
    let (old, new) = (issuing(1, 1), issuing(2, 2));
    let good = key(live(), &old);
    let verifier = Verifier::new(embedded(), trusting(old), PoolOptions::default()).unwrap();
    let integration = SharedSecret::generate(Purpose::Integration, 3, &[3; 40]);
    let refuse = |secrets| verifier.replace_secrets(secrets).expect_err("the secrets must be refused");

    assert!(matches!(refuse(Secrets::new()), HostError::NoSecrets));
    let twice = trusting(new.clone()).issuing_secret(live(), issuing(2, 3));
    assert!(matches!(refuse(twice), HostError::DuplicateVersion { version: 2, .. }));
    let mixed = trusting(new.clone()).issuing_secret(live(), integration);
    assert!(matches!(refuse(mixed), HostError::WrongPurpose { .. }));

    assert!(verifier.try_verify_key(&good, &AT_NOW).unwrap().is_verified());
    let unknown = verifier.try_verify_key(key(live(), &new), &AT_NOW).unwrap();
    assert_eq!(unknown.denial(), Some(DenialCode::UnknownKey));
}
