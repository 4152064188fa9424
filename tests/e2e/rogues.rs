//! A peer that misbehaves costs its own call only.

use std::time::{Duration, Instant};

use e2e::rogue::answer_of;
use e2e::xmlrpc::{self, CallError};
use e2e::{Conduct, NodeProcess, Rogue, introduce};

use crate::world::{ctl, noded};

/// A query has a deadline of eight seconds; a loaded machine gets some more.
const QUERY: Duration = Duration::from_secs(14);
const PEAK_KIB: usize = 128 << 10;

/// Starts a node that knows a rogue and an honest peer with `good.txt`.
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
    let entities = format!(
        "<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaaaaaaaa\">]>{}",
        answer_of("<string>&a;</string>")
    );
    for body in [
        String::new(),
        "no XML".to_owned(),
        "<html><body>404</body></html>".to_owned(),
        answer_of(&deep),
        entities,
        answer_of("<string>\u{1}</string>"),
        answer_of("<base64>!!!!</base64>"),
        answer_of("<dateTime.iso8601>2015-W45-1T00:00:00</dateTime.iso8601>"),
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-16\"?>{}",
            answer_of("<int>1</int>")
        ),
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

/// The first bytes of a rogue may already be on their way to the asker: then the asker gets no whole answer, and never a
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

/// Starts a rogue whose answer to `query` is these bytes of XML.
fn saying(xml: &[u8]) -> Rogue {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        xml.len()
    );
    Rogue::start(Conduct::Raw([head.as_bytes(), xml].concat()))
}

#[test]
fn a_peer_that_writes_in_another_encoding_is_understood() {
    let text = "na\u{ef}ve & <caf\u{e9}>";
    let escaped = answer_of("<string>na\u{ef}ve &amp; &lt;caf\u{e9}&gt;</string>");
    let declared = |encoding: &str| {
        let declaration = format!("<?xml version=\"1.0\" encoding=\"{encoding}\"?>");
        escaped.replace("<?xml version=\"1.0\"?>", &declaration)
    };
    let latin1 = |text: &str| -> Vec<u8> {
        text.chars()
            .map(|c| u8::try_from(u32::from(c)).unwrap())
            .collect()
    };
    let utf16 = format!("\u{feff}{}", declared("utf-16"));
    let utf16: Vec<u8> = utf16.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let cdata = answer_of("<string><![CDATA[na\u{ef}ve & <caf]]>\u{e9}&gt;</string>");
    for (xml, content) in [
        (latin1(&declared("iso-8859-1")), text),
        (latin1(&declared("windows-1252")), text),
        (utf16, text),
        (format!("\u{feff}{escaped}").into_bytes(), text),
        (format!("\r\n{escaped}").into_bytes(), text),
        (cdata.into_bytes(), text),
        (answer_of("<string/>").into_bytes(), ""),
        (answer_of("<base64/>").into_bytes(), ""),
        (
            answer_of("")
                .replace("<value></value>", "<value/>")
                .into_bytes(),
            "",
        ),
        (
            answer_of(
                "<array><data><value><int>1</int></value><value><string/></value></data></array>",
            )
            .into_bytes(),
            "",
        ),
    ] {
        let peer = saying(&xml);
        let node = noded().start();
        introduce(&node.url, &peer.url);
        let read = xmlrpc::query(&node.url, "some.txt");
        let shown = String::from_utf8_lossy(&xml);
        assert_eq!(read, Ok(content.as_bytes().to_vec()), "{shown}");
        node.stop();
    }
}

#[test]
fn a_peer_whose_answers_cannot_be_read_is_said_and_kept() {
    let peer = saying(answer_of("<string>&nbsp;</string>").as_bytes());
    let node = noded().start();
    introduce(&node.url, &peer.url);
    for n in 1..=5 {
        let name = format!("file{n}.txt");
        match xmlrpc::query(&node.url, &name) {
            Err(CallError::Fault { code: 100, text }) => {
                assert!(text.contains("unreadable answer"), "{text}");
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(peer.queries(), n, "it is asked each time, and at once");
    }
    assert_eq!(node.counter("answers_unreadable"), 5);
    assert_eq!(node.counter("peers_dropped"), 0);
    // To the owner that is not "not found".
    for args in [
        &["fetch", "file.txt"][..],
        &["fetch", "file.txt", "--to", "-"],
    ] {
        let fetched = ctl(node.home()).args(args).run().expect_code(7);
        let said = &fetched.stderr;
        assert!(said.contains("something that cannot be read"), "{said}");
    }
    node.stop();
}

#[test]
fn a_plain_miss_of_a_peer_is_a_plain_miss() {
    let peer = saying(e2e::rogue::fault_of(100).as_bytes());
    let node = noded().start();
    introduce(&node.url, &peer.url);
    match xmlrpc::query(&node.url, "missing.txt") {
        Err(CallError::Fault { code: 100, text }) => {
            assert_eq!(text, "Couldn't handle the query");
        }
        other => panic!("{other:?}"),
    }
    node.stop();
}

#[test]
fn a_peer_that_trickles_does_not_delay_the_next_one() {
    let slow = Rogue::start(Conduct::SlowByte(Duration::from_secs(1)));
    let good = saying(answer_of("<string>good</string>").as_bytes());
    let node = noded().start();
    introduce(&node.url, &slow.url);
    introduce(&node.url, &good.url);
    let begun = Instant::now();
    assert_eq!(xmlrpc::query(&node.url, "a.txt"), Ok(b"good".to_vec()));
    assert!(
        begun.elapsed() < Duration::from_secs(7),
        "{:?}",
        begun.elapsed()
    );
    node.stop();
}
