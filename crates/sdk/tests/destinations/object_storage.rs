//! Object storage: in memory, in a real server that speaks S3, and in stores that do not do what they should.

use crate::{
    contract::contract,
    odd_store::{OddStore, Oddity},
    ring::Ring,
};
use claviger_sdk::{
    Destination, DestinationError, DestinationUrlError, Directory, ObjectStorage, RootVersion,
    destination_from_url,
    object_store::{
        Attribute, ObjectStore, ObjectStoreExt, RetryConfig, aws::AmazonS3Builder, local::LocalFileSystem,
        memory::InMemory, path::Path,
    },
};
use std::sync::Arc;

/// A prefix with spaces and of other writings.
const ODD: &str = "a folder/журнал ключей/鍵 'n\" 🔑";

/// What the server of `cargo xtask test` takes.
const CREDENTIALS: [(&str, &str); 2] =
    [("aws_access_key_id", "claviger"), ("aws_secret_access_key", "for-tests-only")];

/// The server that `CLAVIGER_TEST_S3` names.
fn endpoint() -> String {
    std::env::var("CLAVIGER_TEST_S3").unwrap_or_else(|_| {
        panic!(
            "CLAVIGER_TEST_S3 must name a server that speaks S3: `cargo xtask test` starts one, and `cargo xtask s3` \
             keeps one running"
        )
    })
}

/// A prefix that nobody else has.
fn prefix() -> String {
    let mut name = [0; 8];
    getrandom::fill(&mut name).unwrap();
    format!("{:016x}", u64::from_be_bytes(name))
}

