//! The eviction policy: the books of the cache, without a disk.
//!
//! The policy is GDSF, greedy dual size with frequency: a blob is worth its
//! uses divided by its size, on top of a clock. The clock is the worth of the
//! last blob that had to go, so that those who are not asked for any more grow
//! old beside those who came later. Small and popular blobs stay, large ones
//! that were asked for once go first.
//!
//! # Invariants
//! - Blobs and reservations together never take more than the capacity.
//! - A blob that has to go leaves the books before its room is given away; the
//!   caller removes its files before it uses the room.
//! - Content of unknown length that wants more than half of the capacity gets
//!   it only where nobody has to go: it may turn out to be too long, and would
//!   then have sent all others away for nothing.
//! - At most [`ENTRIES_MAX`] blobs and [`FILLINGS_MAX`] contents on their way in.

use std::collections::{BTreeMap, HashMap};

use node_wire::Digest;

use super::CacheEntry;

/// Most blobs.
const ENTRIES_MAX: usize = 65_536;

/// Most contents on their way in at a time.
const FILLINGS_MAX: usize = 16;

/// The worth of one use of a blob of one byte.
const USE_OF_A_BYTE: u64 = 1 << 40;

/// Uses beyond this number count no more.
const USES_MAX: u64 = 1 << 16;

/// There is no room, even if all blobs go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct NoRoom;

/// The length of content on its way in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Length {
    /// As long as was reserved for at the beginning, and it fits.
    Known,
    /// Its length is not known; it has taken so many bytes so far.
    Unknown(u64),
}

/// The worth of a blob, and the number of its last use: of two blobs of the
/// same worth the one that was used earlier goes.
type Rank = (u64, u64);

#[derive(Clone, Copy, Debug)]
struct Kept {
    size: u64,
    cost: u64,
    hits: u64,
    used: u64,
    rank: Rank,
}

/// The blobs in the cache, and their sizes.
#[derive(Debug)]
pub(super) struct Ledger {
    capacity: u64,
    /// The bytes of the blobs.
    kept: u64,
    /// The bytes reserved for contents on their way in.
    reserved: u64,
    fillings: usize,
    clock: u64,
    uses: u64,
    blobs: HashMap<Digest, Kept>,
    ranks: BTreeMap<Rank, Digest>,
}

impl Ledger {
    /// Creates empty books for `capacity` bytes.
    pub(super) fn new(capacity: u64) -> Ledger {
        Ledger {
            capacity,
            kept: 0,
            reserved: 0,
            fillings: 0,
            clock: 0,
            uses: 0,
            blobs: HashMap::new(),
            ranks: BTreeMap::new(),
        }
    }

    /// Gives a place to content that will take `cost` bytes at least.
    pub(super) fn begin(&mut self, cost: u64) -> bool {
        let free = self.fillings < FILLINGS_MAX && cost <= self.capacity;
        self.fillings += usize::from(free);
        free
    }

    /// Gives the place back, and the room that was reserved and not kept.
    pub(super) fn end(&mut self, reserved: u64) {
        self.fillings = self.fillings.saturating_sub(1);
        self.reserved = self.reserved.saturating_sub(reserved);
    }

    /// Reserves `more` bytes. Returns the blobs that have to go for it and their bytes.
    pub(super) fn reserve(
        &mut self,
        more: u64,
        length: Length,
    ) -> Result<Vec<(Digest, u64)>, NoRoom> {
        let reserved = self.reserved.checked_add(more).ok_or(NoRoom)?;
        if reserved > self.capacity {
            return Err(NoRoom);
        }
        let mut going = Vec::new();
        let too_much = match length {
            Length::Known => false,
            Length::Unknown(taken) => taken.saturating_add(more) > self.capacity / 2,
        };
        if too_much && self.kept > self.capacity - reserved {
            return Err(NoRoom);
        }
        while self.kept > self.capacity - reserved {
            going.push(self.least().ok_or(NoRoom)?);
        }
        self.reserved = reserved;
        Ok(going)
    }

