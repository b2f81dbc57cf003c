//! The golden keyrings of `tests/vectors/keyring`: files of format version 1, and what verifiers say with them.
//!
//! As with keys, each case says what it is meant to show, and from then on the files are the contract.

use crate::{
    rings::{Contents, value_of},
    setup::{Facts, Freshness, Given, Options, Setup},
};
use anyhow::{Context, Result, ensure};
use claviger_core::{
    ImportScheme, IssuingKey, KeyId, KeyPrefix, KeyRecord, KeyringKey, KeyringTerms, Limit, OpaqueUse,
    PolicyTerms, Purpose, SharedSecret, SignedKeyTerms, VerifierValue, parse,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// The content of `cases.json`.
#[derive(Serialize, Deserialize)]
pub struct File {
    /// What the file is, for people.
    pub about: String,
    /// The version of this file's own form.
    pub format: u32,
    /// Verifiers by name.
    pub verifiers: BTreeMap<String, Verifier>,
    /// What they say about keys.
    pub cases: Vec<Case>,
    /// What they say about further keyrings.
    pub replacements: Vec<Offer>,
}

/// A verifier.
#[derive(Clone, Serialize, Deserialize)]
pub struct Verifier {
    /// Its options, as the npm package takes them.
    pub options: Options,
    /// The keyrings that it was given, one after the other.
    pub keyrings: Vec<FileGiven>,
}

/// A file that a verifier is given.
#[derive(Clone, Serialize, Deserialize)]
pub struct FileGiven {
    /// The name of the file.
    pub file: String,
    /// The verifier's clock, in Unix seconds.
    pub now: u64,
}

/// A presented key and what must be said about it.
#[derive(Serialize, Deserialize)]
pub struct Case {
    /// What it shows.
    pub name: String,
    /// The verifier.
    pub verifier: String,
    /// The facts of the request, as the npm package takes them.
    pub request: Facts,
    /// What is presented.
    pub key: String,
    /// The verdict.
    pub verdict: Value,
}

/// A further keyring and what must become of it.
#[derive(Serialize, Deserialize)]
pub struct Offer {
    /// What it shows.
    pub name: String,
    /// The verifier.
    pub verifier: String,
    /// The keyring.
    pub offered: FileGiven,
    /// `replaced`, `unchanged`, or the code of the error.
    pub outcome: String,
}

/// Where the files are.
#[must_use]
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors/keyring")
}

/// Reads the file.
///
/// # Errors
/// If it is missing or broken.
pub fn read() -> Result<File> {
    let text = fs::read_to_string(folder().join("cases.json"))
        .context("tests/vectors/keyring/cases.json is missing; run cargo xtask vectors")?;
    Ok(serde_json::from_str(&text)?)
}

/// The verifiers of the file, with the keyrings that its folder has.
///
/// # Errors
/// If a file is missing.
pub fn setups(file: &File) -> Result<BTreeMap<String, Setup>> {
    let mut setups = BTreeMap::new();
    for (name, verifier) in &file.verifiers {
        let keyrings = verifier.keyrings.iter().map(given).collect::<Result<Vec<_>>>()?;
        setups.insert(name.clone(), Setup { options: verifier.options.clone(), keyrings });
    }
    Ok(setups)
}

/// A keyring of the folder.
///
/// # Errors
/// If the file is missing.
pub fn given(given: &FileGiven) -> Result<Given> {
    let path = folder().join(&given.file);
    Ok(Given::new(fs::read(&path).with_context(|| format!("{} is missing", path.display()))?, given.now))
}

/// When the first keyring is issued, at the start of a minute.
const ISSUED: u64 = 1_790_000_040;
const FRESH: u32 = 60;
const VALID: u32 = 3600;

struct Writer {
    files: BTreeMap<String, Vec<u8>>,
    verifiers: BTreeMap<String, Verifier>,
    cases: Vec<Case>,
    replacements: Vec<Offer>,
}

impl Writer {
    fn setup(&self, name: &str) -> Result<Setup> {
        let verifier = self.verifiers.get(name).with_context(|| format!("no verifier {name}"))?;
        let given = |given: &FileGiven| {
            let bytes = self.files.get(&given.file).with_context(|| format!("no file {}", given.file))?;
            Ok(Given::new(bytes.clone(), given.now))
        };
        let keyrings = verifier.keyrings.iter().map(given).collect::<Result<Vec<_>>>()?;
        Ok(Setup { options: verifier.options.clone(), keyrings })
    }

