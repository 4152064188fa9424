//! Fetches that several want: joined, queued, and received once.

use std::collections::BTreeSet;
use std::thread::scope;
use std::time::Duration;

use e2e::{NodeProcess, wait_until};
use serde_json::{Value, json};

use super::{asker, content, over, slow, start, wait_for_bytes};
use crate::world::{ctl, noded};

const MIB: u64 = 1 << 20;

fn batch_over(node: &NodeProcess, id: &Value) -> Value {
    wait_until("the batch is over", Duration::from_secs(120), || {
        let wait = json!({ "id": id, "seconds": 5 });
        let batch = node.control().must("fetch.wait_matching", wait);
        if batch["over"] == true {
            Ok(batch)
        } else {
            Err(batch.to_string())
        }
    })
}

fn digest_of(node: &NodeProcess, name: &str) -> Value {
    wait_until("the digest is known", Duration::from_secs(30), || {
        let stat = node.control().must("share.stat", json!({ "name": name }));
        match &stat["digest"] {
            Value::String(_) => Ok(stat["digest"].clone()),
            _ => Err(stat.to_string()),
        }
    })
}

#[test]
fn one_who_stops_waiting_does_not_stop_the_others() {
    let bytes = content(16 << 20);
    let holder = slow().file("a.bin", &bytes).start();
    let asker = asker(&[&holder.url]);
    scope(|threads| {
        let patient = threads.spawn(|| ctl(asker.home()).args(["fetch", "a.bin"]).run());
        wait_until("it runs", Duration::from_secs(30), || {
            let list = asker.control().must("fetch.list", json!({}));
            let bytes = list[0]["bytes"].as_u64();
            (bytes > Some(0)).then_some(()).ok_or(list.to_string())
        });
        let late = ctl(asker.home())
            .args(["--timeout", "500ms", "fetch", "a.bin"])
            .run();
        drop(late.expect_code(124));
        let done = patient.join().expect("it ends");
        drop(done.expect_code(0));
    });
    assert!(asker.home().read("a.bin") == Some(bytes));
}

#[test]
fn the_last_one_who_cancels_stops_the_fetch() {
    let holder = slow().file("a.bin", content(16 << 20)).start();
    let asker = asker(&[&holder.url]);
    let first = start(&asker, "a.bin");
    let second = start(&asker, "a.bin");
    assert_eq!(first["id"], second["id"]);
    let cancel = || {
        asker
            .control()
            .must("fetch.cancel", json!({ "id": first["id"] }))
    };
    let state = cancel()["state"].clone();
    assert!(
        ["queued", "searching", "receiving"].contains(&state.as_str().unwrap()),
        "{state}"
    );
    assert_eq!(cancel()["state"], "cancelled");
}

#[test]
fn cancelling_for_everybody_stops_a_joined_fetch() {
    let holder = slow().file("a.bin", content(16 << 20)).start();
    let asker = asker(&[&holder.url]);
    let first = start(&asker, "a.bin");
    start(&asker, "a.bin");
    start(&asker, "a.bin");
    wait_for_bytes(&asker, &first, 0);
    let cancel = |everybody: bool| {
        let which = json!({ "id": first["id"], "everybody": everybody });
        asker.control().must("fetch.cancel", which)["state"].clone()
    };
    assert_eq!(cancel(false), "receiving", "two others still want it");
    assert_eq!(cancel(true), "cancelled");
    assert_eq!(over(&asker, &first)["state"], "cancelled");
    assert_eq!(asker.home().read("a.bin"), None);
}

