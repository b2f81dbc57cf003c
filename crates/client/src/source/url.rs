//! A keyring behind a URL.

use super::{FetchedKeyring, KeyringSource, MAX_KEYRING_LEN, MAX_PART_LEN, SourceError};
use crate::hex;
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use claviger_core::PartHash;
use reqwest::{
    Client, Response, StatusCode, Url,
    header::{ETAG, HeaderMap, IF_NONE_MATCH},
};
use std::fmt;

/// A root or a bundle behind a URL, and the parts of a root beside it, in `parts/`.
///
/// It is fetched again only if its `ETag` is another one. Redirects are followed.
#[derive(Clone)]
pub struct UrlSource {
    url: Url,
    client: Client,
    headers: HeaderMap,
}

impl UrlSource {
    /// The root or bundle at this URL: `https://keys.example.com/rings/acme/root`, say.
    ///
    /// # Errors
    /// If it is no URL, or another one than of http or https.
    pub fn new(url: &str) -> Result<Self, SourceError> {
        Self::with_client(url, Client::builder().build()?)
    }

    /// The same, fetched by a client of the caller's, with its proxies and certificates.
    ///
    /// # Errors
    /// Those of [`new`](Self::new).
    pub fn with_client(url: &str, client: Client) -> Result<Self, SourceError> {
        let url = Url::parse(url)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err("the URL of a keyring begins with https:// or http://".into());
        }
        Ok(Self { url, client, headers: HeaderMap::new() })
    }

    /// Sends these headers with each request: an `authorization`, say.
    #[must_use]
    pub fn headers(mut self, headers: HeaderMap) -> Self {
        self.headers = headers;
        self
    }

    async fn get(&self, url: Url, known: Option<&str>) -> Result<Response, SourceError> {
        let mut request = self.client.get(url).headers(self.headers.clone());
        if let Some(tag) = known {
            request = request.header(IF_NONE_MATCH, tag);
        }
        // What stands in the URL may be a secret.
        Ok(request.send().await.map_err(reqwest::Error::without_url)?)
    }
}

/// Tells neither the headers nor what stands in the URL beside its host and path: it may be a secret.
impl fmt::Debug for UrlSource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = (self.url.host_str().unwrap_or_default(), self.url.path());
        formatter.debug_tuple("UrlSource").field(&url).finish()
    }
}

/// The body of a good response, if it is not too long.
async fn body(response: Response, most: u64) -> Result<Bytes, SourceError> {
    if !response.status().is_success() {
        return Err(format!("the server answered {}", response.status()).into());
    }
    let too_long = || SourceError::from(format!("the server sends more than {most} bytes"));
    let announced = response.content_length();
    if announced.is_some_and(|len| len > most) {
        return Err(too_long());
    }
    let mut response = response;
    let mut bytes = BytesMut::with_capacity(announced.and_then(|len| usize::try_from(len).ok()).unwrap_or(0));
    while let Some(chunk) = response.chunk().await.map_err(reqwest::Error::without_url)? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() as u64 > most {
            return Err(too_long());
        }
    }
    Ok(bytes.freeze())
}

#[async_trait]
impl KeyringSource for UrlSource {
    async fn keyring(&self, known: Option<&str>) -> Result<Option<FetchedKeyring>, SourceError> {
        let response = self.get(self.url.clone(), known).await?;
        if known.is_some() && response.status() == StatusCode::NOT_MODIFIED {
            return Ok(None);
        }
        let tag = response.headers().get(ETAG).and_then(|tag| tag.to_str().ok()).map(str::to_owned);
        let mut fetched = FetchedKeyring::new(body(response, MAX_KEYRING_LEN).await?);
        fetched.tag = tag;
        Ok(Some(fetched))
    }

    async fn part(&self, hash: &PartHash) -> Result<Option<Bytes>, SourceError> {
        let mut url = self.url.join(&format!("parts/{}", hex(hash)))?;
        // What stands behind a `?` may be what lets the root be read.
        url.set_query(self.url.query());
        let response = self.get(url, None).await?;
        if response.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        Ok(Some(body(response, MAX_PART_LEN).await?))
    }
}
