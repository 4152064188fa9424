//! `grep:` finds the same as a search without an index.

use std::sync::Arc;

use grep_matcher::Matcher;
use grep_regex::RegexMatcherBuilder;
use grep_searcher::{BinaryDetection, SearcherBuilder, sinks::Bytes};
use plugin_api::{Gap, GapReason};
use proptest::prelude::*;

use crate::world::{Found, Indexed, World, excerpt};

/// A file, a line, a column and the line itself.
type Place = (String, u64, u64, String);

/// Returns the places that ripgrep's own libraries find when they read all files.
fn expected(files: &[(String, Vec<u8>)], pattern: &str) -> Option<Vec<Place>> {
    let matcher = RegexMatcherBuilder::new()
        .multi_line(true)
        .unicode(true)
        .line_terminator(Some(b'\n'))
        .ban_byte(Some(0))
        .build(pattern)
        .ok()?;
    let mut searcher = SearcherBuilder::new()
        .binary_detection(BinaryDetection::quit(0))
        .build();
    let mut places = Vec::new();
    for (name, bytes) in files {
        let sink = Bytes(|number, line| {
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            let first = matcher.find(line)?.map_or(0, |found| found.start());
            let shown = line.strip_suffix(b"\r").unwrap_or(line);
            let text = String::from_utf8_lossy(shown).into_owned();
            places.push((
                name.clone(),
                number,
                first.min(shown.len()) as u64 + 1,
                text,
            ));
            Ok(true)
        });
        searcher
            .search_reader(&matcher, bytes.as_slice(), sink)
            .unwrap();
    }
    Some(places)
}

fn found(indexed: &Indexed, pattern: &str) -> Option<Vec<Place>> {
    let found = indexed.ask("grep", pattern, Found::default()).ok()?;
    let places = found.hits.iter().map(|hit| {
        let excerpt = excerpt(hit);
        (
            hit.file.name.clone(),
            excerpt.line.unwrap(),
            excerpt.column.unwrap(),
            excerpt.text.clone(),
        )
    });
    Some(places.collect())
}

fn piece() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        12 => "[abcABC]{1,4}".prop_map(String::into_bytes),
        4 => "[ _.]".prop_map(String::into_bytes),
        4 => Just(b"\n".to_vec()),
        1 => Just(b"\r\n".to_vec()),
        2 => "[ßéÉſ\u{212a}kKsS]{1,2}".prop_map(String::into_bytes),
        1 => Just(vec![0xff, 0x80]),
        1 => prop_oneof![20 => Just(b"ab".to_vec()), 1 => Just(vec![0])],
    ]
}

/// Returns a text so long that the index has several blocks of it.
fn long(pieces: &[Vec<u8>]) -> Vec<u8> {
    let filler = format!("\n{}", "some other line\n".repeat(1_100));
    let groups = pieces.chunks(9).map(<[Vec<u8>]>::concat);
    groups.collect::<Vec<_>>().join(filler.as_bytes())
}

fn file() -> impl Strategy<Value = Vec<u8>> {
    let pieces = proptest::collection::vec(piece(), 0..40);
    let text = (pieces, 0..4_u8).prop_map(|(pieces, length)| match length {
        0 => long(&pieces),
        _ => pieces.concat(),
    });
    (text, 0..10_u8).prop_map(|(text, encoding)| match encoding {
        0 => {
            let text = String::from_utf8_lossy(&text).into_owned();
            let units = text.encode_utf16().flat_map(u16::to_le_bytes);
            [0xff, 0xfe].into_iter().chain(units).collect()
        }
        1 => [b"\xef\xbb\xbf".as_slice(), &text].concat(),
        _ => text,
    })
}

