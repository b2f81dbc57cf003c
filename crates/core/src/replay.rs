//! Replay protection: what is remembered of the nonces of signed requests, and a bounded window that remembers it.
//!
//! Whether a signature is good, and how old it may be, is decided elsewhere; sharing what was seen between processes is
//! too. Ask only about requests whose signature is proven and whose time is good: who has no key must not be able to
//! fill a window.

use alloc::vec::Vec;
use core::fmt;
use sha2::{Digest, Sha256};

/// How many nonces each generation of a [`NonceWindow`] has room for by default.
pub const DEFAULT_NONCE_CAPACITY: usize = 65_536;

/// For how many seconds a [`NonceWindow`] remembers nonces by default: signatures of at most 300 seconds of age, from
/// clocks that are at most 30 seconds ahead.
pub const DEFAULT_NONCE_SECONDS: u32 = 330;

/// The most nonces of a generation; a larger capacity is taken as this.
const MOST_NONCES: usize = 1 << 23;
const FIRST_SLOTS: usize = 64;
/// At how many slots an id is looked for. Among uniform ids in a table that is at most half full, fewer than one
/// generation in 100,000 has one that would need more.
const MOST_PROBES: usize = 128;

/// What is remembered of a nonce, and until when.
///
/// Two requests have the same id only if they have the same key id and the same nonce: each length is fixed by what is
/// hashed, so no nonce of one key is one of another.
///
/// ```
/// use claviger_core::ReplayEntry;
///
/// let entry = ReplayEntry::new(b"3X7MqAhpmAi", b"b3k2pp5k7z-50gnwp.yemd", 1_790_000_330);
/// assert_ne!(entry.id, ReplayEntry::new(b"3X7MqAhpmAib", b"3k2pp5k7z-50gnwp.yemd", 1_790_000_330).id);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct ReplayEntry {
    /// SHA-256 of the length of the key id in bytes (unsigned, 64 bits, big-endian), the key id, and the nonce.
    pub id: [u8; 32],
    /// Until when it must be remembered, in Unix seconds, this second included: the last one at which any verifier
    /// would still take the signature.
    pub keep_until: u64,
}

impl ReplayEntry {
    /// The entry of a request.
    ///
    /// `keyid` and `nonce` are the values of the signature's parameters of these names (RFC 9421, section 2.3), as
    /// bytes, without quotes or escapes. `keep_until` is in Unix seconds.
    #[must_use]
    pub fn new(keyid: &[u8], nonce: &[u8], keep_until: u64) -> Self {
        let hash = Sha256::new_with_prefix((keyid.len() as u64).to_be_bytes());
        Self { id: hash.chain_update(keyid).chain_update(nonce).finalize().into(), keep_until }
    }
}

/// Whether a nonce was seen before. Only [`Fresh`](Self::Fresh) lets a request through.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use = "a request goes on only if its nonce is fresh"]
pub enum ReplayAnswer {
    /// It was not, and is remembered from now on.
    Fresh,
    /// It was: this is a replay.
    Seen,
    /// That cannot be told, or the nonce cannot be remembered for as long as it has to. It was not put in.
    Unavailable,
}

impl ReplayAnswer {
    /// `fresh`, `seen` or `unavailable`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Seen => "seen",
            Self::Unavailable => "unavailable",
        }
    }
}

