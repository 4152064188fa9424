//! TLS between nodes: what is on the wire, and who is refused.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread::scope;
use std::time::Duration;

use e2e::{NodeProcess, Tapping, Wire, eventually, http, wait_until};
use serde_json::{Value, json};

use crate::world::{ctl, noded};

fn peers(node: &NodeProcess) -> Vec<Value> {
    let peers = node.control().must("peer.list", json!({}));
    peers.as_array().expect("a list").clone()
}

/// Returns the address on which a node listens, whatever its URL.
fn listens(node: &NodeProcess) -> SocketAddr {
    let status = node.control().must("node.status", json!({}));
    let listen = status["listen"].as_str().expect("an address");
    listen.parse().expect("an address")
}

fn id_of(node: &NodeProcess) -> String {
    let status = node.control().must("node.status", json!({}));
    status["id"].as_str().expect("an id").to_owned()
}

/// Runs `ctl` against a node, which does as asked, and returns the output.
fn done(node: &NodeProcess, args: &[&str]) -> String {
    ctl(node.home()).args(args).run().expect_code(0).stdout
}

/// Starts a node behind a wire, reached only through it.
fn behind(wire: &Wire, files: &[(&str, &str)]) -> NodeProcess {
    let options = noded().args(["--url", &wire.url]);
    let node = files
        .iter()
        .fold(options, |options, (name, text)| options.file(name, text))
        .start();
    wire.lead_to(listens(&node));
    node
}

/// Has `node` meet the peer at `url`, and returns its entry then.
fn add(node: &NodeProcess, url: &str) -> Value {
    node.control().must("peer.add", json!({ "url": url }))
}

/// Waits until `node` has met `id` at `url` and speaks TLS to it.
fn met(node: &NodeProcess, url: &str, id: &str) {
    wait_until("the node is met over TLS", Duration::from_secs(30), || {
        let peers = peers(node);
        let is_it = |peer: &Value| peer["url"] == url && peer["id"] == id && peer["path"] == "tls";
        peers
            .iter()
            .any(is_it)
            .then_some(())
            .ok_or_else(|| format!("{peers:?}"))
    });
}

#[test]
fn nothing_of_what_nodes_say_is_on_the_wire_once_they_met() {
    let (to_a, to_b) = (Wire::new(), Wire::new());
    let text = "saffron marker of the contents\n".repeat(10_000);
    let b = behind(
        &to_b,
        &[("juniper-marker.txt", &text), ("other.txt", "few")],
    );
    let a = behind(&to_a, &[]);
    add(&a, &to_b.url);
    met(&a, &to_b.url, &id_of(&b));
    met(&b, &to_a.url, &id_of(&a));
    // The first meeting is in clear, and gives no token to a listener.
    for wire in [&to_a, &to_b] {
        assert!(!wire.has_seen(b"<name>token</name>"));
        assert!(wire.forget() > 0);
    }
    let (clear_to_a, clear_to_b) = (to_a.in_clear(), to_b.in_clear());
    let found = ctl(a.home()).args(["--json", "search", "juniper"]).run();
    assert!(
        found.stdout.contains("juniper-marker.txt"),
        "{}",
        found.stdout
    );
    let by_text = ctl(a.home())
        .args(["--json", "search", "text:saffron"])
        .run();
    assert!(
        by_text.stdout.contains("juniper-marker.txt"),
        "{}",
        by_text.stdout
    );
    done(&a, &["fetch", "juniper-marker.txt"]);
    assert_eq!(
        a.home().read("juniper-marker.txt").as_deref(),
        Some(text.as_bytes())
    );
    add(&a, &to_b.url);
    assert!(to_b.forget() > 0, "it went over this wire");
    to_a.forget();
    done(&a, &["fetch", "other.txt"]);
    assert_eq!((to_a.in_clear(), to_b.in_clear()), (clear_to_a, clear_to_b));
    for marker in [
        "juniper",
        "saffron",
        "other",
        "HTTP/1.1",
        "sixhop",
        "methodCall",
        "token",
    ] {
        for wire in [&to_a, &to_b] {
            assert!(!wire.has_seen(marker.as_bytes()), "{marker}");
        }
    }
    a.stop();
    b.stop();
}

