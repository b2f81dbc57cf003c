//! Issues two keys, publishes a keyring, verifies; revokes one of them, publishes again, verifies again.
//!
//! The keyring is a file, `acme.keyring`, in the folder that is the argument (by default here): verify with it from
//! anywhere. `verify.mjs` does so in JavaScript.

use claviger_core::{
    KeyId, KeyPrefix, KeyRecord, KeyringBuilder, KeyringKey, KeyringTerms, OpaqueUse, Policy, PolicyTerms,
    RequestContext, Verifier, VerifierValue, generate_opaque_key, parse,
};
use std::{
    collections::HashMap,
    env,
    error::Error,
    fs,
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(env::args_os().nth(1).unwrap_or_else(|| ".".into()));
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let keyring_key = KeyringKey::generate(&random()?);
    let (keys, mut records) = issue()?;
    let mut publisher = Publisher::new(&keyring_key)?;

    let keyring = publisher.publish(&records, 1, now)?;
    let mut verifier = Verifier::with_keyring_keys([keyring_key.clone()])?;
    verifier.replace_keyring(keyring, now)?;
    for key in &keys {
        let verdict = verifier.verify_key(key, &RequestContext::at(now).permissions(&["flights:view"]));
        println!("epoch 1: {}", verdict.denial().map_or("verified", |code| code.as_str()));
    }

    let [_, second] = &mut records;
    second.revoked = true;
    let keyring = publisher.publish(&records, 2, now)?;
    fs::write(folder.join("acme.keyring"), &keyring)?;
    verifier.replace_keyring(keyring, now)?;
    for key in &keys {
        let verdict = verifier.verify_key(key, &RequestContext::at(now).permissions(&["flights:view"]));
        println!("epoch 2: {}", verdict.denial().map_or("verified", |code| code.as_str()));
    }
    let secrets = format!("KEYRING_KEY={}\nKEYS={}\n", keyring_key.to_text().expose(), keys.join(","));
    Ok(fs::write(folder.join("acme.env"), secrets)?)
}

/// Two keys, to be shown to their users once, and what is kept of them.
fn issue() -> Result<([String; 2], [KeyRecord; 2]), Box<dyn Error>> {
    let one = || -> Result<(String, KeyRecord), Box<dyn Error>> {
        let (id, key) = generate_opaque_key(&prefix()?, OpaqueUse::Bearer, &random()?);
        let parsed = parse(key.expose())?;
        let value = VerifierValue::of_key(&parsed).ok_or("not an opaque key")?;
        Ok((key.expose().to_owned(), KeyRecord::new(id, parsed.kind(), value, 0)))
    };
    let ((first, first_record), (second, second_record)) = (one()?, one()?);
    Ok(([first, second], [first_record, second_record]))
}

/// Puts records and one policy into keyrings.
struct Publisher {
    builder: KeyringBuilder,
    parts: HashMap<[u8; 32], Vec<u8>>,
}

impl Publisher {
    fn new(key: &KeyringKey) -> Result<Self, Box<dyn Error>> {
        let terms = KeyringTerms::new(KeyId::from_entropy(random()?));
        let mut builder = KeyringBuilder::new(key, terms, 1000);
        let mut policy = PolicyTerms::new(prefix()?, "tenant-7", "service-account-12");
        policy.permissions = &["flights:*"];
        let page = builder.set_page(0, &[Some(Policy::new(&policy)?)])?;
        Ok(Self { builder, parts: HashMap::from([(page.hash, page.bytes)]) })
    }

    /// The bundle of an epoch.
    fn publish(&mut self, records: &[KeyRecord], epoch: u64, now: u64) -> Result<Vec<u8>, Box<dyn Error>> {
        for bucket in 0..self.builder.buckets() {
            let of_bucket = |record: &&KeyRecord| self.builder.bucket_of(record.id) == bucket;
            let records: Vec<KeyRecord> = records.iter().filter(of_bucket).cloned().collect();
            let chunk = self.builder.set_bucket(bucket, &records)?;
            self.parts.extend(chunk.map(|chunk| (chunk.hash, chunk.bytes)));
        }
        let root = self.builder.finish(epoch, now)?;
        Ok(self.builder.bundle(&root, |hash| self.parts.get(hash).map(Vec::as_slice))?)
    }
}

fn prefix() -> Result<KeyPrefix, claviger_core::PrefixError> {
    KeyPrefix::new("acme_live")
}

fn random<const N: usize>() -> Result<[u8; N], getrandom::Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}
