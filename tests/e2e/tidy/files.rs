//! The form of source files.

use std::path::{Path, PathBuf};

use super::tree::{PACKAGES, SOURCES, read};

/// Lines before the tests above which a file is mentioned; above twice as many it is refused.
const LONG: usize = 500;

/// Fuzz targets: each is a program of its own.
const FUZZED: [&str; 2] = ["node/fuzz", "node/wire/fuzz"];

const FORBIDDEN_NAMES: &[&str] = &[
    "util", "utils", "common", "helper", "helpers", "misc", "mod",
];

#[test]
fn every_file_opens_with_its_design() {
    for source in SOURCES.iter() {
        assert!(
            source.text.starts_with("//! "),
            "{} does not open with `//!`",
            source.path.display()
        );
    }
}

#[test]
fn no_file_is_very_long_before_its_tests() {
    for source in SOURCES.iter() {
        let lines = source.lines_before_tests();
        let path = source.path.display();
        if lines > LONG {
            eprintln!("{path} has {lines} lines before its tests: are they one thing?");
        }
        assert!(
            lines <= 2 * LONG,
            "{path} has {lines} lines before its tests"
        );
    }
}

#[test]
fn files_are_named_after_what_they_do() {
    for source in SOURCES.iter() {
        let stem = stem(&source.path);
        assert!(
            !FORBIDDEN_NAMES.contains(&stem.as_str()),
            "{} says nothing by its name",
            source.path.display()
        );
    }
}

#[test]
fn nothing_is_left_to_do_in_comments() {
    let marks = [
        ["TO", "DO"].concat(),
        ["FIX", "ME"].concat(),
        ["XX", "X"].concat(),
    ];
    for source in SOURCES.iter() {
        for (number, line) in source.text.lines().enumerate() {
            let found = marks.iter().any(|mark| line.contains(mark.as_str()));
            assert!(!found, "{}:{} {line}", source.path.display(), number + 1);
        }
    }
}

#[test]
fn no_source_is_forgotten() {
    let roots: Vec<&PathBuf> = PACKAGES.iter().flat_map(|p| &p.roots).collect();
    for source in SOURCES
        .iter()
        .filter(|s| in_a_package(&s.path) && !roots.contains(&&s.path))
    {
        let declared = parents(&source.path)
            .iter()
            .any(|parent| declares(parent, &source.path));
        assert!(
            declared,
            "{} is the module of nothing",
            source.path.display()
        );
    }
}

fn in_a_package(path: &Path) -> bool {
    !FUZZED.iter().any(|fuzzed| path.starts_with(fuzzed))
        && PACKAGES.iter().any(|p| path.starts_with(&p.dir))
}

/// Returns the files that may hold the `mod` of this one: `dir.rs`, or a root in the same directory.
fn parents(path: &Path) -> Vec<PathBuf> {
    let dir = path.parent().expect("a source lies in a directory");
    let mut parents = vec![dir.with_extension("rs")];
    let beside = |p: &&PathBuf| p.parent() == Some(dir);
    parents.extend(
        PACKAGES
            .iter()
            .flat_map(|p| &p.roots)
            .filter(beside)
            .cloned(),
    );
    parents.retain(|p| SOURCES.iter().any(|s| s.path == *p));
    parents
}

fn declares(parent: &Path, child: &Path) -> bool {
    let declaration = format!("mod {};", stem(child));
    read(parent)
        .lines()
        .any(|line| line.trim().ends_with(&declaration))
}

fn stem(path: &Path) -> String {
    path.file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}
