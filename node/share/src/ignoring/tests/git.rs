//! Ignore lines, compared with git.

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use super::*;

/// Lines whose meaning is compared, one at a time.
const LINES: &[&str] = &[
    "a",
    "a/",
    "/a",
    "/a/",
    "a/b",
    "a/*",
    "a/**",
    "**/b",
    "**/a/b",
    "a/**/b",
    "**",
    "*",
    "*.c",
    "*.*",
    "a*",
    "*a*b*",
    "a**b",
    "**b",
    "?",
    "??",
    "a?c",
    "/?",
    "/*",
    "/*/b",
    "*/b",
    "a//b",
    "//a",
    "/",
    "!",
    "!a",
    "#a",
    "\\#a",
    "\\!a",
    "\\a",
    "a\\",
    "a\\*",
    "*\\*",
    "\\*",
    "\\[a]",
    "\\?",
    "\\ ",
    "a ",
    "a  ",
    "a\\ ",
    "a\\  ",
    " a",
    "a\t",
    "a b",
    "a\r",
    "{a",
    "a}",
    "{a,b}",
    "*.{md,log}",
    "{}",
    "x{1}.csv",
    "\\{a,b\\}",
    "[abc]",
    "[a-c]",
    "[!a]",
    "[^a]",
    "[!a-b]*",
    "[]]",
    "[]a]",
    "[!]]",
    "[a-]",
    "[-a]",
    "[!-a]",
    "[--0]",
    "[+--]",
    "[A-]]",
    "[\\]]",
    "[\\-a]",
    "[a\\-c]",
    "[\\\\]",
    "[z-a]",
    "[!z-a]",
    "[a-c-e]",
    "[[]",
    "[[:alpha:]]",
    "[[:digit:]]*",
    "[[:upper:][:digit:]]",
    "[![:alpha:]]",
    "[[:odd:]]",
    "[[:alpha]",
    "[:alpha:]",
    "[a",
    "a[",
    "a[]",
    "[!]",
    "[^^]",
    "[!^]",
    "[^!]",
    "[{}]",
    "[,-.]",
    "a[/]b",
    "a[!x]b",
    "a[.-0]b",
    "*.[ch]",
    "*[0-9].c",
    "-a",
    "--",
    "~",
    "$x",
    "(a|b)",
    "a+",
    "a.",
    ".a",
    ".*",
    "..a",
    "a,b",
    "\"a\"",
    "'a'",
    "%20",
    "a/b/c",
    "a/b/",
    "/a/b/c",
    "b/c",
    "a/?",
    "a/[bc]",
    "**/",
    "/**",
    "/**/",
    "a/**/",
    "***",
    "a/***",
    "**/**",
    "*/*",
    "*/*/*",
];

/// Names that are asked for.
const NAMES: &[&str] = &[
    "a",
    "b",
    "c",
    "d",
    "ab",
    "abc",
    "aXc",
    "a/b",
    "a/c",
    "a/b/c",
    "a/x/b",
    "a/x/y/b",
    "b/c",
    "x/a",
    "x/a/b",
    "x/b",
    "x/y/b",
    "a.c",
    "b.h",
    "x1.c",
    "x.md",
    "x.log",
    "x.{md,log}",
    "{a",
    "{a,b}",
    "{}",
    "a}",
    "md",
    "x{1}.csv",
    "x1.csv",
    "a*",
    "*",
    "?",
    "[a]",
    "[",
    "]",
    "[abc]",
    "a[",
    "a[]",
    "[a",
    "-",
    "+",
    ",",
    ".-",
    "0",
    "1",
    "9",
    "^",
    "!",
    "!a",
    "#a",
    " ",
    "a ",
    "a  ",
    " a",
    "a\t",
    "a b",
    "a\\",
    "\\",
    "A",
    "Z",
    "z",
    "e",
    "l",
    ":",
    "p",
    "p]",
    "A]",
    "B]",
    "a]",
    "a/]",
    "(a|b)",
    "a+",
    "aa",
    "a.",
    ".a",
    "..a",
    "a,b",
    "\"a\"",
    "'a'",
    "%20",
    "~",
    "$x",
    "--",
    "-a",
    "a-b",
    "axb",
    "a.b",
    "a0b",
    "a1b",
    "a^b",
];

fn git(path: &Path, arguments: &[&str]) -> Command {
    let mut git = Command::new("git");
    git.arg("-C").arg(path).args(arguments);
    git.env("GIT_CONFIG_NOSYSTEM", "1").env("HOME", path);
    git.env_remove("GIT_DIR").env_remove("GIT_WORK_TREE");
    git
}

/// Returns for each name whether git ignores it because of the line.
fn ignored_by_git(path: &Path, line: &str) -> Vec<bool> {
    fs::write(path.join(".gitignore"), format!("{line}\n")).unwrap();
    let check = ["check-ignore", "--no-index", "--stdin", "-z", "-v", "-n"];
    let mut check = git(path, &check)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let names: String = NAMES.iter().map(|name| format!("./{name}\0")).collect();
    let mut input = check.stdin.take().unwrap();
    input.write_all(names.as_bytes()).unwrap();
    drop(input);
    let output = check.wait_with_output().unwrap().stdout;
    let output = String::from_utf8(output).unwrap();
    // For each name: the file, the number of the line, the pattern, the name.
    let fields: Vec<&str> = output.split_terminator('\0').collect();
    let ignored = fields.chunks(4).map(|entry| {
        let pattern = entry[2];
        !pattern.is_empty() && !pattern.starts_with('!')
    });
    ignored.collect()
}

#[test]
fn each_line_hides_what_it_hides_for_git() {
    let home = tempfile::tempdir().unwrap();
    let init = git(home.path(), &["init", "-q"]).status();
    if !init.is_ok_and(|status| status.success()) {
        println!("skipped: there is no git");
        return;
    }
    assert!(LINES.len() >= 100);
    let mut differences = Vec::new();
    for line in LINES {
        let expected = ignored_by_git(home.path(), line);
        assert_eq!(expected.len(), NAMES.len(), "{line:?}");
        let (lines, _) = lines::parse(&format!("{line}\n"));
        for (name, expected) in NAMES.iter().zip(expected) {
            let chain = Chain(vec![(String::new(), Arc::new(Rules::Lines(lines.clone())))]);
            let is_ignored = |end: usize, is_directory| {
                let Rules::Lines(lines) = &*chain.0[0].1 else {
                    return false;
                };
                lines.matched(&name[..end], is_directory).is_ignore()
            };
            let above = name.match_indices('/').any(|(at, _)| is_ignored(at, true));
            let ours = above || is_ignored(name.len(), false);
            if ours != expected {
                differences.push(format!("{line:?} {name:?}: git {expected}"));
            }
        }
    }
    assert!(differences.is_empty(), "{differences:#?}");
}
