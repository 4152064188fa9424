//! Namespace `search`: finding files.
//!
//! A query is answered whole (`search.query`) or, over WebSocket, as hits come
//! (`search.subscribe`).

#[cfg(feature = "rpc")]
use jsonrpsee::{core::SubscriptionResult, proc_macros::rpc};
use schemars::{JsonSchema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use crate::{
    contract::namespace,
    error::ApiError,
    level::Level,
    openrpc::{Method, param},
};

/// Default number of hits in one answer.
pub const LIMIT_DEFAULT: u32 = 100;

/// Default number of hits in one answer that have to come with an [`Excerpt`].
pub const EXCERPTS_DEFAULT: u32 = 10;

/// Greatest number of hits in one answer.
pub const LIMIT_MAX: u32 = 10_000;

/// Greatest number of hits that come one after the other.
pub const STREAM_LIMIT_MAX: u32 = 1_000_000;

/// One answer to a query.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Hit {
    /// Name of the file.
    pub name: String,
    /// Its size in bytes; a chapter peer does not tell it.
    pub size: Option<u64>,
    /// The time of its last change, Unix milliseconds.
    pub modified: Option<u64>,
    /// BLAKE3 digest of its bytes, hex, where the node knows it.
    pub digest: Option<String>,
    /// URL of the node that has it.
    pub node: String,
    /// The name that this node gives itself, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_name: Option<String>,
    /// The handler that found it.
    pub handler: String,
    /// The score that the handler gave it; more is better.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// The place in the file that fits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excerpt: Option<Excerpt>,
}

/// A place in a file.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Excerpt {
    /// The text there: one line without its end, or a few words. As it is in
    /// the file, control characters included.
    pub text: String,
    /// Parts of `text` that fit: begin and end, in bytes of UTF-8.
    pub marks: Vec<(u64, u64)>,
    /// The page or slide of the document, from 1. Lines are counted in the part of a document: on its page, in its sheet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<u64>,
    /// The sheet of the workbook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sheet: Option<String>,
    /// The chapter of the book.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chapter: Option<String>,
    /// Another part of the document: its body, its footnotes, a file in an archive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    /// Number of the line, from 1, if `text` is one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// The start of the first mark in the line, in bytes, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u64>,
    /// Lines before it, if the query wants `context:`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<String>,
    /// Lines behind it, if the query wants `context:`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<String>,
}

impl Excerpt {
    /// Returns the part of the document that the excerpt is in, as it stands before the line: the number of the page, the
    /// name of the sheet, the chapter or the part.
    #[must_use]
    pub fn place(&self) -> Option<String> {
        let page = self.page.map(|page| page.to_string());
        page.or_else(|| self.sheet.clone())
            .or_else(|| self.chapter.clone())
            .or_else(|| self.part.clone())
    }
}

/// The answer of one place that was asked.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct TraceStep {
    /// URL of the node that was asked.
    pub node: String,
    /// The name that this node gives itself, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_name: Option<String>,
    /// URL of the node that named it first; absent for this node and its own
    /// peers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub named_by: Option<String>,
    /// The reason for asking it; absent for this node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<AskedWhy>,
    /// Its distance: 0 for this node, 1 for its peers.
    #[serde(default)]
    pub hops: u32,
    /// The handler that was asked.
    pub handler: String,
    /// The time that it took, in milliseconds.
    pub milliseconds: u64,
    /// Number of hits it gave.
    pub hits: u64,
    /// The end of its answer.
    pub end: SearchEnd,
}

/// Something that the answer of a node does not cover.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct SearchGap {
    /// URL of the node.
    pub node: String,
    /// The file, or the directory with a `/` at its end; absent if it is about many files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The reason of the gap.
    pub reason: GapReason,
}

/// The reason of a gap in an answer.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GapReason {
    /// It has not been read yet.
    Unread,
    /// It cannot be read now, and is tried again.
    Unreadable,
    /// It changes faster than it is read.
    Changing,
    /// It begins as text and goes on in binary.
    Binary,
    /// It has a line that is too long.
    LongLine,
}

/// The reach of a search.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SearchReach {
    /// Only nodes that had it not long ago, or whose summaries say that they have it.
    Quick,
    /// The nodes of `quick`, and then nodes of which nothing decides, while there is not enough.
    #[default]
    Normal,
    /// All nodes that can be reached, those whose summaries say no last; and if nobody has a file of that name, peers of the
    /// chapter, which begin to send it.
    Sure,
}

