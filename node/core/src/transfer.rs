//! Bringing files from peers into the share.
//!
//! # Participants
//! - [`Transfers`] keeps the fetches that run and the last ones that ended.
//! - `Fetcher` makes one fetch: among the peers that give digests (`verified`),
//!   else from one that does not (a walk of the overlay).
//! - `Sources` says who has the content; `Download` receives it, over several
//!   connections; its `Plan` decides which pieces come from whom.
//! - [`Records`] remember what is to be taken up after a restart.
//!
//! # Lifecycle of a fetch
//! *Searching* (peers are asked), *receiving* (some deliver), then *done*,
//! *failed* or *cancelled*. A holder that fails costs nothing that others
//! brought. When the node stops or dies in the middle of a long fetch, the next
//! run takes it up with the pieces that are on the disk and right.
//!
//! # Invariants
//! - At most one fetch of a name runs; a second one joins it.
//! - At most [`RUNNING_MAX`] fetches run; the last [`KEPT`] that ended are kept.
//! - What has a digest is checked before it is written, and again by nobody:
//!   what was not checked is not in the share.
//! - A fetch that does not end in *done* leaves nothing in the share, unless
//!   the node stops in the middle of it.
//! - Nothing here decides whom to ask; that is the overlay's.

mod batch;
mod download;
mod fetch;
mod job;
mod plan;
mod resume;
mod sources;
mod verified;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, atomic::Ordering},
};

use node_wire::{Digest, name::ShareName};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{
    batch::Batch,
    fetch::{Begun, Fetcher, Place},
    job::Job,
    resume::Record,
    sources::Source,
};
pub use self::{
    batch::{BATCH_MAX, BatchStatus},
    fetch::FetchError,
    job::{JobState, JobStatus},
    resume::Records,
};
use crate::{
    counters::Counters,
    events::EventLog,
    overlay::Overlay,
    share::{Digests, Replace, Share},
    sync::lock,
};

/// Most fetches that run at a time.
pub const RUNNING_MAX: usize = 64;

/// Ended fetches that are kept for questions.
pub const KEPT: usize = 256;

/// Batches that are kept for questions, those that run included.
const BATCHES_KEPT: usize = 16;

/// Why a batch did not start.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// As many run as may.
    #[error("`{0}` is not fetched: too many batches run, try again later")]
    Busy(String),
}

/// The fetches of a node.
#[derive(Debug)]
pub struct Transfers {
    fetcher: Fetcher,
    jobs: Mutex<Jobs>,
    batches: Mutex<VecDeque<Arc<Batch>>>,
    tasks: TaskTracker,
    cancel: CancellationToken,
}

#[derive(Debug, Default)]
struct Jobs {
    last_id: u64,
    running: BTreeMap<u64, Arc<Job>>,
    ended: VecDeque<Arc<Job>>,
}

impl Transfers {
    /// No fetches yet.
    #[must_use]
    pub fn new(
        share: Arc<Share>,
        digests: Arc<Digests>,
        records: Records,
        overlay: Arc<Overlay>,
        counters: Arc<Counters>,
        events: Arc<EventLog>,
    ) -> Transfers {
        Transfers {
            fetcher: Fetcher {
                share,
                digests,
                records: Arc::new(records),
                stopping: Arc::default(),
                overlay,
                counters,
                events,
            },
            jobs: Mutex::default(),
            batches: Mutex::default(),
            tasks: TaskTracker::new(),
            cancel: CancellationToken::new(),
        }
    }

    /// Starts to fetch `name`, or joins the fetch of that name that runs.
    ///
    /// # Errors
    /// When the file is there already, or too much is going on.
    pub async fn start(
        self: &Arc<Self>,
        name: &ShareName,
        replace: Replace,
    ) -> Result<u64, FetchError> {
        Ok(self.begin(name, replace, Begun::Now).await?.id())
    }

    /// The same for this content only, under whatever name a peer has it.
    ///
    /// # Errors
    /// When the file is there already, or too much is going on.
    pub async fn start_content(
        self: &Arc<Self>,
        name: &ShareName,
        digest: Digest,
        replace: Replace,
    ) -> Result<u64, FetchError> {
        let begun = Begun::Of(digest);
        Ok(self.begin(name, replace, begun).await?.id())
    }

    async fn begin(
        self: &Arc<Self>,
        name: &ShareName,
        replace: Replace,
        begun: Begun,
    ) -> Result<Arc<Job>, FetchError> {
        if let Some(job) = lock(&self.jobs).running(name) {
            return Ok(job);
        }
        let incoming = self.fetcher.begin(name, replace).await?;
        Ok(match self.enlist(name)? {
            Enlisted::New(job) => self.spawn(job, Place::Ready(incoming), begun),
            Enlisted::Running(job) => job,
        })
    }

    /// Starts to fetch what `source` has, or joins the fetch of that name that
    /// runs. That the file is there already shows in the end.
    fn begin_found(
        self: &Arc<Self>,
        name: &ShareName,
        replace: Replace,
        source: Source,
    ) -> Result<Arc<Job>, FetchError> {
        Ok(match self.enlist(name)? {
            Enlisted::New(job) => self.spawn(job, Place::Later(replace), Begun::Found(source)),
            Enlisted::Running(job) => job,
        })
    }