    /// Makes a blob of `cost` reserved bytes. Answers who has to go because
    /// there are too many.
    pub(super) fn keep(
        &mut self,
        digest: Digest,
        size: u64,
        cost: u64,
        used: u64,
    ) -> Vec<(Digest, u64)> {
        let mut going = Vec::new();
        while self.blobs.len() >= ENTRIES_MAX
            && let Some(least) = self.least()
        {
            going.push(least);
        }
        self.reserved = self.reserved.saturating_sub(cost);
        self.remove(&digest);
        self.kept += cost;
        let rank = self.rank(0, cost);
        self.ranks.insert(rank, digest);
        let kept = Kept {
            size,
            cost,
            hits: 0,
            used,
            rank,
        };
        self.blobs.insert(digest, kept);
        going
    }

    /// Counts a use of a blob at the time `used`. Answers its size.
    pub(super) fn touch(&mut self, digest: &Digest, used: u64) -> Option<u64> {
        let kept = *self.blobs.get(digest)?;
        let hits = kept.hits + 1;
        let rank = self.rank(hits, kept.cost);
        self.ranks.remove(&kept.rank);
        self.ranks.insert(rank, *digest);
        let touched = Kept {
            hits,
            used,
            rank,
            ..kept
        };
        self.blobs.insert(*digest, touched);
        Some(kept.size)
    }

    /// Takes a blob out of the books. Returns its bytes.
    pub(super) fn remove(&mut self, digest: &Digest) -> Option<u64> {
        let kept = self.blobs.remove(digest)?;
        self.ranks.remove(&kept.rank);
        self.kept -= kept.cost;
        Some(kept.cost)
    }

    /// Notes that `cost` bytes of the disk are taken by files that could not be removed.
    pub(super) fn lose(&mut self, cost: u64) {
        self.capacity = self.capacity.saturating_sub(cost);
    }

    /// Returns the size of a blob that is here.
    pub(super) fn size_of(&self, digest: &Digest) -> Option<u64> {
        self.blobs.get(digest).map(|kept| kept.size)
    }

    /// Returns the bytes of blobs and of contents on their way in.
    pub(super) fn bytes(&self) -> u64 {
        self.kept + self.reserved
    }

    /// Returns the blobs, those that were used last first.
    pub(super) fn list(&self) -> Vec<CacheEntry> {
        let mut blobs: Vec<_> = self.blobs.iter().collect();
        blobs.sort_unstable_by_key(|(_, kept)| std::cmp::Reverse(kept.rank.1));
        let entry = |(digest, kept): (&Digest, &Kept)| CacheEntry {
            digest: *digest,
            size: kept.size,
            hits: kept.hits,
            used: kept.used,
        };
        blobs.into_iter().map(entry).collect()
    }

    fn rank(&mut self, hits: u64, cost: u64) -> Rank {
        self.uses += 1;
        let uses = (hits + 1).min(USES_MAX);
        let worth = uses * USE_OF_A_BYTE / cost.max(1);
        (self.clock.saturating_add(worth), self.uses)
    }

