//! The head of a request: which one is refused, and the parts that are passed on.
//!
//! # Invariants
//! - There is one way to read a head that passes: CR LF, one `Host`, one length, no other framing.
//! - A head that passes is from this page, or from a person who opened its address.
//! - The head that is passed on is rewritten from the parts that were checked.

use std::fmt::Write;

/// Longest head, in bytes.
pub(super) const HEAD_MAX: usize = 16 * 1024;

/// Longest body, in bytes: what an upload sends at a time.
pub(super) const BODY_MAX: usize = 1024 * 1024;

/// Most headers.
const HEADERS_MAX: usize = 64;

/// Longest target, in bytes.
const TARGET_MAX: usize = 4 * 1024;

/// The header with cookies.
const COOKIE: &str = "cookie";

/// The header with the key of a session.
const KEY: &str = "x-sixhop-key";

/// The headers that are passed on.
const PASSED: [&str; 2] = [COOKIE, KEY];

/// Paths that begin so do something; others are files of the page.
const DOING: &str = "/api/";

/// A head that passes.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Head {
    /// Its length, in bytes.
    pub(super) length: usize,
    /// The length of the body behind it.
    pub(super) body: usize,
    /// The header with the cookies; empty if there is none.
    pub(super) cookies: String,
    /// The header with the key of a session; empty if there is none.
    pub(super) key: String,
    /// The head to pass on.
    pub(super) anew: Vec<u8>,
}

/// The reason why a request is not passed on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Refused {
    /// It is not a request, or it can be read in two ways.
    Malformed,
    /// Another method than GET and POST.
    Method,
    /// A body beyond [`BODY_MAX`], or a head beyond [`HEAD_MAX`].
    TooLong,
    /// It came under another name than that of the page.
    Host,
    /// Another page asks.
    Origin,
    /// It took too long.
    Late,
    /// No server answers behind the door.
    NoServer,
}

impl Refused {
    /// Returns the whole answer.
    pub(super) fn answer(self) -> Vec<u8> {
        let (status, text) = match self {
            Refused::Malformed => ("400 Bad Request", "this is no request that a browser sends"),
            Refused::Method => ("405 Method Not Allowed", "GET and POST only"),
            Refused::TooLong => ("413 Content Too Large", "this is too long"),
            Refused::Host => ("421 Misdirected Request", "the page has another address"),
            Refused::Origin => ("403 Forbidden", "another page may not ask here"),
            Refused::Late => ("408 Request Timeout", "this took too long"),
            Refused::NoServer => ("503 Service Unavailable", "the page cannot answer now"),
        };
        format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\
             X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n{text}\n",
            text.len() + 1
        )
        .into_bytes()
    }
}

impl Head {
    /// Reads the head at the beginning of `bytes`. `None`: it is not whole yet.
    pub(super) fn read(bytes: &[u8], port: u16) -> Result<Option<Head>, Refused> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut request = httparse::Request::new(&mut headers);
        let length = match request.parse(bytes) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(httparse::Error::TooManyHeaders) => return Err(Refused::TooLong),
            Err(_) => return Err(Refused::Malformed),
        };
        if length > HEAD_MAX {
            return Err(Refused::TooLong);
        }
        let lone_line_feed =
            (0..length).any(|at| bytes[at] == b'\n' && (at == 0 || bytes[at - 1] != b'\r'));
        if lone_line_feed || request.version != Some(1) {
            return Err(Refused::Malformed);
        }
        let headers = Headers(request.headers);
        let is_post = match request.method {
            Some("GET") => false,
            Some("POST") => true,
            _ => return Err(Refused::Method),
        };
        let target = target(request.path.unwrap_or_default())?;
        let body = headers.body(is_post)?;
        headers.check_sender(port, target, is_post)?;
        Ok(Some(Head {
            length,
            body,
            cookies: headers.only(COOKIE)?.unwrap_or_default().to_owned(),
            key: headers.only(KEY)?.unwrap_or_default().to_owned(),
            anew: headers.anew(is_post, target, body)?,
        }))
    }
}

fn target(target: &str) -> Result<&str, Refused> {
    let is_plain = target.starts_with('/') && target.bytes().all(|byte| byte.is_ascii_graphic());
    match (is_plain, target.len() > TARGET_MAX) {
        (true, false) => Ok(target),
        (_, true) => Err(Refused::TooLong),
        (false, _) => Err(Refused::Malformed),
    }
}

