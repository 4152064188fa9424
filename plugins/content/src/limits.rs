//! Limits of this crate, in one place.

use std::time::Duration;

/// Bytes of a file that are read at a time.
pub const CHUNK: usize = 256 * 1024;

/// Bytes of a text whose words are in one document of the index. A longer text has several, and one that grows
/// gets another one.
pub const TEXT_MAX: usize = 8 * 1024 * 1024;

/// The part of a text whose words are in the index: its first bytes, decoded.
pub const WORDS_MAX: u64 = 1024 * 1024 * 1024;

/// Bytes of texts with several documents that a query reads to check what the index says.
pub const CHECKED_MAX: u64 = 1024 * 1024 * 1024;

/// The same for a query of a stranger.
pub const STRANGERS_CHECKED_MAX: u64 = 64 * 1024 * 1024;

/// Bytes of such a text that are looked at together.
pub const WINDOW: usize = 2 * 1024 * 1024;

/// Bytes at the end of such a part that are looked at again with the next one, for phrases that begin in one and end
/// in the other.
pub const OVERLAP: usize = 16 * 1024;

/// Most different trigrams of a file that are kept; a file with more is looked
/// at for every pattern.
pub const TRIGRAMS_MAX: usize = 150_000;

/// Bytes of a text that have trigrams of their own, to the end of the line: what a pattern may match in is read,
/// and not the rest of a long file.
pub const BLOCK_MIN: u64 = 16 * 1024;

/// Most blocks of a file; a longer file has longer ones.
pub const BLOCKS_MAX: u64 = 64;

/// Longest block that is read by itself, in bytes. For a longer one the file is read.
pub const BLOCK_READ_MAX: u64 = 4 * 1024 * 1024;

/// Longest line that `grep:` searches, in bytes. A file with a longer one is
/// searched up to there, and the answer is partial.
pub const LINE_MAX: usize = 32 * 1024 * 1024;

/// Longest part of a line that is shown, in bytes.
pub const SHOWN_MAX: usize = 2 * 1024;

/// The part of a long line that is shown before the match, in bytes.
pub const SHOWN_BEFORE: usize = 512;

/// Most places of a line that are marked.
pub const MARKS_MAX: usize = 32;

/// Most words and phrases of a query.
pub const ELEMENTS_MAX: usize = 32;

/// Size of a compiled regular expression, and of the tables that it makes while
/// it searches, in bytes.
pub const PATTERN_SIZE: usize = 8 * 1024 * 1024;

/// The same for an expression of a stranger.
pub const STRANGERS_PATTERN_SIZE: usize = 2 * 1024 * 1024;

/// Threads that look into files, for all queries together, beside the one of
/// each query.
pub const HELPERS_MAX: usize = 2;

/// Queries that look into files at the same time; others wait.
pub const SCANS_MAX: usize = 4;

/// Queries for words at the same time; others wait.
pub const TEXTS_MAX: usize = 8;

/// Tasks of files that are waiting to be looked at, or were and wait to be shown.
pub const TASKS_AHEAD: usize = 32;

/// Most files of a task.
pub const TASK_FILES_MAX: usize = 32;

/// Hits of one task that wait to be shown.
pub const HITS_AHEAD: usize = 64;

/// Most names of changed files that are known; of more changes, only that
/// there are some.
pub const WAITING_MAX: usize = 100_000;

/// Most files that cannot be read and are named in the status.
pub const UNREADABLE_TOLD: usize = 100;

/// Bytes of such a text whose words are counted for its rank.
pub const COUNTED_MAX: usize = 512 * 1024;

/// Files that are not indexed yet and that `text:` reads nevertheless.
pub const UNINDEXED_FILES_MAX: usize = 64;

/// Most bytes of them.
pub const UNINDEXED_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Shortest file of which only what is appended is read. A shorter one is read whole as fast.
pub const GROWING_MIN: u64 = 32 * 1024;

/// Most files of which it is known how they ended, to read only what is appended.
pub const GROWING_MAX: usize = 16_384;

/// Most times that something is appended to a file in the index; then it is read whole.
pub const APPENDED_MAX: u32 = 64;

/// Most bytes that are appended at a time; with more it is read whole.
pub const APPENDED_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// Time without a change after which the bytes of a long file that grew are compared with those that are indexed; as
/// long again for every [`GROWN_QUIET_BYTES`].
pub const GROWN_QUIET: Duration = Duration::from_secs(1);

/// Bytes for which it is as long again.
pub const GROWN_QUIET_BYTES: u64 = 64 * 1024 * 1024;

/// Such times after which the bytes are compared although the file is never quiet: 8 MB a second at most.
pub const GROWN_RESTLESS: u32 = 8;

/// Longest such time.
pub const GROWN_QUIET_MAX: Duration = Duration::from_secs(60);

/// Memory in which the index gathers what is to be written, in bytes. Little more than the least that tantivy takes:
/// more makes fewer segments, and a node that takes more memory than the files that it shares.
pub const WRITER_MEMORY: usize = 16 * 1024 * 1024;

/// Bytes of text on their way into the index, beside one text that is longer.
pub const IN_FLIGHT_MAX: usize = 2 * 1024 * 1024;

/// Segments of about the same size that are merged.
pub const SEGMENTS_MAX: usize = 6;

/// The same while files come one after the other.
pub const BUSY_SEGMENTS_MAX: usize = 24;

/// Time without a file to read after which small segments are merged, and then again the index gives back the memory with which it writes.
pub const CLOSE_AFTER: Duration = Duration::from_secs(1);

/// Bytes of text after which the index is brought to the disk.
pub const COMMIT_BYTES: u64 = 256 * 1024 * 1024;

/// Time after which it is for the first time, so that even a node that is killed
/// again and again gets on. Doubles up to [`COMMIT_AFTER_MOST`].
pub const COMMIT_AFTER: Duration = Duration::from_millis(500);

/// Longest time after which it is.
pub const COMMIT_AFTER_MOST: Duration = Duration::from_secs(5);

/// Pause between two looks at all files if no subscription reports changes: so many
/// times as long as the look took, but at least [`LOOK_LEAST`].
pub const LOOK_FACTOR: u32 = 20;

/// Shortest pause between two looks.
pub const LOOK_LEAST: Duration = Duration::from_secs(1);

/// Pause between two looks if a subscription reports changes.
pub const LOOK_TOLD: Duration = Duration::from_secs(300);

/// Pause before a file that was changing is looked at again; doubles up to
/// [`SETTLE_MOST`].
pub const SETTLE: Duration = Duration::from_millis(150);

/// Longest such pause.
pub const SETTLE_MOST: Duration = Duration::from_secs(60);

/// Pause before an index that broke is opened again.
pub const REOPEN_AFTER: Duration = Duration::from_secs(30);
