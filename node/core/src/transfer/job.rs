//! One fetch and how far it is.

use std::{
    sync::{Arc, Mutex, OnceLock},
    time::{Duration, Instant, SystemTime},
};

use node_api::{
    error::{ApiError, ErrorCode},
    fetch::{FetchState, FetchStatus},
};
use node_wire::{Digest, fault::MissReason, name::ShareName, peer_url::PeerUrl};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::{
    fetch::FetchError,
    file::{Target, Verified},
    turns::Owner,
};
use crate::{
    client::CallError,
    clock::now,
    events::{Event, unix_millis},
    pieces::PieceTree,
    share::ShareError,
    sync::lock,
};

/// Shortest time between two events of progress.
const PROGRESS_PAUSE: Duration = Duration::from_millis(250);

/// One fetch.
#[derive(Debug)]
pub(super) struct Job {
    target: Target,
    owner: Owner,
    status: watch::Sender<FetchStatus>,
    /// The error that the status describes.
    error: OnceLock<Arc<FetchError>>,
    speed: Mutex<Speed>,
    cancel: CancellationToken,
    retry: Notify,
}

impl Job {
    pub(super) fn new(target: Target, owner: Owner, cancel: CancellationToken) -> Job {
        let status = FetchStatus {
            id: target.id,
            name: target.name.as_str().to_owned(),
            state: FetchState::Queued,
            bytes: 0,
            size: None,
            digest: None,
            holders: Vec::new(),
            rate: 0,
            peer: None,
            path: None,
            asked: 0,
            started: unix_millis(SystemTime::now()),
            ended: None,
            error: None,
            kept: None,
        };
        Job {
            target,
            owner,
            status: watch::Sender::new(status),
            error: OnceLock::new(),
            speed: Mutex::new(Speed::new(now())),
            cancel,
            retry: Notify::new(),
        }
    }

    /// Creates a fetch of an earlier run that ended without the file.
    pub(super) fn ended_before(target: Target, at: SystemTime) -> Job {
        let job = Job::new(target, Owner::Single, CancellationToken::new());
        job.update(|status| {
            status.state = FetchState::Cancelled;
            (status.started, status.ended) = (unix_millis(at), Some(unix_millis(at)));
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

    pub(super) fn status(&self) -> FetchStatus {
        self.status.borrow().clone()
    }

    /// Returns the digest that its bytes are checked against, once it is known.
    pub(super) fn digest(&self) -> Option<Digest> {
        let digest = self.status.borrow().digest.clone();
        digest.and_then(|digest| Digest::from_hex(&digest).ok())
    }

    /// Returns why it failed, if it did.
    pub(super) fn error(&self) -> Option<Arc<FetchError>> {
        self.error.get().cloned()
    }

    /// Notes how many peers were asked. It never counts down.
    pub(super) fn asked(&self, peers: usize) {
        let peers = u32::try_from(peers).unwrap_or(u32::MAX);
        self.update(|status| status.asked = status.asked.max(peers));
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
    pub(super) fn holds(&self, state: FetchState, held: Option<&Verified>) {
        self.update(|status| {
            status.state = state;
            (status.rate, status.peer) = (0, None);
            status.bytes = held.map_or(0, Verified::bytes);
            status.size = held.map(|file| file.tree().size());
            status.digest = held.map(|file| file.tree().digest().to_hex());
        });
    }

    /// Notes that content of this tree is received. It is checked piece by piece.
    pub(super) fn receives_verified(&self, tree: &PieceTree, bytes: u64) {
        self.update(|status| {
            (status.state, status.bytes) = (FetchState::Receiving, bytes);
            (status.size, status.digest) = (Some(tree.size()), Some(tree.digest().to_hex()));
        });
    }

    /// Notes that content of this tree, which was checked, is in its place. `bytes` of it were noted already.
    pub(super) fn stored(&self, tree: &PieceTree, bytes: u64) {
        self.update(|status| {
            (status.size, status.digest) = (Some(tree.size()), Some(tree.digest().to_hex()));
            status.bytes = bytes;
        });
    }

    /// Notes that `peer` sends content that nobody can check.
    pub(super) fn receives_unverified(&self, peer: &PeerUrl) {
        self.update(|status| {
            (status.state, status.bytes) = (FetchState::Receiving, 0);
            (status.size, status.digest) = (None, None);
            status.holders.clear();
            status.peer = Some(peer.as_str().to_owned());
        });
    }

    pub(super) async fn over(&self) {
        self.reaches(FetchState::is_over).await;
    }

    /// Waits until the state is as wanted, or the fetch is over.
    pub(super) async fn reaches(&self, wanted: impl Fn(FetchState) -> bool) {
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
            if !status.holders.iter().any(|holder| holder == peer.as_str()) {
                status.holders.push(peer.as_str().to_owned());
            }
            if status.peer.is_none() {
                status.peer = Some(peer.as_str().to_owned());
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
            name: status.name,
            bytes: status.bytes,
            size: status.size,
            rate,
            remaining,
            holders: self.holders(),
        }
    }

    /// Returns the URLs of the peers that delivered something.
    pub(super) fn holders(&self) -> Vec<String> {
        self.status.borrow().holders.clone()
    }

    pub(super) fn update(&self, change: impl FnOnce(&mut FetchStatus)) {
        self.status.send_modify(change);
    }

    pub(super) fn end(&self, result: Result<(), FetchError>) {
        let (state, error) = match result {
            Ok(()) => (FetchState::Done, None),
            Err(FetchError::Cancelled(_)) => (FetchState::Cancelled, None),
            Err(error) => (FetchState::Failed, Some((ApiError::from(&error), error))),
        };
        let described = error.map(|(described, error)| {
            // It ends once.
            let _ = self.error.set(Arc::new(error));
            described
        });
        self.update(|status| {
            status.ended = Some(unix_millis(SystemTime::now()));
            (status.state, status.error) = (state, described);
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

impl From<&FetchError> for ApiError {
    /// Returns what a caller may act on, and a sentence for a person.
    fn from(error: &FetchError) -> ApiError {
        let code = match error {
            // A peer whose answer cannot be read may have it.
            FetchError::NotFound {
                reason: MissReason::Unreadable,
                ..
            } => ErrorCode::Incomplete,
            FetchError::NotFound { .. } => ErrorCode::NotFound,
            FetchError::BrokeOff {
                error: CallError::Deadline,
                ..
            } => ErrorCode::Deadline,
            FetchError::BrokeOff { .. } => ErrorCode::Network,
            FetchError::Corrupt { .. } => ErrorCode::Mismatch,
            FetchError::Share(ShareError::Exists(_) | ShareError::Collision { .. }) => {
                ErrorCode::Exists
            }
            FetchError::Share(ShareError::NoSpace { .. }) => ErrorCode::NoSpace,
            FetchError::Cancelled(_) => ErrorCode::Cancelled,
            FetchError::Share(_) | FetchError::Busy(_) | FetchError::Internal(_) => {
                ErrorCode::Failed
            }
        };
        let text = match error {
            FetchError::Share(ShareError::Exists(name)) => {
                format!("`{name}` is in the share already; add --replace to fetch it again")
            }
            error => error.to_string(),
        };
        ApiError::new(code, text)
    }
}
