//! Tests of ignore rules on a real directory.
#![allow(
    clippy::disallowed_methods,
    reason = "tests fill the directory from outside"
)]

use std::fs;

use cap_std::ambient_authority;
use proptest::prelude::*;

use super::*;

struct Home {
    directory: tempfile::TempDir,
    share: Dir,
    ignoring: Ignoring,
}

impl Home {
    /// Creates a share with these ignore files, by directory.
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
    for name in ["a.txt", "git", "tmp", "part/a", "a~b"] {
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
fn a_file_below_hides_more_and_shows_nothing() {
    let home = Home::new(&[
        ("", "*.txt\n!.config\n"),
        ("a", "!*.txt\n*.log\n!keep.log\n!.*\n!*.tmp\n"),
        ("a/b", "!*.log\nc.md\n"),
    ]);
    for (name, shared) in [
        ("x.txt", false),
        ("x.log", true),
        ("a/x.txt", false),
        ("a/x.log", false),
        ("a/keep.log", true),
        ("a/.hidden", false),
        ("a/x.tmp", false),
        ("a/b/x.log", false),
        ("a/b/c.md", false),
        ("a/b/.config", true),
        ("d/c.md", true),
    ] {
        assert_eq!(home.shares(name), shared, "{name}");
    }
}

#[test]
fn dot_files_are_hidden_unless_a_line_shows_them() {
    for (text, shown) in [
        ("", &[][..]),
        ("!.env\n", &[".env", "a/.env"]),
        ("!/.env\n", &[".env"]),
        ("!.ssh\n", &[".ssh/id_rsa"]),
        ("!.*\n", &[".env", "a/.env", ".ssh/id_rsa", ".a/.b"]),
        ("!.*\n.env\n", &[".ssh/id_rsa", ".a/.b"]),
    ] {
        let home = Home::new(&[("", text)]);
        for name in [".env", "a/.env", ".ssh/id_rsa", ".a/.b", ".sixhopignore"] {
            assert_eq!(home.shares(name), shown.contains(&name), "{text:?} {name}");
        }
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
fn a_line_without_sense_is_said_and_the_others_hold() {
    let home = Home::new(&[("", "a[\nb\n{x\nc\\\n"), ("d", "[[:odd:]]\n")]);
    for (name, shared) in [("b", false), ("{x", false), ("x", true), ("d/c", true)] {
        assert_eq!(home.shares(name), shared, "{name}");
    }
    let troubles = home.ignoring.troubles();
    assert_eq!(troubles.len(), 3, "{troubles:?}");
    for (trouble, part) in troubles.iter().zip([
        ".sixhopignore:1: ",
        ".sixhopignore:4: ",
        "d/.sixhopignore:1: ",
    ]) {
        assert!(trouble.starts_with(part), "{trouble}");
    }
    fs::write(home.directory.path().join(IGNORE_FILE), "b\n").unwrap();
    assert!(!home.shares("b"));
    assert_eq!(home.ignoring.troubles().len(), 1);
}

#[test]
fn a_file_that_is_no_text_hides_its_directory() {
    let home = Home::new(&[("sub", "a\n")]);
    let utf16: Vec<u8> = "*.log\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    for bytes in [&b"a\0b"[..], b"caf\xe9\n", &utf16] {
        fs::write(home.directory.path().join(IGNORE_FILE), bytes).unwrap();
        assert!(!home.shares("x"));
        assert!(!home.shares("sub/x"));
        let troubles = home.ignoring.troubles();
        assert!(troubles[0].contains("is not shared"), "{troubles:?}");
    }
}

#[test]
fn lines_and_names_are_compared_in_one_form() {
    let home = Home::new(&[("", "cafe\u{301}\n*.re\u{301}\n")]);
    assert!(!home.shares("caf\u{e9}"));
    assert!(!home.shares("x.r\u{e9}"));
}

/// Pieces of which hostile ignore files are made.
const PIECES: &str =
    r"[a-z*?/!#\\ ]|\[|\]|\[!|\[\^|\[\[:alpha:\]|\[:x:\]|\*\*|\{|\}|,|-|\r|\n|\t|\PC";

proptest! {
    /// `PROPTEST_CASES` has it run longer.
    #[test]
    fn any_ignore_file_is_read_and_its_bad_lines_are_told(
        pieces in prop::collection::vec(PIECES, 0..60), name in "[a-z./*\\[\\]-]{1,20}",
    ) {
        let text = pieces.concat();
        let (rules, bad) = lines::parse(&text);
        let lines = text.split('\n').count();
        for line in &bad {
            prop_assert!((1..=lines).contains(&line.number), "{:?} of {:?}", line, text);
        }
        for is_directory in [false, true] {
            let _ = rules.matched(&name, is_directory);
        }
        // A line by itself means what it means among others that say nothing.
        let commented = format!("# first\n\n{text}");
        prop_assert_eq!(lines::parse(&commented).1.len(), bad.len());
    }
}

mod git;
