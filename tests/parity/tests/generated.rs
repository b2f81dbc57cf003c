//! 100,000 generated inputs, a tenth of them good keys, through every runtime at once.

use anyhow::Result;
use claviger_parity::{
    faces::{self, Batch},
    inputs::{Inputs, NOW},
};
use serde_json::Value;
use std::collections::BTreeMap;

const TOTAL: usize = 100_000;
const BATCH: usize = 2_000;

#[test]
fn every_runtime_says_the_same_about_generated_inputs() -> Result<()> {
    let mut inputs = Inputs::new(20_261_121)?;
    let options = inputs.options.clone();
    let mut faces = faces::all()?;
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..TOTAL / BATCH {
        let keys = inputs.take(BATCH)?;
        let batch = Batch { options: &options, now: NOW, keys: &keys };
        let mut expected: Option<Vec<Value>> = None;
        for face in &mut faces {
            let verdicts = face.verify(&batch)?;
            let Some(expected) = &expected else {
                for verdict in &verdicts {
                    let code = verdict.get("code").and_then(Value::as_str).unwrap_or("verified");
                    *seen.entry(code.to_owned()).or_default() += 1;
                }
                expected = Some(verdicts);
                continue;
            };
            for ((key, expected), verdict) in keys.iter().zip(expected).zip(&verdicts) {
                assert_eq!(expected, verdict, "{} differs on {}", face.name(), key.escape_ascii());
            }
            assert_eq!(verdicts.len(), keys.len(), "{}", face.name());
        }
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
