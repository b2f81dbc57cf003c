//! Verifying with a keyring: the verdicts are those of the core, and a keyring that is refused changes nothing.

use crate::{
    fault_door::{self, TRAP},
    fixtures::{AT_NOW, NOW, embedded, issuing, key, live, still_engine, trusting},
    rings::{FRESH_FOR, METADATA, Ring, VALID_FOR, good, keyring_key, opaque, pair, presented, verifier},
};
use claviger_host::{
    HostError, KeyringKeys, PoolOptions, Verifier,
    core::{
        DenialCode, Freshness, FreshnessRequirement, KeyId, KeyringError, KeyringKey, PartKind, Replacement,
        RequestContext, Verdict, Verifier as NativeVerifier, VerifyKey,
    },
};
use std::error::Error as _;

fn keyring_error<T: std::fmt::Debug>(result: Result<T, HostError>) -> KeyringError {
    match result.expect_err("the keyring must be refused") {
        HostError::Keyring(error) => error,
        other => panic!("{other:?}"),
    }
}

fn contexts(now: u64) -> Vec<RequestContext<'static>> {
    let fresh = FreshnessRequirement { require_fresh: true, ..FreshnessRequirement::default() };
    let newer = FreshnessRequirement { min_epoch: 6, ..FreshnessRequirement::default() };
    let younger = FreshnessRequirement { max_age: Some(20), ..FreshnessRequirement::default() };
    let at = RequestContext::at(now);
    vec![
        at,
        at.tenant("tenant-7"),
        at.tenant("tenant-8"),
        at.tenant(""),
        at.address("192.0.2.7".parse().unwrap()),
        at.address("2001:db8::1".parse().unwrap()),
        at.permissions(&["flights:view", "flights:edit"]),
        at.permissions(&["crews:edit"]),
        at.requiring(fresh),
        at.requiring(newer),
        at.requiring(younger),
        at.tenant("tenant-7")
            .address("192.0.2.7".parse().unwrap())
            .permissions(&["crews:view"])
            .requiring(fresh),
    ]
}

#[test]
fn hosted_and_native_verifiers_are_interchangeable() {
    let published = Ring::at(5).published();
    let (hosted, native) = pair(&published.bundle);
    let by_root = verifier(PoolOptions::default());
    by_root.replace_keyring(published.root, NOW).unwrap();
    for (kind, index, part) in &published.parts {
        by_root.insert_part(*kind, *index, part).unwrap();
    }
    assert_eq!(hosted.keyring(), native.keyring());
    assert_eq!(by_root.keyring(), native.keyring());
    let mut texts = presented();
    texts.extend(["x".repeat(512), "x".repeat(513), "x".repeat(4000), "x".repeat(5000)]);
    let mut codes = Vec::new();
    let (fresh_for, valid_for) = (u64::from(FRESH_FOR), u64::from(VALID_FOR));
    for now in [0, NOW, NOW + 40, NOW + fresh_for, NOW + valid_for - 1, NOW + valid_for, u64::MAX] {
        for context in contexts(now) {
            for text in &texts {
                let expected = VerifyKey::verify_key(&native, text.as_bytes(), &context);
                for hosted in [&hosted, &by_root] {
                    let verdict = hosted.try_verify_key(text, &context).unwrap();
                    assert_eq!(verdict, expected, "{text} in {context:?}");
                }
                codes.push(expected.denial());
            }
        }
    }
    // Every verdict of a verifier with a keyring is among them.
    let elsewhere = [
        DenialCode::LifetimeRequired,
        DenialCode::PoolExhausted,
        DenialCode::VerifierFault,
        DenialCode::NotConfigured,
        DenialCode::KeyringUnavailable,
        DenialCode::KeyringInvalid,
        // Signatures of requests and webhooks.
        DenialCode::BadSignature,
        DenialCode::SignatureExpired,
        DenialCode::SignatureFromFuture,
        DenialCode::ComponentMissing,
        DenialCode::DigestMismatch,
        DenialCode::Replayed,
        DenialCode::ReplayUnavailable,
    ];
    for &code in DenialCode::ALL.iter().filter(|code| !elsewhere.contains(code)) {
        assert!(codes.contains(&Some(code)), "{code}");
    }
    assert!(codes.contains(&None));
}

