//! Tests of summaries and of the calls that they save: counted on the side that is asked.

use std::time::Duration;

use e2e::{NodeProcess, chain, mesh, wait_until, xmlrpc, xmlrpc::Value as Xml};
use serde_json::{Value, json};

use crate::world::{ctl, noded};

const PATIENCE: Duration = Duration::from_secs(30);

fn search(node: &NodeProcess, query: &str, reach: &str) -> Value {
    let params = json!({ "query": query, "reach": reach });
    node.control().must("search.query", params)
}

/// Waits until `node` knows of all others that they do not have something.
fn know_each_other(node: &NodeProcess) {
    wait_until("the summaries are there", PATIENCE, || {
        let answer = search(node, "nowhere-at-all.pdf", "normal");
        if answer["asked"] == 1 {
            Ok(())
        } else {
            Err(answer.to_string())
        }
    });
}

fn finds(nodes: &[NodeProcess]) -> u64 {
    let received = nodes.iter().map(|node| node.counter("finds_received"));
    received.sum()
}

/// Returns the calls that the nodes received while `work` was done.
fn calls(nodes: &[NodeProcess], work: impl FnOnce() -> Value) -> (u64, Value) {
    let before = finds(nodes);
    let answer = work();
    (finds(nodes) - before, answer)
}

#[test]
fn a_full_mesh_of_ten_costs_one_call_a_hit_and_none_a_miss() {
    let mut nodes: Vec<NodeProcess> = (0..9)
        .map(|n| noded().file(&format!("own-{n}.txt"), "own").start())
        .collect();
    nodes.push(noded().file("holiday photo.txt", "sea").start());
    let urls: Vec<&str> = nodes.iter().map(|node| node.url.as_str()).collect();
    mesh(&urls);
    know_each_other(&nodes[0]);
    let asker = &nodes[0];
    let (received, hit) = calls(&nodes, || search(asker, "holiday photo.txt", "normal"));
    assert_eq!((received, &hit["asked"]), (1, &json!(2)), "{hit}");
    assert_eq!(hit["hits"].as_array().map(Vec::len), Some(1), "{hit}");
    assert_eq!(hit["trace"][1]["why"], "match", "{hit}");
    for (reach, expected, passed_over) in [("quick", 0, 9), ("normal", 0, 9), ("sure", 9, 0)] {
        let (received, miss) = calls(&nodes, || search(asker, "mountain picture.jpg", reach));
        assert_eq!(received, expected, "{miss}");
        assert_eq!(miss["passed_over"], passed_over, "{miss}");
    }
    let fetched = ctl(asker.home()).args(["fetch", "holiday photo.txt"]);
    let (received, _) = calls(&nodes, || json!(fetched.run().expect_code(0).stdout));
    assert_eq!(received, 1, "a fetch costs one call, too");
    nodes.into_iter().for_each(NodeProcess::stop);
}

#[test]
fn what_a_summary_cannot_know_is_asked() {
    let node = noded().file("Summer.txt", "waves and sand").start();
    let asker = noded().args(["--peer", &node.url]).start();
    know_each_other(&asker);
    for query in ["sumer", "name:*.txt", "text:waves", "grep:s.nd", "mer"] {
        let answer = search(&asker, query, "normal");
        assert_eq!(
            answer["hits"].as_array().map(Vec::len),
            Some(1),
            "{query}: {answer}"
        );
    }
    let unknown = search(&asker, "name:*.pdf", "normal");
    assert_eq!(unknown["asked"], 1, "{unknown}");
    node.stop();
    asker.stop();
}

#[test]
fn a_file_that_comes_is_told_soon() {
    let node = noded().start();
    let asker = noded().args(["--peer", &node.url]).start();
    know_each_other(&asker);
    node.home().put("fresh-bread.txt", b"bread");
    wait_until("the new file is found", PATIENCE, || {
        let answer = search(&asker, "fresh-bread.txt", "quick");
        if answer["hits"].as_array().map(Vec::len) == Some(1) {
            Ok(())
        } else {
            Err(answer.to_string())
        }
    });
    node.stop();
    asker.stop();
}

#[test]
fn a_node_two_hops_away_is_asked_if_its_files_are_announced() {
    let nodes =
        ["near.txt", "middle.txt", "lighthouse.txt"].map(|name| noded().file(name, name).start());
    let urls: Vec<&str> = nodes.iter().map(|node| node.url.as_str()).collect();
    chain(&urls);
    wait_until("the far node is known", PATIENCE, || {
        let answer = search(&nodes[0], "lighthouse.txt", "quick");
        let trace = &answer["trace"];
        if trace[1]["hops"] == 2 && answer["asked"] == 2 {
            assert_eq!(trace[1]["named_by"], json!(nodes[1].url), "{answer}");
            return Ok(());
        }
        Err(answer.to_string())
    });
    nodes.into_iter().for_each(NodeProcess::stop);
}

#[test]
fn a_summary_waits_for_another_version_and_tells_what_changed() {
    let files = (0..200).fold(noded(), |node, n| node.file(&format!("file-{n}.txt"), "x"));
    let node = files.start();
    let ask = |members: Vec<(&str, Xml)>| {
        let members = members
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value));
        xmlrpc::call(&node.url, "sixhop.summary", &[Xml::Map(members.collect())])
            .expect("an answer")
    };
    let first = wait_until("there is a filter", PATIENCE, || {
        let summary = ask(vec![("level", Xml::Int(2))]);
        let there =
            summary.get("files").is_some() && summary.get("digests") == Some(&Xml::Bool(true));
        if there {
            Ok(summary)
        } else {
            Err(format!("{summary:?}"))
        }
    });
    assert!(first.get("grams").is_some(), "{first:?}");
    let version = first.get("version").expect("a version").clone();
    let same = ask(vec![("level", Xml::Int(2)), ("version", version.clone())]);
    assert_eq!(same.get("same"), Some(&Xml::Bool(true)), "{same:?}");
    node.home().put("b.txt", b"b");
    let next = ask(vec![
        ("level", Xml::Int(2)),
        ("version", version.clone()),
        ("wait", Xml::Int(10_000)),
    ]);
    assert_ne!(next.get("version"), Some(&version), "{next:?}");
    assert!(
        next.get("files")
            .and_then(|files| files.get("change"))
            .is_some(),
        "{next:?}"
    );
    let lower = ask(Vec::new());
    assert!(lower.get("grams").is_none(), "{lower:?}");
    node.stop();
}
