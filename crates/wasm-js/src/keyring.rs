//! How a keyring comes in: rare calls. A bundle stays in JavaScript; of it come in its head, and parts when a verdict
//! needs them.

use crate::{
    RawVerifier,
    exchange::{put, take, take_text},
    failure::{Failure, status},
    keys::integer,
};
use claviger_core::{
    FreshnessRequirement, KeyId, KeyringError, KeyringKey, MAX_ROOT_LEN, NeededPart, PartKind, Replacement,
    Verifier, bundle_head_len, push_wiping,
};
use wasm_bindgen::prelude::*;

impl From<KeyringError> for Failure {
    fn from(error: KeyringError) -> Self {
        Self::new(error.as_str(), error)
    }
}

fn invalid(error: impl ToString) -> Failure {
    Failure::new("invalid_options", error)
}

fn part_kind(number: u8) -> Result<PartKind, Failure> {
    PartKind::from_number(number).ok_or_else(|| invalid("part must be 1 or 2"))
}

fn taking(lines: &str, require_fresh: bool, min_epoch: f64, max_age: f64) -> Result<Verifier, Failure> {
    let mut keys = Vec::new();
    let (id, lines) = lines.split_once('\n').unwrap_or_default();
    for (index, text) in lines.lines().enumerate() {
        let key = KeyringKey::parse(text).map_err(|error| {
            Failure::new("invalid_secret", error).at(&format!("options.keyringKeys[{index}]"))
        })?;
        push_wiping(&mut keys, key);
    }
    let min_epoch = integer("options.minEpoch", min_epoch, u64::MAX)?;
    let max_age = match max_age < 0.0 {
        true => None,
        false => Some(integer("options.maxAge", max_age, u64::MAX)?),
    };
    let verifier = Verifier::with_keyring_keys(keys).map_err(invalid)?;
    let verifier = verifier.requiring(FreshnessRequirement { require_fresh, min_epoch, max_age });
    if id == "*" {
        return Ok(verifier);
    }
    let id: KeyId = id.parse().map_err(|error| invalid(error).at("options.keyringId"))?;
    Ok(verifier.keyring_id(id))
}

#[wasm_bindgen]
impl RawVerifier {
    /// A verifier that takes keyrings of the id in the first line of the buffer, or of any for `*`, and made with one of
    /// the keys in the lines behind it. A negative `max_age` is none. Nothing, and a failure is in the buffer, if something
    /// is wrong.
    pub fn with_keyring_keys(require_fresh: bool, min_epoch: f64, max_age: f64) -> Option<RawVerifier> {
        let verifier = taking(&take_text(), require_fresh, min_epoch, max_age);
        Some(Self::with(verifier.map_err(Failure::put).ok()?))
    }

    /// Demands a keyring of at least this epoch for every request from now on, and takes none below it.
    pub fn raise_min_epoch(&mut self, min_epoch: f64) {
        self.verifier.raise_min_epoch(min_epoch as u64);
    }

    /// Lets memory grow by about `len` bytes at once, for parts to come. JavaScript engines collect garbage whenever a
    /// large memory has grown, so it must not do so with every part.
    pub fn grow_ahead(&mut self, len: u32) {
        let mut ahead = Vec::<u8>::new();
        // If there is no memory left, whoever needs it will say so.
        let _ = ahead.try_reserve_exact(len as usize);
        core::hint::black_box(ahead);
    }

    /// More than the longest root, chunk or page. Of what is longer as many bytes tell as much.
    pub fn part_limit(&self) -> u32 {
        MAX_ROOT_LEN.saturating_add(1) as u32
    }

    /// How many bytes of a keyring of `keyring_len` bytes open it, when the buffer holds its first ones.
    pub fn keyring_head_len(&self, keyring_len: f64) -> i32 {
        status(match bundle_head_len(&take(), keyring_len as u64) {
            Ok(len) => Ok(len as u32),
            Err(KeyringError::NotAKeyring) => Ok(keyring_len.min(f64::from(self.part_limit())) as u32),
            Err(error) => Err(error.into()),
        })
    }

    /// Replaces the keyring by the one whose head, or whose root alone, is in the buffer: 1 if it is another, 0 if it is
    /// that which is in use. If that fails, the keyring before stays.
    pub fn replace_keyring(&mut self, keyring_len: f64, now: f64) -> i32 {
        let (bytes, len, now) = (take(), keyring_len as u64, now as u64);
        let replacement = match bundle_head_len(&bytes, len) {
            Err(KeyringError::NotAKeyring) => self.verifier.replace_keyring(bytes, now),
            _ => self.verifier.replace_keyring_by_head(&bytes, len, now),
        };
        status(
            replacement
                .map(|replacement| (replacement == Replacement::Replaced).into())
                .map_err(Failure::from),
        )
    }

    /// Inserts the part of the keyring that is in the buffer: 1 is a chunk, 2 a page.
    pub fn insert_part(&self, part: u8, index: u32) -> i32 {
        let inserted = part_kind(part)
            .and_then(|part| self.verifier.insert_part(part, index, &take()).map_err(Failure::from));
        status(inserted.map(|()| 0))
    }

    /// Awaits a part, whose hash is in the buffer.
    pub fn await_part(&self, part: u8, index: u32) -> i32 {
        status(part_kind(part).and_then(|part| {
            let hash = take().as_slice().try_into().map_err(|_| invalid("a hash has 32 bytes"))?;
            self.verifier.await_part(&NeededPart { part, index, hash, in_bundle: None });
            Ok(0)
        }))
    }

    /// Awaits every part that was here when the keyring was replaced, and has changed.
    pub fn await_changed_parts(&self) {
        self.verifier.await_changed_parts();
    }

    /// Leaves the parts that are awaited, 40 bytes each: kind and index as little-endian u32, and the hash.
    pub fn awaited_parts(&self) {
        let mut bytes = Vec::new();
        for needed in self.verifier.awaited_parts() {
            bytes.extend_from_slice(&u32::from(needed.part.number()).to_le_bytes());
            bytes.extend_from_slice(&needed.index.to_le_bytes());
            bytes.extend_from_slice(&needed.hash);
        }
        put(bytes);
    }

    /// Gives parts up until those that are left take less than `limit` bytes, and says how many they take.
    pub fn evict_parts(&mut self, limit: u32) -> u32 {
        self.verifier.evict_parts(limit as usize);
        self.verifier.parts_size() as u32
    }

    /// Leaves what is known of the keyring, in lines: its id, that of its key, epoch, time of issue, and for how long it is
    /// fresh and valid. Nothing if there is none.
    pub fn keyring(&self) {
        let info = self.verifier.keyring().map_or_else(String::new, |info| {
            let (id, key_id) = (info.keyring_id, info.keyring_key_id);
            format!(
                "{id}\n{key_id}\n{}\n{}\n{}\n{}",
                info.epoch, info.issued_at, info.fresh_for, info.valid_for
            )
        });
        put(info.into_bytes());
    }
}
