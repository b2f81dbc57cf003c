//! Base64 (RFC 4648 section 4) of what is public: byte sequences, digests and tags. Its time depends on the bytes.

use alloc::{vec, vec::Vec};

/// The bytes that so many digits without padding are; what the last digit has beyond them means nothing.
#[inline]
fn decoded_len(digits: usize) -> usize {
    digits / 4 * 3 + (digits % 4).saturating_sub(1)
}

/// Fills `bytes` with those of digits without padding, as far as both go. Others than digits of base64 count as `A`.
fn decode(digits: &[u8], bytes: &mut [u8]) {
    for (group, places) in digits.chunks(4).zip(bytes.chunks_mut(3)) {
        let bits =
            group.iter().zip([26, 20, 14, 8]).fold(0, |bits, (&digit, place)| bits | sextet(digit) << place);
        for (place, byte) in places.iter_mut().zip(u32::to_be_bytes(bits)) {
            *place = byte;
        }
    }
}

/// The bytes of digits without padding, if they are exactly so many.
#[inline]
pub(crate) fn decode_base64<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    decode(digits, &mut bytes);
    (decoded_len(digits.len()) == N).then_some(bytes)
}

/// The bytes of digits without padding.
#[inline]
pub(super) fn decoded(digits: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; decoded_len(digits.len())];
    decode(digits, &mut bytes);
    bytes
}

/// Appends base64 with padding.
#[inline]
pub(crate) fn write_base64(bytes: &[u8], out: &mut Vec<u8>) {
    out.reserve(bytes.len().div_ceil(3).saturating_mul(4));
    for group in bytes.chunks(3) {
        let bits =
            group.iter().zip([16, 8, 0]).fold(0, |bits, (&byte, place)| bits | u32::from(byte) << place);
        for (place, shift) in [18, 12, 6, 0].into_iter().enumerate() {
            out.push(if place <= group.len() { digit((bits >> shift) as u8 & 63) } else { b'=' });
        }
    }
}

/// Appends what [`write_base64`] makes of the bytes of these digits.
#[inline]
pub(super) fn write_padded(digits: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(digits);
    let (mask, padding): (_, &[u8]) = match digits.len() % 4 {
        2 => (0x30, b"=="),
        3 => (0x3c, b"="),
        _ => return,
    };
    if let Some(last) = out.last_mut() {
        *last = digit(sextet(*last) as u8 & mask);
    }
    out.extend_from_slice(padding);
}

/// The digit of a number below 64.
#[inline]
fn digit(number: u8) -> u8 {
    match number {
        ..26 => b'A'.wrapping_add(number),
        26..52 => (b'a' - 26).wrapping_add(number),
        52..62 => number.wrapping_sub(52 - b'0'),
        62 => b'+',
        _ => b'/',
    }
}

/// The six bits of a digit.
#[inline]
fn sextet(digit: u8) -> u32 {
    u32::from(match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn digits_are_their_bytes(bytes: Vec<u8>) {
            let mut text = Vec::new();
            write_base64(&bytes, &mut text);
            let digits: Vec<u8> = text.iter().copied().filter(|&byte| byte != b'=').collect();
            prop_assert_eq!(decoded_len(digits.len()), bytes.len());
            prop_assert_eq!(decoded(&digits), bytes);
            let mut padded = Vec::new();
            write_padded(&digits, &mut padded);
            prop_assert_eq!(padded, text);
        }
    }

    #[test]
    fn bits_that_make_no_byte_are_ignored() {
        for (digits, expected) in [("AAF", "AAE="), ("AB", "AA=="), ("//", "/w=="), ("///", "//8="), ("", "")]
        {
            let mut padded = Vec::new();
            write_padded(digits.as_bytes(), &mut padded);
            assert_eq!(padded, expected.as_bytes());
        }
        assert_eq!(decode_base64(b"//9"), Some([255, 255]));
        assert_eq!(decode_base64::<2>(b"//9A"), None);
        assert_eq!(decode_base64::<3>(b"//9"), None);
    }
}
