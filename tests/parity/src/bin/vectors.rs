//! Writes the golden files. That they are up to date is a test.

use anyhow::Result;
use claviger_parity::vectors;
use std::fs;

fn main() -> Result<()> {
    for (path, content) in vectors::golden_files()? {
        if fs::read(&path).is_ok_and(|present| present == content) {
            continue;
        }
        fs::create_dir_all(path.parent().unwrap_or(&path))?;
        fs::write(&path, content)?;
        eprintln!("wrote {}", path.display());
    }
    Ok(())
}
