//! A keyring that is put together key by key, for vectors, generated inputs and the demo.

use anyhow::{Context, Result};
use claviger_core::{
    ImportScheme, IssuingKey, KeyId, KeyKind, KeyPrefix, KeyRecord, KeyringBuilder, KeyringKey,
    KeyringSecret, KeyringTerms, OpaqueUse, POLICIES_PER_PAGE, Policy, PolicyTerms, SharedSecret,
    VerifierValue, generate_opaque_key, parse,
};
use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

/// What a keyring is made of.
#[derive(Clone)]
pub struct Contents {
    /// What authenticates and masks it.
    pub key: KeyringKey,
    /// Its id, and how long it is fresh and valid.
    pub terms: KeyringTerms,
    /// The policies, by their index.
    pub policies: Vec<Option<Policy<'static>>>,
    /// The records of keys.
    pub records: Vec<KeyRecord>,
    /// Issuing secrets, each with its prefix and the policy of its signed keys.
    pub issuing: Vec<(KeyPrefix, SharedSecret, u32)>,
    /// Schemes of imported keys.
    pub schemes: Vec<ImportScheme>,
    /// For how many keys buckets are made.
    pub expected_keys: usize,
}

/// The verifier value of an opaque key, for access tokens.
///
/// # Errors
/// If the text is no opaque key.
pub fn value_of(text: &str) -> Result<VerifierValue> {
    VerifierValue::of_key(&parse(text)?).context("no opaque key")
}

/// A keyring in parts.
#[derive(Clone)]
pub struct Parts {
    /// The root.
    pub root: Vec<u8>,
    /// The parts by their hashes.
    pub parts: HashMap<[u8; 32], Vec<u8>>,
    /// All in one.
    pub bundle: Vec<u8>,
}

impl Contents {
    /// Nothing yet.
    #[must_use]
    pub fn new(key: KeyringKey, terms: KeyringTerms) -> Self {
        Self {
            key,
            terms,
            policies: Vec::new(),
            records: Vec::new(),
            issuing: Vec::new(),
            schemes: Vec::new(),
            expected_keys: 1,
        }
    }

    /// Adds a policy, and returns its index.
    ///
    /// # Errors
    /// If the terms break a rule.
    pub fn policy(&mut self, terms: &PolicyTerms<'_>) -> Result<u32> {
        self.policies.push(Some(Policy::new(terms)?));
        Ok(u32::try_from(self.policies.len())? - 1)
    }

    /// Adds an opaque key, and returns its text; its record is the last one.
    ///
    /// # Errors
    /// None in practice.
    pub fn opaque(
        &mut self,
        prefix: KeyPrefix,
        usage: OpaqueUse,
        policy: u32,
        entropy: &[u8; 40],
    ) -> Result<String> {
        let (id, text) = generate_opaque_key(&prefix, usage, entropy);
        let parsed = parse(text.expose())?;
        let value = VerifierValue::of_key(&parsed).context("no opaque key")?;
        self.records.push(KeyRecord::new(id, parsed.kind(), value, policy));
        Ok(text.expose().to_owned())
    }

    /// Adds a key that was made elsewhere; its record is the last one. Its policy is to name its public id.
    ///
    /// # Errors
    /// If the scheme has no digest for the text.
    pub fn imported(&mut self, text: &str, scheme: ImportScheme, policy: u32) -> Result<()> {
        let digest = scheme.digest(text.as_bytes()).context("a text without underscore")?;
        let id = self.key.imported_record_id(self.terms.keyring_id, &digest);
        self.records.push(KeyRecord::new(id, KeyKind::Imported, VerifierValue::of_import(&digest), policy));
        Ok(())
    }

    /// Adds an issuing secret whose signed keys get `policy`, and returns what makes them.
    ///
    /// # Errors
    /// If it is no issuing secret.
    pub fn issuer(&mut self, prefix: KeyPrefix, secret: SharedSecret, policy: u32) -> Result<IssuingKey> {
        let key = IssuingKey::new(prefix, &secret)?;
        self.issuing.push((prefix, secret, policy));
        Ok(key)
    }

    /// The record that was added last, to be changed.
    ///
    /// # Errors
    /// If there is none.
    pub fn last(&mut self) -> Result<&mut KeyRecord> {
        self.records.last_mut().context("no record")
    }

    /// Adds an override of a signed key that `issuer` made; its record is the last one.
    pub fn signed_override(&mut self, issuer: &IssuingKey, id: KeyId, policy: u32) {
        self.records.push(KeyRecord::signed_override(id, issuer.secret_id(), issuer.version(), policy));
    }

    /// Changes the records of a key.
    pub fn change(&mut self, id: KeyId, change: impl Fn(&mut KeyRecord)) {
        self.records.iter_mut().filter(|record| record.id == id).for_each(change);
    }

    /// The whole keyring of an epoch, issued at `issued_at` (Unix seconds).
    ///
    /// # Errors
    /// What the builder says.
    pub fn build(&self, epoch: u64, issued_at: u64) -> Result<Parts> {
        let mut builder = KeyringBuilder::new(&self.key, self.terms, self.expected_keys);
        let mut buckets: HashMap<u32, Vec<KeyRecord>> = HashMap::new();
        for record in &self.records {
            buckets.entry(builder.bucket_of(record.id)).or_default().push(record.clone());
        }
        let mut parts = HashMap::new();
        for (bucket, records) in buckets {
            parts.extend(builder.set_bucket(bucket, &records)?.map(|part| (part.hash, part.bytes)));
        }
        for (page, policies) in self.policies.chunks(POLICIES_PER_PAGE as usize).enumerate() {
            let part = builder.set_page(u32::try_from(page)?, policies)?;
            parts.insert(part.hash, part.bytes);
        }
        let secrets: Vec<KeyringSecret<'_>> = self
            .issuing
            .iter()
            .map(|(prefix, secret, policy)| KeyringSecret::issuing(secret, *prefix, *policy))
            .collect();
        builder.set_shared_secrets(&secrets)?;
        builder.set_import_schemes(&self.schemes);
        let root = builder.finish(epoch, issued_at)?;
        let bundle = builder.bundle(&root, |hash| parts.get(hash).map(Vec::as_slice))?;
        Ok(Parts { root, parts, bundle })
    }
}

/// What the examples that verify with a published file are given.
pub struct Published {
    /// The file: epoch 2.
    pub file: PathBuf,
    /// Its keyring key.
    pub keyring_key: String,
    /// A good key and a revoked one, with a comma between them.
    pub keys: String,
}

/// Publishes a bundle into a folder.
///
/// # Errors
/// If it cannot be written.
pub fn publish(folder: &Path) -> Result<Published> {
    let key = KeyringKey::generate(&[1; 40]);
    let mut contents = Contents::new(key.clone(), KeyringTerms::new(KeyId::from_u64(1)));
    let mut terms = PolicyTerms::new(KeyPrefix::new("acme_live")?, "tenant-7", "service-account-12");
    terms.permissions = &["flights:*"];
    let policy = contents.policy(&terms)?;
    let first = contents.opaque(terms.prefix, OpaqueUse::Bearer, policy, &[2; 40])?;
    let second = contents.opaque(terms.prefix, OpaqueUse::Bearer, policy, &[3; 40])?;
    contents.last()?.revoked = true;
    let file = folder.join("acme.keyring");
    fs::write(&file, contents.build(2, claviger::unix_seconds())?.bundle)?;
    Ok(Published { file, keyring_key: key.to_text().expose().to_owned(), keys: format!("{first},{second}") })
}
