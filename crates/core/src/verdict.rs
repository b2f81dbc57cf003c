//! Last room: the answer. Who it is, what it may do, and how fresh the knowledge is; or one denial code.

use crate::{
    denial::DenialCode,
    key_id::KeyId,
    keyring::{Freshness, NeededPart, Policy},
    parse::KeyKind,
    prefix::KeyPrefix,
};
use core::fmt;

/// What a verifier says about a request.
///
/// It may borrow from the verifier's keyring; [`into_owned`](Self::into_owned) makes one that borrows nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
#[must_use = "a verdict that nobody looks at lets everybody in"]
pub enum Verdict<'k> {
    /// The key is proved and good for the request.
    Verified(Verified<'k>),
    /// It is not, or that cannot be decided.
    Denied(Denied),
}

/// A proven key that is good for the request.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Verified<'k> {
    /// The public id of the key.
    pub key_id: KeyId,
    /// What kind of key it is.
    pub kind: KeyKind,
    /// Its prefix: product and environment. Of an imported key, which has none, that of its policy.
    pub prefix: KeyPrefix,
    /// Whether only the read-only part of its rights may be used.
    pub read_only: bool,
    /// When it was issued, in Unix seconds, where the key says so.
    pub issued_at: Option<u64>,
    /// When it stops being good, in Unix seconds; `None` if never.
    pub expires_at: Option<u64>,
    /// Whose it is and what it may do; `None` without a keyring.
    pub policy: Option<Policy<'k>>,
    /// How old the knowledge behind this verdict is.
    pub freshness: Freshness,
    /// The place of the policy in the keyring, by which faces cache it.
    pub(crate) policy_index: u32,
}

impl Verified<'_> {
    /// A copy that borrows nothing.
    #[must_use]
    pub fn into_owned(self) -> Verified<'static> {
        let Self { key_id, kind, prefix, read_only, issued_at, expires_at, policy, freshness, policy_index } =
            self;
        let policy = policy.map(Policy::into_owned);
        Verified { key_id, kind, prefix, read_only, issued_at, expires_at, policy, freshness, policy_index }
    }
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
    /// How old the knowledge behind this verdict is; `None` if there was none to decide with.
    pub freshness: Option<Freshness>,
    /// What is needed to decide, if the code is [`KeyringUnavailable`](DenialCode::KeyringUnavailable) because a part
    /// of the keyring is not here.
    pub needed: Option<NeededPart>,
}

impl Verdict<'_> {
    /// A denial without any knowledge, with the presented id where one could be read.
    pub const fn denied(code: DenialCode, key_id: Option<KeyId>) -> Self {
        Self::Denied(Denied { code, key_id, freshness: None, needed: None })
    }

    /// A copy that borrows nothing.
    pub fn into_owned(self) -> Verdict<'static> {
        match self {
            Self::Verified(verified) => Verdict::Verified(verified.into_owned()),
            Self::Denied(denied) => Verdict::Denied(denied),
        }
    }

    /// The denial that takes the place of this verdict, for a reason that was found later.
    pub(crate) fn overruled(self, code: DenialCode) -> Self {
        match self {
            Self::Verified(Verified { key_id, freshness, .. }) => {
                Self::Denied(Denied { code, key_id: Some(key_id), freshness: Some(freshness), needed: None })
            }
            denied => denied,
        }
    }

    /// Whether the key is proved and good for the request.
    #[must_use]
    pub const fn is_verified(&self) -> bool {
        matches!(self, Self::Verified(_))
    }

    /// The denial code, if it is a denial.
    #[must_use]
    pub const fn denial(&self) -> Option<DenialCode> {
        match self {
            Self::Verified(_) => None,
            Self::Denied(denied) => Some(denied.code),
        }
    }

    /// How old the knowledge behind the verdict is; `None` if there was none to decide with.
    #[must_use]
    pub const fn freshness(&self) -> Option<Freshness> {
        match self {
            Self::Verified(verified) => Some(verified.freshness),
            Self::Denied(denied) => denied.freshness,
        }
    }
}

impl<'k> Verdict<'k> {
    /// The proven key, if it is good for the request.
    #[must_use]
    pub const fn verified(&self) -> Option<&Verified<'k>> {
        match self {
            Self::Verified(verified) => Some(verified),
            Self::Denied(_) => None,
        }
    }

    /// The verdict as a result, for `?`.
    ///
    /// # Errors
    /// [`Denied`] if it is a denial.
    pub fn into_result(self) -> Result<Verified<'k>, Denied> {
        match self {
            Self::Verified(verified) => Ok(verified),
            Self::Denied(denied) => Err(denied),
        }
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.code, self.code.reason())
    }
}

impl core::error::Error for Denied {}

/// `{"verified": true, "key_id", "kind", "prefix", "tenant", "owner", "external_id", "role", "permissions",
/// "read_only", "metadata", "limits", "issued_at", "expires_at", "freshness", "epoch", "age", "revocation_checked"}`,
/// with `null` for what comes from a keyring and there is none; or
/// `{"verified": false, "code", "key_id", "freshness", "epoch", "age"}`.
#[cfg(feature = "serde")]
impl serde::Serialize for Verdict<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let freshness = self.freshness();
        let mut object = match self {
            Self::Verified(verified) => {
                let policy = verified.policy.as_ref();
                let list = |policy: &Policy<'_>| {
                    policy.permissions().map(Into::into).collect::<alloc::vec::Vec<alloc::string::String>>()
                };
                let mut object = serializer.serialize_struct("Verified", 18)?;
                object.serialize_field("verified", &true)?;
                object.serialize_field("key_id", &verified.key_id)?;
                object.serialize_field("kind", &verified.kind)?;
                object.serialize_field("prefix", verified.prefix.as_str())?;
                object.serialize_field("tenant", &policy.map(Policy::tenant))?;
                object.serialize_field("owner", &policy.map(Policy::owner))?;
                object.serialize_field("external_id", &policy.and_then(Policy::external_id))?;
                object.serialize_field("role", &policy.and_then(Policy::role))?;
                object.serialize_field("permissions", &policy.map(list))?;
                object.serialize_field("read_only", &verified.read_only)?;
                object.serialize_field("metadata", &policy.and_then(Policy::metadata))?;
                object.serialize_field(
                    "limits",
                    &policy.map(|policy| policy.limits().collect::<alloc::vec::Vec<_>>()),
                )?;
                object.serialize_field("issued_at", &verified.issued_at)?;
                object.serialize_field("expires_at", &verified.expires_at)?;
                object
            }
            Self::Denied(denied) => {
                let mut object = serializer.serialize_struct("Denied", 6)?;
                object.serialize_field("verified", &false)?;
                object.serialize_field("code", &denied.code)?;
                object.serialize_field("key_id", &denied.key_id)?;
                object
            }
        };
        object.serialize_field("freshness", &freshness.map(Freshness::as_str))?;
        object.serialize_field("epoch", &freshness.and_then(Freshness::epoch))?;
        object.serialize_field("age", &freshness.and_then(Freshness::age))?;
        if self.is_verified() {
            let checked = freshness.is_some_and(Freshness::revocation_checked);
            object.serialize_field("revocation_checked", &checked)?;
        }
        object.end()
    }
}
