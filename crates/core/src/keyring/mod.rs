//! The keyring: what a verifier knows of keys that can be revoked, and how old that knowledge is.
//!
//! It is content-addressed. A small authenticated *root* names the hashes of *chunks* (records of keys) and *policy
//! pages* (whose they are and what they may do), so opening costs the root and not the keys, parts are checked when
//! they are first touched, and a newer root shares every part that did not change. A *bundle* is all of it in one file.
//!
//! | module | what it is |
//! |---|---|
//! | `root`, `chunk`, `page`, `policy`, `bundle` | format version 1, byte by byte, reading and writing |
//! | `key` | the keyring key: subkeys and masks |
//! | `open` | an opened keyring: looking things up |
//! | `slots`, `eviction` | the parts that are here, and which of them go when there are too many |
//! | `builder` | making and changing one |
//! | `reader` | all that one says, for its publishers |
//! | `freshness` | how old the knowledge may be |
//!
//! # Why it is so
//!
//! - A chunk is about as long as the hashes of all chunks, because after a change one chunk and the root are sent: a
//!   million keys are 2048 chunks of 33 KB and a root of 66 KB.
//! - The directory of a chunk has about as many slots as it has records, so a lookup reads one slot and mostly one
//!   record: two lines of memory, however many keys there are.
//! - Values are unmasked when a chunk is read, and not at each verification: a known id, an unknown one and a wrong
//!   secret then cost the same two compressions.
//! - An access token is bound to its client's value, which is secret and the same in every keyring, and not to the iv of
//!   a record; and it is good only where the issuing secret's policy is of the client's tenant.
//! - A signed override names the secret and version that made its key, because who holds another one could choose the
//!   same id. What is off or read only for the secret stays so, whatever policy an override selects.
//! - What a later version adds (a kind, a flag, a policy, a secret, a scheme) denies the keys that it concerns, and no
//!   others. What is structure (order, lengths, counts, directory) has to be right as a whole.
//!
//! Nothing here decides about a request: that is `resolve`, `authenticate` and `decide`.
//!
//! `K_x = HKDF-SHA256(salt "claviger/keyring/v1", keyring key, info = x ‖ 0 ‖ keyring id)` for x in mac, mask, iv and
//! import. Values stand in chunks and root as `value ⊕ HMAC(K_mask, kind ‖ id ‖ iv)`; see `key`.

mod builder;
mod bundle;
mod chunk;
mod eviction;
mod freshness;
mod key;
mod open;
mod page;
mod policy;
mod reader;
mod root;
mod slots;

pub use builder::{BuildError, KeyringBuilder, KeyringPart, KeyringSecret, KeyringTerms};
pub use bundle::{BUNDLE_PREAMBLE_LEN, BundleHead, bundle_head, bundle_head_len};
pub use chunk::KeyRecord;
pub(crate) use chunk::{DISABLED, NO_RECORD, READ_ONLY, REVOKED, Record, UNREADABLE};
pub use freshness::{Freshness, FreshnessRequirement};
pub use key::KeyringKey;
pub(crate) use key::imported_record_id;
pub(crate) use open::{Keyring, RingIssuer, Source, Unknown};
pub use open::{NeededPart, PartKind};
pub use page::POLICIES_PER_PAGE;
pub use policy::{Limit, MAX_POLICY_LEN, Policy, PolicyError, PolicyTerms};
pub use reader::{AcceptedSecret, KeyringReader};
pub(crate) use root::Root;
pub use root::{MAX_ROOT_LEN, PartHash, root_part_hashes, root_parts};

pub(crate) use bundle::is_bundle;

use crate::key_id::KeyId;
use core::fmt;

/// Why a keyring, or a part of one, is refused. What the verifier had before stays.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum KeyringError {
    /// The bytes do not start as a root or bundle does.
    NotAKeyring,
    /// They are of a later format.
    UnsupportedVersion {
        /// The version.
        version: u16,
    },
    /// They end too early.
    Truncated,
    /// They go on behind their end, or are larger than a root can be.
    Oversized,
    /// The root names a keyring key that the verifier does not have.
    UnknownKeyringKey {
        /// The id of the key.
        key_id: KeyId,
    },
    /// The root is of another keyring.
    WrongKeyring {
        /// The keyring that the verifier serves.
        expected: KeyId,
        /// The keyring that the root is of.
        found: KeyId,
    },
    /// The root was changed, or made with another key of the same id.
    WrongMac,
    /// The root, or a part with the right hash, breaks a rule of the format: whoever made it did it wrongly.
    Invalid,
    /// The root was issued more than 300 seconds ahead of the verifier's clock.
    IssuedInFuture {
        /// When it says that it was issued, in Unix seconds.
        issued_at: u64,
        /// The verifier's clock, in Unix seconds.
        now: u64,
    },
    /// The verifier has a newer one, or was told to accept none as old.
    OlderEpoch {
        /// The least epoch that would be accepted.
        least: u64,
        /// The epoch of the root.
        offered: u64,
    },
    /// The verifier has a root of the same epoch that says something else: two publishers, or a forgery.
    SameEpochOtherContent {
        /// The epoch of both.
        epoch: u64,
    },
    /// A part does not have the hash that the root names.
    WrongHash {
        /// What it should be.
        part: PartKind,
        /// Its place: bucket or page.
        index: u32,
    },
    /// The root names no such part.
    NoSuchPart {
        /// What it should be.
        part: PartKind,
        /// Its place: bucket or page.
        index: u32,
    },
    /// The verifier has no keyring, or was made with issuing secrets and takes none.
    NoKeyring,
}

