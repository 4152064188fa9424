//! The local network, by mDNS; here it is the loopback interface.

use e2e::eventually;

use super::{met, peers};
use crate::world::{ctl, noded};

#[test]
fn two_nodes_meet_by_mdns_and_fetch_from_each_other() {
    let one = noded()
        .args(["--mdns", "on"])
        .file("lan.txt", "near")
        .start();
    let two = noded().args(["--mdns", "on"]).start();
    let sources = [met(&one, &two.url), met(&two, &one.url)];
    // Who hears first says hello, and the other may hear of it in that way.
    assert!(sources.contains(&"lan".to_owned()), "{sources:?}");
    let run = ctl(two.home()).args(["fetch", "lan.txt"]).run();
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert_eq!(two.home().read("lan.txt"), Some(b"near".to_vec()));
    two.stop();
    one.stop();
}

#[test]
fn a_node_on_the_loopback_is_not_met_unless_it_says_so() {
    let quiet = noded().start();
    let off = noded().args(["--mdns", "off"]).start();
    let one = noded().args(["--mdns", "on"]).start();
    let two = noded().args(["--mdns", "on"]).start();
    met(&one, &two.url);
    eventually("the second node knows the first", || {
        !peers(&two).is_empty()
    });
    let known: Vec<_> = [&one, &two].into_iter().flat_map(peers).collect();
    for hidden in [&quiet, &off] {
        assert!(peers(hidden).is_empty());
        assert!(known.iter().all(|peer| peer["url"] != hidden.url.as_str()));
    }
    for node in [quiet, off, one, two] {
        node.stop();
    }
}