/// The nonces that one process has seen, in bounded memory.
///
/// It is exact: ids are compared whole, nothing is ever evicted for want of room, and **the same entry is
/// [`Fresh`](ReplayAnswer::Fresh) at most once** in the life of a window, whatever its clock does. What cannot be promised
/// is [`Unavailable`](ReplayAnswer::Unavailable):
///
/// - `keep_until` is later than `keep_for` seconds from now;
/// - `keep_until` is no later than that of an entry that was forgotten, which this one might be;
/// - the generation is full, or there is no memory. Whoever holds a key can bring that about, as fast as he may send
///   requests: limit the rate of each key.
///
/// Time is the latest that the window was told: a clock that goes back forgets nothing and lets nothing in again. Nonces
/// are in two generations. When the current one is `keep_for` seconds old it becomes the previous one, and the one before
/// that is forgotten; so an entry is remembered for one to two times `keep_for`.
///
/// It begins empty: what was seen before a restart, or by another process, is not known to it.
///
/// # Memory
/// 40 bytes for each nonce of the capacity where that is a power of two (else up to 48), for each of two generations: at
/// most 5.25 MB by default, half as much again for a moment while a generation grows. It grows as nonces come, and is
/// freed as generations are forgotten.
///
/// # Chosen nonces
/// Nonces can be searched for whose ids begin with equal bits, to make a hash table slow. So an id is looked for at 128
/// slots at most, and a table in which one has no place grows to its final size; after that it is `Unavailable`. This
/// needs no secret seed. Who goes to that length with n nonces denies some n in 131,072 requests of others (by default),
/// while the generation lasts; with 65,536 nonces of any kind he denies all of them.
///
/// # Example
/// ```
/// use claviger_core::{NonceWindow, ReplayAnswer, ReplayEntry};
///
/// let mut window = NonceWindow::default();
/// let entry = ReplayEntry::new(b"3X7MqAhpmAi", b"b3k2pp5k7z-50gnwp.yemd", 1_790_000_330);
/// assert_eq!(window.check_and_insert(&entry, 1_790_000_000), ReplayAnswer::Fresh);
/// assert_eq!(window.check_and_insert(&entry, 1_790_000_001), ReplayAnswer::Seen);
/// ```
pub struct NonceWindow {
    capacity: usize,
    keep_for: u64,
    /// The latest time that was told.
    clock: u64,
    /// When the current generation began.
    began: u64,
    current: Generation,
    previous: Generation,
    /// The latest `keep_until` of all entries that were forgotten, if any was.
    forgotten: Option<u64>,
}

impl NonceWindow {
    /// A window for `capacity` nonces (at most 8,388,608) in each span of `keep_for` seconds (at least 1).
    ///
    /// `keep_for` is the highest age of a signature plus how far its time may lie ahead: no entry with a later
    /// `keep_until` than that from now is taken.
    #[must_use]
    pub fn new(capacity: usize, keep_for: u32) -> Self {
        Self {
            capacity: capacity.min(MOST_NONCES),
            keep_for: u64::from(keep_for.max(1)),
            clock: 0,
            began: 0,
            current: Generation::default(),
            previous: Generation::default(),
            forgotten: None,
        }
    }

    /// Whether the nonce was seen before; if it was not, it is from now on. `now` is in Unix seconds.
    ///
    /// It takes a bounded time, the longest in the few calls in which the table grows.
    pub fn check_and_insert(&mut self, entry: &ReplayEntry, now: u64) -> ReplayAnswer {
        self.advance(now);
        let id = &entry.id;
        if self.previous.contains(id) || self.current.contains(id) {
            return ReplayAnswer::Seen;
        }
        let forgotten = self.forgotten.is_some_and(|until| entry.keep_until <= until);
        let too_late = entry.keep_until > self.clock.saturating_add(self.keep_for);
        if forgotten || too_late || !self.current.insert(entry, self.capacity) {
            return ReplayAnswer::Unavailable;
        }
        ReplayAnswer::Fresh
    }

    /// How many nonces are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.previous.ids.len().saturating_add(self.current.ids.len())
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn advance(&mut self, now: u64) {
        self.clock = self.clock.max(now);
        let age = self.clock.saturating_sub(self.began);
        if age < self.keep_for {
            return;
        }
        self.rotate();
        self.began = self.began.saturating_add(self.keep_for);
        // Nobody came for so long that this one is over as well.
        if age >= self.keep_for.saturating_mul(2) {
            self.rotate();
            self.began = self.clock;
        }
    }

    fn rotate(&mut self) {
        let current = core::mem::take(&mut self.current);
        let over = core::mem::replace(&mut self.previous, current);
        if !over.ids.is_empty() {
            self.forgotten = self.forgotten.max(Some(over.keep_until));
        }
    }
}