#[test]
fn cancelling_a_batch_spares_a_fetch_of_its_own() {
    let bytes = content(16 << 20);
    let holder = slow()
        .file("zz.bin", &bytes)
        .file("zz2.bin", content(9 << 20));
    let holder = holder.start();
    let asker = asker(&[&holder.url]);
    let own = start(&asker, "zz.bin");
    wait_for_bytes(&asker, &own, MIB);
    let batch = asker
        .control()
        .must("fetch.start_matching", json!({ "query": "name:zz*" }));
    wait_until("the batch fetches", Duration::from_secs(30), || {
        let list = asker.control().must("fetch.list", json!({}));
        let begun = list.as_array().is_some_and(|list| list.len() == 2);
        begun.then_some(()).ok_or(list.to_string())
    });
    let id = json!({ "id": batch["id"] });
    assert_eq!(
        asker.control().must("fetch.cancel_matching", id)["cancelled"],
        true
    );
    assert_eq!(over(&asker, &own)["state"], "done");
    assert!(asker.home().read("zz.bin") == Some(bytes));
    let list = asker.control().must("fetch.list", json!({}));
    assert_eq!(list[1]["state"], "cancelled", "{list}");
}

#[test]
fn another_digest_is_another_fetch() {
    let (one, two) = (content(8 << 20), content(9 << 20));
    let holder = slow().file("one.bin", &one).file("two.bin", &two).start();
    let [first, second] = ["one.bin", "two.bin"].map(|name| digest_of(&holder, name));
    let asker = asker(&[&holder.url]);
    let begin = |digest: &Value| {
        let wanted = json!({ "name": "x.bin", "digest": digest });
        asker.control().must("fetch.start", wanted)
    };
    let (begun, same, other) = (begin(&first), begin(&first), begin(&second));
    assert_eq!(begun["id"], same["id"]);
    assert_ne!(begun["id"], other["id"]);
    let ended = [over(&asker, &begun), over(&asker, &other)];
    let done: Vec<_> = ended
        .iter()
        .filter(|status| status["state"] == "done")
        .collect();
    assert_eq!(done.len(), 1, "{ended:?}");
    let stored = asker.home().read("x.bin");
    let expected = if done[0]["id"] == begun["id"] {
        one
    } else {
        two
    };
    assert!(stored == Some(expected));
}

#[test]
fn thirty_batches_of_thirty_files_finish_and_numbers_differ() {
    let mut holder = noded();
    for n in 0..900 {
        holder = holder.file(&format!("d{}/{n}.txt", n % 30), format!("file {n}"));
    }
    let holder = holder.start();
    let asker = asker(&[&holder.url]);
    let mut ids = BTreeSet::new();
    for n in 0..30 {
        let query = json!({ "query": format!("name:d{n}/**") });
        let batch = asker.control().must("fetch.start_matching", query);
        assert!(ids.insert(batch["id"].as_u64().unwrap()));
    }
    for id in &ids {
        let batch = batch_over(&asker, &json!(id));
        assert_eq!(
            (&batch["found"], &batch["done"]),
            (&json!(30), &json!(30)),
            "{batch}"
        );
    }
    let asker = asker.stop_for_restart().start();
    let batch = asker
        .control()
        .must("fetch.start_matching", json!({ "query": "name:d1/*" }));
    assert!(batch["id"].as_u64() > ids.last().copied());
}

#[test]
fn content_that_is_here_is_copied() {
    for size in [1_000, 3_000_000] {
        let bytes = content(size);
        let holder = noded().file("far.bin", &bytes).start();
        let asker = noded()
            .file("here.bin", &bytes)
            .args(["--peer", &holder.url])
            .start();
        digest_of(&asker, "here.bin");
        let status = over(&asker, &start(&asker, "far.bin"));
        assert_eq!(
            (&status["state"], &status["bytes"]),
            (&json!("done"), &json!(size))
        );
        assert!(asker.home().read("far.bin") == Some(bytes));
        assert_eq!(holder.counter("bytes_served"), 0);
    }
}

#[test]
fn content_with_two_names_is_received_once() {
    let bytes = content(6 << 20);
    let holder = slow()
        .file("d/one.bin", &bytes)
        .file("d/two.bin", &bytes)
        .start();
    digest_of(&holder, "d/two.bin");
    let asker = asker(&[&holder.url]);
    let _ = ctl(asker.home()).args(["fetch", "d/"]).run().expect_code(0);
    for name in ["d/one.bin", "d/two.bin"] {
        assert!(asker.home().read(name).as_ref() == Some(&bytes), "{name}");
    }
    let served = holder.counter("bytes_served");
    assert!(served < 7 * MIB, "{served} bytes");
}
