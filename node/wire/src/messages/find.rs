//! `sixhop.find`: the files of a node, and peers that may know more.
//!
//! # Invariants
//! - Members that are not known are passed over, so that either side may learn
//!   more without the other.
//! - An answer is as hostile as any: hits beyond their limit, and hits without
//!   a name, a size or with an invalid digest, make it invalid. Peers beyond
//!   their limit are left out, and one that is no text names nobody.
//!
//! # Two ways to ask
//! Without a deadline, the hits come in the order of their names, a page behind
//! a name: for who wants all of them. With one, they come as the handler gives
//! them, best first, with what it knows of each; what is not there in time, or
//! does not fit a page, is had with [`More`].

mod excerpt;
mod hit;
mod more;

use std::collections::BTreeMap;

use super::{Nodes, call, claimed_name, text};
use crate::digest::Digest;
use crate::fault::Fault;
use crate::limits::{
    CURSOR_MAX, FIND_HITS_MAX, FIND_PEERS_MAX, FIND_QUERY_MAX, FIND_WAIT_MAX, NAME_MAX,
    SEARCH_HITS_MAX, URL_MAX,
};
use crate::methods::FIND;
use crate::node_name::NodeName;
use crate::request::MethodCall;
use crate::value::Value;

pub use excerpt::{FindExcerpt, FindPlace};
pub use hit::FindHit;
#[cfg(test)]
pub(super) use hit::tests::any_hit;
pub use more::More;

/// `sixhop.find(struct)`: a node asks another one for its files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Find {
    /// The aim of the search.
    pub wanted: FindWanted,
    /// Only names behind this one, in the order of their bytes.
    pub after: Option<String>,
    /// Most hits wanted; at most [`FIND_HITS_MAX`], or with a deadline
    /// [`SEARCH_HITS_MAX`] on all pages together.
    pub limit: usize,
    /// For a query, best hits first: how long to wait for the first page, in
    /// milliseconds, at most [`FIND_WAIT_MAX`].
    pub deadline: Option<u32>,
    /// The holder that the peer is to ask, instead of answering for itself: its URL; as sent, unchecked.
    pub through: Option<String>,
}

/// The aim of a search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FindWanted {
    /// The file of this name; as sent, unchecked.
    Name(String),
    /// Any file with this content.
    Digest(Digest),
    /// Files that match a query; as sent, unchecked.
    Query(String),
}

/// The answer of a node to [`Find`] and to [`More`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// The name that the node gives itself.
    pub name: Option<NodeName>,
    /// The hits of the node itself.
    pub hits: Vec<FindHit>,
    /// True if there are hits behind the last one.
    pub more: bool,
    /// Sixhop nodes that may know more; as sent, unchecked.
    pub peers: Vec<String>,
    /// The ids of these, as far as the node knows them.
    pub nodes: Nodes,
    /// The number of these, from the first, that are said to have it.
    pub matching: usize,
    /// Number of its peers of other kinds.
    pub others: usize,
    /// The cursor with which [`More`] asks for the rest of a search, if there is a rest.
    pub cursor: Option<String>,
    /// The end of the search, as far as it has ended.
    pub end: FoundEnd,
    /// The holder that answers, if it was asked through the peer; as sent, unchecked.
    pub through: Option<String>,
}

/// The end of the search of one node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FoundEnd {
    /// Everything was looked at, or will be: there is a cursor.
    #[default]
    Complete,
    /// There are more hits than the limit.
    Limit,
    /// There was no more time.
    Deadline,
    /// Not everything could be looked at, or not yet.
    Partial,
}

/// Hits that are wanted when the caller names no limit.
const LIMIT: usize = 100;

/// Up to here every whole number is a double.
const EXACT_MAX: u64 = 1 << f64::MANTISSA_DIGITS;

impl Find {
    /// Reads the parameters of a call.
    ///
    /// # Errors
    /// Fault -32602.
    pub fn from_params(params: &[Value]) -> Result<Self, Fault> {
        let [Value::Struct(members)] = params else {
            return Err(Fault::invalid_params("sixhop.find takes one struct"));
        };
        let deadline = read_wait(members, "deadline")?;
        Ok(Self {
            wanted: read_wanted(members)?,
            after: bounded(members, "after", NAME_MAX)?,
            limit: match deadline {
                None => read_limit(members, FIND_HITS_MAX)?,
                Some(_) => read_limit(members, SEARCH_HITS_MAX)?,
            },
            deadline,
            through: bounded(members, "through", URL_MAX)?,
        })
    }

