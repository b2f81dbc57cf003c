//! The public name of a key: a random u64, 11 characters at borders.

use crate::base62;
use core::{fmt, str::FromStr};

/// The public id of a key or shared secret. Fit for logs; the `client_id` of OAuth.
///
/// In text, JSON and JavaScript it is 11 base62 characters (a u64 is no JavaScript number).
///
/// ```
/// use claviger_core::KeyId;
///
/// let id = KeyId::from_u64(42);
/// assert_eq!(id.to_string(), "0000000000g");
/// assert_eq!("0000000000g".parse(), Ok(id));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(u64);

impl KeyId {
    /// The id with this number.
    #[must_use]
    pub const fn from_u64(id: u64) -> Self {
        Self(id)
    }

    /// The id that 8 random bytes make, taken as a big-endian number.
    #[must_use]
    pub const fn from_entropy(entropy: [u8; 8]) -> Self {
        Self(u64::from_be_bytes(entropy))
    }

    /// The number behind the id. A store keeps it as 8 big-endian bytes.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// The 11 characters of the id.
    #[must_use]
    pub fn to_characters(self) -> [u8; 11] {
        base62::encode_u64(self.0)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(core::str::from_utf8(&self.to_characters()).unwrap_or_default())
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "KeyId({self})")
    }
}

impl FromStr for KeyId {
    type Err = InvalidKeyId;

    fn from_str(text: &str) -> Result<Self, InvalidKeyId> {
        let characters = text.as_bytes().try_into().map_err(|_| InvalidKeyId)?;
        base62::decode_u64(characters).map(Self).ok_or(InvalidKeyId)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for KeyId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <alloc::borrow::Cow<'_, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for KeyId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The text is not 11 base62 characters that stand for a u64.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InvalidKeyId;

impl fmt::Display for InvalidKeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("key id must be 11 characters of 0-9, A-Z and a-z, at most LygHa16AHYF")
    }
}

impl core::error::Error for InvalidKeyId {}
