//! `ctl stop`: ends the node.

use serde_json::json;

use super::Context;
use crate::error::CtlError;

/// Runs the command.
pub(crate) async fn run(context: &Context) -> Result<(), CtlError> {
    let node = context.connect()?;
    let stops = context.patience.bound(node.stop()).await?;
    if context.output.is_json() {
        return context.output.json(&json!({ "stops": stops }));
    }
    context.output.line("the node stops")
}
