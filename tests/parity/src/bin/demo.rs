//! The main job from end to end: keys are issued in Rust, four runtimes say the same about each of them, some are
//! revoked, and all four deny those.

use anyhow::{Context, Result, bail};
use clap::Parser;
use claviger_core::{
    ImportScheme, IssuingKey, KeyId, KeyPrefix, KeyringKey, KeyringTerms, Limit, OpaqueUse, PolicyTerms,
    Purpose, SharedSecret, SignedKeyTerms, generate_opaque_key, parse,
};
use claviger_parity::{
    faces::{Batch, Face, Native, Node, PARITY_WORKER, Wasmtime, Workerd},
    rings::{Contents, value_of},
    setup::{Facts, Given, Options, Setup},
};
use serde_json::{Map, Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

/// Issue keys, verify them natively, through wasmtime, in Node and in workerd, revoke some, and verify again.
#[derive(Parser)]
struct Arguments {
    /// Print JSON instead of tables
    #[arg(long)]
    json: bool,
}

/// What is presented and what is to be said about it.
struct Presented {
    what: &'static str,
    key: String,
    expected: &'static str,
}

struct Row {
    what: &'static str,
    key: String,
    expected: &'static str,
    verdicts: Vec<(&'static str, Value)>,
}

struct Runtimes {
    faces: [Box<dyn Face>; 3],
    workerd: Workerd,
}

const STATELESS: &str = "stateless";
const KEYRING: &str = "keyring";

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let (options, keys) = issue_signed_keys(now)?;
    let mut company = Company::new(now)?;

    eprintln!("starting native, wasmtime, Node and workerd …");
    let bindings = json!({STATELESS: options, KEYRING: company.options()}).to_string();
    let mut runtimes = Runtimes {
        faces: [Box::new(Native::default()), Box::new(Wasmtime::new()?), Box::new(Node::start()?)],
        workerd: Workerd::start(PARITY_WORKER, ("OPTIONS", &bindings))?,
    };

    let print = |title: &str, rows: Vec<Row>| -> Result<usize> {
        if arguments.json {
            print_json(title, &rows);
        } else {
            print_table(title, &rows);
        }
        let differing: Vec<&str> = rows.iter().filter(|row| !row.agrees()).map(|row| row.what).collect();
        if !differing.is_empty() {
            bail!("the runtimes differ, or say what they should not, about: {}", differing.join(", "));
        }
        Ok(rows.len())
    };
    let mut setup = Setup { options: company.options(), keyrings: Vec::new() };
    let bundle = company.contents.build(1, now)?.bundle;
    let size = bundle.len();
    setup.keyrings.push(Given::new(bundle, now));
    let rows = runtimes.verify(&setup, KEYRING, now, company.before())?;
    let mut count = print(&format!("With a keyring: epoch 1, {size} bytes"), rows)?;

    company.revoke();
    let bundle = company.contents.build(2, now)?.bundle;
    setup.keyrings.push(Given::new(bundle, now));
    let rows = runtimes.verify(&setup, KEYRING, now, company.after())?;
    count += print("Some are revoked: epoch 2 takes the place of epoch 1 in every verifier", rows)?;

    let rows = runtimes.verify(&options.into(), STATELESS, now, keys)?;
    count += print("Without a keyring: signed keys and nothing but their issuing secret", rows)?;
    eprintln!("{count} keys presented, 4 runtimes, one verdict each");
    Ok(())
}

impl Runtimes {
    /// What every runtime says about each key: three are asked as libraries, workerd over HTTP.
    fn verify(&mut self, setup: &Setup, name: &str, now: u64, keys: Vec<Presented>) -> Result<Vec<Row>> {
        let facts = Facts::at(now);
        // It takes the keyrings that it has not had; there is nothing to be verified yet.
        self.workerd.verify(&Batch { setup, facts: &facts, keys: &[] })?;
        let mut rows = Vec::new();
        for Presented { what, key, expected } in keys {
            let presented = [key.clone().into_bytes()];
            let mut verdicts = Vec::new();
            for face in &mut self.faces {
                let verdict = face.verify(&Batch { setup, facts: &facts, keys: &presented })?.pop();
                verdicts.push((face.name(), verdict.context("no verdict")?));
            }
            // workerd gets what an edge function gets: an HTTP request, and its own clock.
            let (status, verdict) = self.workerd.present(name, (!key.is_empty()).then_some(&key))?;
            let verified = verdict.get("verified") == Some(&Value::Bool(true));
            if status != if verified { 200 } else { 401 } {
                bail!("workerd answered {status} with {verdict}");
            }
            verdicts.push((self.workerd.name(), verdict));
            rows.push(Row { what, key, expected, verdicts });
        }
        Ok(rows)
    }
}

impl Row {
    /// Whether all runtimes gave the same whole verdict, and the expected one. How old the keyring is depends on the
    /// clock of the one that is asked.
    fn agrees(&self) -> bool {
        let without_age = |verdict: &Value| {
            let mut verdict = verdict.clone();
            verdict.as_object_mut().map(|fields| fields.insert("age".to_owned(), Value::Null));
            verdict
        };
        let mut verdicts = self.verdicts.iter().map(|(_, verdict)| without_age(verdict));
        let Some(first) = verdicts.next() else { return false };
        word(&first) == self.expected && verdicts.all(|verdict| verdict == first)
    }
}

/// `verified` or the denial code.
fn word(verdict: &Value) -> &str {
    verdict.get("code").and_then(Value::as_str).unwrap_or("verified")
}

/// What may be shown of a key: everything up to its letter, and where the rest was.
fn shortened(key: &str) -> String {
    match key.len().checked_sub(50).and_then(|end| key.get(..end)) {
        Some(public) if !public.is_empty() => format!("{public}…"),
        _ if key.is_empty() => "(none)".to_owned(),
        _ => format!("{}…", key.get(..8).unwrap_or_default()),
    }
}

fn print_json(title: &str, rows: &[Row]) {
    for row in rows {
        let verdicts: Map<String, Value> =
            row.verdicts.iter().map(|(face, verdict)| ((*face).to_owned(), verdict.clone())).collect();
        println!(
            "{}",
            json!({"with": title, "what": row.what, "key": shortened(&row.key), "verdicts": verdicts})
        );
    }
}

fn print_table(title: &str, rows: &[Row]) {
    let names: Vec<&str> =
        rows.first().map_or_else(Vec::new, |row| row.verdicts.iter().map(|(name, _)| *name).collect());
    let width = rows.iter().map(|row| row.what.chars().count()).max().unwrap_or(0).max(31);
    let keys = rows.iter().map(|row| shortened(&row.key).chars().count()).max().unwrap_or(0).max(36);
    println!("{title}");
    let line = |what: &str, key: &str, words: Vec<&str>| {
        let words: String = words.iter().map(|word| format!("  {word:<17}")).collect();
        println!("{}", format!("{what:<width$}  {key:<keys$}{words}").trim_end());
    };
    line("what", "key", names);
    for row in rows {
        line(row.what, &shortened(&row.key), row.verdicts.iter().map(|(_, verdict)| word(verdict)).collect());
    }
    println!();
}

fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).context("the operating system gives no random bytes")?;
    Ok(bytes)
}

