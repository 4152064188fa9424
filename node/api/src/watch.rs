//! Namespace `watch`: queries that stand.
//!
//! The node keeps a watch until it is removed, over restarts, and tells of each content once, by its digest.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{contract::namespace, search::Hit};

/// Most watches of a node.
pub const WATCHES_MAX: usize = 64;

/// Default number of matches in one answer.
pub const LIMIT_DEFAULT: u32 = 100;

/// Greatest number of matches in one answer.
pub const LIMIT_MAX: u32 = 1_000;

/// Longest time that `watch.next` waits, in seconds.
pub const WAIT_SECONDS_MAX: u32 = 20;

/// A query that stands.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Watch {
    /// Its number. The node never uses it again.
    pub id: u64,
    /// The query.
    pub query: String,
    /// True if files that a node has when it is first asked are not told.
    pub new_only: bool,
    /// True if the node fetches what matches.
    pub fetches: bool,
    /// The time when it was added, Unix milliseconds.
    pub created: u64,
    /// Number of the last match, which is how many there were.
    pub matches: u64,
    /// Matches that were not taken yet. At 4096 the nodes are not asked until some are taken.
    pub waiting: u64,
    /// True if it has told of so many contents that it can tell of no more.
    pub full: bool,
    /// The nodes that are asked.
    pub holders: Vec<WatchHolder>,
    /// Known peers that are not asked: those of the chapter, which cannot answer a query, and those beyond the number
    /// that a watch reaches.
    pub left_out: u32,
}

/// A node that a watch asks.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct WatchHolder {
    /// Its URL.
    pub node: String,
    /// The name that it gives itself, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_name: Option<String>,
    /// How it tells of matches.
    pub state: WatchState,
    /// The pause before it is asked again, in seconds, where it is asked again and again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<u64>,
    /// The last error, or the reason why it is not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// The way in which a node tells of matches.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WatchState {
    /// It holds the watch, and tells at once.
    Held,
    /// It cannot hold a watch, and is asked again and again.
    Asked,
    /// It does not answer now, and is asked again.
    Failing,
    /// It told of too much that is not true, and is not asked any more.
    Dropped,
}

/// A content that matches a watch.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct WatchMatch {
    /// Its number in the watch, one more than that of the match before.
    pub number: u64,
    /// The time when it was heard of, Unix milliseconds.
    pub time: u64,
    /// The file.
    #[serde(flatten)]
    pub hit: Hit,
}

/// Some matches of a watch.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct WatchMatches {
    /// The matches, oldest first.
    pub matches: Vec<WatchMatch>,
    /// True if the watch can tell of no more.
    pub full: bool,
}

namespace! {
    /// Queries that stand.
    "watch" => Watches {
        /// Has a query stand. A query that stands already is given as it is.
        ///
        /// This node and its peers tell of files that match, now and as they come. With `new_only`, what a node has when
        /// it is first asked is not told.
        Read fn "add" add(query: [String], new_only: [Option<bool>]) -> [Watch];
        /// Has the node fetch what a watch finds into its share, under the name that the holder gives it, or stop to. A
        /// file that is there already is never replaced.
        Fetch fn "fetch" fetch(id: [u64], on: [bool]) -> [Watch];
        /// Lists the watches, each with the nodes that are asked.
        Read fn "list" list() -> [Vec<Watch>];
        /// Answers with the next matches of a watch, at most `limit` (100), as soon as there are any, and waits for that at
        /// most `seconds` (0, up to 20).
        ///
        /// `after` is the number of the last match that its reader has taken: up to there the node forgets them. Without
        /// it the answer goes on where the last reader stopped.
        Read fn "next" next(id: [u64], after: [Option<u64>], limit: [Option<u32>], seconds: [Option<u32>]) -> [WatchMatches];
        /// Ends a watch and forgets what it told. Says whether there was one. One that fetches has to stop that first, by
        /// `watch.fetch`.
        Read fn "remove" remove(id: [u64]) -> [bool];
    }
}
