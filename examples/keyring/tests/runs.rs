//! The example prints what its README says.

use std::process::Command;

#[test]
fn one_key_is_revoked_by_the_second_epoch() {
    let folder = tempfile::tempdir().unwrap();
    let output =
        Command::new(env!("CARGO_BIN_EXE_claviger-example-keyring")).arg(folder.path()).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(printed, "epoch 1: verified\nepoch 1: verified\nepoch 2: verified\nepoch 2: revoked\n");
}
