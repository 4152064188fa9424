//! Token buckets: how often somebody may do something.
//!
//! A [`Bucket`] holds tokens up to a burst and gets one back after each refill
//! time. [`Buckets`] has one for each of many, in a table that does not grow:
//! a bucket that is full again is forgotten, because a new one is the same.
//!
//! # Invariants
//! - Over any time, at most the burst plus the time divided by the refill time
//!   is taken.
//! - The table has at most its number of buckets. When all of them are in use, a
//!   new one takes the place of the one that is nearest to being full.
//! - No clock; time is a parameter.
//!
//! `governor` is not used here: its table of keys grows until somebody shrinks it, and no bucket makes room for another.

use std::{
    collections::HashMap,
    hash::Hash,
    net::{IpAddr, Ipv6Addr},
    time::{Duration, Instant},
};

/// The rate of a bucket.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Quota {
    /// Tokens at once after a pause.
    pub burst: u32,
    /// Time until one token comes back.
    pub refill: Duration,
}

/// The tokens of one.
///
/// It keeps the time at which it is full again: each token that is taken moves
/// it by one refill time, and more than a burst ahead of now it cannot be.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bucket {
    full_at: Option<Instant>,
}

/// The tokens of many.
#[derive(Debug)]
pub struct Buckets<K> {
    buckets: HashMap<K, Bucket>,
    most: usize,
}

impl Quota {
    /// Returns a quota of `rate` a second, and `burst` at once.
    #[must_use]
    pub const fn per_second(rate: u32, burst: u32) -> Quota {
        Quota {
            burst,
            refill: Duration::from_nanos(1_000_000_000 / rate as u64),
        }
    }

    fn time(self, tokens: u32) -> Duration {
        self.refill.saturating_mul(tokens)
    }
}

impl Bucket {
    /// Takes `tokens`.
    ///
    /// # Errors
    /// Errors if there are too few, with the time until there are enough. Nothing is taken.
    pub fn take(&mut self, quota: Quota, tokens: u32, now: Instant) -> Result<(), Duration> {
        self.full_at = Some(self.without(quota, tokens, now)?);
        Ok(())
    }

    /// Returns the time at which it is full again after so many tokens are taken.
    fn without(self, quota: Quota, tokens: u32, now: Instant) -> Result<Instant, Duration> {
        let full_at = self.full_at.map_or(now, |at| at.max(now)) + quota.time(tokens);
        let most = now + quota.time(quota.burst);
        if full_at > most {
            return Err(full_at - most);
        }
        Ok(full_at)
    }
}

impl<K: Clone + Eq + Hash> Buckets<K> {
    /// Creates no buckets, and room for `most`.
    #[must_use]
    pub fn new(most: usize) -> Buckets<K> {
        Buckets {
            buckets: HashMap::new(),
            most,
        }
    }

    /// Takes `tokens` of the bucket of `key`.
    ///
    /// # Errors
    /// Errors if there are too few, with the time until there are enough.
    pub fn take(
        &mut self,
        key: K,
        quota: Quota,
        tokens: u32,
        now: Instant,
    ) -> Result<(), Duration> {
        if !self.buckets.contains_key(&key) {
            self.make_room(now);
        }
        let bucket = self.buckets.entry(key).or_default();
        bucket.take(quota, tokens, now)
    }

    /// Says whether there are `tokens` in the bucket of `key`, and takes none.
    ///
    /// # Errors
    /// Errors if there are too few, with the time until there are enough.
    pub fn has(&self, key: &K, quota: Quota, tokens: u32, now: Instant) -> Result<(), Duration> {
        let bucket = self.buckets.get(key).copied().unwrap_or_default();
        bucket.without(quota, tokens, now).map(drop)
    }

    fn make_room(&mut self, now: Instant) {
        if self.buckets.len() < self.most {
            return;
        }
        self.buckets.retain(|_, bucket| bucket.full_at > Some(now));
        if self.buckets.len() >= self.most {
            let fullest = self.buckets.iter().min_by_key(|(_, bucket)| bucket.full_at);
            if let Some(key) = fullest.map(|(key, _)| key.clone()) {
                self.buckets.remove(&key);
            }
        }
    }
}

/// Returns the source that an address stands for: itself, or for IPv6 its network of 64 bits, of
/// which one machine has all addresses.
#[must_use]
pub fn source_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const QUOTA: Quota = Quota::per_second(10, 5);

    #[test]
    fn after_the_burst_tokens_come_back_one_by_one() {
        let now = Instant::now();
        let mut bucket = Bucket::default();
        for _ in 0..5 {
            assert_eq!(bucket.take(QUOTA, 1, now), Ok(()));
        }
        assert_eq!(bucket.take(QUOTA, 1, now), Err(QUOTA.refill));
        assert_eq!(bucket.take(QUOTA, 1, now + QUOTA.refill), Ok(()));
        assert!(bucket.take(QUOTA, 1, now + QUOTA.refill).is_err());
    }

    #[test]
    fn a_pause_is_no_credit_beyond_the_burst() {
        let now = Instant::now();
        let mut bucket = Bucket::default();
        let later = now + Duration::from_secs(3_600);
        assert!(bucket.take(QUOTA, 6, later).is_err());
        assert_eq!(bucket.take(QUOTA, 5, later), Ok(()));
    }

    #[test]
    fn a_full_table_forgets_who_took_least() {
        let now = Instant::now();
        let mut buckets = Buckets::new(2);
        assert_eq!(buckets.take("much", QUOTA, 5, now), Ok(()));
        assert_eq!(buckets.take("little", QUOTA, 1, now), Ok(()));
        assert_eq!(buckets.take("new", QUOTA, 2, now), Ok(()));
        assert_eq!(buckets.buckets.len(), 2);
        assert!(buckets.take("much", QUOTA, 1, now).is_err());
    }

    #[test]
    fn to_look_into_a_bucket_takes_nothing() {
        let now = Instant::now();
        let mut buckets = Buckets::new(2);
        for _ in 0..9 {
            assert_eq!(buckets.has(&"a", QUOTA, 5, now), Ok(()));
        }
        assert_eq!(buckets.buckets.len(), 0);
        assert_eq!(buckets.take("a", QUOTA, 5, now), Ok(()));
        assert_eq!(buckets.has(&"a", QUOTA, 1, now), Err(QUOTA.refill));
    }

    #[test]
    fn one_network_of_ipv6_is_one_source() {
        let of = |text: &str| source_of(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8:0:1::1"), of("2001:db8::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }

    proptest! {
        #[test]
        fn no_more_passes_than_the_quota_lets(
            steps in proptest::collection::vec((0..500_u64, 1..4_u32), 1..200),
        ) {
            let start = Instant::now();
            let (mut now, mut bucket, mut passed) = (start, Bucket::default(), 0);
            for (pause, tokens) in steps {
                now += Duration::from_millis(pause);
                if bucket.take(QUOTA, tokens, now).is_ok() {
                    passed += u128::from(tokens);
                }
                let most = (now - start).as_nanos() / QUOTA.refill.as_nanos();
                prop_assert!(passed <= most + u128::from(QUOTA.burst));
            }
        }
    }
}
