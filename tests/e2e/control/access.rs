//! Tests of access: the secret on every way in, no pages of browsers, no foreign hosts.

use e2e::http::{self, Answer};
use e2e::{Control, NodeProcess};
use serde_json::{Value, json};

use crate::world::noded;

pub(super) const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"node.status","params":{}}"#;
const BATCH: &str = r#"[{"jsonrpc":"2.0","id":1,"method":"node.status","params":{}}]"#;
const NOTIFICATION: &str =
    r#"{"jsonrpc":"2.0","method":"peer.add","params":{"url":"http://127.0.0.1:9/"}}"#;

/// The head of an upgrade to WebSocket.
const UPGRADE: &[(&str, &str)] = &[
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
];

fn upgrade(control: &Control, headers: &[(&str, &str)]) -> Answer {
    let all = [UPGRADE, headers].concat();
    http::request(&control.url, "GET", "/", &all, b"").expect("the control port answers")
}

/// Headers that do not open the port.
fn wrong_headers(control: &Control) -> Vec<Vec<(&'static str, String)>> {
    let right = control.authorization();
    let secret = right
        .strip_prefix("Bearer ")
        .expect("it is a bearer")
        .to_owned();
    let one = |value: String| vec![("Authorization", value)];
    vec![
        vec![],
        one(String::new()),
        one("Bearer".to_owned()),
        one("Bearer ".to_owned()),
        one("Bearer wrong".to_owned()),
        one(format!("Bearer {}", &secret[..secret.len() - 1])),
        one(format!("Bearer {secret}x")),
        one(format!(
            "Bearer {}",
            secret.chars().rev().collect::<String>()
        )),
        one(format!("Basic {secret}")),
        one(secret.clone()),
        one(format!("Bearer Bearer {secret}")),
        vec![
            ("Authorization", right.clone()),
            ("Authorization", "Bearer wrong".to_owned()),
        ],
        vec![("X-Authorization", right)],
        vec![("Cookie", format!("secret={secret}"))],
    ]
}

fn borrowed<'a>(headers: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    headers
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect()
}

fn peers(node: &NodeProcess) -> Value {
    node.control().must("peer.list", json!({}))
}

#[test]
fn nothing_is_answered_without_the_secret() {
    let mut node = noded().start();
    let control = node.control();
    for headers in wrong_headers(&control) {
        let headers = borrowed(&headers);
        for body in [
            CALL,
            BATCH,
            NOTIFICATION,
            "",
            "[]",
            "no JSON",
            r#"{"jsonrpc":"2.0","id":1,"method":"rpc.discover"}"#,
        ] {
            let answer = control
                .post_bare(body, &headers)
                .expect("the control port answers");
            assert_eq!(answer.status, 401, "{body} with {headers:?}");
            assert!(!answer.text().contains("result"), "{body} with {headers:?}");
        }
        assert_eq!(
            upgrade(&control, &headers).status,
            401,
            "an upgrade with {headers:?}"
        );
        let get = http::request(&control.url, "GET", "/", &headers, b"").unwrap();
        assert_eq!(get.status, 401, "GET with {headers:?}");
    }
    assert_eq!(peers(&node), json!([]), "a notification was run");
    node.assert_healthy();
    node.stop();
}

#[test]
fn everything_is_answered_with_the_secret() {
    let node = noded().start();
    let control = node.control();
    assert_eq!(control.post(CALL, &[]).unwrap().status, 200);
    let batch = control.post(BATCH, &[]).unwrap();
    let answers: Value = serde_json::from_slice(&batch.body).unwrap();
    assert!(answers[0]["result"]["url"] == json!(node.url), "{answers}");
    let said = control.post(NOTIFICATION, &[]).unwrap();
    assert!((200..300).contains(&said.status), "{}", said.status);
    assert!(
        !said.text().contains("jsonrpc"),
        "a notification is not answered"
    );
    let authorization = control.authorization();
    assert_eq!(
        upgrade(&control, &[("Authorization", &authorization)]).status,
        101
    );
    node.stop();
}