#[test]
fn stripped_tls_and_other_keys_are_refused_over_a_restart() {
    let wire = Wire::new();
    let b = behind(&wire, &[("a.txt", "of the right node")]);
    let other = noded().file("a.txt", "of the wrong node").start();
    let a = noded().start();
    add(&a, &wire.url);
    let id = id_of(&b);
    met(&a, &wire.url, &id);
    let home = a.home().clone();
    eventually("the pin is saved", || {
        std::fs::read_to_string(home.state().join("pins")).is_ok_and(|pins| pins.contains(&id))
    });
    let refused = |a: &NodeProcess, what: &str| {
        let before = wire.in_clear();
        let peer = add(a, &wire.url);
        let error = peer["last_error"].as_str().unwrap_or_default().to_owned();
        assert!(error.contains("ctl peers rm"), "{what}: {peer}");
        assert_eq!(wire.in_clear(), before, "{what}: nothing was said in clear");
        ctl(a.home())
            .args(["--timeout", "1s", "fetch", "a.txt"])
            .run();
        assert_eq!(a.home().read("a.txt"), None, "{what}");
        assert_eq!(wire.in_clear(), before, "{what}: nothing was said in clear");
    };
    wire.tap(Tapping::StripsTls);
    refused(&a, "stripped");
    let told = |a: &NodeProcess| {
        let page = a.control().must("events.since", json!({ "id": 0 }));
        page.to_string().contains("peer.downgrade")
    };
    eventually("the owner is told", || told(&a));
    // Another node at the address, with a key of its own.
    wire.tap(Tapping::Passes);
    wire.lead_to(listens(&other));
    refused(&a, "another key");
    let a = a.stop_for_restart().start();
    refused(&a, "another key after a restart");
    // The right one is there again.
    wire.lead_to(listens(&b));
    eventually("the peer answers", || add(&a, &wire.url)["state"] == "up");
    done(&a, &["fetch", "a.txt"]);
    assert_eq!(
        a.home().read("a.txt").as_deref(),
        Some(&b"of the right node"[..])
    );
    // The owner may take somebody else in its place.
    wire.lead_to(listens(&other));
    done(&a, &["peers", "rm", &wire.url]);
    add(&a, &wire.url);
    met(&a, &wire.url, &id_of(&other));
    for node in [a, b, other] {
        node.stop();
    }
}

#[test]
fn a_man_in_the_middle_who_changes_bytes_gets_nothing_through() {
    let wire = Wire::new();
    let b = behind(&wire, &[("a.txt", "honest")]);
    let a = noded().start();
    add(&a, &wire.url);
    met(&a, &wire.url, &id_of(&b));
    wire.tap(Tapping::Tampers);
    eventually("connections are tampered with", || {
        add(&a, &wire.url)["state"] == "failing"
    });
    wire.tap(Tapping::Passes);
    eventually("the peer answers", || add(&a, &wire.url)["state"] == "up");
    done(&a, &["fetch", "a.txt"]);
    assert_eq!(a.home().read("a.txt").as_deref(), Some(&b"honest"[..]));
    a.stop();
    b.stop();
}

