//! `ctl ask`: links by which people without Sixhop leave files.

use super::{
    Context,
    share::{new_link, tell},
};
use crate::{cli::AskArgs, error::CtlError};

/// Runs the command.
pub(crate) async fn run(args: AskArgs, context: &Context) -> Result<(), CtlError> {
    let node = context.connect()?;
    let (link, new) = new_link(&args.limits)?;
    let max_bytes = args.max.map(node_base::size::Size::bytes);
    let added = node.ticket_ask(args.into, max_bytes, new);
    tell(&context.patience.bound(added).await?, &link, context.output)
}
