//! Many small files of one peer: asked for in one request and stored together.
//!
//! # Participants
//! A batch hands over [`Small`] files that one peer says it has. Each has a [`Job`] like any other fetch. What the
//! peer does not give as it said goes on as a fetch of its own, which finds other holders and says what is wrong.
//!
//! # Invariants
//! - Bytes are held against their digest before they are stored; content with several names is received once.
//! - Who sent wrong bytes is not asked again for that file.
//! - What arrived is stored after [`GATHER_TIME`] at the latest. Until then it is in memory: at most the bytes of one
//!   bundle.
//! - A job that is cancelled before its file is stored ends without it. Storing is not cancelled.
//! - At most [`BUNDLES_MAX`] bundles run.
//! - A peer that is busy is waited for, and asked for bundles afterwards. A bundle that waits for one neither counts as
//!   running nor has a turn, so that the bundles of other peers go on.

use std::{
    collections::{HashMap, HashSet},
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use node_api::fetch::FetchState;
use node_wire::{
    self as wire, Digest, bundle::BUNDLE_FILE_MAX, name::ShareName, peer_url::PeerUrl,
};
use tokio::{
    select,
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    task::JoinHandle,
    time::sleep,
};

use super::{
    FetchError, Goal, Interest, Transfers,
    batch::BATCH_PARALLEL,
    claims::Claim,
    download::HEAD_TIME,
    fetch::{Begun, Fetcher},
    file::read_piece,
    job::Job,
    sources::{Busy, Source},
    turns::{Owner, Turn},
};
use crate::{
    client::{BundleBody, BundleFile, CallError, Destination},
    clock::now,
    pieces::PieceTree,
    share::{Replace, ShareError, WholeFile},
    sync::lock,
};

/// Fewest files for which a bundle is asked for.
pub(super) const FILES_MIN: usize = 4;

/// Most bundles that run. Their files leave room for other fetches.
pub(super) const BUNDLES_MAX: usize = 4;

/// Longest time for which files are gathered before they are stored.
const GATHER_TIME: Duration = Duration::from_secs(1);

/// Longest time for which a bundle waits for a busy peer. Then its files are asked for alone, which needs no turn there.
const BUSY_PATIENCE: Duration = Duration::from_secs(60);

/// A small file and its holder.
#[derive(Clone, Debug)]
pub(super) struct Small {
    pub(super) name: ShareName,
    pub(super) source: Source,
}

impl Small {
    /// Returns the file `name`, if a bundle may bring what `source` has.
    pub(super) fn of(name: &ShareName, source: &Source) -> Option<Small> {
        let may_come = source.size <= BUNDLE_FILE_MAX && source.through.is_none();
        may_come.then(|| Small {
            name: name.clone(),
            source: source.clone(),
        })
    }

    /// Returns the file as one that is fetched by itself.
    pub(super) fn alone(self) -> (ShareName, u64, Option<Source>) {
        (self.name, self.source.size, Some(self.source))
    }
}

/// The holder of a bundle, and its files.
pub(super) struct Order {
    pub(super) peer: Destination,
    pub(super) replace: Replace,
    pub(super) batch: u64,
    pub(super) places: Arc<BundlePlaces>,
}

/// Places for bundles that run, of all batches and of one of them, and the peers for which bundles wait.
#[derive(Debug)]
pub(super) struct BundlePlaces {
    of_all: Arc<Semaphore>,
    of_batch: Arc<Semaphore>,
    busy: Busy,
    /// Told when a bundle begins or ends to wait for a busy peer.
    changed: Notify,
}

/// The right of a bundle to run.
#[derive(Debug)]
pub(super) struct BundlePlace {
    _of_all: OwnedSemaphorePermit,
    _of_batch: OwnedSemaphorePermit,
}

impl BundlePlaces {
    /// Returns the places of a batch, `each` of those of all.
    pub(super) fn of_batch(of_all: &Arc<Semaphore>, each: usize) -> BundlePlaces {
        BundlePlaces {
            of_all: Arc::clone(of_all),
            of_batch: Arc::new(Semaphore::new(each)),
            busy: Busy::default(),
            changed: Notify::new(),
        }
    }

    /// Returns whether a bundle waits for this peer.
    pub(super) fn wait_for(&self, peer: &PeerUrl) -> bool {
        self.busy.until(peer).is_some()
    }

    /// Waits until a bundle begins or ends to wait for a busy peer.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Takes a place, if one is free.
    pub(super) fn take(&self) -> Option<BundlePlace> {
        Some(BundlePlace {
            _of_batch: Arc::clone(&self.of_batch).try_acquire_owned().ok()?,
            _of_all: Arc::clone(&self.of_all).try_acquire_owned().ok()?,
        })
    }

    /// Waits for a place. `None` once the node is gone.
    async fn next(&self) -> Option<BundlePlace> {
        Some(BundlePlace {
            _of_batch: Arc::clone(&self.of_batch).acquire_owned().await.ok()?,
            _of_all: Arc::clone(&self.of_all).acquire_owned().await.ok()?,
        })
    }
}

/// A bundle's wait for a busy peer. No other bundle of the batch is asked of it meanwhile.
struct Wait<'o>(&'o Order);

