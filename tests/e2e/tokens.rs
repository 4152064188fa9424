//! Tests of tokens: each method at each level over each way in, and taking a right back.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use e2e::{Control, NodeProcess, http, python, wait_until};
use serde_json::{Value, json};

use crate::world::{ctl, noded, repository};

/// The JSON-RPC error for a caller that may not.
const DENIED: i64 = 1024;

const LEVELS: [&str; 3] = ["read", "fetch", "admin"];

/// The time in which what runs with a token ends; the documentation says one second.
const ENDS: Duration = Duration::from_secs(2);

/// Methods that would end the test.
const LAST: [&str; 2] = ["node.renew_secret", "node.stop"];

fn rank(level: &str) -> usize {
    let place = LEVELS.iter().position(|known| *known == level);
    place.unwrap_or_else(|| panic!("{level} is no level"))
}

/// Returns the methods of the table in the documentation, with what they need.
fn documented() -> Vec<(String, String)> {
    let page = std::fs::read_to_string(repository().join("docs/control.md")).unwrap();
    let rows = page.lines().filter_map(|line| {
        let mut cells = line.split('|').map(|cell| cell.trim().trim_matches('`'));
        let (_, method, level) = (cells.next()?, cells.next()?, cells.next()?);
        let is_method = method.contains('.') && LEVELS.contains(&level);
        is_method.then(|| (method.to_owned(), level.to_owned()))
    });
    let mut rows: Vec<_> = rows.collect();
    // Its events would come between the answers to others.
    rows.sort_by_key(|(method, _)| method == "events.subscribe");
    rows
}

/// Makes a token with `ctl`, and returns its file.
fn token(node: &NodeProcess, name: &str, may: &str) -> PathBuf {
    let file = node.home().root().join(format!("{name}.token"));
    let path = file.display().to_string();
    let args = ["token", "add", name, "--may", may, "--to", &path];
    drop(ctl(node.home()).args(args).run().expect_code(0));
    file
}

fn text(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap().trim().to_owned()
}

fn as_holder(node: &NodeProcess, file: &Path) -> Control {
    Control::new(&node.control_address, &text(file))
}

fn body(method: &str, id: Option<usize>) -> Value {
    let mut body = json!({ "jsonrpc": "2.0", "method": method, "params": {} });
    if let Some(id) = id {
        body["id"] = json!(id);
    }
    body
}

/// Checks that an answer is a refusal exactly if the table says so.
fn check(answer: &Value, method: &str, needed: &str, level: &str, way: &str) {
    let is_denied = answer["error"]["code"] == DENIED;
    let is_allowed = rank(level) >= rank(needed);
    assert_eq!(
        is_denied, !is_allowed,
        "{method} as {level}, {way}: {answer}"
    );
    if is_denied {
        assert!(answer.get("result").is_none(), "{answer}");
    }
}

/// Sends messages over one WebSocket, and returns the answers.
fn over_web_socket(node: &NodeProcess, file: &Path, messages: &[Value]) -> Vec<Value> {
    let script = include_str!("../clients/web_socket_calls.py");
    let lines: String = messages
        .iter()
        .map(|message| format!("{message}\n"))
        .collect();
    let input = node.home().root().join("messages");
    std::fs::write(&input, lines).unwrap();
    let paths = [file, &input].map(|path| path.display().to_string());
    let said = python(script, &[&node.control_address, &paths[0], &paths[1]]);
    said.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Sends one call over the socket in the state directory, and returns the answer.
fn over_unix_socket(node: &NodeProcess, file: &Path, body: &Value) -> Value {
    let mut stream = UnixStream::connect(node.home().state().join("control.sock")).unwrap();
    let body = body.to_string();
    let head = format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAuthorization: Bearer {}\r\nContent-Length: {}\r\n\r\n",
        text(file),
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body.as_bytes()).unwrap();
    let answer = http::read_answer(&mut stream, false).unwrap();
    serde_json::from_slice(&answer.body).unwrap()
}

