//! An instance of the module that counts its instructions: Wasmtime's fuel is exact, and the same on every machine.

use anyhow::{Context, Result, ensure};
use claviger_core::{KeyringKey, SharedSecret, VERDICT_RECORD_LEN, Verdict};
use claviger_host::{
    EMBEDDED_MODULE,
    wasmtime::{Config, Engine, Instance, Memory, Module, Store, TypedFunc, WasmParams},
};

const FUEL: u64 = 1_000_000_000_000;

/// The instance.
pub struct Metered {
    store: Store<()>,
    instance: Instance,
    memory: Memory,
    input: usize,
    output: usize,
    bundle: Vec<u8>,
}

impl Metered {
    fn new() -> Result<Self> {
        let wasm = |error| anyhow::anyhow!("{error:#}");
        let engine = Engine::new(Config::new().consume_fuel(true)).map_err(wasm)?;
        let module = Module::new(&engine, EMBEDDED_MODULE).map_err(wasm)?;
        let mut store = Store::new(&engine, ());
        store.set_fuel(FUEL).map_err(wasm)?;
        let instance = Instance::new(&mut store, &module, &[]).map_err(wasm)?;
        let memory = instance.get_memory(&mut store, "memory").context("no memory")?;
        let mut metered = Self { store, instance, memory, input: 0, output: 0, bundle: Vec::new() };
        metered.input = metered.call("claviger_input", ())? as usize;
        metered.output = metered.call("claviger_output", ())? as usize;
        metered.call("claviger_verifier_begin", 0u32)?;
        Ok(metered)
    }

    /// An instance that trusts an issuing secret and has no keyring.
    ///
    /// # Errors
    /// If the module does not take it.
    pub fn with_secret(prefix: &str, secret: &SharedSecret) -> Result<Self> {
        let mut metered = Self::new()?;
        let text = secret.to_text();
        metered.write(metered.input, [prefix, text.expose()].concat().as_bytes())?;
        let lengths = (prefix.len() as u32, text.expose().len() as u32);
        ensure!(metered.call("claviger_verifier_add_issuing_secret", lengths)? == 0);
        ensure!(metered.call("claviger_verifier_commit", ())? == 0);
        Ok(metered)
    }

    /// An instance with a keyring, given at `now` (Unix seconds). Its parts enter when they are needed.
    ///
    /// # Errors
    /// If the module does not take it.
    pub fn with_keyring(key: &KeyringKey, bundle: Vec<u8>, now: u64) -> Result<Self> {
        let mut metered = Self::new()?;
        let text = key.to_text();
        metered.write(metered.input, text.expose().as_bytes())?;
        ensure!(metered.call("claviger_verifier_add_keyring_key", text.expose().len() as u32)? == 0);
        ensure!(metered.call("claviger_verifier_commit", ())? == 0);
        let len = bundle.len() as u64;
        let head = claviger_core::bundle_head_len(&bundle, len)?;
        metered.put_part(bundle.get(..head).context("a short bundle")?)?;
        ensure!(metered.call("claviger_keyring_replace", (head as u32, len, now))? == 0);
        metered.bundle = bundle;
        Ok(metered)
    }

    fn call<P: WasmParams>(&mut self, name: &str, parameters: P) -> Result<u32> {
        let function: claviger_host::wasmtime::Result<TypedFunc<P, u32>> =
            self.instance.get_typed_func(&mut self.store, name);
        let called = function.and_then(|function| function.call(&mut self.store, parameters));
        called.map_err(|error| anyhow::anyhow!("{name}: {error:#}"))
    }

    fn write(&mut self, place: usize, bytes: &[u8]) -> Result<()> {
        Ok(self.memory.write(&mut self.store, place, bytes)?)
    }

    fn put_part(&mut self, bytes: &[u8]) -> Result<()> {
        let place = self.call("claviger_part_buffer", bytes.len() as u32)?;
        ensure!(place != 0, "no room for a part");
        self.write(place as usize, bytes)
    }

    /// The verdict's number, and how much fuel it took, when every part that it touches is there.
    ///
    /// # Errors
    /// If the module fails.
    pub fn verify(&mut self, key: &str, now: u64) -> Result<(u32, u64)> {
        let wasm = |error| anyhow::anyhow!("{error:#}");
        for _ in 0..8 {
            self.write(self.input, key.as_bytes())?;
            self.store.set_fuel(FUEL).map_err(wasm)?;
            let code = self.call("claviger_verify_key", (key.len() as u32, now))?;
            let spent = FUEL - self.store.get_fuel().map_err(wasm)?;
            let Some((kind, index, start, len)) = self.needed()? else { return Ok((code, spent)) };
            let part = self.bundle.get(start..start + len).context("a part beyond the bundle")?.to_vec();
            self.put_part(&part)?;
            ensure!(self.call("claviger_keyring_insert", (u32::from(kind), index, len as u32))? == 0);
        }
        anyhow::bail!("more parts are needed than a verdict can touch")
    }

    /// The part that the last verdict needed.
    fn needed(&mut self) -> Result<Option<(u8, u32, usize, usize)>> {
        let mut record = [0; VERDICT_RECORD_LEN];
        self.memory.read(&self.store, self.output, &mut record)?;
        // A verified record needs its policy to be read, and needs no part.
        if record.first() == Some(&0) {
            return Ok(None);
        }
        let verdict = Verdict::from_record(&record, None).context("no record")?;
        let needed = verdict.into_result().err().and_then(|denied| denied.needed);
        let Some(needed) = needed else { return Ok(None) };
        let (start, len) = needed.in_bundle.context("a part that is not in the bundle")?;
        Ok(Some((needed.part.number(), needed.index, usize::try_from(start)?, len as usize)))
    }
}
