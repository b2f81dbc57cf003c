//! Last room: the answer. Who it is and how fresh the knowledge is; or one denial code.

use crate::{
    denial::DenialCode,
    key_id::KeyId,
    parse::{KeyKind, Parsed},
    prefix::KeyPrefix,
    resolve::Resolved,
};
use core::fmt;

/// What a verifier says about a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use = "a verdict that nobody looks at lets everybody in"]
pub enum Verdict {
    /// The key is proved and good for the request.
    Verified(Verified),
    /// It is not, or that cannot be decided.
    Denied(Denied),
}

/// A proven key that is good for the request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Verified {
    /// The public id of the key.
    pub key_id: KeyId,
    /// What kind of key it is.
    pub kind: KeyKind,
    /// Its prefix: product and environment.
    pub prefix: KeyPrefix,
    /// Whether only the read-only part of its rights may be used.
    pub read_only: bool,
    /// When it was issued, in Unix seconds, where the key says so.
    pub issued_at: Option<u64>,
    /// When it stops being good, in Unix seconds; `None` if never.
    pub expires_at: Option<u64>,
    /// How old the knowledge behind this verdict is.
    pub freshness: Freshness,
}

/// A request that is not let in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Denied {
    /// Why.
    pub code: DenialCode,
    /// The id that was presented, for logs. Proved only if the class of the code is
    /// [`Policy`](crate::DenialClass::Policy).
    pub key_id: Option<KeyId>,
}

/// How old the knowledge behind a verdict is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Freshness {
    /// The verifier has only issuing secrets: the key is genuine and unexpired, and *revocation was not checked*.
    Stateless,
}

impl Freshness {
    /// The name in APIs and JSON: snake_case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stateless => "stateless",
        }
    }

    /// The number in the WebAssembly module's memory.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Stateless => 1,
        }
    }

    /// The freshness with this [number](Self::number).
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Stateless),
            _ => None,
        }
    }

    /// Whether the verifier could have known that the key was revoked.
    #[must_use]
    pub const fn revocation_checked(self) -> bool {
        match self {
            Self::Stateless => false,
        }
    }
}

impl fmt::Display for Freshness {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl Verdict {
    /// A denial, with the presented id where one could be read.
    pub const fn denied(code: DenialCode, key_id: Option<KeyId>) -> Self {
        Self::Denied(Denied { code, key_id })
    }

    /// Whether the key is proved and good for the request.
    #[must_use]
    pub const fn is_verified(&self) -> bool {
        matches!(self, Self::Verified(_))
    }

    /// The proven key, if it is good for the request.
    #[must_use]
    pub const fn verified(&self) -> Option<&Verified> {
        match self {
            Self::Verified(verified) => Some(verified),
            Self::Denied(_) => None,
        }
    }

    /// The denial code, if it is a denial.
    #[must_use]
    pub const fn denial(&self) -> Option<DenialCode> {
        match self {
            Self::Verified(_) => None,
            Self::Denied(denied) => Some(denied.code),
        }
    }

    /// The verdict as a result, for `?`.
    ///
    /// # Errors
    /// [`Denied`] if it is a denial.
    pub fn into_result(self) -> Result<Verified, Denied> {
        match self {
            Self::Verified(verified) => Ok(verified),
            Self::Denied(denied) => Err(denied),
        }
    }

    /// The verdict on a proven signed key.
    #[inline]
    pub(crate) fn signed_key(parsed: &Parsed<'_>, resolved: &Resolved<'_>) -> Self {
        Self::Verified(Verified {
            key_id: parsed.id(),
            kind: parsed.kind(),
            prefix: *resolved.prefix,
            read_only: resolved.claims.read_only(),
            issued_at: Some(resolved.claims.issued_at()),
            expires_at: resolved.claims.expires_at(),
            freshness: Freshness::Stateless,
        })
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.code, self.code.reason())
    }
}

impl core::error::Error for Denied {}

/// `{"verified": true, "key_id": …, "kind": …, "prefix": …, "read_only": …, "issued_at": …, "expires_at": …,
/// "freshness": …, "revocation_checked": …}` or `{"verified": false, "code": …, "key_id": …}`.
#[cfg(feature = "serde")]
impl serde::Serialize for Verdict {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        match self {
            Self::Verified(verified) => {
                let mut object = serializer.serialize_struct("Verified", 9)?;
                object.serialize_field("verified", &true)?;
                object.serialize_field("key_id", &verified.key_id)?;
                object.serialize_field("kind", &verified.kind)?;
                object.serialize_field("prefix", verified.prefix.as_str())?;
                object.serialize_field("read_only", &verified.read_only)?;
                object.serialize_field("issued_at", &verified.issued_at)?;
                object.serialize_field("expires_at", &verified.expires_at)?;
                object.serialize_field("freshness", verified.freshness.as_str())?;
                object.serialize_field("revocation_checked", &verified.freshness.revocation_checked())?;
                object.end()
            }
            Self::Denied(denied) => {
                let mut object = serializer.serialize_struct("Denied", 3)?;
                object.serialize_field("verified", &false)?;
                object.serialize_field("code", &denied.code)?;
                object.serialize_field("key_id", &denied.key_id)?;
                object.end()
            }
        }
    }
}
