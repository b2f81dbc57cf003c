//! Counting the use of keys, in bounded memory, for reports to the admin side. It does not send them anywhere.

use crate::key_id::KeyId;
use alloc::vec::Vec;

/// How a key was used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct KeyUsage {
    /// The public id of the key.
    #[cfg_attr(feature = "serde", serde(alias = "keyId"))]
    pub key_id: KeyId,
    /// How often; it stays at its maximum when it gets there.
    pub count: u32,
    /// When last, in Unix seconds.
    #[cfg_attr(feature = "serde", serde(alias = "lastUsedAt"))]
    pub last_used_at: u64,
}

/// What was seen of the use of keys, and the time of which that is everything.
///
/// The report of the admin side takes it as it is, and the same batch twice if its arrival was not confirmed. As JSON it
/// has these names; those of the npm package (`keyId`, `lastUsedAt`) are read, too.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct UsageBatch {
    /// The beginning of the time of which everything was told when this batch is taken, in Unix seconds.
    pub from: u64,
    /// The end of that time, exclusive. If it equals `from`, the batch tells uses and covers no time.
    pub until: u64,
    /// The keys that were used, each once.
    pub uses: Vec<KeyUsage>,
    /// How many uses were not counted, because there was no room for another key.
    pub lost: u64,
}

impl UsageBatch {
    /// The same in batches of at most `most_uses` uses, for reports that have a limit. Only the last one covers time: it is
    /// to be reported after the others.
    #[must_use]
    pub fn split(self, most_uses: usize) -> Vec<Self> {
        let Self { from, until, uses, lost } = self;
        let parts = uses.chunks(most_uses.max(1));
        let mut parts: Vec<Self> =
            parts.map(|uses| Self { from, until: from, uses: uses.to_vec(), lost: 0 }).collect();
        if parts.is_empty() {
            parts.push(Self { from, until, uses, lost });
        } else if let Some(last) = parts.last_mut() {
            (last.until, last.lost) = (until, lost);
        }
        parts
    }
}

/// Counts uses by key and remembers the last one, for at most as many keys as it is told to.
///
/// When there is no room for another key, uses of those that are there still count. What is lost then is told: as a
/// number, and by a gap in the time of which everything is said.
///
/// ```
/// use claviger_core::{KeyId, UsageRecorder};
///
/// let mut usage = UsageRecorder::new(10_000, 1_790_000_000);
/// usage.record(KeyId::from_u64(42), 1_790_000_003);
/// usage.record(KeyId::from_u64(42), 1_790_000_005);
/// let batch = usage.drain(1_790_000_060).ok_or("nothing")?;
/// assert_eq!((batch.from, batch.until), (1_790_000_000, 1_790_000_060));
/// assert_eq!((batch.uses[0].count, batch.uses[0].last_used_at), (2, 1_790_000_005));
/// # Ok::<(), &str>(())
/// ```
#[derive(Clone, Debug)]
pub struct UsageRecorder {
    /// Open addressing with linear probing, at most half full; a count of 0 is a free place.
    places: Vec<KeyUsage>,
    keys: usize,
    most_keys: usize,
    from: u64,
    lost: u64,
    lost_at: u64,
}

const FREE: KeyUsage = KeyUsage { key_id: KeyId::from_u64(0), count: 0, last_used_at: 0 };
const FIRST_PLACES: usize = 64;

impl UsageRecorder {
    /// A recorder for at most `most_keys` keys between two [drains](Self::drain), 48 to 96 bytes each, that sees everything
    /// from `now` on (Unix seconds).
    #[must_use]
    pub const fn new(most_keys: usize, now: u64) -> Self {
        Self { places: Vec::new(), keys: 0, most_keys, from: now, lost: 0, lost_at: 0 }
    }

    /// Counts a use of a key at `now`, in Unix seconds.
    #[inline]
    pub fn record(&mut self, key_id: KeyId, now: u64) {
        self.add(KeyUsage { key_id, count: 1, last_used_at: now });
    }

    /// How many keys were used since the last drain.
    #[must_use]
    pub const fn keys(&self) -> usize {
        self.keys
    }

    #[inline]
    fn add(&mut self, usage: KeyUsage) {
        if let Some(present) = self.place(usage.key_id)
            && present.count != 0
        {
            present.count = present.count.saturating_add(usage.count);
            present.last_used_at = present.last_used_at.max(usage.last_used_at);
            return;
        }
        self.add_key(usage);
    }

    #[cold]
    #[inline(never)]
    fn add_key(&mut self, usage: KeyUsage) {
        let room = self.keys < self.most_keys && self.make_room();
        let place = if room { self.place(usage.key_id) } else { None };
        match place {
            Some(place) => {
                *place = usage;
                self.keys = self.keys.saturating_add(1);
            }
            None => {
                self.lost = self.lost.saturating_add(usage.count.into());
                self.lost_at = self.lost_at.max(usage.last_used_at);
            }
        }
    }

