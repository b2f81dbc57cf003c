//! Making signed keys and access tokens, and the material that proves them: one key prefix under one version of an
//! issuing secret.

use crate::{
    base62,
    claims::{ClaimsError, SignedKeyTerms},
    key_id::KeyId,
    mac::{self, MacKey},
    parse::MAX_KEY_LEN,
    prefix::KeyPrefix,
    shared_secret::{Purpose, SharedSecret, WrongPurpose},
    text::SecretText,
    verifier_value::VerifierValue,
};
use core::fmt;
use zeroize::Zeroize;

/// An issuing secret for keys of one prefix, ready to make and to prove signed keys.
#[derive(Clone)]
pub struct IssuingKey {
    prefix: KeyPrefix,
    secret_id: KeyId,
    version: u8,
    signed_key: MacKey,
    access_token: MacKey,
    /// Whether its signed keys may sign requests.
    may_sign: bool,
}

impl IssuingKey {
    /// Prepares an issuing secret for keys of `prefix`.
    ///
    /// # Errors
    /// [`WrongPurpose`] if it is an integration secret, which never makes keys.
    #[inline]
    pub fn new(prefix: KeyPrefix, secret: &SharedSecret) -> Result<Self, WrongPurpose> {
        if secret.purpose() != Purpose::Issuing {
            return Err(WrongPurpose { expected: Purpose::Issuing });
        }
        let prepared = |usage| {
            let mut subkey = secret.subkey(usage);
            let mac = MacKey::new(&subkey);
            subkey.zeroize();
            mac
        };
        Ok(Self {
            prefix,
            secret_id: secret.id(),
            version: secret.version(),
            signed_key: prepared("signed-key"),
            access_token: prepared("access-token"),
            may_sign: false,
        })
    }

    /// The same, whose signed keys may also sign requests: whoever verifies accepts that then.
    #[must_use]
    pub fn for_signing(self) -> Self {
        Self { may_sign: true, ..self }
    }

    /// Makes a signed key whose id is `entropy`: 8 random bytes of the operating system, used once.
    ///
    /// The secret of the key is `HMAC-SHA256(signed-key subkey, <prefix>_<id>_<claims>_s)`, so whoever holds the
    /// issuing secret can verify the key with no other state.
    ///
    /// # Errors
    /// A [`ClaimsError`] if a time of `terms` does not fit.
    #[inline]
    pub fn generate(&self, entropy: &[u8; 8], terms: SignedKeyTerms) -> Result<SecretText, ClaimsError> {
        let text = self.start(KeyId::from_entropy(*entropy), terms, b"_s")?;
        let mut secret = mac::tag_bytes(self.signed_key.tag(text.as_bytes()));
        let text = text.seal(&secret);
        secret.zeroize();
        Ok(text)
    }

    /// Makes an access token (OAuth client credentials) of the client with the key id `client`.
    ///
    /// `value` is the verifier value of the client's key: when the client is regenerated or revoked, its tokens end. The
    /// secret of the token is `HMAC-SHA256(access-token subkey, <prefix>_<id>_<claims>_t ‖ value)`. It is the value and
    /// not the iv of a record, because that is public and another one in each keyring: so a token is good in every
    /// keyring that has its client, and nobody makes one who has only the issuing secret and the files of a keyring.
    ///
    /// # Errors
    /// A [`ClaimsError`] if a time of `terms` does not fit, or if there is no lifetime: a token has one.
    #[inline]
    pub fn generate_access_token(
        &self,
        client: KeyId,
        value: &VerifierValue,
        terms: SignedKeyTerms,
    ) -> Result<SecretText, ClaimsError> {
        if terms.claims(self.version)?.expires_at().is_none() {
            return Err(ClaimsError::Lifetime);
        }
        let text = self.start(client, terms, b"_t")?;
        let mut secret = mac::tag_bytes(access_token_tag(&self.access_token, text.as_bytes(), value.limbs()));
        let text = text.seal(&secret);
        secret.zeroize();
        Ok(text)
    }

    /// `<prefix>_<id>_<claims>` and the letter.
    #[inline]
    fn start(&self, id: KeyId, terms: SignedKeyTerms, letter: &[u8]) -> Result<SecretText, ClaimsError> {
        let claims = terms.claims(self.version)?;
        let mut text = SecretText::empty();
        text.push(self.prefix.as_bytes());
        text.push(b"_");
        text.push(&id.to_characters());
        text.push(b"_");
        text.push(&base62::encode_u64(claims.as_u64()));
        text.push(letter);
        Ok(text)
    }

