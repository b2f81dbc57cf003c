//! What can go wrong between the host and its module. What a key is worth is never an error but a verdict.

use claviger_core::{DenialCode, KeyPrefix, KeyringError};
use std::{fmt, time::Duration};

/// Why a module was not loaded, a verifier was not built or changed, a keyring was not taken, or a call gave no verdict.
///
/// Never holds any part of a key or secret.
#[derive(Debug)]
#[non_exhaustive]
pub enum HostError {
    /// Wasmtime could not set up an engine.
    Engine(wasmtime::Error),
    /// The engine was configured without epoch interruption, so nothing could end a call that takes too long.
    EngineWithoutEpochs,
    /// The bytes end in the middle of the module.
    Truncated {
        /// How many bytes there are.
        len: usize,
        /// How many there would have to be, at least.
        needed: usize,
    },
    /// The bytes are not a WebAssembly module that wasmtime accepts.
    InvalidModule(wasmtime::Error),
    /// The module wants something of its host; this one must want nothing.
    HasImports {
        /// The names, as `module.name`.
        imports: Vec<String>,
    },
    /// The module lacks an export of the ABI, or has it with another type.
    MissingExport {
        /// The name of the export.
        name: &'static str,
    },
    /// The module speaks another version of the ABI.
    WrongAbiVersion {
        /// The version that it says it has.
        found: u32,
        /// The version that this host knows.
        expected: u32,
    },
    /// The module does not decide as the core of this host does.
    SelfTestFailed,
    /// The bytes are not a precompiled module of this wasmtime version and configuration.
    InvalidPrecompiled(wasmtime::Error),
    /// A precompiled file could not be read.
    Io(std::io::Error),
    /// An instance could not be made.
    Instantiate(wasmtime::Error),
    /// There is no issuing secret, so everything would be denied.
    NoSecrets,
    /// Two issuing secrets have the same prefix and version.
    DuplicateVersion {
        /// The prefix.
        prefix: KeyPrefix,
        /// The version.
        version: u8,
    },
    /// A secret is an integration secret, which never proves keys.
    WrongPurpose {
        /// The prefix that it was given for.
        prefix: KeyPrefix,
    },
    /// There is no keyring key, or more than two, or two with the same id.
    KeyringKeys,
    /// There is no key of signatures, or more than 1024; one is empty or takes more than 4096 bytes with its name; or a secret
    /// is not an integration secret.
    SignatureKeys,
    /// The verifier was made with keyring keys, and takes no issuing secrets in their place.
    TakesNoSecrets,
    /// A keyring, or a part of one, was refused. What the verifier had before stays in use.
    Keyring(KeyringError),
    /// What is known of the request does not fit into the module's input beside a key.
    ContextTooLong {
        /// Its bytes, as the module would read them.
        len: usize,
        /// How many fit.
        most: usize,
    },
    /// An instance has no room for a root or part of the keyring: its memory is at its limit. It was thrown away.
    NoRoomForPart {
        /// The bytes of the root or part.
        len: usize,
    },
    /// The module refused a configuration that this host found good.
    Refused {
        /// The status that the module returned.
        status: i32,
    },
    /// Every instance was busy for as long as a call may wait.
    PoolExhausted {
        /// How many instances there are.
        instances: usize,
        /// How long the call waited.
        waited: Duration,
    },
    /// The module trapped or was interrupted. Its instance was thrown away.
    Trapped(wasmtime::Error),
    /// The module answered something that is no verdict. Its instance was thrown away.
    InvalidAnswer,
}

impl HostError {
    /// Whether the instance that it came from is as good as before.
    pub(crate) fn spares_instance(&self) -> bool {
        matches!(self, Self::Keyring(_) | Self::ContextTooLong { .. })
    }

    /// Whether the engine's epoch ended a call that took too long.
    pub(crate) fn was_interrupted(&self) -> bool {
        let Self::Trapped(error) = self else { return false };
        matches!(error.downcast_ref(), Some(wasmtime::Trap::Interrupt))
    }

    /// The denial code that stands for this error in a verdict.
    #[must_use]
    pub fn denial_code(&self) -> DenialCode {
        match self {
            Self::PoolExhausted { .. } => DenialCode::PoolExhausted,
            _ => DenialCode::VerifierFault,
        }
    }
}

impl fmt::Display for HostError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Engine(_) => formatter.write_str("wasmtime could not set up an engine"),
            Self::EngineWithoutEpochs => formatter.write_str(
                "the engine has no epoch interruption; set Config::epoch_interruption(true) and advance its epoch",
            ),
            Self::Truncated { len, needed } => {
                write!(formatter, "the module is truncated: {len} bytes, and at least {needed} are needed")
            }
            Self::InvalidModule(_) => formatter.write_str("the bytes are not a valid WebAssembly module"),
            Self::HasImports { imports } => {
                write!(formatter, "the module must have no imports, but wants {}", imports.join(", "))
            }
            Self::MissingExport { name } => {
                write!(formatter, "the module has no export {name} of the type in Claviger's ABI")
            }
            Self::WrongAbiVersion { found, expected } => write!(
                formatter,
                "the module speaks ABI version {found}, this host knows version {expected}; use a module and a host \
                 that fit"
            ),
            Self::SelfTestFailed => formatter.write_str("the module does not decide as it must; do not use it"),
            Self::InvalidPrecompiled(_) => formatter.write_str(
                "the precompiled module does not fit this wasmtime version and configuration; precompile it again",
            ),
            Self::Io(_) => formatter.write_str("the precompiled module could not be read"),
            Self::Instantiate(_) => formatter.write_str("an instance of the module could not be made"),
            Self::NoSecrets => formatter.write_str("a verifier needs at least one issuing secret"),
            Self::DuplicateVersion { prefix, version } => write!(
                formatter,
                "two issuing secrets have version {version} for prefix {prefix}; give each a version of its own"
            ),
            Self::WrongPurpose { prefix } => write!(
                formatter,
                "the secret for prefix {prefix} is an integration secret (cvgws_…); expected an issuing secret (cvgis_…)"
            ),
            Self::KeyringKeys => formatter
                .write_str("a verifier takes one keyring key, or during its rotation two with different ids"),
            Self::SignatureKeys => formatter.write_str(
                "a verifier of signatures takes 1 to 1024 keys that are not empty, of at most 4096 bytes with their names, and \
                 integration secrets (cvgws_…)",
            ),
            Self::TakesNoSecrets => formatter
                .write_str("the verifier was made with keyring keys and takes no issuing secrets; replace its keyring"),
            Self::Keyring(_) => formatter.write_str("the keyring was refused"),
            Self::ContextTooLong { len, most } => write!(
                formatter,
                "the context of the request takes {len} bytes, and {most} are the most; ask for fewer permissions"
            ),
            Self::NoRoomForPart { len } => {
                write!(formatter, "an instance has no room for {len} bytes of the keyring")
            }
            Self::Refused { status } => write!(formatter, "the module refused its configuration with status {status}"),
            Self::PoolExhausted { instances, waited } => {
                write!(formatter, "all {instances} instances were busy for {waited:?}")
            }
            Self::Trapped(_) => formatter.write_str("the module trapped or was interrupted"),
            Self::InvalidAnswer => formatter.write_str("the module's answer is no verdict"),
        }
    }
}

impl std::error::Error for HostError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Engine(error)
            | Self::InvalidModule(error)
            | Self::InvalidPrecompiled(error)
            | Self::Instantiate(error)
            | Self::Trapped(error) => Some(error.as_ref()),
            Self::Io(error) => Some(error),
            Self::Keyring(error) => Some(error),
            _ => None,
        }
    }
}
