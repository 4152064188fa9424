//! The messages of the keeper: in the log, and as events.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use crate::{catalogue::ChangeSet, root::RootNews};
use node_base::{
    clock::now,
    events::{Event, EventLog},
};

/// Least time between two events about changes; those between are reported in
/// one.
pub(super) const SPEAK_EVERY: Duration = Duration::from_millis(500);

/// Most names in one event.
const NAMES_MAX: usize = 20;

/// Speaks for the keeper.
pub(super) struct Voice<'e> {
    events: &'e EventLog,
    spoken: Option<Instant>,
    waiting: Waiting,
    /// The last messages about the ignore files.
    troubles: Vec<String>,
}

/// Changes that are not reported yet.
#[derive(Default)]
struct Waiting {
    added: usize,
    changed: usize,
    removed: usize,
    names: Vec<String>,
}

impl<'e> Voice<'e> {
    pub(super) fn new(events: &'e EventLog) -> Voice<'e> {
        Voice {
            events,
            spoken: None,
            waiting: Waiting::default(),
            troubles: Vec::new(),
        }
    }

    pub(super) fn changed(&mut self, news: &ChangeSet) {
        let waiting = &mut self.waiting;
        waiting.added += news.added.len();
        waiting.changed += news.changed.len();
        waiting.removed += news.removed.len();
        let room = NAMES_MAX - waiting.names.len();
        waiting.names.extend(news.names().take(room).cloned());
    }

    pub(super) fn has_more(&self) -> bool {
        !self.waiting.names.is_empty()
    }

    /// Reports the gathered changes, if the last time is long enough ago.
    pub(super) fn speak(&mut self) {
        let soon = self
            .spoken
            .is_some_and(|spoken| now() < spoken + SPEAK_EVERY);
        if soon || !self.has_more() {
            return;
        }
        self.spoken = Some(now());
        let Waiting {
            added,
            changed,
            removed,
            names,
        } = std::mem::take(&mut self.waiting);
        self.events.emit(&Event::ShareChanged {
            added,
            changed,
            removed,
            names,
        });
    }

    pub(super) fn root(&self, news: &RootNews, path: &Path) {
        let path = path.display().to_string();
        match news {
            RootNews::Same => {}
            RootNews::Back => {
                tracing::info!(path, "the shared directory is there again");
                self.events.emit(&Event::ShareBack { path });
            }
            RootNews::Replaced => {
                tracing::warn!(
                    path,
                    "another directory is shared from now on, as the owner accepted it"
                );
                self.events.emit(&Event::ShareReplaced { path });
            }
            RootNews::Away(why) => {
                tracing::warn!(path, why, "the shared directory is gone; nothing is shared");
                let text = why.clone();
                self.events.emit(&Event::ShareAway { path, text });
            }
        }
    }

    /// Reports the errors in the ignore files, when they changed.
    pub(super) fn ignore_troubles(&mut self, troubles: Vec<String>) {
        if self.troubles != troubles {
            self.troubles.clone_from(&troubles);
            self.events.emit(&Event::ShareIgnoreTrouble { troubles });
        }
    }

    pub(super) fn unwatched(&self, why: &str) {
        tracing::warn!(why, "not every change of the share is noticed at once");
        self.events.emit(&Event::ShareUnwatched {
            text: why.to_owned(),
        });
    }
}
