//! What `claviger-host` does, seen through its public interface: loading, verifying, the pool, and the module's ABI.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the helpers of tests fail as tests do"
)]

mod fault_door;
mod fixtures;
mod keyring_abi;
mod keyrings;
mod loading;
mod module_abi;
mod pool;
mod raw;
mod refreshing;
mod replacing;
mod rings;
mod signed_requests;
mod sources;
mod verifying;
