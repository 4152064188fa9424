//! Tests of `ctl grep` and `text:`: contents of files, here and at peers.

use std::{sync::Arc, time::Duration};

use e2e::{Home, NodeProcess, wait_until};
use serde_json::{Value, json};

use crate::world::{ctl, noded};

/// Longest wait for an index of a few files.
const PATIENCE: Duration = Duration::from_secs(30);

fn index(node: &NodeProcess) -> Value {
    node.control().must("node.status", json!({}))["index"].clone()
}

/// Waits until the index has all files as they are.
fn indexed(node: &NodeProcess) -> Value {
    wait_until("the index is complete", PATIENCE, || {
        let index = index(node);
        let complete = index["complete"] == json!(true);
        complete
            .then(|| index.clone())
            .ok_or_else(|| index.to_string())
    })
}

/// Returns file and line of each hit.
fn places(node: &NodeProcess, query: &str) -> Vec<(String, u64)> {
    let answer = node
        .control()
        .must("search.query", json!({ "query": query, "limit": 1000 }));
    let hits = answer["hits"].as_array().expect("a list of hits");
    let place = |hit: &Value| {
        let name = hit["name"].as_str().expect("a name").to_owned();
        (name, hit["excerpt"]["line"].as_u64().expect("a line"))
    };
    hits.iter().map(place).collect()
}

/// Waits until a query finds these places: changes are noticed soon, not at once.
fn come_to_find(node: &NodeProcess, query: &str, expected: &[(&str, u64)]) {
    let expected = at(expected);
    wait_until(query, PATIENCE, || {
        let found = places(node, query);
        (found == expected)
            .then_some(())
            .ok_or_else(|| format!("{found:?}"))
    });
}

fn at(places: &[(&str, u64)]) -> Vec<(String, u64)> {
    let owned = places
        .iter()
        .map(|(name, line)| ((*name).to_owned(), *line));
    owned.collect()
}

fn utf16(text: &str) -> Vec<u8> {
    let units = text.encode_utf16().flat_map(u16::to_le_bytes);
    [0xff, 0xfe].into_iter().chain(units).collect()
}

