//! A network, and the holders of a file, through a distributed hash table of twenty nodes.

use std::time::{Duration, Instant};

use e2e::{NodeOptions, NodeProcess, wait_until};

use super::{TIME, met, network::Network, peers};
use crate::world::{ctl, noded};

const NODES: usize = 20;

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
fn a_file_is_fetched_by_its_digest_from_a_holder_that_nobody_named() {
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
