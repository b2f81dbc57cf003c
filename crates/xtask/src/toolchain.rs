//! A compiler for targets that the machine's own may lack: rustup's, or Debian's with the standard library built
//! from source.

use crate::{
    step::{cargo, note, output, target_dir},
    system,
};
use anyhow::{Context, Result};
use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

/// Set to `debian` to build with Debian's compiler although rustup has the target.
const CHOICE: &str = "CLAVIGER_WASM_TOOLCHAIN";
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_SOURCE: &str = "/usr/lib/rustlib/src/rust/library/Cargo.lock";

/// How the target's code is compiled.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Toolchain {
    /// The machine's compiler, with the target's standard library from rustup.
    Rustup,
    /// Debian's `rustc-web`, with the standard library built from `rust-web-src`.
    Debian,
}

impl Toolchain {
    /// The toolchain for `target`, with everything that it needs installed.
    pub(crate) fn for_target(target: &str) -> Result<Self> {
        if env::var_os(CHOICE).is_none_or(|choice| choice != "debian") {
            if has_target(target) {
                return Ok(Self::Rustup);
            }
            note(&format!("rustup target add {target}"));
            // Its own words say why it fails, if it does.
            let added = Command::new("rustup").args(["target", "add", target]).status();
            if added.is_ok_and(|status| status.success()) && has_target(target) {
                return Ok(Self::Rustup);
            }
            note(&format!(
                "that failed; where it can work, run rustup target add {target} and try again. Otherwise Debian's \
                 compiler can take its place"
            ));
        }
        system::require("Debian's Rust compiler for WebAssembly", &["rustc-web", "rust-web-src"], || {
            Path::new(DEBIAN_RUSTC).exists() && Path::new(DEBIAN_SOURCE).exists()
        })?;
        Ok(Self::Debian)
    }

    /// `cargo build` for `target`; `std` says which of the standard library's crates are needed.
    pub(crate) fn build(self, target: &str, std: &str) -> Result<Command> {
        let mut command = cargo(["build", "--target", target]);
        if self == Self::Debian {
            let linker = format!("CARGO_TARGET_{}_LINKER", target.to_uppercase().replace('-', "_"));
            command
                .env("RUSTC", DEBIAN_RUSTC)
                .env("RUSTC_BOOTSTRAP", "1")
                .env(linker, rust_lld()?)
                .arg(format!("-Zbuild-std={std}"));
        }
        command.arg("--target-dir").arg(self.target_dir());
        Ok(command)
    }

    /// Where it puts what it builds. The compilers must not share a folder.
    pub(crate) fn target_dir(self) -> PathBuf {
        match self {
            Self::Rustup => target_dir(),
            Self::Debian => target_dir().join("debian"),
        }
    }

    /// The compiler's version, as it ends up in what it makes.
    pub(crate) fn version(self) -> Result<String> {
        let program = match self {
            Self::Rustup => "rustc",
            Self::Debian => DEBIAN_RUSTC,
        };
        Ok(output(Command::new(program).arg("--version"))?.trim().to_owned())
    }
}

fn sysroot() -> Result<PathBuf> {
    Ok(output(Command::new("rustc").args(["--print", "sysroot"]))?.trim().into())
}

fn has_target(target: &str) -> bool {
    sysroot().is_ok_and(|sysroot| sysroot.join("lib/rustlib").join(target).join("lib").exists())
}

/// The linker that comes with rustup's compiler, or LLVM's.
fn rust_lld() -> Result<PathBuf> {
    let verbose = output(Command::new("rustc").arg("-vV"))?;
    let host = verbose.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc names no host")?;
    let bundled = sysroot()?.join("lib/rustlib").join(host).join("bin/rust-lld");
    if bundled.exists() {
        return Ok(bundled);
    }
    system::require("LLVM's linker for WebAssembly", &["lld"], || system::has("wasm-ld"))?;
    Ok("wasm-ld".into())
}

/// Compiler flags that keep paths of this machine out of what is built, so that every machine builds the same.
pub(crate) fn remapped_paths() -> Result<Vec<String>> {
    let mut flags = vec![format!("--remap-path-prefix={}=claviger", crate::step::root().display())];
    let cargo_home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let cargo_home =
        cargo_home.or_else(|| Some(env::home_dir()?.join(".cargo"))).context("no home directory")?;
    let registries = cargo_home.join("registry/src");
    for entry in std::fs::read_dir(&registries).into_iter().flatten() {
        flags.push(format!("--remap-path-prefix={}=crates", entry?.path().display()));
    }
    flags.push(format!("--remap-path-prefix={}=rust", sysroot()?.join("lib/rustlib/src/rust").display()));
    Ok(flags)
}
