//! One file as a destination: a bundle, which is a root and all of its parts.

use super::{
    Destination, DestinationError, NO_PART, NewRoot, PartHash, StoredRoot,
    files::{self, Lock, Sync, blocking, failed},
};
use crate::hex;
use async_trait::async_trait;
use claviger_core::{
    BUNDLE_PREAMBLE_LEN, BundleHead, KeyringError, bundle_head, bundle_head_len, root_part_hashes,
};
use std::{
    collections::{HashMap, HashSet},
    ffi::OsString,
    fs::{self, File},
    io::{self, BufWriter, Read, Seek, SeekFrom, Write},
    ops::Range,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

/// After this long a part that is in no bundle was left by a writer that was killed, or that lost a race.
const LEFT_OVER: Duration = Duration::from_hours(24);

/// A file that a keyring is published to as a bundle: what a verifier opens as it is.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use claviger_sdk::{BundleFile, Destination};
///
/// # let folder = tempfile::tempdir()?;
/// let destination = BundleFile::new(folder.path().join("company.keyring"));
/// assert_eq!(destination.root().await?, None);
/// # Ok(())
/// # }
/// ```
///
/// # The files
///
/// ```text
/// <path>          the bundle
/// <path>.parts/   parts that were put, and are not in the bundle yet
/// <path>.new      a bundle that is being written
/// <path>.lock     for writers
/// ```
///
/// # What is safe
///
/// [`put_root`](Destination::put_root) writes a new bundle from the parts that were put and from those of the present
/// bundle, a part at a time, each of which has to have its hash: one that a loss of power has cut off is not taken. It
/// puts the bundle on the disk (`fsync`) and then renames it, so at each moment, and after a loss of power, there is the
/// bundle before or the one after.
///
/// Writers, also of different processes, exclude each other by a lock: whoever puts a part shares it, whoever puts the
/// root has it alone. The file system has to have locks (`flock`) that reach all writers. Parts that never came into a
/// bundle are removed after a day.
///
/// What is read is read from the bundle that was opened last, as long as it has it: a handle may find a part that
/// another writer has removed meanwhile, and never another one than it asked for.
///
/// A file that is there and is no bundle is never replaced. Each publishing writes the whole file: of more than some
/// hundred thousand keys a [`Directory`](crate::Directory) is published to more quickly.
#[derive(Clone, Debug)]
pub struct BundleFile {
    path: PathBuf,
    /// The bundle that was opened last. Others may have replaced it; its parts are what they are.
    opened: Arc<Mutex<Option<Bundle>>>,
}

impl BundleFile {
    /// The file with this path. It is made when the first root is put, and so are the folders above it.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), opened: Arc::default() }
    }

    /// The path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn beside(&self, ending: &str) -> PathBuf {
        let mut name = OsString::from(&self.path);
        name.push(ending);
        name.into()
    }

    /// Where parts wait for their bundle.
    fn spool(&self) -> PathBuf {
        self.beside(".parts")
    }

    fn spooled(&self, hash: &PartHash) -> PathBuf {
        self.spool().join(hex::encode(hash))
    }

    fn lock(&self) -> PathBuf {
        self.beside(".lock")
    }

    fn read_root(&self) -> Result<Option<StoredRoot>, DestinationError> {
        let bundle = Bundle::open(&self.path)?;
        let root = bundle.as_ref().map(|bundle| bundle.root.clone());
        *self.opened.lock().unwrap_or_else(PoisonError::into_inner) = bundle;
        Ok(root.map(|bytes| StoredRoot { version: files::version(&bytes), bytes }))
    }

    fn read_part(&self, hash: &PartHash) -> Result<Option<Vec<u8>>, DestinationError> {
        if let Some(bytes) = files::read(&self.spooled(hash))? {
            return Ok(Some(bytes));
        }
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if opened.as_ref().is_none_or(|bundle| !bundle.parts.contains_key(hash)) {
            *opened = Bundle::open(&self.path)?;
        }
        opened.as_mut().map_or(Ok(None), |bundle| bundle.read(hash)).map_err(failed("read", &self.path))
    }

    fn write_part(&self, hash: &PartHash, bytes: &[u8]) -> Result<(), DestinationError> {
        files::create_folder(&self.spool())?;
        let _lock = Lock::shared(&self.lock())?;
        // It is on the disk when the bundle is.
        files::write(&self.spool(), &self.spooled(hash), bytes, Sync::No)
    }

    fn write_root(&self, root: &NewRoot) -> Result<(), DestinationError> {
        files::create_folder(&self.spool())?;
        let _lock = Lock::exclusive(&self.lock())?;
        let present = Bundle::open(&self.path)?;
        let version = present.as_ref().map(|bundle| bundle.root.as_slice());
        files::check_replaces(version, root.replaces.as_ref())?;
        let new = self.beside(".new");
        self.write_bundle(root, present, &new)?;
        fs::rename(&new, &self.path).map_err(failed("write", &self.path))?;
        files::sync_folder(files::folder_of(&self.path))?;
        *self.opened.lock().unwrap_or_else(PoisonError::into_inner) = None;
        // The root is there, whatever becomes of what is no longer needed; the next one tries again.
        let _ = self.empty_spool(&root.parts);
        Ok(())
    }

    /// Writes a bundle of parts that were put and parts of the present bundle.
    fn write_bundle(
        &self,
        root: &NewRoot,
        mut present: Option<Bundle>,
        new: &Path,
    ) -> Result<(), DestinationError> {
        // Otherwise it would be a bundle that nobody can open.
        if root_part_hashes(&root.bytes).map_err(DestinationError::failed)? != root.parts {
            return Err(DestinationError::failed("the root names other parts than it was put with"));
        }
        let mut lengths = vec![0; root.parts.len()];
        let mut file = BufWriter::new(File::create(new).map_err(failed("create", new))?);
        // How long each part is, is known when it was read; how long the head is, does not depend on it.
        file.write_all(&bundle_head(&root.bytes, &lengths)).map_err(failed("write", new))?;
        for (hash, length) in root.parts.iter().zip(&mut lengths).filter(|(hash, _)| **hash != NO_PART) {
            let good = |bytes: &Vec<u8>| files::hash(bytes) == *hash;
            let mut part = files::read(&self.spooled(hash))?.filter(good);
            if let (None, Some(bundle)) = (&part, &mut present) {
                part = bundle.read(hash).map_err(failed("read", &self.path))?.filter(good);
            }
            let bytes = part.ok_or_else(|| self.missing(hash))?;
            file.write_all(&bytes).map_err(failed("write", new))?;
            *length = bytes.len() as u64;
        }
        file.rewind().map_err(failed("write", new))?;
        file.write_all(&bundle_head(&root.bytes, &lengths)).map_err(failed("write", new))?;
        let file = file.into_inner().map_err(|error| failed("write", new)(error.into_error()))?;
        file.sync_all().map_err(failed("sync", new))
    }

    fn missing(&self, hash: &PartHash) -> DestinationError {
        DestinationError::failed(MissingPart { part: hex::encode(hash), path: self.path.clone() })
    }

    /// Removes parts that are in the bundle now, and what was left. Under the lock nobody is putting any.
    fn empty_spool(&self, in_bundle: &[PartHash]) -> io::Result<()> {
        let in_bundle: HashSet<OsString> = in_bundle.iter().map(|hash| hex::encode(hash).into()).collect();
        for file in fs::read_dir(self.spool())? {
            let file = file?;
            let name = file.file_name();
            let left_over = || -> io::Result<bool> {
                let age = SystemTime::now().duration_since(file.metadata()?.modified()?);
                Ok(age.is_ok_and(|age| age > LEFT_OVER))
            };
            if in_bundle.contains(&name) || files::is_temporary(&name) || left_over()? {
                fs::remove_file(file.path())?;
            }
        }
        Ok(())
    }

    fn remove_part(&self, hash: &PartHash) -> Result<(), DestinationError> {
        let path = self.spooled(hash);
        if !path.exists() {
            return Ok(());
        }
        let _lock = Lock::shared(&self.lock())?;
        files::remove(&path)
    }
}

