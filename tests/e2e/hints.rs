//! Tests of the advice of a node that others cannot reach, or that cannot use them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use e2e::{Deserted, NodeProcess, wait_until};
use serde_json::json;

use crate::world::{ctl, noded};

fn reach(node: &NodeProcess) -> String {
    let status = node.control().must("node.status", json!({}));
    status["reach"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_wrong_url_is_said_when_nobody_can_call_it() {
    let deserted = Deserted::new();
    let wrong = &deserted.url;
    let node = noded().args(["--url", wrong]).start();
    let honest = noded().start();
    let others = [noded().start(), noded().start()];
    // The peer answers, and says a moment later that it could not call back.
    let said = ctl(node.home()).args(["hello", &others[0].url]).run();
    let said = said.expect_code(0);
    assert!(
        said.stderr.contains("could not call this node back"),
        "{}",
        said.stderr
    );
    assert!(
        said.stderr.contains(wrong) && said.stderr.contains("--url"),
        "{}",
        said.stderr
    );
    assert!(
        reach(&node).contains("could not call this node back"),
        "{}",
        reach(&node)
    );
    let status = ctl(node.home()).args(["status"]).run().expect_code(0);
    assert!(
        status.stdout.contains("could not call this node back"),
        "{}",
        status.stdout
    );
    assert!(
        node.stderr().contains("could not call this node back"),
        "{}",
        node.stderr()
    );
    // A node with the right one hears nothing of it, and at once.
    let said = ctl(honest.home()).args(["hello", &others[1].url]).run();
    let said = said.expect_code(0);
    assert!(
        !said.stderr.contains("call this node back"),
        "{}",
        said.stderr
    );
    assert!(
        !reach(&honest).contains("call this node back"),
        "{}",
        reach(&honest)
    );
    node.stop();
    honest.stop();
    for other in others {
        other.stop();
    }
}

#[test]
fn a_wrong_url_of_a_node_with_peers_is_said_without_being_asked() {
    let other = noded().start();
    let deserted = Deserted::new();
    let wrong = &deserted.url;
    let node = noded().args(["--url", wrong, "--peer", &other.url]).start();
    wait_until("the wrong URL is said", Duration::from_secs(30), || {
        let reach = reach(&node);
        if reach.contains("could not call this node back") {
            Ok(())
        } else {
            Err(reach)
        }
    });
    node.stop();
    other.stop();
}

#[test]
fn a_private_network_is_said_to_a_node_without_its_key() {
    let options = noded().file("a.txt", "of the network");
    let key = options.home().root().join("network-key");
    fs::write(&key, "k".repeat(32)).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let holder = options
        .args(["--network-key-file", &key.display().to_string()])
        .start();
    let node = noded().start();
    let said = ctl(node.home()).args(["hello", &holder.url]).run();
    for word in ["private network", "--network-key-file"] {
        let all = format!("{}{}", said.stdout, said.stderr);
        assert!(all.contains(word), "no {word:?} in {all}");
    }
    let peers = node.control().must("peer.list", json!({})).to_string();
    assert!(peers.contains("private network"), "{peers}");
    assert!(
        node.stderr().contains("private network"),
        "{}",
        node.stderr()
    );
    node.stop();
    holder.stop();
}

#[test]
fn a_loopback_node_says_that_only_this_machine_reaches_it() {
    let node = noded().start();
    assert!(reach(&node).contains("only programs of this machine reach this node"));
    let status = ctl(node.home()).args(["status"]).run().expect_code(0);
    for word in ["only programs of this machine", "--listen", "--url"] {
        assert!(
            status.stdout.contains(word),
            "no {word:?} in {}",
            status.stdout
        );
    }
    node.stop();
    // A node that others reach says nothing of the kind.
    let node = noded().args(["--url", "http://node.example:4242/"]).start();
    assert_eq!(reach(&node), "");
    node.stop();
}
