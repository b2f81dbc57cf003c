//! What every destination promises, whatever it is.

use crate::ring::Ring;
use claviger_sdk::{Destination, DestinationError, RootVersion};
use std::sync::Arc;
use tokio::task::JoinSet;

const WRITERS: u8 = 4;
const ROUNDS: u64 = 25;

/// Holds a destination to its promises. `make` gives another handle on the same place at each call, as another process
/// would have one; the place is empty at first. The runtime has to have several threads.
pub(crate) async fn contract<D: Destination>(make: impl Fn() -> D) {
    starts_empty(&make()).await;
    one_of_many_writers_wins(&make).await;
    puts_and_gets(&make(), &make()).await;
    replaces_only_what_it_was_told(&make()).await;
    deletes(&make).await;
}

async fn version(destination: &impl Destination) -> Option<RootVersion> {
    destination.root().await.unwrap().map(|root| root.version)
}

async fn starts_empty(destination: &impl Destination) {
    assert_eq!(destination.root().await.unwrap(), None);
    assert_eq!(destination.part(&[7; 32]).await.unwrap(), None);
    destination.delete_part(&[7; 32]).await.unwrap();
    let other = Some(RootVersion("another".to_owned()));
    let ring = Ring::new(1, &[1]);
    ring.put_parts(destination).await;
    let put = ring.put_root(destination, other).await;
    assert!(matches!(put, Err(DestinationError::Conflict)), "there is no root to replace: {put:?}");
    assert_eq!(destination.root().await.unwrap(), None);
}

/// Round by round all writers replace the same root, the first of them none, each by its own.
async fn one_of_many_writers_wins<D: Destination>(make: &impl Fn() -> D) {
    let handles: Vec<Arc<D>> = (0..WRITERS).map(|_| Arc::new(make())).collect();
    for round in 1..=ROUNDS {
        let parent = version(&*handles[0]).await;
        assert_eq!(parent.is_none(), round == 1);
        let mut writers = JoinSet::new();
        for (number, destination) in (1..=WRITERS).zip(handles.clone()) {
            let parent = parent.clone();
            writers.spawn(async move {
                // One part is common to all, one to all of the round, one to this writer in all rounds.
                let ring = Ring::new(round, &[100, round as u8, 200 + number]);
                ring.put_parts(&*destination).await;
                (ring.put_root(&*destination, parent).await, ring)
            });
        }
        let mut winners = Vec::new();
        for (put, ring) in writers.join_all().await {
            match put {
                Ok(()) => winners.push(ring),
                Err(DestinationError::Conflict) => {}
                Err(error) => panic!("{error}"),
            }
        }
        let [winner] = &winners[..] else { panic!("{} winners in round {round}", winners.len()) };
        for destination in &handles {
            winner.is_at(&**destination).await;
        }
        winner.is_at(&make()).await;
    }
}

/// What one handle puts, another one gets.
async fn puts_and_gets(one: &impl Destination, other: &impl Destination) {
    let before = version(one).await;
    let ring = Ring::new(ROUNDS + 1, &[1, 2, 3]);
    ring.put_parts(one).await;
    for (hash, bytes) in &ring.parts {
        assert!(other.part(hash).await.unwrap().as_ref() == Some(bytes), "before there is a root of it");
    }
    ring.put_parts(other).await;
    assert_eq!(version(other).await, before);
    ring.put_root(one, before.clone()).await.unwrap();
    ring.is_at(other).await;
    ring.is_at(one).await;
    assert_ne!(version(one).await, before);
    assert_eq!(one.root().await.unwrap(), other.root().await.unwrap());
    assert_eq!(one.part(&[7; 32]).await.unwrap(), None);

    // A change of it puts only the part that is new.
    let next = Ring::new(ROUNDS + 2, &[1, 2, 4]);
    let (hash, bytes) = next.parts[2].clone();
    other.put_part(&hash, bytes).await.unwrap();
    next.put_root(other, version(one).await).await.unwrap();
    next.is_at(one).await;
    next.is_at(other).await;

    // So does a root without any.
    let empty = Ring::new(ROUNDS + 3, &[]);
    empty.publish(one).await;
    empty.is_at(other).await;
}

async fn replaces_only_what_it_was_told(destination: &impl Destination) {
    let first = Ring::new(ROUNDS + 4, &[1, 2]);
    first.publish(destination).await;
    let replaced = version(destination).await;
    let second = Ring::new(ROUNDS + 5, &[1, 3]);
    second.publish(destination).await;
    let third = Ring::new(ROUNDS + 6, &[1, 4]);
    third.put_parts(destination).await;
    for replaces in [replaced, None, Some(RootVersion(String::new())), Some(RootVersion("other".to_owned()))]
    {
        let put = third.put_root(destination, replaces.clone()).await;
        assert!(matches!(put, Err(DestinationError::Conflict)), "{replaces:?}: {put:?}");
        second.is_at(destination).await;
    }
    third.put_root(destination, version(destination).await).await.unwrap();
    third.is_at(destination).await;
}

async fn deletes<D: Destination>(make: &impl Fn() -> D) {
    let before = Ring::new(ROUNDS + 7, &[1, 9]);
    before.publish(&make()).await;
    let after = Ring::new(ROUNDS + 8, &[1, 8]);
    after.publish(&make()).await;
    let (gone, bytes) = &before.parts[1];
    for _ in 0..2 {
        make().delete_part(gone).await.unwrap();
        assert_eq!(make().part(gone).await.unwrap(), None);
        after.is_at(&make()).await;
    }
    // What was put and never named, too; and it can be put again.
    for _ in 0..2 {
        make().put_part(gone, bytes.clone()).await.unwrap();
        assert!(make().part(gone).await.unwrap().as_ref() == Some(bytes));
        make().delete_part(gone).await.unwrap();
        assert_eq!(make().part(gone).await.unwrap(), None);
    }
    before.put_parts(&make()).await;
    let again = Ring::new(ROUNDS + 9, &[1, 9]);
    again.put_root(&make(), version(&make()).await).await.unwrap();
    again.is_at(&make()).await;
}
