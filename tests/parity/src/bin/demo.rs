//! The main job from end to end: keys are issued in Rust, and four runtimes say the same about each of them.

use anyhow::{Context, Result, bail};
use clap::Parser;
use claviger_core::{
    IssuingKey, KeyPrefix, OpaqueUse, Purpose, SharedSecret, SignedKeyTerms, generate_opaque_key,
};
use claviger_parity::{
    faces::{Batch, Face, Native, Node, PARITY_WORKER, Wasmtime, Workerd},
    setup::Options,
};
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

/// Issue keys and verify them natively, through wasmtime, in Node and in workerd.
#[derive(Parser)]
struct Arguments {
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
}

struct Row {
    what: &'static str,
    key: String,
    expected: &'static str,
    verdicts: Vec<(&'static str, Value)>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let (options, keys) = issue(now)?;

    eprintln!("starting native, wasmtime, Node and workerd …");
    let mut faces: [Box<dyn Face>; 3] =
        [Box::new(Native), Box::new(Wasmtime::new()?), Box::new(Node::start()?)];
    let workerd = Workerd::start(PARITY_WORKER, ("OPTIONS", &serde_json::to_string(&options)?))?;

    let mut rows = Vec::new();
    for (what, key, expected) in keys {
        let presented = [key.clone().into_bytes()];
        let mut verdicts = Vec::new();
        for face in &mut faces {
            let verdict = face.verify(&Batch { options: &options, now, keys: &presented })?.pop();
            verdicts.push((face.name(), verdict.context("no verdict")?));
        }
        // workerd gets what an edge function gets: an HTTP request, and its own clock.
        let (status, verdict) = workerd.present((!key.is_empty()).then_some(&key))?;
        let verified = verdict.get("verified") == Some(&Value::Bool(true));
        if status != if verified { 200 } else { 401 } {
            bail!("workerd answered {status} with {verdict}");
        }
        verdicts.push((workerd.name(), verdict));
        rows.push(Row { what, key, expected, verdicts });
    }

    if arguments.json {
        for row in &rows {
            let verdicts: serde_json::Map<String, Value> =
                row.verdicts.iter().map(|(face, verdict)| ((*face).to_owned(), verdict.clone())).collect();
            println!("{}", json!({"what": row.what, "key": shortened(&row.key), "verdicts": verdicts}));
        }
    } else {
        print_table(&rows);
    }
    let differing: Vec<&str> = rows.iter().filter(|row| !row.agrees()).map(|row| row.what).collect();
    if !differing.is_empty() {
        bail!("the runtimes differ, or say what they should not, about: {}", differing.join(", "));
    }
    eprintln!("{} keys, 4 runtimes, one verdict each", rows.len());
    Ok(())
}

impl Row {
    /// Whether all runtimes gave the same whole verdict, and the expected one.
    fn agrees(&self) -> bool {
        let mut verdicts = self.verdicts.iter().map(|(_, verdict)| verdict);
        let Some(first) = verdicts.next() else { return false };
        word(first) == self.expected && verdicts.all(|verdict| verdict == first)
    }
}

/// `verified` or the denial code.
fn word(verdict: &Value) -> &str {
    verdict.get("code").and_then(Value::as_str).unwrap_or("verified")
}

/// What may be shown of a key: everything up to its letter, and where the rest was.
fn shortened(key: &str) -> String {
    match key.len().checked_sub(50).and_then(|end| key.get(..end)) {
        Some(public) => format!("{public}…"),
        None => "(none)".to_owned(),
    }
}

fn print_table(rows: &[Row]) {
    let names: Vec<&str> =
        rows.first().map_or_else(Vec::new, |row| row.verdicts.iter().map(|(name, _)| *name).collect());
    let width = rows.iter().map(|row| row.what.chars().count()).max().unwrap_or(0);
    let keys = rows.iter().map(|row| shortened(&row.key).chars().count()).max().unwrap_or(0);
    print!("{:<width$}  {:<keys$}", "what", "key");
    for name in names {
        print!("  {name:<17}");
    }
    println!();
    for row in rows {
        print!("{:<width$}  {:<keys$}", row.what, shortened(&row.key));
        for (_, verdict) in &row.verdicts {
            print!("  {:<17}", word(verdict));
        }
        println!();
    }
}

fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).context("the operating system gives no random bytes")?;
    Ok(bytes)
}

type Keys = Vec<(&'static str, String, &'static str)>;

/// An issuing secret that was rotated once, what the verifiers are told of it, and keys of every fate.
fn issue(now: u64) -> Result<(Options, Keys)> {
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
    let keys = vec![
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
    Ok((options, keys))
}
