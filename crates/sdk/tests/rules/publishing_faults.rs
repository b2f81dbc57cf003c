//! What must not bring a dead key back: a destination that was rolled back or emptied, an audience or a keyring key that
//! changes while a draft is made, a clock that was wrong, another publisher that has no lock, a keyring that is full.
//!
//! Three of these are on SQLite alone: two are about its lock, which is a file, and one takes long.

use crate::{
    company::{Company, Place, on_both_stores},
    keys::text,
    ring::{Ring, platform},
};
use chrono::TimeDelta;
use claviger_core::{KeyringKey, RequestContext};
use claviger_sdk::{
    ApiKey, Audience, BundleFile, DeniedBy, Destination, DestinationError, Directory, Ended, Generated,
    Lifetime, NewKey, NewKeyGroup, NewRoot, NewSharedSecret, PartHash, PublicationOutcome, PublishError,
    Publisher, RevocationReason, RingEdit, Session, Store, StoredRoot, TenantId,
};
use std::{pin::Pin, sync::Mutex};
use tokio::sync::oneshot;

const MONTH: Lifetime = Lifetime::days(30);
const LEAKED: RevocationReason = RevocationReason::Compromised;

type Meanwhile = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Where something is done before the first part is put.
struct Interrupted<D> {
    destination: D,
    meanwhile: Mutex<Option<Meanwhile>>,
}

impl<D> Interrupted<D> {
    fn new(destination: D, meanwhile: impl Future<Output = ()> + Send + 'static) -> Self {
        Self { destination, meanwhile: Mutex::new(Some(Box::pin(meanwhile))) }
    }
}

#[async_trait::async_trait]
impl<D: Destination> Destination for Interrupted<D> {
    async fn root(&self) -> Result<Option<StoredRoot>, DestinationError> {
        self.destination.root().await
    }

    async fn part(&self, hash: &PartHash) -> Result<Option<Vec<u8>>, DestinationError> {
        self.destination.part(hash).await
    }

    async fn put_part(&self, hash: &PartHash, bytes: Vec<u8>) -> Result<(), DestinationError> {
        let meanwhile = self.meanwhile.lock().unwrap().take();
        if let Some(meanwhile) = meanwhile {
            meanwhile.await;
        }
        self.destination.put_part(hash, bytes).await
    }

    async fn put_root(&self, root: NewRoot) -> Result<(), DestinationError> {
        self.destination.put_root(root).await
    }

    async fn delete_part(&self, hash: &PartHash) -> Result<(), DestinationError> {
        self.destination.delete_part(hash).await
    }
}

/// Where nothing can be removed.
struct Kept(Directory);

#[async_trait::async_trait]
impl Destination for Kept {
    async fn root(&self) -> Result<Option<StoredRoot>, DestinationError> {
        self.0.root().await
    }

    async fn part(&self, hash: &PartHash) -> Result<Option<Vec<u8>>, DestinationError> {
        self.0.part(hash).await
    }

    async fn put_part(&self, hash: &PartHash, bytes: Vec<u8>) -> Result<(), DestinationError> {
        self.0.put_part(hash, bytes).await
    }

    async fn put_root(&self, root: NewRoot) -> Result<(), DestinationError> {
        self.0.put_root(root).await
    }

    async fn delete_part(&self, _: &PartHash) -> Result<(), DestinationError> {
        Err(DestinationError::failed("it is kept for years"))
    }
}

/// Another tenant, with the operator in it.
async fn other_tenant(company: &Company) -> (TenantId, Session) {
    let session = company.other_tenant().await;
    let tenants = platform(&company.store).tenants().list().await.unwrap();
    (tenants.iter().find(|tenant| tenant.name == "Other").unwrap().id, session)
}

async fn end(session: &Session, key: &Generated) -> Ended<ApiKey> {
    session.keys().expire_now(key.key.id, LEAKED, &key.key.name).await.unwrap()
}

/// What a ring is called, as restoring must be confirmed.
async fn name(company: &Company, ring: &Ring) -> String {
    platform(&company.store).rings().get(ring.id).await.unwrap().name
}

async fn narrow(store: &Store, ring: &Ring, to: TenantId) {
    let edit = RingEdit::new().audience(Audience::tenant(to));
    platform(store).rings().edit(ring.id, 1, edit).await.unwrap();
}

