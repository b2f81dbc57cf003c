//! Which parts go when those that are here take too much memory.
//!
//! A part that nobody has proved a key with is on probation, and goes first, the oldest before the others: whoever makes
//! up ids makes parts come, and never makes one go that real requests use. A part that proven requests use is kept; of
//! these the oldest goes first that nobody has used since parts were last looked at in this way. Parts on probation
//! always have a sixteenth of the room or more, so that what begins to be used can be kept.

use super::{
    open::Keyring,
    slots::{KEPT, Slot, USED},
};
use alloc::vec::Vec;
use core::sync::atomic::Ordering::Relaxed;

/// So many parts never go that came last: one verdict may need them one after the other.
const YOUNGEST: u32 = 8;

/// A part that is here, by its place.
struct Candidate {
    place: usize,
    size: usize,
    number: u32,
    kept: bool,
}

/// How many bytes of memory the parts take that are here.
pub(super) fn size(slots: &[Slot]) -> usize {
    slots.iter().filter_map(Slot::get).fold(0, |size, part| size.saturating_add(part.size()))
}

/// Takes out the one that came first.
#[inline]
fn oldest(candidates: &mut Vec<Candidate>, kept: bool) -> Option<Candidate> {
    let mut found: Option<(usize, u32)> = None;
    for (index, candidate) in candidates.iter().enumerate() {
        if candidate.kept == kept && found.is_none_or(|(_, number)| candidate.number < number) {
            found = Some((index, candidate.number));
        }
    }
    found.map(|(index, _)| candidates.swap_remove(index))
}

impl Keyring {
    /// Gives parts up until those that are left take less than `limit` bytes of memory, or are the youngest ones.
    #[inline]
    pub(crate) fn evict(&mut self, limit: usize) {
        let mut total = self.held();
        let next = self.inserted.load(Relaxed);
        let mut total_kept: usize = 0;
        let mut candidates = Vec::new();
        for (place, slot) in self.slots.iter().enumerate() {
            let Some(part) = slot.get() else { continue };
            let (size, number) = (part.size(), slot.number());
            if slot.marks() & (USED | KEPT) == USED {
                slot.keep();
            }
            let kept = slot.marks() & KEPT != 0;
            if kept {
                total_kept = total_kept.saturating_add(size);
            }
            if next.wrapping_sub(number) > YOUNGEST {
                candidates.push(Candidate { place, size, number, kept });
            }
        }
        let most_kept = limit.saturating_sub(limit / 8);
        while total_kept > most_kept
            && let Some(mut candidate) = oldest(&mut candidates, true)
            && let Some(slot) = self.slots.get_mut(candidate.place)
        {
            if slot.marks() & USED != 0 {
                // It goes on as the last in the row, and has to be used again by the next time.
                slot.keep();
                candidate.number = self.inserted.fetch_add(1, Relaxed);
                slot.set_number(candidate.number);
                candidates.push(candidate);
            } else {
                slot.clear();
                total_kept = total_kept.saturating_sub(candidate.size);
                total = total.saturating_sub(candidate.size);
            }
        }
        while total > limit.saturating_sub(limit / 16)
            && let Some(candidate) = oldest(&mut candidates, false)
            && let Some(slot) = self.slots.get_mut(candidate.place)
        {
            slot.clear();
            total = total.saturating_sub(candidate.size);
        }
        *self.held.get_mut() = total;
    }

    /// Gives up every part of an earlier keyring but those for which `next` still awaits its own, and those that `next` has,
    /// too, which take no memory here.
    #[inline]
    pub(crate) fn give_up_all_but_awaited(&mut self, next: &Self) {
        let comparable = self.root.bucket_bits == next.root.bucket_bits;
        let shared = self.shares_parts(next);
        let hashes = self.root.part_hashes().zip(next.root.part_hashes());
        let mut keep = hashes.zip(&next.slots).map(|((hash, hash_next), slot)| {
            comparable && slot.is_awaited() || shared && hash == hash_next && slot.get().is_some()
        });
        for slot in &mut self.slots {
            if !keep.next().unwrap_or(false) {
                slot.clear();
            }
        }
        *self.held.get_mut() = size(&self.slots);
    }
}
