//! The course of a fetch: its next step after each round of searching and receiving.
//!
//! # How it decides
//! - What is kept of content is worth waiting for: the fetch waits for its holders for as long as it is kept.
//! - A holder that is busy is asked again when it wants to be, for as long as what is received would be kept. It has
//!   the content, so nothing is given up meanwhile.
//! - If nothing was received, holders that are away are waited for [`PATIENCE`] long, in which a node restarts or a
//!   machine wakes up.
//! - A fetch of a name that received nothing looks for the file once more if a holder had other content by then: the
//!   file was written between the search and the fetch.
//! - A fetch of a name gives the kept part up for other content of that name if a former holder now has that, or if
//!   nobody had the old content for [`CHANGED_AFTER`].
//! - An unverified answer is asked for only if a name is fetched and nothing of any digest is held.
//!
//! # Invariants
//! - No I/O and no clock; time is a parameter.
//! - Every fetch ends: each wait is bounded by [`PATIENCE`] or [`KEEP_FOR`] after the last piece.

use std::time::{Duration, Instant};

use super::{Goal, records::KEEP_FOR};

/// The time that holders that are away are waited for if nothing was received.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// The time that the kept content may be gone before other content of the name is taken.
pub(super) const CHANGED_AFTER: Duration = Duration::from_secs(90);

/// First pause before the holders are asked again.
const PAUSE_FIRST: Duration = Duration::from_secs(1);

/// Pause before a holder that has other content by now is asked for that.
const PAUSE_WRITTEN: Duration = Duration::from_millis(250);

/// Longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// The part of the file that is held.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Holding {
    /// Nothing.
    Nothing,
    /// Pieces of one content.
    Pieces,
}

/// Other content that is offered under the name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum OtherContent {
    /// There is none.
    None,
    /// Some peer has it.
    Offered,
    /// A peer has it that had the content that is kept.
    Changed,
}

/// The result of one round of searching and receiving.
#[derive(Clone, Copy, Debug)]
pub(super) struct Round {
    pub(super) holding: Holding,
    /// True if pieces were received.
    pub(super) progressed: bool,
    /// True if a holder was found that could not be reached or broke off.
    pub(super) away: bool,
    /// True if a holder was found that did not have the content any more.
    pub(super) gone: bool,
    /// The time after which a busy holder wants to be asked again.
    pub(super) busy: Option<Duration>,
    pub(super) other: OtherContent,
}

/// The next step.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Next {
    /// Ask again after this pause, or sooner if a peer comes back.
    Wait(Duration),
    /// Give up the held content and fetch the other content.
    TakeOther,
    /// Give up.
    Fail,
    /// Give up, and the held content too: it was kept for long enough.
    Expire,
}

/// The course of one fetch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Course {
    goal: Goal,
    /// The time when the last piece came, or the fetch began.
    since: Instant,
    /// True if it looked once more for content that was gone.
    looked_again: bool,
}

impl Course {
    /// Creates the course of a fetch that begins now.
    pub(super) fn new(goal: Goal, now: Instant) -> Course {
        Course {
            goal,
            since: now,
            looked_again: false,
        }
    }

    /// Returns whether an answer to `query` may be taken.
    pub(super) fn may_take_unverified(&self, holding: Holding) -> bool {
        self.goal == Goal::Name && holding == Holding::Nothing
    }

    /// Decides about the step after a round.
    pub(super) fn next(&mut self, round: Round, now: Instant) -> Next {
        if round.progressed {
            self.since = now;
        }
        let waited = now.saturating_duration_since(self.since);
        let pause = (waited / 4).clamp(PAUSE_FIRST, PAUSE_MAX);
        if let Some(busy) = round.busy.filter(|_| waited < KEEP_FOR) {
            return Next::Wait(busy.clamp(PAUSE_FIRST, PAUSE_MAX));
        }
        match round.holding {
            Holding::Nothing if round.gone && self.goal == Goal::Name && !self.looked_again => {
                self.looked_again = true;
                Next::Wait(PAUSE_WRITTEN)
            }
            Holding::Nothing if round.away && waited < PATIENCE => Next::Wait(pause),
            Holding::Nothing => Next::Fail,
            Holding::Pieces if waited >= KEEP_FOR => Next::Expire,
            Holding::Pieces if self.takes_other(round.other, waited) => {
                self.since = now;
                Next::TakeOther
            }
            Holding::Pieces => Next::Wait(pause),
        }
    }

    fn takes_other(&self, other: OtherContent, waited: Duration) -> bool {
        self.goal == Goal::Name
            && match other {
                OtherContent::None => false,
                OtherContent::Offered => waited >= CHANGED_AFTER,
                OtherContent::Changed => true,
            }
    }
}

#[cfg(test)]
mod tests {
    use node_wire::Digest;
    use proptest::prelude::*;

    use super::*;

    const CONTENT: Goal = Goal::Content(Digest::from_bytes([1; 32]));

    fn round(holding: Holding) -> Round {
        Round {
            holding,
            progressed: false,
            away: true,
            gone: false,
            busy: None,
            other: OtherContent::None,
        }
    }

