//! A store in memory that does not do what it should.

use claviger_sdk::object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, memory::InMemory, path::Path,
};
use futures_core::stream::BoxStream;
use std::{
    fmt,
    sync::atomic::{AtomicUsize, Ordering},
};

/// What a store does wrong, or cannot do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Oddity {
    None,
    /// It puts each root twice, as a client does that gets no answer to the first.
    AnswersOfRootsAreLost,
    /// It puts each root and then breaks off.
    BreaksOffAfterRoots,
    /// It breaks off before it puts a root.
    BreaksOffBeforeRoots,
    /// It knows no conditions.
    OverwritesAlways,
    /// It knows only the condition that nothing is there.
    OverwritesWhatIsThere,
    NoAttributes,
    NoTags,
    WeakTags,
}

#[derive(Debug)]
pub(crate) struct OddStore {
    oddity: Oddity,
    puts: AtomicUsize,
    inner: InMemory,
}

impl OddStore {
    pub(crate) fn new(oddity: Oddity) -> Self {
        Self { oddity, puts: AtomicUsize::new(0), inner: InMemory::new() }
    }

    /// How many objects it was asked to put.
    pub(crate) fn puts(&self) -> usize {
        self.puts.load(Ordering::SeqCst)
    }
}

fn broken_off() -> Error {
    Error::Generic { store: "odd", source: "the connection was closed".into() }
}

impl fmt::Display for OddStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OddStore({:?})", self.oddity)
    }
}

#[async_trait::async_trait]
impl ObjectStore for OddStore {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        mut opts: PutOptions,
    ) -> Result<PutResult> {
        self.puts.fetch_add(1, Ordering::SeqCst);
        let root = location.filename() == Some("root");
        match (self.oddity, &opts.mode) {
            (Oddity::OverwritesAlways, _) | (Oddity::OverwritesWhatIsThere, PutMode::Update(_)) => {
                opts.mode = PutMode::Overwrite;
            }
            (Oddity::NoAttributes, _) if !opts.attributes.is_empty() => {
                let (operation, implementer) = ("attributes".to_owned(), self.to_string());
                return Err(Error::NotImplemented { operation, implementer });
            }
            (Oddity::AnswersOfRootsAreLost, _) if root => {
                self.inner.put_opts(location, payload.clone(), opts.clone()).await?;
            }
            (Oddity::BreaksOffAfterRoots, _) if root => {
                self.inner.put_opts(location, payload, opts).await?;
                return Err(broken_off());
            }
            (Oddity::BreaksOffBeforeRoots, _) if root => return Err(broken_off()),
            _ => {}
        }
        self.inner.put_opts(location, payload, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let mut object = self.inner.get_opts(location, options).await?;
        object.meta.e_tag = match self.oddity {
            Oddity::NoTags => None,
            Oddity::WeakTags => object.meta.e_tag.map(|tag| format!("W/{tag}")),
            _ => object.meta.e_tag,
        };
        Ok(object)
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, opts).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
