//! A counting semaphore for threads.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::lock;

/// Pause between two checks whether a waiting caller has given up.
const PAUSE: Duration = Duration::from_millis(20);

/// A number of permits.
#[derive(Debug)]
pub struct Permits {
    state: Mutex<State>,
    freed: Condvar,
    waiting_max: usize,
}

#[derive(Debug)]
struct State {
    free: usize,
    waiting: usize,
}

/// A permit that is taken until it is dropped.
#[derive(Debug)]
pub struct Permit<'a>(&'a Permits);

impl Permits {
    /// Creates `count` permits, for which any number of threads may wait.
    #[must_use]
    pub fn new(count: usize) -> Permits {
        Permits::with_waiting(count, usize::MAX)
    }

    /// Creates `count` permits, for which at most `waiting_max` threads may wait.
    #[must_use]
    pub fn with_waiting(count: usize, waiting_max: usize) -> Permits {
        Permits {
            state: Mutex::new(State {
                free: count,
                waiting: 0,
            }),
            freed: Condvar::new(),
            waiting_max,
        }
    }

    /// Takes a permit if one is free.
    pub fn try_take(&self) -> Option<Permit<'_>> {
        self.taken(&mut lock(&self.state))
    }

    /// Waits for a permit, at most `wait`. Returns `None` after that, and at once if too many wait already.
    pub fn take_within(&self, wait: Duration) -> Option<Permit<'_>> {
        let mut state = lock(&self.state);
        if let Some(permit) = self.taken(&mut state) {
            return Some(permit);
        }
        if state.waiting >= self.waiting_max {
            return None;
        }
        let mut state = self.wait(state, wait);
        self.taken(&mut state)
    }

    /// Waits for a permit as long as `waits` returns true.
    pub fn take_while(&self, waits: &dyn Fn() -> bool) -> Option<Permit<'_>> {
        loop {
            if let Some(permit) = self.try_take() {
                return Some(permit);
            }
            if !waits() {
                return None;
            }
            let state = lock(&self.state);
            drop(self.wait(state, PAUSE));
        }
    }

    fn taken(&self, state: &mut State) -> Option<Permit<'_>> {
        state.free = state.free.checked_sub(1)?;
        Some(Permit(self))
    }

    fn wait<'a>(&self, mut state: MutexGuard<'a, State>, wait: Duration) -> MutexGuard<'a, State> {
        state.waiting += 1;
        let waited = self
            .freed
            .wait_timeout_while(state, wait, |state| state.free == 0);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        state.waiting -= 1;
        state
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        lock(&self.0.state).free += 1;
        self.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Longer than any test waits.
    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn dropped_permit_goes_to_a_thread_that_waits() {
        let permits = Permits::new(1);
        let held = permits.try_take();
        assert!(held.is_some() && permits.try_take().is_none());
        assert!(permits.take_while(&|| false).is_none());
        assert!(permits.take_within(Duration::ZERO).is_none());
        std::thread::scope(|scope| {
            let patient = scope.spawn(|| permits.take_while(&|| true).is_some());
            let bounded = scope.spawn(|| permits.take_within(LONG).is_some());
            drop(held);
            assert!(patient.join().unwrap() && bounded.join().unwrap());
        });
    }

    #[test]
    fn caller_is_refused_at_once_if_too_many_wait() {
        let permits = Permits::with_waiting(1, 2);
        let held = permits.try_take();
        std::thread::scope(|scope| {
            let waiting: Vec<_> = (0..2)
                .map(|_| scope.spawn(|| permits.take_within(LONG).is_some()))
                .collect();
            while lock(&permits.state).waiting < 2 {
                std::thread::yield_now();
            }
            assert!(permits.take_within(LONG).is_none());
            drop(held);
            assert!(waiting.into_iter().all(|thread| thread.join().unwrap()));
        });
        assert!(permits.try_take().is_some());
    }
}
