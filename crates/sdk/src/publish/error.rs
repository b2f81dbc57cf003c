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
    /// The destination has a root from before the one that this store has published there last, and which it has forgotten:
    /// the destination was restored from a backup.
    #[error(
        "the destination of {ring} has a root of epoch {epoch}, which is older than {published}, the last that was \
         published there: it was rolled back. publish_whole() puts the whole keyring in its place"
    )]
    RolledBack {
        /// The ring.
        ring: RingId,
        /// The epoch of the root.
        epoch: u64,
        /// The epoch that was published last.
        published: u64,
    },
    /// The destination has no root, and this store has published one there: it is another destination, or it was emptied, and
    /// nothing tells whether this store still knows all that was revoked.
    #[error(
        "the destination of {ring} has no root, and epoch {published} was published: it was emptied, or is another one. \
         If this store is no restored backup, publish_whole() puts the whole keyring there"
    )]
    Emptied {
        /// The ring.
        ring: RingId,
        /// The epoch that was published last.
        published: u64,
    },
    /// The audience or the keyring key was changed, or another publisher began, again and again while this one was at work.
    #[error("the ring was changed while it was published, again and again; publish again")]
    Overtaken,
    /// Another publication of the ring takes too long to be waited for.
    #[error("another publication of the ring takes longer than {timeout:?}")]
    Busy {
        /// How long it was waited for.
        timeout: Duration,
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
        matches!(
            self,
            Self::Destination(DestinationError::Conflict) | Self::PartMissing { .. } | Self::Overtaken
        )
    }

    /// Whether it means that roots are out, or may be, of which this store knows nothing.
    pub(super) const fn leaves_unknown_roots(&self) -> bool {
        matches!(
            self,
            Self::Behind { .. } | Self::RolledBack { .. } | Self::Emptied { .. } | Self::Unreadable(_)
        )
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
            Self::RolledBack { .. } => "destination_rolled_back",
            Self::Emptied { .. } => "destination_emptied",
            Self::Overtaken => "overtaken",
            Self::Busy { .. } => "busy",
            Self::PartMissing { .. } => "part_missing",
            Self::Build(_) => "keyring_not_built",
            Self::Interrupted(_) => "interrupted",
        }
    }
}
