//! Signing: the two fields that a request gets from a key.

use super::{
    component::{Component, MAX_STRUCTURED_LEN},
    fields::{self, ALGORITHM, LabelledSignatures, Signature},
    key::SigningKey,
    policy::DEFAULT_COMPONENTS,
    request::HttpRequest,
};
use crate::{
    denial::DenialCode,
    parse,
    shared_secret::{SharedSecret, WrongPurpose},
    structured_fields::{MAX_INTEGER, canonical_item, is_key, write_base64, write_integer, write_string},
};
use alloc::{string::String, vec::Vec};
use core::{cell::Cell, fmt};

/// The label of a signature unless another is asked for.
const LABEL: &str = "sig";

/// Characters of a key behind its kind letter: secret and checksum.
const BEHIND_LETTER: usize = 50;

/// What a signature says beside that its key was there.
///
/// ```
/// use claviger_core::SignatureTerms;
///
/// let terms = SignatureTerms { nonce: Some("b3k2pp5k7z"), ..SignatureTerms::at(1_790_000_000) };
/// # let _ = terms;
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SignatureTerms<'t> {
    /// What is covered, in this order: names (`@path`, `content-type`), or whole identifiers with parameters, which begin with
    /// a quotation mark (`"@query-param";name="page"`).
    pub components: &'t [&'t str],
    /// When it is made, in Unix seconds.
    pub created: Option<u64>,
    /// Until when it may be used, in Unix seconds.
    pub expires: Option<u64>,
    /// Told once, so that the request is not made twice: at most 256 characters of ASCII, drawn at random.
    pub nonce: Option<&'t str>,
    /// What it is for, where several signatures stand side by side: characters of ASCII.
    pub tag: Option<&'t str>,
    /// Whether it says its algorithm. The key tells that already.
    pub algorithm: bool,
    /// The label in the two fields: a key of a dictionary (RFC 9651 section 3.1.2).
    pub label: &'t str,
}

impl SignatureTerms<'_> {
    /// A signature over [`DEFAULT_COMPONENTS`] that is made at `created` (Unix seconds). Requests that have content cover
    /// `content-digest` as well, and those that must not be made twice have a nonce.
    #[must_use]
    #[inline]
    pub const fn at(created: u64) -> Self {
        Self {
            components: &DEFAULT_COMPONENTS,
            created: Some(created),
            expires: None,
            nonce: None,
            tag: None,
            algorithm: false,
            label: LABEL,
        }
    }
}

/// What is put into a request to sign it.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct SignedFields {
    /// The value of `Signature-Input`.
    pub signature_input: String,
    /// The value of `Signature`.
    pub signature: String,
    /// What was signed (RFC 9421 section 2.5): where a verifier does not agree, its own shows why.
    pub signature_base: String,
}

/// Signs requests with one key (RFC 9421 section 3.1, HMAC-SHA256). The key itself is never sent.
#[derive(Clone)]
pub struct RequestSigner {
    key: SigningKey,
    keyid: String,
}

impl RequestSigner {
    /// Signs with an API key: an opaque one that was generated for signing (`…_h…`), or a signed one. Its `keyid` is the
    /// text of the key up to and including its kind letter.
    ///
    /// # Errors
    /// [`SignerError`] if it is no such key.
    #[inline]
    pub fn from_key(key: &str) -> Result<Self, SignerError> {
        let parsed = parse(key).map_err(|_| SignerError::NotAKey)?;
        let signing = SigningKey::of_key(&parsed).ok_or(SignerError::CannotSign)?;
        let keyid = key.len().checked_sub(BEHIND_LETTER).and_then(|end| key.get(..end));
        Ok(Self::new(signing, keyid.ok_or(SignerError::NotAKey)?))
    }

    /// Signs with an integration secret. Its `keyid` is `cvgws_<id>_<version>`.
    ///
    /// # Errors
    /// [`WrongPurpose`] if it is an issuing secret.
    #[inline]
    pub fn from_integration_secret(secret: &SharedSecret) -> Result<Self, WrongPurpose> {
        let key = SigningKey::of_integration_secret(secret)?;
        let text = secret.to_text();
        let end = text.expose().len().saturating_sub(BEHIND_LETTER).saturating_sub("_x".len());
        Ok(Self::new(key, text.expose().get(..end).unwrap_or_default()))
    }

    /// Signs with a key of one's own that both sides call `keyid`.
    #[must_use]
    #[inline]
    pub fn new(key: SigningKey, keyid: &str) -> Self {
        Self { key, keyid: keyid.into() }
    }

    #[inline]
    pub(crate) fn into_parts(self) -> (String, SigningKey) {
        (self.keyid, self.key)
    }

    /// What its signatures name as their key.
    #[must_use]
    #[inline]
    pub fn keyid(&self) -> &str {
        &self.keyid
    }

