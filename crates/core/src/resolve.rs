//! Second room: from what a credential names to the material that can prove it.

use crate::{claims::Claims, denial::DenialCode, issuing_key::IssuingKey, parse::Parsed, prefix::KeyPrefix};
use core::borrow::Borrow;

/// What a verifier knows of the issuing secret of a signed key or access token before it is proved.
pub(crate) struct Issuer<'v, T> {
    pub(crate) prefix: &'v KeyPrefix,
    pub(crate) claims: Claims,
    /// `None` if the verifier does not hold this version. Then a stand-in is worked with, so that an unknown version
    /// takes as long as a known one.
    pub(crate) key: Option<&'v T>,
}

/// Finds the issuing key of a text with claims among `issuing`, which is sorted by prefix and version.
#[inline]
pub(crate) fn issuer<'v, T: Borrow<IssuingKey>>(
    parsed: &Parsed<'_>,
    issuing: &'v [T],
) -> Result<Issuer<'v, T>, DenialCode> {
    named(parsed.prefix_bytes(), parsed.claims(), issuing)
}

/// The same for what a text names.
#[inline]
pub(crate) fn named<'v, T: Borrow<IssuingKey>>(
    presented: &[u8],
    claims: Option<Claims>,
    issuing: &'v [T],
) -> Result<Issuer<'v, T>, DenialCode> {
    // Without claims any version will do: what is asked then is only whether the prefix is known.
    let version = claims.map_or(0, Claims::version);
    let order = |key: &T| {
        let key: &IssuingKey = key.borrow();
        key.prefix().as_bytes().cmp(presented).then(key.version().cmp(&version))
    };
    let (key, prefix) = match issuing.binary_search_by(order) {
        Ok(place) => issuing.get(place).map(|key| (Some(key), key.borrow().prefix())),
        // Where the version would be, one of the two neighbours has the same prefix if any key has.
        Err(place) => {
            let neighbours = [place.checked_sub(1), Some(place)].into_iter().flatten();
            let mut prefixes =
                neighbours.filter_map(|place| issuing.get(place)).map(|key| key.borrow().prefix());
            prefixes.find(|prefix| prefix.as_bytes() == presented).map(|prefix| (None, prefix))
        }
    }
    .ok_or(DenialCode::WrongPrefix)?;
    let claims = claims.ok_or(DenialCode::UnknownKey)?;
    Ok(Issuer { prefix, claims, key })
}
