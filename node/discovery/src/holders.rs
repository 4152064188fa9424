//! Holders of a file, by the word of a distributed hash table.

use std::{sync::Arc, time::Duration};

use node_wire::{Digest, peer_url::PeerUrl};

use crate::{
    dht::{Callable, Dht},
    infohash::Infohash,
};

/// Most nodes of one answer.
pub const HOLDERS_MAX: usize = 16;

/// Time for looking.
const LOOKUP: Duration = Duration::from_secs(4);

/// Looks for the holders of a file.
#[derive(Clone, Debug)]
pub struct Holders {
    dht: Arc<dyn Dht>,
    callable: Callable,
}

impl Holders {
    /// Looks in `dht`, for a node that may call those.
    #[must_use]
    pub fn new(dht: Arc<dyn Dht>, callable: Callable) -> Holders {
        Holders { dht, callable }
    }

    /// Returns nodes that are said to have the content of `digest`, at most
    /// [`HOLDERS_MAX`].
    pub async fn of(&self, digest: &Digest) -> Vec<PeerUrl> {
        let found = self.dht.lookup(Infohash::of_file(digest), LOOKUP).await;
        let callable = found.into_iter().filter_map(|one| self.callable.url(one));
        callable.take(HOLDERS_MAX).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, SocketAddr};

    use super::*;
    use crate::dht::MemoryDht;

    #[tokio::test]
    async fn a_crowd_of_holders_is_cut_and_local_ones_are_left_out() {
        let dht = MemoryDht::new(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let digest = Digest::from_bytes([7; 32]);
        let place = Infohash::of_file(&digest);
        for n in 0..30 {
            dht.plant(place, SocketAddr::from(([127, 0, 0, 1], 9_000 + n)));
            dht.plant(place, SocketAddr::from(([203, 0, 113, 1], 9_000 + n)));
        }
        let holders = Holders::new(Arc::new(dht), Callable::Internet);
        let found = holders.of(&digest).await;
        assert_eq!(found.len(), HOLDERS_MAX);
        assert!(found.iter().all(|url| url.host() == "203.0.113.1"));
        assert!(holders.of(&Digest::from_bytes([8; 32])).await.is_empty());
    }
}
