//! Fetching content of a known digest: find it, prove its tree, receive it.

use std::sync::Arc;

use bytes::Bytes;
use node_wire::fault::MissReason;
use tokio::task::spawn_blocking;

use super::{
    download::{Download, HEAD_TIME, Outcome, PieceReader, store_piece},
    fetch::{FetchError, Fetcher, panicked},
    job::{Job, JobState},
    resume::{RESUME_MIN, Record},
    sources::{Failure, Source, Sources},
};
use crate::{
    client::CallError,
    clock::now,
    pieces::{PIECE_SIZE, PieceTree},
    share::{Incoming, Replace},
};

/// What came of a fetch among the peers that give digests.
pub(super) enum Verified {
    /// The file is in the share.
    Stored,
    /// It is not.
    Nothing {
        incoming: Incoming,
        /// What the last holder did wrong, if there was one.
        failure: Option<Failure>,
        asked: usize,
        reason: MissReason,
        /// Whether peers that give no digests may have it.
        others_seen: bool,
    },
}

/// What came of a fetch of content of one piece.
pub(super) enum Small {
    /// The file is in the share.
    Stored,
    /// It is not.
    Not,
}

/// A file whose tree was proved.
struct Proved {
    tree: PieceTree,
    incoming: Incoming,
    done: Vec<bool>,
}

impl Fetcher {
    /// Fetches what `sources` has into `incoming`. What is there from an earlier run is
    /// used if `resumed`.
    pub(super) async fn fetch_verified(
        &self,
        job: &Job,
        mut sources: Sources,
        mut incoming: Incoming,
        resumed: bool,
    ) -> Result<Verified, FetchError> {
        let mut last = None;
        while let Some(source) = sources.next().await {
            job.update(|status| status.asked = sources.asked());
            self.record(job, &source, &mut incoming).await?;
            let proved = match self.prove(job, &source, incoming, resumed).await? {
                Ok(proved) => proved,
                Err((given_back, failure)) => {
                    incoming = given_back;
                    self.note(job, &failure);
                    last = Some(failure);
                    continue;
                }
            };
            let tree = proved.tree;
            let download = Download::new(self, job, tree.clone(), proved.incoming, proved.done);
            let (received, outcome) = download.run(source, &mut sources).await?;
            match outcome {
                Outcome::Whole => {
                    self.store(job, received, &tree).await?;
                    return Ok(Verified::Stored);
                }
                Outcome::Broken(failure) => {
                    last = failure.or(last);
                    incoming = self.restart(job, received).await?;
                }
            }
        }
        Ok(Verified::Nothing {
            incoming,
            failure: last,
            asked: sources.asked(),
            reason: sources.verdict(),
            others_seen: sources.others_seen(),
        })
    }

    /// Fetches content of one piece from a source: received, checked, and only
    /// then put anywhere. Other content, and a source that fails, is left to
    /// [`Fetcher::fetch_verified`].
    pub(super) async fn fetch_small(
        &self,
        job: &Job,
        source: &Source,
        replace: Replace,
    ) -> Result<Small, FetchError> {
        let Some(tree) = one_piece(source) else {
            return Ok(Small::Not);
        };
        job.update(|status| {
            status.state = JobState::Receiving;
            (status.size, status.digest) = (Some(tree.size()), Some(tree.digest()));
        });
        let Ok(chunks) = self.receive_piece(source, &tree, 0).await else {
            return Ok(Small::Not);
        };
        let (share, digests) = (Arc::clone(&self.share), Arc::clone(&self.digests));
        let (name, size) = (job.name().clone(), tree.size());
        let stored = spawn_blocking(move || {
            let incoming = share.begin(&name, replace)?;
            if !store_piece(&tree, &incoming, 0, &chunks)? {
                return Ok(Small::Not);
            }
            let stamp = incoming.commit()?;
            digests.learned(&name, stamp, &tree);
            Ok::<_, FetchError>(Small::Stored)
        });
        let stored = stored
            .await
            .map_err(|error| panicked(job.name(), &error))??;
        if let Small::Stored = stored {
            self.note_piece(job, &source.peer, size);
        }
        Ok(stored)
    }

    /// Receives one piece from a source.
    async fn receive_piece(
        &self,
        source: &Source,
        tree: &PieceTree,
        piece: u64,
    ) -> Result<Vec<Bytes>, CallError> {
        let range = tree.range(piece);
        let length = range.end - range.start;
        if length == 0 {
            return Ok(Vec::new());
        }
        let client = self.overlay.client();
        let mut content = PieceReader::open(client, &source.peer, tree, range).await?;
        let chunks = content.next(length).await?;
        content.finish().await?;
        Ok(chunks)
    }

