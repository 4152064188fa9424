//! The events of a node, numbered, with the last ones kept for replay.
//!
//! # Invariants
//! - Ids grow by one from 1; a reader sees a loss as a gap.
//! - The log holds at most [`KEPT`] events; a slow reader loses events, it
//!   never holds the node up.

mod event;

use std::{
    collections::VecDeque,
    sync::Mutex,
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::Value;
use tokio::sync::watch;

pub use self::event::Event;
use crate::sync::lock;

/// Number of events kept.
pub const KEPT: usize = 1_024;

/// An [`Event`] that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct LoggedEvent {
    /// Number of the event.
    pub id: u64,
    /// The time, Unix milliseconds.
    pub time: u64,
    /// The kind, such as `fetch.done`.
    pub kind: &'static str,
    /// Its fields: an object.
    pub data: Value,
}

/// The events of one node.
#[derive(Debug)]
pub struct EventLog {
    kept: Mutex<VecDeque<LoggedEvent>>,
    newest: watch::Sender<u64>,
}

impl Default for EventLog {
    fn default() -> EventLog {
        EventLog {
            kept: Mutex::default(),
            newest: watch::Sender::new(0),
        }
    }
}

impl EventLog {
    /// Notes that something happened.
    pub fn emit(&self, event: &Event) {
        let (kind, data) = (event.kind(), event.data());
        let mut kept = lock(&self.kept);
        let id = *self.newest.borrow() + 1;
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(LoggedEvent {
            id,
            time: unix_millis(SystemTime::now()),
            kind,
            data,
        });
        self.newest.send_replace(id);
    }

    /// Returns the events after the event `id`, oldest first, at most `limit`.
    #[must_use]
    pub fn since(&self, id: u64, limit: usize) -> Vec<LoggedEvent> {
        let kept = lock(&self.kept);
        kept.iter()
            .filter(|event| event.id > id)
            .take(limit)
            .cloned()
            .collect()
    }

    /// Returns the id of the oldest event that is kept.
    #[must_use]
    pub fn oldest(&self) -> Option<u64> {
        lock(&self.kept).front().map(|event| event.id)
    }

    /// Returns the id of the newest event, 0 before the first.
    #[must_use]
    pub fn newest(&self) -> u64 {
        *self.newest.borrow()
    }

    /// Follows the id of the newest event.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }
}

/// Milliseconds of `time` since 1970; 0 for times before.
#[must_use]
pub fn unix_millis(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn something() -> Event {
        Event::PeerRemoved {
            url: "http://a/".to_owned(),
        }
    }

    #[test]
    fn ids_grow_by_one_and_old_events_make_room() {
        let log = EventLog::default();
        for _ in 0..KEPT + 10 {
            log.emit(&something());
        }
        assert_eq!(log.oldest(), Some(11));
        assert_eq!(log.newest(), KEPT as u64 + 10);
        let ids: Vec<u64> = log
            .since(0, usize::MAX)
            .iter()
            .map(|event| event.id)
            .collect();
        assert_eq!(ids, (11..=KEPT as u64 + 10).collect::<Vec<_>>());
    }

    #[test]
    fn replay_starts_after_the_given_id_and_keeps_the_limit() {
        let log = EventLog::default();
        for _ in 0..5 {
            log.emit(&something());
        }
        let ids: Vec<u64> = log.since(2, 2).iter().map(|event| event.id).collect();
        assert_eq!(ids, [3, 4]);
    }
}