#[test]
fn each_method_is_allowed_where_the_table_says() {
    let node = noded().file("a.txt", "a").start();
    let table = documented();
    let document = node.control().must("rpc.discover", json!({}));
    let methods = document["methods"].as_array().unwrap();
    for method in methods {
        let row = table
            .iter()
            .find(|(name, _)| method["name"] == name.as_str());
        let (_, level) = row.unwrap_or_else(|| panic!("no row for {}", method["name"]));
        assert_eq!(method["x-level"], level.as_str(), "{}", method["name"]);
    }
    assert_eq!(table.len(), methods.len() + 1, "and rpc.discover");
    for level in LEVELS {
        let file = token(&node, level, level);
        let holder = as_holder(&node, &file);
        let is_called = |method: &str| level != "admin" || !LAST.contains(&method);
        let rows: Vec<_> = table
            .iter()
            .filter(|(method, _)| is_called(method))
            .collect();
        for (method, needed) in &rows {
            let answer = holder
                .post(&body(method, Some(1)).to_string(), &[])
                .unwrap();
            assert_eq!(answer.status, 200, "{method}");
            let answer = serde_json::from_slice(&answer.body).unwrap();
            check(&answer, method, needed, level, "HTTP");
            let answer = over_unix_socket(&node, &file, &body(method, Some(1)));
            check(&answer, method, needed, level, "Unix socket");
        }
        let calls = rows
            .iter()
            .enumerate()
            .map(|(id, (method, _))| body(method, Some(id)));
        let calls: Vec<Value> = calls.collect();
        let batch = holder.post(&json!(calls).to_string(), &[]).unwrap();
        let batch: Vec<Value> = serde_json::from_slice(&batch.body).unwrap();
        let over_socket = over_web_socket(&node, &file, &calls);
        let in_socket = over_web_socket(&node, &file, &[json!(&calls[..calls.len() - 1])]);
        assert_eq!((batch.len(), over_socket.len()), (rows.len(), rows.len()));
        for (at, (method, needed)) in rows.iter().enumerate() {
            check(&batch[at], method, needed, level, "batch");
            check(&over_socket[at], method, needed, level, "WebSocket");
            if let Some(answer) = in_socket[0].get(at) {
                check(answer, method, needed, level, "batch in a WebSocket");
            }
        }
    }
    let admin = as_holder(&node, &node.home().root().join("admin.token"));
    assert_eq!(admin.must(LAST[0], json!({})), json!(true));
    assert!(
        admin.call("node.status", json!({})).is_ok(),
        "a new secret ends no token"
    );
    assert_eq!(admin.must(LAST[1], json!({})), json!(true));
}

#[test]
fn a_notification_above_the_level_does_nothing() {
    let node = noded().start();
    let file = token(&node, "reader", "read");
    let holder = as_holder(&node, &file);
    for (method, _) in documented() {
        let said = body(&method, None);
        for said in [said.clone(), json!([said])] {
            let answer = holder.post(&said.to_string(), &[]).unwrap();
            assert!((200..300).contains(&answer.status), "{method}");
            assert!(
                !answer.text().contains("jsonrpc"),
                "{method}: {}",
                answer.text()
            );
        }
    }
    let mixed = json!([body("node.stop", None), body("node.stop", Some(7))]);
    let answer = holder.post(&mixed.to_string(), &[]).unwrap();
    let answer: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(answer.as_array().map(Vec::len), Some(1), "{answer}");
    check(
        &answer[0],
        "node.stop",
        "admin",
        "read",
        "a batch with a notification",
    );
    // The owner's secret is still the same, and the node runs.
    assert_eq!(node.control().must("peer.list", json!({})), json!([]));
    node.stop();
}

#[test]
fn without_a_token_that_holds_nothing_is_answered() {
    let node = noded().start();
    let file = token(&node, "reader", "read");
    let wrong = text(&file).replace("sixhop_", "sixhop-");
    for shown in [wrong.as_str(), "sixhop_", &text(&file)[7..]] {
        let stranger = Control::new(&node.control_address, shown);
        for (method, _) in documented() {
            let answer = stranger
                .post(&body(&method, Some(1)).to_string(), &[])
                .unwrap();
            assert_eq!(answer.status, 401, "{method}");
        }
        let answer = http::request(&stranger.url, "GET", "/metrics", &[], b"").unwrap();
        assert_eq!(answer.status, 401);
    }
    let authorization = format!("Bearer {}", text(&file));
    let headers = [("Authorization", authorization.as_str())];
    let url = node.control().url;
    let figures = http::request(&url, "GET", "/metrics", &headers, b"").unwrap();
    assert_eq!(figures.status, 200, "level read is enough for the figures");
    node.stop();
}

