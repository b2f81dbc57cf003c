//! Measures verification natively and through wasmtime beside its peers, and prints one JSON line a result.
//!
//! [`claviger_bench::rounds`] says how.

use anyhow::{Result, ensure};
use claviger_bench::{
    rings::{NOW, Ring},
    rounds::{self, case},
};
use claviger_core::{
    IssuingKey, KeyPrefix, OpaqueUse, PartKind, Purpose, RequestContext, SecretText, SharedSecret,
    SignedKeyTerms, Verifier as NativeVerifier, generate_opaque_key,
};
use claviger_host::{
    CALL_TICKS, EMBEDDED_MODULE, HostError, KeyringKeys, Module, PoolOptions, Secrets,
    Verifier as HostedVerifier, new_engine,
    wasmtime::{self, Linker, Store},
};
use hmac::{Hmac, KeyInit, Mac};
use std::{env, hint::black_box, path::Path, sync::Arc};

/// As many different keys take turns, so that branch prediction learns none by heart.
const KEYS: u64 = 256;

/// A bundle that several verifiers share.
struct Shared(Arc<Vec<u8>>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// A native verifier with every part of its keyring touched.
fn keyring_verifier(ring: &Ring) -> Result<NativeVerifier> {
    let mut verifier = NativeVerifier::with_keyring_keys([ring.key()])?;
    verifier.replace_keyring(ring.bundle.clone(), NOW)?;
    let context = RequestContext::at(NOW);
    ensure!(
        ring.texts().all(|key| verifier.verify_key(key, &context).is_verified()),
        "a good key was denied"
    );
    Ok(verifier)
}

/// A hosted verifier with every part of its keyring touched.
fn hosted_keyring_verifier(module: &Module, ring: &Ring) -> Result<HostedVerifier> {
    let keys = KeyringKeys::new().keyring_key(ring.key());
    let verifier = HostedVerifier::with_keyring_keys(module, keys, PoolOptions::default())?;
    verifier.replace_keyring(ring.bundle.clone(), NOW)?;
    let context = RequestContext::at(NOW);
    ensure!(
        ring.texts().all(|key| verifier.verify_key(key, &context).is_verified()),
        "a good key was denied"
    );
    Ok(verifier)
}

/// What a keyring of a million keys weighs, and what has to be sent when one of them is revoked.
fn report_sizes(name: &str, ring: &Ring) -> Result<()> {
    let (root, parts) = ring.revocation(4321)?.build(ring)?;
    let chunks = ring.chunk_bytes() + ring.root.len();
    let sent: usize = parts.iter().map(|part| part.bytes.len()).sum::<usize>() + root.len();
    for (what, bytes) in [
        ("bundle", ring.bundle.len() as f64),
        ("root", ring.root.len() as f64),
        ("chunks and root, per key", chunks as f64 / ring.keys as f64),
        ("sent after a revocation: root, chunk and page", sent as f64),
    ] {
        println!(
            "{}",
            serde_json::json!({"name": format!("{what}: a million keys, {name}"), "bytes": bytes})
        );
    }
    Ok(())
}

/// Keys that nobody issued.
fn unknown_keys(ring: &Ring) -> Result<Vec<Vec<u8>>> {
    let prefix = KeyPrefix::new("acme_live")?;
    let entropy = |index: usize| {
        std::array::from_fn(|byte| (index.wrapping_mul(0x9e37_79b1) >> (byte % 4 * 8)) as u8 ^ byte as u8)
    };
    let keys = (0..ring.keys.min(100_000))
        .map(|index| generate_opaque_key(&prefix, OpaqueUse::Bearer, &entropy(index)).1);
    Ok(keys.map(|key| key.expose().as_bytes().to_vec()).collect())
}

fn main() -> Result<()> {
    let prefix = KeyPrefix::new("acme_live")?;
    let secret = SharedSecret::generate(Purpose::Issuing, 1, &[7; 40]);
    let issuer = IssuingKey::new(prefix, &secret)?;
    let terms = SignedKeyTerms::expiring(NOW, 60);
    let keys = (0..KEYS)
        .map(|i| issuer.generate(&i.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes(), terms))
        .collect::<Result<Vec<SecretText>, _>>()?;
    let context = RequestContext::at(NOW);

    let native = NativeVerifier::new([issuer])?;
    let secrets = Secrets::new().issuing_secret(prefix, secret);
    let module = Module::embedded()?;
    let hosted = HostedVerifier::new(&module, secrets.clone(), PoolOptions::default())?;

    let cwasm = module.precompile()?;
    let engine = new_engine()?;
    let pre = wasmtime::Module::new(&engine, EMBEDDED_MODULE)
        .and_then(|module| Linker::<()>::new(&engine).instantiate_pre(&module))
        .map_err(HostError::InvalidModule)?;

    let message = [0x61; 100];
    let ring_key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &[7; 32]);
    let ring_tag = ring::hmac::sign(&ring_key, &message);
    let hmac_key = Hmac::<sha2::Sha256>::new_from_slice(&[7; 32])?;
    let hmac_tag = hmac_key.clone().chain_update(message).finalize().into_bytes();

    let mut turns = keys.iter().cycle();
    let mut next = || turns.next().map_or("", |key| key.expose());
    let mut turns = keys.iter().cycle();
    let mut next_hosted = || turns.next().map_or("", |key| key.expose());
    let mut turns = keys.iter().cycle();
    let mut next_parsed = || turns.next().map_or("", |key| key.expose());

    eprintln!("building keyrings of ten thousand, a million and ten million keys");
    let small = Ring::new(10_000, 10, true)?;
    let large = Ring::new(1_000_000, 10, true)?;
    let diverse = Ring::new(1_000_000, 1_000_000, true)?;
    if let Some(folder) = env::args_os().nth(1) {
        for (name, ring) in [("small", &small), ("large", &large), ("diverse", &diverse)] {
            ring.write(Path::new(&folder), name)?;
        }
    }
    for (name, ring) in [("10 policies", &large), ("one policy each", &diverse)] {
        report_sizes(name, ring)?;
    }
    let huge = Ring::new(10_000_000, 10, false)?;
    let huge_diverse = Ring::new(10_000_000, 10_000_000, false)?;
    let in_small = keyring_verifier(&small)?;
    let in_large = keyring_verifier(&large)?;
    let in_diverse = keyring_verifier(&diverse)?;
    let mut small_keys = small.texts().cycle();
    let mut hot_keys = large.texts().take(1000).cycle();
    let mut large_keys = large.texts().cycle();
    let mut diverse_keys = diverse.texts().cycle();
    let mut unknown = unknown_keys(&large)?.into_iter().cycle();
    let rings = [&large, &diverse, &huge, &huge_diverse].map(|ring| Arc::new(ring.bundle.clone()));
    let revocations = [large.revocation(4321)?, diverse.revocation(4321)?];

    let mut cases = vec![
        case("ring hmac::verify, 100 B", || {
            assert!(ring::hmac::verify(&ring_key, black_box(&message), ring_tag.as_ref()).is_ok());
        }),
        case("hmac crate, cloned key, 100 B", || {
            let mac = hmac_key.clone().chain_update(black_box(&message));
            assert!(mac.verify_slice(&hmac_tag).is_ok());
        }),
        case("native parse", || {
            assert!(claviger_core::parse(black_box(next_parsed())).is_ok());
        }),
        case("native verify_key", || {
            assert!(native.verify_key(black_box(next()), &context).is_verified());
        }),
        case("wasmtime verify_key", || {
            assert!(hosted.verify_key(black_box(next_hosted()), &context).is_verified());
        }),
        case("wasmtime pooled instance, made and dropped", || {
            let mut store = Store::new(&engine, ());
            store.set_epoch_deadline(CALL_TICKS);
            assert!(black_box(pre.instantiate(&mut store)).is_ok());
        }),
        case("wasmtime new verifier with one instance and one secret", || {
            let verifier = HostedVerifier::new(&module, secrets.clone(), PoolOptions::default());
            assert!(black_box(verifier).is_ok());
        }),
        case("wasmtime load .cwasm, with self-test", || {
            #[expect(unsafe_code, reason = "the bytes come from precompile, a few lines above")]
            // SAFETY: they never left this process.
            let loaded = unsafe { Module::from_precompiled(&engine, &cwasm) };
            assert!(black_box(loaded).is_ok());
        }),
        case("native, keyring: 10 thousand keys", || {
            assert!(
                in_small.verify_key(black_box(small_keys.next().unwrap_or_default()), &context).is_verified()
            );
        }),
        case("native, keyring: a hot thousand of a million", || {
            assert!(
                in_large.verify_key(black_box(hot_keys.next().unwrap_or_default()), &context).is_verified()
            );
        }),
        case("native, keyring: random over a million, 10 policies", || {
            assert!(
                in_large.verify_key(black_box(large_keys.next().unwrap_or_default()), &context).is_verified()
            );
        }),
        case("native, keyring: random over a million, one policy each", || {
            assert!(
                in_diverse
                    .verify_key(black_box(diverse_keys.next().unwrap_or_default()), &context)
                    .is_verified()
            );
        }),
        case("native, keyring: unknown among a million", || {
            assert!(
                !in_large.verify_key(black_box(unknown.next().unwrap_or_default()), &context).is_verified()
            );
        }),
    ];
    let hosted_small = hosted_keyring_verifier(&module, &small)?;
    let hosted_large = hosted_keyring_verifier(&module, &large)?;
    let mut hosted_small_keys = small.texts().cycle();
    let mut hosted_large_keys = large.texts().cycle();
    cases.push(case("wasmtime, keyring: 10 thousand keys", move || {
        let key = hosted_small_keys.next().unwrap_or_default();
        assert!(hosted_small.verify_key(black_box(key), &RequestContext::at(NOW)).is_verified());
    }));
    cases.push(case("wasmtime, keyring: random over a million, 10 policies", move || {
        let key = hosted_large_keys.next().unwrap_or_default();
        assert!(hosted_large.verify_key(black_box(key), &RequestContext::at(NOW)).is_verified());
    }));
    let (bucket, chunk) = large.first_chunk()?;
    let touched = in_large.clone();
    cases.push(case("native, first touch of a chunk: a million keys", move || {
        assert!(touched.insert_part(PartKind::Chunk, bucket, black_box(&chunk)).is_ok());
    }));
    let names = [
        "a million keys, 10 policies",
        "a million keys, one policy each",
        "ten million keys, 10 policies",
        "ten million keys, one policy each",
    ];
    for (name, bundle) in names.into_iter().zip(&rings) {
        let empty = NativeVerifier::with_keyring_keys([large.key()])?;
        cases.push(case(format!("native, open bundle: {name}"), move || {
            let mut fresh = empty.clone();
            assert!(fresh.replace_keyring(Shared(Arc::clone(bundle)), NOW).is_ok());
        }));
    }
    for (name, (ring, revocation)) in names.into_iter().zip([&large, &diverse].into_iter().zip(&revocations))
    {
        cases.push(case(format!("native, build a revocation: {name}"), move || {
            assert!(black_box(revocation.build(ring)).is_ok());
        }));
    }
    rounds::measure(&mut cases)
}
