//! A network, and the holders of a file, through a distributed hash table of twenty nodes.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use e2e::{NodeOptions, NodeProcess, eventually, wait_until};

use super::{TIME, met, network::Network, peers};
use crate::world::{ctl, noded};

const NODES: usize = 20;

/// A file and the place at which its holders are announced, as docs/protocol/discovery.md says. The
/// digest of the first one is less than that of the second.
const FIRST: (&[u8], &str) = (
    b"what nobody may read, 3",
    "141874f6ab94af0ba953294ada12bf4015901804",
);
const SECOND: (&[u8], &str) = (
    b"what all may read, 6",
    "562277acc9304bcf3a88a86e709a6cddc1a587b7",
);

fn node_of(network: &Network, name: &str) -> NodeOptions {
    let bootstrap = network.bootstrap();
    noded().args(["--dht-bootstrap", &bootstrap, "--network", name])
}

fn digest_of(node: &NodeProcess, name: &str) -> String {
    wait_until("the digest is known", TIME, || {
        let stat = node
            .control()
            .must("share.stat", serde_json::json!({ "name": name }));
        let digest = stat["digest"].as_str();
        digest.map(str::to_owned).ok_or_else(|| stat.to_string())
    })
}

#[test]
fn nodes_of_one_network_meet_and_find_and_others_do_not() {
    let network = Network::of(NODES);
    let one = node_of(&network, "home").file("far.txt", "found").start();
    let two = node_of(&network, "home").start();
    let other = node_of(&network, "away").start();
    let begun = Instant::now();
    let sources = [met(&one, &two.url), met(&two, &one.url)];
    println!("met within {:?}", begun.elapsed());
    assert!(sources.contains(&"dht".to_owned()), "{sources:?}");
    let run = ctl(two.home()).args(["fetch", "far.txt"]).run();
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(peers(&other).is_empty());
    for node in [one, two, other] {
        node.stop();
    }
}

#[test]
fn a_digest_is_fetched_from_a_holder_that_nobody_named() {
    let network = Network::of(NODES);
    let holder = node_of(&network, "one")
        .args(["--publish"])
        .file("rare.txt", "rare")
        .start();
    let asker = node_of(&network, "two").start();
    let content = format!("blake3:{}", digest_of(&holder, "rare.txt"));
    let fetch = || ctl(asker.home()).args(["fetch", &content]).run();
    // It takes a moment until the file is announced; a holder that did not answer in
    // time is asked again after a minute.
    let took = wait_until("the file is fetched", 3 * TIME, || {
        let begun = Instant::now();
        let run = fetch();
        (run.code == 0).then(|| begun.elapsed()).ok_or(run.stderr)
    });
    println!("fetched in {took:?}");
    let stored = asker.home().read(content.trim_start_matches("blake3:"));
    assert_eq!(stored, Some(b"rare".to_vec()));
    assert!(
        peers(&asker).is_empty(),
        "who has a file is no peer for that"
    );
    for node in [holder, asker] {
        node.stop();
    }
}

fn port(node: &NodeProcess) -> u16 {
    let port = node.url.trim_end_matches('/').rsplit(':').next();
    port.and_then(|port| port.parse().ok()).expect("a port")
}

/// Waits until `node` has announced a file.
fn announced(network: &Network, (_, place): (&[u8], &str), node: &NodeProcess) {
    wait_until("it is announced", 3 * TIME, || {
        let ports = network.ports_at(place);
        let is_there = ports.contains(&port(node));
        is_there.then_some(()).ok_or_else(|| format!("{ports:?}"))
    });
}

fn publishing(network: &Network) -> NodeOptions {
    noded().args(["--publish", "--dht-bootstrap", &network.bootstrap()])
}

#[test]
fn what_a_policy_refuses_to_strangers_is_not_announced() {
    let network = Network::of(NODES);
    let guarded = publishing(&network)
        .file("private/secret.txt", FIRST.0)
        .file("public.txt", SECOND.0);
    let plugins = guarded.home().root().join("plugins");
    fs::create_dir(&plugins).unwrap();
    let policy = "fn allow_fetch(f) { !f.name.starts_with(\"private/\") || within(f.from, \"127.0.0.0/8\") }";
    fs::write(plugins.join("policy.rhai"), policy).unwrap();
    let guarded = guarded.args(["--plugins".as_ref(), plugins.as_os_str()]);
    let guarded = guarded.start();
    // By its digest the secret would be the first one.
    let digests = ["private/secret.txt", "public.txt"].map(|name| digest_of(&guarded, name));
    assert!(digests.is_sorted(), "{digests:?}");
    announced(&network, SECOND, &guarded);
    assert_eq!(network.ports_at(FIRST.1), BTreeSet::new());
    // Without a policy it is announced, and found at that place.
    let open = publishing(&network).file("open.txt", FIRST.0).start();
    announced(&network, FIRST, &open);
    assert_eq!(network.ports_at(FIRST.1), BTreeSet::from([port(&open)]));
    for node in [guarded, open] {
        node.stop();
    }
}

#[test]
fn in_a_private_network_nothing_is_announced() {
    let network = Network::of(NODES);
    let private = publishing(&network).file("a.txt", FIRST.0);
    let key = private.home().root().join("network-key");
    fs::write(&key, "k".repeat(32)).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let private = private.args(["--network-key-file".as_ref(), key.as_os_str()]);
    let private = private.start();
    eventually("it says that nothing is announced", || {
        private.stderr().contains("no files are announced")
    });
    let open = publishing(&network).file("a.txt", FIRST.0).start();
    announced(&network, FIRST, &open);
    assert_eq!(network.ports_at(FIRST.1), BTreeSet::from([port(&open)]));
    for node in [private, open] {
        node.stop();
    }
}

#[test]
fn what_no_peer_has_is_announced_before_what_one_has() {
    let network = Network::of(NODES);
    let peer = noded().file("common.txt", FIRST.0).start();
    digest_of(&peer, "common.txt");
    let holder = publishing(&network)
        .args(["--peer", &peer.url])
        .file("common.txt", FIRST.0)
        .file("rare.txt", SECOND.0)
        .start();
    announced(&network, FIRST, &holder);
    // Seconds pass between two files.
    let rare = network.ports_at(SECOND.1);
    assert_eq!(rare, BTreeSet::from([port(&holder)]));
    for node in [peer, holder] {
        node.stop();
    }
}

#[test]
fn without_publish_nobody_sees_who_has_a_file() {
    let network = Network::of(NODES);
    let holder = node_of(&network, "one").file("kept.txt", "kept").start();
    let asker = node_of(&network, "two").start();
    let content = format!("blake3:{}", digest_of(&holder, "kept.txt"));
    // The holder has left its address for its network by now, and nothing else.
    let witness = node_of(&network, "one").start();
    met(&witness, &holder.url);
    let begun = Instant::now();
    let run = ctl(asker.home()).args(["fetch", &content]).run();
    assert_eq!(run.code, 3, "{}", run.stderr);
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "a miss has an end"
    );
    for node in [witness, holder, asker] {
        node.stop();
    }
}
