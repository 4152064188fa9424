//! `QueryId`: how Sixhop nodes recognise one walk of one query.
//!
//! The node where a query starts draws an id; every Sixhop node that forwards
//! the query sends it along in the header [`HEADER`], and answers a query that
//! it has already walked with fault 100 "seen". Book peers neither send nor
//! keep it; a query without an id is simply not recognised.
//!
//! Non-goals: drawing random bytes (the caller does), trust: an id says
//! nothing about its sender.

use std::fmt;
use std::str::FromStr;

/// Name of the HTTP request header that carries a [`QueryId`] in hex.
pub const HEADER: &str = "sixhop-query";

/// 16 random bytes; written as 32 lower-case hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QueryId(pub [u8; 16]);

/// The text is not 32 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a query id is 32 hex digits")]
pub struct QueryIdError;

impl QueryId {
    /// Returns the id as 32 lower-case hex digits.
    #[must_use]
    pub fn to_hex(&self) -> String {
        self.to_string()
    }

    /// Reads 32 hex digits of either case.
    ///
    /// # Errors
    /// [`QueryIdError`] for anything else.
    pub fn from_hex(text: &str) -> Result<Self, QueryIdError> {
        crate::hex::decode(text).map(Self).ok_or(QueryIdError)
    }
}

impl fmt::Display for QueryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for QueryId {
    type Err = QueryIdError;

    fn from_str(text: &str) -> Result<Self, QueryIdError> {
        Self::from_hex(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_thirty_two_hex_digits_are_an_id() {
        for bad in ["", "0", &"0".repeat(31), &"0".repeat(33), &"g".repeat(32)] {
            assert_eq!(QueryId::from_hex(bad), Err(QueryIdError), "{bad:?}");
        }
        assert!(QueryId::from_hex(&"é".repeat(16)).is_err());
    }

    proptest! {
        #[test]
        fn hex_reads_back(bytes in any::<[u8; 16]>()) {
            let id = QueryId(bytes);
            prop_assert_eq!(QueryId::from_hex(&id.to_hex()), Ok(id));
            prop_assert_eq!(id.to_hex().to_uppercase().parse(), Ok(id));
        }
    }
}
