//! Builds, demonstrates, tests and measures the whole project. Neither a shell nor make is needed.
//!
//! What it lacks it fetches by itself (rustup targets, npm packages) or, as root on Debian, installs; otherwise it
//! says which command does.

mod bench;
mod ci;
mod npm;
mod size;
mod step;
mod system;
mod toolchain;
mod wasm;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::process::ExitCode;
use step::{cargo, note};

/// Build, demonstrate, test and measure Claviger.
#[derive(Parser)]
#[command(name = "cargo xtask", version)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build both WebAssembly artefacts, the npm tarball and a project that has it installed
    Build {
        /// Fail if the module in crates/host is not what its source builds to
        #[arg(long)]
        check: bool,
    },
    /// Issue keys and verify them natively, through wasmtime, in Node and in workerd; print one table
    Demo {
        /// Print JSON instead of a table
        #[arg(long)]
        json: bool,
    },
    /// Build and run every test
    Test,
    /// Measure verification against peers in one run
    Bench {
        /// Put the table into README.md
        #[arg(long)]
        write: bool,
        /// Print JSON instead of a table
        #[arg(long)]
        json: bool,
    },
    /// Print the sizes of what is downloaded; fail above the budget
    Size,
    /// Write the golden vectors and the generated TypeScript; a test compares them
    Vectors,
    /// Everything that must hold before a change lands: fmt, clippy, no_std builds, test, size
    Ci,
}

fn main() -> ExitCode {
    match perform(Arguments::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn perform(task: Task) -> Result<()> {
    match task {
        Task::Build { check } => build(check),
        Task::Demo { json } => {
            build(false)?;
            note("starting the demo: native, wasmtime, Node and a workerd on loopback");
            let mut run = cargo(["run", "--quiet", "--package", "claviger-parity", "--bin", "demo"]);
            if json {
                run.args(["--", "--json"]);
            }
            step::run(&mut run)
        }
        Task::Test => test(),
        Task::Bench { write, json } => {
            build(false)?;
            bench::bench(write, json)
        }
        Task::Size => {
            build(false)?;
            size::size()
        }
        Task::Vectors => {
            step::run(&mut cargo(["run", "--quiet", "--package", "claviger-parity", "--bin", "vectors"]))
        }
        Task::Ci => ci::ci(),
    }
}

fn build(check: bool) -> Result<()> {
    npm::install_tools()?;
    wasm::build_module(check)?;
    wasm::build_for_js()?;
    npm::pack()?;
    npm::install_consumer()
}

fn test() -> Result<()> {
    build(false)?;
    note("testing JavaScript: the npm package in Node");
    npm::test()?;
    note("testing Rust: every crate, and the same vectors natively, in wasmtime, Node and workerd");
    step::run(&mut cargo(["test", "--workspace", "--all-features"]))
}
