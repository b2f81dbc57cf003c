//! A source that does everything wrong that a source can do, and counts what it is asked for.

use crate::ring::Ring;
use bytes::Bytes;
use claviger::{FetchedKeyring, KeyringSource, PartHash, SourceError, async_trait};
use std::{
    collections::HashMap,
    future::pending,
    sync::{Arc, Mutex},
    time::Duration,
};

/// What is wrong with what the source gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// Everything is cut off in the middle.
    Truncates,
    /// A bit of everything is another one.
    Flips,
    /// The root is this one.
    Replays(Vec<u8>),
    /// The root is of another ring.
    Mixes(Vec<u8>),
    /// Every answer takes so long.
    Slow(Duration),
    /// There is never an answer.
    Hangs,
    /// Every answer is an error.
    Fails,
    /// No part is there that came after the fault.
    PartsAreLate,
}

/// What is behind a source: it can be changed while that is in use.
pub(crate) struct Store {
    pub(crate) root: Vec<u8>,
    pub(crate) parts: HashMap<PartHash, Vec<u8>>,
    pub(crate) fault: Fault,
    /// In place of the tag that tells roots apart.
    pub(crate) tag: Option<String>,
    /// The parts that are there although parts are late.
    early: Vec<PartHash>,
    pub(crate) asked_roots: usize,
    pub(crate) asked_parts: usize,
    pub(crate) bytes: usize,
}

#[derive(Clone)]
pub(crate) struct Faulty(Arc<Mutex<Store>>);

impl Faulty {
    pub(crate) fn of(ring: &Ring) -> Self {
        Self(Arc::new(Mutex::new(Store {
            root: ring.root.clone(),
            parts: ring.parts.clone(),
            fault: Fault::None,
            tag: None,
            early: Vec::new(),
            asked_roots: 0,
            asked_parts: 0,
            bytes: 0,
        })))
    }

    pub(crate) fn with<T>(&self, call: impl FnOnce(&mut Store) -> T) -> T {
        call(&mut self.0.lock().unwrap())
    }

    /// Gives what the ring has published.
    pub(crate) fn put(&self, ring: &Ring) {
        self.with(|store| (store.root, store.parts) = (ring.root.clone(), ring.parts.clone()));
    }

    pub(crate) fn break_by(&self, fault: Fault) {
        self.with(|store| {
            store.early = store.parts.keys().copied().collect();
            store.fault = fault;
        });
    }

    async fn answer(&self, bytes: Option<Vec<u8>>) -> Result<Option<Vec<u8>>, SourceError> {
        let fault = self.with(|store| store.fault.clone());
        let changed = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = bytes.clone();
            bytes.iter_mut().for_each(change);
            bytes
        };
        Ok(match fault {
            Fault::Truncates => changed(&|bytes| bytes.truncate(bytes.len() / 2)),
            Fault::Flips => changed(&|bytes| {
                let middle = bytes.len() / 2;
                bytes[middle] ^= 4;
            }),
            Fault::Slow(pause) => {
                tokio::time::sleep(pause).await;
                bytes
            }
            Fault::Hangs => pending().await,
            Fault::Fails => return Err("500 Internal Server Error".into()),
            _ => bytes,
        })
    }
}

#[async_trait]
impl KeyringSource for Faulty {
    async fn keyring(&self, known: Option<&str>) -> Result<Option<FetchedKeyring>, SourceError> {
        let root = self.with(|store| {
            store.asked_roots += 1;
            match &store.fault {
                Fault::Replays(root) | Fault::Mixes(root) => root.clone(),
                _ => store.root.clone(),
            }
        });
        let tag = self.with(|store| store.tag.clone());
        let tag = tag.unwrap_or_else(|| format!("{:02x?}", &root[root.len() - 32..]));
        let Some(root) = self.answer(Some(root)).await? else { return Ok(None) };
        if known == Some(&tag)
            && !matches!(self.with(|store| store.fault.clone()), Fault::Truncates | Fault::Flips)
        {
            return Ok(None);
        }
        self.with(|store| store.bytes += root.len());
        Ok(Some(FetchedKeyring::new(root).tag(tag)))
    }

    async fn part(&self, hash: &PartHash) -> Result<Option<Bytes>, SourceError> {
        let part = self.with(|store| {
            store.asked_parts += 1;
            let late = store.fault == Fault::PartsAreLate && !store.early.contains(hash);
            store.parts.get(hash).filter(|_| !late).cloned()
        });
        let part = self.answer(part).await?;
        self.with(|store| store.bytes += part.as_ref().map_or(0, Vec::len));
        Ok(part.map(Bytes::from))
    }
}
