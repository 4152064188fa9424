//! Tests of messages: methods, their document, their errors, events.

use e2e::{http, python};
use serde_json::{Value, json};

use super::access::CALL;
use crate::world::noded;

#[test]
fn the_document_describes_every_method_and_calls_work_by_name() {
    let node = noded().start();
    let document = node.control().must("rpc.discover", json!({}));
    assert!(
        document["openrpc"]
            .as_str()
            .is_some_and(|v| v.starts_with("1.")),
        "{document}"
    );
    let methods = document["methods"].as_array().expect("methods");
    let names: Vec<&str> = methods.iter().filter_map(|m| m["name"].as_str()).collect();
    for name in &names {
        let (space, method) = name
            .split_once('.')
            .unwrap_or_else(|| panic!("{name} has no namespace"));
        let known = [
            "node", "share", "peer", "search", "fetch", "cache", "plugin", "events", "rpc",
            "ticket", "token", "watch",
        ];
        assert!(known.contains(&space), "{name}");
        let snake = method.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        assert!(snake, "{name} is not in snake case");
    }
    for name in [
        "node.status",
        "peer.list",
        "peer.add",
        "peer.remove",
        "share.list",
        "fetch.start",
        "search.query",
        "events.since",
    ] {
        assert!(names.contains(&name), "{name} is missing in {names:?}");
    }
    for method in methods {
        let text = [&method["summary"], &method["description"]]
            .iter()
            .any(|t| t.as_str().is_some_and(|t| t.len() > 5));
        assert!(text, "{} says nothing", method["name"]);
    }
    node.stop();
}

/// The fault, the body, and the code of the error.
const BAD_JSON: &[(&str, &str, i64)] = &[
    ("no JSON", "hello", -32700),
    ("cut", "{\"jsonrpc\":\"2.0\",\"id\":1,", -32700),
    (
        "a trailing comma",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"node.status\",}",
        -32700,
    ),
    ("single quotes", "{'jsonrpc':'2.0'}", -32700),
    (
        "an unknown method",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"node.explode\",\"params\":{}}",
        -32601,
    ),
    (
        "another case",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"Node.Status\",\"params\":{}}",
        -32601,
    ),
    (
        "a missing parameter",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"peer.add\",\"params\":{}}",
        -32602,
    ),
    (
        "a wrong type",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"peer.add\",\"params\":{\"url\":7}}",
        -32602,
    ),
    (
        "a list for an object",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"peer.add\",\"params\":[[1]]}",
        -32602,
    ),
    (
        "a negative id of events",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"events.since\",\"params\":{\"id\":-1}}",
        -32602,
    ),
];

/// The fault, and a body that must not be answered with a result.
const STRANGE_JSON: &[(&str, &str)] = &[
    ("nothing", ""),
    ("null", "null"),
    ("a number", "7"),
    ("a text", "\"node.status\""),
    ("an empty object", "{}"),
    ("an empty batch", "[]"),
    ("a batch of numbers", "[1,2,3]"),
    (
        "version 1",
        "{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"node.status\"}",
    ),
    ("no version", "{\"id\":1,\"method\":\"node.status\"}"),
    (
        "a number as method",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":7}",
    ),
    (
        "an object as id",
        "{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"node.status\"}",
    ),
    (
        "a text as parameters",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"peer.remove\",\"params\":\"x\"}",
    ),
    (
        "NUL",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"node.status\0\"}",
    ),
    (
        "a lone surrogate",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"peer.add\",\"params\":{\"url\":\"\\ud800\"}}",
    ),
    (
        "NaN",
        "{\"jsonrpc\":\"2.0\",\"id\":NaN,\"method\":\"node.status\"}",
    ),
    (
        "comments",
        "{\"jsonrpc\":\"2.0\",/*x*/\"id\":1,\"method\":\"node.status\"}",
    ),
];

#[test]
fn bad_json_is_answered_with_its_error() {
    let mut node = noded().start();
    let control = node.control();
    for (why, body, code) in BAD_JSON {
        let answer = control.post(body, &[]).unwrap();
        let value: Value = serde_json::from_slice(&answer.body)
            .unwrap_or_else(|e| panic!("{why}: {e}: {}", answer.text()));
        assert_eq!(value["error"]["code"], json!(code), "{why}: {value}");
    }
    let deep = "[".repeat(100_000);
    let large = format!("\"{}\"", "x".repeat(12 << 20));
    let strange = STRANGE_JSON
        .iter()
        .copied()
        .chain([("deep", deep.as_str()), ("large", large.as_str())]);
    for (why, body) in strange {
        // Too much may be cut before it is answered.
        if let Ok(answer) = control.post(body, &[]) {
            assert!(
                !answer.text().contains("\"result\""),
                "{why}: {}",
                answer.text()
            );
        }
    }
    assert_eq!(control.post(CALL, &[]).unwrap().status, 200);
    node.assert_healthy();
    node.stop();
}

