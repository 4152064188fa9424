//! `ctl log-level`: says what the node logs, or changes it.

use serde_json::json;

use super::Context;
use crate::{cli::LogLevelArgs, error::CtlError, output::escaped};

/// Runs the command.
pub(crate) async fn run(args: LogLevelArgs, context: &Context) -> Result<(), CtlError> {
    let node = context.connect()?;
    let levels = context.patience.bound(node.log_level(args.levels)).await?;
    if context.output.is_json() {
        return context.output.json(&json!({ "levels": levels }));
    }
    context.output.line(&escaped(&levels))
}
