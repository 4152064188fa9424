//! Tests of first meetings, and of nodes that come back with another key.

use std::{fs, sync::Arc, time::Duration};

use e2e::{NodeProcess, Tapping, Wire, http, wait_until};
use serde_json::{Value, json};

use crate::world::{ctl, noded};

fn id_of(node: &NodeProcess) -> String {
    let status = node.control().must("node.status", json!({}));
    status["id"].as_str().expect("an id").to_owned()
}

fn has_event(node: &NodeProcess, kind: &str) -> bool {
    let page = node.control().must("events.since", json!({ "id": 0 }));
    page.to_string().contains(kind)
}

/// Waits until `node` speaks TLS to `id` at `url`.
fn met(node: &NodeProcess, url: &str, id: &str) {
    wait_until("the node is met over TLS", Duration::from_secs(30), || {
        let peers = node.control().must("peer.list", json!({}));
        let is_it = |peer: &Value| peer["url"] == url && peer["id"] == id && peer["path"] == "tls";
        let is_met = peers
            .as_array()
            .is_some_and(|peers| peers.iter().any(is_it));
        is_met.then_some(()).ok_or_else(|| peers.to_string())
    });
}

#[test]
fn a_node_whose_word_of_tls_is_hidden_is_met_over_tls() {
    let wire = Wire::new();
    let holder = noded()
        .args(["--url", &wire.url])
        .file("a.txt", "over TLS")
        .start();
    let status = holder.control().must("node.status", json!({}));
    wire.lead_to(status["listen"].as_str().unwrap().parse().unwrap());
    wire.tap(Tapping::HidesTls);
    let node = noded().start();
    node.control().must("peer.add", json!({ "url": wire.url }));
    met(&node, &wire.url, &id_of(&holder));
    assert!(has_event(&node, "peer.downgrade"), "the owner is told");
    let before = wire.in_clear();
    assert_eq!(ctl(node.home()).args(["fetch", "a.txt"]).run().code, 0);
    assert_eq!(wire.in_clear(), before, "nothing more is said in clear");
    // Beside it, who is met without anybody on the path is told nothing.
    let honest = noded().start();
    let other = noded().start();
    honest
        .control()
        .must("peer.add", json!({ "url": other.url }));
    met(&honest, &other.url, &id_of(&other));
    assert!(!has_event(&honest, "peer.downgrade"));
    for node in [holder, node, honest, other] {
        node.stop();
    }
}

#[test]
fn a_node_whose_tls_is_denied_when_it_is_met_hears_nothing() {
    let wire = Wire::new();
    let holder = noded()
        .args(["--url", &wire.url])
        .file("a.txt", "a private text")
        .start();
    let status = holder.control().must("node.status", json!({}));
    wire.lead_to(status["listen"].as_str().unwrap().parse().unwrap());
    wire.tap(Tapping::DeniesTls);
    let node = noded().start();
    // Without anybody on the path there is another holder, who is heard.
    let honest = noded().file("b.txt", "for all").start();
    node.control()
        .must("peer.add", json!({ "url": honest.url }));
    met(&node, &honest.url, &id_of(&honest));
    node.control().must("peer.add", json!({ "url": wire.url }));
    assert!(has_event(&node, "peer.downgrade"), "the owner is told");
    let before = wire.in_clear();
    let search = ctl(node.home()).args(["search", "quillwort"]).run();
    assert_ne!(search.code, 0);
    let options = ["--timeout", "3s", "fetch", "a.txt"];
    assert_ne!(ctl(node.home()).args(options).run().code, 0);
    assert_eq!(ctl(node.home()).args(["fetch", "b.txt"]).run().code, 0);
    assert_eq!(wire.in_clear(), before, "nothing more is said in clear");
    assert!(!wire.has_seen(b"quillwort") && !wire.has_seen(b"a private text"));
    // When it is over, the node is met.
    wire.tap(Tapping::Passes);
    node.control().must("peer.add", json!({ "url": wire.url }));
    met(&node, &wire.url, &id_of(&holder));
    assert_eq!(ctl(node.home()).args(["fetch", "a.txt"]).run().code, 0);
    for node in [holder, node, honest] {
        node.stop();
    }
}

#[test]
fn a_new_key_at_an_address_is_taken_when_the_owner_names_it() {
    let lost = noded().file("a.txt", "with a new key").start();
    let node = noded().start();
    node.control().must("peer.add", json!({ "url": lost.url }));
    let (url, old) = (lost.url.clone(), id_of(&lost));
    met(&node, &url, &old);
    let (home, listen) = (Arc::clone(lost.home()), http::address(&url).to_string());
    lost.stop();
    fs::remove_file(home.state().join("node-key")).unwrap();
    let lost = noded().at(&home).listen(listen).start();
    assert_ne!(id_of(&lost), old);
    let refused = node.control().must("peer.add", json!({ "url": url }));
    let error = refused["last_error"].as_str().unwrap_or_default();
    assert!(
        error.contains("ctl peers rm"),
        "it says what to do: {refused}"
    );
    assert!(has_event(&node, "peer.downgrade"));
    assert_ne!(
        ctl(node.home())
            .args(["--timeout", "2s", "fetch", "a.txt"])
            .run()
            .code,
        0
    );
    // The new address, from where the node is, is taken at once.
    let invited = ctl(&home).args(["invite"]).run().expect_code(0).stdout;
    let hello = ctl(node.home()).args(["hello", invited.trim()]).run();
    assert_eq!(hello.code, 0, "{hello:?}");
    met(&node, &url, &id_of(&lost));
    assert_eq!(ctl(node.home()).args(["fetch", "a.txt"]).run().code, 0);
    // Over a restart too: the owner chose it.
    let node = node.stop_for_restart().start();
    met(&node, &url, &id_of(&lost));
    node.stop();
    lost.stop();
}

#[test]
fn a_node_that_was_not_reached_at_first_is_met_soon() {
    let wire = Wire::new();
    let holder = noded().args(["--url", &wire.url]).start();
    let node = noded().start();
    // The wire leads nowhere yet: connections break.
    let added = node.control().must("peer.add", json!({ "url": wire.url }));
    assert_eq!(added["state"], "failing", "{added}");
    let status = holder.control().must("node.status", json!({}));
    wire.lead_to(status["listen"].as_str().unwrap().parse().unwrap());
    met(&node, &wire.url, &id_of(&holder));
    for node in [holder, node] {
        node.stop();
    }
}
