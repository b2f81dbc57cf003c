//! `Content-Digest` (RFC 9530): a digest of the content as it was received, so that a signature over fields covers it, too.
//!
//! Of its algorithms `sha-256` and `sha-512` are used; the others of its registry are deprecated (section 5), and are passed
//! over.

use crate::{
    denial::DenialCode,
    signature::Content,
    structured_fields::{byte_sequences, decode_base64, write_base64},
};
use alloc::{string::String, vec::Vec};
use sha2::{Digest, Sha256, Sha512};

/// The most members of the field: many times what its registry has (RFC 9530 section 7.2).
const MAX_DIGESTS: usize = 64;

/// The digests that a `Content-Digest` names.
///
/// ```
/// use claviger_core::ContentDigest;
///
/// let field = ContentDigest::sha256(br#"{"hello": "world"}"#);
/// assert_eq!(field, "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:");
/// let digest = ContentDigest::parse(field.as_bytes())?;
/// assert!(digest.matches(br#"{"hello": "world"}"#));
/// # Ok::<(), claviger_core::DenialCode>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ContentDigest {
    sha256: Option<[u8; 32]>,
    sha512: Option<[u8; 64]>,
}

impl ContentDigest {
    /// Reads the value of the field: its lines joined by `, `.
    ///
    /// # Errors
    /// [`DenialCode::Malformed`] if it is no dictionary of byte sequences, has a member twice, or more than 64;
    /// [`DenialCode::DigestMismatch`] if no digest is of an algorithm that is used, or one has not its length.
    #[inline]
    pub fn parse(field: &[u8]) -> Result<Self, DenialCode> {
        let members = byte_sequences(field, MAX_DIGESTS).map_err(|_| DenialCode::Malformed)?;
        let mut digest = Self { sha256: None, sha512: None };
        for (algorithm, digits) in members {
            let mismatch = DenialCode::DigestMismatch;
            match algorithm {
                b"sha-256" => digest.sha256 = Some(decode_base64(digits).ok_or(mismatch)?),
                b"sha-512" => digest.sha512 = Some(decode_base64(digits).ok_or(mismatch)?),
                _ => {}
            }
        }
        if digest.sha256.is_none() && digest.sha512.is_none() {
            return Err(DenialCode::DigestMismatch);
        }
        Ok(digest)
    }

    /// Whether the SHA-256 of the content is needed, and whether its SHA-512 is.
    #[must_use]
    #[inline]
    pub fn needs(&self) -> (bool, bool) {
        (self.sha256.is_some(), self.sha512.is_some())
    }

    /// Whether the content has every digest that is named.
    #[must_use]
    #[inline]
    pub fn matches(&self, content: &[u8]) -> bool {
        self.sha256.is_none_or(|digest| digest == *Sha256::digest(content))
            && self.sha512.is_none_or(|digest| digest == *Sha512::digest(content))
    }

    /// The same for content that was hashed elsewhere. A digest that is named and was not computed does not match.
    #[must_use]
    #[inline]
    pub fn matches_hashes(&self, sha256: Option<&[u8; 32]>, sha512: Option<&[u8; 64]>) -> bool {
        self.sha256.is_none_or(|digest| Some(&digest) == sha256)
            && self.sha512.is_none_or(|digest| Some(&digest) == sha512)
    }

    /// Begins to hash content that comes in pieces.
    #[inline]
    pub fn reader(self) -> ContentDigestReader {
        ContentDigestReader { expected: self, sha256: Sha256::new(), sha512: Sha512::new() }
    }

    /// The field of this content, by SHA-256.
    #[must_use]
    #[inline]
    pub fn sha256(content: &[u8]) -> String {
        field("sha-256=:", &Sha256::digest(content))
    }

    /// The field of this content, by SHA-512.
    #[must_use]
    #[inline]
    pub fn sha512(content: &[u8]) -> String {
        field("sha-512=:", &Sha512::digest(content))
    }

    /// What the content of a request that says this has to be held against.
    #[inline]
    pub(crate) fn check(field: &[u8], content: Content<'_>) -> Result<(), DenialCode> {
        let digest = Self::parse(field)?;
        let matches = match content {
            Content::Bytes(bytes) => digest.matches(bytes),
            Content::Hashed { sha256, sha512 } => digest.matches_hashes(sha256, sha512),
            Content::NotRead => true,
        };
        if matches { Ok(()) } else { Err(DenialCode::DigestMismatch) }
    }
}

#[inline]
fn field(start: &str, digest: &[u8]) -> String {
    let mut value = Vec::from(start);
    write_base64(digest, &mut value);
    value.push(b':');
    String::from_utf8(value).unwrap_or_default()
}

/// Content that comes in pieces, on its way against a [`ContentDigest`].
#[derive(Clone)]
#[must_use = "nothing is checked before finish() has said so"]
pub struct ContentDigestReader {
    expected: ContentDigest,
    sha256: Sha256,
    sha512: Sha512,
}

impl ContentDigestReader {
    /// Takes the next piece.
    #[inline]
    pub fn update(&mut self, piece: &[u8]) {
        let (sha256, sha512) = self.expected.needs();
        if sha256 {
            self.sha256.update(piece);
        }
        if sha512 {
            self.sha512.update(piece);
        }
    }

    /// Whether what came has every digest that is named. Nothing of it may be believed before.
    #[must_use]
    #[inline]
    pub fn finish(self) -> bool {
        let (sha256, sha512) = (self.sha256.finalize().into(), self.sha512.finalize().into());
        self.expected.matches_hashes(Some(&sha256), Some(&sha512))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    #[test]
    fn content_has_every_digest_that_is_named_in_whatever_form_it_comes() {
        let (sha256, sha512) = (Sha256::digest(b"seven").into(), Sha512::digest(b"seven").into());
        let (one, other) = (ContentDigest::sha256(b"seven"), ContentDigest::sha512(b"seven"));
        let (wrong_one, wrong_other) = (ContentDigest::sha256(b"eight"), ContentDigest::sha512(b"eight"));
        let both = |one: &str, other: &str| format!("{one}, {other}");
        for (field, expected, needs) in [
            (one.clone(), true, (true, false)),
            (other.clone(), true, (false, true)),
            (both(&one, &other), true, (true, true)),
            (wrong_one.clone(), false, (true, false)),
            (wrong_other.clone(), false, (false, true)),
            (both(&wrong_one, &other), false, (true, true)),
            (both(&one, &wrong_other), false, (true, true)),
        ] {
            let digest = ContentDigest::parse(field.as_bytes()).unwrap();
            assert_eq!(digest.needs(), needs, "{field}");
            assert_eq!(digest.matches(b"seven"), expected, "{field}");
            assert_eq!(digest.matches_hashes(Some(&sha256), Some(&sha512)), expected, "{field}");
            let computed = (needs.0.then_some(&sha256), needs.1.then_some(&sha512));
            assert_eq!(digest.matches_hashes(computed.0, computed.1), expected, "{field}");
            let mut reader = digest.reader();
            reader.update(b"sev");
            let half = reader.clone();
            reader.update(b"en");
            assert_eq!(reader.finish(), expected, "{field}");
            assert!(!half.finish(), "{field}");
            // What was not computed is not right.
            assert!(!digest.matches_hashes(None, None), "{field}");
            assert!(!needs.0 || !digest.matches_hashes(None, Some(&sha512)), "{field}");
            assert!(!needs.1 || !digest.matches_hashes(Some(&sha256), None), "{field}");
        }
    }
}
