//! `ctl search`: hits of this node and of others, and how complete they are.

use std::time::Duration;

use e2e::{NodeProcess, wait_until};
use serde_json::{Value, json};

use crate::world::{ctl, noded};

fn search(node: &NodeProcess, query: &str) -> Value {
    node.control()
        .must("search.query", json!({ "query": query }))
}

fn found(answer: &Value) -> Vec<(String, String)> {
    let hits = answer["hits"].as_array().expect("a list of hits").iter();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    hits.map(|hit| (text(&hit["name"]), text(&hit["node"])))
        .collect()
}

#[test]
fn hits_come_from_here_and_from_nodes_further_away() {
    let far = noded().file("far.txt", "far").start();
    let middle = noded()
        .args(["--peer", &far.url])
        .file("middle.txt", "middle")
        .start();
    let near = noded()
        .args(["--peer", &middle.url])
        .file("near.txt", "near")
        .start();
    let answer = search(&near, "*.txt");
    let mut hits = found(&answer);
    assert_eq!(hits[0], ("near.txt".to_owned(), near.url.clone()));
    hits.sort();
    let expected = [
        ("far.txt", &far),
        ("middle.txt", &middle),
        ("near.txt", &near),
    ];
    assert_eq!(
        hits,
        expected.map(|(name, node)| (name.to_owned(), node.url.clone()))
    );
    assert_eq!(
        (&answer["asked"], &answer["answered"], &answer["end"]),
        (&json!(3), &json!(3), &json!("complete"))
    );
    assert_eq!(answer["trace"].as_array().map(Vec::len), Some(3));
}

#[test]
fn one_file_at_two_nodes_is_one_line_and_two_hits() {
    let holders = [(); 2].map(|()| noded().file("same.txt", "same").start());
    let asker = noded()
        .args(holders.iter().flat_map(|node| ["--peer", &node.url]))
        .start();
    assert_eq!(found(&search(&asker, "same.txt")).len(), 2);
    let shown = ctl(asker.home())
        .args(["search", "same.txt"])
        .run()
        .expect_code(0);
    assert_eq!(shown.stdout.lines().count(), 1, "{}", shown.stdout);
    assert!(shown.stdout.contains("and 1 more"), "{}", shown.stdout);
}

#[test]
fn a_hit_has_its_digest_wherever_it_is_shown() {
    let node = noded().file("a.txt", "a").start();
    let asker = noded().args(["--peer", &node.url]).start();
    let expected = wait_until("the digest is known", Duration::from_secs(30), || {
        let stat = node
            .control()
            .must("share.stat", json!({ "name": "a.txt" }));
        let digest = stat["digest"].as_str().map(str::to_owned);
        digest.ok_or_else(|| stat.to_string())
    });
    assert_eq!(expected.len(), 64);
    let listed = node.control().must("share.list", json!({}));
    assert_eq!(listed["files"][0]["digest"], expected);
    let of_peer = json!({ "url": node.url });
    let at_peer = asker.control().must("peer.files", of_peer);
    assert_eq!(at_peer[0]["digest"], expected, "{at_peer}");
    assert_eq!(search(&asker, "a.txt")["hits"][0]["digest"], expected);
}

#[test]
fn enough_hits_end_the_search() {
    let mut holder = noded();
    for n in 0..50 {
        holder = holder.file(&format!("{n}.txt"), "x");
    }
    let holder = holder.start();
    let asker = noded().args(["--peer", &holder.url]).start();
    let answer = asker
        .control()
        .must("search.query", json!({ "query": "*.txt", "limit": 7 }));
    assert_eq!(found(&answer).len(), 7);
    assert_eq!(answer["end"], "limit");
}

#[test]
fn a_peer_that_is_gone_costs_no_hit_of_others() {
    let gone = noded().start();
    let there = noded().file("there.txt", "x").start();
    let asker = noded()
        .args(["--peer", &gone.url, "--peer", &there.url])
        .start();
    let _away = gone.kill();
    let answer = search(&asker, "there.txt");
    assert_eq!(found(&answer).len(), 1, "{answer}");
}
