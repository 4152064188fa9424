//! Looking because somebody asks for it.

use std::{collections::BTreeMap, sync::Mutex};

use node_base::sync::lock;
use node_wire::name::ShareName;
use tokio::sync::oneshot;

use super::Running;
use crate::{ChangeSet, watcher::Signs};

/// Most that wait at a time.
const WAITING_MAX: usize = 64;

/// The result of a requested look.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Rescanned {
    /// Files that appeared.
    pub added: u64,
    /// Files that may have other bytes.
    pub changed: u64,
    /// Files that are gone.
    pub removed: u64,
}

/// A look that was asked for.
#[derive(Debug)]
pub struct Rescan(oneshot::Receiver<Rescanned>);

/// Too many looks were asked for and have not ended.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("too many rescans run already, try again later")]
pub struct TooManyRescans;

/// A requested look, and the caller that waits for it.
#[derive(Debug)]
pub(super) struct Asked {
    name: Option<String>,
    found: Rescanned,
    answer: oneshot::Sender<Rescanned>,
}

/// Looks that were asked for and have not begun.
#[derive(Debug, Default)]
pub(super) struct Rescans(Mutex<Vec<Asked>>);

impl Rescan {
    /// Waits until all was looked at. `None` if the share is not there, or the node
    /// stops.
    pub async fn done(self) -> Option<Rescanned> {
        self.0.await.ok()
    }
}

impl Rescan {
    /// Returns the answer if it is there.
    #[cfg(test)]
    pub(super) fn try_done(&mut self) -> Option<Rescanned> {
        self.0.try_recv().ok()
    }
}

impl Rescans {
    pub(super) fn ask(&self, name: Option<&ShareName>) -> Result<Rescan, TooManyRescans> {
        let mut waiting = lock(&self.0);
        if waiting.len() >= WAITING_MAX {
            return Err(TooManyRescans);
        }
        let (answer, rescan) = oneshot::channel();
        waiting.push(Asked {
            name: name.map(|name| name.as_str().to_owned()),
            found: Rescanned::default(),
            answer,
        });
        Ok(Rescan(rescan))
    }

    pub(super) fn take(&self) -> Vec<Asked> {
        std::mem::take(&mut lock(&self.0))
    }
}

impl Asked {
    pub(super) fn count(&mut self, news: &ChangeSet) {
        self.found.added += news.added.len() as u64;
        self.found.changed += news.changed.len() as u64;
        self.found.removed += news.removed.len() as u64;
    }

    fn answer(self) {
        // Who asked may have left.
        let _ = self.answer.send(self.found);
    }
}

impl Running<'_> {
    /// Begins the requested looks.
    pub(super) fn rescan(&mut self, asked: Vec<Asked>) {
        for asked in asked {
            let Some(name) = asked.name.clone() else {
                self.rescans.push(asked);
                self.begin_sweep(super::Depth::Files, true);
                continue;
            };
            self.rescans.push(asked);
            let signs = Signs {
                written: true,
                renamed: false,
            };
            let names = BTreeMap::from([(name.clone(), signs)]);
            let looked = self.look(|look| look.names(&names));
            self.take_in(looked);
            let folder = format!("{name}/");
            let is_folder = self.keeper.catalogue.work().folders.contains_key(&folder);
            if is_folder {
                self.begin_sweep_within(vec![folder], true);
            } else if self.sweep.is_none() {
                self.rescanned();
            }
        }
    }

    /// Answers the callers that waited for the sweep.
    pub(super) fn rescanned(&mut self) {
        for asked in std::mem::take(&mut self.rescans) {
            asked.answer();
        }
    }
}
