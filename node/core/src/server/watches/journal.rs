//! The journal of changes: the names of files that appeared or changed, in order.
//!
//! A state machine without I/O; time is a parameter.
//!
//! # Invariants
//! - At most [`ENTRIES_MAX`] names of [`BYTES_MAX`] bytes are kept, and at most [`LATER_MAX`] wait for their digests.
//! - A place whose changes are not all kept is lost; it is never taken for one without changes.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::{Duration, Instant},
};

/// Most names that are kept.
const ENTRIES_MAX: usize = 32_768;

/// Most bytes of names that are kept.
const BYTES_MAX: usize = 8 * 1024 * 1024;

/// Most files that wait for their digests.
const LATER_MAX: usize = 1_024;

/// The first pause before a file without a digest is looked at again; it doubles up to [`PAUSE_MAX`].
pub(super) const PAUSE: Duration = Duration::from_millis(250);

/// The longest such pause.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// The changes of the share, and the files that wait for their digests.
#[derive(Debug, Default)]
pub(super) struct Journal {
    /// The place of the first name that is kept.
    first: u64,
    names: VecDeque<String>,
    bytes: usize,
    later: BTreeMap<String, Later>,
}

#[derive(Debug)]
struct Later {
    due: Instant,
    pause: Duration,
}

/// Changes behind a place.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Changed {
    pub(super) names: BTreeSet<String>,
    /// The place behind them.
    pub(super) place: u64,
}

impl Journal {
    /// Notes that a file appeared or changed.
    pub(super) fn note(&mut self, name: &str) {
        self.bytes += name.len();
        self.names.push_back(name.to_owned());
        while self.names.len() > ENTRIES_MAX || self.bytes > BYTES_MAX {
            self.first += 1;
            let oldest = self.names.pop_front();
            self.bytes -= oldest.map_or(0, |oldest| oldest.len());
        }
    }

    /// Forgets everything: there were changes without names.
    pub(super) fn lose(&mut self) {
        self.first = self.end() + 1;
        self.names.clear();
        self.bytes = 0;
    }

    /// Returns the place behind the last change.
    pub(super) fn end(&self) -> u64 {
        self.first + self.names.len() as u64
    }

    /// Returns the first changes behind `place`, of at most `most` files. `None` if some of them are forgotten, or the
    /// place was never given.
    pub(super) fn since(&self, place: u64, most: usize) -> Option<Changed> {
        if place > self.end() {
            return None;
        }
        let skipped = usize::try_from(place.checked_sub(self.first)?).ok()?;
        let mut changed = Changed {
            names: BTreeSet::new(),
            place,
        };
        for name in self.names.iter().skip(skipped) {
            if changed.names.len() >= most && !changed.names.contains(name) {
                break;
            }
            changed.names.insert(name.clone());
            changed.place += 1;
        }
        Some(changed)
    }

    /// Has a file looked at again after `pause`. If too many wait, the journal is lost instead, so that everything is
    /// looked at.
    pub(super) fn put_off(&mut self, name: String, pause: Duration, now: Instant) {
        if self.later.len() >= LATER_MAX && !self.later.contains_key(&name) {
            self.later.clear();
            self.lose();
            return;
        }
        let later = Later {
            due: now + pause,
            pause,
        };
        self.later.entry(name).or_insert(later);
    }

    /// Returns the time of the next look, if a file waits for one.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.later.values().map(|later| later.due).min()
    }

    /// Takes out the files that are due, each with its next pause.
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<(String, Duration)> {
        let mut due = Vec::new();
        self.later.retain(|name, later| {
            let waits = later.due > now;
            if !waits {
                due.push((name.clone(), (later.pause * 2).min(PAUSE_MAX)));
            }
            waits
        });
        due
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names(changed: Option<Changed>) -> Vec<String> {
        changed.unwrap().names.into_iter().collect()
    }

    #[test]
    fn changes_behind_a_place_come_once_each_and_in_parts() {
        let mut journal = Journal::default();
        for name in ["a", "b", "a", "c"] {
            journal.note(name);
        }
        assert_eq!(names(journal.since(0, 10)), ["a", "b", "c"]);
        let first = journal.since(0, 2).unwrap();
        assert_eq!(first.place, 3);
        assert_eq!(names(Some(first)), ["a", "b"]);
        assert_eq!(names(journal.since(3, 2)), ["c"]);
        assert!(journal.since(4, 2).unwrap().names.is_empty());
        assert_eq!(journal.since(5, 2), None);
    }

    #[test]
    fn lost_changes_are_not_taken_for_none() {
        let mut journal = Journal::default();
        journal.note("a");
        let end = journal.end();
        journal.lose();
        assert_eq!(journal.since(end, 10), None);
        assert!(journal.since(journal.end(), 10).is_some());
        let old = journal.end();
        for n in 0..=ENTRIES_MAX {
            journal.note(&n.to_string());
        }
        assert_eq!(journal.since(old, 10), None);
        assert!(journal.names.len() <= ENTRIES_MAX);
    }

    #[test]
    fn long_names_are_bounded_by_their_bytes() {
        let mut journal = Journal::default();
        for _ in 0..=BYTES_MAX / 4_000 {
            journal.note(&"x".repeat(4_000));
        }
        assert!(journal.bytes <= BYTES_MAX);
        assert_eq!(journal.since(0, 10), None);
    }

    #[test]
    fn files_without_digests_wait_longer_each_time() {
        let (mut journal, now) = (Journal::default(), Instant::now());
        journal.put_off("a".to_owned(), PAUSE, now);
        assert_eq!(journal.next_due(), Some(now + PAUSE));
        assert!(journal.take_due(now).is_empty());
        let due = journal.take_due(now + PAUSE);
        assert_eq!(due, [("a".to_owned(), PAUSE * 2)]);
        assert_eq!(journal.next_due(), None);
        for n in 0..=LATER_MAX {
            journal.put_off(n.to_string(), PAUSE, now);
        }
        assert!(journal.since(0, 1).is_none(), "all are looked at instead");
        assert!(journal.later.len() <= LATER_MAX);
    }

    proptest! {
        /// A watcher that goes on from the places that it was given, and looks at everything when its place is lost,
        /// hears of each file that changed after its last look.
        #[test]
        fn nothing_is_missed(steps in proptest::collection::vec((0..5_u8, 0..20_u8, 1..4_usize), 1..200)) {
            let mut journal = Journal::default();
            let (mut place, mut missing) = (0, BTreeSet::new());
            for (step, name, most) in steps {
                match step {
                    0..=2 => {
                        journal.note(&name.to_string());
                        missing.insert(name.to_string());
                    }
                    3 => match journal.since(place, most) {
                        Some(changed) => {
                            prop_assert!(changed.names.len() <= most);
                            place = changed.place;
                            if place == journal.end() {
                                missing.retain(|name| !changed.names.contains(name));
                                prop_assert!(missing.is_empty());
                            } else {
                                // A name may be told now and again with a later change.
                                let rest = journal.since(place, usize::MAX).unwrap().names;
                                missing.retain(|name| rest.contains(name));
                            }
                        }
                        None => {
                            place = journal.end();
                            missing.clear();
                        }
                    },
                    _ => journal.lose(),
                }
            }
        }
    }
}
