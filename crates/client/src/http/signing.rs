//! Requests get signatures (RFC 9421).

use super::{CONTENT_DIGEST, SIGNATURE, SIGNATURE_INPUT, target::SignedTarget};
use crate::unix_seconds;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use claviger_core::{
    Content, ContentDigest, DEFAULT_COMPONENTS, RequestSigner, SignError, SignatureTerms,
    structured_fields::parse_dictionary,
};
use http::{HeaderMap, HeaderValue, Request};

/// How a request is signed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SigningOptions<'o> {
    /// What is covered beside the content: names, or identifiers with parameters. By default
    /// [`DEFAULT_COMPONENTS`](claviger_core::DEFAULT_COMPONENTS).
    pub components: &'o [&'o str],
    /// When it is signed, in Unix seconds; `None`: now.
    pub created: Option<u64>,
    /// For how many seconds the signature may be used. `None`: for as long as the server takes it.
    pub valid_for: Option<u32>,
    /// What the signature is for, where others stand beside it: characters of ASCII.
    pub tag: Option<&'o str>,
}

impl Default for SigningOptions<'_> {
    fn default() -> Self {
        Self { components: &DEFAULT_COMPONENTS, created: None, valid_for: None, tag: None }
    }
}

/// Why a request was not signed. Holds nothing of the key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignRequestError {
    /// The request has no absolute URI and no `Host`, or a URI that cannot be signed.
    #[error("the request has no URI such as https://api.example/flights, and no Host beside a path")]
    Target,
    /// The signatures that the request has cannot be read.
    #[error("the request has a Signature or Signature-Input that cannot be read, or too many of them")]
    Fields,
    /// The operating system gives no random numbers.
    #[error("no random numbers for the nonce")]
    Random(#[source] getrandom::Error),
    /// Something that is to be covered cannot be.
    #[error(transparent)]
    Sign(#[from] SignError),
}

/// Signs a request as it will be sent: nothing that is covered may be changed after it.
///
/// If there is content and no `Content-Digest`, it gets that (SHA-256), and the signature covers it. The signature says when it
/// was made, and has a nonce of 128 random bits. It stands beside others that the request has.
///
/// The URI has to be the one by which the server knows itself: absolute, or a path with a `Host` (the scheme is then https).
///
/// ```
/// use claviger::http::{SigningOptions, sign_request};
/// use claviger::core::{KeyPrefix, OpaqueUse, RequestSigner, generate_opaque_key};
///
/// let (_, key) = generate_opaque_key(&KeyPrefix::new("acme_live")?, OpaqueUse::BearerAndSigning, &[7; 40]);
/// let signer = RequestSigner::from_key(key.expose())?;
/// let mut request = http::Request::post("https://api.example/flights").body(r#"{"to":"HEL"}"#)?;
/// sign_request(&mut request, &signer, &SigningOptions::default())?;
/// assert!(request.headers().contains_key("signature") && request.headers().contains_key("content-digest"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`SignRequestError`]. The request then has no new signature.
pub fn sign_request<B: AsRef<[u8]>>(
    request: &mut Request<B>,
    signer: &RequestSigner,
    options: &SigningOptions<'_>,
) -> Result<(), SignRequestError> {
    let label = free_label(request.headers())?;
    let mut nonce = [0; 16];
    getrandom::fill(&mut nonce).map_err(SignRequestError::Random)?;
    let nonce = BASE64_URL_SAFE_NO_PAD.encode(nonce);
    let content = request.body().as_ref();
    if !content.is_empty() && !request.headers().contains_key(CONTENT_DIGEST) {
        let digest = header(&ContentDigest::sha256(content))?;
        request.headers_mut().insert(CONTENT_DIGEST, digest);
    }
    let mut components = options.components.to_vec();
    if request.headers().contains_key(CONTENT_DIGEST) && !components.contains(&CONTENT_DIGEST) {
        components.push(CONTENT_DIGEST);
    }
    let created = options.created.unwrap_or_else(unix_seconds);
    let terms = SignatureTerms {
        components: &components,
        expires: options.valid_for.map(|seconds| created.saturating_add(seconds.into())),
        nonce: Some(&nonce),
        tag: options.tag,
        label: &label,
        ..SignatureTerms::at(created)
    };
    let signed = {
        let target = SignedTarget::of(request, None).map_err(|_| SignRequestError::Target)?;
        let content = Content::Bytes(request.body().as_ref());
        signer.sign(&target.request(content).map_err(|_| SignRequestError::Target)?, &terms)?
    };
    let (input, signature) = (header(&signed.signature_input)?, header(&signed.signature)?);
    request.headers_mut().append(SIGNATURE_INPUT, input);
    request.headers_mut().append(SIGNATURE, signature);
    Ok(())
}

fn header(value: &str) -> Result<HeaderValue, SignRequestError> {
    HeaderValue::try_from(value).map_err(|_| SignRequestError::Sign(SignError::Parameter))
}

/// `sig`, or with a number behind it the first that no signature of the request has.
fn free_label(headers: &HeaderMap) -> Result<String, SignRequestError> {
    let fields = [combined(headers, SIGNATURE_INPUT), combined(headers, SIGNATURE)];
    let mut dictionaries = Vec::new();
    for field in &fields {
        dictionaries.push(parse_dictionary(field).map_err(|_| SignRequestError::Fields)?);
    }
    let is_free = |label: &str| dictionaries.iter().all(|signatures| signatures.get(label).is_none());
    let numbered = (2..=claviger_core::MAX_SIGNATURES).map(|number| format!("sig{number}"));
    let mut labels = std::iter::once("sig".to_owned()).chain(numbered);
    labels.find(|label| is_free(label)).ok_or(SignRequestError::Fields)
}

/// The lines of a field as one value.
fn combined(headers: &HeaderMap, name: &str) -> Vec<u8> {
    let lines: Vec<&[u8]> = headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
    lines.join(&b", "[..])
}
