//! The same keys through every runtime that Claviger has, held against each other.
//!
//! - [`faces`]: native, wasmtime, Node and workerd behind one trait.
//! - [`sourced`]: the same with verifiers that get their keyring from a source; [`ring_server`]: that source.
//! - [`setup`]: verifier configurations as all of them understand them.
//! - [`vectors`], [`keyring_vectors`], [`replay_vectors`]: the golden cases, written by `cargo xtask vectors`.
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
pub mod sourced;
pub mod vectors;
