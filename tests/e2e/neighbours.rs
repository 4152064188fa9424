//! Tests of other users of the machine: their access to a node and to its page.

use std::{
    fs::{self, Permissions},
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::fs::{FileTypeExt, PermissionsExt},
    path::Path,
    time::{Duration, Instant},
};

use e2e::{Ui, http};
use serde_json::json;

use crate::world::{ctl, noded};

/// Connections of another user.
const FLOOD: usize = 600;

const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"node.status","params":{}}"#;

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
}

/// Accepts the connections to `listener` and returns the first bytes of each.
fn heard(listener: &TcpListener) -> Vec<Vec<u8>> {
    listener.set_nonblocking(true).unwrap();
    let mut heard = Vec::new();
    while let Ok((mut stream, _)) = listener.accept() {
        stream
            .set_read_timeout(Some(Duration::from_secs(1)))
            .unwrap();
        stream.set_nonblocking(false).unwrap();
        let mut bytes = vec![0; 4096];
        let count = stream.read(&mut bytes).unwrap_or(0);
        bytes.truncate(count);
        heard.push(bytes);
    }
    heard
}

/// Opens so many connections, each with half a request of somebody without a secret.
fn half_said(url: &str, count: usize) -> Vec<TcpStream> {
    let half = format!("POST / HTTP/1.1\r\nHost: {}\r\n", http::address(url));
    let connect = |_| {
        let mut stream = http::connect(url).ok()?;
        // Those that were displaced are closed already.
        drop(stream.write_all(half.as_bytes()));
        Some(stream)
    };
    (0..count).filter_map(connect).collect()
}

#[test]
fn a_port_of_a_killed_node_that_another_takes_gets_no_secret() {
    let node = noded().start();
    let address = node.control_address.clone();
    let home = std::sync::Arc::clone(node.home());
    drop(node.kill());
    let stranger = TcpListener::bind(&address).unwrap();
    let over_socket = ctl(&home).args(["status"]).run().expect_code(6);
    assert!(
        over_socket.stderr.contains("no node answers"),
        "{over_socket:?}"
    );
    assert!(heard(&stranger).is_empty(), "ctl uses the socket alone");
    // As with a file system that has no sockets.
    fs::remove_file(home.state().join("control.sock")).unwrap();
    for command in [&["status"][..], &["search", "x"], &["events"]] {
        let over_port = ctl(&home).args(command).run().expect_code(6);
        assert!(over_port.stderr.contains("no node runs"), "{over_port:?}");
        let heard = heard(&stranger);
        assert!(heard.iter().all(Vec::is_empty), "{command:?}: {heard:?}");
    }
    drop(stranger);
    let node = noded().at(&home).start();
    let status = ctl(&home).args(["status"]).run();
    assert_eq!(status.code, 0, "{status:?}");
    node.stop();
}

#[test]
fn without_a_socket_ctl_uses_the_port_of_the_running_node() {
    let node = noded().file("a.txt", "a").start();
    fs::remove_file(node.home().state().join("control.sock")).unwrap();
    for command in [&["status"][..], &["search", "a.txt"]] {
        let run = ctl(node.home()).args(command).run();
        assert_eq!(run.code, 0, "{run:?}");
    }
    // Another port than that of the lock may be anybody's.
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap().to_string();
    fs::write(node.home().state().join("control"), address).unwrap();
    drop(ctl(node.home()).args(["status"]).run().expect_code(6));
    assert!(heard(&other).iter().all(Vec::is_empty));
    node.stop();
}

