//! `query(name [, history])`: the file, from here or from peers.
//!
//! A file of the share comes first, then what peers have sent for the name not
//! long ago, then what they send now.

use std::sync::Arc;

use node_overlay::Cost;
use node_wire::{Fault, Query, ShareName, Value, fault::MissReason};
use tokio::task::spawn_blocking;

use crate::{
    handlers::DEFAULT_HANDLER,
    overlay::{Asked, Walk},
    server::{
        Context,
        answer::{Answer, Answered},
        cached::CachedFile,
        local::LocalFile,
        policy::{Asker, FetchPermit, Wanted},
        relay::RelayedFile,
        rpc::Caller,
    },
    share::ShareError,
};

pub(super) async fn answer(context: &Arc<Context>, caller: &Caller, params: &[Value]) -> Answered {
    context.counters.queries_received.one();
    let query = Query::from_params(params)?;
    let name = ShareName::parse(&query.name)?;
    let permit = permit(context, caller, &query, &name).await?;
    match LocalFile::open(&context.share, &name, &permit).await {
        Ok(file) => return Ok(Answer::Local(file)),
        Err(ShareError::NotFound(_)) => {}
        Err(error) => tracing::warn!(%error, "a shared file cannot be read"),
    }
    if let Some(file) = CachedFile::open(&context.cache, &name, &permit).await {
        return Ok(Answer::Cached(file));
    }
    let asked = Asked {
        name: name.clone(),
        history: query.history,
        id: caller.walk,
        asking: caller.asking.clone(),
        budget: caller.budget.given(),
    };
    // To a peer of the chapter any other fault than this one means that it should
    // forget this node.
    let busy = |_| Fault::unhandled(MissReason::Budget);
    super::afford(context, caller, Cost::Walk).map_err(busy)?;
    super::forward(context, caller).map_err(busy)?;
    let walk = Walk::begin(&context.overlay, asked).await;
    match RelayedFile::find(context, &name, walk, &permit).await {
        Ok(file) => Ok(Answer::Relayed(Box::new(file))),
        Err(miss) => {
            caller.budget.leave(miss.budget_left);
            Err(Fault::unhandled(miss.reason))
        }
    }
}

/// Asks the policy, for the query and for the content: what is refused is not
/// found, here or anywhere else.
async fn permit(
    context: &Arc<Context>,
    caller: &Caller,
    query: &Query,
    name: &ShareName,
) -> Result<FetchPermit, Fault> {
    let refused = || Fault::unhandled(MissReason::NotFound);
    let asker = Asker::at(caller.remote).with_history(&query.history);
    let text = name.as_str();
    let may_ask = context.policy.query(&asker, DEFAULT_HANDLER, text).await;
    may_ask.ok_or_else(refused)?;
    let size = if context.policy.guards_fetch() {
        let (context, name) = (Arc::clone(context), name.clone());
        let sized = spawn_blocking(move || size(&context, &name));
        sized.await.map_err(|_| Fault::internal())?
    } else {
        None
    };
    let wanted = Wanted {
        name: text.to_owned(),
        size,
    };
    let may_have = context.policy.fetch(&asker, None, vec![wanted]).await;
    may_have.ok_or_else(refused)
}

/// The size of the file, if it is here.
fn size(context: &Context, name: &ShareName) -> Option<u64> {
    if let Ok(stamp) = context.share.stamp(name) {
        return Some(stamp.size);
    }
    context.cache.size_of(&context.cache.digest_of(name)?)
}
