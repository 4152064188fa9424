//! The bounds of a search, by how far it goes.

use std::time::Duration;

use node_api::search::SearchReach;

use super::rank::Stage;

/// The bounds of one search.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The peers of `Quick`, and if they have not enough also peers that may have it or lead to
    pub reach: SearchReach,
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

impl Limits {
    /// Returns the bounds of a search that goes as far as `reach` and wants so many hits.
    #[must_use]
    pub fn of(reach: SearchReach, enough: usize) -> Limits {
        let (budget, more, seconds) = match reach {
            SearchReach::Quick => (16, 0, 3),
            SearchReach::Normal => (64, 30, 3),
            SearchReach::Sure => (512, 0, 8),
        };
        Limits {
            reach,
            budget,
            more,
            time: Duration::from_secs(seconds),
            enough,
            rare_after: 16,
        }
    }

    /// Returns the last stage that the search comes to.
    pub(super) fn last_stage(&self) -> Stage {
        match self.reach {
            SearchReach::Quick => Stage::Likely,
            SearchReach::Normal => Stage::Wide,
            SearchReach::Sure => Stage::Unlikely,
        }
    }
}
