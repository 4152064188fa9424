//! Ten thousand hostile requests from 64 addresses beside an honest client: what `tests/benches/flood.py` does a
//! hundred times longer.

use std::process::Command;

use crate::world::{noded_program, repository};

/// Exit code of the bench where it may have no network of its own.
const SKIPPED: i32 = 77;

#[test]
fn flood_of_hostile_requests_leaves_an_honest_client_served() {
    let bench = repository().join("tests/benches/flood.py");
    let run = Command::new("python3")
        .arg(bench)
        .args(["--requests", "10000", "--workers", "6", "--p99", "1500"])
        .arg("--program")
        .arg(noded_program())
        .output()
        .expect("python3 is installed");
    let said = String::from_utf8_lossy(&run.stdout);
    println!("{said}");
    if run.status.code() == Some(SKIPPED) {
        return;
    }
    let complaint = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{said}\n{complaint}");
}
