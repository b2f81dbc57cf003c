//! Third room: the presented secret against the material, in constant time.

use crate::{denial::DenialCode, parse::Parsed, resolve::Resolved};
use ctutils::CtEq;

/// Proves a signed key: its secret must be the MAC of everything before it.
#[inline]
pub(crate) fn signed_key(parsed: &Parsed<'_>, resolved: &Resolved<'_>) -> Result<(), DenialCode> {
    let tag = resolved.mac.tag(parsed.signed_part());
    let equal = tag.as_slice().ct_eq(parsed.secret().as_slice());
    // Whether the version is known is public; whether the tag is equal is told only now, as a whole.
    match (resolved.known, equal.to_bool()) {
        (true, true) => Ok(()),
        (true, false) => Err(DenialCode::BadSecret),
        (false, _) => Err(DenialCode::UnknownKey),
    }
}
