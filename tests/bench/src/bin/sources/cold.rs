//! From nothing to the first verdict.

use crate::{CLOCK, Published, node};
use anyhow::{Result, ensure};
use claviger::{RequestContext, UrlSource, Verifier};
use claviger_bench::figures::{Figure, median};
use std::time::Instant;

const ROUNDS: usize = 11;
/// A root, a page and a chunk.
const REQUESTS: usize = 3;

pub(crate) async fn measure(published: &Published) -> Result<Vec<Figure>> {
    let (mut rust, mut node) = (Vec::new(), Vec::new());
    let (mut rust_sent, mut node_sent) = (0.0, 0.0);
    let mut most = 0;
    published.site.take_sent();
    for number in published.ring.random(1000, ROUNDS) {
        let key = published.ring.text(number)?;
        rust.push(start(published, key).await?);
        (rust_sent, most) = sent(published, rust_sent, most)?;
        node.push(node::cold(&published.site.url, &published.keyring_key(), key)?);
        (node_sent, most) = sent(published, node_sent, most)?;
    }
    let mut figures = Vec::new();
    for (runtime, times, sent) in [("Rust", rust, rust_sent), ("Node", node, node_sent)] {
        let name = published.named(&format!("{runtime}, cold start to the first verdict"));
        let milliseconds = median(&name, "ms", times);
        figures.push(Figure::time(name, milliseconds, None));
        figures.push(Figure::new(published.named(&format!("{runtime}, sent for that")), sent, "KB", None));
    }
    let name = published.named("requests for that, at most: root, page and chunk");
    figures.push(Figure::new(name, most as f64, "", Some(REQUESTS as f64)));
    Ok(figures)
}

/// Makes a verifier and verifies one key with it; the milliseconds that it took.
async fn start(published: &Published, key: &str) -> Result<f64> {
    let keyring_key = published.ring.key();
    let started = Instant::now();
    let source = UrlSource::new(&published.site.url).map_err(anyhow::Error::from_boxed)?;
    let verifier = Verifier::builder([keyring_key]).source(source).clock(|| CLOCK).build()?;
    let verdict = verifier.verify(key, &RequestContext::at(CLOCK)).await;
    let milliseconds = started.elapsed().as_secs_f64() * 1000.0;
    ensure!(verdict.is_verified(), "a good key was denied: {verdict:?}");
    Ok(milliseconds)
}

/// The most kilobytes and requests, with those that were sent now.
fn sent(published: &Published, kilobytes: f64, requests: usize) -> Result<(f64, usize)> {
    let sent = published.site.take_sent();
    let (parts, roots) = sent.parts_and_roots();
    ensure!(parts <= 2 && roots <= 1, "more was fetched than a verdict needs: {:?}", sent.requests);
    Ok((kilobytes.max(sent.kilobytes()), requests.max(sent.requests.len())))
}
