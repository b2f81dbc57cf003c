//! The bench table: native and wasmtime from one program, Node from three others, every runtime
//! from one, sources and the admin SDK from two more, printed together.

use crate::{
    packages,
    step::{cargo, note, output, root, target_dir},
};
use anyhow::{Context, Result};
use serde_json::Value;
use std::{fmt::Write, fs, process::Command};

const START: &str = "<!-- bench: written by cargo xtask bench --write -->";
const END: &str = "<!-- /bench -->";

/// Measures and prints; with `write` also puts the table into the README.
pub(crate) fn bench(write: bool, json: bool) -> Result<()> {
    note("compiling the benchmarks (some minutes at first)");
    let rings = target_dir().join("bench");
    let bench = |program: &str| {
        let mut run = cargo(["run", "--quiet", "--profile", "bench", "--package", "claviger-bench", "--bin"]);
        output(run.args([program, "--"]).arg(&rings))
    };
    let native = bench("claviger-bench")?;
    let signed = bench("signatures")?;
    note("measuring in Node");
    let node =
        |script: &str| output(Command::new("node").current_dir(root().join("js")).arg(script).arg(&rings));
    let (stateless, keyring) = (node("bench/verify.mjs")?, node("bench/keyring.mjs")?);
    let webhooks = node("bench/webhook.mjs")?;
    let signed_node = node("bench/signatures.mjs")?;
    note("measuring in every runtime");
    packages::install_tools()?;
    let runtimes = node("bench/runtimes/runtimes.mjs")?;
    note("measuring verifiers with sources (some minutes)");
    let sources = bench("sources")?;
    note("measuring the admin SDK (a store with a million keys is made at first and kept)");
    let admin = bench("admin")?;
    if json {
        print!("{native}{signed}{stateless}{signed_node}{keyring}{webhooks}{runtimes}{sources}{admin}");
        return Ok(());
    }
    let mut table = format!("Machine: {}.\n", machine());
    let (sizes, times) = split(&native)?;
    add_times(&mut table, "native and wasmtime", "× ring", &times);
    add_times(&mut table, "signed requests, native", "× httpsig", &split(&signed)?.1);
    add_times(&mut table, "Node, no keyring", "× claviger", &split(&stateless)?.1);
    add_times(&mut table, "Node, keyring", "× node:crypto", &split(&keyring)?.1);
    add_times(&mut table, "Node, webhooks", "× claviger", &split(&webhooks)?.1);
    add_times(&mut table, "Node, signed requests", "× claviger", &split(&signed_node)?.1);
    add_limited(&mut table, "npm package in each runtime, from outside", &runtimes)?;
    add_limited(&mut table, "sources, over HTTP on loopback, a million keys", &sources)?;
    add_limited(&mut table, "admin, SQLite, a million keys", &admin)?;
    table.push_str("\n| size | bytes |\n|---|---:|\n");
    for row in sizes {
        let _ = writeln!(table, "| {} | {} |", row.name, digits(row.figure));
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

fn add_times(table: &mut String, title: &str, unit: &str, rows: &[Row]) {
    let _ = writeln!(table, "\n| {title} | ns | {unit} |\n|---|---:|---:|");
    for row in rows {
        let _ = writeln!(table, "| {} | {} | {:.2} |", row.name, digits(row.figure), row.ratio);
    }
}

/// What was measured, and what it should stay below.
fn add_limited(table: &mut String, title: &str, lines: &str) -> Result<()> {
    let _ = writeln!(table, "\n| {title} | | limit |\n|---|---:|---:|");
    for line in lines.lines() {
        let value: Value = serde_json::from_str(line)?;
        let number = |name: &str| value.get(name).and_then(Value::as_f64);
        let name = value.get("name").and_then(Value::as_str).context("a result without a name")?;
        let figure = number("figure").context("a result without a figure")?;
        let unit = value.get("unit").and_then(Value::as_str).context("a result without a unit")?;
        let limit = number("limit").map(|limit| format!("{limit} {unit}")).unwrap_or_default();
        let figure = format!("{} {unit}", digits(figure));
        let _ = writeln!(table, "| {name} | {} | {} |", figure.trim_end(), limit.trim_end());
    }
    Ok(())
}

/// What was measured: sizes in bytes, and times in nanoseconds with their ratio.
fn split(lines: &str) -> Result<(Vec<Row>, Vec<Row>)> {
    let (mut sizes, mut times) = (Vec::new(), Vec::new());
    for line in lines.lines() {
        let value: Value = serde_json::from_str(line)?;
        let number = |name: &str| value.get(name).and_then(Value::as_f64);
        let name = value.get("name").and_then(Value::as_str).context("a result without a name")?.to_owned();
        match number("bytes") {
            Some(figure) => sizes.push(Row { name, figure, ratio: 0.0 }),
            None => {
                let figure = number("nanoseconds").context("a result without nanoseconds")?;
                let ratio = number("to_first").context("a result without a ratio")?;
                times.push(Row { name, figure, ratio });
            }
        }
    }
    Ok((sizes, times))
}

struct Row {
    name: String,
    figure: f64,
    ratio: f64,
}

/// Whole numbers in groups of three; small ones with a decimal.
fn digits(figure: f64) -> String {
    if figure < 100.0 {
        return format!("{figure:.1}");
    }
    let plain = format!("{figure:.0}");
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
