//! The prefix of a key: which product and environment it is for.
//!
//! Whether a verifier expects a prefix is decided in `resolve`.

use core::{fmt, str::FromStr};

/// The longest prefix, in characters.
pub const MAX_PREFIX_LEN: usize = 32;

/// Prefixes that start so belong to Claviger itself (its shared secrets, keyring keys and master keys).
const RESERVED: &[u8] = b"cvg";

/// A valid key prefix: `[a-z][a-z0-9]*(_[a-z0-9]+)*`, at most 32 characters, not starting with `cvg`.
///
/// By convention it is `<product>_<live|test>`. It is bound into a key: the same secret under another prefix is
/// denied.
///
/// ```
/// use claviger_core::{KeyPrefix, PrefixError};
///
/// let prefix: KeyPrefix = "acme_live".parse()?;
/// assert_eq!(prefix.as_str(), "acme_live");
/// assert_eq!("cvg_mine".parse::<KeyPrefix>(), Err(PrefixError::Reserved));
/// # Ok::<(), PrefixError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyPrefix {
    /// Padded with zeros, so that comparing bytes compares prefixes.
    bytes: [u8; MAX_PREFIX_LEN],
    len: u8,
}

impl KeyPrefix {
    /// Checks a prefix.
    ///
    /// # Errors
    /// A [`PrefixError`] that names the rule that is broken.
    pub fn new(prefix: &str) -> Result<Self, PrefixError> {
        check(prefix.as_bytes())?;
        if prefix.as_bytes().starts_with(RESERVED) {
            return Err(PrefixError::Reserved);
        }
        Ok(Self::from_checked(prefix.as_bytes()))
    }

    /// A prefix whose grammar was checked.
    #[inline]
    pub(crate) fn from_checked(prefix: &[u8]) -> Self {
        let mut bytes = [0; MAX_PREFIX_LEN];
        for (slot, &byte) in bytes.iter_mut().zip(prefix) {
            *slot = byte;
        }
        Self { bytes, len: prefix.len().min(MAX_PREFIX_LEN) as u8 }
    }

    /// The prefix as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// The prefix, padded with zeros.
    #[inline]
    pub(crate) fn as_padded(&self) -> &[u8; MAX_PREFIX_LEN] {
        &self.bytes
    }

    #[inline]
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}

/// Checks the grammar of a presented prefix, which may be reserved: 1 to 32 characters, words of `[a-z0-9]` joined
/// by single underscores, the first character a letter.
pub(crate) fn check(prefix: &[u8]) -> Result<(), PrefixError> {
    if prefix.is_empty() {
        return Err(PrefixError::Empty);
    }
    if prefix.len() > MAX_PREFIX_LEN {
        return Err(PrefixError::TooLong);
    }
    // Before the first character a letter is due; after an underscore a letter or digit is.
    let mut previous = None;
    for &byte in prefix {
        let fits = match byte {
            b'a'..=b'z' => true,
            b'0'..=b'9' => previous.is_some(),
            b'_' => matches!(previous, Some(b'a'..=b'z' | b'0'..=b'9')),
            _ => false,
        };
        if !fits {
            return Err(PrefixError::Grammar);
        }
        previous = Some(byte);
    }
    if previous == Some(b'_') { Err(PrefixError::Grammar) } else { Ok(()) }
}

/// Whether keys may not carry this prefix.
#[inline]
pub(crate) fn is_reserved(prefix: &[u8]) -> bool {
    prefix.starts_with(RESERVED)
}

impl FromStr for KeyPrefix {
    type Err = PrefixError;

    fn from_str(prefix: &str) -> Result<Self, PrefixError> {
        Self::new(prefix)
    }
}

impl fmt::Display for KeyPrefix {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl fmt::Debug for KeyPrefix {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "KeyPrefix({})", self.as_str())
    }
}

/// Why a text is not a key prefix.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum PrefixError {
    /// There is no character.
    Empty,
    /// There are more than 32 characters.
    TooLong,
    /// It is not words of `a-z` and `0-9`, joined by single underscores, that start with a letter.
    Grammar,
    /// It starts with `cvg`.
    Reserved,
}

impl fmt::Display for PrefixError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Empty => "key prefix is empty; expected something like acme_live",
            Self::TooLong => "key prefix is longer than 32 characters",
            Self::Grammar => {
                "key prefix must be words of a-z and 0-9 joined by single underscores, starting with a letter, \
                 like acme_live"
            }
            Self::Reserved => "key prefixes that start with cvg are reserved; choose another name",
        })
    }
}

impl core::error::Error for PrefixError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grammar() {
        for good in
            ["a", "acme", "acme_live", "a1_2b_3", "x_0", "abcdefghijklmnopqrstuvwxyz_01234", "cv", "acvg"]
        {
            assert_eq!(KeyPrefix::new(good).map(|p| p.as_str() == good), Ok(true), "{good}");
        }
        for (bad, error) in [
            ("", PrefixError::Empty),
            ("1a", PrefixError::Grammar),
            ("_a", PrefixError::Grammar),
            ("a_", PrefixError::Grammar),
            ("a__b", PrefixError::Grammar),
            ("Acme", PrefixError::Grammar),
            ("a-b", PrefixError::Grammar),
            ("é", PrefixError::Grammar),
            ("abcdefghijklmnopqrstuvwxyz_012345", PrefixError::TooLong),
            ("cvg", PrefixError::Reserved),
            ("cvgis", PrefixError::Reserved),
            ("cvgx_live", PrefixError::Reserved),
        ] {
            assert_eq!(KeyPrefix::new(bad), Err(error), "{bad}");
        }
    }
}
