//! Putting a keyring in the place of another: what is refused, with which error, and that the old one then stays.

use crate::world::{Built, ISSUED, World, keep};
use claviger_core::{
    DenialCode, Freshness, FreshnessRequirement, KeyId, KeyringBuilder, KeyringError, KeyringKey, PartKind,
    Replacement, RequestContext, Verifier, VerifierError,
};

/// A world with a good key, and that key.
fn world() -> (World, String) {
    let world = (0..).map(|seed| World::new(seed, 6)).find(|world| good(world).is_some()).unwrap();
    let key = good(&world).unwrap();
    (world, key)
}

fn good(world: &World) -> Option<String> {
    let verifier = verifier(world, &world.build(1));
    let mut keys = world.presented.iter().map(|presented| presented.text.clone());
    keys.find(|key| verifier.verify_key(key, &RequestContext::at(ISSUED)).is_verified())
}

fn verifier(world: &World, built: &Built) -> Verifier {
    let mut verifier = Verifier::with_keyring_keys([world.keyring_key.clone()]).unwrap();
    assert_eq!(verifier.replace_keyring(built.bundle.clone(), ISSUED), Ok(Replacement::Replaced));
    verifier
}

/// The same keyring under other terms.
fn root(world: &World, key: &KeyringKey, keyring_id: KeyId, epoch: u64, issued_at: u64) -> Vec<u8> {
    let mut terms = world.terms();
    terms.keyring_id = keyring_id;
    KeyringBuilder::new(key, terms, 1).finish(epoch, issued_at).unwrap()
}

#[test]
fn what_is_refused_and_that_the_old_one_stays() {
    let (world, key) = world();
    let mut verifier = verifier(&world, &world.build(5));
    let (ring_key, ring) = (&world.keyring_key, world.keyring_id);
    let good = world.build(6).root;
    let changed = |place: usize| {
        let mut root = good.clone();
        root[place] ^= 1;
        root
    };
    let mut longer = good.clone();
    longer.push(0);
    let stranger = KeyringKey::generate(&[1; 40]);
    let mut same_id_entropy = [2; 40];
    same_id_entropy[..8].copy_from_slice(&ring_key.id().as_u64().to_be_bytes());
    let same_id = KeyringKey::generate(&same_id_entropy);
    let other_ring = KeyId::from_u64(ring.as_u64() ^ 1);
    let mut version = good.clone();
    version[4] = 2;
    let cases = [
        ("nothing", Vec::new(), KeyringError::NotAKeyring),
        ("something else", b"PK\x03\x04 and so on".to_vec(), KeyringError::NotAKeyring),
        ("a later version", version, KeyringError::UnsupportedVersion { version: 2 }),
        ("cut off", good[..good.len() - 1].to_vec(), KeyringError::Truncated),
        ("only magic and version", good[..6].to_vec(), KeyringError::Truncated),
        ("too long", longer, KeyringError::Oversized),
        ("an epoch changed", changed(24), KeyringError::WrongMac),
        ("a hash changed", changed(64), KeyringError::WrongMac),
        ("the mac changed", changed(good.len() - 1), KeyringError::WrongMac),
        (
            "another key",
            root(&world, &stranger, ring, 9, ISSUED),
            KeyringError::UnknownKeyringKey { key_id: stranger.id() },
        ),
        ("another key of the same id", root(&world, &same_id, ring, 9, ISSUED), KeyringError::WrongMac),
        (
            "another keyring",
            root(&world, ring_key, other_ring, 9, ISSUED),
            KeyringError::WrongKeyring { expected: ring, found: other_ring },
        ),
        (
            "an older epoch",
            root(&world, ring_key, ring, 4, ISSUED),
            KeyringError::OlderEpoch { least: 5, offered: 4 },
        ),
        (
            "the same epoch with other content",
            root(&world, ring_key, ring, 5, ISSUED),
            KeyringError::SameEpochOtherContent { epoch: 5 },
        ),
        (
            "issued in the future",
            root(&world, ring_key, ring, 9, ISSUED + 301),
            KeyringError::IssuedInFuture { issued_at: ISSUED + 301, now: ISSUED },
        ),
    ];
    for (what, bytes, error) in cases {
        assert_eq!(verifier.replace_keyring(bytes, ISSUED), Err(error), "{what}");
        assert_eq!(KeyringError::from_number(error.number(), error.details()), Some(error), "{what}");
        let verdict = verifier.verify_key(&key, &RequestContext::at(ISSUED));
        assert!(verdict.is_verified(), "{what}: {verdict:?}");
        assert_eq!(verdict.freshness(), Some(Freshness::Fresh { epoch: 5, age: 0 }), "{what}");
    }
    assert_eq!(verifier.replace_keyring(world.build(5).bundle, ISSUED), Ok(Replacement::Unchanged));
    assert_eq!(
        verifier.replace_keyring(root(&world, ring_key, ring, 9, ISSUED + 300), ISSUED),
        Ok(Replacement::Replaced)
    );
    assert_eq!(verifier.keyring().unwrap().epoch, 9);
    assert_eq!(verifier.verify_key(&key, &RequestContext::at(ISSUED)).denial(), Some(DenialCode::UnknownKey));
}

