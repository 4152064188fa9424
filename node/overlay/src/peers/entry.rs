//! The entry of one peer in the table.

use std::{
    net::IpAddr,
    time::{Duration, Instant, SystemTime},
};

use node_wire::{NodeName, dialect::Dialect, node_id::NodeId, peer_url::PeerUrl, scope::Scope};

use super::{INTRODUCTION_PAUSE_MAX, PAUSE, network::Network};
use node_transport::{Destination, PeerKind, TARGET_PAUSE, Turn};

/// The weight of the last call in the reliability of a peer, from 0 to 1.
const LAST_CALL: f64 = 0.2;

/// A latency that makes a peer worth half as much.
const SLOW: f64 = 1.0;

/// Pauses after which a candidate is called again that a `hello` named: its node may
/// be starting.
pub(super) const HELLO_PAUSES: [Duration; 4] = [
    Duration::from_secs(2),
    Duration::from_secs(10),
    Duration::from_secs(30),
    Duration::from_secs(60),
];

/// The way in which a peer became known.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KnownFrom {
    /// An option, a configuration file or a file of URLs.
    Settings,
    /// Saved by an earlier run.
    Saved,
    /// The owner, over the control connection.
    Owner,
    /// A `hello` from the network.
    Hello,
    /// A peer named it.
    Exchange,
    /// Heard of in the local network.
    Lan,
    /// Heard of through the distributed hash table.
    Dht,
    /// It was a peer, could not be reached, and may be there again.
    Lost,
}

impl KnownFrom {
    /// Returns its name in events.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            KnownFrom::Settings => "settings",
            KnownFrom::Saved => "saved",
            KnownFrom::Owner => "owner",
            KnownFrom::Hello => "hello",
            KnownFrom::Exchange => "exchange",
            KnownFrom::Lan => "lan",
            KnownFrom::Dht => "dht",
            KnownFrom::Lost => "lost",
        }
    }
}

/// The state of one peer.
#[derive(Clone, Debug)]
pub struct PeerEntry {
    /// Its URL.
    pub url: PeerUrl,
    /// The dialect in which it answered, once it has.
    pub dialect: Option<Dialect>,
    /// The kind of node, once it has answered.
    pub kind: Option<PeerKind>,
    /// The way in which it became known.
    pub source: KnownFrom,
    /// Failures in a row.
    pub failures: u32,
    /// The time of its last answer.
    pub last_answer: Option<SystemTime>,
    /// Time of its answer to the last introduction.
    pub latency: Option<Duration>,
    /// The error of its last call, while it is failing.
    pub last_error: Option<String>,
    /// The reason for which it answers introductions alone, as a member of a private network does.
    pub(super) refusal: Option<String>,
    /// Its address, once it was called there.
    pub address: Option<IpAddr>,
    /// Its proved identity, of this run or an earlier one.
    pub id: Option<NodeId>,
    /// The name that it gives itself.
    pub name: Option<NodeName>,
    /// The identity that is expected there, if the namer gave one.
    pub(super) expected: Option<NodeId>,
    /// The identity of another URL that it says is its own too.
    pub(super) claimed: Option<NodeId>,
    /// The features that it announces.
    pub features: Vec<String>,
    /// True if the owner named it, in this run or an earlier one.
    pub is_chosen: bool,
    /// The scope of the nearest stranger that named this URL; none if the owner did.
    pub(super) namer: Option<Scope>,
    /// The part of its calls that it answered, the last ones counting most.
    reliability: f64,
    /// Not asked before this time.
    pub(super) retry_at: Option<Instant>,
    /// The time to introduce this node to it; `None` when that is done.
    pub(super) introduce_at: Option<Instant>,
    /// The stranger who caused its introduction, if it was one.
    pub(super) named_by: Option<Stranger>,
    /// True while an introduction to it is running.
    pub(super) is_introducing: bool,
    /// True if it has answered, and its proof of identity is awaited.
    pub(super) is_proving: bool,
    pub(super) introductions: u32,
    /// Number of times in a row that it answered and could not be asked for its identity.
    unproved: u32,
    /// The time when it became known.
    pub(super) known_at: Instant,
    /// Order in which peers became known, to make room for newer ones.
    pub since: u64,
}

