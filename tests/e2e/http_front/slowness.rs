//! Clients that take their time: the node cuts them, and serves others meanwhile.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use e2e::http::{address, connect};
use e2e::{NodeProcess, eventually, wait_until};

use super::siege::{besieged, siege_of, under_siege};
use crate::world::noded;

/// A head has five seconds, a body ten, a place is idle for fifteen; a loaded machine gets some more.
const CUT: Duration = Duration::from_secs(30);

/// Opens connections that all say the same and then nothing.
fn silent_after(node: &NodeProcess, opening: &str, count: usize) -> Vec<TcpStream> {
    let opening = opening.replace("HOST", &address(&node.url).to_string());
    let streams = (0..count).map(|_| {
        let mut stream = connect(&node.url).expect("the node listens");
        stream
            .write_all(opening.as_bytes())
            .expect("the node reads");
        stream
    });
    streams.collect()
}

/// Waits until the node has closed each of them.
fn are_cut(streams: Vec<TcpStream>, what: &str) {
    let start = Instant::now();
    for mut stream in streams {
        stream
            .set_read_timeout(Some(Duration::from_millis(50)))
            .unwrap();
        let mut piece = [0; 4096];
        wait_until(what, CUT, || match stream.read(&mut piece) {
            Ok(0) => Ok(()),
            Ok(_) => Err("it answers".to_owned()),
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Err(format!("open after {:?}", start.elapsed()))
            }
            Err(_) => Ok(()),
        });
    }
    println!("{what}: after {:?}", start.elapsed());
}

#[test]
fn a_silent_connection_is_cut() {
    under_siege(|node| are_cut(silent_after(node, "", 20), "a silent connection is cut"));
}

#[test]
fn half_a_head_is_cut() {
    let half = "GET / HTTP/1.1\r\nHost: HOST\r\nX: ";
    under_siege(|node| are_cut(silent_after(node, half, 20), "half a head is cut"));
}

#[test]
fn t12_a_body_that_never_comes_is_cut() {
    let promise = "POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 5000\r\n\r\n";
    under_siege(|node| {
        are_cut(
            silent_after(node, promise, 20),
            "a body that never comes is cut",
        );
    });
}

#[test]
fn t12_an_expectation_that_is_never_met_is_cut() {
    let promise =
        "POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 5000\r\nExpect: 100-continue\r\n\r\n";
    under_siege(|node| are_cut(silent_after(node, promise, 20), "an expectation is cut"));
}

#[test]
fn half_a_body_is_cut() {
    let half = format!(
        "POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 5000\r\n\r\n{}",
        " ".repeat(2500)
    );
    under_siege(|node| are_cut(silent_after(node, &half, 20), "half a body is cut"));
}

#[test]
fn an_idle_connection_is_cut_after_its_answer() {
    let whole = "GET /files/honest.txt HTTP/1.1\r\nHost: HOST\r\n\r\n";
    under_siege(|node| are_cut(silent_after(node, whole, 20), "an idle connection is cut"));
}

/// One byte a moment keeps a naive timer for ever from running out.
#[test]
fn t05_a_head_byte_by_byte_is_cut() {
    under_siege(|node| {
        let mut streams = silent_after(node, "GET / HTTP/1.1\r\nHost: HOST\r\nX: ", 10);
        let start = Instant::now();
        while start.elapsed() < CUT && streams.iter_mut().any(|s| s.write_all(b"x").is_ok()) {
            std::thread::sleep(Duration::from_millis(200));
        }
        assert!(start.elapsed() < CUT, "a head may take for ever");
    });
}

#[test]
fn t13_a_reader_that_stalls_is_cut() {
    let large = vec![b'x'; 32 << 20];
    siege_of(besieged(noded().file("large.bin", &large)), |node| {
        let get = "GET /files/large.bin HTTP/1.1\r\nHost: HOST\r\n\r\n";
        let before = node.meters().descriptors;
        let streams = silent_after(node, get, 20);
        eventually("all of them are served", || {
            node.meters().descriptors >= before + 20
        });
        let held = node.meters();
        // Nothing is read here: the node finds out by itself. Its descriptors say when.
        wait_until("a stalled reader is cut", Duration::from_secs(60), || {
            let now = node.meters();
            let cut = now.descriptors + 20 <= held.descriptors;
            cut.then_some(())
                .ok_or_else(|| format!("{held:?} then {now:?}"))
        });
        drop(streams);
    });
}

#[test]
fn a_slow_reader_gets_the_whole_file() {
    let large: Vec<u8> = (0..3_000_000u32).map(|n| n.to_le_bytes()[0]).collect();
    let node = noded().file("large.bin", &large).start();
    let mut stream = connect(&node.url).unwrap();
    let host = address(&node.url);
    let get = format!("GET /files/large.bin HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(get.as_bytes()).unwrap();
    let mut answer = Vec::new();
    let mut piece = vec![0; 64 << 10];
    while let Ok(count @ 1..) = stream.read(&mut piece) {
        answer.extend_from_slice(&piece[..count]);
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(answer.ends_with(&large), "{} bytes came", answer.len());
    node.stop();
}

#[test]
fn a_node_stops_in_time_with_stuck_clients() {
    let large = vec![b'x'; 16 << 20];
    let node = noded().file("large.bin", &large).start();
    let stuck = [
        "",
        "GET / HTTP/1.1\r\n",
        "POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 5000\r\n\r\n",
        "GET /files/large.bin HTTP/1.1\r\nHost: HOST\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: HOST\r\n\r\n",
    ];
    let held: Vec<TcpStream> = stuck
        .iter()
        .flat_map(|opening| silent_after(&node, opening, 4))
        .collect();
    node.stop();
    drop(held);
}
