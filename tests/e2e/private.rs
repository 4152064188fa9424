//! Tests of private networks: who is let in, what outsiders learn, and men in the middle.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use e2e::{
    NodeOptions, NodeProcess, Relay, Rogue, Tapping, Wire, eventually, http, introduce, wait_until,
    xmlrpc, xmlrpc::Value,
};
use serde_json::json;

use crate::world::{ctl, noded};

fn hello(node: &NodeProcess, url: &str) -> Result<Value, xmlrpc::CallError> {
    xmlrpc::call(&node.url, "hello", &[Value::text(url)])
}

fn peers(node: &NodeProcess) -> Vec<serde_json::Value> {
    let peers = node.control().must("peer.list", json!({}));
    peers.as_array().expect("a list").clone()
}

/// Returns a file with a key that only its owner reads.
fn key_file(home: &e2e::Home, key: &str) -> String {
    let path = home.root().join("network-key");
    fs::write(&path, key.repeat(32)).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path.display().to_string()
}

fn member(key: &str) -> NodeOptions {
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
        let guess = "1".repeat(64);
        for headers in [&[][..], &[("sixhop-pass", guess.as_str())]] {
            let answer = http::request(&holder.url, "GET", path, headers, b"").unwrap();
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
fn a_pass_of_the_owner_is_good_once_for_one_file() {
    let node = member("k").file("a.txt", "a").file("b.txt", "b").start();
    let other = member("k").file("a.txt", "a").start();
    let pass = node
        .control()
        .must("fetch.pass", json!({ "name": "a.txt" }));
    let pass = pass.as_str().expect("a private network has passes");
    let ask = |at: &NodeProcess, path: &str, body: &str| {
        let headers = [("sixhop-pass", pass), ("Content-Type", "text/xml")];
        let answer = http::request(&at.url, "POST", path, &headers, body.as_bytes());
        answer.unwrap().text()
    };
    let summary = xmlrpc::request("sixhop.summary", &[Value::Map(Vec::new())]);
    for refused in [
        ask(&node, "/RPC2", &own_query("b.txt")),
        ask(&node, "/", &own_query("a.txt")),
        ask(&node, "/RPC2", &summary),
        ask(&other, "/RPC2", &own_query("a.txt")),
    ] {
        assert!(refused.contains("<int>200</int>"), "{refused}");
    }
    let right = ask(&node, "/RPC2", &own_query("a.txt"));
    assert!(right.contains("<string>a</string>"), "{right}");
    let again = ask(&node, "/RPC2", &own_query("a.txt"));
    assert!(again.contains("<int>200</int>"), "{again}");
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

#[test]
fn outsiders_get_no_proof_no_address_and_no_handler() {
    let rogue = Rogue::finding("<struct></struct>");
    let large = "x".repeat(3_000_000);
    let holder = member("k").file("large.txt", &large).start();
    let friend = member("k").start();
    introduce(&friend.url, &holder.url);
    introduce(&holder.url, &friend.url);
    eventually("the members know each other", || {
        let known = |node: &NodeProcess| peers(node).iter().any(|peer| peer["id"].is_string());
        known(&holder) && known(&friend)
    });
    // The honest one gets its file by ranges, over kept connections.
    let params = [
        Value::text("large.txt"),
        Value::text(friend.home().secret()),
    ];
    assert_eq!(
        xmlrpc::call(&friend.url, "fetch", &params),
        Ok(Value::Int(0))
    );
    assert_eq!(friend.home().read("large.txt"), Some(large.into_bytes()));
    let hello = xmlrpc::request("hello", &[Value::text(&rogue.url)]);
    let guess = "1".repeat(64);
    let headers = [
        ("sixhop-member", guess.as_str()),
        ("Content-Type", "text/xml"),
    ];
    for (method, path, body) in [
        ("POST", "/RPC2", hello.as_str()),
        ("POST", "/RPC2", "no call"),
        ("GET", "/", ""),
        ("GET", "/member", ""),
        ("GET", "/files/large.txt", ""),
    ] {
        let answer = http::request(&holder.url, method, path, &headers, body.as_bytes());
        let answer = answer.unwrap();
        assert_eq!(answer.header("sixhop-member"), None, "{method} {path}");
        assert!(!answer.text().contains(&friend.url), "{method} {path}");
    }
    assert_tells_who_it_is_and_no_more(&holder);
    // It is called over TLS, which it cannot read, and hears nothing else.
    eventually("who said hello was called", || {
        let failing = |peer: &serde_json::Value| {
            peer["url"] == rogue.url.as_str() && peer["state"] == "failing"
        };
        peers(&holder).iter().any(failing) || holder.counter("calls_sent") > 0
    });
    assert_eq!(rogue.requests(), Vec::<String>::new());
    [holder, friend].into_iter().for_each(NodeProcess::stop);
}

/// Introduces somebody without a key to a node.
fn assert_tells_who_it_is_and_no_more(node: &NodeProcess) {
    let text = |digit: &str| Value::text(digit.repeat(64));
    let members = vec![
        ("id".to_owned(), text("1")),
        ("version".to_owned(), Value::Int(1)),
        ("url".to_owned(), Value::text("http://127.0.0.1:9/")),
        ("nonce".to_owned(), text("2")),
    ];
    let answer = xmlrpc::call(&node.url, "sixhop.introduce", &[Value::Map(members)]).unwrap();
    assert!(answer.get("id").is_some());
    for secret in ["peers", "features"] {
        let is_empty = match answer.get(secret) {
            None => true,
            Some(Value::List(list)) => list.is_empty(),
            Some(_) => false,
        };
        assert!(is_empty, "{secret}: {answer:?}");
    }
}

/// Returns the address on which a node listens, whatever its URL.
fn listens(node: &NodeProcess) -> SocketAddr {
    let status = node.control().must("node.status", json!({}));
    let listen = status["listen"].as_str().expect("an address");
    listen.parse().expect("an address")
}

/// Starts a member behind a wire, with a file.
fn member_behind(wire: &Wire, name: &str, text: &str) -> NodeProcess {
    let node = member("k")
        .args(["--url", &wire.url])
        .file(name, text)
        .start();
    wire.lead_to(listens(&node));
    node
}

fn add(node: &NodeProcess, url: &str) -> serde_json::Value {
    node.control().must("peer.add", json!({ "url": url }))
}

#[test]
fn members_speak_tls_from_the_first_byte_on() {
    let wire = Wire::new();
    let holder = member_behind(&wire, "marker.txt", "saffron in the contents");
    let friend = member("k").start();
    assert_eq!(add(&friend, &wire.url)["state"], "up");
    assert_eq!(fetch(&friend, "marker.txt"), Ok(Value::Int(0)));
    eventually("the holder has met its friend", || {
        peers(&holder).iter().any(|peer| peer["path"] == "tls")
    });
    assert_eq!(wire.in_clear(), 0, "nothing was said in clear");
    assert!(wire.over_tls() > 0);
    for marker in ["marker", "saffron", "sixhop-member", "HTTP/1.1"] {
        assert!(!wire.has_seen(marker.as_bytes()), "{marker}");
    }
    [holder, friend].into_iter().for_each(NodeProcess::stop);
}

/// Sends recorded bytes of a caller again and returns the whole answer.
fn replay(address: SocketAddr, recorded: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).expect("the node listens");
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .expect("a time");
    // The node may end it while it is being written to.
    let _ = stream.write_all(recorded);
    let _ = stream.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    answer
}

#[test]
fn recorded_connections_of_members_are_worthless() {
    let wire = Wire::new();
    let holder = member_behind(&wire, "a.txt", "of the network");
    let friend = member("k").start();
    add(&friend, &wire.url);
    assert_eq!(fetch(&friend, "a.txt"), Ok(Value::Int(0)));
    eventually("several connections are recorded", || {
        wire.recorded().len() > 1
    });
    friend.stop();
    eventually("the last calls are over", || {
        let calls = holder.counter("rpc_received");
        std::thread::yield_now();
        calls == holder.counter("rpc_received")
    });
    let counted = |name| holder.counter(name);
    let before = (counted("rpc_received"), counted("finds_received"));
    let address = listens(&holder);
    let recorded = wire.recorded();
    for call in recorded.iter().cycle().take(25) {
        let answer = replay(address, call);
        // A hello of TLS at most, and the alert that ends it.
        assert!(answer.len() < 4_096, "{} bytes", answer.len());
    }
    assert_eq!((counted("rpc_received"), counted("finds_received")), before);
    holder.stop();
}

#[test]
fn a_relay_with_a_key_of_its_own_is_refused_by_both() {
    let holder = member("k").file("a.txt", "of the network").start();
    let relay = Relay::to(listens(&holder));
    let friend = member("k").start();
    let served = holder.counter("rpc_received");
    for n in 0..25 {
        let peer = add(&friend, &relay.url);
        let error = peer["last_error"].as_str().unwrap_or_default();
        assert!(error.contains("private network"), "{n}: {peer}");
    }
    assert_ne!(fetch(&friend, "a.txt"), Ok(Value::Int(0)));
    let read = relay.has_read();
    assert!(read.contains("sixhop-member"), "the proof was relayed");
    for secret in ["a.txt", "methodCall", &friend.url, "204 "] {
        assert!(!read.contains(secret), "{secret}: {read}");
    }
    assert_eq!(holder.counter("rpc_received"), served);
    // The honest way is open.
    add(&friend, &holder.url);
    assert_eq!(fetch(&friend, "a.txt"), Ok(Value::Int(0)));
    [holder, friend].into_iter().for_each(NodeProcess::stop);
}

#[test]
fn a_member_says_nothing_to_nodes_without_the_key() {
    let wire = Wire::new();
    let friend = member("k").start();
    let holder = member_behind(&wire, "a.txt", "of the network");
    let others = [
        noded().file("a.txt", "of nobody").start(),
        member("x").file("a.txt", "of others").start(),
    ];
    for n in 0..25 {
        for other in &others {
            wire.lead_to(listens(other));
            let peer = add(&friend, &wire.url);
            assert_ne!(peer["state"], "up", "{n}: {peer}");
            let received = other.counter("rpc_received");
            assert_eq!(received, 0, "{n}: it heard no call");
        }
        wire.lead_to(listens(&holder));
        wire.tap(Tapping::StripsTls);
        let peer = add(&friend, &wire.url);
        assert_ne!(peer["state"], "up", "{n}: {peer}");
        wire.tap(Tapping::Passes);
    }
    wire.lead_to(listens(&others[0]));
    assert_ne!(fetch(&friend, "a.txt"), Ok(Value::Int(0)));
    assert_eq!(wire.in_clear(), 0, "nothing was said in clear");
    wire.lead_to(listens(&holder));
    wait_until("the right one is met", Duration::from_secs(30), || {
        let peer = add(&friend, &wire.url);
        let is_met = peer["state"] == "up" && peer["path"] == "tls";
        is_met.then_some(()).ok_or_else(|| peer.to_string())
    });
    assert_eq!(fetch(&friend, "a.txt"), Ok(Value::Int(0)));
    [holder, friend].into_iter().for_each(NodeProcess::stop);
    others.into_iter().for_each(NodeProcess::stop);
}
