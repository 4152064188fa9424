//! Content by its digest: whole, in part, and never another than was asked for.

use std::fs;
use std::io::Write;
use std::time::Duration;

use e2e::http::{self, Answer};
use e2e::{NodeProcess, eventually, xmlrpc};

use crate::world::noded;

fn content(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at * 31 % 251) as u8).collect()
}

fn with(node: &NodeProcess, path: &str, headers: &str) -> Answer {
    let request = format!("GET {path} HTTP/1.1\r\nHost: HOST\r\n{headers}\r\n");
    let host = http::address(&node.url).to_string();
    http::exchange(&node.url, request.replace("HOST", &host).as_bytes()).expect("an answer")
}

fn tag(node: &NodeProcess, name: &str) -> String {
    let answer = http::get(&node.url, &format!("/files/{name}")).expect("the file");
    answer.header("etag").expect("its digest").to_owned()
}

fn digest(node: &NodeProcess, name: &str) -> String {
    tag(node, name).trim_matches('"').to_owned()
}

#[test]
fn the_tag_of_a_file_is_its_digest_and_leads_to_its_bytes() {
    let bytes = content(700_000);
    let node = noded().file("a.bin", &bytes).file("empty", "").start();
    // BLAKE3 of nothing.
    assert_eq!(
        digest(&node, "empty"),
        "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"
    );
    let digest = digest(&node, "a.bin");
    let blob = http::get(&node.url, &format!("/blobs/{digest}")).unwrap();
    assert_eq!((blob.status, blob.body == bytes), (200, true));
    assert_eq!(blob.header("etag"), Some(format!("\"{digest}\"").as_str()));
    for (range, expected) in [
        ("0-0", 0..1),
        ("262143-262144", 262_143..262_145),
        ("699999-", 699_999..700_000),
        ("-10", 699_990..700_000),
    ] {
        let part = with(
            &node,
            &format!("/blobs/{digest}"),
            &format!("Range: bytes={range}\r\n"),
        );
        assert_eq!(part.status, 206, "{range}");
        assert!(part.body == bytes[expected.clone()], "{range}");
        let said = format!("bytes {}-{}/700000", expected.start, expected.end - 1);
        assert_eq!(part.header("content-range"), Some(said.as_str()));
    }
    let beyond = with(
        &node,
        &format!("/blobs/{digest}"),
        "Range: bytes=700000-\r\n",
    );
    assert_eq!(beyond.status, 416);
    let tree = http::get(&node.url, &format!("/blobs/{digest}/tree")).unwrap();
    assert_eq!((tree.status, tree.body.len()), (200, 8 + 3 * 32));
    assert_eq!(tree.body[..8], 700_000_u64.to_le_bytes());
    node.stop();
}

#[test]
fn what_is_not_there_or_no_digest_is_refused() {
    let node = noded().start();
    let absent = "0".repeat(64);
    for (path, status) in [
        (format!("/blobs/{absent}"), 404),
        (format!("/blobs/{absent}/tree"), 404),
        ("/blobs/xyz".to_owned(), 400),
        ("/blobs/xyz/tree".to_owned(), 400),
        ("/blobs/..%2f..%2fetc%2fpasswd".to_owned(), 400),
        ("/blobs/".to_owned(), 404),
    ] {
        let answer = http::get(&node.url, &path).unwrap();
        assert_eq!(answer.status, status, "{path}");
    }
    node.stop();
}

#[test]
fn conditions_on_the_digest_are_honoured() {
    let node = noded().file("a.txt", "some text").start();
    let tag = tag(&node, "a.txt");
    let asked = |headers: String| with(&node, "/files/a.txt", &headers);
    for known in [
        tag.clone(),
        format!("W/{tag}"),
        format!("\"x\", {tag}"),
        "*".to_owned(),
    ] {
        let answer = asked(format!("If-None-Match: {known}\r\n"));
        assert_eq!((answer.status, answer.body.len()), (304, 0), "{known}");
    }
    assert_eq!(asked("If-None-Match: \"x\"\r\n".to_owned()).status, 200);
    let part = asked(format!("Range: bytes=0-3\r\nIf-Range: {tag}\r\n"));
    assert_eq!((part.status, part.text().as_str()), (206, "some"));
    let whole = asked("Range: bytes=0-3\r\nIf-Range: \"other\"\r\n".to_owned());
    assert_eq!((whole.status, whole.text().as_str()), (200, "some text"));
    node.stop();
}

