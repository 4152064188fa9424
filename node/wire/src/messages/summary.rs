//! `sixhop.summary`: the files of a node, in few bytes.
//!
//! # Invariants
//! - An answer is as hostile as any: texts, lists and filters beyond their limits
//!   make it none.
//! - Members that are not known are passed over.

use std::collections::BTreeMap;

use super::{
    Nodes, call,
    find::{Members, array, bounded, number, read_number, saturated},
    text,
};
use crate::fault::Fault;
use crate::filter::Filter;
use crate::limits::{FIND_PEERS_MAX, SUMMARY_HANDLERS_MAX, SUMMARY_TEXT_MAX, SUMMARY_WAIT_MAX};
use crate::methods::SUMMARY;
use crate::request::MethodCall;
use crate::value::Value;

/// `sixhop.summary(struct)`: a node asks another one for its summary.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summarize {
    /// The version that the caller has.
    pub version: Option<String>,
    /// True if the second level is wanted too.
    pub in_full: bool,
    /// The time to wait for another version, in milliseconds; at most
    /// [`SUMMARY_WAIT_MAX`].
    pub wait: u32,
}

/// The answer of a node to [`Summarize`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// Its version, which differs from that of every other summary.
    pub version: String,
    /// True if it is the one that the caller has; then there is nothing more.
    pub is_same: bool,
    /// The handlers that answer there.
    pub handlers: Vec<String>,
    /// Sixhop nodes that it knows; as sent, unchecked.
    pub peers: Vec<String>,
    /// The ids of these and of those in `near`, as far as it knows them.
    pub nodes: Nodes,
    /// Its files: names, words of names, digests. Without it nothing can be said.
    pub files: Option<Told>,
    /// True if the digests of all files are in it.
    pub has_digests: bool,
    /// True if it may be passed on to others.
    pub is_public: bool,
    /// Pieces of the names of its files.
    pub grams: Option<Told>,
    /// The filters of its peers, from their own summaries.
    pub near: Vec<Near>,
}

/// A filter, or its changes since the version that the caller has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// The filter.
    Whole(Filter),
    /// So many keys, and the words that changed.
    Change(usize, Vec<u8>),
}

/// The files of a peer of the one that answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Near {
    /// The URL of the peer; as sent, unchecked.
    pub peer: String,
    /// Its files.
    pub files: Filter,
}

impl Summarize {
    /// Reads the parameters of a call.
    ///
    /// # Errors
    /// Fault -32602.
    pub fn from_params(params: &[Value]) -> Result<Self, Fault> {
        let members = match params {
            [] => return Ok(Self::default()),
            [Value::Struct(members)] => members,
            _ => return Err(Fault::invalid_params("sixhop.summary takes one struct")),
        };
        let level = members.get("level").and_then(read_number);
        let wait = members.get("wait").and_then(read_number).unwrap_or(0);
        Ok(Self {
            version: bounded(members, "version", SUMMARY_TEXT_MAX)?,
            in_full: level.is_some_and(|level| level >= 2),
            wait: u32::try_from(wait)
                .unwrap_or(u32::MAX)
                .min(SUMMARY_WAIT_MAX),
        })
    }

    /// Returns the XML-RPC call of this message.
    #[must_use]
    pub fn to_call(&self) -> MethodCall {
        let mut members = BTreeMap::from([
            (
                "level".to_owned(),
                Value::Int(if self.in_full { 2 } else { 1 }),
            ),
            ("wait".to_owned(), number(self.wait.into())),
        ]);
        if let Some(version) = &self.version {
            members.insert("version".to_owned(), version.as_str().into());
        }
        call(SUMMARY, vec![Value::Struct(members)])
    }
}

impl Summary {
    /// Reads the value of an answer. `None` if it is not a summary.
    #[must_use]
    pub fn from_value(value: &Value) -> Option<Self> {
        let Value::Struct(members) = value else {
            return None;
        };
        let short = |value: &Value| text(value, "").ok().filter(|t| t.len() <= SUMMARY_TEXT_MAX);
        let handlers = array(members, "handlers", SUMMARY_HANDLERS_MAX)?.iter();
        let peers = array(members, "peers", FIND_PEERS_MAX)?.iter();
        let near = array(members, "near", FIND_PEERS_MAX)?.iter();
        let is = |key: &str| matches!(members.get(key), Some(Value::Bool(true)));
        Some(Self {
            version: short(members.get("version")?)?,
            is_same: is("same"),
            handlers: handlers.map(short).collect::<Option<_>>()?,
            peers: peers
                .map(|peer| text(peer, "").ok())
                .collect::<Option<_>>()?,
            nodes: Nodes::read(members),
            files: told(members, "files")?,
            has_digests: is("digests"),
            is_public: is("public"),
            grams: told(members, "grams")?,
            near: near.map(Near::from_value).collect::<Option<_>>()?,
        })
    }

    /// Returns the answer as a value.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let mut members = BTreeMap::from([("version".to_owned(), self.version.as_str().into())]);
        if self.is_same {
            members.insert("same".to_owned(), Value::Bool(true));
            return Value::Struct(members);
        }
        let texts = |texts: &[String]| texts.iter().map(|text| text.as_str().into()).collect();
        let near = self.near.iter().map(Near::to_value).collect();
        members.extend([
            ("handlers".to_owned(), Value::Array(texts(&self.handlers))),
            ("peers".to_owned(), Value::Array(texts(&self.peers))),
            ("digests".to_owned(), Value::Bool(self.has_digests)),
            ("public".to_owned(), Value::Bool(self.is_public)),
            ("near".to_owned(), Value::Array(near)),
        ]);
        self.nodes.write(&mut members);
        for (key, told) in [("files", &self.files), ("grams", &self.grams)] {
            if let Some(told) = told {
                members.insert(key.to_owned(), told.to_value());
            }
        }
        Value::Struct(members)
    }
}