/// Opens a WebSocket and subscribes to events.
fn subscribed(node: &NodeProcess, file: &Path) -> TcpStream {
    let mut stream = http::connect(&node.control().url).unwrap();
    let head = format!(
        "GET / HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer {}\r\n\r\n",
        node.control_address,
        text(file)
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut read = [0; 4096];
    let count = stream.read(&mut read).unwrap();
    assert!(read[..count].starts_with(b"HTTP/1.1 101"));
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "events.subscribe", "params": {} });
    let call = call.to_string();
    let length = u8::try_from(call.len()).unwrap();
    assert!(length < 126);
    stream
        .write_all(&[0x81, 0x80 | length, 0, 0, 0, 0])
        .unwrap();
    stream.write_all(call.as_bytes()).unwrap();
    // The head of a frame may come before the frame.
    let mut answer = String::new();
    while !answer.contains("result") {
        let count = stream.read(&mut read).unwrap();
        assert!(count > 0, "{answer}");
        answer += &String::from_utf8_lossy(&read[..count]);
    }
    stream
}

/// Reads until the other side ends the connection, and returns the time that it took.
fn until_ended(mut stream: TcpStream) -> Duration {
    let start = Instant::now();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let mut read = [0; 4096];
    loop {
        match stream.read(&mut read) {
            Ok(0) => return start.elapsed(),
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {
                return start.elapsed();
            }
            Err(error) => panic!("it goes on: {error}"),
        }
    }
}

#[test]
fn a_token_that_fetches_replaces_no_files() {
    let node = noded().file("a.txt", "mine").start();
    let holder = as_holder(&node, &token(&node, "nightly", "fetch"));
    for method in ["fetch.start", "fetch.start_matching"] {
        let mut call = body(method, Some(1));
        let code = |call: &Value| {
            let answer = holder.post(&call.to_string(), &[]).unwrap();
            let answer: Value = serde_json::from_slice(&answer.body).unwrap();
            answer["error"]["code"].as_i64()
        };
        for key in ["name", "query"] {
            call["params"][key] = json!("name:a.txt");
        }
        call["params"]["replace"] = json!(true);
        assert_eq!(code(&call), Some(DENIED), "{method}");
        let batch = holder.post(&json!([call]).to_string(), &[]).unwrap();
        let batch: Value = serde_json::from_slice(&batch.body).unwrap();
        assert_eq!(batch[0]["error"]["code"], DENIED, "{method}: {batch}");
        call["params"]["replace"] = json!(false);
        assert_ne!(code(&call), Some(DENIED), "{method}");
    }
    assert_eq!(node.home().read("a.txt").as_deref(), Some(&b"mine"[..]));
    node.stop();
}

#[test]
fn a_removed_token_ends_subscriptions_and_calls() {
    let node = noded().start();
    let (reader, admin) = (
        token(&node, "reader", "read"),
        token(&node, "boss", "admin"),
    );
    let (events, other) = (subscribed(&node, &reader), subscribed(&node, &admin));
    // A peer that takes connections and never answers: the call waits for it.
    let deaf = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", deaf.local_addr().unwrap());
    let boss = as_holder(&node, &admin);
    let call = std::thread::spawn(move || boss.call("peer.add", json!({ "url": url })));
    drop(deaf.accept().unwrap());
    let removed = ctl(node.home())
        .args(["token", "rm", "reader"])
        .run()
        .expect_code(0);
    assert_eq!(removed.stdout, "the token reader gives no right any more\n");
    assert!(until_ended(events) < ENDS);
    let answer = as_holder(&node, &reader).post(&body("node.status", Some(1)).to_string(), &[]);
    assert_eq!(answer.unwrap().status, 401);
    let run = ctl(node.home());
    let run = run
        .args(["--token-file", &reader.display().to_string(), "status"])
        .run();
    assert!(run.expect_code(24).stderr.contains("was removed"));
    // A token can remove itself, and hears of it.
    let start = Instant::now();
    let boss = as_holder(&node, &admin);
    assert_eq!(
        boss.must("token.remove", json!({ "name": "boss" })),
        json!(true)
    );
    assert!(until_ended(other) < ENDS);
    drop(call.join().unwrap());
    assert!(start.elapsed() < ENDS * 2, "{:?}", start.elapsed());
    let none = ctl(node.home()).args(["token", "rm", "boss"]).run();
    drop(none.expect_code(3));
    node.stop();
}

