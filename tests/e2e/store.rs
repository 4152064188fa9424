//! Tests that a file in a share is whole, or it is not there.

use std::sync::Arc;
use std::thread::scope;
use std::time::Duration;

use e2e::rogue::answer_of;
use e2e::xmlrpc::{self, Value};
use e2e::{Conduct, Home, NodeProcess, Rogue, introduce, wait_until};
use serde_json::json;

use crate::world::noded;

const KILLS: u32 = 100;

/// Returns text of half a megabyte that no part of can be taken for the whole.
fn large_text() -> String {
    (0..60_000).map(|n| format!("{n:08}\n")).collect()
}

fn fetch(node: &NodeProcess, name: &str) -> Result<Value, xmlrpc::CallError> {
    let params = [Value::text(name), Value::text(node.home().secret())];
    xmlrpc::call(&node.url, "fetch", &params)
}

/// Starts a fetch over control and waits for its end.
fn fetch_to_the_end(node: &NodeProcess, name: &str, replace: bool) -> serde_json::Value {
    let control = node.control();
    let started = control.must("fetch.start", json!({"name": name, "replace": replace}));
    wait_until("the fetch is over", Duration::from_secs(30), || {
        let status = control.must("fetch.wait", json!({"id": started["id"], "seconds": 5}));
        let over = ["done", "failed", "cancelled"]
            .map(|s| json!(s))
            .contains(&status["state"]);
        if over {
            Ok(status)
        } else {
            Err(status.to_string())
        }
    })
}

fn is_temporary(name: &str) -> bool {
    name.starts_with(".sixhop-part-")
}

/// Checks everything that a listing, a query or a person sees: never a part of the file.
fn nothing_partial_is_visible(home: &Home, whole: &str) {
    for name in home.entries().iter().filter(|name| !is_temporary(name)) {
        let bytes = home.read(name).expect("it was listed");
        assert!(
            bytes == whole.as_bytes(),
            "{name} has {} of {} bytes",
            bytes.len(),
            whole.len()
        );
    }
}

#[test]
fn kill_9_in_the_middle_of_a_fetch_leaves_nothing_partial() {
    let text = large_text();
    // The fetch takes about a tenth of a second, and the kills fall before, into and after it.
    let conduct = Conduct::Slowly {
        text: text.clone(),
        piece: 32 << 10,
        pause: Duration::from_millis(4),
    };
    let rogue = Rogue::start(conduct);
    let mut options = noded();
    let home: Arc<Home> = {
        let node = options.start();
        introduce(&node.url, &rogue.url);
        e2e::eventually("the peer has answered", || {
            let peers = node.control().must("peer.list", json!({}));
            !peers[0]["last_answer"].is_null()
        });
        let home = Arc::clone(node.home());
        options = node.stop_for_restart();
        home
    };
    let (mut in_the_middle, mut whole) = (0, 0);
    for round in 0..KILLS {
        let node = options.start();
        assert!(
            !home.entries().iter().any(|n| is_temporary(n)),
            "{:?} after a restart",
            home.entries()
        );
        nothing_partial_is_visible(&home, &text);
        let name = format!("{round}.txt");
        node.control().must("fetch.start", json!({"name": name}));
        if round % 2 == 1 {
            e2e::eventually("the fetch writes", || {
                home.entries().iter().any(|n| is_temporary(n)) || home.read(&name).is_some()
            });
        }
        std::thread::sleep(Duration::from_millis(u64::from(round % 25) * 7));
        options = node.kill();
        in_the_middle += u32::from(home.entries().iter().any(|n| is_temporary(n)));
        whole += u32::from(home.read(&name).is_some());
        nothing_partial_is_visible(&home, &text);
        home.entries()
            .iter()
            .filter(|n| !is_temporary(n))
            .for_each(|n| {
                std::fs::remove_file(home.share().join(n)).expect("the share is ours");
            });
    }
    println!("{KILLS} kills: {in_the_middle} in the middle of writing, {whole} after the end");
    assert!(in_the_middle > 0, "no kill fell into the writing");
    let last = options.start();
    assert_eq!(home.entries(), Vec::<String>::new());
    last.stop();
}

