//! Third room: the presented secret against the material, in constant time.
//!
//! Where there is no material, a stand-in is worked with: an unknown key costs what a known one does.

use crate::{
    denial::DenialCode,
    issuing_key,
    keyring::{NO_RECORD, Record},
    mac::MacKey,
    parse::Parsed,
    signature::SigningKey,
};
use ctutils::CtEq;

/// Proves a signed key: its secret must be the MAC of everything before it.
#[inline]
pub(crate) fn signed_key(
    parsed: &Parsed<'_>,
    mac: Option<&MacKey>,
    stand_in: &MacKey,
) -> Result<(), DenialCode> {
    let tag = mac.unwrap_or(stand_in).tag(parsed.signed_part());
    let equal = tag.as_slice().ct_eq(parsed.secret().as_slice());
    // Whether the version is known is public; whether the tag is equal is told only now, as a whole.
    match (mac.is_some(), equal.to_bool()) {
        (true, true) => Ok(()),
        (true, false) => Err(DenialCode::BadSecret),
        (false, _) => Err(DenialCode::UnknownKey),
    }
}

/// Proves a key by its verifier value: it must be that of a record. Returns that record.
#[inline]
pub(crate) fn value(value: [u64; 4], records: &[Record]) -> Result<&Record, DenialCode> {
    one_of(records, |record| value.as_slice().ct_eq(record.value.as_slice()).to_bool())
}

/// Proves an access token by a record of its client: its secret must be the MAC of everything before it and the
/// client's verifier value. Returns that record.
#[inline]
pub(crate) fn access_token<'k>(
    parsed: &Parsed<'_>,
    records: &'k [Record],
    mac: Option<&MacKey>,
    stand_in: &MacKey,
) -> Result<&'k Record, DenialCode> {
    let proven = one_of(records, |record| {
        let tag = issuing_key::access_token_tag(mac.unwrap_or(stand_in), parsed.signed_part(), record.value);
        tag.as_slice().ct_eq(parsed.secret().as_slice()).to_bool()
    });
    if mac.is_some() { proven } else { Err(DenialCode::UnknownKey) }
}

/// Proves a signature by the record of its key, whose verifier value is the signing secret. Returns that record.
pub(crate) fn signature<'k>(
    base: &[u8],
    tag: &[u8],
    records: &'k [Record],
) -> Result<&'k Record, DenialCode> {
    let proven = one_of(records, |record| SigningKey::of_value(record.value).proves(base, tag));
    proven.map_err(|code| if code == DenialCode::BadSecret { DenialCode::BadSignature } else { code })
}

/// The record that `proves` accepts. All are tried, and a stand-in if there are none.
#[inline(always)]
fn one_of(records: &[Record], proves: impl Fn(&Record) -> bool) -> Result<&Record, DenialCode> {
    let Some((first, others)) = records.split_first() else {
        core::hint::black_box(proves(&NO_RECORD));
        return Err(DenialCode::UnknownKey);
    };
    let mut proven = proves(first).then_some(first);
    // During a rotation there are two, and both are tried whichever proves.
    for record in others {
        if proves(record) {
            proven = Some(record);
        }
    }
    proven.ok_or(DenialCode::BadSecret)
}
