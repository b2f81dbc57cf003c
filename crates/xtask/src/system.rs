//! Debian packages: installed as root or in CI, otherwise named.

use crate::step::{note, run, succeeds};
use anyhow::{Result, bail};
use std::{env, path::Path, process::Command};

/// Makes sure that `present` succeeds, by installing Debian `packages` if it does not.
pub(crate) fn require(what: &str, packages: &[&str], present: impl Fn() -> bool) -> Result<()> {
    if present() {
        return Ok(());
    }
    let names = packages.join(" ");
    let debian = Path::new("/usr/bin/apt-get").exists();
    let may_install = debian && (is_root() || env::var_os("CI").is_some_and(|ci| ci == "true"));
    if !may_install {
        bail!("{what} is missing; install it, on Debian with: sudo apt-get install {names}");
    }
    note(&format!("installing {what}: apt-get install {names}"));
    let apt = || {
        let mut command = if is_root() { Command::new("apt-get") } else { Command::new("sudo") };
        if !is_root() {
            command.args(["-n", "apt-get"]);
        }
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    // What it prints is progress; stdout is for results.
    run(apt().args(["-qq", "update"]).stdout(std::io::stderr()))?;
    let mut install = apt();
    install.args(["-qq", "-y", "--no-remove", "--no-install-recommends", "install"]).args(packages);
    run(install.stdout(std::io::stderr()))?;
    if !present() {
        bail!("{what} is still missing after installing {names}");
    }
    Ok(())
}

/// Whether this runs as root.
pub(crate) fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// Whether a program is there and says its version.
pub(crate) fn has(program: &str) -> bool {
    succeeds(Command::new(program).arg("--version"))
}
