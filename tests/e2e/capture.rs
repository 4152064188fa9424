//! Tests of what is on the wire: a recording of all that two nodes do shows nothing of it.

use std::time::Duration;

use e2e::{NodeProcess, Relay, Tapping, Wire, http, wait_until};
use serde_json::{Value, json};

use crate::world::{ctl, noded};

/// Words in names of files.
const NAMES: [&str; 6] = [
    "juniper", "tamarind", "marjoram", "cardamom", "lovage", "sumac",
];
/// Words in contents.
const CONTENTS: [&str; 6] = [
    "saffron",
    "turmeric",
    "fenugreek",
    "nigella",
    "asafoetida",
    "galangal",
];
/// Words that are looked for and that nobody has.
const QUERIES: [&str; 4] = ["pimento", "annatto", "epazote", "mahlab"];
/// Words of the protocol.
const PROTOCOL: [&str; 4] = ["sixhop-", "methodCall", "HTTP/1.1", "token"];

/// Starts a node behind a wire, reached only through it.
fn behind(wire: &Wire, files: bool) -> NodeProcess {
    let mut options = noded().args(["--url", &wire.url]);
    for (name, content) in NAMES.iter().zip(CONTENTS).filter(|_| files) {
        let text = format!("{content} grows in a garden\n").repeat(9_000);
        options = options.file(&format!("{name} list.txt"), text);
    }
    let node = options.start();
    let status = node.control().must("node.status", json!({}));
    let listen = status["listen"].as_str().expect("an address");
    wire.lead_to(listen.parse().expect("an address"));
    node
}

fn invitation(node: &NodeProcess) -> String {
    let run = ctl(node.home()).args(["invite"]).run().expect_code(0);
    run.stdout.trim().to_owned()
}

fn search(node: &NodeProcess, query: &str) -> Value {
    node.control()
        .must("search.query", json!({ "query": query, "reach": "sure" }))
}

fn peers(node: &NodeProcess) -> Vec<Value> {
    let peers = node.control().must("peer.list", json!({}));
    peers.as_array().expect("a list").clone()
}

#[test]
fn a_capture_shows_none_of_twenty_words() {
    let (to_a, to_b) = (Wire::new(), Wire::new());
    let (a, b) = (behind(&to_a, false), behind(&to_b, true));
    let run = |args: &[&str]| ctl(a.home()).args(args).run().expect_code(0);
    // The meeting: each knows the other by its invitation.
    run(&["hello", &invitation(&b)]);
    let _ = ctl(b.home())
        .args(["hello", &invitation(&a)])
        .run()
        .expect_code(0);
    // Summaries: a search for nothing is answered without asking.
    wait_until("the summary is there", Duration::from_secs(30), || {
        let params = json!({ "query": "nowhere-at-all.pdf" });
        let answer = a.control().must("search.query", params);
        let is_told = answer["asked"] == 1;
        is_told.then_some(()).ok_or_else(|| answer.to_string())
    });
    for (name, content) in NAMES.iter().zip(CONTENTS) {
        for query in [
            format!("name:{name}"),
            format!("text:{content}"),
            format!("grep:{content}"),
        ] {
            let found = search(&a, &query)["hits"].to_string();
            assert!(found.contains(name), "{query}: {found}");
        }
    }
    for query in QUERIES {
        assert_eq!(search(&a, query)["hits"], json!([]), "{query}");
    }
    run(&["ls", &to_b.url]);
    run(&["fetch", "juniper list.txt"]);
    run(&["fetch", "*list.txt"]);
    assert!(to_b.over_tls() > 0 && to_a.over_tls() > 0);
    assert_eq!((to_a.in_clear(), to_b.in_clear()), (0, 0));
    let words = [&NAMES[..], &CONTENTS, &QUERIES, &PROTOCOL].concat();
    assert_eq!(words.len(), 20);
    for word in words {
        for wire in [&to_a, &to_b] {
            assert!(!wire.has_seen(word.as_bytes()), "{word}");
        }
    }
    // The same is there to be seen by somebody who may.
    let served = http::get(&direct(&b), "/files/juniper%20list.txt");
    assert!(served.is_ok_and(|answer| answer.text().contains("saffron")));
    a.stop();
    b.stop();
}

