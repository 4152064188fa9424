//! Telling a client why its connection is closed.

use std::{fmt, time::Duration};

use node_transport::PeerStream;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use super::framing::FramingError;
use crate::client::SERVER_NAME;

/// Longest time to tell and to let the client read it.
pub(super) const TELL_TIME: Duration = Duration::from_secs(1);

/// Most bytes that are read and thrown away so that the answer arrives.
const DRAIN_MAX: usize = 256 * 1024;

/// The reason why a connection is closed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Refusal {
    /// Bytes that are not a request.
    Framing(FramingError),
    /// A request that did not come in time.
    Timeout,
    /// A client that says nothing, or does not read. It gets no answer.
    Silent,
}

impl Refusal {
    /// Answers and closes. The rest of the client's bytes is read for a
    /// moment: closing with unread bytes would take the answer away from it.
    pub(super) async fn answer(self, mut stream: PeerStream) {
        let status = match self {
            Refusal::Framing(error) => error.status(),
            Refusal::Timeout => "408 Request Timeout",
            Refusal::Silent => return,
        };
        let text = format!("{self}\n");
        let length = text.len();
        let cure = match self {
            Refusal::Framing(FramingError::Method) => "Allow: GET, HEAD, POST\r\n",
            Refusal::Framing(FramingError::ContentEncoding) => "Accept-Encoding: identity\r\n",
            _ => "",
        };
        let answer = format!(
            "HTTP/1.1 {status}\r\nServer: {SERVER_NAME}\r\n{cure}Connection: close\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {length}\r\n\r\n{text}"
        );
        // The client may be gone: there is nobody to tell then.
        let _ = timeout(TELL_TIME, async {
            stream.write_all(answer.as_bytes()).await?;
            stream.shutdown().await?;
            drain(&mut stream).await
        })
        .await;
    }
}

async fn drain(stream: &mut PeerStream) -> std::io::Result<()> {
    let mut buffer = [0; 8 * 1024];
    let mut left = DRAIN_MAX;
    while left > 0 {
        match stream.read(&mut buffer).await? {
            0 => break,
            read => left = left.saturating_sub(read),
        }
    }
    Ok(())
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Framing(error) => error.fmt(f),
            Refusal::Timeout => f.write_str("the request did not come in time"),
            Refusal::Silent => f.write_str("the client is silent or does not read"),
        }
    }
}
