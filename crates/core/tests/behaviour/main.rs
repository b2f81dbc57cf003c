//! What `claviger-core` does, seen through its public interface.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::string_slice,
    reason = "the helpers of tests fail as tests do"
)]

mod any_input;
mod fixtures;
mod record;
mod secrecy;
mod signature;
mod structured_fields;
mod verifier;
