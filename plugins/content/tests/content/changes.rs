//! Files that appear, change, vanish and grow while they are looked at.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use plugin_api::{Changes, Index};

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
