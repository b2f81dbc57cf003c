//! Destinations in a file system: what is in it, and what they do about what others left or did there.

use crate::{
    contract::contract,
    ring::{ISSUED, Ring, key},
};
use claviger_core::Verifier;
use claviger_sdk::{BundleFile, Destination, DestinationError, Directory, PartHash};
use std::{
    fs,
    path::Path,
    time::{Duration, SystemTime},
};

/// Names with spaces and of other writings, and folders that are not there yet.
const ODD: &str = "a folder/журнал ключей/鍵 'n\" 🔑";

fn hex(hash: &PartHash) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The names in a folder, in order.
fn names(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

fn message(result: Result<impl Sized, DestinationError>) -> String {
    match result {
        Err(error @ DestinationError::Failed(_)) => error.to_string(),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it did not fail"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_directory_is_a_destination() {
    let folder = tempfile::tempdir().unwrap();
    contract(|| Directory::new(folder.path().join(ODD))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_bundle_file_is_a_destination() {
    let folder = tempfile::tempdir().unwrap();
    contract(|| BundleFile::new(folder.path().join(ODD))).await;
}

/// Other programs serve and copy the files, so their names are a promise.
#[tokio::test]
async fn the_files_of_a_directory_are_named_as_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let destination = Directory::new(folder.path());
    let ring = Ring::new(1, &[1, 2, 3]);
    ring.publish(&destination).await;
    assert_eq!(names(folder.path()), [".lock", ".new", "parts", "root"]);
    assert!(fs::read(folder.path().join("root")).unwrap() == ring.root);
    let mut parts: Vec<String> = ring.parts.iter().map(|(hash, _)| hex(hash)).collect();
    parts.sort();
    assert_eq!(names(&folder.path().join("parts")), parts);
    for (hash, bytes) in &ring.parts {
        assert!(fs::read(folder.path().join("parts").join(hex(hash))).unwrap() == *bytes);
    }
    assert!(names(&folder.path().join(".new")).is_empty());
}

#[tokio::test]
async fn the_file_is_the_bundle_and_a_verifier_opens_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("company.keyring");
    let destination = BundleFile::new(&path);
    let other = BundleFile::new(&path);
    let mut before = Ring::new(1, &[]);
    for (epoch, keys) in [(1, &[1, 2, 3][..]), (2, &[1, 2, 4]), (3, &[]), (4, &[1])] {
        let ring = Ring::new(epoch, keys);
        ring.publish(&destination).await;
        let bundle = fs::read(&path).unwrap();
        assert!(bundle == ring.bundle);
        // Parts alone: who reads the root opens the bundle anew.
        for (hash, bytes) in &ring.parts {
            assert!(other.part(hash).await.unwrap().as_ref() == Some(bytes));
        }
        if let Some((gone, _)) = before.parts.last().filter(|part| !ring.hashes.contains(&part.0)) {
            assert_eq!(destination.part(gone).await.unwrap(), None);
        }
        before = ring;
        Verifier::with_keyring_keys([key()]).unwrap().replace_keyring(bundle, ISSUED).unwrap();
        // What is in the bundle is nowhere else.
        assert_eq!(
            names(folder.path()),
            ["company.keyring", "company.keyring.lock", "company.keyring.parts"]
        );
        assert!(names(&folder.path().join("company.keyring.parts")).is_empty());
    }
}

#[tokio::test]
async fn a_root_without_a_part_makes_no_bundle() {
    let folder = tempfile::tempdir().unwrap();
    let destination = BundleFile::new(folder.path().join("ring"));
    let before = Ring::new(1, &[1, 2]);
    before.publish(&destination).await;
    let after = Ring::new(2, &[1, 3]);
    let version = destination.root().await.unwrap().map(|root| root.version);
    let missing = message(after.put_root(&destination, version.clone()).await);
    assert!(missing.contains(&hex(&after.parts[1].0)) && missing.contains("ring"), "{missing}");
    before.is_at(&destination).await;

    // A part that a loss of power has cut off is as good as none, until it is put again.
    after.put_parts(&destination).await;
    let spooled = folder.path().join("ring.parts").join(hex(&after.parts[1].0));
    fs::write(&spooled, &after.parts[1].1[..40]).unwrap();
    let cut_off = message(after.put_root(&destination, version.clone()).await);
    assert!(cut_off.contains(&hex(&after.parts[1].0)), "{cut_off}");
    before.is_at(&destination).await;
    after.put_parts(&destination).await;
    // And so is one that is cut off where it waits, if the bundle has it whole.
    fs::write(folder.path().join("ring.parts").join(hex(&after.parts[0].0)), b"").unwrap();
    after.put_root(&destination, version).await.unwrap();
    after.is_at(&destination).await;

    // A root that names other parts than it is put with would be a bundle that nobody can open.
    let mut wrong = Ring::new(3, &[1]);
    wrong.hashes.pop();
    let version = destination.root().await.unwrap().map(|root| root.version);
    message(wrong.put_root(&destination, version).await);
    after.is_at(&destination).await;
}

#[tokio::test]
async fn what_killed_writers_left_goes_with_the_next_root() {
    let folder = tempfile::tempdir().unwrap();
    let destination = Directory::new(folder.path());
    Ring::new(1, &[1]).publish(&destination).await;
    let new = folder.path().join(".new");
    fs::write(new.join(".new-0123456789abcdef"), b"half").unwrap();
    fs::write(new.join("of somebody else"), b"").unwrap();
    let second = Ring::new(2, &[1, 2]);
    second.publish(&destination).await;
    second.is_at(&destination).await;
    assert_eq!(names(&new), ["of somebody else"]);

    let bundle = BundleFile::new(folder.path().join("ring"));
    Ring::new(1, &[1]).publish(&bundle).await;
    let parts = folder.path().join("ring.parts");
    fs::write(folder.path().join("ring.new"), vec![0; 100_000]).unwrap();
    fs::write(parts.join(".new-0123456789abcdef"), b"half").unwrap();
    // One that another writer may be about to name, and one that nobody will.
    let waiting = Ring::new(9, &[7, 8]);
    waiting.put_parts(&bundle).await;
    let old = fs::File::options().write(true).open(parts.join(hex(&waiting.parts[0].0))).unwrap();
    old.set_modified(SystemTime::now() - Duration::from_hours(25)).unwrap();
    second.publish(&bundle).await;
    assert!(fs::read(folder.path().join("ring")).unwrap() == second.bundle);
    assert!(!folder.path().join("ring.new").exists());
    assert_eq!(names(&parts), [hex(&waiting.parts[1].0)]);
}

#[tokio::test]
async fn a_part_that_was_cut_off_is_put_again_and_a_whole_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let destination = Directory::new(folder.path());
    let ring = Ring::new(1, &[1]);
    ring.put_parts(&destination).await;
    let (hash, good) = &ring.parts[0];
    let path = folder.path().join("parts").join(hex(hash));
    let mut other = good.clone();
    other[70] ^= 1;
    for damaged in [&good[..good.len() - 1], b"", &other] {
        fs::write(&path, damaged).unwrap();
        ring.put_parts(&destination).await;
        assert!(fs::read(&path).unwrap() == *good);
    }
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(ISSUED);
    fs::File::options().write(true).open(&path).unwrap().set_modified(long_ago).unwrap();
    ring.put_parts(&destination).await;
    assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), long_ago);
}

