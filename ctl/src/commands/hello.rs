//! `ctl hello`: introduces the node to a peer.

use super::Context;
use crate::{cli::HelloArgs, connection::Connection, error::CtlError, output::escaped};

/// Runs the command.
pub(crate) async fn run(args: HelloArgs, context: &Context) -> Result<(), CtlError> {
    let node = context.connect()?;
    let peer = context.patience.bound(node.hello(&args.url)).await?;
    if context.output.is_json() {
        context.output.json(&peer)?;
        return Connection::require_answer(&peer);
    }
    if let Some(notice) = &peer.notice {
        context.output.note(&escaped(notice));
    }
    Connection::require_answer(&peer)?;
    context.output.line(&format!(
        "{} answered",
        escaped(&context.output.node(peer.name.as_deref(), &peer.url))
    ))
}
