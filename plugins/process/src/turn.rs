//! Something that one at a time has, after a bounded wait.

use std::{
    ops::{Deref, DerefMut},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// What is handed from one to the next.
#[derive(Debug)]
pub(crate) struct Turn<T> {
    /// Nothing while somebody has it.
    free: Mutex<Option<T>>,
    freed: Condvar,
}

/// The right to it. Dropping it hands it on.
#[derive(Debug)]
pub(crate) struct Taken<'a, T> {
    turn: &'a Turn<T>,
    /// Nothing only while it is dropped.
    value: Option<T>,
}

impl<T> Turn<T> {
    pub(crate) fn new(value: T) -> Turn<T> {
        Turn {
            free: Mutex::new(Some(value)),
            freed: Condvar::new(),
        }
    }

    /// Waits for the turn, for at most `wait`.
    pub(crate) fn take(&self, wait: Duration) -> Option<Taken<'_, T>> {
        let waited = self
            .freed
            .wait_timeout_while(self.lock(), wait, |free| free.is_none());
        let (mut free, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let value = free.take()?;
        Some(Taken {
            turn: self,
            value: Some(value),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Option<T>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Deref for Taken<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value.as_ref().expect("it is there until the drop")
    }
}

impl<T> DerefMut for Taken<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.value.as_mut().expect("it is there until the drop")
    }
}

impl<T> Drop for Taken<'_, T> {
    fn drop(&mut self) {
        *self.turn.lock() = self.value.take();
        self.turn.freed.notify_one();
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
