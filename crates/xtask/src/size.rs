//! What is downloaded, held against its budget.

use crate::{
    npm,
    wasm::{host_module, npm_wasm},
};
use anyhow::{Result, bail};
use flate2::{Compression, write::GzEncoder};
use std::{fs, io::Write};

const KIB: usize = 1024;

/// Prints raw and gzip sizes and fails above a budget.
pub(crate) fn size() -> Result<()> {
    let rows = [
        ("module for WebAssembly hosts", host_module(), Some(62 * KIB)),
        ("npm package, .wasm", npm_wasm(), Some(84 * KIB)),
        ("a Worker that verifies keys", npm::minified("example-worker.js")?, Some(10 * KIB)),
        ("the same with a ring in KV", npm::minified("example-worker-kv.js")?, Some(13 * KIB)),
    ];
    let mut above = Vec::new();
    println!("{:<30} {:>8} {:>8} {:>8}", "bytes", "raw", "gzip", "budget");
    for (name, path, budget) in rows {
        let bytes = fs::read(&path)?;
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(&bytes)?;
        let gzip = gzip.finish()?.len();
        let shown = budget.map_or_else(|| "-".to_owned(), |budget| budget.to_string());
        println!("{name:<30} {:>8} {gzip:>8} {shown:>8}", bytes.len());
        if budget.is_some_and(|budget| gzip > budget) {
            above.push(name);
        }
    }
    if !above.is_empty() {
        bail!("above its budget: {}", above.join(", "));
    }
    Ok(())
}
