//! Tests of meetings: a word is no peer, and nobody makes a node call others.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::thread::scope;
use std::time::{Duration, Instant};

use e2e::http::{bytes_of, connect, read_answer};
use e2e::{Listener, NodeProcess, eventually, wait_until, xmlrpc, xmlrpc::Value};
use serde_json::json;

use crate::world::noded;

/// The URL of a node that all the world reaches, so it says.
const PUBLIC: &str = "http://203.0.113.7:4242/";

fn hello(node: &NodeProcess, url: &str) -> Result<Value, xmlrpc::CallError> {
    xmlrpc::call(&node.url, "hello", &[Value::text(url)])
}

fn peers(node: &NodeProcess) -> Vec<serde_json::Value> {
    let peers = node.control().must("peer.list", json!({}));
    peers.as_array().expect("a list").clone()
}

/// Sends a `hello` for each URL, over a few kept connections; each is welcome.
fn flood(node: &NodeProcess, urls: &[String]) {
    scope(|threads| {
        for part in urls.chunks(urls.len().div_ceil(4)) {
            threads.spawn(move || {
                let mut stream = connect(&node.url).unwrap();
                for url in part {
                    let call = xmlrpc::request("hello", &[Value::text(url)]);
                    let headers = [("Content-Type", "text/xml"), ("Connection", "keep-alive")];
                    let request = bytes_of(&node.url, "POST", "/RPC2", &headers, call.as_bytes());
                    stream.write_all(&request).unwrap();
                    let answer = read_answer(&mut stream, false).unwrap();
                    assert!(answer.text().contains("<int>0</int>"), "{}", answer.text());
                }
            });
        }
    });
}

#[test]
fn ten_thousand_hellos_that_name_a_victim_are_one_call_a_minute() {
    let (node, victim) = (noded().start(), Listener::silent());
    let port = victim.address.port();
    let hosts = ["127.0.0.1", "localhost", "0x7f.1", "[::ffff:127.0.0.1]"];
    let urls: Vec<String> = (0..10_000)
        .map(|n| format!("http://{}:{port}/{n}", hosts[n % hosts.len()]))
        .collect();
    let begun = Instant::now();
    flood(&node, &urls);
    eventually("the victim is called", || victim.connections() > 0);
    // A query for a file has nobody called who did not answer.
    let missing = xmlrpc::query(&node.url, "missing.txt");
    assert_eq!(missing.map_err(|e| e.code()), Err(Some(100)));
    let minutes = begun.elapsed().as_secs() / 60 + 1;
    let calls = victim.connections();
    println!(
        "{} hellos in {:?}: {calls} calls",
        urls.len(),
        begun.elapsed()
    );
    assert!(
        calls as u64 <= minutes,
        "{calls} calls in {minutes} minutes"
    );
    assert!(
        peers(&node).len() <= 256,
        "{} candidates",
        peers(&node).len()
    );
    node.stop();
}

#[test]
fn many_victims_of_one_flood_are_called_once_each() {
    let node = noded().start();
    let victims: Vec<Listener> = (0..20).map(|_| Listener::silent()).collect();
    let urls: Vec<String> = (0..2_000)
        .map(|n| format!("{}{n}", victims[n % victims.len()].url()))
        .collect();
    let begun = Instant::now();
    flood(&node, &urls);
    eventually("all are called", || {
        victims.iter().all(|victim| victim.connections() > 0)
    });
    let minutes = begun.elapsed().as_secs() as usize / 60 + 1;
    for victim in &victims {
        assert!(victim.connections() <= minutes);
    }
    node.stop();
}

#[test]
fn a_public_node_cannot_be_pointed_at_its_own_network() {
    let victim = Listener::silent();
    let node = noded().args(["--url", PUBLIC]).start();
    let port = victim.address.port();
    let status = node.control().must("node.status", json!({}));
    let listens = format!("http://{}/", status["listen"].as_str().expect("an address"));
    let hosts = [
        "127.0.0.1",
        "127.1",
        "127.0.1",
        "0x7f.1",
        "0x7f000001",
        "0X7F.0.0.1",
        "2130706433",
        "017700000001",
        "0177.0.0.1",
        "127.0.0.1.",
        "①②⑦.⓪.⓪.①",
        "127。0。0。1",
        "%31%32%37.0.0.1",
        "[::ffff:7f00:1]",
        "[::ffff:127.0.0.1]",
        "[::1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::1]",
        "localhost",
        "LOCALHOST.",
        "a.localhost",
        "0.0.0.0",
        "0",
        "[::]",
        "10.0.0.1",
        "192.168.1.1",
        "172.16.0.1",
        "100.64.0.1",
        "169.254.169.254",
        "0xa9fea9fe",
        "[fe80::1]",
        "[fd00::1]",
        "user@127.0.0.1",
        "example.org@127.0.0.1",
        "nas.local",
        "router",
    ];
    for host in hosts {
        let named = Value::text(format!("http://{host}:{port}/"));
        let refused = xmlrpc::call(&listens, "hello", &[named]);
        assert_eq!(refused.map_err(|e| e.code()), Err(Some(-32602)), "{host}");
    }
    println!("{} disguises refused", hosts.len());
    assert_eq!(peers(&node), Vec::<serde_json::Value>::new());
    assert_eq!(victim.connections(), 0);
    // Its owner may.
    drop(
        node.control()
            .must("peer.add", json!({ "url": victim.url() })),
    );
    assert!(victim.connections() > 0);
    node.stop();
}

