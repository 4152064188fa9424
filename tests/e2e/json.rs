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
    let node = noded().file("today.txt", "annual\nmilk\n").start();
    introduce(&node.url, &peer.url);
    node.control().must("peer.add", json!({ "url": peer.url }));
    wait_until("all is known", std::time::Duration::from_secs(20), || {
        let listed = node.control().must("share.list", json!({}));
        listed["files"][0]["digest"].is_string().then_some(()).ok_or_else(|| listed.to_string())
    });
    (node, peer)
}

#[test]
fn what_each_command_prints_has_the_documented_shape() {
    let (node, peer) = two_nodes();
    let root = schema();
    let schema = Schema::new(&root);
    let to = node.home().root().join("out");
    fs::create_dir(&to).unwrap();
    let to = to.display().to_string();
    // The arguments, the exit code, and the definition of each line.
    let runs: &[(&[&str], i32, &str)] = &[
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
        (&["events", "--since", "0", "--limit", "5"], 0, "events"),
        (&["status"], 0, "status"),
        (&["doctor"], 0, "doctor"),
        (&["peers"], 0, "peers"),
        (&["ls"], 0, "ls"),
        (&["ls", &peer.url], 0, "ls"),
        (&["ls", "--skipped"], 0, "skipped"),
        (&["rescan"], 0, "rescan"),
        (&["invite"], 0, "invite"),
        (&["hello", &peer.url], 0, "hello"),
        (&["transfers"], 0, "transfers"),
        (&["group", "add", "friends", &"1".repeat(64)], 0, "group-add"),
        (&["group", "ls"], 0, "group"),
        (&["group", "rm", "friends"], 0, "removed"),
        (&["token", "add", "a", "--may", "read"], 0, "token-add"),
        (&["token", "ls"], 0, "token"),
        (&["token", "rm", "a"], 0, "removed"),
        (&["cache", "ls"], 0, "cache"),
        (&["cache", "clear"], 0, "cache-clear"),
        (&["plugin", "ls"], 0, "plugin"),
        (&["log-level"], 0, "log-level"),
        (&["peers", "rm", &peer.url], 0, "removed"),
        (&["renew-secret"], 0, "renew-secret"),
        (&["stop"], 0, "stop"),
    ];
    for (args, code, definition) in runs {
        let run = ctl(node.home()).args(["--json"]).args(*args).run().expect_code(*code);
        let lines = run.json_lines();
        assert!(!lines.is_empty() || *code != 0, "{args:?} says nothing");
        for line in &lines {
            let checked = schema.check(definition, line);
            assert_eq!(checked, Ok(()), "{args:?}: {line}");
        }
        if ["search", "grep", "cat", "fetch"].contains(definition) {
            let types: Vec<_> = lines.iter().map(|line| &line["type"]).collect();
            assert_eq!(types.last(), Some(&&json!("end")), "{args:?}: {types:?}");
            let has_trace = lines.iter().any(|line| line.get("trace").is_some());
            assert_eq!(has_trace, args.contains(&"--trace"), "{args:?}");
        }
        if *code != 0 {
            let said: Value = serde_json::from_str(run.stderr.trim()).unwrap();
            assert_eq!(schema.check("error", &said), Ok(()), "{args:?}");
            assert_eq!(said["error"]["exit"], *code);
        }
    }
    peer.stop();
}

#[test]
fn definitions_are_those_of_the_control_connection() {
    let node = noded().start();
    let document = node.control().must("rpc.discover", json!({}));
    let root = schema();
    for (name, ours) in root["definitions"].as_object().unwrap() {
        // Those of commands have small letters.
        if !name.starts_with(|first: char| first.is_ascii_uppercase()) {
            continue;
        }
        let theirs = &document["components"]["schemas"][name];
        let theirs = theirs.to_string().replace("#/components/schemas/", "#/definitions/");
        let theirs: Value = serde_json::from_str(&theirs).unwrap();
        assert_eq!(ours, &theirs, "docs/json.schema.json differs in {name}");
    }
    node.stop();
}