#[test]
fn the_socket_and_its_directory_are_the_owners_alone() {
    let node = noded().start();
    let state = node.home().state();
    let socket = state.join("control.sock");
    assert_eq!(mode(&state), 0o700);
    assert_eq!(mode(&socket), 0o600);
    for name in ["lock", "digests.redb", "secret", "node-key"] {
        assert_eq!(mode(&state.join(name)), 0o600, "{name}");
    }
    assert!(
        fs::symlink_metadata(&socket)
            .unwrap()
            .file_type()
            .is_socket()
    );
    let ui = Ui::start(env!("CARGO_BIN_EXE_e2e-ctl"), node.home());
    let entries = fs::read_dir(node.home().root()).unwrap();
    let page = entries
        .map(|entry| entry.unwrap())
        .find(|entry| {
            entry
                .file_name()
                .to_string_lossy()
                .starts_with("sixhop-ui-")
        })
        .expect("the page has a directory");
    assert_eq!(mode(&page.path()), 0o700);
    drop(ui);
    let home = std::sync::Arc::clone(node.home());
    node.stop();
    assert!(!socket.exists(), "a clean end leaves no socket");
    let again = noded().at(&home).start();
    assert!(socket.exists());
    let again = again.kill();
    assert!(socket.exists(), "a killed node leaves it");
    let again = again.start();
    let run = ctl(&home).args(["status"]).run();
    assert_eq!(run.code, 0, "{run:?}");
    again.stop();
}

#[test]
fn a_state_or_secret_open_to_others_is_refused_by_both() {
    let node = noded().start();
    let home = std::sync::Arc::clone(node.home());
    let state = home.state();
    let secret = state.join("secret");
    for (path, wrong, right) in [(&state, 0o755, 0o700), (&secret, 0o640, 0o600)] {
        fs::set_permissions(path, Permissions::from_mode(wrong)).unwrap();
        let run = ctl(&home).args(["status"]).run().expect_code(24);
        assert!(run.stderr.contains("chmod"), "{run:?}");
        fs::set_permissions(path, Permissions::from_mode(right)).unwrap();
    }
    let options = node.stop_for_restart();
    for (path, wrong, right) in [(&state, 0o777, 0o700), (&secret, 0o604, 0o600)] {
        fs::set_permissions(path, Permissions::from_mode(wrong)).unwrap();
        let refusal = options.clone().refused();
        assert!(refusal.stderr.contains("chmod"), "{refusal:?}");
        fs::set_permissions(path, Permissions::from_mode(right)).unwrap();
    }
    options.start().stop();
}

#[test]
fn a_state_or_secret_of_another_user_is_refused_by_both() {
    let options = noded().start().stop_for_restart();
    let state = options.home().state();
    let chown = |path: &Path, user| std::os::unix::fs::chown(path, Some(user), None);
    let user = std::os::unix::fs::MetadataExt::uid(&fs::metadata(&state).unwrap());
    for path in [&state, &state.join("secret")] {
        if chown(path, 12_345).is_err() {
            println!("skipped: only root can give files away");
            return;
        }
        let refusal = options.clone().refused();
        assert!(refusal.stderr.contains("another user"), "{refusal:?}");
        let run = ctl(options.home()).args(["status"]).run();
        assert!(run.code != 0 && run.code != 101, "{run:?}");
        chown(path, user).unwrap();
    }
    options.start().stop();
}

#[test]
fn half_said_connections_do_not_lock_out_the_owner_of_control() {
    let mut node = noded().start();
    let control = node.control();
    let mut kept = http::connect(&control.url).unwrap();
    let authorization = control.authorization();
    let headers = [
        ("Authorization", authorization.as_str()),
        ("Content-Type", "application/json"),
        ("Connection", "keep-alive"),
    ];
    let request = http::bytes_of(&control.url, "POST", "/", &headers, CALL.as_bytes());
    let mut ask = || {
        kept.write_all(&request)
            .map_err(|error| error.to_string())?;
        http::read_answer(&mut kept, false)
    };
    assert_eq!(ask().unwrap().status, 200);
    let held = half_said(&control.url, FLOOD);
    let start = Instant::now();
    assert_eq!(ask().unwrap().status, 200, "a connection of before");
    assert_eq!(control.post(CALL, &[]).unwrap().status, 200, "a new one");
    let run = ctl(node.home()).args(["status"]).run();
    assert_eq!(run.code, 0, "{run:?}");
    assert!(start.elapsed() < Duration::from_secs(5));
    assert!(held.len() > FLOOD / 2, "{}", held.len());
    assert!(node.meters().descriptors < 300, "{:?}", node.meters());
    drop(held);
    node.assert_healthy();
    node.stop();
}

