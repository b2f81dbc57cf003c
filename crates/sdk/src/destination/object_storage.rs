//! Object storage as a destination.

use super::{Destination, DestinationError, NewRoot, PartHash, RootVersion, StoredRoot, storage_error};
use crate::hex;
use async_trait::async_trait;
use object_store::{
    Attribute, Attributes, Error, GetOptions, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions,
    PutPayload, UpdateVersion, path::Path,
};
use std::{fmt, sync::Arc};
use tokio::sync::OnceCell;

const ROOT_CACHE: &str = "no-cache";
const PART_CACHE: &str = "public, max-age=31536000, immutable";

/// A prefix in object storage that a keyring is published to, over any store of the crate
/// [`object_store`]. For one that a URL names there is [`destination_from_url`](crate::destination_from_url).
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use claviger_sdk::{Destination, ObjectStorage, object_store::memory::InMemory};
/// use std::sync::Arc;
///
/// let destination = ObjectStorage::new(Arc::new(InMemory::new()), "keyrings/company");
/// assert_eq!(destination.root().await?, None);
/// # Ok(())
/// # }
/// ```
///
/// # The objects
///
/// ```text
/// <prefix>/root            the root; Cache-Control: no-cache
/// <prefix>/parts/<hash>    each part, named by its SHA-256; Cache-Control: public, max-age=31536000, immutable
/// ```
///
/// They are named as the files of a [`Directory`](crate::Directory), so readers need not know which of the two it is.
/// Where the store keeps such things, the type of both is `application/octet-stream`.
///
/// # What is safe
///
/// The root is replaced by a conditional put (`If-None-Match`, `If-Match` or what the store has in their place), so of
/// several publishers one wins. The store has to keep to the condition; one that ignored it would let them overwrite
/// each other. Therefore, once for each `ObjectStorage` and its clones, the first part is put again in two ways that
/// have to be refused: where one is not, [`put_part`](Destination::put_part) fails with
/// [`DestinationError::Unsupported`], before there is a root. `object_store`'s local file system is such a store:
/// publish to a [`Directory`](crate::Directory).
///
/// A client that gets no answer may send a put again, and is then refused because of the root that it has put itself.
/// So where a root is refused, or it is not known what became of it, the one that is there is read: the same bytes mean
/// that it was put.
///
/// Parts are always sent, whatever is there under their name. No error and no `Debug` shows what a store signs with.
#[derive(Clone)]
pub struct ObjectStorage {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    /// Set when the store was seen to refuse what it has to refuse.
    refuses: Arc<OnceCell<()>>,
}

impl ObjectStorage {
    /// The objects of `store` below `prefix`, whose segments are separated by `/`; it may be empty. Characters that
    /// some stores do not take are escaped as [`Path`] says.
    #[must_use]
    pub fn new(store: Arc<dyn ObjectStore>, prefix: &str) -> Self {
        Self::below(store, Path::from(prefix))
    }

    pub(super) fn below(store: Arc<dyn ObjectStore>, prefix: Path) -> Self {
        Self { store, prefix, refuses: Arc::default() }
    }

    fn root_path(&self) -> Path {
        self.prefix.clone().join("root")
    }

    fn part_path(&self, hash: &PartHash) -> Path {
        self.prefix.clone().join("parts").join(hex::encode(hash))
    }

    fn failed(&self, doing: &'static str, path: &Path, error: &Error) -> DestinationError {
        match error {
            Error::NotImplemented { .. } | Error::NotSupported { .. } => {
                DestinationError::Unsupported(format!(
                    "{} cannot put an object on the condition that another one is there; to publish to a folder, use a \
                 Directory (file://), and otherwise a store that can",
                    self.store
                ))
            }
            error => DestinationError::failed(storage_error::failed(doing, &self.store, path, error)),
        }
    }

    async fn get(&self, path: &Path) -> Result<Option<(Vec<u8>, ObjectMeta)>, DestinationError> {
        let read = async {
            let object = self.store.get_opts(path, GetOptions::default()).await?;
            let meta = object.meta.clone();
            Ok((object.bytes().await?.into(), meta))
        };
        match read.await {
            Err(Error::NotFound { .. }) => Ok(None),
            read => read.map(Some).map_err(|error| self.failed("read", path, &error)),
        }
    }

    async fn put(
        &self,
        path: &Path,
        payload: PutPayload,
        mode: PutMode,
        cache: &'static str,
    ) -> Result<(), Error> {
        let attributes =
            [(Attribute::ContentType, "application/octet-stream"), (Attribute::CacheControl, cache)];
        let with_attributes =
            PutOptions { attributes: Attributes::from_iter(attributes), ..PutOptions::from(mode.clone()) };
        match self.store.put_opts(path, payload.clone(), with_attributes).await {
            // It may be the attributes, or the mode.
            Err(Error::NotImplemented { .. } | Error::NotSupported { .. }) => {
                self.store.put_opts(path, payload, mode.into()).await.map(drop)
            }
            put => put.map(drop),
        }
    }

