//! How much memory programs use. Only Linux tells.

use std::fs;

/// How much memory of this program is used now, in bytes; from here on its peak counts anew.
#[must_use]
pub fn forget_peak() -> Option<u64> {
    fs::write("/proc/self/clear_refs", "5").ok()?;
    status("self", "VmRSS")
}

/// The most memory of this program that was used since then, in bytes.
#[must_use]
pub fn peak() -> Option<u64> {
    status("self", "VmHWM")
}

/// How much memory of another program is used now, in bytes.
#[must_use]
pub fn resident(process: u32) -> Option<u64> {
    status(&process.to_string(), "VmRSS")
}

fn status(process: &str, what: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(what)?.strip_prefix(':'))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}
