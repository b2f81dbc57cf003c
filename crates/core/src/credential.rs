//! First room: from what was presented to a parsed credential, or the code that says why it is none.

use crate::{
    denial::DenialCode,
    parse::{self, Parsed, Problem},
};

#[inline]
pub(crate) fn read(presented: &[u8]) -> Result<Parsed<'_>, DenialCode> {
    match parse::parse(presented) {
        Ok(parsed) if parsed.kind().is_credential() => Ok(parsed),
        // Claviger's own secrets open nothing; presenting one is a mistake.
        Ok(_) => Err(DenialCode::Malformed),
        Err(error) => Err(match error.problem {
            Problem::Empty => DenialCode::Missing,
            Problem::Mismatch => DenialCode::BadChecksum,
            _ => DenialCode::Malformed,
        }),
    }
}
