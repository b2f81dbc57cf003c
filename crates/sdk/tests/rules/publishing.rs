//! Publishing: rings, and how what changes comes to verifiers.

use crate::{
    company::{code, on_both_stores},
    keys::text,
    ring::{Ring, platform},
};
use chrono::TimeDelta;
use claviger_sdk::{
    Audience, DeniedBy, Lifetime, NewKey, NewKeyGroup, NewRing, RevocationReason, RingEdit, Rule,
};

const MONTH: Lifetime = Lifetime::days(30);

on_both_stores! {
    unwatched;

    async fn a_ring_is_created_listed_edited_and_retired_by_the_operator(company: Company) {
        let rings = platform(&company.store);
        let rings = rings.rings();
        let audience = Audience::tenant(company.tenant.id);
        let new = NewRing::new("edge", audience.clone()).fresh_for(TimeDelta::seconds(30)).valid_for(TimeDelta::hours(1));
        let ring = rings.create(new).await.unwrap().into_record();
        assert_eq!((ring.name.as_str(), &ring.audience, ring.published), ("edge", &audience, None));
        assert_eq!((ring.fresh_for, ring.valid_for), (TimeDelta::seconds(30), TimeDelta::hours(1)));
        assert!(rings.list().await.unwrap().contains(&ring));
        let edit = RingEdit::new().name("edges").fresh_for(TimeDelta::seconds(10));
        let edited = rings.edit(ring.id, ring.revision, edit.clone()).await.unwrap();
        assert_eq!((edited.name.as_str(), edited.fresh_for), ("edges", TimeDelta::seconds(10)));
        assert_eq!(rings.get(ring.id).await.unwrap(), edited);
        assert_eq!(code(rings.edit(ring.id, ring.revision, edit).await), "changed");
        assert_eq!(code(rings.retire(ring.id, "edge").await), "confirmation_needed");
        let (retired, valid_until) = rings.retire(ring.id, "edges").await.unwrap();
        assert_eq!((retired.retired_at, valid_until), (Some(company.now()), None));
        assert_eq!(rings.retire(ring.id, "edges").await.unwrap_err().rule(), Some(Rule::RingRetired));
        for outcome in [
            company.as_ada.rings().list().await.map(drop),
            company.as_ada.rings().get(ring.id).await.map(drop),
            company.as_ada.rings().create(NewRing::new("x", Audience::Everyone)).await.map(drop),
            company.as_ada.rings().reveal_keys(ring.id).await.map(drop),
            company.as_ada.rings().retire(ring.id, "edges").await.map(drop),
        ] {
            assert_eq!(code(outcome), "operator_only");
        }
    }

    async fn a_ring_has_times_an_audience_and_a_name_of_its_own(company: Company) {
        let session = platform(&company.store);
        let rings = session.rings();
        let new = |name: &str| NewRing::new(name, Audience::Everyone);
        rings.create(new("edge")).await.unwrap();
        assert_eq!(code(rings.create(new("edge")).await), "exists");
        assert_eq!(code(rings.create(new("")).await), "invalid");
        for (fresh, valid) in [(0, 10), (11, 10), (1, 0), (1, 367 * 86_400)] {
            let new = new("x").fresh_for(TimeDelta::seconds(fresh)).valid_for(TimeDelta::seconds(valid));
            assert_eq!(code(rings.create(new).await), "invalid", "{fresh} {valid}");
        }
        let nobody = Audience::Tenants([].into());
        assert_eq!(code(rings.create(NewRing::new("x", nobody)).await), "invalid");
        let unknown = Audience::tenant("ten_0000000000g".parse().unwrap());
        assert_eq!(code(rings.create(NewRing::new("x", unknown)).await), "not_found");
    }

    async fn what_changed_is_published_and_no_more_than_that(company: Company) {
        let new = |number| NewKey::for_tenant(company.readonly.id, &format!("key {number}"), MONTH);
        let keys = company.as_ada.keys().generate_batch((0..600).map(new).collect()).await.unwrap();
        let ring = Ring::new(&company.store, Audience::Everyone).await;
        let first = ring.publish().await;
        assert!(first.whole);
        company.as_ada.keys().expire_now(keys[7].key.id, RevocationReason::Unused, "key 7").await.unwrap();
        let second = ring.publish().await;
        assert!(!second.whole && second.epoch > first.epoch);
        assert_eq!(second.parts, 2, "one chunk and the root");
        assert_eq!(ring.denial(&company, text(&keys[7])), "revoked");
        assert_eq!(ring.denial(&company, text(&keys[8])), "verified");
        // Whoever is switched off, and however many keys that are: a page and the root.
        let group = company.as_ada.key_groups().list().await.unwrap()[0].id;
        company.as_ada.key_groups().switch_off(group).await.unwrap();
        let third = ring.publish().await;
        assert_eq!((third.parts, third.whole), (2, false));
        assert!(keys.iter().all(|key| ring.denial(&company, text(key)) != "verified"));
        let fourth = ring.publish().await;
        assert_eq!((fourth.parts, fourth.whole), (1, false), "a root that is issued anew");
    }

    async fn ending_a_key_publishes_at_once_and_says_by_when_every_verifier_denies(company: Company) {
        let ring = Ring::new(&company.store, Audience::Everyone).await;
        let keys = [company.key("a").await, company.key("b").await, company.key("c").await];
        let ended = company.as_ada.keys().delete(keys[2].key.id, "c").await.unwrap();
        assert_eq!((ended.denied_by(), ended.all_published()), (DeniedBy::Now, false), "nobody knows the ring yet");
        let first = ring.publish().await;
        company.advance(TimeDelta::seconds(100));
        // Without a publisher here, the bound is that of the roots that are out.
        let ended = company.as_ada.keys().expire_now(keys[0].key.id, RevocationReason::Compromised, "a").await.unwrap();
        assert_eq!(ended.publications.denied_by(), DeniedBy::Time(first.issued_at + TimeDelta::days(1)));
        assert!(!ended.publications.all_published());
        assert_eq!(ring.denial(&company, text(&keys[0])), "verified");
        company.store.attach(&ring.publisher);
        let regenerated = company.as_ada.keys().regenerate(keys[1].key.id, "b").await.unwrap();
        assert!(regenerated.publications.all_published());
        let publication = &regenerated.publications.rings()[0];
        assert!(publication.epoch().unwrap() > first.epoch);
        assert_eq!(publication.denied_by, DeniedBy::Time(first.issued_at + TimeDelta::days(1)));
        assert_eq!(ring.denial(&company, text(&keys[0])), "revoked");
        assert_eq!(ring.denial(&company, text(&keys[1])), "bad_secret");
        assert_eq!(ring.denial(&company, text(&regenerated)), "verified");
        let deleted = company.as_ada.keys().delete(keys[1].key.id, "b").await.unwrap();
        let issued_at = first.issued_at + TimeDelta::seconds(100);
        assert_eq!(deleted.denied_by(), DeniedBy::Time(issued_at + TimeDelta::days(1)));
        assert_eq!(ring.denial(&company, text(&regenerated)), "unknown_key");
        company.store.detach(ring.id);
    }

    async fn the_keyring_key_is_rotated_without_a_gap(company: Company) {
        let key = company.key("import").await;
        let mut ring = Ring::new(&company.store, Audience::Everyone).await;
        ring.publish().await;
        let session = platform(&company.store);
        let rings = session.rings();
        assert_eq!(code(rings.use_next_key(ring.id).await), "no_next_keyring_key");
        let prepared = rings.prepare_key(ring.id).await.unwrap();
        assert_eq!(code(rings.prepare_key(ring.id).await), "exists");
        assert_eq!(prepared.keyring_key, ring.keys[0].id());
        let texts = rings.reveal_keys(ring.id).await.unwrap();
        let both: Vec<_> = texts.iter().map(|text| claviger_core::KeyringKey::parse(text.expose()).unwrap()).collect();
        assert_eq!(Some(both[1].id()), prepared.next_keyring_key);
        let (old, new) = (vec![both[0].clone()], vec![both[1].clone()]);
        assert!(!ring.publish().await.whole, "the next key is not used yet");
        ring.keys = both;
        assert_eq!(ring.denial(&company, text(&key)), "verified");
        let rotated = rings.use_next_key(ring.id).await.unwrap();
        assert_eq!((rotated.keyring_key, rotated.previous_keyring_key), (new[0].id(), Some(old[0].id())));
        assert!(ring.publish().await.whole);
        assert_eq!(ring.denial(&company, text(&key)), "verified", "whoever has both goes on");
        ring.keys = new;
        assert_eq!(ring.denial(&company, text(&key)), "verified");
        assert!(!ring.publish().await.whole);
        rings.prepare_key(ring.id).await.unwrap();
        assert_eq!(rings.reveal_keys(ring.id).await.unwrap().len(), 2, "the previous one is forgotten");
    }

    async fn another_audience_has_other_keys(company: Company) {
        let ours = company.key("import").await;
        let other = company.other_tenant().await;
        let tenants = other.tenants().list().await.unwrap();
        let other_id = tenants.iter().find(|tenant| tenant.name == "Other").unwrap().id;
        let role = other.roles().named("READONLY").await.unwrap().id;
        let theirs = other.keys().generate(NewKey::for_tenant(role, "x", MONTH)).await.unwrap();
        let ring = Ring::new(&company.store, Audience::tenant(company.tenant.id)).await;
        ring.publish().await;
        assert_eq!(ring.denial(&company, text(&ours)), "verified");
        assert_eq!(ring.denial(&company, text(&theirs)), "unknown_key");
        let session = platform(&company.store);
        let edit = RingEdit::new().audience(Audience::tenant(other_id));
        session.rings().edit(ring.id, 1, edit).await.unwrap();
        assert!(ring.publish().await.whole);
        assert_eq!(ring.denial(&company, text(&ours)), "unknown_key");
        assert_eq!(ring.denial(&company, text(&theirs)), "verified");
    }

    async fn a_key_that_moves_to_another_group_goes_by_that(company: Company) {
        let (groups, keys) = (company.as_ada.key_groups(), company.as_ada.keys());
        let group = groups.create(NewKeyGroup::new("partners")).await.unwrap().id;
        let new = |name: &str| NewKey::for_tenant(company.readonly.id, name, MONTH).in_group(group);
        let generated = keys.generate_batch(vec![new("a"), new("b")]).await.unwrap();
        let ring = Ring::new(&company.store, Audience::Everyone).await;
        ring.publish().await;
        groups.switch_off(group).await.unwrap();
        ring.publish().await;
        assert_eq!(ring.denial(&company, text(&generated[0])), "disabled");
        // Its keys go to the group `default`, which is on.
        groups.delete(group, Some(groups.list().await.unwrap()[0].id), "partners").await.unwrap();
        let published = ring.publish().await;
        assert_eq!((published.whole, published.parts), (false, 2));
        assert!(generated.iter().all(|key| ring.denial(&company, text(key)) == "verified"));
    }

    async fn a_publisher_publishes_when_something_changed_or_it_is_time(company: Company) {
        let ring = Ring::new(&company.store, Audience::Everyone).await;
        let due = async || ring.publisher.publish_if_due().await.unwrap().is_some();
        assert!(due().await && !due().await);
        let key = company.key("import").await;
        assert!(due().await && !due().await);
        company.as_ada.keys().deactivate(key.key.id).await.unwrap();
        assert!(due().await && !due().await);
        company.advance(TimeDelta::seconds(29));
        assert!(!due().await);
        company.advance(TimeDelta::seconds(1));
        assert!(due().await, "before half of fresh_for is over");
        // The clock is put back.
        company.advance(TimeDelta::seconds(-20));
        assert!(due().await && !due().await);
        let edit = RingEdit::new().valid_for(TimeDelta::hours(2));
        platform(&company.store).rings().edit(ring.id, 1, edit).await.unwrap();
        assert!(due().await && !due().await);
        let secret = company.issuing_secret().await;
        assert!(due().await && !due().await);
        company.operator.shared_secrets().rotate(secret, TimeDelta::seconds(10)).await.unwrap();
        assert!(due().await && !due().await);
        company.advance(TimeDelta::seconds(10));
        assert!(due().await, "the old version is over");
    }

    async fn parts_are_kept_as_long_as_a_root_that_names_them_is_valid(company: Company) {
        let ring = Ring::new(&company.store, Audience::Everyone).await;
        let folder = tempfile::tempdir().unwrap();
        let directory = claviger_sdk::Directory::new(folder.path());
        let publisher = claviger_sdk::Publisher::new(&company.store, ring.id, directory);
        let parts = || std::fs::read_dir(folder.path().join("parts")).unwrap().count();
        let key = company.key("import").await;
        publisher.publish().await.unwrap();
        assert_eq!(parts(), 2, "a chunk and a page");
        company.advance(TimeDelta::hours(1));
        company.as_ada.keys().deactivate(key.key.id).await.unwrap();
        publisher.publish().await.unwrap();
        assert_eq!(parts(), 3, "the chunk before, too");
        company.advance(TimeDelta::hours(23));
        publisher.publish().await.unwrap();
        assert_eq!(parts(), 3, "a verifier may go by the root before");
        company.advance(TimeDelta::hours(1));
        publisher.publish().await.unwrap();
        assert_eq!(parts(), 2);
        // What comes again is not removed.
        company.as_ada.keys().activate(key.key.id).await.unwrap();
        publisher.publish().await.unwrap();
        company.as_ada.keys().deactivate(key.key.id).await.unwrap();
        publisher.publish().await.unwrap();
        company.advance(TimeDelta::hours(48));
        publisher.publish().await.unwrap();
        assert_eq!(parts(), 2);
    }
}