    /// Starts to fetch all files of peers that match `query`.
    ///
    /// # Errors
    /// When too many batches run.
    pub fn start_matching(
        self: &Arc<Self>,
        query: &str,
        replace: Replace,
    ) -> Result<BatchStatus, BatchError> {
        let mut batches = lock(&self.batches);
        if batches.len() == BATCHES_KEPT {
            let over = batches.iter().position(|batch| batch.status().over);
            let over = over.ok_or_else(|| BatchError::Busy(query.to_owned()))?;
            batches.remove(over);
        }
        let id = batches.back().map_or(1, |last| last.id() + 1);
        let batch = Arc::new(Batch::new(id, query.to_owned(), self.cancel.child_token()));
        batches.push_back(Arc::clone(&batch));
        let (transfers, status) = (Arc::clone(self), batch.status());
        self.tasks
            .spawn(async move { batch.run(&transfers, replace).await });
        Ok(status)
    }

    /// Waits until the batch `id` is over. `None` if there is none.
    pub async fn wait_matching(&self, id: u64) -> Option<BatchStatus> {
        let batch = self.batch(id)?;
        batch.over().await;
        Some(batch.status())
    }

    /// How far the batch `id` is. `None` if there is none.
    #[must_use]
    pub fn matching(&self, id: u64) -> Option<BatchStatus> {
        self.batch(id).map(|batch| batch.status())
    }

    /// Stops the batch `id` if it runs; what it fetched stays. Says whether
    /// there is such a batch.
    pub fn cancel_matching(&self, id: u64) -> bool {
        self.batch(id).inspect(|batch| batch.cancel()).is_some()
    }

    fn batch(&self, id: u64) -> Option<Arc<Batch>> {
        let batches = lock(&self.batches);
        batches.iter().find(|batch| batch.id() == id).cloned()
    }

    /// Takes up what the last run of the node did not finish.
    pub async fn take_up(self: &Arc<Self>) {
        for record in self.fetcher.records.list() {
            if let Err(error) = self.take_up_one(&record).await {
                tracing::warn!(name = %record.name, %error, "a fetch is not taken up again");
            }
        }
    }

    async fn take_up_one(self: &Arc<Self>, record: &Record) -> Result<(), FetchError> {
        let incoming = self.fetcher.resume(record).await?;
        if let Enlisted::New(job) = self.enlist(&record.name)? {
            let begun = Begun::Before(record.digest);
            self.spawn(job, Place::Ready(incoming), begun);
        }
        Ok(())
    }

    fn spawn(self: &Arc<Self>, job: Arc<Job>, place: Place, begun: Begun) -> Arc<Job> {
        let (transfers, running) = (Arc::clone(self), Arc::clone(&job));
        self.tasks.spawn(async move {
            transfers.fetcher.run(&running, place, begun).await;
            transfers.ended(&running);
        });
        job
    }

    /// Waits until the fetch `id` is over. `None` if there is none.
    pub async fn wait(&self, id: u64) -> Option<JobStatus> {
        let job = self.job(id)?;
        job.over().await;
        Some(job.status())
    }

    /// How far the fetch `id` is. `None` if there is none.
    #[must_use]
    pub fn status(&self, id: u64) -> Option<JobStatus> {
        self.job(id).map(|job| job.status())
    }

    /// The fetches that are kept, in the order in which they started.
    #[must_use]
    pub fn list(&self) -> Vec<JobStatus> {
        let jobs = lock(&self.jobs);
        let mut list: Vec<_> = jobs
            .ended
            .iter()
            .chain(jobs.running.values())
            .map(|job| job.status())
            .collect();
        list.sort_by_key(|status| status.id);
        list
    }

    /// Stops the fetch `id` if it runs. Says whether there is such a fetch.
    pub fn cancel(&self, id: u64) -> bool {
        self.job(id).inspect(|job| job.cancel()).is_some()
    }

    /// Stops all fetches and waits until they are over.
    pub async fn stop(&self) {
        self.fetcher.stopping.store(true, Ordering::Release);
        self.cancel.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn enlist(&self, name: &ShareName) -> Result<Enlisted, FetchError> {
        let mut jobs = lock(&self.jobs);
        if let Some(job) = jobs.running(name) {
            return Ok(Enlisted::Running(job));
        }
        if jobs.running.len() >= RUNNING_MAX || self.cancel.is_cancelled() {
            return Err(FetchError::Busy(name.clone()));
        }
        jobs.last_id += 1;
        let job = Arc::new(Job::new(
            jobs.last_id,
            name.clone(),
            self.cancel.child_token(),
        ));
        jobs.running.insert(job.id(), Arc::clone(&job));
        Ok(Enlisted::New(job))
    }

    fn ended(&self, job: &Arc<Job>) {
        let mut jobs = lock(&self.jobs);
        jobs.running.remove(&job.id());
        if jobs.ended.len() == KEPT {
            jobs.ended.pop_front();
        }
        jobs.ended.push_back(Arc::clone(job));
    }

    fn job(&self, id: u64) -> Option<Arc<Job>> {
        let jobs = lock(&self.jobs);
        jobs.running
            .get(&id)
            .or_else(|| jobs.ended.iter().find(|job| job.id() == id))
            .cloned()
    }
}

enum Enlisted {
    New(Arc<Job>),
    Running(Arc<Job>),
}

impl Jobs {
    fn running(&self, name: &ShareName) -> Option<Arc<Job>> {
        self.running
            .values()
            .find(|job| job.name() == name)
            .cloned()
    }
}
