//! Destinations: what every one of them promises, and what those in a file system promise beside it.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests fail by panicking")]

#[path = "destinations/contract.rs"]
mod contract;
#[path = "destinations/files.rs"]
mod files;
#[path = "destinations/ring.rs"]
mod ring;
