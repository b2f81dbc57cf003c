//! Published keyrings in folders, and a server that gives them out on loopback: to verifiers with a URL, and to workerd as
//! the service behind a KV namespace.

use anyhow::{Context, Result};
use claviger_core::{BundleHead, bundle_head_len, root_part_hashes};
use http_body_util::Full;
use hyper::{
    Response, StatusCode, body::Bytes, header::ETAG, header::IF_NONE_MATCH, server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use sha2::{Digest, Sha256};
use std::{
    convert::Infallible,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};
use tokio::{net::TcpListener, runtime::Builder, sync::oneshot};

/// Serves a folder until it is dropped.
pub struct RingServer {
    folder: PathBuf,
    port: u16,
    /// Dropped, it ends the server.
    _end: oneshot::Sender<()>,
}

impl RingServer {
    /// Serves what is in `folder`, also what comes later.
    ///
    /// # Errors
    /// If there is no free port on loopback.
    pub fn start(folder: &Path) -> Result<Self> {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).context("no free port on loopback")?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let (end, ended) = oneshot::channel::<()>();
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let served: Arc<Path> = folder.into();
        thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    served = serve(listener, served) => served,
                    _ = ended => Ok(()),
                }
            })
        });
        Ok(Self { folder: folder.into(), port, _end: end })
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where the root of each ring is.
    #[must_use]
    pub fn urls(&self) -> RingUrls {
        RingUrls { port: self.port }
    }

    /// The folder that is served.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Puts a keyring there as publishers do: of a bundle its parts, then its root; of a root alone the root.
    ///
    /// # Errors
    /// If it is no keyring, or cannot be written.
    pub fn put(&self, ring: &str, keyring: &[u8]) -> Result<()> {
        let folder = self.folder.join(ring);
        fs::create_dir_all(folder.join("parts"))?;
        let len = keyring.len() as u64;
        let mut root = keyring;
        if let Ok(head_len) = bundle_head_len(keyring, len) {
            let head = BundleHead::read(keyring.get(..head_len).context("no head")?, len)?;
            root = head.root();
            for number in 0..root_part_hashes(root)?.len() {
                let range = head.part(number).context("a part without a place")?;
                let range = usize::try_from(range.start)?..usize::try_from(range.end)?;
                let part = keyring.get(range).context("a part beyond the end")?;
                if !part.is_empty() {
                    fs::write(folder.join("parts").join(claviger::hex(&Sha256::digest(part))), part)?;
                }
            }
        }
        fs::write(folder.join("root.new"), root)?;
        Ok(fs::rename(folder.join("root.new"), folder.join("root"))?)
    }
}

/// Where the rings of a server are.
#[derive(Clone, Copy)]
pub struct RingUrls {
    port: u16,
}

impl RingUrls {
    /// Where the root of a ring is.
    #[must_use]
    pub fn root(self, ring: &str) -> String {
        format!("http://127.0.0.1:{}/{ring}/root", self.port)
    }
}

async fn serve(listener: std::net::TcpListener, folder: Arc<Path>) -> std::io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        let folder = Arc::clone(&folder);
        let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
            let known = request.headers().get(IF_NONE_MATCH).and_then(|tag| tag.to_str().ok());
            let response = answer(&folder, request.uri().path(), known);
            async move { Ok::<_, Infallible>(response) }
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

/// A KV namespace is asked for names as one part of a path, whose slashes are `%2F`.
fn answer(folder: &Path, path: &str, known: Option<&str>) -> Response<Full<Bytes>> {
    let name = path.trim_start_matches('/').replace("%2F", "/").replace("%2f", "/");
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-_".contains(&byte));
    let bytes = if plain { fs::read(folder.join(name)).ok() } else { None };
    let mut response = Response::new(Full::default());
    let Some(bytes) = bytes else {
        *response.status_mut() = StatusCode::NOT_FOUND;
        return response;
    };
    let tag = format!("\"{}\"", claviger::hex(&Sha256::digest(&bytes)));
    if known == Some(&tag) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return response;
    }
    if let Ok(tag) = tag.parse() {
        response.headers_mut().insert(ETAG, tag);
    }
    *response.body_mut() = Full::new(bytes.into());
    response
}
