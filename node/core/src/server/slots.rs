//! Upload slots: a limit on the bodies that are sent at a time, and their order.
//!
//! # Participants
//! [`Slots`] is asked for a [`Slot`] before a long body is sent, and has it
//! back when the body is out or broken off. [`Queue`] decides who is next; it
//! is a state machine without a clock.
//!
//! # Invariants
//! - At most so many slots are out as there are, at most [`WAITING_MAX`] requests wait,
//!   [`WAITING_OF_ONE`] of one peer, none longer than [`WAIT`].
//! - Peers, told apart by their address, take turns: one that asks for much
//!   waits for itself, not the others for it.
//! - With [`Slots::shared`], a peer takes a slot only while more are free than it holds.
//!   So one peer holds half of them at most, the next half of the rest, and one that
//!   comes later finds one, however slowly the others read.
//! - A request that stops waiting leaves the queue at once.
//! - Fewer slots than are out ([`Slots::resize`]) take none away; the next one is given when enough came back.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    net::IpAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{sync::oneshot, time::timeout};

use crate::sync::lock;

/// Most requests that wait for a slot.
const WAITING_MAX: usize = 512;

/// Most requests of one peer that wait for a slot.
const WAITING_OF_ONE: usize = 128;

/// Longest wait for a slot. Below the silence that an asker bears.
const WAIT: Duration = Duration::from_secs(8);

/// The slots for long bodies, and the requests that wait for one.
#[derive(Clone, Debug)]
pub(super) struct Slots(Arc<Mutex<Queue<oneshot::Sender<Slot>>>>);

/// The right to send one long body; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Slot(Option<(Slots, IpAddr)>);

/// A request that waits; it leaves the queue when it is dropped.
struct Ticket<'a> {
    slots: &'a Slots,
    peer: IpAddr,
    number: u64,
}

/// The slots, and the requests that wait for one.
#[derive(Debug)]
struct Queue<W> {
    slots: usize,
    out: usize,
    /// True if a peer takes slots only while more are free than it holds.
    is_shared: bool,
    held: HashMap<IpAddr, usize>,
    waiting: BTreeMap<IpAddr, VecDeque<(u64, W)>>,
    /// The address that had the last turn.
    last: Option<IpAddr>,
    /// Number of the request that began to wait last.
    number: u64,
}

/// The result for a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Entered {
    Now,
    /// It waits under this number.
    Waiting(u64),
    Full,
}

impl Slots {
    /// Creates slots that are given out in the order of requests.
    #[must_use]
    pub(super) fn new(slots: usize) -> Slots {
        Slots(Arc::new(Mutex::new(Queue::new(slots, false))))
    }

    /// Creates slots that one peer never has all of.
    #[must_use]
    pub(super) fn shared(slots: usize) -> Slots {
        Slots(Arc::new(Mutex::new(Queue::new(slots, true))))
    }

    /// Waits for a slot for `peer`. `None` when none is free in time.
    pub(super) async fn take(&self, peer: IpAddr) -> Option<Slot> {
        let (sender, turn) = oneshot::channel();
        let entered = lock(&self.0).enter(peer, sender);
        let number = match entered {
            Entered::Now => return Some(self.slot(peer)),
            Entered::Full => return None,
            Entered::Waiting(number) => number,
        };
        let _leaves = Ticket {
            slots: self,
            peer,
            number,
        };
        timeout(WAIT, turn).await.ok()?.ok()
    }

    /// Takes a slot for `peer` if one is free, without a wait.
    pub(super) fn try_take(&self, peer: IpAddr) -> Option<Slot> {
        let is_taken = lock(&self.0).try_enter(peer);
        is_taken.then(|| self.slot(peer))
    }

    fn slot(&self, peer: IpAddr) -> Slot {
        Slot(Some((self.clone(), peer)))
    }

    /// Takes a slot back.
    fn give_back(&self, peer: IpAddr) {
        lock(&self.0).leave(peer);
        self.hand_out();
    }

    /// Changes how many slots there are.
    pub(super) fn resize(&self, slots: usize) {
        lock(&self.0).slots = slots;
        self.hand_out();
    }

