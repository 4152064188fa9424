//! Every limit of the peer protocol, by name.
//!
//! A limit that two modules need stands here; a limit that only one function
//! knows stays beside it. Times and counts of connections belong to the
//! server, not to the protocol, and are absent.

/// Longest history a query may reach, in entries: a query that would carry
/// this many URLs after ours is appended is answered with fault 100.
pub const HISTORY_MAX: usize = 6;

/// Most entries of a history that are read at all, in entries. More than
/// [`HISTORY_MAX`] because a careless peer may send more and still deserves
/// the ordinary answer "not found"; bounded because a history is work.
pub const HISTORY_ENTRIES_MAX: usize = HISTORY_MAX * 4;

/// Longest entry of a history, in bytes.
pub const HISTORY_ENTRY_MAX: usize = 256;

/// Longest body of a request, in bytes (1 MiB).
pub const REQUEST_BODY_MAX: usize = 1024 * 1024;

/// Deepest nesting of XML elements, in levels. Readers below the gate may
/// recurse this deep.
pub const XML_DEPTH_MAX: usize = 64;

/// Most elements in one document.
pub const XML_ELEMENTS_MAX: usize = 100_000;

/// Longest tag or XML declaration with its brackets, in bytes.
pub const XML_TAG_MAX: usize = 256;

/// Longest name of a method, in bytes. A longer one is a method we do not have.
pub const METHOD_NAME_MAX: usize = 128;

/// Most calls in one `system.multicall`.
pub const MULTICALL_MAX: usize = 16;

/// Longest text of a fault, in characters after escaping.
pub const FAULT_TEXT_MAX: usize = 200;

/// Longest piece of foreign text in a log line, in characters after escaping.
pub const ESCAPED_MAX: usize = 200;

/// Longest URL of a peer, in bytes, as given and in its normal form.
pub const URL_MAX: usize = 256;

/// Longest part of a name in a share, in bytes of UTF-8.
pub const NAME_PART_MAX: usize = 255;

/// Most parts of a name in a share.
pub const NAME_PARTS_MAX: usize = 16;

/// Longest name in a share, in bytes: all parts full, with their slashes.
pub const NAME_MAX: usize = NAME_PARTS_MAX * (NAME_PART_MAX + 1) - 1;

/// Longest XML before the content of a streamed answer, and longest XML after
/// it, in bytes (4 KiB each).
pub const ANSWER_HEAD_MAX: usize = 4 * 1024;

/// Longest answer that is read whole (`hello`, faults, introspection), in
/// bytes (64 KiB).
pub const SMALL_ANSWER_MAX: usize = 64 * 1024;

/// Longest entity or character reference, in bytes with `&` and `;`.
/// The longest useful one is `&#1114111;`; leading zeros get a little room.
pub const REFERENCE_MAX: usize = 16;

/// Most hits in one answer to `sixhop.find`. Each is a struct of at most three
/// members, so that a full answer stays below [`XML_ELEMENTS_MAX`].
pub const FIND_HITS_MAX: usize = 2_000;

/// Most peers that one answer to `sixhop.find` names.
pub const FIND_PEERS_MAX: usize = 32;

/// Longest answer to `sixhop.find`, in bytes (4 MiB).
pub const FIND_ANSWER_MAX: usize = 4 * 1024 * 1024;

/// Most bytes of names in one answer to `sixhop.find`; escaped they are at most
/// six times as long (512 KiB).
pub const FIND_NAMES_MAX: usize = 512 * 1024;

/// Most hits in one page of a search: an answer to `sixhop.find` with a
/// deadline, or to `sixhop.more`. Hits may have excerpts here, each of up to 240
/// elements, so that a full page stays below [`XML_ELEMENTS_MAX`].
pub const FIND_PAGE_MAX: usize = 256;

/// Most hits of one search, all pages together.
pub const SEARCH_HITS_MAX: usize = 10_000;

/// Most bytes of names and excerpts in one page of a search; escaped they are at
/// most six times as long (256 KiB).
pub const FIND_PAGE_TEXT_MAX: usize = 256 * 1024;

/// Longest text of an excerpt, or of one line around it, in bytes.
pub const EXCERPT_TEXT_MAX: usize = 4 * 1024;

/// Longest name of a part of a document, in bytes.
pub const EXCERPT_PLACE_MAX: usize = 256;

/// Most marks in an excerpt.
pub const EXCERPT_MARKS_MAX: usize = 32;

/// Most lines before an excerpt, and most behind it.
pub const EXCERPT_LINES_MAX: usize = 10;

/// Longest cursor of a search, in bytes.
pub const CURSOR_MAX: usize = 64;

/// Longest time that a caller may have a search wait for hits, in milliseconds.
pub const FIND_WAIT_MAX: u32 = 10_000;

/// Longest query of `sixhop.find`, in bytes.
pub const FIND_QUERY_MAX: usize = 4 * 1024;

/// Most bits of a filter (512 KiB).
pub const FILTER_BITS_MAX: usize = 4 * 1024 * 1024;

/// Most keys of a filter: each has 16 bits.
pub const FILTER_KEYS_MAX: usize = FILTER_BITS_MAX / 16;

/// Longest answer to `sixhop.summary`, in bytes (4 MiB).
pub const SUMMARY_ANSWER_MAX: usize = 4 * 1024 * 1024;

/// Longest name of a handler and longest version in a summary, in bytes.
pub const SUMMARY_TEXT_MAX: usize = 64;

/// Most handlers that a summary names.
pub const SUMMARY_HANDLERS_MAX: usize = 256;

/// Longest time that a caller may have a node wait for another version of its
/// summary, in milliseconds.
pub const SUMMARY_WAIT_MAX: u32 = 10_000;

/// Most queries that one call of `sixhop.watch` names.
pub const WATCHES_MAX: usize = 64;

/// Longest name of a watcher, in bytes.
pub const WATCHER_MAX: usize = 64;

/// Longest time that a caller may have `sixhop.watch` wait for news, in milliseconds (30 minutes).
pub const WATCH_WAIT_MAX: u32 = 30 * 60 * 1_000;

/// Longest answer to `sixhop.watch`, in bytes (4 MiB).
pub const WATCH_ANSWER_MAX: usize = 4 * 1024 * 1024;

/// Most peers that one side of an introduction names.
pub const INTRODUCE_PEERS_MAX: usize = 8;

/// Most features that one side of an introduction names.
pub const FEATURES_MAX: usize = 64;

/// Longest name of a node, in bytes.
pub const NODE_NAME_MAX: usize = 64;

/// Longest name of a feature, in bytes.
pub const FEATURE_LENGTH_MAX: usize = 64;
