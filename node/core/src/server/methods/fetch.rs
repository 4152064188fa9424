//! `fetch(name, secret)`: the owner has a file found and stored.

use std::{sync::Arc, time::Duration};

use node_wire::{Fault, Fetch, MissReason, ShareName, Value};
use tokio::time::{sleep, timeout};

use crate::{
    server::{
        Context,
        answer::{Answer, Answered},
        rpc::Caller,
    },
    share::{Replace, ShareError},
    transfer::{FetchError, JobState, JobStatus},
};

/// The pause after a wrong secret, so that guessing is slow.
const WRONG_SECRET_PAUSE: Duration = Duration::from_millis(500);

/// The time that a caller waits for holders that are away.
const AWAY_TIME: Duration = Duration::from_secs(30);

pub(super) async fn answer(context: &Arc<Context>, caller: &Caller, params: &[Value]) -> Answered {
    let fetch = Fetch::from_params(params)?;
    // The secret travels in clear: it is taken from this machine only.
    let here = caller.remote.ip().to_canonical().is_loopback();
    if !here || !context.secret.matches(fetch.secret.as_bytes()) {
        tracing::warn!(from = %caller.remote, "a fetch without the right secret is refused");
        sleep(WRONG_SECRET_PAUSE).await;
        return Err(Fault::access_denied());
    }
    let name = ShareName::parse(&fetch.name)?;
    match context.transfers.start(&name, Replace::Never).await {
        Ok(id) => finished(answer_of(context, id).await)?,
        // What is wanted is true already, if a file has the name.
        Err(FetchError::Share(ShareError::Exists(_))) => is_shared(context, name).await?,
        Err(error) => return Err(fault(&error)),
    }
    Ok(Answer::Value(Value::Int(caller.dialect.success_code())))
}

/// Waits for the fetch, but not for holders that are away: it goes on without the caller.
async fn answer_of(context: &Context, id: u64) -> Option<JobStatus> {
    let is_waiting = |state| state == JobState::Waiting;
    let status = context.transfers.wait_until(id, is_waiting).await?;
    if !is_waiting(status.state) {
        return Some(status);
    }
    let waited = timeout(AWAY_TIME, context.transfers.wait(id)).await;
    waited.unwrap_or(Some(status))
}

async fn is_shared(context: &Context, name: ShareName) -> Result<(), Fault> {
    let share = Arc::clone(&context.share);
    match context.disk.run(move || share.describe(&name)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(_)) => Err(Fault::access_denied()),
        Err(_) => Err(Fault::internal()),
    }
}

fn finished(status: Option<JobStatus>) -> Result<(), Fault> {
    let Some(status) = status else {
        return Err(Fault::internal());
    };
    match (status.state, status.error) {
        (JobState::Done, _) => Ok(()),
        (_, Some(error)) => Err(fault(&error)),
        (_, None) => Err(Fault::unhandled(MissReason::NotFound)),
    }
}

/// Returns the fault with as much of an error as a caller may know.
fn fault(error: &FetchError) -> Fault {
    match error {
        FetchError::NotFound { reason, .. } => Fault::unhandled(*reason),
        FetchError::BrokeOff { .. } | FetchError::Corrupt { .. } | FetchError::Cancelled(_) => {
            Fault::unhandled(MissReason::NotFound)
        }
        FetchError::Share(ShareError::Collision { .. }) => Fault::access_denied(),
        FetchError::Busy(_) => Fault::busy(),
        FetchError::Share(_) | FetchError::Internal(_) => Fault::internal(),
    }
}
