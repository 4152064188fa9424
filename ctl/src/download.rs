//! A file to a place of this machine, past the share: `query` at the peer port of the owner's node, or `/blobs` for content.
//!
//! The node answers from its share or asks its peers, as for any peer; this program decodes the answer while it
//! arrives, holds content against its digest, and writes it where the person said. The control connection never carries content; what it gives is a pass,
//! for a node of a private network, which answers nobody else.
//!
//! # Invariants
//! - Memory does not grow with the file.
//! - Until the answer is complete and on disk, nothing but a private temporary beside the place exists; a device, a
//!   FIFO and standard output take what comes.
//! - A peer port that sends nothing for [`IDLE_TIMEOUT`] ends the download.

mod checked;
mod target;

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::Incoming,
    client::conn::http1,
    header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName, HeaderValue},
};
use hyper_util::rt::TokioIo;
use node_api::node::NodeStatus;
use node_wire::{
    About, Digest, PeerUrl, QueryAnswerReader, QueryOutcome, about,
    fault::MissReason,
    network::{self, OWN_QUERY_PATH, own_blob_path, own_query},
    pieces::TreeHasher,
    through,
};
use tokio::{net::TcpStream, time::timeout};

pub(crate) use checked::{CheckedContent, TreePass};
pub(crate) use target::{Target, is_standard_output};

use crate::error::CtlError;

/// Longest silence. The node asks up to six hops away before it begins to answer.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// Longest head of an answer, in bytes.
const HEAD_MAX: usize = 16 * 1024;

/// Most headers of an answer.
const HEADERS_MAX: usize = 64;

/// The file to download.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QueryTarget<'a> {
    /// URL of the peer port.
    pub(crate) url: &'a str,
    /// Name of the file.
    pub(crate) name: &'a str,
    /// The pass to show to the peer port, if the node is of a private network.
    pub(crate) pass: Option<&'a str>,
}

/// The content that is downloaded, and from where.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ContentTarget<'a> {
    /// URL of the peer port.
    pub(crate) url: &'a str,
    /// The content.
    pub(crate) digest: Digest,
    /// The peer that has it, if the node does not.
    pub(crate) through: Option<&'a str>,
    /// The pass to show to the peer port, if the node is of a private network.
    pub(crate) pass: Option<&'a str>,
}

/// The taker of the bytes of a download.
pub(crate) trait Sink {
    /// Takes the next bytes; none at the end, so that an empty file is one, too.
    async fn write(&mut self, bytes: &[u8]) -> Result<(), CtlError>;

    /// Is told the time and the permission to run that the file has elsewhere.
    fn describe(&mut self, about: About) -> Result<(), CtlError>;

    /// Returns whether it takes no more bytes: the rest of the download is left out.
    fn is_full(&self) -> bool {
        false
    }
}

impl Sink for &Target {
    async fn write(&mut self, bytes: &[u8]) -> Result<(), CtlError> {
        Target::write(self, bytes).await
    }

    fn describe(&mut self, about: About) -> Result<(), CtlError> {
        Target::describe(self, about)
    }
}

/// Asks the peer port for content, writes it to `target` and checks it. `on_bytes` is told how many bytes there are so
/// far. Returns its size.
pub(crate) async fn content(
    wanted: ContentTarget<'_>,
    target: &Target,
    on_bytes: impl Fn(u64),
) -> Result<u64, CtlError> {
    let port = PeerPort::parse(wanted.url)?;
    let headers = port.headers_for(&wanted, wanted.pass)?;
    let path = own_blob_path(&wanted.digest);
    let response = port.send(Method::GET, &path, headers, Bytes::new()).await?;
    port.require_content(&response, &wanted.digest)?;
    let about = response.headers().get(about::HEADER);
    let about = about.and_then(|about| about.to_str().ok().map(About::from_header));
    let mut body = response.into_body();
    let mut hasher = TreeHasher::default();
    while let Some(chunk) = port.next(&mut body).await? {
        hasher.push(&chunk);
        target.write(&chunk).await?;
        on_bytes(hasher.size());
    }
    let size = hasher.size();
    if hasher.finish().digest() != wanted.digest {
        return Err(CtlError::mismatch(format!(
            "what came is not blake3:{}; it is not kept",
            wanted.digest
        )));
    }
    target.write(&[]).await?;
    target.describe(about.unwrap_or_default())?;
    Ok(size)
}

