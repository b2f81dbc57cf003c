//! Building: the same keyring whichever way it is made, and what is no keyring is not built.

use crate::world::{Built, ISSUED, ModelPolicy, Random, World, keep};
use claviger_core::{
    BuildError, DenialCode, IssuingKey, KeyId, KeyKind, KeyRecord, KeyringBuilder, KeyringError, KeyringKey,
    KeyringSecret, KeyringTerms, Purpose, RequestContext, SharedSecret, Verifier, VerifierValue,
};
use proptest::prelude::*;
use std::collections::HashMap;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Epoch by epoch a few keys are revoked, removed and added, and a policy changes: what the changed parts and the
    /// previous root make is, bit by bit, the whole keyring of that epoch.
    #[test]
    fn a_change_of_the_previous_keyring_is_the_whole_one(seed: u64, keys in 2_usize..30, epochs in 2_u64..5) {
        let mut world = World::new(seed, keys);
        let Built { mut root, mut parts, .. } = world.build(1);
        let mut random = Random(seed ^ 2);
        for epoch in 2..=epochs {
            let mut builder = KeyringBuilder::from_previous(&world.keyring_key, &root).unwrap();
            let mut changed = Vec::new();
            for _ in 0..random.below(4) {
                if world.records.is_empty() {
                    break;
                }
                let place = random.below(world.records.len());
                changed.push(builder.bucket_of(world.records[place].id));
                match random.below(3) {
                    0 => drop(world.records.remove(place)),
                    1 => {
                        let id = KeyId::from_u64(random.bits());
                        let value = VerifierValue::from_bytes(random.bytes());
                        changed.push(builder.bucket_of(id));
                        world.records.push(KeyRecord::new(id, KeyKind::Opaque, value, 0));
                    }
                    _ => world.records[place].revoked ^= true,
                }
            }
            for bucket in changed {
                let part = builder.set_bucket(bucket, &world.bucket(&builder, bucket)).unwrap();
                keep(&mut parts, part);
            }
            let policy = random.below(world.policies.len());
            world.policies[policy].off[0] ^= true;
            let before = parts[builder.page_hash(0).unwrap()].clone();
            let mut changes = vec![(policy as u32, Some(world.policies[policy].encode()))];
            if random.one_in(2) {
                let added = ModelPolicy::random(&mut random, world.policies.len(), "acme_live");
                changes.push((world.policies.len() as u32, Some(added.encode())));
                world.policies.push(added);
            }
            keep(&mut parts, Some(builder.change_page(0, &before, &changes).unwrap()));
            root = builder.finish(epoch, ISSUED).unwrap();
            let whole = world.build(epoch);
            prop_assert!(root == whole.root);
            let bundle = builder.bundle(&root, |hash| parts.get(hash).map(Vec::as_slice)).unwrap();
            prop_assert!(bundle == whole.bundle);
        }
    }
}

fn builder() -> KeyringBuilder {
    KeyringBuilder::new(&KeyringKey::generate(&[1; 40]), KeyringTerms::new(KeyId::from_u64(1)), 20)
}

fn record(id: u64) -> KeyRecord {
    KeyRecord::new(KeyId::from_u64(id), KeyKind::Opaque, VerifierValue::from_bytes([id as u8; 32]), 0)
}

#[test]
fn what_is_no_bucket_is_refused_and_changes_nothing() {
    let mut builder = builder();
    assert_eq!(builder.buckets(), 8);
    let other_value = |id: u64, byte: u8| {
        let mut record = record(id);
        record.value = Some(VerifierValue::from_bytes([byte; 32]));
        record
    };
    let before = builder.set_bucket(0, &[record(1)]).unwrap().unwrap().hash;
    let id = KeyId::from_u64;
    let override_of = |id| KeyRecord::signed_override(KeyId::from_u64(id), KeyId::from_u64(5), 1, 0);
    let at = |time| {
        let mut record = record(1);
        record.expires_at = Some(time);
        record
    };
    let mut signed_with_value = override_of(1);
    signed_with_value.value = record(1).value;
    let mut opaque_without = record(1);
    opaque_without.value = None;
    let mut token = record(1);
    token.kind = KeyKind::AccessToken;
    let three = [other_value(1, 1), other_value(1, 2), other_value(1, 3)];
    for (what, records, error) in [
        (
            "of another bucket",
            vec![record(u64::MAX)],
            BuildError::WrongBucket { key_id: id(u64::MAX), bucket: 0 },
        ),
        ("three of one id", three.to_vec(), BuildError::TooManyRecords { key_id: id(1) }),
        ("two overrides", vec![override_of(1), override_of(1)], BuildError::TooManyRecords { key_id: id(1) }),
        ("an override with a value", vec![signed_with_value], BuildError::Kind { key_id: id(1) }),
        ("no value", vec![opaque_without], BuildError::Kind { key_id: id(1) }),
        ("an access token", vec![token], BuildError::Kind { key_id: id(1) }),
        ("time 0", vec![at(0)], BuildError::Time { time: 0 }),
        ("after 2106", vec![at(1 << 32)], BuildError::Time { time: 1 << 32 }),
        (
            "too many",
            (0..65_536).map(record).collect(),
            BuildError::BucketTooLarge { bucket: 0, records: 65_536 },
        ),
    ] {
        assert_eq!(builder.set_bucket(0, &records), Err(error), "{what}");
        assert_eq!(builder.chunk_hash(0), Some(&before), "{what}");
    }
    assert_eq!(builder.set_bucket(8, &[]), Err(BuildError::NoSuchBucket { bucket: 8, buckets: 8 }));
    assert!(builder.set_bucket(0, &(0..65_535).map(record).collect::<Vec<_>>()).is_ok());
    // An override beside an opaque key of the same id is two names, and in any order the same chunk.
    let one = builder.set_bucket(0, &[record(1), override_of(1), other_value(1, 9)]).unwrap();
    assert_eq!(builder.set_bucket(0, &[other_value(1, 9), override_of(1), record(1)]).unwrap(), one);
    assert_eq!(builder.set_bucket(0, &[]), Ok(None));
    assert_eq!(builder.chunk_hash(0), None);
}

