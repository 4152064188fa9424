//! Memory of a node that has nothing to do.

use std::fs;
use std::time::Duration;

use e2e::{NodeProcess, wait_until};
use serde_json::json;

use crate::world::noded;

/// Files of the node.
const FILES: usize = 200;

/// Most memory of its own, in KiB: without its code, which is larger in builds for tests.
const OWN_MAX: usize = 20 * 1024;

/// Returns the memory of the process that no file is behind, in KiB.
fn own_memory(node: &NodeProcess) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", node.pid())).expect("it runs");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = line.and_then(|line| line.split_whitespace().next());
    kib.and_then(|kib| kib.parse().ok()).expect("a number")
}

fn indexed(node: &NodeProcess, files: usize) {
    wait_until("the index is complete", Duration::from_secs(30), || {
        let status = node.control().must("node.status", json!({}));
        let is_known = status["files"] == json!(files);
        let is_done = is_known && status["index"]["complete"] == json!(true);
        is_done.then_some(()).ok_or(status["index"].to_string())
    });
}

/// Returns text of many different words.
fn text(number: usize) -> String {
    let words = (0..500 + 10 * number).map(|word| format!("word{} ", word * 7_919 % 10_007));
    words.collect()
}

fn hits(node: &NodeProcess, query: &str) -> usize {
    let found = node
        .control()
        .must("search.query", json!({ "query": query }));
    found["hits"].as_array().map_or(0, Vec::len)
}

#[test]
fn a_quiet_node_gives_its_memory_back_and_still_indexes() {
    let options = (0..FILES).fold(noded(), |options, number| {
        options.file(&format!("d/{number:03}.txt"), text(number))
    });
    let node = options.start();
    indexed(&node, FILES);
    let is_small = |when: &str| {
        wait_until(when, Duration::from_secs(15), || {
            let own = own_memory(&node);
            (own < OWN_MAX).then_some(()).ok_or(format!("{own} KiB"))
        });
    };
    is_small("memory is given back after the start");
    node.home().put("late.txt", "a latecomer among the files");
    wait_until(
        "a new file is found by its words",
        Duration::from_secs(15),
        || {
            let hits = hits(&node, "text:latecomer");
            (hits == 1).then_some(()).ok_or(format!("{hits} hits"))
        },
    );
    indexed(&node, FILES + 1);
    is_small("memory is given back after a change");
}