/// A bundle that is there: its root, and where its parts are.
#[derive(Debug)]
struct Bundle {
    file: File,
    root: Vec<u8>,
    parts: HashMap<PartHash, Range<u64>>,
}

impl Bundle {
    fn open(path: &Path) -> Result<Option<Self>, DestinationError> {
        let mut file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(failed("open", path))?,
        };
        let mut read = || -> io::Result<_> {
            let len = file.metadata()?.len();
            let mut head = Vec::new();
            (&mut file).take(BUNDLE_PREAMBLE_LEN as u64).read_to_end(&mut head)?;
            let head_len = match bundle_head_len(&head, len) {
                Ok(head_len) => head_len,
                Err(error) => return Ok(Err(error)),
            };
            let rest = head_len.saturating_sub(head.len());
            (&mut file).take(rest as u64).read_to_end(&mut head)?;
            Ok(Self::places(&head, len))
        };
        let (root, parts) = read()
            .map_err(failed("read", path))?
            .map_err(|cause| DestinationError::failed(NoBundle { path: path.to_owned(), cause }))?;
        Ok(Some(Self { file, root, parts }))
    }

    /// The root in the head of a bundle, and the places of its parts.
    #[expect(clippy::type_complexity, reason = "it is taken apart at once")]
    fn places(head: &[u8], len: u64) -> Result<(Vec<u8>, HashMap<PartHash, Range<u64>>), KeyringError> {
        let head = BundleHead::read(head, len)?;
        let hashes = root_part_hashes(head.root())?;
        if hashes.len() != head.parts() {
            return Err(KeyringError::Invalid);
        }
        let places = hashes.into_iter().enumerate().filter(|(_, hash)| *hash != NO_PART);
        let parts = places.map(|(number, hash)| Some((hash, head.part(number)?))).collect::<Option<_>>();
        Ok((head.root().to_vec(), parts.ok_or(KeyringError::Invalid)?))
    }

    fn read(&mut self, hash: &PartHash) -> io::Result<Option<Vec<u8>>> {
        let Some(place) = self.parts.get(hash) else { return Ok(None) };
        self.file.seek(SeekFrom::Start(place.start))?;
        let mut bytes = Vec::new();
        (&mut self.file).take(place.end.saturating_sub(place.start)).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{} is no bundle, so it is neither read nor replaced: {cause}", path.display())]
struct NoBundle {
    path: PathBuf,
    cause: KeyringError,
}

#[derive(Debug, thiserror::Error)]
#[error("part {part} was not put, and is not (or no longer what it was) in {}", path.display())]
struct MissingPart {
    part: String,
    path: PathBuf,
}

#[async_trait]
impl Destination for BundleFile {
    async fn root(&self) -> Result<Option<StoredRoot>, DestinationError> {
        let here = self.clone();
        blocking(move || here.read_root()).await
    }

    async fn part(&self, hash: &PartHash) -> Result<Option<Vec<u8>>, DestinationError> {
        let (here, hash) = (self.clone(), *hash);
        blocking(move || here.read_part(&hash)).await
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
        let (here, hash) = (self.clone(), *hash);
        blocking(move || here.remove_part(&hash)).await
    }
}
