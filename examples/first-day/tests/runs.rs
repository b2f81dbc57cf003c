//! The example runs, and its day ends with a log that is whole.

use std::process::Command;

#[test]
fn the_day_is_told_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("company.db");
    let output = Command::new(env!("CARGO_BIN_EXE_claviger-example-first-day")).arg(&file).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr));
    for line in [
        "it is \"weekend script\"",
        "the secret matches: true",
        "is told: revoked",
        "\"nightly import\" was never used",
        "are as they were written",
    ] {
        assert!(printed.contains(line), "{line:?} is not in\n{printed}");
    }
    assert!(file.is_file());
}