#[test]
fn half_said_connections_do_not_lock_out_the_owner_of_the_page() {
    let node = noded().start();
    let ui = Ui::start(env!("CARGO_BIN_EXE_e2e-ctl"), node.home());
    let (cookie, key) = ui.enter(ui.token()).unwrap();
    let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
    let headers = [("Cookie", cookie.as_str()), ("X-Sixhop-Key", key.as_str())];
    let mut events = http::connect(ui.url()).unwrap();
    let follow = http::bytes_of(
        ui.url(),
        "GET",
        "/api/events?since=0&started=0",
        &headers,
        b"",
    );
    events.write_all(&follow).unwrap();
    let mut first = [0; 12];
    events.read_exact(&mut first).unwrap();
    let held = half_said(ui.url(), FLOOD);
    let start = Instant::now();
    for _ in 0..3 {
        assert_eq!(http::get(ui.url(), "/").unwrap().status, 200);
        let answer = ui
            .post("/api/call", &headers, br#"{"method":"node.status"}"#)
            .unwrap();
        assert_eq!(answer.status, 200);
    }
    assert!(start.elapsed() < Duration::from_secs(5));
    // The stream of events goes on: it says something every ten seconds.
    events
        .set_read_timeout(Some(Duration::from_secs(15)))
        .unwrap();
    let mut total = 0;
    while total < 64 {
        let read = events.read(&mut [0; 64]).expect("the stream goes on");
        assert!(read > 0, "the stream was cut");
        total += read;
    }
    drop(held);
    node.stop();
}

#[test]
fn a_renewed_secret_shuts_out_the_old_one_within_a_second() {
    let node = noded().file("a.txt", "a").start();
    let old = node.control();
    let mut socket = http::connect(&old.url).unwrap();
    let upgrade = [
        ("Authorization", old.authorization()),
        ("Connection", "Upgrade".to_owned()),
        ("Upgrade", "websocket".to_owned()),
        ("Sec-WebSocket-Version", "13".to_owned()),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==".to_owned()),
    ];
    let upgrade: Vec<_> = upgrade.iter().map(|(k, v)| (*k, v.as_str())).collect();
    socket
        .write_all(&http::bytes_of(&old.url, "GET", "/", &upgrade, b""))
        .unwrap();
    assert_eq!(http::read_answer(&mut socket, false).unwrap().status, 101);

    let run = ctl(node.home()).args(["call", "node.renew_secret"]).run();
    assert_eq!(run.code, 0, "{run:?}");
    let renewed = Instant::now();
    assert_eq!(old.post(CALL, &[]).unwrap().status, 401);
    socket
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    let mut rest = Vec::new();
    // A close or a reset: either way it is over.
    let ended = socket.read_to_end(&mut rest);
    let timed_out = |error: &std::io::Error| error.kind() == std::io::ErrorKind::WouldBlock;
    assert!(!ended.as_ref().is_err_and(timed_out), "{ended:?}");
    assert!(
        renewed.elapsed() < Duration::from_secs(1),
        "{:?}",
        renewed.elapsed()
    );
    let fetch = |secret: &str| {
        let params = [
            e2e::xmlrpc::Value::text("a.txt"),
            e2e::xmlrpc::Value::text(secret),
        ];
        e2e::xmlrpc::call(&node.url, "fetch", &params)
    };
    let before = old.authorization();
    let before = before.trim_start_matches("Bearer ");
    assert!(fetch(before).is_err(), "the chapter's fetch, old secret");
    assert!(fetch(&node.home().secret()).is_ok());
    assert_ne!(node.home().secret(), before);
    assert_eq!(mode(&node.home().state().join("secret")), 0o600);
    let run = ctl(node.home()).args(["status"]).run();
    assert_eq!(run.code, 0, "{run:?}");
    let new = node.control();
    assert_eq!(new.must("node.renew_secret", json!({})), json!(true));
    assert_eq!(new.post(CALL, &[]).unwrap().status, 401);
    let restarted = node.stop_for_restart().start();
    assert_eq!(restarted.control().post(CALL, &[]).unwrap().status, 200);
    restarted.stop();
}
