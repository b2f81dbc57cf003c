//! The 128 bytes of a verdict: what was written is read, and nothing else is taken for *verified*.

use crate::fixtures::{entropy, prefixes, terms};
use claviger_core::{
    Content, DenialCode, HttpRequest, IssuingKey, KEYRING_INFO_LEN, KeyId, KeyringInfo, NonceRule, Purpose,
    RequestContext, RequestRecord, RequestSigner, SharedSecret, SignatureKeys, SignaturePolicy,
    SignaturePolicyRecord, SignatureTerms, SigningKey, VERDICT_RECORD_LEN, Verdict, VerifiedSignature,
    Verifier,
};
use proptest::{prelude::*, sample::select};

/// Verdicts on genuine keys, at the time of their issue.
fn verified() -> impl Strategy<Value = Verdict<'static>> {
    (prefixes(), any::<u8>(), entropy(), any::<[u8; 8]>(), terms()).prop_map(
        |(prefix, version, entropy, id, terms)| {
            let secret = SharedSecret::generate(Purpose::Issuing, version, &entropy);
            let issuer = IssuingKey::new(prefix, &secret).unwrap();
            let key = issuer.generate(&id, terms).unwrap();
            let now = terms.claims(version).unwrap().issued_at();
            let verifier = Verifier::new([issuer]).unwrap().allow_keys_without_lifetime(true);
            verifier.verify_key(key.expose(), &RequestContext::at(now)).into_owned()
        },
    )
}

fn denied() -> impl Strategy<Value = Verdict<'static>> {
    (select(DenialCode::ALL), any::<Option<u64>>())
        .prop_map(|(code, id)| Verdict::denied(code, id.map(KeyId::from_u64)))
}

fn record() -> impl Strategy<Value = [u8; VERDICT_RECORD_LEN]> {
    proptest::collection::vec(any::<u8>(), VERDICT_RECORD_LEN).prop_map(|bytes| bytes.try_into().unwrap())
}

fn written(verdict: &Verdict<'_>) -> [u8; VERDICT_RECORD_LEN] {
    // What was there before must not show.
    let mut record = [0xa5; VERDICT_RECORD_LEN];
    verdict.write_record(&mut record);
    record
}

#[test]
fn what_is_known_of_a_keyring_stands_in_the_order_of_its_description() {
    let bytes: [u8; KEYRING_INFO_LEN] = std::array::from_fn(|place| place as u8);
    let number = |place: usize| u64::from_le_bytes(bytes[place..][..8].try_into().unwrap());
    let info = KeyringInfo::from_bytes(&bytes);
    assert_eq!((info.keyring_id.as_u64(), info.keyring_key_id.as_u64()), (number(0), number(8)));
    assert_eq!((info.epoch, info.issued_at), (number(16), number(24)));
    assert_eq!((info.fresh_for, info.valid_for), (number(32) as u32, (number(32) >> 32) as u32));
    assert_eq!(info.to_bytes(), bytes);
}

proptest! {
    #[test]
    fn a_verified_key_is_read_as_it_was_written(verdict in verified()) {
        prop_assert!(verdict.is_verified());
        prop_assert_eq!(Verdict::from_record(&written(&verdict), None), Some(verdict));
    }

    #[test]
    fn a_denial_is_read_as_it_was_written(verdict in denied()) {
        prop_assert_eq!(Verdict::from_record(&written(&verdict), None), Some(verdict));
    }

    #[test]
    fn a_record_with_any_byte_changed_is_refused_or_is_another_verdict(
        verdict in prop_oneof![verified(), denied()],
        place in 0..VERDICT_RECORD_LEN,
        byte: u8,
    ) {
        let mut record = written(&verdict);
        record[place] = byte;
        if let Some(read) = Verdict::from_record(&record, None) {
            prop_assert_eq!(written(&read), record);
        }
    }

    #[test]
    fn random_bytes_are_verified_only_under_the_code_0(record in record()) {
        if Verdict::from_record(&record, None).is_some_and(|verdict| verdict.is_verified()) {
            prop_assert_eq!(record[0], 0);
        }
    }

    #[test]
    fn changed_bytes_are_verified_only_under_the_code_0(
        verdict in prop_oneof![verified(), denied()],
        changes in proptest::collection::vec((0..VERDICT_RECORD_LEN, any::<u8>()), 1..4),
        code in prop_oneof![Just(None), any::<u8>().prop_map(Some)],
    ) {
        let mut record = written(&verdict);
        for (place, byte) in changes {
            record[place] = byte;
        }
        record[0] = code.unwrap_or(record[0]);
        match Verdict::from_record(&record, None) {
            Some(Verdict::Verified(_)) => prop_assert_eq!(record[0], 0),
            Some(Verdict::Denied(denied)) => prop_assert_eq!(record[0], denied.code.number()),
            None => {}
        }
    }
}

#[test]
fn a_record_without_what_verified_needs_is_none() {
    let secret = SharedSecret::generate(Purpose::Issuing, 1, &[1; 40]);
    let issuer = IssuingKey::new("acme_live".parse().unwrap(), &secret).unwrap();
    let key = issuer.generate(&[1; 8], claviger_core::SignedKeyTerms::expiring(1_790_000_000, 1)).unwrap();
    let verifier = Verifier::new([issuer]).unwrap();
    let verdict = verifier.verify_key(key.expose(), &RequestContext::at(1_790_000_000));
    let good = written(&verdict);
    assert_eq!(Verdict::from_record(&good, None), Some(verdict));
    // Kind, flags, freshness, prefix length, padding, prefix.
    for (place, byte) in [
        (1, 0),
        (1, 8),
        (1, 10),
        (2, good[2] & !8),
        (2, good[2] | 16),
        (2, good[2] | 64),
        (5, 1),
        (6, 1),
        (64, 1),
        (80, 1),
        (127, 1),
        (63, b'a'),
        (3, 0),
        (3, 2),
        (4, 0),
        (4, 33),
        (4, 5),
        (32, b'A'),
        (32, 0xff),
    ] {
        let mut record = good;
        record[place] = byte;
        assert_eq!(Verdict::from_record(&record, None), None, "byte {place} = {byte}");
    }
    // What belongs to a proven key must not stand in a denial.
    for number in 1..=u8::MAX {
        let mut record = good;
        record[0] = number;
        assert_eq!(Verdict::from_record(&record, None), None, "code {number}");
    }
    assert_eq!(Verdict::from_record(&[0; VERDICT_RECORD_LEN], None), None);
}

