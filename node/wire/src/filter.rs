//! `Filter`: which keys a node has, in few bits and with few errors.
//!
//! A Bloom filter. A key is text; its 64-bit FNV-1a hash, mixed, gives the place of
//! each of its bits: `(low + n * high) mod bits`, where `low` and `high` are the
//! two halves of the mixed hash, `high` made odd, and `n` counts from 0. The filter
//! has a power of two of bits, at least [`BITS_EACH`] for each key, so that fewer
//! than one of 500 keys that are not in it seem to be; a key that is in it is never
//! missed. `docs/protocol/searching.md` has the words for those who write a peer of their own.
//!
//! # Invariants
//! - A filter that says yes to everything is invalid: one with more bits set than
//!   [`FILLED_MAX`] of them, or than its keys can set, is not read.
//! - A change leads from one filter to another of the same size.

use crate::limits::{FILTER_BITS_MAX, FILTER_KEYS_MAX};

/// Bits for each key, at least.
pub const BITS_EACH: usize = 16;

/// Bits that a key sets.
pub const HASHES: u32 = 11;

/// Most bits that may be set, in hundredths.
pub const FILLED_MAX: usize = 60;

/// Fewest bits of a filter: in smaller ones the bits of a key fall together.
const BITS_MIN: usize = 512;

/// The bits of a word, the unit in which changes are written.
const WORD: usize = 64;

/// Bytes of a change: the number of a word and the word.
const CHANGE: usize = 12;

/// A filter.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Filter {
    keys: usize,
    words: Vec<u64>,
}

/// The error of bytes that are not a filter.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum FilterError {
    /// The length is not a power of two, or out of its bounds.
    #[error(
        "a filter has {} to {} bytes, a power of two",
        BITS_MIN / 8,
        FILTER_BITS_MAX / 8
    )]
    Length,
    /// More bits are set than a filter may have or its keys can set.
    #[error("a filter with so many bits set says yes to everything")]
    Dense,
    /// The change is not one of this filter.
    #[error("the change of a filter names words that it does not have")]
    Change,
}

/// Returns the hash of a key, as filters use it.
#[must_use]
pub fn hash(key: &str) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325;
    let hash = key.bytes().fold(start, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    // FNV alone spreads the last bytes of a key badly over the upper bits.
    mixed(hash)
}

fn mixed(hash: u64) -> u64 {
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

impl Filter {
    /// Returns a filter with these keys, by their hashes, each once. `None` if there are
    /// more than [`FILTER_KEYS_MAX`].
    #[must_use]
    pub fn of(hashes: impl ExactSizeIterator<Item = u64>) -> Option<Filter> {
        let keys = hashes.len();
        if keys > FILTER_KEYS_MAX {
            return None;
        }
        let bits = (keys * BITS_EACH).next_power_of_two().max(BITS_MIN);
        let mut filter = Filter {
            keys,
            words: vec![0; bits / WORD],
        };
        for hash in hashes {
            for place in places(hash, bits) {
                filter.words[place / WORD] |= 1 << (place % WORD);
            }
        }
        Some(filter)
    }

    /// Returns true if the key with this hash is in it, or seems to be.
    #[must_use]
    pub fn has(&self, hash: u64) -> bool {
        let mut places = places(hash, self.bits());
        places.all(|place| self.words[place / WORD] & (1 << (place % WORD)) != 0)
    }

    /// Returns the number of keys that the maker of the filter states.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.keys
    }

    /// Returns the number of bits.
    #[must_use]
    pub fn bits(&self) -> usize {
        self.words.len() * WORD
    }

    /// Returns a fingerprint, which differs for almost any other filter.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let mix = |sum: u64, word: &u64| mixed(sum.rotate_left(5) ^ word);
        self.words.iter().fold(self.keys as u64, mix)
    }

    /// Returns the bits as bytes: word by word, the lowest byte first.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.words
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .collect()
    }

    /// Reads the bits of a filter with so many keys.
    ///
    /// # Errors
    /// [`FilterError`], for a length that no filter has, and for too many bits set.
    pub fn from_bytes(keys: usize, bytes: &[u8]) -> Result<Filter, FilterError> {
        let bits = bytes.len() * 8;
        if !bits.is_power_of_two() || !(BITS_MIN..=FILTER_BITS_MAX).contains(&bits) {
            return Err(FilterError::Length);
        }
        let (words, _) = bytes.as_chunks::<8>();
        let words = words.iter().map(|word| u64::from_le_bytes(*word)).collect();
        Filter { keys, words }.checked()
    }

    /// Returns the change to `newer`: for each word that differs its number, 4
    /// bytes, and the word, 8 bytes, the lowest first. `None` if they have not the
    /// same size, or the change is no shorter than `newer`.
    #[must_use]
    pub fn change_to(&self, newer: &Filter) -> Option<Vec<u8>> {
        if self.words.len() != newer.words.len() {
            return None;
        }
        let mut change = Vec::new();
        let pairs = self.words.iter().zip(&newer.words);
        for (number, (old, new)) in (0_u32..).zip(pairs) {
            if old != new {
                change.extend(number.to_le_bytes());
                change.extend(new.to_le_bytes());
            }
        }
        (change.len() < newer.words.len() * 8).then_some(change)
    }

    /// Returns this filter after a change, with so many keys.
    ///
    /// # Errors
    /// [`FilterError`], for a change of another filter or one that sets too many bits.
    pub fn changed(&self, keys: usize, change: &[u8]) -> Result<Filter, FilterError> {
        let (changes, rest) = change.as_chunks::<CHANGE>();
        if !rest.is_empty() {
            return Err(FilterError::Change);
        }
        let mut words = self.words.clone();
        for change in changes {
            let [a, b, c, d, word @ ..] = change;
            let number = u32::from_le_bytes([*a, *b, *c, *d]);
            let place = usize::try_from(number).map_err(|_| FilterError::Change)?;
            *words.get_mut(place).ok_or(FilterError::Change)? = u64::from_le_bytes(*word);
        }
        Filter { keys, words }.checked()
    }

    fn checked(self) -> Result<Filter, FilterError> {
        let set: usize = self
            .words
            .iter()
            .map(|word| word.count_ones() as usize)
            .sum();
        let can_set = self.keys.saturating_mul(HASHES as usize);
        if set > self.bits() * FILLED_MAX / 100 || set > can_set {
            return Err(FilterError::Dense);
        }
        Ok(self)
    }
}

