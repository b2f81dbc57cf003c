//! Chunks: the records of the keys whose ids share their first bits.
//!
//! # The bytes of a chunk
//!
//! ```text
//!  0  4 ×   "CVGC"
//!  4  u16   format version: 1
//!  6  u8    directory bits d: 0 to 12
//!  7  u8    0
//!  8  u32   bucket: the first bits of every id in it
//! 12  u32   records n: 1 to 65,535
//! 16        directory, 2^d + 1 numbers u16: where the records start whose next d id bits are 0, 1, …; the last is n
//!           zeros to a multiple of 64
//!           n records of 64 bytes, sorted by (id, kind)
//! ```
//!
//! A record:
//!
//! ```text
//!  0  u64   id
//!  8  8 ×   iv; of a signed override the id of the issuing secret (u64)
//! 16  32 ×  masked value; of a signed override zeros
//! 48  u32   not before: Unix seconds, 0 = at once (to 2106)
//! 52  u32   expires at: Unix seconds, 0 = never
//! 56  u32   policy index
//! 60  u8    kind: 1 opaque, 2 opaque_signing, 3 signed override, 9 imported
//! 61  u8    flags: 1 revoked, 2 disabled, 4 read only
//! 62  u8    of a signed override the version of the issuing secret, otherwise 0
//! 63  u8    0
//! ```
//!
//! Numbers are little-endian. There are at most two records for a (kind, id), during a rotation, and one override.
//! Anything else makes it no chunk: it is looked at as a whole when it is read. A record with a kind or flag of a later
//! version is one that denies (`keyring_invalid`), and the others are as good as before.
//!
//! A signed override speaks of the key that this version of this issuing secret made, and of no other with its id.

use crate::{
    bytes::{Reader, Writer, flags},
    key_id::KeyId,
    mac::{self, MacKey},
    parse::KeyKind,
    verifier_value::VerifierValue,
};
use alloc::{sync::Arc, vec::Vec};
use core::ops::Range;
use zeroize::Zeroize;

use super::{
    BuildError,
    key::{Masking, mask},
};

const MAGIC: &[u8; 4] = b"CVGC";
const VERSION: u16 = 1;
const HEAD: usize = 16;
const MAX_DIRECTORY_BITS: u8 = 12;
/// Bytes of a record.
pub(crate) const RECORD: usize = 64;
/// The most records of a chunk.
pub(crate) const MAX_RECORDS: usize = u16::MAX as usize;
/// The longest chunk.
pub(crate) const MAX_CHUNK: usize = HEAD + (2 << MAX_DIRECTORY_BITS) + 64 + MAX_RECORDS * RECORD;

pub(crate) const REVOKED: u8 = 1;
pub(crate) const DISABLED: u8 = 2;
pub(crate) const READ_ONLY: u8 = 4;
/// Not in the format: the record says what this version does not know.
pub(crate) const UNREADABLE: u8 = 128;

/// What the keyring says of one key, its value unmasked. One cache line.
#[derive(Clone)]
#[repr(align(64))]
pub(crate) struct Record {
    pub(crate) id: u64,
    pub(crate) iv: [u8; 8],
    /// As big-endian limbs, as a tag is.
    pub(crate) value: [u64; 4],
    pub(crate) not_before: u32,
    pub(crate) expires_at: u32,
    pub(crate) policy: u32,
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    /// Of a signed override.
    pub(crate) version: u8,
}

/// Stands in for the record of an id that is not there, so that looking for it costs the same.
pub(crate) const NO_RECORD: Record = Record {
    id: 0,
    iv: [0; 8],
    value: [0; 4],
    not_before: 0,
    expires_at: 0,
    policy: 0,
    kind: 0,
    flags: REVOKED,
    version: 0,
};

fn is_record_kind(kind: u8) -> bool {
    let kinds = [KeyKind::Opaque, KeyKind::OpaqueSigning, KeyKind::Signed, KeyKind::Imported];
    kinds.iter().any(|known| known.number() == kind)
}

impl Drop for Record {
    fn drop(&mut self) {
        self.value.zeroize();
    }
}

