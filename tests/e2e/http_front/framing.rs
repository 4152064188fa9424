//! Requests whose framing is not exactly what it has to be.

use e2e::http::{address, until_close};
use e2e::{NodeProcess, http};

use super::requests::{BAD_HEADS, BAD_LENGTHS, ENCODINGS, GOOD_HEADS, SMALL_FAULTS};
use crate::world::noded;

/// A call whose answer shows that it was run.
const CALL: &str = "<methodCall><methodName>query</methodName><params><param><value>inside.txt</value></param></params></methodCall>";
const SHOWN: &str = "the inside of the file";

fn node() -> NodeProcess {
    noded().file("inside.txt", SHOWN).start()
}

/// Statuses of all answers in a stream of bytes.
fn statuses(answers: &str) -> Vec<u16> {
    let heads = answers.split("HTTP/1.").skip(1);
    heads
        .filter_map(|head| head.get(2..5)?.parse().ok())
        .collect()
}

/// Sends a case and checks that it is refused once, that nothing was run, and that the node closes.
fn is_refused(node: &NodeProcess, why: &str, request: &[u8]) {
    let answers = String::from_utf8_lossy(&until_close(&node.url, request)).into_owned();
    let statuses = statuses(&answers);
    assert!(statuses.len() <= 1, "{why}: {statuses:?}: {answers}");
    assert!(
        statuses.iter().all(|s| (400..600).contains(s)),
        "{why}: {statuses:?}: {answers}"
    );
    assert!(!answers.contains(SHOWN), "{why}: it was run: {answers}");
}

/// A request by its pieces: `HOST` and `SIZE` are filled in.
fn filled(node: &NodeProcess, request: &str) -> Vec<u8> {
    let text = request.replace("HOST", &address(&node.url).to_string());
    text.replace("SIZE", &CALL.len().to_string()).into_bytes()
}

#[test]
fn a_post_has_exactly_one_length_of_digits() {
    let mut node = node();
    for (why, line) in BAD_LENGTHS {
        let head =
            format!("POST /RPC2 HTTP/1.1\r\nHost: HOST\r\nContent-Type: text/xml\r\n{line}\r\n");
        // Were the length not understood, the call would be run as the body or the line after it as a request.
        let request = [
            filled(&node, &head),
            CALL.into(),
            filled(
                &node,
                "GET /files/inside.txt HTTP/1.1\r\nHost: HOST\r\n\r\n",
            ),
        ];
        is_refused(&node, why, &request.concat());
    }
    node.assert_healthy();
    node.stop();
}

#[test]
fn a_request_has_no_transfer_encoding_in_any_spelling() {
    let mut node = node();
    assert!(ENCODINGS.len() >= 40);
    let chunks = format!("{:x}\r\n{CALL}\r\n0\r\n\r\n", CALL.len());
    for line in ENCODINGS {
        for length in ["", "Content-Length: SIZE\r\n"] {
            let head = format!(
                "POST /RPC2 HTTP/1.1\r\nHost: HOST\r\nContent-Type: text/xml\r\n{length}{line}\r\n\r\n"
            );
            let request = [filled(&node, &head), chunks.clone().into_bytes()].concat();
            is_refused(&node, &format!("{length:?} {line:?}"), &request);
        }
    }
    node.assert_healthy();
    node.stop();
}

#[test]
fn a_head_that_is_not_quite_http_is_refused() {
    let mut node = node();
    assert!(BAD_HEADS.len() + BAD_LENGTHS.len() >= 64);
    for (why, head) in BAD_HEADS {
        let closing = "Host: HOST\r\nConnection: close\r\n";
        let head = match SMALL_FAULTS.contains(why) {
            true => head.replace("Host: HOST\r\n", closing),
            false => (*head).to_owned(),
        };
        is_refused(&node, why, &filled(&node, &head));
    }
    node.assert_healthy();
    node.stop();
}

