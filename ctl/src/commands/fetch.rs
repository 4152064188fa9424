//! `ctl fetch`: brings a file into the share, or to a place of this machine.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use node_api::{
    fetch::{FetchState, FetchStatus},
    node::NodeStatus,
};
use serde_json::json;

use super::Context;
use crate::{
    cli::FetchArgs,
    download::{self, Target},
    error::CtlError,
    output::{Progress, bytes, escaped},
};

/// Runs the command.
pub(crate) async fn run(args: FetchArgs, context: &Context) -> Result<(), CtlError> {
    match &args.to {
        None => into_share(&args, context).await,
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
    let on_change = |status: &FetchStatus| {
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
    let from = status
        .peer
        .map_or(String::new(), |peer| format!(" from {}", escaped(&peer)));
    output.line(&format!(
        "fetched {} ({}){from}",
        escaped(&status.name),
        bytes(status.bytes)
    ))
}

fn show(progress: &Progress, status: &FetchStatus) {
    progress.bytes(status.bytes);
    let name = escaped(&status.name);
    match (status.state, &status.peer) {
        (FetchState::Searching, _) => progress.say(format!("{name}: {} peers asked", status.asked)),
        (_, Some(peer)) => progress.say(format!("{name} from {}", escaped(peer))),
        _ => {}
    }
}

async fn to_path(args: &FetchArgs, target: Target, context: &Context) -> Result<(), CtlError> {
    let node = context.connect()?;
    let output = context.output;
    let status = context.patience.bound(node.status()).await?;
    let progress = output.progress(&format!("fetching {}", args.name));
    let port = peer_port(&status);
    let download = download::query(&port, &args.name, &target, |count| {
        progress.bytes(count);
    });
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
