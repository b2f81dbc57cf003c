//! What must not bring a dead key back: a backup of the store that was restored. What is at the destination decides against
//! a key, never for it.

use crate::{
    company::{Company, on_both_stores},
    keys::{is_good, text},
    ring::{Ring, platform},
};
use chrono::TimeDelta;
use claviger_core::{
    BundleHead, KeyKind, KeyRecord, KeyringBuilder, KeyringKey, KeyringReader, KeyringTerms, OpaqueUse,
    VerifierValue, bundle_head_len, generate_opaque_key, parse,
};
use claviger_sdk::{
    Actor, Audience, BundleFile, DeniedBy, Directory, Generated, KeyEdit, Lifetime, NewKey, NewKeyGroup,
    NewPersonalKey, NewSharedSecret, PersonId, PublicationOutcome, PublishError, Publisher, Restored,
    RevocationReason, RingEdit, Session, Store,
};

const MONTH: Lifetime = Lifetime::days(30);
const LEAKED: RevocationReason = RevocationReason::Compromised;

/// A company as a backup of its store has it, and a publisher to where its ring is published.
struct Backup {
    company: Company,
    publisher: Publisher,
    ring_name: String,
}

impl Backup {
    /// As the store is now. What comes next comes later.
    async fn of(company: &Company, ring: &Ring) -> Self {
        let place = company.place.copy().await;
        let master_key = company.master_key.clone();
        let store =
            Store::open_with_clock(&place.location, &master_key, company.clock.clone()).await.unwrap();
        let publisher = Publisher::new(&store, ring.id, BundleFile::new(ring.path()));
        let ring_name = platform(&store).rings().get(ring.id).await.unwrap().name;
        let backup = Company {
            place,
            master_key,
            clock: company.clock.clone(),
            operator: platform(&store).in_tenant(company.tenant.id),
            tenant: company.tenant.clone(),
            admin: company.admin.clone(),
            readonly: company.readonly.clone(),
            ada: company.ada.clone(),
            as_ada: store.acting_as(Actor::user(company.ada.id)),
            store,
        };
        company.advance(TimeDelta::seconds(10));
        Self { company: backup, publisher, ring_name }
    }

    async fn try_restore(&self, keys: &[KeyringKey]) -> Result<Restored, PublishError> {
        self.publisher.restore(&platform(&self.company.store), &self.ring_name, keys).await
    }

    /// Restores, and publishes as the next publication does.
    async fn restore(&self) -> Restored {
        let restored = self.try_restore(&[]).await.unwrap();
        assert!(self.publisher.publish().await.unwrap().whole);
        restored
    }

    fn acting_as(&self, person: PersonId) -> Session {
        self.company.store.acting_as(Actor::user(person))
    }
}

fn refused<T: std::fmt::Debug>(outcome: Result<T, PublishError>) -> &'static str {
    outcome.expect_err("it must be refused").code()
}

/// A ring for everyone, published.
async fn published(company: &Company) -> Ring {
    let ring = Ring::new(&company.store, Audience::Everyone).await;
    ring.publish().await;
    ring
}

async fn end(session: &Session, key: &Generated) {
    session.keys().expire_now(key.key.id, LEAKED, &key.key.name).await.unwrap();
}

