//! What verdicts say about their knowledge, what a request may demand of it, and how both cross a border.

use crate::world::{Built, FRESH, ISSUED, Random, Request, VALID, World};
use claviger_core::{
    ContextRecord, DenialClass, DenialCode, Freshness, FreshnessRequirement, IssuingKey, KeyId, KeyKind,
    KeyringBuilder, Policy, Purpose, RequestContext, SharedSecret, SignedKeyTerms, VERDICT_RECORD_LEN,
    Verdict, Verifier,
};
use proptest::prelude::*;
use std::borrow::Cow;

const DAY: u64 = 24 * 60 * 60;

fn verifier(world: &World, built: &Built) -> Verifier {
    let mut verifier = Verifier::with_keyring_keys([world.keyring_key.clone()]).unwrap();
    verifier.replace_keyring(built.bundle.clone(), ISSUED).unwrap();
    verifier
}

/// A world with one key that is good for ever and from everywhere.
fn plain() -> (World, String) {
    let mut world = World::new(1, 0);
    world.policies[0].off = [false; 3];
    world.policies[0].networks.clear();
    world.policies[0].prefix = "acme_live";
    let prefix = "acme_live".parse().unwrap();
    let (id, key) = claviger_core::generate_opaque_key(&prefix, claviger_core::OpaqueUse::Bearer, &[3; 40]);
    let value = claviger_core::VerifierValue::of_key(&claviger_core::parse(key.expose()).unwrap()).unwrap();
    world.records.push(claviger_core::KeyRecord::new(id, KeyKind::Opaque, value, 0));
    (world, key.expose().to_owned())
}

#[test]
fn knowledge_is_fresh_then_stale_then_expired() {
    let (world, key) = plain();
    let verifier = verifier(&world, &world.build(9));
    let at = |now| verifier.verify_key(&key, &RequestContext::at(now));
    let (fresh, stale) = (|age| Freshness::Fresh { epoch: 9, age }, |age| Freshness::Stale { epoch: 9, age });
    let (fresh_for, valid_for) = (u64::from(FRESH), u64::from(VALID));
    for (now, freshness) in [
        // A clock behind the keyring's cannot know better than the keyring.
        (0, fresh(0)),
        (ISSUED - 1, fresh(0)),
        (ISSUED, fresh(0)),
        (ISSUED + fresh_for - 1, fresh(fresh_for - 1)),
        (ISSUED + fresh_for, stale(fresh_for)),
        (ISSUED + valid_for - 1, stale(valid_for - 1)),
    ] {
        assert!(at(now).is_verified(), "{now}");
        assert_eq!(at(now).freshness(), Some(freshness), "{now}");
    }
    for now in [ISSUED + valid_for, ISSUED + DAY * 400, u64::MAX] {
        assert_eq!(at(now).denial(), Some(DenialCode::KeyringExpired), "{now}");
        assert_eq!(at(now).freshness(), Some(stale(now - ISSUED)), "{now}");
        // What is no key is told as such, by a stale verifier too: it needs no keyring to know.
        let verdict = verifier.verify_key("acme_live_what", &RequestContext::at(now));
        assert_eq!(
            verdict.denial(),
            Some(DenialCode::KeyringExpired),
            "text of another system may be imported"
        );
        let verdict = verifier.verify_key("", &RequestContext::at(now));
        assert_eq!(verdict.denial(), Some(DenialCode::Missing));
    }
    assert_eq!(DenialCode::KeyringExpired.class(), DenialClass::Fault);
}