#[test]
fn a_fetch_on_its_way_is_not_to_be_seen() {
    let text = large_text();
    let conduct = Conduct::Slowly {
        text: text.clone(),
        piece: 16 << 10,
        pause: Duration::from_millis(30),
    };
    let rogue = Rogue::start(conduct);
    let node = noded().start();
    introduce(&node.url, &rogue.url);
    node.control()
        .must("fetch.start", json!({"name": "slow.txt"}));
    let temporary = wait_until("the fetch writes", Duration::from_secs(30), || {
        let found = node.home().entries().into_iter().find(|n| is_temporary(n));
        found.ok_or_else(|| format!("{:?}", node.home().entries()))
    });
    assert_eq!(
        xmlrpc::query(&node.url, &temporary).map_err(|e| e.code()),
        Err(Some(100))
    );
    let get = e2e::http::get(&node.url, &format!("/files/{temporary}")).unwrap();
    assert_eq!(get.status, 404);
    let listing = node.control().must("share.list", json!({}));
    assert_eq!(listing["files"], json!([]), "{listing}");
    let hits = node
        .control()
        .must("search.query", json!({"query": "name:**"}));
    assert_eq!(hits["hits"], json!([]), "{hits}");
    let page = e2e::http::get(&node.url, "/").unwrap();
    assert!(!page.text().contains(&temporary));
    wait_until("the fetch is done", Duration::from_secs(30), || {
        (node.home().read("slow.txt") == Some(text.clone().into_bytes()))
            .then_some(())
            .ok_or_else(String::new)
    });
    assert_eq!(node.home().entries(), ["slow.txt"]);
    node.stop();
}

#[test]
fn a_stop_in_the_middle_of_a_fetch_leaves_nothing() {
    let conduct = Conduct::Slowly {
        text: large_text(),
        piece: 1 << 10,
        pause: Duration::from_millis(30),
    };
    let rogue = Rogue::start(conduct);
    let node = noded().start();
    introduce(&node.url, &rogue.url);
    node.control()
        .must("fetch.start", json!({"name": "slow.txt"}));
    e2e::eventually("the fetch writes", || {
        node.home().entries().iter().any(|n| is_temporary(n))
    });
    let home = Arc::clone(node.home());
    node.stop();
    assert_eq!(home.entries(), Vec::<String>::new());
}

#[test]
fn a_cancelled_fetch_leaves_nothing() {
    let conduct = Conduct::Slowly {
        text: large_text(),
        piece: 1 << 10,
        pause: Duration::from_millis(30),
    };
    let rogue = Rogue::start(conduct);
    let node = noded().start();
    introduce(&node.url, &rogue.url);
    let started = node
        .control()
        .must("fetch.start", json!({"name": "slow.txt"}));
    e2e::eventually("the fetch writes", || {
        node.home().entries().iter().any(|n| is_temporary(n))
    });
    node.control()
        .must("fetch.cancel", json!({"id": started["id"]}));
    e2e::eventually("the temporary is gone", || node.home().entries().is_empty());
    node.stop();
}

#[test]
fn of_many_fetches_of_one_name_one_stores_and_none_spoils() {
    let text = large_text();
    let conduct = Conduct::Slowly {
        text: text.clone(),
        piece: 64 << 10,
        pause: Duration::from_millis(2),
    };
    let rogue = Rogue::start(conduct);
    let node = noded().start();
    introduce(&node.url, &rogue.url);
    scope(|threads| {
        for at in 0..64 {
            let node = &node;
            threads.spawn(move || {
                // A place may be taken: the caps on connections are part of the world.
                if at % 2 == 0 {
                    drop(fetch(node, "one.txt"));
                } else {
                    drop(node.control().post(&json!({"jsonrpc": "2.0", "id": 1, "method": "fetch.start", "params": {"name": "one.txt"}}).to_string(), &[]));
                }
            });
        }
    });
    wait_until(
        "one fetch has stored it",
        Duration::from_secs(20),
        || match node.home().entries() {
            entries if entries == ["one.txt"] => Ok(()),
            entries => Err(format!("{entries:?}")),
        },
    );
    assert!(
        node.home().read("one.txt") == Some(text.into_bytes()),
        "other bytes"
    );
    node.stop();
}

