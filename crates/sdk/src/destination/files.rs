//! What destinations in a file system share: errors that name a path, locks, and writing that survives a loss of power.

use super::{DestinationError, PartHash, RootVersion};
use crate::hex;
use sha2::{Digest, Sha256};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};
use tokio::runtime::Handle;

type Result<T> = std::result::Result<T, DestinationError>;

#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} {}: {cause}", path.display())]
struct FileError {
    doing: &'static str,
    path: PathBuf,
    cause: io::Error,
}

/// The failure of doing something to a path.
pub(super) fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DestinationError {
    move |cause| DestinationError::failed(FileError { doing, path: path.to_owned(), cause })
}

/// Does what blocks where blocking is no harm. It is done to its end even if nobody waits for it any more.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let runtime = Handle::try_current().map_err(DestinationError::failed)?;
    runtime.spawn_blocking(work).await.map_err(DestinationError::failed)?
}

/// SHA-256 of some bytes.
pub(super) fn hash(bytes: &[u8]) -> PartHash {
    Sha256::digest(bytes).into()
}

/// The version of a root: SHA-256 of its bytes, in hexadecimal digits.
pub(super) fn version(root: &[u8]) -> RootVersion {
    RootVersion(hex::encode(&hash(root)))
}

/// A conflict, unless the root that is there is the one that is to be replaced.
pub(super) fn check_replaces(present: Option<&[u8]>, replaces: Option<&RootVersion>) -> Result<()> {
    let same = present.map(version).as_ref() == replaces;
    if same { Ok(()) } else { Err(DestinationError::Conflict) }
}

/// A lock between handles, threads and processes, held until it is dropped. It ends with its process.
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Waits until nobody has an exclusive one.
    pub(super) fn shared(path: &Path) -> Result<Self> {
        Self::take(path, File::lock_shared)
    }

    /// Waits until nobody has any.
    pub(super) fn exclusive(path: &Path) -> Result<Self> {
        Self::take(path, File::lock)
    }

    fn take(path: &Path, lock: impl FnOnce(&File) -> io::Result<()>) -> Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.open(path).map_err(failed("open", path))?;
        lock(&file).map_err(failed("lock", path))?;
        Ok(Self { _file: file })
    }
}

/// What a file holds; none if there is no such file.
pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        read => read.map(Some).map_err(failed("read", path)),
    }
}

/// Whether bytes are to be on the disk before they are in their place.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sync {
    Before,
    No,
}

/// Puts a file in its place, whole or not at all: it is written in `folder`, on the same file system, under a name that
/// nobody else has, and then renamed.
pub(super) fn write(folder: &Path, path: &Path, bytes: &[u8], sync: Sync) -> Result<()> {
    let name = getrandom::u64().map_err(DestinationError::failed)?;
    let temporary = folder.join(format!("{TEMPORARY}{name:016x}"));
    let write = || -> Result<()> {
        let mut file = File::create_new(&temporary).map_err(failed("create", &temporary))?;
        file.write_all(bytes).map_err(failed("write", &temporary))?;
        if sync == Sync::Before {
            file.sync_all().map_err(failed("sync", &temporary))?;
        }
        fs::rename(&temporary, path).map_err(failed("write", path))
    };
    write().inspect_err(|_| {
        // What stays is removed with what killed writers leave.
        let _ = fs::remove_file(&temporary);
    })
}

/// How the names of files begin that are still being written.
const TEMPORARY: &str = ".new-";

/// Whether a file of this name was being written.
pub(super) fn is_temporary(name: &std::ffi::OsStr) -> bool {
    name.to_str().is_some_and(|name| name.starts_with(TEMPORARY))
}

/// Removes a file, if it is there.
pub(super) fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed.map_err(failed("remove", path)),
    }
}

/// Makes a folder, and those above it, so that they survive a loss of power.
pub(super) fn create_folder(folder: &Path) -> Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let parent = folder_of(folder);
    if parent != folder {
        create_folder(parent)?;
    }
    match fs::create_dir(folder) {
        // Another writer may have been quicker.
        Err(_) if folder.is_dir() => {}
        created => created.map_err(failed("create the folder", folder))?,
    }
    sync_folder(parent)
}

/// The folder that something is in.
pub(super) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => path,
    }
}

/// Puts the names in a folder on the disk. Only Unix can; elsewhere it is left to the file system.
pub(super) fn sync_folder(folder: &Path) -> Result<()> {
    if !cfg!(unix) {
        return Ok(());
    }
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed("sync", folder))
}
