//! Tests of URLs that peers name and strangers plant: the calls of a node because of them, and their content.

use std::fs;
use std::time::{Duration, Instant};

use e2e::{Conduct, Listener, NodeProcess, Rogue, eventually, introduce, xmlrpc, xmlrpc::Value};
use serde_json::{Value as Json, json};

use crate::world::noded;

/// Returns the inside of an answer to `sixhop.find` with these hits and referrals.
fn found(hits: &str, peers: &[String]) -> String {
    let peers: String = peers
        .iter()
        .map(|peer| format!("<value><string>{peer}</string></value>"))
        .collect();
    format!(
        "<struct><member><name>hits</name><value><array><data>{hits}</data></array></value></member>\
         <member><name>peers</name><value><array><data>{peers}</data></array></value></member></struct>"
    )
}

fn peers(node: &NodeProcess) -> Vec<Json> {
    let peers = node.control().must("peer.list", json!({}));
    peers.as_array().expect("a list").clone()
}

fn search(node: &NodeProcess, query: &str) -> Json {
    node.control()
        .must("search.query", json!({ "query": query, "reach": "sure" }))
}

fn add(node: &NodeProcess, url: &str) {
    node.control().must("peer.add", json!({ "url": url }));
}

#[test]
fn thirty_urls_of_one_victim_cause_one_call_a_search() {
    let victim = Listener::saying(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n");
    let port = victim.address.port();
    let hosts = ["127.0.0.1", "localhost", "0x7f.1", "[::ffff:127.0.0.1]"];
    let mut named: Vec<String> = (0..30)
        .map(|n| format!("http://{}:{port}/{n}", hosts[n % hosts.len()]))
        .collect();
    let honest = noded().file("far.txt", "far").start();
    named.push(honest.url.clone());
    let liar = Rogue::finding(&found("", &named));
    let mut node = noded().start();
    add(&node, &liar.url);
    let begun = Instant::now();
    for query in ["far.txt", "none1.txt", "none2.txt"] {
        let result = search(&node, query);
        let is_found = result["hits"].to_string().contains(&honest.url);
        assert_eq!(is_found, query == "far.txt", "{result}");
    }
    let minutes = begun.elapsed().as_secs() as usize / 60 + 1;
    assert!((1..=minutes).contains(&victim.connections()));
    node.assert_healthy();
    [node, honest].into_iter().for_each(NodeProcess::stop);
}

#[test]
fn a_planted_peer_does_not_hear_what_the_owner_looks_for() {
    let planted = [
        Rogue::finding(&found("", &[])),
        Rogue::finding(&found("", &[])),
    ];
    let honest = noded().file("secret plans.txt", "plans").start();
    let node = noded().start();
    for rogue in &planted {
        introduce(&node.url, &rogue.url);
    }
    introduce(&node.url, &honest.url);
    eventually("all have answered", || {
        let peers = peers(&node);
        peers.iter().filter(|peer| peer["state"] == "up").count() == 3
    });
    let result = search(&node, "secret plans.txt");
    assert!(result["hits"].to_string().contains(&honest.url), "{result}");
    let fetched = node
        .control()
        .must("fetch.start", json!({ "name": "secret plans.txt" }));
    node.control()
        .must("fetch.wait", json!({ "id": fetched["id"] }));
    assert_eq!(
        node.home().read("secret plans.txt"),
        Some(b"plans".to_vec())
    );
    // As `ctl fetch --to` asks.
    let missed = xmlrpc::query(&node.url, "secret query");
    assert_eq!(missed.map_err(|e| e.code()), Err(Some(100)));
    let none = search(&node, "secret nothing");
    assert!(!none.to_string().contains("plans"), "{none}");
    for rogue in &planted {
        let heard = rogue.requests();
        assert!(!heard.is_empty());
        assert!(
            !heard.iter().any(|request| request.contains("secret")),
            "{heard:?}"
        );
    }
    // Whom the owner names hears of it.
    add(&node, &planted[0].url);
    search(&node, "secret again");
    eventually("the owner named it", || {
        planted[0]
            .requests()
            .iter()
            .any(|request| request.contains("secret again"))
    });
    assert!(
        !planted[1]
            .requests()
            .iter()
            .any(|request| request.contains("secret"))
    );
    [node, honest].into_iter().for_each(NodeProcess::stop);
}

#[test]
fn a_peer_that_said_hello_just_before_a_stop_is_known_after_it() {
    let node = noded().start();
    let late = noded().file("late.txt", "late").start();
    // Nobody answers at its address when the node stops.
    let address = e2e::http::address(&late.url).to_string();
    let options = late.stop_for_restart();
    introduce(&node.url, &format!("http://{address}/"));
    let node = node.stop_for_restart();
    let saved = fs::read_to_string(node.home().state().join("peers")).unwrap();
    assert!(saved.contains(&address), "{saved}");
    let late = options.listen(address).start();
    let node = node.start();
    eventually("it is met", || {
        peers(&node).iter().any(|peer| peer["id"].is_string())
    });
    assert_eq!(xmlrpc::query(&node.url, "late.txt"), Ok(b"late".to_vec()));
    [node, late].into_iter().for_each(NodeProcess::stop);
}

#[test]
fn a_holder_without_a_digest_does_not_block_a_book_peer() {
    let hit = "<value><struct><member><name>name</name><value><string>a.txt</string></value></member>\
        <member><name>size</name><value><int>1</int></value></member></struct></value>";
    let liar = Rogue::finding(&found(hit, &[]));
    let answer = e2e::rogue::answer_of("<string>of the chapter</string>");
    let chapter = Rogue::start(Conduct::Body(answer));
    let node = noded().start();
    add(&node, &liar.url);
    add(&node, &chapter.url);
    let begun = Instant::now();
    let params = [Value::text("a.txt"), Value::text(node.home().secret())];
    assert_eq!(xmlrpc::call(&node.url, "fetch", &params), Ok(Value::Int(0)));
    assert!(
        begun.elapsed() < Duration::from_secs(25),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(node.home().read("a.txt"), Some(b"of the chapter".to_vec()));
    node.stop();
}
