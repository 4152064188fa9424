//! The strict reading of HTTP/1 heads, which decides where requests begin and end.
//!
//! A lenient reader of a head disagrees with another one about where a
//! request ends, and attackers live in such gaps. So the head of each request
//! is checked here byte by byte before the HTTP library sees it, and a head that is
//! not plainly right is refused: one reading, no gaps.
//!
//! # Invariants
//! - A request has a body only if it is a POST, and then exactly as many bytes
//!   as its one all-digit `Content-Length` says. There is no `Transfer-Encoding`.
//! - Lines end with CR LF; there are no folded lines, no control characters,
//!   no spaces before colons; there is one `Host` (in HTTP/1.0 at most one).
//! - The target is a path of visible ASCII characters, or an `http` URL with one.
//! - A few empty lines may stand before a request: some clients end a body with one.
//! - Nothing here waits or answers; it is a state machine over bytes.

/// Longest head, in bytes.
pub(super) const HEAD_MAX: usize = 16 * 1024;

/// Longest request line, in bytes. A name of the greatest length, with each
/// byte escaped, fits.
pub(super) const REQUEST_LINE_MAX: usize = 14 * 1024;

/// Most header lines.
pub(super) const HEADERS_MAX: usize = 64;

/// Most empty lines before a request.
const EMPTY_LINES_MAX: usize = 4;

/// The error of bytes that are not a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum FramingError {
    /// The head is not plainly right.
    #[error("malformed request: {0}")]
    Malformed(&'static str),
    /// The request line is too long.
    #[error("the request line is too long")]
    LongRequestLine,
    /// The head is too long or has too many lines.
    #[error("the head is too long")]
    LongHead,
    /// A method that is not served.
    #[error("unknown method")]
    Method,
    /// A version other than 1.0 and 1.1.
    #[error("unknown HTTP version")]
    Version,
    /// A POST without a length.
    #[error("a POST needs a Content-Length; send one")]
    LengthRequired,
    /// A body that is longer than it may be.
    #[error("the body is too long")]
    LongBody,
    /// `Transfer-Encoding` in a request.
    #[error(
        "a chunked request is not accepted: send a Content-Length and no Transfer-Encoding (curl: -H 'Transfer-Encoding:')"
    )]
    TransferEncoding,
    /// A body that is compressed or encoded in another way.
    #[error("an encoded request is not accepted: send the body without Content-Encoding (gzip)")]
    ContentEncoding,
    /// An `Expect` other than `100-continue`.
    #[error("unknown expectation")]
    Expectation,
}

impl FramingError {
    /// Returns the HTTP status of the error, with its words.
    pub(super) fn status(self) -> &'static str {
        match self {
            FramingError::Malformed(_) => "400 Bad Request",
            FramingError::LongRequestLine => "414 URI Too Long",
            FramingError::LongHead => "431 Request Header Fields Too Large",
            FramingError::Method => "405 Method Not Allowed",
            FramingError::Version => "505 HTTP Version Not Supported",
            FramingError::LongBody => "413 Content Too Large",
            FramingError::LengthRequired | FramingError::TransferEncoding => "411 Length Required",
            FramingError::ContentEncoding => "415 Unsupported Media Type",
            FramingError::Expectation => "417 Expectation Failed",
        }
    }
}

/// The position in a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Position {
    /// Between two requests.
    Between,
    /// In a head.
    Head,
    /// In a body.
    Body,
}

/// Follows the bytes of one connection.
#[derive(Debug)]
pub(super) struct Framing {
    body_max: u64,
    head: Vec<u8>,
    body_left: u64,
    empty_lines: usize, // since the last request
    requests: u64,      // that are whole
}

impl Framing {
    /// Creates a new connection whose bodies have at most `body_max` bytes.
    pub(super) fn new(body_max: u64) -> Framing {
        Framing {
            body_max,
            head: Vec::new(),
            body_left: 0,
            empty_lines: 0,
            requests: 0,
        }
    }

    /// Returns where the next byte belongs.
    pub(super) fn position(&self) -> Position {
        match (self.body_left, self.head.is_empty()) {
            (0, true) => Position::Between,
            (0, false) => Position::Head,
            _ => Position::Body,
        }
    }

    /// Returns the number of requests that have come whole.
    pub(super) fn requests(&self) -> u64 {
        self.requests
    }

    /// Takes the next bytes of the connection.
    pub(super) fn push(&mut self, mut bytes: &[u8]) -> Result<(), FramingError> {
        while !bytes.is_empty() {
            if self.body_left > 0 {
                let taken = usize::try_from(self.body_left)
                    .map_or(bytes.len(), |left| left.min(bytes.len()));
                self.body_left -= taken as u64;
                self.requests += u64::from(self.body_left == 0);
                bytes = &bytes[taken..];
            } else {
                bytes = self.push_head(bytes)?;
            }
        }
        Ok(())
    }