fn pattern() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        6 => "[abcABC]{1,5}",
        1 => "[ßéskk_]{1,3}",
        1 => Just(r"\.".to_owned()),
        1 => Just(".".to_owned()),
        1 => Just("[abc]".to_owned()),
        1 => Just("[^a]".to_owned()),
        1 => Just(r"\w".to_owned()),
        1 => Just(r"\b".to_owned()),
        1 => Just(r"(?i:bk)".to_owned()),
    ];
    let whole = leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            4 => proptest::collection::vec(inner.clone(), 2..4).prop_map(|parts| parts.concat()),
            2 => proptest::collection::vec(inner.clone(), 2..4)
                .prop_map(|parts| format!("({})", parts.join("|"))),
            1 => inner.clone().prop_map(|part| format!("({part})?")),
            1 => inner.clone().prop_map(|part| format!("({part})*")),
            1 => inner.clone().prop_map(|part| format!("({part})+")),
            1 => inner.prop_map(|part| format!("({part}){{2,3}}")),
        ]
    });
    (whole, 0..8_u8).prop_map(|(pattern, how)| match how {
        0 => format!("(?i){pattern}"),
        1 => format!("^{pattern}"),
        2 => format!("{pattern}$"),
        _ => pattern,
    })
}

fn world(files: &[(String, Vec<u8>)]) -> Arc<World> {
    let world = World::of(&[]);
    for (name, bytes) in files {
        world.put(name, bytes);
    }
    world
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn an_index_changes_no_answer(
        files in proptest::collection::vec(file(), 1..8),
        patterns in proptest::collection::vec(pattern(), 24),
    ) {
        let name = |n: usize| format!("{n}.txt");
        let files: Vec<_> = files.into_iter().enumerate().map(|(n, b)| (name(n), b)).collect();
        let home = tempfile::tempdir().unwrap();
        let indexed = Indexed::open(home.path(), &world(&files));
        // While it is being built, and afterwards.
        prop_assert_eq!(found(&indexed, &patterns[0]), expected(&files, &patterns[0]));
        let indexed = indexed.caught_up();
        for pattern in &patterns {
            let (found, expected) = (found(&indexed, pattern), expected(&files, pattern));
            prop_assert_eq!(found, expected, "{}", pattern);
        }
    }
}

/// Returns a text of more than half a megabyte with this in a line of its own in the middle.
fn with_line_in_the_middle(line: &str) -> Vec<u8> {
    let lines = |from: usize| (from..from + 12_000).map(|n| format!("{n:05} lines as ever\n"));
    let text: String = lines(0)
        .chain([format!("{line}\n")])
        .chain(lines(20_000))
        .collect();
    text.into_bytes()
}

#[test]
fn a_line_of_a_long_file_is_found_without_reading_the_rest() {
    let files = [("long".to_owned(), with_line_in_the_middle("a needle here"))];
    let home = tempfile::tempdir().unwrap();
    let indexed = Indexed::open(home.path(), &world(&files)).caught_up();
    for (pattern, most) in [
        ("needle", 20_000),
        (r"^a ne{2}dle\s+here$", 20_000),
        ("nobody has this", 0),
        // At the ends of the text it has to be read whole.
        (r"^05000 lines as ever\r?$|\Aneedle", 1_000_000),
    ] {
        let before = indexed.world.bytes_read();
        let found = found(&indexed, pattern);
        assert_eq!(found, expected(&files, pattern), "{pattern}");
        let read = indexed.world.bytes_read() - before;
        assert!(read <= most, "{pattern}: {read} bytes");
    }
    let wanted = Found {
        context: 1,
        ..Found::default()
    };
    let around = indexed.ask("grep", "needle", wanted).unwrap();
    assert_eq!(excerpt(&around.hits[0]).before, ["11999 lines as ever"]);
    assert_eq!(excerpt(&around.hits[0]).after, ["20000 lines as ever"]);
}

