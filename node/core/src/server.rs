//! The peer port: one port, a few routes, XML-RPC for the rest.
//!
//! # Participants
//! The `front` holds connections and lets right requests through; the
//! [`routes`] hand them to [`files`], [`blobs`], [`bundle`], [`page`], [`search`] or to [`rpc`], which
//! reads a call, finds its method in [`methods`] and writes the answer in the
//! caller's dialect.
//!
//! # Invariants
//! - Nothing is answered under a name that somebody else can give this machine, and
//!   no page of another site calls a method; see [`hosts`].
//! - Nothing is answered and nothing given before the owner's [`policy`] was
//!   asked, if there is one.
//! - A stranger can ask for shared files, introduce a peer, and ask what there
//!   is to ask. Only `fetch`, with the secret and from this machine, changes
//!   the share.
//! - What others cause is taken from their [`quotas`].
//! - A fault never names a path of this machine and never repeats more than a
//!   few words of what was sent.
//! - Files are streamed; a whole one is in memory only if it is small.
//! - Names reach the share only as [`node_wire::name::ShareName`].

mod answer;
mod blobs;
mod bundle;
mod conditions;
mod content;
mod files;
mod front;
mod hosts;
mod kinds;
mod locate;
mod methods;
mod network;
mod page;
mod passes;
mod passing;
mod policy;
mod public;
mod query_budget;
mod quotas;
mod range;
mod raw;
mod relay;
mod routes;
mod rpc;
mod search;
mod searches;
mod slots;
mod summary;
mod tee;
mod unread;
mod upload;
pub(crate) mod watches;
mod web;

use std::sync::Arc;

use node_transport::tls::Tls;
use node_wire::limits::REQUEST_BODY_MAX;
use plugin_api::Files;
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::task::TaskTracker;

pub use self::{
    front::{BodyLimits, BodyTime, ConnectionLimits, Front, Handshakes, STOP_TIME},
    hosts::OwnNames,
    kinds::Kinds,
    locate::Located,
    methods::Multicalls,
    passing::Passing,
    policy::{PolicyGate, watch_policy},
    searches::Searches,
    summary::OwnSummary,
    upload::Uploads,
    watches::OwnWatches,
};
pub(crate) use self::{
    locate::locate, passes::Passes, policy::look_at_policy, web::front as web_front,
};
use crate::{
    cache::Cache,
    counters::Counters,
    disk::Disk,
    handlers::Handlers,
    network::NetworkKey,
    overlay::{Cause, Cost, Overlay, Quotas},
    secret::Secret,
    share::{Catalogue, Digests, Keeper, Share},
    threads::Threads,
    transfer::Transfers,
};

/// The shared state of the peer port.
#[derive(Debug)]
pub(crate) struct Context {
    /// The pool for short blocking jobs.
    pub(crate) disk: Disk,
    /// The threads on which handlers answer others, and their files are read for digests.
    pub(crate) answering: Threads,
    /// The shared directory.
    pub(crate) share: Arc<Share>,
    /// The list of its files.
    pub(crate) catalogue: Arc<Catalogue>,
    /// The scanner that keeps the catalogue right.
    pub(crate) keeper: Arc<Keeper>,
    /// The digests of its files.
    pub(crate) digests: Arc<Digests>,
    /// The slots and the rate of content for others.
    pub(crate) uploads: Uploads,
    /// The kinds of long content.
    pub(crate) kinds: Kinds,
    /// Places for multicalls.
    pub(crate) multicalls: Multicalls,
    /// Content that passed through.
    pub(crate) cache: Cache,
    /// The tasks that write to it.
    pub(crate) keepers: TaskTracker,
    /// The handlers that answer queries about it.
    pub(crate) handlers: Arc<Handlers>,
    /// The policy of the owner for others.
    pub(crate) policy: PolicyGate,
    /// The names under which this node answers.
    pub(crate) names: OwnNames,
    /// The key of the private network, if this node is of one.
    pub(crate) network: Option<NetworkKey>,
    /// Passes of the owner's own programs into it.
    pub(crate) passes: Passes,
    /// The proof of this node's identity on connections.
    pub(crate) tls: Tls,
    /// The work that others may still cause.
    pub(crate) quotas: Quotas,
    /// Searches of others that are not over.
    pub(crate) searches: Searches,
    /// The files of peers, for callers that cannot reach those.
    pub(crate) passing: Passing,
    /// The summary of the files, in few bytes.
    pub(crate) summary: Arc<OwnSummary>,
    /// The queries of others that stand here.
    pub(crate) watches: Arc<OwnWatches>,
    /// The peers.
    pub(crate) overlay: Arc<Overlay>,
    /// The fetches.
    pub(crate) transfers: Arc<Transfers>,
    /// The counters.
    pub(crate) counters: Arc<Counters>,
    /// The secret that proves the owner.
    pub(crate) secret: Secret,
    /// Memory for long bodies of requests.
    pub(crate) bodies: Semaphore,
}

impl Context {
    /// Returns the files that queries are about.
    #[must_use]
    pub(crate) fn files(&self) -> Arc<dyn Files> {
        Arc::<Catalogue>::clone(&self.catalogue)
    }
}

/// Returns the front of the peer port on `listener`.
#[must_use]
pub(crate) fn front(
    listener: TcpListener,
    context: Arc<Context>,
    limits: ConnectionLimits,
) -> Front {
    let counters = Arc::clone(&context.counters);
    let asked = Arc::clone(&context);
    let handshakes = Handshakes::new(context.tls.clone(), move |address| {
        let cause = Cause { address, id: None };
        asked.quotas.take(cause, Cost::Proof).is_ok()
    });
    let front = Front::new(
        listener,
        routes::router(context),
        limits,
        BodyLimits::of_calls(REQUEST_BODY_MAX as u64),
        counters,
    );
    front.with_handshakes(handshakes)
}

/// Answers to others that are given at a time, but for open searches, which have
/// threads of their own. None of them waits for its asker.
const ANSWERS_MAX: usize = 8;

/// Returns the threads for [`Context::answering`].
#[must_use]
pub(crate) fn answering() -> Threads {
    Threads::new("peer's answer", ANSWERS_MAX)
}

/// Returns the semaphore for [`Context::bodies`].
#[must_use]
pub(crate) fn body_budget() -> Semaphore {
    Semaphore::new(rpc::BODY_BUDGET)
}
