//! Verifiers that have verified ten thousand keys of the million: what memory they take, and what they fetch when a key is
//! revoked.

use crate::{CLOCK, Published, node::Node};
use anyhow::{Context, Result, ensure};
use claviger::{Replacement, RequestContext, UrlSource, Verifier};
use claviger_bench::{
    figures::Figure,
    memory::{forget_peak, resident},
};
use claviger_parity::faces::{Workerd, consumer};
use serde_json::{Value, json};
use std::process::Command;

const KEYS: usize = 10_000;
/// How many keys are presented in a request to a Worker.
const BATCH: usize = 500;
/// Megabytes.
const MEMORY: f64 = 32.0;
/// Kilobytes.
const REFRESH: f64 = 320.0;

pub(crate) async fn measure(published: &Published) -> Result<Vec<Figure>> {
    let numbers: Vec<usize> = published.ring.random(0, KEYS).collect();
    let keys = numbers.iter().map(|&number| published.ring.text(number)).collect::<Result<Vec<_>>>()?;
    let mut figures = worker_memory(published, &keys)?;
    let mut node = Node::start()?;
    figures.extend(node_memory(published, &mut node, &keys)?);
    let verifier = rust(published, &keys).await?;
    // The key that was verified last is one whose parts are in use.
    let last = numbers.last().copied().context("no keys")?;
    let (root, parts) = published.ring.revocation(last)?.build(&published.ring)?;
    published.site.publish(&root, parts)?;

    published.site.take_sent();
    let replaced = verifier.refresh().await? == Replacement::Replaced;
    figures.push(refreshed(published, "Rust", replaced)?);
    let answer = node.ask(&json!({"refresh": true, "now": CLOCK}))?;
    figures.push(refreshed(published, "Node", answer.get("refreshed") == Some(&"replaced".into()))?);
    published.site.publish(&published.ring.root, [])?;
    Ok(figures)
}

/// What a refresh has brought.
fn refreshed(published: &Published, runtime: &str, replaced: bool) -> Result<Figure> {
    let sent = published.site.take_sent();
    eprintln!("{runtime}, a refresh after a revocation: {} requests", sent.requests.len());
    ensure!(replaced, "{runtime} did not replace its keyring");
    ensure!(sent.parts_and_roots() == (2, 1), "not root, chunk and page: {:?}", sent.requests);
    let name = format!("{runtime}, sent for a refresh after a revocation: root, chunk and page");
    Ok(Figure::new(published.named(&name), sent.kilobytes(), "KB", Some(REFRESH)))
}

/// How much a Worker takes, by its inspector, and how much larger workerd gets than it is with a Worker that has been asked
/// nothing yet.
fn worker_memory(published: &Published, keys: &[&str]) -> Result<Vec<Figure>> {
    let (worker, inspector) = Workerd::start_inspected("bench-worker", ("UNUSED", ""))?;
    let ask = |request: Value| -> Result<Value> { Ok(serde_json::from_str(&worker.ask(&request)?)?) };
    let heap = || -> Result<(f64, f64)> {
        // WebSocket is behind a flag in Node 20.
        let mut node = Command::new("node");
        node.current_dir(consumer()?.join("bench")).args(["--experimental-websocket", "heap.mjs"]);
        let output = node.arg(inspector.to_string()).output().context("cannot start node")?;
        let usage: Value = serde_json::from_slice(&output.stdout).context("the inspector does not answer")?;
        let bytes = |name| usage.get(name).and_then(Value::as_f64).unwrap_or(f64::NAN) / 1e6;
        Ok((bytes("heap"), bytes("buffers")))
    };
    for _ in 0..3 {
        ask(json!({}))?;
    }
    let (first, _) = keys.split_first().context("no keys")?;
    let empty = resident(worker.process_id());
    ask(json!({"open": published.options(None), "verify": [first], "now": CLOCK}))?;
    let (mut most, mut resident_most) = (0.0_f64, None);
    for batch in keys.chunks(BATCH) {
        let answer = ask(json!({"verify": batch, "now": CLOCK}))?;
        all_verified(&answer, batch.len())?;
        let (heap, buffers) = heap()?;
        most = most.max(heap + buffers);
        resident_most = resident_most.max(resident(worker.process_id()));
        eprintln!("workerd: heap {heap:.1} MB, buffers and WebAssembly {buffers:.1} MB");
    }
    let answer = ask(json!({"collect": true, "now": CLOCK}))?;
    let web_assembly = answer.get("webAssembly").and_then(Value::as_f64).unwrap_or(f64::NAN) / 1e6;
    let (heap, buffers) = heap()?;
    eprintln!(
        "workerd, collected: heap {heap:.1} MB, buffers {buffers:.1} MB, WebAssembly {web_assembly:.1} MB"
    );
    let name = published
        .named("memory of a Worker that has verified 10,000 random keys: heap, buffers, WebAssembly");
    let mut figures = vec![Figure::new(name, heap + buffers + web_assembly, "MB", Some(MEMORY))];
    let name = published.named("heap and buffers meanwhile, with garbage, at most");
    figures.push(Figure::new(name, most, "MB", None));
    if let (Some(empty), Some(most)) = (empty, resident_most) {
        let name = published.named("the process of workerd meanwhile, beyond an empty Worker, at most");
        figures.push(Figure::new(name, most.saturating_sub(empty) as f64 / 1e6, "MB", None));
    }
    Ok(figures)
}

fn node_memory(published: &Published, node: &mut Node, keys: &[&str]) -> Result<[Figure; 2]> {
    let empty = node.memory()?;
    node.ask(&json!({"open": published.options(None)}))?;
    for batch in keys.chunks(BATCH) {
        let answer = node.ask(&json!({"verify": batch, "now": CLOCK}))?;
        all_verified(&answer, batch.len())?;
    }
    let used = node.memory()?;
    let grown = |what: &str| {
        let bytes = |memory: &Value| memory.get(what).and_then(Value::as_f64).unwrap_or(f64::NAN);
        (bytes(&used) - bytes(&empty)) / 1e6
    };
    let [rss, heap, external, buffers] = ["rss", "heapUsed", "external", "arrayBuffers"].map(grown);
    eprintln!(
        "Node: rss +{rss:.1}, heap +{heap:.1}, external +{external:.1} MB, of that buffers +{buffers:.1}"
    );
    let name = published.named("the same in Node, heap and what it holds, garbage collected");
    let whole = published.named("the same in Node, the process");
    Ok([Figure::new(name, heap + external, "MB", Some(MEMORY)), Figure::new(whole, rss, "MB", None)])
}

async fn rust(published: &Published, keys: &[&str]) -> Result<Verifier> {
    let before = forget_peak();
    let source = UrlSource::new(&published.site.url).map_err(anyhow::Error::from_boxed)?;
    let verifier = Verifier::builder([published.ring.key()]).source(source).clock(|| CLOCK).build()?;
    let context = RequestContext::at(CLOCK);
    for key in keys {
        let verdict = verifier.verify(key, &context).await;
        ensure!(verdict.is_verified(), "a good key was denied: {verdict:?}");
    }
    let after = resident(std::process::id());
    if let (Some(before), Some(after)) = (before, after) {
        eprintln!("Rust, with its server: +{:.1} MB", after.saturating_sub(before) as f64 / 1e6);
    }
    Ok(verifier)
}

fn all_verified(answer: &Value, keys: usize) -> Result<()> {
    ensure!(answer.get("verified") == Some(&keys.into()), "of {keys} good keys: {answer}");
    Ok(())
}
