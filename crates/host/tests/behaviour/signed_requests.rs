//! Signed requests: what the module says about them is what the core says, and bytes that are none deny.

use crate::{
    fixtures::{NOW, embedded, issuing, key_with, live},
    raw::{INVALID_INPUT, INVALID_OPTION, MALFORMED, Raw, WRONG_PURPOSE, code},
    rings::{keyring_key, opaque},
};
use claviger_host::{
    HostError, KeyringKeys, PoolOptions, SignatureKeys, SignatureVerifier, Verifier,
    core::{
        self, Content, ContentDigest, ContextRecord, DenialCode, HttpRequest, KeyId, KeyKind, KeyRecord,
        KeyringBuilder, KeyringSecret, KeyringTerms, NonceWindow, OpaqueUse, PartKind, Policy, PolicyTerms,
        Purpose, ReplayEntry, RequestContext, RequestRecord, RequestSigner, SharedSecret, SignaturePolicy,
        SignaturePolicyRecord, SignatureTerms, SignedKeyTerms, SigningKey, Verifier as NativeVerifier,
        VerifierValue, generate_opaque_key, parse,
    },
    wasmtime::Val,
};

const URI: &str = "https://api.example/flights?page=2";

fn signing_key(seed: u8) -> String {
    generate_opaque_key(&live(), OpaqueUse::BearerAndSigning, &[seed; 40]).1.expose().to_owned()
}

/// A part of a keyring: kind, index and bytes.
type Part = (PartKind, u32, Vec<u8>);

/// A bundle, its root and its parts: a key for signing, one that is revoked, a bearer key, and an issuing secret whose keys
/// may sign beside one whose keys may not.
fn keyring() -> (Vec<u8>, Vec<u8>, Vec<Part>) {
    let record = |key: &str, revoked| {
        let parsed = parse(key).unwrap();
        let mut record =
            KeyRecord::new(parsed.id(), parsed.kind(), VerifierValue::of_key(&parsed).unwrap(), 0);
        record.revoked = revoked;
        record
    };
    let records =
        [record(&signing_key(1), false), record(&signing_key(2), true), record(&opaque(3).1, false)];
    assert_eq!(records[0].kind, KeyKind::OpaqueSigning);
    let mut builder = KeyringBuilder::new(&keyring_key(), KeyringTerms::new(KeyId::from_u64(7)), 1);
    let mut terms = PolicyTerms::new(live(), "tenant-7", "sa-12");
    terms.permissions = &["flights:*"];
    let page = builder.set_page(0, &[Some(Policy::new(&terms).unwrap())]).unwrap();
    let mut parts = vec![(PartKind::Page, 0, page)];
    for bucket in 0..builder.buckets() {
        let of_bucket: Vec<_> =
            records.iter().filter(|record| builder.bucket_of(record.id) == bucket).cloned().collect();
        let chunk = builder.set_bucket(bucket, &of_bucket).unwrap();
        parts.extend(chunk.map(|chunk| (PartKind::Chunk, bucket, chunk)));
    }
    let (may, may_not) = (issuing(1, 1), issuing(2, 2));
    let secrets =
        [KeyringSecret::issuing(&may, live(), 0).for_signing(), KeyringSecret::issuing(&may_not, live(), 0)];
    builder.set_shared_secrets(&secrets).unwrap();
    let root = builder.finish(5, NOW).unwrap();
    let part = |hash: &[u8; 32]| parts.iter().find(|part| part.2.hash == *hash).map(|part| &part.2.bytes[..]);
    let bundle = builder.bundle(&root, part).unwrap();
    (bundle, root, parts.into_iter().map(|(kind, index, part)| (kind, index, part.bytes)).collect())
}

fn pair() -> (Verifier, NativeVerifier) {
    let bundle = keyring().0;
    let keys = KeyringKeys::from(keyring_key());
    let hosted = Verifier::with_keyring_keys(embedded(), keys, PoolOptions::default()).unwrap();
    hosted.replace_keyring(bundle.clone(), NOW).unwrap();
    let mut native = NativeVerifier::with_keyring_keys([keyring_key()]).unwrap();
    native.replace_keyring(bundle, NOW).unwrap();
    (hosted, native)
}