#[test]
fn a_verdict_says_whose_the_key_is_until_the_key_is_revoked() {
    let verifier = verifier(PoolOptions::default());
    let denied = verifier.try_verify_key(good(), &AT_NOW).unwrap();
    assert_eq!(denied.denial(), Some(DenialCode::KeyringUnavailable));
    assert_eq!(verifier.keyring(), None);

    assert_eq!(verifier.replace_keyring(Ring::at(1).bundle(), NOW).unwrap(), Replacement::Replaced);
    let verdict = verifier.try_verify_key(good(), &AT_NOW.tenant("tenant-7")).unwrap();
    let verified = verdict.into_result().unwrap();
    let policy = verified.policy.unwrap();
    assert_eq!((policy.tenant(), policy.owner()), ("tenant-7", "sa-12"));
    assert_eq!((policy.external_id(), policy.role()), (Some("crm-99"), Some("dispatcher")));
    assert_eq!(policy.permissions().collect::<Vec<_>>(), ["flights:*", "crews:view"]);
    assert_eq!(policy.metadata(), Some(METADATA));
    assert_eq!(policy.limits().map(|limit| limit.max).collect::<Vec<_>>(), [100]);
    assert_eq!(verified.freshness, Freshness::Fresh { epoch: 1, age: 0 });

    assert_eq!(verifier.replace_keyring(Ring::at(1).bundle(), NOW).unwrap(), Replacement::Unchanged);
    let next = Ring { revoked: true, ..Ring::at(2) };
    assert_eq!(verifier.replace_keyring(next.bundle(), NOW).unwrap(), Replacement::Replaced);
    let denied = verifier.try_verify_key(good(), &AT_NOW).unwrap().into_result().unwrap_err();
    assert_eq!(denied.code, DenialCode::Revoked);
    assert_eq!(denied.key_id, Some(opaque(1).0));
    assert_eq!(denied.freshness, Some(Freshness::Fresh { epoch: 2, age: 0 }));
}

#[test]
fn a_keyring_goes_stale_and_expires() {
    let stale = NOW + u64::from(FRESH_FOR);
    let with = |required| {
        let keys = KeyringKeys::from(keyring_key()).requiring(required);
        let verifier = Verifier::with_keyring_keys(embedded(), keys, PoolOptions::default()).unwrap();
        verifier.replace_keyring(Ring::at(5).bundle(), NOW).unwrap();
        move |now| verifier.try_verify_key(good(), &RequestContext::at(now)).unwrap()
    };
    let any = FreshnessRequirement::default();
    let verify = with(any);
    assert_eq!(verify(stale).freshness(), Some(Freshness::Stale { epoch: 5, age: FRESH_FOR.into() }));
    assert!(verify(stale).is_verified());
    assert_eq!(verify(NOW + u64::from(VALID_FOR)).denial(), Some(DenialCode::KeyringExpired));

    let verify = with(FreshnessRequirement { require_fresh: true, ..any });
    assert!(verify(stale - 1).is_verified());
    assert_eq!(verify(stale).denial(), Some(DenialCode::KeyringStale));
    let verify = with(FreshnessRequirement { max_age: Some(10), ..any });
    assert!(verify(NOW + 10).is_verified());
    assert_eq!(verify(NOW + 11).denial(), Some(DenialCode::KeyringStale));
    let verify = with(FreshnessRequirement { max_age: Some(0), ..any });
    assert_eq!(verify(NOW + 1).denial(), Some(DenialCode::KeyringStale));
    let verify = with(FreshnessRequirement { min_epoch: 5, ..any });
    assert!(verify(NOW).is_verified());
}

