//! A keyring in memory.

use super::{FetchedKeyring, KeyringSource, SourceError};
use async_trait::async_trait;
use bytes::Bytes;
use claviger_core::PartHash;

/// One keyring that never changes: a bundle that is part of the program, say.
///
/// What is revoked is learnt with the next release of the program, and after the `valid_for` of the keyring nothing is
/// verified any more.
#[derive(Clone, Debug)]
pub struct BytesSource(Bytes);

impl BytesSource {
    /// A whole bundle. With a root alone, no key can be verified.
    pub fn new(bundle: impl Into<Bytes>) -> Self {
        Self(bundle.into())
    }
}

#[async_trait]
impl KeyringSource for BytesSource {
    async fn keyring(&self, known: Option<&str>) -> Result<Option<FetchedKeyring>, SourceError> {
        let fetched = || FetchedKeyring::new(self.0.clone()).tag("only");
        Ok(known.is_none().then(fetched))
    }

    async fn part(&self, _: &PartHash) -> Result<Option<Bytes>, SourceError> {
        Ok(None)
    }
}
