//! `ctl renew-secret`: makes a new secret for the control connection.

use serde_json::json;

use super::Context;
use crate::error::CtlError;

/// Runs the command.
pub(crate) async fn run(context: &Context) -> Result<(), CtlError> {
    let node = context.connect()?;
    let renewed = context.patience.bound(node.renew_secret()).await?;
    if context.output.is_json() {
        return context.output.json(&json!({ "renewed": renewed }));
    }
    context
        .output
        .line("the node has a new secret; what was opened with the old one ends")
}
