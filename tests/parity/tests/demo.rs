//! The demo, which is the first thing that a newcomer runs, says what it should.

use anyhow::{Context, Result, ensure};
use chrono::{DateTime, Utc};
use serde_json::Value;
use std::process::Command;

#[test]
fn the_demo_gives_one_verdict_a_key_in_four_runtimes() -> Result<()> {
    let output = Command::new(env!("CARGO_BIN_EXE_demo")).arg("--json").output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8(output.stdout)?;
    let (mut verified, mut lags) = (0, 0);
    for line in printed.lines() {
        let row: Value = serde_json::from_str(line)?;
        if let Some(denied_by) = row.get("denied_by").and_then(Value::as_str) {
            // The key that was ended: all four have denied it by now.
            ensure!(Utc::now() < denied_by.parse::<DateTime<Utc>>()?, "{line}");
            lags += usize::from(row.get("lag_ms").is_some_and(Value::is_u64));
            continue;
        }
        let verdicts = row.get("verdicts").and_then(Value::as_object).context("no verdicts")?;
        let faces: Vec<&str> = verdicts.keys().map(String::as_str).collect();
        assert_eq!(faces, ["native", "wasmtime", "Node", "workerd"]);
        let native = verdicts.get("native").context("no native verdict")?;
        // How old the keyring is, each says by its own clock.
        let same = |verdict: &Value| {
            let fields = native.as_object().into_iter().flatten();
            fields.filter(|(name, _)| *name != "age").all(|(name, value)| verdict.get(name) == Some(value))
        };
        assert!(verdicts.values().all(same), "{line}");
        verified += usize::from(native.get("verified") == Some(&Value::Bool(true)));
    }
    assert_eq!((printed.lines().count(), verified, lags), (10 + 1 + 10 + 19, 9 + 1 + 4, 1));
    Ok(())
}
