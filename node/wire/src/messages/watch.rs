//! `sixhop.watch`: queries that stand at another node.
//!
//! A node names its queries, each with its place in the changes of the holder, and the answer waits until some of
//! them have news.
//!
//! # Invariants
//! - An answer is as hostile as any: hits and texts beyond their limits make it none.
//! - Members that are not known are passed over.

use std::collections::BTreeMap;

use super::{
    call,
    find::{FindHit, FoundEnd, array, bounded, number, read_number, saturated},
    text,
};
use crate::fault::Fault;
use crate::limits::{
    CURSOR_MAX, FIND_PAGE_MAX, FIND_QUERY_MAX, NAME_MAX, WATCH_WAIT_MAX, WATCHER_MAX, WATCHES_MAX,
};
use crate::methods::WATCH;
use crate::request::MethodCall;
use crate::value::Value;

/// `sixhop.watch(struct)`: a node has another one tell of new matches of its queries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watch {
    /// Tells this run of the caller from others at the same address. A later call of the same watcher ends the one before.
    pub watcher: String,
    /// The queries that stand; at most [`WATCHES_MAX`].
    pub watches: Vec<Watched>,
    /// The time to wait for news, in milliseconds; at most [`WATCH_WAIT_MAX`].
    pub wait: u32,
}

/// A query that stands, and what the caller was told of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watched {
    /// The query; as sent, unchecked.
    pub query: String,
    /// The place in the changes of the holder, as it gave it last. Without it everything is looked at.
    pub cursor: Option<String>,
    /// While everything is looked at: the last name that was told.
    pub after: Option<String>,
}

/// The answer of a node to [`Watch`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WatchNews {
    /// The queries with news; the others have none.
    pub told: Vec<WatchTold>,
    /// The time for which the holder keeps a place for these queries, in seconds.
    pub lease: u32,
}

/// The news of one query.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WatchTold {
    /// The number of the query in the call, from 0.
    pub watch: usize,
    /// Files that match it.
    pub hits: Vec<FindHit>,
    /// The place in the changes of the holder for the next call.
    pub cursor: String,
    /// While everything is looked at and there is more: the last name.
    pub after: Option<String>,
    /// True if the holder has forgotten the changes since the cursor of the call, so that everything is looked at.
    pub again: bool,
    /// Complete, or partial if not everything could be looked at now.
    pub end: FoundEnd,
}

impl Watch {
    /// Reads the parameters of a call.
    ///
    /// # Errors
    /// Fault -32602.
    pub fn from_params(params: &[Value]) -> Result<Self, Fault> {
        let [Value::Struct(members)] = params else {
            return Err(Fault::invalid_params("sixhop.watch takes one struct"));
        };
        let watches = array(members, "watches", WATCHES_MAX).ok_or_else(|| {
            let message = format!("`watches` is an array of at most {WATCHES_MAX} structs");
            Fault::invalid_params(&message)
        })?;
        let wait = members.get("wait").and_then(read_number).unwrap_or(0);
        Ok(Self {
            watcher: bounded(members, "watcher", WATCHER_MAX)?.unwrap_or_default(),
            watches: watches
                .iter()
                .map(Watched::read)
                .collect::<Result<_, _>>()?,
            wait: u32::try_from(wait).unwrap_or(u32::MAX).min(WATCH_WAIT_MAX),
        })
    }

    /// Returns the XML-RPC call of this message.
    #[must_use]
    pub fn to_call(&self) -> MethodCall {
        let watches = self.watches.iter().map(Watched::to_value).collect();
        let members = BTreeMap::from([
            ("watcher".to_owned(), self.watcher.as_str().into()),
            ("watches".to_owned(), Value::Array(watches)),
            ("wait".to_owned(), number(self.wait.into())),
        ]);
        call(WATCH, vec![Value::Struct(members)])
    }
}

impl Watched {
    fn read(value: &Value) -> Result<Self, Fault> {
        let Value::Struct(members) = value else {
            return Err(Fault::invalid_params("A watch is a struct"));
        };
        Ok(Self {
            query: bounded(members, "query", FIND_QUERY_MAX)?
                .ok_or_else(|| Fault::invalid_params("A watch has a `query`"))?,
            cursor: bounded(members, "cursor", CURSOR_MAX)?,
            after: bounded(members, "after", NAME_MAX)?,
        })
    }

    fn to_value(&self) -> Value {
        let mut members = BTreeMap::from([("query".to_owned(), Value::from(self.query.as_str()))]);
        for (key, text) in [("cursor", &self.cursor), ("after", &self.after)] {
            if let Some(text) = text {
                members.insert(key.to_owned(), text.as_str().into());
            }
        }
        Value::Struct(members)
    }
}

impl WatchNews {
    /// Reads the value of an answer. `None` if it is none.
    #[must_use]
    pub fn from_value(value: &Value) -> Option<Self> {
        let Value::Struct(members) = value else {
            return None;
        };
        let told = array(members, "told", WATCHES_MAX)?.iter();
        let told: Vec<_> = told.map(WatchTold::read).collect::<Option<_>>()?;
        let hits = told.iter().map(|told| told.hits.len()).sum::<usize>();
        let lease = members.get("lease").and_then(read_number).unwrap_or(0);
        (hits <= FIND_PAGE_MAX).then_some(Self {
            told,
            lease: u32::try_from(lease).unwrap_or(u32::MAX),
        })
    }

