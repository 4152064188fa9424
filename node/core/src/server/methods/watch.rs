//! `sixhop.watch(struct)`: news of queries that stand here.
//!
//! The call is held open until a file that matches one of the queries is new, and no longer than its caller waits. A later
//! call of the same watcher ends it, so that nobody holds two.

use std::{sync::Arc, time::Duration};

use node_wire::{Fault, Value, Watch, WatchNews};

use crate::{
    clock::now,
    server::{
        Context,
        answer::{Answer, Answered},
        policy::Asker,
        rpc::Caller,
        watches::{Call, LEASE, WatcherKey, hold},
    },
};

pub(super) async fn answer(context: &Arc<Context>, caller: &Caller, params: &[Value]) -> Answered {
    context.counters.watches_received.one();
    let wanted = Watch::from_params(params)?;
    let until = now() + Duration::from_millis(wanted.wait.into());
    let asker = &Asker::at(caller.remote);
    let key = WatcherKey::new(asker.address(), caller.remote.id, wanted.watcher);
    let renewed = context.watches.renew(&key, wanted.watches.len());
    let number = renewed.map_err(|error| {
        tracing::debug!(from = %caller.remote, %error, "a watch is refused");
        Fault::busy()
    })?;
    let call = Call { asker, key, number };
    let news = WatchNews {
        told: hold(context, Some(call), wanted.watches, until).await?,
        lease: u32::try_from(LEASE.as_secs()).unwrap_or(u32::MAX),
    };
    Ok(Answer::Value(news.to_value()))
}
