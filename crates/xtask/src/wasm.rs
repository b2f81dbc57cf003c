//! The WebAssembly artefacts: the import-free module inside `claviger-host`, and those inside the npm package.

use crate::{
    npm,
    step::{note, root, run},
    toolchain::{Toolchain, remapped_paths},
};
use anyhow::{Context, Result, bail};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};
use wasm_bindgen_cli_support::Bindgen;

const TARGET: &str = "wasm32-unknown-unknown";

/// The features of WebAssembly that rustc is told to use, or uses by default; wasm-opt must know them.
const OPT_FEATURES: [&str; 7] = [
    "--enable-simd",
    "--enable-bulk-memory",
    "--enable-sign-ext",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-multivalue",
];

/// The module that `claviger-host` embeds. It is committed, so that users of that crate need no WebAssembly toolchain.
pub(crate) fn host_module() -> PathBuf {
    root().join("crates/host/module/claviger.wasm")
}

/// The WebAssembly of the npm package.
pub(crate) fn npm_wasm() -> PathBuf {
    root().join("js/dist/claviger.wasm")
}

/// The compiler that made the committed module. Another one makes other bytes of the same source.
fn host_module_rustc() -> PathBuf {
    host_module().with_file_name("rustc-version.txt")
}

/// What to do with a module that is not the committed one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum HostModule {
    /// Fail: somebody forgot to commit it.
    Check,
    /// Take it, if the same compiler made the committed one.
    Update,
    /// Take it, and note the compiler.
    Replace,
}

/// Builds the import-free module, and holds it against the committed one.
pub(crate) fn build_module(mode: HostModule) -> Result<()> {
    let (toolchain, raw) = compile("claviger-wasm-module", None)?;
    let built = raw.with_extension("opt.wasm");
    optimise(&raw, &built)?;
    let (built, committed) = (fs::read(&built)?, host_module());
    if fs::read(&committed).is_ok_and(|present| present == built) {
        return Ok(());
    }
    let (rustc, made_with) =
        (toolchain.version()?, fs::read_to_string(host_module_rustc()).unwrap_or_default());
    if rustc != made_with.trim() && mode != HostModule::Replace {
        note(&format!(
            "the committed module was made with {}, this is {rustc}; it stays as it is",
            made_with.trim()
        ));
        return Ok(());
    }
    if mode == HostModule::Check {
        bail!(
            "{} is not what its source builds to; run cargo xtask build and commit it",
            committed.display()
        );
    }
    note("the module has changed; commit crates/host/module");
    fs::create_dir_all(committed.parent().context("no folder")?)?;
    fs::write(host_module_rustc(), format!("{rustc}\n"))?;
    Ok(fs::write(committed, built)?)
}

/// Builds the WebAssembly of the npm package, and its glue, into `js/wasm`: by name, with the features of the crate.
pub(crate) fn build_for_js() -> Result<()> {
    for (name, features) in [("claviger", "verify"), ("parse", ""), ("testing", "testing")] {
        let (_, raw) = compile("claviger-wasm-js", Some(features))?;
        let out = root().join("js/wasm");
        fs::create_dir_all(&out)?;
        let mut bindgen = Bindgen::new();
        bindgen
            .input_path(&raw)
            .web(true)?
            .typescript(true)
            .omit_default_module_path(true)
            .remove_name_section(true);
        bindgen.remove_producers_section(true).out_name(name);
        bindgen.generate(&out)?;
        let wasm = out.join(format!("{name}_bg.wasm"));
        optimise(&wasm, &wasm)?;
    }
    Ok(())
}

/// Compiles a crate, with these features in the place of its default ones.
fn compile(package: &str, features: Option<&str>) -> Result<(Toolchain, PathBuf)> {
    let toolchain = Toolchain::for_target(TARGET)?;
    let which = features.filter(|features| !features.is_empty()).map(|features| format!(" ({features})"));
    note(&format!("compiling {package} to WebAssembly{}", which.unwrap_or_default()));
    let mut flags = vec!["-Ctarget-feature=+simd128,+bulk-memory".to_owned()];
    // Nothing recurses and no frame is large; the default of 1 MiB is memory that every instance would have to have.
    flags.push("-Clink-arg=-zstack-size=65536".to_owned());
    // LLVM's threshold of 225 is for machines that have the code already. What verifying needs inlined says so itself.
    flags.push("-Cllvm-args=-inline-threshold=25".to_owned());
    flags.extend(remapped_paths()?);
    let mut build = toolchain.build(TARGET, "std,panic_abort")?;
    build.args(["--quiet", "--profile", "wasm", "--package", package]);
    if let Some(features) = features {
        build.args(["--no-default-features", "--features", features]);
    }
    build.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"));
    run(&mut build)?;
    let file = format!("{}.wasm", package.replace('-', "_"));
    Ok((toolchain, toolchain.target_dir().join(TARGET).join("wasm").join(file)))
}

fn optimise(from: &Path, to: &Path) -> Result<()> {
    let mut command = Command::new("node");
    command.arg(npm::tool("binaryen/bin/wasm-opt")).args([
        "-O3",
        "--strip-debug",
        "--strip-producers",
        "--strip-target-features",
    ]);
    command.args(OPT_FEATURES).arg(from).arg("-o").arg(to);
    run(&mut command)
}
