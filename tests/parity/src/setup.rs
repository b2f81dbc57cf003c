//! The configuration of a verifier, in the terms of every runtime.

use anyhow::Result;
use claviger_core::{IssuingKey, KeyPrefix, SharedSecret, Verifier as NativeVerifier};
use claviger_host::Secrets;
use serde::{Deserialize, Serialize};

/// What a verifier is told. In JSON it is what the npm package's `Verifier` takes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Options {
    /// The secrets that it trusts.
    pub issuing_secrets: Vec<IssuingSecret>,
    /// Whether it accepts keys that never expire.
    pub allow_keys_without_lifetime: bool,
}

/// An issuing secret for the keys of one prefix.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct IssuingSecret {
    /// The prefix.
    pub prefix: String,
    /// The text of the secret.
    pub secret: String,
}

impl Options {
    /// Options that trust `secrets`.
    pub fn trusting<'s>(secrets: impl IntoIterator<Item = (KeyPrefix, &'s SharedSecret)>) -> Self {
        let entry = |(prefix, secret): (KeyPrefix, &SharedSecret)| IssuingSecret {
            prefix: prefix.to_string(),
            secret: secret.to_text().expose().to_owned(),
        };
        Self { issuing_secrets: secrets.into_iter().map(entry).collect(), allow_keys_without_lifetime: false }
    }

    fn parsed(&self) -> Result<Vec<(KeyPrefix, SharedSecret)>> {
        let entries = self.issuing_secrets.iter();
        entries
            .map(|entry| Ok((KeyPrefix::new(&entry.prefix)?, SharedSecret::parse(&entry.secret)?)))
            .collect()
    }

    /// The verifier of `claviger-core`.
    ///
    /// # Errors
    /// What the core says of a bad configuration.
    pub fn native(&self) -> Result<NativeVerifier> {
        let keys = self.parsed()?.into_iter().map(|(prefix, secret)| IssuingKey::new(prefix, &secret));
        let verifier = NativeVerifier::new(keys.collect::<Result<Vec<_>, _>>()?)?;
        Ok(verifier.allow_keys_without_lifetime(self.allow_keys_without_lifetime))
    }

    /// The secrets for a verifier of `claviger-host`.
    ///
    /// # Errors
    /// What the core says of a bad prefix or secret.
    pub fn hosted(&self) -> Result<Secrets> {
        let secrets = Secrets::new().allow_keys_without_lifetime(self.allow_keys_without_lifetime);
        Ok(self
            .parsed()?
            .into_iter()
            .fold(secrets, |all, (prefix, secret)| all.issuing_secret(prefix, secret)))
    }
}
