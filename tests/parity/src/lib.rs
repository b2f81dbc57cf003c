//! The same keys through every runtime that Claviger has, held against each other.
//!
//! - [`faces`]: native, wasmtime, Node and workerd behind one trait.
//! - [`sourced`]: the same with verifiers that get their keyring from a source; [`ring_server`]: that source.
//! - [`setup`]: verifier configurations as all of them understand them.
//! - [`vectors`], [`keyring_vectors`], [`signature_vectors`], [`replay_vectors`], [`webhook_vectors`]: the golden cases,
//!   written by `cargo xtask vectors`.
//! - [`signature_cases`]: files of signed requests, and what becomes of them in each runtime.
//! - [`metered`]: the module with its instructions counted.
//! - [`rings`]: keyrings put together key by key.
//! - [`inputs`], [`ring_inputs`]: reproducible streams of valid and mutated keys, without and with a keyring.

pub mod faces;
pub mod inputs;
pub mod keyring_vectors;
pub mod metered;
pub mod replay_vectors;
pub mod ring_inputs;
pub mod ring_server;
pub mod rings;
pub mod setup;
pub mod signature_cases;
pub mod signature_vectors;
pub mod sourced;
pub mod vectors;
pub mod webhook_vectors;
