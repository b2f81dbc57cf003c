//! A configuration of the verifier that is being put together.

use crate::{HAS_MAX_AGE, REQUIRE_FRESH, state::State, status::Status};
use alloc::vec::Vec;
use claviger_core::{FreshnessRequirement, IssuingKey, KeyId, KeyringKey, Verifier, push_wiping};

/// More issuing secrets than a verifier can use well; without a limit a host could fill the memory until it traps.
const MAX_ISSUING_SECRETS: usize = 1024;
/// The present keyring key, and the next one.
const MAX_KEYRING_KEYS: usize = 2;

pub(crate) struct Draft {
    issuing: Vec<IssuingKey>,
    allow_without_lifetime: bool,
    keyring_keys: Vec<KeyringKey>,
    keyring_id: Option<KeyId>,
    required: FreshnessRequirement,
}

impl Draft {
    fn verifier(self) -> Result<Verifier, Status> {
        let made = match (self.issuing.is_empty(), self.keyring_keys.is_empty()) {
            (false, true) => Verifier::new(self.issuing),
            (true, false) => Verifier::with_keyring_keys(self.keyring_keys),
            _ => return Err(Status::INVALID_CONFIGURATION),
        };
        let verifier = made.map_err(|_| Status::INVALID_CONFIGURATION)?;
        let verifier =
            verifier.allow_keys_without_lifetime(self.allow_without_lifetime).requiring(self.required);
        Ok(match self.keyring_id {
            Some(id) => verifier.keyring_id(id),
            None => verifier,
        })
    }
}

impl State {
    pub(crate) fn begin(&mut self, allow_without_lifetime: bool) -> Status {
        self.draft = Some(Draft {
            issuing: Vec::new(),
            allow_without_lifetime,
            keyring_keys: Vec::new(),
            keyring_id: None,
            required: FreshnessRequirement::default(),
        });
        Status::OK
    }

    fn draft(&mut self) -> Result<&mut Draft, Status> {
        self.draft.as_mut().ok_or(Status::NOT_BEGUN)
    }

    pub(crate) fn add(&mut self, key: IssuingKey) -> Result<Status, Status> {
        add(&mut self.draft()?.issuing, key, MAX_ISSUING_SECRETS)
    }

    pub(crate) fn add_keyring_key(&mut self, key: KeyringKey) -> Result<Status, Status> {
        add(&mut self.draft()?.keyring_keys, key, MAX_KEYRING_KEYS)
    }

    pub(crate) fn set_keyring_id(&mut self, id: u64) -> Result<Status, Status> {
        self.draft()?.keyring_id = Some(KeyId::from_u64(id));
        Ok(Status::OK)
    }

    pub(crate) fn require(&mut self, flags: u32, min_epoch: u64, max_age: u64) -> Result<Status, Status> {
        if flags & !(REQUIRE_FRESH | HAS_MAX_AGE) != 0 {
            return Err(Status::INVALID_OPTION);
        }
        self.draft()?.required = FreshnessRequirement {
            require_fresh: flags & REQUIRE_FRESH != 0,
            min_epoch,
            max_age: (flags & HAS_MAX_AGE != 0).then_some(max_age),
        };
        Ok(Status::OK)
    }

    pub(crate) fn commit(&mut self) -> Result<Status, Status> {
        let draft = self.draft.take().ok_or(Status::NOT_BEGUN)?;
        self.verifier = Some(draft.verifier()?);
        Ok(Status::OK)
    }
}

fn add<T: Clone>(items: &mut Vec<T>, item: T, most: usize) -> Result<Status, Status> {
    if items.len() >= most {
        return Err(Status::INVALID_CONFIGURATION);
    }
    push_wiping(items, item);
    Ok(Status::OK)
}
