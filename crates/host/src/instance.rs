//! One instance of the module: the host's side of the ABI that the crate `claviger-wasm-module` documents.

use crate::{
    engine::{CALL_TICKS, MEMORY_LIMIT},
    error::HostError,
    keyring::Keyring,
    keyring_keys::KeyringKeys,
    parts::Parts,
    policies::CheckedPolicies,
    secrets::Secrets,
    signature_keys::{OwnKey, SignatureKeys},
    trust::Trust,
};
use claviger_core::{
    ContextRecord, DenialCode, KeyId, NeededPart, Policy, RequestContext, VERDICT_RECORD_LEN, Verdict,
};
use std::sync::{Arc, Weak};
use wasmtime::{
    Engine, Instance as WasmInstance, InstancePre, Memory, Store, StoreLimits, StoreLimitsBuilder, TypedFunc,
    WasmParams,
};

/// The version of the ABI that this host speaks.
pub(crate) const ABI_VERSION: u32 = 4;
/// Option of `claviger_verifier_begin`.
const ALLOW_KEYS_WITHOUT_LIFETIME: u32 = 1;

/// Flags of `claviger_verifier_require`.
const REQUIRE_FRESH: u32 = 1;
const HAS_MAX_AGE: u32 = 2;
/// Where in a verdict's record the index of its policy stands.
const POLICY_INDEX: usize = 80;
/// Bytes of the input that no context may take: more than any key has.
const ROOM_FOR_KEY: usize = 1024;

/// Lengths and kinds of what `claviger_verify_request` reads: see its documentation.
type RequestLens = (u32, u32, u32, u32, u32, u32);

/// An instance that holds one set of secrets for as long as it lives, and one keyring after the other.
pub(crate) struct Instance {
    pub(crate) store: Store<StoreLimits>,
    pub(crate) memory: Memory,
    /// What it was last given.
    pub(crate) keyring: Option<Arc<Keyring>>,
    /// The same, also when that was forgotten.
    pub(crate) last: Weak<Keyring>,
    /// The parts that it was told to wait for.
    pub(crate) awaited: Vec<NeededPart>,
    instance: WasmInstance,
    policies: CheckedPolicies,
    verify_key: TypedFunc<(u32, u64), u32>,
    verify_key_in_context: TypedFunc<(u32, u32), u32>,
    verify_request: TypedFunc<RequestLens, u32>,
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
    /// Makes an instance and gives it what it is to trust.
    pub(crate) fn new(module: &InstancePre<StoreLimits>, trust: &Trust) -> Result<Self, HostError> {
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
        let verify_key_in_context = export(&instance, &mut store, "claviger_verify_key_in_context")?;
        let verify_request = export(&instance, &mut store, "claviger_verify_request")?;
        let mut made = Self {
            store,
            memory,
            keyring: None,
            last: Weak::new(),
            awaited: Vec::new(),
            instance,
            policies: CheckedPolicies::new(),
            verify_key,
            verify_key_in_context,
            verify_request,
            input,
            input_capacity,
            output,
        };
        made.configure(trust)?;
        Ok(made)
    }

    fn configure(&mut self, trust: &Trust) -> Result<(), HostError> {
        match trust {
            Trust::Secrets(secrets) => self.trust_secrets(secrets)?,
            Trust::KeyringKeys(keys) => self.trust_keyring_keys(keys)?,
            Trust::SignatureKeys(keys) => return self.trust_signature_keys(keys),
        }
        self.configure_by("claviger_verifier_commit", ())
    }

    fn trust_secrets(&mut self, secrets: &Secrets) -> Result<(), HostError> {
        let options = if secrets.allow_keys_without_lifetime { ALLOW_KEYS_WITHOUT_LIFETIME } else { 0 };
        self.configure_by("claviger_verifier_begin", options)?;
        for (prefix, secret) in &secrets.issuing {
            let (prefix, text) = (prefix.as_str().as_bytes(), secret.to_text());
            let text = text.expose().as_bytes();
            self.write(0, prefix)?;
            self.write(prefix.len(), text)?;
            let lengths = (prefix.len() as u32, text.len() as u32);
            self.configure_by("claviger_verifier_add_issuing_secret", lengths)?;
        }
        Ok(())
    }

