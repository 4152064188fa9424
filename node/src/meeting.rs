//! Meeting nodes that nobody named: the parts of it, put to work.
//!
//! # Participants
//! - [`Index`] is the node of a distributed hash table, if the settings want one.
//!   It starts before the node does, because the node asks it.
//! - [`Meeting`] starts what `node-discovery` has, as the settings say, and gives
//!   what is heard of to the overlay, whose `hello` finds out whether it is true.
//!
//! # Invariants
//! - Without a setting, nothing leaves the machine that does not go to a local
//!   network in which the node listens.
//! - That others cannot be met is said in the log, and the node runs on.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use futures_util::future::BoxFuture;
use node_core::node::Node;
use node_discovery::{
    Holders, Lan, LanOptions, LanScope, Meet, Publisher, Rendezvous,
    dht::{Callable, Dht, DhtOptions, MainlineDht, Reply},
    is_lan, lan,
    publisher::{File, Files},
};
use node_overlay::{KnownFrom, Providers};
use node_wire::{Digest, PeerUrl};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{cli::Mdns, settings};

/// A distributed hash table, and whom of those that it names this node may call.
#[derive(Clone, Debug)]
pub(crate) struct Index {
    dht: Arc<dyn Dht>,
    callable: Callable,
}

/// The ways in which a node meets others.
#[derive(Debug)]
pub(crate) struct Meeting {
    index: Option<Index>,
    cancel: CancellationToken,
    tasks: TaskTracker,
}

impl Index {
    /// Takes part in the distributed hash table, if the settings want that.
    pub(crate) fn start(wanted: &settings::Meeting, listen: SocketAddr) -> Option<Index> {
        if !wanted.uses_dht() {
            return None;
        }
        let IpAddr::V4(bind) = dht_address(listen) else {
            tracing::warn!("the DHT knows IPv4 only; listen on an IPv4 address to use it");
            return None;
        };
        let options = DhtOptions {
            bootstrap: wanted.dht_bootstrap.clone(),
            bind,
        };
        Some(Index {
            dht: Arc::new(MainlineDht::start(options)),
            callable: Callable::from(listen.ip()),
        })
    }

    /// Leaves the distributed hash table and waits for that.
    pub(crate) async fn stop(&self) {
        self.dht.stop().await;
    }

    /// Returns the same holders for the searches of the node.
    pub(crate) fn providers(&self) -> Arc<dyn Providers> {
        Arc::new(Named(Holders::new(Arc::clone(&self.dht), self.callable)))
    }
}

impl Meeting {
    /// Begins to meet others.
    pub(crate) fn start(
        node: &Arc<Node>,
        wanted: &settings::Meeting,
        index: Option<Index>,
    ) -> Meeting {
        let meeting = Meeting {
            index,
            cancel: CancellationToken::new(),
            tasks: TaskTracker::new(),
        };
        if let Some(scope) = lan_scope(wanted.mdns, node.address()) {
            meeting.meet_lan(node, scope);
        }
        if let Some(index) = &meeting.index {
            meeting.meet_network(node, index, wanted.network.as_deref());
            if wanted.publish {
                meeting.publish(node, index);
            }
        }
        meeting
    }

    /// Ends all of it and waits for that.
    pub(crate) async fn stop(mut self) {
        self.cancel.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        if let Some(index) = self.index.take() {
            index.stop().await;
        }
    }

    fn meet_lan(&self, node: &Arc<Node>, scope: LanScope) {
        let options = LanOptions {
            scope,
            port: node.address().port(),
            path: node.url().path().to_owned(),
            mdns_port: lan::PORT,
        };
        match Lan::start(&options, meet(node, KnownFrom::Lan)) {
            Ok(lan) => {
                tracing::info!("nodes of the local network are met by mDNS");
                self.tasks.spawn(lan.run(self.cancel.clone()));
            }
            Err(error) => tracing::warn!(%error, "nodes of the local network are not met"),
        }
    }

