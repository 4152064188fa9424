//! A peer that passes everything on to a real node, and changes content on its way back.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::http;

/// The call in which a node says who it is.
const INTRODUCE: &[u8] = b"<methodName>sixhop.introduce</methodName>";

/// The answer to `hello`.
const WELCOME: &str = "HTTP/1.1 200 OK\r\nServer: sixhop/0\r\nContent-Type: text/xml\r\nContent-Length: 113\r\nConnection: close\r\n\r\n<?xml version=\"1.0\"?><methodResponse><params><param><value><int>0</int></value></param></params></methodResponse>";

/// The fault of a node that does not say who it is. Nobody who passes an introduction on could speak TLS for its node.
const UNKNOWN: &str = "<?xml version=\"1.0\"?><methodResponse><fault><value><struct><member><name>faultCode</name><value><int>-32601</int></value></member><member><name>faultString</name><value><string>unknown</string></value></member></struct></value></fault></methodResponse>";

/// The answer of a node that sends too much already.
const BUSY: &str = "HTTP/1.1 503 Service Unavailable\r\nServer: sixhop/0\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// The treatment of content on its way back.
#[derive(Debug, Default)]
struct Conduct {
    lies: AtomicBool,
    withholds: bool,
    /// It takes a request for a bundle for a call, as nodes do that know no bundles.
    knows_no_bundles: bool,
    /// Requests for content that are still to be answered as busy.
    busy: AtomicUsize,
}

/// Bytes of an answer in chunks behind its content.
const CHUNKED_END: usize = b"\r\n0\r\n\r\n".len();

/// A proxy in front of a node. Its threads end with the test.
#[derive(Debug)]
pub struct Proxy {
    /// Its URL.
    pub url: String,
    conduct: Arc<Conduct>,
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
        let conduct = Conduct {
            withholds: true,
            ..Conduct::default()
        };
        Proxy::start(url, conduct)
    }

    /// Answers the first `times` requests for content as a busy node does, and all else as the node at `url`.
    pub fn busy(url: &str, times: usize) -> Proxy {
        let conduct = Conduct {
            busy: times.into(),
            ..Conduct::default()
        };
        Proxy::start(url, conduct)
    }

    /// Changes content from now on.
    pub fn lie(&self) {
        self.conduct.lies.store(true, Ordering::Release);
    }

    /// Returns how many requests for content it will still answer as busy.
    pub fn busy_left(&self) -> usize {
        self.conduct.busy.load(Ordering::Acquire)
    }

    /// Answers as the node at `url` does, until it is made to lie.
    pub fn honest(url: &str) -> Proxy {
        Proxy::start(url, Conduct::default())
    }

    /// Answers as the node at `url` does, if that knew no bundles.
    pub fn without_bundles(url: &str) -> Proxy {
        let conduct = Conduct {
            knows_no_bundles: true,
            ..Conduct::default()
        };
        Proxy::start(url, conduct)
    }

    fn start(url: &str, conduct: Conduct) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let behind = url.to_owned();
        let conduct = Arc::new(conduct);
        let told = Arc::clone(&conduct);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (behind, told) = (behind.clone(), Arc::clone(&told));
                std::thread::spawn(move || pass(stream, &behind, &told));
            }
        });
        Proxy {
            url: format!("http://{address}/"),
            conduct,
        }
    }
}

/// Passes one request on; the connection is closed after the answer.
fn pass(mut stream: TcpStream, behind: &str, conduct: &Conduct) -> Option<()> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let mut head = String::from_utf8(head).ok()?;
    let length = header(&head, "content-length").and_then(|length| length.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).ok()?;
    if let Some(answer) = own_answer(&body) {
        return stream.write_all(answer.as_bytes()).ok();
    }
    let is_bundle = head.starts_with("POST /blobs ");
    if is_bundle && conduct.knows_no_bundles {
        head = head.replace("application/x-sixhop-digests", "text/xml");
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
    let is_blob = head.starts_with("GET /blobs/") && !head.split(' ').nth(1)?.ends_with("/tree");
    let is_content = is_blob || is_bundle;
    let fewer = |left: usize| left.checked_sub(1);
    let busy = &conduct.busy;
    if is_content
        && busy
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, fewer)
            .is_ok()
    {
        return stream.write_all(BUSY.as_bytes()).ok();
    }
    let mut answer = http::until_close(behind, &request);
    if is_content && conduct.withholds {
        return stream.shutdown(Shutdown::Both).ok();
    }
    let lies = conduct.lies.load(Ordering::Acquire);
    if lies && is_blob {
        *answer.last_mut()? ^= 1;
    }
    if lies && is_bundle {
        let last = answer.len().checked_sub(CHUNKED_END + 1)?;
        answer[last] ^= 1;
    }
    stream.write_all(&answer).ok()?;
    stream.shutdown(Shutdown::Both).ok()
}

/// Returns the answer that does not come from the node behind: introduced, that would be asked past the proxy.
fn own_answer(body: &[u8]) -> Option<String> {
    let has = |text: &[u8]| body.windows(text.len()).any(|part| part == text);
    if has(INTRODUCE) {
        let head =
            "HTTP/1.1 200 OK\r\nServer: sixhop/0\r\nContent-Type: text/xml\r\nConnection: close";
        let length = UNKNOWN.len();
        return Some(format!(
            "{head}\r\nContent-Length: {length}\r\n\r\n{UNKNOWN}"
        ));
    }
    has(b"hello").then(|| WELCOME.to_owned())
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then_some(value.trim())
    })
}