    fn verifier(&mut self, name: &str, options: &Options, files: &[(&str, u64)]) {
        let keyrings =
            files.iter().map(|(file, now)| FileGiven { file: (*file).to_owned(), now: *now }).collect();
        self.verifiers.insert(name.to_owned(), Verifier { options: options.clone(), keyrings });
    }

    fn case(&mut self, name: &str, verifier: &str, request: Facts, key: &str, meant: &str) -> Result<()> {
        let setup = self.setup(verifier)?;
        let mut native = setup.options.native()?;
        for given in &setup.keyrings {
            native.replace_keyring(given.keyring.clone(), given.now)?;
        }
        let verdict =
            request.with_context(|context| serde_json::to_value(native.verify_key(key, context)))?;
        let said = verdict.get("code").and_then(Value::as_str).unwrap_or("verified");
        ensure!(said == meant, "case {name} is meant to be {meant}, the core says {verdict}");
        self.cases.push(Case {
            name: name.to_owned(),
            verifier: verifier.to_owned(),
            request,
            key: key.to_owned(),
            verdict,
        });
        Ok(())
    }

    fn offer(&mut self, name: &str, verifier: &str, file: &str, now: u64, meant: &str) -> Result<()> {
        let setup = self.setup(verifier)?;
        let mut native = setup.options.native()?;
        for given in &setup.keyrings {
            native.replace_keyring(given.keyring.clone(), given.now)?;
        }
        let bytes = self.files.get(file).with_context(|| format!("no file {file}"))?;
        let outcome = match native.replace_keyring(bytes.clone(), now) {
            Ok(claviger_core::Replacement::Replaced) => "replaced",
            Ok(claviger_core::Replacement::Unchanged) => "unchanged",
            Err(error) => error.as_str(),
        };
        ensure!(outcome == meant, "offer {name} is meant to be {meant}, the core says {outcome}");
        let offered = FileGiven { file: file.to_owned(), now };
        let (name, verifier, outcome) = (name.to_owned(), verifier.to_owned(), outcome.to_owned());
        self.replacements.push(Offer { name, verifier, offered, outcome });
        Ok(())
    }

    fn file(&mut self, name: &str, bytes: Vec<u8>) {
        self.files.insert(name.to_owned(), bytes);
    }
}

/// The keys that cases present.
struct Keys {
    good: String,
    h: String,
    signed: String,
    token: String,
    unknown: String,
    /// What made the signed one.
    issuer: IssuingKey,
}