/// Asks the peer port for the file and writes it to `sink`. `on_bytes` gets the number of bytes so far.
/// Returns the size of the file.
pub(crate) async fn query(
    wanted: QueryTarget<'_>,
    mut sink: impl Sink,
    on_bytes: impl Fn(u64),
) -> Result<u64, CtlError> {
    let QueryTarget { url, name, pass } = wanted;
    let port = PeerPort::parse(url)?;
    let mut headers = port.pass(pass)?;
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/xml"));
    let body = Bytes::from(own_query(name));
    let response = port
        .send(Method::POST, OWN_QUERY_PATH, headers, body)
        .await?;
    if response.status() != StatusCode::OK {
        return Err(port.broken(&format!("HTTP status {}", response.status().as_u16())));
    }
    let about = response.headers().get(about::HEADER);
    let about = about.and_then(|about| about.to_str().ok().map(About::from_header));
    let mut body = response.into_body();
    let mut reader = QueryAnswerReader::new();
    let mut decoded = Vec::new();
    let mut size = 0;
    while let Some(chunk) = port.next(&mut body).await? {
        reader
            .push(&chunk, &mut decoded)
            .map_err(|error| port.broken(&error.to_string()))?;
        sink.write(&decoded).await?;
        size += decoded.len() as u64;
        decoded.clear();
        on_bytes(size);
        if sink.is_full() {
            return Ok(size);
        }
    }
    match reader
        .finish()
        .map_err(|error| port.broken(&error.to_string()))?
    {
        QueryOutcome::Found { .. } => {
            // An empty file opens a FIFO, too: its reader waits for the end.
            sink.write(&[]).await?;
            sink.describe(about.unwrap_or_default())?;
            Ok(size)
        }
        QueryOutcome::NotFound => Err(missing(name)),
        QueryOutcome::Fault(fault) => Err(refused(name, &fault)),
    }
}

/// Returns the address at which this machine reaches the node's peer port. Its URL is for peers and may
/// lead here only from outside.
pub(crate) fn peer_port(status: &NodeStatus) -> String {
    match status.listen.parse::<SocketAddr>() {
        Ok(listen) if listen.ip().is_unspecified() => {
            let loopback: IpAddr = match listen.ip() {
                IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
                IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
            };
            format!("http://{}/", SocketAddr::new(loopback, listen.port()))
        }
        Ok(listen) => format!("http://{listen}/"),
        Err(_) => status.url.clone(),
    }
}

/// The peer port of a node.
#[derive(Debug)]
struct PeerPort(PeerUrl);

impl PeerPort {
    fn parse(url: &str) -> Result<PeerPort, CtlError> {
        let parsed = PeerUrl::parse(url);
        let odd = |error| CtlError::failed(format!("the node says that its URL is {url}: {error}"));
        parsed.map(PeerPort).map_err(odd)
    }

    /// The header with what the peer port wants to see, if it wants something.
    fn pass(&self, pass: Option<&str>) -> Result<HeaderMap, CtlError> {
        let pass = pass.map(HeaderValue::from_str).transpose();
        let pass = pass.map_err(|_| self.broken("the pass that the node gave is none"))?;
        let header = HeaderName::from_static(network::PASS_HEADER);
        Ok(pass.map(|pass| (header, pass)).into_iter().collect())
    }

    /// Returns the headers of a request for content or its tree.
    fn headers_for(
        &self,
        wanted: &ContentTarget<'_>,
        pass: Option<&str>,
    ) -> Result<HeaderMap, CtlError> {
        let mut headers = self.pass(pass)?;
        if let Some(peer) = wanted.through {
            let peer = HeaderValue::from_str(peer);
            let peer = peer.map_err(|_| self.broken("the URL of the peer is none"))?;
            headers.insert(HeaderName::from_static(through::HEADER), peer);
        }
        Ok(headers)
    }