    /// Hands free slots to the next requests that still wait.
    fn hand_out(&self) {
        loop {
            let Some((peer, next)) = lock(&self.0).next() else {
                return;
            };
            if let Err(mut unwanted) = next.send(self.slot(peer)) {
                // Nobody waits there any more: the slot comes back here, and not when this is dropped.
                unwanted.0 = None;
                lock(&self.0).leave(peer);
            }
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some((slots, peer)) = self.0.take() {
            slots.give_back(peer);
        }
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        lock(&self.slots.0).forget(self.peer, self.number);
    }
}

impl<W> Queue<W> {
    fn new(slots: usize, is_shared: bool) -> Queue<W> {
        Queue {
            slots,
            out: 0,
            is_shared,
            held: HashMap::new(),
            waiting: BTreeMap::new(),
            last: None,
            number: 0,
        }
    }

    /// Takes a slot if `peer` may have one. Returns whether it did.
    fn try_enter(&mut self, peer: IpAddr) -> bool {
        let may_take = self.may_take(peer);
        if may_take {
            self.take(peer);
        }
        may_take
    }

    fn enter(&mut self, peer: IpAddr, waiter: W) -> Entered {
        if self.try_enter(peer) {
            return Entered::Now;
        }
        let of_all = self.waiting.values().map(VecDeque::len).sum::<usize>();
        let of_peer = self.waiting.get(&peer).map_or(0, VecDeque::len);
        if of_all >= WAITING_MAX || of_peer >= WAITING_OF_ONE {
            return Entered::Full;
        }
        self.number += 1;
        let queue = self.waiting.entry(peer).or_default();
        queue.push_back((self.number, waiter));
        Entered::Waiting(self.number)
    }

    /// Returns true if `peer` may have one slot more.
    fn may_take(&self, peer: IpAddr) -> bool {
        let held = self.held.get(&peer).copied().unwrap_or(0);
        self.free() > if self.is_shared { held } else { 0 }
    }

    fn free(&self) -> usize {
        self.slots.saturating_sub(self.out)
    }

    fn take(&mut self, peer: IpAddr) {
        self.out += 1;
        *self.held.entry(peer).or_default() += 1;
    }

    /// Takes back a slot from `peer`.
    fn leave(&mut self, peer: IpAddr) {
        self.out -= 1;
        if let Some(held) = self.held.get_mut(&peer) {
            *held -= 1;
            if *held == 0 {
                self.held.remove(&peer);
            }
        }
    }

    /// Forgets a request that waits no more.
    fn forget(&mut self, peer: IpAddr, number: u64) {
        if let Some(queue) = self.waiting.get_mut(&peer) {
            queue.retain(|(waiting, _)| *waiting != number);
            if queue.is_empty() {
                self.waiting.remove(&peer);
            }
        }
    }

