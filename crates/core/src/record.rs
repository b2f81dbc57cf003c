//! The form in which a verdict crosses the border of a WebAssembly instance: 128 bytes at fixed offsets.

use crate::{
    bytes::Reader,
    denial::DenialCode,
    key_id::KeyId,
    keyring::{Freshness, NeededPart, PartKind, Policy},
    parse::KeyKind,
    prefix::KeyPrefix,
    verdict::{Denied, Verdict, Verified},
};

/// Bytes of a verdict's record.
pub const VERDICT_RECORD_LEN: usize = 128;

const READ_ONLY: u8 = 1;
const HAS_ISSUED_AT: u8 = 2;
const HAS_EXPIRES_AT: u8 = 4;
const HAS_KEY_ID: u8 = 8;
const HAS_POLICY: u8 = 16;
const IN_BUNDLE: u8 = 32;

impl<'k> Verdict<'k> {
    /// Writes the verdict as 128 bytes, for the border of a WebAssembly instance.
    ///
    /// ```text
    ///   0  u8    denial code; 0 = verified
    ///   1  u8    kind
    ///   2  u8    flags: 1 read only, 2 issued-at is set, 4 expires-at is set, 8 key id is set, 16 has a policy,
    ///            32 the needed part is in the bundle
    ///   3  u8    freshness: 0 none, 1 stateless, 2 fresh, 3 stale
    ///   4  u8    length of the prefix
    ///   5  u8    needed part: 0 none, 1 chunk, 2 page
    ///   6  u16   length of the policy
    ///   8  u64   key id, little-endian like all numbers
    ///  16  u64   issued-at, Unix seconds
    ///  24  u64   expires-at, Unix seconds
    ///  32  32 ×  prefix, padded with zeros
    ///  64  u64   epoch
    ///  72  u64   age, seconds
    ///  80  u32   index of the policy, or of the needed part
    ///  84  u32   length of the needed part in the bundle
    ///  88  u64   offset of the needed part in the bundle
    ///  96  32 ×  hash of the needed part
    /// ```
    ///
    /// Of a denial only code, key id, freshness and the needed part are set. The policy itself stands elsewhere: its
    /// bytes are [`Policy::as_bytes`].
    #[inline(never)]
    pub fn write_record(&self, record: &mut [u8; VERDICT_RECORD_LEN]) {
        *record = [0; VERDICT_RECORD_LEN];
        let (words, _) = record.as_chunks_mut::<8>();
        let [first, key_id, issued_at, expires_at, p0, p1, p2, p3, epoch, age, index, offset, h0, h1, h2, h3] =
            words
        else {
            return;
        };
        let freshness = self.freshness();
        if let Some((number, seconds)) =
            freshness.and_then(|freshness| freshness.epoch().zip(freshness.age()))
        {
            *epoch = number.to_le_bytes();
            *age = seconds.to_le_bytes();
        }
        let freshness = freshness.map_or(0, Freshness::number);
        match self {
            Self::Denied(denied) => {
                let mut flags = set(denied.key_id.map(KeyId::as_u64), HAS_KEY_ID, key_id);
                let mut part = 0;
                if let Some(needed) = &denied.needed {
                    part = needed.part.number();
                    let (start, len) = needed.in_bundle.unwrap_or_default();
                    *index = (u64::from(len) << 32 | u64::from(needed.index)).to_le_bytes();
                    flags |= set(needed.in_bundle.map(|_| start), IN_BUNDLE, offset);
                    put([h0, h1, h2, h3], &needed.hash);
                }
                *first = [denied.code.number(), 0, flags, freshness, 0, part, 0, 0];
            }
            Self::Verified(verified) => {
                let mut flags = set(Some(verified.key_id.as_u64()), HAS_KEY_ID, key_id)
                    | set(verified.issued_at, HAS_ISSUED_AT, issued_at)
                    | set(verified.expires_at, HAS_EXPIRES_AT, expires_at)
                    | if verified.read_only { READ_ONLY } else { 0 };
                let mut policy_len = [0; 2];
                if let Some(policy) = &verified.policy {
                    flags |= HAS_POLICY;
                    policy_len = (policy.as_bytes().len() as u16).to_le_bytes();
                    *index = u64::from(verified.policy_index).to_le_bytes();
                }
                put([p0, p1, p2, p3], verified.prefix.as_padded());
                let prefix_len = verified.prefix.as_bytes().len() as u8;
                let [l0, l1] = policy_len;
                *first = [0, verified.kind.number(), flags, freshness, prefix_len, 0, l0, l1];
            }
        }
    }

    /// How many bytes the policy has that belongs to a record; 0 if there is none.
    #[must_use]
    pub fn policy_len_in_record(record: &[u8; VERDICT_RECORD_LEN]) -> usize {
        let [_, _, _, _, _, _, low, high, ..] = *record;
        u16::from_le_bytes([low, high]).into()
    }

    /// Reads what [`write_record`](Self::write_record) wrote, with the policy that belongs to it; `None` if no verdict
    /// has such a record.
    #[must_use]
    pub fn from_record(record: &[u8; VERDICT_RECORD_LEN], policy: Option<Policy<'k>>) -> Option<Self> {
        let verdict = Self::read_record(record, policy)?;
        // Whatever a verdict does not have (a stray flag, bytes where there should be none) shows in its own record.
        let mut written = [0; VERDICT_RECORD_LEN];
        verdict.write_record(&mut written);
        (written == *record).then_some(verdict)
    }

    fn read_record(record: &[u8; VERDICT_RECORD_LEN], policy: Option<Policy<'k>>) -> Option<Self> {
        let mut reader = Reader(record);
        let &[code, kind, flags, freshness, prefix_len, part, _, _] = reader.array::<8>()?;
        let set = |flag: u8, number: u64| (flags & flag != 0).then_some(number);
        let key_id = set(HAS_KEY_ID, reader.u64()?).map(KeyId::from_u64);
        let (issued_at, expires_at) = (reader.u64()?, reader.u64()?);
        let prefix = reader.array::<32>()?;
        let freshness = Freshness::from_number(freshness, reader.u64()?, reader.u64()?);
        let (index, len, offset) = (reader.u32()?, reader.u32()?, reader.u64()?);
        if code != 0 {
            let needed = PartKind::from_number(part).map(|part| {
                let in_bundle = set(IN_BUNDLE, offset).map(|offset| (offset, len));
                Some(NeededPart { part, index, hash: *reader.array()?, in_bundle })
            });
            let needed = match needed {
                None => None,
                Some(needed) => Some(needed?),
            };
            let code = DenialCode::from_number(code)?;
            return Some(Self::Denied(Denied { code, key_id, freshness, needed }));
        }
        // Whoever has a keyring knows whose the key is, and nobody else does.
        let freshness = freshness.filter(|freshness| freshness.revocation_checked() == policy.is_some())?;
        let prefix = core::str::from_utf8(prefix.get(..usize::from(prefix_len))?).ok()?;
        Some(Self::Verified(Verified {
            key_id: key_id?,
            kind: KeyKind::from_number(kind).filter(|kind| kind.is_credential())?,
            prefix: KeyPrefix::new(prefix).ok()?,
            read_only: flags & READ_ONLY != 0,
            issued_at: set(HAS_ISSUED_AT, issued_at),
            expires_at: set(HAS_EXPIRES_AT, expires_at),
            policy,
            freshness,
            policy_index: index,
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

fn put(slots: [&mut [u8; 8]; 4], bytes: &[u8; 32]) {
    let (words, _) = bytes.as_chunks::<8>();
    for (slot, word) in slots.into_iter().zip(words) {
        *slot = *word;
    }
}