impl Wait<'_> {
    fn begin(order: &Order, until: Instant) -> Wait<'_> {
        order.places.busy.add(&order.peer, until);
        order.places.changed.notify_one();
        Wait(order)
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.0.places.busy.remove(&self.0.peer);
        self.0.places.changed.notify_one();
    }
}

/// The rights of a bundle that runs. One that waits for a busy peer gives them back meanwhile.
#[derive(Debug)]
struct Running {
    _place: BundlePlace,
    _turn: Turn,
}

/// Content of a bundle, and the fetches that it is for.
struct SmallContent {
    tree: PieceTree,
    jobs: Vec<Arc<Job>>,
    /// The metadata that the peer gives, by the numbers of the jobs.
    about: HashMap<u64, wire::About>,
    claim: Option<Claim>,
}

/// Content that is here and not stored.
struct Arrived {
    content: SmallContent,
    bytes: Bytes,
    /// True if it is from the peer; else it was here.
    is_received: bool,
}

/// The outcome for content that arrived.
enum Outcome {
    /// Each of its files is stored, or could not be.
    Stored(Vec<Result<(), ShareError>>),
    /// The bytes are wrong.
    Wrong,
}

/// A bundle that is being received.
struct Receiving<'r> {
    /// Content that did not come yet, in the order in which it is asked for.
    missing: &'r mut [Option<SmallContent>],
    /// Content that came and was not stored.
    arrived: &'r mut Vec<Arrived>,
    order: &'r Order,
    /// `None` while it waits for a busy peer.
    running: &'r mut Option<Running>,
    rest: &'r mut Rest,
}

/// The rest of a bundle, for fetches of their own.
#[derive(Default)]
struct Rest {
    jobs: Vec<(Arc<Job>, Begun)>,
    /// The reason why the peer is to be asked for no further bundles.
    failure: Option<CallError>,
}

impl Transfers {
    /// Begins to fetch `files` together, and runs on after the caller lost its interest. Returns the interest in each
    /// of them, and whether the peer may be asked for another bundle, once this one is over.
    pub(super) async fn begin_bundle(
        self: &Arc<Self>,
        files: Vec<Small>,
        order: Order,
        place: BundlePlace,
    ) -> (Vec<Result<Interest, FetchError>>, JoinHandle<bool>) {
        let mut ids = Vec::with_capacity(files.len());
        for _ in &files {
            ids.push(self.ids.next().await);
        }
        // Nothing is waited for from here on: a job that is admitted is run.
        let (mut interests, mut jobs) = (Vec::new(), Vec::new());
        for (Small { name, source }, id) in files.into_iter().zip(ids) {
            let target = self.fetcher.target(id, name, Goal::Name, order.replace);
            let owner = Owner::Batch(order.batch);
            let admitted = self.admit(Job::new(target, owner, self.cancel.child_token()));
            if let Ok((_, Some(job))) = &admitted {
                jobs.push((Arc::clone(job), source));
            }
            interests.push(admitted.map(|(interest, _)| interest));
        }
        let running = Arc::clone(self).run_bundle(jobs, order, place);
        (interests, self.tasks.spawn(running))
    }

