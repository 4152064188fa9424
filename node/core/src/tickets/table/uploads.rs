//! Files that are on their way by a ticket that takes: limits before their first byte.
//!
//! # Invariants
//! - What arrived and what may still arrive is never more than the ticket takes, in bytes and in files.
//! - An upload that is left alone for [`UPLOAD_TIME`] is given up, and so is one whose ticket ended.

use node_base::token::TokenHash;
use serde::{Deserialize, Serialize};

use super::{Goods, Record, Table};

/// The time for which an upload may be left alone, in milliseconds.
pub(crate) const UPLOAD_TIME: u64 = 24 * 3600 * 1000;

/// Most uploads of a ticket that are not complete.
pub(crate) const OPEN_MAX: usize = 32;

/// Most uploads of a ticket that are remembered.
const KNOWN_MAX: usize = 512;

/// A file on its way.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Upload {
    sha256: String,
    /// Its name in the inbox.
    pub(crate) name: String,
    /// How long it will be; of a file that did not say, how long it may be.
    pub(crate) size: u64,
    pub(crate) temporary: String,
    touched: u64,
    #[serde(default)]
    pub(crate) is_done: bool,
    #[serde(skip)]
    running: u32,
}

/// The reason why a file is not taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum AskError {
    /// The ticket is gone.
    #[error("this link is of no use any more")]
    Gone,
    /// It took as many files as it may.
    #[error("this link takes no more files")]
    TooManyFiles,
    /// It has no room for so many bytes.
    #[error("this link takes no more than {left} bytes more")]
    TooLarge {
        /// Bytes that it still takes.
        left: u64,
    },
    /// Too many files are on their way.
    #[error("too many files are on their way; let some of them end first")]
    Busy,
    /// There is no such upload.
    #[error("this upload is not known; begin it again")]
    Unknown,
}

/// A file that is to be taken.
#[derive(Clone, Debug)]
pub(crate) struct NewUpload {
    pub(crate) hash: TokenHash,
    pub(crate) name: String,
    pub(crate) size: u64,
    pub(crate) temporary: String,
}

impl Upload {
    fn matches(&self, hash: &TokenHash) -> bool {
        let known: Result<TokenHash, _> = self.sha256.parse();
        known.is_ok_and(|known| known.matches(hash))
    }

    fn is_left(&self, now: u64) -> bool {
        self.running == 0 && self.touched.saturating_add(UPLOAD_TIME) <= now
    }
}

impl Record {
    fn open(&self) -> impl Iterator<Item = &Upload> {
        self.uploads.iter().filter(|upload| !upload.is_done)
    }

    /// Returns how many bytes it still takes.
    pub(crate) fn bytes_left(&self) -> u64 {
        let Goods::Ask(ask) = &self.goods else {
            return 0;
        };
        let coming = self.open().map(|upload| upload.size);
        let taken = coming.fold(ask.received, u64::saturating_add);
        ask.max_bytes.saturating_sub(taken)
    }

    /// Returns whether another file of `size` bytes may come.
    ///
    /// # Errors
    /// Errors if not.
    pub(crate) fn may_take(&self, size: u64) -> Result<(), AskError> {
        let open = self.open().count();
        let files = u64::from(self.used) + open as u64;
        if self.uses.is_some_and(|uses| files >= u64::from(uses)) {
            return Err(AskError::TooManyFiles);
        }
        let left = self.bytes_left();
        if size > left {
            return Err(AskError::TooLarge { left });
        }
        if open >= OPEN_MAX {
            return Err(AskError::Busy);
        }
        Ok(())
    }

    /// Returns whether a file on its way will have this name.
    pub(crate) fn will_have(&self, key: &str, key_of: impl Fn(&str) -> String) -> bool {
        self.open().any(|upload| key_of(&upload.name) == key)
    }

