//! A model of fetches: random schedules of holders, disks and owners, under a clock that is paused.
//!
//! A schedule has an asker, real but for its transport, two Sixhop holders and a peer of the book. It takes random
//! steps: holders come, go, lie, stall, are busy, limit their uploads, change what they have; the owner starts, joins, cancels and drops; the disk
//! fills, and refuses to commit; fetches are cancelled in the midst of a commit; the asker is killed, and goes on with a copy of its share and state as they were at that moment.
//!
//! # What must hold
//! - A file in the share is content of the model, or one answer to `query`, byte for byte.
//! - A fetch is *done* if its file went into its place, and not otherwise.
//! - A status has a digest only if the bytes behind it were checked.
//! - A temporary that no fetch is about to fill has a record, and each record has its temporary.
//! - No byte comes twice, but for those that a lane had under way when it was cut.
//! - No Sixhop node that is known as one is asked by `query`.

#![expect(
    clippy::disallowed_methods,
    reason = "the model looks at the directory from outside, and copies it as a crash leaves it"
)]

mod batches;
mod scenarios;

use std::{
    fs,
    num::NonZeroU64,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream};
use node_api::fetch::FetchState;
use node_wire::{
    About, AnswerRate, Digest, Fault, Find, FindHit, FindWanted, Found,
    content::{ContentScan, QueryAnswerWriter},
    dialect::Dialect,
    encoding::Charset,
    name::ShareName,
    node_id::Nonce,
    peer_url::PeerUrl,
    request, response,
};
use tempfile::TempDir;
use tokio::time::sleep;

use super::{DropWhich, Ids, Records, Transfers};
use crate::{
    client::{
        BodyStream, Client, Destination, PeerKind, PeerRequest, PeerResponse, Purpose, Transport,
        TransportError,
    },
    clock::now,
    counters::Counters,
    events::EventLog,
    overlay::{KnownFrom, Overlay},
    pieces::{PIECE_SIZE, PieceTree, TreeHasher},
    rate::Rate,
    share::{Catalogue, Digests, Replace, Share},
    state::StateDir,
    sync::lock,
};

/// Number of schedules, if it is not the default.
const SCHEDULES_VARIABLE: &str = "SIXHOP_MODEL_SCHEDULES";

/// Number of the first schedule, if it is not 0.
const FIRST_VARIABLE: &str = "SIXHOP_MODEL_FIRST";

/// Prints the steps of the schedules, if it is set.
const TRACE_VARIABLE: &str = "SIXHOP_MODEL_TRACE";

/// Schedules of a run of all tests.
const SCHEDULES: u64 = 300;

/// Real time between a crash and the next start.
const RESTART: Duration = Duration::from_millis(20);

/// The name of the only file.
const FILE: &str = "file";

/// The content of the book peer.
const BOOK: &str = "what a peer of the book has";

/// The time that a busy holder wants to be left alone.
const BUSY: Duration = Duration::from_secs(3);

/// Bytes a second of a holder that limits its uploads.
const LIMIT: NonZeroU64 = NonZeroU64::new(1_000_000).unwrap();

/// Sixhop holders.
const HOLDERS: usize = 2;

/// Bytes of one chunk of content.
const CHUNK: usize = 64 * 1024;

/// Pieces that may be under way when a lane is cut: one that arrives and one that is checked.
const LANE_PIECES: u64 = 2;

/// Most connections to all holders.
const LANES: u64 = 4;

/// Content that holders have.
struct ModelContent {
    bytes: Bytes,
    tree: PieceTree,
}

/// Returns the content of the model: of several pieces, of other pieces, and of one.
fn contents() -> &'static [ModelContent] {
    static CONTENTS: OnceLock<Vec<ModelContent>> = OnceLock::new();
    CONTENTS.get_or_init(|| {
        let sizes = [5 * PIECE_SIZE + 77, 3 * PIECE_SIZE, 1_000];
        let content = |(salt, size): (u64, u64)| {
            let bytes: Vec<u8> = (0..size).map(|at| ((at * 31 + salt) % 251) as u8).collect();
            let tree = tree_of(&bytes);
            ModelContent {
                bytes: bytes.into(),
                tree,
            }
        };
        (1..).zip(sizes).map(content).collect()
    })
}

