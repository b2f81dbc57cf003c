//! Webhooks by the Standard Webhooks specification (<https://www.standardwebhooks.com>), its symmetric signatures `v1`:
//! signing what is sent, and verifying what arrives.
//!
//! Reading headers of HTTP, remembering ids that were seen, and the asymmetric signatures `v1a` are not here.

use crate::{
    denial::DenialCode,
    mac::{self, MacKey},
    shared_secret::{Purpose, SharedSecret},
    text::SecretText,
};
use alloc::string::String;
use base64ct::{Base64, Encoding};
use core::fmt;
use ctutils::CtEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// How many seconds the time of a webhook may be away from the clock, before and behind it, where nothing else is said:
/// five minutes, as the libraries of Standard Webhooks have it.
pub const WEBHOOK_TOLERANCE_SECONDS: u64 = 300;
/// The longest id of a webhook, in bytes. The specification has no limit; ids of services have some 30.
pub const MAX_WEBHOOK_ID_LEN: usize = 256;
/// The latest time of a webhook, in Unix seconds: 2^53 - 1, up to which every language's numbers are exact.
pub const MAX_WEBHOOK_TIMESTAMP: u64 = (1 << 53) - 1;
/// The most secrets that sign one webhook, or that one is verified with. A rotation needs two.
pub const MAX_WEBHOOK_SECRETS: usize = 8;
/// The most signatures of one webhook, of all versions.
pub const MAX_WEBHOOK_SIGNATURES: usize = 16;
/// The longest `webhook-signature`, in bytes: 16 signatures of ed25519 (`v1a`), the longest that the specification has,
/// are shorter.
pub const MAX_WEBHOOK_SIGNATURE_LEN: usize = 2048;

/// The least and the most bytes of a secret. "Signature scheme" in the specification: at least 24, at most 64 (512 bits).
const MIN_SECRET: usize = 24;
const MAX_SECRET: usize = 64;
const SECRET_PREFIX: &str = "whsec_";
/// The characters of a MAC of 32 bytes in base64.
const TAG_CHARACTERS: usize = 44;

/// A secret that signs webhooks and proves them: 24 to 64 bytes.
///
/// ```
/// use claviger_core::{WebhookHeaders, WebhookSecret, verify_webhook};
///
/// let secret = WebhookSecret::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?;
/// let body = br#"{"email":"test@example.com","username":"test_user"}"#;
/// let signature = secret.sign("msg_27UH4WbU6Z5A5EzD8u03UvzRbpk", 1_649_367_553, body)?;
/// assert_eq!(signature, "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=");
///
/// let headers = WebhookHeaders {
///     id: Some(b"msg_27UH4WbU6Z5A5EzD8u03UvzRbpk"),
///     timestamp: Some(b"1649367553"),
///     signature: Some(signature.as_bytes()),
/// };
/// let verified = verify_webhook(&[secret], &headers, body, 1_649_367_600, 300);
/// assert_eq!(verified.map(|webhook| webhook.timestamp), Ok(1_649_367_553));
/// # Ok::<(), claviger_core::WebhookError>(())
/// ```
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct WebhookSecret {
    bytes: [u8; MAX_SECRET],
    len: usize,
    mac: MacKey,
}

impl WebhookSecret {
    /// The secret that an integration secret (`cvgws_…`) has for webhooks: 32 bytes of its own, from which the integration
    /// secret cannot be told.
    ///
    /// # Errors
    /// [`WebhookError::WrongPurpose`] if it is an issuing secret, which never signs webhooks.
    #[inline]
    pub fn of(secret: &SharedSecret) -> Result<Self, WebhookError> {
        if secret.purpose() != Purpose::Integration {
            return Err(WebhookError::WrongPurpose);
        }
        let mut subkey = secret.subkey("webhook");
        let secret = Self::new(&subkey);
        subkey.zeroize();
        secret
    }

    /// Reads `whsec_` and 24 to 64 bytes in base64: the standard alphabet, with padding (RFC 4648, section 4).
    ///
    /// # Errors
    /// [`WebhookError::Secret`] if it is anything else. It holds none of the text.
    #[inline]
    pub fn parse(text: &str) -> Result<Self, WebhookError> {
        let text = text.strip_prefix(SECRET_PREFIX).ok_or(WebhookError::Secret)?;
        let mut bytes = [0; MAX_SECRET];
        let secret = decode(text.as_bytes(), &mut bytes).ok_or(WebhookError::Secret).and_then(Self::new);
        bytes.zeroize();
        secret
    }

