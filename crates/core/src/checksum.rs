//! CRC-32/ISO-HDLC (polynomial 0x04C11DB7 reflected, as in ISO 3309 and zlib): for typos and secret scanners.
//!
//! Never a proof: anybody can compute it. The tables are indexed by characters of a key, secret ones included; who
//! could watch the cache that closely would learn of a key that was just presented to him, not of one to guess.

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// Bytes that one step consumes.
const STRIDE: usize = 8;

/// `TABLES[i][b]`: the checksum register after byte `b` and `i` zero bytes.
///
/// Filled at first use: 8 KB that do not compress would be a third of what a browser or an edge node downloads.
/// Relaxed loads cost what plain ones do.
static TABLES: [[AtomicU32; 256]; STRIDE] = [const { [const { AtomicU32::new(0) }; 256] }; STRIDE];
/// Set when every entry has been written. Whoever finds it unset writes the same numbers.
static FILLED: AtomicBool = AtomicBool::new(false);

#[cold]
fn fill() {
    let mut previous: Option<&[AtomicU32; 256]> = None;
    for table in &TABLES {
        for (byte, entry) in (0..=u8::MAX).zip(table) {
            let crc = match previous {
                None => (0..8)
                    .fold(u32::from(byte), |crc, _| (crc >> 1) ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 }),
                Some(previous) => {
                    let [first, ..] = &TABLES;
                    let crc = look_up(previous, byte);
                    (crc >> 8) ^ look_up(first, crc as u8)
                }
            };
            entry.store(crc, Ordering::Relaxed);
        }
        previous = Some(table);
    }
    FILLED.store(true, Ordering::Release);
}

/// The checksum of `bytes`.
#[inline]
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    if !FILLED.load(Ordering::Acquire) {
        fill();
    }
    let (steps, rest) = bytes.as_chunks::<STRIDE>();
    let mut crc = u32::MAX;
    for step in steps {
        // The running checksum goes into the first four bytes; then each byte is looked up by its distance from
        // the end of the step. These look-ups do not depend on each other, which is what makes it fast.
        let mut bytes = *step;
        if let Some(first) = bytes.first_chunk_mut::<4>() {
            *first = (u32::from_le_bytes(*first) ^ crc).to_le_bytes();
        }
        crc = TABLES.iter().rev().zip(bytes).fold(0, |crc, (table, byte)| crc ^ look_up(table, byte));
    }
    let [table, ..] = &TABLES;
    for &byte in rest {
        crc = (crc >> 8) ^ look_up(table, byte ^ crc as u8);
    }
    !crc
}

#[inline(always)]
#[expect(clippy::indexing_slicing, reason = "a u8 is always an index of 256 entries")]
fn look_up(table: &[AtomicU32; 256], byte: u8) -> u32 {
    table[byte as usize].load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn check_value_of_the_catalogue() {
        // "check" of CRC-32/ISO-HDLC in the catalogue of parametrised CRC algorithms.
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(b""), 0);
    }

    proptest! {
        #[test]
        fn equals_the_bitwise_definition(bytes: std::vec::Vec<u8>) {
            let mut crc = u32::MAX;
            for &byte in &bytes {
                crc ^= u32::from(byte);
                for _ in 0..8 {
                    crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
                }
            }
            prop_assert_eq!(crc32(&bytes), !crc);
        }
    }
}
