//! One fetch: from peers that give digests if possible, from others if need be.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use node_wire::{Digest, FindWanted, fault::MissReason, name::ShareName, peer_url::PeerUrl};
use serde_json::json;
use tokio::{
    select,
    task::{JoinError, spawn_blocking},
};

use super::{
    job::{Job, JobState},
    resume::{Record, Records},
    sources::{Failure, Fault, Source, Sources},
    verified::{Small, Verified},
};
use crate::{
    client::{CallError, RemoteFile},
    counters::Counters,
    events::EventLog,
    overlay::{Asked, Overlay, Walk},
    share::{Digests, Incoming, Replace, Share, ShareError},
};

/// Bytes that are gathered before they are written.
const WRITE_SIZE: usize = 256 * 1024;

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
    /// Somebody had it, but what came was not it.
    #[error("`{name}` is not stored: {peer} sent bytes that are not what the digest says")]
    Corrupt {
        /// The file.
        name: ShareName,
        /// The last peer that sent them.
        peer: String,
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

impl FetchError {
    /// What the failure of the last holder means for the file.
    fn of(name: &ShareName, failure: Failure) -> FetchError {
        let (name, peer) = (name.clone(), failure.peer);
        match failure.error {
            Fault::Lied => FetchError::Corrupt { name, peer },
            Fault::BrokeOff(error) => FetchError::BrokeOff { name, peer, error },
        }
    }
}

/// When a fetch was begun.
#[derive(Clone, Debug)]
pub(super) enum Begun {
    /// It starts now.
    Now,
    /// It starts now, for this content only.
    Of(Digest),
    /// It starts now, and somebody is known to have it.
    Found(Source),
    /// An earlier run of the node began to fetch this content.
    Before(Digest),
}

/// Where a fetch is to put what it brings.
#[derive(Debug)]
pub(super) enum Place {
    /// The temporary is there.
    Ready(Incoming),
    /// It is made when there is something to put into it. That saves a small
    /// file a change of thread.
    Later(Replace),
}

/// What a fetch works with.
#[derive(Debug)]
pub(super) struct Fetcher {
    pub(super) share: Arc<Share>,
    pub(super) digests: Arc<Digests>,
    pub(super) records: Arc<Records>,
    /// Whether the node stops: what is begun then stays for the next run.
    pub(super) stopping: Arc<AtomicBool>,
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

    /// Opens what an earlier run left of a fetch.
    pub(super) async fn resume(&self, record: &Record) -> Result<Incoming, FetchError> {
        let (share, records, record) = (
            Arc::clone(&self.share),
            Arc::clone(&self.records),
            record.clone(),
        );
        let name = record.name.clone();
        blocking(&name, move || {
            let resumed = share.resume(&record.name, record.replace, &record.temporary);
            Ok(resumed.inspect_err(|_| {
                share.remove_temporary(&record.temporary);
                records.remove(&record.temporary);
            })?)
        })
        .await
    }

    pub(super) async fn run(&self, job: &Job, place: Place, begun: Begun) {
        self.events.emit(
            "fetch.started",
            json!({ "id": job.id(), "name": job.name().as_str() }),
        );
        let result = select! {
            result = self.fetch_into(job, place, begun) => result,
            () = job.cancelled() => Err(FetchError::Cancelled(job.name().clone())),
        };
        if !self.stopping.load(Ordering::Acquire) {
            self.forget(job).await;
        }
        self.report(job, &result);
        job.end(result);
    }

    async fn fetch_into(&self, job: &Job, place: Place, begun: Begun) -> Result<(), FetchError> {
        let incoming = match (place, &begun) {
            (Place::Ready(incoming), _) => incoming,
            (Place::Later(replace), Begun::Found(source)) => {
                match self.fetch_small(job, source, replace).await? {
                    Small::Stored => return Ok(()),
                    Small::Not => self.begin(job.name(), replace).await?,
                }
            }
            (Place::Later(replace), _) => self.begin(job.name(), replace).await?,
        };
        self.fetch(job, incoming, begun).await
    }

    async fn forget(&self, job: &Job) {
        if let Some(temporary) = job.take_temporary() {
            let records = Arc::clone(&self.records);
            let removed = spawn_blocking(move || records.remove(&temporary)).await;
            if let Err(error) = removed {
                tracing::error!(%error, "removing a record panicked");
            }
        }
    }

    async fn fetch(&self, job: &Job, incoming: Incoming, from: Begun) -> Result<(), FetchError> {
        let name = job.name();
        let by_name = FindWanted::Name(name.as_str().to_owned());
        let only_verified = matches!(from, Begun::Of(_));
        let (wanted, known, resumed) = match from {
            Begun::Now => (by_name, None, false),
            Begun::Of(digest) => (FindWanted::Digest(digest), None, false),
            Begun::Found(source) => (by_name, Some(source), false),
            Begun::Before(digest) => (FindWanted::Digest(digest), None, true),
        };
        if known.is_none() {
            self.overlay.met(&[]).await;
        }
        let sources = Sources::search(&self.overlay, name.clone(), wanted, known);
        match self.fetch_verified(job, sources, incoming, resumed).await? {
            Verified::Stored => Ok(()),
            Verified::Nothing {
                failure: Some(failure),
                others_seen,
                ..
            } if only_verified || !others_seen => Err(FetchError::of(name, failure)),
            Verified::Nothing {
                failure: None,
                asked,
                reason,
                others_seen,
                ..
            } if only_verified || !others_seen => Err(FetchError::NotFound {
                name: name.clone(),
                asked,
                reason,
            }),
            Verified::Nothing {
                incoming,
                failure,
                asked,
                ..
            } => self.fetch_walked(job, incoming, failure, asked).await,
        }
    }

    /// Fetches from peers that give no digests: what they send is taken as it
    /// comes.
    async fn fetch_walked(
        &self,
        job: &Job,
        mut incoming: Incoming,
        failure: Option<Failure>,
        asked: usize,
    ) -> Result<(), FetchError> {
        let name = job.name();
        let mut walk = Walk::begin(&self.overlay, Asked::here(name.clone())).await;
        let mut broken = failure.map(|failure| FetchError::of(name, failure));
        loop {
            let found = walk.next().await;
            job.update(|status| status.asked = asked.max(walk.asked()));
            let Some(mut file) = found else {
                return Err(broken.unwrap_or_else(|| FetchError::NotFound {
                    name: name.clone(),
                    asked: asked.max(walk.asked()),
                    reason: walk.verdict(),
                }));
            };
            match self.receive(job, &mut file, incoming).await? {
                Received::Whole(whole) => {
                    return blocking(name, move || Ok(whole.commit().map(drop)?)).await;
                }
                Received::BrokeOff(rest, error) => {
                    walk.broke_off(&file, &error);
                    let failure = Failure::broke_off(&file.peer, error);
                    self.note(job, &failure);
                    broken = Some(FetchError::of(name, failure));
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
        loop {
            let piece = match file.next().await {
                Ok(piece) => piece,
                Err(error) => return Ok(Received::BrokeOff(incoming, error)),
            };
            let over = piece.is_none();
            gathered.extend_from_slice(&piece.unwrap_or_default());
            if over || gathered.len() >= WRITE_SIZE {
                let bytes = gathered.len() as u64;
                (incoming, gathered) = self.write(job.name(), incoming, gathered).await?;
                self.note_piece(job, &file.peer, bytes);
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

    /// Notes bytes that a peer delivered and that are stored.
    pub(super) fn note_piece(&self, job: &Job, peer: &PeerUrl, bytes: u64) {
        if let Some(progress) = job.moved(peer, bytes) {
            self.events.emit("fetch.progress", progress);
        }
    }

    /// Notes that a holder failed; the fetch goes on without it.
    pub(super) fn note(&self, job: &Job, failure: &Failure) {
        let name = job.name().as_str();
        tracing::info!(name, peer = failure.peer, %failure, "a holder failed");
        self.counters.holders_failed.one();
        self.events.emit(
            "fetch.holder_failed",
            json!({
                "id": job.id(), "name": name, "peer": failure.peer,
                "error": failure.to_string(), "wrong_bytes": failure.is_lie(),
            }),
        );
    }

    fn report(&self, job: &Job, result: &Result<(), FetchError>) {
        let (id, name, bytes) = (job.id(), job.name().as_str(), job.status().bytes);
        match result {
            Ok(()) => {
                self.counters.files_fetched.one();
                let peer = job.status().peer.map(|peer| peer.as_str().to_owned());
                self.events.emit(
                    "fetch.done",
                    json!({
                        "id": id, "name": name, "bytes": bytes, "peer": peer,
                        "digest": job.status().digest.map(|digest| digest.to_hex()),
                        "holders": job.holders(),
                    }),
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
    spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(panicked(name, &error)))
}

/// A file call panicked.
pub(super) fn panicked(name: &ShareName, error: &JoinError) -> FetchError {
    tracing::error!(%error, "a file call panicked");
    FetchError::Internal(name.clone())
}
