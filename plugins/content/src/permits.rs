//! How many may do something at the same time.

use std::{
    sync::{Condvar, Mutex, PoisonError},
    time::Duration,
};

/// Pause between two looks at whether somebody who waits has given up.
const PAUSE: Duration = Duration::from_millis(20);

/// A number of places.
#[derive(Debug)]
pub(crate) struct Permits {
    free: Mutex<usize>,
    freed: Condvar,
}

/// A place that is taken until this is dropped.
#[derive(Debug)]
pub(crate) struct Permit<'a>(&'a Permits);

impl Permits {
    pub(crate) fn new(places: usize) -> Permits {
        Permits {
            free: Mutex::new(places),
            freed: Condvar::new(),
        }
    }

    /// Takes a place if one is free.
    pub(crate) fn try_take(&self) -> Option<Permit<'_>> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        *free = free.checked_sub(1)?;
        Some(Permit(self))
    }

    /// Takes a place as soon as one is free; `None` if nobody waits any more.
    pub(crate) fn take(&self, waits: &dyn Fn() -> bool) -> Option<Permit<'_>> {
        loop {
            if let Some(permit) = self.try_take() {
                return Some(permit);
            }
            if !waits() {
                return None;
            }
            let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
            // Whatever it says, all is looked at again.
            drop(
                self.freed
                    .wait_timeout_while(free, PAUSE, |free| *free == 0),
            );
        }
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let mut free = self.0.free.lock().unwrap_or_else(PoisonError::into_inner);
        *free += 1;
        self.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_when_it_is_left() {
        let permits = Permits::new(1);
        let held = permits.try_take();
        assert!(held.is_some());
        assert!(permits.try_take().is_none());
        assert!(permits.take(&|| false).is_none());
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| permits.take(&|| true).is_some());
            drop(held);
            assert!(waiting.join().unwrap());
        });
    }
}