fn tree_of(bytes: &[u8]) -> PieceTree {
    let mut hasher = TreeHasher::default();
    hasher.push(bytes);
    hasher.finish()
}

fn content_of(digest: Digest) -> Option<usize> {
    contents()
        .iter()
        .position(|content| content.tree.digest() == digest)
}

/// Random numbers that a seed decides.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % limit as u64) as usize
    }
}

/// One peer of the asker.
#[derive(Clone, Debug)]
struct Peer {
    is_book: bool,
    content: usize,
    /// Content that it has as soon as it told of the one before.
    written: Vec<usize>,
    is_up: bool,
    stalls: bool,
    lies: bool,
    is_busy: bool,
    /// True if it is busy for bundles alone: small files need no slot.
    is_busy_for_bundles: bool,
    busy_for: Duration,
    /// The first letter of the small files that it has; `None` is all.
    letter: Option<char>,
    is_limited: bool,
    /// True if it answered anything, so that the asker knows its kind.
    is_known: bool,
}

impl Peer {
    fn new(is_book: bool, content: usize) -> Peer {
        Peer {
            is_book,
            content,
            written: Vec::new(),
            is_up: true,
            stalls: false,
            lies: false,
            is_busy: false,
            is_busy_for_bundles: false,
            busy_for: BUSY,
            letter: None,
            is_limited: false,
            is_known: false,
        }
    }
}

/// All peers, and their requests.
#[derive(Debug)]
struct World {
    peers: Mutex<Vec<Peer>>,
    /// Small files that all Sixhop holders have beside their content.
    small: Vec<(String, Bytes)>,
    /// Right bytes that were sent, by content.
    sent: Vec<AtomicU64>,
    /// Lanes that ended before all they were asked for was sent.
    cuts: AtomicU64,
    /// The times when each peer was asked for content.
    asked: Mutex<Vec<Vec<Instant>>>,
    /// Lanes that each peer serves, and the most of them at a time.
    lanes: Mutex<Vec<(usize, usize)>>,
    wrong: Mutex<Vec<String>>,
}

#[derive(Clone)]
struct Wires(Arc<World>);

fn url(n: usize) -> PeerUrl {
    PeerUrl::parse(&format!("http://127.0.0.1:{}/", 10_001 + n)).unwrap()
}

fn failed() -> TransportError {
    TransportError::Connection("connection reset".to_owned())
}

impl World {
    fn new(peers: Vec<Peer>) -> Arc<World> {
        World::with_small(peers, Vec::new())
    }

    fn with_small(peers: Vec<Peer>, small: Vec<(String, Bytes)>) -> Arc<World> {
        Arc::new(World {
            small,
            sent: contents().iter().map(|_| AtomicU64::new(0)).collect(),
            cuts: AtomicU64::new(0),
            asked: Mutex::new(vec![Vec::new(); peers.len()]),
            lanes: Mutex::new(vec![(0, 0); peers.len()]),
            wrong: Mutex::default(),
            peers: Mutex::new(peers),
        })
    }

    fn peer(&self, n: usize) -> Peer {
        lock(&self.peers)[n].clone()
    }

    /// Returns the small files of a peer.
    fn small_of(&self, peer: &Peer) -> Vec<(String, Bytes)> {
        let has = |name: &str| peer.letter.is_none_or(|letter| name.starts_with(letter));
        let small = self.small.iter().filter(|(name, _)| has(name));
        small.cloned().collect()
    }

    fn small_file(&self, digest: Digest) -> Option<Bytes> {
        let mut small = self.small.iter().map(|(_, bytes)| bytes);
        small
            .find(|bytes| tree_of(bytes).digest() == digest)
            .cloned()
    }

    /// Waits as long as the peer stalls. Fails if it is not there.
    async fn reach(&self, n: usize) -> Result<Peer, TransportError> {
        loop {
            let peer = self.peer(n);
            if !peer.is_up {
                return Err(failed());
            }
            if !peer.stalls {
                return Ok(peer);
            }
            sleep(Duration::from_millis(200)).await;
        }
    }

