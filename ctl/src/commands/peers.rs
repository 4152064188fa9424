//! `ctl peers`: lists the peers that the node knows, or forgets one.

use node_api::peer::{Peer, PeerDialect, PeerKind, PeerSource, PeerState};
use serde_json::json;

use super::Context;
use crate::{
    cli::PeersAction,
    error::CtlError,
    output::{Output, bytes, escaped},
};

/// Digits of an id that a table has.
const ID_SHOWN: usize = 12;

/// Runs the command.
pub(crate) async fn run(action: Option<PeersAction>, context: &Context) -> Result<(), CtlError> {
    match action {
        None | Some(PeersAction::Ls) => list(context).await,
        Some(PeersAction::Rm { url }) => forget(&url, context).await,
    }
}

async fn list(context: &Context) -> Result<(), CtlError> {
    let node = context.connect()?;
    let output = context.output;
    let peers = context.patience.bound(node.peers()).await?;
    if output.is_json() {
        return output.json(&json!({ "peers": peers }));
    }
    let head = [
        "peer",
        "state",
        "what",
        "path",
        "round trip",
        "rate",
        "id",
        "known from",
        "last answer",
        "problem",
    ];
    let rows: Vec<_> = peers.iter().map(|peer| row(peer, output)).collect();
    output.table(&head, &rows)?;
    if peers.is_empty() {
        output.note("no peer is known; introduce one with `ctl hello URL`");
    }
    Ok(())
}

async fn forget(url: &str, context: &Context) -> Result<(), CtlError> {
    let node = context.connect()?;
    let known = context.patience.bound(node.forget(url)).await?;
    if context.output.is_json() {
        return context.output.json(&json!({ "removed": known }));
    }
    let url = escaped(url);
    if !known {
        return Err(CtlError::not_found(format!(
            "{url} is not a known peer; `ctl peers` lists them"
        )));
    }
    context.output.line(&format!("{url} is forgotten"))
}

fn row(peer: &Peer, output: Output) -> Vec<String> {
    let problem = peer.last_error.clone().or_else(|| peer.notice.clone());
    vec![
        peer.url.clone(),
        state(peer),
        what(peer).to_owned(),
        path(peer).to_owned(),
        peer.latency
            .map_or_else(|| "-".to_owned(), |time| format!("{time} ms")),
        peer.rate
            .map_or_else(|| "-".to_owned(), |rate| format!("{}/s", bytes(rate))),
        id(peer),
        source(peer.source).to_owned(),
        peer.last_answer
            .map_or("-".to_owned(), |time| output.moment(time)),
        problem.unwrap_or_else(|| "-".to_owned()),
    ]
}

fn state(peer: &Peer) -> String {
    match (peer.state, peer.failures) {
        (PeerState::New, _) => "not called yet".to_owned(),
        (PeerState::Up, _) => "answers".to_owned(),
        (PeerState::Failing, 0..2) => "does not answer".to_owned(),
        (PeerState::Failing, failures) => format!("failed {failures} times"),
    }
}

fn what(peer: &Peer) -> &'static str {
    match (peer.kind, peer.dialect) {
        (PeerKind::Unknown, _) => "-",
        (PeerKind::Sixhop, _) => "Sixhop node",
        (PeerKind::Chapter, PeerDialect::Codes) => "book peer (codes)",
        (PeerKind::Chapter, _) => "book peer",
    }
}

/// Returns the start of its id: enough to distinguish peers; `--json` has all of it.
fn id(peer: &Peer) -> String {
    let start = peer.id.as_ref().and_then(|id| id.get(..ID_SHOWN));
    start.map_or_else(|| "-".to_owned(), |start| format!("{start}…"))
}

/// Returns the word for the path of calls to it; a peer that was not called yet has none.
fn path(peer: &Peer) -> &'static str {
    match peer.kind {
        PeerKind::Unknown => "-",
        PeerKind::Sixhop | PeerKind::Chapter => peer.path.name(),
    }
}

fn source(source: PeerSource) -> &'static str {
    match source {
        PeerSource::Settings => "your settings",
        PeerSource::Saved => "an earlier run",
        PeerSource::Owner => "you",
        PeerSource::Hello => "its hello",
        PeerSource::Exchange => "another peer",
        PeerSource::Lan => "the local network",
        PeerSource::Dht => "the DHT",
        PeerSource::Lost => "it was a peer",
    }
}
