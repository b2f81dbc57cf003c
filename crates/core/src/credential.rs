//! First room: from what was presented to a credential, or the code that says why it is none.

use crate::{
    denial::DenialCode,
    parse::{self, Parsed, Problem},
};

/// The longest key that was made elsewhere, in bytes.
pub(crate) const MAX_IMPORTED_LEN: usize = 512;

/// What was presented.
pub(crate) enum Credential<'t> {
    /// A key or access token of ours.
    Native(Parsed<'t>),
    /// Text without the shape of a key of ours, which may have been made elsewhere.
    Foreign(&'t [u8]),
}

#[inline]
pub(crate) fn read(presented: &[u8]) -> Result<Credential<'_>, DenialCode> {
    match parse::parse(presented) {
        Ok(parsed) if parsed.kind().is_credential() => Ok(Credential::Native(parsed)),
        // Claviger's own secrets open nothing; presenting one is a mistake.
        Ok(_) => Err(DenialCode::Malformed),
        Err(error) => Err(match error.problem {
            Problem::Empty => DenialCode::Missing,
            Problem::Mismatch => DenialCode::BadChecksum,
            _ if error.is_foreign() && presented.len() <= MAX_IMPORTED_LEN => {
                return Ok(Credential::Foreign(presented));
            }
            _ => DenialCode::Malformed,
        }),
    }
}