    async fn answer(
        self: Arc<Self>,
        n: usize,
        purpose: Purpose,
    ) -> Result<PeerResponse, TransportError> {
        let peer = self.peer(n);
        if peer.is_known && !peer.is_book && matches!(purpose, Purpose::Call(_)) {
            let text = format!("holder {n} is known to be a Sixhop node and got a query");
            lock(&self.wrong).push(text);
        }
        sleep(Duration::from_millis(3)).await;
        let peer = self.reach(n).await?;
        let answered = Arc::clone(&self).answer_of(n, &peer, purpose);
        // From here on the asker knows who answers, whatever it says.
        lock(&self.peers)[n].is_known = true;
        answered
    }

    fn answer_of(
        self: Arc<Self>,
        n: usize,
        peer: &Peer,
        purpose: Purpose,
    ) -> Result<PeerResponse, TransportError> {
        let kind = PeerKind::Sixhop;
        let absent = TransportError::Status { status: 404, kind };
        let busy = TransportError::Busy {
            wait: peer.busy_for,
            kind,
        };
        let whole = |kind, body: Vec<u8>| answer(kind, 200, None, whole_body(body.into()));
        match purpose {
            Purpose::Find(body) if !peer.is_book => {
                let call = request::read(&body).unwrap();
                let find = Find::from_params(&call.params).unwrap();
                let content = &contents()[peer.content];
                if let FindWanted::Query(_) = find.wanted {
                    let found = batches::found(&self.small_of(peer));
                    return Ok(whole(kind, response::value(&found.to_value())));
                }
                let fits = match find.wanted {
                    FindWanted::Name(name) => {
                        let peer = &mut lock(&self.peers)[n];
                        peer.content = peer.written.pop().unwrap_or(peer.content);
                        name == FILE
                    }
                    FindWanted::Digest(digest) => digest == content.tree.digest(),
                    FindWanted::Query(_) => false,
                };
                let hit = FindHit {
                    name: FILE.to_owned(),
                    size: content.tree.size(),
                    digest: Some(content.tree.digest()),
                    ..FindHit::default()
                };
                let found = Found {
                    hits: fits.then_some(hit).into_iter().collect(),
                    ..Found::default()
                };
                Ok(whole(PeerKind::Sixhop, response::value(&found.to_value())))
            }
            Purpose::Tree { digest, .. } if !peer.is_book => {
                let content = &contents()[peer.content];
                if content.tree.digest() != digest {
                    return Err(absent);
                }
                if peer.is_busy {
                    lock(&self.asked)[n].push(now());
                    return Err(busy);
                }
                Ok(whole(PeerKind::Sixhop, content.tree.to_bytes()))
            }
            Purpose::Blob { digest, range, .. } if self.small_file(digest).is_some() => {
                let file = self.small_file(digest).unwrap_or_default();
                let range = Some(format!("bytes {}-{}/*", range.start, range.end - 1));
                Ok(answer(kind, 206, range, whole_body(file)))
            }
            Purpose::Blob { digest, range, .. } if !peer.is_book => {
                if contents()[peer.content].tree.digest() != digest {
                    return Err(absent);
                }
                lock(&self.asked)[n].push(now());
                if peer.is_busy {
                    return Err(busy);
                }
                let rate = peer.is_limited.then(|| AnswerRate::shared(LIMIT, 1));
                let last = range.end - 1;
                let head = Some(format!("bytes {}-{last}/*", range.start));
                let body = Lane::new(self, n, peer.content, range).body();
                Ok(PeerResponse {
                    rate,
                    ..answer(PeerKind::Sixhop, 206, head, body)
                })
            }
            Purpose::Bundle(_) if peer.is_busy || peer.is_busy_for_bundles => Err(busy),
            Purpose::Bundle(digests) if !peer.is_book => {
                Ok(whole(kind, batches::bundle(&self.small_of(peer), &digests)))
            }
            Purpose::Call(_) if peer.is_book => {
                let body = stream::iter(query_answer(BOOK.as_bytes())).then(move |chunk| {
                    let world = Arc::clone(&self);
                    async move {
                        sleep(Duration::from_millis(50)).await;
                        world.reach(n).await.map(|_| chunk)
                    }
                });
                Ok(answer(PeerKind::Book, 200, None, Box::pin(body)))
            }
            Purpose::Call(_) => {
                let content = &contents()[peer.content];
                let chunks = query_answer(&content.bytes);
                let body = stream::iter(chunks.into_iter().map(Ok));
                Ok(answer(PeerKind::Sixhop, 200, None, Box::pin(body)))
            }
            _ => Ok(whole(
                PeerKind::Book,
                response::fault(&Fault::invalid_params("what?")),
            )),
        }
    }
}

