//! Tests of the share on a real directory.
#![allow(
    clippy::disallowed_methods,
    reason = "tests look at the directory from outside"
)]

use std::{fs, os::unix::fs::symlink, path::PathBuf, time::Duration};

use plugin_api::Flow;
use tempfile::TempDir;

use super::*;

struct Home {
    directory: TempDir,
    share: Share,
}

fn home() -> Home {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("share")).unwrap();
    let share = Share::open(&directory.path().join("share")).unwrap();
    Home { directory, share }
}

impl Home {
    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join("share").join(name)
    }

    fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        self.share
            .visit(&mut |file| {
                names.push(file.name.clone());
                Flow::Continue
            })
            .unwrap();
        names
    }

    fn skipped(&self) -> u64 {
        self.share.visit(&mut |_| Flow::Continue).unwrap().skipped
    }
}

fn name(text: &str) -> ShareName {
    ShareName::parse(text).unwrap()
}

fn store(share: &Share, text: &str, bytes: &[u8], replace: Replace) -> Result<(), ShareError> {
    let mut incoming = share.begin(&name(text), replace)?.into_stream()?;
    incoming.write(bytes)?;
    incoming.commit(About::default()).map(drop)
}

/// Begins to store a file whose bytes come in order.
fn stream(share: &Share, text: &str) -> IncomingStream {
    let incoming = share.begin(&name(text), Replace::Never).unwrap();
    incoming.into_stream().unwrap()
}

#[test]
fn a_stored_file_appears_whole_in_its_directory() {
    let home = home();
    store(&home.share, "a/b/c.txt", b"text", Replace::Never).unwrap();
    assert_eq!(fs::read(home.path("a/b/c.txt")).unwrap(), b"text");
    assert_eq!(home.names(), ["a/b/c.txt"]);
    assert_eq!(fs::read_dir(home.path("")).unwrap().count(), 1);
}

#[test]
fn a_file_on_its_way_is_neither_listed_nor_skipped() {
    let home = home();
    let mut incoming = stream(&home.share, "x");
    incoming.write(b"half").unwrap();
    assert_eq!(fs::read_dir(home.path("")).unwrap().count(), 1);
    assert!(home.names().is_empty());
    assert_eq!(home.skipped(), 0);
    drop(incoming);
    assert_eq!(fs::read_dir(home.path("")).unwrap().count(), 0);
}

#[test]
fn opening_the_share_removes_what_a_killed_node_left() {
    let home = home();
    fs::write(home.path(".sixhop-part-0123"), "half").unwrap();
    std::thread::sleep(Duration::from_millis(20));
    Share::open(home.share.path()).unwrap();
    assert!(!home.path(".sixhop-part-0123").exists());
}

#[test]
fn an_existing_file_is_kept_unless_it_is_to_be_replaced() {
    let home = home();
    store(&home.share, "x", b"old", Replace::Never).unwrap();
    assert!(matches!(
        store(&home.share, "x", b"new", Replace::Never),
        Err(ShareError::Exists(_))
    ));
    assert_eq!(fs::read(home.path("x")).unwrap(), b"old");
    store(&home.share, "x", b"new", Replace::Existing).unwrap();
    assert_eq!(fs::read(home.path("x")).unwrap(), b"new");
}

#[test]
fn a_file_that_appears_while_another_is_on_its_way_is_kept() {
    let home = home();
    let mut incoming = stream(&home.share, "x");
    incoming.write(b"late").unwrap();
    fs::write(home.path("x"), "first").unwrap();
    assert!(matches!(
        incoming.commit(About::default()),
        Err(ShareError::Exists(_))
    ));
    assert_eq!(fs::read(home.path("x")).unwrap(), b"first");
    assert_eq!(home.names(), ["x"]);
}

#[test]
fn a_name_that_differs_only_in_case_is_refused_on_every_level() {
    let home = home();
    store(&home.share, "Photos/Cat.jpg", b"1", Replace::Never).unwrap();
    for (refused, existing) in [
        ("Photos/cat.JPG", "Photos/Cat.jpg"),
        ("photos/dog.jpg", "Photos"),
    ] {
        match store(&home.share, refused, b"2", Replace::Never) {
            Err(ShareError::Collision {
                existing: found, ..
            }) => assert_eq!(found, existing),
            other => panic!("{refused}: {other:?}"),
        }
    }
    store(&home.share, "Photos/dog.jpg", b"3", Replace::Never).unwrap();
}

#[test]
fn a_restart_forgets_what_was_written() {
    let home = home();
    let mut incoming = stream(&home.share, "x");
    incoming.write(b"wrong and long").unwrap();
    incoming.restart().unwrap();
    incoming.write(b"right").unwrap();
    incoming.commit(About::default()).unwrap();
    assert_eq!(fs::read(home.path("x")).unwrap(), b"right");
}

#[test]
fn links_pipes_and_directories_are_no_files() {
    let home = home();
    fs::write(home.directory.path().join("outside"), "secret").unwrap();
    fs::create_dir(home.path("directory")).unwrap();
    fs::write(home.path("inside"), "text").unwrap();
    symlink("../outside", home.path("out")).unwrap();
    symlink("inside", home.path("in")).unwrap();
    symlink("nowhere", home.path("dangling")).unwrap();
    symlink("..", home.path("up")).unwrap();
    let pipe = home.path("pipe");
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    for refused in [
        "out",
        "in",
        "dangling",
        "up/outside",
        "directory",
        "pipe",
        "none",
    ] {
        assert!(
            matches!(
                home.share.read(&name(refused)),
                Err(ShareError::NotFound(_))
            ),
            "{refused}"
        );
        assert!(
            matches!(
                home.share.describe(&name(refused)),
                Err(ShareError::NotFound(_))
            ),
            "{refused}"
        );
    }
    assert_eq!(home.names(), ["inside"]);
    assert_eq!(home.skipped(), 5);
}

#[test]
fn storing_does_not_leave_the_share_through_a_link() {
    let home = home();
    fs::create_dir(home.directory.path().join("elsewhere")).unwrap();
    symlink("../elsewhere", home.path("out")).unwrap();
    assert!(store(&home.share, "out/x", b"1", Replace::Never).is_err());
    assert!(store(&home.share, "out/x", b"1", Replace::Existing).is_err());
    assert_eq!(
        fs::read_dir(home.directory.path().join("elsewhere"))
            .unwrap()
            .count(),
        0
    );
    assert_eq!(home.names(), Vec::<String>::new());
}

#[test]
fn files_are_visited_in_order_of_their_full_names() {
    let home = home();
    for file in ["a-b", "a/b", "a/c/d", "a.b", "b"] {
        store(&home.share, file, b"", Replace::Never).unwrap();
    }
    assert_eq!(home.names(), ["a-b", "a.b", "a/b", "a/c/d", "b"]);
}

#[test]
fn a_changed_file_is_noticed() {
    let home = home();
    fs::write(home.path("x"), "one").unwrap();
    let open = home.share.read(&name("x")).unwrap();
    assert!(open.is_unchanged().unwrap());
    fs::write(home.path("x"), "longer").unwrap();
    assert!(!open.is_unchanged().unwrap());
}

mod groups;
mod odd_names;
mod storing;
