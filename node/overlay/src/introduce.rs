//! Introducing this node to its peers, and saving the peers.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use node_wire::{
    PeerAddress, Summarize, dialect::Dialect, node_id::NodeId, peer_url::PeerUrl,
    response::HelloAnswer, scope::Scope,
};
use tokio::{
    select,
    time::{sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    Before, Introduction, KnownFrom, Lost, Met, NotProved, Outcome, Overlay, PeerEntry, PeerTable,
    prove::Proved,
};
use node_base::{clock::now, disk::Disk, events::Event, state::StateDir, sync::lock};
use node_transport::{CallError, Destination, PeerKind, PinStanding, Pins};

/// The file of the saved peers: one a line, its URL, its id or `-`, [`CHOSEN`] or
/// [`CANDIDATE`] if it is that, the scope of the stranger who named it, and [`NODE`] if it is a Sixhop node.
pub const PEERS_FILE: &str = "peers";

/// The file of the pins; see [`Pins`](node_transport::Pins).
pub const PINS_FILE: &str = "pins";

/// The word behind the id of a saved peer that the owner named.
const CHOSEN: &str = "chosen";

/// The word behind the id of a saved peer that has not proved itself.
const CANDIDATE: &str = "candidate";

/// The word behind the id of a saved peer that answered as a Sixhop node.
const NODE: &str = "node";

/// The scopes of strangers that name peers.
const SCOPES: [Scope; 3] = [Scope::Machine, Scope::Network, Scope::World];

/// Introductions in flight at a time.
const AT_A_TIME: usize = 16;

/// Longest time for one introduction.
const INTRODUCTION: Duration = Duration::from_secs(4);

/// Shortest time between two savings.
const SAVE_PAUSE: Duration = Duration::from_millis(250);

/// The pause before a dropped peer of the settings is tried again.
const SETTINGS_AGAIN: Duration = Duration::from_secs(60);

/// The outcome of an introduction to a peer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Meeting {
    /// The peer.
    Met,
    /// A peer that is known under this other URL.
    Known(PeerUrl),
    /// This node itself.
    Ourselves,
}

/// The revision of the saved data: numbers of the peers and of the pins.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Revision(u64, u64);

/// The task that introduces and saves.
#[derive(Debug)]
pub struct Introducer {
    overlay: Arc<Overlay>,
    /// The directory in which the peers are saved, and the pool for it.
    state: Option<(StateDir, Disk)>,
    /// Peers of the settings: they are tried again even after they were dropped.
    settings: Vec<PeerAddress>,
    saved_revision: Revision,
    /// The texts that were saved last: the peers and the pins.
    saved: [String; 2],
    saved_at: Instant,
}

impl Overlay {
    /// Introduces this node to `peer` now.
    ///
    /// # Errors
    /// Errors if it does not answer.
    pub async fn introduce(&self, peer: &PeerUrl) -> Result<Meeting, CallError> {
        self.meet(&Destination::of_owner(peer.clone())).await
    }

    /// Looks whether a peer that was met lets this node search, and notes it if not.
    pub async fn look_into(&self, peer: &PeerUrl) {
        let known = self.peers().get(peer).cloned();
        let Some(known) = known.filter(|peer| peer.id.is_some()) else {
            return;
        };
        let wanted = Summarize {
            version: None,
            in_full: false,
            wait: 0,
        };
        let summary = self
            .client
            .summary(&known.destination(), &wanted, now() + INTRODUCTION)
            .await;
        match summary {
            Ok(_) => self.peers().refuses(peer, None),
            Err(error @ CallError::Private) => self.is_private(peer, &error),
            Err(_) => {}
        }
    }

    /// Introduces this node to a peer whose turn it is.
    async fn introduce_next(&self, next: Introduction) {
        // What failed is in the table and is tried again from there.
        let owners = next.named_by.is_none().then(|| next.peer.clone());
        let _ = match next.named_by {
            None => self.meet(&next.peer).await,
            Some(_) => self.meet_for_stranger(next.peer).await,
        };
        self.met.notify_waiters();
        if let Some(peer) = owners
            && lock(&self.called_back).is_open()
        {
            self.called_back_by(&peer).await;
        }
    }

    /// Introduces this node to a peer that a stranger named: to its address, which
    /// is checked and has its limit, and to no other.
    async fn meet_for_stranger(&self, peer: Destination) -> Result<Meeting, CallError> {
        let resolved = self.client.resolve(&peer, now() + INTRODUCTION).await;
        let address =
            resolved.and_then(|addresses| addresses.first().copied().ok_or(CallError::Unexpected));
        match address {
            Ok(address) if self.peers().may_dial(&peer, address.get(), now()) => {
                let _calling = self.client.dials().begin(address);
                self.meet(&peer.at(address)).await
            }
            Ok(_) => Ok(Meeting::Met),
            Err(error) => {
                self.not_met(&peer, &error);
                Err(error)
            }
        }
    }

