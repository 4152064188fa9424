//! Walking a query: asking peers until one has the file.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use node_wire::{
    asking::Asking, budget::Budget, fault::MissReason, limits::HISTORY_MAX, messages::Query,
    name::ShareName, peer_url::PeerUrl, query_id::QueryId,
};
use tokio::time::{sleep_until, timeout_at};

use super::{
    Overlay,
    finder::Step,
    memory::{Enter, Means, WalkKey},
    peers::PeerEntry,
    plan::{Ended, Plan},
};
use node_base::clock::now;
use node_transport::{
    Answered, CallError, PeerKind, QueryReply, RemoteFile, SearchDials, WalkInfo,
};

/// Time for the walk of a query that starts here.
pub const WALK: Duration = Duration::from_secs(8);

/// A file is being sent once this many bytes of it have come, or all: a peer that
/// sends fewer is waited for beside others, not before them.
const BEGINNING: usize = 1024;

/// Each node that a query passed takes this much of the time.
const WALK_LESS_EACH_HOP: Duration = Duration::from_secs(1);

/// A query as it came to this node.
#[derive(Clone, Debug)]
pub struct WalkQuery {
    /// The file that is wanted.
    pub name: ShareName,
    /// The nodes it passed, as they were sent.
    pub history: Vec<String>,
    /// The id of its walk, if it came with one.
    pub id: Option<QueryId>,
    /// Peers that the nodes before this one ask themselves.
    pub asking: Asking,
    /// The number of calls it may cause here and behind this node.
    pub budget: Budget,
    /// True if the owner asks: then it goes only to peers that were met, and to peers of the
    /// chapter, which cannot prove their identity.
    pub for_owner: bool,
}

/// The result of asking one peer.
type Reply = Result<Answered<QueryReply>, CallError>;

/// A walk in progress. Dropping it ends it and all its calls.
pub struct Walk {
    overlay: Arc<Overlay>,
    asked: WalkQuery,
    id: QueryId,
    remembered: Option<WalkKey>,
    plan: Plan,
    calls: FuturesUnordered<BoxFuture<'static, (PeerUrl, Reply)>>,
    deadline: Instant,
    steps: Vec<Step>,
    excluded: Excluded,
    /// The addresses that were called.
    dials: SearchDials,
}

/// The peers that a walk neither asks nor lets others ask.
#[derive(Clone, Debug, Default)]
pub struct Excluded {
    /// These peers.
    pub peers: Vec<PeerUrl>,
    /// All peers that are known to be Sixhop nodes.
    pub nodes: bool,
}

impl Excluded {
    fn contains(&self, peer: &PeerEntry) -> bool {
        (self.nodes && peer.kind == Some(PeerKind::Sixhop))
            || self.peers.iter().any(|other| other.same_peer(&peer.url))
    }
}

impl WalkQuery {
    /// Returns a query that starts here.
    #[must_use]
    pub fn here(name: ShareName) -> WalkQuery {
        WalkQuery {
            name,
            history: Vec::new(),
            id: None,
            asking: Asking::default(),
            budget: Budget::WHOLE,
            for_owner: true,
        }
    }

    /// Returns the key of its walk; `None` for a client's question,
    /// which is always new.
    fn key(&self) -> Option<WalkKey> {
        match (self.id, self.history.first()) {
            (Some(id), _) => Some(WalkKey::Id(id)),
            (None, Some(origin)) => Some(WalkKey::Origin(self.name.clone(), origin.clone())),
            (None, None) => None,
        }
    }

    /// Hops that the query has left once this node is in its history.
    fn hops_left(&self) -> usize {
        HISTORY_MAX.saturating_sub(self.history.len() + 1)
    }

    /// Returns the hops and calls that are left.
    fn means(&self) -> Means {
        Means {
            hops: self.hops_left(),
            calls: self.budget.calls(),
        }
    }

    fn time(&self) -> Duration {
        let hops = u32::try_from(self.history.len()).unwrap_or(u32::MAX);
        WALK.saturating_sub(WALK_LESS_EACH_HOP.saturating_mul(hops))
    }
}

impl Walk {
    /// Begins to walk a query that this node cannot answer itself.
    pub async fn begin(overlay: &Arc<Overlay>, asked: WalkQuery) -> Walk {
        Walk::begin_without(overlay, asked, Excluded::default()).await
    }

