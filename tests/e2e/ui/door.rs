//! Tests of the door of the page: access, and the fate of attacks.

use std::io::{Read, Write};
use std::time::Duration;

use e2e::{Meters, NodeProcess, Ui, eventually, http};
use serde_json::{Value, json};

use super::page_of;
use crate::world::noded;

const STATUS: &[u8] = br#"{"method":"node.status"}"#;

fn served() -> (NodeProcess, Ui) {
    let node = noded().file("a.txt", "a").start();
    let ui = page_of(&node);
    (node, ui)
}

/// Returns the headers of a session.
fn session(ui: &Ui) -> (String, String) {
    let (cookie, key) = ui.enter(ui.token()).expect("the token is good");
    let pair = cookie.split(';').next().unwrap_or_default().to_owned();
    (pair, key)
}

fn call(ui: &Ui, cookie: &str, key: &str, body: &[u8]) -> http::Answer {
    let headers = [("Cookie", cookie), ("X-Sixhop-Key", key)];
    ui.post("/api/call", &headers, body)
        .expect("the page answers")
}

#[test]
fn a_token_is_good_once_and_its_session_has_two_halves() {
    let (node, ui) = served();
    assert_eq!(ui.enter("0".repeat(64).as_str()).err(), Some(403));
    let (cookie, key) = ui.enter(ui.token()).expect("the token is good");
    for part in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert_eq!(
        ui.enter(ui.token()).err(),
        Some(403),
        "a token is good once"
    );
    let pair = cookie.split(';').next().unwrap_or_default();
    for (cookie, key) in [
        ("", ""),
        (pair, ""),
        ("", &key),
        (pair, pair),
        ("a=b", &key),
    ] {
        assert_eq!(call(&ui, cookie, key, STATUS).status, 401, "{cookie} {key}");
    }
    let answer = call(&ui, pair, &key, STATUS);
    assert_eq!(answer.status, 200);
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(body["result"]["url"], json!(node.url));
    node.stop();
}

#[test]
fn the_page_may_ask_for_what_is_on_its_list_only() {
    let (node, ui) = served();
    let (cookie, key) = session(&ui);
    for body in [
        r#"{"method":"node.stop"}"#,
        r#"{"method":"rpc.discover"}"#,
        r#"{"method":"share.list"}"#,
        r#"{"method":"node.status","params":{"x":1}}"#,
    ] {
        let answer = call(&ui, &cookie, &key, body.as_bytes());
        assert_eq!(
            serde_json::from_slice::<Value>(&answer.body).unwrap()["error"]["code"],
            "usage",
            "{body}"
        );
    }
    for body in [
        "",
        "[]",
        "null",
        r#"[{"method":"node.status"}]"#,
        "{\"method\":\"node.status\"} x",
    ] {
        assert_eq!(
            call(&ui, &cookie, &key, body.as_bytes()).status,
            400,
            "{body}"
        );
    }
    let long = vec![b' '; 100 << 10];
    assert_eq!(call(&ui, &cookie, &key, &long).status, 400);
    node.stop();
}

#[test]
fn other_pages_and_other_names_are_refused() {
    let (node, ui) = served();
    let (cookie, key) = session(&ui);
    let both = [("Cookie", cookie.as_str()), ("X-Sixhop-Key", key.as_str())];
    let ours = format!("http://{}", ui.host());
    let port = ui.host().rsplit(':').next().unwrap();
    let post = |headers: &[(&str, &str)]| {
        let all = [headers, &both[..]].concat();
        http::request(ui.url(), "POST", "/api/call", &all, STATUS)
            .unwrap()
            .status
    };
    assert_eq!(post(&[("Origin", &ours)]), 200);
    assert_eq!(post(&[]), 403, "without an origin");
    for origin in [
        "null",
        "http://evil.example",
        "http://127.0.0.1:1",
        "https://127.0.0.1",
        &node.url,
    ] {
        assert_eq!(post(&[("Origin", origin)]), 403, "{origin}");
    }
    for site in ["cross-site", "same-site", "none"] {
        assert_eq!(
            post(&[("Origin", &ours), ("Sec-Fetch-Site", site)]),
            403,
            "{site}"
        );
    }
    for host in [
        "evil.example",
        &format!("evil.example:{port}"),
        "127.0.0.1",
        &format!("127.0.0.2:{port}"),
    ] {
        assert_eq!(post(&[("Origin", &ours), ("Host", host)]), 421, "{host}");
        let page = http::request(ui.url(), "GET", "/", &[("Host", host)], b"").unwrap();
        assert_eq!(page.status, 421, "{host}");
    }
    node.stop();
}

