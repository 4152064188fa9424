//! Fetches that a stopped or killed node takes up again.
//!
//! A record says where the bytes are and what they are to become. Which of
//! them are right is not written down: they are held against the tree again.

use std::sync::Mutex;

use node_wire::{Digest, name::ShareName};
use serde::{Deserialize, Serialize};

use crate::{share::Replace, state::StateDir, sync::lock};

/// File of the records.
const FILE: &str = "fetches";

/// Shortest content that is worth a record, in bytes.
pub(super) const RESUME_MIN: u64 = 8 << 20;

/// A fetch that was begun.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Record {
    pub(super) name: ShareName,
    pub(super) replace: Replace,
    pub(super) digest: Digest,
    pub(super) temporary: String,
}

/// The fetches that were begun and are not over.
#[derive(Debug)]
pub struct Records {
    state: StateDir,
    list: Mutex<Vec<Record>>,
}

/// A record as it is written.
#[derive(Deserialize, Serialize)]
struct Written {
    name: String,
    replace: bool,
    digest: String,
    temporary: String,
}

impl Records {
    /// What an earlier run left in `state`. Blocks.
    #[must_use]
    pub fn load(state: &StateDir) -> Records {
        let text = state.read(FILE).unwrap_or_else(|error| {
            tracing::warn!(%error, "the fetches of the last run cannot be read and are given up");
            None
        });
        let written: Vec<Written> = text
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default();
        Records {
            state: state.clone(),
            list: Mutex::new(written.iter().filter_map(Record::read).collect()),
        }
    }

    /// The temporaries in the share that belong to records.
    #[must_use]
    pub fn temporaries(&self) -> Vec<String> {
        let list = lock(&self.list);
        list.iter().map(|record| record.temporary.clone()).collect()
    }

    pub(super) fn list(&self) -> Vec<Record> {
        lock(&self.list).clone()
    }

    /// Adds a record, in place of one with the same temporary. Blocks.
    pub(super) fn add(&self, record: Record) {
        let mut list = lock(&self.list);
        list.retain(|other| other.temporary != record.temporary);
        list.push(record);
        self.save(&list);
    }

    /// Removes the record of `temporary`, if there is one. Blocks.
    pub(super) fn remove(&self, temporary: &str) {
        let mut list = lock(&self.list);
        let before = list.len();
        list.retain(|record| record.temporary != temporary);
        if list.len() < before {
            self.save(&list);
        }
    }

    fn save(&self, list: &[Record]) {
        let written: Vec<Written> = list.iter().map(Record::write).collect();
        let saved = serde_json::to_string(&written)
            .map_err(|error| error.to_string())
            .and_then(|text| {
                let saved = self.state.write(FILE, &text);
                saved.map_err(|error| error.to_string())
            });
        if let Err(error) = saved {
            tracing::warn!(%error, "a fetch cannot be taken up after a restart");
        }
    }
}

impl Record {
    fn read(written: &Written) -> Option<Record> {
        Some(Record {
            name: ShareName::parse(&written.name).ok()?,
            replace: if written.replace {
                Replace::Existing
            } else {
                Replace::Never
            },
            digest: Digest::from_hex(&written.digest).ok()?,
            temporary: written.temporary.clone(),
        })
    }

    fn write(&self) -> Written {
        Written {
            name: self.name.as_str().to_owned(),
            replace: self.replace == Replace::Existing,
            digest: self.digest.to_hex(),
            temporary: self.temporary.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_outlive_the_node_until_they_are_removed() {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::open(home.path()).unwrap();
        let record = Record {
            name: ShareName::parse("a/b").unwrap(),
            replace: Replace::Existing,
            digest: Digest::from_bytes([7; 32]),
            temporary: ".sixhop-part-0123456789abcdef".to_owned(),
        };
        Records::load(&state).add(record.clone());
        let records = Records::load(&state);
        assert_eq!(records.list(), std::slice::from_ref(&record));
        records.remove(&record.temporary);
        assert!(Records::load(&state).list().is_empty());
    }

    #[test]
    fn rubbish_is_no_record() {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::open(home.path()).unwrap();
        for text in [
            "",
            "rubbish",
            "[{\"name\":\"../x\",\"replace\":false,\"digest\":\"00\",\"temporary\":\"x\"}]",
        ] {
            state.write(FILE, text).unwrap();
            assert!(Records::load(&state).list().is_empty(), "{text}");
        }
    }
}
