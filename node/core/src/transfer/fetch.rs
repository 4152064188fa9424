//! One fetch: walk, receive, store.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use node_wire::{fault::MissReason, name::ShareName};
use serde_json::json;
use tokio::{select, task::spawn_blocking};

use super::job::{Job, JobState};
use crate::{
    client::{CallError, RemoteFile},
    clock::now,
    counters::Counters,
    events::EventLog,
    overlay::{Asked, Overlay, Walk},
    share::{Incoming, Replace, Share, ShareError},
};

/// Bytes that are gathered before they are written.
const WRITE_SIZE: usize = 256 * 1024;

/// Shortest time between two events of progress.
const PROGRESS_PAUSE: Duration = Duration::from_millis(250);

/// Why a file was not fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Nobody who was asked has it.
    #[error("no peer has `{name}` (asked {asked}{})", lacking(*reason))]
    NotFound {
        /// The file.
        name: ShareName,
        /// Peers asked by this node.
        asked: usize,
        /// Why more might be found than was.
        reason: MissReason,
    },
    /// Somebody had it, but nobody delivered it.
    #[error("no peer delivered `{name}`: the last one, {peer}, broke off: {error}")]
    BrokeOff {
        /// The file.
        name: ShareName,
        /// The last peer that sent it.
        peer: String,
        /// What happened there.
        error: CallError,
    },
    /// It could not be stored.
    #[error(transparent)]
    Share(#[from] ShareError),
    /// Too many fetches run, or the node stops.
    #[error("`{0}` is not fetched: too many fetches run, try again later")]
    Busy(ShareName),
    /// It was cancelled.
    #[error("the fetch of `{0}` was cancelled")]
    Cancelled(ShareName),
    /// A defect of ours.
    #[error("the fetch of `{0}` failed inside the node; its log says more")]
    Internal(ShareName),
}

/// What a fetch works with.
#[derive(Debug)]
pub(super) struct Fetcher {
    pub(super) share: Arc<Share>,
    pub(super) overlay: Arc<Overlay>,
    pub(super) counters: Arc<Counters>,
    pub(super) events: Arc<EventLog>,
}

/// Why one peer's file was not received.
enum Received {
    Whole(Incoming),
    BrokeOff(Incoming, CallError),
}

impl Fetcher {
    pub(super) async fn begin(
        &self,
        name: &ShareName,
        replace: Replace,
    ) -> Result<Incoming, FetchError> {
        let (share, wanted) = (Arc::clone(&self.share), name.clone());
        blocking(name, move || Ok(share.begin(&wanted, replace)?)).await
    }

    pub(super) async fn run(&self, job: &Job, incoming: Incoming) {
        self.events.emit(
            "fetch.started",
            json!({ "id": job.id(), "name": job.name().as_str() }),
        );
        let result = select! {
            result = self.fetch(job, incoming) => result,
            () = job.cancelled() => Err(FetchError::Cancelled(job.name().clone())),
        };
        self.report(job, &result);
        job.end(result);
    }

    async fn fetch(&self, job: &Job, mut incoming: Incoming) -> Result<(), FetchError> {
        let name = job.name();
        let mut walk = Walk::begin(&self.overlay, Asked::here(name.clone())).await;
        let mut broken = None;
        loop {
            let found = walk.next().await;
            job.update(|status| status.asked = walk.asked());
            let Some(mut file) = found else {
                return Err(nothing(name, &walk, broken));
            };
            match self.receive(job, &mut file, incoming).await? {
                Received::Whole(whole) => {
                    return blocking(name, move || Ok(whole.commit().map(drop)?)).await;
                }
                Received::BrokeOff(rest, error) => {
                    walk.broke_off(&file, &error);
                    broken = Some((file.peer.as_str().to_owned(), error));
                    incoming = blocking(name, move || restarted(rest)).await?;
                }
            }
            job.update(|status| {
                (status.state, status.bytes, status.peer) = (JobState::Searching, 0, None);
            });
        }
    }