    /// Returns the answer as a value.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let told = self.told.iter().map(WatchTold::to_value).collect();
        Value::Struct(BTreeMap::from([
            ("told".to_owned(), Value::Array(told)),
            ("lease".to_owned(), number(self.lease.into())),
        ]))
    }
}

impl WatchTold {
    fn read(value: &Value) -> Option<Self> {
        let Value::Struct(members) = value else {
            return None;
        };
        let short = |key: &str, most: usize| {
            let value = members.get(key)?;
            text(value, "").ok().filter(|text| text.len() <= most)
        };
        let hits = array(members, "hits", FIND_PAGE_MAX)?.iter();
        Some(Self {
            watch: saturated(read_number(members.get("watch")?)?),
            hits: hits.map(FindHit::from_value).collect::<Option<_>>()?,
            cursor: short("cursor", CURSOR_MAX)?,
            after: match members.get("after") {
                None => None,
                Some(_) => Some(short("after", NAME_MAX)?),
            },
            again: matches!(members.get("again"), Some(Value::Bool(true))),
            end: members
                .get("end")
                .map_or(FoundEnd::Complete, FoundEnd::read),
        })
    }

    fn to_value(&self) -> Value {
        let hits = self.hits.iter().map(FindHit::to_value).collect();
        let mut members = BTreeMap::from([
            ("watch".to_owned(), number(self.watch as u64)),
            ("hits".to_owned(), Value::Array(hits)),
            ("cursor".to_owned(), self.cursor.as_str().into()),
            ("end".to_owned(), self.end.word().into()),
        ]);
        if let Some(after) = &self.after {
            members.insert("after".to_owned(), after.as_str().into());
        }
        if self.again {
            members.insert("again".to_owned(), Value::Bool(true));
        }
        Value::Struct(members)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fault::INVALID_PARAMS;

    fn watched() -> impl Strategy<Value = Watched> {
        (
            "[ -~é]{0,40}",
            proptest::option::of("[0-9a-f.]{0,64}"),
            proptest::option::of("[ -~é]{0,40}"),
        )
            .prop_map(|(query, cursor, after)| Watched {
                query,
                cursor,
                after,
            })
    }

    fn told() -> impl Strategy<Value = WatchTold> {
        (
            0..WATCHES_MAX,
            proptest::collection::vec(super::super::find::any_hit(), 0..4),
            "[0-9a-f.]{0,64}",
            proptest::option::of("[ -~é]{0,40}"),
            any::<bool>(),
            any::<bool>(),
        )
            .prop_map(
                |(watch, hits, cursor, after, again, is_partial)| WatchTold {
                    watch,
                    hits,
                    cursor,
                    after,
                    again,
                    end: if is_partial {
                        FoundEnd::Partial
                    } else {
                        FoundEnd::Complete
                    },
                },
            )
    }

    proptest! {
        #[test]
        fn a_call_reads_back(
            watcher in "[0-9a-f]{0,32}",
            watches in proptest::collection::vec(watched(), 0..5),
            wait in 0..=WATCH_WAIT_MAX,
        ) {
            let call = Watch { watcher, watches, wait };
            prop_assert_eq!(Watch::from_params(&call.to_call().params), Ok(call));
        }

        #[test]
        fn an_answer_reads_back(told in proptest::collection::vec(told(), 0..5), lease in any::<u32>()) {
            let news = WatchNews { told, lease };
            prop_assert_eq!(WatchNews::from_value(&news.to_value()), Some(news));
        }
    }

    #[test]
    fn a_call_that_is_too_much_or_wrong_is_a_fault() {
        let watch = |query: Value| Value::Struct(BTreeMap::from([("query".to_owned(), query)]));
        let call = |watches: Value| {
            let members = BTreeMap::from([("watches".to_owned(), watches)]);
            Watch::from_params(&[Value::Struct(members)])
        };
        let of = |watches: Vec<Value>| call(Value::Array(watches));
        assert!(of(vec![watch("a".into()); WATCHES_MAX]).is_ok());
        for wrong in [
            of(vec![watch("a".into()); WATCHES_MAX + 1]),
            of(vec![watch("x".repeat(FIND_QUERY_MAX + 1).into())]),
            of(vec![watch(Value::Int(1))]),
            of(vec![Value::Nil]),
            call(Value::Int(1)),
            Watch::from_params(&[]),
        ] {
            assert_eq!(wrong.unwrap_err().code, INVALID_PARAMS);
        }
    }

    #[test]
    fn an_answer_with_too_many_hits_is_none() {
        let told = |hits: usize| WatchTold {
            hits: vec![FindHit::default(); hits],
            ..WatchTold::default()
        };
        let of = |told: Vec<WatchTold>| {
            let news = WatchNews { told, lease: 1 };
            WatchNews::from_value(&news.to_value())
        };
        assert!(of(vec![told(FIND_PAGE_MAX)]).is_some());
        assert!(of(vec![told(FIND_PAGE_MAX), told(1)]).is_none());
        assert!(of(vec![told(0); WATCHES_MAX + 1]).is_none());
        assert_eq!(WatchNews::from_value(&Value::Int(0)), None);
    }
}
