//! One instance of the module: the host's side of the ABI that the crate `claviger-wasm-module` documents.

use crate::{
    engine::{CALL_TICKS, MEMORY_LIMIT},
    error::HostError,
    secrets::Secrets,
};
use claviger_core::{DenialCode, RequestContext, VERDICT_RECORD_LEN, Verdict};
use wasmtime::{
    Engine, Instance as WasmInstance, InstancePre, Memory, Store, StoreLimits, StoreLimitsBuilder, TypedFunc,
    WasmParams,
};

/// The version of the ABI that this host speaks.
pub(crate) const ABI_VERSION: u32 = 1;
/// Option of `claviger_verifier_begin`.
const ALLOW_KEYS_WITHOUT_LIFETIME: u32 = 1;

/// An instance that holds one set of secrets for as long as it lives.
pub(crate) struct Instance {
    store: Store<StoreLimits>,
    memory: Memory,
    verify_key: TypedFunc<(u32, u64), u32>,
    input: usize,
    input_capacity: usize,
    output: usize,
}

pub(crate) fn new_store(engine: &Engine) -> Store<StoreLimits> {
    let limits = StoreLimitsBuilder::new()
        .memory_size(MEMORY_LIMIT)
        .instances(1)
        .memories(1)
        .tables(1)
        .table_elements(1024)
        .build();
    let mut store = Store::new(engine, limits);
    store.limiter(|limits| limits);
    store.set_epoch_deadline(CALL_TICKS);
    store
}

/// The function `name`, if the module exports it with the type of the ABI.
fn export<P: WasmParams>(
    instance: &WasmInstance,
    store: &mut Store<StoreLimits>,
    name: &'static str,
) -> Result<TypedFunc<P, u32>, HostError> {
    instance.get_typed_func(store, name).map_err(|_| HostError::MissingExport { name })
}

/// The version that the module says it has.
pub(crate) fn abi_version(instance: &WasmInstance, store: &mut Store<StoreLimits>) -> Result<u32, HostError> {
    let version = export::<()>(instance, store, "claviger_abi_version")?;
    version.call(store, ()).map_err(HostError::Trapped)
}

impl Instance {
    /// Makes an instance and gives it its secrets.
    pub(crate) fn new(module: &InstancePre<StoreLimits>, secrets: &Secrets) -> Result<Self, HostError> {
        let mut store = new_store(module.module().engine());
        let instance = module.instantiate(&mut store).map_err(HostError::Instantiate)?;
        let memory =
            instance.get_memory(&mut store, "memory").ok_or(HostError::MissingExport { name: "memory" })?;
        let mut number = |name| {
            let function = export::<()>(&instance, &mut store, name)?;
            let value = function.call(&mut store, ()).map_err(HostError::Trapped)?;
            Ok(value as usize)
        };
        let input = number("claviger_input")?;
        let input_capacity = number("claviger_input_capacity")?;
        let output = number("claviger_output")?;
        let verify_key = export(&instance, &mut store, "claviger_verify_key")?;
        let mut made = Self { store, memory, verify_key, input, input_capacity, output };
        made.configure(&instance, secrets)?;
        Ok(made)
    }

    fn configure(&mut self, instance: &WasmInstance, secrets: &Secrets) -> Result<(), HostError> {
        let begin = export::<u32>(instance, &mut self.store, "claviger_verifier_begin")?;
        let add = export::<(u32, u32)>(instance, &mut self.store, "claviger_verifier_add_issuing_secret")?;
        let commit = export::<()>(instance, &mut self.store, "claviger_verifier_commit")?;

        let options = if secrets.allow_keys_without_lifetime { ALLOW_KEYS_WITHOUT_LIFETIME } else { 0 };
        accepted(begin.call(&mut self.store, options))?;
        for (prefix, secret) in &secrets.issuing {
            let (prefix, text) = (prefix.as_str().as_bytes(), secret.to_text());
            let text = text.expose().as_bytes();
            self.write(0, prefix)?;
            self.write(prefix.len(), text)?;
            self.store.set_epoch_deadline(CALL_TICKS);
            accepted(add.call(&mut self.store, (prefix.len() as u32, text.len() as u32)))?;
        }
        self.store.set_epoch_deadline(CALL_TICKS);
        accepted(commit.call(&mut self.store, ()))
    }

    /// What the module says about a presented key. After an error the instance must not be used again.
    #[inline]
    pub(crate) fn verify_key(
        &mut self,
        presented: &[u8],
        context: &RequestContext<'_>,
    ) -> Result<Verdict<'static>, HostError> {
        // What is longer than the input is denied by its length alone, so there is nothing to copy.
        if presented.len() <= self.input_capacity {
            self.write(0, presented)?;
        }
        let len = u32::try_from(presented.len()).unwrap_or(u32::MAX);
        self.store.set_epoch_deadline(CALL_TICKS);
        let code = self.verify_key.call(&mut self.store, (len, context.now)).map_err(HostError::Trapped)?;

        let memory = self.memory.data(&self.store);
        let record: &[u8; VERDICT_RECORD_LEN] = memory
            .get(self.output..)
            .and_then(|output| output.first_chunk())
            .ok_or(HostError::InvalidAnswer)?;
        let verdict = Verdict::from_record(record, None).ok_or(HostError::InvalidAnswer)?;
        // The returned code and the record must say the same, or neither is believed.
        let said = verdict.denial().map_or(0, DenialCode::number);
        if u32::from(said) == code { Ok(verdict) } else { Err(HostError::InvalidAnswer) }
    }

    /// Writes into the input buffer.
    #[inline]
    fn write(&mut self, offset: usize, bytes: &[u8]) -> Result<(), HostError> {
        let memory = self.memory.data_mut(&mut self.store);
        let room = memory.get_mut(self.input..).and_then(|memory| memory.get_mut(..self.input_capacity));
        let slot = room.and_then(|room| room.get_mut(offset..)?.get_mut(..bytes.len()));
        slot.ok_or(HostError::InvalidAnswer)?.copy_from_slice(bytes);
        Ok(())
    }
}

fn accepted(status: wasmtime::Result<u32>) -> Result<(), HostError> {
    match status.map_err(HostError::Trapped)?.cast_signed() {
        0.. => Ok(()),
        status => Err(HostError::Refused { status }),
    }
}
