//! Numbers for fetches and batches that no later run uses again.
//!
//! Numbers are reserved in blocks, so that starting a fetch rarely writes to the disk. What a run did not use of
//! its last block is skipped.

use std::sync::Arc;

use tokio::sync::Mutex;

use crate::{disk::Disk, state::StateDir};

/// File of the counter: the first number that is not reserved.
const FILE: &str = "fetch-ids";

/// Numbers that are reserved at a time.
const BLOCK: u64 = 1_024;

/// A counter that is saved in the state directory.
#[derive(Debug)]
pub struct Ids {
    state: StateDir,
    disk: Disk,
    next: Mutex<Reserved>,
}

#[derive(Debug)]
struct Reserved {
    next: u64,
    end: u64,
}

impl Ids {
    /// Loads the counter of earlier runs from `state`. Blocks.
    #[must_use]
    pub fn load(state: &StateDir, disk: Disk) -> Ids {
        let saved = state.read(FILE).unwrap_or_else(|error| {
            tracing::warn!(%error, "the counter of fetches cannot be read and starts again");
            None
        });
        let next = saved
            .and_then(|text| text.trim().parse().ok())
            .filter(|next| (1..u64::MAX / 2).contains(next))
            .unwrap_or(1);
        Ids {
            state: state.clone(),
            disk,
            next: Mutex::new(Reserved { next, end: next }),
        }
    }

    /// Returns a number that was never returned before.
    pub(super) async fn next(self: &Arc<Self>) -> u64 {
        let mut reserved = self.next.lock().await;
        if reserved.next == reserved.end {
            let (ids, end) = (Arc::clone(self), reserved.end + BLOCK);
            let save = move || ids.state.write(FILE, &end.to_string());
            let saved = self.disk.run(save).await;
            if let Ok(Err(error)) = saved {
                tracing::warn!(%error, "numbers of fetches may be used again after a restart");
            }
            reserved.end = end;
        }
        reserved.next += 1;
        reserved.next - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn numbers_are_not_used_again_after_a_restart() {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::open(home.path()).unwrap();
        let mut last = 0;
        for _ in 0..3 {
            let ids = Arc::new(Ids::load(&state, Disk::default()));
            for _ in 0..BLOCK + 5 {
                let id = ids.next().await;
                assert!(id > last, "{id} after {last}");
                last = id;
            }
        }
    }

    #[tokio::test]
    async fn an_unreadable_counter_starts_again() {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::open(home.path()).unwrap();
        for text in ["", "x", "0", "18446744073709551615"] {
            state.write(FILE, text).unwrap();
            assert_eq!(
                Arc::new(Ids::load(&state, Disk::default())).next().await,
                1,
                "{text}"
            );
        }
    }
}
