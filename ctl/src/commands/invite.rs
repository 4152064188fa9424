//! `ctl invite`: prints the address by which others meet the node, for a person as a QR code too.

use serde_json::json;

use super::Context;
use crate::{error::CtlError, output::escaped, qr::Qr};

/// Runs the command.
pub(crate) async fn run(context: &Context) -> Result<(), CtlError> {
    let node = context.connect()?;
    let output = context.output;
    let status = context.patience.bound(node.status()).await?;
    if status.invitation.is_empty() {
        return Err(CtlError::failed(
            "the node is of an earlier version, which has no such address; restart it",
        ));
    }
    if output.is_json() {
        return output.json(&json!({ "invitation": status.invitation }));
    }
    if let Some(reach) = &status.reach {
        output.note(&escaped(reach));
    }
    output.line(&escaped(&status.invitation))?;
    match Qr::of(&status.invitation).map(|qr| qr.to_blocks()) {
        Some(blocks) if output.has_room_for(&blocks) => output.lines(&blocks),
        _ => Ok(()),
    }
}
