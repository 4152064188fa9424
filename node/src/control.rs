//! The control server: the owner's connection to the node.
//!
//! # Participants
//! [`ControlServer`] accepts connections at a socket and on loopback; the [`guard`] and the [`rights`] let only
//! requests of the owner and of holders of tokens through; jsonrpsee reads them; [`allowed`] lets each call through that
//! its caller may make; [`Owner`] does what they ask, one file a namespace.
//!
//! # Invariants
//! - The guard stands before jsonrpsee: single calls, batches, notifications
//!   and the upgrade to a WebSocket pass it alike, or not at all. There is no
//!   method without the secret or a token whose level is enough. `/healthz` alone is answered without it, with one of two sentences.
//! - No answer permits another origin to read it; requests that a page of
//!   another origin could make are refused.
//! - Connections, bodies, batches, calls in flight, subscriptions and waits
//!   are bounded.
//! - No file content passes here.

mod allowed;
mod cache;
mod calls;
mod doctor;
mod events;
mod fetch;
mod guard;
mod held;
mod ids;
mod messages;
mod metrics;
mod node;
mod peer;
mod plugin;
mod renewal;
mod rights;
mod search;
mod server;
mod share;
mod ticket;
mod token;
mod watch;

use std::{net::SocketAddr, sync::Arc};

use jsonrpsee::RpcModule;
use node_api::{
    cache::CacheServer,
    error::{ApiError, ErrorCode},
    events::{EventStreamServer, EventsServer},
    fetch::FetchServer,
    node::{NodeServer, SandboxStatus},
    openrpc,
    peer::PeersServer,
    plugin::PluginsServer,
    search::{SearchServer, SearchStreamServer},
    share::ShareServer,
    ticket::TicketsServer,
    token::TokensServer,
    watch::WatchesServer,
};
use node_base::events::Event;
use node_core::node::Node;
use tokio_util::sync::CancellationToken;

pub use self::{
    renewal::Renewal,
    rights::{Rights, RightsError},
    server::{ControlListeners, ControlServer},
};

/// The actions that only the owner may take.
#[derive(Clone, Debug)]
pub struct Owner {
    /// The node.
    pub node: Arc<Node>,
    /// The address of the control connection.
    pub control: SocketAddr,
    /// The limits that the system keeps the process to.
    pub sandbox: SandboxStatus,
    /// The secret, and its renewal.
    pub renewal: Renewal,
    /// The secret again, and the tokens of others.
    pub rights: Rights,
    /// Is cancelled when the owner asks the node to stop.
    pub stop_asked: CancellationToken,
}

impl Owner {
    /// Returns all methods of the control connection.
    fn methods(self) -> RpcModule<()> {
        let mut module = RpcModule::new(());
        let parts = [
            CacheServer::into_rpc(self.clone()).into(),
            PluginsServer::into_rpc(self.clone()).into(),
            EventStreamServer::into_rpc(self.clone()).into(),
            EventsServer::into_rpc(self.clone()).into(),
            FetchServer::into_rpc(self.clone()).into(),
            NodeServer::into_rpc(self.clone()).into(),
            PeersServer::into_rpc(self.clone()).into(),
            SearchServer::into_rpc(self.clone()).into(),
            SearchStreamServer::into_rpc(self.clone()).into(),
            ShareServer::into_rpc(self.clone()).into(),
            TicketsServer::into_rpc(self.clone()).into(),
            TokensServer::into_rpc(self.clone()).into(),
            WatchesServer::into_rpc(self).into(),
        ];
        for part in parts {
            let part: jsonrpsee::Methods = part;
            module
                .merge(part)
                .expect("the namespaces do not share names");
        }
        module
            .register_method(openrpc::DISCOVER, |_, (), _| {
                openrpc::document(Event::KINDS)
            })
            .expect("no namespace has this name");
        module
    }
}

/// Returns the error for a name that could not be in a share.
fn bad_name(text: &str, error: &node_wire::NameError) -> ApiError {
    let name = node_wire::escaped(text);
    ApiError::new(
        ErrorCode::Usage,
        format!("`{name}` is no name of a shared file: {error}"),
    )
}

/// Returns the error for a task that panicked.
fn broken() -> ApiError {
    ApiError::new(
        ErrorCode::Failed,
        "the node failed inside; its log says more",
    )
}

#[cfg(test)]
mod tests;
