//! Tests of meetings: a word is no peer, and nobody makes a node call others.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::thread::scope;
use std::time::{Duration, Instant};

use e2e::http::{bytes_of, connect, read_answer};
use e2e::{Listener, NodeProcess, eventually, wait_until, xmlrpc, xmlrpc::Value};
use serde_json::json;

use crate::world::{ctl, noded};

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
        wait_until("it was called in vain", Duration::from_secs(10), || {
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

/// Returns a file with a key that only its owner reads.
fn key_file(home: &e2e::Home, key: &str) -> String {
    let path = home.root().join("network-key");
    fs::write(&path, key.repeat(32)).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path.display().to_string()
}

fn member(key: &str) -> e2e::NodeOptions {
    let options = noded();
    let file = key_file(options.home(), key);
    options.args(["--network-key-file", &file])
}

fn fetch(node: &NodeProcess, name: &str) -> Result<Value, xmlrpc::CallError> {
    let params = [Value::text(name), Value::text(node.home().secret())];
    xmlrpc::call(&node.url, "fetch", &params)
}

#[test]
fn a_private_network_admits_members_and_no_strangers() {
    let holder = member("k").file("a.txt", "of the network").start();
    let friend = member("k").start();
    let others = [noded().start(), member("x").start()];
    assert_eq!(hello(&friend, &holder.url), Ok(Value::Int(0)));
    for other in &others {
        assert_eq!(hello(other, &holder.url), Ok(Value::Int(0)));
        assert_eq!(hello(&holder, &other.url), Ok(Value::Int(0)));
    }
    assert_eq!(fetch(&friend, "a.txt"), Ok(Value::Int(0)));
    assert_eq!(
        friend.home().read("a.txt"),
        Some(b"of the network".to_vec())
    );
    let found = friend
        .control()
        .must("search.query", json!({ "query": "a.txt" }));
    assert!(found.to_string().contains(&holder.url), "{found}");
    for other in &others {
        assert_eq!(fetch(other, "a.txt").map_err(|e| e.code()), Err(Some(100)));
    }
    let digest = "0".repeat(64);
    for path in [
        "/",
        "/files/a.txt",
        "/search?q=a.txt",
        &format!("/blobs/{digest}"),
        &format!("/blobs/{digest}/tree"),
        "/none",
    ] {
        for headers in [&[][..], &[("sixhop-network", "0"), ("Host", "x")][..1]] {
            let answer = e2e::http::request(&holder.url, "GET", path, headers, b"").unwrap();
            assert_eq!(answer.status, 403, "{path}: {}", answer.text());
        }
    }
    let name = Value::Map(vec![("name".to_owned(), Value::text("a.txt"))]);
    let cursor = Value::Map(vec![("cursor".to_owned(), Value::text("0"))]);
    for (method, parameter) in [
        ("query", Value::text("a.txt")),
        ("sixhop.find", name),
        ("sixhop.more", cursor),
        ("system.multicall", Value::List(vec![])),
    ] {
        let refused = xmlrpc::call(&holder.url, method, &[parameter]);
        assert_eq!(refused.map_err(|e| e.code()), Err(Some(200)), "{method}");
    }
    eventually("who does not show the key is no peer", || {
        let failing = |other: &NodeProcess| {
            peers(&holder)
                .iter()
                .any(|peer| peer["url"] == other.url.as_str() && peer["state"] == "failing")
        };
        others.iter().all(failing)
    });
    let key = "k".repeat(32);
    for node in [&holder, &friend] {
        assert!(!node.stderr().contains(&key));
    }
    [holder, friend].into_iter().for_each(NodeProcess::stop);
    others.into_iter().for_each(NodeProcess::stop);
}

/// Returns a call of `query` as docs/protocol.md has it.
fn own_query(name: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?>\n<methodCall>\n<methodName>query</methodName>\n<params>\n<param>\n\
         <value><string>{name}</string></value>\n</param>\n<param>\n\
         <value><array><data></data></array></value>\n</param>\n</params>\n</methodCall>\n"
    )
}

#[test]
fn an_owner_brings_a_file_of_a_private_network_past_the_share() {
    let holder = member("k").file("far.txt", "from a friend").start();
    let node = member("k").file("own.txt", "of one's own").start();
    assert_eq!(hello(&node, &holder.url), Ok(Value::Int(0)));
    for (name, content) in [("far.txt", "from a friend"), ("own.txt", "of one's own")] {
        let to = node.home().root().join(format!("copy of {name}"));
        let run = ctl(node.home())
            .args([
                "fetch".as_ref(),
                name.as_ref(),
                "--to".as_ref(),
                to.as_os_str(),
            ])
            .run();
        assert_eq!(run.code, 0, "{}", run.stderr);
        assert_eq!(fs::read_to_string(to).unwrap(), content);
    }
    assert_eq!(node.home().read("far.txt"), None);
    let missing = ctl(node.home()).args(["fetch", "none.txt", "--to", "none"]);
    assert_eq!(missing.run().code, 3);
    [holder, node].into_iter().for_each(NodeProcess::stop);
}

#[test]
fn a_pass_of_the_owner_is_good_for_one_file_at_one_node() {
    let node = member("k").file("a.txt", "a").file("b.txt", "b").start();
    let other = member("k").file("a.txt", "a").start();
    let pass = node
        .control()
        .must("fetch.pass", json!({ "name": "a.txt" }));
    let pass = pass.as_str().expect("a private network has passes");
    let ask = |at: &NodeProcess, path: &str, body: &str| {
        let headers = [("sixhop-network", pass), ("Content-Type", "text/xml")];
        let answer = e2e::http::request(&at.url, "POST", path, &headers, body.as_bytes());
        answer.unwrap().text()
    };
    let right = ask(&node, "/RPC2", &own_query("a.txt"));
    assert!(right.contains("<string>a</string>"), "{right}");
    let hello = xmlrpc::request("sixhop.summary", &[Value::Map(Vec::new())]);
    for refused in [
        ask(&node, "/RPC2", &own_query("b.txt")),
        ask(&node, "/", &own_query("a.txt")),
        ask(&node, "/RPC2", &hello),
        ask(&other, "/RPC2", &own_query("a.txt")),
    ] {
        assert!(refused.contains("<int>200</int>"), "{refused}");
    }
    let open = noded().start();
    let none = open
        .control()
        .must("fetch.pass", json!({ "name": "a.txt" }));
    assert_eq!(none, json!(null));
    [node, other, open].into_iter().for_each(NodeProcess::stop);
}

#[test]
fn a_node_does_not_start_without_the_key_that_it_was_to_have() {
    let options = noded();
    let file = key_file(options.home(), "k");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let refusal = options.args(["--network-key-file", &file]).refused();
    assert!(refusal.stderr.contains("chmod 600"), "{}", refusal.stderr);
    let refusal = noded().args(["--network-key-file", "/nowhere"]).refused();
    assert!(refusal.stderr.contains("/nowhere"), "{}", refusal.stderr);
}
