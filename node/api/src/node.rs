//! Namespace `node`: the node itself.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::contract::namespace;

/// The state of a node.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct NodeStatus {
    /// Version of the program.
    pub version: String,
    /// Version of the control contract, see [`crate::API_VERSION`].
    pub api_version: String,
    /// URL under which peers reach this node.
    pub url: String,
    /// Address on which it listens for peers.
    pub listen: String,
    /// Address of the control connection.
    pub control: String,
    /// The directory it shares.
    pub share: String,
    /// Number of files that it shares, as far as they are known.
    #[serde(default)]
    pub files: u64,
    /// Whether all of them are known; else the directory is still being looked at.
    #[serde(default)]
    pub is_share_known: bool,
    /// Why nothing is shared: the directory is gone or cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share_trouble: Option<String>,
    /// Why not every change of the directory is noticed at once, and what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unwatched: Option<String>,
    /// Process id.
    pub pid: u32,
    /// When it started, Unix milliseconds.
    pub started: u64,
    /// Number of known peers.
    pub peers: u64,
    /// Bytes that cached content takes on the disk.
    #[serde(default)]
    pub cache_bytes: u64,
    /// Names of the handlers that answer queries.
    pub handlers: Vec<String>,
    /// Exact counts since the start, by name, such as `queries_received`.
    pub counters: BTreeMap<String, u64>,
}

namespace! {
    /// The node itself.
    "node" => Node {
        /// Says what this node is and what it has done since it started.
        fn "status" status() -> [NodeStatus];
        /// Ends the node cleanly. The answer comes before the end.
        fn "stop" stop() -> [bool];
    }
}
