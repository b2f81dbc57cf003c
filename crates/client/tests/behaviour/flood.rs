//! A million made-up keys.

use crate::{
    faulty::Faulty,
    ring::{Clock, Ring, START, opaque, verify, verify_key},
};

#[tokio::test]
async fn a_flood_of_made_up_keys_neither_drives_out_real_ones_nor_fetches_without_end() {
    let ring = Ring::new(50_000);
    let source = Faulty::of(&ring);
    let verifier = ring.builder(&Clock::new()).source(source.clone()).cache_limit(256 << 10).build().unwrap();
    let real: Vec<String> = (0..10).map(|key| ring.text(key)).collect();
    for key in &real {
        assert_eq!(verify(&verifier, key, START).await, "verified fresh 1");
    }
    let before = source.with(|store| store.asked_parts);
    let mut unavailable = 0;
    for number in 0..1_000_000 {
        // A hundred thousand in each second.
        let now = START + number / 100_000;
        match verify(&verifier, &opaque((1 << 40) + number).1, now).await.as_str() {
            "unknown_key fresh 1" => {}
            "keyring_unavailable fresh 1" => unavailable += 1,
            other => panic!("{other}"),
        }
        if number % 1000 == 0 {
            for key in &real {
                assert_eq!(verify_key(&verifier, key, now), "verified fresh 1", "after {number}");
            }
        }
    }
    let fetched = source.with(|store| store.asked_parts) - before;
    assert_eq!(fetched, 256 + 9 * 32, "{unavailable} were not decided");
    assert!(verifier.engine().snapshot().parts_size() <= 256 << 10);
    // And when it is over, it is over.
    assert_eq!(verify(&verifier, &ring.text(40_000), START + 20).await, "verified fresh 1");
}
