//! What a policy is asked about, and how the script sees it.

use std::net::IpAddr;

use rhai::{Dynamic, Map};

/// Longest text of an excerpt that a policy sees, in bytes.
const TEXT_MAX: usize = 4 * 1024;

/// A query of another node.
#[derive(Clone, Debug)]
pub struct QueryAsked {
    /// The handler that is asked: `name` for the name of a file, `digest` for
    /// content by its digest.
    pub handler: String,
    /// What it is asked, filters included.
    pub text: String,
    /// The address that asks.
    pub from: IpAddr,
    /// The URL that the asker says it has; empty if it says none.
    pub peer: String,
}

/// What another node would get.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum What {
    /// The bytes.
    Content,
    /// The name, among the hits of a query, and what the handler says of it.
    Hit,
}

/// A file, and another node that would have it.
#[derive(Clone, Debug)]
pub struct FetchAsked {
    /// Its name in the share; empty for cached content without a name.
    pub name: String,
    /// Its size in bytes, if it is known.
    pub size: Option<u64>,
    /// Its digest, hex, if it is asked for by that; else empty.
    pub digest: String,
    /// The address that asks.
    pub from: IpAddr,
    /// The URL that the asker says it has; empty if it says none.
    pub peer: String,
    /// What it would get.
    pub what: What,
}

/// A hit of a search of the owner.
#[derive(Clone, Debug, Default)]
pub struct RankAsked {
    /// Name of the file.
    pub name: String,
    /// Its size in bytes, if it is known.
    pub size: Option<u64>,
    /// When it was last changed, Unix milliseconds.
    pub modified: Option<u64>,
    /// URL of the node that has it.
    pub node: String,
    /// Whether that is the owner's own node.
    pub here: bool,
    /// Its digest, hex, if it is known; else empty.
    pub digest: String,
    /// The handler that found it.
    pub handler: String,
    /// What the handler gave it, if it gave anything.
    pub score: Option<f64>,
    /// The line or the words that fit; empty if there are none.
    pub text: String,
}

impl QueryAsked {
    pub(super) fn to_map(&self) -> Map {
        map([
            ("handler", self.handler.as_str().into()),
            ("text", self.text.as_str().into()),
            ("from", address(self.from)),
            ("peer", self.peer.as_str().into()),
        ])
    }
}

impl FetchAsked {
    pub(super) fn to_map(&self) -> Map {
        let what = match self.what {
            What::Content => "content",
            What::Hit => "hit",
        };
        map([
            ("name", self.name.as_str().into()),
            ("size", self.size.map_or(Dynamic::UNIT, whole)),
            ("digest", self.digest.as_str().into()),
            ("from", address(self.from)),
            ("peer", self.peer.as_str().into()),
            ("what", what.into()),
        ])
    }
}

impl RankAsked {
    pub(super) fn to_map(&self) -> Map {
        map([
            ("name", self.name.as_str().into()),
            ("size", self.size.map_or(Dynamic::UNIT, whole)),
            ("modified", self.modified.map_or(Dynamic::UNIT, whole)),
            ("node", self.node.as_str().into()),
            ("here", self.here.into()),
            ("digest", self.digest.as_str().into()),
            ("handler", self.handler.as_str().into()),
            ("score", self.score.map_or(Dynamic::UNIT, Dynamic::from)),
            ("text", beginning(&self.text).into()),
        ])
    }
}

fn map<const N: usize>(fields: [(&str, Dynamic); N]) -> Map {
    fields
        .into_iter()
        .map(|(name, value)| (name.into(), value))
        .collect()
}

fn address(from: IpAddr) -> Dynamic {
    from.to_canonical().to_string().into()
}

fn whole(number: u64) -> Dynamic {
    i64::try_from(number).unwrap_or(i64::MAX).into()
}

/// As much of the text as a policy sees.
fn beginning(text: &str) -> &str {
    let mut end = text.len().min(TEXT_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
