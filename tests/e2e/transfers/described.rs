//! Tests of the metadata of a file: its time and whether it may be run go with it.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use e2e::{Dialect, Home, NodeProcess, PythonPeer, http, introduce};

use super::{asker, content, over, start};
use crate::world::{ctl, noded};

/// Returns a time in 2001.
fn then() -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(1_000_000_000_250)
}

fn describe(path: &Path, modified: SystemTime, mode: u32) {
    let file = File::options().append(true).open(path).expect("a file");
    file.set_permissions(Permissions::from_mode(mode))
        .expect("its owner says so");
    file.set_modified(modified).expect("its owner says so");
}

fn about(path: &Path) -> (SystemTime, u32) {
    let metadata = fs::metadata(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let modified = metadata.modified().expect("a time");
    (modified, metadata.permissions().mode() & 0o7777)
}

fn assert_like_then(path: &Path, runs: bool) {
    let (modified, mode) = about(path);
    assert_eq!(modified, then(), "{}", path.display());
    assert_eq!(mode & 0o100 != 0, runs, "{}: {mode:o}", path.display());
    assert_eq!(mode & 0o7000, 0, "{}: {mode:o}", path.display());
}

/// Returns a holder of a short and a long program and a text, all of 2001.
fn holder() -> NodeProcess {
    let files = [
        ("bin/short", content(10), 0o4755),
        ("bin/long", content(1 << 20), 0o700),
        ("bin/text", content(11), 0o640),
    ];
    let node = noded();
    for (name, bytes, mode) in files {
        node.home().put(name, bytes);
        describe(&node.home().share().join(name), then(), mode);
    }
    node.start()
}

#[test]
fn time_and_permission_to_run_come_with_a_file() {
    let holder = holder();
    let one = asker(&[&holder.url]);
    for (name, runs) in [("bin/short", true), ("bin/long", true), ("bin/text", false)] {
        let status = over(&one, &start(&one, name));
        assert_eq!(status["state"], "done", "{status}");
        assert_like_then(&one.home().share().join(name), runs);
    }
    let folder = asker(&[&holder.url]);
    let _ = ctl(folder.home())
        .args(["fetch", "bin/"])
        .run()
        .expect_code(0);
    for (name, runs) in [("bin/short", true), ("bin/long", true), ("bin/text", false)] {
        assert_like_then(&folder.home().share().join(name), runs);
    }
}

#[test]
fn a_place_past_the_share_keeps_them_too() {
    let holder = holder();
    let middle = asker(&[&holder.url]);
    for (node, runs) in [(&holder, true), (&middle, true)] {
        for name in ["bin/short", "bin/long"] {
            let place = node.home().root().join("placed");
            let to = place.to_str().expect("a path of the test");
            let _ = ctl(node.home())
                .args(["fetch", name, "--to", to, "--replace"])
                .run()
                .expect_code(0);
            assert_like_then(&place, runs);
        }
    }
}

#[test]
fn content_that_is_here_gets_what_the_holder_says() {
    let holder = holder();
    let asker = asker(&[&holder.url]);
    asker.home().put("mine", content(1 << 20));
    let status = over(&asker, &start(&asker, "bin/long"));
    assert_eq!(status["state"], "done", "{status}");
    assert_like_then(&asker.home().share().join("bin/long"), true);
    let (modified, mode) = about(&asker.home().share().join("mine"));
    assert!(
        modified > then() && mode & 0o100 == 0,
        "the other name stays as it was"
    );
}

#[test]
fn a_time_that_nobody_has_seen_yet_is_not_believed() {
    let node = noded().file("a", "x").file("old", "y");
    let share = node.home().share();
    describe(
        &share.join("a"),
        SystemTime::now() + Duration::from_secs(10 * 365 * 86_400),
        0o644,
    );
    describe(
        &share.join("old"),
        UNIX_EPOCH - Duration::from_secs(86_400),
        0o644,
    );
    let holder = node.start();
    let asker = asker(&[&holder.url]);
    for name in ["a", "old"] {
        let before = SystemTime::now() - Duration::from_secs(60);
        let status = over(&asker, &start(&asker, name));
        assert_eq!(status["state"], "done", "{status}");
        let (modified, _) = about(&asker.home().share().join(name));
        assert!(modified > before && modified < SystemTime::now() + Duration::from_secs(60));
    }
}

#[test]
fn a_peer_that_says_nothing_leaves_them_as_for_a_new_file() {
    let home = Home::new();
    home.put("a", "x");
    describe(&home.share().join("a"), then(), 0o755);
    let book = PythonPeer::start(Dialect::Faults, home);
    let asker = asker(&[]);
    introduce(&asker.url, &book.url);
    let before = SystemTime::now() - Duration::from_secs(60);
    let status = over(&asker, &start(&asker, "a"));
    assert_eq!(status["state"], "done", "{status}");
    let (modified, mode) = about(&asker.home().share().join("a"));
    assert!(modified > before && mode & 0o111 == 0, "{mode:o}");
}

#[test]
fn every_route_says_them() {
    let holder = holder();
    let said = "modified=1000000000250; executable";
    let head = |path: &str| http::request(&holder.url, "HEAD", path, &[], b"").expect("a head");
    let named = head("/files/bin/short");
    assert_eq!(named.header("sixhop-about"), Some(said));
    let changed = named.header("last-modified");
    assert_eq!(changed, Some("Sun, 09 Sep 2001 01:46:40 GMT"));
    let digest = named
        .header("etag")
        .expect("its digest")
        .trim_matches('"')
        .to_owned();
    assert_eq!(
        head(&format!("/blobs/{digest}")).header("sixhop-about"),
        Some(said)
    );
    assert_eq!(
        head("/files/bin/text").header("sixhop-about"),
        Some("modified=1000000000250")
    );
}
