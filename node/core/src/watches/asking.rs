//! Asking this node and its peers for news of the watches.
//!
//! One call is held open at each node, for all watches together. A peer that does not know the call is searched again, after
//! pauses that grow; so is one that could not look at everything.

use std::{
    collections::{HashMap, HashSet, hash_map::RandomState},
    hash::BuildHasher,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use node_api::{search::Hit, watch::WatchState};
use node_overlay::{PeerEntry, steady};
use node_wire::{
    Find, FindHit, FindWanted, FoundEnd, More, ShareName, Watch, WatchTold, Watched,
    limits::{FIND_PAGE_MAX, FIND_WAIT_MAX, WATCH_WAIT_MAX, WATCHER_MAX},
    query::{self, ParsedQuery},
};
use plugin_api::NameCheck;
use tokio::{select, time::sleep_until};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{
    AskedNode, Watches,
    record::Record,
    table::{News, is_name},
};
use crate::{
    client::{CallError, Client, Destination, PeerKind},
    clock::now,
    events::{Event, unix_millis},
    handlers::described_excerpt,
    server::{Context, watches::of_owner},
    share::Replace,
    sync::lock,
    transfer::FetchError,
};

/// Most peers that are asked.
const PEERS_MAX: usize = 64;

/// Time for an answer beside the time that the peer may wait.
const ANSWER: Duration = Duration::from_secs(10);

/// Shortest time between two calls to the same node, and the pause after an answer that had nothing new.
const PAUSE: Duration = Duration::from_millis(250);

/// The longest such pause.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// The pause before a peer that cannot hold a watch is asked again, at first and at last.
const ASKED_PAUSE: Duration = Duration::from_secs(30);
const ASKED_PAUSE_MAX: Duration = Duration::from_secs(10 * 60);

/// The same for a peer that could not look at everything.
const PARTIAL_PAUSE: Duration = Duration::from_secs(30);
const PARTIAL_PAUSE_MAX: Duration = Duration::from_secs(60 * 60);

/// Longest time without a look at the table of peers.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Pages of one search that are taken from a peer that cannot hold a watch.
const PAGES_MAX: usize = 16;

/// The pause when too many fetches wait.
const FETCH_PAUSE: Duration = Duration::from_secs(2);

/// The key of this node.
const OWN: &str = "own";

/// The task that asks.
pub(crate) struct Asking {
    context: Arc<Context>,
    watches: Arc<Watches>,
    calls: FuturesUnordered<BoxFuture<'static, Ended>>,
    /// The nodes that are being asked; dropping a guard ends the call.
    asked: HashMap<String, DropGuard>,
    /// The time of the next question to others, and the last pause.
    due: HashMap<String, Due>,
    /// The time of the next look at everything, for watches of which a node could not look at everything.
    looks: HashMap<(u64, String), Due>,
    /// The watches that asked when the calls began.
    asking: Vec<u64>,
    /// The name of this node, so that its call ends the one before, also of an earlier run.
    watcher: String,
    lots: RandomState,
    fetch_at: Instant,
}

#[derive(Clone, Copy)]
struct Due {
    at: Instant,
    pause: Duration,
}

/// Somebody to ask.
#[derive(Clone)]
enum Target {
    Own,
    Peer(Box<PeerEntry>),
}

impl Target {
    /// Returns the key under which it is known before its id is proved.
    fn url_key(&self) -> String {
        match self {
            Target::Own => OWN.to_owned(),
            Target::Peer(peer) => peer.url.key(),
        }
    }
}

/// A call that ended.
struct Ended {
    key: String,
    target: Target,
    begun: Instant,
    asked: Vec<(u64, Watched)>,
    /// Nothing if the call was ended here.
    reply: Option<Result<Reply, CallError>>,
}

/// An answer.
struct Reply {
    told: Vec<WatchTold>,
    /// True if the node holds watches.
    is_held: bool,
}

impl Asking {
    pub(crate) fn new(context: Arc<Context>, watches: Arc<Watches>) -> Asking {
        let lots = RandomState::new();
        let id = context.overlay.id().to_string();
        let watcher = id.chars().take(WATCHER_MAX);
        Asking {
            watcher: watcher.collect(),
            context,
            watches,
            calls: FuturesUnordered::new(),
            asked: HashMap::new(),
            due: HashMap::new(),
            looks: HashMap::new(),
            asking: Vec::new(),
            lots,
            fetch_at: now(),
        }
    }

    /// Works until it is cancelled.
    pub(crate) async fn run(mut self, cancel: CancellationToken) {
        // Until the files are known, an answer of this node would not be complete.
        select! {
            () = cancel.cancelled() => return,
            () = self.context.catalogue.completed() => {}
        }
        let overlay = Arc::clone(&self.context.overlay);
        loop {
            self.ask_all();
            let next = self.next_due();
            select! {
                () = cancel.cancelled() => return,
                Some(ended) = self.calls.next() => self.take(ended).await,
                () = self.watches.changed.notified() => {}
                () = overlay.peer_came_back() => self.failing_are_due(),
                () = sleep_until(next.into()) => {}
            }
            self.fetch().await;
        }
    }

    fn next_due(&self) -> Instant {
        let soon = now() + PAUSE / 4;
        let waiting = self
            .due
            .iter()
            .filter(|(key, _)| !self.asked.contains_key(*key));
        let due = waiting.map(|(_, due)| due.at).min();
        let far = now() + LOOK_EVERY;
        due.map_or(far, |due| due.clamp(soon, far))
    }

    /// Asks all that are due. If other watches ask than before, the calls begin anew.
    fn ask_all(&mut self) {
        let asking = lock(&self.watches.table).asking();
        if asking != self.asking {
            self.calls = FuturesUnordered::new();
            self.asked.clear();
            self.due.clear();
            self.asking = asking;
        }
        let now = now();
        let targets = self.targets();
        let known = self.known();
        self.due.retain(|key, _| targets.contains_key(key));
        // The call to a node that went away may never end.
        self.asked.retain(|key, _| targets.contains_key(key));
        lock(&self.watches.nodes).retain(|key, _| known.contains(key));
        if self.asking.is_empty() {
            return;
        }
        for (key, target) in targets {
            let is_due = self.due.get(&key).is_none_or(|due| due.at <= now);
            if is_due && !self.asked.contains_key(&key) {
                let looks = self.looks_due(&key, now);
                let asked = lock(&self.watches.table).questions(&key, &target.url_key(), &looks);
                if !asked.is_empty() {
                    self.ask(key, target, asked, now);
                }
            }
        }
    }

    /// Returns the keys of this node and of all peers.
    fn known(&self) -> HashSet<String> {
        let all = self.context.overlay.list().into_iter();
        all.map(|peer| key_of(&peer))
            .chain([OWN.to_owned()])
            .collect()
    }

    /// Returns this node and the peers to ask, by their keys.
    fn targets(&self) -> HashMap<String, Target> {
        let all = self.context.overlay.to_call();
        let lot = |peer: &PeerEntry| self.lots.hash_one(peer.url.key());
        let known = self.context.overlay.count();
        // Others do not learn what the owner looks for.
        let may_ask = |peer: &PeerEntry| {
            peer.kind == Some(PeerKind::Sixhop) && peer.last_answer.is_some() && peer.is_met()
        };
        let nodes = all.into_iter().filter(may_ask);
        let nodes = steady(nodes, PEERS_MAX, |peer| peer.since, lot);
        *lock(&self.watches.left_out) = known.saturating_sub(nodes.len());
        let peers = nodes
            .into_iter()
            .map(|peer| (key_of(&peer), Target::Peer(Box::new(peer))));
        peers.chain([(OWN.to_owned(), Target::Own)]).collect()
    }

    /// Returns the watches of which a node is to look at everything again now.
    fn looks_due(&mut self, key: &str, now: Instant) -> Vec<u64> {
        let partial = lock(&self.watches.table).partial(key);
        self.looks
            .retain(|(id, node), _| node != key || partial.contains(id));
        let mut due = Vec::new();
        for id in partial {
            let place = (id, key.to_owned());
            let look = self.looks.entry(place).or_insert(Due {
                at: now + PARTIAL_PAUSE,
                pause: PARTIAL_PAUSE,
            });
            if look.at <= now {
                look.pause = (look.pause * 2).min(PARTIAL_PAUSE_MAX);
                look.at = now + look.pause;
                due.push(id);
            }
        }
        due
    }

    /// Returns the time that a call to a node may wait: no longer than until it is to look at everything. The first one
    /// waits for nothing, so that it is soon known whether the node holds watches.
    fn wait(&self, key: &str, now: Instant) -> Duration {
        if !lock(&self.watches.nodes).contains_key(key) {
            return Duration::ZERO;
        }
        let longest = Duration::from_millis(WATCH_WAIT_MAX.into());
        let looks = self.looks.iter().filter(|((_, node), _)| node == key);
        let next = looks.map(|(_, due)| due.at).min();
        next.map_or(longest, |at| at.saturating_duration_since(now).min(longest))
    }

    fn ask(&mut self, key: String, target: Target, asked: Vec<(u64, Watched)>, begun: Instant) {
        let wait = self.wait(&key, begun);
        let watches: Vec<Watched> = asked.iter().map(|(_, watched)| watched.clone()).collect();
        let context = Arc::clone(&self.context);
        let watcher = self.watcher.clone();
        let cancel = CancellationToken::new();
        self.asked.insert(key.clone(), cancel.clone().drop_guard());
        self.calls.push(Box::pin(async move {
            let asking = async {
                match &target {
                    Target::Own => {
                        let told = of_owner(&context, watches, begun + wait).await;
                        let unread = |_| CallError::Unexpected;
                        told.map_err(unread).map(|told| Reply {
                            told,
                            is_held: true,
                        })
                    }
                    Target::Peer(peer) => {
                        let call = Watch {
                            watcher,
                            watches,
                            wait: u32::try_from(wait.as_millis()).unwrap_or(WATCH_WAIT_MAX),
                        };
                        of_peer(context.overlay.client(), &peer.destination(), call).await
                    }
                }
            };
            let reply = select! {
                reply = asking => Some(reply),
                () = cancel.cancelled() => None,
            };
            Ended {
                key,
                target,
                begun,
                asked,
                reply,
            }
        }));
    }

    /// Takes the answer of a node.
    async fn take(&mut self, ended: Ended) {
        let Ended {
            key,
            target,
            begun,
            asked,
            reply,
        } = ended;
        let Some(reply) = reply else { return };
        self.asked.remove(&key);
        let before = self.due.get(&key).map_or(Duration::ZERO, |due| due.pause);
        let (pause, node) = match reply {
            Ok(reply) => {
                if let Target::Peer(peer) = &target {
                    self.context
                        .overlay
                        .has_answered(&peer.url, PeerKind::Sixhop);
                }
                let is_held = reply.is_held;
                let goes_on = reply.told.iter().any(|told| told.after.is_some());
                let is_new = self.take_news(&key, &target, &asked, reply).await;
                let pause = if !is_held {
                    grown(before, ASKED_PAUSE, ASKED_PAUSE_MAX)
                } else if is_new || goes_on || now() - begun >= PAUSE_MAX {
                    PAUSE
                } else {
                    grown(before, PAUSE, PAUSE_MAX)
                };
                let state = if is_held {
                    WatchState::Held
                } else {
                    WatchState::Asked
                };
                let every = (!is_held).then_some(pause.as_secs());
                (pause, self.node(&target, state, every, None))
            }
            Err(error) => {
                self.tell_failure(&target, &error);
                let longest = match error {
                    CallError::Private => ASKED_PAUSE_MAX,
                    _ => PAUSE_MAX,
                };
                let pause = match error {
                    CallError::Busy(wait) => wait,
                    _ => grown(before, PAUSE * 4, longest),
                };
                let every = Some(pause.as_secs().max(1));
                let error = Some(error.to_string());
                (pause, self.node(&target, WatchState::Failing, every, error))
            }
        };
        lock(&self.watches.nodes).insert(key.clone(), node);
        let at = now() + pause;
        self.due.insert(key, Due { at, pause });
    }

    /// Tells the table of peers that one cannot be reached, unless it knows: to drop a peer is the business of others.
    fn tell_failure(&self, target: &Target, error: &CallError) {
        let overlay = &self.context.overlay;
        if let Target::Peer(asked) = target
            && matches!(error, CallError::Transport(_))
        {
            let mut known = overlay.list().into_iter();
            let known = known.find(|peer| peer.url == asked.url);
            if known.is_some_and(|peer| !peer.is_away()) {
                overlay.has_failed(&asked.url, error);
            }
        }
    }

    fn node(
        &self,
        target: &Target,
        state: WatchState,
        every: Option<u64>,
        error: Option<String>,
    ) -> AskedNode {
        let (url, name) = self.named(target);
        AskedNode {
            url,
            name,
            state,
            every,
            error,
        }
    }

    /// Returns the URL of a node, and its name.
    fn named(&self, target: &Target) -> (String, Option<String>) {
        let overlay = &self.context.overlay;
        match target {
            Target::Own => {
                let name = overlay.name().map(ToString::to_string);
                (overlay.ourselves().as_str().to_owned(), name)
            }
            Target::Peer(peer) => {
                let name = peer.name.as_ref().map(ToString::to_string);
                (peer.url.as_str().to_owned(), name)
            }
        }
    }

    /// Takes what a node tells. Returns whether any of it is new.
    async fn take_news(
        &mut self,
        key: &str,
        target: &Target,
        asked: &[(u64, Watched)],
        Reply { told, is_held }: Reply,
    ) -> bool {
        let (url, name) = self.named(target);
        let mut is_new = false;
        for told in told {
            // A number that was not asked about is passed over.
            let Some((id, watched)) = asked.get(told.watch).cloned() else {
                continue;
            };
            let check = Check::of(&self.context, &watched.query);
            let hits = told.hits.into_iter().filter_map(|hit| {
                let fit = match target {
                    Target::Own => Fit::True,
                    Target::Peer(_) => check.judge(&hit),
                };
                match fit {
                    Fit::True => Some(Some(described(hit, &url, name.as_deref(), &watched.query))),
                    Fit::Near if !is_held => None,
                    Fit::Near | Fit::False => Some(None),
                }
            });
            let (hits, key, url_key) = (hits.collect(), key.to_owned(), target.url_key());
            let decided = self.watches.commit(move |table| {
                let decision = table.decide(
                    id,
                    News {
                        node: &key,
                        url: &url_key,
                        asked: &watched,
                        cursor: Some(told.cursor).filter(|cursor| !cursor.is_empty()),
                        after: told.after,
                        is_again: told.again,
                        is_partial: told.end != FoundEnd::Complete,
                        hits,
                        time: unix_millis(SystemTime::now()),
                    },
                );
                let rest = (decision.matches, decision.is_new, decision.fault);
                Ok((decision.records, rest))
            });
            match decided.await {
                Ok((matches, news, fault)) => {
                    is_new |= news;
                    self.watches.tell(id, &matches);
                    if let Some(fault) = fault {
                        self.watches.events.emit(&Event::WatchDropped {
                            watch: id,
                            node: url.clone(),
                            text: fault.to_string(),
                        });
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "matches of a watch cannot be kept, and are told later");
                }
            }
        }
        is_new
    }

    /// Has those that failed asked again now.
    fn failing_are_due(&mut self) {
        let nodes = lock(&self.watches.nodes);
        let is_failing = |key: &str| {
            let node = nodes.get(key);
            node.is_some_and(|node| node.state == WatchState::Failing)
        };
        self.due.retain(|key, _| !is_failing(key));
    }

    /// Gives matches to the fetches.
    async fn fetch(&mut self) {
        while now() >= self.fetch_at {
            let next = lock(&self.watches.table).to_fetch();
            let Some((id, found)) = next else { return };
            let digest = found.hit.digest.as_deref();
            let digest = digest.and_then(|digest| node_wire::Digest::from_hex(digest).ok());
            if let (Ok(name), Some(digest)) = (ShareName::parse(&found.hit.name), digest)
                && !is_hidden(&self.context, &name).await
            {
                let transfers = &self.context.transfers;
                match transfers.start_content(&name, digest, Replace::Never).await {
                    Err(FetchError::Busy(_)) => {
                        self.fetch_at = now() + FETCH_PAUSE;
                        return;
                    }
                    Err(error) => tracing::info!(%error, "a match of a watch is not fetched"),
                    Ok(_) => {}
                }
            }
            let number = found.number;
            let fetched = self
                .watches
                .commit(move |_| Ok((vec![Record::Fetched { id, number }], ())));
            if let Err(error) = fetched.await {
                tracing::warn!(%error, "that a match was fetched cannot be kept");
                self.fetch_at = now() + FETCH_PAUSE;
            }
        }
    }
}

impl std::fmt::Debug for Asking {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Asking").finish_non_exhaustive()
    }
}