#[test]
fn a_verifier_and_a_request_may_demand_more() {
    let (world, key) = plain();
    let any = FreshnessRequirement::default();
    let stale = ISSUED + u64::from(FRESH);
    let cases = [
        (any, stale, true),
        (FreshnessRequirement { require_fresh: true, ..any }, stale - 1, true),
        (FreshnessRequirement { require_fresh: true, ..any }, stale, false),
        (FreshnessRequirement { min_epoch: 9, ..any }, ISSUED, true),
        (FreshnessRequirement { max_age: Some(10), ..any }, ISSUED + 10, true),
        (FreshnessRequirement { max_age: Some(10), ..any }, ISSUED + 11, false),
        (FreshnessRequirement { max_age: Some(0), ..any }, ISSUED, true),
    ];
    for (demand, now, enough) in cases {
        let expected = (!enough).then_some(DenialCode::KeyringStale);
        let plain = verifier(&world, &world.build(9));
        let context = RequestContext::at(now).requiring(demand);
        assert_eq!(plain.verify_key(&key, &context).denial(), expected, "{demand:?} of a request");
        let strict = verifier(&world, &world.build(9)).requiring(demand);
        assert_eq!(
            strict.verify_key(&key, &RequestContext::at(now)).denial(),
            expected,
            "{demand:?} of all requests"
        );
        // Both hold: what one allows, the other may not.
        let context = RequestContext::at(now).requiring(FreshnessRequirement { min_epoch: 10, ..any });
        assert_eq!(strict.verify_key(&key, &context).denial(), Some(DenialCode::KeyringStale));
    }
}

#[test]
fn without_a_keyring_what_only_a_keyring_knows_is_denied() {
    let secret = SharedSecret::generate(Purpose::Issuing, 1, &[1; 40]);
    let issuer = IssuingKey::new("acme_live".parse().unwrap(), &secret).unwrap();
    let key = issuer.generate(&[1; 8], SignedKeyTerms::expiring(ISSUED, 9)).unwrap();
    let mut verifier = Verifier::new([issuer]).unwrap();
    let any = FreshnessRequirement::default();
    let at = RequestContext::at(ISSUED);
    for (context, code) in [
        (at, None),
        (at.address("192.0.2.1".parse().unwrap()), None),
        (at.tenant("tenant-1"), Some(DenialCode::WrongTenant)),
        (at.permissions(&["flights:view"]), Some(DenialCode::InsufficientPermission)),
        (
            at.requiring(FreshnessRequirement { require_fresh: true, ..any }),
            Some(DenialCode::KeyringUnavailable),
        ),
        (at.requiring(FreshnessRequirement { min_epoch: 1, ..any }), Some(DenialCode::KeyringUnavailable)),
        (
            at.requiring(FreshnessRequirement { max_age: Some(9), ..any }),
            Some(DenialCode::KeyringUnavailable),
        ),
    ] {
        let verdict = verifier.verify_key(key.expose(), &context);
        assert_eq!(verdict.denial(), code, "{context:?}");
        assert_eq!(verdict.freshness(), Some(Freshness::Stateless));
    }
    let refused = verifier.replace_keyring(plain().0.build(1).bundle, ISSUED);
    assert_eq!(refused, Err(claviger_core::KeyringError::NoKeyring), "one never becomes the other");
}

#[test]
fn an_unused_lifetime_option_changes_nothing() {
    let (world, key) = plain();
    let verifier = verifier(&world, &world.build(1)).allow_keys_without_lifetime(false);
    assert!(verifier.verify_key(&key, &RequestContext::at(ISSUED)).is_verified(), "it can be revoked");
}

