//! The admin operations of Claviger: everything that an operator does with API keys, over SQLite or PostgreSQL.
//!
//! A [`Store`] is opened with a location and a master key. Everything else is done in a [`Session`], in the name of an
//! [`Actor`] who is authorised and audited in each operation:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use claviger_sdk::{Actor, Lifetime, NewKey, NewServiceAccount, NewTenant, NewUser, Store, generate_master_key};
//!
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("company.db");
//! # let path = path.to_str().ok_or("path")?;
//! let store = Store::open(path, &generate_master_key()?).await?;
//!
//! // The platform operator makes a tenant, what can be granted there, and its first administrator.
//! let operator = store.acting_as(Actor::operator("platform"));
//! let tenant = operator.tenants().create(NewTenant::new("Northwind", "nw_live".parse()?)).await?;
//! operator.permissions().define("flights:view", "see the schedule").await?;
//! let operator = operator.in_tenant(tenant.id);
//! let ada = operator.users().create(NewUser::new("Ada Pine", "ada@northwind.example")).await?;
//! let admin = operator.roles().named("ADMIN").await?;
//! operator.people().grant_role(ada.id, admin.id).await?;
//!
//! // From here on the administrator does the work.
//! let ada = store.acting_as(Actor::user(ada.id).from_address([192, 0, 2, 7].into()));
//! let account = NewServiceAccount::new("flight_sync", "Contrails Ltd", "it@contrails.example");
//! let account = ada.service_accounts().create(account).await?;
//! ada.people().grant_permission(account.id, "flights:view").await?;
//! let key = NewKey::for_service_account(account.id, "nightly import", Lifetime::days(90));
//! let generated = ada.keys().generate(key).await?;
//! let text = generated.text.ok_or("shown once, to whoever asked first")?;
//! assert!(text.expose().starts_with("nw_live_"));
//!
//! for event in ada.audit().list().limit(1).await? {
//!     assert_eq!(event.action, "key.generated");
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # What is where
//!
//! - [`tenants`](Session::tenants), [`people`](Session::people) (users and service accounts),
//!   [`roles`](Session::roles), [`permissions`](Session::permissions): who there is and what he may do;
//! - [`keys`](Session::keys), [`key_groups`](Session::key_groups), [`api_clients`](Session::api_clients),
//!   [`personal_keys`](Session::personal_keys), [`reviews`](Session::reviews): API keys;
//! - [`shared_secrets`](Session::shared_secrets): what signs keys, requests and webhooks;
//! - [`rings`](Session::rings), [`Publisher`], [`Destination`]: to verifiers; [`usage`](Session::usage): and back;
//! - [`audit`](Session::audit), [`master_keys`](Session::master_keys): who did what, and what it is all sealed under.
//!
//! # What holds everywhere
//!
//! Each operation is one transaction: everything of it is written, or nothing. Edits name the revision that the caller
//! has seen, and a lost update is [`Error::Changed`]. Creations can be repeated under an
//! [idempotency key](Session::with_idempotency_key). Secrets are shown once and kept sealed; no error, log or `Debug` has
//! one. Times are whole seconds.
//!
//! One writing transaction runs at a time, on either database: a store serves administration, never verification.
//!
//! # Cargo features
//!
//! Which URLs [`destination_from_url`] takes beside paths: `s3` (on by default), `gcs`, `azure`. They bring an HTTP client
//! with TLS; without them there is none, and [`ObjectStorage`] still takes a store that the program made.

#![forbid(unsafe_code)]

mod access;
mod actor;
mod api_clients;
mod audit;
mod authenticate;
mod changes;
mod clock;
mod created;
mod destination;
mod effective;
mod error;
mod hex;
mod ids;
mod key_groups;
mod keys;
mod master_keys;
mod packed;
mod page;
mod people;
mod permissions;
mod personal_keys;
mod policies;
mod publish;
mod reviews;
mod rings;
mod roles;
mod rows;
mod schema;
mod seal;
mod session;
mod shared_secrets;
mod sql;
mod starting_with;
mod store;
mod tenants;
mod usage;
mod validate;
mod work;

pub use access::Access;
pub use actor::Actor;
pub use api_clients::{ApiClient, ApiClients};
pub use audit::{Audit, AuditEvent, AuditHead, ListAudit};
pub use authenticate::Unauthenticated;
pub use claviger_core::{KeyId, KeyKind, KeyPrefix, MasterKey, Network, Purpose, SecretText, UsageBatch};
pub use clock::{Clock, ManualClock, SystemClock};
pub use created::Created;
pub use destination::{
    BundleFile, Destination, DestinationError, DestinationUrlError, Directory, NewRoot, ObjectStorage,
    PartHash, RootVersion, StoredRoot, destination_from_url,
};
pub use error::{Error, Result, Rule};
pub use ids::{BatchId, GroupId, PersonId, RingId, RoleId, SecretId, TenantId, VerifierId};
pub use key_groups::{KeyGroup, KeyGroupEdit, KeyGroups, NewKeyGroup};
pub use keys::{
    ApiKey, Found, Generated, KeyEdit, KeyLimit, KeyOwner, KeySort, KeyStatus, Keys, LastUse, Lifetime,
    ListKeys, NewKey, Revocation, RevocationReason,
};
pub use master_keys::MasterKeys;
pub use object_store;
pub use page::{Cursor, MAX_PAGE, Page};
pub use people::{
    ListPeople, NewServiceAccount, NewUser, People, Person, PersonEdit, PersonKind, ServiceAccounts, Users,
};
pub use permissions::{ListPermissions, Permission, Permissions};
pub use personal_keys::{NewPersonalKey, PersonalKeyHolder, PersonalKeys};
pub use publish::{
    DeniedBy, Ended, Progress, Publication, PublicationOutcome, Publications, PublishError, Published,
    Publisher, PublisherEvent, Restored,
};
pub use reviews::{ReportReviews, Review, ReviewReport, Reviews};
pub use rings::{Audience, NewRing, Ring, RingEdit, Rings};
pub use roles::{ListRoles, NewRole, Role, RoleEdit, Roles};
pub use session::Session;
pub use shared_secrets::{NewSharedSecret, SecretVersion, SharedSecretRecord, SharedSecrets};
pub use store::{Store, generate_master_key};
pub use tenants::{NewTenant, Tenant, Tenants};
pub use usage::{KeyUse, RegisteredVerifier, Usage, UsageOutcome, UsageReport};