    fn trust_keyring_keys(&mut self, keys: &KeyringKeys) -> Result<(), HostError> {
        self.configure_by("claviger_verifier_begin", 0)?;
        for key in &keys.keys {
            let text = key.to_text();
            let text = text.expose().as_bytes();
            self.write(0, text)?;
            self.configure_by("claviger_verifier_add_keyring_key", text.len() as u32)?;
        }
        if let Some(id) = keys.keyring_id {
            self.configure_by("claviger_verifier_keyring_id", KeyId::as_u64(id))?;
        }
        let required = keys.required;
        let flags = [(required.require_fresh, REQUIRE_FRESH), (required.max_age.is_some(), HAS_MAX_AGE)];
        let flags: u32 = flags.iter().filter(|(set, _)| *set).map(|(_, flag)| flag).sum();
        let max_age = required.max_age.unwrap_or(0);
        self.configure_by("claviger_verifier_require", (flags, required.min_epoch, max_age))
    }

    fn trust_signature_keys(&mut self, keys: &SignatureKeys) -> Result<(), HostError> {
        for key in &keys.keys {
            match key {
                OwnKey::Named(name, key) => self.add_signature_key(name, key, 0)?,
                OwnKey::Any(key) => self.add_signature_key("", key, 1)?,
                OwnKey::IntegrationSecret(secret) => {
                    self.add_signature_key("", secret.to_text().expose().as_bytes(), 2)?;
                }
            }
        }
        Ok(())
    }

    fn add_signature_key(&mut self, name: &str, key: &[u8], kind: u32) -> Result<(), HostError> {
        self.write(0, name.as_bytes())?;
        self.write(name.len(), key)?;
        self.configure_by("claviger_signature_key_add", (name.len() as u32, key.len() as u32, kind))
    }

    /// Verifies the signed request in the part buffer.
    pub(crate) fn call_verify_request(&mut self, lens: RequestLens) -> Result<u32, HostError> {
        self.store.set_epoch_deadline(CALL_TICKS);
        self.verify_request.call(&mut self.store, lens).map_err(HostError::Trapped)
    }

    /// Calls a function that takes no longer than a verification, and is looked up for it.
    pub(crate) fn call_briefly<P: WasmParams>(
        &mut self,
        name: &'static str,
        parameters: P,
    ) -> Result<u32, HostError> {
        let function = self.export::<P>(name)?;
        self.store.set_epoch_deadline(CALL_TICKS);
        function.call(&mut self.store, parameters).map_err(HostError::Trapped)
    }

    fn configure_by<P: WasmParams>(&mut self, name: &'static str, parameters: P) -> Result<(), HostError> {
        let status = self.call_briefly(name, parameters)?;
        match status.cast_signed() {
            0.. => Ok(()),
            status => Err(HostError::Refused { status }),
        }
    }

    pub(crate) fn export<P: WasmParams>(
        &mut self,
        name: &'static str,
    ) -> Result<TypedFunc<P, u32>, HostError> {
        export(&self.instance, &mut self.store, name)
    }

