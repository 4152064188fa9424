//! Bringing files from peers into the share.
//!
//! # Participants
//! - [`Transfers`] keeps the fetches and batches; `Turns` decides which of them run.
//! - `Fetch` is one fetch: it searches, receives, waits for holders and commits. Its `Course` decides about the
//!   after each round.
//! - `Sources` finds the holders of the content; `Download` receives it over several connections; its `Plan` decides which
//!   pieces come from whom.
//! - `Verified`, `Unverified` and `LeftOver` own the temporary.
//! - A `bundle` brings many small files of one peer in one answer and stores them together; a file that it does not bring
//!   is fetched alone.
//! - [`Records`] name the temporaries that outlive a fetch or a run of the node.
//!
//! # Lifecycle of a fetch
//! *Queued*, *searching* (peers are asked), *receiving* (some deliver), perhaps *waiting* (its holders are away),
//! *committing*, then *done*, *failed* or *cancelled*. What was received of content is kept for [`KEEP_FOR`] if the
//! fetch ends otherwise than *done*, and the next fetch of the name or the digest takes it up. Fetches that were
//! not over when the node stopped or died go on in its next run.
//!
//! # Interests
//! Everybody who starts or joins a fetch has an interest in it. Cancelling gives up one; a fetch ends when the
//! last one is given up. A batch has one in each of its fetches, which it gives up when it is cancelled.
//!
//! # Invariants
//! - A fetch of a name joins the one that runs; a fetch of a digest joins only one of the same digest.
//! - At most [`RUNNING_MAX`] fetches search or receive; at most [`UNFINISHED_MAX`] are not over; the last [`ENDED_KEPT`]
//!   that ended are kept for questions.
//! - What has a digest is checked before it is written, and again by nobody.
//! - A commit is not cancelled, and the status has its result.
//! - Nothing here decides about the peers to ask; that is the overlay's.

mod batch;
mod bundle;
mod claims;
mod course;
mod download;
#[cfg(test)]
mod faults;
mod fetch;
mod file;
mod ids;
mod job;
#[cfg(test)]
mod model;
mod plan;
mod records;
mod sources;
mod turns;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Arc, Mutex, atomic::Ordering},
    time::{Duration, SystemTime},
};

use node_api::fetch::{FetchBatch, FetchState, FetchStatus};
use node_wire::{
    Digest,
    name::ShareName,
    peer_url::PeerUrl,
    query::{ParsedQuery, SyntaxError},
};
use plugin_api::NameCheck;
use tokio::{select, sync::Semaphore, time::sleep};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use self::{
    batch::BATCH_MAX,
    fetch::FetchError,
    ids::Ids,
    records::{KEEP_FOR, Records},
};
use self::{
    batch::Batch,
    claims::Claims,
    fetch::{Begun, Fetcher},
    job::Job,
    records::Record,
    sources::Source,
    turns::{Owner, Turns},
};
use crate::{
    client::PeerPath,
    counters::Counters,
    events::EventLog,
    overlay::Overlay,
    share::{Digests, Replace, Share},
    sync::lock,
};

/// Most fetches that search or receive at a time.
pub const RUNNING_MAX: usize = 64;

/// Most fetches that are not over, those that wait for a turn or for their holders included.
pub const UNFINISHED_MAX: usize = 8_192;

/// Ended fetches that are kept for questions.
pub const ENDED_KEPT: usize = 512;

/// Most batches that are not over.
pub const BATCHES_UNFINISHED_MAX: usize = 256;

/// Ended batches that are kept for questions.
const BATCHES_ENDED_KEPT: usize = 64;

/// Batches that search at a time.
const BATCHES_SEARCHING: usize = 4;

/// Pause between two looks for content that was kept for long enough.
const EXPIRE_PAUSE: Duration = Duration::from_secs(600);

/// The goal of a fetch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Goal {
    /// Any content with the name.
    Name,
    /// This content, whatever its name.
    Content(Digest),
}

