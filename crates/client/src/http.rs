//! Keys in requests, and responses to denials.
//!
//! A key is read from `Authorization: Bearer`, `X-API-Key`, `Authorization: Basic` (the user name is the key's id, the
//! password the whole key) and `Authorization: rest_api_key=`; which of them is configuration. Two different credentials in
//! one request are malformed.

use crate::{Verdict, Verifier, engine::Engine};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use claviger_core::{DenialClass, DenialCode, Denied, RequestContext, parse};
use http::{
    HeaderMap, HeaderValue, Request, Response, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
};
use serde_json::json;

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
}

impl Default for Credentials {
    /// Bearer and `X-API-Key`.
    fn default() -> Self {
        Self { bearer: true, x_api_key: true, basic: false, rest_api_key: false }
    }
}

impl Credentials {
    /// Every header.
    pub const ALL: Self = Self { bearer: true, x_api_key: true, basic: true, rest_api_key: true };

    /// The one key that the headers carry.
    ///
    /// # Errors
    /// [`DenialCode::Missing`] if there is none in the accepted headers; [`DenialCode::Malformed`] if there are two that
    /// differ, or one has not the form of its scheme.
    pub fn read(&self, headers: &HeaderMap) -> Result<Vec<u8>, DenialCode> {
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
    /// [Verifies](Self::verify) the key in the headers of a request.
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
        match credentials.read(request.headers()) {
            Ok(key) => self.verify(key, context).await,
            Err(code) => Verdict::denied(code, None),
        }
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
