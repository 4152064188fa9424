//! `Pins`: the id of the node that was met at each host and port.
//!
//! Such a place is never called in clear again.
//!
//! A pin belongs to a host and port, not to a URL: one server answers for all paths.
//!
//! # Invariants
//! - A pinned place is called over TLS, and only the node that is pinned there is spoken to.
//! - A pin goes when the owner removes the peer, or, unless the owner chose the peer, some time
//!   after the peer is forgotten. Nothing that comes from the network removes one.
//! - The table is bounded: pins of nodes that are no peers make room first, then the oldest
//!   that the owner did not choose.
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

/// The time for which a pin stays of a node that is no peer.
const HEARD_FOR: Duration = Duration::from_secs(600);

/// Shortest time between two events about one place.
const TOLD_PAUSE: Duration = Duration::from_secs(60);

/// The end of a saved pin if the owner chose the peer.
const CHOSEN: &str = "chosen";

/// The ids of the nodes that were met, by host and port. Clones share one table.
#[derive(Clone, Debug)]
pub struct Pins {
    table: Arc<Mutex<Table>>,
    events: Arc<EventLog>,
}

#[derive(Debug, Default)]
struct Table {
    pins: HashMap<String, Pin>,
    added: u64,
    /// Changes with the pins that are saved.
    revision: u64,
}

#[derive(Clone, Debug)]
struct Pin {
    id: NodeId,
    standing: Standing,
    /// Order in which pins were made.
    since: u64,
    /// The last time that the node showed its id there.
    shown: Instant,
    told: Option<Instant>,
}

/// The standing of a node that is pinned, the lowest first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Standing {
    /// It is no peer: a search called it.
    Heard,
    /// It is a peer, or looked for.
    Known,
    /// The owner chose it.
    Chosen,
}

impl Pins {
    /// Creates an empty table, which reports downgrades through `events`.
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

    /// Pins a node to the place where it showed its id. An existing pin stays as it is.
    pub fn pin(&self, peer: &PeerUrl, id: NodeId) {
        lock(&self.table).pin(peer.host_key(), id, Standing::Heard, now());
    }

    /// Pins the node that the owner names, in place of any other.
    pub fn choose(&self, peer: &PeerUrl, id: NodeId) {
        let mut table = lock(&self.table);
        let key = peer.host_key();
        if table.pins.get(&key).is_some_and(|pin| pin.id != id) {
            table.pins.remove(&key);
        }
        table.pin(key, id, Standing::Chosen, now());
    }

    /// Removes a pin for the owner. Returns true if there was one.
    pub fn remove(&self, peer: &PeerUrl) -> bool {
        let mut table = lock(&self.table);
        let removed = table.pins.remove(&peer.host_key()).is_some();
        table.revision += u64::from(removed);
        removed
    }

    /// Updates the standing of each place. A place without one loses its pin ten minutes
    /// after its node last showed its id there, unless the owner chose it.
    pub fn review(&self, standing: impl Fn(&str) -> Option<Standing>) {
        self.review_at(standing, now());
    }

    /// The same, `now`.
    fn review_at(&self, standing: impl Fn(&str) -> Option<Standing>, now: Instant) {
        let mut table = lock(&self.table);
        let Table { pins, revision, .. } = &mut *table;
        pins.retain(|place, pin| {
            let was = pin.standing;
            if was != Standing::Chosen {
                pin.standing = standing(place).unwrap_or(Standing::Heard);
            }
            *revision += u64::from(pin.standing != was);
            pin.standing > Standing::Heard || now < pin.shown + HEARD_FOR
        });
    }

    /// Returns a number that changes whenever a pin does.
    #[must_use]
    pub fn revision(&self) -> u64 {
        lock(&self.table).revision
    }

