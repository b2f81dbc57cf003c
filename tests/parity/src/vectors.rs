//! The golden cases of `tests/vectors/keys.json`: every valid form, every way to be malformed, every denial.
//!
//! Each case says what it is meant to show; writing fails if the core says otherwise. From then on the file is the
//! contract, and every runtime is held to it.

use crate::{
    keyring_vectors, replay_vectors,
    setup::{IssuingSecret, Options},
    signature_vectors, webhook_vectors,
};
use anyhow::{Context, Result, ensure};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use claviger_core::{
    DenialClass, DenialCode, IssuingKey, KeyPrefix, OpaqueUse, Parsed, Purpose, RequestContext, SharedSecret,
    SignedKeyTerms, generate_opaque_key, parse,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// The file's content.
#[derive(Serialize, Deserialize)]
pub struct File {
    /// What the file is, for people.
    pub about: String,
    /// The version of this file's own form.
    pub format: u32,
    /// Configurations by name.
    pub verifiers: Vec<NamedOptions>,
    /// The cases.
    pub cases: Vec<Case>,
}

/// A configuration and its name.
#[derive(Serialize, Deserialize)]
pub struct NamedOptions {
    /// The name that cases use.
    pub name: String,
    /// The configuration.
    pub options: Options,
}

/// One presented text and what must be said about it.
#[derive(Serialize, Deserialize)]
pub struct Case {
    /// What it shows.
    pub name: String,
    /// The name of the configuration.
    pub verifier: String,
    /// Unix seconds.
    pub now: u64,
    /// What is presented, if it is text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What is presented in base64, if it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_base64: Option<String>,
    /// The verdict.
    pub verdict: Value,
    /// The parts of a well-formed text, or where it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parts: Option<Value>,
}

impl Case {
    /// What is presented.
    ///
    /// # Errors
    /// If the file is broken.
    pub fn presented(&self) -> Result<Vec<u8>> {
        match (&self.key, &self.key_base64) {
            (Some(key), _) => Ok(key.as_bytes().to_vec()),
            (None, Some(base64)) => Ok(BASE64_STANDARD.decode(base64)?),
            (None, None) => anyhow::bail!("case {} presents nothing", self.name),
        }
    }
}

/// Where the file is.
#[must_use]
pub fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors/keys.json")
}

/// Reads the file.
///
/// # Errors
/// If it is missing or broken.
pub fn read() -> Result<File> {
    let text =
        fs::read_to_string(path()).context("tests/vectors/keys.json is missing; run cargo xtask vectors")?;
    Ok(serde_json::from_str(&text)?)
}

/// The parts of a text as the npm package's `parseKey` names them, in snake_case.
#[must_use]
pub fn parts(text: &str) -> Value {
    let describe = |parsed: Parsed<'_>| {
        let claims = parsed.claims();
        json!({
            "well_formed": true,
            "kind": parsed.kind(),
            "prefix": parsed.prefix(),
            "key_id": parsed.id(),
            "version": parsed.version().or(claims.map(|claims| claims.version())),
            "read_only": claims.map(|claims| claims.read_only()),
            "issued_at": claims.map(|claims| claims.issued_at()),
            "expires_at": claims.and_then(|claims| claims.expires_at()),
        })
    };
    let refuse = |error: claviger_core::ParseError| json!({"well_formed": false, "part": error.part.as_str(), "message": error.to_string()});
    parse(text).map_or_else(refuse, describe)
}

/// CRC-32 by its definition, so that cases with a right checksum do not depend on the code they test.
#[must_use]
pub fn with_checksum(text: &str) -> String {
    let mut crc = u32::MAX;
    for byte in text.bytes() {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 };
        }
    }
    let (mut rest, mut digits) = (!crc, String::new());
    for _ in 0..6 {
        let alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        digits.insert(0, alphabet.chars().nth((rest % 62) as usize).unwrap_or('?'));
        rest /= 62;
    }
    format!("{text}{digits}")
}

struct Writer {
    verifiers: Vec<NamedOptions>,
    cases: Vec<Case>,
}

