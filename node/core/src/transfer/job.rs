//! One fetch and how far it is.

use std::{sync::Arc, time::SystemTime};

use node_wire::{name::ShareName, peer_url::PeerUrl};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::fetch::FetchError;

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
    /// Bytes received.
    pub bytes: u64,
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
    cancel: CancellationToken,
}

impl Job {
    pub(super) fn new(id: u64, name: ShareName, cancel: CancellationToken) -> Job {
        let status = JobStatus {
            id,
            name: name.clone(),
            state: JobState::Searching,
            bytes: 0,
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

    pub(super) fn cancel(&self) {
        self.cancel.cancel();
    }

    pub(super) async fn cancelled(&self) {
        self.cancel.cancelled().await;
    }

    pub(super) async fn over(&self) {
        // The sender lives as long as the job: waiting cannot fail.
        let _ = self
            .status
            .subscribe()
            .wait_for(|status| status.state.is_over())
            .await;
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