    async fn meet(&self, peer: &Destination) -> Result<Meeting, CallError> {
        let begun = now();
        let deadline = begun + INTRODUCTION;
        let address = self.address_of(peer, deadline).await;
        let own = self.own.towards(address);
        match self.say_hello(peer, &own, deadline).await {
            Ok((kind, dialect)) => {
                let met = Met {
                    kind,
                    dialect,
                    latency: now().saturating_duration_since(begun),
                    address,
                    id: None,
                    name: None,
                    features: Vec::new(),
                };
                self.have_met(peer, met.clone());
                self.events.emit(&Event::PeerAnswered {
                    url: peer.as_str().to_owned(),
                });
                // A waiter for the peer need not wait for the proof of its identity.
                self.met.notify_waiters();
                self.came_back.notify_waiters();
                self.to_poll.notify_one();
                Ok(match kind {
                    PeerKind::Sixhop => self.learn_who(peer, &own, met, deadline).await,
                    PeerKind::Book => Meeting::Met,
                })
            }
            Err(error) => {
                self.not_met(peer, &error);
                Err(error)
            }
        }
    }

    /// Returns the address at which a peer is called: the chosen one, or, where it
    /// matters which of our URLs leads back, the one that its name has.
    async fn address_of(&self, peer: &Destination, deadline: Instant) -> Option<IpAddr> {
        if let Some(at) = peer.address() {
            return Some(at.get().ip());
        }
        if !self.own.is_everywhere() {
            return None;
        }
        let resolved = self.client.resolve(peer, deadline).await.ok()?;
        resolved.first().map(|address| address.get().ip())
    }

    /// Has a Sixhop node that has answered prove its identity.
    async fn learn_who(
        &self,
        peer: &Destination,
        own: &PeerUrl,
        met: Met,
        deadline: Instant,
    ) -> Meeting {
        let proved = self.prove(peer, own, deadline).await;
        self.peers().was_asked_who(peer);
        match proved {
            Ok(Proved { theirs, reached }) => {
                self.call_back_heard(reached);
                let met = Met {
                    id: Some(theirs.id),
                    name: theirs.name,
                    features: theirs.features,
                    ..met
                };
                // What it says of another host than the one that was called proves nothing.
                let own = PeerUrl::parse(&theirs.url).ok();
                match own.filter(|own| own.same_host(peer) && !own.same_peer(peer)) {
                    None => self.have_met(peer, met),
                    Some(own) => {
                        self.peers().rename(peer, &own);
                        self.have_met(&own, met);
                        self.is_known(peer, own)
                    }
                }
            }
            Err(NotProved::Ourselves) => {
                self.remove(peer);
                Meeting::Ourselves
            }
            Err(NotProved::Elsewhere(id)) => {
                let known = self.peers().claims(peer, id);
                known.map_or(Meeting::Met, |known| self.is_known(peer, known))
            }
            Err(error) => {
                tracing::debug!(peer = peer.as_str(), %error, "a peer has not shown who it is");
                if matches!(&error, NotProved::Call(error) if error.may_pass()) {
                    self.peers().not_asked_who(peer, now());
                    self.try_again();
                }
                Meeting::Met
            }
        }
    }

    /// Returns the outcome for a peer that is known under another URL.
    fn is_known(&self, peer: &PeerUrl, known: PeerUrl) -> Meeting {
        tracing::debug!(
            peer = peer.as_str(),
            known = known.as_str(),
            "one peer has two URLs"
        );
        self.events.emit(&Event::PeerSame {
            url: peer.as_str().to_owned(),
            known: known.as_str().to_owned(),
        });
        Meeting::Known(known)
    }

    fn revision(&self) -> Revision {
        let pins = self.standing.pins.as_ref().map_or(0, Pins::revision);
        Revision(self.peers().revision(), pins)
    }

    fn pins_text(&self) -> String {
        let pins = self.standing.pins.as_ref();
        pins.map(Pins::to_text).unwrap_or_default()
    }

    /// Notes which pins are those of peers, and forgets others after a while.
    fn review_pins(&self) {
        if let Some(pins) = &self.standing.pins {
            let places = self.peers().places();
            pins.review(|place| match places.get(place)? {
                true => Some(PinStanding::Chosen),
                false => Some(PinStanding::Known),
            });
        }
    }

