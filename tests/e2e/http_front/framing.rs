//! Tests of requests with wrong framing.

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
fn is_refused(url: &str, why: &str, request: &[u8]) {
    let answers = String::from_utf8_lossy(&until_close(url, request)).into_owned();
    let statuses = statuses(&answers);
    assert!(statuses.len() <= 1, "{why}: {statuses:?}: {answers}");
    assert!(
        statuses.iter().all(|s| (400..600).contains(s)),
        "{why}: {statuses:?}: {answers}"
    );
    assert!(!answers.contains(SHOWN), "{why}: it was run: {answers}");
}

/// Returns a request by its pieces: `HOST` and `SIZE` are filled in.
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
        is_refused(&node.url, why, &request.concat());
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
            is_refused(&node.url, &format!("{length:?} {line:?}"), &request);
        }
    }
    node.assert_healthy();
    node.stop();
}

#[test]
fn a_head_that_is_not_quite_http_is_refused() {
    let mut node = node();
    assert!(BAD_HEADS.len() + BAD_LENGTHS.len() >= 64);
    // Some are refused when their time is up, so they wait beside each other.
    std::thread::scope(|cases| {
        for (why, head) in BAD_HEADS {
            let closing = "Host: HOST\r\nConnection: close\r\n";
            let head = match SMALL_FAULTS.contains(why) {
                true => head.replace("Host: HOST\r\n", closing),
                false => (*head).to_owned(),
            };
            let (url, request) = (node.url.as_str(), filled(&node, &head));
            cases.spawn(move || is_refused(url, why, &request));
        }
    });
    node.assert_healthy();
    node.stop();
}

#[test]
fn what_follows_a_refused_request_is_not_a_request() {
    let node = node();
    let follow = "GET /files/inside.txt HTTP/1.1\r\nHost: HOST\r\n\r\n";
    std::thread::scope(|cases| {
        for (why, head) in BAD_HEADS
            .iter()
            .filter(|(why, _)| !SMALL_FAULTS.contains(why))
        {
            let request = filled(&node, &format!("{head}{follow}"));
            let url = node.url.as_str();
            cases.spawn(move || {
                let answers = until_close(url, &request);
                let answers = String::from_utf8_lossy(&answers);
                assert!(!answers.contains(SHOWN), "{why}: {answers}");
            });
        }
    });
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
    for headers in [&[][..], &[("Range", "bytes=0-")], &[("Range", "bytes=-5")]] {
        let empty = http::request(&node.url, "GET", "/files/empty.txt", headers, b"").unwrap();
        assert_eq!((empty.status, empty.body.len()), (200, 0), "{headers:?}");
    }
    node.stop();
}

#[test]
fn conditions_are_those_of_the_standard() {
    let node = noded().file("digits.txt", "0123456789").start();
    let get = |headers: &[(&str, &str)]| {
        http::request(&node.url, "GET", "/files/digits.txt", headers, b"").unwrap()
    };
    let head = |headers: &[(&str, &str)]| {
        http::request(&node.url, "HEAD", "/files/digits.txt", headers, b"").unwrap()
    };
    let patience = std::time::Duration::from_secs(30);
    let tag = e2e::wait_until("the digest is known", patience, || {
        let answer = head(&[]);
        let tag = answer.header("etag").map(str::to_owned);
        tag.ok_or_else(|| format!("{:?}", answer.headers))
    });
    let date = head(&[]).header("last-modified").unwrap().to_owned();
    let old = "Sun, 06 Nov 1994 08:49:37 GMT";
    for (headers, status) in [
        (vec![("If-Match", tag.as_str())], 200),
        (vec![("If-Match", "\"x\"")], 412),
        (vec![("If-None-Match", tag.as_str())], 304),
        (vec![("If-None-Match", "\"x\"")], 200),
        (vec![("If-Modified-Since", date.as_str())], 304),
        (vec![("If-Modified-Since", old)], 200),
        (vec![("If-Unmodified-Since", date.as_str())], 200),
        (vec![("If-Unmodified-Since", old)], 412),
        (
            vec![("Range", "bytes=0-3"), ("If-Range", date.as_str())],
            206,
        ),
        (
            vec![("Range", "bytes=0-3"), ("If-Range", tag.as_str())],
            206,
        ),
        (vec![("Range", "bytes=0-3"), ("If-Range", old)], 200),
        (vec![("Range", "bytes=0-3"), ("If-Range", "\"x\"")], 200),
    ] {
        assert_eq!(get(&headers).status, status, "{headers:?}");
        assert_eq!(head(&headers).status, status, "{headers:?}");
    }
    for answer in [
        get(&[("If-None-Match", &tag)]),
        head(&[("If-None-Match", &tag)]),
    ] {
        assert_eq!(answer.header("content-length"), None);
        assert_eq!(answer.header("etag"), Some(tag.as_str()));
    }
    node.stop();
}