impl Writer {
    fn add(
        &mut self,
        name: &str,
        verifier: &str,
        now: u64,
        key: &[u8],
        meant: Option<DenialCode>,
    ) -> Result<()> {
        let found = self.verifiers.iter().find(|candidate| candidate.name == verifier);
        let native = found.context("no such verifier")?.options.native()?;
        let verdict = native.verify_key(key, &RequestContext::at(now)).into_owned();
        ensure!(verdict.denial() == meant, "case {name} is meant to be {meant:?}, the core says {verdict:?}");
        let text = std::str::from_utf8(key).ok();
        self.cases.push(Case {
            name: name.to_owned(),
            verifier: verifier.to_owned(),
            now,
            key: text.map(str::to_owned),
            key_base64: text.is_none().then(|| BASE64_STANDARD.encode(key)),
            verdict: serde_json::to_value(verdict)?,
            parts: text.map(parts),
        });
        Ok(())
    }
}

/// Makes the file's content from the core.
///
/// # Errors
/// If the core says something else than a case is meant to show.
pub fn generate() -> Result<File> {
    use DenialCode::{
        BadChecksum, BadSecret, Expired, LifetimeRequired, Malformed, Missing, NotYetValid, UnknownKey,
        WrongPrefix,
    };
    const NOW: u64 = 1_790_000_040; // the start of a minute
    let entropy =
        |start: u8| std::array::from_fn::<u8, 40, _>(|i| start.wrapping_add((i as u8).wrapping_mul(37)));
    let live = KeyPrefix::new("acme_live")?;
    let test = KeyPrefix::new("acme_test")?;
    let long = KeyPrefix::new("a_prefix_with_just_32_characters")?;
    let short = KeyPrefix::new("a")?;

    let old = SharedSecret::generate(Purpose::Issuing, 1, &entropy(1));
    let new = SharedSecret::generate(Purpose::Issuing, 2, &entropy(2));
    let retired = SharedSecret::generate(Purpose::Issuing, 0, &entropy(3));
    let forged = SharedSecret::generate(Purpose::Issuing, 2, &entropy(4));
    let last = SharedSecret::generate(Purpose::Issuing, 255, &entropy(5));
    let integration = SharedSecret::generate(Purpose::Integration, 61, &entropy(6));

    let trusted =
        Options::trusting([(live, &old), (live, &new), (test, &new), (long, &last), (short, &last)]);
    let mut unlimited = trusted.clone();
    unlimited.allow_keys_without_lifetime = Some(true);
    let single = Options {
        issuing_secrets: vec![IssuingSecret {
            prefix: live.to_string(),
            secret: new.to_text().expose().to_owned(),
        }],
        ..Options::default()
    };
    let named = |name: &str, options| NamedOptions { name: name.to_owned(), options };
    let verifiers = vec![
        named("rotating", trusted),
        named("allows_without_lifetime", unlimited),
        named("single", single),
    ];
    let mut w = Writer { verifiers, cases: Vec::new() };

    let id = [0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54, 0x32, 0x10];
    let signed = |prefix, secret: &SharedSecret, id: &[u8; 8], terms| -> Result<String> {
        Ok(IssuingKey::new(prefix, secret)?.generate(id, terms)?.expose().to_owned())
    };
    let hour = SignedKeyTerms::expiring(NOW, 60);
    let key = signed(live, &new, &id, hour)?;

    // Every valid form.
    w.add("signed", "rotating", NOW, key.as_bytes(), None)?;
    w.add("signed, verifier with one secret", "single", NOW, key.as_bytes(), None)?;
    w.add("signed, read only", "rotating", NOW, signed(live, &new, &id, hour.read_only())?.as_bytes(), None)?;
    w.add(
        "signed, old version during rotation",
        "rotating",
        NOW,
        signed(live, &old, &id, hour)?.as_bytes(),
        None,
    )?;
    w.add(
        "signed, same secret under another prefix",
        "rotating",
        NOW,
        signed(test, &new, &id, hour)?.as_bytes(),
        None,
    )?;
    w.add(
        "signed, prefix of 32 characters",
        "rotating",
        NOW,
        signed(long, &last, &id, hour)?.as_bytes(),
        None,
    )?;
    w.add(
        "signed, prefix of 1 character",
        "rotating",
        NOW,
        signed(short, &last, &id, hour)?.as_bytes(),
        None,
    )?;
    for (name, id) in [("signed, smallest id", [0; 8]), ("signed, largest id", [0xff; 8])] {
        w.add(name, "rotating", NOW, signed(live, &new, &id, hour)?.as_bytes(), None)?;
    }
    let forever = signed(live, &new, &id, SignedKeyTerms::without_lifetime(NOW))?;
    w.add(
        "signed, without lifetime where allowed",
        "allows_without_lifetime",
        NOW,
        forever.as_bytes(),
        None,
    )?;

    // Time, to the second.
    w.add("expires in a second", "rotating", NOW + 3599, key.as_bytes(), None)?;
    w.add("expires now", "rotating", NOW + 3600, key.as_bytes(), Some(Expired))?;
    w.add("expired long ago", "rotating", u64::from(u32::MAX), key.as_bytes(), Some(Expired))?;
    w.add("issued 300 s ahead of the clock", "rotating", NOW - 300, key.as_bytes(), None)?;
    w.add("issued 301 s ahead of the clock", "rotating", NOW - 301, key.as_bytes(), Some(NotYetValid))?;
    w.add("clock at zero", "rotating", 0, key.as_bytes(), Some(NotYetValid))?;
    w.add("without lifetime", "rotating", NOW, forever.as_bytes(), Some(LifetimeRequired))?;

    // Unproven.
    w.add(
        "made with another secret of the same version",
        "rotating",
        NOW,
        signed(live, &forged, &id, hour)?.as_bytes(),
        Some(BadSecret),
    )?;
    w.add(
        "made with a retired secret",
        "rotating",
        NOW,
        signed(live, &retired, &id, hour)?.as_bytes(),
        Some(UnknownKey),
    )?;
    w.add(
        "old version after rotation",
        "single",
        NOW,
        signed(live, &old, &id, hour)?.as_bytes(),
        Some(UnknownKey),
    )?;
    w.add(
        "prefix of another product",
        "rotating",
        NOW,
        signed(KeyPrefix::new("other_live")?, &new, &id, hour)?.as_bytes(),
        Some(WrongPrefix),
    )?;
    w.add(
        "prefix of the other environment",
        "single",
        NOW,
        signed(test, &new, &id, hour)?.as_bytes(),
        Some(WrongPrefix),
    )?;
    let secret_start = key.len() - 50;
    let (body, _) = key.split_at_checked(key.len() - 6).context("short key")?;
    let change = |place: usize, to: &str| {
        let (before, after) = (body.get(..place).unwrap_or(""), body.get(place + to.len()..).unwrap_or(""));
        format!("{before}{to}{after}")
    };
    w.add(
        "prefix changed, checksum right",
        "rotating",
        NOW,
        with_checksum(&change(5, "test")).as_bytes(),
        Some(BadSecret),
    )?;
    w.add(
        "id changed, checksum right",
        "rotating",
        NOW,
        with_checksum(&change(10, "0")).as_bytes(),
        Some(BadSecret),
    )?;
    w.add(
        "claims changed, checksum right",
        "rotating",
        NOW,
        with_checksum(&change(32, "z")).as_bytes(),
        Some(BadSecret),
    )?;
    w.add(
        "secret changed, checksum right",
        "rotating",
        NOW,
        with_checksum(&change(secret_start + 43, if body.ends_with('0') { "1" } else { "0" })).as_bytes(),
        Some(BadSecret),
    )?;
    w.add(
        "secret of zeros",
        "rotating",
        NOW,
        with_checksum(&change(secret_start, &"0".repeat(44))).as_bytes(),
        Some(BadSecret),
    )?;
    let token = with_checksum(&change(secret_start - 1, "t"));
    w.add("access token, no keyring", "rotating", NOW, token.as_bytes(), Some(UnknownKey))?;
    for (name, usage) in [
        ("opaque, no keyring", OpaqueUse::Bearer),
        ("opaque for signing, no keyring", OpaqueUse::BearerAndSigning),
    ] {
        let (_, opaque) = generate_opaque_key(&live, usage, &entropy(9));
        w.add(name, "rotating", NOW, opaque.expose().as_bytes(), Some(UnknownKey))?;
    }
    let (_, opaque) = generate_opaque_key(&KeyPrefix::new("other_live")?, OpaqueUse::Bearer, &entropy(9));
    w.add(
        "opaque, prefix of another product",
        "rotating",
        NOW,
        opaque.expose().as_bytes(),
        Some(WrongPrefix),
    )?;
    let (_, opaque) = generate_opaque_key(&short, OpaqueUse::Bearer, &entropy(9));
    w.add("opaque, shortest text of all", "rotating", NOW, opaque.expose().as_bytes(), Some(UnknownKey))?;

    // Claviger's own secrets open nothing.
    w.add(
        "issuing secret presented as a key",
        "rotating",
        NOW,
        new.to_text().expose().as_bytes(),
        Some(Malformed),
    )?;
    w.add(
        "integration secret presented as a key",
        "rotating",
        NOW,
        integration.to_text().expose().as_bytes(),
        Some(Malformed),
    )?;
    for name in ["cvgkk", "cvgmk"] {
        let text = with_checksum(&format!("{name}_{}_x{}", "7".repeat(11), "7".repeat(44)));
        w.add(&format!("{name} presented as a key"), "rotating", NOW, text.as_bytes(), Some(Malformed))?;
    }

    // One character changed in each part, the checksum left as it was.
    for (part, place) in [
        ("prefix", 2),
        ("id", 12),
        ("claims", 25),
        ("letter", secret_start - 1),
        ("secret", secret_start + 20),
        ("checksum", key.len() - 1),
    ] {
        let present = key.get(place..=place).unwrap_or("");
        let other = match (part, present) {
            ("letter", _) => "t",
            (_, "b") => "c",
            _ => "b",
        };
        let changed =
            format!("{}{other}{}", key.get(..place).unwrap_or(""), key.get(place + 1..).unwrap_or(""));
        w.add(
            &format!("one character of the {part} changed"),
            "rotating",
            NOW,
            changed.as_bytes(),
            Some(BadChecksum),
        )?;
    }

    w.add(
        "first character cut off",
        "rotating",
        NOW,
        key.get(1..).unwrap_or("").as_bytes(),
        Some(BadChecksum),
    )?;

    // Every way to be malformed.
    w.add("nothing", "rotating", NOW, b"", Some(Missing))?;
    let ones = "1".repeat(44);
    let id11 = "5Vb6ap7Oo8i";
    let largest = "LygHa16AHYF";
    let above = "LygHa16AHYG";
    let claims = key.get(22..33).unwrap_or("");
    let shapes: Vec<(&str, String)> = vec![
        ("a space", " ".into()),
        ("one character", "a".into()),
        ("one byte too short", with_checksum(&format!("_{id11}_k{ones}"))),
        ("one byte too long", with_checksum(&format!("a_prefix_with_just_32_charactersx_{id11}_{claims}_s{ones}"))),
        ("64 KiB of zeros", "0".repeat(65536)),
        ("just longer than any buffer", "0".repeat(1025)),
        ("a space behind", format!("{key} ")),
        ("a newline behind", format!("{key}\n")),
        ("a space before", format!(" {key}")),
        ("quoted", format!("\"{key}\"")),
        ("bearer scheme left on", format!("Bearer {key}")),
        ("no prefix", with_checksum(&format!("_{id11}_{claims}_s{ones}"))),
        ("prefix starts with a digit", with_checksum(&format!("1cme_{id11}_k{ones}"))),
        ("prefix starts with an underscore", with_checksum(&format!("_acme_{id11}_k{ones}"))),
        ("prefix ends with an underscore", with_checksum(&format!("acme__{id11}_k{ones}"))),
        ("prefix with two underscores", with_checksum(&format!("ac__me_{id11}_k{ones}"))),
        ("prefix in upper case", with_checksum(&format!("Acme_{id11}_k{ones}"))),
        ("prefix with a hyphen", with_checksum(&format!("ac-me_{id11}_k{ones}"))),
        ("prefix not in ASCII", with_checksum(&format!("acmé_{id11}_k{ones}"))),
        ("prefix reserved", with_checksum(&format!("cvgis_{id11}_k{ones}"))),
        ("prefix reserved, of a signed key", with_checksum(&format!("cvgfoo_live_{id11}_{claims}_s{ones}"))),
        ("prefix of 33 characters", with_checksum(&format!("a_prefix_with_just_32_charactersx_{id11}_k{ones}"))),
        ("letter unknown", with_checksum(&format!("acme_live_{id11}_q{ones}"))),
        ("letter in upper case", with_checksum(&format!("acme_live_{id11}_K{ones}"))),
        ("letter x with another prefix", with_checksum(&format!("acme_live_{id11}_x{ones}"))),
        ("no underscore before the letter", with_checksum(&format!("acme_live_{id11}0k{ones}"))),
        ("no underscore before the id", with_checksum(&format!("acmelive0{id11}_k{ones}"))),
        ("no underscore before the claims", with_checksum(&format!("acme_live_{id11}0{claims}_s{ones}"))),
        ("underscore in the id", with_checksum(&format!("acme_live_5Vb6ap7Oo_i_k{ones}"))),
        ("underscore in the secret", with_checksum(&format!("acme_live_{id11}_k{}_", "1".repeat(43)))),
        ("hyphen in the secret", with_checksum(&format!("acme_live_{id11}_k{}-", "1".repeat(43)))),
        ("id above u64", with_checksum(&format!("acme_live_{above}_k{ones}"))),
        ("claims above u64", with_checksum(&format!("acme_live_{id11}_{above}_s{ones}"))),
        ("claims with a flag of a later version", with_checksum(&format!("acme_live_{id11}_{largest}_s{ones}"))),
        ("first limb of the secret above u64", with_checksum(&format!("acme_live_{id11}_k{above}{}", "1".repeat(33)))),
        ("last limb of the secret above u64", with_checksum(&format!("acme_live_{id11}_k{}{above}", "1".repeat(33)))),
        ("secret of nothing but z", with_checksum(&format!("acme_live_{id11}_k{}", "z".repeat(44)))),
        ("checksum above u32", format!("acme_live_{id11}_k{ones}4gfFC4")),
        ("checksum not in the alphabet", format!("acme_live_{id11}_k{ones}0000_0")),
        ("issuing secret with too long a version", with_checksum(&format!("cvgis_{id11}_001_x{ones}"))),
        ("issuing secret with version 256", with_checksum(&format!("cvgis_{id11}_48_x{ones}"))),
        ("keyring key with a version", with_checksum(&format!("cvgkk_{id11}_01_x{ones}"))),
        ("a NUL in the middle", format!("{}\0{}", key.get(..40).unwrap_or(""), key.get(41..).unwrap_or(""))),
        ("full-width characters", key.replace('_', "\u{ff3f}")),
        ("a JSON web token", "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODB9.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".into()),
    ];
    for (name, text) in shapes {
        w.add(&format!("malformed: {name}"), "rotating", NOW, text.as_bytes(), Some(Malformed))?;
    }
    for cut in [1, 6, 7, 50, 51, 52] {
        // What is left of a signed key has the length of another, so the letter gives it away.
        let text = key.get(..key.len() - cut).unwrap_or("");
        w.add(
            &format!("malformed: last {cut} characters cut off"),
            "rotating",
            NOW,
            text.as_bytes(),
            Some(Malformed),
        )?;
    }
    let mut bytes = key.clone().into_bytes();
    if let Some(byte) = bytes.get_mut(60) {
        *byte = 0xff;
    }
    w.add("malformed: a byte that is no UTF-8", "rotating", NOW, &bytes, Some(Malformed))?;
    w.add("malformed: nothing but 0xff", "rotating", NOW, &[0xff; 91], Some(Malformed))?;

    Ok(File {
        about: "Written by cargo xtask vectors. Every runtime must give these verdicts and parts. The secrets are test data.".into(),
        format: 1,
        verifiers: w.verifiers,
        cases: w.cases,
    })
}