    /// Begins to walk a query among the peers that are not `excluded`.
    pub async fn begin_without(
        overlay: &Arc<Overlay>,
        mut asked: WalkQuery,
        excluded: Excluded,
    ) -> Walk {
        // The nodes behind ours leave out who is asked already.
        for peer in &excluded.peers {
            asked.asking.add(peer);
        }
        let deadline = now() + asked.time();
        let mut walk = Walk {
            overlay: Arc::clone(overlay),
            id: asked.id.unwrap_or_else(random_id),
            remembered: None,
            plan: Plan::nobody(MissReason::Seen, asked.budget),
            asked,
            calls: FuturesUnordered::new(),
            deadline,
            steps: Vec::new(),
            excluded,
            dials: SearchDials::default(),
        };
        if walk.asked.hops_left() == 0 {
            walk.plan = Plan::nobody(MissReason::HopLimit, walk.asked.budget);
        } else if !walk.passed_here() && walk.enter().await {
            if walk.asked.for_owner {
                overlay.met_for_owner().await;
            } else {
                overlay.met(&walk.asked.history).await;
            }
            walk.plan_peers();
        } else {
            overlay.counters.queries_seen_before.one();
        }
        walk
    }

    /// Plans the peers to ask: none that is asked anyway; and names them to those behind, as
    /// far as the calls are sure to be enough.
    fn plan_peers(&mut self) {
        let mut peers = self.overlay.peers().to_ask(&self.asked.history, now());
        peers
            .retain(|peer| !self.asked.asking.contains(&peer.url) && !self.excluded.contains(peer));
        if self.asked.for_owner {
            peers.retain(|peer| peer.is_met() || peer.is_of_chapter());
        }
        peers.truncate(Budget::WHOLE.calls() + 1);
        let budget = self.asked.budget;
        for peer in peers.iter().take(budget.calls()) {
            self.asked.asking.add(&peer.url);
        }
        self.plan = Plan::new(peers, budget);
    }

    /// Returns the next peer that has the file, with the file on its way. Ask again if
    /// that one breaks off. `None` when nobody is left.
    pub async fn next(&mut self) -> Option<RemoteFile> {
        loop {
            self.ask_more();
            if self.calls.is_empty() {
                return None;
            }
            let look_again = self
                .plan
                .look_again_at(now())
                .unwrap_or(self.deadline)
                .min(self.deadline);
            tokio::select! {
                Some((peer, reply)) = self.calls.next() => {
                    if let Some(file) = self.take(&peer, reply) {
                        return Some(file);
                    }
                }
                () = sleep_until(look_again.into()) => {
                    if now() >= self.deadline {
                        self.give_up();
                        return None;
                    }
                }
            }
        }
    }

    /// Drops a file from [`Walk::next`] that could not be read to its end.
    pub fn broke_off(&mut self, file: &RemoteFile, error: &CallError) {
        self.overlay.failed(&file.peer, error);
        self.plan.ended(&file.peer.key(), ended(error));
    }

    /// Returns the reason why nothing (more) was found.
    #[must_use]
    pub fn verdict(&self) -> MissReason {
        self.plan.verdict()
    }

    /// Returns the number of peers asked so far.
    #[must_use]
    pub fn asked(&self) -> usize {
        self.plan.asked()
    }

    /// Returns the peers that were asked, in that order.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Returns the file that is wanted.
    #[must_use]
    pub fn name(&self) -> &ShareName {
        &self.asked.name
    }

    /// Returns the part of the budget that was not needed.
    #[must_use]
    pub fn budget_left(&self) -> Budget {
        self.plan.left()
    }

    /// Returns true if this node is in the history of the query.
    fn passed_here(&self) -> bool {
        let own = self.overlay.own_urls();
        self.asked
            .history
            .iter()
            .any(|url| PeerUrl::parse(url).is_ok_and(|url| own.has(&url)))
    }

    /// Returns true if this query is to be walked here, after waiting for an equal walk.
    async fn enter(&mut self) -> bool {
        let key = self.asked.key().unwrap_or(WalkKey::Id(self.id));
        loop {
            let entered = super::lock(&self.overlay.memory).enter(&key, self.asked.means(), now());
            match entered {
                Enter::Walk => {
                    self.remembered = Some(key);
                    return true;
                }
                Enter::Seen => return false,
                Enter::Wait(mut over) => {
                    // The sender never sends: this ends when the other walk does.
                    if timeout_at(self.deadline.into(), over.changed())
                        .await
                        .is_err()
                    {
                        return false;
                    }
                }
            }
        }
    }

