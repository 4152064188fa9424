//! One fetch and how far it is.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant, SystemTime},
};

use node_wire::{Digest, name::ShareName, peer_url::PeerUrl};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::{
    fetch::FetchError,
    file::{Target, Verified},
    records::Kept,
    turns::Owner,
};
use crate::{clock::now, events::Event, pieces::PieceTree, sync::lock};

/// Shortest time between two events of progress.
const PROGRESS_PAUSE: Duration = Duration::from_millis(250);

/// The state of a fetch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum JobState {
    /// Others are before it.
    Queued,
    /// Peers are asked.
    Searching,
    /// A peer delivers.
    Receiving,
    /// Its holders are away; it goes on when one is back.
    Waiting,
    /// All bytes are here and are put in their place.
    Committing,
    /// The file is in the share.
    Done,
    /// It ended without the file.
    Failed,
    /// It was cancelled.
    Cancelled,
}

/// A fetch as it is at one moment.
#[derive(Clone, Debug)]
pub struct JobStatus {
    /// Its number.
    pub id: u64,
    /// The name to fetch.
    pub name: ShareName,
    /// Its state.
    pub state: JobState,
    /// Bytes that are here and, if there is a digest, right.
    pub bytes: u64,
    /// Size of the file, once it is known.
    pub size: Option<u64>,
    /// Its digest, if every byte is checked against it.
    pub digest: Option<Digest>,
    /// The peers that delivered something, the first one first.
    pub holders: Vec<PeerUrl>,
    /// Bytes a second, lately.
    pub rate: u64,
    /// The peer that delivers, or delivered.
    pub peer: Option<PeerUrl>,
    /// Peers asked.
    pub asked: usize,
    /// The time of its start.
    pub started: SystemTime,
    /// The time of its end.
    pub ended: Option<SystemTime>,
    /// The error, if it failed.
    pub error: Option<Arc<FetchError>>,
    /// The bytes that are kept of it, if it ended without the file.
    pub kept: Option<Kept>,
}

impl JobState {
    /// Returns true if nothing more will happen.
    #[must_use]
    pub fn is_over(self) -> bool {
        matches!(
            self,
            JobState::Done | JobState::Failed | JobState::Cancelled
        )
    }
}

/// One fetch.
#[derive(Debug)]
pub(super) struct Job {
    target: Target,
    owner: Owner,
    status: watch::Sender<JobStatus>,
    speed: Mutex<Speed>,
    cancel: CancellationToken,
    retry: Notify,
}

impl Job {
    pub(super) fn new(target: Target, owner: Owner, cancel: CancellationToken) -> Job {
        let status = JobStatus {
            id: target.id,
            name: target.name.clone(),
            state: JobState::Queued,
            bytes: 0,
            size: None,
            digest: None,
            holders: Vec::new(),
            rate: 0,
            peer: None,
            asked: 0,
            started: SystemTime::now(),
            ended: None,
            error: None,
            kept: None,
        };
        Job {
            target,
            owner,
            status: watch::Sender::new(status),
            speed: Mutex::new(Speed::new(now())),
            cancel,
            retry: Notify::new(),
        }
    }

    /// Creates a fetch of an earlier run that ended without the file.
    pub(super) fn ended_before(target: Target, at: SystemTime) -> Job {
        let job = Job::new(target, Owner::Single, CancellationToken::new());
        job.update(|status| {
            status.state = JobState::Cancelled;
            (status.started, status.ended) = (at, Some(at));
        });
        job
    }

    pub(super) fn id(&self) -> u64 {
        self.target.id
    }

    pub(super) fn name(&self) -> &ShareName {
        &self.target.name
    }

    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    pub(super) fn owner(&self) -> Owner {
        self.owner
    }

    pub(super) fn status(&self) -> JobStatus {
        self.status.borrow().clone()
    }

    pub(super) fn cancel(&self) {
        self.cancel.cancel();
    }

    pub(super) async fn cancelled(&self) {
        self.cancel.cancelled().await;
    }

    pub(super) fn is_over(&self) -> bool {
        self.status.borrow().state.is_over()
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.cancel.is_cancelled()
    }

    /// Has a fetch that waits for its holders ask them now.
    pub(super) fn retry_now(&self) {
        self.retry.notify_one();
    }

    /// Waits until somebody wants the holders to be asked now.
    pub(super) async fn retry_wanted(&self) {
        self.retry.notified().await;
    }

