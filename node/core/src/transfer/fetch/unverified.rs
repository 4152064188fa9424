//! Content that nobody can check: one answer to `query`, as it comes.

use node_api::fetch::FetchState;
use node_wire::fault::MissReason;

use super::{Failure, Fetch, FetchError, Trouble};
use crate::{
    client::{CallError, RemoteFile},
    overlay::{Excluded, Walk, WalkQuery},
    transfer::file::{AnswerEnd, Unverified},
};

/// Bytes that are gathered before they are written.
const WRITE_SIZE: usize = 256 * 1024;

impl Fetch<'_> {
    /// Takes an answer to `query` as it comes, from a peer that is not `excluded`. `None` if the file is stored
    /// then; otherwise the number of peers asked and why more might be found.
    pub(super) async fn walk(
        &mut self,
        excluded: Excluded,
        trouble: &mut Trouble,
    ) -> Result<Option<(usize, MissReason)>, FetchError> {
        // It is made while peers are asked, so that a share that cannot be written shows at once.
        let mut file = self.empty().await?;
        let asked = WalkQuery::here(self.job.name().clone());
        let walk = Walk::begin_without(&self.fetcher.overlay, asked, excluded);
        let mut walk = self.or_cancelled(walk).await?;
        while let Some(mut answer) = self.or_cancelled(walk.next()).await? {
            self.job.asked(walk.asked());
            match self.take_answer(&mut answer, file).await? {
                Ok(()) => return Ok(None),
                Err(error) => {
                    walk.broke_off(&answer, &error);
                    let failure = Failure::of(&answer.peer, error);
                    self.fetcher.note(self.job, &failure);
                    trouble.last = Some(failure);
                }
            }
            file = self.empty().await?;
            self.hold(FetchState::Searching);
        }
        Ok(Some((walk.asked(), walk.verdict())))
    }

    /// Makes an empty temporary for one answer to `query`.
    async fn empty(&self) -> Result<Unverified, FetchError> {
        let target = self.job.target().clone();
        self.fetcher
            .blocking(self.job.name(), move || Ok(Unverified::create(&target)?))
            .await
    }

    /// Receives one answer to `query` into an empty temporary and commits it.
    async fn take_answer(
        &self,
        answer: &mut RemoteFile,
        mut file: Unverified,
    ) -> Result<Result<(), CallError>, FetchError> {
        let name = self.job.name();
        self.job.receives_unverified(&answer.peer);
        let mut gathered = Vec::with_capacity(WRITE_SIZE);
        loop {
            let next = match self.or_cancelled(answer.next()).await? {
                Ok(next) => next,
                Err(error) => return Ok(Err(error)),
            };
            let end = AnswerEnd::of(next.as_ref());
            gathered.extend_from_slice(&next.unwrap_or_default());
            if end.is_some() || gathered.len() >= WRITE_SIZE {
                let bytes = gathered.len() as u64;
                (file, gathered) = self
                    .fetcher
                    .blocking(name, move || {
                        file.append(&gathered)?;
                        gathered.clear();
                        Ok((file, gathered))
                    })
                    .await?;
                self.fetcher.note_piece(self.job, &answer.peer, bytes);
            }
            if let Some(end) = end {
                let (target, about) = (self.job.target().clone(), answer.about);
                self.job
                    .update(|status| status.state = FetchState::Committing);
                self.fetcher
                    .blocking(name, move || Ok(file.commit(&target, about, end)?))
                    .await?;
                return Ok(Ok(()));
            }
        }
    }
}
