//! Makes the connections of the client: TCP in clear, or TLS to a node whose id is known.
//!
//! The client keeps connections by the scheme and authority of a URI, so the id is a part of
//! it: a kept connection to one node is never used for another one at the same address.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use http::{Uri, uri::InvalidUri};
use hyper_util::{client::legacy::connect::HttpConnector, rt::TokioIo};
use node_wire::node_id::NodeId;
use tower::{BoxError, Service};

use super::{
    call_scope::CheckedAddress,
    resolve::AddressesOnly,
    stream::PeerStream,
    tls::{Tls, TlsError},
};

/// Scheme of the URIs that ask for TLS. They do not leave this program.
const TLS_SCHEME: &str = "sixhop";

/// Makes connections for the client.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    pub(super) tcp: HttpConnector<AddressesOnly>,
    pub(super) tls: Option<Tls>,
    /// Most bytes that are read ahead under TLS.
    pub(super) ahead: usize,
}

/// Returns the beginning of the URI of a request: to an address in clear, or to the node
/// that is expected there.
pub(super) fn origin(at: CheckedAddress, expected: Option<NodeId>) -> String {
    let at = at.get();
    match expected {
        None => format!("http://{at}"),
        Some(id) => format!("{TLS_SCHEME}://{id}@{at}"),
    }
}

/// The node that is expected at the other end.
enum Wanted {
    Anybody,
    Node(NodeId),
}

/// Reads the text of [`origin`]: the expected id, and the address for TCP.
fn read_origin(uri: &Uri) -> Result<(Wanted, Uri), BoxError> {
    if uri.scheme_str() != Some(TLS_SCHEME) {
        return Ok((Wanted::Anybody, uri.clone()));
    }
    let authority = uri.authority().map_or("", http::uri::Authority::as_str);
    let (id, at) = authority
        .split_once('@')
        .ok_or("a URI of TLS names no node")?;
    let tcp: Result<Uri, InvalidUri> = format!("http://{at}/").parse();
    Ok((Wanted::Node(id.parse()?), tcp?))
}

impl Service<Uri> for Connector {
    type Response = TokioIo<PeerStream>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.tcp.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (mut tcp, tls, ahead) = (self.tcp.clone(), self.tls.clone(), self.ahead);
        Box::pin(async move {
            let (wanted, at) = read_origin(&uri)?;
            let socket = tcp.call(at).await?.into_inner();
            let stream = match (wanted, tls) {
                (Wanted::Anybody, _) => PeerStream::plain(socket),
                (Wanted::Node(id), Some(tls)) => tls.connect(socket, id, ahead).await?,
                (Wanted::Node(_), None) => {
                    let text = "this node has no key for TLS".to_owned();
                    return Err(TlsError::NotShown(text).into());
                }
            };
            Ok(TokioIo::new(stream))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::{CallScope, Destination};

    #[test]
    fn origin_with_an_id_reads_back_and_differs_by_id() {
        for address in ["127.0.0.1:4242", "[::1]:80"] {
            let address: SocketAddr = address.parse().unwrap();
            let url = format!("http://{address}/").parse().unwrap();
            let to = Destination::of_owner(url);
            let at = CallScope::default().check(&to, &[address]).unwrap()[0];
            let id = NodeId([0xab; 32]);
            let uri: Uri = format!("{}/blobs/x?y", origin(at, Some(id)))
                .parse()
                .unwrap();
            let (wanted, tcp) = read_origin(&uri).unwrap();
            assert!(matches!(wanted, Wanted::Node(read) if read == id));
            assert_eq!(tcp.to_string(), format!("http://{address}/"));
            let other = origin(at, Some(NodeId([1; 32])));
            let other: Uri = format!("{other}/").parse().unwrap();
            assert_ne!(uri.authority(), other.authority());
            let plain: Uri = format!("{}/", origin(at, None)).parse().unwrap();
            assert!(matches!(read_origin(&plain).unwrap().0, Wanted::Anybody));
        }
    }
}
