//! A peer that misbehaves in one chosen way.
//!
//! It says `hello` as a good peer does and knows no other method but `query`, where its conduct shows; one that passes for a
//! Sixhop node knows `sixhop.find` too. Every connection has a thread; all of them end with the [`Rogue`].

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::Deserted;

const POLL: Duration = Duration::from_millis(5);
const LARGEST_REQUEST: usize = 4 << 20;

/// The conduct of a rogue that is asked for a file.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Conduct {
    /// Takes the request and never answers.
    Stall,
    /// Closes without a word.
    Close,
    /// Sends these bytes as its whole answer and closes.
    Raw(Vec<u8>),
    /// Sends a well-framed answer with this body of XML.
    Body(String),
    /// Promises a body of this length, sends half of a good one, and closes.
    Truncate(usize),
    /// Sends a string that never ends.
    Endless,
    /// Sends a good answer one byte every so often.
    SlowByte(Duration),
    /// Sends a redirection to this URL.
    Redirect(String),
    /// Sends header lines without end.
    EndlessHead,
    /// Sends a file in pieces with a pause after each.
    Slowly {
        /// The text of the file.
        text: String,
        /// Bytes a piece.
        piece: usize,
        /// The pause.
        pause: Duration,
    },
}

/// A listening rogue.
#[derive(Debug)]
pub struct Rogue {
    /// Its URL.
    pub url: String,
    address: SocketAddr,
    shared: Arc<Shared>,
    listener: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    conduct: Conduct,
    /// Its answer to `sixhop.find`, if it passes for a Sixhop node.
    finds: Option<String>,
    requests: Mutex<Vec<String>>,
    queries: AtomicUsize,
    bytes: AtomicUsize,
    stop: AtomicBool,
}

impl Rogue {
    /// Starts one.
    ///
    /// # Panics
    /// When the loopback gives no port.
    pub fn start(conduct: Conduct) -> Rogue {
        Rogue::with(conduct, None)
    }

    /// Starts one that passes for a Sixhop node, though it cannot show who it is, and answers every `sixhop.find` with the
    /// inside of this value.
    ///
    /// # Panics
    /// When the loopback gives no port.
    pub fn finding(found: &str) -> Rogue {
        Rogue::with(Conduct::Body(fault_of(100)), Some(found.to_owned()))
    }

    fn with(conduct: Conduct, finds: Option<String>) -> Rogue {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        let address = listener.local_addr().expect("it listens");
        listener.set_nonblocking(true).expect("a listener can poll");
        let shared = Arc::new(Shared {
            conduct,
            finds,
            requests: Mutex::default(),
            queries: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
        });
        let its = Arc::clone(&shared);
        Rogue {
            url: format!("http://{address}/"),
            address,
            shared,
            listener: Some(std::thread::spawn(move || accept(&listener, &its))),
        }
    }

    /// Ends it and keeps its port, where nobody listens from now on.
    ///
    /// # Panics
    /// Panics if another process takes the port first.
    pub fn leave(self) -> Deserted {
        let address = self.address;
        drop(self);
        Deserted::at(address).expect("its port is free")
    }

    /// Returns the bodies and heads of all requests that it has read.
    pub fn requests(&self) -> Vec<String> {
        let requests = self.shared.requests.lock();
        requests.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the number of times that it was asked for a file.
    pub fn queries(&self) -> usize {
        self.shared.queries.load(Ordering::SeqCst)
    }

    /// Returns the number of bytes that it has sent in answers to `query`.
    pub fn bytes_sent(&self) -> usize {
        self.shared.bytes.load(Ordering::SeqCst)
    }
}

impl Drop for Rogue {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        if let Some(listener) = self.listener.take() {
            // A rogue that panicked has already said so.
            drop(listener.join());
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    let mut threads = Vec::new();
    while !shared.stop.load(Ordering::SeqCst) {
        match listener.accept() {
            Ok((stream, _)) => {
                let its = Arc::clone(shared);
                threads.push(std::thread::spawn(move || drop(its.serve(&stream))));
            }
            Err(_) => std::thread::sleep(POLL),
        }
    }
    for thread in threads {
        drop(thread.join());
    }
}

impl Shared {
    /// Serves a connection until it ends or the rogue does.
    fn serve(&self, stream: &TcpStream) -> std::io::Result<()> {
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(POLL))?;
        stream.set_write_timeout(Some(Duration::from_secs(1)))?;
        let mut buffer = Vec::new();
        while let Some(request) = self.read_request(stream, &mut buffer)? {
            let requests = self.requests.lock();
            let mut requests = requests.unwrap_or_else(PoisonError::into_inner);
            requests.push(request.clone());
            drop(requests);
            if request.contains("<methodName>query</methodName>") {
                self.queries.fetch_add(1, Ordering::SeqCst);
                return self.misbehave(stream);
            }
            let is_find = request.contains("<methodName>sixhop.find</methodName>");
            let answer = match &self.finds {
                _ if request.contains("<methodName>hello</methodName>") => {
                    answer_of("<int>0</int>")
                }
                Some(found) if is_find => answer_of(found),
                _ => NO_METHOD.to_owned(),
            };
            let mut framed = framed(&answer);
            if self.finds.is_some() {
                framed.splice(STATUS.len()..STATUS.len(), OUR_KIND.iter().copied());
            }
            (&*stream).write_all(&framed)?;
            if self.finds.is_some() {
                // Its answers say that the connection is over.
                return Ok(());
            }
        }
        Ok(())
    }

