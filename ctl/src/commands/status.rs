//! `ctl status`: shows the status of the node.

use node_api::node::{DocumentsStatus, IndexStatus, LayerState, NodeStatus, SandboxStatus};

use super::Context;
use crate::{
    cli::StatusArgs,
    error::CtlError,
    output::{Output, Paint, Painted, bytes, plural},
};

/// Width of the words before the values.
const LABEL: usize = 10;

/// Runs the command.
pub(crate) async fn run(args: StatusArgs, context: &Context) -> Result<(), CtlError> {
    let node = context.connect()?;
    let output = context.output;
    let status = context.patience.bound(node.status()).await?;
    if output.is_json() {
        return output.json(&status);
    }
    for (label, value) in lines(&status, output) {
        let paint = paint_of(label);
        for (at, part) in output.wrapped(&value, LABEL + 1).into_iter().enumerate() {
            let label = if at == 0 { label } else { "" };
            output.painted(&line(label, paint, part))?;
        }
    }
    if !args.counters {
        return Ok(());
    }
    for (name, count) in &status.counters {
        let line = Painted::default().with(Paint::Head, format!("{name:<28} "));
        output.painted(&line.with(Paint::Plain, count.to_string()))?;
    }
    Ok(())
}

fn paint_of(label: &str) -> Paint {
    match label {
        "trouble" | "unreadable" => Paint::Bad,
        _ => Paint::Plain,
    }
}

fn line(label: &str, paint: Paint, value: String) -> Painted {
    Painted::default()
        .with(Paint::Head, format!("{label:<LABEL$} "))
        .with(paint, value)
}

fn lines(status: &NodeStatus, output: Output) -> Vec<(&'static str, String)> {
    let name = status.name.iter().map(|name| ("name", name.clone()));
    let mut lines: Vec<_> = name.collect();
    lines.extend([
        ("address", status.url.clone()),
        ("shares", shares(status)),
        ("peers", peers(status)),
        ("answers", prefixes(&status.handlers)),
    ]);
    lines.extend(status.index.as_ref().map(|status| ("index", index(status))));
    let texts = status
        .index
        .as_ref()
        .and_then(|index| index.documents.as_ref());
    let any = texts.filter(|texts| **texts != DocumentsStatus::default());
    lines.extend(any.map(|status| ("documents", documents(status))));
    lines.extend([
        ("cache", bytes(status.cache_bytes)),
        ("control", status.control.clone()),
        ("running", running(status, output)),
        ("sandbox", sandbox(&status.sandbox)),
        ("id", status.id.clone()),
    ]);
    let trouble = status.share_trouble.iter().chain(&status.unwatched);
    let trouble = trouble.chain(&status.ignore_troubles);
    let unreadable = status.unreadable.iter();
    lines.extend(
        unreadable.map(|entry| ("unreadable", format!("{}: {}", entry.name, entry.reason))),
    );
    lines.extend(trouble.map(|trouble| ("trouble", trouble.clone())));
    lines.extend(status.reach.iter().map(|reach| ("reach", reach.clone())));
    lines
}

fn sandbox(status: &SandboxStatus) -> String {
    let layer = |state: &LayerState| match state {
        LayerState::Held => "held".to_owned(),
        LayerState::Off => "off".to_owned(),
        LayerState::Unavailable { reason } => format!("not to be had here ({reason})"),
    };
    let (calls, files) = (layer(&status.calls), layer(&status.files));
    format!("system calls {calls}, files {files}")
}

fn prefixes(handlers: &[String]) -> String {
    let prefixes: Vec<String> = handlers.iter().map(|name| format!("{name}:")).collect();
    prefixes.join(" ")
}

fn shares(status: &NodeStatus) -> String {
    let mut text = format!(
        "{} from {}",
        plural(status.files, "file", "files"),
        status.share
    );
    if !status.is_share_known {
        text += "; the directory is still being read";
    }
    if status.skipped > 0 {
        let skipped = plural(status.skipped, "entry is", "entries are");
        text += &format!("; {skipped} not shared, see `ctl ls --skipped`");
    }
    text
}

fn peers(status: &NodeStatus) -> String {
    match status.peers {
        0 => "none; introduce one with `ctl hello URL`".to_owned(),
        count => {
            let paths = status.peer_paths.iter();
            let paths: String = paths
                .map(|(path, peers)| format!(", {peers} {path}"))
                .collect();
            format!("{count}{paths}; see `ctl peers`")
        }
    }
}

fn running(status: &NodeStatus, output: Output) -> String {
    let moment = output.moment(status.started);
    let time = match moment.strip_suffix(" ago") {
        Some(time) => format!("for {time}"),
        None => format!("since {moment}"),
    };
    format!("{time}, version {}, process {}", status.version, status.pid)
}

fn index(index: &IndexStatus) -> String {
    let files = plural(index.files, "file", "files");
    let mut text = format!("{files}, {}", bytes(index.bytes));
    if !index.complete {
        let waiting = plural(index.waiting, "waits", "wait");
        text += &format!("; {waiting} to be read");
    }
    if let Some(error) = &index.error {
        text += &format!("; {error}");
    }
    text
}

fn documents(status: &DocumentsStatus) -> String {
    let mut text = format!("{} read", status.read);
    if status.without_text > 0 {
        text += &format!(", {} of them without text", status.without_text);
    }
    if status.waiting > 0 {
        text += &format!("; {} to be read", plural(status.waiting, "waits", "wait"));
    }
    if status.unreadable > 0 {
        text += &format!("; {} unreadable, see `ctl ls --skipped`", status.unreadable);
    }
    text += &format!("; {} of text", bytes(status.bytes));
    if let Some(error) = &status.error {
        text += &format!("; {error}");
    }
    text
}
