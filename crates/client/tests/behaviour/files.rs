//! Keyrings from files and folders that a publisher replaces.

use crate::ring::{Clock, FRESH_FOR, Ring, START, verify, verify_key};
use claviger::{DirectorySource, FileSource, KeyringSource, RefreshError, hex};
use std::{fs, path::Path, time::Duration};
use tempfile::TempDir;

fn write(path: &Path, bytes: &[u8]) {
    let temporary = path.with_extension("new");
    fs::write(&temporary, bytes).unwrap();
    fs::rename(temporary, path).unwrap();
}

fn write_folder(folder: &Path, ring: &Ring) {
    fs::create_dir_all(folder.join("parts")).unwrap();
    for (hash, part) in &ring.parts {
        fs::write(folder.join("parts").join(hex(hash)), part).unwrap();
    }
    write(&folder.join("root"), &ring.root);
}

#[tokio::test]
async fn a_bundle_is_read_again_when_it_is_replaced() {
    let (mut ring, folder, clock) = (Ring::new(300), TempDir::new().unwrap(), Clock::new());
    let path = folder.path().join("acme.keyring");
    write(&path, &ring.bundle());
    let (verifier, events) = ring.verifier(FileSource::new(&path), &clock);
    verifier.refresh().await.unwrap();
    assert_eq!(verify_key(&verifier, &ring.text(3), START), "verified fresh 1", "all of it is here");
    verifier.refresh().await.unwrap();
    ring.revoke(3);
    ring.publish(START);
    write(&path, &ring.bundle());
    verifier.refresh().await.unwrap();
    assert_eq!(verify_key(&verifier, &ring.text(3), START), "revoked fresh 2");
    assert_eq!(events.take(), ["epoch 1", "unchanged", "epoch 2"]);
    assert_eq!(FileSource::new(&path).interval(), Some(Duration::from_secs(1)));
}

#[tokio::test]
async fn of_a_long_bundle_only_what_is_needed_is_read() {
    let (mut ring, folder, clock) = (Ring::new(260_000), TempDir::new().unwrap(), Clock::new());
    let path = folder.path().join("acme.keyring");
    assert!(ring.bundle().len() > 16 << 20);
    write(&path, &ring.bundle());
    let (verifier, _) = ring.verifier(FileSource::new(&path), &clock);
    assert_eq!(verify(&verifier, &ring.text(3), START).await, "verified fresh 1");
    let snapshot = verifier.engine().snapshot();
    assert!(snapshot.parts_size() < 100_000, "{}", snapshot.parts_size());
    ring.revoke(3);
    ring.publish(START);
    write(&path, &ring.bundle());
    assert_eq!(
        verify(&verifier, &ring.text(200_000), START).await,
        "verified fresh 1",
        "from the file as it was"
    );
    verifier.refresh().await.unwrap();
    assert_eq!(verify(&verifier, &ring.text(3), START).await, "revoked fresh 2");
}

#[tokio::test]
async fn a_folder_gives_the_parts_that_are_needed() {
    let (mut ring, folder, clock) = (Ring::new(5000), TempDir::new().unwrap(), Clock::new());
    write_folder(folder.path(), &ring);
    let (verifier, _) = ring.verifier(DirectorySource::new(folder.path()), &clock);
    assert_eq!(verify(&verifier, &ring.text(3), START).await, "verified fresh 1");
    ring.revoke(3);
    ring.publish(START);
    write_folder(folder.path(), &ring);
    verifier.refresh().await.unwrap();
    assert_eq!(verify_key(&verifier, &ring.text(3), START), "revoked fresh 2");
}

