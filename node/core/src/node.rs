//! Putting the rooms together: a node that runs.
//!
//! # Lifecycle
//! [`Node::start`] opens the share and starts the tasks: the keeper of the
//! catalogue, the background of the digests, the introducer and the
//! front of the peer port. [`Node::stop`] ends them from the outside in: no new
//! requests, no new fetches, open requests and fetches end or are cut, the
//! peers are saved. When it returns, nothing of the node runs any more.

use std::{
    io,
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use node_wire::peer_url::{PeerUrl, UrlError};
use plugin_api::{Changes, Files};
use serde_json::json;
use tokio::{net::TcpListener, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    cache::Cache,
    client::{Client, HttpTransport},
    counters::Counters,
    disk::Disk,
    events::EventLog,
    handlers::{CaughtUp, Extensions, Handlers, watch_plugins},
    identity::{KeyError, NodeKey},
    network::NetworkKey,
    overlay::{Introducer, Overlay, OwnUrls, Poller, Providers, Quotas, Standing},
    rate::Rate,
    secret::Secret,
    server::{
        self, ConnectionLimits, Context, OwnNames, Passing, PolicyGate, Searches, Uploads,
        look_at_policy, watch_policy,
    },
    share::{Catalogue, Digests, Keeper, News, Share, ShareError},
    state::StateDir,
    threads::Threads,
    transfer::{Ids, Records, Transfers},
};

/// Longest time that a start waits for the first look at the share.
const LOOK_TIME: Duration = Duration::from_millis(1_500);

/// Most names that handlers are told one by one.
const NAMES_TOLD_MAX: usize = 1_024;

/// What a node is started with.
#[derive(Debug)]
pub struct NodeOptions {
    /// The directory to share.
    pub share: PathBuf,
    /// The address to listen on; port 0 picks a free one.
    pub listen: SocketAddr,
    /// The URL under which peers reach the node, if it is not the address.
    pub url: Option<PeerUrl>,
    /// Names, beside its own, under which the node answers.
    pub allow_hosts: Vec<String>,
    /// The state directory.
    pub state: StateDir,
    /// What proves the owner.
    pub secret: Secret,
    /// Peers to begin with.
    pub peers: Vec<PeerUrl>,
    /// What answers queries, and the owner's policy.
    pub extensions: Extensions,
    /// The key of the private network, if the node is of one.
    pub network_key: Option<NetworkKey>,
    /// Most bytes of content that passes to keep; 0 keeps none.
    pub cache_size: u64,
    /// Most bytes a second of content to others; 0 is no limit.
    pub upload_rate: u64,
    /// Most bytes a second of content from others; 0 is no limit.
    pub download_rate: u64,
    /// An index of who has which file, if there is one.
    pub providers: Option<Arc<dyn Providers>>,
}

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The share cannot be used.
    #[error(transparent)]
    Share(#[from] ShareError),
    /// The node has no key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The cache broke while it was opened.
    #[error("the cache cannot be opened: {0}")]
    Cache(#[source] io::Error),
    /// The saved digests broke while they were opened.
    #[error("the saved digests cannot be opened: {0}")]
    Digests(#[source] io::Error),
    /// The index of what is in the files cannot be started.
    #[error("the contents of the files cannot be indexed: {0}")]
    Content(#[source] io::Error),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {error}{}", hint(error))]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// The address makes no URL for peers.
    #[error(
        "peers cannot reach a node that listens on {address} ({error}); say with --url how they do"
    )]
    Url {
        /// The address.
        address: SocketAddr,
        /// What is wrong with it.
        #[source]
        error: UrlError,
    },
}

/// A node that runs.
#[derive(Debug)]
pub struct Node {
    context: Arc<Context>,
    events: Arc<EventLog>,
    address: SocketAddr,
    started: SystemTime,
    cancel: CancellationToken,
    tasks: TaskTracker,
}

impl Node {
    /// Starts a node.
    ///
    /// # Errors
    /// When its share or its address cannot be used.
    pub async fn start(options: NodeOptions) -> Result<Node, NodeError> {
        let NodeOptions {
            share,
            listen,
            url,
            allow_hosts,
            state,
            secret,
            peers,
            extensions,
            network_key,
            cache_size,
            upload_rate,
            download_rate,
            providers,
        } = options;
        let key = NodeKey::load_or_create(&state)?;
        let disk = Disk::default();
        let (share, saved) = open_share(&disk, share, &state).await?;
        let (listener, address) = bind(listen).await?;
        let own = OwnUrls::of(url, address).map_err(|error| NodeError::Url { address, error })?;
        let counters = Arc::new(Counters::default());
        let events = Arc::new(EventLog::default());
        let cache = open_cache(&disk, &state, cache_size, &counters, &events).await?;
        let catalogue = Catalogue::new(&share);
        let keeper = Keeper::new(Arc::clone(&catalogue), state.clone(), Arc::clone(&events));
        let digests = open_digests(&disk, &catalogue, &state, &counters, &events).await?;
        let policy = extensions.policy.clone();
        let handlers = open_handlers(extensions, &catalogue, &events)?;
        let stores = Stores {
            share,
            catalogue,
            keeper,
            digests,
            saved,
            cache,
            policy: PolicyGate::new(policy, Arc::clone(&counters), Arc::clone(&events)),
            handlers: Arc::new(handlers),
            names: OwnNames::of(own.main(), &allow_hosts),
            network: network_key,
            upload_rate,
            download_rate: Rate::new(download_rate),
            providers,
        };
        let standing = standing(key, &own, &stores.handlers, stores.network.as_ref());
        let context = assemble(stores, standing, own, secret, counters, &events);
        let node = Node {
            context,
            events,
            address,
            started: SystemTime::now(),
            cancel: CancellationToken::new(),
            tasks: TaskTracker::new(),
        };
        node.begin(listener, state, peers).await;
        Ok(node)
    }

    /// Starts the tasks, once it is known what may be answered.
    async fn begin(&self, listener: TcpListener, state: StateDir, peers: Vec<PeerUrl>) {
        if let Some(policy) = self.context.policy.source() {
            look_at_policy(policy, &self.events).await;
        }
        self.keep_catalogue().await;
        self.spawn(listener, state, peers);
        self.context.transfers.take_up().await;
    }

    /// What the node works with.
    #[must_use]
    pub fn context(&self) -> &Arc<Context> {
        &self.context
    }

    /// What happens at the node.
    #[must_use]
    pub fn events(&self) -> &Arc<EventLog> {
        &self.events
    }

    /// The address on which it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// When it started.
    #[must_use]
    pub fn started(&self) -> SystemTime {
        self.started
    }

    /// The URL under which peers reach it.
    #[must_use]
    pub fn url(&self) -> &PeerUrl {
        self.context.overlay.ourselves()
    }

    /// Ends the node and waits until all of it has ended.
    pub async fn stop(&self) {
        self.cancel.cancel();
        self.context.searches.clear();
        self.context.summary.close();
        let handlers = Arc::clone(&self.context.handlers);
        // Programs may take their time to end.
        let threads = Threads::new("stop", 1);
        let stopping = threads.run(move || handlers.stop());
        let (stopped, ()) = tokio::join!(stopping, self.context.transfers.stop());
        if let Err(error) = stopped {
            tracing::error!(%error, "the handlers could not be stopped");
        }
        self.tasks.close();
        self.tasks.wait().await;
        self.context.keepers.close();
        self.context.keepers.wait().await;
    }

    /// Begins to keep the catalogue. Waits until it is complete, but not long: a
    /// share that takes longer is read for each answer meanwhile.
    async fn keep_catalogue(&self) {
        let context = &self.context;
        let (handlers, digests) = (Arc::clone(&context.handlers), Arc::clone(&context.digests));
        let summary = Arc::clone(&context.summary);
        context.catalogue.tell(move |news| {
            digests.changed(news);
            summary.share_changed();
            tell_handlers(&handlers, news);
        });
        let keeper = Arc::clone(&context.keeper);
        self.tasks
            .spawn(Arc::clone(&keeper).stop_when(self.cancel.clone()));
        self.tasks.spawn(async move {
            let scanning = Threads::new("scan", 1).run(move || keeper.run()).await;
            if let Err(error) = scanning {
                tracing::error!(%error, "the share is not scanned");
            }
        });
        let looked = timeout(LOOK_TIME, context.keeper.looked()).await;
        if looked.is_err() {
            tracing::info!("the share is large and is still being looked at");
        }
    }

    fn spawn(&self, listener: TcpListener, state: StateDir, peers: Vec<PeerUrl>) {
        let disk = self.context.disk.clone();
        let introducer = Introducer::new(
            Arc::clone(&self.context.overlay),
            Some((state, disk)),
            peers,
        );
        self.tasks
            .spawn(Arc::clone(&self.context.digests).run(self.cancel.clone()));
        self.tasks.spawn(introducer.run(self.cancel.clone()));
        let poller = Poller::new(Arc::clone(&self.context.overlay));
        self.tasks.spawn(poller.run(self.cancel.clone()));
        let (catalogue, digests) = (&self.context.catalogue, &self.context.digests);
        let summary = Arc::clone(&self.context.summary).run(
            Arc::clone(catalogue),
            Arc::clone(digests),
            self.cancel.clone(),
        );
        self.tasks.spawn(summary);
        if let Some(plugins) = self.context.handlers.plugins() {
            let (plugins, events) = (Arc::clone(plugins), Arc::clone(&self.events));
            self.tasks
                .spawn(watch_plugins(plugins, events, self.cancel.clone()));
        }
        if let Some(policy) = self.context.policy.source() {
            let (policy, events) = (Arc::clone(policy), Arc::clone(&self.events));
            self.tasks
                .spawn(watch_policy(policy, events, self.cancel.clone()));
        }
        let front = server::front(
            listener,
            Arc::clone(&self.context),
            ConnectionLimits::of_process(),
        );
        self.tasks.spawn(front.run(self.cancel.clone()));
    }
}

impl Drop for Node {
    /// Cancels the tasks of a node that nobody stopped, so that none outlives it.
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

async fn open_cache(
    disk: &Disk,
    state: &StateDir,
    limit: u64,
    counters: &Arc<Counters>,
    events: &Arc<EventLog>,
) -> Result<Cache, NodeError> {
    let (state, counters, events) = (state.clone(), Arc::clone(counters), Arc::clone(events));
    disk.run(move || Cache::in_state(&state, limit, counters, events))
        .await
        .map_err(|error| NodeError::Cache(io::Error::other(error)))
}

async fn open_share(
    disk: &Disk,
    path: PathBuf,
    state: &StateDir,
) -> Result<(Arc<Share>, (Records, Ids)), ShareError> {
    let (shared, state, kept) = (path.clone(), state.clone(), disk.clone());
    let opened = disk.run(move || {
        let records = Records::load(&state, SystemTime::now());
        let share = Share::open_keeping(&shared, &state, &records.temporaries())?;
        Ok((
            Arc::new(share.with_disk(kept.clone())),
            (records, Ids::load(&state, kept)),
        ))
    });
    opened.await.unwrap_or_else(|error| {
        let error = io::Error::other(error);
        Err(ShareError::Directory { path, error })
    })
}

fn tell_handlers(handlers: &Handlers, news: &News) {
    if news.count() <= NAMES_TOLD_MAX && !news.everything {
        let names: Vec<String> = news.names().cloned().collect();
        handlers.changed(Changes::Names(&names));
    } else {
        handlers.changed(Changes::Anything);
    }
}

async fn open_digests(
    disk: &Disk,
    catalogue: &Arc<Catalogue>,
    state: &StateDir,
    counters: &Arc<Counters>,
    events: &Arc<EventLog>,
) -> Result<Arc<Digests>, NodeError> {
    let (catalogue, state) = (Arc::clone(catalogue), state.clone());
    let (counters, events) = (Arc::clone(counters), Arc::clone(events));
    disk.run(move || Arc::new(Digests::open(catalogue, &state, counters, events)))
        .await
        .map_err(|error| NodeError::Digests(io::Error::other(error)))
}

/// Puts the handlers into a table, and begins to index what is in the files.
fn open_handlers(
    extensions: Extensions,
    catalogue: &Arc<Catalogue>,
    events: &Arc<EventLog>,
) -> Result<Handlers, NodeError> {
    let mut handlers = Handlers::new(extensions.handlers);
    if let Some(open) = extensions.index {
        let files: Arc<dyn Files> = Arc::<Catalogue>::clone(catalogue);
        let index = open(files, caught_up(Arc::clone(events))).map_err(NodeError::Content)?;
        handlers = handlers.with_index(index);
    }
    Ok(handlers.with_directories(extensions.directories))
}

/// Returns what tells that the index has all files.
fn caught_up(events: Arc<EventLog>) -> CaughtUp {
    Box::new(move |status| {
        let data = json!({
            "files": status.files,
            "read": status.read,
            "bytes": status.bytes,
        });
        events.emit("index.caught_up", data);
    })
}

/// What keeps and moves bytes, and what is known of them.
struct Stores {
    share: Arc<Share>,
    catalogue: Arc<Catalogue>,
    keeper: Arc<Keeper>,
    digests: Arc<Digests>,
    saved: (Records, Ids),
    cache: Cache,
    policy: PolicyGate,
    handlers: Arc<Handlers>,
    names: OwnNames,
    network: Option<NetworkKey>,
    upload_rate: u64,
    download_rate: Rate,
    providers: Option<Arc<dyn Providers>>,
}

/// What the node is to others.
fn standing(
    key: NodeKey,
    own: &OwnUrls,
    handlers: &Arc<Handlers>,
    network: Option<&NetworkKey>,
) -> Standing {
    Standing {
        key,
        is_private: network.is_some(),
        call_scope: Arc::new(own.call_scope()),
        handlers: Arc::<Handlers>::clone(handlers),
    }
}

fn assemble(
    stores: Stores,
    standing: Standing,
    own: OwnUrls,
    secret: Secret,
    counters: Arc<Counters>,
    events: &Arc<EventLog>,
) -> Arc<Context> {
    let Stores {
        share,
        catalogue,
        keeper,
        digests,
        saved,
        cache,
        policy,
        handlers,
        names,
        network,
        upload_rate,
        download_rate,
        providers,
    } = stores;
    let transport = HttpTransport::at_rate(&download_rate).of_network(network.clone());
    let client =
        Client::new(Arc::new(transport), Arc::clone(&counters)).with_download_rate(download_rate);
    let overlay = Overlay::with_standing(
        standing,
        own,
        client,
        Arc::clone(&counters),
        Arc::clone(events),
    );
    let overlay = Arc::new(overlay.with_providers(providers));
    let transfers = Transfers::new(
        Arc::clone(&share),
        Arc::clone(&digests),
        saved,
        Arc::clone(&overlay),
        Arc::clone(&counters),
        Arc::clone(events),
    );
    let uploads = Uploads::new(upload_rate, share.disk().clone(), Arc::clone(&counters));
    Arc::new(Context {
        disk: share.disk().clone(),
        answering: server::answering(),
        share,
        catalogue,
        keeper,
        digests,
        uploads,
        cache,
        keepers: TaskTracker::new(),
        handlers,
        policy,
        names,
        network,
        quotas: Quotas::default(),
        searches: Searches::default(),
        passing: Passing::default(),
        summary: Arc::default(),
        overlay,
        transfers: Arc::new(transfers),
        counters,
        secret,
        bodies: server::body_budget(),
    })
}

async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), NodeError> {
    let failed = |error| NodeError::Listen { address, error };
    // On Unix the listener of tokio may be bound again at once after a stop.
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "; another program uses this port, choose another one with --listen"
        }
        io::ErrorKind::PermissionDenied => "; choose a port above 1023 with --listen",
        io::ErrorKind::AddrNotAvailable => {
            "; this machine does not have that address, choose another one with --listen"
        }
        _ => "",
    }
}
