//! The keeper on a real directory, with hints from memory.
#![allow(
    clippy::disallowed_methods,
    reason = "tests change the directory from outside"
)]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use plugin_api::{Flow, Gap, GapReason};
use proptest::{collection::vec, prelude::*};

use super::*;
use crate::{
    Share, Stamp,
    watcher::{Mount, Signs, WatchError, Watcher, Watching},
};

/// A watcher that says nothing by itself, and watches so many directories.
#[derive(Clone)]
pub(crate) struct Memory {
    watched: Arc<Mutex<BTreeSet<PathBuf>>>,
    most: Arc<AtomicUsize>,
    mounts: Arc<Mutex<Vec<Mount>>>,
}

impl Default for Memory {
    fn default() -> Memory {
        Memory {
            watched: Arc::default(),
            most: Arc::new(AtomicUsize::new(usize::MAX)),
            mounts: Arc::default(),
        }
    }
}

impl Watching for Memory {
    fn begin(&self, _root: &Path, _hints: &Arc<Hints>) -> Result<Box<dyn Watcher>, WatchError> {
        lock(&self.watched).clear();
        Ok(Box::new(self.clone()))
    }

    fn mounts(&self, _root: &Path) -> Vec<Mount> {
        lock(&self.mounts).clone()
    }

    fn silent(&self, directory: &cap_std::fs::Dir) -> Option<String> {
        // A directory of the tests that has this name in it is on such a disk.
        directory.exists("of others").then(|| "NFS".to_owned())
    }
}

impl Watcher for Memory {
    fn watch(&mut self, path: &Path) -> Result<(), WatchError> {
        let mut watched = lock(&self.watched);
        if watched.len() >= self.most.load(Ordering::Relaxed) {
            return Err(WatchError::Limit);
        }
        watched.insert(path.to_owned());
        Ok(())
    }
}

struct Home {
    directory: tempfile::TempDir,
    memory: Memory,
}

impl Home {
    fn new() -> Home {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("share")).unwrap();
        Home {
            directory,
            memory: Memory::default(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join("share").join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), text).unwrap();
    }

    fn state(&self) -> StateDir {
        StateDir::open(&self.directory.path().join("state")).unwrap()
    }

    fn keeper(&self) -> Arc<Keeper> {
        let share = Arc::new(Share::open_keeping(&self.path(""), &self.state(), &[]).unwrap());
        let watching = Box::new(self.memory.clone());
        let catalogue = Catalogue::new(&share);
        Keeper::with(catalogue, Some(self.state()), Arc::default(), watching)
    }
}

/// Returns names and sizes in the catalogue.
fn known(keeper: &Keeper) -> Vec<(String, u64)> {
    let mut known = Vec::new();
    let view = keeper.catalogue.view();
    known.extend(
        view.from("")
            .map(|file| (file.name(), file.meta.stamp.size)),
    );
    known
}

fn names(keeper: &Keeper) -> Vec<String> {
    known(keeper).into_iter().map(|(name, _)| name).collect()
}

/// Returns names and sizes in the directory.
fn there(keeper: &Keeper) -> Vec<(String, u64)> {
    let mut there = Vec::new();
    let visited = keeper.catalogue.share().visit(&mut |file| {
        there.push((file.name.clone(), file.size));
        Flow::Continue
    });
    visited.map_or_else(|_| Vec::new(), |_| there)
}

/// Starts, and looks at everything once.
fn started(keeper: &Keeper) -> Running<'_> {
    keeper.load();
    let mut running = Running::new(keeper);
    running.watch_anew();
    running.begin_sweep(Depth::Changed, true);
    until(&mut running, |_| keeper.catalogue.is_complete());
    rest(&mut running);
    running
}

fn until(running: &mut Running<'_>, done: impl Fn(&Running<'_>) -> bool) {
    let deadline = now() + Duration::from_secs(20);
    while !done(running) {
        assert!(now() < deadline, "it does not come to an end");
        running.turn();
    }
}

/// Works until there is nothing to do.
fn rest(running: &mut Running<'_>) {
    until(running, |running| running.sweep.is_none());
}

fn hint(running: &mut Running<'_>, names: &[&str]) {
    for name in names {
        running.keeper.hints.name(name);
    }
    running.turn();
    rest(running);
}