#[test]
fn a_keyring_that_is_refused_says_why_and_the_old_one_stays() {
    let keys = KeyringKeys::from(keyring_key())
        .requiring(FreshnessRequirement { min_epoch: 3, ..FreshnessRequirement::default() });
    let verifier = Verifier::with_keyring_keys(embedded(), keys, PoolOptions::default()).unwrap();
    let mut native = NativeVerifier::with_keyring_keys([keyring_key()])
        .unwrap()
        .requiring(FreshnessRequirement { min_epoch: 3, ..FreshnessRequirement::default() });
    let ring = Ring::at(5);
    let published = ring.published();
    let older = KeyringError::OlderEpoch { least: 3, offered: 2 };
    assert_eq!(keyring_error(verifier.replace_keyring(Ring::at(2).bundle(), NOW)), older);
    assert_eq!(verifier.keyring(), None);
    verifier.replace_keyring(published.bundle.clone(), NOW).unwrap();
    native.replace_keyring(published.bundle.clone(), NOW).unwrap();

    let other_key = KeyringKey::generate(&[0x62; 40]);
    let same_id: [u8; 40] = std::array::from_fn(|place| if place < 8 { 0x61 } else { 0x62 });
    let same_id = KeyringKey::generate(&same_id);
    let next = Ring { epoch: 6, ..ring.clone() };
    let bundle = next.bundle();
    let changed = |place: usize, by: &[u8]| {
        let mut bundle = bundle.clone();
        bundle[place..][..by.len()].copy_from_slice(by);
        bundle
    };
    let mut refused: Vec<(Vec<u8>, KeyringError)> = vec![
        (Ring::at(4).bundle(), KeyringError::OlderEpoch { least: 5, offered: 4 }),
        (Ring { revoked: true, ..ring.clone() }.bundle(), KeyringError::SameEpochOtherContent { epoch: 5 }),
        (
            Ring { key: other_key.clone(), ..next.clone() }.bundle(),
            KeyringError::UnknownKeyringKey { key_id: other_key.id() },
        ),
        (Ring { key: same_id, ..next.clone() }.bundle(), KeyringError::WrongMac),
        (
            Ring { keyring_id: KeyId::from_u64(8), ..next.clone() }.bundle(),
            KeyringError::WrongKeyring { expected: KeyId::from_u64(7), found: KeyId::from_u64(8) },
        ),
        (
            Ring { issued_at: NOW + 301, ..next.clone() }.bundle(),
            KeyringError::IssuedInFuture { issued_at: NOW + 301, now: NOW },
        ),
        (b"not a keyring".to_vec(), KeyringError::NotAKeyring),
        (Vec::new(), KeyringError::NotAKeyring),
        (vec![b'x'; 80 << 20], KeyringError::Oversized),
        (changed(4, &[2, 0]), KeyringError::UnsupportedVersion { version: 2 }),
        (changed(6, &[1]), KeyringError::Invalid),
        (changed(8, &[0xff; 4]), KeyringError::Oversized),
        ([&bundle[..], &[0]].concat(), KeyringError::Oversized),
    ];
    for len in (4..200).chain([bundle.len() / 2, bundle.len() - 1]) {
        refused.push((bundle[..len].to_vec(), KeyringError::Truncated));
    }
    for (bytes, expected) in refused {
        let error = verifier.replace_keyring(bytes.clone(), NOW).expect_err("the keyring must be refused");
        assert!(error.source().is_some_and(|source| source.to_string() == expected.to_string()));
        assert_eq!(error.denial_code(), DenialCode::VerifierFault);
        assert_eq!(keyring_error::<()>(Err(error)), expected);
        assert_eq!(native.replace_keyring(bytes, NOW), Err(expected));
        assert_eq!(verifier.keyring(), native.keyring());
        let verdict = verifier.try_verify_key(good(), &AT_NOW).unwrap();
        assert_eq!(verdict.verified().map(|verified| verified.freshness.epoch()), Some(Some(5)));
    }
    assert_eq!(verifier.replace_keyring(published.bundle, NOW).unwrap(), Replacement::Unchanged);
    assert_eq!(verifier.replace_keyring(bundle, NOW).unwrap(), Replacement::Replaced);
}

#[test]
fn a_part_that_was_changed_decides_nothing() {
    let mut published = Ring::at(1).published();
    let bucket_of_good = 0;
    let (_, _, chunk) =
        published.parts.iter().find(|part| (part.0, part.1) == (PartKind::Chunk, bucket_of_good)).unwrap();
    let place = published.bundle.windows(chunk.len()).position(|window| window == chunk).unwrap();
    published.bundle[place + chunk.len() - 2] ^= 1;
    let (hosted, native) = pair(&published.bundle);
    for _ in 0..2 {
        for context in contexts(NOW) {
            for text in presented() {
                let verdict = hosted.try_verify_key(&text, &context).unwrap();
                assert_eq!(verdict, VerifyKey::verify_key(&native, text.as_bytes(), &context));
            }
        }
    }
    let denied = hosted.try_verify_key(good(), &AT_NOW).unwrap().into_result().unwrap_err();
    assert_eq!((denied.code, denied.needed), (DenialCode::KeyringInvalid, None));
    // In another bucket nothing is wrong.
    assert!(hosted.try_verify_key(opaque(0x92).1, &AT_NOW).unwrap().is_verified());
    // The part as it should be, from elsewhere, makes it good.
    hosted.insert_part(PartKind::Chunk, bucket_of_good, chunk).unwrap();
    assert!(hosted.try_verify_key(good(), &AT_NOW).unwrap().is_verified());

    // So does the next keyring, in which the part is whole.
    let (hosted, _) = pair(&published.bundle);
    assert!(!hosted.try_verify_key(good(), &AT_NOW).unwrap().is_verified());
    hosted.replace_keyring(Ring::at(2).bundle(), NOW).unwrap();
    assert!(hosted.try_verify_key(good(), &AT_NOW).unwrap().is_verified());
}