    /// Adds a file on its way.
    ///
    /// # Errors
    /// Errors if it may not come.
    pub(crate) fn begin_upload(&mut self, new: NewUpload, now: u64) -> Result<(), AskError> {
        self.may_take(new.size)?;
        if self.uploads.len() >= KNOWN_MAX {
            let done = self.uploads.iter().position(|upload| upload.is_done);
            self.uploads.remove(done.ok_or(AskError::Busy)?);
        }
        self.uploads.push(Upload {
            sha256: new.hash.to_string(),
            name: new.name,
            size: new.size,
            temporary: new.temporary,
            touched: now,
            is_done: false,
            running: 0,
        });
        Ok(())
    }

    /// Returns a file on its way, or one that arrived.
    ///
    /// # Errors
    /// Errors if there is none.
    pub(crate) fn upload(&mut self, hash: &TokenHash) -> Result<&mut Upload, AskError> {
        let mut uploads = self.uploads.iter_mut();
        let found = uploads.find(|upload| upload.matches(hash));
        found.ok_or(AskError::Unknown)
    }

    /// Notes that a file will have another name, because its own was taken.
    pub(crate) fn rename_upload(&mut self, hash: &TokenHash, name: &str) {
        if let Ok(upload) = self.upload(hash) {
            name.clone_into(&mut upload.name);
        }
    }

    /// Notes that bytes of a file come (1) or no longer (-1).
    pub(crate) fn runs(&mut self, hash: &TokenHash, change: i32, now: u64) {
        if let Ok(upload) = self.upload(hash) {
            upload.running = upload.running.saturating_add_signed(change);
            upload.touched = now;
        }
    }

    /// Notes that a file of `size` bytes is in its place. Returns its name, if that was not noted before.
    ///
    /// # Errors
    /// Errors if there is none.
    pub(crate) fn finish_upload(
        &mut self,
        hash: &TokenHash,
        size: u64,
        now: u64,
    ) -> Result<Option<String>, AskError> {
        let upload = self.upload(hash)?;
        if std::mem::replace(&mut upload.is_done, true) {
            return Ok(None);
        }
        upload.size = size;
        upload.touched = now;
        let name = upload.name.clone();
        self.used = self.used.saturating_add(1);
        if let Goods::Ask(ask) = &mut self.goods {
            ask.received = ask.received.saturating_add(size);
        }
        Ok(Some(name))
    }

    /// Removes an upload. Returns its temporary.
    pub(crate) fn drop_upload(&mut self, hash: &TokenHash) -> Option<String> {
        let at = self
            .uploads
            .iter()
            .position(|upload| upload.matches(hash))?;
        let upload = self.uploads.remove(at);
        (!upload.is_done).then_some(upload.temporary)
    }

    /// Returns the temporaries of files on their way.
    pub(crate) fn temporaries(&self) -> impl Iterator<Item = String> {
        self.open().map(|upload| upload.temporary.clone())
    }
}

impl Table {
    /// Returns the temporaries of all files on their way.
    pub(crate) fn temporaries(&self) -> Vec<String> {
        self.tickets
            .values()
            .flat_map(Record::temporaries)
            .collect()
    }

