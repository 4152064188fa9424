//! Looking through the names of many chunks by two threads.
//!
//! The thread of the query goes forward, as the files are visited; the other one goes backward
//! from the end. They meet where nothing is left.
//!
//! # Invariants
//! - One search at a time has a second thread. It ends before the search does.

use std::{
    ops::Range,
    sync::{Mutex, OnceLock, TryLockError},
    thread,
};

use node_base::sync::lock;

use super::chunk::Marks;

/// Held by the search that has a second thread.
static SECOND: Mutex<()> = Mutex::new(());

/// The marks of chunks, as far as they are made.
struct Marking<'m> {
    mark: &'m (dyn Fn(usize) -> Marks + Sync),
    /// Chunks that nobody has taken.
    left: Mutex<Range<usize>>,
    /// The marks that the second thread has made.
    made: Vec<OnceLock<Marks>>,
}

/// Returns the marks of a chunk.
pub(super) type MarksOf<'m> = dyn Fn(usize) -> Marks + 'm;

/// Calls `run` with a function that gives the marks of each of `count` chunks, asked in their
/// order. `mark` makes them; a second thread does so too, if they `are_many` and it is free.
pub(super) fn shared(
    count: usize,
    are_many: bool,
    mark: &(dyn Fn(usize) -> Marks + Sync),
    run: &mut dyn FnMut(&MarksOf<'_>),
) {
    let second = are_many.then(|| match SECOND.try_lock() {
        Err(TryLockError::WouldBlock) => None,
        Err(TryLockError::Poisoned(second)) => Some(second.into_inner()),
        Ok(second) => Some(second),
    });
    let Some(_second) = second.flatten() else {
        return run(mark);
    };
    let marking = Marking {
        mark,
        left: Mutex::new(0..count),
        made: (0..count).map(|_| OnceLock::new()).collect(),
    };
    thread::scope(|scope| {
        let named = thread::Builder::new().name("names".to_owned());
        // Without another thread this one does it all.
        let _ = named.spawn_scoped(scope, || marking.backward());
        run(&|chunk| marking.marks(chunk));
        lock(&marking.left).end = 0;
    });
}

impl Marking<'_> {
    fn backward(&self) {
        loop {
            let last = lock(&self.left).next_back();
            let Some(chunk) = last else { return };
            // It is taken once.
            let _ = self.made[chunk].set((self.mark)(chunk));
        }
    }

    fn marks(&self, chunk: usize) -> Marks {
        {
            let mut left = lock(&self.left);
            left.start = left.start.max(chunk + 1);
        }
        // The one that the other thread has just begun is made twice.
        let made = self.made[chunk].get().copied();
        made.unwrap_or_else(|| (self.mark)(chunk))
    }
}