/// A company with a keyring: a service account, some keys, and what becomes of them.
struct Company {
    contents: Contents,
    key: KeyringKey,
    issuer: IssuingKey,
    /// The policy of the service account, with its group switched off.
    switched_off: claviger_core::Policy<'static>,
    opaque: String,
    signing: String,
    signed: String,
    token: String,
    imported: String,
    of_group: String,
    untouched: String,
    unknown: String,
}

impl Company {
    fn new(now: u64) -> Result<Self> {
        let prefix = KeyPrefix::new("acme_live")?;
        let key = KeyringKey::generate(&random()?);
        let mut contents = Contents::new(key.clone(), KeyringTerms::new(KeyId::from_entropy(random()?)));
        contents.schemes = vec![ImportScheme::Sha256Whole];
        let limits = [Limit::new("requests", 100, 60)];
        let mut terms = PolicyTerms::new(prefix, "tenant-7", "sa-12");
        terms.role = Some("dispatcher");
        terms.permissions = &["flights:*"];
        terms.limits = &limits;
        let account = contents.policy(&terms)?;
        let group = contents.policy(&terms)?;
        let mut named = terms;
        named.key_id = Some(KeyId::from_entropy(random()?));
        let of_import = contents.policy(&named)?;
        let mut off = terms;
        off.group_off = true;

        let opaque = contents.opaque(prefix, OpaqueUse::Bearer, account, &random()?)?;
        let signing = contents.opaque(prefix, OpaqueUse::BearerAndSigning, account, &random()?)?;
        let untouched = contents.opaque(prefix, OpaqueUse::Bearer, account, &random()?)?;
        let of_group = contents.opaque(prefix, OpaqueUse::Bearer, group, &random()?)?;
        let imported = "sk_live_of_the_system_before".to_owned();
        contents.imported(&imported, ImportScheme::Sha256Whole, of_import)?;
        let secret = SharedSecret::generate(Purpose::Issuing, 1, &random()?);
        let issuer = contents.issuer(prefix, secret, account)?;
        let month = SignedKeyTerms::expiring(now, 30 * 24 * 60);
        let signed = issuer.generate(&random()?, month)?.expose().to_owned();
        let value = value_of(&signing)?;
        let hour = SignedKeyTerms::expiring(now, 60);
        let token = issuer.generate_access_token(parse(&signing)?.id(), &value, hour)?.expose().to_owned();
        let unknown = generate_opaque_key(&prefix, OpaqueUse::Bearer, &random()?).1.expose().to_owned();
        let switched_off = claviger_core::Policy::new(&off)?;
        Ok(Self {
            contents,
            key,
            issuer,
            switched_off,
            opaque,
            signing,
            signed,
            token,
            imported,
            of_group,
            untouched,
            unknown,
        })
    }

