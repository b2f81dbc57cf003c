//! The same keys through every runtime that Claviger has, held against each other.
//!
//! - [`faces`]: native, wasmtime, Node and workerd behind one trait.
//! - [`setup`]: verifier configurations as all of them understand them.
//! - [`vectors`]: the golden cases, written by `cargo xtask vectors`.
//! - [`inputs`]: a reproducible stream of valid and mutated keys.

pub mod faces;
pub mod inputs;
pub mod setup;
pub mod vectors;
