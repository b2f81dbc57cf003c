//! Keyrings from a real HTTP server.

use crate::ring::{Clock, Ring, START, verify};
use bytes::Bytes;
use claviger::{KeyringSource, PartHash, RefreshError, UrlSource, hex};
use http_body_util::Full;
use hyper::{
    Request, Response,
    body::Incoming,
    header::{AUTHORIZATION, ETAG, IF_NONE_MATCH, LOCATION},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, Mutex},
};
use tokio::net::TcpListener;

/// What the server has, by path, and what it answered.
#[derive(Default)]
struct Site {
    files: HashMap<String, Bytes>,
    statuses: HashMap<String, u16>,
    log: Vec<(String, u16, usize)>,
}

#[derive(Clone, Default)]
struct Server(Arc<Mutex<Site>>);

impl Server {
    /// Begins to serve, and returns where; it ends with the runtime of the test.
    async fn start(&self) -> String {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = self.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let server = server.clone();
                let service = service_fn(move |request| {
                    let answer = server.answer(&request);
                    async move { Ok::<_, Infallible>(answer) }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        format!("http://{address}")
    }

    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let mut site = self.0.lock().unwrap();
        let path = request.uri().path().to_owned();
        let mut response = Response::new(Full::default());
        let file = site.files.get(&path).cloned();
        let tag = file.as_ref().map(|file| format!("\"{}\"", hex(&file[file.len() - 16..])));
        let allowed = !path.starts_with("/secret/")
            || request.headers().get(AUTHORIZATION).is_some_and(|value| value == "Bearer of the edge");
        let status = match (&file, site.statuses.get(&path)) {
            (_, Some(&status)) => status,
            _ if !allowed => 401,
            (None, None) => 404,
            _ if tag.is_some()
                && request.headers().get(IF_NONE_MATCH).and_then(|known| known.to_str().ok())
                    == tag.as_deref() =>
            {
                304
            }
            _ => 200,
        };
        *response.status_mut() = status.try_into().unwrap();
        if status == 302 {
            response.headers_mut().insert(LOCATION, "/ring/root".parse().unwrap());
        }
        let body = file.filter(|_| status == 200).unwrap_or_default();
        if status == 200 {
            response.headers_mut().insert(ETAG, tag.unwrap().parse().unwrap());
        }
        site.log.push((path, status, body.len()));
        *response.body_mut() = Full::new(body);
        response
    }

    fn put(&self, prefix: &str, ring: &Ring) {
        let mut site = self.0.lock().unwrap();
        site.files.insert(format!("{prefix}/root"), ring.root.clone().into());
        for (hash, part) in &ring.parts {
            site.files.insert(format!("{prefix}/parts/{}", hex(hash)), part.clone().into());
        }
        site.files.insert(format!("{prefix}/bundle"), ring.bundle().into());
    }

    fn with<T>(&self, call: impl FnOnce(&mut Site) -> T) -> T {
        call(&mut self.0.lock().unwrap())
    }

    /// The statuses and lengths of what was answered since the last time.
    fn log(&self) -> Vec<(u16, usize)> {
        self.with(|site| std::mem::take(&mut site.log))
            .into_iter()
            .map(|(_, status, len)| (status, len))
            .collect()
    }
}

#[tokio::test]
async fn a_root_and_its_parts_are_fetched_once() {
    let mut ring = Ring::new(5000);
    let server = Server::default();
    server.put("/ring", &ring);
    let url = server.start().await;
    let source = UrlSource::new(&format!("{url}/ring/root")).unwrap();
    let (verifier, events) = ring.verifier(source, &Clock::new());
    assert_eq!(verify(&verifier, &ring.text(3), START).await, "verified fresh 1");
    let log = server.log();
    assert_eq!(log.iter().map(|(status, _)| *status).collect::<Vec<_>>(), [200, 200, 200]);
    assert!(log[0].1 == ring.root.len(), "{log:?}");

    verifier.refresh().await.unwrap();
    assert_eq!(server.log(), [(304, 0)]);
    ring.revoke(3);
    ring.publish(START);
    server.put("/ring", &ring);
    verifier.refresh().await.unwrap();
    assert_eq!(server.log().len(), 2, "the root, and the chunk that was in use");
    assert_eq!(verify(&verifier, &ring.text(3), START).await, "revoked fresh 2");
    assert_eq!(events.take(), ["epoch 1", "unchanged", "epoch 2"]);
}

#[tokio::test]
async fn a_bundle_is_fetched_as_a_whole() {
    let ring = Ring::new(300);
    let server = Server::default();
    server.put("/ring", &ring);
    let url = server.start().await;
    let (verifier, _) = ring.verifier(UrlSource::new(&format!("{url}/ring/bundle")).unwrap(), &Clock::new());
    verifier.refresh().await.unwrap();
    assert!(
        ring.keys
            .iter()
            .all(|(_, text)| crate::ring::verify_key(&verifier, text, START) == "verified fresh 1")
    );
    assert_eq!(server.log().len(), 1);
}

#[tokio::test]
async fn headers_are_sent_and_redirects_followed() {
    let ring = Ring::new(40);
    let server = Server::default();
    server.put("/secret/ring", &ring);
    server.put("/ring", &ring);
    let url = server.start().await;
    let root = format!("{url}/secret/ring/root");
    let source = UrlSource::new(&root).unwrap();
    assert_eq!(source.keyring(None).await.unwrap_err().to_string(), "the server answered 401 Unauthorized");
    let headers = [(AUTHORIZATION, "Bearer of the edge".parse().unwrap())].into_iter().collect();
    let (verifier, _) = ring.verifier(UrlSource::new(&root).unwrap().headers(headers), &Clock::new());
    assert_eq!(verify(&verifier, &ring.text(3), START).await, "verified fresh 1");

    server.with(|site| site.statuses.insert("/ring/moved".into(), 302));
    let moved = UrlSource::new(&format!("{url}/ring/moved")).unwrap();
    let (verifier, _) = ring.verifier(moved, &Clock::new());
    assert_eq!(verify(&verifier, &ring.text(3), START).await, "verified fresh 1");
}

#[tokio::test]
async fn what_is_no_good_answer_is_an_error() {
    let ring = Ring::new(40);
    let server = Server::default();
    server.put("/ring", &ring);
    let url = server.start().await;
    let source = UrlSource::new(&format!("{url}/ring/root")).unwrap();
    let (hash, part) = ring.parts.iter().next().unwrap();
    assert_eq!(source.part(hash).await.unwrap().unwrap(), part[..]);
    let nothing: PartHash = [1; 32];
    assert!(source.part(&nothing).await.unwrap().is_none(), "404 is: not there");
    for status in [204, 304, 400, 403, 500, 503] {
        server.with(|site| {
            site.statuses.insert("/ring/root".into(), status);
            site.statuses.insert(format!("/ring/parts/{}", hex(hash)), status);
        });
        let part = source.part(hash).await;
        let keyring = source.keyring(None).await;
        if status == 204 {
            assert!(keyring.unwrap().unwrap().bytes.is_empty() && part.unwrap().unwrap().is_empty());
        } else {
            assert!(keyring.is_err() && part.is_err(), "{status}");
        }
    }
    for url in ["ftp://example.com/root", "root", "file:///etc/passwd", ""] {
        assert!(UrlSource::new(url).is_err(), "{url}");
    }
    let (verifier, _) = ring.verifier(UrlSource::new("http://127.0.0.1:1/root").unwrap(), &Clock::new());
    let error = verifier.refresh().await.unwrap_err();
    assert!(matches!(*error, RefreshError::Source(_)), "{error:?}");
}
