//! The golden cases of `tests/vectors/webhooks.json`: webhooks that are signed, and webhooks that arrive.
//!
//! Signatures are made here by the definition of HMAC, not by the core. Writing fails if the core says otherwise than a case
//! is meant; from then on the file is the contract.

use anyhow::{Context, Result, ensure};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use claviger_core::{
    MAX_WEBHOOK_ID_LEN, MAX_WEBHOOK_SECRETS, MAX_WEBHOOK_SIGNATURE_LEN, MAX_WEBHOOK_SIGNATURES,
    MAX_WEBHOOK_TIMESTAMP, Purpose, SharedSecret, WEBHOOK_TOLERANCE_SECONDS, WebhookError, WebhookHeaders,
    WebhookSecret, sign_webhook, verify_webhook,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// The file's content.
#[derive(Serialize, Deserialize)]
pub struct File {
    /// What the file is, for people.
    pub about: Vec<String>,
    /// The version of this file's own form.
    pub format: u32,
    /// Texts, and whether they are secrets.
    pub secrets: Vec<SecretCase>,
    /// Webhooks that are signed.
    pub signed: Vec<Signed>,
    /// Webhooks that arrive.
    pub cases: Vec<Case>,
}

/// A text, and whether it is a secret.
#[derive(Serialize, Deserialize)]
pub struct SecretCase {
    /// What it shows.
    pub name: String,
    /// The text.
    pub text: String,
    /// The same secret as other libraries take it; `null` if it is none.
    pub whsec: Option<String>,
}

/// What is signed.
#[derive(Serialize, Deserialize)]
pub struct Signed {
    /// What it shows.
    pub name: String,
    /// The secrets.
    pub secrets: Vec<String>,
    /// `webhook-id`.
    pub id: String,
    /// `webhook-timestamp`.
    pub timestamp: u64,
    /// The body in base64.
    pub body_base64: String,
    /// `webhook-signature`; `null` if this cannot be signed.
    pub signature: Option<String>,
}

/// What arrives.
#[derive(Serialize, Deserialize)]
pub struct Case {
    /// What it shows.
    pub name: String,
    /// The secrets.
    pub secrets: Vec<String>,
    /// The headers, each character a byte (Latin-1).
    pub headers: Headers,
    /// The body in base64.
    pub body_base64: String,
    /// Unix seconds.
    pub now: u64,
    /// In seconds.
    pub tolerance: u64,
    /// The verdict.
    pub verdict: Value,
}

/// Headers; what is not there is left out.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Headers {
    /// The id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook_id: Option<String>,
    /// The time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook_timestamp: Option<String>,
    /// The signatures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook_signature: Option<String>,
}

/// Where the file is.
#[must_use]
pub fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors/webhooks.json")
}

/// Reads the file.
///
/// # Errors
/// If it is missing or broken.
pub fn read() -> Result<File> {
    let text = fs::read_to_string(path())
        .context("tests/vectors/webhooks.json is missing; run cargo xtask vectors")?;
    Ok(serde_json::from_str(&text)?)
}

/// The secret that a text is: `whsec_…` or `cvgws_…`.
///
/// # Errors
/// If it is none.
pub fn secret(text: &str) -> Result<WebhookSecret> {
    if text.starts_with("whsec_") {
        return Ok(WebhookSecret::parse(text)?);
    }
    Ok(WebhookSecret::of(&SharedSecret::parse(text)?)?)
}