    /// Takes the blob that is worth least out of the books.
    fn least(&mut self) -> Option<(Digest, u64)> {
        let (rank, digest) = self.ranks.first_key_value()?;
        let (worth, digest) = (rank.0, *digest);
        self.clock = self.clock.max(worth);
        self.remove(&digest).map(|cost| (digest, cost))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn digest(n: u8) -> Digest {
        Digest::from_bytes([n; 32])
    }

    fn put(ledger: &mut Ledger, n: u8, cost: u64) -> Vec<Digest> {
        let going = ledger.reserve(cost, Length::Known).unwrap();
        let more = ledger.keep(digest(n), cost, cost, 0);
        going
            .into_iter()
            .chain(more)
            .map(|(digest, _)| digest)
            .collect()
    }

    #[test]
    fn of_equals_the_one_that_was_used_earlier_goes() {
        let mut ledger = Ledger::new(30);
        for n in 0..3 {
            assert!(put(&mut ledger, n, 10).is_empty());
        }
        ledger.touch(&digest(0), 7);
        assert_eq!(put(&mut ledger, 3, 10), [digest(1)]);
        assert_eq!(ledger.list()[0].digest, digest(3));
        assert_eq!(ledger.bytes(), 30);
    }

    #[test]
    fn a_large_blob_goes_before_small_ones() {
        let mut ledger = Ledger::new(100);
        put(&mut ledger, 0, 10);
        put(&mut ledger, 1, 80);
        put(&mut ledger, 2, 10);
        assert_eq!(put(&mut ledger, 3, 10), [digest(1)]);
    }

    #[test]
    fn who_was_popular_once_grows_old() {
        let mut ledger = Ledger::new(40);
        put(&mut ledger, 0, 10);
        for _ in 0..3 {
            ledger.touch(&digest(0), 0);
        }
        let gone = (1..100).find(|n| put(&mut ledger, *n, 10).contains(&digest(0)));
        assert!(gone.is_some_and(|n| n > 4), "{gone:?}");
    }

    #[test]
    fn what_does_not_fit_sends_nobody_away() {
        let mut ledger = Ledger::new(30);
        put(&mut ledger, 0, 10);
        assert_eq!(ledger.reserve(31, Length::Known), Err(NoRoom));
        assert!(!ledger.begin(31));
        ledger.reserve(20, Length::Known).unwrap();
        assert_eq!(ledger.reserve(11, Length::Known), Err(NoRoom));
        assert_eq!(ledger.list().len(), 1);
    }

    #[test]
    fn content_of_unknown_length_sends_away_half_at_most() {
        let mut ledger = Ledger::new(100);
        (0..10).for_each(|n| drop(put(&mut ledger, n, 10)));
        for taken in [0, 10, 20, 30, 40] {
            let going = ledger.reserve(10, Length::Unknown(taken)).unwrap();
            assert_eq!(going.len(), 1);
        }
        assert_eq!(ledger.reserve(10, Length::Unknown(50)), Err(NoRoom));
        assert_eq!(ledger.list().len(), 5);
        let mut empty = Ledger::new(100);
        assert_eq!(empty.reserve(100, Length::Unknown(0)), Ok(Vec::new()));
    }

    #[test]
    fn places_are_few_and_come_back() {
        let mut ledger = Ledger::new(30);
        assert!((0..FILLINGS_MAX).all(|_| ledger.begin(1)));
        assert!(!ledger.begin(1));
        ledger.end(0);
        assert!(ledger.begin(1));
    }

    #[derive(Clone, Debug)]
    enum Step {
        Put(u8, u64),
        Abandon(u64),
        Touch(u8),
        Remove(u8),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (any::<u8>(), 1..60_u64).prop_map(|(n, cost)| Step::Put(n, cost)),
            (1..60_u64).prop_map(Step::Abandon),
            any::<u8>().prop_map(Step::Touch),
            any::<u8>().prop_map(Step::Remove),
        ]
    }

    proptest! {
        #[test]
        fn the_books_agree_and_the_capacity_holds(steps in proptest::collection::vec(step(), 0..200)) {
            let mut ledger = Ledger::new(50);
            let mut there: HashMap<Digest, u64> = HashMap::new();
            for step in steps {
                match step {
                    Step::Put(n, cost) => {
                        let fits = cost <= 50;
                        let reserved = ledger.reserve(cost, Length::Known);
                        prop_assert_eq!(reserved.is_ok(), fits);
                        if let Ok(going) = reserved {
                            for (digest, _) in going {
                                prop_assert!(there.remove(&digest).is_some());
                            }
                            there.insert(digest(n), cost);
                            prop_assert!(ledger.keep(digest(n), cost, cost, 0).is_empty());
                        }
                    }
                    Step::Abandon(cost) => {
                        if let Ok(going) = ledger.reserve(cost, Length::Unknown(0)) {
                            for (digest, _) in going {
                                prop_assert!(there.remove(&digest).is_some());
                            }
                            prop_assert!(ledger.bytes() <= 50);
                            ledger.end(cost);
                        }
                    }
                    Step::Touch(n) => {
                        prop_assert_eq!(ledger.touch(&digest(n), 1).is_some(), there.contains_key(&digest(n)));
                    }
                    Step::Remove(n) => {
                        prop_assert_eq!(ledger.remove(&digest(n)), there.remove(&digest(n)));
                    }
                }
                prop_assert!(ledger.bytes() <= 50);
                prop_assert_eq!(ledger.bytes(), there.values().sum::<u64>());
                prop_assert_eq!(ledger.list().len(), there.len());
                prop_assert_eq!(ledger.ranks.len(), there.len());
            }
        }
    }
}
