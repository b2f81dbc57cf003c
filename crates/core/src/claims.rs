//! What a signed key says of itself: one u64 that its secret proves.
//!
//! From the top bit: issuing-secret version (8), flags (4: the lowest is *read only*, the others are 0), issued-at
//! in minutes since 2020-01-01T00:00:00Z (26), lifetime in minutes (26, 0 = none).

use core::fmt;

/// 2020-01-01T00:00:00Z in Unix seconds, where minutes of claims start.
const EPOCH: u64 = 1_577_836_800;
/// The largest issued-at and lifetime, in minutes: 26 bits, 127 years.
pub const MAX_MINUTES: u32 = (1 << 26) - 1;
const READ_ONLY: u64 = 1;

/// The claims of a signed key or access token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Claims(u64);

impl Claims {
    /// Reads claims; `None` if a flag is set that this version does not know.
    pub(crate) fn from_u64(claims: u64) -> Option<Self> {
        let flags = (claims >> 52) & 0xf;
        (flags & !READ_ONLY == 0).then_some(Self(claims))
    }

    pub(crate) fn as_u64(self) -> u64 {
        self.0
    }

    /// The version of the issuing secret that the key was made with.
    #[must_use]
    pub fn version(self) -> u8 {
        (self.0 >> 56) as u8
    }

    /// Whether the key has only the read-only part of its rights.
    #[must_use]
    pub fn read_only(self) -> bool {
        (self.0 >> 52) & READ_ONLY != 0
    }

    /// When the key was issued, in Unix seconds, to the minute.
    #[must_use]
    pub fn issued_at(self) -> u64 {
        let minutes = (self.0 >> 26) & u64::from(MAX_MINUTES);
        minutes.wrapping_mul(60).wrapping_add(EPOCH)
    }

    /// When the key stops being good, in Unix seconds; `None` if never.
    #[must_use]
    pub fn expires_at(self) -> Option<u64> {
        let minutes = self.0 & u64::from(MAX_MINUTES);
        (minutes != 0).then(|| self.issued_at().wrapping_add(minutes.wrapping_mul(60)))
    }
}

/// What a signed key is to say, before an issuing secret adds its version.
///
/// ```
/// use claviger_core::SignedKeyTerms;
///
/// let one_day = SignedKeyTerms::expiring(1_790_000_000, 24 * 60).read_only();
/// let forever = SignedKeyTerms::without_lifetime(1_790_000_000);
/// # let _ = (one_day, forever);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SignedKeyTerms {
    issued_at: u64,
    lifetime_minutes: Option<u32>,
    read_only: bool,
}

impl SignedKeyTerms {
    /// A key issued at `issued_at` (Unix seconds, cut to the minute) that is good for `lifetime_minutes` (1 to
    /// [`MAX_MINUTES`]) from that minute on.
    #[must_use]
    pub const fn expiring(issued_at: u64, lifetime_minutes: u32) -> Self {
        Self { issued_at, lifetime_minutes: Some(lifetime_minutes), read_only: false }
    }

    /// A key issued at `issued_at` (Unix seconds) that never expires. A verifier without a keyring refuses it
    /// unless it was told to allow such keys, because nothing could ever end it there.
    #[must_use]
    pub const fn without_lifetime(issued_at: u64) -> Self {
        Self { issued_at, lifetime_minutes: None, read_only: false }
    }

    /// The same key with only the read-only part of its rights.
    #[must_use]
    pub const fn read_only(self) -> Self {
        Self { read_only: true, ..self }
    }

    /// The claims of a key under version `version` of an issuing secret.
    ///
    /// # Errors
    /// A [`ClaimsError`] if a time does not fit.
    pub fn claims(self, version: u8) -> Result<Claims, ClaimsError> {
        let minutes = self.issued_at.checked_sub(EPOCH).map(|seconds| seconds / 60);
        let issued =
            minutes.filter(|&minutes| minutes <= u64::from(MAX_MINUTES)).ok_or(ClaimsError::IssuedAt)?;
        let lifetime = match self.lifetime_minutes {
            None => 0,
            Some(minutes @ 1..=MAX_MINUTES) => u64::from(minutes),
            Some(_) => return Err(ClaimsError::Lifetime),
        };
        Ok(Claims(u64::from(version) << 56 | u64::from(self.read_only) << 52 | issued << 26 | lifetime))
    }
}

/// A time that the claims of a signed key cannot hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ClaimsError {
    /// Issued before 2020 or more than [`MAX_MINUTES`] after it.
    IssuedAt,
    /// A lifetime of 0 minutes or of more than [`MAX_MINUTES`].
    Lifetime,
}

impl fmt::Display for ClaimsError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::IssuedAt => "issued_at must be Unix seconds between 2020-01-01 and the year 2147",
            Self::Lifetime => {
                "lifetime must be 1 to 67108863 minutes (127 years), or none for a key that never expires"
            }
        })
    }
}

impl core::error::Error for ClaimsError {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn layout() {
        let claims = SignedKeyTerms::expiring(EPOCH + 61, 2).read_only().claims(255).unwrap();
        assert_eq!(claims.as_u64(), 0xff10_0000_0400_0002);
        assert_eq!((claims.issued_at(), claims.expires_at()), (EPOCH + 60, Some(EPOCH + 180)));
        assert_eq!(Claims::from_u64(0x0020_0000_0000_0000), None, "a flag of a later version");
    }

    #[test]
    fn times_that_do_not_fit_are_refused() {
        let issue = |issued_at, lifetime| SignedKeyTerms::expiring(issued_at, lifetime).claims(0);
        assert_eq!(issue(EPOCH - 1, 1), Err(ClaimsError::IssuedAt));
        assert!(issue(EPOCH, 1).is_ok());
        let last = EPOCH + u64::from(MAX_MINUTES) * 60;
        assert!(issue(last + 59, MAX_MINUTES).is_ok());
        assert_eq!(issue(last + 60, 1), Err(ClaimsError::IssuedAt));
        assert_eq!(issue(u64::MAX, 1), Err(ClaimsError::IssuedAt));
        assert_eq!(issue(EPOCH, 0), Err(ClaimsError::Lifetime));
        assert_eq!(issue(EPOCH, MAX_MINUTES + 1), Err(ClaimsError::Lifetime));
    }

    proptest! {
        #[test]
        fn every_term_can_be_read_back(
            version: u8, issued in 0..=MAX_MINUTES, lifetime in 0..=MAX_MINUTES, read_only: bool,
        ) {
            let issued_at = EPOCH + u64::from(issued) * 60;
            let mut terms = match lifetime {
                0 => SignedKeyTerms::without_lifetime(issued_at),
                minutes => SignedKeyTerms::expiring(issued_at, minutes),
            };
            if read_only {
                terms = terms.read_only();
            }
            let claims = Claims::from_u64(terms.claims(version).unwrap().as_u64()).unwrap();
            prop_assert_eq!(claims.version(), version);
            prop_assert_eq!(claims.read_only(), read_only);
            prop_assert_eq!(claims.issued_at(), issued_at);
            prop_assert_eq!(claims.expires_at(), (lifetime != 0).then(|| issued_at + u64::from(lifetime) * 60));
        }
    }
}
