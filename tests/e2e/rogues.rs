//! A peer that misbehaves costs its own call only.

use std::time::{Duration, Instant};

use e2e::rogue::answer_of;
use e2e::xmlrpc::{self, CallError};
use e2e::{Conduct, NodeProcess, Rogue, introduce};

use crate::world::noded;

/// A query has a deadline of eight seconds; a loaded machine gets some more.
const QUERY: Duration = Duration::from_secs(14);
const PEAK_KIB: usize = 128 << 10;

/// A node that knows a rogue and an honest peer with `good.txt`.
fn beside(conduct: Conduct) -> (NodeProcess, Rogue, NodeProcess) {
    let rogue = Rogue::start(conduct);
    let honest = noded().file("good.txt", "good").start();
    let node = noded().start();
    introduce(&node.url, &rogue.url);
    introduce(&node.url, &honest.url);
    (node, rogue, honest)
}

/// Asks for something that only the rogue is asked for in the end, and for something that the honest peer has.
fn costs_its_own_call_only(conduct: &Conduct) {
    let (mut node, rogue, honest) = beside(conduct.clone());
    let start = Instant::now();
    let miss = xmlrpc::query(&node.url, "missing.txt");
    assert!(miss.is_err(), "{conduct:?} gave {miss:?}");
    assert!(
        start.elapsed() < QUERY,
        "{conduct:?} took {:?}",
        start.elapsed()
    );
    assert_eq!(rogue.queries(), 1, "{conduct:?} was not asked");
    let good = xmlrpc::query(&node.url, "good.txt");
    let rogue_may_answer = matches!(conduct, Conduct::Redirect(_));
    assert!(
        good == Ok(b"good".to_vec()) || rogue_may_answer,
        "{conduct:?}: {good:?}"
    );
    node.assert_healthy();
    let peak = node.meters().peak_kib;
    assert!(peak <= PEAK_KIB, "{conduct:?}: {peak} KiB");
    node.stop();
    honest.stop();
}

#[test]
fn a_peer_that_stalls() {
    costs_its_own_call_only(&Conduct::Stall);
}

#[test]
fn a_peer_that_closes() {
    costs_its_own_call_only(&Conduct::Close);
}

#[test]
fn a_peer_that_sends_no_http() {
    for answer in [
        &b"hello\r\n\r\n"[..],
        b"\0\0\0\0",
        b"HTTP/1.1\r\n\r\n",
        b"SSH-2.0-x\r\n",
    ] {
        costs_its_own_call_only(&Conduct::Raw(answer.to_vec()));
    }
}

#[test]
fn a_peer_with_another_status() {
    for status in [
        "404 Not Found",
        "500 Internal Server Error",
        "204 No Content",
        "101 Switching Protocols",
    ] {
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
        costs_its_own_call_only(&Conduct::Raw(answer.into_bytes()));
    }
}

#[test]
fn a_peer_that_truncates_its_head() {
    costs_its_own_call_only(&Conduct::Raw(b"HTTP/1.1 200 OK\r\nContent-Le".to_vec()));
}

#[test]
fn a_peer_that_sends_the_wrong_type() {
    for inside in [
        "<int>7</int>",
        "<boolean>1</boolean>",
        "<struct/>",
        "<array><data/></array>",
        "<double>1.5</double>",
    ] {
        costs_its_own_call_only(&Conduct::Body(answer_of(inside)));
    }
}

#[test]
fn a_peer_that_sends_broken_xml() {
    let deep = "<array><data><value>".repeat(5000);
    let entities = "<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaaaaaaaa\">]>".to_owned()
        + &answer_of("<string>&a;</string>");
    for body in [
        String::new(),
        "no XML".to_owned(),
        "<html><body>404</body></html>".to_owned(),
        answer_of(&deep),
        entities,
        answer_of("<string>\u{1}</string>"),
        answer_of("<base64>!!!!</base64>"),
        answer_of("<dateTime.iso8601>2015-W45-1T00:00:00</dateTime.iso8601>"),
        "<?xml version=\"1.0\" encoding=\"UTF-16\"?>".to_owned() + &answer_of("<int>1</int>"),
    ] {
        costs_its_own_call_only(&Conduct::Body(body));
    }
}

