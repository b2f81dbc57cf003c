//! Getting newer keyrings, whoever asks for them and in whatever order they come.

use crate::{
    faulty::{Fault, Faulty},
    ring::{Clock, FRESH_FOR, Ring, START, verify, verify_key},
};
use bytes::Bytes;
use claviger::{
    BytesSource, FetchedKeyring, KeyringSource, PartHash, RefreshError, Replacement, RequestContext,
    SourceError, Verifier, async_trait,
};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{sync::oneshot, time::advance};

#[tokio::test(start_paused = true)]
async fn refreshes_at_the_same_time_are_one() {
    let ring = Ring::new(40);
    let source = Faulty::of(&ring);
    source.break_by(Fault::Slow(Duration::from_secs(1)));
    let (verifier, events) = ring.verifier(source.clone(), &Clock::new());
    let refreshes: Vec<_> = (0..50)
        .map(|_| {
            let verifier = verifier.clone();
            tokio::spawn(async move { verifier.refresh().await.unwrap() })
        })
        .collect();
    for refresh in refreshes {
        assert_eq!(refresh.await.unwrap(), Replacement::Replaced);
    }
    assert_eq!(source.with(|store| store.asked_roots), 1);
    assert_eq!(events.take(), ["epoch 1"]);
}

/// A source that answers when it is told to.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<oneshot::Receiver<Vec<u8>>>>>);

impl Told {
    fn next(&self) -> oneshot::Sender<Vec<u8>> {
        let (sender, receiver) = oneshot::channel();
        self.0.lock().unwrap().insert(0, receiver);
        sender
    }
}

#[async_trait]
impl KeyringSource for Told {
    async fn keyring(&self, _: Option<&str>) -> Result<Option<FetchedKeyring>, SourceError> {
        let next = self.0.lock().unwrap().pop().ok_or("asked once too often")?;
        Ok(Some(FetchedKeyring::new(next.await?)))
    }

    async fn part(&self, _: &PartHash) -> Result<Option<Bytes>, SourceError> {
        Ok(None)
    }
}

#[tokio::test]
async fn whatever_overlaps_the_newest_keyring_is_in_use_and_no_revoked_key_comes_back() {
    let mut ring = Ring::new(40);
    let key = ring.text(3);
    let first = ring.bundle();
    ring.revoke(3);
    ring.publish(START);
    let second = ring.bundle();
    ring.publish(START);
    let third = ring.bundle();
    // What is under way gives one of them, and what is pushed meanwhile is another.
    for (fetched, pushed) in [(&first, &second), (&second, &first), (&second, &third), (&third, &second)] {
        let source = Told::default();
        let verifier = ring.builder(&Clock::new()).source(source.clone()).build().unwrap();
        verifier.replace_keyring(first.clone()).unwrap();
        assert_eq!(verify_key(&verifier, &key, START), "verified fresh 1");
        let answer = source.next();
        let refresh = {
            let verifier = verifier.clone();
            tokio::spawn(async move { verifier.refresh().await })
        };
        tokio::task::yield_now().await;
        let _ = verifier.replace_keyring(pushed.clone());
        answer.send(fetched.clone()).unwrap();
        let outcome = refresh.await.unwrap().unwrap();
        let newest = if [fetched, pushed].contains(&&third) { 3 } else { 2 };
        assert_eq!(verify_key(&verifier, &key, START), format!("revoked fresh {newest}"), "{outcome:?}");
        assert!(matches!(verifier.replace_keyring(first.clone()), Err(RefreshError::Refused(_))));
        assert_eq!(verify_key(&verifier, &key, START), format!("revoked fresh {newest}"));
    }
}

#[tokio::test]
async fn a_root_that_is_stale_when_it_is_loaded_is_asked_for_again_before_the_first_verdict() {
    let mut ring = Ring::new(40);
    let (key, clock) = (ring.text(3), Clock::new());
    let shipped = ring.bundle();
    ring.revoke(3);
    ring.publish(START + FRESH_FOR);
    clock.set(START + FRESH_FOR);
    let verifier = ring.builder(&clock).source(Faulty::of(&ring)).build().unwrap();
    verifier.replace_keyring(shipped).unwrap();
    assert_eq!(verify(&verifier, &key, START + FRESH_FOR).await, "revoked fresh 2");
}