    /// Whether there is a place for another key.
    fn make_room(&mut self) -> bool {
        if self.keys < self.places.len() / 2 {
            return true;
        }
        let len = self.places.len().saturating_mul(2).max(FIRST_PLACES);
        let mut places = Vec::new();
        if places.try_reserve_exact(len).is_err() {
            return false;
        }
        places.resize(len, FREE);
        let before = core::mem::replace(&mut self.places, places);
        for usage in before.into_iter().filter(|usage| usage.count != 0) {
            if let Some(place) = self.place(usage.key_id) {
                *place = usage;
            }
        }
        true
    }

    /// Where a key is, or the free place where it would be.
    #[inline]
    fn place(&mut self, key_id: KeyId) -> Option<&mut KeyUsage> {
        let mask = self.places.len().wrapping_sub(1);
        // Ids are random, but an issuer of another kind may count.
        let mut index = (key_id.as_u64().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize & mask;
        loop {
            let usage = self.places.get(index)?;
            if usage.count == 0 || usage.key_id == key_id {
                return self.places.get_mut(index);
            }
            index = index.wrapping_add(1) & mask;
        }
    }

    /// Gives out everything that was seen and begins anew at `now` (Unix seconds); `None` if there is nothing to tell.
    ///
    /// Uses in the second `now` may be in this batch or in the next one, which covers it. Keep the batch until its arrival
    /// is confirmed.
    #[must_use = "what is drained is told here alone"]
    pub fn drain(&mut self, now: u64) -> Option<UsageBatch> {
        let until = now.max(self.from);
        let from =
            if self.lost > 0 { self.lost_at.saturating_add(1).clamp(self.from, until) } else { self.from };
        let before = core::mem::replace(self, Self::new(self.most_keys, until));
        let uses: Vec<KeyUsage> = before.places.into_iter().filter(|usage| usage.count != 0).collect();
        let nothing = uses.is_empty() && from == until && before.lost == 0;
        (!nothing).then_some(UsageBatch { from, until, uses, lost: before.lost })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn id(number: u64) -> KeyId {
        KeyId::from_u64(number)
    }

    fn sorted(batch: &UsageBatch) -> Vec<(u64, u32, u64)> {
        let uses = batch.uses.iter();
        let mut uses: Vec<_> =
            uses.map(|usage| (usage.key_id.as_u64(), usage.count, usage.last_used_at)).collect();
        uses.sort_unstable();
        uses
    }

    #[test]
    fn time_is_covered_without_a_gap_and_by_the_last_part_alone() {
        let mut usage = UsageRecorder::new(100, 10);
        assert_eq!(usage.drain(10), None);
        for key in 0..5 {
            usage.record(id(key), 12);
        }
        let parts = usage.drain(20).unwrap().split(2);
        let covered: Vec<_> = parts.iter().map(|batch| (batch.from, batch.until, batch.uses.len())).collect();
        assert_eq!(covered, [(10, 10, 2), (10, 10, 2), (10, 20, 1)]);
        let next = usage.drain(25).unwrap();
        assert_eq!((next.from, next.until, next.uses.len()), (20, 25, 0));
        assert_eq!(next.clone().split(2), [next]);
        assert_eq!(usage.drain(24), None, "a clock that goes back covers nothing");
        assert_eq!(usage.drain(30).unwrap().from, 25);
    }

    #[test]
    fn what_has_no_room_is_told_as_lost_and_leaves_a_gap() {
        let mut usage = UsageRecorder::new(3, 10);
        for key in 0..5 {
            usage.record(id(key), 12);
        }
        usage.record(id(1), 15);
        let batch = usage.drain(20).unwrap();
        assert_eq!((batch.from, batch.until, batch.lost), (13, 20, 2));
        assert_eq!(sorted(&batch), [(0, 1, 12), (1, 2, 15), (2, 1, 12)]);
        assert_eq!(batch.split(2).iter().map(|part| part.lost).collect::<Vec<_>>(), [0, 2]);
        assert_eq!(usage.drain(21).unwrap().from, 20, "and from then on everything is told again");

        let mut none = UsageRecorder::new(0, 10);
        none.record(id(1), 25);
        let batch = none.drain(20).unwrap();
        assert_eq!((batch.from, batch.until, batch.lost), (20, 20, 1));
    }

    proptest! {
        #[test]
        fn it_counts_as_a_map_does(
            uses in proptest::collection::vec((0_u64..300, 0_u64..50), 0..2000), most in 1_usize..400
        ) {
            let mut usage = UsageRecorder::new(most, 0);
            let mut model: BTreeMap<u64, (u32, u64)> = BTreeMap::new();
            let mut lost = 0;
            for &(key, at) in &uses {
                usage.record(id(key << 40), at);
                let room = model.len() < most;
                match model.get_mut(&(key << 40)) {
                    Some((count, last)) => (*count, *last) = (*count + 1, at.max(*last)),
                    None if room => drop(model.insert(key << 40, (1, at))),
                    None => lost += 1,
                }
            }
            prop_assert_eq!(usage.keys(), model.len());
            let batch = usage.drain(50).unwrap();
            let expected: Vec<_> = model.iter().map(|(&key, &(count, at))| (key, count, at)).collect();
            prop_assert_eq!(sorted(&batch), expected);
            prop_assert_eq!(batch.lost, lost);
            prop_assert_eq!(usage.keys(), 0);
        }
    }
}
