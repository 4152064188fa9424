//! The owner's policy towards callers of the peer port.
//!
//! # Participants
//! [`PolicyGate`] asks the policy, if there is one. A route that is about to
//! answer a query needs a [`QueryPermit`], one that is about to give content a
//! [`FetchPermit`]; nobody but the gate makes them. Hits of a query pass
//! [`PolicyGate::hits`]: a caller that may not have a file does not hear of it either.
//! [`PolicyGate::is_public`] decides about content that all the world may hear of.
//! [`watch_policy`] follows the file.
//!
//! # Invariants
//! - Without a policy nothing is asked, and nothing waits.
//! - No decision is no: an error, a time that is over, no turn within [`WAIT`],
//!   a file of which no version was right.
//! - At most [`RUNNING_MAX`] decisions run at a time, on threads of their own. Askers, told apart by their
//!   address, take turns, so that one whose queries are slow to decide waits for
//!   itself.
//! - The control connection is not asked, but for [`PolicyGate::rank`], which
//!   guards nothing: where it fails, hits stay as they are.

mod asking;
mod notes;
mod watch;

use std::{fmt, sync::Arc, time::Duration};

use node_wire::{Digest, query::DEFAULT_HANDLER};
use plugin_api::{Policy, PolicyError, PolicySource, PolicyState, RankAsked, Rule, Rules, What};
use tokio::{sync::Semaphore, time::timeout};

pub(super) use self::asking::{Asker, Audience, DIGEST_HANDLER, FileAsked, HitsPermitted};
pub(crate) use self::watch::look_at_policy;
pub use self::watch::watch_policy;
use self::{
    asking::{any_allowed, asked, permitted, strangers_may_have},
    notes::Notes,
};
use super::slots::Slots;
use crate::{counters::Counters, events::EventLog, groups::Groups, threads::Threads};

/// Most decisions for others that run at a time.
const RUNNING_MAX: usize = 2;

/// Most searches of the owner whose hits are ranked at a time.
const RANKING_MAX: usize = 2;

/// Longest wait for a turn.
const WAIT: Duration = Duration::from_secs(1);

/// Files that are decided on at once for a summary.
const TOLD_AT_ONCE: usize = 250;

/// Most names of the same content that are asked about.
pub(super) const NAMES_MAX: usize = 8;

/// Asks the policy.
pub struct PolicyGate {
    source: Option<Arc<dyn PolicySource>>,
    groups: Groups,
    turns: Slots,
    ranking: Semaphore,
    threads: Threads,
    notes: Notes,
}

/// A query may be answered.
#[derive(Debug)]
pub(super) struct QueryPermit(());

/// Content may be given.
#[derive(Debug)]
pub(super) struct FetchPermit(());

impl PolicyGate {
    /// Creates a gate that asks the policy of `source`, if there is one.
    #[must_use]
    pub fn new(
        source: Option<Arc<dyn PolicySource>>,
        groups: Groups,
        counters: Arc<Counters>,
        events: Arc<EventLog>,
    ) -> PolicyGate {
        PolicyGate {
            source,
            groups,
            turns: Slots::new(RUNNING_MAX),
            ranking: Semaphore::new(RANKING_MAX),
            threads: Threads::new("policy", RUNNING_MAX + RANKING_MAX),
            notes: Notes::new(counters, events),
        }
    }

    /// Returns the groups of the owner.
    #[must_use]
    pub fn groups(&self) -> &Groups {
        &self.groups
    }

    /// Returns the asker with the groups that the owner has put its id into.
    fn known(&self, asker: &Asker) -> Asker {
        match asker.id {
            Some(id) => Asker {
                groups: self.groups.of(id),
                ..asker.clone()
            },
            None => asker.clone(),
        }
    }

    /// Returns the policy that decides what an asker hears of, and its audience there.
    pub(super) fn audience(&self, asker: &Asker) -> Option<(Arc<dyn Policy>, Audience)> {
        match self.source.as_ref()?.rules() {
            Rules::Policy(policy) => {
                let audience = self.known(asker).audience(policy.reads());
                Some((policy, audience))
            }
            Rules::None | Rules::Closed => None,
        }
    }

    /// Returns where the policy comes from, if one may come.
    #[must_use]
    pub fn source(&self) -> Option<&Arc<dyn PolicySource>> {
        self.source.as_ref()
    }

    /// Returns the state of the policy, if there is one.
    #[must_use]
    pub fn state(&self) -> Option<PolicyState> {
        self.source.as_ref()?.state()
    }

