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

/// The character of a value below 62.
#[inline(always)]
const fn character(value: u8) -> u8 {
    let mut character = value.wrapping_add(b'0');
    character = if value >= 10 { value.wrapping_add(b'A' - 10) } else { character };
    if value >= 36 { value.wrapping_add(b'a' - 36) } else { character }
}

/// One byte in each of the eight of a u64.
const fn each(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// Eight characters as eight digits, and what is 0 only if all of them are in the alphabet.
///
/// All bytes are worked on at once. Adding 0x80 − c to a byte below 0x80 sets its top bit if it is c or more; a byte
/// above that spoils its neighbours, but makes the result bad by itself.
#[inline(always)]
const fn digits8(characters: u64) -> (u64, u64) {
    const TOP: u64 = each(0x80);
    const fn from(character: u8) -> u64 {
        each(0x80 - character)
    }
    let folded = characters | each(0x20);
    let letter = folded.wrapping_add(from(b'a')) ^ folded.wrapping_add(from(b'z' + 1));
    let number = characters.wrapping_add(from(b'0')) ^ characters.wrapping_add(from(b'9' + 1));
    let bad = (!(letter | number) | characters) & TOP;
    // Letters start at 10 and not at 17 above '0'; the lower ones (with bit 5 set) at 36 and not at 49.
    let letter = (letter & TOP) >> 7;
    let lower = letter & (characters >> 5);
    let above_zero = characters.wrapping_sub(each(b'0'));
    (above_zero.wrapping_sub(letter.wrapping_mul(7)).wrapping_sub(lower.wrapping_mul(6)), bad)
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

/// A number, and what is 0 only if its characters are in the alphabet and it is in its range.
type Decoded = (u64, u64);

#[inline(always)]
fn first8(characters: &[u8]) -> u64 {
    characters.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

#[inline(always)]
fn last8(characters: &[u8]) -> u64 {
    characters.last_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

#[inline(always)]
fn limb(characters: &[u8; LIMB]) -> Decoded {
    const LOW: u64 = 62 * 62 * 62;
    const MAX_HIGH: u64 = u64::MAX / LOW;
    const MAX_LOW: u64 = u64::MAX % LOW;
    let (high, bad_high) = digits8(first8(characters));
    // The last eight, of which the first five are counted already.
    let (low, bad_low) = digits8(last8(characters));
    let (high, low) = (join8(high), join8(low & 0xffff_ff00_0000_0000));
    let above = (high > MAX_HIGH) | ((high == MAX_HIGH) & (low > MAX_LOW));
    (high.wrapping_mul(LOW).wrapping_add(low), bad_high | bad_low | above as u64)
}

/// What stands at fixed places in the last 64 characters of every text, numbers read.
pub(crate) struct Tail {
    /// The 11 characters that end before the `_` of the letter: an id or claims, or what is no number at all.
    pub(crate) number: Option<u64>,
    /// The secret, as four limbs.
    pub(crate) secret: [u64; 4],
    /// The checksum.
    pub(crate) crc: u32,
}

/// Reads `<1><number: 11><2><secret: 44><crc: 6>`; `None` if secret or checksum are not numbers that fit.
#[inline(never)]
pub(crate) fn decode_tail(characters: &[u8; 64]) -> Option<Tail> {
    let (number, rest) = characters.split_first_chunk::<{ 1 + LIMB }>()?;
    let (_, secret_and_crc) = rest.split_first_chunk::<2>()?;
    let secret = secret_and_crc.first_chunk::<SECRET>()?;

    let (mut limbs, mut bad) = ([0; 4], 0);
    for (slot, characters) in limbs.iter_mut().zip(secret.as_chunks::<LIMB>().0) {
        let (value, bad_limb) = limb(characters);
        *slot = value;
        bad |= bad_limb;
    }
    // The last eight characters, of which the first two are the secret's.
    let (digits, bad_crc) = digits8(last8(secret_and_crc));
    let crc = join8(digits & 0xffff_ffff_ffff_0000);
    if bad | bad_crc | (crc >> 32) != 0 {
        return None;
    }
    let (number, bad_number) = limb(number.last_chunk()?);
    Some(Tail { number: (bad_number == 0).then_some(number), secret: limbs, crc: crc as u32 })
}

/// A u64 as 11 characters, padded with zeros.
#[inline]
pub(crate) fn encode_u64(mut value: u64) -> [u8; LIMB] {
    let mut characters = [0; LIMB];
    for slot in characters.iter_mut().rev() {
        *slot = character((value % 62) as u8);
        value /= 62;
    }
    characters
}

/// The u64 that 11 characters stand for.
#[inline]
pub(crate) fn decode_u64(characters: &[u8; LIMB]) -> Option<u64> {
    let (value, bad) = limb(characters);
    (bad == 0).then_some(value)
}

/// 32 bytes as 44 characters: four big-endian limbs.
#[inline]
pub(crate) fn encode_secret(secret: &[u8; 32]) -> [u8; SECRET] {
    let mut characters = [0; SECRET];
    let (limbs, _) = secret.as_chunks::<8>();
    let (slots, _) = characters.as_chunks_mut::<LIMB>();
    for (slot, limb) in slots.iter_mut().zip(limbs) {
        *slot = encode_u64(u64::from_be_bytes(*limb));
    }
    characters
}

/// A CRC-32 as 6 characters.
#[inline]
pub(crate) fn encode_crc(mut crc: u32) -> [u8; CRC] {
    let mut characters = [0; CRC];
    for slot in characters.iter_mut().rev() {
        *slot = character((crc % 62) as u8);
        crc /= 62;
    }
    characters
}

/// A version as 2 characters.
pub(crate) const fn encode_version(version: u8) -> [u8; VERSION] {
    [character(version / 62), character(version % 62)]
}

/// The version that 2 characters stand for.
pub(crate) fn decode_version(&[high, low]: &[u8; VERSION]) -> Option<u8> {
    let (digits, bad) = digits8(u64::from_le_bytes([b'0', b'0', b'0', b'0', b'0', b'0', high, low]));
    if bad == 0 { u8::try_from(join8(digits)).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

    fn tail(number: &[u8], secret: &[u8], crc: &[u8]) -> [u8; 64] {
        [b"_", number, b"_k", secret, crc].concat().try_into().unwrap()
    }

    #[test]
    fn alphabet_is_0_to_9_then_upper_then_lower() {
        for byte in 0..=255 {
            let expected = ALPHABET.iter().position(|&c| c == byte).map(|value| value as u64);
            let (digits, bad) = digits8(u64::from_le_bytes([byte, b'z', b'A', byte, b'0', b'9', b'Z', b'a']));
            let joined =
                expected.map(|value| u64::from_le_bytes([value as u8, 61, 10, value as u8, 0, 9, 35, 36]));
            assert_eq!((bad == 0).then_some(digits), joined, "byte {byte}");
        }
        for (value, &c) in ALPHABET.iter().enumerate() {
            assert_eq!(character(value as u8), c);
        }
    }

    #[test]
    fn limits_of_each_field() {
        assert_eq!(&encode_u64(0), b"00000000000");
        assert_eq!(&encode_u64(u64::MAX), b"LygHa16AHYF");
        assert_eq!(decode_u64(b"LygHa16AHYF"), Some(u64::MAX));
        assert_eq!(decode_u64(b"LygHa16AHYG"), None);
        assert_eq!(decode_u64(b"LygHa16AI00"), None);
        assert_eq!(decode_u64(b"zzzzzzzzzzz"), None);
        assert_eq!(decode_u64(b"0000000000_"), None);
        assert_eq!(decode_u64(b"zzzzzzzzzz\xff"), None);
        assert_eq!(&encode_crc(u32::MAX), b"4gfFC3");
        assert_eq!(&encode_version(255), b"47");
        assert_eq!(decode_version(b"47"), Some(255));
        assert_eq!(decode_version(b"48"), None);
        assert_eq!(LARGEST_U64, encode_u64(u64::MAX));
        assert_eq!(LARGEST_CRC, encode_crc(u32::MAX));
        assert_eq!(LARGEST_VERSION, encode_version(u8::MAX));
    }

    proptest! {
        #[test]
        fn u64_round_trips(value: u64) {
            prop_assert_eq!(decode_u64(&encode_u64(value)), Some(value));
        }

        #[test]
        fn order_of_texts_is_order_of_numbers(a: u64, b: u64) {
            prop_assert_eq!(encode_u64(a).cmp(&encode_u64(b)), a.cmp(&b));
        }

        #[test]
        fn tail_round_trips(number: u64, secret: [u8; 32], crc: u32) {
            let tail = tail(&encode_u64(number), &encode_secret(&secret), &encode_crc(crc));
            let decoded = decode_tail(&tail).unwrap();
            let bytes: std::vec::Vec<u8> = decoded.secret.iter().flat_map(|limb| limb.to_be_bytes()).collect();
            prop_assert_eq!((decoded.number, &bytes[..], decoded.crc), (Some(number), &secret[..], crc));
        }

        #[test]
        fn a_tail_with_any_byte_changed_is_what_its_parts_are(number: u64, secret: [u8; 32], crc: u32, place in 0usize..64, byte: u8) {
            let mut tail = tail(&encode_u64(number), &encode_secret(&secret), &encode_crc(crc));
            tail[place] = byte;
            let number = decode_u64(tail[1..12].try_into().unwrap());
            let limbs: Option<std::vec::Vec<u64>> =
                tail[14..58].chunks(LIMB).map(|limb| decode_u64(limb.try_into().unwrap())).collect();
            let mut padded = [b'0'; LIMB];
            padded[5..].copy_from_slice(&tail[58..]);
            let crc = decode_u64(&padded).and_then(|crc| u32::try_from(crc).ok());
            let expected = limbs.zip(crc).map(|(limbs, crc)| (number, limbs, crc));
            let decoded = decode_tail(&tail).map(|tail| (tail.number, tail.secret.to_vec(), tail.crc));
            prop_assert_eq!(decoded, expected);
        }

        #[test]
        fn version_round_trips(version: u8) {
            prop_assert_eq!(decode_version(&encode_version(version)), Some(version));
        }

        #[test]
        fn any_bytes_decode_as_a_plain_model_says(bytes: [u8; LIMB]) {
            let mut model = Some(0u128);
            for byte in bytes {
                let value = ALPHABET.iter().position(|&c| c == byte);
                model = match (model, value) {
                    (Some(sum), Some(value)) => Some(sum * 62 + value as u128),
                    _ => None,
                };
            }
            let model = model.and_then(|sum| u64::try_from(sum).ok());
            prop_assert_eq!(decode_u64(&bytes), model);
        }
    }
}
