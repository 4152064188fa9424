//! Views of the table: the peers that are asked first, and the rest.
//!
//! The *active view* is small and mixed: the peers worth most, those known for
//! longest, and some drawn at random, so that neither the peers that answer fastest nor
//! those that came last can make up all of it. The *reserve* is everybody else:
//! candidates that have not answered, and peers that take the places of those
//! that leave.
//!
//! The active view is announced to others; it is drawn again each time. The peers whose
//! summaries are kept have to stay the same, because a summary is a whole filter and
//! later only what changed; that is the [`steady`] view. It is another one at each
//! node, so that with many peers everybody's files are known to somebody. Searches ask
//! those worth most first, among peers of which nothing else is known
//! ([`PeerTable::to_ask`](super::PeerTable::to_ask)).
//!
//! # Invariants
//! - Only peers that count and are not failing are active.
//! - Pure functions: chance is a parameter.

use super::PeerEntry;

/// Most peers in the active view.
pub const ACTIVE_MAX: usize = 16;

/// Of them, those worth most.
const BEST: usize = 8;

/// Of them, those known for longest.
const OLDEST: usize = 4;

/// Of a steady view, one in so many is of those known for longest.
const OLDEST_PART: usize = 4;

/// Returns the steady view, at most `most` of the `peers`: those known for longest, whom nobody
/// who comes later can displace, and of the others those with the lowest lot. `age` is
/// the less the longer a peer is known; `lot` is the same each time, and differs from
/// node to node.
pub fn steady<P>(
    peers: impl IntoIterator<Item = P>,
    most: usize,
    age: impl Fn(&P) -> u64,
    lot: impl Fn(&P) -> u64,
) -> Vec<P> {
    let mut rest: Vec<P> = peers.into_iter().collect();
    if rest.len() <= most {
        return rest;
    }
    rest.sort_by_key(age);
    let mut view: Vec<P> = rest.drain(..most / OLDEST_PART).collect();
    rest.sort_by_cached_key(lot);
    rest.truncate(most - view.len());
    view.extend(rest);
    view
}

/// Returns the active view. `draw(n)` gives a number below `n`.
pub fn active(
    peers: impl IntoIterator<Item = PeerEntry>,
    mut draw: impl FnMut(usize) -> usize,
) -> Vec<PeerEntry> {
    let mut rest: Vec<PeerEntry> = peers
        .into_iter()
        .filter(|peer| peer.counts() && peer.failures == 0)
        .collect();
    rest.sort_by(|a, b| b.score().total_cmp(&a.score()));
    let mut view: Vec<PeerEntry> = rest.drain(..BEST.min(rest.len())).collect();
    rest.sort_by_key(|peer| peer.since);
    view.extend(rest.drain(..OLDEST.min(rest.len())));
    while view.len() < ACTIVE_MAX && !rest.is_empty() {
        let drawn = draw(rest.len()).min(rest.len() - 1);
        view.push(rest.swap_remove(drawn));
    }
    view
}
