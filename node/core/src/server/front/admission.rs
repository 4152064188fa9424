//! The connections that are held.
//!
//! The table is small enough that a flood cannot exhaust the machine, and a source
//! (an IPv4 address, a /64 of IPv6) has an eighth of it. When the table is full, or a
//! source has its share, a new connection takes the place of the one that has been
//! waiting longest without sending a whole request. So silent connections cost their
//! owner, not the next honest client, even one at the same address.
//!
//! If all are served, the slowest of them makes room: of the same source when that has
//! its share, else of the source that holds most. An answer that waits for its reader is
//! slower than one that is still being made; a fast download is never the slowest
//! while others stand still.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use node_base::bucket::source_of;

/// The time that a connection may be quiet before it can be displaced. Long enough
/// for an honest client to send what it just began.
const GRACE: Duration = Duration::from_millis(250);

/// The time that an answer may take before its connection can be displaced.
const SERVED_GRACE: Duration = Duration::from_secs(2);

/// Limits of a table of connections.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// Most connections.
    pub total: usize,
    /// Most connections from one source.
    pub per_source: usize,
}

/// The progress of the answers of a connection. Clones are the same one.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress(Arc<Made>);

#[derive(Debug, Default)]
struct Made {
    /// Bytes that were written.
    written: AtomicU64,
    /// True if the client makes a write wait.
    is_blocked: AtomicBool,
}

/// The decision about a new connection.
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
    source: IpAddr,
    state: State,
    progress: Progress,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// It waits for a request, since then.
    Waiting(Instant),
    /// It is served, since then; so many bytes were written before.
    Served(Instant, u64),
}

impl Progress {
    /// Notes that bytes were written, and none wait for the client.
    pub(super) fn wrote(&self, bytes: usize) {
        self.0.written.fetch_add(bytes as u64, Ordering::Relaxed);
        self.0.is_blocked.store(false, Ordering::Relaxed);
    }

    /// Notes that the client makes a write wait.
    pub(super) fn blocked(&self) {
        self.0.is_blocked.store(true, Ordering::Relaxed);
    }

    fn written(&self) -> u64 {
        self.0.written.load(Ordering::Relaxed)
    }
}

impl ConnectionTable {
    pub(super) fn new(limits: ConnectionLimits) -> ConnectionTable {
        ConnectionTable {
            limits,
            last_id: 0,
            connections: HashMap::new(),
        }
    }

    /// Decides about a connection from `address` that comes `now`.
    pub(super) fn admit(&mut self, address: IpAddr, progress: Progress, now: Instant) -> Admission {
        let source = source_of(address);
        let Some(displaced) = self.room(source, now) else {
            return Admission::Refused;
        };
        if let Some(displaced) = displaced {
            self.connections.remove(&displaced);
        }
        self.last_id += 1;
        let connection = Connection {
            source,
            state: State::Waiting(now),
            progress,
        };
        self.connections.insert(self.last_id, connection);
        match displaced {
            None => Admission::Admitted(self.last_id),
            Some(displaced) => Admission::Displacing {
                admitted: self.last_id,
                displaced,
            },
        }
    }

    /// Returns which connection makes room for one from `source`, if one has to;
    /// `None` if there is no room.
    fn room(&self, source: IpAddr, now: Instant) -> Option<Option<u64>> {
        let held = self.held();
        let of_source = held.get(&source).copied().unwrap_or(0);
        let own = |connection: &Connection| connection.source == source;
        if of_source >= self.limits.per_source {
            let displaced = self.longest_waiting(now, own);
            return displaced.or_else(|| self.slowest(now, own)).map(Some);
        }
        if self.connections.len() < self.limits.total {
            return Some(None);
        }
        let (largest, most) = held.into_iter().max_by_key(|(_, held)| *held)?;
        let displaced = self.longest_waiting(now, |_| true).or_else(|| {
            let of_largest = |connection: &Connection| connection.source == largest;
            self.slowest(now, of_largest).filter(|_| most > of_source)
        });
        displaced.map(Some)
    }