on_both_stores! {
    unwatched;

    async fn a_tenant_that_left_a_ring_is_in_its_roots_until_they_are_over(company: Company) {
        let key = company.key("import").await;
        let names = ["a", "b", "c", "d", "e", "f"];
        let keys = names.map(|name| NewKey::for_tenant(company.readonly.id, name, MONTH));
        let keys = company.as_ada.keys().generate_batch(keys.to_vec()).await.unwrap();
        let (other, _) = other_tenant(&company).await;
        let both = Audience::Tenants([company.tenant.id, other].into());
        for (audience, keys) in [both, Audience::Everyone].into_iter().zip(keys.chunks(3)) {
            let ring = Ring::new(&company.store, audience).await;
            let first = ring.publish().await;
            let over = first.issued_at + TimeDelta::days(1);
            let before = ring.bytes();
            narrow(&company.store, &ring, other).await;
            let ended = end(&company.as_ada, &keys[0]).await;
            assert_eq!(ended.publications.rings().len(), 1);
            assert_eq!(ended.publications.denied_by(), DeniedBy::Time(over));
            assert!(!ended.publications.all_published());
            company.store.attach(&ring.publisher);
            let ended = end(&company.as_ada, &keys[1]).await;
            assert_eq!(ended.publications.denied_by(), DeniedBy::Time(over));
            assert!(ended.publications.all_published());
            for key in keys.iter().chain([&key]) {
                assert_eq!(ring.denial(&company, text(key)), "unknown_key");
                assert_eq!(ring.denial_by(before.clone(), &company, text(key)), "verified");
            }
            company.advance(TimeDelta::days(1));
            let ended = end(&company.as_ada, &keys[2]).await;
            assert!(ended.publications.rings().is_empty());
            assert_eq!(ended.publications.denied_by(), DeniedBy::Now);
            for key in keys.iter().chain([&key]) {
                assert_ne!(ring.denial_by(before.clone(), &company, text(key)), "verified");
            }
            company.store.detach(ring.id);
        }
    }

    async fn an_audience_that_is_edited_in_mid_draft_is_that_of_the_root(company: Company) {
        let key = company.key("a").await;
        let (other, as_other) = other_tenant(&company).await;
        let role = as_other.roles().named("READONLY").await.unwrap().id;
        let theirs = as_other.keys().generate(NewKey::for_tenant(role, "x", MONTH)).await.unwrap();
        let ring = Ring::new(&company.store, Audience::Tenants([company.tenant.id, other].into())).await;
        let (id, store, as_ada, ended) = (ring.id, company.store.clone(), company.as_ada.clone(), key.key.id);
        let meanwhile = async move {
            let edit = RingEdit::new().audience(Audience::tenant(other));
            platform(&store).rings().edit(id, 1, edit).await.unwrap();
            as_ada.keys().expire_now(ended, LEAKED, "a").await.unwrap();
        };
        let destination = Interrupted::new(BundleFile::new(ring.path()), meanwhile);
        let published = Publisher::new(&company.store, ring.id, destination).publish().await.unwrap();
        assert!(published.whole);
        assert_eq!(ring.denial(&company, text(&key)), "unknown_key");
        assert_eq!(ring.denial(&company, text(&theirs)), "verified");
        assert!(!ring.publish().await.whole);
    }

    async fn a_tenant_that_comes_to_the_audience_in_mid_draft_is_in_the_root(company: Company) {
        let key = company.key("a").await;
        let (_, as_other) = other_tenant(&company).await;
        let role = as_other.roles().named("READONLY").await.unwrap().id;
        let new = |name: &str| NewKey::for_tenant(role, name, MONTH);
        let theirs = as_other.keys().generate_batch(vec![new("x"), new("y")]).await.unwrap();
        let ring = Ring::new(&company.store, Audience::tenant(company.tenant.id)).await;
        let (id, store) = (ring.id, company.store.clone());
        let meanwhile = async move {
            platform(&store).rings().edit(id, 1, RingEdit::new().audience(Audience::Everyone)).await.unwrap();
        };
        let destination = Interrupted::new(BundleFile::new(ring.path()), meanwhile);
        Publisher::new(&company.store, ring.id, destination).publish().await.unwrap();
        for key in theirs.iter().chain([&key]) {
            assert_eq!(ring.denial(&company, text(key)), "verified");
        }
        end(&as_other, &theirs[0]).await;
        ring.publish().await;
        assert_eq!(ring.denial(&company, text(&theirs[0])), "revoked");
    }

    async fn a_keyring_key_that_is_rotated_in_mid_draft_is_that_of_the_root(company: Company) {
        let key = company.key("a").await;
        let mut ring = Ring::new(&company.store, Audience::Everyone).await;
        platform(&company.store).rings().prepare_key(ring.id).await.unwrap();
        let (id, store) = (ring.id, company.store.clone());
        let meanwhile = async move {
            platform(&store).rings().use_next_key(id).await.unwrap();
        };
        let destination = Interrupted::new(BundleFile::new(ring.path()), meanwhile);
        Publisher::new(&company.store, ring.id, destination).publish().await.unwrap();
        let texts = platform(&company.store).rings().reveal_keys(ring.id).await.unwrap();
        let keys: Vec<_> = texts.iter().map(|text| KeyringKey::parse(text.expose()).unwrap()).collect();
        // The new one alone.
        ring.keys.clone_from(&keys[..1].to_vec());
        assert_eq!(ring.denial(&company, text(&key)), "verified");
        assert!(!ring.publish().await.whole);
        assert_eq!(ring.denial(&company, text(&key)), "verified");
    }

    async fn a_destination_that_was_rolled_back_is_told_and_brings_no_key_back(company: Company) {
        let (leaked, revoked) = (company.key("a").await, company.key("b").await);
        let ring = Ring::new(&company.store, Audience::Everyone).await;
        let first = ring.publish().await;
        let old = ring.bytes();
        company.store.attach(&ring.publisher);
        let again = company.as_ada.keys().regenerate(leaked.key.id, "a").await.unwrap();
        end(&company.as_ada, &revoked).await;
        let dead = || {
            assert_eq!(ring.denial(&company, text(&leaked)), "bad_secret");
            assert_eq!(ring.denial(&company, text(&revoked)), "revoked");
            assert_eq!(ring.denial(&company, text(&again)), "verified");
        };
        dead();
        // A root that the store still knows is a place to go on from.
        std::fs::write(ring.path(), &old).unwrap();
        assert!(ring.publish().await.whole);
        dead();
        // One that it has forgotten is not.
        company.advance(TimeDelta::hours(25));
        let last = ring.publish().await;
        std::fs::write(ring.path(), &old).unwrap();
        // So that it is due.
        company.advance(TimeDelta::minutes(1));
        let name = name(&company, &ring).await;
        let operator = platform(&company.store);
        for outcome in [
            ring.publisher.publish().await.map(drop),
            ring.publisher.publish_if_due().await.map(drop),
            ring.publisher.restore(&operator, &name, &[]).await.map(drop),
        ] {
            let error = outcome.unwrap_err();
            assert_eq!(error.code(), "destination_rolled_back");
            assert!(
                matches!(error, PublishError::RolledBack { ring: rolled_back, epoch, published }
                    if (rolled_back, epoch, published) == (ring.id, first.epoch, last.epoch)),
                "{error}"
            );
        }
        let other = company.key("c").await;
        let ended = end(&company.as_ada, &other).await;
        assert_eq!(ended.publications.denied_by(), DeniedBy::Unknown);
        let PublicationOutcome::Failed(error) = &ended.publications.rings()[0].outcome else { panic!("{ended:?}") };
        assert_eq!(error.code(), "destination_rolled_back");
        let whole = ring.publisher.publish_whole().await.unwrap();
        assert!(whole.whole && whole.epoch > last.epoch);
        dead();
        assert!(!ring.publish().await.whole);
        dead();
        assert_eq!(ring.denial(&company, text(&other)), "revoked");
    }

    async fn a_destination_that_was_emptied_is_told_and_brings_no_key_back(company: Company) {
        let (key, other) = (company.key("a").await, company.key("b").await);
        let ring = Ring::new(&company.store, Audience::Everyone).await;
        let first = ring.publish().await;
        let copy = company.place.copy().await;
        let backup = Store::open_with_clock(&copy.location, &company.master_key, company.clock.clone()).await.unwrap();
        end(&company.as_ada, &key).await;
        let last = ring.publish().await;
        std::fs::remove_file(ring.path()).unwrap();
        let of_backup = Publisher::new(&backup, ring.id, BundleFile::new(ring.path()));
        for (publisher, epoch) in [(&of_backup, first.epoch), (&ring.publisher, last.epoch)] {
            let error = publisher.publish().await.unwrap_err();
            assert_eq!(error.code(), "destination_emptied");
            assert!(
                matches!(error, PublishError::Emptied { ring: emptied, published } if (emptied, published) == (ring.id, epoch)),
                "{error}"
            );
            assert!(!ring.path().exists());
        }
        company.store.attach(&ring.publisher);
        let ended = end(&company.as_ada, &other).await;
        assert_eq!((ended.publications.denied_by(), ended.publications.all_published()), (DeniedBy::Unknown, false));
        let whole = ring.publisher.publish_whole().await.unwrap();
        assert!(whole.whole && whole.epoch > last.epoch);
        for key in [&key, &other] {
            assert_eq!(ring.denial(&company, text(key)), "revoked");
        }
        assert!(!ring.publish().await.whole);
    }

    async fn many_policies_that_change_here_and_there_are_published_with_what_changed_alone(company: Company) {
        let groups = company.as_ada.key_groups();
        let group = groups.create(NewKeyGroup::new("partners")).await.unwrap().id;
        let new = |number: usize| {
            let name = number.to_string();
            let new = NewKey::for_tenant(company.readonly.id, &name, MONTH).external_id(&name);
            if number.is_multiple_of(2) { new.in_group(group) } else { new }
        };
        let keys = company.as_ada.keys().generate_batch((0..2200).map(new).collect()).await.unwrap();
        let ring = Ring::new(&company.store, Audience::Everyone).await;
        ring.publish().await;
        for expected in ["disabled", "verified"] {
            if expected == "disabled" {
                groups.switch_off(group).await.unwrap();
            } else {
                groups.switch_on(group).await.unwrap();
            }
            let published = ring.publish().await;
            assert!(!published.whole);
            let anew = Ring::new(&company.store, Audience::Everyone).await;
            anew.publish().await;
            assert_eq!(ring.contents(company.now()), anew.contents(company.now()));
            let (verifier, now) = (ring.verifier(&company), u64::try_from(company.now().timestamp()).unwrap());
            for (number, key) in keys.iter().enumerate() {
                let verdict = verifier.verify_key(text(key), &RequestContext::at(now));
                let said = verdict.denial().map_or("verified", claviger_core::DenialCode::as_str);
                assert_eq!(said, if number.is_multiple_of(2) { expected } else { "verified" }, "{number}");
            }
        }
    }

    async fn a_signed_key_that_was_ended_stays_so_after_the_clock_was_wrong(company: Company) {
        let secret = company.issuing_secret().await;
        let new = |name: &str| NewKey::for_tenant(company.readonly.id, name, MONTH).signed_by(secret);
        let signed = company.as_ada.keys().generate_batch(vec![new("revoked"), new("deleted")]).await.unwrap();
        let other = company.key("other").await;
        let ring = Ring::new(&company.store, Audience::Everyone).await;
        ring.publish().await;
        assert!(signed.iter().all(|key| ring.denial(&company, text(key)) == "verified"));
        end(&company.as_ada, &signed[0]).await;
        company.as_ada.keys().delete(signed[1].key.id, "deleted").await.unwrap();
        ring.publish().await;
        let dead = || signed.iter().all(|key| ring.denial(&company, text(key)) == "revoked");
        assert!(dead());
        for whole in [false, true] {
            company.advance(TimeDelta::days(40));
            company.as_ada.keys().deactivate(other.key.id).await.unwrap();
            // One of these is beside the keys that were ended.
            for number in 0..8 {
                company.key(&format!("{whole} {number}")).await;
            }
            if whole {
                ring.publisher.publish_whole().await.unwrap();
            } else {
                ring.publish().await;
            }
            company.advance(TimeDelta::days(-40));
            for _ in 0..2 {
                ring.publish().await;
                assert!(dead(), "as the clock says now, their texts are not over");
            }
            company.as_ada.keys().activate(other.key.id).await.unwrap();
            ring.publish().await;
            assert!(dead());
        }
    }

    async fn a_part_that_cannot_be_removed_stays_and_the_ring_is_published(company: Company) {
        let keys = [company.key("a").await, company.key("b").await];
        let ring = Ring::new(&company.store, Audience::Everyone).await;
        let folder = tempfile::tempdir().unwrap();
        let publisher = Publisher::new(&company.store, ring.id, Kept(Directory::new(folder.path())));
        let parts = || std::fs::read_dir(folder.path().join("parts")).unwrap().count();
        publisher.publish().await.unwrap();
        company.store.attach(&publisher);
        end(&company.as_ada, &keys[0]).await;
        let before = parts();
        company.advance(TimeDelta::hours(25));
        for _ in 0..2 {
            publisher.publish().await.unwrap();
            assert_eq!(parts(), before);
        }
        let ended = end(&company.as_ada, &keys[1]).await;
        assert!(ended.publications.all_published(), "{ended:?}");
        company.advance(TimeDelta::hours(25));
        publisher.publish().await.unwrap();
        // As soon as they can be, they are.
        company.advance(TimeDelta::hours(25));
        let allowed = Publisher::new(&company.store, ring.id, Directory::new(folder.path()));
        allowed.publish().await.unwrap();
        company.advance(TimeDelta::hours(25));
        allowed.publish().await.unwrap();
        let (another, elsewhere) =
            (Ring::new(&company.store, Audience::Everyone).await, tempfile::tempdir().unwrap());
        let anew = Publisher::new(&company.store, another.id, Directory::new(elsewhere.path()));
        anew.publish().await.unwrap();
        assert_eq!(parts(), std::fs::read_dir(elsewhere.path().join("parts")).unwrap().count());
    }

    async fn a_retired_ring_counts_until_its_roots_are_over(company: Company) {
        let keys = [company.key("a").await, company.key("b").await];
        let ring = Ring::new(&company.store, Audience::Everyone).await;
        let first = ring.publish().await;
        company.store.attach(&ring.publisher);
        let name = name(&company, &ring).await;
        platform(&company.store).rings().retire(ring.id, &name).await.unwrap();
        let ended = end(&company.as_ada, &keys[0]).await;
        let publication = &ended.publications.rings()[0];
        assert!(matches!(publication.outcome, PublicationOutcome::Retired), "{publication:?}");
        assert_eq!(publication.denied_by, DeniedBy::Time(first.issued_at + TimeDelta::days(1)));
        assert!(!ended.publications.all_published());
        company.advance(TimeDelta::days(1));
        let ended = end(&company.as_ada, &keys[1]).await;
        assert!(ended.publications.rings().is_empty());
        assert_eq!((ended.publications.denied_by(), ended.publications.all_published()), (DeniedBy::Now, true));
    }

    async fn a_ring_that_was_never_published_denies_now(company: Company) {
        let key = company.key("a").await;
        let ring = Ring::new(&company.store, Audience::Everyone).await;
        let ended = end(&company.as_ada, &key).await;
        assert_eq!(ended.publications.rings()[0].ring, ring.id);
        assert_eq!((ended.publications.denied_by(), ended.publications.denied_by().time()), (DeniedBy::Now, None));
    }
}