/// The error of a batch that did not start.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// Too many are not over.
    #[error("`{0}` is not fetched: too many batches wait, try again later")]
    Busy(String),
    /// The query makes no sense.
    #[error(transparent)]
    Query(#[from] SyntaxError),
}

/// Picks fetches whose kept parts are dropped.
#[derive(Clone, Debug)]
pub enum DropWhich {
    /// The fetch of this number.
    Id(u64),
    /// The fetches of this name.
    Name(ShareName),
    /// The fetches of this content.
    Content(Digest),
}

/// The fetches of a node.
#[derive(Debug)]
pub struct Transfers {
    fetcher: Fetcher,
    ids: Arc<Ids>,
    jobs: Mutex<Jobs>,
    batches: Mutex<VecDeque<Arc<Batch>>>,
    searches: Turns,
    bundles: Arc<Semaphore>,
    tasks: TaskTracker,
    cancel: CancellationToken,
}

#[derive(Debug, Default)]
struct Jobs {
    unfinished: BTreeMap<u64, Unfinished>,
    /// The numbers of those, by name.
    named: HashMap<ShareName, Vec<u64>>,
    ended: VecDeque<Arc<Job>>,
}

#[derive(Debug)]
struct Unfinished {
    job: Arc<Job>,
    interests: usize,
}

/// An interest in a fetch, given up when it is dropped.
#[derive(Debug)]
struct Interest {
    transfers: Arc<Transfers>,
    job: Arc<Job>,
}

impl Interest {
    /// Makes the interest last until it is given up with [`Transfers::cancel`]. Returns the number of the fetch.
    fn lasting(self) -> u64 {
        let id = self.job.id();
        lock(&self.transfers.jobs).gain(id);
        id
    }
}

impl Drop for Interest {
    fn drop(&mut self) {
        lock(&self.transfers.jobs).give_up(self.job.id());
    }
}

impl Transfers {
    /// Creates an empty table of fetches.
    #[must_use]
    pub fn new(
        share: Arc<Share>,
        digests: Arc<Digests>,
        saved: (Records, Ids),
        overlay: Arc<Overlay>,
        counters: Arc<Counters>,
        events: Arc<EventLog>,
    ) -> Transfers {
        let (records, ids) = saved;
        Transfers {
            fetcher: Fetcher {
                share,
                digests,
                records: Arc::new(records),
                stopping: false.into(),
                overlay,
                counters,
                events,
                turns: Turns::new(RUNNING_MAX),
                claims: Claims::default(),
                #[cfg(test)]
                faults: Arc::default(),
            },
            ids: Arc::new(ids),
            jobs: Mutex::default(),
            batches: Mutex::default(),
            searches: Turns::new(BATCHES_SEARCHING),
            bundles: Arc::new(Semaphore::new(bundle::BUNDLES_MAX)),
            tasks: TaskTracker::new(),
            cancel: CancellationToken::new(),
        }
    }

    /// Starts to fetch `name`, or joins the fetch of that name that is not over.
    ///
    /// # Errors
    /// Errors if the file is there already, or too much is going on.
    pub async fn start(
        self: &Arc<Self>,
        name: &ShareName,
        replace: Replace,
    ) -> Result<u64, FetchError> {
        let interest = self.begin(name, Goal::Name, replace).await?;
        Ok(interest.lasting())
    }

    /// Starts to fetch this content only, under whatever name a peer has it, or joins the fetch of the same.
    ///
    /// # Errors
    /// Errors if the file is there already, or too much is going on.
    pub async fn start_content(
        self: &Arc<Self>,
        name: &ShareName,
        digest: Digest,
        replace: Replace,
    ) -> Result<u64, FetchError> {
        let goal = Goal::Content(digest);
        let interest = self.begin(name, goal, replace).await?;
        Ok(interest.lasting())
    }

