//! `Signature-Input` and `Signature`: the signatures of a request, by label (RFC 9421 section 4), and the signature base.

use super::{
    component::{self, Component, MAX_STRUCTURED_LEN},
    request::HttpRequest,
};
use crate::{
    denial::DenialCode,
    structured_fields::{
        Bare, Canonical, ListItem, Named, byte_sequences, decode_base64, plain_text, unescaped,
    },
};
use alloc::{borrow::Cow, string::String, vec::Vec};
use core::{cell::Cell, ops::Range};

/// The longest `Signature-Input`, and the longest `Signature`, in bytes: all lines of it together.
pub const MAX_SIGNATURE_FIELD_LEN: usize = 8_192;
/// The most signatures of a request.
pub const MAX_SIGNATURES: usize = 8;
/// The most components that a signature may cover.
pub const MAX_COMPONENTS: usize = 64;
/// The longest `keyid`, `nonce` or `tag` of a signature, in bytes.
pub const MAX_SIGNATURE_TEXT_LEN: usize = 256;

/// The one algorithm (RFC 9421 section 3.3.3).
pub(crate) const ALGORITHM: &str = "hmac-sha256";

/// The two fields as they were received.
pub(crate) struct SignatureFields<'r> {
    input: Cow<'r, [u8]>,
    signature: Cow<'r, [u8]>,
}

impl<'r> SignatureFields<'r> {
    /// Reads the lines of both.
    #[inline]
    pub(crate) fn read(request: &HttpRequest<'r>) -> Result<Self, DenialCode> {
        let (input, signature) = (field("signature-input", request)?, field("signature", request)?);
        match (input, signature) {
            (Some(input), Some(signature)) => Ok(Self { input, signature }),
            (None, None) => Err(DenialCode::Missing),
            // One without the other.
            _ => Err(DenialCode::Malformed),
        }
    }

    /// The signatures by label. Each label must be in both fields (section 4).
    #[inline]
    pub(crate) fn labelled(&self) -> Result<LabelledSignatures<'_>, DenialCode> {
        let malformed = |_| DenialCode::Malformed;
        let values = byte_sequences(&self.signature, MAX_SIGNATURES).map_err(malformed)?;
        let labelled = LabelledSignatures::read(&self.input, &values)?;
        if labelled.all.len() == values.len() && !values.is_empty() {
            Ok(labelled)
        } else {
            Err(DenialCode::Malformed)
        }
    }
}

/// The value of one of the two fields, if it is there.
#[inline]
fn field<'r>(name: &str, request: &HttpRequest<'r>) -> Result<Option<Cow<'r, [u8]>>, DenialCode> {
    let value = match component::combined(name, request) {
        Ok(value) => value,
        Err(DenialCode::ComponentMissing) => return Ok(None),
        Err(code) => return Err(code),
    };
    let length = request.lines(name).fold(0, |length: usize, line| length.saturating_add(line.len()));
    if length > MAX_SIGNATURE_FIELD_LEN { Err(DenialCode::Malformed) } else { Ok(Some(value)) }
}

/// What `Signature-Input` says, in its canonical form, and the values that belong to it.
pub(crate) struct LabelledSignatures<'f> {
    /// The inner lists one behind the other.
    text: Vec<u8>,
    all: Vec<Labelled<'f>>,
    /// How many bytes of fields may yet be read for `sf` and `key`.
    structured: Cell<usize>,
}

struct Labelled<'f> {
    label: &'f [u8],
    /// Where the list stands, with its parameters.
    written: Range<usize>,
    items: Vec<ListItem<'f>>,
    parameters: Vec<Named<'f>>,
    /// The base64 of its value.
    value: &'f [u8],
}

impl<'f> LabelledSignatures<'f> {
    /// Reads `Signature-Input`, of which no label may stand twice: a reader that keeps the last would see another signature than
    /// one that keeps the first. `values` are those of `Signature`.
    #[inline]
    pub(crate) fn read(input: &'f [u8], values: &[(&'f [u8], &'f [u8])]) -> Result<Self, DenialCode> {
        let malformed = |_| DenialCode::Malformed;
        let mut canonical = Canonical::new(input);
        let mut all: Vec<Labelled<'_>> = Vec::new();
        while canonical.scanner.next_member().map_err(malformed)? {
            let label = canonical.scanner.key().map_err(malformed)?;
            let value = values.iter().find(|(other, _)| *other == label);
            let (Some(&(_, value)), false) = (value, all.iter().any(|other| other.label == label)) else {
                return Err(DenialCode::Malformed);
            };
            if !canonical.scanner.take(b'=') || !canonical.scanner.take(b'(') {
                return Err(DenialCode::Malformed);
            }
            let start = canonical.out.len();
            let mut items = Vec::with_capacity(8);
            canonical.inner_list(&mut items).map_err(malformed)?;
            let parameters = core::mem::take(&mut canonical.parameters);
            all.push(Labelled { label, written: start..canonical.out.len(), items, parameters, value });
        }
        Ok(Self { text: canonical.out, all, structured: Cell::new(MAX_STRUCTURED_LEN) })
    }