impl Default for NonceWindow {
    /// A window of [`DEFAULT_NONCE_CAPACITY`] and [`DEFAULT_NONCE_SECONDS`].
    fn default() -> Self {
        Self::new(DEFAULT_NONCE_CAPACITY, DEFAULT_NONCE_SECONDS)
    }
}

impl fmt::Debug for NonceWindow {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("NonceWindow").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// Ids in the order in which they came, and a table of their places.
#[derive(Default)]
struct Generation {
    ids: Vec<[u8; 32]>,
    /// Open addressing with linear probing, at most half full; the place of an id plus one, or 0.
    slots: Vec<u32>,
    /// The latest of all entries.
    keep_until: u64,
}

impl Generation {
    fn contains(&self, id: &[u8; 32]) -> bool {
        probes(self.slots.len(), id)
            .map_while(|slot| {
                self.slots.get(slot).and_then(|&place| self.ids.get((place as usize).checked_sub(1)?))
            })
            .any(|present| present == id)
    }

    /// Puts in what is not there; false if there is no room.
    fn insert(&mut self, entry: &ReplayEntry, capacity: usize) -> bool {
        if self.ids.len() >= capacity || self.ids.try_reserve(1).is_err() {
            return false;
        }
        let half_full = self.ids.len() >= self.slots.len() / 2;
        if (half_full || !take_slot(&mut self.slots, &entry.id, self.ids.len()))
            && !self.grow(&entry.id, capacity)
        {
            return false;
        }
        self.ids.push(entry.id);
        self.keep_until = self.keep_until.max(entry.keep_until);
        true
    }

