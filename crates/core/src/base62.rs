//! Base62 (`0-9A-Za-z`) of fixed width: a u64 is 11 characters, 32 bytes are four big-endian limbs in 44.
//!
//! Whole texts (keys, prefixes, checksums) are put together in other modules; this one only maps numbers to
//! characters and back. Nothing here branches on, or indexes a table with, the value of a character, because the
//! characters may be a secret.

/// Characters of one u64.
pub(crate) const LIMB: usize = 11;
/// Characters of a 32-byte secret: four limbs.
pub(crate) const SECRET: usize = 4 * LIMB;
/// Characters of a CRC-32.
pub(crate) const CRC: usize = 6;
/// Characters of a version, a u8.
pub(crate) const VERSION: usize = 2;

/// `u64::MAX`. Numbers of one width are in the order of their texts.
pub(crate) const LARGEST_U64: &[u8] = b"LygHa16AHYF";
/// `u32::MAX`.
pub(crate) const LARGEST_CRC: &[u8] = b"4gfFC3";
/// `u8::MAX`.
pub(crate) const LARGEST_VERSION: &[u8] = b"47";

/// The value of a character that is not in the alphabet. Above 63, so an OR over digits shows it.
const BAD: u8 = 0x80;

/// The value of one character, or [`BAD`]. Compiles to compare-and-select, which vectorises.
#[inline(always)]
const fn digit(character: u8) -> u8 {
    let number = character.wrapping_sub(b'0');
    let upper = character.wrapping_sub(b'A');
    let lower = character.wrapping_sub(b'a');
    let mut value = BAD;
    value = if number < 10 { number } else { value };
    value = if upper < 26 { upper.wrapping_add(10) } else { value };
    if lower < 26 { lower.wrapping_add(36) } else { value }
}

/// The character of a value below 62.
#[inline(always)]
const fn character(value: u8) -> u8 {
    let mut character = value.wrapping_add(b'0');
    character = if value >= 10 { value.wrapping_add(b'A' - 10) } else { character };
    if value >= 36 { value.wrapping_add(b'a' - 36) } else { character }
}

/// Why characters are not a number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Invalid {
    /// A character outside the alphabet.
    Alphabet,
    /// A number above what the field can hold.
    Range,
}

/// The digits of `characters`, and the OR of all of them: below 64 if each is in the alphabet.
#[inline(always)]
fn digits<const N: usize>(characters: &[u8; N]) -> ([u8; N], u8) {
    let mut values = [0; N];
    let mut seen = 0;
    for (value, &character) in values.iter_mut().zip(characters) {
        *value = digit(character);
        seen |= *value;
    }
    (values, seen)
}

/// Eight digits, the most significant in the lowest byte, as one number: halves are joined three times.
#[inline(always)]
const fn join8(digits: u64) -> u64 {
    const PAIR: u64 = 62;
    const QUAD: u64 = PAIR * PAIR;
    const OCT: u64 = QUAD * QUAD;
    let pairs = (digits & 0x00ff_00ff_00ff_00ff)
        .wrapping_mul(PAIR)
        .wrapping_add((digits >> 8) & 0x00ff_00ff_00ff_00ff);
    let quads = (pairs & 0x0000_ffff_0000_ffff)
        .wrapping_mul(QUAD)
        .wrapping_add((pairs >> 16) & 0x0000_ffff_0000_ffff);
    (quads & 0xffff_ffff).wrapping_mul(OCT).wrapping_add(quads >> 32)
}

/// Eleven digits as a number, and whether it is above `u64::MAX` (the number is then meaningless).
#[inline(always)]
fn join11(digits: &[u8; LIMB]) -> (u64, bool) {
    const LOW: u64 = 62 * 62 * 62;
    const MAX_HIGH: u64 = u64::MAX / LOW;
    const MAX_LOW: u64 = u64::MAX % LOW;
    let &[a, b, c, d, e, f, g, h, i, j, k] = digits;
    let high = join8(u64::from_le_bytes([a, b, c, d, e, f, g, h]));
    let low = join8(u64::from_le_bytes([0, 0, 0, 0, 0, i, j, k]));
    let above = (high > MAX_HIGH) | ((high == MAX_HIGH) & (low > MAX_LOW));
    (high.wrapping_mul(LOW).wrapping_add(low), above)
}

#[inline(always)]
const fn checked<T: Copy>(value: T, seen: u8, above: bool) -> Result<T, Invalid> {
    if seen >= 62 + 2 {
        Err(Invalid::Alphabet)
    } else if above {
        Err(Invalid::Range)
    } else {
        Ok(value)
    }
}

/// A u64 as 11 characters, padded with zeros.
pub(crate) fn encode_u64(mut value: u64) -> [u8; LIMB] {
    let mut characters = [0; LIMB];
    for slot in characters.iter_mut().rev() {
        *slot = character((value % 62) as u8);
        value /= 62;
    }
    characters
}

/// The u64 that 11 characters stand for.
#[inline(always)]
pub(crate) fn decode_u64(characters: &[u8; LIMB]) -> Result<u64, Invalid> {
    let (digits, seen) = digits(characters);
    let (value, above) = join11(&digits);
    checked(value, seen, above)
}

/// 32 bytes as 44 characters: four big-endian limbs.
pub(crate) fn encode_secret(secret: &[u8; 32]) -> [u8; SECRET] {
    let mut characters = [0; SECRET];
    let (limbs, _) = secret.as_chunks::<8>();
    let (slots, _) = characters.as_chunks_mut::<LIMB>();
    for (slot, limb) in slots.iter_mut().zip(limbs) {
        *slot = encode_u64(u64::from_be_bytes(*limb));
    }
    characters
}