#[test]
fn a_configured_keyring_id_and_epoch_hold_from_the_first_keyring_on() {
    let (world, _) = world();
    let ring = world.keyring_id;
    let new = || Verifier::with_keyring_keys([world.keyring_key.clone()]).unwrap();
    let other = KeyId::from_u64(ring.as_u64() ^ 1);
    assert_eq!(
        new().keyring_id(other).replace_keyring(world.build(1).bundle, ISSUED),
        Err(KeyringError::WrongKeyring { expected: other, found: ring })
    );
    let least = FreshnessRequirement { min_epoch: 7, ..FreshnessRequirement::default() };
    let mut verifier = new().requiring(least);
    assert_eq!(
        verifier.replace_keyring(world.build(6).bundle, ISSUED),
        Err(KeyringError::OlderEpoch { least: 7, offered: 6 })
    );
    assert_eq!(verifier.replace_keyring(world.build(7).bundle, ISSUED), Ok(Replacement::Replaced));
}

#[test]
fn two_keyring_keys_are_accepted_during_a_rotation() {
    let (mut world, key) = world();
    let before = world.build(1);
    let old = world.keyring_key.clone();
    let new = KeyringKey::generate(&[9; 40]);
    let mut verifier = Verifier::with_keyring_keys([new.clone(), old.clone()]).unwrap();
    assert_eq!(verifier.replace_keyring(before.bundle.clone(), ISSUED), Ok(Replacement::Replaced));
    assert!(verifier.verify_key(&key, &RequestContext::at(ISSUED)).is_verified());
    // Imported keys have other ids under another key, so they are left out here.
    world.records.retain(|record| record.kind != claviger_core::KeyKind::Imported);
    world.keyring_key = new.clone();
    assert_eq!(verifier.replace_keyring(world.build(2).bundle, ISSUED), Ok(Replacement::Replaced));
    assert_eq!(verifier.keyring().unwrap().keyring_key_id, new.id());
    let verdict = verifier.verify_key(&key, &RequestContext::at(ISSUED)).into_owned();
    // A token of a client is bound to its record under the old key; whatever else the key is, it is good.
    let parsed = claviger_core::parse(&key);
    if parsed.is_ok_and(|parsed| parsed.kind() != claviger_core::KeyKind::AccessToken) {
        assert!(verdict.is_verified(), "{verdict:?}");
    }
    assert_eq!(
        verifier.replace_keyring(before.bundle, ISSUED),
        Err(KeyringError::OlderEpoch { least: 2, offered: 1 }),
        "the old key brings nothing back"
    );

    for keys in
        [vec![], vec![old.clone(), old.clone()], vec![old.clone(), new, KeyringKey::generate(&[8; 40])]]
    {
        assert_eq!(Verifier::with_keyring_keys(keys).unwrap_err(), VerifierError::KeyringKeys);
    }
}

#[test]
fn without_a_keyring_everything_with_the_form_of_a_key_waits_for_one() {
    let (world, key) = world();
    let verifier = Verifier::with_keyring_keys([world.keyring_key.clone()]).unwrap();
    let denial = |key: &str| verifier.verify_key(key, &RequestContext::at(ISSUED)).denial();
    assert_eq!(denial(&key), Some(DenialCode::KeyringUnavailable));
    assert_eq!(denial("of another system"), Some(DenialCode::KeyringUnavailable));
    assert_eq!(denial(""), Some(DenialCode::Missing));
    assert_eq!(verifier.keyring(), None);
    assert_eq!(verifier.insert_part(PartKind::Chunk, 0, b""), Err(KeyringError::NoKeyring));
}

#[test]
fn parts_are_inserted_when_they_are_needed() {
    let (world, key) = world();
    let built = world.build(3);
    let mut by_root = Verifier::with_keyring_keys([world.keyring_key.clone()]).unwrap();
    by_root.replace_keyring(built.root.clone(), ISSUED).unwrap();
    let mut by_head = Verifier::with_keyring_keys([world.keyring_key.clone()]).unwrap();
    let len = built.bundle.len() as u64;
    let head = claviger_core::bundle_head_len(&built.bundle[..24], len).unwrap();
    by_head.replace_keyring_by_head(&built.bundle[..head], len, ISSUED).unwrap();
    for verifier in [by_root, by_head] {
        let mut inserted = 0;
        loop {
            let verdict = verifier.verify_key(&key, &RequestContext::at(ISSUED)).into_owned();
            let Err(denied) = verdict.into_result() else { break };
            assert_eq!(denied.code, DenialCode::KeyringUnavailable);
            let needed = denied.needed.unwrap();
            let bytes = &built.parts[&needed.hash];
            if let Some((offset, length)) = needed.in_bundle {
                assert_eq!(built.bundle[offset as usize..][..length as usize], bytes[..]);
            }
            let wrong = Err(KeyringError::WrongHash { part: needed.part, index: needed.index });
            assert_eq!(verifier.insert_part(needed.part, needed.index, &bytes[1..]), wrong);
            assert_eq!(verifier.insert_part(needed.part, needed.index, bytes), Ok(()));
            inserted += 1;
        }
        assert!((1..=3).contains(&inserted), "{inserted} parts");
        let beyond = Err(KeyringError::NoSuchPart { part: PartKind::Page, index: 9 });
        assert_eq!(verifier.insert_part(PartKind::Page, 9, b"any"), beyond);
    }
}

