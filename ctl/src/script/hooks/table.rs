//! The listeners of a script, and its timers.

use std::time::{Duration, Instant};

use node_api::events::Event;
use rhai::FnPtr;

use super::NodeKey;
use crate::error::CtlError;

/// Most listeners and timers of a script.
const HOOKS_MAX: usize = 256;

/// Types of events: one, or all that begin with something.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Pattern {
    One(String),
    Beginning(String),
}

/// The listeners and the timers, in order of their registration.
#[derive(Default)]
pub(super) struct Table {
    last: i64,
    listeners: Vec<Listener>,
    timers: Vec<Timer>,
    watches: Vec<Watch>,
}

/// A function that is called with matches.
struct Watch {
    handle: i64,
    key: NodeKey,
    callback: FnPtr,
}

struct Listener {
    handle: i64,
    key: NodeKey,
    pattern: Pattern,
    /// It hears of the events after this one.
    since: u64,
    callback: FnPtr,
}

struct Timer {
    handle: i64,
    period: Duration,
    due: Instant,
    callback: FnPtr,
}

impl Pattern {
    /// Reads `fetch.done`, `fetch.*` or `*`.
    pub(super) fn parse(text: &str) -> Result<Pattern, CtlError> {
        let (beginning, is_one) = match text.strip_suffix('*') {
            Some(beginning) => (beginning, false),
            None => (text, true),
        };
        let fits = |c: char| c.is_ascii_lowercase() || c == '.' || c == '_';
        if !beginning.chars().all(fits) || (is_one && beginning.is_empty()) {
            return Err(CtlError::usage(format!(
                "{text} is no type of events such as fetch.done, fetch.* or *"
            )));
        }
        let owned = beginning.to_owned();
        Ok(if is_one {
            Pattern::One(owned)
        } else {
            Pattern::Beginning(owned)
        })
    }

    pub(super) fn matches(&self, kind: &str) -> bool {
        match self {
            Pattern::One(wanted) => kind == wanted,
            Pattern::Beginning(wanted) => kind.starts_with(wanted.as_str()),
        }
    }
}

impl Table {
    pub(super) fn listen(
        &mut self,
        key: NodeKey,
        pattern: Pattern,
        since: u64,
        callback: FnPtr,
    ) -> Result<i64, CtlError> {
        let handle = self.next_handle()?;
        self.listeners.push(Listener {
            handle,
            key,
            pattern,
            since,
            callback,
        });
        Ok(handle)
    }

    /// Adds a function that is called with matches of a query.
    pub(super) fn watch(&mut self, key: NodeKey, callback: FnPtr) -> Result<i64, CtlError> {
        let handle = self.next_handle()?;
        self.watches.push(Watch {
            handle,
            key,
            callback,
        });
        Ok(handle)
    }

    pub(super) fn time(
        &mut self,
        period: Duration,
        now: Instant,
        callback: FnPtr,
    ) -> Result<i64, CtlError> {
        let handle = self.next_handle()?;
        self.timers.push(Timer {
            handle,
            period,
            due: now + period,
            callback,
        });
        Ok(handle)
    }

    /// Removes a listener, a timer or a watch. Says whether it was there.
    pub(super) fn remove(&mut self, handle: i64) -> bool {
        let before = self.len();
        self.listeners.retain(|listener| listener.handle != handle);
        self.timers.retain(|timer| timer.handle != handle);
        self.watches.retain(|watch| watch.handle != handle);
        self.len() < before
    }

    /// Removes the listeners and watches of a node that has ended.
    pub(super) fn remove_node(&mut self, key: NodeKey) {
        self.listeners.retain(|listener| listener.key != key);
        self.watches.retain(|watch| watch.key != key);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Resets the events: the node counts from 1 again, and all are new.
    pub(super) fn node_began_anew(&mut self, key: NodeKey) {
        for listener in &mut self.listeners {
            if listener.key == key {
                listener.since = 0;
            }
        }
    }

    /// Returns the listeners that an event of a node is for, in order.
    pub(super) fn wanted(&self, key: NodeKey, event: &Event) -> Vec<i64> {
        let wants = |listener: &&Listener| {
            listener.key == key
                && event.id > listener.since
                && listener.pattern.matches(&event.kind)
        };
        let wanting = self.listeners.iter().filter(wants);
        wanting.map(|listener| listener.handle).collect()
    }

    /// Returns the callback of a listener or a watch, if it is still there.
    pub(super) fn callback(&self, handle: i64) -> Option<FnPtr> {
        let listener = self.listeners.iter().find(|one| one.handle == handle);
        let watch = self.watches.iter().find(|one| one.handle == handle);
        let of_watch = watch.map(|watch| watch.callback.clone());
        listener
            .map(|listener| listener.callback.clone())
            .or(of_watch)
    }

    /// Returns the time of the next timer.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.timers.iter().map(|timer| timer.due).min()
    }