    /// Makes the table larger until this id has a slot in it, too. At its final size it is left as it is.
    #[cold]
    #[inline(never)]
    fn grow(&mut self, next: &[u8; 32], capacity: usize) -> bool {
        let most = capacity.saturating_mul(2).next_power_of_two().max(FIRST_SLOTS);
        while self.slots.len() < most {
            let len = self.slots.len().saturating_mul(2).max(FIRST_SLOTS);
            let mut slots = Vec::new();
            if slots.try_reserve_exact(len).is_err() {
                return false;
            }
            slots.resize(len, 0);
            // Put in as they came, none is farther from its home than in the smaller table: what was taken before it here
            // was taken there, too.
            let mut ids = self.ids.iter().enumerate();
            if !ids.all(|(place, id)| take_slot(&mut slots, id, place)) {
                return false;
            }
            self.slots = slots;
            if take_slot(&mut self.slots, next, self.ids.len()) {
                return true;
            }
        }
        false
    }
}

/// The slots at which an id may be, in a table of this length, a power of two or 0.
fn probes(len: usize, id: &[u8; 32]) -> impl Iterator<Item = usize> {
    let [a, b, c, d, ..] = *id;
    let home = u32::from_le_bytes([a, b, c, d]) as usize;
    let mask = len.wrapping_sub(1);
    (0..MOST_PROBES.min(len)).map(move |step| home.wrapping_add(step) & mask)
}

/// Gives the id at this place a slot; false if there is none for it.
fn take_slot(slots: &mut [u32], id: &[u8; 32], place: usize) -> bool {
    let free = probes(slots.len(), id).find(|&slot| slots.get(slot) == Some(&0));
    match free.and_then(|slot| slots.get_mut(slot)) {
        Some(slot) => {
            // No generation has more than `MOST_NONCES`.
            *slot = (place as u32).saturating_add(1);
            true
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ReplayAnswer::{Fresh, Seen, Unavailable};
    use proptest::prelude::*;
    use std::{format, string::String, vec};

    fn entry(nonce: u64, keep_until: u64) -> ReplayEntry {
        ReplayEntry::new(b"key", &nonce.to_be_bytes(), keep_until)
    }

    /// An entry whose id begins with these four bytes, as one who searches would find it.
    fn chosen(start: u32, nonce: u64, keep_until: u64) -> ReplayEntry {
        let mut entry = entry(nonce, keep_until);
        entry.id[..4].copy_from_slice(&start.to_le_bytes());
        entry
    }

    #[test]
    fn an_id_is_the_hash_of_length_key_and_nonce() {
        // printf '\0\0\0\0\0\0\0\3keynonce' | sha256sum
        let id: String =
            ReplayEntry::new(b"key", b"nonce", 0).id.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(id, "fc7e9622dfb85df96ec0b995206001927b831b74ca575e3063e3f2ca20a037f0");
    }

    #[test]
    fn a_nonce_is_fresh_once_and_one_of_its_key_alone() {
        let mut window = NonceWindow::default();
        assert!(window.is_empty());
        assert_eq!(window.check_and_insert(&entry(1, 1300), 1000), Fresh);
        assert_eq!(window.check_and_insert(&entry(1, 1300), 1000), Seen);
        assert_eq!(window.check_and_insert(&entry(1, 1301), 1000), Seen, "whatever its time");
        let other = ReplayEntry::new(b"kez", &1_u64.to_be_bytes(), 1300);
        assert_eq!(window.check_and_insert(&other, 1000), Fresh);
        let moved = ReplayEntry::new(b"ke", b"y\0\0\0\0\0\0\0\x01", 1300);
        assert_eq!(window.check_and_insert(&moved, 1000), Fresh);
        assert_eq!(window.len(), 3);
        assert_eq!(format!("{window:?}"), "NonceWindow { len: 3, .. }");
    }

    #[test]
    fn it_remembers_to_the_last_second_and_promises_no_more() {
        let mut window = NonceWindow::new(10, 100);
        assert_eq!(window.check_and_insert(&entry(1, 1101), 1000), Unavailable);
        assert_eq!(window.check_and_insert(&entry(1, 1100), 1000), Fresh);
        assert_eq!(window.check_and_insert(&entry(2, 1199), 1099), Fresh);
        assert_eq!(window.check_and_insert(&entry(1, 1100), 1100), Seen, "in the previous generation");
        assert_eq!(window.check_and_insert(&entry(2, 1199), 1199), Seen);
        assert_eq!(window.check_and_insert(&entry(3, 1300), 1200), Fresh);
        assert_eq!(window.len(), 1);
        assert_eq!(window.check_and_insert(&entry(2, 1199), 1200), Unavailable, "forgotten is not fresh");
        assert_eq!(window.check_and_insert(&entry(2, 1300), 1200), Fresh, "another request");
    }

    #[test]
    fn a_full_generation_denies_and_still_knows_what_it_has() {
        let mut window = NonceWindow::new(3, 100);
        for nonce in 0..3 {
            assert_eq!(window.check_and_insert(&entry(nonce, 1100), 1000), Fresh);
        }
        assert_eq!(window.check_and_insert(&entry(3, 1100), 1050), Unavailable);
        assert_eq!(window.check_and_insert(&entry(0, 1100), 1050), Seen);
        assert_eq!(window.check_and_insert(&entry(3, 1200), 1100), Fresh, "there is room in the next one");
        assert_eq!(window.len(), 4);
        assert_eq!(NonceWindow::new(0, 100).check_and_insert(&entry(0, 1), 1), Unavailable);
    }

    #[test]
    fn a_clock_that_jumps_lets_nothing_in_again() {
        let mut window = NonceWindow::new(10, 100);
        assert_eq!(window.check_and_insert(&entry(1, 1100), 1000), Fresh);
        assert_eq!(window.check_and_insert(&entry(2, 900_100), 900_000), Fresh);
        assert_eq!(window.len(), 1, "both generations were over");
        assert_eq!(window.check_and_insert(&entry(1, 1100), 1001), Unavailable);
        assert_eq!(
            window.check_and_insert(&entry(3, 1101), 1001),
            Fresh,
            "it cannot be one that was forgotten"
        );
        assert_eq!(window.check_and_insert(&entry(3, 1101), 1001), Seen);
        assert_eq!(window.check_and_insert(&entry(4, u64::MAX), u64::MAX), Fresh);
        assert_eq!(window.check_and_insert(&entry(4, u64::MAX), 0), Seen);
    }

    #[test]
    fn chosen_ids_cost_bounded_work_and_deny_only_their_like() {
        let mut window = NonceWindow::new(4096, 100);
        let most = MOST_PROBES as u64;
        for nonce in 0..most {
            assert_eq!(window.check_and_insert(&chosen(7, nonce, 1100), 1000), Fresh, "{nonce}");
        }
        assert_eq!(window.check_and_insert(&chosen(7, most, 1100), 1000), Unavailable);
        assert_eq!(window.current.slots.len(), 8192, "it has grown once, and as far as it may");
        assert_eq!(window.len(), MOST_PROBES);
        assert_eq!(window.check_and_insert(&chosen(7, 3, 1100), 1000), Seen);
        let others = (0..2000).map(|nonce| window.check_and_insert(&entry(nonce, 1100), 1000));
        let denied = others.filter(|answer| *answer != Fresh).count();
        assert!(denied <= 10, "{denied} of 2000 others are denied");
    }

    #[test]
    fn ids_that_wrap_around_the_table_are_found() {
        let mut window = NonceWindow::new(20, 100);
        for nonce in 0..20 {
            assert_eq!(window.check_and_insert(&chosen(u32::MAX, nonce, 1100), 1000), Fresh);
        }
        for nonce in 0..20 {
            assert_eq!(window.check_and_insert(&chosen(u32::MAX, nonce, 1100), 1000), Seen);
        }
    }

    #[test]
    fn the_default_takes_what_it_says_and_no_more_memory() {
        let mut window = NonceWindow::default();
        for nonce in 0..DEFAULT_NONCE_CAPACITY as u64 {
            assert_eq!(window.check_and_insert(&entry(nonce, 1330), 1000), Fresh);
        }
        assert_eq!(window.check_and_insert(&entry(u64::MAX, 1330), 1000), Unavailable);
        let bytes = |of: &Generation| of.ids.capacity() * 32 + of.slots.capacity() * 4;
        assert_eq!(bytes(&window.current), 40 * DEFAULT_NONCE_CAPACITY);
        assert_eq!(window.check_and_insert(&entry(0, 1990), 1660), Fresh);
        assert!(bytes(&window.current) + bytes(&window.previous) < 1000, "what is forgotten is freed");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]
        #[test]
        fn it_answers_as_a_list_of_everything_would(
            steps in prop::collection::vec(
                (0_u64..12, -2_i64..14, prop_oneof![8 => -3_i64..8, 1 => -40_i64..0, 1 => 0_i64..60]), 1..200
            ),
            capacity in 1_usize..9,
            keep_for in 1_u32..12,
        ) {
            let mut window = NonceWindow::new(capacity, keep_for);
            let (mut time, mut clock) = (1000_i64, 0_u64);
            // All that was ever taken: id, until when, and the clock then.
            let mut taken: Vec<([u8; 32], u64, u64)> = vec![];
            for (nonce, ahead, step) in steps {
                time = (time + step).max(0);
                clock = clock.max(time as u64);
                let entry = entry(nonce, (time + ahead).max(0) as u64);
                let answer = window.check_and_insert(&entry, time as u64);
                let same = taken.iter().filter(|(id, ..)| *id == entry.id);
                let must_know = same.clone().any(|&(_, until, _)| until >= clock);
                let may_know = same.clone().any(|&(_, _, at)| clock < at + 2 * u64::from(keep_for));
                let same_request = same.clone().any(|&(_, until, _)| until == entry.keep_until);
                let promised = clock + u64::from(keep_for);
                // How many may be in the current generation.
                let recent = taken.iter().filter(|&&(_, _, at)| clock < at + u64::from(keep_for)).count();
                match answer {
                    Seen => prop_assert!(may_know),
                    Fresh => {
                        prop_assert!(!must_know && !same_request && entry.keep_until <= promised);
                        taken.push((entry.id, entry.keep_until, clock));
                    }
                    Unavailable => {
                        prop_assert!(!must_know);
                        let good = entry.keep_until > clock && entry.keep_until <= promised;
                        prop_assert!(!good || recent >= capacity, "denied without a reason");
                    }
                }
                prop_assert!(window.len() <= 2 * capacity);
            }
        }
    }
}