#[test]
fn hints_lead_to_what_appeared_changed_and_vanished() {
    let home = Home::new();
    home.write("a/old", "x");
    let keeper = home.keeper();
    let mut running = started(&keeper);
    assert_eq!(names(&keeper), ["a/old"]);
    home.write("a/new", "12");
    home.write("b/c/deep", "123");
    hint(&mut running, &["a/new", "b"]);
    assert_eq!(names(&keeper), ["a/new", "a/old", "b/c/deep"]);
    home.write("a/new", "1234");
    fs::remove_file(home.path("a/old")).unwrap();
    fs::remove_dir_all(home.path("b")).unwrap();
    hint(&mut running, &["a/new", "a/old", "b"]);
    assert_eq!(known(&keeper), [("a/new".to_owned(), 4)]);
}

#[test]
fn every_directory_is_watched_and_ignored_ones_are_not() {
    let home = Home::new();
    for name in ["a/b/c/x", ".git/y", "d/z"] {
        home.write(name, "");
    }
    home.write(".sixhopignore", "d/\n");
    let keeper = home.keeper();
    let _running = started(&keeper);
    let watched = lock(&home.memory.watched).clone();
    let expected = ["", "a/", "a/b/", "a/b/c/"].map(|name| home.path(name));
    assert_eq!(watched.into_iter().collect::<Vec<_>>(), expected);
}

#[test]
fn what_no_hint_told_is_found_when_hints_were_lost() {
    let home = Home::new();
    home.write("a/x", "1");
    let keeper = home.keeper();
    let mut running = started(&keeper);
    home.write("a/x", "longer");
    home.write("new/y", "2");
    keeper.hints.everything();
    running.turn();
    rest(&mut running);
    assert_eq!(known(&keeper), there(&keeper));
    assert_eq!(names(&keeper), ["a/x", "new/y"]);
}

#[test]
fn files_with_another_name_are_told_as_such() {
    let home = Home::new();
    home.write("a/x", "1");
    home.write("a/y", "22");
    let keeper = home.keeper();
    let told: Arc<Mutex<Vec<ChangeSet>>> = Arc::default();
    let telling = Arc::clone(&told);
    let _subscription = keeper
        .catalogue
        .subscribe(move |news| lock(&telling).push(news.clone()));
    let mut running = started(&keeper);
    fs::rename(home.path("a"), home.path("b")).unwrap();
    hint(&mut running, &["a", "b"]);
    let moved: Vec<_> = lock(&told)
        .iter()
        .flat_map(|news| news.moved.clone())
        .map(|moved| (moved.from, moved.to))
        .collect();
    let pair = |old: &str, new: &str| (old.to_owned(), new.to_owned());
    assert_eq!(moved, [pair("a/x", "b/x"), pair("a/y", "b/y")]);
}

/// Returns the renames that subscribers get when `change` happens and its hints are looked into.
fn moved(home: &Home, change: &[(&str, Signs)]) -> Vec<(String, String)> {
    let keeper = home.keeper();
    let told: Arc<Mutex<Vec<ChangeSet>>> = Arc::default();
    let telling = Arc::clone(&told);
    let _subscription = keeper
        .catalogue
        .subscribe(move |news| lock(&telling).push(news.clone()));
    let mut running = started(&keeper);
    std::thread::sleep(Duration::from_millis(20));
    fs::rename(home.path("a"), home.path("b")).unwrap();
    for (name, signs) in change {
        keeper.hints.sign(name, *signs);
    }
    running.turn();
    rest(&mut running);
    let told = lock(&told);
    let moved = told.iter().flat_map(|news| news.moved.clone());
    moved.map(|moved| (moved.from, moved.to)).collect()
}

const RENAMED: Signs = Signs {
    written: false,
    renamed: true,
};

const WRITTEN: Signs = Signs {
    written: true,
    renamed: true,
};

#[test]
fn a_renamed_file_that_may_have_been_written_is_a_new_one() {
    let home = Home::new();
    home.write("a", "1");
    let pair = ("a".to_owned(), "b".to_owned());
    assert_eq!(moved(&home, &[("a", RENAMED), ("b", RENAMED)]), [pair]);
    for signs in [
        [RENAMED, WRITTEN],
        [WRITTEN, RENAMED],
        [Signs::default(); 2],
    ] {
        fs::rename(home.path("b"), home.path("a")).unwrap();
        assert_eq!(
            moved(&home, &[("a", signs[0]), ("b", signs[1])]),
            [],
            "{signs:?}"
        );
    }
}

