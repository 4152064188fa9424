//! A node knows its folder as it changes.

use std::{collections::BTreeSet, fs, path::Path, time::Duration};

use e2e::{NodeProcess, http, wait_until, xmlrpc};
use serde_json::{Value, json};

use crate::world::{ctl, noded};

/// Longest time until a change is known; much less when the machine is idle.
const SOON: Duration = Duration::from_secs(10);

fn listed(node: &NodeProcess) -> BTreeSet<String> {
    let listing = node.control().must("share.list", json!({}));
    let files = listing["files"].as_array().expect("a list of files").iter();
    let name = |file: &Value| file["name"].as_str().unwrap_or_default().to_owned();
    files.map(name).collect()
}

fn found(node: &NodeProcess, query: &str) -> BTreeSet<String> {
    let answer = node
        .control()
        .must("search.query", json!({ "query": query }));
    let hits = answer["hits"].as_array().expect("a list of hits").iter();
    let name = |hit: &Value| hit["name"].as_str().unwrap_or_default().to_owned();
    hits.map(name).collect()
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn wait_for(node: &NodeProcess, query: &str, expected: &[&str]) {
    let expected = names(expected);
    wait_until("the change is known", SOON, || {
        let found = found(node, query);
        (found == expected)
            .then_some(())
            .ok_or(format!("{found:?}"))
    });
}

/// Returns all names below a directory, as the disk has them.
fn there(directory: &Path, below: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{below}{}", entry.file_name().to_string_lossy());
        if entry.file_type().unwrap().is_dir() {
            names.extend(there(&entry.path(), &format!("{name}/")));
        } else {
            names.insert(name);
        }
    }
    names
}

#[test]
fn a_change_is_searchable_soon() {
    let node = noded().file("a/old report.txt", "x").start();
    let share = node.home().share();
    assert_eq!(found(&node, "report"), names(&["a/old report.txt"]));
    node.home().put("b/c/new report.txt", "y");
    wait_for(&node, "report", &["a/old report.txt", "b/c/new report.txt"]);
    fs::rename(share.join("b"), share.join("d")).unwrap();
    fs::remove_file(share.join("a/old report.txt")).unwrap();
    wait_for(&node, "report", &["d/c/new report.txt"]);
    node.home().put("d/c/new report.txt", "longer than before");
    let newest = json!({ "query": "report size:>10" });
    wait_until("the size is known", SOON, || {
        let answer = node.control().must("search.query", newest.clone());
        let size = &answer["hits"][0]["size"];
        (*size == 18).then_some(()).ok_or(size.to_string())
    });
    node.stop();
}

#[test]
fn what_is_ignored_is_not_listed_found_or_served() {
    let node = noded()
        .file("open.txt", "open")
        .file("secret.txt", "secret")
        .file("draft.txt~", "draft")
        .file("project/.git/config", "git")
        .file("private/a.txt", "private")
        .start();
    let digest = http::get(&node.url, "/files/secret.txt").unwrap();
    let digest = digest.header("etag").unwrap().trim_matches('"').to_owned();
    node.home().put(".sixhopignore", "secret*\nprivate/\n");
    let hidden = [
        "secret.txt",
        "draft.txt~",
        "project/.git/config",
        "private/a.txt",
        ".sixhopignore",
    ];
    // Exact names are refused at once, before any watcher said something.
    for name in hidden {
        let answer = http::get(&node.url, &format!("/files/{name}")).unwrap();
        assert_eq!(answer.status, 404, "{name}");
        let queried = xmlrpc::query(&node.url, name);
        assert_eq!(queried.unwrap_err().code(), Some(100), "{name}");
        assert!(found(&node, name).is_empty(), "{name}");
        let stat = node.control().call("share.stat", json!({ "name": name }));
        assert!(stat.is_err(), "{name}");
    }
    let blob = http::get(&node.url, &format!("/blobs/{digest}")).unwrap();
    assert_eq!(blob.status, 404);
    wait_for(&node, "*", &["open.txt"]);
    assert_eq!(listed(&node), names(&["open.txt"]));
    fs::remove_file(node.home().share().join(".sixhopignore")).unwrap();
    wait_for(&node, "*.txt", &["open.txt", "secret.txt", "private/a.txt"]);
    node.stop();
}

#[test]
fn a_fetched_file_is_found_at_once_and_an_ignored_one_kept() {
    let holder = noded()
        .file("poem.txt", "a poem")
        .file("notes.bak", "notes")
        .start();
    let asker = noded()
        .file(".sixhopignore", "*.bak\n")
        .args(["--peer", &holder.url])
        .start();
    for name in ["poem.txt", "notes.bak"] {
        drop(ctl(asker.home()).args(["fetch", name]).run().expect_code(0));
    }
    assert_eq!(listed(&asker), names(&["poem.txt"]));
    assert!(asker.home().read("notes.bak").is_some());
    let served = http::get(&asker.url, "/files/notes.bak").unwrap();
    assert_eq!(served.status, 404);
    asker.stop();
}

