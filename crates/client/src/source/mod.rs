//! Where keyrings come from: the trait, and what comes with this crate.
//!
//! A source is believed nothing: a root is authenticated with the keyring key, and a part by its hash in the root. Who
//! can change what a source gives can hold back knowledge, and cannot make a key good.
//!
//! | source | a keyring that was published is seen after |
//! |---|---|
//! | [`FileSource`], [`DirectorySource`] | at most 1.2 seconds |
//! | `UrlSource` | the refresh interval, by default 15 seconds, plus a fifth; and as long as caches on the way keep a root |
//! | [`BytesSource`] | never: it gives what it was made with |

mod bytes;
mod directory;
mod epoch_file;
mod file;
#[cfg(feature = "url")]
mod url;

pub use self::bytes::BytesSource;
#[cfg(feature = "url")]
pub use self::url::UrlSource;
pub use directory::DirectorySource;
pub use file::FileSource;

use ::bytes::Bytes;
use async_trait::async_trait;
use claviger_core::PartHash;
use std::time::Duration;

/// The most bytes of a keyring that a source of this crate reads: a bundle of some four million keys.
pub const MAX_KEYRING_LEN: u64 = 256 << 20;

/// More bytes than any part of a keyring has.
pub const MAX_PART_LEN: u64 = 16 << 20;

/// A keyring that a source has.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FetchedKeyring {
    /// A root, or a whole bundle.
    pub bytes: Bytes,
    /// What tells this keyring from others that the source has had: given back with the next question.
    pub tag: Option<String>,
}

impl FetchedKeyring {
    /// A root, or a whole bundle.
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        Self { bytes: bytes.into(), tag: None }
    }

    /// What tells it from other keyrings of the source.
    #[must_use]
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tag = Some(tag.into());
        self
    }
}

/// Why a source does not give what it was asked for. It is asked again later.
pub type SourceError = Box<dyn std::error::Error + Send + Sync>;

/// Somewhere that keyrings come from.
///
/// The [verifier](crate::Verifier) bounds each call by a time limit, and how many there are at once. Nothing has to be
/// checked: whatever is given is.
///
/// ```
/// use claviger::{FetchedKeyring, KeyringSource, PartHash, SourceError, async_trait};
/// use std::collections::HashMap;
///
/// /// Everything in memory, under the names that publishers use.
/// struct Memory(HashMap<String, Vec<u8>>);
///
/// #[async_trait]
/// impl KeyringSource for Memory {
///     async fn keyring(&self, _known: Option<&str>) -> Result<Option<FetchedKeyring>, SourceError> {
///         Ok(Some(FetchedKeyring::new(self.0.get("root").ok_or("there is no root")?.clone())))
///     }
///
///     async fn part(&self, hash: &PartHash) -> Result<Option<bytes::Bytes>, SourceError> {
///         let name = format!("parts/{}", claviger::hex(hash));
///         Ok(self.0.get(&name).map(|bytes| bytes.clone().into()))
///     }
/// }
/// ```
#[async_trait]
pub trait KeyringSource: Send + Sync + 'static {
    /// The newest keyring. `known` is the tag of the one that is in use: `None` says that this still is the newest.
    ///
    /// # Errors
    /// If it cannot be told.
    async fn keyring(&self, known: Option<&str>) -> Result<Option<FetchedKeyring>, SourceError>;

    /// The chunk or page with this SHA-256; `None` if it is not there, or not there yet.
    ///
    /// # Errors
    /// If it cannot be told.
    async fn part(&self, hash: &PartHash) -> Result<Option<Bytes>, SourceError>;

    /// How often it is good to ask for the newest keyring; `None` to go by the keyring.
    fn interval(&self) -> Option<Duration> {
        None
    }

    /// The highest epoch that was [remembered](Self::remember_epoch), in another process maybe; 0 if none was. No keyring
    /// below it is taken.
    ///
    /// # Errors
    /// If it cannot be told. Then no keyring is taken at all.
    async fn remembered_epoch(&self) -> Result<u64, SourceError> {
        Ok(0)
    }

    /// Remembers that a keyring of this epoch was taken, if that can be.
    ///
    /// # Errors
    /// If it should be and cannot.
    async fn remember_epoch(&self, _epoch: u64) -> Result<(), SourceError> {
        Ok(())
    }
}
