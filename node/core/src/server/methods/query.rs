//! `query(name [, history])`: the file, from here or from peers.
//!
//! A file of the share comes first, then what peers have sent for the name not
//! long ago, then what they send now.

use std::sync::Arc;

use node_wire::{Fault, Query, ShareName, Value};

use crate::{
    overlay::{Asked, Walk},
    server::{
        Context,
        answer::{Answer, Answered},
        cached::CachedFile,
        local::LocalFile,
        relay::RelayedFile,
        rpc::Caller,
    },
    share::ShareError,
};

pub(super) async fn answer(context: &Arc<Context>, caller: &Caller, params: &[Value]) -> Answered {
    context.counters.queries_received.one();
    let query = Query::from_params(params)?;
    let name = ShareName::parse(&query.name)?;
    match LocalFile::open(&context.share, &name).await {
        Ok(file) => return Ok(Answer::Local(file)),
        Err(ShareError::NotFound(_)) => {}
        Err(error) => tracing::warn!(%error, "a shared file cannot be read"),
    }
    if let Some(file) = CachedFile::open(&context.cache, &name).await {
        return Ok(Answer::Cached(file));
    }
    let asked = Asked {
        name: name.clone(),
        history: query.history,
        id: caller.walk,
        asking: caller.asking.clone(),
    };
    let walk = Walk::begin(&context.overlay, asked).await;
    match RelayedFile::find(context, &name, walk).await {
        Ok(file) => Ok(Answer::Relayed(Box::new(file))),
        Err(reason) => Err(Fault::unhandled(reason)),
    }
}
