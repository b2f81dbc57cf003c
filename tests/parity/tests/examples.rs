//! The examples run as their README and the project's README say.

use anyhow::{Context, Result, ensure};
use claviger_core::{IssuingKey, KeyPrefix, SharedSecret, SignedKeyTerms};
use claviger_parity::{
    faces::{Workerd, consumer},
    rings::publish,
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{SystemTime, UNIX_EPOCH},
};

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn printed(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot start {command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

#[test]
fn the_worker_lets_in_good_keys_only() -> Result<()> {
    let made = printed(Command::new("node").current_dir(consumer()?).arg("new-key.mjs"))?;
    let line = |name: &str| {
        made.lines().find_map(|line| line.strip_prefix(name)).with_context(|| format!("no {name}"))
    };
    let (secret, good) = (line("ISSUING_SECRET=")?, line("KEY=")?);

    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let issuer = IssuingKey::new(KeyPrefix::new("acme_live")?, &SharedSecret::parse(secret)?)?;
    let expired = issuer.generate(&[2; 8], SignedKeyTerms::expiring(now - 7200, 60))?;

    let worker = Workerd::start("example-worker", ("ISSUING_SECRET", secret), None)?;
    let (status, body) = worker.get("", Some(("x-api-key", good)))?;
    let id = claviger_core::parse(good)?.id();
    assert_eq!((status, body), (200, format!("{{\"hello\":\"{id}\",\"readOnly\":false}}")));
    for denied in
        [None, Some(("x-api-key", expired.expose())), Some(("x-api-key", "")), Some(("x-api-key", "guess"))]
    {
        assert_eq!(worker.get("", denied)?, (401, "Unauthorized".to_owned()), "{denied:?}");
    }
    Ok(())
}

#[test]
fn the_javascript_app_issues_and_verifies() -> Result<()> {
    let printed = printed(Command::new("node").current_dir(consumer()?).arg("app.mjs"))?;
    let (first, second) = printed.trim().split_once('\n').context("two lines")?;
    assert_eq!(first.split_once(' ').map(|(id, rest)| (id.len(), rest)), Some((11, "true stateless")));
    assert_eq!(second, "malformed");
    Ok(())
}

#[test]
fn the_javascript_of_the_keyring_example_verifies_with_a_published_file() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let published = publish(folder.path())?;
    let mut node = Command::new("node");
    node.current_dir(consumer()?).arg("verify.mjs").arg(&published.file);
    node.env("KEYRING_KEY", &published.keyring_key).env("KEYS", &published.keys);
    assert_eq!(printed(&mut node)?, "tenant-7 service-account-12 fresh 2\nrevoked fresh 2\n");
    Ok(())
}

#[test]
fn the_readme_shows_the_examples_as_they_are() -> Result<()> {
    let readme = fs::read_to_string(top().join("README.md"))?;
    for (language, file) in [
        ("js", "examples/worker/worker.js"),
        ("js", "examples/node/app.mjs"),
        ("js", "examples/keyring/verify.mjs"),
        ("rust", "examples/rust-host/src/main.rs"),
        ("rust", "examples/first-day/src/main.rs"),
        ("rust", "examples/service/src/main.rs"),
    ] {
        let source = fs::read_to_string(top().join(file))?;
        let plain: String = source.lines().map(|line| line.trim_start().to_owned() + "\n").collect();
        let fence = format!("```{language}\n");
        let shown = readme.split(&fence).skip(1).filter_map(|rest| rest.split_once("```"));
        let found = shown.map(|(block, _)| block).find(|block| {
            let block: String = block.lines().map(|line| line.trim_start().to_owned() + "\n").collect();
            plain.contains(&block)
        });
        let block = found.with_context(|| format!("README.md shows nothing of {file} as it is"))?;
        assert!(block.lines().count() <= 10, "{file}: a door has at most ten lines");
    }
    Ok(())
}
