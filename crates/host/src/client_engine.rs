//! The verifier as an engine of the crate `claviger`: what that fetches comes in here.

use crate::{error::HostError, keyring::Keyring, parts::Parts, verifier::Verifier};
use bytes::Bytes;
use claviger::{Engine, EngineError};
use claviger_core::{
    HttpRequest, KeyringError, KeyringInfo, NeededPart, PendingVerdict, Replacement, RequestContext,
    SignaturePolicy, Verdict, root_parts,
};
use std::{collections::HashMap, sync::Arc};

impl From<HostError> for EngineError {
    fn from(error: HostError) -> Self {
        match error {
            HostError::Keyring(error) => Self::Keyring(error),
            error => Self::Failed(Box::new(error)),
        }
    }
}

impl Engine for Verifier {
    fn verify_key(&self, presented: &[u8], context: &RequestContext<'_>) -> Verdict<'static> {
        Self::verify_key(self, presented, context)
    }

    fn verify_request(
        &self,
        request: &HttpRequest<'_>,
        policy: &SignaturePolicy<'_>,
        context: &RequestContext<'_>,
    ) -> PendingVerdict<'static> {
        Self::verify_request(self, request, policy, context)
    }

    fn replace_keyring(
        &self,
        keyring: Bytes,
        now: u64,
        least_epoch: u64,
    ) -> Result<Replacement, EngineError> {
        self.check_takes_keyrings()?;
        let taking = |keyring: &Keyring, info: KeyringInfo, before: Option<&Keyring>| {
            if info.epoch < least_epoch {
                let offered = info.epoch;
                return Err(HostError::Keyring(KeyringError::OlderEpoch { least: least_epoch, offered }));
            }
            follow(&self.parts, keyring, before).map_err(HostError::Keyring)
        };
        Ok(self.pool.replace_keyring(Arc::new(keyring), now, taking)?)
    }

    fn insert_part(&self, part: &NeededPart, bytes: &Bytes) -> Result<(), EngineError> {
        Ok(Verifier::insert_part(self, part.part, part.index, bytes)?)
    }

    fn await_part(&self, part: &NeededPart) {
        self.parts.wait_for(part);
    }

    fn awaited_parts(&self) -> Vec<NeededPart> {
        self.parts.awaited()
    }

    fn evict_parts(&self, limit: usize) {
        Verifier::evict_parts(self, limit);
    }

    fn keyring(&self) -> Option<KeyringInfo> {
        Verifier::keyring(self)
    }
}

