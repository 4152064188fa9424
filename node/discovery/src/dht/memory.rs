//! The twin in memory: announcements are found at once.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::{Dht, DhtError, Gathered, Reply};
use crate::infohash::Infohash;

type Announced = Arc<Mutex<BTreeMap<Infohash, Vec<SocketAddr>>>>;

/// One node's access to a table that several share.
#[derive(Clone, Debug)]
pub struct MemoryDht {
    address: IpAddr,
    places: Announced,
}

impl MemoryDht {
    /// Creates a table of its own, for a node that others see at `address`.
    #[must_use]
    pub fn new(address: IpAddr) -> MemoryDht {
        MemoryDht {
            address,
            places: Announced::default(),
        }
    }

    /// Returns the same table for another node.
    #[must_use]
    pub fn also_for(&self, address: IpAddr) -> MemoryDht {
        MemoryDht {
            address,
            places: Arc::clone(&self.places),
        }
    }

    /// Leaves an address that is another's, as a liar does.
    pub fn plant(&self, place: Infohash, address: SocketAddr) {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.entry(place).or_default().push(address);
    }

    /// Returns the addresses that were left at `place`, in that order.
    #[must_use]
    pub fn at(&self, place: Infohash) -> Vec<SocketAddr> {
        let places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.get(&place).cloned().unwrap_or_default()
    }
}

impl Dht for MemoryDht {
    fn announce(&self, place: Infohash, port: u16) -> Reply<'_, Result<(), DhtError>> {
        self.plant(place, SocketAddr::new(self.address, port));
        Box::pin(async { Ok(()) })
    }

    fn lookup(&self, place: Infohash, _time: Duration) -> Reply<'_, Vec<SocketAddr>> {
        let mut gathered = Gathered::default();
        gathered.take(self.at(place));
        Box::pin(async move { gathered.list })
    }

    fn stop(&self) -> Reply<'_, ()> {
        Box::pin(async {})
    }
}
