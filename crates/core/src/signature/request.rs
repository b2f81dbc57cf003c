//! The request that is signed or verified, and what RFC 9421 derives from its target.

use alloc::vec::Vec;
use core::fmt;

/// The longest target URI, in bytes: what RFC 9110 section 4.1 asks of a URI, twice.
pub const MAX_TARGET_URI_LEN: usize = 16_384;
/// The most lines of fields that a request may have.
pub const MAX_FIELDS: usize = 1_000;

/// What is known of the content of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Content<'r> {
    /// The content as it was received: encoded as `Content-Encoding` says, before anything is decoded. It may be empty.
    Bytes(&'r [u8]),
    /// It was hashed elsewhere: its SHA-256 and SHA-512, as far as they were computed.
    Hashed {
        /// SHA-256 of the content.
        sha256: Option<&'r [u8; 32]>,
        /// SHA-512 of the content.
        sha512: Option<&'r [u8; 64]>,
    },
    /// It was not read. Whoever says so reads it later against [`ContentDigest`](crate::ContentDigest): no digest is checked
    /// here, and where one is demanded, it must be covered all the same.
    NotRead,
}

impl Content<'_> {
    /// Whether there is content, as far as is known.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, Self::Bytes([]))
    }
}

/// A request as far as signatures are concerned: its method, its target, its fields and its content.
///
/// ```
/// use claviger_core::{Content, HttpRequest};
///
/// let fields: [(&str, &[u8]); 1] = [("Content-Type", b"application/json")];
/// let request = HttpRequest::new("POST", "https://api.example/flights?page=2", &fields)?
///     .content(Content::Bytes(b"{}"));
/// # let _ = request;
/// # Ok::<(), claviger_core::InvalidRequest>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HttpRequest<'r> {
    pub(crate) method: &'r str,
    pub(crate) target_uri: &'r str,
    scheme: &'r str,
    authority: &'r str,
    path: &'r str,
    query: Option<&'r str>,
    pub(crate) request_target: Option<&'r str>,
    pub(crate) fields: &'r [(&'r str, &'r [u8])],
    pub(crate) content: Content<'r>,
}

impl<'r> HttpRequest<'r> {
    /// A request without content.
    ///
    /// `method` is taken as it is: methods are told apart by case (RFC 9110 section 9.1). `target_uri` is the whole URI,
    /// such as `https://api.example/flights?page=2`; a server puts it together from its own scheme, the authority that the
    /// client asked (`Host`, or `:authority`) and the target of the request line. A fragment is left out, as it is never
    /// sent. `fields` are the lines of the header section in their order, one for each line; their names in any case.
    ///
    /// # Errors
    /// [`InvalidRequest`] if the method is no token; if the URI is not absolute, is longer than [`MAX_TARGET_URI_LEN`], has
    /// user information (RFC 9110 section 4.2.4), no host, or characters that no URI has; or if there are more than
    /// [`MAX_FIELDS`] lines.
    #[inline]
    pub fn new(
        method: &'r str,
        target_uri: &'r str,
        fields: &'r [(&'r str, &'r [u8])],
    ) -> Result<Self, InvalidRequest> {
        let is_character = |byte: u8| byte.is_ascii_graphic() & !matches!(byte, b'"' | b'<' | b'>' | b'\\');
        if target_uri.len() > MAX_TARGET_URI_LEN
            || !target_uri.bytes().fold(true, |all, byte| all & is_character(byte))
            || method.is_empty()
            || !method.bytes().all(is_token)
            || fields.len() > MAX_FIELDS
        {
            return Err(InvalidRequest);
        }
        let target_uri = split_before(target_uri, b'#').0;
        let (scheme, rest) = split_before(target_uri, b':');
        let rest = rest.strip_prefix("://").ok_or(InvalidRequest)?;
        let (rest, query) = split_before(rest, b'?');
        let query = query.strip_prefix('?');
        let (authority, path) = split_before(rest, b'/');
        let is_scheme = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
        if scheme.is_empty()
            || !scheme.bytes().all(is_scheme)
            || authority.contains('@')
            || authority.is_empty()
            || authority.starts_with(':')
        {
            return Err(InvalidRequest);
        }
        let content = Content::Bytes(&[]);
        Ok(Self { method, target_uri, scheme, authority, path, query, request_target: None, fields, content })
    }

    /// The same request with this content.
    #[must_use]
    #[inline]
    pub const fn content(self, content: Content<'r>) -> Self {
        Self { content, ..self }
    }

    /// The same request with this text as its request target (RFC 9112 section 3.2), where that is not path and query: the
    /// absolute form, that of CONNECT, or `*`.
    #[must_use]
    #[inline]
    pub const fn request_target(self, request_target: &'r str) -> Self {
        Self { request_target: Some(request_target), ..self }
    }

