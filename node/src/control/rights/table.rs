//! The table of tokens: a state machine without a clock and without a disk.
//!
//! # Invariants
//! - A token that was removed or whose time is over is found by nobody.
//! - There are at most [`TOKENS_MAX`] tokens, and names are unique among those that have not expired.

use std::{collections::BTreeMap, sync::Arc};

use node_api::{
    level::Level,
    token::{NAME_MAX, TOKENS_MAX, Token},
};
use node_base::token::TokenHash;
use serde::{Deserialize, Serialize};

use super::Holder;

/// A token as it is kept on the disk.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Record {
    pub(super) name: String,
    pub(super) may: Level,
    /// The hash of its text, in hex.
    pub(super) sha256: String,
    /// Unix milliseconds, as are the times below.
    pub(super) created: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) expires: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) used: Option<u64>,
}

/// The reason why a token is not added.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(in crate::control) enum AddError {
    /// The name is none.
    #[error("a name of a token has 1 to {NAME_MAX} letters, digits, `-`, `_` and `.`")]
    Name,
    /// The hash is none.
    #[error("{0}")]
    Hash(#[from] node_base::token::BadTokenHash),
    /// There is one of this name.
    #[error(
        "there is a token `{0}` already; remove it with `ctl token rm {0}`, or take another name"
    )]
    Exists(String),
    /// The same text is in use.
    #[error("another token has the same text; make a new one")]
    Same,
    /// There are too many.
    #[error("a node keeps at most {TOKENS_MAX} tokens; remove one with `ctl token rm NAME`")]
    Full,
}

/// The token of a text that somebody showed.
#[derive(Clone, Debug)]
pub(super) enum Shown {
    /// It is this one.
    Valid(Arc<Holder>),
    /// Its time is over.
    Expired,
    /// There is none.
    Unknown,
}

#[derive(Debug)]
struct Kept {
    hash: TokenHash,
    created: u64,
    expires: Option<u64>,
    used: Option<u64>,
    holder: Arc<Holder>,
    /// True once its end was told.
    is_ended: bool,
}

/// All tokens of a node.
#[derive(Debug, Default)]
pub(super) struct Table(BTreeMap<String, Kept>);

impl Table {
    /// Adds a token.
    pub(super) fn add(&mut self, record: Record, now: u64) -> Result<(), AddError> {
        let is_of_name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let length = record.name.len();
        if length == 0 || length > NAME_MAX || !record.name.chars().all(is_of_name) {
            return Err(AddError::Name);
        }
        let hash: TokenHash = record.sha256.parse()?;
        match self.0.get(&record.name) {
            Some(kept) if !kept.is_over(now) => return Err(AddError::Exists(record.name)),
            None if self.0.len() >= TOKENS_MAX => return Err(AddError::Full),
            Some(_) | None => {}
        }
        if self.0.values().any(|kept| kept.hash.matches(&hash)) {
            return Err(AddError::Same);
        }
        let holder = Holder::new(&record.name, record.may);
        let kept = Kept {
            hash,
            created: record.created,
            expires: record.expires,
            used: record.used,
            holder: Arc::new(holder),
            is_ended: record.expires.is_some_and(|expires| expires <= now),
        };
        if let Some(before) = self.0.insert(record.name, kept) {
            before.holder.end();
        }
        Ok(())
    }

    /// Removes a token.
    pub(super) fn remove(&mut self, name: &str) -> Option<Arc<Holder>> {
        self.0.remove(name).map(|kept| kept.holder)
    }

    /// Finds the token of a text that was shown, and notes its use.
    pub(super) fn shown(&mut self, presented: &TokenHash, now: u64) -> Shown {
        // All are compared, so that the time tells nothing.
        let mut found = None;
        for kept in self.0.values_mut() {
            if kept.hash.matches(presented) {
                found = Some(kept);
            }
        }
        match found {
            Some(kept) if kept.is_over(now) => Shown::Expired,
            Some(kept) => {
                kept.used = Some(now);
                Shown::Valid(Arc::clone(&kept.holder))
            }
            None => Shown::Unknown,
        }
    }

    /// Returns the tokens whose time is over and that were not returned before.
    pub(super) fn expired(&mut self, now: u64) -> Vec<Arc<Holder>> {
        let over = self.0.values_mut();
        let over = over.filter(|kept| kept.is_over(now) && !kept.is_ended);
        over.map(|kept| {
            kept.is_ended = true;
            Arc::clone(&kept.holder)
        })
        .collect()
    }

