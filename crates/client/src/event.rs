//! What a verifier tells of its keyring, for logs and alarms.

use crate::{refreshing::RefreshError, source::SourceError};
use claviger_core::NeededPart;
use std::time::Duration;

/// Who is told events.
pub(crate) type OnEvent = Box<dyn Fn(&Event<'_>) + Send + Sync>;

/// Something that an operator may want to know. Never holds any part of a key or secret.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'e> {
    /// The source was asked, and its newest keyring is in use.
    Refreshed {
        /// The epoch of the keyring.
        epoch: u64,
        /// Whether it is another one than before.
        changed: bool,
    },
    /// The source was asked, and the keyring that was in use still is, if there was one.
    RefreshFailed {
        /// Why.
        error: &'e RefreshError,
        /// How many times in a row.
        failures: u32,
        /// When it is asked again.
        retry_in: Duration,
    },
    /// A part of the keyring could not be had. Keys that need it are decided by the keyring before, or denied as
    /// `keyring_unavailable`.
    PartFailed {
        /// The part.
        part: &'e NeededPart,
        /// Why; `None` if it is not there, which is so for a while where a root is seen before its parts.
        error: Option<&'e SourceError>,
    },
    /// The keyring has lived half of the time for which it is valid: when that is over, every key is denied. Told once
    /// for each keyring.
    HalfExpired {
        /// The epoch of the keyring.
        epoch: u64,
        /// Seconds since it was issued.
        age: u64,
        /// For how many seconds it is valid.
        valid_for: u32,
    },
    /// The epoch could not be remembered: after a restart, an older keyring would not be noticed.
    EpochNotRemembered {
        /// Why.
        error: &'e SourceError,
    },
}