#[test]
fn only_a_peers_answer_counts_and_redirects_are_not_followed() {
    let node = noded().start();
    let behind = Listener::silent();
    let redirect = format!(
        "HTTP/1.1 307 Temporary Redirect\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n",
        behind.url()
    );
    let web = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
    let no_peer = "<?xml version=\"1.0\"?><methodResponse><params><param><value><string>0</string>\
        </value></param></params></methodResponse>";
    let other = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{no_peer}",
        no_peer.len()
    );
    let long = format!("HTTP/1.1 200 OK\r\n\r\n{}", " ".repeat(1 << 20));
    let strangers = [redirect.as_str(), web, &other, &long].map(|a| Listener::saying(a.as_bytes()));
    for stranger in &strangers {
        assert_eq!(hello(&node, &stranger.url()), Ok(Value::Int(0)));
    }
    for stranger in &strangers {
        wait_until("it was called in vain", Duration::from_secs(30), || {
            let peers = peers(&node);
            let failed = peers
                .iter()
                .any(|peer| peer["url"] == stranger.url().as_str() && peer["state"] == "failing");
            if failed {
                Ok(())
            } else {
                Err(format!("{peers:?}"))
            }
        });
    }
    let missing = xmlrpc::query(&node.url, "missing.txt");
    assert_eq!(missing.map_err(|e| e.code()), Err(Some(100)));
    let calls: Vec<_> = strangers.iter().map(Listener::connections).collect();
    assert_eq!((calls, behind.connections()), (vec![1; 4], 0));
    node.stop();
}

#[test]
fn who_is_introduced_can_be_asked_at_once_and_is_saved() {
    let (node, peer) = (
        noded().start(),
        noded().file("a.txt", "of the peer").start(),
    );
    assert_eq!(hello(&node, &peer.url), Ok(Value::Int(0)));
    assert_eq!(hello(&node, &peer.url), Ok(Value::Int(0)));
    assert_eq!(
        xmlrpc::query(&node.url, "a.txt"),
        Ok(b"of the peer".to_vec())
    );
    let saved = node.home().state().join("peers");
    wait_until("the peer is saved", Duration::from_secs(5), || {
        let text = fs::read_to_string(&saved).unwrap_or_default();
        if text.contains(&peer.url) {
            Ok(())
        } else {
            Err(text)
        }
    });
    node.stop();
    peer.stop();
}

fn id_of(node: &NodeProcess) -> String {
    let status = node.control().must("node.status", json!({}));
    status["id"].as_str().expect("an id").to_owned()
}

fn known_as(node: &NodeProcess, url: &str) -> Option<String> {
    let peers = peers(node);
    let peer = peers.iter().find(|peer| peer["url"] == url)?;
    peer["id"].as_str().map(str::to_owned)
}

#[test]
fn two_nodes_that_meet_know_each_other_and_notice_a_change() {
    let (one, other) = (noded().start(), noded().start());
    assert_eq!(hello(&one, &other.url), Ok(Value::Int(0)));
    let (id, others_id) = (id_of(&one), id_of(&other));
    assert!(id.len() == 64 && id != others_id);
    eventually("both know", || {
        known_as(&one, &other.url) == Some(others_id.clone())
            && known_as(&other, &one.url) == Some(id.clone())
    });
    let page = e2e::http::get(&one.url, "/").unwrap().text();
    assert!(page.contains(&id), "the page says who it is");
    let key = one.home().state().join("node-key");
    assert_eq!(
        fs::metadata(key).unwrap().permissions().mode() & 0o777,
        0o600
    );
    // Somebody else comes to live where the other one did.
    let address = e2e::http::address(&other.url).to_string();
    other.stop();
    let stranger = noded().listen(address).start();
    let one = one.stop_for_restart().start();
    assert_eq!(id_of(&one), id);
    eventually("the owner is told", || {
        let page = one.control().must("events.since", json!({ "id": 0 }));
        page.to_string().contains("peer.downgrade")
    });
    assert_ne!(known_as(&one, &stranger.url), Some(id_of(&stranger)));
    // The owner may take it for a new peer.
    let url = json!({ "url": &stranger.url });
    one.control().must("peer.remove", url.clone());
    one.control().must("peer.add", url);
    assert_eq!(known_as(&one, &stranger.url), Some(id_of(&stranger)));
    one.stop();
    stranger.stop();
}

#[test]
fn a_proof_that_is_none_is_refused_and_makes_no_peer() {
    let node = noded().start();
    let text = |digit: &str, n| Value::text(digit.repeat(n));
    let mut members = vec![
        ("id".to_owned(), text("1", 64)),
        ("version".to_owned(), Value::Int(1)),
        ("url".to_owned(), Value::text("http://127.0.0.1:9/")),
        ("nonce".to_owned(), text("2", 64)),
    ];
    let introduce = |members: &[(String, Value)]| {
        xmlrpc::call(
            &node.url,
            "sixhop.introduce",
            &[Value::Map(members.to_vec())],
        )
    };
    let answer = introduce(&members).expect("an answer");
    assert_eq!(answer.get("id"), Some(&Value::text(id_of(&node))));
    assert_eq!(answer.get("token"), None);
    let nonce = answer.get("nonce").expect("a nonce").clone();
    members.push(("answering".to_owned(), nonce));
    members.push(("proof".to_owned(), text("3", 128)));
    for _ in 0..2 {
        let refused = introduce(&members).map_err(|e| e.code());
        assert_eq!(refused, Err(Some(200)));
    }
    assert_eq!(peers(&node), Vec::<serde_json::Value>::new());
    node.stop();
}