#[test]
fn a_root_alone_says_what_it_needs_and_takes_it() {
    let published = Ring::at(1).published();
    // With a door, so that the only instance can be lost.
    let options = PoolOptions::default().max_instances(1);
    let module = fault_door::module(&still_engine());
    let verifier = Verifier::with_keyring_keys(&module, KeyringKeys::from(keyring_key()), options).unwrap();
    let no_root = verifier.insert_part(PartKind::Page, 0, b"");
    assert_eq!(keyring_error(no_root), KeyringError::NoKeyring);
    verifier.replace_keyring(published.root.clone(), NOW).unwrap();

    let mut inserted = Vec::new();
    let verified = loop {
        match verifier.try_verify_key(good(), &AT_NOW).unwrap() {
            Verdict::Verified(verified) => break verified,
            Verdict::Denied(denied) => {
                assert_eq!(denied.code, DenialCode::KeyringUnavailable);
                let needed = denied.needed.unwrap();
                assert_eq!(needed.in_bundle, None);
                let is_needed =
                    |part: &&(PartKind, u32, Vec<u8>)| (part.0, part.1) == (needed.part, needed.index);
                let (kind, index, part) = published.parts.iter().find(is_needed).unwrap();
                verifier.insert_part(*kind, *index, part).unwrap();
                inserted.push(*kind);
            }
        }
    };
    assert_eq!(inserted, [PartKind::Chunk, PartKind::Page]);
    assert_eq!(verified.policy.unwrap().tenant(), "tenant-7");

    // A new instance has them too, and so has the next keyring with the same parts.
    for epoch in 2..4 {
        assert!(matches!(verifier.try_verify_key(good(), &TRAP), Err(HostError::Trapped(_))));
        assert!(verifier.try_verify_key(good(), &AT_NOW).unwrap().is_verified());
        verifier.replace_keyring(Ring::at(epoch).published().root, NOW).unwrap();
        assert!(verifier.try_verify_key(good(), &AT_NOW).unwrap().is_verified());
    }

    let wrong = |part, index, bytes: &[u8]| keyring_error(verifier.insert_part(part, index, bytes));
    let (part, index) = (PartKind::Chunk, 1);
    assert_eq!(wrong(part, index, b"something else"), KeyringError::WrongHash { part, index });
    assert_eq!(wrong(part, index, &vec![0; 17 << 20]), KeyringError::WrongHash { part, index });
    assert_eq!(wrong(part, 4, b""), KeyringError::NoSuchPart { part, index: 4 });
    assert!(verifier.try_verify_key(good(), &AT_NOW).unwrap().is_verified());
}

#[test]
fn a_new_instance_has_the_keyring() {
    let options = PoolOptions::default().max_instances(1);
    let module = fault_door::module(&still_engine());
    let verifier = Verifier::with_keyring_keys(&module, KeyringKeys::from(keyring_key()), options).unwrap();
    for epoch in 1..10 {
        verifier.replace_keyring(Ring::at(epoch).bundle(), NOW).unwrap();
        assert!(matches!(verifier.try_verify_key(good(), &TRAP), Err(HostError::Trapped(_))));
        let verdict = verifier.try_verify_key(good(), &AT_NOW).unwrap();
        assert!(verdict.is_verified());
        assert_eq!(verdict.freshness().and_then(Freshness::epoch), Some(epoch));
    }
}