#[test]
fn a_file_that_is_there_is_replaced_only_when_the_owner_says_so() {
    let far = noded().file("a.txt", "far").start();
    let node = noded().file("a.txt", "near").start();
    introduce(&node.url, &far.url);
    drop(fetch(&node, "a.txt"));
    assert_eq!(node.home().read("a.txt").as_deref(), Some(&b"near"[..]));
    let refused = node
        .control()
        .call("fetch.start", json!({"name": "a.txt", "replace": false}));
    assert_eq!(refused.map_err(|e| e.code), Err(1013));
    assert_eq!(node.home().read("a.txt").as_deref(), Some(&b"near"[..]));
    let status = fetch_to_the_end(&node, "a.txt", true);
    assert_eq!(status["state"], json!("done"), "{status}");
    assert_eq!(node.home().read("a.txt").as_deref(), Some(&b"far"[..]));
    assert_eq!(node.home().entries(), ["a.txt"]);
    node.stop();
    far.stop();
}

#[test]
fn a_replacement_that_fails_leaves_the_old_file() {
    let rogue = Rogue::start(Conduct::Truncate(1_000_000));
    let node = noded().file("a.txt", "near").start();
    introduce(&node.url, &rogue.url);
    let status = fetch_to_the_end(&node, "a.txt", true);
    assert_eq!(status["state"], json!("failed"), "{status}");
    assert_eq!(node.home().read("a.txt").as_deref(), Some(&b"near"[..]));
    assert_eq!(node.home().entries(), ["a.txt"]);
    node.stop();
}

#[test]
fn a_full_disk_is_a_fault_and_nothing_more() {
    let rogue = Rogue::start(Conduct::Body(answer_of(&format!(
        "<string>{}</string>",
        "x".repeat(4 << 20)
    ))));
    // A limit on the size of files stands for the disk; its signal has to be ignored, as a full disk sends none.
    let mut node = noded()
        .file("small.txt", "small")
        .limits("trap '' XFSZ; ulimit -f 2000")
        .start();
    introduce(&node.url, &rogue.url);
    for round in 0..5 {
        let answer = fetch(&node, &format!("large-{round}.txt"));
        assert!(
            matches!(answer, Err(xmlrpc::CallError::Fault { .. })),
            "{answer:?}"
        );
        assert_eq!(node.home().entries(), ["small.txt"]);
    }
    assert_eq!(xmlrpc::query(&node.url, "small.txt"), Ok(b"small".to_vec()));
    node.assert_healthy();
    node.stop();
}

#[test]
fn a_share_that_cannot_be_written_is_a_fault() {
    let far = noded().file("far.txt", "far").start();
    let node = noded().file("near.txt", "near").start();
    introduce(&node.url, &far.url);
    std::fs::rename(node.home().share(), node.home().root().join("moved")).unwrap();
    std::fs::remove_dir_all(node.home().root().join("moved")).unwrap();
    let answer = fetch(&node, "far.txt");
    assert!(
        matches!(answer, Err(xmlrpc::CallError::Fault { .. })),
        "{answer:?}"
    );
    node.stop();
    far.stop();
}

#[test]
fn directories_of_a_name_are_made() {
    let far = noded().file("a/b/c.txt", "deep").start();
    let node = noded().start();
    introduce(&node.url, &far.url);
    assert_eq!(fetch(&node, "a/b/c.txt"), Ok(Value::Int(0)));
    assert_eq!(node.home().read("a/b/c.txt").as_deref(), Some(&b"deep"[..]));
    node.stop();
    far.stop();
}

#[test]
fn another_directory_at_the_path_takes_no_file_until_accepted() {
    let far = noded().file("far.txt", "far").start();
    let node = noded().file("near.txt", "near").start();
    let home = Arc::clone(node.home());
    let options = node.stop_for_restart();
    std::fs::rename(home.share(), home.root().join("disk")).unwrap();
    std::fs::create_dir(home.share()).unwrap();
    let node = options.start();
    introduce(&node.url, &far.url);
    let status = node.control().must("node.status", json!({}));
    let trouble = status["share_trouble"].as_str().unwrap_or_default();
    assert!(trouble.contains("ctl call share.accept"), "{status}");
    let started = node
        .control()
        .call("fetch.start", json!({"name": "far.txt", "replace": false}));
    let error = started.expect_err("nothing is stored");
    assert!(error.message.contains("the share is away"), "{error:?}");
    assert_eq!(home.entries(), Vec::<String>::new());
    assert_eq!(node.control().must("share.accept", json!({})), json!(true));
    assert_eq!(
        fetch_to_the_end(&node, "far.txt", false)["state"],
        json!("done")
    );
    assert_eq!(home.entries(), ["far.txt"]);
    let status = node.control().must("node.status", json!({}));
    assert_eq!(status["share_trouble"], json!(null), "{status}");
    node.stop();
    far.stop();
}
