//! The holders of the content: the results of a search, sorted by digest.
//!
//! Peers may have different content under one name. The first that can prove
//! its content is taken; the others are kept, to be tried if it fails. When the
//! search for a digest is over, or the first peers do not have it, the holders in an
//! external index are asked. If its holders cannot be reached from here, they are asked
//! through the nodes that named them.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use node_wire::{
    About, Digest, Find, FindHit, FindWanted, Found, fault::MissReason, limits::FIND_HITS_MAX,
    name::ShareName, peer_url::PeerUrl,
};
use tokio::{select, time::sleep};

use crate::{
    client::{CallError, Destination, TransportError},
    clock::now,
    overlay::{Advance, Finder, Holder, Overlay, Unreachable},
    sync::lock,
};

/// Longest wait for a peer to know the digest of a file that it has.
const DIGEST_WAIT: Duration = Duration::from_secs(300);

/// The same for one that does not show that it reads files.
const DIGEST_PATIENCE: Duration = Duration::from_secs(10);

/// Bytes that it has to read in that time.
const DIGEST_PROGRESS: u64 = 1024 * 1024;

/// Pause before it is asked again.
const DIGEST_PAUSE: Duration = Duration::from_millis(500);

/// Longest wait for an answer to that.
const DIGEST_ANSWER: Duration = Duration::from_secs(5);

/// Nodes named by an index that are asked at a time.
const NAMED_AT_A_TIME: usize = 4;

/// Most nodes that are asked through neighbours.
const NEIGHBOURS_MAX: usize = 4;

/// Most pages of the hits of one holder.
const PAGES_MAX: usize = 100;

/// Most sources that are kept of one kind.
const KEPT_MAX: usize = 256;

/// HTTP: a node could not pass on its peer's content.
const BAD_GATEWAY: u16 = 502;

/// Content larger than this is worth a search for all its holders.
const MANY_FROM: u64 = 1024 * 1024;

/// A peer that says that it has the content.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Source {
    pub(super) peer: Destination,
    pub(super) size: u64,
    pub(super) digest: Digest,
    /// The metadata of the file, by its word.
    pub(super) about: About,
    /// The holder, if it cannot be reached from here and the peer passes its content on.
    pub(super) through: Option<PeerUrl>,
}

/// The failure of a holder.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) peer: String,
    pub(super) error: Fault,
}

/// The two kinds of wrong.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    /// Its bytes do not match the digest.
    Lied,
    /// It broke off.
    BrokeOff(CallError),
}

impl Failure {
    pub(super) fn lied(peer: &PeerUrl) -> Failure {
        Failure {
            peer: peer.as_str().to_owned(),
            error: Fault::Lied,
        }
    }

    /// Returns the failure for an error of a call. A tree that does not make its digest is a lie.
    pub(super) fn of(peer: &PeerUrl, error: CallError) -> Failure {
        let error = match error {
            CallError::Tree(_) => Fault::Lied,
            error => Fault::BrokeOff(error),
        };
        Failure {
            peer: peer.as_str().to_owned(),
            error,
        }
    }

    /// Returns whether the holder may deliver later: it could not be reached, or broke off.
    pub(super) fn is_away(&self) -> bool {
        matches!(
            &self.error,
            Fault::BrokeOff(
                CallError::Transport(
                    TransportError::Connection(_)
                        | TransportError::Unreachable(_)
                        | TransportError::Status {
                            status: BAD_GATEWAY,
                            ..
                        },
                ) | CallError::Deadline
                    | CallError::TooSlow
                    | CallError::Short
            )
        )
    }

    /// Returns whether the holder has other content by now, or none.
    pub(super) fn is_gone(&self) -> bool {
        matches!(self.error, Fault::BrokeOff(CallError::Absent))
    }

    pub(super) fn is_lie(&self) -> bool {
        matches!(self.error, Fault::Lied)
    }

    /// Returns the time after which a busy holder wants to be asked again. It is not at fault.
    pub(super) fn busy_for(&self) -> Option<Duration> {
        match self.error {
            Fault::BrokeOff(CallError::Busy(wait)) => Some(wait),
            _ => None,
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.error {
            Fault::Lied => f.write_str("it sent bytes that are not what the digest says"),
            Fault::BrokeOff(error) => error.fmt(f),
        }
    }
}

/// The holders that were caught with wrong bytes of one file. They are not asked for it again.
#[derive(Debug, Default)]
pub(super) struct Liars(Mutex<BTreeSet<String>>);

impl Liars {
    pub(super) fn add(&self, peer: &PeerUrl) {
        lock(&self.0).insert(peer.key());
    }