impl Record {
    fn read(bytes: &[u8; RECORD], mask_key: &MacKey) -> Option<Self> {
        let mut reader = Reader(bytes);
        let (id, iv, masked) = (reader.u64()?, *reader.array()?, reader.array::<32>()?);
        let (not_before, expires_at, policy) = (reader.u32()?, reader.u32()?, reader.u32()?);
        let (kind, mut flags, version, reserved) = (reader.u8()?, reader.u8()?, reader.u8()?, reader.u8()?);
        let signed = kind == KeyKind::Signed.number();
        if kind == 0 {
            return None;
        }
        if flags & !(REVOKED | DISABLED | READ_ONLY) != 0 || (version != 0 && !signed) || reserved != 0 {
            flags |= UNREADABLE;
        }
        let mut value = [0; 4];
        if signed {
            // An override has no value, so there is nothing to unmask.
            if *masked != [0; 32] {
                flags |= UNREADABLE;
            }
        } else {
            value = mask(mask_key, kind, id, iv);
            let (limbs, _) = masked.as_chunks::<8>();
            for (limb, masked) in value.iter_mut().zip(limbs) {
                *limb ^= u64::from_be_bytes(*masked);
            }
        }
        Some(Self { id, iv, value, not_before, expires_at, policy, kind, flags, version })
    }
}

/// The records of a bucket, ready to be looked up. Cloning shares them.
#[derive(Clone)]
pub(crate) struct Chunk {
    directory: Arc<[u16]>,
    records: Arc<[Record]>,
    /// How far an id is shifted left and then right, so that its directory bits are left.
    skip: u32,
    keep: u32,
}

/// The `bits` (at most 32) bits of an id behind its first `skip` ones.
#[inline]
fn bits_of(id: u64, skip: u32, bits: u32) -> u32 {
    (id.checked_shl(skip).unwrap_or(0) >> 32) as u32 >> 1 >> 31_u32.saturating_sub(bits)
}

/// The bucket of an id.
#[inline]
pub(crate) fn bucket_of(id: u64, bucket_bits: u8) -> u32 {
    bits_of(id, 0, bucket_bits.into())
}

/// The buckets, by `bits`, of the ids that are in a bucket by `of_bits`.
pub(super) fn buckets_in(bucket: u32, of_bits: u8, bits: u8) -> Range<usize> {
    let bucket = bucket as usize;
    match bits.checked_sub(of_bits) {
        Some(more) => {
            let end = bucket.saturating_add(1);
            bucket.checked_shl(more.into()).unwrap_or(0)..end.checked_shl(more.into()).unwrap_or(0)
        }
        None => {
            let start = bucket.checked_shr(of_bits.saturating_sub(bits).into()).unwrap_or(0);
            start..start.saturating_add(1)
        }
    }
}

impl Chunk {
    /// Reads a chunk whose hash was right, and unmasks its values; `None` if it is not what the format says.
    ///
    /// Unmasking all of them once makes every verification two compressions cheaper, and makes known and unknown ids
    /// cost the same.
    #[inline(never)]
    pub(crate) fn read(bytes: &[u8], bucket: u32, bucket_bits: u8, mask_key: &MacKey) -> Option<Self> {
        let mut reader = Reader(bytes);
        let head = (reader.array()?, reader.u16()?, reader.u8()?, reader.u8()?, reader.u32()?, reader.u32()?);
        let (MAGIC, VERSION, bits @ 0..=MAX_DIRECTORY_BITS, 0, named, count) = head else { return None };
        let count = usize::try_from(count).ok().filter(|count| (1..=MAX_RECORDS).contains(count))?;
        let entries = (1_usize << bits).saturating_add(1);
        let (directory, _) = reader.slice(entries.saturating_mul(2))?.as_chunks::<2>();
        let used = bytes.len().saturating_sub(reader.0.len());
        let padding = reader.slice(used.next_multiple_of(RECORD).saturating_sub(used))?;
        let (records, rest) = reader.0.as_chunks::<RECORD>();
        if named != bucket
            || padding.iter().any(|&byte| byte != 0)
            || records.len() != count
            || !rest.is_empty()
        {
            return None;
        }
        let directory: Arc<[u16]> = directory.iter().map(|entry| u16::from_le_bytes(*entry)).collect();
        // A record that is none takes the place of kind 0, which no record has.
        let records: Arc<[Record]> =
            records.iter().map(|record| Record::read(record, mask_key).unwrap_or(NO_RECORD)).collect();
        let chunk = Self { directory, records, skip: bucket_bits.into(), keep: bits.into() };
        chunk.is_sound(bucket, bucket_bits).then_some(chunk)
    }

