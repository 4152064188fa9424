//! Reports of a policy at work to the owner: all refusals as counts, failures
//! also in words, but not in more of them than anybody reads.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use crate::{
    clock::now,
    counters::Counters,
    events::{Event, EventLog},
    sync::lock,
};

/// Time between two failures that are reported.
const PAUSE: Duration = Duration::from_secs(60);

/// Tells the owner.
#[derive(Debug)]
pub(super) struct Notes {
    counters: Arc<Counters>,
    events: Arc<EventLog>,
    failures: Mutex<Failures>,
}

#[derive(Debug, Default)]
struct Failures {
    told: Option<Instant>,
    /// Failures since then.
    untold: u64,
}

impl Notes {
    pub(super) fn new(counters: Arc<Counters>, events: Arc<EventLog>) -> Notes {
        Notes {
            counters,
            events,
            failures: Mutex::default(),
        }
    }

    /// Notes that something was refused.
    pub(super) fn refused(&self) {
        self.counters.policy_refusals.one();
    }

    /// Notes that there was no decision.
    pub(super) fn failed(&self, problem: &str) {
        self.counters.policy_failures.one();
        let Some(untold) = lock(&self.failures).note(now()) else {
            return;
        };
        tracing::warn!(problem, untold, "the policy does not decide");
        self.events.emit(&Event::PolicyFailed {
            text: problem.to_owned(),
            untold,
        });
    }
}

impl Failures {
    /// Notes a failure. Returns how many were not reported before it, if it is to be
    /// reported.
    fn note(&mut self, now: Instant) -> Option<u64> {
        let is_soon = |told| now.saturating_duration_since(told) < PAUSE;
        if self.told.is_some_and(is_soon) {
            self.untold += 1;
            return None;
        }
        self.told = Some(now);
        Some(std::mem::take(&mut self.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failure_a_minute_is_told_with_the_number_of_the_others() {
        let mut failures = Failures::default();
        let begun = Instant::now();
        assert_eq!(failures.note(begun), Some(0));
        assert_eq!(failures.note(begun + PAUSE / 2), None);
        assert_eq!(failures.note(begun + PAUSE / 2), None);
        assert_eq!(failures.note(begun + PAUSE), Some(2));
    }
}