#[test]
fn a_write_that_shows_in_nothing_makes_another_version() {
    let home = Home::new();
    home.write("a", "1");
    let keeper = home.keeper();
    let mut running = started(&keeper);
    let version = || keeper.catalogue.look_up("a").unwrap().unwrap().version;
    until(&mut running, |_| version() != 0);
    let before = version();
    hint(&mut running, &["a"]);
    assert_eq!(version(), before);
    keeper.hints.sign("a", WRITTEN);
    running.turn();
    assert_ne!(version(), before);
    let view = keeper.catalogue.view().get("a").unwrap();
    assert_eq!(view.stamp.version(), version());
}

/// Stamps in the catalogue.
fn stamps(keeper: &Keeper) -> Vec<(String, Stamp)> {
    let view = keeper.catalogue.view();
    let stamps = view.from("").map(|file| (file.name(), file.meta.stamp));
    stamps.collect()
}

/// Stamps of the same files on the disk.
fn stamps_there(keeper: &Keeper) -> Vec<(String, Stamp)> {
    let share = keeper.catalogue.share();
    let stamp = |name: &str| share.stamp(&ShareName::parse(name).unwrap()).unwrap();
    let names = stamps(keeper).into_iter().map(|(name, _)| name);
    names.map(|name| (name.clone(), stamp(&name))).collect()
}

#[test]
fn a_first_hard_link_has_the_old_name_scanned_too() {
    let home = Home::new();
    home.write("a", "1");
    let keeper = home.keeper();
    let mut running = started(&keeper);
    std::thread::sleep(Duration::from_millis(20));
    fs::hard_link(home.path("a"), home.path("b")).unwrap();
    hint(&mut running, &["b"]);
    assert_eq!(stamps(&keeper), stamps_there(&keeper));
    fs::remove_file(home.path("b")).unwrap();
    hint(&mut running, &["b"]);
    assert_eq!(stamps(&keeper), stamps_there(&keeper));
    fs::create_dir(home.path("d")).unwrap();
    fs::hard_link(home.path("a"), home.path("d/c")).unwrap();
    hint(&mut running, &["d"]);
    assert_eq!(stamps(&keeper), stamps_there(&keeper));
    fs::remove_dir_all(home.path("d")).unwrap();
    hint(&mut running, &["d"]);
    assert_eq!(stamps(&keeper), stamps_there(&keeper));
}

#[test]
fn a_write_through_another_name_is_seen_under_all() {
    let home = Home::new();
    home.write("a/one", "1");
    fs::hard_link(home.path("a/one"), home.path("two")).unwrap();
    let outside = home.directory.path().join("outside");
    fs::hard_link(home.path("a/one"), &outside).unwrap();
    let keeper = home.keeper();
    let mut running = started(&keeper);
    // Neither a new name nor a removed one is reported under the others.
    fs::hard_link(home.path("two"), home.path("b")).unwrap();
    hint(&mut running, &["b"]);
    assert_eq!(stamps(&keeper), stamps_there(&keeper));
    fs::remove_file(home.path("b")).unwrap();
    hint(&mut running, &["b"]);
    assert_eq!(stamps(&keeper), stamps_there(&keeper));
    home.write("two", "longer");
    hint(&mut running, &["two"]);
    assert_eq!(
        known(&keeper),
        [("a/one".to_owned(), 6), ("two".to_owned(), 6)]
    );
    // Nobody reports a write outside.
    fs::write(&outside, "much longer").unwrap();
    running.elsewhere.make_due();
    running.turn();
    rest(&mut running);
    assert_eq!(
        known(&keeper),
        [("a/one".to_owned(), 11), ("two".to_owned(), 11)]
    );
    fs::remove_file(home.path("two")).unwrap();
    hint(&mut running, &["two"]);
    assert_eq!(known(&keeper), [("a/one".to_owned(), 11)]);
}

