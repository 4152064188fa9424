//! Holders of files, the summaries that describe them, and dead or lying nodes.

use std::{
    collections::{HashMap, HashSet},
    ops::Range,
};

use node_overlay::{SUMMARIES_MAX, steady};

use crate::{
    graph::{Graph, number},
    random::{Random, number_of, part_of},
};

/// The greatest fill ratio of a filter; a fuller one is refused.
const FILLED_MAX: f64 = 0.6;

/// The number of bits of a filter that a key sets.
const HASHES: i32 = 11;

/// The false-positive rates of filters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Errors {
    /// The filter of a peer says yes and means no.
    pub(crate) own: f64,
    /// A filter of one of its peers does.
    pub(crate) near: f64,
}

impl Errors {
    /// The filters of the protocol: 16 bits for each key, of which it sets 11.
    pub(crate) const OURS: Errors = Errors {
        own: 0.0005,
        near: 0.0005,
    };
    /// One in twenty: the filter of a peer, and all that it passes on together.
    pub(crate) const TWENTIETH: Errors = Errors {
        own: 0.05,
        near: 0.05 / 16.0,
    };
    /// One in twenty of all filters, each for itself.
    pub(crate) const TWENTIETH_EACH: Errors = Errors {
        own: 0.05,
        near: 0.05,
    };
    /// As many as a filter may have.
    pub(crate) const HUNDREDTH: Errors = Errors {
        own: 0.01,
        near: 0.01,
    };
}

/// A network with files.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) graph: Graph,
    pub(crate) errors: Errors,
    holders: HashMap<u64, HashSet<u32>>,
    dead: Vec<bool>,
    liars: Vec<bool>,
    /// The part of all calls to each node that it does not hear.
    unheard: Vec<f64>,
    /// The peers of each node whose summaries it has, if these are not all.
    polled: Vec<Vec<u32>>,
}

impl World {
    pub(crate) fn new(graph: Graph, errors: Errors) -> World {
        World {
            dead: vec![false; graph.len()],
            liars: vec![false; graph.len()],
            unheard: vec![0.0; graph.len()],
            polled: Vec::new(),
            holders: HashMap::new(),
            errors,
            graph,
        }
    }

    /// Gives each node the summaries of as many of its peers as a node keeps.
    pub(crate) fn poll(&mut self) {
        let nodes = 0..number(self.graph.len());
        let polled = nodes.map(|node| {
            let peers = self.graph.peers(node).iter().copied();
            let age = |peer: &u32| number_of(3, node.into(), (*peer).into());
            let lot = |peer: &u32| number_of(4, node.into(), (*peer).into());
            steady(peers, SUMMARIES_MAX, age, lot)
        });
        self.polled = polled.collect();
    }

    /// Returns the peers whose summaries a node has.
    pub(crate) fn polled(&self, node: u32) -> &[u32] {
        match self.polled.get(node as usize) {
            Some(polled) => polled,
            None => self.graph.peers(node),
        }
    }

    /// Returns a node that chance chose.
    pub(crate) fn anybody(&self, random: &mut Random) -> u32 {
        number(random.below(self.graph.len()))
    }

    /// Returns a living and honest node that chance chose.
    pub(crate) fn somebody(&self, random: &mut Random) -> u32 {
        loop {
            let node = self.anybody(random);
            if !self.is_dead(node) && !self.is_liar(node) {
                return node;
            }
        }
    }

    /// Puts `copies` of a file somewhere, at living and honest nodes.
    pub(crate) fn put(&mut self, file: u64, copies: usize, random: &mut Random) {
        let mut holders = HashSet::new();
        while holders.len() < copies {
            holders.insert(self.somebody(random));
        }
        self.holders.insert(file, holders);
    }

    pub(crate) fn keep(&mut self, node: u32, file: u64) {
        self.holders.entry(file).or_default().insert(node);
    }

    pub(crate) fn drop_copy(&mut self, node: u32, file: u64) {
        if let Some(holders) = self.holders.get_mut(&file) {
            holders.remove(&node);
        }
    }

    pub(crate) fn kill(&mut self, part: f64, random: &mut Random) {
        let dead = self.dead.iter_mut();
        dead.for_each(|dead| *dead = random.part() < part);
    }

    pub(crate) fn turn(&mut self, part: f64, random: &mut Random) {
        let liars = self.liars.iter_mut();
        liars.for_each(|liar| *liar = random.part() < part);
    }

    /// Drowns these nodes: they do not hear a part of the calls to them.
    pub(crate) fn drown(&mut self, nodes: Range<usize>, unheard: f64) {
        self.unheard[nodes].fill(unheard);
    }

    /// Drowns the peers of a node.
    pub(crate) fn drown_peers(&mut self, node: u32, unheard: f64) {
        for peer in self.graph.peers(node) {
            self.unheard[*peer as usize] = unheard;
        }
    }

    /// Returns true if a node answers the call of the search for a file.
    pub(crate) fn answers(&self, node: u32, file: u64) -> bool {
        let unheard = self.unheard[node as usize];
        !self.is_dead(node) && part_of(2, node.into(), file) >= unheard
    }

    pub(crate) fn is_dead(&self, node: u32) -> bool {
        self.dead[node as usize]
    }

    pub(crate) fn is_liar(&self, node: u32) -> bool {
        self.liars[node as usize]
    }

    pub(crate) fn has(&self, node: u32, file: u64) -> bool {
        let holders = self.holders.get(&file);
        holders.is_some_and(|holders| holders.contains(&node))
    }

    /// Returns a live holder of the file, as a directory of single copies would.
    pub(crate) fn provider(&self, file: u64) -> Option<u32> {
        let holders = self.holders.get(&file)?.iter();
        holders.copied().filter(|node| !self.is_dead(*node)).min()
    }

    /// Returns true if the summary of a peer says yes.
    pub(crate) fn says_own(&self, node: u32, file: u64) -> bool {
        self.says(node, file, self.errors.own)
    }

    /// Returns true if the summary of a peer of a peer says yes.
    pub(crate) fn says_near(&self, node: u32, file: u64) -> bool {
        self.says(node, file, self.errors.near)
    }

    fn says(&self, node: u32, file: u64, errors: f64) -> bool {
        // A liar fills its filter as far as it is accepted.
        let errors = if self.is_liar(node) {
            errors.max(FILLED_MAX.powi(HASHES))
        } else {
            errors
        };
        self.has(node, file) || part_of(1, node.into(), file) < errors
    }

    /// Returns liars, for a liar to name.
    pub(crate) fn liars(&self) -> impl Iterator<Item = u32> {
        let all = self.liars.iter().enumerate();
        all.filter(|(_, liar)| **liar).map(|(node, _)| number(node))
    }
}
