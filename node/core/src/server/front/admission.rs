//! Which connections are held.
//!
//! The table is small enough that a flood cannot exhaust the machine. When it
//! is full, or an address has its share, a new connection takes the place of
//! the one that has been waiting longest without sending a whole request. So
//! silent connections cost their owner, not the next honest client, even one
//! at the same address. A connection that is being served is never displaced.

use std::{
    collections::HashMap,
    net::IpAddr,
    time::{Duration, Instant},
};

/// How long a connection may be quiet before it can be displaced. Long enough
/// for an honest client to send what it just began.
const GRACE: Duration = Duration::from_millis(250);

/// Limits of a table of connections.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// Most connections.
    pub total: usize,
    /// Most connections from one address.
    pub per_address: usize,
}

/// What happens to a new connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Admission {
    /// It is held.
    Admitted(u64),
    /// It is held in the place of another one, which must be closed.
    Displacing {
        /// The new one.
        admitted: u64,
        /// The one to close.
        displaced: u64,
    },
    /// There is no room.
    Refused,
}

/// The connections that are held.
#[derive(Debug)]
pub(super) struct ConnectionTable {
    limits: ConnectionLimits,
    last_id: u64,
    connections: HashMap<u64, Connection>,
}

#[derive(Debug)]
struct Connection {
    address: IpAddr,
    /// Since when it has been waiting for a request; `None` while it is served.
    waiting_since: Option<Instant>,
}

impl ConnectionTable {
    pub(super) fn new(limits: ConnectionLimits) -> ConnectionTable {
        ConnectionTable {
            limits,
            last_id: 0,
            connections: HashMap::new(),
        }
    }

    /// A connection from `address` comes `now`.
    pub(super) fn admit(&mut self, address: IpAddr, now: Instant) -> Admission {
        let of_address = self
            .connections
            .values()
            .filter(|connection| connection.address == address)
            .count();
        let room = if of_address >= self.limits.per_address {
            self.longest_waiting(now, Some(address)).map(Some)
        } else if self.connections.len() >= self.limits.total {
            self.longest_waiting(now, None).map(Some)
        } else {
            Some(None)
        };
        let Some(displaced) = room else {
            return Admission::Refused;
        };
        if let Some(displaced) = displaced {
            self.connections.remove(&displaced);
        }
        self.last_id += 1;
        self.connections.insert(
            self.last_id,
            Connection {
                address,
                waiting_since: Some(now),
            },
        );
        match displaced {
            None => Admission::Admitted(self.last_id),
            Some(displaced) => Admission::Displacing {
                admitted: self.last_id,
                displaced,
            },
        }
    }

    /// A whole request has come, or its answer is out.
    pub(super) fn set_served(&mut self, id: u64, served: bool, now: Instant) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.waiting_since = (!served).then_some(now);
        }
    }

    /// The connection is closed.
    pub(super) fn remove(&mut self, id: u64) {
        self.connections.remove(&id);
    }

    /// Number of connections held.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.connections.len()
    }

    fn longest_waiting(&self, now: Instant, address: Option<IpAddr>) -> Option<u64> {
        self.connections
            .iter()
            .filter(|(_, connection)| address.is_none_or(|address| connection.address == address))
            .filter_map(|(id, connection)| Some((connection.waiting_since?, *id)))
            .filter(|(since, _)| now >= *since + GRACE)
            .min()
            .map(|(_, id)| id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: ConnectionLimits = ConnectionLimits {
        total: 4,
        per_address: 2,
    };

    fn address(n: u8) -> IpAddr {
        [127, 0, 0, n].into()
    }

    #[test]
    fn an_address_that_has_its_share_displaces_its_own_longest_waiting_connection() {
        let (mut table, now) = (ConnectionTable::new(LIMITS), Instant::now());
        assert_eq!(table.admit(address(1), now), Admission::Admitted(1));
        assert_eq!(
            table.admit(address(1), now + GRACE / 4),
            Admission::Admitted(2)
        );
        assert_eq!(table.admit(address(2), now), Admission::Admitted(3));
        let later = now + GRACE;
        assert_eq!(
            table.admit(address(1), later),
            Admission::Displacing {
                admitted: 4,
                displaced: 1
            }
        );
    }

    #[test]
    fn a_full_table_displaces_the_longest_waiting_of_all() {
        let (mut table, now) = (ConnectionTable::new(LIMITS), Instant::now());
        for n in 1..=4 {
            table.admit(address(n), now + GRACE * u32::from(n));
        }
        let later = now + GRACE * 9;
        assert_eq!(
            table.admit(address(9), later),
            Admission::Displacing {
                admitted: 5,
                displaced: 1
            }
        );
        assert_eq!(table.len(), LIMITS.total);
    }

    #[test]
    fn served_and_fresh_connections_are_never_displaced() {
        let (mut table, now) = (ConnectionTable::new(LIMITS), Instant::now());
        table.admit(address(1), now);
        table.set_served(1, true, now);
        table.admit(address(1), now + GRACE);
        assert_eq!(table.admit(address(1), now + GRACE), Admission::Refused);
        table.set_served(1, false, now + GRACE);
        let later = now + GRACE * 3;
        assert_eq!(
            table.admit(address(1), later),
            Admission::Displacing {
                admitted: 3,
                displaced: 1
            }
        );
    }

    #[test]
    fn a_closed_connection_makes_room() {
        let (mut table, now) = (ConnectionTable::new(LIMITS), Instant::now());
        table.admit(address(1), now);
        table.admit(address(1), now);
        table.remove(1);
        assert_eq!(table.admit(address(1), now), Admission::Admitted(3));
    }
}
