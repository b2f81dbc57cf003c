//! Parts that are fetched when they are needed: once, and no more than a verdict takes.

use crate::{
    faulty::{Fault, Faulty},
    ring::{Clock, Ring, START, opaque, verify, verify_key},
};
use claviger::RequestContext;
use std::time::Duration;

#[tokio::test]
async fn the_first_verdict_takes_one_root_one_chunk_and_one_page() {
    let ring = Ring::new(5000);
    let source = Faulty::of(&ring);
    let (verifier, _) = ring.verifier(source.clone(), &Clock::new());
    let key = ring.text(77);
    assert_eq!(verify_key(&verifier, &key, START), "keyring_unavailable  0");
    assert_eq!(verify(&verifier, &key, START).await, "verified fresh 1");
    source.with(|store| assert_eq!((store.asked_roots, store.asked_parts), (1, 2)));
    assert_eq!(verify_key(&verifier, &key, START), "verified fresh 1");
    assert_eq!(verify(&verifier, &key, START).await, "verified fresh 1");
    let denied = verifier.verify_key(ring.text(78), &RequestContext::at(START)).into_result().unwrap_err();
    assert!(denied.needed.is_some(), "what is missing is named");
    source.with(|store| assert_eq!((store.asked_roots, store.asked_parts), (1, 2)));
}

#[tokio::test]
async fn an_empty_bucket_needs_no_fetch() {
    let mut ring = Ring::new(5000);
    let kept = ring.keys.split_off(4999);
    let others = std::mem::replace(&mut ring.keys, kept);
    // As many buckets as before, all but one of them empty.
    let mut builder = claviger::core::KeyringBuilder::from_previous(&ring.key, &ring.root).unwrap();
    for bucket in 0..builder.buckets() {
        let records = ring.keys.iter().map(|(record, _)| record.clone());
        let records: Vec<_> = records.filter(|record| builder.bucket_of(record.id) == bucket).collect();
        let part = builder.set_bucket(bucket, &records).unwrap();
        ring.parts.extend(part.map(|part| (part.hash, part.bytes)));
    }
    ring.root = builder.finish(2, START).unwrap();
    let source = Faulty::of(&ring);
    let (verifier, _) = ring.verifier(source.clone(), &Clock::new());
    let elsewhere = others.iter().filter(|(record, _)| builder.bucket_of(record.id) != 0);
    let elsewhere =
        elsewhere.filter(|(record, _)| builder.bucket_of(record.id) != builder.bucket_of(ring.keys[0].0.id));
    for (_, text) in elsewhere.take(100) {
        assert_eq!(verify(&verifier, text, START).await, "unknown_key fresh 2");
    }
    source.with(|store| assert_eq!(store.asked_parts, 0));
}

#[tokio::test(start_paused = true)]
async fn many_that_need_the_same_part_fetch_it_once() {
    let ring = Ring::new(40);
    let source = Faulty::of(&ring);
    let (verifier, _) = ring.verifier(source.clone(), &Clock::new());
    verifier.refresh().await.unwrap();
    source.break_by(Fault::Slow(Duration::from_secs(2)));
    let key = ring.text(3);
    let tasks: Vec<_> = (0..200)
        .map(|_| {
            let (verifier, key) = (verifier.clone(), key.clone());
            tokio::spawn(async move { verify(&verifier, &key, START).await })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap(), "verified fresh 1");
    }
    source.with(|store| assert_eq!(store.asked_parts, 2));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_goes_away_leaves_its_fetch_to_the_next() {
    let ring = Ring::new(40);
    let source = Faulty::of(&ring);
    let (verifier, _) = ring.verifier(source.clone(), &Clock::new());
    verifier.refresh().await.unwrap();
    source.break_by(Fault::Hangs);
    let key = ring.text(3);
    let impatient = tokio::time::timeout(Duration::from_millis(5), verify(&verifier, &key, START));
    assert!(impatient.await.is_err());
    source.break_by(Fault::None);
    assert_eq!(verify(&verifier, &key, START).await, "verified fresh 1");
}

#[tokio::test]
async fn what_changed_is_fetched_by_the_refresh_if_it_was_in_use() {
    let mut ring = Ring::new(5000);
    let source = Faulty::of(&ring);
    let (verifier, _) = ring.verifier(source.clone(), &Clock::new());
    for key in 0..30 {
        assert_eq!(verify(&verifier, &ring.text(key), START).await, "verified fresh 1");
    }
    ring.revoke(3);
    ring.revoke(4000);
    ring.publish(START);
    source.put(&ring);
    let before = source.with(|store| store.asked_parts);
    verifier.refresh().await.unwrap();
    assert_eq!(source.with(|store| store.asked_parts) - before, 1, "the other one is nobody's yet");
    assert_eq!(verify_key(&verifier, &ring.text(3), START), "revoked fresh 2");
    assert_eq!(verify_key(&verifier, &ring.text(4), START), "verified fresh 2");
    assert_eq!(verify(&verifier, &ring.text(4000), START).await, "revoked fresh 2");
}

#[tokio::test]
async fn real_requests_are_not_held_up_by_the_limit_for_made_up_ones() {
    let ring = Ring::new(50_000);
    let source = Faulty::of(&ring);
    let verifier = ring.builder(&Clock::new()).source(source.clone()).cache_limit(200 << 10).build().unwrap();
    for key in 0..5000 {
        assert_eq!(verify(&verifier, &ring.text(key), START).await, "verified fresh 1");
    }
    let asked = source.with(|store| store.asked_parts);
    assert!(asked > 1000, "{asked}");
    assert!(verifier.engine().snapshot().parts_size() <= 200 << 10);
    assert_eq!(verify(&verifier, &opaque(1 << 40).1, START).await, "unknown_key fresh 1");
}
