//! Handlers in any language: from a file in a directory to an answer at another node.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use e2e::{Home, NodeProcess, eventually, http, wait_until};
use serde_json::{Value, json};

use crate::world::{ctl, noded, repository};

const FILE: &str = "key.py";

/// Returns the program of the page on handlers.
fn documented() -> String {
    let page = fs::read_to_string(repository().join("docs/handlers.md")).expect("the page");
    let (_, rest) = page.split_once("```python\n").expect("a program");
    rest.split_once("```").expect("its end").0.to_owned()
}

/// Returns a directory that only its owner can write.
fn directory(home: &Home) -> PathBuf {
    let directory = home.root().join("handlers");
    let made = Command::new("install")
        .args(["-d", "-m", "755"])
        .arg(&directory)
        .status();
    assert!(made.unwrap().success());
    directory
}

/// Puts an executable file in place, whole. Another process writes it: a file that this one has open to write could not be run.
fn put(directory: &Path, name: &str, text: &str) {
    let (written, new) = (directory.join(".written"), directory.join(".new"));
    fs::write(&written, text).unwrap();
    let installed = Command::new("install")
        .args(["-m", "755"])
        .args([&written, &new])
        .status();
    assert!(installed.unwrap().success());
    fs::rename(&new, directory.join(name)).unwrap();
}

fn plugin(node: &NodeProcess) -> Value {
    let list = node.control().must("plugin.list", json!({}));
    let list = list.as_array().expect("a list");
    let found = list.iter().find(|plugin| plugin["file"] == FILE);
    found.cloned().unwrap_or_default()
}

fn wait_for(node: &NodeProcess, what: &str, is: impl Fn(&Value) -> bool) {
    wait_until(what, Duration::from_secs(30), || {
        let plugin = plugin(node);
        if is(&plugin) {
            Ok(())
        } else {
            Err(plugin.to_string())
        }
    });
}