#[test]
fn a_token_ends_when_its_time_is_over() {
    let node = noded().start();
    let args = ["token", "add", "brief", "--may", "read", "--expires", "2s"];
    let run = ctl(node.home()).args(args).run().expect_code(0);
    let file = node.home().root().join("brief");
    std::fs::write(&file, &run.stdout).unwrap();
    let events = subscribed(&node, &file);
    assert!(until_ended(events) < Duration::from_secs(4));
    let answer = as_holder(&node, &file).post(&body("node.status", Some(1)).to_string(), &[]);
    let answer = answer.unwrap();
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (401, "the time of this token is over\n")
    );
    let listed = ctl(node.home()).args(["token", "ls"]).run().expect_code(0);
    let cells: Vec<&str> = listed.stdout.trim().split('\t').collect();
    assert_eq!((cells[0], cells[1], cells[3]), ("brief", "read", "expired"));
    assert_ne!(cells[2], "-", "its last use");
    let kinds = || {
        let page = node.control().must("events.since", json!({ "id": 0 }));
        let events = page["events"].as_array().unwrap().clone();
        let of_token = events
            .into_iter()
            .filter(|event| event["data"]["name"] == "brief");
        of_token
            .map(|event| event["type"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(kinds(), ["token.added", "token.expired"]);
    // The name is free again.
    drop(ctl(node.home()).args(args).run().expect_code(0));
    node.stop();
}

#[test]
fn tokens_survive_a_restart_and_no_text_of_them_is_kept() {
    let node = noded().start();
    let file = token(&node, "nightly", "fetch");
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let holder = as_holder(&node, &file);
    assert!(
        holder
            .call("fetch.start", json!({ "name": "no.txt" }))
            .is_ok()
    );
    let denied = holder.call("cache.clear", json!({})).unwrap_err();
    let said = "the token `nightly` may fetch, and cache.clear needs admin";
    assert_eq!((denied.code, denied.message.as_str()), (DENIED, said));
    let again = ctl(node.home())
        .args(["token", "add", "nightly", "--may", "read"])
        .run();
    drop(again.expect_code(13));
    let page = node.control().must("events.since", json!({ "id": 0 }));
    let called = page["events"].as_array().unwrap().iter();
    let called: Vec<_> = called
        .filter(|event| event["type"] == "token.called")
        .collect();
    assert_eq!(called.len(), 1, "{page}");
    assert_eq!(
        called[0]["data"],
        json!({ "name": "nightly", "method": "fetch.start" })
    );
    let log = node.stderr();
    assert!(
        log.contains("nightly") && !log.contains(&text(&file)),
        "{log}"
    );
    let node = node.stop_for_restart().start();
    let kept = std::fs::read_to_string(node.home().state().join("tokens")).unwrap();
    let mode = std::fs::metadata(node.home().state().join("tokens")).unwrap();
    assert_eq!(mode.permissions().mode() & 0o777, 0o600);
    assert!(
        !kept.contains(&text(&file)) && !kept.contains(&text(&file)[7..]),
        "{kept}"
    );
    let tokens = node.control().must("token.list", json!({}));
    assert!(tokens[0]["used"].as_u64().is_some(), "{tokens}");
    let holder = as_holder(&node, &file);
    wait_until("it is answered", ENDS, || {
        holder.call("node.status", json!({})).map_err(|e| e.message)
    });
    node.stop();
}

#[test]
fn a_token_file_is_private_and_used_instead_of_the_secret() {
    let node = noded().file("a.txt", "a").start();
    let file = token(&node, "reader", "read");
    let path = file.display().to_string();
    let with = |args: &[&str]| {
        ctl(node.home())
            .args(args)
            .env("SIXHOP_TOKEN_FILE", &file)
            .run()
    };
    assert!(
        with(&["search", "a.txt"])
            .expect_code(0)
            .stdout
            .contains("a.txt")
    );
    assert!(with(&["cat", "a.txt"]).expect_code(0).stdout.contains('a'));
    for refused in [
        &["cache", "clear"][..],
        &["token"],
        &["stop"],
        &["renew-secret"],
        &["rescan"],
    ] {
        let run = with(refused).expect_code(24);
        assert!(
            run.stderr.contains("may read"),
            "{refused:?}: {}",
            run.stderr
        );
    }
    let script = node.home().root().join("stop.rhai");
    std::fs::write(&script, "call(\"node.stop\", #{})").unwrap();
    drop(with(&["run", &script.display().to_string()]).expect_code(24));
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let open = ctl(node.home())
        .args(["--token-file", &path, "status"])
        .run()
        .expect_code(24);
    assert!(open.stderr.contains("chmod 600"), "{}", open.stderr);
    let taken = ctl(node.home())
        .args(["token", "add", "b", "--may", "read", "--to", &path])
        .run();
    drop(taken.expect_code(13));
    let tokens = node.control().must("token.list", json!({}));
    assert_eq!(tokens.as_array().map(Vec::len), Some(1), "{tokens}");
    node.stop();
}