#[test]
fn an_answer_about_one_name_leaves_no_other_name_old() {
    let home = Home::new();
    home.write("a", "1");
    fs::hard_link(home.path("a"), home.path("b")).unwrap();
    let keeper = home.keeper();
    let mut running = started(&keeper);
    home.write("b", "longer");
    // It is noted for the answer, before the hint of the watcher is looked into.
    let answer = keeper.catalogue.look_up("b").unwrap().unwrap();
    assert_eq!(answer.size, 6);
    hint(&mut running, &["b"]);
    assert_eq!(stamps(&keeper), stamps_there(&keeper));
    assert_eq!(known(&keeper), there(&keeper));
}

#[test]
fn a_file_in_place_of_a_link_has_the_other_names_scanned() {
    let home = Home::new();
    home.write("a", "1");
    home.write("new", "22");
    fs::hard_link(home.path("a"), home.path("b")).unwrap();
    let keeper = home.keeper();
    let mut running = started(&keeper);
    std::thread::sleep(Duration::from_millis(20));
    fs::rename(home.path("new"), home.path("b")).unwrap();
    hint(&mut running, &["b", "new"]);
    assert_eq!(stamps(&keeper), stamps_there(&keeper));
    // The same, of which the listing of a directory tells.
    fs::hard_link(home.path("a"), home.path("c")).unwrap();
    hint(&mut running, &["c"]);
    home.write("other", "333");
    fs::rename(home.path("other"), home.path("c")).unwrap();
    running.begin_sweep(Depth::Files, true);
    rest(&mut running);
    assert_eq!(stamps(&keeper), stamps_there(&keeper));
    assert_eq!(known(&keeper), there(&keeper));
}

#[test]
fn a_write_through_a_name_that_nobody_saw_is_found_soon() {
    let home = Home::new();
    home.write("a", "1");
    let keeper = home.keeper();
    let mut running = started(&keeper);
    fs::hard_link(home.path("a"), home.path("b")).unwrap();
    home.write("b", "longer");
    fs::remove_file(home.path("b")).unwrap();
    hint(&mut running, &["b"]);
    running.swept -= SWEEP_AFTER_CHANGES;
    running.turn();
    rest(&mut running);
    assert_eq!(known(&keeper), [("a".to_owned(), 6)]);
    assert!(!running.has_changed, "nothing more is to be looked at");
}

#[test]
fn a_file_written_under_another_name_is_not_taken_for_moved() {
    let home = Home::new();
    home.write("a", "1");
    home.write("other", "2");
    fs::hard_link(home.path("a"), home.path("c")).unwrap();
    let renamed = [("a", RENAMED), ("b", RENAMED)];
    let pair = ("a".to_owned(), "b".to_owned());
    for (of, expected) in [("other", vec![pair]), ("c", Vec::new())] {
        let mut change = renamed.to_vec();
        change.push((of, WRITTEN));
        assert_eq!(moved(&home, &change), expected, "{of} was written");
        fs::rename(home.path("b"), home.path("a")).unwrap();
    }
}

#[test]
fn a_directory_with_a_new_mount_is_scanned_and_watched_again() {
    let home = Home::new();
    home.write("disk/old", "1");
    home.write("other/x", "1");
    let keeper = home.keeper();
    let mut running = started(&keeper);
    // In the place of the directory is another one now, and nothing reports it.
    fs::rename(home.path("disk"), home.directory.path().join("away")).unwrap();
    home.write("disk/new/deep", "12");
    lock(&home.memory.watched).clear();
    let mount = Mount {
        name: "disk/".to_owned(),
        number: 7,
    };
    *lock(&home.memory.mounts) = vec![mount];
    running.elsewhere.make_due();
    running.turn();
    rest(&mut running);
    assert_eq!(names(&keeper), ["disk/new/deep", "other/x"]);
    let watched = lock(&home.memory.watched).clone();
    assert!(watched.contains(&home.path("disk/")) && watched.contains(&home.path("disk/new/")));
    assert!(!watched.contains(&home.path("other/")));
}

