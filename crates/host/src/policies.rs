//! Policies that were checked already: whose key it is stays the same from request to request.

use claviger_core::Policy;
use std::borrow::Cow;

/// How many are remembered: together at most a megabyte.
const SLOTS: usize = 64;

/// The policies that an instance gave last, each in the slot of its index.
pub(crate) struct CheckedPolicies {
    slots: [Option<Policy<'static>>; SLOTS],
}

impl CheckedPolicies {
    pub(crate) const fn new() -> Self {
        Self { slots: [const { None }; SLOTS] }
    }

    /// The policy of these bytes; `None` if they are none. `index` only says where to look: the bytes decide.
    #[inline]
    pub(crate) fn policy(&mut self, index: u32, bytes: &[u8]) -> Option<Policy<'static>> {
        let slot = self.slots.get_mut(index as usize % SLOTS)?;
        if let Some(known) = slot.as_ref().filter(|known| known.as_bytes() == bytes) {
            return Some(known.clone());
        }
        let checked = Policy::from_bytes(Cow::Owned(bytes.to_vec()))?;
        *slot = Some(checked.clone());
        Some(checked)
    }
}
