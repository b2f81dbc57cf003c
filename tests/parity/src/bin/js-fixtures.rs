//! Writes `tests/vectors/keyring/js-fixtures.json`: keyrings for the tests of the npm package, which can read them and
//! not make them. The same bytes at every run.

use anyhow::{Context, Result};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use claviger_core::{
    ImportScheme, IssuingKey, KeyId, KeyKind, KeyPrefix, KeyRecord, KeyringBuilder, KeyringKey, KeyringPart,
    KeyringSecret, KeyringTerms, Limit, OpaqueUse, POLICIES_PER_PAGE, Policy, PolicyTerms, Purpose,
    SharedSecret, SignedKeyTerms, VerifierValue, generate_opaque_key, parse,
};
use serde_json::{Map, Value, json};
use std::{fs, path::Path};

/// When the first epoch is issued: the start of a minute.
const NOW: u64 = 1_790_000_040;
/// As many keys as make eight buckets, so that parts are missing one by one.
const EXPECTED_KEYS: usize = 8000;
/// A policy on a page of its own, far behind the others.
const IMPORTED: u32 = 4096;
/// As many keys as make 512 buckets, and how many of these have a key: more parts than may be fetched at once.
const EXPECTED_KEYS_WIDE: usize = 100_000;
const WIDE_CHUNKS: u64 = 320;
/// So many of the keys of the wide keyring are told.
const WIDE_KEYS: u64 = 8;

fn entropy(start: u8) -> [u8; 40] {
    std::array::from_fn(|i| start.wrapping_mul(41).wrapping_add((i as u8).wrapping_mul(start | 1)))
}

/// Keys by name, and their records.
struct Keys {
    texts: Map<String, Value>,
    records: Vec<KeyRecord>,
    drawn: u8,
}

impl Keys {
    /// Makes a random key, and keeps its record as `change` leaves it.
    fn add(
        &mut self,
        name: &str,
        usage: OpaqueUse,
        policy: u32,
        change: impl FnOnce(&mut KeyRecord),
    ) -> Result<()> {
        self.drawn += 1;
        let (id, key) = generate_opaque_key(&KeyPrefix::new("acme_live")?, usage, &entropy(self.drawn));
        let parsed = parse(key.expose())?;
        let value = VerifierValue::of_key(&parsed).context("an opaque key has a value")?;
        let mut record = KeyRecord::new(id, parsed.kind(), value, policy);
        change(&mut record);
        self.records.push(record);
        self.texts.insert(name.to_owned(), key.expose().into());
        Ok(())
    }
}

