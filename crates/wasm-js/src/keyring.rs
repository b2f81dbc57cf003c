//! How a keyring comes in: rare calls. A bundle stays in JavaScript; of it come in its head, and parts when a verdict
//! needs them.

use crate::{Failure, RawVerifier, keys::integer, to_js};
use claviger_core::{
    FreshnessRequirement, KeyId, KeyringError, KeyringKey, MAX_ROOT_LEN, NeededPart, PartKind, Replacement,
    Verifier, bundle_head_len, push_wiping,
};
use serde::Serialize;
use wasm_bindgen::prelude::*;
use zeroize::Zeroize;

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

/// What `Verifier.keyring` returns. No id is a number in JavaScript; epochs and times stay below 2^53.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Info {
    keyring_id: String,
    keyring_key_id: String,
    epoch: f64,
    issued_at: f64,
    fresh_for: u32,
    valid_for: u32,
}

#[wasm_bindgen]
impl RawVerifier {
    /// A verifier that takes keyrings made with one of `keys`.
    ///
    /// # Errors
    /// Throws an object with `code` and `message`.
    pub fn with_keyring_keys(
        mut keys: Vec<String>,
        keyring_id: Option<String>,
        require_fresh: bool,
        min_epoch: f64,
        max_age: Option<f64>,
    ) -> Result<RawVerifier, JsValue> {
        let mut parsed = Vec::new();
        let mut read = || {
            for (index, text) in keys.iter().enumerate() {
                let key = KeyringKey::parse(text).map_err(|error| {
                    Failure::new("invalid_secret", error).at(&format!("options.keyringKeys[{index}]"))
                })?;
                push_wiping(&mut parsed, key);
            }
            Ok(())
        };
        let read: Result<(), Failure> = read();
        keys.zeroize();
        read?;
        let min_epoch = integer("options.minEpoch", min_epoch, u64::MAX)?;
        let max_age = match max_age {
            None => None,
            Some(seconds) => Some(integer("options.maxAge", seconds, u64::MAX)?),
        };
        let verifier = Verifier::with_keyring_keys(parsed).map_err(invalid)?;
        let verifier = verifier.requiring(FreshnessRequirement { require_fresh, min_epoch, max_age });
        Ok(Self::with(match keyring_id {
            None => verifier,
            Some(id) => {
                let id: KeyId = id.parse().map_err(|error| invalid(error).at("options.keyringId"))?;
                verifier.keyring_id(id)
            }
        }))
    }

    /// Demands a keyring of at least this epoch for every request from now on, and takes none below it.
    pub fn raise_min_epoch(&mut self, min_epoch: f64) {
        self.verifier.raise_min_epoch(min_epoch as u64);
    }

    /// Makes room for `len` bytes of a keyring, and says where. The next call of this kind takes it away.
    ///
    /// # Errors
    /// Throws an object with `code` and `message` if there is no memory left.
    pub fn part_buffer(&mut self, len: u32) -> Result<u32, JsValue> {
        self.part.clear();
        let room = self.part.try_reserve_exact(len as usize);
        room.map_err(|_| Failure::new("no_memory", "WebAssembly has no memory left for the keyring"))?;
        self.part.resize(len as usize, 0);
        Ok(self.part.as_ptr() as usize as u32)
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

    /// How many bytes of a keyring of `keyring_len` bytes open it, when the part buffer holds its first ones.
    ///
    /// # Errors
    /// Throws an object with `code` and `message`.
    pub fn keyring_head_len(&self, keyring_len: f64) -> Result<u32, JsValue> {
        match bundle_head_len(&self.part, keyring_len as u64) {
            Ok(len) => Ok(len as u32),
            Err(KeyringError::NotAKeyring) => Ok(keyring_len.min(f64::from(self.part_limit())) as u32),
            Err(error) => Err(Failure::from(error).into()),
        }
    }

    /// Replaces the keyring by the one whose head, or whose root alone, is in the part buffer: whether it is another.
    ///
    /// # Errors
    /// Throws an object with `code` and `message`; the keyring before stays.
    pub fn replace_keyring(&mut self, keyring_len: f64, now: f64) -> Result<bool, JsValue> {
        let (bytes, len, now) = (core::mem::take(&mut self.part), keyring_len as u64, now as u64);
        let replacement = match bundle_head_len(&bytes, len) {
            Err(KeyringError::NotAKeyring) => self.verifier.replace_keyring(bytes, now),
            _ => self.verifier.replace_keyring_by_head(&bytes, len, now),
        };
        Ok(replacement.map_err(Failure::from)? == Replacement::Replaced)
    }

    /// Inserts the part of the keyring that is in the part buffer: 1 is a chunk, 2 a page.
    ///
    /// # Errors
    /// Throws an object with `code` and `message`.
    pub fn insert_part(&self, part: u8, index: u32) -> Result<(), JsValue> {
        let part = part_kind(part)?;
        Ok(self.verifier.insert_part(part, index, &self.part).map_err(Failure::from)?)
    }

    /// Awaits a part, whose hash is in the part buffer.
    ///
    /// # Errors
    /// Throws an object with `code` and `message`.
    pub fn await_part(&self, part: u8, index: u32) -> Result<(), JsValue> {
        let part = part_kind(part)?;
        let hash = self.part.as_slice().try_into().map_err(|_| invalid("a hash has 32 bytes"))?;
        self.verifier.await_part(&NeededPart { part, index, hash, in_bundle: None });
        Ok(())
    }

    /// Awaits every part that was here when the keyring was replaced, and has changed.
    pub fn await_changed_parts(&self) {
        self.verifier.await_changed_parts();
    }

    /// The parts that are awaited, 40 bytes each: kind and index as little-endian u32, and the hash.
    pub fn awaited_parts(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for needed in self.verifier.awaited_parts() {
            bytes.extend_from_slice(&u32::from(needed.part.number()).to_le_bytes());
            bytes.extend_from_slice(&needed.index.to_le_bytes());
            bytes.extend_from_slice(&needed.hash);
        }
        bytes
    }

    /// Gives parts up until those that are left take less than `limit` bytes, and says how many they take.
    pub fn evict_parts(&mut self, limit: u32) -> u32 {
        self.verifier.evict_parts(limit as usize);
        self.verifier.parts_size() as u32
    }

    /// What is known of the keyring; `undefined` if there is none.
    pub fn keyring(&self) -> JsValue {
        let Some(info) = self.verifier.keyring() else { return JsValue::UNDEFINED };
        to_js(&Info {
            keyring_id: info.keyring_id.to_string(),
            keyring_key_id: info.keyring_key_id.to_string(),
            epoch: info.epoch as f64,
            issued_at: info.issued_at as f64,
            fresh_for: info.fresh_for,
            valid_for: info.valid_for,
        })
    }
}
