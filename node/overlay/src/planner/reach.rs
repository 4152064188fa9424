//! The reach of a search: its stages, calls and time.

use std::time::Duration;

use super::rank::Stage;

/// The peers that a search asks.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Reach {
    /// Only those that had it, or whose summaries say that they have it.
    Quick,
    /// Those of `Quick`, and if they have not enough also peers that may have it or lead to
    /// others.
    #[default]
    Normal,
    /// All nodes that can be reached, those whose summaries say no last.
    Sure,
}

/// The bounds of one search.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The peers that it asks.
    pub reach: Reach,
    /// Most peers that it asks.
    pub budget: usize,
    /// Calls beyond the budget, as long as nothing was found and somebody seems to have it.
    pub more: usize,
    /// Time for it.
    pub time: Duration,
    /// Hits after which it does not widen.
    pub enough: usize,
    /// Peers asked in vain after which a file seems rare.
    pub rare_after: usize,
}

impl Reach {
    pub(super) fn last_stage(self) -> Stage {
        match self {
            Reach::Quick => Stage::Likely,
            Reach::Normal => Stage::Wide,
            Reach::Sure => Stage::Unlikely,
        }
    }

    /// Returns the bounds of a search that goes so far and wants so many hits.
    #[must_use]
    pub fn limits(self, enough: usize) -> Limits {
        let (budget, more, seconds) = match self {
            Reach::Quick => (16, 0, 3),
            Reach::Normal => (64, 30, 3),
            Reach::Sure => (512, 0, 8),
        };
        Limits {
            reach: self,
            budget,
            more,
            time: Duration::from_secs(seconds),
            enough,
            rare_after: 16,
        }
    }
}
