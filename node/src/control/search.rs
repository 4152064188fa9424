//! Namespace `search`.

mod answer;
mod exact;

use std::{sync::Arc, time::Duration};

use jsonrpsee::{
    PendingSubscriptionSink, SubscriptionSink,
    core::{RpcResult, SubscriptionResult, async_trait, to_json_raw_value},
};
use node_api::{
    error::{ApiError, ErrorCode},
    search::{
        EXCERPTS_DEFAULT, Hit, LIMIT_DEFAULT, LIMIT_MAX, STREAM_LIMIT_MAX, SearchAnswer,
        SearchNews, SearchReach, SearchServer, SearchStreamServer,
    },
};
use node_core::{
    handlers::described,
    search::{Search, SearchEvent, SearchWanted},
};
use tokio::select;

use self::exact::Exact;
use super::{Owner, broken};

/// Longest time for an answer.
const TIME: Duration = Duration::from_secs(10);

/// Longest time for hits as they come.
const STREAM_TIME: Duration = Duration::from_secs(60);

/// Most hits that wait for those of others.
const WAITING_MAX: usize = 10_000;

#[async_trait]
impl SearchServer for Owner {
    async fn query(
        &self,
        query: String,
        limit: Option<u32>,
        reach: Option<SearchReach>,
        excerpts: Option<u32>,
    ) -> RpcResult<SearchAnswer> {
        let limit = limit.unwrap_or(LIMIT_DEFAULT).min(LIMIT_MAX) as usize;
        let exact = Exact::of(&query);
        let wanted = SearchWanted {
            query,
            limit,
            excerpts: excerpts.unwrap_or(EXCERPTS_DEFAULT) as usize,
            time: TIME,
            reach: reach.unwrap_or_default(),
        };
        let mut search = self.search(wanted).await?;
        let (mut here, mut there) = (Vec::new(), Vec::new());
        let mut is_full = false;
        while !is_full && let Some(news) = search.next().await {
            match news {
                SearchEvent::Here(_) => {
                    here.extend(self.describe(search.handler().to_owned(), news).await?);
                }
                SearchEvent::There(_) | SearchEvent::Chapter(..) => {
                    there.extend(self.describe(search.handler().to_owned(), news).await?);
                }
            }
            is_full = there.len() >= limit && search.here().end.is_some();
        }
        let mut hits = here;
        hits.extend(there);
        let of_peers = self.node.overlay().handlers_of_peers();
        answer::refusal(&search, hits.is_empty(), &of_peers)?;
        let (mut hits, is_ranked) = match self.ranked(hits).await {
            Ok(ranked) => (ranked, true),
            Err(hits) => (hits, false),
        };
        if let Some(exact) = exact {
            hits = exact.first(hits);
        }
        if !is_ranked {
            answer::best_first(&mut hits);
        }
        is_full |= hits.len() > limit;
        hits.truncate(limit);
        let summary = answer::summary(&search, self.node.overlay(), is_full);
        Ok(SearchAnswer { hits, ..summary })
    }
}

#[async_trait]
impl SearchStreamServer for Owner {
    async fn follow(
        &self,
        pending: PendingSubscriptionSink,
        query: String,
        limit: Option<u32>,
        reach: Option<SearchReach>,
    ) -> SubscriptionResult {
        let limit = limit.unwrap_or(LIMIT_DEFAULT).min(STREAM_LIMIT_MAX) as usize;
        let exact = Exact::of(&query).filter(Exact::waits);
        let wanted = SearchWanted {
            query,
            limit,
            excerpts: limit,
            time: STREAM_TIME,
            reach: reach.unwrap_or_default(),
        };
        let search = match self.search(wanted).await {
            Ok(search) => search,
            Err(error) => {
                pending.reject(error).await;
                return Ok(());
            }
        };
        let sink = pending.accept().await?;
        let last = self.stream(search, exact, limit, &sink).await?;
        sink.send(to_json_raw_value(&last)?).await?;
        Ok(())
    }
}

impl Owner {
    async fn search(&self, wanted: SearchWanted) -> Result<Search, ApiError> {
        let begun = self.node.search(wanted).await;
        begun.map_err(|error| ApiError::new(ErrorCode::Usage, error.to_string()))
    }

    /// Sends hits until there are `limit`, or no more. Those of a text that may be a name wait for all, up to
    /// [`WAITING_MAX`]. Gives what is to be sent last.
    async fn stream(
        &self,
        mut search: Search,
        exact: Option<Exact>,
        limit: usize,
        sink: &SubscriptionSink,
    ) -> Result<SearchNews, jsonrpsee::core::SubscriptionError> {
        let (mut sent, mut waiting) = (0, Vec::new());
        while sent + waiting.len() < limit {
            let news = select! {
                news = search.next() => news,
                () = sink.closed() => None,
            };
            let Some(news) = news else { break };
            let hits = self.describe(search.handler().to_owned(), news).await?;
            let mut hits = self.ranked(hits).await.unwrap_or_else(|hits| hits);
            if exact.is_some() && waiting.len() < WAITING_MAX {
                waiting.extend(hits);
                continue;
            }
            hits.truncate(limit - sent);
            sent += hits.len();
            sink.send(to_json_raw_value(&SearchNews::Hits(hits))?)
                .await?;
        }
        if let Some(exact) = exact.filter(|_| !waiting.is_empty()) {
            let mut hits = exact.first(waiting);
            hits.truncate(limit - sent);
            sent += hits.len();
            sink.send(to_json_raw_value(&SearchNews::Hits(hits))?)
                .await?;
        }
        let of_peers = self.node.overlay().handlers_of_peers();
        Ok(match answer::refusal(&search, sent == 0, &of_peers) {
            Ok(()) => {
                SearchNews::Done(answer::summary(&search, self.node.overlay(), sent >= limit))
            }
            Err(error) => SearchNews::Failed(error),
        })
    }

    /// Returns the hits as the owner's policy ranks them, best first.
    ///
    /// # Errors
    /// Gives them back as they are if it does not.
    async fn ranked(&self, hits: Vec<Hit>) -> Result<Vec<Hit>, Vec<Hit>> {
        let ourselves = self.node.url().as_str();
        let asked = hits.iter().map(|hit| answer::to_rank(hit, ourselves));
        match self.node.rank(asked).await {
            Some(worth) => Ok(answer::by_worth(hits, &worth)),
            None => Err(hits),
        }
    }

    /// Returns the hits, with the digests that are known.
    async fn describe(&self, handler: String, news: SearchEvent) -> Result<Vec<Hit>, ApiError> {
        let overlay = self.node.overlay();
        match news {
            SearchEvent::There(mut holder) => {
                let known = || overlay.name_at(&holder.peer);
                holder.name = holder.name.clone().or_else(known);
                Ok(answer::from_peer(holder, &handler))
            }
            SearchEvent::Chapter(peer, name) => {
                Ok(vec![answer::from_chapter(&peer, &name, handler)])
            }
            SearchEvent::Here(hits) => {
                let digests = Arc::clone(self.node.digests());
                let node = self.node.url().as_str().to_owned();
                let node_name = overlay.name().map(ToString::to_string);
                let hits = self.node.disk().run(move || {
                    let digests = digests.reader();
                    described(hits, &node, &handler, &|file| digests.known_as(file))
                });
                let mut hits = hits.await.map_err(|_| broken())?;
                hits.iter_mut()
                    .for_each(|hit| hit.node_name.clone_from(&node_name));
                Ok(hits)
            }
        }
    }
}
