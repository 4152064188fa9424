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
    /// The identity of this node: its ed25519 public key, 64 hex digits.
    #[serde(default)]
    pub id: String,
    /// The address by which others meet this node: `sixhop://`, its id, and where it is reached.
    #[serde(default)]
    pub invitation: String,
    /// The name under which people see this node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// True if it is of a private network: it talks to members of that network alone.
    #[serde(default)]
    pub private: bool,
    /// URL under which peers reach this node.
    pub url: String,
    /// The begin of the URLs of links, if there is a port for them (`--web`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub web: Option<String>,
    /// Address on which it listens for peers.
    pub listen: String,
    /// Address of the control connection.
    pub control: String,
    /// The directory it shares.
    pub share: String,
    /// Number of files that it shares, as far as they are known.
    #[serde(default)]
    pub files: u64,
    /// True if all of them are known; else the directory is still being scanned.
    #[serde(default)]
    pub is_share_known: bool,
    /// The reason why nothing is shared: the directory is gone or cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share_trouble: Option<String>,
    /// The reason why not every change of the directory is noticed at once, with advice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unwatched: Option<String>,
    /// A note if some peers cannot reach this node, and what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reach: Option<String>,
    /// Entries of the directory that are not shared because of their name or kind; `share.skipped` lists them.
    #[serde(default)]
    pub skipped: u64,
    /// The errors in the ignore files, a sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignore_troubles: Vec<String>,
    /// Entries of the directory that cannot be read now, and are tried again: the first of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<UnreadableEntry>,
    /// Process id.
    pub pid: u32,
    /// The time of its start, Unix milliseconds.
    pub started: u64,
    /// The limits that the system keeps the process to.
    #[serde(default)]
    pub sandbox: SandboxStatus,
    /// Number of known peers.
    pub peers: u64,
    /// Number of the peers that have answered, by the protocol that carries the calls to them: `plain`, `tls`.
    #[serde(default)]
    pub peer_paths: BTreeMap<String, u64>,
    /// Bytes that cached content takes on the disk.
    #[serde(default)]
    pub cache_bytes: u64,
    /// The state of the index of contents.
    #[serde(default)]
    pub index: Option<IndexStatus>,
    /// Names of the handlers that answer queries.
    pub handlers: Vec<String>,
    /// Exact counts since the start, by name, such as `queries_received`.
    pub counters: BTreeMap<String, u64>,
}

/// The limits that the system keeps a node and its programs to.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct SandboxStatus {
    /// System calls: those that only somebody who has broken in would make fail.
    pub calls: LayerState,
    /// Files: only those that the settings name can be opened.
    pub files: LayerState,
}

/// The state of a layer of the sandbox.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum LayerState {
    /// It is.
    Held,
    /// It is not wanted.
    #[default]
    Off,
    /// It is wanted, and the system does not give it.
    Unavailable {
        /// Why not.
        reason: String,
    },
}

/// Something in the shared directory that cannot be read.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct UnreadableEntry {
    /// Its path inside the share; a directory has a `/` at its end.
    pub name: String,
    /// The reason, as the system says it.
    pub reason: String,
}

/// The state of the index of contents.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct IndexStatus {
    /// Files in it.
    pub files: u64,
    /// Files that are new or changed and wait to be read.
    pub waiting: u64,
    /// True if it has all files as they are. Otherwise queries read the
    /// other files, or say that their answer is partial.
    pub complete: bool,
    /// Files that were read since the start.
    pub read: u64,
    /// Bytes that it takes on the disk.
    pub bytes: u64,
    /// The last error.
    #[serde(default)]
    pub error: Option<String>,
    /// The documents among the files, if their text is read.
    #[serde(default)]
    pub documents: Option<DocumentsStatus>,
}

/// The progress of reading the text of documents.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct DocumentsStatus {
    /// Documents whose text is known.
    pub read: u64,
    /// Documents that wait to be read.
    pub waiting: u64,
    /// Documents among those that were read and that have no text, such as scanned pages.
    pub without_text: u64,
    /// Documents that cannot be read until they change; `share.skipped` names them, with the reason.
    pub unreadable: u64,
    /// Bytes of text that are kept.
    pub bytes: u64,
    /// The reason why no document can be read now.
    #[serde(default)]
    pub error: Option<String>,
}

/// The state of something that a node needs.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckState {
    /// As it should be.
    Ok,
    /// It works, and not as well as it could.
    Warning,
    /// It does not work.
    Failed,
}

/// Something that a node needs, and how it is.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Check {
    /// One word for it: `share`, `space`, `clock`.
    pub name: String,
    /// Its state.
    pub state: CheckState,
    /// The finding.
    pub text: String,
    /// Advice on what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

namespace! {
    /// The node itself.
    "node" => Node {
        /// Gives the status of this node and its counts since its start.
        Read fn "status" status() -> [NodeStatus];
        /// Checks what the node needs: share, watching, index, files, space, clock, ports, reach, peers; says of each what
        /// to do.
        Read fn "doctor" doctor() -> [Vec<Check>];
        /// Says what is logged, after changing it to `levels` if that is given: a level (error, warn, info, debug, trace),
        /// or target=level, several with commas. An empty text is the default. It holds until the node ends.
        Admin fn "log_level" log_level(levels: [Option<String>]) -> [String];
        /// Makes a new secret and writes it to the state directory. The old one is refused from then on, and
        /// connections that were opened with it end within a second, this one too.
        Admin fn "renew_secret" renew_secret() -> [bool];
        /// Ends the node cleanly. The answer comes before the end.
        Admin fn "stop" stop() -> [bool];
    }
}
