//! A destination that remembers every root that was ever put, and every part.

use async_trait::async_trait;
use claviger_sdk::{Destination, DestinationError, Directory, NewRoot, PartHash, StoredRoot};
use sha2::{Digest, Sha256};
use std::{
    collections::{HashMap, HashSet},
    fmt::Write,
    fs,
    path::PathBuf,
    sync::{Arc, Mutex},
};

/// A folder whose history is kept. Clones are the same destination.
#[derive(Clone)]
pub(crate) struct Recorder {
    inner: Directory,
    /// Held while a root is put, so that they are noted in the order in which they could be seen.
    history: Arc<tokio::sync::Mutex<Vec<StoredRoot>>>,
    parts: Arc<Mutex<HashMap<PartHash, Vec<u8>>>>,
    /// What a test has damaged itself, and was not put since.
    lost: Arc<Mutex<HashSet<PartHash>>>,
    wrongs: Arc<Mutex<Vec<String>>>,
    _folder: Arc<tempfile::TempDir>,
}

impl Recorder {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let inner = Directory::new(folder.path().join("ring"));
        let (history, parts, lost, wrongs) = <_>::default();
        Self { inner, history, parts, lost, wrongs, _folder: Arc::new(folder) }
    }

    pub(crate) fn directory(&self) -> &Directory {
        &self.inner
    }

    /// Every root that was put, in order.
    pub(crate) async fn history(&self) -> Vec<StoredRoot> {
        self.history.lock().await.clone()
    }

    /// A part that was put at any time.
    pub(crate) fn archived(&self, hash: &PartHash) -> Vec<u8> {
        self.parts.lock().unwrap().get(hash).cloned().expect("a root names parts that were put")
    }

    /// The file of a part.
    pub(crate) fn part_path(&self, hash: &PartHash) -> PathBuf {
        let mut name = String::new();
        hash.iter().for_each(|byte| write!(name, "{byte:02x}").unwrap());
        self.inner.path().join("parts").join(name)
    }

    /// Makes the folder what it was when this root was the present one.
    pub(crate) fn put_back(&self, root: &StoredRoot) {
        for hash in claviger_core::root_part_hashes(&root.bytes).unwrap() {
            if hash != [0; 32] {
                fs::write(self.part_path(&hash), self.archived(&hash)).unwrap();
            }
        }
        fs::write(self.inner.path().join("root"), &root.bytes).unwrap();
    }

    /// From now on roots may be put without this part, until it is put again.
    pub(crate) fn lose(&self, hash: PartHash) {
        self.lost.lock().unwrap().insert(hash);
    }

    /// The root that is there.
    pub(crate) async fn present(&self) -> StoredRoot {
        self.inner.root().await.unwrap().expect("one was put")
    }

    /// Keeps the parts that the present root names, whoever has put them.
    pub(crate) async fn archive(&self) {
        for hash in claviger_core::root_part_hashes(&self.present().await.bytes).unwrap() {
            if hash != [0; 32] {
                let part = self.inner.part(&hash).await.unwrap().expect("a root is put after its parts");
                self.parts.lock().unwrap().insert(hash, part);
            }
        }
    }

    /// What must never happen and has.
    pub(crate) fn wrongs(&self) -> Vec<String> {
        self.wrongs.lock().unwrap().clone()
    }

    fn wrong(&self, what: String) {
        self.wrongs.lock().unwrap().push(what);
    }

    async fn record(self, root: NewRoot) -> Result<(), DestinationError> {
        let mut history = self.history.lock().await;
        let parts = root.parts.clone();
        self.inner.put_root(root).await?;
        history.push(self.inner.root().await?.expect("it was put just now"));
        for hash in parts.iter().filter(|hash| **hash != [0; 32]) {
            let part = self.inner.part(hash).await?;
            let lost = self.lost.lock().unwrap().contains(hash);
            if !lost && part.is_none_or(|part| Sha256::digest(part)[..] != hash[..]) {
                self.wrong(format!("root {} was put before one of its parts", history.len()));
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Destination for Recorder {
    async fn root(&self) -> Result<Option<StoredRoot>, DestinationError> {
        self.inner.root().await
    }

    async fn part(&self, hash: &PartHash) -> Result<Option<Vec<u8>>, DestinationError> {
        self.inner.part(hash).await
    }

    async fn put_part(&self, hash: &PartHash, bytes: Vec<u8>) -> Result<(), DestinationError> {
        self.parts.lock().unwrap().insert(*hash, bytes.clone());
        self.inner.put_part(hash, bytes).await?;
        self.lost.lock().unwrap().remove(hash);
        Ok(())
    }

    async fn put_root(&self, root: NewRoot) -> Result<(), DestinationError> {
        // What the folder began it ends, whoever still waits: so does what is noted of it.
        tokio::spawn(self.clone().record(root)).await.map_err(DestinationError::failed)?
    }

    async fn delete_part(&self, hash: &PartHash) -> Result<(), DestinationError> {
        let history = self.history.lock().await;
        let named = history.last().map(|root| claviger_core::root_part_hashes(&root.bytes).unwrap());
        if named.is_some_and(|named| named.contains(hash)) {
            self.wrong(format!("a part of root {} was removed while it was the present one", history.len()));
        }
        self.inner.delete_part(hash).await
    }
}
