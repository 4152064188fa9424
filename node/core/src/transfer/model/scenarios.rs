//! Chosen schedules of the model: the outcome of each pair of troubles.

use std::sync::mpsc;

use super::*;
use crate::{
    share::ShareError,
    transfer::{
        FetchError, Goal,
        records::{KEEP_FOR, Record},
    },
};

/// Returns an asker of these peers.
async fn asker(peers: Vec<Peer>) -> (Arc<World>, Asker) {
    let world = World::new(peers);
    let asker = Asker::start(disk(), &world, 0).await;
    (world, asker)
}

fn name() -> ShareName {
    ShareName::parse(FILE).unwrap()
}

fn holder() -> Peer {
    Peer::new(false, 0)
}

fn change(world: &World, peer: usize, change: fn(&mut Peer)) {
    change(&mut lock(&world.peers)[peer]);
}

impl Asker {
    fn stored(&self) -> Option<Vec<u8>> {
        fs::read(share_of(self.disk.path()).join(FILE)).ok()
    }

    async fn start_fetch(&self) -> u64 {
        self.transfers.start(&name(), Replace::Never).await.unwrap()
    }

    fn holders_failed(&self) -> u64 {
        self.transfers.fetcher.counters.holders_failed.get()
    }
}

#[tokio::test(start_paused = true)]
async fn a_busy_limited_holder_is_waited_for_and_not_given_up() {
    let busy = Peer {
        is_busy: true,
        is_limited: true,
        ..holder()
    };
    let (world, asker) = asker(vec![busy]).await;
    let id = asker.start_fetch().await;
    let waiting = |state| state == FetchState::Waiting;
    asker.transfers.wait_until(id, waiting).await.unwrap();
    sleep(Duration::from_secs(300)).await;
    let status = asker.transfers.status(id).unwrap();
    assert!(!status.state.is_over(), "{status:?}");
    let asked = lock(&world.asked)[0].clone();
    assert!(asked.len() > 50, "{} times", asked.len());
    for pair in asked.windows(2) {
        assert!(pair[1] - pair[0] >= BUSY, "{:?}", pair[1] - pair[0]);
    }
    change(&world, 0, |peer| peer.is_busy = false);
    let done = asker.transfers.wait(id).await.unwrap();
    assert_eq!(done.state, FetchState::Done, "{done:?}");
    assert_eq!(asker.stored().as_deref(), Some(&contents()[0].bytes[..]));
    assert_eq!(asker.holders_failed(), 0);
    assert_eq!(lock(&world.lanes)[0].1, 1, "one lane to a limited holder");
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_turns_busy_halfway_keeps_what_it_sent() {
    let (world, asker) = asker(vec![holder()]).await;
    let id = asker.start_fetch().await;
    let receiving = |state| state == FetchState::Receiving;
    asker.transfers.wait_until(id, receiving).await.unwrap();
    sleep(Duration::from_millis(150)).await;
    change(&world, 0, |peer| peer.is_busy = true);
    let waiting = |state| state == FetchState::Waiting;
    let status = asker.transfers.wait_until(id, waiting).await.unwrap();
    assert!(status.bytes > 0, "{status:?}");
    // Longer than what is gone may be gone before it is given up.
    sleep(Duration::from_secs(600)).await;
    change(&world, 0, |peer| peer.is_busy = false);
    let done = asker.transfers.wait(id).await.unwrap();
    assert_eq!(done.state, FetchState::Done, "{done:?}");
    assert_eq!(asker.holders_failed(), 0);
    let sent = world.sent[0].load(Ordering::Relaxed);
    assert_eq!(sent, contents()[0].tree.size(), "nothing came twice");
}

#[tokio::test(start_paused = true)]
async fn a_busy_holder_leaves_its_part_to_the_others() {
    let (world, asker) = asker(vec![holder(), holder()]).await;
    change(&world, 0, |peer| peer.is_busy = true);
    let begun = now();
    let id = asker.start_fetch().await;
    let done = asker.transfers.wait(id).await.unwrap();
    assert_eq!(done.state, FetchState::Done, "{done:?}");
    assert!(now() - begun < Duration::from_secs(20));
    assert_eq!(done.holders, [url(1).as_str()]);
    assert_eq!(asker.holders_failed(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_is_busy_for_a_day_is_given_up() {
    let busy = Peer {
        is_busy: true,
        busy_for: Duration::from_secs(60),
        ..holder()
    };
    let (_world, asker) = asker(vec![busy]).await;
    let begun = now();
    let id = asker.start_fetch().await;
    let failed = asker.transfers.wait(id).await.unwrap();
    assert_eq!(failed.state, FetchState::Failed, "{failed:?}");
    let took = now() - begun;
    assert!(took >= KEEP_FOR && took < KEEP_FOR + Duration::from_secs(60));
}

#[tokio::test(start_paused = true)]
async fn a_file_written_after_it_was_found_is_fetched_as_it_is_now() {
    for (first, second) in [(0, 1), (1, 2), (2, 0)] {
        let written = Peer {
            written: vec![second],
            ..Peer::new(false, first)
        };
        let (_world, asker) = asker(vec![written]).await;
        let id = asker.start_fetch().await;
        let done = asker.transfers.wait(id).await.unwrap();
        assert_eq!(done.state, FetchState::Done, "{done:?}");
        let stored = asker.stored();
        assert_eq!(stored.as_deref(), Some(&contents()[second].bytes[..]));
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_written_again_and_again_is_given_up() {
    let written = Peer {
        written: vec![0, 1, 0, 1, 0, 1],
        ..holder()
    };
    let (_world, asker) = asker(vec![written]).await;
    let id = asker.start_fetch().await;
    let failed = asker.transfers.wait(id).await.unwrap();
    assert_eq!(failed.state, FetchState::Failed, "{failed:?}");
}

#[tokio::test(start_paused = true)]
async fn content_that_is_wanted_by_digest_is_never_replaced_by_other() {
    let (world, asker) = asker(vec![holder()]).await;
    let digest = contents()[0].tree.digest();
    change(&world, 0, |peer| peer.content = 1);
    let name = name();
    let started = asker.transfers.start_content(&name, digest, Replace::Never);
    let failed = asker.transfers.wait(started.await.unwrap()).await.unwrap();
    assert_eq!(failed.state, FetchState::Failed, "{failed:?}");
    assert_eq!(asker.stored(), None);
}

#[tokio::test(start_paused = true)]
async fn a_holder_without_a_limit_has_two_lanes() {
    let (world, asker) = asker(vec![holder()]).await;
    let id = asker.start_fetch().await;
    asker.transfers.wait(id).await.unwrap();
    assert_eq!(lock(&world.lanes)[0].1, 2);
}

/// Starts a fetch whose commit waits until the sender that is returned is dropped.
async fn slow_commit(asker: &Asker) -> (u64, mpsc::Sender<()>) {
    let (sender, gate) = mpsc::channel::<()>();
    let faults = &asker.transfers.fetcher.faults;
    faults.in_next_commit(move || {
        let _ = gate.recv();
    });
    let id = asker.start_fetch().await;
    let committing = |state| state == FetchState::Committing;
    let status = asker.transfers.wait_until(id, committing).await.unwrap();
    assert_eq!(status.state, FetchState::Committing, "{status:?}");
    (id, sender)
}

/// Cancels a fetch, and lets its commit go on once it was asked to stop.
async fn cancelled_meanwhile(asker: &Asker, id: u64, gate: mpsc::Sender<()>) -> FetchState {
    let (status, ()) = tokio::join!(asker.transfers.cancel(id, true), async {
        tokio::task::yield_now().await;
        assert_eq!(asker.stored(), None, "nothing is there before its time");
        drop(gate);
    });
    status.unwrap().state
}

#[tokio::test(start_paused = true)]
async fn a_cancel_in_the_midst_of_a_commit_is_too_late() {
    let book = Peer::new(true, 0);
    for (peer, bytes) in [
        (Peer::new(false, 0), &contents()[0].bytes[..]),
        (Peer::new(false, 2), &contents()[2].bytes[..]),
        (book, BOOK.as_bytes()),
    ] {
        let (_world, asker) = asker(vec![peer]).await;
        let (id, gate) = slow_commit(&asker).await;
        let state = cancelled_meanwhile(&asker, id, gate).await;
        assert_eq!(state, FetchState::Done);
        assert_eq!(asker.stored().as_deref(), Some(bytes));
        assert!(temporaries(asker.disk.path()).is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_commit_that_fails_leaves_no_file() {
    let (_world, asker) = asker(vec![holder()]).await;
    let (id, gate) = slow_commit(&asker).await;
    let faults = &asker.transfers.fetcher.faults;
    faults.commit_fails.store(true, Ordering::Relaxed);
    let state = cancelled_meanwhile(&asker, id, gate).await;
    assert_eq!(state, FetchState::Failed, "it says why there is no file");
    assert_eq!(asker.stored(), None);
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_fails_is_made_up_without_the_holder() {
    let (world, asker) = asker(vec![holder()]).await;
    let faults = Arc::clone(&asker.transfers.fetcher.faults);
    faults.commit_fails.store(true, Ordering::Relaxed);
    let content = &contents()[0];
    for _ in 0..2 {
        let id = asker.start_fetch().await;
        let failed = asker.transfers.wait(id).await.unwrap();
        assert_eq!(failed.state, FetchState::Failed, "{failed:?}");
        let error = asker.transfers.error(id);
        let error = error.as_deref();
        assert!(
            matches!(error, Some(FetchError::Share(ShareError::NoSpace { .. }))),
            "{error:?}"
        );
        assert_eq!(failed.kept.unwrap().bytes, content.tree.size());
        assert_eq!(temporaries(asker.disk.path()).len(), 1);
        assert_eq!(asker.stored(), None);
        change(&world, 0, |peer| peer.is_up = false);
    }
    let asker = asker.crash(&world, 0).await;
    let id = asker.start_fetch().await;
    let done = asker.transfers.wait(id).await.unwrap();
    assert_eq!(done.state, FetchState::Done, "{done:?}");
    assert_eq!(done.digest, Some(content.tree.digest().to_hex()));
    assert_eq!(
        (done.bytes, done.size),
        (content.tree.size(), Some(content.tree.size()))
    );
    assert_eq!(asker.stored().as_deref(), Some(&content.bytes[..]));
    assert!(temporaries(asker.disk.path()).is_empty());
    assert!(asker.transfers.fetcher.records.list().is_empty());
    let sent = world.sent[0].load(Ordering::Relaxed);
    assert_eq!(sent, content.tree.size(), "nothing came twice");
}

#[tokio::test(start_paused = true)]
async fn kept_bytes_that_went_bad_are_fetched_again() {
    let (_world, asker) = asker(vec![holder()]).await;
    let faults = &asker.transfers.fetcher.faults;
    faults.commit_fails.store(true, Ordering::Relaxed);
    let id = asker.start_fetch().await;
    asker.transfers.wait(id).await.unwrap();
    let kept = temporaries(asker.disk.path()).remove(0);
    let path = share_of(asker.disk.path()).join(kept);
    let mut bytes = fs::read(&path).unwrap();
    bytes[7] ^= 1;
    fs::write(&path, bytes).unwrap();
    faults.commit_fails.store(false, Ordering::Relaxed);
    let id = asker.start_fetch().await;
    let done = asker.transfers.wait(id).await.unwrap();
    assert_eq!(done.state, FetchState::Done, "{done:?}");
    assert_eq!(asker.stored().as_deref(), Some(&contents()[0].bytes[..]));
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_in_one_folder_is_taken_up_in_another() {
    let (world, asker) = asker(vec![holder()]).await;
    let faults = &asker.transfers.fetcher.faults;
    faults.commit_fails.store(true, Ordering::Relaxed);
    let digest = contents()[0].tree.digest();
    let start = async |name: &str| {
        let name = ShareName::parse(name).unwrap();
        let transfers = &asker.transfers;
        let started = transfers.start_content(&name, digest, Replace::Never).await;
        transfers.wait(started.unwrap()).await.unwrap()
    };
    let failed = start("folder/deep/file").await;
    assert_eq!(failed.state, FetchState::Failed, "{failed:?}");
    faults.commit_fails.store(false, Ordering::Relaxed);
    change(&world, 0, |peer| peer.is_up = false);
    let done = start("other/file").await;
    assert_eq!(done.state, FetchState::Done, "{done:?}");
    let stored = fs::read(share_of(asker.disk.path()).join("other/file")).unwrap();
    assert!(stored == contents()[0].bytes);
    assert!(!share_of(asker.disk.path()).join("folder").exists());
}

#[tokio::test(start_paused = true)]
async fn two_fetches_of_one_name_are_both_taken_up() {
    let (world, asker) = asker(vec![holder()]).await;
    change(&world, 0, |peer| peer.is_up = false);
    let digest = contents()[0].tree.digest();
    let record = |id, goal| Record {
        id,
        name: name(),
        goal,
        replace: Replace::Never,
        digest,
        about: About::default(),
        temporary: format!(".sixhop-part-{id:015x}0"),
        time: SystemTime::now(),
        is_active: true,
        is_uncommitted: false,
        bytes: 0,
        holders: Vec::new(),
        liars: Vec::new(),
    };
    let records = &asker.transfers.fetcher.records;
    records.add(record(1, Goal::Content(digest)));
    records.add(record(2, Goal::Name));
    let asker = asker.crash(&world, 0).await;
    let list = asker.transfers.list();
    let ids: Vec<u64> = list.iter().map(|status| status.id).collect();
    assert_eq!(ids, [1, 2], "{list:?}");
    for id in ids {
        asker.transfers.wait(id).await.unwrap();
    }
    assert!(asker.transfers.fetcher.records.list().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_busy_node_is_not_walked_to_after_a_restart() {
    let busy = Peer {
        is_busy: true,
        ..holder()
    };
    let book = Peer {
        is_up: false,
        ..Peer::new(true, 0)
    };
    let (world, asker) = asker(vec![busy, book]).await;
    let id = asker.start_fetch().await;
    let waiting = |state| state == FetchState::Waiting;
    asker.transfers.wait_until(id, waiting).await.unwrap();
    let asker = asker.crash(&world, 0).await;
    assert_eq!(asker.overlay.kind_of(&url(0)), Some(PeerKind::Sixhop));
    // It answers nothing in time, and a chapter peer is there that may have the file.
    change(&world, 0, |peer| peer.stalls = true);
    change(&world, 1, |peer| peer.is_up = true);
    let id = asker.start_fetch().await;
    let done = asker.transfers.wait(id).await.unwrap();
    assert_eq!(done.state, FetchState::Done, "{done:?}");
    assert_eq!(asker.stored().as_deref(), Some(BOOK.as_bytes()));
    assert_eq!(*lock(&world.wrong), [""; 0]);
}

/// Starts a fetch from two holders, of which the first lies, `at_once` or once some of the file is here, and kills the
/// asker after that. Returns the world, the asker of the next run, and how often the liar was asked before.
async fn crashed_after_a_lie(at_once: bool) -> (Arc<World>, Asker, usize) {
    let (world, asker) = asker(vec![holder(), holder()]).await;
    change(&world, 0, |peer| peer.lies = true);
    change(&world, 1, |peer| peer.stalls = true);
    if !at_once {
        change(&world, 0, |peer| peer.lies = false);
    }
    let id = asker.start_fetch().await;
    let received = async || {
        while asker.transfers.status(id).unwrap().bytes == 0 {
            sleep(Duration::from_millis(10)).await;
        }
    };
    if !at_once {
        received().await;
        change(&world, 0, |peer| peer.lies = true);
    }
    while asker.holders_failed() == 0 {
        sleep(Duration::from_millis(10)).await;
    }
    change(&world, 1, |peer| peer.stalls = false);
    received().await;
    change(&world, 1, |peer| peer.stalls = true);
    // What is being written has time to get to the disk.
    for _ in 0..20 {
        sleep(Duration::from_millis(10)).await;
        std::thread::sleep(Duration::from_millis(1));
    }
    let asked = lock(&world.asked)[0].len();
    let asker = asker.crash(&world, 0).await;
    change(&world, 0, |peer| peer.lies = false);
    change(&world, 1, |peer| peer.stalls = false);
    (world, asker, asked)
}

async fn assert_done_without_the_first(world: &World, asker: &Asker, asked: usize) {
    let unfinished = asker.transfers.list();
    assert_eq!(unfinished.len(), 1, "it is taken up: {unfinished:?}");
    let done = asker.transfers.wait(unfinished[0].id).await.unwrap();
    assert_eq!(done.state, FetchState::Done, "{done:?}");
    assert_eq!(asker.stored().as_deref(), Some(&contents()[0].bytes[..]));
    assert_eq!(
        lock(&world.asked)[0].len(),
        asked,
        "the liar is asked again"
    );
}

#[tokio::test(start_paused = true)]
async fn a_liar_is_not_asked_again_after_a_crash() {
    for at_once in [true, false] {
        let (world, asker, asked) = crashed_after_a_lie(at_once).await;
        assert!(asked > 0);
        assert_done_without_the_first(&world, &asker, asked).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_honest_holder_is_asked_again_after_a_crash() {
    let (world, asker) = asker(vec![holder(), holder()]).await;
    let id = asker.start_fetch().await;
    while asker.transfers.status(id).unwrap().bytes == 0 {
        sleep(Duration::from_millis(10)).await;
    }
    for peer in 0..2 {
        change(&world, peer, |peer| peer.stalls = true);
    }
    let asker = asker.crash(&world, 0).await;
    let asked = lock(&world.asked)[0].len();
    change(&world, 0, |peer| peer.stalls = false);
    let unfinished = asker.transfers.list();
    let done = asker.transfers.wait(unfinished[0].id).await.unwrap();
    assert_eq!(done.state, FetchState::Done, "{done:?}");
    assert!(lock(&world.asked)[0].len() > asked);
}
