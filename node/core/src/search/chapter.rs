//! Asking chapter peers for a name, when no Sixhop node has it.
//!
//! They answer to nothing but `query`, with the file itself, and take one call after
//! the other; so they are asked last, for an exact name only, and only by a search
//! that wants to be sure. The walk of the query finds them behind others too.
//!
//! # Invariants
//! - Of an answer no more is read than shows that there is a file: the rest is left
//!   where it is.
//! - May be dropped and asked again without loss, like the search around it.

use std::sync::Arc;

use node_api::search::SearchReach;
use node_wire::{
    name::ShareName,
    peer_url::PeerUrl,
    query::{DEFAULT_HANDLER, ParsedQuery},
};

use crate::overlay::{Overlay, Step, Walk, WalkQuery};

/// The part of a search that asks the chapter peers.
#[derive(Debug)]
pub(super) struct Chapter {
    overlay: Arc<Overlay>,
    /// The name that is wanted, if there is one to ask for.
    name: Option<ShareName>,
    /// True if the search wants to be so sure.
    is_wanted: bool,
    state: State,
}

#[derive(Debug)]
enum State {
    Idle,
    Begins(ShareName),
    Walks(Box<Walk>),
    Over(Vec<Step>),
}

impl Chapter {
    /// Returns the part for this query: its name, if it has one.
    pub(super) fn of(overlay: &Arc<Overlay>, query: &str, reach: SearchReach) -> Chapter {
        Chapter {
            overlay: Arc::clone(overlay),
            name: exact_name(query),
            is_wanted: reach == SearchReach::Sure,
            state: State::Idle,
        }
    }

    /// Returns true if it will ask, if nobody else has anything.
    pub(super) fn may_ask(&self) -> bool {
        self.is_wanted && self.name.is_some()
    }

    /// Returns true if it would have had a name to ask for, had the search wanted it.
    pub(super) fn is_left_out(&self) -> bool {
        !self.is_wanted && self.name.is_some()
    }

    /// Asks from now on, once.
    pub(super) fn begin(&mut self) {
        if let (State::Idle, true, Some(name)) = (&self.state, self.is_wanted, &self.name) {
            self.state = State::Begins(name.clone());
        }
    }

    /// Returns true if [`Chapter::next`] has something to do.
    pub(super) fn asks(&self) -> bool {
        matches!(self.state, State::Begins(_) | State::Walks(_))
    }

    /// Returns a peer that sends a file of the name, and the name. `None` when nobody is left; to be
    /// called while it [asks](Chapter::asks).
    pub(super) async fn next(&mut self) -> Option<(PeerUrl, ShareName)> {
        if let State::Begins(name) = &self.state {
            let walk = Walk::begin(&self.overlay, WalkQuery::here(name.clone())).await;
            self.state = State::Walks(Box::new(walk));
        }
        let State::Walks(walk) = &mut self.state else {
            return None;
        };
        let found = walk.next().await.map(|file| file.peer);
        let found = found.map(|peer| (peer, walk.name().clone()));
        // One holder is enough: another one would begin to send it as well.
        self.state = State::Over(walk.steps().to_vec());
        found
    }

    /// Returns the peers that were asked, in that order.
    pub(super) fn steps(&self) -> &[Step] {
        match &self.state {
            State::Idle | State::Begins(_) => &[],
            State::Walks(walk) => walk.steps(),
            State::Over(steps) => steps,
        }
    }
}

/// Returns the name that a query wants, if it wants a file of one name and no more.
fn exact_name(query: &str) -> Option<ShareName> {
    let query = ParsedQuery::parse(query, std::time::SystemTime::UNIX_EPOCH).ok()?;
    if query.handler() != DEFAULT_HANDLER || !query.filters().is_empty() {
        return None;
    }
    ShareName::parse(&query.name()?.exact).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_asked_for_and_nothing_else() {
        for (query, name) in [
            ("report.txt", Some("report.txt")),
            ("name:a/b c.txt", Some("a/b c.txt")),
            (r#""size:1.txt""#, Some("size:1.txt")),
            ("a [1].txt", Some("a [1].txt")),
            ("report.txt size:>1K", None),
            ("text:report", None),
            ("../secret", None),
            ("", None),
        ] {
            let wanted = name.and_then(|name| ShareName::parse(name).ok());
            assert_eq!(exact_name(query), wanted, "{query}");
        }
    }
}
