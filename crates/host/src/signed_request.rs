//! A signed request as the module reads it: bytes one behind the other, and their lengths.

use claviger_core::{
    Content, ContextRecord, HttpRequest, RequestContext, RequestRecord, SignaturePolicy,
    SignaturePolicyRecord,
};
use sha2::{Digest, Sha256, Sha512};

/// Content that is longer is hashed here and stays here: this machine's own code is faster, and no instance needs memory
/// for it.
const LONGEST_CONTENT: usize = 64 << 10;
/// No request has more before its content; a policy and a context are shorter still.
const LONGEST: usize = 1 << 20;

/// What stands in the part buffer of an instance.
pub(crate) struct SignedRequest {
    pub(crate) bytes: Vec<u8>,
    pub(crate) policy_len: u32,
    pub(crate) head_len: u32,
    pub(crate) texts: u32,
    pub(crate) content_kind: u32,
    pub(crate) content_len: u32,
    pub(crate) context_len: u32,
}

impl SignedRequest {
    /// `None` if something of it is longer than that of any request. A request that is verified by keys of the host's own has
    /// no context.
    pub(crate) fn write(
        request: &HttpRequest<'_>,
        policy: &SignaturePolicy<'_>,
        context: Option<&RequestContext<'_>>,
    ) -> Option<Self> {
        let mut bytes = SignaturePolicyRecord::write(policy);
        let mut end = 0;
        let policy_len = grown(&bytes, &mut end)?;
        let texts = RequestRecord::write(request, &mut bytes);
        let head_len = grown(&bytes, &mut end)?;
        let content_kind = write_content(request, &mut bytes);
        let content_len = grown(&bytes, &mut end)?;
        if let Some(context) = context {
            let address = context.address.map(|address| address.to_string()).unwrap_or_default();
            bytes.extend_from_slice(&ContextRecord::write(context, &address));
        }
        let context_len = grown(&bytes, &mut end)?;
        let (texts, content_kind) = (u32::try_from(texts).ok()?, content_kind.into());
        Some(Self { bytes, policy_len, head_len, texts, content_kind, content_len, context_len })
    }
}

/// By how much it has grown since the last time.
fn grown(bytes: &[u8], end: &mut usize) -> Option<u32> {
    let len = bytes.len().checked_sub(*end).filter(|len| *len <= LONGEST)?;
    *end = bytes.len();
    u32::try_from(len).ok()
}

fn write_content(request: &HttpRequest<'_>, bytes: &mut Vec<u8>) -> u8 {
    let content = match request.given_content() {
        Content::Bytes(content) if content.len() > LONGEST_CONTENT => content,
        content => return content.write_parts(bytes),
    };
    // A field that does not name it anywhere does not demand it.
    let names_sha512 = |value: &[u8]| value.windows(7).any(|name| name == b"sha-512");
    let digests = request.fields().iter().filter(|(name, _)| name.eq_ignore_ascii_case("content-digest"));
    let sha512 = digests.into_iter().any(|(_, value)| names_sha512(value));
    let sha512: Option<[u8; 64]> = sha512.then(|| Sha512::digest(content).into());
    let sha256 = Sha256::digest(content).into();
    Content::Hashed { sha256: Some(&sha256), sha512: sha512.as_ref() }.write_parts(bytes)
}
