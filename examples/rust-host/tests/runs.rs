//! The example does what its README says.

use std::process::Command;

#[test]
fn the_example_issues_and_verifies_a_key() {
    let output = Command::new(env!("CARGO_BIN_EXE_claviger-example-rust-host")).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(printed.starts_with("Verified(Verified { key_id: KeyId("), "{printed}");
}
