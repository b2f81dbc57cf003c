//! The packed tarball in a tiny project for each runtime and bundler, run for real: `tests/packages`.

use crate::{
    npm,
    step::{note, root, run, succeeds},
    system,
};
use anyhow::Result;
use clap::Args;
use std::{env, process::Command};

/// What is asked for.
#[derive(Args)]
pub(crate) struct Wanted {
    /// Leave out what takes long: browsers, most bundlers, wrangler
    #[arg(long)]
    quick: bool,
    /// Only these projects, separated by commas
    #[arg(long, value_name = "NAMES")]
    only: Option<String>,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
    /// Put the table into README.md
    #[arg(long, conflicts_with_all = ["quick", "only"])]
    write: bool,
}

impl Wanted {
    /// What every run of the tests does.
    pub(crate) fn quick() -> Self {
        Self { quick: true, ..Self::all() }
    }

    /// Everything.
    pub(crate) fn all() -> Self {
        Self { quick: false, only: None, json: false, write: false }
    }
}

/// Runs the projects and prints the table; fails if one does. The tarball is there.
pub(crate) fn packages(wanted: &Wanted) -> Result<()> {
    install_tools()?;
    if !wanted.quick && wanted.only.is_none() {
        install_browser()?;
    }
    note("the npm tarball in a project for each runtime and bundler");
    let mut node = Command::new("node");
    node.current_dir(root()).arg("tests/packages/run.mjs");
    for (flag, set) in [("--quick", wanted.quick), ("--json", wanted.json), ("--write", wanted.write)] {
        if set {
            node.arg(flag);
        }
    }
    if let Some(names) = &wanted.only {
        node.args(["--only", names]);
    }
    run(&mut node)
}

/// Makes sure that the runtimes and bundlers are there.
pub(crate) fn install_tools() -> Result<()> {
    // Some have a program for each platform, and not every registry has them all: `npm ci` would refuse a lock file without
    // those of the others.
    npm::install_locked(&root().join("tests/packages"), &["install", "--no-save"])
}

/// Where no browser is named.
fn install_browser() -> Result<()> {
    if env::var_os("CLAVIGER_CHROMIUM").is_some() {
        return Ok(());
    }
    let present = || {
        ["chromium", "chromium-browser", "google-chrome"]
            .iter()
            .any(|name| succeeds(Command::new(name).arg("--version")))
    };
    system::require("Chromium", &["chromium"], present)
}
