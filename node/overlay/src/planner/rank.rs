//! The order in which peers are asked.

use node_api::search::AskedWhy;

/// The hint about a peer before it is asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Hint {
    /// It had this, or a trusted source says so of it by name.
    Pointer,
    /// A summary of it says that it has this.
    Match,
    /// Nothing decides.
    Open,
    /// Nothing decides, and it said no a moment ago.
    Missed,
    /// A summary of it says that it does not have this.
    RuledOut,
    /// It does not have the handler that is asked.
    NoHandler,
}

/// The stage of a search in which a peer is asked.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Stage {
    /// There is reason to think that it has this.
    Likely,
    /// It may have this, or lead to a holder.
    Wide,
    /// There is reason to think that it does not.
    Unlikely,
}

/// The place of a peer among those that wait; the least is the first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Rank {
    pub(super) stage: Stage,
    /// A pointer before a match.
    looseness: u8,
    missed: bool,
    hops: usize,
    onward: bool,
    penalty: u32,
}

impl Rank {
    /// Returns the rank of a peer that waits.
    pub(super) fn of(hint: Hint, is_named: bool, hops: usize, penalty: u32) -> Rank {
        let (stage, looseness) = match hint {
            Hint::Pointer => (Stage::Likely, 0),
            Hint::Match => (Stage::Likely, 1),
            Hint::RuledOut if !is_named => (Stage::Unlikely, 0),
            Hint::Open | Hint::Missed | Hint::RuledOut | Hint::NoHandler => (Stage::Wide, 0),
        };
        Rank {
            stage,
            looseness,
            missed: hint == Hint::Missed,
            hops,
            onward: hint == Hint::RuledOut,
            penalty,
        }
    }

    /// Returns the rank of the same peer, if nobody says any more that it has this.
    pub(super) fn demoted(self) -> Rank {
        Rank {
            stage: Stage::Wide,
            looseness: 0,
            ..self
        }
    }

    pub(super) fn is_claim(self) -> bool {
        self.stage == Stage::Likely && self.looseness > 0
    }

    pub(super) fn why(self, is_named: bool) -> AskedWhy {
        match (self.stage, self.looseness) {
            (Stage::Likely, 0) => AskedWhy::Pointer,
            (Stage::Likely, _) => AskedWhy::Match,
            (Stage::Wide, _) if self.onward => AskedWhy::Onward,
            (Stage::Wide, _) if is_named => AskedWhy::Referral,
            (Stage::Wide, _) => AskedWhy::Peer,
            (Stage::Unlikely, _) => AskedWhy::Sure,
        }
    }
}
