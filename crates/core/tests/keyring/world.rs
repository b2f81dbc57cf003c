//! A random company: tenants, policies, keys of every kind and fate, and what is presented of them.
//!
//! Beside the keyring that is built of it stands a plain model that decides without bytes, masks and hashes.

use claviger_core::{
    DenialCode, ImportScheme, IssuingKey, KeyId, KeyKind, KeyPrefix, KeyRecord, KeyringBuilder, KeyringKey,
    KeyringPart, KeyringSecret, KeyringTerms, Limit, Network, OpaqueUse, Policy, PolicyTerms, Purpose,
    RequestContext, SharedSecret, SignedKeyTerms, VerifierValue, generate_opaque_key, parse,
};
use std::{collections::HashMap, net::IpAddr};

/// When the keyring is issued, in Unix seconds, at the start of a minute.
pub(crate) const ISSUED: u64 = 1_790_000_040;
pub(crate) const FRESH: u32 = 60;
pub(crate) const VALID: u32 = 3600;
pub(crate) const PREFIXES: [&str; 2] = ["acme_live", "acme_test"];
const TENANTS: [&str; 2] = ["tenant-1", "tenant-2"];
const PATTERNS: [&str; 6] = ["*", "flights:*", "flights:view", "*:view", "crew:modify", "flights:seats:view"];
const ASKED: [&str; 6] =
    ["flights:view", "flights:modify", "crew:view", "flights:seats:view", "view", "not a permission"];
const NETWORKS: [&str; 5] =
    ["10.0.0.0/8", "192.0.2.0/25", "2001:db8::/32", "::ffff:198.51.100.0/120", "::/0"];
const ADDRESSES: [&str; 6] =
    ["10.1.2.3", "::ffff:10.1.2.3", "192.0.2.200", "2001:db8::7", "198.51.100.9", "203.0.113.1"];

/// SplitMix64.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.bits() % bound as u64) as usize
    }

    pub(crate) fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    pub(crate) fn of<'o, T>(&mut self, options: &'o [T]) -> &'o T {
        &options[self.below(options.len())]
    }

    pub(crate) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.bits() as u8)
    }
}

/// A policy in plain terms.
#[derive(Clone, Debug)]
pub(crate) struct ModelPolicy {
    pub(crate) prefix: &'static str,
    pub(crate) tenant: &'static str,
    pub(crate) owner: String,
    pub(crate) external_id: Option<String>,
    pub(crate) role: Option<String>,
    pub(crate) permissions: Vec<&'static str>,
    pub(crate) networks: Vec<&'static str>,
    pub(crate) metadata: Option<String>,
    pub(crate) limits: Vec<(String, u64, u32)>,
    pub(crate) read_only: bool,
    pub(crate) off: [bool; 3],
    pub(crate) key_id: Option<KeyId>,
}

impl ModelPolicy {
    pub(crate) fn random(random: &mut Random, number: usize, prefix: &'static str) -> Self {
        let some = |random: &mut Random, text: &str| random.one_in(2).then(|| format!("{text}-{number}"));
        Self {
            prefix,
            tenant: TENANTS[random.below(2)],
            owner: format!("owner-{number}"),
            external_id: some(random, "customer"),
            role: some(random, "rôle"),
            permissions: (0..random.below(4)).map(|_| *random.of(&PATTERNS)).collect(),
            networks: (0..random.below(3)).map(|_| *random.of(&NETWORKS)).collect(),
            metadata: some(random, "{}"),
            limits: (0..random.below(2)).map(|n| (format!("limit-{n}"), random.bits() >> 11, 60)).collect(),
            read_only: random.one_in(5),
            off: [random.one_in(12), random.one_in(12), random.one_in(12)],
            key_id: None,
        }
    }

    pub(crate) fn encode(&self) -> Policy<'static> {
        let networks: Vec<Network> = self.networks.iter().map(|network| network.parse().unwrap()).collect();
        let limits: Vec<Limit<'_>> =
            self.limits.iter().map(|(name, max, seconds)| Limit::new(name, *max, *seconds)).collect();
        let mut terms = PolicyTerms::new(self.prefix.parse().unwrap(), self.tenant, &self.owner);
        terms.external_id = self.external_id.as_deref();
        terms.role = self.role.as_deref();
        terms.permissions = &self.permissions;
        terms.networks = &networks;
        terms.metadata = self.metadata.as_deref();
        terms.limits = &limits;
        terms.read_only = self.read_only;
        [terms.group_off, terms.owner_off, terms.tenant_off] = self.off;
        terms.key_id = self.key_id;
        Policy::new(&terms).unwrap()
    }
}