    /// Returns the callback of the timer that is due now, which is due next a period
    /// from now: times that were missed are over.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<FnPtr> {
        let due = self.timers.iter_mut().filter(|timer| timer.due <= now);
        let timer = due.min_by_key(|timer| timer.due)?;
        timer.due = now + timer.period;
        Some(timer.callback.clone())
    }

    fn len(&self) -> usize {
        self.listeners.len() + self.timers.len() + self.watches.len()
    }

    fn next_handle(&mut self) -> Result<i64, CtlError> {
        if self.len() >= HOOKS_MAX {
            let message = format!("a script has at most {HOOKS_MAX} listeners and timers");
            return Err(CtlError::usage(message));
        }
        self.last += 1;
        Ok(self.last)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(id: u64, kind: &str) -> Event {
        Event {
            id,
            time: 0,
            kind: kind.to_owned(),
            data: json!({}),
        }
    }

    fn listen(table: &mut Table, pattern: &str, since: u64) -> i64 {
        let (pattern, callback) = (Pattern::parse(pattern).unwrap(), FnPtr::new("f").unwrap());
        table
            .listen(NodeKey::Owner, pattern, since, callback)
            .unwrap()
    }

    #[test]
    fn a_pattern_is_a_type_or_a_beginning() {
        for (pattern, kind, expected) in [
            ("fetch.done", "fetch.done", true),
            ("fetch.done", "fetch.done_all", false),
            ("fetch.*", "fetch.done", true),
            ("fetch.*", "peer.answered", false),
            ("*", "anything", true),
        ] {
            let parsed = Pattern::parse(pattern).unwrap();
            assert_eq!(parsed.matches(kind), expected, "{pattern} {kind}");
        }
        for bad in ["", "fetch.*.x", "*.done", "Fetch", "a b"] {
            assert!(Pattern::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn listeners_hear_of_what_comes_after_them_in_order() {
        let mut table = Table::default();
        let first = listen(&mut table, "fetch.*", 5);
        let second = listen(&mut table, "*", 7);
        assert!(
            table
                .wanted(NodeKey::Owner, &event(5, "fetch.done"))
                .is_empty()
        );
        assert_eq!(
            table.wanted(NodeKey::Owner, &event(7, "fetch.done")),
            [first]
        );
        assert_eq!(
            table.wanted(NodeKey::Owner, &event(8, "fetch.done")),
            [first, second]
        );
        assert_eq!(
            table.wanted(NodeKey::Owner, &event(8, "peer.added")),
            [second]
        );
        table.node_began_anew(NodeKey::Owner);
        assert_eq!(
            table.wanted(NodeKey::Owner, &event(1, "fetch.done")),
            [first, second]
        );
        assert!(table.remove(first) && !table.remove(first));
        assert!(table.callback(first).is_none() && table.callback(second).is_some());
        table.remove_node(NodeKey::Owner);
        assert!(table.is_empty());
    }

    #[test]
    fn a_timer_that_missed_its_times_is_due_once() {
        let mut table = Table::default();
        let (begun, second) = (Instant::now(), Duration::from_secs(1));
        let callback = FnPtr::new("f").unwrap();
        table.time(second, begun, callback).unwrap();
        assert!(table.take_due(begun).is_none());
        let late = begun + second * 10;
        assert!(table.take_due(late).is_some());
        assert!(table.take_due(late).is_none());
        assert_eq!(table.next_due(), Some(late + second));
    }

    #[test]
    fn there_is_room_for_so_many() {
        let mut table = Table::default();
        for _ in 0..HOOKS_MAX {
            listen(&mut table, "*", 0);
        }
        let callback = FnPtr::new("f").unwrap();
        let one_more = table.time(Duration::from_secs(1), Instant::now(), callback);
        assert_eq!(one_more.unwrap_err().exit_code(), 2);
    }
}
