//! The core behind an ABI of numbers and bytes, as a WebAssembly module without imports: any host can load it.
//!
//! # The ABI, version 4
//!
//! One instance holds one verifier. It is single-threaded; hosts use one instance a thread at a time.
//!
//! **Memory.** The module owns its memory and exports it as `memory`. There are two buffers, whose addresses
//! ([`claviger_input`], [`claviger_output`]) do not change while the instance lives, and a third one on demand:
//!
//! - *input*, [`INPUT_CAPACITY`] bytes: the host writes arguments here before a call. Where a function takes several
//!   texts they stand one behind the other, and their lengths are its parameters.
//! - *output*, [`OUTPUT_CAPACITY`] bytes: the module writes results here, until the next call. A host may read it
//!   at any time and never writes it.
//! - *part*, as many bytes as [`claviger_part_buffer`] was asked for: the host writes roots, heads of bundles and parts
//!   of a keyring here, and signed requests. Its address is good for the next call alone.
//!
//! Memory can grow, never move: a host whose view of it depends on its size (JavaScript) takes the view anew. Numbers
//! larger than 32 bits are `i64` at the border, read as unsigned; those in memory are little-endian.
//!
//! **Results.** [`claviger_verify_key`] and [`claviger_verify_key_in_context`] return a denial code's number, 0 for
//! *verified*. The output then holds the verdict's record of 128 bytes (see `Verdict::write_record` in
//! `claviger-core`), and behind it, as `u32`, the address of the verdict's policy (see `Policy::as_bytes` there; its
//! length stands in the record), or 0 if there is none. The policy stays there until the next call. Functions that do
//! something return a [`Status`]: 0 or more is success, and for those that write a result its length; below 0 is an
//! error.
//!
//! **Verifiers** are configured between [`claviger_verifier_begin`] and [`claviger_verifier_commit`], with issuing
//! secrets or with keyring keys, never with both. One with keyring keys has no keyring yet when it is committed.
//!
//! **Keyrings** come in pieces. [`claviger_keyring_replace`] takes a root, or the head of a bundle
//! ([`claviger_bundle_head_len`] says how long that is) whose parts stay with the host. A verdict that lacks a part is
//! `keyring_unavailable`, and its record says which part and where in the bundle it is; the host gives it to
//! [`claviger_keyring_insert`] and asks again. Nothing that the host gives is believed before it was checked, and
//! parts that did not change stay when a keyring is replaced. What the host cannot get yet it may await
//! ([`claviger_keyring_await`]), and what takes too much memory it has given up ([`claviger_keyring_evict`]).
//!
//! **Signed requests** stand in the part buffer, with the policy that they are held against. [`claviger_verify_request`]
//! proves the API key that a signature names; [`claviger_verify_signature`] does it with keys that
//! [`claviger_signature_key_add`] has added, which is no matter of the verifier. *Verified* is not the last word: the host
//! lets a request in whose answer has a replay entry only if its store says that it is fresh.
//!
//! **Secrets.** Entropy and time are arguments, because the module has no imports that could give them. Functions
//! that take or make secrets wipe the input before they return; a host calls [`claviger_wipe`] when it has read a
//! generated text, or when a presented key shall not stay in the input until the next one overwrites it.
//!
//! **Traps.** No input makes the module trap, unless a keyring outgrows the memory that the host lets it have. If it
//! traps, throw the instance away.
//!
//! A host refuses a module whose [`claviger_abi_version`] it does not know. `ABI.md` of this crate has every byte of it.
#![cfg_attr(target_family = "wasm", no_std)]

extern crate alloc;

mod draft;
mod keyring;
mod signed;
mod state;
mod status;

use claviger_core::{
    IssuingKey, KeyPrefix, KeyringKey, NamedKeyError, OpaqueUse, Purpose, SecretText, SharedSecret,
    SharedSecretError, SignedKeyTerms, generate_opaque_key, parse,
};
use signed::Shape;
use state::{State, with_state};
pub use status::Status;