    fn options(&self) -> Options {
        Options::with_keyring_keys(&[&self.key])
    }

    /// An operator expires keys at once, and switches a group off.
    fn revoke(&mut self) {
        for text in [&self.opaque, &self.signing] {
            if let Ok(parsed) = parse(text) {
                self.contents.change(parsed.id(), |record| record.revoked = true);
            }
        }
        if let Ok(parsed) = parse(&self.signed) {
            self.contents.signed_override(&self.issuer, parsed.id(), 0);
            self.contents.change(parsed.id(), |record| record.revoked = true);
        }
        let imported =
            |record: &&mut claviger_core::KeyRecord| record.kind == claviger_core::KeyKind::Imported;
        self.contents.records.iter_mut().filter(imported).for_each(|record| record.revoked = true);
        if let Some(policy) = self.contents.policies.get_mut(1) {
            *policy = Some(self.switched_off.clone());
        }
    }

    fn rows(&self, expected: [&'static str; 8]) -> Vec<Presented> {
        let rows = [
            ("opaque key of a service account", &self.opaque),
            ("the same for signing too", &self.signing),
            ("access token of that client", &self.token),
            ("signed key", &self.signed),
            ("key of the system before", &self.imported),
            ("key of a group", &self.of_group),
            ("key that nobody touches", &self.untouched),
            ("key that was never issued", &self.unknown),
        ];
        let presented = rows.into_iter().zip(expected);
        presented.map(|((what, key), expected)| Presented { what, key: key.clone(), expected }).collect()
    }

    fn before(&self) -> Vec<Presented> {
        let good = "verified";
        self.rows([good, good, good, good, good, good, good, "unknown_key"])
    }

    fn after(&self) -> Vec<Presented> {
        let revoked = "revoked";
        self.rows([revoked, revoked, revoked, revoked, revoked, "disabled", "verified", "unknown_key"])
    }
}

/// An issuing secret that was rotated once, what the verifiers are told of it, and keys of every fate.
fn issue_signed_keys(now: u64) -> Result<(Options, Vec<Presented>)> {
    let prefix = KeyPrefix::new("acme_live")?;
    let retired = SharedSecret::generate(Purpose::Issuing, 1, &random()?);
    let previous = SharedSecret::generate(Purpose::Issuing, 2, &random()?);
    let current = SharedSecret::generate(Purpose::Issuing, 3, &random()?);
    let forged = SharedSecret::generate(Purpose::Issuing, 3, &random()?);
    let options = Options::trusting([(prefix, &previous), (prefix, &current)]);

    let day = 24 * 60;
    let make = |prefix: &str, secret: &SharedSecret, terms| -> Result<String> {
        let issuer = IssuingKey::new(KeyPrefix::new(prefix)?, secret)?;
        Ok(issuer.generate(&random()?, terms)?.expose().to_owned())
    };
    let good = make("acme_live", &current, SignedKeyTerms::expiring(now, 30 * day))?;
    let (_, opaque) = generate_opaque_key(&prefix, OpaqueUse::Bearer, &random()?);

    // One character changed in each part; counted from the right, where the offsets are fixed.
    let changed = |from_end: usize| -> Result<String> {
        let place = good.len().checked_sub(from_end).context("a short key")?;
        let change = |(index, character)| match (index == place, character) {
            (false, character) => character,
            (true, 'b') => 'c',
            (true, _) => 'b',
        };
        Ok(good.chars().enumerate().map(change).collect())
    };
    let keys = [
        ("good for 30 days", good.clone(), "verified"),
        (
            "read only",
            make("acme_live", &current, SignedKeyTerms::expiring(now, day).read_only())?,
            "verified",
        ),
        // The minute of its issue counts, so it has between 60 and 120 seconds left.
        ("near its expiry", make("acme_live", &current, SignedKeyTerms::expiring(now, 2))?, "verified"),
        ("expired", make("acme_live", &current, SignedKeyTerms::expiring(now - 3600, 5))?, "expired"),
        (
            "issued an hour ahead",
            make("acme_live", &current, SignedKeyTerms::expiring(now + 3600, day))?,
            "not_yet_valid",
        ),
        (
            "never expires",
            make("acme_live", &current, SignedKeyTerms::without_lifetime(now))?,
            "lifetime_required",
        ),
        (
            "previous secret, still trusted",
            make("acme_live", &previous, SignedKeyTerms::expiring(now, day))?,
            "verified",
        ),
        ("retired secret", make("acme_live", &retired, SignedKeyTerms::expiring(now, day))?, "unknown_key"),
        (
            "other secret, same version",
            make("acme_live", &forged, SignedKeyTerms::expiring(now, day))?,
            "bad_secret",
        ),
        ("other prefix", make("acme_test", &current, SignedKeyTerms::expiring(now, day))?, "wrong_prefix"),
        ("opaque, and no keyring", opaque.expose().to_owned(), "unknown_key"),
        ("prefix: one character changed", changed(good.len() - 1)?, "bad_checksum"),
        ("id: one character changed", changed(70)?, "bad_checksum"),
        ("claims: one character changed", changed(58)?, "bad_checksum"),
        ("letter changed", changed(51)?, "malformed"),
        ("secret: one character changed", changed(30)?, "bad_checksum"),
        ("checksum: one character changed", changed(1)?, "bad_checksum"),
        ("cut off", good.get(..good.len() - 20).unwrap_or_default().to_owned(), "malformed"),
        ("no key at all", String::new(), "missing"),
    ];
    let keys = keys.into_iter().map(|(what, key, expected)| Presented { what, key, expected }).collect();
    Ok((options, keys))
}