/// Whether the core says of every case what the file says.
///
/// # Errors
/// It names the first case of which it does not.
pub fn check(file: &File) -> Result<()> {
    for SecretCase { name, text, whsec } in &file.secrets {
        let read = secret(text).ok().map(|secret| secret.to_text().expose().to_owned());
        ensure!(&read == whsec, "secret {name}: {read:?}");
    }
    let secrets = |texts: &[String]| texts.iter().map(|text| secret(text)).collect::<Result<Vec<_>>>();
    for Signed { name, secrets: texts, id, timestamp, body_base64, signature } in &file.signed {
        let signed = sign_webhook(&secrets(texts)?, id, *timestamp, &BASE64_STANDARD.decode(body_base64)?);
        ensure!(signed.as_ref().ok() == signature.as_ref(), "signing {name}: {signed:?}");
    }
    for case in &file.cases {
        let latin1 = |text: &Option<String>| -> Result<Option<Vec<u8>>> {
            let bytes = |text: &String| text.chars().map(u8::try_from).collect::<Result<_, _>>();
            Ok(text.as_ref().map(bytes).transpose()?)
        };
        let id = latin1(&case.headers.webhook_id)?;
        let timestamp = latin1(&case.headers.webhook_timestamp)?;
        let signature = latin1(&case.headers.webhook_signature)?;
        let headers = WebhookHeaders {
            id: id.as_deref(),
            timestamp: timestamp.as_deref(),
            signature: signature.as_deref(),
        };
        let body = BASE64_STANDARD.decode(&case.body_base64)?;
        let verdict =
            match verify_webhook(&secrets(&case.secrets)?, &headers, &body, case.now, case.tolerance) {
                Ok(webhook) => verified(webhook.id, webhook.timestamp),
                Err(code) => denied(code.as_str()),
            };
        ensure!(verdict == case.verdict, "case {}: {verdict}", case.name);
    }
    Ok(())
}

fn verified(id: &str, timestamp: u64) -> Value {
    json!({"verified": true, "id": id, "timestamp": timestamp})
}

fn denied(code: &str) -> Value {
    json!({"verified": false, "code": code})
}

/// HMAC-SHA256 by its definition (RFC 2104), under a key of at most 64 bytes.
fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let padded = |padding: u8| -> Vec<u8> {
        (0..64).map(|at| key.get(at).copied().unwrap_or_default() ^ padding).collect()
    };
    let inner = Sha256::digest([&padded(0x36), message].concat());
    Sha256::digest([&padded(0x5c)[..], &inner].concat()).into()
}

fn signature(secret: &[u8], id: &str, timestamp: &str, body: &[u8]) -> String {
    let message = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body].concat();
    format!("v1,{}", BASE64_STANDARD.encode(hmac(secret, &message)))
}

fn whsec(secret: &[u8]) -> String {
    format!("whsec_{}", BASE64_STANDARD.encode(secret))
}

const ID: &str = "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk";
const TIME: u64 = 1_649_367_553;
const KNOWN: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const BODY: &[u8] = br#"{"email":"test@example.com","username":"test_user"}"#;
/// The known answer of the libraries of Standard Webhooks to these four.
const ANSWER: &str = "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=";

/// What belongs in the file.
///
/// # Errors
/// If the core says otherwise than a case is meant.
pub fn generate() -> Result<File> {
    let integration = SharedSecret::generate(Purpose::Integration, 3, &[5; 40]);
    let issuing = SharedSecret::generate(Purpose::Issuing, 3, &[5; 40]);
    // The documented derivation: RFC 5869 with an output of one block.
    let extracted = hmac(b"claviger/secret/v1", &[5; 32]);
    let subkey = hmac(&extracted, b"integration\0webhook\x01");
    let (cvgws, cvgis) = (integration.to_text(), issuing.to_text());
    let file = File {
        about: vec![
            "Webhooks by the Standard Webhooks specification (symmetric, v1): the same in Rust and JavaScript.".into(),
            "Characters of headers are bytes (Latin-1). Bodies are in base64.".into(),
            "Written by `cargo xtask vectors`; not to be edited.".into(),
        ],
        format: 1,
        secrets: secrets(cvgws.expose(), cvgis.expose(), &subkey),
        signed: signed(cvgws.expose(), &subkey),
        cases: cases(cvgws.expose(), &subkey),
    };
    check(&file)?;
    ensure!(sign_webhook(&[], ID, TIME, BODY) == Err(WebhookError::Secrets), "no secrets");
    Ok(file)
}

