//! Searching from here: the holders of a file, asked step by step over referrals.
//!
//! # Participants
//! [`Finder`] makes the calls; [`Planner`] decides about the next one; what is known
//! of peers before they are asked comes from [`Pointers`](super::Pointers).
//!
//! # The search
//! The owner's peers that were met are one hop away; those they name two hops, and so on.
//! Nobody forwards anything: each node answers for itself and names others, and
//! all bytes go straight from it to here.
//!
//! A search for files that match a query has two forms: all of them, in the order
//! of their names ([`Finder::begin`]), or the best ones as they come, with what
//! the handlers know of them ([`Finder::search`]).
//!
//! # Invariants
//! - What a peer names is as hostile as the rest of its answer: names of files
//!   are checked, peers are asked once, and only as many as the budget allows.
//! - Peers of the chapter are not asked; that they may know more is noted.
//! - An address is called under one URL, and none that is nearer than the peer that named it.
//! - A peer that somebody else named is not one of ours: that it cannot be
//!   reached does not count against the peer that named it.
//! - Dropping a [`Finder`] ends its calls; [`Finder::next`] and [`Finder::advance`]
//!   may be dropped and called again without loss.

mod candidates;
mod step;

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use node_api::search::SearchReach;
use node_wire::{
    Find, FindHit, FindWanted, Found, More,
    fault::MissReason,
    limits::{FIND_HITS_MAX, SEARCH_HITS_MAX},
    name::ShareName,
};
use tokio::{select, time::sleep_until};

pub use self::step::{Advance, Holder, Step, Unreachable};
use super::{
    Overlay, PeerEntry,
    planner::{Limits, PassedOver, Planner, Target},
    summaries::Question,
};
use node_base::clock::now;
use node_transport::{Answered, CallError, Destination, PeerKind, SearchDials};

/// Time for one further page of hits of one peer.
const PAGE_TIME: Duration = Duration::from_secs(5);

/// Most pages of hits of one peer.
const PAGES_MAX: usize = 100;

/// Most hosts that one search hears of.
const NAMED_MAX: usize = 4_096;

/// The time that a peer gathers hits before it answers, in milliseconds.
const GATHER: u32 = 300;

/// The same for further pages, which come as soon as there is one hit.
const GATHER_MORE: u32 = 2_000;

/// Longest time for a search with all its pages.
const TIME_MAX: Duration = Duration::from_secs(30);

/// The same if all there is is wanted.
const ALL_TIME_MAX: Duration = Duration::from_secs(120);

/// The aim of a search.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Aim {
    /// All there is, in the order of the names.
    All,
    /// So many hits of each peer, best first.
    Best(usize),
}

/// The page of a peer's hits to ask for.
#[derive(Clone, Debug)]
enum Part {
    First,
    /// Names behind this one.
    Behind(String),
    /// The rest of a search, by its cursor.
    Rest(String),
}

/// A call in flight.
struct CallDone {
    target: Target<Destination>,
    /// Number of the page of hits, from 0.
    page: usize,
    part: Part,
    reply: Result<Answered<Found>, CallError>,
}

/// A search in progress.
pub struct Finder {
    overlay: Arc<Overlay>,
    wanted: FindWanted,
    question: Question,
    aim: Aim,
    begun: Instant,
    planner: Planner<Destination>,
    calls: FuturesUnordered<BoxFuture<'static, CallDone>>,
    /// The addresses that were called.
    dials: SearchDials,
    /// Hosts and ports that were named, each with the first URL.
    hosts: HashMap<(String, u16), String>,
    deadline: Instant,
    others_seen: bool,
    others_behind: bool,
    steps: Vec<Step>,
}

impl Finder {
    /// Begins to search among the peers for all there is: of a name or of content
    /// enough is who has it, and those that seem not to have it are asked as well
    /// before it is said that nobody does.
    #[must_use]
    pub fn begin(overlay: &Arc<Overlay>, wanted: FindWanted) -> Finder {
        let enough = match wanted {
            FindWanted::Name(_) | FindWanted::Digest(_) => 1,
            FindWanted::Query(_) => usize::MAX,
        };
        let limits = Limits {
            reach: SearchReach::Sure,
            ..Limits::of(SearchReach::Normal, enough)
        };
        Finder::with_aim(overlay, wanted, Aim::All, limits)
    }

    /// Begins to search for the `limit` best files that match `query`.
    #[must_use]
    pub fn search(
        overlay: &Arc<Overlay>,
        query: String,
        limit: usize,
        reach: SearchReach,
    ) -> Finder {
        let wanted = FindWanted::Query(query);
        Finder::with_aim(overlay, wanted, Aim::Best(limit), Limits::of(reach, limit))
    }

