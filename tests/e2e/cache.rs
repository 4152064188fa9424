//! Content that passes is kept, within its limit, and never given out wrong.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use e2e::{NodeOptions, NodeProcess, chain, eventually, wait_until, xmlrpc};
use serde_json::{Value, json};

use crate::world::{ctl, noded};

/// Returns bytes that are not text, and are different for each seed.
fn content(seed: u8, size: usize) -> Vec<u8> {
    (0..size).map(|at| (at % 251) as u8 ^ seed).collect()
}

/// Returns a relay with these options that knows a holder of one file.
fn relay_of(options: NodeOptions, name: &str, bytes: &[u8]) -> (NodeProcess, NodeProcess) {
    let relay = options.start();
    let holder = noded().file(name, bytes).start();
    chain(&[&relay.url, &holder.url]);
    (relay, holder)
}

fn listed(node: &NodeProcess) -> Vec<Value> {
    let list = node.control().must("cache.list", json!({}));
    list.as_array().expect("a list of blobs").clone()
}

/// Returns the bytes of all files of the cache. A file may come or go while they are counted: only a count
/// before and after which there are the same files counts.
fn on_disk(state: &Path) -> u64 {
    let directory = state.join("cache");
    wait_until("a count of what stays", Duration::from_secs(30), || {
        let before = sizes(&directory);
        let now = sizes(&directory);
        if before.keys().eq(now.keys()) {
            Ok(before.values().sum())
        } else {
            Err("files come and go".to_owned())
        }
    })
}

fn sizes(directory: &Path) -> BTreeMap<OsString, u64> {
    let Ok(entries) = fs::read_dir(directory) else {
        return BTreeMap::new();
    };
    let size = |entry: fs::DirEntry| Some((entry.file_name(), entry.metadata().ok()?.len()));
    entries.filter_map(|entry| size(entry.ok()?)).collect()
}

#[test]
fn what_was_relayed_is_there_when_the_holder_is_gone() {
    for bytes in [
        b"x".to_vec(),
        b"some text\r\n".to_vec(),
        content(1, 3 << 20),
    ] {
        let (relay, holder) = relay_of(noded(), "a/file", &bytes);
        assert_eq!(xmlrpc::query(&relay.url, "a/file"), Ok(bytes.clone()));
        holder.stop();
        for _ in 0..2 {
            assert_eq!(xmlrpc::query(&relay.url, "a/file"), Ok(bytes.clone()));
        }
        assert_eq!(relay.counter("cache_hits"), 2);
        assert_eq!(relay.counter("cache_misses"), 1);
        assert_eq!(relay.counter("cache_bytes_served"), 2 * bytes.len() as u64);
        let blob = &listed(&relay)[0];
        assert_eq!(blob["size"], bytes.len());
        assert_eq!(blob["hits"], 2);
        relay.stop();
    }
}

#[test]
fn a_file_of_the_share_comes_before_the_cache() {
    let (relay, holder) = relay_of(noded(), "note.txt", b"theirs");
    assert_eq!(
        xmlrpc::query(&relay.url, "note.txt"),
        Ok(b"theirs".to_vec())
    );
    relay.home().put("note.txt", "ours");
    assert_eq!(xmlrpc::query(&relay.url, "note.txt"), Ok(b"ours".to_vec()));
    let outside = xmlrpc::query(&relay.url, "../note.txt");
    assert_eq!(outside.map_err(|e| e.code()), Err(Some(200)));
    holder.stop();
    relay.stop();
}

#[test]
fn what_is_kept_survives_a_restart() {
    let (relay, holder) = relay_of(noded(), "file", &content(2, 600_000));
    xmlrpc::query(&relay.url, "file").expect("the holder sends it");
    let before = listed(&relay);
    let relay = relay.kill().start();
    let after = listed(&relay);
    assert_eq!(after.len(), 1);
    assert_eq!(after[0]["digest"], before[0]["digest"]);
    assert_eq!(after[0]["size"], 600_000);
    holder.stop();
    relay.stop();
}