    /// Decides whether a query may be answered.
    pub(super) async fn query(
        &self,
        asker: &Asker,
        handler: &str,
        text: &str,
    ) -> Option<QueryPermit> {
        let is_allowed = match self.guard(Rule::AllowQuery) {
            Guard::Open => true,
            Guard::Closed => self.closed(),
            Guard::Ask(policy) => {
                let asker = &self.known(asker);
                let asked = asker.query(handler.to_owned(), text.to_owned());
                let decided = self.run(policy, asker, move |policy| policy.allows_query(&asked));
                self.verdict(decided.await)
            }
        };
        is_allowed.then_some(QueryPermit(()))
    }

    /// Decides whether content may be given that has one of these names, of which the
    /// first [`NAMES_MAX`] count. `digest` is that of the request, if it had one.
    pub(super) async fn fetch(
        &self,
        asker: &Asker,
        digest: Option<String>,
        names: Vec<FileAsked>,
    ) -> Option<FetchPermit> {
        let is_allowed = match self.guard(Rule::AllowFetch) {
            Guard::Open => true,
            Guard::Closed => self.closed(),
            Guard::Ask(policy) => {
                let (who, digest) = (self.known(asker), digest.unwrap_or_default());
                let decided = self.run(policy, asker, move |policy| {
                    any_allowed(policy, &who, &digest, names)
                });
                self.verdict(decided.await)
            }
        };
        is_allowed.then_some(FetchPermit(()))
    }

    /// Returns true if the policy is asked about content and hits at all.
    pub(super) fn guards_fetch(&self) -> bool {
        !matches!(self.guard(Rule::AllowFetch), Guard::Open)
    }

    /// Returns true if the policy is asked about queries at all.
    pub(super) fn guards_query(&self) -> bool {
        !matches!(self.guard(Rule::AllowQuery), Guard::Open)
    }

    /// Returns true if any stranger may ask for this content, hear that it is here, and have it by
    /// one of its names. Nobody is refused for it; that there is no decision is noted.
    pub(super) async fn is_public(&self, digest: &Digest, names: Vec<FileAsked>) -> bool {
        let policy = match self.source.as_ref().map(|source| source.rules()) {
            None | Some(Rules::None) => return true,
            Some(Rules::Closed) => return false,
            Some(Rules::Policy(policy)) => policy,
        };
        let (stranger, digest) = (Asker::stranger(), digest.to_hex());
        let decided = self.run(policy, &stranger, move |policy| {
            strangers_may_have(policy, &digest, &names)
        });
        match decided.await {
            Some(Ok(is_allowed)) => is_allowed,
            Some(Err(error)) => {
                self.notes.failed(&error.to_string());
                false
            }
            None => false,
        }
    }

    /// Returns those of the files whose names an asker may have and may ask for. Nothing if
    /// that cannot be decided for all of them. Others take turns in between.
    pub(super) async fn to_tell(
        &self,
        asker: &Asker,
        mut files: Vec<FileAsked>,
    ) -> Option<Vec<FileAsked>> {
        let mut told = Vec::new();
        while !files.is_empty() {
            let rest = files.split_off(files.len().min(TOLD_AT_ONCE));
            told.extend(self.to_tell_at_once(asker, files).await?);
            files = rest;
        }
        Some(told)
    }

    async fn to_tell_at_once(
        &self,
        asker: &Asker,
        files: Vec<FileAsked>,
    ) -> Option<Vec<FileAsked>> {
        let most = files.len().saturating_add(1);
        let permitted = self.hits(asker, files, most, FileAsked::clone).await;
        if !permitted.is_whole {
            return None;
        }
        let names = permitted.hits.iter().map(|file| file.name.clone());
        let asked = names.map(|name| (DEFAULT_HANDLER.to_owned(), name));
        let allowed = self.would_answer(asker, asked.collect()).await;
        let files = permitted.hits.into_iter().zip(allowed);
        Some(
            files
                .filter_map(|(file, is_allowed)| is_allowed.then_some(file))
                .collect(),
        )
    }

    /// Returns for each query, a handler and a text, whether it would be answered. Nobody
    /// was refused for it, so nothing is noted.
    pub(super) async fn would_answer(
        &self,
        asker: &Asker,
        asked: Vec<(String, String)>,
    ) -> Vec<bool> {
        let count = asked.len();
        let policy = match self.guard(Rule::AllowQuery) {
            Guard::Open => return vec![true; count],
            Guard::Closed => return vec![false; count],
            Guard::Ask(policy) => policy,
        };
        let who = self.known(asker);
        let decided = self.run(policy, asker, move |policy| {
            let asked = asked.into_iter();
            let asked = asked.map(|(handler, text)| who.query(handler, text));
            asked
                .map(|asked| policy.allows_query(&asked).unwrap_or(false))
                .collect()
        });
        decided.await.unwrap_or_else(|| vec![false; count])
    }

