//! Turns: a limit on the fetches that run at a time, and their order.
//!
//! Each owner, a batch or the fetches that were started by themselves, has a queue of its own, and the owners take
//! turns. So a batch of many files does not keep a small one waiting.
//!
//! # Invariants
//! - At most the limit have a turn.
//! - While somebody waits, all turns are taken.
//! - Those of one owner get their turns in the order in which they asked.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use tokio::sync::oneshot;

use crate::sync::lock;

/// The owner of a fetch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Owner {
    /// It was started by itself.
    Single,
    /// It belongs to this batch.
    Batch(u64),
}

/// Decides about turns. Without I/O; `W` is a waiter.
#[derive(Debug)]
struct Queue<W> {
    free: usize,
    owners: VecDeque<(Owner, VecDeque<W>)>,
}

/// Turns for a limited number of fetches.
#[derive(Clone, Debug)]
pub(super) struct Turns(Arc<Mutex<Queue<oneshot::Sender<Turn>>>>);

/// A turn, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Turn(Option<Turns>);

impl<W> Queue<W> {
    fn new(limit: usize) -> Queue<W> {
        Queue {
            free: limit,
            owners: VecDeque::new(),
        }
    }

    /// Takes a free turn. Returns whether there was one.
    fn take(&mut self) -> bool {
        let is_free = self.free > 0;
        self.free -= usize::from(is_free);
        is_free
    }

    fn wait(&mut self, owner: Owner, waiter: W) {
        match self.owners.iter_mut().find(|(other, _)| *other == owner) {
            Some((_, waiters)) => waiters.push_back(waiter),
            None => self.owners.push_back((owner, VecDeque::from([waiter]))),
        }
    }

    /// Passes a turn that was given back to the next waiter.
    fn pass(&mut self) -> Option<W> {
        let Some((owner, mut waiters)) = self.owners.pop_front() else {
            self.free += 1;
            return None;
        };
        let next = waiters.pop_front();
        if !waiters.is_empty() {
            self.owners.push_back((owner, waiters));
        }
        next
    }
}

impl Turns {
    pub(super) fn new(limit: usize) -> Turns {
        Turns(Arc::new(Mutex::new(Queue::new(limit))))
    }

    /// Waits for a turn.
    pub(super) async fn next(&self, owner: Owner) -> Turn {
        let waiting = {
            let mut queue = lock(&self.0);
            if queue.take() {
                return Turn(Some(self.clone()));
            }
            let (sender, receiver) = oneshot::channel();
            queue.wait(owner, sender);
            receiver
        };
        // A sender is dropped only together with the queue, which `self` holds.
        waiting.await.unwrap_or(Turn(None))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Some(turns) = self.0.take() else { return };
        loop {
            let next = lock(&turns.0).pass();
            let Some(next) = next else { return };
            // A waiter that stopped is passed over.
            match next.send(Turn(Some(turns.clone()))) {
                Ok(()) => return,
                Err(mut turn) => drop(turn.0.take()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use tokio::time::timeout;

    use super::*;

    #[test]
    fn owners_take_turns() {
        let mut queue = Queue::new(1);
        assert!(queue.take());
        for n in 0..3 {
            queue.wait(Owner::Batch(1), (1, n));
        }
        queue.wait(Owner::Batch(2), (2, 0));
        queue.wait(Owner::Single, (0, 0));
        let order: Vec<_> = std::iter::from_fn(|| queue.pass()).collect();
        assert_eq!(order, [(1, 0), (2, 0), (0, 0), (1, 1), (1, 2)]);
        assert!(queue.take());
    }

    #[tokio::test]
    async fn one_who_stopped_waiting_is_passed_over() {
        let turns = Turns::new(1);
        let first = turns.next(Owner::Single).await;
        let short = Duration::from_millis(1);
        assert!(timeout(short, turns.next(Owner::Single)).await.is_err());
        let (last, ()) = tokio::join!(turns.next(Owner::Batch(1)), async { drop(first) });
        drop(last);
        assert!(timeout(short, turns.next(Owner::Single)).await.is_ok());
    }

    proptest! {
        #[test]
        fn turns_never_exceed_the_limit_and_nobody_is_forgotten(
            limit in 1..4_usize,
            moves in proptest::collection::vec((any::<bool>(), 0..4_u64), 0..200),
        ) {
            let mut queue = Queue::new(limit);
            let (mut running, mut waiting) = (0, 0);
            for (asks, owner) in moves {
                if asks {
                    if queue.take() { running += 1 } else {
                        queue.wait(Owner::Batch(owner), ());
                        waiting += 1;
                    }
                } else if running > 0 {
                    match queue.pass() {
                        Some(()) => waiting -= 1,
                        None => running -= 1,
                    }
                }
                prop_assert!(running <= limit);
                prop_assert!(waiting == 0 || running == limit);
            }
        }
    }
}
