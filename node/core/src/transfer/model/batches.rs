//! Batches of small files: bundles, and what comes between.

use std::sync::mpsc;

use node_wire::bundle::{read_digests, write_file, write_mark};

use super::*;
use crate::transfer::bundle::BUNDLES_MAX;
use node_api::fetch::FetchBatch;

/// Returns so many small files, each with bytes of its own.
fn small(count: usize) -> Vec<(String, Bytes)> {
    let file = |n| (format!("d{n:04}.txt"), Bytes::from(format!("file {n}")));
    (0..count).map(file).collect()
}

/// Returns the answer of a holder of small files to a search for all of them.
pub(super) fn found(small: &[(String, Bytes)]) -> Found {
    let hits = small.iter().map(|(name, bytes)| FindHit {
        name: name.clone(),
        size: bytes.len() as u64,
        digest: Some(tree_of(bytes).digest()),
        ..FindHit::default()
    });
    Found {
        hits: hits.collect(),
        ..Found::default()
    }
}

/// Returns the bundle with which a holder of small files answers.
pub(super) fn bundle(small: &[(String, Bytes)], digests: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    write_mark(&mut out);
    for digest in read_digests(digests).unwrap() {
        let file = small
            .iter()
            .find(|(_, bytes)| tree_of(bytes).digest() == digest);
        write_file(file.map(|(_, bytes)| &bytes[..]), &mut out);
    }
    out
}

struct Batches {
    world: Arc<World>,
    asker: Asker,
    small: Vec<(String, Bytes)>,
}

impl Batches {
    /// Creates an asker of one holder of so many small files.
    async fn of(count: usize, change: fn(&mut Peer)) -> Batches {
        let small = small(count);
        let mut holder = Peer::new(false, 0);
        change(&mut holder);
        let world = World::with_small(vec![holder], small.clone());
        let asker = Asker::start(disk(), &world, 0).await;
        Batches {
            world,
            asker,
            small,
        }
    }

    async fn start(&self) -> u64 {
        let transfers = &self.asker.transfers;
        let started = transfers
            .start_matching("name:d*", None, Replace::Never)
            .await;
        started.unwrap().id
    }

    async fn over(&self, id: u64) -> FetchBatch {
        self.asker.transfers.wait_matching(id).await.unwrap()
    }

    fn change(&self, change: fn(&mut Peer)) {
        change(&mut lock(&self.world.peers)[0]);
    }

    fn assert_all_stored(&self) {
        let share = share_of(self.asker.disk.path());
        for (name, bytes) in &self.small {
            let stored = fs::read(share.join(name)).unwrap();
            assert!(stored == *bytes, "{name}");
        }
        assert_eq!(all_temporaries(&share), [""; 0]);
        assert!(self.asker.transfers.fetcher.records.list().is_empty());
    }

    /// Requests for bundles and for single files.
    fn requests(&self) -> (u64, u64) {
        let counters = &self.asker.transfers.fetcher.counters;
        (counters.bundles_asked.get(), counters.blobs_asked.get())
    }
}

/// Temporaries in a directory and below it.
fn all_temporaries(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.path().is_dir() {
            found.extend(all_temporaries(&entry.path()));
        } else if name.starts_with(".sixhop-part-") {
            found.push(name);
        }
    }
    found
}

#[tokio::test(start_paused = true)]
async fn a_busy_holder_is_asked_for_bundles_afterwards() {
    let batches = Batches::of(600, |holder| holder.is_busy = true).await;
    let id = batches.start().await;
    sleep(Duration::from_secs(20)).await;
    let jobs = batches.asker.transfers.list();
    let waiting = jobs.iter().filter(|job| job.state == FetchState::Waiting);
    assert!(waiting.count() >= 512, "{:?}", jobs[0]);
    let (before, _) = batches.requests();
    assert!(before <= 16, "{before}: it is asked when it wants to be");
    batches.change(|holder| holder.is_busy = false);
    let status = batches.over(id).await;
    assert_eq!((status.done, status.failed), (600, 0), "{status:?}");
    let (bundles, alone) = batches.requests();
    assert!(bundles <= before + 3, "{bundles}");
    assert_eq!(alone, 0);
    batches.assert_all_stored();
}

#[tokio::test(start_paused = true)]
async fn a_holder_without_a_slot_for_bundles_gives_its_files_alone() {
    let batches = Batches::of(600, |holder| holder.is_busy_for_bundles = true).await;
    let begun = now();
    let id = batches.start().await;
    while batches.requests().1 == 0 {
        sleep(Duration::from_secs(1)).await;
    }
    let waited = now() - begun;
    assert!(waited > Duration::from_secs(50) && waited < Duration::from_secs(70));
    batches.change(|holder| holder.is_busy_for_bundles = false);
    let status = batches.over(id).await;
    assert_eq!((status.done, status.failed), (600, 0), "{status:?}");
    batches.assert_all_stored();
}

