//! `ctl fetch`: brings a file into the share, or to a place of this machine.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use node_api::{
    fetch::{FetchBatch, FetchState, FetchStatus},
    node::NodeStatus,
};
use serde_json::json;

use super::Context;
use crate::{
    cli::FetchArgs,
    connection::content,
    download::{self, Target},
    error::CtlError,
    output::{Output, Progress, bytes, escaped, shell_word},
};

/// Runs the command.
pub(crate) async fn run(args: FetchArgs, context: &Context) -> Result<(), CtlError> {
    let digest = content(&args.name)?;
    let is_many = digest.is_none() && is_pattern(&args.name);
    match &args.to {
        None if is_many => matching(&args, context).await,
        None => into_share(&args, context).await,
        Some(_) if is_many || digest.is_some() => Err(CtlError::usage(
            "--to takes one file; fetch a pattern into the share, or give one name",
        )),
        Some(to) => {
            let target = Target::choose(to, &args.name, args.existing())?;
            to_path(&args, target, context).await
        }
    }
}

async fn into_share(args: &FetchArgs, context: &Context) -> Result<(), CtlError> {
    let node = context.connect()?;
    let output = context.output;
    let progress = output.progress(&format!("fetching {}", args.name));
    let mut last = None;
    let on_change = |status: &FetchStatus| {
        if last.replace(status.state) != Some(status.state) {
            note(output, args, status);
        }
        show(&progress, status);
        if output.is_json() {
            output.json(status)
        } else {
            Ok(())
        }
    };
    let fetched = node
        .fetch(&args.name, args.existing(), &context.patience, on_change)
        .await;
    drop(progress);
    let status = fetched?;
    if output.is_json() {
        return Ok(());
    }
    let from = match (&status.peer, status.holders.len()) {
        (Some(peer), 0..2) => format!(" from {}", escaped(peer)),
        (_, 0) => String::new(),
        (_, holders) => format!(" from {holders} holders"),
    };
    output.line(&format!(
        "fetched {} ({}){from}",
        escaped(&status.name),
        bytes(status.bytes)
    ))
}

/// Whether this names many files: a glob, or a directory with a `/` at its end.
fn is_pattern(name: &str) -> bool {
    name.contains(['*', '?', '[', '{']) || name.ends_with('/') || has_prefix(name)
}

/// Whether it names a handler. No name of a file holds a colon.
fn has_prefix(name: &str) -> bool {
    let is_prefix = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    name.split_once(':')
        .is_some_and(|(prefix, _)| !prefix.is_empty() && prefix.chars().all(is_prefix))
}

/// Fetches all files that match.
async fn matching(args: &FetchArgs, context: &Context) -> Result<(), CtlError> {
    let query = match args.name.strip_suffix('/') {
        _ if has_prefix(&args.name) => args.name.clone(),
        Some(directory) => format!("name:{directory}/**"),
        None => format!("name:{}", args.name),
    };
    let node = context.connect()?;
    let output = context.output;
    let progress = output.progress(&format!("fetching {}", args.name));
    let on_change = |batch: &FetchBatch| {
        progress.bytes_of(batch.bytes, batch.size);
        progress.say(format!("{} of {} files", batch.done, batch.found));
        if output.is_json() {
            output.json(batch)
        } else {
            Ok(())
        }
    };
    let fetched = node
        .fetch_matching(&query, args.existing(), &context.patience, on_change)
        .await;
    drop(progress);
    let batch = fetched?;
    if batch.found == 0 {
        return Err(CtlError::not_found(format!(
            "no peer has a file that matches {} (asked {})",
            escaped(&args.name),
            batch.asked
        )));
    }
    if !output.is_json() {
        output.line(&summary(&batch))?;
    }
    let Some(first) = batch.failures.first() else {
        return Ok(());
    };
    let (name, reason) = (escaped(&first.name), escaped(&first.error.message));
    Err(CtlError::failed(format!(
        "{} of {} files were not fetched; {name}: {reason}",
        batch.failed, batch.found
    )))
}

fn summary(batch: &FetchBatch) -> String {
    let files = if batch.done == 1 { "file" } else { "files" };
    let mut text = format!("fetched {} {files} ({})", batch.done, bytes(batch.bytes));
    if batch.existing > 0 {
        text.push_str(&format!(", {} were here already", batch.existing));
    }
    if batch.truncated {
        text.push_str(", and there are more");
    }
    text
}

/// Says what a person may want to know of a fetch that does not go on now.
fn note(output: Output, args: &FetchArgs, status: &FetchStatus) {
    let (name, word) = (escaped(&args.name), shell_word(&args.name));
    match (status.state, &status.kept) {
        (FetchState::Waiting, _) => output.note(&format!(
            "the holders of {name} are away; the fetch goes on when one answers"
        )),
        (_, Some(kept)) => {
            let drop = json!({ "id": status.id });
            output.note(&format!(
                "{} of {name} are kept for a day; `ctl fetch {word}` goes on with them, `ctl call fetch.drop '{drop}'` \
                 removes them",
                bytes(kept.bytes)
            ));
        }
        _ => {}
    }
}

fn show(progress: &Progress, status: &FetchStatus) {
    match status.size {
        Some(size) => progress.bytes_of(status.bytes, size),
        None => progress.bytes(status.bytes),
    }
    let name = escaped(&status.name);
    match (status.state, &status.peer) {
        (FetchState::Searching, _) => progress.say(format!("{name}: {} peers asked", status.asked)),
        (_, Some(peer)) if status.holders.len() < 2 => {
            progress.say(format!("{name} from {}", escaped(peer)));
        }
        (_, Some(_)) => progress.say(format!("{name} from {} holders", status.holders.len())),
        _ => {}
    }
}

async fn to_path(args: &FetchArgs, target: Target, context: &Context) -> Result<(), CtlError> {
    let node = context.connect()?;
    let output = context.output;
    let status = context.patience.bound(node.status()).await?;
    let pass = context.patience.bound(node.pass(&args.name)).await?;
    let progress = output.progress(&format!("fetching {}", args.name));
    let wanted = download::QueryTarget {
        url: &peer_port(&status),
        name: &args.name,
        pass: pass.as_deref(),
    };
    let download = download::query(wanted, &target, |count| progress.bytes(count));
    let downloaded = context.patience.bound(download).await;
    drop(progress);
    let size = downloaded?;
    let path = target.place()?;
    if output.is_json() {
        return output
            .json(&json!({ "name": args.name, "state": "done", "bytes": size, "path": path }));
    }
    let (name, path) = (escaped(&args.name), escaped(&path.display().to_string()));
    output.line(&format!("fetched {name} ({}) to {path}", bytes(size)))
}

/// Where this machine reaches the node's peer port. Its URL is for peers and may
/// lead here only from outside.
fn peer_port(status: &NodeStatus) -> String {
    match status.listen.parse::<SocketAddr>() {
        Ok(listen) if listen.ip().is_unspecified() => {
            let loopback: IpAddr = match listen.ip() {
                IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
                IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
            };
            format!("http://{}/", SocketAddr::new(loopback, listen.port()))
        }
        Ok(listen) => format!("http://{listen}/"),
        Err(_) => status.url.clone(),
    }
}