    #[inline(never)]
    fn new(secret: &[u8]) -> Result<Self, WebhookError> {
        if !(MIN_SECRET..=MAX_SECRET).contains(&secret.len()) {
            return Err(WebhookError::Secret);
        }
        let mut bytes = [0; MAX_SECRET];
        for (slot, byte) in bytes.iter_mut().zip(secret) {
            *slot = *byte;
        }
        Ok(Self { bytes, len: secret.len(), mac: MacKey::of_any_length(secret) })
    }

    /// The text `whsec_…`, for receivers that verify with another library. It is the secret.
    #[must_use]
    #[inline]
    pub fn to_text(&self) -> SecretText {
        let mut text = SecretText::empty();
        text.push(SECRET_PREFIX.as_bytes());
        // 64 bytes are 88 characters.
        let mut characters = [0; 88];
        let secret = self.bytes.get(..self.len).unwrap_or_default();
        text.push(encode(secret, &mut characters).as_bytes());
        characters.zeroize();
        text
    }

    /// Signs a webhook: the value of `webhook-signature`, `v1,` and the base64 of
    /// HMAC-SHA256(secret, `id.timestamp.body`).
    ///
    /// - `id`: the value of `webhook-id`, the same for every attempt to send; 1 to 256 visible ASCII characters without a
    ///   full stop.
    /// - `timestamp`: the value of `webhook-timestamp`, the time of this attempt in Unix seconds; at most 2^53 - 1.
    /// - `body`: the very bytes that are sent, of any length.
    ///
    /// # Errors
    /// [`WebhookError::Id`] or [`WebhookError::Timestamp`].
    #[inline]
    pub fn sign(&self, id: &str, timestamp: u64, body: &[u8]) -> Result<String, WebhookError> {
        sign_webhook(core::slice::from_ref(self), id, timestamp, body)
    }

    /// The MAC of a webhook whose id and timestamp are in order.
    #[inline]
    fn tag(&self, id: &[u8], timestamp: &[u8], body: &[u8]) -> [u8; 32] {
        mac::tag_bytes(self.mac.tag_parts(&[id, b".", timestamp, b".", body]))
    }
}

impl fmt::Debug for WebhookSecret {
    #[inline]
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("WebhookSecret([redacted])")
    }
}

/// Signs a webhook with each of 1 to 8 secrets, as [`WebhookSecret::sign`] does with one: the signatures in the order of
/// the secrets, a space between them. While a secret is rotated the old and the new one sign, and a receiver may have
/// either.
///
/// # Errors
/// [`WebhookError::Id`], [`WebhookError::Timestamp`] or [`WebhookError::Secrets`].
#[inline]
pub fn sign_webhook(
    secrets: &[WebhookSecret],
    id: &str,
    timestamp: u64,
    body: &[u8],
) -> Result<String, WebhookError> {
    let id = id_text(id.as_bytes()).ok_or(WebhookError::Id)?;
    if timestamp > MAX_WEBHOOK_TIMESTAMP {
        return Err(WebhookError::Timestamp);
    }
    if secrets.is_empty() || secrets.len() > MAX_WEBHOOK_SECRETS {
        return Err(WebhookError::Secrets);
    }
    let mut digits = [0; 20];
    let timestamp = decimal(timestamp, &mut digits);
    let mut header = String::with_capacity(secrets.len().saturating_mul(TAG_CHARACTERS.saturating_add(4)));
    for secret in secrets {
        header.push_str(if header.is_empty() { "v1," } else { " v1," });
        let mut characters = [0; TAG_CHARACTERS];
        let tag = secret.tag(id.as_bytes(), timestamp, body);
        header.push_str(encode(&tag, &mut characters));
    }
    Ok(header)
}

/// The three headers of a webhook as they arrived; `None` for one that is not there. One that was sent twice is to be given
/// joined by a comma and a blank (RFC 9110, section 5.3), which no good value of any of them has.
#[derive(Clone, Copy, Debug, Default)]
pub struct WebhookHeaders<'a> {
    /// `webhook-id`.
    pub id: Option<&'a [u8]>,
    /// `webhook-timestamp`.
    pub timestamp: Option<&'a [u8]>,
    /// `webhook-signature`.
    pub signature: Option<&'a [u8]>,
}

/// A webhook that a secret proved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VerifiedWebhook<'a> {
    /// Its id, the same for every attempt to send it. Whoever must not do the same twice remembers the ids that he has
    /// seen, for twice the tolerance at least.
    pub id: &'a str,
    /// When this attempt was made, in Unix seconds.
    pub timestamp: u64,
    /// The first of the secrets that proved it, by its place. A rotation is over when the old one proves none any more.
    pub secret: usize,
}

