//! Signed requests and a keyring: whose signature holds, and what the keyring says of that key. And what is demanded of a
//! signature, whatever kind of key made it.

use claviger_core::{
    DenialCode, HttpRequest, IssuingKey, KeyId, KeyKind, KeyRecord, KeyringBuilder, KeyringKey,
    KeyringSecret, KeyringTerms, NonceWindow, OpaqueUse, PendingVerdict, Policy, PolicyTerms, Purpose,
    ReplayAnswer, RequestContext, RequestSigner, SharedSecret, SignaturePolicy, SignatureTerms,
    SignedKeyTerms, SigningKey, Verifier, VerifierValue, generate_opaque_key, parse,
};
use std::collections::HashMap;

const NOW: u64 = 1_790_000_000;
const URI: &str = "https://api.example/flights?page=2";

fn prefix() -> claviger_core::KeyPrefix {
    "acme_live".parse().unwrap()
}

/// A key; the same id with another secret is that key in rotation.
fn key(id: u64, secret: u8, usage: OpaqueUse) -> String {
    let mut entropy = [secret; 40];
    entropy[..8].copy_from_slice(&id.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    generate_opaque_key(&prefix(), usage, &entropy).1.expose().into()
}

fn signing(id: u64) -> String {
    key(id, 1, OpaqueUse::BearerAndSigning)
}

fn record(key: &str) -> KeyRecord {
    let parsed = parse(key).unwrap();
    KeyRecord::new(parsed.id(), parsed.kind(), VerifierValue::of_key(&parsed).unwrap(), 0)
}

fn secret(version: u8) -> SharedSecret {
    SharedSecret::generate(Purpose::Issuing, version, &[version; 40])
}

/// A key that an issuing secret makes.
fn made_by(version: u8) -> String {
    let issuer = IssuingKey::new(prefix(), &secret(version)).unwrap();
    issuer.generate(&[9; 8], SignedKeyTerms::expiring(NOW, 60)).unwrap().expose().into()
}

type Parts = HashMap<[u8; 32], Vec<u8>>;

/// Root and bundle of these records. The keys of the first issuing secret may sign, those of the second may not.
fn publish(records: &[KeyRecord], epoch: u64, parts: &mut Parts) -> (Vec<u8>, Vec<u8>) {
    let ring_key = KeyringKey::generate(&[1; 40]);
    let mut builder = KeyringBuilder::new(&ring_key, KeyringTerms::new(KeyId::from_u64(1)), 1);
    for bucket in 0..builder.buckets() {
        let here: Vec<_> =
            records.iter().filter(|record| builder.bucket_of(record.id) == bucket).cloned().collect();
        parts.extend(builder.set_bucket(bucket, &here).unwrap().map(|part| (part.hash, part.bytes)));
    }
    let policy = Policy::new(&PolicyTerms::new(prefix(), "tenant", "owner")).unwrap();
    let page = builder.set_page(0, &[Some(policy)]).unwrap();
    parts.insert(page.hash, page.bytes);
    let (may, may_not) = (secret(1), secret(2));
    let secrets = [
        KeyringSecret::issuing(&may, prefix(), 0).for_signing(),
        KeyringSecret::issuing(&may_not, prefix(), 0),
    ];
    builder.set_shared_secrets(&secrets).unwrap();
    let root = builder.finish(epoch, NOW).unwrap();
    let bundle = builder.bundle(&root, |hash| parts.get(hash).map(Vec::as_slice)).unwrap();
    (root, bundle)
}

fn verifier() -> Verifier {
    Verifier::with_keyring_keys([KeyringKey::generate(&[1; 40])]).unwrap()
}

fn with(records: &[KeyRecord]) -> Verifier {
    let mut verifier = verifier();
    verifier.replace_keyring(publish(records, 1, &mut Parts::new()).1, NOW).unwrap();
    verifier
}

/// What a verifier says about a request with the signatures of these signers.
fn ask_all<'k>(
    verifier: &'k Verifier,
    signers: &[(&RequestSigner, SignatureTerms<'_>)],
    context: &RequestContext<'_>,
) -> PendingVerdict<'k> {
    let request = HttpRequest::new("POST", URI, &[]).unwrap();
    let signed: Vec<_> =
        signers.iter().map(|(signer, terms)| signer.sign(&request, terms).unwrap()).collect();
    let inputs = signed.iter().map(|fields| ("signature-input", fields.signature_input.as_bytes()));
    let fields: Vec<_> =
        inputs.chain(signed.iter().map(|fields| ("signature", fields.signature.as_bytes()))).collect();
    let request = HttpRequest::new("POST", URI, &fields).unwrap();
    verifier.verify_request(&request, &SignaturePolicy::default(), context)
}

const TERMS: SignatureTerms = SignatureTerms { nonce: Some("n"), ..SignatureTerms::at(NOW) };

fn ask<'k>(
    verifier: &'k Verifier,
    signer: &RequestSigner,
    context: &RequestContext<'_>,
) -> PendingVerdict<'k> {
    ask_all(verifier, &[(signer, TERMS)], context)
}

