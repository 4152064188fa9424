//! Exact counts of a node since its start.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
};

/// Declares the counters once: field, name and text cannot drift apart.
macro_rules! counters {
    ($( $(#[doc = $doc:literal])+ $name:ident, )+) => {
        /// The counters of one node.
        #[derive(Debug, Default)]
        pub struct Counters {
            $( $(#[doc = $doc])+ pub $name: Counter, )+
        }

        impl Counters {
            /// Returns all counts by name.
            #[must_use]
            pub fn snapshot(&self) -> BTreeMap<String, u64> {
                let counts = self.all().into_iter();
                counts.map(|count| (count.name.to_owned(), count.value)).collect()
            }

            /// Returns all counts, each with its meaning.
            #[must_use]
            pub fn all(&self) -> Vec<Count> {
                vec![ $( Count {
                    name: stringify!($name),
                    text: concat!($($doc),+).trim_ascii(),
                    value: self.$name.get(),
                }, )+ ]
            }
        }
    };
}

counters! {
    /// Ranges of content asked for.
    blobs_asked,
    /// Bundles of small files asked for.
    bundles_asked,
    /// Bundles of small files given to others.
    bundles_served,
    /// Bytes of shared files read for their digests.
    bytes_hashed,
    /// Bytes of content received from peers, not encoded.
    bytes_received,
    /// Bytes of content sent to others, not encoded.
    bytes_served,
    /// The part of them that came from the cache.
    cache_bytes_served,
    /// Times that content was found in the cache.
    cache_hits,
    /// Times that content was looked for in the cache and not found.
    cache_misses,
    /// Calls made to peers, of any method.
    calls_sent,
    /// Connections accepted on the peer port.
    connections_accepted,
    /// Connections closed to make room for others.
    connections_displaced,
    /// Files fetched into the share.
    files_fetched,
    /// Shared files read for their digests.
    files_hashed,
    /// Calls of `sixhop.find` made to peers.
    finds_sent,
    /// Calls of `sixhop.find` received.
    finds_received,
    /// Calls of `sixhop.more` made to peers.
    mores_sent,
    /// Calls of `sixhop.more` received.
    mores_received,
    /// Files given to others, by any route.
    files_served,
    /// Holders that failed in the middle of a fetch.
    holders_failed,
    /// Calls of `hello` received.
    hellos_received,
    /// Calls of `sixhop.introduce` received.
    introductions_received,
    /// Peers dropped because they could not be reached.
    peers_dropped,
    /// Answers of peers that could not be read.
    answers_unreadable,
    /// Decisions that the owner's policy did not make.
    policy_failures,
    /// Queries and content refused by the owner's policy.
    policy_refusals,
    /// Calls of `query` received.
    queries_received,
    /// Calls of `query` made to peers.
    queries_sent,
    /// Calls of `query` that were not walked because that walk was here already.
    queries_seen_before,
    /// Calls of `sixhop.summary` received.
    summaries_received,
    /// Calls of `sixhop.summary` made to peers.
    summaries_sent,
    /// Calls of `sixhop.watch` received.
    watches_received,
    /// Calls of `sixhop.watch` made to peers.
    watches_sent,
    /// Requests and walks refused because their sender had asked too much.
    requests_over_quota,
    /// Requests refused before any method saw them.
    requests_refused,
    /// XML-RPC calls received, entries of a multicall included.
    rpc_received,
}

/// A count with its name and what it counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Count {
    /// Its name, such as `queries_received`.
    pub name: &'static str,
    /// The meaning of the counter, one sentence.
    pub text: &'static str,
    /// The count so far.
    pub value: u64,
}

/// One count.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Counts one more.
    pub fn one(&self) {
        self.add(1);
    }

    /// Counts `n` more.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// Returns the count so far.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_has_every_counter_by_its_name() {
        let counters = Counters::default();
        counters.queries_sent.one();
        counters.queries_sent.add(2);
        let snapshot = counters.snapshot();
        assert_eq!(snapshot["queries_sent"], 3);
        assert_eq!(snapshot["queries_received"], 0);
        let sent = counters
            .all()
            .into_iter()
            .find(|count| count.name == "queries_sent");
        let text = "Calls of `query` made to peers.";
        let (name, value) = ("queries_sent", 3);
        assert_eq!(sent, Some(Count { name, text, value }));
    }
}
