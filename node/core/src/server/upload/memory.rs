//! Memory for content that is on its way out.
//!
//! Every chunk is counted from when there is [`Room`] for it until the system has taken it. The less is left, the smaller
//! are the next chunks: an answer alone has long ones, a thousand whose clients do not read have short ones.
//!
//! The buffers of chunks are used again. A thread asks for one, another fills it and a third gives it back: to the
//! allocator that is memory of the first thread, which keeps it until it works again.
//!
//! # Invariants
//! - Chunks take at most [`MEMORY`], and beyond that [`CHUNK_MIN`] for each answer that is sent and one that is read.
//! - Nobody waits for memory: who reads slowly costs the others speed, and never their answers.
//! - Buffers that nobody uses take at most [`SPARE_MAX`], and [`SPARE_IDLE`] while nothing is sent.

use std::{
    collections::VecDeque,
    ops::{Deref, DerefMut},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;

use crate::sync::lock;

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

/// Most bytes of buffers that nobody uses.
const SPARE_MAX: usize = 4 << 20;

/// Most bytes of buffers that nobody uses while nothing is sent.
const SPARE_IDLE: usize = 2 * CHUNK_MAX;

/// A buffer of at most so many times the length that is wanted is used for it.
const SPARE_FIT: usize = 2;

/// Counts the bytes of chunks. Clones count together.
#[derive(Clone, Debug, Default)]
pub(in crate::server) struct Memory(Arc<State>);

#[derive(Debug, Default)]
struct State {
    taken: AtomicUsize,
    spare: Mutex<Spare>,
}

/// Buffers that nobody uses, those that came last at the end.
#[derive(Debug, Default)]
struct Spare {
    buffers: VecDeque<Vec<u8>>,
    /// Their capacity together, in bytes.
    size: usize,
}

/// A buffer that is used again when it is dropped.
#[derive(Debug)]
pub(in crate::server) struct Buffer {
    bytes: Vec<u8>,
    memory: Memory,
}

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
        self.0.taken.fetch_add(size, Ordering::Relaxed);
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

    /// Returns an empty buffer that can hold `length` bytes.
    pub(in crate::server) fn buffer(&self, length: usize) -> Buffer {
        let spare = lock(&self.0.spare).take(length);
        Buffer {
            bytes: spare.unwrap_or_else(|| Vec::with_capacity(length)),
            memory: self.clone(),
        }
    }

    fn left(&self) -> usize {
        MEMORY.saturating_sub(self.0.taken.load(Ordering::Relaxed))
    }
}

impl Spare {
    fn take(&mut self, length: usize) -> Option<Vec<u8>> {
        if length < CHUNK_MIN {
            return None;
        }
        let fits = |buffer: &Vec<u8>| (length..=length * SPARE_FIT).contains(&buffer.capacity());
        let at = self.buffers.iter().rposition(fits)?;
        let buffer = self.buffers.remove(at)?;
        self.size -= buffer.capacity();
        Some(buffer)
    }

    fn put(&mut self, mut buffer: Vec<u8>) {
        buffer.clear();
        self.size += buffer.capacity();
        self.buffers.push_back(buffer);
        self.shrink(SPARE_MAX);
    }

    /// Gives buffers back to the system until the rest holds at most `most` bytes.
    fn shrink(&mut self, most: usize) {
        while self.size > most
            && let Some(oldest) = self.buffers.pop_front()
        {
            self.size -= oldest.capacity();
        }
    }
}

impl Deref for Buffer {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.bytes
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.bytes.capacity() >= CHUNK_MIN {
            lock(&self.memory.0.spare).put(std::mem::take(&mut self.bytes));
        }
    }
}

impl Room {
    /// Returns what counts it.
    pub(in crate::server) fn memory(&self) -> Memory {
        self.memory.clone()
    }

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
        let count = &self.memory.0.taken;
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
        let before = self.memory.0.taken.fetch_sub(self.size, Ordering::Relaxed);
        if before == self.size {
            lock(&self.memory.0.spare).shrink(SPARE_IDLE);
        }
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

    #[test]
    fn a_buffer_is_used_again_for_what_is_about_as_long() {
        let memory = Memory::default();
        let mut buffer = memory.buffer(CHUNK_MAX);
        buffer.extend_from_slice(b"old");
        let place = buffer.as_ptr();
        drop(memory.room(5).hold(buffer));
        for length in [CHUNK_MAX + 1, CHUNK_MAX / 4, 1] {
            assert_ne!(memory.buffer(length).as_ptr(), place, "{length}");
        }
        let again = memory.buffer(CHUNK_MAX / 2);
        assert_eq!(again.as_ptr(), place);
        assert!(again.is_empty());
    }

    #[test]
    fn buffers_that_nobody_uses_are_few_and_fewer_at_rest() {
        let memory = Memory::default();
        let size = |memory: &Memory| {
            let spare = lock(&memory.0.spare);
            let all: usize = spare.buffers.iter().map(Vec::capacity).sum();
            assert_eq!(all, spare.size);
            all
        };
        let busy = memory.room(1);
        let buffers: Vec<_> = (0..64).map(|_| memory.buffer(CHUNK_MAX)).collect();
        drop(buffers);
        assert_eq!(size(&memory), SPARE_MAX);
        drop(memory.room(1));
        assert_eq!(size(&memory), SPARE_MAX, "something is being sent");
        drop(busy);
        assert_eq!(size(&memory), SPARE_IDLE);
        drop(memory.buffer(CHUNK_MIN - 1));
        assert_eq!(size(&memory), SPARE_IDLE, "short ones are not kept");
    }
}
