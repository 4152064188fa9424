//! The catalogue against a model, and damaged on the disk.
#![allow(
    clippy::disallowed_methods,
    reason = "tests damage the file from outside"
)]

use std::{collections::BTreeMap, fs};

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::folders::{Folder, FolderStamp};
use node_base::state::StateDir;

type Model = BTreeMap<String, Meta>;

fn meta(size: u64) -> Meta {
    Meta {
        stamp: crate::stamp::tests::of_size(size),
        settled: true,
    }
}

/// Returns names in few directories, with neighbours of `/` in order and other cases.
fn name() -> impl Strategy<Value = String> {
    "((a|a-|a0|B|ÄÖ)/){0,3}[a-cA-CäΣ.0-]{1,3}"
}

fn changes() -> impl Strategy<Value = Vec<(String, Option<u64>)>> {
    vec((name(), proptest::option::weighted(0.7, 0_u64..4)), 0..60)
}

fn names_of(view: &View) -> Vec<String> {
    view.from("").map(|file| file.name()).collect()
}

/// Applies changes to both.
fn apply(view: &View, model: &mut Model, changes: Vec<(String, Option<u64>)>) -> View {
    let changes: BTreeMap<String, Option<u64>> = changes.into_iter().collect();
    let changes: Vec<Change> = changes
        .into_iter()
        .map(|(name, size)| (name, size.map(meta)))
        .collect();
    let (after, was) = view.after(&changes, true);
    let mut expected = Vec::new();
    for (name, now) in changes {
        let before = match now {
            Some(now) => model.insert(name.clone(), now),
            None => model.remove(&name),
        };
        let was = match (before, now) {
            (None, Some(now)) => Was::Added(now),
            (Some(before), Some(now)) if before != now => Was::Changed { before, now },
            (Some(before), None) => Was::Removed(before),
            _ => continue,
        };
        expected.push((name, was));
    }
    assert_eq!(was, expected);
    after
}

fn found(view: &View, prefix: &str, texts: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    view.search(prefix, texts, &mut |file| {
        found.push(file.name());
        Flow::Continue
    });
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_view_is_what_a_map_is(
        steps in vec(changes(), 1..6),
        asked in vec(name(), 1..10),
        texts in vec("[a-cäσ.0/-]{1,3}", 0..3),
    ) {
        let (mut view, mut model) = (View::default(), Model::new());
        for step in steps {
            view = apply(&view, &mut model, step);
        }
        let all: Vec<String> = model.keys().cloned().collect();
        prop_assert_eq!(view.len(), model.len());
        prop_assert_eq!(names_of(&view), all);
        for name in asked.iter().chain(model.keys()) {
            prop_assert_eq!(view.get(name), model.get(name).copied());
            let behind: Vec<String> = view.from(name).map(|file| file.name()).collect();
            let expected: Vec<String> = model.range(name.clone()..).map(|(n, _)| n.clone()).collect();
            prop_assert_eq!(behind, expected);
        }
        let directories = asked.iter().filter_map(|name| name.rfind('/').map(|at| &name[..=at]));
        for directory in directories.chain([""]) {
            let here = view.directly_in(directory);
            let expected: Vec<_> = model
                .iter()
                .filter_map(|(name, meta)| Some((name.strip_prefix(directory)?.to_owned(), *meta)))
                .filter(|(rest, _)| !rest.contains('/'))
                .collect();
            prop_assert_eq!(here, expected);
            let expected: Vec<_> = model
                .keys()
                .filter(|name| name.starts_with(directory))
                .filter(|name| texts.is_empty() || texts.iter().any(|t| name.to_lowercase().contains(t.as_str())))
                .cloned()
                .collect();
            prop_assert_eq!(found(&view, directory, &texts), expected);
        }
    }
}

/// Returns a view of `count` files in directories of a hundred.
fn large(count: u64) -> View {
    let changes: Vec<Change> = (0..count)
        .map(|n| (format!("dir{:04}/File-{n:07}.txt", n / 100), Some(meta(n))))
        .collect();
    View::default().after(&changes, false).0
}

#[test]
fn one_change_makes_few_chunks_anew() {
    let view = large(50_000);
    assert!(view.chunks().iter().all(|chunk| chunk.len() <= 4_096));
    let same = |a: &View, b: &View| {
        let kept = a
            .chunks()
            .iter()
            .filter(|chunk| b.chunks().iter().any(|other| Arc::ptr_eq(chunk, other)));
        a.chunks().len() - kept.count()
    };
    let mut now = view;
    for n in 0..2_000 {
        let name = format!("dir0250/new-{n:04}");
        let (after, _) = now.after(&[(name, Some(meta(n)))], false);
        assert!(same(&now, &after) <= 2, "{n}");
        now = after;
    }
    assert_eq!(now.len(), 52_000);
    let all: Vec<Change> = names_of(&now)
        .into_iter()
        .map(|name| (name, None))
        .collect();
    assert_eq!(now.after(&all, false).0.chunks().len(), 0);
}