    /// What the module says about a presented key, when it has the parts of the keyring that it needs and can get.
    /// After an error the instance must not be used again, unless the error says that it spares it.
    #[inline]
    pub(crate) fn verify_key(
        &mut self,
        presented: &[u8],
        context: &RequestContext<'_>,
        parts: &Parts,
    ) -> Result<Verdict<'static>, HostError> {
        let verdict = self.ask(presented, context)?;
        match &verdict {
            Verdict::Denied(denied) if denied.needed.is_some() => {
                self.provide_for(verdict, parts, &mut |instance| instance.ask(presented, context))
            }
            _ => Ok(verdict),
        }
    }

    /// What the module says about a presented key with the parts that it has.
    #[inline]
    pub(crate) fn ask(
        &mut self,
        presented: &[u8],
        context: &RequestContext<'_>,
    ) -> Result<Verdict<'static>, HostError> {
        let code = if *context == RequestContext::at(context.now) {
            self.call_verify_key(presented, context.now)?
        } else {
            self.call_verify_key_in_context(presented, context)?
        };
        self.verdict_of(code)
    }

    /// The verdict in the output of a call that returned `code`.
    #[inline]
    pub(crate) fn verdict_of(&mut self, code: u32) -> Result<Verdict<'static>, HostError> {
        let verdict = self.verdict()?;
        // The returned code and the record must say the same, or neither is believed.
        let said = verdict.denial().map_or(0, DenialCode::number);
        if u32::from(said) == code { Ok(verdict) } else { Err(HostError::InvalidAnswer) }
    }

    #[inline]
    fn call_verify_key(&mut self, presented: &[u8], now: u64) -> Result<u32, HostError> {
        // What is longer than the input is denied by its length alone, so there is nothing to copy.
        if presented.len() <= self.input_capacity {
            self.write(0, presented)?;
        }
        self.call_verify_key_by_len(u32::try_from(presented.len()).unwrap_or(u32::MAX), now)
    }

    #[inline]
    fn call_verify_key_by_len(&mut self, len: u32, now: u64) -> Result<u32, HostError> {
        self.store.set_epoch_deadline(CALL_TICKS);
        self.verify_key.call(&mut self.store, (len, now)).map_err(HostError::Trapped)
    }

    fn call_verify_key_in_context(
        &mut self,
        presented: &[u8],
        context: &RequestContext<'_>,
    ) -> Result<u32, HostError> {
        let address = context.address.map(|address| address.to_string()).unwrap_or_default();
        let record = ContextRecord::write(context, &address);
        let most = self.input_capacity.saturating_sub(ROOM_FOR_KEY);
        if record.len() > most {
            return Err(HostError::ContextTooLong { len: record.len(), most });
        }
        if presented.len() > self.input_capacity.saturating_sub(record.len()) {
            // Longer than any key: what else is asked for makes no difference.
            return self.call_verify_key_by_len(u32::MAX, context.now);
        }
        self.write(0, presented)?;
        self.write(presented.len(), &record)?;
        self.store.set_epoch_deadline(CALL_TICKS);
        let lengths = (presented.len() as u32, record.len() as u32);
        self.verify_key_in_context.call(&mut self.store, lengths).map_err(HostError::Trapped)
    }

    /// The verdict in the output, with the policy that belongs to it.
    #[inline]
    fn verdict(&mut self) -> Result<Verdict<'static>, HostError> {
        let record = *self.output::<VERDICT_RECORD_LEN>(0)?;
        let policy = match Verdict::policy_len_in_record(&record) {
            0 => None,
            len => Some(self.policy(len)?),
        };
        Verdict::from_record(&record, policy).ok_or(HostError::InvalidAnswer)
    }

    /// The policy of `len` bytes that belongs to the verdict in the output.
    fn policy(&mut self, len: usize) -> Result<Policy<'static>, HostError> {
        let index = u32::from_le_bytes(*self.output::<4>(POLICY_INDEX)?);
        let address = u32::from_le_bytes(*self.output::<4>(VERDICT_RECORD_LEN)?) as usize;
        let memory = self.memory.data(&self.store);
        let bytes = memory.get(address..).and_then(|memory| memory.get(..len));
        let bytes = bytes.ok_or(HostError::InvalidAnswer)?;
        self.policies.policy(index, bytes).ok_or(HostError::InvalidAnswer)
    }

    /// `N` bytes of the output.
    #[inline]
    pub(crate) fn output<const N: usize>(&self, offset: usize) -> Result<&[u8; N], HostError> {
        let memory = self.memory.data(&self.store);
        let output = memory.get(self.output..).and_then(|output| output.get(offset..));
        output.and_then(|output| output.first_chunk()).ok_or(HostError::InvalidAnswer)
    }

    /// Writes into the input buffer.
    #[inline]
    pub(crate) fn write(&mut self, offset: usize, bytes: &[u8]) -> Result<(), HostError> {
        let memory = self.memory.data_mut(&mut self.store);
        let room = memory.get_mut(self.input..).and_then(|memory| memory.get_mut(..self.input_capacity));
        let slot = room.and_then(|room| room.get_mut(offset..)?.get_mut(..bytes.len()));
        slot.ok_or(HostError::InvalidAnswer)?.copy_from_slice(bytes);
        Ok(())
    }
}
