//! The file of the watches: changes are written behind its end, and now and then it is written anew, short.
//!
//! # Invariants
//! - What was written before the node was killed is read again. A line that was cut off counts as not written.
//! - After a write that failed, the whole file is written anew before anything is written behind its end.

use std::io::Write;

use node_base::state::{StateDir, StateError};

use super::record::Record;

/// File of the watches.
const FILE: &str = "watches";

/// The file is written anew when it is this long, and twice as long as it was then, in bytes.
const LONG: u64 = 1024 * 1024;

/// The file of the watches.
#[derive(Debug)]
pub(super) struct Log {
    state: StateDir,
    length: u64,
    /// Its length when it was written anew.
    short: u64,
    is_torn: bool,
}

impl Log {
    /// Reads the changes of earlier runs. Blocks.
    pub(super) fn load(state: &StateDir) -> (Log, Vec<Record>) {
        let text = state.read(FILE).unwrap_or_else(|error| {
            tracing::warn!(%error, "the watches cannot be read and are given up");
            None
        });
        let text = text.unwrap_or_default();
        let lines = text.lines();
        let records = lines.filter_map(|line| serde_json::from_str(line).ok());
        let log = Log {
            state: state.clone(),
            length: text.len() as u64,
            short: 0,
            // The last line may have been cut off.
            is_torn: true,
        };
        (log, records.collect())
    }

    /// Returns whether the file is to be written anew before anything is added.
    pub(super) fn is_due(&self) -> bool {
        self.is_torn || self.length > LONG.max(self.short * 2)
    }

    /// Writes changes behind the end. Blocks.
    ///
    /// # Errors
    /// Errors if they cannot be written; then they count as not written.
    pub(super) fn append(&mut self, records: &[Record]) -> Result<(), StateError> {
        let text = lines(records);
        let mut file = self.state.append_to(FILE)?;
        match file.write_all(text.as_bytes()) {
            Ok(()) => {
                self.length += text.len() as u64;
                Ok(())
            }
            Err(error) => {
                self.is_torn = true;
                Err(self.state.error(FILE, error))
            }
        }
    }

    /// Writes the file anew. Blocks.
    ///
    /// # Errors
    /// Errors if it cannot be written; then it is as it was.
    pub(super) fn rewrite(&mut self, records: &[Record]) -> Result<(), StateError> {
        let text = lines(records);
        self.state
            .write_with(FILE, |file| file.write_all(text.as_bytes()))?;
        self.length = text.len() as u64;
        self.short = self.length;
        self.is_torn = false;
        Ok(())
    }
}

fn lines(records: &[Record]) -> String {
    let mut text = String::new();
    for record in records {
        let line = serde_json::to_string(record).expect("texts and numbers are JSON");
        text.push_str(&line);
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::disallowed_methods,
        reason = "tests damage the file from outside"
    )]

    use super::*;

    #[test]
    fn lines_are_read_again_and_a_cut_one_is_not() {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::open(&home.path().join("state")).unwrap();
        let (mut log, records) = Log::load(&state);
        assert!(records.is_empty() && log.is_due());
        log.rewrite(&[Record::Next { id: 1 }]).unwrap();
        assert!(!log.is_due());
        let added = [Record::Removed { id: 1 }, Record::Removed { id: 2 }];
        log.append(&added).unwrap();
        let path = state.file(FILE);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, &text[..text.len() - 4]).unwrap();
        let (log, records) = Log::load(&state);
        assert_eq!(records, [Record::Next { id: 1 }, Record::Removed { id: 1 }]);
        assert!(log.is_due(), "a cut line is not written on");
    }

    #[test]
    fn long_file_is_due_to_be_written_anew() {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::open(&home.path().join("state")).unwrap();
        let (mut log, _) = Log::load(&state);
        log.rewrite(&[]).unwrap();
        let many = vec![Record::Removed { id: u64::MAX }; 10_000];
        while !log.is_due() {
            log.append(&many).unwrap();
        }
        assert!(log.length > LONG);
        log.rewrite(&many[..1]).unwrap();
        assert!(!log.is_due());
    }
}