    /// Gives up the uploads that were left alone, and those of tickets that ended. Returns their temporaries.
    pub(crate) fn give_up(&mut self, now: u64) -> Vec<String> {
        let mut given_up = Vec::new();
        for ticket in self.tickets.values_mut() {
            let is_over = ticket.is_over(now);
            ticket.uploads.retain(|upload| {
                let goes = upload.is_left(now) || is_over && upload.running == 0;
                if goes && !upload.is_done {
                    given_up.push(upload.temporary.clone());
                }
                !goes
            });
        }
        given_up
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tickets::table::{Ask, NewRecord};

    const NOW: u64 = 1_700_000_000_000;

    fn hash(number: u64) -> TokenHash {
        TokenHash::of(&number.to_le_bytes())
    }

    fn table(max_bytes: u64, uses: Option<u32>) -> (Table, u64) {
        let mut table = Table::default();
        let new = NewRecord {
            sha256: hash(0).to_string(),
            uses,
            time: Some(10 * UPLOAD_TIME),
            password: None,
        };
        let ask = |id: u64| {
            Goods::Ask(Ask {
                into: id.to_string(),
                max_bytes,
                received: 0,
            })
        };
        let id = table.add(new, NOW, ask).unwrap();
        (table, id)
    }

    fn new(number: u64, size: u64) -> NewUpload {
        NewUpload {
            hash: hash(number),
            name: format!("1/{number}"),
            size,
            temporary: format!("1/.{number}"),
        }
    }

    #[test]
    fn what_may_still_come_counts_before_its_first_byte() {
        let (mut table, id) = table(100, Some(3));
        let ticket = table.get_mut(id, NOW).unwrap();
        assert_eq!(ticket.may_take(101), Err(AskError::TooLarge { left: 100 }));
        ticket.begin_upload(new(1, 60), NOW).unwrap();
        assert_eq!(
            ticket.begin_upload(new(2, 41), NOW),
            Err(AskError::TooLarge { left: 40 })
        );
        ticket.begin_upload(new(2, 40), NOW).unwrap();
        // One that was shorter than it said gives the rest back.
        assert_eq!(
            ticket.finish_upload(&hash(2), 10, NOW),
            Ok(Some("1/2".to_owned()))
        );
        assert_eq!(ticket.finish_upload(&hash(2), 10, NOW), Ok(None));
        assert_eq!((ticket.used, ticket.bytes_left()), (1, 30));
        ticket.begin_upload(new(3, 30), NOW).unwrap();
        assert_eq!(ticket.may_take(0), Err(AskError::TooManyFiles));
        assert_eq!(ticket.drop_upload(&hash(1)), Some("1/.1".to_owned()));
        assert_eq!(ticket.may_take(60), Ok(()));
        assert!(ticket.will_have("1/3", str::to_owned) && !ticket.will_have("1/2", str::to_owned));
    }

    #[test]
    fn an_upload_that_is_left_alone_is_given_up() {
        let (mut table, id) = table(1_000, None);
        let ticket = table.get_mut(id, NOW).unwrap();
        for number in 1..=3 {
            ticket.begin_upload(new(number, 10), NOW).unwrap();
        }
        ticket.runs(&hash(1), 1, NOW);
        ticket.finish_upload(&hash(2), 10, NOW).unwrap();
        assert_eq!(table.temporaries(), ["1/.1", "1/.3"]);
        assert_eq!(table.give_up(NOW + UPLOAD_TIME - 1), Vec::<String>::new());
        assert_eq!(table.give_up(NOW + UPLOAD_TIME), ["1/.3"]);
        let ticket = table.get_mut(id, NOW).unwrap();
        ticket.runs(&hash(1), -1, NOW + UPLOAD_TIME);
        assert_eq!(table.give_up(NOW + 2 * UPLOAD_TIME), ["1/.1"]);
        assert!(table.temporaries().is_empty());
    }

    #[test]
    fn a_ticket_has_a_limited_number_of_open_uploads() {
        let (mut table, id) = table(u64::MAX, None);
        let ticket = table.get_mut(id, NOW).unwrap();
        for number in 0..OPEN_MAX as u64 {
            ticket.begin_upload(new(number, 1), NOW).unwrap();
        }
        assert_eq!(ticket.may_take(1), Err(AskError::Busy));
        for number in 0..2_000 {
            let _ = ticket.finish_upload(&hash(number), 1, NOW);
            let _ = ticket.begin_upload(new(10_000 + number, 1), NOW);
            let _ = ticket.finish_upload(&hash(10_000 + number), 1, NOW);
        }
        assert!(ticket.uploads.len() <= KNOWN_MAX);
    }
}
