//! Keyrings for tests of programs that verify keys: made whole and at once, of what one call describes.

use crate::{
    failure::{Failure, answer},
    keys::{issuing_key, take_with_entropy},
};
use claviger_core::{
    IssuingKey, KeyId, KeyRecord, KeyringBuilder, KeyringKey, KeyringSecret, KeyringTerms, Limit, Network,
    POLICIES_PER_PAGE, Policy, PolicyTerms, SharedSecret, VerifierValue, parse,
};
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};
use wasm_bindgen::prelude::*;

/// A keyring as TypeScript describes it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Ring {
    keyring_key: String,
    keyring_id: String,
    epoch: u64,
    issued_at: u64,
    fresh_for: u32,
    valid_for: u32,
    issuing_secrets: Vec<Issuing>,
    keys: Vec<Key>,
}

/// An issuing secret of a tenant. Its keys are in the ring one by one, so its own policy permits nothing.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Issuing {
    prefix: String,
    tenant: String,
    secret: String,
}

/// A key with what the keyring says of it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Key {
    key: String,
    tenant: String,
    owner: String,
    external_id: Option<String>,
    role: Option<String>,
    permissions: Vec<String>,
    networks: Vec<String>,
    metadata: Option<String>,
    limits: Vec<KeyLimit>,
    read_only: bool,
    not_before: Option<u64>,
    expires_at: Option<u64>,
    revoked: bool,
    disabled: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct KeyLimit {
    name: String,
    max: u64,
    per_seconds: u32,
}

fn invalid(error: impl ToString) -> Failure {
    Failure::new("invalid_options", error)
}

/// Makes a keyring key (`cvgkk_…`) of the 40 random bytes in the buffer.
#[wasm_bindgen]
pub fn generate_keyring_key() -> i32 {
    answer(
        take_with_entropy().map(|(entropy, _)| KeyringKey::generate(&entropy).to_text().expose().to_owned()),
    )
}

/// Leaves the bundle of a keyring, or a failure that names the key at fault.
#[wasm_bindgen]
pub fn build_keyring(ring: JsValue) -> i32 {
    let ring = serde_wasm_bindgen::from_value(ring).map_err(|error| invalid(error.to_string()));
    answer(ring.and_then(|ring| build(&ring)))
}

fn build(ring: &Ring) -> Result<Vec<u8>, Failure> {
    let key = KeyringKey::parse(&ring.keyring_key).map_err(|error| Failure::new("invalid_secret", error))?;
    let keyring_id: KeyId = ring.keyring_id.parse().map_err(|error| invalid(error).at("keyringId"))?;
    let mut terms = KeyringTerms::new(keyring_id);
    (terms.fresh_for, terms.valid_for) = (ring.fresh_for, ring.valid_for);
    let mut builder = KeyringBuilder::new(&key, terms, ring.keys.len());

    let mut policies: Vec<Option<Policy<'static>>> = Vec::new();
    let mut secrets = Vec::new();
    for (index, Issuing { prefix, tenant, secret }) in ring.issuing_secrets.iter().enumerate() {
        let at = |failure: Failure| failure.at(&format!("issuingSecrets[{index}]"));
        let issuer = issuing_key(prefix, secret).map_err(at)?;
        let secret =
            SharedSecret::parse(secret).map_err(|error| at(Failure::new("invalid_secret", error)))?;
        let nothing = PolicyTerms::new(*issuer.prefix(), tenant, "nobody");
        policies.push(Some(Policy::new(&nothing).map_err(|error| at(invalid(error)))?));
        secrets.push(Secret { issuer, secret, tenant });
    }
    let mut buckets: BTreeMap<u32, Vec<KeyRecord>> = BTreeMap::new();
    for (index, key) in ring.keys.iter().enumerate() {
        let at = |failure: Failure| failure.at(&format!("keys[{index}]"));
        let record = record(key, policies.len(), &secrets).map_err(at)?;
        policies.push(Some(policy(key).map_err(at)?));
        buckets.entry(builder.bucket_of(record.id)).or_default().push(record);
    }

    let mut parts = HashMap::new();
    for (bucket, records) in buckets {
        let part = builder.set_bucket(bucket, &records).map_err(invalid)?;
        parts.extend(part.map(|part| (part.hash, part.bytes)));
    }
    for (page, policies) in (0..).zip(policies.chunks(POLICIES_PER_PAGE as usize)) {
        let part = builder.set_page(page, policies).map_err(invalid)?;
        parts.insert(part.hash, part.bytes);
    }
    let secrets = (0..).zip(&secrets);
    let secrets: Vec<_> = secrets
        .map(|(policy, Secret { issuer, secret, .. })| {
            KeyringSecret::issuing(secret, *issuer.prefix(), policy)
        })
        .collect();
    builder.set_shared_secrets(&secrets).map_err(invalid)?;
    let root = builder.finish(ring.epoch, ring.issued_at).map_err(invalid)?;
    builder.bundle(&root, |hash| parts.get(hash).map(Vec::as_slice)).map_err(invalid)
}

/// An issuing secret that was read; the policy at the same place is its own.
struct Secret<'r> {
    issuer: IssuingKey,
    secret: SharedSecret,
    tenant: &'r str,
}

fn record(key: &Key, policy: usize, secrets: &[Secret<'_>]) -> Result<KeyRecord, Failure> {
    let parsed = parse(&key.key).map_err(invalid)?;
    let policy = u32::try_from(policy).map_err(invalid)?;
    let mut record = match (VerifierValue::of_key(&parsed), parsed.claims()) {
        (Some(value), _) => KeyRecord::new(parsed.id(), parsed.kind(), value, policy),
        (None, Some(claims)) => {
            let secret = secrets.iter().find(|Secret { issuer, .. }| {
                issuer.prefix().as_str() == parsed.prefix() && issuer.version() == claims.version()
            });
            let Secret { issuer, tenant, .. } =
                secret.ok_or_else(|| invalid("no issuing secret made this key"))?;
            if key.tenant != *tenant {
                return Err(invalid("a signed key is of the tenant whose issuing secret made it"));
            }
            KeyRecord::signed_override(parsed.id(), issuer.secret_id(), issuer.version(), policy)
        }
        (None, None) => return Err(invalid("this is neither an opaque nor a signed key")),
    };
    (record.not_before, record.expires_at) = (key.not_before, key.expires_at);
    (record.revoked, record.disabled) = (key.revoked, key.disabled);
    Ok(record)
}

fn policy(key: &Key) -> Result<Policy<'static>, Failure> {
    let prefix = parse(&key.key).map_err(invalid)?.prefix().parse().map_err(invalid)?;
    let permissions: Vec<&str> = key.permissions.iter().map(String::as_str).collect();
    let networks: Result<Vec<Network>, _> = key.networks.iter().map(|network| network.parse()).collect();
    let networks = networks.map_err(invalid)?;
    let limits = key.limits.iter().map(|limit| Limit::new(&limit.name, limit.max, limit.per_seconds));
    let limits: Vec<Limit<'_>> = limits.collect();
    let mut terms = PolicyTerms::new(prefix, &key.tenant, &key.owner);
    terms.external_id = key.external_id.as_deref();
    terms.role = key.role.as_deref();
    terms.metadata = key.metadata.as_deref();
    (terms.permissions, terms.networks, terms.limits) = (&permissions, &networks, &limits);
    terms.read_only = key.read_only;
    Policy::new(&terms).map_err(invalid)
}
