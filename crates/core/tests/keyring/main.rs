//! Keyrings as their users see them: built, opened, replaced, damaged, and asked about keys.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unreachable,
    reason = "tests fail by panicking, and their helpers do too"
)]

mod building;
mod damage;
mod model;
mod parts;
mod reading;
mod replacing;
mod signing;
mod verdicts;
mod world;