    /// Errors unless the answer has what was asked for.
    fn require_content(
        &self,
        response: &Response<Incoming>,
        digest: &Digest,
    ) -> Result<(), CtlError> {
        match response.status() {
            StatusCode::OK | StatusCode::PARTIAL_CONTENT => Ok(()),
            StatusCode::NOT_FOUND => Err(missing(&format!("blake3:{digest}"))),
            status => Err(self.broken(&format!("HTTP status {}", status.as_u16()))),
        }
    }

    /// Sends a request and waits for the head of the answer.
    async fn send(
        &self,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response<Incoming>, CtlError> {
        let connect = TcpStream::connect((self.0.host().trim_matches(['[', ']']), self.0.port()));
        let stream = self.in_time(connect).await?;
        let handshake = http1::Builder::new()
            .max_buf_size(HEAD_MAX)
            .max_headers(HEADERS_MAX)
            .handshake(TokioIo::new(stream));
        let (mut sender, connection) = self.in_time(handshake).await?;
        // Its failures come out of the answer and the body as well.
        tokio::spawn(connection);
        let request = self.request(method, path, headers, body)?;
        self.in_time(sender.send_request(request)).await
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Request<Full<Bytes>>, CtlError> {
        let length = body.len();
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        let uri = path.parse();
        *request.uri_mut() = uri.map_err(|_| self.broken("its path is none"))?;
        *request.headers_mut() = headers;
        let host = HeaderValue::from_str(self.0.authority()).expect("a checked URL is ASCII");
        request.headers_mut().insert(HOST, host);
        if length > 0 {
            request.headers_mut().insert(CONTENT_LENGTH, length.into());
        }
        Ok(request)
    }

    /// Returns the next bytes of the body, `None` at its end.
    async fn next(&self, body: &mut Incoming) -> Result<Option<Bytes>, CtlError> {
        while let Some(frame) = self.silence_over(body.frame()).await? {
            let frame = frame.map_err(|error| self.broken(&error.to_string()))?;
            if let Ok(data) = frame.into_data() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }

    async fn in_time<T, E: std::fmt::Display>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, CtlError> {
        let done = self.silence_over(work).await?;
        done.map_err(|error| self.broken(&error.to_string()))
    }

    async fn silence_over<T>(&self, work: impl Future<Output = T>) -> Result<T, CtlError> {
        let silent = || {
            self.broken(&format!(
                "nothing came for {} seconds",
                IDLE_TIMEOUT.as_secs()
            ))
        };
        timeout(IDLE_TIMEOUT, work).await.map_err(|_| silent())
    }

    fn broken(&self, reason: &str) -> CtlError {
        CtlError::network(format!(
            "the peer port of the node at {} failed: {reason}",
            self.0
        ))
    }
}

fn missing(name: &str) -> CtlError {
    CtlError::not_found(format!(
        "neither the node nor a peer within six hops has {name}"
    ))
}

fn refused(name: &str, fault: &node_wire::Fault) -> CtlError {
    match fault.code {
        node_wire::fault::UNHANDLED
            if MissReason::from_fault_text(&fault.message) == Some(MissReason::Unreadable) =>
        {
            CtlError::incomplete(format!(
                "nobody sent {name}, and a peer answered with something that cannot be read"
            ))
        }
        node_wire::fault::UNHANDLED => missing(name),
        node_wire::fault::ACCESS_DENIED => {
            CtlError::usage(format!("{name} is not the name of a file in a share"))
        }
        _ => CtlError::failed(format!("the node cannot give {name}: {fault}")),
    }
}

#[cfg(test)]
mod tests {
    use node_wire::Fault;

    use super::*;

    #[test]
    fn faults_have_the_exit_codes_of_their_meaning() {
        let cases = [
            (Fault::unhandled(MissReason::Deadline), 3),
            (Fault::unhandled(MissReason::Unreadable), 7),
            (Fault::access_denied(), 2),
            (Fault::busy(), 1),
        ];
        for (fault, exit) in cases {
            assert_eq!(refused("x", &fault).exit_code(), exit, "{fault}");
        }
    }

    #[test]
    fn the_url_of_the_node_is_checked() {
        for url in [
            "",
            "https://127.0.0.1/",
            "http://0.0.0.0:4242/",
            "file:///etc",
        ] {
            assert_eq!(
                PeerPort::parse(url).err().map(|e| e.exit_code()),
                Some(1),
                "{url}"
            );
        }
    }
}
