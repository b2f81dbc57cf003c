//! From text to its parts, for every format of version 1, read from the right at fixed offsets:
//!
//! ```text
//! opaque key          <prefix>_<id: 11>_k<secret: 44><crc: 6>       letter h: bearer and signing
//! signed key          <prefix>_<id: 11>_<claims: 11>_s<secret: 44><crc: 6>
//! access token        <prefix>_<id: 11>_<claims: 11>_t<secret: 44><crc: 6>
//! issuing secret      cvgis_<id: 11>_<version: 2>_x<secret: 44><crc: 6>
//! integration secret  cvgws_<id: 11>_<version: 2>_x<secret: 44><crc: 6>
//! keyring key         cvgkk_<id: 11>_x<secret: 44><crc: 6>          master key: cvgmk, the same
//! ```
//!
//! Parsing proves nothing: the checksum is for typos. Proof is `authenticate`'s.

use crate::{base62, checksum, claims::Claims, key_id::KeyId, prefix};
use core::fmt;
use zeroize::Zeroize;

/// The longest text of any format, in bytes: a signed key with a prefix of 32 characters.
pub const MAX_KEY_LEN: usize = prefix::MAX_PREFIX_LEN + SIGNED + TAIL;
/// The shortest text of any format, in bytes: an opaque key with a prefix of 1 character.
pub const MIN_KEY_LEN: usize = 1 + OPAQUE + TAIL;

/// The letter, the secret and the checksum.
const TAIL: usize = 1 + base62::SECRET + base62::CRC;
/// What stands between prefix and letter: `_<id>_`.
const OPAQUE: usize = 1 + base62::LIMB + 1;
/// `_<id>_<claims>_`.
const SIGNED: usize = OPAQUE + base62::LIMB + 1;
/// `_<id>_<version>_`.
const VERSIONED: usize = OPAQUE + base62::VERSION + 1;

/// What a text is, told by the letter before its secret (and, for `x`, by its prefix).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum KeyKind {
    /// `k`: a random secret, for bearer use only.
    Opaque,
    /// `h`: a random secret, for bearer use and for signing requests.
    OpaqueSigning,
    /// `s`: a secret that an issuing secret makes from the rest of the text.
    Signed,
    /// `t`: an access token of the OAuth client-credentials flow.
    AccessToken,
    /// `cvgis_…_x`: the shared secret that makes and proves signed keys.
    IssuingSecret,
    /// `cvgws_…_x`: the shared secret that signs requests and webhooks.
    IntegrationSecret,
    /// `cvgkk_…_x`: what authenticates and unmasks a keyring.
    KeyringKey,
    /// `cvgmk_…_x`: what seals the store.
    MasterKey,
    /// A key that was made elsewhere and has no format of ours: no text parses as one, but verdicts may say it.
    Imported,
}

impl KeyKind {
    /// The name in APIs and JSON: snake_case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Opaque => "opaque",
            Self::OpaqueSigning => "opaque_signing",
            Self::Signed => "signed",
            Self::AccessToken => "access_token",
            Self::IssuingSecret => "issuing_secret",
            Self::IntegrationSecret => "integration_secret",
            Self::KeyringKey => "keyring_key",
            Self::MasterKey => "master_key",
            Self::Imported => "imported",
        }
    }

    /// The number in the WebAssembly module's memory.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Opaque => 1,
            Self::OpaqueSigning => 2,
            Self::Signed => 3,
            Self::AccessToken => 4,
            Self::IssuingSecret => 5,
            Self::IntegrationSecret => 6,
            Self::KeyringKey => 7,
            Self::MasterKey => 8,
            Self::Imported => 9,
        }
    }

    /// The kind with this [number](Self::number).
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Opaque,
            2 => Self::OpaqueSigning,
            3 => Self::Signed,
            4 => Self::AccessToken,
            5 => Self::IssuingSecret,
            6 => Self::IntegrationSecret,
            7 => Self::KeyringKey,
            8 => Self::MasterKey,
            9 => Self::Imported,
            _ => return None,
        })
    }

    /// Whether a request may present it: API keys and access tokens, but none of Claviger's own secrets.
    #[must_use]
    pub const fn is_credential(self) -> bool {
        matches!(self, Self::Opaque | Self::OpaqueSigning | Self::Signed | Self::AccessToken | Self::Imported)
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for KeyKind {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// A text whose form and checksum are right. Nothing is proved by that.
pub struct Parsed<'t> {
    text: &'t [u8],
    prefix: &'t [u8],
    kind: KeyKind,
    id: KeyId,
    claims: Option<Claims>,
    version: Option<u8>,
    secret: [u64; 4],
}

impl<'t> Parsed<'t> {
    /// What it is.
    #[must_use]
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The characters before the id.
    #[must_use]
    pub fn prefix(&self) -> &'t str {
        core::str::from_utf8(self.prefix).unwrap_or_default()
    }

    /// The public id.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// The claims of a signed key or access token.
    #[must_use]
    pub fn claims(&self) -> Option<Claims> {
        self.claims
    }

    /// The version of an issuing or integration secret.
    #[must_use]
    pub fn version(&self) -> Option<u8> {
        self.version
    }

    #[inline]
    pub(crate) fn prefix_bytes(&self) -> &'t [u8] {
        self.prefix
    }

    #[inline]
    pub(crate) fn secret(&self) -> &[u64; 4] {
        &self.secret
    }

    /// The 44 characters of the secret: what verifier values are made of.
    #[inline]
    pub(crate) fn secret_characters(&self) -> &'t [u8] {
        let end = self.text.len().saturating_sub(base62::CRC);
        self.text.get(end.saturating_sub(base62::SECRET)..end).unwrap_or_default()
    }

    /// Everything up to and including the letter: what the secret of a signed key is a MAC of.
    #[inline]
    pub(crate) fn signed_part(&self) -> &'t [u8] {
        let len = self.text.len().saturating_sub(TAIL - 1);
        self.text.get(..len).unwrap_or_default()
    }
}