#[test]
fn without_import_schemes_text_of_other_systems_is_malformed() {
    let (world, _) = plain();
    let mut builder = KeyringBuilder::new(&world.keyring_key, world.terms(), 1);
    let mut verifier = Verifier::with_keyring_keys([world.keyring_key.clone()]).unwrap();
    verifier.replace_keyring(builder.finish(1, ISSUED).unwrap(), ISSUED).unwrap();
    let denial = |text: &str| verifier.verify_key(text, &RequestContext::at(ISSUED)).denial();
    assert_eq!(denial("sk_live_123"), Some(DenialCode::Malformed));
    let mut verifier = Verifier::with_keyring_keys([world.keyring_key.clone()]).unwrap();
    verifier.replace_keyring(world.build(1).bundle, ISSUED).unwrap();
    let denial = |text: &str| verifier.verify_key(text, &RequestContext::at(ISSUED)).denial();
    assert_eq!(denial("sk_live_123"), Some(DenialCode::UnknownKey));
    assert_eq!(denial(&"a".repeat(512)), Some(DenialCode::UnknownKey));
    assert_eq!(denial(&"a".repeat(513)), Some(DenialCode::Malformed));
    // Native shapes never fall through: a typo in a key of ours is no key of theirs.
    let (_, key) = plain();
    let (typo, _) = key.split_at(key.len() - 1);
    assert_eq!(denial(&format!("{typo}!")), Some(DenialCode::Malformed));
    assert_eq!(denial(world.keyring_key.to_text().expose()), Some(DenialCode::Malformed));
}