    /// Takes bytes up to the end of a head; returns the ones behind it.
    fn push_head<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], FramingError> {
        let in_first_line = !self.head.contains(&b'\n');
        let line_end = bytes
            .iter()
            .position(|byte| *byte == b'\n')
            .map_or(bytes.len(), |at| at + 1);
        let (line, rest) = bytes.split_at(line_end);
        if in_first_line && self.head.len() + line.len() > REQUEST_LINE_MAX {
            return Err(FramingError::LongRequestLine);
        }
        if self.head.len() + line.len() > HEAD_MAX {
            return Err(FramingError::LongHead);
        }
        self.head.extend_from_slice(line);
        if line.last() == Some(&b'\n') {
            self.line_ended()?;
        }
        Ok(rest)
    }

    fn line_ended(&mut self) -> Result<(), FramingError> {
        if self.head == b"\r\n" || self.head == b"\n" {
            self.head.clear();
            self.empty_lines += 1;
            return if self.empty_lines > EMPTY_LINES_MAX {
                Err(FramingError::Malformed("too many empty lines"))
            } else {
                Ok(())
            };
        }
        if !self.head.ends_with(b"\r\n") {
            return Err(FramingError::Malformed("a line does not end with CR LF"));
        }
        if self.head.ends_with(b"\r\n\r\n") {
            self.body_left = body_length(&self.head, self.body_max)?;
            self.requests += u64::from(self.body_left == 0);
            self.empty_lines = 0;
            // Not cleared: while the answer is sent, which may take long, it needs no memory.
            self.head = Vec::new();
        }
        Ok(())
    }
}

/// The header lines, as far as framing needs them.
#[derive(Default)]
struct Seen<'a> {
    hosts: usize,
    length: Option<&'a [u8]>,
    is_encoded: bool,
}

/// Checks a whole head and says how long the body behind it is.
fn body_length(head: &[u8], body_max: u64) -> Result<u64, FramingError> {
    let mut lines = head[..head.len() - 4]
        .split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let (post, newest) = request_line(lines.next().unwrap_or_default())?;
    let mut seen = Seen::default();
    for (count, line) in lines.enumerate() {
        if count == HEADERS_MAX {
            return Err(FramingError::LongHead);
        }
        header_line(line, &mut seen)?;
    }
    if seen.hosts > 1 || (newest && seen.hosts == 0) {
        return Err(FramingError::Malformed("there must be one Host"));
    }
    if post && seen.is_encoded {
        return Err(FramingError::ContentEncoding);
    }
    match (post, seen.length) {
        (true, None) => Err(FramingError::LengthRequired),
        (true, Some(length)) => parse_length(length, body_max),
        (false, None | Some(b"0")) => Ok(0),
        (false, Some(_)) => Err(FramingError::Malformed("a body where none may be")),
    }
}

/// Returns whether the method is POST and whether the version is 1.1.
fn request_line(line: &[u8]) -> Result<(bool, bool), FramingError> {
    let mut words = line.split(|byte| *byte == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(FramingError::Malformed(
            "the request line is not three words",
        ));
    };
    if !method.iter().all(|byte| is_token(*byte)) || method.is_empty() {
        return Err(FramingError::Malformed("the method is no word"));
    }
    if !is_target(target) {
        return Err(FramingError::Malformed("the target is no path"));
    }
    let newest = match version {
        b"HTTP/1.1" => true,
        b"HTTP/1.0" => false,
        _ if version.starts_with(b"HTTP/") => return Err(FramingError::Version),
        _ => return Err(FramingError::Malformed("no HTTP version")),
    };
    match method {
        b"POST" => Ok((true, newest)),
        b"GET" | b"HEAD" => Ok((false, newest)),
        _ => Err(FramingError::Method),
    }
}

/// Returns true for a path, or a URL as clients of proxies write it (RFC 9112, 3.2.2).
fn is_target(target: &[u8]) -> bool {
    const HTTP: &[u8] = b"http://";
    let is_visible = |byte: &u8| byte.is_ascii_graphic() && *byte != b'#';
    let starts_right = match target.split_at_checked(HTTP.len()) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case(HTTP) => {
            let authority = rest.split(|byte| b"/?".contains(byte)).next();
            authority.is_some_and(is_authority)
        }
        _ => target.first() == Some(&b'/'),
    };
    starts_right && target.iter().all(is_visible)
}

/// Returns true for the host and perhaps the port that a request is sent to.
fn is_authority(text: &[u8]) -> bool {
    let is_wrong = |byte: &u8| !byte.is_ascii_graphic() || b",/@?#\\".contains(byte);
    !text.is_empty() && !text.iter().any(is_wrong)
}