    /// Returns the XML-RPC call of this message.
    #[must_use]
    pub fn to_call(&self) -> MethodCall {
        let (key, wanted) = match &self.wanted {
            FindWanted::Name(name) => ("name", name.clone()),
            FindWanted::Digest(digest) => ("digest", digest.to_hex()),
            FindWanted::Query(query) => ("query", query.clone()),
        };
        let mut members = BTreeMap::from([(key.to_owned(), Value::String(wanted))]);
        if let Some(after) = &self.after {
            members.insert("after".to_owned(), Value::String(after.clone()));
        }
        members.insert("limit".to_owned(), number(self.limit as u64));
        if let Some(deadline) = self.deadline {
            members.insert("deadline".to_owned(), number(deadline.into()));
        }
        if let Some(through) = &self.through {
            members.insert("through".to_owned(), Value::String(through.clone()));
        }
        call(FIND, vec![Value::Struct(members)])
    }
}

impl Found {
    /// Reads the value of an answer. `None` if it is not an answer to a find.
    #[must_use]
    pub fn from_value(value: &Value) -> Option<Self> {
        let Value::Struct(members) = value else {
            return None;
        };
        let hits = array(members, "hits", FIND_HITS_MAX)?;
        // A referral that cannot be read does not spoil the hits. It keeps its place: `matching` and `nodes` count places.
        let peers = match members.get("peers") {
            Some(Value::Array(peers)) => peers.as_slice(),
            _ => &[],
        };
        Some(Self {
            name: claimed_name(members),
            hits: hits
                .iter()
                .map(FindHit::from_value)
                .collect::<Option<_>>()?,
            more: matches!(members.get("more"), Some(Value::Bool(true))),
            peers: peers
                .iter()
                .take(FIND_PEERS_MAX)
                .map(|peer| text(peer, "").unwrap_or_default())
                .collect(),
            nodes: Nodes::read(members),
            matching: members
                .get("matching")
                .and_then(read_number)
                .map_or(0, saturated),
            others: members
                .get("others")
                .and_then(read_number)
                .map_or(0, saturated),
            cursor: match members.get("cursor") {
                None => None,
                Some(cursor) => Some(
                    text(cursor, "")
                        .ok()
                        .filter(|cursor| cursor.len() <= CURSOR_MAX)?,
                ),
            },
            end: members
                .get("end")
                .map_or(FoundEnd::Complete, FoundEnd::read),
            through: members
                .get("through")
                .and_then(|url| text(url, "").ok())
                .filter(|url| url.len() <= URL_MAX),
        })
    }

    /// Returns the answer as a value.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let hits = self.hits.iter().map(FindHit::to_value).collect();
        let peers = self.peers.iter().map(|peer| peer.as_str().into()).collect();
        let mut members = BTreeMap::from([
            ("hits".to_owned(), Value::Array(hits)),
            ("more".to_owned(), Value::Bool(self.more)),
            ("peers".to_owned(), Value::Array(peers)),
            ("others".to_owned(), number(self.others as u64)),
            ("matching".to_owned(), number(self.matching as u64)),
            ("end".to_owned(), self.end.word().into()),
        ]);
        self.nodes.write(&mut members);
        if let Some(name) = &self.name {
            members.insert("name".to_owned(), name.as_str().into());
        }
        if let Some(cursor) = &self.cursor {
            members.insert("cursor".to_owned(), cursor.as_str().into());
        }
        if let Some(through) = &self.through {
            members.insert("through".to_owned(), through.as_str().into());
        }
        Value::Struct(members)
    }
}

impl FoundEnd {
    pub(super) fn word(self) -> &'static str {
        match self {
            FoundEnd::Complete => "complete",
            FoundEnd::Limit => "limit",
            FoundEnd::Deadline => "deadline",
            FoundEnd::Partial => "partial",
        }
    }

    /// Reads the end; a word that is not known is no promise that all was looked at.
    pub(super) fn read(value: &Value) -> FoundEnd {
        match value.as_str() {
            Some("complete") => FoundEnd::Complete,
            Some("limit") => FoundEnd::Limit,
            Some("deadline") => FoundEnd::Deadline,
            _ => FoundEnd::Partial,
        }
    }
}

pub(super) type Members = BTreeMap<String, Value>;