    async fn begin(
        self: &Arc<Self>,
        name: &ShareName,
        goal: Goal,
        replace: Replace,
    ) -> Result<Interest, FetchError> {
        if let Some(joined) = self.join(name, goal) {
            return Ok(joined);
        }
        let target = self.fetcher.target(0, name.clone(), goal, replace);
        self.fetcher
            .blocking(name, move || Ok(target.check()?))
            .await?;
        self.begin_unchecked(name, goal, replace, Owner::Single, Begun::New)
            .await
    }

    /// Starts a fetch of a batch, or joins one. That the file is there already shows in the end.
    async fn begin_of_batch(
        self: &Arc<Self>,
        name: &ShareName,
        replace: Replace,
        batch: u64,
        source: Option<Source>,
    ) -> Result<Interest, FetchError> {
        let begun = source.map_or(Begun::New, Begun::Found);
        self.begin_unchecked(name, Goal::Name, replace, Owner::Batch(batch), begun)
            .await
    }

    async fn begin_unchecked(
        self: &Arc<Self>,
        name: &ShareName,
        goal: Goal,
        replace: Replace,
        owner: Owner,
        begun: Begun,
    ) -> Result<Interest, FetchError> {
        let id = self.ids.next().await;
        let target = self.fetcher.target(id, name.clone(), goal, replace);
        let job = Job::new(target, owner, self.cancel.child_token());
        self.enlist(job, begun)
    }

    /// Joins the fetch of the same that is not over, or starts `job`.
    fn enlist(self: &Arc<Self>, job: Job, begun: Begun) -> Result<Interest, FetchError> {
        let (interest, admitted) = self.admit(job)?;
        if let Some(running) = admitted {
            self.spawn(running, begun);
        }
        Ok(interest)
    }

    fn spawn(self: &Arc<Self>, running: Arc<Job>, begun: Begun) {
        let transfers = Arc::clone(self);
        self.tasks.spawn(async move {
            transfers.fetcher.run(&running, begun).await;
            lock(&transfers.jobs).ended(running);
        });
    }

    /// Joins the fetch of the same that is not over, or makes `job` one, which is returned and has to be run.
    fn admit(self: &Arc<Self>, job: Job) -> Result<(Interest, Option<Arc<Job>>), FetchError> {
        let (name, goal) = (job.name().clone(), job.target().goal);
        let job = {
            let mut jobs = lock(&self.jobs);
            if let Some(joined) = jobs.join(&name, goal) {
                drop(jobs);
                return Ok((self.interest(joined), None));
            }
            jobs.admit(job, &self.cancel)?
        };
        Ok((self.interest(Arc::clone(&job)), Some(job)))
    }

    fn join(self: &Arc<Self>, name: &ShareName, goal: Goal) -> Option<Interest> {
        let joined = lock(&self.jobs).join(name, goal)?;
        Some(self.interest(joined))
    }

    fn interest(self: &Arc<Self>, job: Arc<Job>) -> Interest {
        Interest {
            transfers: Arc::clone(self),
            job,
        }
    }

    /// Starts to fetch all files of peers that match `query`, less those whose names `is_meant` refuses.
    ///
    /// # Errors
    /// Errors if the query makes no sense, or too many batches are not over.
    pub async fn start_matching(
        self: &Arc<Self>,
        query: &str,
        is_meant: Option<NameCheck>,
        replace: Replace,
    ) -> Result<FetchBatch, BatchError> {
        ParsedQuery::parse(query, SystemTime::now())?;
        let id = self.ids.next().await;
        let batch = Arc::new(Batch::new(
            id,
            query.to_owned(),
            is_meant,
            self.cancel.child_token(),
        ));
        {
            let mut batches = lock(&self.batches);
            let ended: Vec<u64> = batches
                .iter()
                .filter(|batch| batch.is_over())
                .map(|batch| batch.id())
                .collect();
            if batches.len() - ended.len() >= BATCHES_UNFINISHED_MAX {
                return Err(BatchError::Busy(query.to_owned()));
            }
            if let Some(beyond) = ended.len().checked_sub(BATCHES_ENDED_KEPT) {
                batches.retain(|batch| !ended[..beyond].contains(&batch.id()));
            }
            batches.push_back(Arc::clone(&batch));
        }
        let (transfers, status) = (Arc::clone(self), batch.status());
        self.tasks
            .spawn(async move { batch.run(&transfers, replace).await });
        Ok(status)
    }

