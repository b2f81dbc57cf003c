//! Golden files, written by the crate `claviger-parity` from the core itself.

use crate::step::{cargo, run};
use anyhow::Result;

/// Writes them, or only compares.
pub(crate) fn vectors(check: bool) -> Result<()> {
    let mut command = cargo(["run", "--quiet", "--package", "claviger-parity", "--bin", "vectors"]);
    if check {
        command.args(["--", "--check"]);
    }
    run(&mut command)
}