#[tokio::test(start_paused = true)]
async fn bundles_that_wait_for_a_busy_holder_leave_room_for_others() {
    let (mut busy, mut other) = (Peer::new(false, 0), Peer::new(false, 0));
    (busy.is_busy, busy.letter) = (true, Some('d'));
    other.letter = Some('e');
    // More than all bundles of a batch.
    let of_busy = small(1_600);
    let of_other = of_busy.iter().take(300).map(|(name, bytes)| {
        let bytes = [b"other ", &bytes[..]].concat();
        (name.replace('d', "e"), Bytes::from(bytes))
    });
    let files = of_busy.iter().cloned().chain(of_other).collect::<Vec<_>>();
    for first in [0, 1] {
        let mut peers = [busy.clone(), other.clone()];
        peers.rotate_left(first);
        let world = World::with_small(peers.to_vec(), files.clone());
        let batches = Batches {
            asker: Asker::start(disk(), &world, 0).await,
            world,
            small: files.clone(),
        };
        let id = batches.start().await;
        sleep(Duration::from_secs(30)).await;
        let transfers = &batches.asker.transfers;
        let status = transfers.matching(id).unwrap();
        assert_eq!((status.found, status.done), (1_900, 300), "{status:?}");
        let free = transfers.bundles.available_permits();
        assert_eq!(free, BUNDLES_MAX, "who waits has no place");
        for peer in lock(&batches.world.peers).iter_mut() {
            peer.is_busy = false;
        }
        let status = batches.over(id).await;
        assert_eq!((status.done, status.failed), (1_900, 0), "{status:?}");
        batches.assert_all_stored();
        assert_eq!(transfers.bundles.available_permits(), BUNDLES_MAX);
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_waits_for_a_busy_holder_can_be_cancelled() {
    let batches = Batches::of(20, |holder| holder.is_busy = true).await;
    let id = batches.start().await;
    sleep(Duration::from_secs(10)).await;
    let begun = now();
    assert!(batches.asker.transfers.cancel_matching(id));
    assert!(batches.over(id).await.cancelled);
    batches.asker.transfers.stop().await;
    assert!(now() - begun < Duration::from_secs(1));
    let jobs = batches.asker.transfers.list();
    assert!(jobs.iter().all(|job| job.state == FetchState::Cancelled));
}

/// Begins a batch whose commit waits when its first file is in its place, until the sender is dropped.
async fn half_committed(batches: &Batches) -> mpsc::Sender<()> {
    let (sender, gate) = mpsc::channel::<()>();
    let (entered, in_place) = tokio::sync::oneshot::channel::<()>();
    let faults = &batches.asker.transfers.fetcher.faults;
    faults.in_next_commit(move || {
        let _ = entered.send(());
        let _ = gate.recv();
    });
    batches.start().await;
    in_place.await.unwrap();
    sender
}

#[tokio::test(start_paused = true)]
async fn a_stop_in_a_group_commit_leaves_every_file_whole() {
    let batches = Batches::of(20, |_| {}).await;
    let gate = half_committed(&batches).await;
    let share = share_of(batches.asker.disk.path());
    let visible = |n: usize| share.join(&batches.small[n].0).exists();
    assert_eq!((0..20).filter(|n| visible(*n)).count(), 1);
    let transfers = &batches.asker.transfers;
    let ((), ()) = tokio::join!(transfers.stop(), async {
        tokio::task::yield_now().await;
        drop(gate);
    });
    batches.assert_all_stored();
    let jobs = transfers.list();
    assert_eq!(jobs.len(), 20);
    for job in jobs {
        assert_eq!(job.state, FetchState::Done, "{job:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_crash_in_a_group_commit_leaves_whole_files_alone() {
    let batches = Batches::of(20, |_| {}).await;
    let gate = half_committed(&batches).await;
    let crashed = disk();
    copy_all(batches.asker.disk.path(), crashed.path());
    assert_eq!(all_temporaries(&share_of(crashed.path())).len(), 19);
    drop(gate);
    batches.asker.transfers.stop().await;
    // A share spares temporaries that are hardly older than itself.
    std::thread::sleep(RESTART);
    let asker = Asker::start(crashed, &batches.world, 0).await;
    let batches = Batches { asker, ..batches };
    let share = share_of(batches.asker.disk.path());
    let (name, bytes) = &batches.small[0];
    assert!(fs::read(share.join(name)).unwrap() == *bytes);
    let id = batches.start().await;
    let status = batches.over(id).await;
    let counts = (status.done, status.existing, status.failed);
    assert_eq!(counts, (19, 1, 0), "{status:?}");
    batches.assert_all_stored();
}