#[test]
fn a_changed_file_is_never_given_out_under_its_old_digest() {
    let node = noded().file("a.txt", "one").start();
    let path = node.home().share().join("a.txt");
    let old = digest(&node, "a.txt");
    fs::write(&path, "two").unwrap();
    assert_eq!(
        http::get(&node.url, &format!("/blobs/{old}"))
            .unwrap()
            .status,
        404
    );
    assert_ne!(digest(&node, "a.txt"), old);
    fs::write(&path, "one").unwrap();
    assert_eq!(digest(&node, "a.txt"), old);
    assert_eq!(
        http::get(&node.url, &format!("/blobs/{old}"))
            .unwrap()
            .text(),
        "one"
    );
    node.stop();
}

#[test]
fn a_file_that_is_cut_while_it_is_sent_is_broken_off() {
    let bytes = content(64 << 20);
    let node = noded().start();
    // Put there after the start: it is read because somebody asks for it.
    node.home().put("large.bin", &bytes);
    let path = node.home().share().join("large.bin");
    let mut digest = None;
    eventually("the digest is known", || {
        let answer = with(&node, "/files/large.bin", "Range: bytes=0-0\r\n");
        digest = answer
            .header("etag")
            .map(|tag| tag.trim_matches('"').to_owned());
        digest.is_some()
    });
    let mut stream = http::connect(&node.url).unwrap();
    let host = http::address(&node.url);
    let digest = digest.unwrap();
    write!(
        stream,
        "GET /blobs/{digest} HTTP/1.1\r\nHost: {host}\r\n\r\n"
    )
    .unwrap();
    fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(1000)
        .unwrap();
    let answer = http::read_answer(&mut stream, false);
    // All of it was under way already, or it is broken off: nothing else.
    if let Ok(answer) = answer
        && answer.status == 200
    {
        assert!(answer.body == bytes, "other bytes under the digest");
    }
    assert_eq!(
        http::get(&node.url, &format!("/blobs/{digest}"))
            .unwrap()
            .status,
        404
    );
    node.stop();
}

#[test]
fn digests_outlive_the_node_and_damage_costs_only_work() {
    let node = noded().file("a.bin", content(300_000)).start();
    // A file that was just written may change again without a sign, and is not kept.
    std::thread::sleep(Duration::from_millis(200));
    let before = digest(&node, "a.bin");
    let database = node.home().state().join("digests.redb");
    let node = node.stop_for_restart().start();
    assert_eq!(digest(&node, "a.bin"), before);
    assert_eq!(node.counter("files_hashed"), 0);
    let options = node.stop_for_restart();
    fs::write(database, "rubbish").unwrap();
    let node = options.start();
    assert_eq!(digest(&node, "a.bin"), before);
    assert_eq!(node.counter("files_hashed"), 1);
    node.stop();
}

#[test]
fn a_node_says_what_it_has_by_name_digest_and_query() {
    let node = noded()
        .file("a/1.txt", "one")
        .file("a/2.txt", "two")
        .file("a/3.txt", "three")
        .start();
    let text = xmlrpc::Value::text;
    let find = |members: &[(&str, xmlrpc::Value)]| {
        let members = members
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()));
        let wanted = xmlrpc::Value::Map(members.collect());
        xmlrpc::call(&node.url, "sixhop.find", &[wanted]).expect("an answer")
    };
    let by_name = find(&[("name", text("a/2.txt"))]);
    assert_eq!(names(&by_name), ["a/2.txt"]);
    let digest = digest(&node, "a/2.txt");
    assert_eq!(hits(&by_name)[0].get("digest"), Some(&text(&digest)));
    assert_eq!(names(&find(&[("digest", text(&digest))])), ["a/2.txt"]);
    assert!(names(&find(&[("name", text("none"))])).is_empty());
    let limit = xmlrpc::Value::Int(2);
    let first = find(&[("query", text("name:a/*")), ("limit", limit)]);
    assert_eq!(names(&first), ["a/1.txt", "a/2.txt"]);
    assert_eq!(first.get("more"), Some(&xmlrpc::Value::Bool(true)));
    let rest = find(&[("query", text("name:a/*")), ("after", text("a/2.txt"))]);
    assert_eq!(names(&rest), ["a/3.txt"]);
    node.stop();
}

fn hits(found: &xmlrpc::Value) -> &[xmlrpc::Value] {
    match found.get("hits") {
        Some(xmlrpc::Value::List(hits)) => hits,
        other => panic!("no hits: {other:?}"),
    }
}

fn names(found: &xmlrpc::Value) -> Vec<String> {
    let name = |hit: &xmlrpc::Value| match hit.get("name") {
        Some(xmlrpc::Value::Text(name)) => name.clone(),
        other => panic!("no name: {other:?}"),
    };
    hits(found).iter().map(name).collect()
}
