//! Content that passes, on its way into the cache too.
//!
//! A task writes, each piece in a short job on the disk's pool; the relay hands it what it sends on. While a peer sends
//! nothing, no thread waits.
//!
//! # Invariants
//! - The relay is at most [`AHEAD`] pieces ahead of the disk, and over all of
//!   its content waits at most [`PATIENCE`] for it. Content that comes faster
//!   than that is not kept.
//! - Only content that came to its end is kept. Dropping a [`Tee`] before
//!   leaves nothing behind.
//! - Nothing that goes wrong here is seen by the relay.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use node_wire::ShareName;
use tokio::{sync::mpsc, task::JoinHandle, time::timeout};

use super::Context;
use crate::{
    cache::{Cache, Filling},
    clock::now,
    disk::Disk,
};

/// Pieces that wait for the disk.
const AHEAD: usize = 4;

/// Longest time that one relay waits for the disk, all its waits together.
const PATIENCE: Duration = Duration::from_secs(2);

/// Feeds the cache with content that passes.
#[derive(Debug)]
pub(super) struct Tee {
    /// `None` when the content is not kept.
    keeper: Option<Keeper>,
    patience: Duration,
}

#[derive(Debug)]
struct Keeper {
    parts: mpsc::Sender<Part>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
enum Part {
    Piece(Bytes),
    End,
}

impl Tee {
    /// Begins to keep the file that a peer sends for `name`, if the cache takes it.
    pub(super) fn begin(context: &Arc<Context>, name: &ShareName) -> Tee {
        let keeper = context.cache.begin(None).map(|filling| {
            let (parts, received) = mpsc::channel(AHEAD);
            let (disk, cache) = (context.disk.clone(), context.cache.clone());
            Keeper {
                parts,
                task: context
                    .keepers
                    .spawn(keep(disk, filling, received, cache, name.clone())),
            }
        });
        Tee {
            keeper,
            patience: PATIENCE,
        }
    }

    /// Takes the next piece of the content.
    pub(super) async fn push(&mut self, piece: Bytes) {
        self.send(Part::Piece(piece)).await;
    }

    /// Ends the content, which is whole. Waits a little until it is kept, so that its
    /// reader can count on it.
    pub(super) async fn finish(&mut self) {
        self.send(Part::End).await;
        if let Some(keeper) = self.keeper.take() {
            // What takes longer is kept later, or not at all.
            let _ = timeout(self.patience, keeper.task).await;
        }
    }

    async fn send(&mut self, part: Part) {
        let Some(keeper) = &self.keeper else {
            return;
        };
        let before = now();
        if let Ok(Ok(())) = timeout(self.patience, keeper.parts.send(part)).await {
            let waited = now().saturating_duration_since(before);
            self.patience = self.patience.saturating_sub(waited);
        } else {
            self.keeper = None;
        }
    }
}

/// Writes the bytes that come until their end.
async fn keep(
    disk: Disk,
    filling: Filling,
    mut parts: mpsc::Receiver<Part>,
    cache: Cache,
    name: ShareName,
) {
    let mut unfinished = filling;
    while let Some(part) = parts.recv().await {
        let filling = unfinished;
        let (cache, named) = (cache.clone(), name.clone());
        let written = disk.run(move || match part {
            Part::Piece(piece) => write(filling, &piece, &named),
            Part::End => {
                if let Some(digest) = filling.finish() {
                    cache.remember(named, digest);
                }
                None
            }
        });
        match written.await {
            Ok(Some(filling)) => unfinished = filling,
            Ok(None) => return,
            Err(error) => {
                tracing::error!(%name, %error, "content is not cached");
                return;
            }
        }
    }
    // To drop it removes a file.
    if let Err(error) = disk.run(move || drop(unfinished)).await {
        tracing::error!(%name, %error, "a temporary of the cache stays until the next start");
    }
}

/// Writes a piece. Gives nothing back if the content is not kept. Blocks.
fn write(mut filling: Filling, piece: &[u8], name: &ShareName) -> Option<Filling> {
    match filling.write(piece) {
        Ok(()) => Some(filling),
        Err(error) => {
            tracing::debug!(%name, %error, "content is not cached");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_disk_that_hangs_holds_the_relay_up_once_and_not_for_long() {
        let (parts, _never_read) = mpsc::channel(AHEAD);
        let mut tee = Tee {
            keeper: Some(Keeper {
                parts,
                task: tokio::spawn(std::future::pending()),
            }),
            patience: PATIENCE,
        };
        let start = now();
        for _ in 0..AHEAD {
            tee.push(Bytes::from_static(b"piece")).await;
        }
        assert_eq!(now(), start);
        for _ in 0..100 {
            tee.push(Bytes::from_static(b"piece")).await;
        }
        tee.finish().await;
        let waited = now() - start;
        assert!(tee.keeper.is_none());
        assert!(
            waited >= PATIENCE && waited < PATIENCE + Duration::from_millis(10),
            "{waited:?}"
        );
    }
}
