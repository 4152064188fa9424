//! `hello` calls a second: `noded` against CPython's `SimpleXMLRPCServer`, in one run.
//!
//! ```text
//! cargo bench -p e2e --bench hello_rate
//! ```
//!
//! Some client threads send the same bytes over raw sockets and reconnect when the server closes, which CPython's does after
//! every call. The servers take turns; the figure of each is the median of its rounds. One row has `noded` on a new connection
//! for every call too, so that the gain by keep-alive and that by the server can be told apart.

#![allow(clippy::print_stdout, reason = "a benchmark prints what it measured")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::scope;
use std::time::{Duration, Instant};

use e2e::http::{address, bytes_of, connect, path};
use e2e::{Conduct, Dialect, Home, NodeOptions, PythonPeer, Rogue, xmlrpc};

const CLIENTS: usize = 8;
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(2);

fn main() {
    let node = NodeOptions::new(env!("CARGO_BIN_EXE_e2e-noded")).start();
    let python = PythonPeer::start(Dialect::Faults, Home::new());
    let friend = Rogue::start(Conduct::Close);
    let kept = Load::new(&node.url, &friend.url, "keep-alive");
    let fresh = Load::new(&node.url, &friend.url, "close");
    let book = Load::new(&python.url, &friend.url, "keep-alive");
    let mut rates = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for (load, rates) in [&kept, &fresh, &book].into_iter().zip(&mut rates) {
            rates.push(load.run());
        }
    }
    let [kept, fresh, book] = rates.map(median);
    println!("hello calls a second, {CLIENTS} clients, median of {ROUNDS} rounds of {ROUND:?}");
    println!(
        "noded, connections kept        {kept:8.0}   {:5.1} times CPython",
        kept / book
    );
    println!(
        "noded, a new one for each call {fresh:8.0}   {:5.1} times CPython",
        fresh / book
    );
    println!("CPython SimpleXMLRPCServer     {book:8.0}");
    node.stop();
}

/// The same call, over and over, to one server.
struct Load {
    url: String,
    request: Vec<u8>,
}

impl Load {
    fn new(url: &str, friend: &str, connection: &str) -> Load {
        let call = xmlrpc::request("hello", &[xmlrpc::Value::text(friend)]);
        let headers = [("Content-Type", "text/xml"), ("Connection", connection)];
        let request = bytes_of(url, "POST", path(url), &headers, call.as_bytes());
        println!(
            "{} takes {} bytes a call, {connection}",
            address(url),
            request.len()
        );
        Load {
            url: url.to_owned(),
            request,
        }
    }

    /// Returns the calls a second in one round.
    fn run(&self) -> f64 {
        let (stop, start) = (AtomicBool::new(false), Instant::now());
        let calls: u32 = scope(|threads| {
            let clients: Vec<_> = (0..CLIENTS)
                .map(|_| threads.spawn(|| self.client(&stop)))
                .collect();
            std::thread::sleep(ROUND);
            stop.store(true, Ordering::Relaxed);
            clients
                .into_iter()
                .map(|c| c.join().expect("a client does not panic"))
                .sum()
        });
        f64::from(calls) / start.elapsed().as_secs_f64()
    }

    /// Calls until `stop` is set. Returns the number of answers.
    fn client(&self, stop: &AtomicBool) -> u32 {
        let (mut calls, mut connection) = (0, None);
        while !stop.load(Ordering::Relaxed) {
            let mut stream = connection
                .take()
                .unwrap_or_else(|| connect(&self.url).expect("the server listens"));
            match exchange(&mut stream, &self.request) {
                Some(open) => {
                    calls += 1;
                    connection = open.then_some(stream);
                }
                // The server closed a kept connection before this call: not an answer.
                None => connection = None,
            }
        }
        calls
    }
}

/// Makes one call; returns whether the connection stays open. Nothing when there was no good answer.
fn exchange(stream: &mut TcpStream, request: &[u8]) -> Option<bool> {
    stream.write_all(request).ok()?;
    let mut answer = [0; 2048];
    let mut length = 0;
    loop {
        let count = stream.read(&mut answer[length..]).ok()?;
        length += count;
        let text = std::str::from_utf8(&answer[..length]).ok()?;
        if text.contains("</methodResponse>") {
            assert!(
                text.contains("<int>0</int>") || text.contains("<i4>0</i4>"),
                "{text}"
            );
            let closes = text.starts_with("HTTP/1.0")
                || text.to_ascii_lowercase().contains("connection: close");
            return Some(!closes);
        }
        if count == 0 {
            return None;
        }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
