//! Too many connections, connections that vanish, and a table of descriptors that is full.

use std::io::Write;
use std::net::TcpStream;
use std::thread::scope;
use std::time::Duration;

use e2e::http::{self, connect};
use e2e::{NodeProcess, python, wait_until, xmlrpc};

use super::siege::{besieged, siege_of, under_siege};
use crate::world::noded;

fn ask(node: &NodeProcess) -> Result<(), String> {
    let answer = xmlrpc::query(&node.url, "honest.txt");
    answer.map(drop).map_err(|e| e.to_string())
}

/// Opens this many connections, as far as they can be opened.
fn hold(node: &NodeProcess, count: usize, opening: &[u8]) -> Vec<TcpStream> {
    let mut streams: Vec<TcpStream> = (0..count).filter_map(|_| connect(&node.url).ok()).collect();
    for stream in &mut streams {
        // Those above the limit are closed already.
        drop(stream.write_all(opening));
    }
    streams
}

#[test]
fn t02_a_version_that_is_too_new() {
    under_siege(|node| {
        for version in ["HTTP/2.0", "HTTP/3.0"] {
            for _ in 0..300 {
                let request = format!("GET / {version}\r\n\r\n");
                let answer = http::until_close(&node.url, request.as_bytes());
                assert!(
                    answer.is_empty() || answer.starts_with(b"HTTP/1.1 "),
                    "{answer:?}"
                );
            }
        }
    });
}

#[test]
fn t03_a_full_table_of_descriptors() {
    for limit in ["ulimit -n 64", "ulimit -n 65"] {
        let node = besieged(noded().limits(limit));
        let mut held = hold(&node, 200, b"");
        // From another address too, because one address is not given that many.
        python(
            "import socket, sys\nhost, port = sys.argv[1].split(':')\nheld = []\n\
             for n in range(200):\n    s = socket.socket(); s.settimeout(0.5); s.bind(('127.0.0.%d' % (3 + n % 9), 0))\n\
             \n    try: s.connect((host, int(port))); held.append(s)\n    except OSError: pass\n",
            &[&http::address(&node.url).to_string()],
        );
        held.clear();
        wait_until(
            "an honest client is served after the flood",
            Duration::from_secs(15),
            || ask(&node),
        );
        let mut node = node;
        node.assert_healthy();
        node.stop();
    }
}

#[test]
fn t04_a_storm_of_resets() {
    under_siege(|node| {
        python(
            "import socket, struct, sys\nhost, port = sys.argv[1].split(':')\n\
             for n in range(2000):\n    s = socket.create_connection((host, int(port)))\n\
             \n    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))\n\
             \n    if n % 4: s.send((b'', b'G', b'GET / HTTP/1.1\\r\\n', b'GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n')[n % 4])\n\
             \n    s.close()\n",
            &[&http::address(&node.url).to_string()],
        );
        wait_until("the node answers", Duration::from_secs(30), || ask(node));
    });
}

#[test]
fn t06_a_thousand_silent_connections() {
    under_siege(|node| {
        let threads = node.meters().threads;
        let held = hold(node, 1000, b"");
        let now = node.meters();
        assert!(
            now.threads <= threads + 4,
            "{} threads at first, {} now",
            threads,
            now.threads
        );
        assert!(now.descriptors <= 1200, "{} descriptors", now.descriptors);
        drop(held);
    });
}

#[test]
fn t07_a_burst_is_answered_whole() {
    under_siege(|node| {
        for _ in 0..20 {
            scope(|threads| {
                let asking: Vec<_> = (0..12).map(|_| threads.spawn(|| ask(node))).collect();
                for answer in asking {
                    assert_eq!(answer.join().unwrap(), Ok(()));
                }
            });
        }
    });
}

#[test]
fn one_address_does_not_take_all_places() {
    under_siege(|node| {
        let held = hold(node, 400, b"GET / HTTP/1.1\r\n");
        // The honest client of the siege comes from another address and is served meanwhile.
        std::thread::sleep(Duration::from_secs(1));
        drop(held);
    });
}

#[test]
fn early_closes_leave_nothing() {
    under_siege(|node| {
        let host = http::address(&node.url);
        let whole = format!(
            "POST /RPC2 HTTP/1.1\r\nHost: {host}\r\nContent-Length: 400\r\n\r\n{}",
            " ".repeat(400)
        );
        for cut in (1..=100).map(|n| n * whole.len() / 101) {
            let mut stream = connect(&node.url).unwrap();
            // A refusal may come before the end.
            drop(stream.write_all(&whole.as_bytes()[..cut]));
        }
        wait_until("the node answers", Duration::from_secs(30), || ask(node));
    });
}

#[test]
fn a_node_under_a_low_limit_serves_on() {
    siege_of(besieged(noded().limits("ulimit -n 64")), |node| {
        for _ in 0..100 {
            wait_until("an answer", Duration::from_secs(30), || ask(node));
        }
    });
}
