//! What is ignored, on a real directory.
#![allow(
    clippy::disallowed_methods,
    reason = "tests fill the directory from outside"
)]

use std::fs;

use cap_std::ambient_authority;

use super::*;

struct Home {
    directory: tempfile::TempDir,
    share: Dir,
    ignoring: Ignoring,
}

impl Home {
    /// A share with these ignore files, by directory.
    fn new(files: &[(&str, &str)]) -> Home {
        let directory = tempfile::tempdir().unwrap();
        for (below, text) in files {
            let path = directory.path().join(below);
            fs::create_dir_all(&path).unwrap();
            fs::write(path.join(IGNORE_FILE), text).unwrap();
        }
        let share = Dir::open_ambient_dir(directory.path(), ambient_authority()).unwrap();
        Home {
            directory,
            share,
            ignoring: Ignoring::default(),
        }
    }

    fn shares(&self, name: &str) -> bool {
        self.ignoring.shares(&self.share, name)
    }
}

#[test]
fn what_programs_leave_behind_is_ignored_without_any_file() {
    let home = Home::new(&[]);
    for name in [
        "notes.txt~",
        ".~lock.a.odt#",
        "film.mkv.part",
        "a.crdownload",
        "b.tmp",
        ".a.swp",
        ".DS_Store",
        "photos/Thumbs.db",
        "photos/desktop.ini",
        ".Trash-1000/files/a.txt",
        "lost+found/1",
        "project/.git/config",
        ".hg/store",
        ".svn/entries",
        ".jj/repo",
        ".sixhopignore",
        "a/.sixhopignore",
    ] {
        assert!(!home.shares(name), "{name}");
    }
    for name in [
        "a.txt",
        "git",
        ".github/a",
        "tmp",
        "part/a",
        ".profile",
        "a~b",
    ] {
        assert!(home.shares(name), "{name}");
    }
}

#[test]
fn lines_are_what_they_are_for_git() {
    let home = Home::new(&[(
        "",
        "# a comment\n*.log\n!keep.log\n/build\ndocs/*.pdf\nold/\n**/deep/x\nspace\\ \n",
    )]);
    for (name, shared) in [
        ("a.log", false),
        ("x/y/a.log", false),
        ("keep.log", true),
        ("x/keep.log", true),
        ("build", false),
        ("build/a", false),
        ("x/build", true),
        ("docs/a.pdf", false),
        ("docs/x/a.pdf", true),
        ("old/a", false),
        ("x/old/a", false),
        ("old", true), // a file; the line is about directories
        ("a/deep/x", false),
        ("# a comment", true),
    ] {
        assert_eq!(home.shares(name), shared, "{name}");
    }
}

#[test]
fn the_nearest_file_that_says_something_decides() {
    let home = Home::new(&[("", "*.txt\n"), ("a", "!*.txt\n"), ("a/b", "c.txt\n")]);
    for (name, shared) in [
        ("x.txt", false),
        ("a/x.txt", true),
        ("a/b/x.txt", true),
        ("a/b/c.txt", false),
        ("d/x.txt", false),
    ] {
        assert_eq!(home.shares(name), shared, "{name}");
    }
}

#[test]
fn nothing_comes_back_from_an_ignored_directory() {
    let home = Home::new(&[("", "secret/\n!secret/open.txt\n"), ("secret", "!*\n")]);
    assert!(!home.shares("secret/open.txt"));
}

#[test]
fn nothing_is_reached_through_a_link() {
    let home = Home::new(&[("", "secret/\n")]);
    fs::create_dir(home.directory.path().join("secret")).unwrap();
    std::os::unix::fs::symlink("secret", home.directory.path().join("open")).unwrap();
    assert!(!home.shares("open/a"));
}

#[test]
fn defaults_are_taken_back_with_an_exclamation_mark() {
    let home = Home::new(&[("", "!*.tmp\n!.git\n")]);
    assert!(home.shares("a.tmp"));
    assert!(home.shares(".git/config"));
    assert!(!home.shares("a.part"));
    assert!(!home.shares(".sixhopignore"));
}

#[test]
fn a_change_holds_at_once() {
    let home = Home::new(&[]);
    let path = home.directory.path().join(IGNORE_FILE);
    for n in 0..50 {
        assert!(home.shares("a.txt"), "{n}");
        // As long as the line with the other name, in the same moment.
        fs::write(&path, "a.txt").unwrap();
        assert!(!home.shares("a.txt"), "{n}");
        fs::write(&path, "b.txt").unwrap();
        assert!(home.shares("a.txt"), "{n}");
        fs::remove_file(&path).unwrap();
    }
}

#[test]
fn a_file_that_cannot_be_read_hides_its_directory() {
    let home = Home::new(&[]);
    fs::create_dir_all(home.directory.path().join("a").join(IGNORE_FILE)).unwrap();
    fs::create_dir(home.directory.path().join("b")).unwrap();
    let long = "#".repeat(usize::try_from(FILE_MAX).unwrap() + 1);
    fs::write(home.directory.path().join("b").join(IGNORE_FILE), long).unwrap();
    assert!(!home.shares("a/x"));
    assert!(!home.shares("b/x"));
    assert!(home.shares("c/x"));
}

#[test]
fn a_line_without_sense_is_left_out_and_the_others_hold() {
    let home = Home::new(&[("", "a[\n\u{fffd}\nb\n{x\n")]);
    assert!(!home.shares("b"));
    assert!(home.shares("c"));
}
