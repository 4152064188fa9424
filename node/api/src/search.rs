//! Namespace `search`: finding files.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::contract::namespace;

/// Default number of hits in one answer.
pub const LIMIT_DEFAULT: u32 = 100;

/// Greatest number of hits in one answer.
pub const LIMIT_MAX: u32 = 10_000;

/// One answer to a query.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Hit {
    /// Name of the file.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// When it was last changed, Unix milliseconds.
    pub modified: Option<u64>,
    /// BLAKE3 digest of its bytes, hex, where the node knows it.
    pub digest: Option<String>,
    /// URL of the node that has it.
    pub node: String,
    /// The handler that found it.
    pub handler: String,
}

/// What became of one place that was asked.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct TraceStep {
    /// URL of the node that was asked.
    pub node: String,
    /// The handler that was asked.
    pub handler: String,
    /// How long it took, in milliseconds.
    pub milliseconds: u64,
    /// Number of hits it gave.
    pub hits: u64,
    /// How it ended.
    pub end: SearchEnd,
}

/// How a search, or a part of it, ended.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SearchEnd {
    /// Everything there is was looked at.
    Complete,
    /// The wanted number of hits was reached.
    Limit,
    /// The deadline passed.
    Deadline,
    /// It failed.
    Failed,
    /// A node could not look at everything, or not yet: it reads its files
    /// still.
    Partial,
}

/// The answer to a query, complete about itself.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct SearchAnswer {
    /// The hits, best first.
    pub hits: Vec<Hit>,
    /// How the search ended.
    pub end: SearchEnd,
    /// Nodes asked, this one included.
    pub asked: u32,
    /// Nodes that answered.
    pub answered: u32,
    /// Nodes that did not answer in time.
    pub timed_out: u32,
    /// Who was asked and how it ended.
    pub trace: Vec<TraceStep>,
}

namespace! {
    /// Finding files.
    "search" => Search {
        /// Finds files of this node and of its peers, up to six hops away. A query is `[handler:]text`; without a prefix
        /// it is `name:`.
        ///
        /// `name:` takes an exact name, a glob such as `name:*.txt`, or words. The hits of this node come first.
        fn "query" query(query: [String], limit: [Option<u32>]) -> [SearchAnswer];
    }
}