fn denial(verifier: &Verifier, key: &str, context: &RequestContext<'_>) -> Option<DenialCode> {
    ask(verifier, &RequestSigner::from_key(key).unwrap(), context).accept_replays().denial()
}

const AT_NOW: RequestContext = RequestContext::at(NOW);

#[test]
fn a_signature_is_worth_what_its_key_is() {
    let changed = |id, change: fn(&mut KeyRecord)| {
        let mut record = record(&signing(id));
        change(&mut record);
        record
    };
    let records = [
        record(&signing(1)),
        changed(2, |record| record.revoked = true),
        changed(3, |record| record.disabled = true),
        changed(4, |record| record.expires_at = Some(NOW)),
        changed(5, |record| record.not_before = Some(NOW + 60)),
        record(&key(6, 1, OpaqueUse::Bearer)),
    ];
    let verifier = with(&records);
    let say = |key: &str| denial(&verifier, key, &AT_NOW);
    assert_eq!(say(&signing(1)), None);
    assert_eq!(say(&signing(2)), Some(DenialCode::Revoked));
    assert_eq!(say(&signing(3)), Some(DenialCode::Disabled));
    assert_eq!(say(&signing(4)), Some(DenialCode::Expired));
    assert_eq!(say(&signing(5)), Some(DenialCode::NotYetValid));
    assert_eq!(say(&signing(6)), Some(DenialCode::UnknownKey), "a bearer key of this id");
    assert_eq!(say(&signing(7)), Some(DenialCode::UnknownKey));
    assert_eq!(say(&key(1, 2, OpaqueUse::BearerAndSigning)), Some(DenialCode::BadSignature));
    assert_eq!(say(&made_by(1)), None);
    assert_eq!(say(&made_by(2)), Some(DenialCode::UnknownKey), "its secret's keys may not sign");
    assert_eq!(say(&made_by(3)), Some(DenialCode::UnknownKey));
    assert_eq!(denial(&verifier, &signing(1), &AT_NOW.tenant("other")), Some(DenialCode::WrongTenant));
    let asked = AT_NOW.permissions(&["flights:view"]);
    assert_eq!(denial(&verifier, &signing(1), &asked), Some(DenialCode::InsufficientPermission));
    assert!(verifier.verify_key(signing(1), &AT_NOW).is_verified(), "it is a bearer key as well");
    assert!(verifier.verify_key(made_by(2), &AT_NOW).is_verified());
}