/// What a presented text is, before policy is asked.
#[derive(Clone, Debug)]
pub(crate) enum Nature {
    /// It proves nothing.
    Unproven(DenialCode),
    /// It is this key.
    Proven {
        kind: KeyKind,
        id: KeyId,
        /// What it was presented with; none of an imported key.
        prefix: Option<&'static str>,
        policy: usize,
        revoked: bool,
        disabled: bool,
        read_only: bool,
        not_before: Option<u64>,
        /// All that end it.
        ends: Vec<u64>,
        issued_at: Option<u64>,
    },
}

pub(crate) struct Presented {
    pub(crate) text: String,
    pub(crate) nature: Nature,
}

pub(crate) struct World {
    pub(crate) random: Random,
    pub(crate) keyring_key: KeyringKey,
    pub(crate) keyring_id: KeyId,
    pub(crate) policies: Vec<ModelPolicy>,
    pub(crate) records: Vec<KeyRecord>,
    pub(crate) secrets: Vec<(KeyPrefix, SharedSecret, u32)>,
    pub(crate) presented: Vec<Presented>,
    pub(crate) buckets_for: usize,
}

/// A keyring in parts.
pub(crate) struct Built {
    pub(crate) root: Vec<u8>,
    pub(crate) parts: HashMap<[u8; 32], Vec<u8>>,
    pub(crate) bundle: Vec<u8>,
}

pub(crate) fn keep(parts: &mut HashMap<[u8; 32], Vec<u8>>, part: Option<KeyringPart>) {
    parts.extend(part.map(|part| (part.hash, part.bytes)));
}

impl World {
    pub(crate) fn new(seed: u64, keys: usize) -> Self {
        let mut random = Random(seed);
        let mut world = Self {
            keyring_key: KeyringKey::generate(&random.bytes()),
            keyring_id: KeyId::from_u64(random.bits()),
            policies: Vec::new(),
            records: Vec::new(),
            secrets: Vec::new(),
            presented: Vec::new(),
            buckets_for: keys,
            random,
        };
        for number in 0..6 {
            let prefix = PREFIXES[number % 2];
            world.policies.push(ModelPolicy::random(&mut world.random, number, prefix));
        }
        for (number, prefix) in PREFIXES.into_iter().enumerate() {
            for version in [0, 7] {
                let secret = SharedSecret::generate(Purpose::Issuing, version, &world.random.bytes());
                // The policies of a prefix have every second index.
                let policy = (number + 2 * world.random.below(3)) as u32;
                world.secrets.push((prefix.parse().unwrap(), secret, policy));
            }
        }
        for _ in 0..keys {
            match world.random.below(10) {
                0..=3 => world.opaque(OpaqueUse::Bearer),
                4 => world.opaque(OpaqueUse::BearerAndSigning),
                5..=6 => world.signed(),
                7 => world.imported(),
                _ => world.stranger(),
            }
        }
        world
    }

    /// A time near the issue of the keyring.
    fn time(&mut self) -> Option<u64> {
        (!self.random.one_in(2)).then(|| ISSUED - 600 + self.random.bits() % 3000)
    }

    fn opaque(&mut self, usage: OpaqueUse) {
        let prefix = *self.random.of(&PREFIXES);
        let entropy = self.random.bytes();
        let (id, key) = generate_opaque_key(&prefix.parse().unwrap(), usage, &entropy);
        let parsed = parse(key.expose()).unwrap();
        let kind = parsed.kind();
        let value = VerifierValue::of_key(&parsed).unwrap();
        let policy = self.random.below(6);
        let mut record = KeyRecord::new(id, kind, value.clone(), policy as u32);
        record.not_before = self.time().filter(|_| self.random.one_in(2));
        record.expires_at = self.time();
        record.revoked = self.random.one_in(8);
        record.disabled = self.random.one_in(8);
        record.read_only = self.random.one_in(4);
        let nature = |record: &KeyRecord, prefix| Nature::Proven {
            kind,
            id,
            prefix: Some(prefix),
            policy: record.policy as usize,
            revoked: record.revoked,
            disabled: record.disabled,
            read_only: record.read_only,
            not_before: record.not_before,
            ends: record.expires_at.into_iter().collect(),
            issued_at: None,
        };
        self.present(key.expose(), nature(&record, prefix));

        // The same secret under the other prefix, with the checksum of that.
        let other = PREFIXES[usize::from(prefix == PREFIXES[0])];
        let (_, renamed) = generate_opaque_key(&other.parse().unwrap(), usage, &entropy);
        self.present(renamed.expose(), nature(&record, other));
        // Another secret of the same id; and the same id and secret as a key of the other kind.
        let mut changed = entropy;
        changed[39] ^= 1;
        let (_, wrong) = generate_opaque_key(&prefix.parse().unwrap(), usage, &changed);
        self.present(wrong.expose(), Nature::Unproven(DenialCode::BadSecret));
        let swapped = match usage {
            OpaqueUse::Bearer => OpaqueUse::BearerAndSigning,
            OpaqueUse::BearerAndSigning => OpaqueUse::Bearer,
        };
        let (_, swapped) = generate_opaque_key(&prefix.parse().unwrap(), swapped, &entropy);
        self.present(swapped.expose(), Nature::Unproven(DenialCode::UnknownKey));

        if self.random.one_in(3) {
            self.tokens(&record, &value, id);
        }
        if self.random.one_in(4) {
            // In rotation: another secret of the same id, with a fate of its own.
            let mut entropy = self.random.bytes::<40>();
            entropy[..8].copy_from_slice(&id.as_u64().to_be_bytes());
            let (_, next) = generate_opaque_key(&prefix.parse().unwrap(), usage, &entropy);
            let value = VerifierValue::of_key(&parse(next.expose()).unwrap()).unwrap();
            let mut second = KeyRecord::new(id, kind, value, record.policy);
            second.expires_at = self.time();
            self.present(next.expose(), nature(&second, prefix));
            self.records.push(second);
        }
        self.records.push(record);
    }

