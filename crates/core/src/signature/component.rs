//! A covered component: its identifier, and the value that the request has for it (RFC 9421 section 2).

use super::request::{HttpRequest, is_token};
use crate::{
    denial::DenialCode,
    structured_fields::{
        Bare, Scanner, canonical_dictionary, canonical_item, canonical_list, canonical_member, unescaped,
        write_base64,
    },
};
use alloc::{borrow::Cow, vec::Vec};
use core::cell::Cell;

/// The longest signature base, in bytes.
pub const MAX_SIGNATURE_BASE_LEN: usize = 65_536;
/// The most bytes of fields that are read for the parameters `sf` and `key` of components, in all signatures of a request
/// together. A field counts as often as it is read.
pub const MAX_STRUCTURED_LEN: usize = 16_384;

/// A covered component, of which the text is canonical.
#[derive(Clone, Copy)]
pub(crate) struct Component<'f> {
    /// Its name without the quotes; `None` of what no component is called.
    pub(crate) name: Option<&'f [u8]>,
    /// Its name in quotes, and its parameters.
    pub(crate) identifier: &'f [u8],
    /// Its parameters, each with the semicolon before it.
    pub(crate) parameters: &'f [u8],
}

/// The parameters that components of requests may have (sections 2.1 and 2.2.8), strings in their quotes.
#[derive(PartialEq, Eq, Default)]
struct ComponentParameters<'f> {
    strict: bool,
    binary: bool,
    key: Option<&'f [u8]>,
    name: Option<&'f [u8]>,
}

impl<'f> Component<'f> {
    /// Whether it is called so.
    #[inline]
    pub(crate) fn is(&self, name: &str) -> bool {
        self.name == Some(name.as_bytes())
    }

    /// Whether the two are the same: by name and parameters, whatever the order of these (section 2).
    #[inline]
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.name == other.name
            && (self.parameters == other.parameters
                || match (self.read_parameters(), other.read_parameters()) {
                    (Some(parameters), Some(others)) => parameters == others,
                    _ => false,
                })
    }

    /// `None` if one has not its type, or is another: `req` is for responses, and `tr` for trailers, which are not signed here.
    #[inline]
    fn read_parameters(&self) -> Option<ComponentParameters<'f>> {
        let mut parameters = ComponentParameters::default();
        let mut scanner = Scanner::new(self.parameters);
        while let Some((name, value)) = scanner.next_parameter(0).ok()? {
            match (name, value) {
                (b"sf", Bare::Boolean(true)) => parameters.strict = true,
                (b"bs", Bare::Boolean(true)) => parameters.binary = true,
                (b"key", Bare::String(quoted)) => parameters.key = Some(quoted),
                (b"name", Bare::String(quoted)) => parameters.name = Some(quoted),
                _ => return None,
            }
        }
        Some(parameters)
    }

    /// Appends its line of the signature base: identifier, `: `, value and a line feed (section 2.5).
    #[inline]
    ///
    /// `structured` is how many bytes may yet be read for `sf` and `key`.
    pub(crate) fn write_line(
        &self,
        request: &HttpRequest<'_>,
        structured: &Cell<usize>,
        base: &mut Vec<u8>,
    ) -> Result<(), DenialCode> {
        base.extend_from_slice(self.identifier);
        base.extend_from_slice(b": ");
        let start = base.len();
        match self.name {
            Some([b'@', derived @ ..]) => self.write_derived(derived, request, base)?,
            Some(name) => self.write_field(name, request, structured, base)?,
            None => return Err(DenialCode::Malformed),
        }
        // What is signed are characters of ASCII, and a line feed would be a line of its own (section 2.5).
        let is_text = |byte: &u8| matches!(byte, b' '..=b'~' | b'\t');
        let value = base.get(start..).unwrap_or_default();
        if base.len() > MAX_SIGNATURE_BASE_LEN || !value.iter().all(is_text) {
            return Err(DenialCode::Malformed);
        }
        base.push(b'\n');
        Ok(())
    }

    /// The value of a derived component of a request (section 2.2).
    #[inline]
    fn write_derived(
        &self,
        name: &[u8],
        request: &HttpRequest<'_>,
        base: &mut Vec<u8>,
    ) -> Result<(), DenialCode> {
        match (name, self.parameters) {
            (b"method", b"") => base.extend_from_slice(request.method.as_bytes()),
            (b"target-uri", b"") => base.extend_from_slice(request.target_uri.as_bytes()),
            (b"authority", b"") => request.write_authority(base),
            (b"scheme", b"") => request.write_scheme(base),
            (b"request-target", b"") => request.write_request_target(base),
            (b"path", b"") => request.write_path(base),
            (b"query", b"") => request.write_query(base),
            (b"query-param", _) => match self.read_parameters() {
                Some(ComponentParameters { strict: false, binary: false, key: None, name: Some(quoted) }) => {
                    return request
                        .write_query_param(&unescaped(quoted), base)
                        .ok_or(DenialCode::ComponentMissing);
                }
                _ => return Err(DenialCode::Malformed),
            },
            _ => return Err(DenialCode::Malformed),
        }
        Ok(())
    }

    /// The value of a field (section 2.1).
    #[inline]
    fn write_field(
        &self,
        name: &[u8],
        request: &HttpRequest<'_>,
        structured: &Cell<usize>,
        base: &mut Vec<u8>,
    ) -> Result<(), DenialCode> {
        let is_lowercase = |byte: &u8| is_token(*byte) && !byte.is_ascii_uppercase();
        let name = match core::str::from_utf8(name) {
            Ok(text) if !name.is_empty() && name.iter().all(is_lowercase) => text,
            _ => return Err(DenialCode::Malformed),
        };
        if self.parameters.is_empty() {
            return write_combined(name, request, base);
        }
        let combined = || {
            let field = combined(name, request)?;
            let left = structured.get().checked_sub(field.len()).ok_or(DenialCode::Malformed)?;
            structured.set(left);
            Ok(field)
        };
        match self.read_parameters().ok_or(DenialCode::Malformed)? {
            ComponentParameters { strict: false, binary: true, key: None, name: None } => {
                write_binary(name, request, base)
            }
            ComponentParameters { strict: true, binary: false, key: None, name: None } => {
                write_strict(&combined()?, base)
            }
            ComponentParameters { binary: false, key: Some(key), name: None, .. } => {
                let member = canonical_member(&combined()?, &unescaped(key));
                let member = member.map_err(|_| DenialCode::Malformed)?;
                base.extend_from_slice(&member.ok_or(DenialCode::ComponentMissing)?);
                Ok(())
            }
            _ => Err(DenialCode::Malformed),
        }
    }
}

