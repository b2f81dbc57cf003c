//! Why a keyring was not published.

use crate::{DestinationError, Error, PartHash, RingId};
use claviger_core::{BuildError, KeyringError};
use std::time::Duration;

/// Why a keyring was not published. What changed is published by the next publication that succeeds; verifiers go by
/// the root before until its `valid_for` is over.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The store failed, or the ring is not there or retired.
    #[error(transparent)]
    Store(#[from] Error),
    /// The destination failed.
    #[error(transparent)]
    Destination(DestinationError),
    /// The destination did not answer in time.
    #[error("the destination did not answer within {timeout:?}")]
    TooSlow {
        /// How long it had.
        timeout: Duration,
    },
    /// What is at the destination cannot be read: it is of another keyring, under a keyring key that the ring does not have,
    /// or damaged.
    #[error(
        "the root at the destination is none of this ring's: {0}; publish to another place, or remove it"
    )]
    Unreadable(#[source] KeyringError),
    /// The destination has a root that this store has never made: a backup was restored, or a clone of the store publishes
    /// too.
    #[error(
        "the destination of {ring} has a root of epoch {epoch} that this store has not made: a backup was restored, or a \
         clone of the store publishes to the same place. Stop the clone; then restore(), which takes over the \
         revocations that are known there"
    )]
    Behind {
        /// The ring.
        ring: RingId,
        /// The epoch of the root.
        epoch: u64,
    },
    /// A part that the root at the destination names is not there.
    #[error("the destination has lost a part that its root names; publish_whole() puts every part again")]
    PartMissing {
        /// Its hash.
        hash: PartHash,
    },
    /// The keyring cannot be made.
    #[error("the keyring cannot be made: {0}")]
    Build(#[from] BuildError),
    /// The program is ending.
    #[error("publishing was interrupted: {0}")]
    Interrupted(String),
}

impl PublishError {
    pub(super) fn interrupted(cause: impl ToString) -> Self {
        Self::Interrupted(cause.to_string())
    }

    /// Whether another publisher may have put its root, with other parts, since the root was read.
    pub(super) const fn is_from_another_publisher(&self) -> bool {
        matches!(self, Self::Destination(DestinationError::Conflict) | Self::PartMissing { .. })
    }

    /// The stable name of the error: snake_case, the same in every language.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Store(error) => error.code(),
            Self::Destination(DestinationError::Conflict) => "destination_conflict",
            Self::Destination(DestinationError::Unsupported(_)) => "destination_unsupported",
            Self::Destination(_) => "destination_failed",
            Self::TooSlow { .. } => "destination_too_slow",
            Self::Unreadable(_) => "destination_unreadable",
            Self::Behind { .. } => "store_behind",
            Self::PartMissing { .. } => "part_missing",
            Self::Build(_) => "keyring_not_built",
            Self::Interrupted(_) => "interrupted",
        }
    }
}