    /// Access tokens of a client: live, of a record that is gone, of a version that nobody has.
    fn tokens(&mut self, record: &KeyRecord, value: &VerifierValue, id: KeyId) {
        let (prefix, secret, of_secret) = self.random.of(&self.secrets.clone()).clone();
        let issuer = IssuingKey::new(prefix, &secret).unwrap();
        let issued_at = ISSUED - 60 * self.random.below(10) as u64;
        let lifetime = 1 + self.random.below(30) as u32;
        let mut terms = SignedKeyTerms::expiring(issued_at, lifetime);
        let claimed_read_only = self.random.one_in(3);
        if claimed_read_only {
            terms = terms.read_only();
        }
        let token = issuer.generate_access_token(id, value, terms).unwrap();
        let nature = Nature::Proven {
            kind: KeyKind::AccessToken,
            id,
            prefix: Some(PREFIXES[usize::from(prefix.as_str() == PREFIXES[1])]),
            policy: record.policy as usize,
            revoked: record.revoked,
            disabled: record.disabled,
            read_only: record.read_only || claimed_read_only,
            not_before: record.not_before,
            ends: record
                .expires_at
                .into_iter()
                .chain([issued_at / 60 * 60 + u64::from(lifetime) * 60])
                .collect(),
            issued_at: Some(issued_at / 60 * 60),
        };
        // A secret makes tokens for the clients of its own tenant only.
        let tenant = |policy: u32| self.policies[policy as usize].tenant;
        let same_tenant = tenant(of_secret) == tenant(record.policy);
        self.present(
            token.expose(),
            if same_tenant { nature } else { Nature::Unproven(DenialCode::BadSecret) },
        );

        let regenerated = VerifierValue::from_bytes([1; 32]);
        let dead = issuer.generate_access_token(id, &regenerated, terms).unwrap();
        self.present(dead.expose(), Nature::Unproven(DenialCode::BadSecret));
        let retired = SharedSecret::generate(Purpose::Issuing, 99, &self.random.bytes());
        let retired = IssuingKey::new(prefix, &retired).unwrap();
        let of_retired = retired.generate_access_token(id, value, terms).unwrap();
        self.present(of_retired.expose(), Nature::Unproven(DenialCode::UnknownKey));
        let nobody = KeyId::from_u64(self.random.bits());
        let of_nobody = issuer.generate_access_token(nobody, value, terms).unwrap();
        self.present(of_nobody.expose(), Nature::Unproven(DenialCode::UnknownKey));
    }

