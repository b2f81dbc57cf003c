//! Where keyrings are published to: the trait, and what its implementations give and take.
//!
//! A destination holds one keyring: its root, and the parts that the root names, each under its hash. It knows nothing
//! of keys or keyring keys; what is in it is authenticated by the keyring key, so who can write to it can hold back
//! knowledge, and cannot make a key good.

mod bundle_file;
mod directory;
mod files;
mod from_url;
mod object_storage;
mod storage_error;

pub use bundle_file::BundleFile;
pub use directory::Directory;
pub use from_url::{DestinationUrlError, destination_from_url};
pub use object_storage::ObjectStorage;

pub use claviger_core::PartHash;

use async_trait::async_trait;

/// In place of a part's hash: none.
pub(crate) const NO_PART: PartHash = [0; 32];

/// A place that one keyring is published to.
///
/// Parts are put first, each under its hash, then the root, by comparing and swapping. Implementations need not retry,
/// and need no timeouts: publishing bounds each call by a time limit and reports
/// what fails.
#[async_trait]
pub trait Destination: Send + Sync + 'static {
    /// The root that is there now, and its version; none before the first.
    ///
    /// # Errors
    /// [`DestinationError::Failed`].
    async fn root(&self) -> Result<Option<StoredRoot>, DestinationError>;

    /// The bytes of a part; none if there is none. The caller checks that they have the hash.
    ///
    /// # Errors
    /// [`DestinationError::Failed`].
    async fn part(&self, hash: &PartHash) -> Result<Option<Vec<u8>>, DestinationError>;

    /// Stores a part under its hash. It may be there already, and then stays.
    ///
    /// # Errors
    /// [`DestinationError::Unsupported`] if it is known by now that no root can be put; [`DestinationError::Failed`].
    async fn put_part(&self, hash: &PartHash, bytes: Vec<u8>) -> Result<(), DestinationError>;

    /// Replaces the root, if the one that is there now is still the one that `root.replaces` says. When this returns,
    /// the root and every part that it names survive a loss of power, as far as the destination can promise that.
    ///
    /// # Errors
    /// [`DestinationError::Conflict`] if another root is there; [`DestinationError::Unsupported`] if the destination
    /// cannot compare and swap; [`DestinationError::Failed`].
    async fn put_root(&self, root: NewRoot) -> Result<(), DestinationError>;

    /// Removes a part that no valid root names any more. It may be gone already.
    ///
    /// # Errors
    /// [`DestinationError::Failed`].
    async fn delete_part(&self, hash: &PartHash) -> Result<(), DestinationError>;
}

/// For a destination that is chosen while the program runs.
#[async_trait]
impl Destination for Box<dyn Destination> {
    async fn root(&self) -> Result<Option<StoredRoot>, DestinationError> {
        (**self).root().await
    }

    async fn part(&self, hash: &PartHash) -> Result<Option<Vec<u8>>, DestinationError> {
        (**self).part(hash).await
    }

    async fn put_part(&self, hash: &PartHash, bytes: Vec<u8>) -> Result<(), DestinationError> {
        (**self).put_part(hash, bytes).await
    }

    async fn put_root(&self, root: NewRoot) -> Result<(), DestinationError> {
        (**self).put_root(root).await
    }

    async fn delete_part(&self, hash: &PartHash) -> Result<(), DestinationError> {
        (**self).delete_part(hash).await
    }
}

/// A root as it was read.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct StoredRoot {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What tells it from every root before and after it.
    pub version: RootVersion,
}

impl StoredRoot {
    /// A root with these bytes and this version.
    #[must_use]
    pub const fn new(bytes: Vec<u8>, version: RootVersion) -> Self {
        Self { bytes, version }
    }
}

/// What a destination tells roots apart by, such as an entity tag. Only the destination that gave it understands it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RootVersion(pub String);

/// A root that is to be put.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct NewRoot {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The parts that it names, in its order: chunks by bucket, then policy pages. Zeros where there is none.
    pub parts: Vec<PartHash>,
    /// The version of the root that it replaces; none if there must not be one.
    pub replaces: Option<RootVersion>,
}

impl NewRoot {
    /// A root that names these parts.
    #[must_use]
    pub const fn new(bytes: Vec<u8>, parts: Vec<PartHash>, replaces: Option<RootVersion>) -> Self {
        Self { bytes, parts, replaces }
    }
}

/// Why a destination did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DestinationError {
    /// The root that is there is not the one that was to be replaced: somebody else has published.
    #[error(
        "another root is there than the one that was to be replaced: somebody else has published meanwhile"
    )]
    Conflict,
    /// The destination cannot do what publishing needs.
    #[error("the destination cannot be published to: {0}")]
    Unsupported(String),
    /// It failed. What was asked may have been done all the same.
    #[error("the destination failed: {0}")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl DestinationError {
    /// A failure with this cause.
    pub fn failed(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Failed(cause.into())
    }
}
