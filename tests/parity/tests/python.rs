//! `examples/python-wasmtime`: the module in a host of another language, by its ABI alone.

use anyhow::{Context, Result, ensure};
use claviger_parity::{keyring_vectors, rings::publish, vectors};
use serde_json::Value;
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Python with what `requirements.txt` names, in the folder of the example.
fn python() -> Result<Command> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).context("no top folder")?;
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| top.join("target"), |dir| top.join(dir));
    let venv = target.join("python-wasmtime");
    let program: PathBuf = if cfg!(windows) { "Scripts/python.exe".into() } else { "bin/python".into() };
    let example = top.join("examples/python-wasmtime");
    let made = fs::read(venv.join("requirements.txt")).ok();
    ensure!(
        made == Some(fs::read(example.join("requirements.txt"))?) && venv.join(&program).is_file(),
        "{} is not there, or of other requirements; cargo xtask test makes it, with python3 and its venv",
        venv.display()
    );
    let mut python = Command::new(venv.join(program));
    // Tests leave nothing beside the sources.
    python.current_dir(example).arg("-B");
    Ok(python)
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