    fn signed(&mut self) {
        let place = self.random.below(self.secrets.len());
        let (prefix, secret, policy) = self.secrets[place].clone();
        let prefix_text = PREFIXES[usize::from(prefix.as_str() == PREFIXES[1])];
        let issuer = IssuingKey::new(prefix, &secret).unwrap();
        let issued_at = ISSUED - 1200 + 60 * self.random.below(60) as u64;
        let lifetime = self.random.below(60) as u32;
        let mut terms = match lifetime {
            0 => SignedKeyTerms::without_lifetime(issued_at),
            minutes => SignedKeyTerms::expiring(issued_at, minutes),
        };
        let claimed_read_only = self.random.one_in(3);
        if claimed_read_only {
            terms = terms.read_only();
        }
        let key = issuer.generate(&self.random.bytes(), terms).unwrap();
        let id = parse(key.expose()).unwrap().id();
        let issued_at = issued_at / 60 * 60;
        let of_secret = self.policies[policy as usize].clone();
        let mut policy = policy as usize;
        let mut over = None;
        if self.random.one_in(2) {
            // An override may select another policy of the same tenant, never more.
            let same = |other: &usize| self.policies[*other].tenant == self.policies[policy].tenant;
            let choices: Vec<usize> = (0..6).filter(same).collect();
            policy = *self.random.of(&choices);
            let mut record = KeyRecord::signed_override(id, secret.id(), secret.version(), policy as u32);
            record.revoked = self.random.one_in(3);
            record.disabled = self.random.one_in(6);
            record.read_only = self.random.one_in(4);
            record.expires_at = self.time().filter(|_| self.random.one_in(2));
            self.records.push(record.clone());
            over = Some(record);
        }
        let nature = Nature::Proven {
            kind: KeyKind::Signed,
            id,
            prefix: Some(prefix_text),
            policy,
            revoked: over.as_ref().is_some_and(|record| record.revoked),
            // Whatever the override selects, what holds for the secret holds for its keys.
            disabled: of_secret.off.contains(&true) || over.as_ref().is_some_and(|record| record.disabled),
            read_only: claimed_read_only
                || of_secret.read_only
                || over.as_ref().is_some_and(|record| record.read_only),
            not_before: None,
            ends: (lifetime != 0)
                .then_some(issued_at + u64::from(lifetime) * 60)
                .into_iter()
                .chain(over.as_ref().and_then(|record| record.expires_at))
                .collect(),
            issued_at: Some(issued_at),
        };
        self.present(key.expose(), nature);
        // An opaque record never answers for a signed key, so an unknown version is unknown whatever stands beside it.
        let retired = SharedSecret::generate(Purpose::Issuing, 99, &self.random.bytes());
        let retired =
            IssuingKey::new(prefix, &retired).unwrap().generate(&self.random.bytes(), terms).unwrap();
        self.present(retired.expose(), Nature::Unproven(DenialCode::UnknownKey));
        // Who holds another version may choose the id of this key: what an override says of this one is not for his.
        if over.is_some() {
            let others: Vec<usize> = (0..self.secrets.len()).filter(|&other| other != place).collect();
            let (other_prefix, other, other_policy) = self.secrets[*self.random.of(&others)].clone();
            let issued_at = ISSUED - 60;
            let terms = SignedKeyTerms::expiring(issued_at, 60);
            let same_id = IssuingKey::new(other_prefix, &other).unwrap();
            let same_id = same_id.generate(&id.as_u64().to_be_bytes(), terms).unwrap();
            let nature = Nature::Proven {
                kind: KeyKind::Signed,
                id,
                prefix: Some(PREFIXES[usize::from(other_prefix.as_str() == PREFIXES[1])]),
                policy: other_policy as usize,
                revoked: false,
                disabled: false,
                read_only: false,
                not_before: None,
                ends: vec![issued_at / 60 * 60 + 3600],
                issued_at: Some(issued_at / 60 * 60),
            };
            self.present(same_id.expose(), nature);
        }
        let forged = SharedSecret::generate(Purpose::Issuing, secret.version(), &self.random.bytes());
        let forged = IssuingKey::new(prefix, &forged).unwrap().generate(&self.random.bytes(), terms).unwrap();
        self.present(forged.expose(), Nature::Unproven(DenialCode::BadSecret));
    }

    fn imported(&mut self) {
        let scheme = *self.random.of(&ImportScheme::ALL);
        let text = format!("sk_{:x}_{:x}", self.random.bits(), self.random.bits());
        let digest = scheme.digest(text.as_bytes()).unwrap();
        let (public, prefix) = (KeyId::from_u64(self.random.bits()), *self.random.of(&PREFIXES));
        let policy = self.policies.len();
        let mut model = ModelPolicy::random(&mut self.random, policy, prefix);
        model.key_id = Some(public);
        self.policies.push(model);
        let id = self.keyring_key.imported_record_id(self.keyring_id, &digest);
        let value = VerifierValue::of_import(&digest);
        let mut record = KeyRecord::new(id, KeyKind::Imported, value, policy as u32);
        record.expires_at = self.time();
        record.revoked = self.random.one_in(8);
        let nature = Nature::Proven {
            kind: KeyKind::Imported,
            id: public,
            prefix: None,
            policy,
            revoked: record.revoked,
            disabled: false,
            read_only: false,
            not_before: None,
            ends: record.expires_at.into_iter().collect(),
            issued_at: None,
        };
        self.present(&text, nature.clone());
        if scheme == ImportScheme::Sha256AfterLastUnderscore {
            // Whatever precedes the last underscore is not hashed.
            let tail = text.rsplit('_').next().unwrap();
            self.present(&format!("other_{tail}"), nature);
        }
        self.present(&format!("{text}0"), Nature::Unproven(DenialCode::UnknownKey));
        self.records.push(record);
    }