impl Told {
    /// Returns the filter that it describes, if the caller has the one before.
    #[must_use]
    pub fn over(self, before: Option<&Filter>) -> Option<Filter> {
        match self {
            Told::Whole(filter) => Some(filter),
            Told::Change(keys, change) => before?.changed(keys, &change).ok(),
        }
    }

    fn to_value(&self) -> Value {
        let (keys, key, bytes) = match self {
            Told::Whole(filter) => (filter.keys(), "bits", filter.to_bytes()),
            Told::Change(keys, change) => (*keys, "change", change.clone()),
        };
        Value::Struct(BTreeMap::from([
            ("keys".to_owned(), number(keys as u64)),
            (key.to_owned(), Value::Base64(bytes)),
        ]))
    }

    fn from_value(value: &Value) -> Option<Told> {
        let Value::Struct(members) = value else {
            return None;
        };
        let keys = saturated(read_number(members.get("keys")?)?);
        match (members.get("bits"), members.get("change")) {
            (Some(Value::Base64(bits)), None) => {
                Some(Told::Whole(Filter::from_bytes(keys, bits).ok()?))
            }
            (None, Some(Value::Base64(change))) => Some(Told::Change(keys, change.clone())),
            _ => None,
        }
    }
}

impl Near {
    fn to_value(&self) -> Value {
        Value::Struct(BTreeMap::from([
            ("peer".to_owned(), self.peer.as_str().into()),
            (
                "files".to_owned(),
                Told::Whole(self.files.clone()).to_value(),
            ),
        ]))
    }

    fn from_value(value: &Value) -> Option<Near> {
        let Value::Struct(members) = value else {
            return None;
        };
        let Told::Whole(files) = Told::from_value(members.get("files")?)? else {
            return None;
        };
        let peer = text(members.get("peer")?, "").ok()?;
        Some(Near { peer, files })
    }
}

/// Reads a member that may be absent, but not wrong.
fn told(members: &Members, key: &str) -> Option<Option<Told>> {
    match members.get(key) {
        None => Some(None),
        Some(value) => Some(Some(Told::from_value(value)?)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn filter() -> impl Strategy<Value = Filter> {
        let keys = proptest::collection::btree_set(any::<u64>(), 0..50);
        keys.prop_map(|keys| Filter::of(keys.into_iter().collect::<Vec<_>>().into_iter()).unwrap())
    }

    fn told() -> impl Strategy<Value = Option<Told>> {
        let change = (0..99_usize, proptest::collection::vec(any::<u8>(), 0..30));
        proptest::option::of(prop_oneof![
            filter().prop_map(Told::Whole),
            change.prop_map(|(keys, change)| Told::Change(keys, change)),
        ])
    }

    proptest! {
        #[test]
        fn a_call_reads_back(
            version in proptest::option::of("[ -~]{0,64}"),
            in_full in any::<bool>(),
            wait in 0..=SUMMARY_WAIT_MAX,
        ) {
            let call = Summarize { version, in_full, wait };
            prop_assert_eq!(Summarize::from_params(&call.to_call().params), Ok(call));
        }

        #[test]
        fn an_answer_reads_back(
            version in "[ -~]{0,64}",
            handlers in proptest::collection::vec("[a-z]{0,20}", 0..4),
            peers in proptest::collection::vec("[ -~]{0,40}", 0..4),
            files in told(),
            grams in told(),
            near in proptest::collection::vec(("[ -~]{0,40}", filter()), 0..4),
            flags in any::<(bool, bool)>(),
        ) {
            let near = near.into_iter().map(|(peer, files)| Near { peer, files }).collect();
            let (has_digests, is_public) = flags;
            let summary = Summary {
                version, is_same: false, handlers, peers, nodes: Nodes::default(), files, has_digests, is_public, grams, near,
            };
            prop_assert_eq!(Summary::from_value(&summary.to_value()), Some(summary));
        }
    }

    #[test]
    fn an_answer_that_is_too_much_or_wrong_is_none() {
        let with = |key: &str, value: Value| {
            let version = ("version".to_owned(), Value::from("1"));
            let members = BTreeMap::from([version, (key.to_owned(), value)]);
            Summary::from_value(&Value::Struct(members))
        };
        let filter = |bits: Vec<u8>| {
            Value::Struct(BTreeMap::from([
                ("keys".to_owned(), Value::Int(1_000)),
                ("bits".to_owned(), Value::Base64(bits)),
            ]))
        };
        assert!(with("files", filter(vec![0; 64])).is_some());
        assert!(with("new", Value::Nil).is_some());
        for (key, value) in [
            ("files", filter(vec![0xff; 128])),
            ("files", filter(vec![0; 65])),
            ("files", Value::Nil),
            ("grams", filter(vec![0xff; 64])),
            ("peers", Value::Array(vec!["x".into(); FIND_PEERS_MAX + 1])),
            (
                "handlers",
                Value::Array(vec!["x".into(); SUMMARY_HANDLERS_MAX + 1]),
            ),
            (
                "handlers",
                Value::Array(vec!["x".repeat(SUMMARY_TEXT_MAX + 1).into()]),
            ),
            ("near", Value::Array(vec![filter(vec![0; 64])])),
        ] {
            assert_eq!(with(key, value), None, "{key}");
        }
        assert_eq!(Summary::from_value(&Value::Int(0)), None);
        assert_eq!(Summary::from_value(&Value::Struct(BTreeMap::new())), None);
    }
}
