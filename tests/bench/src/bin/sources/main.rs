//! Measures verifiers that get a keyring of a million keys over HTTP, in Rust, Node and workerd, and prints one JSON line a
//! result.
//!
//! The keyring is a folder as publishers write it, served by a real server on loopback in this process, which counts what
//! it sends.

mod cold;
mod node;
mod site;
mod throughput;
mod used;

use anyhow::{Context, Result};
use claviger_bench::{
    figures::Figure,
    rings::{NOW, Ring},
};
use serde_json::{Value, json};
use site::Site;
use std::{env, path::Path};

/// The time of every clock, in Unix seconds.
pub(crate) const CLOCK: u64 = NOW + 1;
const KEYS: usize = 1_000_000;

/// A ring, and where it is served.
pub(crate) struct Published {
    name: &'static str,
    pub(crate) ring: Ring,
    pub(crate) site: Site,
}

impl Published {
    async fn new(folder: &Path, name: &'static str, policies: usize) -> Result<Self> {
        eprintln!("building and publishing a keyring of a million keys, {name}");
        let ring = Ring::new(KEYS, policies, true)?;
        let site = Site::start(folder.join("published"), &ring).await?;
        Ok(Self { name, ring, site })
    }

    /// A name in the table.
    pub(crate) fn named(&self, what: &str) -> String {
        format!("{what}; {}", self.name)
    }

    pub(crate) fn keyring_key(&self) -> String {
        self.ring.key().to_text().expose().to_owned()
    }

    /// What a verifier in JavaScript is told, with its cache in bytes.
    pub(crate) fn options(&self, cache: Option<usize>) -> Value {
        let mut options = json!({"url": self.site.url, "keyringKeys": [self.keyring_key()]});
        if let (Some(bytes), Some(fields)) = (cache, options.as_object_mut()) {
            fields.insert("cacheBytes".into(), bytes.into());
        }
        options
    }

    async fn measure(&self) -> Result<Vec<Figure>> {
        let mut figures = cold::measure(self).await?;
        figures.extend(used::measure(self).await?);
        Ok(figures)
    }
}

#[tokio::main(worker_threads = 1)]
async fn main() -> Result<()> {
    let folder = env::args_os().nth(1).context("expected the folder for the keyrings")?;
    let folder = Path::new(&folder);
    let few = Published::new(folder, "10 policies", 10).await?;
    print(few.measure().await?);
    drop(few);
    let own = Published::new(folder, "one policy each", KEYS).await?;
    print(own.measure().await?);
    // The larger root and the more parts.
    print(throughput::measure(&own).await?);
    Ok(())
}

fn print(figures: impl IntoIterator<Item = Figure>) {
    for figure in figures {
        figure.print();
    }
}
