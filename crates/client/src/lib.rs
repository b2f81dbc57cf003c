//! Verifies API keys in a Rust program, offline, with a keyring that keeps itself fresh.
//!
//! `claviger-core` decides; this crate brings what it needs: keyrings from [files](FileSource), [folders](DirectorySource),
//! [URLs](UrlSource) or [anywhere else](KeyringSource), parts of large keyrings when they are needed, a new keyring
//! every few seconds, [`http::Request`](mod@http) in, and usage out.
//!
//! ```
//! use claviger::{BytesSource, RequestContext, Verifier, unix_seconds};
//! # use claviger::core::*;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let keyring_key = KeyringKey::generate(&[7; 40]);
//! # let prefix: KeyPrefix = "acme_live".parse()?;
//! # let (id, key) = generate_opaque_key(&prefix, OpaqueUse::Bearer, &[9; 40]);
//! # let value = VerifierValue::of_key(&parse(key.expose())?).ok_or("no value")?;
//! # let mut builder = KeyringBuilder::new(&keyring_key, KeyringTerms::new(KeyId::from_u64(1)), 1);
//! # let mut parts = vec![builder.set_page(0, &[Some(Policy::new(&PolicyTerms::new(prefix, "tenant", "owner"))?)])?];
//! # parts.extend(builder.set_bucket(builder.bucket_of(id), &[KeyRecord::new(id, KeyKind::Opaque, value, 0)])?);
//! # let root = builder.finish(1, unix_seconds())?;
//! # let part = |hash: &PartHash| parts.iter().find(|part| part.hash == *hash).map(|part| &part.bytes[..]);
//! # let bundle = builder.bundle(&root, part)?;
//! # let key = key.expose();
//! let verifier = Verifier::builder([keyring_key]).source(BytesSource::new(bundle)).build()?;
//! verifier.refresh().await?;
//! // A source that changes is asked again and again, for as long as this is kept.
//! let refreshing = verifier.refresh_in_background();
//!
//! let verdict = verifier.verify(key, &RequestContext::at(unix_seconds())).await;
//! assert!(verdict.is_verified());
//! # drop(refreshing);
//! # Ok(())
//! # }
//! ```
//!
//! | module | what it is |
//! |---|---|
//! | `verifier`, `builder` | what programs use |
//! | `source` | where keyrings come from |
//! | `engine` | what decides: core in this process, or another that runs it |
//! | `refreshing` | getting newer keyrings |
//! | `fetching`, `fetch_budget` | getting parts that verdicts need, and no more than that |
//! | `event` | what is told of all that |
//! | `usage` | counting from many threads |
//! | `replay` | remembering the nonces of signed requests |
//! | [`http`](mod@http) | keys in requests, and responses to denials |
//!
//! Nothing here decides about a key.

mod builder;
mod engine;
mod event;
mod fetch_budget;
mod fetching;
#[cfg(feature = "http")]
pub mod http;
mod refreshing;
mod replay;
mod source;
mod usage;
mod verifier;

pub use async_trait::async_trait;
pub use builder::{BuildError, VerifierBuilder};
pub use claviger_core as core;
pub use claviger_core::{
    DenialCode, Denied, KeyId, KeyUsage, KeyringInfo, KeyringKey, NeededPart, NonceWindow, PartHash,
    Replacement, ReplayAnswer, ReplayEntry, RequestContext, UsageBatch, Verdict, Verified,
};
pub use engine::{Engine, EngineError, NativeEngine};
pub use event::Event;
pub use refreshing::{RefreshError, Refreshing};
pub use replay::{InMemoryReplayStore, ReplayStore};
#[cfg(feature = "redis")]
pub use replay::{InvalidRedisUrl, RedisReplayError, RedisReplayStore};
#[cfg(feature = "url")]
pub use source::UrlSource;
pub use source::{
    BytesSource, DirectorySource, FetchedKeyring, FileSource, KeyringSource, MAX_KEYRING_LEN, MAX_PART_LEN,
    SourceError,
};
pub use verifier::Verifier;

use std::time::{SystemTime, UNIX_EPOCH};

/// The clock of this machine, in Unix seconds.
#[must_use]
pub fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Bytes as lowercase hexadecimal digits: how a part is named in files and URLs.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
