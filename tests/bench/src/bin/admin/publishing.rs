//! Publishing the million keys to a folder: all of them, and after one of them was revoked.

use crate::{Copy, company::Company, median, only_tenant};
use anyhow::{Context, Result, ensure};
use claviger_bench::{
    figures::Figure,
    memory::{forget_peak, peak},
};
use claviger_sdk::{Actor, Audience, Directory, NewRing, Published, Publisher, RevocationReason};
use std::{fs, path::PathBuf, time::Instant};

const WHOLE: usize = 3;
const REVOCATIONS: usize = 25;

/// A folder that is removed again.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left of it is replaced the next time.
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(crate) async fn measure(company: &Company) -> Result<Vec<Figure>> {
    let copy = Copy::of(company, "admin-published.db")?;
    let store = copy.open(company).await?;
    let operator = store.acting_as(Actor::operator("bench"));
    let ring = operator.rings().create(NewRing::new("bench", Audience::Everyone)).await?.id;
    let folder = Folder(company.path().with_file_name("admin-published"));
    let publisher = Publisher::new(&store, ring, Directory::new(&folder.0));

    let (mut times, mut growth) = (Vec::new(), Vec::new());
    let mut whole = None;
    for _ in 0..WHOLE {
        let before = forget_peak();
        let (milliseconds, published) = publish(&publisher, true).await?;
        times.push(milliseconds);
        growth.extend(before.and_then(|before| Some(peak()?.saturating_sub(before) as f64 / 1e6)));
        whole = Some(published);
    }
    let whole = whole.context("nothing was published")?;
    eprintln!("the whole keyring: {} parts, {} bytes", whole.parts, whole.bytes);
    let name = "publish everything: a whole keyring, to a folder";
    let mut figures = vec![Figure::time(name, median(name, times), Some(10_000.0))];
    if !growth.is_empty() {
        let name = "how much memory that takes at most";
        figures.push(Figure::new(name, claviger_bench::figures::median(name, "MB", growth), "MB", None));
    }

    let session = operator.in_tenant(only_tenant(&store).await?.id);
    let keys = session.keys().list().limit(u16::try_from(REVOCATIONS)?).await?.records;
    let (mut times, mut ending, mut bytes) = (Vec::new(), Vec::new(), 0);
    for (number, key) in keys.iter().enumerate() {
        // By turns the operation with its publication, and the publication alone.
        let attached = number % 2 == 0;
        if attached {
            store.attach(&publisher);
        }
        let started = Instant::now();
        let ended = session.keys().expire_now(key.id, RevocationReason::Unused, &key.name).await?;
        if attached {
            ending.push(started.elapsed().as_secs_f64() * 1000.0);
            ensure!(ended.publications.all_published(), "{:?}", ended.publications);
            store.detach(ring);
        } else {
            let (milliseconds, published) = publish(&publisher, false).await?;
            times.push(milliseconds);
            bytes = published.bytes.max(bytes);
        }
    }
    let name = "publish after one revocation";
    figures.push(Figure::time(name, median(name, times), Some(100.0)));
    let name = "revoke one key, published when the operation returns";
    figures.push(Figure::time(name, median(name, ending), None));
    let name = "what is written then: chunk and root";
    figures.push(Figure::new(name, bytes as f64 / 1000.0, "KB", Some(320.0)));
    store.close().await;
    Ok(figures)
}

async fn publish(publisher: &Publisher, whole: bool) -> Result<(f64, Published)> {
    let started = Instant::now();
    let published = if whole { publisher.publish_whole().await? } else { publisher.publish().await? };
    ensure!(published.whole == whole, "{published:?}");
    Ok((started.elapsed().as_secs_f64() * 1000.0, published))
}
