//! Counting: what was verified, from many threads, and nothing else.

use crate::ring::{Clock, Ring, START};
use claviger::{BytesSource, RequestContext};

#[tokio::test(flavor = "multi_thread")]
async fn uses_are_counted_by_key_with_the_last_one() {
    let mut ring = Ring::new(300);
    ring.revoke(299);
    ring.publish(START);
    let clock = Clock::new();
    let verifier =
        ring.builder(&clock).source(BytesSource::new(ring.bundle())).count_usage(10_000).build().unwrap();
    verifier.refresh().await.unwrap();
    let threads: Vec<_> = (0..8)
        .map(|thread| {
            let (verifier, keys) = (verifier.clone(), ring.keys.clone());
            std::thread::spawn(move || {
                for (_, text) in &keys {
                    let verdict = verifier.verify_key(text, &RequestContext::at(START + thread));
                    assert_eq!(verdict.is_verified(), *text != keys[299].1);
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let awaited = verifier.verify(ring.text(0), &RequestContext::at(START + 20)).await;
    assert!(awaited.is_verified());

    clock.set(START + 30);
    let batch = verifier.drain_usage().unwrap();
    assert_eq!((batch.from, batch.until, batch.lost, batch.uses.len()), (START, START + 30, 0, 299));
    for used in &batch.uses {
        let first = used.key_id == ring.keys[0].0.id;
        let expected = if first { (9, START + 20) } else { (8, START + 7) };
        assert_eq!((used.count, used.last_used_at), expected);
    }
    assert_eq!(verifier.drain_usage(), None);
    clock.set(START + 40);
    let batch = verifier.drain_usage().unwrap();
    assert_eq!((batch.from, batch.until, batch.uses.len()), (START + 30, START + 40, 0));
}

#[tokio::test]
async fn memory_is_bounded_and_what_is_lost_is_told() {
    let ring = Ring::new(300);
    let clock = Clock::new();
    let verifier =
        ring.builder(&clock).source(BytesSource::new(ring.bundle())).count_usage(160).build().unwrap();
    verifier.refresh().await.unwrap();
    for (_, text) in &ring.keys {
        assert!(verifier.verify_key(text, &RequestContext::at(START + 5)).is_verified());
    }
    clock.set(START + 30);
    let batch = verifier.drain_usage().unwrap();
    assert_eq!(batch.uses.len() as u64 + batch.lost, 300);
    assert!(batch.uses.len() <= 160 && batch.lost > 0);
    assert_eq!((batch.from, batch.until), (START + 6, START + 30));
    let plain = ring.builder(&clock).build().unwrap();
    assert_eq!(plain.drain_usage(), None);
}

/// One of the shards has no room any more, and the others have.
#[tokio::test]
async fn time_in_which_uses_were_lost_is_not_covered() {
    let ring = Ring::new(300);
    let clock = Clock::new();
    let verifier =
        ring.builder(&clock).source(BytesSource::new(ring.bundle())).count_usage(16).build().unwrap();
    verifier.refresh().await.unwrap();
    let mut of_shard = ring.keys.iter().filter(|(record, _)| record.id.as_u64() % 16 == 3);
    for second in [5, 6] {
        let (_, text) = of_shard.next().unwrap();
        assert!(verifier.verify_key(text, &RequestContext::at(START + second)).is_verified());
    }
    clock.set(START + 30);
    let batch = verifier.drain_usage().unwrap();
    assert_eq!((batch.from, batch.until, batch.lost, batch.uses.len()), (START + 7, START + 30, 1, 1));
}
