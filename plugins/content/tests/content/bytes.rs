//! Tests of files that are not plain text, or too much of it.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use plugin_api::HandlerError;
use plugin_content::limits::{LINE_MAX, SHOWN_MAX, TEXT_MAX};

use crate::world::{Found, Indexed, World, at, excerpt, line};

fn utf16(text: &str) -> Vec<u8> {
    let units = text.encode_utf16().flat_map(u16::to_be_bytes);
    [0xfe, 0xff].into_iter().chain(units).collect()
}

#[test]
fn encodings_are_as_ripgrep_treats_them() {
    let home = tempfile::tempdir().unwrap();
    let world = World::of(&[
        ("marked.txt", b"\xef\xbb\xbfneedle at the begin\n"),
        ("latin.txt", b"caf\xe9 needle\n"),
        ("utf16.txt", &utf16("hay\nneedle\n")),
    ]);
    let indexed = Indexed::open(home.path(), &world).caught_up();
    let all = at(&[("latin.txt", 1), ("marked.txt", 1), ("utf16.txt", 2)]);
    assert_eq!(indexed.grep("needle"), all);
    assert_eq!(indexed.grep("^needle"), all[1..]);
    let mut words = indexed.words("needle");
    words.sort();
    assert_eq!(words, all);
}

#[test]
fn a_binary_file_has_neither_lines_nor_words() {
    let home = tempfile::tempdir().unwrap();
    let world = World::of(&[
        ("a.bin", b"needle\nmore\0\nneedle\n"),
        ("b.bin", b"\0needle\n"),
    ]);
    let indexed = Indexed::open(home.path(), &world).caught_up();
    assert_eq!(indexed.grep("needle"), at(&[]));
    assert_eq!(indexed.words("needle"), at(&[]));
}

#[test]
fn a_text_that_goes_on_in_binary_is_said_to_be_given_up() {
    let home = tempfile::tempdir().unwrap();
    let late = [vec![b'\n'; 100_000], b"needle\n\0rest\n".to_vec()].concat();
    let early = [b"needle\n".to_vec(), vec![b'.'; 70_000], b"\n\0".to_vec()].concat();
    let world = World::of(&[
        ("early.log", &early),
        ("late.log", &late),
        ("log", b"needle\nand\nmore\0\0\nfound\n"),
    ]);
    let indexed = Indexed::open(home.path(), &world).caught_up();
    let found = indexed.ask("grep", "needle", Found::default()).unwrap();
    assert!(found.partial);
    assert_eq!(found.hits[0].file.name, "early.log");
    let nothing = indexed
        .ask("grep", "nobody has it", Found::default())
        .unwrap();
    assert!(nothing.partial && nothing.hits.is_empty());
    // Words go on behind it.
    assert_eq!(indexed.words("found"), at(&[("log", 4)]));
}

#[test]
fn a_binary_file_is_given_up_at_the_same_place_each_time() {
    let home = tempfile::tempdir().unwrap();
    let long = [vec![b'x'; 1_000_000], b" needle\n".to_vec()].concat();
    let lines = "needle\n".repeat(20_000).into_bytes();
    let late = [lines.as_slice(), b"\0"].concat();
    let world = World::of(&[("a", &late), ("b", &long), ("c", &late)]);
    let indexed = Indexed::open(home.path(), &world).caught_up();
    let counts = || {
        let found = indexed.ask("grep", "needle", Found::default()).unwrap();
        let of = |name: &str| {
            found
                .hits
                .iter()
                .filter(|hit| hit.file.name == name)
                .count()
        };
        (of("a"), of("c"))
    };
    let first = counts();
    assert!(first.0 > 1 && first.0 == first.1, "{first:?}");
    for _ in 0..10 {
        assert_eq!(counts(), first);
    }
}

#[test]
fn a_file_that_grows_while_it_is_read_is_what_it_was() {
    let home = tempfile::tempdir().unwrap();
    let log = "needle in a line\n".repeat(60_000);
    let world = World::of(&[("log", log.as_bytes())]);
    let indexed = Indexed::open(home.path(), &world).caught_up();
    world.grow_at_each_read("log", b"needle at its end\n");
    indexed.tell(plugin_api::Changes::Names(&["log".to_owned()]));
    let found = indexed.ask("grep", "^needle", Found::default()).unwrap();
    assert!(!found.partial);
    assert!(found.hits.len() >= 60_000, "{}", found.hits.len());
}