#[test]
fn the_page_says_what_it_may_do_and_shows_nothing_of_the_node() {
    let (node, ui) = served();
    for path in ["/", "/app.js", "/page.css", "/icon.svg"] {
        let answer = http::get(ui.url(), path).unwrap();
        assert_eq!(answer.status, 200, "{path}");
        let policy = answer.header("content-security-policy").unwrap_or_default();
        assert!(
            policy.starts_with("default-src 'none'; script-src 'self'"),
            "{policy}"
        );
        assert!(
            !policy.contains("unsafe") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("access-control-allow-origin"), None);
        assert!(!answer.text().contains(&node.home().secret()));
    }
    for path in ["/x", "/../secret", "/api", "/page.css/", "/%2e%2e/", "//"] {
        assert_eq!(http::get(ui.url(), path).unwrap().status, 404, "{path}");
    }
    for path in ["/api/events", "/api/call", "/api/"] {
        assert_eq!(http::get(ui.url(), path).unwrap().status, 401, "{path}");
    }
    node.stop();
}

/// Requests that hurt a bare tiny_http 0.12: the reason, the first line, more headers, and the status of the door.
const ATTACKS: &[(&str, &str, &str, u16)] = &[
    (
        "a length beyond the memory",
        POST,
        "Content-Length: 1000000000000\r\n",
        413,
    ),
    (
        "a length beyond all numbers",
        POST,
        "Content-Length: 18446744073709551615\r\n",
        413,
    ),
    ("a version that it does not know", "GET / HTTP/2.0", "", 400),
    (
        "a length that is none",
        POST,
        "Content-Length: abc\r\n",
        400,
    ),
    (
        "two lengths",
        POST,
        "Content-Length: 1\r\nContent-Length: 2\r\n",
        400,
    ),
    ("chunks", POST, "Transfer-Encoding: chunked\r\n", 400),
    (
        "nearly chunks",
        POST,
        "Transfer-Encoding: xchunked\r\nContent-Length: 1\r\n",
        400,
    ),
    (
        "an expectation",
        POST,
        "Expect: 100-continue\r\nContent-Length: 5\r\n",
        400,
    ),
    ("a line feed", GET, "X: a\nY: b\r\n", 400),
    ("two hosts", GET, "Host: evil.example\r\n", 400),
];

const POST: &str = "POST /api/session HTTP/1.1";

const GET: &str = "GET / HTTP/1.1";

/// Returns the attacks as bytes, and those that are not a line and headers.
fn attacks(host: &str) -> Vec<(&'static str, Vec<u8>, u16)> {
    let head = |line: &str, more: &str| {
        format!("{line}\r\nHost: {host}\r\nOrigin: http://{host}\r\n{more}\r\n").into_bytes()
    };
    let long = format!("GET /{} HTTP/1.1", "a".repeat(1 << 20));
    let two = [head(GET, ""), head(GET, "")].concat();
    let table = ATTACKS.iter();
    let mut all: Vec<_> = table
        .map(|(what, line, more, status)| (*what, head(line, more), *status))
        .collect();
    all.extend([
        ("a long line", head(&long, ""), 413),
        ("many headers", head(GET, &"a: b\r\n".repeat(5000)), 413),
        ("requests that do not wait", two, 400),
        (
            "no HTTP",
            b"\x16\x03\x01\x02\x00\x01\xfc\x03\x03\r\n\r\n".to_vec(),
            400,
        ),
    ]);
    all
}

