//! The highest epoch that was taken from files, remembered across restarts.

use super::SourceError;
use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
};
use tokio::fs;

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
        let text = match fs::read_to_string(&self.0).await {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
            text => text?,
        };
        let digits = text.trim_end();
        digits.parse().map_err(|_| {
            let path = self.0.display();
            format!("{path} does not hold an epoch; remove it only if you know why").into()
        })
    }

    /// Whoever reads it sees the epoch before or this one, also after a loss of power.
    pub(super) async fn write(&self, epoch: u64) -> Result<(), SourceError> {
        let mut name = self.0.as_os_str().to_owned();
        name.push(format!(".{}", std::process::id()));
        let (path, temporary) = (self.0.clone(), PathBuf::from(name));
        let written = tokio::task::spawn_blocking(move || {
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