#[test]
fn a_disk_without_events_is_reported_and_scanned_regularly() {
    let home = Home::new();
    home.write("disk/of others", "1");
    home.write("disk/a/b", "1");
    home.write("here", "1");
    *lock(&home.memory.mounts) = vec![Mount {
        name: "disk/".to_owned(),
        number: 7,
    }];
    let keeper = home.keeper();
    let mut running = started(&keeper);
    running.elsewhere.make_due();
    running.turn();
    rest(&mut running);
    let why = keeper.status().unwatched.unwrap();
    until(&mut running, |_| {
        !keeper.catalogue.work().young.is_waiting()
    });
    assert!(
        why.contains("disk/ is on NFS") && why.contains("ctl rescan"),
        "{why}"
    );
    home.write("disk/a/b", "longer");
    home.write("here", "longer");
    running.elsewhere.make_due();
    running.turn();
    rest(&mut running);
    let size = |name: &str| keeper.catalogue.view().get(name).unwrap().stamp.size;
    assert_eq!((size("disk/a/b"), size("here")), (6, 1));
    // The disk is gone, and with it the reason.
    fs::remove_file(home.path("disk/of others")).unwrap();
    running.elsewhere.make_due();
    running.turn();
    assert_eq!(keeper.status().unwatched, None);
}

#[test]
fn a_rescan_finds_what_nothing_told_and_says_how_much() {
    let home = Home::new();
    for name in ["a/b/x", "a/y", "z", "same"] {
        home.write(name, "1");
    }
    let keeper = home.keeper();
    let mut running = started(&keeper);
    let mut rescan = |name: Option<&str>| {
        let name = name.map(|name| ShareName::parse(name).unwrap());
        let mut asked = keeper.rescan(name.as_ref()).unwrap();
        running.turn();
        rest(&mut running);
        asked.try_done().unwrap()
    };
    let found = |added, changed, removed| Rescanned {
        added,
        changed,
        removed,
    };
    home.write("a/b/x", "longer");
    home.write("a/y", "longer");
    home.write("a/b/new", "1");
    home.write("z", "longer");
    assert_eq!(rescan(Some("a/b")), found(1, 1, 0));
    assert_eq!(rescan(Some("z")), found(0, 1, 0));
    fs::remove_file(home.path("same")).unwrap();
    assert_eq!(rescan(None), found(0, 1, 1));
    assert_eq!(known(&keeper), there(&keeper));
    assert_eq!(rescan(Some("nothing")), found(0, 0, 0));
}

#[test]
fn an_ignore_file_hides_and_shows_at_once() {
    let home = Home::new();
    for name in ["a.log", "b/c.log", "b/d.txt"] {
        home.write(name, "");
    }
    let keeper = home.keeper();
    let mut running = started(&keeper);
    assert_eq!(names(&keeper).len(), 3);
    home.write(".sixhopignore", "*.log\n");
    hint(&mut running, &[".sixhopignore"]);
    assert_eq!(names(&keeper), ["b/d.txt"]);
    fs::remove_file(home.path(".sixhopignore")).unwrap();
    hint(&mut running, &[".sixhopignore"]);
    assert_eq!(names(&keeper).len(), 3);
}

#[test]
fn a_missing_directory_shares_nothing_and_may_come_back() {
    let home = Home::new();
    home.write("a", "1");
    let keeper = home.keeper();
    let mut running = started(&keeper);
    let away = home.directory.path().join("away");
    fs::rename(home.path(""), &away).unwrap();
    keeper.hints.root();
    running.turn();
    assert!(keeper.catalogue.share().trouble().is_some());
    assert_eq!(names(&keeper), [""; 0]);
    fs::rename(&away, home.path("")).unwrap();
    running.root_looked -= ROOT_EVERY;
    until(&mut running, |_| !names(&keeper).is_empty());
    assert!(keeper.catalogue.share().trouble().is_none());
    let kinds: Vec<_> = keeper
        .events
        .since(0, 10)
        .iter()
        .map(|event| event.kind)
        .collect();
    assert!(
        kinds.contains(&"share.away") && kinds.contains(&"share.back"),
        "{kinds:?}"
    );
}

