//! Exit codes and sentences.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::TcpListener,
    process::Command,
};

use serde_json::{Value, json};

use crate::{fake::Fake, program::Program};

#[test]
fn no_state_is_no_node() {
    let state = tempfile::tempdir().unwrap();
    let ended = Program::new(["peers"]).state(state.path()).run().exits(6);
    assert_eq!(ended.stderr.lines().count(), 1);
    assert!(ended.stderr.contains("noded --share DIR"), "{ended:?}");
}

#[test]
fn a_node_that_has_gone_is_no_node() {
    let fake = Fake::start();
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    fs::write(fake.file("control"), free.to_string()).unwrap();
    for args in [
        vec!["status"],
        vec!["events"],
        vec!["fetch", "x"],
        vec!["shell"],
    ] {
        let ended = fake.ctl(args).run().exits(6);
        let expected = format!(
            "ctl: no node answers at {free} (from {}); start one with `noded --share DIR` or `ctl up --share DIR`\n",
            fake.file("control").display()
        );
        assert_eq!(ended.stderr, expected);
    }
}

#[test]
fn a_wrong_secret_is_not_authorised() {
    let fake = Fake::start();
    let other = "something-else".repeat(3);
    fake.set_secret(&other, 0o600);
    for args in [vec!["status"], vec!["events"], vec!["fetch", "x"]] {
        let ended = fake.ctl(args).run().exits(24);
        assert!(
            ended.stderr.contains("does not accept the secret"),
            "{ended:?}"
        );
        assert!(!ended.stderr.contains("something-else"), "{ended:?}");
    }
}

#[test]
fn a_port_that_the_running_node_does_not_have_gets_no_secret() {
    let fake = Fake::start();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    fs::write(fake.file("control"), address.to_string()).unwrap();
    for args in [vec!["status"], vec!["events"]] {
        let ended = fake.ctl(args).run().exits(6);
        assert!(ended.stderr.contains("somebody else"), "{ended:?}");
        let (mut stream, _) = listener.accept().unwrap();
        let mut heard = Vec::new();
        std::io::Read::read_to_end(&mut stream, &mut heard).unwrap();
        assert!(heard.is_empty(), "{heard:?}");
    }
}

#[test]
fn a_secret_that_others_can_read_is_refused() {
    let fake = Fake::start();
    fake.set_secret(crate::fake::SECRET, 0o644);
    let ended = fake.ctl(["status"]).run().exits(24);
    assert!(ended.stderr.contains("chmod 600"), "{ended:?}");
}

#[test]
fn the_secret_may_come_from_the_environment() {
    let fake = Fake::start();
    let secret = fake.file("secret");
    let moved = fake.file("elsewhere");
    fs::rename(secret, &moved).unwrap();
    let named = fake
        .ctl(["status"])
        .env("SIXHOP_SECRET_FILE", moved.to_str().unwrap());
    named.run().exits(0);
    fake.ctl(["status"])
        .env("SIXHOP_SECRET", crate::fake::SECRET)
        .run()
        .exits(0);
    let without = fake.ctl(["status"]).run().exits(24);
    assert!(without.stderr.contains("SIXHOP_SECRET_FILE"), "{without:?}");
}

#[test]
fn something_else_behind_the_address_is_said_so() {
    let fake = Fake::start();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    fake.set_address(listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        while reader.read_line(&mut line).unwrap() > 2 {
            line.clear();
        }
        use std::io::Write;
        let answer = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\nhello";
        reader.get_mut().write_all(answer.as_bytes()).unwrap();
    });
    let ended = fake.ctl(["status"]).run().exits(1);
    assert!(ended.stderr.contains("is not a Sixhop node"), "{ended:?}");
    server.join().unwrap();
}

#[test]
fn a_silent_node_ends_with_the_deadline() {
    let fake = Fake::start();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    fake.set_address(listener.local_addr().unwrap());
    let ended = fake.ctl(["status", "--timeout", "200ms"]).run().exits(124);
    assert_eq!(
        ended.stderr,
        "ctl: gave up after 200ms, as --timeout or --max-time says\n"
    );
}

#[test]
fn with_json_errors_are_one_object() {
    let ended = Fake::start()
        .ctl(["--json", "fetch", "there"])
        .run()
        .exits(13);
    let error: Value = serde_json::from_str(&ended.stderr).unwrap();
    let expected =
        json!({ "code": "exists", "exit": 13, "message": "there is in the share already" });
    assert_eq!(error["error"], expected);
}

#[test]
fn with_json_a_wrong_command_line_is_one_object_too() {
    for args in [
        vec!["--json", "fetch"],
        vec!["peers", "--json", "--odd"],
        vec!["--json", "eat"],
    ] {
        let ended = Program::new(args).run().exits(2);
        let error: Value = serde_json::from_str(&ended.stderr).unwrap();
        assert_eq!(error["error"]["code"], "usage", "{error}");
    }
}

#[test]
fn a_reader_that_has_gone_is_no_error() {
    let fake = Fake::start();
    let mut child = fake.ctl(["events"]).spawn();
    let mut first = String::new();
    BufReader::with_capacity(64, child.stdout.take().unwrap())
        .read_line(&mut first)
        .unwrap();
    let mut again = fake.ctl(["ls"]).spawn();
    drop(again.stdout.take());
    let ended = again.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn interrupts_end_with_130() {
    let fake = Fake::start();
    let mut child = fake.ctl(["events"]).spawn();
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    reader.read_line(&mut String::new()).unwrap();
    interrupt(child.id());
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

/// Sends the signal that a terminal sends at Ctrl-C.
pub(crate) fn interrupt(process: u32) {
    let kill = format!("kill -INT {process}");
    let sent = Command::new("sh").args(["-c", &kill]).status();
    assert!(sent.unwrap().success());
}