    /// What is known of its content.
    #[must_use]
    #[inline]
    pub const fn given_content(&self) -> Content<'r> {
        self.content
    }

    /// The lines of its fields, in their order.
    #[must_use]
    #[inline]
    pub const fn fields(&self) -> &'r [(&'r str, &'r [u8])] {
        self.fields
    }

    /// The lines of a field, in their order.
    #[inline]
    pub(crate) fn lines<'n>(&self, name: &'n str) -> impl Iterator<Item = &'r [u8]> + Clone + use<'r, 'n> {
        let fields = self.fields;
        fields.iter().filter(move |(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    }

    /// `@scheme` (RFC 9421 section 2.2.4): in lowercase.
    #[inline]
    pub(crate) fn write_scheme(&self, base: &mut Vec<u8>) {
        write_lowercase(self.scheme, base);
    }

    /// `@authority` (section 2.2.3): the host in lowercase, without the default port of the scheme.
    #[inline]
    pub(crate) fn write_authority(&self, base: &mut Vec<u8>) {
        let default = match self.scheme {
            scheme if scheme.eq_ignore_ascii_case("https") => ":443",
            scheme if scheme.eq_ignore_ascii_case("http") => ":80",
            _ => ":",
        };
        let authority = self.authority.strip_suffix(':').unwrap_or(self.authority);
        let authority = authority.strip_suffix(default).unwrap_or(authority);
        write_lowercase(authority, base);
    }

    /// `@path` (section 2.2.6): as it was sent; an empty one is `/`.
    #[inline]
    pub(crate) fn write_path(&self, base: &mut Vec<u8>) {
        base.extend_from_slice(if self.path.is_empty() { "/" } else { self.path }.as_bytes());
    }

    /// `@query` (section 2.2.7): as it was sent, behind its `?`, which is there even if nothing follows or nothing was sent.
    #[inline]
    pub(crate) fn write_query(&self, base: &mut Vec<u8>) {
        base.push(b'?');
        base.extend_from_slice(self.query.unwrap_or_default().as_bytes());
    }

    /// `@request-target` (section 2.2.5): the origin form, unless another one was given.
    #[inline]
    pub(crate) fn write_request_target(&self, base: &mut Vec<u8>) {
        if let Some(target) = self.request_target {
            return base.extend_from_slice(target.as_bytes());
        }
        self.write_path(base);
        if self.query.is_some() {
            self.write_query(base);
        }
    }

    /// `@query-param` (section 2.2.8): the value of the one parameter whose name is encoded so; `None` if there is none, or
    /// more than one, or it is no UTF-8.
    #[inline]
    pub(crate) fn write_query_param(&self, name: &[u8], base: &mut Vec<u8>) -> Option<()> {
        let pairs = self.query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        let mut found = false;
        let start = base.len();
        for pair in pairs {
            let (key, value) = split_before(pair, b'=');
            let value = value.strip_prefix('=').unwrap_or_default();
            let before = base.len();
            recode(key, base)?;
            let is_it = base.get(before..) == Some(name);
            base.truncate(before);
            if is_it {
                if found {
                    base.truncate(start);
                    return None;
                }
                found = true;
                recode(value, base)?;
            }
        }
        found.then_some(())
    }

    /// Whether the method may be repeated with the effect of one request (RFC 9110 section 9.2.2).
    #[inline]
    pub(crate) fn is_idempotent(&self) -> bool {
        matches!(self.method, "GET" | "HEAD" | "PUT" | "DELETE" | "OPTIONS" | "TRACE")
    }
}

#[inline]
fn write_lowercase(text: &str, base: &mut Vec<u8>) {
    let start = base.len();
    base.extend_from_slice(text.as_bytes());
    base.get_mut(start..).unwrap_or_default().make_ascii_lowercase();
}

/// What stands before the first such byte, which is ASCII, and what begins with it.
#[inline]
fn split_before(text: &str, byte: u8) -> (&str, &str) {
    let place = text.bytes().position(|other| other == byte);
    place.and_then(|place| text.split_at_checked(place)).unwrap_or((text, ""))
}

/// Whether this is a character of a token: of a method or the name of a field (RFC 9110 section 5.6.2).
#[inline]
pub(crate) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Decodes a name or value of a query as forms encode it, and encodes it with percent signs alone (RFC 9421 section 2.2.8:
/// the sets of the URL standard). `None` if what it encodes is no UTF-8.
#[inline]
fn recode(encoded: &str, base: &mut Vec<u8>) -> Option<()> {
    let mut decoded = Vec::with_capacity(encoded.len());
    let mut rest = encoded.as_bytes();
    while let [first, others @ ..] = rest {
        rest = others;
        decoded.push(match (first, others) {
            (b'+', _) => b' ',
            (b'%', [high, low, behind @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => {
                    rest = behind;
                    high << 4 | low
                }
                _ => b'%',
            },
            _ => *first,
        });
    }
    core::str::from_utf8(&decoded).ok()?;
    for byte in decoded {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'*' | b'-' | b'.' | b'_') {
            base.push(byte);
        } else {
            let digit =
                |nibble: u8| if nibble < 10 { b'0' | nibble } else { (b'A' - 10).wrapping_add(nibble) };
            base.extend_from_slice(&[b'%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    Some(())
}

#[inline]
fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|digit| digit as u8)
}

/// A method, a target URI or a number of fields that no request has here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InvalidRequest;

impl fmt::Display for InvalidRequest {
    #[inline]
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(
            "not a request: expected a method, an absolute URI such as https://api.example/flights?page=2, encoded and \
             without user information, and at most 1,000 lines of fields",
        )
    }
}

impl core::error::Error for InvalidRequest {}
