//! Tests of peers that stay known, are dropped, or are known again after a restart.

use std::time::Duration;

use e2e::rogue::fault_of;
use e2e::{Conduct, Deserted, NodeProcess, Rogue, eventually, introduce, wait_until, xmlrpc};
use serde_json::{Value, json};

use crate::world::noded;

fn peer(node: &NodeProcess, url: &str) -> Option<Value> {
    let peers = node.control().must("peer.list", json!({}));
    let peers = peers.as_array().expect("a list of peers").clone();
    let port = e2e::http::address(url).port().to_string();
    peers
        .into_iter()
        .find(|p| p["url"].as_str().is_some_and(|u| u.contains(&port)))
}

fn miss(node: &NodeProcess, name: &str) {
    let answer = xmlrpc::query(&node.url, name);
    assert_eq!(answer.map_err(|e| e.code()), Err(Some(100)), "query {name}");
}

#[test]
fn a_peer_is_dropped_after_three_failures_and_not_at_the_first() {
    let node = noded().start();
    let rogue = Rogue::start(Conduct::Body(fault_of(100)));
    let url = rogue.url.clone();
    introduce(&node.url, &url);
    eventually("it has answered", || {
        peer(&node, &url).is_some_and(|peer| peer["state"] == "up")
    });
    let _gone = rogue.leave();
    miss(&node, "first.txt");
    assert!(peer(&node, &url).is_some(), "dropped at the first failure");
    let mut asked = 0;
    wait_until(
        "the third failure drops the peer",
        Duration::from_secs(30),
        || {
            asked += 1;
            miss(&node, &format!("missing-{asked}.txt"));
            match peer(&node, &url) {
                None => Ok(()),
                Some(peer) => Err(peer.to_string()),
            }
        },
    );
    node.stop();
}

#[test]
fn a_fault_is_an_answer_and_drops_nobody() {
    let node = noded().start();
    for code in [100, 1, -32500] {
        let rogue = Rogue::start(Conduct::Body(fault_of(code)));
        introduce(&node.url, &rogue.url);
        for round in 0..6 {
            miss(&node, &format!("{code}-{round}.txt"));
        }
        let peer = peer(&node, &rogue.url).unwrap_or_else(|| panic!("fault {code} dropped it"));
        assert_eq!(peer["failures"], 0, "{peer}");
    }
    node.stop();
}

#[test]
fn peers_are_known_again_after_a_restart() {
    let (node, told, added) = (noded().start(), noded().start(), noded().start());
    introduce(&node.url, &told.url);
    node.control().must("peer.add", json!({"url": added.url}));
    let again = node.stop_for_restart().start();
    for other in [&told, &added] {
        assert!(
            peer(&again, &other.url).is_some(),
            "{} is forgotten",
            other.url
        );
    }
    let crashed = again.kill().start();
    assert!(
        peer(&crashed, &told.url).is_some(),
        "{} is forgotten after a crash",
        told.url
    );
    [crashed, told, added]
        .into_iter()
        .for_each(NodeProcess::stop);
}

#[test]
fn a_removed_peer_is_asked_no_more() {
    let (node, other) = (noded().start(), noded().file("a.txt", "a").start());
    introduce(&node.url, &other.url);
    assert_eq!(xmlrpc::query(&node.url, "a.txt"), Ok(b"a".to_vec()));
    let url = peer(&node, &other.url).expect("it was introduced")["url"].clone();
    assert_eq!(
        node.control().must("peer.remove", json!({"url": url})),
        json!(true)
    );
    miss(&node, "a.txt");
    node.stop();
    other.stop();
}

#[test]
fn a_node_does_not_know_itself() {
    let node = noded().start();
    drop(xmlrpc::call(
        &node.url,
        "hello",
        &[xmlrpc::Value::text(&node.url)],
    ));
    drop(xmlrpc::call(
        &node.url,
        "hello",
        &[xmlrpc::Value::text(node.codes_url())],
    ));
    assert!(peer(&node, &node.url).is_none());
    node.stop();
}

#[test]
fn a_peer_from_the_command_line_learns_of_the_node() {
    let far = noded().file("far.txt", "far").start();
    let near = noded()
        .args(["--peer", &far.url])
        .file("near.txt", "near")
        .start();
    assert_eq!(xmlrpc::query(&near.url, "far.txt"), Ok(b"far".to_vec()));
    eventually("the far node knows the near one", || {
        peer(&far, &near.url).is_some()
    });
    assert_eq!(xmlrpc::query(&far.url, "near.txt"), Ok(b"near".to_vec()));
    near.stop();
    far.stop();
}

#[test]
fn peers_come_from_a_file_of_urls() {
    let far = noded().file("far.txt", "far").start();
    let options = noded();
    let urls = options.home().root().join("urls.txt");
    let gone = Deserted::new();
    std::fs::write(&urls, format!("{}\n\n{}\r\n", far.url, gone.url)).unwrap();
    let near = options.args(["--peers".as_ref(), urls.as_os_str()]).start();
    assert_eq!(xmlrpc::query(&near.url, "far.txt"), Ok(b"far".to_vec()));
    near.stop();
    far.stop();
}
