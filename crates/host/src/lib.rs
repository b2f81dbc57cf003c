//! Runs Claviger's verification core as a WebAssembly module inside a Rust program.
//!
//! Why not link `claviger-core`? Because the module is isolated (what goes wrong in it ends an instance, not the
//! program; it has no imports, so it can do nothing but compute) and because a newer module can be put in the place
//! of an older one without rebuilding the host. The verdicts are core's own types, and [`Verifier`] implements core's
//! [`VerifyKey`], so the two are interchangeable.
//!
//! ```
//! use claviger_host::core::{IssuingKey, KeyPrefix, Purpose, RequestContext, SharedSecret, SignedKeyTerms};
//! use claviger_host::{Module, PoolOptions, Secrets, Verifier};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let prefix = KeyPrefix::new("acme_live")?;
//! let secret = SharedSecret::generate(Purpose::Issuing, 1, &[7; 40]);
//! let key = IssuingKey::new(prefix, &secret)?.generate(&[9; 8], SignedKeyTerms::expiring(1_790_000_000, 60))?;
//!
//! let secrets = Secrets::new().issuing_secret(prefix, secret);
//! let verifier = Verifier::new(&Module::embedded()?, secrets, PoolOptions::default())?;
//! assert!(verifier.verify_key(key.expose(), &RequestContext::at(1_790_000_000)).is_verified());
//! # Ok(())
//! # }
//! ```
//!
//! It is also an engine of the crate `claviger`, which gets keyrings from files and URLs and keeps them fresh:
//! `claviger::Verifier::with_engine(verifier)`.
//!
//! [`VerifyKey`]: claviger_core::VerifyKey

mod client_engine;
mod engine;
mod error;
mod instance;
mod keyring;
mod keyring_keys;
mod loading;
mod module;
mod parts;
mod policies;
mod pool;
mod secrets;
mod self_test;
mod signature_keys;
mod signature_verifier;
mod signed_request;
mod trust;
mod verifier;
mod verify_request;

pub use claviger_core as core;
pub use wasmtime;

pub use engine::{CALL_TICKS, TICK, new_engine};
pub use error::HostError;
pub use keyring_keys::KeyringKeys;
pub use module::{EMBEDDED_MODULE, Module};
pub use pool::PoolOptions;
pub use secrets::Secrets;
pub use signature_keys::SignatureKeys;
pub use signature_verifier::SignatureVerifier;
pub use verifier::Verifier;
