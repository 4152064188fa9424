//! Meeting the nodes of a network through a distributed hash table.
//!
//! [`Rendezvous`] leaves this node's address where those of its network look,
//! and looks there itself: often at first, then every [`LOOKUP_EVERY`].

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{select, time::sleep_until};
use tokio_util::sync::CancellationToken;

use crate::{
    Candidates, Meet,
    dht::{Callable, Dht},
    infohash::Infohash,
};
use node_base::clock::now;

/// The interval at which the address is left again: the table forgets it.
pub const ANNOUNCE_EVERY: Duration = Duration::from_secs(15 * 60);

/// The interval at which others are looked for, once the first looks are done.
pub const LOOKUP_EVERY: Duration = Duration::from_secs(5 * 60);

/// Pause after the first look; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(2);

/// Time for one look.
const LOOKUP: Duration = Duration::from_secs(5);

/// The meeting of a network.
#[derive(Debug)]
pub struct Rendezvous {
    dht: Arc<dyn Dht>,
    place: Infohash,
    port: u16,
    callable: Callable,
    rounds: Rounds,
}

/// The times to look and to leave the address.
#[derive(Debug, Default)]
struct Rounds {
    looks: u32,
    announced_at: Option<Instant>,
}

impl Rendezvous {
    /// Creates the meeting of `network`, for a node that listens on `port`.
    #[must_use]
    pub fn new(dht: Arc<dyn Dht>, network: &str, port: u16, callable: Callable) -> Rendezvous {
        Rendezvous {
            dht,
            place: Infohash::of_network(network),
            port,
            callable,
            rounds: Rounds::default(),
        }
    }

    /// Meets others until it is cancelled.
    pub async fn run(mut self, meet: Meet, cancel: CancellationToken) {
        let mut candidates = Candidates::default();
        let mut look_at = now();
        loop {
            let due = candidates.next_at(now()).unwrap_or(look_at);
            select! {
                () = cancel.cancelled() => return,
                () = sleep_until(due.min(look_at).into()) => {}
            }
            if now() >= look_at {
                select! {
                    () = cancel.cancelled() => return,
                    () = self.look(&mut candidates) => {}
                }
                look_at = now() + self.rounds.pause(jitter());
            }
            while let Some(url) = candidates.next(now()) {
                meet(&url);
            }
        }
    }

    async fn look(&mut self, candidates: &mut Candidates) {
        if self.rounds.is_announcement_due(now()) {
            match self.dht.announce(self.place, self.port).await {
                Ok(()) => self.rounds.announced_at = Some(now()),
                Err(error) => tracing::debug!(%error, "the network was not told of this node"),
            }
        }
        let found = self.dht.lookup(self.place, LOOKUP).await;
        for url in found.into_iter().filter_map(|one| self.callable.url(one)) {
            candidates.offer(&url, now());
        }
    }
}

impl Rounds {
    fn is_announcement_due(&self, now: Instant) -> bool {
        self.announced_at
            .is_none_or(|at| now >= at + ANNOUNCE_EVERY)
    }

    /// Returns the pause before the next look; `jitter` from 0 to 255 makes it a fifth
    /// shorter to a fifth longer, so that nodes do not look all at once.
    fn pause(&mut self, jitter: u8) -> Duration {
        let pause = (FIRST_PAUSE * (1 << self.looks.min(16))).min(LOOKUP_EVERY);
        self.looks = self.looks.saturating_add(1);
        pause * 4 / 5 + pause * 2 / 5 * u32::from(jitter) / 255
    }
}

fn jitter() -> u8 {
    let mut byte = [128];
    // Without randomness all pauses are of the mean length.
    let _ = getrandom::fill(&mut byte);
    byte[0]
}

#[cfg(test)]
mod tests {
    use std::{net::SocketAddr, sync::Mutex};

    use super::*;
    use crate::dht::MemoryDht;

    const LOOPBACK: std::net::IpAddr = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn looks_are_frequent_at_first_and_seldom_later() {
        let mut rounds = Rounds::default();
        let pauses: Vec<u64> = (0..12).map(|_| rounds.pause(128).as_secs()).collect();
        assert_eq!(pauses[..4], [2, 4, 8, 16]);
        assert_eq!(pauses[11], 300);
        let (least, most) = (rounds.pause(0), rounds.pause(255));
        assert_eq!((least.as_secs(), most.as_secs()), (240, 360));
    }

    #[test]
    fn the_address_is_left_again_in_time() {
        let (mut rounds, start) = (Rounds::default(), Instant::now());
        assert!(rounds.is_announcement_due(start));
        rounds.announced_at = Some(start);
        assert!(!rounds.is_announcement_due(start + ANNOUNCE_EVERY / 2));
        assert!(rounds.is_announcement_due(start + ANNOUNCE_EVERY));
    }

    /// Meets for `time` of a paused clock; gives the URLs that came out.
    async fn meet_for(time: Duration, rendezvous: Rendezvous) -> Vec<String> {
        let met = Arc::new(Mutex::new(Vec::new()));
        let (kept, cancel) = (Arc::clone(&met), CancellationToken::new());
        let keep: Meet = Arc::new(move |url| kept.lock().unwrap().push(url.as_str().to_owned()));
        let task = tokio::spawn(rendezvous.run(keep, cancel.clone()));
        tokio::time::sleep(time).await;
        cancel.cancel();
        task.await.unwrap();
        let met = met.lock().unwrap();
        met.clone()
    }

    #[tokio::test(start_paused = true)]
    async fn two_nodes_of_a_network_meet_and_one_of_another_does_not() {
        let dht = MemoryDht::new(LOOPBACK);
        let node = |network, port| {
            Rendezvous::new(Arc::new(dht.clone()), network, port, Callable::ThisMachine)
        };
        let wait = Duration::from_secs(10);
        let (one, two, other) = tokio::join!(
            meet_for(wait, node("home", 4_001)),
            meet_for(wait, node("home", 4_002)),
            meet_for(wait, node("away", 4_003)),
        );
        assert!(one.contains(&"http://127.0.0.1:4002/".to_owned()));
        assert!(two.contains(&"http://127.0.0.1:4001/".to_owned()));
        assert_eq!(other, ["http://127.0.0.1:4003/"]);
    }

    #[tokio::test(start_paused = true)]
    async fn addresses_come_out_at_the_rate_and_local_ones_never() {
        let dht = MemoryDht::new(LOOPBACK);
        let place = Infohash::of_network("home");
        for n in 0..=255 {
            dht.plant(place, SocketAddr::from(([203, 0, 113, n], 80)));
            dht.plant(place, SocketAddr::from(([127, 0, 0, n], 80)));
            dht.plant(place, SocketAddr::from(([192, 168, 0, n], 80)));
        }
        let rendezvous = Rendezvous::new(Arc::new(dht), "home", 4_001, Callable::Internet);
        let met = meet_for(Duration::from_secs(59), rendezvous).await;
        assert!(
            !met.is_empty() && met.len() <= crate::candidates::PER_MINUTE,
            "{}",
            met.len()
        );
        assert!(met.iter().all(|url| url.starts_with("http://203.0.113.")));
    }
}