#[tokio::test(start_paused = true)]
async fn a_source_that_has_nothing_newer_is_not_asked_at_each_request() {
    let ring = Ring::new(40);
    let (clock, source) = (Clock::new(), Faulty::of(&ring));
    let (verifier, _) = ring.verifier(source.clone(), &clock);
    for _ in 0..100 {
        assert_eq!(verify(&verifier, &ring.text(3), START + FRESH_FOR).await, "verified stale 1");
    }
    assert_eq!(source.with(|store| store.asked_roots), 1);
    advance(Duration::from_secs(2)).await;
    verify(&verifier, &ring.text(3), START + FRESH_FOR).await;
    assert_eq!(source.with(|store| store.asked_roots), 2);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_does_not_answer_holds_a_request_up_for_a_second_at_most() {
    let ring = Ring::new(40);
    let (clock, source) = (Clock::new(), Faulty::of(&ring));
    let (verifier, _) = ring.verifier(source.clone(), &clock);
    assert_eq!(verify(&verifier, &ring.text(3), START).await, "verified fresh 1");
    source.break_by(Fault::Hangs);
    let started = tokio::time::Instant::now();
    assert_eq!(verify(&verifier, &ring.text(3), START + FRESH_FOR).await, "verified stale 1");
    assert!(started.elapsed() <= Duration::from_millis(1100), "by the clock of the test");
    assert_eq!(verify(&verifier, &ring.text(3), START).await, "verified fresh 1");
}

#[tokio::test(start_paused = true)]
async fn a_slow_answer_is_taken_although_nobody_waits_for_it_any_more() {
    let mut ring = Ring::new(40);
    let (clock, source) = (Clock::new(), Faulty::of(&ring));
    let (verifier, _) = ring.verifier(source.clone(), &clock);
    assert_eq!(verify(&verifier, &ring.text(3), START).await, "verified fresh 1");
    ring.revoke(3);
    ring.publish(START + FRESH_FOR);
    source.put(&ring);
    source.break_by(Fault::Slow(Duration::from_secs(4)));
    clock.set(START + FRESH_FOR);
    advance(Duration::from_secs(2)).await;
    assert_eq!(verify(&verifier, &ring.text(3), START + FRESH_FOR).await, "verified stale 1");
    tokio::time::sleep(Duration::from_secs(8)).await;
    assert_eq!(verify_key(&verifier, &ring.text(3), START + FRESH_FOR), "revoked fresh 2");
}

#[tokio::test(start_paused = true)]
async fn in_the_background_it_is_asked_again_and_again_with_pauses_that_grow_while_it_fails() {
    let mut ring = Ring::new(40);
    let (clock, source) = (Clock::new(), Faulty::of(&ring));
    let (verifier, events) = ring.verifier(source.clone(), &clock);
    let refreshing = verifier.refresh_in_background();
    let asked = async |seconds: u64| {
        let before = source.with(|store| store.asked_roots);
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        source.with(|store| store.asked_roots) - before
    };
    let quarter = asked(600).await;
    assert!((33..=51).contains(&quarter), "every 15 seconds, and a fifth more or less: {quarter}");
    ring.publish(START);
    source.put(&ring);
    asked(18).await;
    assert_eq!(verifier.keyring().unwrap().epoch, 2);
    source.break_by(Fault::Fails);
    let failing = asked(600).await;
    assert!((12..=22).contains(&failing), "after 1, 2, 4, and at last every 60 seconds: {failing}");
    source.break_by(Fault::None);
    asked(72).await;
    assert!(events.take().last().unwrap().starts_with("unchanged"));
    drop(refreshing);
    assert_eq!(asked(600).await, 0);
}

#[tokio::test(start_paused = true)]
async fn it_is_asked_when_it_is_due_and_otherwise_not() {
    let ring = Ring::new(40);
    let source = Faulty::of(&ring);
    let builder = ring.builder(&Clock::new()).source(source.clone());
    let verifier = builder.refresh_every(Duration::from_secs(100)).build().unwrap();
    for (seconds, asked) in [(0, 1), (79, 1), (41, 2), (79, 2), (41, 3)] {
        advance(Duration::from_secs(seconds)).await;
        verifier.refresh_if_due().await;
        verifier.refresh_if_due().await;
        assert_eq!(source.with(|store| store.asked_roots), asked, "after {seconds} seconds more");
    }
}

#[tokio::test]
async fn constant_bytes_are_given_once() {
    let ring = Ring::new(40);
    let (verifier, _) = ring.verifier(BytesSource::new(ring.bundle()), &Clock::new());
    assert_eq!(verifier.refresh().await.unwrap(), Replacement::Replaced);
    assert_eq!(verifier.refresh().await.unwrap(), Replacement::Unchanged);
}

#[tokio::test]
async fn what_cannot_be_built_says_why() {
    let ring = Ring::new(1);
    let text = |built: Result<Verifier, claviger::BuildError>| built.unwrap_err().to_string();
    assert!(text(Verifier::builder([]).build()).contains("one keyring key"));
    let none = Verifier::builder([ring.key.clone()]).timeout(Duration::ZERO).build();
    assert!(text(none).contains("timeout"));
    let none = Verifier::builder([ring.key.clone()]).refresh_every(Duration::ZERO).build();
    assert!(text(none).contains("interval"));
    let without = Verifier::builder([ring.key.clone()]).build().unwrap();
    assert!(matches!(*without.refresh().await.unwrap_err(), RefreshError::NoSource));
    assert_eq!(verify(&without, &ring.text(0), START).await, "keyring_unavailable  0");
}

/// Threads that verify without end while keyrings are replaced: every verdict is by one of them, and each thread sees
/// epochs that only grow.
#[tokio::test]
async fn replacing_never_blocks_and_every_verdict_is_by_one_keyring() {
    let mut ring = Ring::new(200);
    let verifier = ring.builder(&Clock::new()).build().unwrap();
    verifier.replace_keyring(ring.bundle()).unwrap();
    let text = ring.text(7);
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (verifier, text) = (verifier.clone(), text.clone());
            std::thread::spawn(move || {
                let mut last = 0;
                while last < 51 {
                    let verdict = verifier.verify_key(&text, &RequestContext::at(START));
                    let epoch = verdict.freshness().unwrap().epoch().unwrap();
                    assert!(epoch >= last, "{epoch} after {last}");
                    assert_eq!(verdict.is_verified(), epoch < 40, "at epoch {epoch}");
                    last = epoch;
                }
            })
        })
        .collect();
    for epoch in 2..=51 {
        if epoch == 40 {
            ring.revoke(7);
        }
        ring.publish(START);
        verifier.replace_keyring(ring.bundle()).unwrap();
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[tokio::test(start_paused = true)]
async fn no_time_is_too_long_to_reckon_with() {
    let mut ring = Ring::new(40);
    let source = Faulty::of(&ring);
    let builder = ring.builder(&Clock::new()).source(source.clone());
    let verifier = builder.refresh_every(Duration::MAX).timeout(Duration::MAX).build().unwrap();
    assert_eq!(verify(&verifier, &ring.text(3), START).await, "verified fresh 1");
    ring.revoke(3);
    ring.publish(START);
    source.put(&ring);
    verifier.refresh().await.unwrap();
    assert_eq!(verify_key(&verifier, &ring.text(3), START), "revoked fresh 2");
    let refreshing = verifier.refresh_in_background();
    advance(Duration::from_secs(3600)).await;
    tokio::task::yield_now().await;
    assert!(source.with(|store| store.asked_roots) <= 3);
    drop(refreshing);
}

#[tokio::test(start_paused = true)]
async fn what_is_awaited_is_fetched_also_while_the_root_cannot_be_had() {
    let mut ring = Ring::new(40);
    let (source, clock) = (Faulty::of(&ring), Clock::new());
    let (verifier, _) = ring.verifier(source.clone(), &clock);
    assert_eq!(verify(&verifier, &ring.text(3), START).await, "verified fresh 1");
    let first = ring.root.clone();
    ring.revoke(3);
    ring.publish(START);
    source.break_by(Fault::PartsAreLate);
    source.put(&ring);
    verifier.refresh().await.unwrap();
    assert_eq!(verify_key(&verifier, &ring.text(3), START), "verified fresh 1");
    source.break_by(Fault::Replays(first));
    verifier.refresh().await.unwrap_err();
    assert_eq!(verify_key(&verifier, &ring.text(3), START), "revoked fresh 2");
}

#[tokio::test(start_paused = true)]
async fn what_a_request_could_not_have_is_asked_for_again_soon() {
    let mut ring = Ring::new(5000);
    let (source, clock) = (Faulty::of(&ring), Clock::new());
    let verifier =
        ring.builder(&clock).source(source.clone()).refresh_every(Duration::from_secs(900)).build().unwrap();
    assert_eq!(verify(&verifier, &ring.text(4), START).await, "verified fresh 1");
    ring.revoke(3);
    ring.publish(START);
    source.break_by(Fault::PartsAreLate);
    source.put(&ring);
    verifier.refresh().await.unwrap();
    let refreshing = verifier.refresh_in_background();
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(verify(&verifier, &ring.text(3), START).await, "verified fresh 1");
    source.break_by(Fault::None);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(verify(&verifier, &ring.text(3), START).await, "revoked fresh 2");
    drop(refreshing);
}
