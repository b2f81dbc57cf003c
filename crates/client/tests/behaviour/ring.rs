//! A publisher, and everything that it has published.

use claviger::{
    Event, KeyId, KeyringKey, KeyringSource, PartHash, Verdict, Verifier, VerifierBuilder,
    core::{
        KeyKind, KeyPrefix, KeyRecord, KeyringBuilder, KeyringSecret, KeyringTerms, OpaqueUse, Policy,
        PolicyTerms, RequestContext, SharedSecret, VerifierValue, generate_opaque_key, parse,
    },
};
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
};

/// When the first keyring is issued, in Unix seconds.
pub(crate) const START: u64 = 1_790_000_000;
pub(crate) const FRESH_FOR: u64 = 60;
pub(crate) const VALID_FOR: u64 = 3600;

/// A clock that stands still unless it is set.
#[derive(Clone)]
pub(crate) struct Clock(Arc<AtomicU64>);

impl Clock {
    pub(crate) fn new() -> Self {
        Self(Arc::new(AtomicU64::new(START)))
    }

    pub(crate) fn now(&self) -> u64 {
        self.0.load(SeqCst)
    }

    pub(crate) fn set(&self, now: u64) {
        self.0.store(now, SeqCst);
    }
}

pub(crate) struct Ring {
    pub(crate) key: KeyringKey,
    pub(crate) keys: Vec<(KeyRecord, String)>,
    pub(crate) parts: HashMap<PartHash, Vec<u8>>,
    pub(crate) root: Vec<u8>,
    pub(crate) epoch: u64,
    /// Issuing secrets, and whether their keys may sign.
    pub(crate) secrets: Vec<(SharedSecret, bool)>,
    bundle: Vec<u8>,
    terms: KeyringTerms,
}

fn prefix() -> KeyPrefix {
    KeyPrefix::new("acme_live").unwrap()
}

/// An id that is spread as random ones are, and a key with it.
pub(crate) fn opaque(number: u64) -> (KeyId, String) {
    key(number, OpaqueUse::Bearer)
}

