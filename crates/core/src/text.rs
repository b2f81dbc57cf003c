//! A fixed buffer for the text of a key or shared secret, so that generating allocates nothing.

use crate::{base62, checksum, parse::MAX_KEY_LEN};
use core::fmt;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// The whole text of a key or shared secret, at most 108 ASCII characters.
///
/// It prints as `[redacted]` and is zeroized when dropped. [`expose`](Self::expose) is the one way to the text;
/// what becomes of that is the caller's care.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SecretText {
    bytes: [u8; MAX_KEY_LEN],
    len: usize,
}

impl SecretText {
    /// The text itself, to be shown or sent once.
    #[must_use]
    #[inline]
    pub fn expose(&self) -> &str {
        core::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    pub(crate) fn empty() -> Self {
        Self { bytes: [0; MAX_KEY_LEN], len: 0 }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// Appends characters. No format is longer than the buffer; more than fits would be cut off, and the checksum
    /// would then be missing.
    #[inline]
    pub(crate) fn push(&mut self, characters: &[u8]) {
        for (slot, &character) in self.bytes.iter_mut().skip(self.len).zip(characters) {
            *slot = character;
        }
        self.len = self.len.saturating_add(characters.len()).min(MAX_KEY_LEN);
    }

    /// Appends the secret and the checksum over all before it, which end every format.
    #[inline]
    pub(crate) fn seal(mut self, secret: &[u8; 32]) -> Self {
        let mut characters = base62::encode_secret(secret);
        self.push(&characters);
        characters.zeroize();
        let crc = checksum::crc32(self.as_bytes());
        self.push(&base62::encode_crc(crc));
        self
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SecretText([redacted])")
    }
}
