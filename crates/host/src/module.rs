//! A module that was compiled, looked over and tried out, so that every instance of it can be relied on.

use crate::{
    engine::{CALL_TICKS, new_engine},
    error::HostError,
    instance::{ABI_VERSION, Instance, abi_version, new_store},
    self_test::self_test,
    trust::Trust,
};
use std::path::Path;
use wasmtime::{Engine, InstancePre, Linker, StoreLimits, Trap};

/// The module that comes with this crate.
pub const EMBEDDED_MODULE: &[u8] = include_bytes!("../module/claviger.wasm");

/// A verification module, ready to be instantiated. Cheap to clone.
#[derive(Clone)]
pub struct Module {
    pre: InstancePre<StoreLimits>,
}

impl Module {
    /// The module that comes with this crate, in an engine of its own.
    ///
    /// # Errors
    /// [`HostError::Engine`] if no engine can be set up.
    pub fn embedded() -> Result<Self, HostError> {
        Self::new(&new_engine()?, EMBEDDED_MODULE)
    }

    /// A module from its bytes, in the caller's engine.
    ///
    /// The engine must have been configured with `Config::epoch_interruption(true)`; its owner advances its epoch,
    /// and a call is interrupted when it has seen [`CALL_TICKS`](crate::CALL_TICKS) of them begin.
    ///
    /// # Errors
    /// [`HostError::Truncated`], [`HostError::InvalidModule`], [`HostError::HasImports`],
    /// [`HostError::MissingExport`], [`HostError::EngineWithoutEpochs`], [`HostError::WrongAbiVersion`] or
    /// [`HostError::SelfTestFailed`]: the first that holds. A module that fails while it is tried out gives
    /// [`HostError::Instantiate`], [`HostError::Trapped`], [`HostError::Refused`] or [`HostError::InvalidAnswer`].
    pub fn new(engine: &Engine, wasm: &[u8]) -> Result<Self, HostError> {
        check_length(wasm)?;
        let module = wasmtime::Module::from_binary(engine, wasm).map_err(HostError::InvalidModule)?;
        Self::checked(&module)
    }

    /// The compiled code, to be stored as a `.cwasm` and loaded with [`from_precompiled`](Self::from_precompiled)
    /// without compiling.
    ///
    /// # Errors
    /// [`HostError::InvalidModule`] if wasmtime cannot serialise it.
    pub fn precompile(&self) -> Result<Vec<u8>, HostError> {
        self.pre.module().serialize().map_err(HostError::InvalidModule)
    }

    /// A module from what [`precompile`](Self::precompile) returned, for an engine of the same wasmtime version and
    /// configuration.
    ///
    /// # Errors
    /// [`HostError::InvalidPrecompiled`] if it does not fit, and those of [`new`](Self::new).
    ///
    /// # Safety
    /// The bytes are native code and are run as they are. They must come from [`precompile`](Self::precompile)
    /// by a way that nobody else can write to.
    #[expect(unsafe_code, reason = "wasmtime cannot check native code; the caller vouches for it")]
    pub unsafe fn from_precompiled(engine: &Engine, cwasm: &[u8]) -> Result<Self, HostError> {
        // SAFETY: the caller vouches for the bytes.
        let module = unsafe { wasmtime::Module::deserialize(engine, cwasm) };
        Self::checked(&module.map_err(HostError::InvalidPrecompiled)?)
    }

    /// A module from a `.cwasm` file, which is mapped into memory.
    ///
    /// # Errors
    /// [`HostError::Io`] if there is no such file, and those of [`from_precompiled`](Self::from_precompiled).
    ///
    /// # Safety
    /// As for [`from_precompiled`](Self::from_precompiled), and the file must not be changed while the module lives.
    #[expect(unsafe_code, reason = "wasmtime cannot check native code; the caller vouches for it")]
    pub unsafe fn from_precompiled_file(engine: &Engine, path: impl AsRef<Path>) -> Result<Self, HostError> {
        let path = path.as_ref();
        std::fs::File::open(path).map_err(HostError::Io)?;
        // SAFETY: the caller vouches for the file.
        let module = unsafe { wasmtime::Module::deserialize_file(engine, path) };
        Self::checked(&module.map_err(HostError::InvalidPrecompiled)?)
    }

    /// The engine that the module was compiled for.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        self.pre.module().engine()
    }

    pub(crate) fn instantiate(&self, trust: &Trust) -> Result<Instance, HostError> {
        Instance::new(&self.pre, trust)
    }

    fn checked(module: &wasmtime::Module) -> Result<Self, HostError> {
        let imports: Vec<String> =
            module.imports().map(|import| format!("{}.{}", import.module(), import.name())).collect();
        if !imports.is_empty() {
            return Err(HostError::HasImports { imports });
        }
        let engine = module.engine();
        let pre = Linker::new(engine).instantiate_pre(module).map_err(HostError::Instantiate)?;

        let mut store = new_store(engine);
        let instance = pre.instantiate(&mut store).map_err(HostError::Instantiate)?;
        // With a deadline that has passed, a call must be interrupted at once.
        store.set_epoch_deadline(0);
        match abi_version(&instance, &mut store) {
            Err(HostError::Trapped(error)) if error.downcast_ref() == Some(&Trap::Interrupt) => {}
            Ok(_) => return Err(HostError::EngineWithoutEpochs),
            Err(error) => return Err(error),
        }
        store.set_epoch_deadline(CALL_TICKS);
        let found = abi_version(&instance, &mut store)?;
        if found != ABI_VERSION {
            return Err(HostError::WrongAbiVersion { found, expected: ABI_VERSION });
        }
        let module = Self { pre };
        self_test(&module)?;
        Ok(module)
    }
}

impl std::fmt::Debug for Module {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Module").finish_non_exhaustive()
    }
}

/// Walks the sections, so that a file that was cut off is told from one that is no module.
///
/// A cut between two sections leaves nothing to see here; what is missing then shows in validation or in the
/// self-test.
fn check_length(wasm: &[u8]) -> Result<(), HostError> {
    const HEADER: &[u8] = b"\0asm\x01\0\0\0";
    let truncated = |needed| HostError::Truncated { len: wasm.len(), needed };
    if wasm.len() < HEADER.len() && HEADER.starts_with(wasm) {
        return Err(truncated(HEADER.len()));
    }
    // What does not start like a module is for wasmtime to name.
    let Some(mut rest) = wasm.strip_prefix(HEADER) else { return Ok(()) };
    while let Some((_id, after_id)) = rest.split_first() {
        let (size, after_size) = leb128(after_id).ok_or_else(|| truncated(wasm.len().saturating_add(1)))?;
        let missing = size.saturating_sub(after_size.len());
        if missing > 0 {
            return Err(truncated(wasm.len().saturating_add(missing)));
        }
        rest = after_size.get(size..).unwrap_or_default();
    }
    Ok(())
}

/// An unsigned LEB128 number of at most 5 bytes (WebAssembly core specification, section 5.2.2) and what follows it.
fn leb128(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0;
    for (index, byte) in bytes.iter().take(5).enumerate() {
        value |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return bytes.get(index.saturating_add(1)..).map(|rest| (value, rest));
        }
    }
    None
}
