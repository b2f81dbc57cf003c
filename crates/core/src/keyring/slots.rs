//! The places of a keyring's parts: put in, used by proven requests, awaited, and given up.

use super::{
    chunk::Chunk,
    page::Page,
    root::{Hash, NO_PART},
};
use alloc::boxed::Box;
use core::sync::atomic::{AtomicU8, AtomicU32, Ordering::Relaxed};
use once_cell::race::OnceBox;

/// A proven request has used the part since that was last looked at.
pub(super) const USED: u8 = 1;
/// The part is off probation: proven requests have used it.
pub(super) const KEPT: u8 = 2;
/// The part was here, under this hash, whether or not it still is.
const SEEN: u8 = 4;
/// Somebody fetches the part, and it may not be there yet.
const AWAITED: u8 = 8;
/// A later keyring has said something else in its place: what it says here counts no more.
const OVERRULED: u8 = 16;

/// A part, read and checked. Cloning shares it.
#[derive(Clone)]
pub(super) enum Part {
    Chunk(Chunk),
    Page(Page),
}

impl Part {
    /// How many bytes of memory it takes.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Chunk(chunk) => chunk.size(),
            Self::Page(page) => page.size(),
        }
    }
}

/// The place of a part, whether or not it is here.
pub(super) struct Slot {
    part: OnceBox<Part>,
    /// The number that the part got when it came.
    number: AtomicU32,
    marks: AtomicU8,
}

impl Clone for Slot {
    fn clone(&self) -> Self {
        let copy = Self::with(self.marks());
        if let Some(part) = self.part.get() {
            copy.put(part.clone(), self.number());
        }
        copy
    }
}

impl Slot {
    const fn with(marks: u8) -> Self {
        Self { part: OnceBox::new(), number: AtomicU32::new(0), marks: AtomicU8::new(marks) }
    }

    #[inline]
    pub(super) fn get(&self) -> Option<&Part> {
        self.part.get()
    }

    #[inline]
    pub(super) fn chunk(&self) -> Option<&Chunk> {
        match self.get() {
            Some(Part::Chunk(chunk)) => Some(chunk),
            _ => None,
        }
    }

    #[inline]
    pub(super) fn page(&self) -> Option<&Page> {
        match self.get() {
            Some(Part::Page(page)) => Some(page),
            _ => None,
        }
    }

    /// Puts a part in; whether there was none.
    pub(super) fn put(&self, part: Part, number: u32) -> bool {
        let put = self.part.set(Box::new(part)).is_ok();
        if put {
            self.set_number(number);
        }
        self.marks.fetch_or(SEEN, Relaxed);
        put
    }

    pub(super) fn marks(&self) -> u8 {
        self.marks.load(Relaxed)
    }

    pub(super) fn number(&self) -> u32 {
        self.number.load(Relaxed)
    }

    pub(super) fn set_number(&self, number: u32) {
        self.number.store(number, Relaxed);
    }

    /// Notes that a proven request has used the part.
    #[inline]
    pub(super) fn mark_used(&self) {
        // Most of the time somebody has, and then the line stays shared between processors.
        if self.marks() & USED == 0 {
            self.marks.fetch_or(USED, Relaxed);
        }
    }

    /// Takes the part off probation, and looks anew at whether it is used.
    pub(super) fn keep(&self) {
        self.marks.fetch_or(KEPT, Relaxed);
        self.marks.fetch_and(!USED, Relaxed);
    }

    /// Notes that a later keyring has said something else.
    pub(super) fn overrule(&self) {
        self.marks.fetch_or(OVERRULED, Relaxed);
    }

    #[inline]
    pub(super) fn is_overruled(&self) -> bool {
        self.marks() & OVERRULED != 0
    }

    /// Notes that somebody fetches the part.
    pub(super) fn mark_awaited(&self) {
        self.marks.fetch_or(AWAITED, Relaxed);
    }

    /// Whether the part is fetched, and was never here.
    pub(super) fn is_awaited(&self) -> bool {
        self.marks() & (AWAITED | SEEN) == AWAITED
    }

    /// Gives the part up.
    pub(super) fn clear(&mut self) {
        *self = Self::with(self.marks() & (SEEN | OVERRULED));
    }
}

/// So many empty slots.
pub(super) fn empty(len: usize) -> Box<[Slot]> {
    (0..len).map(|_| Slot::with(0)).collect()
}

/// Takes over what an earlier keyring has of every part that did not change.
pub(super) fn adopt<'h>(
    slots: &mut [Slot],
    hashes: impl Iterator<Item = &'h Hash>,
    before: &[Slot],
    hashes_before: impl Iterator<Item = &'h Hash>,
) {
    for ((slot, hash), (before, hash_before)) in
        slots.iter_mut().zip(hashes).zip(before.iter().zip(hashes_before))
    {
        if hash == hash_before {
            *slot = before.clone();
            *slot.marks.get_mut() &= !OVERRULED;
        }
    }
}

/// Awaits every part that was here, or was awaited, before it changed.
pub(super) fn await_changed<'h>(slots: &[Slot], hashes: impl Iterator<Item = &'h Hash>, before: &[Slot]) {
    for ((slot, hash), before) in slots.iter().zip(hashes).zip(before) {
        let wanted = before.get().is_some() || before.is_awaited();
        if *hash != NO_PART && slot.get().is_none() && wanted {
            slot.mark_awaited();
        }
    }
}
