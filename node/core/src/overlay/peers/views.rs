//! Views of the table: the peers that are asked first, and the rest.
//!
//! The *active view* is small and mixed: the peers worth most, those known for
//! longest, and some drawn at random, so that neither whoever answers fastest nor
//! whoever came last can make up all of it. The *reserve* is everybody else:
//! candidates that have not answered, and peers that take the places of those
//! that leave.
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

/// The active view. `draw(n)` gives a number below `n`.
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