/// Returns whether a file of this name would be hidden here. A holder chooses the names of what matches: what nobody sees
/// is fetched by its name alone.
async fn is_hidden(context: &Context, name: &ShareName) -> bool {
    if !name.has_dot() {
        return false;
    }
    let (share, own) = (Arc::clone(&context.share), name.clone());
    let shares = context.disk.run(move || share.shares(&own)).await;
    let is_hidden = !shares.unwrap_or(false);
    if is_hidden {
        tracing::info!(%name, "a match of a watch is not fetched: a part of its name begins with a dot");
    }
    is_hidden
}

/// Asks a peer: to hold the watches, or, if it cannot, for what it has.
async fn of_peer(client: &Client, peer: &Destination, call: Watch) -> Result<Reply, CallError> {
    let deadline = now() + Duration::from_millis(call.wait.into()) + ANSWER;
    match client.watch(peer, &call, deadline).await {
        Ok(answered) => Ok(Reply {
            told: answered.value.told,
            is_held: true,
        }),
        Err(CallError::Unknown(PeerKind::Sixhop)) => {
            let mut told = Vec::new();
            for (watch, watched) in call.watches.into_iter().enumerate() {
                told.push(searched(client, peer, watch, watched.query).await?);
            }
            Ok(Reply {
                told,
                is_held: false,
            })
        }
        Err(error) => Err(error),
    }
}

