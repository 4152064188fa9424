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
