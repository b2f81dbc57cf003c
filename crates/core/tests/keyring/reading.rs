//! Reading back: publishers get out of a keyring what went into it, and nothing of what was changed on the way.

use crate::world::{ISSUED, ModelPolicy, Random, World, keep};
use claviger_core::{
    BUNDLE_PREAMBLE_LEN, BundleHead, ImportScheme, KeyId, KeyKind, KeyRecord, KeyringBuilder, KeyringError,
    KeyringKey, KeyringReader, KeyringSecret, PartKind, Policy, Purpose, SharedSecret, VerifierValue,
    bundle_head, bundle_head_len, root_part_hashes,
};
use proptest::prelude::*;
use std::collections::HashMap;

type Parts = HashMap<[u8; 32], Vec<u8>>;

/// A record in a form that can be compared and sorted, the value too.
fn plain(record: &KeyRecord) -> impl Ord + std::fmt::Debug + use<> {
    let value = record.value.as_ref().map(|value| *value.expose());
    let set = [record.revoked, record.disabled, record.read_only];
    let KeyRecord { id, kind, not_before, expires_at, policy, issuer, .. } = *record;
    (id, kind.number(), value, not_before, expires_at, policy, set, issuer)
}

fn sorted(records: &[KeyRecord]) -> Vec<impl Ord + std::fmt::Debug + use<>> {
    let mut plain: Vec<_> = records.iter().map(plain).collect();
    plain.sort();
    plain
}

/// Everything that a keyring says is what the world says, whatever the order.
fn says_what_the_world_says(reader: &KeyringReader, world: &World, parts: &Parts) {
    let mut records = Vec::new();
    for bucket in 0..reader.buckets() {
        if let Some(hash) = reader.chunk_hash(bucket) {
            records.extend(reader.read_chunk(bucket, &parts[hash]).unwrap());
        }
    }
    assert_eq!(sorted(&records), sorted(&world.records));

    let pages = 0..reader.pages();
    let policies: Vec<Option<Policy<'_>>> = pages
        .flat_map(|page| reader.read_page(page, &parts[reader.page_hash(page).unwrap()]).unwrap())
        .collect();
    assert!(policies == world.policies.iter().map(|policy| Some(policy.encode())).collect::<Vec<_>>());

    let secret = |secret: &SharedSecret| (secret.to_text().expose().to_owned(), secret.purpose().as_str());
    let mut read: Vec<_> = reader
        .shared_secrets()
        .map(|accepted| (secret(&accepted.secret), accepted.prefix, accepted.policy, accepted.may_sign))
        .collect();
    let told = |(prefix, told, policy): &_| (secret(told), Some(*prefix), Some(*policy), false);
    let mut told: Vec<_> = world.secrets.iter().map(told).collect();
    read.sort();
    told.sort();
    assert_eq!(read, told);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn what_was_built_is_read_and_so_is_a_change_of_it(seed: u64, keys in 1_usize..60) {
        let mut world = World::new(seed, keys);
        let mut built = world.build(1);
        let key = world.keyring_key.clone();
        let reader = KeyringReader::open(&built.root, &[KeyringKey::generate(&[1; 40]), key.clone()]).unwrap();
        prop_assert_eq!((reader.keyring_id(), reader.keyring_key_id()), (world.keyring_id, key.id()));
        prop_assert_eq!((reader.epoch(), reader.issued_at()), (1, ISSUED));
        prop_assert_eq!((reader.fresh_for(), reader.valid_for()), (world.terms().fresh_for, world.terms().valid_for));
        prop_assert_eq!(reader.import_schemes().collect::<Vec<_>>(), ImportScheme::ALL);
        says_what_the_world_says(&reader, &world, &built.parts);

        let mut builder = KeyringBuilder::from_previous(&key, &built.root).unwrap();
        let id = KeyId::from_u64(world.random.bits());
        let value = VerifierValue::from_bytes(world.random.bytes());
        world.records.push(KeyRecord::new(id, KeyKind::Opaque, value, 3));
        let added = world.policies.len();
        let policy = ModelPolicy::random(&mut world.random, added, "acme_live");
        let page = (added / 256) as u32;
        let before = &built.parts[builder.page_hash(page).unwrap()];
        let change = [(added as u32, Some(policy.encode()))];
        let changed = builder.change_page(page, before, &change).unwrap();
        world.policies.push(policy);
        keep(&mut built.parts, Some(changed));
        let bucket = builder.bucket_of(id);
        keep(&mut built.parts, builder.set_bucket(bucket, &world.bucket(&builder, bucket)).unwrap());
        world.secrets.pop();
        world.tell_secrets(&mut builder);
        let root = builder.finish(2, ISSUED + 9).unwrap();
        let reader = KeyringReader::open(&root, &[key]).unwrap();
        prop_assert_eq!((reader.epoch(), reader.issued_at()), (2, ISSUED + 9));
        says_what_the_world_says(&reader, &world, &built.parts);
    }
}

