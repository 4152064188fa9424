//! The names by which blobs came, for a short time.
//!
//! A name is nothing but a peer's word. It is believed for [`TIME`], so that
//! many who ask for the same name at once are served, and a new content of the
//! name is found soon.
//!
//! # Invariants
//! - At most [`NAMES_MAX`] names; the oldest goes.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use node_wire::{Digest, ShareName};

/// Most names.
const NAMES_MAX: usize = 4_096;

/// The time that a name is believed.
const TIME: Duration = Duration::from_secs(600);

/// Names and the blobs that came by them.
#[derive(Debug, Default)]
pub(super) struct NameTable(HashMap<ShareName, (Digest, Instant)>);

impl NameTable {
    /// Notes that `name` was `digest` at the time `now`.
    pub(super) fn remember(&mut self, name: ShareName, digest: Digest, now: Instant) {
        if self.0.len() >= NAMES_MAX && !self.0.contains_key(&name) {
            self.make_room(now);
        }
        self.0.insert(name, (digest, now));
    }

    /// Returns the digest that `name` had not long before `now`.
    pub(super) fn digest_of(&self, name: &ShareName, now: Instant) -> Option<Digest> {
        self.0
            .get(name)
            .filter(|(_, since)| now.saturating_duration_since(*since) < TIME)
            .map(|(digest, _)| *digest)
    }

    /// Forgets all names.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    fn make_room(&mut self, now: Instant) {
        self.0
            .retain(|_, (_, since)| now.saturating_duration_since(*since) < TIME);
        if self.0.len() < NAMES_MAX {
            return;
        }
        let oldest = self.0.iter().min_by_key(|(_, (_, since))| *since);
        if let Some(name) = oldest.map(|(name, _)| name.clone()) {
            self.0.remove(&name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(n: usize) -> ShareName {
        ShareName::parse(&format!("file {n}")).unwrap()
    }

    fn digest(n: u8) -> Digest {
        Digest::from_bytes([n; 32])
    }

    #[test]
    fn a_name_is_believed_for_ten_minutes() {
        let start = Instant::now();
        let mut names = NameTable::default();
        names.remember(name(1), digest(1), start);
        let nearly = start + TIME - Duration::from_millis(1);
        assert_eq!(names.digest_of(&name(1), nearly), Some(digest(1)));
        assert_eq!(names.digest_of(&name(1), start + TIME), None);
        names.remember(name(1), digest(2), nearly);
        assert_eq!(names.digest_of(&name(1), start + TIME), Some(digest(2)));
        assert_eq!(names.digest_of(&name(2), start), None);
    }

    #[test]
    fn the_oldest_name_makes_room() {
        let start = Instant::now();
        let mut names = NameTable::default();
        for n in 0..=NAMES_MAX {
            names.remember(name(n), digest(0), start + Duration::from_millis(n as u64));
        }
        assert_eq!(names.0.len(), NAMES_MAX);
        let later = start + Duration::from_secs(60);
        assert_eq!(names.digest_of(&name(0), later), None);
        assert_eq!(names.digest_of(&name(1), later), Some(digest(0)));
    }
}