fn read_wanted(members: &Members) -> Result<FindWanted, Fault> {
    let name = bounded(members, "name", NAME_MAX)?.map(FindWanted::Name);
    let query = bounded(members, "query", FIND_QUERY_MAX)?.map(FindWanted::Query);
    let digest = bounded(members, "digest", FIND_QUERY_MAX)?
        .map(|hex| Digest::from_hex(&hex).map(FindWanted::Digest))
        .transpose()
        .map_err(|error| Fault::invalid_params(&error.to_string()))?;
    match (name, digest, query) {
        (Some(wanted), None, None) | (None, Some(wanted), None) | (None, None, Some(wanted)) => {
            Ok(wanted)
        }
        _ => Err(Fault::invalid_params(
            "sixhop.find takes one of `name`, `digest` and `query`",
        )),
    }
}

fn read_limit(members: &Members, most: usize) -> Result<usize, Fault> {
    match members.get("limit") {
        None => Ok(LIMIT),
        Some(value) => read_number(value)
            .map(|limit| saturated(limit).min(most))
            .ok_or_else(|| Fault::invalid_params("The limit is no number")),
    }
}

pub(super) fn bounded(members: &Members, key: &str, most: usize) -> Result<Option<String>, Fault> {
    let Some(value) = members.get(key) else {
        return Ok(None);
    };
    let text = text(value, &format!("`{key}` is not a string"))?;
    if text.len() > most {
        return Err(Fault::invalid_params(&format!(
            "`{key}` is longer than {most} bytes"
        )));
    }
    Ok(Some(text))
}

pub(super) fn array<'a>(members: &'a Members, key: &str, most: usize) -> Option<&'a [Value]> {
    match members.get(key) {
        None => Some(&[]),
        Some(Value::Array(items)) if items.len() <= most => Some(items),
        Some(_) => None,
    }
}

fn read_wait(members: &Members, key: &str) -> Result<Option<u32>, Fault> {
    let Some(value) = members.get(key) else {
        return Ok(None);
    };
    let wait = read_number(value)
        .ok_or_else(|| Fault::invalid_params(&format!("`{key}` is no number of milliseconds")))?;
    Ok(Some(
        u32::try_from(wait).unwrap_or(u32::MAX).min(FIND_WAIT_MAX),
    ))
}

pub(super) fn read_number(value: &Value) -> Option<u64> {
    match value {
        Value::Int(number) => u64::try_from(*number).ok(),
        Value::Int64(number) => u64::try_from(*number).ok(),
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is whole and not negative, and such a double has at most 53 bits"
        )]
        Value::Double(number)
            if (0.0..=EXACT_MAX as f64).contains(number) && number.fract() == 0.0 =>
        {
            Some(*number as u64)
        }
        _ => None,
    }
}

/// Returns a number as every XML-RPC library reads it: `int` if it fits, otherwise a double,
/// which many read that do not know `i8`.
pub(super) fn number(number: u64) -> Value {
    match i32::try_from(number) {
        Ok(number) => Value::Int(number),
        #[expect(clippy::cast_precision_loss, reason = "it is exact up to there")]
        Err(_) if number <= EXACT_MAX => Value::Double(number as f64),
        Err(_) => Value::Int64(i64::try_from(number).unwrap_or(i64::MAX)),
    }
}