fn key(number: u64, usage: OpaqueUse) -> (KeyId, String) {
    let mut entropy = [7; 40];
    entropy[..8].copy_from_slice(&(number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    entropy[8..16].copy_from_slice(&number.to_le_bytes());
    let (id, text) = generate_opaque_key(&prefix(), usage, &entropy);
    (id, text.expose().into())
}

impl Ring {
    pub(crate) fn new(keys: u64) -> Self {
        Self::with_id(keys, 1)
    }

    /// All rings have the same keyring key.
    pub(crate) fn with_id(keys: u64, id: u64) -> Self {
        let mut terms = KeyringTerms::new(KeyId::from_u64(id));
        (terms.fresh_for, terms.valid_for) = (FRESH_FOR as u32, VALID_FOR as u32);
        let record = |number| {
            let (id, text) = opaque(number);
            let value = VerifierValue::of_key(&parse(&text).unwrap()).unwrap();
            (KeyRecord::new(id, KeyKind::Opaque, value, 0), text)
        };
        let key = KeyringKey::generate(&[1; 40]);
        let keys = (0..keys).map(record).collect();
        let (parts, root, secrets, bundle) = Default::default();
        let mut ring = Self { key, keys, parts, root, epoch: 0, secrets, bundle, terms };
        ring.publish(START);
        ring
    }

    /// Publishes what the keys are now, and returns the root.
    pub(crate) fn publish(&mut self, now: u64) -> Vec<u8> {
        let mut builder = KeyringBuilder::new(&self.key, self.terms, self.keys.len());
        let policy = Policy::new(&PolicyTerms::new(prefix(), "tenant", "owner")).unwrap();
        let page = builder.set_page(0, &[Some(policy)]).unwrap();
        self.parts.insert(page.hash, page.bytes);
        let mut buckets = vec![Vec::new(); builder.buckets() as usize];
        for (record, _) in &self.keys {
            buckets[builder.bucket_of(record.id) as usize].push(record.clone());
        }
        for (bucket, records) in buckets.iter().enumerate() {
            let part = builder.set_bucket(bucket as u32, records).unwrap();
            self.parts.extend(part.map(|part| (part.hash, part.bytes)));
        }
        let secrets = self.secrets.iter().map(|(secret, signs)| {
            let secret = KeyringSecret::issuing(secret, prefix(), 0);
            if *signs { secret.for_signing() } else { secret }
        });
        builder.set_shared_secrets(&secrets.collect::<Vec<_>>()).unwrap();
        self.epoch += 1;
        self.root = builder.finish(self.epoch, now).unwrap();
        self.bundle = builder.bundle(&self.root, |hash| self.parts.get(hash).map(Vec::as_slice)).unwrap();
        self.root.clone()
    }

    pub(crate) fn bundle(&self) -> Vec<u8> {
        self.bundle.clone()
    }

    /// A key that signs, with the id of the other one of this number.
    pub(crate) fn signing_key(number: u64) -> String {
        key(number, OpaqueUse::BearerAndSigning).1
    }

    /// Makes one of the keys one that signs.
    pub(crate) fn signing(&mut self, key: usize) {
        let text = Self::signing_key(key as u64);
        let value = VerifierValue::of_key(&parse(&text).unwrap()).unwrap();
        self.keys[key] = (KeyRecord::new(self.keys[key].0.id, KeyKind::OpaqueSigning, value, 0), text);
    }

    pub(crate) fn revoke(&mut self, key: usize) {
        self.keys[key].0.revoked = true;
    }

    pub(crate) fn text(&self, key: usize) -> String {
        self.keys[key].1.clone()
    }

    /// A verifier of this ring, with events kept as text.
    pub(crate) fn verifier(&self, source: impl KeyringSource, clock: &Clock) -> (Verifier, Events) {
        let events = Events::default();
        let verifier = events.told_by(self.builder(clock)).source(source).build().unwrap();
        (verifier, events)
    }

    pub(crate) fn builder(&self, clock: &Clock) -> VerifierBuilder {
        let clock = clock.clone();
        Verifier::builder([self.key.clone()]).clock(move || clock.now())
    }
}

/// The events that were told, as their names.
#[derive(Clone, Default)]
pub(crate) struct Events(Arc<Mutex<Vec<String>>>);

impl Events {
    pub(crate) fn told_by(&self, builder: VerifierBuilder) -> VerifierBuilder {
        let events = Arc::clone(&self.0);
        builder.on_event(move |event| {
            let text = match event {
                Event::Refreshed { epoch, changed: true } => format!("epoch {epoch}"),
                Event::Refreshed { .. } => "unchanged".into(),
                Event::RefreshFailed { error, failures, .. } => {
                    let cause = std::error::Error::source(error).map(|cause| cause.to_string());
                    format!("failed {failures}: {error}: {}", cause.unwrap_or_default())
                }
                Event::PartFailed { part, error } => {
                    let error = error.map_or("not there".into(), ToString::to_string);
                    format!("{} {}: {error}", part.part, part.index)
                }
                Event::HalfExpired { epoch, .. } => format!("half expired {epoch}"),
                Event::EpochNotRemembered { .. } => "epoch not remembered".into(),
                other => panic!("an unknown event: {other:?}"),
            };
            events.lock().unwrap().push(text);
        })
    }

    /// What was told since the last time.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// The denial code, the freshness and the epoch of a verdict, in a line.
pub(crate) fn said(verdict: &Verdict<'_>) -> String {
    let code = verdict.denial().map_or("verified", |code| code.as_str());
    let freshness = verdict.freshness();
    let age = freshness.map_or("", |freshness| freshness.as_str());
    let epoch = freshness.and_then(|freshness| freshness.epoch()).unwrap_or(0);
    format!("{code} {age} {epoch}")
}

pub(crate) async fn verify(verifier: &Verifier, key: &str, now: u64) -> String {
    said(&verifier.verify(key, &RequestContext::at(now)).await)
}

pub(crate) fn verify_key(verifier: &Verifier, key: &str, now: u64) -> String {
    said(&verifier.verify_key(key, &RequestContext::at(now)))
}
