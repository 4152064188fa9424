//! Tests of what a node keeps for itself: it is not shared, by whatever name a link or a mount gives it.

use std::{fs, path::Path, sync::Arc, time::Duration};

use e2e::{Home, NodeOptions, NodeProcess, http, introduce, wait_until};
use serde_json::json;

use crate::world::{ctl, noded};

fn status(node: &NodeProcess, name: &str) -> u16 {
    let answer = http::get(&node.url, &format!("/files/{name}")).unwrap();
    assert_eq!(answer.status == 200, answer.body == b"for all", "{name}");
    answer.status
}

/// Waits until the files of the share are these.
fn listed(node: &NodeProcess, names: &[&str]) {
    wait_until("the files are listed", Duration::from_secs(30), || {
        let files = node.control().must("share.list", json!({}));
        let files = files["files"].as_array().cloned().unwrap_or_default();
        let found: Vec<_> = files.iter().filter_map(|f| f["name"].as_str()).collect();
        (found == names).then_some(()).ok_or(format!("{found:?}"))
    });
}

#[test]
fn a_hard_link_of_a_secret_is_not_shared() {
    let node = noded().file("small.txt", "for all").start();
    let (share, state) = (node.home().share(), node.home().state());
    // While it runs, and under the next secret too.
    for name in ["secret", "node-key", "sixhop-state"] {
        fs::hard_link(state.join(name), share.join(format!("{name}.txt"))).unwrap();
        assert_eq!(status(&node, &format!("{name}.txt")), 404, "{name}");
    }
    node.control().must("share.rescan", json!({}));
    listed(&node, &["small.txt"]);
    let skipped = ctl(node.home()).args(["ls", "--skipped"]).run();
    assert!(skipped.stdout.contains("secret.txt"), "{skipped:?}");
    assert!(skipped.stdout.contains("keeps for itself"), "{skipped:?}");
    // What was linked before is anybody's file now, and is still not shared.
    assert_eq!(status(&node, "small.txt"), 200);
    let home = Arc::clone(node.home());
    node.stop();
    let node = noded().at(&home).start();
    listed(&node, &["small.txt"]);
    for name in ["secret", "node-key", "sixhop-state"] {
        assert_eq!(status(&node, &format!("{name}.txt")), 404, "{name}");
    }
    assert_eq!(status(&node, "small.txt"), 200);
    node.stop();
}