impl Drop for Parsed<'_> {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

impl fmt::Debug for Parsed<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Parsed")
            .field("kind", &self.kind)
            .field("prefix", &self.prefix())
            .field("id", &self.id)
            .field("claims", &self.claims)
            .field("version", &self.version)
            .field("secret", &format_args!("[redacted]"))
            .finish()
    }
}

/// Reads any text of version 1. Allocates nothing.
///
/// ```
/// use claviger_core::{KeyKind, Part, Problem, parse};
///
/// let text = "acme_live_5Vb6ap7Oo8i_k0E4MnPoMtiS0E4MnPoMtiS0E4MnPoMtiS0E4MnPoMtiS0NOPEx";
/// let error = parse(text).unwrap_err();
/// assert_eq!((error.part, error.problem), (Part::Checksum, Problem::Mismatch));
/// ```
///
/// # Errors
/// The first problem in this order: length; separators and letter; alphabet and prefix; range of numbers;
/// checksum. A [`ParseError`] never holds any of the text.
#[inline]
pub fn parse<T: AsRef<[u8]> + ?Sized>(text: &T) -> Result<Parsed<'_>, ParseError> {
    parse_bytes(text.as_ref())
}

/// What the letter and the places of the underscores say, before a character is read as a digit.
struct Frame<'t> {
    kind: KeyKind,
    prefix: &'t [u8],
    id: &'t [u8; base62::LIMB],
    claims: Option<&'t [u8; base62::LIMB]>,
    version: Option<&'t [u8; base62::VERSION]>,
    secret: &'t [u8; base62::SECRET],
    crc: &'t [u8; base62::CRC],
}

/// One copy, compiled for speed, also for callers that are compiled for size.
#[inline(never)]
fn parse_bytes(text: &[u8]) -> Result<Parsed<'_>, ParseError> {
    if text.is_empty() {
        return Err(ParseError { part: Part::Text, problem: Problem::Empty });
    }
    if text.len() < MIN_KEY_LEN || text.len() > MAX_KEY_LEN {
        return Err(ParseError { part: Part::Text, problem: Problem::Length });
    }
    let frame = frame(text)?;
    let prefix = if frame.kind.is_credential() { check_prefix(frame.prefix) } else { Ok(()) };
    // Errors are sorted out only when there is one; so far it is enough that there is none.
    let (Ok(()), Some((id, claims, version, tail))) = (prefix, decode(text, &frame)) else {
        return Err(first_problem(prefix, &frame));
    };
    let claims = match claims {
        None => None,
        Some(number) => match Claims::from_u64(number) {
            None => return Err(ParseError { part: Part::Claims, problem: Problem::UnknownFlags }),
            claims => claims,
        },
    };

    let covered = text.split_last_chunk::<{ base62::CRC }>().map_or(text, |(covered, _)| covered);
    if checksum::crc32(covered) != tail.crc {
        return Err(ParseError { part: Part::Checksum, problem: Problem::Mismatch });
    }
    Ok(Parsed {
        text,
        prefix: frame.prefix,
        kind: frame.kind,
        id: KeyId::from_u64(id),
        claims,
        version,
        secret: tail.secret,
    })
}

