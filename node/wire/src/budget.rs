//! `Budget`: the number of calls that the walk of a query may still cause.
//!
//! A query that is forwarded by everybody to everybody would reach more nodes than
//! anyone meant to ask. So a Sixhop node that forwards a query also says, in the
//! header [`HEADER`], the number of calls that the peer and all behind it may make, from what it
//! was given itself; a peer that finds nothing gives back what it did not need, in
//! the header [`LEFT_HEADER`] of its answer. However the walk branches, all its calls
//! together are no more than the first node began with.
//!
//! Book peers neither send nor pass the headers on: a query from them has
//! [`Budget::UNSAID`] calls. A peer that returns all of it has others ask a little
//! more, and never more than each node makes calls for one query.

use std::fmt;

/// Name of the HTTP request header that carries a [`Budget`].
pub const HEADER: &str = "sixhop-budget";

/// Name of the HTTP answer header that carries what was not needed of it.
pub const LEFT_HEADER: &str = "sixhop-budget-left";

/// Calls that may still be made.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Budget(u16);

impl Budget {
    /// The greatest budget: that of a query that begins at a Sixhop node.
    pub const WHOLE: Budget = Budget(64);

    /// The budget of a query that says nothing about it.
    pub const UNSAID: Budget = Budget(32);

    /// The budget with which nobody may be asked.
    pub const NONE: Budget = Budget(0);

    /// Returns a budget of so many calls, [`Budget::WHOLE`] at most.
    #[must_use]
    pub fn of(calls: usize) -> Budget {
        u16::try_from(calls).map_or(Budget::WHOLE, |calls| Budget(calls).min(Budget::WHOLE))
    }

    /// Reads a header, a number in decimal digits; of more than
    /// [`Budget::WHOLE`] that is taken. `None` for anything else.
    #[must_use]
    pub fn from_header(text: &str) -> Option<Budget> {
        let is_number = (1..=9).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        let calls: usize = is_number.then(|| text.parse().ok())??;
        Some(Budget::of(calls))
    }

    /// Returns the number of calls.
    #[must_use]
    pub fn calls(self) -> usize {
        self.0.into()
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn more_than_the_whole_is_the_whole() {
        for text in ["65", "999999999"] {
            assert_eq!(Budget::from_header(text), Some(Budget::WHOLE), "{text}");
        }
        assert_eq!(Budget::of(usize::MAX), Budget::WHOLE);
    }

    #[test]
    fn what_is_no_number_is_no_budget() {
        for text in ["", " 1", "+1", "-1", "1.0", "0x10", "१", "1000000000"] {
            assert_eq!(Budget::from_header(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_written_budget_is_read_back(calls in 0usize..=64) {
            let budget = Budget::of(calls);
            prop_assert_eq!(budget.calls(), calls);
            prop_assert_eq!(Budget::from_header(&budget.to_string()), Some(budget));
        }

        #[test]
        fn any_text_is_read_or_not(text in ".{0,40}") {
            let _ = Budget::from_header(&text);
        }
    }
}
