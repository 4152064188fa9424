//! `Speeds`: how fast each peer sent content lately.
//!
//! # Invariants
//! - The table is bounded: the peer that sent nothing for longest makes room.
//! - No clock; time is a parameter.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use node_base::sync::lock;
use node_wire::peer_url::PeerUrl;

/// Most peers whose speed is kept.
const PEERS_MAX: usize = 1_024;

/// Content below this many bytes shows how far a peer is, and not how fast.
const LEAST: u64 = 64 * 1024;

/// The speeds of peers. Clones share one table.
#[derive(Clone, Debug, Default)]
pub struct Speeds(Arc<Mutex<HashMap<String, Speed>>>);

#[derive(Clone, Copy, Debug)]
struct Speed {
    /// Bytes a second.
    rate: f64,
    at: Instant,
}

impl Speeds {
    /// Returns how many bytes a second a peer sent, if it sent enough to tell.
    #[must_use]
    pub fn of(&self, peer: &PeerUrl) -> Option<u64> {
        let speed = lock(&self.0).get(&peer.key()).copied()?;
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rate of bytes is positive and fits"
        )]
        let rate = speed.rate as u64;
        Some(rate)
    }

    /// Notes content that a peer sent, and the time that it took. The last counts as much as all before.
    pub(crate) fn sent(&self, peer: &str, bytes: u64, took: Duration, now: Instant) {
        if bytes < LEAST || took.is_zero() {
            return;
        }
        #[allow(clippy::cast_precision_loss, reason = "a mean needs no more")]
        let seen = bytes as f64 / took.as_secs_f64();
        let mut speeds = lock(&self.0);
        if !speeds.contains_key(peer) && speeds.len() >= PEERS_MAX {
            let oldest = speeds.iter().min_by_key(|(_, speed)| speed.at);
            if let Some(oldest) = oldest.map(|(peer, _)| peer.clone()) {
                speeds.remove(&oldest);
            }
        }
        let speed = speeds.entry(peer.to_owned()).or_insert(Speed {
            rate: seen,
            at: now,
        });
        speed.rate = f64::midpoint(speed.rate, seen);
        speed.at = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_speed_is_a_mean_of_content_that_is_long_enough() {
        let (speeds, now) = (Speeds::default(), Instant::now());
        let peer = PeerUrl::parse("http://a/").unwrap();
        let second = Duration::from_secs(1);
        speeds.sent(&peer.key(), LEAST - 1, second, now);
        assert_eq!(speeds.of(&peer), None);
        speeds.sent(&peer.key(), 4 * LEAST, second, now);
        assert_eq!(speeds.of(&peer), Some(4 * LEAST));
        speeds.sent(&peer.key(), 2 * LEAST, second, now);
        assert_eq!(speeds.of(&peer), Some(3 * LEAST));
    }

    #[test]
    fn the_peer_that_sent_nothing_for_longest_makes_room() {
        let (speeds, now) = (Speeds::default(), Instant::now());
        let peer = |n: usize| PeerUrl::parse(&format!("http://h{n}/")).unwrap();
        for n in 0..=PEERS_MAX {
            let at = now + Duration::from_secs(n as u64);
            speeds.sent(&peer(n).key(), LEAST, Duration::from_secs(1), at);
        }
        assert_eq!(speeds.of(&peer(0)), None);
        assert!(speeds.of(&peer(1)).is_some() && speeds.of(&peer(PEERS_MAX)).is_some());
    }
}