/// The four limbs that 44 characters stand for.
#[inline(always)]
pub(crate) fn decode_secret(characters: &[u8; SECRET]) -> Result<[u64; 4], Invalid> {
    let (digits, seen) = digits(characters);
    let (slots, _) = digits.as_chunks::<LIMB>();
    let mut limbs = [0; 4];
    let mut above = false;
    for (limb, slot) in limbs.iter_mut().zip(slots) {
        let (value, too_large) = join11(slot);
        *limb = value;
        above |= too_large;
    }
    checked(limbs, seen, above)
}

/// A CRC-32 as 6 characters.
pub(crate) fn encode_crc(mut crc: u32) -> [u8; CRC] {
    let mut characters = [0; CRC];
    for slot in characters.iter_mut().rev() {
        *slot = character((crc % 62) as u8);
        crc /= 62;
    }
    characters
}

/// The CRC-32 that 6 characters stand for.
#[inline(always)]
pub(crate) fn decode_crc(characters: &[u8; CRC]) -> Result<u32, Invalid> {
    let (digits, seen) = digits(characters);
    let [a, b, c, d, e, f] = digits;
    let value = join8(u64::from_le_bytes([0, 0, a, b, c, d, e, f]));
    checked(value as u32, seen, value > u32::MAX as u64)
}

/// A version as 2 characters.
pub(crate) const fn encode_version(version: u8) -> [u8; VERSION] {
    [character(version / 62), character(version % 62)]
}

/// The version that 2 characters stand for.
pub(crate) fn decode_version(characters: &[u8; VERSION]) -> Result<u8, Invalid> {
    let ([high, low], seen) = digits(characters);
    let value = u16::from(high).wrapping_mul(62).wrapping_add(u16::from(low));
    checked(value as u8, seen, value > 255)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

    #[test]
    fn alphabet_is_0_to_9_then_upper_then_lower() {
        for byte in 0..=255 {
            let expected = ALPHABET.iter().position(|&c| c == byte).map_or(BAD, |i| i as u8);
            assert_eq!(digit(byte), expected, "byte {byte}");
        }
        for (value, &c) in ALPHABET.iter().enumerate() {
            assert_eq!(character(value as u8), c);
        }
    }

    #[test]
    fn limits_of_each_field() {
        assert_eq!(&encode_u64(0), b"00000000000");
        assert_eq!(&encode_u64(u64::MAX), b"LygHa16AHYF");
        assert_eq!(decode_u64(b"LygHa16AHYF"), Ok(u64::MAX));
        assert_eq!(decode_u64(b"LygHa16AHYG"), Err(Invalid::Range));
        assert_eq!(decode_u64(b"LygHa16AI00"), Err(Invalid::Range));
        assert_eq!(decode_u64(b"zzzzzzzzzzz"), Err(Invalid::Range));
        assert_eq!(decode_u64(b"0000000000_"), Err(Invalid::Alphabet));
        assert_eq!(decode_u64(b"zzzzzzzzzz\xff"), Err(Invalid::Alphabet));
        assert_eq!(&encode_crc(u32::MAX), b"4gfFC3");
        assert_eq!(decode_crc(b"4gfFC3"), Ok(u32::MAX));
        assert_eq!(decode_crc(b"4gfFC4"), Err(Invalid::Range));
        assert_eq!(&encode_version(255), b"47");
        assert_eq!(decode_version(b"47"), Ok(255));
        assert_eq!(decode_version(b"48"), Err(Invalid::Range));
        assert_eq!(LARGEST_U64, encode_u64(u64::MAX));
        assert_eq!(LARGEST_CRC, encode_crc(u32::MAX));
        assert_eq!(LARGEST_VERSION, encode_version(u8::MAX));
    }

    proptest! {
        #[test]
        fn u64_round_trips(value: u64) {
            prop_assert_eq!(decode_u64(&encode_u64(value)), Ok(value));
        }

        #[test]
        fn order_of_texts_is_order_of_numbers(a: u64, b: u64) {
            prop_assert_eq!(encode_u64(a).cmp(&encode_u64(b)), a.cmp(&b));
        }

        #[test]
        fn secret_round_trips(secret: [u8; 32]) {
            let limbs = decode_secret(&encode_secret(&secret)).unwrap();
            let bytes: std::vec::Vec<u8> = limbs.iter().flat_map(|limb| limb.to_be_bytes()).collect();
            prop_assert_eq!(&bytes[..], &secret[..]);
        }

        #[test]
        fn crc_and_version_round_trip(crc: u32, version: u8) {
            prop_assert_eq!(decode_crc(&encode_crc(crc)), Ok(crc));
            prop_assert_eq!(decode_version(&encode_version(version)), Ok(version));
        }

        #[test]
        fn any_bytes_decode_as_a_plain_model_says(bytes: [u8; LIMB]) {
            let mut model = Ok(0u128);
            for byte in bytes {
                let value = ALPHABET.iter().position(|&c| c == byte);
                model = match (model, value) {
                    (Ok(sum), Some(value)) => Ok(sum * 62 + value as u128),
                    _ => Err(Invalid::Alphabet),
                };
            }
            let model = model.and_then(|sum| u64::try_from(sum).map_err(|_| Invalid::Range));
            prop_assert_eq!(decode_u64(&bytes), model);
        }
    }
}
