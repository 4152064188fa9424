//! Upload slots: how many bodies are sent at a time, and who is next.
//!
//! # Participants
//! [`Slots`] is asked for a [`Slot`] before a long body is sent, and has it
//! back when the body is out or broken off. [`Queue`] decides who is next; it
//! is a state machine without a clock.
//!
//! # Invariants
//! - At most so many slots are out as there are, at most [`WAITING_MAX`] requests wait,
//!   none longer than [`WAIT`].
//! - Peers, told apart by their address, take turns: one that asks for much
//!   waits for itself, not the others for it.

use std::{
    collections::{BTreeMap, VecDeque},
    net::IpAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{sync::oneshot, time::timeout};

use crate::sync::lock;

/// Most requests that wait for a slot.
const WAITING_MAX: usize = 512;

/// Longest wait for a slot. Below what an asker takes for silence.
const WAIT: Duration = Duration::from_secs(8);

/// Who may send a long body, and who waits.
#[derive(Clone, Debug)]
pub(super) struct Slots(Arc<Mutex<Queue<oneshot::Sender<Slot>>>>);

/// The right to send one long body; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Slot(Option<Slots>);

/// The free slots, and who waits for one.
#[derive(Debug)]
struct Queue<W> {
    free: usize,
    waiting: BTreeMap<IpAddr, VecDeque<W>>,
    /// The address that had the last turn.
    last: Option<IpAddr>,
}

/// What becomes of a request.
enum Entered {
    Now,
    Waiting,
    Full,
}

impl Slots {
    /// All slots free.
    #[must_use]
    pub(super) fn new(slots: usize) -> Slots {
        Slots(Arc::new(Mutex::new(Queue::new(slots))))
    }

    /// Waits for a slot for `peer`. `None` when there is none in time.
    pub(super) async fn take(&self, peer: IpAddr) -> Option<Slot> {
        let (sender, turn) = oneshot::channel();
        match lock(&self.0).enter(peer, sender) {
            Entered::Now => return Some(Slot(Some(self.clone()))),
            Entered::Full => return None,
            Entered::Waiting => {}
        }
        timeout(WAIT, turn).await.ok()?.ok()
    }

    /// Hands a slot that came back to whoever is next and still waits.
    fn give_back(&self) {
        loop {
            let Some(next) = lock(&self.0).leave() else {
                return;
            };
            match next.send(Slot(Some(self.clone()))) {
                Ok(()) => return,
                // Nobody waits there any more: the slot goes to the next one
                // here, and not back when this is dropped.
                Err(mut unwanted) => unwanted.0 = None,
            }
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(slots) = self.0.take() {
            slots.give_back();
        }
    }
}

impl<W> Queue<W> {
    fn new(free: usize) -> Queue<W> {
        Queue {
            free,
            waiting: BTreeMap::new(),
            last: None,
        }
    }

    fn enter(&mut self, peer: IpAddr, waiter: W) -> Entered {
        if self.free > 0 {
            self.free -= 1;
            return Entered::Now;
        }
        if self.waiting.values().map(VecDeque::len).sum::<usize>() >= WAITING_MAX {
            return Entered::Full;
        }
        self.waiting.entry(peer).or_default().push_back(waiter);
        Entered::Waiting
    }

    /// A slot comes back: who is next? With nobody, it is free.
    fn leave(&mut self) -> Option<W> {
        let next = self
            .last
            .and_then(|last| self.waiting.keys().find(|peer| **peer > last))
            .or_else(|| self.waiting.keys().next())
            .copied();
        let Some(peer) = next else {
            self.free += 1;
            return None;
        };
        self.last = Some(peer);
        let queue = self.waiting.get_mut(&peer)?;
        let waiter = queue.pop_front();
        if queue.is_empty() {
            self.waiting.remove(&peer);
        }
        waiter
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn peers_take_turns_however_much_one_asks_for() {
        let mut queue = Queue::new(1);
        assert!(matches!(queue.enter(peer(1), "1a"), Entered::Now));
        for (who, waiter) in [(1, "1b"), (1, "1c"), (1, "1d"), (3, "3a"), (2, "2a")] {
            assert!(matches!(queue.enter(peer(who), waiter), Entered::Waiting));
        }
        let order: Vec<_> = std::iter::from_fn(|| queue.leave()).collect();
        assert_eq!(order, ["1b", "2a", "3a", "1c", "1d"]);
        assert_eq!(queue.free, 1);
    }

    #[test]
    fn the_queue_has_an_end() {
        let mut queue = Queue::new(0);
        for n in 0..WAITING_MAX {
            assert!(matches!(queue.enter(peer(1), n), Entered::Waiting));
        }
        assert!(matches!(queue.enter(peer(2), 0), Entered::Full));
    }

    #[tokio::test(start_paused = true)]
    async fn a_slot_goes_to_who_still_waits() {
        let slots = Slots::new(1);
        let first = slots.take(peer(1)).await.unwrap();
        assert!(
            slots.take(peer(2)).await.is_none(),
            "nothing came free in time"
        );
        let waiting = tokio::spawn({
            let slots = slots.clone();
            async move { slots.take(peer(3)).await }
        });
        tokio::task::yield_now().await;
        drop(first);
        let second = waiting.await.unwrap();
        assert!(second.is_some());
        drop(second);
        assert_eq!(lock(&slots.0).free, 1);
        assert!(lock(&slots.0).waiting.is_empty());
    }
}
