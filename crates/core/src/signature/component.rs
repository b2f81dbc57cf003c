//! A covered component: its identifier, and the value that the request has for it (RFC 9421 section 2).

use super::request::{HttpRequest, is_token};
use crate::{
    denial::DenialCode,
    structured_fields::{self, BareItem, Item, Parameters, Unserializable, write_base64},
};
use alloc::{borrow::Cow, vec::Vec};

/// The longest signature base, in bytes.
pub const MAX_SIGNATURE_BASE_LEN: usize = 65_536;

/// Appends a line of the signature base: identifier, `: `, value and a line feed (section 2.5).
#[inline]
pub(crate) fn write_line(
    component: &Item<'_>,
    request: &HttpRequest<'_>,
    base: &mut Vec<u8>,
) -> Result<(), DenialCode> {
    let BareItem::String(name) = &component.value else { return Err(DenialCode::Malformed) };
    let is_plain = |byte: u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
    if component.parameters.is_empty() && name.bytes().fold(true, |all, byte| all & is_plain(byte)) {
        base.push(b'"');
        base.extend_from_slice(name.as_bytes());
        base.extend_from_slice(b"\": ");
    } else {
        component.serialize(base).map_err(|_| DenialCode::Malformed)?;
        base.extend_from_slice(b": ");
    }
    let start = base.len();
    match name.strip_prefix('@') {
        Some(derived) => write_derived(derived, &component.parameters, request, base)?,
        None => write_field(name, &component.parameters, request, base)?,
    }
    // What is signed are characters of ASCII, and a line feed would be a line of its own (section 2.5).
    let is_text = |byte: &u8| matches!(byte, b' '..=b'~' | b'\t');
    let value = base.get(start..).unwrap_or_default();
    if base.len() > MAX_SIGNATURE_BASE_LEN || !value.iter().fold(true, |all, byte| all & is_text(byte)) {
        return Err(DenialCode::Malformed);
    }
    base.push(b'\n');
    Ok(())
}

/// Whether two identifiers are the same: by name and parameters, whatever the order of these (section 2).
#[inline]
pub(crate) fn is_same(one: &Item<'_>, other: &Item<'_>) -> bool {
    let (parameters, others) = (&one.parameters, &other.parameters);
    one.value == other.value
        && parameters.len() == others.len()
        && parameters.iter().all(|(name, value)| others.get(name) == Some(value))
}

/// The value of a derived component of a request (section 2.2).
#[inline]
fn write_derived(
    name: &str,
    parameters: &Parameters<'_>,
    request: &HttpRequest<'_>,
    base: &mut Vec<u8>,
) -> Result<(), DenialCode> {
    if name == "query-param" {
        let (1, Some(BareItem::String(name))) = (parameters.len(), parameters.get("name")) else {
            return Err(DenialCode::Malformed);
        };
        return request.write_query_param(name, base).ok_or(DenialCode::ComponentMissing);
    }
    // `req` is for responses, and `tr` for trailers, which are not signed here.
    if !parameters.is_empty() {
        return Err(DenialCode::Malformed);
    }
    match name {
        "method" => base.extend_from_slice(request.method.as_bytes()),
        "target-uri" => base.extend_from_slice(request.target_uri.as_bytes()),
        "authority" => request.write_authority(base),
        "scheme" => request.write_scheme(base),
        "request-target" => request.write_request_target(base),
        "path" => request.write_path(base),
        "query" => request.write_query(base),
        _ => return Err(DenialCode::Malformed),
    }
    Ok(())
}

/// The value of a field (section 2.1).
#[inline]
fn write_field(
    name: &str,
    parameters: &Parameters<'_>,
    request: &HttpRequest<'_>,
    base: &mut Vec<u8>,
) -> Result<(), DenialCode> {
    let is_lowercase = |byte: u8| is_token(byte) && !byte.is_ascii_uppercase();
    if name.is_empty() || !name.bytes().all(is_lowercase) {
        return Err(DenialCode::Malformed);
    }
    let (mut strict, mut binary, mut key) = (false, false, None);
    for (parameter, value) in parameters.iter() {
        match (parameter, value) {
            ("sf", BareItem::Boolean(true)) => strict = true,
            ("bs", BareItem::Boolean(true)) => binary = true,
            ("key", BareItem::String(given)) => key = Some(given),
            _ => return Err(DenialCode::Malformed),
        }
    }
    if binary && (strict || key.is_some()) {
        return Err(DenialCode::Malformed);
    }
    if binary {
        return write_binary(name, request, base);
    }
    if !strict && key.is_none() {
        return write_combined(name, request, base);
    }
    let combined = combined(name, request)?;
    let Some(key) = key else { return write_strict(&combined, base) };
    let dictionary = structured_fields::parse_dictionary(&combined).map_err(|_| DenialCode::Malformed)?;
    let member = dictionary.get(key).ok_or(DenialCode::ComponentMissing)?;
    member.serialize(base).map_err(|_| DenialCode::Malformed)
}

/// The value of a field as [`write_combined`] writes it; of one line that is not folded the line itself.
#[inline]
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
    type Reading = fn(&[u8]) -> Option<Result<Vec<u8>, Unserializable>>;
    fn written(
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), Unserializable>,
    ) -> Result<Vec<u8>, Unserializable> {
        let mut out = Vec::new();
        write(&mut out).map(|()| out)
    }
    let readings: [Reading; 3] = [
        |field| structured_fields::parse_item(field).ok().map(|item| written(|out| item.serialize(out))),
        |field| structured_fields::parse_list(field).ok().map(|list| written(|out| list.serialize(out))),
        |field| {
            structured_fields::parse_dictionary(field)
                .ok()
                .map(|members| written(|out| members.serialize(out)))
        },
    ];
    let mut all = readings.into_iter().filter_map(|read| read(combined));
    let first = all.next().ok_or(DenialCode::Malformed)?.map_err(|_| DenialCode::Malformed)?;
    if all.any(|other| other.as_ref() != Ok(&first)) {
        return Err(DenialCode::Malformed);
    }
    base.extend_from_slice(&first);
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