/// Some four thousand secrets take their time.
#[tokio::test]
async fn secrets_that_a_keyring_has_no_room_for_do_not_stop_what_is_ended() {
    let company = Company::in_place(Place::sqlite().await).await;
    let secrets = company.operator.shared_secrets();
    let first = secrets.create(NewSharedSecret::issuing("first")).await.unwrap().id;
    let new = |secret| NewKey::for_tenant(company.readonly.id, "signed", MONTH).signed_by(secret);
    let good = company.as_ada.keys().generate(new(first)).await.unwrap();
    let leaked = company.key("a").await;
    let ring = Ring::new(&company.store, Audience::Everyone).await;
    assert_eq!(ring.publish().await.left_out_secrets, 0);
    for number in 1..4096 {
        secrets.create(NewSharedSecret::integration(&number.to_string())).await.unwrap();
    }
    assert_eq!(ring.publish().await.left_out_secrets, 0);
    company.advance(TimeDelta::seconds(1));
    let last = secrets.create(NewSharedSecret::issuing("last")).await.unwrap().id;
    let denied = company.as_ada.keys().generate(new(last)).await.unwrap();
    end(&company.as_ada, &leaked).await;
    for published in [ring.publisher.publish().await, ring.publisher.publish_whole().await] {
        assert_eq!(published.unwrap().left_out_secrets, 1);
        assert_eq!(ring.denial(&company, text(&leaked)), "revoked");
        assert_eq!(ring.denial(&company, text(&good)), "verified");
        assert_ne!(ring.denial(&company, text(&denied)), "verified");
    }
    secrets.retire(first, "first").await.unwrap();
    assert_eq!(ring.publish().await.left_out_secrets, 0);
    assert_eq!(ring.denial(&company, text(&denied)), "verified");
    assert_ne!(ring.denial(&company, text(&good)), "verified");
}