/// Returns the output of `ctl grep`, with names for the peers.
fn shown(home: &Home, nodes: &[&NodeProcess], args: &[&str]) -> Vec<String> {
    let run = ctl(home).args(["grep"]).args(args).run().expect_code(0);
    let named = nodes
        .iter()
        .enumerate()
        .fold(run.stdout, |text, (n, node)| {
            let peer = node.url.trim_start_matches("http://").trim_end_matches('/');
            text.replace(peer, &format!("N{n}"))
        });
    let mut lines: Vec<_> = named.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

#[test]
fn lines_are_found_here_and_at_a_peer() {
    let far = noded()
        .file("src/far.rs", "fn main() {\n\tfar();\n}\n")
        .start();
    let near = noded()
        .args(["--peer", &far.url])
        .file("near.rs", "// near\nfn near() {}\n")
        .file("near.txt", "fn is no text\n")
        .start();
    let nodes = [&near, &far];
    assert_eq!(
        shown(near.home(), &nodes, &[r"^fn \w+\("]),
        [
            "N0:near.rs:2:1:fn near() {}",
            "N1:src/far.rs:1:1:fn main() {"
        ]
    );
    assert_eq!(
        shown(near.home(), &nodes, &["-C", "1", "FAR", "-i", "ext:rs"]),
        [
            "N1:src/far.rs-1-fn main() {",
            "N1:src/far.rs-3-}",
            "N1:src/far.rs:2:2:\tfar();"
        ]
    );
    assert_eq!(
        shown(near.home(), &nodes, &["-F", "near()"]),
        ["N0:near.rs:2:4:fn near() {}"]
    );
}

#[test]
fn json_has_marks_and_how_complete_the_answer_is() {
    let node = noded().file("a.txt", "one two one\n").start();
    let run = ctl(node.home())
        .args(["--json", "grep", "one"])
        .run()
        .expect_code(0);
    let lines: Vec<Value> = run
        .stdout
        .lines()
        .map(|line| line.parse().unwrap())
        .collect();
    assert_eq!(lines[0]["excerpt"]["marks"], json!([[0, 3], [8, 11]]));
    assert_eq!(lines[0]["excerpt"]["column"], 1);
    assert_eq!(lines[1]["end"], "complete");
}

#[test]
fn a_pattern_that_is_none_says_where_it_is_wrong() {
    let node = noded().start();
    let run = ctl(node.home()).args(["grep", "a(b"]).run().expect_code(2);
    assert!(run.stderr.contains("at character 2"), "{}", run.stderr);
    let bomb = r"((\pL{100}){100}){100}";
    let run = ctl(node.home()).args(["grep", bomb]).run().expect_code(2);
    assert!(run.stderr.contains("size"), "{}", run.stderr);
}

#[test]
fn words_and_phrases_come_ranked_with_their_best_line() {
    let node = noded()
        .file("fox.md", "# Foxes\n\nA fox is a fox.\n")
        .file(
            "phrase.txt",
            "The quick\nbrown fox, they say, and much more than that.\n",
        )
        .start();
    indexed(&node);
    assert_eq!(
        places(&node, "text:fox"),
        at(&[("fox.md", 3), ("phrase.txt", 2)])
    );
    assert_eq!(
        places(&node, "text:\"quick brown\""),
        at(&[("phrase.txt", 1)])
    );
    assert_eq!(places(&node, "text:fox ext:txt"), at(&[("phrase.txt", 2)]));
    assert_eq!(places(&node, "text:fox -brown"), at(&[("fox.md", 3)]));
    let asker = noded().args(["--peer", &node.url]).start();
    assert_eq!(
        places(&asker, "text:\"brown fox\""),
        at(&[("phrase.txt", 2)])
    );
}

#[test]
fn files_that_change_and_vanish_are_found_as_they_are() {
    let node = noded()
        .file("a.txt", "old\n")
        .file("b.txt", "old\n")
        .start();
    assert_eq!(places(&node, "grep:old"), at(&[("a.txt", 1), ("b.txt", 1)]));
    indexed(&node);
    node.home().put("a.txt", "\nnew\n");
    std::fs::remove_file(node.home().share().join("b.txt")).unwrap();
    node.home().put("c.txt", "also new\n");
    assert_eq!(places(&node, "grep:old"), at(&[]));
    come_to_find(&node, "grep:new", &[("a.txt", 2), ("c.txt", 1)]);
    come_to_find(&node, "text:also", &[("c.txt", 1)]);
}

#[test]
fn bytes_that_are_no_plain_text_are_taken_as_ripgrep_takes_them() {
    let node = noded()
        .file("binary", b"needle\n\0\nneedle\n")
        .file("latin", b"caf\xe9 needle\n")
        .file("utf16", utf16("hay\nneedle\n"))
        .file("long", [b"x".repeat(200_000), b"needle".to_vec()].concat())
        .start();
    let expected = at(&[("latin", 1), ("long", 1), ("utf16", 2)]);
    assert_eq!(places(&node, "grep:needle"), expected);
    indexed(&node);
    assert_eq!(places(&node, "grep:needle"), expected);
    let mut words = places(&node, "text:needle");
    words.sort();
    assert_eq!(words, at(&[("latin", 1), ("utf16", 2)]));
}

#[test]
fn the_index_survives_a_restart_and_is_rebuilt_after_damage() {
    let node = noded()
        .file("a.txt", "one\n")
        .file("b.txt", "two\n")
        .start();
    assert_eq!(indexed(&node)["read"], 2);
    let home = Arc::clone(node.home());
    let node = node.stop_for_restart().start();
    let index = indexed(&node);
    assert_eq!((&index["read"], &index["files"]), (&json!(0), &json!(2)));
    let stopped = node.stop_for_restart();
    for entry in std::fs::read_dir(home.state().join("index")).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&path, bytes).unwrap();
    }
    let node = stopped.start();
    assert_eq!(
        places(&node, "grep:one|two"),
        at(&[("a.txt", 1), ("b.txt", 1)])
    );
    let index = indexed(&node);
    assert_eq!((&index["read"], &index["files"]), (&json!(2), &json!(2)));
    assert!(index["error"].is_string(), "{index}");
}

#[test]
fn a_node_killed_while_indexing_goes_on_with_right_answers() {
    let mut options = noded();
    for n in 0..400 {
        options = options.file(&format!("{n:03}.txt"), format!("file {n}\n").repeat(50));
    }
    for _ in 0..3 {
        let node = options.start();
        assert_eq!(places(&node, "grep:^file 399$").len(), 50);
        options = node.kill();
    }
    let node = options.start();
    let index = indexed(&node);
    assert_eq!(index["files"], 400, "{index}");
    assert_eq!(index["error"], Value::Null);
    assert_eq!(places(&node, "grep:^file 17$").len(), 50);
}

#[test]
fn status_and_events_tell_of_the_index() {
    let node = noded().file("a.txt", "one\n").start();
    indexed(&node);
    let told = wait_until("an event", PATIENCE, || {
        let page = node.control().must("events.since", json!({ "id": 0 }));
        let events = page["events"].as_array().cloned().unwrap_or_default();
        let told = events
            .into_iter()
            .find(|event| event["type"] == "index.caught_up");
        told.ok_or_else(|| page.to_string())
    });
    assert_eq!(told["data"]["files"], 1);
    let run = ctl(node.home()).args(["status"]).run().expect_code(0);
    assert!(run.stdout.contains("index      1 file,"), "{}", run.stdout);
}
