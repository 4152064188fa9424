//! One fetch and how far it is.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant, SystemTime},
};

use node_wire::{Digest, name::ShareName, peer_url::PeerUrl};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::fetch::FetchError;
use crate::{clock::now, sync::lock};

/// Shortest time between two events of progress.
const PROGRESS_PAUSE: Duration = Duration::from_millis(250);

/// How far a fetch is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum JobState {
    /// Peers are asked.
    Searching,
    /// A peer delivers.
    Receiving,
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
    /// What is fetched.
    pub name: ShareName,
    /// How far it is.
    pub state: JobState,
    /// Bytes that are here and, if there is a digest, right.
    pub bytes: u64,
    /// Size of the file, once it is known.
    pub size: Option<u64>,
    /// Its digest, if it is fetched by it: then every byte is held against it.
    pub digest: Option<Digest>,
    /// The peers that delivered something, the first one first.
    pub holders: Vec<PeerUrl>,
    /// Bytes a second, lately.
    pub rate: u64,
    /// Who delivers, or delivered.
    pub peer: Option<PeerUrl>,
    /// Peers asked.
    pub asked: usize,
    /// When it started.
    pub started: SystemTime,
    /// When it ended.
    pub ended: Option<SystemTime>,
    /// Why it failed.
    pub error: Option<Arc<FetchError>>,
}

impl JobState {
    /// Whether nothing more will happen.
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
    id: u64,
    name: ShareName,
    status: watch::Sender<JobStatus>,
    speed: Mutex<Speed>,
    /// The temporary, if there is a record of it.
    temporary: Mutex<Option<String>>,
    cancel: CancellationToken,
}

impl Job {
    pub(super) fn new(id: u64, name: ShareName, cancel: CancellationToken) -> Job {
        let status = JobStatus {
            id,
            name: name.clone(),
            state: JobState::Searching,
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
        };
        Job {
            id,
            name,
            status: watch::Sender::new(status),
            speed: Mutex::new(Speed::new(now())),
            temporary: Mutex::default(),
            cancel,
        }
    }

    pub(super) fn id(&self) -> u64 {
        self.id
    }

    pub(super) fn name(&self) -> &ShareName {
        &self.name
    }

    pub(super) fn status(&self) -> JobStatus {
        self.status.borrow().clone()
    }

    pub(super) fn cancel_token(&self) -> CancellationToken {
        self.cancel.clone()
    }

    pub(super) fn cancel(&self) {
        self.cancel.cancel();
    }

    pub(super) async fn cancelled(&self) {
        self.cancel.cancelled().await;
    }

    /// Notes that there is a record of `temporary`.
    pub(super) fn recorded(&self, temporary: String) {
        *lock(&self.temporary) = Some(temporary);
    }

    /// The temporary of which there is a record; it is given once.
    pub(super) fn take_temporary(&self) -> Option<String> {
        lock(&self.temporary).take()
    }

    pub(super) async fn over(&self) {
        // The sender lives as long as the job: waiting cannot fail.
        let _ = self
            .status
            .subscribe()
            .wait_for(|status| status.state.is_over())
            .await;
    }

    /// Notes bytes that `peer` delivered. Now and then there is something to
    /// say about how it goes.
    pub(super) fn moved(&self, peer: &PeerUrl, bytes: u64) -> Option<Value> {
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

    fn progress(&self, rate: u64) -> Value {
        let status = self.status();
        let remaining = status
            .size
            .map(|size| size.saturating_sub(status.bytes))
            .and_then(|left| left.saturating_mul(1_000).checked_div(rate));
        json!({
            "id": status.id, "name": status.name.as_str(), "bytes": status.bytes,
            "size": status.size, "rate": rate, "remaining": remaining, "holders": self.holders(),
        })
    }

    /// The URLs of the peers that delivered something.
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

/// How fast bytes come: a mean in which the last second counts most.
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
