//! Second room: from what a credential names to the material that can prove it.

use crate::{
    claims::Claims,
    denial::DenialCode,
    issuing_key::IssuingKey,
    mac::MacKey,
    parse::{KeyKind, Parsed},
    prefix::KeyPrefix,
};

/// What a verifier knows about a signed key before it is proved.
pub(crate) struct Resolved<'v> {
    pub(crate) prefix: &'v KeyPrefix,
    pub(crate) claims: Claims,
    /// What its secret must be a MAC under.
    pub(crate) mac: &'v MacKey,
    /// `false` if `mac` is a stand-in for a secret that the verifier does not hold. It is worked with all the same,
    /// so that an unknown version takes as long as a known one.
    pub(crate) known: bool,
}

/// Finds the issuing key of a signed key among `issuing`, which is sorted by prefix and version.
#[inline]
pub(crate) fn signed_key<'v>(
    parsed: &Parsed<'_>,
    issuing: &'v [IssuingKey],
    stand_in: &'v MacKey,
) -> Result<Resolved<'v>, DenialCode> {
    let presented = parsed.prefix_bytes();
    let start = issuing.partition_point(|key| key.prefix().as_bytes() < presented);
    let same_prefix = || issuing.iter().skip(start).take_while(|key| key.prefix().as_bytes() == presented);
    let prefix = same_prefix().next().ok_or(DenialCode::WrongPrefix)?.prefix();
    // An opaque key or an access token can only be known from a record, and there are none without a keyring.
    let claims =
        parsed.claims().filter(|_| parsed.kind() == KeyKind::Signed).ok_or(DenialCode::UnknownKey)?;
    let key = same_prefix().find(|key| key.version() == claims.version());
    Ok(Resolved { prefix, claims, mac: key.map_or(stand_in, IssuingKey::mac), known: key.is_some() })
}
