//! Namespace `fetch`: bringing files into the share.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{contract::namespace, error::ApiError, peer::PeerPath};

/// Longest time that `fetch.wait` waits, in seconds.
pub const WAIT_SECONDS_MAX: u32 = 20;

/// A fetch and how far it is.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct FetchStatus {
    /// Number of this fetch. The node never uses it again, not even after a restart.
    pub id: u64,
    /// The name that is fetched.
    pub name: String,
    /// Its state.
    pub state: FetchState,
    /// Bytes that are here so far; checked, if there is a digest.
    pub bytes: u64,
    /// Size of the file, once it is known.
    #[serde(default)]
    pub size: Option<u64>,
    /// Its digest, if every byte is checked against it. Content of a peer that gives no digests has none.
    #[serde(default)]
    pub digest: Option<String>,
    /// The peers that delivered something.
    #[serde(default)]
    pub holders: Vec<String>,
    /// Bytes a second, lately.
    #[serde(default)]
    pub rate: u64,
    /// The peer that delivers or delivered it.
    pub peer: Option<String>,
    /// The protocol that carries the calls to this peer.
    #[serde(default)]
    pub path: Option<PeerPath>,
    /// Peers asked so far.
    pub asked: u32,
    /// The time of its start, Unix milliseconds.
    pub started: u64,
    /// The time of its end, Unix milliseconds.
    pub ended: Option<u64>,
    /// The error, if it failed.
    pub error: Option<ApiError>,
    /// The bytes that are kept of it, if it ended without the file. The next fetch of the name or digest uses them.
    #[serde(default)]
    pub kept: Option<FetchKept>,
}

/// The bytes that are kept of a fetch that ended without the file.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct FetchKept {
    /// Checked bytes.
    pub bytes: u64,
    /// The time when they are removed, Unix milliseconds.
    pub until: u64,
}

/// A fetch of all files that match a query, and how far it is.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct FetchBatch {
    /// Number of this batch. The node never uses it again, not even after a restart.
    pub id: u64,
    /// The query that the files match.
    pub query: String,
    /// True if other batches are before it.
    #[serde(default)]
    pub queued: bool,
    /// True if nothing more will happen.
    pub over: bool,
    /// True if it was cancelled.
    pub cancelled: bool,
    /// Files found so far.
    pub found: u64,
    /// Their sizes together, in bytes.
    pub size: u64,
    /// Files fetched so far.
    pub done: u64,
    /// Their sizes together, in bytes.
    pub bytes: u64,
    /// Files that were in the share already.
    pub existing: u64,
    /// Files that were not fetched.
    pub failed: u64,
    /// The errors of the first of them.
    pub failures: Vec<FetchFailure>,
    /// True if more files match than one batch takes.
    pub truncated: bool,
    /// Peers asked so far.
    pub asked: u32,
    /// Nodes that may have such files and cannot be reached from here. Their files come through those who named them,
    /// if these pass them on.
    #[serde(default)]
    pub unreachable: u32,
    /// The time of its start, Unix milliseconds.
    pub started: u64,
    /// The time of its end, Unix milliseconds.
    pub ended: Option<u64>,
}

/// The meaning of a text that was typed in place of the name of a file.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct FetchPlan {
    /// The names of the files. For a query they are here only if it was expanded.
    #[serde(default)]
    pub names: Vec<String>,
    /// The query, if all files are meant that match one.
    #[serde(default)]
    pub query: Option<String>,
    /// True if more files match the query than were named.
    #[serde(default)]
    pub truncated: bool,
    /// The digest, if content is meant, whatever its name.
    #[serde(default)]
    pub digest: Option<String>,
    /// The peer that has this content, if this node does not and was asked to look for it. The peer port of this node
    /// passes it on: `GET /blobs/DIGEST` with this URL in the header `sixhop-through`.
    #[serde(default)]
    pub through: Option<String>,
}

/// A file that was not fetched.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct FetchFailure {
    /// Its name.
    pub name: String,
    /// The error.
    pub error: ApiError,
}

