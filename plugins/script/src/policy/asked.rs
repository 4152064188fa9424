//! The arguments of a policy, as the script sees them.

use std::net::IpAddr;

use plugin_api::{FetchAsked, QueryAsked, RankAsked, What};
use rhai::{Dynamic, Map};

/// Longest text of an excerpt that a policy sees, in bytes.
const TEXT_MAX: usize = 4 * 1024;

/// An argument of a policy, as a script sees it.
pub(super) trait ToMap {
    /// Returns the fields.
    fn to_map(&self) -> Map;
}

impl ToMap for QueryAsked {
    fn to_map(&self) -> Map {
        map([
            ("handler", self.handler.as_str().into()),
            ("text", self.text.as_str().into()),
            ("from", address(self.from)),
            ("id", self.id.as_str().into()),
            ("groups", groups(&self.groups)),
            ("peer", self.peer.as_str().into()),
        ])
    }
}

impl ToMap for FetchAsked {
    fn to_map(&self) -> Map {
        let what = match self.what {
            What::Content => "content",
            What::Hit => "hit",
        };
        map([
            ("name", self.name.as_str().into()),
            ("size", self.size.map_or(Dynamic::UNIT, whole)),
            ("digest", self.digest.as_str().into()),
            ("from", address(self.from)),
            ("id", self.id.as_str().into()),
            ("groups", groups(&self.groups)),
            ("peer", self.peer.as_str().into()),
            ("what", what.into()),
        ])
    }
}

impl ToMap for RankAsked {
    fn to_map(&self) -> Map {
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

fn groups(names: &[String]) -> Dynamic {
    let names = names.iter().map(|name| name.as_str().into());
    Dynamic::from_array(names.collect())
}

fn address(from: IpAddr) -> Dynamic {
    from.to_canonical().to_string().into()
}

fn whole(number: u64) -> Dynamic {
    i64::try_from(number).unwrap_or(i64::MAX).into()
}

/// Returns as much of the text as a policy sees.
fn beginning(text: &str) -> &str {
    let mut end = text.len().min(TEXT_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
