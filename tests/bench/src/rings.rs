//! Keyrings to be measured: a number of keys under a number of policies, and the keys as they are presented.

use anyhow::{Context, Result};
use claviger_core::{
    KeyId, KeyKind, KeyPrefix, KeyRecord, KeyringBuilder, KeyringKey, KeyringPart, KeyringTerms, Limit,
    OpaqueUse, POLICIES_PER_PAGE, Policy, PolicyTerms, VerifierValue, generate_opaque_key, parse,
};
use std::{collections::HashMap, fs, path::Path};

/// When all of it happens, in Unix seconds.
pub const NOW: u64 = 1_790_000_000;

/// A keyring, and the keys in it.
pub struct Ring {
    key: KeyringKey,
    /// How many keys.
    pub keys: usize,
    policies: usize,
    /// The root.
    pub root: Vec<u8>,
    /// The parts by their hashes.
    pub parts: HashMap<[u8; 32], Vec<u8>>,
    /// The root and all parts.
    pub bundle: Vec<u8>,
    texts: Vec<u8>,
    text_len: usize,
}

/// SplitMix64's output function: the random bits of key number `index`.
fn scrambled(index: u64) -> u64 {
    let mut z = index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn policy(index: usize, prefix: KeyPrefix, off: bool) -> Result<Policy<'static>> {
    let (owner, external_id) = (format!("sa-{index}"), format!("customer-{index}"));
    let mut terms = PolicyTerms::new(prefix, "tenant-7", &owner);
    terms.external_id = Some(&external_id);
    terms.role = Some("dispatcher");
    terms.permissions = &["flights:*", "crew:view"];
    terms.metadata = Some("{\"plan\":\"pro\"}");
    let limits = [Limit::new("requests", 100, 60)];
    terms.limits = &limits;
    terms.group_off = off;
    Ok(Policy::new(&terms)?)
}

impl Ring {
    /// `keys` bearer keys that share `policies` policies evenly. With `presentable` false there are records, and no
    /// keys that they would be of.
    ///
    /// # Errors
    /// Those of the core.
    pub fn new(keys: usize, policies: usize, presentable: bool) -> Result<Self> {
        let prefix = KeyPrefix::new("acme_live")?;
        let key = KeyringKey::generate(&[7; 40]);
        let mut builder = KeyringBuilder::new(&key, KeyringTerms::new(KeyId::from_u64(7)), keys);
        let mut buckets: Vec<Vec<KeyRecord>> = (0..builder.buckets()).map(|_| Vec::new()).collect();
        let (mut texts, mut text_len) = (Vec::new(), 0);
        for index in 0..keys {
            let policy = (index % policies) as u32;
            let record = if presentable {
                let (id, text) = generate_opaque_key(&prefix, OpaqueUse::Bearer, &entropy(index));
                texts.extend_from_slice(text.expose().as_bytes());
                text_len = text.expose().len();
                let value = VerifierValue::of_key(&parse(text.expose())?).context("no opaque key")?;
                KeyRecord::new(id, KeyKind::Opaque, value, policy)
            } else {
                let value = VerifierValue::from_bytes([index as u8; 32]);
                KeyRecord::new(KeyId::from_u64(scrambled(index as u64)), KeyKind::Opaque, value, policy)
            };
            let bucket = builder.bucket_of(record.id) as usize;
            buckets.get_mut(bucket).context("a bucket beyond the last")?.push(record);
        }
        let mut parts = HashMap::new();
        let mut keep = |part: KeyringPart| drop(parts.insert(part.hash, part.bytes));
        for (bucket, records) in buckets.iter().enumerate() {
            builder.set_bucket(bucket as u32, records)?.into_iter().for_each(&mut keep);
        }
        drop(buckets);
        let per_page = POLICIES_PER_PAGE as usize;
        for first in (0..policies).step_by(per_page) {
            let page =
                (first..policies.min(first + per_page)).map(|index| Ok(Some(policy(index, prefix, false)?)));
            keep(builder.set_page((first / per_page) as u32, &page.collect::<Result<Vec<_>>>()?)?);
        }
        let root = builder.finish(1, NOW)?;
        let bundle = builder.bundle(&root, |hash| parts.get(hash).map(Vec::as_slice))?;
        Ok(Self { key, keys, policies, root, parts, bundle, texts, text_len })
    }

    /// The bytes of all chunks.
    pub fn chunk_bytes(&self) -> usize {
        self.parts.values().filter(|part| part.starts_with(b"CVGC")).map(Vec::len).sum()
    }

    /// The bucket of the first key, and its chunk.
    ///
    /// # Errors
    /// If there is no presentable key.
    pub fn first_chunk(&self) -> Result<(u32, Vec<u8>)> {
        let builder = KeyringBuilder::from_previous(&self.key, &self.root)?;
        let bucket = builder.bucket_of(parse(self.texts().next().context("no key")?)?.id());
        let chunk = builder.chunk_hash(bucket).and_then(|hash| self.parts.get(hash));
        Ok((bucket, chunk.context("no chunk")?.clone()))
    }

