//! A bundle in a file that publishers replace.

use super::{FetchedKeyring, KeyringSource, MAX_PART_LEN, SourceError, epoch_file::EpochFile};
use async_trait::async_trait;
use bytes::Bytes;
use claviger_core::{BundleHead, PartHash, bundle_head_len, root_part_hashes};
use std::{
    collections::HashMap,
    fs::{File, Metadata},
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, UNIX_EPOCH},
};

/// A longer bundle is not read as a whole.
const MOST_IN_MEMORY: u64 = 16 << 20;
/// The newest one, that of the keyring in use, and the one before.
const MOST_OPEN: usize = 3;

/// A bundle in a file, which is looked at every second and read again when it was replaced.
///
/// Publishers replace it by renaming, as the SDK's do; a file that is being written is refused as a whole, and read
/// again. A bundle of at most 16 MiB is read at once. Of a longer one the root is read, and parts where a verdict needs
/// them, from the file as it was when its root was read.
///
/// The highest epoch that was taken is remembered in a file of the same name with `.epoch` behind it, so that an older
/// bundle in its place is refused after a restart, too.
#[derive(Debug)]
pub struct FileSource {
    path: PathBuf,
    epoch: EpochFile,
    open: Arc<Mutex<Vec<OpenBundle>>>,
}

/// A bundle whose parts are read one by one.
#[derive(Debug)]
struct OpenBundle {
    tag: String,
    file: File,
    places: HashMap<PartHash, (u64, usize)>,
}

impl FileSource {
    /// The bundle in this file.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self { epoch: EpochFile::beside(&path), path, open: Arc::default() }
    }

    /// Remembers the highest epoch in this file: where the bundle's folder cannot be written to, say.
    #[must_use]
    pub fn remember_epoch_in(mut self, path: impl Into<PathBuf>) -> Self {
        self.epoch = EpochFile::at(path.into());
        self
    }
}

/// What tells a file from the one before in its place.
pub(super) fn tag(metadata: &Metadata) -> String {
    let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    #[cfg(unix)]
    let number = std::os::unix::fs::MetadataExt::ino(metadata);
    #[cfg(not(unix))]
    let number = 0;
    format!("{number}-{}-{}", metadata.len(), modified.unwrap_or_default().as_nanos())
}

/// At most `most` bytes from the beginning.
pub(super) fn read_all(file: &mut File, most: u64) -> Result<Vec<u8>, SourceError> {
    let mut bytes = Vec::new();
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(format!("the file is longer than {most} bytes").into());
    }
    Ok(bytes)
}

fn read(
    path: &Path,
    known: Option<&str>,
) -> Result<Option<(FetchedKeyring, Option<OpenBundle>)>, SourceError> {
    let mut file = File::open(path)?;
    let metadata = file.metadata()?;
    let tag = tag(&metadata);
    if known == Some(&tag) {
        return Ok(None);
    }
    let len = metadata.len();
    if len <= MOST_IN_MEMORY {
        let bytes = read_all(&mut file, MOST_IN_MEMORY)?;
        return Ok(Some((FetchedKeyring::new(bytes).tag(tag), None)));
    }
    let mut preamble = [0; claviger_core::BUNDLE_PREAMBLE_LEN];
    file.read_exact(&mut preamble)?;
    let mut head = vec![0; bundle_head_len(&preamble, len)?];
    file.seek(SeekFrom::Start(0))?;
    file.read_exact(&mut head)?;
    let head = BundleHead::read(&head, len)?;
    let mut places = HashMap::new();
    for (number, hash) in root_part_hashes(head.root())?.into_iter().enumerate() {
        let range = head.part(number).ok_or("the bundle does not say where its parts are")?;
        let len = usize::try_from(range.end.saturating_sub(range.start))?;
        places.insert(hash, (range.start, len));
    }
    let root = head.root().to_vec();
    Ok(Some((FetchedKeyring::new(root).tag(&tag), Some(OpenBundle { tag, file, places }))))
}

#[async_trait]
impl KeyringSource for FileSource {
    async fn keyring(&self, known: Option<&str>) -> Result<Option<FetchedKeyring>, SourceError> {
        let (path, tag) = (self.path.clone(), known.map(str::to_owned));
        let read = tokio::task::spawn_blocking(move || read(&path, tag.as_deref())).await??;
        let Some((fetched, open)) = read else { return Ok(None) };
        let mut bundles = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = open {
            // One that was refused comes again and again, and must not push out the one in use.
            bundles.retain(|bundle| bundle.tag != open.tag);
            bundles.insert(0, open);
            while bundles.len() > MOST_OPEN
                && let Some(last) = bundles.iter().rposition(|bundle| Some(&*bundle.tag) != known)
            {
                bundles.remove(last);
            }
        }
        Ok(Some(fetched))
    }

    async fn part(&self, hash: &PartHash) -> Result<Option<Bytes>, SourceError> {
        let (open, hash) = (Arc::clone(&self.open), *hash);
        let read = move || {
            let mut bundles = open.lock().unwrap_or_else(PoisonError::into_inner);
            for bundle in bundles.iter_mut() {
                let Some(&(start, len)) = bundle.places.get(&hash) else { continue };
                if len as u64 > MAX_PART_LEN {
                    return Err("the bundle says of a part what cannot be".into());
                }
                let mut bytes = vec![0; len];
                bundle.file.seek(SeekFrom::Start(start))?;
                bundle.file.read_exact(&mut bytes)?;
                return Ok(Some(bytes.into()));
            }
            Ok(None)
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
