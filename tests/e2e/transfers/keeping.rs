//! Tests that received bytes are kept, and the next fetch goes on with them.

use std::time::Duration;

use e2e::{NodeProcess, wait_until};
use serde_json::{Value, json};

use super::{asker, content, over, slow, start, temporaries, wait_for_bytes};
use crate::world::ctl;

const SIZE: u64 = 16 << 20;
const MIB: u64 = 1 << 20;

fn address(node: &NodeProcess) -> String {
    node.url
        .trim_start_matches("http://")
        .trim_end_matches('/')
        .to_owned()
}

fn wait_for_state(node: &NodeProcess, state: &str) -> Value {
    wait_until("the fetch gets there", Duration::from_secs(40), || {
        let list = node.control().must("fetch.list", json!({}));
        let last = list.as_array().and_then(|list| list.last());
        match last {
            Some(last) if last["state"] == state => Ok(last.clone()),
            _ => Err(list.to_string()),
        }
    })
}

#[test]
fn a_holder_that_restarts_is_waited_for() {
    let bytes = content(16 << 20);
    let holder = slow().file("a.bin", &bytes).start();
    let asker = asker(&[&holder.url]);
    let started = start(&asker, "a.bin");
    wait_for_bytes(&asker, &started, 4 * MIB);
    let at = address(&holder);
    let holder = holder.kill().listen(at);
    let waiting = wait_for_state(&asker, "waiting");
    assert!(waiting["bytes"].as_u64() > Some(3 * MIB), "{waiting}");
    std::thread::sleep(Duration::from_secs(4));
    let holder = holder.start();
    let status = over(&asker, &started);
    assert_eq!(status["state"], "done", "{status}");
    assert!(asker.home().read("a.bin") == Some(bytes));
    let again = holder.counter("bytes_served");
    assert!(again < SIZE - 3 * MIB, "{again} bytes came again");
}

#[test]
fn a_suspended_holder_is_waited_for() {
    let bytes = content(16 << 20);
    let holder = slow().file("a.bin", &bytes).start();
    let asker = asker(&[&holder.url]);
    let started = start(&asker, "a.bin");
    wait_for_bytes(&asker, &started, 4 * MIB);
    holder.signal("STOP");
    wait_for_state(&asker, "waiting");
    holder.signal("CONT");
    let status = over(&asker, &started);
    assert_eq!(status["state"], "done", "{status}");
    assert!(asker.home().read("a.bin") == Some(bytes));
}

#[test]
fn after_a_crash_of_both_the_asker_waits_for_the_holder() {
    let bytes = content(16 << 20);
    let holder = slow().file("a.bin", &bytes).start();
    let asker = asker(&[&holder.url]);
    let started = start(&asker, "a.bin");
    wait_for_bytes(&asker, &started, 4 * MIB);
    let (asker, at) = (asker.kill(), address(&holder));
    let holder = holder.kill().listen(at);
    let asker = asker.start();
    let waiting = wait_for_state(&asker, "waiting");
    assert_eq!(waiting["id"], started["id"]);
    let holder = holder.start();
    wait_for_state(&asker, "done");
    assert!(asker.home().read("a.bin") == Some(bytes));
    let again = holder.counter("bytes_served");
    assert!(again < SIZE - 3 * MIB, "{again} bytes came again");
}

#[test]
fn a_timeout_keeps_what_came_and_says_how_to_drop_it() {
    let bytes = content(16 << 20);
    let holder = slow().file("a.bin", &bytes).start();
    let asker = asker(&[&holder.url]);
    let late = ctl(asker.home())
        .args(["--timeout", "2s", "fetch", "a.bin"])
        .run();
    let late = late.expect_code(124);
    assert!(
        late.stderr.contains("kept") && late.stderr.contains("ctl transfers drop"),
        "{}",
        late.stderr
    );
    let kept = wait_for_state(&asker, "cancelled");
    assert!(kept["kept"]["bytes"].as_u64() > Some(3 * MIB), "{kept}");
    let asker = asker.stop_for_restart().start();
    assert_eq!(wait_for_state(&asker, "cancelled")["kept"], kept["kept"]);
    let digest = format!("blake3:{}", kept["digest"].as_str().unwrap().to_uppercase());
    let _ = ctl(asker.home())
        .args(["fetch", &digest])
        .run()
        .expect_code(0);
    let name = kept["digest"].as_str().unwrap();
    assert!(asker.home().read(name) == Some(bytes));
    let served = holder.counter("bytes_served");
    assert!(served < SIZE + 3 * MIB, "{served} bytes for {SIZE}");
    assert_eq!(temporaries(&asker.home().share()), 0);
}

#[test]
fn a_stop_of_the_node_keeps_what_came() {
    let bytes = content(16 << 20);
    let holder = slow().file("a.bin", &bytes).start();
    let asker = asker(&[&holder.url]);
    let started = start(&asker, "a.bin");
    wait_for_bytes(&asker, &started, 4 * MIB);
    let options = asker.stop_for_restart();
    assert_eq!(temporaries(&options.home().share()), 1);
    let asker = options.start();
    let status = wait_for_state(&asker, "done");
    assert_eq!(status["id"], started["id"], "it is the same fetch");
    assert!(asker.home().read("a.bin") == Some(bytes));
    let served = holder.counter("bytes_served");
    assert!(served < SIZE + 3 * MIB, "{served} bytes for {SIZE}");
}

#[test]
fn a_dropped_fetch_leaves_nothing() {
    let holder = slow().file("a.bin", content(16 << 20)).start();
    let asker = asker(&[&holder.url]);
    for wanted in [json!({ "name": "a.bin" }), json!({ "id": Value::Null })] {
        let started = start(&asker, "a.bin");
        wait_for_bytes(&asker, &started, MIB);
        let cancelled = asker
            .control()
            .must("fetch.cancel", json!({ "id": started["id"] }));
        assert!(cancelled["kept"]["bytes"].as_u64() > Some(0), "{cancelled}");
        assert_eq!(temporaries(&asker.home().share()), 1);
        let wanted = if wanted["name"].is_null() {
            json!({ "id": started["id"] })
        } else {
            wanted
        };
        let dropped = asker.control().must("fetch.drop", wanted.clone());
        assert_eq!(dropped[0]["id"], started["id"]);
        assert_eq!(dropped[0]["kept"], Value::Null);
        assert_eq!(temporaries(&asker.home().share()), 0);
        let none = asker.control().call("fetch.drop", wanted);
        assert_eq!(none.map_err(|error| error.code), Err(1003));
    }
    // One that runs is stopped and removed.
    let started = start(&asker, "a.bin");
    wait_for_bytes(&asker, &started, MIB);
    asker
        .control()
        .must("fetch.drop", json!({ "name": "a.bin" }));
    assert_eq!(temporaries(&asker.home().share()), 0);
    let asker = asker.stop_for_restart().start();
    assert_eq!(asker.control().must("fetch.list", json!({})), json!([]));
}
