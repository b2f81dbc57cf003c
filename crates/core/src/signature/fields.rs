//! `Signature-Input` and `Signature`: the signatures of a request, by label (RFC 9421 section 4).

use super::{component, request::HttpRequest};
use crate::{
    denial::DenialCode,
    structured_fields::{self, BareItem, Dictionary, InnerList, Item, Member, Parameters},
};
use alloc::{borrow::Cow, vec::Vec};

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

/// The two fields as they were read.
pub(crate) struct LabelledSignatures<'f> {
    inputs: Dictionary<'f>,
    values: Dictionary<'f>,
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
        let labelled =
            LabelledSignatures { inputs: dictionary(&self.input)?, values: dictionary(&self.signature)? };
        let are_paired = labelled.signatures().count() == labelled.inputs.len();
        if are_paired && labelled.inputs.len() == labelled.values.len() && !labelled.inputs.is_empty() {
            Ok(labelled)
        } else {
            Err(DenialCode::Malformed)
        }
    }
}

impl LabelledSignatures<'_> {
    /// The signatures, in the order of `Signature-Input`.
    #[inline]
    pub(crate) fn signatures(&self) -> impl Iterator<Item = Signature<'_>> {
        self.inputs.iter().filter_map(|(label, member)| match (member, self.values.get(label)) {
            (
                Member::InnerList(covered),
                Some(Member::Item(Item { value: BareItem::ByteSequence(tag), .. })),
            ) => Some(Signature { covered, tag }),
            _ => None,
        })
    }
}

/// The value of one of the two fields, if it is there.
#[inline]
fn field<'r>(name: &str, request: &HttpRequest<'r>) -> Result<Option<Cow<'r, [u8]>>, DenialCode> {
    if request.lines(name).fold(0, |len: usize, line| len.saturating_add(line.len()))
        > MAX_SIGNATURE_FIELD_LEN
    {
        return Err(DenialCode::Malformed);
    }
    match component::combined(name, request) {
        Ok(value) => Ok(Some(value)),
        Err(DenialCode::ComponentMissing) => Ok(None),
        Err(code) => Err(code),
    }
}

/// A dictionary in which no label stands twice: a reader that keeps the last would see another signature than one that
/// keeps the first.
#[inline]
fn dictionary(value: &[u8]) -> Result<Dictionary<'_>, DenialCode> {
    let dictionary = structured_fields::parse_dictionary(value).map_err(|_| DenialCode::Malformed)?;
    if dictionary.has_duplicates() || dictionary.len() > MAX_SIGNATURES {
        return Err(DenialCode::Malformed);
    }
    Ok(dictionary)
}

/// One signature: what it covers, its parameters, and its value.
#[derive(Clone, Copy)]
pub(crate) struct Signature<'f> {
    covered: &'f InnerList<'f>,
    tag: &'f [u8],
}

/// The parameters of a signature that RFC 9421 section 2.3 names.
pub(crate) struct SignatureParameters<'s> {
    pub(crate) created: Option<i64>,
    pub(crate) expires: Option<i64>,
    pub(crate) nonce: Option<&'s str>,
    pub(crate) algorithm: Option<&'s str>,
    pub(crate) keyid: Option<&'s str>,
    pub(crate) tag: Option<&'s str>,
}

impl<'f> Signature<'f> {
    /// Its value.
    #[inline]
    pub(crate) fn value(&self) -> &'f [u8] {
        self.tag
    }

    /// The components that it covers.
    #[inline]
    pub(crate) fn components(&self) -> &'f [Item<'f>] {
        &self.covered.items
    }

    /// Whether it covers the component of this name, whole: with no parameter.
    #[inline]
    pub(crate) fn covers(&self, name: &str) -> bool {
        self.components().iter().any(|component| {
            matches!(&component.value, BareItem::String(given) if given == name)
                && component.parameters.is_empty()
        })
    }

    /// Whether it covers a field, or anything of it.
    #[inline]
    pub(crate) fn touches(&self, name: &str) -> bool {
        self.components()
            .iter()
            .any(|component| matches!(&component.value, BareItem::String(given) if given == name))
    }

    /// Its parameters, each of the type that it must have. Others may stand there, and are signed as they stand.
    #[inline]
    pub(crate) fn parameters(&self) -> Result<SignatureParameters<'f>, DenialCode> {
        let given = &self.covered.parameters;
        let parameters = SignatureParameters {
            created: integer(given, "created")?,
            expires: integer(given, "expires")?,
            nonce: string(given, "nonce")?,
            algorithm: string(given, "alg")?,
            keyid: string(given, "keyid")?,
            tag: string(given, "tag")?,
        };
        let texts = [parameters.nonce, parameters.keyid, parameters.tag];
        if texts.into_iter().flatten().all(|text| text.len() <= MAX_SIGNATURE_TEXT_LEN) {
            Ok(parameters)
        } else {
            Err(DenialCode::Malformed)
        }
    }

    /// What was signed (section 2.5).
    #[inline]
    pub(crate) fn base(&self, request: &HttpRequest<'_>) -> Result<Vec<u8>, DenialCode> {
        write_base(self.covered, request)
    }
}

/// The signature base of a request (section 2.5): a line for each component, and one with the parameters.
#[inline]
pub(crate) fn write_base(covered: &InnerList<'_>, request: &HttpRequest<'_>) -> Result<Vec<u8>, DenialCode> {
    let components = &covered.items;
    let mut others = components.iter();
    if components.len() > MAX_COMPONENTS
        || components.iter().any(|one| {
            others.next();
            others.clone().any(|other| component::is_same(one, other))
        })
    {
        return Err(DenialCode::Malformed);
    }
    let mut base = Vec::with_capacity(512);
    for component in components {
        component::write_line(component, request, &mut base)?;
    }
    base.extend_from_slice(b"\"@signature-params\": ");
    covered.serialize(&mut base).map_err(|_| DenialCode::Malformed)?;
    Ok(base)
}

#[inline]
fn integer(parameters: &Parameters<'_>, name: &str) -> Result<Option<i64>, DenialCode> {
    match parameters.get(name) {
        None => Ok(None),
        Some(BareItem::Integer(number)) => Ok(Some(*number)),
        Some(_) => Err(DenialCode::Malformed),
    }
}

#[inline]
fn string<'s>(parameters: &'s Parameters<'_>, name: &str) -> Result<Option<&'s str>, DenialCode> {
    match parameters.get(name) {
        None => Ok(None),
        Some(BareItem::String(text)) => Ok(Some(text)),
        Some(_) => Err(DenialCode::Malformed),
    }
}