    fn with_aim(overlay: &Arc<Overlay>, wanted: FindWanted, aim: Aim, limits: Limits) -> Finder {
        let now = now();
        let peers = overlay.peers().to_ask(&[], now);
        let (books, nodes): (Vec<_>, Vec<_>) = peers.iter().partition(|peer| peer.is_of_chapter());
        let mut finder = Finder {
            planner: Planner::new(
                &Destination::of_owner(overlay.ourselves().clone()),
                limits,
                now,
            ),
            overlay: Arc::clone(overlay),
            question: overlay.question(&wanted),
            wanted,
            aim,
            begun: now,
            calls: FuturesUnordered::new(),
            dials: SearchDials::default(),
            hosts: HashMap::new(),
            deadline: now + limits.time,
            others_seen: !books.is_empty(),
            others_behind: false,
            steps: Vec::new(),
        };
        // A peer that said `hello` and has not proved its identity does not hear what the owner wants.
        let met = nodes.into_iter().filter(|peer| peer.is_met());
        finder.begin_with(met.map(PeerEntry::destination).collect());
        finder
    }

    /// Returns the next peer that has something. `None` when nobody is left.
    pub async fn next(&mut self) -> Option<Holder> {
        loop {
            match self.advance().await {
                Advance::Found(holder) => return Some(holder),
                Advance::Going => {}
                Advance::Over => return None,
            }
        }
    }

    /// Waits until something happens: a call ends, or it is time to make others.
    pub async fn advance(&mut self) -> Advance {
        self.ask_more();
        if self.calls.is_empty() {
            return Advance::Over;
        }
        let look_again = self.planner.look_again_at(now()).unwrap_or(self.deadline);
        select! {
            Some(asked) = self.calls.next() => {
                self.take(asked).map_or(Advance::Going, Advance::Found)
            }
            () = sleep_until(look_again.min(self.deadline).into()) => {
                if now() < self.deadline {
                    return Advance::Going;
                }
                self.planner.give_up();
                self.calls.clear();
                Advance::Over
            }
        }
    }

    /// Returns true if the file seems to be rare: then it is time to ask an index of single
    /// copies.
    #[must_use]
    pub fn is_rare(&self) -> bool {
        self.planner.is_rare()
    }

    /// Raises the goal by one: the hits found so far are not enough.
    pub fn want_another(&mut self) {
        let found = self.planner.found();
        self.planner.want(found.saturating_add(1));
    }

    /// Asks for all hits.
    pub fn want_all(&mut self) {
        self.planner.want(usize::MAX);
    }

    /// Returns the number of peers asked so far.
    #[must_use]
    pub fn asked(&self) -> usize {
        self.planner.asked()
    }

    /// Returns the peers that were asked, in that order.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Returns the nodes that may have it and cannot be reached from here, each with the peer that named it.
    #[must_use]
    pub fn unreachable(&self) -> Vec<Unreachable> {
        let is_over = self.calls.is_empty();
        let steps = self.steps.iter();
        steps.filter_map(|step| step.unreachable(is_over)).collect()
    }

    /// Returns the reason why more might be found.
    #[must_use]
    pub fn verdict(&self) -> MissReason {
        self.planner.verdict()
    }

    /// Returns the number of peers that were heard of and not asked, by reason.
    #[must_use]
    pub fn passed_over(&self) -> PassedOver {
        self.planner.passed_over()
    }

    /// Returns true if there are peers of other kinds, here or with those asked, that
    /// may have it too.
    #[must_use]
    pub fn others_seen(&self) -> bool {
        self.others_seen
    }

    /// Returns whether a Sixhop node said that it knows peers of other kinds.
    #[must_use]
    pub fn others_behind(&self) -> bool {
        self.others_behind
    }

    fn ask_more(&mut self) {
        while let Some(target) = self.planner.next(now()) {
            self.steps.push(Step::begun(&target, now()));
            self.ask(target, Part::First, 0, self.deadline);
        }
    }

    fn ask(&self, target: Target<Destination>, part: Part, page: usize, deadline: Instant) {
        let client = self.overlay.client().clone();
        let (limit, gather) = match self.aim {
            Aim::All => (FIND_HITS_MAX, None),
            Aim::Best(limit) => (limit.min(SEARCH_HITS_MAX), Some(GATHER)),
        };
        let find = |after| Find {
            wanted: self.wanted.clone(),
            after,
            limit,
            deadline: gather,
            through: None,
        };
        let find = match &part {
            Part::First => Ok(find(None)),
            Part::Behind(name) => Ok(find(Some(name.clone()))),
            Part::Rest(cursor) => Err(More {
                cursor: cursor.clone(),
                wait: GATHER_MORE,
            }),
        };
        let peer = target.peer.clone().within(&self.dials);
        self.calls.push(Box::pin(async move {
            let reply = match find {
                Ok(find) => client.find(&peer, &find, deadline).await,
                Err(more) => client.more(&peer, &more, deadline).await,
            };
            CallDone {
                target,
                page,
                part,
                reply,
            }
        }));
    }