/// The bucket was touched before, so this fails if it is taken over although it changed.
#[test]
fn a_key_that_was_verified_is_denied_after_its_revocation() {
    let (mut world, key) = world();
    let before = world.build(1);
    let mut verifier = verifier(&world, &before);
    let denial = |verifier: &Verifier| verifier.verify_key(&key, &RequestContext::at(ISSUED)).denial();
    assert_eq!(denial(&verifier), None);
    world.records.iter_mut().for_each(|record| record.revoked = true);
    let mut next = KeyringBuilder::from_previous(&world.keyring_key, &before.root).unwrap();
    let mut parts = before.parts;
    for bucket in 0..next.buckets() {
        let part = next.set_bucket(bucket, &world.bucket(&next, bucket)).unwrap();
        keep(&mut parts, part);
    }
    let root = next.finish(2, ISSUED).unwrap();
    let bundle = next.bundle(&root, |hash| parts.get(hash).map(Vec::as_slice)).unwrap();
    verifier.replace_keyring(bundle, ISSUED).unwrap();
    let signed_without_override = denial(&verifier).is_none();
    assert!(denial(&verifier) == Some(DenialCode::Revoked) || signed_without_override && key.contains("_s"));
}

#[test]
fn parts_that_did_not_change_are_taken_over() {
    let (world, key) = world();
    let built = world.build(1);
    let mut verifier = verifier(&world, &built);
    assert!(verifier.verify_key(&key, &RequestContext::at(ISSUED)).is_verified());
    // Epoch 2 has the same parts; of them only what was touched is there.
    let mut builder = KeyringBuilder::from_previous(&world.keyring_key, &built.root).unwrap();
    verifier.replace_keyring(builder.finish(2, ISSUED).unwrap(), ISSUED).unwrap();
    let verdict = verifier.verify_key(&key, &RequestContext::at(ISSUED));
    assert!(verdict.is_verified());
    assert_eq!(verdict.freshness().unwrap().epoch(), Some(2));
}

/// The advice for `keyring_invalid` is to fetch the keyring again, and that helps without a new epoch.
#[test]
fn a_damaged_bundle_is_mended_by_the_same_one_undamaged() {
    let (world, key) = world();
    let built = world.build(1);
    let head = claviger_core::bundle_head_len(&built.bundle, built.bundle.len() as u64).unwrap();
    let mut damaged = built.bundle.clone();
    damaged[head..].iter_mut().for_each(|byte| *byte ^= 1);
    let mut verifier = Verifier::with_keyring_keys([world.keyring_key.clone()]).unwrap();
    verifier.replace_keyring(damaged, ISSUED).unwrap();
    let denial = |verifier: &Verifier| verifier.verify_key(&key, &RequestContext::at(ISSUED)).denial();
    assert_eq!(denial(&verifier), Some(DenialCode::KeyringInvalid));
    assert_eq!(verifier.replace_keyring(built.root, ISSUED), Ok(Replacement::Unchanged));
    assert_eq!(denial(&verifier), Some(DenialCode::KeyringInvalid), "a root has no parts");
    assert_eq!(verifier.replace_keyring(built.bundle, ISSUED), Ok(Replacement::Unchanged));
    assert_eq!(denial(&verifier), None);
}

#[test]
fn a_clone_takes_the_new_keyring_while_the_original_answers_by_the_old_one() {
    let (world, key) = world();
    let original = verifier(&world, &world.build(1));
    let mut clone = original.clone();
    let mut parts = Default::default();
    let mut builder = KeyringBuilder::from_previous(&world.keyring_key, &world.build(1).root).unwrap();
    keep(&mut parts, builder.set_bucket(0, &[]).unwrap());
    clone.replace_keyring(builder.finish(2, ISSUED).unwrap(), ISSUED).unwrap();
    let epoch = |verifier: &Verifier| {
        verifier.verify_key(&key, &RequestContext::at(ISSUED)).freshness().unwrap().epoch()
    };
    assert_eq!((epoch(&original), epoch(&clone)), (Some(1), Some(2)));
}