#[test]
fn what_follows_a_refused_request_is_not_a_request() {
    let node = node();
    let follow = "GET /files/inside.txt HTTP/1.1\r\nHost: HOST\r\n\r\n";
    for (why, head) in BAD_HEADS
        .iter()
        .filter(|(why, _)| !SMALL_FAULTS.contains(why))
    {
        let answers = until_close(&node.url, &filled(&node, &format!("{head}{follow}")));
        let answers = String::from_utf8_lossy(&answers);
        assert!(!answers.contains(SHOWN), "{why}: {answers}");
    }
    node.stop();
}

#[test]
fn unusual_heads_that_are_right_are_served() {
    let node = node();
    for (why, head) in GOOD_HEADS {
        let answer = http::exchange(&node.url, &filled(&node, head));
        let answer = answer.unwrap_or_else(|e| panic!("{why}: {e}"));
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (200, SHOWN),
            "{why}"
        );
    }
    node.stop();
}

#[test]
fn a_call_is_taken_at_any_path_and_needs_no_type() {
    let node = node();
    for path in ["/", "/RPC2", "/any/path", "/files/inside.txt"] {
        for headers in [
            &[][..],
            &[("Content-Type", "text/xml")],
            &[("Content-Type", "text/xml; charset=utf-8")],
        ] {
            let answer = http::request(&node.url, "POST", path, headers, CALL.as_bytes()).unwrap();
            assert_eq!(answer.status, 200, "{path} {headers:?}");
            assert!(answer.text().contains(SHOWN), "{path} {headers:?}");
            assert!(
                answer
                    .header("content-type")
                    .is_some_and(|t| t.starts_with("text/xml"))
            );
        }
    }
    node.stop();
}

#[test]
fn a_connection_serves_one_call_after_another() {
    let node = node();
    let mut stream = http::connect(&node.url).unwrap();
    for _ in 0..20 {
        let request = http::bytes_of(
            &node.url,
            "POST",
            "/RPC2",
            &[("Connection", "keep-alive")],
            CALL.as_bytes(),
        );
        std::io::Write::write_all(&mut stream, &request).unwrap();
        let answer = http::read_answer(&mut stream, false).unwrap();
        assert_eq!(answer.status, 200);
        assert!(answer.text().contains(SHOWN));
    }
    node.stop();
}

#[test]
fn ranges_and_heads_of_files_are_exact() {
    let node = noded()
        .file("digits.txt", "0123456789")
        .file("empty.txt", "")
        .start();
    let get = |method: &str, range: &str| {
        http::request(
            &node.url,
            method,
            "/files/digits.txt",
            &[("Range", range)],
            b"",
        )
        .unwrap()
    };
    for (range, status, body) in [
        ("bytes=0-3", 206, "0123"),
        ("bytes=4-", 206, "456789"),
        ("bytes=-3", 206, "789"),
        ("bytes=9-9", 206, "9"),
        ("bytes=0-100", 206, "0123456789"),
        ("bytes=10-", 416, ""),
        ("bytes=-0", 416, ""),
        ("lines=1-2", 200, "0123456789"),
        ("bytes=3-1", 200, "0123456789"),
        ("bytes=a-b", 200, "0123456789"),
        ("bytes=99999999999999999999-", 416, ""),
    ] {
        let answer = get("GET", range);
        if answer.status == 416 && status == 200 {
            continue; // Both are right for a range that makes no sense.
        }
        assert_eq!(answer.status, status, "{range}");
        if status != 416 {
            assert_eq!(answer.text(), body, "{range}");
        }
    }
    let head = http::request(&node.url, "HEAD", "/files/digits.txt", &[], b"").unwrap();
    assert_eq!(
        (head.status, head.header("content-length")),
        (200, Some("10"))
    );
    assert_eq!(head.header("accept-ranges"), Some("bytes"));
    let empty = http::get(&node.url, "/files/empty.txt").unwrap();
    assert_eq!((empty.status, empty.body.len()), (200, 0));
    node.stop();
}