/// A root that somebody makes who has the keyring key and may write to the destination: in it, `key` has another secret.
/// The text with that secret.
fn forge(ring: &Ring, company: &Company, key: &Generated) -> String {
    let mut entropy = [7; 40];
    entropy[..8].copy_from_slice(&key.key.id.as_u64().to_be_bytes());
    let (_, forged) = generate_opaque_key(&key.key.prefix, OpaqueUse::Bearer, &entropy);
    let value = VerifierValue::of_key(&parse(forged.expose()).unwrap()).unwrap();
    let bytes = ring.bytes();
    let head = bundle_head_len(&bytes, bytes.len() as u64).unwrap();
    let head = BundleHead::read(&bytes[..head], bytes.len() as u64).unwrap();
    let reader = KeyringReader::open(head.root(), &ring.keys).unwrap();
    let mut builder = KeyringBuilder::new(&ring.keys[0], KeyringTerms::new(reader.keyring_id()), 1);
    let page = head.part(reader.buckets() as usize).unwrap();
    let page = &bytes[usize::try_from(page.start).unwrap()..usize::try_from(page.end).unwrap()];
    let page = builder.set_page(0, &reader.read_page(0, page).unwrap()).unwrap();
    let record = KeyRecord::new(key.key.id, KeyKind::Opaque, value, 0);
    let chunk = builder.set_bucket(builder.bucket_of(key.key.id), &[record]).unwrap().unwrap();
    let now = u64::try_from(company.now().timestamp()).unwrap();
    let root = builder.finish(reader.epoch() + 5, now).unwrap();
    let parts = [page, chunk];
    let part = |hash: &[u8; 32]| parts.iter().find(|part| part.hash == *hash).map(|part| &part.bytes[..]);
    std::fs::write(ring.path(), builder.bundle(&root, part).unwrap()).unwrap();
    forged.expose().to_owned()
}