/// The reason for asking a node.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AskedWhy {
    /// It had this not long ago.
    Pointer,
    /// A summary of it says that it has this.
    Match,
    /// It is a peer, and nothing decides.
    Peer,
    /// Another node named it.
    Referral,
    /// A summary says no, but it may know others.
    Onward,
    /// A summary says no, and all are asked to be sure.
    Sure,
    /// Chapter peers, this one or others behind it, may have a file of the name.
    Query,
}

/// The end of a search, or of a part of it.
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
    /// There were more nodes than a search asks.
    Budget,
}

/// The answer to a query, complete about itself.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct SearchAnswer {
    /// The hits, best first.
    pub hits: Vec<Hit>,
    /// The end of the search.
    pub end: SearchEnd,
    /// Nodes asked, this one included.
    pub asked: u32,
    /// Nodes that answered.
    pub answered: u32,
    /// Nodes that did not answer in time.
    pub timed_out: u32,
    /// Nodes that were heard of and not asked: most because their summaries say that they do not have it.
    #[serde(default)]
    pub passed_over: u32,
    /// Nodes that another one named, that may have it, and that cannot be reached from here. A fetch asks them through
    /// the node that named them.
    #[serde(default)]
    pub unreachable: u32,
    /// True if chapter peers may have a file of that name and were not asked: `sure` asks them.
    #[serde(default)]
    pub left_chapter_out: bool,
    /// The gaps in the answer of this node: the first of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<SearchGap>,
    /// The places that were asked, and the ends of their answers.
    pub trace: Vec<TraceStep>,
}

/// Something of a search that goes on.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SearchNews {
    /// Some hits.
    Hits(Vec<Hit>),
    /// The search is over; without the hits.
    Done(SearchAnswer),
    /// The search failed.
    Failed(ApiError),
}

namespace! {
    /// Finding files.
    "search" => Search {
        /// Finds files of this node and of its peers, up to six hops away. A query is `[handler:]text` with filters;
        /// without a prefix names and texts are searched, names first, and each hit says by `handler` which of them it was.
        ///
        /// `name:` takes an exact name, a glob such as `name:*.txt`, or words; `text:` takes words and "quoted phrases",
        /// `grep:` a regular expression. Filters are `ext:pdf,txt`, `size:>10M`, `after:2026-01-31`, `before:7d`. Hits with
        /// scores come best first, others those of this node first. `reach` says how far the search goes: `quick`, `normal`
        /// (the default) or `sure`.
        ///
        /// `excerpts` says how many hits of `text:`, the best ones of this node, have to come with the line that fits: 10
        /// if it is left out. For the others no file is read, if the index is sure of them.
        Read fn "query" query(query: [String], limit: [Option<u32>], reach: [Option<SearchReach>], excerpts: [Option<u32>]) -> [SearchAnswer];
    }
}

/// Full name of the subscription.
const FOLLOW: &str = "search.subscribe";

/// Hits as they come, over WebSocket. A trait of its own because a
/// subscription cannot be declared through [`namespace!`].
#[cfg(feature = "rpc")]
#[cfg_attr(
    feature = "server",
    rpc(server, client, namespace = "search", namespace_separator = ".")
)]
#[cfg_attr(
    not(feature = "server"),
    rpc(client, namespace = "search", namespace_separator = ".")
)]
pub trait SearchStream {
    /// Sends the hits of `search.query` as they come. The last item is `done` or `failed`.
    #[subscription(name = "subscribe" => "news", unsubscribe = "unsubscribe", item = SearchNews, param_kind = map)]
    async fn follow(
        &self,
        query: String,
        limit: Option<u32>,
        reach: Option<SearchReach>,
    ) -> SubscriptionResult;
}

/// Returns the subscription for the `OpenRPC` document.
pub(crate) fn describe_follow(schemas: &mut SchemaGenerator) -> Vec<Method> {
    vec![Method {
        name: FOLLOW,
        level: Level::Read,
        text: "Sends what `search.query` finds as it comes. The last item is `done` or `failed`.",
        params: vec![
            param::<String>(schemas, "query"),
            param::<Option<u32>>(schemas, "limit"),
            param::<Option<SearchReach>>(schemas, "reach"),
        ],
        result: schemas.subschema_for::<SearchNews>(),
        subscription: true,
    }]
}
