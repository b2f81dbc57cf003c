//! The hosted verifier as an engine of the crate `claviger`: parts on demand, changes on their way, and bounded memory.

use crate::{
    fixtures::{NOW, embedded},
    rings::{Ring, VALID_FOR, good, keyring_key, opaque, presented},
};
use bytes::Bytes;
use claviger::{FetchedKeyring, KeyringSource, PartHash, SourceError, Verifier, async_trait};
use claviger_host::{
    KeyringKeys, PoolOptions,
    core::{NeededPart, RequestContext, Verdict, Verifier as NativeVerifier, VerifyKey, root_parts},
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

/// A root, and the parts that are there.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Stored>>);

type Stored = (Vec<u8>, HashMap<PartHash, Vec<u8>>);

impl Memory {
    fn put_root(&self, ring: &Ring) {
        self.0.lock().unwrap().0 = ring.published().root;
    }

    fn put_parts(&self, ring: &Ring) {
        let published = ring.published();
        let named: Vec<NeededPart> = root_parts(&published.root).unwrap();
        let mut stored = self.0.lock().unwrap();
        for (kind, index, bytes) in published.parts {
            let part = named.iter().find(|part| (part.part, part.index) == (kind, index)).unwrap();
            stored.1.insert(part.hash, bytes);
        }
    }
}

#[async_trait]
impl KeyringSource for Memory {
    async fn keyring(&self, _: Option<&str>) -> Result<Option<FetchedKeyring>, SourceError> {
        Ok(Some(FetchedKeyring::new(self.0.lock().unwrap().0.clone())))
    }

    async fn part(&self, hash: &PartHash) -> Result<Option<Bytes>, SourceError> {
        Ok(self.0.lock().unwrap().1.get(hash).map(|bytes| bytes.clone().into()))
    }
}

fn hosted(source: &Memory, instances: usize) -> Verifier<claviger_host::Verifier> {
    let options = PoolOptions::default().max_instances(instances);
    let engine =
        claviger_host::Verifier::with_keyring_keys(embedded(), KeyringKeys::from(keyring_key()), options);
    Verifier::with_engine(engine.unwrap()).clock(|| NOW).source(source.clone()).build().unwrap()
}

fn said(verdict: &Verdict<'_>) -> String {
    let code = verdict.denial().map_or("verified", |code| code.as_str());
    format!("{code} {}", verdict.freshness().and_then(|freshness| freshness.epoch()).unwrap_or(0))
}

async fn verify(verifier: &Verifier<claviger_host::Verifier>, key: &str, now: u64) -> String {
    said(&verifier.verify(key, &RequestContext::at(now)).await)
}

#[tokio::test]
async fn verdicts_through_a_source_are_those_of_the_core() {
    let (source, ring) = (Memory::default(), Ring::at(5));
    source.put_root(&ring);
    source.put_parts(&ring);
    let mut native = NativeVerifier::with_keyring_keys([keyring_key()]).unwrap();
    native.replace_keyring(ring.bundle(), NOW).unwrap();
    let (hosted, by_core) = (
        hosted(&source, 2),
        Verifier::builder([keyring_key()]).clock(|| NOW).source(source.clone()).build().unwrap(),
    );
    for text in presented() {
        let context = RequestContext::at(NOW);
        let expected = VerifyKey::verify_key(&native, text.as_bytes(), &context);
        assert_eq!(hosted.verify(&text, &context).await, expected, "{text}");
        assert_eq!(by_core.verify(&text, &context).await, expected, "{text}");
    }
}

/// With one instance, which has seen the keyring before, and with others, which are made afterwards.
#[tokio::test(start_paused = true)]
async fn while_a_part_is_on_its_way_the_keyring_before_decides_in_every_instance() {
    for instances in [1, 3] {
        let (source, ring) = (Memory::default(), Ring::at(1));
        source.put_root(&ring);
        source.put_parts(&ring);
        let verifier = hosted(&source, instances);
        assert_eq!(verify(&verifier, &good(), NOW).await, "verified 1");
        let revoked = Ring { revoked: true, ..Ring::at(2) };
        source.put_root(&revoked);
        verifier.refresh().await.unwrap();
        assert_eq!(verifier.keyring().unwrap().epoch, 2);
        let threads: Vec<_> = (0..instances * 2)
            .map(|_| {
                let verifier = verifier.clone();
                std::thread::spawn(move || said(&verifier.verify_key(good(), &RequestContext::at(NOW))))
            })
            .collect();
        for thread in threads {
            assert_eq!(
                thread.join().unwrap(),
                "verified 1",
                "its part is not there; of {instances} instances"
            );
        }
        let other = opaque(0x92).1;
        assert_eq!(verify(&verifier, &other, NOW).await.split(' ').next(), Some("verified"));
        let late = NOW + u64::from(VALID_FOR);
        assert_ne!(verify(&verifier, &good(), late).await, "verified 1", "too old by then");

        source.put_parts(&revoked);
        verifier.refresh().await.unwrap();
        for _ in 0..instances * 2 {
            assert_eq!(verify(&verifier, &good(), NOW).await, "revoked 2");
        }
        // What the part has said stays said.
        let hash =
            |bytes: &[u8]| root_parts(bytes).unwrap().into_iter().find(|part| part.index == 0).unwrap();
        claviger::Engine::await_part(verifier.engine(), &hash(&revoked.published().root));
        assert_eq!(verify(&verifier, &good(), NOW).await, "revoked 2");
        assert_eq!(claviger::Engine::awaited_parts(verifier.engine()), []);
    }
}

#[tokio::test]
async fn older_keyrings_and_those_below_what_is_remembered_are_refused() {
    let source = Memory::default();
    source.put_root(&Ring::at(5));
    let verifier = hosted(&source, 1);
    let offer = |epoch: u64, least| {
        let root = Bytes::from(Ring::at(epoch).published().root);
        claviger::Engine::replace_keyring(verifier.engine(), root, NOW, least)
            .map_err(|error| error.to_string())
    };
    assert!(offer(5, 6).unwrap_err().contains("accepts 6 and later"));
    assert_eq!(verifier.keyring(), None);
    assert!(offer(6, 6).is_ok());
    assert!(offer(5, 0).unwrap_err().contains("accepts 6 and later"));
}