    pub(super) fn contains(&self, peer: &PeerUrl) -> bool {
        lock(&self.0).contains(&peer.key())
    }

    pub(super) fn peers(&self) -> Vec<PeerUrl> {
        let keys = lock(&self.0);
        keys.iter()
            .filter_map(|key| PeerUrl::parse(key).ok())
            .collect()
    }
}

/// The holders that are busy, and when each wants to be asked again.
#[derive(Debug, Default)]
pub(super) struct Busy(Mutex<BTreeMap<String, Instant>>);

impl Busy {
    pub(super) fn add(&self, peer: &PeerUrl, until: Instant) {
        lock(&self.0).insert(peer.key(), until);
    }

    /// Notes that a peer gave another answer, or none.
    pub(super) fn remove(&self, peer: &PeerUrl) {
        lock(&self.0).remove(&peer.key());
    }

    pub(super) fn until(&self, peer: &PeerUrl) -> Option<Instant> {
        lock(&self.0).get(&peer.key()).copied()
    }

    /// Forgets those that may be asked again by `now`.
    pub(super) fn forget_passed(&self, now: Instant) {
        lock(&self.0).retain(|_, until| *until > now);
    }

    /// Returns when the first of them wants to be asked again.
    pub(super) fn first(&self) -> Option<Instant> {
        lock(&self.0).values().min().copied()
    }
}

/// The search for one content and its results.
pub(super) struct Sources {
    overlay: Arc<Overlay>,
    name: ShareName,
    finder: Finder,
    found: VecDeque<Source>,
    /// Peers that have the file and do not know its digest yet.
    reading: VecDeque<Destination>,
    asked_before: usize,
    /// Answers of the holders in an external index, which is not asked before this is
    /// polled.
    named: BoxStream<'static, Option<Source>>,
    /// Answers of former holders.
    former: BoxStream<'static, Option<Source>>,
    wanted: FindWanted,
    /// True if a holder can be reached from here.
    is_reached: bool,
    /// True if neighbours were asked for holders that cannot be reached.
    asked_neighbours: bool,
    /// Answers of these through neighbours.
    passed: BoxStream<'static, Option<Source>>,
}

impl Sources {
    /// Begins to search for `wanted`; the file is to have `name`.
    /// A source that is known already comes first.
    pub(super) fn search(
        overlay: &Arc<Overlay>,
        name: ShareName,
        wanted: FindWanted,
        known: Option<Source>,
    ) -> Sources {
        let named = match &wanted {
            FindWanted::Digest(digest) => named(Arc::clone(overlay), *digest),
            _ => stream::empty().boxed(),
        };
        Sources {
            finder: Finder::begin(overlay, wanted.clone()),
            overlay: Arc::clone(overlay),
            name,
            wanted,
            is_reached: known.is_some(),
            asked_neighbours: false,
            passed: stream::empty().boxed(),
            found: known.into_iter().collect(),
            reading: VecDeque::new(),
            asked_before: 0,
            named,
            former: stream::empty().boxed(),
        }
    }

    /// Begins to search for the content `digest`, also at peers that had it before.
    pub(super) fn search_content(
        overlay: &Arc<Overlay>,
        name: ShareName,
        digest: Digest,
        former: Vec<Destination>,
    ) -> Sources {
        let asked = Arc::clone(overlay);
        let answers = stream::iter(former).map(move |peer| ask(Arc::clone(&asked), peer, digest));
        Sources {
            former: answers.buffer_unordered(NAMED_AT_A_TIME).boxed(),
            ..Sources::search(overlay, name, FindWanted::Digest(digest), None)
        }
    }

    /// Returns the next source of any content. Waits for peers that are reading the
    /// file for its digest. `None` when nobody is left.
    pub(super) async fn next(&mut self) -> Option<Source> {
        match self.next_known().await {
            Some(source) => Some(source),
            None => self.wait_for_digest().await,
        }
    }

    /// Returns the next source whose digest is known. `None` when nobody is left.
    pub(super) async fn next_known(&mut self) -> Option<Source> {
        self.finder.want_another();
        loop {
            if let Some(source) = self.found.pop_front() {
                return Some(source);
            }
            if !self.find_more().await {
                return None;
            }
        }
    }

