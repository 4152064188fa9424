//! The methods of the peer port: one file each.

mod fetch;
mod find;
mod hello;
mod introduce;
mod introspection;
mod more;
mod multicall;
mod query;
mod summary;
mod watch;

pub(super) use find::{digest_of, long};
pub use multicall::Multicalls;

use std::sync::Arc;

use node_overlay::Cost;
use node_wire::{Budget, Fault, MethodCall, methods as names};

use super::{Context, answer::Answered, network, rpc::Caller};

/// Makes a call, a multicall included.
pub(super) async fn call(context: &Arc<Context>, caller: &Caller, call: &MethodCall) -> Answered {
    if call.method == names::MULTICALL && may_call(caller, names::MULTICALL) {
        context.counters.rpc_received.one();
        return multicall::answer(context, caller, &call.params).await;
    }
    single(context, caller, call).await
}

/// Makes a single call.
async fn single(context: &Arc<Context>, caller: &Caller, call: &MethodCall) -> Answered {
    context.counters.rpc_received.one();
    if names::find(&call.method).is_some() && !may_call(caller, &call.method) {
        return Err(Fault::access_denied());
    }
    let cost = Cost::of_method(&call.method);
    if cost != Cost::Call {
        afford(context, caller, cost)?;
    }
    let params = &call.params;
    match call.method.as_str() {
        names::HELLO => hello::answer(context, caller, params),
        names::QUERY => query::answer(context, caller, params).await,
        names::FETCH => fetch::answer(context, caller, params).await,
        names::FIND => find::answer(context, caller, params).await,
        names::INTRODUCE => introduce::answer(context, caller, params),
        names::MORE => more::answer(context, caller, params).await,
        names::SUMMARY => summary::answer(context, caller, params).await,
        names::WATCH => watch::answer(context, caller, params).await,
        names::LIST_METHODS => introspection::list_methods(params),
        names::METHOD_HELP => introspection::method_help(params),
        names::METHOD_SIGNATURE => introspection::method_signature(params),
        names::GET_CAPABILITIES => introspection::get_capabilities(params),
        unknown => Err(Fault::method_not_found(unknown)),
    }
}

/// Strangers may not call everything in a private network.
fn may_call(caller: &Caller, method: &str) -> bool {
    caller.is_member || network::is_open(method)
}

/// Takes the cost of a call from its caller.
fn afford(context: &Context, caller: &Caller, cost: Cost) -> Result<(), Fault> {
    context.quotas.take(caller.cause, cost).map_err(|_| {
        context.counters.requests_over_quota.one();
        Fault::busy()
    })
}

/// Takes the calls to other nodes that a query may cause.
fn forward(context: &Context, caller: &Caller, calls: Budget) -> Result<(), Fault> {
    context.quotas.forward(caller.cause, calls).map_err(|_| {
        context.counters.requests_over_quota.one();
        Fault::busy()
    })
}