fn answer(kind: PeerKind, status: u16, range: Option<String>, body: BodyStream) -> PeerResponse {
    PeerResponse {
        kind,
        status,
        range,
        charset: Charset::Unsaid,
        length: None,
        budget_left: None,
        rate: None,
        about: About::default(),
        body,
    }
}

fn whole_body(bytes: Bytes) -> BodyStream {
    Box::pin(stream::iter([Ok(bytes)]))
}

/// Returns the answer to `query` that is this content, in small chunks.
fn query_answer(content: &[u8]) -> Vec<Bytes> {
    let mut scan = ContentScan::new();
    scan.push(content);
    let mut writer = QueryAnswerWriter::new(Dialect::Faults, scan.finish().payload);
    let mut bytes = writer.head().as_bytes().to_vec();
    writer.push(content, &mut bytes);
    writer.finish(&mut bytes);
    let size = (bytes.len() / 3).max(1);
    bytes.chunks(size).map(Bytes::copy_from_slice).collect()
}

/// A range of content on its way.
struct Lane {
    world: Arc<World>,
    peer: usize,
    content: usize,
    rest: std::ops::Range<u64>,
}

impl Lane {
    fn new(world: Arc<World>, peer: usize, content: usize, rest: std::ops::Range<u64>) -> Lane {
        {
            let (running, most) = &mut lock(&world.lanes)[peer];
            *running += 1;
            *most = (*most).max(*running);
        }
        Lane {
            world,
            peer,
            content,
            rest,
        }
    }

    fn body(self) -> BodyStream {
        Box::pin(stream::unfold(Some(self), |lane| async move {
            let mut lane = lane?;
            if lane.rest.is_empty() {
                return None;
            }
            match lane.next().await {
                Ok(chunk) => Some((Ok(chunk), Some(lane))),
                Err(error) => Some((Err(error), None)),
            }
        }))
    }

    async fn next(&mut self) -> Result<Bytes, TransportError> {
        sleep(Duration::from_millis(20)).await;
        let peer = self.world.reach(self.peer).await?;
        if peer.content != self.content {
            return Err(failed());
        }
        let end = self.rest.end.min(self.rest.start + CHUNK as u64);
        let at = self.rest.start as usize..end as usize;
        let chunk = contents()[self.content].bytes.slice(at);
        self.rest.start = end;
        if peer.lies {
            return Ok(chunk.iter().map(|byte| !byte).collect());
        }
        self.world.sent[self.content].fetch_add(chunk.len() as u64, Ordering::Relaxed);
        Ok(chunk)
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        lock(&self.world.lanes)[self.peer].0 -= 1;
        let is_cut = u64::from(!self.rest.is_empty());
        self.world.cuts.fetch_add(is_cut, Ordering::Relaxed);
    }
}

impl Transport for Wires {
    fn resolve(
        &self,
        peer: &Destination,
    ) -> BoxFuture<'static, Result<Vec<std::net::SocketAddr>, TransportError>> {
        let address = (std::net::Ipv4Addr::LOCALHOST, peer.port()).into();
        async move { Ok(vec![address]) }.boxed()
    }

    fn keep_token(&self, _: &PeerUrl, _: Nonce) {}

    fn send(
        &self,
        request: PeerRequest,
    ) -> BoxFuture<'static, Result<PeerResponse, TransportError>> {
        let n = usize::from(request.peer.port()) - 10_001;
        Arc::clone(&self.0).answer(n, request.purpose).boxed()
    }
}

/// The asker, and the disk that it has.
struct Asker {
    disk: TempDir,
    share: Arc<Share>,
    overlay: Arc<Overlay>,
    transfers: Arc<Transfers>,
}

fn share_of(disk: &Path) -> PathBuf {
    disk.join("share")
}

impl Asker {
    async fn start(disk: TempDir, world: &Arc<World>, rate: u64) -> Asker {
        Asker::start_knowing(disk, world, rate, "").await
    }