    /// Writes what another program needs to measure with it.
    ///
    /// # Errors
    /// If that fails.
    pub fn write(&self, folder: &Path, name: &str) -> Result<()> {
        fs::create_dir_all(folder)?;
        fs::write(folder.join(format!("{name}.bundle")), &self.bundle)?;
        fs::write(folder.join(format!("{name}.keys")), &self.texts)?;
        Ok(fs::write(folder.join("keyring-key"), self.key.to_text().expose())?)
    }

    /// What verifiers are told.
    pub fn key(&self) -> KeyringKey {
        self.key.clone()
    }

    /// The keys as they are presented, in an order that is random by their ids, and not by their policies.
    pub fn texts(&self) -> impl Iterator<Item = &[u8]> + Clone {
        self.texts.chunks_exact(self.text_len.max(1))
    }

    /// The numbers of so many keys, random by their ids and by their policies. The same ones for the same `first`.
    pub fn random(&self, first: u64, count: usize) -> impl Iterator<Item = usize> {
        let keys = self.keys.max(1) as u64;
        (first..).take(count).map(move |number| (scrambled(!number) % keys) as usize)
    }

    /// Key number `index` as it is presented.
    ///
    /// # Errors
    /// If there is none.
    pub fn text(&self, index: usize) -> Result<&str> {
        Ok(std::str::from_utf8(self.texts().nth(index).context("no such key")?)?)
    }

    /// What revoking key number `index` needs to know, which a store would read.
    ///
    /// # Errors
    /// If there is no such key.
    pub fn revocation(&self, index: usize) -> Result<Revocation> {
        let builder = KeyringBuilder::from_previous(&self.key, &self.root)?;
        let revoked = parse(self.text(index)?)?.id();
        let bucket = builder.bucket_of(revoked);
        let mut records = Vec::new();
        for (place, text) in self.texts().enumerate() {
            let parsed = parse(text)?;
            if builder.bucket_of(parsed.id()) == bucket {
                let value = VerifierValue::of_key(&parsed).context("no opaque key")?;
                let mut record =
                    KeyRecord::new(parsed.id(), KeyKind::Opaque, value, (place % self.policies) as u32);
                record.revoked = place == index;
                records.push(record);
            }
        }
        let changed = index % self.policies;
        let page = changed as u32 / POLICIES_PER_PAGE;
        let before = builder.page_hash(page).and_then(|hash| self.parts.get(hash)).context("no such page")?;
        let off = policy(changed, KeyPrefix::new("acme_live")?, true)?;
        let (before, change) = (before.clone(), (changed as u32, Some(off)));
        Ok(Revocation { bucket, records, revoked, page, before, change })
    }
}

/// A change of one key and one policy.
pub struct Revocation {
    bucket: u32,
    records: Vec<KeyRecord>,
    revoked: KeyId,
    page: u32,
    before: Vec<u8>,
    change: (u32, Option<Policy<'static>>),
}

impl Revocation {
    /// Builds the next keyring from the previous root: the root and the parts that have to be sent.
    ///
    /// # Errors
    /// Those of the core.
    pub fn build(&self, ring: &Ring) -> Result<(Vec<u8>, Vec<KeyringPart>)> {
        let mut builder = KeyringBuilder::from_previous(&ring.key, &ring.root)?;
        let mut parts = Vec::new();
        parts.extend(builder.set_bucket(self.bucket, &self.records)?);
        parts.push(builder.change_page(self.page, &self.before, std::slice::from_ref(&self.change))?);
        Ok((builder.finish(2, NOW + 1)?, parts))
    }

    /// Builds a keyring of this epoch after any root of the ring, in which the key is revoked or good again and nothing
    /// else has changed: the root and the chunk.
    ///
    /// # Errors
    /// Those of the core.
    pub fn set(
        &mut self,
        ring: &Ring,
        root: &[u8],
        epoch: u64,
        revoked: bool,
    ) -> Result<(Vec<u8>, Option<KeyringPart>)> {
        let mut builder = KeyringBuilder::from_previous(&ring.key, root)?;
        for record in self.records.iter_mut().filter(|record| record.id == self.revoked) {
            record.revoked = revoked;
        }
        let chunk = builder.set_bucket(self.bucket, &self.records)?;
        Ok((builder.finish(epoch, NOW + 1)?, chunk))
    }
}

fn entropy(index: usize) -> [u8; 40] {
    let mut entropy = [0; 40];
    for (word, slot) in entropy.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        *slot = scrambled((index as u64).wrapping_mul(8).wrapping_add(word as u64)).to_be_bytes();
    }
    entropy
}
