//! A peer port that knows one file and answers `query` for it; anything else is fault 100.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
};

/// The content of the file.
pub(crate) const CONTENT: &str = "a < b & c\r\nend\u{e9}";

const HEAD: &str = "<?xml version=\"1.0\"?><methodResponse>";

/// Starts the port; it lives as long as the process.
pub(super) fn start() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A caller that goes away is fine.
            let _ = answer(stream);
        }
    });
    address
}

fn answer(stream: TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut request = vec![0; length];
    reader.read_exact(&mut request)?;
    let request = String::from_utf8_lossy(&request).into_owned();
    respond(
        reader.into_inner(),
        &body(&request),
        request.contains("cut-short"),
    )
}

fn body(request: &str) -> String {
    if request.contains("here.txt") || request.contains("cut-short") {
        let text = CONTENT
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('\r', "&#13;");
        format!(
            "{HEAD}<params><param><value><string>{text}</string></value></param></params></methodResponse>"
        )
    } else {
        format!(
            "{HEAD}<fault><value><struct><member><name>faultCode</name><value><int>100</int></value></member>\
             <member><name>faultString</name><value><string>Couldn't handle the query</string></value></member>\
             </struct></value></fault></methodResponse>"
        )
    }
}

fn respond(mut stream: TcpStream, body: &str, cut_short: bool) -> std::io::Result<()> {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    let sent = if cut_short {
        body.len() / 2
    } else {
        body.len()
    };
    stream.write_all(&body.as_bytes()[..sent])
}
