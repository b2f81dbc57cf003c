//! `examples/python-wasmtime`: the module in a host of another language, by its ABI alone. And webhooks, with a library of
//! Python's.

use anyhow::{Context, Result, ensure};
use claviger_core::{Purpose, SharedSecret, WebhookHeaders, WebhookSecret, verify_webhook};
use claviger_parity::{keyring_vectors, rings::publish, vectors};
use serde_json::{Value, json};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    time::{SystemTime, UNIX_EPOCH},
};

/// Python with what a file of requirements names, in a folder: as `cargo xtask test` makes it.
fn python_of(name: &str, requirements: &str, folder: &str) -> Result<Command> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).context("no top folder")?;
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| top.join("target"), |dir| top.join(dir));
    let venv = target.join(name);
    let program: PathBuf = if cfg!(windows) { "Scripts/python.exe".into() } else { "bin/python".into() };
    let made = fs::read(venv.join("requirements.txt")).ok();
    ensure!(
        made == Some(fs::read(top.join(requirements))?) && venv.join(&program).is_file(),
        "{} is not there, or of other requirements; cargo xtask test makes it, with python3 and its venv",
        venv.display()
    );
    let mut python = Command::new(venv.join(program));
    // Tests leave nothing beside the sources.
    python.current_dir(top.join(folder)).arg("-B");
    Ok(python)
}

/// Python with what `requirements.txt` names, in the folder of the example.
fn python() -> Result<Command> {
    let example = "examples/python-wasmtime";
    python_of("python-wasmtime", &format!("{example}/requirements.txt"), example)
}

fn printed(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot start {command:?}"))?;
    let texts = [output.stdout, output.stderr].map(String::from_utf8);
    let [stdout, stderr] = texts;
    let (stdout, stderr) = (stdout?, stderr?);
    ensure!(output.status.success(), "{command:?}: {}\n{stdout}{stderr}", output.status);
    Ok(stdout)
}

#[test]
fn python_gives_the_golden_verdicts() -> Result<()> {
    let report: Value = serde_json::from_str(&printed(python()?.args(["run_vectors.py", "--json"]))?)?;
    let (keys, keyrings) = (vectors::read()?, keyring_vectors::read()?);
    for (name, count) in [
        ("key_cases", keys.cases.len()),
        ("keyring_cases", keyrings.cases.len()),
        ("offered_keyrings", keyrings.replacements.len()),
        ("failed", 0),
    ] {
        assert_eq!(report.get(name), Some(&Value::from(count)), "{name}");
    }
    let all = keys.cases.len() + keyrings.cases.len() + keyrings.replacements.len();
    let passed = report.get("passed").and_then(Value::as_u64).context("nothing passed")?;
    assert!(passed >= all as u64, "{passed} of {all}");
    Ok(())
}

#[test]
fn python_verifies_with_a_published_file() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let published = publish(folder.path())?;
    let mut python = python()?;
    python.arg("verify.py").arg(&published.file);
    python.env("KEYRING_KEY", &published.keyring_key).env("KEYS", &published.keys);
    // On Windows lines end otherwise.
    let lines: Vec<String> = printed(&mut python)?.lines().map(str::to_owned).collect();
    assert_eq!(lines, ["tenant-7 service-account-12 fresh 2", "revoked fresh 2"]);
    Ok(())
}

#[test]
fn webhooks_are_good_in_the_library_of_standard_webhooks_and_the_other_way_round() -> Result<()> {
    // The library asks the clock.
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let (id, other) =
        ("msg_27UH4WbU6Z5A5EzD8u03UvzRbpk", WebhookSecret::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?);
    let secrets = [WebhookSecret::of(&SharedSecret::generate(Purpose::Integration, 1, &[7; 40]))?, other];
    let mut asked = Vec::new();
    for (at, secret) in secrets.iter().enumerate() {
        for body in [String::new(), "{}".to_owned(), "\"Grüße, 世界\"".to_owned(), "x".repeat(100_000)] {
            let signature = claviger_core::sign_webhook(&secrets, id, now, body.as_bytes())?;
            // The same with another body.
            let forged = secret.sign(id, now, format!("{body} ").as_bytes())?;
            asked.push(json!({
                "at": at, "secret": secret.to_text().expose(), "id": id, "timestamp": now, "body": body,
                "signature": signature, "forged": forged,
            }));
        }
    }
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("webhooks.json");
    fs::write(&file, serde_json::to_vec(&asked)?)?;
    let mut python =
        python_of("python-standardwebhooks", "tests/parity/standardwebhooks.txt", "tests/parity/tests")?;
    let answers: Vec<Value> = serde_json::from_str(&printed(python.arg("webhooks.py").arg(&file))?)?;
    ensure!(answers.len() == asked.len(), "{} answers", answers.len());
    for (asked, answer) in asked.iter().zip(&answers) {
        assert_eq!(answer["verified"], true, "ours, there: {asked}");
        assert_eq!(answer["forged"], false, "a forged one, there: {asked}");
        let signature = answer["signature"].as_str().context("no signature")?.as_bytes();
        let timestamp = now.to_string();
        let headers = WebhookHeaders {
            id: Some(id.as_bytes()),
            timestamp: Some(timestamp.as_bytes()),
            signature: Some(signature),
        };
        let body = asked["body"].as_str().context("no body")?.as_bytes();
        let verified = verify_webhook(&secrets, &headers, body, now, 300).map(|webhook| webhook.secret);
        assert_eq!(verified.ok(), asked["at"].as_u64().map(|at| at as usize), "theirs, here: {asked}");
    }
    Ok(())
}