/// Makes the files from the core.
///
/// # Errors
/// If the core says something else than a case is meant to show.
pub fn generate() -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut w = Writer {
        files: BTreeMap::new(),
        verifiers: BTreeMap::new(),
        cases: Vec::new(),
        replacements: Vec::new(),
    };
    let entropy =
        |start: u8| std::array::from_fn::<u8, 40, _>(|i| start.wrapping_add((i as u8).wrapping_mul(59)));
    let key = KeyringKey::generate(&entropy(101));
    let options = Options::with_keyring_keys(&[&key]);
    let now = Facts::at(ISSUED);
    let (mut contents, keys) = company(&mut w, key.clone(), &options)?;

    // How fresh it is.
    let stale = ISSUED + u64::from(FRESH);
    let at = Facts::at;
    let demanding = |request: Facts, freshness| Facts { freshness, ..request };
    w.case("a clock before the issue", "live", at(0), &keys.good, "verified")?;
    w.case("the last fresh second", "live", at(stale - 1), &keys.good, "verified")?;
    w.case("the first stale second", "live", at(stale), &keys.good, "verified")?;
    w.case("the last valid second", "live", at(ISSUED + u64::from(VALID) - 1), &keys.good, "verified")?;
    w.case("the first second after", "live", at(ISSUED + u64::from(VALID)), &keys.good, "keyring_expired")?;
    w.case("long after", "live", at(u64::from(u32::MAX)), &keys.unknown, "keyring_expired")?;
    let fresh = || Freshness { require_fresh: Some(true), ..Freshness::default() };
    let young = || Freshness { max_age: Some(10), ..Freshness::default() };
    let epoch = |epoch| Freshness { min_epoch: Some(epoch), ..Freshness::default() };
    w.case("fresh is demanded", "live", demanding(at(stale - 1), fresh()), &keys.good, "verified")?;
    w.case(
        "fresh is demanded and it is stale",
        "live",
        demanding(at(stale), fresh()),
        &keys.good,
        "keyring_stale",
    )?;
    w.case("young enough", "live", demanding(at(ISSUED + 10), young()), &keys.good, "verified")?;
    w.case("a second too old", "live", demanding(at(ISSUED + 11), young()), &keys.good, "keyring_stale")?;
    w.case("epoch demanded", "live", demanding(at(ISSUED), epoch(5)), &keys.good, "verified")?;
    w.case("a later epoch demanded", "live", demanding(at(ISSUED), epoch(6)), &keys.good, "keyring_stale")?;
    let strict = Options { freshness: fresh(), ..options.clone() };
    w.verifier("strict", &strict, &[("live-5.bundle", ISSUED)]);
    w.case("a strict verifier, fresh", "strict", at(stale - 1), &keys.good, "verified")?;
    w.case("a strict verifier, stale", "strict", at(stale), &keys.good, "keyring_stale")?;
    w.verifier("waiting", &options, &[]);
    w.case("no keyring yet", "waiting", now.clone(), &keys.good, "keyring_unavailable")?;
    w.case("no keyring yet, and nothing presented", "waiting", now.clone(), "", "missing")?;
    w.verifier("root alone", &options, &[("live-5.root", ISSUED)]);
    w.case("a part is not here", "root alone", now.clone(), &keys.good, "keyring_unavailable")?;
    w.case("a key that needs none", "root alone", now.clone(), "acme_live_x", "keyring_unavailable")?;

    // Epoch 6 revokes.
    for text in [&keys.good, &keys.h] {
        contents.change(parse(text)?.id(), |record| record.revoked = true);
    }
    let imported = |record: &&mut KeyRecord| record.kind == claviger_core::KeyKind::Imported;
    contents.records.iter_mut().filter(imported).for_each(|record| record.revoked = true);
    contents.signed_override(&keys.issuer, parse(&keys.signed)?.id(), 0);
    contents.last()?.revoked = true;
    w.file("live-6.bundle", contents.build(6, ISSUED + 30)?.bundle);
    w.verifier("after revocation", &options, &[("live-5.bundle", ISSUED), ("live-6.bundle", ISSUED + 30)]);
    let later = at(ISSUED + 40);
    for (name, text) in
        [("an opaque key", &keys.good), ("a signing key", &keys.h), ("a signed key", &keys.signed)]
    {
        w.case(&format!("{name}, before its revocation"), "live", later.clone(), text, "verified")?;
        w.case(&format!("{name}, revoked"), "after revocation", later.clone(), text, "revoked")?;
    }
    w.case("imported, revoked", "after revocation", later.clone(), "sk_live_51H8xYz", "revoked")?;
    w.case("a token of a revoked client", "after revocation", later.clone(), &keys.token, "revoked")?;
    w.case(
        "nothing but its epoch is old",
        "after revocation",
        demanding(at(ISSUED + 91), young()),
        &keys.good,
        "keyring_stale",
    )?;

    // Epoch 7 is made with the next keyring key, and has another number of buckets.
    let next = KeyringKey::generate(&entropy(102));
    let mut rotated = contents.clone();
    (rotated.key, rotated.expected_keys) = (next.clone(), 100);
    w.file("live-7-next-key.bundle", rotated.build(7, ISSUED + 50)?.bundle);
    let both = Options::with_keyring_keys(&[&key, &next]);
    let in_order =
        [("live-5.bundle", ISSUED), ("live-6.bundle", ISSUED + 30), ("live-7-next-key.bundle", ISSUED + 50)];
    w.verifier("rotating", &both, &in_order);
    w.case("under the next keyring key", "rotating", at(ISSUED + 51), &keys.good, "revoked")?;
    w.case("unknown under the next keyring key", "rotating", at(ISSUED + 51), &keys.unknown, "unknown_key")?;

    // What is refused.
    let root = contents.build(6, ISSUED + 30)?.root;
    w.file("cut.root", root.get(..root.len() - 1).unwrap_or_default().to_vec());
    w.file("long.root", root.iter().copied().chain([0]).collect());
    let changed =
        |place: usize| root.iter().enumerate().map(move |(at, byte)| byte ^ u8::from(at == place)).collect();
    w.file("changed.root", changed(24));
    w.file(
        "version-2.root",
        root.iter().enumerate().map(|(at, byte)| if at == 4 { 2 } else { *byte }).collect(),
    );
    w.file("nothing.root", Vec::new());
    let mut other = contents.clone();
    other.terms.keyring_id = KeyId::from_u64(8);
    w.file("other-keyring.root", other.build(9, ISSUED)?.root);
    w.file("older.root", contents.build(4, ISSUED)?.root);
    w.file("same-epoch.root", contents.build(5, ISSUED)?.root);
    w.file("future.root", contents.build(9, ISSUED + 301)?.root);
    for (name, file, meant) in [
        ("the next epoch", "live-6.bundle", "replaced"),
        ("the same again", "live-5.bundle", "unchanged"),
        ("its root alone", "live-5.root", "unchanged"),
        ("another keyring key", "live-7-next-key.bundle", "unknown_keyring_key"),
        ("cut off", "cut.root", "truncated"),
        ("a byte too long", "long.root", "oversized"),
        ("a bit of its epoch changed", "changed.root", "wrong_mac"),
        ("a later version", "version-2.root", "unsupported_version"),
        ("nothing", "nothing.root", "not_a_keyring"),
        ("another keyring", "other-keyring.root", "wrong_keyring"),
        ("an older epoch", "older.root", "older_epoch"),
        ("the same epoch with other content", "same-epoch.root", "same_epoch_other_content"),
        ("issued 301 s ahead", "future.root", "issued_in_future"),
    ] {
        w.offer(name, "live", file, ISSUED, meant)?;
    }
    w.offer("issued 300 s ahead", "live", "future.root", ISSUED + 1, "replaced")?;
    w.offer("back to the old keyring key", "rotating", "live-6.bundle", ISSUED + 60, "older_epoch")?;
    let pinned = Options { keyring_id: Some(KeyId::from_u64(8).to_string()), ..options };
    w.verifier("pinned", &pinned, &[]);
    w.offer("the keyring that it is to have", "pinned", "other-keyring.root", ISSUED, "replaced")?;
    w.offer("a keyring that it is not to have", "pinned", "live-5.bundle", ISSUED, "wrong_keyring")?;

    let file = File {
        about: "Written by cargo xtask vectors. Every runtime must give these verdicts and outcomes. The secrets are test data.".into(),
        format: 1,
        verifiers: w.verifiers,
        cases: w.cases,
        replacements: w.replacements,
    };
    let mut files: BTreeMap<PathBuf, Vec<u8>> =
        w.files.into_iter().map(|(name, bytes)| (folder().join(name), bytes)).collect();
    files.insert(folder().join("cases.json"), (serde_json::to_string_pretty(&file)? + "\n").into_bytes());
    Ok(files)
}

