//! Rings of a company, published to bundle files, and what is in them.

use crate::{company::Company, place::Place};
use chrono::{DateTime, Utc};
use claviger_core::{
    BundleHead, DenialCode, KeyRecord, KeyringKey, KeyringReader, Policy, RequestContext, Verifier,
    bundle_head_len,
};
use claviger_sdk::{
    Actor, Audience, BundleFile, Clock, ManualClock, NewRing, Published, Publisher, RingId, Session, Store,
};
use std::{collections::BTreeMap, fs, path::PathBuf};
use tokio::task::JoinHandle;

/// A ring that is published to a bundle file.
pub(crate) struct Ring {
    pub(crate) id: RingId,
    pub(crate) publisher: Publisher,
    pub(crate) keys: Vec<KeyringKey>,
    folder: tempfile::TempDir,
}

impl Ring {
    /// A new ring, of which nothing is published yet.
    pub(crate) async fn new(store: &Store, audience: Audience) -> Self {
        let platform = platform(store);
        let folder = tempfile::tempdir().unwrap();
        // The name of the folder is one that no other ring has.
        let name = folder.path().file_name().unwrap().to_str().unwrap().to_owned();
        let id = platform.rings().create(NewRing::new(&name, audience)).await.unwrap().id;
        let texts = platform.rings().reveal_keys(id).await.unwrap();
        let keys = texts.iter().map(|text| KeyringKey::parse(text.expose()).unwrap()).collect();
        let publisher = Publisher::new(store, id, BundleFile::new(folder.path().join("ring.bundle")));
        Self { id, publisher, keys, folder }
    }

    pub(crate) async fn publish(&self) -> Published {
        self.publisher.publish().await.unwrap()
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("ring.bundle")
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        fs::read(self.path()).unwrap()
    }

    /// A verifier with what is published.
    pub(crate) fn verifier(&self, company: &Company) -> Verifier {
        let mut verifier = Verifier::with_keyring_keys(self.keys.clone()).unwrap();
        let now = u64::try_from(company.now().timestamp()).unwrap();
        verifier.replace_keyring(self.bytes(), now).unwrap();
        verifier
    }

    /// Why a verifier with what is published denies a key, or `verified`.
    pub(crate) fn denial(&self, company: &Company, text: &str) -> &'static str {
        self.denial_by(self.bytes(), company, text)
    }

    /// The same of a bundle that was published once.
    pub(crate) fn denial_by(&self, bundle: Vec<u8>, company: &Company, text: &str) -> &'static str {
        let mut verifier = Verifier::with_keyring_keys(self.keys.clone()).unwrap();
        let now = u64::try_from(company.now().timestamp()).unwrap();
        verifier.replace_keyring(bundle, now).unwrap();
        let verdict = verifier.verify_key(text, &RequestContext::at(now));
        verdict.denial().map_or("verified", DenialCode::as_str)
    }

    /// Everything that the published keyring says of what is not over, but for its ids, indices and times.
    pub(crate) fn contents(&self, now: DateTime<Utc>) -> Contents {
        let now = u64::try_from(now.timestamp()).unwrap();
        let bytes = self.bytes();
        let head = bundle_head_len(&bytes, bytes.len() as u64).unwrap();
        let head = BundleHead::read(&bytes[..head], bytes.len() as u64).unwrap();
        let part = |number: u32| {
            let range = head.part(number as usize).unwrap();
            &bytes[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()]
        };
        let reader = KeyringReader::open(head.root(), &self.keys).unwrap();
        let mut policies: Vec<Option<Policy<'static>>> = Vec::new();
        for page in 0..reader.pages() {
            policies.resize(page as usize * 256, None);
            policies.extend(reader.read_page(page, part(reader.buckets() + page)).unwrap());
        }
        let policy = |index: u32| policies[index as usize].as_ref().map(|policy| policy.as_bytes().to_vec());
        let mut contents = Contents::default();
        for bucket in (0..reader.buckets()).filter(|&bucket| reader.chunk_hash(bucket).is_some()) {
            let records = reader.read_chunk(bucket, part(bucket)).unwrap().into_iter();
            // What is over may stand there or not.
            for record in records.filter(|record| record.expires_at.is_none_or(|end| end > now)) {
                let said = Said {
                    value: record.value.as_ref().map(|value| *value.expose()),
                    not_before: record.not_before,
                    expires_at: record.expires_at,
                    flags: [record.revoked, record.disabled, record.read_only],
                    issuer: record.issuer.map(|(id, version)| (id.as_u64(), version)),
                    policy: policy(record.policy).expect("every record has a policy"),
                };
                contents.keys.entry(name(&record)).or_default().push(said);
            }
        }
        contents.keys.values_mut().for_each(|said| said.sort());
        for accepted in reader.shared_secrets() {
            let policy =
                accepted.policy.map(|index| policy(index).expect("every issuing secret has a policy"));
            let prefix = accepted.prefix.map(|prefix| prefix.to_string());
            let said = SaidOfSecret { prefix, policy, may_sign: accepted.may_sign };
            contents.secrets.insert(accepted.secret.to_text().expose().to_owned(), said);
        }
        contents
    }
}

fn name(record: &KeyRecord) -> (u64, &'static str) {
    (record.id.as_u64(), record.kind.as_str())
}

/// What a keyring says of one secret of a key.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Said {
    value: Option<[u8; 32]>,
    not_before: Option<u64>,
    expires_at: Option<u64>,
    flags: [bool; 3],
    issuer: Option<(u64, u8)>,
    policy: Vec<u8>,
}

/// What a keyring says of a version of a shared secret.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct SaidOfSecret {
    prefix: Option<String>,
    policy: Option<Vec<u8>>,
    pub(crate) may_sign: bool,
}

/// All that a keyring says.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Contents {
    pub(crate) keys: BTreeMap<(u64, &'static str), Vec<Said>>,
    pub(crate) secrets: BTreeMap<String, SaidOfSecret>,
}

pub(crate) fn platform(store: &Store) -> Session {
    store.acting_as(Actor::operator("platform"))
}

/// Publishes while a test changes the store: what is published of the changes alone is in the end what is published of the
/// whole store.
pub(crate) struct Watch {
    store: Store,
    clock: ManualClock,
    task: Option<JoinHandle<()>>,
    _place: Place,
    ring: Ring,
}

impl Watch {
    pub(crate) async fn begin(company: &Company) -> Self {
        let ring = Ring::new(&company.store, Audience::Everyone).await;
        ring.publish().await;
        let publisher = ring.publisher.clone();
        // What fails is said by the last publication, if it still does then.
        let run = async move { drop(publisher.run(|_| ()).await) };
        // On one of the two stores: the other has enough to do.
        let is_file = !company.place.location.starts_with("postgres");
        let task = is_file.then(|| tokio::spawn(run));
        let (store, clock) = (company.store.clone(), company.clock.clone());
        Self { store, clock, task, _place: company.place.clone(), ring }
    }

    pub(crate) async fn check(self) {
        if let Some(task) = self.task {
            task.abort();
        }
        self.ring.publish().await;
        let whole = Ring::new(&self.store, Audience::Everyone).await;
        whole.publish().await;
        let now = self.clock.now();
        assert_eq!(self.ring.contents(now), whole.contents(now), "the changes come to the whole");
    }
}