    /// Returns the next source of the content `digest`, which has this size; others are kept.
    pub(super) async fn next_of(&mut self, digest: Digest, size: u64) -> Option<Source> {
        if size > MANY_FROM {
            self.finder.want_all();
        }
        let mut is_searching = true;
        loop {
            let same = |source: &Source| source.digest == digest;
            if let Some(at) = self.found.iter().position(same) {
                return self.found.remove(at);
            }
            select! {
                biased;
                came = self.finder.advance(), if is_searching => match came {
                    Advance::Found(holder) => self.keep(holder),
                    Advance::Going => {}
                    Advance::Over => {
                        is_searching = false;
                        self.ask_neighbours();
                    }
                },
                Some(answer) = self.former.next() => self.found.extend(answer),
                Some(answer) = self.passed.next() => self.found.extend(answer),
                else => return None,
            }
        }
    }

    /// Waits for one more to answer: a node that the search leads to, and when it
    /// is over or looks for something rare, one that an index names. Says whether
    /// there was one.
    async fn find_more(&mut self) -> bool {
        let mut is_searching = true;
        loop {
            let asks_index = !is_searching || self.finder.is_rare();
            select! {
                biased;
                came = self.finder.advance(), if is_searching => match came {
                    Advance::Found(holder) => {
                        self.keep(holder);
                        return true;
                    }
                    Advance::Going => {}
                    Advance::Over => {
                        is_searching = false;
                        self.ask_neighbours();
                    }
                },
                Some(answer) = self.passed.next() => {
                    self.found.extend(answer);
                    return true;
                }
                Some(answer) = self.former.next() => {
                    self.found.extend(answer);
                    return true;
                }
                Some(answer) = self.named.next(), if asks_index => {
                    self.asked_before += 1;
                    self.found.extend(answer);
                    return true;
                }
                else => return false,
            }
        }
    }

    /// Returns the number of peers asked so far.
    pub(super) fn asked(&self) -> usize {
        self.asked_before + self.finder.asked()
    }

    /// Returns the reason why more might be found.
    pub(super) fn verdict(&self) -> MissReason {
        self.finder.verdict()
    }

    /// Returns true if peers that give no digests may have the file.
    pub(super) fn others_seen(&self) -> bool {
        self.finder.others_seen()
    }

    /// Returns true if a Sixhop node knows such peers.
    pub(super) fn others_behind(&self) -> bool {
        self.finder.others_behind()
    }

    /// Returns the number of nodes that may have it and cannot be reached from here.
    pub(super) fn unreachable(&self) -> usize {
        self.finder.unreachable().len()
    }

    /// Begins to ask those who named nodes that cannot be reached from here to ask them. What can be reached comes
    /// straight.
    fn ask_neighbours(&mut self) {
        if self.is_reached || std::mem::replace(&mut self.asked_neighbours, true) {
            return;
        }
        let (overlay, wanted) = (Arc::clone(&self.overlay), self.wanted.clone());
        let holders = self.finder.unreachable().into_iter().take(NEIGHBOURS_MAX);
        let answers = stream::iter(holders)
            .map(move |holder| ask_through(Arc::clone(&overlay), holder, wanted.clone()));
        self.passed = answers.buffer_unordered(NAMED_AT_A_TIME).boxed();
    }

    fn keep(&mut self, holder: Holder) {
        self.is_reached = true;
        for hit in holder.hits {
            let peer = holder.peer.clone();
            match hit.digest {
                Some(digest) if self.found.len() < KEPT_MAX => self.found.push_back(Source {
                    peer,
                    size: hit.size,
                    about: hit.about(),
                    through: None,
                    digest,
                }),
                None if self.reading.len() < KEPT_MAX => self.reading.push_back(peer),
                _ => {}
            }
        }
    }

