//! The highest epoch that was taken from files, remembered across restarts.

use super::SourceError;
use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

fn read(path: &Path) -> Result<u64, SourceError> {
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
        text => text?,
    };
    let digits = text.trim_end();
    digits.parse().map_err(|_| {
        format!("{} does not hold an epoch; remove it only if you know why", path.display()).into()
    })
}

/// A file that holds an epoch in decimal digits.
#[derive(Clone, Debug)]
pub(super) struct EpochFile(PathBuf);

impl EpochFile {
    pub(super) fn at(path: PathBuf) -> Self {
        Self(path)
    }

    /// The one beside `path`: the same name with `.epoch` behind it.
    pub(super) fn beside(path: &Path) -> Self {
        let mut name = path.as_os_str().to_owned();
        name.push(".epoch");
        Self(name.into())
    }

    pub(super) async fn read(&self) -> Result<u64, SourceError> {
        let path = self.0.clone();
        tokio::task::spawn_blocking(move || read(&path)).await?
    }

    /// Whoever reads it sees the epoch before or this one, also after a loss of power. A higher one, which another
    /// process took from the same files, stays.
    pub(super) async fn write(&self, epoch: u64) -> Result<(), SourceError> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let mut name = self.0.as_os_str().to_owned();
        name.push(format!(".{}.{}", std::process::id(), NUMBER.fetch_add(1, Relaxed)));
        let (path, temporary) = (self.0.clone(), PathBuf::from(name));
        let written = tokio::task::spawn_blocking(move || {
            if read(&path).is_ok_and(|present| present >= epoch) {
                return Ok(());
            }
            let written = (|| {
                use std::io::Write;
                let mut file = std::fs::File::create(&temporary)?;
                file.write_all(format!("{epoch}\n").as_bytes())?;
                file.sync_all()?;
                std::fs::rename(&temporary, &path)
            })();
            if written.is_err() {
                let _ = std::fs::remove_file(&temporary);
            }
            written
        });
        Ok(written.await??)
    }
}
