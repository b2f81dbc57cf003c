//! The form in which what is known of a signed request crosses the border of a WebAssembly instance.

use super::verify::VerifiedSignature;
use crate::{
    bytes::{Reader, Writer, flags},
    denial::DenialCode,
    replay::ReplayEntry,
};
use alloc::{borrow::ToOwned, vec::Vec};

/// Bytes of a replay entry at the border.
pub const REPLAY_RECORD_LEN: usize = 40;
/// The most bytes of the record of a signature.
pub const SIGNATURE_RECORD_LEN: usize = HEAD + 2 * super::MAX_SIGNATURE_TEXT_LEN;

const HEAD: usize = 24 + REPLAY_RECORD_LEN;
const HAS_KEYID: u8 = 1;
const HAS_CREATED: u8 = 2;
const HAS_EXPIRES: u8 = 4;
const HAS_TAG: u8 = 8;
const HAS_REPLAY: u8 = 16;

impl ReplayEntry {
    /// Writes what is to be remembered of a nonce: until when as u64, little-endian, and the id; zeros if there is nothing,
    /// since no nonce is remembered until 1970.
    #[must_use]
    #[inline]
    pub fn write_record(entry: Option<&Self>) -> [u8; REPLAY_RECORD_LEN] {
        let mut record = [0; REPLAY_RECORD_LEN];
        if let Some(entry) = entry {
            let (keep_until, id) = record.split_at_mut(8);
            keep_until.copy_from_slice(&entry.keep_until.max(1).to_le_bytes());
            id.copy_from_slice(&entry.id);
        }
        record
    }

    /// Reads what [`write_record`](Self::write_record) wrote.
    #[must_use]
    #[inline]
    pub fn read_record(record: &[u8; REPLAY_RECORD_LEN]) -> Option<Self> {
        let mut reader = Reader(record);
        let (keep_until, id) = (reader.u64()?, *reader.array()?);
        (keep_until != 0).then_some(Self { id, keep_until })
    }
}

impl VerifiedSignature {
    /// Writes what became of a signature, for the border of a WebAssembly instance.
    ///
    /// ```text
    ///  0  u8    denial code; 0 = verified
    ///  1  u8    flags: 1 a keyid, 2 created, 4 expires, 8 a tag, 16 a replay entry
    ///  2  u16   length of the keyid
    ///  4  u16   length of the tag
    ///  6  u16   0
    ///  8  i64   created, Unix seconds
    /// 16  i64   expires, Unix seconds
    /// 24  40 ×  the replay entry (see `ReplayEntry::write_record`)
    /// 64        keyid, then tag (UTF-8)
    /// ```
    ///
    /// Numbers are little-endian. Of a denial only the code is set.
    #[must_use]
    #[inline]
    pub fn write_record(outcome: &Result<Self, DenialCode>) -> Vec<u8> {
        let mut writer = Writer(Vec::with_capacity(2 * HEAD));
        let verified = match outcome {
            Ok(verified) => verified,
            Err(code) => {
                writer.u8(code.number()).pad_to(HEAD);
                return writer.0;
            }
        };
        let (keyid, tag) = (verified.keyid.as_deref(), verified.tag.as_deref());
        let set = [
            (keyid.is_some(), HAS_KEYID),
            (verified.created.is_some(), HAS_CREATED),
            (verified.expires.is_some(), HAS_EXPIRES),
            (tag.is_some(), HAS_TAG),
            (verified.replay.is_some(), HAS_REPLAY),
        ];
        let (keyid, tag) = (keyid.unwrap_or_default(), tag.unwrap_or_default());
        writer
            .u8(0)
            .u8(flags(set))
            .u16(keyid.len() as u16)
            .u16(tag.len() as u16)
            .u16(0)
            .bytes(&verified.created.unwrap_or(0).to_le_bytes())
            .bytes(&verified.expires.unwrap_or(0).to_le_bytes())
            .bytes(&ReplayEntry::write_record(verified.replay.as_ref()))
            .bytes(keyid.as_bytes())
            .bytes(tag.as_bytes());
        writer.0
    }

    /// Reads what [`write_record`](Self::write_record) wrote; `None` if no signature has such a record.
    #[must_use]
    #[inline]
    pub fn from_record(record: &[u8]) -> Option<Result<Self, DenialCode>> {
        let mut reader = Reader(record);
        let (code, flags) = (reader.u8()?, reader.u8()?);
        if code != 0 {
            return DenialCode::from_number(code).map(Err);
        }
        let (keyid_len, tag_len, _) = (reader.u16()?, reader.u16()?, reader.u16()?);
        let (created, expires) = (reader.u64()? as i64, reader.u64()? as i64);
        let replay = ReplayEntry::read_record(reader.array()?);
        let mut text = |len: u16| Some(core::str::from_utf8(reader.slice(len.into())?).ok()?.to_owned());
        let (keyid, tag) = (text(keyid_len)?, text(tag_len)?);
        let set = |flag| flags & flag != 0;
        let verified = Self {
            keyid: set(HAS_KEYID).then_some(keyid),
            created: set(HAS_CREATED).then_some(created),
            expires: set(HAS_EXPIRES).then_some(expires),
            tag: set(HAS_TAG).then_some(tag),
            replay: replay.filter(|_| set(HAS_REPLAY)),
        };
        // Whatever no signature has shows in its own record.
        let read = Ok(verified);
        (Self::write_record(&read) == record).then_some(read)
    }
}
