//! Tests of `--upload-rate` and `--download-rate`: every byte of content, by every route.
//!
//! A rate is never exceeded on any machine, so that is asserted closely; that it is reached is asserted
//! loosely, and measured in docs/performance.md.

use std::time::{Duration, Instant};

use e2e::http;
use e2e::xmlrpc::{self, Value as Xml};
use e2e::{Dialect, Home, NodeOptions, NodeProcess, PythonPeer, introduce, wait_until};
use serde_json::{Value, json};

use crate::world::{ctl, noded};

/// Bytes that each route moves.
const SIZE: usize = 300 * 1024;

/// Bytes a second that the option `100K` allows.
const RATE: f64 = 100.0 * 1024.0;

fn binary(size: usize, seed: usize) -> Vec<u8> {
    (0..size).map(|at| ((at * 31 + seed) % 251) as u8).collect()
}

fn text(size: usize) -> Vec<u8> {
    (0..size).map(|at| b'a' + (at % 26) as u8).collect()
}

/// Does something that moves `bytes` and holds its time against the rate.
fn paced<T>(what: &str, bytes: usize, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = work();
    let (taken, due) = (start.elapsed().as_secs_f64(), bytes as f64 / RATE);
    assert!(
        taken >= due * 0.9 - 0.15,
        "{what}: {bytes} bytes in {taken} s"
    );
    assert!(
        taken <= due * 2.0 + 5.0,
        "{what}: {bytes} bytes in {taken} s"
    );
    result
}

/// Asks for a file by one route and returns its bytes.
type Ask<'a> = Box<dyn Fn() -> Vec<u8> + 'a>;

fn query(url: &str, name: &str) -> Vec<u8> {
    xmlrpc::query(url, name).expect("the file")
}

fn digest(node: &NodeProcess, name: &str) -> String {
    let head =
        http::request(&node.url, "HEAD", &format!("/files/{name}"), &[], b"").expect("a head");
    let tag = head.header("etag").expect("its digest");
    tag.trim_matches('"').to_owned()
}

fn limited(option: &str) -> NodeOptions {
    noded().args([option, "100K"])
}

