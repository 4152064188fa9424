//! A value that one thread at a time has, after a bounded wait.

use std::{
    ops::{Deref, DerefMut},
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use plugin_api::Asker;
use plugin_host::{Permit, Permits, lock};

/// Longest wait for the answer to another query to end.
const WAIT: Duration = Duration::from_millis(500);

/// Wait of the owner until an answer for a stranger has to give way.
const PATIENCE: Duration = Duration::from_millis(250);

/// Longest wait of the owner until it has given way. It may have begun to start the program.
const OWNER_WAIT: Duration = Duration::from_secs(6);

/// A mutex whose lock has a time-out. The owner's threads go before those of strangers.
#[derive(Debug)]
pub(crate) struct Turn<T> {
    permit: Permits,
    value: Mutex<T>,
    /// True if a stranger had it last.
    is_of_stranger: AtomicBool,
    /// Threads of the owner for which an answer for a stranger has to give way.
    owners: AtomicUsize,
}

/// The right to the value, until it is dropped.
#[derive(Debug)]
pub(crate) struct Taken<'a, T> {
    // Dropped in this order: the next holder of the permit finds the lock free.
    value: MutexGuard<'a, T>,
    _permit: Permit<'a>,
}

/// Counts a thread of the owner until it is dropped.
struct OwnerWaits<'a>(&'a AtomicUsize);

impl<T> Turn<T> {
    pub(crate) fn new(value: T) -> Turn<T> {
        Turn {
            permit: Permits::new(1),
            value: Mutex::new(value),
            is_of_stranger: AtomicBool::new(false),
            owners: AtomicUsize::new(0),
        }
    }

    /// Waits for the turn, for at most `wait`.
    pub(crate) fn take(&self, wait: Duration) -> Option<Taken<'_, T>> {
        let permit = self.permit.take_within(wait)?;
        Some(Taken {
            value: lock(&self.value),
            _permit: permit,
        })
    }

    /// Waits for the turn to answer a query. A stranger does not get it while the owner waits.
    pub(crate) fn take_for(&self, asker: Asker) -> Option<Taken<'_, T>> {
        let taken = match asker {
            Asker::Owner => self.take(PATIENCE).or_else(|| self.take_from_other()),
            Asker::Stranger if self.owner_waits() => None,
            // Given back at once, it goes to the next that waits.
            Asker::Stranger => self.take(WAIT).filter(|_| !self.owner_waits()),
        };
        if taken.is_some() {
            let is_of_stranger = asker == Asker::Stranger;
            self.is_of_stranger.store(is_of_stranger, Ordering::Relaxed);
        }
        taken
    }

    /// Waits for the owner's turn, which an answer for a stranger gives up.
    fn take_from_other(&self) -> Option<Taken<'_, T>> {
        if !self.is_of_stranger.load(Ordering::Relaxed) {
            return self.take(WAIT.saturating_sub(PATIENCE));
        }
        let _waits = OwnerWaits::count(&self.owners);
        self.take(OWNER_WAIT)
    }

    /// Returns true if the owner has waited so long that an answer for a stranger has to give way.
    pub(crate) fn owner_waits(&self) -> bool {
        self.owners.load(Ordering::Relaxed) > 0
    }
}

impl OwnerWaits<'_> {
    fn count(owners: &AtomicUsize) -> OwnerWaits<'_> {
        owners.fetch_add(1, Ordering::Relaxed);
        OwnerWaits(owners)
    }
}

impl Drop for OwnerWaits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<T> Deref for Taken<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Taken<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_has_it_and_the_next_waits() {
        let turn = Turn::new(1);
        let mut first = turn.take(Duration::ZERO).unwrap();
        assert!(turn.take(Duration::ZERO).is_none());
        std::thread::scope(|scope| {
            let second = scope.spawn(|| turn.take(Duration::from_secs(60)).map(|value| *value));
            *first += 1;
            drop(first);
            assert_eq!(second.join().unwrap(), Some(2));
        });
    }

    #[test]
    fn owner_who_waits_goes_before_strangers() {
        let turn = Turn::new(1);
        let held = turn.take_for(Asker::Stranger).unwrap();
        assert!(!turn.owner_waits());
        std::thread::scope(|scope| {
            let owner = scope.spawn(|| turn.take_for(Asker::Owner).is_some());
            while !turn.owner_waits() {
                std::thread::yield_now();
            }
            drop(held);
            // As long as the owner waits, or holds it, a stranger has none.
            let strangers = scope.spawn(|| {
                while turn.owner_waits() {
                    assert!(turn.take_for(Asker::Stranger).is_none() || !turn.owner_waits());
                }
            });
            assert!(owner.join().unwrap());
            strangers.join().unwrap();
        });
        assert!(!turn.owner_waits() && turn.take_for(Asker::Stranger).is_some());
    }
}
