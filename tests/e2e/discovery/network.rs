//! A network of nodes of the distributed hash table, on free ports of the loopback.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddrV4};

use mainline::Dht;

/// The network. It ends when it is dropped.
pub(super) struct Network {
    nodes: Vec<Dht>,
}

impl Network {
    pub(super) fn of(count: usize) -> Network {
        let mut nodes: Vec<Dht> = Vec::new();
        for _ in 0..count {
            let known: Vec<String> = nodes
                .iter()
                .take(3)
                .map(|node| address(node).to_string())
                .collect();
            let mut builder = Dht::builder();
            builder
                .server_mode()
                .bind_address(Ipv4Addr::LOCALHOST)
                .port(0);
            if known.is_empty() {
                builder.no_bootstrap();
            } else {
                builder.bootstrap(&known);
            }
            nodes.push(builder.build().expect("a node of the hash table starts"));
        }
        Network { nodes }
    }

    /// Returns the addresses for a node to begin with.
    pub(super) fn bootstrap(&self) -> String {
        let some: Vec<String> = self
            .nodes
            .iter()
            .take(3)
            .map(|node| address(node).to_string())
            .collect();
        some.join(",")
    }

    /// The ports that were left at a place, 40 hex digits.
    #[expect(
        deprecated,
        reason = "a test has no runtime; the question is answered by a thread of this process"
    )]
    pub(super) fn ports_at(&self, place: &str) -> BTreeSet<u16> {
        let place = place.parse().expect("a place has 40 hex digits");
        let asked = self.nodes.last().expect("the network has nodes");
        let found = asked.get_peers(place).flatten();
        found.map(|address| address.port()).collect()
    }
}

#[expect(
    deprecated,
    reason = "a test has no runtime; the question is answered by a thread of this process"
)]
fn address(node: &Dht) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::LOCALHOST, node.info().local_addr().port())
}