#[test]
fn what_is_known_of_signatures_comes_back_from_its_record() {
    let uri = "https://api.example/?a=1";
    let signer = RequestSigner::new(SigningKey::from_bytes(&[7; 32]), "partner");
    let fields: [(&str, &[u8]); 1] = [("X", b"caf\xe9")];
    let request = HttpRequest::new("POST", uri, &fields).unwrap().request_target("*");
    let terms = [
        SignatureTerms { components: &["@request-target"], ..SignatureTerms::at(1) },
        SignatureTerms { nonce: Some("n"), tag: Some("t"), expires: Some(99), ..SignatureTerms::at(1) },
        SignatureTerms { created: None, ..SignatureTerms::at(1) },
    ];
    for terms in terms {
        let signed = signer.sign(&request, &terms).unwrap();
        let fields: [(&str, &[u8]); 3] = [
            fields[0],
            ("Signature-Input", signed.signature_input.as_bytes()),
            ("Signature", signed.signature.as_bytes()),
        ];
        let signed = HttpRequest::new("POST", uri, &fields).unwrap().request_target("*");
        let mut bytes = Vec::new();
        let texts = RequestRecord::write(&signed, &mut bytes);
        assert_eq!(texts, 9);
        let record = RequestRecord::read(&bytes, texts).unwrap();
        for wrong in [0, 1, 2, 3, 4, 8, 10, 11, usize::MAX] {
            assert!(RequestRecord::read(&bytes, wrong).is_none());
        }
        for content in [
            Content::Bytes(b"{}"),
            Content::NotRead,
            Content::Hashed { sha256: Some(&[1; 32]), sha512: Some(&[2; 64]) },
            Content::Hashed { sha256: None, sha512: None },
        ] {
            let mut bytes = Vec::new();
            let kind = content.write_parts(&mut bytes);
            assert_eq!(Content::from_parts(kind, &bytes), Some(content));
            assert_eq!(record.request(content).unwrap(), signed.content(content));
        }
        let policy = SignaturePolicy { tag: terms.tag, ..SignaturePolicy::PERMISSIVE };
        for policy in
            [policy, SignaturePolicy { required_components: &["x", "@path"], max_age: Some(7), ..policy }]
        {
            let read = SignaturePolicyRecord::read(&SignaturePolicyRecord::write(&policy)).unwrap();
            read.with(|read| assert_eq!(*read, policy));
        }
        let mut keys = SignatureKeys::default();
        keys.set_any(SigningKey::from_bytes(&[7; 32]));
        let outcome = keys.verify(&record.request(Content::NotRead).unwrap(), &policy, 1);
        assert!(outcome.is_ok());
        let written = VerifiedSignature::write_record(&outcome);
        assert_eq!(VerifiedSignature::from_record(&written), Some(outcome));
        for flag in [32, 64, 128] {
            let mut wrong = written.clone();
            wrong[1] |= flag;
            assert_eq!(VerifiedSignature::from_record(&wrong), None);
        }
    }
    SignaturePolicyRecord::default().with(|policy| assert_eq!(*policy, SignaturePolicy::default()));
    let denied = Err(DenialCode::Replayed);
    assert_eq!(VerifiedSignature::from_record(&VerifiedSignature::write_record(&denied)), Some(denied));
    assert_eq!(Content::from_parts(1, &[0; 31]), None);
    assert_eq!(Content::from_parts(4, &[1]), None);
    assert_eq!(Content::from_parts(5, &[1]), None);
    assert_eq!(Content::from_parts(6, &[]), None);
}

#[test]
fn every_policy_comes_back_as_it_was_and_nothing_else_is_one() {
    let terms = [NonceRule::Never, NonceRule::UnlessIdempotent, NonceRule::Always];
    let terms = terms.into_iter().flat_map(|nonce| (0..8_u8).map(move |set| (nonce, set)));
    for (nonce, set) in terms {
        let policy = SignaturePolicy {
            required_components: &["@path", "x"],
            require_content_digest: set & 1 != 0,
            require_created: set & 2 != 0,
            max_age: (set & 4 != 0).then_some(0x0102_0304),
            future_skew: 0x0506_0708,
            nonce,
            tag: (set & 4 == 0).then_some("t"),
        };
        let written = SignaturePolicyRecord::write(&policy);
        SignaturePolicyRecord::read(&written).unwrap().with(|read| assert_eq!(*read, policy));
        let is_one = |place: usize, byte: u8| {
            let mut changed = written.clone();
            changed[place] = byte;
            SignaturePolicyRecord::read(&changed).is_some()
        };
        for unknown in [16, 32, 64, 128] {
            assert!(!is_one(0, written[0] | unknown));
        }
        assert!(!is_one(1, 3), "a rule of nonces");
        assert!(!is_one(3, 1), "a longer tag than there are bytes");
        assert!(!is_one(written.len() - 1, b'y'), "a name without an end");
        assert!(SignaturePolicyRecord::read(&written[..11]).is_none());
    }
}
