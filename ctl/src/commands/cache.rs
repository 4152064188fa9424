//! `ctl cache`: lists or removes the content that the node keeps because it passed through.

use node_api::cache::CacheBlob;
use serde_json::json;

use super::Context;
use crate::{
    cli::CacheAction,
    error::CtlError,
    output::{Output, bytes, plural},
};

/// Runs the command.
pub(crate) async fn run(action: CacheAction, context: &Context) -> Result<(), CtlError> {
    match action {
        CacheAction::Ls => list(context).await,
        CacheAction::Clear => clear(context).await,
    }
}

async fn list(context: &Context) -> Result<(), CtlError> {
    let node = context.connect()?;
    let blobs = context.patience.bound(node.cached()).await?;
    let output = context.output;
    if output.is_json() {
        return output.json(&json!({ "blobs": blobs }));
    }
    let rows: Vec<_> = blobs.iter().map(|blob| row(blob, output)).collect();
    output.table(&["digest", "size", "hits", "last use"], &rows)
}

async fn clear(context: &Context) -> Result<(), CtlError> {
    let node = context.connect()?;
    let cleared = context.patience.bound(node.clear_cache()).await?;
    if context.output.is_json() {
        return context.output.json(&cleared);
    }
    let blobs = plural(cleared.blobs, "blob", "blobs");
    let line = format!("removed {blobs}, {}", bytes(cleared.bytes));
    context.output.line(&line)
}

fn row(blob: &CacheBlob, output: Output) -> Vec<String> {
    vec![
        blob.digest.clone(),
        output.size(blob.size),
        blob.hits.to_string(),
        output.moment(blob.used),
    ]
}
