//! The versions of the files that are indexed, by the keys of the files.
//!
//! There may be millions: they take 16 bytes each, and little more. Keys are hashes, so that they spread evenly over
//! [`PARTS`] sorted lists, in which one is added by moving a few hundred others.

/// Lists of keys.
const PARTS: usize = 4_096;

/// One part in so many of a list is added to it when it is full.
const GROWTH: usize = 16;

/// The versions of files.
#[derive(Debug)]
pub(crate) struct Versions {
    parts: Vec<Vec<(u64, u64)>>,
    length: usize,
}

impl Default for Versions {
    fn default() -> Versions {
        Versions {
            parts: vec![Vec::new(); PARTS],
            length: 0,
        }
    }
}

impl Versions {
    /// Returns the number of files.
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// Returns the version of a file.
    pub(crate) fn get(&self, key: u64) -> Option<u64> {
        let part = &self.parts[part(key)];
        let at = place(part, key).ok()?;
        Some(part[at].1)
    }

    /// Notes the version of a file, and returns the one before.
    pub(crate) fn insert(&mut self, key: u64, version: u64) -> Option<u64> {
        let part = &mut self.parts[part(key)];
        match place(part, key) {
            Ok(at) => Some(std::mem::replace(&mut part[at].1, version)),
            Err(at) => {
                if part.len() == part.capacity() {
                    part.reserve_exact(part.len() / GROWTH + 1);
                }
                part.insert(at, (key, version));
                self.length += 1;
                None
            }
        }
    }

    /// Forgets a file.
    pub(crate) fn remove(&mut self, key: u64) {
        let part = &mut self.parts[part(key)];
        if let Ok(at) = place(part, key) {
            part.remove(at);
            self.length -= 1;
        }
    }

    /// Returns the keys, in their order.
    pub(crate) fn keys(&self) -> impl Iterator<Item = u64> {
        self.parts.iter().flatten().map(|(key, _)| *key)
    }
}

fn part(key: u64) -> usize {
    usize::try_from(key >> (u64::BITS - PARTS.trailing_zeros())).unwrap_or(0)
}

fn place(part: &[(u64, u64)], key: u64) -> Result<usize, usize> {
    part.binary_search_by_key(&key, |(key, _)| *key)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::{collection::vec, prelude::*};

    use super::*;

    proptest! {
        #[test]
        fn versions_are_those_of_a_map(
            changes in vec((prop_oneof![0..40_u64, any::<u64>()], proptest::option::of(0..9_u64)), 0..200),
        ) {
            let (mut versions, mut map) = (Versions::default(), BTreeMap::new());
            for (key, version) in changes {
                match version {
                    Some(version) => {
                        prop_assert_eq!(versions.insert(key, version), map.insert(key, version));
                    }
                    None => {
                        versions.remove(key);
                        map.remove(&key);
                    }
                }
                prop_assert_eq!(versions.get(key), map.get(&key).copied());
            }
            prop_assert_eq!(versions.len(), map.len());
            prop_assert!(versions.keys().eq(map.keys().copied()));
        }
    }
}
