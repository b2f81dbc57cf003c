//! Who acts: the platform operator, a user whom the embedding application has authenticated, or a key.

use crate::PersonId;
use claviger_core::KeyId;
use std::net::IpAddr;

/// Who performs operations. What he may do is looked up in the store in each operation; this only names him.
///
/// ```
/// use claviger_sdk::Actor;
///
/// let operator = Actor::operator("deploy script").from_address([192, 0, 2, 7].into());
/// ```
///
/// A key becomes an actor by [`Store::authenticate`](crate::Store::authenticate) alone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Actor {
    pub(crate) who: Who,
    pub(crate) origin: String,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Who {
    Operator(String),
    User(PersonId),
    Key(KeyId),
}

impl Actor {
    /// The platform operator, who may do everything but read what is a user's own. `name` is for the audit log.
    #[must_use]
    pub fn operator(name: &str) -> Self {
        Self { who: Who::Operator(name.to_owned()), origin: String::new() }
    }

    /// A user. The embedding application has made sure that it is he.
    #[must_use]
    pub const fn user(id: PersonId) -> Self {
        Self { who: Who::User(id), origin: String::new() }
    }

    pub(crate) const fn key(id: KeyId) -> Self {
        Self { who: Who::Key(id), origin: String::new() }
    }

    /// The same actor, acting from this address: for the audit log.
    #[must_use]
    pub fn from_address(self, address: IpAddr) -> Self {
        Self { origin: address.to_string(), ..self }
    }

    /// How the audit log names him.
    pub(crate) fn label(&self) -> String {
        match &self.who {
            Who::Operator(name) => format!("operator:{name}"),
            Who::User(id) => format!("user:{id}"),
            Who::Key(id) => format!("key:{id}"),
        }
    }
}