pub(super) fn saturated(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::INVALID_PARAMS;
    use proptest::prelude::*;

    fn find(members: &[(&str, Value)]) -> Result<Find, Fault> {
        let members = members
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.clone()));
        Find::from_params(&[Value::Struct(members.collect())])
    }

    #[test]
    fn exactly_one_thing_is_looked_for() {
        let digest = Value::from("0".repeat(64));
        assert!(find(&[("name", "a".into())]).is_ok());
        assert!(find(&[("digest", digest.clone()), ("new", Value::Nil)]).is_ok());
        for wrong in [
            find(&[]),
            find(&[("name", "a".into()), ("digest", digest)]),
            find(&[("name", Value::Int(1))]),
            find(&[("digest", "12".into())]),
            find(&[("query", "x".repeat(FIND_QUERY_MAX + 1).into())]),
            find(&[("name", "a".into()), ("limit", Value::Int(-1))]),
            Find::from_params(&[]),
        ] {
            assert_eq!(wrong.unwrap_err().code, INVALID_PARAMS);
        }
    }

    #[test]
    fn a_limit_has_a_limit() {
        let limit = |n| {
            find(&[("name", "a".into()), ("limit", Value::Int(n))])
                .unwrap()
                .limit
        };
        assert_eq!((limit(7), limit(i32::MAX)), (7, FIND_HITS_MAX));
    }

    #[test]
    fn an_answer_with_too_much_or_too_little_is_none() {
        let hit = |members: &[(&str, Value)]| {
            let members = members
                .iter()
                .map(|(key, value)| ((*key).to_owned(), value.clone()));
            let hits = Value::Array(vec![Value::Struct(members.collect())]);
            Found::from_value(&Value::Struct(BTreeMap::from([("hits".to_owned(), hits)])))
        };
        assert!(hit(&[("name", "a".into()), ("size", Value::Int64(1 << 40))]).is_some());
        let double = |size| hit(&[("name", "a".into()), ("size", Value::Double(size))]);
        assert_eq!(
            double(1e12).map(|found| found.hits[0].size),
            Some(1_000_000_000_000)
        );
        assert_eq!(number(1 << 40), Value::Double(1_099_511_627_776.0));
        for size in [-1.0, 1.5, 1e300, f64::NAN] {
            assert!(double(size).is_none(), "{size}");
        }
        assert!(hit(&[("name", "a".into())]).is_none());
        assert!(hit(&[("name", "a".into()), ("size", Value::Int(-1))]).is_none());
        assert!(
            hit(&[
                ("name", "a".into()),
                ("size", Value::Int(1)),
                ("digest", "x".into())
            ])
            .is_none()
        );
        assert!(Found::from_value(&Value::Int(0)).is_none());
    }

    #[test]
    fn an_odd_referral_spoils_no_hit_and_keeps_its_place() {
        let hit = FindHit::from_value(&Value::Struct(BTreeMap::from([
            ("name".to_owned(), "a.txt".into()),
            ("size".to_owned(), Value::Int(1)),
        ])));
        let hit = hit.expect("a hit");
        let read = |peers: Value| {
            let hits = Value::Array(vec![hit.to_value()]);
            let answer = BTreeMap::from([("hits".to_owned(), hits), ("peers".to_owned(), peers)]);
            let found = Found::from_value(&Value::Struct(answer)).expect("the hits can be read");
            assert_eq!(found.hits, std::slice::from_ref(&hit));
            found.peers
        };
        let odd = vec!["http://a/".into(), Value::Int(7), "http://b/".into()];
        assert_eq!(read(Value::Array(odd)), ["http://a/", "", "http://b/"]);
        let many = vec!["http://a/".into(); FIND_PEERS_MAX + 1];
        assert_eq!(read(Value::Array(many)).len(), FIND_PEERS_MAX);
        assert!(read(Value::Int(7)).is_empty());
    }

    fn wanted() -> impl Strategy<Value = FindWanted> {
        prop_oneof![
            "[ -~é]{0,40}".prop_map(FindWanted::Name),
            any::<[u8; 32]>().prop_map(|bytes| FindWanted::Digest(Digest::from_bytes(bytes))),
            "[ -~é]{0,40}".prop_map(FindWanted::Query),
        ]
    }

    fn end() -> impl Strategy<Value = FoundEnd> {
        prop_oneof![
            Just(FoundEnd::Complete),
            Just(FoundEnd::Limit),
            Just(FoundEnd::Deadline),
            Just(FoundEnd::Partial),
        ]
    }

    proptest! {
        #[test]
        fn a_call_reads_back(
            wanted in wanted(),
            after in any::<Option<String>>(),
            limit in 0..=FIND_HITS_MAX,
            deadline in proptest::option::of(0..=FIND_WAIT_MAX),
            through in proptest::option::of("[ -~]{0,40}"),
        ) {
            let find = Find { wanted, after, limit, deadline, through };
            prop_assert_eq!(Find::from_params(&find.to_call().params), Ok(find));
        }

        #[test]
        fn an_answer_reads_back(
            hits in proptest::collection::vec(any_hit(), 0..5),
            more in any::<bool>(),
            peers in proptest::collection::vec("[ -~]{0,40}", 0..5),
            others in 0..1000usize,
            matching in 0..40usize,
            cursor in proptest::option::of("[0-9a-f]{32}"),
            end in end(),
            through in proptest::option::of("[ -~]{0,40}"),
            name in any::<String>(),
        ) {
            let name = NodeName::claimed(&name);
            let found = Found { name, hits, more, peers, nodes: Nodes::default(), matching, others, cursor, end, through };
            prop_assert_eq!(Found::from_value(&found.to_value()), Some(found));
        }
    }
}