    /// Returns the pins as text: one a line, with host and port, id, and [`CHOSEN`].
    #[must_use]
    pub fn to_text(&self) -> String {
        let table = lock(&self.table);
        let pins = table.pins.iter();
        let kept = pins.filter(|(_, pin)| pin.standing > Standing::Heard);
        let mut pins: Vec<_> = kept.collect();
        pins.sort_by_key(|(_, pin)| pin.since);
        let mut text = String::new();
        for (place, pin) in pins {
            let is_chosen = pin.standing == Standing::Chosen;
            let chosen = if is_chosen { " chosen" } else { "" };
            let _ = writeln!(text, "{place} {}{chosen}", pin.id);
        }
        text
    }

    /// Adds the pins of a text. Skips lines that cannot be read.
    pub fn read_text(&self, text: &str) {
        let mut table = lock(&self.table);
        for line in text.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [place, id, rest @ ..] = &words[..] else {
                continue;
            };
            if let Ok(id) = id.parse() {
                let is_chosen = rest.contains(&CHOSEN);
                let standing = if is_chosen {
                    Standing::Chosen
                } else {
                    Standing::Known
                };
                table.pin((*place).to_owned(), id, standing, now());
            }
        }
    }

    /// Reports that a place did not show its pinned id, at most once a minute.
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
    fn pin(&mut self, place: String, id: NodeId, standing: Standing, now: Instant) {
        if let Some(pin) = self.pins.get_mut(&place) {
            if pin.id == id {
                self.revision += u64::from(standing > pin.standing);
                pin.standing = pin.standing.max(standing);
                pin.shown = now;
            }
            return;
        }
        if self.pins.len() >= PINS_MAX {
            let pins = self.pins.iter();
            let least = pins.min_by_key(|(_, pin)| (pin.standing, pin.since));
            if let Some(least) = least.map(|(place, _)| place.clone()) {
                self.pins.remove(&least);
            }
        }
        self.added += 1;
        // A search makes no node write.
        self.revision += u64::from(standing > Standing::Heard);
        let pin = Pin {
            id,
            standing,
            since: self.added,
            shown: now,
            told: None,
        };
        self.pins.insert(place, pin);
    }

    /// Returns the pinned id of a place, if a report about it is due.
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
    fn pins_go_some_time_after_their_peers_unless_chosen() {
        let pins = pins();
        for (host, byte) in [("a", 1), ("b", 2), ("c", 3)] {
            pins.pin(&url(&format!("http://{host}/")), id(byte));
        }
        let standing = |place: &str| match place {
            "a:80" => Some(Standing::Chosen),
            "b:80" => Some(Standing::Known),
            _ => None,
        };
        let late = now() + HEARD_FOR;
        assert_eq!((pins.revision(), pins.to_text()), (0, String::new()));
        pins.review_at(standing, now());
        assert!(pins.revision() > 0, "pins of peers are saved");
        assert_eq!(pins.to_text().lines().count(), 2);
        assert_eq!(pins.of(&url("http://c/")), Some(id(3)));
        pins.review_at(standing, late);
        assert_eq!(pins.of(&url("http://c/")), None);
        assert_eq!(pins.of(&url("http://b/")), Some(id(2)));
        pins.review_at(|_| None, late);
        assert_eq!(pins.of(&url("http://a/")), Some(id(1)));
        assert_eq!(pins.of(&url("http://b/")), None);
    }

    #[test]
    fn a_full_table_drops_pins_of_no_peers_before_those_of_peers() {
        let pins = pins();
        pins.choose(&url("http://chosen/"), id(1));
        pins.pin(&url("http://known/"), id(1));
        pins.review(|place| (place == "known:80").then_some(Standing::Known));
        for n in 0..PINS_MAX {
            pins.pin(&url(&format!("http://h{n}/")), id(2));
        }
        assert_eq!(lock(&pins.table).pins.len(), PINS_MAX);
        for kept in ["http://chosen/", "http://known/", "http://h2/"] {
            assert!(pins.of(&url(kept)).is_some(), "{kept}");
        }
        for dropped in ["http://h0/", "http://h1/"] {
            assert!(pins.of(&url(dropped)).is_none(), "{dropped}");
        }
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
            before.review(|_| Some(Standing::Known));
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