    /// The signatures, in the order of `Signature-Input`.
    #[inline]
    pub(crate) fn signatures(&self) -> impl Iterator<Item = Signature<'_>> {
        self.all.iter().map(|labelled| Signature { text: &self.text, labelled, structured: &self.structured })
    }
}

/// One signature: what it covers, its parameters, and its value.
#[derive(Clone, Copy)]
pub(crate) struct Signature<'f> {
    text: &'f [u8],
    labelled: &'f Labelled<'f>,
    structured: &'f Cell<usize>,
}

/// The parameters of a signature that RFC 9421 section 2.3 names.
#[derive(Default)]
pub(crate) struct SignatureParameters<'s> {
    pub(crate) created: Option<i64>,
    pub(crate) expires: Option<i64>,
    pub(crate) nonce: Option<Cow<'s, str>>,
    pub(crate) algorithm: Option<Cow<'s, str>>,
    pub(crate) keyid: Option<Cow<'s, str>>,
    pub(crate) tag: Option<Cow<'s, str>>,
}

impl<'f> Signature<'f> {
    /// Its value; `None` if it is not as long as those of the one algorithm.
    #[inline]
    pub(crate) fn value(&self) -> Option<[u8; 32]> {
        decode_base64(self.labelled.value)
    }

    /// The components that it covers.
    #[inline]
    pub(crate) fn components(&self) -> impl Iterator<Item = Component<'f>> + Clone {
        let Self { text, labelled, .. } = *self;
        labelled.items.iter().map(move |item| {
            let text = |range| text.get(range).unwrap_or_default();
            let (identifier, parameters) = (item.written.clone(), item.parameters..item.written.end);
            Component { name: item.text, identifier: text(identifier), parameters: text(parameters) }
        })
    }

    /// Whether it covers the component of this name, whole: with no parameter.
    #[inline]
    pub(crate) fn covers(&self, name: &str) -> bool {
        self.components().any(|component| component.is(name) && component.parameters.is_empty())
    }

    /// Whether it covers a field, or anything of it.
    #[inline]
    pub(crate) fn touches(&self, name: &str) -> bool {
        self.components().any(|component| component.is(name))
    }

    /// Its parameters, each of the type that it must have. Others may stand there, and are signed as they stand.
    #[inline]
    pub(crate) fn parameters(&self) -> Result<SignatureParameters<'f>, DenialCode> {
        let mut parameters = SignatureParameters::default();
        for Named { name, value, .. } in &self.labelled.parameters {
            match *name {
                b"created" => parameters.created = Some(integer(*value)?),
                b"expires" => parameters.expires = Some(integer(*value)?),
                b"nonce" => parameters.nonce = Some(string(*value)?),
                b"alg" => parameters.algorithm = Some(string(*value)?),
                b"keyid" => parameters.keyid = Some(string(*value)?),
                b"tag" => parameters.tag = Some(string(*value)?),
                _ => {}
            }
        }
        let texts = [&parameters.nonce, &parameters.keyid, &parameters.tag];
        if texts.into_iter().flatten().all(|text| text.len() <= MAX_SIGNATURE_TEXT_LEN) {
            Ok(parameters)
        } else {
            Err(DenialCode::Malformed)
        }
    }

    /// What was signed (section 2.5): a line for each component, and one with the parameters.
    #[inline]
    pub(crate) fn base(&self, request: &HttpRequest<'_>) -> Result<Vec<u8>, DenialCode> {
        let mut others = self.components();
        if self.labelled.items.len() > MAX_COMPONENTS
            || self.components().any(|one| {
                others.next();
                others.clone().any(|other| one.is_same(&other))
            })
        {
            return Err(DenialCode::Malformed);
        }
        let mut base = Vec::with_capacity(512);
        for component in self.components() {
            component.write_line(request, self.structured, &mut base)?;
        }
        base.extend_from_slice(b"\"@signature-params\": ");
        base.extend_from_slice(self.text.get(self.labelled.written.clone()).unwrap_or_default());
        Ok(base)
    }
}

#[inline]
fn integer(value: Bare<'_>) -> Result<i64, DenialCode> {
    match value {
        Bare::Integer(number) => Ok(number),
        _ => Err(DenialCode::Malformed),
    }
}

#[inline]
fn string(value: Bare<'_>) -> Result<Cow<'_, str>, DenialCode> {
    let Bare::String(quoted) = value else { return Err(DenialCode::Malformed) };
    let text = match plain_text(quoted) {
        Some(text) => core::str::from_utf8(text).ok().map(Cow::Borrowed),
        None => String::from_utf8(unescaped(quoted)).ok().map(Cow::Owned),
    };
    text.ok_or(DenialCode::Malformed)
}
