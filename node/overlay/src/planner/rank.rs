//! The order in which peers are asked.

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

/// The reason for asking a peer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Why {
    /// It had this not long ago.
    Pointer,
    /// A summary says that it has this.
    Match,
    /// It is a peer of ours of which nothing decides.
    Peer,
    /// Another peer named it.
    Referral,
    /// Its summary says no, but it may know others.
    Onward,
    /// Its summary says no, and all are asked to be sure.
    Sure,
    /// Peers of the chapter, this one or others behind it, may have the file: it is
    /// asked with `query`. A planner has no such peers.
    Query,
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

    pub(super) fn why(self, is_named: bool) -> Why {
        match (self.stage, self.looseness) {
            (Stage::Likely, 0) => Why::Pointer,
            (Stage::Likely, _) => Why::Match,
            (Stage::Wide, _) if self.onward => Why::Onward,
            (Stage::Wide, _) if is_named => Why::Referral,
            (Stage::Wide, _) => Why::Peer,
            (Stage::Unlikely, _) => Why::Sure,
        }
    }
}