#[test]
fn texts_are_found_in_directories_and_last_parts_of_any_chunk() {
    let view = large(20_000);
    let one = |text: &str| found(&view, "", &[text.to_owned()]);
    assert_eq!(one("file-0012345"), ["dir0123/File-0012345.txt"]);
    assert_eq!(one("dir0123").len(), 100);
    assert_eq!(one("23/file").len(), 200);
    assert_eq!(one("txt").len(), 20_000);
    assert!(one("File").is_empty());
    let two = ["0012345".to_owned(), "0012346".to_owned()];
    assert_eq!(found(&view, "", &two).len(), 2);
    assert_eq!(found(&view, "dir0123/", &[]).len(), 100);
    assert_eq!(found(&view, "dir0199/", &two), [""; 0]);
    let mut some = 0;
    view.search("", &[], &mut |_| {
        some += 1;
        if some == 5 {
            Flow::Stop
        } else {
            Flow::Continue
        }
    });
    assert_eq!(some, 5);
}

fn saved() -> Saved {
    let stamp = Some(FolderStamp {
        inode: 3,
        modified: 4,
        changed: 5,
    });
    let folder = Folder {
        stamp,
        skipped: 1,
        rules: 2,
        watched: false,
    };
    Saved {
        view: Arc::new(large(150)),
        folders: [("", Folder::default()), ("dir0000/", folder)]
            .map(|(name, folder)| (name.to_owned(), folder))
            .into(),
    }
}

fn files_of(view: &View) -> Vec<(String, Meta)> {
    view.from("").map(|file| (file.name(), file.meta)).collect()
}

#[test]
fn what_was_saved_is_loaded() {
    let home = tempfile::tempdir().unwrap();
    let state = StateDir::open(home.path()).unwrap();
    assert!(load(&state, "here").unwrap().is_none());
    save(&state, "here", &saved()).unwrap();
    let loaded = load(&state, "here").unwrap().unwrap();
    assert_eq!(files_of(&loaded.view), files_of(&saved().view));
    assert_eq!(loaded.folders, saved().folders);
    assert!(load(&state, "there").is_err());
}

#[test]
fn what_was_saved_and_cut_or_flipped_at_any_byte_is_not_used() {
    let home = tempfile::tempdir().unwrap();
    let state = StateDir::open(home.path()).unwrap();
    save(&state, "here", &saved()).unwrap();
    let path = state.file("catalogue");
    let right = fs::read(&path).unwrap();
    for at in 0..right.len() {
        let mut flipped = right.clone();
        flipped[at] ^= 1 << (at % 8);
        fs::write(&path, &flipped).unwrap();
        assert!(load(&state, "here").is_err(), "flipped at {at}");
        fs::write(&path, &right[..at]).unwrap();
        assert!(load(&state, "here").is_err(), "cut at {at}");
    }
}

#[test]
fn words_are_found_in_any_chunk() {
    let numbered = |n: usize| format!("d{}/word{n:05} x.txt", n % 7);
    let mut changes: Vec<Change> = (0..20_000).map(|n| (numbered(n), Some(meta(1)))).collect();
    for name in ["d3/Über uns.txt", "straße/a.txt", "z/ÜBER.txt"] {
        changes.push((name.to_owned(), Some(meta(1))));
    }
    changes.sort_by(|a, b| a.0.cmp(&b.0));
    let view = View::default().after(&changes, false).0;
    assert!(view.chunks().len() > 3);
    let with = |words: &[&str]| {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let mut names = Vec::new();
        view.with_words(&words, &mut |file| {
            names.push(file.name());
            Flow::Continue
        });
        names
    };
    for n in [0, 1, 7_777, 19_999] {
        let word = format!("word{n:05}");
        assert_eq!(with(&[&word]), [numbered(n)]);
    }
    assert_eq!(with(&["straße", "über"]).len(), 3);
    assert!(with(&["nothing"]).is_empty());
    assert_eq!(with(&["txt"]).len(), 20_003);
    let folded = |text: &str| {
        let mut words = BTreeSet::new();
        view.folded_words(text, &mut |word| {
            words.insert(word.to_owned());
            Flow::Continue
        });
        words.into_iter().collect::<Vec<_>>()
    };
    assert_eq!(folded("ube"), ["über"]);
    assert_eq!(folded("strass"), ["straße"]);
    assert!(folded("word").is_empty());
}
