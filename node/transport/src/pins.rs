//! `Pins`: which node was met where. Nobody who was met by id is spoken to in clear again.
//!
//! A pin is kept by host and port, not by URL: whoever serves one path of a host serves all.
//!
//! # Invariants
//! - A pinned place is called over TLS, and only the node that is pinned there is spoken to.
//! - A pin goes when the owner removes the peer, or, unless the owner chose the peer, when the
//!   peer is forgotten. Nothing that comes from the network removes one.
//! - The table is bounded: the oldest pins that the owner did not choose make room.
//! - No clock; time is a parameter.

use std::{
    collections::HashMap,
    fmt::Write,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use node_base::{
    clock::now,
    events::{Event, EventLog},
    sync::lock,
};
use node_wire::{node_id::NodeId, peer_url::PeerUrl};

/// Most pins.
pub const PINS_MAX: usize = 4_096;

/// Shortest time between two events about one place.
const TOLD_PAUSE: Duration = Duration::from_secs(60);

/// The end of a saved pin if the owner chose the peer.
const CHOSEN: &str = "chosen";

/// Which node was met where. Clones are the same table.
#[derive(Clone, Debug)]
pub struct Pins {
    table: Arc<Mutex<Table>>,
    events: Arc<EventLog>,
}

#[derive(Debug, Default)]
struct Table {
    pins: HashMap<String, Pin>,
    added: u64,
    /// Changes with the pins, for saving.
    revision: u64,
}

#[derive(Clone, Debug)]
struct Pin {
    id: NodeId,
    is_chosen: bool,
    /// Order in which pins were made.
    since: u64,
    told: Option<Instant>,
}

/// What is known of a peer that is pinned.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Keep {
    /// The owner chose it.
    Chosen,
    /// It is a peer, or looked for.
    Known,
    /// It is forgotten.
    Forgotten,
}

impl Pins {
    /// An empty table, which tells the owner of downgrades through `events`.
    #[must_use]
    pub fn new(events: Arc<EventLog>) -> Pins {
        Pins {
            table: Arc::default(),
            events,
        }
    }

    /// Returns the node that was met at the host and port of a URL.
    #[must_use]
    pub fn of(&self, peer: &PeerUrl) -> Option<NodeId> {
        lock(&self.table)
            .pins
            .get(&peer.host_key())
            .map(|pin| pin.id)
    }

    /// Notes that a node was met there. A place that is pinned stays as it is.
    pub fn pin(&self, peer: &PeerUrl, id: NodeId) {
        lock(&self.table).pin(peer.host_key(), id, false);
    }

    /// Notes that the owner says which node is there, whoever was before.
    pub fn choose(&self, peer: &PeerUrl, id: NodeId) {
        let mut table = lock(&self.table);
        let key = peer.host_key();
        if table.pins.get(&key).is_some_and(|pin| pin.id != id) {
            table.pins.remove(&key);
        }
        table.pin(key, id, true);
    }

    /// Forgets which node was there, for the owner. Says whether one was.
    pub fn remove(&self, peer: &PeerUrl) -> bool {
        let mut table = lock(&self.table);
        let removed = table.pins.remove(&peer.host_key()).is_some();
        table.revision += u64::from(removed);
        removed
    }

    /// Forgets those that are forgotten as peers and were not chosen.
    pub fn retain(&self, keep: impl Fn(&str) -> Keep) {
        let mut table = lock(&self.table);
        let Table { pins, revision, .. } = &mut *table;
        pins.retain(|place, pin| {
            let keep = keep(place);
            if keep == Keep::Chosen && !pin.is_chosen {
                pin.is_chosen = true;
                *revision += 1;
            }
            let stays = pin.is_chosen || keep == Keep::Known;
            *revision += u64::from(!stays);
            stays
        });
    }

    /// Returns a number that changes whenever a pin does.
    #[must_use]
    pub fn revision(&self) -> u64 {
        lock(&self.table).revision
    }

    /// Writes the pins down: one a line, host and port, id, and whether it was chosen.
    #[must_use]
    pub fn to_text(&self) -> String {
        let table = lock(&self.table);
        let mut pins: Vec<_> = table.pins.iter().collect();
        pins.sort_by_key(|(_, pin)| pin.since);
        let mut text = String::new();
        for (place, pin) in pins {
            let chosen = if pin.is_chosen { " chosen" } else { "" };
            let _ = writeln!(text, "{place} {}{chosen}", pin.id);
        }
        text
    }

    /// Adds the pins that were written down. Lines that are none are passed over.
    pub fn read_text(&self, text: &str) {
        let mut table = lock(&self.table);
        for line in text.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [place, id, rest @ ..] = &words[..] else {
                continue;
            };
            if let Ok(id) = id.parse() {
                table.pin((*place).to_owned(), id, rest.contains(&CHOSEN));
            }
        }
    }

    /// Tells the owner, once in a while, that a place did not show the node that was met
    /// there.
    pub(crate) fn refused(&self, peer: &PeerUrl, error: &str) {
        let Some(id) = lock(&self.table).due_to_tell(&peer.host_key(), now()) else {
            return;
        };
        tracing::warn!(
            peer = peer.as_str(), %id,
            "a peer does not show that it is the node that was met there, and is not spoken to: {error}"
        );
        self.events.emit(&Event::PeerDowngrade {
            url: peer.as_str().to_owned(),
            id: id.to_string(),
            error: error.to_owned(),
        });
    }
}

