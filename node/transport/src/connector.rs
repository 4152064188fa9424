//! Makes the connections of the client: TCP in clear, or TLS to a node whose id is known, or
//! to any member of the private network.
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
use tokio::net::TcpStream;
use tower::{BoxError, Service};

use super::{
    call_scope::CheckedAddress,
    member,
    network::NetworkKey,
    resolve::AddressesOnly,
    stream::PeerStream,
    tls::{Tls, TlsError},
};

/// Scheme of the URIs that ask for TLS. They do not leave this program.
const TLS_SCHEME: &str = "sixhop";

/// The name that stands for any node in such a URI.
const ANYBODY: &str = "anybody";

/// Makes connections for the client.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    pub(super) tcp: HttpConnector<AddressesOnly>,
    pub(super) tls: Option<Tls>,
    /// Most bytes that are read ahead under TLS.
    pub(super) ahead: usize,
    /// The key of the private network, which both ends of a connection over TLS have to show.
    pub(super) network: Option<NetworkKey>,
}

/// The connection that a request needs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Wanted {
    /// One in clear, with whatever is there.
    Clear,
    /// TLS with any node, which shows its id.
    AnyNode,
    /// TLS with this node.
    Node(NodeId),
}

/// Returns the beginning of the URI of a request for such a connection to an address.
pub(super) fn origin(at: CheckedAddress, wanted: Wanted) -> String {
    let at = at.get();
    match wanted {
        Wanted::Clear => format!("http://{at}"),
        Wanted::AnyNode => format!("{TLS_SCHEME}://{ANYBODY}@{at}"),
        Wanted::Node(id) => format!("{TLS_SCHEME}://{id}@{at}"),
    }
}

/// Reads the text of [`origin`]: the connection, and the address for TCP.
fn read_origin(uri: &Uri) -> Result<(Wanted, Uri), BoxError> {
    if uri.scheme_str() != Some(TLS_SCHEME) {
        return Ok((Wanted::Clear, uri.clone()));
    }
    let authority = uri.authority().map_or("", http::uri::Authority::as_str);
    let (node, at) = authority
        .split_once('@')
        .ok_or("a URI of TLS names no node")?;
    let tcp: Result<Uri, InvalidUri> = format!("http://{at}/").parse();
    let wanted = match node {
        ANYBODY => Wanted::AnyNode,
        id => Wanted::Node(id.parse()?),
    };
    Ok((wanted, tcp?))
}

impl Connector {
    /// Makes a socket the connection that is wanted.
    async fn open(&self, socket: TcpStream, wanted: Wanted) -> Result<PeerStream, BoxError> {
        let expected = match wanted {
            Wanted::Clear => return Ok(PeerStream::plain(socket)),
            Wanted::AnyNode => None,
            Wanted::Node(id) => Some(id),
        };
        let Some(tls) = &self.tls else {
            let text = "this node has no key for TLS".to_owned();
            return Err(TlsError::NotShown(text).into());
        };
        let mut stream = tls.connect(socket, expected, self.ahead).await?;
        if let Some(key) = &self.network {
            member::prove(&mut stream, key, tls.id()).await?;
        }
        Ok(stream)
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<PeerStream>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.tcp.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move {
            let (wanted, at) = read_origin(&uri)?;
            let socket = connector.tcp.clone().call(at).await?.into_inner();
            Ok(TokioIo::new(connector.open(socket, wanted).await?))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::{CallScope, Destination};

    #[test]
    fn an_origin_reads_back_and_differs_by_what_is_wanted() {
        for address in ["127.0.0.1:4242", "[::1]:80"] {
            let address: SocketAddr = address.parse().unwrap();
            let url = format!("http://{address}/").parse().unwrap();
            let to = Destination::of_owner(url);
            let at = CallScope::default().check(&to, &[address]).unwrap()[0];
            let id = NodeId([0xab; 32]);
            let all = [
                Wanted::Clear,
                Wanted::AnyNode,
                Wanted::Node(id),
                Wanted::Node(NodeId([1; 32])),
            ];
            let mut authorities = Vec::new();
            for wanted in all {
                let uri: Uri = format!("{}/blobs/x?y", origin(at, wanted)).parse().unwrap();
                let (read, tcp) = read_origin(&uri).unwrap();
                assert_eq!(read, wanted);
                assert_eq!(tcp.authority().unwrap().as_str(), address.to_string());
                authorities.push(uri.authority().cloned());
            }
            authorities.dedup();
            assert_eq!(
                authorities.len(),
                all.len(),
                "no kept connection is for two"
            );
        }
    }
}
