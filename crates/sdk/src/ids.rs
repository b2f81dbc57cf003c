//! Public ids of records: random, opaque, fit for logs; each kind of record has a type and a text form of its own.
//!
//! API keys and shared secrets are named by [`KeyId`](claviger_core::KeyId), which is part of their text.

use crate::Error;
use claviger_core::KeyId;
use std::{fmt, str::FromStr};

macro_rules! record_ids {
    ($($(#[$doc:meta])* $name:ident $prefix:literal $record:literal;)*) => {$(
        $(#[$doc])*
        ///
        #[doc = concat!("In text `", $prefix, "_` and 11 base62 characters.")]
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(KeyId);

        impl RecordId for $name {
            fn from_key_id(id: KeyId) -> Self {
                Self(id)
            }

            fn key_id(self) -> KeyId {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, concat!($prefix, "_{}"), self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, formatter)
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self, Error> {
                text.strip_prefix(concat!($prefix, "_")).and_then(|id| id.parse().ok()).map(Self).ok_or_else(|| {
                    let problem = concat!("expected ", $prefix, "_ and 11 characters of 0-9, A-Z and a-z");
                    Error::invalid(concat!($record, " id"), problem)
                })
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    )*};
}

record_ids! {
    /// The id of a tenant.
    TenantId "ten" "tenant";
    /// The id of a user or of a service account.
    PersonId "per" "person";
    /// The id of a role.
    RoleId "rol" "role";
    /// The id of a key group.
    GroupId "grp" "key group";
    /// The id of a shared secret, whatever its versions.
    SecretId "sec" "shared secret";
    /// The id of a keyring.
    RingId "rng" "keyring";
    /// The id of a verifier that reports usage.
    VerifierId "ver" "verifier";
    /// The id of a batch of uses, which the verifier chooses that reports it.
    BatchId "bat" "batch";
}

impl BatchId {
    /// A new one.
    ///
    /// # Errors
    /// [`Error::Entropy`] if the operating system gives no random bytes.
    pub fn random() -> Result<Self, Error> {
        RecordId::random()
    }

    /// One of 8 random bytes that the verifier has chosen.
    #[must_use]
    pub const fn from_entropy(bytes: [u8; 8]) -> Self {
        Self(KeyId::from_entropy(bytes))
    }
}

/// What an id type must say so that rows can hold it: 8 big-endian bytes.
pub(crate) trait RecordId: Copy + fmt::Display {
    fn from_key_id(id: KeyId) -> Self;
    fn key_id(self) -> KeyId;

    fn bytes(self) -> Vec<u8> {
        self.key_id().as_u64().to_be_bytes().to_vec()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self::from_key_id(KeyId::from_entropy(bytes.try_into().ok()?)))
    }

    /// A new random id.
    fn random() -> Result<Self, Error> {
        Ok(Self::from_key_id(KeyId::from_entropy(entropy()?)))
    }
}

impl RecordId for KeyId {
    fn from_key_id(id: KeyId) -> Self {
        id
    }

    fn key_id(self) -> KeyId {
        self
    }
}

/// Random bytes of the operating system.
pub(crate) fn entropy<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| Error::Entropy)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_of_one_kind_of_record() {
        let id = TenantId::from_key_id(KeyId::from_u64(42));
        assert_eq!(id.to_string(), "ten_0000000000g");
        assert_eq!(id.to_string().parse::<TenantId>().unwrap(), id);
        assert_eq!(TenantId::from_bytes(&id.bytes()), Some(id));
        for text in ["per_0000000000g", "0000000000g", "ten_", "ten_0000000000", ""] {
            let error = text.parse::<TenantId>().unwrap_err().to_string();
            assert!(error.contains("expected ten_"), "{error}");
        }
    }
}
