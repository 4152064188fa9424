//! Failures in a row, after which a plugin is switched off.

use std::sync::{
    Mutex,
    atomic::{AtomicU32, Ordering},
};

use plugin_api::{Asker, HandlerError};

use crate::{answers::Answers, limits::PROBLEM_MAX, lock, permits::Permit};

/// Failures in a row after which a plugin is not asked any more, until its file changes.
pub const FAILURES_MAX: u32 = 3;

/// The failures of one plugin.
#[derive(Debug)]
pub struct Strikes {
    prefix: String,
    failures: AtomicU32,
    last: Mutex<Option<String>>,
}

impl Strikes {
    /// Creates the count of a plugin that has not failed.
    #[must_use]
    pub fn new(prefix: &str) -> Strikes {
        Strikes {
            prefix: prefix.to_owned(),
            failures: AtomicU32::new(0),
            last: Mutex::default(),
        }
    }

    /// Returns whether the plugin failed too often.
    #[must_use]
    pub fn is_disabled(&self) -> bool {
        self.failures.load(Ordering::Relaxed) >= FAILURES_MAX
    }

    /// Returns why it failed last.
    #[must_use]
    pub fn last(&self) -> Option<String> {
        lock(&self.last).clone()
    }

    /// Lets the plugin answer, on this thread, if it is not switched off.
    ///
    /// # Errors
    /// [`HandlerError::Failed`] if it is, or if too many plugins answer.
    pub fn admit<'a>(
        &self,
        answers: &'a Answers,
        asker: Asker,
    ) -> Result<Permit<'a>, HandlerError> {
        let permit = answers.take(asker);
        let permit = permit
            .ok_or_else(|| self.error("too many scripts and programs answer, try again later"))?;
        if self.is_disabled() {
            let problem =
                "it failed three times in a row and is switched off until its file changes";
            return Err(self.error(problem));
        }
        Ok(permit)
    }

    /// Notes that it answered.
    pub fn worked(&self) {
        self.failures.store(0, Ordering::Relaxed);
    }

    /// Notes a failure and returns it as an error.
    pub fn failed(&self, problem: &str) -> HandlerError {
        self.failures.fetch_add(1, Ordering::Relaxed);
        self.keep(problem);
        self.error(problem)
    }

    /// Notes a failure and returns it as an error. One under a query of a stranger is kept and
    /// does not count: a stranger may not switch the plugin off for everybody.
    pub fn failed_for(&self, asker: Asker, problem: &str) -> HandlerError {
        match asker {
            Asker::Owner => self.failed(problem),
            Asker::Stranger => {
                self.keep(problem);
                self.error(problem)
            }
        }
    }

    /// Keeps a problem for the owner that is not a failure to answer.
    pub fn keep(&self, problem: &str) {
        let problem = self.error(problem).to_string();
        tracing::debug!(problem, "a plugin failed");
        *lock(&self.last) = Some(problem);
    }

    /// Returns an error that counts as no failure.
    #[must_use]
    pub fn error(&self, problem: &str) -> HandlerError {
        HandlerError::Failed {
            handler: self.prefix.clone(),
            // A script language puts each call on a line of its own.
            problem: problem
                .replace('\n', ", ")
                .chars()
                .take(PROBLEM_MAX)
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plugin_is_disabled_after_failures_in_a_row_only() {
        let (strikes, answers) = (Strikes::new("x"), Answers::default());
        for _ in 1..FAILURES_MAX {
            strikes.failed("no");
        }
        strikes.worked();
        for n in 0..FAILURES_MAX {
            assert!(
                strikes.admit(&answers, Asker::Owner).is_ok(),
                "after {n} failures"
            );
            strikes.failed(&format!("no\n{n}"));
        }
        let refused = strikes.admit(&answers, Asker::Owner).unwrap_err();
        assert!(refused.to_string().contains("switched off"), "{refused}");
        let last = strikes.last().unwrap();
        assert!(last.ends_with("no, 2"), "{last}");
    }

    #[test]
    fn failure_under_a_query_of_a_stranger_is_no_strike() {
        let (strikes, answers) = (Strikes::new("x"), Answers::default());
        for _ in 0..FAILURES_MAX * 2 {
            strikes.failed_for(Asker::Stranger, "odd text");
            assert!(strikes.admit(&answers, Asker::Owner).is_ok());
        }
        assert!(strikes.last().is_some());
        for _ in 0..FAILURES_MAX {
            strikes.failed_for(Asker::Owner, "odd text");
        }
        assert!(strikes.admit(&answers, Asker::Owner).is_err());
    }

    #[test]
    fn problem_that_is_kept_is_no_strike() {
        let strikes = Strikes::new("x");
        for _ in 0..FAILURES_MAX {
            strikes.keep("it ended");
        }
        assert!(!strikes.is_disabled() && strikes.last().is_some());
    }
}
