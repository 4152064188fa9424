//! The candidates to try, and the time of each try.
//!
//! A sender of answers could make the node call a place of its choice. So a
//! place is tried once in [`AGAIN`], a machine [`PER_HOST`] times, and all of
//! them together [`PER_MINUTE`] times. What has to wait, waits in a queue with
//! a limit; what does not fit is forgotten, for it will be heard of again.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use node_wire::peer_url::PeerUrl;

/// Time before a candidate is tried again.
pub const AGAIN: Duration = Duration::from_secs(60);

/// Most tries of places on one machine in that time.
pub const PER_HOST: usize = 4;

/// Most tries in that time.
pub const PER_MINUTE: usize = 30;

/// Most candidates that wait.
pub const WAITING_MAX: usize = 64;

/// The candidates that wait, and those that were tried a short time ago.
#[derive(Debug, Default)]
pub struct Candidates {
    waiting: VecDeque<PeerUrl>,
    tried: VecDeque<Tried>,
}

#[derive(Debug)]
struct Tried {
    at: Instant,
    key: String,
    host: String,
}

impl Candidates {
    /// Takes a candidate up. Says whether it was: not if it waits already, was
    /// tried a short time ago, or there are too many.
    pub fn offer(&mut self, url: &PeerUrl, now: Instant) -> bool {
        self.forget(now);
        let key = url.key();
        let known = self.tried.iter().any(|tried| tried.key == key)
            || self.waiting.iter().any(|waiting| waiting.same_peer(url));
        let fits = !known && self.waiting.len() < WAITING_MAX;
        if fits {
            self.waiting.push_back(url.clone());
        }
        fits
    }

    /// Returns the candidate to try now, if there is one.
    pub fn next(&mut self, now: Instant) -> Option<PeerUrl> {
        self.forget(now);
        let url = self.waiting.remove(self.free()?)?;
        self.tried.push_back(Tried {
            at: now,
            key: url.key(),
            host: url.host().to_owned(),
        });
        Some(url)
    }

    /// Returns the time at which a waiting one can be tried; `None` if none waits.
    #[must_use]
    pub fn next_at(&self, now: Instant) -> Option<Instant> {
        if self.waiting.is_empty() {
            return None;
        }
        let forgotten = self.tried.front().map(|tried| tried.at + AGAIN);
        match self.free() {
            Some(_) => Some(now),
            None => forgotten,
        }
    }

    /// Returns the first one that waits and whose machine was not tried too often.
    fn free(&self) -> Option<usize> {
        if self.tried.len() >= PER_MINUTE {
            return None;
        }
        self.waiting.iter().position(|url| {
            let same_host = |tried: &&Tried| tried.host == url.host();
            self.tried.iter().filter(same_host).count() < PER_HOST
        })
    }

    fn forget(&mut self, now: Instant) {
        while let Some(first) = self.tried.front()
            && first.at + AGAIN <= now
        {
            self.tried.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(host: usize, port: usize) -> PeerUrl {
        PeerUrl::parse(&format!("http://10.0.0.{host}:{}/", 1_000 + port)).unwrap()
    }

    fn take_all(candidates: &mut Candidates, now: Instant) -> usize {
        std::iter::from_fn(|| candidates.next(now)).count()
    }

    #[test]
    fn a_place_is_tried_once_a_minute_however_often_it_is_heard_of() {
        let (mut candidates, start) = (Candidates::default(), Instant::now());
        let mut tries = 0;
        for second in 0..=150 {
            let now = start + Duration::from_secs(second);
            candidates.offer(&url(1, 1), now);
            tries += take_all(&mut candidates, now);
        }
        assert_eq!(tries, 3);
    }

    #[test]
    fn one_machine_is_tried_four_times_a_minute_whatever_its_ports() {
        let (mut candidates, start) = (Candidates::default(), Instant::now());
        for port in 1..=10 {
            candidates.offer(&url(1, port), start);
        }
        candidates.offer(&url(2, 1), start);
        let first: Vec<_> = std::iter::from_fn(|| candidates.next(start)).collect();
        assert_eq!(first.len(), PER_HOST + 1);
        assert_eq!(first.last(), Some(&url(2, 1)));
        assert_eq!(candidates.next_at(start), Some(start + AGAIN));
        assert_eq!(take_all(&mut candidates, start + AGAIN), PER_HOST);
    }

    #[test]
    fn a_flood_of_machines_is_tried_at_the_rate_or_forgotten() {
        let (mut candidates, start) = (Candidates::default(), Instant::now());
        let mut taken = 0;
        for n in 0..10_000 {
            let url = PeerUrl::parse(&format!("http://10.1.{}.{}:9/", n / 256, n % 256)).unwrap();
            candidates.offer(&url, start);
            taken += take_all(&mut candidates, start);
        }
        assert_eq!(taken, PER_MINUTE);
        assert_eq!(candidates.waiting.len(), WAITING_MAX);
        assert_eq!(take_all(&mut candidates, start + AGAIN), PER_MINUTE);
    }

    #[test]
    fn nothing_is_due_when_nothing_waits() {
        let (mut candidates, now) = (Candidates::default(), Instant::now());
        assert_eq!(candidates.next_at(now), None);
        assert!(candidates.offer(&url(1, 1), now));
        assert_eq!(candidates.next_at(now), Some(now));
        assert!(!candidates.offer(&url(1, 1).codes(), now));
        assert_eq!(candidates.next(now), Some(url(1, 1)));
        assert!(!candidates.offer(&url(1, 1), now));
        assert_eq!(candidates.next_at(now), None);
    }
}