/// The first number of a denial by policy.
const POLICY: u8 = 32;
/// The first number of a fault.
const FAULT: u8 = 64;

/// The TypeScript of the denial codes, so that the types of the npm package are those of the core.
fn denial_codes_ts() -> String {
    let (mut types, mut numbers) = (String::new(), String::new());
    let mut reasons = String::new();
    let mut last = None;
    for &code in DenialCode::ALL {
        types.push_str(&format!(
            "\n  /** {} *Solution:* {} */\n  | \"{code}\"",
            code.reason(),
            code.solution()
        ));
        // Runs of numbers: each program that verifies carries the table.
        if last.is_some_and(|last: u8| last.checked_add(1) == Some(code.number())) {
            numbers.push_str(&format!(" {code}"));
        } else {
            let end = if numbers.is_empty() { "" } else { "\",\n" };
            numbers.push_str(&format!("{end}  {}: \"{code}", code.number()));
        }
        last = Some(code.number());
        let class = match code.number() {
            0..POLICY => DenialClass::Unproven,
            POLICY..FAULT => DenialClass::Policy,
            FAULT.. => DenialClass::Fault,
        };
        assert_eq!(
            code.class(),
            class,
            "{code}: its class is not that of its number, by which JavaScript knows it"
        );
        if class == DenialClass::Policy {
            reasons.push_str(&format!("  {code}: {:?},\n", code.reason()));
        }
    }
    format!(
        "/** Written by `cargo xtask vectors` from the core; not to be edited. */\n\n\
         /** Why a request is denied. The codes never change. */\nexport type DenialCode ={types};\n\n\
         const entries = /* @__PURE__ */ Object.entries({{\n{numbers}\",\n}}).flatMap(([first, codes]) =>\n  \
         codes.split(\" \").map((code, place) => [+first + place, code] as const),\n);\n\n\
         /** The codes by their numbers in WebAssembly memory. */\n\
         export const denialCodes = /* @__PURE__ */ Object.fromEntries(entries) as Readonly<Record<number, DenialCode>>;\n\n\
         /**\n * What a denial says about the caller, and so what HTTP may tell him. `unproven`: nothing was proved, one and\n \
         * the same 401 whatever the code. `policy`: a proven key that is not good, a 403 with the code. `fault`: the\n \
         * verifier cannot decide, a 503.\n */\n\
         export type DenialClass = \"unproven\" | \"policy\" | \"fault\";\n\n\
         /** The class of each code, which its number tells. */\n\
         export const denialClasses = /* @__PURE__ */ Object.fromEntries(\n  \
         entries.map(([number, code]) => [code, number < {POLICY} ? \"unproven\" : number < {FAULT} ? \"policy\" : \"fault\"]),\n\
         ) as Readonly<Record<DenialCode, DenialClass>>;\n\n\
         /** What a proven caller is told. */\n\
         export const policyReasons: Readonly<Partial<Record<DenialCode, string>>> = {{\n{reasons}}};\n"
    )
}

/// Every golden file with what belongs in it.
///
/// # Errors
/// Those of [`generate`] and of the other modules' files.
pub fn golden_files() -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    let types = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../js/src/denial-codes.ts");
    let mut files = keyring_vectors::generate()?;
    files.insert(replay_vectors::path(), replay_vectors::generate()?);
    files.insert(path(), (serde_json::to_string_pretty(&generate()?)? + "\n").into_bytes());
    files.insert(types, denial_codes_ts().into_bytes());
    let webhooks = serde_json::to_string_pretty(&webhook_vectors::generate()?)? + "\n";
    files.insert(webhook_vectors::path(), webhooks.into_bytes());
    let signatures = serde_json::to_string_pretty(&signature_vectors::generate()?)? + "\n";
    files.insert(signature_vectors::path(), signatures.into_bytes());
    Ok(files)
}