/// Returns a node with an empty plugin directory and two JSON files.
fn node() -> (NodeProcess, PathBuf) {
    let options = noded()
        .file("a.json", r#"{"name": "Ann"}"#)
        .file("b.json", r#"{"age": 7}"#);
    let directory = directory(options.home());
    let plugins = directory.display().to_string();
    (options.args(["--plugins", &plugins]).start(), directory)
}

/// Returns the processes whose parent is `parent`.
fn children(parent: u32) -> Vec<String> {
    let path = format!("/proc/{parent}/task");
    let threads = fs::read_dir(path).into_iter().flatten().flatten();
    let children = threads.map(|thread| {
        let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        children
            .split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    });
    children.flatten().collect()
}

#[test]
fn a_new_program_answers_other_nodes_and_ends_with_its_node() {
    let (node, directory) = node();
    put(&directory, FILE, &documented());
    wait_for(&node, "it is loaded", |plugin| plugin["state"] == "ready");
    let asker = noded().args(["--peer", &node.url]).start();
    let found = ctl(asker.home())
        .args(["--json", "search", "key:name"])
        .run()
        .expect_code(0);
    assert!(found.stdout.contains("a.json"), "{}", found.stdout);
    assert!(!found.stdout.contains("b.json"), "{}", found.stdout);
    let fetched = ctl(asker.home()).args(["fetch", "key:name"]).run();
    drop(fetched.expect_code(0));
    assert_eq!(asker.home().entries(), ["a.json"]);
    let events = node
        .control()
        .must("events.since", json!({"id": 0, "limit": 100}));
    assert!(events.to_string().contains("answers `key:`"), "{events}");
    let children = children(node.pid());
    assert_eq!(children.len(), 1, "one program runs");
    node.stop();
    assert!(
        !Path::new("/proc").join(&children[0]).exists(),
        "it runs on"
    );
}

#[test]
fn a_new_version_is_started_and_a_bad_one_is_not() {
    let (node, directory) = node();
    put(&directory, FILE, &documented());
    wait_for(&node, "it is loaded", |plugin| plugin["version"] == 1);
    put(
        &directory,
        FILE,
        &documented().replace("version=1", "version=2"),
    );
    wait_for(&node, "it is swapped", |plugin| plugin["version"] == 2);
    put(
        &directory,
        FILE,
        &documented().replace("import json", "import jsonn"),
    );
    wait_for(&node, "the fault is told", |plugin| {
        plugin["problem"]
            .as_str()
            .is_some_and(|why| why.contains("jsonn"))
    });
    assert_eq!(plugin(&node)["version"], 2);
    let searched = ctl(node.home())
        .args(["search", "key:age"])
        .run()
        .expect_code(0);
    assert!(searched.stdout.contains("b.json"), "{}", searched.stdout);
    let listed = ctl(node.home()).args(["plugin", "ls"]).run().expect_code(0);
    for part in ["name:", "key:", "ready", "key.py (version 2)", "key.py: "] {
        assert!(listed.stdout.contains(part), "{}", listed.stdout);
    }
    fs::remove_file(directory.join(FILE)).unwrap();
    wait_for(&node, "it is gone", Value::is_null);
    eventually("it has ended", || children(node.pid()).is_empty());
}

#[test]
fn a_program_that_breaks_is_switched_off_and_the_node_goes_on() {
    let (mut node, directory) = node();
    let broken = documented().replace(
        "    after, more",
        "    sys.exit(\"no more\")\n    after, more",
    );
    put(&directory, FILE, &broken);
    wait_for(&node, "it is loaded", |plugin| plugin["state"] == "ready");
    // Strangers read that it failed, and no word of it.
    let refused = http::get(&node.url, "/search?q=key:x").unwrap();
    assert_eq!(refused.status, 400);
    let text = String::from_utf8(refused.body).unwrap();
    assert_eq!(text, "the handler `key:` failed\n");
    wait_until("it is switched off", Duration::from_secs(30), || {
        let failed = ctl(node.home()).args(["search", "key:x"]).run();
        let failed = failed.expect_code(1);
        assert!(failed.stderr.contains("key:"), "{}", failed.stderr);
        let well = ctl(node.home()).args(["search", "a.json"]).run();
        drop(well.expect_code(0));
        let plugin = plugin(&node);
        (plugin["state"] == "disabled")
            .then_some(())
            .ok_or_else(|| plugin.to_string())
    });
    let why = plugin(&node)["problem"].to_string();
    assert!(why.contains("last words: no more"), "{why}");
    node.assert_healthy();
    put(&directory, FILE, &documented());
    wait_for(&node, "it is mended", |plugin| plugin["state"] == "ready");
}

#[test]
fn programs_are_checked_and_tested_without_a_node() {
    let home = Home::new();
    let directory = directory(&home);
    put(&directory, FILE, &documented());
    put(
        &directory,
        "bad.py",
        &documented().replace("finds\": [\"a.json", "finds\": [\"b.json"),
    );
    let run = |args: &[&str]| ctl(&home).current_dir(&directory).args(args).run();
    let page = fs::read_to_string(repository().join("docs/handlers.md")).unwrap();
    let checked = run(&["plugin", "check", FILE]).expect_code(0);
    assert!(page.contains(checked.stdout.trim()), "{}", checked.stdout);
    let tested = run(&["plugin", "test", FILE]).expect_code(0);
    assert!(page.contains(tested.stdout.trim()), "{}", tested.stdout);
    let failed = run(&["plugin", "test", FILE, "bad.py"]).expect_code(1);
    let says = "bad.py: the example `name` finds";
    assert!(failed.stdout.contains(says), "{}", failed.stdout);
}

#[test]
fn a_program_ends_by_itself_when_its_node_is_killed() {
    let (node, directory) = node();
    put(&directory, FILE, &documented());
    wait_for(&node, "it is loaded", |plugin| plugin["state"] == "ready");
    let children = children(node.pid());
    drop(node.kill());
    wait_until(
        "its input has ended, so it ends",
        Duration::from_secs(10),
        || {
            let left = children.iter().find(|pid| runs(pid));
            left.map_or(Ok(()), |pid| Err(format!("{pid} runs")))
        },
    );
}

/// Returns true if a process runs, and is not a zombie of another parent.
fn runs(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')')
        .is_some_and(|(_, rest)| !rest.trim().starts_with('Z'))
}

#[test]
fn owner_is_answered_while_strangers_hang_a_program() {
    let (node, directory) = node();
    let hangs = documented()
        .replace("import json, sys", "import json, sys, time, os")
        .replace(
            "    after, more",
            "    if query == \"hang\": time.sleep(60)\n    if query == \"end\": os._exit(3)\n    after, more",
        );
    put(&directory, FILE, &hangs);
    wait_for(&node, "it is loaded", |plugin| plugin["state"] == "ready");
    for query in ["hang", "end"] {
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let stranger = || {
                while !is_over.load(Ordering::Relaxed) {
                    // Refused, or without a hit: the owner matters here.
                    drop(http::get(&node.url, &format!("/search?q=key:{query}")));
                }
            };
            (0..4).for_each(|_| drop(scope.spawn(stranger)));
            for _ in 0..4 {
                let begun = Instant::now();
                let found = ctl(node.home()).args(["search", "key:age"]).run();
                assert!(found.expect_code(0).stdout.contains("b.json"));
                assert!(begun.elapsed() < Duration::from_secs(8), "{query}");
            }
            is_over.store(true, Ordering::Relaxed);
        });
        assert_eq!(plugin(&node)["state"], "ready", "after {query}");
    }
    node.stop();
}

#[test]
fn a_program_gets_no_descriptor_that_its_node_was_given() {
    let options = noded()
        .file("a.json", r#"{"name": "Ann"}"#)
        .limits(r#"exec bash -c 'exec 3</dev/zero 57</dev/full; exec "$0" "$@"' "$0" "$@""#);
    let directory = directory(options.home());
    let plugins = directory.display().to_string();
    put(&directory, FILE, &documented());
    let node = options.args(["--plugins", &plugins]).start();
    wait_for(&node, "it is loaded", |plugin| plugin["state"] == "ready");
    let open = |pid: &str| {
        let open = fs::read_dir(format!("/proc/{pid}/fd"))
            .into_iter()
            .flatten();
        let lead = open
            .flatten()
            .filter_map(|entry| fs::read_link(entry.path()).ok());
        let given = [Path::new("/dev/zero"), Path::new("/dev/full")];
        lead.filter(|to| given.contains(&to.as_path()))
            .collect::<Vec<_>>()
    };
    let none = Vec::<PathBuf>::new();
    assert_eq!(open(&node.pid().to_string()), none);
    for child in children(node.pid()) {
        assert_eq!(open(&child), none);
    }
    assert!(!children(node.pid()).is_empty());
    node.stop();
}