#[test]
fn a_file_that_is_one_long_line_is_shown_around_what_fits() {
    let home = tempfile::tempdir().unwrap();
    let line = [
        vec![b'x'; 3_000_000],
        b" needle ".to_vec(),
        vec![b'y'; 3_000_000],
    ]
    .concat();
    let indexed = Indexed::open(home.path(), &World::of(&[("one", &line)])).caught_up();
    for handler in ["grep", "text"] {
        let found = indexed.ask(handler, "needle", Found::default()).unwrap();
        let excerpt = excerpt(&found.hits[0]);
        assert_eq!(excerpt.text.len(), SHOWN_MAX);
        assert_eq!(&excerpt.text[excerpt.marks[0].clone()], "needle");
        assert_eq!(excerpt.column, Some(3_000_002));
    }
}

#[test]
fn a_line_that_is_too_long_makes_the_answer_partial() {
    let home = tempfile::tempdir().unwrap();
    let mut bytes = b"needle\n".to_vec();
    bytes.resize(LINE_MAX + 1_000, b'x');
    let indexed = Indexed::open(home.path(), &World::of(&[("long", &bytes)])).caught_up();
    let found = indexed.ask("grep", "needle", Found::default()).unwrap();
    assert!(found.partial);
    assert_eq!(found.hits.iter().map(line).collect::<Vec<_>>(), [1]);
}

#[test]
fn words_of_a_long_file_are_found_wherever_they_stand() {
    let home = tempfile::tempdir().unwrap();
    let same = b"the same line again and again\n";
    let mut bytes = b"first and foremost\n".to_vec();
    let grow = |bytes: &mut Vec<u8>, length: usize| {
        while bytes.len() < length {
            bytes.extend_from_slice(same);
        }
    };
    grow(&mut bytes, TEXT_MAX - 100);
    bytes.extend_from_slice(b"a poem that goes\n");
    bytes.extend_from_slice(b"on and on\n");
    grow(&mut bytes, 3 * TEXT_MAX);
    bytes.extend_from_slice("last café\n".as_bytes());
    let line_of = |text: &[u8]| {
        let at = memchr::memmem::find(&bytes, text).unwrap();
        bytes[..at].iter().filter(|byte| **byte == b'\n').count() as u64 + 1
    };
    let world = World::of(&[("long", &bytes), ("short", b"last and first\n")]);
    let indexed = Indexed::open(home.path(), &world).caught_up();
    let lines = line_of(b"last");
    let long = |line| at(&[("long", line)]);
    assert_eq!(indexed.words("foremost"), long(1));
    assert_eq!(indexed.words("cafe"), long(lines));
    assert_eq!(indexed.grep("^last caf"), long(lines));
    for (query, line) in [
        ("foremost café", 1),
        ("foremost café -nowhere", 1),
        ("nowhere OR café poem", line_of(b"a poem")),
        ("\"poem that goes on and on\"", line_of(b"a poem")),
        ("\"same line\" \"again last\"", 2),
        ("fore* caf*", 1),
    ] {
        assert_eq!(indexed.words(query), long(line), "{query}");
    }
    let mut both = indexed.words("first last");
    both.sort();
    assert_eq!(both, at(&[("long", 1), ("short", 1)]));
    for query in [
        "nowhere",
        "first nowhere",
        "\"first last\"",
        "foremost -café",
        "\"poem on\"",
    ] {
        let found = indexed.ask("text", query, Found::default()).unwrap();
        assert!(found.hits.is_empty() && !found.partial, "{query}");
    }
}

#[test]
fn a_word_that_a_long_file_lacks_is_not_looked_for_there() {
    let home = tempfile::tempdir().unwrap();
    let bytes = b"the same line again and again\n".repeat(TEXT_MAX / 10);
    let indexed = Indexed::open(home.path(), &World::of(&[("long", &bytes)])).caught_up();
    let before = indexed.world.bytes_read();
    for query in ["nowhere", "same nowhere", "\"line nowhere\""] {
        assert_eq!(indexed.words(query), at(&[]), "{query}");
    }
    assert_eq!(indexed.world.bytes_read(), before);
}

