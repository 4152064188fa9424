//! The node under a service manager, and the units that come along.

use std::{os::unix::net::UnixDatagram, path::PathBuf, process::Command, time::Duration};

use e2e::Home;

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
