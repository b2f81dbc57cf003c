//! The bench table: native and wasmtime from one program, Node from another, printed together.

use crate::step::{cargo, note, output, root};
use anyhow::{Context, Result};
use serde_json::Value;
use std::{fmt::Write, fs, process::Command};

const START: &str = "<!-- bench: written by cargo xtask bench --write -->";
const END: &str = "<!-- /bench -->";

/// Measures and prints; with `write` also puts the table into the README.
pub(crate) fn bench(write: bool, json: bool) -> Result<()> {
    note("compiling the benchmarks (some minutes at first)");
    let mut native = cargo(["run", "--quiet", "--profile", "bench", "--package", "claviger-bench"]);
    let native = output(&mut native)?;
    note("measuring in Node");
    let node = output(Command::new("node").current_dir(root().join("js")).arg("bench/verify.mjs"))?;
    if json {
        print!("{native}{node}");
        return Ok(());
    }
    let mut table = format!("Machine: {}.\n", machine());
    let ring = rows(&native)?;
    let _ = writeln!(table, "\n| native and wasmtime | ns | × ring |\n|---|---:|---:|");
    for row in &ring {
        let _ = writeln!(table, "| {} | {} | {:.2} |", row.name, digits(row.nanoseconds), row.ratio);
    }
    let _ = writeln!(table, "\n| Node | ns | × claviger |\n|---|---:|---:|");
    for row in rows(&node)? {
        let _ = writeln!(table, "| {} | {} | {:.1} |", row.name, digits(row.nanoseconds), row.ratio);
    }
    print!("{table}");
    if write {
        let path = root().join("README.md");
        let readme = fs::read_to_string(&path)?;
        let (before, rest) = readme.split_once(START).context("README.md has no mark for the bench table")?;
        let (_, after) = rest.split_once(END).context("README.md has no end mark for the bench table")?;
        fs::write(&path, format!("{before}{START}\n{table}{END}{after}"))?;
    }
    Ok(())
}

struct Row {
    name: String,
    nanoseconds: f64,
    ratio: f64,
}

fn rows(lines: &str) -> Result<Vec<Row>> {
    let row = |line: &str| {
        let value: Value = serde_json::from_str(line)?;
        let number = |name: &str| value.get(name).and_then(Value::as_f64);
        Ok(Row {
            name: value.get("name").and_then(Value::as_str).context("a result without a name")?.to_owned(),
            nanoseconds: number("nanoseconds").context("a result without nanoseconds")?,
            ratio: number("to_ring").or_else(|| number("to_claviger")).context("a result without a ratio")?,
        })
    };
    lines.lines().map(row).collect()
}

/// Whole nanoseconds, in groups of three.
fn digits(nanoseconds: f64) -> String {
    let plain = format!("{nanoseconds:.0}");
    let mut grouped = String::new();
    for (index, digit) in plain.chars().enumerate() {
        if index > 0 && (plain.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cpu = model.map_or(std::env::consts::ARCH, |(_, model)| model);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let sha = if info.contains(" sha_ni") { ", SHA-NI" } else { "" };
    let version = |program: &str| {
        output(Command::new(program).arg("--version"))
            .map_or_else(|_| program.to_owned(), |v| v.trim().to_owned())
    };
    format!(
        "{cpu}, {cores} cores{sha}, {}, {}, Node {}",
        std::env::consts::OS,
        version("rustc"),
        version("node")
    )
}
