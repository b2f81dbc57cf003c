//! What verification costs must not tell how much of a secret was guessed, nor whether a version is known.
//!
//! Wasmtime's fuel counts executed instructions exactly, so one value means one path.

use anyhow::{Context, Result};
use claviger_core::{IssuingKey, KeyPrefix, Purpose, SharedSecret, SignedKeyTerms};
use claviger_host::{
    EMBEDDED_MODULE,
    wasmtime::{Config, Engine, Instance, Module, Store, TypedFunc},
};
use claviger_parity::{
    inputs::{NOW, Random},
    vectors::with_checksum,
};
use std::collections::BTreeSet;

const FUEL: u64 = 1_000_000_000;

struct Metered {
    store: Store<()>,
    instance: Instance,
    input: usize,
}

impl Metered {
    /// An instance of the module that trusts `secret`.
    fn new(prefix: &str, secret: &SharedSecret) -> Result<Self> {
        let wasm = |error| anyhow::anyhow!("{error:#}");
        let engine = Engine::new(Config::new().consume_fuel(true)).map_err(wasm)?;
        let module = Module::new(&engine, EMBEDDED_MODULE).map_err(wasm)?;
        let mut store = Store::new(&engine, ());
        store.set_fuel(FUEL).map_err(wasm)?;
        let instance = Instance::new(&mut store, &module, &[]).map_err(wasm)?;
        let mut metered = Self { store, instance, input: 0 };
        metered.input = metered.call("claviger_input", ())? as usize;
        metered.call("claviger_verifier_begin", 0u32)?;
        let text = secret.to_text();
        metered.write([prefix, text.expose()].concat().as_bytes())?;
        let lengths = (prefix.len() as u32, text.expose().len() as u32);
        anyhow::ensure!(metered.call("claviger_verifier_add_issuing_secret", lengths)? == 0);
        anyhow::ensure!(metered.call("claviger_verifier_commit", ())? == 0);
        Ok(metered)
    }

    fn call<P: claviger_host::wasmtime::WasmParams>(&mut self, name: &str, parameters: P) -> Result<u32> {
        let function: claviger_host::wasmtime::Result<TypedFunc<P, u32>> =
            self.instance.get_typed_func(&mut self.store, name);
        let called = function.and_then(|function| function.call(&mut self.store, parameters));
        called.map_err(|error| anyhow::anyhow!("{name}: {error:#}"))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let memory = self.instance.get_memory(&mut self.store, "memory").context("no memory")?;
        memory.write(&mut self.store, self.input, bytes)?;
        Ok(())
    }

    /// The verdict's number, and how much fuel it took.
    fn verify(&mut self, key: &str) -> Result<(u32, u64)> {
        self.write(key.as_bytes())?;
        let wasm = |error| anyhow::anyhow!("{error:#}");
        self.store.set_fuel(FUEL).map_err(wasm)?;
        let code = self.call("claviger_verify_key", (key.len() as u32, NOW))?;
        Ok((code, FUEL - self.store.get_fuel().map_err(wasm)?))
    }
}

const BAD_SECRET: u32 = 6;
const UNKNOWN_KEY: u32 = 5;

#[test]
fn fuel_does_not_depend_on_the_guessed_secret_or_on_whether_its_version_is_known() -> Result<()> {
    let mut random = Random::new(7);
    let prefix = KeyPrefix::new("acme_live")?;
    let secret = SharedSecret::generate(Purpose::Issuing, 1, &random.bytes());
    let mut metered = Metered::new("acme_live", &secret)?;
    let terms = SignedKeyTerms::expiring(NOW, 60);
    let good = IssuingKey::new(prefix, &secret)?.generate(&[1; 8], terms)?;
    assert_eq!(metered.verify(good.expose())?.0, 0);

    // Guesses for one and the same id: from nothing right to everything but the last character.
    let (public, tail) = good.expose().split_at(good.expose().len() - 50);
    let mut guesses = Vec::new();
    for right in 0..300 {
        let kept = tail.get(..(right % 44)).context("44 characters")?;
        let other = IssuingKey::new(prefix, &SharedSecret::generate(Purpose::Issuing, 1, &random.bytes()))?;
        let other = other.generate(&[1; 8], terms)?;
        let rest = other.expose().get(public.len() + kept.len()..public.len() + 44).context("a secret")?;
        guesses.push(format!("{public}{kept}{rest}"));
    }
    let mut fuel = BTreeSet::new();
    for guess in &guesses {
        let (code, spent) = metered.verify(&with_checksum(guess))?;
        // A kept half beside another half can make a limb above u64, which is no key at all.
        if code != 2 {
            assert_eq!(code, BAD_SECRET, "{guess}");
            fuel.insert(spent);
        }
    }
    assert_eq!(fuel.len(), 1, "guesses cost different amounts: {fuel:?}");

    let bad = fuel.first().copied().context("no guess")?;
    let other = IssuingKey::new(prefix, &SharedSecret::generate(Purpose::Issuing, 9, &random.bytes()))?;
    let (code, unknown) = metered.verify(other.generate(&[1; 8], terms)?.expose())?;
    assert_eq!(code, UNKNOWN_KEY);
    let difference = unknown.abs_diff(bad) as f64 / bad as f64;
    assert!(difference < 0.02, "unknown version {unknown}, known version {bad}");
    Ok(())
}