    /// Notes that a whole request has come, or its answer is out.
    pub(super) fn set_served(&mut self, id: u64, served: bool, now: Instant) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.state = if served {
                State::Served(now, connection.progress.written())
            } else {
                State::Waiting(now)
            };
        }
    }

    /// Removes a connection that is closed.
    pub(super) fn remove(&mut self, id: u64) {
        self.connections.remove(&id);
    }

    /// Number of connections held.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.connections.len()
    }

    fn held(&self) -> HashMap<IpAddr, usize> {
        let mut held = HashMap::new();
        for connection in self.connections.values() {
            *held.entry(connection.source).or_default() += 1;
        }
        held
    }

    fn longest_waiting(&self, now: Instant, may_go: impl Fn(&Connection) -> bool) -> Option<u64> {
        let waiting = self.connections.iter().filter(|(_, one)| may_go(one));
        waiting
            .filter_map(|(id, connection)| match connection.state {
                State::Waiting(since) => Some((since, *id)),
                State::Served(..) => None,
            })
            .filter(|(since, _)| now >= *since + GRACE)
            .min()
            .map(|(_, id)| id)
    }

    /// Returns the connection whose answer moves least a second. Those whose clients
    /// do not read come first.
    fn slowest(&self, now: Instant, may_go: impl Fn(&Connection) -> bool) -> Option<u64> {
        let served = self.connections.iter().filter(|(_, one)| may_go(one));
        served
            .filter_map(|(id, connection)| {
                let State::Served(since, before) = connection.state else {
                    return None;
                };
                let time = now.checked_duration_since(since)?;
                let written = connection.progress.written().saturating_sub(before);
                let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1);
                let rate = written.saturating_mul(1_000) / millis;
                let is_making = !connection.progress.0.is_blocked.load(Ordering::Relaxed);
                (time >= SERVED_GRACE).then_some((is_making, rate, since, *id))
            })
            .min()
            .map(|(_, _, _, id)| id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: ConnectionLimits = ConnectionLimits {
        total: 4,
        per_source: 2,
    };

    fn address(n: u8) -> IpAddr {
        [127, 0, 0, n].into()
    }

    fn table() -> (ConnectionTable, Instant) {
        (ConnectionTable::new(LIMITS), Instant::now())
    }

    fn admit(table: &mut ConnectionTable, from: u8, now: Instant) -> Admission {
        table.admit(address(from), Progress::default(), now)
    }

    /// Admits a connection that is served from `now` on, and writes so many bytes.
    fn served(
        table: &mut ConnectionTable,
        from: u8,
        bytes: usize,
        is_blocked: bool,
        now: Instant,
    ) -> u64 {
        let progress = Progress::default();
        let Admission::Admitted(id) = table.admit(address(from), progress.clone(), now) else {
            panic!("there is room");
        };
        table.set_served(id, true, now);
        progress.wrote(bytes);
        if is_blocked {
            progress.blocked();
        }
        id
    }

    fn displacing(admitted: u64, displaced: u64) -> Admission {
        Admission::Displacing {
            admitted,
            displaced,
        }
    }

    #[test]
    fn a_source_with_its_share_displaces_its_own_longest_waiting() {
        let (mut table, now) = table();
        assert_eq!(admit(&mut table, 1, now), Admission::Admitted(1));
        let soon = now + GRACE / 4;
        assert_eq!(admit(&mut table, 1, soon), Admission::Admitted(2));
        assert_eq!(admit(&mut table, 2, now), Admission::Admitted(3));
        assert_eq!(admit(&mut table, 1, now + GRACE), displacing(4, 1));
    }

    #[test]
    fn all_addresses_of_one_network_of_ipv6_are_one_source() {
        let (mut table, now) = table();
        for last in 1..=2 {
            let address = format!("2001:db8::{last}").parse().unwrap();
            table.admit(address, Progress::default(), now);
        }
        let third = "2001:db8::3".parse().unwrap();
        let later = now + GRACE;
        assert_eq!(
            table.admit(third, Progress::default(), later),
            displacing(3, 1)
        );
        let other = "2001:db8:0:1::1".parse().unwrap();
        assert_eq!(
            table.admit(other, Progress::default(), later),
            Admission::Admitted(4)
        );
    }

    #[test]
    fn a_full_table_displaces_the_longest_waiting_of_all() {
        let (mut table, now) = table();
        for n in 1..=4 {
            admit(&mut table, n, now + GRACE * u32::from(n));
        }
        assert_eq!(admit(&mut table, 9, now + GRACE * 9), displacing(5, 1));
        assert_eq!(table.len(), LIMITS.total);
    }

    #[test]
    fn fresh_connections_and_fresh_answers_are_never_displaced() {
        let (mut table, now) = table();
        served(&mut table, 1, 0, true, now);
        admit(&mut table, 1, now + SERVED_GRACE / 2);
        assert_eq!(
            admit(&mut table, 1, now + SERVED_GRACE / 2),
            Admission::Refused
        );
        table.set_served(1, false, now + SERVED_GRACE / 2);
        assert_eq!(
            admit(&mut table, 1, now + SERVED_GRACE / 2 + GRACE),
            displacing(3, 1)
        );
    }

    #[test]
    fn the_slowest_served_one_of_a_source_with_its_share_makes_room() {
        let (mut table, now) = table();
        let fast = served(&mut table, 1, 1 << 30, false, now);
        let slow = served(&mut table, 1, 1 << 10, true, now);
        served(&mut table, 2, 0, true, now);
        let later = now + SERVED_GRACE;
        assert_eq!(admit(&mut table, 1, later), displacing(4, slow));
        assert!(table.connections.contains_key(&fast));
    }

    #[test]
    fn in_a_full_table_the_source_with_most_gives_its_slowest() {
        let (mut table, now) = table();
        served(&mut table, 1, 0, true, now);
        served(&mut table, 2, 0, true, now);
        let fast = served(&mut table, 3, 1 << 20, true, now);
        let making = served(&mut table, 3, 0, false, now);
        let later = now + SERVED_GRACE;
        assert_eq!(admit(&mut table, 9, later), displacing(5, fast));
        assert!(table.connections.contains_key(&making));
        let full = admit(&mut table, 2, later + SERVED_GRACE);
        assert_eq!(
            full,
            displacing(6, 5),
            "the new one waited without a request"
        );
    }

    #[test]
    fn a_table_in_which_all_hold_as_many_is_full() {
        let (mut table, now) = table();
        for n in 1..=4 {
            served(&mut table, n, 0, true, now);
        }
        let later = now + SERVED_GRACE;
        assert_eq!(admit(&mut table, 1, later), Admission::Refused);
        assert!(matches!(
            admit(&mut table, 9, later),
            Admission::Displacing { .. }
        ));
    }

    #[test]
    fn a_closed_connection_makes_room() {
        let (mut table, now) = table();
        admit(&mut table, 1, now);
        admit(&mut table, 1, now);
        table.remove(1);
        assert_eq!(admit(&mut table, 1, now), Admission::Admitted(3));
    }
}