    fn have_met(&self, peer: &PeerUrl, met: Met) -> Meeting {
        let id = met.id;
        let (outcome, was_lost, name) = {
            let mut peers = self.peers();
            let name = |peers: &PeerTable| peers.get(peer).and_then(|peer| peer.name.clone());
            let before = name(&peers);
            let outcome = peers.introduced(peer, met, now());
            let source = peers.get(peer).map(|peer| peer.source);
            let name = name(&peers).filter(|name| before.as_ref() != Some(name));
            (outcome, source == Some(KnownFrom::Lost), name)
        };
        if let Some(name) = name {
            self.events.emit(&Event::PeerNamed {
                url: peer.as_str().to_owned(),
                name: name.to_string(),
            });
        }
        match outcome {
            Outcome::Another { was } => self.tell_another(peer, was, id),
            // That it was dropped had been reported.
            Outcome::New if was_lost => self.tell_added(peer, KnownFrom::Lost),
            Outcome::Same { known } => return self.is_known(peer, known),
            Outcome::New | Outcome::Known | Outcome::Gone => {}
        }
        Meeting::Met
    }

    fn tell_another(&self, peer: &PeerUrl, was: NodeId, is: Option<NodeId>) {
        let is = is.map(|id| id.to_string());
        tracing::warn!(
            peer = peer.as_str(), %was, is,
            "another node than before is at this URL; it is a new peer"
        );
        self.events.emit(&Event::PeerChanged {
            url: peer.as_str().to_owned(),
            was: was.to_string(),
            is,
        });
    }

    fn not_met(&self, peer: &PeerUrl, error: &CallError) {
        self.peers().not_introduced(peer, &error.to_string(), now());
        self.try_again();
    }

    /// Has the introducer look at what is due: it may sleep until something else is, for the owner's introductions are
    /// not its own.
    fn try_again(&self) {
        self.changed.notify_one();
    }

    /// Says `hello`, in codes to a peer that answers in codes. A
    /// stranger's candidate has to answer as a peer does.
    async fn say_hello(
        &self,
        peer: &Destination,
        own: &PeerUrl,
        deadline: Instant,
    ) -> Result<(PeerKind, Option<Dialect>), CallError> {
        let answer = self.client.hello(peer, own, deadline).await?;
        let dialect = match answer.value {
            Some(HelloAnswer::Welcome(dialect)) => Some(dialect),
            Some(HelloAnswer::Refused) => Some(Dialect::Codes),
            None if peer.address().is_some() => return Err(CallError::Unexpected),
            None => None,
        };
        if dialect == Some(Dialect::Codes) {
            self.client.hello(peer, &own.codes(), deadline).await?;
        }
        Ok((answer.kind, dialect))
    }
}

impl Introducer {
    /// Starts from the peers of the settings and the saved ones.
    #[must_use]
    pub fn new(
        overlay: Arc<Overlay>,
        state: Option<(StateDir, Disk)>,
        settings: Vec<PeerAddress>,
    ) -> Introducer {
        if let Some(pins) = &overlay.standing.pins
            && let Some((state, _)) = &state
        {
            load_pins(pins, state);
        }
        for address in &settings {
            overlay.add_address(address, KnownFrom::Settings);
        }
        if let Some((state, _)) = &state {
            load(&overlay, state);
        }
        Introducer {
            overlay,
            state,
            settings,
            saved_revision: Revision::default(),
            saved: Default::default(),
            saved_at: now(),
        }
    }

    /// Works until it is cancelled; then saves once more.
    pub async fn run(mut self, cancel: CancellationToken) {
        let mut settings_at = now() + SETTINGS_AGAIN;
        let mut meetings = FuturesUnordered::new();
        loop {
            let free = AT_A_TIME - meetings.len();
            let due = self.overlay.peers().to_introduce(now(), free);
            for next in due {
                let overlay = Arc::clone(&self.overlay);
                meetings.push(async move { overlay.introduce_next(next).await });
            }
            let is_room = meetings.len() < AT_A_TIME;
            select! {
                () = cancel.cancelled() => break,
                Some(()) = meetings.next() => {}
                () = self.wait(is_room) => {}
            }
            let is_changed = self.overlay.revision() != self.saved_revision;
            if is_changed && now() >= self.saved_at + SAVE_PAUSE {
                self.save().await;
            }
            if now() >= settings_at {
                settings_at = now() + SETTINGS_AGAIN;
                for address in &self.settings {
                    self.overlay.add_address(address, KnownFrom::Settings);
                }
            }
        }
        drop(meetings);
        self.save().await;
    }

    /// Waits until there is something to do; a due introduction is something only
    /// if there `is_room` for it.
    async fn wait(&self, is_room: bool) {
        let far = now() + SETTINGS_AGAIN;
        let revision = self.overlay.revision();
        let next = self.overlay.peers().next_introduction();
        let next = next.unwrap_or(far).min(far);
        select! {
            () = self.overlay.changed.notified() => {}
            () = sleep_until(next.into()), if is_room => {}
            () = sleep(SAVE_PAUSE), if revision != self.saved_revision => {}
        }
    }

