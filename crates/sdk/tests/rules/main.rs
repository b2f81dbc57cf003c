//! The rules of the admin model, one test for each, on SQLite and on PostgreSQL. The names of modules and tests read as
//! the model does.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking, and their helpers do too"
)]

mod company;
mod place;

mod store;
mod tenants;
