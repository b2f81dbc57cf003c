//! Small keyrings to publish.

use claviger_core::{KeyId, KeyKind, KeyRecord, KeyringBuilder, KeyringKey, KeyringTerms, VerifierValue};
use claviger_sdk::{Destination, DestinationError, NewRoot, PartHash, RootVersion};

/// When roots are issued, in Unix seconds.
pub(crate) const ISSUED: u64 = 1_790_000_000;

/// A root and all its parts.
pub(crate) struct Ring {
    pub(crate) root: Vec<u8>,
    pub(crate) hashes: Vec<PartHash>,
    pub(crate) parts: Vec<(PartHash, Vec<u8>)>,
    /// As core makes it, in memory.
    pub(crate) bundle: Vec<u8>,
}

pub(crate) fn key() -> KeyringKey {
    KeyringKey::generate(&[1; 40])
}

impl Ring {
    /// A keyring of one epoch with these keys, each in a bucket of its own; there are eight, so some are empty.
    pub(crate) fn new(epoch: u64, keys: &[u8]) -> Self {
        let mut builder = KeyringBuilder::new(&key(), KeyringTerms::new(KeyId::from_u64(1)), 20);
        let mut parts: Vec<(PartHash, Vec<u8>)> = Vec::new();
        for (place, number) in keys.iter().enumerate() {
            let id = KeyId::from_u64((place as u64) << 61 | u64::from(*number));
            let value = VerifierValue::from_bytes([*number; 32]);
            let bucket = builder.bucket_of(id);
            let record = KeyRecord::new(id, KeyKind::Opaque, value, 0);
            let part = builder.set_bucket(bucket, &[record]).unwrap().unwrap();
            parts.push((part.hash, part.bytes));
        }
        let root = builder.finish(epoch, ISSUED).unwrap();
        let part = |hash: &PartHash| parts.iter().find(|part| part.0 == *hash).map(|part| &part.1[..]);
        let bundle = builder.bundle(&root, part).unwrap();
        Self { hashes: builder.part_hashes().copied().collect(), root, bundle, parts }
    }

    pub(crate) async fn put_parts(&self, destination: &impl Destination) {
        for (hash, bytes) in &self.parts {
            destination.put_part(hash, bytes.clone()).await.unwrap();
        }
    }

    pub(crate) async fn put_root(
        &self,
        destination: &impl Destination,
        replaces: Option<RootVersion>,
    ) -> Result<(), DestinationError> {
        destination.put_root(NewRoot::new(self.root.clone(), self.hashes.clone(), replaces)).await
    }

    /// Publishes it over what is there now.
    pub(crate) async fn publish(&self, destination: &impl Destination) {
        self.put_parts(destination).await;
        let replaces = destination.root().await.unwrap().map(|root| root.version);
        self.put_root(destination, replaces).await.unwrap();
    }

    /// It is what is there, to the last part.
    pub(crate) async fn is_at(&self, destination: &impl Destination) {
        assert!(destination.root().await.unwrap().unwrap().bytes == self.root);
        for (hash, bytes) in &self.parts {
            assert!(destination.part(hash).await.unwrap().as_ref() == Some(bytes));
        }
    }
}
