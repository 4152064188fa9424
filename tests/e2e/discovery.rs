//! Nodes that meet without being told of each other: in the local network, and through a distributed hash table. All of it on the loopback.

mod dht;
mod lan;
mod liars;
mod network;

use std::time::Duration;

use e2e::{NodeProcess, wait_until};
use serde_json::{Value, json};

const TIME: Duration = Duration::from_secs(40);

/// Returns the peers of a node, by `peer.list`.
fn peers(node: &NodeProcess) -> Vec<Value> {
    let list = node.control().must("peer.list", json!({}));
    list.as_array().cloned().unwrap_or_default()
}

/// Waits until `node` has heard an answer of the node at `url`; gives how it learned of it.
fn met(node: &NodeProcess, url: &str) -> String {
    wait_until(&format!("{} meets {url}", node.url), TIME, || {
        let peers = peers(node);
        let up = |peer: &&Value| peer["url"] == url && peer["state"] == "up";
        let peer = peers.iter().find(up);
        let source = peer.and_then(|peer| peer["source"].as_str());
        source
            .map(str::to_owned)
            .ok_or_else(|| format!("{peers:?}"))
    })
}
