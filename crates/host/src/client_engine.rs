//! The verifier as an engine of the crate `claviger`: what that fetches comes in here.

use crate::{error::HostError, keyring::Keyring, parts::Parts, verifier::Verifier};
use bytes::Bytes;
use claviger::{Engine, EngineError};
use claviger_core::{
    KeyringError, KeyringInfo, NeededPart, Replacement, RequestContext, Verdict, root_parts,
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
        let verdict = self.try_verify_key(presented, context);
        verdict.unwrap_or_else(|error| Verdict::denied(error.denial_code(), None))
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
    parts.follow(&hashes, changed.filter(|(before, part)| *before != part.hash));
    Ok(())
}