/// The result of an introduction to a peer.
#[derive(Clone, Debug)]
pub struct Met {
    /// The kind of node.
    pub kind: PeerKind,
    /// The dialect in which it answered, if that was seen.
    pub dialect: Option<Dialect>,
    /// Time to its answer.
    pub latency: Duration,
    /// The address at which it was called, if that was chosen.
    pub address: Option<IpAddr>,
    /// Its proved identity.
    pub id: Option<NodeId>,
    /// The name that it gives itself.
    pub name: Option<NodeName>,
    /// The features that it announces.
    pub features: Vec<String>,
}

/// The state of a peer in an earlier run, or before it was dropped.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Before {
    /// Its proved identity.
    pub id: Option<NodeId>,
    /// The kind of node.
    pub kind: Option<PeerKind>,
    /// True if the owner had named it.
    pub is_chosen: bool,
    /// The scope of the stranger who had named its URL; none for the owner.
    pub namer: Option<Scope>,
}

/// A stranger that named a peer; the address, if it is known.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Stranger(pub Option<IpAddr>);

impl KnownFrom {
    /// Pauses after which a candidate that did not answer is called again, until it is
    /// forgotten. One that nobody answers for is called once, and so is one that is
    /// looked for again later.
    fn pauses(self) -> &'static [Duration] {
        match self {
            KnownFrom::Hello => &HELLO_PAUSES,
            KnownFrom::Lan | KnownFrom::Dht | KnownFrom::Lost => &[],
            _ => &[TARGET_PAUSE],
        }
    }

    /// Returns true if the owner named the peer in this run.
    #[must_use]
    pub fn is_owner(self) -> bool {
        matches!(self, KnownFrom::Settings | KnownFrom::Owner)
    }

    /// Returns the scope of the peer at the address `by` that named `url`; none for the owner.
    /// Without an address, the scope of the URL counts.
    pub(super) fn namer(self, url: &PeerUrl, by: Option<IpAddr>) -> Option<Scope> {
        let scope = || by.map_or_else(|| Scope::of_host(url), Scope::of_source);
        (!self.is_owner()).then(scope)
    }

    /// Returns true if this owner chose the peer, or it proved itself to an earlier run.
    #[must_use]
    pub fn is_trusted(self) -> bool {
        matches!(
            self,
            KnownFrom::Settings | KnownFrom::Saved | KnownFrom::Owner
        )
    }
}

impl PeerEntry {
    pub(super) fn new(url: PeerUrl, source: KnownFrom, now: Instant, since: u64) -> PeerEntry {
        PeerEntry {
            url,
            dialect: None,
            kind: None,
            source,
            failures: 0,
            last_answer: None,
            latency: None,
            last_error: None,
            refusal: None,
            address: None,
            id: None,
            name: None,
            expected: None,
            claimed: None,
            features: Vec::new(),
            is_chosen: source.is_owner(),
            namer: None,
            reliability: 0.0,
            retry_at: None,
            introduce_at: Some(now),
            unproved: 0,
            named_by: None,
            is_introducing: false,
            is_proving: false,
            introductions: 0,
            known_at: now,
            since,
        }
    }

    /// Returns the destination for calls to it.
    #[must_use]
    pub fn destination(&self) -> Destination {
        let destination = match self.namer {
            None => Destination::of_owner(self.url.clone()),
            Some(scope) => Destination::met(self.url.clone(), scope),
        };
        destination.expecting(self.expected)
    }