#[test]
fn json() {
    let (mut world, key) = plain();
    let policy = &mut world.policies[0];
    (policy.tenant, policy.owner) = ("tenant-1", "sa-1".to_owned());
    (policy.external_id, policy.role) = (Some("customer-1".to_owned()), None);
    (policy.permissions, policy.metadata) = (vec!["flights:*"], Some("{\"plan\":\"pro\"}".to_owned()));
    (policy.limits, policy.read_only) = (vec![("requests".to_owned(), 100, 60)], true);
    let verifier = verifier(&world, &world.build(9));
    let verdict = verifier.verify_key(&key, &RequestContext::at(ISSUED + 7));
    let key_id = verdict.verified().unwrap().key_id;
    assert_eq!(
        serde_json::to_value(&verdict).unwrap(),
        serde_json::json!({
            "verified": true, "key_id": key_id.to_string(), "kind": "opaque", "prefix": "acme_live",
            "tenant": "tenant-1", "owner": "sa-1", "external_id": "customer-1", "role": null,
            "permissions": ["flights:*"], "read_only": true, "metadata": "{\"plan\":\"pro\"}",
            "limits": [{"name": "requests", "max": 100, "per_seconds": 60}], "issued_at": null, "expires_at": null,
            "freshness": "fresh", "epoch": 9, "age": 7, "revocation_checked": true,
        })
    );
    let denied = verifier.verify_key(&key, &RequestContext::at(ISSUED + 61).tenant("tenant-2"));
    assert_eq!(
        serde_json::to_value(&denied).unwrap(),
        serde_json::json!({
            "verified": false, "code": "wrong_tenant", "key_id": key_id.to_string(),
            "freshness": "stale", "epoch": 9, "age": 61,
        })
    );
    let before = Verdict::denied(DenialCode::PoolExhausted, None);
    assert_eq!(
        serde_json::to_value(&before).unwrap(),
        serde_json::json!({
            "verified": false, "code": "pool_exhausted", "key_id": null, "freshness": null, "epoch": null, "age": null,
        })
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn verdicts_cross_the_border_of_an_instance(seed: u64, place in 0..VERDICT_RECORD_LEN, byte: u8) {
        let world = World::new(seed, 8);
        let built = world.build(1);
        // One that has all parts, and one that needs them.
        let whole = verifier(&world, &built);
        let mut bare = Verifier::with_keyring_keys([world.keyring_key.clone()]).unwrap();
        let head = claviger_core::bundle_head_len(&built.bundle, built.bundle.len() as u64).unwrap();
        bare.replace_keyring_by_head(&built.bundle[..head], built.bundle.len() as u64, ISSUED).unwrap();
        let mut random = Random(seed);
        for presented in &world.presented {
            for verifier in [&whole, &bare] {
                let request = Request::random(&mut random);
                let verdict = verifier.verify_key(&presented.text, &request.context());
                let mut record = [0xa5; VERDICT_RECORD_LEN];
                verdict.write_record(&mut record);
                let bytes = verdict.verified().map(|verified| verified.policy.as_ref().unwrap().as_bytes());
                prop_assert_eq!(Verdict::policy_len_in_record(&record), bytes.map_or(0, <[u8]>::len));
                let policy = bytes.map(|bytes| Policy::from_bytes(Cow::Borrowed(bytes)).unwrap());
                prop_assert_eq!(Verdict::from_record(&record, policy.clone()), Some(verdict.clone()));
                // Another record is another verdict, or none.
                let mut changed = record;
                changed[place] = byte;
                if let Some(read) = Verdict::from_record(&changed, policy) {
                    let mut written = [0; VERDICT_RECORD_LEN];
                    read.write_record(&mut written);
                    prop_assert_eq!(written, changed);
                }
            }
        }
    }

    #[test]
    fn contexts_cross_the_border_of_an_instance(
        now: u64, tenant in proptest::option::of(".{0,40}"), address in proptest::option::of(any::<std::net::IpAddr>()),
        permissions in proptest::collection::vec(".{0,20}", 0..4), require_fresh: bool, min_epoch: u64,
        max_age in proptest::option::of(any::<u64>()), place: u16, byte: u8,
    ) {
        let permissions: Vec<&str> = permissions.iter().map(String::as_str).collect();
        let mut context = RequestContext::at(now)
            .permissions(&permissions)
            .requiring(FreshnessRequirement { require_fresh, min_epoch, max_age });
        context.tenant = tenant.as_deref();
        context.address = address;
        let text = address.map(|address| address.to_string()).unwrap_or_default();
        let mut bytes = ContextRecord::write(&context, &text);
        {
            let record = ContextRecord::read(&bytes).unwrap();
            prop_assert_eq!(record.context(), context);
        }
        for length in 0..bytes.len() {
            prop_assert!(ContextRecord::read(&bytes[..length]).is_none());
        }
        let place = usize::from(place) % bytes.len();
        bytes[place] = byte;
        // Whatever it is now, reading it ends well.
        let _ = ContextRecord::read(&bytes).map(|record| record.context().permissions.len());
    }
}

/// An address that cannot be read is one that is not known.
#[test]
fn an_address_that_cannot_be_read_is_not_known() {
    let context = RequestContext::at(1).address("192.0.2.1".parse().unwrap());
    for text in ["192.0.2.1:8080", "[::1]", "192.0.2", "", "unknown", "192.0.2.01"] {
        let bytes = ContextRecord::write(&context, text);
        assert_eq!(ContextRecord::read(&bytes).unwrap().context().address, None, "{text}");
    }
}

#[test]
fn a_key_begins_and_ends_with_the_second() {
    let (mut world, key) = plain();
    let record = world.records.last_mut().unwrap();
    (record.not_before, record.expires_at) = (Some(ISSUED + 10), Some(ISSUED + 20));
    let verifier = verifier(&world, &world.build(1));
    let denial = |now| verifier.verify_key(&key, &RequestContext::at(now)).denial();
    assert_eq!(denial(ISSUED + 9), Some(DenialCode::NotYetValid));
    assert_eq!(denial(ISSUED + 10), None);
    assert_eq!(denial(ISSUED + 19), None);
    assert_eq!(denial(ISSUED + 20), Some(DenialCode::Expired));
}

#[test]
fn what_is_revoked_is_revoked_when_its_policy_is_gone_too() {
    let (mut world, key) = plain();
    let record = world.records.last_mut().unwrap();
    record.policy = 4711;
    let denial = |world: &World| {
        let verifier = verifier(world, &world.build(1));
        verifier.verify_key(&key, &RequestContext::at(ISSUED)).denial()
    };
    assert_eq!(denial(&world), Some(DenialCode::KeyringInvalid));
    world.records.last_mut().unwrap().revoked = true;
    assert_eq!(denial(&world), Some(DenialCode::Revoked));
}

/// Another policy, never more.
#[test]
fn what_is_off_or_read_only_for_an_issuing_secret_is_so_for_a_key_with_an_override() {
    let (mut world, _) = plain();
    let secret = SharedSecret::generate(Purpose::Issuing, 1, &[1; 40]);
    let prefix = "acme_live".parse().unwrap();
    let issuer = IssuingKey::new(prefix, &secret).unwrap();
    let key = issuer.generate(&[1; 8], SignedKeyTerms::expiring(ISSUED, 9)).unwrap();
    (world.policies[0].read_only, world.policies[0].permissions) = (false, vec!["*"]);
    let mut selected = world.policies[0].clone();
    selected.owner = "another".to_owned();
    world.policies.push(selected);
    let index = u32::try_from(world.policies.len() - 1).unwrap();
    world.secrets = vec![(prefix, secret.clone(), 0)];
    let id = KeyId::from_entropy([1; 8]);
    world.records.push(claviger_core::KeyRecord::signed_override(id, secret.id(), 1, index));
    let verdict = |world: &World| {
        let context = RequestContext::at(ISSUED).permissions(&["flights:modify"]);
        let verifier = verifier(world, &world.build(1));
        verifier.verify_key(key.expose(), &context).into_owned()
    };
    let owner =
        |verdict: &Verdict<'_>| verdict.verified().unwrap().policy.as_ref().unwrap().owner().to_owned();
    assert_eq!(owner(&verdict(&world)), "another");
    world.policies[0].read_only = true;
    assert_eq!(verdict(&world).denial(), Some(DenialCode::InsufficientPermission));
    (world.policies[0].read_only, world.policies[0].off) = (false, [false, true, false]);
    assert_eq!(verdict(&world).denial(), Some(DenialCode::Disabled));
}

#[test]
fn access_tokens_have_a_lifetime() {
    let secret = SharedSecret::generate(Purpose::Issuing, 1, &[1; 40]);
    let issuer = IssuingKey::new("acme_live".parse().unwrap(), &secret).unwrap();
    let value = claviger_core::VerifierValue::from_bytes([1; 32]);
    let forever = SignedKeyTerms::without_lifetime(ISSUED);
    assert!(issuer.generate_access_token(KeyId::from_u64(1), &value, forever).is_err());
    assert!(
        issuer.generate_access_token(KeyId::from_u64(1), &value, SignedKeyTerms::expiring(ISSUED, 1)).is_ok()
    );
}

#[test]
fn a_denied_imported_key_is_named_once_it_is_proved() {
    let (mut world, _) = plain();
    let scheme = claviger_core::ImportScheme::Sha256Whole;
    let digest = scheme.digest(b"sk_live_123").unwrap();
    let public = KeyId::from_u64(0xabc);
    world.policies[0].key_id = Some(public);
    let id = world.keyring_key.imported_record_id(world.keyring_id, &digest);
    let value = claviger_core::VerifierValue::of_import(&digest);
    let mut record = claviger_core::KeyRecord::new(id, KeyKind::Imported, value, 0);
    record.revoked = true;
    world.records.push(record);
    let verifier = verifier(&world, &world.build(1));
    let denied = verifier.verify_key("sk_live_123", &RequestContext::at(ISSUED)).into_result().unwrap_err();
    assert_eq!((denied.code, denied.key_id), (DenialCode::Revoked, Some(public)));
}

#[test]
fn ids_of_denials_are_those_that_were_presented() {
    let (world, key) = plain();
    let verifier = verifier(&world, &world.build(1));
    let id = claviger_core::parse(&key).unwrap().id();
    let denied =
        |text: &str, now| verifier.verify_key(text, &RequestContext::at(now)).into_result().unwrap_err();
    assert_eq!(denied(&key, u64::MAX).key_id, Some(id));
    assert_eq!(denied("sk_live_123", ISSUED).key_id, None::<KeyId>);
    assert_eq!(denied(&key, u64::MAX).needed, None);
}
