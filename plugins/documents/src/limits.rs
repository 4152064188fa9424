//! Limits of this crate, in one place.

use std::time::Duration;

/// Longest document that is read, in bytes.
pub const DOCUMENT_MAX: u64 = 1 << 30;

/// Longest picture or piece of music of which the tags are read, in bytes.
pub const MEDIA_MAX: u64 = 256 << 20;

/// Most text of a document, in bytes.
pub const TEXT_MAX: u64 = 64 << 20;

/// Most bytes that come out of one worker: the text, and what is said of it.
pub const OUTPUT_MAX: u64 = TEXT_MAX + (8 << 20);

/// Longest frame of a worker, in bytes.
pub const FRAME_MAX: usize = 64 * 1024;

/// Most parts of a document that are told apart; what follows belongs to the last one.
pub const PARTS_MAX: usize = 20_000;

/// Longest name of a part, in bytes.
pub const LABEL_MAX: usize = 200;

/// Most memory of a worker that it can write, in bytes.
pub const MEMORY_MAX: u64 = 512 << 20;

/// Most addresses that a worker can reserve, in bytes. Allocators reserve more than they use.
pub const ADDRESSES_MAX: u64 = 4 << 30;

/// Most processor time of a worker, in seconds.
pub const PROCESSOR_SECONDS_MAX: u64 = 10;

/// Longest time of a worker by the clock.
pub const TIME_MAX: Duration = Duration::from_secs(60);

/// Longest wait for a worker that was killed.
pub const REAP_WAIT: Duration = Duration::from_secs(2);

/// Workers at a time.
pub const WORKERS_MAX: usize = 2;

/// Most documents that wait to be read and are known by name. The index offers the others again.
pub const WAITING_MAX: usize = 100_000;

/// Bytes of kept texts together. The oldest go first.
pub const KEPT_MAX: u64 = 2 << 30;

/// Texts that are known to be whole, so that they are not checked at each read.
pub const CHECKED_MAX: usize = 4_096;

/// Entries of an archive that are looked at.
pub const ENTRIES_MAX: usize = 20_000;

/// Most bytes that a document unpacks to.
pub const UNPACKED_MAX: u64 = 128 << 20;

/// Pause before the first try after no worker could be started; doubles up to [`PAUSE_MAX`].
pub const PAUSE_MIN: Duration = Duration::from_millis(500);

/// Longest such pause.
pub const PAUSE_MAX: Duration = Duration::from_secs(60);

/// Pause before a document that could not be opened, or that changed while it was read, is tried again.
pub const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Times that a document is tried whose reader is killed or late.
pub const TRIES_MAX: u32 = 3;

/// Pause before such a document is tried again.
pub const TRY_AFTER: Duration = Duration::from_secs(3);

/// Pause between two looks at a wish to stop.
pub const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Least time between two saves of the list of documents.
pub const SAVE_EVERY: Duration = Duration::from_secs(5);

/// Hits in the text of a file that wait for hits in the file as it stands.
pub const HELD_MAX: usize = 1_000;