    /// Fetches the files of a bundle. Returns whether the peer may be asked for another one.
    async fn run_bundle(
        self: Arc<Self>,
        jobs: Vec<(Arc<Job>, Source)>,
        order: Order,
        place: BundlePlace,
    ) -> bool {
        let all: Vec<Arc<Job>> = jobs.iter().map(|(job, _)| Arc::clone(job)).collect();
        all.iter().for_each(|job| self.fetcher.started(job));
        let rest = self.receive_bundle(jobs, &order, place).await;
        if let Some(error) = &rest.failure {
            tracing::debug!(peer = order.peer.as_str(), %error, "a bundle did not come whole");
        }
        // A busy peer knows bundles.
        let is_usable = matches!(rest.failure, None | Some(CallError::Busy(_)));
        let alone = stream::iter(rest.jobs).map(|(job, begun)| {
            let transfers = Arc::clone(&self);
            async move {
                transfers.fetcher.go_on(&job, begun).await;
                lock(&transfers.jobs).ended(job);
            }
        });
        alone.buffer_unordered(BATCH_PARALLEL).collect::<()>().await;
        // A panic loses jobs.
        for job in all.into_iter().filter(|job| !job.is_over()) {
            let lost = FetchError::Internal(job.name().clone());
            self.end(&job, Err(lost));
        }
        is_usable
    }

    /// Ends a job of a bundle.
    fn end(&self, job: &Arc<Job>, result: Result<(), FetchError>) {
        self.fetcher.report(job, &result);
        job.end(result);
        lock(&self.jobs).ended(Arc::clone(job));
    }

    /// Receives and stores the files of the peer. The rest is returned.
    async fn receive_bundle(
        &self,
        jobs: Vec<(Arc<Job>, Source)>,
        order: &Order,
        place: BundlePlace,
    ) -> Rest {
        let all: Vec<Arc<Job>> = jobs.iter().map(|(job, _)| Arc::clone(job)).collect();
        let given_up = async {
            for job in &all {
                job.cancelled().await;
            }
        };
        tokio::pin!(given_up);
        let turn = select! {
            biased;
            () = &mut given_up => None,
            turn = self.fetcher.turns.next(Owner::Batch(order.batch)) => Some(turn),
        };
        let mut rest = Rest::default();
        let Some(turn) = turn else {
            rest.jobs = alone(jobs);
            return rest;
        };
        let mut running = Some(Running {
            _place: place,
            _turn: turn,
        });
        let (here, mut missing) = self.sort(jobs, &mut rest).await;
        self.store(here, order, &mut rest).await;
        let mut arrived = Vec::new();
        if !missing.is_empty() {
            let bundle = Receiving {
                missing: &mut missing,
                arrived: &mut arrived,
                order,
                running: &mut running,
                rest: &mut rest,
            };
            let received = self.receive(bundle, given_up).await;
            rest.failure = received.err();
        }
        self.store(arrived, order, &mut rest).await;
        for content in missing.into_iter().flatten() {
            rest.add(content, &order.peer);
        }
        rest
    }

    /// Sorts what is wanted by content: what is here under another name, and what is not. What needs more than
    /// a bundle goes to the rest.
    async fn sort(
        &self,
        jobs: Vec<(Arc<Job>, Source)>,
        rest: &mut Rest,
    ) -> (Vec<Arrived>, Vec<Option<SmallContent>>) {
        let kept: HashSet<ShareName> = {
            let records = self.fetcher.records.list();
            records.into_iter().map(|record| record.name).collect()
        };
        let mut contents = Vec::<SmallContent>::new();
        let mut places = HashMap::<Digest, usize>::new();
        for (job, source) in jobs {
            let tree = PieceTree::of_one_piece(source.digest, source.size);
            let at = places.get(&source.digest).copied();
            match (at, tree) {
                (Some(at), Some(tree)) if contents[at].tree.size() == tree.size() => {
                    contents[at].about.insert(job.id(), source.about);
                    contents[at].jobs.push(job);
                }
                (None, Some(tree)) if !kept.contains(job.name()) => {
                    let Ok(claim) = self.fetcher.claims.claim(source.digest) else {
                        rest.jobs.push((job, Begun::Found(source)));
                        continue;
                    };
                    places.insert(source.digest, contents.len());
                    contents.push(SmallContent {
                        tree,
                        about: HashMap::from([(job.id(), source.about)]),
                        jobs: vec![job],
                        claim: Some(claim),
                    });
                }
                _ => rest.jobs.push((job, Begun::Found(source))),
            }
        }
        self.fetcher.read_here(contents).await
    }

