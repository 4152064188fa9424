//! Files that were seen so soon after a change that the next one may not show.
//!
//! # Invariants
//! - A stamp that stayed the same for as long as it takes to settle is settled,
//!   whatever the clock of the disk says.
//! - At most [`YOUNG_MAX`] files are tracked. With more, all files are to be
//!   looked at once more, and what stayed the same until then is settled.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::Meta;
use crate::Stamp;

/// Most files that are tracked one by one.
const YOUNG_MAX: usize = 10_000;

/// Files whose next change may not show.
#[derive(Debug, Default)]
pub(crate) struct Young {
    /// Stamps, and when they were first seen.
    seen: BTreeMap<String, (Stamp, Instant)>,
    /// Files that were seen long enough ago and are looked at again now.
    ripe: BTreeMap<String, Stamp>,
    /// The time when a file was last left out.
    left_out: Option<Instant>,
}

impl Young {
    /// Returns the state of the file `name`, which was `known` as something before.
    pub(crate) fn settle(
        &mut self,
        name: &str,
        known: Option<Meta>,
        meta: Meta,
        now: Instant,
    ) -> Meta {
        let known = known.filter(|known| known.stamp == meta.stamp);
        if meta.settled || known.is_some_and(|known| known.settled) {
            return Meta {
                settled: true,
                ..meta
            };
        }
        let settled = self.is_old(name, &meta.stamp, known.is_some(), now);
        if !settled {
            self.note(name, meta.stamp, now);
        }
        Meta { settled, ..meta }
    }

    fn is_old(&self, name: &str, stamp: &Stamp, is_known: bool, now: Instant) -> bool {
        let long_ago = |seen: Instant| now >= seen + stamp.settles_after();
        if self.ripe.get(name) == Some(stamp) {
            return true;
        }
        match self.seen.get(name) {
            Some((seen, at)) => seen == stamp && long_ago(*at),
            None => is_known && self.left_out.is_some_and(long_ago),
        }
    }

    fn note(&mut self, name: &str, stamp: Stamp, now: Instant) {
        if self.seen.get(name).is_some_and(|(seen, _)| *seen == stamp) {
            return;
        }
        if self.seen.len() < YOUNG_MAX {
            self.seen.insert(name.to_owned(), (stamp, now));
        } else {
            self.left_out = Some(now);
        }
    }

    /// Returns the files that were seen long enough ago, to be looked at again;
    /// [`Young::looked`] is called then.
    pub(crate) fn ripen(&mut self, now: Instant) -> Vec<String> {
        let is_ripe =
            |(_, (stamp, at)): &(&String, &(Stamp, Instant))| now >= *at + stamp.settles_after();
        let ripe = self.seen.iter().filter(is_ripe);
        self.ripe = ripe
            .map(|(name, (stamp, _))| (name.clone(), *stamp))
            .collect();
        self.seen.retain(|name, _| !self.ripe.contains_key(name));
        self.ripe.keys().cloned().collect()
    }

    /// Notes that the files that were ripe have been looked at.
    pub(crate) fn looked(&mut self) {
        self.ripe.clear();
    }

    /// Returns whether files are waited for.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.seen.is_empty()
    }

    /// Returns whether all files are to be looked at, because some were left out
    /// longer ago than `pause`.
    pub(crate) fn has_left_out(&self, pause: Duration, now: Instant) -> bool {
        self.left_out.is_some_and(|at| now >= at + pause)
    }

    /// Notes that all files have been looked at since `begun`.
    pub(crate) fn swept(&mut self, begun: Instant) {
        self.left_out = self.left_out.filter(|at| *at >= begun);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn young(changed: i64) -> Meta {
        let stamp = Stamp {
            size: 1,
            inode: 1,
            modified: 1,
            changed,
            told: 0,
        };
        Meta {
            stamp,
            settled: false,
        }
    }

    const WAIT: Duration = crate::stamp::SETTLED_AFTER;

    #[test]
    fn a_stamp_that_stays_is_settled_whatever_its_time() {
        let (mut all, begun) = (Young::default(), Instant::now());
        let first = all.settle("a", None, young(i64::MAX), begun);
        assert!(!first.settled && all.is_waiting());
        assert!(all.ripen(begun + WAIT / 2).is_empty());
        let other = young(i64::MAX - 2);
        assert!(!all.settle("a", Some(first), other, begun + WAIT).settled);
        assert_eq!(all.ripen(begun + WAIT * 2), ["a"]);
        let settled = all.settle("a", Some(other), other, begun + WAIT * 2);
        assert!(settled.settled);
        all.looked();
        // It stays so, and nothing is waited for.
        assert!(
            all.settle("a", Some(settled), other, begun + WAIT * 3)
                .settled
        );
        assert!(!all.is_waiting());
    }

    #[test]
    fn more_than_are_tracked_settle_with_the_next_sweep() {
        let (mut all, begun) = (Young::default(), Instant::now());
        for number in 0..=YOUNG_MAX {
            all.settle(&format!("{number:05}"), None, young(i64::MAX), begun);
        }
        let last = format!("{YOUNG_MAX:05}");
        let known = Some(young(i64::MAX));
        let later = begun + WAIT;
        assert!(all.has_left_out(WAIT, later) && !all.has_left_out(WAIT, begun));
        assert!(all.settle(&last, known, young(i64::MAX), later).settled);
        assert!(!all.settle("new", None, young(i64::MAX), later).settled);
        all.swept(later);
        assert!(all.has_left_out(WAIT, later + WAIT), "one came meanwhile");
        all.swept(later + WAIT);
        assert!(!all.has_left_out(WAIT, later + WAIT));
    }
}