/// Secrets go from one keyring to the next without being known.
#[test]
fn shared_secrets_can_be_set_again_as_they_were_read() {
    let world = World::new(1, 3);
    let mut builder = KeyringBuilder::new(&world.keyring_key, world.terms(), 1);
    let issuing = SharedSecret::generate(Purpose::Issuing, 3, &[5; 40]);
    let integration = SharedSecret::generate(Purpose::Integration, 4, &[6; 40]);
    let prefix = "acme_live".parse().unwrap();
    let secrets =
        [KeyringSecret::issuing(&issuing, prefix, 7).for_signing(), KeyringSecret::integration(&integration)];
    builder.set_shared_secrets(&secrets).unwrap();
    let root = builder.finish(1, ISSUED).unwrap();
    let keys = [world.keyring_key.clone()];
    let read: Vec<_> = KeyringReader::open(&root, &keys).unwrap().shared_secrets().collect();
    let [first, second] = &read[..] else { panic!("{read:?}") };
    assert_eq!(
        (first.secret.id(), first.prefix, first.policy, first.may_sign),
        (integration.id(), None, None, false)
    );
    assert_eq!((second.secret.id(), second.prefix), (issuing.id(), Some(prefix)));
    assert_eq!((second.policy, second.may_sign), (Some(7), true));

    let mut again = KeyringBuilder::new(&world.keyring_key, world.terms(), 1);
    again.set_shared_secrets(&[first.to_set(), second.to_set()]).unwrap();
    assert!(again.finish(1, ISSUED).unwrap() == root);
    assert!(!format!("{read:?}").contains(integration.to_text().expose()));
}

