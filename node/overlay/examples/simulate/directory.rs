//! A distributed hash table that knows providers: Kademlia with perfect tables.
//!
//! Each node knows up to [`BUCKET`] nodes of each other subtree; a record lies at
//! the [`BUCKET`] nodes nearest to its key. A look-up asks [`AT_ONCE`] nodes in
//! each round and ends with the first that has the record.

use std::collections::HashSet;

use crate::random::Random;

const BUCKET: usize = 20;
const AT_ONCE: usize = 3;

/// The table.
#[derive(Debug)]
pub(crate) struct Directory {
    /// The ids of the nodes, sorted.
    ids: Vec<u64>,
}

impl Directory {
    pub(crate) fn new(nodes: usize, random: &mut Random) -> Directory {
        let mut ids: Vec<u64> = (0..nodes).map(|_| random.next()).collect();
        ids.sort_unstable();
        Directory { ids }
    }

    /// Looks up the holders of a file. Returns the provider, and the number of messages.
    pub(crate) fn look_up(
        &self,
        file: u64,
        asker: u32,
        provider: Option<u32>,
    ) -> (Option<u32>, usize) {
        let mut random = Random::new(file ^ u64::from(asker).rotate_left(32));
        let key = random.next();
        let keepers = self.nearest(key);
        let from = self.ids[random.below(self.ids.len())];
        let mut known = self.told_by(from, key, &mut random);
        let (mut asked, mut messages) = (HashSet::new(), 0);
        loop {
            known.sort_unstable_by_key(|id| id ^ key);
            known.dedup();
            known.truncate(BUCKET);
            let round: Vec<u64> = known
                .iter()
                .filter(|id| !asked.contains(*id))
                .take(AT_ONCE)
                .copied()
                .collect();
            if round.is_empty() {
                return (None, messages);
            }
            messages += round.len();
            if provider.is_some() && round.iter().any(|id| keepers.contains(id)) {
                return (provider, messages);
            }
            for id in round {
                asked.insert(id);
                known.extend(self.told_by(id, key, &mut random));
            }
        }
    }

    /// Returns the nodes nearest to a key.
    fn nearest(&self, key: u64) -> Vec<u64> {
        let mut bits = 64;
        while bits > 0 && self.below(key, bits).len() < BUCKET {
            bits -= 1;
        }
        let mut nearest = self.below(key, bits).to_vec();
        nearest.sort_unstable_by_key(|id| id ^ key);
        nearest.truncate(BUCKET);
        nearest
    }

    /// Returns nodes near `key` that `node` knows: some of the subtree that begins
    /// where the two differ.
    fn told_by(&self, node: u64, key: u64, random: &mut Random) -> Vec<u64> {
        let same = (node ^ key).leading_zeros();
        let subtree = self.below(key, (same + 1).min(64));
        if subtree.len() <= BUCKET {
            return self.nearest(key);
        }
        (0..BUCKET)
            .map(|_| subtree[random.below(subtree.len())])
            .collect()
    }

    /// Returns the nodes that share the first `bits` bits with `key`.
    fn below(&self, key: u64, bits: u32) -> &[u64] {
        let free = 64 - bits;
        let mask = if free == 64 {
            u64::MAX
        } else {
            (1 << free) - 1
        };
        let first = self.ids.partition_point(|id| *id < key & !mask);
        let end = self.ids.partition_point(|id| *id <= key | mask);
        &self.ids[first..end]
    }
}
