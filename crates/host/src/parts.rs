//! The parts of keyrings that were put in one by one, by their SHA-256: for instances that have yet to need them, and for
//! keyrings to come that have the same parts. And those that are on their way.

use claviger_core::{NeededPart, PartHash};
use sha2::{Digest, Sha256};
use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

/// So many parts stay that came last: one verdict may need them one after the other.
const YOUNGEST: usize = 8;

/// Parts of this host, for all of its instances.
#[derive(Default)]
pub(crate) struct Parts(RwLock<State>);

#[derive(Default)]
struct State {
    by_hash: HashMap<PartHash, Arc<[u8]>>,
    /// In the order in which they came.
    order: VecDeque<PartHash>,
    size: usize,
    /// How many bytes there may be; `None` for any number.
    limit: Option<usize>,
    /// The parts of the present keyring, and of those before it that may still decide.
    named: VecDeque<HashSet<PartHash>>,
    /// Parts of these keyrings that were here, whether or not they still are.
    seen: HashSet<PartHash>,
    /// Parts of these keyrings that are on their way.
    awaited: HashMap<PartHash, NeededPart>,
}

/// Of so many keyrings it is remembered which parts were here: as many as an instance has.
const MOST_KEYRINGS: usize = 5;

impl State {
    fn is_named(&self, hash: &PartHash) -> bool {
        self.named.iter().any(|named| named.contains(hash))
    }

    fn make_room(&mut self) {
        let Some(limit) = self.limit else { return };
        while self.size > limit
            && self.order.len() > YOUNGEST
            && let Some(part) = self.order.pop_front().and_then(|oldest| self.by_hash.remove(&oldest))
        {
            self.size = self.size.saturating_sub(part.len());
        }
    }
}

impl Parts {
    /// The state is changed in steps that leave it sound, whatever a thread died of.
    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn get(&self, hash: &PartHash) -> Option<Arc<[u8]>> {
        self.read().by_hash.get(hash).cloned()
    }

    /// Keeps a part that an instance has taken.
    pub(crate) fn keep(&self, part: &[u8]) {
        let hash: PartHash = Sha256::digest(part).into();
        let mut state = self.write();
        state.awaited.remove(&hash);
        if state.is_named(&hash) {
            state.seen.insert(hash);
        }
        if state.by_hash.insert(hash, part.into()).is_none() {
            state.order.push_back(hash);
            state.size = state.size.saturating_add(part.len());
        }
        state.make_room();
    }

    /// Keeps at most so many bytes, from now on.
    pub(crate) fn set_limit(&self, limit: usize) {
        if self.limit() != Some(limit) {
            self.write().limit = Some(limit);
        }
        if self.read().size > limit {
            self.write().make_room();
        }
    }

    pub(crate) fn limit(&self) -> Option<usize> {
        self.read().limit
    }

    /// Notes that a part is on its way, unless it was here before.
    pub(crate) fn wait_for(&self, part: &NeededPart) {
        let mut state = self.write();
        if state.is_named(&part.hash) && !state.seen.contains(&part.hash) {
            state.awaited.insert(part.hash, *part);
        }
    }

    pub(crate) fn is_awaited(&self, hash: &PartHash) -> bool {
        self.read().awaited.contains_key(hash)
    }

    /// The parts of the present keyring that are on their way.
    pub(crate) fn awaited(&self) -> Vec<NeededPart> {
        let state = self.read();
        let Some(named) = state.named.front() else { return Vec::new() };
        state.awaited.values().filter(|part| named.contains(&part.hash)).copied().collect()
    }

    /// Forgets what concerns neither the keyring with these `parts` nor one shortly before it, and waits for those that
    /// `changed`: there the hash of the part before stands beside each.
    pub(crate) fn follow(
        &self,
        parts: HashSet<PartHash>,
        changed: impl Iterator<Item = (PartHash, NeededPart)>,
    ) {
        let mut state = self.write();
        let State { by_hash, awaited, seen, named, .. } = &mut *state;
        let wanted: Vec<NeededPart> = changed
            .filter(|(before, part)| {
                let was_here = by_hash.contains_key(before) || awaited.contains_key(before);
                was_here && !by_hash.contains_key(&part.hash) && !seen.contains(&part.hash)
            })
            .map(|(_, part)| part)
            .collect();
        named.push_front(parts);
        named.truncate(MOST_KEYRINGS);
        let is_named = |hash: &PartHash| named.iter().any(|named| named.contains(hash));
        awaited.retain(|hash, _| is_named(hash));
        seen.retain(is_named);
        awaited.extend(wanted.into_iter().map(|part| (part.hash, part)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use claviger_core::PartKind;

    fn needed(hash: PartHash) -> NeededPart {
        NeededPart { part: PartKind::Chunk, index: 0, hash, in_bundle: None }
    }

    #[test]
    fn what_came_first_goes_first_and_is_not_awaited_again() {
        let parts = Parts::default();
        let part = |number: u8| vec![number; 100];
        let hash = |number: u8| -> PartHash { Sha256::digest(part(number)).into() };
        parts.follow((0..30).map(hash).collect(), std::iter::empty());
        (0..20).for_each(|number| parts.keep(&part(number)));
        assert!(parts.get(&hash(0)).is_some(), "there is no limit yet");
        parts.set_limit(1000);
        let here = || (0..30).filter(|&number| parts.get(&hash(number)).is_some()).collect::<Vec<u8>>();
        assert_eq!(here(), [10, 11, 12, 13, 14, 15, 16, 17, 18, 19]);
        parts.keep(&part(18));
        parts.keep(&part(21));
        assert_eq!(here(), [11, 12, 13, 14, 15, 16, 17, 18, 19, 21]);
        parts.set_limit(0);
        assert_eq!(here(), [13, 14, 15, 16, 17, 18, 19, 21], "the last eight stay");
        parts.wait_for(&needed(hash(0)));
        assert!(!parts.is_awaited(&hash(0)), "it was here");
        parts.wait_for(&needed(hash(22)));
        assert_eq!(parts.awaited(), [needed(hash(22))]);
        parts.keep(&part(22));
        assert_eq!(parts.awaited(), []);
    }
}
