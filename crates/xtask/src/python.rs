//! Packages of Python's, of one version each and with the hashes of their files.

use crate::{
    step::{note, root, run, succeeds, target_dir},
    system,
};
use anyhow::{Context, Result};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const EXAMPLE: &str = "examples/python-wasmtime/requirements.txt";
const WEBHOOKS: &str = "tests/parity/standardwebhooks.txt";
const SIGNATURES: &str = "tests/parity/interop/requirements.txt";

fn python3() -> Command {
    Command::new("python3")
}

/// Installs what `requirements` (a file of the checkout) names into `folder`, without an environment of Python's.
pub(crate) fn install_into(folder: &Path, requirements: &str) -> Result<()> {
    let present = || succeeds(python3().args(["-m", "pip", "--version"]));
    system::require("Python's pip", &["python3-pip"], present)?;
    pip_install(
        &mut python3(),
        &["--upgrade".as_ref(), "--target".as_ref(), folder.as_os_str()],
        requirements,
    )
}

/// Makes the environments of Python's that tests look for: the one in which the example runs, as its README says, and one
/// each with a library for webhooks and for signatures.
pub(crate) fn install_environments() -> Result<()> {
    for (name, requirements) in
        [("python-wasmtime", EXAMPLE), ("python-standardwebhooks", WEBHOOKS), ("python-interop", SIGNATURES)]
    {
        install_environment(name, requirements)?;
    }
    Ok(())
}

fn install_environment(name: &str, requirements: &str) -> Result<()> {
    let content =
        fs::read(root().join(requirements)).with_context(|| format!("{requirements} is missing"))?;
    let venv = target_dir().join(name);
    // pip leaves no trace of the file as such, so this does.
    let installed = venv.join("requirements.txt");
    if fs::read(&installed).is_ok_and(|installed| installed == content) {
        return Ok(());
    }
    let present = || succeeds(python3().args(["-c", "import ensurepip, venv"]));
    system::require("Python with venv", &["python3-venv"], present)?;
    note(&format!("installing {requirements} into {}", venv.display()));
    run(python3().args(["-m", "venv", "--clear"]).arg(&venv))?;
    let program: PathBuf = if cfg!(windows) { "Scripts/python.exe".into() } else { "bin/python".into() };
    pip_install(&mut Command::new(venv.join(program)), &[], requirements)?;
    Ok(fs::write(installed, content)?)
}

fn pip_install(python: &mut Command, place: &[&std::ffi::OsStr], requirements: &str) -> Result<()> {
    python.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    python.args(["--root-user-action=ignore", "--no-deps", "--only-binary=:all:", "--require-hashes"]);
    python.args(place).arg("--requirement").arg(root().join(requirements));
    // What it prints is progress; stdout is for results.
    run(python.stdout(std::io::stderr()))
}
