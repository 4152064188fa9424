//! A client that sends exactly the bytes it is given.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// The time for an exchange unless a test says otherwise.
pub const DEADLINE: Duration = Duration::from_secs(20);
/// No answer of a test is larger.
const LARGEST: usize = 64 << 20;

/// One answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body, without its framing.
    pub body: Vec<u8>,
}

impl Answer {
    /// Returns the first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Returns the body as text, with invalid UTF-8 replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Returns the address in a URL such as `http://127.0.0.1:4242/`.
///
/// # Panics
/// When the URL has no IP address and port.
pub fn address(url: &str) -> SocketAddr {
    let rest = url.strip_prefix("http://").unwrap_or(url);
    let authority = rest.split('/').next().unwrap_or_default();
    authority
        .parse()
        .unwrap_or_else(|e| panic!("{url} is no address: {e}"))
}

/// Returns the path of a URL, at least `/`.
pub fn path(url: &str) -> &str {
    let rest = url.strip_prefix("http://").unwrap_or(url);
    rest.find('/').map_or("/", |at| &rest[at..])
}

/// Opens a connection whose reads and writes end.
///
/// # Errors
/// Errors if nobody listens, or the table of descriptors is full.
pub fn connect(url: &str) -> Result<TcpStream, String> {
    let stream = TcpStream::connect_timeout(&address(url), DEADLINE).map_err(|e| e.to_string())?;
    stream
        .set_read_timeout(Some(DEADLINE))
        .map_err(|e| e.to_string())?;
    stream
        .set_write_timeout(Some(DEADLINE))
        .map_err(|e| e.to_string())?;
    stream.set_nodelay(true).map_err(|e| e.to_string())?;
    Ok(stream)
}

/// Sends the bytes on a new connection and reads one answer.
///
/// # Errors
/// Errors if no whole answer comes within [`DEADLINE`].
pub fn exchange(url: &str, request: &[u8]) -> Result<Answer, String> {
    let mut stream = connect(url)?;
    // A node that refuses early may close before it has read everything; its answer still counts.
    let sent = stream.write_all(request);
    read_answer(&mut stream, request.starts_with(b"HEAD ")).map_err(|e| match sent {
        Ok(()) => e,
        Err(cut) => format!("{e}; sending: {cut}"),
    })
}

/// Makes a `GET` of a path, closing afterwards.
///
/// # Errors
/// As [`exchange`].
pub fn get(url: &str, path: &str) -> Result<Answer, String> {
    request(url, "GET", path, &[], b"")
}

/// Makes one well-formed request with extra header lines.
///
/// # Errors
/// As [`exchange`].
pub fn request(
    url: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<Answer, String> {
    exchange(url, &bytes_of(url, method, path, headers, body))
}

/// Returns the bytes of a well-formed request that asks to close.
pub fn bytes_of(
    url: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Vec<u8> {
    let mut head = format!("{method} {path} HTTP/1.1\r\n");
    if !headers
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("host"))
    {
        head += &format!("Host: {}\r\n", address(url));
    }
    if !headers
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("connection"))
    {
        head += "Connection: close\r\n";
    }
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    if method == "POST" {
        head += &format!("Content-Length: {}\r\n", body.len());
    }
    [head.as_bytes(), b"\r\n", body].concat()
}

/// Reads one answer.
///
/// # Errors
/// Errors if the stream ends early, the framing is wrong, or the deadline passes.
pub fn read_answer(stream: &mut impl Read, of_head: bool) -> Result<Answer, String> {
    let mut reader = Reader::new(stream);
    let (status, headers) = loop {
        let head = reader.head()?;
        if head.0 != 100 {
            break head;
        }
    };
    let mut answer = Answer {
        status,
        headers,
        body: Vec::new(),
    };
    if !of_head && ![101, 204, 304].contains(&status) {
        answer.body = body_of(&answer, &mut reader)?;
    }
    Ok(answer)
}

/// Sends the bytes and reads until the other side closes, without caring how it does.
pub fn until_close(url: &str, request: &[u8]) -> Vec<u8> {
    let Ok(mut stream) = connect(url) else {
        return Vec::new();
    };
    drop(stream.write_all(request));
    let mut reader = Reader::new(&mut stream);
    while matches!(reader.fill(), Ok(1..)) {}
    reader.buffer
}

fn body_of<R: Read>(answer: &Answer, reader: &mut Reader<'_, R>) -> Result<Vec<u8>, String> {
    if answer.header("transfer-encoding").is_some() {
        return reader.chunks();
    }
    if let Some(length) = answer.header("content-length") {
        let length = length
            .parse()
            .map_err(|_| format!("Content-Length: {length}"))?;
        return reader.take(length);
    }
    while reader.fill()? > 0 {}
    Ok(std::mem::take(&mut reader.buffer))
}

struct Reader<'a, R> {
    stream: &'a mut R,
    buffer: Vec<u8>,
    start: Instant,
}

impl<'a, R: Read> Reader<'a, R> {
    fn new(stream: &'a mut R) -> Self {
        Reader {
            stream,
            buffer: Vec::new(),
            start: Instant::now(),
        }
    }

    /// Reads some more; 0 is the end.
    fn fill(&mut self) -> Result<usize, String> {
        if self.start.elapsed() > DEADLINE {
            return Err("the answer took too long".to_owned());
        }
        if self.buffer.len() > LARGEST {
            return Err("the answer is too large".to_owned());
        }
        let mut piece = vec![0; 64 << 10];
        let count = loop {
            match self.stream.read(&mut piece) {
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                other => break other.map_err(|e| format!("reading the answer: {e}"))?,
            }
        };
        self.buffer.extend_from_slice(&piece[..count]);
        Ok(count)
    }

    fn take(&mut self, length: usize) -> Result<Vec<u8>, String> {
        while self.buffer.len() < length {
            if self.fill()? == 0 {
                return Err(format!("cut after {} of {length} bytes", self.buffer.len()));
            }
        }
        let rest = self.buffer.split_off(length);
        Ok(std::mem::replace(&mut self.buffer, rest))
    }

    /// Reads everything up to and with `end`.
    fn through(&mut self, end: &[u8]) -> Result<String, String> {
        loop {
            if let Some(at) = self.buffer.windows(end.len()).position(|w| w == end) {
                let bytes = self.take(at + end.len())?;
                return Ok(String::from_utf8_lossy(&bytes).into_owned());
            }
            if self.fill()? == 0 {
                return Err(format!(
                    "closed after {} bytes of a head",
                    self.buffer.len()
                ));
            }
        }
    }

    fn head(&mut self) -> Result<(u16, Vec<(String, String)>), String> {
        let head = self.through(b"\r\n\r\n")?;
        let mut lines = head.split("\r\n");
        let first = lines.next().unwrap_or_default();
        let status = first.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.ok_or_else(|| format!("no status line: {first:?}"))?;
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        Ok((status, headers))
    }

    fn chunks(&mut self) -> Result<Vec<u8>, String> {
        let mut body = Vec::new();
        loop {
            let line = self.through(b"\r\n")?;
            let digits = line.trim_end().split(';').next().unwrap_or_default();
            let size = usize::from_str_radix(digits, 16).map_err(|_| format!("chunk {line:?}"))?;
            body.append(&mut self.take(size)?);
            if size == 0 {
                return self.through(b"\r\n").map(|_| body);
            }
            self.take(2)?;
        }
    }
}
