//! The node: it puts the rooms together, starts and stops them.
//!
//! # Lifecycle
//! [`Node::start`] opens the share and starts the tasks: the keeper of the
//! catalogue, the background of the digests, the introducer and the
//! front of the peer port. [`Node::stop`] ends them from the outside in: no new
//! requests, no new fetches, open requests and fetches end or are cut, the
//! peers are saved. When it returns, nothing of the node runs any more. Dropping
//! a [`Node`] ends the same parts without waiting for them.
//!
//! # What others may do
//! A [`Node`] is the system: the control server and the meeting of others ask it, by
//! its methods or by the handles of single parts that it hands out. Nobody reaches
//! through the peer port, whose context is its own.

mod parts;
mod rates;

use std::{
    io,
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use node_base::schedule::RateSchedule;
use node_wire::{
    NodeName, PeerAddress,
    peer_url::{PeerUrl, UrlError},
};
use plugin_api::{Changes, Files};
use tokio::{net::TcpListener, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::rates::Rates;
use crate::{
    cache::Cache,
    client::{Client, HttpTransport, Pins, tls::Tls},
    clock::now,
    counters::Counters,
    disk::Disk,
    events::{Event, EventLog},
    groups::{GroupError, Groups},
    handlers::{CaughtUp, Extensions, Handlers, watch_plugins},
    identity::{KeyError, NodeKey},
    network::NetworkKey,
    overlay::{Introducer, Overlay, OwnUrls, Poller, Providers, Quotas, Standing},
    rate::Rate,
    secret::Secret,
    server::{
        self, ConnectionLimits, Context, Kinds, Multicalls, OwnNames, Passes, Passing, PolicyGate,
        Searches, Uploads, look_at_policy, watch_policy,
    },
    share::{Catalogue, ChangeSet, Digests, Keeper, Share, ShareError, Subscription},
    state::StateDir,
    threads::Threads,
    tickets::{Tickets, TicketsError},
    transfer::{Ids, Records, Transfers},
    watches::{Asking, Watches},
};

/// Longest time that a start waits for the first look at the share.
const LOOK_TIME: Duration = Duration::from_millis(1_500);

/// The greatest number of names that handlers get one by one.
const NAMES_TOLD_MAX: usize = 1_024;

/// The choices of the owner for the port for links.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WebSettings {
    /// The address to listen on; port 0 picks a free one.
    pub address: SocketAddr,
    /// The begin of the URLs of links, if it is not the address: `http://` or `https://`, and a host.
    pub url: Option<String>,
}

/// The choices of the owner for a node.
#[derive(Clone, Debug)]
pub struct NodeSettings {
    /// The directory to share.
    pub share: PathBuf,
    /// The address to listen on; port 0 picks a free one.
    pub listen: SocketAddr,
    /// The port for links, if there is to be one.
    pub web: Option<WebSettings>,
    /// The URL under which peers reach the node, if it is not the address.
    pub url: Option<PeerUrl>,
    /// Names, beside its own, under which the node answers.
    pub allow_hosts: Vec<String>,
    /// The name under which people see the node.
    pub name: Option<NodeName>,
    /// Peers to begin with.
    pub peers: Vec<PeerAddress>,
    /// Most bytes of content that passes to keep; 0 keeps none.
    pub cache_size: u64,
    /// Most bytes a second of content to others.
    pub upload_rate: RateSchedule,
    /// Most bytes a second of content from others.
    pub download_rate: RateSchedule,
    /// Files and directories that configure the node. They are not shared by any name that a link or a mount gives them.
    pub configuration: Vec<PathBuf>,
}

/// The settings and the parts that a node starts with.
#[derive(Debug)]
pub struct NodeOptions {
    /// The choices of the owner.
    pub settings: NodeSettings,
    /// The state directory.
    pub state: StateDir,
    /// The secret that proves the owner.
    pub secret: Secret,
    /// The handlers, and the owner's policy.
    pub extensions: Extensions,
    /// The key of the private network, if the node is of one.
    pub network_key: Option<NetworkKey>,
    /// An index of who has which file, if there is one.
    pub providers: Option<Arc<dyn Providers>>,
}

impl NodeSettings {
    /// Returns the settings of a node that has no peers, keeps no cache and limits nothing.
    #[must_use]
    pub fn new(share: PathBuf, listen: SocketAddr) -> NodeSettings {
        NodeSettings {
            share,
            listen,
            web: None,
            url: None,
            allow_hosts: Vec::new(),
            name: None,
            peers: Vec::new(),
            cache_size: 0,
            upload_rate: RateSchedule::default(),
            download_rate: RateSchedule::default(),
            configuration: Vec::new(),
        }
    }
}

impl NodeOptions {
    /// Returns the options of a node of no private network, without handlers.
    #[must_use]
    pub fn new(settings: NodeSettings, state: StateDir, secret: Secret) -> NodeOptions {
        NodeOptions {
            settings,
            state,
            secret,
            extensions: Extensions::default(),
            network_key: None,
            providers: None,
        }
    }
}

/// The error of a node that did not start.
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
    /// The watches broke while they were read.
    #[error("the watches cannot be read: {0}")]
    Watches(#[source] io::Error),
    /// The links cannot be read.
    #[error(transparent)]
    Tickets(#[from] TicketsError),
    /// The groups of the owner cannot be read.
    #[error("the groups of nodes cannot be read: {0}")]
    Groups(#[from] GroupError),
    /// The index of contents cannot be started.
    #[error("the contents of the files cannot be indexed: {0}")]
    Content(#[source] io::Error),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {error}{}", hint(error))]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The error of the system.
        #[source]
        error: io::Error,
    },
    /// The address for links cannot be listened on.
    #[error("cannot listen on {address} for links: {error}; choose another address with --web")]
    Web {
        /// The address.
        address: SocketAddr,
        /// The error of the system.
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
        /// The error in it.
        #[source]
        error: UrlError,
    },
}

/// The start of a node, by both clocks.
#[derive(Clone, Copy, Debug)]
struct Started {
    wall: SystemTime,
    at: Instant,
}

impl Started {
    fn now() -> Started {
        Started {
            wall: SystemTime::now(),
            at: now(),
        }
    }
}

/// The port for links.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WebPort {
    /// The address on which it listens.
    pub address: SocketAddr,
    /// The begin of the URLs of links, without a `/` at its end.
    pub url: String,
}

/// A node that runs.
#[derive(Debug)]
pub struct Node {
    pub(crate) context: Arc<Context>,
    events: Arc<EventLog>,
    watches: Arc<Watches>,
    address: SocketAddr,
    tickets: Tickets,
    web: Option<WebPort>,
    started: Started,
    download_rate: Rate,
    cancel: CancellationToken,
    tasks: TaskTracker,
    _subscriptions: [Subscription<ChangeSet>; 4],
}

impl Node {
    /// Starts a node.
    ///
    /// # Errors
    /// Errors if its share or its address cannot be used.
    pub async fn start(options: NodeOptions) -> Result<Node, NodeError> {
        let settings = options.settings;
        let ground = Ground::new(options.state);
        let (key, tls, pins) = ground.identity()?;
        let (share, saved) = ground.share(settings.share, settings.configuration).await?;
        let ports = Ports::bind(settings.listen, settings.web).await?;
        let tickets = ground.tickets().await?;
        let own = own_urls(settings.url, ports.address)?;
        let cache = ground.cache(settings.cache_size).await?;
        let catalogue = Catalogue::new(&share);
        let digests = ground.digests(&catalogue).await?;
        let policy = ground.policy(&options.extensions).await?;
        let handlers = Arc::new(ground.handlers(options.extensions, &catalogue)?);
        let names = OwnNames::of(own.main(), &settings.allow_hosts);
        let standing = standing(key, &pins, &own, &handlers);
        let rates = ground.rates(settings.upload_rate, settings.download_rate);
        let client = ground.client((tls.clone(), pins), options.network_key.clone(), &rates);
        let standing = standing.named(settings.name);
        let overlay = ground.overlay(standing, own, client, options.providers);
        let transfers = ground.transfers(&share, &digests, saved, &overlay);
        let watches = ground.watches().await?;
        let context = Context {
            answering: server::answering(),
            keeper: ground.keeper(&catalogue),
            uploads: rates.uploads.clone(),
            disk: ground.disk,
            share,
            catalogue,
            digests,
            cache,
            keepers: TaskTracker::new(),
            handlers,
            policy,
            names,
            network: options.network_key,
            passes: Passes::default(),
            tls,
            quotas: Quotas::default(),
            kinds: Kinds::default(),
            multicalls: Multicalls::default(),
            searches: Searches::default(),
            passing: Passing::default(),
            summary: Arc::default(),
            watches: Arc::default(),
            overlay,
            transfers,
            counters: ground.counters,
            secret: options.secret,
            bodies: server::body_budget(),
        };
        let parts = (ground.events, tickets, watches);
        let node = Node::of(context, parts, &ports, rates.download.clone());
        node.tasks.spawn(rates.follow(node.cancel.clone()));
        node.begin(ports, ground.state, settings.peers).await;
        Ok(node)
    }

    /// Creates a node whose tasks have not begun.
    fn of(
        context: Context,
        (events, tickets, watches): (Arc<EventLog>, Tickets, Arc<Watches>),
        ports: &Ports,
        download_rate: Rate,
    ) -> Node {
        Node {
            _subscriptions: subscriptions(&context),
            context: Arc::new(context),
            events,
            watches,
            address: ports.address,
            tickets,
            web: ports.web.as_ref().map(|(_, port)| port.clone()),
            started: Started::now(),
            download_rate,
            cancel: CancellationToken::new(),
            tasks: TaskTracker::new(),
        }
    }

    /// Starts the tasks, once the policy is known.
    async fn begin(&self, ports: Ports, state: StateDir, peers: Vec<PeerAddress>) {
        if let Some(policy) = self.context.policy.source() {
            look_at_policy(policy, &self.events).await;
        }
        self.keep_catalogue().await;
        self.spawn(ports, state, peers);
        self.context.transfers.take_up().await;
    }

    /// Returns the log of the node's events.
    #[must_use]
    pub fn events(&self) -> &Arc<EventLog> {
        &self.events
    }

    /// Returns the queries that stand.
    #[must_use]
    pub fn watches(&self) -> &Arc<Watches> {
        &self.watches
    }

    /// Returns the address on which it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the time of its start.
    #[must_use]
    pub fn started(&self) -> SystemTime {
        self.started.wall
    }

    /// Returns how far the clock of the system was set forward or, below zero, back while the node ran, in seconds. Time that
    /// the machine slept counts as forward.
    #[must_use]
    pub fn clock_moved(&self) -> f64 {
        let wall = match self.started.wall.elapsed() {
            Ok(forward) => forward.as_secs_f64(),
            Err(back) => -back.duration().as_secs_f64(),
        };
        wall - now()
            .saturating_duration_since(self.started.at)
            .as_secs_f64()
    }

    /// Returns the URL under which peers reach it.
    #[must_use]
    pub fn url(&self) -> &PeerUrl {
        self.context.overlay.ourselves()
    }

    /// Ends the node and waits until all of it has ended.
    pub async fn stop(&self) {
        self.cancel();
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
        self.watches.stopped().await;
        self.context.keepers.close();
        self.context.keepers.wait().await;
    }

    /// Cancels all tasks, searches and fetches, and waits for none of them.
    fn cancel(&self) {
        self.cancel.cancel();
        self.context.searches.clear();
        self.context.summary.close();
        self.context.watches.close();
        self.watches.close();
        self.context.transfers.cancel_all();
    }

    /// Begins to keep the catalogue. Waits until it is complete, but not long: a
    /// share that takes longer is read for each answer meanwhile.
    async fn keep_catalogue(&self) {
        let context = &self.context;
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

    fn spawn(&self, ports: Ports, state: StateDir, peers: Vec<PeerAddress>) {
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
        let asking = Asking::new(Arc::clone(&self.context), Arc::clone(&self.watches));
        self.tasks.spawn(asking.run(self.cancel.clone()));
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
            ports.peers,
            Arc::clone(&self.context),
            ConnectionLimits::of_process(),
        );
        self.tasks.spawn(front.run(self.cancel.clone()));
        self.tasks
            .spawn(self.tickets.clone().keep(self.cancel.clone()));
        if let Some((listener, _)) = ports.web {
            let front = server::web_front(
                listener,
                Arc::clone(&self.context),
                self.tickets.clone(),
                self.download_rate.clone(),
            );
            self.tasks.spawn(front.run(self.cancel.clone()));
        }
    }
}

impl Drop for Node {
    /// Ends a node that was not stopped. A thread stops the handlers, because that blocks.
    fn drop(&mut self) {
        if self.cancel.is_cancelled() {
            return;
        }
        self.cancel();
        let handlers = Arc::clone(&self.context.handlers);
        let place = Threads::new("stop", 1).try_place();
        let place = place.expect("a new table of threads has a free place");
        if let Err(error) = place.spawn(move || handlers.stop()) {
            tracing::error!(%error, "the handlers of a dropped node are not stopped");
        }
    }
}

/// The parts that all others stand on.
struct Ground {
    disk: Disk,
    state: StateDir,
    counters: Arc<Counters>,
    events: Arc<EventLog>,
}

impl Ground {
    fn new(state: StateDir) -> Ground {
        Ground {
            disk: Disk::default(),
            state,
            counters: Arc::default(),
            events: Arc::default(),
        }
    }

    /// Returns the key of the node, its proof on connections, and the nodes that were met.
    fn identity(&self) -> Result<(Arc<NodeKey>, Tls, Pins), KeyError> {
        let key = Arc::new(NodeKey::load_or_create(&self.state)?);
        let tls = Tls::new(&key);
        Ok((key, tls, Pins::new(Arc::clone(&self.events))))
    }

    async fn share(
        &self,
        path: PathBuf,
        configuration: Vec<PathBuf>,
    ) -> Result<(Arc<Share>, (Records, Ids)), ShareError> {
        let (shared, state, disk) = (path.clone(), self.state.clone(), self.disk.clone());
        let opened = self.disk.run(move || {
            let records = Records::load(&state, SystemTime::now());
            let share = Share::open_keeping(&shared, &state, &records.temporaries())?;
            let share = Arc::new(share.without(configuration).with_disk(disk.clone()));
            Ok((share, (records, Ids::load(&state, disk))))
        });
        opened.await.unwrap_or_else(|error| {
            let error = io::Error::other(error);
            Err(ShareError::Directory { path, error })
        })
    }

    async fn cache(&self, limit: u64) -> Result<Cache, NodeError> {
        let (state, counters, events) = self.clones();
        self.disk
            .run(move || Cache::in_state(&state, limit, counters, events))
            .await
            .map_err(|error| NodeError::Cache(io::Error::other(error)))
    }

    async fn tickets(&self) -> Result<Tickets, TicketsError> {
        let (state, _, events) = self.clones();
        let disk = self.disk.clone();
        let loaded = self.disk.run(move || Tickets::load(state, disk, events));
        loaded.await.unwrap_or_else(|error| {
            let error = io::Error::other(error);
            Err(self.state.error("tickets", error).into())
        })
    }

    async fn digests(&self, catalogue: &Arc<Catalogue>) -> Result<Arc<Digests>, NodeError> {
        let (state, counters, events) = self.clones();
        let catalogue = Arc::clone(catalogue);
        self.disk
            .run(move || Arc::new(Digests::open(catalogue, &state, counters, events)))
            .await
            .map_err(|error| NodeError::Digests(io::Error::other(error)))
    }

    async fn watches(&self) -> Result<Arc<Watches>, NodeError> {
        let (state, _, events) = self.clones();
        let disk = self.disk.clone();
        let loaded = self.disk.run(move || Watches::load(&state, disk, events));
        loaded
            .await
            .map_err(|error| NodeError::Watches(io::Error::other(error)))
    }

    fn keeper(&self, catalogue: &Arc<Catalogue>) -> Arc<Keeper> {
        let (state, _, events) = self.clones();
        Keeper::new(Arc::clone(catalogue), state, events)
    }

    async fn policy(&self, extensions: &Extensions) -> Result<PolicyGate, NodeError> {
        let (state, counters, events) = self.clones();
        let groups = Groups::load(&state, &self.disk).await?;
        let source = extensions.policy.clone();
        Ok(PolicyGate::new(source, groups, counters, events))
    }

    /// Puts the handlers into a table, and begins to index contents.
    fn handlers(
        &self,
        extensions: Extensions,
        catalogue: &Arc<Catalogue>,
    ) -> Result<Handlers, NodeError> {
        let mut handlers = Handlers::new(extensions.handlers);
        if let Some(open) = extensions.index {
            let files: Arc<dyn Files> = Arc::<Catalogue>::clone(catalogue);
            let caught_up = caught_up(Arc::clone(&self.events));
            let index = open(files, caught_up).map_err(NodeError::Content)?;
            handlers = handlers.with_index(index);
        }
        Ok(handlers.with_directories(extensions.directories))
    }

    fn client(
        &self,
        (tls, pins): (Tls, Pins),
        network: Option<NetworkKey>,
        rates: &Rates,
    ) -> Client {
        let rate = rates.lowest_download();
        let transport = HttpTransport::with_tls(&rate, tls, pins, network);
        let counters = Arc::clone(&self.counters);
        Client::new(Arc::new(transport), counters).with_download_rate(rates.download.clone())
    }

    fn overlay(
        &self,
        standing: Standing,
        own: OwnUrls,
        client: Client,
        providers: Option<Arc<dyn Providers>>,
    ) -> Arc<Overlay> {
        let (_, counters, events) = self.clones();
        let overlay = Overlay::with_standing(standing, own, client, counters, events);
        Arc::new(overlay.with_providers(providers))
    }

    fn transfers(
        &self,
        share: &Arc<Share>,
        digests: &Arc<Digests>,
        saved: (Records, Ids),
        overlay: &Arc<Overlay>,
    ) -> Arc<Transfers> {
        let (_, counters, events) = self.clones();
        let (share, digests) = (Arc::clone(share), Arc::clone(digests));
        let overlay = Arc::clone(overlay);
        let transfers = Transfers::new(share, digests, saved, overlay, counters, events);
        Arc::new(transfers)
    }

    fn rates(&self, upload: RateSchedule, download: RateSchedule) -> Rates {
        let counters = Arc::clone(&self.counters);
        Rates::new(upload, download, |rate| {
            Uploads::new(rate, self.disk.clone(), counters)
        })
    }

    fn clones(&self) -> (StateDir, Arc<Counters>, Arc<EventLog>) {
        let (counters, events) = (Arc::clone(&self.counters), Arc::clone(&self.events));
        (self.state.clone(), counters, events)
    }
}

/// Has the digests, the summary, the watches and the handlers hear of changes in the share.
fn subscriptions(context: &Context) -> [Subscription<ChangeSet>; 4] {
    let (digests, handlers) = (Arc::clone(&context.digests), Arc::clone(&context.handlers));
    let (summary, watches) = (Arc::clone(&context.summary), Arc::clone(&context.watches));
    if let Some(index) = handlers.index() {
        let watches = Arc::clone(&watches);
        index.listen(Box::new(move |name| watches.text_ready(name)));
    }
    let catalogue = &context.catalogue;
    [
        catalogue.subscribe(move |changes| digests.changed(changes)),
        catalogue.subscribe(move |_| summary.share_changed()),
        catalogue.subscribe(move |changes| watches.share_changed(changes)),
        catalogue.subscribe(move |changes| tell_handlers(&handlers, changes)),
    ]
}

fn tell_handlers(handlers: &Handlers, news: &ChangeSet) {
    if news.count() <= NAMES_TOLD_MAX && !news.everything {
        let names: Vec<String> = news.names().cloned().collect();
        handlers.changed(Changes::Names(&names));
    } else {
        handlers.changed(Changes::Anything);
    }
}

/// Returns the function that reports that the index has all files.
fn caught_up(events: Arc<EventLog>) -> CaughtUp {
    Box::new(move |status| {
        events.emit(&Event::IndexCaughtUp {
            files: status.files,
            read: status.read,
            bytes: status.bytes,
        });
    })
}

/// Returns the public side of the node.
fn standing(key: Arc<NodeKey>, pins: &Pins, own: &OwnUrls, handlers: &Arc<Handlers>) -> Standing {
    Standing {
        key,
        name: None,
        pins: Some(pins.clone()),
        call_scope: Arc::new(own.call_scope()),
        handlers: Arc::<Handlers>::clone(handlers),
    }
}

fn own_urls(url: Option<PeerUrl>, address: SocketAddr) -> Result<OwnUrls, NodeError> {
    OwnUrls::of(url, address).map_err(|error| NodeError::Url { address, error })
}

/// The ports that a node listens on.
struct Ports {
    peers: TcpListener,
    address: SocketAddr,
    web: Option<(TcpListener, WebPort)>,
}

impl Ports {
    async fn bind(listen: SocketAddr, web: Option<WebSettings>) -> Result<Ports, NodeError> {
        let (peers, address) = bind(listen).await?;
        let web = match web {
            Some(web) => Some(bind_web(web.address, web.url).await?),
            None => None,
        };
        Ok(Ports {
            peers,
            address,
            web,
        })
    }
}

async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), NodeError> {
    let failed = |error| NodeError::Listen { address, error };
    // On Unix the listener of tokio may be bound again at once after a stop.
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

async fn bind_web(
    address: SocketAddr,
    url: Option<String>,
) -> Result<(TcpListener, WebPort), NodeError> {
    let failed = |error| NodeError::Web { address, error };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    let own = own_urls(None, bound)?;
    let url = url.unwrap_or_else(|| own.main().as_str().to_owned());
    let url = url.trim_end_matches('/').to_owned();
    let port = WebPort {
        address: bound,
        url,
    };
    Ok((listener, port))
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "; another program uses this port, maybe another node: choose another port with --listen, as `--listen 127.0.0.1:0`"
        }
        io::ErrorKind::PermissionDenied => "; choose a port above 1023 with --listen",
        io::ErrorKind::AddrNotAvailable => {
            "; this machine does not have that address, choose another one with --listen"
        }
        _ => "",
    }
}