    fn take(&mut self, asked: CallDone) -> Option<Holder> {
        let CallDone {
            target,
            page,
            part,
            reply,
        } = asked;
        self.planner.ended(&target, now());
        self.note(&target, &reply);
        match reply {
            Ok(Answered { kind, from, value }) => {
                self.overlay.answered(&target.peer, kind, None);
                if page == 0 {
                    self.name_others(&target, &value, from);
                }
                self.answered(target, page, &part, value)
            }
            Err(error) => {
                self.failed(&target, &error);
                None
            }
        }
    }

    fn note(&mut self, target: &Target<Destination>, reply: &Result<Answered<Found>, CallError>) {
        let step = self
            .steps
            .iter_mut()
            .find(|step| step.peer == *target.peer.url());
        if let Some(step) = step {
            step.took = Some(now().saturating_duration_since(step.begun));
            match reply {
                Ok(answered) => {
                    step.hits += answered.value.hits.len();
                    step.end = answered.value.end;
                    step.name.clone_from(&answered.value.name);
                }
                Err(error) => step.error = Some(error.clone()),
            }
        }
    }

    fn answered(
        &mut self,
        target: Target<Destination>,
        page: usize,
        part: &Part,
        found: Found,
    ) -> Option<Holder> {
        self.others_seen |= found.others > 0;
        self.others_behind |= found.others > 0;
        let mut goes_on = false;
        if page + 1 < PAGES_MAX
            && let Some(next) = self.next_part(part, &found)
        {
            let most = match self.aim {
                Aim::All => ALL_TIME_MAX,
                Aim::Best(_) => TIME_MAX,
            };
            let deadline = (now() + PAGE_TIME).min(self.begun + most);
            self.deadline = self.deadline.max(deadline);
            self.planner.again(&target, now());
            self.ask(target.clone(), next, page + 1, deadline);
            goes_on = true;
        }
        let mut hits = found.hits;
        hits.retain(|hit| self.is_wanted(hit));
        // A page without a hit says nothing as long as there may be others.
        if !hits.is_empty() || (page == 0 && !goes_on) {
            self.planner.answered(&target, hits.len());
            self.remember(&target, !hits.is_empty());
        }
        (!hits.is_empty()).then_some(Holder {
            peer: target.peer,
            hits,
            name: found.name,
        })
    }

    /// Returns the part behind the last page.
    fn next_part(&self, part: &Part, found: &Found) -> Option<Part> {
        if let (Aim::Best(_), Some(cursor)) = (self.aim, &found.cursor) {
            return Some(Part::Rest(cursor.clone()));
        }
        let last = &found.hits.last()?.name;
        let goes_on = match part {
            Part::First => true,
            Part::Behind(name) => name < last,
            Part::Rest(_) => false,
        };
        let pages_by_name = self.aim == Aim::All;
        (found.more && goes_on && pages_by_name).then(|| Part::Behind(last.clone()))
    }

    fn is_wanted(&self, hit: &FindHit) -> bool {
        let named = || ShareName::parse(&hit.name).is_ok();
        match &self.wanted {
            FindWanted::Name(name) => hit.name == *name && named(),
            FindWanted::Digest(digest) => {
                hit.digest == Some(*digest) && (hit.name.is_empty() || named())
            }
            FindWanted::Query(_) => named(),
        }
    }

    fn failed(&mut self, target: &Target<Destination>, error: &CallError) {
        let is_other = match error {
            error if error.is_held_back() => false,
            CallError::Unknown(kind) => {
                self.overlay.answered(&target.peer, *kind, None);
                *kind == PeerKind::Book
            }
            CallError::Busy(_) => false,
            CallError::Transport(_) | CallError::Deadline => {
                if target.is_ours {
                    self.overlay.failed(&target.peer, error);
                }
                // A peer of the chapter may be busy; a query waits longer.
                target.is_ours
            }
            error => {
                if target.is_ours && error.is_unreadable() {
                    self.overlay.failed(&target.peer, error);
                }
                true
            }
        };
        self.others_seen |= is_other;
        self.planner.failed(
            target,
            matches!(error, CallError::Deadline | CallError::Busy(_)),
        );
    }
}

impl std::fmt::Debug for Finder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Finder")
            .field("wanted", &self.wanted)
            .field("planner", &self.planner)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
