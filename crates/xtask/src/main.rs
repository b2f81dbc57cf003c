//! Builds, demonstrates, tests and measures the whole project. Neither a shell nor make is needed.
//!
//! What it lacks it fetches by itself (rustup targets, packages of npm and Python, the S3 server of the tests) or, as root
//! on Debian, installs; otherwise it says which command does.

mod bench;
mod ci;
mod guard;
mod npm;
mod packages;
mod postgres;
mod python;
mod redis;
mod s3;
mod server;
mod size;
mod step;
mod system;
mod toolchain;
mod wasm;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::{path::PathBuf, process::ExitCode};
use step::{cargo, note};
use wasm::HostModule;

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
        /// Take the built module although another compiler made the one in crates/host
        #[arg(long, conflicts_with = "check")]
        replace: bool,
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
    /// Install the npm tarball into a tiny project for each runtime and bundler, run each, print one table
    Packages(packages::Wanted),
    /// Make the documentation: of the crates in target/doc, of the npm package in target/doc-js
    Docs,
    /// Print the sizes of what is downloaded; fail above the budget
    Size,
    /// Start a temporary PostgreSQL server on loopback, print its URL and the command to use it, stop it at Ctrl-C
    Postgres {
        /// Own the server for another process, until standard input ends
        #[arg(long, hide = true)]
        guard: bool,
    },
    /// Start a temporary Redis server on loopback, print its URL and the command to use it, stop it at Ctrl-C
    Redis {
        /// Own the server for another process, until standard input ends
        #[arg(long, hide = true)]
        guard: bool,
    },
    /// Start a temporary S3 server on loopback, print its URL and the command to use it, stop it at Ctrl-C
    S3 {
        /// Own the server for another process, until standard input ends
        #[arg(long, hide = true)]
        guard: bool,
    },
    /// Write the golden vectors and the generated TypeScript; a test compares them
    Vectors,
    /// Run files of signed requests (RFC 9421) natively, through wasmtime and in Node; print what differs, and the sums
    Conformance {
        /// The files, of the form of tests/vectors/signatures.json
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// What is demanded of signatures: permissive (nothing but the RFC) or default (what a verifier demands)
        #[arg(long, default_value = "permissive")]
        policy: String,
        /// Print JSON: a line for each case, and one with the sums
        #[arg(long)]
        json: bool,
    },
    /// Everything that must hold before a change lands: fmt, clippy, no_std builds, test, size
    Ci {
        /// Also what takes long: every runtime and bundler
        #[arg(long)]
        full: bool,
    },
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
        Task::Build { check: true, .. } => build(HostModule::Check),
        Task::Build { replace: true, .. } => build(HostModule::Replace),
        Task::Build { .. } => build(HostModule::Update),
        Task::Demo { json } => {
            build(HostModule::Update)?;
            note("compiling and starting the demo: native, wasmtime, Node and a workerd on loopback");
            let mut run = cargo(["run", "--package", "claviger-parity", "--bin", "demo"]);
            if json {
                run.args(["--", "--json"]);
            }
            step::run(&mut run)
        }
        Task::Test => test(&packages::Wanted::quick()),
        Task::Bench { write, json } => {
            build(HostModule::Update)?;
            bench::bench(write, json)
        }
        Task::Packages(wanted) => {
            build(HostModule::Update)?;
            packages::packages(&wanted)
        }
        Task::Docs => docs(),
        Task::Size => {
            build(HostModule::Update)?;
            size::size()
        }
        Task::Postgres { guard: true } => postgres::guard(),
        Task::Postgres { guard: false } => postgres::serve(),
        Task::Redis { guard: true } => redis::guard(),
        Task::Redis { guard: false } => redis::serve(),
        Task::S3 { guard: true } => s3::guard(),
        Task::S3 { guard: false } => s3::serve(),
        Task::Vectors => {
            step::run(&mut cargo(["run", "--quiet", "--package", "claviger-parity", "--bin", "vectors"]))
        }
        Task::Conformance { files, policy, json } => {
            build(HostModule::Update)?;
            conformance(&files, &policy, json)
        }
        Task::Ci { full } => ci::ci(full),
    }
}

fn build(host_module: HostModule) -> Result<()> {
    npm::install_tools()?;
    wasm::build_module(host_module)?;
    wasm::build_for_js()?;
    npm::pack()?;
    npm::install_consumer()
}

fn conformance(files: &[PathBuf], policy: &str, json: bool) -> Result<()> {
    note("running signed requests natively, through wasmtime and in Node");
    let mut run = cargo(["run", "--quiet", "--package", "claviger-parity", "--bin", "conformance", "--"]);
    // From where this was called: the program starts at the top.
    let files = files.iter().map(std::path::absolute).collect::<std::io::Result<Vec<_>>>()?;
    run.args(["--policy", policy]).args(json.then_some("--json")).args(files);
    step::run(&mut run)
}

/// Fails if something public has no documentation, or a link leads nowhere.
fn docs() -> Result<()> {
    note("documentation of the crates");
    step::run(
        cargo(["doc", "--workspace", "--no-deps", "--all-features", "--quiet"])
            .env("RUSTDOCFLAGS", "-Dwarnings"),
    )?;
    npm::install_tools()?;
    // Its types are part of the package's.
    wasm::build_for_js()?;
    npm::document()
}

fn test(packages: &packages::Wanted) -> Result<()> {
    build(HostModule::Update)?;
    note("testing JavaScript: the npm package in Node");
    npm::test()?;
    packages::packages(packages)?;
    let postgres = postgres::start()?;
    let s3 = s3::start()?;
    let redis = redis::start()?;
    python::install_environments()?;
    note("testing Rust: every crate, and the same vectors natively, in wasmtime, Node and workerd");
    let mut tests = cargo(["test", "--workspace", "--all-features"]);
    tests
        .env(postgres::URL_VARIABLE, postgres.url())
        .env(s3::URL_VARIABLE, s3.url())
        .env(redis::URL_VARIABLE, redis.url());
    // Vectors made elsewhere, which the repository does not carry. The tests that want them say whether they ran.
    let vectors = step::root().join("../shared/vectors");
    if vectors.is_dir() {
        tests.env("CLAVIGER_TEST_VECTORS", vectors);
    }
    step::run(&mut tests)?;
    let sample = step::root().join("../shared/vectors/rfc9421/verify-cases-sample.json");
    let files =
        [Some(step::root().join("tests/vectors/signatures.json")), sample.is_file().then_some(sample)];
    conformance(&files.into_iter().flatten().collect::<Vec<_>>(), "permissive", false)
}
