//! `ctl rescan`: has the node look at its directory now.

use super::Context;
use crate::{cli::RescanArgs, error::CtlError};

/// Runs the command.
pub(crate) async fn run(args: RescanArgs, context: &Context) -> Result<(), CtlError> {
    let node = context.connect()?;
    let found = context.patience.bound(node.rescan(args.name)).await?;
    if context.output.is_json() {
        return context.output.json(&found);
    }
    context.output.line(&format!(
        "{} new, {} changed, {} gone",
        found.added, found.changed, found.removed
    ))
}