    fn meet_network(&self, node: &Arc<Node>, index: &Index, network: Option<&str>) {
        let Some(network) = network else {
            return;
        };
        tracing::info!("nodes of the same network are met through the DHT");
        let (dht, port) = (Arc::clone(&index.dht), node.url().port());
        let rendezvous = Rendezvous::new(dht, network, port, index.callable);
        let met = meet(node, KnownFrom::Dht);
        self.tasks.spawn(rendezvous.run(met, self.cancel.clone()));
    }

    fn publish(&self, node: &Arc<Node>, index: &Index) {
        if node.is_private() {
            tracing::warn!("in a private network no files are announced in the DHT");
            return;
        }
        tracing::info!("the files that any stranger may have are announced in the DHT");
        let files = Arc::new(Shared(Arc::clone(node)));
        let publisher = Publisher::new(Arc::clone(&index.dht), files, node.url().port());
        self.tasks.spawn(publisher.run(self.cancel.clone()));
    }
}

impl Drop for Meeting {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

/// The holders in the distributed hash table, for the node.
#[derive(Debug)]
struct Named(Holders);

impl Providers for Named {
    fn holders(&self, digest: Digest) -> BoxFuture<'_, Vec<PeerUrl>> {
        Box::pin(async move { self.0.of(&digest).await })
    }
}

/// The files that the node shares, for the distributed hash table.
#[derive(Debug)]
struct Shared(Arc<Node>);

impl Files for Shared {
    fn all(&self, most: usize) -> Reply<'_, Vec<File>> {
        Box::pin(async move {
            let (digests, overlay) = (Arc::clone(self.0.digests()), Arc::clone(self.0.overlay()));
            let listed = self.0.disk().run(move || {
                let digests = digests.list(most);
                let copies = overlay.copies(&digests);
                let files = digests.into_iter().zip(copies);
                files
                    .map(|(digest, peers)| File { digest, peers })
                    .collect()
            });
            listed.await.unwrap_or_default()
        })
    }

    fn is_public(&self, digest: Digest) -> Reply<'_, bool> {
        Box::pin(self.0.is_public(digest))
    }
}

/// Gives discovered addresses to the overlay.
fn meet(node: &Arc<Node>, source: KnownFrom) -> Meet {
    let overlay = Arc::clone(node.overlay());
    Arc::new(move |url: &PeerUrl| {
        overlay.add(url, source);
    })
}

/// Returns the address of this machine that the DHT uses.
fn dht_address(listen: SocketAddr) -> IpAddr {
    match listen.ip().to_canonical() {
        address if address.is_unspecified() => Ipv4Addr::UNSPECIFIED.into(),
        address => address,
    }
}

/// Returns the scope for the local network, if nodes are met there.
fn lan_scope(mdns: Mdns, listen: SocketAddr) -> Option<LanScope> {
    let address: IpAddr = listen.ip().to_canonical();
    let scope = if address.is_unspecified() {
        LanScope::LocalNetworks
    } else {
        LanScope::Address(address)
    };
    match mdns {
        Mdns::Off => None,
        Mdns::On => Some(scope),
        Mdns::Auto => (address.is_unspecified() || is_lan(address)).then_some(scope),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_local_network_is_asked_where_the_node_listens_there() {
        let scope = |mdns, listen: &str| lan_scope(mdns, listen.parse().unwrap());
        for local in ["192.168.1.5:1", "10.0.0.1:1", "[fd00::1]:1"] {
            let address = local.parse::<SocketAddr>().unwrap().ip();
            assert_eq!(scope(Mdns::Auto, local), Some(LanScope::Address(address)));
            assert_eq!(scope(Mdns::Off, local), None);
        }
        for everywhere in ["0.0.0.0:1", "[::]:1"] {
            assert_eq!(scope(Mdns::Auto, everywhere), Some(LanScope::LocalNetworks));
        }
        for elsewhere in ["127.0.0.1:1", "[::1]:1", "203.0.113.5:1", "[2001:db8::1]:1"] {
            let address = elsewhere.parse::<SocketAddr>().unwrap().ip();
            assert_eq!(scope(Mdns::Auto, elsewhere), None, "{elsewhere}");
            assert_eq!(scope(Mdns::On, elsewhere), Some(LanScope::Address(address)));
        }
    }
}