#[test]
fn files_with_another_name_keep_their_digests() {
    let node = noded()
        .file("old/a.bin", vec![1; 700_000])
        .file("old/b.txt", "b")
        .start();
    let digest_of = |name: &str| {
        let stat = node.control().call("share.stat", json!({ "name": name }));
        stat.ok()?["digest"].as_str().map(str::to_owned)
    };
    let known = |name: &str| {
        let what = format!("the digest of {name} is known");
        wait_until(&what, Duration::from_secs(30), || {
            digest_of(name).ok_or("not yet".to_owned())
        })
    };
    let before = (known("old/a.bin"), known("old/b.txt"));
    let share = node.home().share();
    wait_until("nothing is read any more", Duration::from_secs(30), || {
        let hashed = node.counter("files_hashed");
        std::thread::sleep(Duration::from_millis(1_500));
        (node.counter("files_hashed") == hashed)
            .then_some(())
            .ok_or(hashed.to_string())
    });
    let hashed = node.counter("files_hashed");
    fs::rename(share.join("old"), share.join("new")).unwrap();
    fs::rename(share.join("new/b.txt"), share.join("c.txt")).unwrap();
    assert_eq!((known("new/a.bin"), known("c.txt")), before);
    assert_eq!(node.counter("files_hashed"), hashed);
    let blob = http::get(&node.url, &format!("/blobs/{}/tree", before.0)).unwrap();
    assert_eq!(blob.status, 200);
    node.stop();
}

#[test]
fn a_swapped_or_missing_folder_is_reported_and_taken_up() {
    let node = noded().file("old.txt", "x").start();
    let share = node.home().share();
    let away = node.home().root().join("away");
    fs::rename(&share, &away).unwrap();
    wait_until("it is said", SOON, || {
        let status = node.control().must("node.status", json!({}));
        let said = status["share_trouble"].is_string() && status["files"] == 0;
        said.then_some(()).ok_or(status.to_string())
    });
    let gone = http::get(&node.url, "/files/old.txt").unwrap();
    assert_eq!(gone.status, 404);
    fs::create_dir(&share).unwrap();
    node.home().put("other.txt", "y");
    let other = http::get(&node.url, "/files/other.txt").unwrap();
    assert_eq!(other.status, 404, "the owner did not accept the folder");
    node.control().must("share.accept", json!({}));
    wait_for(&node, "*.txt", &["other.txt"]);
    node.home().put("later.txt", "z");
    wait_for(&node, "*.txt", &["later.txt", "other.txt"]);
    node.stop();
}

#[test]
fn a_storm_ends_with_the_catalogue_as_the_directory() {
    let node = noded().start();
    let share = node.home().share();
    for n in 0..30 {
        let mut directory = share.join(format!("d{n}"));
        for depth in 0..8 {
            fs::create_dir(&directory).unwrap();
            fs::write(directory.join("file.txt"), "x").unwrap();
            fs::write(directory.join(format!("{depth}.txt")), "x").unwrap();
            directory = directory.join("below");
        }
    }
    for n in 0..10 {
        let from = share.join(format!("d{n}"));
        fs::rename(from, share.join(format!("renamed{n}"))).unwrap();
        fs::remove_dir_all(share.join(format!("d{}", n + 10))).unwrap();
    }
    let expected = there(&share, "");
    wait_until("all is known", SOON, || {
        let listed = listed(&node);
        (listed == expected)
            .then_some(())
            .ok_or(listed.len().to_string())
    });
    node.stop();
}

#[test]
fn reading_files_is_no_change() {
    let node = noded().file("a.txt", "x").start();
    node.home().put("b.txt", "y");
    wait_for(&node, "*.txt", &["a.txt", "b.txt"]);
    let changes = || {
        let events = node
            .control()
            .must("events.since", json!({ "id": 0, "limit": 1000 }));
        let events = events["events"].as_array().cloned().unwrap_or_default();
        let changed = events
            .iter()
            .filter(|event| event["type"] == "share.changed");
        changed
            .map(|event| event["data"].to_string())
            .collect::<Vec<_>>()
    };
    for _ in 0..50 {
        http::get(&node.url, "/files/a.txt").unwrap();
    }
    node.home().put("c.txt", "z");
    wait_for(&node, "*.txt", &["a.txt", "b.txt", "c.txt"]);
    wait_until("it is told", SOON, || {
        let told = changes().concat().contains("c.txt");
        told.then_some(()).ok_or("not yet".to_owned())
    });
    assert!(!changes().concat().contains("a.txt"), "{:?}", changes());
    node.stop();
}

#[test]
fn a_restart_knows_what_changed_meanwhile() {
    let node = noded().file("a/x.txt", "x").file("b/y.txt", "y").start();
    let share = node.home().share();
    let restart = node.stop_for_restart();
    fs::remove_file(share.join("a/x.txt")).unwrap();
    fs::create_dir(share.join("c")).unwrap();
    fs::write(share.join("c/z.txt"), "z").unwrap();
    let node = restart.start();
    assert_eq!(listed(&node), names(&["b/y.txt", "c/z.txt"]));
    // Damaged, it is rebuilt.
    let state = node.home().state().join("catalogue");
    let restart = node.stop_for_restart();
    let mut bytes = fs::read(&state).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    fs::write(&state, bytes).unwrap();
    let node = restart.start();
    assert_eq!(listed(&node), names(&["b/y.txt", "c/z.txt"]));
    node.stop();
}
