//! Files that appear, change, vanish and grow while they are looked at.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use plugin_api::{Changes, Gap, GapReason, Index};

use crate::world::{Found, Indexed, World, at};

#[test]
fn a_change_that_was_told_is_found_at_once() {
    let home = tempfile::tempdir().unwrap();
    let world = World::of(&[("a", b"old words\n"), ("b", b"old words\n")]);
    let indexed = Indexed::open(home.path(), &world).caught_up();
    world.put("a", b"new words\n");
    world.remove("b");
    world.put("c", b"more new words\n");
    let names = ["a", "b", "c"].map(str::to_owned);
    indexed.tell(Changes::Names(&names));
    for _ in 0..2 {
        assert_eq!(indexed.grep("new words"), at(&[("a", 1), ("c", 1)]));
        assert_eq!(indexed.grep("old words"), at(&[]));
        let mut words = indexed.words("new words");
        words.sort();
        assert_eq!(words, at(&[("a", 1), ("c", 1)]));
        assert_eq!(indexed.words("old"), at(&[]));
        while !indexed.content.status().is_complete {
            thread::yield_now();
        }
    }
    assert_eq!(indexed.content.status().files, 2);
}

#[test]
fn a_change_that_was_not_told_is_found_by_looking() {
    let home = tempfile::tempdir().unwrap();
    let world = World::of(&[("a", b"old\n"), ("b", b"old\n")]);
    let indexed = Indexed::open(home.path(), &world).caught_up();
    world.put("a", b"new\n");
    world.remove("b");
    indexed.tell(Changes::Anything);
    // Whether it has looked already or not: the answer is the same.
    assert_eq!(indexed.grep("new"), at(&[("a", 1)]));
    assert_eq!(indexed.grep("old"), at(&[]));
    let indexed = indexed.caught_up();
    assert_eq!(indexed.grep("new"), at(&[("a", 1)]));
}

#[test]
fn what_is_told_stands_in_the_file_even_if_no_change_was_told() {
    let home = tempfile::tempdir().unwrap();
    let world = World::of(&[("a", b"a secret word\n"), ("b", b"a secret word\n")]);
    let indexed = Indexed::open(home.path(), &world).caught_up();
    world.put("a", b"nothing\n");
    world.remove("b");
    assert_eq!(indexed.grep("secret"), at(&[]));
    assert_eq!(indexed.words("secret"), at(&[]));
}

#[test]
fn a_file_without_a_settled_version_is_read_by_every_query() {
    let home = tempfile::tempdir().unwrap();
    let world = World::of(&[("settled", b"word\n")]);
    world.put_as("moving", b"word\n", 0);
    let indexed = Indexed::open(home.path(), &world);
    assert_eq!(indexed.grep("word"), at(&[("moving", 1), ("settled", 1)]));
    while indexed.content.status().files < 1 {
        thread::yield_now();
    }
    for word in ["words", "others"] {
        world.put_as("moving", word.as_bytes(), 0);
        assert_eq!(indexed.grep(word), at(&[("moving", 1)]));
        assert!(!indexed.content.status().is_complete);
    }
    world.put("moving", b"settled now\n");
    let indexed = indexed.caught_up();
    assert_eq!(indexed.grep("settled"), at(&[("moving", 1)]));
}

#[test]
fn a_file_that_cannot_be_read_is_named_and_found_when_it_can() {
    let home = tempfile::tempdir().unwrap();
    let world = World::of(&[("a", b"some word\n"), ("locked", b"another word\n")]);
    world.lock("locked", true);
    let indexed = Indexed::open(home.path(), &world);
    while indexed.content.status().unreadable.is_empty() || indexed.content.status().files < 1 {
        thread::yield_now();
    }
    let unreadable = indexed.content.status().unreadable;
    assert_eq!(unreadable.len(), 1);
    assert_eq!(unreadable[0].0, "locked");
    assert!(
        unreadable[0].1.contains("input/output error"),
        "{unreadable:?}"
    );
    for handler in ["text", "grep"] {
        let found = indexed.ask(handler, "word", Found::default()).unwrap();
        assert_eq!(found.hits.len(), 1, "{handler}");
        let gap = Gap::of("locked", GapReason::Unreadable);
        assert_eq!(found.gaps, [gap], "{handler}");
    }
    // A few attempts fail before it can be read without a change of its version.
    thread::sleep(std::time::Duration::from_millis(600));
    world.lock("locked", false);
    let indexed = indexed.caught_up();
    assert!(indexed.content.status().unreadable.is_empty());
    for handler in ["text", "grep"] {
        let found = indexed.ask(handler, "word", Found::default()).unwrap();
        assert_eq!((found.hits.len(), found.gaps), (2, vec![]), "{handler}");
    }
}