/// Returns the places of the bits of a key.
fn places(hash: u64, bits: usize) -> impl Iterator<Item = usize> {
    let (low, high) = (hash & 0xffff_ffff, (hash >> 32) | 1);
    let mask = bits as u64 - 1;
    (0..u64::from(HASHES)).map(move |n| {
        // Below `bits`, which is a `usize`.
        (low.wrapping_add(n.wrapping_mul(high)) & mask) as usize
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn filter(keys: usize) -> Filter {
        Filter::of((0..keys).map(|n| hash(&format!("key {n}")))).unwrap()
    }

    #[test]
    fn a_known_key_sets_known_bits() {
        assert_eq!(hash(""), 0xf52a_15e9_a9b5_e89b);
        let filter = Filter::of([hash("n:a.txt")].into_iter()).unwrap();
        assert_eq!(filter.bits(), BITS_MIN);
        assert!(filter.has(hash("n:a.txt")) && !filter.has(hash("n:b.txt")));
    }

    #[test]
    fn few_keys_that_are_not_there_seem_to_be() {
        for keys in [1, 7, 100, 1_000, 20_000] {
            let filter = filter(keys);
            let other = |n: usize| hash(&format!("other {n}"));
            let wrong = (0..100_000).filter(|n| filter.has(other(*n))).count();
            assert!(wrong <= 200, "{wrong} of 100,000 with {keys} keys");
            assert!((0..keys).all(|n| filter.has(hash(&format!("key {n}")))));
        }
    }

    #[test]
    fn what_says_yes_to_everything_is_refused() {
        let dense = |keys, bytes: &[u8]| Filter::from_bytes(keys, bytes);
        assert_eq!(dense(1_000, &[0xff; 64]), Err(FilterError::Dense));
        assert_eq!(dense(1_000, &[0xf7; 64]), Err(FilterError::Dense));
        assert_eq!(dense(1, &[0x11; 64]), Err(FilterError::Dense));
        assert!(dense(1_000, &[0x0f; 64]).is_ok());
        assert!(dense(0, &[0; 64]).is_ok());
        for length in [0, 8, 63, 96, FILTER_BITS_MAX / 4] {
            assert_eq!(dense(9, &vec![0; length]), Err(FilterError::Length));
        }
        assert!(Filter::of((0..=FILTER_KEYS_MAX as u64).collect::<Vec<_>>().into_iter()).is_none());
    }

    #[test]
    fn a_change_of_another_filter_is_refused() {
        let small = filter(4);
        assert_eq!(small.changed(4, &[0; 5]), Err(FilterError::Change));
        let mut far = vec![0; 12];
        far[0] = (small.bits() / WORD) as u8;
        assert_eq!(small.changed(4, &far), Err(FilterError::Change));
        let full = [&0_u32.to_le_bytes()[..], &u64::MAX.to_le_bytes()[..]].concat();
        assert_eq!(small.changed(4, &full), Err(FilterError::Dense));
        assert_eq!(small.change_to(&filter(50)), None);
    }

    proptest! {
        #[test]
        fn a_filter_and_its_changes_read_back(
            keys in proptest::collection::hash_set(any::<u64>(), 0..300),
            more in any::<u64>(),
        ) {
            let list: Vec<u64> = keys.iter().copied().collect();
            let filter = Filter::of(list.clone().into_iter()).unwrap();
            prop_assert!(list.iter().all(|key| filter.has(*key)));
            prop_assert_eq!(Filter::from_bytes(list.len(), &filter.to_bytes()), Ok(filter.clone()));
            let newer = Filter::of(list.into_iter().chain([more]).collect::<Vec<_>>().into_iter()).unwrap();
            if let Some(change) = filter.change_to(&newer) {
                prop_assert_eq!(filter.changed(newer.keys(), &change), Ok(newer.clone()));
                prop_assert!(filter.fingerprint() != newer.fingerprint());
            }
        }

        #[test]
        fn no_bytes_make_it_panic(keys in any::<usize>(), bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            drop(Filter::from_bytes(keys, &bytes));
            drop(filter(9).changed(keys, &bytes));
        }
    }
}
