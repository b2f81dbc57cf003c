//! Nonces in memory, from many threads.

use claviger::{InMemoryReplayStore, ReplayAnswer, ReplayEntry, ReplayStore};
use std::sync::Arc;
use tokio::task::JoinSet;

fn entry(nonce: u64) -> ReplayEntry {
    ReplayEntry::new(b"key", &nonce.to_be_bytes(), 1_300)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_who_ask_at_once_one_is_told_that_it_is_fresh() {
    let store = Arc::new(InMemoryReplayStore::default());
    for nonce in 0..64 {
        let mut asking = JoinSet::new();
        for _ in 0..8 {
            let store = Arc::clone(&store);
            asking.spawn(async move { store.check_and_insert(&entry(nonce), 1_000).await });
        }
        let answers = asking.join_all().await;
        assert_eq!(answers.iter().filter(|answer| **answer == ReplayAnswer::Fresh).count(), 1, "{answers:?}");
        assert_eq!(answers.iter().filter(|answer| **answer == ReplayAnswer::Seen).count(), 7, "{answers:?}");
    }
}

#[tokio::test]
async fn what_has_no_room_is_unavailable_and_about_as_many_have_it_as_were_ordered() {
    let store = InMemoryReplayStore::new(4096, 330);
    let mut fresh = 0;
    for nonce in 0..6000 {
        fresh += usize::from(store.check_and_insert(&entry(nonce), 1_000).await == ReplayAnswer::Fresh);
    }
    assert_eq!(fresh, 4096, "the windows have room for all of them together");
    assert_eq!(store.check_and_insert(&entry(7), 1_000).await, ReplayAnswer::Seen);
    assert_eq!(
        store.check_and_insert(&ReplayEntry::new(b"a", b"b", 1_331), 1_000).await,
        ReplayAnswer::Unavailable
    );
    assert_eq!(format!("{store:?}"), "InMemoryReplayStore { .. }");
}
