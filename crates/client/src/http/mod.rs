//! Keys and signatures in requests, and responses to denials.
//!
//! A key is read from `Authorization: Bearer`, `X-API-Key`, `Authorization: Basic` (the user name is the key's id, the
//! password the whole key) and `Authorization: rest_api_key=`; which of them is configuration. Two different credentials in
//! one request are malformed.
//!
//! A key that signs (RFC 9421) is never sent: [`sign_request`] puts its signature into a request, and
//! [`Verifier::verify_request_with_content`] finds it there, where [`Credentials::signature`] says so.

mod signing;
mod target;

pub use signing::{SignRequestError, SigningOptions, sign_request};

use crate::{Verdict, Verifier, engine::Engine};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use claviger_core::{Content, DenialClass, DenialCode, Denied, RequestContext, SignaturePolicy, parse};
use http::{
    HeaderMap, HeaderValue, Request, Response, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
};
use serde_json::json;
use target::SignedTarget;

const CONTENT_DIGEST: &str = "content-digest";
const SIGNATURE: &str = "signature";
const SIGNATURE_INPUT: &str = "signature-input";
const ACCEPT_SIGNATURE: &str = "accept-signature";

/// Which headers a key is read from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Credentials {
    /// `Authorization: Bearer <key>` (RFC 6750, section 2.1).
    pub bearer: bool,
    /// `X-API-Key: <key>`.
    pub x_api_key: bool,
    /// `Authorization: Basic base64(<id>:<key>)` (RFC 7617): user name and key must agree.
    pub basic: bool,
    /// `Authorization: rest_api_key=<key>`.
    pub rest_api_key: bool,
    /// `Signature-Input` and `Signature` (RFC 9421): not a key, but proof of one. Where this is not set, signatures are not
    /// looked at.
    pub signature: bool,
}

/// What a request carries.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// A key, as any bytes.
    Key(Vec<u8>),
    /// A signature, or half of one.
    Signature,
}

impl Default for Credentials {
    /// Bearer and `X-API-Key`.
    fn default() -> Self {
        Self { bearer: true, x_api_key: true, basic: false, rest_api_key: false, signature: false }
    }
}

impl Credentials {
    /// Every header.
    pub const ALL: Self =
        Self { bearer: true, x_api_key: true, basic: true, rest_api_key: true, signature: true };

    /// The one key that the headers carry.
    ///
    /// # Errors
    /// [`DenialCode::Missing`] if there is none in the accepted headers; [`DenialCode::Malformed`] if there are two that
    /// differ, or one has not the form of its scheme. A signature is no key: alone it is `missing` here, and beside a key it
    /// is `malformed`, where it is accepted.
    pub fn read(&self, headers: &HeaderMap) -> Result<Vec<u8>, DenialCode> {
        match self.find(headers)? {
            Credential::Key(key) => Ok(key),
            Credential::Signature => Err(DenialCode::Missing),
        }
    }

    /// The one credential that the headers carry: a key, or a signature.
    ///
    /// # Errors
    /// Those of [`read`](Self::read), of which `missing` is that there is neither.
    pub fn find(&self, headers: &HeaderMap) -> Result<Credential, DenialCode> {
        let signed =
            self.signature && (headers.contains_key(SIGNATURE) || headers.contains_key(SIGNATURE_INPUT));
        match (self.read_key(headers), signed) {
            (Err(DenialCode::Missing), true) => Ok(Credential::Signature),
            (Ok(_), true) => Err(DenialCode::Malformed),
            (key, _) => key.map(Credential::Key),
        }
    }

    fn read_key(&self, headers: &HeaderMap) -> Result<Vec<u8>, DenialCode> {
        let mut found: Option<Vec<u8>> = None;
        let api_keys = headers.get_all("x-api-key").iter().filter(|_| self.x_api_key);
        let api_keys = api_keys.map(|value| Ok(Some(value.as_bytes().to_vec())));
        let authorizations =
            headers.get_all(AUTHORIZATION).iter().map(|value| self.authorization(value.as_bytes()));
        for key in authorizations.chain(api_keys) {
            match (key?, &found) {
                (None, _) => {}
                (Some(key), None) => found = Some(key),
                (Some(key), Some(before)) if key == *before => {}
                _ => return Err(DenialCode::Malformed),
            }
        }
        found.filter(|key| !key.is_empty()).ok_or(DenialCode::Missing)
    }

    /// The key in a value of the header; `None` for a scheme that is not accepted.
    fn authorization(&self, value: &[u8]) -> Result<Option<Vec<u8>>, DenialCode> {
        if let Some(key) = after(value, b"rest_api_key=") {
            return Ok(self.rest_api_key.then(|| key.to_vec()));
        }
        if let Some(key) = after(value, b"bearer ") {
            return Ok(self.bearer.then(|| key.trim_ascii().to_vec()));
        }
        match after(value, b"basic ").filter(|_| self.basic) {
            Some(encoded) => basic(encoded.trim_ascii()).ok_or(DenialCode::Malformed).map(Some),
            None => Ok(None),
        }
    }
}

/// What stands behind a scheme, whose letters may be upper or lower (RFC 9110, section 11.1).
fn after<'v>(value: &'v [u8], scheme: &[u8]) -> Option<&'v [u8]> {
    let (start, rest) = value.split_at_checked(scheme.len())?;
    start.eq_ignore_ascii_case(scheme).then_some(rest)
}

fn basic(encoded: &[u8]) -> Option<Vec<u8>> {
    let decoded = BASE64_STANDARD.decode(encoded).ok()?;
    let colon = decoded.iter().position(|&byte| byte == b':')?;
    let (user, key) = (decoded.get(..colon)?, decoded.get(colon.checked_add(1)?..)?);
    let id = parse(std::str::from_utf8(key).ok()?).ok()?.id().to_string();
    (user == id.as_bytes()).then(|| key.to_vec())
}