    /// Returns true if the owner named it, or it has proved its identity. Only
    /// then it learns what the owner looks for.
    #[must_use]
    pub fn is_met(&self) -> bool {
        self.is_chosen || self.id.is_some()
    }

    /// Returns true if it is a chapter peer, which cannot prove its identity.
    #[must_use]
    pub fn is_of_chapter(&self) -> bool {
        self.kind == Some(PeerKind::Book)
    }

    /// Returns true if the owner named this URL.
    #[must_use]
    pub fn is_named_by_owner(&self) -> bool {
        self.namer.is_none()
    }

    /// Returns the destination for a call that a stranger's introduction causes.
    pub(super) fn heard_of(&self) -> Destination {
        let scope = self.namer.unwrap_or(Scope::Machine);
        Destination::heard(self.url.clone(), scope).expecting(self.expected)
    }

    /// Returns true if it counts: a stranger's word alone makes no peer, its answer does.
    #[must_use]
    pub fn counts(&self) -> bool {
        self.source.is_trusted() || self.last_answer.is_some()
    }

    /// Returns whether it is a Sixhop node that answered in this run and whose last call did not fail.
    #[must_use]
    pub fn is_answering_node(&self) -> bool {
        self.kind == Some(PeerKind::Sixhop) && !self.is_away()
    }

    /// Returns whether it has not answered yet, or its last call failed.
    #[must_use]
    pub fn is_away(&self) -> bool {
        self.last_answer.is_none() || self.failures > 0
    }

    /// Returns true if this node is to be introduced to it now.
    #[must_use]
    pub fn is_due(&self, now: Instant) -> bool {
        !self.is_introducing && self.introduce_at.is_some_and(|at| at <= now)
    }

    /// Returns true if it has proved or claims the identity `id`, or the owner says that it
    /// has. A stranger's word about somebody else's URL does not count.
    pub(super) fn is_or_claims(&self, id: NodeId) -> bool {
        let is_said = self.is_chosen && self.expected == Some(id);
        self.id == Some(id) || self.claimed == Some(id) || is_said
    }

    /// Notes who is to be there. What the owner says stays, and so does who was met; of what
    /// strangers say the last word counts, so that none keeps others away.
    pub(super) fn expect(&mut self, id: Option<NodeId>, source: KnownFrom) {
        if source.is_owner() {
            self.expected = id.or(self.expected);
        } else if !self.is_chosen && self.id.is_none() {
            self.expected = id;
        }
    }

    /// Takes over the entry of the same peer that is known as `other`.
    pub(super) fn takes_over(&mut self, other: &PeerEntry) {
        self.is_chosen |= other.is_chosen;
        self.kind = self.kind.or(other.kind);
        if other.source.is_trusted() && !self.source.is_trusted() {
            self.source = other.source;
        }
    }

    /// Returns the turn of the next call to it, as far as strangers cause it.
    pub(super) fn turn(&self) -> Turn {
        if self.counts() || self.introductions == 0 {
            Turn::First
        } else {
            Turn::Again
        }
    }

    /// Returns its rank among the peers to ask, from 0 to 1; more is better.
    #[must_use]
    pub fn score(&self) -> f64 {
        let seconds = self.latency.map_or(SLOW, |latency| latency.as_secs_f64());
        self.reliability * SLOW / (SLOW + seconds)
    }

    /// Returns the network it is in, if it is one in which peers are counted.
    pub(super) fn network(&self) -> Option<Network> {
        self.address.or_else(|| self.url.ip()).and_then(Network::of)
    }

    /// Notes that it was named again. An owner who names it makes it more than a stranger.
    /// A stranger who names it when it does not answer says that it may be there
    /// again, which is looked into once.
    pub(super) fn named_again(&mut self, source: KnownFrom, by: Stranger, now: Instant) {
        self.is_chosen |= source.is_owner();
        self.namer = self.namer.min(source.namer(&self.url, by.0));
        if source.is_trusted() {
            self.retry_at = None;
            self.named_by = None;
            if !self.source.is_trusted() {
                self.source = source;
                if self.last_answer.is_none() {
                    self.introduce_at = Some(now);
                }
            }
        } else if self.counts() && self.failures > 0 && self.introduce_at.is_none() {
            self.named_by = Some(by);
            self.introduce_at = Some(now);
        }
    }

