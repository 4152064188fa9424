//! The node under a service manager, and the units that come along.

use std::{
    collections::BTreeSet, os::unix::net::UnixDatagram, path::PathBuf, process::Command,
    time::Duration,
};

use e2e::Home;
use serde_json::Value;

use crate::world::{noded, repository};

/// Longest wait for a message of the node.
const MESSAGE_TIME: Duration = Duration::from_secs(20);

/// Highest exposure of the system unit, on the scale of `systemd-analyze security`.
const EXPOSURE_MAX: f64 = 2.0;

fn unit(name: &str) -> PathBuf {
    repository().join("node/packaging/systemd").join(name)
}

fn message(socket: &UnixDatagram) -> String {
    let mut buffer = [0; 256];
    let length = socket
        .recv(&mut buffer)
        .expect("the node says how far it is");
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}

#[test]
fn a_service_manager_is_told_of_start_and_stop() {
    let place = Home::new();
    let path = place.root().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(MESSAGE_TIME)).unwrap();
    let node = noded().env("NOTIFY_SOCKET", &path).start();
    assert_eq!(message(&socket), "READY=1\n");
    node.signal("TERM");
    assert_eq!(message(&socket), "STOPPING=1\n");
}

#[test]
fn the_system_unit_is_hardened() {
    let Ok(output) = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--no-pager"])
        .arg(unit("sixhop@.service"))
        .output()
    else {
        println!("skipped: systemd-analyze is missing");
        return;
    };
    let said = String::from_utf8_lossy(&output.stdout);
    let exposure = said
        .lines()
        .find(|line| line.contains("Overall exposure level"))
        .and_then(|line| {
            line.split(": ")
                .nth(1)?
                .split(' ')
                .next()?
                .parse::<f64>()
                .ok()
        })
        .unwrap_or_else(|| panic!("an exposure is said: {said}"));
    assert!(exposure <= EXPOSURE_MAX, "{exposure}: {said}");
}

#[test]
fn each_unit_starts_the_node_and_says_when_it_is_ready() {
    for name in ["sixhop.service", "sixhop@.service"] {
        let text = std::fs::read_to_string(unit(name)).unwrap();
        assert!(text.contains("\nType=notify\n"), "{name}");
        assert!(text.contains("\nExecStart=/usr/bin/noded"), "{name}");
    }
}

#[test]
fn list_of_parts_has_what_is_linked_and_nothing_else() {
    let list = |time: &str| {
        let output = Command::new("python3")
            .args(["node/packaging/sbom.py", "x86_64-unknown-linux-gnu"])
            .env("SOURCE_DATE_EPOCH", time)
            .current_dir(repository())
            .output()
            .expect("Python 3 runs");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        output.stdout
    };
    let text = list("1700000000");
    assert!(
        text == list("1700000000"),
        "the same source gives the same list"
    );
    let list: Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(
        (&list["bomFormat"], &list["specVersion"]),
        (&"CycloneDX".into(), &"1.5".into())
    );
    let parts = list["components"].as_array().unwrap();
    let names: BTreeSet<&str> = parts
        .iter()
        .filter_map(|part| part["name"].as_str())
        .collect();
    for name in ["tokio", "tantivy", "rhai", "node-wire", "ctl"] {
        assert!(names.contains(name), "{name}");
    }
    for name in ["proptest", "syn", "serde_derive", "cc", "e2e"] {
        assert!(!names.contains(name), "{name}");
    }
    for part in parts.iter().filter(|part| part["name"] == "tokio") {
        assert_eq!(part["hashes"][0]["alg"], "SHA-256");
        assert_eq!(part["licenses"][0]["expression"], "MIT");
    }
}

#[test]
fn packages_take_files_that_are_there() {
    let manifest = std::fs::read_to_string(repository().join("node/Cargo.toml")).unwrap();
    let quoted = manifest.split('"').skip(1).step_by(2);
    let named: BTreeSet<&str> = quoted.filter(|text| text.contains("packaging/")).collect();
    assert!(named.len() >= 6, "{named:?}");
    for path in named {
        let below = path.trim_start_matches("node/");
        assert!(repository().join("node").join(below).exists(), "{path}");
    }
    for script in ["package", "debian/postinst", "debian/postrm"] {
        let path = repository().join("node/packaging").join(script);
        let run = Command::new("bash").arg("-n").arg(&path).status();
        assert!(run.is_ok_and(|status| status.success()), "{script}");
    }
}
