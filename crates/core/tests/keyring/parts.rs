//! Parts that come one by one: awaited while they are on their way, and given up when they take too much memory.

use claviger_core::{
    DenialCode, KeyId, KeyKind, KeyPrefix, KeyRecord, KeyringBuilder, KeyringKey, KeyringTerms, NeededPart,
    OpaqueUse, PartKind, Policy, PolicyTerms, RequestContext, Verdict, Verifier, VerifierValue,
    generate_opaque_key, parse,
};
use std::collections::HashMap;

const NOW: u64 = 1_790_000_000;
const VALID: u64 = 3600;

/// A publisher, and everything that it has ever published.
struct Ring {
    key: KeyringKey,
    keys: Vec<(KeyRecord, String)>,
    parts: HashMap<[u8; 32], Vec<u8>>,
    root: Vec<u8>,
    bundle: Vec<u8>,
    epoch: u64,
}

fn prefix() -> KeyPrefix {
    KeyPrefix::new("acme_live").unwrap()
}

/// An id that is spread as random ones are, and a key with it.
fn opaque(number: u64) -> (KeyId, String) {
    let mut entropy = [7; 40];
    entropy[..8].copy_from_slice(&(number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    entropy[8..16].copy_from_slice(&number.to_le_bytes());
    let (id, text) = generate_opaque_key(&prefix(), OpaqueUse::Bearer, &entropy);
    (id, text.expose().into())
}

impl Ring {
    fn new(keys: u64) -> Self {
        let record = |number| {
            let (id, text) = opaque(number);
            let value = VerifierValue::of_key(&parse(&text).unwrap()).unwrap();
            (KeyRecord::new(id, KeyKind::Opaque, value, 0), text)
        };
        let mut terms = KeyringTerms::new(KeyId::from_u64(1));
        terms.valid_for = VALID as u32;
        let key = KeyringKey::generate(&[1; 40]);
        let mut builder = KeyringBuilder::new(&key, terms, keys as usize);
        let policy = Policy::new(&PolicyTerms::new(prefix(), "tenant", "owner")).unwrap();
        let page = builder.set_page(0, &[Some(policy)]).unwrap();
        let parts = HashMap::from([(page.hash, page.bytes)]);
        let keys = (0..keys).map(record).collect();
        let mut ring = Self { key, keys, parts, root: Vec::new(), bundle: Vec::new(), epoch: 0 };
        ring.publish_by(builder, NOW);
        ring
    }

    fn publish_by(&mut self, mut builder: KeyringBuilder, now: u64) {
        let mut buckets = vec![Vec::new(); builder.buckets() as usize];
        for (record, _) in &self.keys {
            buckets[builder.bucket_of(record.id) as usize].push(record.clone());
        }
        for (bucket, records) in buckets.iter().enumerate() {
            let part = builder.set_bucket(bucket as u32, records).unwrap();
            self.parts.extend(part.map(|part| (part.hash, part.bytes)));
        }
        self.epoch += 1;
        self.root = builder.finish(self.epoch, now).unwrap();
        self.bundle = builder.bundle(&self.root, |hash| self.parts.get(hash).map(Vec::as_slice)).unwrap();
    }

    fn publish(&mut self, now: u64) {
        let builder = KeyringBuilder::from_previous(&self.key, &self.root).unwrap();
        self.publish_by(builder, now);
    }

    fn bucket(&self, id: KeyId) -> u32 {
        KeyringBuilder::from_previous(&self.key, &self.root).unwrap().bucket_of(id)
    }

    /// Another key of the same bucket.
    fn neighbour(&self, key: usize) -> usize {
        let bucket = self.bucket(self.keys[key].0.id);
        (key + 1..self.keys.len()).find(|&other| self.bucket(self.keys[other].0.id) == bucket).unwrap()
    }

    fn verifier(&self) -> Verifier {
        let mut verifier = Verifier::with_keyring_keys([self.key.clone()]).unwrap();
        verifier.replace_keyring(self.root.clone(), NOW).unwrap();
        verifier
    }

    fn text(&self, key: usize) -> &str {
        &self.keys[key].1
    }

    fn insert(&self, verifier: &Verifier, needed: &NeededPart) {
        verifier.insert_part(needed.part, needed.index, &self.parts[&needed.hash]).unwrap();
    }

    /// Verifies, and puts in what is needed; how many parts that were.
    fn verify(&self, verifier: &Verifier, key: &str) -> (Option<DenialCode>, usize) {
        let mut inserted = 0;
        loop {
            match needed(verifier, key, NOW) {
                Ok(denial) => return (denial, inserted),
                Err(part) => self.insert(verifier, &part),
            }
            inserted += 1;
        }
    }
}

/// The verdict, or what is needed for one.
fn needed(verifier: &Verifier, key: &str, now: u64) -> Result<Option<DenialCode>, NeededPart> {
    match verifier.verify_key(key, &RequestContext::at(now)) {
        Verdict::Denied(denied) => denied.needed.map_or(Ok(Some(denied.code)), Err),
        Verdict::Verified(_) => Ok(None),
    }
}

#[test]
fn while_a_changed_part_is_on_its_way_the_keyring_before_decides() {
    let mut ring = Ring::new(50);
    let mut verifier = ring.verifier();
    let revoked = ring.text(3).to_owned();
    let bucket = ring.bucket(ring.keys[3].0.id);
    let new = (50..).map(opaque).find(|(id, _)| ring.bucket(*id) == bucket).unwrap();
    assert_eq!(ring.verify(&verifier, &revoked), (None, 2));
    ring.keys[3].0.revoked = true;
    let value = VerifierValue::of_key(&parse(&new.1).unwrap()).unwrap();
    ring.keys.push((KeyRecord::new(new.0, KeyKind::Opaque, value, 0), new.1.clone()));
    ring.publish(NOW + 60);
    verifier.replace_keyring(ring.root.clone(), NOW + 60).unwrap();

    let part = needed(&verifier, &revoked, NOW + 60).unwrap_err();
    assert_eq!(verifier.awaited_parts(), [], "nothing is awaited unless somebody says so");
    verifier.await_changed_parts();
    assert_eq!(verifier.awaited_parts(), [part], "the page did not change");
    let verdict = verifier.verify_key(&revoked, &RequestContext::at(NOW + 61));
    assert!(verdict.is_verified());
    assert_eq!(verdict.freshness().and_then(|freshness| freshness.epoch()), Some(1), "it says by what");
    assert_eq!(
        needed(&verifier, &new.1, NOW),
        Err(part),
        "what may stand in the part is not denied as unknown"
    );
    assert_eq!(needed(&verifier, &revoked, NOW + VALID), Err(part), "the keyring before is too old by then");

    ring.insert(&verifier, &part);
    assert_eq!(verifier.awaited_parts(), []);
    assert_eq!(needed(&verifier, &revoked, NOW), Ok(Some(DenialCode::Revoked)));
    assert_eq!(needed(&verifier, &new.1, NOW), Ok(None));
}

#[test]
fn what_a_part_has_said_stays_said() {
    let mut ring = Ring::new(5000);
    let mut verifier = ring.verifier();
    let key = ring.text(3).to_owned();
    assert_eq!(ring.verify(&verifier, &key), (None, 2));
    ring.keys[3].0.revoked = true;
    ring.publish(NOW);
    verifier.replace_keyring(ring.root.clone(), NOW).unwrap();
    assert_eq!(ring.verify(&verifier, &key).0, Some(DenialCode::Revoked));
    // It is given up, and cannot be had again: the keyring before would say that the key is good.
    for other in 100..150 {
        ring.verify(&verifier, ring.text(other));
    }
    verifier.evict_parts(0);
    let part = needed(&verifier, &key, NOW).unwrap_err();
    verifier.await_part(&part);
    verifier.await_changed_parts();
    assert_eq!(needed(&verifier, &key, NOW), Err(part));

    // Nor does the next keyring bring the key back, while its part is on its way.
    assert_eq!(ring.verify(&verifier, &key).0, Some(DenialCode::Revoked));
    let neighbour = ring.neighbour(3);
    ring.keys[neighbour].0.disabled = true;
    ring.publish(NOW);
    verifier.replace_keyring(ring.root.clone(), NOW).unwrap();
    assert!(needed(&verifier, &key, NOW).is_err());
    verifier.await_changed_parts();
    assert_eq!(needed(&verifier, &key, NOW), Ok(Some(DenialCode::Revoked)));
}

#[test]
fn a_part_that_is_awaited_through_several_roots_is_decided_by_the_last_one_that_knows() {
    let mut ring = Ring::new(50);
    let mut verifier = ring.verifier();
    let key = ring.text(3).to_owned();
    assert_eq!(ring.verify(&verifier, &key), (None, 2));
    let neighbour = ring.neighbour(3);
    ring.keys[neighbour].0.disabled = true;
    for epoch in 2..=4 {
        ring.publish(NOW);
        verifier.replace_keyring(ring.root.clone(), NOW).unwrap();
        verifier.await_changed_parts();
        assert_eq!(needed(&verifier, &key, NOW), Ok(None), "at epoch {epoch}");
    }
    assert_eq!(verifier.awaited_parts().len(), 1);
    assert_eq!(verifier.verify_key(&key, &RequestContext::at(NOW)).freshness().unwrap().epoch(), Some(1));
    ring.insert(&verifier, &verifier.awaited_parts()[0]);
    assert_eq!(verifier.verify_key(&key, &RequestContext::at(NOW)).freshness().unwrap().epoch(), Some(4));
    ring.publish(NOW);
    verifier.replace_keyring(ring.root.clone(), NOW).unwrap();
    assert_eq!(verifier.awaited_parts(), []);
}

#[test]
fn a_part_that_was_never_here_is_fetched_for_the_keyring_before() {
    let mut ring = Ring::new(50);
    let mut verifier = ring.verifier();
    let key = ring.text(3).to_owned();
    let old = needed(&verifier, &key, NOW).unwrap_err();
    ring.keys[3].0.disabled = true;
    ring.publish(NOW);
    verifier.replace_keyring(ring.root.clone(), NOW).unwrap();
    let new = needed(&verifier, &key, NOW).unwrap_err();
    assert_ne!(old.hash, new.hash);
    verifier.await_part(&NeededPart { hash: [1; 32], ..new });
    assert_eq!(verifier.awaited_parts(), [], "there is no such part");
    verifier.await_part(&new);
    assert_eq!(needed(&verifier, &key, NOW), Err(old));
    ring.insert(&verifier, &old);
    assert_eq!(ring.verify(&verifier, &key), (None, 1), "its page");
    ring.insert(&verifier, &new);
    assert_eq!(needed(&verifier, &key, NOW), Ok(Some(DenialCode::Disabled)));
}

/// The parts of a ring of this size are some 2 KB long.
const LIMIT: usize = 64 << 10;

#[test]
fn parts_are_given_up_when_they_take_too_much_memory_and_come_again() {
    let ring = Ring::new(5000);
    let mut verifier = ring.verifier();
    let mut inserted = 0;
    for (_, text) in &ring.keys {
        let (denial, parts) = ring.verify(&verifier, text);
        assert_eq!(denial, None);
        inserted += parts;
        verifier.evict_parts(LIMIT);
        assert!(verifier.parts_size() <= LIMIT, "{}", verifier.parts_size());
    }
    assert!(inserted > ring.parts.len() * 2, "{inserted} parts came of {}", ring.parts.len());
    verifier.evict_parts(0);
    let size = verifier.parts_size();
    verifier.evict_parts(0);
    assert_eq!(verifier.parts_size(), size, "the last eight stay");
    assert!(size > 0);
}

#[test]
fn made_up_keys_do_not_drive_out_what_real_requests_use() {
    let ring = Ring::new(5000);
    let mut verifier = ring.verifier();
    let real: Vec<&str> = (0..10).map(|key| ring.text(key)).collect();
    for text in &real {
        assert_eq!(ring.verify(&verifier, text).0, None);
    }
    let mut made_up = 5000;
    for round in 0..200 {
        for _ in 0..20 {
            made_up += 1;
            assert_eq!(ring.verify(&verifier, &opaque(made_up).1).0, Some(DenialCode::UnknownKey));
            verifier.evict_parts(LIMIT);
        }
        assert!(verifier.parts_size() <= LIMIT);
        for text in &real {
            assert_eq!(needed(&verifier, text, NOW), Ok(None), "in round {round}");
        }
    }
}

#[test]
fn what_begins_to_be_used_takes_the_place_of_what_is_used_no_more() {
    let ring = Ring::new(5000);
    let mut verifier = ring.verifier();
    let mut fetched = |keys: std::ops::Range<usize>| {
        let mut fetched = 0;
        for key in keys {
            fetched += ring.verify(&verifier, ring.text(key)).1;
            verifier.evict_parts(LIMIT);
        }
        fetched
    };
    // Each of the two takes about half of the room.
    for _ in 0..3 {
        fetched(0..12);
    }
    assert_eq!(fetched(0..12), 0);
    for _ in 0..8 {
        fetched(100..130);
    }
    assert!(fetched(0..12) > 0, "they have gone");
}

#[test]
fn a_snapshot_keeps_its_parts_while_another_gives_them_up() {
    let ring = Ring::new(5000);
    let mut verifier = ring.verifier();
    for key in 0..40 {
        ring.verify(&verifier, ring.text(key));
    }
    let snapshot = verifier.clone();
    verifier.evict_parts(0);
    assert!(verifier.parts_size() < snapshot.parts_size());
    for key in 0..40 {
        assert_eq!(needed(&snapshot, ring.text(key), NOW), Ok(None));
    }
    assert!((0..40).any(|key| needed(&verifier, ring.text(key), NOW).is_err()));
}

impl Ring {
    /// Publishes what the keys are now, with another policy of the page; the place of the page.
    fn publish_with_policy(&mut self, now: u64, change: impl FnOnce(&mut PolicyTerms<'_>)) {
        let mut of_ring = KeyringTerms::new(KeyId::from_u64(1));
        of_ring.valid_for = VALID as u32;
        let mut builder = KeyringBuilder::new(&self.key, of_ring, self.keys.len());
        let mut terms = PolicyTerms::new(prefix(), "tenant", "owner");
        change(&mut terms);
        let page = builder.set_page(0, &[Some(Policy::new(&terms).unwrap())]).unwrap();
        self.parts.insert(page.hash, page.bytes);
        self.publish_by(builder, now);
    }
}

#[test]
fn a_key_whose_part_says_revoked_is_not_good_because_its_page_is_on_its_way() {
    let mut ring = Ring::new(50);
    let mut verifier = ring.verifier();
    let revoked = ring.text(3).to_owned();
    assert_eq!(ring.verify(&verifier, &revoked), (None, 2));
    ring.keys[3].0.revoked = true;
    ring.publish_with_policy(NOW + 60, |terms| terms.read_only = true);
    verifier.replace_keyring(ring.root.clone(), NOW + 60).unwrap();
    verifier.await_changed_parts();
    let awaited = verifier.awaited_parts();
    let (chunk, page) = (awaited[0], awaited[1]);
    assert_eq!((chunk.part, page.part), (PartKind::Chunk, PartKind::Page));
    assert_eq!(needed(&verifier, &revoked, NOW + 60), Ok(None));
    ring.insert(&verifier, &chunk);
    assert_ne!(needed(&verifier, &revoked, NOW + 60), Ok(None), "the part has come, and says revoked");
    ring.insert(&verifier, &page);
    assert_eq!(needed(&verifier, &revoked, NOW + 60), Ok(Some(DenialCode::Revoked)));
}

#[test]
fn a_policy_that_its_page_says_is_off_is_not_on_because_a_chunk_is_on_its_way() {
    let mut ring = Ring::new(50);
    let mut verifier = ring.verifier();
    let key = ring.text(3).to_owned();
    assert_eq!(ring.verify(&verifier, &key), (None, 2));
    ring.keys[3].0.read_only = true;
    ring.publish_with_policy(NOW + 60, |terms| terms.tenant_off = true);
    verifier.replace_keyring(ring.root.clone(), NOW + 60).unwrap();
    verifier.await_changed_parts();
    let awaited = verifier.awaited_parts();
    let (chunk, page) = (awaited[0], awaited[1]);
    assert_eq!((chunk.part, page.part), (PartKind::Chunk, PartKind::Page));
    ring.insert(&verifier, &page);
    assert_ne!(needed(&verifier, &key, NOW + 60), Ok(None), "the page has come, and says off");
    ring.insert(&verifier, &chunk);
    assert_eq!(needed(&verifier, &key, NOW + 60), Ok(Some(DenialCode::Disabled)));
}

#[test]
fn a_bundle_of_the_same_keyring_ends_the_time_of_the_one_before() {
    let mut ring = Ring::new(50);
    let mut verifier = ring.verifier();
    let revoked = ring.text(3).to_owned();
    assert_eq!(ring.verify(&verifier, &revoked), (None, 2));
    ring.keys[3].0.revoked = true;
    ring.publish(NOW + 60);
    verifier.replace_keyring(ring.root.clone(), NOW + 60).unwrap();
    verifier.await_changed_parts();
    assert_eq!(needed(&verifier, &revoked, NOW + 60), Ok(None));
    let bundle = ring.bundle.clone();
    let head = &bundle[..claviger_core::bundle_head_len(&bundle, bundle.len() as u64).unwrap()];
    verifier.replace_keyring_by_head(head, bundle.len() as u64, NOW + 60).unwrap();
    assert_eq!(verifier.awaited_parts(), [], "all of it is there");
    let part = needed(&verifier, &revoked, NOW + 60).unwrap_err();
    assert!(part.in_bundle.is_some());
    assert_eq!(ring.verify(&verifier, &revoked), (Some(DenialCode::Revoked), 1));
}

#[test]
fn what_a_part_has_said_counts_also_where_the_keyring_before_has_other_buckets() {
    for (before, after) in [(50, 5000), (5000, 50)] {
        let mut ring = Ring::new(50);
        let publish = |ring: &mut Ring, keys, page: &[Option<Policy<'_>>]| {
            let mut terms = KeyringTerms::new(KeyId::from_u64(1));
            terms.valid_for = VALID as u32;
            let mut builder = KeyringBuilder::new(&ring.key, terms, keys);
            let page = builder.set_page(0, page).unwrap();
            ring.parts.insert(page.hash, page.bytes);
            ring.publish_by(builder, NOW);
        };
        let terms = PolicyTerms::new(prefix(), "tenant", "owner");
        let policy = Policy::new(&terms).unwrap();
        publish(&mut ring, before, &[Some(policy.clone())]);
        let mut verifier = ring.verifier();
        let revoked = ring.text(3).to_owned();
        assert_eq!(ring.verify(&verifier, &revoked).0, None);
        ring.keys[3].0.revoked = true;
        publish(&mut ring, after, &[Some(policy.clone()), Some(policy)]);
        verifier.replace_keyring(ring.root.clone(), NOW).unwrap();
        let chunk = needed(&verifier, &revoked, NOW).unwrap_err();
        ring.insert(&verifier, &chunk);
        let page = needed(&verifier, &revoked, NOW).unwrap_err();
        assert_eq!(page.part, PartKind::Page);
        verifier.await_part(&page);
        assert_eq!(needed(&verifier, &revoked, NOW), Err(page), "from {before} to {after}");
    }
}

/// Every root changes a part that is on its way: what is kept for that does not grow with them.
#[test]
fn earlier_keyrings_take_bounded_memory() {
    let mut ring = Ring::new(5000);
    let mut verifier = ring.verifier();
    let key = ring.text(3).to_owned();
    assert_eq!(ring.verify(&verifier, &key).0, None);
    for epoch in 2..=12 {
        let neighbour = ring.neighbour(3);
        ring.keys[neighbour].0.disabled = epoch % 2 == 0;
        ring.keys[neighbour].0.expires_at = Some(NOW + 10_000 + epoch);
        ring.publish(NOW);
        verifier.replace_keyring(ring.root.clone(), NOW).unwrap();
        verifier.await_changed_parts();
        let decided = needed(&verifier, &key, NOW);
        // Only so many keyrings stay; then nothing is decided.
        assert_eq!(decided.is_ok(), epoch <= 5, "{decided:?} at epoch {epoch}");
        verifier.evict_parts(LIMIT);
        assert!(verifier.parts_size() <= LIMIT);
    }
    ring.insert(&verifier, &verifier.awaited_parts()[0]);
    assert_eq!(needed(&verifier, &key, NOW), Ok(None));
}
