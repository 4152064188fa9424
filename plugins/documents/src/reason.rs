//! Reasons for which a document cannot be read.

use serde::{Deserialize, Serialize};

/// The reason for which a document cannot be read, until it changes.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reason {
    /// A password is needed.
    #[error("it is encrypted")]
    Encrypted,
    /// It is not what it begins as.
    #[error("it is damaged")]
    Damaged,
    /// It is longer than [`DOCUMENT_MAX`](crate::limits::DOCUMENT_MAX).
    #[error("it is larger than 1 GiB")]
    Large,
    /// It unpacks to more than [`UNPACKED_MAX`](crate::limits::UNPACKED_MAX).
    #[error("it unpacks to more than 128 MiB")]
    Unpacks,
    /// It has more entries than [`ENTRIES_MAX`](crate::limits::ENTRIES_MAX).
    #[error("it has more than 20000 entries")]
    Entries,
    /// It has more text than [`TEXT_MAX`](crate::limits::TEXT_MAX).
    #[error("it has more than 64 MiB of text")]
    Text,
    /// Its reader took all its memory.
    #[error("its reader takes more memory than it may have")]
    Memory,
    /// Its reader took all its time.
    #[error("its reader takes longer than it may")]
    Time,
    /// Its reader had not ended after [`TIME_MAX`](crate::limits::TIME_MAX).
    #[error("its reader had not ended after a minute")]
    Late,
    /// Its reader was killed by somebody else, such as a system without memory.
    #[error("its reader was killed")]
    Killed,
    /// Its reader came to its end without an answer.
    #[error("its reader breaks")]
    Broke,
    /// Its reader does not keep to the protocol.
    #[error("its reader gives no valid answer")]
    Invalid,
}

/// The reasons that a worker gives, with their numbers in the protocol.
const OF_WORKERS: [(u8, Reason); 7] = [
    (1, Reason::Encrypted),
    (2, Reason::Damaged),
    (3, Reason::Unpacks),
    (4, Reason::Entries),
    (5, Reason::Text),
    (6, Reason::Broke),
    (7, Reason::Memory),
];

impl Reason {
    /// Returns true if it may have to do with the machine at that moment, and not with the document.
    pub(crate) fn may_pass(self) -> bool {
        matches!(self, Reason::Late | Reason::Killed)
    }

    /// Returns the number of the reason in the protocol.
    pub(crate) fn number(self) -> u8 {
        let known = OF_WORKERS.iter().find(|(_, reason)| *reason == self);
        known.map_or(6, |(number, _)| *number)
    }

    /// Returns the reason with this number.
    pub(crate) fn of_number(number: u8) -> Option<Reason> {
        let known = OF_WORKERS.iter().find(|(known, _)| *known == number);
        known.map(|(_, reason)| *reason)
    }
}