#[test]
fn another_directory_is_shared_only_when_it_is_accepted() {
    let home = Home::new();
    home.write("old", "1");
    let keeper = home.keeper();
    let mut running = started(&keeper);
    fs::rename(home.path(""), home.directory.path().join("away")).unwrap();
    home.write("new", "1");
    keeper.hints.root();
    running.turn();
    rest(&mut running);
    assert_eq!(names(&keeper), [""; 0]);
    let trouble = keeper.catalogue.share().trouble().unwrap();
    assert!(trouble.contains("share.accept"), "{trouble}");
    keeper.catalogue.share().accept().unwrap();
    keeper.look_at_root();
    rest(&mut running);
    until(&mut running, |_| !names(&keeper).is_empty());
    assert_eq!(names(&keeper), ["new"]);
    assert_eq!(known(&keeper), there(&keeper));
    assert!(keeper.catalogue.share().trouble().is_none());
}

#[test]
fn another_directory_at_the_start_shares_nothing_and_is_told() {
    let home = Home::new();
    home.write("old", "1");
    drop(started(&home.keeper()));
    let moved = home.directory.path().join("away");
    fs::rename(home.path(""), &moved).unwrap();
    home.write("new", "1");
    let keeper = home.keeper();
    assert!(keeper.catalogue.share().trouble().is_some());
    let mut running = started(&keeper);
    keeper.hints.root();
    running.turn();
    assert_eq!(names(&keeper), [""; 0]);
    let kinds: Vec<_> = keeper.events.since(0, 10).iter().map(|e| e.kind).collect();
    assert_eq!(kinds, ["share.away"]);
    fs::remove_dir_all(home.path("")).unwrap();
    fs::rename(&moved, home.path("")).unwrap();
    running.root_looked -= ROOT_EVERY;
    until(&mut running, |_| !names(&keeper).is_empty());
    assert_eq!(names(&keeper), ["old"]);
}

#[test]
fn temporaries_that_were_left_behind_are_removed_when_listed() {
    let home = Home::new();
    home.write("a/x", "1");
    let keeper = home.keeper();
    drop(started(&keeper));
    // Made by a node that was killed, for which the directories b and c were made.
    home.write("a/.sixhop-part-0123456789abcdef0", "half");
    home.write("a/.sixhop-part-notes.txt", "not ours");
    home.write("b/c/.sixhop-part-0123456789abcdef2", "half");
    home.write("d/c/.sixhop-part-0123456789abcdef1", "half");
    home.write("e/.sixhop-part-0123456789abcdef1", "kept");
    let kept = ["e/.sixhop-part-0123456789abcdef1".to_owned()];
    std::thread::sleep(Duration::from_millis(20));
    let share = Share::open_keeping(&home.path(""), &home.state(), &kept).unwrap();
    // Made after the start, by another program.
    home.write("f/.sixhop-part-fedcba", "being written");
    let catalogue = Catalogue::new(&Arc::new(share));
    let memory = Box::new(home.memory.clone());
    let keeper = Keeper::with(catalogue, Some(home.state()), Arc::default(), memory);
    let mut running = started(&keeper);
    rest(&mut running);
    assert_eq!(names(&keeper), ["a/x"]);
    for (name, is_there) in [
        ("a/.sixhop-part-0123456789abcdef0", false),
        ("a/.sixhop-part-notes.txt", true),
        ("b", false),
        ("d/c", false),
        ("d", true),
        ("e/.sixhop-part-0123456789abcdef1", true),
        ("f/.sixhop-part-fedcba", true),
    ] {
        assert_eq!(home.path(name).exists(), is_there, "{name}");
    }
}

#[test]
fn too_few_watches_are_said_with_what_to_do_and_cost_no_file() {
    let home = Home::new();
    for name in ["a/x", "b/x", "c/x"] {
        home.write(name, "");
    }
    home.memory.most.store(2, Ordering::Relaxed);
    let keeper = home.keeper();
    let mut running = started(&keeper);
    assert_eq!(names(&keeper).len(), 3);
    let why = keeper.status().unwatched.unwrap();
    assert!(why.contains("fs.inotify.max_user_watches"), "{why}");
    home.memory.most.store(10, Ordering::Relaxed);
    running.begin_sweep(Depth::Files, true);
    rest(&mut running);
    assert_eq!(keeper.status().unwatched, None);
}

