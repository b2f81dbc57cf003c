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
mod copies;
mod place;
mod ring;

mod actors;
mod api_clients;
mod audit;
mod edits;
mod key_groups;
mod key_lists;
mod keyrings;
mod keys;
mod people;
mod permissions_and_roles;
mod personal_keys;
mod publishing;
mod publishing_faults;
mod repeating;
mod restoring;
mod reviews;
mod shared_secrets;
mod signing;
mod store;
mod tenants;
mod usage;
