//! The walks of queries that came by.
//!
//! The history of a query stops loops, but not that one query reaches a node
//! on many ways: a miss among ten nodes that all know each other costs 18,729
//! calls when each way is walked. So a node remembers the walks that came by
//! and walks each once.
//!
//! A query may first come on a long way, with few hops or calls left, and then on
//! a better one. If the first walk ended for lack of hops, calls or time, the second
//! is walked too; while the first one still runs, a second one with more hops waits
//! to know. Waiting always waits for a query with fewer hops left, so there are
//! no circles.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use node_wire::{name::ShareName, query_id::QueryId};
use tokio::sync::watch;

/// Most walks remembered.
pub const MEMORY_MAX: usize = 10_000;

/// The time that a walk is remembered after its end, if it has an id.
pub const MEMORY_FOR: Duration = Duration::from_secs(60);

/// The key by which two queries belong to the same walk.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum WalkKey {
    /// The id that Sixhop nodes send along. No two walks share one.
    Id(QueryId),
    /// The name and the first node of the history, for peers that send no id.
    /// The same node may ask the same again, so this key means one walk only
    /// while it runs.
    Origin(ShareName, String),
}

/// The hops and calls that a query may still use.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Means {
    /// The number of hops it may still go.
    pub hops: usize,
    /// The number of calls it may still cause.
    pub calls: usize,
}

/// The decision about a query that arrives.
#[derive(Debug)]
pub enum Enter {
    /// Walk it, and say how it ended with [`QueryMemory::leave`].
    Walk,
    /// It was here; others follow it.
    Seen,
    /// It is here with fewer hops left: wait until that changes, then ask again.
    Wait(watch::Receiver<()>),
}

/// The remembered walks.
#[derive(Debug, Default)]
pub struct QueryMemory {
    walks: HashMap<WalkKey, Remembered>,
}

#[derive(Debug)]
struct Remembered {
    /// The most with which it came, of each.
    most: Means,
    state: State,
}

#[derive(Debug)]
enum State {
    /// It runs; the waiters learn of the end when the sender is dropped.
    Running(
        #[expect(dead_code, reason = "dropping it tells those who wait")] watch::Sender<()>,
        watch::Receiver<()>,
    ),
    Over {
        /// True if more hops would find no more.
        complete: bool,
        at: Instant,
    },
}

impl QueryMemory {
    /// Decides about a query that comes by and may still do so much.
    pub fn enter(&mut self, key: &WalkKey, means: Means, now: Instant) -> Enter {
        let mut most = means;
        if let Some(walk) = self.walks.get(key) {
            let more_hops = means.hops > walk.most.hops;
            let more_calls = means.calls > walk.most.calls;
            match &walk.state {
                State::Running(_, over) if more_hops => return Enter::Wait(over.clone()),
                State::Over {
                    complete: false, ..
                } if more_hops || more_calls => {}
                _ => return Enter::Seen,
            }
            most = means.or(walk.most);
        }
        self.forget_old(now);
        if self.walks.len() >= MEMORY_MAX {
            // All of them run: the history alone must do.
            return Enter::Walk;
        }
        let (sender, receiver) = watch::channel(());
        self.walks.insert(
            key.clone(),
            Remembered {
                most,
                state: State::Running(sender, receiver),
            },
        );
        Enter::Walk
    }

    /// Ends a walk; `complete` if more hops would find no more.
    pub fn leave(&mut self, key: &WalkKey, complete: bool, now: Instant) {
        match key {
            WalkKey::Id(_) => {
                if let Some(walk) = self.walks.get_mut(key) {
                    walk.state = State::Over { complete, at: now };
                }
            }
            WalkKey::Origin(..) => drop(self.walks.remove(key)),
        }
    }

    /// Returns the number of remembered walks.
    #[must_use]
    pub fn len(&self) -> usize {
        self.walks.len()
    }

    /// Returns true if no walk is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.walks.is_empty()
    }

    /// Makes room when it is needed: first what is old, then the older half of
    /// what is over.
    fn forget_old(&mut self, now: Instant) {
        if self.walks.len() < MEMORY_MAX {
            return;
        }
        self.keep_over_since(now.checked_sub(MEMORY_FOR));
        if self.walks.len() >= MEMORY_MAX {
            let mut ends: Vec<Instant> = self
                .walks
                .values()
                .filter_map(Remembered::over_at)
                .collect();
            ends.sort_unstable();
            self.keep_over_since(ends.get(ends.len() / 2).copied());
        }
    }

    fn keep_over_since(&mut self, since: Option<Instant>) {
        if let Some(since) = since {
            self.walks
                .retain(|_, walk| walk.over_at().is_none_or(|at| at > since));
        }
    }
}

impl Means {
    /// Returns the greater value of each.
    fn or(self, other: Means) -> Means {
        Means {
            hops: self.hops.max(other.hops),
            calls: self.calls.max(other.calls),
        }
    }
}

