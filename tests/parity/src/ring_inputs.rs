//! A reproducible stream of requests to a verifier with a keyring: keys of every kind and fate, mutations of them, and
//! facts that suit them or do not.

use crate::{
    inputs::{Random, mutate},
    rings::{Contents, value_of},
    setup::{Facts, Freshness, Given, Options, Setup},
};
use anyhow::{Context, Result};
use claviger_core::{
    ImportScheme, IssuingKey, KeyId, KeyPrefix, KeyRecord, KeyringKey, KeyringTerms, Limit, Network,
    OpaqueUse, PolicyTerms, Purpose, SharedSecret, SignedKeyTerms, parse,
};

/// When the keyring is issued, in Unix seconds.
pub const ISSUED: u64 = 1_790_000_040;
const TENANTS: [&str; 2] = ["tenant-1", "tenant-2"];
const PERMISSIONS: [&str; 5] = ["*", "flights:*", "flights:view", "*:view", "crew:modify"];
const ASKED: [&str; 6] = ["flights:view", "flights:modify", "crew:view", "a:b:c", "", "flights:*"];
const NETWORKS: [&str; 4] = ["10.0.0.0/8", "192.0.2.0/25", "2001:db8::/32", "::ffff:198.51.100.0/120"];
const ADDRESSES: [&str; 6] =
    ["10.1.2.3", "::ffff:10.1.2.3", "192.0.2.200", "2001:db8::7", "no address", "::1"];

/// A keyring, the keys in it, and what comes of them.
pub struct RingInputs {
    random: Random,
    /// The verifier.
    pub setup: Setup,
    texts: Vec<String>,
}

fn pick<T: Copy>(random: &mut Random, list: &[T]) -> Result<T> {
    list.get(random.below(list.len())).copied().context("an empty list")
}

impl RingInputs {
    /// The stream of a seed, over a keyring of about `keys`.
    ///
    /// # Errors
    /// None in practice: every constant is a good one.
    pub fn new(seed: u64, keys: usize) -> Result<Self> {
        let mut random = Random::new(seed);
        let key = KeyringKey::generate(&random.bytes());
        let terms = KeyringTerms { keyring_id: KeyId::from_u64(7), fresh_for: 60, valid_for: 3600 };
        let mut contents = Contents::new(key.clone(), terms);
        contents.expected_keys = keys;
        contents.schemes = ImportScheme::ALL.to_vec();
        let (live, short) = (KeyPrefix::new("acme_live")?, KeyPrefix::new("a")?);
        let prefixes = [live, short];
        for index in 0..300 {
            let named = random.below(2) == 0;
            add_policy(
                &mut contents,
                &mut random,
                if index % 2 == 0 { live } else { short },
                named.then(|| KeyId::from_u64(index as u64)),
            )?;
        }
        let policy = |random: &mut Random| random.below(300) as u32;
        let mut issuers = Vec::new();
        for prefix in prefixes {
            for version in [0, 255] {
                let secret = SharedSecret::generate(Purpose::Issuing, version, &random.bytes());
                let index = policy(&mut random) / 2 * 2 + u32::from(prefix == short);
                issuers.push(contents.issuer(prefix, secret, index)?);
            }
        }
        let mut texts = Vec::new();
        for index in 0..keys {
            let prefix = pick(&mut random, &prefixes)?;
            // Policies of the two prefixes take turns; now and then it is one of the other.
            let of_other = random.below(20) == 0;
            let index_of_policy = policy(&mut random) / 2 * 2 + u32::from((prefix == short) != of_other);
            match random.below(8) {
                0 => {
                    let text = format!("sk_{:x}", random.bits());
                    let scheme = pick(&mut random, &ImportScheme::ALL)?;
                    contents.imported(&text, scheme, index_of_policy)?;
                    fate(contents.last()?, &mut random);
                    texts.push(text);
                }
                1 | 2 => {
                    let issuer = issuers.get(random.below(issuers.len())).context("no issuer")?;
                    let text = signed(issuer, &mut random)?;
                    if random.below(2) == 0 {
                        contents.signed_override(issuer, parse(&text)?.id(), index_of_policy);
                        fate(contents.last()?, &mut random);
                    }
                    texts.push(text);
                }
                _ => {
                    let usage = if index % 4 == 0 { OpaqueUse::BearerAndSigning } else { OpaqueUse::Bearer };
                    let text = contents.opaque(prefix, usage, index_of_policy, &random.bytes())?;
                    fate(contents.last()?, &mut random);
                    if random.below(3) == 0 {
                        let issuer = issuers.get(random.below(issuers.len())).context("no issuer")?;
                        let terms = SignedKeyTerms::expiring(
                            ISSUED - 60 * random.below(9) as u64,
                            1 + random.below(30) as u32,
                        );
                        let value = value_of(&text)?;
                        let token = issuer.generate_access_token(parse(&text)?.id(), &value, terms)?;
                        texts.push(token.expose().to_owned());
                    }
                    texts.push(text);
                }
            }
        }
        let options = Options::with_keyring_keys(&[&key]);
        let bundle = contents.build(1, ISSUED)?.bundle;
        Ok(Self { random, setup: Setup { options, keyrings: vec![Given::new(bundle, ISSUED)] }, texts })
    }

