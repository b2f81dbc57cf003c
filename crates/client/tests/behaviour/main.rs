//! The verifier as programs use it: sources that work and sources that do not, real files, and a real server.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking, and their helpers do too"
)]

mod faults;
mod faulty;
mod files;
mod flood;
mod http_vectors;
mod parts;
mod refreshing;
mod replay;
mod requests;
mod ring;
mod server;
mod signed;
mod usage;
