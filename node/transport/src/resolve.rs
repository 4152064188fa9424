//! Names to addresses, with every address checked before it is used.

use std::{
    io,
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    sync::Arc,
    task::{Context, Poll},
    vec,
};

use futures_util::future::BoxFuture;
use hyper_util::client::legacy::connect::dns::Name;
use node_base::threads::Threads;
use tower::Service;

use super::{call_scope::CallScope, transport::TransportError};

/// Lookups of names that run at a time. The system may take half a minute for one.
const LOOKUPS_MAX: usize = 16;

/// Resolves names. A name with one refused address is refused whole: nobody
/// who controls a name can choose among addresses for us.
#[derive(Clone, Debug)]
pub(super) struct CheckedResolver {
    pub(super) scope: Arc<CallScope>,
    threads: Threads,
}

impl CheckedResolver {
    /// Creates a resolver with threads of its own, so that names that nobody answers for hold up nothing else.
    pub(super) fn new(scope: Arc<CallScope>) -> CheckedResolver {
        CheckedResolver {
            scope,
            threads: Threads::new("lookup", LOOKUPS_MAX),
        }
    }

    /// The addresses of a host.
    pub(super) async fn resolve(
        &self,
        host: &str,
        port: u16,
    ) -> Result<Vec<SocketAddr>, TransportError> {
        let broken = |error: io::Error| TransportError::Connection(error.to_string());
        let addresses = match host.parse::<IpAddr>() {
            Ok(address) => vec![SocketAddr::new(address, port)],
            Err(_) => self.look_up(host.to_owned(), port).await.map_err(broken)?,
        };
        self.scope.check(host, &addresses)?;
        Ok(addresses)
    }

    async fn look_up(&self, host: String, port: u16) -> io::Result<Vec<SocketAddr>> {
        let found = self
            .threads
            .run(move || (host.as_str(), port).to_socket_addrs());
        Ok(found.await??.collect())
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