    pub(super) fn answered(&mut self, kind: PeerKind, dialect: Option<Dialect>) {
        self.failures = 0;
        self.retry_at = None;
        self.last_error.clone_from(&self.refusal);
        self.last_answer = Some(SystemTime::now());
        // A proxy in front of a node may take its header away; its proof stays.
        self.kind = Some(match self.id {
            Some(_) => PeerKind::Sixhop,
            None => kind,
        });
        self.dialect = dialect.or(self.dialect);
        self.rate(1.0);
    }

    /// Notes that it was reached, and its call brought nothing.
    pub(super) fn unreadable(&mut self, error: &str) {
        self.last_error = Some(error.to_owned());
        self.rate(0.0);
    }

    /// Notes that it lets this node do no more than introduce itself, or that it does.
    pub(super) fn refuses(&mut self, refusal: Option<&str>) {
        if self.refusal.as_deref() != refusal {
            self.refusal = refusal.map(str::to_owned);
            self.last_error.clone_from(&self.refusal);
        }
    }

    pub(super) fn failed(&mut self, error: &str, now: Instant) {
        self.failures += 1;
        self.last_error = Some(error.to_owned());
        self.retry_at = Some(now + PAUSE * (1 << (self.failures - 1).min(6)));
        self.rate(0.0);
    }

    /// Notes that an introduction failed. It is tried again after a growing pause, a
    /// stranger's candidate a few times only. Says whether it stays.
    pub(super) fn not_introduced(&mut self, error: &str, now: Instant) -> bool {
        self.is_introducing = false;
        self.last_error = Some(error.to_owned());
        self.introductions += 1;
        if !self.counts() {
            let calls = self.introductions as usize;
            let pause = self.source.pauses().get(calls - 1);
            self.introduce_at = pause.map(|pause| now + *pause);
            return pause.is_some();
        }
        let pause = (PAUSE * (1 << self.introductions.min(6))).min(INTRODUCTION_PAUSE_MAX);
        self.introduce_at = self.source.is_trusted().then_some(now + pause);
        self.named_by = None;
        true
    }

    pub(super) fn met(&mut self, met: Met) {
        self.answered(met.kind, met.dialect);
        self.latency = Some(met.latency);
        self.address = met.address.or(self.address);
        self.is_proving = met.kind == PeerKind::Sixhop && met.id.is_none();
        self.id = met.id.or(self.id);
        if met.id.is_some() {
            self.name = met.name;
            self.features = met.features;
            self.unproved = 0;
        }
        self.introduce_at = None;
        self.is_introducing = false;
        self.named_by = None;
    }

    /// Notes that it answered and could not be asked for its identity now. It is introduced again after a growing
    /// pause; one that the owner did not name, a few times only.
    pub(super) fn not_asked_who(&mut self, now: Instant) {
        self.is_proving = false;
        let pause = if self.source.is_trusted() {
            Some((PAUSE * (1 << self.unproved.min(6))).min(INTRODUCTION_PAUSE_MAX))
        } else {
            HELLO_PAUSES.get(self.unproved as usize).copied()
        };
        self.unproved += 1;
        self.introduce_at = pause.map(|pause| now + pause);
    }

    /// Returns true if the node met at the URL has another identity than the one before.
    pub(super) fn is_another(&self, met: &Met) -> bool {
        self.id.is_some_and(|id| match met.id {
            Some(new) => new != id,
            None => met.kind == PeerKind::Book,
        })
    }

    fn rate(&mut self, last: f64) {
        self.reliability += LAST_CALL * (last - self.reliability);
    }
}
