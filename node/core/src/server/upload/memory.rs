//! Memory for content that is on its way out.
//!
//! Every chunk is counted from when there is [`Room`] for it until the system has taken it. The less is left, the smaller
//! are the next chunks: an answer alone has long ones, a thousand whose clients do not read have short ones.
//!
//! # Invariants
//! - Chunks take at most [`MEMORY`], and beyond that [`CHUNK_MIN`] for each answer that is sent and one that is read.
//! - Nobody waits for memory: who reads slowly costs the others speed, and never their answers.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;

/// Memory for the chunks of all answers, in bytes.
pub(super) const MEMORY: usize = 16 << 20;

/// Most bytes of a chunk.
pub(super) const CHUNK_MAX: usize = 256 * 1024;

/// Fewest bytes of a chunk.
pub(super) const CHUNK_MIN: usize = 16 * 1024;

/// The next chunk is at most one of so many parts of what is left.
const PARTS: usize = 16;

/// Longest content that is read where it is opened, in bytes. One thread less to
/// wake for each of many small files.
const WHOLE: u64 = 64 * 1024;

/// Longest content that is read where it is opened when half of the memory is taken, in bytes.
const WHOLE_MIN: u64 = 4 * 1024;

/// Counts the bytes of chunks. Clones count together.
#[derive(Clone, Debug, Default)]
pub(in crate::server) struct Memory(Arc<AtomicUsize>);

/// Room for the next chunk. It is counted before the chunk is read: a thousand answers that begin at once would else all
/// read long ones.
#[derive(Debug)]
pub(in crate::server) struct Room {
    size: usize,
    memory: Memory,
}

/// Bytes that are counted until they are dropped.
struct Held<T> {
    bytes: T,
    _room: Room,
}

impl Memory {
    /// Returns the most bytes of the next chunk.
    pub(in crate::server) fn chunk(&self) -> usize {
        let part = self.left() / PARTS;
        (part - part % CHUNK_MIN).clamp(CHUNK_MIN, CHUNK_MAX)
    }

    /// Makes room for the next chunk, of at most `most` bytes.
    pub(super) fn room(&self, most: usize) -> Room {
        self.room_of(self.chunk().min(most))
    }

    fn room_of(&self, size: usize) -> Room {
        self.0.fetch_add(size, Ordering::Relaxed);
        Room {
            size,
            memory: self.clone(),
        }
    }

    /// Returns the length of the longest content that may be read at once.
    pub(in crate::server) fn whole(&self) -> u64 {
        if self.is_plentiful() {
            WHOLE
        } else {
            WHOLE_MIN
        }
    }

    /// Returns whether at least half of it is left.
    pub(super) fn is_plentiful(&self) -> bool {
        self.left() >= MEMORY / 2
    }

    /// Counts bytes until they and all their parts are dropped.
    pub(in crate::server) fn hold<T>(&self, bytes: T) -> Bytes
    where
        T: AsRef<[u8]> + Send + 'static,
    {
        self.room_of(bytes.as_ref().len()).hold(bytes)
    }

    fn left(&self) -> usize {
        MEMORY.saturating_sub(self.0.load(Ordering::Relaxed))
    }
}

impl Room {
    /// Returns the most bytes that it is for.
    pub(in crate::server) fn size(&self) -> usize {
        self.size
    }

    /// Counts bytes, be they fewer or more, until they and all their parts are dropped.
    pub(in crate::server) fn hold<T>(mut self, bytes: T) -> Bytes
    where
        T: AsRef<[u8]> + Send + 'static,
    {
        let length = bytes.as_ref().len();
        if length == 0 {
            return Bytes::new();
        }
        let count = &self.memory.0;
        count.fetch_add(length, Ordering::Relaxed);
        count.fetch_sub(self.size, Ordering::Relaxed);
        self.size = length;
        Bytes::from_owner(Held { bytes, _room: self })
    }
}

impl<T: AsRef<[u8]>> AsRef<[u8]> for Held<T> {
    fn as_ref(&self) -> &[u8] {
        self.bytes.as_ref()
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.memory.0.fetch_sub(self.size, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_alone_is_long_and_comes_back() {
        let memory = Memory::default();
        assert_eq!(memory.chunk(), CHUNK_MAX);
        let held = memory.hold(vec![0; CHUNK_MAX]);
        let part = held.slice(5..6);
        drop(held);
        assert_eq!(memory.left(), MEMORY - CHUNK_MAX, "a part is left");
        drop(part);
        assert_eq!(memory.left(), MEMORY);
    }

    #[test]
    fn room_is_counted_before_it_is_filled() {
        let memory = Memory::default();
        let rooms: Vec<_> = (0..1_024).map(|_| memory.room(usize::MAX)).collect();
        let all: usize = rooms.iter().map(Room::size).sum();
        assert!(all < MEMORY + 1_024 * CHUNK_MIN, "{all}");
        assert!(memory.room(1_000).size() <= 1_000);
        let held: Vec<_> = rooms
            .into_iter()
            .map(|room| room.hold(vec![0; 10]))
            .collect();
        assert_eq!(
            memory.left(),
            MEMORY - 10 * held.len(),
            "what was not needed is back"
        );
        drop(held);
        assert_eq!(memory.left(), MEMORY);
        drop(memory.room(5).hold(Vec::new()));
        assert_eq!(memory.left(), MEMORY);
    }

    #[test]
    fn chunks_of_many_slow_answers_stay_within_the_memory() {
        let memory = Memory::default();
        let held: Vec<_> = (0..1_024)
            .map(|_| memory.hold(vec![0; memory.chunk()]))
            .collect();
        let all: usize = held.iter().map(Bytes::len).sum();
        assert!(all < MEMORY + 1_024 * CHUNK_MIN, "{all}");
        assert_eq!(memory.chunk(), CHUNK_MIN);
        assert_eq!(memory.whole(), WHOLE_MIN);
        drop(held);
        assert_eq!(memory.chunk(), CHUNK_MAX);
        assert_eq!(memory.whole(), WHOLE);
    }
}