#[test]
fn a_file_is_tried_at_once_when_it_is_said_to_have_changed() {
    let home = tempfile::tempdir().unwrap();
    let world = World::of(&[("locked", b"word\n")]);
    world.lock("locked", true);
    let indexed = Indexed::open(home.path(), &world);
    // Long enough for pauses of some seconds.
    thread::sleep(std::time::Duration::from_secs(3));
    world.lock("locked", false);
    world.put("locked", b"word\n");
    let begun = std::time::Instant::now();
    indexed.tell(Changes::Names(&["locked".to_owned()]));
    let _indexed = indexed.caught_up();
    assert!(begun.elapsed() < std::time::Duration::from_millis(1_500));
}

/// Returns numbered lines, so long that only their start has words.
fn long_log(lines: usize) -> String {
    let mut log = String::new();
    for line in 0..lines {
        log += &format!("{line:08} all is well in this part of the house, and nothing happened\n");
    }
    log
}

#[test]
fn an_append_to_a_long_file_is_indexed_without_a_full_read() {
    let home = tempfile::tempdir().unwrap();
    let mut log = long_log(150_000);
    let world = World::of(&[("log", log.as_bytes())]);
    let indexed = Indexed::open(home.path(), &world).caught_up();
    let mut bytes_before = world.bytes_read();
    for round in 0..3 {
        // The line goes on where the last one was cut.
        log += &format!("needle{round} was fou");
        world.put("log", log.as_bytes());
        indexed.tell(Changes::Names(&["log".to_owned()]));
        log += &format!("nd in the hay{round}\n");
        world.put("log", log.as_bytes());
        indexed.tell(Changes::Names(&["log".to_owned()]));
        while !indexed.content.status().is_complete {
            thread::yield_now();
        }
        let read = world.bytes_read() - bytes_before;
        assert!(read < 1_000_000, "{read} bytes for two lines");
        let line = 150_001 + round;
        assert_eq!(
            indexed.grep(&format!("needle{round} was found")),
            at(&[("log", line)])
        );
        assert_eq!(indexed.grep("^00000007"), at(&[("log", 8)]));
        bytes_before = world.bytes_read();
    }
    // Another file of that name is read whole.
    world.put("log", log.replace("needle1", "pebble1").as_bytes());
    indexed.tell(Changes::Names(&["log".to_owned()]));
    let indexed = indexed.caught_up();
    assert_eq!(indexed.grep("needle1"), at(&[]));
    assert_eq!(indexed.grep("pebble1"), at(&[("log", 150_002)]));
}

#[test]
fn an_append_to_a_short_file_is_all_that_is_indexed() {
    let home = tempfile::tempdir().unwrap();
    let mut log = long_log(50_000);
    let world = World::of(&[("log", log.as_bytes()), ("other", b"needle0 and more\n")]);
    let indexed = Indexed::open(home.path(), &world).caught_up();
    let read = indexed.content.status().read;
    for round in 0..5 {
        log += &format!("needle{round} was fou");
        world.put("log", log.as_bytes());
        indexed.tell(Changes::Names(&["log".to_owned()]));
        log += &format!("nd in the hay{round}\n");
        world.put("log", log.as_bytes());
        indexed.tell(Changes::Names(&["log".to_owned()]));
        while !indexed.content.status().is_complete {
            thread::yield_now();
        }
        assert_eq!(indexed.content.status().read, read, "indexed whole");
        let (line, first) = (50_001 + round, at(&[("log", 8)]));
        let new = at(&[("log", line)]);
        assert_eq!(indexed.grep(&format!("needle{round} was found")), new);
        assert_eq!(indexed.words(&format!("hay{round}")), new);
        assert_eq!(indexed.words(&format!("\"found in the hay{round}\"")), new);
        assert_eq!(indexed.words(&format!("00000007 hay{round}")), first);
        assert_eq!(indexed.words(&format!("hay{round} hay0 -nowhere")).len(), 1);
        assert_eq!(indexed.words(&format!("hay{round} -00000007")), at(&[]));
        assert_eq!(indexed.words("house needle0").len(), 1);
        assert_eq!(indexed.words("needle0").len(), 2);
    }
    // Another start knows one version of it, or reads it whole.
    drop(indexed);
    let indexed = Indexed::open(home.path(), &world).caught_up();
    assert_eq!(indexed.words("00000007 hay4"), at(&[("log", 8)]));
    assert_eq!(indexed.words("hay4").len(), 1);
    world.put("log", log.replace("hay1", "straw").as_bytes());
    indexed.tell(Changes::Names(&["log".to_owned()]));
    let indexed = indexed.caught_up();
    assert_eq!(indexed.words("hay1"), at(&[]));
    assert_eq!(indexed.words("straw hay2").len(), 1);
}