impl Remembered {
    fn over_at(&self) -> Option<Instant> {
        match self.state {
            State::Running(..) => None,
            State::Over { at, .. } => Some(at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: usize) -> WalkKey {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&n.to_be_bytes());
        WalkKey::Id(QueryId(bytes))
    }

    fn origin() -> WalkKey {
        WalkKey::Origin(ShareName::parse("x").unwrap(), "http://a/".to_owned())
    }

    fn hops(hops: usize) -> Means {
        Means { hops, calls: 8 }
    }

    #[test]
    fn a_walk_is_walked_once() {
        let (mut memory, now) = (QueryMemory::default(), Instant::now());
        assert!(matches!(memory.enter(&id(1), hops(4), now), Enter::Walk));
        assert!(matches!(memory.enter(&id(1), hops(4), now), Enter::Seen));
        assert!(matches!(memory.enter(&id(1), hops(3), now), Enter::Seen));
        memory.leave(&id(1), false, now);
        assert!(matches!(memory.enter(&id(1), hops(4), now), Enter::Seen));
        assert!(matches!(memory.enter(&id(2), hops(4), now), Enter::Walk));
    }

    #[test]
    fn more_hops_walk_again_only_if_the_first_walk_lacked_them() {
        let now = Instant::now();
        for (complete, walks_again) in [(true, false), (false, true)] {
            let mut memory = QueryMemory::default();
            memory.enter(&id(1), hops(1), now);
            memory.leave(&id(1), complete, now);
            assert_eq!(
                matches!(memory.enter(&id(1), hops(2), now), Enter::Walk),
                walks_again
            );
        }
    }

    #[test]
    fn more_calls_walk_again_only_if_the_first_walk_lacked_some() {
        let now = Instant::now();
        let (poor, rich) = (Means { hops: 2, calls: 0 }, Means { hops: 1, calls: 8 });
        for (complete, walks_again) in [(true, false), (false, true)] {
            let mut memory = QueryMemory::default();
            memory.enter(&id(1), poor, now);
            assert!(matches!(memory.enter(&id(1), rich, now), Enter::Seen));
            memory.leave(&id(1), complete, now);
            let walks = matches!(memory.enter(&id(1), rich, now), Enter::Walk);
            assert_eq!(walks, walks_again);
        }
    }

    #[test]
    fn ways_that_are_better_in_turns_do_not_walk_for_ever() {
        let (mut memory, now) = (QueryMemory::default(), Instant::now());
        let ways = [Means { hops: 2, calls: 0 }, Means { hops: 1, calls: 8 }];
        let walks = ways.into_iter().cycle().take(20).filter(|means| {
            let walks = matches!(memory.enter(&id(1), *means, now), Enter::Walk);
            memory.leave(&id(1), false, now);
            walks
        });
        assert_eq!(walks.count(), 2);
    }

    #[test]
    fn more_hops_wait_while_the_first_walk_runs() {
        let (mut memory, now) = (QueryMemory::default(), Instant::now());
        memory.enter(&id(1), hops(1), now);
        let Enter::Wait(over) = memory.enter(&id(1), hops(2), now) else {
            panic!("did not wait")
        };
        assert!(over.has_changed().is_ok());
        memory.leave(&id(1), true, now);
        assert!(over.has_changed().is_err(), "the end was not told");
    }

    #[test]
    fn without_an_id_a_question_may_be_repeated_after_its_end() {
        let (mut memory, now) = (QueryMemory::default(), Instant::now());
        assert!(matches!(memory.enter(&origin(), hops(4), now), Enter::Walk));
        assert!(matches!(memory.enter(&origin(), hops(4), now), Enter::Seen));
        memory.leave(&origin(), true, now);
        assert!(matches!(memory.enter(&origin(), hops(4), now), Enter::Walk));
    }

    #[test]
    fn the_memory_is_bounded_and_forgets_the_oldest_ends_first() {
        let (mut memory, now) = (QueryMemory::default(), Instant::now());
        for n in 0..MEMORY_MAX {
            memory.enter(&id(n), hops(1), now);
            memory.leave(&id(n), true, now + Duration::from_millis(n as u64));
        }
        assert!(matches!(
            memory.enter(&id(MEMORY_MAX), hops(1), now),
            Enter::Walk
        ));
        assert!(memory.len() <= MEMORY_MAX);
        assert!(matches!(
            memory.enter(&id(MEMORY_MAX - 1), hops(1), now),
            Enter::Seen
        ));
        assert!(matches!(memory.enter(&id(0), hops(1), now), Enter::Walk));
    }

    #[test]
    fn running_walks_are_never_forgotten() {
        let (mut memory, now) = (QueryMemory::default(), Instant::now());
        for n in 0..MEMORY_MAX {
            memory.enter(&id(n), hops(1), now);
        }
        assert!(matches!(
            memory.enter(&id(MEMORY_MAX), hops(1), now),
            Enter::Walk
        ));
        assert_eq!(memory.len(), MEMORY_MAX);
        assert!(matches!(memory.enter(&id(0), hops(1), now), Enter::Seen));
    }
}