#[test]
fn a_long_file_that_changed_without_a_report_is_read_whole() {
    let before = with_line_in_the_middle("a needle here");
    let after = [b"one more line\n".to_vec(), before.clone()].concat();
    let home = tempfile::tempdir().unwrap();
    let files = [("long".to_owned(), before)];
    let indexed = Indexed::open(home.path(), &world(&files)).caught_up();
    indexed.world.put("long", &after);
    let files = [("long".to_owned(), after)];
    assert_eq!(found(&indexed, "needle"), expected(&files, "needle"));
}

#[test]
fn a_file_is_given_up_for_binary_where_ripgrep_gives_it_up() {
    let lines = |count: usize| (0..count).flat_map(|n| format!("line {n}\n").into_bytes());
    let with_nul =
        |before: usize| -> Vec<u8> { lines(before).chain([0]).chain(lines(9)).collect() };
    let counts = [0, 5, 6_000, 8_000, 30_000, 60_000];
    let files = counts.map(|count| (format!("{count:06}"), with_nul(count)));
    let home = tempfile::tempdir().unwrap();
    let indexed = Indexed::open(home.path(), &world(&files)).caught_up();
    for pattern in ["^line [0-9]*77$", "line"] {
        let expected = expected(&files, pattern);
        assert!(expected.as_ref().is_some_and(|places| !places.is_empty()));
        assert_eq!(found(&indexed, pattern), expected, "{pattern}");
    }
}

#[test]
fn a_file_that_was_given_up_for_binary_is_told_of_unread() {
    let text: Vec<u8> = (0..9_000)
        .flat_map(|n| format!("line {n}\n").into_bytes())
        .collect();
    let files = [
        ("late".to_owned(), [text, b"\0needle\n".to_vec()].concat()),
        ("text".to_owned(), b"needle\n".to_vec()),
    ];
    let home = tempfile::tempdir().unwrap();
    let indexed = Indexed::open(home.path(), &world(&files)).caught_up();
    let before = indexed.world.bytes_read();
    let found = indexed.ask("grep", "needle", Found::default()).unwrap();
    assert_eq!(found.gaps, [Gap::of("late", GapReason::Binary)]);
    assert_eq!(found.hits.len(), 1);
    let read = indexed.world.bytes_read() - before;
    assert!(read < 1_000, "it was read again: {read} bytes");
    let given_up = indexed.ask("grep", "^line 77$", Found::default()).unwrap();
    assert_eq!(given_up.hits.len(), 1, "lines before the NUL are found");
    assert_eq!(given_up.gaps, [Gap::of("late", GapReason::Binary)]);
    // The index says nothing of another version of it.
    indexed.world.put("late", b"a needle\n");
    let found = indexed.ask("grep", "needle", Found::default()).unwrap();
    assert_eq!(found.gaps, []);
}

#[test]
fn patterns_of_programs_find_their_lines() {
    let source: &[u8] = include_bytes!("equal.rs");
    let other: &[u8] = include_bytes!("world.rs");
    let files = [
        ("equal.rs".to_owned(), source.to_vec()),
        ("world.rs".to_owned(), other.to_vec()),
    ];
    let home = tempfile::tempdir().unwrap();
    let indexed = Indexed::open(home.path(), &world(&files)).caught_up();
    for pattern in [
        "fn main",
        r"^use \w+::",
        r"(?i)WORLD|place",
        r"\bfn (found|expected)\b",
        r"[A-Z]\w+<Vec<",
        r"\)\.unwrap\(\);$",
        r"prop_assert_eq!\([^,]+,",
        "^$",
        "",
        "nothing has this",
        r"(Arc|Mutex)<\w+",
    ] {
        assert_eq!(found(&indexed, pattern).is_some(), !pattern.is_empty());
        if !pattern.is_empty() {
            let all = indexed.ask("grep", pattern, Found::default()).unwrap();
            assert!(!all.partial, "{pattern}");
            assert_eq!(
                found(&indexed, pattern),
                expected(&files, pattern),
                "{pattern}"
            );
        }
    }
}