#[test]
fn a_policy_index_is_never_reassigned() {
    let mut random = Random(1);
    let key = KeyringKey::generate(&[1; 40]);
    let policies: Vec<ModelPolicy> =
        (0..4).map(|number| ModelPolicy::random(&mut random, number, "acme_live")).collect();
    let policy = |number: usize| Some(policies[number].encode());
    let mut builder = builder();
    let page = builder.set_page(0, &[policy(0), policy(1)]).unwrap();
    assert!(builder.set_page(0, &[policy(1)]).is_ok(), "what was not published may be set again");
    let page_again = builder.set_page(0, &[policy(0), policy(1)]).unwrap();
    assert_eq!(page, page_again);
    let root = builder.finish(1, ISSUED).unwrap();

    let mut next = KeyringBuilder::from_previous(&key, &root).unwrap();
    assert_eq!(next.set_page(0, &[policy(1)]), Err(BuildError::PageExists { page: 0 }));
    let reassigned = |policy| Err(BuildError::PolicyReassigned { policy });
    assert_eq!(next.change_page(0, &page.bytes, &[(1, policy(2))]), reassigned(1));
    assert_eq!(next.change_page(0, &page.bytes[1..], &[]), Err(BuildError::WrongPage { page: 0 }));
    assert_eq!(next.change_page(1, &page.bytes, &[]), Err(BuildError::WrongPage { page: 1 }));
    assert_eq!(next.change_page(0, &page.bytes, &[(256, policy(2))]), Err(BuildError::WrongPage { page: 0 }));
    // Another fate of the same owner is no other owner; behind the last there is room; a gap stays one.
    let mut same_owner = policies[1].clone();
    same_owner.off = [true; 3];
    let changes = [(1, Some(same_owner.encode())), (3, policy(3)), (0, None)];
    let changed = next.change_page(0, &page.bytes, &changes).unwrap();
    let root = next.finish(2, ISSUED).unwrap();
    let mut last = KeyringBuilder::from_previous(&key, &root).unwrap();
    assert_eq!(last.change_page(0, &changed.bytes, &[(0, policy(0))]), reassigned(0));
    assert_eq!(last.change_page(0, &changed.bytes, &[(2, policy(2))]), reassigned(2), "a gap was given up");
    assert!(last.change_page(0, &changed.bytes, &[(4, policy(2))]).is_ok());
    assert!(last.set_page(2, &[policy(2)]).is_ok());
    let root = last.finish(3, ISSUED).unwrap();
    let mut after = KeyringBuilder::from_previous(&key, &root).unwrap();
    assert!(after.set_page(1, &[policy(2)]).is_ok(), "a page that was passed over is not one that exists");
}

#[test]
fn what_is_no_root_is_not_finished() {
    let mut builder = builder();
    assert_eq!(builder.finish(0, ISSUED), Err(BuildError::Epoch { previous: 0, epoch: 0 }));
    assert_eq!(builder.finish(1 << 53, ISSUED), Err(BuildError::Epoch { previous: 0, epoch: 1 << 53 }));
    assert!(builder.finish(3, ISSUED).is_ok());
    assert_eq!(builder.finish(3, ISSUED), Err(BuildError::Epoch { previous: 3, epoch: 3 }));
    for (fresh_for, valid_for) in [(0, 1), (2, 1)] {
        builder.set_lifetime(fresh_for, valid_for);
        assert_eq!(builder.finish(4, ISSUED), Err(BuildError::Lifetime { fresh_for, valid_for }));
    }
    builder.set_lifetime(1, 1);
    let part = builder.set_bucket(0, &[record(1)]).unwrap().unwrap();
    let root = builder.finish(4, ISSUED).unwrap();
    assert_eq!(builder.bundle(&root, |_| None), Err(BuildError::MissingPart { hash: part.hash }));
    assert_eq!(builder.bundle(&root, |_| Some(b"another")), Err(BuildError::MissingPart { hash: part.hash }));
    assert!(builder.bundle(&root, |_| Some(&part.bytes)).is_ok());
    builder.set_import_schemes(&[]);
    assert_eq!(builder.bundle(&root, |_| Some(&part.bytes)), Err(BuildError::NotFinished));
    assert_eq!(
        KeyringBuilder::from_previous(&KeyringKey::generate(&[2; 40]), &root).unwrap_err(),
        KeyringError::UnknownKeyringKey { key_id: KeyringKey::generate(&[1; 40]).id() }
    );
}