/// Returns the URL of a node past its wire.
fn direct(node: &NodeProcess) -> String {
    let status = node.control().must("node.status", json!({}));
    format!("http://{}/", status["listen"].as_str().expect("an address"))
}

#[test]
fn a_node_at_two_addresses_is_one_peer_and_one_holder() {
    let wire = Wire::new();
    let text = "x".repeat(2_000_000);
    let b = noded().file("large.txt", &text).start();
    wire.lead_to(http::address(&b.url));
    let a = noded().start();
    for url in [&b.url, &wire.url, &b.url] {
        a.control().must("peer.add", json!({ "url": url }));
    }
    wait_until(
        "both addresses are one peer",
        Duration::from_secs(10),
        || {
            let peers = peers(&a);
            let is_one = peers.len() == 1 && peers[0]["path"] == "tls";
            is_one.then_some(()).ok_or_else(|| format!("{peers:?}"))
        },
    );
    let found = search(&a, "large.txt");
    assert_eq!(found["hits"].as_array().map(Vec::len), Some(1), "{found}");
    let run = ctl(a.home())
        .args(["fetch", "large.txt"])
        .run()
        .expect_code(0);
    assert!(run.stdout.contains("(tls)"), "{}", run.stdout);
    let fetches = a.control().must("fetch.list", json!({}));
    let holders = fetches[0]["holders"].as_array().map(Vec::len);
    assert_eq!(
        (holders, &fetches[0]["path"]),
        (Some(1), &json!("tls")),
        "{fetches}"
    );
    // What was measured is said.
    let peer = &peers(&a)[0];
    assert!(
        peer["latency"].is_u64() && peer["rate"].as_u64() > Some(0),
        "{peer}"
    );
    let table = ctl(a.home()).args(["peers"]).run().expect_code(0).stdout;
    assert!(table.contains("tls") && table.contains("/s"), "{table}");
    let status = ctl(a.home()).args(["status"]).run().expect_code(0).stdout;
    assert!(status.contains("1, 1 tls"), "{status}");
    a.stop();
    b.stop();
}

#[test]
fn a_hundred_men_in_the_middle_of_public_nodes_are_refused() {
    let wire = Wire::new();
    let (b, other) = (
        noded().file("a.txt", "right").start(),
        noded().file("a.txt", "wrong").start(),
    );
    wire.lead_to(http::address(&b.url));
    let a = noded().start();
    let status = b.control().must("node.status", json!({}));
    let id = status["id"].as_str().expect("an id").to_owned();
    let address = format!("sixhop://{id}/?at={}", http::address(&wire.url));
    let relay = Relay::to(http::address(&b.url));
    let relayed = format!("sixhop://{id}/?at={}", http::address(&relay.url));
    // A peer that failed three times is dropped: then it is an error.
    let add = |address: &str| a.control().call("peer.add", json!({ "url": address }));
    let is_up = |address: &str| add(address).is_ok_and(|peer| peer["state"] == "up");
    let mut refused = 0;
    for _ in 0..25 {
        wire.lead_to(http::address(&other.url));
        refused += usize::from(!is_up(&address));
        wire.lead_to(http::address(&b.url));
        for tapping in [Tapping::StripsTls, Tapping::Tampers] {
            wire.tap(tapping);
            refused += usize::from(!is_up(&address));
        }
        wire.tap(Tapping::Passes);
        refused += usize::from(!is_up(&relayed));
    }
    assert_eq!(refused, 100);
    assert_eq!(relay.has_read(), "", "nothing is said to a relay");
    assert_eq!(wire.in_clear(), 0, "nothing was said in clear");
    assert_eq!(other.counter("rpc_received"), 0);
    wait_until("the right one is met", Duration::from_secs(30), || {
        is_up(&address)
            .then_some(())
            .ok_or_else(|| format!("{:?}", peers(&a)))
    });
    let _ = ctl(a.home()).args(["fetch", "a.txt"]).run().expect_code(0);
    assert_eq!(a.home().read("a.txt").as_deref(), Some(&b"right"[..]));
    for node in [a, b, other] {
        node.stop();
    }
}
