//! The kinds of long content: text or not, and the length that it has as the answer to `query`.
//!
//! Content is read through once to learn that. A second asker waits for the same reading; when the asker whose
//! request reads goes away, the next one goes on in its place.
//!
//! # Invariants
//! - At most [`KINDS_MAX`] are kept; the one that was learned first makes room.
//! - Content of one kind is the same content: a file by its stamp, a blob by its digest.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex},
};

use node_wire::{Digest, content::Scanned};
use tokio::sync::OnceCell;

use crate::{share::Stamp, sync::lock};

/// Most kinds that are kept.
const KINDS_MAX: usize = 4_096;

/// Content, for as long as it is the same.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Key {
    /// A file of the share.
    File(Stamp),
    /// A cached blob.
    Blob(Digest),
}

/// The kind of one content, once it was read.
pub(super) type Kind = Arc<OnceCell<Scanned>>;

/// The kinds of long content.
#[derive(Debug, Default)]
pub struct Kinds(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    kinds: HashMap<Key, Kind>,
    order: VecDeque<Key>,
}

impl Kinds {
    /// Returns the kind of content, known or to be known.
    pub(super) fn of(&self, key: Key) -> Kind {
        lock(&self.0).of(key)
    }
}

impl Table {
    fn of(&mut self, key: Key) -> Kind {
        if let Some(kind) = self.kinds.get(&key) {
            return Arc::clone(kind);
        }
        if self.kinds.len() >= KINDS_MAX
            && let Some(first) = self.order.pop_front()
        {
            self.kinds.remove(&first);
        }
        let kind = Kind::default();
        self.order.push_back(key);
        self.kinds.insert(key, Arc::clone(&kind));
        kind
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: usize) -> Key {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&n.to_le_bytes());
        Key::Blob(Digest::from_bytes(bytes))
    }

    #[test]
    fn the_same_content_has_one_kind_and_the_first_makes_room() {
        let kinds = Kinds::default();
        let first = kinds.of(key(0));
        first.set(Scanned::binary(7)).unwrap();
        assert_eq!(kinds.of(key(0)).get(), Some(&Scanned::binary(7)));
        assert_eq!(kinds.of(key(1)).get(), None);
        (2..=KINDS_MAX).for_each(|n| drop(kinds.of(key(n))));
        assert_eq!(kinds.of(key(0)).get(), None, "it made room");
        assert_eq!(lock(&kinds.0).kinds.len(), KINDS_MAX);
        assert_eq!(lock(&kinds.0).order.len(), KINDS_MAX);
    }
}