#[test]
fn what_ends_a_bare_tiny_http_does_not_reach_it() {
    let (node, ui) = served();
    // The threads of a runtime come with the first calls.
    let (cookie, key) = session(&ui);
    for _ in 0..20 {
        call(&ui, &cookie, &key, STATUS);
    }
    let before = Meters::of(ui.pid());
    for round in 0..20 {
        for (what, request, status) in attacks(ui.host()) {
            let answer = http::exchange(ui.url(), &request);
            // A client that sends more than is read may lose the answer with the connection.
            match answer {
                Ok(answer) => assert_eq!(answer.status, status, "{what}"),
                Err(error) => assert!(request.len() > 16 << 10, "{what}: {error}"),
            }
        }
        // Gone before anything is answered.
        let mut stream = http::connect(ui.url()).unwrap();
        stream
            .write_all(format!("GET /page.css HTTP/1.1\r\nHost: {}\r\n\r\n", ui.host()).as_bytes())
            .unwrap();
        drop(stream);
        assert_eq!(
            call(&ui, &cookie, &key, STATUS).status,
            200,
            "round {round}"
        );
    }
    eventually("threads and descriptors are back", || {
        let now = Meters::of(ui.pid());
        now.descriptors <= before.descriptors + 4 && now.threads <= before.threads + 24
    });
    assert!(Meters::of(ui.pid()).peak_kib < 128 << 10);
    node.stop();
}

#[test]
fn silent_connections_are_limited_and_end() {
    let (node, ui) = served();
    let mut silent: Vec<_> = (0..80).map(|_| http::connect(ui.url()).unwrap()).collect();
    let mut half = http::connect(ui.url()).ok();
    if let Some(stream) = &mut half {
        // It may be closed already: there are as many as may be.
        drop(stream.write_all(b"GET / HT"));
    }
    // Those that say nothing are dropped after their five seconds, and the page answers again.
    eventually("the page answers", || {
        http::get(ui.url(), "/").is_ok_and(|answer| answer.status == 200)
    });
    for stream in &mut silent {
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        let mut rest = Vec::new();
        drop(stream.read_to_end(&mut rest));
        assert!(
            rest.is_empty() || rest.starts_with(b"HTTP/1.1 408"),
            "{rest:?}"
        );
    }
    node.stop();
}

#[test]
fn it_ends_with_a_signal_and_leaves_nothing_behind() {
    for signal in ["-INT", "-TERM", "-HUP"] {
        let (node, ui) = served();
        let (cookie, key) = session(&ui);
        let headers = [("Cookie", cookie.as_str()), ("X-Sixhop-Key", key.as_str())];
        let mut events = http::connect(ui.url()).unwrap();
        events
            .write_all(&http::bytes_of(
                ui.url(),
                "GET",
                "/api/events?since=0&started=0",
                &headers,
                b"",
            ))
            .unwrap();
        let begin = ui
            .post(
                "/api/upload/begin",
                &headers,
                br#"{"name":"half.txt","size":10}"#,
            )
            .unwrap();
        assert_eq!(begin.status, 200, "{}", begin.text());
        assert_eq!(node.home().entries().len(), 2);
        assert_eq!(ui.end(signal), Some(0), "{signal}");
        assert_eq!(node.home().entries(), ["a.txt"], "{signal}");
        let left = std::fs::read_dir(node.home().root()).unwrap();
        let left = left.filter(|e| {
            e.as_ref()
                .unwrap()
                .file_name()
                .to_string_lossy()
                .starts_with("sixhop-ui-")
        });
        assert_eq!(left.count(), 0, "{signal}");
        node.stop();
    }
}
