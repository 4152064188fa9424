//! Fetching by digest: verified, from several holders, taken up after a kill.

use std::fs;
use std::path::Path;
use std::time::Duration;

use e2e::{NodeOptions, NodeProcess, Proxy, wait_until};
use serde_json::{Value, json};

use crate::world::{ctl, noded};

mod described;
mod full_disk;
mod keeping;
mod limited;
mod neighbours;
mod sharing;
mod trouble;
mod unverified;

fn content(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at * 31 % 251) as u8).collect()
}

fn start(node: &NodeProcess, name: &str) -> Value {
    node.control().must("fetch.start", json!({ "name": name }))
}

fn over(node: &NodeProcess, started: &Value) -> Value {
    wait_until("the fetch is over", Duration::from_secs(60), || {
        let wait = json!({ "id": started["id"], "seconds": 5 });
        let status = node.control().must("fetch.wait", wait);
        let state = status["state"].as_str().unwrap_or_default();
        if ["done", "failed", "cancelled"].contains(&state) {
            Ok(status)
        } else {
            Err(status.to_string())
        }
    })
}

/// Waits until a fetch has more than `least` bytes.
fn wait_for_bytes(node: &NodeProcess, started: &Value, least: u64) {
    wait_until("some of it is there", Duration::from_secs(30), || {
        let wait = json!({ "id": started["id"], "seconds": 0 });
        let status = node.control().must("fetch.wait", wait);
        if status["bytes"].as_u64().unwrap_or_default() > least {
            Ok(())
        } else {
            Err(status.to_string())
        }
    });
}

fn events(node: &NodeProcess, kind: &str) -> Vec<Value> {
    let events = node.control().must("events.since", json!({ "id": 0 }));
    let events = events.as_array().or_else(|| events["events"].as_array());
    let all = events.expect("a list of events");
    all.iter()
        .filter(|event| event["type"] == kind)
        .cloned()
        .collect()
}

/// Returns a node that knows these peers and nobody else.
fn asker(peers: &[&str]) -> NodeProcess {
    let options = peers.iter().flat_map(|peer| ["--peer", peer]);
    noded().args(options.collect::<Vec<_>>()).start()
}

fn temporaries(share: &Path) -> usize {
    let entries = fs::read_dir(share).expect("the share");
    entries
        .filter_map(Result::ok)
        .filter(|entry| {
            entry
                .file_name()
                .to_string_lossy()
                .starts_with(".sixhop-part-")
        })
        .count()
}

fn slow() -> NodeOptions {
    noded().args(["--upload-rate", "4M"])
}

#[test]
fn a_file_comes_from_all_who_have_it_and_every_byte_is_checked() {
    let bytes = content(12 << 20);
    let holders = [slow(), slow()].map(|node| node.file("a.bin", &bytes).start());
    let asker = asker(&[&holders[0].url, &holders[1].url]);
    let status = over(&asker, &start(&asker, "a.bin"));
    assert_eq!(status["state"], "done", "{status}");
    assert_eq!(
        (&status["bytes"], &status["size"]),
        (&json!(12 << 20), &json!(12 << 20))
    );
    assert_eq!(status["digest"].as_str().map(str::len), Some(64));
    assert_eq!(
        status["holders"].as_array().map(Vec::len),
        Some(2),
        "{status}"
    );
    assert!(asker.home().read("a.bin") == Some(bytes));
    assert_eq!(
        asker.counter("queries_sent"),
        0,
        "nothing is taken unchecked"
    );
    assert!(!events(&asker, "fetch.progress").is_empty());
    assert_eq!(temporaries(&asker.home().share()), 0);
}

#[test]
fn a_holder_that_lies_is_left_and_the_file_is_right() {
    let bytes = content(3 << 20);
    let honest = slow().file("a.bin", &bytes).start();
    let true_one = noded().file("a.bin", &bytes).start();
    let liar = Proxy::corrupting(&true_one.url);
    let asker = asker(&[&liar.url, &honest.url]);
    let status = over(&asker, &start(&asker, "a.bin"));
    assert_eq!(status["state"], "done", "{status}");
    assert!(asker.home().read("a.bin") == Some(bytes));
    let failed = events(&asker, "fetch.holder_failed");
    assert!(
        failed
            .iter()
            .any(|event| event["data"]["wrong_bytes"] == true),
        "{failed:?}"
    );
}

