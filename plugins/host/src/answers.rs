//! A limit on the number of plugins that answer at a time.

use std::{sync::Arc, time::Duration};

use plugin_api::Asker;

use crate::permits::{Permit, Permits};

/// Most answers of scripts and programs at a time, with any number of processors.
pub const ANSWERS_MAX: usize = 4;

/// Most queries that wait until one of them ends.
pub const WAITING_MAX: usize = 4;

/// Longest wait.
const WAIT: Duration = Duration::from_millis(500);

/// The permits for answers of scripts and programs. Clones share them.
///
/// At most half of the processors answer for plugins, so that there is always a free one for built-in handlers; the
/// number of queries that wait is bounded too, so that they take no thread that others need. The owner's queries have
/// permits of their own: strangers cannot take them all.
#[derive(Clone, Debug)]
pub struct Answers {
    owner: Arc<Permits>,
    strangers: Arc<Permits>,
}

impl Answers {
    /// Creates `count` permits for the owner's queries, and as many for those of strangers.
    #[must_use]
    pub fn new(count: usize) -> Answers {
        let permits = || Arc::new(Permits::with_waiting(count, WAITING_MAX));
        Answers {
            owner: permits(),
            strangers: permits(),
        }
    }

    /// Creates permits for half of the processors of this machine.
    #[must_use]
    pub fn of_machine() -> Answers {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Answers::new(answers_max(processors))
    }

    /// Waits for a permit to answer. Returns `None` if there is none soon.
    pub(crate) fn take(&self, asker: Asker) -> Option<Permit<'_>> {
        let permits = match asker {
            Asker::Owner => &self.owner,
            Asker::Stranger => &self.strangers,
        };
        permits.take_within(WAIT)
    }
}

impl Default for Answers {
    /// Creates [`ANSWERS_MAX`] permits.
    fn default() -> Answers {
        Answers::new(ANSWERS_MAX)
    }
}

/// Returns how many plugins answer at a time on a machine with so many processors.
fn answers_max(processors: usize) -> usize {
    (processors / 2).clamp(1, ANSWERS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_processors_answer_and_one_at_least() {
        let of = [1, 2, 3, 4, 8, 128].map(answers_max);
        assert_eq!(of, [1, 1, 1, 2, 4, 4]);
    }

    #[test]
    fn clones_share_their_permits() {
        let answers = Answers::new(1);
        let clone = answers.clone();
        let taken = answers.take(Asker::Owner);
        assert!(taken.is_some() && clone.take(Asker::Owner).is_none());
        drop(taken);
        assert!(clone.take(Asker::Owner).is_some());
    }

    #[test]
    fn strangers_leave_the_permits_of_the_owner() {
        let answers = Answers::new(1);
        let taken = answers.take(Asker::Stranger);
        assert!(taken.is_some() && answers.take(Asker::Stranger).is_none());
        assert!(answers.take(Asker::Owner).is_some());
    }
}
