//! Which names of a dictionary or of parameters are there already.

use alloc::vec::Vec;

/// Up to so many names are looked through one by one.
const FEW: usize = 16;

/// Names in sorted order, for when there are many of them.
#[derive(Default)]
pub(super) struct SortedNames(Vec<u16>);

impl SortedNames {
    /// Begins anew.
    #[inline]
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Where among `len` different names one is. It is asked about each name before that is added; the order of those that are
    /// there is made as soon as there are more than a few.
    #[inline]
    pub(super) fn find<'t>(
        &mut self,
        name_at: &dyn Fn(usize) -> Option<&'t [u8]>,
        len: usize,
        name: &[u8],
    ) -> Option<usize> {
        if len < FEW {
            return (0..len).find(|&place| name_at(place) == Some(name));
        }
        let sorted = &mut self.0;
        loop {
            let place = sorted.len();
            let sought = if place < len { name_at(place)? } else { name };
            let rank = sorted.binary_search_by(|&place| name_at(usize::from(place)).cmp(&Some(sought)));
            if place >= len {
                return sorted.get(rank.ok()?).copied().map(usize::from);
            }
            let (Ok(rank) | Err(rank)) = rank;
            let mut next = place as u16;
            for place in sorted.iter_mut().skip(rank) {
                next = core::mem::replace(place, next);
            }
            sorted.push(next);
        }
    }
}
