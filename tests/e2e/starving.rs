//! Searches that nobody follows and relays of a peer that trickles: honest clients are answered beside them.
//!
//! Both once held every thread that reads files, for as long as they lasted.

use std::thread;
use std::time::{Duration, Instant};

use e2e::http;
use e2e::xmlrpc::{self, Value as Xml};
use e2e::{Conduct, NodeProcess, Rogue, introduce, wait_until};
use serde_json::json;

use crate::world::noded;

/// Searches that are left open.
const SEARCHES: usize = 48;

/// Relays of the trickling peer.
const RELAYS: usize = 24;

/// Longest honest answer; the target is half a second, on a machine that does nothing else.
const PROMPT: Duration = Duration::from_secs(2);

/// Opens a search with more hits than its first answer holds, and follows no cursor.
fn leave_open(url: &str) {
    let members = [
        ("query", Xml::text("name:*")),
        ("deadline", Xml::Int(100)),
        ("limit", Xml::Int(10_000)),
    ];
    let members = members.map(|(name, value)| (name.to_owned(), value));
    // An answer or a fault: whatever comes, others are served beside it.
    drop(xmlrpc::call(
        url,
        "sixhop.find",
        &[Xml::Map(members.into())],
    ));
}

/// Asks by every way that reads the share and returns how long the slowest took.
fn slowest(node: &NodeProcess) -> Duration {
    let ways: [(&str, &dyn Fn()); 4] = [
        ("GET /files", &|| {
            let answer = http::get(&node.url, "/files/honest.txt").expect("the file");
            assert_eq!(answer.body, b"honest");
        }),
        ("GET /search", &|| {
            let answer = http::get(&node.url, "/search?q=honest.txt").expect("hits");
            assert_eq!(answer.status, 200);
        }),
        ("query", &|| {
            let file = xmlrpc::query(&node.url, "honest.txt").expect("the file");
            assert_eq!(file, b"honest");
        }),
        ("share.list", &|| {
            let listing = node.control().must("share.list", json!({ "limit": 10 }));
            assert_eq!(listing["files"].as_array().map(Vec::len), Some(10));
        }),
    ];
    let timed = ways.map(|(way, ask)| {
        let begun = Instant::now();
        ask();
        let took = begun.elapsed();
        assert!(took < PROMPT, "{way} took {took:?}");
        took
    });
    timed.into_iter().max().expect("four ways")
}

#[test]
fn honest_clients_are_served_beside_searches_and_slow_relays() {
    let trickle = Conduct::Slowly {
        text: "slow ".repeat(200_000),
        piece: 2_048,
        pause: Duration::from_millis(500),
    };
    let rogue = Rogue::start(trickle);
    let node = (0..3_000).fold(noded(), |node, n| node.file(&format!("{n:04}.txt"), ""));
    let node = node.file("honest.txt", "honest").start();
    introduce(&node.url, &rogue.url);
    let relays = (0..RELAYS).map(|relay| {
        let (url, name) = (node.url.clone(), format!("missing-{relay}.txt"));
        thread::spawn(move || drop(xmlrpc::query(&url, &name)))
    });
    let searches = (0..SEARCHES).map(|_| {
        let url = node.url.clone();
        thread::spawn(move || leave_open(&url))
    });
    let clients: Vec<_> = relays.chain(searches).collect();
    wait_until("relays run", Duration::from_secs(30), || {
        let asked = rogue.queries();
        if asked >= 8 {
            Ok(())
        } else {
            Err(asked.to_string())
        }
    });
    let worst = (0..10).map(|_| slowest(&node)).max().expect("ten rounds");
    println!("the slowest honest answer took {worst:?}");
    node.stop();
    drop(rogue);
    for client in clients {
        client.join().expect("a client ends");
    }
}