/// The state of a fetch.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FetchState {
    /// Other fetches are before it.
    Queued,
    /// Peers are being asked.
    Searching,
    /// A peer delivers it.
    Receiving,
    /// Its holders are away; it goes on when one is back.
    Waiting,
    /// All of it is here and is put into the share. This cannot be cancelled.
    Committing,
    /// It is in the share.
    Done,
    /// It ended without the file; `error` says why.
    Failed,
    /// It was cancelled.
    Cancelled,
}

impl FetchState {
    /// Returns true if nothing more will happen.
    #[must_use]
    pub fn is_over(self) -> bool {
        matches!(
            self,
            FetchState::Done | FetchState::Failed | FetchState::Cancelled
        )
    }
}

namespace! {
    /// Bringing files into the share.
    "fetch" => Fetch {
        /// Starts to find the file `name` among the peers and to store it in the share.
        ///
        /// Fails with `exists` when the share has it already, unless `replace` is true, which needs the level `admin`.
        /// A second fetch of a name that is on its way joins the first one and has its number; each start is one
        /// interest in it, see `fetch.cancel`. With a `digest` it takes this content and no other, whatever the peers
        /// call it, and joins only a fetch of the same digest.
        /// Bytes that an earlier fetch of the name or digest received are taken up.
        Fetch fn "start" start(name: [String], replace: [Option<bool>], digest: [Option<String>]) -> [FetchStatus];
        /// Says what a text means that was typed as the `name` of a file to fetch.
        ///
        /// A file of exactly this name comes first, here and at the peers, then those whose last part it is. Only if there
        /// is neither, a text with `*`, `?`, `[` or `{`, a `/` at its end, a prefix or a filter is a query. A text in
        /// quotes is always a name; `blake3:` and a digest is content. With `expand` the files that match the query are
        /// named too, at most 10,000, and content is looked for: it is here, or `through` says who has it.
        Read fn "resolve" resolve(name: [String], expand: [Option<bool>]) -> [FetchPlan];
        /// Waits until a fetch is over, at most `seconds` (10 by default), and says how far it is.
        Read fn "wait" wait(id: [u64], seconds: [Option<u32>]) -> [FetchStatus];
        /// Gives the pass with which a program of the owner asks this node's peer port for one file, past the share.
        ///
        /// In a private network it is the value of the header `sixhop-pass` for a POST to `/RPC2` that is
        /// `query(name, [])`, or for a GET of `/blobs/DIGEST` if the name is `blake3:DIGEST`, or with `tree` of
        /// `/blobs/DIGEST/tree`. It is good once, on this machine, for that request alone; docs/protocol/identity.md
        /// has the bytes. Otherwise nothing is needed.
        Read fn "pass" pass(name: [String], tree: [Option<bool>]) -> [Option<String>];
        /// Lists the fetches that run and the last ones that ended.
        Read fn "list" list() -> [Vec<FetchStatus>];
        /// Gives up one interest in a fetch, and stops it if that was the last one, or for `everybody`.
        ///
        /// Bytes received of content with a digest are kept for a day, see `kept` and `fetch.drop`.
        Fetch fn "cancel" cancel(id: [u64], everybody: [Option<bool>]) -> [FetchStatus];
        /// Stops a fetch for everybody and removes the bytes that are kept of it.
        ///
        /// Takes the `id` of a fetch, or a `name`: that of a file, or `blake3:` and a digest. Answers with the fetches
        /// that were stopped or of which something was removed; fails with `not_found` if there are none.
        Fetch fn "drop" drop_kept(id: [Option<u64>], name: [Option<String>]) -> [Vec<FetchStatus>];
        /// Starts to fetch every file of the peers that matches `query`, such as `name:photos/**`.
        ///
        /// Files that the share has already are left as they are, unless `replace` is true, which needs the level `admin`.
        Fetch fn "start_matching" start_matching(query: [String], replace: [Option<bool>]) -> [FetchBatch];
        /// Waits until such a fetch is over, at most `seconds` (10 by default), and says how far it is.
        Read fn "wait_matching" wait_matching(id: [u64], seconds: [Option<u32>]) -> [FetchBatch];
        /// Lists such fetches, those that run and the last ones that ended.
        Read fn "list_matching" list_matching() -> [Vec<FetchBatch>];
        /// Stops such a fetch. What it has fetched stays.
        Fetch fn "cancel_matching" cancel_matching(id: [u64]) -> [FetchBatch];
    }
}