#[inline]
fn frame(text: &[u8]) -> Result<Frame<'_>, ParseError> {
    const LENGTH: ParseError = ParseError { part: Part::Text, problem: Problem::Length };
    const SEPARATOR: ParseError = ParseError { part: Part::Text, problem: Problem::Separator };

    let (rest, crc) = text.split_last_chunk().ok_or(LENGTH)?;
    let (rest, secret) = rest.split_last_chunk().ok_or(LENGTH)?;
    let [rest @ .., b'_', letter] = rest else { return Err(SEPARATOR) };
    let (rest, kind, claims, version) = match letter {
        b'k' => (rest, KeyKind::Opaque, None, None),
        b'h' => (rest, KeyKind::OpaqueSigning, None, None),
        b's' | b't' => {
            let kind = if *letter == b's' { KeyKind::Signed } else { KeyKind::AccessToken };
            let (rest, claims) = rest.split_last_chunk().ok_or(LENGTH)?;
            let [rest @ .., b'_'] = rest else { return Err(SEPARATOR) };
            (rest, kind, Some(claims), None)
        }
        b'x' => match rest.first_chunk::<5>() {
            Some(name @ (b"cvgis" | b"cvgws")) => {
                let kind = if name == b"cvgis" { KeyKind::IssuingSecret } else { KeyKind::IntegrationSecret };
                if text.len() != 5 + VERSIONED + TAIL {
                    return Err(LENGTH);
                }
                let (rest, version) = rest.split_last_chunk().ok_or(LENGTH)?;
                let [rest @ .., b'_'] = rest else { return Err(SEPARATOR) };
                (rest, kind, None, Some(version))
            }
            Some(name @ (b"cvgkk" | b"cvgmk")) => {
                let kind = if name == b"cvgkk" { KeyKind::KeyringKey } else { KeyKind::MasterKey };
                if text.len() != 5 + OPAQUE + TAIL {
                    return Err(LENGTH);
                }
                (rest, kind, None, None)
            }
            _ => return Err(ParseError { part: Part::Prefix, problem: Problem::Prefix }),
        },
        _ => return Err(ParseError { part: Part::Text, problem: Problem::Letter }),
    };
    let (rest, id) = rest.split_last_chunk().ok_or(LENGTH)?;
    let [prefix @ .., b'_'] = rest else { return Err(SEPARATOR) };
    Ok(Frame { kind, prefix, id, claims, version, secret, crc })
}

/// The numbers of a text: id, claims, version, and what ends every text; `None` if one is no number that fits.
#[inline(always)]
fn decode(text: &[u8], frame: &Frame<'_>) -> Option<(u64, Option<u64>, Option<u8>, base62::Tail)> {
    let tail = base62::decode_tail(text.last_chunk()?)?;
    Some(match (frame.claims, frame.version) {
        (Some(_), _) => (base62::decode_u64(frame.id)?, Some(tail.number?), None, tail),
        (None, Some(version)) => {
            (base62::decode_u64(frame.id)?, None, Some(base62::decode_version(version)?), tail)
        }
        (None, None) => (tail.number?, None, None, tail),
    })
}

fn check_prefix(prefix: &[u8]) -> Result<(), ParseError> {
    let problem = match prefix::check(prefix) {
        Ok(()) if prefix::is_reserved(prefix) => Problem::Reserved,
        Ok(()) => return Ok(()),
        Err(_) => Problem::Prefix,
    };
    Err(ParseError { part: Part::Prefix, problem })
}

/// Which error comes first in the order of checks: alphabet (and prefix) of all parts, then range of all parts.
#[cold]
#[inline(never)]
fn first_problem(prefix: Result<(), ParseError>, frame: &Frame<'_>) -> ParseError {
    // Each with the text of the largest number that it holds, or that each of its limbs holds.
    let parts: [(Part, &[u8], &[u8]); 5] = [
        (Part::Id, frame.id, base62::LARGEST_U64),
        (Part::Claims, frame.claims.map_or(&[], |claims| claims.as_slice()), base62::LARGEST_U64),
        (Part::Version, frame.version.map_or(&[], |version| version.as_slice()), base62::LARGEST_VERSION),
        (Part::Secret, frame.secret, base62::LARGEST_U64),
        (Part::Checksum, frame.crc, base62::LARGEST_CRC),
    ];
    if let Err(error) = prefix {
        return error;
    }
    for (part, characters, _) in parts {
        if !characters.iter().all(u8::is_ascii_alphanumeric) {
            return ParseError { part, problem: Problem::Alphabet };
        }
    }
    for (part, characters, largest) in parts {
        // The alphabet is in the order of ASCII, so numbers of one width compare as their texts do.
        if characters.chunks(largest.len()).any(|number| number > largest) {
            return ParseError { part, problem: Problem::Range };
        }
    }
    ParseError { part: Part::Text, problem: Problem::Length }
}

