//! Writes the golden files; with `--check` only compares, and fails if one would change.

use anyhow::{Result, bail};
use claviger_parity::vectors;
use std::{fs, path::Path};

fn main() -> Result<()> {
    let check = std::env::args().any(|argument| argument == "--check");
    let keys = serde_json::to_string_pretty(&vectors::generate()?)? + "\n";
    let types = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../js/src/denial-codes.ts");
    for (path, content) in [(vectors::path(), keys), (types, vectors::denial_codes_ts())] {
        if fs::read_to_string(&path).is_ok_and(|present| present == content) {
            continue;
        }
        if check {
            bail!(
                "{} would change; a format is a contract. If it is meant, run cargo xtask vectors",
                path.display()
            );
        }
        fs::write(&path, content)?;
        eprintln!("wrote {}", path.display());
    }
    Ok(())
}