#[tokio::test]
async fn a_file_that_is_no_bundle_is_neither_read_nor_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ring");
    let ring = Ring::new(1, &[1, 2]);
    let mut longer = ring.bundle.clone();
    longer.push(0);
    let cut_off = &ring.bundle[..ring.bundle.len() - 1];
    for foreign in [&b""[..], b"a letter", &ring.root, &ring.bundle[..20], cut_off, &longer] {
        fs::write(&path, foreign).unwrap();
        let destination = BundleFile::new(&path);
        ring.put_parts(&destination).await;
        let named = path.display().to_string();
        for failed in [
            message(destination.root().await),
            message(destination.part(&[7; 32]).await),
            message(ring.put_root(&destination, None).await),
        ] {
            assert!(failed.contains(&named) && failed.contains("no bundle"), "{failed}");
        }
        assert!(fs::read(&path).unwrap() == foreign);
    }
}

/// Where nothing can be written, the error says where and why.
#[tokio::test]
async fn failures_name_the_path() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a file");
    fs::write(&file, b"").unwrap();
    let ring = Ring::new(1, &[1]);
    let (hash, bytes) = &ring.parts[0];
    let below = file.join("keyring");
    let named = file.display().to_string();
    let (directory, bundle) = (Directory::new(&below), BundleFile::new(&below));
    for failed in [
        message(directory.put_part(hash, bytes.clone()).await),
        message(ring.put_root(&directory, None).await),
        message(directory.root().await),
        message(bundle.put_part(hash, bytes.clone()).await),
        message(ring.put_root(&bundle, None).await),
        message(bundle.root().await),
    ] {
        assert!(failed.contains(&named) && failed.contains("cannot "), "{failed}");
    }

    // Also when a file is expected, and a folder is there.
    let directory = Directory::new(folder.path());
    fs::create_dir_all(folder.path().join("root")).unwrap();
    fs::create_dir_all(folder.path().join("parts").join(hex(hash))).unwrap();
    let part = message(directory.put_part(hash, bytes.clone()).await);
    assert!(part.contains(&hex(hash)), "{part}");
    assert!(names(&folder.path().join(".new")).is_empty());
    for failed in [message(directory.root().await), message(ring.put_root(&directory, None).await)] {
        assert!(failed.contains(&folder.path().join("root").display().to_string()), "{failed}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_folder_that_cannot_be_written_to_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let directory = Directory::new(folder.path());
    Ring::new(1, &[1]).publish(&directory).await;
    let new = folder.path().join(".new");
    fs::set_permissions(&new, fs::Permissions::from_mode(0o500)).unwrap();
    if fs::write(new.join("probe"), b"").is_ok() {
        // Who may do everything cannot be kept out.
        return;
    }
    let ring = Ring::new(2, &[2]);
    let (hash, bytes) = &ring.parts[0];
    let failed = message(directory.put_part(hash, bytes.clone()).await);
    assert!(failed.contains(&new.display().to_string()), "{failed}");
}
