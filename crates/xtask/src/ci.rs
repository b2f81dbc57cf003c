//! Everything that must hold before a change lands.

use crate::{
    docs,
    packages::Wanted,
    size,
    step::{cargo, note, run},
    test,
    toolchain::Toolchain,
    wasm::{self, HostModule},
};
use anyhow::Result;

/// Runs all checks, the quick ones first; `full` also those that take long.
pub(crate) fn ci(full: bool) -> Result<()> {
    note("fmt");
    run(&mut cargo(["fmt", "--all", "--check"]))?;
    note("clippy");
    run(&mut cargo([
        "clippy",
        "--workspace",
        "--all-targets",
        "--all-features",
        "--quiet",
        "--",
        "-Dwarnings",
    ]))?;
    note("core without std");
    for target in ["thumbv7em-none-eabi", "wasm32-unknown-unknown"] {
        let mut build = Toolchain::for_target(target)?.build(target, "core,alloc")?;
        run(build.args(["--quiet", "--package", "claviger-core"]))?;
    }
    docs()?;
    // Before anything else builds it, because that would put the built one in the place of the committed one.
    note("the committed module is what its source builds to");
    wasm::build_module(HostModule::Check)?;
    test(&if full { Wanted::all() } else { Wanted::quick() })?;
    size::size()
}