    fn stranger(&mut self) {
        let prefix = *self.random.of(&PREFIXES);
        let (_, key) = generate_opaque_key(&prefix.parse().unwrap(), OpaqueUse::Bearer, &self.random.bytes());
        self.present(key.expose(), Nature::Unproven(DenialCode::UnknownKey));
        let secret = SharedSecret::generate(Purpose::Issuing, 0, &self.random.bytes());
        let issuer = IssuingKey::new("other_live".parse().unwrap(), &secret).unwrap();
        let signed = issuer.generate(&self.random.bytes(), SignedKeyTerms::expiring(ISSUED, 9)).unwrap();
        self.present(signed.expose(), Nature::Unproven(DenialCode::WrongPrefix));
        let (typo, _) = key.expose().split_at(key.expose().len() - 1);
        let last = if key.expose().ends_with('0') { '1' } else { '0' };
        self.present(&format!("{typo}{last}"), Nature::Unproven(DenialCode::BadChecksum));
        let text = format!("{:x}", self.random.bits());
        self.present(&text, Nature::Unproven(DenialCode::UnknownKey));
    }

    fn present(&mut self, text: &str, nature: Nature) {
        self.presented.push(Presented { text: text.to_owned(), nature });
    }

    pub(crate) fn terms(&self) -> KeyringTerms {
        KeyringTerms { keyring_id: self.keyring_id, fresh_for: FRESH, valid_for: VALID }
    }

    /// The whole keyring.
    pub(crate) fn build(&self, epoch: u64) -> Built {
        let mut builder = KeyringBuilder::new(&self.keyring_key, self.terms(), self.buckets_for);
        let mut parts = HashMap::new();
        for bucket in 0..builder.buckets() {
            keep(&mut parts, builder.set_bucket(bucket, &self.bucket(&builder, bucket)).unwrap());
        }
        for (page, policies) in self.policies.chunks(256).enumerate() {
            let policies: Vec<_> = policies.iter().map(|policy| Some(policy.encode())).collect();
            keep(&mut parts, builder.set_page(page as u32, &policies).ok());
        }
        self.tell_secrets(&mut builder);
        builder.set_import_schemes(&ImportScheme::ALL);
        let root = builder.finish(epoch, ISSUED).unwrap();
        let bundle = builder.bundle(&root, |hash| parts.get(hash).map(Vec::as_slice)).unwrap();
        Built { root, parts, bundle }
    }

    pub(crate) fn bucket(&self, builder: &KeyringBuilder, bucket: u32) -> Vec<KeyRecord> {
        self.records.iter().filter(|record| builder.bucket_of(record.id) == bucket).cloned().collect()
    }

    pub(crate) fn tell_secrets(&self, builder: &mut KeyringBuilder) {
        let secrets: Vec<KeyringSecret<'_>> = self
            .secrets
            .iter()
            .map(|(prefix, secret, policy)| KeyringSecret::issuing(secret, *prefix, *policy))
            .collect();
        builder.set_shared_secrets(&secrets).unwrap();
    }
}

/// A request in plain terms.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) now: u64,
    pub(crate) tenant: Option<&'static str>,
    pub(crate) address: Option<&'static str>,
    pub(crate) permissions: Vec<&'static str>,
}

impl Request {
    pub(crate) fn random(random: &mut Random) -> Self {
        Self {
            now: ISSUED - 400 + random.bits() % 2000,
            tenant: random.one_in(3).then(|| *random.of(&TENANTS)),
            address: (!random.one_in(3)).then(|| *random.of(&ADDRESSES)),
            permissions: (0..random.below(3)).map(|_| *random.of(&ASKED)).collect(),
        }
    }

    pub(crate) fn context(&self) -> RequestContext<'_> {
        let mut context = RequestContext::at(self.now).permissions(&self.permissions);
        if let Some(tenant) = self.tenant {
            context = context.tenant(tenant);
        }
        if let Some(address) = self.address {
            context = context.address(address.parse::<IpAddr>().unwrap());
        }
        context
    }
}