    /// No kind is 0, the order is right, and the directory says where each record is.
    fn is_sound(&self, bucket: u32, bucket_bits: u8) -> bool {
        let mut starts = self.directory.iter();
        if starts.next() != Some(&0) {
            return false;
        }
        let mut slot = 0;
        let (mut same, mut before) = (0, (0, 0));
        for (index, record) in self.records.iter().enumerate() {
            let name = (record.id, record.kind);
            same = if index > 0 && name == before { same + 1 } else { 1 };
            let most = if record.kind == KeyKind::Signed.number() { 1 } else { 2 };
            if record.kind == 0 || name < before || same > most || bucket_of(record.id, bucket_bits) != bucket
            {
                return false;
            }
            before = name;
            // Every slot up to that of this record starts here or earlier.
            let place = self.slot(record.id);
            while slot < place {
                if starts.next().copied().map(usize::from) != Some(index) {
                    return false;
                }
                slot = slot.saturating_add(1);
            }
        }
        starts.all(|&start| usize::from(start) == self.records.len())
    }

    /// Every record, by id and kind. Nothing at all if there is one that says what this version does not know.
    pub(crate) fn records(&self) -> Option<Vec<KeyRecord>> {
        self.records.iter().map(KeyRecord::from_record).collect()
    }

    /// How many bytes of memory it takes.
    pub(crate) fn size(&self) -> usize {
        size_of_val(&*self.records).saturating_add(size_of_val(&*self.directory))
    }

    #[inline]
    fn slot(&self, id: u64) -> usize {
        bits_of(id, self.skip, self.keep) as usize
    }

    /// The records of (kind, id): none, one, or two during a rotation.
    #[inline]
    pub(crate) fn find(&self, kind: u8, id: u64) -> &[Record] {
        let slot = self.slot(id);
        let Some(&[start, end]) = self.directory.get(slot..).and_then(|rest| rest.first_chunk()) else {
            return &[];
        };
        let mut rest = self.records.get(usize::from(start)..usize::from(end)).unwrap_or_default();
        while let [first, others @ ..] = rest {
            if first.id == id && first.kind == kind {
                let both = others.first().is_some_and(|second| second.id == id && second.kind == kind);
                return rest.get(..if both { 2 } else { 1 }).unwrap_or_default();
            }
            rest = others;
        }
        &[]
    }
}

/// A key as a keyring is told of it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct KeyRecord {
    /// The id of the key; of an imported one what
    /// [`KeyringKey::imported_record_id`](super::KeyringKey::imported_record_id) says.
    pub id: KeyId,
    /// Opaque, opaque_signing, imported, or signed for an override.
    pub kind: KeyKind,
    /// What proves it; a signed override has none.
    pub value: Option<VerifierValue>,
    /// From when it is good, in Unix seconds up to 2106.
    pub not_before: Option<u64>,
    /// From when it is no longer good, in Unix seconds up to 2106.
    pub expires_at: Option<u64>,
    /// The index of its policy.
    pub policy: u32,
    /// Whether it was revoked.
    pub revoked: bool,
    /// Whether it is switched off.
    pub disabled: bool,
    /// Whether it has only the read-only part of its permissions.
    pub read_only: bool,
    /// Of a signed override, the id and the version of the issuing secret that made the key.
    pub issuer: Option<(KeyId, u8)>,
}

impl KeyRecord {
    /// A key that is good from now on and for ever.
    #[must_use]
    pub const fn new(id: KeyId, kind: KeyKind, value: VerifierValue, policy: u32) -> Self {
        Self::good(id, kind, Some(value), policy, None)
    }

    /// A signed key under a policy of its own, of the same tenant as that of its issuing secret, whose id and version
    /// are given.
    #[must_use]
    pub const fn signed_override(id: KeyId, secret_id: KeyId, version: u8, policy: u32) -> Self {
        Self::good(id, KeyKind::Signed, None, policy, Some((secret_id, version)))
    }

    /// What a record was written from.
    fn from_record(record: &Record) -> Option<Self> {
        let &Record { id, iv, value, not_before, expires_at, policy, kind, flags, version } = record;
        if flags & UNREADABLE != 0 || !is_record_kind(kind) {
            return None;
        }
        let time = |seconds: u32| (seconds != 0).then_some(seconds.into());
        let signed = kind == KeyKind::Signed.number();
        Some(Self {
            id: KeyId::from_u64(id),
            kind: KeyKind::from_number(kind)?,
            value: (!signed).then(|| VerifierValue::from_bytes(mac::tag_bytes(value))),
            not_before: time(not_before),
            expires_at: time(expires_at),
            policy,
            revoked: flags & REVOKED != 0,
            disabled: flags & DISABLED != 0,
            read_only: flags & READ_ONLY != 0,
            issuer: signed.then(|| (KeyId::from_u64(u64::from_le_bytes(iv)), version)),
        })
    }