fn header_line<'a>(line: &'a [u8], seen: &mut Seen<'a>) -> Result<(), FramingError> {
    let colon = line
        .iter()
        .position(|byte| *byte == b':')
        .ok_or(FramingError::Malformed("a header without colon"))?;
    let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
    if name.is_empty() || !name.iter().all(|byte| is_token(*byte)) {
        return Err(FramingError::Malformed("the name of a header is no word"));
    }
    if value
        .iter()
        .any(|byte| (*byte < b' ' && *byte != b'\t') || *byte == 0x7f)
    {
        return Err(FramingError::Malformed("a control character in a header"));
    }
    if name.eq_ignore_ascii_case(b"transfer-encoding") {
        return Err(FramingError::TransferEncoding);
    }
    if name.eq_ignore_ascii_case(b"expect") && !value.eq_ignore_ascii_case(b"100-continue") {
        return Err(FramingError::Expectation);
    }
    if name.eq_ignore_ascii_case(b"host") {
        seen.hosts += 1;
        if !is_authority(value) {
            return Err(FramingError::Malformed("the Host is none"));
        }
    }
    if name.eq_ignore_ascii_case(b"content-encoding") && !value.eq_ignore_ascii_case(b"identity") {
        seen.is_encoded = true;
    }
    if name.eq_ignore_ascii_case(b"content-length") && seen.length.replace(value).is_some() {
        return Err(FramingError::Malformed("more than one Content-Length"));
    }
    Ok(())
}

fn parse_length(text: &[u8], body_max: u64) -> Result<u64, FramingError> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return Err(FramingError::Malformed("the Content-Length is no number"));
    }
    let length = text.iter().try_fold(0u64, |length, digit| {
        length.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
    });
    length
        .filter(|length| *length <= body_max)
        .ok_or(FramingError::LongBody)
}