/// Makes the state of a node that ran before.
fn old_state(state: &Path) {
    let make = |name: &str, text: &str| fs::write(state.join(name), text).unwrap();
    fs::create_dir_all(state.join("cache")).unwrap();
    make("sixhop-state", "1\n");
    make("secret", &format!("{}\n", "ab".repeat(32)));
    make("cache/precious", "somebody's");
    for path in [state.to_owned(), state.join("secret")] {
        use std::os::unix::fs::PermissionsExt;
        let mode = if path == state { 0o700 } else { 0o600 };
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
}

#[test]
fn a_mount_of_the_state_in_the_share_is_not_shared() {
    if !NodeOptions::can_mount() {
        return;
    }
    let options = noded()
        .file("small.txt", "for all")
        .file("m/.keep", "")
        .file("f.txt", "")
        .mounts("mount --bind state share/m && mount --bind state/secret share/f.txt");
    old_state(&options.home().state());
    let node = options.start();
    listed(&node, &["small.txt"]);
    for name in [
        "m/secret",
        "m/node-key",
        "m/sixhop-state",
        "m/cache/precious",
        "f.txt",
    ] {
        assert_eq!(status(&node, name), 404, "{name}");
    }
    let stored = node
        .control()
        .call("fetch.start", json!({ "name": "m/new.txt" }));
    drop(stored);
    assert!(!node.home().state().join("new.txt").exists());
    assert_eq!(status(&node, "small.txt"), 200);
    node.stop();
}

#[test]
fn share_and_state_that_contain_each_other_by_mounts_fail() {
    if !NodeOptions::can_mount() {
        return;
    }
    for (mounts, word) in [
        ("mount --bind state share", "state"),
        ("mount --bind . share", "state"),
        ("mount --bind state/cache share", "state"),
    ] {
        let home = Arc::new(Home::new());
        old_state(&home.state());
        let refusal = noded().at(&home).mounts(mounts).refused();
        assert!(refusal.stderr.contains(word), "{mounts}: {refusal:?}");
        assert!(home.state().join("cache/precious").exists(), "{mounts}");
    }
}

#[test]
fn a_pattern_brings_no_hidden_file_that_nobody_named() {
    let names = [
        "photos/.bashrc",
        "photos/.git/config",
        ".env",
        "photos/a.jpg",
        "b.jpg",
    ];
    let holder = names
        .iter()
        .fold(noded(), |options, name| options.file(name, "for all"))
        .file(".sixhopignore", "!.*\n")
        .start();
    let node = noded().file("photos/.git/config", "my own").start();
    node.control()
        .must("peer.add", json!({ "url": holder.url }));
    for pattern in ["photos/**", "photos/", "**"] {
        let run = ctl(node.home()).args(["fetch", pattern, "--replace"]).run();
        assert!(
            run.stderr.contains("begins with a dot"),
            "{pattern}: {run:?}"
        );
    }
    let share = node.home().share();
    assert_eq!(
        fs::read(share.join("photos/.git/config")).unwrap(),
        b"my own"
    );
    for name in ["photos/.bashrc", ".env"] {
        assert!(!share.join(name).exists(), "{name}");
    }
    for name in ["photos/a.jpg", "b.jpg"] {
        assert_eq!(fs::read(share.join(name)).unwrap(), b"for all", "{name}");
    }
    // By its name it comes, and with a line that shows such names it comes with the others.
    let run = ctl(node.home()).args(["fetch", ".env"]).run();
    assert_eq!(run.code, 0, "{run:?}");
    assert!(share.join(".env").exists());
    node.home().put(".sixhopignore", "!.bashrc\n");
    let run = ctl(node.home()).args(["fetch", "photos/**"]).run();
    assert!(share.join("photos/.bashrc").exists(), "{run:?}");
    node.stop();
    holder.stop();
}

#[test]
fn a_peers_ignore_file_is_stored_by_no_route() {
    let open = "!*\n!.*\n";
    let holder = noded()
        .file("photos/.sixhopignore", open)
        .file("photos/a.jpg", "for all")
        .file("photos/private/note.txt", "for all")
        .file(".sixhopignore", open)
        .start();
    let node = noded()
        .file("photos/private/mine.txt", "mine alone")
        .file(".sixhopignore", "private/\n")
        .start();
    introduce(&node.url, &holder.url);
    let names = [
        ".sixhopignore",
        "photos/.sixhopignore",
        "photos/.SixhopIgnore",
    ];
    for arg in names.into_iter().chain(["photos/**", "photos/", "**"]) {
        drop(ctl(node.home()).args(["fetch", arg, "--replace"]).run());
    }
    for name in names {
        let started = node.control().call("fetch.start", json!({ "name": name }));
        assert!(started.is_err(), "{name}: {started:?}");
    }
    let secret = fs::read_to_string(node.home().state().join("secret")).unwrap();
    for name in names {
        let params = format!(
            "<param><value>{name}</value></param><param><value>{}</value></param>",
            secret.trim()
        );
        let call = format!(
            "<methodCall><methodName>fetch</methodName><params>{params}</params></methodCall>"
        );
        let answer = http::request(&node.url, "POST", "/RPC2", &[], call.as_bytes()).unwrap();
        assert!(
            answer.text().contains("<fault>"),
            "{name}: {}",
            answer.text()
        );
    }
    // What the owner hid stays hidden, and the honest file came.
    assert_eq!(node.home().read(".sixhopignore").unwrap(), b"private/\n");
    assert_eq!(node.home().read("photos/.sixhopignore"), None);
    let hidden = http::get(&node.url, "/files/photos/private/mine.txt").unwrap();
    assert_eq!(hidden.status, 404);
    assert_eq!(status(&node, "photos/a.jpg"), 200);
    [node, holder].into_iter().for_each(NodeProcess::stop);
}

#[test]
fn a_name_with_a_dot_is_shared_only_when_the_owner_shows_it() {
    let names = [".env", ".ssh/id_rsa", "a/.hidden/x.txt", "small.txt"];
    let node = names
        .iter()
        .fold(noded(), |options, name| options.file(name, "for all"))
        .start();
    listed(&node, &["small.txt"]);
    for name in &names[..3] {
        assert_eq!(status(&node, name), 404, "{name}");
    }
    let skipped = ctl(node.home()).args(["ls", "--skipped"]).run();
    assert!(skipped.stdout.contains(".env"), "{skipped:?}");
    node.home().put(".sixhopignore", "!.*\n");
    for name in names {
        wait_until("it is shown", Duration::from_secs(30), || {
            let found = status(&node, name);
            (found == 200)
                .then_some(())
                .ok_or(format!("{name}: {found}"))
        });
    }
    node.stop();
}

#[test]
fn a_plugin_directory_that_is_mounted_is_not_shared() {
    if !NodeOptions::can_mount() {
        return;
    }
    let options = noded()
        .file("small.txt", "for all")
        .file("plug/x.rhai", "// nothing")
        .mounts("mount --bind share/plug plugins");
    let plugins = options.home().root().join("plugins");
    fs::create_dir(&plugins).unwrap();
    let args = ["--plugins".to_owned(), plugins.display().to_string()];
    let node = options.args(&args).start();
    listed(&node, &["small.txt"]);
    let holder = noded()
        .file("plug/evil.rhai", "fn answer(query) { [] }")
        .start();
    introduce(&node.url, &holder.url);
    let fetch = |arg: &str| ctl(node.home()).args(["fetch", arg]).run();
    for refused in ["plug/evil.rhai", "plug/"] {
        assert_ne!(fetch(refused).code, 0, "{refused}");
    }
    assert_eq!(node.home().read("plug/evil.rhai"), None);
    assert_eq!(status(&node, "small.txt"), 200);
    [node, holder].into_iter().for_each(NodeProcess::stop);
}

#[test]
fn a_plugin_directory_that_becomes_a_link_takes_no_file() {
    let options = noded().file("small.txt", "for all").file("plug/x.txt", "x");
    let plugins = options.home().root().join("plugins");
    fs::create_dir(&plugins).unwrap();
    let args = ["--plugins".to_owned(), plugins.display().to_string()];
    let node = options.args(&args).start();
    let holder = noded()
        .file("plug/evil.rhai", "fn answer(query) { [] }")
        .start();
    introduce(&node.url, &holder.url);
    fs::remove_dir(&plugins).unwrap();
    std::os::unix::fs::symlink(node.home().share().join("plug"), &plugins).unwrap();
    let refused = ctl(node.home()).args(["fetch", "plug/evil.rhai"]).run();
    assert_ne!(refused.code, 0, "{refused:?}");
    assert_eq!(node.home().read("plug/evil.rhai"), None);
    assert_eq!(status(&node, "small.txt"), 200);
    [node, holder].into_iter().for_each(NodeProcess::stop);
}

#[test]
fn a_pipe_of_the_share_is_not_replaced() {
    let node = noded().file("small.txt", "for all").start();
    let holder = noded().file("p.txt", "text").start();
    introduce(&node.url, &holder.url);
    let pipe = node.home().share().join("p.txt");
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    let refused = ctl(node.home()).args(["fetch", "p.txt", "--replace"]).run();
    assert_ne!(refused.code, 0, "{refused:?}");
    let kind = fs::symlink_metadata(&pipe).unwrap().file_type();
    assert!(std::os::unix::fs::FileTypeExt::is_fifo(&kind));
    [node, holder].into_iter().for_each(NodeProcess::stop);
}