fn secrets(cvgws: &str, cvgis: &str, subkey: &[u8]) -> Vec<SecretCase> {
    let bytes: Vec<u8> = (0..65).map(|byte| 255 - byte).collect();
    let of = |length: usize| whsec(bytes.get(..length).unwrap_or_default());
    let good = |name: &str, text: &str| SecretCase {
        name: name.into(),
        text: text.into(),
        whsec: Some(text.into()),
    };
    let bad = |name: &str, text: &str| SecretCase { name: name.into(), text: text.into(), whsec: None };
    let known = KNOWN.trim_start_matches("whsec_");
    vec![
        good("the shortest: 24 bytes", &of(24)),
        good("25 bytes, two characters of padding", &of(25)),
        good("26 bytes, one character of padding", &of(26)),
        good("32 bytes", &of(32)),
        good("the longest: 64 bytes", &of(64)),
        good("of the known answer", KNOWN),
        SecretCase { name: "an integration secret".into(), text: cvgws.into(), whsec: Some(whsec(subkey)) },
        bad("an issuing secret", cvgis),
        bad("23 bytes", &of(23)),
        bad("65 bytes", &of(65)),
        bad("nothing behind the prefix", "whsec_"),
        bad("without prefix", known),
        bad("prefix in capitals", &format!("WHSEC_{known}")),
        bad("the key pair of the asymmetric scheme", &format!("whsk_{known}")),
        bad("without its padding", of(25).trim_end_matches('=')),
        bad("padding that is too long", &format!("{}=", of(26))),
        bad("the alphabet of URLs", &KNOWN.replace('+', "-")),
        bad("bits that no byte has", &of(25).replace("5w==", "5x==")),
        bad("a blank behind", &format!("{KNOWN} ")),
        bad("a line end behind", &format!("{KNOWN}\n")),
        bad("a character beyond ASCII", &KNOWN.replace('+', "é")),
    ]
}

fn signed(cvgws: &str, subkey: &[u8]) -> Vec<Signed> {
    let known = BASE64_STANDARD.decode(KNOWN.trim_start_matches("whsec_")).unwrap_or_default();
    let long = [9; 64];
    let sign =
        |name: &str, secrets: &[&str], id: &str, timestamp: u64, body: &[u8], signature: Option<String>| {
            Signed {
                name: name.into(),
                secrets: secrets.iter().map(|&text| text.into()).collect(),
                id: id.into(),
                timestamp,
                body_base64: BASE64_STANDARD.encode(body),
                signature,
            }
        };
    let (time, longest) = (TIME.to_string(), "i".repeat(MAX_WEBHOOK_ID_LEN));
    let bytes: Vec<u8> = (0..=255).collect();
    let all = [
        &signature(&known, ID, &time, BODY),
        &signature(&long, ID, &time, BODY),
        &signature(subkey, ID, &time, BODY),
    ];
    let all = all.map(String::as_str).join(" ");
    let (longest_key, latest) = (whsec(&long), MAX_WEBHOOK_TIMESTAMP.to_string());
    let mut signed = vec![
        sign("the known answer", &[KNOWN], ID, TIME, BODY, Some(ANSWER.into())),
        sign("an integration secret", &[cvgws], ID, TIME, BODY, Some(signature(subkey, ID, &time, BODY))),
        sign("the longest secret", &[&longest_key], ID, TIME, BODY, Some(signature(&long, ID, &time, BODY))),
        sign("three secrets in rotation", &[KNOWN, &longest_key, cvgws], ID, TIME, BODY, Some(all)),
        sign("no body", &[KNOWN], ID, TIME, b"", Some(signature(&known, ID, &time, b""))),
        sign(
            "a body that is no UTF-8",
            &[KNOWN],
            ID,
            TIME,
            &bytes,
            Some(signature(&known, ID, &time, &bytes)),
        ),
        sign(
            "the longest id",
            &[KNOWN],
            &longest,
            TIME,
            BODY,
            Some(signature(&known, &longest, &time, BODY)),
        ),
        sign(
            "every sign in the id",
            &[KNOWN],
            "!~,:/",
            TIME,
            BODY,
            Some(signature(&known, "!~,:/", &time, BODY)),
        ),
        sign("the first second", &[KNOWN], ID, 0, BODY, Some(signature(&known, ID, "0", BODY))),
        sign(
            "the last second",
            &[KNOWN],
            ID,
            MAX_WEBHOOK_TIMESTAMP,
            BODY,
            Some(signature(&known, ID, &latest, BODY)),
        ),
        sign("no id", &[KNOWN], "", TIME, BODY, None),
        sign("an id that is too long", &[KNOWN], &format!("{longest}i"), TIME, BODY, None),
        sign("a full stop in the id", &[KNOWN], "msg_1.2", TIME, BODY, None),
        sign("a blank in the id", &[KNOWN], "msg 1", TIME, BODY, None),
        sign("a line end in the id", &[KNOWN], "msg_1\r\nx: y", TIME, BODY, None),
        sign("an id beyond ASCII", &[KNOWN], "msg_é", TIME, BODY, None),
    ];
    // Every place of the end within a block.
    for length in [1, 8, 9, 10, 17, 18, 63, 64, 65, 1000] {
        let body = vec![b'x'; length];
        let name = format!("a body of {length} bytes");
        let expected = signature(&known, ID, &time, &body);
        signed.push(sign(&name, &[KNOWN], ID, TIME, &body, Some(expected)));
    }
    signed
}