    /// Signs a request as it will be sent. Fields that are covered must be in it, `content-digest` too.
    ///
    /// # Errors
    /// [`SignError`] if something that is to be covered is not in the request, or cannot be written.
    #[inline]
    pub fn sign(
        &self,
        request: &HttpRequest<'_>,
        terms: &SignatureTerms<'_>,
    ) -> Result<SignedFields, SignError> {
        let mut input = Vec::from(terms.label);
        input.extend_from_slice(b"=(");
        for (index, component) in terms.components.iter().enumerate() {
            if index > 0 {
                input.push(b' ');
            }
            write_identifier(component, &mut input).ok_or(SignError::Component { index })?;
        }
        input.push(b')');
        for (name, time) in [("created", terms.created), ("expires", terms.expires)] {
            if let Some(time) = time {
                let time = i64::try_from(time).ok().filter(|time| *time <= MAX_INTEGER);
                write_parameter(name, &mut input);
                write_integer(time.ok_or(SignError::Parameter)?, &mut input);
            }
        }
        let texts = [
            ("nonce", terms.nonce),
            ("alg", terms.algorithm.then_some(ALGORITHM)),
            ("keyid", Some(self.keyid.as_str())),
            ("tag", terms.tag),
        ];
        for (name, text) in texts {
            if let Some(text) = text {
                write_parameter(name, &mut input);
                let is_short = text.len() <= fields::MAX_SIGNATURE_TEXT_LEN;
                is_short.then(|| write_string(text, &mut input)).flatten().ok_or(SignError::Parameter)?;
            }
        }
        if !is_key(terms.label.as_bytes()) {
            return Err(SignError::Parameter);
        }
        // What is signed is what a verifier reads.
        let label = terms.label.as_bytes();
        let read = LabelledSignatures::read(&input, &[(label, b"")]).map_err(|_| SignError::Components)?;
        let unsigned = read.signatures().next().ok_or(SignError::Components)?;
        let base = unsigned.base(request).map_err(|code| SignError::of(code, &unsigned, request))?;
        let mut signature = Vec::from(terms.label);
        signature.extend_from_slice(b"=:");
        write_base64(&self.key.tag(&base), &mut signature);
        signature.push(b':');
        drop(read);
        let text = |bytes| String::from_utf8(bytes).map_err(|_| SignError::Parameter);
        Ok(SignedFields {
            signature_input: text(input)?,
            signature: text(signature)?,
            signature_base: text(base)?,
        })
    }
}

impl fmt::Debug for RequestSigner {
    #[inline]
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("RequestSigner").field("keyid", &self.keyid).finish_non_exhaustive()
    }
}

/// Appends the identifier that a name or a text is, in its canonical form.
#[inline]
fn write_identifier(component: &str, input: &mut Vec<u8>) -> Option<()> {
    if !component.starts_with('"') {
        return write_string(component, input);
    }
    input.extend_from_slice(&canonical_item(component.as_bytes()).ok()?);
    Some(())
}

/// Appends a parameter without its value.
#[inline]
fn write_parameter(name: &str, input: &mut Vec<u8>) {
    input.push(b';');
    input.extend_from_slice(name.as_bytes());
    input.push(b'=');
}

/// Why a request cannot be signed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum SignError {
    /// The component at this place is not in the request, or has a value that cannot be signed.
    Component {
        /// Its place among those that are to be covered, from 0.
        index: usize,
    },
    /// A component is to be covered twice, or they are too many or too long.
    Components,
    /// A time, the nonce, the keyid, the tag or the label has not its form.
    Parameter,
}

impl SignError {
    /// Finds the component that is at fault.
    #[inline]
    fn of(code: DenialCode, unsigned: &Signature<'_>, request: &HttpRequest<'_>) -> Self {
        let (mut base, structured) = (Vec::new(), Cell::new(MAX_STRUCTURED_LEN));
        let fails = |component: Component<'_>| {
            component.write_line(request, &structured, &mut base).err() == Some(code)
        };
        unsigned.components().position(fails).map_or(Self::Components, |index| Self::Component { index })
    }
}

impl fmt::Display for SignError {
    #[inline]
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Component { index } => write!(
                formatter,
                "component {index} cannot be covered: it is not in the request, has no such form, or its value is not \
                 ASCII (cover a field with such a value as a byte sequence, with the parameter bs)"
            ),
            Self::Components => formatter.write_str("components are covered twice, or are too many or too long"),
            Self::Parameter => formatter.write_str(
                "a time, the nonce, the keyid, the tag or the label has not its form: times are Unix seconds, texts are \
                 at most 256 characters of ASCII, a label begins with a lowercase letter",
            ),
        }
    }
}

impl core::error::Error for SignError {}

/// Why a key cannot sign. Holds none of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum SignerError {
    /// It has not the form of a key.
    NotAKey,
    /// It is a key that does not sign.
    CannotSign,
}

impl fmt::Display for SignerError {
    #[inline]
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::NotAKey => "not the text of an API key",
            Self::CannotSign => {
                "this key cannot sign requests: generate an opaque key for bearer use and signing, or use a signed key"
            }
        })
    }
}

impl core::error::Error for SignerError {}