#[test]
fn a_context_that_does_not_fit_is_a_fault_and_the_verifier_goes_on() {
    let options = PoolOptions::default().max_instances(1);
    let (hosted, native) = (verifier(options), pair(&Ring::at(1).bundle()).1);
    hosted.replace_keyring(Ring::at(1).bundle(), NOW).unwrap();
    // A head of 32 bytes and a tenant fill what there is to the last byte.
    let (fits, too_long) = ("t".repeat(3072 - 32), "t".repeat(3072 - 31));
    for text in [good(), "x".repeat(1024), "x".repeat(1025), "x".repeat(4096)] {
        let context = AT_NOW.tenant(&fits);
        let verdict = hosted.try_verify_key(&text, &context).unwrap();
        assert_eq!(verdict, VerifyKey::verify_key(&native, text.as_bytes(), &context), "{}", text.len());
        match hosted.try_verify_key(&text, &AT_NOW.tenant(&too_long)) {
            Err(HostError::ContextTooLong { len: 3073, most: 3072 }) => {}
            other => panic!("{other:?}"),
        }
        let denied = Verdict::denied(DenialCode::VerifierFault, None);
        assert_eq!(hosted.verify_key(&text, &AT_NOW.tenant(&too_long)), denied);
    }
    let huge = "t".repeat(70_000);
    assert!(matches!(
        hosted.try_verify_key(good(), &AT_NOW.tenant(&huge)),
        Err(HostError::ContextTooLong { .. })
    ));
    assert!(hosted.try_verify_key(good(), &AT_NOW).unwrap().is_verified());
}

#[test]
fn keyrings_and_secrets_never_take_the_place_of_each_other() {
    let secret = issuing(1, 1);
    let signed = key(live(), &secret);
    let with_secrets = Verifier::new(embedded(), trusting(secret.clone()), PoolOptions::default()).unwrap();
    let refused = with_secrets.replace_keyring(Ring::at(1).bundle(), NOW);
    assert_eq!(keyring_error(refused), KeyringError::NoKeyring);
    let refused = with_secrets.insert_part(PartKind::Page, 0, b"");
    assert_eq!(keyring_error(refused), KeyringError::NoKeyring);
    assert_eq!(with_secrets.keyring(), None);
    assert!(with_secrets.try_verify_key(&signed, &AT_NOW).unwrap().is_verified());
    let with_tenant = with_secrets.try_verify_key(&signed, &AT_NOW.tenant("tenant-7")).unwrap();
    assert_eq!(with_tenant.denial(), Some(DenialCode::WrongTenant));

    let with_keyring = verifier(PoolOptions::default());
    let refused = with_keyring.replace_secrets(trusting(secret));
    assert!(matches!(refused, Err(HostError::TakesNoSecrets)), "{refused:?}");
    let denied = with_keyring.try_verify_key(&signed, &AT_NOW).unwrap();
    assert_eq!(denied.denial(), Some(DenialCode::KeyringUnavailable));
}

#[test]
fn keys_that_are_no_configuration_are_refused() {
    let make = |keys| Verifier::with_keyring_keys(embedded(), keys, PoolOptions::default());
    let key = |seed| KeyringKey::generate(&[seed; 40]);
    let two = KeyringKeys::from(key(1)).keyring_key(key(2));
    for keys in
        [KeyringKeys::new(), KeyringKeys::from(key(1)).keyring_key(key(1)), two.clone().keyring_key(key(3))]
    {
        assert!(matches!(make(keys), Err(HostError::KeyringKeys)));
    }
    // During a rotation keyrings of either are taken.
    let verifier = make(two.keyring_id(KeyId::from_u64(7))).unwrap();
    for (epoch, seed) in [(1, 1), (2, 2), (3, 1)] {
        verifier.replace_keyring(Ring { key: key(seed), ..Ring::at(epoch) }.bundle(), NOW).unwrap();
        assert!(verifier.try_verify_key(good(), &AT_NOW).unwrap().is_verified());
        assert_eq!(verifier.keyring().unwrap().keyring_key_id, key(seed).id());
    }

    let pinned = make(KeyringKeys::from(keyring_key()).keyring_id(KeyId::from_u64(8))).unwrap();
    let error = keyring_error(pinned.replace_keyring(Ring::at(1).bundle(), NOW));
    assert_eq!(error, KeyringError::WrongKeyring { expected: KeyId::from_u64(8), found: KeyId::from_u64(7) });

    let secret_of = |seed: u8| std::array::from_fn(|place| if place < 8 { 7 } else { seed });
    let show = |seed| format!("{:?}", KeyringKeys::from(KeyringKey::generate(&secret_of(seed))));
    assert_eq!(show(1), show(2));
}
