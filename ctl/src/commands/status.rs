//! `ctl status`: says what the node is and what it has done.

use node_api::node::NodeStatus;

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

fn lines(status: &NodeStatus) -> [(&'static str, String); 10] {
    [
        ("url", status.url.clone()),
        ("share", status.share.clone()),
        ("peers", status.peers.to_string()),
        ("cache", bytes(status.cache_bytes)),
        ("handlers", status.handlers.join(" ")),
        ("listen", status.listen.clone()),
        ("control", status.control.clone()),
        (
            "version",
            format!("{} (control {})", status.version, status.api_version),
        ),
        ("pid", status.pid.to_string()),
        ("started", timestamp(status.started)),
    ]
}
