//! `sixhop.more(struct)`: more hits of a search that `sixhop.find` began.
//!
//! The answer waits for hits, so that the asker needs no port of its own to
//! be called back at.

use std::{sync::Arc, time::Duration};

use node_wire::{Fault, More, Value, fault::MissReason};

use super::find;
use crate::{
    clock::now,
    server::{
        Context,
        answer::{Answer, Answered},
        policy::Asker,
        rpc::Caller,
    },
};

pub(super) async fn answer(context: &Arc<Context>, caller: &Caller, params: &[Value]) -> Answered {
    context.counters.mores_received.one();
    let more = More::from_params(params)?;
    let open = context
        .searches
        .take(&more.cursor)
        .ok_or_else(|| Fault::unhandled(MissReason::NotFound))?;
    let until = now() + Duration::from_millis(more.wait.into());
    let found = find::search::page(context, &Asker::at(caller.remote), open, until).await?;
    Ok(Answer::Value(found.to_value()))
}
