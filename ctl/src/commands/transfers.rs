//! `ctl transfers`: lists fetches, cancels one, drops the bytes of one.

use node_api::fetch::{FetchBatch, FetchStatus};
use serde_json::json;

use super::Context;
use crate::{
    cli::TransfersAction,
    connection::Stopped,
    error::CtlError,
    output::{Output, escaped, plural, word},
};

/// Runs the command.
pub(crate) async fn run(
    action: Option<TransfersAction>,
    context: &Context,
) -> Result<(), CtlError> {
    match action {
        None | Some(TransfersAction::Ls) => list(context).await,
        Some(TransfersAction::Cancel { id }) => cancel(id, context).await,
        Some(TransfersAction::Drop { id }) => drop_kept(id, context).await,
    }
}

async fn list(context: &Context) -> Result<(), CtlError> {
    let node = context.connect()?;
    let output = context.output;
    let transfers = context.patience.bound(node.transfers()).await?;
    let batches = context.patience.bound(node.batches()).await?;
    if output.is_json() {
        return output.json(&json!({ "transfers": transfers, "batches": batches }));
    }
    let of_batches = batches.iter().map(|batch| batch_row(batch, output));
    let rows: Vec<_> = of_batches
        .chain(transfers.iter().map(|status| row(status, output)))
        .collect();
    let head = ["id", "state", "here", "size", "name", "from"];
    output.table(&head, &rows)?;
    if rows.is_empty() {
        output.note("nothing was fetched since the node started");
    }
    Ok(())
}

fn row(status: &FetchStatus, output: Output) -> Vec<String> {
    let peer = status.peer.clone().unwrap_or_else(|| "-".to_owned());
    let reason = status.error.as_ref().map(|error| error.message.clone());
    vec![
        status.id.to_string(),
        word(&status.state),
        output.size(status.bytes),
        status.size.map_or("-".to_owned(), |size| output.size(size)),
        status.name.clone(),
        reason.unwrap_or(peer),
    ]
}

/// Returns the row of a fetch of all that match a query. Its files have rows of their own.
fn batch_row(batch: &FetchBatch, output: Output) -> Vec<String> {
    let state = match batch {
        FetchBatch {
            cancelled: true, ..
        } => "cancelled",
        FetchBatch { over: true, .. } => "done",
        FetchBatch { queued: true, .. } => "queued",
        _ => "receiving",
    };
    let mut far = format!("{} of {}", batch.done, plural(batch.found, "file", "files"));
    if batch.failed > 0 {
        far += &format!(", {} failed", batch.failed);
    }
    vec![
        batch.id.to_string(),
        state.to_owned(),
        output.size(batch.bytes),
        output.size(batch.size),
        batch.query.clone(),
        far,
    ]
}

async fn cancel(id: u64, context: &Context) -> Result<(), CtlError> {
    let node = context.connect()?;
    let output = context.output;
    let stopped = context.patience.bound(node.stop_transfer(id)).await?;
    match stopped {
        Stopped::File(status) if output.is_json() => output.json(&status),
        Stopped::Batch(batch) if output.is_json() => output.json(&batch),
        Stopped::File(status) => {
            let (name, state) = (escaped(&status.name), word(&status.state));
            output.line(&format!("fetch {id} of {name}: {state}"))
        }
        Stopped::Batch(batch) => {
            let (query, done) = (escaped(&batch.query), plural(batch.done, "file", "files"));
            output.line(&format!("fetch {id} of {query}: ended with {done}"))
        }
    }
}

async fn drop_kept(id: u64, context: &Context) -> Result<(), CtlError> {
    let node = context.connect()?;
    let output = context.output;
    let dropped = context.patience.bound(node.drop_transfer(id)).await?;
    if output.is_json() {
        return output.json(&json!({ "dropped": dropped }));
    }
    dropped.iter().try_for_each(|status| {
        let name = escaped(&status.name);
        output.line(&format!("nothing is kept of {name} any more"))
    })
}
