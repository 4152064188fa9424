//! Tests of data for a page: folders of the share, content by its digest, identities and referrals of peers.

use std::time::Duration;

use e2e::{NodeProcess, introduce, wait_until};
use serde_json::{Value, json};

use crate::world::noded;

fn names(list: &Value) -> Vec<&str> {
    let list = list.as_array().expect("a list").iter();
    list.map(|entry| entry["name"].as_str().unwrap_or_default())
        .collect()
}

#[test]
fn a_folder_is_listed_without_what_is_below() {
    let node = noded()
        .file("a.txt", "1")
        .file("b/1.txt", "22")
        .file("b/c/2.txt", "333")
        .file("b.txt", "4")
        .start();
    let browse = |params: Value| node.control().must("share.browse", params);
    let top = browse(json!({}));
    assert_eq!(names(&top["files"]), ["a.txt", "b.txt"]);
    assert_eq!(
        top["folders"],
        json!([{ "name": "b", "files": 2, "size": 5 }])
    );
    let inside = browse(json!({ "folder": "b" }));
    assert_eq!(
        (names(&inside["files"]), names(&inside["folders"])),
        (vec!["b/1.txt"], vec!["b/c"])
    );
    let first = browse(json!({ "limit": 1 }));
    assert_eq!(
        (names(&first["files"]), first["next"].as_str()),
        (vec!["a.txt"], Some("a.txt"))
    );
    let second = browse(json!({ "limit": 1, "after": "a.txt" }));
    assert_eq!(
        (names(&second["files"]), &second["next"]),
        (vec!["b.txt"], &Value::Null)
    );
    let out = node
        .control()
        .call("share.browse", json!({ "folder": "../" }));
    assert_eq!(out.unwrap_err().code, 1002);
    node.stop();
}

fn digest(node: &NodeProcess, name: &str) -> Value {
    wait_until("the digest is known", Duration::from_secs(30), || {
        let file = node.control().must("share.stat", json!({ "name": name }));
        Some(file["digest"].clone())
            .filter(Value::is_string)
            .ok_or_else(|| file.to_string())
    })
}

#[test]
fn a_fetch_by_digest_takes_that_content_and_no_other() {
    let (one, two) = (
        noded().file("x.txt", "one").start(),
        noded().file("other name.txt", "two").start(),
    );
    let node = noded().start();
    introduce(&node.url, &one.url);
    introduce(&node.url, &two.url);
    let wanted = digest(&two, "other name.txt");
    let fetch = |digest: &Value| {
        let started = node
            .control()
            .call("fetch.start", json!({ "name": "x.txt", "digest": digest }));
        started.map(|started| {
            node.control()
                .must("fetch.wait", json!({ "id": started["id"], "seconds": 20 }))
        })
    };
    let nobody = fetch(&json!("0".repeat(64))).unwrap();
    assert_eq!(
        (&nobody["state"], &nobody["error"]["code"]),
        (&json!("failed"), &json!("not_found")),
        "{nobody}"
    );
    assert_eq!(fetch(&json!("short")).unwrap_err().code, 1002);
    let done = fetch(&wanted).unwrap();
    assert_eq!(
        (&done["state"], &done["digest"]),
        (&json!("done"), &wanted),
        "{done}"
    );
    assert_eq!(node.home().read("x.txt").as_deref(), Some(&b"two"[..]));
    for node in [node, one, two] {
        node.stop();
    }
}

#[test]
fn peers_have_kind_and_latency_and_a_trace_has_referrers() {
    let (near, middle, far) = (
        noded().start(),
        noded().start(),
        noded().file("x.txt", "x").start(),
    );
    introduce(&middle.url, &far.url);
    introduce(&near.url, &middle.url);
    wait_until("the peer has answered", Duration::from_secs(30), || {
        let peers = near.control().must("peer.list", json!({}));
        let is_known = peers[0]["kind"] == "sixhop" && peers[0]["latency"].is_u64();
        if is_known {
            Ok(())
        } else {
            Err(peers.to_string())
        }
    });
    let answer = near
        .control()
        .must("search.query", json!({ "query": "x.txt", "reach": "sure" }));
    let trace = answer["trace"].as_array().unwrap();
    let step = |url: &str| {
        trace
            .iter()
            .find(|step| step["node"] == url)
            .unwrap_or_else(|| panic!("{answer}"))
    };
    assert_eq!(step(&middle.url)["named_by"], Value::Null);
    assert_eq!(step(&far.url)["named_by"], json!(middle.url));
    for node in [near, middle, far] {
        node.stop();
    }
}
