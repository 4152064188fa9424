//! Content with a digest and content without one never mix.

use std::time::Duration;

use e2e::rogue::answer_of;
use e2e::{Conduct, Deserted, NodeProcess, Proxy, Rogue, wait_until};
use serde_json::{Value, json};

use super::{asker, content, over, slow, start, temporaries, wait_for_bytes};
use crate::world::{ctl, noded};

const SHORT: &str = "eighteen bytes, ok";

/// Starts a peer of the book that has 18 bytes under every name.
fn book() -> Rogue {
    Rogue::start(Conduct::Body(answer_of(&format!(
        "<string>{SHORT}</string>"
    ))))
}

fn address(node: &NodeProcess) -> String {
    node.url
        .trim_start_matches("http://")
        .trim_end_matches('/')
        .to_owned()
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

/// Waits until the only fetch of a node is in this state.
fn wait_for_state(node: &NodeProcess, state: &str) -> Value {
    wait_until("the fetch gets there", Duration::from_secs(40), || {
        let list = node.control().must("fetch.list", json!({}));
        if list[0]["state"] == state {
            Ok(list[0].clone())
        } else {
            Err(list.to_string())
        }
    })
}

#[test]
fn a_shorter_file_after_a_crash_is_stored_as_it_is() {
    let holder = slow().file("a.bin", content(24 << 20)).start();
    let gone = Deserted::new();
    let asker = asker(&[&holder.url, &gone.url]);
    wait_for_bytes(&asker, &start(&asker, "a.bin"), 3 << 20);
    let asker = asker.kill();
    let at = address(&holder);
    let holder = holder.kill().listen(at);
    holder.home().put("a.bin", content(2_000_000));
    let holder = holder.start();
    digest_of(&holder, "a.bin");
    let asker = asker.start();
    let status = wait_for_state(&asker, "done");
    assert_eq!(status["bytes"], 2_000_000, "{status}");
    assert!(asker.home().read("a.bin") == Some(content(2_000_000)));
    assert_eq!(temporaries(&asker.home().share()), 0);
}

#[test]
fn a_digest_taken_up_again_is_not_asked_for_by_name() {
    let holder = slow().file("a.bin", content(24 << 20)).start();
    let digest = digest_of(&holder, "a.bin");
    let asker = asker(&[&holder.url]);
    let wanted = json!({ "name": "b.bin", "digest": digest });
    let started = asker.control().must("fetch.start", wanted);
    wait_for_bytes(&asker, &started, 3 << 20);
    let asker = asker.kill();
    let _away = holder.kill();
    let book = book();
    let asker = asker.args(["--peer", &book.url]).start();
    wait_for_state(&asker, "waiting");
    assert_eq!(asker.home().read("b.bin"), None);
    assert_eq!(book.queries(), 0);
    assert_eq!(temporaries(&asker.home().share()), 1);
}

#[test]
fn a_tree_without_content_leaves_nothing_in_an_answer_to_query() {
    let holder = noded().file("a.bin", content(3_000_000)).start();
    let withholding = Proxy::withholding(&holder.url);
    let book = book();
    let asker = asker(&[&withholding.url, &book.url]);
    let status = over(&asker, &start(&asker, "a.bin"));
    assert_eq!(status["state"], "done", "{status}");
    assert_eq!(
        (&status["bytes"], &status["digest"]),
        (&json!(SHORT.len()), &Value::Null),
        "{status}"
    );
    assert_eq!(asker.home().read("a.bin"), Some(SHORT.into()));
    assert_eq!(temporaries(&asker.home().share()), 0);
}

#[test]
fn a_liar_is_not_asked_by_query_for_the_same_file() {
    for size in [5, 300_000, 3_000_000] {
        let behind = noded().file("a.bin", content(size)).start();
        let liar = Proxy::corrupting(&behind.url);
        let gone = Deserted::new();
        let asker = asker(&[&liar.url, &gone.url]);
        let ended = ctl(asker.home()).args(["--json", "fetch", "a.bin"]).run();
        let last: Value = serde_json::from_str(ended.stdout.lines().last().unwrap()).unwrap();
        assert_eq!(
            (&last["state"], &last["digest"]),
            (&json!("failed"), &Value::Null)
        );
        drop(ended.expect_code(32));
        assert_eq!(asker.home().read("a.bin"), None);
        assert_eq!(asker.counter("queries_sent"), 0, "{size}");
        assert_eq!(temporaries(&asker.home().share()), 0);
    }
}

#[test]
fn beside_a_liar_an_answer_to_query_has_no_digest() {
    let behind = noded().file("a.bin", content(300_000)).start();
    let liar = Proxy::corrupting(&behind.url);
    let book = book();
    let asker = asker(&[&liar.url, &book.url]);
    let status = over(&asker, &start(&asker, "a.bin"));
    assert_eq!(
        (&status["state"], &status["digest"]),
        (&json!("done"), &Value::Null)
    );
    assert_eq!(asker.home().read("a.bin"), Some(SHORT.into()));
    assert_eq!(book.queries(), 1);
}