    /// Waits until the batch `id` is over. `None` if there is none.
    pub async fn wait_matching(&self, id: u64) -> Option<FetchBatch> {
        let batch = self.batch(id)?;
        batch.over().await;
        Some(batch.status())
    }

    /// Returns the status of the batch `id`. `None` if there is none.
    #[must_use]
    pub fn matching(&self, id: u64) -> Option<FetchBatch> {
        self.batch(id).map(|batch| batch.status())
    }

    /// Returns the batches that are kept for questions, in the order in which they started.
    #[must_use]
    pub fn list_matching(&self) -> Vec<FetchBatch> {
        let batches = lock(&self.batches);
        batches.iter().map(|batch| batch.status()).collect()
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

    /// Takes up the unfinished fetches of the last run, and removes content that was kept for long enough from then on.
    pub async fn take_up(self: &Arc<Self>) {
        for record in self.fetcher.records.list() {
            if record.is_active {
                self.take_up_one(record).await;
            } else {
                let target = self.target_of(&record);
                let job = Job::ended_before(target, record.time);
                lock(&self.jobs).ended(Arc::new(job));
            }
        }
        let transfers = Arc::clone(self);
        self.tasks.spawn(async move { transfers.expire().await });
    }

    async fn take_up_one(self: &Arc<Self>, mut record: Record) {
        if record.id == 0 {
            record.id = self.ids.next().await;
            let (records, id) = (Arc::clone(&self.fetcher.records), record.id);
            let temporary = record.temporary.clone();
            let disk = self.fetcher.share.disk();
            let assigned = disk.run(move || records.assign(&temporary, id)).await;
            if let Err(error) = assigned {
                tracing::error!(%error, "a record cannot be changed");
            }
        }
        let target = self.target_of(&record);
        let name = target.name.clone();
        let job = Job::new(target, Owner::Single, self.cancel.child_token());
        // It joins no other fetch: its record is worked with as long as it runs.
        let admitted = lock(&self.jobs).admit(job, &self.cancel);
        match admitted {
            Ok(running) => {
                self.interest(Arc::clone(&running)).lasting();
                self.spawn(running, Begun::Before(record));
            }
            Err(error) => tracing::warn!(%name, %error, "a fetch is not taken up again"),
        }
    }

    fn target_of(&self, record: &Record) -> file::Target {
        let name = record.name.clone();
        self.fetcher
            .target(record.id, name, record.goal, record.replace)
    }

    async fn expire(&self) {
        loop {
            let (records, share) = (
                Arc::clone(&self.fetcher.records),
                Arc::clone(&self.fetcher.share),
            );
            let disk = share.disk().clone();
            let expired = disk.run(move || {
                for record in records.expire(SystemTime::now()) {
                    share.remove_temporary(&record.temporary);
                }
            });
            if let Err(error) = expired.await {
                tracing::error!(%error, "removing what was kept panicked");
            }
            select! {
                () = sleep(EXPIRE_PAUSE) => {}
                () = self.cancel.cancelled() => return,
            }
        }
    }

    /// Ends the fetches that `which` picks, for everybody, and removes what is kept of them.
    /// Returns those of which something was ended or removed.
    pub async fn drop_kept(&self, which: &DropWhich) -> Vec<FetchStatus> {
        let picks = |id: u64, name: &ShareName, digest: Option<Digest>| match which {
            DropWhich::Id(wanted) => id == *wanted,
            DropWhich::Name(wanted) => name == wanted,
            DropWhich::Content(wanted) => digest == Some(*wanted),
        };
        let (unfinished, ended) = {
            let jobs = lock(&self.jobs);
            let unfinished: Vec<Arc<Job>> = jobs
                .unfinished
                .values()
                .map(|unfinished| Arc::clone(&unfinished.job))
                .filter(|job| picks(job.id(), job.name(), job.digest()))
                .collect();
            let ended: Vec<Arc<Job>> = jobs.ended.iter().cloned().collect();
            (unfinished, ended)
        };
        for job in &unfinished {
            job.cancel();
        }
        for job in &unfinished {
            job.over().await;
        }
        let of_these = |record: &Record| {
            picks(record.id, &record.name, Some(record.digest))
                || unfinished.iter().any(|job| job.id() == record.id)
        };
        let selected: Vec<String> = self
            .fetcher
            .records
            .list()
            .iter()
            .filter(|record| !record.is_active && of_these(record))
            .map(|record| record.temporary.clone())
            .collect();
        let dropped = self.remove_kept(selected).await;
        let had_part = ended
            .into_iter()
            .filter(|job| dropped.iter().any(|record| record.id == job.id()));
        unfinished
            .iter()
            .cloned()
            .chain(had_part)
            .map(|job| self.status_of(&job))
            .collect()
    }

    /// Removes the `selected` temporaries and their records, and returns the records.
    async fn remove_kept(&self, selected: Vec<String>) -> Vec<Record> {
        let (records, share) = (
            Arc::clone(&self.fetcher.records),
            Arc::clone(&self.fetcher.share),
        );
        let disk = share.disk().clone();
        let dropped = disk.run(move || {
            let dropped = records.drop_idle(|record| selected.contains(&record.temporary));
            for record in &dropped {
                share.remove_temporary(&record.temporary);
            }
            dropped
        });
        dropped.await.unwrap_or_else(|error| {
            tracing::error!(%error, "dropping what was kept panicked");
            Vec::new()
        })
    }

    /// Returns why the fetch `id` failed, if it did.
    #[must_use]
    pub fn error(&self, id: u64) -> Option<Arc<FetchError>> {
        self.job(id)?.error()
    }

    /// Waits until the fetch `id` is over. `None` if there is none.
    pub async fn wait(&self, id: u64) -> Option<FetchStatus> {
        self.wait_until(id, FetchState::is_over).await
    }

    /// Waits until the state of the fetch `id` is as wanted, or it is over. `None` if there is none.
    pub async fn wait_until(
        &self,
        id: u64,
        wanted: impl Fn(FetchState) -> bool,
    ) -> Option<FetchStatus> {
        let job = self.job(id)?;
        job.reaches(wanted).await;
        Some(self.status_of(&job))
    }

    /// Returns the status of the fetch `id`. `None` if there is none.
    #[must_use]
    pub fn status(&self, id: u64) -> Option<FetchStatus> {
        self.job(id).map(|job| self.status_of(&job))
    }

    fn status_of(&self, job: &Job) -> FetchStatus {
        let status = job.status();
        let kept = self.fetcher.records.kept(status.id);
        let peer = status.peer.as_deref().map(PeerUrl::parse);
        let path = peer.and_then(|peer| Some(self.fetcher.overlay.path_to(&peer.ok()?)));
        FetchStatus {
            kept: kept.filter(|_| status.state.is_over()),
            path: path.map(|path| match path {
                PeerPath::Plain => node_api::peer::PeerPath::Plain,
                PeerPath::Tls => node_api::peer::PeerPath::Tls,
            }),
            ..status
        }
    }

    /// Returns the fetches that are kept for questions, in the order in which they started.
    #[must_use]
    pub fn list(&self) -> Vec<FetchStatus> {
        let jobs: Vec<Arc<Job>> = {
            let jobs = lock(&self.jobs);
            let unfinished = jobs.unfinished.values().map(|unfinished| &unfinished.job);
            jobs.ended.iter().chain(unfinished).cloned().collect()
        };
        let mut list: Vec<_> = jobs.iter().map(|job| self.status_of(job)).collect();
        list.sort_by_key(|status| status.id);
        list
    }

    /// Gives up one interest in the fetch `id`. If it was the last one, or for `everybody`, the fetch is stopped
    /// and waited for, unless it is being committed and so ends by itself. What was received is kept. `None` if
    /// there is no such fetch.
    pub async fn cancel(&self, id: u64, everybody: bool) -> Option<FetchStatus> {
        let job = self.job(id)?;
        if everybody {
            job.cancel();
        } else {
            lock(&self.jobs).give_up(id);
        }
        if job.is_cancelled() {
            job.over().await;
        }
        Some(self.status_of(&job))
    }

    /// Cancels all fetches and does not wait for them. The next run of the node takes them up.
    pub fn cancel_all(&self) {
        self.fetcher.stopping.store(true, Ordering::Release);
        self.cancel.cancel();
    }

    /// Stops all fetches and waits until they are over.
    pub async fn stop(&self) {
        self.cancel_all();
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn job(&self, id: u64) -> Option<Arc<Job>> {
        let jobs = lock(&self.jobs);
        let unfinished = jobs.unfinished.get(&id).map(|unfinished| &unfinished.job);
        unfinished
            .or_else(|| jobs.ended.iter().find(|job| job.id() == id))
            .cloned()
    }
}

impl Jobs {
    /// Finds the fetch that one of this name and goal joins, and counts an interest in it.
    fn join(&mut self, name: &ShareName, goal: Goal) -> Option<Arc<Job>> {
        let fits = |unfinished: &Unfinished| {
            let job = &unfinished.job;
            !job.is_cancelled() && (goal == Goal::Name || job.target().goal == goal)
        };
        let ids = self.named.get(name)?;
        let unfinished = &self.unfinished;
        let id = ids
            .iter()
            .find(|id| unfinished.get(*id).is_some_and(fits))?;
        let found = self.unfinished.get_mut(id)?;
        found.interests += 1;
        found.job.retry_now();
        Some(Arc::clone(&found.job))
    }

    /// Makes `job` one that has to be run, unless there are too many or the node stops.
    fn admit(&mut self, job: Job, stop: &CancellationToken) -> Result<Arc<Job>, FetchError> {
        if self.unfinished.len() >= UNFINISHED_MAX || stop.is_cancelled() {
            return Err(FetchError::Busy(job.name().clone()));
        }
        Ok(self.add(Arc::new(job)))
    }

    fn add(&mut self, job: Arc<Job>) -> Arc<Job> {
        let unfinished = Unfinished {
            job: Arc::clone(&job),
            interests: 1,
        };
        self.unfinished.insert(job.id(), unfinished);
        let named = self.named.entry(job.name().clone());
        named.or_default().push(job.id());
        job
    }

    fn gain(&mut self, id: u64) {
        if let Some(unfinished) = self.unfinished.get_mut(&id) {
            unfinished.interests += 1;
        }
    }

    /// Counts one interest less; the last one stops the fetch.
    fn give_up(&mut self, id: u64) {
        if let Some(unfinished) = self.unfinished.get_mut(&id) {
            unfinished.interests = unfinished.interests.saturating_sub(1);
            if unfinished.interests == 0 {
                unfinished.job.cancel();
            }
        }
    }

    fn ended(&mut self, job: Arc<Job>) {
        self.unfinished.remove(&job.id());
        if let Some(ids) = self.named.get_mut(job.name()) {
            ids.retain(|id| *id != job.id());
            if ids.is_empty() {
                self.named.remove(job.name());
            }
        }
        if self.ended.len() == ENDED_KEPT {
            self.ended.pop_front();
        }
        self.ended.push_back(job);
    }
}
