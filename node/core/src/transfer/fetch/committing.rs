//! The last step of a fetch: the whole file goes into its place.
//!
//! # Invariants
//! - A commit is not cancelled, and its result tells the state of the disk.
//! - A commit that fails keeps what came, unless the name is taken by then. The next fetch commits it without asking
//!   anybody.

use super::{Fetch, FetchError, Held};
use crate::{
    pieces::PieceTree,
    transfer::{
        file::{CheckedPiece, LeftOver},
        job::JobState,
        sources::Source,
    },
};

impl Fetch<'_> {
    /// Puts the whole file into its place.
    pub(super) async fn commit(&mut self) -> Result<(), FetchError> {
        let name = self.job.name();
        self.job
            .update(|status| status.state = JobState::Committing);
        let Held::Pieces(file) = std::mem::replace(&mut self.held, Held::Nothing) else {
            return Err(FetchError::Internal(name.clone()));
        };
        match self
            .fetcher
            .blocking(name, move || Ok(file.commit()))
            .await?
        {
            Ok(committed) => Ok(committed?),
            Err(file) => {
                self.held = Held::Pieces(*file);
                Err(FetchError::Internal(name.clone()))
            }
        }
    }

    /// Commits content that an earlier fetch received whole but could not commit. Returns whether it is stored.
    pub(super) async fn commit_if_whole(&mut self) -> Result<bool, FetchError> {
        match self.take_left() {
            Some(left) if left.is_uncommitted() => self.complete(left).await?,
            Some(left) => self.held = Held::Left(left),
            None => {}
        }
        let Held::Pieces(file) = &self.held else {
            return Ok(false);
        };
        self.job.receives_verified(file.tree(), file.bytes());
        if !file.is_whole() {
            return Ok(false);
        }
        self.commit().await?;
        Ok(true)
    }

    async fn complete(&mut self, left: LeftOver) -> Result<(), FetchError> {
        let target = self.job.target().clone();
        let completed = self
            .fetcher
            .blocking(self.job.name(), move || Ok(left.complete(target)));
        self.held = match completed.await? {
            Ok(file) => Held::Pieces(file),
            Err(left) => Held::Left(*left),
        };
        Ok(())
    }

    /// Stores content of one piece.
    pub(super) async fn store(
        &mut self,
        source: &Source,
        tree: PieceTree,
        piece: CheckedPiece,
    ) -> Result<(), FetchError> {
        self.job
            .update(|status| status.state = JobState::Committing);
        let (target, stored) = (self.job.target().clone(), tree.clone());
        let about = source.about;
        self.fetcher
            .blocking(self.job.name(), move || {
                Ok(target.store(&stored, &piece, about)?)
            })
            .await?;
        self.job.stored(&tree, 0);
        self.fetcher.note_piece(self.job, &source.peer, tree.size());
        Ok(())
    }
}
