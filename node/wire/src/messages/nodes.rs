//! The member `nodes`: the ids of peers that an answer names.
//!
//! Beside the URLs of peers an answer may say which nodes are there, so that a caller that has
//! not met them speaks TLS to them from the first byte on.
//!
//! # Invariants
//! - It is a hint: entries that cannot be read, and those beyond the limit, are passed over.

use std::collections::BTreeMap;

use super::find::Members;
use crate::limits::{FIND_PEERS_MAX, URL_MAX};
use crate::node_id::NodeId;
use crate::peer_url::PeerUrl;
use crate::value::Value;

/// Name of the member.
const NODES: &str = "nodes";

/// The ids of the nodes at the URLs of peers, by host and port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nodes(BTreeMap<String, NodeId>);

impl Nodes {
    /// Adds the node at a URL, as long as there is room.
    pub fn add(&mut self, url: &PeerUrl, id: NodeId) {
        if self.0.len() < FIND_PEERS_MAX {
            self.0.insert(url.host_key(), id);
        }
    }

    /// Returns the node that is said to be at a URL.
    #[must_use]
    pub fn at(&self, url: &PeerUrl) -> Option<NodeId> {
        self.0.get(&url.host_key()).copied()
    }

    /// Reads the member of an answer.
    pub(super) fn read(members: &Members) -> Nodes {
        let Some(Value::Array(nodes)) = members.get(NODES) else {
            return Nodes::default();
        };
        let node = |value: &Value| {
            let Value::Struct(node) = value else {
                return None;
            };
            let at = node.get("at")?.as_str().filter(|at| at.len() <= URL_MAX)?;
            let url = PeerUrl::parse(&format!("http://{at}/")).ok()?;
            Some((url.host_key(), node.get("id")?.as_str()?.parse().ok()?))
        };
        let nodes = nodes.iter().take(FIND_PEERS_MAX);
        Nodes(nodes.filter_map(node).collect())
    }

    /// Writes the member of an answer; nothing if no node is known.
    pub(super) fn write(&self, members: &mut Members) {
        if self.0.is_empty() {
            return;
        }
        let node = |(at, id): (&String, &NodeId)| {
            Value::Struct(BTreeMap::from([
                ("at".to_owned(), at.as_str().into()),
                ("id".to_owned(), id.to_string().into()),
            ]))
        };
        let nodes = self.0.iter().map(node).collect();
        members.insert(NODES.to_owned(), Value::Array(nodes));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn url(text: &str) -> PeerUrl {
        PeerUrl::parse(text).unwrap()
    }

    #[test]
    fn entries_that_cannot_be_read_are_passed_over() {
        let entry = |at: &str, id: &str| {
            Value::Struct(BTreeMap::from([
                ("at".to_owned(), at.into()),
                ("id".to_owned(), id.into()),
            ]))
        };
        let id = "ab".repeat(32);
        let list = vec![
            entry("nas:4242", &id),
            entry("nas:1/x?y", &id),
            entry("", &id),
            entry("other:1", "ab"),
            Value::Int(1),
        ];
        let members = Members::from([(NODES.to_owned(), Value::Array(list))]);
        let nodes = Nodes::read(&members);
        assert_eq!(
            nodes.at(&url("http://nas:4242/RPC2")),
            Some(NodeId([0xab; 32]))
        );
        assert_eq!(nodes.0.len(), 1);
        let wrong = Members::from([(NODES.to_owned(), Value::Int(1))]);
        assert_eq!(Nodes::read(&wrong), Nodes::default());
    }

    proptest! {
        #[test]
        fn nodes_read_back(
            named in prop::collection::btree_map("[a-z]{1,9}", any::<[u8; 32]>(), 0..70),
        ) {
            let mut nodes = Nodes::default();
            for (host, id) in &named {
                nodes.add(&url(&format!("http://{host}:4242/")), NodeId(*id));
            }
            prop_assert!(nodes.0.len() <= FIND_PEERS_MAX);
            let mut members = Members::new();
            nodes.write(&mut members);
            prop_assert_eq!(Nodes::read(&members), nodes);
        }
    }
}