#[test]
fn shared_secrets_are_told_apart() {
    let mut builder = builder();
    let secret = |purpose, version| SharedSecret::generate(purpose, version, &[version; 40]);
    let (one, two) = (secret(Purpose::Issuing, 1), secret(Purpose::Issuing, 2));
    let integration = secret(Purpose::Integration, 1);
    let prefix = "acme_live".parse().unwrap();
    let issuing = |secret| KeyringSecret::issuing(secret, prefix, 0);
    let mut set = |secrets: &[KeyringSecret<'_>]| builder.set_shared_secrets(secrets);
    assert_eq!(
        set(&[issuing(&two), KeyringSecret::integration(&integration), issuing(&one).for_signing()]),
        Ok(())
    );
    assert_eq!(
        set(&[issuing(&one), issuing(&one)]),
        Err(BuildError::DuplicateSecret { secret_id: one.id() })
    );
    assert_eq!(set(&[issuing(&integration)]), Err(BuildError::SharedSecret { secret_id: integration.id() }));
    assert_eq!(
        set(&[KeyringSecret::integration(&one)]),
        Err(BuildError::SharedSecret { secret_id: one.id() })
    );
    let two_integrations = [KeyringSecret::integration(&integration); 2];
    assert_eq!(
        set(&[KeyringSecret::issuing(&one, prefix, u32::MAX)]),
        Err(BuildError::SharedSecret { secret_id: one.id() })
    );
    assert_eq!(set(&two_integrations), Err(BuildError::DuplicateSecret { secret_id: integration.id() }));
}

/// The publisher is trusted, and may still be wrong: what its keyring names and does not have is denied.
#[test]
fn a_keyring_that_contradicts_itself_denies() {
    let mut random = Random(3);
    let key = KeyringKey::generate(&[1; 40]);
    let mut builder = builder();
    let secret = SharedSecret::generate(Purpose::Issuing, 1, &[5; 40]);
    let prefix = "acme_live".parse().unwrap();
    let issuer = IssuingKey::new(prefix, &secret).unwrap();
    let mut of = |tenant| ModelPolicy {
        tenant,
        off: [false; 3],
        networks: vec![],
        ..ModelPolicy::random(&mut random, 0, "acme_live")
    };
    let policies = [Some(of("tenant-1").encode()), Some(of("tenant-2").encode()), None];
    let mut parts = HashMap::new();
    keep(&mut parts, Some(builder.set_page(0, &policies).unwrap()));
    builder.set_shared_secrets(&[KeyringSecret::issuing(&secret, prefix, 0)]).unwrap();
    let terms = claviger_core::SignedKeyTerms::expiring(ISSUED, 60);
    let keys: Vec<(String, u32)> = [0, 1, 2, 3, 256]
        .into_iter()
        .enumerate()
        // Ids whose first bits differ, so that each has a bucket of its own.
        .map(|(place, policy)| {
            (issuer.generate(&[place as u8 * 0x20 + 1; 8], terms).unwrap().expose().to_owned(), policy)
        })
        .collect();
    for (key, policy) in &keys {
        let id = claviger_core::parse(key).unwrap().id();
        let part = builder
            .set_bucket(builder.bucket_of(id), &[KeyRecord::signed_override(id, secret.id(), 1, *policy)])
            .unwrap();
        keep(&mut parts, part);
    }
    let root = builder.finish(1, ISSUED).unwrap();
    let bundle = builder.bundle(&root, |hash| parts.get(hash).map(Vec::as_slice)).unwrap();
    let mut verifier = Verifier::with_keyring_keys([key]).unwrap();
    verifier.replace_keyring(bundle, ISSUED).unwrap();
    for (text, policy) in &keys {
        let verdict = verifier.verify_key(text, &RequestContext::at(ISSUED));
        // The same policy is good; one of another tenant, a gap, and what is beyond page or root are not.
        let expected = (*policy != 0).then_some(DenialCode::KeyringInvalid);
        assert_eq!(verdict.denial(), expected, "policy {policy}");
    }
}
