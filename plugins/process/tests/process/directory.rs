//! Tests of the directory of programs: files that appear, change, break and go.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use plugin_api::{Handler, PluginDirectory};
use plugin_host::Plugin;
use plugin_process::{PROGRAMS_MAX, Programs};

use crate::world::{Found, is_there, put, share, source};

const EMPTY: &str = "echo \"$done\"";

fn programs(directory: &Path) -> Programs {
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).unwrap();
    Programs::new(directory.to_owned())
}

fn problem(programs: &Programs, file: &str) -> Option<String> {
    let states = programs.list();
    let state = states.iter().find(|state| state.file == file);
    state.and_then(|state| state.problem.clone())
}

fn versions(programs: &Programs) -> Vec<(String, u32)> {
    let handlers = programs.loaded();
    let versions = handlers
        .iter()
        .map(|h| (h.name().to_owned(), h.header().version));
    versions.collect()
}

#[test]
fn a_program_is_started_swapped_and_removed() {
    let home = tempfile::tempdir().unwrap();
    let programs = programs(home.path());
    assert_eq!(programs.refresh(&[]).unwrap(), []);
    put(home.path(), "a", &source("a", 1, EMPTY));
    assert_eq!(programs.refresh(&[]).unwrap().len(), 1);
    let old = programs.loaded().remove(0);
    let old_pid = old.pid().unwrap().to_string();
    assert_eq!(programs.refresh(&[]).unwrap(), [], "nothing changed");
    assert_eq!(programs.loaded()[0].pid(), old.pid());
    put(home.path(), "a", &source("a", 2, EMPTY));
    programs.refresh(&[]).unwrap();
    assert_eq!(versions(&programs), [("a".to_owned(), 2)]);
    assert!(!is_there(&old_pid), "the old one runs on");
    let new_pid = programs.loaded()[0].pid().unwrap().to_string();
    fs::remove_file(home.path().join("a")).unwrap();
    assert_eq!(
        programs.refresh(&[]).unwrap(),
        [("a".to_owned(), "removed".to_owned())]
    );
    assert_eq!(versions(&programs), []);
    assert!(!is_there(&new_pid), "the removed one runs on");
}

#[test]
fn a_bad_new_version_keeps_the_old_one_which_answers() {
    let home = tempfile::tempdir().unwrap();
    let programs = programs(home.path());
    put(home.path(), "a", &source("a", 1, EMPTY));
    programs.refresh(&[]).unwrap();
    for bad in [
        "#!/bin/sh\nexit 1".to_owned(),
        source("a b", 2, EMPTY),
        source("taken", 2, EMPTY),
    ] {
        put(home.path(), "a", &bad);
        programs.refresh(&["taken".to_owned()]).unwrap();
        assert_eq!(versions(&programs), [("a".to_owned(), 1)], "{bad}");
        assert!(problem(&programs, "a").is_some(), "{bad}");
        let answered = programs.loaded()[0].answer("q", &share(&[]), &mut Found::new());
        answered.unwrap();
    }
    put(home.path(), "a", &source("a", 3, EMPTY));
    programs.refresh(&[]).unwrap();
    assert_eq!(versions(&programs), [("a".to_owned(), 3)]);
    assert_eq!(problem(&programs, "a"), None);
}

#[test]
fn a_prefix_belongs_to_one_and_others_go_first() {
    let home = tempfile::tempdir().unwrap();
    let programs = programs(home.path());
    put(home.path(), "a", &source("same", 1, EMPTY));
    put(home.path(), "b", &source("same", 2, EMPTY));
    put(home.path(), "c", &source("name", 1, EMPTY));
    programs.refresh(&["name".to_owned()]).unwrap();
    assert_eq!(versions(&programs), [("same".to_owned(), 1)]);
    for file in ["b", "c"] {
        assert!(problem(&programs, file).is_some_and(|why| why.contains("taken")));
    }
    // A script that comes later and goes again.
    programs.refresh(&["same".to_owned()]).unwrap();
    assert_eq!(versions(&programs), []);
    assert!(problem(&programs, "a").is_some_and(|why| why.contains("taken")));
    programs.refresh(&[]).unwrap();
    assert_eq!(versions(&programs), [("same".to_owned(), 1)]);
}

#[test]
fn what_others_could_have_written_is_not_run() {
    let home = tempfile::tempdir().unwrap();
    let programs = programs(home.path());
    let text = source("a", 1, EMPTY).replacen('\n', "\n> ran\n", 1);
    put(home.path(), "a", &text);
    let mode = |mode| fs::Permissions::from_mode(mode);
    for writable in [0o775, 0o757] {
        fs::set_permissions(home.path().join("a"), mode(writable)).unwrap();
        programs.refresh(&[]).unwrap();
        assert_eq!(versions(&programs), []);
        assert!(problem(&programs, "a").is_some_and(|why| why.contains("chmod go-w")));
    }
    fs::set_permissions(home.path().join("a"), mode(0o755)).unwrap();
    fs::set_permissions(home.path(), mode(0o777)).unwrap();
    assert!(programs.refresh(&[]).is_err());
    assert!(!home.path().join("ran").exists());
    fs::set_permissions(home.path(), mode(0o755)).unwrap();
    programs.refresh(&[]).unwrap();
    assert_eq!(versions(&programs).len(), 1);
    assert!(home.path().join("ran").exists());
}

#[test]
fn a_program_of_somebody_else_is_not_run() {
    let home = tempfile::tempdir().unwrap();
    let programs = programs(home.path());
    let path = put(home.path(), "a", &source("a", 1, EMPTY));
    if std::os::unix::fs::chown(&path, Some(4_711), None).is_err() {
        // Only root can give files away.
        return;
    }
    programs.refresh(&[]).unwrap();
    assert_eq!(versions(&programs), []);
    assert!(problem(&programs, "a").is_some_and(|why| why.contains("belongs neither")));
}

#[test]
fn links_other_files_and_too_many_are_left_alone() {
    let (home, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let programs = programs(home.path());
    let good = source("x", 1, EMPTY);
    let real = put(outside.path(), "x", &good);
    symlink(real, home.path().join("link")).unwrap();
    put(home.path(), "script.rhai", &good);
    put(home.path(), "copy~", &good);
    put(home.path(), ".hidden", &good);
    fs::create_dir(home.path().join("directory")).unwrap();
    fs::write(home.path().join("README"), &good).unwrap();
    fs::set_permissions(
        home.path().join("README"),
        fs::Permissions::from_mode(0o644),
    )
    .unwrap();
    programs.refresh(&[]).unwrap();
    assert!(programs.list().is_empty());
    for n in 0..=PROGRAMS_MAX {
        put(home.path(), &format!("{n}"), &good);
    }
    assert!(programs.refresh(&[]).is_err());
    assert!(programs.list().is_empty());
}