impl<E: Engine> Verifier<E> {
    /// [Verifies](Self::verify) the key in the headers of a request, or its signature.
    ///
    /// The content is not looked at here. So a signature is denied that covers `content-digest`, or that would have to:
    /// [`verify_request_with_content`](Self::verify_request_with_content) takes them.
    ///
    /// ```
    /// # use claviger::{RequestContext, Verifier, core::KeyringKey, http::{Credentials, denial_response}, unix_seconds};
    /// # async fn answer(verifier: &Verifier, request: http::Request<()>) -> http::Response<String> {
    /// let context = RequestContext::at(unix_seconds());
    /// match verifier.verify_request(&request, Credentials::default(), &context).await.into_result() {
    ///     Ok(verified) => http::Response::new(format!("hello {}", verified.key_id)),
    ///     Err(denied) => denial_response(&denied),
    /// }
    /// # }
    /// ```
    pub async fn verify_request<B>(
        &self,
        request: &Request<B>,
        credentials: Credentials,
        context: &RequestContext<'_>,
    ) -> Verdict<'static> {
        // Content of which nothing is known: no digest is that of it.
        let unknown = Content::Hashed { sha256: None, sha512: None };
        self.verify_request_with_content(request, unknown, credentials, context).await
    }

    /// [Verifies](Self::verify) the key in the headers of a request, or [its signature](Self::verify_signed) and its content.
    ///
    /// `content` is what was received, before anything is decoded: where it is not in memory its hashes, or
    /// [`Content::NotRead`]. Whoever says the last reads it against [`ContentDigest`](claviger_core::ContentDigest) before
    /// anything of it is believed.
    ///
    /// Which URI was signed is put together from [`origin`](crate::VerifierBuilder::origin) and the path of the request. Without
    /// it the request's own scheme and authority are taken, if it has them, or `https` and `Host`: the client's word, which is
    /// good where whatever stands before this server passes on no other names than its own. Set `origin` if in doubt: a
    /// signature for another server that has the same keys is then none here.
    ///
    /// ```
    /// # use claviger::{RequestContext, Verdict, Verifier, core::Content, http::Credentials, unix_seconds};
    /// # async fn enter(verifier: &Verifier, request: http::Request<Vec<u8>>) -> Verdict<'static> {
    /// let mut credentials = Credentials::default();
    /// credentials.signature = true;
    /// let context = RequestContext::at(unix_seconds());
    /// let content = Content::Bytes(request.body());
    /// verifier.verify_request_with_content(&request, content, credentials, &context).await
    /// # }
    /// ```
    pub async fn verify_request_with_content<B>(
        &self,
        request: &Request<B>,
        content: Content<'_>,
        credentials: Credentials,
        context: &RequestContext<'_>,
    ) -> Verdict<'static> {
        let target = match credentials.find(request.headers()) {
            Ok(Credential::Key(key)) => return self.verify(key, context).await,
            Ok(Credential::Signature) => SignedTarget::of(request, self.0.origin.as_deref()),
            Err(code) => return Verdict::denied(code, None),
        };
        match target.as_ref().map(|target| target.request(content)) {
            Ok(Ok(request)) => self.verify_signed(&request, context).await,
            _ => Verdict::denied(DenialCode::Malformed, None),
        }
    }

    /// The response to a request that is denied: [`denial_response`], and where signatures are accepted a 401 says with
    /// `Accept-Signature` (RFC 9421 section 5.1) what they must cover, of a request with content or without.
    #[must_use]
    pub fn denial_response(
        &self,
        denied: &Denied,
        credentials: Credentials,
        has_content: bool,
    ) -> Response<String> {
        let mut response = denial_response(denied);
        if credentials.signature && denied.code.class() == DenialClass::Unproven {
            let accepted = |policy: &SignaturePolicy<'_>| policy.accept_signature(has_content);
            // A policy whose names no field can hold is not told.
            if let Ok(accepted) = HeaderValue::try_from(self.0.signature_policy.with(accepted)) {
                response.headers_mut().insert(ACCEPT_SIGNATURE, accepted);
            }
        }
        response
    }
}

/// Seconds after which a request may be made again that could not be decided.
const RETRY_SECONDS: &str = "1";

/// The response to a request that is denied: problem details (RFC 9457).
///
/// Whoever proves nothing gets one and the same 401, whatever the reason; a proven caller gets a 403 with the code; and
/// where the verifier cannot decide, it is a 503 with `Retry-After`, because the key may be good.
#[must_use]
pub fn denial_response(denied: &Denied) -> Response<String> {
    let code = denied.code;
    let (status, problem) = match code.class() {
        DenialClass::Unproven => (
            StatusCode::UNAUTHORIZED,
            json!({ "title": "Unauthorized", "status": 401, "detail": "The request carries no valid API key." }),
        ),
        DenialClass::Policy => (
            StatusCode::FORBIDDEN,
            json!({ "title": "Forbidden", "status": 403, "code": code, "detail": code.reason() }),
        ),
        DenialClass::Fault => (
            StatusCode::SERVICE_UNAVAILABLE,
            json!({
                "title": "Service Unavailable", "status": 503, "code": code,
                "detail": "The API key cannot be verified at the moment."
            }),
        ),
    };
    let mut response = Response::new(problem.to_string());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    match code.class() {
        DenialClass::Unproven => headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
        DenialClass::Policy => None,
        DenialClass::Fault => headers.insert(RETRY_AFTER, HeaderValue::from_static(RETRY_SECONDS)),
    };
    response
}
