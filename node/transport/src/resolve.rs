//! Names to addresses, with every address checked before it is used.

use std::{
    io,
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll},
    vec,
};

use futures_util::future::BoxFuture;
use hyper_util::client::legacy::connect::dns::Name;
use tower::Service;

use super::{call_scope::CallScope, transport::TransportError};

/// Resolves names. A name with one refused address is refused whole: nobody
/// who controls a name can choose among addresses for us.
#[derive(Clone, Debug)]
pub(super) struct CheckedResolver(pub(super) Arc<CallScope>);

impl CheckedResolver {
    /// The addresses of a host.
    pub(super) async fn resolve(
        &self,
        host: &str,
        port: u16,
    ) -> Result<Vec<SocketAddr>, TransportError> {
        let broken = |error: io::Error| TransportError::Connection(error.to_string());
        let found = tokio::net::lookup_host((host, port))
            .await
            .map_err(broken)?;
        let addresses: Vec<_> = found.collect();
        self.0.check(host, &addresses)?;
        Ok(addresses)
    }
}

impl Service<Name> for CheckedResolver {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let resolver = self.clone();
        Box::pin(async move {
            let addresses = resolver.resolve(name.as_str(), 0).await;
            Ok(addresses.map_err(io::Error::other)?.into_iter())
        })
    }
}