#[test]
fn the_verdict_says_whose_key_it_is_and_waits_for_the_window() {
    let verifier = with(&[record(&signing(1))]);
    let signer = RequestSigner::from_key(&signing(1)).unwrap();
    let mut window = NonceWindow::default();
    let pending = ask(&verifier, &signer, &AT_NOW);
    assert!(pending.replay().is_some() && pending.needed().is_none());
    let verdict = pending.check(&mut window, NOW);
    let verified = verdict.verified().unwrap();
    assert_eq!((verified.kind, verified.key_id), (KeyKind::OpaqueSigning, parse(&signing(1)).unwrap().id()));
    assert_eq!(verified.policy.as_ref().unwrap().owner(), "owner");
    let again = ask(&verifier, &signer, &AT_NOW).check(&mut window, NOW);
    assert_eq!(again.denial(), Some(DenialCode::Replayed));
    let cannot_tell = ask(&verifier, &signer, &AT_NOW).settle(ReplayAnswer::Unavailable);
    assert_eq!(cannot_tell.denial(), Some(DenialCode::ReplayUnavailable));
    let mut small = NonceWindow::new(10, SignaturePolicy::default().remembers_for().unwrap());
    let ahead = SignatureTerms { created: Some(NOW + 30), ..TERMS };
    let of_clock_ahead = ask_all(&verifier, &[(&signer, ahead)], &AT_NOW).check(&mut small, NOW);
    assert!(of_clock_ahead.is_verified(), "a window remembers all that the policy takes");
    // Of one that is denied nothing is remembered.
    let forger = RequestSigner::new(SigningKey::from_bytes(&[1; 32]), signer.keyid());
    assert_eq!(ask(&verifier, &forger, &AT_NOW).replay(), None);
    assert_eq!(ask(&verifier, &signer, &AT_NOW.tenant("other")).replay(), None);
}

#[test]
fn in_a_rotation_both_secrets_of_a_key_sign() {
    let (old, new) = (signing(1), key(1, 2, OpaqueUse::BearerAndSigning));
    let mut ending = record(&old);
    ending.expires_at = Some(NOW + 100);
    let verifier = with(&[ending, record(&new)]);
    assert_eq!(denial(&verifier, &old, &AT_NOW), None);
    assert_eq!(denial(&verifier, &new, &AT_NOW), None);
    let later = RequestContext::at(NOW + 101);
    assert_eq!(denial(&verifier, &old, &later), Some(DenialCode::Expired), "each has its own end");
    assert_eq!(denial(&verifier, &new, &later), None);
    let third = key(1, 3, OpaqueUse::BearerAndSigning);
    assert_eq!(denial(&verifier, &third, &AT_NOW), Some(DenialCode::BadSignature));
}

#[test]
fn while_a_part_is_awaited_the_keyring_before_decides() {
    let (mut parts, mut verifier) = (Parts::new(), verifier());
    let mut good = record(&signing(1));
    verifier.replace_keyring(publish(&[good.clone()], 1, &mut parts).0, NOW).unwrap();
    let signer = RequestSigner::from_key(&signing(1)).unwrap();
    let needed = |verifier: &Verifier| ask(verifier, &signer, &AT_NOW).needed().copied();
    let insert = |verifier: &Verifier, parts: &Parts| {
        let mut inserted = 0;
        while let Some(part) = needed(verifier) {
            verifier.insert_part(part.part, part.index, &parts[&part.hash]).unwrap();
            inserted += 1;
        }
        inserted
    };
    assert_eq!(insert(&verifier, &parts), 2);
    assert_eq!(denial(&verifier, &signing(1), &AT_NOW), None);
    good.revoked = true;
    verifier.replace_keyring(publish(&[good], 2, &mut parts).0, NOW).unwrap();
    assert!(needed(&verifier).is_some(), "nothing is awaited unless somebody says so");
    verifier.await_changed_parts();
    let pending = ask(&verifier, &signer, &AT_NOW);
    assert!(pending.replay().is_some());
    let verdict = pending.accept_replays();
    assert!(verdict.is_verified());
    assert_eq!(verdict.freshness().and_then(|freshness| freshness.epoch()), Some(1), "it says by what");
    let part = verifier.awaited_parts()[0];
    verifier.insert_part(part.part, part.index, &parts[&part.hash]).unwrap();
    assert_eq!(denial(&verifier, &signing(1), &AT_NOW), Some(DenialCode::Revoked));
}

