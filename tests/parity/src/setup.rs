//! The configuration of a verifier and the facts of a request, in the terms of every runtime.

use anyhow::{Context, Result};
use claviger_core::{
    FreshnessRequirement, IssuingKey, KeyId, KeyPrefix, KeyringKey, RequestContext, SharedSecret,
    Verifier as NativeVerifier,
};
use claviger_host::{KeyringKeys, Secrets};
use serde::{Deserialize, Serialize};
use std::{net::IpAddr, sync::Arc};

/// What a verifier is told. In JSON it is what the npm package's `Verifier` takes.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Options {
    /// The secrets that it trusts, if it has no keyring.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub issuing_secrets: Vec<IssuingSecret>,
    /// Whether it accepts keys that never expire, if it has no keyring.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_keys_without_lifetime: Option<bool>,
    /// The texts of the keyring keys, if it has a keyring.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keyring_keys: Vec<String>,
    /// The id that the keyring must have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keyring_id: Option<String>,
    /// How fresh the keyring must be.
    #[serde(flatten)]
    pub freshness: Freshness,
}

/// How fresh a keyring must be.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Freshness {
    /// Whether `stale` is not enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub require_fresh: Option<bool>,
    /// The least epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_epoch: Option<u64>,
    /// The most seconds since it was issued.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age: Option<u64>,
}

impl Freshness {
    fn requirement(&self) -> FreshnessRequirement {
        FreshnessRequirement {
            require_fresh: self.require_fresh.unwrap_or_default(),
            min_epoch: self.min_epoch.unwrap_or_default(),
            max_age: self.max_age,
        }
    }
}

/// An issuing secret for the keys of one prefix.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct IssuingSecret {
    /// The prefix.
    pub prefix: String,
    /// The text of the secret.
    pub secret: String,
}

/// The facts of a request. In JSON it is what the npm package's `verifyKey` takes.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Facts {
    /// Unix seconds.
    pub now: u64,
    /// The tenant that the request is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// The client's address; text that is none is one that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The permissions that the request needs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub permissions: Vec<String>,
    /// How fresh the knowledge must be.
    #[serde(flatten)]
    pub freshness: Freshness,
}

impl Facts {
    /// A request at `now` (Unix seconds), of which nothing else is known.
    #[must_use]
    pub fn at(now: u64) -> Self {
        Self { now, ..Self::default() }
    }

    /// Gives `work` the context in the terms of Rust.
    pub fn with_context<T>(&self, work: impl FnOnce(&RequestContext<'_>) -> T) -> T {
        let permissions: Vec<&str> = self.permissions.iter().map(String::as_str).collect();
        let mut context =
            RequestContext::at(self.now).permissions(&permissions).requiring(self.freshness.requirement());
        context.tenant = self.tenant.as_deref();
        context.address = self.address.as_deref().and_then(|address| address.parse::<IpAddr>().ok());
        work(&context)
    }
}

/// A keyring that a verifier is given, and when.
#[derive(Clone, Debug)]
pub struct Given {
    /// A bundle, or a root alone.
    pub keyring: Bytes,
    /// The verifier's clock, in Unix seconds.
    pub now: u64,
}

/// Bytes that several verifiers share.
#[derive(Clone, Debug)]
pub struct Bytes(pub Arc<Vec<u8>>);

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Given {
    /// A keyring given at `now`.
    #[must_use]
    pub fn new(keyring: Vec<u8>, now: u64) -> Self {
        Self { keyring: Bytes(Arc::new(keyring)), now }
    }
}

/// A verifier: its options, and the keyrings that it was given, one after the other.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// Its options.
    pub options: Options,
    /// Its keyrings, each of which it took.
    pub keyrings: Vec<Given>,
}

impl From<Options> for Setup {
    fn from(options: Options) -> Self {
        Self { options, keyrings: Vec::new() }
    }
}

impl Options {
    /// Options that trust `secrets`.
    pub fn trusting<'s>(secrets: impl IntoIterator<Item = (KeyPrefix, &'s SharedSecret)>) -> Self {
        let entry = |(prefix, secret): (KeyPrefix, &SharedSecret)| IssuingSecret {
            prefix: prefix.to_string(),
            secret: secret.to_text().expose().to_owned(),
        };
        Self { issuing_secrets: secrets.into_iter().map(entry).collect(), ..Self::default() }
    }

    /// Options that trust keyrings made with one of `keys`.
    #[must_use]
    pub fn with_keyring_keys(keys: &[&KeyringKey]) -> Self {
        let texts = keys.iter().map(|key| key.to_text().expose().to_owned());
        Self { keyring_keys: texts.collect(), ..Self::default() }
    }

    /// Whether the verifier is one with a keyring.
    #[must_use]
    pub fn has_keyring(&self) -> bool {
        !self.keyring_keys.is_empty()
    }

    fn secrets(&self) -> Result<Vec<(KeyPrefix, SharedSecret)>> {
        let entries = self.issuing_secrets.iter();
        entries
            .map(|entry| Ok((KeyPrefix::new(&entry.prefix)?, SharedSecret::parse(&entry.secret)?)))
            .collect()
    }

    fn parsed_keyring_keys(&self) -> Result<Vec<KeyringKey>> {
        self.keyring_keys.iter().map(|text| Ok(KeyringKey::parse(text)?)).collect()
    }

    fn parsed_keyring_id(&self) -> Result<Option<KeyId>> {
        self.keyring_id.as_ref().map(|id| id.parse().context("not a keyring id")).transpose()
    }

    /// The verifier of `claviger-core`, without keyring yet.
    ///
    /// # Errors
    /// What the core says of a bad configuration.
    pub fn native(&self) -> Result<NativeVerifier> {
        if self.has_keyring() {
            let verifier = NativeVerifier::with_keyring_keys(self.parsed_keyring_keys()?)?;
            let verifier = match self.parsed_keyring_id()? {
                Some(id) => verifier.keyring_id(id),
                None => verifier,
            };
            return Ok(verifier.requiring(self.freshness.requirement()));
        }
        let keys = self.secrets()?.into_iter().map(|(prefix, secret)| IssuingKey::new(prefix, &secret));
        let verifier = NativeVerifier::new(keys.collect::<Result<Vec<_>, _>>()?)?;
        Ok(verifier.allow_keys_without_lifetime(self.allow_keys_without_lifetime.unwrap_or_default()))
    }

    /// The secrets for a verifier of `claviger-host` without keyring.
    ///
    /// # Errors
    /// What the core says of a bad prefix or secret.
    pub fn hosted_secrets(&self) -> Result<Secrets> {
        let allow = self.allow_keys_without_lifetime.unwrap_or_default();
        let secrets = Secrets::new().allow_keys_without_lifetime(allow);
        Ok(self
            .secrets()?
            .into_iter()
            .fold(secrets, |all, (prefix, secret)| all.issuing_secret(prefix, secret)))
    }

    /// The keyring keys for a verifier of `claviger-host` with keyring.
    ///
    /// # Errors
    /// What the core says of a bad key.
    pub fn hosted_keyring_keys(&self) -> Result<KeyringKeys> {
        let keys = self.parsed_keyring_keys()?.into_iter().fold(KeyringKeys::new(), KeyringKeys::keyring_key);
        let keys = match self.parsed_keyring_id()? {
            Some(id) => keys.keyring_id(id),
            None => keys,
        };
        Ok(keys.requiring(self.freshness.requirement()))
    }
}
