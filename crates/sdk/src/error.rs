//! What can go wrong, in one type: every error says what was wrong, what was expected and what to do.

use claviger_core::KeyId;

/// Why an operation was not done. Nothing of it was written.
///
/// [`code`](Self::code) is stable; the text is for people. Neither holds a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A value breaks a rule.
    #[error("{field}: {problem}")]
    Invalid {
        /// The field.
        field: &'static str,
        /// What is wrong with its value, and what was expected.
        problem: String,
    },
    /// There is no such record, or the actor may not know of it.
    #[error("there is no {record} {id} here")]
    NotFound {
        /// The kind of record.
        record: &'static str,
        /// What was asked for.
        id: String,
    },
    /// There is a record with this value already, and there may be only one.
    #[error("{record}: there is already one with the {field} {value:?}")]
    Exists {
        /// The kind of record.
        record: &'static str,
        /// The field that must be unique.
        field: &'static str,
        /// Its value.
        value: String,
    },
    /// The actor lacks a permission.
    #[error(
        "this needs the permission {permission}, which the actor does not have; ask an administrator for it"
    )]
    PermissionNeeded {
        /// The permission.
        permission: &'static str,
    },
    /// The actor would give what he does not have himself.
    #[error("nobody gives what he does not have: the actor has no {permission}")]
    BeyondOwnAccess {
        /// The first permission or pattern that is not his.
        permission: String,
    },
    /// The actor may not do this, whatever his permissions are, or it cannot be done to this record.
    #[error("{0}")]
    Refused(Rule),
    /// Somebody else has changed the record since it was read.
    #[error(
        "{record} {id} was changed since revision {seen} was read, it is at {current}; read it again and decide anew"
    )]
    Changed {
        /// The kind of record.
        record: &'static str,
        /// Which one.
        id: String,
        /// The revision that the caller had seen.
        seen: i64,
        /// The revision that it has now.
        current: i64,
    },
    /// What was to be confirmed was not, or not rightly.
    #[error("this needs a confirmation: repeat {expected:?}")]
    ConfirmationNeeded {
        /// What must be given as confirmation.
        expected: String,
    },
    /// The idempotency key was used before for something else.
    #[error("the idempotency key {key:?} was used for another request; take a new one")]
    IdempotencyKeyReused {
        /// The idempotency key.
        key: String,
    },
    /// The store was sealed under another master key.
    #[error("the store is sealed under master key {expected}, not under {given}")]
    WrongMasterKey {
        /// The id of the master key that opens it.
        expected: KeyId,
        /// The id of the one that was given.
        given: KeyId,
    },
    /// The store was written by a later version of this crate.
    #[error("the store has schema version {found}, this program knows up to {known}; use a newer program")]
    NewerSchema {
        /// The version of the store.
        found: i64,
        /// The newest version that this crate knows.
        known: i64,
    },
    /// What the store holds cannot be what was written: it was damaged or changed by somebody else.
    #[error("the store is damaged: {0}; restore a backup, or find out who writes to it")]
    Damaged(String),
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes")]
    Entropy,
    /// The database did not do its work. The operation may be tried again.
    #[error("the database failed: {0}")]
    Database(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A rule that no permission lifts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Rule {
    /// Grants need a user, never a key.
    #[error("keys never grant: access is given and taken by users")]
    KeysNeverGrant,
    /// A service account can never be an interactive actor.
    #[error("a service account is no interactive actor: it acts with its keys alone")]
    ServiceAccountIsNoActor,
    /// The actor was deactivated.
    #[error("the actor was deactivated; an administrator can activate him")]
    ActorInactive,
    /// Only the platform operator may do this.
    #[error("only the platform operator may do this")]
    OperatorOnly,
    /// Only a user may do this, for himself.
    #[error("this is a user's own affair: he must be the actor himself, not a key and nobody else")]
    UserOnly,
    /// API keys are switched off for the tenant.
    #[error("API keys are switched off for this tenant; the platform operator can switch them on")]
    TenantOff,
    /// The tenant's keys are locked.
    #[error(
        "the tenant's keys are locked: only notifications can be edited; deactivating, expiring and deleting stay possible"
    )]
    KeysLocked,
    /// The keyring was retired.
    #[error("the keyring was retired; create another one")]
    RingRetired,
    /// No keyring key was prepared that could take the place of the present one.
    #[error("there is no next keyring key; prepare one and give it to every verifier first")]
    NoNextKeyringKey,
    /// The key was expired for good.
    #[error("the key was revoked; generate another one")]
    KeyRevoked,
    /// The key never expires, so there is nothing to refresh.
    #[error("the key never expires, so it has no lifetime to refresh by")]
    KeyNeverExpires,
    /// What a signed key says is part of its text.
    #[error(
        "a signed key cannot be given another secret or expiry: both are part of its text; generate another one"
    )]
    SignedKeyIsFixed,
    /// An administrator has deactivated the key.
    #[error("an administrator has deactivated this key; only an administrator can activate it")]
    KeyIsHeld,
    /// The owner was deactivated.
    #[error("the owner of the key is deactivated; activate him first")]
    OwnerInactive,
    /// The user does not have the role.
    #[error("the user does not have this role; grant it first")]
    RoleNotHeld,
    /// ADMIN and READONLY stay as they are.
    #[error("the roles ADMIN and READONLY are built in and stay as they are")]
    RoleIsBuiltIn,
    /// The group `default` stays.
    #[error("the group default stays: new keys go there")]
    GroupIsDefault,
    /// There are keys in the group.
    #[error("there are keys in the group; say into which group they go")]
    GroupNotEmpty,
    /// An issuing secret is revealed to the platform operator alone.
    #[error("an issuing secret can make keys: it is revealed to the platform operator alone")]
    IssuingSecretIsTheOperators,
    /// An integration secret makes no keys that could sign requests.
    #[error("an integration secret makes no keys; whether keys may sign requests is said of issuing secrets")]
    IntegrationSecretMakesNoKeys,
    /// The secret was retired.
    #[error("the shared secret was retired; create another one")]
    SecretRetired,
    /// Every version number of issuing secrets for the prefix is in use.
    #[error(
        "all 256 versions of issuing secrets for this prefix may still have valid keys; use another prefix"
    )]
    VersionsExhausted,
    /// It is forgotten whether the report was counted.
    #[error(
        "the usage report ended more than 30 days ago: it may have been counted already, and nobody remembers; drop it"
    )]
    UsageReportTooOld,
}