/// Verifies a webhook.
///
/// - `secrets`: 1 to 8; any of them may prove it.
/// - `headers`: `webhook-id` as [`WebhookSecret::sign`] takes it; `webhook-timestamp` in digits, without a leading zero;
///   `webhook-signature`, 1 to 16 signatures in at most 2048 bytes, a single space between them. One is a version and,
///   behind a comma, a text without commas. Of the version `v1` the text is 32 bytes in base64; other versions are skipped.
/// - `body`: the very bytes that arrived. They are hashed, once for each secret and not before all else is in order; nothing
///   is decoded, and the caller limits their length.
/// - `now`: the time in Unix seconds. `tolerance`: by how many seconds the timestamp may be earlier or later, such as
///   [`WEBHOOK_TOLERANCE_SECONDS`].
///
/// # Errors
/// In this order: [`DenialCode::NotConfigured`] without secrets or with more than 8, which is the program's fault;
/// [`DenialCode::Missing`] if a header is not there; [`DenialCode::Malformed`] if one, or one of the signatures, does not
/// have this form; [`DenialCode::SignatureExpired`]; [`DenialCode::SignatureFromFuture`]; [`DenialCode::BadSignature`] if
/// none of the signatures is one of the secrets'.
///
/// An id with a full stop is malformed, though the specification only warns of it: with it, the bytes that are signed could
/// be parted in another way, and a sender's body taken for an id and a time.
#[inline]
pub fn verify_webhook<'a>(
    secrets: &[WebhookSecret],
    headers: &WebhookHeaders<'a>,
    body: &[u8],
    now: u64,
    tolerance: u64,
) -> Result<VerifiedWebhook<'a>, DenialCode> {
    if secrets.is_empty() || secrets.len() > MAX_WEBHOOK_SECRETS {
        return Err(DenialCode::NotConfigured);
    }
    let (Some(id), Some(digits), Some(signature)) = (headers.id, headers.timestamp, headers.signature) else {
        return Err(DenialCode::Missing);
    };
    let (text, timestamp) = id_text(id).zip(number(digits)).ok_or(DenialCode::Malformed)?;
    let mut tags = [[0; 32]; MAX_WEBHOOK_SIGNATURES];
    let tags = read_signatures(signature, &mut tags).ok_or(DenialCode::Malformed)?;
    if now.saturating_sub(timestamp) > tolerance {
        return Err(DenialCode::SignatureExpired);
    }
    if timestamp.saturating_sub(now) > tolerance {
        return Err(DenialCode::SignatureFromFuture);
    }
    for (place, secret) in secrets.iter().enumerate() {
        let expected = secret.tag(id, digits, body);
        // Which signature is good, and of which secret, is told; how much of one is good is not.
        let mut proved = false;
        for tag in tags {
            proved |= expected.as_slice().ct_eq(tag.as_slice()).to_bool();
        }
        if proved {
            return Ok(VerifiedWebhook { id: text, timestamp, secret: place });
        }
    }
    Err(DenialCode::BadSignature)
}

/// The signatures of version `v1`, if all of the header has its form.
#[inline]
fn read_signatures<'t>(
    signature: &[u8],
    tags: &'t mut [[u8; 32]; MAX_WEBHOOK_SIGNATURES],
) -> Option<&'t [[u8; 32]]> {
    if signature.len() > MAX_WEBHOOK_SIGNATURE_LEN {
        return None;
    }
    let mut filled = 0_usize;
    for (count, entry) in signature.split(|&byte| byte == b' ').enumerate() {
        if count >= MAX_WEBHOOK_SIGNATURES || !entry.iter().all(u8::is_ascii_graphic) {
            return None;
        }
        let mut fields = entry.split(|&byte| byte == b',');
        let (Some(version), Some(value), None) = (fields.next(), fields.next(), fields.next()) else {
            return None;
        };
        if version.is_empty() || value.is_empty() {
            return None;
        }
        if version == b"v1" {
            let tag = tags.get_mut(filled)?;
            if decode(value, tag)?.len() != 32 {
                return None;
            }
            filled = filled.saturating_add(1);
        }
    }
    tags.get(..filled)
}

/// The bytes of a text in base64, which must have room.
#[inline(never)]
fn decode<'b>(text: &[u8], bytes: &'b mut [u8]) -> Option<&'b [u8]> {
    Base64::decode(text, bytes).ok()
}

/// The text of bytes in base64, which must have room.
#[inline(never)]
fn encode<'t>(bytes: &[u8], text: &'t mut [u8]) -> &'t str {
    Base64::encode(bytes, text).unwrap_or_default()
}

/// The text of an id: 1 to 256 visible ASCII characters but the full stop, which parts what is signed.
#[inline]
fn id_text(id: &[u8]) -> Option<&str> {
    let visible = |byte: &u8| byte.is_ascii_graphic() && *byte != b'.';
    let is_id = (1..=MAX_WEBHOOK_ID_LEN).contains(&id.len()) && id.iter().all(visible);
    is_id.then(|| core::str::from_utf8(id).ok()).flatten()
}

