//! Tests of an index after a restart of the node.

use std::{fs, path::Path, sync::atomic::Ordering};

use plugin_api::Index;

use crate::world::{Indexed, World, at};

fn files_of(directory: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(directory.join("index")).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn what_was_indexed_is_not_read_again() {
    let home = tempfile::tempdir().unwrap();
    let world = World::of(&[("a", b"one\n"), ("b", b"two\n"), ("c", b"three\n")]);
    Indexed::open(home.path(), &world)
        .caught_up()
        .content
        .stop();
    world.put("b", b"changed\n");
    world.remove("c");
    world.reads.store(0, Ordering::Relaxed);
    let indexed = Indexed::open(home.path(), &world).caught_up();
    assert_eq!(world.reads.load(Ordering::Relaxed), 1);
    assert_eq!(indexed.content.status().read, 1);
    assert_eq!(
        indexed.grep("one|two|three|changed"),
        at(&[("a", 1), ("b", 1)])
    );
    assert_eq!(indexed.content.status().error, None);
}

#[test]
fn a_damaged_index_is_built_anew() {
    let home = tempfile::tempdir().unwrap();
    let world = World::of(&[("a", b"one\n"), ("b", b"two\n")]);
    let right = || {
        let indexed = Indexed::open(home.path(), &world).caught_up();
        assert_eq!(indexed.grep("one|two"), at(&[("a", 1), ("b", 1)]));
        assert_eq!(indexed.words("two"), at(&[("b", 1)]));
        indexed.content.status().error
    };
    assert_eq!(right(), None);
    for n in 0.. {
        let files = files_of(home.path());
        let Some(path) = files.get(n) else { break };
        let mut bytes = fs::read(path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(path, &bytes).unwrap();
        right();
        let path = &files_of(home.path())[n];
        let bytes = fs::read(path).unwrap();
        fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
        right();
    }
}

#[test]
fn what_lies_in_the_way_of_the_index_does_no_harm() {
    let home = tempfile::tempdir().unwrap();
    fs::write(
        home.path().join("index"),
        "a file where the directory should be",
    )
    .unwrap();
    let world = World::of(&[("a", b"one\n")]);
    let indexed = Indexed::open(home.path(), &world);
    assert_eq!(indexed.grep("one"), at(&[("a", 1)]));
    assert!(!indexed.content.status().is_complete);
}

#[test]
fn an_index_removed_while_in_use_gives_no_wrong_answer() {
    let home = tempfile::tempdir().unwrap();
    let world = World::of(&[("a", b"one\n"), ("b", b"two\n")]);
    let indexed = Indexed::open(home.path(), &world).caught_up();
    for path in files_of(home.path()) {
        fs::File::create(path).unwrap();
    }
    for pattern in ["one", "two", "one"] {
        assert_eq!(indexed.grep(pattern).len(), 1);
    }
    let indexed = indexed.caught_up();
    assert_eq!(indexed.grep("one|two"), at(&[("a", 1), ("b", 1)]));
}
