//! A folder as publishers write it: `root`, and each part in `parts` under its hash.

use super::{
    FetchedKeyring, KeyringSource, MAX_PART_LEN, SourceError,
    epoch_file::EpochFile,
    file::{read_all, tag},
};
use crate::hex;
use async_trait::async_trait;
use bytes::Bytes;
use claviger_core::{MAX_ROOT_LEN, PartHash};
use std::{fs::File, io::ErrorKind, path::PathBuf, time::Duration};

/// A folder with a root and its parts, which is looked at every second.
///
/// The highest epoch that was taken is remembered in the file `root.epoch` in it.
#[derive(Clone, Debug)]
pub struct DirectorySource {
    path: PathBuf,
    epoch: EpochFile,
}

impl DirectorySource {
    /// The keyring in this folder.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self { epoch: EpochFile::beside(&path.join("root")), path }
    }

    /// Remembers the highest epoch in this file: where the folder cannot be written to, say.
    #[must_use]
    pub fn remember_epoch_in(mut self, path: impl Into<PathBuf>) -> Self {
        self.epoch = EpochFile::at(path.into());
        self
    }
}

#[async_trait]
impl KeyringSource for DirectorySource {
    async fn keyring(&self, known: Option<&str>) -> Result<Option<FetchedKeyring>, SourceError> {
        let (path, known) = (self.path.join("root"), known.map(str::to_owned));
        let read = move || {
            let mut file = File::open(path)?;
            let tag = tag(&file.metadata()?);
            if known.as_ref() == Some(&tag) {
                return Ok(None);
            }
            let bytes = read_all(&mut file, MAX_ROOT_LEN as u64)?;
            Ok(Some(FetchedKeyring::new(bytes).tag(tag)))
        };
        tokio::task::spawn_blocking(read).await?
    }

    async fn part(&self, hash: &PartHash) -> Result<Option<Bytes>, SourceError> {
        let path = self.path.join("parts").join(hex(hash));
        let read = move || match File::open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            file => Ok(Some(read_all(&mut file?, MAX_PART_LEN)?.into())),
        };
        tokio::task::spawn_blocking(read).await?
    }

    fn interval(&self) -> Option<Duration> {
        Some(Duration::from_secs(1))
    }

    async fn remembered_epoch(&self) -> Result<u64, SourceError> {
        self.epoch.read().await
    }

    async fn remember_epoch(&self, epoch: u64) -> Result<(), SourceError> {
        self.epoch.write(epoch).await
    }
}