/// The lock is a file beside the database: if somebody removes it, two publish at once.
#[tokio::test]
async fn without_the_lock_no_key_gets_the_policy_of_another() {
    let company = Company::in_place(Place::sqlite().await).await;
    let new = |number: usize| {
        NewKey::for_tenant(company.readonly.id, &format!("k{number}"), MONTH)
            .external_id(&format!("x{number}"))
    };
    let keys = company.as_ada.keys().generate_batch((0..60).map(new).collect()).await.unwrap();
    // One that stands in a chunk with a later one.
    let bucket = |number: usize| keys[number].key.id.as_u64() >> 60;
    let removed =
        (0..60).find(|&number| (number + 1..60).any(|later| bucket(later) == bucket(number))).unwrap();
    let ring = Ring::new(&company.store, Audience::Everyone).await;
    let location = &company.place.location;
    let other = Store::open_with_clock(location, &company.master_key, company.clock.clone()).await.unwrap();
    let ((began, has_begun), (go_on, goes_on)) = (oneshot::channel(), oneshot::channel());
    let waits = async move {
        began.send(()).unwrap();
        goes_on.await.unwrap();
    };
    let second = Publisher::new(&other, ring.id, Interrupted::new(BundleFile::new(ring.path()), waits));
    let (result, task) = oneshot::channel();
    let (as_ada, id) = (company.as_ada.clone(), keys[removed].key.id);
    let folder = std::path::Path::new(location).parent().unwrap().to_owned();
    let meanwhile = async move {
        as_ada.keys().delete(id, &format!("k{removed}")).await.unwrap();
        let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
        let locks: Vec<_> = files.filter(|path| path.extension().is_some_and(|end| end == "lock")).collect();
        assert_eq!(locks.len(), 1);
        std::fs::remove_file(&locks[0]).unwrap();
        let task = tokio::spawn(async move { second.publish().await });
        has_begun.await.unwrap();
        drop(result.send(task));
    };
    let first =
        Publisher::new(&company.store, ring.id, Interrupted::new(BundleFile::new(ring.path()), meanwhile));
    first.publish().await.unwrap();
    let right = || {
        let (verifier, now) = (ring.verifier(&company), u64::try_from(company.now().timestamp()).unwrap());
        for (number, key) in keys.iter().enumerate() {
            let verdict = verifier.verify_key(text(key), &RequestContext::at(now)).into_result();
            if number == removed {
                assert!(verdict.is_err());
            } else {
                let policy = verdict.unwrap().policy.unwrap();
                assert_eq!(policy.external_id(), Some(&*format!("x{number}")));
            }
        }
    };
    right();
    go_on.send(()).unwrap();
    task.await.unwrap().await.unwrap().unwrap();
    right();
    first.publish().await.unwrap();
    right();
}

