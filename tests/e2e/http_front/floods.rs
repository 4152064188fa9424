//! Too much at once: long lines, many headers, large bodies, pipelines.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use e2e::http::{address, connect, until_close};
use e2e::{NodeProcess, wait_until};

use super::siege::under_siege;

/// Writes until the other side has had enough, or this many bytes.
fn pour(stream: &mut TcpStream, piece: &[u8], bytes: usize) -> usize {
    let mut sent = 0;
    while sent < bytes {
        match stream.write(piece) {
            Ok(count @ 1..) => sent += count,
            _ => break,
        }
    }
    sent
}

/// Opens connections, sends an opening on each, then pours; the node must stop reading long before the end.
fn flood(node: &NodeProcess, connections: usize, opening: &str, piece: &[u8]) {
    const ENOUGH: usize = 64 << 20;
    for _ in 0..connections {
        let mut stream = connect(&node.url).expect("the node listens");
        stream
            .set_write_timeout(Some(Duration::from_secs(15)))
            .unwrap();
        // A refusal may come as early as here.
        drop(stream.write_all(opening.as_bytes()));
        let sent = pour(&mut stream, piece, ENOUGH);
        assert!(sent < ENOUGH, "the node took {sent} bytes of {opening:?}");
    }
}

#[test]
fn t01_a_length_beyond_memory() {
    under_siege(|node| {
        for length in [
            "1000000000000",
            "30000000000",
            "18446744073709551615",
            "9223372036854775807",
        ] {
            for _ in 0..25 {
                let host = address(&node.url);
                let request = format!(
                    "POST /RPC2 HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n\r\n<"
                );
                let answer = until_close(&node.url, request.as_bytes());
                let answer = String::from_utf8_lossy(&answer);
                assert!(answer.starts_with("HTTP/1.1 4"), "{length}: {answer}");
            }
        }
    });
}

#[test]
fn t05_a_request_line_without_end() {
    under_siege(|node| flood(node, 4, "GET /", &[b'x'; 64 << 10]));
}

#[test]
fn t05_a_header_line_without_end() {
    under_siege(|node| {
        flood(
            node,
            4,
            "GET / HTTP/1.1\r\nHost: x\r\nX: ",
            &[b'x'; 64 << 10],
        );
    });
}

#[test]
fn t05_headers_without_end() {
    let piece = b"a: b\r\n".repeat(8 << 10);
    under_siege(|node| flood(node, 4, "GET / HTTP/1.1\r\nHost: x\r\n", &piece));
}

#[test]
fn t05_empty_lines_without_end() {
    let piece = b"\r\n".repeat(16 << 10);
    under_siege(|node| flood(node, 2, "", &piece));
}

#[test]
fn t11_a_chunk_size_without_end() {
    let opening = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    under_siege(|node| flood(node, 4, opening, &[b'0'; 64 << 10]));
}

#[test]
fn a_body_above_the_limit() {
    let opening = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n\r\n";
    under_siege(|node| flood(node, 4, opening, &[b'x'; 64 << 10]));
}

#[test]
fn t08_a_pipeline_whose_answers_nobody_reads() {
    let host = "GET / HTTP/1.1\r\nHost: x\r\n\r\n".repeat(1000);
    under_siege(|node| {
        let mut streams: Vec<TcpStream> = (0..4).filter_map(|_| connect(&node.url).ok()).collect();
        for stream in &mut streams {
            stream
                .set_write_timeout(Some(Duration::from_millis(500)))
                .unwrap();
            pour(stream, host.as_bytes(), 20 << 20);
        }
    });
}

#[test]
fn a_pipeline_is_answered_in_order() {
    under_siege(|node| {
        let host = address(&node.url);
        let mut stream = connect(&node.url).unwrap();
        let one = format!("GET /files/honest.txt HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let two =
            format!("GET /files/none.txt HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream
            .write_all((one.repeat(9) + two.as_str()).as_bytes())
            .unwrap();
        let mut answers = String::new();
        stream.read_to_string(&mut answers).unwrap();
        let statuses: Vec<&str> = answers
            .split("HTTP/1.1 ")
            .skip(1)
            .map(|a| &a[..3])
            .collect();
        assert_eq!(
            statuses,
            [["200"; 9].as_slice(), &["404"]].concat(),
            "{answers}"
        );
    });
}

#[test]
fn bodies_of_the_greatest_size_from_many_connections() {
    under_siege(|node| {
        let body = vec![b' '; 1 << 20];
        let mut streams: Vec<TcpStream> = (0..24).filter_map(|_| connect(&node.url).ok()).collect();
        for stream in &mut streams {
            let head = format!(
                "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            drop(stream.write_all(head.as_bytes()));
            drop(stream.write_all(&body[..body.len() - 1]));
        }
        // All of them are held at once now, one byte short; then they are whole, and no XML.
        for stream in &mut streams {
            drop(stream.write_all(b" "));
        }
        wait_until("a body is answered", Duration::from_secs(30), || {
            let mut start = [0; 12];
            let read = streams[0].read_exact(&mut start).map_err(|e| e.to_string());
            read.map(|()| assert_eq!(&start[..9], b"HTTP/1.1 "))
        });
    });
}