#[test]
fn every_bit_of_a_root_and_of_its_parts() {
    let world = World { buckets_for: 2, ..World::new(3, 6) };
    let built = world.build(1);
    let keys = [world.keyring_key.clone()];
    // The one byte of a root that says nothing stands between the algorithm of its authenticator and the length.
    let says_nothing = built.root.len() - 32 - 8 - 2 - 1;
    for bit in 0..built.root.len() * 8 {
        let mut root = built.root.clone();
        root[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(KeyringReader::open(&root, &keys).is_err(), bit / 8 != says_nothing, "bit {bit}");
    }
    let reader = KeyringReader::open(&built.root, &keys).unwrap();
    let chunks = (0..reader.buckets()).map(|bucket| (PartKind::Chunk, bucket, reader.chunk_hash(bucket)));
    let pages = (0..reader.pages()).map(|page| (PartKind::Page, page, reader.page_hash(page)));
    let mut bits = 0;
    for (part, index, hash) in chunks.chain(pages) {
        let Some(hash) = hash else { continue };
        let good = &built.parts[hash];
        let read = |bytes: &[u8]| match part {
            PartKind::Chunk => reader.read_chunk(index, bytes).map(|records| records.len()),
            PartKind::Page => reader.read_page(index, bytes).map(|policies| policies.len()),
        };
        assert!(read(good).is_ok());
        for bit in 0..good.len() * 8 {
            let mut bytes = good.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(read(&bytes), Err(KeyringError::WrongHash { part, index }));
            bits += 1;
        }
    }
    assert!(bits > 8000, "{bits}");
}

#[test]
fn what_the_root_does_not_name_is_not_read() {
    let world = World { buckets_for: 100, ..World::new(4, 1) };
    let built = world.build(1);
    let keys = [world.keyring_key.clone()];
    let reader = KeyringReader::open(&built.root, &keys).unwrap();
    let (empty, no_page) =
        ((0..reader.buckets()).find(|&bucket| reader.chunk_hash(bucket).is_none()).unwrap(), 1);
    let no = |part, index| Some(KeyringError::NoSuchPart { part, index });
    for bucket in [empty, reader.buckets(), u32::MAX] {
        assert_eq!(reader.read_chunk(bucket, b"").err(), no(PartKind::Chunk, bucket));
    }
    assert_eq!(reader.pages(), no_page);
    for page in [no_page, u32::MAX] {
        assert_eq!(reader.read_page(page, b"").err(), no(PartKind::Page, page));
    }
    let other = KeyringKey::generate(&[1; 40]);
    let unknown = KeyringError::UnknownKeyringKey { key_id: world.keyring_key.id() };
    assert_eq!(KeyringReader::open(&built.root, &[other]).err(), Some(unknown));
}

#[test]
fn a_bundle_in_pieces_is_the_bundle_as_a_whole() {
    let mut random = Random(7);
    for keys in [0, 1, 40] {
        let world = World::new(random.bits(), keys);
        let built = world.build(1);
        let hashes = root_part_hashes(&built.root).unwrap();
        let builder = KeyringBuilder::from_previous(&world.keyring_key, &built.root).unwrap();
        assert!(builder.part_hashes().eq(&hashes));
        let bytes = |hash: &[u8; 32]| built.parts.get(hash).map_or(&[][..], Vec::as_slice);
        let lengths: Vec<u64> = hashes.iter().map(|hash| bytes(hash).len() as u64).collect();
        let mut streamed = bundle_head(&built.root, &lengths);
        let head_len = streamed.len();
        for hash in &hashes {
            streamed.extend_from_slice(bytes(hash));
        }
        assert!(streamed == built.bundle);

        let len = streamed.len() as u64;
        assert_eq!(bundle_head_len(&streamed[..BUNDLE_PREAMBLE_LEN], len), Ok(head_len));
        let head = BundleHead::read(&streamed[..head_len], len).unwrap();
        assert!(head.root() == built.root);
        assert_eq!(head.parts(), hashes.len());
        for (number, hash) in hashes.iter().enumerate() {
            let place = head.part(number).unwrap();
            assert!(&streamed[place.start as usize..place.end as usize] == bytes(hash));
        }
        assert_eq!(head.part(hashes.len()), None);
        assert_eq!(head.part(usize::MAX), None);
    }
}

/// Without a keyring key nothing of a root is believed, but what is no root by its form is not taken for one.
#[test]
fn the_parts_of_what_is_no_root() {
    let world = World::new(8, 5);
    let root = world.build(1).root;
    for length in 0..root.len() {
        assert!(root_part_hashes(&root[..length]).is_err(), "{length}");
    }
    assert_eq!(root_part_hashes(b"CVGB"), Err(KeyringError::NotAKeyring));
    let mut longer = root.clone();
    longer.push(0);
    assert_eq!(root_part_hashes(&longer), Err(KeyringError::Oversized));
    let mut forged = root;
    forged[64] ^= 1;
    assert!(root_part_hashes(&forged).is_ok(), "whoever reads the parts authenticates the root");
}
