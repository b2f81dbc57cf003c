//! Policy pages: 256 policies each, found by their index.
//!
//! # The bytes of a page
//!
//! ```text
//!  0  4 ×   "CVGP"
//!  4  u16   format version: 1
//!  6  u16   policies n: 1 to 256
//!  8  u32   page: the policy index of its first policy, divided by 256
//! 12  u32   n + 1 numbers: where each policy starts, counted from the first byte of the page; the last is its length
//!           the policies, one behind the other (see `policy`)
//! ```
//!
//! Numbers are little-endian. A policy of length 0 is a gap: an index that names none any more. One with a flag of a later
//! version, or otherwise unreadable, is like a gap for a reader, and the others are as good as before.

use super::{
    BuildError,
    policy::{self, MAX_POLICY_LEN, Policy},
};
use crate::bytes::{Reader, Writer};
use alloc::{sync::Arc, vec::Vec};

const MAGIC: &[u8; 4] = b"CVGP";
const VERSION: u16 = 1;
const HEAD: usize = 12;
/// Policies of a page.
pub const POLICIES_PER_PAGE: u32 = 256;
/// The longest page.
pub(crate) const MAX_PAGE: usize = HEAD + 257 * 4 + 256 * MAX_POLICY_LEN;

/// A page, ready to be looked up. Cloning shares it.
#[derive(Clone)]
pub(crate) struct Page {
    bytes: Arc<[u8]>,
    /// A bit for each policy that is one.
    good: [u64; 4],
}

impl Page {
    /// Reads a page whose hash was right; `None` if it is not what the format says.
    #[inline(never)]
    pub(crate) fn read(bytes: &[u8], page: u32) -> Option<Self> {
        let mut reader = Reader(bytes);
        let (MAGIC, VERSION, count, named) = (reader.array()?, reader.u16()?, reader.u16()?, reader.u32()?)
        else {
            return None;
        };
        let entries = usize::from(count).saturating_add(1);
        let (starts, _) = reader.slice(entries.saturating_mul(4))?.as_chunks::<4>();
        let mut place = bytes.len().saturating_sub(reader.0.len());
        let mut starts = starts.iter().map(|start| u32::from_le_bytes(*start) as usize);
        if named != page || !(1..=256).contains(&count) || starts.next() != Some(place) {
            return None;
        }
        let mut good = [0; 4];
        for (index, end) in starts.enumerate() {
            let policy = bytes.get(place..end)?;
            if policy::is_well_formed(policy)
                && let Some(word) = good.get_mut(index >> 6)
            {
                *word |= 1 << (index & 63);
            }
            place = end;
        }
        (place == bytes.len()).then(|| Self { bytes: bytes.into(), good })
    }

    /// How many bytes of memory it takes.
    pub(crate) fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The policy with this index in the page.
    #[inline]
    pub(crate) fn policy(&self, index: u8) -> Option<Policy<'_>> {
        if self.good.get(usize::from(index >> 6))? >> (index & 63) & 1 == 0 {
            return None;
        }
        self.bytes_of(index).map(Policy::checked)
    }

    #[inline(always)]
    fn bytes_of(&self, index: u8) -> Option<&[u8]> {
        let place = usize::from(index).saturating_mul(4).saturating_add(HEAD);
        let (start, rest) = self.bytes.get(place..)?.split_first_chunk()?;
        let end = rest.first_chunk()?;
        let (start, end) = (u32::from_le_bytes(*start) as usize, u32::from_le_bytes(*end) as usize);
        self.bytes.get(start..end)
    }

    /// Every policy, and `None` for a gap. Nothing at all if there is one that this version cannot read.
    pub(crate) fn policies(&self) -> Option<Vec<Option<Policy<'static>>>> {
        let read = |index| {
            let policy = self.policy(index).map(Policy::into_owned);
            (policy.is_some() || self.bytes_of(index)?.is_empty()).then_some(policy)
        };
        (0..len(&self.bytes)?).map(|index| read(u8::try_from(index).ok()?)).collect()
    }
}

/// How many policies the page has, gaps included.
pub(crate) fn len(bytes: &[u8]) -> Option<u16> {
    let mut reader = Reader(bytes);
    reader.slice(6)?;
    reader.u16()
}

/// Writes a page; a gap is `None`.
pub(crate) fn write(page: u32, policies: &[Option<Policy<'_>>]) -> Result<Vec<u8>, BuildError> {
    if policies.is_empty() || policies.len() > POLICIES_PER_PAGE as usize {
        return Err(BuildError::PageLength { page, policies: policies.len() });
    }
    let mut writer = Writer::default();
    writer.bytes(MAGIC).u16(VERSION).u16(policies.len() as u16).u32(page);
    let mut place = policies.len().saturating_add(1).saturating_mul(4).saturating_add(HEAD);
    let bytes = |policy: &Option<Policy<'_>>| policy.as_ref().map_or(0, |policy| policy.as_bytes().len());
    writer.u32(place as u32);
    for policy in policies {
        place = place.saturating_add(bytes(policy));
        writer.u32(place as u32);
    }
    for policy in policies.iter().flatten() {
        writer.bytes(policy.as_bytes());
    }
    Ok(writer.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyring::PolicyTerms;

    #[test]
    fn every_bit_and_length_of_a_page() {
        let policy = |owner| {
            let mut terms = PolicyTerms::new("acme_live".parse().unwrap(), "tenant", owner);
            terms.permissions = &["flights:*"];
            Policy::new(&terms).unwrap()
        };
        let good = write(3, &[Some(policy("a")), None, Some(policy("bc"))]).unwrap();
        let owners = |page: &Page| {
            [0, 1, 2, 3, 255].map(|index| page.policy(index).map(|policy| policy.owner().len()))
        };
        assert_eq!(
            Page::read(&good, 3).map(|page| owners(&page)),
            Some([Some(1), None, Some(2), None, None])
        );
        assert!(Page::read(&good, 4).is_none());
        assert_eq!(len(&good), Some(3));
        for bit in 0..good.len() * 8 {
            let mut bytes = good.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            // What is taken can be read: each index is a policy with an owner, or none.
            if let Some(page) = Page::read(&bytes, 3) {
                assert!(owners(&page).iter().all(|owner| *owner != Some(0)));
                assert!(bit / 8 >= HEAD, "the head has no bit to spare");
            }
        }
        for length in 0..good.len() {
            assert!(Page::read(&good[..length], 3).is_none());
        }
    }

    #[test]
    fn a_policy_of_a_later_version_is_a_gap_and_the_others_are_not() {
        let policy =
            || Policy::new(&PolicyTerms::new("acme_live".parse().unwrap(), "tenant", "owner")).unwrap();
        let mut bytes = write(0, &[Some(policy()), Some(policy())]).unwrap();
        let second = bytes.len() - policy().as_bytes().len();
        bytes[second] |= 64;
        let page = Page::read(&bytes, 0).unwrap();
        assert!(page.policy(0).is_some() && page.policy(1).is_none());
    }

    #[test]
    fn what_is_no_page() {
        assert_eq!(write(1, &[]), Err(BuildError::PageLength { page: 1, policies: 0 }));
        assert_eq!(write(1, &[const { None }; 257]), Err(BuildError::PageLength { page: 1, policies: 257 }));
        assert!(write(1, &[const { None }; 256]).is_ok());
    }
}
