//! The request as its signature sees it: target URI, method and fields.

use claviger_core::{Content, HttpRequest, InvalidRequest};
use http::{HeaderMap, Method, Request, header::HOST, uri::Authority};

/// The parts that a [`HttpRequest`] borrows.
pub(crate) struct SignedTarget<'r> {
    method: &'r str,
    uri: String,
    /// `OPTIONS *`, which asks of the server itself (RFC 9112 section 3.2.4).
    asterisk: bool,
    fields: Vec<(&'r str, &'r [u8])>,
}

impl<'r> SignedTarget<'r> {
    /// `origin` is the scheme and authority of the server, if they are known. Otherwise the request's own URI says them, or
    /// `Host`, and then the scheme is https.
    pub(crate) fn of<B>(request: &'r Request<B>, origin: Option<&str>) -> Result<Self, InvalidRequest> {
        let target = request.uri();
        let mut uri = match (origin, target.authority()) {
            (Some(origin), _) => origin.to_owned(),
            (None, Some(authority)) => {
                format!("{}://{authority}", target.scheme_str().unwrap_or("https"))
            }
            (None, None) => format!("https://{}", host(request.headers())?),
        };
        let path = target.path_and_query().map_or("", |path| path.as_str());
        let asterisk = path == "*" && request.method() == Method::OPTIONS;
        // Everything else would run into the authority, or be covered by nothing.
        match path {
            _ if asterisk => {}
            path if path.starts_with('/') => uri.push_str(path),
            _ => return Err(InvalidRequest),
        }
        let fields = request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        Ok(Self { method: request.method().as_str(), uri, asterisk, fields: fields.collect() })
    }

    pub(crate) fn request<'t>(&'t self, content: Content<'t>) -> Result<HttpRequest<'t>, InvalidRequest> {
        let request = HttpRequest::new(self.method, &self.uri, &self.fields)?.content(content);
        Ok(if self.asterisk { request.request_target("*") } else { request })
    }
}

/// The one host that the client asked. A path in it would be taken for that of the request.
fn host(headers: &HeaderMap) -> Result<Authority, InvalidRequest> {
    let mut hosts = headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return Err(InvalidRequest) };
    Authority::try_from(host.as_bytes()).map_err(|_| InvalidRequest)
}
