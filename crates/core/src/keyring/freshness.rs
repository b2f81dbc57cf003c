//! How old the knowledge behind a verdict is, and how old it may be.

use core::fmt;

/// How old the knowledge behind a verdict is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Freshness {
    /// The verifier has only issuing secrets: the key is genuine and unexpired, and *revocation was not checked*.
    Stateless,
    /// A keyring not older than it is meant to be. What was revoked before `epoch` was issued is denied.
    Fresh {
        /// The epoch of the keyring.
        epoch: u64,
        /// Seconds since it was issued.
        age: u64,
    },
    /// A keyring older than it is meant to be, and not yet too old to be used.
    Stale {
        /// The epoch of the keyring.
        epoch: u64,
        /// Seconds since it was issued.
        age: u64,
    },
}

impl Freshness {
    /// The name in APIs and JSON: snake_case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stateless => "stateless",
            Self::Fresh { .. } => "fresh",
            Self::Stale { .. } => "stale",
        }
    }

    /// The number in the WebAssembly module's memory.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Stateless => 1,
            Self::Fresh { .. } => 2,
            Self::Stale { .. } => 3,
        }
    }

    /// The freshness with this [number](Self::number), epoch and age.
    #[must_use]
    pub const fn from_number(number: u8, epoch: u64, age: u64) -> Option<Self> {
        match number {
            1 => Some(Self::Stateless),
            2 => Some(Self::Fresh { epoch, age }),
            3 => Some(Self::Stale { epoch, age }),
            _ => None,
        }
    }

    /// Whether the verifier could have known that the key was revoked.
    #[must_use]
    pub const fn revocation_checked(self) -> bool {
        !matches!(self, Self::Stateless)
    }

    /// The epoch of the keyring.
    #[must_use]
    pub const fn epoch(self) -> Option<u64> {
        match self {
            Self::Stateless => None,
            Self::Fresh { epoch, .. } | Self::Stale { epoch, .. } => Some(epoch),
        }
    }

    /// Seconds since the keyring was issued.
    #[must_use]
    pub const fn age(self) -> Option<u64> {
        match self {
            Self::Stateless => None,
            Self::Fresh { age, .. } | Self::Stale { age, .. } => Some(age),
        }
    }
}

impl fmt::Display for Freshness {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// How fresh the knowledge must be, tighter than the keyring itself demands. By default it demands nothing more.
///
/// A verifier has one for all requests, and a request may bring one that is tighter still: both then hold. Where they
/// do not, the request is denied as `keyring_stale`.
///
/// ```
/// use claviger_core::{FreshnessRequirement, RequestContext};
///
/// let payments = FreshnessRequirement { max_age: Some(10), ..FreshnessRequirement::default() };
/// let context = RequestContext::at(1_790_000_000).requiring(payments);
/// # let _ = context;
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FreshnessRequirement {
    /// Whether `stale` is not enough.
    pub require_fresh: bool,
    /// The least epoch: that which an operation returned whose effect must be seen. 0 demands none.
    pub min_epoch: u64,
    /// The most seconds since the keyring was issued.
    pub max_age: Option<u64>,
}

impl FreshnessRequirement {
    /// Whether knowledge as fresh as this is enough.
    #[inline]
    pub(crate) fn allows(&self, freshness: Freshness) -> bool {
        match freshness {
            Freshness::Stateless => *self == Self::default(),
            Freshness::Fresh { epoch, age } | Freshness::Stale { epoch, age } => {
                !(self.require_fresh && matches!(freshness, Freshness::Stale { .. }))
                    && epoch >= self.min_epoch
                    && self.max_age.is_none_or(|most| age <= most)
            }
        }
    }
}
