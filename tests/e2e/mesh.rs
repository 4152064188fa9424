//! Tests of the cost of one question, counted.

use e2e::{NodeProcess, mesh, xmlrpc};

use crate::world::noded;

fn sum(nodes: &[NodeProcess], counter: &str) -> u64 {
    nodes.iter().map(|node| node.counter(counter)).sum()
}

#[test]
fn one_miss_in_a_full_mesh_of_ten_costs_one_call_for_each_peer() {
    let nodes: Vec<NodeProcess> = (0..10).map(|_| noded().start()).collect();
    let urls: Vec<&str> = nodes.iter().map(|node| node.url.as_str()).collect();
    mesh(&urls);
    let before = sum(&nodes, "queries_received");
    let answer = xmlrpc::query(urls[0], "missing.txt");
    assert_eq!(answer.map_err(|e| e.code()), Err(Some(100)));
    // The one question of the test is not a call between nodes.
    let received = sum(&nodes, "queries_received") - before - 1;
    let forwarded = sum(&nodes, "queries_sent");
    assert_eq!(received, forwarded, "every call that was sent was received");
    // Each node on the way names the peers that it asks, so nobody asks them again.
    assert_eq!(received, 9);
    nodes.into_iter().for_each(NodeProcess::stop);
}

#[test]
fn one_hit_in_a_full_mesh_is_found_by_everyone() {
    let mut nodes: Vec<NodeProcess> = (0..4).map(|_| noded().start()).collect();
    nodes.push(noded().file("here.txt", "here").start());
    let urls: Vec<&str> = nodes.iter().map(|node| node.url.as_str()).collect();
    mesh(&urls);
    for url in &urls {
        assert_eq!(
            xmlrpc::query(url, "here.txt"),
            Ok(b"here".to_vec()),
            "{url}"
        );
    }
    nodes.into_iter().for_each(NodeProcess::stop);
}

#[test]
fn counters_count_every_call_once() {
    let node = noded().file("a.txt", "a").start();
    let before = node.counter("queries_received");
    for _ in 0..7 {
        xmlrpc::query(&node.url, "a.txt").unwrap();
    }
    assert_eq!(node.counter("queries_received") - before, 7);
    assert_eq!(node.counter("queries_sent"), 0);
    node.stop();
}