/// The number that is written in digits, in the one way in which it can be.
#[inline]
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 16 || (digits.len() > 1 && digits.first() == Some(&b'0')) {
        return None;
    }
    let number = digits.iter().try_fold(0_u64, |number, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit & 0xf))?;
        number.checked_mul(10)?.checked_add(digit)
    })?;
    (number <= MAX_WEBHOOK_TIMESTAMP).then_some(number)
}

/// The digits of a number, which has at most 20.
#[inline]
fn decimal(mut number: u64, digits: &mut [u8; 20]) -> &[u8] {
    let mut first = digits.len();
    for slot in digits.iter_mut().rev() {
        *slot = b'0' | (number % 10) as u8;
        number /= 10;
        first = first.saturating_sub(1);
        if number == 0 {
            break;
        }
    }
    digits.get(first..).unwrap_or_default()
}

/// Why there is no webhook secret, or no signature. Holds nothing of a secret.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum WebhookError {
    /// The text is no webhook secret.
    Secret,
    /// An issuing secret was given where an integration secret is needed.
    WrongPurpose,
    /// The text is no id of a webhook.
    Id,
    /// The time is later than 2^53 - 1.
    Timestamp,
    /// There is no secret, or there are more than 8.
    Secrets,
}

impl fmt::Display for WebhookError {
    #[inline]
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Secret => "expected a webhook secret: whsec_ and 24 to 64 bytes in base64 with padding",
            Self::WrongPurpose => {
                "expected an integration secret (cvgws_…), got an issuing secret (cvgis_…), which never signs webhooks"
            }
            Self::Id => "the id of a webhook has 1 to 256 visible ASCII characters without a full stop",
            Self::Timestamp => "the time of a webhook is an integer from 0 to 2^53 - 1",
            Self::Secrets => "webhooks have 1 to 8 secrets",
        })
    }
}

impl core::error::Error for WebhookError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mac::tests::compressions;
    use std::{format, vec, vec::Vec};

    const ID: &str = "msg_1";

    fn secrets(count: u8) -> Vec<WebhookSecret> {
        (0..count).map(|byte| WebhookSecret::new(&[byte; 32]).unwrap()).collect()
    }

    fn verify(secrets: &[WebhookSecret], signature: &str, body: &[u8]) -> Result<usize, DenialCode> {
        let headers = WebhookHeaders {
            id: Some(ID.as_bytes()),
            timestamp: Some(b"100"),
            signature: Some(signature.as_bytes()),
        };
        verify_webhook(secrets, &headers, body, 100, 0).map(|webhook| webhook.secret)
    }

    #[test]
    fn a_secret_is_not_shown() {
        let secret = WebhookSecret::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD").unwrap();
        assert_eq!(format!("{secret:?}"), "WebhookSecret([redacted])");
        assert_eq!(secret.to_text().expose(), "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD");
        let error = WebhookSecret::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7o").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("C2FV"));
    }

    #[test]
    fn there_are_1_to_8_secrets() {
        for count in [0, 9] {
            let secrets = secrets(count);
            assert_eq!(sign_webhook(&secrets, ID, 100, b""), Err(WebhookError::Secrets));
            assert_eq!(verify(&secrets, "v1,", b""), Err(DenialCode::NotConfigured));
        }
        let secrets = secrets(8);
        let signed = sign_webhook(&secrets, ID, 100, b"").unwrap();
        for (place, secret) in secrets.iter().enumerate() {
            assert_eq!(verify(&secrets, &secret.sign(ID, 100, b"").unwrap(), b""), Ok(place));
            assert_eq!(verify(core::slice::from_ref(secret), &signed, b""), Ok(0));
        }
        assert_eq!(secrets[0].sign(ID, MAX_WEBHOOK_TIMESTAMP + 1, b""), Err(WebhookError::Timestamp));
    }

    #[test]
    fn a_body_is_hashed_once_for_each_secret_and_not_for_what_is_malformed() {
        let (secrets, body) = (secrets(3), vec![b'x'; 64_000]);
        let signed = secrets[2].sign(ID, 100, &body).unwrap();
        let (cost, verified) = compressions(|| verify(&secrets, &signed, &body));
        // 1000 blocks, the last one, and the outer hash.
        assert_eq!((cost, verified), (3 * 1002, Ok(2)));
        let many = [signed.as_str(); MAX_WEBHOOK_SIGNATURES].join(" ");
        assert_eq!(compressions(|| verify(&secrets, &many, &body)), (3 * 1002, Ok(2)));
        let malformed = Err(DenialCode::Malformed);
        assert_eq!(compressions(|| verify(&secrets, &format!("{many} v2,x"), &body)), (0, malformed));
    }
}