    /// Gives a free slot to the next peer, if one of those that wait may have it.
    fn next(&mut self) -> Option<(IpAddr, W)> {
        let after = |peer: &IpAddr| self.last.is_none_or(|last| *peer > last);
        let in_turn = self.waiting.keys().filter(|peer| after(peer));
        let before = self.waiting.keys().filter(|peer| !after(peer));
        let peer = in_turn
            .chain(before)
            .copied()
            .find(|peer| self.may_take(*peer))?;
        self.last = Some(peer);
        let queue = self.waiting.get_mut(&peer)?;
        let (_, waiter) = queue.pop_front()?;
        if queue.is_empty() {
            self.waiting.remove(&peer);
        }
        self.take(peer);
        Some((peer, waiter))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn peer(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    /// Enters until `peer` waits, and says how many slots it has.
    fn fill(queue: &mut Queue<u64>, peer: IpAddr) -> usize {
        while queue.enter(peer, 0) == Entered::Now {}
        queue.held.get(&peer).copied().unwrap_or(0)
    }

    #[test]
    fn peers_take_turns_however_much_one_asks_for() {
        let mut queue = Queue::new(1, false);
        assert_eq!(queue.enter(peer(1), "1a"), Entered::Now);
        for (who, waiter) in [(1, "1b"), (1, "1c"), (1, "1d"), (3, "3a"), (2, "2a")] {
            assert!(matches!(
                queue.enter(peer(who), waiter),
                Entered::Waiting(_)
            ));
        }
        let mut holder = peer(1);
        let mut order = Vec::new();
        loop {
            queue.leave(holder);
            let Some((next, waiter)) = queue.next() else {
                break;
            };
            order.push(waiter);
            holder = next;
        }
        assert_eq!(order, ["1b", "2a", "3a", "1c", "1d"]);
        assert_eq!(queue.free(), 1);
    }

    #[test]
    fn the_queue_has_an_end_for_one_and_for_all() {
        let mut queue = Queue::new(0, false);
        for n in 1..=4 {
            for _ in 0..WAITING_OF_ONE {
                assert!(matches!(queue.enter(peer(n), ()), Entered::Waiting(_)));
            }
            assert_eq!(queue.enter(peer(n), ()), Entered::Full);
        }
        assert_eq!(queue.enter(peer(9), ()), Entered::Full);
    }

    #[test]
    fn one_peer_never_holds_all_slots_and_the_next_finds_one() {
        let mut queue = Queue::new(32, true);
        let held: Vec<_> = (1..=5).map(|n| fill(&mut queue, peer(n))).collect();
        assert_eq!(held, [16, 8, 4, 2, 1]);
        let mut few = Queue::new(1, true);
        assert_eq!(fill(&mut few, peer(1)), 1, "one slot is for one at a time");
    }

    #[test]
    fn a_slot_that_comes_back_goes_to_who_holds_least_first() {
        let mut queue = Queue::new(4, true);
        assert_eq!(fill(&mut queue, peer(1)), 2);
        assert_eq!(fill(&mut queue, peer(2)), 1);
        assert_eq!(queue.enter(peer(3), 3), Entered::Now);
        assert!(matches!(queue.enter(peer(4), 4), Entered::Waiting(_)));
        queue.leave(peer(1));
        assert_eq!(queue.next(), Some((peer(4), 4)));
        assert_eq!(queue.next(), None, "1 and 2 hold as many as are free");
    }

    #[test]
    fn who_stops_waiting_is_out_at_once() {
        let mut queue = Queue::new(1, true);
        assert_eq!(queue.enter(peer(2), 0), Entered::Now);
        let Entered::Waiting(number) = queue.enter(peer(1), 1) else {
            panic!("there is no slot");
        };
        queue.forget(peer(1), number);
        assert!(queue.waiting.is_empty());
        queue.leave(peer(2));
        assert_eq!(queue.next(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slot_goes_to_who_still_waits() {
        let slots = Slots::new(1);
        let first = slots.take(peer(1)).await.unwrap();
        assert!(
            slots.take(peer(2)).await.is_none(),
            "nothing came free in time"
        );
        let gone = tokio::spawn({
            let slots = slots.clone();
            async move { slots.take(peer(2)).await }
        });
        let waiting = tokio::spawn({
            let slots = slots.clone();
            async move { slots.take(peer(3)).await }
        });
        tokio::task::yield_now().await;
        assert_eq!(lock(&slots.0).waiting.len(), 2);
        gone.abort();
        assert!(gone.await.is_err());
        assert_eq!(lock(&slots.0).waiting.len(), 1, "it left the queue");
        drop(first);
        let second = waiting.await.unwrap();
        assert!(second.is_some());
        drop(second);
        assert_eq!(lock(&slots.0).free(), 1);
        assert!(lock(&slots.0).waiting.is_empty());
        assert!(lock(&slots.0).held.is_empty());
    }

    proptest! {
        #[test]
        fn no_slot_is_lost_and_a_peer_that_holds_none_gets_one(
            slots in 2..40_usize,
            steps in prop::collection::vec((0..3_u8, 0..6_u8), 0..200),
        ) {
            let mut queue = Queue::new(slots, true);
            let mut waiting = Vec::new();
            for (step, who) in steps {
                let who = peer(who);
                match step {
                    0 => {
                        let free = queue.free();
                        let entered = queue.enter(who, ());
                        let holds = queue.held.get(&who).is_some_and(|held| *held > 0);
                        prop_assert!(holds || free == 0);
                        if let Entered::Waiting(number) = entered {
                            waiting.push((who, number));
                        }
                    }
                    1 if queue.held.contains_key(&who) => {
                        queue.leave(who);
                        while queue.next().is_some() {}
                    }
                    _ => {
                        if let Some((who, number)) = waiting.pop() {
                            queue.forget(who, number);
                        }
                    }
                }
                let held: usize = queue.held.values().sum();
                prop_assert_eq!(held + queue.free(), slots);
                prop_assert!(queue.held.values().all(|held| *held < slots));
            }
        }
    }
}
