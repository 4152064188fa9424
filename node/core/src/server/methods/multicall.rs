//! `system.multicall(calls)`: several calls in one.

use std::sync::Arc;

use node_overlay::Cost;

use node_wire::{Fault, Multicall, Value, fault::MissReason, response};

use super::{afford, single};
use crate::server::{
    Context,
    answer::{Answer, Answered},
    rpc::Caller,
};

pub(super) async fn answer(context: &Arc<Context>, caller: &Caller, params: &[Value]) -> Answered {
    let multicall = Multicall::from_params(params)?;
    let mut results = Vec::with_capacity(multicall.entries.len());
    for entry in multicall.entries {
        results.push(match entry {
            Ok(call) => match afford(context, caller, Cost::Call) {
                Ok(()) => match single(context, caller, &call).await {
                    Ok(answer) => value(answer).await,
                    Err(fault) => Err(fault),
                },
                Err(fault) => Err(fault),
            },
            Err(fault) => Err(fault),
        });
    }
    Ok(Answer::Value(response::multicall_value(&results)))
}

/// An answer as a value. A large file is not for a multicall, which is held
/// whole.
async fn value(answer: Answer) -> Result<Value, Fault> {
    let file = match answer {
        Answer::Value(value) => return Ok(value),
        Answer::File(file) => file,
    };
    let value = file.into_value().await.map_err(|error| {
        tracing::debug!(%error, "a file for a multicall broke off");
        Fault::unhandled(MissReason::NotFound)
    });
    value?.ok_or_else(|| {
        Fault::invalid_request("The file is too large for system.multicall; query it alone")
    })
}