struct Headers<'a>(&'a [httparse::Header<'a>]);

impl Headers<'_> {
    /// Returns the value of a header that is there once at most.
    fn only(&self, name: &str) -> Result<Option<&str>, Refused> {
        let mut values = self
            .0
            .iter()
            .filter(|header| header.name.eq_ignore_ascii_case(name));
        let value = match (values.next(), values.next()) {
            (None, _) => return Ok(None),
            (Some(header), None) => std::str::from_utf8(header.value).ok(),
            (Some(_), Some(_)) => None,
        };
        let clean = value.filter(|value| value.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
        clean.map(Some).ok_or(Refused::Malformed)
    }

    /// Returns the length of the body.
    fn body(&self, is_post: bool) -> Result<usize, Refused> {
        let odd = ["transfer-encoding", "expect", "upgrade", "te", "trailer"];
        for name in odd {
            if self.only(name)?.is_some() {
                return Err(Refused::Malformed);
            }
        }
        let length = match (self.only("content-length")?, is_post) {
            (None, false) => return Ok(0),
            (Some(length), true) => length,
            _ => return Err(Refused::Malformed),
        };
        let is_number = !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number {
            return Err(Refused::Malformed);
        }
        let length = length.parse().map_err(|_| Refused::TooLong)?;
        if length > BODY_MAX {
            return Err(Refused::TooLong);
        }
        Ok(length)
    }

    /// Errors if the request does not come from this page or this address.
    fn check_sender(&self, port: u16, target: &str, is_post: bool) -> Result<(), Refused> {
        let hosts = [format!("127.0.0.1:{port}"), format!("localhost:{port}")];
        let host = self.only("host")?.unwrap_or_default();
        if !hosts.iter().any(|ours| ours == host) {
            return Err(Refused::Host);
        }
        match self.only("origin")? {
            Some(origin) if origin.strip_prefix("http://") == Some(host) => {}
            None if !is_post => {}
            _ => return Err(Refused::Origin),
        }
        let site = self.only("sec-fetch-site")?;
        if target.starts_with(DOING) && site.is_some_and(|site| site != "same-origin") {
            return Err(Refused::Origin);
        }
        Ok(())
    }

    /// Returns the head to pass on.
    fn anew(&self, is_post: bool, target: &str, body: usize) -> Result<Vec<u8>, Refused> {
        let method = if is_post { "POST" } else { "GET" };
        let mut head = format!("{method} {target} HTTP/1.1\r\nHost: page\r\nConnection: close\r\n");
        if is_post {
            // Writing to a string does not fail.
            let _ = write!(head, "Content-Length: {body}\r\n");
        }
        for name in PASSED {
            if let Some(value) = self.only(name)? {
                let _ = write!(head, "{name}: {value}\r\n");
            }
        }
        head.push_str("\r\n");
        Ok(head.into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PORT: u16 = 4244;

    fn read(head: &str) -> Result<Option<Head>, Refused> {
        Head::read(head.as_bytes(), PORT)
    }

    fn with(line: &str) -> Result<Option<Head>, Refused> {
        read(&format!(
            "GET / HTTP/1.1\r\nHost: 127.0.0.1:4244\r\n{line}\r\n\r\n"
        ))
    }

    fn post(lines: &str) -> Result<Option<Head>, Refused> {
        let origin = "Host: localhost:4244\r\nOrigin: http://localhost:4244";
        read(&format!(
            "POST /api/call HTTP/1.1\r\n{origin}\r\n{lines}\r\n\r\n"
        ))
    }

    #[test]
    fn what_a_browser_sends_is_written_anew() {
        let head = read(
            "POST /api/call?x=1 HTTP/1.1\r\nHost: 127.0.0.1:4244\r\nOrigin: http://127.0.0.1:4244\r\n\
             Sec-Fetch-Site: same-origin\r\nCookie: a=b\r\nX-Sixhop-Key: k\r\nContent-Length: 3\r\nEvil: 1\r\n\r\nabc",
        );
        let head = head.unwrap().unwrap();
        assert_eq!(head.body, 3);
        assert_eq!(
            String::from_utf8(head.anew).unwrap(),
            "POST /api/call?x=1 HTTP/1.1\r\nHost: page\r\nConnection: close\r\nContent-Length: 3\r\ncookie: a=b\r\nx-sixhop-key: k\r\n\r\n"
        );
    }

    #[test]
    fn a_head_may_come_in_parts() {
        let whole = "GET / HTTP/1.1\r\nHost: 127.0.0.1:4244\r\n\r\n";
        for end in 1..whole.len() {
            assert_eq!(read(&whole[..end]), Ok(None), "{end}");
        }
        assert!(read(whole).unwrap().is_some());
    }

    #[test]
    fn other_framings_are_refused() {
        for line in [
            "Transfer-Encoding: chunked",
            "Transfer-Encoding: xchunked",
            "Content-Length: 0",
            "Expect: 100-continue",
            "Upgrade: websocket",
            "Host: 127.0.0.1:4244",
            " folded",
            "Cookie : a",
            "Cookie: a\nX: b",
            "Cookie: caf\u{e9}",
        ] {
            assert!(
                matches!(with(line), Err(Refused::Malformed)),
                "{line:?}: {:?}",
                with(line)
            );
        }
        for lines in [
            "Content-Length: +5",
            "Content-Length: -1",
            "Content-Length: 5, 5",
            "Content-Length: 0x5",
            "Content-Length: 5\r\nContent-Length: 5",
            "Content-Length: ",
            "X: no length",
        ] {
            assert_eq!(post(lines), Err(Refused::Malformed), "{lines:?}");
        }
        for length in [
            "1048577",
            "1000000000000",
            "18446744073709551615",
            "36893488147419103232",
        ] {
            let head = post(&format!("Content-Length: {length}"));
            assert_eq!(head, Err(Refused::TooLong), "{length}");
        }
    }

    #[test]
    fn other_versions_methods_and_targets_are_refused() {
        let host = "Host: 127.0.0.1:4244\r\n\r\n";
        for line in [
            "GET / HTTP/1.0",
            "GET / HTTP/2.0",
            "GET / HTTP/3.0",
            "GET /",
            "GET http://x/ HTTP/1.1",
            "GET * HTTP/1.1",
            "GET /\u{e9} HTTP/1.1",
        ] {
            let head = read(&format!("{line}\r\n{host}"));
            assert!(matches!(head, Err(Refused::Malformed)), "{line}: {head:?}");
        }
        for method in ["PUT", "DELETE", "OPTIONS", "HEAD", "CONNECT", "get"] {
            let head = read(&format!("{method} / HTTP/1.1\r\n{host}"));
            assert_eq!(head, Err(Refused::Method), "{method}");
        }
    }

    #[test]
    fn other_names_of_this_machine_are_refused() {
        for host in [
            "evil.example:4244",
            "127.0.0.1",
            "127.0.0.1:1",
            "localhost",
            "[::1]:4244",
            "LOCALHOST:4244x",
            "",
        ] {
            let head = read(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
            assert_eq!(head, Err(Refused::Host), "{host}");
        }
        assert_eq!(read("GET / HTTP/1.1\r\nX: y\r\n\r\n"), Err(Refused::Host));
    }

    #[test]
    fn other_pages_are_refused() {
        for origin in [
            "null",
            "http://evil.example",
            "https://127.0.0.1:4244",
            "http://127.0.0.1:4243",
            "http://localhost:4244",
        ] {
            assert_eq!(
                with(&format!("Origin: {origin}")),
                Err(Refused::Origin),
                "{origin}"
            );
        }
        let missing =
            read("POST /api/call HTTP/1.1\r\nHost: 127.0.0.1:4244\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(missing, Err(Refused::Origin));
        let cross = read(
            "GET /api/events HTTP/1.1\r\nHost: 127.0.0.1:4244\r\nSec-Fetch-Site: same-site\r\n\r\n",
        );
        assert_eq!(cross, Err(Refused::Origin));
        assert!(
            with("Sec-Fetch-Site: cross-site").unwrap().is_some(),
            "a person may follow a link to the page"
        );
    }

    proptest! {
        #[test]
        fn whatever_passes_is_clean(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let mut request = b"GET / HTTP/1.1\r\nHost: 127.0.0.1:4244\r\n".to_vec();
            request.extend(bytes);
            request.extend(b"\r\n\r\n");
            if let Ok(Some(head)) = Head::read(&request, PORT) {
                let text = String::from_utf8(head.anew).unwrap();
                prop_assert_eq!(text.matches("\r\n\r\n").count(), 1);
                prop_assert!(text.starts_with("GET / HTTP/1.1\r\nHost: page\r\n"));
            }
        }
    }
}
