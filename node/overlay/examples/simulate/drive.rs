//! One search: the planner of the node, in the time of an event queue.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    time::{Duration, Instant},
};

use node_overlay::planner::{Candidate, Hint, Limits, Peer, Planner, Target};
use node_wire::limits::FIND_PEERS_MAX;

use crate::{directory::Directory, world::World};

/// Time from a call to its answer.
pub(crate) const CALL: Duration = Duration::from_millis(50);

/// Time after which a call fails to a node that is dead or does not hear it.
const DEAD: Duration = Duration::from_secs(3);

/// A node, as the planner has it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Node(pub(crate) u32);

impl Peer for Node {
    type Key = u32;

    fn key(&self) -> u32 {
        self.0
    }

    fn also_named(&mut self, _: &Node) {}
}

/// The result and the cost of one search.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    pub(crate) found: bool,
    pub(crate) calls: usize,
    /// Messages to the directory.
    pub(crate) messages: usize,
    pub(crate) time: Duration,
}

/// Searches for a file, until the first one says that it has it.
pub(crate) fn search(
    world: &World,
    directory: Option<&Directory>,
    asker: u32,
    file: u64,
    limits: Limits,
) -> Outcome {
    let begun = Instant::now();
    let mut search = Search {
        world,
        file,
        planner: Planner::new(&Node(asker), limits, begun),
        calls: BinaryHeap::new(),
        running: Vec::new(),
    };
    search.begin(asker);
    let (mut now, mut messages, mut directory) = (begun, 0, directory);
    let found = loop {
        search.ask(now);
        if search.planner.is_rare()
            && let Some(directory) = directory.take()
        {
            let (provider, sent) = directory.look_up(file, asker, world.provider(file));
            messages = sent;
            search.planner.point_to(provider.map(Node));
            continue;
        }
        let Some(at) = search.next_at(now) else {
            break false;
        };
        now = at;
        if now >= search.planner.deadline() {
            break false;
        }
        if search.answers(now) {
            break true;
        }
    };
    Outcome {
        found,
        calls: search.planner.asked(),
        messages,
        time: now - begun,
    }
}

struct Search<'a> {
    world: &'a World,
    file: u64,
    planner: Planner<Node>,
    /// The times at which calls end, and their places among those that run.
    calls: BinaryHeap<Reverse<(Instant, usize)>>,
    running: Vec<Target<Node>>,
}

impl Search<'_> {
    /// Adds our own peers, and their peers by their summaries.
    fn begin(&mut self, asker: u32) {
        let world = self.world;
        let peers = world.graph.peers(asker);
        let polled = world.polled(asker);
        let own = peers.iter().map(|peer| {
            if !polled.contains(peer) {
                return candidate(*peer, false, Hint::Open);
            }
            let says = world.says_own(*peer, self.file);
            candidate(*peer, says, Hint::RuledOut)
        });
        self.planner.add(own.collect::<Vec<_>>());
        for peer in polled {
            let near = world.polled(*peer).iter().map(|near| {
                let says = world.says_near(*near, self.file);
                candidate(*near, says, Hint::RuledOut)
            });
            self.planner.named(&Node(*peer), 1, near);
        }
    }

    fn ask(&mut self, now: Instant) {
        while let Some(target) = self.planner.next(now) {
            let takes = if self.world.answers(target.peer.0, self.file) {
                CALL
            } else {
                DEAD
            };
            self.calls.push(Reverse((now + takes, self.running.len())));
            self.running.push(target);
        }
    }

    /// Returns the time of the next event.
    fn next_at(&self, now: Instant) -> Option<Instant> {
        let Reverse((ends, _)) = self.calls.peek()?;
        let slow = self.planner.look_again_at(now);
        Some(slow.map_or(*ends, |slow| slow.min(*ends)))
    }

    /// Takes the answers that are there. Says whether somebody has the file.
    fn answers(&mut self, now: Instant) -> bool {
        while let Some(Reverse((ends, place))) = self.calls.peek().copied()
            && ends <= now
        {
            self.calls.pop();
            let target = self.running[place].clone();
            self.planner.ended(&target, now);
            let node = target.peer.0;
            if !self.world.answers(node, self.file) {
                self.planner.failed(&target, true);
                continue;
            }
            let has = self.world.has(node, self.file);
            self.planner.answered(&target, usize::from(has));
            if has {
                return true;
            }
            let named = self.named(node);
            self.planner.named(&target.peer, target.hops, named);
        }
        false
    }

    /// Returns the peers that a node names: first those whose summaries say yes, then its own.
    fn named(&self, node: u32) -> Vec<Candidate<Node>> {
        let world = self.world;
        if world.is_liar(node) {
            let liars = world.liars().skip(node as usize % 7).take(FIND_PEERS_MAX);
            return liars
                .map(|liar| candidate(liar, true, Hint::Open))
                .collect();
        }
        let polled = world.polled(node);
        let own = polled.iter().copied();
        let own = own.filter(|peer| world.says_own(*peer, self.file));
        let near = polled.iter().flat_map(|peer| world.polled(*peer));
        let near = near
            .copied()
            .filter(|near| world.says_near(*near, self.file));
        let yes = own
            .chain(near)
            .map(|peer| candidate(peer, true, Hint::Open));
        let peers = world.graph.peers(node);
        let rest = peers.iter().map(|peer| candidate(*peer, false, Hint::Open));
        yes.chain(rest).take(FIND_PEERS_MAX).collect()
    }
}

fn candidate(node: u32, says_yes: bool, otherwise: Hint) -> Candidate<Node> {
    Candidate {
        peer: Node(node),
        hint: if says_yes { Hint::Match } else { otherwise },
        penalty: 0,
    }
}
