//! Destinations: what every one of them promises, and what those in a file system and in object storage promise beside it.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests fail by panicking")]

#[path = "destinations/contract.rs"]
mod contract;
#[path = "destinations/files.rs"]
mod files;
#[path = "destinations/object_storage.rs"]
mod object_storage;
#[path = "destinations/odd_store.rs"]
mod odd_store;
#[path = "destinations/ring.rs"]
mod ring;
