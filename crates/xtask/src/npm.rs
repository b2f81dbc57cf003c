//! The npm package: its tools, its tarball, and a project that has the tarball installed as a user would.

use crate::{
    step::{note, output, root, run, target_dir},
    system,
};
use anyhow::{Context, Result};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const NPM: &str = if cfg!(windows) { "npm.cmd" } else { "npm" };

fn js() -> PathBuf {
    root().join("js")
}

/// The project that has the tarball installed; the parity suite and the demo run in it.
fn consumer() -> PathBuf {
    target_dir().join("npm/consumer")
}

/// A file of a development tool.
pub(crate) fn tool(path: &str) -> PathBuf {
    js().join("node_modules").join(path)
}

fn npm(arguments: &[&str]) -> Command {
    // On Windows npm is a script, which has to be named in full.
    let mut command = Command::new(NPM);
    command.current_dir(js()).args(arguments);
    command
}

/// Whether Node is there, and not older than the package supports.
fn has_node() -> bool {
    let version = Command::new("node").arg("--version").output();
    let version = version.ok().and_then(|output| String::from_utf8(output.stdout).ok()).unwrap_or_default();
    let major = version.strip_prefix('v').and_then(|version| version.split('.').next()?.parse::<u32>().ok());
    major.is_some_and(|major| major >= 20)
}

/// Makes sure that Node is there and the tools in `js/package-lock.json` are installed.
pub(crate) fn install_tools() -> Result<()> {
    install_locked(&js(), &["ci"])
}

/// Makes sure that Node is there and what the folder's `package-lock.json` names is installed, by this command of npm's.
pub(crate) fn install_locked(folder: &Path, command: &[&str]) -> Result<()> {
    system::require("Node.js 20 or later with npm", &["nodejs", "npm"], || has_node() && system::has(NPM))?;
    let lock = folder.join("package-lock.json");
    let content = fs::read(&lock).with_context(|| format!("{} is missing", lock.display()))?;
    // npm leaves no trace of the lock file as such, so this does.
    let installed = folder.join("node_modules/.claviger-lock.json");
    if fs::read(&installed).is_ok_and(|installed| installed == content) {
        return Ok(());
    }
    note(&format!("installing npm packages from {}", lock.display()));
    let mut install = npm(command);
    install.args(["--ignore-scripts", "--no-fund", "--no-audit", "--loglevel=error"]);
    run(install.current_dir(folder).stdout(std::io::stderr()))?;
    Ok(fs::write(installed, content)?)
}

/// Builds `js/dist` and packs the tarball.
pub(crate) fn pack() -> Result<()> {
    note("building and packing the npm package");
    run(&mut npm(&["run", "--silent", "build"]))?;
    for file in ["LICENSE-MIT", "LICENSE-APACHE"] {
        fs::copy(root().join(file), js().join(file)).with_context(|| format!("cannot copy {file}"))?;
    }
    let folder = target_dir().join("npm");
    fs::create_dir_all(&folder)?;
    let mut pack = npm(&["pack", "--silent", "--pack-destination"]);
    let packed = output(pack.arg(&folder))?;
    fs::rename(folder.join(packed.trim()), folder.join("claviger.tgz"))?;
    Ok(())
}

/// Installs the tarball into a project of its own, and bundles workers from there.
pub(crate) fn install_consumer() -> Result<()> {
    let consumer = consumer();
    if consumer.exists() {
        fs::remove_dir_all(&consumer)?;
    }
    fs::create_dir_all(&consumer)?;
    fs::write(consumer.join("package.json"), "{ \"private\": true, \"type\": \"module\" }\n")?;
    let mut install = npm(&["install", "--offline", "--no-fund", "--no-audit", "--loglevel=error"]);
    run(install
        .current_dir(&consumer)
        .arg(target_dir().join("npm/claviger.tgz"))
        .stdout(std::process::Stdio::null()))?;
    let examples = root().join("examples");
    fs::copy(examples.join("node/app.mjs"), consumer.join("app.mjs"))?;
    fs::copy(examples.join("worker/new-key.mjs"), consumer.join("new-key.mjs"))?;
    fs::copy(examples.join("keyring/verify.mjs"), consumer.join("verify.mjs"))?;
    fs::copy(examples.join("worker/worker.js"), consumer.join("example-worker.js"))?;
    fs::copy(examples.join("worker-kv/worker.js"), consumer.join("example-worker-kv.js"))?;
    fs::copy(examples.join("worker-kv/usage.js"), consumer.join("usage.js"))?;
    let harness = root().join("tests/parity/js");
    for entry in fs::read_dir(&harness).context("tests/parity/js is missing")? {
        let entry = entry?;
        fs::copy(entry.path(), consumer.join(entry.file_name()))?;
    }
    let bench = consumer.join("bench");
    fs::create_dir_all(&bench)?;
    for file in ["answers.mjs", "cold.mjs", "heap.mjs", "node.mjs", "worker.mjs"] {
        fs::copy(root().join("js/bench/sources").join(file), bench.join(file))?;
    }
    bundle("worker.mjs", "worker")?;
    bundle("bench/worker.mjs", "bench-worker")?;
    bundle("example-worker.js", "example-worker")?;
    let workerd =
        output(Command::new("node").current_dir(js()).args(["--print", "require('workerd').default"]))?;
    Ok(fs::write(consumer.join("workerd-path"), workerd.trim())?)
}

/// Bundles a worker of the consumer project as wrangler would: one script, and the WebAssembly beside it.
fn bundle(worker: &str, folder: &str) -> Result<()> {
    esbuild(worker, &format!("{folder}/worker.js"), &["--loader:.wasm=copy", "--asset-names=[name]"])
}

/// The script of a Worker of the consumer project, minified as its author would, without the WebAssembly.
pub(crate) fn minified(worker: &str) -> Result<PathBuf> {
    let out = format!("minified/{worker}");
    esbuild(worker, &out, &["--minify", "--external:*.wasm"])?;
    Ok(consumer().join(out))
}

fn esbuild(worker: &str, out: &str, options: &[&str]) -> Result<()> {
    let mut bundle = Command::new("node");
    bundle.current_dir(consumer()).arg(tool("esbuild/bin/esbuild")).arg(worker);
    bundle.args(["--bundle", "--format=esm", "--conditions=workerd", "--log-level=warning"]);
    run(bundle.arg(format!("--outfile={out}")).args(options))
}

/// Makes the API documentation of the package; fails if something public has none.
pub(crate) fn document() -> Result<()> {
    let docs = js().join("docs");
    install_locked(&docs, &["ci"])?;
    note("documentation of the npm package");
    run(Command::new("node").current_dir(docs).args([
        "node_modules/typedoc/bin/typedoc",
        "--logLevel",
        "Warn",
    ]))
}

/// Runs the package's own tests.
pub(crate) fn test() -> Result<()> {
    run(&mut npm(&["test", "--silent"]))
}
