//! Measures verification natively and through wasmtime beside its peers, and prints one JSON line a result.
//!
//! All cases take turns in short rounds, so that what disturbs the machine disturbs all of them; the figure of a case
//! is the median over its rounds.

use anyhow::{Context, Result};
use claviger_core::{
    IssuingKey, KeyPrefix, Purpose, RequestContext, SecretText, SharedSecret, SignedKeyTerms,
    Verifier as NativeVerifier,
};
use claviger_host::{
    CALL_TICKS, EMBEDDED_MODULE, HostError, Module, PoolOptions, Secrets, Verifier as HostedVerifier,
    new_engine,
    wasmtime::{self, Linker, Store},
};
use hmac::{Hmac, KeyInit, Mac};
use std::{
    hint::black_box,
    time::{Duration, Instant},
};

const ROUNDS: usize = 61;
const ROUND: Duration = Duration::from_millis(4);
const NOW: u64 = 1_790_000_000;
/// As many different keys take turns, so that branch prediction learns none by heart.
const KEYS: u64 = 256;

struct Case<'c> {
    name: &'static str,
    run: Box<dyn FnMut() + 'c>,
    nanoseconds: Vec<f64>,
}

fn case<'c>(name: &'static str, run: impl FnMut() + 'c) -> Case<'c> {
    Case { name, run: Box::new(run), nanoseconds: Vec::new() }
}

impl Case<'_> {
    fn round(&mut self) {
        let (started, mut calls) = (Instant::now(), 0u32);
        let mut elapsed = Duration::ZERO;
        while elapsed < ROUND {
            for _ in 0..8 {
                (self.run)();
            }
            calls += 8;
            elapsed = started.elapsed();
        }
        self.nanoseconds.push(elapsed.as_nanos() as f64 / f64::from(calls));
    }

    fn median(&mut self) -> f64 {
        self.nanoseconds.sort_by(f64::total_cmp);
        self.nanoseconds.get(self.nanoseconds.len() / 2).copied().unwrap_or(f64::NAN)
    }
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

    let mut cases = [
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
    ];
    for _ in 0..ROUNDS {
        for case in &mut cases {
            case.round();
        }
    }
    let base = cases.first_mut().context("no cases")?.median();
    for case in &mut cases {
        let nanoseconds = case.median();
        println!(
            "{}",
            serde_json::json!({"name": case.name, "nanoseconds": nanoseconds, "to_ring": nanoseconds / base})
        );
    }
    Ok(())
}