    const fn good(
        id: KeyId,
        kind: KeyKind,
        value: Option<VerifierValue>,
        policy: u32,
        issuer: Option<(KeyId, u8)>,
    ) -> Self {
        Self {
            id,
            kind,
            value,
            not_before: None,
            expires_at: None,
            policy,
            revoked: false,
            disabled: false,
            read_only: false,
            issuer,
        }
    }
}

fn seconds(time: Option<u64>) -> Result<u32, BuildError> {
    match time {
        None => Ok(0),
        Some(time) => u32::try_from(time).ok().filter(|&time| time > 0).ok_or(BuildError::Time { time }),
    }
}

/// Writes the chunk of a bucket. The records are of that bucket, in any order.
pub(crate) fn write(
    bucket: u32,
    bucket_bits: u8,
    records: &[KeyRecord],
    masking: &Masking,
) -> Result<Vec<u8>, BuildError> {
    if records.len() > MAX_RECORDS {
        return Err(BuildError::BucketTooLarge { bucket, records: records.len() });
    }
    let mut lines = Vec::with_capacity(records.len());
    for record in records {
        let (kind, id) = (record.kind.number(), record.id);
        if bucket_of(id.as_u64(), bucket_bits) != bucket {
            return Err(BuildError::WrongBucket { key_id: id, bucket });
        }
        let ((iv, masked), version) = match (&record.value, record.issuer) {
            (Some(value), None) if is_record_kind(kind) && record.kind != KeyKind::Signed => {
                (masking.hide(kind, id, value.expose()), 0)
            }
            (None, Some((secret, version))) if record.kind == KeyKind::Signed => {
                ((secret.as_u64().to_le_bytes(), [0; 32]), version)
            }
            _ => return Err(BuildError::Kind { key_id: id }),
        };
        let set = [(record.revoked, REVOKED), (record.disabled, DISABLED), (record.read_only, READ_ONLY)];
        let mut line = Writer::default();
        line.u64(id.as_u64())
            .bytes(&iv)
            .bytes(&masked)
            .u32(seconds(record.not_before)?)
            .u32(seconds(record.expires_at)?)
            .u32(record.policy)
            .u8(kind)
            .u8(flags(set))
            .u8(version)
            .u8(0);
        lines.push((id, kind, line.0));
    }
    // The line itself decides last, so that the same records make the same chunk in whatever order they come.
    lines.sort_unstable();
    let same = lines.iter().zip(lines.iter().skip(1)).zip(lines.iter().skip(2));
    let named = |line: &(KeyId, u8, Vec<u8>)| (line.0, line.1);
    for ((first, second), third) in same {
        if named(first) == named(third) {
            return Err(BuildError::TooManyRecords { key_id: second.0 });
        }
    }
    for (first, second) in lines.iter().zip(lines.iter().skip(1)) {
        if named(first) == named(second) && first.1 == KeyKind::Signed.number() {
            return Err(BuildError::TooManyRecords { key_id: second.0 });
        }
    }

    let bits =
        (0..MAX_DIRECTORY_BITS).find(|&bits| 1_usize << bits >= lines.len()).unwrap_or(MAX_DIRECTORY_BITS);
    let mut chunk = Writer(Vec::with_capacity(lines.len().saturating_mul(RECORD + 2).saturating_add(256)));
    chunk.bytes(MAGIC).u16(VERSION).u8(bits).u8(0).u32(bucket).u32(lines.len() as u32);
    let mut rest = lines.iter().peekable();
    let mut index: u16 = 0;
    for slot in 0..1_u32 << bits {
        chunk.u16(index);
        while rest.next_if(|line| bits_of(line.0.as_u64(), bucket_bits.into(), bits.into()) == slot).is_some()
        {
            index = index.saturating_add(1);
        }
    }
    chunk.u16(index).pad_to(RECORD);
    for (_, _, line) in &lines {
        chunk.bytes(line);
    }
    Ok(chunk.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyring::KeyringKey;
    use proptest::prelude::*;

    const RING: KeyId = KeyId::from_u64(1);

    fn read(bytes: &[u8], bucket: u32, bucket_bits: u8) -> Option<Chunk> {
        Chunk::read(bytes, bucket, bucket_bits, &KeyringKey::generate(&[1; 40]).subkey(b"mask", RING))
    }

    fn written(ids: &[u64], bucket_bits: u8) -> Vec<u8> {
        let masking = Masking::new(&KeyringKey::generate(&[1; 40]), RING);
        let record = |&id: &u64| {
            KeyRecord::new(KeyId::from_u64(id), KeyKind::Opaque, VerifierValue::from_bytes([id as u8; 32]), 0)
        };
        let mut records: Vec<KeyRecord> = ids.iter().map(record).collect();
        records.push(KeyRecord::signed_override(KeyId::from_u64(ids[0]), RING, 1, 1));
        write(bucket_of(ids[0], bucket_bits), bucket_bits, &records, &masking).unwrap()
    }

    /// Whatever a publisher wrote: every record of a chunk that is taken is found where it is looked for.
    fn is_none_or_sound(bytes: &[u8], bucket_bits: u8, bucket: u32) {
        let Some(chunk) = read(bytes, bucket, bucket_bits) else { return };
        for record in chunk.records.iter() {
            let found = chunk.find(record.kind, record.id);
            assert!(found.iter().any(|found| found.iv == record.iv && found.value == record.value));
            assert!(
                found.len() <= 2
                    && found.iter().all(|found| (found.id, found.kind) == (record.id, record.kind))
            );
        }
    }

    #[test]
    fn every_bit_and_length_of_a_chunk() {
        let good = written(&[1, 2, 3, 1 << 60, 5 << 59, u64::MAX >> 1], 1);
        assert!(read(&good, 0, 1).is_some());
        assert!(read(&good, 1, 1).is_none());
        let mut taken = 0;
        for bit in 0..good.len() * 8 {
            let mut bytes = good.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            is_none_or_sound(&bytes, 1, 0);
            taken += usize::from(read(&bytes, 0, 1).is_some());
        }
        // Values, times, policies and flags may be anything as far as the form goes; the form may not.
        assert!(taken > 2000 && taken < 3500, "{taken} of {}", good.len() * 8);
        for length in 0..good.len() {
            assert!(read(&good[..length], 0, 1).is_none());
        }
    }

    #[test]
    fn what_a_later_version_says_of_a_key_denies_that_key_alone() {
        let good = written(&[1, 2], 0);
        let records = good.len() - 3 * RECORD;
        // Id 1 has two records; that of id 2 is the last.
        for (place, byte) in [(61, 8), (61, 128), (62, 1), (63, 1)] {
            let mut bytes = good.clone();
            bytes[records + 2 * RECORD + place] = byte;
            let chunk = read(&bytes, 0, 0).unwrap();
            assert_ne!(chunk.find(1, 2)[0].flags & UNREADABLE, 0, "byte {place} = {byte}");
            assert_eq!(chunk.find(1, 1)[0].flags, 0);
        }
        let mut bytes = good.clone();
        bytes[records + 2 * RECORD + 60] = 77;
        let chunk = read(&bytes, 0, 0).unwrap();
        assert!(chunk.find(1, 2).is_empty() && chunk.find(1, 1).len() == 1, "a kind that nobody looks for");
    }

    proptest! {
        #[test]
        fn every_id_is_found_and_no_other(
            mut ids in proptest::collection::btree_set(any::<u64>(), 1..300), bits in 0_u8..=16, other: u64,
        ) {
            // All of one bucket.
            let bucket = bucket_of(*ids.first().unwrap(), bits);
            ids.retain(|&id| bucket_of(id, bits) == bucket);
            let ids: Vec<u64> = ids.into_iter().collect();
            let bytes = written(&ids, bits);
            prop_assert!(bytes.len() <= ids.len() * 68 + 320);
            let chunk = read(&bytes, bucket, bits).unwrap();
            for &id in &ids {
                prop_assert_eq!(chunk.find(1, id).len(), 1);
                prop_assert!(chunk.find(2, id).is_empty());
                prop_assert_eq!(chunk.find(3, id).len(), usize::from(id == ids[0]));
            }
            prop_assert_eq!(chunk.find(1, other).len(), usize::from(ids.contains(&other)));
        }

        #[test]
        fn changed_bytes(place in 0_usize..600, bytes: [u8; 4]) {
            let mut chunk = written(&[7, 8, 9, 1 << 63], 0);
            for (slot, byte) in chunk.iter_mut().skip(place).zip(bytes) {
                *slot = byte;
            }
            is_none_or_sound(&chunk, 0, 0);
        }
    }
}
