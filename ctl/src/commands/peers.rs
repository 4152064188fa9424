//! `ctl peers`: lists the peers that the node knows.

use node_api::peer::Peer;
use serde_json::{Value, json};

use super::Context;
use crate::{error::CtlError, output};

/// Runs the command.
pub(crate) async fn run(context: &Context) -> Result<(), CtlError> {
    let node = context.connect()?;
    let peers = context.patience.bound(node.peers()).await?;
    if context.output.is_json() {
        return context.output.json(&json!({ "peers": peers }));
    }
    let head = [
        "peer",
        "state",
        "dialect",
        "source",
        "failures",
        "last answer",
    ];
    let rows: Vec<_> = peers.iter().map(row).collect();
    context.output.table(&head, &rows)?;
    if peers.is_empty() {
        context
            .output
            .note("no peer is known; introduce one with `ctl hello URL`");
    }
    Ok(())
}

fn row(peer: &Peer) -> Vec<String> {
    vec![
        peer.url.clone(),
        word(&json!(peer.state)),
        word(&json!(peer.dialect)),
        word(&json!(peer.source)),
        peer.failures.to_string(),
        peer.last_answer.map_or("-".to_owned(), output::timestamp),
    ]
}

/// The word by which JSON knows a state.
fn word(value: &Value) -> String {
    value.as_str().unwrap_or("-").to_owned()
}