    /// Receives content until the bundle ends or is given up. What came is stored now and then.
    async fn receive(
        &self,
        receiving: Receiving<'_>,
        mut given_up: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<(), CallError> {
        let Receiving {
            missing,
            arrived,
            order,
            running,
            rest,
        } = receiving;
        let asked: Vec<(Digest, u64)> = missing
            .iter()
            .flatten()
            .map(|content| (content.tree.digest(), content.tree.size()))
            .collect();
        let waits = |state| set_state(missing.iter().flatten(), state);
        let mut bundle = select! {
            biased;
            () = &mut given_up => return Ok(()),
            bundle = self.ask(order, &asked, running, waits) => bundle?,
        };
        let mut gathered_since = now();
        for place in missing {
            let file = select! {
                biased;
                () = &mut given_up => return Ok(()),
                file = bundle.next() => file?.ok_or(CallError::Short)?,
            };
            if let BundleFile::Whole(bytes) = file
                && let Some(content) = place.take()
            {
                arrived.push(Arrived {
                    content,
                    bytes,
                    is_received: true,
                });
            }
            if now().saturating_duration_since(gathered_since) >= GATHER_TIME {
                self.store(std::mem::take(arrived), order, rest).await;
                gathered_since = now();
            }
        }
        match bundle.next().await? {
            None => Ok(()),
            Some(_) => Err(CallError::Unexpected),
        }
    }

    /// Asks the peer for a bundle. One that is busy is asked again when it wants to be, for [`BUSY_PATIENCE`]; the
    /// bundle is not `running` meanwhile.
    async fn ask(
        &self,
        order: &Order,
        files: &[(Digest, u64)],
        running: &mut Option<Running>,
        set_state: impl Fn(FetchState),
    ) -> Result<BundleBody, CallError> {
        let until = now() + BUSY_PATIENCE;
        let mut waits = None;
        loop {
            set_state(FetchState::Receiving);
            let client = self.fetcher.overlay.client();
            match client.bundle(&order.peer, files, now() + HEAD_TIME).await {
                Err(CallError::Busy(wait)) if now() + wait < until => {
                    set_state(FetchState::Waiting);
                    *running = None;
                    waits.get_or_insert_with(|| Wait::begin(order, now() + wait));
                    sleep(wait).await;
                    *running = self.next_running(order).await;
                }
                asked => return asked,
            }
        }
    }

    /// Waits until a bundle may run. `None` if the node stops.
    async fn next_running(&self, order: &Order) -> Option<Running> {
        let place = order.places.next().await?;
        let turn = self.fetcher.turns.next(Owner::Batch(order.batch)).await;
        Some(Running {
            _place: place,
            _turn: turn,
        })
    }

    /// Stores content that arrived, unless all its fetches gave up. This is not cancelled.
    async fn store(&self, arrived: Vec<Arrived>, order: &Order, rest: &mut Rest) {
        let mut wanted = Vec::with_capacity(arrived.len());
        for mut arrived in arrived {
            let jobs = std::mem::take(&mut arrived.content.jobs);
            let (over, jobs) = jobs.into_iter().partition(|job| job.is_cancelled());
            arrived.content.jobs = jobs;
            rest.jobs
                .extend(over.into_iter().map(|job: Arc<Job>| (job, Begun::New)));
            if !arrived.content.jobs.is_empty() {
                wanted.push(arrived);
            }
        }
        if wanted.is_empty() {
            return;
        }
        set_state(
            wanted.iter().map(|arrived| &arrived.content),
            FetchState::Committing,
        );
        for (arrived, outcome) in self.fetcher.store_all(wanted).await {
            match outcome {
                Outcome::Stored(results) => self.stored(&arrived, results, &order.peer),
                Outcome::Wrong => rest.add_wrong(arrived, &order.peer),
            }
        }
    }

    /// Notes the outcome for the files of content that arrived.
    fn stored(&self, arrived: &Arrived, results: Vec<Result<(), ShareError>>, peer: &PeerUrl) {
        let tree = &arrived.content.tree;
        for (job, result) in arrived.content.jobs.iter().zip(results) {
            let result = result.map_err(FetchError::from);
            if result.is_ok() && arrived.is_received {
                job.stored(tree, 0);
                self.fetcher.note_piece(job, peer, tree.size());
            } else if result.is_ok() {
                job.stored(tree, tree.size());
            }
            self.end(job, result);
        }
    }
}

impl Rest {
    /// Adds content that the peer did not give. It is asked for alone.
    fn add(&mut self, content: SmallContent, peer: &Destination) {
        let (size, digest) = (content.tree.size(), content.tree.digest());
        drop(content.claim);
        for job in content.jobs {
            let source = Source {
                peer: peer.clone(),
                size,
                digest,
                about: content.about.get(&job.id()).copied().unwrap_or_default(),
                through: None,
            };
            self.jobs.push((job, Begun::Found(source)));
        }
    }