#[test]
fn pages_of_browsers_are_refused() {
    let node = noded().start();
    let control = node.control();
    let authorization = control.authorization();
    let own = control.url.trim_end_matches('/').to_owned();
    for origin in [
        "http://evil.example",
        "null",
        "http://localhost",
        "http://127.0.0.1",
        &own,
        "file://",
        "",
    ] {
        let answer = control.post(CALL, &[("Origin", origin)]).unwrap();
        assert_eq!(answer.status, 403, "{origin:?}");
        assert!(answer.header("access-control-allow-origin").is_none());
        let upgraded = upgrade(
            &control,
            &[("Authorization", &authorization), ("Origin", origin)],
        );
        assert_eq!(upgraded.status, 403, "an upgrade from {origin:?}");
    }
    let preflight = [
        ("Origin", "http://evil.example"),
        ("Access-Control-Request-Method", "POST"),
    ];
    let answer = http::request(&control.url, "OPTIONS", "/", &preflight, b"").unwrap();
    assert!((400..500).contains(&answer.status), "{}", answer.status);
    assert!(answer.header("access-control-allow-origin").is_none());
    node.stop();
}

#[test]
fn foreign_hosts_are_refused() {
    let node = noded().start();
    let control = node.control();
    let authorization = control.authorization();
    let port = http::address(&control.url).port();
    for host in [
        "evil.example",
        "127.0.0.1.evil.example",
        "0.0.0.0",
        "localhost.evil.example",
        "[::2]",
    ] {
        for host in [host.to_owned(), format!("{host}:{port}")] {
            let answer = control.post(CALL, &[("Host", &host)]).unwrap();
            assert!(
                [400, 403, 421].contains(&answer.status),
                "{host}: {}",
                answer.status
            );
            let upgraded = upgrade(
                &control,
                &[("Authorization", &authorization), ("Host", &host)],
            );
            assert!(
                [400, 403, 421].contains(&upgraded.status),
                "an upgrade at {host}"
            );
        }
    }
    for host in ["localhost", "127.0.0.1"] {
        let answer = control
            .post(CALL, &[("Host", &format!("{host}:{port}"))])
            .unwrap();
        assert_eq!(answer.status, 200, "{host}");
    }
    node.stop();
}

#[test]
fn a_form_of_a_page_is_no_call() {
    let node = noded().start();
    let control = node.control();
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
    ] {
        let authorization = control.authorization();
        let headers = [
            ("Content-Type", kind),
            ("Authorization", authorization.as_str()),
        ];
        let answer = http::request(&control.url, "POST", "/", &headers, CALL.as_bytes()).unwrap();
        assert!(
            (400..500).contains(&answer.status),
            "{kind}: {}",
            answer.status
        );
    }
    node.stop();
}

#[test]
fn the_control_port_stays_on_the_loopback() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        let refusal = noded().control(address).refused();
        assert_ne!(refusal.code, Some(0), "{address}");
        assert!(
            refusal.stderr.contains("loopback"),
            "{address}: {}",
            refusal.stderr
        );
    }
}

/// Half a request must not hold a place for ever, or owners are locked out.
#[test]
fn half_requests_do_not_lock_the_owner_out() {
    let mut node = noded().start();
    let control = node.control();
    let host = http::address(&control.url);
    let half = format!(
        "POST / HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{{"
    );
    let held: Vec<_> = (0..60)
        .filter_map(|_| http::connect(&control.url).ok())
        .map(|mut stream| {
            // Those above the limit are closed already.
            drop(std::io::Write::write_all(&mut stream, half.as_bytes()));
            stream
        })
        .collect();
    e2e::wait_until(
        "the owner is served",
        std::time::Duration::from_secs(20),
        || {
            let answer = control.post(CALL, &[])?;
            (answer.status == 200)
                .then_some(())
                .ok_or_else(|| format!("status {}", answer.status))
        },
    );
    drop(held);
    node.assert_healthy();
    node.stop();
}