/// The same terms but for what is changed.
fn varied<'t>(mut terms: PolicyTerms<'t>, change: impl FnOnce(&mut PolicyTerms<'t>)) -> PolicyTerms<'t> {
    change(&mut terms);
    terms
}

/// The keyring of epoch 5 with keys of every kind and fate, and the cases about them.
fn company(w: &mut Writer, key: KeyringKey, options: &Options) -> Result<(Contents, Keys)> {
    let entropy =
        |start: u8| std::array::from_fn::<u8, 40, _>(|i| start.wrapping_add((i as u8).wrapping_mul(37)));
    let (live, test) = (KeyPrefix::new("acme_live")?, KeyPrefix::new("acme_test")?);
    let terms = KeyringTerms { keyring_id: KeyId::from_u64(7), fresh_for: FRESH, valid_for: VALID };
    let mut contents = Contents::new(key, terms);
    contents.expected_keys = 30;
    contents.schemes = ImportScheme::ALL.to_vec();

    let limits = [Limit::new("requests", 100, 60), Limit::new("exported bytes", 5 << 40, 86_400)];
    let networks = ["192.0.2.0/24".parse()?, "2001:db8::/32".parse()?];
    let mut full = PolicyTerms::new(live, "tenant-1", "sa-1");
    full.external_id = Some("Kunde-Ü-1");
    full.role = Some("dispatcher");
    full.permissions = &["flights:*", "crew:view"];
    full.metadata = Some("{\"plan\":\"pro\",\"stars\":\"★★\"}");
    full.limits = &limits;
    let default = contents.policy(&full)?;
    let bare = contents.policy(&PolicyTerms::new(live, "tenant-1", "sa-2"))?;
    let bound = contents.policy(&varied(full, |t| t.networks = &networks))?;
    let reader = contents.policy(&varied(full, |t| {
        t.read_only = true;
        t.permissions = &["*"];
    }))?;
    let admin = contents.policy(&varied(full, |t| t.permissions = &["*"]))?;
    let group = contents.policy(&varied(full, |t| t.group_off = true))?;
    let owner = contents.policy(&varied(full, |t| t.owner_off = true))?;
    let tenant = contents.policy(&varied(full, |t| t.tenant_off = true))?;
    let other_tenant = contents.policy(&PolicyTerms::new(live, "tenant-2", "sa-1"))?;
    let import_id = KeyId::from_u64(0x0123_4567_89ab_cdef);
    let import = contents.policy(&varied(full, |t| {
        t.key_id = Some(import_id);
        t.prefix = test;
    }))?;
    let unnamed = contents.policy(&varied(full, |t| t.prefix = test))?;
    // The last policy is on a page of its own.
    contents.policies.resize(256, None);
    let far = contents.policy(&varied(full, |t| t.role = Some("far")))?;

    let mut number = 0;
    let mut opaque = |contents: &mut Contents, policy| {
        number += 1;
        contents.opaque(live, OpaqueUse::Bearer, policy, &entropy(number))
    };
    let good = opaque(&mut contents, default)?;
    let mut with = |contents: &mut Contents, policy, change: fn(&mut KeyRecord)| -> Result<String> {
        let key = opaque(contents, policy)?;
        change(contents.last()?);
        Ok(key)
    };
    let bare_key = with(&mut contents, bare, |_| {})?;
    let far_key = with(&mut contents, far, |_| {})?;
    let bound_key = with(&mut contents, bound, |_| {})?;
    let reader_key = with(&mut contents, reader, |_| {})?;
    let admin_key = with(&mut contents, admin, |_| {})?;
    let read_only_record = with(&mut contents, admin, |record| record.read_only = true)?;
    let revoked = with(&mut contents, default, |record| record.revoked = true)?;
    let disabled = with(&mut contents, default, |record| record.disabled = true)?;
    let everything_wrong = with(&mut contents, tenant, |record| {
        (record.revoked, record.disabled, record.expires_at) = (true, true, Some(1));
    })?;
    let group_off = with(&mut contents, group, |_| {})?;
    let owner_off = with(&mut contents, owner, |_| {})?;
    let tenant_off = with(&mut contents, tenant, |_| {})?;
    let later = with(&mut contents, default, |record| record.not_before = Some(ISSUED + 10))?;
    let ending = with(&mut contents, default, |record| record.expires_at = Some(ISSUED + 10))?;
    let last = with(&mut contents, default, |record| record.expires_at = Some(u64::from(u32::MAX)))?;
    let gap = with(&mut contents, 200, |_| {})?;
    let beyond = with(&mut contents, 4711, |_| {})?;
    let h = contents.opaque(live, OpaqueUse::BearerAndSigning, default, &entropy(70))?;
    // In rotation: two secrets for one id, the old one to its end.
    let mut next_entropy = entropy(71);
    let old_secret = contents.opaque(live, OpaqueUse::Bearer, default, &next_entropy)?;
    contents.last()?.expires_at = Some(ISSUED + 20);
    if let Some(byte) = next_entropy.last_mut() {
        *byte ^= 1;
    }
    let new_secret = contents.opaque(live, OpaqueUse::Bearer, default, &next_entropy)?;
    if let Some(byte) = next_entropy.last_mut() {
        *byte ^= 2;
    }
    let no_secret = claviger_core::generate_opaque_key(&live, OpaqueUse::Bearer, &next_entropy).1;
    let unknown = claviger_core::generate_opaque_key(&live, OpaqueUse::Bearer, &entropy(72)).1;

    let secret = |version| SharedSecret::generate(Purpose::Issuing, version, &entropy(80 + version));
    let issuer = contents.issuer(live, secret(1), default)?;
    let admin_issuer = contents.issuer(live, secret(2), admin)?;
    contents.issuer(test, secret(1), import)?;
    let other_issuer = contents.issuer(live, secret(3), other_tenant)?;
    let read_only_issuer = contents.issuer(live, secret(4), reader)?;
    let hour = SignedKeyTerms::expiring(ISSUED, 60);
    let signed_key = |issuer: &IssuingKey, id, terms| -> Result<String> {
        Ok(issuer.generate(&[id; 8], terms)?.expose().to_owned())
    };
    let signed = signed_key(&issuer, 1, hour)?;
    let override_of = |contents: &mut Contents, id: u8, policy, change: fn(&mut KeyRecord)| -> Result<()> {
        contents.signed_override(&issuer, KeyId::from_entropy([id; 8]), policy);
        change(contents.last()?);
        Ok(())
    };
    override_of(&mut contents, 2, default, |record| record.revoked = true)?;
    override_of(&mut contents, 3, bound, |_| {})?;
    override_of(&mut contents, 4, other_tenant, |_| {})?;
    override_of(&mut contents, 5, default, |record| record.expires_at = Some(ISSUED + 10))?;
    contents.signed_override(&read_only_issuer, KeyId::from_entropy([7; 8]), admin);
    override_of(&mut contents, 6, default, |record| record.disabled = true)?;

    let whole = "sk_live_51H8xYz";
    contents.imported(whole, ImportScheme::Sha256Whole, import)?;
    contents.imported("pk_abc_tail123", ImportScheme::Sha256AfterLastUnderscore, import)?;
    contents.imported("legacy-without-name", ImportScheme::Sha256Whole, unnamed)?;

    let token_terms = SignedKeyTerms::expiring(ISSUED, 10);
    let id_of = |text: &str| -> Result<KeyId> { Ok(parse(text)?.id()) };
    let token_of = |client: &str, terms| -> Result<String> {
        Ok(issuer.generate_access_token(id_of(client)?, &value_of(client)?, terms)?.expose().to_owned())
    };
    let token = token_of(&good, token_terms)?;
    let token_h = token_of(&h, token_terms.read_only())?;
    let token_revoked = token_of(&revoked, token_terms)?;
    let token_ending = token_of(&ending, token_terms)?;
    let regenerated = VerifierValue::from_bytes([1; 32]);
    let token_dead =
        issuer.generate_access_token(id_of(&good)?, &regenerated, token_terms)?.expose().to_owned();
    let token_of_other_tenant = other_issuer
        .generate_access_token(id_of(&good)?, &value_of(&good)?, token_terms)?
        .expose()
        .to_owned();
    let token_nobody =
        issuer.generate_access_token(KeyId::from_u64(99), &regenerated, token_terms)?.expose().to_owned();

    let built = contents.build(5, ISSUED)?;
    w.file("live-5.bundle", built.bundle);
    w.file("live-5.root", built.root);
    w.verifier("live", options, &[("live-5.bundle", ISSUED)]);
    let now = Facts::at(ISSUED);
    let soon = Facts::at(ISSUED + 15);
    let asking = |permissions: &[&str]| Facts {
        permissions: permissions.iter().map(|&permission| permission.to_owned()).collect(),
        ..now.clone()
    };
    let from = |address: &str| Facts { address: Some(address.to_owned()), ..now.clone() };
    let of = |tenant: &str| Facts { tenant: Some(tenant.to_owned()), ..now.clone() };
    let renamed = good.replace("acme_live", "acme_test");
    let renamed = crate::vectors::with_checksum(renamed.get(..renamed.len() - 6).unwrap_or_default());
    let lettered = good.replace("_k", "_h");
    let lettered = crate::vectors::with_checksum(lettered.get(..lettered.len() - 6).unwrap_or_default());
    let retired = IssuingKey::new(live, &secret(9))?;
    let forged = SharedSecret::generate(Purpose::Issuing, 1, &entropy(99));
    let forged = IssuingKey::new(live, &forged)?;
    let stranger = IssuingKey::new(KeyPrefix::new("other_live")?, &secret(1))?;

    let case = |name: &'static str, request: &Facts, key: &str, meant: &'static str| {
        (name, request.clone(), key.to_owned(), meant)
    };
    let cases = vec![
        case("opaque", &now, &good, "verified"),
        case("opaque, nothing but an owner", &now, &bare_key, "verified"),
        case("opaque, policy on another page", &now, &far_key, "verified"),
        case("opaque, for signing too", &now, &h, "verified"),
        case("opaque, revoked", &now, &revoked, "revoked"),
        case("opaque, switched off", &now, &disabled, "disabled"),
        case("opaque, group switched off", &now, &group_off, "disabled"),
        case("opaque, owner switched off", &now, &owner_off, "disabled"),
        case("opaque, tenant switched off", &now, &tenant_off, "disabled"),
        case("opaque, everything against it", &now, &everything_wrong, "revoked"),
        case("opaque, good from later on", &now, &later, "not_yet_valid"),
        case("opaque, good from earlier on", &soon, &later, "verified"),
        case("opaque, about to end", &now, &ending, "verified"),
        case("opaque, ended", &soon, &ending, "expired"),
        case("opaque, the latest end", &now, &last, "verified"),
        case("opaque, unknown", &now, unknown.expose(), "unknown_key"),
        case("opaque, presented with another prefix", &now, &renamed, "wrong_prefix"),
        case("opaque, presented as one for signing", &now, &lettered, "unknown_key"),
        case("opaque, a policy that is a gap", &now, &gap, "keyring_invalid"),
        case("opaque, a policy beyond the last page", &now, &beyond, "keyring_invalid"),
        case("rotation, the old secret", &now, &old_secret, "verified"),
        case("rotation, the old secret after the overlap", &Facts::at(ISSUED + 20), &old_secret, "expired"),
        case("rotation, the new secret", &now, &new_secret, "verified"),
        case("rotation, another secret", &now, no_secret.expose(), "bad_secret"),
        case("signed", &now, &signed, "verified"),
        case("signed, read only", &now, &signed_key(&issuer, 1, hour.read_only())?, "verified"),
        case("signed, version with another policy", &now, &signed_key(&admin_issuer, 1, hour)?, "verified"),
        case(
            "signed, without lifetime",
            &now,
            &signed_key(&issuer, 1, SignedKeyTerms::without_lifetime(ISSUED))?,
            "verified",
        ),
        case("signed, expired", &Facts::at(ISSUED + 3600), &signed, "keyring_expired"),
        case(
            "signed, a minute long",
            &Facts::at(ISSUED + 61),
            &signed_key(&issuer, 1, SignedKeyTerms::expiring(ISSUED, 1))?,
            "expired",
        ),
        case(
            "signed, issued ahead",
            &now,
            &signed_key(&issuer, 1, SignedKeyTerms::expiring(ISSUED + 360, 9))?,
            "not_yet_valid",
        ),
        case("signed, revoked by its override", &now, &signed_key(&issuer, 2, hour)?, "revoked"),
        case(
            "signed, bound to networks by its override",
            &now,
            &signed_key(&issuer, 3, hour)?,
            "ip_not_allowed",
        ),
        case(
            "signed, an override of another tenant",
            &now,
            &signed_key(&issuer, 4, hour)?,
            "keyring_invalid",
        ),
        case("signed, ended by its override", &soon, &signed_key(&issuer, 5, hour)?, "expired"),
        case("signed, switched off by its override", &now, &signed_key(&issuer, 6, hour)?, "disabled"),
        case(
            "signed, the override is for another secret",
            &now,
            &signed_key(&admin_issuer, 2, hour)?,
            "verified",
        ),
        case(
            "signed, read only by its secret whatever its override",
            &asking(&["a:modify"]),
            &signed_key(&read_only_issuer, 7, hour)?,
            "insufficient_permission",
        ),
        case("signed, of a version that is not here", &now, &signed_key(&retired, 1, hour)?, "unknown_key"),
        case("signed, forged", &now, &signed_key(&forged, 1, hour)?, "bad_secret"),
        case("signed, of another product", &now, &signed_key(&stranger, 1, hour)?, "wrong_prefix"),
        case(
            "signed, the id of an opaque key",
            &now,
            issuer.generate(&id_of(&revoked)?.as_u64().to_be_bytes(), hour)?.expose(),
            "verified",
        ),
        case("token", &now, &token, "verified"),
        case("token of a signing client, read only", &now, &token_h, "verified"),
        case("token, expired", &Facts::at(ISSUED + 600), &token, "expired"),
        case("token of a revoked client", &now, &token_revoked, "revoked"),
        case("token of a client that ended", &soon, &token_ending, "expired"),
        case("token of a client that was regenerated", &now, &token_dead, "bad_secret"),
        case("token of another tenant's secret", &now, &token_of_other_tenant, "bad_secret"),
        case("token of nobody", &now, &token_nobody, "unknown_key"),
        case("imported, whole", &now, whole, "verified"),
        case("imported, after the last underscore", &now, "pk_abc_tail123", "verified"),
        case("imported, another beginning", &now, "whatever_tail123", "verified"),
        case("imported, unknown", &now, "sk_live_51H8xYy", "unknown_key"),
        case("imported, without a name", &now, "legacy-without-name", "keyring_invalid"),
        case("imported, not in ASCII", &now, "schlüssel", "unknown_key"),
        case(
            "malformed keys are not imported ones",
            &now,
            good.get(..good.len() - 1).unwrap_or_default(),
            "unknown_key",
        ),
        case("tenant", &of("tenant-1"), &good, "verified"),
        case("another tenant", &of("tenant-2"), &good, "wrong_tenant"),
        case("no tenant", &of(""), &good, "wrong_tenant"),
        case("a permission", &asking(&["flights:modify"]), &good, "verified"),
        case("a permission of three", &asking(&["flights:seats:view"]), &good, "verified"),
        case("several permissions", &asking(&["flights:view", "crew:view"]), &good, "verified"),
        case(
            "one of several missing",
            &asking(&["flights:view", "crew:modify"]),
            &good,
            "insufficient_permission",
        ),
        case("no permission at all", &asking(&["flights:view"]), &bare_key, "insufficient_permission"),
        case("what is no permission", &asking(&["flights:*"]), &admin_key, "insufficient_permission"),
        case("an empty permission", &asking(&[""]), &admin_key, "insufficient_permission"),
        case("every permission", &asking(&["anything:at:all"]), &admin_key, "verified"),
        case("read only by policy, seeing", &asking(&["anything:view"]), &reader_key, "verified"),
        case(
            "read only by policy, changing",
            &asking(&["anything:modify"]),
            &reader_key,
            "insufficient_permission",
        ),
        case("read only by record, seeing", &asking(&["flights:view"]), &read_only_record, "verified"),
        case(
            "read only by record, changing",
            &asking(&["flights:modify"]),
            &read_only_record,
            "insufficient_permission",
        ),
        case(
            "read only by claims, changing",
            &asking(&["flights:modify"]),
            &token_h,
            "insufficient_permission",
        ),
        case("within a network", &from("192.0.2.200"), &bound_key, "verified"),
        case("within a network, as IPv6", &from("::ffff:192.0.2.200"), &bound_key, "verified"),
        case("within a network of IPv6", &from("2001:db8:1::1"), &bound_key, "verified"),
        case("outside", &from("192.0.3.1"), &bound_key, "ip_not_allowed"),
        case("outside, of IPv6", &from("2001:db9::1"), &bound_key, "ip_not_allowed"),
        case("an address that is none", &from("192.0.2.200:443"), &bound_key, "ip_not_allowed"),
        case("no address is known", &now, &bound_key, "ip_not_allowed"),
        case("from anywhere", &from("203.0.113.9"), &good, "verified"),
    ];
    for (name, request, key, meant) in cases {
        w.case(name, "live", request, &key, meant)?;
    }
    let unknown = unknown.expose().to_owned();
    Ok((contents, Keys { good, h, signed, token, unknown, issuer }))
}
