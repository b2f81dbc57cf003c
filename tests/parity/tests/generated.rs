//! Generated inputs through every runtime at once: 100,000 without a keyring, a million with one.

use anyhow::{Context, Result};
use claviger_parity::{
    faces::{self, Batch, Face, Native, Node, Wasmtime},
    inputs::{Inputs, NOW},
    ring_inputs::RingInputs,
    setup::Facts,
};
use serde_json::Value;
use std::collections::BTreeMap;

const BATCH: usize = 2_000;

/// Asks all faces about a batch, and counts what they say.
fn ask(faces: &mut [Box<dyn Face>], batch: &Batch<'_>, seen: &mut BTreeMap<String, usize>) -> Result<()> {
    let mut digests = Vec::new();
    for face in faces.iter_mut() {
        digests.push(face.digest(batch)?);
    }
    let first = faces.first_mut().context("no face")?.verify(batch)?;
    for verdict in &first {
        let code = verdict.get("code").and_then(Value::as_str).unwrap_or("verified");
        *seen.entry(code.to_owned()).or_default() += 1;
    }
    if digests.windows(2).all(|pair| matches!(pair, [one, other] if one == other)) {
        return Ok(());
    }
    // Somewhere they differ: find out where.
    for face in faces {
        let verdicts = face.verify(batch)?;
        for ((key, expected), verdict) in batch.keys.iter().zip(&first).zip(&verdicts) {
            assert_eq!(
                expected,
                verdict,
                "{} differs on {} with {:?}",
                face.name(),
                key.escape_ascii(),
                batch.facts
            );
        }
    }
    anyhow::bail!("the digests differ, and the verdicts do not: {digests:?}")
}

#[test]
fn every_runtime_says_the_same_about_generated_inputs() -> Result<()> {
    const TOTAL: usize = 100_000;
    let mut inputs = Inputs::new(20_261_121)?;
    let (setup, facts) = (inputs.setup.clone(), Facts::at(NOW));
    let mut faces = faces::all()?;
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..TOTAL / BATCH {
        let keys = inputs.take(BATCH)?;
        ask(&mut faces, &Batch { setup: &setup, facts: &facts, keys: &keys }, &mut seen)?;
    }
    println!("{TOTAL} inputs: {seen:?}");
    let count = |code: &str| seen.get(code).copied().unwrap_or(0);
    assert!(count("verified") >= TOTAL / 10, "{seen:?}");
    for code in [
        "malformed",
        "bad_checksum",
        "wrong_prefix",
        "unknown_key",
        "bad_secret",
        "expired",
        "lifetime_required",
    ] {
        assert!(count(code) > 100, "too few {code}: {seen:?}");
    }
    Ok(())
}

#[test]
fn native_wasmtime_and_node_say_the_same_about_a_million_generated_requests_with_a_keyring() -> Result<()> {
    const TOTAL: usize = 1_000_000;
    let mut inputs = RingInputs::new(20_261_122, 4_000)?;
    let setup = inputs.setup.clone();
    let mut faces: Vec<Box<dyn Face>> =
        vec![Box::new(Native::default()), Box::new(Wasmtime::new()?), Box::new(Node::start()?)];
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..TOTAL / BATCH {
        let (keys, facts) = (inputs.take(BATCH)?, inputs.facts()?);
        ask(&mut faces, &Batch { setup: &setup, facts: &facts, keys: &keys }, &mut seen)?;
    }
    println!("{TOTAL} requests: {seen:?}");
    for code in [
        "verified",
        "malformed",
        "bad_checksum",
        "wrong_prefix",
        "unknown_key",
        "bad_secret",
        "revoked",
        "disabled",
        "not_yet_valid",
        "expired",
        "wrong_tenant",
        "ip_not_allowed",
        "insufficient_permission",
        "keyring_expired",
        "keyring_stale",
        "keyring_invalid",
    ] {
        assert!(seen.get(code).is_some_and(|&count| count > 500), "too few {code}: {seen:?}");
    }
    Ok(())
}