    #[test]
    fn a_busy_holder_is_waited_for_as_long_as_it_wants() {
        let begun = Instant::now();
        let wait = Duration::from_secs(7);
        for holding in [Holding::Nothing, Holding::Pieces] {
            let mut course = Course::new(Goal::Name, begun);
            let busy = Round {
                busy: Some(wait),
                other: OtherContent::Changed,
                ..round(holding)
            };
            let late = begun + KEEP_FOR - Duration::from_secs(1);
            assert_eq!(course.next(busy, begun), Next::Wait(wait));
            assert_eq!(course.next(busy, late), Next::Wait(wait));
            let at_once = Round {
                busy: Some(Duration::ZERO),
                ..busy
            };
            assert_eq!(course.next(at_once, late), Next::Wait(PAUSE_FIRST));
            let over = course.next(busy, begun + KEEP_FOR);
            assert!(matches!(over, Next::Fail | Next::Expire), "{over:?}");
        }
    }

    #[test]
    fn nothing_received_waits_briefly_for_holders_that_are_away() {
        let begun = Instant::now();
        let mut course = Course::new(Goal::Name, begun);
        let round = round(Holding::Nothing);
        assert_eq!(course.next(round, begun), Next::Wait(PAUSE_FIRST));
        assert_eq!(course.next(round, begun + PATIENCE), Next::Fail);
        let nobody = Round {
            away: false,
            ..round
        };
        assert_eq!(course.next(nobody, begun), Next::Fail);
    }

    #[test]
    fn content_of_a_name_that_is_gone_is_looked_for_once_more() {
        let begun = Instant::now();
        let gone = Round {
            away: false,
            gone: true,
            ..round(Holding::Nothing)
        };
        let mut course = Course::new(Goal::Name, begun);
        assert_eq!(course.next(gone, begun), Next::Wait(PAUSE_WRITTEN));
        assert_eq!(course.next(gone, begun), Next::Fail);
        let mut course = Course::new(CONTENT, begun);
        assert_eq!(course.next(gone, begun), Next::Fail);
    }

    #[test]
    fn kept_pieces_wait_for_a_day_after_the_last_one() {
        let begun = Instant::now();
        let mut course = Course::new(CONTENT, begun);
        let round = round(Holding::Pieces);
        let late = begun + KEEP_FOR - Duration::from_secs(1);
        assert_eq!(course.next(round, late), Next::Wait(PAUSE_MAX));
        let more = Round {
            progressed: true,
            ..round
        };
        assert_eq!(course.next(more, late), Next::Wait(PAUSE_FIRST));
        assert_eq!(
            course.next(round, begun + KEEP_FOR),
            Next::Wait(PAUSE_FIRST)
        );
        assert_eq!(course.next(round, late + KEEP_FOR), Next::Expire);
    }

    #[test]
    fn a_name_takes_changed_content_and_a_digest_never() {
        let begun = Instant::now();
        let offered = Round {
            other: OtherContent::Offered,
            ..round(Holding::Pieces)
        };
        let changed = Round {
            other: OtherContent::Changed,
            ..offered
        };
        let mut name = Course::new(Goal::Name, begun);
        assert!(matches!(name.next(offered, begun), Next::Wait(_)));
        assert_eq!(name.next(offered, begun + CHANGED_AFTER), Next::TakeOther);
        assert_eq!(name.next(changed, begun), Next::TakeOther);
        let mut content = Course::new(CONTENT, begun);
        assert!(matches!(
            content.next(changed, begun + CHANGED_AFTER),
            Next::Wait(_)
        ));
    }

    #[test]
    fn only_a_name_without_pieces_takes_unverified_content() {
        let now = Instant::now();
        let may = |goal, holding| Course::new(goal, now).may_take_unverified(holding);
        assert!(may(Goal::Name, Holding::Nothing));
        assert!(!may(Goal::Name, Holding::Pieces));
        assert!(!may(CONTENT, Holding::Nothing));
        assert!(!may(CONTENT, Holding::Pieces));
    }

    proptest! {
        #[test]
        fn pauses_are_bounded_and_every_fetch_ends(
            rounds in proptest::collection::vec((any::<bool>(), 0..3_u8), 1..200),
        ) {
            let begun = Instant::now();
            let mut course = Course::new(Goal::Name, begun);
            let (mut now, mut last) = (begun, begun);
            for (progressed, other) in rounds {
                let other = match other {
                    0 => OtherContent::None,
                    1 => OtherContent::Offered,
                    _ => OtherContent::Changed,
                };
                let round = Round { holding: Holding::Pieces, progressed, away: true, gone: false, busy: None, other };
                if progressed { last = now }
                match course.next(round, now) {
                    Next::Wait(pause) => {
                        prop_assert!(pause >= PAUSE_FIRST && pause <= PAUSE_MAX);
                        now += pause;
                    }
                    Next::TakeOther => last = now,
                    Next::Expire => prop_assert!(now >= last + KEEP_FOR),
                    Next::Fail => prop_assert!(false, "pieces are given up"),
                }
            }
        }
    }
}