/// The value of a field as [`write_combined`] writes it; of one line that is not folded the line itself.
pub(crate) fn combined<'r>(name: &str, request: &HttpRequest<'r>) -> Result<Cow<'r, [u8]>, DenialCode> {
    let mut lines = request.lines(name);
    let first = lines.next().ok_or(DenialCode::ComponentMissing)?;
    let is_special = |byte: &u8| matches!(byte, b'\r' | b'\n' | 0);
    if lines.next().is_none() && !first.iter().fold(false, |any, byte| any | is_special(byte)) {
        return Ok(Cow::Borrowed(trimmed(first)));
    }
    let mut value = Vec::new();
    write_combined(name, request, &mut value)?;
    Ok(Cow::Owned(value))
}

/// The lines of a field as one value: unfolded, trimmed, with a comma and a space between them (section 2.1).
#[inline]
pub(crate) fn write_combined(
    name: &str,
    request: &HttpRequest<'_>,
    value: &mut Vec<u8>,
) -> Result<(), DenialCode> {
    let mut lines = request.lines(name);
    write_unfolded(lines.next().ok_or(DenialCode::ComponentMissing)?, value)?;
    for line in lines {
        value.extend_from_slice(b", ");
        write_unfolded(line, value)?;
    }
    Ok(())
}

/// Each line of a field as a byte sequence (section 2.1.3).
#[inline]
fn write_binary(name: &str, request: &HttpRequest<'_>, base: &mut Vec<u8>) -> Result<(), DenialCode> {
    let mut separator: &[u8] = b"";
    let mut line = Vec::new();
    for given in request.lines(name) {
        line.clear();
        write_unfolded(given, &mut line)?;
        base.extend_from_slice(separator);
        base.push(b':');
        write_base64(&line, base);
        base.push(b':');
        separator = b", ";
    }
    if separator.is_empty() { Err(DenialCode::ComponentMissing) } else { Ok(()) }
}

/// Appends the strict form of a structured field (section 2.1.1).
///
/// Which of the three types a field has is its definition's to say, and not known here. So it is read as each: where it is
/// of several, and they are written differently, it is not decided.
#[inline]
fn write_strict(combined: &[u8], base: &mut Vec<u8>) -> Result<(), DenialCode> {
    let mut decided: Option<Vec<u8>> = None;
    for reading in [canonical_item, canonical_list, canonical_dictionary] {
        let Ok(text) = reading(combined) else { continue };
        if decided.as_ref().is_some_and(|other| *other != text) {
            return Err(DenialCode::Malformed);
        }
        decided = Some(text);
    }
    base.extend_from_slice(&decided.ok_or(DenialCode::Malformed)?);
    Ok(())
}

/// Appends a line of a field without the blanks around it; where it was folded there is one space (section 2.1, and RFC 9112
/// section 5.2).
#[inline]
fn write_unfolded(line: &[u8], value: &mut Vec<u8>) -> Result<(), DenialCode> {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = value.len();
    let mut rest = line;
    while let Some(end) = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
        let (text, behind) = rest.split_at_checked(end).unwrap_or((rest, &[]));
        let [b'\r', b'\n', folded @ ..] = behind else { return Err(DenialCode::Malformed) };
        if !folded.first().is_some_and(is_blank) {
            return Err(DenialCode::Malformed);
        }
        push_trimmed(text, start, value);
        rest = folded;
    }
    push_trimmed(rest, start, value);
    Ok(())
}

/// Appends a text without the blanks around it, and a space before it if there is something before and in it.
#[inline]
fn push_trimmed(text: &[u8], start: usize, value: &mut Vec<u8>) {
    let text = trimmed(text);
    if !text.is_empty() && value.len() > start {
        value.push(b' ');
    }
    value.extend_from_slice(text);
}

/// A text without the blanks around it.
#[inline]
fn trimmed(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}
