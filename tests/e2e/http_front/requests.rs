//! Requests with wrong framing or a wrong head, as tables.
//!
//! `HOST` stands for the address of the node, `SIZE` for the length of the body.

/// The fault, and the head after `POST /RPC2 HTTP/1.1\r\nHost: HOST\r\n`; the call follows as the body.
pub(super) const BAD_LENGTHS: &[(&str, &str)] = &[
    ("no length", ""),
    ("empty length", "Content-Length:\r\n"),
    ("words", "Content-Length: abc\r\n"),
    ("negative", "Content-Length: -1\r\n"),
    ("plus", "Content-Length: +SIZE\r\n"),
    ("fraction", "Content-Length: SIZE.0\r\n"),
    ("hexadecimal", "Content-Length: 0xSIZE\r\n"),
    ("exponent", "Content-Length: 1e2\r\n"),
    ("underscore", "Content-Length: 1_0\r\n"),
    ("list", "Content-Length: SIZE, SIZE\r\n"),
    ("list with semicolon", "Content-Length: SIZE; SIZE\r\n"),
    (
        "two, the same",
        "Content-Length: SIZE\r\nContent-Length: SIZE\r\n",
    ),
    (
        "two, the first shorter",
        "Content-Length: 5\r\nContent-Length: SIZE\r\n",
    ),
    (
        "two, the second shorter",
        "Content-Length: SIZE\r\nContent-Length: 5\r\n",
    ),
    (
        "two in other case",
        "content-length: SIZE\r\nCONTENT-LENGTH: 0\r\n",
    ),
    ("inner space", "Content-Length: 1 2\r\n"),
    ("above 64 bits", "Content-Length: 18446744073709551616\r\n"),
    ("all of 64 bits", "Content-Length: 18446744073709551615\r\n"),
    (
        "above 64 bits by the length",
        "Content-Length: 18446744073709551650\r\n",
    ),
    ("a terabyte", "Content-Length: 1000000000000\r\n"),
    ("thirty gigabytes", "Content-Length: 30000000000\r\n"),
    ("above the limit of a body", "Content-Length: 1048577\r\n"),
    ("other digits", "Content-Length: \u{661}\u{662}\r\n"),
    ("space before the colon", "Content-Length : SIZE\r\n"),
    ("tab before the colon", "Content-Length\t: SIZE\r\n"),
    ("folded", "Content-Length:\r\n SIZE\r\n"),
    ("vertical tab", "Content-Length: \x0bSIZE\r\n"),
    ("quoted", "Content-Length: \"SIZE\"\r\n"),
    (
        "length and chunks",
        "Content-Length: SIZE\r\nTransfer-Encoding: chunked\r\n",
    ),
    (
        "chunks and length",
        "Transfer-Encoding: chunked\r\nContent-Length: SIZE\r\n",
    ),
];

/// Spellings of an encoding that some server, proxy or library takes for chunks.
pub(super) const ENCODINGS: &[&str] = &[
    "Transfer-Encoding: chunked",
    "transfer-encoding: chunked",
    "TRANSFER-ENCODING: CHUNKED",
    "Transfer-Encoding: Chunked",
    "Transfer-Encoding:chunked",
    "Transfer-Encoding:  chunked",
    "Transfer-Encoding:\tchunked",
    "Transfer-Encoding: chunked ",
    "Transfer-Encoding: chunked\t",
    "Transfer-Encoding: \x0bchunked",
    "Transfer-Encoding: \x0cchunked",
    "Transfer-Encoding: xchunked",
    "Transfer-Encoding: chunkedx",
    "Transfer-Encoding: x-chunked",
    "Transfer-Encoding: chunk",
    "Transfer-Encoding: chu",
    "Transfer-Encoding: cow",
    "Transfer-Encoding: chunked, chunked",
    "Transfer-Encoding: identity, chunked",
    "Transfer-Encoding: chunked, identity",
    "Transfer-Encoding: gzip, chunked",
    "Transfer-Encoding: chunked, gzip",
    "Transfer-Encoding: identity",
    "Transfer-Encoding: gzip",
    "Transfer-Encoding: deflate",
    "Transfer-Encoding: compress",
    "Transfer-Encoding:",
    "Transfer-Encoding: ,",
    "Transfer-Encoding: ,chunked",
    "Transfer-Encoding: chunked,",
    "Transfer-Encoding: \"chunked\"",
    "Transfer-Encoding: 'chunked'",
    "Transfer-Encoding: chunked;q=1",
    "Transfer-Encoding: chunked; foo",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: cow",
    "Transfer-Encoding: cow\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding : chunked",
    "Transfer-Encoding\t: chunked",
    " Transfer-Encoding: chunked",
    "Transfer-Encoding\r\n: chunked",
    "Transfer-Encoding:\r\n chunked",
    "Transfer-Encoding:\n chunked",
    "X: x\nTransfer-Encoding: chunked",
    "X: x\rTransfer-Encoding: chunked",
    "Transfer-Encoding: ch\u{212a}nked",
    "Transfer-Encoding: chunked\0",
];