    /// Saves the peers, and the candidates beside them. What strangers name makes no node
    /// write while it runs; at its end nobody is forgotten.
    async fn save(&mut self) {
        let Some((state, disk)) = self.state.clone() else {
            return;
        };
        self.overlay.review_pins();
        self.saved_revision = self.overlay.revision();
        self.saved_at = now();
        let texts = [self.overlay.saved_peers(), self.overlay.pins_text()];
        for (n, (file, text)) in [PEERS_FILE, PINS_FILE].into_iter().zip(texts).enumerate() {
            if text == self.saved[n] {
                continue;
            }
            self.saved[n].clone_from(&text);
            let state = state.clone();
            let saved = disk.run(move || state.write(file, &text)).await;
            if let Ok(Err(error)) = saved {
                tracing::warn!(%error, "the peers could not be saved");
            }
        }
    }
}

fn line(peer: &PeerEntry) -> String {
    let namer = peer.destination().namer();
    let before = Before {
        id: peer.id,
        kind: peer.kind,
        is_chosen: peer.is_chosen,
        namer: (!peer.is_named_by_owner()).then_some(namer),
    };
    line_of(&peer.url, before, peer.counts())
}

/// Returns the saved line of a dropped peer: it does not count before it has answered again.
fn lost_line(lost: &Lost) -> String {
    line_of(&lost.url, lost.before, false)
}

fn line_of(url: &PeerUrl, before: Before, counts: bool) -> String {
    let id = before
        .id
        .map_or_else(|| "-".to_owned(), |id| id.to_string());
    let standing = match (before.is_chosen, counts) {
        (true, _) => Some(CHOSEN),
        (false, true) => None,
        (false, false) => Some(CANDIDATE),
    };
    let kind = (before.kind == Some(PeerKind::Sixhop)).then_some(NODE);
    let namer = before.namer.map(word);
    let words = [Some(url.as_str()), Some(&id), standing, namer, kind];
    let words: Vec<&str> = words.into_iter().flatten().collect();
    format!("{}\n", words.join(" "))
}

/// A saved peer.
struct Saved {
    url: PeerUrl,
    is_candidate: bool,
    before: Before,
}

impl Saved {
    /// Reads a line. One of an earlier version has no scope: then what the URL says
    /// counts, unless the owner named it. Nor has it a kind; only a Sixhop node has shown who it is.
    fn read(line: &str) -> Option<Saved> {
        let mut words = line.split_whitespace();
        let url = PeerUrl::parse(words.next()?).ok()?;
        let id = words.next().and_then(|id| id.parse().ok());
        let rest: Vec<&str> = words.collect();
        let is_chosen = rest.contains(&CHOSEN);
        let saved = SCOPES
            .into_iter()
            .find(|scope| rest.contains(&word(*scope)));
        let said = (!is_chosen).then(|| Scope::of_host(&url));
        let is_node = rest.contains(&NODE) || id.is_some();
        Some(Saved {
            is_candidate: rest.contains(&CANDIDATE),
            before: Before {
                id,
                kind: is_node.then_some(PeerKind::Sixhop),
                is_chosen,
                namer: saved.or(said),
            },
            url,
        })
    }
}

fn word(scope: Scope) -> &'static str {
    match scope {
        Scope::Machine => "machine",
        Scope::Network => "network",
        Scope::World => "world",
    }
}

fn load_pins(pins: &Pins, state: &StateDir) {
    match state.read(PINS_FILE) {
        Ok(text) => pins.read_text(&text.unwrap_or_default()),
        Err(error) => tracing::warn!(%error, "the ids of the saved peers could not be read"),
    }
}

fn load(overlay: &Overlay, state: &StateDir) {
    match state.read(PEERS_FILE) {
        Ok(text) => overlay.load_peers(&text.unwrap_or_default()),
        Err(error) => tracing::warn!(%error, "the saved peers could not be read"),
    }
}

impl Overlay {
    /// Returns the peers as [`PEERS_FILE`] has them, those too that were dropped and are looked for.
    #[must_use]
    pub fn saved_peers(&self) -> String {
        let peers = self.peers();
        let known: String = peers.list().iter().map(line).collect();
        let lost: String = peers.lost().map(lost_line).collect();
        [known, lost].concat()
    }

    /// Takes up the peers that an earlier run saved.
    pub fn load_peers(&self, text: &str) {
        for saved in text.lines().filter_map(Saved::read) {
            let source = if saved.is_candidate {
                KnownFrom::Hello
            } else {
                KnownFrom::Saved
            };
            self.add(&saved.url, source);
            if saved.before.namer.is_none() {
                self.standing.call_scope.trust(&saved.url);
            }
            self.peers().remember(&saved.url, saved.before);
        }
    }
}

#[cfg(test)]
mod tests;