#[test]
fn keys_that_are_ended_at_once_are_all_published_whatever_threads_there_are() {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.worker_threads(2).max_blocking_threads(2).enable_all();
    runtime.build().unwrap().block_on(async {
        let company = Company::in_place(Place::sqlite().await).await;
        let new = |number: usize| NewKey::for_tenant(company.readonly.id, &format!("k{number}"), MONTH);
        let keys = company.as_ada.keys().generate_batch((0..24).map(new).collect()).await.unwrap();
        let ring = Ring::new(&company.store, Audience::Everyone).await;
        let folder = tempfile::tempdir().unwrap();
        let publisher = Publisher::new(&company.store, ring.id, Directory::new(folder.path()));
        let first = publisher.publish().await.unwrap();
        company.store.attach(&publisher);
        let mut ending = tokio::task::JoinSet::new();
        for key in &keys {
            let (session, id, name) = (company.as_ada.clone(), key.key.id, key.key.name.clone());
            ending.spawn(async move { session.keys().expire_now(id, LEAKED, &name).await.unwrap() });
        }
        while let Some(ended) = ending.join_next().await {
            let ended = ended.unwrap();
            assert!(ended.publications.all_published(), "{ended:?}");
            assert!(ended.publications.rings()[0].epoch().unwrap() > first.epoch);
        }
        // To a bundle file, to look at it.
        std::fs::remove_dir_all(folder.path()).unwrap();
        ring.publisher.publish_whole().await.unwrap();
        assert!(keys.iter().all(|key| ring.denial(&company, text(key)) == "revoked"));
    });
}