    /// Notes that peers are asked, or waited for, while this is held.
    pub(super) fn holds(&self, state: JobState, held: Option<&Verified>) {
        self.update(|status| {
            status.state = state;
            (status.rate, status.peer) = (0, None);
            status.bytes = held.map_or(0, Verified::bytes);
            status.size = held.map(|file| file.tree().size());
            status.digest = held.map(|file| file.tree().digest());
        });
    }

    /// Notes that content of this tree is received. It is checked piece by piece.
    pub(super) fn receives_verified(&self, tree: &PieceTree, bytes: u64) {
        self.update(|status| {
            (status.state, status.bytes) = (JobState::Receiving, bytes);
            (status.size, status.digest) = (Some(tree.size()), Some(tree.digest()));
        });
    }

    /// Notes that content of this tree, which was checked, is in its place. `bytes` of it were noted already.
    pub(super) fn stored(&self, tree: &PieceTree, bytes: u64) {
        self.update(|status| {
            (status.size, status.digest) = (Some(tree.size()), Some(tree.digest()));
            status.bytes = bytes;
        });
    }

    /// Notes that `peer` sends content that nobody can check.
    pub(super) fn receives_unverified(&self, peer: &PeerUrl) {
        self.update(|status| {
            (status.state, status.bytes) = (JobState::Receiving, 0);
            (status.size, status.digest) = (None, None);
            status.holders.clear();
            status.peer = Some(peer.clone());
        });
    }

    pub(super) async fn over(&self) {
        self.reaches(JobState::is_over).await;
    }

    /// Waits until the state is as wanted, or the fetch is over.
    pub(super) async fn reaches(&self, wanted: impl Fn(JobState) -> bool) {
        let mut status = self.status.subscribe();
        let reached = status.wait_for(|status| status.state.is_over() || wanted(status.state));
        // The sender lives as long as the job: waiting cannot fail.
        let _ = reached.await;
    }

    /// Notes bytes that `peer` delivered. Now and then there is something to
    /// say about how it goes.
    pub(super) fn moved(&self, peer: &PeerUrl, bytes: u64) -> Option<Event> {
        let rate = lock(&self.speed).moved(bytes, now());
        self.update(|status| {
            status.bytes += bytes;
            status.rate = rate.unwrap_or(status.rate);
            if !status.holders.iter().any(|holder| holder == peer) {
                status.holders.push(peer.clone());
            }
            if status.peer.is_none() {
                status.peer = Some(peer.clone());
            }
        });
        rate.map(|rate| self.progress(rate))
    }

    fn progress(&self, rate: u64) -> Event {
        let status = self.status();
        let remaining = status
            .size
            .map(|size| size.saturating_sub(status.bytes))
            .and_then(|left| left.saturating_mul(1_000).checked_div(rate));
        Event::FetchProgress {
            id: status.id,
            name: status.name.as_str().to_owned(),
            bytes: status.bytes,
            size: status.size,
            rate,
            remaining,
            holders: self.holders(),
        }
    }

    /// Returns the URLs of the peers that delivered something.
    pub(super) fn holders(&self) -> Vec<String> {
        let status = self.status.borrow();
        let holders = status.holders.iter();
        holders.map(|holder| holder.as_str().to_owned()).collect()
    }

    pub(super) fn update(&self, change: impl FnOnce(&mut JobStatus)) {
        self.status.send_modify(change);
    }

    pub(super) fn end(&self, result: Result<(), FetchError>) {
        self.update(|status| {
            status.ended = Some(SystemTime::now());
            (status.state, status.error) = match result {
                Ok(()) => (JobState::Done, None),
                Err(FetchError::Cancelled(_)) => (JobState::Cancelled, None),
                Err(error) => (JobState::Failed, Some(Arc::new(error))),
            };
        });
    }
}

/// The speed at which bytes come: a mean in which the last second counts most.
#[derive(Debug)]
struct Speed {
    since: Instant,
    bytes: u64,
    rate: Option<u64>,
}

impl Speed {
    fn new(now: Instant) -> Speed {
        Speed {
            since: now,
            bytes: 0,
            rate: None,
        }
    }

    /// Counts bytes. Gives the rate when it is time to say something.
    fn moved(&mut self, bytes: u64, now: Instant) -> Option<u64> {
        self.bytes += bytes;
        let time = now.saturating_duration_since(self.since);
        if time < PROGRESS_PAUSE {
            return None;
        }
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1);
        let seen = self.bytes.saturating_mul(1_000) / millis;
        let rate = self
            .rate
            .map_or(seen, |before| before - before / 4 + seen / 4);
        *self = Speed {
            since: now,
            bytes: 0,
            rate: Some(rate),
        };
        Some(rate)
    }
}
