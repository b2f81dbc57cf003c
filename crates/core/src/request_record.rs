//! The form in which a request and a signature policy cross the border of a WebAssembly instance.

use crate::{
    bytes::{Writer, flags},
    signature::{Content, HttpRequest, InvalidRequest, NonceRule, SignaturePolicy},
};
use alloc::{string::String, vec::Vec};

/// A request without its content, as it crosses the border of a WebAssembly instance: texts with a zero byte between them,
/// which no request has in any of them.
///
/// ```text
/// method, target URI, request target (empty: that of the URI), then of each line of the fields: name, value
/// ```
pub struct RequestRecord<'b> {
    method: &'b str,
    target_uri: &'b str,
    request_target: &'b str,
    fields: Vec<(&'b str, &'b [u8])>,
}

impl<'b> RequestRecord<'b> {
    /// Reads a record of so many texts; `None` if the bytes are none, or hold more or fewer: then a zero byte was in one.
    #[must_use]
    pub fn read(bytes: &'b [u8], texts: usize) -> Option<Self> {
        let mut parts = bytes.split(|&byte| byte == 0);
        let mut text = || core::str::from_utf8(parts.next()?).ok();
        let (method, target_uri, request_target) = (text()?, text()?, text()?);
        let lines = texts.checked_sub(3).filter(|rest| rest % 2 == 0)? / 2;
        let mut fields = Vec::with_capacity(lines.min(bytes.len()));
        for _ in 0..lines {
            fields.push((core::str::from_utf8(parts.next()?).ok()?, parts.next()?));
        }
        parts.next().is_none().then_some(Self { method, target_uri, request_target, fields })
    }

    /// The request, with its content.
    ///
    /// # Errors
    /// [`InvalidRequest`].
    #[inline]
    pub fn request<'r>(&'r self, content: Content<'r>) -> Result<HttpRequest<'r>, InvalidRequest> {
        let request = HttpRequest::new(self.method, self.target_uri, &self.fields)?.content(content);
        Ok(match self.request_target {
            "" => request,
            target => request.request_target(target),
        })
    }

    /// Appends the record of a request, and says how many texts it holds.
    #[inline]
    pub fn write(request: &HttpRequest<'_>, record: &mut Vec<u8>) -> usize {
        let target = request.request_target.unwrap_or_default();
        let head = [request.method, request.target_uri, target].map(str::as_bytes);
        let lines = request.fields.iter().flat_map(|(name, value)| [name.as_bytes(), *value]);
        let mut texts = 0;
        for text in head.into_iter().chain(lines) {
            if texts > 0 {
                record.push(0);
            }
            record.extend_from_slice(text);
            texts += 1;
        }
        texts
    }
}

/// How the content of a request crosses the border.
impl<'r> Content<'r> {
    /// The content that `kind` and bytes say: 0 itself, 1 its SHA-256, 2 its SHA-512, 3 both one behind the other, 4 it was
    /// not read, 5 there is some, of which no hash is known: it matches no digest. `None` for any other.
    #[must_use]
    #[inline]
    pub fn from_parts(kind: u8, bytes: &'r [u8]) -> Option<Self> {
        match kind {
            0 => Some(Self::Bytes(bytes)),
            1 => Some(Self::Hashed { sha256: Some(bytes.try_into().ok()?), sha512: None }),
            2 => Some(Self::Hashed { sha256: None, sha512: Some(bytes.try_into().ok()?) }),
            3 => {
                let (sha256, sha512) = bytes.split_first_chunk()?;
                Some(Self::Hashed { sha256: Some(sha256), sha512: Some(sha512.try_into().ok()?) })
            }
            4 => bytes.is_empty().then_some(Self::NotRead),
            5 => bytes.is_empty().then_some(Self::Hashed { sha256: None, sha512: None }),
            _ => None,
        }
    }

    /// The kind of the content; its bytes are appended.
    #[inline]
    pub fn write_parts(&self, bytes: &mut Vec<u8>) -> u8 {
        match self {
            Self::Bytes(content) => {
                bytes.extend_from_slice(content);
                0
            }
            Self::NotRead => 4,
            Self::Hashed { sha256: None, sha512: None } => 5,
            Self::Hashed { sha256, sha512 } => {
                bytes.extend(sha256.iter().flat_map(|hash| hash.iter()));
                bytes.extend(sha512.iter().flat_map(|hash| hash.iter()));
                u8::from(sha256.is_some()) | u8::from(sha512.is_some()) << 1
            }
        }
    }
}

