//! `ctl peers`: lists the peers that the node knows, or forgets one.

use node_api::peer::{Peer, PeerDialect, PeerKind, PeerSource, PeerState};
use serde_json::json;

use super::Context;
use crate::{
    cli::PeersAction,
    error::CtlError,
    output::{Output, Paint, Painted, address, bytes, escaped},
};

/// Width of a window from which on a table has all columns.
const WIDE: usize = 120;

/// Columns of a table in a narrower one.
const NARROW: usize = 5;

/// Columns before the second line of a problem.
const INDENT: usize = 2;

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
    if output.is_for_a_person() {
        show(&peers, output)?;
    } else {
        let rows: Vec<_> = peers.iter().map(|peer| row(peer, output)).collect();
        output.table(&[], &rows)?;
    }
    if peers.is_empty() {
        output.note("no peer is known; introduce one with `ctl hello URL`");
    }
    Ok(())
}

/// Shows the peers to a person, and the problems with them below.
fn show(peers: &[Peer], output: Output) -> Result<(), CtlError> {
    let is_wide = output.width().is_none_or(|width| width >= WIDE);
    let head = [
        "name",
        "address",
        "state",
        "what",
        "last answer",
        "known from",
        "round trip",
        "rate",
        "id",
    ];
    let columns = if is_wide { head.len() } else { NARROW };
    let row = |peer: &Peer| {
        let mut row = vec![
            peer.name.clone().unwrap_or_else(|| "-".to_owned()),
            address(&peer.url).to_owned(),
            state(peer),
            what_over(peer),
            last_answer(peer, output),
            source(peer.source).to_owned(),
            round_trip(peer),
            rate(peer),
            id(peer),
        ];
        row.truncate(columns);
        row
    };
    let rows: Vec<_> = peers.iter().map(row).collect();
    if !rows.is_empty() {
        output.table(&head[..columns], &rows)?;
    }
    for peer in peers {
        let Some(problem) = problem(peer) else {
            continue;
        };
        let named = output.node(peer.name.as_deref(), &peer.url);
        for (at, part) in output
            .wrapped(&format!("{named}: {problem}"), INDENT)
            .iter()
            .enumerate()
        {
            let indent = if at == 0 { 0 } else { INDENT };
            let line = Painted::default().with(Paint::Plain, " ".repeat(indent));
            output.painted(&line.with(Paint::Bad, part.as_str()))?;
        }
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

/// Returns the columns for a program; new ones come last.
fn row(peer: &Peer, output: Output) -> Vec<String> {
    vec![
        peer.url.clone(),
        state(peer),
        what(peer).to_owned(),
        path(peer).to_owned(),
        id(peer),
        source(peer.source).to_owned(),
        last_answer(peer, output),
        problem(peer).unwrap_or("-").to_owned(),
        peer.name.clone().unwrap_or_else(|| "-".to_owned()),
        round_trip(peer),
        rate(peer),
    ]
}

/// Returns the time of its answer to the last introduction.
fn round_trip(peer: &Peer) -> String {
    let time = peer.latency.map(|time| format!("{time} ms"));
    time.unwrap_or_else(|| "-".to_owned())
}

/// Returns how fast it sent content lately.
fn rate(peer: &Peer) -> String {
    let rate = peer.rate.map(|rate| format!("{}/s", bytes(rate)));
    rate.unwrap_or_else(|| "-".to_owned())
}

fn last_answer(peer: &Peer, output: Output) -> String {
    let moment = peer.last_answer.map(|time| output.moment(time));
    moment.unwrap_or_else(|| "-".to_owned())
}

fn problem(peer: &Peer) -> Option<&str> {
    peer.last_error.as_deref().or(peer.notice.as_deref())
}

/// Returns the kind of a peer, and the path of calls to it if that is not plain.
fn what_over(peer: &Peer) -> String {
    match path(peer) {
        "tls" => format!("{}, tls", what(peer)),
        _ => what(peer).to_owned(),
    }
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
