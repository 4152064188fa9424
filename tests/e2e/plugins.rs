//! Scripted handlers: from a file in a directory to an answer at another node.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use e2e::{Home, NodeProcess, wait_until};
use serde_json::{Value, json};

use crate::world::{ctl, noded, repository};

/// Returns the script of the page on handlers.
fn documented() -> String {
    let page = fs::read_to_string(repository().join("docs/handlers.md")).expect("the page");
    let (_, rest) = page.split_once("```rust\n").expect("a script");
    rest.split_once("```").expect("its end").0.to_owned()
}

/// Returns a directory of scripts that only its owner can write.
fn directory(home: &Home) -> PathBuf {
    let directory = home.root().join("handlers");
    fs::create_dir_all(&directory).unwrap();
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).unwrap();
    directory
}

fn put(directory: &Path, name: &str, text: &str) {
    let new = directory.join(".new");
    fs::write(&new, text).unwrap();
    fs::set_permissions(&new, fs::Permissions::from_mode(0o644)).unwrap();
    fs::rename(&new, directory.join(name)).unwrap();
}

fn plugin(node: &NodeProcess, file: &str) -> Value {
    let list = node.control().must("plugin.list", json!({}));
    let list = list.as_array().expect("a list");
    let found = list.iter().find(|plugin| plugin["file"] == file);
    found.cloned().unwrap_or_default()
}

fn wait_for(node: &NodeProcess, what: &str, is: impl Fn(&Value) -> bool) {
    wait_until(what, Duration::from_secs(30), || {
        let plugin = plugin(node, "said.rhai");
        if is(&plugin) {
            Ok(())
        } else {
            Err(plugin.to_string())
        }
    });
}

/// Returns a node with scripts, two text files, and nothing loaded yet.
fn scripted() -> (NodeProcess, PathBuf) {
    let options = noded().file("a.txt", "say hello").file("b.txt", "say bye");
    let directory = directory(options.home());
    let plugins = directory.display().to_string();
    (options.args(["--plugins", &plugins]).start(), directory)
}

#[test]
fn a_script_that_appears_answers_other_nodes() {
    let (node, directory) = scripted();
    put(&directory, "said.rhai", &documented());
    wait_for(&node, "it is loaded", |plugin| plugin["state"] == "ready");
    let asker = noded().args(["--peer", &node.url]).start();
    let fetched = ctl(asker.home()).args(["fetch", "said:hello"]).run();
    drop(fetched.expect_code(0));
    assert_eq!(asker.home().entries(), ["a.txt"]);
    let searched = ctl(node.home())
        .args(["--json", "search", "said:bye"])
        .run()
        .expect_code(0);
    assert!(searched.stdout.contains("b.txt"), "{}", searched.stdout);
    assert!(!searched.stdout.contains("a.txt"), "{}", searched.stdout);
}

#[test]
fn a_new_version_is_loaded_and_a_bad_one_is_not() {
    let (node, directory) = scripted();
    put(&directory, "said.rhai", &documented());
    wait_for(&node, "it is loaded", |plugin| plugin["version"] == 1);
    put(
        &directory,
        "said.rhai",
        &documented().replace("version: 1", "version: 2"),
    );
    wait_for(&node, "it is swapped", |plugin| plugin["version"] == 2);
    put(&directory, "said.rhai", &format!("{} }}", documented()));
    wait_for(&node, "the fault is told", |plugin| {
        plugin["problem"].is_string()
    });
    assert_eq!(plugin(&node, "said.rhai")["version"], 2);
    let listed = ctl(node.home()).args(["plugin", "ls"]).run().expect_code(0);
    for part in ["name:", "said:", "ready", "said.rhai: "] {
        assert!(listed.stdout.contains(part), "{}", listed.stdout);
    }
    fs::remove_file(directory.join("said.rhai")).unwrap();
    wait_for(&node, "it is gone", Value::is_null);
    let gone = ctl(node.home()).args(["search", "said:bye"]).run();
    assert!(gone.stderr.contains("no handler"), "{}", gone.stderr);
}

#[test]
fn a_script_that_fails_is_switched_off_and_the_node_goes_on() {
    let (node, directory) = scripted();
    let looping = documented().replace("for file in files() {", "loop {} for file in files() {");
    put(&directory, "said.rhai", &looping);
    wait_for(&node, "it is loaded", |plugin| plugin["state"] == "ready");
    for _ in 0..3 {
        e2e::http::get(&node.url, "/search?q=said:x").unwrap();
    }
    let state = plugin(&node, "said.rhai");
    assert_eq!(state["state"], "ready", "a stranger switched it off");
    for _ in 0..4 {
        let failed = ctl(node.home()).args(["search", "said:x"]).run();
        assert!(failed.stderr.contains("said:"), "{}", failed.stderr);
    }
    assert_eq!(plugin(&node, "said.rhai")["state"], "disabled");
    let well = ctl(node.home()).args(["search", "a.txt"]).run();
    drop(well.expect_code(0));
    put(&directory, "said.rhai", &documented());
    wait_for(&node, "it is mended", |plugin| plugin["state"] == "ready");
}

#[test]
fn scripts_are_checked_and_tested_without_a_node() {
    let home = Home::new();
    let directory = directory(&home);
    put(&directory, "said.rhai", &documented());
    let bad = documented().replace("\"a.txt\"]", "\"b.txt\"]");
    put(&directory, "bad.rhai", &bad);
    let run = |args: &[&str]| ctl(&home).current_dir(&directory).args(args).run();
    let checked = run(&["plugin", "check", "said.rhai", "bad.rhai"]).expect_code(0);
    let page = fs::read_to_string(repository().join("docs/handlers.md")).unwrap();
    let first = checked.stdout.lines().next().unwrap();
    assert!(page.contains(first), "the page does not say {first}");
    let tested = run(&["plugin", "test", "said.rhai"]).expect_code(0);
    assert!(page.contains(tested.stdout.trim()), "{}", tested.stdout);
    let failed = run(&["plugin", "test", "said.rhai", "bad.rhai"]).expect_code(1);
    assert!(
        failed
            .stdout
            .contains("bad.rhai: the example `hello` finds")
    );
}
