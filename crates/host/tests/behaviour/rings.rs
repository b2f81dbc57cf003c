//! A keyring with keys in every state, which the tests change and publish again.

use crate::fixtures::{NOW, embedded, issuing, key_with, live, prefix};
use claviger_host::{
    KeyringKeys, PoolOptions, Verifier,
    core::{
        KeyId, KeyKind, KeyRecord, KeyringBuilder, KeyringKey, KeyringSecret, KeyringTerms, Limit, OpaqueUse,
        PartKind, Policy, PolicyTerms, SignedKeyTerms, Verifier as NativeVerifier, VerifierValue,
        generate_opaque_key, parse,
    },
};

pub(crate) const FRESH_FOR: u32 = 60;
pub(crate) const VALID_FOR: u32 = 3600;
pub(crate) const METADATA: &str = r#"{"plan":"gold"}"#;

pub(crate) fn keyring_key() -> KeyringKey {
    KeyringKey::generate(&[0x61; 40])
}

/// How a keyring differs from the others.
#[derive(Clone)]
pub(crate) struct Ring {
    pub(crate) key: KeyringKey,
    pub(crate) keyring_id: KeyId,
    pub(crate) epoch: u64,
    pub(crate) issued_at: u64,
    /// Whether [`good`] is revoked.
    pub(crate) revoked: bool,
}

/// A keyring as it is published.
pub(crate) struct Published {
    pub(crate) root: Vec<u8>,
    pub(crate) bundle: Vec<u8>,
    pub(crate) parts: Vec<(PartKind, u32, Vec<u8>)>,
}

/// An opaque key; another seed makes another one, and far from it.
pub(crate) fn opaque(seed: u8) -> (KeyId, String) {
    let (id, key) = generate_opaque_key(&live(), OpaqueUse::Bearer, &[seed; 40]);
    (id, key.expose().to_owned())
}

pub(crate) fn good() -> String {
    opaque(0x01).1
}

pub(crate) fn signed() -> String {
    key_with(live(), &issuing(1, 1), SignedKeyTerms::expiring(NOW, 60))
}

/// Texts to present: keys in every state, and what is none.
pub(crate) fn presented() -> Vec<String> {
    let mut all: Vec<String> =
        [0x01, 0x11, 0x51, 0x52, 0x91, 0x92, 0xd1, 0xd2, 0xee].map(|seed| opaque(seed).1).into();
    // The id of a good key with another secret, and with the end of another key.
    let forged = std::array::from_fn(|place| if place < 8 { 0x01 } else { 0x02 });
    all.push(generate_opaque_key(&live(), OpaqueUse::Bearer, &forged).1.expose().to_owned());
    let (good, other) = (good(), opaque(0x11).1);
    let (id, end) = (good.split_at(21).0, other.split_at(21).1);
    all.push(format!("{id}{end}"));
    all.extend([signed(), good.replace("live", "Live"), good.split_at(40).0.to_owned(), String::new()]);
    all.push(key_with(prefix("other"), &issuing(1, 1), SignedKeyTerms::expiring(NOW, 60)));
    all.push(generate_opaque_key(&prefix("other"), OpaqueUse::Bearer, &[0x01; 40]).1.expose().to_owned());
    all
}

impl Ring {
    pub(crate) fn at(epoch: u64) -> Self {
        let keyring_id = KeyId::from_u64(7);
        Self { key: keyring_key(), keyring_id, epoch, issued_at: NOW, revoked: false }
    }

    pub(crate) fn published(&self) -> Published {
        let terms = KeyringTerms { keyring_id: self.keyring_id, fresh_for: FRESH_FOR, valid_for: VALID_FOR };
        // Four buckets.
        let mut builder = KeyringBuilder::new(&self.key, terms, 8);
        let mut parts = Vec::new();
        for (page, policies) in policies().into_iter().enumerate() {
            let page = u32::try_from(page).unwrap();
            parts.push((PartKind::Page, page, builder.set_page(page, &[Some(policies)]).unwrap()));
        }
        let records = self.records();
        for bucket in 0..builder.buckets() {
            let of_bucket: Vec<KeyRecord> =
                records.iter().filter(|record| builder.bucket_of(record.id) == bucket).cloned().collect();
            let part = builder.set_bucket(bucket, &of_bucket).unwrap().expect("every bucket has keys");
            parts.push((PartKind::Chunk, bucket, part));
        }
        let secret = issuing(1, 1);
        builder.set_shared_secrets(&[KeyringSecret::issuing(&secret, live(), 0)]).unwrap();
        let root = builder.finish(self.epoch, self.issued_at).unwrap();
        let part = |hash: &[u8; 32]| {
            parts.iter().find(|(_, _, part)| part.hash == *hash).map(|(_, _, part)| &part.bytes[..])
        };
        let bundle = builder.bundle(&root, part).unwrap();
        let parts = parts.into_iter().map(|(kind, index, part)| (kind, index, part.bytes)).collect();
        Published { root, bundle, parts }
    }

    pub(crate) fn bundle(&self) -> Vec<u8> {
        self.published().bundle
    }

    fn records(&self) -> Vec<KeyRecord> {
        let record = |seed, policy| {
            let (id, key) = opaque(seed);
            let value = VerifierValue::of_key(&parse(&key).unwrap()).unwrap();
            KeyRecord::new(id, KeyKind::Opaque, value, policy)
        };
        let mut records = vec![record(0x01, 0)];
        records[0].revoked = self.revoked;
        let mut add = |seed, policy, change: &dyn Fn(&mut KeyRecord)| {
            let mut record = record(seed, policy);
            change(&mut record);
            records.push(record);
        };
        add(0x11, 0, &|record| record.revoked = true);
        add(0x51, 0, &|record| record.disabled = true);
        add(0x52, 0, &|record| record.not_before = Some(NOW + 30));
        add(0x91, 0, &|record| record.expires_at = Some(NOW + 10));
        add(0x92, 0, &|record| record.read_only = true);
        // Policies of the second page: one for a network, and one whose tenant is switched off.
        add(0xd1, 256, &|_| {});
        add(0xd2, 512, &|_| {});
        records
    }
}

/// The first policy of each page.
fn policies() -> [Policy<'static>; 3] {
    let networks = ["192.0.2.0/24".parse().unwrap()];
    let limits = [Limit::new("requests", 100, 60)];
    let mut terms = PolicyTerms::new(live(), "tenant-7", "sa-12");
    terms.external_id = Some("crm-99");
    terms.role = Some("dispatcher");
    terms.permissions = &["flights:*", "crews:view"];
    terms.metadata = Some(METADATA);
    terms.limits = &limits;
    let mut of_network = terms;
    of_network.networks = &networks;
    let mut off = terms;
    off.tenant_off = true;
    [terms, of_network, off].map(|terms| Policy::new(&terms).unwrap())
}

/// A hosted verifier without a keyring.
pub(crate) fn verifier(options: PoolOptions) -> Verifier {
    Verifier::with_keyring_keys(embedded(), KeyringKeys::from(keyring_key()), options).unwrap()
}

/// A hosted verifier and a native one, with this keyring.
pub(crate) fn pair(keyring: &[u8]) -> (Verifier, NativeVerifier) {
    let hosted = verifier(PoolOptions::default());
    hosted.replace_keyring(keyring.to_vec(), NOW).unwrap();
    let mut native = NativeVerifier::with_keyring_keys([keyring_key()]).unwrap();
    native.replace_keyring(keyring.to_vec(), NOW).unwrap();
    (hosted, native)
}
