//! Namespace `peer`: the other nodes that this node knows.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{contract::namespace, share::ShareFile};

/// A peer as this node sees it.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Peer {
    /// Its URL.
    pub url: String,
    /// The name that it gives itself. Nothing proves it, and others may have the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its proved identity: its ed25519 public key, 64 hex digits.
    #[serde(default)]
    pub id: Option<String>,
    /// The protocol that carries the calls to it.
    #[serde(default)]
    pub path: PeerPath,
    /// The dialect of its answers to `query`, as far as it is known.
    pub dialect: PeerDialect,
    /// The kind of the peer, as far as it is known.
    #[serde(default)]
    pub kind: PeerKind,
    /// The state of the peer.
    pub state: PeerState,
    /// The way in which this node learned of it.
    pub source: PeerSource,
    /// Failures in a row. The third one drops the peer.
    pub failures: u32,
    /// The time of its last answer, Unix milliseconds.
    pub last_answer: Option<u64>,
    /// Time of its answer to the last introduction, in milliseconds.
    #[serde(default)]
    pub latency: Option<u64>,
    /// Bytes a second of the content that it sent lately, if it sent enough to tell.
    #[serde(default)]
    pub rate: Option<u64>,
    /// The error of the last call, while it is failing.
    pub last_error: Option<String>,
    /// A problem between it and this node, and what to do, where this was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<String>,
}

/// A group of nodes that the owner has made, for the policy.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// The ids of its nodes, 64 hex digits each, sorted.
    pub ids: Vec<String>,
}

/// The protocol that carries the calls to a peer.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PeerPath {
    /// TCP in clear.
    #[default]
    Plain,
    /// TLS over TCP, with the key of the peer.
    Tls,
}

impl PeerPath {
    /// Returns its name, as people see it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            PeerPath::Plain => "plain",
            PeerPath::Tls => "tls",
        }
    }
}

/// The kind of a peer.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PeerKind {
    /// It has not answered yet.
    #[default]
    Unknown,
    /// A Sixhop node: it searches, names others and gives digests.
    Sixhop,
    /// A chapter peer: it answers `query` only.
    Chapter,
}

/// The two ways in which peers answer.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PeerDialect {
    /// It has not answered a `hello` yet.
    Unknown,
    /// Values and faults.
    Faults,
    /// Result codes.
    Codes,
}

/// The state of a peer.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PeerState {
    /// Known, but it has not answered yet.
    New,
    /// Its last call was answered.
    Up,
    /// Its last call failed; it is tried again after a pause.
    Failing,
}

/// The way in which a node learned of a peer.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PeerSource {
    /// An option, a configuration file or a file of URLs.
    Settings,
    /// Saved by an earlier run.
    Saved,
    /// The owner, over the control connection.
    Owner,
    /// A `hello` from the network.
    Hello,
    /// Another peer named it.
    Exchange,
    /// Heard of in the local network.
    Lan,
    /// Heard of through the distributed hash table.
    Dht,
    /// It was a peer, could not be reached, and may be there again.
    Lost,
}

namespace! {
    /// The other nodes that this node knows.
    "peer" => Peers {
        /// Lists the known peers, sorted by URL.
        Read fn "list" list() -> [Vec<Peer>];
        /// Adds a peer and introduces this node to it with `hello`.
        ///
        /// A peer that does not answer is kept and tried again; `last_error` says why.
        Admin fn "add" add(url: [String]) -> [Peer];
        /// Forgets a peer. Says whether it was known.
        Admin fn "remove" remove(url: [String]) -> [bool];
        /// Lists the groups of nodes, sorted by name.
        Read fn "groups" groups() -> [Vec<Group>];
        /// Adds nodes to a group, which it makes if it is new. Gives the group.
        ///
        /// A node is an id, an address `sixhop://ID/…`, or the URL of a peer whose id is known. The policy sees the
        /// groups of a node that asks as `q.groups` and `f.groups`, if its connection shows its id.
        Admin fn "group_add" group_add(name: [String], nodes: [Vec<String>]) -> [Group];
        /// Removes nodes from a group, or the whole group if `nodes` is absent. Says whether anything was removed.
        Admin fn "group_remove" group_remove(name: [String], nodes: [Option<Vec<String>>]) -> [bool];
        /// Asks a peer for the files that it shares, in the order of their names, at most `limit` (1000 by default).
        ///
        /// With `folder`, only the file of this name or those of the folder of this name; with `after`, only names behind
        /// this one. Fewer than `limit` are all of them.
        Read fn "files" files(url: [String], limit: [Option<u32>], folder: [Option<String>], after: [Option<String>]) -> [Vec<ShareFile>];
    }
}