    /// Whether the store refuses what it has to, tried on a part that is there, with the same bytes: if it does not, no
    /// harm is done.
    async fn check_that_it_refuses(&self, path: &Path, part: PutPayload) -> Result<(), DestinationError> {
        let of_no_object =
            UpdateVersion { e_tag: Some("\"claviger\"".to_owned()), version: Some("1".to_owned()) };
        for mode in [PutMode::Create, PutMode::Update(of_no_object)] {
            match self.put(path, part.clone(), mode, PART_CACHE).await {
                Err(error) if is_refusal(&error) => {}
                Err(error) => return Err(self.failed("write", path, &error)),
                Ok(()) => {
                    return Err(DestinationError::Unsupported(format!(
                        "{} ignores the condition of a put (If-None-Match, If-Match), so publishers would overwrite \
                         each other; use a store, or a newer version of it, that keeps to it",
                        self.store
                    )));
                }
            }
        }
        Ok(())
    }
}

/// Whether the condition of a put was not met.
const fn is_refusal(error: &Error) -> bool {
    matches!(error, Error::AlreadyExists { .. } | Error::Precondition { .. } | Error::NotModified { .. })
}

/// What a conditional put needs, in a string; none if it is not enough for one. A weak tag matches nothing.
fn to_root_version(meta: ObjectMeta) -> Option<RootVersion> {
    let e_tag = meta.e_tag.filter(|tag| !tag.starts_with("W/"));
    let given = e_tag.is_some() || meta.version.is_some();
    given.then(|| serde_json::to_string(&(e_tag, meta.version)).ok().map(RootVersion)).flatten()
}

/// None if it is not from here.
fn from_root_version(version: &RootVersion) -> Option<UpdateVersion> {
    let (e_tag, version) = serde_json::from_str(&version.0).ok()?;
    Some(UpdateVersion { e_tag, version })
}

impl fmt::Debug for ObjectStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What a store's own `Debug` shows is up to the store.
        f.debug_struct("ObjectStorage")
            .field("store", &self.store.to_string())
            .field("prefix", &self.prefix.as_ref())
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Destination for ObjectStorage {
    async fn root(&self) -> Result<Option<StoredRoot>, DestinationError> {
        let Some((bytes, meta)) = self.get(&self.root_path()).await? else { return Ok(None) };
        let version = to_root_version(meta).ok_or_else(|| {
            DestinationError::Unsupported(format!(
                "{} gives neither a strong entity tag nor a version of the root, by which alone it can be replaced safely",
                self.store
            ))
        })?;
        Ok(Some(StoredRoot { bytes, version }))
    }

    async fn part(&self, hash: &PartHash) -> Result<Option<Vec<u8>>, DestinationError> {
        Ok(self.get(&self.part_path(hash)).await?.map(|(bytes, _)| bytes))
    }

    async fn put_part(&self, hash: &PartHash, bytes: Vec<u8>) -> Result<(), DestinationError> {
        let (path, part) = (self.part_path(hash), PutPayload::from(bytes));
        let put = self.put(&path, part.clone(), PutMode::Overwrite, PART_CACHE).await;
        put.map_err(|error| self.failed("write", &path, &error))?;
        self.refuses.get_or_try_init(|| self.check_that_it_refuses(&path, part)).await?;
        Ok(())
    }

    async fn put_root(&self, root: NewRoot) -> Result<(), DestinationError> {
        let mode = match &root.replaces {
            None => PutMode::Create,
            Some(version) => PutMode::Update(from_root_version(version).ok_or(DestinationError::Conflict)?),
        };
        let path = self.root_path();
        let put = self.put(&path, PutPayload::from(root.bytes.clone()), mode, ROOT_CACHE).await;
        let Err(error) = put else { return Ok(()) };
        let refused = is_refusal(&error);
        if refused || matches!(error, Error::Generic { .. }) {
            match self.get(&path).await {
                Ok(Some((bytes, _))) if bytes == root.bytes => return Ok(()),
                Err(unread) if refused => return Err(unread),
                _ => {}
            }
        }
        Err(if refused { DestinationError::Conflict } else { self.failed("write", &path, &error) })
    }

    async fn delete_part(&self, hash: &PartHash) -> Result<(), DestinationError> {
        let path = self.part_path(hash);
        match self.store.delete(&path).await {
            Err(Error::NotFound { .. }) => Ok(()),
            deleted => deleted.map_err(|error| self.failed("remove", &path, &error)),
        }
    }
}