/// Searches a peer that cannot hold a watch.
async fn searched(
    client: &Client,
    peer: &Destination,
    watch: usize,
    query: String,
) -> Result<WatchTold, CallError> {
    let wait = Duration::from_millis(FIND_WAIT_MAX.into());
    let find = Find {
        wanted: FindWanted::Query(query),
        after: None,
        limit: FIND_PAGE_MAX * PAGES_MAX,
        deadline: Some(FIND_WAIT_MAX),
        through: None,
    };
    let mut page = client.find(peer, &find, now() + wait + ANSWER).await?.value;
    let mut hits = std::mem::take(&mut page.hits);
    for _ in 1..PAGES_MAX {
        let Some(cursor) = page.cursor.take() else {
            break;
        };
        let more = More {
            cursor,
            wait: FIND_WAIT_MAX,
        };
        page = client.more(peer, &more, now() + wait + ANSWER).await?.value;
        hits.append(&mut page.hits);
    }
    Ok(WatchTold {
        watch,
        // Without a digest it cannot be told once; a later search may have one.
        hits: hits
            .into_iter()
            .filter(|hit| hit.digest.is_some())
            .collect(),
        end: FoundEnd::Complete,
        ..WatchTold::default()
    })
}

/// Returns the key of a peer: its id, or its URL while that is not proved.
fn key_of(peer: &PeerEntry) -> String {
    peer.id.map_or_else(|| peer.url.key(), |id| id.to_string())
}