#[test]
fn a_peer_that_sends_an_endless_head() {
    costs_its_own_call_only(&Conduct::EndlessHead);
}

#[test]
fn a_peer_that_sends_byte_by_byte() {
    costs_its_own_call_only(&Conduct::SlowByte(Duration::from_millis(500)));
}

#[test]
fn a_redirection_is_not_followed() {
    let elsewhere = noded().file("missing.txt", "elsewhere").start();
    costs_its_own_call_only(&Conduct::Redirect(elsewhere.url.clone()));
    assert_eq!(elsewhere.counter("queries_received"), 0);
    elsewhere.stop();
}

/// What a rogue has begun to send may already be on its way to the asker: then the asker gets no whole answer, and never a
/// wrong one.
fn never_gives_a_whole_answer(conduct: &Conduct) {
    let (mut node, rogue, honest) = beside(conduct.clone());
    let start = Instant::now();
    let answer = xmlrpc::query(&node.url, "missing.txt");
    assert!(answer.is_err(), "{conduct:?} gave an answer");
    assert!(
        start.elapsed() < 2 * QUERY,
        "{conduct:?} took {:?}",
        start.elapsed()
    );
    assert_eq!(rogue.queries(), 1);
    let params = [
        xmlrpc::Value::text("stored.txt"),
        xmlrpc::Value::text(node.home().secret()),
    ];
    let fetched = xmlrpc::call(&node.url, "fetch", &params);
    assert!(
        matches!(fetched, Err(CallError::Fault { .. })),
        "{conduct:?}: {fetched:?}"
    );
    assert_eq!(
        node.home().entries(),
        Vec::<String>::new(),
        "{conduct:?} left something"
    );
    node.assert_healthy();
    let peak = node.meters().peak_kib;
    assert!(peak <= PEAK_KIB, "{conduct:?}: {peak} KiB");
    node.stop();
    honest.stop();
}

#[test]
fn a_peer_that_truncates_its_file() {
    never_gives_a_whole_answer(&Conduct::Truncate(1_000_000));
}

#[test]
fn a_peer_that_closes_inside_the_xml() {
    let body = answer_of("<string>half of a file");
    let cut = body.split_once("</value>").expect("it has a value").0;
    never_gives_a_whole_answer(&Conduct::Body(cut.to_owned()));
}

#[test]
fn a_file_that_never_ends_is_cut() {
    let (mut node, rogue, honest) = beside(Conduct::Endless);
    let mut stream = e2e::http::connect(&node.url).unwrap();
    let request = xmlrpc::request("query", &[xmlrpc::Value::text("endless.txt")]);
    let bytes = e2e::http::bytes_of(
        &node.url,
        "POST",
        "/RPC2",
        &[("Content-Type", "text/xml")],
        request.as_bytes(),
    );
    std::io::Write::write_all(&mut stream, &bytes).unwrap();
    e2e::eventually("the rogue has sent much", || rogue.bytes_sent() > 4 << 20);
    // The asker leaves: the node has to leave its peer, too.
    drop(stream);
    let mut last = rogue.bytes_sent();
    e2e::wait_until(
        "the rogue can send no more",
        Duration::from_secs(20),
        || {
            std::thread::sleep(Duration::from_millis(300));
            let now = rogue.bytes_sent();
            let done = now == last;
            last = now;
            done.then_some(()).ok_or_else(|| format!("{now} bytes"))
        },
    );
    assert_eq!(xmlrpc::query(&node.url, "good.txt"), Ok(b"good".to_vec()));
    node.assert_healthy();
    let peak = node.meters().peak_kib;
    assert!(peak <= PEAK_KIB, "{peak} KiB");
    node.stop();
    honest.stop();
}
