//! Tests of the directory of scripts: files that appear, change, break and go.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use plugin_api::{Handler, PluginDirectory};
use plugin_host::Plugin;
use plugin_script::{SCRIPTS_MAX, Scripts};

use crate::world::source;

const EMPTY: &str = "fn answer(query) {}";

fn scripts(directory: &Path) -> Scripts {
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).unwrap();
    Scripts::new(directory.to_owned())
}

/// Looks at the directory beside a handler `name:`.
fn refresh(scripts: &Scripts) -> Result<Vec<(String, String)>, String> {
    scripts.refresh(&["name".to_owned()])
}

fn put(directory: &Path, file: &str, text: &str) {
    // Another size or inode shows the change, however coarse the clock.
    let temporary = directory.join(".new");
    fs::write(&temporary, text).unwrap();
    fs::set_permissions(&temporary, fs::Permissions::from_mode(0o644)).unwrap();
    fs::rename(&temporary, directory.join(file)).unwrap();
}

fn problem(scripts: &Scripts, file: &str) -> Option<String> {
    let states = scripts.list();
    let state = states.iter().find(|state| state.file == file);
    state.and_then(|state| state.problem.clone())
}

fn versions(scripts: &Scripts) -> Vec<(String, u32)> {
    let handlers = scripts.loaded();
    handlers
        .iter()
        .map(|handler| (handler.name().to_owned(), handler.header().version))
        .collect()
}

#[test]
fn a_script_is_loaded_swapped_and_removed() {
    let home = tempfile::tempdir().unwrap();
    let scripts = scripts(home.path());
    assert_eq!(refresh(&scripts).unwrap(), []);
    put(home.path(), "a.rhai", &source("a", 1, EMPTY));
    assert_eq!(refresh(&scripts).unwrap().len(), 1);
    assert_eq!(versions(&scripts), [("a".to_owned(), 1)]);
    assert_eq!(refresh(&scripts).unwrap(), [], "nothing changed");
    put(home.path(), "a.rhai", &source("a", 2, EMPTY));
    refresh(&scripts).unwrap();
    assert_eq!(versions(&scripts), [("a".to_owned(), 2)]);
    fs::remove_file(home.path().join("a.rhai")).unwrap();
    refresh(&scripts).unwrap();
    assert_eq!(versions(&scripts), []);
}

#[test]
fn a_bad_new_version_keeps_the_old_one() {
    let home = tempfile::tempdir().unwrap();
    let scripts = scripts(home.path());
    put(home.path(), "a.rhai", &source("a", 1, EMPTY));
    refresh(&scripts).unwrap();
    for bad in [
        source("a", 2, "fn answer(query) {"),
        source("a", 2, "fn other(query) {}"),
        source("a", 2, "fn answer() {}"),
        source("name", 2, EMPTY),
        "rubbish".to_owned(),
    ] {
        put(home.path(), "a.rhai", &bad);
        refresh(&scripts).unwrap();
        assert_eq!(versions(&scripts), [("a".to_owned(), 1)], "{bad}");
        assert!(problem(&scripts, "a.rhai").is_some(), "{bad}");
    }
}

#[test]
fn a_prefix_belongs_to_one() {
    let home = tempfile::tempdir().unwrap();
    let scripts = scripts(home.path());
    put(home.path(), "a.rhai", &source("same", 1, EMPTY));
    put(home.path(), "b.rhai", &source("same", 2, EMPTY));
    put(home.path(), "c.rhai", &source("name", 1, EMPTY));
    refresh(&scripts).unwrap();
    assert_eq!(versions(&scripts), [("same".to_owned(), 1)]);
    for file in ["b.rhai", "c.rhai"] {
        assert!(problem(&scripts, file).is_some_and(|why| why.contains("taken")));
    }
}

#[test]
fn what_others_could_have_written_is_not_run() {
    let home = tempfile::tempdir().unwrap();
    let scripts = scripts(home.path());
    put(home.path(), "a.rhai", &source("a", 1, EMPTY));
    let mode = |mode| fs::Permissions::from_mode(mode);
    fs::set_permissions(home.path().join("a.rhai"), mode(0o664)).unwrap();
    refresh(&scripts).unwrap();
    assert_eq!(versions(&scripts), []);
    fs::set_permissions(home.path().join("a.rhai"), mode(0o644)).unwrap();
    fs::set_permissions(home.path(), mode(0o777)).unwrap();
    assert!(refresh(&scripts).is_err());
    fs::set_permissions(home.path(), mode(0o755)).unwrap();
    refresh(&scripts).unwrap();
    assert_eq!(versions(&scripts).len(), 1);
    // Only root can give a file away.
    let path = home.path().join("a.rhai");
    if std::os::unix::fs::chown(&path, Some(12_345), None).is_ok() {
        refresh(&scripts).unwrap();
        let foreign = problem(&scripts, "a.rhai").unwrap();
        assert!(foreign.contains("belongs neither"), "{foreign}");
        std::os::unix::fs::chown(home.path(), Some(12_345), None).unwrap();
        assert!(refresh(&scripts).unwrap_err().contains("belongs neither"));
    }
}

#[test]
fn links_other_files_and_too_many_are_left_alone() {
    let (home, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let scripts = scripts(home.path());
    put(outside.path(), "x.rhai", &source("x", 1, EMPTY));
    std::os::unix::fs::symlink(outside.path().join("x.rhai"), home.path().join("x.rhai")).unwrap();
    put(home.path(), "a.txt", &source("a", 1, EMPTY));
    put(home.path(), ".hidden.rhai", &source("b", 1, EMPTY));
    refresh(&scripts).unwrap();
    assert!(scripts.list().is_empty());
    for n in 0..=SCRIPTS_MAX {
        put(
            home.path(),
            &format!("{n}.rhai"),
            &source(&format!("p{n}"), 1, EMPTY),
        );
    }
    assert!(refresh(&scripts).is_err());
}