    /// Whether its signed keys may sign requests.
    pub(crate) fn may_sign(&self) -> bool {
        self.may_sign
    }

    /// The prefix of its keys.
    #[must_use]
    pub fn prefix(&self) -> &KeyPrefix {
        &self.prefix
    }

    /// The public id of the issuing secret.
    #[must_use]
    pub fn secret_id(&self) -> KeyId {
        self.secret_id
    }

    /// The version of the issuing secret.
    #[must_use]
    pub fn version(&self) -> u8 {
        self.version
    }

    /// What the secret of a signed key is a MAC under.
    #[inline]
    pub(crate) fn signed_key_mac(&self) -> &MacKey {
        &self.signed_key
    }

    /// What the secret of an access token is a MAC under.
    #[inline]
    pub(crate) fn access_token_mac(&self) -> &MacKey {
        &self.access_token
    }
}

/// The signing secret of the signed key whose text up to its kind letter this is: `sign` extracts it from the secret that
/// `mac`, which makes signed keys, makes of that text.
pub(crate) fn signing_value(mac: &MacKey, text: &[u8], sign: &MacKey) -> [u64; 4] {
    let mut secret = mac::tag_bytes(mac.tag(text));
    let mut characters = base62::encode_secret(&secret);
    let value = sign.tag(&characters);
    secret.zeroize();
    characters.zeroize();
    value
}

/// The secret of the access token that starts with `text`, bound to its client by the client's verifier value.
#[inline]
pub(crate) fn access_token_tag(mac: &MacKey, text: &[u8], value: [u64; 4]) -> [u64; 4] {
    // The text has no secret and no checksum, which are longer than the value.
    let mut message = [0; MAX_KEY_LEN];
    for (slot, byte) in message.iter_mut().zip(text.iter().chain(value.map(u64::to_be_bytes).as_flattened()))
    {
        *slot = *byte;
    }
    let tag = mac.tag(message.get(..text.len().saturating_add(32)).unwrap_or_default());
    message.zeroize();
    tag
}

impl fmt::Debug for IssuingKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("IssuingKey")
            .field("prefix", &self.prefix)
            .field("secret_id", &self.secret_id)
            .field("version", &self.version)
            .field("macs", &format_args!("[redacted]"))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mac::tests::oracle as hmac_sha256;
    use std::format;

    /// The documented derivation, put together anew from HMAC alone.
    #[test]
    fn a_signed_key_is_what_its_documentation_says() {
        let entropy: [u8; 40] = core::array::from_fn(|i| i as u8);
        let secret = SharedSecret::generate(Purpose::Issuing, 200, &entropy);
        let issuer = IssuingKey::new(KeyPrefix::new("acme_live").unwrap(), &secret).unwrap();
        let key = issuer.generate(&[0; 8], SignedKeyTerms::expiring(1_790_000_000, 60)).unwrap();

        // RFC 5869 with an output of one block.
        let extracted = hmac_sha256(b"claviger/secret/v1", &entropy[8..]);
        let subkey = hmac_sha256(&extracted, b"issuing\0signed-key\x01");
        let (signed, rest) = key.expose().split_at(key.expose().len() - 50);
        let tag: [u8; 32] = hmac_sha256(&subkey, signed.as_bytes()).try_into().unwrap();
        assert_eq!(rest.as_bytes()[..44], base62::encode_secret(&tag));
        assert!(signed.starts_with("acme_live_00000000000_") && signed.ends_with("_s"), "{signed}");

        let bytes: [u8; 32] = core::array::from_fn(|i| i as u8);
        let (client, value) = (KeyId::from_u64(1), VerifierValue::from_bytes(bytes));
        let token = issuer
            .generate_access_token(client, &value, SignedKeyTerms::expiring(1_790_000_000, 60))
            .unwrap();
        let subkey = hmac_sha256(&extracted, b"issuing\0access-token\x01");
        let (signed, rest) = token.expose().split_at(token.expose().len() - 50);
        let tag: [u8; 32] = hmac_sha256(&subkey, &[signed.as_bytes(), &bytes].concat()).try_into().unwrap();
        assert_eq!(rest.as_bytes()[..44], base62::encode_secret(&tag));
        assert_eq!(format!("{}", secret.id()).as_bytes(), base62::encode_u64(0x0001_0203_0405_0607));
    }
}
