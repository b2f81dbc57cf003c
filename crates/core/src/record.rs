//! The form in which a verdict crosses the border of a WebAssembly instance: 64 bytes at fixed offsets.

use crate::{
    denial::DenialCode,
    key_id::KeyId,
    parse::KeyKind,
    prefix::KeyPrefix,
    verdict::{Freshness, Verdict, Verified},
};

/// Bytes of a verdict's record.
pub const VERDICT_RECORD_LEN: usize = 64;

const READ_ONLY: u8 = 1;
const HAS_ISSUED_AT: u8 = 2;
const HAS_EXPIRES_AT: u8 = 4;
const HAS_KEY_ID: u8 = 8;

impl Verdict {
    /// Writes the verdict as 64 bytes, for the border of a WebAssembly instance.
    ///
    /// ```text
    ///  0  u8    denial code; 0 = verified
    ///  1  u8    kind
    ///  2  u8    flags: 1 read only, 2 issued-at is set, 4 expires-at is set, 8 key id is set
    ///  3  u8    freshness
    ///  4  u8    length of the prefix
    ///  5  3 ×   0
    ///  8  u64   key id, little-endian like all numbers
    /// 16  u64   issued-at, Unix seconds
    /// 24  u64   expires-at, Unix seconds
    /// 32  32 ×  prefix, padded with zeros
    /// ```
    ///
    /// Of a denial only the code, the flag 8 and the key id are set.
    #[inline(never)]
    pub fn write_record(&self, record: &mut [u8; VERDICT_RECORD_LEN]) {
        *record = [0; VERDICT_RECORD_LEN];
        let Some((head, prefix)) = record.split_first_chunk_mut::<32>() else { return };
        let ([first, key_id, issued_at, expires_at], []) = head.as_chunks_mut::<8>() else { return };
        match self {
            Self::Denied(denied) => {
                let flags = set(denied.key_id.map(KeyId::as_u64), HAS_KEY_ID, key_id);
                *first = [denied.code.number(), 0, flags, 0, 0, 0, 0, 0];
            }
            Self::Verified(verified) => {
                let flags = set(Some(verified.key_id.as_u64()), HAS_KEY_ID, key_id)
                    | set(verified.issued_at, HAS_ISSUED_AT, issued_at)
                    | set(verified.expires_at, HAS_EXPIRES_AT, expires_at)
                    | if verified.read_only { READ_ONLY } else { 0 };
                if let Some(slot) = prefix.first_chunk_mut() {
                    *slot = *verified.prefix.as_padded();
                }
                let prefix_len = verified.prefix.as_bytes().len() as u8;
                let (kind, freshness) = (verified.kind.number(), verified.freshness.number());
                *first = [0, kind, flags, freshness, prefix_len, 0, 0, 0];
            }
        }
    }

    /// Reads what [`write_record`](Self::write_record) wrote; `None` if no verdict has such a record.
    #[must_use]
    pub fn from_record(record: &[u8; VERDICT_RECORD_LEN]) -> Option<Self> {
        let verdict = Self::read_record(record)?;
        // Whatever a verdict does not have (a stray flag, bytes where there should be none) shows in its own record.
        let mut written = [0; VERDICT_RECORD_LEN];
        verdict.write_record(&mut written);
        (written == *record).then_some(verdict)
    }

    fn read_record(record: &[u8; VERDICT_RECORD_LEN]) -> Option<Self> {
        let (head, prefix) = record.split_first_chunk::<32>()?;
        let (&[[code, kind, flags, freshness, prefix_len, ..], key_id, issued_at, expires_at], []) =
            head.as_chunks::<8>()
        else {
            return None;
        };
        let set = |flag: u8, bytes: [u8; 8]| (flags & flag != 0).then(|| u64::from_le_bytes(bytes));
        let key_id = set(HAS_KEY_ID, key_id).map(KeyId::from_u64);
        if code != 0 {
            return DenialCode::from_number(code).map(|code| Self::denied(code, key_id));
        }
        let prefix = core::str::from_utf8(prefix.get(..usize::from(prefix_len))?).ok()?;
        Some(Self::Verified(Verified {
            key_id: key_id?,
            kind: KeyKind::from_number(kind).filter(|kind| kind.is_credential())?,
            prefix: KeyPrefix::new(prefix).ok()?,
            read_only: flags & READ_ONLY != 0,
            issued_at: set(HAS_ISSUED_AT, issued_at),
            expires_at: set(HAS_EXPIRES_AT, expires_at),
            freshness: Freshness::from_number(freshness)?,
        }))
    }
}

/// Writes a number that is there, and says so with `flag`.
fn set(number: Option<u64>, flag: u8, slot: &mut [u8; 8]) -> u8 {
    number.map_or(0, |number| {
        *slot = number.to_le_bytes();
        flag
    })
}