    /// The next `count` texts: half of them keys as they are.
    ///
    /// # Errors
    /// None in practice.
    pub fn take(&mut self, count: usize) -> Result<Vec<Vec<u8>>> {
        let mut texts = Vec::with_capacity(count);
        for index in 0..count {
            let text =
                self.texts.get(self.random.below(self.texts.len())).context("no texts")?.clone().into_bytes();
            if index % 2 == 0 {
                texts.push(text);
                continue;
            }
            let other =
                self.texts.get(self.random.below(self.texts.len())).context("no texts")?.clone().into_bytes();
            texts.push(mutate(&mut self.random, text, &other)?);
        }
        Ok(texts)
    }

    /// The facts of the next request.
    ///
    /// # Errors
    /// None in practice.
    pub fn facts(&mut self) -> Result<Facts> {
        let random = &mut self.random;
        let mut facts = Facts::at(ISSUED - 100 + random.below(400) as u64);
        // Once in a while long after.
        if random.below(12) == 0 {
            facts.now = ISSUED + 3500 + random.below(200) as u64;
        }
        if random.below(6) == 0 {
            facts.tenant = Some(pick(random, &TENANTS)?.to_owned());
        }
        if random.below(3) != 0 {
            facts.address = Some(pick(random, &ADDRESSES)?.to_owned());
        }
        for _ in 0..random.below(4).saturating_sub(1) {
            facts.permissions.push(pick(random, &ASKED)?.to_owned());
        }
        if random.below(6) == 0 {
            facts.freshness = Freshness {
                require_fresh: Some(random.below(2) == 0),
                min_epoch: Some(random.below(3) as u64),
                max_age: Some(random.below(400) as u64),
            };
        }
        Ok(facts)
    }
}

fn add_policy(
    contents: &mut Contents,
    random: &mut Random,
    prefix: KeyPrefix,
    key_id: Option<KeyId>,
) -> Result<()> {
    let number = contents.policies.len();
    let (owner, external_id) = (format!("sa-{number}"), format!("Kundin-№{number}"));
    let mut terms = PolicyTerms::new(prefix, pick(random, &TENANTS)?, &owner);
    let permissions = [pick(random, &PERMISSIONS)?, pick(random, &PERMISSIONS)?];
    let networks: [Network; 2] = [pick(random, &NETWORKS)?.parse()?, pick(random, &NETWORKS)?.parse()?];
    let limits = [Limit::new("requests", random.bits() >> 11, 60), Limit::new("größe", 1, u32::MAX)];
    terms.permissions = permissions.get(..random.below(3)).unwrap_or_default();
    terms.networks = networks.get(..random.below(6).saturating_sub(3)).unwrap_or_default();
    terms.limits = limits.get(..random.below(3)).unwrap_or_default();
    terms.external_id = (random.below(2) == 0).then_some(&external_id);
    terms.role = (random.below(2) == 0).then_some("Rolle \"A\"\\\u{1}");
    terms.metadata = (random.below(2) == 0).then_some("{\"plan\":\"pro\"}");
    terms.read_only = random.below(6) == 0;
    terms.group_off = random.below(20) == 0;
    terms.key_id = key_id;
    contents.policy(&terms)?;
    Ok(())
}

/// Some keys are revoked, switched off, or good for a time only.
fn fate(record: &mut KeyRecord, random: &mut Random) {
    record.revoked = random.below(12) == 0;
    record.disabled = random.below(12) == 0;
    record.read_only = random.below(4) == 0;
    let time = |random: &mut Random| Some(ISSUED - 200 + random.below(600) as u64);
    record.not_before = time(random).filter(|_| random.below(4) == 0);
    record.expires_at = time(random).filter(|_| random.below(3) == 0);
}

fn signed(issuer: &IssuingKey, random: &mut Random) -> Result<String> {
    let issued_at = ISSUED - 600 + random.below(1200) as u64;
    let terms = match random.below(20) {
        0 => SignedKeyTerms::without_lifetime(issued_at),
        lifetime => SignedKeyTerms::expiring(issued_at, lifetime as u32),
    };
    let terms = if random.below(4) == 0 { terms.read_only() } else { terms };
    Ok(issuer.generate(&random.bytes(), terms)?.expose().to_owned())
}