#[test]
fn every_kind_of_key_is_held_to_what_is_demanded_of_its_signature() {
    let with_keyring = with(&[record(&signing(1))]);
    let issuer = IssuingKey::new(prefix(), &secret(1)).unwrap().for_signing();
    let without = Verifier::new([issuer]).unwrap();
    for (verifier, key) in [(&with_keyring, signing(1)), (&with_keyring, made_by(1)), (&without, made_by(1))]
    {
        let signer = RequestSigner::from_key(&key).unwrap();
        let say = |terms, at| {
            ask_all(verifier, &[(&signer, terms)], &RequestContext::at(at)).accept_replays().denial()
        };
        let expired = Some(DenialCode::SignatureExpired);
        assert_eq!(say(TERMS, NOW + 300), None, "{key}");
        assert_eq!(say(TERMS, NOW + 301), expired, "{key}");
        assert_eq!(say(SignatureTerms { expires: Some(NOW + 1), ..TERMS }, NOW + 2), expired, "{key}");
        assert_eq!(say(TERMS, NOW - 30), None, "{key}");
        assert_eq!(say(TERMS, NOW - 31), Some(DenialCode::SignatureFromFuture), "{key}");
        let lacking = Some(DenialCode::ComponentMissing);
        assert_eq!(say(SignatureTerms { nonce: None, ..TERMS }, NOW), lacking, "{key}");
        assert_eq!(say(SignatureTerms { components: &["@method"], ..TERMS }, NOW), lacking, "{key}");
        assert!(ask(verifier, &signer, &AT_NOW).replay().is_some(), "{key}");
    }
    let unmarked = Verifier::new([IssuingKey::new(prefix(), &secret(1)).unwrap()]).unwrap();
    assert_eq!(denial(&unmarked, &made_by(1), &AT_NOW), Some(DenialCode::UnknownKey));
    assert_eq!(denial(&without, &signing(1), &AT_NOW), Some(DenialCode::UnknownKey), "it knows no such keys");
}

/// The prefix is a part of the key's name that its holder could choose.
#[test]
fn a_key_signs_under_its_own_prefix_alone() {
    let verifier = with(&[record(&signing(1))]);
    let parsed = signing(1);
    let own = SigningKey::of_key(&parse(&parsed).unwrap()).unwrap();
    let keyid = RequestSigner::from_key(&parsed).unwrap().keyid().to_owned();
    let named = |keyid: &str| {
        let signer = RequestSigner::new(own.clone(), keyid);
        ask(&verifier, &signer, &AT_NOW).accept_replays().denial()
    };
    assert_eq!(named(&keyid), None);
    assert_eq!(named(&keyid.replace("acme_live", "acme_test")), Some(DenialCode::WrongPrefix));
}

#[test]
fn a_keyring_that_is_too_old_lets_no_signature_decide() {
    let verifier = with(&[record(&signing(1))]);
    let signer = RequestSigner::from_key(&signing(1)).unwrap();
    let later = NOW + 2 * 86_400;
    let terms = SignatureTerms { created: Some(later), ..TERMS };
    let verdict = ask_all(&verifier, &[(&signer, terms)], &RequestContext::at(later)).accept_replays();
    assert_eq!(verdict.denial(), Some(DenialCode::KeyringExpired));
}

#[test]
fn of_several_signatures_one_proves_its_key_and_none_is_of_another() {
    let verifier = with(&[record(&signing(1)), record(&signing(2))]);
    let signers = [1, 2].map(|id| RequestSigner::from_key(&signing(id)).unwrap());
    let [one, other] = &signers;
    let forger = RequestSigner::new(SigningKey::from_bytes(&[1; 32]), one.keyid());
    let stranger = RequestSigner::new(SigningKey::from_bytes(&[1; 32]), "partner");
    let second = SignatureTerms { label: "b", ..TERMS };
    let say = |first: (&RequestSigner, SignatureTerms<'_>), next| {
        ask_all(&verifier, &[first, next], &AT_NOW).accept_replays().denial()
    };
    assert_eq!(say((one, TERMS), (one, second)), None);
    assert_eq!(say((one, TERMS), (other, second)), Some(DenialCode::Malformed));
    assert_eq!(say((one, TERMS), (&stranger, second)), None, "no key of ours");
    assert_eq!(say((&stranger, TERMS), (one, second)), None);
    assert_eq!(say((&forger, TERMS), (one, second)), None);
    let old = SignatureTerms { created: Some(NOW - 301), ..TERMS };
    assert_eq!(say((one, old), (one, second)), None);
    assert_eq!(say((one, old), (&forger, second)), Some(DenialCode::SignatureExpired));
    assert_eq!(say((&forger, TERMS), (&forger, second)), Some(DenialCode::BadSignature));
    assert_eq!(say((one, TERMS), (one, TERMS)), Some(DenialCode::Malformed), "one label twice");
}
