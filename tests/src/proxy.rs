//! A peer that passes everything on to a real node, and changes content on its way back.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::http;

/// The answer to `hello`.
const WELCOME: &str = "HTTP/1.1 200 OK\r\nServer: sixhop/0\r\nContent-Type: text/xml\r\nContent-Length: 113\r\nConnection: close\r\n\r\n<?xml version=\"1.0\"?><methodResponse><params><param><value><int>0</int></value></param></params></methodResponse>";

/// A proxy in front of a node. Its threads end with the test.
#[derive(Debug)]
pub struct Proxy {
    /// Its URL.
    pub url: String,
    lies: Arc<AtomicBool>,
}

impl Proxy {
    /// Answers as the node at `url` does, but flips a bit of each part of content.
    pub fn corrupting(url: &str) -> Proxy {
        let proxy = Proxy::honest(url);
        proxy.lie();
        proxy
    }

    /// Answers as the node at `url` does, but breaks off instead of sending content. It does send trees.
    pub fn withholding(url: &str) -> Proxy {
        Proxy::start(url, true)
    }

    /// From now on it changes content.
    pub fn lie(&self) {
        self.lies.store(true, Ordering::Release);
    }

    /// Answers as the node at `url` does, until it is told to lie.
    pub fn honest(url: &str) -> Proxy {
        Proxy::start(url, false)
    }

    fn start(url: &str, withholds: bool) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let behind = url.to_owned();
        let lies = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&lies);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (behind, told) = (behind.clone(), Arc::clone(&told));
                std::thread::spawn(move || pass(stream, &behind, &told, withholds));
            }
        });
        Proxy {
            url: format!("http://{address}/"),
            lies,
        }
    }
}

/// Passes one request on; the connection is closed after the answer.
fn pass(mut stream: TcpStream, behind: &str, lies: &AtomicBool, withholds: bool) -> Option<()> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).ok()?;
    let length = header(&head, "content-length").and_then(|length| length.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).ok()?;
    if body.windows(5).any(|part| part == b"hello") {
        // Introduced, the node behind would be asked past the proxy.
        return stream.write_all(WELCOME.as_bytes()).ok();
    }
    let lines = head.trim_end().split("\r\n");
    let kept = lines.filter(|line| {
        let line = line.to_ascii_lowercase();
        !line.starts_with("connection:") && !line.starts_with("host:")
    });
    let mut request = kept.collect::<Vec<_>>().join("\r\n").into_bytes();
    write!(
        request,
        "\r\nHost: {}\r\nConnection: close\r\n\r\n",
        http::address(behind)
    )
    .ok()?;
    request.extend(body);
    let mut answer = http::until_close(behind, &request);
    let is_content = head.starts_with("GET /blobs/") && !head.split(' ').nth(1)?.ends_with("/tree");
    if is_content && withholds {
        return stream.shutdown(Shutdown::Both).ok();
    }
    if is_content && lies.load(Ordering::Acquire) {
        *answer.last_mut()? ^= 1;
    }
    stream.write_all(&answer).ok()?;
    stream.shutdown(Shutdown::Both).ok()
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then_some(value.trim())
    })
}
