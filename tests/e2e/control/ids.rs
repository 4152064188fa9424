//! Ids of calls: each call that has one is answered with it, over HTTP and over a WebSocket.

use e2e::{NodeProcess, http, python};
use serde_json::{Value, json};

use crate::world::noded;

/// Ids of calls that are made.
const MADE: &[&str] = &[
    "0",
    "7",
    "-1",
    "1.5",
    "-0.0",
    "1e3",
    "18446744073709551615",
    "18446744073709551616",
    "123456789012345678901234567890",
    "\"\"",
    "\"-1\"",
    "\"\\u00e9 \\\" name\"",
    "null",
];

/// Values that cannot be an id.
const REFUSED: &[&str] = &["true", "false", "[]", "[1,\"a\"]", "{}", "{\"id\":1}"];

fn call(id: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"peer.list","params":{{}}}}"#)
}

/// Checks the answer to a call with an id.
fn check(id: &str, answer: &str, is_made: bool) {
    let value: Value =
        serde_json::from_str(answer).unwrap_or_else(|e| panic!("{id}: {e}: {answer}"));
    let written = if id.contains("\\u") {
        "\"id\":".to_owned()
    } else {
        format!("\"id\":{id}")
    };
    assert!(answer.contains(&written), "{id}: {answer}");
    if is_made {
        assert_eq!(value["result"], json!([]), "{id}: {answer}");
    } else {
        assert_eq!(value["error"]["code"], -32600, "{id}: {answer}");
    }
    if id.contains("\\u") {
        assert_eq!(value["id"], "é \" name");
    }
}

/// Checks the answer to a batch of all calls and a notification.
fn check_batch(answer: &str) {
    let parts: Vec<&serde_json::value::RawValue> =
        serde_json::from_str(answer).unwrap_or_else(|e| panic!("{e}: {answer}"));
    assert_eq!(parts.len(), MADE.len() + REFUSED.len(), "{answer}");
    for (at, id) in MADE.iter().chain(REFUSED).enumerate() {
        check(id, parts[at].get(), at < MADE.len());
    }
}

fn batch() -> String {
    let calls: Vec<String> = MADE.iter().chain(REFUSED).map(|id| call(id)).collect();
    let notification = r#"{"jsonrpc":"2.0","method":"peer.list","params":{}}"#;
    format!("[{},{notification}]", calls.join(","))
}

#[test]
fn every_call_over_http_is_answered_with_its_id() {
    let node = noded().start();
    let ask = |body: &str| {
        let answer = node
            .control()
            .post(body, &[])
            .expect("the control port answers");
        assert_eq!(answer.status, 200, "{body}");
        answer.text()
    };
    for (ids, is_made) in [(MADE, true), (REFUSED, false)] {
        for id in ids {
            check(id, &ask(&call(id)), is_made);
        }
    }
    check_batch(&ask(&batch()));
    // What is refused does nothing.
    ask(r#"{"jsonrpc":"2.0","id":[],"method":"node.stop","params":{}}"#);
    check("-1", &ask(&call("-1")), true);
    node.stop();
}

/// Sends messages over one WebSocket and gives the answers.
fn over_web_socket(node: &NodeProcess, messages: &[String]) -> Vec<String> {
    let secret = node.home().state().join("secret");
    let control = http::address(&node.control().url).to_string();
    let script = include_str!("../../clients/web_socket_calls.py");
    let input: String = messages
        .iter()
        .map(|message| format!("{message}\n"))
        .collect();
    let file = node.home().root().join("messages");
    std::fs::write(&file, input).unwrap();
    let paths = [secret, file].map(|path| path.to_string_lossy().into_owned());
    let said = python(script, &[&control, &paths[0], &paths[1]]);
    said.lines().map(str::to_owned).collect()
}

#[test]
fn every_call_over_a_web_socket_is_answered_with_its_id() {
    let node = noded().start();
    let all = MADE.iter().chain(REFUSED);
    let mut messages: Vec<String> = all.clone().map(|id| call(id)).collect();
    // In two frames, with a control frame in between.
    messages.extend(all.clone().map(|id| format!("+{}", call(id))));
    messages.push(batch());
    messages.push(r#"{"jsonrpc":"2.0","id":-7.5,"method":"no.such"}"#.to_owned());
    let answers = over_web_socket(&node, &messages);
    assert_eq!(answers.len(), messages.len());
    for (at, id) in all.clone().chain(all.clone()).enumerate() {
        let is_made = at % (MADE.len() + REFUSED.len()) < MADE.len();
        check(id, &answers[at], is_made);
    }
    check_batch(&answers[messages.len() - 2]);
    let unknown: Value = serde_json::from_str(&answers[messages.len() - 1]).unwrap();
    assert_eq!(
        (&unknown["id"], &unknown["error"]["code"]),
        (&json!(-7.5), &json!(-32601))
    );
    node.stop();
}
