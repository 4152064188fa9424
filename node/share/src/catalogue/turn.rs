//! The turn to look at the disk and to note what is there.
//!
//! Files are noted in the order of the looks: the holder of the turn reads the disk and changes the catalogue, nobody
//! else does meanwhile. So the turn lasts across file calls. No answer needs it: the keeper's thread waits for it,
//! everybody else for a bounded time, and leaves the file to the keeper then.

use std::{
    sync::{Condvar, Mutex, PoisonError},
    time::Duration,
};

use node_base::sync::lock;

/// Hands out the turn. If the keeper and others want it, they have it in turns.
#[derive(Debug, Default)]
pub(crate) struct ScanTurns {
    state: Mutex<State>,
    freed: Condvar,
}

/// The right to look and to note, until it is dropped.
#[derive(Debug)]
pub(crate) struct ScanTurn<'a>(&'a ScanTurns);

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Who {
    Keeper,
    Other,
}

#[derive(Debug, Default)]
struct State {
    is_taken: bool,
    keepers: usize,
    others: usize,
    previous: Option<Who>,
}

impl State {
    /// Returns whether `who`, who waits, is next.
    fn is_next(&self, who: Who) -> bool {
        let rival = match who {
            Who::Keeper => self.others,
            Who::Other => self.keepers,
        };
        !self.is_taken && (rival == 0 || self.previous != Some(who))
    }

    fn waiting(&mut self, who: Who) -> &mut usize {
        match who {
            Who::Keeper => &mut self.keepers,
            Who::Other => &mut self.others,
        }
    }
}

impl ScanTurns {
    /// Waits for the turn, however long. Blocks.
    pub(crate) fn take(&self) -> ScanTurn<'_> {
        let mut state = lock(&self.state);
        *state.waiting(Who::Keeper) += 1;
        let mut state = self
            .freed
            .wait_while(state, |state| !state.is_next(Who::Keeper))
            .unwrap_or_else(PoisonError::into_inner);
        ScanTurns::begin(&mut state, Who::Keeper);
        ScanTurn(self)
    }

    /// Waits for the turn, for at most `wait`. Blocks.
    pub(crate) fn take_within(&self, wait: Duration) -> Option<ScanTurn<'_>> {
        let mut state = lock(&self.state);
        *state.waiting(Who::Other) += 1;
        let waited = self
            .freed
            .wait_timeout_while(state, wait, |state| !state.is_next(Who::Other));
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if state.is_next(Who::Other) {
            ScanTurns::begin(&mut state, Who::Other);
            return Some(ScanTurn(self));
        }
        *state.waiting(Who::Other) -= 1;
        drop(state);
        // The keeper may have waited for this one.
        self.freed.notify_all();
        None
    }

    fn begin(state: &mut State, who: Who) {
        *state.waiting(who) -= 1;
        (state.is_taken, state.previous) = (true, Some(who));
    }
}

impl Drop for ScanTurn<'_> {
    fn drop(&mut self) {
        lock(&self.0.state).is_taken = false;
        self.0.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, thread};

    use super::*;

    /// Longer than a thread takes to wait.
    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn turn_that_is_taken_is_not_waited_for_longer_than_asked() {
        let turns = ScanTurns::default();
        let held = turns.take();
        assert!(turns.take_within(Duration::from_millis(1)).is_none());
        drop(held);
        assert!(turns.take_within(Duration::ZERO).is_some());
        // Nobody waits any more, so the keeper does not stand back.
        drop(turns.take());
        drop(turns.take());
    }

    #[test]
    fn keeper_that_takes_turn_after_turn_lets_others_between() {
        let turns = ScanTurns::default();
        let (noted, notes) = mpsc::channel();
        thread::scope(|scope| {
            let held = turns.take();
            scope.spawn(|| {
                let turn = turns.take_within(LONG);
                noted.send(turn.is_some()).unwrap();
            });
            while lock(&turns.state).others == 0 {
                thread::yield_now();
            }
            drop(held);
            drop(turns.take());
            // The keeper came second although it asked at once.
            assert_eq!(notes.try_recv(), Ok(true));
        });
    }

    #[test]
    fn others_that_take_turn_after_turn_let_the_keeper_between() {
        let mut state = State {
            keepers: 1,
            others: 1,
            previous: Some(Who::Other),
            ..State::default()
        };
        assert!(state.is_next(Who::Keeper) && !state.is_next(Who::Other));
        state.previous = Some(Who::Keeper);
        assert!(state.is_next(Who::Other) && !state.is_next(Who::Keeper));
        state.is_taken = true;
        assert!(!state.is_next(Who::Other));
    }
}