/// Heads that are wrong without any body.
pub(super) const BAD_HEADS: &[(&str, &str)] = &[
    (
        "bare line feeds",
        "GET /files/inside.txt HTTP/1.1\nHost: HOST\n\n",
    ),
    (
        "a bare line feed in the middle",
        "GET /files/inside.txt HTTP/1.1\r\nHost: HOST\nX: y\r\n\r\n",
    ),
    (
        "a bare carriage return",
        "GET /files/inside.txt HTTP/1.1\r\nHost: HOST\r\nX: a\rb\r\n\r\n",
    ),
    (
        "a bare carriage return as the end of a line",
        "GET /files/inside.txt HTTP/1.1\r\nHost: HOST\rX: y\r\n\r\n",
    ),
    (
        "folded",
        "GET /files/inside.txt HTTP/1.1\r\nHost: HOST\r\nX: a\r\n b\r\n\r\n",
    ),
    (
        "folded with a tab",
        "GET /files/inside.txt HTTP/1.1\r\nHost: HOST\r\nX: a\r\n\tb\r\n\r\n",
    ),
    (
        "folded first line",
        "GET /files/inside.txt HTTP/1.1\r\n Host: HOST\r\n\r\n",
    ),
    ("no host", "GET /files/inside.txt HTTP/1.1\r\n\r\n"),
    (
        "two hosts",
        "GET /files/inside.txt HTTP/1.1\r\nHost: HOST\r\nHost: evil.example\r\n\r\n",
    ),
    (
        "two hosts, the same",
        "GET /files/inside.txt HTTP/1.1\r\nHost: HOST\r\nHost: HOST\r\n\r\n",
    ),
    (
        "space before a colon",
        "GET /files/inside.txt HTTP/1.1\r\nHost : HOST\r\n\r\n",
    ),
    (
        "no colon",
        "GET /files/inside.txt HTTP/1.1\r\nHost: HOST\r\nX\r\n\r\n",
    ),
    (
        "empty name",
        "GET /files/inside.txt HTTP/1.1\r\nHost: HOST\r\n: x\r\n\r\n",
    ),
    (
        "NUL in a value",
        "GET /files/inside.txt HTTP/1.1\r\nHost: HOST\r\nX: a\0b\r\n\r\n",
    ),
    (
        "escape in a name",
        "GET /files/inside.txt HTTP/1.1\r\nHost: HOST\r\nX\x1b[31m: y\r\n\r\n",
    ),
    (
        "absolute form",
        "GET http://evil.example/files/inside.txt HTTP/1.1\r\nHost: HOST\r\n\r\n",
    ),
    (
        "another name",
        "GET /files/inside.txt HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    ),
    (
        "another name under a name of this node",
        "GET /files/inside.txt HTTP/1.1\r\nHost: localhost.evil.example:4242\r\n\r\n",
    ),
    ("authority form", "GET HOST HTTP/1.1\r\nHost: HOST\r\n\r\n"),
    ("asterisk form", "GET * HTTP/1.1\r\nHost: HOST\r\n\r\n"),
    (
        "no slash",
        "GET files/inside.txt HTTP/1.1\r\nHost: HOST\r\n\r\n",
    ),
    ("CONNECT", "CONNECT HOST HTTP/1.1\r\nHost: HOST\r\n\r\n"),
    (
        "another method",
        "DELETE /files/inside.txt HTTP/1.1\r\nHost: HOST\r\n\r\n",
    ),
    (
        "OPTIONS",
        "OPTIONS /files/inside.txt HTTP/1.1\r\nHost: HOST\r\n\r\n",
    ),
    ("TRACE", "TRACE / HTTP/1.1\r\nHost: HOST\r\n\r\n"),
    (
        "a method in lower case",
        "get /files/inside.txt HTTP/1.1\r\nHost: HOST\r\n\r\n",
    ),
    ("HTTP/0.9", "GET /files/inside.txt\r\n\r\n"),
    (
        "HTTP/0.9 by number",
        "GET /files/inside.txt HTTP/0.9\r\nHost: HOST\r\n\r\n",
    ),
    (
        "HTTP/1.2",
        "GET /files/inside.txt HTTP/1.2\r\nHost: HOST\r\n\r\n",
    ),
    (
        "HTTP/2.0",
        "GET /files/inside.txt HTTP/2.0\r\nHost: HOST\r\n\r\n",
    ),
    (
        "HTTP/3.0",
        "GET /files/inside.txt HTTP/3.0\r\nHost: HOST\r\n\r\n",
    ),
    (
        "HTTP/1.10",
        "GET /files/inside.txt HTTP/1.10\r\nHost: HOST\r\n\r\n",
    ),
    (
        "HTTP/2 with its preface",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
    ),
    (
        "a lower-case protocol",
        "GET /files/inside.txt http/1.1\r\nHost: HOST\r\n\r\n",
    ),
    (
        "another protocol",
        "GET /files/inside.txt ICY/1.1\r\nHost: HOST\r\n\r\n",
    ),
    (
        "four words",
        "GET /files/inside.txt HTTP/1.1 more\r\nHost: HOST\r\n\r\n",
    ),
    (
        "two spaces",
        "GET  /files/inside.txt HTTP/1.1\r\nHost: HOST\r\n\r\n",
    ),
    (
        "a tab",
        "GET\t/files/inside.txt\tHTTP/1.1\r\nHost: HOST\r\n\r\n",
    ),
    (
        "a space in the path",
        "GET /files/in side.txt HTTP/1.1\r\nHost: HOST\r\n\r\n",
    ),
    (
        "NUL in the path",
        "GET /files/inside.txt\0 HTTP/1.1\r\nHost: HOST\r\n\r\n",
    ),
    (
        "escape in the path",
        "GET /files/\x1b[31m HTTP/1.1\r\nHost: HOST\r\n\r\n",
    ),
    (
        "raw bytes above ASCII in the path",
        "GET /files/\u{e9} HTTP/1.1\r\nHost: HOST\r\n\r\n",
    ),
    (
        "a cut percent encoding",
        "GET /files/inside%2 HTTP/1.1\r\nHost: HOST\r\n\r\n",
    ),
    (
        "a wrong percent encoding",
        "GET /files/inside%zz HTTP/1.1\r\nHost: HOST\r\n\r\n",
    ),
    (
        "an encoded NUL",
        "GET /files/inside.txt%00 HTTP/1.1\r\nHost: HOST\r\n\r\n",
    ),
    (
        "an overlong encoding",
        "GET /files/..%c0%afoutside.txt HTTP/1.1\r\nHost: HOST\r\n\r\n",
    ),
    (
        "dots as they are",
        "GET /files/../outside.txt HTTP/1.1\r\nHost: HOST\r\n\r\n",
    ),
    (
        "encoded dots",
        "GET /files/%2e%2e/outside.txt HTTP/1.1\r\nHost: HOST\r\n\r\n",
    ),
    (
        "dots and backslash",
        "GET /files/..%5coutside.txt HTTP/1.1\r\nHost: HOST\r\n\r\n",
    ),
    (
        "dots before the route",
        "GET /x/../files/inside.txt HTTP/1.1\r\nHost: HOST\r\n\r\n",
    ),
    (
        "a route that is not there",
        "GET /etc/passwd HTTP/1.1\r\nHost: HOST\r\n\r\n",
    ),
    (
        "a body of chunks on a GET",
        "GET /files/inside.txt HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "a host with a slash",
        "GET /files/inside.txt HTTP/1.1\r\nHost: a/b\r\n\r\n",
    ),
    (
        "an upgrade to WebSocket",
        "GET /ws HTTP/1.1\r\nHost: HOST\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    ),
];

/// Well-framed requests that are refused for their content; the connection may go on.
pub(super) const SMALL_FAULTS: &[&str] = &[
    "absolute form",
    "another name",
    "another name under a name of this node",
    "another method",
    "OPTIONS",
    "TRACE",
    "a cut percent encoding",
    "a wrong percent encoding",
    "an encoded NUL",
    "an overlong encoding",
    "dots as they are",
    "encoded dots",
    "dots and backslash",
    "dots before the route",
    "a route that is not there",
    "an upgrade to WebSocket",
];

/// Requests that are unusual and right.
pub(super) const GOOD_HEADS: &[(&str, &str)] = &[
    (
        "plain",
        "GET /files/inside.txt HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n",
    ),
    ("HTTP/1.0", "GET /files/inside.txt HTTP/1.0\r\n\r\n"),
    (
        "another host",
        "GET /files/inside.txt HTTP/1.1\r\nHost: somename:1\r\nConnection: close\r\n\r\n",
    ),
    (
        "a host of the local network",
        "GET /files/inside.txt HTTP/1.1\r\nHost: nas.local\r\nConnection: close\r\n\r\n",
    ),
    (
        "absolute form of this node",
        "GET http://HOST/files/inside.txt HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n",
    ),
    (
        "an empty line before",
        "\r\nGET /files/inside.txt HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n",
    ),
    (
        "odd case",
        "GET /files/inside.txt HTTP/1.1\r\nhOST: HOST\r\ncONNECTION: Close\r\n\r\n",
    ),
    (
        "encoded letters",
        "GET /files/%69nside.txt HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n",
    ),
    (
        "a query",
        "GET /files/inside.txt?x=y HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n",
    ),
    (
        "spaces around a value",
        "GET /files/inside.txt HTTP/1.1\r\nHost:   HOST  \r\nConnection: close\r\n\r\n",
    ),
];