impl Table {
    fn pin(&mut self, place: String, id: NodeId, is_chosen: bool) {
        if let Some(pin) = self.pins.get_mut(&place) {
            let becomes_chosen = is_chosen && pin.id == id && !pin.is_chosen;
            pin.is_chosen |= becomes_chosen;
            self.revision += u64::from(becomes_chosen);
            return;
        }
        if self.pins.len() >= PINS_MAX {
            let oldest = self
                .pins
                .iter()
                .min_by_key(|(_, pin)| (pin.is_chosen, pin.since));
            if let Some(oldest) = oldest.map(|(place, _)| place.clone()) {
                self.pins.remove(&oldest);
            }
        }
        self.added += 1;
        self.revision += 1;
        let pin = Pin {
            id,
            is_chosen,
            since: self.added,
            told: None,
        };
        self.pins.insert(place, pin);
    }

    /// Returns who was met at a place, if it is time to tell of it again.
    fn due_to_tell(&mut self, place: &str, now: Instant) -> Option<NodeId> {
        let pin = self.pins.get_mut(place)?;
        let is_due = pin.told.is_none_or(|told| told + TOLD_PAUSE <= now);
        is_due.then(|| {
            pin.told = Some(now);
            pin.id
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn url(text: &str) -> PeerUrl {
        PeerUrl::parse(text).unwrap()
    }

    fn id(byte: u8) -> NodeId {
        NodeId([byte; 32])
    }

    fn pins() -> Pins {
        Pins::new(Arc::default())
    }

    #[test]
    fn a_pin_holds_for_all_paths_and_spellings_of_a_place() {
        let pins = pins();
        pins.pin(&url("http://localhost:4242/RPC2"), id(1));
        for same in ["http://127.0.0.1:4242/", "http://LOCALHOST.:4242/x/codes"] {
            assert_eq!(pins.of(&url(same)), Some(id(1)), "{same}");
        }
        assert_eq!(pins.of(&url("http://127.0.0.1:4243/")), None);
        pins.pin(&url("http://127.0.0.1:4242/"), id(2));
        assert_eq!(pins.of(&url("http://localhost:4242/")), Some(id(1)));
        pins.choose(&url("http://127.0.0.1:4242/"), id(2));
        assert_eq!(pins.of(&url("http://localhost:4242/")), Some(id(2)));
        assert!(pins.remove(&url("http://127.0.0.1:4242/")));
        assert!(!pins.remove(&url("http://127.0.0.1:4242/")));
        assert_eq!(pins.of(&url("http://localhost:4242/")), None);
    }

    #[test]
    fn pins_go_with_their_peers_unless_chosen() {
        let pins = pins();
        for (host, byte) in [("a", 1), ("b", 2), ("c", 3)] {
            pins.pin(&url(&format!("http://{host}/")), id(byte));
        }
        let keep = |place: &str| match place {
            "a:80" => Keep::Chosen,
            "b:80" => Keep::Known,
            _ => Keep::Forgotten,
        };
        pins.retain(keep);
        assert_eq!(pins.of(&url("http://c/")), None);
        pins.retain(|_| Keep::Forgotten);
        assert_eq!(pins.of(&url("http://a/")), Some(id(1)));
        assert_eq!(pins.of(&url("http://b/")), None);
    }

    #[test]
    fn a_full_table_drops_the_oldest_that_is_not_chosen() {
        let pins = pins();
        pins.choose(&url("http://first/"), id(1));
        for n in 0..PINS_MAX {
            pins.pin(&url(&format!("http://h{n}/")), id(2));
        }
        assert_eq!(lock(&pins.table).pins.len(), PINS_MAX);
        assert!(pins.of(&url("http://first/")).is_some());
        assert!(pins.of(&url("http://h0/")).is_none());
        assert!(pins.of(&url("http://h1/")).is_some());
    }

    #[test]
    fn a_downgrade_is_told_once_a_minute() {
        let (pins, now) = (pins(), Instant::now());
        pins.pin(&url("http://a/"), id(1));
        let told = |at| lock(&pins.table).due_to_tell("a:80", at);
        assert_eq!(told(now), Some(id(1)));
        assert_eq!(told(now + TOLD_PAUSE / 2), None);
        assert_eq!(told(now + TOLD_PAUSE), Some(id(1)));
        assert_eq!(lock(&pins.table).due_to_tell("b:80", now), None);
    }

    proptest! {
        #[test]
        fn written_pins_read_back(
            places in prop::collection::btree_map("[a-z]{1,9}", (any::<[u8; 32]>(), any::<bool>()), 0..20),
        ) {
            let (before, after) = (pins(), pins());
            for (host, (id, is_chosen)) in &places {
                let url = url(&format!("http://{host}:4242/"));
                if *is_chosen {
                    before.choose(&url, NodeId(*id));
                } else {
                    before.pin(&url, NodeId(*id));
                }
            }
            after.read_text(&before.to_text());
            prop_assert_eq!(before.to_text(), after.to_text());
            prop_assert_eq!(before.to_text().lines().count(), places.len());
        }

        #[test]
        fn a_damaged_file_pins_nothing_wrong(text in "\\PC{0,200}") {
            let pins = pins();
            pins.read_text(&text);
            prop_assert!(pins.to_text().lines().count() <= text.lines().count());
        }
    }
}