    /// Returns the hits that the asker may hear of, and not many more than `most`.
    pub(super) async fn hits<T: Send + 'static>(
        &self,
        asker: &Asker,
        hits: Vec<T>,
        most: usize,
        wanted: fn(&T) -> FileAsked,
    ) -> HitsPermitted<T> {
        let policy = match self.guard(Rule::AllowFetch) {
            Guard::Open => {
                return HitsPermitted {
                    hits,
                    is_whole: true,
                };
            }
            Guard::Closed => {
                self.closed();
                return HitsPermitted::none();
            }
            Guard::Ask(_) if hits.is_empty() => {
                return HitsPermitted {
                    hits,
                    is_whole: true,
                };
            }
            Guard::Ask(policy) => policy,
        };
        let who = self.known(asker);
        let decided = self.run(policy, asker, move |policy| {
            let mut asked = hits
                .iter()
                .map(|hit| asked(&who, "", wanted(hit), What::Hit));
            let decided = policy.allows_hits(&mut asked, most);
            permitted(hits, &decided, most, decided.failure.clone())
        });
        let Some((permitted, failure)) = decided.await else {
            return HitsPermitted::none();
        };
        if let Some(error) = failure {
            self.notes.failed(&error.to_string());
        }
        permitted
    }

    /// Returns true if the hits of searches of the owner are ranked at all.
    #[must_use]
    pub fn ranks(&self) -> bool {
        matches!(self.guard(Rule::Rank), Guard::Ask(_))
    }

    /// Returns the worth of the hits of a search of the owner; those that are worth
    /// nothing are not wanted. Nothing if they stay as they are.
    pub async fn rank(&self, hits: Vec<RankAsked>) -> Option<Vec<Option<f64>>> {
        let Guard::Ask(policy) = self.guard(Rule::Rank) else {
            return None;
        };
        let place = timeout(WAIT, self.ranking.acquire()).await.ok()?.ok()?;
        let ranked = self.threads.run(move || policy.rank(&hits)).await;
        drop(place);
        match ranked {
            Ok(Ok(worth)) => Some(worth),
            Ok(Err(error)) => {
                self.notes.failed(&error.to_string());
                None
            }
            Err(error) => {
                self.notes.failed(&error.to_string());
                None
            }
        }
    }

    fn guard(&self, rule: Rule) -> Guard {
        let Some(source) = &self.source else {
            return Guard::Open;
        };
        match source.rules() {
            Rules::Closed => Guard::Closed,
            Rules::Policy(policy) if policy.has(rule) => Guard::Ask(policy),
            Rules::None | Rules::Policy(_) => Guard::Open,
        }
    }

    fn closed(&self) -> bool {
        self.notes.refused();
        self.notes.failed("no version of the policy was right");
        false
    }

    /// Notes a decision. Returns true if it is yes.
    fn verdict(&self, decided: Option<Result<bool, PolicyError>>) -> bool {
        let is_allowed = match decided {
            Some(Ok(is_allowed)) => is_allowed,
            Some(Err(error)) => {
                self.notes.failed(&error.to_string());
                false
            }
            None => false,
        };
        if !is_allowed {
            self.notes.refused();
        }
        is_allowed
    }

    /// Runs a job of the policy, when it is the asker's turn. The turn is
    /// over when the work is, whether anybody still waits for it or not.
    async fn run<T: Send + 'static>(
        &self,
        policy: Arc<dyn Policy>,
        asker: &Asker,
        work: impl FnOnce(&dyn Policy) -> T + Send + 'static,
    ) -> Option<T> {
        let turn = timeout(WAIT, self.turns.take(asker.address)).await;
        let Some(turn) = turn.ok().flatten() else {
            self.notes.failed("there are too many to decide on");
            return None;
        };
        let done = self.threads.run(move || {
            let _turn = turn;
            work(policy.as_ref())
        });
        match done.await {
            Ok(done) => Some(done),
            Err(error) => {
                self.notes.failed(&error.to_string());
                None
            }
        }
    }
}

/// The state of the policy for one rule.
enum Guard {
    Open,
    Closed,
    Ask(Arc<dyn Policy>),
}

impl fmt::Debug for PolicyGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PolicyGate")
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