#[test]
fn only_hits_with_a_place_are_read() {
    let home = tempfile::tempdir().unwrap();
    let world = World::of(&[]);
    for n in 0..50 {
        world.put(&format!("{n}.txt"), "needle and ".repeat(n + 1).as_bytes());
    }
    let indexed = Indexed::open(home.path(), &world).caught_up();
    let few = || Found {
        excerpts: 3,
        ..Found::default()
    };
    let all = indexed.ask("text", "needle", Found::default()).unwrap();
    world.reads.store(0, Ordering::Relaxed);
    let found = indexed.ask("text", "needle", few()).unwrap();
    assert_eq!(world.reads.load(Ordering::Relaxed), 3);
    let names = |found: &Found| -> Vec<String> {
        let names = found.hits.iter().map(|hit| hit.file.name.clone());
        names.collect()
    };
    assert_eq!(names(&found), names(&all));
    let with_place = found.hits.iter().map(|hit| hit.excerpt.is_some());
    assert_eq!(
        with_place.collect::<Vec<_>>(),
        (0..50).map(|n| n < 3).collect::<Vec<_>>()
    );
    // What changed is read, whoever was told.
    let last = names(&all)[49].clone();
    world.put(&last, b"nothing");
    let found = indexed.ask("text", "needle", few()).unwrap();
    assert_eq!(names(&found), names(&all)[..49]);
    // Words alone do not decide about a phrase.
    let phrase = indexed.ask("text", "\"needle needle\"", few()).unwrap();
    assert!(phrase.hits.is_empty());
}

#[test]
fn a_pattern_is_looked_for_where_it_can_be() {
    let home = tempfile::tempdir().unwrap();
    let world = World::of(&[]);
    for n in 0..200 {
        world.put(
            &format!("{n}.txt"),
            format!("number {n} is here\n").as_bytes(),
        );
    }
    let indexed = Indexed::open(home.path(), &world).caught_up();
    world.reads.store(0, Ordering::Relaxed);
    let expected = (170..180).map(|n| (format!("{n}.txt"), 1));
    assert_eq!(
        indexed.grep("number 17[0-9] is"),
        expected.collect::<Vec<_>>()
    );
    let reads = world.reads.load(Ordering::Relaxed);
    assert!(reads <= 10, "{reads} reads");
}

#[test]
fn more_hits_than_are_wanted_are_not_looked_for() {
    let home = tempfile::tempdir().unwrap();
    let many = b"needle\n".repeat(100_000);
    let indexed = Indexed::open(home.path(), &World::of(&[("a", &many), ("b", &many)])).caught_up();
    let few = Found {
        limit: 3,
        ..Found::default()
    };
    let found = indexed.ask("grep", "needle", few).unwrap();
    assert_eq!(found.hits.iter().map(line).collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn the_deadline_ends_an_answer() {
    let home = tempfile::tempdir().unwrap();
    let many = b"some line that is not it\n".repeat(100_000);
    let indexed = Indexed::open(home.path(), &World::of(&[("a", &many)])).caught_up();
    let late = Found {
        until: Instant::now().checked_sub(Duration::from_secs(1)).unwrap(),
        ..Found::default()
    };
    for (handler, text) in [("grep", "not"), ("grep", "."), ("text", "line")] {
        let late = Found {
            until: late.until,
            ..Found::default()
        };
        assert!(indexed.ask(handler, text, late).unwrap().hits.len() <= 1);
    }
}

#[test]
fn lines_around_a_hit_come_with_it() {
    let home = tempfile::tempdir().unwrap();
    let world = World::of(&[("a", b"1\n2\n3 x\n4\n5 x\n6\n7\n8\n9 x")]);
    let indexed = Indexed::open(home.path(), &world).caught_up();
    let wanted = Found {
        context: 2,
        ..Found::default()
    };
    let found = indexed.ask("grep", "x", wanted).unwrap();
    let around = found.hits.iter().map(|hit| {
        let excerpt = excerpt(hit);
        (
            excerpt.before.join(","),
            excerpt.text.clone(),
            excerpt.after.join(","),
        )
    });
    let expected = [
        ("1,2", "3 x", "4,5 x"),
        ("3 x,4", "5 x", "6,7"),
        ("7,8", "9 x", ""),
    ];
    let expected = expected.map(|(b, t, a)| (b.to_owned(), t.to_owned(), a.to_owned()));
    assert_eq!(around.collect::<Vec<_>>(), expected);
}

#[test]
fn a_pattern_that_is_none_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let indexed = Indexed::open(home.path(), &World::of(&[]));
    for (handler, text) in [("grep", "(a"), ("grep", ""), ("text", "--"), ("text", "")] {
        let refused = indexed.ask(handler, text, Found::default()).map(drop);
        assert!(
            matches!(refused, Err(HandlerError::BadQuery { .. })),
            "{text}"
        );
    }
}