#[test]
fn ten_times_the_limit_never_exceeds_it() {
    const LIMIT: u64 = 1 << 20;
    let relay = noded().args(["--cache-size", "1M"]).start();
    let mut holder = noded();
    for n in 0..40 {
        holder = holder.file(&format!("{n}"), content(n, 256 * 1024 + usize::from(n)));
    }
    let holder = holder.file("large", content(99, 2 << 20)).start();
    chain(&[&relay.url, &holder.url]);

    let state = relay.home().state();
    let over = Arc::new(AtomicBool::new(false));
    let fed = Arc::clone(&over);
    let watcher = std::thread::spawn(move || {
        let mut most = 0;
        while !fed.load(Ordering::SeqCst) {
            most = most.max(on_disk(&state));
        }
        most
    });
    let large = xmlrpc::query(&relay.url, "large");
    assert_eq!(large, Ok(content(99, 2 << 20)));
    for n in 0..40 {
        let bytes = xmlrpc::query(&relay.url, &n.to_string());
        assert_eq!(bytes, Ok(content(n, 256 * 1024 + usize::from(n))));
    }
    over.store(true, Ordering::SeqCst);
    let most = watcher.join().expect("the watcher ends");
    assert!((LIMIT / 2..=LIMIT).contains(&most), "{most} bytes");
    assert!(!listed(&relay).is_empty());
    holder.stop();
    relay.stop();
}

#[test]
fn a_flipped_byte_is_never_served() {
    let bytes = content(3, 900_000);
    let (relay, holder) = relay_of(noded(), "file", &bytes);
    xmlrpc::query(&relay.url, "file").expect("the holder sends it");
    let digest = listed(&relay)[0]["digest"].clone();
    let path = relay
        .home()
        .state()
        .join("cache")
        .join(digest.as_str().expect("a digest is text"));
    let mut kept = fs::read(&path).expect("the blob is a file");
    kept[800_000] ^= 1;
    fs::write(&path, kept).expect("the blob is the owner's");

    // The holder has it still, and what it sends takes the place.
    assert_eq!(xmlrpc::query(&relay.url, "file"), Ok(bytes));
    let events = relay.control().must("events.since", json!({"id": 0}));
    assert!(events.to_string().contains("cache.dropped"), "{events}");
    holder.stop();
    relay.stop();
}

#[test]
fn ctl_lists_and_clears_the_cache() {
    let (relay, holder) = relay_of(noded(), "file", b"kept");
    xmlrpc::query(&relay.url, "file").expect("the holder sends it");
    let run = |args: &[&str]| ctl(relay.home()).args(args).run().expect_code(0).stdout;
    let digest = listed(&relay)[0]["digest"].clone();
    let digest = digest.as_str().expect("a digest is text");
    assert!(run(&["cache", "ls"]).starts_with(&format!("{digest}\t4\t0\t")));
    let json: Value = serde_json::from_str(&run(&["--json", "cache", "ls"])).expect("JSON");
    assert_eq!(json["blobs"][0]["digest"], digest);
    assert!(run(&["status"]).contains("cache "));
    assert_eq!(
        run(&["--json", "cache", "clear"]).trim(),
        r#"{"blobs":1,"bytes":4}"#
    );
    assert_eq!(run(&["cache", "ls"]), "");
    assert_eq!(on_disk(&relay.home().state()), 0);
    holder.stop();
    relay.stop();
}

#[test]
fn a_size_of_nothing_switches_the_cache_off() {
    let (relay, holder) = relay_of(noded().env("SIXHOP_CACHE_SIZE", "0"), "file", b"passing");
    assert_eq!(xmlrpc::query(&relay.url, "file"), Ok(b"passing".to_vec()));
    assert!(listed(&relay).is_empty());
    assert!(!relay.home().state().join("cache").exists());
    assert_eq!(relay.counter("cache_misses"), 0);
    holder.stop();
    eventually("the file is gone with its holder", || {
        xmlrpc::query(&relay.url, "file").is_err()
    });
    relay.stop();
}

#[test]
fn an_answer_that_breaks_off_leaves_nothing() {
    use e2e::{Conduct, Rogue, introduce};
    let rogue = Rogue::start(Conduct::Slowly {
        text: "x".repeat(400_000),
        piece: 40_000,
        pause: Duration::from_millis(40),
    });
    let relay = noded().start();
    introduce(&relay.url, &rogue.url);
    let url = relay.url.clone();
    let asker = std::thread::spawn(move || xmlrpc::query(&url, "file"));
    wait_until("the file is on its way", Duration::from_secs(30), || {
        let bytes = on_disk(&relay.home().state());
        (bytes > 0).then_some(()).ok_or(format!("{bytes} bytes"))
    });
    drop(rogue);
    assert!(asker.join().expect("the asker ends").is_err());
    eventually("nothing of it stays", || {
        on_disk(&relay.home().state()) == 0
    });
    assert!(listed(&relay).is_empty());
    relay.stop();
}