    /// Adds content whose bytes were wrong.
    fn add_wrong(&mut self, arrived: Arrived, peer: &PeerUrl) {
        drop(arrived.content.claim);
        for job in arrived.content.jobs {
            let begun = if arrived.is_received {
                Begun::LiedTo(peer.clone())
            } else {
                Begun::New
            };
            self.jobs.push((job, begun));
        }
    }
}

impl Fetcher {
    /// Reads the content that is in the share under another name. Returns it, and what is not here.
    async fn read_here(
        &self,
        contents: Vec<SmallContent>,
    ) -> (Vec<Arrived>, Vec<Option<SmallContent>>) {
        let digests = Arc::clone(&self.digests);
        let sorted = self.share.disk().run(move || {
            let (mut here, mut missing) = (Vec::new(), Vec::new());
            for content in contents {
                let file = digests.open_blob(&content.tree.digest());
                // A file that changes while it is read is fetched instead.
                let bytes = file.and_then(|file| read_piece(&file, 0).ok());
                match bytes {
                    Some(bytes) => here.push(Arrived {
                        content,
                        bytes,
                        is_received: false,
                    }),
                    None => missing.push(Some(content)),
                }
            }
            (here, missing)
        });
        sorted.await.unwrap_or_else(|error| {
            tracing::error!(%error, "reading what is here panicked");
            (Vec::new(), Vec::new())
        })
    }

    /// Stores the files of content that arrived, if its bytes are right.
    async fn store_all(&self, arrived: Vec<Arrived>) -> Vec<(Arrived, Outcome)> {
        let (share, digests) = (Arc::clone(&self.share), Arc::clone(&self.digests));
        #[cfg(test)]
        let faults = Arc::clone(&self.faults);
        let stored = self.share.disk().run(move || {
            let is_right: Vec<bool> = arrived.iter().map(Arrived::is_right).collect();
            let right = arrived.iter().zip(&is_right).filter(|(_, right)| **right);
            let (files, trees): (Vec<WholeFile<'_>>, Vec<&PieceTree>) = right
                .flat_map(|(arrived, _)| arrived.files().map(|file| (file, &arrived.content.tree)))
                .unzip();
            let mut learn = |file: usize, stamp| {
                digests.learned(files[file].name, stamp, trees[file]);
                #[cfg(test)]
                faults.placed();
            };
            let mut results = share.store_all(&files, &mut learn).into_iter();
            let outcomes = is_right.iter().zip(&arrived).map(|(is_right, arrived)| {
                let count = arrived.content.jobs.len();
                if *is_right {
                    Outcome::Stored(results.by_ref().take(count).collect())
                } else {
                    Outcome::Wrong
                }
            });
            let outcomes: Vec<Outcome> = outcomes.collect();
            arrived.into_iter().zip(outcomes).collect()
        });
        stored.await.unwrap_or_else(|error| {
            tracing::error!(%error, "storing files panicked");
            Vec::new()
        })
    }
}

impl SmallContent {
    /// Returns the metadata that the peer gives for the file of `job`.
    fn about_of(&self, job: &Job) -> wire::About {
        self.about.get(&job.id()).copied().unwrap_or_default()
    }
}

impl Arrived {
    fn is_right(&self) -> bool {
        let tree = &self.content.tree;
        let mut check = tree.check(0);
        check.push(&self.bytes);
        check.is_right()
    }

    fn files(&self) -> impl Iterator<Item = WholeFile<'_>> {
        let jobs = self.content.jobs.iter();
        jobs.map(|job| WholeFile {
            name: job.name(),
            bytes: &self.bytes,
            about: self.content.about_of(job).into(),
            replace: job.target().replace,
        })
    }
}

/// Returns the fetches of their own that `jobs` become.
fn alone(jobs: Vec<(Arc<Job>, Source)>) -> Vec<(Arc<Job>, Begun)> {
    let alone = jobs.into_iter();
    alone
        .map(|(job, source)| (job, Begun::Found(source)))
        .collect()
}

fn set_state<'c>(contents: impl Iterator<Item = &'c SmallContent>, state: FetchState) {
    for job in contents.flat_map(|content| &content.jobs) {
        job.update(|status| status.state = state);
    }
}