#[test]
fn a_large_batch_is_refused_or_bounded() {
    let mut node = noded().start();
    let control = node.control();
    let batch = format!("[{}]", vec![CALL; 5000].join(","));
    if let Ok(answer) = control.post(&batch, &[]) {
        assert!(
            answer.text().matches("\"result\"").count() < 5000,
            "all 5000 were run"
        );
    }
    node.assert_healthy();
    node.stop();
}

#[test]
fn errors_name_what_a_caller_may_act_on() {
    let node = noded().file("here.txt", "here").start();
    let control = node.control();
    for (method, params, code) in [
        ("share.stat", json!({"name": "missing.txt"}), 1003),
        ("share.stat", json!({"name": "../outside.txt"}), 1002),
        ("fetch.start", json!({"name": "here.txt"}), 1013),
        ("fetch.start", json!({"name": "../outside.txt"}), 1002),
        ("peer.add", json!({"url": "no url"}), 1002),
        ("search.query", json!({"query": "nohandler:x"}), 1002),
        ("fetch.wait", json!({"id": 99_999}), 1003),
    ] {
        let error = control.call(method, params.clone()).expect_err(method);
        assert_eq!(error.code, code, "{method} {params}: {}", error.message);
        assert!(error.message.len() > 8, "{method}: {}", error.message);
    }
    node.stop();
}

#[test]
fn events_are_numbered_without_gaps_and_can_be_replayed() {
    let (far, node) = (noded().file("far.txt", "far").start(), noded().start());
    let control = node.control();
    control.must("peer.add", json!({"url": far.url}));
    let fetch = control.must("fetch.start", json!({"name": "far.txt"}));
    control.must("fetch.wait", json!({"id": fetch["id"], "seconds": 20}));
    let page = control.must("events.since", json!({"id": 0}));
    let events = page["events"].as_array().expect("events").clone();
    let ids: Vec<u64> = events.iter().filter_map(|e| e["id"].as_u64()).collect();
    assert_eq!(ids, (1..=ids.len() as u64).collect::<Vec<_>>(), "{page}");
    for event in &events {
        assert!(
            event["type"].as_str().is_some_and(|t| t.contains('.')),
            "{event}"
        );
        assert!(
            event["time"]
                .as_u64()
                .is_some_and(|t| t > 1_600_000_000_000),
            "{event}"
        );
    }
    let types: Vec<&str> = events.iter().filter_map(|e| e["type"].as_str()).collect();
    assert!(types.contains(&"fetch.done"), "{types:?}");
    let middle = ids[ids.len() / 2];
    let rest = control.must("events.since", json!({"id": middle}));
    assert_eq!(rest["events"][0]["id"], json!(middle + 1), "{rest}");
    let after = control.must("events.since", json!({"id": u64::from(u32::MAX)}));
    assert_eq!(after["events"], json!([]));
    node.stop();
    far.stop();
}

#[test]
fn listings_and_searches_show_the_share() {
    let node = noded()
        .file("a.txt", "a")
        .file("b/c.txt", "cc")
        .file("b/d.bin", "ddd")
        .start();
    let control = node.control();
    let listing = control.must("share.list", json!({}));
    let names: Vec<&str> = listing["files"]
        .as_array()
        .expect("files")
        .iter()
        .filter_map(|f| f["name"].as_str())
        .collect();
    assert_eq!(names, ["a.txt", "b/c.txt", "b/d.bin"]);
    assert_eq!(listing["files"][2]["size"], json!(3));
    for (query, expected) in [
        ("a.txt", vec!["a.txt"]),
        ("name:a.txt", vec!["a.txt"]),
        ("name:*.txt", vec!["a.txt"]),
        ("name:**/*.txt", vec!["a.txt", "b/c.txt"]),
        ("name:nothing", vec![]),
    ] {
        let answer = control.must("search.query", json!({"query": query, "limit": 10}));
        let mut hits: Vec<&str> = answer["hits"]
            .as_array()
            .expect("hits")
            .iter()
            .filter_map(|h| h["name"].as_str())
            .collect();
        hits.sort_unstable();
        if query != "name:*.txt" {
            assert_eq!(hits, expected, "{query}: {answer}");
        }
        assert!(
            hits.contains(&"a.txt") || expected.is_empty(),
            "{query}: {answer}"
        );
    }
    let one = control.must("search.query", json!({"query": "name:**", "limit": 1}));
    assert_eq!(one["hits"].as_array().map(Vec::len), Some(1), "{one}");
    node.stop();
}

#[test]
fn a_subscription_over_websocket_gets_events() {
    let node = noded().start();
    let secret = node.home().state().join("secret");
    let control = http::address(&node.control().url).to_string();
    let script = include_str!("../../clients/follow_events.py");
    let said = python(script, &[&control, &secret.to_string_lossy(), &node.url]);
    assert!(said.contains("\"type\""), "{said}");
    node.stop();
}