fn cases(cvgws: &str, subkey: &[u8]) -> Vec<Case> {
    let known = BASE64_STANDARD.decode(KNOWN.trim_start_matches("whsec_")).unwrap_or_default();
    let mut cases = Vec::new();
    let time = TIME.to_string();
    let headers = |id: &str, timestamp: &str, signature: &str| Headers {
        webhook_id: Some(id.into()),
        webhook_timestamp: Some(timestamp.into()),
        webhook_signature: Some(signature.into()),
    };
    let good = headers(ID, &time, ANSWER);
    let mut add = |name: &str, secrets: &[&str], headers: &Headers, body: &[u8], now: u64, verdict: Value| {
        cases.push(Case {
            name: name.into(),
            secrets: secrets.iter().map(|&text| text.into()).collect(),
            headers: headers.clone(),
            body_base64: BASE64_STANDARD.encode(body),
            now,
            tolerance: WEBHOOK_TOLERANCE_SECONDS,
            verdict,
        });
    };
    let proved = || verified(ID, TIME);
    let malformed = || denied("malformed");
    let forged = || denied("bad_signature");

    add("the known answer", &[KNOWN], &good, BODY, TIME, proved());
    let ours = headers(ID, &time, &signature(subkey, ID, &time, BODY));
    add("an integration secret", &[cvgws], &ours, BODY, TIME, proved());
    let bytes: Vec<u8> = (0..=255).collect();
    let signed_bytes = headers(ID, &time, &signature(&known, ID, &time, &bytes));
    add("a body that is no UTF-8", &[KNOWN], &signed_bytes, &bytes, TIME, proved());
    let no_body = headers(ID, &time, &signature(&known, ID, &time, b""));
    add("no body", &[KNOWN], &no_body, b"", TIME, proved());
    let stops = headers(ID, &time, &signature(&known, ID, &time, b"1.2.3"));
    add("full stops in the body", &[KNOWN], &stops, b"1.2.3", TIME, proved());

    // Time.
    let tolerance = WEBHOOK_TOLERANCE_SECONDS;
    add("as old as it may be", &[KNOWN], &good, BODY, TIME + tolerance, proved());
    add("older", &[KNOWN], &good, BODY, TIME + tolerance + 1, denied("signature_expired"));
    add("as far ahead as it may be", &[KNOWN], &good, BODY, TIME - tolerance, proved());
    add("further ahead", &[KNOWN], &good, BODY, TIME - tolerance - 1, denied("signature_from_future"));
    let first = headers(ID, "0", &signature(&known, ID, "0", BODY));
    add("the first second", &[KNOWN], &first, BODY, 0, verified(ID, 0));
    let latest = MAX_WEBHOOK_TIMESTAMP.to_string();
    let last = headers(ID, &latest, &signature(&known, ID, &latest, BODY));
    let of_last = verified(ID, MAX_WEBHOOK_TIMESTAMP);
    add("the last second", &[KNOWN], &last, BODY, MAX_WEBHOOK_TIMESTAMP, of_last);
    add("the clock stands at zero", &[KNOWN], &good, BODY, 0, denied("signature_from_future"));
    for timestamp in [
        "",
        "123abc",
        "1649367553abc",
        "+1649367553",
        "-1",
        "01649367553",
        " 1649367553",
        "1649367553 ",
        "1649367553.0",
        "1649367553.5",
        "1.649367553e9",
        "0x624f5f41",
        "1649367553,1649367553",
        "９",
        "NaN",
        "9007199254740992",
        "16493675530000000",
        "18446744073709551616",
        "99999999999999999999999999",
    ] {
        // Each of them signed as it stands, so that nothing else is wrong with it.
        let latin1: Vec<u8> = timestamp.chars().map(|c| u8::try_from(c).unwrap_or(b'?')).collect();
        let timestamp: String = latin1.iter().map(|&byte| char::from(byte)).collect();
        let odd = headers(ID, &timestamp, &signature(&known, ID, &timestamp, BODY));
        add(&format!("timestamp {timestamp:?}"), &[KNOWN], &odd, BODY, TIME, malformed());
    }

    // Ids.
    let longest = "i".repeat(MAX_WEBHOOK_ID_LEN);
    let long = headers(&longest, &time, &signature(&known, &longest, &time, BODY));
    add("the longest id", &[KNOWN], &long, BODY, TIME, verified(&longest, TIME));
    for (name, id) in [
        ("an empty id", ""),
        ("an id that is too long", &*format!("{longest}i")),
        ("a full stop in the id", "msg_1.2"),
        ("a blank in the id", "msg 1"),
        ("a line end in the id", "msg_1\n"),
        ("an id beyond ASCII", "msg_\u{e9}"),
    ] {
        let odd = headers(id, &time, &signature(&known, id, &time, BODY));
        add(name, &[KNOWN], &odd, BODY, TIME, malformed());
    }
    // The bytes that are signed are the same, parted in another way.
    let parted =
        headers(&format!("{ID}.{time}"), "1649367554", &signature(&known, ID, &time, b"1649367554.{}"));
    add("the body taken for a time", &[KNOWN], &parted, b"{}", TIME, malformed());

    // Missing headers.
    add("no headers", &[KNOWN], &Headers::default(), BODY, TIME, denied("missing"));
    let without_id = Headers { webhook_id: None, ..good.clone() };
    add("no id", &[KNOWN], &without_id, BODY, TIME, denied("missing"));
    let without_time = Headers { webhook_timestamp: None, ..good.clone() };
    add("no timestamp", &[KNOWN], &without_time, BODY, TIME, denied("missing"));
    let without_signature = Headers { webhook_signature: None, ..good.clone() };
    add("no signature", &[KNOWN], &without_signature, BODY, TIME, denied("missing"));

    // Signatures that have their form, and are wrong.
    let other = whsec(&[1; 24]);
    add("another secret", &[&other], &good, BODY, TIME, forged());
    add("another body", &[KNOWN], &good, b"{}", TIME, forged());
    add("a line end behind the body", &[KNOWN], &good, &[BODY, b"\n"].concat(), TIME, forged());
    add("another id", &[KNOWN], &headers("msg_2", &time, ANSWER), BODY, TIME, forged());
    add("another time", &[KNOWN], &headers(ID, "1649367554", ANSWER), BODY, TIME, forged());
    let zeros = format!("v1,{}", BASE64_STANDARD.encode([0; 32]));
    add("a signature of zeros", &[KNOWN], &headers(ID, &time, &zeros), BODY, TIME, forged());
    let tag = ANSWER.trim_start_matches("v1,");
    let v1a = format!("v1a,{}", BASE64_STANDARD.encode([3; 64]));
    add("the asymmetric version alone", &[KNOWN], &headers(ID, &time, &v1a), BODY, TIME, forged());
    for version in ["v2", "V1", "v10", "v0", "1", "v1a"] {
        let odd = headers(ID, &time, &format!("{version},{tag}"));
        add(&format!("the right signature as version {version}"), &[KNOWN], &odd, BODY, TIME, forged());
    }

    // Several signatures, several secrets.
    let wrong = signature(&[1; 24], ID, &time, BODY);
    for (name, text) in [
        ("the first of two", format!("{ANSWER} {wrong}")),
        ("the second of two", format!("{wrong} {ANSWER}")),
        ("beside an asymmetric one", format!("{v1a} {ANSWER}")),
        ("twice the same", format!("{ANSWER} {ANSWER}")),
        (
            "the last of as many as there may be",
            format!("{}{ANSWER}", format!("{wrong} ").repeat(MAX_WEBHOOK_SIGNATURES - 1)),
        ),
    ] {
        add(name, &[KNOWN], &headers(ID, &time, &text), BODY, TIME, proved());
    }
    add("the second secret", &[&other, KNOWN], &good, BODY, TIME, proved());
    let others: Vec<String> = (1..MAX_WEBHOOK_SECRETS).map(|byte| whsec(&[byte as u8; 24])).collect();
    let mut many: Vec<&str> = others.iter().map(String::as_str).collect();
    add("as many secrets as there may be, none right", &many, &good, BODY, TIME, forged());
    many.push(KNOWN);
    add("as many secrets as there may be, the last right", &many, &good, BODY, TIME, proved());

    // Signatures that do not have their form, also where another one is right.
    let longest_list = format!("v9,{}", "x".repeat(MAX_WEBHOOK_SIGNATURE_LEN - 3 - 1 - ANSWER.len()));
    let full = format!("{longest_list} {ANSWER}");
    add("as long as it may be", &[KNOWN], &headers(ID, &time, &full), BODY, TIME, proved());
    let cut = |bytes: usize| format!("v1,{}", BASE64_STANDARD.encode(vec![1; bytes]));
    let middle = ANSWER.len() / 2;
    for (name, text) in [
        ("empty", String::new()),
        ("too long", format!("x{full}").replacen("xv9", "v9x", 1)),
        ("too many", format!("{ANSWER}{}", format!(" {wrong}").repeat(MAX_WEBHOOK_SIGNATURES))),
        ("no version", tag.to_owned()),
        ("empty version", format!(",{tag}")),
        ("empty signature", "v1,".into()),
        ("empty signature beside the right one", format!("{ANSWER} v1,")),
        ("version alone", "v1".into()),
        ("cut off", ANSWER.get(..middle).unwrap_or_default().into()),
        ("cut off by one character", ANSWER.trim_end_matches('=').into()),
        ("31 bytes", cut(31)),
        ("33 bytes", cut(33)),
        ("31 bytes beside the right one", format!("{ANSWER} {}", cut(31))),
        ("the alphabet of URLs", ANSWER.replace('+', "-").replace('/', "_")),
        ("bits that no byte has", ANSWER.replace("kw=", "kx=")),
        ("hexadecimal", format!("v1,{}", "0".repeat(64))),
        ("a blank before", format!(" {ANSWER}")),
        ("a blank behind", format!("{ANSWER} ")),
        ("two blanks between", format!("{wrong}  {ANSWER}")),
        ("a tab between", format!("{wrong}\t{ANSWER}")),
        ("a blank behind the comma", ANSWER.replace(',', ", ")),
        ("joined by a comma", format!("{wrong},{ANSWER}")),
        ("joined by a comma and a blank", format!("{wrong}, {ANSWER}")),
        ("a line end behind", format!("{ANSWER}\n")),
        ("a character beyond ASCII", ANSWER.replace('+', "\u{e9}")),
        ("a character beyond ASCII in another version", format!("{ANSWER} v2,\u{e9}")),
    ] {
        add(&format!("signature: {name}"), &[KNOWN], &headers(ID, &time, &text), BODY, TIME, malformed());
    }
    // The form comes before the time, and the time before the signature.
    let old = TIME + 1000;
    add("malformed and old", &[KNOWN], &headers(ID, &time, "v1,"), BODY, old, malformed());
    add("forged and old", &[KNOWN], &headers(ID, &time, &wrong), BODY, old, denied("signature_expired"));
    cases
}
