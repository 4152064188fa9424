//! Meetings that others began with this node, and their tokens.
//!
//! A caller of `sixhop.introduce` gets a nonce and proves its identity with a signature
//! of it. Then it gets a token, so that its later requests need no
//! signature each.
//!
//! # Invariants
//! - A nonce is good for one proof, of the caller it was given to, for
//!   [`PROOF_TIME`].
//! - The tables are bounded; the oldest entries make room.
//! - No I/O, no clock, no chance; time and nonces are parameters.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
    time::{Duration, Instant},
};

use node_wire::{
    node_id::{NodeId, Nonce},
    peer_url::PeerUrl,
};

/// Longest time between the two calls of a meeting.
pub const PROOF_TIME: Duration = Duration::from_secs(10);

/// The lifetime of a token.
pub const TOKEN_TIME: Duration = Duration::from_secs(3_600);

/// Most meetings that are not over, and most tokens.
const TABLE_MAX: usize = 1_024;

/// A caller, as its first call describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Visitor {
    /// The identity that it claims.
    pub id: NodeId,
    /// The URL that it claims.
    pub url: PeerUrl,
    /// Its nonce.
    pub nonce: Nonce,
}

/// The meetings of one node.
#[derive(Debug, Default)]
pub struct Meetings {
    begun: Expiring<Nonce, Visitor>,
    tokens: Expiring<Nonce, NodeId>,
}

/// A table whose entries go by themselves, the oldest first.
#[derive(Debug)]
struct Expiring<K, V> {
    entries: HashMap<K, (Instant, V)>,
    order: VecDeque<(Instant, K)>,
}

impl Meetings {
    /// Remembers the visitor that was given this nonce.
    pub fn begin(&mut self, given: Nonce, visitor: Visitor, now: Instant) {
        self.begun.insert(given, visitor, now + PROOF_TIME, now);
    }

    /// Returns the visitor that was given this nonce, once.
    pub fn end(&mut self, given: &Nonce, now: Instant) -> Option<Visitor> {
        self.begun.remove(given, now)
    }

    /// Gives this token to a visitor that has proved its identity.
    pub fn prove(&mut self, token: Nonce, id: NodeId, now: Instant) {
        self.tokens.insert(token, id, now + TOKEN_TIME, now);
    }

    /// Returns the identity that the token was given to, while it is valid.
    #[must_use]
    pub fn who(&self, token: &Nonce, now: Instant) -> Option<NodeId> {
        self.tokens.get(token, now).copied()
    }
}

impl<K: Copy + Eq + Hash, V> Expiring<K, V> {
    fn insert(&mut self, key: K, value: V, until: Instant, now: Instant) {
        while let Some((ends, oldest)) = self.order.front().copied()
            && (ends <= now || self.order.len() >= TABLE_MAX)
        {
            self.order.pop_front();
            self.entries.remove(&oldest);
        }
        self.order.push_back((until, key));
        self.entries.insert(key, (until, value));
    }

    fn get(&self, key: &K, now: Instant) -> Option<&V> {
        let (until, value) = self.entries.get(key)?;
        (*until > now).then_some(value)
    }

    fn remove(&mut self, key: &K, now: Instant) -> Option<V> {
        let (until, value) = self.entries.remove(key)?;
        (until > now).then_some(value)
    }
}

impl<K, V> Default for Expiring<K, V> {
    fn default() -> Expiring<K, V> {
        Expiring {
            entries: HashMap::new(),
            order: VecDeque::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nonce(n: usize) -> Nonce {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&n.to_be_bytes());
        Nonce(bytes)
    }

    fn visitor(n: usize) -> Visitor {
        Visitor {
            id: NodeId(nonce(n).0),
            url: PeerUrl::parse("http://127.0.0.1:1/").unwrap(),
            nonce: nonce(n),
        }
    }

    #[test]
    fn a_nonce_is_good_once_and_not_for_long() {
        let (mut meetings, now) = (Meetings::default(), Instant::now());
        meetings.begin(nonce(1), visitor(1), now);
        meetings.begin(nonce(2), visitor(2), now);
        assert_eq!(meetings.end(&nonce(3), now), None);
        assert_eq!(meetings.end(&nonce(1), now), Some(visitor(1)));
        assert_eq!(meetings.end(&nonce(1), now), None);
        assert_eq!(meetings.end(&nonce(2), now + PROOF_TIME), None);
    }

    #[test]
    fn a_token_says_who_it_was_given_to_until_it_ends() {
        let (mut meetings, now) = (Meetings::default(), Instant::now());
        meetings.prove(nonce(1), NodeId([7; 32]), now);
        assert_eq!(meetings.who(&nonce(1), now), Some(NodeId([7; 32])));
        assert_eq!(meetings.who(&nonce(2), now), None);
        assert_eq!(meetings.who(&nonce(1), now + TOKEN_TIME), None);
    }

    #[test]
    fn the_oldest_meetings_make_room() {
        let (mut meetings, now) = (Meetings::default(), Instant::now());
        for n in 0..=TABLE_MAX {
            meetings.begin(nonce(n), visitor(n), now);
        }
        assert_eq!(meetings.begun.entries.len(), TABLE_MAX);
        assert_eq!(meetings.end(&nonce(0), now), None);
        assert!(meetings.end(&nonce(TABLE_MAX), now).is_some());
    }

    #[test]
    fn entries_that_were_used_leave_nothing_behind() {
        let (mut meetings, mut now) = (Meetings::default(), Instant::now());
        for n in 0..10 * TABLE_MAX {
            meetings.begin(nonce(n), visitor(n), now);
            assert!(meetings.end(&nonce(n), now).is_some());
            now += PROOF_TIME / 100;
        }
        assert!(meetings.begun.order.len() <= 101);
    }
}
