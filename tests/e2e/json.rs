//! Tests of `--json`: what each command prints has the shape that docs/json.schema.json says.

use std::fs;

use e2e::{NodeProcess, Schema, introduce, wait_until};
use serde_json::{Value, json};

use crate::world::{ctl, noded, repository};

fn schema() -> Value {
    let text = fs::read_to_string(repository().join("docs/json.schema.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Two nodes that know each other, and their files' digests.
fn two_nodes() -> (NodeProcess, NodeProcess) {
    let peer = noded()
        .file("letters/to-ann.txt", "dear Ann\nthe annual report\n")
        .file("d/one.bin", "1")
        .file("d/two.bin", "2")
        .start();
    let node = noded()
        .args(["--web", "127.0.0.1:0"])
        .file("today.txt", "annual\nmilk\n")
        .start();
    introduce(&node.url, &peer.url);
    node.control().must("peer.add", json!({ "url": peer.url }));
    wait_until("all is known", std::time::Duration::from_secs(30), || {
        let listed = node.control().must("share.list", json!({}));
        listed["files"][0]["digest"]
            .is_string()
            .then_some(())
            .ok_or_else(|| listed.to_string())
    });
    (node, peer)
}

/// Runs `ctl` and checks its lines against a definition.
fn check(node: &NodeProcess, args: &[&str], code: i32, definition: &str) {
    let root = schema();
    let schema = Schema::new(&root);
    let run = ctl(node.home()).args(["--json"]).args(args).run();
    let run = run.expect_code(code);
    let lines = run.json_lines();
    assert!(!lines.is_empty() || code != 0, "{args:?} says nothing");
    for line in &lines {
        let checked = schema.check(definition, line);
        assert_eq!(checked, Ok(()), "{args:?}: {line}");
    }
    if ["search", "grep", "cat", "fetch"].contains(&definition) {
        let types: Vec<_> = lines.iter().map(|line| &line["type"]).collect();
        assert_eq!(types.last(), Some(&&json!("end")), "{args:?}: {types:?}");
        let has_trace = lines.iter().any(|line| line.get("trace").is_some());
        assert_eq!(has_trace, args.contains(&"--trace"), "{args:?}");
    }
    if code != 0 {
        let said: Value = serde_json::from_str(run.stderr.trim()).unwrap();
        assert_eq!(schema.check("error", &said), Ok(()), "{args:?}");
        assert_eq!(said["error"]["exit"], code);
    }
}

#[test]
fn streams_are_lines_of_the_documented_shape() {
    let (node, peer) = two_nodes();
    let to = node.home().root().join("out");
    fs::create_dir(&to).unwrap();
    let to = to.display().to_string();
    let runs: [(&[&str], i32, &str); 12] = [
        (&["search", "annual"], 0, "search"),
        (&["search", "*.txt", "--trace"], 0, "search"),
        (&["search", "no such thing"], 3, "search"),
        (&["grep", "annual"], 0, "grep"),
        (&["grep", "annual", "--trace", "-C", "1"], 0, "grep"),
        (&["cat", "today.txt:2"], 0, "cat"),
        (&["fetch", "letters/to-ann.txt"], 0, "fetch"),
        (&["fetch", "d/"], 0, "fetch"),
        (&["fetch", "no-such.txt"], 3, "fetch"),
        (&["fetch", "today.txt", "--to", &to], 0, "fetch"),
        (&["watch", "annual", "--count", "1"], 0, "watch"),
        (&["events", "--since", "0", "--limit", "5"], 0, "events"),
    ];
    for (args, code, definition) in runs {
        check(&node, args, code, definition);
    }
    peer.stop();
    node.stop();
}

#[test]
fn objects_have_the_documented_shape() {
    let (node, peer) = two_nodes();
    let id = "1".repeat(64);
    let runs: [(&[&str], &str); 30] = [
        (&["status"], "status"),
        (&["doctor"], "doctor"),
        (&["peers"], "peers"),
        (&["ls"], "ls"),
        (&["ls", &peer.url], "ls"),
        (&["ls", "--skipped"], "skipped"),
        (&["rescan"], "rescan"),
        (&["invite"], "invite"),
        (&["hello", &peer.url], "hello"),
        (&["transfers"], "transfers"),
        (&["group", "add", "friends", &id], "group-add"),
        (&["group", "ls"], "group"),
        (&["group", "rm", "friends"], "removed"),
        (&["token", "add", "a", "--may", "read"], "token-add"),
        (&["token", "ls"], "token"),
        (&["share", "add", "today.txt"], "share-add"),
        (&["ask", "--max", "1M"], "share-add"),
        (&["share", "ls"], "share"),
        (&["token", "rm", "a"], "removed"),
        (&["watch", "*.txt", "--count", "1"], "watch"),
        (&["watch", "--list"], "watch-list"),
        (&["watch", "--remove", "1"], "removed"),
        (&["cache", "ls"], "cache"),
        (&["cache", "clear"], "cache-clear"),
        (&["plugin", "ls"], "plugin"),
        (&["log-level"], "log-level"),
        (&["peers", "rm", &peer.url], "removed"),
        (&["status"], "status"),
        (&["renew-secret"], "renew-secret"),
        (&["stop"], "stop"),
    ];
    for (args, definition) in runs {
        check(&node, args, 0, definition);
    }
    peer.stop();
}

/// With `E2E_BLESS` the file is written as it should be.
#[test]
fn definitions_are_those_of_the_control_connection() {
    let node = noded().start();
    let document = node.control().must("rpc.discover", json!({}));
    let types = document["components"]["schemas"].to_string();
    let types = types.replace("#/components/schemas/", "#/definitions/");
    let types: Value = serde_json::from_str(&types).unwrap();
    let (ours, mut expected) = (schema(), schema());
    let definitions = expected["definitions"].as_object_mut().unwrap();
    // Those of commands have small letters.
    let is_type = |name: &str| name.starts_with(|first: char| first.is_ascii_uppercase());
    for (name, definition) in definitions.iter_mut().filter(|(name, _)| is_type(name)) {
        definition.clone_from(&types[name]);
    }
    if std::env::var_os("E2E_BLESS").is_some() {
        let text = serde_json::to_string_pretty(&expected).unwrap();
        fs::write(repository().join("docs/json.schema.json"), text + "\n").unwrap();
    }
    for (name, definition) in expected["definitions"].as_object().unwrap() {
        let same = ours["definitions"][name] == *definition;
        assert!(
            same,
            "docs/json.schema.json differs in {name}; run this with E2E_BLESS=1"
        );
    }
    node.stop();
}