impl Rule {
    /// The stable name of the rule.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::KeysNeverGrant => "keys_never_grant",
            Self::ServiceAccountIsNoActor => "service_account_is_no_actor",
            Self::ActorInactive => "actor_inactive",
            Self::OperatorOnly => "operator_only",
            Self::UserOnly => "user_only",
            Self::TenantOff => "tenant_off",
            Self::KeysLocked => "keys_locked",
            Self::KeyRevoked => "key_revoked",
            Self::RingRetired => "ring_retired",
            Self::NoNextKeyringKey => "no_next_keyring_key",
            Self::KeyNeverExpires => "key_never_expires",
            Self::SignedKeyIsFixed => "signed_key_is_fixed",
            Self::KeyIsHeld => "key_is_held",
            Self::OwnerInactive => "owner_inactive",
            Self::RoleNotHeld => "role_not_held",
            Self::RoleIsBuiltIn => "role_is_built_in",
            Self::GroupIsDefault => "group_is_default",
            Self::GroupNotEmpty => "group_not_empty",
            Self::IssuingSecretIsTheOperators => "issuing_secret_is_the_operators",
            Self::IntegrationSecretMakesNoKeys => "integration_secret_makes_no_keys",
            Self::SecretRetired => "secret_retired",
            Self::VersionsExhausted => "versions_exhausted",
            Self::UsageReportTooOld => "usage_report_too_old",
        }
    }
}

impl Error {
    pub(crate) fn invalid(field: &'static str, problem: impl Into<String>) -> Self {
        Self::Invalid { field, problem: problem.into() }
    }

    pub(crate) fn not_found(record: &'static str, id: impl ToString) -> Self {
        Self::NotFound { record, id: id.to_string() }
    }

    /// The stable name of the error: snake_case, the same in every language.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Invalid { .. } => "invalid",
            Self::NotFound { .. } => "not_found",
            Self::Exists { .. } => "exists",
            Self::PermissionNeeded { .. } => "permission_needed",
            Self::BeyondOwnAccess { .. } => "beyond_own_access",
            Self::Refused(rule) => rule.code(),
            Self::Changed { .. } => "changed",
            Self::ConfirmationNeeded { .. } => "confirmation_needed",
            Self::IdempotencyKeyReused { .. } => "idempotency_key_reused",
            Self::WrongMasterKey { .. } => "wrong_master_key",
            Self::NewerSchema { .. } => "newer_schema",
            Self::Damaged(_) => "damaged",
            Self::Entropy => "entropy",
            Self::Database(_) => "database",
        }
    }

    /// The rule that was broken, if no permission would have helped.
    #[must_use]
    pub const fn rule(&self) -> Option<Rule> {
        match self {
            Self::Refused(rule) => Some(*rule),
            _ => None,
        }
    }
}

impl From<Rule> for Error {
    fn from(rule: Rule) -> Self {
        Self::Refused(rule)
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(Box::new(error))
    }
}

/// The result of an operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;