#[test]
fn garbage_and_half_handshakes_leave_room_for_the_honest() {
    let node = noded().file("a.txt", "served").start();
    let address = listens(&node);
    let connect = || TcpStream::connect(address).expect("the node listens");
    // More than one address may hold, and none of them ends its handshake.
    let mut half: Vec<TcpStream> = (0..300).map(|_| connect()).collect();
    for stream in &mut half {
        // The node may close it meanwhile: it made room.
        let _ = stream.write_all(&[0x16, 3, 1, 2, 0, 1]);
    }
    scope(|threads| {
        for n in 0..50_usize {
            threads.spawn(move || {
                let mut stream = TcpStream::connect(address).expect("the node listens");
                let mut garbage = vec![0x5a; n * 37 + 1];
                garbage[0] = 0x16;
                let _ = stream.write_all(&garbage);
                let _ = stream.shutdown(std::net::Shutdown::Write);
                let mut answer = Vec::new();
                let _ = stream.read_to_end(&mut answer);
                assert!(!answer.starts_with(b"HTTP/"), "it is answered as TLS");
            });
        }
    });
    // Those that came within the same moment have to grow old before one makes room.
    eventually("an honest user is served", || {
        http::get(&node.url, "/files/a.txt").is_ok()
    });
    for _ in 0..20 {
        let answer = http::get(&node.url, "/files/a.txt").expect("an honest user is served");
        assert_eq!((answer.status, answer.text().as_str()), (200, "served"));
    }
    let begun = std::time::Instant::now();
    let mut slow = half.pop().expect("there are many");
    slow.set_read_timeout(Some(Duration::from_secs(10)))
        .expect("a time");
    let mut rest = Vec::new();
    let _ = slow.read_to_end(&mut rest);
    assert!(
        begun.elapsed() < Duration::from_secs(8),
        "a handshake ends in time"
    );
    node.stop();
}

#[test]
fn clients_in_clear_and_nodes_over_tls_share_a_port() {
    let b = noded().file("a.txt", "for everybody").start();
    let a = noded().start();
    add(&a, &b.url);
    met(&a, &b.url, &id_of(&b));
    let answer = http::get(&b.url, "/files/a.txt").expect("an answer");
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (200, "for everybody")
    );
    let content = e2e::xmlrpc::query(&b.url, "a.txt").expect("a file");
    assert_eq!(content, b"for everybody");
    done(&a, &["fetch", "a.txt"]);
    a.stop();
    b.stop();
}

fn invitation(node: &NodeProcess) -> String {
    done(node, &["invite"]).trim().to_owned()
}

#[test]
fn a_node_named_by_its_id_hears_nothing_in_clear() {
    let wire = Wire::new();
    let b = behind(&wire, &[("a.txt", "by invitation")]);
    let a = noded().start();
    let address = invitation(&b);
    let place = http::address(&wire.url);
    assert_eq!(address, format!("sixhop://{}/?at={place}", id_of(&b)));
    // A place where nobody is, a second name of the right one, and the right one.
    let name = format!("at=localhost:{}", place.port());
    let address = address.replace("?at", &format!("?at=127.0.0.1:9&{name}&at"));
    done(&a, &["hello", &address]);
    done(&a, &["fetch", "a.txt"]);
    assert_eq!(
        a.home().read("a.txt").as_deref(),
        Some(&b"by invitation"[..])
    );
    assert_eq!(wire.in_clear(), 0, "nothing was said in clear");
    assert!(wire.over_tls() > 0);
    let known = peers(&a);
    assert_eq!(known.len(), 1, "one node is one peer: {known:?}");
    assert_eq!(
        (&known[0]["id"], &known[0]["path"]),
        (&json!(id_of(&b)), &json!("tls"))
    );
    let table = done(&a, &["peers"]);
    assert!(table.contains("tls") && table.contains(&id_of(&b)[..12]));
    a.stop();
    b.stop();
}

