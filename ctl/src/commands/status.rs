//! `ctl status`: says what the node is and what it has done.

use node_api::node::{IndexStatus, NodeStatus};

use super::Context;
use crate::{
    error::CtlError,
    output::{bytes, escaped, timestamp},
};

/// Runs the command.
pub(crate) async fn run(context: &Context) -> Result<(), CtlError> {
    let node = context.connect()?;
    let status = context.patience.bound(node.status()).await?;
    if context.output.is_json() {
        return context.output.json(&status);
    }
    for (label, value) in lines(&status) {
        context
            .output
            .line(&format!("{label:<10} {}", escaped(&value)))?;
    }
    for (name, count) in &status.counters {
        context
            .output
            .line(&format!("{:<28} {count}", escaped(name)))?;
    }
    Ok(())
}

fn lines(status: &NodeStatus) -> Vec<(&'static str, String)> {
    let mut lines = vec![
        ("url", status.url.clone()),
        ("id", status.id.clone()),
        ("share", status.share.clone()),
        ("files", files(status)),
        ("peers", status.peers.to_string()),
        ("cache", bytes(status.cache_bytes)),
        (
            "index",
            status.index.as_ref().map_or_else(String::new, index),
        ),
        ("handlers", status.handlers.join(" ")),
        ("listen", status.listen.clone()),
        ("control", status.control.clone()),
        (
            "version",
            format!("{} (control {})", status.version, status.api_version),
        ),
        ("pid", status.pid.to_string()),
        ("started", timestamp(status.started)),
    ];
    if status.skipped > 0 {
        let skipped = format!("{} (ctl ls --skipped)", status.skipped);
        lines.insert(4, ("not shared", skipped));
    }
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

fn files(status: &NodeStatus) -> String {
    if status.is_share_known {
        status.files.to_string()
    } else {
        format!("{} so far", status.files)
    }
}

fn index(index: &IndexStatus) -> String {
    let mut text = format!("{} files, {}", index.files, bytes(index.bytes));
    if !index.complete {
        text += &format!("; {} wait to be read", index.waiting);
    }
    if let Some(error) = &index.error {
        text += &format!("; {error}");
    }
    text
}