#[test]
fn a_warm_start_finds_what_changed_meanwhile() {
    let home = Home::new();
    for name in ["a/x", "a/gone", "b/same", "c/d/e"] {
        home.write(name, "1");
    }
    home.write("c/.sixhopignore", "f\n");
    {
        let keeper = home.keeper();
        let mut running = started(&keeper);
        // Directories that were too young are looked at again.
        std::thread::sleep(Duration::from_millis(150));
        running.begin_sweep(Depth::Files, true);
        rest(&mut running);
        keeper.save();
    }
    home.write("a/x", "longer");
    fs::remove_file(home.path("a/gone")).unwrap();
    home.write("new/y", "2");
    // In place: no directory shows it.
    home.write("c/.sixhopignore", "d\n");
    home.write("c/f", "f");
    let keeper = home.keeper();
    keeper.load();
    assert_eq!(keeper.catalogue.count(), 4);
    // Until the first look, answers say that they may lack something.
    let gaps = || plugin_api::Files::gaps(&*keeper.catalogue);
    assert_eq!(gaps(), [Gap::of_many(GapReason::Unread)]);
    let _running = started(&keeper);
    assert!(gaps().is_empty());
    assert_eq!(known(&keeper), there(&keeper));
    assert_eq!(names(&keeper), ["a/x", "b/same", "c/f", "new/y"]);
}

#[test]
fn a_damaged_catalogue_is_made_anew() {
    let home = Home::new();
    home.write("a", "1");
    {
        let keeper = home.keeper();
        let _running = started(&keeper);
    }
    let path = home.state().file("catalogue");
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).unwrap();
    home.write("b", "1");
    let keeper = home.keeper();
    let _running = started(&keeper);
    assert_eq!(names(&keeper), ["a", "b"]);
}

/// A step of a random history of a directory.
#[derive(Clone, Debug)]
enum Step {
    Write(String, usize),
    Remove(String),
    Rename(String, String),
    Ignore(String, bool),
}

fn step() -> impl Strategy<Value = Step> {
    let name = || "([a-c]/){0,2}[a-e]";
    prop_oneof![
        4 => (name(), 0_usize..9).prop_map(|(name, size)| Step::Write(name, size)),
        2 => name().prop_map(Step::Remove),
        2 => (name(), name()).prop_map(|(from, to)| Step::Rename(from, to)),
        1 => ("([a-c]/){0,1}", any::<bool>()).prop_map(|(name, some)| Step::Ignore(name, some)),
    ]
}

impl Home {
    /// Does it as far as it can be done, and gives the hints that a watcher
    /// would give.
    fn act(&self, step: &Step, hints: &Hints) {
        let hinted = |name: &str| hints.name(name);
        match step {
            Step::Write(name, size) => {
                let parents: Vec<_> = name.match_indices('/').map(|(at, _)| &name[..at]).collect();
                for parent in parents {
                    if fs::create_dir(self.path(parent)).is_ok() {
                        hinted(parent);
                    }
                }
                if fs::write(self.path(name), "x".repeat(*size)).is_ok() {
                    hinted(name);
                }
            }
            Step::Remove(name) => {
                let path = self.path(name);
                if fs::remove_file(&path)
                    .or_else(|_| fs::remove_dir_all(&path))
                    .is_ok()
                {
                    hinted(name);
                }
            }
            Step::Rename(from, to) => {
                if fs::rename(self.path(from), self.path(to)).is_ok() {
                    hinted(from);
                    hinted(to);
                }
            }
            Step::Ignore(name, some) => {
                let file = format!("{name}.sixhopignore");
                let done = if *some {
                    fs::write(self.path(&file), "a\nb/c\n")
                } else {
                    fs::remove_file(self.path(&file))
                };
                if done.is_ok() {
                    hinted(&file);
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn after_any_changes_it_knows_what_a_fresh_look_finds(
        batches in vec(vec(step(), 1..12), 1..4),
        lost in any::<bool>(),
    ) {
        let home = Home::new();
        home.write("a/b/c", "1");
        let keeper = home.keeper();
        let mut running = started(&keeper);
        let nowhere = Hints::default();
        for batch in &batches {
            for step in batch {
                home.act(step, if lost { &nowhere } else { &keeper.hints });
            }
            if lost {
                keeper.hints.everything();
            }
            if !keeper.hints.is_empty() {
                running.turn();
            }
            rest(&mut running);
            prop_assert_eq!(known(&keeper), there(&keeper), "{:?}", batch);
        }
    }
}