#[test]
fn an_address_with_another_id_is_refused() {
    let wire = Wire::new();
    let (b, other) = (behind(&wire, &[("a.txt", "right")]), noded().start());
    let place = http::address(&wire.url);
    let wrong = format!("sixhop://{}/?at={place}", id_of(&other));
    let a = noded().start();
    let run = ctl(a.home()).args(["hello", &wrong]).run();
    assert_eq!(run.code, 6, "{}", run.stderr);
    assert!(
        run.stderr.contains(&id_of(&b)),
        "it says who is there: {}",
        run.stderr
    );
    assert_eq!(wire.in_clear(), 0, "nothing was said in clear");
    a.stop();
    let right = format!("sixhop://{}/?at={place}", id_of(&b));
    let a = noded().args(["--peer", &right]).start();
    met(&a, &wire.url, &id_of(&b));
    assert_eq!(wire.in_clear(), 0, "nothing was said in clear");
    for bad in ["sixhop://0/?at=h:1", &format!("sixhop://{}/", id_of(&b))] {
        assert_eq!(ctl(a.home()).args(["hello", bad]).run().code, 2, "{bad}");
    }
    for node in [a, b, other] {
        node.stop();
    }
}

#[test]
fn a_strangers_false_id_for_a_url_keeps_nobody_away() {
    let (a, b, stranger) = (noded().start(), noded().start(), noded().start());
    let lie = format!(
        "sixhop://{}/?at={}",
        id_of(&stranger),
        http::address(&b.url)
    );
    let hello = |url: &str| e2e::xmlrpc::call(&a.url, "hello", &[e2e::xmlrpc::Value::text(url)]);
    hello(&lie).expect("a welcome");
    hello(&b.url).expect("a welcome");
    met(&a, &b.url, &id_of(&b));
    // And later it changes nothing any more.
    hello(&lie).expect("a welcome");
    assert_eq!(add(&a, &b.url)["state"], "up");
    met(&a, &b.url, &id_of(&b));
    for node in [a, b, stranger] {
        node.stop();
    }
}

#[test]
fn a_policy_lets_one_node_have_a_file_and_nobody_else() {
    let (friend, stranger) = (noded().start(), noded().start());
    let options = noded().file("a.txt", "for a friend");
    let plugins = options.home().root().join("plugins");
    std::fs::create_dir_all(&plugins).expect("the home is new");
    let policy = format!("fn allow_fetch(f) {{ f.id == \"{}\" }}", id_of(&friend));
    std::fs::write(plugins.join("policy.rhai"), policy).expect("the home is new");
    let plugins = plugins.display().to_string();
    let holder = options.args(["--plugins", &plugins]).start();
    for node in [&friend, &stranger] {
        add(node, &holder.url);
        met(node, &holder.url, &id_of(&holder));
    }
    let fetch = |node: &NodeProcess| {
        ctl(node.home())
            .args(["--timeout", "5s", "fetch", "a.txt"])
            .run()
    };
    assert_ne!(fetch(&stranger).code, 0);
    let answer = http::get(&holder.url, "/files/a.txt").expect("an answer");
    assert_ne!(answer.status, 200, "nobody shows an id in clear");
    assert_eq!(fetch(&friend).code, 0);
    assert_eq!(
        friend.home().read("a.txt").as_deref(),
        Some(&b"for a friend"[..])
    );
    for node in [friend, stranger, holder] {
        node.stop();
    }
}

#[test]
fn a_node_that_a_neighbour_names_is_asked_over_tls() {
    let to_c = Wire::new();
    let c = behind(&to_c, &[("juniper-marker.txt", "two steps away")]);
    let (a, b) = (noded().start(), noded().start());
    add(&b, &to_c.url);
    met(&b, &to_c.url, &id_of(&c));
    let in_clear = to_c.in_clear();
    to_c.forget();
    add(&a, &b.url);
    met(&a, &b.url, &id_of(&b));
    let found = done(&a, &["--json", "search", "juniper"]);
    assert!(found.contains("juniper-marker.txt"), "{found}");
    done(&a, &["fetch", "juniper-marker.txt"]);
    let bytes = a.home().read("juniper-marker.txt");
    assert_eq!(bytes.as_deref(), Some(&b"two steps away"[..]));
    assert_eq!(to_c.in_clear(), in_clear, "nothing was said in clear");
    assert!(!to_c.has_seen(b"juniper"));
    for node in [a, b, c] {
        node.stop();
    }
}