#[test]
fn a_lie_alone_is_no_file_but_exit_code_32() {
    for size in [5, 300_000] {
        let true_one = noded().file("a.bin", content(size)).start();
        let liar = Proxy::corrupting(&true_one.url);
        let asker = asker(&[&liar.url]);
        let ended = ctl(asker.home())
            .args(["fetch", "a.bin"])
            .run()
            .expect_code(32);
        assert!(
            ended.stderr.contains("a.bin") && ended.stderr.contains(&liar.url),
            "{}",
            ended.stderr
        );
        assert_eq!(asker.home().read("a.bin"), None);
        assert_eq!(temporaries(&asker.home().share()), 0);
    }
}

#[test]
fn a_holder_that_dies_in_the_middle_costs_only_time() {
    let bytes = content(10 << 20);
    let [dying, staying] = [slow(), slow()].map(|node| node.file("a.bin", &bytes).start());
    let asker = asker(&[&dying.url, &staying.url]);
    let started = start(&asker, "a.bin");
    wait_for_bytes(&asker, &started, 3 << 20);
    let _away = dying.kill();
    let status = over(&asker, &started);
    assert_eq!(status["state"], "done", "{status}");
    assert!(asker.home().read("a.bin") == Some(bytes));
    assert!(!events(&asker, "fetch.holder_failed").is_empty());
}

#[test]
fn a_killed_node_takes_up_what_it_had() {
    let bytes = content(16 << 20);
    let holder = slow().file("a.bin", &bytes).start();
    let mut asker = asker(&[&holder.url]);
    start(&asker, "a.bin");
    for round in 1..=3_u64 {
        let least = (round * 3) << 20;
        wait_until("some of it is there", Duration::from_secs(60), || {
            let list = asker.control().must("fetch.list", json!({}));
            let bytes = list[0]["bytes"].as_u64().unwrap_or_default();
            if bytes > least {
                Ok(())
            } else {
                Err(list.to_string())
            }
        });
        asker = asker.kill().start();
        assert_eq!(asker.home().read("a.bin"), None);
    }
    wait_until("it is whole", Duration::from_secs(60), || {
        asker
            .home()
            .read("a.bin")
            .map(drop)
            .ok_or("not yet".to_owned())
    });
    assert!(asker.home().read("a.bin") == Some(bytes));
    // The last run had nine MiB already.
    assert!(
        asker.counter("blobs_asked") <= 12,
        "{}",
        asker.counter("blobs_asked")
    );
    wait_until("no temporary is left", Duration::from_secs(30), || {
        let left = temporaries(&asker.home().share());
        if left == 0 {
            Ok(())
        } else {
            Err(left.to_string())
        }
    });
}

#[test]
fn a_directory_is_fetched_as_one_operation() {
    let mut holder = noded();
    for n in 0..300 {
        holder = holder.file(&format!("photos/{}/{n}.jpg", n % 7), format!("picture {n}"));
    }
    let holder = holder.file("other.txt", "x").start();
    let middle = asker(&[&holder.url]);
    let asker = asker(&[&middle.url]);
    asker.home().put("photos/0/0.jpg", "mine");
    let fetched = ctl(asker.home())
        .args(["--json", "fetch", "photos/"])
        .run()
        .expect_code(0);
    let last: Value = serde_json::from_str(fetched.stdout.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&last["found"], &last["done"], &last["existing"]),
        (&json!(300), &json!(299), &json!(1))
    );
    assert_eq!(asker.home().read("photos/0/0.jpg"), Some(b"mine".to_vec()));
    assert_eq!(
        asker.home().read("photos/5/299.jpg"),
        Some(b"picture 299".to_vec())
    );
    assert_eq!(asker.home().read("other.txt"), None);
    assert_eq!(
        middle.counter("bytes_served"),
        0,
        "bytes go straight to the asker"
    );
    let none = ctl(asker.home()).args(["fetch", "nothing/**"]).run();
    assert_eq!(none.expect_code(3).stdout, "");
}

#[test]
fn content_goes_at_the_rate_that_the_owner_sets() {
    let holder = noded()
        .args(["--upload-rate", "2M"])
        .file("a.bin", content(4 << 20))
        .start();
    let asker = asker(&[&holder.url]);
    let begun = std::time::Instant::now();
    let status = over(&asker, &start(&asker, "a.bin"));
    assert_eq!(status["state"], "done", "{status}");
    assert!(
        begun.elapsed() > Duration::from_millis(1_500),
        "{:?}",
        begun.elapsed()
    );
}
