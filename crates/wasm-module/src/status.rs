//! How a call of the module ended, as one number.

use claviger_core::{KeyringError, ParseError};

/// 0 or more is success, and for calls that write a result its length; below 0 is one of the errors named here.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct Status(i32);

impl Status {
    /// Success without a result.
    pub const OK: Self = Self(0);
    /// Success, and nothing had to be changed: the keyring is the present one.
    pub const UNCHANGED: Self = Self(1);
    /// Lengths that go beyond the input, text that is not UTF-8, or a key of signatures that is empty or has a name that it
    /// must not have.
    pub const INVALID_INPUT: Self = Self(-1);
    /// A number or flag that has no meaning.
    pub const INVALID_OPTION: Self = Self(-2);
    /// Not a key prefix.
    pub const INVALID_PREFIX: Self = Self(-3);
    /// A well-formed text that is not an issuing secret, an integration secret or a keyring key, as the call wants it.
    pub const WRONG_PURPOSE: Self = Self(-4);
    /// An issued-at or lifetime that a key cannot hold.
    pub const INVALID_TIME: Self = Self(-5);
    /// No configuration was begun.
    pub const NOT_BEGUN: Self = Self(-6);
    /// The configuration has neither issuing secrets nor keyring keys, or both; two secrets of one prefix and version,
    /// or more than 1024; two keyring keys of one id, or more than two; more than 1024 keys of signatures.
    pub const INVALID_CONFIGURATION: Self = Self(-7);
    /// This and the 255 below it: a text that is of no format. What is left is 16 × part + problem, as
    /// `ParseError::number` in `claviger-core` says.
    pub const MALFORMED: Self = Self(-256);
    /// This and the 255 below it: a keyring that is refused. What is left is `KeyringError::number` in `claviger-core`,
    /// and the output holds its `details`: two `u64`.
    pub const KEYRING: Self = Self(-1024);

    pub(crate) fn malformed(error: ParseError) -> Self {
        Self(Self::MALFORMED.0.saturating_sub(i32::from(error.number())))
    }

    pub(crate) fn keyring(error: KeyringError) -> Self {
        Self(Self::KEYRING.0.saturating_sub(i32::from(error.number())))
    }

    pub(crate) fn written(len: usize) -> Self {
        Self(len as i32)
    }
}
