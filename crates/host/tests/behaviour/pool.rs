//! The pool under faults: what went wrong ends one instance, and the verifier goes on.

use crate::{
    fault_door::{self, HANG, LIE, TRAP},
    fixtures::{AT_NOW, SetOnDrop, issuing, key, live, still_engine, trusting},
};
use claviger_host::{
    HostError, PoolOptions, Verifier,
    core::{DenialCode, RequestContext, Verdict},
    wasmtime::Engine,
};
use std::{
    panic::{self, AssertUnwindSafe},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

/// A verifier with a fault door, a key that it verifies, and the engine whose epoch the test advances.
struct Doored {
    engine: Engine,
    verifier: Verifier,
    good: String,
}

impl Doored {
    /// Without a wait, so that an instance that is not counted out shows as `PoolExhausted`.
    fn new(max_instances: usize) -> Self {
        let engine = still_engine();
        let secret = issuing(1, 1);
        let good = key(live(), &secret);
        let options = PoolOptions::default().max_instances(max_instances).max_wait(Duration::ZERO);
        let verifier = Verifier::new(&fault_door::module(&engine), trusting(secret), options).unwrap();
        Self { engine, verifier, good }
    }

    fn verifies(&self) -> bool {
        self.verifier.try_verify_key(&self.good, &AT_NOW).unwrap().is_verified()
    }

    /// Runs `call` while the epoch advances without end.
    fn while_the_epoch_advances<T>(&self, call: impl FnOnce() -> T) -> T {
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Acquire) {
                    self.engine.increment_epoch();
                    thread::yield_now();
                }
            });
            let _done = SetOnDrop(&done);
            call()
        })
    }
}

fn is_fault(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Denied(denied) if denied.code == DenialCode::VerifierFault && denied.key_id.is_none())
}

#[test]
fn a_call_that_does_not_end_is_interrupted_and_the_verifier_recovers() {
    for max_instances in [1, 4] {
        let doored = Doored::new(max_instances);
        assert!(doored.verifies());
        for _ in 0..5 {
            // Making the next instance may be interrupted too, which is the same error.
            let error = doored.while_the_epoch_advances(|| doored.verifier.try_verify_key("any", &HANG));
            assert!(matches!(error, Err(HostError::Trapped(_))), "{error:?}");
            assert!(doored.verifies());
            let verdict = doored.while_the_epoch_advances(|| doored.verifier.verify_key("any", &HANG));
            assert!(is_fault(verdict.clone()), "{verdict:?}");
            assert!(doored.verifies());
        }
    }
}

#[test]
fn the_real_module_survives_an_epoch_that_races() {
    let doored = Doored::new(1);
    let mut interrupted = 0;
    doored.while_the_epoch_advances(|| {
        for _ in 0..2_000 {
            match doored.verifier.try_verify_key(&doored.good, &AT_NOW) {
                Ok(verdict) => assert!(verdict.is_verified(), "{verdict:?}"),
                Err(HostError::Trapped(_)) => interrupted += 1,
                Err(other) => panic!("{other:?}"),
            }
        }
    });
    println!("{interrupted} of 2,000 calls were interrupted");
    assert!(doored.verifies());
}

#[test]
fn an_instance_that_trapped_or_lied_is_never_used_again() {
    for max_instances in [1, 3] {
        let doored = Doored::new(max_instances);
        for _ in 0..100 {
            let error = doored.verifier.try_verify_key(&doored.good, &TRAP);
            assert!(matches!(error, Err(HostError::Trapped(_))), "{error:?}");
            let error = doored.verifier.try_verify_key("a text that is denied", &LIE);
            assert!(matches!(error, Err(HostError::InvalidAnswer)), "{error:?}");
            assert!(is_fault(doored.verifier.verify_key("a text that is denied", &LIE)));
            assert!(doored.verifies());
        }
    }
}

/// Holds the only instance in a call that does not end, runs `meanwhile`, then ends the call.
fn with_the_only_instance_busy(doored: &Doored, meanwhile: impl FnOnce()) {
    let is_busy = AtomicBool::new(false);
    thread::scope(|scope| {
        let busy = scope.spawn(|| {
            loop {
                match doored.verifier.try_verify_key("any", &HANG) {
                    // The other thread had it, as long as it finds it.
                    Err(HostError::PoolExhausted { .. }) if !is_busy.load(Ordering::SeqCst) => {
                        thread::yield_now()
                    }
                    ended => return ended,
                }
            }
        });
        // Nobody else could have the instance.
        while doored.verifier.try_verify_key("any", &AT_NOW).is_ok() {
            thread::yield_now();
        }
        is_busy.store(true, Ordering::SeqCst);
        // The busy call must be ended even if this fails.
        let meanwhile = panic::catch_unwind(AssertUnwindSafe(meanwhile));
        while !busy.is_finished() {
            doored.engine.increment_epoch();
            thread::yield_now();
        }
        let ended = busy.join().unwrap();
        meanwhile.unwrap_or_else(|failure| panic::resume_unwind(failure));
        assert!(matches!(ended, Err(HostError::Trapped(_))), "{ended:?}");
    });
}

#[test]
fn a_call_without_an_instance_is_denied_as_pool_exhausted() {
    let doored = Doored::new(1);
    with_the_only_instance_busy(&doored, || {
        for _ in 0..10 {
            match doored.verifier.try_verify_key(&doored.good, &AT_NOW) {
                Err(HostError::PoolExhausted { instances: 1, .. }) => {}
                other => panic!("{other:?}"),
            }
            let verdict = doored.verifier.verify_key(&doored.good, &AT_NOW);
            assert_eq!(verdict, Verdict::denied(DenialCode::PoolExhausted, None));
        }
    });
    assert!(doored.verifies());
}

#[test]
fn replacing_secrets_waits_for_the_call_that_is_under_way() {
    let doored = Doored::new(1);
    let (secret, may_end) = (issuing(1, 2), AtomicBool::new(false));
    let next = key(live(), &secret);
    thread::scope(|scope| {
        let mut replacing = None;
        with_the_only_instance_busy(&doored, || {
            let replace = || {
                // The instance that tries the secrets out may itself be interrupted.
                while doored.verifier.replace_secrets(trusting(secret.clone())).is_err() {
                    thread::yield_now();
                }
                may_end.load(Ordering::Acquire)
            };
            replacing = Some(scope.spawn(replace));
            // What does not wait has every chance to return here.
            for _ in 0..10_000 {
                thread::yield_now();
            }
            may_end.store(true, Ordering::Release);
        });
        assert!(replacing.unwrap().join().unwrap(), "it returned while a call was under way");
    });
    let denied = doored.verifier.try_verify_key(&doored.good, &AT_NOW).unwrap();
    assert_eq!(denied.denial(), Some(DenialCode::BadSecret));
    assert!(doored.verifier.try_verify_key(next, &AT_NOW).unwrap().is_verified());
}

#[test]
fn a_pool_of_no_instances_is_a_pool_of_one() {
    let mut options = PoolOptions::default().max_instances(0).max_wait(Duration::ZERO);
    assert_eq!(options.max_instances, 1);
    options.max_instances = 0;
    let secret = issuing(1, 1);
    let good = key(live(), &secret);
    let verifier = Verifier::new(&fault_door::module(&still_engine()), trusting(secret), options).unwrap();
    let trapped = verifier.try_verify_key(&good, &RequestContext::at(TRAP.now));
    assert!(matches!(trapped, Err(HostError::Trapped(_))), "{trapped:?}");
    assert!(verifier.try_verify_key(&good, &AT_NOW).unwrap().is_verified());
}
