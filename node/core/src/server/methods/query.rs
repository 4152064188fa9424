//! `query(name [, history])`: the file, from here or from peers.
//!
//! A file of the share comes first, then files that peers have sent for the name not
//! long ago, then those that they send now.

use std::sync::Arc;

use node_overlay::Cost;
use node_wire::{
    About, Fault, Query, ShareName, Value, fault::MissReason, query::DEFAULT_HANDLER, scope::Scope,
};

use crate::{
    overlay::{Walk, WalkQuery},
    server::{
        Context,
        answer::{Answer, Answered, FileAnswer, FileAnswerError},
        content::Content,
        policy::{Asker, FetchPermit, FileAsked},
        relay::Relay,
        rpc::Caller,
    },
    share::ShareError,
};

pub(super) async fn answer(context: &Arc<Context>, caller: &Caller, params: &[Value]) -> Answered {
    context.counters.queries_received.one();
    let query = Query::from_params(params)?;
    let name = ShareName::parse(&query.name)?;
    let permit = permit(context, caller, &query, &name).await?;
    for open in [shared, cached] {
        let Some(content) = open_on_disk(context, &name, open).await else {
            continue;
        };
        afford_reading(context, caller, &content.0)?;
        match FileAnswer::of(context, content, caller.remote, &permit).await {
            Ok(answer) => return Ok(Answer::File(Box::new(answer))),
            Err(FileAnswerError::Busy) => return Err(busy()),
            Err(FileAnswerError::Unreadable(error)) => {
                tracing::warn!(%name, %error, "a file that is here cannot be read");
            }
        }
    }
    let asked = WalkQuery {
        for_owner: is_of_owner(caller, &query.history),
        name: name.clone(),
        history: query.history,
        id: caller.walk,
        asking: caller.asking.clone(),
        budget: caller.budget.given(),
    };
    super::afford(context, caller, Cost::Walk).map_err(|_| busy())?;
    super::forward(context, caller, caller.budget.given()).map_err(|_| busy())?;
    let walk = Walk::begin(&context.overlay, asked).await;
    match Relay::find(context, &name, walk, &permit).await {
        Ok(relay) => {
            let answer = FileAnswer::of_relay(context, relay, caller.remote, &permit).await;
            answer
                .map(|answer| Answer::File(Box::new(answer)))
                .map_err(|_| busy())
        }
        Err(miss) => {
            caller.budget.leave(miss.budget_left);
            Err(Fault::unhandled(miss.reason))
        }
    }
}

/// Returns true if the owner may be asking: a program of this machine that is no node on a walk,
/// such as `ctl fetch --to`.
fn is_of_owner(caller: &Caller, history: &[String]) -> bool {
    let is_here = Scope::of_source(caller.remote.ip()) == Scope::Machine;
    is_here && history.is_empty() && caller.walk.is_none()
}

/// Charges long content that nobody has read yet for its bytes.
fn afford_reading(context: &Context, caller: &Caller, content: &Content) -> Result<(), Fault> {
    let unread = content
        .long_key()
        .filter(|key| context.kinds.of(*key).get().is_none());
    if unread.is_none() {
        return Ok(());
    }
    let bytes = content.length().unwrap_or(0);
    super::afford(context, caller, Cost::Read(bytes)).map_err(|_| busy())
}

/// Returns the fault of a node that is asked too much. To a chapter peer any
/// other fault means that it should forget this node.
fn busy() -> Fault {
    Fault::unhandled(MissReason::Budget)
}

/// Opens a file of the share. Blocks.
fn shared(context: &Context, name: &ShareName) -> Option<(Content, About)> {
    let read = |file| Content::of_file(file, context.uploads.memory());
    let opened = context
        .share
        .read(name)
        .and_then(|file| read(file).map_err(|error| ShareError::of(name, error)));
    match opened {
        Ok(content) => {
            let about = context.share.about(name).unwrap_or_default();
            Some((content, about.into()))
        }
        Err(ShareError::NotFound(_)) => None,
        Err(error) => {
            tracing::warn!(%error, "a shared file cannot be read");
            None
        }
    }
}

/// Opens the content that came by the name not long ago. Blocks.
fn cached(context: &Context, name: &ShareName) -> Option<(Content, About)> {
    let blob = context.cache.open_named(name)?;
    Some((Content::of_blob(blob), About::default()))
}

async fn open_on_disk(
    context: &Arc<Context>,
    name: &ShareName,
    open: fn(&Context, &ShareName) -> Option<(Content, About)>,
) -> Option<(Content, About)> {
    let (opener, name) = (Arc::clone(context), name.clone());
    let opened = context.disk.run(move || open(&opener, &name)).await;
    opened.ok()?
}

/// Asks the policy, for the query and for the content: a refused file is not
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
        let (reader, name) = (Arc::clone(context), name.clone());
        let sized = context.disk.run(move || size(&reader, &name)).await;
        sized.map_err(|_| Fault::internal())?
    } else {
        None
    };
    let wanted = FileAsked {
        name: text.to_owned(),
        size,
    };
    let may_have = context.policy.fetch(&asker, None, vec![wanted]).await;
    may_have.ok_or_else(refused)
}

/// Returns the size of the file, if it is here.
fn size(context: &Context, name: &ShareName) -> Option<u64> {
    if let Ok(stamp) = context.share.stamp(name) {
        return Some(stamp.size);
    }
    context.cache.size_of(&context.cache.digest_of(name)?)
}
