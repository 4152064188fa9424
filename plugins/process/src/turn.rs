//! A value that one thread at a time has, after a bounded wait.

use std::{
    ops::{Deref, DerefMut},
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use plugin_host::{Permit, Permits, lock};

/// A mutex whose lock has a time-out.
#[derive(Debug)]
pub(crate) struct Turn<T> {
    permit: Permits,
    value: Mutex<T>,
}

/// The right to the value, until it is dropped.
#[derive(Debug)]
pub(crate) struct Taken<'a, T> {
    // Dropped in this order: the next holder of the permit finds the lock free.
    value: MutexGuard<'a, T>,
    _permit: Permit<'a>,
}

impl<T> Turn<T> {
    pub(crate) fn new(value: T) -> Turn<T> {
        Turn {
            permit: Permits::new(1),
            value: Mutex::new(value),
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
}
