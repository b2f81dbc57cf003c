//! Verifying, parsing and generating allocate nothing.
#![expect(clippy::unwrap_used, reason = "the helpers of tests fail as tests do")]

use claviger_core::{
    ImportScheme, IssuingKey, KeyId, KeyKind, KeyRecord, KeyringBuilder, KeyringKey, KeyringSecret,
    KeyringTerms, OpaqueUse, Policy, PolicyTerms, Purpose, RequestContext, SharedSecret, SignedKeyTerms,
    VERDICT_RECORD_LEN, Verdict, Verifier, VerifierValue, generate_opaque_key, parse,
};
use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

struct Counting;

thread_local! {
    /// Of this thread alone: the test harness has threads of its own.
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

#[expect(unsafe_code, reason = "an allocator is unsafe")]
// SAFETY: everything is handed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations<T>(work: impl FnOnce() -> T) -> (usize, T) {
    let before = ALLOCATIONS.get();
    let result = work();
    (ALLOCATIONS.get() - before, result)
}

const NOW: u64 = 1_790_000_000;

fn issuer(version: u8) -> IssuingKey {
    let secret = SharedSecret::generate(Purpose::Issuing, version, &[version; 40]);
    IssuingKey::new("acme_live".parse().unwrap(), &secret).unwrap()
}

#[test]
fn the_allocator_counts() {
    assert_eq!(allocations(|| Vec::<u8>::with_capacity(1)).0, 1);
    assert!(allocations(|| Verifier::new([issuer(1)])).0 > 0, "building may allocate");
}

#[test]
fn verifying_allocates_nothing_whatever_is_presented() {
    let verifier = Verifier::new((0..20).map(issuer)).unwrap();
    let good = issuer(7).generate(&[1; 8], SignedKeyTerms::expiring(NOW, 60)).unwrap();
    let presented = [
        good.expose().to_owned(),
        issuer(21).generate(&[1; 8], SignedKeyTerms::expiring(NOW, 60)).unwrap().expose().to_owned(),
        good.expose().replace("live", "test"),
        String::new(),
        "x".repeat(65_536),
    ];
    let mut verified = 0;
    for key in &presented {
        for now in [0, NOW, NOW + 86_400] {
            let (count, verdict) = allocations(|| verifier.verify_key(key, &RequestContext::at(now)));
            assert_eq!(count, 0, "{verdict:?}");
            verified += usize::from(verdict.is_verified());
            let (count, read) = allocations(|| {
                let mut record = [0; VERDICT_RECORD_LEN];
                verdict.write_record(&mut record);
                Verdict::from_record(&record, None)
            });
            assert_eq!((count, read), (0, Some(verdict)));
        }
    }
    assert_eq!(verified, 1);
}

/// Once the parts of the keyring have been touched.
#[test]
fn verifying_with_a_keyring_allocates_nothing_whatever_is_presented() {
    let prefix = "acme_live".parse().unwrap();
    let key = KeyringKey::generate(&[1; 40]);
    let ring = KeyId::from_u64(1);
    let (id, opaque) = generate_opaque_key(&prefix, OpaqueUse::BearerAndSigning, &[1; 40]);
    let value = VerifierValue::of_key(&parse(opaque.expose()).unwrap()).unwrap();
    let secret = SharedSecret::generate(Purpose::Issuing, 7, &[7; 40]);
    let (terms, issuer) = (SignedKeyTerms::expiring(NOW, 60), issuer(7));
    let digest = ImportScheme::Sha256Whole.digest(b"sk_123").unwrap();
    let imported = key.imported_record_id(ring, &digest);

    let mut builder = KeyringBuilder::new(&key, KeyringTerms::new(ring), 0);
    let records = [
        KeyRecord::new(id, KeyKind::OpaqueSigning, value.clone(), 0),
        KeyRecord::new(imported, KeyKind::Imported, VerifierValue::of_import(&digest), 0),
    ];
    let chunk = builder.set_bucket(0, &records).unwrap().unwrap();
    let mut policy = PolicyTerms::new(prefix, "tenant", "owner");
    let networks = ["192.0.2.0/24".parse().unwrap()];
    (policy.permissions, policy.networks) = (&["flights:*"], &networks);
    policy.key_id = Some(KeyId::from_u64(9));
    let page = builder.set_page(0, &[Some(Policy::new(&policy).unwrap())]).unwrap();
    builder.set_shared_secrets(&[KeyringSecret::issuing(&secret, prefix, 0)]).unwrap();
    builder.set_import_schemes(&ImportScheme::ALL);
    let root = builder.finish(1, NOW).unwrap();
    let parts = [chunk, page];
    let part = |hash: &[u8; 32]| parts.iter().find(|part| part.hash == *hash).map(|part| &part.bytes[..]);
    let mut verifier = Verifier::with_keyring_keys([key]).unwrap();
    verifier.replace_keyring(builder.bundle(&root, part).unwrap(), NOW).unwrap();

    let presented = [
        opaque.expose().to_owned(),
        issuer.generate(&[1; 8], terms).unwrap().expose().to_owned(),
        issuer.generate_access_token(id, &value, terms).unwrap().expose().to_owned(),
        "sk_123".to_owned(),
        opaque.expose().replace("_h", "_k"),
        "sk_124".to_owned(),
        String::new(),
    ];
    let context = RequestContext::at(NOW).tenant("tenant").permissions(&["flights:view"]);
    let context = context.address("192.0.2.1".parse().unwrap());
    for key in &presented {
        let _ = verifier.verify_key(key, &context);
    }
    let mut verified = 0;
    for key in &presented {
        for context in [context, RequestContext::at(NOW), RequestContext::at(NOW + 90_000)] {
            let (count, verdict) = allocations(|| verifier.verify_key(key, &context));
            assert_eq!(count, 0, "{verdict:?}");
            verified += usize::from(verdict.is_verified());
            assert_eq!(allocations(|| verdict.write_record(&mut [0; VERDICT_RECORD_LEN])).0, 0);
        }
    }
    assert_eq!(verified, 4);
}

#[test]
fn generating_and_parsing_allocate_nothing() {
    let prefix = "acme_live".parse().unwrap();
    let (count, texts) = allocations(|| {
        let secret = SharedSecret::generate(Purpose::Issuing, 1, &[1; 40]);
        let issuer = IssuingKey::new(prefix, &secret).unwrap();
        let signed = issuer.generate(&[1; 8], SignedKeyTerms::expiring(NOW, 60)).unwrap();
        let (_, opaque) = generate_opaque_key(&prefix, OpaqueUse::Bearer, &[1; 40]);
        [secret.to_text(), signed, opaque]
    });
    assert_eq!(count, 0);
    for text in &texts {
        assert_eq!(allocations(|| parse(text.expose()).unwrap().id()).0, 0);
    }
}