    fn ask_more(&mut self) {
        while let Some((peer, budget)) = self.plan.next(now()) {
            if self.is_excluded_by_now(&peer) {
                self.plan.left_out(&peer.url.key());
            } else {
                self.ask(peer, budget);
            }
        }
    }

    /// Returns whether a peer of the plan turned out to be one that is not to be asked.
    fn is_excluded_by_now(&self, planned: &PeerEntry) -> bool {
        let peers = self.overlay.peers();
        let peer = peers.get(&planned.url).unwrap_or(planned);
        self.excluded.contains(peer)
    }

    fn ask(&mut self, peer: PeerEntry, budget: Budget) {
        let ourselves = self.overlay.our_url_for(&peer);
        let mut history = self.asked.history.clone();
        history.push(ourselves.as_str().to_owned());
        let query = Query {
            name: self.asked.name.as_str().to_owned(),
            history,
        };
        let walk = WalkInfo {
            id: self.id,
            asking: self.asked.asking.clone(),
            budget,
        };
        let (client, deadline) = (self.overlay.client.clone(), self.deadline);
        self.steps.push(Step::query(peer.url.clone(), now()));
        let to = peer.destination().within(&self.dials);
        self.calls.push(Box::pin(async move {
            let asked = client.query(&to, &query, walk, deadline).await;
            let reply = match asked {
                Ok(answered) => begin(answered, deadline).await,
                Err(error) => Err(error),
            };
            (peer.url, reply)
        }));
    }

    fn note(&mut self, peer: &PeerUrl, reply: &Reply) {
        if let Some(step) = self.steps.iter_mut().find(|step| step.peer == *peer) {
            step.took = Some(now().saturating_duration_since(step.begun));
            match reply {
                Ok(answered) => {
                    step.hits += usize::from(matches!(answered.value, QueryReply::Found(_)));
                }
                Err(error) => step.error = Some(error.clone()),
            }
        }
    }

    fn take(&mut self, peer: &PeerUrl, reply: Reply) -> Option<RemoteFile> {
        self.note(peer, &reply);
        let ended = match reply {
            Ok(Answered { kind, value, .. }) => {
                let (file, dialect, ended) = match value {
                    QueryReply::Found(file) => {
                        let dialect = file.head.dialect;
                        (Some(*file), Some(dialect), Ended::Found)
                    }
                    QueryReply::Missed {
                        reason,
                        budget_left,
                    } => {
                        self.plan.given_back(&peer.key(), budget_left);
                        (None, None, Ended::Missed(reason))
                    }
                    QueryReply::Fault(_) => (None, None, Ended::Refused),
                };
                self.overlay.answered(peer, kind, dialect);
                self.plan.ended(&peer.key(), ended);
                return file;
            }
            Err(error) => {
                self.overlay.failed(peer, &error);
                ended(&error)
            }
        };
        self.plan.ended(&peer.key(), ended);
        None
    }

    fn give_up(&mut self) {
        for peer in self.overlay.list() {
            if self.plan.is_in_flight(&peer.url.key()) {
                self.overlay.failed(&peer.url, &CallError::Deadline);
            }
        }
        self.plan.give_up();
        self.calls.clear();
    }
}

impl Drop for Walk {
    fn drop(&mut self) {
        if let Some(key) = &self.remembered {
            let complete = self.plan.is_over() && self.plan.is_complete();
            super::lock(&self.overlay.memory).leave(key, complete, now());
        }
    }
}

impl std::fmt::Debug for Walk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Walk")
            .field("asked", &self.asked)
            .field("plan", &self.plan)
            .finish_non_exhaustive()
    }
}

/// Returns the end of a call that failed.
fn ended(error: &CallError) -> Ended {
    match error {
        CallError::Deadline => Ended::Late,
        error if error.is_unreadable() => Ended::Unreadable,
        _ => Ended::Failed,
    }
}

/// Waits for the beginning of a file that a peer sends.
async fn begin(mut answered: Answered<QueryReply>, deadline: Instant) -> Reply {
    if let QueryReply::Found(file) = &mut answered.value {
        file.begin(BEGINNING, deadline).await?;
    }
    Ok(answered)
}

fn random_id() -> QueryId {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the system gives random bytes");
    QueryId(bytes)
}

#[cfg(test)]
mod tests;