#[test]
fn early_lines_of_logs_that_grow_all_the_time_are_found_whole() {
    let home = tempfile::tempdir().unwrap();
    let names = ["a", "b", "c", "d"];
    let mut log = long_log(150_000);
    let world = World::of(&names.map(|name| (name, log.as_bytes())));
    let indexed = Indexed::open(home.path(), &world).caught_up();
    log += "and more\n";
    for name in names {
        world.put_as(name, log.as_bytes(), 0);
    }
    indexed.tell(Changes::Names(&names.map(str::to_owned)));
    let ask = |query| indexed.ask("text", query, Found::default()).unwrap();
    for query in ["00000007", "00000007 more", "\"happened and more\""] {
        let found = ask(query);
        assert_eq!((found.hits.len(), found.gaps), (4, vec![]), "{query}");
    }
    let before = world.bytes_read();
    let found = ask("more nowhere");
    assert_eq!((found.hits.len(), found.gaps), (0, vec![]));
    let read = world.bytes_read() - before;
    assert!(read < 100_000, "{read} bytes");
}

#[test]
fn many_files_at_once_are_found_while_they_are_indexed() {
    let home = tempfile::tempdir().unwrap();
    let world = World::of(&[]);
    let indexed = Indexed::open(home.path(), &world).caught_up();
    for n in 0..3_000 {
        world.put(&format!("{n:05}"), format!("file {n}\n").as_bytes());
    }
    indexed.tell(Changes::Anything);
    assert_eq!(indexed.grep("^file 2999$"), at(&[("02999", 1)]));
    assert_eq!(indexed.grep("^file").len(), 3_000);
    let indexed = indexed.caught_up();
    assert_eq!(indexed.grep("^file").len(), 3_000);
    assert_eq!(indexed.words("file 1234"), at(&[("01234", 1)]));
}

#[test]
fn a_long_file_that_changes_while_it_is_read_gives_no_mixture() {
    let home = tempfile::tempdir().unwrap();
    let world = World::of(&[]);
    let whole = |letter: &str| format!("{}\n", letter.repeat(99)).repeat(20_000);
    let (a, b) = (whole("a"), whole("b"));
    world.put("file", a.as_bytes());
    let indexed = Indexed::open(home.path(), &world);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                world.put("file", b.as_bytes());
                world.put("file", a.as_bytes());
            }
        });
        for _ in 0..5 {
            let found = indexed.ask("grep", "a|b", Found::default()).unwrap();
            let first = |n: usize| found.hits[n].excerpt.as_ref().unwrap().text.as_bytes()[0];
            let mixed = (1..found.hits.len()).any(|n| first(n) != first(0));
            assert!(!mixed, "{} hits", found.hits.len());
            assert!(found.partial || found.hits.len() == 20_000);
        }
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn queries_and_changes_at_the_same_time_come_to_an_end() {
    let home = tempfile::tempdir().unwrap();
    let world = World::of(&[]);
    let indexed = Arc::new(Indexed::open(home.path(), &world));
    thread::scope(|scope| {
        for thread in 0..4 {
            let indexed = Arc::clone(&indexed);
            scope.spawn(move || {
                for n in 0..30 {
                    let name = format!("{thread}-{}", n % 5);
                    indexed
                        .world
                        .put(&name, format!("{thread} says {n}\n").as_bytes());
                    indexed.tell(Changes::Names(std::slice::from_ref(&name)));
                    let own = indexed.grep(&format!("^{thread} says {n}$"));
                    assert_eq!(own, at(&[(&name, 1)]));
                }
            });
        }
    });
    assert_eq!(indexed.grep("says").len(), 20);
}