    /// Asks those that have the file and not its digest again. All others were tried
    /// before; where peers of another kind may have it, these are not kept waiting.
    async fn wait_for_digest(&mut self) -> Option<Source> {
        let mut patience = Patience::new(self.others_seen(), now());
        while let Some(peer) = self.reading.front().cloned() {
            if patience.is_over(now()) {
                return None;
            }
            sleep(DIGEST_PAUSE).await;
            let find = Find {
                deadline: None,
                wanted: FindWanted::Name(self.name.as_str().to_owned()),
                after: None,
                limit: 1,
                through: None,
            };
            let client = self.overlay.client();
            let found = client.find(&peer, &find, now() + DIGEST_ANSWER).await;
            let hit = found
                .ok()
                .and_then(|found| found.value.hits.into_iter().next())
                .filter(|hit| hit.name == self.name.as_str());
            match hit {
                Some(hit) => {
                    if let Some(digest) = hit.digest {
                        self.reading.pop_front();
                        return Some(Source {
                            peer,
                            size: hit.size,
                            about: hit.about(),
                            through: None,
                            digest,
                        });
                    }
                    patience.shows(&peer, hit.hashed, now());
                    self.reading.rotate_left(1);
                }
                None => drop(self.reading.pop_front()),
            }
        }
        None
    }
}

/// The time that peers are waited for that do not know a digest yet.
#[derive(Debug)]
struct Patience {
    /// True if a peer that is at work gets more time.
    is_patient: bool,
    begun: Instant,
    progressed: Instant,
    /// The bytes that each had read when it last got more time.
    read: HashMap<String, u64>,
}

impl Patience {
    fn new(others_wait: bool, now: Instant) -> Patience {
        Patience {
            is_patient: !others_wait,
            begun: now,
            progressed: now,
            read: HashMap::new(),
        }
    }

    /// Notes how many bytes a peer says that it has read.
    fn shows(&mut self, peer: &PeerUrl, hashed: Option<u64>, now: Instant) {
        let Some(hashed) = hashed.filter(|_| self.is_patient) else {
            return;
        };
        let before = self.read.entry(peer.key()).or_insert(hashed);
        if hashed >= before.saturating_add(DIGEST_PROGRESS) {
            *before = hashed;
            self.progressed = now;
        }
    }

    fn is_over(&self, now: Instant) -> bool {
        now >= self.progressed + DIGEST_PATIENCE || now >= self.begun + DIGEST_WAIT
    }
}

/// Returns the answers of the holders that an index names for `digest`.
fn named(overlay: Arc<Overlay>, digest: Digest) -> BoxStream<'static, Option<Source>> {
    let asked = Arc::clone(&overlay);
    let peers = stream::once(async move { overlay.holders(digest).await });
    let answers = peers.flat_map(stream::iter).map(move |peer| {
        let overlay = Arc::clone(&asked);
        async move {
            let hit = overlay.ask_holder(&peer, digest).await?;
            Some(Source {
                peer,
                size: hit.size,
                digest,
                about: hit.about(),
                through: None,
            })
        }
    });
    answers.buffer_unordered(NAMED_AT_A_TIME).boxed()
}

/// Asks `peer` for `digest` again.
async fn ask(overlay: Arc<Overlay>, peer: Destination, digest: Digest) -> Option<Source> {
    let find = Find {
        wanted: FindWanted::Digest(digest),
        after: None,
        limit: 1,
        deadline: None,
        through: None,
    };
    let found = overlay
        .client()
        .find(&peer, &find, now() + DIGEST_ANSWER)
        .await;
    let hits = found.ok()?.value.hits;
    let hit = hits.into_iter().find(|hit| hit.digest == Some(digest))?;
    Some(Source {
        peer,
        size: hit.size,
        about: hit.about(),
        through: None,
        digest,
    })
}

/// Asks a holder through the neighbour that named it.
async fn ask_through(
    overlay: Arc<Overlay>,
    holder: Unreachable,
    wanted: FindWanted,
) -> Option<Source> {
    let find = Find {
        wanted,
        after: None,
        limit: 1,
        deadline: None,
        through: Some(holder.peer.as_str().to_owned()),
    };
    let (passed, found) = ask_neighbour(&overlay, &holder, &find).await?;
    let hit = found.hits.into_iter().next()?;
    let is_wanted = match &find.wanted {
        FindWanted::Name(name) => hit.name == *name,
        FindWanted::Digest(digest) => hit.digest == Some(*digest),
        FindWanted::Query(_) => false,
    };
    passed.source(&hit).filter(|_| is_wanted)
}

/// Asks the neighbour that named a holder what that has. `None` if it does not pass that on.
async fn ask_neighbour(
    overlay: &Overlay,
    holder: &Unreachable,
    find: &Find,
) -> Option<(Passed, Found)> {
    let neighbour = overlay.destination(&holder.by);
    let deadline = now() + DIGEST_ANSWER;
    let found = overlay.client().find(&neighbour, find, deadline).await;
    let found = found.ok()?.value;
    // A node that does not know of this answers for itself.
    let holder_asked = PeerUrl::parse(found.through.as_ref()?).ok()?;
    let passed = Passed {
        neighbour,
        holder: holder_asked,
    };
    passed
        .holder
        .same_peer(&holder.peer)
        .then_some((passed, found))
}