/// Where in a text a problem is. The numbers are those of the WebAssembly module and never change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Part {
    /// The text as a whole.
    Text = 0,
    /// The characters before the id.
    Prefix = 1,
    /// The id.
    Id = 2,
    /// The claims of a signed key or access token.
    Claims = 3,
    /// The version of a shared secret.
    Version = 4,
    /// The secret.
    Secret = 5,
    /// The checksum.
    Checksum = 6,
}

impl Part {
    /// The name in APIs and JSON: snake_case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Prefix => "prefix",
            Self::Id => "id",
            Self::Claims => "claims",
            Self::Version => "version",
            Self::Secret => "secret",
            Self::Checksum => "checksum",
        }
    }
}

/// What is wrong there. The numbers are those of the WebAssembly module and never change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Problem {
    /// There is nothing.
    Empty = 0,
    /// Too short or too long for its format.
    Length = 1,
    /// An underscore is not where the format has one.
    Separator = 2,
    /// The letter before the secret is of no known format.
    Letter = 3,
    /// Not a key prefix, or not the prefix of a secret of this format.
    Prefix = 4,
    /// An API key with a prefix that is reserved for Claviger's own secrets.
    Reserved = 5,
    /// A character outside `0-9A-Za-z`.
    Alphabet = 6,
    /// A number larger than the field can hold.
    Range = 7,
    /// A flag of a later version.
    UnknownFlags = 8,
    /// The checksum is not that of the text.
    Mismatch = 9,
}

/// Why a text is no key or secret of version 1. Holds none of the text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ParseError {
    /// Where the problem is.
    pub part: Part,
    /// What it is.
    pub problem: Problem,
}

impl ParseError {
    /// Whether the text does not even have the shape of a format of ours: what was made elsewhere may look so.
    pub(crate) fn is_foreign(self) -> bool {
        self.part == Part::Text
            && matches!(self.problem, Problem::Length | Problem::Separator | Problem::Letter)
    }

    /// The error as a number for the WebAssembly module's memory: 16 × part + problem, both as declared.
    #[must_use]
    pub const fn number(self) -> u8 {
        (self.part as u8) << 4 | self.problem as u8
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let problem = match self.problem {
            Problem::Empty => "is empty",
            Problem::Length => "is too short or too long for its format; part of it may have been cut off",
            Problem::Separator => "has no underscore where its format has one",
            Problem::Letter => "has no known letter (k, h, s, t or x) before its secret",
            Problem::Prefix => "is not one that this format can have",
            Problem::Reserved => "starts with cvg, which API keys may not",
            Problem::Alphabet => "has a character outside 0-9, A-Z and a-z",
            Problem::Range => "is a larger number than it can be",
            Problem::UnknownFlags => "have a flag that this version does not know",
            Problem::Mismatch => "does not fit the text; a character was mistyped or lost",
        };
        write!(formatter, "the {} {problem}", self.part.as_str())
    }
}

impl core::error::Error for ParseError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_a_contract() {
        use Part::*;
        let parts = [Text, Prefix, Id, Claims, Version, Secret, Checksum];
        for (number, part) in parts.into_iter().enumerate() {
            let error = ParseError { part, problem: Problem::Empty };
            assert_eq!(usize::from(error.number()), number * 16, "{part:?}");
        }
        let problems = [
            Problem::Empty,
            Problem::Length,
            Problem::Separator,
            Problem::Letter,
            Problem::Prefix,
            Problem::Reserved,
            Problem::Alphabet,
            Problem::Range,
            Problem::UnknownFlags,
            Problem::Mismatch,
        ];
        for (number, problem) in problems.into_iter().enumerate() {
            assert_eq!(
                usize::from(ParseError { part: Checksum, problem }.number()),
                6 * 16 + number,
                "{problem:?}"
            );
        }
    }
}