    async fn receive(
        &self,
        job: &Job,
        file: &mut RemoteFile,
        incoming: Incoming,
    ) -> Result<Received, FetchError> {
        job.update(|status| {
            (status.state, status.peer) = (JobState::Receiving, Some(file.peer.clone()));
        });
        let mut incoming = incoming;
        let mut gathered = Vec::with_capacity(WRITE_SIZE);
        let mut told = now();
        loop {
            let piece = match file.next().await {
                Ok(piece) => piece,
                Err(error) => return Ok(Received::BrokeOff(incoming, error)),
            };
            let over = piece.is_none();
            gathered.extend_from_slice(&piece.unwrap_or_default());
            if over || gathered.len() >= WRITE_SIZE {
                job.update(|status| status.bytes += gathered.len() as u64);
                (incoming, gathered) = self.write(job.name(), incoming, gathered).await?;
                self.tell_progress(job, &mut told);
            }
            if over {
                return Ok(Received::Whole(incoming));
            }
        }
    }

    async fn write(
        &self,
        name: &ShareName,
        mut incoming: Incoming,
        mut bytes: Vec<u8>,
    ) -> Result<(Incoming, Vec<u8>), FetchError> {
        blocking(name, move || {
            incoming.write(&bytes)?;
            bytes.clear();
            Ok((incoming, bytes))
        })
        .await
    }

    fn tell_progress(&self, job: &Job, told: &mut Instant) {
        if now() >= *told + PROGRESS_PAUSE {
            *told = now();
            let status = job.status();
            let data =
                json!({ "id": status.id, "name": status.name.as_str(), "bytes": status.bytes });
            self.events.emit("fetch.progress", data);
        }
    }

    fn report(&self, job: &Job, result: &Result<(), FetchError>) {
        let (id, name, bytes) = (job.id(), job.name().as_str(), job.status().bytes);
        match result {
            Ok(()) => {
                self.counters.files_fetched.one();
                let peer = job.status().peer.map(|peer| peer.as_str().to_owned());
                self.events.emit(
                    "fetch.done",
                    json!({ "id": id, "name": name, "bytes": bytes, "peer": peer }),
                );
                tracing::info!(name, bytes, "fetched");
            }
            Err(FetchError::Cancelled(_)) => {
                self.events
                    .emit("fetch.cancelled", json!({ "id": id, "name": name }));
            }
            Err(error) => {
                self.events.emit(
                    "fetch.failed",
                    json!({ "id": id, "name": name, "error": error.to_string() }),
                );
                tracing::info!(name, %error, "not fetched");
            }
        }
    }
}

fn restarted(mut incoming: Incoming) -> Result<Incoming, FetchError> {
    incoming.restart()?;
    Ok(incoming)
}

fn nothing(name: &ShareName, walk: &Walk, broken: Option<(String, CallError)>) -> FetchError {
    let name = name.clone();
    match broken {
        Some((peer, error)) => FetchError::BrokeOff { name, peer, error },
        None => FetchError::NotFound {
            name,
            asked: walk.asked(),
            reason: walk.verdict(),
        },
    }
}

/// What to add when more might be found than was.
fn lacking(reason: MissReason) -> &'static str {
    match reason {
        MissReason::NotFound | MissReason::Seen => "",
        MissReason::HopLimit => "; nodes further than six hops were not",
        MissReason::Deadline => "; some did not answer in time",
        MissReason::Budget => "; there are more",
    }
}

/// Runs file calls on the blocking pool.
async fn blocking<T, F>(name: &ShareName, work: F) -> Result<T, FetchError>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, FetchError> + Send + 'static,
{
    spawn_blocking(work).await.unwrap_or_else(|error| {
        tracing::error!(%error, "a file call panicked");
        Err(FetchError::Internal(name.clone()))
    })
}
