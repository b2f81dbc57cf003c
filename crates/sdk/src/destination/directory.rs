//! A folder of files as a destination.

use super::{
    Destination, DestinationError, NewRoot, PartHash, StoredRoot,
    files::{self, Lock, Sync, blocking, failed},
};
use crate::hex;
use async_trait::async_trait;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// A folder that a keyring is published to, from which it can be served as it is: by a web server, or copied to
/// wherever verifiers fetch from.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use claviger_sdk::{Destination, Directory};
///
/// # let folder = tempfile::tempdir()?;
/// let destination = Directory::new(folder.path().join("keyring"));
/// assert_eq!(destination.root().await?, None);
/// # Ok(())
/// # }
/// ```
///
/// # The files
///
/// ```text
/// root            the root
/// parts/<hash>    each part, named by its SHA-256: 64 lower-case hexadecimal digits
/// .lock, .new/    for writers only: not to be served or copied
/// ```
///
/// Other programs may rely on this. A part never changes, so it can be cached for ever; the root changes with each
/// publishing. Whoever copies the folder copies the parts first and the root last.
///
/// # What is safe
///
/// A file is written in `.new`, put on the disk (`fsync`), and then renamed: under its name it is whole or not there,
/// after a loss of power too. That is why a part that is there with the same bytes is not written again, whoever wrote
/// it. One with other bytes was damaged by somebody else, and is replaced. [`put_root`](Destination::put_root) puts the
/// names of the parts on the disk, and renames the root after that. Putting each part on the disk at once is about as
/// quick as doing so for all of them before the root, and leaves no file that is not to be trusted; several parts can
/// be put at the same time.
///
/// Writers, also of different processes, exclude each other by a lock on `.lock`: whoever puts a part shares it,
/// whoever puts the root has it alone. So what is in `.new` while the root is put was left by a writer that was killed,
/// and is removed. The file system has to have locks (`flock`) that reach all writers, and all of the folder has to be
/// on one file system.
#[derive(Clone, Debug)]
pub struct Directory {
    path: PathBuf,
}

impl Directory {
    /// The folder with this path. It is made when something is put into it, and so are those above it.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The path of the folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn root_path(&self) -> PathBuf {
        self.path.join("root")
    }

    fn parts(&self) -> PathBuf {
        self.path.join("parts")
    }

    fn part_path(&self, hash: &PartHash) -> PathBuf {
        self.parts().join(hex::encode(hash))
    }

    /// Where files are written.
    fn new_files(&self) -> PathBuf {
        self.path.join(".new")
    }

    fn lock(&self) -> PathBuf {
        self.path.join(".lock")
    }

    fn create_folders(&self) -> Result<(), DestinationError> {
        files::create_folder(&self.parts())?;
        files::create_folder(&self.new_files())
    }

    fn write_part(&self, hash: &PartHash, bytes: &[u8]) -> Result<(), DestinationError> {
        let path = self.part_path(hash);
        let same_length = fs::metadata(&path).is_ok_and(|there| there.len() == bytes.len() as u64);
        if same_length && fs::read(&path).is_ok_and(|there| there == bytes) {
            return Ok(());
        }
        self.create_folders()?;
        let _lock = Lock::shared(&self.lock())?;
        files::write(&self.new_files(), &path, bytes, Sync::Before)
    }

    fn write_root(&self, root: &NewRoot) -> Result<(), DestinationError> {
        self.create_folders()?;
        let _lock = Lock::exclusive(&self.lock())?;
        let path = self.root_path();
        files::check_replaces(files::read(&path)?.as_deref(), root.replaces.as_ref())?;
        self.remove_leftovers()?;
        files::sync_folder(&self.parts())?;
        files::write(&self.new_files(), &path, &root.bytes, Sync::Before)?;
        files::sync_folder(&self.path)
    }

    /// Under the lock nobody is writing.
    fn remove_leftovers(&self) -> Result<(), DestinationError> {
        let folder = self.new_files();
        for file in fs::read_dir(&folder).map_err(failed("read", &folder))? {
            let file = file.map_err(failed("read", &folder))?;
            if files::is_temporary(&file.file_name()) {
                files::remove(&file.path())?;
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Destination for Directory {
    async fn root(&self) -> Result<Option<StoredRoot>, DestinationError> {
        let path = self.root_path();
        let root = blocking(move || files::read(&path)).await?;
        Ok(root.map(|bytes| StoredRoot { version: files::version(&bytes), bytes }))
    }

    async fn part(&self, hash: &PartHash) -> Result<Option<Vec<u8>>, DestinationError> {
        let path = self.part_path(hash);
        blocking(move || files::read(&path)).await
    }

    async fn put_part(&self, hash: &PartHash, bytes: Vec<u8>) -> Result<(), DestinationError> {
        let (here, hash) = (self.clone(), *hash);
        blocking(move || here.write_part(&hash, &bytes)).await
    }

    async fn put_root(&self, root: NewRoot) -> Result<(), DestinationError> {
        let here = self.clone();
        blocking(move || here.write_root(&root)).await
    }

    async fn delete_part(&self, hash: &PartHash) -> Result<(), DestinationError> {
        let path = self.part_path(hash);
        blocking(move || files::remove(&path)).await
    }
}