fn options(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn s3_options(endpoint: &str) -> Vec<(String, String)> {
    let mut all = options(&CREDENTIALS);
    all.extend(options(&[
        ("aws_endpoint", endpoint),
        ("aws_allow_http", "true"),
        ("aws_region", "us-east-1"),
    ]));
    all
}

fn s3(prefix: &str) -> Box<dyn Destination> {
    destination_from_url(&format!("s3://claviger/{prefix}"), s3_options(&endpoint())).unwrap()
}

fn s3_builder(options: Vec<(String, String)>) -> AmazonS3Builder {
    let builder = AmazonS3Builder::new().with_bucket_name("claviger");
    options
        .into_iter()
        .fold(builder, |builder, (name, value)| builder.with_config(name.parse().unwrap(), value))
}

/// The store behind [`s3`], without a destination.
fn s3_store() -> Arc<dyn ObjectStore> {
    Arc::new(s3_builder(s3_options(&endpoint())).build().unwrap())
}

fn odd(oddity: Oddity) -> ObjectStorage {
    ObjectStorage::new(Arc::new(OddStore::new(oddity)), "ring")
}

fn hex(hash: &[u8]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unsupported(result: Result<impl Sized, DestinationError>) -> String {
    match result {
        Err(DestinationError::Unsupported(why)) => why,
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it did not fail"),
    }
}

/// All that an error shows, in whatever way it is asked.
fn shown(result: Result<impl Sized, DestinationError>) -> String {
    let Err(error) = result else { panic!("it did not fail") };
    assert!(matches!(error, DestinationError::Failed(_)), "{error}");
    let mut all = format!("{error} {error:?}");
    let mut next = std::error::Error::source(&error);
    while let Some(source) = next {
        all.push_str(&format!(" {source} {source:?}"));
        next = source.source();
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn object_storage_in_memory_is_a_destination() {
    let store = Arc::new(InMemory::new());
    contract(|| ObjectStorage::new(store.clone(), ODD)).await;
    // The bucket itself may be the place.
    let store = Arc::new(InMemory::new());
    contract(|| ObjectStorage::new(store.clone(), "")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_s3_server_is_a_destination() {
    let prefix = format!("{}/{ODD}", prefix());
    contract(|| s3(&prefix)).await;
}

/// Readers need not know whether they read a folder or object storage.
#[tokio::test]
async fn objects_are_named_and_described_as_it_says() {
    let ring = Ring::new(1, &[1, 2]);
    let folder = tempfile::tempdir().unwrap();
    ring.publish(&Directory::new(folder.path().join("ring"))).await;
    let own = prefix();
    let memory: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    for (store, below) in [(memory, "ring"), (s3_store(), own.as_str())] {
        ring.publish(&ObjectStorage::new(store.clone(), below)).await;
        let files = LocalFileSystem::new_with_prefix(folder.path()).unwrap();
        let mut names = vec!["root".to_owned()];
        names.extend(ring.parts.iter().map(|(hash, _)| format!("parts/{}", hex(hash))));
        for name in names {
            let file = files.get(&Path::from(format!("ring/{name}"))).await.unwrap().bytes().await.unwrap();
            let object = store.get(&Path::from(format!("{below}/{name}"))).await.unwrap();
            let attribute = |which| object.attributes.get(&which).unwrap().as_ref().to_owned();
            let cached = if name == "root" { "no-cache" } else { "public, max-age=31536000, immutable" };
            assert_eq!(attribute(Attribute::CacheControl), cached);
            assert_eq!(attribute(Attribute::ContentType), "application/octet-stream");
            assert!(object.bytes().await.unwrap() == file);
        }
    }
}

/// A root that somebody has removed is not replaced as if it were there.
#[tokio::test]
async fn a_root_that_is_gone_is_a_conflict() {
    let own = prefix();
    let memory: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    for store in [memory, s3_store()] {
        let destination = ObjectStorage::new(store.clone(), &own);
        Ring::new(1, &[1]).publish(&destination).await;
        let version = destination.root().await.unwrap().map(|root| root.version);
        store.delete(&Path::from(format!("{own}/root"))).await.unwrap();
        let second = Ring::new(2, &[1]);
        let put = second.put_root(&destination, version).await;
        assert!(matches!(put, Err(DestinationError::Conflict)), "{put:?}");
        assert_eq!(destination.root().await.unwrap(), None);
        second.put_root(&destination, None).await.unwrap();
        second.is_at(&destination).await;
    }
}

/// What is damaged in the store is as it was after it is put again.
#[tokio::test]
async fn a_damaged_part_is_put_again() {
    let own = prefix();
    let store = s3_store();
    let destination = ObjectStorage::new(store.clone(), &own);
    let ring = Ring::new(1, &[1]);
    ring.publish(&destination).await;
    let (hash, bytes) = &ring.parts[0];
    let damaged = bytes[..40].to_vec();
    store.put(&Path::from(format!("{own}/parts/{}", hex(hash))), damaged.clone().into()).await.unwrap();
    assert!(destination.part(hash).await.unwrap() == Some(damaged));
    ring.put_parts(&destination).await;
    ring.is_at(&destination).await;
}

/// The client sends a put again that it has no answer to, and the store refuses the second one; or it gives up.
#[tokio::test]
async fn a_root_that_was_put_without_an_answer_was_put() {
    for oddity in [Oddity::AnswersOfRootsAreLost, Oddity::BreaksOffAfterRoots] {
        let destination = odd(oddity);
        let rings = [1, 2, 3].map(|epoch| Ring::new(epoch, &[1, epoch as u8 + 1]));
        for ring in &rings {
            ring.publish(&destination).await;
            ring.is_at(&destination).await;
        }
    }
    // And one that is of another is one of another all the same.
    let destination = odd(Oddity::AnswersOfRootsAreLost);
    let (first, second) = (Ring::new(1, &[1]), Ring::new(2, &[1]));
    first.publish(&destination).await;
    let put = second.put_root(&destination, None).await;
    assert!(matches!(put, Err(DestinationError::Conflict)), "{put:?}");
    first.is_at(&destination).await;
}

#[tokio::test]
async fn a_root_that_was_not_put_has_failed() {
    let destination = odd(Oddity::BreaksOffBeforeRoots);
    let ring = Ring::new(1, &[1]);
    ring.put_parts(&destination).await;
    let failed = shown(ring.put_root(&destination, None).await);
    assert!(failed.contains("ring/root") && failed.contains("the connection was closed"), "{failed}");
    assert_eq!(destination.root().await.unwrap(), None);
}

/// Nothing is published to a store in which publishers would overwrite each other.
#[tokio::test]
async fn a_store_that_ignores_conditions_is_refused_with_the_first_part() {
    let ring = Ring::new(1, &[1, 2]);
    for oddity in [Oddity::OverwritesAlways, Oddity::OverwritesWhatIsThere] {
        let destination = odd(oddity);
        let (hash, bytes) = &ring.parts[0];
        for _ in 0..2 {
            let why = unsupported(destination.put_part(hash, bytes.clone()).await);
            assert!(why.contains("If-Match") && why.contains("OddStore"), "{why}");
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let local =
        ObjectStorage::new(Arc::new(LocalFileSystem::new_with_prefix(folder.path()).unwrap()), "ring");
    let (hash, bytes) = &ring.parts[0];
    let why = unsupported(local.put_part(hash, bytes.clone()).await);
    assert!(why.contains("Directory"), "{why}");
    let version = RootVersion("[\"tag\",null]".to_owned());
    assert!(unsupported(ring.put_root(&local, Some(version)).await).contains("Directory"));
}

/// It is asked once, not for each part.
#[tokio::test]
async fn a_store_is_tried_once() {
    let store = Arc::new(OddStore::new(Oddity::None));
    let destination = ObjectStorage::new(store.clone(), "");
    for epoch in 1..=3 {
        Ring::new(epoch, &[1, 2, 3]).put_parts(&destination.clone()).await;
    }
    assert_eq!(store.puts(), 9 + 2);
}

/// Some stores keep objects and not what is said about them.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_store_without_attributes_is_a_destination() {
    let store = Arc::new(OddStore::new(Oddity::NoAttributes));
    contract(|| ObjectStorage::new(store.clone(), "ring")).await;
}

#[tokio::test]
async fn a_root_without_a_version_cannot_be_replaced() {
    for oddity in [Oddity::NoTags, Oddity::WeakTags] {
        let destination = odd(oddity);
        let ring = Ring::new(1, &[1]);
        ring.put_parts(&destination).await;
        ring.put_root(&destination, None).await.unwrap();
        let why = unsupported(destination.root().await);
        assert!(why.contains("entity tag"), "{why}");
    }
}

/// Errors say what failed, where and why, and show no secret; nor does `Debug`.
#[tokio::test]
async fn failures_name_the_place_and_no_secret() {
    let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    let token = "IQoJb3JpZ2luX2VjEXAMPLETOKEN";
    let ring = Ring::new(1, &[1]);
    let (hash, bytes) = &ring.parts[0];
    let mut wrong = s3_options(&endpoint());
    wrong.extend(options(&[("aws_secret_access_key", secret), ("aws_session_token", token)]));
    let destination = destination_from_url("s3://claviger/denied", wrong).unwrap();
    for failed in [
        shown(destination.root().await),
        shown(destination.part(hash).await),
        shown(destination.put_part(hash, bytes.clone()).await),
        shown(ring.put_root(&destination, None).await),
        shown(destination.delete_part(hash).await),
    ] {
        assert!(failed.contains("denied/") && failed.contains("claviger"), "{failed}");
        assert!(failed.contains("403") || failed.contains("SignatureDoesNotMatch"), "{failed}");
        assert!(!failed.contains(secret) && !failed.contains(token), "{failed}");
    }

    // Where nobody listens.
    let mut nobody = s3_options("http://127.0.0.1:9");
    nobody.extend(options(&[("aws_secret_access_key", secret)]));
    let once = RetryConfig { max_retries: 0, ..Default::default() };
    let store = s3_builder(nobody).with_retry(once).build().unwrap();
    let destination = ObjectStorage::new(Arc::new(store), "nowhere");
    let failed = shown(destination.root().await);
    assert!(failed.contains("http://127.0.0.1:9/") && failed.contains("refused"), "{failed}");
    let debug = format!("{destination:?}");
    assert!(debug.contains("nowhere") && !debug.contains(secret), "{debug}");
}

#[tokio::test]
async fn a_path_and_a_file_url_are_folders() {
    let folder = tempfile::tempdir().unwrap();
    let ring = Ring::new(1, &[1]);
    let path = folder.path().join("by path");
    let by_url = folder.path().join("by URL");
    let url = format!("file://{}", by_url.display()).replace(' ', "%20");
    for (location, path) in [(path.to_str().unwrap(), &path), (&url, &by_url)] {
        ring.publish(&destination_from_url(location, []).unwrap()).await;
        ring.is_at(&Directory::new(path)).await;
    }
}

#[test]
fn urls_that_name_no_destination_are_refused() {
    use DestinationUrlError::{Invalid, Option, Scheme, Surplus};
    let refused =
        |url: &str, pairs: &[(&str, &str)]| destination_from_url(url, options(pairs)).err().unwrap();
    assert_eq!(refused("", &[]), Invalid);
    assert_eq!(refused("://bucket", &[]), Invalid);
    assert_eq!(refused("file://elsewhere/ring", &[]), Invalid);
    for url in ["ftp://host/ring", "http://host/ring", "memory:///", "s3:bucket", "backup:ring"] {
        assert!(matches!(refused(url, &[]), Scheme(_)), "{url}");
    }
    for url in ["s3://me:secret@bucket/ring", "s3://bucket/ring?sig=secret", "s3://bucket/ring#secret"] {
        assert_eq!(refused(url, &[]), Surplus);
    }
    for url in ["ring", "file:///ring", "s3://bucket/ring"] {
        assert_eq!(refused(url, &[("aws_acess_key", "secret")]), Option("aws_acess_key".to_owned()));
    }
    let bad = refused("s3://bucket/ring", &[("aws_allow_http", "a secret")]).to_string();
    assert!(bad.contains("settings") && !bad.contains("a secret"), "{bad}");
}

#[cfg(not(any(feature = "gcs", feature = "azure")))]
#[test]
fn what_was_not_built_in_is_named() {
    for (url, feature) in [("gs://bucket/ring", "gcs"), ("az://container/ring", "azure")] {
        assert_eq!(destination_from_url(url, []).err(), Some(DestinationUrlError::Feature(feature)));
    }
}

#[cfg(all(feature = "gcs", feature = "azure"))]
#[test]
fn what_was_built_in_is_a_destination() {
    let azure =
        options(&[("azure_storage_account_name", "company"), ("azure_storage_account_key", "c2VjcmV0")]);
    destination_from_url("az://container/ring", azure).unwrap();
    destination_from_url("gs://bucket/ring", options(&[("google_skip_signature", "true")])).unwrap();
}
