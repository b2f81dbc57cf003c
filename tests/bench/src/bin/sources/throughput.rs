//! What verifying loses when the keyring is refreshed every second.
//!
//! Phases of a second with a refresh and without one take turns, and the figure is the median of the ratios of neighbours:
//! what disturbs the machine for longer than two seconds disturbs both.

use crate::{CLOCK, Published, node::Node};
use anyhow::{Context, Result, ensure};
use claviger::{Replacement, RequestContext, UrlSource, Verifier};
use claviger_bench::{
    figures::{Figure, median},
    rings::Revocation,
};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

const PAIRS: usize = 15;
const PHASE: Duration = Duration::from_secs(1);
const KEYS: usize = 1000;
/// Percent.
const LOSS: f64 = 10.0;
/// Enough for the parts of all these keys.
const CACHE: usize = 256 << 20;

/// Publishes one keyring after another: a key is revoked, and good again.
struct Changes<'p> {
    published: &'p Published,
    revocation: Revocation,
    root: Vec<u8>,
    epoch: u64,
}

impl<'p> Changes<'p> {
    /// Changes of a key from among those that are verified.
    fn of(published: &'p Published, key: usize) -> Result<Self> {
        let ring = &published.ring;
        Ok(Self { published, revocation: ring.revocation(key)?, root: ring.root.clone(), epoch: 1 })
    }

    fn publish(&mut self) -> Result<()> {
        self.epoch += 1;
        let revoked = self.epoch.is_multiple_of(2);
        let (root, chunk) = self.revocation.set(&self.published.ring, &self.root, self.epoch, revoked)?;
        self.root = root;
        self.published.site.publish(&self.root, chunk)
    }
}

/// The phases of a runtime: `phase` is told whether to refresh, and says how many verifications a second there were.
fn compare(
    published: &Published,
    runtime: &str,
    key: usize,
    mut phase: impl FnMut(bool) -> Result<f64>,
) -> Result<Figure> {
    let mut changes = Changes::of(published, key)?;
    published.site.take_sent();
    // The first ones are to fill caches.
    phase(false)?;
    changes.publish()?;
    phase(true)?;
    let (mut ratios, mut quiet) = (Vec::new(), Vec::new());
    for pair in 0..PAIRS {
        let mut figures = [0.0; 2];
        // By turns the one and the other first.
        for refresh in [pair % 2 == 0, pair % 2 != 0] {
            if refresh {
                changes.publish()?;
            }
            published.site.take_sent();
            let figure = phase(refresh)?;
            let sent = published.site.take_sent();
            ensure!(sent.requests.len() == if refresh { 2 } else { 0 }, "unexpected: {:?}", sent.requests);
            *figures.get_mut(usize::from(refresh)).context("two kinds of phases")? = figure;
        }
        let [without, with] = figures;
        quiet.push(without);
        ratios.push(with / without);
    }
    published.site.publish(&published.ring.root, [])?;
    median(&format!("{runtime}, verifications a second without refreshes"), "", quiet);
    let ratio = median(&format!("{runtime}, with a refresh every second, of that"), "", ratios);
    let name = format!("{runtime}, verifications lost to a refresh every second");
    Ok(Figure::new(published.named(&name), (1.0 - ratio) * 100.0, "%", Some(LOSS)))
}

pub(crate) async fn measure(published: &Published) -> Result<[Figure; 2]> {
    let numbers: Vec<usize> = published.ring.random(0, KEYS).collect();
    let keys = numbers.iter().map(|&number| published.ring.text(number)).collect::<Result<Vec<_>>>()?;
    let changed = numbers.first().copied().context("no keys")?;
    let rust = in_rust(published, &keys, changed).await?;
    let node = in_node(published, &keys, changed)?;
    Ok([rust, node])
}

/// One thread verifies; the refresh and the server have another.
async fn in_rust(published: &Published, keys: &[&str], changed: usize) -> Result<Figure> {
    let source = UrlSource::new(&published.site.url).map_err(anyhow::Error::from_boxed)?;
    let verifier = Verifier::builder([published.ring.key()]).source(source).cache_limit(CACHE);
    let verifier = verifier.clock(|| CLOCK).build()?;
    let context = RequestContext::at(CLOCK);
    for key in keys {
        ensure!(verifier.verify(key, &context).await.is_verified(), "a good key was denied");
    }
    let runtime = Handle::current();
    compare(published, "Rust", changed, |refresh| {
        let own = verifier.clone();
        let (started, mut verifications) = (Instant::now(), 0);
        let refreshed = refresh.then(|| runtime.spawn(async move { own.refresh().await }));
        let mut elapsed = Duration::ZERO;
        while elapsed < PHASE {
            let bad = keys.iter().filter(|key| !verifier.verify_key(key, &context).is_verified()).count();
            ensure!(bad <= 1, "{bad} good keys were denied");
            verifications += keys.len();
            elapsed = started.elapsed();
        }
        if let Some(refreshed) = refreshed {
            ensure!(refreshed.is_finished(), "a refresh took longer than a second");
            let replacement = tokio::task::block_in_place(|| runtime.block_on(refreshed))??;
            ensure!(replacement == Replacement::Replaced, "nothing was refreshed");
        }
        Ok(verifications as f64 / elapsed.as_secs_f64())
    })
}

/// One thread does everything but serving.
fn in_node(published: &Published, keys: &[&str], changed: usize) -> Result<Figure> {
    let mut node = Node::start()?;
    let answer = node.ask(&json!({"open": published.options(Some(CACHE)), "verify": keys, "now": CLOCK}))?;
    ensure!(answer.get("verified") == Some(&KEYS.into()), "a good key was denied: {answer}");
    compare(published, "Node", changed, |refresh| {
        let milliseconds = PHASE.as_millis() as u64;
        let spin = json!({"keys": keys, "milliseconds": milliseconds, "refresh": refresh, "now": CLOCK});
        let answer = node.ask(&json!({"spin": spin}))?;
        let expected = if refresh { "replaced".into() } else { Value::Null };
        ensure!(answer.get("refreshed") == Some(&expected), "not refreshed as it should be: {answer}");
        answer.get("perSecond").and_then(Value::as_f64).context("node says no figure")
    })
}