impl KeyringError {
    /// The error in APIs, JSON and logs: snake_case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotAKeyring => "not_a_keyring",
            Self::UnsupportedVersion { .. } => "unsupported_version",
            Self::Truncated => "truncated",
            Self::Oversized => "oversized",
            Self::UnknownKeyringKey { .. } => "unknown_keyring_key",
            Self::WrongKeyring { .. } => "wrong_keyring",
            Self::WrongMac => "wrong_mac",
            Self::Invalid => "invalid_keyring",
            Self::IssuedInFuture { .. } => "issued_in_future",
            Self::OlderEpoch { .. } => "older_epoch",
            Self::SameEpochOtherContent { .. } => "same_epoch_other_content",
            Self::WrongHash { .. } => "wrong_hash",
            Self::NoSuchPart { .. } => "no_such_part",
            Self::NoKeyring => "no_keyring",
        }
    }

    /// The number in the WebAssembly module's memory.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::NotAKeyring => 1,
            Self::UnsupportedVersion { .. } => 2,
            Self::Truncated => 3,
            Self::Oversized => 4,
            Self::UnknownKeyringKey { .. } => 5,
            Self::WrongKeyring { .. } => 6,
            Self::WrongMac => 7,
            Self::Invalid => 8,
            Self::IssuedInFuture { .. } => 9,
            Self::OlderEpoch { .. } => 10,
            Self::SameEpochOtherContent { .. } => 11,
            Self::WrongHash { .. } => 12,
            Self::NoSuchPart { .. } => 13,
            Self::NoKeyring => 14,
        }
    }
}

impl KeyringError {
    /// What the error says beside its [number](Self::number), for the WebAssembly module's memory.
    #[must_use]
    pub const fn details(self) -> [u64; 2] {
        match self {
            Self::UnsupportedVersion { version } => [version as u64, 0],
            Self::UnknownKeyringKey { key_id } => [key_id.as_u64(), 0],
            Self::WrongKeyring { expected, found } => [expected.as_u64(), found.as_u64()],
            Self::IssuedInFuture { issued_at, now } => [issued_at, now],
            Self::OlderEpoch { least, offered } => [least, offered],
            Self::SameEpochOtherContent { epoch } => [epoch, 0],
            Self::WrongHash { part, index } | Self::NoSuchPart { part, index } => {
                [part.number() as u64, index as u64]
            }
            _ => [0, 0],
        }
    }

    /// The error with this [number](Self::number) and these [details](Self::details).
    #[must_use]
    pub fn from_number(number: u8, [first, second]: [u64; 2]) -> Option<Self> {
        let id = KeyId::from_u64;
        let part = || PartKind::from_number(first.try_into().ok()?).zip(u32::try_from(second).ok());
        Some(match number {
            1 => Self::NotAKeyring,
            2 => Self::UnsupportedVersion { version: first.try_into().ok()? },
            3 => Self::Truncated,
            4 => Self::Oversized,
            5 => Self::UnknownKeyringKey { key_id: id(first) },
            6 => Self::WrongKeyring { expected: id(first), found: id(second) },
            7 => Self::WrongMac,
            8 => Self::Invalid,
            9 => Self::IssuedInFuture { issued_at: first, now: second },
            10 => Self::OlderEpoch { least: first, offered: second },
            11 => Self::SameEpochOtherContent { epoch: first },
            12 => part().map(|(part, index)| Self::WrongHash { part, index })?,
            13 => part().map(|(part, index)| Self::NoSuchPart { part, index })?,
            14 => Self::NoKeyring,
            _ => return None,
        })
    }
}

impl fmt::Display for KeyringError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAKeyring => formatter.write_str("the bytes are no keyring: expected a root or a bundle"),
            Self::UnsupportedVersion { version } => {
                write!(formatter, "the keyring has format version {version}; this verifier reads version 1")
            }
            Self::Truncated => formatter.write_str("the keyring is cut off; fetch it again"),
            Self::Oversized => {
                formatter.write_str("the keyring goes on behind its end, or is too large to be one")
            }
            Self::UnknownKeyringKey { key_id } => {
                write!(
                    formatter,
                    "the keyring was made with keyring key {key_id}, which this verifier does not have"
                )
            }
            Self::WrongKeyring { expected, found } => {
                write!(formatter, "this verifier serves keyring {expected}, and this is keyring {found}")
            }
            Self::WrongMac => formatter.write_str("the keyring is not what its keyring key authenticated"),
            Self::Invalid => {
                formatter.write_str("the keyring breaks a rule of its format; its publisher is at fault")
            }
            Self::IssuedInFuture { issued_at, now } => write!(
                formatter,
                "the keyring was issued at {issued_at}, more than 300 seconds ahead of this clock ({now}); set the clocks"
            ),
            Self::OlderEpoch { least, offered } => {
                write!(formatter, "the keyring has epoch {offered}; this verifier accepts {least} and later")
            }
            Self::SameEpochOtherContent { epoch } => write!(
                formatter,
                "the verifier has another keyring of epoch {epoch}; two publishers may write the same one"
            ),
            Self::WrongHash { part, index } => {
                write!(formatter, "{part} {index} does not have the hash that the root names")
            }
            Self::NoSuchPart { part, index } => write!(formatter, "the root names no {part} {index}"),
            Self::NoKeyring => formatter.write_str("the verifier has no keyring"),
        }
    }
}

impl core::error::Error for KeyringError {}