/// The version of this ABI.
pub const ABI_VERSION: u32 = 4;
/// Bytes of the input buffer.
pub const INPUT_CAPACITY: usize = state::INPUT_CAPACITY;
/// Bytes of the output buffer.
pub const OUTPUT_CAPACITY: usize = state::OUTPUT_CAPACITY;
/// The most bytes that [`claviger_part_buffer`] gives.
pub const PART_CAPACITY: usize = keyring::PART_CAPACITY;

/// Option of [`claviger_verifier_begin`]: accept keys that never expire.
pub const ALLOW_KEYS_WITHOUT_LIFETIME: u32 = 1;
/// Flag of [`claviger_verifier_require`]: `stale` is not enough.
pub const REQUIRE_FRESH: u32 = 1;
/// Flag of [`claviger_verifier_require`]: there is a most age.
pub const HAS_MAX_AGE: u32 = 2;
/// Flag of [`claviger_generate_signed_key`]: the key has only the read-only part of its rights.
pub const READ_ONLY: u32 = 1;

#[cfg(target_family = "wasm")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

/// Nobody could read a message here, and its text would be a part of every download.
#[cfg(target_family = "wasm")]
#[panic_handler]
fn trap(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}

macro_rules! exports {
    ($($(#[$attribute:meta])* fn $name:ident($($parameter:ident: $type:ty),*) -> $result:ty $body:block)*) => {
        $(
            $(#[$attribute])*
            #[expect(unsafe_code, reason = "an exported name is how a host finds the function")]
            #[unsafe(no_mangle)]
            pub extern "C" fn $name($($parameter: $type),*) -> $result $body
        )*
    };
}

exports! {
    /// The version of the ABI: 4.
    fn claviger_abi_version() -> u32 {
        ABI_VERSION
    }

    /// The address of the input buffer.
    fn claviger_input() -> u32 {
        with_state(|state| state.input.as_ptr() as usize as u32)
    }

    /// The bytes of the input buffer: [`INPUT_CAPACITY`].
    fn claviger_input_capacity() -> u32 {
        INPUT_CAPACITY as u32
    }

    /// The address of the output buffer.
    fn claviger_output() -> u32 {
        with_state(|state| state.output.as_ptr() as usize as u32)
    }

    /// The bytes of the output buffer: [`OUTPUT_CAPACITY`].
    fn claviger_output_capacity() -> u32 {
        OUTPUT_CAPACITY as u32
    }

    /// Starts a new configuration of the verifier. The one in use stays until [`claviger_verifier_commit`].
    ///
    /// `options` is 0 or [`ALLOW_KEYS_WITHOUT_LIFETIME`]; other bits are an error.
    fn claviger_verifier_begin(options: u32) -> Status {
        if options & !ALLOW_KEYS_WITHOUT_LIFETIME != 0 {
            return Status::INVALID_OPTION;
        }
        with_state(|state| state.begin(options & ALLOW_KEYS_WITHOUT_LIFETIME != 0))
    }

    /// Adds an issuing secret to the new configuration. Input: the key prefix, then the text of the secret.
    fn claviger_verifier_add_issuing_secret(prefix_len: u32, secret_len: u32) -> Status {
        with_state(|state| {
            let key = state.issuing_key(prefix_len, secret_len);
            state.wipe_input();
            ended(key.and_then(|key| state.add(key)))
        })
    }

    /// Adds a keyring key to the new configuration: one, or for the rotation of it two. Input: its text.
    fn claviger_verifier_add_keyring_key(len: u32) -> Status {
        with_state(|state| {
            let key = state.keyring_key(len);
            state.wipe_input();
            ended(key.and_then(|key| state.add_keyring_key(key)))
        })
    }

    /// The new configuration takes no keyring but the one with this id. Without keyring keys it has no effect.
    fn claviger_verifier_keyring_id(id: u64) -> Status {
        with_state(|state| ended(state.set_keyring_id(id)))
    }

    /// The new configuration demands of every request knowledge as fresh as this: `flags` of [`REQUIRE_FRESH`] and
    /// [`HAS_MAX_AGE`]; `min_epoch` 0 for any; `max_age` in seconds, of no effect without its flag. Without keyring
    /// keys it has no effect.
    fn claviger_verifier_require(flags: u32, min_epoch: u64, max_age: u64) -> Status {
        with_state(|state| ended(state.require(flags, min_epoch, max_age)))
    }

    /// Puts the new configuration in the place of the old one, whole; on an error the old one stays.
    fn claviger_verifier_commit() -> Status {
        with_state(|state| ended(state.commit()))
    }

    /// Verifies the key of `len` bytes in the input at the time `now` (Unix seconds): 0, or a denial code's number.
    ///
    /// A longer text than the input holds need not be written to be denied: call with its length.
    fn claviger_verify_key(len: u32, now: u64) -> u32 {
        with_state(|state| state.verify(len, now))
    }

    /// Verifies the key of `len` bytes in the input for the request that the context record of `context_len` bytes
    /// behind it describes (see `ContextRecord` in `claviger-core`): 0, or a denial code's number.
    ///
    /// A key longer than the input is denied by its length, as by [`claviger_verify_key`]; a context that is none, or
    /// that does not fit behind the key, is a `verifier_fault`.
    fn claviger_verify_key_in_context(len: u32, context_len: u32) -> u32 {
        with_state(|state| state.verify_in_context(len, context_len))
    }

    /// Forgets the keys that [`claviger_signature_key_add`] added.
    fn claviger_signature_keys_clear() -> Status {
        with_state(|state| {
            state.own_keys = None;
            Status::OK
        })
    }

    /// Adds a key for [`claviger_verify_signature`], or puts it in the place of the one of this name. At most 1024 are added
    /// before they are cleared.
    ///
    /// `kind` 0: the key that signatures call by the `keyid` in the input, and behind that its bytes. 1: the bytes of the key
    /// for every other name and for none. 2: the text of an integration secret, which has its own name. In 1 and 2
    /// `keyid_len` is 0.
    fn claviger_signature_key_add(keyid_len: u32, key_len: u32, kind: u32) -> Status {
        with_state(|state| {
            let added = state.add_own_key(keyid_len, key_len, kind);
            state.wipe_input();
            ended(added)
        })
    }

    /// Verifies a signed request: 0, or a denial code's number.
    ///
    /// Part buffer: a policy of `policy_len` bytes (`SignaturePolicyRecord` in `claviger-core`), a request of `head_len`
    /// bytes that are `texts` texts (`RequestRecord`), its content as `content_kind` says (`Content::from_parts`), and a
    /// context record. What is no request is `malformed`; where anything else has not its form or goes beyond the buffer, that
    /// is a `verifier_fault`. Output: the verdict as of [`claviger_verify_key`], four zero bytes, and at 136 the replay entry
    /// of 40 bytes (`ReplayEntry::write_record`), zeros if there is none.
    fn claviger_verify_request(
        policy_len: u32, head_len: u32, texts: u32, content_kind: u32, content_len: u32, context_len: u32
    ) -> u32 {
        let shape = Shape { policy_len, head_len, texts, content_kind, content_len };
        with_state(|state| state.verify_request(&shape, context_len))
    }

    /// Verifies the signature of a request with the keys that were added, at the time `now` (Unix seconds): 0, or a denial
    /// code's number. Without keys it is `not_configured`.
    ///
    /// Part buffer: as for [`claviger_verify_request`], without a context. Output: the record of the signature, of 64 to 576
    /// bytes (`VerifiedSignature::write_record`).
    fn claviger_verify_signature(
        policy_len: u32, head_len: u32, texts: u32, content_kind: u32, content_len: u32, now: u64
    ) -> u32 {
        let shape = Shape { policy_len, head_len, texts, content_kind, content_len };
        with_state(|state| state.verify_signature(&shape, now))
    }

    /// The address of a buffer of `len` bytes, at most [`PART_CAPACITY`], for the next call; 0 if there is no room.
    fn claviger_part_buffer(len: u32) -> u32 {
        with_state(|state| state.part_buffer(len))
    }

    /// The length of the head of a bundle of `bundle_len` bytes, told by its first 24. Input: these, or the whole
    /// bundle if it is shorter.
    fn claviger_bundle_head_len(bundle_len: u64) -> Status {
        with_state(|state| {
            let len = state.bundle_head_len(bundle_len);
            state.keyring_ended(len)
        })
    }

    /// Puts a keyring in the place of the present one, at the time `now` (Unix seconds): 0 if it did, 1 if it is the
    /// present one. Part buffer: in its first `len` bytes the head of a bundle of `bundle_len` bytes or, with
    /// `bundle_len` 0, a root alone. On an error the present keyring stays.
    fn claviger_keyring_replace(len: u32, bundle_len: u64, now: u64) -> Status {
        with_state(|state| {
            let replaced = state.replace_keyring(len, bundle_len, now);
            state.keyring_ended(replaced)
        })
    }

    /// Inserts a part of the keyring: `kind` 1 the chunk of the bucket `index`, 2 the policy page `index`. Part buffer:
    /// in its first `len` bytes the part.
    fn claviger_keyring_insert(kind: u32, index: u32, len: u32) -> Status {
        with_state(|state| {
            let inserted = state.insert_part(kind, index, len);
            state.keyring_ended(inserted)
        })
    }

    /// Says that a part is being fetched and may not be there yet: until it is inserted, the keyring before decides about
    /// keys that need it, while it is valid. `kind` and `index` as for [`claviger_keyring_insert`]. Input: the 32 bytes of
    /// its hash. A part that this keyring does not name, or that was here before, is not awaited.
    fn claviger_keyring_await(kind: u32, index: u32) -> Status {
        with_state(|state| ended(state.await_part(kind, index)))
    }

    /// Gives up parts of the keyring until those that are left take less than `limit` bytes of memory, but for the last
    /// eight that came: those first that nobody has proved a key with.
    fn claviger_keyring_evict(limit: u32) -> Status {
        with_state(|state| state.evict_parts(limit))
    }

    /// What is known of the keyring. Output: its 40 bytes (see `KeyringInfo::to_bytes` in `claviger-core`).
    fn claviger_keyring_info() -> Status {
        with_state(|state| {
            let written = state.write_keyring_info();
            state.keyring_ended(written)
        })
    }

    /// Reads a text of any format in the input without proving anything. Output: `u8` kind, `u8` length of the
    /// prefix, `u8` version and `u8` flags (1: has a version, 2: has claims, 4: read only, 8: expires), four zero
    /// bytes, then `u64` id, issued-at and expires-at.
    fn claviger_parse_key(len: u32) -> Status {
        with_state(|state| {
            let described = state.text(0, len).and_then(describe);
            ended(described.map(|result| state.write(&result)))
        })
    }

    /// Makes a shared secret: `purpose` 1 issuing, 2 integration; `version` 0 to 255. Input: 40 random bytes.
    /// Output: its text.
    fn claviger_generate_shared_secret(purpose: u32, version: u32) -> Status {
        generate(|state| {
            let purpose = match purpose {
                1 => Purpose::Issuing,
                2 => Purpose::Integration,
                _ => return Err(Status::INVALID_OPTION),
            };
            let version = u8::try_from(version).map_err(|_| Status::INVALID_OPTION)?;
            Ok(SharedSecret::generate(purpose, version, state.array(0)?).to_text())
        })
    }

    /// Makes an opaque key: `usage` 1 bearer, 2 bearer and signing. Input: the key prefix, then 40 random bytes.
    /// Output: the key.
    fn claviger_generate_opaque_key(usage: u32, prefix_len: u32) -> Status {
        generate(|state| {
            let usage = match usage {
                1 => OpaqueUse::Bearer,
                2 => OpaqueUse::BearerAndSigning,
                _ => return Err(Status::INVALID_OPTION),
            };
            let prefix = state.prefix(prefix_len)?;
            Ok(generate_opaque_key(&prefix, usage, state.array(prefix_len)?).1)
        })
    }

    /// Makes a signed key: issued at `issued_at` (Unix seconds), good for `lifetime_minutes` (0: without lifetime),
    /// `flags` 0 or [`READ_ONLY`]. Input: the key prefix, the text of an issuing secret, then 8 random bytes. Output:
    /// the key.
    fn claviger_generate_signed_key(
        prefix_len: u32, secret_len: u32, issued_at: u64, lifetime_minutes: u32, flags: u32
    ) -> Status {
        generate(|state| {
            if flags & !READ_ONLY != 0 {
                return Err(Status::INVALID_OPTION);
            }
            let issuer = state.issuing_key(prefix_len, secret_len)?;
            let entropy = state.array(prefix_len.saturating_add(secret_len))?;
            let mut terms = match lifetime_minutes {
                0 => SignedKeyTerms::without_lifetime(issued_at),
                minutes => SignedKeyTerms::expiring(issued_at, minutes),
            };
            if flags & READ_ONLY != 0 {
                terms = terms.read_only();
            }
            issuer.generate(entropy, terms).map_err(|_| Status::INVALID_TIME)
        })
    }

    /// Overwrites both buffers with zeros.
    fn claviger_wipe() -> Status {
        with_state(|state| {
            state.wipe_input();
            state.wipe_output();
            Status::OK
        })
    }
}

fn ended(result: Result<Status, Status>) -> Status {
    result.unwrap_or_else(|error| error)
}

/// Runs a generator, wipes its input, and writes its text.
fn generate(make: impl FnOnce(&State) -> Result<SecretText, Status>) -> Status {
    with_state(|state| {
        let made = make(state);
        state.wipe_input();
        ended(made.map(|text| state.write(text.expose().as_bytes())))
    })
}

/// The result of [`claviger_parse_key`].
fn describe(text: &str) -> Result<[u8; 32], Status> {
    let parsed = parse(text).map_err(Status::malformed)?;
    let claims = parsed.claims();
    let expires_at = claims.and_then(|claims| claims.expires_at());
    let flags = [
        parsed.version().is_some(),
        claims.is_some(),
        claims.is_some_and(|claims| claims.read_only()),
        expires_at.is_some(),
    ];
    let flags = flags.iter().rev().fold(0, |flags, &set| flags << 1 | u8::from(set));
    let prefix_len = parsed.prefix().len() as u8;
    let head = [parsed.kind().number(), prefix_len, parsed.version().unwrap_or(0), flags, 0, 0, 0, 0];
    let issued_at = claims.map_or(0, |claims| claims.issued_at());
    let [id, issued_at, expires_at] =
        [parsed.id().as_u64(), issued_at, expires_at.unwrap_or(0)].map(u64::to_le_bytes);
    let mut result = [0; 32];
    for (slot, byte) in result.iter_mut().zip([head, id, issued_at, expires_at].as_flattened()) {
        *slot = *byte;
    }
    Ok(result)
}

impl State {
    fn prefix(&self, prefix_len: u32) -> Result<KeyPrefix, Status> {
        KeyPrefix::new(self.text(0, prefix_len)?).map_err(|_| Status::INVALID_PREFIX)
    }

    #[inline(never)]
    fn keyring_key(&self, len: u32) -> Result<KeyringKey, Status> {
        KeyringKey::parse(self.text(0, len)?).map_err(|error| match error {
            NamedKeyError::Malformed(error) => Status::malformed(error),
            _ => Status::WRONG_PURPOSE,
        })
    }

    #[inline(never)]
    fn issuing_key(&self, prefix_len: u32, secret_len: u32) -> Result<IssuingKey, Status> {
        let prefix = self.prefix(prefix_len)?;
        let secret =
            SharedSecret::parse(self.text(prefix_len, secret_len)?).map_err(|error| match error {
                SharedSecretError::Malformed(error) => Status::malformed(error),
                _ => Status::WRONG_PURPOSE,
            })?;
        IssuingKey::new(prefix, &secret).map_err(|_| Status::WRONG_PURPOSE)
    }
}