    /// Starts an asker that knows the peers that an earlier one saved.
    async fn start_knowing(disk: TempDir, world: &Arc<World>, rate: u64, saved: &str) -> Asker {
        let state = StateDir::open(&disk.path().join("state")).unwrap();
        fs::create_dir_all(share_of(disk.path())).unwrap();
        let records = (
            Records::load(&state, SystemTime::now()),
            Ids::load(&state, crate::disk::Disk::default()),
        );
        let kept = records.0.temporaries();
        let share = Arc::new(Share::open_keeping(&share_of(disk.path()), &state, &kept).unwrap());
        let (counters, events) = (Arc::new(Counters::default()), Arc::new(EventLog::default()));
        let catalogue = Catalogue::new(&share);
        let (counts, log) = (Arc::clone(&counters), Arc::clone(&events));
        let digests = Arc::new(Digests::open(catalogue, &state, counts, log));
        let client = Client::new(Arc::new(Wires(Arc::clone(world))), Arc::clone(&counters))
            .with_download_rate(Rate::new(rate));
        let ourselves = PeerUrl::parse("http://127.0.0.1:10000/").unwrap();
        let (counts, log) = (Arc::clone(&counters), Arc::clone(&events));
        let overlay = Arc::new(Overlay::new(ourselves, client, counts, log));
        let transfers = Arc::new(Transfers::new(
            Arc::clone(&share),
            digests,
            records,
            Arc::clone(&overlay),
            counters,
            events,
        ));
        let asker = Asker {
            disk,
            share,
            overlay,
            transfers,
        };
        asker.overlay.load_peers(saved);
        asker.know_peers(world);
        asker.transfers.take_up().await;
        asker
    }

    /// Knows again the peers that were dropped, as they are looked for in a real node.
    fn know_peers(&self, world: &World) {
        for n in 0..lock(&world.peers).len() {
            self.overlay.add(&url(n), KnownFrom::Settings);
        }
    }

    /// Kills the asker: another one goes on with the files on the disk at this moment.
    async fn crash(self, world: &Arc<World>, rate: u64) -> Asker {
        let copy = disk();
        copy_all(self.disk.path(), copy.path());
        if !temporaries(copy.path()).is_empty() {
            // A share spares temporaries that are hardly older than itself: another program may be writing them.
            std::thread::sleep(RESTART);
        }
        // What is learnt after this moment is lost.
        let peers = self.overlay.saved_peers();
        let known = lock(&world.peers).clone();
        self.transfers.stop().await;
        for (peer, then) in lock(&world.peers).iter_mut().zip(known) {
            peer.is_known = then.is_known;
        }
        let asker = Asker::start_knowing(copy, world, rate, &peers).await;
        // What a crash left without a record is gone.
        let named = asker.transfers.fetcher.records.temporaries();
        let left = temporaries(asker.disk.path());
        assert!(
            left.iter().all(|name| named.contains(name)),
            "{left:?} of {named:?}"
        );
        asker
    }
}

/// Returns a directory in memory, if there is one.
fn disk() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        tempfile::tempdir_in(memory).unwrap()
    } else {
        tempfile::tempdir().unwrap()
    }
}

fn copy_all(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    fs::set_permissions(to, fs::metadata(from).unwrap().permissions()).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy_all(&path, &target);
        } else {
            // A file that goes away meanwhile went before the crash.
            drop(fs::copy(&path, &target));
        }
    }
}

