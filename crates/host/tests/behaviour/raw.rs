//! The embedded module in bare wasmtime.

use crate::fixtures::{NOW, embedded};
use claviger_host::{
    EMBEDDED_MODULE,
    core::{DenialCode, Policy, SharedSecret, VERDICT_RECORD_LEN, Verdict},
    wasmtime::{self, Instance, Memory, Store, Val},
};
use std::{borrow::Cow, sync::OnceLock};

// The statuses that the module documents.
pub(crate) const INVALID_INPUT: i32 = -1;
pub(crate) const INVALID_OPTION: i32 = -2;
pub(crate) const INVALID_PREFIX: i32 = -3;
pub(crate) const WRONG_PURPOSE: i32 = -4;
pub(crate) const INVALID_TIME: i32 = -5;
pub(crate) const NOT_BEGUN: i32 = -6;
pub(crate) const INVALID_CONFIGURATION: i32 = -7;
pub(crate) const MALFORMED: i32 = -256;
pub(crate) const KEYRING: i32 = -1024;

pub(crate) struct Raw {
    pub(crate) store: Store<()>,
    pub(crate) instance: Instance,
    memory: Memory,
    input: usize,
    pub(crate) input_capacity: usize,
    output: usize,
    pub(crate) output_capacity: usize,
}

impl Raw {
    pub(crate) fn new() -> Self {
        static MODULE: OnceLock<wasmtime::Module> = OnceLock::new();
        let module =
            MODULE.get_or_init(|| wasmtime::Module::new(embedded().engine(), EMBEDDED_MODULE).unwrap());
        let mut store = Store::new(module.engine(), ());
        store.set_epoch_deadline(u64::MAX / 2);
        let instance = Instance::new(&mut store, module, &[]).unwrap();
        let memory = instance.get_memory(&mut store, "memory").unwrap();
        let mut raw =
            Self { store, instance, memory, input: 0, input_capacity: 0, output: 0, output_capacity: 0 };
        raw.input = raw.call("input", &[]) as usize;
        raw.input_capacity = raw.call("input_capacity", &[]) as usize;
        raw.output = raw.call("output", &[]) as usize;
        raw.output_capacity = raw.call("output_capacity", &[]) as usize;
        raw
    }

    /// Calls `claviger_<name>`.
    pub(crate) fn call(&mut self, name: &str, arguments: &[Val]) -> i32 {
        let function = self.instance.get_func(&mut self.store, &format!("claviger_{name}")).unwrap();
        let mut result = [Val::I32(0)];
        function
            .call(&mut self.store, arguments, &mut result)
            .unwrap_or_else(|error| panic!("{name}{arguments:?}: {error:?}"));
        result[0].unwrap_i32()
    }

    /// Fills the whole input with `parts`, then with 0xaa, which no wiped byte is.
    pub(crate) fn write(&mut self, parts: &[&[u8]]) {
        let mut bytes = parts.concat();
        bytes.resize(self.input_capacity, 0xaa);
        self.memory.write(&mut self.store, self.input, &bytes).unwrap();
    }

    pub(crate) fn input_is_wiped(&self) -> bool {
        let memory = self.memory.data(&self.store);
        memory[self.input..][..self.input_capacity].iter().all(|&byte| byte == 0)
    }

    pub(crate) fn output(&self, len: usize) -> &[u8] {
        assert!(len <= self.output_capacity);
        &self.memory.data(&self.store)[self.output..][..len]
    }

    pub(crate) fn text(&self, status: i32) -> &str {
        std::str::from_utf8(self.output(usize::try_from(status).expect("a status of success"))).unwrap()
    }

    /// The verdict in the output, with its policy.
    pub(crate) fn record(&self) -> Verdict<'static> {
        let (record, address) = self.output(VERDICT_RECORD_LEN + 4).split_first_chunk().unwrap();
        let address = u32::from_le_bytes(address.try_into().unwrap()) as usize;
        let policy = match Verdict::policy_len_in_record(record) {
            0 => {
                assert_eq!(address, 0);
                None
            }
            len => {
                let bytes = self.memory.data(&self.store)[address..][..len].to_vec();
                Some(Policy::from_bytes(Cow::Owned(bytes)).unwrap())
            }
        };
        Verdict::from_record(record, policy).unwrap()
    }

    /// Writes into the part buffer, and returns the length.
    pub(crate) fn write_part(&mut self, part: &[u8]) -> Val {
        let len = Val::I32(i32::try_from(part.len()).unwrap());
        let address = self.call("part_buffer", &[len]).cast_unsigned() as usize;
        assert_ne!(address, 0);
        self.memory.write(&mut self.store, address, part).unwrap();
        len
    }

    pub(crate) fn add_secret(&mut self, prefix: &str, secret: &str) -> i32 {
        self.write(&[prefix.as_bytes(), secret.as_bytes()]);
        self.call("verifier_add_issuing_secret", &[len(prefix), len(secret)])
    }

    /// Commits one secret for `acme_live`.
    pub(crate) fn trust(&mut self, secret: &SharedSecret) {
        assert_eq!(self.call("verifier_begin", &[Val::I32(0)]), 0);
        assert_eq!(self.add_secret("acme_live", secret.to_text().expose()), 0);
        assert_eq!(self.call("verifier_commit", &[]), 0);
    }

    pub(crate) fn verify(&mut self, key: &str) -> i32 {
        self.write(&[key.as_bytes()]);
        self.call("verify_key", &[len(key), Val::I64(NOW.cast_signed())])
    }
}

pub(crate) fn len(text: &str) -> Val {
    Val::I32(i32::try_from(text.len()).unwrap())
}

pub(crate) fn code(code: DenialCode) -> i32 {
    i32::from(code.number())
}