    /// Reads one request, or nothing at the end.
    fn read_request(
        &self,
        mut stream: &TcpStream,
        buffer: &mut Vec<u8>,
    ) -> std::io::Result<Option<String>> {
        let mut piece = [0; 16 << 10];
        while !self.stop.load(Ordering::SeqCst) && buffer.len() < LARGEST_REQUEST {
            if let Some(length) = whole_request(buffer) {
                let rest = buffer.split_off(length);
                let request = std::mem::replace(buffer, rest);
                return Ok(Some(String::from_utf8_lossy(&request).into_owned()));
            }
            match stream.read(&mut piece) {
                Ok(0) => return Ok(None),
                Ok(count) => buffer.extend_from_slice(&piece[..count]),
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(e) => return Err(e),
            }
        }
        Ok(None)
    }

    fn misbehave(&self, stream: &TcpStream) -> std::io::Result<()> {
        match &self.conduct {
            Conduct::Stall => self.pause(Duration::from_secs(600)),
            Conduct::Close => {}
            Conduct::Raw(bytes) => self.send(stream, bytes)?,
            Conduct::Body(body) => self.send(stream, &framed(body))?,
            Conduct::Truncate(length) => {
                self.send(stream, head(*length).as_bytes())?;
                self.send(stream, answer_of("<string>half").as_bytes())?;
            }
            Conduct::Endless => {
                self.send(stream, head(1 << 40).as_bytes())?;
                self.send(stream, ANSWER_OPEN.as_bytes())?;
                self.repeat(stream, &[b'x'; 64 << 10])?;
            }
            Conduct::SlowByte(pause) => {
                self.dribble(stream, &framed(&answer_of("slow")), 1, *pause)?;
            }
            Conduct::Redirect(to) => self.send(stream, redirect(to).as_bytes())?,
            Conduct::EndlessHead => {
                self.send(stream, b"HTTP/1.1 200 OK\r\n")?;
                self.repeat(
                    stream,
                    b"X-More: and more and more and more and more and more\r\n",
                )?;
            }
            Conduct::Slowly { text, piece, pause } => {
                let answer = framed(&answer_of(&format!("<string>{text}</string>")));
                self.dribble(stream, &answer, *piece, *pause)?;
            }
        }
        Ok(())
    }

    fn send(&self, mut stream: &TcpStream, bytes: &[u8]) -> std::io::Result<()> {
        stream.write_all(bytes)?;
        self.bytes.fetch_add(bytes.len(), Ordering::SeqCst);
        Ok(())
    }

    fn repeat(&self, stream: &TcpStream, bytes: &[u8]) -> std::io::Result<()> {
        while !self.stop.load(Ordering::SeqCst) {
            self.send(stream, bytes)?;
        }
        Ok(())
    }

    fn dribble(
        &self,
        stream: &TcpStream,
        bytes: &[u8],
        piece: usize,
        pause: Duration,
    ) -> std::io::Result<()> {
        for part in bytes.chunks(piece.max(1)) {
            self.send(stream, part)?;
            self.pause(pause);
            if self.stop.load(Ordering::SeqCst) {
                break;
            }
        }
        Ok(())
    }

    /// Sleeps; the end of the rogue cuts it short.
    fn pause(&self, length: Duration) {
        let start = Instant::now();
        while start.elapsed() < length && !self.stop.load(Ordering::SeqCst) {
            std::thread::sleep(POLL.min(length));
        }
    }
}

const STATUS: &str = "HTTP/1.1 200 OK\r\n";
const OUR_KIND: &[u8] = b"Server: sixhop/0\r\n";
const ANSWER_OPEN: &str = "<?xml version=\"1.0\"?><methodResponse><params><param><value><string>";
const NO_METHOD: &str = "<?xml version=\"1.0\"?><methodResponse><fault><value><struct>\
    <member><name>faultCode</name><value><int>-32601</int></value></member>\
    <member><name>faultString</name><value><string>no such method</string></value></member>\
    </struct></value></fault></methodResponse>";

/// Returns the XML of an answer around the inside of a value.
pub fn answer_of(inside: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?><methodResponse><params><param><value>{inside}</value></param></params></methodResponse>"
    )
}

fn head(length: usize) -> String {
    format!(
        "{STATUS}Content-Type: text/xml\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
    )
}

fn framed(body: &str) -> Vec<u8> {
    (head(body.len()) + body).into_bytes()
}

fn redirect(to: &str) -> String {
    format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n")
}

/// Returns the length of the first request in the buffer, when it is whole.
fn whole_request(buffer: &[u8]) -> Option<usize> {
    let end = buffer.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&buffer[..end]).to_ascii_lowercase();
    let length = head.lines().find_map(|l| l.strip_prefix("content-length:"));
    let chunked = head.contains("transfer-encoding:");
    if chunked {
        let last = buffer[end..].windows(5).position(|w| w == b"0\r\n\r\n")?;
        return Some(end + last + 5);
    }
    let length = length.map_or(Some(0), |l| l.trim().parse().ok())?;
    (buffer.len() >= end + length).then_some(end + length)
}

/// Returns a fault as the body of an answer.
pub fn fault_of(code: i64) -> String {
    NO_METHOD.replace("-32601", &code.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xmlrpc;

    #[test]
    fn it_greets_and_then_misbehaves() {
        let rogue = Rogue::start(Conduct::Body(answer_of("<int>7</int>")));
        let greeting = xmlrpc::call(&rogue.url, "hello", &[xmlrpc::Value::text("http://x/")]);
        assert_eq!(greeting, Ok(xmlrpc::Value::Int(0)));
        let answer = xmlrpc::call(&rogue.url, "query", &[xmlrpc::Value::text("x")]);
        assert_eq!(answer, Ok(xmlrpc::Value::Int(7)));
        assert_eq!(rogue.queries(), 1);
    }
}