fn temporaries(disk: &Path) -> Vec<String> {
    let entries = fs::read_dir(share_of(disk)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names
        .filter(|name| name.starts_with(".sixhop-part-"))
        .collect()
}

/// One schedule.
struct Schedule {
    random: Random,
    world: Arc<World>,
    asker: Option<Asker>,
    rate: u64,
    /// Interests in fetches that the owner did not give up.
    started: Vec<u64>,
    /// The number of events that may stop lanes, and have content thrown away on purpose.
    disturbances: u64,
    discards: u64,
}

impl Schedule {
    async fn begin(seed: u64) -> Schedule {
        let mut random = Random(seed);
        let mut peers: Vec<Peer> = (0..HOLDERS)
            .map(|_| Peer::new(false, [0, 0, 0, 1, 2][random.below(5)]))
            .collect();
        peers.push(Peer::new(true, 0));
        // Mostly the book peer is missing or away.
        peers[HOLDERS].is_up = random.below(3) == 0;
        let world = World::new(peers);
        let rate = [0, 0, 400_000][random.below(3)];
        let asker = Asker::start(disk(), &world, rate).await;
        Schedule {
            random,
            world,
            asker: Some(asker),
            rate,
            started: Vec::new(),
            disturbances: 0,
            discards: 0,
        }
    }

    fn asker(&self) -> &Asker {
        self.asker.as_ref().unwrap()
    }

    async fn run(mut self) {
        for _ in 0..4 + self.random.below(16) {
            let step = self.random.below(26);
            if std::env::var_os(TRACE_VARIABLE).is_some() {
                let list = self.asker().transfers.list();
                let states = list
                    .iter()
                    .map(|status| (status.id, status.state, status.bytes));
                println!("step {step} at {:?}", states.collect::<Vec<_>>());
            }
            self.step(step).await;
            let pauses = [5, 40, 120, 300, 1_000, 12_000];
            let pause = pauses[self.random.below(pauses.len())];
            sleep(Duration::from_millis(pause)).await;
            self.check();
        }
        self.end().await;
    }

    async fn step(&mut self, step: usize) {
        let peer = self.random.below(HOLDERS + 1);
        let content = self.random.below(contents().len());
        let name = ShareName::parse(FILE).unwrap();
        let transfers = Arc::clone(&self.asker().transfers);
        self.asker().know_peers(&self.world);
        self.disturbances += 1;
        let change = |change: fn(&mut Peer)| change(&mut lock(&self.world.peers)[peer]);
        match step {
            0 => change(|peer| peer.is_up = false),
            1 | 2 => change(|peer| (peer.is_up, peer.stalls) = (true, false)),
            3 => change(|peer| peer.lies = true),
            4 => change(|peer| peer.lies = false),
            5 => change(|peer| peer.stalls = true),
            6 => {
                lock(&self.world.peers)[peer].content = content;
                // A fetch of the name may take up the other content, and later the old one.
                self.discards += 1;
            }
            7..=10 => self
                .started
                .extend(transfers.start(&name, Replace::Never).await),
            11 | 12 => {
                let digest = contents()[content].tree.digest();
                let started = transfers.start_content(&name, digest, Replace::Never).await;
                self.started.extend(started);
            }
            13 => {
                if !self.started.is_empty() {
                    let at = self.random.below(self.started.len());
                    let id = self.started.swap_remove(at);
                    transfers.cancel(id, false).await;
                }
            }
            14 => {
                self.discards += 1;
                transfers.drop_kept(&DropWhich::Name(name)).await;
            }
            15 | 16 => {
                let asker = self.asker.take().unwrap();
                self.asker = Some(asker.crash(&self.world, self.rate).await);
                self.started.clear();
            }
            17 | 18 | 22..=24 => self.disk_step(step),
            19 => change(|peer| peer.is_busy = true),
            20 => change(|peer| peer.is_busy = false),
            21 => change(|peer| peer.is_limited = !peer.is_limited),
            _ => {
                // The owner takes the file away, and wants it again later.
                if fs::remove_file(share_of(self.asker().disk.path()).join(FILE)).is_ok() {
                    self.discards += 1;
                }
            }
        }
    }

    /// Makes the disk fail or work again, or has the owner cancel everything in the midst of the next commit.
    fn disk_step(&self, step: usize) {
        let transfers = Arc::clone(&self.asker().transfers);
        let faults = Arc::clone(&transfers.fetcher.faults);
        match step {
            17 => faults.disk_is_full.store(true, Ordering::Relaxed),
            18 => faults.disk_is_full.store(false, Ordering::Relaxed),
            22 => faults.commit_fails.store(true, Ordering::Relaxed),
            23 => faults.commit_fails.store(false, Ordering::Relaxed),
            _ => faults.in_next_commit(move || {
                let unfinished: Vec<_> = {
                    let jobs = lock(&transfers.jobs);
                    let unfinished = jobs.unfinished.values();
                    unfinished.map(|one| Arc::clone(&one.job)).collect()
                };
                for job in unfinished {
                    job.cancel();
                }
            }),
        }
    }

    /// Returns the file in the share, if it is there.
    fn stored(&self) -> Option<Vec<u8>> {
        fs::read(share_of(self.asker().disk.path()).join(FILE)).ok()
    }

    /// Checks the invariants, which hold at each moment.
    fn check(&self) {
        let stored = self.stored();
        let stored_content = stored.as_ref().map(|bytes| {
            let content = contents()
                .iter()
                .position(|content| content.bytes == *bytes);
            assert!(
                content.is_some() || bytes == BOOK.as_bytes(),
                "{} bytes of nobody",
                bytes.len()
            );
            content
        });
        let faults = &self.asker().transfers.fetcher.faults;
        for status in self.asker().transfers.list() {
            if let Some(digest) = &status.digest {
                let digest = Digest::from_hex(digest).expect("a digest");
                let content = content_of(digest).expect("a digest of the model");
                let size = contents()[content].tree.size();
                assert_eq!(status.size, Some(size), "{status:?}");
                assert!(status.bytes <= size, "{status:?}");
            }
            let has_committed = faults.has_committed(status.id);
            let is_done = status.state == FetchState::Done;
            assert!(
                !status.state.is_over() || is_done == has_committed,
                "{status:?}"
            );
        }
        let last = self
            .asker()
            .transfers
            .list()
            .into_iter()
            .rfind(|s| s.state == FetchState::Done);
        if let (Some(last), Some(content)) = (last, stored_content)
            && let Some(digest) = &last.digest
            && self.discards == 0
        {
            let digest = Digest::from_hex(digest).expect("a digest");
            assert_eq!(content, content_of(digest), "{last:?}");
        }
        let wrong = lock(&self.world.wrong);
        assert!(wrong.is_empty(), "{wrong:?}");
        for (content, sent) in contents().iter().zip(&self.world.sent) {
            let cuts = self.world.cuts.load(Ordering::Relaxed);
            let under_way = LANE_PIECES * cuts + LANES * (self.disturbances + 1);
            let most = content.tree.size() * (1 + self.discards) + PIECE_SIZE * under_way;
            let sent = sent.load(Ordering::Relaxed);
            assert!(
                sent <= most,
                "{sent} bytes of {} were sent",
                content.tree.size()
            );
        }
    }

    /// Lets everything come to rest, and checks the rest.
    async fn end(mut self) {
        {
            let faults = &self.asker().transfers.fetcher.faults;
            faults.disk_is_full.store(false, Ordering::Relaxed);
            faults.commit_fails.store(false, Ordering::Relaxed);
        }
        for peer in lock(&self.world.peers).iter_mut() {
            (peer.is_up, peer.stalls, peer.lies, peer.is_busy) = (true, false, false, false);
        }
        for _ in 0..40 {
            self.asker().know_peers(&self.world);
            sleep(Duration::from_secs(30)).await;
            self.disturbances += 1;
            let list = self.asker().transfers.list();
            if list.iter().all(|status| status.state.is_over()) {
                break;
            }
        }
        self.check();
        let asker = self.asker();
        let list = asker.transfers.list();
        let had = lock(&self.world.peers)
            .iter()
            .filter(|peer| !peer.is_book)
            .map(|peer| contents()[peer.content].tree.digest())
            .collect::<Vec<_>>();
        for status in &list {
            // Who waits does so for content that nobody has any more, or that only liars had.
            let waits = status.state == FetchState::Waiting;
            assert!(status.state.is_over() || waits, "{status:?} of {had:?}");
        }
        let records = asker.transfers.fetcher.records.list();
        let mut named: Vec<_> = records
            .iter()
            .map(|record| record.temporary.clone())
            .collect();
        let mut there = temporaries(asker.disk.path());
        named.sort_unstable();
        there.sort_unstable();
        assert_eq!(there, named, "temporaries and records");
        let waiting = list
            .iter()
            .filter(|status| status.state == FetchState::Waiting)
            .count();
        let active = records.iter().filter(|record| record.is_active).count();
        assert_eq!(active, waiting, "{records:#?} of {list:#?}");
        let asker = self.asker.take().unwrap();
        asker.transfers.stop().await;
        drop(asker.share);
    }
}

fn run(seed: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async { Schedule::begin(seed).await.run().await });
}

#[test]
fn fetches_keep_their_promises_in_random_schedules() {
    let asked = |variable: &str| std::env::var(variable).ok()?.parse().ok();
    let count: u64 = asked(SCHEDULES_VARIABLE).unwrap_or(SCHEDULES);
    let first: u64 = asked(FIRST_VARIABLE).unwrap_or(0);
    for seed in first..first + count {
        let ran = std::panic::catch_unwind(|| run(seed));
        assert!(ran.is_ok(), "schedule {seed} failed");
    }
}