/// Waits for every part that was here and has changed. Of a bundle all parts are here.
fn follow(parts: &Parts, keyring: &Keyring, before: Option<&Keyring>) -> Result<(), KeyringError> {
    let named = root_parts(keyring.root_bytes()?)?;
    let before = match before.filter(|_| keyring.bundle_len == 0) {
        Some(before) => root_parts(before.root_bytes()?)?,
        None => Vec::new(),
    };
    let before: HashMap<_, _> = before.iter().map(|part| ((part.part, part.index), part.hash)).collect();
    let changed = named.iter().filter_map(|part| Some((*before.get(&(part.part, part.index))?, *part)));
    let hashes = named.iter().map(|part| part.hash).collect();
    parts.follow(hashes, changed.filter(|(before, part)| *before != part.hash));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{keyring_keys::KeyringKeys, module::Module, pool::PoolOptions};
    use claviger_core::{
        KeyId, KeyKind, KeyPrefix, KeyRecord, KeyringBuilder, KeyringKey, KeyringTerms, OpaqueUse, PartKind,
        Policy, PolicyTerms, VerifierValue, generate_opaque_key, parse,
    };

    const NOW: u64 = 1_790_000_000;

    /// A verifier with two instances, a publisher, and what that has published.
    struct Both {
        verifier: Verifier,
        records: Vec<KeyRecord>,
        key: String,
        parts: HashMap<[u8; 32], Vec<u8>>,
        epoch: u64,
    }

    impl Both {
        fn new() -> Self {
            let opaque = |number: u8| {
                let prefix = KeyPrefix::new("acme_live").unwrap();
                let (id, key) = generate_opaque_key(&prefix, OpaqueUse::Bearer, &[number; 40]);
                let value = VerifierValue::of_key(&parse(key.expose()).unwrap()).unwrap();
                (KeyRecord::new(id, KeyKind::Opaque, value, 0), key.expose().to_owned())
            };
            let (first, key) = opaque(1);
            let half = |record: &KeyRecord| record.id.as_u64() >> 63;
            let second = (2..).map(|number| opaque(number).0).find(|second| half(second) == half(&first));
            let options = PoolOptions::default().max_instances(2);
            let keys = KeyringKeys::from(KeyringKey::generate(&[7; 40]));
            let module = Module::embedded().unwrap();
            let verifier = Verifier::with_keyring_keys(&module, keys, options).unwrap();
            let mut both = Self {
                verifier,
                records: vec![first, second.unwrap()],
                key,
                parts: HashMap::new(),
                epoch: 0,
            };
            both.publish();
            both.fetch();
            assert_eq!(both.ask(), ["verified 1", "verified 1"]);
            both
        }

        /// Publishes what the keys are now and replaces the keyring by its root.
        fn publish(&mut self) {
            let terms = KeyringTerms::new(KeyId::from_u64(1));
            let mut builder = KeyringBuilder::new(&KeyringKey::generate(&[7; 40]), terms, 1);
            // The other bucket is empty.
            assert_eq!(builder.buckets(), 2);
            let bucket = builder.bucket_of(self.records[0].id);
            let chunk = builder.set_bucket(bucket, &self.records).unwrap().unwrap();
            let empty = builder.set_bucket(1 - bucket, &[]).unwrap();
            assert!(empty.is_none());
            let prefix = KeyPrefix::new("acme_live").unwrap();
            let policy = Policy::new(&PolicyTerms::new(prefix, "tenant", "owner")).unwrap();
            let page = builder.set_page(0, &[Some(policy)]).unwrap();
            self.parts.extend([chunk, page].map(|part| (part.hash, part.bytes)));
            self.epoch += 1;
            let root = builder.finish(self.epoch, NOW).unwrap();
            Engine::replace_keyring(&self.verifier, root.into(), NOW, 0).unwrap();
        }

        /// Fetches everything that verdicts of one instance need, or that is awaited.
        fn fetch(&self) {
            let mut needed = self.verifier.awaited_parts();
            while let Some(part) = needed.pop() {
                Engine::insert_part(&self.verifier, &part, &self.parts[&part.hash].clone().into()).unwrap();
            }
            loop {
                let verdict = Verifier::verify_key(&self.verifier, &self.key, &RequestContext::at(NOW));
                let Verdict::Denied(denied) = verdict else { return };
                let Some(part) = denied.needed else { return };
                Engine::insert_part(&self.verifier, &part, &self.parts[&part.hash].clone().into()).unwrap();
            }
        }

        /// What each of the two instances says.
        fn ask(&self) -> [String; 2] {
            let lent = [self.verifier.lend().unwrap(), self.verifier.lend().unwrap()];
            lent.map(|mut lent| {
                let context = RequestContext::at(NOW);
                let verdict = lent.call(|instance| {
                    instance.verify_key(self.key.as_bytes(), &context, &self.verifier.parts)
                });
                let verdict = verdict.unwrap();
                let code = verdict.denial().map_or("verified", |code| code.as_str());
                format!("{code} {}", verdict.freshness().and_then(|fresh| fresh.epoch()).unwrap_or(0))
            })
        }
    }

    #[test]
    fn a_part_that_was_awaited_under_two_keyrings_comes_to_every_instance() {
        let mut both = Both::new();
        both.records[0].revoked = true;
        both.publish();
        assert_eq!(both.ask(), ["verified 1", "verified 1"]);
        both.publish();
        assert_eq!(both.ask(), ["verified 1", "verified 1"]);
        both.fetch();
        assert_eq!(both.ask(), ["revoked 3", "revoked 3"]);
    }

    #[test]
    fn an_instance_that_was_not_used_for_a_while_does_not_go_back_behind_the_keyring_before() {
        let mut both = Both::new();
        both.records[0].revoked = true;
        both.publish();
        both.fetch();
        // One of the two has seen that the key is revoked.
        both.records[1].revoked = true;
        both.publish();
        assert_eq!(both.verifier.awaited_parts().len(), 1);
        for said in both.ask() {
            assert!(!said.starts_with("verified"), "{said}");
        }
        both.fetch();
        assert_eq!(both.ask(), ["revoked 3", "revoked 3"]);
    }

    #[test]
    fn a_part_that_came_and_went_is_not_waited_for_by_any_instance() {
        let mut both = Both::new();
        both.records[0].revoked = true;
        both.publish();
        assert_eq!(both.ask(), ["verified 1", "verified 1"]);
        both.verifier.evict_parts(1);
        both.fetch();
        // The last eight stay, so others have to come.
        (0..8).for_each(|other| both.verifier.parts.keep(&[other; 10]));
        for said in both.ask() {
            assert!(!said.starts_with("verified"), "{said}");
        }
    }

    #[test]
    fn only_parts_of_the_present_keyring_are_awaited() {
        let mut both = Both::new();
        both.records[0].revoked = true;
        both.publish();
        let before = both.verifier.awaited_parts()[0];
        assert_eq!(before.part, PartKind::Chunk);
        both.records[1].revoked = true;
        both.publish();
        let awaited = both.verifier.awaited_parts();
        Engine::await_part(&both.verifier, &before);
        assert_eq!(both.verifier.awaited_parts(), awaited);
    }
}