/// A holder that cannot be reached from here, and the neighbour that passes its content on.
#[derive(Clone, Debug)]
pub(super) struct Passed {
    neighbour: Destination,
    holder: PeerUrl,
}

impl Passed {
    /// Returns where the content of this hit comes from, if its digest is known.
    pub(super) fn source(&self, hit: &FindHit) -> Option<Source> {
        Some(Source {
            peer: self.neighbour.clone(),
            size: hit.size,
            digest: hit.digest?,
            about: hit.about(),
            through: Some(self.holder.clone()),
        })
    }
}

/// Returns what holders that cannot be reached from here have that matches `query`, page by page, as the neighbours say
/// that named them.
pub(super) fn pages_through(
    overlay: &Arc<Overlay>,
    holders: Vec<Unreachable>,
    query: String,
) -> BoxStream<'static, (Passed, Vec<FindHit>)> {
    let overlay = Arc::clone(overlay);
    let pages = holders.into_iter().take(NEIGHBOURS_MAX).map(move |holder| {
        let first = Some(PageAsked {
            overlay: Arc::clone(&overlay),
            holder,
            query: query.clone(),
            after: None,
            left: PAGES_MAX,
        });
        stream::unfold(first, |asked| async move { asked?.page().await }).boxed()
    });
    stream::select_all(pages.collect::<Vec<_>>()).boxed()
}

/// A page of the hits of a holder, to be asked for.
struct PageAsked {
    overlay: Arc<Overlay>,
    holder: Unreachable,
    query: String,
    after: Option<String>,
    left: usize,
}

impl PageAsked {
    /// Returns the page, and the one behind it if there is one.
    async fn page(self) -> Option<((Passed, Vec<FindHit>), Option<PageAsked>)> {
        let find = Find {
            wanted: FindWanted::Query(self.query.clone()),
            after: self.after.clone(),
            limit: FIND_HITS_MAX,
            deadline: None,
            through: Some(self.holder.peer.as_str().to_owned()),
        };
        let (passed, found) = ask_neighbour(&self.overlay, &self.holder, &find).await?;
        let last = found.hits.last().map(|hit| hit.name.clone());
        let goes_on = found.more && last > self.after && self.left > 1;
        let next = goes_on.then(|| PageAsked {
            after: last,
            left: self.left - 1,
            ..self
        });
        Some(((passed, found.hits), next))
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use bytes::Bytes;
    use futures_util::{FutureExt, future::BoxFuture};
    use node_wire::response;

    use super::*;
    use crate::{
        client::{Client, MemoryTransport, TransportError},
        counters::Counters,
        events::EventLog,
        overlay::{self, Providers},
    };

    type Reply = Result<Vec<Bytes>, TransportError>;

    const DIGEST: Digest = Digest::from_bytes([1; 32]);

    fn url(n: usize) -> PeerUrl {
        PeerUrl::parse(&format!("http://127.0.0.1:{}/", 10_000 + n)).unwrap()
    }

    /// An index that names one node.
    #[derive(Debug)]
    struct Names(usize);

    impl Providers for Names {
        fn holders(&self, _: Digest) -> BoxFuture<'_, Vec<PeerUrl>> {
            async { vec![url(self.0)] }.boxed()
        }
    }

    /// Creates node 0, with so many peers that have nothing, one that never answers, and an
    /// index that names one that has it.
    fn searching(peers: usize) -> Sources {
        let transport = MemoryTransport::default();
        let answer = |hits| {
            let found = Found {
                hits,
                ..Found::default()
            };
            response::value(&found.to_value())
        };
        let (silent, holder) = (peers + 1, peers + 2);
        let nothing = answer(Vec::new());
        for n in 1..=peers {
            let nothing = nothing.clone();
            transport.add(&url(n), move |_| {
                let nothing = nothing.clone().into();
                async move { Ok(vec![nothing]) }.boxed()
            });
        }
        transport.add(&url(silent), |_| pending::<Reply>().boxed());
        let hit = answer(vec![FindHit {
            size: 1,
            digest: Some(DIGEST),
            ..FindHit::default()
        }]);
        transport.add(&url(holder), move |_| {
            let hit = hit.clone().into();
            async move { Ok(vec![hit]) }.boxed()
        });
        let counters = Arc::new(Counters::default());
        let client = Client::new(Arc::new(transport), Arc::clone(&counters));
        let overlay = Overlay::new(url(0), client, counters, Arc::new(EventLog::default()));
        let overlay = overlay.with_providers(Some(Arc::new(Names(holder))));
        for n in 1..=silent {
            overlay.add(&url(n), overlay::KnownFrom::Settings);
        }
        let name = ShareName::parse("a").unwrap();
        Sources::search(&Arc::new(overlay), name, FindWanted::Digest(DIGEST), None)
    }