const CONTENT_DIGEST: u8 = 1;
const CREATED: u8 = 2;
const HAS_MAX_AGE: u8 = 4;
const HAS_TAG: u8 = 8;

/// A [`SignaturePolicy`] as it crosses the border of a WebAssembly instance.
///
/// ```text
/// 0  u8    flags: 1 content digest, 2 created, 4 a max age, 8 a tag
/// 1  u8    nonce: 0 never, 1 unless idempotent, 2 always
/// 2  u16   length of the tag
/// 4  u32   max age, seconds
/// 8  u32   future skew, seconds
/// 12       tag, then the required components with a zero byte behind each (UTF-8)
/// ```
///
/// Numbers are little-endian.
#[derive(Clone, Debug)]
pub struct SignaturePolicyRecord {
    numbers: SignaturePolicy<'static>,
    tag: Option<String>,
    components: Vec<String>,
}

impl SignaturePolicyRecord {
    /// Reads a policy; `None` if the bytes are none.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (head, rest) = bytes.split_first_chunk::<12>()?;
        let [flags, nonce, t0, t1, a0, a1, a2, a3, s0, s1, s2, s3] = *head;
        let set = |flag| flags & flag != 0;
        let nonce = match nonce {
            0 => NonceRule::Never,
            1 => NonceRule::UnlessIdempotent,
            2 => NonceRule::Always,
            _ => return None,
        };
        let (tag, components) = rest.split_at_checked(u16::from_le_bytes([t0, t1]).into())?;
        let text = |bytes: &[u8]| Some(String::from(core::str::from_utf8(bytes).ok()?));
        let components = match components.split_last() {
            None => Vec::new(),
            Some((0, names)) => names.split(|&byte| byte == 0).map(text).collect::<Option<_>>()?,
            Some(_) => return None,
        };
        let numbers = SignaturePolicy {
            required_components: &[],
            require_content_digest: set(CONTENT_DIGEST),
            require_created: set(CREATED),
            max_age: set(HAS_MAX_AGE).then_some(u32::from_le_bytes([a0, a1, a2, a3])),
            future_skew: u32::from_le_bytes([s0, s1, s2, s3]),
            nonce,
            tag: None,
        };
        let tag = if set(HAS_TAG) { Some(text(tag)?) } else { None };
        (flags & !15 == 0).then_some(Self { numbers, tag, components })
    }

    /// What `use_it` makes of the policy.
    #[inline]
    pub fn with<T>(&self, use_it: impl FnOnce(&SignaturePolicy<'_>) -> T) -> T {
        let components: Vec<&str> = self.components.iter().map(String::as_str).collect();
        let tag = self.tag.as_deref();
        use_it(&SignaturePolicy { required_components: &components, tag, ..self.numbers })
    }

    /// Writes a policy.
    #[must_use]
    #[inline]
    pub fn write(policy: &SignaturePolicy<'_>) -> Vec<u8> {
        let tag = policy.tag.unwrap_or_default();
        let set = [
            (policy.require_content_digest, CONTENT_DIGEST),
            (policy.require_created, CREATED),
            (policy.max_age.is_some(), HAS_MAX_AGE),
            (policy.tag.is_some(), HAS_TAG),
        ];
        let nonce = match policy.nonce {
            NonceRule::Never => 0,
            NonceRule::UnlessIdempotent => 1,
            NonceRule::Always => 2,
        };
        let mut writer = Writer::default();
        writer
            .u8(flags(set))
            .u8(nonce)
            .u16(tag.len() as u16)
            .u32(policy.max_age.unwrap_or(0))
            .u32(policy.future_skew)
            .bytes(tag.as_bytes());
        for component in policy.required_components {
            writer.bytes(component.as_bytes()).u8(0);
        }
        writer.0
    }
}

impl Default for SignaturePolicyRecord {
    /// The default policy.
    #[inline]
    fn default() -> Self {
        let numbers = SignaturePolicy { required_components: &[], tag: None, ..SignaturePolicy::default() };
        let components = SignaturePolicy::default().required_components.iter().map(|&name| name.into());
        Self { numbers, tag: None, components: components.collect() }
    }
}