on_both_stores! {
    unwatched;

    async fn what_was_ended_after_the_backup_stays_ended(company: Company) {
        let keys = [company.key("a").await, company.key("b").await, company.key("c").await, company.key("d").await];
        let ring = published(&company).await;
        let backup = Backup::of(&company, &ring).await;
        end(&company.as_ada, &keys[0]).await;
        company.as_ada.keys().delete(keys[1].key.id, "b").await.unwrap();
        company.as_ada.keys().deactivate(keys[2].key.id).await.unwrap();
        let last = ring.publish().await;
        for refused in [backup.publisher.publish().await, backup.publisher.publish_whole().await] {
            let error = refused.unwrap_err();
            assert!(
                matches!(error, PublishError::Behind { ring: behind, epoch } if (behind, epoch) == (ring.id, last.epoch)),
                "{error}"
            );
        }
        let restored = backup.try_restore(&[]).await.unwrap();
        assert_eq!((restored.revoked, restored.deactivated), (1, 1));
        assert_eq!((&restored.missing, &restored.unknown), (&vec![keys[1].key.id], &vec![]));
        assert!(restored.without_secret.is_empty());
        let after = backup.publisher.publish().await.unwrap();
        assert!(after.whole && after.epoch > last.epoch);
        for (key, expected) in keys.iter().zip(["revoked", "revoked", "disabled", "verified"]) {
            assert_eq!(ring.denial(&company, text(key)), expected, "{}", key.key.name);
            assert_eq!(is_good(&backup.company, text(key)).await, expected == "verified");
        }
    }

    async fn a_signed_key_that_was_ended_after_the_backup_stays_ended(company: Company) {
        let secret = company.issuing_secret().await;
        let new = |name: &str| NewKey::for_tenant(company.readonly.id, name, MONTH).signed_by(secret);
        let keys = company.as_ada.keys().generate_batch(vec![new("a"), new("b"), new("c"), new("d")]).await.unwrap();
        let ring = published(&company).await;
        let backup = Backup::of(&company, &ring).await;
        end(&company.as_ada, &keys[0]).await;
        company.as_ada.keys().delete(keys[1].key.id, "b").await.unwrap();
        company.as_ada.keys().deactivate(keys[2].key.id).await.unwrap();
        ring.publish().await;
        let restored = backup.restore().await;
        assert_eq!((restored.revoked, restored.deactivated, restored.retired_versions), (2, 1, 0));
        for (key, expected) in keys.iter().zip(["revoked", "revoked", "disabled", "verified"]) {
            assert_eq!(ring.denial(&company, text(key)), expected, "{}", key.key.name);
        }
    }

    async fn a_secret_that_was_replaced_after_the_backup_is_dead_until_the_key_is_regenerated(company: Company) {
        let (leaked, other) = (company.key("a").await, company.key("b").await);
        let ring = published(&company).await;
        let backup = Backup::of(&company, &ring).await;
        let replaced = company.as_ada.keys().regenerate(leaked.key.id, "a").await.unwrap();
        ring.publish().await;
        assert_eq!(backup.restore().await.without_secret, [leaked.key.id]);
        for generated in [&leaked, &replaced] {
            assert_ne!(ring.denial(&company, text(generated)), "verified");
            assert!(!is_good(&backup.company, text(generated)).await);
        }
        assert_eq!(ring.denial(&company, text(&other)), "verified");
        backup.company.store.attach(&backup.publisher);
        let again = backup.company.as_ada.keys().regenerate(leaked.key.id, "a").await.unwrap();
        assert!(again.publications.all_published());
        for (generated, expected) in [(&leaked, "bad_secret"), (&replaced, "bad_secret"), (&again, "verified")] {
            assert_eq!(ring.denial(&company, text(generated)), expected);
            assert_eq!(is_good(&backup.company, text(generated)).await, expected == "verified");
        }
    }

    async fn a_secret_that_was_replaced_before_restoring_never_comes_back_from_the_destination(company: Company) {
        let leaked = company.key("a").await;
        let ring = published(&company).await;
        let backup = Backup::of(&company, &ring).await;
        ring.publish().await;
        let replaced = backup.company.as_ada.keys().regenerate(leaked.key.id, "a").await.unwrap();
        assert_eq!(backup.restore().await.without_secret, [leaked.key.id]);
        for generated in [&leaked, &replaced] {
            assert_ne!(ring.denial(&company, text(generated)), "verified");
            assert!(!is_good(&backup.company, text(generated)).await);
        }
        let again = backup.company.as_ada.keys().regenerate(leaked.key.id, "a").await.unwrap();
        backup.publisher.publish().await.unwrap();
        assert_eq!(ring.denial(&company, text(&again)), "verified");
        assert_eq!(ring.denial(&company, text(&leaked)), "bad_secret");
    }

    async fn a_secret_that_was_replaced_before_the_backup_is_not_in_it(company: Company) {
        let leaked = company.key("a").await;
        let ring = published(&company).await;
        let replaced = company.as_ada.keys().regenerate(leaked.key.id, "a").await.unwrap();
        ring.publish().await;
        let backup = Backup::of(&company, &ring).await;
        ring.publish().await;
        assert_eq!(backup.restore().await, Restored::default());
        assert_eq!(ring.denial(&company, text(&leaked)), "bad_secret");
        assert_eq!(ring.denial(&company, text(&replaced)), "verified");
    }

    async fn of_a_rotation_after_the_backup_the_old_secret_is_left_until_its_overlap_ends(company: Company) {
        let old = company.key("a").await;
        company.as_ada.keys().refresh(old.key.id).await.unwrap();
        let ring = published(&company).await;
        let backup = Backup::of(&company, &ring).await;
        let new = company.as_ada.keys().rotate(old.key.id, TimeDelta::hours(1)).await.unwrap();
        ring.publish().await;
        let restored = backup.restore().await;
        assert_eq!(restored.shortened, 1, "its lifetime began anew, and had been extended");
        let key = backup.company.as_ada.keys().get(old.key.id).await.unwrap();
        assert_eq!(key.expires_at, new.key.expires_at);
        assert_eq!(ring.denial(&company, text(&old)), "verified");
        assert_eq!(ring.denial(&company, text(&new)), "bad_secret");
        company.advance(TimeDelta::minutes(59));
        backup.publisher.publish().await.unwrap();
        assert_eq!(ring.denial(&company, text(&old)), "verified");
        company.advance(TimeDelta::minutes(1));
        backup.publisher.publish().await.unwrap();
        for generated in [&old, &new] {
            assert_ne!(ring.denial(&company, text(generated)), "verified");
            assert!(!is_good(&backup.company, text(generated)).await);
        }
    }

    async fn of_a_rotation_before_the_backup_that_secret_is_left_which_is_on_both_sides(company: Company) {
        let old = company.key("a").await;
        let new = company.as_ada.keys().rotate(old.key.id, TimeDelta::hours(1)).await.unwrap();
        let ring = published(&company).await;
        let backup = Backup::of(&company, &ring).await;
        // The older one ends now, and the present one at the end of the overlap.
        let newest = company.as_ada.keys().rotate(old.key.id, TimeDelta::hours(1)).await.unwrap();
        ring.publish().await;
        backup.restore().await;
        for (generated, expected) in [(&old, "bad_secret"), (&new, "verified"), (&newest, "bad_secret")] {
            assert_eq!(ring.denial(&company, text(generated)), expected);
            assert_eq!(is_good(&backup.company, text(generated)).await, expected == "verified");
        }
        company.advance(TimeDelta::hours(1));
        backup.publisher.publish().await.unwrap();
        for generated in [&old, &new, &newest] {
            assert_ne!(ring.denial(&company, text(generated)), "verified");
        }
    }

    async fn a_forged_root_makes_no_forged_key_good(company: Company) {
        let new = NewKey::for_tenant(company.admin.id, "root key", MONTH).confirming("ADMIN");
        let admin = company.as_ada.keys().generate(new).await.unwrap();
        let ring = published(&company).await;
        let name = platform(&company.store).rings().get(ring.id).await.unwrap().name;
        company.advance(TimeDelta::seconds(10));
        let forged = forge(&ring, &company, &admin);
        assert_eq!(ring.denial(&company, &forged), "verified", "by the forged root itself");
        assert_eq!(refused(ring.publisher.publish().await), "store_behind");
        let restored = ring.publisher.restore(&platform(&company.store), &name, &[]).await.unwrap();
        assert_eq!(restored.without_secret, [admin.key.id]);
        ring.publish().await;
        for text in [&forged, text(&admin)] {
            assert_ne!(ring.denial(&company, text), "verified");
            assert!(!is_good(&company, text).await);
        }
        let again = company.as_ada.keys().regenerate(admin.key.id, "root key").await.unwrap();
        ring.publish().await;
        for (text, expected) in [(&*forged, "bad_secret"), (text(&admin), "bad_secret"), (text(&again), "verified")] {
            assert_eq!(ring.denial(&company, text), expected);
            assert_eq!(is_good(&company, text).await, expected == "verified");
        }
    }

    async fn keys_from_after_the_backup_keep_their_ids_and_are_denied(company: Company) {
        let secret = company.issuing_secret().await;
        let ring = published(&company).await;
        let backup = Backup::of(&company, &ring).await;
        let opaque = company.key("opaque").await;
        let new = NewKey::for_tenant(company.readonly.id, "signed", MONTH).signed_by(secret);
        let signed = company.as_ada.keys().generate(new).await.unwrap();
        ring.publish().await;
        let mut restored = backup.restore().await;
        let mut ids = [opaque.key.id, signed.key.id];
        restored.unknown.sort();
        ids.sort();
        assert_eq!(restored.unknown, ids);
        for _ in 0..2 {
            assert_eq!(ring.denial(&company, text(&opaque)), "unknown_key");
            assert_eq!(ring.denial(&company, text(&signed)), "revoked");
            assert!(!is_good(&backup.company, text(&opaque)).await);
            company.advance(TimeDelta::days(10));
            backup.publisher.publish_whole().await.unwrap();
        }
        let session = &backup.company.as_ada;
        assert!(session.keys().list().await.unwrap().records.is_empty());
        assert!(session.keys().get(opaque.key.id).await.is_err());
    }

    async fn personal_keys_are_restored_like_others(company: Company) {
        let mut people = Vec::new();
        for name in ["Bob", "Eve", "Dan", "Fay"] {
            people.push(company.user(name, &["flights:view"]).await);
        }
        let mut keys = Vec::new();
        for (_, session) in &people[..3] {
            keys.push(session.personal_keys().generate(NewPersonalKey::new(MONTH)).await.unwrap());
        }
        let ring = published(&company).await;
        let backup = Backup::of(&company, &ring).await;
        let [(bob, as_bob), (eve, as_eve), (dan, as_dan), (fay, as_fay)] = people.try_into().ok().unwrap();
        as_bob.personal_keys().delete(bob.id, &bob.id.to_string()).await.unwrap();
        let name = &keys[1].key.id.to_string();
        keys.push(as_eve.personal_keys().regenerate(name).await.unwrap());
        as_dan.personal_keys().deactivate(dan.id).await.unwrap();
        keys.push(as_fay.personal_keys().generate(NewPersonalKey::new(MONTH)).await.unwrap());
        ring.publish().await;
        let restored = backup.restore().await;
        assert_eq!(restored.missing, [keys[0].key.id]);
        assert_eq!(restored.without_secret, [keys[1].key.id]);
        assert_eq!((restored.deactivated, restored.unknown), (1, vec![keys[4].key.id]));
        for key in &keys {
            assert_ne!(ring.denial(&company, text(key)), "verified");
            assert!(!is_good(&backup.company, text(key)).await);
        }
        // Whoever lost his can have another.
        let again = backup.acting_as(eve.id).personal_keys().regenerate(name).await.unwrap();
        let new = backup.acting_as(fay.id).personal_keys().generate(NewPersonalKey::new(MONTH)).await.unwrap();
        assert_ne!(new.key.id, keys[4].key.id);
        backup.publisher.publish().await.unwrap();
        assert_eq!(ring.denial(&company, text(&again)), "verified");
        assert_eq!(ring.denial(&company, text(&new)), "verified");
    }

    async fn the_operator_alone_restores_and_confirms_it_with_the_rings_name(company: Company) {
        let key = company.key("a").await;
        let ring = published(&company).await;
        let backup = Backup::of(&company, &ring).await;
        end(&company.as_ada, &key).await;
        ring.publish().await;
        let (operator, name) = (platform(&backup.company.store), &backup.ring_name);
        assert_eq!(refused(backup.publisher.restore(&operator, "another", &[]).await), "confirmation_needed");
        let as_ada = &backup.company.as_ada;
        assert_eq!(refused(backup.publisher.restore(as_ada, name, &[]).await), "operator_only");
        assert_eq!(refused(backup.publisher.publish().await), "store_behind");
        assert_eq!(as_ada.keys().get(key.key.id).await.unwrap().revocation, None);
        assert_eq!(backup.restore().await.revoked, 1);
        assert!(as_ada.keys().get(key.key.id).await.unwrap().revocation.is_some());
        let events = backup.company.operator.audit().list().of_action("key.revoked").limit(1).await.unwrap();
        assert!(events[0].details.contains("restored"), "{}", events[0].details);
    }

    async fn restoring_from_a_root_that_is_known_changes_nothing(company: Company) {
        let key = company.key("a").await;
        let ring = published(&company).await;
        let name = platform(&company.store).rings().get(ring.id).await.unwrap().name;
        let restore = async || ring.publisher.restore(&platform(&company.store), &name, &[]).await.unwrap();
        company.as_ada.keys().regenerate(key.key.id, "a").await.unwrap();
        let later = company.key("b").await;
        assert_eq!(restore().await, Restored::default());
        assert!(!ring.publish().await.whole);
        assert_eq!(ring.denial(&company, text(&later)), "verified");
        // Nor does a second time.
        let backup = Backup::of(&company, &ring).await;
        end(&company.as_ada, &later).await;
        ring.publish().await;
        assert_eq!(backup.restore().await.revoked, 1);
        assert_eq!(backup.try_restore(&[]).await.unwrap(), Restored::default());
    }

    async fn restoring_is_done_as_a_whole_or_not_at_all(company: Company) {
        let key = company.key("a").await;
        let ring = Ring::new(&company.store, Audience::Everyone).await;
        let folder = tempfile::tempdir().unwrap();
        let publisher = Publisher::new(&company.store, ring.id, Directory::new(folder.path()));
        publisher.publish().await.unwrap();
        let mut backup = Backup::of(&company, &ring).await;
        backup.publisher = Publisher::new(&backup.company.store, ring.id, Directory::new(folder.path()));
        end(&company.as_ada, &key).await;
        publisher.publish().await.unwrap();
        let (parts, away) = (folder.path().join("parts"), folder.path().join("away"));
        std::fs::rename(&parts, &away).unwrap();
        assert_eq!(refused(backup.try_restore(&[]).await), "part_missing");
        assert_eq!(refused(backup.publisher.publish_whole().await), "store_behind");
        assert_eq!(backup.company.as_ada.keys().get(key.key.id).await.unwrap().revocation, None);
        if parts.exists() {
            std::fs::remove_dir_all(&parts).unwrap();
        }
        std::fs::rename(&away, &parts).unwrap();
        assert_eq!(backup.restore().await.revoked, 1);
    }

    async fn keyring_keys_from_after_the_backup_are_given(company: Company) {
        let (key, other) = (company.key("a").await, company.key("b").await);
        let mut ring = published(&company).await;
        let backup = Backup::of(&company, &ring).await;
        let operator = platform(&company.store);
        operator.rings().prepare_key(ring.id).await.unwrap();
        operator.rings().use_next_key(ring.id).await.unwrap();
        let texts = operator.rings().reveal_keys(ring.id).await.unwrap();
        ring.keys = texts.iter().map(|text| KeyringKey::parse(text.expose()).unwrap()).collect();
        end(&company.as_ada, &key).await;
        ring.publish().await;
        assert_eq!(refused(backup.try_restore(&[]).await), "destination_unreadable");
        assert_eq!(backup.try_restore(&ring.keys[..1]).await.unwrap().revoked, 1);
        assert!(backup.publisher.publish().await.unwrap().whole);
        assert_eq!(ring.denial(&company, text(&key)), "revoked");
        assert_eq!(ring.denial(&company, text(&other)), "verified");
    }

    async fn a_keyring_key_that_was_prepared_before_the_backup_is_known(company: Company) {
        let key = company.key("a").await;
        let mut ring = published(&company).await;
        let operator = platform(&company.store);
        operator.rings().prepare_key(ring.id).await.unwrap();
        let backup = Backup::of(&company, &ring).await;
        operator.rings().use_next_key(ring.id).await.unwrap();
        let texts = operator.rings().reveal_keys(ring.id).await.unwrap();
        ring.keys = texts.iter().map(|text| KeyringKey::parse(text.expose()).unwrap()).collect();
        end(&company.as_ada, &key).await;
        ring.publish().await;
        assert_eq!(backup.restore().await.revoked, 1);
        assert_eq!(ring.denial(&company, text(&key)), "revoked");
    }

    async fn versions_of_shared_secrets_end_if_there_is_a_newer_one_there_or_they_are_gone(company: Company) {
        for gone in [false, true] {
            let secrets = company.operator.shared_secrets();
            let name = if gone { "gone" } else { "rotated" };
            let secret = secrets.create(NewSharedSecret::issuing(name)).await.unwrap().id;
            let new = |name: &str| NewKey::for_tenant(company.readonly.id, name, MONTH).signed_by(secret);
            let signed = company.as_ada.keys().generate(new("signed")).await.unwrap();
            company.advance(TimeDelta::seconds(10));
            let ring = published(&company).await;
            let backup = Backup::of(&company, &ring).await;
            if gone {
                secrets.retire(secret, name).await.unwrap();
            } else {
                secrets.rotate(secret, TimeDelta::hours(1)).await.unwrap();
            }
            ring.publish().await;
            assert_eq!(backup.restore().await.retired_versions, 1);
            for _ in 0..2 {
                assert_ne!(ring.denial(&company, text(&signed)), "verified");
                company.advance(TimeDelta::hours(2));
                backup.publisher.publish().await.unwrap();
            }
            // Another version makes keys that are good.
            backup.company.operator.shared_secrets().rotate(secret, TimeDelta::zero()).await.unwrap();
            let again = backup.company.as_ada.keys().generate(new("again")).await.unwrap();
            backup.publisher.publish().await.unwrap();
            assert_eq!(ring.denial(&company, text(&again)), "verified");
            // So that the next of the two is alone.
            secrets.retire(secret, name).await.ok();
        }
    }

    async fn signing_that_was_forbidden_after_the_backup_stays_forbidden(company: Company) {
        let secrets = company.operator.shared_secrets();
        // One that is rotated there has another prefix, so that it ends no version of the others.
        let prefixes = &company.tenant.key_prefixes;
        let create = async |name: &str, prefix: usize| {
            let new = NewSharedSecret::issuing(name).key_prefix(prefixes[prefix]).for_signing();
            secrets.create(new).await.unwrap().id
        };
        let (stays, forbidden) = (create("stays", 0).await, create("forbidden", 0).await);
        let gone = create("gone", 1).await;
        let allowed = company.issuing_secret().await;
        let ring = published(&company).await;
        let backup = Backup::of(&company, &ring).await;
        secrets.forbid_signing(forbidden).await.unwrap();
        secrets.forbid_signing(gone).await.unwrap();
        secrets.rotate(gone, TimeDelta::zero()).await.unwrap();
        secrets.allow_signing(allowed).await.unwrap();
        ring.publish().await;
        // Of what is newer than the root that is there, the root says nothing.
        company.advance(TimeDelta::seconds(10));
        let theirs = backup.company.operator.shared_secrets();
        let newer = theirs.create(NewSharedSecret::issuing("newer").for_signing()).await.unwrap().id;
        let restored = backup.restore().await;
        assert_eq!((restored.signing_forbidden, restored.retired_versions), (2, 1));
        for (secret, may_sign) in [(stays, true), (forbidden, false), (gone, false), (allowed, false), (newer, true)] {
            assert_eq!(theirs.get(secret).await.unwrap().may_sign, may_sign);
        }
        let contents = ring.contents(company.now());
        let may_sign = contents.secrets.values().filter(|said| said.may_sign).count();
        assert_eq!((contents.secrets.len(), may_sign), (4, 2));
        let event = backup.company.last_event("shared_secret.signing_forbidden").await.unwrap();
        assert!(event.details.contains("restored"), "{}", event.details);
    }

    async fn what_tenants_lost_that_came_to_the_ring_after_the_backup_is_taken_over(company: Company) {
        let other = company.other_tenant().await;
        let tenants = platform(&company.store).tenants().list().await.unwrap();
        let other_id = tenants.iter().find(|tenant| tenant.name == "Other").unwrap().id;
        let role = other.roles().named("READONLY").await.unwrap().id;
        let new = |name: &str| NewKey::for_tenant(role, name, MONTH);
        let both = Audience::Tenants([company.tenant.id, other_id].into());
        let edit = RingEdit::new().audience(both);
        for first_given_back in [false, true] {
            let ours = company.key(if first_given_back { "a" } else { "b" }).await;
            let theirs = other.keys().generate_batch(vec![new("x"), new("y"), new("z")]).await.unwrap();
            let ring = Ring::new(&company.store, Audience::tenant(company.tenant.id)).await;
            ring.publish().await;
            let backup = Backup::of(&company, &ring).await;
            platform(&company.store).rings().edit(ring.id, 1, edit.clone()).await.unwrap();
            end(&company.as_ada, &ours).await;
            end(&other, &theirs[0]).await;
            ring.publish().await;
            let operator = platform(&backup.company.store);
            other.keys().delete(theirs[1].key.id, "y").await.unwrap();
            ring.publish().await;
            if first_given_back {
                operator.rings().edit(ring.id, 1, edit.clone()).await.unwrap();
            }
            let restored = backup.restore().await;
            assert_eq!((restored.revoked, &restored.unknown), (2, &vec![]));
            assert_eq!(restored.missing, [theirs[1].key.id]);
            assert_eq!(ring.denial(&company, text(&ours)), "revoked");
            if !first_given_back {
                operator.rings().edit(ring.id, 1, edit.clone()).await.unwrap();
                backup.publisher.publish().await.unwrap();
            }
            for (key, dead) in theirs.iter().zip([true, true, false]) {
                assert_eq!(ring.denial(&company, text(key)) != "verified", dead, "{}", key.key.name);
            }
        }
    }

    async fn a_key_whose_group_or_owner_is_off_there_is_deactivated_and_nothing_else(company: Company) {
        let keys = [company.key("a").await, company.key("b").await, company.key("c").await];
        let ring = published(&company).await;
        let backup = Backup::of(&company, &ring).await;
        let groups = company.as_ada.key_groups();
        let group = groups.create(NewKeyGroup::new("quarantine")).await.unwrap().id;
        groups.switch_off(group).await.unwrap();
        company.as_ada.keys().edit(keys[0].key.id, 1, KeyEdit::new().group(group)).await.unwrap();
        let owner = keys[1].key.owner.person().unwrap();
        company.as_ada.people().deactivate(owner).await.unwrap();
        ring.publish().await;
        let restored = backup.restore().await;
        assert_eq!((restored.deactivated, restored.switched_off), (2, 0));
        let as_ada = &backup.company.as_ada;
        assert!(as_ada.key_groups().list().await.unwrap().iter().all(|group| group.switched_on));
        assert!(as_ada.people().get(owner).await.unwrap().active);
        for (key, expected) in keys.iter().zip(["disabled", "disabled", "verified"]) {
            assert_eq!(ring.denial(&company, text(key)), expected, "{}", key.key.name);
        }
        // The group of all three goes off and on: that wakes none of them.
        let default = as_ada.key_groups().list().await.unwrap()[0].id;
        as_ada.key_groups().switch_off(default).await.unwrap();
        as_ada.key_groups().switch_on(default).await.unwrap();
        backup.publisher.publish().await.unwrap();
        for (key, expected) in keys.iter().zip(["disabled", "disabled", "verified"]) {
            assert_eq!(ring.denial(&company, text(key)), expected, "{}", key.key.name);
        }
    }

    async fn a_tenant_that_is_off_there_is_switched_off(company: Company) {
        let keys = [company.key("a").await, company.key("b").await];
        let ring = published(&company).await;
        let backup = Backup::of(&company, &ring).await;
        company.operator.tenants().switch_off(company.tenant.id, "Northwind").await.unwrap();
        ring.publish().await;
        let restored = backup.restore().await;
        assert_eq!((restored.deactivated, restored.switched_off), (0, 1));
        let tenant = platform(&backup.company.store).tenants().get(company.tenant.id).await.unwrap();
        assert!(!tenant.switched_on);
        for key in &keys {
            assert_eq!(ring.denial(&company, text(key)), "disabled");
        }
        backup.company.operator.tenants().switch_on(company.tenant.id).await.unwrap();
        backup.publisher.publish().await.unwrap();
        assert!(keys.iter().all(|key| ring.denial(&company, text(key)) == "verified"));
    }

    async fn a_store_that_is_behind_does_not_say_by_when_a_key_is_denied(company: Company) {
        let keys = [company.key("a").await, company.key("b").await];
        let (ring, good) = (published(&company).await, Ring::new(&company.store, Audience::Everyone).await);
        good.publish().await;
        let backup = Backup::of(&company, &ring).await;
        ring.publish().await;
        let store = &backup.company.store;
        store.attach(&backup.publisher);
        store.attach(&Publisher::new(store, good.id, BundleFile::new(good.path())));
        let regenerated = backup.company.as_ada.keys().regenerate(keys[0].key.id, "a").await.unwrap();
        let publications = regenerated.publications;
        assert_eq!((publications.denied_by(), publications.all_published()), (DeniedBy::Unknown, false));
        assert_eq!(publications.rings().len(), 2);
        for publication in publications.rings() {
            if publication.ring == good.id {
                assert!(matches!(publication.denied_by, DeniedBy::Time(_)) && publication.epoch().is_some());
                continue;
            }
            assert_eq!((publication.denied_by, publication.epoch()), (DeniedBy::Unknown, None));
            let PublicationOutcome::Failed(error) = &publication.outcome else { panic!("{publication:?}") };
            assert_eq!(error.code(), "store_behind");
        }
        backup.restore().await;
        let ended = backup.company.as_ada.keys().expire_now(keys[1].key.id, LEAKED, "b").await.unwrap();
        let valid_until = company.now() + TimeDelta::days(1);
        assert_eq!(ended.publications.denied_by().time(), Some(valid_until));
        assert!(ended.publications.all_published());
    }
}