#[test]
fn an_empty_line_behind_a_body_changes_nothing() {
    let node = node();
    for line in ["\r\n", "\n", "\r\n\r\n"] {
        let request = http::bytes_of(&node.url, "POST", "/RPC2", &[], CALL.as_bytes());
        let request = [&request[..], line.as_bytes()].concat();
        let answers = until_close(&node.url, &request);
        let answers = String::from_utf8_lossy(&answers);
        assert_eq!(statuses(&answers), [200], "{line:?}: {answers}");
        assert!(answers.contains(SHOWN), "{line:?}");
    }
    // And the next request of the connection is served.
    let headers = [("Connection", "keep-alive")];
    let call = http::bytes_of(&node.url, "POST", "/RPC2", &headers, CALL.as_bytes());
    let last = http::bytes_of(&node.url, "GET", "/files/inside.txt", &[], b"");
    let both = [&call[..], b"\r\n", &last].concat();
    let answers = until_close(&node.url, &both);
    assert_eq!(statuses(&String::from_utf8_lossy(&answers)), [200, 200]);
    node.stop();
}

#[test]
fn a_client_that_says_no_more_gets_its_whole_answer() {
    let long = "x".repeat(4 << 20);
    let node = noded()
        .file("inside.txt", SHOWN)
        .file("long.txt", &long)
        .start();
    for (request, wanted) in [
        (
            http::bytes_of(&node.url, "POST", "/RPC2", &[], CALL.as_bytes()),
            SHOWN.len(),
        ),
        (
            http::bytes_of(&node.url, "GET", "/files/long.txt", &[], b""),
            long.len(),
        ),
    ] {
        let mut stream = http::connect(&node.url).unwrap();
        std::io::Write::write_all(&mut stream, &request).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let answer = http::read_answer(&mut stream, false).unwrap();
        assert_eq!(answer.status, 200);
        assert!(answer.body.len() >= wanted, "{} bytes", answer.body.len());
    }
    node.stop();
}

#[test]
fn a_refusal_names_the_cure() {
    let node = node();
    let ask = |headers: &str, body: &str| {
        let request = format!("POST /RPC2 HTTP/1.1\r\nHost: HOST\r\n{headers}\r\n\r\n{body}");
        String::from_utf8_lossy(&until_close(&node.url, &filled(&node, &request))).into_owned()
    };
    let chunked = ask("Transfer-Encoding: chunked", "0\r\n\r\n");
    assert!(
        chunked.contains(" 411 ") && chunked.contains("Content-Length"),
        "{chunked}"
    );
    let gzip = ask("Content-Encoding: gzip\r\nContent-Length: 3", "abc");
    assert!(
        gzip.contains(" 415 ") && gzip.contains("without Content-Encoding"),
        "{gzip}"
    );
    assert!(gzip.contains("Accept-Encoding: identity"), "{gzip}");
    let delete = "DELETE / HTTP/1.1\r\nHost: HOST\r\n\r\n";
    let delete = until_close(&node.url, &filled(&node, delete));
    let delete = String::from_utf8_lossy(&delete);
    assert!(
        delete.contains(" 405 ") && delete.contains("Allow: GET, HEAD, POST"),
        "{delete}"
    );
    node.stop();
}

#[test]
fn a_request_inside_of_the_body_of_a_head_is_not_answered() {
    let node = node();
    let inside = "GET /files/inside.txt HTTP/1.1\r\nHost: HOST\r\n\r\n";
    for method in ["HEAD", "GET"] {
        let request =
            format!("{method} / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 500\r\n\r\n{inside}");
        is_refused(&node.url, method, &filled(&node, &request));
    }
    node.stop();
}

#[test]
fn only_names_that_nobody_else_can_give_are_answered() {
    let node = noded()
        .file("inside.txt", SHOWN)
        .args(["--allow-host", "files.example.net"])
        .start();
    let status = |method: &str, headers: &[(&str, &str)]| {
        let body = if method == "POST" { CALL } else { "" };
        let answer = http::request(
            &node.url,
            method,
            "/files/inside.txt",
            headers,
            body.as_bytes(),
        );
        answer.unwrap().status
    };
    for host in [
        "localhost",
        "127.0.0.1:1",
        "[::1]",
        "nas",
        "a.local",
        "files.example.net:80",
    ] {
        assert_eq!(status("GET", &[("Host", host)]), 200, "{host}");
        assert_eq!(status("POST", &[("Host", host)]), 200, "{host}");
    }
    for host in [
        "evil.example",
        "localhost.evil.example",
        "xfiles.example.net",
    ] {
        assert_eq!(status("GET", &[("Host", host)]), 403, "{host}");
        assert_eq!(status("POST", &[("Host", host)]), 403, "{host}");
    }
    for header in [
        ("Origin", "http://evil.example"),
        ("Origin", "null"),
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
    ] {
        assert_eq!(status("POST", &[header]), 403, "{header:?}");
        assert_eq!(status("GET", &[header]), 200, "{header:?}");
    }
    assert_eq!(status("POST", &[("Sec-Fetch-Site", "none")]), 200);
    node.stop();
}
