//! Node with the packed npm package.

use crate::CLOCK;
use anyhow::{Context, Result, ensure};
use claviger_parity::faces::consumer;
use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

/// A process that answers requests. It ends with this.
pub(crate) struct Node {
    process: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Node {
    pub(crate) fn start() -> Result<Self> {
        let mut command = Command::new("node");
        command.current_dir(consumer()?).args(["--expose-gc", "bench/node.mjs"]);
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let requests = process.stdin.take().context("no stdin")?;
        let answers = BufReader::new(process.stdout.take().context("no stdout")?);
        Ok(Self { process, requests, answers })
    }

    pub(crate) fn ask(&mut self, request: &Value) -> Result<Value> {
        writeln!(self.requests, "{request}")?;
        let mut line = String::new();
        ensure!(self.answers.read_line(&mut line)? > 0, "node ended; its error is above");
        Ok(serde_json::from_str(&line)?)
    }

    /// What the process says about its memory, in bytes.
    pub(crate) fn memory(&mut self) -> Result<Value> {
        self.ask(&json!({"memory": true}))
    }
}

/// Starts a new process that verifies one key; the milliseconds that it took from its first line on.
pub(crate) fn cold(url: &str, keyring_key: &str, key: &str) -> Result<f64> {
    let mut command = Command::new("node");
    command.current_dir(consumer()?).arg("bench/cold.mjs").args([url, keyring_key, key, &CLOCK.to_string()]);
    let output = command.stderr(Stdio::inherit()).output()?;
    let answer: Value = serde_json::from_slice(&output.stdout).context("node failed; its error is above")?;
    ensure!(answer.get("verified") == Some(&true.into()), "a good key was denied: {answer}");
    answer.get("milliseconds").and_then(Value::as_f64).context("node says no time")
}