#[tokio::test]
async fn the_highest_epoch_is_remembered_across_restarts() {
    let (mut ring, folder, clock) = (Ring::new(40), TempDir::new().unwrap(), Clock::new());
    let path = folder.path().join("acme.keyring");
    let old = ring.bundle();
    ring.revoke(3);
    ring.publish(START);
    write(&path, &ring.bundle());
    let (first, _) = ring.verifier(FileSource::new(&path), &clock);
    first.refresh().await.unwrap();
    drop(first);
    assert_eq!(fs::read_to_string(folder.path().join("acme.keyring.epoch")).unwrap(), "2\n");

    write(&path, &old);
    let (second, events) = ring.verifier(FileSource::new(&path), &clock);
    assert_eq!(verify(&second, &ring.text(3), START).await, "keyring_unavailable  0");
    let told = events.take();
    assert!(told[0].contains("epoch 1; this verifier accepts 2 and later"), "{told:?}");
    write(&path, &ring.bundle());
    second.refresh().await.unwrap();
    assert_eq!(verify(&second, &ring.text(3), START).await, "revoked fresh 2");

    // In doubt nothing is taken.
    fs::write(folder.path().join("acme.keyring.epoch"), "two").unwrap();
    let (third, _) = ring.verifier(FileSource::new(&path), &clock);
    let error = third.refresh().await.unwrap_err();
    assert!(matches!(*error, RefreshError::Epoch(_)), "{error:?}");
    let elsewhere = folder.path().join("no folder").join("epoch");
    let (fourth, events) = ring.verifier(FileSource::new(&path).remember_epoch_in(&elsewhere), &clock);
    fourth.refresh().await.unwrap();
    assert_eq!(events.take(), ["epoch not remembered", "epoch 2"]);
    let of_folder = TempDir::new().unwrap();
    write_folder(of_folder.path(), &ring);
    let (fifth, _) = ring.verifier(DirectorySource::new(of_folder.path()), &clock);
    fifth.refresh().await.unwrap();
    assert_eq!(fs::read_to_string(of_folder.path().join("root.epoch")).unwrap(), "2\n");
}

#[tokio::test]
async fn what_is_not_there_or_cut_off_is_refused_and_what_was_there_stays() {
    let (ring, folder, clock) = (Ring::new(40), TempDir::new().unwrap(), Clock::new());
    let path = folder.path().join("acme.keyring");
    let (verifier, _) = ring.verifier(FileSource::new(&path), &clock);
    assert!(matches!(*verifier.refresh().await.unwrap_err(), RefreshError::Source(_)));
    write(&path, &ring.bundle());
    verifier.refresh().await.unwrap();
    for bytes in [&b""[..], b"CVGB", &ring.bundle()[..1000]] {
        write(&path, bytes);
        assert!(matches!(*verifier.refresh().await.unwrap_err(), RefreshError::Refused(_)));
    }
    // Longer than what is read at once, and not a bundle.
    write(&path, &vec![7; 17 << 20]);
    assert!(matches!(*verifier.refresh().await.unwrap_err(), RefreshError::Source(_)));
    fs::remove_file(&path).unwrap();
    assert!(matches!(*verifier.refresh().await.unwrap_err(), RefreshError::Source(_)));
    assert_eq!(verify_key(&verifier, &ring.text(3), START + FRESH_FOR), "verified stale 1");
}

#[tokio::test]
async fn a_long_bundle_that_is_refused_does_not_take_the_parts_of_the_one_in_use() {
    let (ring, folder, clock) = (Ring::new(260_000), TempDir::new().unwrap(), Clock::new());
    let path = folder.path().join("acme.keyring");
    write(&path, &ring.bundle());
    let (verifier, _) = ring.verifier(FileSource::new(&path), &clock);
    verifier.refresh().await.unwrap();
    let mut refused = ring.bundle();
    let root = refused.windows(4).position(|bytes| bytes == b"CVGR").unwrap();
    for _ in 0..4 {
        // Every part is another one, and the authenticator not.
        for bucket in 0..1 << refused[root + 7] {
            let hash = &mut refused[root + 64 + 32 * bucket];
            *hash = hash.wrapping_add(1);
        }
        write(&path, &refused);
        verifier.refresh().await.unwrap_err();
    }
    assert_eq!(verify(&verifier, &ring.text(3), START).await, "verified fresh 1");
}

#[tokio::test]
async fn a_lower_epoch_never_takes_the_place_of_one_that_was_remembered() {
    let folder = TempDir::new().unwrap();
    let source = FileSource::new(folder.path().join("acme.keyring"));
    source.remember_epoch(6).await.unwrap();
    source.remember_epoch(5).await.unwrap();
    assert_eq!(source.remembered_epoch().await.unwrap(), 6);
}

#[tokio::test]
async fn an_epoch_that_could_not_be_remembered_is_remembered_later() {
    let (ring, folder, clock) = (Ring::new(40), TempDir::new().unwrap(), Clock::new());
    let path = folder.path().join("acme.keyring");
    write(&path, &ring.bundle());
    let elsewhere = folder.path().join("later").join("epoch");
    let (verifier, events) = ring.verifier(FileSource::new(&path).remember_epoch_in(&elsewhere), &clock);
    verifier.refresh().await.unwrap();
    verifier.refresh().await.unwrap();
    assert_eq!(events.take(), ["epoch not remembered", "epoch 1", "unchanged"]);
    fs::create_dir(folder.path().join("later")).unwrap();
    verifier.refresh().await.unwrap();
    assert_eq!(fs::read_to_string(elsewhere).unwrap(), "1\n");
}
