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
    // Without claims any version will do: what is asked then is only whether the prefix is known.
    let claims = parsed.claims().filter(|_| parsed.kind() == KeyKind::Signed);
    let version = claims.map_or(0, Claims::version);
    let order = |key: &IssuingKey| key.prefix().as_bytes().cmp(presented).then(key.version().cmp(&version));
    let (key, prefix) = match issuing.binary_search_by(order) {
        Ok(place) => issuing.get(place).map(|key| (Some(key), key.prefix())),
        // Where the version would be, one of the two neighbours has the same prefix if any key has.
        Err(place) => {
            let neighbours = [place.checked_sub(1), Some(place)].into_iter().flatten();
            let mut prefixes = neighbours.filter_map(|place| issuing.get(place)).map(IssuingKey::prefix);
            prefixes.find(|prefix| prefix.as_bytes() == presented).map(|prefix| (None, prefix))
        }
    }
    .ok_or(DenialCode::WrongPrefix)?;
    // An opaque key or an access token can only be known from a record, and there are none without a keyring.
    let claims = claims.ok_or(DenialCode::UnknownKey)?;
    Ok(Resolved { prefix, claims, mac: key.map_or(stand_in, IssuingKey::mac), known: key.is_some() })
}