/// The fields of a request that is signed with this key over its content.
fn signed(signer: &RequestSigner, content: &[u8], nonce: Option<&str>) -> Vec<(&'static str, Vec<u8>)> {
    let digest = if content.len().is_multiple_of(2) {
        ContentDigest::sha256(content)
    } else {
        format!("{}, {}", ContentDigest::sha512(content), ContentDigest::sha256(content))
    };
    let fields = [("content-digest", digest.as_bytes())];
    let request = HttpRequest::new("POST", URI, &fields).unwrap();
    let components = ["@method", "@authority", "@path", "@query", "content-digest"];
    let terms = SignatureTerms { components: &components, nonce, ..SignatureTerms::at(NOW) };
    let signed = signer.sign(&request, &terms).unwrap();
    vec![
        ("Content-Digest", digest.into_bytes()),
        ("Signature-Input", signed.signature_input.into_bytes()),
        ("Signature", signed.signature.into_bytes()),
    ]
}

fn borrowed<'f>(fields: &'f [(&'static str, Vec<u8>)]) -> Vec<(&'f str, &'f [u8])> {
    fields.iter().map(|(name, value)| (*name, value.as_slice())).collect()
}

fn of_key(key: &str) -> RequestSigner {
    RequestSigner::from_key(key).unwrap()
}

#[test]
fn the_module_says_about_signed_requests_what_the_core_says() {
    let (hosted, native) = pair();
    let policy = SignaturePolicy::default();
    let at_now = RequestContext::at(NOW);
    let stranger = signing_key(9);
    let good = signing_key(1);
    let by_secret = |secret: &SharedSecret| key_with(live(), secret, SignedKeyTerms::expiring(NOW, 60));
    let (may, may_not) = (by_secret(&issuing(1, 1)), by_secret(&issuing(2, 2)));
    let forged = RequestSigner::new(SigningKey::from_bytes(&[1; 32]), of_key(&good).keyid());
    let long: Vec<u8> = (0..200_000_u32).map(|place| place as u8).collect();
    let (even, odd) = (long.as_slice(), &long[1..]);
    let cases = [
        (of_key(&good), Some("1"), &b"{}"[..], &b"{}"[..], at_now, None),
        (of_key(&good), Some("1"), b"abc", b"abc", at_now, None),
        (of_key(&good), Some("1"), even, even, at_now, None),
        (of_key(&good), Some("1"), odd, odd, at_now, None),
        (of_key(&good), Some("1"), odd, even, at_now, Some(DenialCode::DigestMismatch)),
        (of_key(&good), Some("1"), b"{}", b"[]", at_now, Some(DenialCode::DigestMismatch)),
        (of_key(&good), None, b"{}", b"{}", at_now, Some(DenialCode::ComponentMissing)),
        (
            of_key(&good),
            Some("1"),
            b"{}",
            b"{}",
            RequestContext::at(NOW + 3600),
            Some(DenialCode::SignatureExpired),
        ),
        (of_key(&good), Some("1"), b"{}", b"{}", at_now.tenant("other"), Some(DenialCode::WrongTenant)),
        (
            of_key(&good),
            Some("1"),
            b"{}",
            b"{}",
            at_now.permissions(&["crews:view"]),
            Some(DenialCode::InsufficientPermission),
        ),
        (of_key(&signing_key(2)), Some("1"), b"{}", b"{}", at_now, Some(DenialCode::Revoked)),
        (of_key(&stranger), Some("1"), b"{}", b"{}", at_now, Some(DenialCode::UnknownKey)),
        (of_key(&may), Some("1"), b"{}", b"{}", at_now, None),
        (of_key(&may_not), Some("1"), b"{}", b"{}", at_now, Some(DenialCode::UnknownKey)),
        (forged, Some("1"), b"{}", b"{}", at_now, Some(DenialCode::BadSignature)),
    ];
    for (signer, nonce, made, sent, context, expected) in cases {
        let fields = signed(&signer, made, nonce);
        let fields = borrowed(&fields);
        let request = HttpRequest::new("POST", URI, &fields).unwrap().content(Content::Bytes(sent));
        let pending = hosted.verify_request(&request, &policy, &context);
        assert_eq!(pending, native.verify_request(&request, &policy, &context), "{signer:?}");
        assert_eq!(pending.replay().is_some(), expected.is_none());
        let mut window = NonceWindow::default();
        let again = pending.clone().check(&mut window, NOW);
        assert_eq!(again.denial(), expected, "{signer:?}");
        let again = pending.check(&mut window, NOW).denial();
        assert_eq!(again, expected.or(Some(DenialCode::Replayed)));
    }
    let unsigned = HttpRequest::new("GET", URI, &[]).unwrap();
    assert_eq!(
        hosted.verify_request(&unsigned, &policy, &at_now).accept_replays().denial(),
        Some(DenialCode::Missing)
    );
    let long = vec![b'a'; 2 << 20];
    let fields = [("x", long.as_slice())];
    let too_long = HttpRequest::new("GET", URI, &fields).unwrap();
    assert_eq!(
        hosted.verify_request(&too_long, &policy, &at_now).accept_replays().denial(),
        Some(DenialCode::Malformed)
    );
    assert!(hosted.verify_key(&good, &at_now).is_verified(), "it is a bearer key as well");
}

#[test]
fn parts_come_for_signed_requests_as_for_keys() {
    let (_, root, parts) = keyring();
    let keys = KeyringKeys::from(keyring_key());
    let hosted = Verifier::with_keyring_keys(embedded(), keys, PoolOptions::default()).unwrap();
    let fields = signed(&of_key(&signing_key(1)), b"{}", Some("1"));
    let fields = borrowed(&fields);
    let request = HttpRequest::new("POST", URI, &fields).unwrap().content(Content::Bytes(b"{}"));
    let ask = || hosted.verify_request(&request, &SignaturePolicy::default(), &RequestContext::at(NOW));
    assert_eq!(ask().accept_replays().denial(), Some(DenialCode::KeyringUnavailable));
    hosted.replace_keyring(root, NOW).unwrap();
    let mut kinds = Vec::new();
    while let Some(needed) = ask().needed().copied() {
        let (kind, index, bytes) =
            parts.iter().find(|part| (part.0, part.1) == (needed.part, needed.index)).unwrap();
        hosted.insert_part(*kind, *index, bytes).unwrap();
        kinds.push(*kind);
    }
    assert_eq!(kinds, [PartKind::Chunk, PartKind::Page]);
    assert!(ask().replay().is_some());
}

#[test]
fn keys_of_ones_own_prove_in_the_module_what_they_prove_in_the_core() {
    let secret = SharedSecret::generate(Purpose::Integration, 3, &[5; 40]);
    let mut native = core::SignatureKeys::default();
    native.add("partner", SigningKey::from_bytes(&[7; 32]));
    native.add_integration_secret(&secret).unwrap();
    let own = SignatureKeys::new().key("partner", &[7; 32]).integration_secret(secret.clone());
    let hosted = SignatureVerifier::new(embedded(), own, PoolOptions::default()).unwrap();
    let policy = SignaturePolicy::default();
    let signer = |key: u8, name| RequestSigner::new(SigningKey::from_bytes(&[key; 32]), name);
    for (signer, expected) in [
        (signer(7, "partner"), None),
        (signer(8, "partner"), Some(DenialCode::BadSignature)),
        (signer(7, "another"), Some(DenialCode::UnknownKey)),
        (RequestSigner::from_integration_secret(&secret).unwrap(), None),
    ] {
        let fields = signed(&signer, b"{}", Some("n"));
        let fields = borrowed(&fields);
        let request = HttpRequest::new("POST", URI, &fields).unwrap().content(Content::Bytes(b"{}"));
        let outcome = hosted.verify(&request, &policy, NOW);
        assert_eq!(outcome, native.verify(&request, &policy, NOW));
        assert_eq!(outcome.err(), expected);
    }
    let any = SignatureKeys::new().any(&[8; 100]);
    let hosted = SignatureVerifier::new(embedded(), any, PoolOptions::default()).unwrap();
    let fields = signed(&RequestSigner::new(SigningKey::from_bytes(&[8; 100]), "x"), b"{}", Some("n"));
    let fields = borrowed(&fields);
    let request = HttpRequest::new("POST", URI, &fields).unwrap().content(Content::Bytes(b"{}"));
    assert!(hosted.verify(&request, &policy, NOW).is_ok());

    for wrong in [
        SignatureKeys::new(),
        SignatureKeys::new().key("partner", b""),
        SignatureKeys::new().any(&[1; 4097]),
        SignatureKeys::new().integration_secret(issuing(1, 1)),
    ] {
        let made = SignatureVerifier::new(embedded(), wrong, PoolOptions::default());
        assert!(matches!(made, Err(HostError::SignatureKeys)));
    }
}

fn int(number: usize) -> Val {
    Val::I32(i32::try_from(number).unwrap())
}

#[test]
fn what_is_no_request_denies() {
    let mut raw = Raw::new();
    let policy = SignaturePolicyRecord::write(&SignaturePolicy::default());
    let mut head = Vec::new();
    let texts = RequestRecord::write(&HttpRequest::new("GET", URI, &[("X", b"1")]).unwrap(), &mut head);
    assert_eq!(texts, 5);
    let context = ContextRecord::write(&RequestContext::at(NOW), "");
    let ask = |raw: &mut Raw, [policy_len, head_len, texts, kind, content_len, context_len]: [usize; 6]| {
        raw.write_part(&[&policy[..], &head, b"{}", &context].concat());
        let numbers = [policy_len, head_len, texts, kind, content_len, context_len].map(int);
        let said = raw.call("verify_request", &numbers);
        assert_eq!(raw.record().denial().map(code), Some(said));
        assert_eq!(raw.output(176)[132..], [0; 44]);
        DenialCode::from_number(u8::try_from(said).unwrap()).unwrap()
    };
    let good = [policy.len(), head.len(), texts, 0, 2, context.len()];
    assert_eq!(ask(&mut raw, good), DenialCode::NotConfigured);
    raw.trust(&issuing(1, 1));
    assert_eq!(ask(&mut raw, good), DenialCode::Missing);
    for (place, number, expected) in [
        (0, policy.len() - 1, DenialCode::VerifierFault),
        (0, i32::MAX as usize, DenialCode::VerifierFault),
        (1, i32::MAX as usize, DenialCode::VerifierFault),
        (2, 4, DenialCode::Malformed),
        (2, 7, DenialCode::Malformed),
        (2, i32::MAX as usize, DenialCode::Malformed),
        (3, 1, DenialCode::VerifierFault),
        (3, 4, DenialCode::VerifierFault),
        (3, 256, DenialCode::VerifierFault),
        (4, i32::MAX as usize, DenialCode::VerifierFault),
        (5, context.len() - 1, DenialCode::VerifierFault),
        (5, context.len() + 1, DenialCode::VerifierFault),
    ] {
        let mut lens = good;
        lens[place] = number;
        assert_eq!(ask(&mut raw, lens), expected, "{place}: {number}");
    }
}

#[test]
fn keys_of_signatures_are_added_and_cleared() {
    let mut raw = Raw::new();
    let add = |raw: &mut Raw, keyid: &str, key: &[u8], kind: i32| {
        raw.write(&[keyid.as_bytes(), key]);
        let status = raw.call("signature_key_add", &[int(keyid.len()), int(key.len()), Val::I32(kind)]);
        assert!(raw.input_is_wiped());
        status
    };
    let fields = signed(&RequestSigner::new(SigningKey::from_bytes(&[7; 32]), "partner"), b"{}", Some("n"));
    let fields = borrowed(&fields);
    let request = HttpRequest::new("POST", URI, &fields).unwrap();
    let ask = |raw: &mut Raw| {
        let mut bytes = SignaturePolicyRecord::write(&SignaturePolicy::default());
        let policy_len = bytes.len();
        let texts = RequestRecord::write(&request, &mut bytes);
        let head_len = bytes.len() - policy_len;
        bytes.extend_from_slice(b"{}");
        raw.write_part(&bytes);
        let numbers = [policy_len, head_len, texts, 0, 2].map(int);
        let [a, b, c, d, e] = numbers;
        raw.call("verify_signature", &[a, b, c, d, e, Val::I64(NOW.cast_signed())])
    };
    assert_eq!(ask(&mut raw), code(DenialCode::NotConfigured));
    let issuing = issuing(1, 1).to_text();
    for (keyid, key, kind, expected) in [
        ("partner", &b""[..], 0, INVALID_INPUT),
        ("partner", &[7; 32], 1, INVALID_INPUT),
        ("partner", &[7; 32], 2, INVALID_INPUT),
        ("partner", &[7; 4096], 0, INVALID_INPUT),
        ("", &[7; 32], 3, INVALID_OPTION),
        ("", issuing.expose().as_bytes(), 2, WRONG_PURPOSE),
    ] {
        assert_eq!(add(&mut raw, keyid, key, kind), expected, "{keyid} {kind}");
    }
    assert!(add(&mut raw, "", b"cvgws_", 2) <= MALFORMED);
    assert_eq!(ask(&mut raw), code(DenialCode::NotConfigured), "none was added");
    assert_eq!(add(&mut raw, "partner", &[8; 32], 0), 0);
    assert_eq!(ask(&mut raw), code(DenialCode::BadSignature));
    assert_eq!(add(&mut raw, "partner", &[7; 32], 0), 0);
    assert_eq!(ask(&mut raw), 0);
    let entry = ReplayEntry::read_record(raw.output(64)[24..].try_into().unwrap()).unwrap();
    assert_eq!(entry, ReplayEntry::new(b"partner", b"n", NOW + 300));
    for _ in 2..1024 {
        assert_eq!(add(&mut raw, "", &[1; 32], 1), 0);
    }
    assert_eq!(add(&mut raw, "", &[1; 32], 1), crate::raw::INVALID_CONFIGURATION);
    assert_eq!(raw.call("signature_keys_clear", &[]), 0);
    assert_eq!(ask(&mut raw), code(DenialCode::NotConfigured));
}
