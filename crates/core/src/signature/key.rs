//! The key of signatures: HMAC-SHA256 with the signing secret of an API key, or a subkey of an integration secret.

use crate::{
    mac::{self, MacKey},
    parse::{KeyKind, Parsed},
    shared_secret::{Purpose, SharedSecret, WrongPurpose},
    verifier_value::Extractors,
};
use core::fmt;
use ctutils::CtEq;
use zeroize::Zeroize;

/// A key that signs requests and proves their signatures.
///
/// ```
/// use claviger_core::{KeyPrefix, OpaqueUse, SigningKey, generate_opaque_key, parse};
///
/// let (_, key) = generate_opaque_key(&KeyPrefix::new("acme_live")?, OpaqueUse::BearerAndSigning, &[7; 40]);
/// let parsed = parse(key.expose()).map_err(|_| "not a key")?;
/// assert!(SigningKey::of_key(&parsed).is_some());
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct SigningKey(MacKey);

impl SigningKey {
    /// The signing secret of an API key: `HKDF-Extract("claviger/sign/v1", the 44 secret characters)`. `None` if the key does
    /// not sign: of opaque keys those sign that were generated for it, and signed keys.
    #[must_use]
    #[inline]
    pub fn of_key(key: &Parsed<'_>) -> Option<Self> {
        let signs = matches!(key.kind(), KeyKind::OpaqueSigning | KeyKind::Signed);
        signs.then(|| Self::of_value(Extractors::sign().tag(key.secret_characters())))
    }

    /// The `http-signature` subkey of an integration secret.
    ///
    /// # Errors
    /// [`WrongPurpose`] if it is an issuing secret, which never signs requests.
    #[inline]
    pub fn of_integration_secret(secret: &SharedSecret) -> Result<Self, WrongPurpose> {
        if secret.purpose() != Purpose::Integration {
            return Err(WrongPurpose { expected: Purpose::Integration });
        }
        let mut subkey = secret.subkey("http-signature");
        let key = Self(MacKey::new(&subkey));
        subkey.zeroize();
        Ok(key)
    }

    /// A key of one's own: any bytes, as RFC 2104 takes them. Fewer than 32 are less than the algorithm is worth, and with none
    /// anybody signs: see that it is not a setting that was left empty.
    #[must_use]
    #[inline]
    pub fn from_bytes(key: &[u8]) -> Self {
        Self(MacKey::of_any_length(key))
    }

    /// The key whose verifier value this is.
    #[inline(never)]
    pub(crate) fn of_value(value: [u64; 4]) -> Self {
        let mut bytes = mac::tag_bytes(value);
        let key = Self(MacKey::new(&bytes));
        bytes.zeroize();
        key
    }

    /// What is worked with where there is no key.
    #[inline]
    pub(crate) fn stand_in() -> Self {
        Self(MacKey::stand_in())
    }

    #[inline(never)]
    pub(crate) fn tag(&self, base: &[u8]) -> [u8; 32] {
        mac::tag_bytes(self.0.tag_parts(&[base]))
    }

    /// Whether `tag` is that of the base, in constant time. It has to be whole.
    #[inline(never)]
    pub(crate) fn proves(&self, base: &[u8], tag: &[u8]) -> bool {
        self.tag(base).as_slice().ct_eq(tag).to_bool()
    }
}

impl fmt::Debug for SigningKey {
    #[inline]
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SigningKey([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{KeyPrefix, OpaqueUse, generate_opaque_key, parse};
    use std::{format, string::String};

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Computed from the derivations by the HMAC of Python. Each use of a secret has a key of its own: who verifies webhooks
    /// could otherwise sign requests.
    #[test]
    fn keys_are_what_their_derivations_say() {
        let secret = SharedSecret::generate(Purpose::Integration, 1, &[9; 40]);
        let tag = SigningKey::of_integration_secret(&secret).unwrap().tag(b"base");
        assert_eq!(hex(&tag), "9608a6717d233403202145add1db9e50b323c790cd22ef7c8bd1270bdb8c820c");

        let prefix = KeyPrefix::new("acme_live").unwrap();
        let key = |usage| generate_opaque_key(&prefix, usage, &[7; 40]).1;
        let (signs, does_not) = (key(OpaqueUse::BearerAndSigning), key(OpaqueUse::Bearer));
        let tag = SigningKey::of_key(&parse(signs.expose()).unwrap()).unwrap().tag(b"base");
        assert_eq!(hex(&tag), "f10d5bc5a17c9748e2d1befd74173de7b5c466a7ced55d17e2466320086478ca");
        assert!(SigningKey::of_key(&parse(does_not.expose()).unwrap()).is_none());
    }
}