fn fetched(node: &NodeProcess, name: &str) -> Value {
    let started = node.control().must("fetch.start", json!({ "name": name }));
    wait_until("the fetch is over", Duration::from_secs(120), || {
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

#[test]
fn every_route_out_passes_the_upload_rate_and_the_counter() {
    let (sent, words) = (binary(SIZE, 0), text(SIZE));
    let node = limited("--upload-rate")
        .file("a.bin", &sent)
        .file("a.txt", &words)
        .start();
    let blob = format!("/blobs/{}", digest(&node, "a.bin"));
    let routes: [(&str, Ask<'_>, &[u8]); 6] = [
        (
            "files",
            Box::new(|| http::get(&node.url, "/files/a.bin").unwrap().body),
            &sent,
        ),
        (
            "blobs",
            Box::new(|| http::get(&node.url, &blob).unwrap().body),
            &sent,
        ),
        (
            "query, base64",
            Box::new(|| query(&node.url, "a.bin")),
            &sent,
        ),
        (
            "query, string",
            Box::new(|| query(&node.url, "a.txt")),
            &words,
        ),
        (
            "query, codes",
            Box::new(|| query(&format!("{}codes", node.url), "a.bin")),
            &sent,
        ),
        (
            "ctl fetch --to",
            Box::new(|| {
                let place = node.home().root().join("placed.bin");
                let place = place.to_str().expect("a path of the test");
                let run = ctl(node.home())
                    .args(["fetch", "a.bin", "--to", place])
                    .run();
                let _ = run.expect_code(0);
                std::fs::read(place).expect("the file is there")
            }),
            &sent,
        ),
    ];
    for (route, ask, expected) in routes {
        let before = node.counter("bytes_served");
        let came = paced(route, SIZE, ask);
        assert!(came == expected, "{route}: {} bytes", came.len());
        assert_eq!(
            node.counter("bytes_served") - before,
            SIZE as u64,
            "{route}"
        );
    }
    node.stop();
}

#[test]
fn a_range_and_a_multicall_are_charged_for_what_they_carry() {
    let sent = binary(60 * 1024, 0);
    let node = limited("--upload-rate").file("a.bin", &sent).start();
    let host = http::address(&node.url);
    let range = format!(
        "GET /files/a.bin HTTP/1.1\r\nHost: {host}\r\nRange: bytes=1000-1999\r\nConnection: close\r\n\r\n"
    );
    let before = node.counter("bytes_served");
    let part = http::exchange(&node.url, range.as_bytes()).unwrap();
    assert!((part.status, part.body.as_slice()) == (206, &sent[1_000..2_000]));
    assert_eq!(node.counter("bytes_served") - before, 1_000);
    assert!(part.header("sixhop-rate").is_some());
    let entry = Xml::Map(vec![
        ("methodName".to_owned(), Xml::text("query")),
        ("params".to_owned(), Xml::List(vec![Xml::text("a.bin")])),
    ]);
    let calls = Xml::List(vec![entry; 4]);
    paced("multicall", 4 * sent.len(), || {
        xmlrpc::call(&node.url, "system.multicall", &[calls]).expect("four files")
    });
    assert_eq!(
        node.counter("bytes_served") - before,
        1_000 + 4 * sent.len() as u64
    );
    node.stop();
}

#[test]
fn a_relay_passes_both_rates_of_the_node_between() {
    for option in ["--upload-rate", "--download-rate"] {
        let sent = text(SIZE);
        let home = Home::new();
        home.put("a.txt", &sent);
        let book = PythonPeer::start(Dialect::Faults, home);
        let holder = noded().file("b.txt", &sent).start();
        let middle = limited(option).args(["--cache-size", "0"]).start();
        introduce(&middle.url, &book.url);
        introduce(&middle.url, &holder.url);
        for name in ["a.txt", "b.txt"] {
            let served = middle.counter("bytes_served");
            let received = middle.counter("bytes_received");
            let came = paced(&format!("{option}: {name}"), SIZE, || {
                query(&middle.url, name)
            });
            assert!(came == sent, "{option}: {} bytes", came.len());
            assert_eq!(middle.counter("bytes_served") - served, SIZE as u64);
            assert_eq!(middle.counter("bytes_received") - received, SIZE as u64);
        }
        middle.stop();
        holder.stop();
    }
}

#[test]
fn a_fetch_passes_the_download_rate_whoever_sends() {
    let sent = text(SIZE);
    let home = Home::new();
    home.put("book.txt", &sent);
    let book = PythonPeer::start(Dialect::Faults, home);
    let holder = noded().file("ours.txt", &sent).start();
    for (name, peer) in [("book.txt", &book.url), ("ours.txt", &holder.url)] {
        let asker = limited("--download-rate").start();
        introduce(&asker.url, peer);
        let status = paced(name, SIZE, || fetched(&asker, name));
        assert_eq!(status["state"], "done", "{status}");
        assert!(asker.home().read(name).as_deref() == Some(&sent[..]));
        assert_eq!(asker.counter("bytes_received"), SIZE as u64, "{name}");
        asker.stop();
    }
    holder.stop();
}

/// Has several askers fetch files of one holder at once, all of them, and returns how long it took.
fn crowd(rate: &str, askers: usize, files: usize, size: usize) -> f64 {
    let holder = (0..files).fold(noded().args(["--upload-rate", rate]), |node, file| {
        node.file(&format!("photos/{file}.jpg"), binary(size, file))
    });
    let holder = holder.start();
    let names: Vec<_> = (0..files)
        .map(|file| format!("photos/{file}.jpg"))
        .collect();
    names.iter().for_each(|name| drop(digest(&holder, name)));
    let askers: Vec<_> = (0..askers)
        .map(|_| noded().args(["--peer", &holder.url]).start())
        .collect();
    let start = Instant::now();
    std::thread::scope(|scope| {
        for asker in &askers {
            for name in &names {
                scope.spawn(move || {
                    let status = fetched(asker, name);
                    assert_eq!(status["state"], "done", "{rate}: {status}");
                });
            }
        }
    });
    let taken = start.elapsed().as_secs_f64();
    for asker in &askers {
        for (file, name) in names.iter().enumerate() {
            assert!(
                asker.home().read(name) == Some(binary(size, file)),
                "{name}"
            );
        }
    }
    taken
}

#[test]
fn three_askers_of_a_limited_holder_get_every_file() {
    let taken = crowd("40K", 3, 5, 40_000);
    let due = 3.0 * 5.0 * 40_000.0 / (40.0 * 1024.0);
    assert!(taken >= due * 0.9, "{taken} of {due}");
    assert!(taken <= due * 2.0 + 5.0, "{taken} of {due}");
}

#[test]
fn a_folder_of_a_slow_holder_comes_whole() {
    let taken = crowd("40K", 1, 12, 40_000);
    let due = 12.0 * 40_000.0 / (40.0 * 1024.0);
    assert!(taken >= due * 0.9, "{taken} of {due}");
    assert!(taken <= due * 2.0 + 5.0, "{taken} of {due}");
}

/// Three pieces: turns of a piece would let two of them pass at once, and the third after a silence.
#[test]
fn a_file_of_many_pieces_comes_at_the_rate_of_its_holder() {
    let taken = crowd("40K", 1, 1, 560_000);
    let due = 560_000.0 / (40.0 * 1024.0);
    assert!(taken >= due * 0.9, "{taken} of {due}");
    assert!(taken <= due * 2.0 + 5.0, "{taken} of {due}");
}