/// A keyring with everything that is about it.
struct Ring {
    root: Vec<u8>,
    parts: Vec<(&'static str, u32, KeyringPart)>,
    bundle: Vec<u8>,
}

/// Pages of policies by their numbers.
type Pages = [(u32, Vec<Option<Policy<'static>>>); 2];

/// The policies, the first of which has a role.
fn policies(role: &str, imported: KeyId) -> Result<Pages> {
    let prefix = KeyPrefix::new("acme_live")?;
    let longest = "x".repeat(128);
    let full_limits = [Limit::new("requests", 600, 60), Limit::new("exports", 60_000, 3600)];
    let unicode_limits = [Limit::new("Abrufe täglich", 7, 86_400)];
    // Their bytes are the beginning of a character in UTF-8, and a whole one.
    let odd_limits = [
        Limit::new("cut", 0x82e2, u32::MAX),
        Limit::new("whole", 0xa9c3, 1),
        Limit::new("large", (1 << 53) - 1, 0),
    ];
    let plain = PolicyTerms::new(prefix, "tenant-8", "sa-13");
    let mut full = PolicyTerms::new(prefix, "tenant-7", "sa-12");
    full.external_id = Some("crm/4711");
    full.role = Some(role);
    full.permissions = &["flights:*", "bookings:view"];
    full.metadata = Some(r#"{"plan":"pro"}"#);
    full.limits = &full_limits;
    let mut unicode = PolicyTerms::new(prefix, "müller-🔑", "\u{feff}größe");
    unicode.external_id = Some("ä");
    unicode.role = Some("Ärzte");
    unicode.permissions = &["flights:view"];
    unicode.metadata = Some(r#"{"ort":"Köln"}"#);
    unicode.limits = &unicode_limits;
    let mut networks = PolicyTerms::new(prefix, "tenant-9", "sa-13");
    let allowed = ["10.0.0.0/8".parse()?, "2001:db8::/32".parse()?];
    networks.networks = &allowed;
    let mut odd = plain;
    let permissions = [longest.as_str(), "flights:view"];
    odd.permissions = &permissions;
    odd.limits = &odd_limits;
    let mut replacement = PolicyTerms::new(prefix, "tenant-\u{fffd}", "sa-14");
    replacement.read_only = true;
    replacement.permissions = &["*"];
    let mut legacy = PolicyTerms::new(prefix, "tenant-7", "sa-15");
    legacy.key_id = Some(imported);
    let policy = |terms: &PolicyTerms<'_>| Policy::new(terms).map(Some);
    let first = [&full, &plain, &unicode, &networks, &odd, &replacement];
    let first = first.into_iter().map(policy).collect::<Result<_, _>>()?;
    Ok([(0, first), (IMPORTED / POLICIES_PER_PAGE, vec![policy(&legacy)?])])
}

#[derive(Clone, Copy)]
struct Making<'m> {
    expected_keys: usize,
    key: &'m KeyringKey,
    keyring_id: KeyId,
    epoch: u64,
    issued_at: u64,
    secret: &'m SharedSecret,
    policies: &'m Pages,
}

fn ring(making: Making<'_>, records: &[KeyRecord]) -> Result<Ring> {
    let mut builder =
        KeyringBuilder::new(making.key, KeyringTerms::new(making.keyring_id), making.expected_keys);
    builder.set_import_schemes(&ImportScheme::ALL);
    builder.set_shared_secrets(&[KeyringSecret::issuing(making.secret, "acme_live".parse()?, 0)])?;
    let mut parts = Vec::new();
    for bucket in 0..builder.buckets() {
        let inside: Vec<KeyRecord> =
            records.iter().filter(|record| builder.bucket_of(record.id) == bucket).cloned().collect();
        if let Some(part) = builder.set_bucket(bucket, &inside)? {
            parts.push(("chunk", bucket, part));
        }
    }
    for (page, policies) in making.policies {
        parts.push(("page", *page, builder.set_page(*page, policies)?));
    }
    let root = builder.finish(making.epoch, making.issued_at)?;
    let part = |hash: &[u8; 32]| {
        parts.iter().find(|(_, _, part)| part.hash == *hash).map(|(_, _, part)| &part.bytes[..])
    };
    let bundle = builder.bundle(&root, part)?;
    Ok(Ring { root, parts, bundle })
}

/// The records of a keyring with a key in each of many buckets, and the first of these keys.
fn wide_keys() -> Result<(Vec<KeyRecord>, Vec<String>)> {
    let (mut records, mut texts) = (Vec::new(), Vec::new());
    for bucket in 0..WIDE_CHUNKS {
        let mut entropy = [bucket as u8; 40];
        entropy[..8].copy_from_slice(&(bucket << 55 | bucket).to_be_bytes());
        let (id, key) = generate_opaque_key(&KeyPrefix::new("acme_live")?, OpaqueUse::Bearer, &entropy);
        let value = VerifierValue::of_key(&parse(key.expose())?).context("an opaque key has a value")?;
        records.push(KeyRecord::new(id, KeyKind::Opaque, value, 1));
        if bucket < WIDE_KEYS {
            texts.push(key.expose().to_owned());
        }
    }
    Ok((records, texts))
}

fn main() -> Result<()> {
    let (bearer, sign) = (OpaqueUse::Bearer, OpaqueUse::BearerAndSigning);
    let mut keys = Keys { texts: Map::new(), records: Vec::new(), drawn: 0 };
    keys.add("full", bearer, 0, |_| {})?;
    keys.add("signing", sign, 0, |_| {})?;
    keys.add("plain", bearer, 1, |_| {})?;
    keys.add("unicode", bearer, 2, |_| {})?;
    keys.add("networks", bearer, 3, |_| {})?;
    keys.add("odd", bearer, 4, |_| {})?;
    keys.add("readOnly", bearer, 5, |_| {})?;
    keys.add("revoked", bearer, 0, |record| record.revoked = true)?;
    keys.add("disabled", bearer, 0, |record| record.disabled = true)?;
    keys.add("early", bearer, 0, |record| record.not_before = Some(NOW + 20))?;
    keys.add("expiring", bearer, 0, |record| record.expires_at = Some(NOW + 40))?;
    keys.add("lost", bearer, 700, |_| {})?;
    keys.add("revokedLater", bearer, 0, |_| {})?;
    let later = keys.records.len() - 1;
    keys.add("unknown", bearer, 0, |_| {})?;
    keys.records.pop();

    // The first key with the secret of another.
    let mut half = entropy(1);
    half[8..].copy_from_slice(&entropy(99)[8..]);
    let (_, forged) = generate_opaque_key(&KeyPrefix::new("acme_live")?, bearer, &half);
    keys.texts.insert("forged".into(), forged.expose().into());

    let secret = SharedSecret::generate(Purpose::Issuing, 3, &entropy(50));
    let issuer = IssuingKey::new("acme_live".parse()?, &secret)?;
    let signed = |start: u8| issuer.generate(&[start; 8], SignedKeyTerms::expiring(NOW, 60));
    let (good, revoked) = (signed(60)?, signed(61)?);
    let mut revocation = KeyRecord::signed_override(parse(revoked.expose())?.id(), secret.id(), 3, 0);
    revocation.revoked = true;
    keys.records.push(revocation);
    keys.texts.insert("signed".into(), good.expose().into());
    keys.texts.insert("signedRevoked".into(), revoked.expose().into());

    let keyring_key = KeyringKey::generate(&entropy(70));
    let other_key = KeyringKey::generate(&entropy(71));
    let keyring_id = KeyId::from_u64(0x0123_4567_89ab_cdef);
    let other_id = KeyId::from_u64(42);
    let imported_id = KeyId::from_u64(u64::MAX - 1);
    let imported = "sk_legacy_4f2b8c";
    let digest = ImportScheme::Sha256Whole.digest(imported.as_bytes()).context("a digest")?;
    let value = VerifierValue::of_import(&digest);
    let record_id = keyring_key.imported_record_id(keyring_id, &digest);
    keys.records.push(KeyRecord::new(record_id, KeyKind::Imported, value, IMPORTED));
    keys.texts.insert("imported".into(), imported.into());

    let (policies, later_policies) =
        (policies("dispatcher", imported_id)?, policies("manager", imported_id)?);
    let first = Making {
        expected_keys: EXPECTED_KEYS,
        key: &keyring_key,
        keyring_id,
        epoch: 1,
        issued_at: NOW,
        secret: &secret,
        policies: &policies,
    };
    let mut revoking = keys.records.clone();
    revoking.get_mut(later).context("the key that is revoked later")?.revoked = true;
    let epoch1 = ring(first, &keys.records)?;
    let bundle = |making: Making<'_>, records: &[KeyRecord]| -> Result<String> {
        Ok(BASE64_STANDARD.encode(ring(making, records)?.bundle))
    };
    let parts: Vec<Value> = epoch1
        .parts
        .iter()
        .map(|(part, index, bytes)| {
            json!({"part": part, "index": index, "hash": claviger::hex(&bytes.hash), "bytes": BASE64_STANDARD.encode(&bytes.bytes)})
        })
        .collect();
    let (wide_records, wide_keys) = wide_keys()?;
    let wide = Making { expected_keys: EXPECTED_KEYS_WIDE, ..first };
    let content = json!({
        "about": "Written by `cargo run -p claviger-parity --bin js-fixtures`. The secrets are test data.",
        "now": NOW,
        "fresh_for": KeyringTerms::new(keyring_id).fresh_for,
        "valid_for": KeyringTerms::new(keyring_id).valid_for,
        "keyring_id": keyring_id.to_string(),
        "other_keyring_id": other_id.to_string(),
        "imported_id": imported_id.to_string(),
        "keyring_key": keyring_key.to_text().expose(),
        "keyring_key_id": keyring_key.id().to_string(),
        "other_keyring_key": other_key.to_text().expose(),
        "issuing_secret": secret.to_text().expose(),
        "keys": keys.texts,
        "wide_keys": wide_keys,
        "bundles": {
            "epoch1": BASE64_STANDARD.encode(&epoch1.bundle),
            "epoch2": bundle(Making { epoch: 2, issued_at: NOW + 30, policies: &later_policies, ..first }, &revoking)?,
            "epoch1Other": bundle(first, &revoking)?,
            "otherId": bundle(Making { keyring_id: other_id, epoch: 2, ..first }, &keys.records)?,
            "epoch3": bundle(Making { epoch: 3, issued_at: NOW + 60, policies: &later_policies, ..first }, &revoking)?,
            "wide": bundle(wide, &wide_records)?,
            "otherKey": bundle(Making { key: &other_key, epoch: 2, ..first }, &keys.records)?,
        },
        "root": BASE64_STANDARD.encode(&epoch1.root),
        "parts": parts,
    });
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors/keyring/js-fixtures.json");
    fs::create_dir_all(path.parent().context("no folder")?)?;
    fs::write(&path, serde_json::to_string_pretty(&content)? + "\n")?;
    eprintln!("wrote {}", path.display());
    Ok(())
}