    /// Gets the tree from a source and proves that its size is right, which
    /// only the last piece does. Looks at what is there from an earlier run.
    async fn prove(
        &self,
        job: &Job,
        source: &Source,
        incoming: Incoming,
        resumed: bool,
    ) -> Result<Result<Proved, (Incoming, Failure)>, FetchError> {
        let tree = match self.tree(source).await {
            Ok(tree) => tree,
            Err(failure) => return Ok(Err((incoming, failure))),
        };
        let (name, expected) = (job.name().clone(), tree.clone());
        let looked = spawn_blocking(move || look(&expected, incoming, resumed)).await;
        let (incoming, mut done) = looked.map_err(|error| panicked(&name, &error))??;
        let there: u64 = (0..tree.count())
            .zip(&done)
            .filter(|(_, done)| **done)
            .map(|(piece, _)| tree.range(piece))
            .map(|range| range.end - range.start)
            .sum();
        job.update(|status| {
            status.state = JobState::Receiving;
            status.size = Some(tree.size());
            status.digest = Some(tree.digest());
            status.bytes = there;
        });
        let last = tree.count() - 1;
        if done.last() == Some(&false) {
            let incoming = Arc::new(incoming);
            let failure = self.prove_last(job, source, &tree, &incoming, last).await?;
            let incoming =
                Arc::into_inner(incoming).ok_or_else(|| FetchError::Internal(name.clone()))?;
            if let Some(failure) = failure {
                return Ok(Err((incoming, failure)));
            }
            if let Some(done) = done.last_mut() {
                *done = true;
            }
            let proved = Proved {
                tree,
                incoming,
                done,
            };
            return Ok(Ok(proved));
        }
        Ok(Ok(Proved {
            tree,
            incoming,
            done,
        }))
    }

    async fn tree(&self, source: &Source) -> Result<PieceTree, Failure> {
        if let Some(tree) = one_piece(source) {
            return Ok(tree);
        }
        let client = self.overlay.client();
        let deadline = now() + HEAD_TIME;
        let tree = client
            .tree(&source.peer, &source.digest, deadline)
            .await
            .map_err(|error| Failure::broke_off(&source.peer, error))?;
        if tree.size() == source.size {
            Ok(tree)
        } else {
            Err(Failure::lied(&source.peer))
        }
    }

    /// Receives the last piece. Says what went wrong if it is not right.
    async fn prove_last(
        &self,
        job: &Job,
        source: &Source,
        tree: &PieceTree,
        incoming: &Arc<Incoming>,
        last: u64,
    ) -> Result<Option<Failure>, FetchError> {
        let peer = &source.peer;
        let range = tree.range(last);
        let length = range.end - range.start;
        let chunks = match self.receive_piece(source, tree, last).await {
            Ok(chunks) => chunks,
            Err(error) => return Ok(Some(Failure::broke_off(peer, error))),
        };
        let (tree, file) = (tree.clone(), Arc::clone(incoming));
        let stored = spawn_blocking(move || store_piece(&tree, &file, last, &chunks)).await;
        if !stored.map_err(|error| panicked(job.name(), &error))?? {
            return Ok(Some(Failure::lied(peer)));
        }
        self.note_piece(job, peer, length);
        Ok(None)
    }

    /// Makes a long fetch one that a restart takes up again, from the moment at
    /// which somebody names the content.
    async fn record(
        &self,
        job: &Job,
        source: &Source,
        incoming: &mut Incoming,
    ) -> Result<(), FetchError> {
        if source.size < RESUME_MIN {
            return Ok(());
        }
        incoming.stay_if(Arc::clone(&self.stopping));
        let record = Record {
            name: job.name().clone(),
            replace: incoming.replaces(),
            digest: source.digest,
            temporary: incoming.temporary().to_owned(),
        };
        job.recorded(record.temporary.clone());
        let records = Arc::clone(&self.records);
        let added = spawn_blocking(move || records.add(record)).await;
        added.map_err(|error| panicked(job.name(), &error))
    }

    async fn store(
        &self,
        job: &Job,
        incoming: Incoming,
        tree: &PieceTree,
    ) -> Result<(), FetchError> {
        let (name, tree, digests) = (job.name().clone(), tree.clone(), Arc::clone(&self.digests));
        let stored = spawn_blocking(move || {
            let stamp = incoming.commit()?;
            digests.learned(&name, stamp, &tree);
            Ok(())
        });
        stored
            .await
            .unwrap_or_else(|error| Err(panicked(job.name(), &error)))
    }

    async fn restart(&self, job: &Job, mut incoming: Incoming) -> Result<Incoming, FetchError> {
        let restarted = spawn_blocking(move || {
            incoming.restart()?;
            Ok(incoming)
        });
        job.update(|status| (status.state, status.bytes) = (JobState::Searching, 0));
        restarted
            .await
            .unwrap_or_else(|error| Err(panicked(job.name(), &error)))
    }
}

/// The tree of content that is one piece and needs no values.
fn one_piece(source: &Source) -> Option<PieceTree> {
    PieceTree::of_one_piece(source.digest, source.size)
}

/// Gives the file its size, and says which pieces are there. Blocks.
fn look(
    tree: &PieceTree,
    incoming: Incoming,
    resumed: bool,
) -> Result<(Incoming, Vec<bool>), FetchError> {
    incoming.expect(tree.size())?;
    let mut done = Vec::new();
    let mut piece = vec![0; usize::try_from(PIECE_SIZE).unwrap_or(usize::MAX)];
    for index in 0..tree.count() {
        let range = tree.range(index);
        let length = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
        let mut check = tree.check(index);
        let is_there = resumed && {
            incoming.read_at(&mut piece[..length], range.start)?;
            check.push(&piece[..length]);
            check.is_right()
        };
        done.push(is_there);
    }
    Ok((incoming, done))
}