    #[test]
    fn who_reads_gets_more_time_and_who_only_says_so_does_not() {
        let start = now();
        let second = |n| start + Duration::from_secs(n);
        let wait = |patient: bool, step: Option<u64>| {
            let mut patience = Patience::new(!patient, start);
            (0..1_000).find(|n| {
                let hashed = step.map(|step| n * step);
                patience.shows(&url(1), hashed, second(*n));
                patience.is_over(second(*n))
            })
        };
        assert_eq!(wait(true, None), Some(10));
        assert_eq!(wait(true, Some(0)), Some(10));
        assert_eq!(wait(true, Some(1_000)), Some(10));
        assert_eq!(wait(true, Some(200_000)), Some(300));
        assert_eq!(wait(false, Some(200_000)), Some(10), "others wait");
    }

    /// Creates node 0 with a peer that never knows a digest; the other one has it, or not.
    async fn beside_one_that_never_knows(has_it: bool) -> (Option<PeerUrl>, Duration) {
        let transport = MemoryTransport::default();
        let hit = |digest| {
            let found = Found {
                hits: vec![FindHit {
                    name: "a".to_owned(),
                    size: 1,
                    digest,
                    ..FindHit::default()
                }],
                ..Found::default()
            };
            Bytes::from(response::value(&found.to_value()))
        };
        let never = hit(None);
        transport.add(&url(1), move |_| {
            let never = never.clone();
            async move { Ok(vec![never]) }.boxed()
        });
        let none = response::value(&Found::default().to_value()).into();
        let answer = if has_it { hit(Some(DIGEST)) } else { none };
        transport.add(&url(2), move |_| {
            let answer = answer.clone();
            async move { Ok(vec![answer]) }.boxed()
        });
        let counters = Arc::new(Counters::default());
        let client = Client::new(Arc::new(transport), Arc::clone(&counters));
        let overlay = Overlay::new(url(0), client, counters, Arc::new(EventLog::default()));
        for n in 1..=2 {
            overlay.add(&url(n), overlay::KnownFrom::Settings);
        }
        let (name, wanted) = (ShareName::parse("a").unwrap(), "a".to_owned());
        let wanted = FindWanted::Name(wanted);
        let mut sources = Sources::search(&Arc::new(overlay), name, wanted, None);
        let begun = now();
        let found = sources.next().await;
        (found.map(|source| source.peer.url().clone()), now() - begun)
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_never_knows_a_digest_does_not_hold_a_fetch() {
        let (found, took) = beside_one_that_never_knows(true).await;
        assert_eq!(found, Some(url(2)));
        assert!(took < Duration::from_secs(1), "{took:?}");
        let (found, took) = beside_one_that_never_knows(false).await;
        assert_eq!(found, None);
        assert!(took < Duration::from_secs(12), "{took:?}");
    }

    /// Returns the holder, and the time that it took.
    async fn found(peers: usize) -> (Option<PeerUrl>, Duration) {
        let begun = now();
        let source = searching(peers).next().await;
        (
            source.map(|source| source.peer.url().clone()),
            now() - begun,
        )
    }

    #[tokio::test(start_paused = true)]
    async fn an_index_is_asked_after_sixteen_misses_or_at_the_end() {
        let (rare, at_once) = found(20).await;
        assert_eq!(rare, Some(url(22)));
        assert!(at_once < Duration::from_secs(1), "{at_once:?}");
        let (few, at_the_end) = found(3).await;
        assert_eq!(few, Some(url(5)));
        assert!(at_the_end >= Duration::from_secs(3), "{at_the_end:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_search_with_an_index_ends_when_both_have_nothing_more() {
        let mut sources = searching(20);
        assert!(sources.next().await.is_some());
        assert!(sources.next().await.is_none());
        assert_eq!(sources.asked(), 22);
    }
}
