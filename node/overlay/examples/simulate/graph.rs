//! Networks: links between nodes, each known at both ends.

use crate::random::Random;

/// A network.
#[derive(Debug)]
pub(crate) struct Graph {
    starts: Vec<usize>,
    peers: Vec<u32>,
}

impl Graph {
    /// Creates a graph in which each node knows `degree` others, drawn by chance.
    pub(crate) fn regular(nodes: usize, degree: usize, random: &mut Random) -> Graph {
        let mut ends: Vec<u32> = (0..nodes * degree)
            .map(|end| number(end / degree))
            .collect();
        random.shuffle(&mut ends);
        let pairs = ends.chunks_exact(2).map(|pair| (pair[0], pair[1]));
        Graph::of(nodes, pairs.collect())
    }

    /// Creates `links` between nodes by chance; of that the largest part that
    /// hangs together.
    pub(crate) fn random(nodes: usize, links: usize, random: &mut Random) -> Graph {
        let mut end = || number(random.below(nodes));
        let links = (0..links).map(|_| (end(), end())).collect();
        Graph::of(nodes, links).largest_part()
    }

    /// Creates a graph in which all nodes know each other.
    pub(crate) fn mesh(nodes: usize) -> Graph {
        let all = (0..nodes).flat_map(|a| (0..a).map(move |b| (number(a), number(b))));
        Graph::of(nodes, all.collect())
    }

    fn of(nodes: usize, mut links: Vec<(u32, u32)>) -> Graph {
        links.retain(|(a, b)| a != b);
        let back: Vec<_> = links.iter().map(|(a, b)| (*b, *a)).collect();
        links.extend(back);
        links.sort_unstable();
        links.dedup();
        let start = |node| links.partition_point(|(from, _)| *from < number(node));
        Graph {
            starts: (0..=nodes).map(start).collect(),
            peers: links.into_iter().map(|(_, to)| to).collect(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.starts.len() - 1
    }

    pub(crate) fn links(&self) -> usize {
        self.peers.len() / 2
    }

    /// Returns the peers of a node.
    pub(crate) fn peers(&self, node: u32) -> &[u32] {
        let node = node as usize;
        &self.peers[self.starts[node]..self.starts[node + 1]]
    }

    fn largest_part(&self) -> Graph {
        let mut part_of = vec![usize::MAX; self.len()];
        let mut sizes = Vec::new();
        for first in 0..self.len() {
            if part_of[first] != usize::MAX {
                continue;
            }
            let part = sizes.len();
            part_of[first] = part;
            let (mut size, mut reached) = (0, vec![number(first)]);
            while let Some(node) = reached.pop() {
                size += 1;
                for peer in self.peers(node) {
                    if part_of[*peer as usize] == usize::MAX {
                        part_of[*peer as usize] = part;
                        reached.push(*peer);
                    }
                }
            }
            sizes.push(size);
        }
        let largest = (0..sizes.len()).max_by_key(|part| sizes[*part]);
        let kept = |node: &usize| Some(part_of[*node]) == largest;
        let names: Vec<u32> = (0..self.len())
            .scan(0, |next, node| {
                let name = *next;
                *next += u32::from(kept(&node));
                Some(name)
            })
            .collect();
        let nodes = (0..self.len()).filter(kept);
        let links = nodes.clone().flat_map(|node| {
            let peers = self.peers(number(node)).iter();
            peers.map(move |peer| (node, *peer))
        });
        let links = links.map(|(a, b)| (names[a], names[b as usize])).collect();
        Graph::of(nodes.count(), links)
    }
}

pub(crate) fn number(node: usize) -> u32 {
    u32::try_from(node).unwrap_or(u32::MAX)
}
