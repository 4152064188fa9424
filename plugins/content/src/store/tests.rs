//! Tests of the index by itself: survival, and damage.

#![allow(clippy::disallowed_methods, reason = "tests damage files")]

use std::{fs, path::Path};

use plugin_words::{Fit, Word};

use super::*;
use crate::{blocks::Blocks, pattern::Pattern};

fn add(store: &mut Store, name: &str, text: &str, replaces: bool) {
    let mut blocks = Blocks::new();
    blocks.begin(text.len() as u64);
    blocks.add(text.as_bytes());
    let file = FileText {
        name: name.to_owned(),
        version: text.len() as u64,
        text: text.to_owned(),
        blocks: blocks.finish(true),
        is_part: false,
        is_cut: false,
        has_nul: false,
    };
    if replaces {
        let key = store.keys().of(name);
        store.remove(key).unwrap();
    }
    store.add(file).unwrap();
}

fn found(store: &Store, pattern: &str) -> Vec<String> {
    let pattern = Pattern::parse(pattern).unwrap();
    let view = store.view();
    let candidates = view.candidates(&pattern.needs, &|| true).unwrap();
    candidates.iter().map(|(name, _)| name.clone()).collect()
}

fn wanted(word: &str) -> WantedWord {
    WantedWord {
        word: Word::of(word),
        is_begin: false,
    }
}

fn open(path: &Path) -> (Store, Option<StoreError>) {
    Store::open(path, &Arc::default()).unwrap()
}

#[test]
fn files_are_found_replaced_and_removed_and_stay_so() {
    let home = tempfile::tempdir().unwrap();
    let (mut store, wrong) = open(home.path());
    assert!(wrong.is_none());
    add(&mut store, "a", "hello world", false);
    add(&mut store, "b", "hello there", false);
    assert!(found(&store, "hello").is_empty());
    store.commit().unwrap();
    assert_eq!(found(&store, "hello"), ["a", "b"]);
    add(&mut store, "a", "goodbye", true);
    let key = store.keys().of("b");
    store.remove(key).unwrap();
    store.commit().unwrap();
    drop(store);
    let (store, wrong) = open(home.path());
    assert!(wrong.is_none());
    assert!(found(&store, "hello").is_empty());
    assert_eq!(found(&store, "(?i)GOOD"), ["a"]);
    assert_eq!(
        store
            .view()
            .best(&[vec![vec![wanted("goodbye")]]], Fit::Exact, 0, 9)
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn what_was_not_committed_is_gone_and_does_no_harm() {
    let home = tempfile::tempdir().unwrap();
    let (mut store, _) = open(home.path());
    add(&mut store, "a", "kept", false);
    store.commit().unwrap();
    add(&mut store, "b", "lost", false);
    drop(store);
    let (store, wrong) = open(home.path());
    assert!(wrong.is_none());
    let mut names = Vec::new();
    store
        .visit(&mut |name, version| names.push((name.to_owned(), version)))
        .unwrap();
    assert_eq!(names, [("a".to_owned(), 4)]);
}

#[test]
fn a_damaged_index_is_made_anew_and_files_of_others_stay() {
    let home = tempfile::tempdir().unwrap();
    let (mut store, _) = open(home.path());
    add(&mut store, "a", "hello", false);
    store.commit().unwrap();
    drop(store);
    let theirs = [
        "mine.txt",
        "notes",
        "cafe",
        "0123456789abcdef",
        "x.bak",
        &"a".repeat(64),
    ];
    for name in theirs {
        fs::write(home.path().join(name), "theirs").unwrap();
    }
    let count = || fs::read_dir(home.path()).unwrap().count();
    let before = count();
    fs::write(home.path().join("meta.json"), "damaged").unwrap();
    let (store, wrong) = open(home.path());
    assert!(wrong.is_some());
    assert!(found(&store, "hello").is_empty());
    assert!(count() < before, "the old segment is gone");
    drop(store);
    Store::remove_all(home.path()).unwrap();
    assert_eq!(count(), theirs.len(), "nothing of the index is left");
    for name in theirs {
        assert_eq!(
            fs::read(home.path().join(name)).unwrap(),
            b"theirs",
            "{name}"
        );
    }
}

#[test]
fn flipped_and_cut_files_are_noticed_and_give_no_wrong_answer() {
    let home = tempfile::tempdir().unwrap();
    let sound = home.path().join("sound");
    let (mut store, _) = open(&sound);
    add(&mut store, "a", "hello world", false);
    add(&mut store, "b", "hello there", false);
    store.commit().unwrap();
    let key = store.keys().of("b");
    store.remove(key).unwrap();
    store.commit().unwrap();
    drop(store);
    let mut noticed = 0;
    let names = fs::read_dir(&sound)
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    for name in names.collect::<Vec<_>>() {
        let bytes = fs::read(sound.join(&name)).unwrap();
        // Each place costs an index; all bits of all bytes are the test of `sealed`.
        for at in (0..bytes.len()).step_by(1 + bytes.len() / 4) {
            let mut flipped = bytes.clone();
            flipped[at] ^= 0x10;
            for damaged in [flipped, bytes[..at].to_vec()] {
                let copy = tempfile::tempdir().unwrap();
                for entry in fs::read_dir(&sound).unwrap() {
                    let from = entry.unwrap().path();
                    fs::copy(&from, copy.path().join(from.file_name().unwrap())).unwrap();
                }
                fs::write(copy.path().join(&name), &damaged).unwrap();
                let (store, wrong) = open(copy.path());
                let known = found(&store, "hello");
                if wrong.is_some() {
                    noticed += 1;
                    assert!(known.is_empty(), "{name:?} at {at}");
                } else {
                    assert_eq!(known, ["a"], "{name:?} at {at}");
                }
            }
        }
    }
    assert!(noticed > 20, "{noticed}");
}