/// Returns the pause after `before`, which grows from `first` to `longest`.
fn grown(before: Duration, first: Duration, longest: Duration) -> Duration {
    if before < first {
        first
    } else {
        (before * 2).min(longest)
    }
}

/// The check of what a peer tells.
struct Check {
    query: Option<ParsedQuery>,
    is_meant: Option<NameCheck>,
}

impl Check {
    fn of(context: &Context, query: &str) -> Check {
        let is_meant = context.handlers.name_check(query);
        Check {
            query: ParsedQuery::parse(query, SystemTime::now()).ok(),
            is_meant: is_meant.filter(|_| !query::asks_contents(query)),
        }
    }

    /// Returns how a file fits, as far as its name and its size say. Its time says nothing: clocks differ.
    fn judge(&self, hit: &FindHit) -> Fit {
        let passes = |query: &ParsedQuery| query.filters().admits_at_some_time(&hit.name, hit.size);
        let is_true =
            is_name(&hit.name) && hit.digest.is_some() && self.query.as_ref().is_none_or(passes);
        match &self.is_meant {
            _ if !is_true => Fit::False,
            Some(fits) if !fits(&hit.name) => Fit::Near,
            _ => Fit::True,
        }
    }
}

/// How a file fits that a peer told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fit {
    /// It may match.
    True,
    /// Its name is not meant; a search gives such, a watch does not.
    Near,
    /// It does not match.
    False,
}

/// Returns a hit as the owner gets it.
fn described(hit: FindHit, node: &str, name: Option<&str>, asked: &str) -> Hit {
    let handler = query::found_by(query::handler_of(asked), hit.excerpt.is_some());
    Hit {
        handler: handler.to_owned(),
        name: hit.name,
        size: Some(hit.size),
        modified: hit.modified,
        digest: hit.digest.map(|digest| digest.to_hex()),
        node: node.to_owned(),
        node_name: name.map(str::to_owned),
        score: hit.score.filter(|score| score.is_finite()),
        excerpt: hit.excerpt.map(described_excerpt),
    }
}
