//! A published ring: a folder, a real HTTP server over it, and what that sends.

use anyhow::{Context, Result};
use claviger::hex;
use claviger_bench::rings::Ring;
use claviger_core::KeyringPart;
use http_body_util::Full;
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{ETAG, HeaderValue, IF_NONE_MATCH},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use std::{
    convert::Infallible,
    fs, io,
    path::{Path, PathBuf},
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    task::{self, Poll},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
};

/// A folder that is served for as long as this lives, and then removed.
pub(crate) struct Site {
    folder: PathBuf,
    sent: Arc<Sent>,
    /// Where the root is.
    pub(crate) url: String,
}

/// What a server has sent.
#[derive(Default)]
struct Sent {
    bytes: AtomicU64,
    requests: Mutex<Vec<(String, StatusCode)>>,
}

/// What was sent since the last time.
pub(crate) struct Transfer {
    /// Everything that was written to connections: bodies, and what precedes them.
    pub(crate) bytes: u64,
    /// What was asked for, and the status of the answer.
    pub(crate) requests: Vec<(String, StatusCode)>,
}

impl Transfer {
    pub(crate) fn kilobytes(&self) -> f64 {
        self.bytes as f64 / 1000.0
    }

    /// How many answers brought a part, and how many the root.
    pub(crate) fn parts_and_roots(&self) -> (usize, usize) {
        let parts = self.requests.iter().filter(|(path, _)| path.starts_with("/parts/")).count();
        (parts, self.requests.len() - parts)
    }
}

impl Site {
    /// Writes a ring into a folder of its own, and serves it on loopback.
    pub(crate) async fn start(folder: PathBuf, ring: &Ring) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("http://{}/root", listener.local_addr()?);
        let site = Self { folder, sent: Arc::default(), url };
        fs::create_dir_all(site.folder.join("parts"))?;
        for (hash, bytes) in &ring.parts {
            fs::write(site.folder.join("parts").join(hex(hash)), bytes)?;
        }
        site.publish(&ring.root, [])?;
        let (folder, sent) = (site.folder.clone(), Arc::clone(&site.sent));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (folder, sent) = (folder.clone(), Arc::clone(&sent));
                let stream = Counted { stream, sent: Arc::clone(&sent) };
                let service = service_fn(move |request| answer(folder.clone(), Arc::clone(&sent), request));
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Ok(site)
    }

    /// Publishes these parts, and then this root in the place of the one before.
    pub(crate) fn publish(&self, root: &[u8], parts: impl IntoIterator<Item = KeyringPart>) -> Result<()> {
        for part in parts {
            fs::write(self.folder.join("parts").join(hex(&part.hash)), part.bytes)?;
        }
        let next = self.folder.join("root.next");
        fs::write(&next, root)?;
        Ok(fs::rename(next, self.folder.join("root"))?)
    }

    pub(crate) fn take_sent(&self) -> Transfer {
        let mut requests = self.sent.requests.lock().unwrap_or_else(PoisonError::into_inner);
        Transfer { bytes: self.sent.bytes.swap(0, SeqCst), requests: std::mem::take(&mut *requests) }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // What is left of it is replaced the next time.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

async fn answer(
    folder: PathBuf,
    sent: Arc<Sent>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let response = read(&folder, &request).await.unwrap_or_else(|_| {
        let mut response = Response::new(Full::default());
        *response.status_mut() = StatusCode::NOT_FOUND;
        response
    });
    let mut requests = sent.requests.lock().unwrap_or_else(PoisonError::into_inner);
    requests.push((request.uri().path().to_owned(), response.status()));
    Ok(response)
}

async fn read(folder: &Path, request: &Request<Incoming>) -> Result<Response<Full<Bytes>>> {
    let name = request.uri().path().trim_start_matches('/');
    let bytes = tokio::fs::read(folder.join(name)).await?;
    // A root ends with its MAC, and a part is named by its hash, so the end tells files of a name apart.
    let end = bytes.last_chunk::<16>().context("a file that is too short")?;
    let tag = HeaderValue::try_from(format!("\"{}\"", hex(end)))?;
    let mut response = Response::new(Full::default());
    if request.headers().get(IF_NONE_MATCH) == Some(&tag) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    } else {
        *response.body_mut() = Full::new(bytes.into());
    }
    response.headers_mut().insert(ETAG, tag);
    Ok(response)
}

/// A connection whose answers are counted.
struct Counted {
    stream: TcpStream,
    sent: Arc<Sent>,
}

impl Counted {
    fn count(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(bytes)) = &written {
            self.sent.bytes.fetch_add(*bytes as u64, SeqCst);
        }
        written
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut task::Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut task::Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.count(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut task::Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.count(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