/// Returns true for the characters of a method or a header name (RFC 9110, token).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BODY_MAX: u64 = 100;

    fn push(text: &str) -> Result<Position, FramingError> {
        let mut framing = Framing::new(BODY_MAX);
        framing.push(text.as_bytes()).map(|()| framing.position())
    }

    #[test]
    fn right_requests_pass_and_end_where_they_say() {
        for text in [
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.0\r\n\r\n",
            "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n12345\r\n",
            "GET http://a:4242/x?y HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET HTTP://[::1] HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Encoding: identity\r\nContent-Length: 0\r\n\r\n",
            "HEAD /files/a%20b?x=1 HTTP/1.1\r\nHost: a:4242\r\nContent-Length: 0\r\n\r\n",
            "POST /RPC2 HTTP/1.1\r\nHost: [::1]:80\r\nContent-Length: 5\r\n\r\n12345",
            "POST / HTTP/1.1\r\nhost:a\r\ncontent-length:0\r\nX: \ty \r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0005\r\nExpect: 100-continue\r\n\r\n12345GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        ] {
            assert_eq!(push(text), Ok(Position::Between), "{text:?}");
        }
    }

    #[test]
    fn whole_requests_are_counted_and_empty_lines_are_not() {
        let mut framing = Framing::new(BODY_MAX);
        let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        let post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n12345";
        for (text, requests) in [
            ("\r\n", 0),
            (get, 1),
            ("\r\n\r\n", 1),
            (&post[..post.len() - 1], 1),
            ("5\r\n", 2),
            (&[get, "\r\n", post, "\r\n"].concat(), 4),
        ] {
            framing.push(text.as_bytes()).unwrap();
            assert_eq!(framing.requests(), requests, "{text:?}");
        }
    }

    #[test]
    fn the_position_is_known_in_the_middle() {
        assert_eq!(push(""), Ok(Position::Between));
        assert_eq!(push("GE"), Ok(Position::Head));
        assert_eq!(
            push("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n1234"),
            Ok(Position::Body)
        );
    }

    #[test]
    fn what_is_not_plainly_right_is_malformed() {
        let post = |header: &str| format!("POST / HTTP/1.1\r\nHost: a\r\n{header}\r\n\r\n");
        let get = |header: &str| format!("GET / HTTP/1.1\r\nHost: a\r\n{header}\r\n\r\n");
        let mut cases: Vec<String> = [
            "abc", "-1", "+5", "5 5", "5,5", "5, 5", "0x5", "", "\u{ff15}", "1e1", "5;",
        ]
        .iter()
        .map(|length| post(&format!("Content-Length: {length}")))
        .collect();
        cases.extend([
            post("Content-Length: 5\r\nContent-Length: 5"),
            post("Content-Length : 5"),
            post(" Content-Length: 5"),
            post("X: a\r\n folded\r\nContent-Length: 0"),
            get("Content-Length: 3"),
            get("Host: b"),
            get("no colon"),
            get(": nameless"),
            get("A B: c"),
            get("X: a\0b"),
            get("X: a\rb"),
            get("X: \x1b[0m"),
        ]);
        cases.extend(
            [
                "\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\n",
                "\r\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
                "\t\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
                "GET https://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
                "GET http:/// HTTP/1.1\r\nHost: a\r\n\r\n",
                "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n",
                "GET http://a/#x HTTP/1.1\r\nHost: a\r\n\r\n",
                "GET / HTTP/1.1\nHost: a\n\n",
                "GET / HTTP/1.1\r\nHost: a\n\r\n",
                "GET / HTTP/1.1\r\n\r\n",
                "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
                "GET / HTTP/1.1 x\r\nHost: a\r\n\r\n",
                "GET /\r\n\r\n",
                "GET /\r\nHost: a\r\n\r\n",
                "GET * HTTP/1.1\r\nHost: a\r\n\r\n",
                "GET /a\tb HTTP/1.1\r\nHost: a\r\n\r\n",
                "GET /a\0b HTTP/1.1\r\nHost: a\r\n\r\n",
                "GET /\u{e9} HTTP/1.1\r\nHost: a\r\n\r\n",
                "GET /#x HTTP/1.1\r\nHost: a\r\n\r\n",
                " GET / HTTP/1.1\r\nHost: a\r\n\r\n",
                "G\u{e9}T / HTTP/1.1\r\nHost: a\r\n\r\n",
                "GET / HTTP/1.1\r\nHost:\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: a,b\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: x@a\r\n\r\n",
                "GET / http/1.1\r\nHost: a\r\n\r\n",
                "\x16\x03\x01\x02\n",
            ]
            .map(str::to_owned),
        );
        for text in cases {
            assert!(
                matches!(push(&text), Err(FramingError::Malformed(_))),
                "{text:?}: {:?}",
                push(&text)
            );
        }
    }

    #[test]
    fn other_refusals_name_their_reason() {
        let long_line = format!("GET /{} HTTP/1.1\r\n", "a".repeat(REQUEST_LINE_MAX));
        let long_head = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", "a".repeat(HEAD_MAX));
        let many_lines = format!(
            "GET / HTTP/1.1\r\nHost: a\r\n{}\r\n",
            "a: b\r\n".repeat(HEADERS_MAX)
        );
        for (text, error) in [
            ("PUT / HTTP/1.1\r\nHost: a\r\n\r\n", FramingError::Method),
            ("get / HTTP/1.1\r\nHost: a\r\n\r\n", FramingError::Method),
            (
                "PRI * HTTP/2.0\r\n\r\n",
                FramingError::Malformed("the target is no path"),
            ),
            ("GET / HTTP/2.0\r\n\r\n", FramingError::Version),
            ("GET / HTTP/1.2\r\n\r\n", FramingError::Version),
            ("GET / HTTP/11\r\n\r\n", FramingError::Version),
            (
                "POST / HTTP/1.1\r\nHost: a\r\n\r\n",
                FramingError::LengthRequired,
            ),
            (
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 101\r\n\r\n",
                FramingError::LongBody,
            ),
            (
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551651\r\n\r\n",
                FramingError::LongBody,
            ),
            (
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\n",
                FramingError::ContentEncoding,
            ),
            (
                "POST / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\nContent-Length: 1\r\n\r\n",
                FramingError::Expectation,
            ),
            (&long_line, FramingError::LongRequestLine),
            (&long_head, FramingError::LongHead),
            (&many_lines, FramingError::LongHead),
        ] {
            assert_eq!(push(text), Err(error), "{text:.60?}");
        }
    }

    #[test]
    fn no_spelling_of_transfer_encoding_passes() {
        for value in [
            "chunked",
            "xchunked",
            "identity",
            "chunked, identity",
            "gzip",
            "",
            "\tchunked",
            "Chunked;q=1",
        ] {
            for name in [
                "Transfer-Encoding",
                "transfer-encoding",
                "TRANSFER-ENCODING",
            ] {
                let text = format!(
                    "POST / HTTP/1.1\r\nHost: a\r\n{name}:{value}\r\nContent-Length: 3\r\n\r\n"
                );
                assert_eq!(push(&text), Err(FramingError::TransferEncoding), "{text:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged_alike_however_they_are_cut(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            valid in any::<bool>(),
            cut in 0usize..300,
        ) {
            let mut all = if valid { b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n123456789".to_vec() } else { Vec::new() };
            all.extend(bytes);
            let cut = cut.min(all.len());
            let (mut whole, mut pieces) = (Framing::new(BODY_MAX), Framing::new(BODY_MAX));
            let one = whole.push(&all);
            let two = pieces.push(&all[..cut]).and_then(|()| pieces.push(&all[cut..]));
            prop_assert_eq!(one, two);
            prop_assert_eq!(whole.position(), pieces.position());
        }
    }
}
