//! Chosen schedules of the model: what each pair of troubles comes to.

use super::*;
use crate::transfer::records::KEEP_FOR;

/// An asker of these peers.
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
    let waiting = |state| state == JobState::Waiting;
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
    assert_eq!(done.state, JobState::Done, "{done:?}");
    assert_eq!(asker.stored().as_deref(), Some(&contents()[0].bytes[..]));
    assert_eq!(asker.holders_failed(), 0);
    assert_eq!(lock(&world.lanes)[0].1, 1, "one lane to a limited holder");
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_turns_busy_halfway_keeps_what_it_sent() {
    let (world, asker) = asker(vec![holder()]).await;
    let id = asker.start_fetch().await;
    let receiving = |state| state == JobState::Receiving;
    asker.transfers.wait_until(id, receiving).await.unwrap();
    sleep(Duration::from_millis(150)).await;
    change(&world, 0, |peer| peer.is_busy = true);
    let waiting = |state| state == JobState::Waiting;
    let status = asker.transfers.wait_until(id, waiting).await.unwrap();
    assert!(status.bytes > 0, "{status:?}");
    // Longer than what is gone may be gone before it is given up.
    sleep(Duration::from_secs(600)).await;
    change(&world, 0, |peer| peer.is_busy = false);
    let done = asker.transfers.wait(id).await.unwrap();
    assert_eq!(done.state, JobState::Done, "{done:?}");
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
    assert_eq!(done.state, JobState::Done, "{done:?}");
    assert!(now() - begun < Duration::from_secs(20));
    assert_eq!(done.holders, [url(1)]);
    assert_eq!(asker.holders_failed(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_is_busy_for_a_day_is_given_up() {
    let busy = Peer {
        is_busy: true,
        ..holder()
    };
    let (_world, asker) = asker(vec![busy]).await;
    let begun = now();
    let id = asker.start_fetch().await;
    let failed = asker.transfers.wait(id).await.unwrap();
    assert_eq!(failed.state, JobState::Failed, "{failed:?}");
    let took = now() - begun;
    assert!(took >= KEEP_FOR && took < KEEP_FOR + Duration::from_secs(60));
}

#[tokio::test(start_paused = true)]
async fn a_holder_without_a_limit_has_two_lanes() {
    let (world, asker) = asker(vec![holder()]).await;
    let id = asker.start_fetch().await;
    asker.transfers.wait(id).await.unwrap();
    assert_eq!(lock(&world.lanes)[0].1, 2);
}
