//! Files of signed requests with what is to become of each, natively, through wasmtime and in Node.

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use claviger_parity::{
    faces::Node,
    signature_cases::{
        Case, CaseFile, Expected, NativeSignatures, Outcome, ScriptSignatures, SignatureFace,
        WasmtimeSignatures,
    },
};
use serde_json::json;
use std::{path::PathBuf, process::ExitCode};

/// Run files of signed requests (RFC 9421) natively, through wasmtime and in Node.
#[derive(Parser)]
#[command(name = "conformance")]
struct Arguments {
    /// The files
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// What is demanded of signatures
    #[arg(long, value_enum, default_value_t = Policy::Permissive)]
    policy: Policy,
    /// Print JSON: a line for each case, and one with the sums
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Policy {
    /// Nothing but what the RFC demands
    Permissive,
    /// What a verifier demands by default
    Default,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("conformance: error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether every case came out as it is expected.
fn run(arguments: &Arguments) -> Result<bool> {
    let mut faces: Vec<Box<dyn SignatureFace>> = vec![
        Box::new(NativeSignatures),
        Box::new(WasmtimeSignatures::new()?),
        Box::new(ScriptSignatures::Node(Node::start()?)),
    ];
    let (mut passed, mut failed) = (0, 0);
    for path in &arguments.files {
        let file = CaseFile::read(path)?;
        let mut columns = Vec::new();
        for face in &mut faces {
            columns.push((face.name(), face.outcomes(&file, arguments.policy == Policy::Default)?));
        }
        for (place, case) in file.cases.iter().enumerate() {
            let outcomes = columns.iter().map(|(name, outcomes)| Some((*name, outcomes.get(place)?)));
            let outcomes: Vec<(&str, &Outcome)> = outcomes.collect::<Option<_>>().context("no outcome")?;
            let holds = holds(case, &outcomes);
            *(if holds { &mut passed } else { &mut failed }) += 1;
            if arguments.json {
                print_json(case, &outcomes, holds);
            } else if !holds || case.expect == Expected::Policy {
                print(case, &outcomes);
            }
        }
    }
    if arguments.json {
        println!("{}", json!({"passed": passed, "failed": failed}));
    } else {
        println!("{passed} passed, {failed} failed");
    }
    Ok(failed == 0)
}

/// Whether every runtime says what is expected; where nothing is, whether all say the same.
fn holds(case: &Case, outcomes: &[(&str, &Outcome)]) -> bool {
    let first = outcomes.first().map(|(_, outcome)| *outcome);
    outcomes.iter().all(|(_, outcome)| match case.expect {
        Expected::Accept => outcome.is_ok(),
        Expected::Reject => outcome.is_err(),
        Expected::Policy => Some(*outcome) == first,
    })
}

fn text(outcome: &Outcome) -> &str {
    match outcome {
        Ok(()) => "accept",
        Err(code) => code,
    }
}

fn print(case: &Case, outcomes: &[(&str, &Outcome)]) {
    let expected = match case.expect {
        Expected::Accept => "expected accept",
        Expected::Reject => "expected reject",
        Expected::Policy => "left open",
    };
    let outcomes: Vec<String> =
        outcomes.iter().map(|(name, outcome)| format!("{name} {}", text(outcome))).collect();
    println!("{}: {expected}; {} ({})", case.name, outcomes.join(", "), case.why);
}

fn print_json(case: &Case, outcomes: &[(&str, &Outcome)], holds: bool) {
    let outcomes: serde_json::Map<String, serde_json::Value> =
        outcomes.iter().map(|(name, outcome)| ((*name).to_owned(), text(outcome).into())).collect();
    println!("{}", json!({"name": case.name, "passed": holds, "outcomes": outcomes}));
}