    /// Returns the time when the next token ends.
    pub(super) fn next_end(&self) -> Option<u64> {
        let running = self.0.values().filter(|kept| !kept.is_ended);
        running.filter_map(|kept| kept.expires).min()
    }

    /// Describes all, sorted by name.
    pub(super) fn list(&self, now: u64) -> Vec<Token> {
        let tokens = self.0.values();
        tokens.map(|kept| kept.describe(now)).collect()
    }

    /// Returns what is to be kept of them.
    pub(super) fn records(&self) -> Vec<Record> {
        self.0.values().map(Kept::record).collect()
    }
}

impl Kept {
    fn is_over(&self, now: u64) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }

    fn describe(&self, now: u64) -> Token {
        Token {
            name: self.holder.name().to_owned(),
            may: self.holder.may(),
            created: self.created,
            expires: self.expires,
            expired: self.is_over(now),
            used: self.used,
        }
    }

    fn record(&self) -> Record {
        Record {
            name: self.holder.name().to_owned(),
            may: self.holder.may(),
            sha256: self.hash.to_string(),
            created: self.created,
            expires: self.expires,
            used: self.used,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(name: &str, text: &str, expires: Option<u64>) -> Record {
        Record {
            name: name.to_owned(),
            may: Level::Read,
            sha256: TokenHash::of(text.as_bytes()).to_string(),
            created: 1,
            expires,
            used: None,
        }
    }

    fn shown(table: &mut Table, text: &str, now: u64) -> &'static str {
        match table.shown(&TokenHash::of(text.as_bytes()), now) {
            Shown::Valid(_) => "valid",
            Shown::Expired => "expired",
            Shown::Unknown => "unknown",
        }
    }

    #[test]
    fn a_token_is_valid_until_its_time_is_over() {
        let mut table = Table::default();
        table.add(record("a", "text a", Some(10)), 1).unwrap();
        assert_eq!(table.next_end(), Some(10));
        assert_eq!(shown(&mut table, "text a", 9), "valid");
        assert_eq!(table.list(9)[0].used, Some(9));
        assert!(table.expired(9).is_empty());
        assert_eq!(shown(&mut table, "text a", 10), "expired");
        assert_eq!(table.expired(10).len(), 1);
        assert!(table.expired(11).is_empty(), "it was told before");
        assert_eq!(table.next_end(), None);
        assert!(table.list(10)[0].expired);
        assert_eq!(table.list(11)[0].used, Some(9), "a refusal is no use");
        assert_eq!(shown(&mut table, "text b", 1), "unknown");
    }

    #[test]
    fn a_removed_token_is_unknown() {
        let mut table = Table::default();
        table.add(record("a", "text a", None), 1).unwrap();
        assert!(table.remove("b").is_none());
        assert_eq!(table.remove("a").unwrap().name(), "a");
        assert_eq!(shown(&mut table, "text a", 2), "unknown");
        assert!(table.records().is_empty());
    }

    #[test]
    fn what_is_no_token_is_refused() {
        let mut table = Table::default();
        table.add(record("a", "text a", Some(10)), 1).unwrap();
        for name in ["", "a b", "a/b", "é", "\n", &"x".repeat(NAME_MAX + 1)] {
            assert_eq!(table.add(record(name, "b", None), 1), Err(AddError::Name));
        }
        let exists = AddError::Exists("a".to_owned());
        assert_eq!(table.add(record("a", "text b", None), 9), Err(exists));
        assert_eq!(
            table.add(record("b", "text a", None), 9),
            Err(AddError::Same)
        );
        table.add(record("a", "text b", None), 10).unwrap();
        let bad = Record {
            sha256: "00".to_owned(),
            ..record("c", "c", None)
        };
        assert!(matches!(table.add(bad, 1), Err(AddError::Hash(_))));
        for n in 1..TOKENS_MAX {
            table
                .add(record(&format!("n{n}"), &format!("text {n}"), None), 1)
                .unwrap();
        }
        assert_eq!(table.add(record("z", "z", None), 1), Err(AddError::Full));
    }

    #[test]
    fn what_is_kept_makes_the_same_table() {
        let mut table = Table::default();
        table.add(record("a", "text a", Some(10)), 1).unwrap();
        table.add(record("b", "text b", None), 1).unwrap();
        shown(&mut table, "text b", 7);
        let mut again = Table::default();
        for record in table.records() {
            again.add(record, 1).unwrap();
        }
        assert_eq!(again.list(1), table.list(1));
        assert_eq!(shown(&mut again, "text b", 8), "valid");
    }
}
