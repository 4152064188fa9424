//! Libraries and programs of others, both ways. `tests/clients/libraries/run.py` tries all that are installed; here it tries those
//! that every machine with the tests has.

use std::process::Command;

use crate::world::repository;

#[test]
fn a_library_makes_every_call_and_is_a_peer() {
    let script = repository().join("tests/clients/libraries/run.py");
    let run = Command::new("python3")
        .arg(script)
        .args(["--noded", env!("CARGO_BIN_EXE_e2e-noded")])
        .args(["--details", "CPython xmlrpc", "curl", "wget"])
        .output()
        .expect("python3 is installed");
    let (stdout, stderr) = (
        String::from_utf8_lossy(&run.stdout),
        String::from_utf8_lossy(&run.stderr),
    );
    println!("{stdout}{stderr}");
    assert!(run.status.success(), "{stdout}{stderr}");
    let row = stdout.lines().find(|line| line.starts_with("| CPython"));
    let row = row.unwrap_or_default();
    for whole in ["13 of 13", "32 of 32 | 32 of 32"] {
        assert!(row.contains(whole), "no {whole:?} in {row}");
    }
}
